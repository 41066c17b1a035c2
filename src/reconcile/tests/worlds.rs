//! Anything in any order: sequences of wanted states, faults and edits made at
//! random, each from its seed, and shrunk to the shortest that fails.
//!
//! `COLOURSTREAM_CASES` says how many, `COLOURSTREAM_SEED` from which seed on.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::num::NonZero;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestError, TestRunner};

use super::fixture::*;
use crate::desired::{PortBinding, Protocol, labels};
use crate::engine::{ContainerState, Ended};
use crate::model::{Id, PublishKey, Role, Room, Secret, Slug, StreamName};
use crate::plan::Wait;
use crate::reconcile::{Command, Trigger};
use crate::report::{Count, Report, of_full};
use crate::store::Visits;

/// What may happen to a stack.
#[derive(Clone, Debug)]
enum Happening {
    Settings(usize),
    Room(u8, Edit),
    Removed(Role),
    Stopped(Role),
    Killed(Role),
    Paused(Role),
    Renamed(Role),
    Detached(Role),
    Crashed(Role),
    Tampered(Role),
    Forged(Role),
    LookAlike(Role),
    PortTaken(u16),
    NetworkGone,
    ImageGone(usize),
    RegistryRefuses(usize),
    File(usize, Damage),
    Strike(usize, Strike),
    Away(u64),
    Muted(Role),
    Deaf,
    Blink(Role),
    Unasked(usize),
    TryOutFails,
    Live(u32),
    LiveAfter(usize),
    Now,
    Restart,
    Passes(usize),
    Time(u64),
}

/// What a person does to a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edit {
    Make,
    Open,
    Close,
    Rename,
    Limit,
    RotateKey,
    RotateStream,
    Archive,
    Delete,
}

const EDITS: [Edit; 9] = [
    Edit::Make,
    Edit::Open,
    Edit::Close,
    Edit::Rename,
    Edit::Limit,
    Edit::RotateKey,
    Edit::RotateStream,
    Edit::Archive,
    Edit::Delete,
];

/// What a person does to a file.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Edited,
    Truncated,
    Deleted,
    Shut,
    Folder,
    Link,
    Extra,
}

const DAMAGES: [Damage; 7] = [
    Damage::Edited,
    Damage::Truncated,
    Damage::Deleted,
    Damage::Shut,
    Damage::Folder,
    Damage::Link,
    Damage::Extra,
];

const TEXTS: [&str; 7] = [
    PLAIN,
    MOVED,
    "tls: off\npublic_address: 192.0.2.8\nimages: {mirotalk: mirotalk/sfu:2.4.0, traefik: traefik:v3.8.0}\n",
    "tls: off\npublic_address: 192.0.2.7\nimages: {ovenmediaengine: airensoft/ovenmediaengine:v0.22.0}\n",
    "tls: off\npublic_address: 192.0.2.7\nreconcile: {mode: report}\n",
    "tls: off\npublic_address: 192.0.2.7\ntrusted_proxies: [10.0.0.0/8]\n",
    "this is: [no settings\n",
];

/// Ports of the plain settings, and of the moved ones.
const PORTS: [u16; 4] = [80, 1935, 8090, 40_010];

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let role = || prop::sample::select(Role::ALL.to_vec());
    let one = prop_oneof![
        3 => (0..TEXTS.len()).prop_map(Happening::Settings),
        4 => (0..4_u8, prop::sample::select(EDITS.to_vec())).prop_map(|(room, edit)| Happening::Room(room, edit)),
        1 => role().prop_map(Happening::Removed),
        1 => role().prop_map(Happening::Stopped),
        1 => role().prop_map(Happening::Killed),
        1 => role().prop_map(Happening::Paused),
        1 => role().prop_map(Happening::Renamed),
        1 => role().prop_map(Happening::Detached),
        1 => role().prop_map(Happening::Crashed),
        1 => role().prop_map(Happening::Tampered),
        1 => role().prop_map(Happening::Forged),
        1 => role().prop_map(Happening::LookAlike),
        1 => prop::sample::select(PORTS.to_vec()).prop_map(Happening::PortTaken),
        1 => Just(Happening::NetworkGone),
        1 => (0..IMAGES.len()).prop_map(Happening::ImageGone),
        1 => (0..IMAGES.len()).prop_map(Happening::RegistryRefuses),
        3 => (0..8_usize, prop::sample::select(DAMAGES.to_vec())).prop_map(|(file, damage)| Happening::File(file, damage)),
        4 => (0..6_usize, prop::sample::select(STRIKES.to_vec())).prop_map(|(call, strike)| Happening::Strike(call, strike)),
        1 => (1..40_u64).prop_map(Happening::Away),
        1 => role().prop_map(Happening::Muted),
        1 => Just(Happening::Deaf),
        1 => role().prop_map(Happening::Blink),
        1 => (1..20_usize).prop_map(Happening::Unasked),
        1 => Just(Happening::TryOutFails),
        1 => (0..2_u32).prop_map(Happening::Live),
        1 => (1..6_usize).prop_map(Happening::LiveAfter),
        1 => Just(Happening::Now),
        1 => Just(Happening::Restart),
        5 => (1..4_usize).prop_map(Happening::Passes),
        2 => (1..60_u64).prop_map(Happening::Time),
    ];
    prop::collection::vec(one, 1..9)
}

