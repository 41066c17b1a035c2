//! `backup`, `restore`, and a database that cannot be used, against a
//! controller that is served without an engine.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod rig;

use std::path::{Path, PathBuf};
use std::process::Command;

use rig::{BINARY, Served, good, http, text, wait};
use rusqlite::Connection;
use serde_json::Value;

fn served(port: u16, more: &str) -> Served {
    Served::start(&format!(
        "instance: cst8-cli\nengine: unix:///nowhere/docker.sock\n\
         ports: {{pages: {port}, internal: {}}}\n{more}",
        port + 1
    ))
}

/// Standard error of a command that must fail.
#[track_caller]
fn refused(house: &Served, arguments: &[&str]) -> String {
    let output = house.run(arguments);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    text(&output.stderr)
}

fn issue(status: &Value) -> Option<&Value> {
    let issues = status["issues"].as_array()?;
    issues.iter().find(|issue| issue["subject"] == "store")
}

fn key(house: &Served) -> String {
    let ingest = house.json(&["room", "ingest", "northlight"]);
    ingest["key"].as_str().unwrap().to_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_backup_is_made_next_to_a_running_controller_and_brings_everything_back() {
    let mut house = served(31_700, "");
    house.good(&["room", "create", "Northlight"]);
    let before = key(&house);
    let status = house.good(&["status"]);
    assert!(status.contains("backup none yet"), "{status}");

    let file = house.dir.path().join("one.backup");
    let said = house.good(&["backup", path(&file)]);
    assert!(said.contains("made and read back"), "{said}");
    assert!(
        said.contains(&format!("colourstream restore {}", file.display())),
        "{said}"
    );
    let list = good(Command::new("tar").arg("tf").arg(&file).output().unwrap());
    for name in [
        "manifest.json",
        "state/colourstream.db",
        "state/secrets.json",
        "settings/colourstream.yaml",
        "state/tls/authority.key",
    ] {
        assert!(list.lines().any(|line| line == name), "{name}: {list}");
    }
    assert!(!list.contains("rendered"), "{list}");
    // Another name, a folder, standard output, a passphrase.
    let taken = refused(&house, &["backup", path(&file)]);
    assert!(taken.contains("is there already"), "{taken}");
    let folder = house.dir.path().join("kept");
    std::fs::create_dir(&folder).unwrap();
    let made = house.json(&["backup", path(&folder)]);
    assert!(
        Path::new(made["path"].as_str().unwrap()).starts_with(&folder),
        "{made}"
    );
    let fresh = format!("{}/", house.dir.path().join("fresh").display());
    let made = house.json(&["backup", &fresh]);
    assert!(made["path"].as_str().unwrap().starts_with(&fresh), "{made}");
    let piped = house.run(&["backup", "-"]);
    assert!(piped.stdout.starts_with(b"manifest.json\0"));
    let word = house.dir.path().join("passphrase");
    std::fs::write(&word, "short\n").unwrap();
    let sealed = house.dir.path().join("sealed.backup");
    let seal = ["backup", path(&sealed), "--passphrase-file", path(&word)];
    let short = refused(&house, &seal);
    assert!(short.contains("shorter than"), "{short}");
    std::fs::write(&word, "a long passphrase\n").unwrap();
    house.good(&seal);
    let bytes = std::fs::read(&sealed).unwrap();
    assert!(!bytes.windows(6).any(|part| part == b"SQLite"));

    // Not under a controller that works.
    let busy = refused(&house, &["restore", path(&file), "--yes"]);
    assert!(
        busy.contains("process") && busy.contains("stop it first"),
        "{busy}"
    );
    house.good(&["room", "rotate-key", "northlight"]);
    assert_ne!(key(&house), before);
    house.stop();
    // Nobody there to say yes.
    let unsure = house.run(&["restore", path(&file)]);
    assert_eq!(unsure.status.code(), Some(1));
    let words = text(&unsure.stdout);
    assert!(
        words.contains("is sound") && words.contains("set aside, not deleted"),
        "{words}"
    );
    assert!(words.contains("Nothing was changed"), "{words}");
    let closed = refused(&house, &["restore", path(&sealed), "--yes"]);
    assert!(closed.contains("--passphrase-file"), "{closed}");
    house.good(&[
        "restore",
        path(&sealed),
        "--yes",
        "--passphrase-file",
        path(&word),
    ]);
    house.again();
    assert_eq!(key(&house), before, "the key of then");

    // A bare host: nothing but the file and where it goes.
    house.stop();
    std::fs::remove_dir_all(&house.state).unwrap();
    let settings = std::fs::read(&house.settings).unwrap();
    std::fs::remove_file(&house.settings).unwrap();
    let said = house.good(&["restore", path(&file), "--yes"]);
    assert!(said.contains("nothing is replaced"), "{said}");
    assert_eq!(std::fs::read(&house.settings).unwrap(), settings);
    house.again();
    assert_eq!(key(&house), before);
    let doctor = text(&house.run(&["doctor"]).stdout);
    assert!(
        doctor.contains("database") && doctor.contains("sound, schema"),
        "{doctor}"
    );
}

#[test]
fn without_a_controller_a_backup_is_made_all_the_same() {
    let mut house = served(31_704, "");
    house.good(&["room", "create", "Northlight"]);
    // As after a power cut: what is new is in the log alone.
    house.signal("KILL");
    let log = house.state.join("colourstream.db-wal");
    assert!(log.metadata().unwrap().len() > 0);
    let file = house.dir.path().join("one.backup");
    house.good(&["backup", path(&file)]);
    assert!(log.metadata().unwrap().len() > 0, "not ours to take in");
    house.again();
    house.good(&["room", "show", "northlight"]);
}

/// What happens to the database while nobody runs.
struct Case {
    name: &'static str,
    code: &'static str,
    words: &'static str,
    happens: fn(&Path),
}

fn damaged(database: &Path) {
    let mut bytes = std::fs::read(database).unwrap();
    let at = bytes.len() / 2;
    bytes[at..at + 4096].fill(0xA5);
    std::fs::write(database, bytes).unwrap();
}

const CASES: [Case; 8] = [
    Case {
        name: "a damaged page",
        code: "database-damaged",
        words: "is damaged",
        happens: damaged,
    },
    Case {
        name: "not a database",
        code: "database-damaged",
        words: "is not a database",
        happens: |database| std::fs::write(database, "letters ".repeat(700)).unwrap(),
    },
    Case {
        name: "cut off",
        code: "database-damaged",
        words: "its end is missing",
        happens: |database| {
            let file = std::fs::OpenOptions::new()
                .write(true)
                .open(database)
                .unwrap();
            let half = file.metadata().unwrap().len() / 2;
            file.set_len(half).unwrap();
        },
    },
    Case {
        name: "emptied",
        code: "database-damaged",
        words: "is gone or empty, though this state folder was in use",
        happens: |database| std::fs::write(database, "").unwrap(),
    },
    Case {
        name: "gone",
        code: "database-damaged",
        words: "is gone or empty, though this state folder was in use",
        happens: |database| std::fs::remove_file(database).unwrap(),
    },
    Case {
        name: "its log is lost",
        code: "database-damaged",
        words: "write-ahead log",
        happens: |database| {
            std::fs::write(database.with_file_name("colourstream.db-open"), "").unwrap();
        },
    },
    Case {
        name: "from the future",
        code: "database-newer",
        words: "written by ColourStream 9.9.9",
        happens: |database| {
            let db = Connection::open(database).unwrap();
            db.execute_batch("PRAGMA user_version = 9999; UPDATE meta SET value = '9.9.9' WHERE key = 'schema_by';").unwrap();
        },
    },
    Case {
        name: "a value that means nothing",
        code: "database-damaged",
        words: "a value in `rooms` is not what was written there",
        happens: |database| {
            let db = Connection::open(database).unwrap();
            db.execute("UPDATE rooms SET publish_key = 'Kiebitz'", [])
                .unwrap();
        },
    },
];

#[test]
fn a_database_that_cannot_be_used_leads_to_a_choice_and_pages_stay_up() {
    let mut house = served(31_708, "");
    house.good(&["room", "create", "Northlight"]);
    let before = key(&house);
    let backups = house.state.join("backups");
    std::fs::create_dir_all(&backups).unwrap();
    // As the controller names those it makes by itself.
    let kept = backups.join("cst8-cli-20260101T000000Z-daily.backup");
    house.good(&["backup", path(&kept)]);
    // A later one that was cut off since is not the last good one.
    let whole = std::fs::read(&kept).unwrap();
    let cut = backups.join("cst8-cli-20260102T000000Z-daily.backup");
    std::fs::write(cut, &whole[..whole.len() / 2]).unwrap();
    let pages = "127.0.0.1:31708";
    for case in CASES {
        house.stop();
        let database = house.state.join("colourstream.db");
        (case.happens)(&database);
        let evidence = std::fs::read(&database).ok();
        house.again();
        let pid = house.pid();
        let status = house.status().unwrap();
        let issue = issue(&status).unwrap_or_else(|| panic!("{}: {status}", case.name));
        let words = |key: &str| issue[key].as_str().unwrap().to_owned();
        assert_eq!(issue["code"], case.code, "{}", case.name);
        assert!(words("why").contains(case.words), "{}: {issue}", case.name);
        // The same everywhere: status, doctor, log, health.
        let command = format!("colourstream restore {}", kept.display());
        assert!(words("fix").contains(&command), "{}: {issue}", case.name);
        let doctor = text(&house.run(&["doctor"]).stdout);
        assert!(
            doctor.contains(case.words) && doctor.contains(&command),
            "{}: {doctor}",
            case.name
        );
        let log = house.log();
        assert!(
            log.contains(case.words) && log.contains(&command),
            "{}: {log}",
            case.name
        );
        assert_eq!(
            house.run(&["health"]).status.code(),
            Some(1),
            "{}",
            case.name
        );
        let status = house.good(&["status"]);
        assert!(status.contains(case.words), "{}: {status}", case.name);
        // Pages: calm words for visitors, the issue for the operator.
        let (code, page) = wait("its pages", 20, || {
            http(pages, "GET", "/x", "colourstream.localhost", "")
        });
        assert_eq!(code, 503, "{page}");
        assert!(page.contains("being looked after"), "{page}");
        let (code, page) = http(pages, "GET", "/", "admin.colourstream.localhost", "").unwrap();
        assert_eq!(code, 503);
        assert!(
            page.contains(case.code) && page.contains("colourstream status"),
            "{page}"
        );
        let rooms = refused(&house, &["room", "list"]);
        assert!(rooms.contains("restore"), "{rooms}");
        let (code, _) = http(
            "127.0.0.1:31709",
            "POST",
            "/internal/ome/admission",
            "controller",
            "{}",
        )
        .unwrap();
        assert_eq!(code, 503, "nobody new is let in");
        // Nothing was made in its place.
        assert_eq!(std::fs::read(&database).ok(), evidence, "{}", case.name);

        // The command it names, while it waits: it stands aside and goes on.
        let said = house.good(&["restore", path(&kept), "--yes"]);
        assert!(said.contains("Restored"), "{said}");
        wait("the rooms", 30, || {
            house.run(&["room", "list"]).status.success().then_some(())
        });
        assert_eq!(key(&house), before, "{}", case.name);
        assert_eq!(house.pid(), pid);
        assert!(house.runs(), "the same process");
        // What was there is kept.
        let aside: Vec<PathBuf> = std::fs::read_dir(house.state.join("aside"))
            .unwrap()
            .map(|entry| entry.unwrap().path().join("colourstream.db"))
            .collect();
        if let Some(evidence) = evidence {
            assert!(
                aside
                    .iter()
                    .any(|file| std::fs::read(file).ok().as_ref() == Some(&evidence)),
                "{}",
                case.name
            );
        }
    }
}

#[test]
fn the_other_choices_are_said_and_done() {
    let mut house = served(31_712, "");
    house.good(&["room", "create", "Northlight"]);
    house.stop();
    let database = house.state.join("colourstream.db");
    (CASES[5].happens)(&database);
    house.again();
    let status = house.status().unwrap();
    let fix = issue(&status).unwrap()["fix"].as_str().unwrap().to_owned();
    assert!(
        fix.contains("restore --as-it-is") && fix.contains("restore --empty"),
        "{fix}"
    );
    assert!(fix.contains("No good backup is in the folder"), "{fix}");
    house.good(&["restore", "--as-it-is"]);
    wait("the rooms", 30, || {
        house
            .run(&["room", "show", "northlight"])
            .status
            .success()
            .then_some(())
    });

    house.stop();
    damaged(&database);
    house.again();
    let unsure = house.run(&["restore", "--empty"]);
    assert_eq!(unsure.status.code(), Some(1), "only when somebody says so");
    let said = house.good(&["restore", "--empty", "--yes"]);
    assert!(said.contains("empty") && said.contains("aside"), "{said}");
    wait("no rooms", 30, || {
        let out = house.run(&["room", "list"]);
        (out.status.success() && text(&out.stdout).contains("No rooms yet")).then_some(())
    });
}

#[test]
fn a_database_that_somebody_else_holds_is_told_and_taken_up_when_it_is_free() {
    let mut house = served(31_716, "");
    house.good(&["room", "create", "Northlight"]);
    house.stop();
    let other = Connection::open(house.state.join("colourstream.db")).unwrap();
    other
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;")
        .unwrap();
    house.again();
    let status = house.status().unwrap();
    let issue = issue(&status).unwrap();
    assert_eq!(issue["code"], "store-failed");
    assert!(
        issue["why"]
            .as_str()
            .unwrap()
            .contains("locked by another process"),
        "{issue}"
    );
    drop(other);
    wait("the rooms", 40, || {
        house
            .run(&["room", "show", "northlight"])
            .status
            .success()
            .then_some(())
    });
}

/// Files of a folder, by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut all: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    all.sort();
    all
}

