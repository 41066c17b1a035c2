//! Certificates by ACME: the real Traefik, and Pebble as the authority.
#![expect(clippy::unwrap_used, reason = "a test")]

mod rig;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use rig::inside::{Inside, other_ports, ports};
use rig::{Served, Tidy, docker, docker_try, http, summary, text, wait};
use serde_json::{Value, json};

struct Running(Child);

impl Running {
    fn start(program: &str, log: &str, arguments: &[&str], folder: &Path) -> Self {
        let log = std::fs::File::create(folder.join(log)).unwrap();
        let child = Command::new(program)
            .args(arguments)
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_WFE_NONCEREJECT", "0")
            // No second order is spared by an authorisation of the first.
            .env("PEBBLE_AUTHZREUSE", "0")
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

/// A DNS server whose records are set while it runs.
struct Dns {
    address: String,
    management: String,
    _running: Running,
}

impl Dns {
    /// All names lead to this host.
    fn start(ip: &str, port: u16, folder: &Path) -> Self {
        let address = format!("{ip}:{port}");
        let management = format!("127.0.0.1:{}", port + 1);
        let running = Running::start(
            "pebble-challtestsrv",
            &format!("dns-{port}.log"),
            &[
                "-defaultIPv4",
                "127.0.0.1",
                "-defaultIPv6",
                "",
                "-dns01",
                &address,
                "-http01",
                "",
                "-https01",
                "",
                "-tlsalpn01",
                "",
                "-management",
                &management,
            ],
            folder,
        );
        let dns = Self {
            address,
            management,
            _running: running,
        };
        wait("the DNS server", 30, || {
            std::net::TcpStream::connect(&dns.management).ok()
        });
        dns
    }

    fn set(&self, path: &str, body: &Value) {
        let (status, answer) =
            http(&self.management, "POST", path, "dns", &body.to_string()).unwrap();
        assert_eq!(status, 200, "{answer}");
    }

    fn lead(&self, host: &str, address: &str) {
        self.lead_to(host, &[address]);
    }

    fn lead_to(&self, host: &str, addresses: &[&str]) {
        // It adds to what is there.
        self.set("/clear-a", &json!({"host": host}));
        self.set("/add-a", &json!({"host": host, "addresses": addresses}));
    }
}

/// Pebble, which Traefik in its container reaches over the gateway of another
/// network of the engine, and nobody outside does.
struct Authority {
    gateway: String,
    port: u16,
    /// Where it looks names up.
    dns: Dns,
    dir: tempfile::TempDir,
    running: Running,
}

impl Authority {
    /// It asks the names at `http` and `https`. Takes four ports from `port`.
    fn start(name: &str, port: u16, http: u16, https: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        let network = format!("{name}-authority");
        docker(&["network", "create", &network]);
        let format = "{{(index .IPAM.Config 0).Gateway}}";
        let gateway = docker(&["network", "inspect", &network, "--format", format]);
        openssl(
            folder,
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem -subj /CN=test-ca -days 30",
        );
        openssl(
            folder,
            &format!(
                "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout pebble.key -out pebble.csr -subj /CN=pebble -addext subjectAltName=IP:{gateway}"
            ),
        );
        openssl(
            folder,
            "x509 -req -in pebble.csr -CA ca.pem -CAkey ca.key -CAcreateserial -copy_extensions copy -days 30 -out pebble.pem",
        );
        let config = json!({"pebble": {
            "listenAddress": format!("{gateway}:{port}"),
            "managementListenAddress": format!("127.0.0.1:{}", port + 1),
            "certificate": "pebble.pem",
            "privateKey": "pebble.key",
            "httpPort": http,
            "tlsPort": https,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
        }});
        std::fs::write(folder.join("pebble.json"), config.to_string()).unwrap();
        let dns = Dns::start(&gateway, port + 2, folder);
        let running = Running::start(
            "pebble",
            "pebble.log",
            &["-config", "pebble.json", "-dnsserver", &dns.address],
            folder,
        );
        wait("the authority", 30, || {
            std::net::TcpStream::connect((gateway.as_str(), port)).ok()
        });
        Self {
            gateway,
            port,
            dns,
            dir,
            running,
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("pebble.log")).unwrap_or_default()
    }

    /// How often it has looked whether a name is ours.
    fn attempts(&self, host: &str) -> usize {
        let name = format!("Value:\"{host}\"");
        let is_task = |line: &&str| line.contains("Pulled a task") && line.contains(&name);
        self.log().lines().filter(is_task).count()
    }

    /// Sends its process a signal such as `STOP`.
    fn signal(&self, name: &str) {
        let process = self.running.0.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &process]).status();
        assert!(sent.unwrap().success());
    }