/// A stage, and what a person would remember of it.
struct Life {
    stage: Stage,
    rooms: BTreeMap<u8, Room>,
    /// Try-outs that will fail and have not yet.
    try_outs: usize,
    look_alikes: Vec<String>,
    entropy: u8,
}

impl Life {
    fn new() -> Self {
        let mut stage = Stage::new(PLAIN);
        // Ten thousand lives: nobody looks ten times a second.
        stage.pace = Duration::from_millis(700);
        Self {
            stage,
            rooms: BTreeMap::new(),
            try_outs: 0,
            look_alikes: Vec::new(),
            entropy: 100,
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let found = self.stage.disk.scan().unwrap();
        found.into_keys().collect()
    }

    fn edit(&mut self, number: u8, edit: Edit) {
        let (store, now) = (&self.stage.store, self.stage.now());
        let id = room(number).id;
        if edit == Edit::Make {
            // One that is there already is refused.
            if store.insert_room(&room(number), now).is_ok() {
                self.rooms.insert(number, room(number));
            }
            return;
        }
        if edit == Edit::Delete {
            // One that is in use is refused.
            if store.delete_room(&id, None).is_ok() {
                self.rooms.remove(&number);
            }
            return;
        }
        self.entropy = self.entropy.wrapping_add(1);
        let entropy = Secret::new([self.entropy; 32]);
        let changed = store.change_room(&id, None, now, |room| {
            match edit {
                Edit::Open => room.closed = false,
                Edit::Close => room.closed = true,
                Edit::Rename => room.slug = Slug::kept(format!("named-{}", self.entropy)),
                Edit::Limit => room.allowed_addresses = vec!["10.0.0.0/8".into()],
                Edit::RotateKey => room.key = PublishKey::new(&entropy),
                Edit::RotateStream => room.stream = StreamName::new(&entropy),
                Edit::Archive => room.archived = true,
                Edit::Make | Edit::Delete => {}
            }
            Ok(Visits::Keep)
        });
        if let Ok((_, after)) = changed {
            self.rooms.insert(number, after);
        }
    }

    fn damage(&self, which: usize, damage: Damage) {
        let files = self.files();
        let Some(path) = files.get(which % files.len().max(1)) else {
            return;
        };
        let full = self.stage.disk.rendered().join(path);
        let clear = || {
            let _either = std::fs::remove_file(&full).or_else(|_| std::fs::remove_dir_all(&full));
        };
        let done = match damage {
            Damage::Edited | Damage::Truncated if full.is_dir() => Ok(()),
            Damage::Edited => std::fs::write(&full, "?"),
            Damage::Truncated => std::fs::write(&full, ""),
            Damage::Deleted => {
                clear();
                Ok(())
            }
            Damage::Shut => std::fs::set_permissions(&full, Permissions::from_mode(0o0)),
            Damage::Folder => {
                clear();
                std::fs::create_dir(&full)
            }
            Damage::Link => {
                clear();
                symlink("/etc/hostname", &full)
            }
            Damage::Extra if full.is_dir() => std::fs::write(full.join("extra"), "?"),
            Damage::Extra => std::fs::write(full.with_extension("bak"), "?"),
        };
        // Under a link nothing can be made; that is damage enough.
        let _whatever = done;
    }

    async fn happens(&mut self, happening: &Happening) {
        let world = self.stage.world.clone();
        let runs = |role: Role| {
            let facts = world.container(&name(role));
            facts.is_some_and(|facts| facts.state == ContainerState::Running)
        };
        let stage = &mut self.stage;
        match happening {
            Happening::Settings(which) => {
                stage.settings(TEXTS[*which]).await;
            }
            Happening::Room(number, edit) => self.edit(*number, *edit),
            Happening::Removed(role) => world.remove(&name(*role)),
            Happening::Stopped(role) => world.stop(&name(*role)),
            Happening::Killed(role) => world.kill(&name(*role)),
            Happening::Paused(role) if runs(*role) => world.pause(&name(*role)),
            Happening::Renamed(role) => {
                world.rename_by_hand(&name(*role), &format!("renamed-{role}"));
            }
            Happening::Detached(role) => world.disconnect(&name(*role), INSTANCE),
            Happening::Crashed(role) if runs(*role) => world.crash(&name(*role), 1),
            Happening::Paused(_) | Happening::Crashed(_) => {}
            Happening::Tampered(role) => world.tamper(&name(*role), |facts| facts.memory += 1),
            Happening::Forged(role) => world.tamper(&name(*role), |facts| {
                facts.labels.insert(labels::SPEC.into(), "0".repeat(64));
            }),
            Happening::LookAlike(role) => {
                let Some(mut facts) = world.container(&name(*role)) else {
                    return;
                };
                let alike = format!("alike-{role}-{}", self.look_alikes.len());
                facts.id = format!("{:064x}", 0xa11c_e000 + self.look_alikes.len());
                facts.name.clone_from(&alike);
                facts.state = ContainerState::Exited;
                facts.networks.clear();
                world.add_container(facts);
                self.look_alikes.push(alike);
            }
            Happening::PortTaken(port) => {
                let taken = PortBinding {
                    container: *port,
                    protocol: Protocol::Tcp,
                    host: *port,
                    address: None,
                };
                if world.container(&format!("taker-{port}")).is_none() {
                    world.add_foreign(&format!("taker-{port}"), &[taken]);
                }
            }
            Happening::NetworkGone => world.remove_network(INSTANCE),
            Happening::ImageGone(which) => {
                let (reference, id) = IMAGES[*which];
                world.in_registry(reference, image(id));
                world.remove_image(reference);
            }
            Happening::RegistryRefuses(which) => {
                let (reference, _) = IMAGES[*which];
                world.remove_image(reference);
                world.registry_refuses(reference, "toomanyrequests: slow down");
            }
            Happening::File(which, damage) => self.damage(*which, *damage),
            Happening::Strike(call, strike) => stage.guard.strike(*call, *strike),
            Happening::Away(seconds) => {
                world.go_away();
                stage.pass(&[Trigger::Sweep]).await;
                tokio::time::advance(Duration::from_secs(*seconds)).await;
                stage.pass(&[Trigger::Sweep]).await;
                world.come_back();
            }
            Happening::Muted(role) => {
                let facts = world.container(&name(*role));
                let mut mute = stage.script.mute.lock().unwrap();
                mute.extend(facts.map(|facts| facts.image_id));
            }
            Happening::Deaf => {
                let loads = &stage.script.loads;
                loads.store(false, std::sync::atomic::Ordering::SeqCst);
            }
            Happening::Blink(role) => stage.script.blink(*role),
            Happening::Unasked(rounds) => {
                let unasked = &stage.script.unasked;
                unasked.store(*rounds, std::sync::atomic::Ordering::SeqCst);
            }
            Happening::TryOutFails => {
                let ended = Ended {
                    code: 1,
                    last_lines: vec!["no".into()],
                };
                world.next_try_out(Some(ended));
                self.try_outs += 1;
            }
            Happening::Live(streams) => stage.go_live(*streams),
            Happening::LiveAfter(calls) => {
                *stage.guard.live_after.lock().unwrap() = Some(*calls);
            }
            Happening::Now => {
                stage.pass(&[Trigger::Person(Command::ApplyNow)]).await;
            }
            Happening::Restart => {
                // One that finds no good settings does not start.
                if crate::settings::load(Some(&stage.file), &Default::default()).is_ok() {
                    stage.restart();
                }
            }
            Happening::Passes(count) => {
                for _ in 0..*count {
                    let pass = stage.pass(&[Trigger::Recheck]).await;
                    tokio::time::advance(pass.next(stage.now(), Duration::from_secs(30))).await;
                }
            }
            Happening::Time(seconds) => tokio::time::advance(Duration::from_secs(*seconds)).await,
        }
        self.stage.assert_untouched();
    }

    /// Nothing is in the way any more: what people were told to do is done.
    async fn mended(&mut self) {
        let world = &self.stage.world;
        for alike in &self.look_alikes {
            assert!(
                world.container(alike).is_some(),
                "{alike} was not ours to take"
            );
            world.remove(alike);
        }
        for port in PORTS {
            let taker = format!("taker-{port}");
            world.remove(&taker);
        }
        for (reference, id) in IMAGES {
            world.in_registry(reference, image(id));
            world.add_image(reference, image(id));
        }
        *self.stage.guard.live_after.lock().unwrap() = None;
        self.stage.go_live(0);
        self.stage.script.mute.lock().unwrap().clear();
        let loads = &self.stage.script.loads;
        loads.store(true, std::sync::atomic::Ordering::SeqCst);
        self.stage.settings(PLAIN).await;
    }

    /// Rooms are what people made of them, and nothing else.
    fn assert_rooms(&self) {
        for (number, expected) in &self.rooms {
            assert_eq!(
                self.stage.store.room(&expected.id).as_ref().ok(),
                Some(expected)
            );
            assert_eq!(room(*number).id, expected.id);
        }
        let kept: Vec<Id> = self
            .stage
            .store
            .rooms()
            .unwrap()
            .into_iter()
            .map(|room| room.id)
            .collect();
        let open = self.rooms.values().filter(|room| !room.archived).count();
        assert_eq!(kept.len(), open, "{kept:?}");
    }

    /// A room that is open has its route; one that is not has none.
    fn assert_routes(&self) {
        let routes = self.stage.routes();
        for room in self.rooms.values() {
            let open = !room.closed && !room.archived;
            assert_eq!(routes.contains(room.stream.as_str()), open, "{}", room.slug);
        }
    }
}

async fn lived(all: &[Happening]) {
    let mut life = Life::new();
    for happening in all {
        life.happens(happening).await;
    }
    // As it is, it is as wanted, or waits for quiet, or says why not.
    match life.stage.rest(120).await {
        Ok(pass) => {
            let waits = holding(&pass.plan);
            let expected = |wait: &Wait| matches!(wait, Wait::Quiet | Wait::Mode);
            assert!(
                waits.iter().all(expected) || !pass.plan.issues.is_empty(),
                "it waits for nothing that is told"
            );
        }
        Err(passes) => {
            let told = passes
                .iter()
                .any(|pass| !errors(&pass.plan.issues).is_empty());
            assert!(told, "it does not rest and does not say why");
        }
    }
    life.stage.assert_sane();
    life.stage.assert_silent();
    life.assert_rooms();
    // And once nothing is in the way any more, all is as wanted.
    life.mended().await;
    // Each failed try-out that is still in the script costs one try.
    for _ in 0..life.try_outs + 2 {
        life.stage.settle().await;
        tokio::time::advance(Duration::from_secs(11 * 60)).await;
    }
    life.stage.settle().await;
    tokio::time::advance(Duration::from_secs(40)).await;
    life.stage.assert_converged().await;
    life.stage.assert_silent();
    life.assert_rooms();
    life.assert_routes();
}

/// The shortest sequences that once did not end well.
#[test]
fn what_was_found_before_stays_mended() {
    let found = [
        // The answer to the making of a container was lost; a copy of it, with
        // its mark, was taken for it because it came first by name.
        Role::ALL.map(|role| {
            vec![
                Happening::Strike(2, Strike::Lost),
                Happening::Settings(0),
                Happening::LookAlike(role),
            ]
        }),
        Role::ALL.map(|role| {
            vec![
                Happening::Strike(3, Strike::Lost),
                Happening::Settings(0),
                Happening::LookAlike(role),
            ]
        }),
    ];
    for all in found.into_iter().flatten() {
        within_paused_time(lived(&all));
    }
}

fn within_paused_time(life: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(life);
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Whatever happened, in any order: once the world lets it, all is as wanted
/// again.
#[test]
fn whatever_happens_it_ends_as_wanted() {
    let cases = number("COLOURSTREAM_CASES").map_or(of_full(10_000, 500), |cases| {
        usize::try_from(cases).unwrap()
    });
    let seed = number("COLOURSTREAM_SEED").unwrap_or(1);
    let mut report = Report::new("random-worlds");
    let mut count = Count::of("random worlds, fake engine")
        .note("up to eight settings, faults and edits in a row, then everything mended");
    let threads = std::thread::available_parallelism().map_or(2, NonZero::get);
    let shares: Vec<_> = (0..threads)
        .map(|index| {
            let share = cases / threads + usize::from(index < cases % threads);
            std::thread::spawn(move || share_of(share, seed + index as u64))
        })
        .collect();
    for share in shares {
        let (passed, failed) = share.join().unwrap();
        count.passed(passed);
        if let Some(why) = failed {
            count.case("a sequence", Err(why));
        }
    }
    report.add(count);
    report.conclude();
}

/// As many as passed, and the shortest that did not.
fn share_of(cases: usize, seed: u64) -> (usize, Option<String>) {
    let config = ProptestConfig {
        cases: u32::try_from(cases).unwrap(),
        max_shrink_iters: 400,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        ..ProptestConfig::default()
    };
    let passed = std::cell::Cell::new(0);
    let result = TestRunner::new(config).run(&happenings(), |all| {
        within_paused_time(lived(&all));
        passed.set(passed.get() + 1);
        Ok(())
    });
    match result {
        Ok(()) => (cases, None),
        Err(TestError::Fail(why, all)) => {
            (passed.get(), Some(format!("{why}\nseed {seed}: {all:#?}")))
        }
        Err(TestError::Abort(why)) => (passed.get(), Some(why.to_string())),
    }
}
