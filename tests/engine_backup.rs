//! A stack that is backed up, wiped and restored, upgraded in the middle of a
//! review, found with a damaged database, and left: on a real engine, with the
//! real Traefik and the stand-ins.
#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use common::{Stack, docker, is_ready, issue, try_docker};
use rusqlite::Connection;
use serde_json::{Value, json};

const INSTALL: u64 = 90;
const HEAL: u64 = 60;

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// A call through Traefik as a browser makes it: status, body, cookie.
fn browse(
    stack: &Stack,
    host: &str,
    path: &str,
    cookie: &str,
    body: Option<&Value>,
) -> (String, String, String) {
    let port = stack.port(1);
    let mut command = Command::new("curl");
    command
        .args([
            "-sSk",
            "--noproxy",
            "*",
            "-m",
            "15",
            "-D",
            "-",
            "-w",
            "\n%{http_code}",
        ])
        .args(["--resolve", &format!("{host}:{port}:127.0.0.1")])
        .args(["-H", &format!("Origin: https://{host}:{port}")])
        .args(["-H", &format!("Cookie: {cookie}")]);
    if let Some(body) = body {
        command.args([
            "-H",
            "Content-Type: application/json",
            "-d",
            &body.to_string(),
        ]);
    }
    let output = command
        .arg(format!("https://{host}:{port}{path}"))
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let (rest, code) = out.rsplit_once('\n').unwrap_or_default();
    let (head, body) = rest.split_once("\r\n\r\n").unwrap_or_default();
    let set = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
        .map(|(_, value)| value.split(';').next().unwrap_or_default().to_owned());
    (code.to_owned(), body.to_owned(), set.unwrap_or_default())
}

/// Somebody with a link into the room, inside.
struct Visitor {
    slug: String,
    token: String,
    cookie: String,
    key: String,
}

impl Visitor {
    fn come(stack: &Stack) -> Self {
        let (status, made) = stack
            .api("POST", "/api/v1/rooms", &json!({"title": "Northlight"}))
            .unwrap();
        assert_eq!(status, 201, "{made}");
        let id = text(&made["room"]["id"]).to_owned();
        let (status, link) = stack
            .api(
                "POST",
                &format!("/api/v1/rooms/{id}/links"),
                &json!({"name": "Maya", "role": "viewer"}),
            )
            .unwrap();
        assert_eq!(status, 201, "{link}");
        let token = text(&link["url"]).split_once("/j#").unwrap().1.to_owned();
        let key = text(&stack.get(&format!("/api/v1/rooms/{id}/ingest"))["key"]).to_owned();
        let mut visitor = Self {
            slug: text(&made["room"]["slug"]).to_owned(),
            token,
            cookie: String::new(),
            key,
        };
        visitor.cookie = visitor.enter(stack);
        visitor
    }

    /// Opens the link in a new browser; answers its cookie.
    fn enter(&self, stack: &Stack) -> String {
        for _ in 0..50 {
            let order = json!({"token": self.token});
            let (code, body, cookie) = browse(
                stack,
                &stack.live(),
                "/api/v1/session/link",
                "",
                Some(&order),
            );
            if code == "200" {
                assert!(body.contains(&self.slug), "{body}");
                return cookie;
            }
            assert!(code != "404" || !body.contains("link-unknown"), "{body}");
            pause(200);
        }
        String::new()
    }

    /// What the room says to the browser of then.
    fn is_in(&self, stack: &Stack) -> (String, String) {
        let path = format!("/api/v1/session/{}", self.slug);
        let (code, body, _) = browse(stack, &stack.live(), &path, &self.cookie, None);
        (code, body)
    }
}

