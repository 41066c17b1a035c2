//! What tests of the whole binary share: running it, waiting with a bound,
//! asking over HTTP, and tidying up an engine.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::allow_attributes,
    reason = "a helper of tests; not every binary uses all of it"
)]

pub mod inside;
pub mod proxy;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_colourstream");

/// Waits until `look` answers, or says what it was waiting for.
#[track_caller]
pub fn wait<T>(what: &str, seconds: u64, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(seconds),
            "waited {seconds} s in vain for {what}"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// What a command printed; it must have succeeded.
#[track_caller]
pub fn good(output: Output) -> String {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}: {out}{err}", output.status);
    out
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A controller run as a process of the host.
pub struct Served {
    child: Child,
    pub settings: PathBuf,
    pub state: PathBuf,
    pub dir: tempfile::TempDir,
}

impl Served {
    /// Starts `colourstream serve` with these settings; `state` is added.
    pub fn start(settings: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (file, state) = (
            dir.path().join("colourstream.yaml"),
            dir.path().join("state"),
        );
        std::fs::write(&file, format!("{settings}\nstate: {}\n", state.display())).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let child = Self::spawn(&file, log);
        let served = Self {
            child,
            settings: file,
            state,
            dir,
        };
        wait("the control socket", 60, || {
            served.run(&["health"]).status.success().then_some(())
        });
        served
    }

    /// Starts it once more on the same state; what it says is added to the log.
    pub fn again(&mut self) {
        self.stop();
        let log = std::fs::OpenOptions::new()
            .append(true)
            .open(self.dir.path().join("log"))
            .unwrap();
        self.child = Self::spawn(&self.settings, log);
        wait("the control socket", 60, || self.status());
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal such as `STOP`; one that ends it is waited for.
    pub fn signal(&mut self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
        if name == "KILL" {
            let _ended = self.child.wait();
        }
    }

    fn spawn(file: &Path, log: std::fs::File) -> Child {
        Command::new(BINARY)
            .args(["serve", "--config"])
            .arg(file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// Any command against it.
    pub fn run(&self, arguments: &[&str]) -> Output {
        Command::new(BINARY)
            .args(arguments)
            .arg("--config")
            .arg(&self.settings)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// As [`Self::run`], with something on standard input.
    pub fn run_with(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(BINARY)
            .args(arguments)
            .arg("--config")
            .arg(&self.settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    }

    #[track_caller]
    pub fn good(&self, arguments: &[&str]) -> String {
        good(self.run(arguments))
    }

    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let out = self.good(&[arguments, &["--json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    pub fn status(&self) -> Option<Value> {
        let out = self.run(&["status", "--json"]);
        serde_json::from_slice(&out.stdout).ok()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Ends it and waits for it.
    pub fn stop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let id = rustix::process::Pid::from_child(&self.child);
        let _gone = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        let _ended = self.child.wait();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            eprintln!("--- the controller's log\n{}", self.log());
        }
    }
}

/// `docker` as it comes.
pub fn docker_try(arguments: &[&str]) -> Output {
    let address = std::env::var("COLOURSTREAM_TEST_ENGINE")
        .unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    Command::new("docker")
        .env("DOCKER_HOST", address)
        .env("DOCKER_BUILDKIT", "0")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// `docker`, which must succeed.
#[track_caller]
pub fn docker(arguments: &[&str]) -> String {
    let output = docker_try(arguments);
    assert!(
        output.status.success(),
        "docker {arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout).trim().to_owned()
}

/// Makes `tag` out of `from` and some more lines of a Dockerfile.
pub fn derive(tag: &str, from: &str, lines: &str) {
    let dir = tempfile::tempdir().unwrap();
    let text = format!("FROM {from}\n{lines}\n");
    std::fs::write(dir.path().join("Dockerfile"), text).unwrap();
    docker(&["build", "-q", "-t", tag, dir.path().to_str().unwrap()]);
}

/// The engine's socket on this host.
pub fn socket() -> String {
    let address = std::env::var("COLOURSTREAM_TEST_ENGINE")
        .unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    address.trim_start_matches("unix://").to_owned()
}

/// Every container, running or not, every network and every volume, by name.
pub fn inventory() -> BTreeSet<String> {
    let kinds = [
        &["container", "ls", "--all", "--format", "{{.Names}}"][..],
        &["network", "ls", "--format", "{{.Name}}"],
        &["volume", "ls", "--format", "{{.Name}}"],
    ];
    let list = |arguments: &[&str]| -> Vec<String> {
        let named = |name: &str| format!("{} {name}", arguments[0]);
        docker(arguments).lines().map(named).collect()
    };
    kinds.into_iter().flat_map(list).collect()
}

/// Where a volume lies on this host.
pub fn place(volume: &str) -> PathBuf {
    let format = "{{.Mountpoint}}";
    docker(&["volume", "inspect", "--format", format, volume]).into()
}

/// Looks at everything below a state folder of the controller with the user
/// `ours`: what holds a secret can be read by its owner alone, who is the one
/// that needs it, and nothing can be written by anybody else. `secrets` are
/// more than `secrets.json` has. What holds one is given back, by its path.
#[track_caller]
pub fn kept_private(state: &Path, ours: u32, secrets: &[&str]) -> BTreeSet<String> {
    let stored = std::fs::read(state.join("secrets.json")).unwrap();
    let stored: BTreeMap<String, String> = serde_json::from_slice(&stored).unwrap();
    let secrets: Vec<&str> = ["PRIVATE KEY"]
        .into_iter()
        .chain(secrets.iter().copied())
        .chain(stored.values().map(String::as_str))
        .collect();
    assert!(stored.len() >= 8 && secrets.iter().all(|secret| secret.len() > 8));
    // Only root gives files away; what others write, services read as them.
    let user = |service: u32| if ours == 0 { service } else { ours };
    // The services' users may be people on the host.
    for name in ["rendered", "tmp", "quarantine"] {
        let mode = std::fs::metadata(state.join(name)).unwrap().mode();
        assert_eq!(mode & 0o077, 0, "{name} is {mode:o}");
    }
    let mut holding = BTreeSet::new();
    let mut folders = vec![state.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let shown = path.strip_prefix(state).unwrap().display().to_string();
            let Ok(meta) = std::fs::symlink_metadata(&path) else {
                assert!(shown.starts_with("tmp/"), "{shown} went");
                continue;
            };
            let (mode, owner) = (meta.mode() & 0o7777, meta.uid());
            assert_eq!(mode & 0o022, 0, "{shown} is {mode:o}");
            let known = [ours, user(65_532), user(1000)];
            assert!(known.contains(&owner), "{shown} is {owner}'s");
            if meta.is_dir() {
                folders.push(path);
                continue;
            }
            if meta.file_type().is_socket() {
                assert_eq!((mode & 0o077, owner), (0, ours), "{shown} is {mode:o}");
                continue;
            }
            assert!(meta.is_file(), "{shown}");
            let bytes = std::fs::read(&path).unwrap_or_default();
            let name = path.file_name().unwrap().to_string_lossy();
            let is_store = name.starts_with("colourstream.db") || name.ends_with(".backup");
            let told = text(&bytes);
            if !is_store && !secrets.iter().any(|secret| told.contains(secret)) {
                continue;
            }
            let wanted = match shown.split('/').collect::<Vec<_>>().as_slice() {
                ["rendered", "mirotalk", ..] => user(1000),
                ["rendered", ..] | ["traefik", "acme", ..] => user(65_532),
                _ => ours,
            };
            assert_eq!(mode & 0o077, 0, "{shown} holds a secret and is {mode:o}");
            assert_eq!(owner, wanted, "{shown} holds a secret of somebody else's");
            holding.insert(shown);
        }
    }
    for wanted in [
        "secrets.json",
        "colourstream.db",
        "rendered/ovenmediaengine/",
        "rendered/mirotalk/",
    ] {
        let is_there = holding.iter().any(|path| path.starts_with(wanted));
        assert!(is_there, "no secret in {wanted}: {holding:?}");
    }
    holding
}

/// Removes everything whose name begins with `name`.
pub fn clear(name: &str) {
    let filter = format!("name={name}");
    let list = |arguments: &[&str]| docker(arguments);
    // First whoever would make the others again.
    docker_try(&["rm", "-f", &format!("{name}-controller")]);
    for id in list(&["ps", "-aq", "--filter", &format!("name=^/{name}")]).lines() {
        docker_try(&["rm", "-fv", id]);
    }
    for id in list(&["volume", "ls", "-q", "--filter", &filter]).lines() {
        docker_try(&["volume", "rm", "-f", id]);
    }
    for id in list(&["network", "ls", "-q", "--filter", &filter]).lines() {
        docker_try(&["network", "rm", id]);
    }
}

/// Everything of this name is removed now and at the end.
pub struct Tidy(pub String);

impl Tidy {
    pub fn new(name: &str) -> Self {
        clear(name);
        Self(name.to_owned())
    }
}

impl Drop for Tidy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let ours = format!("name=^/{}-", self.0);
            let all = docker_try(&["ps", "-a", "--filter", &ours]);
            eprintln!("{}", text(&all.stdout));
            let names = docker_try(&["ps", "-a", "--format", "{{.Names}}", "--filter", &ours]);
            for name in text(&names.stdout).lines() {
                let log = docker_try(&["logs", "--tail", "40", name]);
                eprintln!("--- {name}\n{}{}", text(&log.stdout), text(&log.stderr));
            }
        }
        clear(&self.0);
    }
}

/// An engine without the installation that the documents speak of, which is
/// called `colourstream`. What was made under its names goes at the end.
pub struct Fresh(());

impl Fresh {
    pub fn new() -> Self {
        // What somebody else has under these names is theirs.
        let mut taken = docker(&["ps", "-aq", "--filter", "name=^/colourstream-"]);
        let volumes = docker(&["volume", "ls", "-q"]);
        taken.extend(volumes.lines().filter(|name| *name == "colourstream"));
        assert!(
            taken.is_empty(),
            "an installation called `colourstream` is on this engine; take it down first, with its volume"
        );
        Self(())
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // The controller first: it would make anew what goes before it.
        docker_try(&["rm", "-fv", "colourstream-controller"]);
        docker_try(&["image", "rm", "colourstream:before"]);
        for id in docker(&["ps", "-aq", "--filter", "name=^/colourstream-"]).lines() {
            docker_try(&["rm", "-fv", id]);
        }
        for kind in ["volume", "network"] {
            let names = docker(&[kind, "ls", "--format", "{{.Name}}"]);
            for name in names.lines().filter(|name| {
                *name == "colourstream"
                    || name.starts_with("colourstream-")
                    || name.starts_with("colourstream_")
            }) {
                docker_try(&[kind, "rm", name]);
            }
        }
    }
}

/// A plain HTTP request; status and body.
pub fn http(
    address: &str,
    method: &str,
    path: &str,
    host: &str,
    body: &str,
) -> Option<(u16, String)> {
    let address: SocketAddr = address.parse().unwrap();
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(3)).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(15)))
        .unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut answer = Vec::new();
    let _cut = stream.read_to_end(&mut answer);
    let answer = text(&answer);
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Some((status, body.to_owned()))
}

/// Sums up why a stack is not ready yet, for failures.
pub fn summary(status: &Value) -> String {
    format!(
        "{} {} {}",
        status["summary"], status["plan"], status["issues"]
    )
}
