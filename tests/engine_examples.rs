//! The examples: each settings file is loaded and rendered, each Compose file
//! is read by Compose, and those that can run here are run.
#![expect(clippy::unwrap_used, reason = "a test")]

mod rig;

use std::collections::BTreeSet;
use std::net::{Shutdown, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rig::inside::{self, Inside};
use rig::proxy::Proxy;
use rig::{Tidy, docker, docker_try, http, inventory, kept_private, place, text, wait};
use serde_json::Value;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// All files below `examples` that end in `.yaml`.
fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![examples()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "yaml") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn is_compose(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "compose.yaml")
}

/// Does something with a project made of these files, which must work.
fn project(name: &str, files: &[&Path], arguments: &[&str]) -> String {
    let mut all = vec!["--project-name", name];
    for file in files {
        all.extend(["--file", file.to_str().unwrap()]);
    }
    all.extend(arguments);
    rig::good(compose(&all).output().unwrap())
}

/// Compose as the tests have it aside, or the machine's own.
fn compose(arguments: &[&str]) -> Command {
    let aside = std::env::var("COLOURSTREAM_TEST_TOOLS")
        .map(|tools| Path::new(&tools).join("compose/docker-compose"))
        .ok()
        .filter(|aside| aside.is_file());
    let mut command = match aside {
        Some(aside) => Command::new(aside),
        None => {
            let mut command = Command::new("docker");
            command.arg("compose");
            command
        }
    };
    command
        .args(arguments)
        .env("DOCKER_HOST", format!("unix://{}", rig::socket()));
    command
}

/// A certificate for three names of this domain, and its key.
fn certificate(domain: &str, folder: &Path) {
    let names = ["", "admin.", "video."].map(|prefix| format!("{prefix}{domain}"));
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("fullchain.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("privkey.pem"), made.signing_key.serialize_pem()).unwrap();
}

/// What stands behind the certificate in its file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chain {
    Whole,
    Missing,
}

/// A certificate for three names of this domain as an authority gives it, good
/// until a year, and its key.
fn signed(domain: &str, folder: &Path, chain: Chain, until: i32) {
    let mut above = CertificateParams::default();
    above
        .distinguished_name
        .push(DnType::CommonName, "Authority of the test");
    above.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let above_key = KeyPair::generate().unwrap();
    let root = above.self_signed(&above_key).unwrap().pem();
    let names = ["", "admin.", "video."].map(|prefix| format!("{prefix}{domain}"));
    let mut leaf = CertificateParams::new(names).unwrap();
    leaf.not_before = date_time_ymd(2020, 1, 1);
    leaf.not_after = date_time_ymd(until, 1, 1);
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::from_params(&above, &above_key);
    let mut pem = leaf.signed_by(&key, &issuer).unwrap().pem();
    if chain == Chain::Whole {
        pem.push_str(&root);
    }
    std::fs::write(folder.join("fullchain.pem"), pem).unwrap();
    std::fs::write(folder.join("privkey.pem"), key.serialize_pem()).unwrap();
}

/// Whether this is what is wrong with a certificate, in these words.
fn is_invalid(issue: &Value, words: &str) -> bool {
    issue["code"] == "certificate-invalid"
        && issue["what"]
            .as_str()
            .is_some_and(|what| what.contains(words))
}

#[test]
fn every_settings_file_is_loaded_and_rendered() {
    let mut seen = BTreeSet::new();
    for path in files().into_iter().filter(|path| !is_compose(path)) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("colourstream.yaml");
        let settings = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&file, &settings).unwrap();
        // The files that the examples name.
        certificate("review.example.com", &dir.path().join("certificates"));
        std::fs::write(dir.path().join("cloudflare-token"), "token").unwrap();
        std::fs::write(dir.path().join("registry-login.json"), "{\"auths\": {}}").unwrap();
        let out = dir.path().join("out");
        let rendered = Command::new(rig::BINARY)
            .args(["render", out.to_str().unwrap(), "--config"])
            .arg(&file)
            .output()
            .unwrap();
        assert!(
            rendered.status.success(),
            "{}: {}",
            path.display(),
            text(&rendered.stderr)
        );
        let name = path.strip_prefix(examples()).unwrap().display().to_string();
        let find = |ending: &str| {
            let found = Command::new("find")
                .args([out.to_str().unwrap(), "-name", ending])
                .output()
                .unwrap();
            let path = text(&found.stdout)
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned();
            std::fs::read_to_string(path).unwrap_or_default()
        };
        let dynamic = find("colourstream.yml");
        assert!(dynamic.contains("X-Config-Generation"), "{name}: {dynamic}");
        let fixed = find("traefik.yml");
        match name.as_str() {
            "one-host.yaml" => assert!(fixed.contains("httpChallenge"), "{fixed}"),
            "two-instances/guests.yaml" => assert!(fixed.contains("dnsChallenge"), "{fixed}"),
            "behind-proxy.yaml" => assert!(fixed.contains("trustedIPs"), "{fixed}"),
            "own-certificates.yaml" => {
                assert!(dynamic.contains("/etc/traefik/certs/"), "{dynamic}")
            }
            _ => {}
        }
        seen.insert(name);
    }
    for name in [
        "local.yaml",
        "one-host.yaml",
        "own-certificates.yaml",
        "behind-proxy.yaml",
        "air-gapped.yaml",
        "two-instances/studio.yaml",
        "two-instances/guests.yaml",
    ] {
        assert!(seen.contains(name), "{name} is missing");
    }
}

