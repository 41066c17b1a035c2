//! A controller without an engine, for what it does to its own files alone.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::common;

/// A start on a busy machine.
pub const START: Duration = Duration::from_secs(90);

/// One without an engine: files and database are its work.
pub struct House {
    pub folder: tempfile::TempDir,
    base: u16,
}

impl House {
    pub fn new(base: u16) -> Self {
        let house = Self {
            folder: tempfile::tempdir().unwrap(),
            base,
        };
        house.settings("live.localhost");
        house
    }

    pub fn settings(&self, domain: &str) {
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

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
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

    /// Starts it; `script` is what is done at its points (`src/disk/points.rs`).
    pub fn serve(&self, script: &[(&str, &str)]) -> Serving {
        let log = |name| {
            let path = self.folder.path().join(name);
            std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .unwrap()
        };
        let mut command = self.command(&["serve"]);
        command
            .envs(script.iter().copied())
            .stdout(log("story"))
            .stderr(log("log"));
        Serving(command.spawn().unwrap())
    }

    /// All that it said so far.
    pub fn said(&self) -> String {
        let read = |name| std::fs::read_to_string(self.folder.path().join(name));
        read("story").unwrap_or_default() + &read("log").unwrap_or_default()
    }

    /// The status, if somebody answers.
    pub fn status(&self) -> Option<serde_json::Value> {
        let asked = common::ask_control(
            &self.state(),
            "GET",
            "/api/v1/status",
            &serde_json::Value::Null,
        );
        asked.filter(|(code, _)| *code == 200).map(|(_, body)| body)
    }

    pub fn answers(&self) -> bool {
        let asked = self
            .command(&["room", "list", "--json"])
            .stdout(Stdio::piped())
            .output();
        self.state().join("control.sock").exists() && asked.is_ok_and(|said| said.status.success())
    }

    /// Slugs of the rooms there are.
    pub fn rooms(&self) -> Vec<String> {
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

/// Makes the database of a state folder one as a controller of the first schema
/// left it.
pub fn age(state: &Path) {
    let database = rusqlite::Connection::open(state.join("colourstream.db")).unwrap();
    database
        .execute_batch("DROP TABLE backups; PRAGMA user_version = 1; UPDATE meta SET value = '0.0.9' WHERE key IN ('schema_by', 'controller'); PRAGMA wal_checkpoint(TRUNCATE);")
        .unwrap();
    // The log went into the file when that was closed: nothing of it is missed.
    drop(database);
    std::fs::remove_file(state.join("colourstream.db-open")).unwrap();
}

/// Brought up to date, with the backup from before.
pub fn is_upgraded(state: &Path) -> Result<(), String> {
    let database = rusqlite::Connection::open(state.join("colourstream.db")).unwrap();
    let schema: i64 = database
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    let kept: Vec<String> = std::fs::read_dir(state.join("backups/before-upgrade"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let good = |name: &String| name.ends_with(&format!(".{}", colourstream::backup::EXTENSION));
    if schema < 2 || !kept.iter().any(good) {
        return Err(format!("schema {schema}, backups {kept:?}"));
    }
    Ok(())
}

/// Those points of a start that are about an upgrade: what comes later it does
/// of old.
pub fn of_the_upgrade(mut points: Vec<String>) -> Vec<String> {
    let last = points
        .iter()
        .rposition(|point| point.contains("to be migrated"));
    points.truncate(last.unwrap() + 6);
    for what in ["draft made", "draft durable", "published", "draft removed"] {
        assert!(points.iter().any(|point| point.contains(what)), "{what}");
    }
    points
}

/// A controller that is served; ends with it.
pub struct Serving(pub Child);

impl Serving {
    /// Waits until it is dead, or until `done` says that it never will be.
    pub fn is_killed(&mut self, mut done: impl FnMut() -> bool) -> bool {
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

/// Runs cases side by side, each with ports of its own from `base` on; answers
/// them in their order.
pub fn side_by_side<C: Send + Sync + Clone, R: Send>(
    base: u16,
    cases: &[C],
    run: impl Fn(u16, &C) -> R + Sync,
) -> Vec<(C, R)> {
    let queue: Mutex<VecDeque<usize>> = Mutex::new((0..cases.len()).collect());
    let results: Mutex<Vec<(usize, R)>> = Mutex::default();
    std::thread::scope(|scope| {
        for lane in 0..3 {
            let (queue, results, run) = (&queue, &results, &run);
            scope.spawn(move || {
                loop {
                    let Some(at) = queue.lock().unwrap().pop_front() else {
                        break;
                    };
                    let result = run(base + lane * 100, &cases[at]);
                    results.lock().unwrap().push((at, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap();
    results.sort_by_key(|(at, _)| *at);
    results
        .into_iter()
        .map(|(at, result)| (cases[at].clone(), result))
        .collect()
}