/// The stand-in's control port.
fn ome(stack: &Stack, order: &str, body: Option<&Value>) -> Value {
    let mut command = Command::new("curl");
    command.args(["-sS", "--noproxy", "*", "-m", "10"]);
    if let Some(body) = body {
        command.args(["-d", &body.to_string()]);
    }
    let output = command
        .arg(format!(
            "http://{}:9998/{order}",
            stack.address("ovenmediaengine")
        ))
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

fn publish(stack: &Stack, key: &str) -> String {
    let order = json!({"url": format!("rtmp://{}/live/{key}", stack.live()), "protocol": "rtmp"});
    text(&ome(stack, "publish", Some(&order))["result"]).to_owned()
}

/// Which stream, of which client: the same means never interrupted.
fn publishers(stack: &Stack) -> Vec<(Value, Value)> {
    let sessions = ome(stack, "sessions", None);
    let of = |one: &Value| (one["stream"].clone(), one["client"].clone());
    sessions["publishers"]
        .as_array()
        .unwrap()
        .iter()
        .map(of)
        .collect()
}

/// Every rendered file with its content.
fn rendered(stack: &Stack) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![stack.rendered("")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                found.insert(entry.path(), std::fs::read(entry.path()).unwrap());
            }
        }
    }
    found
}

fn database(stack: &Stack) -> PathBuf {
    stack.state().join("colourstream.db")
}

#[test]
fn backed_up_wiped_and_restored_the_same_links_work() {
    let mut stack = Stack::new("backup", 20_700);
    stack.serve();
    stack.until("the first install", INSTALL, is_ready);
    let visitor = Visitor::come(&stack);
    assert_eq!(visitor.is_in(&stack).0, "200");
    assert_eq!(publish(&stack, &visitor.key), "accepted");
    let addresses = stack.status().unwrap()["addresses"].clone();
    let authority = std::fs::read(stack.state().join("tls/authority.pem")).unwrap();
    let secrets = std::fs::read(stack.state().join("secrets.json")).unwrap();

    let word = stack.dir.path().join("passphrase");
    std::fs::write(&word, "correct horse battery\n").unwrap();
    let file = stack.dir.path().join("moved.backup");
    let (file, word) = (file.to_str().unwrap(), word.to_str().unwrap());
    let made = stack.run(&["backup", file, "--passphrase-file", word]);
    assert_eq!(made.code, 0, "{}{}", made.out, made.err);

    // Everything goes: containers, network, volume, state.
    assert_eq!(stack.stop(), 0);
    let down = stack.run(&["down", "--volumes", "--yes"]);
    assert_eq!(down.code, 0, "{}{}", down.out, down.err);
    assert!(
        down.out.contains("every room, link, key and certificate"),
        "{}",
        down.out
    );
    assert!(!stack.state().exists());

    let restored = stack.run(&["restore", file, "--passphrase-file", word, "--yes"]);
    assert_eq!(restored.code, 0, "{}{}", restored.out, restored.err);
    stack.serve();
    stack.well("from the backup alone", INSTALL);
    assert_eq!(stack.status().unwrap()["addresses"], addresses);
    assert_eq!(
        std::fs::read(stack.state().join("secrets.json")).unwrap(),
        secrets
    );
    assert_eq!(
        std::fs::read(stack.state().join("tls/authority.pem")).unwrap(),
        authority,
        "browsers go on trusting it"
    );
    let (code, body) = visitor.is_in(&stack);
    assert_eq!(code, "200", "the cookie of then: {body}");
    assert!(!visitor.enter(&stack).is_empty(), "the link of then");
    assert_eq!(publish(&stack, "wrong"), "denied");
    assert_eq!(publish(&stack, &visitor.key), "accepted", "the key of then");
    stack.only_three();
}