#[test]
fn every_compose_file_is_read_by_compose() {
    let files: Vec<PathBuf> = files()
        .into_iter()
        .filter(|path| is_compose(path))
        .collect();
    assert!(files.len() >= 3, "{files:?}");
    for path in files {
        // What an example asks for, a file beside it says.
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("compose.yaml");
        std::fs::copy(&path, &file).unwrap();
        for name in ["studio.yaml", "guests.yaml"] {
            let _other = std::fs::copy(path.with_file_name(name), folder.path().join(name));
        }
        std::fs::write(folder.path().join(".env"), "DOCKER_GID=999\n").unwrap();
        let said = compose(&["--file", file.to_str().unwrap(), "config"])
            .output()
            .unwrap();
        let config = rig::good(said);
        assert!(config.contains("/state"), "{}: {config}", path.display());
    }
}

/// Two of the example share nothing: no port, no name.
#[test]
fn the_two_instances_have_nothing_in_common() {
    let ports = |name: &str| {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("cloudflare-token"), "token").unwrap();
        let file = dir.path().join(name);
        std::fs::copy(examples().join("two-instances").join(name), &file).unwrap();
        let settings = colourstream::settings::load(Some(&file), &Default::default()).unwrap();
        let ports: BTreeSet<(String, u16)> = colourstream::desired::port_plan(&settings)
            .iter()
            .filter(|port| port.public)
            .flat_map(|port| {
                let protocol = format!("{:?}", port.protocol);
                (port.first..=port.last).map(move |one| (protocol.clone(), one))
            })
            .collect();
        (settings.instance, ports)
    };
    let (studio, guests) = (ports("studio.yaml"), ports("guests.yaml"));
    assert_ne!(studio.0, guests.0);
    assert!(studio.1.len() > 10);
    assert_eq!(studio.1.intersection(&guests.1).count(), 0);
}

#[test]
fn two_instances_on_one_host_and_one_that_leaves() {
    let (one, two) = (
        Inside::new("cst3-one", 31_200),
        Inside::new("cst3-two", 31_240),
    );
    inside::image();
    let found = inventory();
    one.run();
    two.run();
    for house in [&one, &two] {
        house.ready();
        rig::good(house.exec(&["room", "create", &format!("Room of {}", house.name)]));
        let live = format!("{}.localhost", house.name);
        wait("its page", 30, || {
            (house.through_traefik(&live).0 == 200).then_some(())
        });
    }
    // Each knows its own rooms, and its own address only.
    assert_eq!(one.through_traefik("cst3-two.localhost").0, 404);
    let rooms = text(&one.exec(&["room", "list"]).stdout);
    assert!(
        rooms.contains("Room of cst3-one") && !rooms.contains("cst3-two"),
        "{rooms}"
    );
    let facts = |house: &Inside| {
        ["controller", "traefik", "ovenmediaengine", "mirotalk"].map(|role| {
            let format = "{{.Id}} {{.State.StartedAt}} {{.State.Status}}";
            docker(&["inspect", "--format", format, &house.of(role)])
        })
    };
    let before = facts(&two);
    rig::good(one.exec(&["down", "--yes"]));
    docker(&["rm", "-f", &one.controller()]);
    docker(&["volume", "rm", &one.volume()]);
    let mut left = inventory();
    left.retain(|what| !what.contains(" cst3-two"));
    assert_eq!(left, found, "nothing of it is left");
    assert_eq!(facts(&two), before, "the other was not touched");
    two.ready();
    assert_eq!(two.through_traefik("cst3-two.localhost").0, 200);
    let rooms = text(&two.exec(&["room", "list"]).stdout);
    assert!(rooms.contains("Room of cst3-two"), "{rooms}");
}

/// A second `docker run` without an instance of its own, and a copy of the
/// state folder started beside the first.
#[test]
fn a_second_controller_of_the_same_instance_touches_nothing() {
    let house = Inside::new("cst3-twice", 31_160);
    inside::image();
    house.run();
    house.ready();
    let live = "cst3-twice.localhost";
    wait("its page", 30, || {
        (house.through_traefik(live).0 == 200).then_some(())
    });
    let before = runs_of(&house);
    let (second, volume) = ("cst3-twice-second", "cst3-twice-second-state");
    for kind in ["an empty volume", "a copy of the first's"] {
        docker(&["volume", "create", volume]);
        if kind != "an empty volume" {
            let place = |name: &str| {
                let format = "{{.Mountpoint}}";
                docker(&["volume", "inspect", "--format", format, name])
                    .trim()
                    .to_owned()
            };
            let from = format!("{}/.", place(&house.volume()));
            let copied = Command::new("cp")
                .args(["-a", &from, &place(volume)])
                .output();
            rig::good(copied.unwrap());
        }
        house.run_as(second, volume);
        let exec = |arguments: &[&str]| {
            docker_try(&[&["exec", second, "/colourstream"], arguments].concat())
        };
        let told = wait("it is told", 60, || {
            let status: Value = serde_json::from_slice(&exec(&["status", "--json"]).stdout).ok()?;
            let mut issues = status["issues"].as_array()?.clone().into_iter();
            issues.find(|issue| issue["code"] == "two-controllers")
        });
        assert!(
            told["why"]
                .as_str()
                .unwrap()
                .contains("cst3-twice-controller"),
            "{told}"
        );
        assert!(
            told["fix"]
                .as_str()
                .unwrap()
                .contains("docker stop cst3-twice-controller"),
            "{told}"
        );
        let down = exec(&["down", "--yes"]);
        assert!(!down.status.success(), "{kind}: {}", text(&down.stdout));
        for _ in 0..100 {
            assert_eq!(house.through_traefik(live).0, 200, "{kind}");
        }
        assert_eq!(runs_of(&house), before, "{kind}");
        let status = house.ready().to_string();
        assert!(!status.contains("two-controllers"), "{kind}: {status}");
        docker(&["rm", "-f", second]);
        docker(&["volume", "rm", volume]);
    }
    // The first is gone, and the second one has its state: it goes on.
    docker(&["rm", "-f", &house.controller()]);
    house.run_as(second, &house.volume());
    wait("it goes on", 60, || {
        let said = docker_try(&["exec", second, "/colourstream", "status", "--json"]);
        let status: Value = serde_json::from_slice(&said.stdout).ok()?;
        (status["summary"] == "ready").then_some(())
    });
    assert_eq!(runs_of(&house), before, "no service was touched");
    wait("its page", 30, || {
        (house.through_traefik(live).0 == 200).then_some(())
    });
}

