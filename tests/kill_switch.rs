//! The real process, ended as by `kill -9` at every point of its start and of
//! its work on rooms, without an engine: the state folder it leaves is one
//! that the next start goes on with.
//!
//! Points exist in debug builds alone (`src/disk/points.rs`).

#![expect(clippy::unwrap_used)]

#[path = "faults/report.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::allow_attributes,
    reason = "shared by the fault suites; not every binary uses all of it"
)]
mod report;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use report::{Count, Report, of_full};

/// A start on a busy machine.
const START: Duration = Duration::from_secs(30);

struct House {
    folder: tempfile::TempDir,
    base: u16,
}

impl House {
    fn new(base: u16) -> Self {
        let house = Self {
            folder: tempfile::tempdir().unwrap(),
            base,
        };
        house.settings("live.localhost");
        house
    }

    fn settings(&self, domain: &str) {
        let port = |offset: u16| self.base + offset;
        let text = format!(
            "state: ./state\nengine: unix://{}/none.sock\ndomain: {domain}\ntls: local-ca\npublic_address: 127.0.0.1\n\
             ports: {{bind: 127.0.0.1, http: {}, https: {}, rtmp: {}, srt: {}, relay: {}, ice_udp: {}-{}, ice_tcp: {}, call: {}-{}, pages: {}, internal: {}}}\n",
            self.folder.path().display(),
            port(0),
            port(1),
            port(2),
            port(3),
            port(4),
            port(10),
            port(13),
            port(10),
            port(20),
            port(21),
            port(5),
            port(6),
        );
        std::fs::write(self.folder.path().join("colourstream.yaml"), text).unwrap();
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_colourstream"));
        command
            .args(["--config", "colourstream.yaml"])
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("COLOURSTREAM_STATE")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn serve(&self, kill_at: Option<u64>, list: Option<&Path>) -> Serving {
        let mut command = self.command(&["serve"]);
        if let Some(number) = kill_at {
            command.env("COLOURSTREAM_KILL_AT", number.to_string());
        }
        if let Some(list) = list {
            command.env("COLOURSTREAM_POINTS", list);
        }
        Serving(command.spawn().unwrap())
    }

    fn answers(&self) -> bool {
        let asked = self
            .command(&["room", "list", "--json"])
            .stdout(Stdio::piped())
            .output();
        self.state().join("control.sock").exists() && asked.is_ok_and(|said| said.status.success())
    }

    /// Slugs of the rooms there are.
    fn rooms(&self) -> Vec<String> {
        let said = self
            .command(&["room", "list", "--json"])
            .stdout(Stdio::piped())
            .output()
            .unwrap();
        let list: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap_or_default();
        let items = list
            .as_array()
            .or_else(|| list["items"].as_array())
            .cloned()
            .unwrap_or_default();
        items
            .iter()
            .map(|room| room["slug"].as_str().unwrap().to_owned())
            .collect()
    }
}

struct Serving(Child);

impl Serving {
    /// Waits until it is dead, or until `done` says that it never will be.
    fn is_killed(&mut self, mut done: impl FnMut() -> bool) -> bool {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                use std::os::unix::process::ExitStatusExt as _;
                assert_eq!(status.signal(), Some(9), "it ended by itself: {status}");
                return true;
            }
            if done() {
                return false;
            }
            assert!(begun.elapsed() < START, "neither killed nor serving");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

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
    let mut serving = house.serve(None, None);
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

#[test]
fn killed_at_any_point_the_next_start_goes_on() {
    let house = House::new(27_400);
    let list = house.folder.path().join("points");
    let mut serving = house.serve(None, Some(&list));
    assert!(!serving.is_killed(|| house.answers()));
    std::thread::sleep(Duration::from_millis(1_500));
    drop(serving);
    let points = std::fs::read_to_string(&list).unwrap();
    let all = points.lines().count();
    assert!(all >= 20, "{points}");
    assert!(
        points.contains("linked") && points.contains("committed") && points.contains("renamed"),
        "{points}"
    );

    let mut report = Report::new("kill-switch-process");
    let mut first = Count::of("the process killed at a write: first start")
        .note("no engine; the next start has the same secrets, whole files, nothing left over");
    for at in (1..=all).step_by(of_full(1, 12)) {
        let house = House::new(27_400);
        // A new folder each time: the point is passed for the first time.
        let mut serving = house.serve(Some(at as u64), None);
        let begun = Instant::now();
        let killed = serving.is_killed(|| begun.elapsed() > Duration::from_secs(8));
        drop(serving);
        let result = if killed || at + 4 > all {
            goes_on(&house, None, &[], None)
        } else {
            Err(format!("point {at} was not reached"))
        };
        first.case(
            &format!(
                "point {at} of {all}: {}",
                points.lines().nth(at - 1).unwrap_or_default()
            ),
            result,
        );
    }
    report.add(first);

    let mut work = Count::of("the process killed at a write: rooms and another certificate")
        .note("rooms that were answered are there");
    let stride = of_full(1, 4);
    for at in (1..=28_u64).step_by(stride) {
        let house = House::new(27_400);
        let mut serving = house.serve(None, None);
        assert!(!serving.is_killed(|| house.answers()));
        let made = house.command(&["room", "create", "Kept"]).status().unwrap();
        assert!(made.success());
        drop(serving);
        let secrets = read(&house.state().join("secrets.json"));
        // A second start on other names, and a room: killed somewhere in it.
        house.settings("other.localhost");
        let mut serving = house.serve(Some(at), None);
        let mut asked = false;
        let begun = Instant::now();
        let killed = serving.is_killed(|| {
            if !asked && house.state().join("control.sock").exists() {
                asked = house
                    .command(&["room", "create", "Perhaps"])
                    .status()
                    .unwrap()
                    .success();
            }
            begun.elapsed() > Duration::from_secs(6)
        });
        drop(serving);
        let mut rooms = vec!["kept"];
        if asked {
            rooms.push("perhaps");
        }
        let maybe = (!asked).then_some("perhaps");
        let result = goes_on(&house, secrets.as_deref(), &rooms, maybe);
        let name = format!(
            "point {at}{}",
            if killed {
                ""
            } else {
                ", which this start did not reach"
            }
        );
        work.case(&name, result);
    }
    report.add(work);
    report.conclude();
}
