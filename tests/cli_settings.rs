//! Settings that are wrong when the controller starts, and while it runs:
//! against one that is served without an engine.
#![expect(clippy::unwrap_used, reason = "a test")]

mod rig;

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use rig::{BINARY, Served, http, text, wait};
use serde_json::Value;

/// Settings of a house with ports of its own, but for `state`.
fn settings(port: u16, more: &str) -> String {
    format!(
        "instance: cst8-settings\nengine: unix:///nowhere/docker.sock\nreconcile: {{sweep: 1s}}\n\
         ports: {{pages: {port}, internal: {}}}\n{more}",
        port + 1
    )
}

/// What is told of the settings.
fn told(house: &Served) -> Option<Value> {
    let status = house.status()?;
    let mut issues = status["issues"].as_array()?.iter();
    let found = issues.find(|issue| issue["code"] == "settings-invalid");
    Some(found.cloned().unwrap_or_default())
}

#[track_caller]
fn is_told(house: &Served, words: &str) -> Value {
    wait(words, 20, || {
        told(house).filter(|issue| issue.to_string().contains(words))
    })
}

#[track_caller]
fn is_well(house: &Served) {
    wait("nothing told of the settings", 20, || {
        told(house).filter(Value::is_null)
    });
}

/// The pages of a host that is served at `port`, and the room that was made.
#[track_caller]
fn answers(house: &Served, port: u16, host: &str) {
    let pages = format!("127.0.0.1:{port}");
    let (code, page) = wait("its pages", 20, || http(&pages, "GET", "/", host, ""));
    assert_eq!(code, 200, "{page}");
    house.good(&["room", "show", "northlight"]);
}

fn write(house: &Served, settings: &str) {
    let state = house.state.display();
    std::fs::write(&house.settings, format!("{settings}\nstate: {state}\n")).unwrap();
}

#[test]
fn wrong_settings_at_a_start_leave_the_house_open() {
    const PORT: u16 = 30_930;
    let host = "review.localhost";
    let good = settings(PORT, "domain: review.localhost");
    let mut house = Served::start(&good);
    house.good(&["room", "create", "Northlight"]);
    let kept = house.state.join("last-settings.json");
    wait("the settings to be kept", 20, || {
        kept.exists().then_some(())
    });
    let mode = kept.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    for (wrong, words) in [
        ("conference: {max_participants: many}", "yaml:6:"),
        ("gone_since_this_version: 1", "is not a key"),
        ("ports: {{", "is not YAML"),
    ] {
        house.stop();
        write(&house, &format!("{good}\n{wrong}"));
        house.again();
        is_told(&house, words);
        answers(&house, PORT, host);
        write(&house, &good);
        is_well(&house);
        answers(&house, PORT, host);
    }
    assert!(house.log().contains("is not YAML"), "{}", house.log());

    // None at all: its state is named by the command line then.
    house.stop();
    let state = house.state.display().to_string();
    std::fs::remove_file(&house.settings).unwrap();
    let log = std::fs::File::create(house.dir.path().join("second.log")).unwrap();
    let mut without = Command::new(BINARY)
        .args(["serve", "--state", &state, "--config"])
        .arg(&house.settings)
        .env("COLOURSTREAM_LOGO", "x")
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let issue = wait("a status", 20, || {
        let out = house.run(&["status", "--json", "--state", &state]);
        let status: Value = serde_json::from_slice(&out.stdout).ok()?;
        let words = status["issues"].to_string();
        words.contains("cannot be read").then_some(words)
    });
    assert!(issue.contains("settings-invalid"), "{issue}");
    let pages = format!("127.0.0.1:{PORT}");
    let (code, page) = wait("its pages", 20, || http(&pages, "GET", "/", host, ""));
    assert_eq!(code, 200, "{page}");
    let log = std::fs::read_to_string(house.dir.path().join("second.log")).unwrap();
    assert!(log.contains("`COLOURSTREAM_LOGO` sets nothing"), "{log}");
    write(&house, &good);
    is_well(&house);
    let id = rustix::process::Pid::from_child(&without);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    without.wait().unwrap();
}

