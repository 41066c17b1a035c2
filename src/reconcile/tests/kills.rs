//! Killed at every write, rename and commit. A kill leaves the state folder as
//! it is at that moment, so that is what is kept: the folder is copied there
//! and then, whatever is done afterwards is thrown away, and a new controller
//! starts on the copy beside the engine as it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::fixture::*;
use crate::disk::points::watch;
use crate::disk::{Disk, StateLock, load_or_create_secrets};
use crate::model::{PublishKey, Room, Secret, Slug, StreamName};
use crate::reconcile::Trigger;
use crate::report::{Count, Report, of_full};
use crate::store::{Store, StoreError, Visits};

/// With a certificate of our own, which is written like everything else.
const SECURE: &str = "domain: live.localhost\ntls: local-ca\npublic_address: 192.0.2.7\n";
/// Other names, so another certificate.
const RENAMED: &str = "domain: other.localhost\ntls: local-ca\npublic_address: 192.0.2.7\n";

/// What is done while the kill strikes.
#[derive(Clone, Copy, Debug)]
enum Work {
    FirstStart,
    Settings,
    Rooms,
    Keys,
    Certificate,
    Heal,
}

const WORKS: [Work; 6] = [
    Work::FirstStart,
    Work::Settings,
    Work::Rooms,
    Work::Keys,
    Work::Certificate,
    Work::Heal,
];

/// Rooms as they may be: those that were committed for certain, and the one
/// edit that may or may not have been.
#[derive(Clone, Default)]
struct Rooms {
    sure: BTreeMap<String, Room>,
    maybe: BTreeMap<String, Option<Room>>,
}

/// Counts the points, and strikes at one.
struct Switch {
    passed: Arc<AtomicUsize>,
    what: Arc<Mutex<String>>,
    copy: PathBuf,
    _watch: watch::Watch,
}

