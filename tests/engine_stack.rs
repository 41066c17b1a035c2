//! The whole product on a real engine, with the real Traefik and the stand-ins
//! (`tests/sim`): installed, drifting, replaced, refused, killed, without its
//! engine, and taken away again.
//!
//! Needs the images of `scripts/images --simulated`, `curl`, and an engine at
//! /var/run/docker.sock or at the address in `COLOURSTREAM_TEST_ENGINE`.

#![expect(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{
    Cases, ROLES, Stack, derive, docker, engine_address, http, inspect, is_ready, issue, try_docker,
};
use serde_json::{Value, json};

/// From nothing to healthy on a busy machine; usually a tenth of it.
const INSTALL: u64 = 60;
/// A drift is mended within this, again on a busy machine.
const HEAL: u64 = 40;

const CALL: &str = "mirotalk/sfu:2.3.77";

/// A call that starts at once, under a tag of the test's own.
fn quick_call(stack: &Stack, version: &str, more: &str) -> String {
    let tag = format!("{}/call:{version}", stack.name);
    derive(&tag, CALL, &format!("ENV SIM_START_DELAY_MS=200\n{more}"));
    tag
}

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Every text in a JSON value that is long enough to be a secret.
fn leaves(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) if text.len() >= 8 => into.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, into)),
        Value::Object(map) => map.values().for_each(|item| leaves(item, into)),
        _ => {}
    }
}

/// Status code of a page through Traefik, by `curl` as a person types it.
fn page(stack: &Stack, host: &str, path: &str, more: &[&str]) -> (String, String) {
    let port = stack.port(1);
    let output = Command::new("curl")
        .args(["-sS", "--noproxy", "*", "-m", "10", "-w", "\n%{http_code}"])
        .args(["--resolve", &format!("{host}:{port}:127.0.0.1")])
        .args(more)
        .arg(format!("https://{host}:{port}{path}"))
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, code) = out.rsplit_once('\n').unwrap();
    let code = if output.status.success() {
        code.to_owned()
    } else {
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    (code, body.to_owned())
}

#[test]
fn first_install() {
    let mut cases = Cases::default();
    let mut stack = Stack::new("first", 20_000);
    // The strictest for secrets: everything the controller can say.
    stack.settings("log: colourstream=debug,info\n");
    let mut said = Vec::new();

    cases.run("before: plan exits 2 and shows every file", || {
        let plan = stack.run(&["plan", "--detailed-exitcode", "--json"]);
        assert_eq!(plan.code, 2, "{plan:?}");
        let json: Value = serde_json::from_str(&plan.out).unwrap();
        let writes = json["steps"].as_array().unwrap().iter();
        let writes = writes.filter(|step| text(&step["what"]).starts_with("write "));
        assert!(writes.count() >= 4, "{}", plan.out);
        said.push(("the first plan --json", plan.out));
        said.push(("the first plan", stack.run(&["plan"]).out));
    });
    stack.serve();
    stack.until("the first install", INSTALL, is_ready);

    cases.run("a second plan exits 0 and says so", || {
        let plan = stack.run(&["plan", "--detailed-exitcode"]);
        assert_eq!(plan.code, 0, "{}{}", plan.out, plan.err);
        assert!(plan.out.contains("Nothing to do"), "{}", plan.out);
        stack.only_three();
    });
    cases.run("an idle controller only sweeps", || {
        let begun = Instant::now();
        let before = stack.status().unwrap()["reconcile"].as_u64().unwrap();
        pause(6_500);
        let looks = stack.status().unwrap()["reconcile"].as_u64().unwrap() - before;
        // As long as it was in truth: the pause may last longer.
        let took = begun.elapsed();
        assert!(
            (1..=took.as_secs() / 3 + 2).contains(&looks),
            "{looks} looks in {took:?}, with a sweep every 3 s"
        );
    });
    for role in ROLES {
        cases.run(&format!("{role} is locked down"), || {
            locked_down(&stack, role)
        });
    }
    cases.run("published ports are those of the plan", || ports(&stack));
    cases.run("live and admin answer over TLS of our authority", || {
        let authority = stack.state().join("tls/authority.pem");
        let trust = ["--cacert", authority.to_str().unwrap()];
        for host in [stack.live(), format!("admin.{}", stack.live())] {
            let (code, body) = page(&stack, &host, "/", &trust);
            assert_eq!(code, "200", "{host}: {body}");
            let (code, _) = page(&stack, &host, "/", &[]);
            assert!(
                code.contains("certificate"),
                "{host} is trusted by everybody: {code}"
            );
        }
    });
    cases.run("the internal listener stays inside", || internal(&stack));
    cases.run("secrets are in secrets.json alone", || {
        let key = room(&stack, "Secrets").1;
        for role in ROLES {
            said.push((role, inspect(&stack.of(role)).to_string()));
        }
        // Differences of files again, but now of files that are in use.
        let paused = stack.run(&["pause"]);
        assert_eq!(paused.code, 0, "{}", paused.err);
        stack.until("the pause", HEAL, |status| {
            issue(status, "paused").is_some_and(|issue| {
                issue["fix"]
                    .as_str()
                    .unwrap()
                    .contains("`colourstream resume`")
            })
        });
        for file in identity_files(&stack) {
            std::fs::write(&file, "emptied\n").unwrap();
        }
        let plan = stack.run(&["plan", "--json"]);
        assert!(plan.out.contains("emptied"), "{}", plan.out);
        said.push(("plan --json", plan.out));
        said.push(("plan", stack.run(&["plan"]).out));
        assert_eq!(stack.run(&["resume"]).code, 0);
        stack.well("after the pause", HEAL);
        said.push(("status --json", stack.run(&["status", "--json"]).out));
        said.push(("status", stack.run(&["status"]).out));
        said.push((
            "journal",
            stack.get("/api/v1/journal?limit=200").to_string(),
        ));
        said.push(("files", stack.get("/api/v1/files").to_string()));
        said.push(("log", stack.log()));
        let metrics = http(
            "GET",
            &format!("127.0.0.1:{}", stack.port(6)),
            "controller",
            "/metrics",
            "",
        )
        .unwrap();
        assert_eq!(metrics.0, 200);
        said.push(("metrics", metrics.1));

        let file = stack.state().join("secrets.json");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let mut secrets = vec![key];
        leaves(
            &serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap(),
            &mut secrets,
        );
        assert!(secrets.len() > 5, "only {} secrets found", secrets.len());
        for (name, text) in &said {
            for secret in &secrets {
                assert!(
                    !text.contains(secret.as_str()),
                    "{name} holds the secret {secret}:\n{text}"
                );
            }
        }
        let socket = stack.state().join("control.sock");
        assert_eq!(
            socket.metadata().unwrap().permissions().mode() & 0o777,
            0o600
        );
    });
    cases.run("SIGTERM ends it, and what runs goes on", || {
        let before = stack.runs();
        assert_eq!(stack.stop(), 0);
        assert_eq!(stack.runs(), before);
        assert!(!stack.state().join("control.sock").exists());
    });
    cases.conclude();
}