#[test]
fn upgraded_in_the_middle_of_a_review() {
    let mut stack = Stack::new("upgrade", 20_800);
    stack.serve();
    stack.until("the first install", INSTALL, is_ready);
    stack.well("the first install", HEAL);
    let visitor = Visitor::come(&stack);
    assert_eq!(publish(&stack, &visitor.key), "accepted");
    stack.until("the stream", HEAL, |status| status["live"]["streams"] == 1);
    stack.well("with a stream", HEAL);
    let (runs, sessions) = (stack.runs(), publishers(&stack));
    assert_eq!(sessions.len(), 1);

    // The state as a controller of the first schema left it: killed.
    stack.kill();
    let db = Connection::open(database(&stack)).unwrap();
    db.execute_batch("DROP TABLE backups; PRAGMA user_version = 1; UPDATE meta SET value = '0.0.9' WHERE key IN ('schema_by', 'controller'); PRAGMA wal_checkpoint(TRUNCATE);").unwrap();
    // Kept open for a moment: the log stays, as a killed controller leaves it.
    stack.serve();
    stack.until("the new one", HEAL, is_ready);
    drop(db);
    stack.well("the new one", HEAL);
    let status = stack.until("the stream goes on", HEAL, |status| {
        status["live"]["streams"] == 1
    });
    assert_eq!(stack.runs(), runs, "no container was touched");
    assert_eq!(
        publishers(&stack),
        sessions,
        "the same session of the same client"
    );
    assert_eq!(visitor.is_in(&stack).0, "200", "the viewer stays");
    assert!(
        text(&status["backup"]["last"]["path"]).contains("before-upgrade"),
        "{status}"
    );
    let plan = stack.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(plan.code, 0, "{}", plan.out);
    // The old one, come back by mistake, would be told; so are we by a newer.
    assert_eq!(stack.stop(), 0);
    let db = Connection::open(database(&stack)).unwrap();
    db.execute_batch(
        "PRAGMA user_version = 3; UPDATE meta SET value = '9.9.9' WHERE key = 'schema_by';",
    )
    .unwrap();
    drop(db);
    let before = std::fs::read(database(&stack)).unwrap();
    stack.serve();
    let status = stack.until("it is told", HEAL, |status| {
        issue(status, "database-newer").is_some()
    });
    let told = issue(&status, "database-newer").unwrap();
    assert!(
        text(&told["why"]).contains("written by ColourStream 9.9.9"),
        "{told}"
    );
    assert!(
        text(&told["fix"]).contains("before-upgrade"),
        "the one it can read: {told}"
    );
    assert_eq!(std::fs::read(database(&stack)).unwrap(), before);
    assert_eq!(stack.runs(), runs);
    assert_eq!(publishers(&stack), sessions);
    assert_eq!(stack.stop(), 0, "it ends in order");
}

#[test]
fn a_damaged_database_leaves_the_review_alone() {
    let mut stack = Stack::new("damaged", 20_900);
    stack.serve();
    stack.until("the first install", INSTALL, is_ready);
    let visitor = Visitor::come(&stack);
    assert_eq!(publish(&stack, &visitor.key), "accepted");
    let folder = stack.state().join("backups");
    std::fs::create_dir_all(&folder).unwrap();
    let kept = folder.join(format!("{}-20260101T000000Z-daily.backup", stack.name));
    let made = stack.run(&["backup", kept.to_str().unwrap()]);
    assert_eq!(made.code, 0, "{}", made.err);
    stack.until("the stream", HEAL, |status| status["live"]["streams"] == 1);
    stack.well("with a stream", HEAL);
    let (runs, sessions, files) = (stack.runs(), publishers(&stack), rendered(&stack));
    assert_eq!(stack.stop(), 0);
    let mut bytes = std::fs::read(database(&stack)).unwrap();
    let at = bytes.len() / 2;
    bytes[at..at + 4096].fill(0xA5);
    std::fs::write(database(&stack), &bytes).unwrap();

    stack.serve();
    let status = stack.until("it is told", HEAL, |status| {
        issue(status, "database-damaged").is_some()
    });
    let told = issue(&status, "database-damaged").unwrap();
    assert!(
        text(&told["fix"]).contains(kept.to_str().unwrap()),
        "{told}"
    );
    // Pages through Traefik: the routes stayed, and we are where they lead.
    let mut page = Default::default();
    for _ in 0..100 {
        page = browse(&stack, &stack.live(), "/", "", None);
        if page.0 == "503" {
            break;
        }
        pause(200);
    }
    assert_eq!(page.0, "503", "{}", page.1);
    assert!(page.1.contains("being looked after"), "{}", page.1);
    let admin = format!("admin.{}", stack.live());
    let (code, words, _) = browse(&stack, &admin, "/", "", None);
    assert!(
        code == "503" && words.contains("database-damaged"),
        "{code} {words}"
    );
    pause(8_000);
    assert_eq!(stack.runs(), runs, "no container was touched");
    assert_eq!(rendered(&stack), files, "nor any file");
    assert_eq!(publishers(&stack), sessions, "the review goes on");
    assert_eq!(
        publish(&stack, &visitor.key),
        "denied",
        "nobody new is let in"
    );
    assert_eq!(std::fs::read(database(&stack)).unwrap(), bytes);

    let restored = stack.run(&["restore", kept.to_str().unwrap(), "--yes"]);
    assert_eq!(restored.code, 0, "{}{}", restored.out, restored.err);
    stack.until("it goes on by itself", HEAL, is_ready);
    stack.well("restored", HEAL);
    assert_eq!(stack.runs(), runs, "no container was touched");
    assert_eq!(publishers(&stack), sessions);
    // The listeners change hands.
    stack.until("the visitor is in", 10, |_| {
        visitor.is_in(&stack).0 == "200"
    });
}