impl Switch {
    /// Strikes at the point `at` from now on; 0 = never.
    fn on(stage: &Stage, at: usize) -> Self {
        let state = stage.folder().join("state");
        let copy = stage.folder().join("left");
        let (passed, what) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::<Mutex<String>>::default(),
        );
        let (count, said, from, to) = (
            Arc::clone(&passed),
            Arc::clone(&what),
            state.clone(),
            copy.clone(),
        );
        let guard = Arc::clone(&stage.guard);
        let watch = watch::below(&state, move |what, path| {
            if count.fetch_add(1, Ordering::SeqCst) + 1 == at {
                copy_folder(&from, &to);
                *said.lock().unwrap() = format!(
                    "{what} {}",
                    path.strip_prefix(&from).unwrap_or(path).display()
                );
                guard.stop();
            }
        });
        Self {
            passed,
            what,
            copy,
            _watch: watch,
        }
    }

    fn has_struck(&self) -> bool {
        self.copy.exists()
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (kind, to) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy_folder(&entry.path(), &to);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// As `serve` begins.
fn begin(stage: &mut Stage) -> Option<StateLock> {
    let state = stage.folder().join("state");
    let disk = Disk::open(&state).unwrap();
    let lock = StateLock::acquire(&state, stage.now(), "1").unwrap();
    disk.clear_tmp(&lock);
    stage.secrets = load_or_create_secrets(&disk, &lock, None).unwrap();
    stage.store = Arc::new(Store::open(&state.join("colourstream.db"), "1").unwrap());
    for name in [
        "traefik/dynamic",
        "traefik/certs",
        "ovenmediaengine",
        "mirotalk",
    ] {
        disk.ensure_folder(&Path::new("rendered").join(name), 0o755, None)
            .unwrap();
    }
    stage.disk = Arc::new(disk);
    stage.restart();
    Some(lock)
}

/// A stage that has not begun.
fn empty() -> Stage {
    let mut stage = Stage::new(SECURE);
    stage.controller = None;
    stage.store = Arc::new(Store::in_memory().unwrap());
    std::fs::remove_dir_all(stage.folder().join("state")).unwrap();
    stage
}

fn entropy(number: u8) -> Secret<[u8; 32]> {
    Secret::new([number; 32])
}

impl Work {
    async fn prepare(self, stage: &mut Stage) -> (Option<StateLock>, Rooms) {
        let mut rooms = Rooms::default();
        if matches!(self, Self::FirstStart) {
            return (None, rooms);
        }
        let lock = begin(stage);
        for number in 1..3 {
            stage.store.insert_room(&room(number), stage.now()).unwrap();
            rooms.sure.insert(room(number).id.to_string(), room(number));
        }
        stage.settle().await;
        (lock, rooms)
    }

    async fn run(self, stage: &mut Stage, rooms: &mut Rooms, switch: &Switch) -> Option<StateLock> {
        let mut lock = None;
        match self {
            Self::FirstStart => {
                lock = begin(stage);
                pass_on(stage).await;
            }
            Self::Settings => {
                stage.write_settings(&format!("{SECURE}trusted_proxies: [10.0.0.0/8]\nports: {{http: 8090, https: 8453, rtmp: 1945}}\n"));
                pass_on(stage).await;
            }
            Self::Certificate => {
                stage.write_settings(RENAMED);
                pass_on(stage).await;
            }
            Self::Rooms => {
                edit(stage, rooms, switch, 3, |store, now| {
                    store.insert_room(&room(3), now)
                });
                pass_on(stage).await;
                edit(stage, rooms, switch, 1, |store, now| {
                    change(store, 1, now, |room| room.slug = Slug::kept("named-anew"))
                });
                pass_on(stage).await;
                edit(stage, rooms, switch, 2, |store, now| {
                    change(store, 2, now, |room| room.archived = true)
                });
                edit(stage, rooms, switch, 2, |store, _| {
                    store.delete_room(&room(2).id, None).map(drop)
                });
                pass_on(stage).await;
            }
            Self::Keys => {
                edit(stage, rooms, switch, 1, |store, now| {
                    change(store, 1, now, |room| {
                        room.key = PublishKey::new(&entropy(77))
                    })
                });
                pass_on(stage).await;
                edit(stage, rooms, switch, 1, |store, now| {
                    change(store, 1, now, |room| {
                        room.stream = StreamName::new(&entropy(78))
                    })
                });
                pass_on(stage).await;
            }
            Self::Heal => {
                let rendered = stage.disk.rendered();
                std::fs::write(rendered.join("traefik/dynamic/colourstream.yml"), "?").unwrap();
                std::fs::write(rendered.join("mirotalk/extra"), "?").unwrap();
                std::fs::write(rendered.join("traefik/dynamic/extra.yml"), "?").unwrap();
                pass_on(stage).await;
            }
        }
        lock
    }
}

/// Some passes; one that is killed in it never ends by itself.
async fn pass_on(stage: &mut Stage) {
    for triggers in [
        &[Trigger::Settings][..],
        &[Trigger::Recheck],
        &[Trigger::Recheck],
    ] {
        let Some(controller) = &mut stage.controller else {
            return;
        };
        tokio::select! {
            biased;
            _ = controller.pass(triggers) => {}
            () = stage.guard.stopped() => return,
        }
        tokio::time::advance(Duration::from_millis(300)).await;
    }
}

fn change(
    store: &Store,
    number: u8,
    now: jiff::Timestamp,
    edit: impl FnOnce(&mut Room),
) -> Result<(), StoreError> {
    let changed = store.change_room(&room(number).id, None, now, |room| {
        edit(room);
        Ok(Visits::Keep)
    });
    changed.map(drop)
}

/// An edit of a room: whoever asked has an answer, or was cut off.
fn edit(
    stage: &Stage,
    rooms: &mut Rooms,
    switch: &Switch,
    number: u8,
    act: impl FnOnce(&Store, jiff::Timestamp) -> Result<(), StoreError>,
) {
    if switch.has_struck() {
        return;
    }
    let id = room(number).id;
    act(&stage.store, stage.now()).unwrap();
    let after = stage.store.room(&id).ok();
    if switch.has_struck() {
        rooms.maybe.insert(id.to_string(), after);
    } else if let Some(after) = after {
        rooms.sure.insert(id.to_string(), after);
    } else {
        rooms.sure.remove(id.as_str());
    }
}

/// One kill; says what is wrong.
async fn killed(work: Work, at: usize) -> Result<String, String> {
    let mut stage = empty();
    let (lock, mut rooms) = work.prepare(&mut stage).await;
    let secrets = std::fs::read(stage.folder().join("state/secrets.json")).ok();
    let switch = Switch::on(&stage, at);
    let other = work.run(&mut stage, &mut rooms, &switch).await;
    let what = switch.what.lock().unwrap().clone();
    if !switch.has_struck() {
        return Err(format!("there is no point {at}"));
    }
    // The process is gone, and with it its locks and everything it did since.
    let copy = switch.copy.clone();
    drop((switch, lock, other));
    stage.controller = None;
    stage.store = Arc::new(Store::in_memory().unwrap());
    let state = stage.folder().join("state");
    std::fs::remove_dir_all(&state).unwrap();
    std::fs::rename(&copy, &state).unwrap();
    let left = std::fs::read(state.join("secrets.json")).ok();
    // A secrets file is whole or not there.
    let whole = left.as_ref().is_none_or(|bytes| bytes.ends_with(b"}\n"));
    if !whole || secrets.is_some() && secrets != left {
        return Err(format!("{what}: secrets were made anew"));
    }
    stage.kills += 1;
    let _lock = begin(&mut stage);
    if left.is_some() && std::fs::read(state.join("secrets.json")).ok() != left {
        return Err(format!("{what}: secrets were made anew by the next start"));
    }
    stage.settle().await;
    tokio::time::advance(Duration::from_secs(40)).await;
    stage.assert_converged().await;
    stage.assert_silent();
    for (id, expected) in &rooms.sure {
        let found = stage.store.room(&crate::model::Id::kept(id)).ok();
        let allowed = rooms.maybe.get(id).is_some_and(|after| *after == found);
        if found.as_ref() != Some(expected) && !allowed {
            return Err(format!("{what}: room {id} is {found:?}, not {expected:?}"));
        }
    }
    let known = stage.store.rooms().unwrap();
    if let Some(stray) = known.iter().find(|room| {
        !rooms.sure.contains_key(room.id.as_str())
            && rooms.maybe.get(room.id.as_str()) != Some(&Some((*room).clone()))
    }) {
        return Err(format!("{what}: room {} came from nowhere", stray.id));
    }
    let stray: Vec<_> = std::fs::read_dir(state.join("tmp"))
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    if !stray.is_empty() {
        return Err(format!("{what}: left over: {stray:?}"));
    }
    // Again on top of it: nothing grows.
    let before = stage.disk.scan().unwrap().len();
    stage.restart();
    stage.settle().await;
    if stage.disk.scan().unwrap().len() != before {
        return Err(format!("{what}: files grow in number"));
    }
    Ok(what)
}

/// How many points a work has.
async fn points(work: Work) -> usize {
    let mut stage = empty();
    let (_lock, mut rooms) = work.prepare(&mut stage).await;
    let switch = Switch::on(&stage, 0);
    let _other = work.run(&mut stage, &mut rooms, &switch).await;
    switch.passed.load(Ordering::SeqCst)
}

#[test]
fn killed_at_any_write_rename_or_commit_it_goes_on() {
    let mut report = Report::new("kill-switch");
    for (index, work) in WORKS.into_iter().enumerate() {
        let run = |at: Option<usize>| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .start_paused(true)
                .build()
                .unwrap();
            runtime.block_on(async {
                match at {
                    None => Ok(points(work).await.to_string()),
                    Some(at) => killed(work, at).await,
                }
            })
        };
        let all: usize = run(None).unwrap().parse().unwrap();
        assert!(all >= 10, "{work:?} has {all} points");
        let mut count = Count::of(&format!("killed at a write, rename or commit: {work:?}"))
            .note("converges, files whole, rooms as committed, secrets kept, nothing left over");
        let stride = of_full(1, 9);
        let mut missed = 0;
        for at in (1 + index % stride..=all).step_by(stride) {
            let result = std::panic::catch_unwind(|| run(Some(at)));
            let result = result.unwrap_or_else(|panic| {
                let words = panic.downcast_ref::<String>().cloned();
                Err(words.unwrap_or_else(|| "it panicked".into()))
            });
            // What is done after a certificate is made may differ by a point.
            match result {
                Err(why) if why.starts_with("there is no point") && at + 3 > all => missed += 1,
                result => count.case(&format!("point {at} of {all}"), result.map(drop)),
            }
        }
        count.not_reached(missed);
        report.add(count);
    }
    report.conclude();
}