#[test]
fn the_passphrase_of_the_settings_seals_every_backup_and_opens_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let word = dir.path().join("passphrase");
    std::fs::write(&word, "a long passphrase\n").unwrap();
    let mut house = served(
        31_724,
        &format!("backup: {{passphrase_file: {}}}", word.display()),
    );
    house.good(&["room", "create", "Northlight"]);
    let before = key(&house);
    let is_sealed = |bytes: &[u8]| {
        assert!(!bytes.starts_with(b"manifest.json"));
        assert!(!bytes.windows(6).any(|part| part == b"SQLite"));
    };
    let file = house.dir.path().join("one.backup");
    let said = house.good(&["backup", path(&file)]);
    assert!(said.contains("sealed"), "{said}");
    is_sealed(&std::fs::read(&file).unwrap());
    is_sealed(&house.run(&["backup", "-"]).stdout);
    // One that is soon guessed seals nothing.
    std::fs::write(&word, "1234567\n").unwrap();
    let none = house.dir.path().join("none.backup");
    let weak = refused(&house, &["backup", path(&none)]);
    let names = format!("{} holds a passphrase of fewer than 8", word.display());
    assert!(weak.contains(&names), "{weak}");
    assert!(!none.exists());
    std::fs::write(&word, "a long passphrase\n").unwrap();
    // Another one, where somebody says so.
    let other = dir.path().join("other");
    std::fs::write(&other, "another passphrase\n").unwrap();
    let special = house.dir.path().join("special.backup");
    house.good(&["backup", path(&special), "--passphrase-file", path(&other)]);
    let wrong = refused(&house, &["restore", path(&special), "--yes"]);
    assert!(wrong.contains("another passphrase"), "{wrong}");

    // The command that the issue names works as it stands there.
    let kept = house
        .state
        .join("backups/cst8-cli-20260101T000000Z-daily.backup");
    std::fs::create_dir_all(kept.parent().unwrap()).unwrap();
    std::fs::copy(&file, &kept).unwrap();
    house.stop();
    damaged(&house.state.join("colourstream.db"));
    house.again();
    let status = house.status().unwrap();
    let fix = issue(&status).unwrap()["fix"].as_str().unwrap().to_owned();
    let command = format!("colourstream restore {}", kept.display());
    assert!(fix.contains(&command), "{fix}");
    house.good(&["restore", path(&kept), "--yes"]);
    wait("the rooms", 30, || {
        house.run(&["room", "list"]).status.success().then_some(())
    });
    assert_eq!(key(&house), before);

    // A backup must not lie open because its passphrase is gone, and a host
    // without it is told how to go on.
    house.stop();
    std::fs::remove_file(&word).unwrap();
    let open = house.dir.path().join("open.backup");
    refused(&house, &["backup", path(&open)]);
    assert!(!open.exists());
    let closed = refused(&house, &["restore", path(&file), "--yes"]);
    assert!(closed.contains("--passphrase-file"), "{closed}");
    std::fs::write(&other, "a long passphrase\n").unwrap();
    let said = house.good(&[
        "restore",
        path(&file),
        "--yes",
        "--passphrase-file",
        path(&other),
    ]);
    assert!(
        said.contains(&format!("{} opens the backups", word.display())),
        "{said}"
    );
}