fn locked_down(stack: &Stack, role: &str) {
    let facts = inspect(&stack.of(role));
    let host = &facts["HostConfig"];
    assert_eq!(host["ReadonlyRootfs"], true);
    assert_eq!(host["Privileged"], false);
    assert_eq!(host["CapDrop"], json!(["ALL"]));
    assert!(
        host["CapAdd"].is_null() || host["CapAdd"] == json!([]),
        "{}",
        host["CapAdd"]
    );
    assert!(
        host["SecurityOpt"]
            .to_string()
            .contains("no-new-privileges"),
        "{}",
        host["SecurityOpt"]
    );
    let user = text(&facts["Config"]["User"]);
    assert!(
        !user.is_empty() && !user.starts_with('0') && !user.starts_with("root"),
        "user {user:?}"
    );
    assert!(host["Memory"].as_i64().unwrap() > 0);
    assert!(host["PidsLimit"].as_i64().unwrap() > 0);
    assert!(
        host["LogConfig"]["Config"]["max-size"].is_string(),
        "{}",
        host["LogConfig"]
    );
    assert!(
        host["LogConfig"]["Config"]["max-file"].is_string(),
        "{}",
        host["LogConfig"]
    );
    assert_eq!(host["RestartPolicy"]["Name"], "unless-stopped");
    let labels = &facts["Config"]["Labels"];
    assert_eq!(labels["org.colourstream.instance"], json!(stack.name));
    assert_eq!(labels["org.colourstream.role"], role);
    for label in ["org.colourstream.spec", "org.colourstream.version"] {
        assert!(labels[label].is_string(), "{label} is missing: {labels}");
    }
    assert!(
        !facts.to_string().contains("docker.sock"),
        "the engine's socket is mounted"
    );
}

fn ports(stack: &Stack) {
    let settings = stack.settings_text("");
    let name = stack.config().display().to_string();
    let settings = colourstream::settings::parse(&settings, &name).unwrap();
    let mut planned = BTreeSet::new();
    for port in colourstream::desired::port_plan(&settings)
        .iter()
        .filter(|port| port.public)
    {
        let role = port.service.unwrap().as_str();
        let protocol = format!("{:?}", port.protocol).to_lowercase();
        planned.extend(
            (port.first..=port.last).map(|number| format!("{role} 127.0.0.1:{number}/{protocol}")),
        );
    }
    let mut published = BTreeSet::new();
    for role in ROLES {
        let facts = inspect(&stack.of(role));
        for (inner, outer) in facts["HostConfig"]["PortBindings"].as_object().unwrap() {
            let protocol = inner.split_once('/').unwrap().1;
            for binding in outer.as_array().unwrap() {
                let (address, port) = (text(&binding["HostIp"]), text(&binding["HostPort"]));
                published.insert(format!("{role} {address}:{port}/{protocol}"));
            }
        }
    }
    assert_eq!(published, planned);
}

fn internal(stack: &Stack) {
    let direct = format!("127.0.0.1:{}", stack.port(6));
    let (status, metrics) = http("GET", &direct, "controller", "/metrics", "").unwrap();
    assert_eq!(status, 200);
    assert!(metrics.contains("# TYPE"), "{metrics}");
    for host in ["", "admin.", "video."].map(|part| format!("{part}{}", stack.live())) {
        for path in [
            "/metrics",
            "/readyz",
            "/internal/forward-auth",
            "/internal/ome/admission",
            "/api/rawdata",
            "/config-generation",
        ] {
            for method in ["GET", "POST"] {
                let (code, body) = page(stack, &host, path, &["-k", "-X", method]);
                let inside = ["# TYPE", "allowed", "routers", "cs_"]
                    .iter()
                    .any(|word| body.contains(word));
                let html = body.trim_start().starts_with('<');
                assert!(
                    html || !inside,
                    "{method} {host}{path} answers from inside ({code}): {body}"
                );
            }
        }
    }
    // Loopback and the network's gateway, nothing else.
    let gateway = docker(&[
        "network",
        "inspect",
        &stack.name,
        "--format",
        "{{(index .IPAM.Config 0).Gateway}}",
    ]);
    let allowed = [IpAddr::V4(Ipv4Addr::LOCALHOST), gateway.parse().unwrap()];
    let ours = [stack.port(5), stack.port(6)];
    let listeners = colourstream::host::read_listeners(Path::new("/proc"));
    let found: Vec<IpAddr> = listeners
        .iter()
        .filter(|listener| ours.contains(&listener.port))
        .map(|listener| listener.address)
        .collect();
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(
        found.iter().all(|address| allowed.contains(address)),
        "{found:?}"
    );
}

