//! Debian's registry, with its data in a folder, and images that nobody has
//! but it.

use std::io::Read as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::house::CALL;
use crate::common::docker;

/// Ends when it is dropped.
pub struct Registry(Child);

impl Registry {
    /// Starts it on a port of the loopback, which engines ask without TLS.
    pub fn start(folder: &Path, port: u16) -> Self {
        let file = folder.join("registry.yml");
        let data = folder.join("data");
        std::fs::write(
            &file,
            format!(
                "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n",
                data.display()
            ),
        )
        .unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Self(child);
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "no registry");
            std::thread::sleep(Duration::from_millis(100));
        }
        registry
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// The stand-in with so much noise on top, pushed and not kept here.
pub fn push(reference: &str, noise: usize) {
    let context = tempfile::tempdir().unwrap();
    let mut bytes = vec![0; noise];
    std::fs::File::open("/dev/urandom")
        .unwrap()
        .read_exact(&mut bytes)
        .unwrap();
    std::fs::write(context.path().join("noise"), bytes).unwrap();
    let lines = format!("FROM {CALL}\nENV SIM_START_DELAY_MS=100\nCOPY noise /noise\n");
    std::fs::write(context.path().join("Dockerfile"), lines).unwrap();
    let folder = context.path().display().to_string();
    docker(&["build", "-q", "-t", reference, &folder]);
    docker(&["push", "-q", reference]);
    docker(&["rmi", "-f", reference]);
}