/// Emptied, and taken away beside a state folder that has keys: never a new one
/// in its place, which would lock everybody out.
#[test]
fn a_database_emptied_or_gone_is_damaged_and_the_review_goes_on() {
    let mut stack = Stack::new("emptied", 21_300);
    stack.serve();
    stack.until("the first install", INSTALL, is_ready);
    let visitor = Visitor::come(&stack);
    assert_eq!(publish(&stack, &visitor.key), "accepted");
    let folder = stack.state().join("backups");
    std::fs::create_dir_all(&folder).unwrap();
    let kept = folder.join(format!("{}-20260101T000000Z-daily.backup", stack.name));
    let kept = kept.to_str().unwrap();
    let made = stack.run(&["backup", kept]);
    assert_eq!(made.code, 0, "{}", made.err);
    stack.until("the stream", HEAL, |status| status["live"]["streams"] == 1);
    stack.well("with a stream", HEAL);
    let (runs, sessions, files) = (stack.runs(), publishers(&stack), rendered(&stack));
    let secrets = std::fs::read(stack.state().join("secrets.json")).unwrap();
    for left in [Some(Vec::new()), None] {
        assert_eq!(stack.stop(), 0);
        match &left {
            Some(bytes) => std::fs::write(database(&stack), bytes).unwrap(),
            None => std::fs::remove_file(database(&stack)).unwrap(),
        }
        stack.serve();
        let status = stack.until("it is told", HEAL, |status| {
            issue(status, "database-damaged").is_some()
        });
        let told = issue(&status, "database-damaged").unwrap();
        assert!(text(&told["why"]).contains("gone or empty"), "{told}");
        assert!(text(&told["fix"]).contains(kept), "the last good: {told}");
        // Longer than a sweep.
        pause(4_000);
        assert_eq!(std::fs::read(database(&stack)).ok(), left, "none made anew");
        assert_eq!(stack.runs(), runs, "no container was touched");
        assert_eq!(rendered(&stack), files, "nor any file");
        assert_eq!(publishers(&stack), sessions, "the review goes on");
        assert_eq!(publish(&stack, &visitor.key), "denied", "nobody new");

        let restored = stack.run(&["restore", kept, "--yes"]);
        assert_eq!(restored.code, 0, "{}{}", restored.out, restored.err);
        stack.well("restored", HEAL);
        assert_eq!(stack.runs(), runs, "no container was touched");
        assert_eq!(publishers(&stack), sessions);
        let now = std::fs::read(stack.state().join("secrets.json")).unwrap();
        assert_eq!(now, secrets);
        stack.until("the visitor is in", 10, |_| {
            visitor.is_in(&stack).0 == "200"
        });
    }
}

#[test]
fn two_controllers_and_one_that_was_stopped_double_nothing() {
    let mut stack = Stack::new("two", 21_000);
    stack.serve();
    stack.until("the first install", INSTALL, is_ready);
    stack.well("the first install", HEAL);
    let runs = stack.runs();
    let second = || {
        let second = stack.run(&["serve"]);
        assert_eq!(second.code, 1, "{}", second.out);
        assert!(
            second.err.contains("in use by controller"),
            "{}",
            second.err
        );
    };
    second();
    assert_eq!(stack.runs(), runs);
    // Stopped for longer than any plan is good for; meanwhile the world moves.
    stack.while_it_sleeps(|| {
        second();
        docker(&["rm", "-f", &stack.of("mirotalk")]);
        let plan = stack.run(&["plan", "--detailed-exitcode"]);
        assert_eq!(plan.code, 2, "{}{}", plan.out, plan.err);
        pause(17_000);
        second();
    });
    stack.well("resumed", HEAL);
    stack.only_three();
    let after = stack.runs();
    assert_eq!(
        (&after["traefik"], &after["ovenmediaengine"]),
        (&runs["traefik"], &runs["ovenmediaengine"])
    );
    assert_ne!(after["mirotalk"], runs["mirotalk"]);
}