/// Makes a room; answers its id and publish key.
fn room(stack: &Stack, title: &str) -> (String, String) {
    let (status, made) = stack
        .api("POST", "/api/v1/rooms", &json!({"title": title}))
        .unwrap();
    assert_eq!(status, 201, "{made}");
    let id = text(&made["room"]["id"]).to_owned();
    let key = text(&stack.get(&format!("/api/v1/rooms/{id}/ingest"))["key"]).to_owned();
    assert!(key.len() > 8, "{key}");
    (id, key)
}

/// Files that a service reads once, in the folders named by their content.
fn identity_files(stack: &Stack) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for role in ROLES {
        for folder in std::fs::read_dir(stack.rendered(role)).unwrap() {
            let folder = folder.unwrap();
            let is_set = folder.file_name().len() == 12;
            if is_set && folder.path().is_dir() {
                files.extend(
                    std::fs::read_dir(folder.path())
                        .unwrap()
                        .map(|file| file.unwrap().path()),
                );
            }
        }
    }
    files.retain(|file| file.is_file());
    assert!(files.len() >= 3, "{files:?}");
    files
}

fn identity_file(stack: &Stack, ending: &str) -> PathBuf {
    identity_files(stack)
        .into_iter()
        .find(|file| file.ends_with(ending))
        .unwrap()
}

