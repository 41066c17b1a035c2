//! The disk is full from any write on: the real process, without an engine, on
//! a small file system of its own, is stopped at each of its points while that
//! is filled, and let go on. It says what is wrong, what it answered holds, and
//! it goes on by itself once there is room.
//!
//! Needs root. Points exist in debug builds alone (`src/disk/points.rs`).

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

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use alone::{House, START, Serving, age, is_upgraded, of_the_upgrade, side_by_side};
use report::{Count, Report, is_full, of_full};
use serde_json::{Value, json};

/// Issues that name it.
const NAMES: [&str; 3] = ["state-unwritable", "store-failed", "backup-failed"];

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// A house whose state folder is a small file system.
struct Small {
    house: House,
    state: PathBuf,
}

impl Small {
    fn new(base: u16) -> Self {
        let house = House::new(base);
        let state = house.state();
        std::fs::create_dir_all(&state).unwrap();
        let said = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs"])
            .arg(&state)
            .output()
            .unwrap();
        assert!(
            said.status.success(),
            "a file system of its own needs root: {}",
            String::from_utf8_lossy(&said.stderr)
        );
        Self { house, state }
    }

    /// Leaves not one byte free.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.state.join("ballast")).unwrap();
        let page = [0; 4096];
        while file.write_all(&page).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.state.join("ballast")).unwrap();
    }

    /// Is served, and has a room.
    fn with_a_room(&self) -> Serving {
        let mut serving = self.house.serve(&[]);
        assert!(!serving.is_killed(|| self.house.answers()));
        assert!(end(self.create("Kept")));
        serving
    }

    /// A call of somebody else's, answered or not.
    fn create(&self, title: &str) -> Child {
        self.house
            .command(&["room", "create", title])
            .spawn()
            .unwrap()
    }

    /// Which of the issues is told.
    fn named(&self) -> Option<String> {
        let status = self.house.status()?;
        NAMES
            .iter()
            .find(|code| common::issue(&status, code).is_some())
            .map(|code| (*code).to_owned())
    }

    /// Whether the room has its route.
    fn is_routed(&self, slug: &str) -> bool {
        let file = self.state.join("rendered/traefik/dynamic/colourstream.yml");
        std::fs::read_to_string(file).is_ok_and(|text| text.contains(slug))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _gone = Command::new("umount").arg("-l").arg(&self.state).status();
    }
}

/// Whether a process is stopped.
fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    state.trim_start().starts_with('T')
}

fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status();
    assert!(sent.unwrap().success());
}

fn ended(serving: &mut Serving) -> bool {
    serving.0.try_wait().unwrap().is_some()
}

/// How a command that somebody gave ended, within a bound.
fn end(mut child: Child) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < START {
        if let Some(status) = child.try_wait().unwrap() {
            return status.success();
        }
        pause(50);
    }
    let _gone = child.kill();
    let _gone = child.wait();
    false
}

/// What is under way when the disk is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    FirstStart,
    Room,
    Upgrade,
}

/// Brings a house to where its work begins.
fn prepared(base: u16, work: Work) -> Small {
    let small = Small::new(base);
    if work != Work::FirstStart {
        drop(small.with_a_room());
    }
    match work {
        Work::FirstStart => {}
        Work::Room => small.house.settings("other.localhost"),
        Work::Upgrade => age(&small.state),
    }
    small
}

/// Begins the work; somebody makes a room as soon as anybody answers. Waits
/// until it is stopped, or has done it all.
fn begun(small: &Small, work: Work, script: &[(&str, &str)]) -> (Serving, Option<Child>, bool) {
    let mut serving = small.house.serve(script);
    let mut asked = None;
    let mut since = None;
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < START, "neither stopped nor done");
        if is_stopped(serving.0.id()) {
            return (serving, asked, true);
        }
        if ended(&mut serving) {
            return (serving, asked, false);
        }
        // When the other names are out, or what is written would be now one
        // file for both, now two.
        if asked.is_none() && work == Work::Room && small.is_routed("other.localhost") {
            asked = Some(small.create("Perhaps"));
        }
        let done = match work {
            Work::Room => small.is_routed("perhaps"),
            // Its files come after its first answer, this one last.
            Work::FirstStart | Work::Upgrade => {
                small.house.status().is_some() && small.is_routed("http")
            }
        };
        if done {
            let since = *since.get_or_insert_with(Instant::now);
            if since.elapsed() > Duration::from_millis(2_000) {
                return (serving, asked, false);
            }
        }
        pause(20);
    }
}

