//! The stack that is measured: an instance of its own, on ports of its own,
//! bound to loopback, below `.cache/bench`. It goes when the figures are taken.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Failed;
use crate::client::Client;

pub const INSTANCE: &str = "csbench";
pub const LIVE: &str = "csbench.localhost";
pub const ADMIN: &str = "admin.csbench.localhost";
pub const PAGES: &str = "127.0.0.1:18000";
pub const INTERNAL: &str = "127.0.0.1:18001";
pub const ENGINE: &str = "/var/run/docker.sock";

const SETTINGS: &str = "\
# Written by the figures.
domain: csbench.localhost
instance: csbench
tls: off
public_address: 127.0.0.1
state: state
log: {level: warn}
ports:
  bind: 127.0.0.1
  http: 18080
  https: 18443
  rtmp: 11935
  srt: 19999
  ice_udp: 11000-11003
  ice_tcp: 11000
  relay: 13478
  call: 41000-41001
  pages: 18000
  internal: 18001
";

/// The controller's binary and what belongs to it.
pub struct House {
    pub binary: PathBuf,
    pub folder: PathBuf,
    child: Option<Child>,
}

impl House {
    /// Beside the binary that measures lies the one that is measured.
    pub fn new() -> Result<Self, Failed> {
        let own = std::env::current_exe()?;
        let binary = own
            .parent()
            .and_then(Path::parent)
            .map(|folder| folder.join("colourstream"))
            .filter(|binary| binary.is_file())
            .ok_or("the controller is not built: run `make bench`")?;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/bench");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("colourstream.yaml"), SETTINGS)?;
        let house = Self {
            binary,
            folder,
            child: None,
        };
        // What an earlier run was killed over.
        house.down()?;
        Ok(house)
    }

    pub fn config(&self) -> PathBuf {
        self.folder.join("colourstream.yaml")
    }

    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    pub fn pid(&self) -> Result<u32, Failed> {
        Ok(self.child.as_ref().ok_or("no controller runs")?.id())
    }

    /// Starts the controller; answers when it was asked to.
    pub fn start(&mut self) -> Result<Instant, Failed> {
        let log = std::fs::File::create(self.folder.join("controller.log"))?;
        let begun = Instant::now();
        let child = Command::new(&self.binary)
            .args(["serve", "--config"])
            .arg(self.config())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        self.child = Some(child);
        Ok(begun)
    }

    /// Ends the controller; what it started goes on.
    pub fn stop(&mut self) -> Result<(), Failed> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let begun = Instant::now();
        while child.try_wait()?.is_none() {
            if begun.elapsed() > Duration::from_secs(10) {
                child.kill()?;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Takes away all the instance made.
    pub fn down(&self) -> Result<(), Failed> {
        let done = Command::new(&self.binary)
            .args(["down", "--volumes", "--yes", "--config"])
            .arg(self.config())
            .stdin(Stdio::null())
            .output()?;
        if done.status.success() {
            return Ok(());
        }
        Err(format!("`down` failed: {}", String::from_utf8_lossy(&done.stderr)).into())
    }

    /// The control socket.
    pub async fn control(&self) -> Result<Client, Failed> {
        Client::unix(&self.state().join("control.sock")).await
    }

    /// Waits until all is as wanted.
    pub async fn ready(&self, within: Duration) -> Result<Value, Failed> {
        let begun = Instant::now();
        let mut last = Value::Null;
        while begun.elapsed() < within {
            if let Ok(mut control) = self.control().await
                && let Ok(answer) = control.get("/api/v1/status").await
                && let Ok(status) = answer.json()
            {
                if status["summary"] == "ready" {
                    return Ok(status);
                }
                last = status;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!(
            "not ready within {within:?}; issues: {}, plan: {}",
            last["issues"], last["plan"]
        )
        .into())
    }

    /// The address of a service's container.
    pub fn address(&self, role: &str) -> Result<String, Failed> {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let name = format!("{INSTANCE}-{role}");
        let out = Command::new("docker")
            .args(["inspect", "-f", format, &name])
            .output()?;
        let address = String::from_utf8(out.stdout)?.trim().to_owned();
        if address.is_empty() {
            return Err(format!("{name} has no address").into());
        }
        Ok(address)
    }

    /// A secret of the instance's own.
    pub fn secret(&self, name: &str) -> Result<String, Failed> {
        let all: Value =
            serde_json::from_slice(&std::fs::read(self.state().join("secrets.json"))?)?;
        Ok(all[name].as_str().ok_or("no such secret")?.to_owned())
    }

    /// Resident memory of the controller, in megabytes.
    pub fn memory(&self) -> Result<f64, Failed> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?))?;
        let line = text
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .ok_or("no VmRSS")?;
        let kb: f64 = line.split_whitespace().nth(1).ok_or("no figure")?.parse()?;
        Ok(kb / 1024.0)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // Best effort: the next run clears away what is left.
        let _ended = self.stop();
        if let Err(error) = self.down() {
            crate::say(&format!("left behind: {error}"));
        }
    }
}
