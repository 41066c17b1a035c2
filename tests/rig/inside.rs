//! A controller in a container of the image that ships, with ports of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

use super::{Tidy, docker, docker_try, summary};

/// The tests' own image of the controller.
pub fn image() -> &'static str {
    const IMAGE: &str = "cst3-controller:test";
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| make(IMAGE));
    IMAGE
}

/// Made from the binary under test, without pulling anything.
pub fn make(image: &str) {
    let output = Command::new("scripts/image")
        .args([super::BINARY, image])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    super::good(output);
}

/// Ports of one instance, from `base` on.
pub fn ports(base: u16) -> String {
    let (https, others) = (base + 1, other_ports(base));
    format!("{{bind: 127.0.0.1, http: {base}, https: {https}, {others}}}")
}

/// All but those of HTTP and HTTPS, without braces.
pub fn other_ports(base: u16) -> String {
    let port = |offset: u16| base + offset;
    format!(
        "rtmp: {}, srt: {}, ice_udp: {}-{}, ice_tcp: {}, relay: {}, call: {}-{}, pages: {}, internal: {}",
        port(2),
        port(3),
        port(4),
        port(5),
        port(4),
        port(6),
        port(7),
        port(8),
        port(20),
        port(21),
    )
}

/// See the module.
pub struct Inside {
    pub name: String,
    pub base: u16,
    pub dir: tempfile::TempDir,
    /// The engine's socket as this controller sees it.
    pub socket: PathBuf,
    /// More for `docker run`.
    pub more: Vec<String>,
    _tidy: Tidy,
}

impl Inside {
    pub fn new(name: &str, base: u16) -> Self {
        let tidy = Tidy::new(name);
        let inside = Self {
            name: name.to_owned(),
            base,
            dir: tempfile::tempdir().unwrap(),
            socket: PathBuf::from(super::socket()),
            more: Vec::new(),
            _tidy: tidy,
        };
        inside.settings("tls: local-ca\n");
        inside
    }

    /// Writes the settings: the plain ones and `more`.
    pub fn settings(&self, more: &str) {
        let (name, ports) = (&self.name, ports(self.base));
        let text = format!(
            "domain: {name}.localhost\ninstance: {name}\npublic_address: 127.0.0.1\n\
             reconcile: {{sweep: 2s}}\nports: {ports}\n{more}"
        );
        std::fs::write(self.file(), text).unwrap();
    }

    pub fn file(&self) -> PathBuf {
        // In a folder of its own, which is mounted: a file would stay the old
        // one when an editor replaces it.
        let folder = self.dir.path().join("etc");
        std::fs::create_dir_all(&folder).unwrap();
        folder.join("colourstream.yaml")
    }

    pub fn controller(&self) -> String {
        format!("{}-controller", self.name)
    }

    pub fn of(&self, role: &str) -> String {
        format!("{}-{role}", self.name)
    }

    pub fn volume(&self) -> String {
        format!("{}-state", self.name)
    }

    /// As docs/deploy.md says it, with the rights of examples/compose.yaml.
    pub fn run(&self) {
        self.run_as(&self.controller(), &self.volume());
    }

    /// The same, the container called `name`, on another `volume`.
    pub fn run_as(&self, name: &str, volume: &str) {
        let folder = self.file();
        let folder = folder.parent().unwrap_or(Path::new("/")).display();
        let (socket, image) = (self.socket.display(), image());
        let mut line: Vec<String> = format!(
            "run -d --name {name} -v {socket}:/var/run/docker.sock -v {folder}:/etc/colourstream:ro \
             -e COLOURSTREAM_CONFIG=/etc/colourstream/colourstream.yaml -v {volume}:/state \
             --read-only --tmpfs=/tmp --cap-drop=ALL --cap-add=CHOWN --cap-add=DAC_OVERRIDE \
             --cap-add=FOWNER --security-opt=no-new-privileges:true"
        )
        .split_whitespace()
        .map(str::to_owned)
        .collect();
        line.extend(self.more.iter().cloned());
        line.push(image.to_owned());
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        docker(&line);
    }

    pub fn exec(&self, arguments: &[&str]) -> Output {
        let controller = self.controller();
        docker_try(&[&["exec", &controller, "/colourstream"], arguments].concat())
    }

    pub fn status(&self) -> Option<Value> {
        serde_json::from_slice(&self.exec(&["status", "--json"]).stdout).ok()
    }

    /// Waits until all is as wanted.
    #[track_caller]
    pub fn ready(&self) -> Value {
        self.until("ready", |status| status["summary"] == "ready")
    }

    #[track_caller]
    pub fn until(&self, what: &str, good: impl Fn(&Value) -> bool) -> Value {
        let begun = std::time::Instant::now();
        let mut last = Value::Null;
        loop {
            if let Some(status) = self.status() {
                if good(&status) {
                    return status;
                }
                last = status;
            }
            assert!(
                begun.elapsed().as_secs() < 180,
                "{what}: {}",
                summary(&last)
            );
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
    }

    /// What a browser gets through Traefik: status and page.
    pub fn through_traefik(&self, host: &str) -> (u16, String) {
        let (port, host) = (self.base + 1, host);
        let output = Command::new("curl")
            .args([
                "-sk",
                "--max-time",
                "10",
                "-w",
                "\n%{http_code}",
                "--resolve",
            ])
            .arg(format!("{host}:{port}:127.0.0.1"))
            .arg(format!("https://{host}:{port}/"))
            .output()
            .unwrap();
        let out = super::text(&output.stdout);
        let (body, code) = out.rsplit_once('\n').unwrap();
        (code.parse().unwrap(), body.to_owned())
    }
}
