//! The stand-ins for MiroTalk held to their contract, over real sockets.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::io::Read;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{Answer, Controller, Http, Socket, get, until};
use serde_json::{Value, json};

struct Call {
    child: Child,
    at: String,
    folder: tempfile::TempDir,
}

/// Starts it as the product does, with these settings in file and environment.
fn start(script: &str, file: &str, env: &[(&str, &str)]) -> Call {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("app/src")).unwrap();
    std::fs::write(folder.path().join("app/src").join(script), "").unwrap();
    std::fs::write(folder.path().join("env"), file).unwrap();
    if script == "server.js" {
        std::fs::write(
            folder.path().join("app/src/config.js"),
            "base.webhook = { url: process.env.WEBHOOK_URL }",
        )
        .unwrap();
    }
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
        .to_string();
    let child = Command::new(env!("CARGO_BIN_EXE_colourstream-sim"))
        .args(["node", "--env-file=env", &format!("app/src/{script}")])
        .current_dir(folder.path())
        .env("SIM_START_DELAY_MS", "50")
        .envs([
            ("SERVER_LISTEN_PORT", port.as_str()),
            ("PORT", port.as_str()),
        ])
        .envs(env.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    Call {
        child,
        at: format!("127.0.0.1:{port}"),
        folder,
    }
}

const GUARDED: &[(&str, &str)] = &[
    ("HOST_PROTECTED", "true"),
    ("HOST_USER_AUTH", "true"),
    ("PRESENTER_JOIN_FIRST", "false"),
    ("API_ALLOW_MEETINGS", "true"),
    ("API_ALLOW_MEETING_END", "true"),
    ("API_ALLOW_JOIN", "false"),
    ("STATS_ENABLED", "false"),
    ("ALLOWED_EMBED_ORIGINS", "https://live.test"),
    ("CORS_ORIGIN", "https://video.test"),
    ("REDIRECT_ENABLED", "true"),
    ("REDIRECT_URL", "https://live.test/left"),
    ("TRUST_PROXY", "true"),
];

impl Call {
    fn sfu(env: &[(&str, &str)]) -> Self {
        let file = "JWT_SECRET=colourstream-contract-test-key-01\nHOST_USERS='viewer:vector-password-0123456789abcdef:viewer:none|host:bb:host:*'\nAPI_KEY_SECRET=key\nAPI_ALLOW_TOKEN=true\n";
        start("Server.js", file, &[GUARDED, env].concat()).ready()
    }

    fn p2p(env: &[(&str, &str)]) -> Self {
        let file = "JWT_KEY=colourstream-contract-test-key-01\nHOST_USERS='[{\"username\":\"viewer\",\"password\":\"vector-password-0123456789abcdef\"},{\"username\":\"host\",\"password\":\"bb\"}]'\nAPI_KEY_SECRET=key\nAPI_DISABLED='[]'\n";
        start("server.js", file, &[GUARDED, env].concat()).ready()
    }

    fn ready(self) -> Self {
        until(|| std::net::TcpStream::connect(&self.at).ok()).unwrap();
        self
    }

    fn page(&self, path: &str) -> Answer {
        get(&self.at, path, "")
    }

    fn api(&self, method: &str, path: &str, body: &str) -> Answer {
        Http::to(&self.at).ask(
            method,
            &format!("/api/v1/{path}"),
            "authorization: key\r\nContent-Type: application/json\r\n",
            body,
        )
    }

