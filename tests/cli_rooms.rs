//! `room`, `link`, `admin` and `openapi` against a controller that is served
//! without an engine: the API answers all the same.
#![expect(clippy::unwrap_used, reason = "a test")]

mod rig;

use std::process::Command;

use rig::{BINARY, Served, text};
use serde_json::Value;

fn served(port: u16) -> Served {
    Served::start(&format!(
        "instance: cst3-cli\nengine: unix:///nowhere/docker.sock\nports: {{pages: {port}, internal: {}}}",
        port + 1
    ))
}

/// Standard error of a command that must fail.
#[track_caller]
fn refused(served: &Served, arguments: &[&str]) -> String {
    let output = served.run(arguments);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    text(&output.stderr)
}

#[test]
fn a_room_from_its_title_to_the_archive_and_away() {
    let house = served(30_900);
    let empty = house.good(&["room", "list"]);
    assert!(
        empty.contains("No rooms yet") && empty.contains("room create"),
        "{empty}"
    );

    let made = house.good(&["room", "create", "Northlight — reel 3", "--expires", "3d"]);
    assert!(made.contains("/j#"), "a link at once: {made}");
    assert!(
        made.contains("colourstream room ingest northlight-reel-3"),
        "{made}"
    );
    let second = house.json(&[
        "room",
        "create",
        "日本の映画",
        "--slug",
        "nihon",
        "--no-link",
        "--watermark",
    ]);
    assert_eq!(second["room"]["slug"], "nihon");
    assert_eq!(second["room"]["watermark"], true);
    assert!(second.get("link").is_none());

    let list = house.good(&["room", "list"]);
    let rows: Vec<&str> = list.lines().collect();
    assert_eq!(rows.len(), 3, "{list}");
    let column = |row: &str, word: &str| {
        let at = row.find(word).unwrap();
        row[..at]
            .chars()
            .map(|letter| if u32::from(letter) > 0x2E80 { 2 } else { 1 })
            .sum::<usize>()
    };
    let states: Vec<usize> = rows[1..]
        .iter()
        .map(|row| column(row, "open, no picture yet"))
        .collect();
    assert_eq!(
        states[0], states[1],
        "columns stand below each other\n{list}"
    );
    assert!(list.contains("in 3 d"), "{list}");
    assert!(!list.contains('\u{1b}'), "no colour where nobody looks");

    // By title, by identity, by name.
    let id = second["room"]["id"].as_str().unwrap();
    for name in ["nihon", "日本の映画", id] {
        assert!(house.good(&["room", "show", name]).contains("日本の映画"));
    }
    let close = refused(&house, &["room", "show", "northlight-reel"]);
    assert!(close.contains("did you mean northlight-reel-3?"), "{close}");

    let ingest = house.good(&["room", "ingest", "nihon"]);
    for word in ["rtmp://", "srt://", "direction=whip", "rotate-key"] {
        assert!(ingest.contains(word), "{word}: {ingest}");
    }
    let key = |house: &Served| house.json(&["room", "ingest", "nihon"])["key"].clone();
    let (before, stream) = (
        key(&house),
        house.json(&["room", "show", "nihon"])["stream"].clone(),
    );
    house.good(&["room", "rotate-key", "nihon"]);
    assert_ne!(key(&house), before);
    house.good(&["room", "rotate-stream", "nihon"]);
    assert_ne!(house.json(&["room", "show", "nihon"])["stream"], stream);

    house.good(&["room", "close", "nihon"]);
    assert_eq!(house.json(&["room", "show", "nihon"])["state"], "closed");
    house.good(&["room", "open", "nihon"]);
    assert_eq!(house.json(&["room", "show", "nihon"])["state"], "waiting");

    let gone = house.good(&["room", "delete", "nihon"]);
    assert!(gone.contains("room restore nihon"), "{gone}");
    assert_eq!(house.json(&["room", "list"]).as_array().unwrap().len(), 1);
    assert_eq!(
        house
            .json(&["room", "list", "--archived"])
            .as_array()
            .unwrap()
            .len(),
        1
    );
    house.good(&["room", "restore", "nihon"]);
    assert_eq!(house.json(&["room", "show", "nihon"])["state"], "closed");
    // For good wants a yes, which nobody is there to give.
    let unsure = house.run(&["room", "delete", "nihon", "--forever"]);
    assert_eq!(unsure.status.code(), Some(1));
    assert!(text(&unsure.stdout).contains("--yes"));
    house.good(&["room", "delete", "nihon", "--forever", "--yes"]);
    assert_eq!(
        house
            .json(&["room", "list", "--archived"])
            .as_array()
            .unwrap()
            .len(),
        0
    );
}