fn only_dynamic_file(stack: &Stack) -> PathBuf {
    let files: Vec<PathBuf> = std::fs::read_dir(stack.rendered("traefik/dynamic"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.into_iter().next().unwrap()
}

fn mirotalk_env(stack: &Stack) -> PathBuf {
    let in_mirotalk = stack.rendered("mirotalk");
    identity_files(stack)
        .into_iter()
        .find(|file| file.starts_with(&in_mirotalk))
        .unwrap()
}

#[test]
fn drift_is_mended() {
    let mut cases = Cases::default();
    let mut stack = Stack::new("drift", 20_100);
    let call = quick_call(&stack, "1.0.0", "");
    let images = format!("images: {{mirotalk: \"{call}\"}}\n");
    stack.settings(&images);
    stack.serve();
    stack.until("the first install", INSTALL, is_ready);
    stack.well("the first install", 20);
    let stack = stack;
    let (traefik, ome, mirotalk) = (
        stack.of("traefik"),
        stack.of("ovenmediaengine"),
        stack.of("mirotalk"),
    );

    // Each leaves the stack well, so that the next starts from there; where
    // one did not, the next waits for its turn in vain and is named too.
    let drift = |cases: &mut Cases, name: &str, act: &dyn Fn()| {
        cases.run(name, || {
            act();
            stack.well(name, HEAL);
            stack.only_three();
        });
    };

    drift(&mut cases, "stopped", &|| {
        drop(docker(&["stop", "-t", "1", &ome]))
    });
    drift(&mut cases, "killed", &|| drop(docker(&["kill", &mirotalk])));
    drift(&mut cases, "removed: traefik", &|| {
        drop(docker(&["rm", "-f", &traefik]))
    });
    drift(&mut cases, "removed: all three", &|| {
        drop(docker(&["rm", "-f", &traefik, &ome, &mirotalk]))
    });
    drift(&mut cases, "paused", &|| drop(docker(&["pause", &ome])));
    cases.run("renamed", || {
        let before = stack.runs();
        docker(&["rename", &mirotalk, &format!("{mirotalk}-aside")]);
        stack.well("renamed", HEAL);
        assert_eq!(
            stack.runs(),
            before,
            "its own container came back, nothing was restarted"
        );
    });
    drift(&mut cases, "restart policy changed", &|| {
        drop(docker(&["update", "--restart=no", &ome]))
    });
    drift(&mut cases, "limits changed", &|| {
        drop(docker(&[
            "update",
            "--memory",
            "900m",
            "--memory-swap",
            "900m",
            &mirotalk,
        ]));
    });
    drift(&mut cases, "taken off its network", &|| {
        drop(docker(&["network", "disconnect", &stack.name, &mirotalk]));
    });
    drift(&mut cases, "joined to another network", &|| {
        drop(docker(&["network", "connect", "bridge", &ome]));
    });
    let labels: Vec<String> = inspect(&mirotalk)["Config"]["Labels"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| format!("{key}={}", text(value)))
        .collect();
    cases.run("made anew by hand, with our labels", || {
        stack.while_it_sleeps(|| {
            docker(&["rm", "-f", &mirotalk]);
            let mut arguments = vec!["run", "-d", "--name", &mirotalk, "-e", "HAND=made"];
            arguments.extend(labels.iter().flat_map(|label| ["--label", label]));
            arguments.push(&call);
            docker(&arguments);
        });
        stack.well("made by hand", HEAL);
        stack.only_three();
        assert!(
            !inspect(&mirotalk)["Config"]["Env"]
                .to_string()
                .contains("HAND=made")
        );
    });

    let written = |path: &Path| std::fs::read(path).unwrap();
    let file = |cases: &mut Cases, name: &str, path: PathBuf, act: &dyn Fn(&Path)| {
        cases.run(name, || {
            let before = (written(&path), stack.runs());
            act(&path);
            stack.well(name, HEAL);
            assert!(
                (written(&path), stack.runs()) == before,
                "the same bytes, and nothing restarted"
            );
        });
    };
    file(
        &mut cases,
        "file edited",
        identity_file(&stack, "Server.xml"),
        &|path| {
            std::fs::write(path, "<Server/>").unwrap();
        },
    );
    file(
        &mut cases,
        "file truncated",
        only_dynamic_file(&stack),
        &|path| {
            drop(std::fs::File::create(path).unwrap());
        },
    );
    file(&mut cases, "file deleted", mirotalk_env(&stack), &|path| {
        std::fs::remove_file(path).unwrap()
    });
    file(
        &mut cases,
        "watched file deleted",
        only_dynamic_file(&stack),
        &|path| std::fs::remove_file(path).unwrap(),
    );
    file(
        &mut cases,
        "file unreadable",
        mirotalk_env(&stack),
        &|path| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o000)).unwrap();
        },
    );
    file(
        &mut cases,
        "file replaced by a folder",
        only_dynamic_file(&stack),
        &|path| {
            std::fs::remove_file(path).unwrap();
            std::fs::create_dir(path).unwrap();
            std::fs::write(path.join("inside"), "x").unwrap();
        },
    );
    cases.run("extra file in the watched folder", || {
        let extra = stack.rendered("traefik/dynamic/zz-extra.yml");
        std::fs::write(
            &extra,
            "http: {routers: {bad: {rule: \"Path(`/bad`)\", service: none}}}\n",
        )
        .unwrap();
        stack.well("extra file", HEAL);
        assert!(!extra.exists());
        let kept = Command::new("find")
            .arg(stack.state().join("quarantine"))
            .args(["-type", "f"])
            .output()
            .unwrap();
        let kept = String::from_utf8_lossy(&kept.stdout).into_owned();
        assert!(kept.contains("zz-extra.yml"), "it is kept aside: {kept}");
    });
    drift(&mut cases, "network removed", &|| {
        stack.while_it_sleeps(|| {
            for container in [&traefik, &ome, &mirotalk] {
                docker(&["network", "disconnect", "-f", &stack.name, container]);
            }
            docker(&["network", "rm", &stack.name]);
        });
    });

    cases.run("a look-alike is told and left alone", || {
        let copy = format!("{}-copy", stack.name);
        let before = stack.runs();
        let mut arguments = vec!["create", "--name", &copy];
        arguments.extend(labels.iter().flat_map(|label| ["--label", label]));
        arguments.push(&call);
        let id = docker(&arguments);
        stack.until("the look-alike is told", HEAL, |status| {
            issue(status, "look-alike").is_some_and(|issue| issue["subject"] == json!(copy))
        });
        pause(1_000);
        assert_eq!(inspect(&copy)["Id"], json!(id), "it is still there");
        assert_eq!(stack.runs(), before);
        docker(&["rm", "-f", &copy]);
        stack.until("nothing is told any more", HEAL, |status| {
            issue(status, "look-alike").is_none()
        });
    });
    cases.run("a moved tag is told and changes nothing", || {
        let before = stack.runs();
        derive(&call, CALL, "ENV SIM_START_DELAY_MS=200\nLABEL moved=yes");
        stack.until("the moved tag is told", HEAL, |status| {
            issue(status, "image-moved").is_some()
        });
        assert_eq!(stack.runs(), before);
        let said = stack.run(&["apply", "--update-images"]);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        stack.well("the new image is taken up", HEAL);
        assert_ne!(stack.runs()["mirotalk"], before["mirotalk"]);
        assert!(issue(&stack.status().unwrap(), "image-moved").is_none());
        stack.only_three();
    });
    cases.run(
        "wrong settings are refused, the last good ones stay",
        || {
            let before = stack.runs();
            let wrong = format!("{images}conference: {{max_participants: many}}\n");
            stack.settings(&wrong);
            let line = stack
                .settings_text(&wrong)
                .lines()
                .position(|line| line.starts_with("conference"))
                .unwrap()
                + 1;
            let status = stack.until("the mistake is told", HEAL, |status| {
                issue(status, "settings-invalid").is_some()
            });
            let told = issue(&status, "settings-invalid").unwrap().to_string();
            assert!(
                told.contains(&format!("colourstream.yaml:{line}:")),
                "line {line}: {told}"
            );
            assert_eq!(stack.runs(), before);
            stack.settings(&images);
            stack.until("the mistake is gone", HEAL, is_ready);
            assert_eq!(stack.runs(), before);
        },
    );
    cases.run(
        "broken text, an empty file and no file are refused too",
        || {
            let before = stack.runs();
            for wrong in [
                "\t{{{",
                "instance: [a\n",
                "domain: \"a b\"\n",
                "unknown_key: 1\n",
            ] {
                std::fs::write(stack.config(), wrong).unwrap();
                stack.until(wrong, HEAL, |status| {
                    issue(status, "settings-invalid").is_some()
                });
                stack.settings(&images);
                stack.until("mended again", HEAL, |status| {
                    issue(status, "settings-invalid").is_none()
                });
            }
            std::fs::remove_file(stack.config()).unwrap();
            stack.until("no file", HEAL, |status| {
                issue(status, "settings-invalid").is_some()
            });
            stack.settings(&images);
            stack.until("mended again", HEAL, is_ready);
            assert_eq!(stack.runs(), before);
        },
    );
    cases.run(
        "a second controller says who holds the state folder",
        || {
            let second = stack.run(&["serve"]);
            assert_eq!(second.code, 1, "{second:?}");
            let pid = std::fs::read_to_string(stack.state().join("lock")).unwrap();
            let pid = serde_json::from_str::<Value>(&pid).unwrap()["pid"].to_string();
            assert!(
                second.err.contains(&pid) && second.err.contains("fix:"),
                "pid {pid}: {}",
                second.err
            );
            stack.well("the first goes on", HEAL);
        },
    );
    cases.conclude();
}