    /// A token as the API signs them, which is anything.
    fn token(&self, username: &str, password: &str, presenter: &str) -> String {
        let asked =
            json!({"username": username, "password": password, "presenter": presenter}).to_string();
        self.api("POST", "token", &asked).json()["token"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn socket(&self, headers: &str) -> Socket {
        let mut socket = Socket::open(&self.at, "/socket.io/?EIO=4&transport=websocket", headers)
            .unwrap_or_else(|a| panic!("{a:?}"));
        assert!(socket.next().unwrap().starts_with("0{"));
        socket.send("40");
        assert!(socket.next().unwrap().starts_with("40{"));
        socket
    }

    fn join(&self, room: &str, name: &str, token: &str) -> (Socket, Value) {
        let mut socket = self.socket("");
        socket.emit("createRoom", json!({"room_id": room}));
        let info = json!({"peer_name": name, "peer_uuid": format!("u-{name}"), "peer_token": token, "peer_presenter": true, "peer_audio": true, "peer_video": true});
        let answer = socket.emit("join", json!({"room_id": room, "peer_info": info}));
        (socket, answer)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const VIEWER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJkYXRhIjoiVTJGc2RHVmtYMThBQVFJREJBVUdCeDg3QWhyd2FGcU9NdVlrYnhUdkhNZkl6WG1jdEdWUk9UOVdCam5yb2Z6Z3FtcVlxclRXd28rd2pibVpGVUVwdHp5RytCbVZxbUZwaHdjeWxBbjVQKzB2ZFgxMHoySGlCeXFualFLejBxRCs1L29tR3V1V09STk4vTjFXODUvZFZRPT0iLCJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMH0.ciY_3rP3QwMLbUmJnvECSuj7b1VrMHahg-G8d7Cd3t0";

#[test]
fn the_sfus_gate_answers_as_the_tables_say() {
    let call = Call::sfu(&[]);
    let stats = call.page("/stats");
    assert_eq!(stats.json()["enabled"], false);
    assert_eq!(
        stats.header("content-security-policy").as_deref(),
        Some("frame-ancestors 'self' https://live.test")
    );
    assert_eq!(
        stats.header("x-content-type-options").as_deref(),
        Some("nosniff")
    );
    assert_eq!(
        stats.header("access-control-allow-origin").as_deref(),
        Some("https://video.test")
    );
    let good = call.page(&format!("/join?room=r1&name=x&token={VIEWER}"));
    assert!(good.status == 200 && good.text().contains("/socket.io/socket.io.js"));
    let stranger = call.token("viewer", "wrong", "false");
    let login = call.page(&format!("/join?room=r1&name=x&token={stranger}"));
    assert!(login.status == 200 && !login.text().contains("/socket.io/socket.io.js"));
    let bad = call.page("/join?room=r1&token=garbage");
    assert_eq!(
        (bad.status, bad.text().as_str()),
        (401, r#"{"message":"Invalid Token"}"#)
    );
    assert_eq!(call.page("/login").status, 200);
    let whither = |path: &str| {
        (
            call.page(path).status,
            call.page(path).header("location").unwrap_or_default(),
        )
    };
    assert_eq!(
        whither("/join?room=r2&name=x"),
        (302, "/whoAreYou/r2".into())
    );
    assert_eq!(whither("/join"), (302, "/".into()));
    assert_eq!(whither("/join?room=../x"), (302, "/".into()));
    assert_eq!(whither("/healthz"), (302, "/join/healthz".into()));
    // One presenter at the door loosens the pages for everybody.
    call.page(&format!(
        "/join?room=r1&token={}",
        call.token("host", "bb", "1")
    ));
    assert_eq!(call.page("/join?room=r3&name=x").status, 200);
}

#[test]
fn roles_come_from_the_token_and_tokens_leak() {
    let controller = Controller::new(|_| (200, String::new(), 0));
    let hook = format!("http://{}/x", controller.address);
    let call = Call::sfu(&[("WEBHOOK_ENABLED", "true"), ("WEBHOOK_URL", &hook)]);
    let (_ann, answer) = call.join("room-b", "Ann", VIEWER);
    assert_eq!(answer["id"], "room-b");
    let host = call.token("host", "bb", "true");
    let (mut hosts, _) = call.join("room-b", "Host", &host);
    assert_eq!(call.join("room-b", "Ann", VIEWER).1, "isNameInUse");
    assert_eq!(call.join("room-b", "Nobody", "").1, "unauthorized");
    let (_late, inside) = call.join("room-b", "Late", VIEWER);
    assert!(
        inside["peers"].as_str().unwrap().contains(&host),
        "the leak is part of the contract"
    );
    let meetings = call.api("GET", "meetings", "").json();
    let roles: Vec<_> = meetings["meetings"][0]["peers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["name"].clone(), p["presenter"].clone()))
        .collect();
    assert_eq!(
        roles,
        [
            (json!("Ann"), json!(false)),
            (json!("Host"), json!(true)),
            (json!("Late"), json!(false))
        ]
    );
    assert_eq!(call.api("GET", "stats", "").json()["totalUsers"], 3);
    let events =
        until(|| Some(controller.seen.lock().unwrap().clone()).filter(|s| s.len() >= 5)).unwrap();
    let bare = events
        .iter()
        .find(|(_, e)| e["event"] == "disconnect")
        .unwrap();
    assert!(
        bare.1["data"].get("peer").is_none(),
        "a refused socket tells no peer"
    );
    assert_eq!(events[0].1["data"]["peer_info"]["peer_token"], VIEWER);
    // The API ends the meeting, the socket stays, and can walk back in.
    let ended = call.api(
        "DELETE",
        "meeting/room-b",
        r#"{"redirect":"https://live.test/ended"}"#,
    );
    assert_eq!(
        ended.json(),
        json!({"success": true, "message": "Meeting ended", "room": "room-b"})
    );
    let line = loop {
        let line = hosts.next().unwrap();
        if line.contains("ejectAll") {
            break line;
        }
    };
    assert_eq!(
        serde_json::from_str::<Value>(&line[2..]).unwrap(),
        json!(["cmd", {"type": "ejectAll", "peer_name": "API", "broadcast": true, "redirect": "https://live.test/ended"}])
    );
    assert_eq!(call.api("DELETE", "meeting/room-b", "").status, 404);
    hosts.emit("createRoom", json!({"room_id": "room-b"}));
    assert_eq!(
        hosts.emit(
            "join",
            json!({"room_id": "room-b", "peer_info": {"peer_name": "Host", "peer_token": host}})
        )["id"],
        "room-b"
    );
}

#[test]
fn joins_are_limited_per_address() {
    let call = Call::sfu(&[("CREATE_ROOM_RATE_LIMIT_MAX", "2")]);
    let mut socket = call.socket("X-Forwarded-For: 5.5.5.5\r\n");
    let mut create = |room: &str| socket.emit("createRoom", json!({"room_id": room}));
    assert_eq!(create("a"), json!({"room_id": "a"}));
    assert_eq!(create("a"), json!({"error": "already exists"}));
    assert_eq!(
        create("b")["error"],
        "Too many room creation requests. Please try again after 1 minute."
    );
    let mut other = call.socket("X-Forwarded-For: 6.6.6.6\r\n");
    assert_eq!(
        other.emit("createRoom", json!({"room_id": "../x"})),
        json!({"error": "invalid room name"})
    );
    assert_eq!(
        other.emit("join", json!({"room_id": "b", "peer_info": {}}))["error"],
        "Room does not exist"
    );
}

#[test]
fn the_first_in_a_p2p_room_is_host_on_any_token() {
    let controller = Controller::new(|_| (200, String::new(), 0));
    let hook = format!("http://{}/x", controller.address);
    let call = Call::p2p(&[("WEBHOOK_URL", &hook)]);
    assert_eq!(
        call.page("/join?room=r&name=x").text(),
        r#"{"message":"Direct Room Join Unauthorized"}"#
    );
    let join = |name: &str, token: &str| {
        let mut socket = call.socket("");
        socket.send(&format!("42{}", json!(["join", {"channel": "pr1", "peer_name": name, "peer_uuid": name, "peer_token": token, "peer_video": true}])));
        let answer: Value = serde_json::from_str(&socket.next().unwrap()[2..]).unwrap();
        (socket, answer)
    };
    assert_eq!(join("Nobody", "").1[0], "unauthorized");
    let (ann, answer) = join("Ann", VIEWER);
    assert_eq!(
        (answer[0].as_str(), answer[1]["is_presenter"].as_bool()),
        (Some("serverInfo"), Some(true))
    );
    let (_host, _) = join("Host", &call.token("host", "bb", "true"));
    assert_eq!(
        call.api("GET", "meetings", "").json()["meetings"]["pr1"]
            .as_object()
            .unwrap()
            .len(),
        2
    );
    let page = call.api("DELETE", "meeting/pr1", "");
    assert!(
        page.status == 200 && page.text().contains("<html>"),
        "P2P ends nothing, with a 200"
    );
    drop(ann);
    let events =
        until(|| Some(controller.seen.lock().unwrap().clone()).filter(|s| s.len() >= 3)).unwrap();
    let gone = &events[2].1;
    assert_eq!(
        (gone["event"].as_str(), gone["data"]["peer"].as_str()),
        (Some("disconnect"), Some("pr1"))
    );
}

#[test]
fn the_api_wants_the_raw_key_and_only_sockets_speak_socket_io() {
    let call = Call::sfu(&[]);
    let unkeyed = get(&call.at, "/api/v1/stats", "authorization: Bearer key\r\n");
    assert_eq!(
        (unkeyed.status, unkeyed.text().as_str()),
        (403, r#"{"error":"Unauthorized!"}"#)
    );
    assert!(
        call.api("POST", "join", "{}")
            .text()
            .contains("This endpoint has been disabled.")
    );
    assert_eq!(call.page("/socket.io/?EIO=4&transport=polling").status, 400);
}

#[test]
fn starts_and_stops_have_the_contracts_exit_codes() {
    let mut lost = start("Server.js", "", &[]);
    std::fs::remove_file(lost.folder.path().join("env")).ok();
    // The file may have been read already: ask again, surely without it.
    let _ = lost.child.kill();
    let out = Command::new(env!("CARGO_BIN_EXE_colourstream-sim"))
        .args(["node", "--env-file=/nowhere/.env", "app/src/Server.js"])
        .output()
        .unwrap();
    assert_eq!(
        (
            out.status.code(),
            String::from_utf8_lossy(&out.stderr).trim()
        ),
        (Some(9), "node: /nowhere/.env: not found")
    );
    let mut call = Call::sfu(&[]);
    Command::new("kill")
        .arg(call.child.id().to_string())
        .status()
        .unwrap();
    assert_eq!(
        until(|| call.child.try_wait().unwrap()).unwrap().code(),
        Some(0)
    );
    let mut printed = String::new();
    call.child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut printed)
        .unwrap();
    assert!(
        printed.contains("colourstream-contract-test-key-01")
            && printed.contains("vector-password"),
        "secrets are printed, as by the real one"
    );
    let mut dying = start("Server.js", "", &[("SIM_FAULT", "die-after:50")]);
    assert_eq!(
        until(|| dying.child.try_wait().unwrap()).unwrap().code(),
        Some(1)
    );
    std::thread::sleep(Duration::from_millis(1));
}

#[test]
fn an_empty_file_starts_open_on_known_secrets() {
    let call = start("Server.js", "", &[]).ready();
    assert_eq!(call.page("/join?room=r&name=x").status, 200);
    assert_eq!(call.page("/login").status, 302);
    assert_eq!(call.api("GET", "stats", "").status, 403);
    assert_eq!(
        start("server.js", "", &[])
            .ready()
            .page("/join?room=r&name=x")
            .status,
        200
    );
}
