//! Images from a registry: had with progress, recorded by digest, missed
//! clearly, and healed without anybody's help.
#![expect(clippy::unwrap_used, reason = "a test")]

mod rig;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rig::{Served, Tidy, docker, docker_try, http, summary, wait};
use serde_json::Value;

const NAME: &str = "cst3-reg";
const REGISTRY: u16 = 30_140;
/// What Docker is told: a slow line to the registry, so that there is progress.
const SLOW: u16 = 30_141;
const OFFICIAL: &str = "airensoft/ovenmediaengine:v0.21.0";

/// Debian's registry, with its data in `folder`.
struct Registry(Child);

impl Registry {
    fn start(folder: &Path) -> Self {
        let file = folder.join("registry.yml");
        std::fs::write(
            &file,
            format!(
                "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '127.0.0.1:{REGISTRY}'}}\n",
                folder.join("data").display()
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
        let address = format!("127.0.0.1:{REGISTRY}");
        wait("the registry", 30, || {
            http(&address, "GET", "/v2/", &address, "").filter(|(code, _)| *code == 200)
        });
        registry
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// Hands bytes on to the registry; those that come back at about 4 MB/s.
fn slow_line() {
    let listener = TcpListener::bind(("127.0.0.1", SLOW)).unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(client) = client else { break };
            let Ok(server) = TcpStream::connect(("127.0.0.1", REGISTRY)) else {
                continue;
            };
            let (client_in, server_out) =
                (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || pump(client_in, server_out, Duration::ZERO));
            std::thread::spawn(move || pump(server, client, Duration::from_millis(4)));
        }
    });
}

fn pump(mut from: TcpStream, mut to: TcpStream, pause: Duration) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
        std::thread::sleep(pause);
    }
    let _closed = to.shutdown(std::net::Shutdown::Both);
    let _closed = from.shutdown(std::net::Shutdown::Both);
}

fn settings(tag: &str) -> String {
    format!(
        "domain: {NAME}.localhost\ninstance: {NAME}\npublic_address: 127.0.0.1\nreconcile: {{sweep: 2s}}\n\
         images: {{ovenmediaengine: '127.0.0.1:{SLOW}/cst3/ovenmediaengine:{tag}'}}\n\
         ports: {{bind: 127.0.0.1, http: 30120, https: 30121, rtmp: 30122, srt: 30123, ice_udp: 30124-30125, ice_tcp: 30124, relay: 30126, call: 30127-30128, pages: 30130, internal: 30131}}"
    )
}

/// The stand-in with 24 MB of noise on top, which nobody has but the registry.
fn push(folder: &Path, reference: &str) -> String {
    let context = folder.join("context");
    std::fs::create_dir_all(&context).unwrap();
    let mut noise = vec![0; 24 << 20];
    std::fs::File::open("/dev/urandom")
        .unwrap()
        .read_exact(&mut noise)
        .unwrap();
    std::fs::write(context.join("noise"), noise).unwrap();
    std::fs::write(
        context.join("Dockerfile"),
        format!("FROM {OFFICIAL}\nCOPY noise /noise\n"),
    )
    .unwrap();
    docker(&[
        "build",
        "-q",
        "-t",
        reference,
        &context.display().to_string(),
    ]);
    docker(&["push", "-q", reference]);
    let digest = docker(&["inspect", "--format", "{{index .RepoDigests 0}}", reference]);
    docker(&["rmi", reference]);
    digest
}

fn ovenmediaengine(status: &Value) -> Value {
    let services = status["services"].as_array().unwrap();
    services
        .iter()
        .find(|service| service["role"] == "ovenmediaengine")
        .cloned()
        .unwrap()
}

fn missing(status: &Value) -> Option<Value> {
    let issues = status["issues"].as_array()?;
    issues
        .iter()
        .find(|issue| issue["code"] == "image-missing")
        .cloned()
}

struct Untag(String);