/// One point: full from there on; the one numbered 0 is before the first write.
/// Answers whether it was reached, and what is wrong.
fn full_at(base: u16, work: Work, at: usize) -> (bool, Result<(), String>) {
    let small = prepared(base, work);
    let secrets = std::fs::read(small.state.join("secrets.json")).ok();
    let (mut serving, asked) = if at == 0 {
        small.fill();
        (small.house.serve(&[]), None)
    } else {
        let script = [("COLOURSTREAM_STOP_AT", at.to_string())];
        let script = script.each_ref().map(|(name, at)| (*name, at.as_str()));
        let (serving, asked, stopped) = begun(&small, work, &script);
        if !stopped {
            let _end = asked.map(end);
            return (false, Ok(()));
        }
        small.fill();
        signal(serving.0.id(), "-CONT");
        (serving, asked)
    };
    let perhaps = asked.is_some_and(end);
    let result = is_told(&small, &mut serving)
        .and_then(|made| goes_on(&small, &mut serving, made, perhaps, secrets.as_deref()))
        .and_then(|()| match work {
            Work::Upgrade => is_upgraded(&small.state),
            _ => Ok(()),
        });
    (
        true,
        result.map_err(|why| format!("{why}\n{}", small.house.said())),
    )
}

/// While it is full: a room can be made and has its route, or something names
/// what is wrong. Answers whether the room was answered.
fn is_told(small: &Small, serving: &mut Serving) -> Result<bool, String> {
    let begun = Instant::now();
    let mut made = false;
    let mut refused = String::new();
    while begun.elapsed() < Duration::from_secs(25) {
        if ended(serving) {
            // Who cannot even begin says why at its end.
            let said = small.house.said();
            return if said.contains("no space left") || said.contains("is full") {
                Ok(made)
            } else {
                Err("it ended without naming it".to_owned())
            };
        }
        if small.named().is_some() {
            return Ok(made);
        }
        if !made && let Some((status, body)) = ask(small, &json!({"title": "Full"})) {
            made = status == 201;
            if matches!(status, 400..=499) {
                return Err(format!("a person is blamed: {status} {body}"));
            }
            // Who asks is told: nothing else had to be written meanwhile.
            if status == 507 && body["type"] == "no-space" {
                return Ok(made);
            }
            refused = body.to_string();
        }
        if made && small.is_routed("full") {
            return Ok(made);
        }
        pause(100);
    }
    Err(format!(
        "nothing names it: room made {made} {refused}, status {:?}",
        small.house.status()
    ))
}

fn ask(small: &Small, body: &Value) -> Option<(u16, Value)> {
    common::ask_control(&small.state, "POST", "/api/v1/rooms", body)
}

/// There is room again: it goes on by itself, with all that was answered.
fn goes_on(
    small: &Small,
    serving: &mut Serving,
    full: bool,
    perhaps: bool,
    secrets: Option<&[u8]>,
) -> Result<(), String> {
    small.free();
    if ended(serving) {
        *serving = small.house.serve(&[]);
    }
    let begun = Instant::now();
    let mut after = false;
    while !(after && small.is_routed("after") && small.named().is_none()) {
        if begun.elapsed() > Duration::from_secs(40) {
            return Err(format!(
                "not well again: made {after}, named {:?}, status {:?}",
                small.named(),
                small.house.status()
            ));
        }
        after =
            after || ask(small, &json!({"title": "After"})).is_some_and(|(code, _)| code == 201);
        pause(200);
    }
    if secrets.is_some()
        && std::fs::read(small.state.join("secrets.json"))
            .ok()
            .as_deref()
            != secrets
    {
        return Err("secrets were made anew".to_owned());
    }
    let rooms = small.house.rooms();
    let kept = secrets.is_some();
    for (slug, answered) in [("kept", kept), ("full", full), ("perhaps", perhaps)] {
        if answered && !rooms.iter().any(|room| room == slug) {
            return Err(format!("{slug} was answered and is lost: {rooms:?}"));
        }
    }
    let stray: Vec<_> = std::fs::read_dir(small.state.join("tmp"))
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    if !stray.is_empty() {
        return Err(format!("left over: {stray:?}"));
    }
    Ok(())
}

/// What is at each of its points, 0 among them.
fn counted(
    count: &mut Count,
    base: u16,
    points: &[String],
    stride: usize,
    run: impl Fn(u16, usize) -> (bool, Result<(), String>) + Sync,
) {
    let all = points.len();
    let cases: Vec<usize> = (0..=all).step_by(stride).collect();
    let mut missed = 0;
    for (at, (reached, result)) in side_by_side(base, &cases, |base, at| run(base, *at)) {
        let result = match (reached, result) {
            // What is done after an answer is not waited for.
            (false, Ok(())) if at + 2 > all => {
                missed += 1;
                continue;
            }
            (false, Ok(())) => Err("the point was not reached".to_owned()),
            (_, result) => result,
        };
        let name = match at {
            0 => "before the first".to_owned(),
            at => format!("point {at} of {all}: {}", points[at - 1]),
        };
        count.case(&name, result);
    }
    count.not_reached(missed);
}

