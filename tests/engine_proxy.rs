//! The calls the controller makes of the engine: written down, kept as a list,
//! and shown to be enough by a proxy that refuses everything else.
#![expect(clippy::unwrap_used, reason = "a test")]

mod rig;

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use rig::inside::Inside;
use rig::proxy::{Proxy, pattern};
use rig::{derive, docker, docker_try, text, wait};
use serde_json::Value;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

const LIST: &str = "examples/hardened/engine-calls.txt";
const HEADER: &str = "\
# Every call the controller makes of the engine's API, by method and path; an
# API version may stand in front. Kept by tests/engine_proxy.rs, which writes the
# calls down: `UPDATE=1 cargo test --workspace --test engine_proxy` writes this
# anew.
";

fn listed() -> BTreeSet<String> {
    std::fs::read_to_string(root(LIST))
        .unwrap_or_default()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// One expression per method, as socket proxies take them.
fn expression(method: &str) -> String {
    let paths: Vec<String> = listed()
        .iter()
        .filter_map(|call| call.strip_prefix(method)?.strip_prefix(' '))
        .map(|path| {
            path.replace('.', "\\.")
                .replace("{id}", "[a-zA-Z0-9][a-zA-Z0-9_.-]*")
                .replace("{name}", "[a-zA-Z0-9][a-zA-Z0-9_./:@-]*")
        })
        .collect();
    format!("(/v1\\.[0-9]+)?({})", paths.join("|"))
}

const CALL: &str = "mirotalk/sfu:2.3.77";

/// Tags of this test's own, which go with it.
struct Tags(Vec<String>);

impl Drop for Tags {
    fn drop(&mut self) {
        for tag in &self.0 {
            docker_try(&["rmi", "-f", tag]);
        }
    }
}

fn has(status: &Value, code: &str) -> bool {
    let mut issues = status["issues"].as_array().into_iter().flatten();
    issues.any(|issue| issue["code"] == code)
}

/// Takes a controller through its life. `through` is the proxy in between.
fn a_life(name: &str, base: u16, allowed: Option<BTreeSet<String>>) -> Proxy {
    let tag = |version: &str| format!("{name}/sfu:{version}");
    let (call, broken) = (tag("1.0.0"), tag("1.0.1"));
    // Goes last: no container is made of it by then.
    let _tags = Tags(vec![call.clone(), broken.clone()]);
    derive(&call, CALL, "ENV SIM_START_DELAY_MS=200");
    derive(&broken, CALL, "ENV SIM_FAULT=die");
    let mut inside = Inside::new(name, base);
    let settings = |inside: &Inside, image: &str, more: &str| {
        inside.settings(&format!("images: {{mirotalk: '{image}'}}\n{more}"));
    };
    let socket = inside.dir.path().join("engine.sock");
    let proxy = Proxy::start(&socket, allowed);
    inside.socket = socket;
    // An image of its own, which has to be pulled, from nowhere.
    settings(&inside, &format!("127.0.0.1:9/{CALL}"), "");
    inside.run();
    inside.until("a pull that fails", |status| has(status, "image-missing"));
    settings(&inside, &call, "");
    inside.ready();
    let (code, page) = wait("the live page", 30, || {
        let (code, page) = inside.through_traefik(&format!("{name}.localhost"));
        (code == 200).then_some((code, page))
    });
    assert_eq!(code, 200, "{page}");
    rig::good(inside.exec(&["room", "create", "Northlight"]));
    let doctor = text(&inside.exec(&["doctor"]).stdout);
    assert!(doctor.contains("0 errors"), "{doctor}");

    // Settings that replace containers: tried out, renamed, put in place.
    let id = |role: &str| {
        let seen = docker_try(&["inspect", "--format", "{{.Id}}", &inside.of(role)]);
        text(&seen.stdout).trim().to_owned()
    };
    let both = || ["traefik", "ovenmediaengine"].map(id);
    let before = both();
    let more = "profiles: [live, grade]\ntrusted_proxies: [192.0.2.1]\n";
    settings(&inside, &call, more);
    inside.until("the replacement", |status| {
        let now = both();
        let replaced = |index: usize| !now[index].is_empty() && now[index] != before[index];
        status["summary"] == "ready" && replaced(0) && replaced(1)
    });
    // One that does not work: the old one comes back.
    let before = id("mirotalk");
    settings(&inside, &broken, more);
    inside.until("the old one", |status| has(status, "replacement-failed"));
    wait("it to run again", 60, || {
        let format = "{{.Id}} {{.State.Running}}";
        let seen = docker_try(&["inspect", "--format", format, &inside.of("mirotalk")]);
        (text(&seen.stdout).trim() == format!("{before} true")).then_some(())
    });
    settings(&inside, &call, more);
    inside.ready();
    assert_eq!(id("mirotalk"), before);
    // The tag names another image, which is taken up when somebody says so.
    derive(&call, CALL, "ENV SIM_START_DELAY_MS=200\nLABEL moved=yes");
    inside.until("the moved tag", |status| has(status, "image-moved"));
    rig::good(inside.exec(&["apply", "--update-images"]));
    inside.until("the new image", |status| {
        status["summary"] == "ready" && !has(status, "image-moved") && id("mirotalk") != before
    });
    // Its folder is swapped: Traefik still looks at the one that it began with,
    // and is reminded of what it does not take up.
    let dynamic = state(&inside).join("rendered/traefik/dynamic");
    std::fs::rename(&dynamic, dynamic.with_extension("aside")).unwrap();
    rig::good(inside.exec(&["room", "create", "Halcyon"]));
    inside.until("the reminder", |status| {
        has(status, "route-rejected") && proxy.calls().contains("POST /containers/{id}/kill")
    });
    docker(&["restart", "-t", "1", &inside.of("traefik")]);
    inside.ready();
    // What the portal shows of a log.
    let log = control(&inside, "/api/v1/services/traefik/logs?tail=10");
    assert!(!log["items"].as_array().unwrap().is_empty(), "{log}");
    // What happens to containers behind its back.
    docker(&["rm", "-f", &inside.of("mirotalk")]);
    docker(&["pause", &inside.of("traefik")]);
    docker(&["network", "disconnect", name, &inside.of("ovenmediaengine")]);
    wait("all of it mended", 60, || {
        let running = |role: &str| {
            let seen = docker_try(&[
                "inspect",
                "--format",
                &format!(
                    "{{{{.State.Status}}}} {{{{with index .NetworkSettings.Networks \"{name}\"}}}}joined{{{{end}}}}"
                ),
                &inside.of(role),
            ]);
            text(&seen.stdout).trim() == "running joined"
        };
        ["traefik", "ovenmediaengine", "mirotalk"]
            .into_iter()
            .all(running)
            .then_some(())
    });
    inside.ready();
    let state = rig::place(&inside.volume());
    proxy.reached_only(&state, &format!("{name}-acme"));
    rig::good(inside.exec(&["down", "--yes"]));
    for role in ["traefik", "ovenmediaengine", "mirotalk"] {
        assert!(!docker_try(&["inspect", &inside.of(role)]).status.success());
    }
    proxy
}

/// Where its volume is on this host.
fn state(inside: &Inside) -> PathBuf {
    let format = "{{.Mountpoint}}";
    PathBuf::from(docker(&[
        "volume",
        "inspect",
        "--format",
        format,
        &inside.volume(),
    ]))
}

/// What the control socket answers.
fn control(inside: &Inside, path: &str) -> Value {
    let answer = Command::new("curl")
        .args(["-sS", "--max-time", "20", "--unix-socket"])
        .arg(state(inside).join("control.sock"))
        .arg(format!("http://control{path}"))
        .output()
        .unwrap();
    serde_json::from_str(&rig::good(answer)).unwrap()
}

#[test]
fn the_calls_of_a_whole_life_are_those_of_the_list_and_they_are_enough() {
    if std::env::var_os("UPDATE").is_some() {
        let calls = a_life("cst3-calls", 31_100, None).calls();
        let lines: Vec<String> = calls.into_iter().collect();
        std::fs::write(root(LIST), format!("{HEADER}{}\n", lines.join("\n"))).unwrap();
    }
    let list = listed();
    let proxy = a_life("cst3-calls", 31_100, Some(list.clone()));
    assert_eq!(proxy.refused(), BTreeSet::new(), "not on the list");
    let unused: Vec<String> = list.difference(&proxy.calls()).cloned().collect();
    assert_eq!(unused, Vec::<String>::new(), "on the list, and never made");
}

/// What whoever takes over the controller would like to do next.
const OFFENCES: &[&str] = &[
    "POST /containers/any/exec",
    "POST /exec/any/start",
    "POST /containers/any/attach?stream=1&stdin=1",
    "POST /containers/any/update",
    "POST /containers/prune",
    "POST /commit?container=any",
    "GET /containers/any/archive?path=/etc/passwd",
    "HEAD /containers/any/archive?path=/etc/passwd",
    "PUT /containers/any/archive?path=/etc",
    "GET /containers/any/export",
    "GET /containers/any/attach/ws?stdin=1",
    "DELETE /images/any",
    "POST /images/prune",
    "POST /images/load",
    "GET /images/any/get",
    "POST /volumes/prune",
    "POST /networks/prune",
    "POST /build",
    "POST /build/prune",
    "POST /swarm/init",
    "POST /plugins/pull?remote=any",
    "POST /session",
    "GET /info",
    "GET /system/df",
];

/// The status of a request as it comes.
fn ask(socket: &Path, request: &str) -> u16 {
    let mut stream = UnixStream::connect(socket).unwrap();
    let (method, path) = request.split_once(' ').unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: engine\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = text(&answer);
    let status = answer.split(' ').nth(1).unwrap_or_default();
    status.parse().unwrap_or_default()
}

#[test]
fn what_is_not_on_the_list_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let proxy = Proxy::start(&dir.path().join("engine.sock"), Some(listed()));
    // By the proxy: the engine would say that there is none of that name.
    for offence in OFFENCES {
        let (method, path) = offence.split_once(' ').unwrap();
        for path in [path.to_owned(), format!("/v1.41{path}")] {
            let request = format!("{method} {path}");
            assert_eq!(ask(&proxy.socket, &request), 403, "{request}");
        }
    }
    assert_eq!(proxy.calls(), BTreeSet::new(), "none came to the engine");
    assert!(proxy.refused().contains("POST /containers/{id}/exec"));
    // And what is on it passes.
    assert_eq!(ask(&proxy.socket, "GET /v1.41/version"), 200);
    assert_eq!(ask(&proxy.socket, "GET /containers/no-such-one/json"), 404);
}