#[test]
fn what_cannot_be_is_told_with_what_to_do() {
    let house = served(30_904);
    house.good(&["room", "create", "One"]);
    let taken = refused(&house, &["room", "create", "Another", "--slug", "one"]);
    assert!(taken.contains("taken") && taken.contains("→"), "{taken}");
    let wrong = refused(&house, &["room", "create", "Two", "--expires", "soon"]);
    assert!(wrong.contains("`soon` is no time"), "{wrong}");
    let profile = refused(&house, &["room", "create", "Two", "--profile", "nope"]);
    assert!(profile.contains("one of live"), "{profile}");
    let none = refused(&house, &["room", "close", "zzz"]);
    assert!(none.contains("room list"), "{none}");

    let nobody = Command::new(BINARY)
        .args(["room", "list", "--state", "/nowhere/state"])
        .output()
        .unwrap();
    assert_eq!(nobody.status.code(), Some(1));
    let words = text(&nobody.stderr);
    assert!(
        words.contains("no controller runs") && words.contains("colourstream serve"),
        "{words}"
    );
}

#[test]
fn links_are_made_listed_and_revoked() {
    let house = served(30_908);
    house.good(&["room", "create", "Halcyon", "--no-link"]);
    let none = house.good(&["link", "list", "halcyon"]);
    assert!(none.contains("link create halcyon"), "{none}");
    let made = house.good(&[
        "link",
        "create",
        "halcyon",
        "--name",
        "Maya",
        "--role",
        "presenter",
        "--uses",
        "2",
    ]);
    assert!(made.contains("/j#") && made.contains("for Maya"), "{made}");
    let other = house.json(&["link", "create", "halcyon", "--expires", "2h"]);
    assert!(other["url"].as_str().unwrap().contains("/j#"));

    let list = house.good(&["link", "list", "halcyon"]);
    assert!(
        list.contains("Maya") && list.contains("0 of 2") && list.contains("presenter"),
        "{list}"
    );
    assert!(!list.contains("/j#"), "a link is shown once: {list}");

    let gone = house.good(&["link", "revoke", "halcyon", "Maya"]);
    assert!(gone.contains("Maya's link is revoked"), "{gone}");
    house.good(&["link", "revoke", "halcyon", other["id"].as_str().unwrap()]);
    let links = house.json(&["link", "list", "halcyon"]);
    assert!(
        links
            .as_array()
            .unwrap()
            .iter()
            .all(|link| link["revoked"] == true),
        "{links}"
    );
    let unknown = refused(&house, &["link", "revoke", "halcyon", "Ben"]);
    assert!(unknown.contains("link list halcyon"), "{unknown}");
}