/// Everything there is, by name.
fn inventory() -> BTreeMap<&'static str, Vec<String>> {
    [
        ("containers", vec!["ps", "-a", "--format", "{{.Names}}"]),
        ("networks", vec!["network", "ls", "--format", "{{.Name}}"]),
        ("volumes", vec!["volume", "ls", "--format", "{{.Name}}"]),
        (
            "images",
            vec![
                "images",
                "-a",
                "--no-trunc",
                "--format",
                "{{.Repository}}:{{.Tag}} {{.ID}}",
            ],
        ),
    ]
    .into_iter()
    .map(|(kind, arguments)| {
        let mut names: Vec<String> = docker(&arguments).lines().map(str::to_owned).collect();
        names.sort();
        (kind, names)
    })
    .collect()
}

#[test]
fn down_leaves_the_engine_as_it_was_found() {
    let mut stack = Stack::new("leaving", 21_100);
    let neighbour = format!("{}-neighbour", stack.name);
    docker(&["volume", "create", &neighbour]);
    let before = inventory();
    stack.serve();
    stack.until("the first install", INSTALL, is_ready);
    assert_ne!(inventory(), before);
    // A controller runs: it may not be robbed of its state.
    let refused = stack.run(&["down", "--volumes", "--yes"]);
    assert_eq!(refused.code, 1, "{}", refused.out);
    assert!(refused.err.contains("stop it first"), "{}", refused.err);
    stack.stop();
    // What somebody else has in the folder, and a backup of ours.
    std::fs::write(stack.state().join("notes.txt"), "mine").unwrap();
    let backups = stack.state().join("backups");
    std::fs::create_dir_all(&backups).unwrap();
    let kept = backups.join("cst1-leaving-20260101T000000Z-daily.backup");
    let made = stack.run(&["backup", kept.to_str().unwrap()]);
    assert_eq!(made.code, 0, "{}", made.err);
    let asked = stack.run(&["down", "--volumes"]);
    assert_eq!(asked.code, 1);
    assert!(
        asked.out.contains("there, too; copy what you want to keep"),
        "{}",
        asked.out
    );
    assert!(
        asked
            .out
            .contains("with every room, link, key and certificate in it"),
        "{}",
        asked.out
    );
    assert!(stack.state().exists());
    let down = stack.run(&["down", "--volumes", "--yes"]);
    assert_eq!(down.code, 0, "{}{}", down.out, down.err);
    assert_eq!(inventory(), before);
    assert!(
        down.out.contains("notes.txt is not ColourStream's"),
        "{}",
        down.out
    );
    let left: Vec<_> = std::fs::read_dir(stack.state()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(
        try_docker(&["volume", "rm", &neighbour]).code,
        0,
        "it was left"
    );
}

/// Certificates by ACME: the volume that leads to them goes, they stay.
#[test]
fn down_without_volumes_leaves_the_engine_as_it_was_found_too() {
    let mut stack = Stack::new("acme-down", 21_140);
    let text = std::fs::read_to_string(stack.config()).unwrap();
    let acme =
        "tls: {mode: acme, email: ops@example.com, ca_server: 'https://127.0.0.1:9/directory'}";
    std::fs::write(stack.config(), text.replace("tls: local-ca", acme)).unwrap();
    let before = inventory();
    stack.serve();
    stack.until("the three of them", INSTALL, |status| {
        let services = status["services"].as_array().unwrap();
        services.len() == 3 && services.iter().all(|one| one["health"] == "healthy")
    });
    let volume = format!("{}-acme", stack.name);
    assert!(inventory()["volumes"].contains(&volume));
    stack.stop();
    let down = stack.run(&["down", "--yes"]);
    assert_eq!(down.code, 0, "{}{}", down.out, down.err);
    assert!(
        down.out.contains(&format!("remove volume {volume}")),
        "{}",
        down.out
    );
    assert_eq!(inventory(), before);
    assert!(stack.state().join("traefik/acme").is_dir());
    assert!(stack.state().join("secrets.json").exists());
}

#[test]
fn leaving_needs_no_database_that_can_be_read() {
    let mut stack = Stack::new("leave-damaged", 21_180);
    let before = inventory();
    stack.serve();
    stack.until("the first install", INSTALL, is_ready);
    stack.stop();
    let mut bytes = std::fs::read(database(&stack)).unwrap();
    let at = bytes.len() / 2;
    bytes[at..at + 4096].fill(0xA5);
    std::fs::write(database(&stack), &bytes).unwrap();
    // Beside a controller that only keeps the pages up.
    stack.serve();
    stack.until("it is told", HEAL, |status| {
        issue(status, "database-damaged").is_some()
    });
    let down = stack.run(&["down", "--yes"]);
    assert_eq!(down.code, 0, "{}{}", down.out, down.err);
    assert_eq!(inventory(), before);
    assert_eq!(std::fs::read(database(&stack)).unwrap(), bytes);
    stack.stop();
    // And of a newer one without any, with all that is kept.
    std::fs::remove_file(database(&stack)).unwrap();
    Connection::open(database(&stack))
        .unwrap()
        .execute_batch("PRAGMA user_version = 9999; CREATE TABLE theirs (a);")
        .unwrap();
    let down = stack.run(&["down", "--volumes", "--yes"]);
    assert_eq!(down.code, 0, "{}{}", down.out, down.err);
    assert!(down.out.contains("known by their names"), "{}", down.out);
    assert!(!stack.state().exists());
}

/// The wrong folder is mounted, or its disk is not.
#[test]
fn an_empty_state_beside_services_that_run_is_told_and_they_are_left_alone() {
    let mut stack = Stack::new("empty-state", 21_220);
    stack.serve();
    stack.until("the first install", INSTALL, is_ready);
    let visitor = Visitor::come(&stack);
    assert_eq!(publish(&stack, &visitor.key), "accepted");
    let (runs, sessions) = (stack.runs(), publishers(&stack));
    stack.stop();
    let away = stack.dir.path().join("away");
    std::fs::rename(stack.state(), &away).unwrap();
    stack.serve();
    let is_told = |status: &Value| issue(status, "state-empty").is_some();
    let status = stack.until("it is told", HEAL, is_told);
    let told = issue(&status, "state-empty").unwrap();
    assert!(text(&told["why"]).contains(&stack.of("mirotalk")), "{told}");
    assert!(text(&told["fix"]).contains("colourstream down"), "{told}");
    pause(7_000);
    assert!(!stack.state().join("secrets.json").exists());
    assert!(!database(&stack).exists());
    assert_eq!(stack.runs(), runs);
    assert_eq!(publishers(&stack), sessions, "the stream goes on");
    assert_eq!(publish(&stack, &visitor.key), "denied", "nobody new");
    for command in [["plan"], ["apply"]] {
        let said = stack.run(&command);
        assert_ne!(said.code, 0, "{command:?}: {}", said.out);
    }
    stack.stop();
    let said = stack.run(&["apply"]);
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.err.contains("state folder is empty"), "{}", said.err);
    let said = stack.run(&["admin", "add", "dora"]);
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.err.contains("state folder is empty"), "{}", said.err);
    assert!(!database(&stack).exists());
    let said = stack.run(&["doctor"]);
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(
        said.out.contains("the state folder is empty"),
        "{}",
        said.out
    );
    assert_eq!(stack.runs(), runs);

    // The right one again: as if nothing had been.
    std::fs::remove_dir_all(stack.state()).unwrap();
    std::fs::rename(&away, stack.state()).unwrap();
    stack.serve();
    stack.well("the right folder", HEAL);
    assert_eq!(stack.runs(), runs);
    // The listeners change hands.
    stack.until("the visitor is in", 10, |_| {
        visitor.is_in(&stack).0 == "200"
    });

    // Or they are taken away, and it begins anew by itself.
    stack.stop();
    std::fs::remove_dir_all(stack.state()).unwrap();
    stack.serve();
    stack.until("it is told", HEAL, is_told);
    let down = stack.run(&["down", "--yes"]);
    assert_eq!(down.code, 0, "{}{}", down.out, down.err);
    stack.well("anew", INSTALL);
    assert_ne!(stack.runs(), runs);
}