impl Drop for Untag {
    fn drop(&mut self) {
        docker_try(&["rmi", "-f", &self.0]);
    }
}

#[test]
fn from_a_registry_that_comes_late_with_progress_and_by_digest() {
    let _tidy = Tidy::new(NAME);
    let folder = tempfile::tempdir().unwrap();
    let reference = format!("127.0.0.1:{SLOW}/cst3/ovenmediaengine:v0.21.0");
    docker_try(&["rmi", "-f", &reference]);
    let _untag = Untag(reference.clone());
    slow_line();
    let digest = {
        let _registry = Registry::start(folder.path());
        push(folder.path(), &reference)
    };
    assert!(
        !docker_try(&["image", "inspect", &reference])
            .status
            .success()
    );

    // No registry: named, and everything else goes on.
    let house = Served::start(&settings("v0.21.0"));
    let issue = wait("the issue", 60, || missing(&house.status()?));
    let words = issue.to_string();
    assert!(words.contains(&reference), "{words}");
    assert!(words.contains("cannot be reached"), "{words}");
    assert!(issue["fix"].as_str().unwrap().len() > 10, "{words}");
    for (host, code) in [("", 200), ("admin.", 200)] {
        let host = format!("{host}{NAME}.localhost");
        let answer = http("127.0.0.1:30130", "GET", "/", &host, "").unwrap();
        assert_eq!(answer.0, code, "{host}: {}", answer.1);
    }
    wait("Traefik, which needs no registry", 120, || {
        let status = house.status()?;
        let services = status["services"].as_array()?.clone();
        services
            .iter()
            .any(|one| one["role"] == "traefik" && one["health"] == "healthy")
            .then_some(())
    });

    // It comes: the pull is tried again by itself, and shows how far it is.
    let _registry = Registry::start(folder.path());
    let progress = wait("a pull with progress", 120, || {
        let pulling = ovenmediaengine(&house.status()?)["pulling"].clone();
        let (had, all) = (pulling[0].as_u64()?, pulling[1].as_u64()?);
        (had > 0 && had < all).then_some((had, all))
    });
    assert!(progress.1 > 20 << 20, "{progress:?}");
    let mut last = Value::Null;
    let begun = std::time::Instant::now();
    let status = loop {
        if let Some(status) = house.status() {
            if status["summary"] == "ready" {
                break status;
            }
            last = status;
        }
        assert!(
            begun.elapsed().as_secs() < 180,
            "not ready: {}",
            summary(&last)
        );
        std::thread::sleep(Duration::from_millis(300));
    };
    assert_eq!(ovenmediaengine(&status)["image_id"], digest.as_str());
    assert!(digest.contains("@sha256:"), "{digest}");
    house.good(&["plan", "--detailed-exitcode"]);

    // A tag that the registry does not have: said as it is, and what runs stays.
    let before = docker(&[
        "inspect",
        "--format",
        "{{.Id}}",
        &format!("{NAME}-ovenmediaengine"),
    ]);
    let file = std::fs::read_to_string(&house.settings).unwrap();
    std::fs::write(&house.settings, file.replace(":v0.21.0", ":v9.9.9")).unwrap();
    let issue = wait("the unknown tag", 60, || missing(&house.status()?));
    let words = issue.to_string();
    assert!(words.contains("v9.9.9"), "{words}");
    assert!(
        words.contains("has no image of this name and tag"),
        "{words}"
    );
    let after = docker(&[
        "inspect",
        "--format",
        "{{.Id}} {{.State.Running}}",
        &format!("{NAME}-ovenmediaengine"),
    ]);
    assert_eq!(after, format!("{before} true"));

    // Back to what is there: well again.
    std::fs::write(&house.settings, file).unwrap();
    wait("to be ready again", 60, || {
        (house.status()?["summary"] == "ready").then_some(())
    });
    house.good(&["down", "--yes"]);
}