#[test]
fn a_backup_into_the_folder_of_backups_is_found_again() {
    let mut house = served(31_776, "");
    house.good(&["room", "create", "Northlight"]);
    let before = key(&house);
    // The folder as docs/backup.md names it, by its slash.
    let folder = format!("{}/backups/", house.state.display());
    let made = house.json(&["backup", &folder])["path"].clone();
    let made = made.as_str().unwrap();
    house.stop();
    damaged(&house.state.join("colourstream.db"));
    house.again();
    let status = house.status().unwrap();
    assert_eq!(status["backup"]["last"]["path"], made, "{status}");
    let fix = issue(&status).unwrap()["fix"].as_str().unwrap();
    assert!(
        fix.contains(&format!("colourstream restore {made}")),
        "{fix}"
    );
    house.good(&["restore", made, "--yes"]);
    wait("the rooms", 30, || {
        house.run(&["room", "list"]).status.success().then_some(())
    });
    assert_eq!(key(&house), before);
}

#[test]
fn where_the_state_cannot_be_written_no_second_controller_is_advised() {
    let dir = tempfile::tempdir().unwrap();
    let said = |state: &Path, command: &[&str]| {
        let output = Command::new(rig::BINARY)
            .args(command)
            .args(["--state", path(state)])
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
        text(&output.stderr)
    };
    for command in [&["status"][..], &["room", "list"]] {
        let none = said(&dir.path().join("state"), command);
        assert!(
            none.contains("no controller runs") && none.contains("start one"),
            "{none}"
        );
        // Root may write wherever it is a folder.
        let file = dir.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let shut = said(&file, command);
        assert!(!shut.contains("start one"), "{shut}");
        for words in ["cannot be written: not a directory", "`docker logs`"] {
            assert!(shut.contains(words), "{words}: {shut}");
        }
    }
}

