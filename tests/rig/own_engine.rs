//! A Docker Engine of a test's own, which may be stopped and killed: in
//! namespaces of its own (network, mounts, processes), with its own folders.
//! The machine's engine never notices, and nothing outlives the test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Puts up a network and waits for orphans, as the first process of a machine.
const FIRST_PROCESS: &str = "set -e
ip link set lo up
ip link add eth0 type veth peer name wire
ip link set wire up
ip addr add 10.78.0.2/24 dev eth0
ip link set eth0 up
ip route add default via 10.78.0.1
touch \"$1/up\"
while :; do sleep 3600 & wait; done";

/// See the module.
pub struct OwnEngine {
    folder: PathBuf,
    namespaces: Child,
    daemon: Option<Child>,
    first: u32,
}

impl OwnEngine {
    /// Why none can be had here, if so.
    pub fn cannot() -> Option<String> {
        if !rustix::process::geteuid().is_root() {
            return Some("only root may start an engine in namespaces of its own".to_owned());
        }
        let tools = ["dockerd", "unshare", "nsenter", "setpriv", "ip"];
        let missing = tools
            .into_iter()
            .find(|tool| !quiet(tool, &["--version"]) && !quiet(tool, &["-V"]));
        if let Some(tool) = missing {
            return Some(format!("`{tool}` is not installed"));
        }
        let may = quiet("unshare", &["-n", "-m", "-p", "--fork", "true"]);
        (!may).then(|| "this machine gives no namespaces (unshare is refused)".to_owned())
    }

    /// Makes the namespaces; no engine runs in them yet.
    pub fn new(folder: &Path) -> Self {
        // What a run that was killed left: its processes went with it.
        let _none = std::fs::remove_dir_all(folder);
        std::fs::create_dir_all(folder).unwrap();
        let mut namespaces = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "-n", "-m", "-p"])
            .args(["--fork", "--kill-child", "--mount-proc"])
            .args(["bash", "-c", FIRST_PROCESS, "bash"])
            .arg(folder)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while !folder.join("up").exists() {
            assert!(
                begun.elapsed() < Duration::from_secs(10)
                    && namespaces.try_wait().unwrap().is_none(),
                "the namespaces do not come up"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        let id = namespaces.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        Self {
            folder: folder.to_owned(),
            first: children.trim().parse().unwrap(),
            namespaces,
            daemon: None,
        }
    }

    /// The process whose network it is in.
    pub fn process(&self) -> u32 {
        self.first
    }

    pub fn address(&self) -> String {
        format!("unix://{}/docker.sock", self.folder.display())
    }

    /// Starts the engine and waits until it answers.
    pub fn start(&mut self, live_restore: bool) {
        assert!(self.daemon.is_none(), "it runs already");
        let at = |name: &str| self.folder.join(name);
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(at("log"))
            .unwrap();
        let mut command = Command::new("nsenter");
        command
            .args(["-t", &self.first.to_string(), "-n", "-m", "-p"])
            .args(["dockerd", "--data-root"])
            .arg(at("data"))
            .arg("--exec-root")
            .arg(at("run"))
            .arg("--pidfile")
            .arg(at("pid"))
            .args(["--host", &self.address()])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        if live_restore {
            command.arg("--live-restore");
        }
        self.daemon = Some(command.spawn().unwrap());
        let begun = Instant::now();
        while !quiet("docker", &["-H", &self.address(), "version"]) {
            let ended = self.daemon.as_mut().unwrap().try_wait().unwrap();
            assert!(
                begun.elapsed() < Duration::from_secs(60) && ended.is_none(),
                "the engine does not come up: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Ends the engine as a service manager does, or as a crash does.
    pub fn end(&mut self, signal: &str) {
        let mut daemon = self.daemon.take().unwrap();
        // By the number it has inside, where only its own processes are.
        let inside = std::fs::read_to_string(self.folder.join("pid")).unwrap();
        let sent = quiet(
            "nsenter",
            &[
                "-t",
                &self.first.to_string(),
                "-p",
                "kill",
                signal,
                inside.trim(),
            ],
        );
        assert!(sent, "{signal} was not sent");
        let begun = Instant::now();
        while daemon.try_wait().unwrap().is_none() {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "the engine does not end: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Copies images of the machine's engine.
    pub fn load(&self, from: &str, images: &[&str]) {
        let mut save = Command::new("docker")
            .args(["-H", from, "save"])
            .args(images)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let load = Command::new("docker")
            .args(["-H", &self.address(), "load", "--quiet"])
            .stdin(save.stdout.take().unwrap())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(save.wait().unwrap().success() && load.success());
    }

    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(10).collect();
        tail.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        // With its first process all others of the namespaces end, and with
        // them the mounts.
        let _gone = self.namespaces.kill();
        let _gone = self.namespaces.wait();
        if let Some(daemon) = &mut self.daemon {
            let _gone = daemon.wait();
        }
        for _ in 0..50 {
            if std::fs::remove_dir_all(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn quiet(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