fn runs_of(house: &Inside) -> [String; 3] {
    ["traefik", "ovenmediaengine", "mirotalk"].map(|role| {
        let format = "{{.Id}} {{.State.StartedAt}} {{.State.Status}}";
        docker(&["inspect", "--format", format, &house.of(role)])
    })
}

/// The code that a page answers with, where `trust` is how far curl believes it.
fn page_at(host: &str, port: u16, trust: &[&str]) -> String {
    let seen = Command::new("curl")
        .args(["-s", "--max-time", "10", "-o", "/dev/null"])
        .args(["-w", "%{http_code}"])
        .args(trust)
        .args(["--resolve", &format!("{host}:{port}:127.0.0.1")])
        .arg(format!("https://{host}:{port}/"))
        .output()
        .unwrap();
    text(&seen.stdout)
}

#[test]
fn compose_starts_it_and_the_first_room_is_live_within_a_minute() {
    const NAME: &str = "cst3-compose";
    const BASE: u16 = 31_280;
    let image = inside::image();
    let _tidy = Tidy::new(NAME);
    let found = inventory();
    let dir = tempfile::tempdir().unwrap();
    // The example as it is, on ports and under names of the test.
    std::fs::write(
        dir.path().join("colourstream.yaml"),
        format!("instance: {NAME}\nports: {}\n", inside::ports(BASE)),
    )
    .unwrap();
    std::fs::write(
        dir.path().join("override.yaml"),
        format!(
            "services:\n  controller:\n    image: {image}\n    pull_policy: never\n    container_name: {NAME}-controller\n    \
             environment:\n      COLOURSTREAM_CONFIG: /etc/colourstream/colourstream.yaml\n      COLOURSTREAM_DOMAIN: {NAME}.localhost\n      \
             COLOURSTREAM_EMAIL: ''\n      COLOURSTREAM_PUBLIC_ADDRESS: 127.0.0.1\n    \
             volumes:\n      - {}:/etc/colourstream:ro\nvolumes:\n  colourstream:\n    name: {NAME}-state\n",
            dir.path().display()
        ),
    )
    .unwrap();
    let files = [
        examples().join("compose.yaml"),
        dir.path().join("override.yaml"),
    ];
    let project = |arguments: &[&str]| project(NAME, &[&files[0], &files[1]], arguments);
    let controller = format!("{NAME}-controller");
    let log = || {
        let log = docker_try(&["logs", &controller]);
        text(&log.stdout) + &text(&log.stderr)
    };
    let begun = Instant::now();
    project(&["up", "--detach"]);
    wait("all of it", 60, || {
        log().contains("mirotalk          healthy").then_some(())
    });
    let exec = |arguments: &[&str]| {
        rig::good(docker_try(
            &[&["exec", &controller, "/colourstream"], arguments].concat(),
        ))
    };
    exec(&["room", "create", "Northlight"]);
    let ingest: Value =
        serde_json::from_str(&exec(&["room", "ingest", "northlight", "--json"])).unwrap();
    let key = ingest["key"].as_str().unwrap();
    let format = format!("{{{{(index .NetworkSettings.Networks \"{NAME}\").IPAddress}}}}");
    let address = docker(&[
        "inspect",
        "--format",
        &format,
        &format!("{NAME}-ovenmediaengine"),
    ]);
    let body = format!(
        "{{\"url\":\"rtmp://{NAME}.localhost:{}/live/{key}\",\"protocol\":\"rtmp\"}}",
        BASE + 2
    );
    let (_, answer) = http(&format!("{address}:9998"), "POST", "/publish", "ome", &body).unwrap();
    assert!(answer.contains("accepted"), "{answer}");
    wait("the room to be live", 5, || {
        let status: Value = serde_json::from_str(&exec(&["status", "--json"])).unwrap();
        (status["live"]["streams"] == 1).then_some(())
    });
    let took = begun.elapsed().as_secs();
    assert!(took <= 60, "{took} s from `up` to the first live room");

    // What the log tells first, in this order.
    let log = log();
    let mut rest = log.as_str();
    for word in [
        "ColourStream ",
        "  settings  ",
        "  state     /state",
        "  ports     ",
        "  engine    Docker ",
        "  address   127.0.0.1",
        "  names     ",
        "  trust     docker cp ",
        "  set up    https://admin.",
        "  traefik           healthy",
        "  live      https://",
        "  portal    https://admin.",
    ] {
        let Some((_, after)) = rest.split_once(word) else {
            assert_eq!(word, "", "it is missing, or too late:\n{log}");
            return;
        };
        rest = after;
    }
    // The line that makes a machine trust it is right: the file is there.
    let line = log.lines().find(|line| line.contains("  trust ")).unwrap();
    let source = line.split_whitespace().nth(3).unwrap();
    let copy = dir.path().join("authority.pem");
    docker(&["cp", source, copy.to_str().unwrap()]);
    let live = format!("{NAME}.localhost");
    let trust = ["--cacert", copy.to_str().unwrap()];
    let seen = page_at(&live, BASE + 1, &trust);
    assert_eq!(seen, "200", "trusted by that file alone");
    exec(&["down", "--yes"]);
    project(&["down", "--volumes"]);
    assert_eq!(inventory(), found, "the engine is as it was found");
}