/// The settings were copied to the new host; what they name comes with the
/// backup.
#[test]
fn a_host_that_is_half_prepared_gets_the_rest_from_the_backup() {
    let mut house = served(31_728, "");
    let folder = house.dir.path().join("certificates");
    std::fs::create_dir(&folder).unwrap();
    let made = rcgen::generate_simple_self_signed([
        "colourstream.localhost".to_owned(),
        "admin.colourstream.localhost".to_owned(),
        "video.colourstream.localhost".to_owned(),
    ])
    .unwrap();
    std::fs::write(folder.join("full.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let text = std::fs::read_to_string(&house.settings).unwrap();
    let text = format!(
        "{text}tls: {{certificate: ./certificates/full.pem, key: ./certificates/key.pem}}\n"
    );
    std::fs::write(&house.settings, &text).unwrap();
    house.again();
    house.good(&["room", "create", "Northlight"]);
    let before = key(&house);
    let file = house.dir.path().join("one.backup");
    house.good(&["backup", path(&file)]);

    house.stop();
    std::fs::remove_dir_all(&house.state).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let said = house.good(&["restore", path(&file), "--yes"]);
    assert!(said.contains("is there already and stays"), "{said}");
    assert!(!said.contains("  ! "), "nothing is missing: {said}");
    assert!(folder.join("key.pem").exists());
    house.again();
    assert_eq!(key(&house), before);
}

/// The change of the database fails each time: a table it makes is there.
#[test]
fn an_upgrade_that_fails_leaves_one_backup_however_often_it_is_tried() {
    let mut house = served(31_732, "");
    house.good(&["room", "create", "Northlight"]);
    let before = key(&house);
    house.stop();
    let database = house.state.join("colourstream.db");
    let older = "PRAGMA user_version = 1; UPDATE meta SET value = '0.0.9' WHERE key = 'schema_by';";
    Connection::open(&database)
        .unwrap()
        .execute_batch(older)
        .unwrap();
    let folder = house.state.join("backups/before-upgrade");
    house.again();
    // Three tries at the least: who answers after the third says that it ended.
    wait("the third try", 60, || {
        (house.log().matches("tried again").count() >= 2).then_some(())
    });
    wait("the end of the third try", 60, || house.status());
    let kept = files(&folder);
    assert_eq!(kept.len(), 1, "{kept:?}");
    house.stop();
    Connection::open(&database)
        .unwrap()
        .execute_batch("DROP TABLE backups;")
        .unwrap();
    house.again();
    wait("the rooms", 30, || {
        house.run(&["room", "list"]).status.success().then_some(())
    });
    assert_eq!(key(&house), before);
}

#[test]
fn whoever_only_looks_changes_no_older_database() {
    let mut house = served(31_736, "");
    house.good(&["room", "create", "Northlight"]);
    house.stop();
    let database = house.state.join("colourstream.db");
    let older = "DROP TABLE backups; PRAGMA user_version = 1; UPDATE meta SET value = '0.0.9' WHERE key = 'schema_by';";
    Connection::open(&database)
        .unwrap()
        .execute_batch(older)
        .unwrap();
    let schema = || -> u32 {
        let db = Connection::open(&database).unwrap();
        db.query_row("PRAGMA user_version", [], |row| row.get(0))
            .unwrap()
    };
    // The engine is away, so there is no plan; that is all it says.
    let plan = house.run(&["plan"]);
    assert_eq!(plan.status.code(), Some(1));
    assert!(
        text(&plan.stdout).contains("engine-away"),
        "{}",
        text(&plan.stdout)
    );
    assert_eq!(schema(), 1);
    let out = house.dir.path().join("out");
    house.good(&["render", path(&out)]);
    assert_eq!(schema(), 1);
    assert!(!house.state.join("backups").exists());
    assert!(files(&house.state.join("tmp")).is_empty());
}

#[test]
fn rooms_and_keys_that_are_both_gone_are_not_begun_anew_beside_what_was_rendered() {
    let mut house = served(31_740, "");
    house.good(&["room", "create", "Northlight"]);
    let kept = house.dir.path().join("one.backup");
    house.good(&["backup", path(&kept)]);
    let before = key(&house);
    house.stop();
    let database = house.state.join("colourstream.db");
    let rendered = house.state.join("rendered/mirotalk/config");
    std::fs::create_dir_all(rendered.parent().unwrap()).unwrap();
    std::fs::write(&rendered, "of then").unwrap();
    for name in ["colourstream.db", "secrets.json"] {
        std::fs::remove_file(house.state.join(name)).unwrap();
    }
    house.again();
    let status = house.status().unwrap();
    let told = status["issues"].to_string();
    assert!(
        told.contains("though this state folder was in use"),
        "{told}"
    );
    assert!(!database.exists() && !house.state.join("secrets.json").exists());
    house.good(&["restore", path(&kept), "--yes"]);
    wait("the rooms", 30, || {
        house.run(&["room", "list"]).status.success().then_some(())
    });
    assert_eq!(key(&house), before);
}

/// Killed at every point of a restore: the old rooms or the new ones are
/// there, whole, and never the new database beside the log of the old one.
#[test]
fn a_restore_killed_at_any_point_is_carried_to_its_end() {
    let mut house = served(31_744, "");
    house.good(&["room", "create", "Northlight"]);
    let file = house.dir.path().join("one.backup");
    house.good(&["backup", path(&file)]);
    house.good(&["room", "create", "Halcyon"]);
    // As after a power cut: what is new is in the log alone.
    house.signal("KILL");
    let then = house.dir.path().join("then");
    copy_folder(&house.state, &then);
    let restore = |more: &[(&str, &str)]| {
        Command::new(BINARY)
            .args(["restore", path(&file), "--yes", "--config"])
            .arg(&house.settings)
            .envs(more.iter().copied())
            .output()
            .unwrap()
    };
    let list = house.dir.path().join("points");
    good(restore(&[("COLOURSTREAM_POINTS", path(&list))]));
    let points = std::fs::read_to_string(&list).unwrap();
    for what in [
        "laid out",
        "switch in place",
        "set aside",
        "put in place",
        "switch removed",
    ] {
        assert!(points.contains(what), "{what}: {points}");
    }
    let database = house.state.join("colourstream.db");
    // What a reader without a hold on the folder makes of it.
    let rooms = || -> Option<Vec<String>> {
        if !database.exists() {
            return None;
        }
        // Of a copy: looking must change nothing.
        let copy = house.dir.path().join("look");
        let _none = std::fs::remove_dir_all(&copy);
        std::fs::create_dir(&copy).unwrap();
        for name in ["colourstream.db", "colourstream.db-wal"] {
            let _absent = std::fs::copy(house.state.join(name), copy.join(name));
        }
        let db = Connection::open(copy.join("colourstream.db")).unwrap();
        let sound: String = db
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(sound, "ok");
        let mut query = db
            .prepare("SELECT title FROM rooms ORDER BY title")
            .unwrap();
        let rows = query.query_map([], |row| row.get(0)).unwrap();
        Some(rows.map(Result::unwrap).collect())
    };
    let (old, new) = (
        vec!["Halcyon".to_owned(), "Northlight".to_owned()],
        vec!["Northlight".to_owned()],
    );
    let count = points.lines().count();
    let (mut were_old, mut were_new) = (0, 0);
    for number in 1..=count {
        let line = points.lines().nth(number - 1).unwrap();
        std::fs::remove_dir_all(&house.state).unwrap();
        copy_folder(&then, &house.state);
        let killed = restore(&[("COLOURSTREAM_KILL_AT", &number.to_string())]);
        assert_eq!(
            killed.status.code(),
            None,
            "{line}: {}",
            text(&killed.stdout)
        );
        let begun = house.state.join("restore/switch.json").exists();
        match rooms() {
            Some(rooms) if rooms == old => were_old += 1,
            Some(rooms) if rooms == new => were_new += 1,
            // In between, and whoever comes next knows it.
            None => assert!(begun, "{line}"),
            Some(rooms) => panic!("{line}: {rooms:?}"),
        }
        // Whoever holds the folder next carries it to its end, or it never was.
        let empty = house.run(&["restore", "--as-it-is"]);
        assert!(empty.status.success(), "{line}: {}", text(&empty.stderr));
        let rooms = rooms().unwrap();
        assert!(
            if begun {
                rooms == new
            } else {
                rooms == old || rooms == new
            },
            "{line}: {rooms:?}"
        );
        assert!(!house.state.join("restore/switch.json").exists(), "{line}");
    }
    assert!(
        were_old > 5 && were_new > 2,
        "{were_old} {were_new}: {points}"
    );
}

fn copy_folder(from: &Path, to: &Path) {
    let copied = Command::new("cp")
        .arg("-a")
        .arg(from)
        .arg(to)
        .status()
        .unwrap();
    assert!(copied.success());
}

#[test]
fn an_older_database_is_backed_up_before_it_is_changed() {
    let mut house = served(31_720, "");
    house.good(&["room", "create", "Northlight"]);
    let before = key(&house);
    house.stop();
    // As a controller of the first schema left it.
    let db = Connection::open(house.state.join("colourstream.db")).unwrap();
    db.execute_batch("DROP TABLE backups; PRAGMA user_version = 1; UPDATE meta SET value = '0.0.9' WHERE key = 'schema_by';").unwrap();
    drop(db);
    let folder = house.state.join("backups/before-upgrade");
    // Where no backup can be made nothing is changed.
    std::fs::create_dir_all(house.state.join("backups")).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    house.again();
    let status = house.status().unwrap();
    assert_eq!(status["issues"][0]["code"], "backup-failed", "{status}");
    assert_eq!(status["issues"][0]["severity"], "error");
    std::fs::remove_file(&folder).unwrap();
    wait("it goes on", 40, || {
        house.run(&["room", "list"]).status.success().then_some(())
    });
    assert_eq!(key(&house), before);
    let kept: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
    assert_eq!(kept.len(), 1);
    let kept = kept[0].as_ref().unwrap().path();
    house.stop();
    house.good(&["restore", path(&kept), "--yes"]);
    house.again();
    assert_eq!(key(&house), before);
}

#[test]
fn one_controller_at_a_time_even_while_it_is_stopped() {
    let mut house = served(31_724, "");
    house.good(&["room", "create", "Northlight"]);
    let before = key(&house);
    let second = |house: &Served| {
        let output = house.run(&["serve"]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
        text(&output.stderr)
    };
    let named = format!("process {}", house.pid());
    let words = second(&house);
    assert!(
        words.contains(&named) && words.contains("Stop the other"),
        "{words}"
    );
    house.signal("STOP");
    let words = second(&house);
    assert!(words.contains(&named), "{words}");
    // A stopped one is not robbed either.
    let words = refused(&house, &["restore", "--empty", "--yes"]);
    let here = format!("works on {}", house.state.display());
    for wanted in [named.as_str(), &here, "stop it first"] {
        assert!(words.contains(wanted), "{wanted}: {words}");
    }
    // Nor does anybody wait for its answer for ever.
    let words = refused(&house, &["down", "--yes"]);
    for wanted in [named.as_str(), "does not answer", "stop it first"] {
        assert!(words.contains(wanted), "{wanted}: {words}");
    }
    house.signal("CONT");
    assert_eq!(key(&house), before);
    assert_eq!(titles(&house), ["Northlight"]);
    assert!(!house.state.join("aside").exists(), "nothing was replaced");
    // One that is gone leaves nothing behind that refuses the next.
    house.signal("KILL");
    house.again();
    assert_eq!(key(&house), before);
    assert_eq!(titles(&house), ["Northlight"]);
}

/// What the rooms are called.
fn titles(house: &Served) -> Vec<String> {
    let rooms = house.json(&["room", "list"]);
    let titles = rooms.as_array().unwrap().iter().map(|room| &room["title"]);
    let mut titles: Vec<String> = titles
        .map(|title| title.as_str().unwrap().to_owned())
        .collect();
    titles.sort();
    titles
}

/// Killed at any moment of a restore, either the old or the new is there: from
/// at once to when it ends before it is killed.
#[test]
fn a_restore_that_is_killed_leaves_the_old_or_the_new() {
    let mut house = served(31_728, "");
    house.good(&["room", "create", "Northlight"]);
    let file = house.dir.path().join("one.backup");
    house.good(&["backup", path(&file)]);
    let then = key(&house);
    let (mut delay, mut old, mut new) = (std::time::Duration::ZERO, 0, 0);
    loop {
        assert!(delay.as_secs() < 30, "it never ends: {old} {new}");
        // What the backup does not know of.
        if titles(&house) == ["Northlight"] {
            house.good(&["room", "create", "Halcyon"]);
        }
        house.good(&["room", "rotate-key", "northlight"]);
        let now = key(&house);
        house.stop();
        let mut child = Command::new(BINARY)
            .args(["restore", path(&file), "--yes", "--config"])
            .arg(&house.settings)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(delay);
        let ended = child.try_wait().unwrap();
        let _gone = child.kill();
        child.wait().unwrap();
        house.again();
        let (after, rooms) = (key(&house), titles(&house));
        if after == then {
            new += 1;
            assert_eq!(rooms, ["Northlight"], "after {delay:?}");
        } else {
            old += 1;
            assert_eq!(after, now, "after {delay:?}");
            assert_eq!(rooms, ["Halcyon", "Northlight"], "after {delay:?}");
        }
        assert!(!house.state.join("restore").join("switch.json").exists());
        if let Some(status) = ended {
            assert_eq!(status.code(), Some(0), "after {delay:?}");
            assert_eq!(after, then, "it said that it was done");
            break;
        }
        delay = delay * 3 / 2 + std::time::Duration::from_millis(1);
    }
    assert!(old > 0 && new > 0, "both were seen: {old} {new}");
}
