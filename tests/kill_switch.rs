//! The real process, ended as by `kill -9` at every point of its start, of its
//! work on rooms and of bringing an older database up to date, without an
//! engine: the state folder it leaves is one that the next start goes on with.
//!
//! Points exist in debug builds alone (`src/disk/points.rs`).

#![expect(clippy::unwrap_used)]

#[path = "faults/alone.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "shared by the suites that need no engine; not every binary uses all of it"
)]
mod alone;
mod common;
#[path = "faults/report.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::allow_attributes,
    reason = "shared by the fault suites; not every binary uses all of it"
)]
mod report;

use std::path::Path;
use std::time::{Duration, Instant};

use alone::{House, age, is_upgraded, of_the_upgrade, side_by_side};
use report::{Count, Report, of_full};

/// Points at the end of a recording that may not come again: what is done
/// after an answer is not waited for.
const LATE: usize = 2;

fn read(path: &Path) -> Option<Vec<u8>> {
    std::fs::read(path).ok()
}

/// After a kill: starts again, and says what is not as it should be.
fn goes_on(
    house: &House,
    before: Option<&[u8]>,
    rooms: &[&str],
    maybe: Option<&str>,
) -> Result<(), String> {
    let secrets = house.state().join("secrets.json");
    let left = read(&secrets);
    if left.as_ref().is_some_and(|bytes| !bytes.ends_with(b"}\n"))
        || before.is_some() && before != left.as_deref()
    {
        return Err("secrets.json is not what it was".into());
    }
    let mut serving = house.serve(&[]);
    if serving.is_killed(|| house.answers()) {
        return Err("it does not start again".into());
    }
    if left.is_some() && read(&secrets) != left {
        return Err("secrets were made anew".into());
    }
    let mut found = house.rooms();
    found.retain(|slug| maybe != Some(slug.as_str()));
    found.sort();
    if found != rooms {
        return Err(format!("rooms are {found:?}, not {rooms:?}"));
    }
    // What runs now may be in the middle of a file of its own.
    let own = format!("{}-", serving.0.id());
    let stray: Vec<_> = std::fs::read_dir(house.state().join("tmp"))
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with(&own))
        .collect();
    if !stray.is_empty() {
        return Err(format!("left over: {stray:?}"));
    }
    Ok(())
}

/// Nobody could see the engine: that is known before anything is kept.
fn is_marked(house: &House) -> Result<(), String> {
    let is_there = |name: &str| house.state().join(name).exists();
    if (is_there("colourstream.db") || is_there("secrets.json")) && !is_there("unseen") {
        return Err("nobody will know that services may be of another state".into());
    }
    Ok(())
}