#[test]
fn behind_another_reverse_proxy_whose_word_alone_is_believed() {
    const NAME: &str = "cst3-behind";
    const FRONT: u16 = 31_345;
    let inside = Inside::new(NAME, 31_320);
    let plain = std::fs::read_to_string(inside.file()).unwrap();
    let settings = |trusted: &str| {
        let text = plain
            .replace("tls: local-ca\n", "")
            .replace(&format!("{NAME}.localhost"), &format!("{NAME}.example.com"));
        let more = format!("tls: off\ntrusted_proxies: [{trusted}]\n");
        std::fs::write(inside.file(), text + &more).unwrap();
    };
    settings("192.0.2.10");
    inside.run();
    inside.ready();

    // The proxy in front, another real Traefik: it ends TLS. On the same engine
    // it joins our network; over a published port it would arrive with the
    // address of the network's gateway, as everybody on this host does.
    let files = inside.dir.path().join("front");
    std::fs::create_dir_all(&files).unwrap();
    std::fs::write(
        files.join("routes.yml"),
        "http:\n  routers:\n    all: {entryPoints: [public], rule: 'PathPrefix(`/`)', service: house, tls: {}}\n    \
         plain: {entryPoints: [plain], rule: 'PathPrefix(`/`)', service: house}\n  \
         services:\n    house: {loadBalancer: {servers: [{url: 'http://traefik:80'}]}}\n",
    )
    .unwrap();
    let front = format!("{NAME}-front");
    docker(&[
        "run",
        "-d",
        "--name",
        &front,
        "--network",
        NAME,
        "-p",
        &format!("127.0.0.1:{FRONT}:8443"),
        "-v",
        &format!("{}:/routes:ro", files.display()),
        "traefik:v3.7.15",
        "--entryPoints.public.address=:8443",
        "--entryPoints.plain.address=:8000",
        "--providers.file.directory=/routes",
    ]);
    let format = format!("{{{{(index .NetworkSettings.Networks \"{NAME}\").IPAddress}}}}");
    let address = docker(&["inspect", "--format", &format, &front]);
    // Where its clients are.
    let outside = format!("{NAME}-outside");
    docker(&["network", "create", "--subnet", "198.51.100.0/24", &outside]);
    docker(&[
        "network",
        "connect",
        "--ip",
        "198.51.100.2",
        &outside,
        &front,
    ]);
    let traefik = || docker_try(&["inspect", "--format", "{{.Id}}", &inside.of("traefik")]);
    let before = text(&traefik().stdout);
    settings(&address);
    inside.until("the proxy is trusted", |status| {
        let now = text(&traefik().stdout);
        status["summary"] == "ready" && !now.is_empty() && now != before
    });
    let live = format!("{NAME}.example.com");
    let ask = |scheme: &str, port: u16, path: &str| {
        let said = Command::new("curl")
            .args(["-sk", "--max-time", "10", "-o", "/dev/null"])
            .args(["-w", "%{http_code}", "-H", "X-Forwarded-For: 198.51.100.7"])
            .args(["--resolve", &format!("{live}:{port}:127.0.0.1")])
            .arg(format!("{scheme}://{live}:{port}{path}"))
            .output()
            .unwrap();
        text(&said.stdout)
    };
    // A client of the proxy, by its own address and whatever it claims.
    let ask_as = |client: &str, path: &str, claim: &str| {
        let (host, claim) = (format!("Host: {live}"), format!("X-Forwarded-For: {claim}"));
        let said = docker_try(
            &[
                &["run", "--rm", "--network", &outside, "--ip", client][..],
                &["--entrypoint", "/bin/busybox", "traefik:v3.7.15", "wget"],
                &["-S", "-O", "/dev/null", "--header", &host],
                &["--header", &claim],
                &[&format!("http://198.51.100.2:8000{path}")],
            ]
            .concat(),
        );
        let said = text(&said.stderr);
        let code = said.split("HTTP/1.1 ").nth(1).unwrap_or(&said);
        code.split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    wait("the page through the proxy", 30, || {
        (ask("https", FRONT, "/") == "200").then_some(())
    });
    // People are told the address in front.
    let status = inside.status().unwrap();
    assert_eq!(
        status["addresses"]["live"].as_str().unwrap(),
        format!("https://{live}")
    );
    assert_eq!(status["certificates"].as_array().unwrap().len(), 0);

    // A room for one network only.
    rig::good(inside.exec(&["room", "create", "Northlight", "--allow", "198.51.100.0/28"]));
    let room = inside.exec(&["room", "show", "northlight", "--json"]);
    let room: Value = serde_json::from_slice(&room.stdout).unwrap();
    let path = format!("/live/{}/master.m3u8", room["stream"].as_str().unwrap());
    // Let in by the proxy's word, and stopped by the next guard: no cookie.
    wait("its route", 30, || {
        (ask_as("198.51.100.7", &path, "203.0.113.9") == "401").then_some(())
    });
    assert_eq!(ask_as("198.51.100.99", &path, "198.51.100.7"), "403");
    // Nobody else's word counts.
    assert_eq!(ask("http", inside.base, &path), "403");
    // Who is in our network is told before anything is cut.
    let here = inside.exec(&["down", "--yes"]);
    let words = text(&here.stderr);
    assert_eq!(here.status.code(), Some(1), "{words}");
    let way_out = format!("docker network disconnect {NAME} {front}");
    assert!(
        words.contains("nothing was removed") && words.contains(&way_out),
        "{words}"
    );
    assert_eq!(ask_as("198.51.100.7", &path, "203.0.113.9"), "401");
    docker(&["network", "disconnect", NAME, &front]);
    rig::good(inside.exec(&["down", "--yes"]));
    docker(&["rm", "-f", &front]);
}

#[test]
fn certificates_of_ones_own_are_renewed_in_place_and_wrong_ones_refused() {
    const NAME: &str = "cst3-own";
    let inside = Inside::new(NAME, 31_360);
    let folder = inside.file().parent().unwrap().join("certificates");
    let domain = format!("{NAME}.localhost");
    // Wrong from the very first on: there is no good one that could stay.
    certificate("other.example.com", &folder);
    inside.settings(
        "tls:\n  certificate: ./certificates/fullchain.pem\n  key: ./certificates/privkey.pem\n",
    );
    inside.run();
    let shown = || {
        let script = format!(
            "openssl s_client -connect 127.0.0.1:{} -servername {domain} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256",
            inside.base + 1
        );
        let said = Command::new("sh").args(["-c", &script]).output().unwrap();
        text(&said.stdout)
    };
    let of_file = || {
        let said = Command::new("openssl")
            .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
            .arg(folder.join("fullchain.pem"))
            .output()
            .unwrap();
        rig::good(said)
    };
    let told = |words: &str| {
        let status = inside.until(words, |status| {
            let issues = status["issues"].as_array();
            issues.is_some_and(|all| all.iter().any(|issue| is_invalid(issue, words)))
        });
        let mut issues = status["issues"].as_array().unwrap().iter();
        issues
            .find(|issue| is_invalid(issue, words))
            .unwrap()
            .clone()
    };
    let refused = told("does not cover");
    assert_eq!(refused["severity"], "error");
    assert!(
        refused["fix"].as_str().unwrap().contains(&domain),
        "{refused}"
    );
    wait("the page all the same", 40, || {
        (inside.through_traefik(&domain).0 == 200).then_some(())
    });
    assert_ne!(shown(), of_file());
    let state = place(&inside.volume());
    let given = || {
        let files = std::fs::read_dir(state.join("rendered/traefik/certs")).unwrap();
        files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "README")
            .count()
    };
    assert_eq!(given(), 0, "Traefik never got it");
    certificate(&domain, &folder);
    let first = of_file();
    inside.ready();
    wait("the first", 20, || (shown() == first).then_some(()));
    let private = kept_private(&state, 0, &[]);
    let is_key = |path: &String| path.starts_with("rendered/traefik/certs/");
    assert!(private.iter().any(is_key), "{private:?}");
    let row = wait("its row", 20, || {
        let status = inside.status()?;
        let row = status["certificates"].as_array()?.first()?.clone();
        (row["state"] == "good").then_some(row)
    });
    assert!(row["until"].is_string(), "{row}");

    // Renewed in place: taken up by itself.
    let runs = || {
        docker(&[
            "inspect",
            "--format",
            "{{.State.StartedAt}}",
            &inside.of("traefik"),
        ])
    };
    let since = runs();
    certificate(&domain, &folder);
    let second = of_file();
    assert_ne!(first, second);
    wait("the renewed one", 20, || (shown() == second).then_some(()));

    // One for other names: refused, told, and the old one stays.
    let good = folder.join("kept");
    std::fs::create_dir_all(&good).unwrap();
    for file in ["fullchain.pem", "privkey.pem"] {
        std::fs::copy(folder.join(file), good.join(file)).unwrap();
    }
    certificate("other.example.com", &folder);
    assert_eq!(told("does not cover")["severity"], "error");
    assert_eq!(shown(), second);
    // A controller that begins beside it takes nothing away either.
    docker(&["restart", "-t", "5", &inside.controller()]);
    told("does not cover");
    inside.until("a second look", |status| {
        status["reconcile"].as_u64() > Some(2)
    });
    assert_eq!(shown(), second);
    // A key that is not its own: the same.
    std::fs::copy(good.join("fullchain.pem"), folder.join("fullchain.pem")).unwrap();
    assert_eq!(told("do not belong together")["severity"], "error");
    assert_eq!(shown(), second);
    // One that has ended, whole otherwise: the same.
    signed(&domain, &folder, Chain::Whole, 2021);
    assert_eq!(told("has expired")["severity"], "error");
    assert_eq!(shown(), second);
    // Without its chain it is taken, for some can use it, and told.
    signed(&domain, &folder, Chain::Missing, 2100);
    assert_eq!(told("comes without its chain")["severity"], "warning");
    let bare = of_file();
    wait("the one without", 20, || (shown() == bare).then_some(()));
    std::fs::copy(good.join("fullchain.pem"), folder.join("fullchain.pem")).unwrap();
    std::fs::copy(good.join("privkey.pem"), folder.join("privkey.pem")).unwrap();
    inside.ready();
    assert_eq!(runs(), since, "nothing was restarted for any of it");
    rig::good(inside.exec(&["down", "--yes"]));
}