#[test]
fn what_is_not_ours_is_told_and_left_alone() {
    let mut cases = Cases::default();
    let mut stack = Stack::new("foreign", 20_200);
    let call = quick_call(&stack, "1.0.0", "");
    stack.settings(&format!("images: {{mirotalk: \"{call}\"}}\n"));
    let name_holder = docker(&["create", "--name", &stack.of("mirotalk"), CALL]);
    let port_holder = format!("{}-port-holder", stack.name);
    let rtmp = stack.port(2);
    docker(&[
        "run",
        "-d",
        "--name",
        &port_holder,
        "-p",
        &format!("127.0.0.1:{rtmp}:3010"),
        "-e",
        "SIM_FAULT=hang",
        CALL,
    ]);
    let https = stack.port(1);
    let process = TcpListener::bind(("127.0.0.1", https)).unwrap();

    cases.run("doctor names each port's holder and exits 1", || {
        let doctor = stack.run(&["doctor", "--json"]);
        assert_eq!(doctor.code, 1, "{}{}", doctor.out, doctor.err);
        let pid = std::process::id().to_string();
        assert!(
            doctor.out.contains(&https.to_string()) && doctor.out.contains(&pid),
            "{}",
            doctor.out
        );
        assert!(
            doctor.out.contains(&rtmp.to_string()) && doctor.out.contains(&port_holder),
            "{}",
            doctor.out
        );
    });
    stack.serve();
    let stack = stack;
    let role = |status: &Value, code: &str, role: &str| {
        status["issues"]
            .as_array()
            .unwrap()
            .iter()
            .find(|issue| issue["code"] == code && issue["role"] == role)
            .cloned()
    };
    cases.run("a foreign container with our name", || {
        let status = stack.until("it is told", HEAL, |status| {
            role(status, "name-taken", "mirotalk").is_some()
        });
        let told = role(&status, "name-taken", "mirotalk").unwrap();
        assert!(text(&told["fix"]).contains("docker rm"), "{told}");
    });
    cases.run("a foreign container on our port", || {
        let told = |status: &Value| role(status, "port-taken", "ovenmediaengine");
        let status = stack.until("it is told", HEAL, |status| told(status).is_some());
        let told = told(&status).unwrap().to_string();
        assert!(
            told.contains(&rtmp.to_string()) && told.contains(&port_holder),
            "{told}"
        );
    });
    cases.run("a process on our port", || {
        let told = |status: &Value| role(status, "port-taken", "traefik");
        let status = stack.until("it is told", HEAL, |status| told(status).is_some());
        let told = told(&status).unwrap().to_string();
        let us = format!("(process {})", std::process::id());
        assert!(
            told.contains(&https.to_string()) && told.contains(&us),
            "{told}"
        );
    });
    cases.run("all three are left alone and healed around", || {
        assert_eq!(inspect(&stack.of("mirotalk"))["Id"], json!(name_holder));
        assert_eq!(inspect(&port_holder)["State"]["Running"], true);
        drop(process);
        docker(&["rm", "-f", &port_holder]);
        docker(&["rm", "-f", &stack.of("mirotalk")]);
        stack.well("all are out of the way", HEAL);
        stack.only_three();
        let status = stack.status().unwrap();
        assert!(
            issue(&status, "name-taken").is_none() && issue(&status, "port-taken").is_none(),
            "{status}"
        );
    });
    cases.conclude();
}