#[test]
fn a_file_that_is_not_there_at_a_start_is_told_and_the_house_is_open() {
    const PORT: u16 = 30_934;
    let word = tempfile::tempdir().unwrap();
    let (file, away) = (word.path().join("backup"), word.path().join("away"));
    std::fs::write(&file, "a long passphrase\n").unwrap();
    let backup = format!("backup: {{passphrase_file: {}}}", file.display());
    let mut house = Served::start(&settings(PORT, &backup));
    house.good(&["room", "create", "Northlight"]);
    let kept = house.state.join("last-settings.json");
    wait("the settings to be kept", 20, || {
        kept.exists().then_some(())
    });
    // As a disk that is not mounted.
    house.stop();
    std::fs::rename(&file, &away).unwrap();
    house.again();
    is_told(&house, "backup.passphrase_file");
    answers(&house, PORT, "colourstream.localhost");
    // No backup is made that everybody could read.
    let open = house.run(&["backup", "-"]);
    assert_eq!(open.status.code(), Some(1));
    assert!(open.stdout.is_empty(), "{}", text(&open.stderr));
    std::fs::rename(&away, &file).unwrap();
    is_well(&house);
}

#[test]
fn a_running_controller_is_asked_whatever_is_wrong_with_its_file() {
    const PORT: u16 = 30_938;
    let good = settings(PORT, "domain: review.localhost");
    let house = Served::start(&good);
    house.good(&["room", "create", "Northlight"]);
    let kept = house.state.join("last-settings.json");
    wait("the settings to be kept", 20, || {
        kept.exists().then_some(())
    });
    for wrong in ["conference: {max_participants: many}", "ports: {{"] {
        write(&house, &format!("{good}\n{wrong}"));
        is_told(&house, "yaml:");
        house.good(&["health"]);
        let status = house.good(&["status"]);
        assert!(status.contains("settings-invalid"), "{status}");
        let rooms = house.good(&["room", "list"]);
        assert!(rooms.contains("Northlight"), "{rooms}");
        let backup = house.run(&["backup", "-"]);
        assert!(backup.status.success(), "{}", text(&backup.stderr));
        assert!(backup.stdout.starts_with(b"manifest.json\0"));
        let name = format!("Nia {}", wrong.len());
        let made = house.run_with(&["admin", "add", &name], "a long password\n");
        let said = text(&made.stdout);
        assert!(made.status.success(), "{}", text(&made.stderr));
        assert!(said.contains("https://admin.review.localhost"), "{said}");
    }
    // With nobody to ask the mistake is what there is to say.
    let mut house = house;
    house.stop();
    for command in [&["status"][..], &["room", "list"], &["admin", "add", "Abe"]] {
        let output = house.run(command);
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stderr);
        assert!(said.contains("is not YAML"), "{said}");
    }
}

#[test]
fn a_domain_that_nobody_names_any_more_stays_what_it_was() {
    const PORT: u16 = 30_942;
    let mut house = Served::start(&settings(PORT, "domain: review.localhost"));
    house.good(&["room", "create", "Northlight"]);
    answers(&house, PORT, "review.localhost");
    // Forgotten while it runs, and at a start.
    let words = "Nothing names the domain any more; it was `review.localhost`";
    write(&house, &settings(PORT, ""));
    is_told(&house, words);
    house.again();
    let issue = is_told(&house, words);
    let fix = issue["fix"].as_str().unwrap();
    assert!(
        fix.contains("-e COLOURSTREAM_DOMAIN=review.localhost"),
        "{fix}"
    );
    answers(&house, PORT, "review.localhost");
    let links = house.good(&["status"]);
    assert!(links.contains("https://review.localhost"), "{links}");
    // As it was, another by name, and that which needs no name otherwise.
    for host in [
        "review.localhost",
        "other.localhost",
        "colourstream.localhost",
    ] {
        write(&house, &settings(PORT, &format!("domain: {host}")));
        is_well(&house);
        house.again();
        is_well(&house);
        answers(&house, PORT, host);
    }
}

#[test]
fn another_instance_on_the_same_state_leaves_nothing_behind() {
    const PORT: u16 = 30_946;
    let good = settings(PORT, "");
    let mut house = Served::start(&good);
    house.good(&["room", "create", "Northlight"]);
    let kept = house.state.join("last-settings.json");
    wait("the settings to be kept", 20, || {
        kept.exists().then_some(())
    });
    // Nobody can be asked whether services have the old name.
    house.stop();
    write(&house, &good.replace("cst8-settings", "cst8-other"));
    house.again();
    let issue = is_told(&house, "what runs was made as `cst8-settings`");
    assert!(issue.to_string().contains("colourstream down"), "{issue}");
    assert_eq!(house.status().unwrap()["instance"], "cst8-settings");
    answers(&house, PORT, "colourstream.localhost");
    write(&house, &good);
    is_well(&house);
}

#[test]
fn a_first_start_with_wrong_settings_says_so_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("colourstream.yaml");
    std::fs::write(&file, "domain: a b\n").unwrap();
    let output = Command::new(BINARY)
        .args(["serve", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.contains("one mistake in the settings") && said.contains("yaml:1:9"),
        "{said}"
    );
    assert!(!dir.path().join("state").exists());
}