#[test]
fn from_a_private_registry_that_asks_for_a_login() {
    const NAME: &str = "cst3-login";
    const REGISTRY: &str = "127.0.0.1:31490";
    const SFU: &str = "mirotalk/sfu:2.3.77";
    let inside = Inside::new(NAME, 31_440);
    let dir = inside.file().parent().unwrap().to_path_buf();
    // `ops`, and a password as `htpasswd -B` keeps it.
    std::fs::write(dir.join("users"), format!("ops:{HASH}\n")).unwrap();
    std::fs::write(
        dir.join("registry.yml"),
        format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{REGISTRY}'}}\nauth: {{htpasswd: {{realm: r, path: {}}}}}\n",
            inside.dir.path().join("data").display(),
            dir.join("users").display()
        ),
    )
    .unwrap();
    let registry = Command::new("docker-registry")
        .arg("serve")
        .arg(dir.join("registry.yml"))
        .env("OTEL_TRACES_EXPORTER", "none")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let _ends = Ends(registry);
    wait("the registry", 30, || {
        http(REGISTRY, "GET", "/v2/", REGISTRY, "").filter(|(code, _)| *code == 401)
    });
    // Whoever fills it logs in as people do.
    let login = inside.dir.path().join("docker");
    let client = |arguments: &[&str]| {
        let said = Command::new("docker")
            .env("DOCKER_HOST", format!("unix://{}", rig::socket()))
            .env("DOCKER_CONFIG", &login)
            .args(arguments)
            .output()
            .unwrap();
        rig::good(said)
    };
    client(&["login", "-u", "ops", "-p", PASSWORD, REGISTRY]);
    let private = format!("{REGISTRY}/{SFU}");
    client(&["tag", SFU, &private]);
    client(&["push", &private]);
    client(&["rmi", &private]);

    let images = format!("tls: local-ca\nimages: {{mirotalk: '{private}'}}\n");
    inside.settings(&images);
    inside.run();
    let status = inside.until("a refusal", |status| {
        status["issues"].to_string().contains("image-missing")
    });
    assert!(!status.to_string().contains(PASSWORD));
    // The very file, and another start: the engine's settings are read then.
    std::fs::copy(login.join("config.json"), dir.join("registry-login.json")).unwrap();
    inside.settings(&format!(
        "{images}engine: {{logins: ./registry-login.json}}\n"
    ));
    docker(&["restart", "-t", "5", &inside.controller()]);
    inside.ready();
    let log = docker_try(&["logs", &inside.controller()]);
    assert!(!(text(&log.stdout) + &text(&log.stderr)).contains(PASSWORD));
    rig::good(inside.exec(&["down", "--yes"]));
    docker_try(&["rmi", &private]);
}