/// The points that were passed, one a line.
fn recorded(list: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(list).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Kills at each of the points and counts what comes of it.
fn killed_at_each(
    count: &mut Count,
    base: u16,
    points: &[String],
    stride: usize,
    run: impl Fn(u16, usize) -> (bool, Result<(), String>) + Sync,
) {
    let all = points.len();
    let cases: Vec<usize> = (1..=all).step_by(stride).collect();
    let mut missed = 0;
    for (at, (killed, result)) in side_by_side(base, &cases, |base, at| run(base, *at)) {
        let result = match (killed, result) {
            (false, Ok(())) if at + LATE > all => {
                missed += 1;
                continue;
            }
            (false, Ok(())) => Err("the point was not reached".to_owned()),
            (_, result) => result,
        };
        count.case(&format!("point {at} of {all}: {}", points[at - 1]), result);
    }
    count.not_reached(missed);
}

/// Whether something has been so for a while: then no more is to come.
#[derive(Default)]
struct Rests(Option<Instant>);

impl Rests {
    fn is(&mut self, so: bool) -> bool {
        if !so {
            self.0 = None;
        }
        so && self.0.get_or_insert_with(Instant::now).elapsed() > Duration::from_secs(2)
    }
}

/// Whether Traefik's file, which is written last, says this.
fn is_routed(house: &House, word: &str) -> bool {
    let file = house
        .state()
        .join("rendered/traefik/dynamic/colourstream.yml");
    house.status().is_some() && std::fs::read_to_string(file).is_ok_and(|text| text.contains(word))
}

fn kill_at(at: usize) -> [(&'static str, String); 1] {
    [("COLOURSTREAM_KILL_AT", at.to_string())]
}

fn served(house: &House, script: &[(&'static str, String)]) -> alone::Serving {
    let script: Vec<(&str, &str)> = script
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    house.serve(&script)
}

#[test]
fn killed_at_any_point_of_the_first_start_the_next_goes_on() {
    let house = House::new(27_400);
    let list = house.folder.path().join("points");
    let mut serving = house.serve(&[("COLOURSTREAM_POINTS", list.to_str().unwrap())]);
    let mut rests = Rests::default();
    assert!(!serving.is_killed(|| rests.is(is_routed(&house, "http"))));
    drop(serving);
    let points = recorded(&list);
    assert!(points.len() >= 20, "{points:?}");
    for what in ["linked", "committed", "renamed", "to be migrated"] {
        assert!(points.iter().any(|point| point.contains(what)), "{what}");
    }
    let mut report = Report::new("kill-switch-process");
    let mut count = Count::of("the process killed at a write: first start")
        .note("no engine; the next start has the same secrets, whole files, nothing left over");
    killed_at_each(&mut count, 27_400, &points, of_full(1, 25), |base, at| {
        let house = House::new(base);
        // A new folder each time: the point is passed for the first time.
        let mut serving = served(&house, &kill_at(at));
        let mut rests = Rests::default();
        let killed = serving.is_killed(|| rests.is(is_routed(&house, "http")));
        drop(serving);
        (
            killed,
            is_marked(&house).and_then(|()| goes_on(&house, None, &[], None)),
        )
    });
    report.add(count);
    report.conclude();
}

/// A second start on other names, and a room: perhaps killed somewhere in it.
/// Answers whether it was, and whether the room was answered.
fn second_start(house: &House, script: &[(&'static str, String)]) -> (bool, bool) {
    house.settings("other.localhost");
    let mut serving = served(house, script);
    let mut asked = None;
    let mut rests = Rests::default();
    let killed = serving.is_killed(|| {
        // When the other names are out, or what is written would be now one
        // file for both, now two.
        if asked.is_none() && is_routed(house, "other.localhost") {
            let created = house.command(&["room", "create", "Perhaps"]).status();
            asked = created.unwrap().success().then_some(());
        }
        asked.is_some() && rests.is(is_routed(house, "perhaps"))
    });
    (killed, asked.is_some())
}

/// A state folder with a room in it, as `kill -9` leaves it: when all of its
/// files are out, or the next start would have now more to do and now less.
fn kept_state(base: u16) -> House {
    let house = House::new(base);
    let mut serving = house.serve(&[]);
    assert!(!serving.is_killed(|| house.answers()));
    let made = house.command(&["room", "create", "Kept"]).status().unwrap();
    assert!(made.success());
    let mut rests = Rests::default();
    assert!(!serving.is_killed(|| rests.is(is_routed(&house, "kept"))));
    house
}

#[test]
fn killed_at_any_point_of_its_work_the_next_start_goes_on() {
    let house = kept_state(27_700);
    let list = house.folder.path().join("points");
    let script = [("COLOURSTREAM_POINTS", list.display().to_string())];
    assert_eq!(second_start(&house, &script), (false, true));
    let points = recorded(&list);
    assert!(points.len() >= 20, "{points:?}");
    let mut report = Report::new("kill-switch-work");
    let mut count = Count::of("the process killed at a write: rooms and another certificate")
        .note("rooms that were answered are there");
    killed_at_each(&mut count, 27_700, &points, of_full(1, 13), |base, at| {
        let house = kept_state(base);
        let secrets = read(&house.state().join("secrets.json"));
        let (killed, asked) = second_start(&house, &kill_at(at));
        let mut rooms = vec!["kept"];
        if asked {
            rooms.push("perhaps");
        }
        let maybe = (!asked).then_some("perhaps");
        (killed, goes_on(&house, secrets.as_deref(), &rooms, maybe))
    });
    report.add(count);
    report.conclude();
}

/// A state folder as a controller of the first schema left it.
fn old_state(base: u16) -> House {
    let house = kept_state(base);
    age(&house.state());
    house
}

#[test]
fn killed_at_any_point_of_an_upgrade_the_next_start_goes_on() {
    let house = old_state(28_000);
    let list = house.folder.path().join("points");
    let mut serving = house.serve(&[("COLOURSTREAM_POINTS", list.to_str().unwrap())]);
    assert!(!serving.is_killed(|| house.answers()));
    drop(serving);
    is_upgraded(&house.state()).unwrap();
    // What it does of old is killed elsewhere.
    let points = of_the_upgrade(recorded(&list));
    let mut report = Report::new("kill-switch-upgrade");
    let mut count = Count::of("the process killed at a write: an upgrade").note(
        "the database of an older version, its backup, then the migration; rooms and secrets stay",
    );
    killed_at_each(&mut count, 28_000, &points, of_full(1, 9), |base, at| {
        let house = old_state(base);
        let secrets = read(&house.state().join("secrets.json"));
        let mut serving = served(&house, &kill_at(at));
        let mut rests = Rests::default();
        let killed = serving.is_killed(|| rests.is(is_routed(&house, "http")));
        drop(serving);
        let result = goes_on(&house, secrets.as_deref(), &["kept"], None);
        (killed, result.and_then(|()| is_upgraded(&house.state())))
    });
    report.add(count);
    report.conclude();
}
