//! One ColourStream of its own for a test: the real binary, a state folder, a
//! name and a block of ports that nobody else has, and nothing left behind.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::allow_attributes,
    reason = "a helper of tests; not every binary uses all of it"
)]

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The services, as in container names.
pub const ROLES: [&str; 3] = ["traefik", "ovenmediaengine", "mirotalk"];

/// Another engine than the machine's, for a whole test binary: its address and
/// the process whose network it is in.
static ELSEWHERE: OnceLock<(String, u32)> = OnceLock::new();

/// From now on all is done on this engine, in the network of that process.
pub fn move_to(engine: &str, process: u32) {
    ELSEWHERE.set((engine.to_owned(), process)).unwrap();
}

/// A command on the ground of the tests.
pub fn command(program: &str) -> Command {
    let Some((_, process)) = ELSEWHERE.get() else {
        return Command::new(program);
    };
    // Executes it in its own place, so that its process is the command's.
    let mut command = Command::new("nsenter");
    command.args(["-t", &process.to_string(), "-n", "--", program]);
    command
}

/// Where the engine of the tests is.
pub fn engine_address() -> String {
    if let Some((engine, _)) = ELSEWHERE.get() {
        return engine.clone();
    }
    std::env::var("COLOURSTREAM_TEST_ENGINE")
        .unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned())
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// No command in the foreground takes longer.
const LONGEST: Duration = Duration::from_secs(300);

impl Said {
    fn of(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (out, err) = (heard(out), heard(err));
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() && begun.elapsed() < LONGEST {
            std::thread::sleep(Duration::from_millis(3));
        }
        let late = begun.elapsed() >= LONGEST;
        if late {
            let _gone = child.kill();
        }
        let code = child.wait().unwrap().code();
        // Who holds the other end longer than that is not waited for.
        let rest = |from: mpsc::Receiver<String>| {
            from.recv_timeout(Duration::from_secs(5))
                .unwrap_or_default()
        };
        let mut said = Self {
            code: code.unwrap_or(-1),
            out: rest(out),
            err: rest(err),
        };
        if late {
            said.err += &format!("\nended: it took longer than {LONGEST:?}");
        }
        said
    }
}

/// All that comes out of a pipe, once it ends.
fn heard(mut pipe: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (into, from) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _cut = pipe.read_to_end(&mut bytes);
        let _nobody_asks = into.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    from
}

/// `docker …`, whatever comes of it.
pub fn try_docker(arguments: &[&str]) -> Said {
    Said::of(
        Command::new("docker")
            .env("DOCKER_HOST", engine_address())
            .env("DOCKER_BUILDKIT", "0")
            .args(arguments),
    )
}

/// `docker …`, which has to work.
pub fn docker(arguments: &[&str]) -> String {
    let said = try_docker(arguments);
    assert_eq!(said.code, 0, "docker {arguments:?}: {}", said.err);
    said.out.trim().to_owned()
}

/// What the engine says of a container.
pub fn inspect(container: &str) -> Value {
    let all: Value = serde_json::from_str(&docker(&["inspect", container])).unwrap();
    all.get(0).unwrap().clone()
}

/// Makes `tag` out of `from` and some more lines of a Dockerfile.
pub fn derive(tag: &str, from: &str, lines: &str) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("Dockerfile"),
        format!("FROM {from}\n{lines}\n"),
    )
    .unwrap();
    docker(&["build", "-q", "-t", tag, dir.path().to_str().unwrap()]);
}

/// A call that nothing answers before its time counts as failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// One HTTP call over a fresh connection: status and body.
fn exchange(
    mut stream: impl std::io::Read + std::io::Write,
    request: &str,
) -> Option<(u16, String)> {
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned())?;
    Some((status, body))
}