const PASSWORD: &str = "correct-horse";
const HASH: &str = "$2b$05$.qRXNMPMt60aCEcrtOjvz.clTy68.rXh8JdnXFFX.uBIA2kkXzb7O";

struct Ends(std::process::Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _ended = self.0.wait();
    }
}

#[test]
fn as_a_user_of_the_sockets_group_on_a_named_volume() {
    const NAME: &str = "cst3-user";
    let mut inside = Inside::new(NAME, 31_400);
    use std::os::unix::fs::MetadataExt as _;
    let group = std::fs::metadata(rig::socket()).unwrap().gid();
    inside.more = ["--user=65532", &format!("--group-add={group}")]
        .map(str::to_owned)
        .to_vec();
    // The engine gives a new volume to root.
    docker(&["volume", "create", &inside.volume()]);
    let place = docker(&[
        "volume",
        "inspect",
        "--format",
        "{{.Mountpoint}}",
        &inside.volume(),
    ]);
    inside.run();
    inside.ready();
    let running = docker(&[
        "inspect",
        "--format",
        "{{.Config.User}}",
        &inside.controller(),
    ]);
    assert_eq!(running, "65532");
    let made = std::fs::metadata(Path::new(&place).join("secrets.json")).unwrap();
    assert_eq!(
        (made.uid(), made.permissions().mode() & 0o777),
        (65532, 0o600)
    );
    let live = format!("{NAME}.localhost");
    wait("its page", 30, || {
        (inside.through_traefik(&live).0 == 200).then_some(())
    });
    rig::good(inside.exec(&["room", "create", "Northlight"]));

    // Root restores it into another volume, and the same user reads it.
    let controller = inside.controller();
    let piped = docker_try(&["exec", &controller, "/colourstream", "backup", "-"]);
    assert!(piped.status.success(), "{}", text(&piped.stderr));
    std::fs::write(inside.dir.path().join("moved.backup"), &piped.stdout).unwrap();
    rig::good(inside.exec(&["down", "--yes"]));
    docker(&["rm", "-f", &controller]);
    docker(&["volume", "rm", &inside.volume()]);
    let from = format!("{}:/from:ro", inside.dir.path().display());
    let state = format!("{}:/state", inside.volume());
    let restored = docker(&[
        "run",
        "--rm",
        "-v",
        &state,
        "-v",
        &from,
        inside::image(),
        "restore",
        "/from/moved.backup",
        "--yes",
    ]);
    assert!(restored.contains("Restored"), "{restored}");
    inside.run();
    inside.ready();
    rig::good(inside.exec(&["room", "show", "northlight"]));
    let made = std::fs::metadata(Path::new(&place).join("secrets.json")).unwrap();
    assert_eq!(
        (made.uid(), made.permissions().mode() & 0o777),
        (65532, 0o600)
    );
    rig::good(inside.exec(&["down", "--yes"]));
}

