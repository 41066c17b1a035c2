//! Scenario files in, golden plans out. Each `scenarios/*.yaml` says what a
//! settled world has gone through since; beside it lies the plan that follows,
//! as people read it. `UPDATE=1 cargo test --workspace --lib plan::scenarios` writes
//! the plans anew.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::sim::{Fate, INSTANCE, World, target};
use super::*;
use crate::engine::{ContainerState, PortHolder};
use crate::model::Digest;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    /// What a person would say happened.
    title: String,
    /// `nothing` (an engine with the images) or `settled`.
    start: Start,
    /// What has happened since.
    #[serde(default)]
    then: Vec<Event>,
    /// Which revision of everything is wanted now (1 is what was settled).
    #[serde(default = "one")]
    wanted: u32,
    /// A person said now.
    #[serde(default)]
    now: bool,
}

const fn one() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Start {
    Nothing,
    Settled,
}

/// What can happen between two looks.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Event {
    Removed(Role),
    Stopped(Role),
    Paused(Role),
    Renamed(Role),
    Detached(Role),
    MoreMemory(Role),
    Silent(Role),
    /// A container that is not ours gets the name.
    Squatted(Role),
    /// A container that is not ours publishes the port.
    PortTaken(u16),
    NetworkGone,
    ImageGone(Role),
    Edited(PathBuf),
    Deleted(PathBuf),
    Added(PathBuf),
    Folder(PathBuf),
    Watching(u32),
    /// The wanted revision ends over and over when it is started.
    Broken(Role),
    /// So many looks go by, each carried out.
    Looks(u32),
    EngineAway,
}

fn happen(world: &mut World, wanted: &Target, event: &Event) {
    let name = |role: &Role| format!("{INSTANCE}-{role}");
    let file = |state| FileFacts {
        state,
        mode: 0o600,
        owner: (0, 0),
    };
    match event {
        Event::Removed(role) => world
            .engine()
            .containers
            .retain(|facts| facts.name != name(role)),
        Event::Stopped(role) => world.main(role).state = ContainerState::Exited,
        Event::Paused(role) => world.main(role).state = ContainerState::Paused,
        Event::Renamed(role) => world.main(role).name = format!("{role}-by-hand"),
        Event::Detached(role) => world.main(role).networks.clear(),
        Event::MoreMemory(role) => world.main(role).memory *= 2,
        Event::Silent(role) => {
            world.observed.health.insert(
                *role,
                Health::Unhealthy {
                    why: "it does not answer".into(),
                },
            );
        }
        Event::Squatted(role) => {
            world
                .engine()
                .containers
                .retain(|facts| facts.name != name(role));
            let spec = wanted.container(*role).unwrap().clone();
            world
                .put(&name(role), &spec, ContainerState::Running)
                .labels
                .clear();
        }
        Event::PortTaken(port) => world.engine().ports.push(PortHolder {
            container: "nginx".into(),
            id: "theirs".into(),
            port: *port,
            protocol: crate::desired::Protocol::Tcp,
            address: None,
        }),
        Event::NetworkGone => {
            world.engine().networks.clear();
            for facts in &mut world.engine().containers {
                facts.networks.clear();
            }
        }
        Event::ImageGone(role) => {
            let reference = format!("{role}:1");
            let id = super::sim::image(*role).id;
            world
                .engine()
                .images
                .retain(|known, _| *known != reference && *known != id);
        }
        Event::Edited(path) => {
            world
                .observed
                .files
                .insert(path.clone(), file(FileState::File(Digest::of("edited"))));
        }
        Event::Deleted(path) => {
            world.observed.files.remove(path);
        }
        Event::Added(path) => {
            world
                .observed
                .files
                .insert(path.clone(), file(FileState::File(Digest::of("added"))));
        }
        Event::Folder(path) => {
            world
                .observed
                .files
                .insert(path.clone(), file(FileState::Directory));
        }
        Event::Watching(viewers) => {
            world.observed.live = Live {
                streams: 1,
                viewers: *viewers,
                callers: 0,
            };
        }
        Event::Broken(role) => {
            let spec = wanted.container(*role).unwrap().digest().to_string();
            world.fates.insert(spec, Fate::Ends);
        }
        Event::Looks(count) => {
            for _ in 0..*count {
                world.step(wanted);
            }
        }
        Event::EngineAway => world.observed.engine = None,
    }
}

/// The plan as the terminal shows it, without colour.
fn shown(plan: &Plan) -> String {
    let mut out = String::new();
    let mut lane = String::new();
    for step in views(plan) {
        if step.lane != lane {
            writeln!(out, "{}", step.lane).unwrap();
            lane.clone_from(&step.lane);
        }
        let cuts = if step.disrupts == "none" {
            String::new()
        } else {
            format!(" [{}]", step.disrupts)
        };
        let waits = step
            .waits
            .map(|waits| format!(" (waits {waits})"))
            .unwrap_or_default();
        writeln!(
            out,
            "  {} {} – {}{cuts}{waits}",
            step.sign, step.what, step.why
        )
        .unwrap();
    }
    for issue in &plan.issues {
        writeln!(
            out,
            "! {}: {}\n    {}\n    → {}",
            issue.code.name(),
            issue.what,
            issue.why,
            issue.fix
        )
        .unwrap();
    }
    writeln!(out, "{}", Counts::of(plan)).unwrap();
    out
}

#[test]
fn every_scenario_has_the_plan_beside_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plan/scenarios");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() >= 12, "scenarios are missing");
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let scenario: Scenario = serde_yaml::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut world = World::empty();
        if matches!(scenario.start, Start::Settled) {
            assert!(world.settle(&target(1)).is_empty());
        }
        let wanted = target(scenario.wanted);
        for event in &scenario.then {
            happen(&mut world, &wanted, event);
        }
        let policy = Policy {
            now: world.now,
            mode: Mode::Heal,
            apply_now: scenario.now,
        };
        let plan = plan(&world.pinned(&wanted), &world.observed, &policy);
        let shown = format!("# {}\n{}", scenario.title, shown(&plan));
        let golden = path.with_extension("plan");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&golden, &shown).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(
            expected,
            shown,
            "{}: `UPDATE=1 cargo test --workspace --lib plan::scenarios` writes it anew",
            golden.display()
        );
    }
}
