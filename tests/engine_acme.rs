//! Certificates by ACME: the real Traefik, and Pebble as the authority.
#![expect(clippy::unwrap_used, reason = "a test")]

mod rig;

use std::path::Path;
use std::process::{Child, Command, Stdio};

use rig::{Served, Tidy, docker, docker_try, summary, text, wait};
use serde_json::Value;

const NAME: &str = "cst3-acme";
const BASE: u16 = 30_160;
const PEBBLE: u16 = 30_190;
const DNS: u16 = 30_192;

struct Running(Child);

impl Running {
    fn start(program: &str, arguments: &[&str], folder: &Path) -> Self {
        let log = std::fs::File::create(folder.join(format!("{program}.log"))).unwrap();
        let child = Command::new(program)
            .args(arguments)
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_WFE_NONCEREJECT", "0")
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _ended = self.0.wait();
    }
}

fn openssl(folder: &Path, line: &str) {
    let output = Command::new("openssl")
        .args(line.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap();
    rig::good(output);
}

/// What the published HTTPS port shows for a name: issuer and names.
fn served(host: &str) -> Option<String> {
    let handshake = Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            &format!("127.0.0.1:{}", BASE + 1),
            "-servername",
            host,
        ])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let out = text(&handshake.stdout);
    let pem = out.split_once("-----BEGIN CERTIFICATE-----")?.1;
    let pem = format!(
        "-----BEGIN CERTIFICATE-----{}",
        pem.split_once("-----END")?.0
    ) + "-----END CERTIFICATE-----\n";
    let file = tempfile::NamedTempFile::new().ok()?;
    std::fs::write(file.path(), pem).ok()?;
    let told = Command::new("openssl")
        .args(["x509", "-noout", "-issuer", "-ext", "subjectAltName", "-in"])
        .arg(file.path())
        .output()
        .ok()?;
    Some(text(&told.stdout))
}

#[test]
fn a_certificate_by_the_http_challenge() {
    let _tidy = Tidy::new(NAME);
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    // Traefik in its container reaches the authority over the gateway of another
    // network of the engine, which nobody outside does.
    let network = format!("{NAME}-authority");
    docker(&["network", "create", &network]);
    let bridge = docker(&[
        "network",
        "inspect",
        &network,
        "--format",
        "{{(index .IPAM.Config 0).Gateway}}",
    ]);
    openssl(
        dir,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem -subj /CN=test-ca -days 30",
    );
    openssl(
        dir,
        &format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout pebble.key -out pebble.csr -subj /CN=pebble -addext subjectAltName=IP:{bridge}"
        ),
    );
    openssl(
        dir,
        "x509 -req -in pebble.csr -CA ca.pem -CAkey ca.key -CAcreateserial -copy_extensions copy -days 30 -out pebble.pem",
    );
    let config = serde_json::json!({"pebble": {
        "listenAddress": format!("{bridge}:{PEBBLE}"),
        "managementListenAddress": format!("127.0.0.1:{}", PEBBLE + 1),
        "certificate": "pebble.pem",
        "privateKey": "pebble.key",
        // Pebble asks the names at the ports we publish.
        "httpPort": BASE,
        "tlsPort": BASE + 1,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": false,
    }});
    std::fs::write(dir.join("pebble.json"), config.to_string()).unwrap();
    let dns = format!("127.0.0.1:{DNS}");
    let management = format!("127.0.0.1:{}", DNS + 1);
    let _names = Running::start(
        "pebble-challtestsrv",
        &[
            "-defaultIPv4",
            "127.0.0.1",
            "-defaultIPv6",
            "",
            "-dns01",
            &dns,
            "-http01",
            "",
            "-https01",
            "",
            "-tlsalpn01",
            "",
            "-management",
            &management,
        ],
        dir,
    );
    let _authority = Running::start(
        "pebble",
        &["-config", "pebble.json", "-dnsserver", &dns],
        dir,
    );
    wait("the authority", 30, || {
        std::net::TcpStream::connect((bridge.as_str(), PEBBLE)).ok()
    });

    let port = |offset: u16| BASE + offset;
    let house = Served::start(&format!(
        "domain: {NAME}.test\ninstance: {NAME}\npublic_address: 127.0.0.1\nreconcile: {{sweep: 2s}}\n\
         tls: {{mode: acme, challenge: http, email: ops@{NAME}.test, ca_server: 'https://{bridge}:{PEBBLE}/dir', ca_certificate: {}}}\n\
         ports: {{bind: 127.0.0.1, http: {}, https: {}, rtmp: {}, srt: {}, ice_udp: {}-{}, ice_tcp: {}, relay: {}, call: {}-{}, pages: {}, internal: {}}}",
        dir.join("ca.pem").display(),
        port(0),
        port(1),
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
    ));
    let mut last = Value::Null;
    let begun = std::time::Instant::now();
    loop {
        if let Some(status) = house.status() {
            if status["summary"] == "ready" {
                break;
            }
            last = status;
        }
        assert!(
            begun.elapsed().as_secs() < 180,
            "not ready: {}",
            summary(&last)
        );
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    for host in [format!("{NAME}.test"), format!("admin.{NAME}.test")] {
        let begun = std::time::Instant::now();
        let seen = loop {
            let seen = served(&host).unwrap_or_default();
            if seen.contains("Pebble") {
                break seen;
            }
            if begun.elapsed().as_secs() > 90 {
                let log = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap_or_default();
                let traefik = docker_try(&["logs", "--tail", "30", &format!("{NAME}-traefik")]);
                assert!(
                    seen.contains("Pebble"),
                    "{host}: {seen}\n{}\n{}{}",
                    log("pebble.log"),
                    text(&traefik.stdout),
                    text(&traefik.stderr)
                );
            }
            std::thread::sleep(std::time::Duration::from_millis(500));
        };
        assert!(seen.contains(&format!("DNS:{host}")), "{seen}");
    }
    // The account's key and the certificates are for Traefik's eyes alone.
    let kept = house.state.join("traefik/acme");
    let file = std::fs::read_dir(&kept).unwrap().next().unwrap().unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    house.good(&["plan", "--detailed-exitcode"]);
    house.good(&["down", "--yes"]);
}
