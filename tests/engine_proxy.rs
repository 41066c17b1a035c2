//! The calls the controller makes of the engine: written down, kept as a list,
//! and shown to be enough by a proxy that refuses everything else.
#![expect(clippy::unwrap_used, reason = "a test")]

mod rig;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use colourstream::engine::{DockerEngine, Engine as _, EngineCall};
use futures_util::StreamExt as _;
use rig::inside::Inside;
use rig::proxy::{Proxy, pattern};
use rig::{docker, docker_try, text, wait};

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

const LIST: &str = "examples/hardened/engine-calls.txt";
const HEADER: &str = "\
# Every call the controller makes of the engine's API, by method and path; an
# API version may stand in front. Kept by tests/engine_proxy.rs, which writes the
# calls down: `UPDATE=1 cargo test --test engine_proxy` writes this anew.
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

/// Takes a controller through its life. `through` is the proxy in between.
fn a_life(name: &str, base: u16, allowed: Option<BTreeSet<String>>) -> Proxy {
    let mut inside = Inside::new(name, base);
    let socket = inside.dir.path().join("engine.sock");
    let proxy = Proxy::start(&socket, allowed);
    inside.socket = socket;
    // An image of its own, which has to be pulled, from nowhere.
    inside.settings("images: {mirotalk: '127.0.0.1:9/mirotalk/sfu:2.3.77'}\n");
    inside.run();
    inside.until("a pull that fails", |status| {
        status["issues"]
            .as_array()
            .is_some_and(|all| all.iter().any(|issue| issue["code"] == "image-missing"))
    });
    inside.settings("");
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
    inside.settings("profiles: [live, grade]\ntrusted_proxies: [192.0.2.1]\n");
    inside.until("the replacement", |status| {
        let now = both();
        let replaced = |index: usize| !now[index].is_empty() && now[index] != before[index];
        status["summary"] == "ready" && replaced(0) && replaced(1)
    });
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
    seldom(&proxy.socket, &inside);
    rig::good(inside.exec(&["down", "--yes"]));
    for role in ["traefik", "ovenmediaengine", "mirotalk"] {
        assert!(!docker_try(&["inspect", &inside.of(role)]).status.success());
    }
    proxy
}

/// What happens only when something is slow or on a person's word, called
/// directly: a reminder of Traefik, the portal's view of a log, `down --volumes`.
fn seldom(socket: &Path, inside: &Inside) {
    let settings = format!("engine: unix://{}\n", socket.display());
    let settings = colourstream::settings::parse(&settings, "x").unwrap();
    let engine = DockerEngine::new(&settings.engine).unwrap();
    let perform = |call| async { engine.perform(call).await.unwrap() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let id = inside.of("traefik");
        let lines = engine.logs(&id, 10, false).collect::<Vec<_>>().await;
        assert!(lines.first().unwrap().is_ok());
        perform(EngineCall::SignalContainer {
            id,
            signal: "SIGHUP".into(),
        })
        .await;
        let name = format!("{}-spare", inside.name);
        docker(&["volume", "create", &name]);
        perform(EngineCall::RemoveVolume { name }).await;
    });
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

#[test]
fn what_is_not_on_the_list_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let proxy = Proxy::start(&dir.path().join("engine.sock"), Some(listed()));
    let ask = |arguments: &[&str]| {
        Command::new("docker")
            .env("DOCKER_HOST", format!("unix://{}", proxy.socket.display()))
            .args(arguments)
            .output()
            .unwrap()
    };
    // What the docker client itself begins with is not on the list either.
    for arguments in [
        &["exec", "any", "sh"][..],
        &["cp", "any:/etc/passwd", "-"],
        &["rmi", "any"],
        &["swarm", "init"],
        &["system", "prune", "-f"],
    ] {
        let said = ask(arguments);
        assert!(!said.status.success(), "{arguments:?}");
    }
    let refused = proxy.refused();
    for call in [
        "POST /containers/{id}/exec",
        "DELETE /images/any",
        "POST /swarm/init",
    ] {
        assert!(!listed().contains(call), "{call}");
    }
    assert!(refused.contains("POST /swarm/init"), "{refused:?}");
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
}