#[test]
fn a_file_makes_and_changes_rooms_after_showing_the_difference() {
    let house = served(30_912);
    let file = house.dir.path().join("rooms.yaml");
    let path = file.to_str().unwrap().to_owned();
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    std::fs::write(house.dir.path().join("pass"), "open sesame\n").unwrap();
    write(
        "rooms:\n\
         - {slug: northlight, title: Northlight — reel 3, viewer_cap: 20, passcode_file: pass}\n\
         - {slug: halcyon, title: Halcyon, closed: true, expires_at: 2099-01-01 10:00, allowed_addresses: [192.0.2.0/24]}\n",
    );

    // Nobody there to say yes: shown, not done.
    let shown = house.run(&["room", "apply", &path]);
    assert_eq!(shown.status.code(), Some(1));
    let tree = text(&shown.stdout);
    for word in [
        "+ northlight",
        "viewer_cap",
        "+ halcyon",
        "closed",
        "2 to make.",
        "--yes",
    ] {
        assert!(tree.contains(word), "{word}\n{tree}");
    }
    assert!(!tree.contains("sesame"), "{tree}");
    assert_eq!(
        house
            .run(&["room", "apply", &path, "--dry-run"])
            .status
            .code(),
        Some(2)
    );
    assert_eq!(house.json(&["room", "list"]).as_array().unwrap().len(), 0);

    house.good(&["room", "apply", &path, "--yes"]);
    let northlight = house.json(&["room", "show", "northlight"]);
    assert_eq!(northlight["viewer_cap"], 20);
    assert_eq!(northlight["has_passcode"], true);
    assert_eq!(house.json(&["room", "show", "halcyon"])["state"], "closed");
    // The same again is nothing.
    let again = house.good(&["room", "apply", &path, "--dry-run"]);
    assert_eq!(again, "2 are as the file says.\n");
    // As it is given to a container.
    let given = house.run_with(
        &["room", "apply", "/dev/stdin", "--dry-run"],
        &std::fs::read_to_string(&file).unwrap(),
    );
    assert_eq!(text(&given.stdout), again, "{}", text(&given.stderr));

    write(
        "rooms:\n\
         - {slug: northlight, title: Northlight — reel 4, viewer_cap: null}\n\
         - {slug: halcyon, closed: false}\n",
    );
    let changed = house.good(&["room", "apply", &path, "--yes"]);
    for word in [
        "~ northlight",
        "Northlight — reel 3 → Northlight — reel 4",
        "20 → none",
        "closed → open",
        "2 to change.",
    ] {
        assert!(changed.contains(word), "{word}\n{changed}");
    }
    let after = house.json(&["room", "show", "northlight"]);
    assert_eq!(
        (&after["title"], &after["viewer_cap"]),
        (&Value::from("Northlight — reel 4"), &Value::Null)
    );
    assert_eq!(
        after["has_passcode"], true,
        "what the file leaves out stays"
    );
    assert_eq!(after["stream"], northlight["stream"]);

    let data = house.json(&["room", "apply", &path, "--yes"]);
    assert_eq!(
        (&data["same"], &data["changes"]),
        (&Value::from(2), &Value::from(Vec::<Value>::new()))
    );

    for (wrong, said) in [
        ("rooms:\n- {slug: a, titel: x}\n", "titel"),
        ("rooms:\n- {title: x}\n", "the room `x` has no `slug`"),
        ("rooms:\n- {slug: new}\n", "a new room needs a `title`"),
        (
            "rooms:\n- {slug: a, title: x}\n- {slug: a, title: y}\n",
            "twice",
        ),
        (
            "rooms:\n- {slug: a, title: x, opens_at: soon}\n",
            "room `a`: `soon` is no time",
        ),
        ("rooms:\n- {slug: live, title: x}\n", "slug"),
    ] {
        write(wrong);
        let words = refused(&house, &["room", "apply", &path, "--yes"]);
        assert!(words.contains(said), "{said}: {words}");
    }
}

#[test]
fn admins_are_added_with_and_without_a_controller() {
    let mut house = served(30_916);
    let link = house.good(&["admin", "setup-link"]);
    assert!(link.contains("/setup#"), "{link}");
    let url = house.json(&["admin", "setup-link"])["url"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(!link.contains(&url), "each is new");
    assert!(house.good(&["admin", "list"]).contains("setup-link"));

    let first = house.run_with(&["admin", "add", "Ben", "--role", "ops"], "correct horse\n");
    assert!(
        text(&first.stderr).contains("has to be an owner"),
        "{first:?}"
    );
    let short = house.run_with(&["admin", "add", "Anna"], "short\n");
    assert!(text(&short.stderr).contains("10 characters"), "{short:?}");
    let anna = rig::good(house.run_with(&["admin", "add", "Anna"], "correct horse\n"));
    assert!(anna.starts_with("Anna is an owner."), "{anna}");
    let late = refused(&house, &["admin", "setup-link"]);
    assert!(late.contains("Set-up is done already"), "{late}");

    house.stop();
    let ben = rig::good(house.run_with(&["admin", "add", "Ben"], "battery staple\n"));
    assert!(ben.starts_with("Ben is a producer."), "{ben}");
    let taken = house.run_with(&["admin", "add", "anna"], "battery staple\n");
    assert!(
        text(&taken.stderr).contains("there is a `anna` already"),
        "{taken:?}"
    );

    // A controller that starts afterwards knows both.
    let again = Command::new(BINARY)
        .arg("serve")
        .arg("--config")
        .arg(&house.settings)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let names = rig::wait("the controller", 30, || {
        let out = house.run(&["admin", "list"]);
        out.status.success().then(|| text(&out.stdout))
    });
    let id = rustix::process::Pid::from_child(&again);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    again.wait_with_output().unwrap();
    assert!(
        names.contains("Anna") && names.contains("producer"),
        "{names}"
    );
}

#[test]
fn the_description_of_the_api_needs_nothing() {
    let output = Command::new(BINARY).arg("openapi").output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(document["paths"]["/api/v1/rooms"].is_object());
}