fn request(method: &str, host: &str, path: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nIf-Match: *\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// An HTTP call to an address of this machine.
pub fn http(
    method: &str,
    address: &str,
    host: &str,
    path: &str,
    body: &str,
) -> Option<(u16, String)> {
    let stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    exchange(stream, &request(method, host, path, body))
}

/// A call to the control socket in a state folder.
pub fn ask_control(state: &Path, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let stream = UnixStream::connect(state.join("control.sock")).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let (status, body) = exchange(stream, &request(method, "control", path, &body))?;
    Some((
        status,
        serde_json::from_str(&body).unwrap_or(Value::String(body)),
    ))
}

/// Says how far a test is, to whoever asked for it (`COLOURSTREAM_TELL`).
pub fn tell(what: &str) {
    if std::env::var_os("COLOURSTREAM_TELL").is_some() {
        eprintln!("    {what}");
    }
}

/// Sub-cases of one test: each is run, and those that failed are named.
#[derive(Default)]
pub struct Cases {
    failed: Vec<String>,
}

impl Cases {
    /// Runs one.
    pub fn run(&mut self, name: &str, case: impl FnOnce()) {
        let begun = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(case));
        let word = if result.is_ok() { "ok" } else { "FAILED" };
        eprintln!("  {word:<7}{name} ({:.1} s)", begun.elapsed().as_secs_f64());
        if result.is_err() {
            self.failed.push(name.to_owned());
        }
    }

    /// How many failed.
    pub fn failures(&self) -> usize {
        self.failed.len()
    }

    /// Fails if one did.
    pub fn conclude(self) {
        assert!(self.failed.is_empty(), "failed: {}", self.failed.join(", "));
    }
}

/// See the module.
pub struct Stack {
    pub name: String,
    pub dir: tempfile::TempDir,
    base: u16,
    engine: String,
    child: Option<Child>,
}

impl Stack {
    /// Prepares it with the plain settings; nothing runs yet.
    pub fn new(name: &str, base: u16) -> Self {
        Self::on(name, base, |_| engine_address())
    }