/// The listed calls and nothing else, over TCP: what the filter's image does
/// cannot be pulled here, so the test itself is the filter, and in the place of
/// that image stands a Traefik that hands the bytes on to it.
fn filter_at(port: u16, folder: &Path) -> Proxy {
    let list = std::fs::read_to_string(examples().join("hardened/engine-calls.txt")).unwrap();
    let allowed = list
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    let proxy = Proxy::start(&folder.join("engine.sock"), Some(allowed));
    let listener = TcpListener::bind(("0.0.0.0", port)).unwrap();
    let socket = proxy.socket.clone();
    // Ends with the test's process.
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(engine) = UnixStream::connect(&socket) else {
                continue;
            };
            let (mut up_from, mut up_to) =
                (client.try_clone().unwrap(), engine.try_clone().unwrap());
            std::thread::spawn(move || {
                let _cut = std::io::copy(&mut up_from, &mut up_to);
                let _gone = up_to.shutdown(Shutdown::Write);
            });
            let (mut down_from, mut down_to) = (engine, client);
            std::thread::spawn(move || {
                let _cut = std::io::copy(&mut down_from, &mut down_to);
                let _gone = down_to.shutdown(Shutdown::Both);
            });
        }
    });
    proxy
}

#[test]
fn the_hardened_example_finds_its_engine_by_name_behind_the_filter() {
    const NAME: &str = "cst3-hard";
    const BASE: u16 = 31_520;
    const FILTER: u16 = 31_558;
    let image = inside::image();
    let _tidy = Tidy::new(NAME);
    let found = inventory();
    let dir = tempfile::tempdir().unwrap();
    let proxy = filter_at(FILTER, dir.path());
    let host = docker(&[
        "network",
        "inspect",
        "--format",
        "{{(index .IPAM.Config 0).Gateway}}",
        "bridge",
    ]);
    let folder = dir.path().join("settings");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(
        folder.join("colourstream.yaml"),
        format!("instance: {NAME}\nports: {}\n", inside::ports(BASE)),
    )
    .unwrap();
    std::fs::write(
        folder.join("hand-on.yml"),
        format!(
            "tcp:\n  routers:\n    all: {{entryPoints: [engine], rule: 'HostSNI(`*`)', service: filter}}\n  \
             services:\n    filter: {{loadBalancer: {{servers: [{{address: '{host}:{FILTER}'}}]}}}}\n"
        ),
    )
    .unwrap();
    std::fs::write(
        dir.path().join("override.yaml"),
        format!(
            "services:\n  engine-proxy:\n    image: traefik:v3.7.15\n    pull_policy: never\n    container_name: {NAME}-filter\n    \
             command: ['--entryPoints.engine.address=:2375', '--providers.file.filename=/routes/hand-on.yml', '--providers.file.watch=false']\n    \
             volumes:\n      - {folder}:/routes:ro\n    networks: [engine, out]\n  \
             controller:\n    image: {image}\n    pull_policy: never\n    container_name: {NAME}-controller\n    \
             environment:\n      COLOURSTREAM_CONFIG: /etc/colourstream/colourstream.yaml\n      COLOURSTREAM_DOMAIN: {NAME}.localhost\n      \
             COLOURSTREAM_EMAIL: ''\n      COLOURSTREAM_PUBLIC_ADDRESS: 127.0.0.1\n    \
             volumes:\n      - {folder}:/etc/colourstream:ro\nvolumes:\n  colourstream:\n    name: {NAME}-state\n",
            folder = folder.display()
        ),
    )
    .unwrap();
    // In a folder of its own, with what the example says is to be beside it.
    let files = ["compose.yaml", "override.yaml"].map(|name| dir.path().join(name));
    std::fs::copy(examples().join("hardened/compose.yaml"), &files[0]).unwrap();
    std::fs::write(dir.path().join(".env"), "DOCKER_GID=999\n").unwrap();
    let project = |arguments: &[&str]| project(NAME, &[&files[0], &files[1]], arguments);
    // This filter speaks HTTP until it has its route, and a connection that
    // began so stays so: it is asked first when it is there.
    project(&["up", "--detach", "engine-proxy"]);
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
    let addresses = docker(&["inspect", "--format", format, &format!("{NAME}-filter")]);
    let address = addresses.split_whitespace().next().unwrap();
    wait("the filter", 60, || {
        let (_, answer) = http(&format!("{address}:2375"), "GET", "/version", "engine", "")?;
        answer.contains("ApiVersion").then_some(())
    });
    project(&["up", "--detach"]);
    let controller = format!("{NAME}-controller");
    let exec = |arguments: &[&str]| {
        docker_try(&[&["exec", &controller, "/colourstream"], arguments].concat())
    };
    let status = wait("all of it", 120, || {
        let status: Value = serde_json::from_slice(&exec(&["status", "--json"]).stdout).ok()?;
        (status["summary"] == "ready").then_some(status)
    });
    assert_eq!(status["engine"]["address"], "tcp://engine-proxy:2375");
    rig::good(exec(&["room", "create", "Northlight"]));
    let live = format!("{NAME}.localhost");
    wait("the live page", 30, || {
        (page_at(&live, BASE + 1, &["-k"]) == "200").then_some(())
    });
    let facts = |name: &str| -> Value {
        serde_json::from_str(&docker(&["inspect", "--format", "{{json .}}", name])).unwrap()
    };
    let mounts = facts(&controller)["HostConfig"]["Binds"].to_string();
    assert!(!mounts.contains("docker.sock"), "{mounts}");
    let state = place(&format!("{NAME}-state"));
    proxy.reached_only(&state, &format!("{NAME}-acme"));
    // Nobody here is root, or may do what root may.
    for role in ["controller", "traefik", "ovenmediaengine", "mirotalk"] {
        let facts = facts(&format!("{NAME}-{role}"));
        assert_eq!(facts["Config"]["User"], "65532:65532", "{role}");
        let rights = &facts["HostConfig"];
        assert_eq!(rights["CapDrop"], serde_json::json!(["ALL"]), "{role}");
        assert!(
            rights["CapAdd"].as_array().is_none_or(Vec::is_empty),
            "{role}: {rights}"
        );
    }
    rig::good(exec(&["down", "--yes"]));
    project(&["down", "--volumes"]);
    assert_eq!(inventory(), found, "the engine is as it was found");
    assert_eq!(proxy.refused(), BTreeSet::new());
    assert!(proxy.calls().len() > 10, "{:?}", proxy.calls());
}