/// Publishes to a room as an encoder; answers what the stand-in said.
fn publish(stack: &Stack, key: &str) -> Value {
    let order = json!({"url": format!("rtmp://{}/live/{key}", stack.live()), "protocol": "rtmp"});
    let output = Command::new("curl")
        .args([
            "-sS",
            "--noproxy",
            "*",
            "-m",
            "10",
            "-d",
            &order.to_string(),
        ])
        .arg(format!(
            "http://{}:9998/publish",
            stack.address("ovenmediaengine")
        ))
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

#[test]
fn replacement_without_regret() {
    let mut cases = Cases::default();
    let mut stack = Stack::new("replace", 20_300);
    let good = quick_call(&stack, "1.0.0", "");
    let better = quick_call(&stack, "1.0.1", "LABEL better=yes");
    let broken = quick_call(&stack, "1.0.2", "ENV SIM_FAULT=die");
    let templates = stack.dir.path().join("templates");
    std::fs::create_dir_all(templates.join("traefik")).unwrap();
    let with = |call: &str, more: &str| {
        format!("images: {{mirotalk: \"{call}\"}}\ntemplates: ./templates\n{more}")
    };
    stack.settings(&with(&good, ""));
    stack.serve();
    stack.until("the first install", INSTALL, is_ready);
    let stack = stack;
    let (ome, mirotalk) = (stack.of("ovenmediaengine"), stack.of("mirotalk"));

    cases.run("a change of settings is taken up live", || {
        let before = stack.runs();
        stack.settings(&with(
            &good,
            "profiles: [{name: live, audio_bitrate: 96k}]\n",
        ));
        stack.until("a new container runs", HEAL, |status| {
            is_ready(status)
                && inspect_id(&ome).is_some_and(|id| !before["ovenmediaengine"].starts_with(&id))
        });
        stack.well("a new container runs", HEAL);
        stack.only_three();
        let after = stack.runs();
        assert_eq!(
            (&after["traefik"], &after["mirotalk"]),
            (&before["traefik"], &before["mirotalk"])
        );
        stack.settings(&with(&good, ""));
        stack.until("and back", HEAL, |status| {
            is_ready(status)
                && inspect_id(&ome).is_some_and(|id| !after["ovenmediaengine"].starts_with(&id))
        });
    });

    let file = templates.join("traefik/static.yml.tera");
    let built_in = include_str!("../templates/traefik/static.yml.tera");
    cases.run("a template our lint refuses changes nothing", || {
        let before = stack.runs();
        std::fs::write(&file, built_in.replace("\nping:", "\npings:")).unwrap();
        let status = stack.until("it is told", HEAL, |status| {
            issue(status, "template-invalid").is_some()
        });
        let told = issue(&status, "template-invalid").unwrap();
        assert!(text(&told["subject"]).contains("static.yml.tera"), "{told}");
        assert_eq!(stack.runs(), before);
        std::fs::remove_file(&file).unwrap();
        stack.until("taken back", HEAL, is_ready);
        assert_eq!(stack.runs(), before);
    });
    cases.run(
        "a file only Traefik refuses is found out before anything stops",
        || {
            let before = stack.runs();
            std::fs::write(
                &file,
                built_in.replace("\nglobal:\n", "\nglobal:\n  nonsense: true\n"),
            )
            .unwrap();
            let status = stack.until("it is told", HEAL, |status| {
                issue(status, "replacement-failed").is_some()
            });
            let told = issue(&status, "replacement-failed").unwrap();
            assert!(text(&told["why"]).contains("nonsense"), "{told}");
            assert_eq!(stack.runs(), before);
            stack.only_three();
            std::fs::remove_file(&file).unwrap();
            stack.until("taken back", HEAL, is_ready);
            assert_eq!(stack.runs(), before);
        },
    );
    cases.run("a replacement that dies: the old one comes back", || {
        let before = stack.runs();
        stack.settings(&with(&broken, ""));
        stack.until("the old one is back", HEAL, |status| {
            let service = |status: &Value| status["services"][2]["health"] == "healthy";
            issue(status, "replacement-failed").is_some() && service(status)
        });
        let id = inspect_id(&mirotalk).unwrap();
        assert!(
            before["mirotalk"].starts_with(&id),
            "the same container as before"
        );
        let kept = try_docker(&["logs", &format!("{mirotalk}.failed")]);
        assert!(
            (kept.out + &kept.err).contains("told to die"),
            "its log is kept"
        );
        // It is not tried over and over.
        let after = stack.runs();
        pause(4_000);
        assert_eq!(stack.runs(), after);
        assert_eq!(stack.containers().len(), 4, "{:?}", stack.containers());
    });
    cases.run("a corrected setting converges and clears up", || {
        stack.settings(&with(&better, ""));
        stack.until("the better one runs", HEAL, |status| {
            is_ready(status) && issue(status, "replacement-failed").is_none()
        });
        stack.well("the better one runs", HEAL);
        stack.only_three();
        assert_eq!(inspect(&mirotalk)["Config"]["Labels"]["better"], "yes");
    });
    cases.run("while people are live, what disturbs them waits", || {
        let (room, key) = room(&stack, "Live");
        let published = publish(&stack, &key);
        assert_eq!(published["result"], "accepted", "{published}");
        stack.until("the stream is seen", HEAL, |status| {
            status["live"]["streams"] == 1
        });
        let before = stack.runs();
        stack.settings(&with(
            &better,
            "profiles: [{name: live, audio_bitrate: 64k}]\n",
        ));
        let waiting = |status: &Value| {
            status["plan"].as_array().unwrap().iter().any(|step| {
                step["sign"] == "⏸" && text(&step["waits"]).contains("nobody has been live")
            })
        };
        let status = stack.until("it waits", HEAL, waiting);
        assert_eq!(status["summary"], "waiting", "{status}");
        let plan = stack.run(&["plan", "--detailed-exitcode"]);
        assert_eq!(plan.code, 2);
        assert!(
            plan.out.contains("⏸") && plan.out.contains("nobody has been live"),
            "{}",
            plan.out
        );
        // A plain apply says that it waits, and does not wait with it.
        let apply = stack.run(&["apply"]);
        assert_eq!(apply.code, 2, "{}{}", apply.out, apply.err);

        let (code, _) = stack
            .api(
                "PATCH",
                &format!("/api/v1/rooms/{room}"),
                &json!({"title": "Renamed", "viewer_cap": 7}),
            )
            .unwrap();
        assert!(code < 300, "{code}");
        room_edits(&stack);
        pause(3_500);
        assert_eq!(stack.runs(), before, "rooms change, containers do not");
        stack.until("it still waits", HEAL, waiting);

        let apply = stack.run(&["apply", "--now"]);
        assert_eq!(apply.code, 0, "{}{}", apply.out, apply.err);
        stack.well("it went on", HEAL);
        let after = stack.runs();
        assert_ne!(after["ovenmediaengine"], before["ovenmediaengine"]);
        assert_eq!(
            (&after["traefik"], &after["mirotalk"]),
            (&before["traefik"], &before["mirotalk"])
        );
        stack.only_three();
    });
    cases.conclude();
}

/// A room comes, closes, opens and goes.
fn room_edits(stack: &Stack) {
    let (id, _) = room(stack, "Other");
    for action in ["close", "open"] {
        let (code, said) = stack
            .api("POST", &format!("/api/v1/rooms/{id}/{action}"), &json!({}))
            .unwrap();
        assert!(code < 300, "{action}: {code} {said}");
    }
    let (code, said) = stack
        .api("DELETE", &format!("/api/v1/rooms/{id}"), &Value::Null)
        .unwrap();
    assert!(code < 300, "{code} {said}");
}

fn inspect_id(container: &str) -> Option<String> {
    let said = try_docker(&["inspect", "--format", "{{.Id}}", container]);
    (said.code == 0).then(|| said.out.trim().to_owned())
}

#[test]
fn killed_anywhere_it_goes_on() {
    let mut cases = Cases::default();
    let mut stack = Stack::new("killed", 20_400);
    let call = quick_call(&stack, "1.0.0", "");
    let with = |more: &str| format!("images: {{mirotalk: \"{call}\"}}\n{more}");
    stack.settings(&with(""));
    for delay in [150, 500, 1_000, 2_000] {
        cases.run(&format!("killed {delay} ms into the install"), || {
            stack.kill();
            for name in stack.containers() {
                docker(&["rm", "-f", &name]);
            }
            stack.serve();
            pause(delay);
            stack.kill();
            stack.serve();
            stack.until("it goes on", INSTALL, is_ready);
            stack.well("it goes on", HEAL);
            stack.only_three();
            stack.kill();
        });
    }
    for (delay, bitrate) in [(300, 64), (700, 72), (1_300, 80)] {
        cases.run(&format!("killed {delay} ms into a replacement"), || {
            stack.kill();
            stack.settings(&with(&format!(
                "profiles: [{{name: live, audio_bitrate: {bitrate}k}}]\nconference: {{max_participants: {}}}\n",
                bitrate / 4
            )));
            stack.serve();
            pause(delay);
            stack.kill();
            stack.serve();
            stack.until("it goes on", INSTALL, is_ready);
            stack.well("it goes on", HEAL);
            stack.only_three();
            stack.kill();
        });
    }
    cases.conclude();
}

/// A way to the engine that can be cut.
struct Way {
    path: PathBuf,
    open: Arc<AtomicBool>,
    cut: Arc<Mutex<Vec<UnixStream>>>,
}

impl Way {
    fn open(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let way = Self {
            path: path.to_owned(),
            open: Arc::new(AtomicBool::new(true)),
            cut: Arc::default(),
        };
        let (open, cut) = (Arc::clone(&way.open), Arc::clone(&way.cut));
        std::thread::spawn(move || {
            while open.load(Ordering::Relaxed) {
                let Ok((near, _)) = listener.accept() else {
                    pause(5);
                    continue;
                };
                near.set_nonblocking(false).unwrap();
                let far =
                    UnixStream::connect(engine_address().trim_start_matches("unix://")).unwrap();
                cut.lock()
                    .unwrap()
                    .extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                for (mut from, mut to) in [
                    (near.try_clone().unwrap(), far.try_clone().unwrap()),
                    (far, near),
                ] {
                    std::thread::spawn(move || {
                        let _gone = std::io::copy(&mut from, &mut to);
                        let _gone = to.shutdown(std::net::Shutdown::Both);
                    });
                }
            }
        });
        way
    }

    /// Cuts what is connected; new connections get through.
    fn cut(&self) {
        for stream in self.cut.lock().unwrap().drain(..) {
            let _gone = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.open.store(false, Ordering::Relaxed);
        let _gone = std::fs::remove_file(&self.path);
        pause(20);
        self.cut();
    }
}

#[test]
fn without_an_engine() {
    let mut cases = Cases::default();
    let mut stack = Stack::on("away", 20_500, |dir| {
        format!("unix://{}/engine.sock", dir.display())
    });
    let socket = stack.dir.path().join("engine.sock");
    let call = quick_call(&stack, "1.0.0", "");
    stack.settings(&format!("images: {{mirotalk: \"{call}\"}}\n"));
    stack.serve();
    let stack = stack;
    let told = |status: &Value| issue(status, "engine-away").cloned();

    cases.run("it says so, renders and answers", || {
        let status = stack.until("it is told", HEAL, |status| told(status).is_some());
        let told = told(&status).unwrap();
        assert!(text(&told["fix"]).contains("docker"), "{told}");
        assert_eq!(status["engine"]["reachable"], false);
        assert_eq!(status["summary"], "degraded");
        stack.until("a second look", HEAL, |now| {
            now["reconcile"].as_u64() > status["reconcile"].as_u64()
        });
        only_dynamic_file(&stack);
        assert!(identity_files(&stack).len() >= 3);
        let pages = format!("127.0.0.1:{}", stack.port(5));
        let (code, body) = http("GET", &pages, &stack.live(), "/", "").unwrap();
        assert_eq!(code, 200, "{body}");
        let made = stack
            .api("POST", "/api/v1/rooms", &json!({"title": "Early"}))
            .unwrap();
        assert_eq!(made.0, 201, "rooms need no engine: {}", made.1);
        let said = stack.run(&["plan", "--detailed-exitcode"]);
        assert_eq!(said.code, 1, "{}{}", said.out, said.err);
        assert!(
            said.out.contains("engine-away") || said.err.contains("engine"),
            "{}{}",
            said.out,
            said.err
        );
        let doctor = stack.run(&["doctor"]);
        assert_eq!(doctor.code, 1, "{}", doctor.out);
    });
    let way = Way::open(&socket);
    cases.run("the engine comes: it installs by itself", || {
        stack.until("it installs", INSTALL, is_ready);
        stack.well("it installs", HEAL);
    });
    cases.run(
        "the event stream is cut: drift is found all the same",
        || {
            way.cut();
            docker(&["rm", "-f", &stack.of("mirotalk")]);
            stack.well("healed", HEAL);
        },
    );
    cases.run(
        "away for a while: what runs goes on, drift is mended after",
        || {
            let before = stack.runs();
            drop(way);
            stack.until("it is told", HEAL, |status| told(status).is_some());
            assert_eq!(stack.runs(), before);
            docker(&["rm", "-f", &stack.of("ovenmediaengine")]);
            let _way = Way::open(&socket);
            stack.until("it is healed", HEAL, is_ready);
            stack.well("it is healed", HEAL);
            let after = stack.runs();
            assert_eq!(
                (&after["traefik"], &after["mirotalk"]),
                (&before["traefik"], &before["mirotalk"])
            );
        },
    );
    // So that `down` reaches the engine in the end.
    let _way = Way::open(&socket);
    drop(stack);
    cases.conclude();
}

#[test]
fn everything_goes_again() {
    let mut cases = Cases::default();
    let stack = Stack::new("down", 20_600);
    let call = quick_call(&stack, "1.0.0", "");
    let images = format!("images: {{mirotalk: \"{call}\"}}\n");
    stack.settings(&images);
    // Neighbours with names like ours, and one with our label.
    let label = format!("org.colourstream.instance={}", stack.name);
    let neighbour = |rest: &str| format!("{}-{rest}", stack.name);
    docker(&["create", "--name", &neighbour("neighbour"), CALL]);
    docker(&[
        "create",
        "--name",
        &neighbour("lookalike"),
        "--label",
        &label,
        CALL,
    ]);
    docker(&["volume", "create", &neighbour("neighbours")]);
    let before = stack.on_engine();

    cases.run("render needs no engine", || {
        let plain = stack.settings_text("");
        std::fs::write(
            stack.config(),
            plain.replace(&engine_address(), "unix:///nonexistent.sock"),
        )
        .unwrap();
        let out = stack.dir.path().join("out");
        let said = stack.run(&["render", out.to_str().unwrap()]);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        let plan = stack.run(&["plan", "--detailed-exitcode"]);
        assert_eq!(plan.code, 1, "{}{}", plan.out, plan.err);
        stack.settings(&images);
        assert!(out.join("ovenmediaengine/Server.xml").is_file());
        assert!(out.join("traefik/dynamic").is_dir());
        assert_eq!(stack.on_engine(), before);
    });
    cases.run("a dry plan touches nothing", || {
        assert_eq!(stack.run(&["plan"]).code, 0);
        assert_eq!(stack.run(&["plan", "--detailed-exitcode"]).code, 2);
        assert_eq!(stack.on_engine(), before);
    });
    cases.run(
        "apply alone installs, and a second one does nothing",
        || {
            let apply = stack.run(&["apply"]);
            assert_eq!(apply.code, 0, "{}{}", apply.out, apply.err);
            let plan = stack.run(&["plan", "--detailed-exitcode"]);
            assert_eq!(plan.code, 0, "{}{}", plan.out, plan.err);
            let runs = stack.runs();
            assert_eq!(stack.run(&["apply"]).code, 0);
            assert_eq!(stack.runs(), runs);
        },
    );
    cases.run("a plan of wrong settings exits 1", || {
        stack.settings("nonsense: 1\n");
        let plan = stack.run(&["plan", "--detailed-exitcode"]);
        assert_eq!(plan.code, 1);
        assert!(
            plan.err.contains("nonsense") && plan.err.contains("colourstream.yaml:"),
            "{}",
            plan.err
        );
        stack.settings(&images);
    });
    cases.run("down asks first", || {
        let runs = stack.runs();
        assert_eq!(stack.run(&["down"]).code, 1);
        assert_eq!(stack.runs(), runs);
    });
    cases.run("down leaves the state folder", || {
        let down = stack.run(&["down", "--yes"]);
        assert_eq!(down.code, 0, "{}{}", down.out, down.err);
        // The volume of the certificates was only another name of a folder there.
        assert_eq!(stack.on_engine(), before);
        assert!(stack.state().join("secrets.json").exists());
    });
    cases.run("down --volumes leaves nothing but what is not ours", || {
        let down = stack.run(&["down", "--volumes", "--yes"]);
        assert_eq!(down.code, 0, "{}{}", down.out, down.err);
        assert_eq!(stack.on_engine(), before);
        assert!(!stack.state().exists());
    });
    cases.conclude();
}

/// Named first in what fails: without these nothing else can pass.
#[test]
fn a_engine_and_images_are_there() {
    for image in ["traefik:v3.7.15", "airensoft/ovenmediaengine:v0.21.0", CALL] {
        let said = try_docker(&["image", "inspect", image]);
        assert_eq!(
            said.code, 0,
            "{image} is missing: scripts/images --simulated ({})",
            said.err
        );
    }
}