    /// The same with another engine address, which may lie in its folder.
    pub fn on(name: &str, base: u16, engine: impl FnOnce(&Path) -> String) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let engine = engine(dir.path());
        let stack = Self {
            name: format!("cst1-{name}"),
            dir,
            base,
            engine,
            child: None,
        };
        // A run that was killed may have left something.
        stack.sweep_up();
        stack.settings("");
        stack
    }

    /// Writes the settings: the plain ones and `more`.
    pub fn settings(&self, more: &str) {
        std::fs::write(self.config(), self.settings_text(more)).unwrap();
    }

    pub fn settings_text(&self, more: &str) -> String {
        let (name, base, engine) = (&self.name, self.base, &self.engine);
        let port = |offset: u16| base + offset;
        let sweep = if more.contains("reconcile:") {
            ""
        } else {
            "reconcile: {sweep: 3s}\n"
        };
        let (http, https, rtmp, srt, relay) = (port(0), port(1), port(2), port(3), port(4));
        let (pages, internal) = (port(5), port(6));
        let (ice, ice_last, call, call_last) = (port(10), port(13), port(20), port(21));
        format!(
            "instance: {name}\nstate: ./state\nengine: {engine}\n\
             domain: {name}.localhost\ntls: local-ca\npublic_address: 127.0.0.1\n\
             ports: {{bind: 127.0.0.1, http: {http}, https: {https}, rtmp: {rtmp}, srt: {srt}, relay: {relay}, \
             ice_udp: {ice}-{ice_last}, ice_tcp: {ice}, call: {call}-{call_last}, pages: {pages}, internal: {internal}}}\n\
             {sweep}{more}"
        )
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("colourstream.yaml")
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub fn rendered(&self, path: &str) -> PathBuf {
        self.state().join("rendered").join(path)
    }

    pub fn port(&self, offset: u16) -> u16 {
        self.base + offset
    }

    /// The container of a role.
    pub fn of(&self, role: &str) -> String {
        format!("{}-{role}", self.name)
    }

    pub fn live(&self) -> String {
        format!("{}.localhost", self.name)
    }

    /// A command of the product, to be started by the caller: of the binary
    /// in `COLOURSTREAM_TEST_BINARY`, or of the one built for the tests.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let other = std::env::var("COLOURSTREAM_TEST_BINARY");
        let binary = other
            .as_deref()
            .unwrap_or(env!("CARGO_BIN_EXE_colourstream"));
        let mut command = command(binary);
        command
            .args(["--config", self.config().to_str().unwrap()])
            .args(arguments)
            .current_dir(self.dir.path())
            .env_remove("RUST_LOG")
            .env_remove("COLOURSTREAM_STATE");
        command
    }

    /// Runs a command of the product to its end.
    pub fn run(&self, arguments: &[&str]) -> Said {
        Said::of(&mut self.command(arguments))
    }

    /// Starts `serve`.
    pub fn serve(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = |name| {
            std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(self.dir.path().join(name))
                .unwrap()
        };
        let child = self
            .command(&["serve"])
            .stdin(Stdio::null())
            .stdout(log("story"))
            .stderr(log("log"))
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// Process id of `serve`, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether `serve` ended by itself or was killed by somebody else.
    pub fn has_ended(&mut self) -> bool {
        match &mut self.child {
            Some(child) => child.try_wait().unwrap().is_some(),
            None => true,
        }
    }

    /// How `serve` ended, if it did and nobody took it away yet.
    pub fn end(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().unwrap()
    }

    /// Ends `serve` without a warning, as `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _gone = child.kill();
            child.wait().unwrap();
        }
    }

    /// The same while others still talk to it; [`Self::kill`] takes it away.
    pub fn kill_shared(&self) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        let sent = Command::new("kill").args(["-KILL", &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Ends `serve` as a service manager does; answers its exit code.
    pub fn stop(&mut self) -> i32 {
        let mut child = self.child.take().unwrap();
        let pid = child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Does something behind its back: it is frozen meanwhile.
    pub fn while_it_sleeps(&self, act: impl FnOnce()) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        let signal = |name: &str| {
            assert!(
                Command::new("kill")
                    .args([name, &pid])
                    .status()
                    .unwrap()
                    .success()
            );
        };
        signal("-STOP");
        let result = catch_unwind(AssertUnwindSafe(act));
        signal("-CONT");
        assert!(result.is_ok());
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// A call to the control socket.
    pub fn api(&self, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        ask_control(&self.state(), method, path, body)
    }

    pub fn get(&self, path: &str) -> Value {
        let (status, body) = self.api("GET", path, &Value::Null).unwrap();
        assert_eq!(status, 200, "GET {path}: {body}");
        body
    }

    pub fn status(&self) -> Option<Value> {
        let (status, body) = self.api("GET", "/api/v1/status", &Value::Null)?;
        (status == 200).then_some(body)
    }

    /// Waits until the status is as it should be, and answers it.
    pub fn until(&self, what: &str, seconds: u64, good: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        loop {
            let status = self.status();
            if let Some(status) = &status
                && good(status)
            {
                return status.clone();
            }
            if Instant::now() > deadline {
                self.give_up(&format!("not within {seconds} s: {what}"), status.as_ref());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn give_up(&self, what: &str, status: Option<&Value>) -> ! {
        let log = self.log();
        let tail: Vec<&str> = log.lines().rev().take(30).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        let status = status.map_or_else(
            || "no answer".into(),
            |status| {
                let mut shown = status.clone();
                if let Some(shown) = shown.as_object_mut() {
                    shown.retain(|key, _| {
                        matches!(
                            key.as_str(),
                            "summary" | "services" | "plan" | "issues" | "reconcile" | "live"
                        )
                    });
                }
                serde_json::to_string_pretty(&shown).unwrap()
            },
        );
        panic!(
            "{}: {what}\nstatus: {status}\nlog:\n{}",
            self.name,
            tail.join("\n")
        );
    }

    /// Waits until all is well: by its own word, and by a look of somebody
    /// else's, who plans nothing.
    pub fn well(&self, what: &str, seconds: u64) {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).as_secs();
            self.until(what, left, is_ready);
            let plan = self.run(&["plan", "--detailed-exitcode"]);
            if plan.code == 0 {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{what}: the plan is not empty\n{}{}",
                plan.out,
                plan.err
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Ids and starts of what runs: the same as before means untouched.
    pub fn runs(&self) -> BTreeMap<String, String> {
        ROLES
            .iter()
            .map(|role| {
                let facts = inspect(&self.of(role));
                let text = |pointer| facts.pointer(pointer).unwrap().as_str().unwrap().to_owned();
                (
                    (*role).to_owned(),
                    format!("{} {}", text("/Id"), text("/State/StartedAt")),
                )
            })
            .collect()
    }

    /// Names of all containers that carry our label.
    pub fn containers(&self) -> Vec<String> {
        let label = format!("label=org.colourstream.instance={}", self.name);
        let mut names: Vec<String> =
            docker(&["ps", "-a", "--filter", &label, "--format", "{{.Names}}"])
                .lines()
                .map(str::to_owned)
                .collect();
        names.sort();
        names
    }

    /// The three containers and nothing kept or forgotten beside them.
    pub fn only_three(&self) {
        let mut expected: Vec<String> = ROLES.iter().map(|role| self.of(role)).collect();
        expected.sort();
        assert_eq!(self.containers(), expected);
    }

    /// The address of a service in our network.
    pub fn address(&self, role: &str) -> String {
        let facts = inspect(&self.of(role));
        let pointer = format!("/NetworkSettings/Networks/{}/IPAddress", self.name);
        facts
            .pointer(&pointer)
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Everything on the engine whose name begins with ours, ours or not.
    pub fn on_engine(&self) -> Vec<String> {
        let of = |kind: &str, arguments: &[&str]| -> Vec<String> {
            docker(arguments)
                .lines()
                .filter(|name| {
                    name.strip_prefix(&self.name)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_', '.']))
                })
                .map(|name| format!("{kind} {name}"))
                .collect()
        };
        let mut all = of("container", &["ps", "-a", "--format", "{{.Names}}"]);
        all.extend(of("network", &["network", "ls", "--format", "{{.Name}}"]));
        all.extend(of("volume", &["volume", "ls", "--format", "{{.Name}}"]));
        all.sort();
        all
    }

    fn sweep_up(&self) {
        let label = format!("label=org.colourstream.instance={}", self.name);
        for id in try_docker(&["ps", "-aq", "--filter", &label]).out.lines() {
            try_docker(&["rm", "-f", id]);
        }
        let all =
            std::panic::catch_unwind(AssertUnwindSafe(|| self.on_engine())).unwrap_or_default();
        for (kind, name) in all.iter().filter_map(|item| item.split_once(' ')) {
            match kind {
                "container" => try_docker(&["rm", "-f", name]),
                "network" => try_docker(&["network", "rm", name]),
                _ => try_docker(&["volume", "rm", "-f", name]),
            };
        }
        for images in [format!("{}/*", self.name), format!("*/{}/*", self.name)] {
            for image in try_docker(&["images", "-q", &images]).out.lines() {
                try_docker(&["rmi", "-f", image]);
            }
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _gone = child.kill();
            let _gone = child.wait();
        }
        let _gone = self.run(&["down", "--volumes", "--yes"]);
        self.sweep_up();
    }
}

/// All as wanted, by its own word.
pub fn is_ready(status: &Value) -> bool {
    let services = status["services"].as_array().unwrap();
    status["summary"] == "ready"
        && status["plan"].as_array().unwrap().is_empty()
        && services.len() == 3
        && services.iter().all(|service| {
            service["health"] == "healthy"
                && service["current"] == true
                && service["running"] == "running"
        })
}

/// The issue of this name, if it is open.
pub fn issue<'a>(status: &'a Value, code: &str) -> Option<&'a Value> {
    status["issues"]
        .as_array()?
        .iter()
        .find(|issue| issue["code"] == code)
}