fn recorded(list: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(list).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// One work, recorded and then stopped at each of its points, or at each
/// `stride`th of a sample.
fn full_during(work: Work, base: u16, stride: usize) -> Count {
    let small = prepared(base, work);
    let list = small.house.folder.path().join("points");
    let (serving, asked, _) = begun(
        &small,
        work,
        &[("COLOURSTREAM_POINTS", list.to_str().unwrap())],
    );
    assert!(asked.is_none_or(end));
    drop(serving);
    let mut points = recorded(&list);
    if work == Work::Upgrade {
        is_upgraded(&small.state).unwrap();
        points = of_the_upgrade(points);
    }
    drop(small);
    assert!(points.len() >= 20, "{points:?}");
    let mut count = Count::of(&format!("disk full from a write on: {work:?}"))
        .note("no engine; its file system is full from before the first write on, or stopped at each write, commit and rename while that is filled; named or all done, then well again by itself");
    counted(&mut count, base, &points, of_full(1, stride), |base, at| {
        full_at(base, work, at)
    });
    count
}

#[test]
fn full_from_any_write_on_it_is_named_and_nothing_is_lost() {
    let mut report = Report::new("disk-full");
    // Two ranges of ports, and so two lanes: each spends much of its time
    // waiting for what must not come.
    let ([start, upgrade], room) = std::thread::scope(|scope| {
        let room = scope.spawn(|| full_during(Work::Room, 28_600, 60));
        let others = [(Work::FirstStart, 64), (Work::Upgrade, 14)]
            .map(|(work, stride)| full_during(work, 28_300, stride));
        (others, room.join().unwrap())
    });
    for count in [start, room, upgrade] {
        report.add(count);
    }
    restores(&mut report);
    let mut count = Count::of("disk full while a backup is made")
        .note("refused with a word or named as an issue, nothing half is left, and made once there is room");
    count.case("a backup that is asked for", backup_on_a_full_disk());
    if is_full() {
        count.case("the daily one", daily_on_a_full_disk());
    }
    report.add(count);
    report.conclude();
}

/// A state folder with two rooms, and a backup that knows one of them. Nobody
/// serves it: killed, what is new is in the log alone.
fn with_a_backup(base: u16) -> (Small, PathBuf) {
    let small = Small::new(base);
    let serving = small.with_a_room();
    let file = small.house.folder.path().join("one.backup");
    let made = small.house.command(&["backup", file.to_str().unwrap()]);
    assert!(end({ made }.spawn().unwrap()));
    assert!(end(small.create("Later")));
    drop(serving);
    (small, file)
}

fn restore(small: &Small, file: &Path, script: &[(&str, &str)]) -> Child {
    let words = small.house.folder.path().join("words");
    small
        .house
        .command(&["restore", file.to_str().unwrap(), "--yes"])
        .envs(script.iter().copied())
        .stderr(std::fs::File::create(words).unwrap())
        .spawn()
        .unwrap()
}

fn restores(report: &mut Report) {
    let base = 28_600;
    let (small, file) = with_a_backup(base);
    let list = small.house.folder.path().join("points");
    let script = [("COLOURSTREAM_POINTS", list.to_str().unwrap())];
    assert!(end(restore(&small, &file, &script)));
    let points = recorded(&list);
    drop(small);
    for what in ["laid out", "switch in place", "set aside", "put in place"] {
        assert!(points.iter().any(|point| point.contains(what)), "{what}");
    }
    let mut count = Count::of("disk full from a write on: Restore").note(
        "the command is stopped at each write while the file system is filled; it says so or is done, the next start has the old state or the new one whole, and with room again it goes through; the old state lies aside",
    );
    counted(&mut count, base, &points, of_full(1, 15), restore_full_at);
    report.add(count);
}

/// One point of a restore: full from there on.
fn restore_full_at(base: u16, at: usize) -> (bool, Result<(), String>) {
    let (small, file) = with_a_backup(base);
    let secrets = std::fs::read(small.state.join("secrets.json")).unwrap();
    let child = if at == 0 {
        small.fill();
        restore(&small, &file, &[])
    } else {
        let at = at.to_string();
        let mut child = restore(&small, &file, &[("COLOURSTREAM_STOP_AT", &at)]);
        let begun = Instant::now();
        while !is_stopped(child.id()) {
            if child.try_wait().unwrap().is_some() {
                return (false, Ok(()));
            }
            assert!(begun.elapsed() < START, "neither stopped nor done");
            pause(10);
        }
        small.fill();
        signal(child.id(), "-CONT");
        child
    };
    let done = end(child);
    let words = std::fs::read_to_string(small.house.folder.path().join("words")).unwrap();
    small.free();
    let result = if done || words.contains("no space left") || words.contains("is full") {
        is_old_or_new(&small, &file, done, &secrets)
    } else {
        Err("it ended without naming it".to_owned())
    };
    (
        true,
        result.map_err(|why| format!("{why}\n{words}\n{}", small.house.said())),
    )
}

/// The rooms that the next start finds, which it must.
fn found(small: &Small) -> Result<Vec<String>, String> {
    let mut serving = small.house.serve(&[]);
    if serving.is_killed(|| small.house.answers()) {
        return Err("it does not start".to_owned());
    }
    let mut rooms = small.house.rooms();
    rooms.sort();
    Ok(rooms)
}

fn is_old_or_new(small: &Small, file: &Path, done: bool, secrets: &[u8]) -> Result<(), String> {
    let rooms = found(small)?;
    if rooms != ["kept"] && (done || rooms != ["kept", "later"]) {
        return Err(format!("done {done}, and rooms are {rooms:?}"));
    }
    if std::fs::read(small.state.join("secrets.json"))
        .ok()
        .as_deref()
        != Some(secrets)
    {
        return Err("secrets are not what they were".to_owned());
    }
    if !end(restore(small, file, &[])) {
        return Err("with room again it fails".to_owned());
    }
    let rooms = found(small)?;
    if rooms != ["kept"] {
        return Err(format!("after the second: {rooms:?}"));
    }
    // What was replaced is kept, with what only it knew.
    let knows_later = |folder: PathBuf| {
        let database = rusqlite::Connection::open(folder.join("colourstream.db")).ok()?;
        let query = "SELECT count(*) FROM rooms WHERE slug = 'later'";
        let count: i64 = database.query_row(query, [], |row| row.get(0)).ok()?;
        Some(count == 1)
    };
    let mut aside = std::fs::read_dir(small.state.join("aside"))
        .into_iter()
        .flatten()
        .flatten();
    if !aside.any(|one| knows_later(one.path()) == Some(true)) {
        return Err("the state of before is lost".to_owned());
    }
    for left in ["restore", "tmp"] {
        let folder = std::fs::read_dir(small.state.join(left));
        let names: Vec<_> = folder
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name())
            .collect();
        if !names.is_empty() {
            return Err(format!("left over in {left}: {names:?}"));
        }
    }
    Ok(())
}