#[test]
fn requests_are_told_apart_by_what_they_do() {
    for (request, wanted) in [
        ("GET /version HTTP/1.1", "GET /version"),
        (
            "GET /v1.41/containers/json?all=1 HTTP/1.1",
            "GET /containers/json",
        ),
        (
            "GET /containers/a.b/json HTTP/1.1",
            "GET /containers/{id}/json",
        ),
        (
            "POST /containers/a/rename?name=b HTTP/1.1",
            "POST /containers/{id}/rename",
        ),
        ("DELETE /volumes/x HTTP/1.1", "DELETE /volumes/{id}"),
        (
            "GET /images/reg:5000/a/b:1/json HTTP/1.1",
            "GET /images/{name}/json",
        ),
        (
            "POST /images/create?fromImage=x HTTP/1.1",
            "POST /images/create",
        ),
        ("GET /volumes HTTP/1.1", "GET /volumes"),
    ] {
        assert_eq!(pattern(request), wanted);
    }
}

#[test]
fn the_example_allows_exactly_the_list() {
    let text = std::fs::read_to_string(root("examples/hardened/compose.yaml")).unwrap();
    let compose: serde_json::Value =
        serde_json::to_value(serde_yaml::from_str::<serde_yaml::Value>(&text).unwrap()).unwrap();
    let command: Vec<&str> = compose["services"]["engine-proxy"]["command"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|word| word.as_str())
        .collect();
    let methods: BTreeSet<String> = listed()
        .iter()
        .filter_map(|call| Some(call.split_once(' ')?.0.to_owned()))
        .collect();
    for method in &methods {
        let wanted = format!("-allow{method}={}", expression(method));
        assert!(
            command.contains(&wanted.as_str()),
            "in the example:\n      - '{wanted}'"
        );
    }
    let allowed = command.iter().filter(|word| {
        word.starts_with("-allow")
            && !word.starts_with("-allowfrom")
            && !word.starts_with("-allowbind")
    });
    assert_eq!(allowed.count(), methods.len());
    // The expressions mean what they say.
    let matches = |method: &str, path: &str| {
        let mut grep = Command::new("grep");
        grep.args(["-qE", &format!("^{}$", expression(method))]);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("path");
        std::fs::write(&file, path).unwrap();
        grep.arg(&file).status().unwrap().success()
    };
    for (method, path, wanted) in [
        ("GET", "/version", true),
        ("GET", "/v1.41/containers/json", true),
        ("GET", "/images/registry.lan:5000/a/b:1.0/json", true),
        ("GET", "/containers/x/archive", false),
        ("POST", "/containers/x/start", true),
        ("POST", "/containers/x/exec", false),
        ("POST", "/swarm/init", false),
        ("POST", "/build", false),
        ("DELETE", "/images/x", false),
        ("DELETE", "/containers/x", true),
    ] {
        assert_eq!(matches(method, path), wanted, "{method} {path}");
    }
    for offence in OFFENCES {
        let (method, path) = offence.split_once(' ').unwrap();
        let path = path.split('?').next().unwrap();
        // Of a method without an expression none passes.
        let passes = methods.contains(method) && matches(method, path);
        assert!(!passes, "{offence}");
    }
    // Mounts and the devices of volumes may come from the state's volume alone.
    // Older filters read neither `/volumes/create` nor calls without a version.
    let folder = "-allowbindmountfrom=/var/lib/docker/volumes/colourstream";
    assert!(command.contains(&folder));
    assert_eq!(compose["volumes"]["colourstream"]["name"], "colourstream");
    let image = compose["services"]["engine-proxy"]["image"].as_str();
    let version = image.and_then(|image| image.strip_prefix("wollomatic/socket-proxy:1."));
    let minor = version.and_then(|version| version.split('.').next());
    assert!(minor.unwrap().parse::<u32>().unwrap() >= 13, "{image:?}");
}