    fn orders(&self) -> usize {
        self.log().matches("POST /order-plz").count()
    }

    /// The settings of a house that orders here.
    fn settings(&self, name: &str, base: u16, challenge: &str) -> String {
        format!(
            "domain: {name}.test\ninstance: {name}\npublic_address: 127.0.0.1\nreconcile: {{sweep: 2s}}\n\
             tls: {{mode: acme, email: ops@{name}.test, ca_server: 'https://{}:{}/dir', ca_certificate: {}, {challenge}}}\n\
             ports: {}",
            self.gateway,
            self.port,
            self.dir.path().join("ca.pem").display(),
            ports(base),
        )
    }
}

/// What the published HTTPS port shows for a name: issuer and names.
fn shown(port: u16, host: &str) -> Option<String> {
    let handshake = Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            &format!("127.0.0.1:{port}"),
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

/// The state of a name's certificate, by the status.
fn state(status: &Value, host: &str) -> String {
    status["certificates"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|one| one["host"] == host)
        .map_or_else(String::new, |one| one["state"].as_str().unwrap().to_owned())
}

fn issue(status: &Value, code: &str, host: &str) -> Option<Value> {
    status["issues"]
        .as_array()?
        .iter()
        .find(|issue| issue["code"] == code && issue["subject"] == host)
        .cloned()
}

/// Waits for a status; says where everything stands when it does not come.
#[track_caller]
fn until(
    house: &Served,
    authority: &Authority,
    what: &str,
    good: impl Fn(&Value) -> bool,
) -> Value {
    let begun = std::time::Instant::now();
    let mut last = Value::Null;
    loop {
        if let Some(status) = house.status() {
            if good(&status) {
                return status;
            }
            last = status;
        }
        if begun.elapsed().as_secs() > 120 {
            let tail: String = authority
                .log()
                .lines()
                .rev()
                .take(30)
                .collect::<Vec<_>>()
                .join("\n");
            assert!(
                good(&last),
                "not within two minutes: {what}\n{}\n{}\n{tail}",
                summary(&last),
                last["certificates"],
            );
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

/// All three names have their certificate, and Traefik really shows it.
fn all_are_good(house: &Served, authority: &Authority, name: &str, https: u16) {
    let hosts = ["", "admin.", "video."].map(|prefix| format!("{prefix}{name}.test"));
    until(house, authority, "three certificates", |status| {
        status["summary"] == "ready" && hosts.iter().all(|host| state(status, host) == "good")
    });
    for host in &hosts {
        let seen = shown(https, host).unwrap_or_default();
        assert!(
            seen.contains("Pebble") && seen.contains(&format!("DNS:{host}")),
            "{host}: {seen}"
        );
    }
}

/// The plan once it is empty; Traefik may still be taking up a room.
fn wait_for_empty(plan: impl Fn() -> std::process::Output) -> String {
    let mut last = String::new();
    for _ in 0..50 {
        let output = plan();
        last = text(&output.stdout) + &text(&output.stderr);
        if output.status.code() == Some(0) {
            return last;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    assert_eq!(last, "", "the plan is not empty");
    last
}

#[test]
fn a_name_that_fails_is_held_back_and_rooms_spend_none_of_its_attempts() {
    const NAME: &str = "cst3-acme";
    const BASE: u16 = 30_160;
    let _tidy = Tidy::new(NAME);
    let authority = Authority::start(NAME, 30_190, BASE, BASE + 1);
    // What we see and what the authority sees are two things.
    let ours = Dns::start("127.0.0.1", 30_194, authority.dir.path());
    let video = format!("video.{NAME}.test");
    ours.lead(&video, "127.0.0.9");
    authority.dns.lead(&video, "127.0.0.9");
    let challenge = format!("challenge: http, resolvers: ['{}']", ours.address);
    let house = Served::start(&authority.settings(NAME, BASE, &challenge));

    // It leads elsewhere: not ordered at all, and the others are.
    let status = until(&house, &authority, "two certificates", |status| {
        ["", "admin."]
            .iter()
            .all(|prefix| state(status, &format!("{prefix}{NAME}.test")) == "good")
            && state(status, &video) == "held-back"
    });
    let told = issue(&status, "name-elsewhere", &video).unwrap();
    assert!(
        told["why"]
            .as_str()
            .unwrap()
            .contains("leads to 127.0.0.9, and this host is 127.0.0.1"),
        "{told}"
    );
    assert_eq!(status["summary"], "degraded");
    assert_eq!((authority.orders(), authority.attempts(&video)), (2, 0));
    let doctor = text(&house.run(&["doctor"]).stdout);
    assert!(
        doctor.contains(&format!("{video} leads to 127.0.0.9")),
        "{doctor}"
    );

    // It leads here by our DNS, but not by the authority's: one attempt fails.
    ours.lead(&video, "127.0.0.1");
    let status = until(&house, &authority, "the failure", |status| {
        state(status, &video) == "failed"
    });
    let told = issue(&status, "certificate-failed", &video).unwrap();
    assert!(
        told["why"].as_str().unwrap().contains("127.0.0.9"),
        "in the authority's words: {told}"
    );
    assert_eq!((authority.orders(), authority.attempts(&video)), (3, 1));

    // Rooms come and go, each a change of Traefik's file: not one more.
    let loaded = || {
        let marker = house
            .state
            .join("rendered/traefik/dynamic/colourstream.yml");
        std::fs::read_to_string(marker).unwrap()
    };
    let mut files = std::collections::BTreeSet::new();
    for number in 0..8 {
        let slug = format!("room-{number}");
        house.good(&["room", "create", &slug]);
        let room = format!("room-{slug}");
        wait("its route", 20, || loaded().contains(&room).then_some(()));
        files.insert(loaded());
        // Traefik has taken it up when its answer is not that of no route.
        std::thread::sleep(std::time::Duration::from_millis(400));
    }
    assert_eq!(files.len(), 8);
    assert!(!loaded().contains("main: \"video."), "{}", loaded());
    assert_eq!((authority.orders(), authority.attempts(&video)), (3, 1));
    // Whoever plans beside the running controller holds it back as well.
    let plan = || house.run(&["plan", "--detailed-exitcode"]);
    let empty = wait_for_empty(plan);
    assert!(empty.contains(&video), "and says why: {empty}");

    // What others have is told: people, and whoever measures.
    let metrics = http(
        &format!("127.0.0.1:{}", BASE + 21),
        "GET",
        "/metrics",
        "x",
        "",
    )
    .unwrap()
    .1;
    for line in [
        format!("colourstream_certificate_good{{host=\"{NAME}.test\"}} 1"),
        format!("colourstream_certificate_good{{host=\"{video}\"}} 0"),
        format!("colourstream_certificate_expires_timestamp_seconds{{host=\"{NAME}.test\"}} "),
    ] {
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    let page = house.good(&["status"]);
    assert!(
        page.contains("failed") && page.contains("by Pebble"),
        "{page}"
    );

    // Mended: a person says now.
    authority.dns.lead(&video, "127.0.0.1");
    house.run(&["apply", "--now"]);
    all_are_good(&house, &authority, NAME, BASE + 1);
    assert_eq!((authority.orders(), authority.attempts(&video)), (4, 2));

    // The account's key and the certificates are for Traefik's eyes alone.
    let kept = house.state.join("traefik/acme");
    let file = std::fs::read_dir(&kept).unwrap().next().unwrap().unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    // Another start orders nothing anew.
    docker(&["restart", "-t", "1", &format!("{NAME}-traefik")]);
    all_are_good(&house, &authority, NAME, BASE + 1);
    assert_eq!(authority.orders(), 4);
    house.good(&["plan", "--detailed-exitcode"]);
    house.good(&["down", "--yes"]);
}

#[test]
fn certificates_by_the_tls_alpn_challenge() {
    const NAME: &str = "cst3-alpn";
    const BASE: u16 = 31_000;
    let _tidy = Tidy::new(NAME);
    // Nobody is at the port for the other challenge.
    let authority = Authority::start(NAME, 31_030, BASE + 29, BASE + 1);
    let house = Served::start(&authority.settings(NAME, BASE, "challenge: tls-alpn"));
    all_are_good(&house, &authority, NAME, BASE + 1);
    assert_eq!(authority.orders(), 3);
    house.good(&["plan", "--detailed-exitcode"]);
    house.good(&["down", "--yes"]);
}

/// The state folder was copied by root, and the host began Traefik before us.
#[test]
fn certificates_that_a_copy_left_to_root_are_mended_and_taken() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};

    const NAME: &str = "cst3-copied";
    const BASE: u16 = 31_100;
    let _tidy = Tidy::new(NAME);
    let authority = Authority::start(NAME, 31_130, BASE + 29, BASE + 1);
    let mut house = Served::start(&authority.settings(NAME, BASE, "challenge: tls-alpn"));
    all_are_good(&house, &authority, NAME, BASE + 1);
    house.stop();
    let traefik = format!("{NAME}-traefik");
    let kept = house.state.join("traefik/acme");
    let file = std::fs::read_dir(&kept).unwrap().next().unwrap().unwrap();
    // By its mode alone, so that it says so itself, and by its owner as well.
    for owner in [65_532, 0] {
        chown(file.path(), Some(owner), Some(owner)).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        docker(&["restart", "-t", "1", &traefik]);
        wait("Traefik to give up on it", 30, || {
            let shown = shown(BASE + 1, &format!("{NAME}.test"))?;
            shown.contains("TRAEFIK DEFAULT CERT").then_some(())
        });
        house.again();
        all_are_good(&house, &authority, NAME, BASE + 1);
        let meta = file.metadata().unwrap();
        assert_eq!((meta.uid(), meta.mode() & 0o777), (65_532, 0o600));
        assert_eq!(authority.orders(), 3, "nothing was ordered anew");
        wait_for_empty(|| house.run(&["plan", "--detailed-exitcode"]));
        if owner == 0 {
            house.good(&["down", "--yes"]);
        }
        house.stop();
    }
}

/// The ports of every installation, at the addresses of this host: the test
/// for which port 80 has to be free.
#[test]
fn in_the_container_it_knocks_at_port_80_before_it_orders() {
    const NAME: &str = "cst3-knock";
    const BASE: u16 = 31_620;
    let inside = Inside::new(NAME, BASE);
    let authority = Authority::start(NAME, 31_650, 80, 443);
    // This host has two addresses that people know. One is reached from inside
    // a container; the other is not, as the public one behind many routers: in
    // there it is the container itself.
    let (near, far, other) = (authority.gateway.as_str(), "127.0.0.2", "127.0.0.9");
    let [live, admin, video, here] =
        ["", "admin.", "video.", "here."].map(|part| format!("{part}{NAME}.example.com"));
    authority.dns.lead_to(&here, &[near, far]);
    for (host, address) in [(&live, far), (&admin, other), (&video, near)] {
        authority.dns.lead(host, address);
    }
    let folder = inside.file();
    let folder = folder.parent().unwrap();
    std::fs::copy(authority.dir.path().join("ca.pem"), folder.join("ca.pem")).unwrap();
    let settings = format!(
        "domain: {live}\ninstance: {NAME}\npublic_address: {here}\nreconcile: {{sweep: 2s}}\n\
         tls: {{email: ops@{live}, ca_server: 'https://{}:{}/dir', ca_certificate: ./ca.pem, resolvers: ['{}']}}\n\
         ports: {{{}}}\n",
        authority.gateway,
        authority.port,
        authority.dns.address,
        other_ports(BASE),
    );
    std::fs::write(inside.file(), settings).unwrap();
    inside.run();

    // From the first start on: where the knock is answered it is ordered at
    // once, what leads elsewhere is told, and nobody is asked for it.
    let status = inside.until("the first certificate", |status| {
        let told = status["issues"].to_string();
        assert!(!told.contains(&format!("port 80 of {near}")), "{told}");
        state(status, &video) == "good" && state(status, &admin) == "held-back"
    });
    let told = issue(&status, "name-elsewhere", &admin)
        .unwrap()
        .to_string();
    assert!(told.contains("leads to 127.0.0.9"), "{told}");
    assert_eq!((authority.orders(), authority.attempts(&live)), (1, 0));

    // Where nobody answers: after a moment, and what was found is told, from
    // inside and at the host. Then the authority's word counts, which hesitates.
    authority.signal("STOP");
    let status = inside.until("the warning", |status| {
        issue(status, "certificate-pending", &live)
            .is_some_and(|told| told["severity"] == "warning")
    });
    let told = issue(&status, "certificate-pending", &live).unwrap();
    for words in [
        "port 80 of 127.0.0.2 did not answer from inside this host",
        "on the host it is open",
    ] {
        assert!(told["why"].as_str().unwrap().contains(words), "{told}");
    }
    authority.signal("CONT");
    inside.until("the second certificate", |status| {
        state(status, &live) == "good"
    });
    assert_eq!(
        (
            authority.orders(),
            authority.attempts(&live),
            authority.attempts(&admin)
        ),
        (2, 1, 0)
    );
    // And it leads here now.
    authority.dns.lead(&admin, near);
    inside.until("the third certificate", |status| {
        status["summary"] == "ready" && state(status, &admin) == "good"
    });
    for host in [&live, &admin, &video] {
        let seen = shown(443, host).unwrap_or_default();
        assert!(
            seen.contains("Pebble") && seen.contains(&format!("DNS:{host}")),
            "{host}: {seen}"
        );
    }
    wait_for_empty(|| inside.exec(&["plan", "--detailed-exitcode"]));
    rig::good(inside.exec(&["down", "--yes"]));
}

/// What a DNS provider's interface is: records by HTTP, behind a password.
/// Keeps the password it was given.
fn provider(listener: TcpListener, records: String, given: Arc<Mutex<Vec<String>>>) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { return };
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut path, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or_default() <= 2 {
                break;
            }
            if path.is_empty() {
                line.split(' ').nth(1).unwrap().clone_into(&mut path);
            }
            let (name, value) = line.split_once(": ").unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap(),
                "authorization" => given.lock().unwrap().push(value.trim().to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
        let record = match path.as_str() {
            "/present" => (
                "/set-txt",
                json!({"host": asked["fqdn"], "value": asked["value"]}),
            ),
            _ => ("/clear-txt", json!({"host": asked["fqdn"]})),
        };
        http(&records, "POST", record.0, "dns", &record.1.to_string()).unwrap();
        let _gone = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
    }
}

#[test]
fn certificates_by_the_dns_challenge_with_secrets_from_files() {
    const NAME: &str = "cst3-dns";
    const BASE: u16 = 31_040;
    const PASSWORD: &str = "correct-horse-battery";
    let _tidy = Tidy::new(NAME);
    // Nobody is at either port that the authority could ask.
    let authority = Authority::start(NAME, 31_070, BASE + 28, BASE + 29);
    let listener = TcpListener::bind((authority.gateway.as_str(), 0)).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let given = Arc::new(Mutex::new(Vec::new()));
    let (records, kept) = (authority.dns.management.clone(), Arc::clone(&given));
    std::thread::spawn(move || provider(listener, records, kept));
    let dir = authority.dir.path();
    let secrets = [
        ("HTTPREQ_ENDPOINT", endpoint.as_str()),
        ("HTTPREQ_USERNAME", "ops"),
        ("HTTPREQ_PASSWORD", PASSWORD),
    ]
    .map(|(name, value)| {
        std::fs::write(dir.join(name), value).unwrap();
        format!("{name}: {}", dir.join(name).display())
    })
    .join(", ");
    let challenge = format!(
        "resolvers: ['{}'], dns: {{provider: httpreq, wait: 1s, secrets: {{{secrets}}}}}",
        authority.dns.address
    );
    let house = Served::start(&authority.settings(NAME, BASE, &challenge));
    all_are_good(&house, &authority, NAME, BASE + 1);
    assert_eq!(authority.orders(), 3);
    let given = given.lock().unwrap().clone();
    let basic = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        format!("ops:{PASSWORD}"),
    );
    assert!(
        !given.is_empty() && given.iter().all(|one| *one == format!("Basic {basic}")),
        "the password reached the provider"
    );
    // And shows nowhere on the way.
    let inspected = docker(&["inspect", &format!("{NAME}-traefik")]);
    assert!(inspected.contains("HTTPREQ_PASSWORD_FILE=/etc/traefik/dns/HTTPREQ_PASSWORD"));
    let log = docker_try(&["logs", &format!("{NAME}-traefik")]);
    for place in [
        inspected,
        text(&log.stdout) + &text(&log.stderr),
        house.log(),
        house.good(&["status", "--json"]),
    ] {
        assert!(!place.contains(PASSWORD), "{place}");
    }
    house.good(&["plan", "--detailed-exitcode"]);
    house.good(&["down", "--yes"]);
}