/// The one that is made by itself, a minute after a start.
fn daily_on_a_full_disk() -> Result<(), String> {
    let small = prepared(28_300, Work::Room);
    // As after a start that saw the engine: until then none is made.
    std::fs::remove_file(small.state.join("unseen")).unwrap();
    let mut serving = small.house.serve(&[]);
    assert!(!serving.is_killed(|| small.house.answers()));
    small.fill();
    let is_named = || {
        let status = small.house.status();
        status.is_some_and(|status| common::issue(&status, "backup-failed").is_some())
    };
    let begun = Instant::now();
    while !is_named() {
        if begun.elapsed() > Duration::from_secs(120) {
            return Err(format!("not named: {:?}", small.house.status()));
        }
        pause(500);
    }
    let left: Vec<_> = std::fs::read_dir(small.state.join("backups"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    small.free();
    if !left.is_empty() {
        return Err(format!("left over: {left:?}"));
    }
    // Without anybody: from the next start on, as a day later.
    drop(serving);
    let mut serving = small.house.serve(&[]);
    assert!(!serving.is_killed(|| small.house.answers()));
    let begun = Instant::now();
    let made = || {
        small
            .house
            .status()
            .map(|status| status["backup"]["last"].clone())
    };
    while is_named() || made().is_none_or(|made| made.is_null()) {
        if begun.elapsed() > Duration::from_secs(120) {
            return Err(format!("with room again: {:?}", small.house.status()));
        }
        pause(500);
    }
    if small.house.rooms() != ["kept"] {
        return Err("the room is lost".to_owned());
    }
    Ok(())
}

fn backup_on_a_full_disk() -> Result<(), String> {
    let small = prepared(28_300, Work::Room);
    let mut serving = small.house.serve(&[]);
    assert!(!serving.is_killed(|| small.house.answers()));
    let files = || -> Vec<_> {
        std::fs::read_dir(small.state.join("backups"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name())
            .collect()
    };
    let before = files();
    small.fill();
    let ask = || common::ask_control(&small.state, "POST", "/api/v1/backups", &json!({}));
    let refused = ask();
    let left = files();
    small.free();
    match &refused {
        Some((500..=599, body)) if body.to_string().contains("is full") => {}
        other => return Err(format!("it says {other:?}")),
    }
    if left != before {
        return Err(format!("left over: {left:?}"));
    }
    let made = ask();
    if !matches!(made, Some((201, _))) || files().len() <= before.len() {
        return Err(format!("with room again: {made:?}"));
    }
    Ok(())
}
