//! What becomes of a running controller whose database is damaged, locked or
//! robbed of its write-ahead log by somebody else: no room leaves the air, no
//! container is touched, an issue names it; and what a start on it says.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;
mod faults;

use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::issue;
use faults::house::{BOUND, House, good};
use faults::report::{Count, Report, is_full, of_full};
use rusqlite::Connection;
use serde_json::{Value, json};

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

fn database(house: &House) -> PathBuf {
    house.stack.state().join("colourstream.db")
}

fn beside(house: &House, more: &str) -> PathBuf {
    house.stack.state().join(format!("colourstream.db{more}"))
}

/// What is on the air, by Traefik's own file.
fn on_air(house: &House) -> String {
    let file = house.stack.rendered("traefik/dynamic/colourstream.yml");
    std::fs::read_to_string(file).unwrap_or_default()
}

/// Any of the names a broken store can have.
fn is_named(status: &Value) -> bool {
    ["store-failed", "database-damaged"]
        .iter()
        .any(|code| issue(status, code).is_some())
}

/// Watches for so long that nothing leaves the air, and hears the name of what
/// is wrong.
fn stays_on_air(
    house: &mut House,
    seconds: u64,
    needs_name: bool,
    mut meanwhile: impl FnMut(&House),
) -> Result<(), String> {
    let (air, runs) = (on_air(house), house.stack.runs());
    let streams: Vec<String> = faults::world::rooms(&house.stack)
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|room| room["stream"].as_str().map(str::to_owned))
        .collect();
    meanwhile(house);
    let begun = Instant::now();
    let mut named = false;
    while begun.elapsed() < Duration::from_secs(seconds) {
        if let Some(end) = house.stack.end() {
            return Err(format!("it ended: {end}\n{}", house.stack.log()));
        }
        named |= house.status().is_some_and(|status| is_named(&status));
        let now = on_air(house);
        if let Some(gone) = streams.iter().find(|stream| !now.contains(*stream)) {
            return Err(format!("{gone} left the air; before {air}, now {now}"));
        }
        pause(200);
    }
    if house.stack.runs() != runs {
        return Err("a container was touched".to_owned());
    }
    if needs_name && !named {
        return Err(format!(
            "nothing names it: {}",
            house.status().unwrap_or_default()["issues"]
        ));
    }
    Ok(())
}

/// Somebody holds the lock on writing for longer than anybody waits.
fn locked_meanwhile(house: &mut House) -> Result<(), String> {
    house.settle("a good start")?;
    house.begin();
    let other = Connection::open(database(house)).unwrap();
    other
        .execute_batch("BEGIN IMMEDIATE; CREATE TABLE theirs (a);")
        .unwrap();
    let mut made = None;
    let result = stays_on_air(house, 20, true, |house| {
        made = house
            .stack
            .api("POST", "/api/v1/rooms", &json!({"title": "While locked"}));
        // And something that has to be written down: a step.
        let file = house.stack.rendered("traefik/dynamic/zz.yml");
        std::fs::write(file, "http: {}\n").unwrap();
    });
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    result?;
    if let Some((400..=499, said)) = &made {
        return Err(format!("a person is blamed: {said}"));
    }
    house.settle("it is free again")?;
    house.until("nothing is told any more", BOUND, |status| {
        !is_named(status)
    })?;
    if let Some((201, room)) = made {
        return Err(format!("made while it was locked: {room}"));
    }
    house.world.check_but_journal(&house.stack)
}

/// Every page but the first is overwritten, and what was read before is
/// forgotten by a write of somebody else's.
fn damaged_meanwhile(house: &mut House) -> Result<(), String> {
    house.settle("a good start")?;
    house.begin();
    let other = Connection::open(database(house)).unwrap();
    other
        .execute_batch(
            "PRAGMA wal_checkpoint(TRUNCATE); BEGIN IMMEDIATE; INSERT OR REPLACE INTO meta VALUES ('theirs', 'x');",
        )
        .unwrap();
    let result = stays_on_air(house, of_full(15, 8) as u64, true, |house| {
        let path = database(house);
        let length = std::fs::metadata(&path).unwrap().len();
        let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.seek(SeekFrom::Start(4096)).unwrap();
        let count = usize::try_from(length - 4096).unwrap();
        file.write_all(&vec![0xA5; count]).unwrap();
        file.sync_all().unwrap();
        // A commit of theirs: everybody reads anew.
        let _committed = other.execute_batch("COMMIT");
    });
    drop(other);
    result?;
    // A new start says what it is, and leaves all as it is.
    let (air, runs) = (on_air(house), house.stack.runs());
    house.stack.kill();
    house.serve();
    house.until("the start names it", BOUND, |status| {
        issue(status, "database-damaged").is_some()
    })?;
    pause(6_000);
    if on_air(house) != air || house.stack.runs() != runs {
        return Err("the start on it touched something".to_owned());
    }
    Ok(())
}

/// The write-ahead log is removed below it; it works on, and is killed. The
/// next start knows that something is missing.
fn log_lost(house: &mut House) -> Result<(), String> {
    house.settle("a good start")?;
    house.begin();
    let made = house.stack.api(
        "POST",
        "/api/v1/rooms",
        &json!({"title": "In the log alone"}),
    );
    let Some((201, _)) = made else {
        return Err(format!("no room could be made: {made:?}"));
    };
    house.settle("in force")?;
    if std::fs::metadata(beside(house, "-wal")).map_or(0, |meta| meta.len()) == 0 {
        return Err("there is no log to lose".to_owned());
    }
    stays_on_air(house, 8, false, |house| {
        std::fs::remove_file(beside(house, "-wal")).unwrap();
    })?;
    let (air, runs) = (on_air(house), house.stack.runs());
    house.stack.kill();
    // Whatever it made in its place is gone with it, as a lost disk is.
    let _gone = std::fs::remove_file(beside(house, "-wal"));
    house.serve();
    let status = house.until("the start names it", BOUND, |status| {
        issue(status, "database-damaged").is_some()
    })?;
    let said = issue(&status, "database-damaged").unwrap().to_string();
    if !said.contains("log") {
        return Err(format!("it says {said}"));
    }
    pause(6_000);
    if on_air(house) != air || house.stack.runs() != runs {
        return Err("the start on it touched something".to_owned());
    }
    Ok(())
}

#[test]
fn a_store_that_is_spoilt_meanwhile_takes_nothing_off_the_air() {
    let mut house = House::new("store", 23_100);
    house.installed();
    let mut report = Report::new("store");
    let mut count = Count::of("database of a running controller").note(
        "locked by another process, damaged, its log removed: no room leaves the air, no container is touched, an issue names it; then the same for the next start",
    );
    type Case = fn(&mut House) -> Result<(), String>;
    let cases: [(&str, Case); 3] = [
        ("locked by another process", locked_meanwhile),
        ("write-ahead log removed, then killed", log_lost),
        ("damaged pages", damaged_meanwhile),
    ];
    for (name, run) in cases {
        if !is_full() && name != "damaged pages" {
            continue;
        }
        let begun = Instant::now();
        let result = run(&mut house);
        common::tell(&format!(
            "{} {:.1} s {name}",
            result.is_ok(),
            begun.elapsed().as_secs_f64()
        ));
        // Each spoils the whole house.
        if name != "damaged pages" {
            good(house.afresh());
        }
        count.case(name, result);
    }
    report.add(count);
    report.conclude();
}