/// The wrong folder is mounted, and the engine is away when it begins: nobody
/// can see that. It takes over nothing once they can.
#[test]
fn a_state_begun_while_the_engine_was_away_leaves_services_alone() {
    let mut stack = Stack::on("unseen-state", 21_260, |dir| {
        format!("unix://{}/engine.sock", dir.display())
    });
    let socket = stack.dir.path().join("engine.sock");
    let engine = common::engine_address();
    let engine = engine.trim_start_matches("unix://").to_owned();
    let come = || std::os::unix::fs::symlink(&engine, &socket).unwrap();
    come();
    stack.serve();
    stack.until("the first install", INSTALL, is_ready);
    let visitor = Visitor::come(&stack);
    assert_eq!(publish(&stack, &visitor.key), "accepted");
    let kept = stack.dir.path().join("kept.backup");
    let made = stack.run(&["backup", kept.to_str().unwrap()]);
    assert_eq!(made.code, 0, "{}{}", made.out, made.err);
    let (runs, sessions) = (stack.runs(), publishers(&stack));
    stack.stop();
    let away = stack.dir.path().join("away");
    let is_told = |status: &Value| issue(status, "state-empty").is_some();
    let is_away = |status: &Value| issue(status, "engine-away").is_some();

    for right_folder in [true, false] {
        std::fs::rename(stack.state(), &away).unwrap();
        std::fs::remove_file(&socket).unwrap();
        stack.serve();
        stack.until("the engine is away", HEAL, is_away);
        assert!(stack.state().join("unseen").exists());
        come();
        let status = stack.until("it is told", HEAL, is_told);
        let told = issue(&status, "state-empty").unwrap();
        assert!(text(&told["why"]).contains(&stack.of("mirotalk")), "{told}");
        pause(3_000);
        assert_eq!(stack.runs(), runs);
        assert_eq!(publishers(&stack), sessions, "the stream goes on");
        // Another start knows it as well; so do those who look.
        stack.stop();
        stack.serve();
        stack.until("it is told again", HEAL, is_told);
        let doctor = stack.run(&["doctor"]);
        assert!(doctor.out.contains("ran before it"), "{}", doctor.out);
        assert_eq!(stack.runs(), runs);
        if right_folder {
            // The right folder again: as if nothing had been.
            stack.stop();
            std::fs::remove_dir_all(stack.state()).unwrap();
            std::fs::rename(&away, stack.state()).unwrap();
            stack.serve();
            stack.well("the right folder", HEAL);
            assert_eq!(stack.runs(), runs);
            // The listeners change hands.
            stack.until("the visitor is in", 10, |_| {
                visitor.is_in(&stack).0 == "200"
            });
            stack.stop();
        }
    }
    // What is restored is what runs, so nothing is begun anew.
    let restored = stack.run(&["restore", kept.to_str().unwrap(), "--yes"]);
    assert_eq!(restored.code, 0, "{}{}", restored.out, restored.err);
    stack.well("restored", HEAL);
    assert!(!stack.state().join("unseen").exists());
    // The listeners change hands.
    stack.until("the visitor is in", 10, |_| {
        visitor.is_in(&stack).0 == "200"
    });

    // Or they are taken away, and it begins by itself.
    stack.stop();
    std::fs::remove_dir_all(stack.state()).unwrap();
    std::fs::remove_file(&socket).unwrap();
    stack.serve();
    stack.until("the engine is away", HEAL, is_away);
    come();
    stack.until("it is told", HEAL, is_told);
    let down = stack.run(&["down", "--yes"]);
    assert_eq!(down.code, 0, "{}{}", down.out, down.err);
    stack.well("anew", INSTALL);
    assert_ne!(stack.runs(), runs);
}