/// The very file, but for the images' name: with its own domains, names and
/// ports, both side by side.
#[test]
fn the_compose_file_of_two_instances_starts_both() {
    let image = inside::image();
    let _tidy = (Tidy::new("studio"), Tidy::new("guests"));
    let found = inventory();
    docker(&["tag", image, "colourstream:latest"]);
    let dir = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(examples().join("two-instances")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    const TOKEN: &str = "a-token-of-the-provider-0f3c9a77";
    std::fs::write(dir.path().join("cloudflare-token"), TOKEN).unwrap();
    let file = dir.path().join("compose.yaml");
    let project = |arguments: &[&str]| project("cst3-both", &[&file], arguments);
    project(&["up", "--detach"]);
    let status = |name: &str| -> Option<Value> {
        let controller = format!("{name}-controller");
        let said = docker_try(&["exec", &controller, "/colourstream", "status", "--json"]);
        serde_json::from_slice(&said.stdout).ok()
    };
    for name in ["studio", "guests"] {
        // No authority answers here, so certificates are an issue of their own.
        wait(name, 120, || {
            let status = status(name)?;
            let services = status["services"].as_array()?.clone();
            let is_up =
                services.len() == 3 && services.iter().all(|one| one["health"] == "healthy");
            is_up.then_some(())
        });
    }
    // The provider's password came to Traefik in a file that it alone can read.
    let private = kept_private(&place("guests"), 0, &[TOKEN]);
    let is_password =
        |path: &String| path.starts_with("rendered/traefik/") && path.contains("/dns/");
    assert!(private.iter().any(is_password), "{private:?}");
    for name in ["studio", "guests"] {
        let controller = format!("{name}-controller");
        docker(&["exec", &controller, "/colourstream", "down", "--yes"]);
    }
    project(&["down", "--volumes"]);
    assert_eq!(inventory(), found, "the engine is as it was found");
}

#[test]
fn the_image_says_what_it_is_and_holds_what_it_needs() {
    let image = inside::image();
    let facts = docker(&["image", "inspect", image]);
    let facts: Value = serde_json::from_str(&facts).unwrap();
    let config = &facts[0]["Config"];
    for label in ["title", "description", "licenses", "version"] {
        let name = format!("org.opencontainers.image.{label}");
        assert!(
            config["Labels"][&name].is_string(),
            "{name}: {}",
            config["Labels"]
        );
    }
    assert_eq!(
        config["Labels"]["org.opencontainers.image.version"],
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(config["Healthcheck"]["Test"][1], "/colourstream");
    let name = "cst3-image-look";
    let _tidy = Tidy::new(name);
    docker(&["create", "--name", name, image]);
    let dir = tempfile::tempdir().unwrap();
    for path in ["/colourstream", "/etc/ssl/certs/ca-certificates.crt"] {
        docker(&[
            "cp",
            &format!("{name}:{path}"),
            dir.path().to_str().unwrap(),
        ]);
    }
    let roots = std::fs::read_to_string(dir.path().join("ca-certificates.crt")).unwrap();
    assert!(roots.matches("BEGIN CERTIFICATE").count() > 50);
}
