//! What a plan must do: by name for the cases people meet, by property for
//! every state there can be.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::BTreeSet;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::sim::{Fate, INSTANCE, World, holding, our_labels, target};
use super::*;
use crate::desired::{FileKind, labels};
use crate::engine::{ContainerState, EngineCall, NetworkFacts, PortHolder};
use crate::model::{Digest, IssueCode};

fn name(role: Role) -> String {
    format!("{INSTANCE}-{role}")
}

/// A world in which everything is as wanted.
fn settled() -> (Target, World) {
    let target = target(1);
    let mut world = World::empty();
    let plan = world.settle(&target);
    assert!(plan.is_empty(), "{:#?}", views(&plan));
    (target, world)
}

fn look(target: &Target, world: &World) -> Plan {
    let policy = Policy {
        now: world.now,
        mode: Mode::Heal,
        apply_now: false,
    };
    plan(&world.pinned(target), &world.observed, &policy)
}

fn whats(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| view(step).what).collect()
}

#[test]
fn what_is_as_wanted_needs_nothing() {
    let (target, mut world) = settled();
    let plan = world.settle(&target);
    assert!(plan.is_empty() && plan.issues.is_empty(), "{plan:#?}");
}

#[test]
fn from_outside_their_network_nobody_is_judged() {
    let (target, mut world) = settled();
    // Our own container was made anew: nothing answers it, nobody is known to
    // be live, and a specification differs as after an upgrade.
    world.observed.own = Some(Own {
        id: "controller".into(),
        joined: false,
    });
    world.observed.live = Live::default();
    for role in Role::ALL {
        let why = "it does not answer".to_owned();
        world
            .observed
            .health
            .insert(role, Health::Unhealthy { why });
    }
    let mut newer = target.clone();
    newer.containers[0].env.insert("NEW".into(), "1".into());
    let plan = look(&newer, &world);
    assert_eq!(whats(&plan), ["join network colourstream as controller"]);
    // Where nothing is there yet, nothing has to be asked.
    let mut world = World::empty();
    world.observed.own = Some(Own {
        id: "controller".into(),
        joined: false,
    });
    assert!(look(&target, &world).steps.len() > 10);
}

#[test]
fn a_removed_container_is_made_again() {
    let (target, mut world) = settled();
    world
        .engine()
        .containers
        .retain(|facts| facts.name != name(Role::Mirotalk));
    let plan = look(&target, &world);
    assert_eq!(
        whats(&plan),
        [
            "create container colourstream-mirotalk",
            "start colourstream-mirotalk",
            "wait"
        ]
    );
    assert_eq!(plan.disruption(), Disruption::None);
    assert!(world.settle(&target).is_empty());
}

#[test]
fn mended_certificates_are_read_when_nobody_is_live() {
    let (target, mut world) = settled();
    world.observed.certificates_mended = true;
    world.observed.live = Live {
        viewers: 1,
        ..Live::default()
    };
    let plan = look(&target, &world);
    assert_eq!(holding(&plan), [Wait::Quiet]);
    assert_eq!(plan.ready().count(), 0);
    world.observed.live = Live::default();
    let plan = look(&target, &world);
    assert_eq!(
        whats(&plan),
        [
            "stop colourstream-traefik",
            "start colourstream-traefik",
            "wait"
        ]
    );
    assert_eq!(plan.disruption(), Disruption::Everything);
}

/// The state folder was moved, or the controller is in a container now.
#[test]
fn a_volume_that_leads_to_another_folder_is_replaced_when_nobody_is_live() {
    let (target, mut world) = settled();
    let volumes = |world: &mut World| -> Vec<String> {
        let volumes = world.engine().volumes.iter();
        volumes.map(|volume| volume.name.clone()).collect()
    };
    // With our label, but with something in it, whoever made it.
    let mut full = world.engine().volumes[0].clone();
    full.name = format!("{INSTANCE}-full");
    full.options.clear();
    world.engine().volumes.push(full.clone());
    let mut moved = target.clone();
    moved.volumes[0].device = "/elsewhere/acme".into();
    world.observed.live = Live {
        viewers: 1,
        ..Live::default()
    };
    let plan = look(&moved, &world);
    assert_eq!(holding(&plan), [Wait::Quiet]);
    let all = whats(&plan);
    assert!(
        all[0].starts_with("create volume colourstream-acme-"),
        "{all:?}"
    );
    assert!(
        all.contains(&"stop colourstream-traefik".to_owned()),
        "{all:?}"
    );
    assert!(!all.iter().any(|what| what.contains("mirotalk")), "{all:?}");

    assert!(world.settle(&moved).is_empty());
    let now = volumes(&mut world);
    assert_eq!(now.len(), 2, "{now:?}");
    assert!(!now.contains(&"colourstream-acme".to_owned()));
    let mounts = &world.main(&Role::Traefik).mounts.clone();
    let leads_there = world.engine().volumes.iter().find(|volume| {
        let source = crate::desired::MountSource::Volume(volume.name.clone());
        mounts.iter().any(|mount| mount.source == source)
    });
    let device = leads_there.unwrap().leads_to().unwrap();
    assert_eq!(device, std::path::Path::new("/elsewhere/acme"));
    // And back again.
    assert!(world.settle(&target).is_empty());
    assert_eq!(volumes(&mut world), [full.name, "colourstream-acme".into()]);
}

#[test]
fn of_two_networks_of_our_name_the_younger_goes() {
    let (target, mut world) = settled();
    let mut twin = world.engine().networks[0].clone();
    twin.id = "twin".into();
    twin.subnets = vec!["172.30.9.0/24".into()];
    world.engine().networks.push(twin);
    let plan = look(&target, &world);
    assert_eq!(
        whats(&plan),
        ["remove network colourstream (172.30.9.0/24)"]
    );
    assert_eq!(plan.disruption(), Disruption::None);
    assert!(world.settle(&target).is_empty());
    assert_eq!(world.engine().networks.len(), 1);
    assert_eq!(world.engine().networks[0].id, "network");
}

#[test]
fn a_renamed_container_gets_its_name_back_without_a_restart() {
    let (target, mut world) = settled();
    let main = name(Role::Traefik);
    for facts in &mut world.engine().containers {
        if facts.name == main {
            facts.name = "stray".into();
        }
    }
    let plan = look(&target, &world);
    assert_eq!(whats(&plan)[0], "rename stray to colourstream-traefik");
    assert!(
        !whats(&plan).iter().any(|what| what.starts_with("start")),
        "{:?}",
        whats(&plan)
    );
    assert!(world.settle(&target).is_empty());
}

#[test]
fn a_changed_specification_waits_while_people_watch_and_goes_on_when_told() {
    let (_, mut world) = settled();
    let target = target(2);
    world.observed.live = Live {
        streams: 1,
        viewers: 3,
        callers: 2,
    };
    let waiting = look(&target, &world);
    let held: Vec<&Step> = waiting
        .steps
        .iter()
        .filter(|step| step.waits == Some(Wait::Quiet))
        .collect();
    assert_eq!(held.len(), 3, "{:#?}", views(&waiting));
    // Prepared already, nothing stopped.
    let ready: Vec<String> = waiting.ready().map(|step| view(step).what).collect();
    assert!(
        ready
            .iter()
            .any(|what| what == "create container colourstream-traefik.next")
    );
    assert!(!ready.iter().any(|what| what.starts_with("stop")));
    let told = Policy {
        now: world.now,
        mode: Mode::Heal,
        apply_now: true,
    };
    let now = plan(&world.pinned(&target), &world.observed, &told);
    assert!(now.ready().any(|step| view(step).what.starts_with("stop")));
    assert_eq!(now.disruption(), Disruption::Everything);
}

#[test]
fn a_waiting_replacement_is_prepared_once() {
    let (_, mut world) = settled();
    let target = target(2);
    world.observed.live = Live {
        streams: 1,
        viewers: 0,
        callers: 0,
    };
    for _ in 0..5 {
        let plan = look(&target, &world);
        for step in plan.ready().cloned().collect::<Vec<_>>() {
            assert!(step.disrupts == Disruption::None);
        }
        world.apply_once(&target, &plan);
    }
    let again = look(&target, &world);
    assert_eq!(again.ready().count(), 0, "{:#?}", views(&again));
    let names: BTreeSet<String> = world
        .engine()
        .containers
        .iter()
        .map(|facts| facts.name.clone())
        .collect();
    assert!(names.contains("colourstream-traefik.next"));
    assert!(!names.contains("colourstream-traefik.check"));
}

#[test]
fn a_replacement_that_does_not_answer_is_taken_back_and_kept_for_its_logs() {
    let (old, mut world) = settled();
    let new = target(2);
    for role in Role::ALL {
        let spec = new.container(role).unwrap().digest().to_string();
        world.fates.insert(spec, Fate::Mute);
    }
    let plan = world.settle(&new);
    for role in Role::ALL {
        let containers = world.engine().containers.clone();
        let main = containers
            .iter()
            .find(|facts| facts.name == name(role))
            .unwrap();
        let old_spec = old.container(role).unwrap().digest().to_string();
        assert_eq!(main.labels[labels::SPEC], old_spec);
        assert_eq!(main.state, ContainerState::Running);
        assert!(
            containers
                .iter()
                .any(|facts| facts.name == format!("{}.failed", name(role)))
        );
    }
    let failed: Vec<_> = plan
        .issues
        .iter()
        .filter(|issue| issue.code == IssueCode::ReplacementFailed)
        .collect();
    assert_eq!(failed.len(), 3);
    // And when the cause is taken away, the kept ones go.
    assert!(world.settle(&old).is_empty());
    assert!(world.settle(&target(3)).is_empty());
    assert_eq!(world.engine().containers.len(), 3);
}

#[test]
fn a_static_file_that_does_not_start_stops_nothing() {
    let (_, mut world) = settled();
    let new = target(2);
    let spec = new.container(Role::Traefik).unwrap().digest().to_string();
    world.fates.insert(spec, Fate::Ends);
    let before = world
        .engine()
        .containers
        .iter()
        .find(|c| c.name == name(Role::Traefik))
        .cloned();
    let plan = world.settle(&new);
    let after = world
        .engine()
        .containers
        .iter()
        .find(|c| c.name == name(Role::Traefik))
        .cloned();
    assert_eq!(before, after);
    assert!(
        plan.issues
            .iter()
            .any(|issue| issue.code == IssueCode::ReplacementFailed)
    );
}

#[test]
fn a_port_held_by_a_stranger_is_named_and_the_stranger_left_alone() {
    let target = target(1);
    let mut world = World::empty();
    world.engine().ports.push(PortHolder {
        container: "nginx".into(),
        id: "theirs".into(),
        port: 8001,
        protocol: crate::desired::Protocol::Tcp,
        address: None,
    });
    let plan = world.settle(&target);
    let issue = plan
        .issues
        .iter()
        .find(|issue| issue.code == IssueCode::PortTaken)
        .unwrap();
    assert_eq!(issue.role, Some(Role::Ovenmediaengine));
    assert!(issue.why.contains("nginx"), "{issue:?}");
    world.engine().ports.clear();
    assert!(world.settle(&target).is_empty());
}

#[test]
fn a_name_taken_by_a_stranger_is_named_and_the_stranger_left_alone() {
    let target = target(1);
    let mut world = World::empty();
    let spec = target.container(Role::Traefik).unwrap().clone();
    world
        .put(&name(Role::Traefik), &spec, ContainerState::Running)
        .labels
        .clear();
    world.seal_foreign();
    let plan = world.settle(&target);
    let issue = plan
        .issues
        .iter()
        .find(|issue| issue.code == IssueCode::NameTaken)
        .unwrap();
    assert_eq!(issue.subject, name(Role::Traefik));
    assert!(
        plan.steps
            .iter()
            .all(|step| step.waits == Some(Wait::Person))
    );
}

#[test]
fn a_copy_with_our_labels_is_told_and_left_alone() {
    let (target, mut world) = settled();
    let spec = target.container(Role::Mirotalk).unwrap().clone();
    world.put("copy", &spec, ContainerState::Running);
    let plan = world.settle(&target);
    assert!(plan.is_empty());
    assert_eq!(plan.issues[0].code, IssueCode::LookAlike);
    assert!(
        world
            .engine()
            .containers
            .iter()
            .any(|facts| facts.name == "copy")
    );
}

#[test]
fn a_service_that_ends_over_and_over_trips_the_breaker() {
    let target = target(1);
    let mut world = World::empty();
    let spec = target
        .container(Role::Ovenmediaengine)
        .unwrap()
        .digest()
        .to_string();
    world.fates.insert(spec, Fate::Ends);
    let plan = world.settle(&target);
    assert!(
        plan.issues
            .iter()
            .any(|issue| issue.code == IssueCode::ServiceFlapping),
        "{plan:#?}"
    );
}

#[test]
fn a_breaker_holds_down_no_other_container_than_its_own() {
    let (_, mut world) = settled();
    let (role, new) = (Role::Ovenmediaengine, target(2));
    // The replacement ends over and over; the one before it waits aside.
    let prev = world.main(&role);
    prev.name = format!("{}.prev", name(role));
    prev.state = ContainerState::Exited;
    let kept = prev.id.clone();
    let spec = new.container(role).unwrap().clone();
    let main = world.put(&name(role), &spec, ContainerState::Restarting);
    main.restart_count = 5;
    let breaker = Breaker {
        container: main.id.clone(),
        ends: 5,
        reason: "it ends".into(),
        retry_at: world.now + SignedDuration::from_mins(10),
    };
    world.observed.breakers.insert(role, breaker.clone());
    let starts = |plan: &Plan| -> Vec<String> {
        let of = |step: &Step| match &step.action {
            Action::Engine { call, .. } => match &**call {
                EngineCall::StartContainer { id } if step.lane == Lane::Service(role) => {
                    Some(id.clone())
                }
                _ => None,
            },
            _ => None,
        };
        plan.ready().filter_map(of).collect()
    };
    assert_eq!(
        starts(&look(&new, &world)),
        std::slice::from_ref(&kept),
        "taken back"
    );
    // Taken by hand meanwhile: the kept one comes back as well.
    let mut gone = world.clone();
    gone.engine()
        .containers
        .retain(|facts| facts.name != name(role));
    assert_eq!(starts(&look(&new, &gone)), [kept]);
    // Nothing to go back to: it is left alone, and a changed one is not.
    let mut alone = world.clone();
    alone
        .engine()
        .containers
        .retain(|facts| !facts.name.ends_with(".prev"));
    alone.main(&role).state = ContainerState::Exited;
    assert!(starts(&look(&new, &alone)).is_empty());
    assert_eq!(starts(&look(&target(3), &alone)), [name(role)]);
}

#[test]
fn without_an_engine_the_files_are_still_brought_to_what_is_wanted() {
    let target = target(1);
    let world = Observed::default();
    let policy = Policy {
        now: Timestamp::UNIX_EPOCH,
        mode: Mode::Heal,
        apply_now: false,
    };
    let plan = plan(&target, &world, &policy);
    assert_eq!(plan.steps.len(), target.files.len());
    assert!(
        plan.steps
            .iter()
            .all(|step| matches!(step.action, Action::WriteFile { .. }))
    );
}

#[test]
fn paused_means_that_every_step_waits() {
    let target = target(1);
    let world = World::empty();
    for mode in [Mode::Paused, Mode::Report] {
        let policy = Policy {
            now: world.now,
            mode,
            apply_now: false,
        };
        let plan = plan(&target, &world.observed, &policy);
        assert_eq!(plan.ready().count(), 0);
        assert!(
            plan.issues
                .iter()
                .any(|issue| issue.code == IssueCode::Paused)
        );
    }
}

#[test]
fn a_file_in_the_watched_folder_that_is_not_ours_goes_to_quarantine() {
    let (target, mut world) = settled();
    let facts = FileFacts {
        state: FileState::File(Digest::of("x")),
        mode: 0o644,
        owner: (0, 0),
    };
    world
        .observed
        .files
        .insert("traefik/dynamic/extra.yml".into(), facts);
    let plan = look(&target, &world);
    assert_eq!(
        whats(&plan),
        ["move traefik/dynamic/extra.yml to quarantine"]
    );
    assert!(world.settle(&target).is_empty());
}

#[test]
fn a_folder_in_a_files_place_goes_as_a_whole() {
    let (target, mut world) = settled();
    let file = target
        .files
        .iter()
        .find(|file| matches!(file.kind, FileKind::Watched(_)))
        .unwrap();
    let facts = |state| FileFacts {
        state,
        mode: 0o755,
        owner: (0, 0),
    };
    let files = &mut world.observed.files;
    files.insert(file.path.clone(), facts(FileState::Directory));
    let inside = facts(FileState::File(Digest::of("x")));
    files.insert(file.path.join("inside"), inside);
    let path = file.path.display();
    assert_eq!(
        whats(&look(&target, &world)),
        [
            format!("move {path} to quarantine"),
            format!("write {path}")
        ]
    );
    assert!(world.settle(&target).is_empty());
}

#[test]
fn older_configuration_goes_when_no_container_has_it_any_more() {
    let (_, mut world) = settled();
    assert!(world.settle(&target(2)).is_empty());
    let new = target(2);
    let paths: BTreeSet<_> = world.observed.files.keys().cloned().collect();
    assert_eq!(
        paths,
        new.files.iter().map(|file| file.path.clone()).collect()
    );
}

#[test]
fn a_network_that_is_gone_comes_back_with_everybody_in_it() {
    let (target, mut world) = settled();
    world.engine().networks.clear();
    for facts in &mut world.engine().containers {
        facts.networks.clear();
    }
    assert!(world.settle(&target).is_empty());
    assert!(
        world
            .engine()
            .containers
            .iter()
            .all(|facts| facts.networks.contains_key(INSTANCE))
    );
}

/// Any state a role's containers can be in.
#[derive(Clone, Debug)]
struct Found {
    role: Role,
    suffix: &'static str,
    revision: u32,
    state: ContainerState,
    recorded: bool,
    ours: bool,
    joined: bool,
    stale_network: bool,
    by_hand: u8,
}

fn found() -> impl Strategy<Value = Found> {
    (
        prop::sample::select(Role::ALL.to_vec()),
        prop::sample::select(vec![
            "", "", ".next", ".prev", ".failed", ".check", "-moved",
        ]),
        1_u32..3,
        prop::sample::select(vec![
            ContainerState::Created,
            ContainerState::Running,
            ContainerState::Paused,
            ContainerState::Restarting,
            ContainerState::Exited,
            ContainerState::Dead,
        ]),
        any::<bool>(),
        prop::bool::weighted(0.85),
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.1),
        0_u8..6,
    )
        .prop_map(
            |(role, suffix, revision, state, recorded, ours, joined, stale_network, by_hand)| {
                Found {
                    role,
                    suffix,
                    revision,
                    state,
                    recorded,
                    ours,
                    joined,
                    stale_network,
                    by_hand,
                }
            },
        )
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Well),
        1 => Just(Fate::Mute),
        1 => Just(Fate::Ends),
        1 => Just(Fate::Refused),
    ]
}

fn any_world() -> impl Strategy<Value = World> {
    (
        prop::collection::vec(found(), 0..8),
        prop::collection::vec(fate(), 3),
        prop::collection::vec((0_usize..6, 0_u8..5), 0..6),
        prop::bool::weighted(0.7),
        prop::bool::weighted(0.9),
        (0_u32..2, 0_u32..2, 0_u32..2),
        prop::bool::weighted(0.9),
    )
        .prop_map(
            |(found, fates, files, network, network_ours, live, images)| {
                let mut world = World::empty();
                let mut names = BTreeSet::new();
                let mut running = BTreeSet::new();
                for one in found {
                    let spec = target(one.revision).container(one.role).unwrap().clone();
                    let name = format!("{}{}", name(one.role), one.suffix);
                    if !names.insert(name.clone()) {
                        continue;
                    }
                    let mut state = one.state;
                    // The engine itself keeps two from publishing one port.
                    let runs = matches!(
                        state,
                        ContainerState::Running
                            | ContainerState::Paused
                            | ContainerState::Restarting
                    );
                    if runs && !running.insert(one.role) {
                        state = ContainerState::Exited;
                    }
                    let facts = world.put(&name, &spec, state);
                    if !one.ours {
                        facts.labels.remove(labels::INSTANCE);
                    } else if one.suffix == ".check" {
                        facts.labels = our_labels("check", &spec);
                    }
                    if one.stale_network {
                        for attachment in facts.networks.values_mut() {
                            attachment.network_id = "gone".into();
                        }
                    } else if !one.joined {
                        facts.networks.clear();
                    }
                    match one.by_hand {
                        1 => facts.memory += 1,
                        2 => facts.restart = None,
                        3 => {
                            facts.env.insert("EXTRA".into(), "1".into());
                        }
                        _ => {}
                    }
                    let (id, role) = (facts.id.clone(), one.role);
                    if one.recorded && one.ours {
                        world.observed.made.insert(id, role);
                    }
                }
                world.seal_foreign();
                for (role, fate) in Role::ALL.into_iter().zip(fates) {
                    let spec = target(2).container(role).unwrap().digest().to_string();
                    world.fates.insert(spec, fate);
                }
                let wanted = target(2);
                for (index, kind) in files {
                    let path = match index {
                        0 => "traefik/dynamic/extra.yml".into(),
                        1 => "mirotalk/0123456789ab/old".into(),
                        index => wanted.files[(index - 2) % wanted.files.len()].path.clone(),
                    };
                    let state = match kind {
                        0 => FileState::File(Digest::of("other")),
                        1 => FileState::Unreadable,
                        2 => FileState::Directory,
                        3 => FileState::Other,
                        _ => FileState::File(Digest::of("x")),
                    };
                    world.observed.files.insert(
                        path,
                        FileFacts {
                            state,
                            mode: 0o600,
                            owner: (0, 0),
                        },
                    );
                }
                if network {
                    let labels = if network_ours {
                        our_labels("network", &wanted.containers[0])
                    } else {
                        Default::default()
                    };
                    world.engine().networks.push(NetworkFacts {
                        id: "network".into(),
                        name: INSTANCE.into(),
                        driver: "bridge".into(),
                        labels,
                        subnets: Vec::new(),
                        gateway: None,
                    });
                }
                if !images {
                    world.engine().images.clear();
                }
                world.observed.live = Live {
                    streams: live.0,
                    viewers: live.1,
                    callers: live.2,
                };
                world
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// Invariants 1, 3 and 4: from any state it comes to rest; at rest there
    /// is nothing to do, or a reason is named; strangers are as they were;
    /// never two running for one role.
    #[test]
    fn from_any_state_it_comes_to_rest(mut world in any_world()) {
        let target = target(2);
        let last = world.settle(&target);
        prop_assert!(last.ready().all(|step| step.action == Action::Await), "{:#?}", views(&last));
        if !last.is_empty() {
            prop_assert!(!last.issues.is_empty(), "it waits without a reason: {:#?}", views(&last));
        }
        if last.issues.is_empty() {
            prop_assert!(last.is_empty());
            let again = world.settle(&target);
            prop_assert!(again.is_empty());
        }
    }

    /// Invariant 5: while somebody is live, nothing that cuts is ready, unless
    /// the service is broken already.
    #[test]
    fn nobody_live_is_cut_by_a_plan(mut world in any_world()) {
        let target = target(2);
        world.observed.live = Live { streams: 1, viewers: 1, callers: 1 };
        let plan = look(&target, &world);
        for step in plan.ready() {
            if step.disrupts > Disruption::Reload {
                let Lane::Service(role) = step.lane else { panic!("the ground cuts nobody") };
                let main = world.engine().containers.iter().find(|facts| facts.name == name(role)).cloned();
                let well = main.is_some_and(|facts| facts.state == ContainerState::Running)
                    && matches!(world.observed.health.get(&role), Some(Health::Healthy { .. }));
                prop_assert!(!well, "{:#?}", views(&plan));
            }
        }
    }

    /// Equal inputs give equal plans.
    #[test]
    fn a_plan_is_a_function(world in any_world()) {
        let target = target(2);
        prop_assert_eq!(look(&target, &world), look(&target, &world));
    }
}

/// A restored state on a host without the registry: the images were loaded from
/// files, and have other ids than those recorded.
#[test]
fn a_loaded_image_is_taken_where_the_recorded_one_cannot_be_had() {
    let recorded = "mirotalk@sha256:recorded".to_owned();
    let pin = crate::desired::ImagePin {
        id: "sha256:recorded".into(),
        digest: Some(recorded.clone()),
    };
    let target = target(1);
    let mut world = World::empty();
    world.pins.insert("mirotalk:1".into(), pin.clone());
    // First it is tried to have it.
    let plan = look(&target, &world);
    let pull = Action::Pull {
        reference: recorded.clone(),
    };
    assert!(plan.steps.iter().any(|step| step.action == pull));
    let failed = PullState::Failed {
        reason: "no such host".into(),
        retry_at: world.now + SignedDuration::from_hours(10),
    };
    world
        .observed
        .pulls
        .insert(recorded.clone(), failed.clone());
    let plan = look(&target, &world);
    let taken = plan.steps.iter().find(|step| {
        matches!(&step.action, Action::PinImage { reference, .. } if reference == "mirotalk:1")
    });
    assert!(taken.unwrap().why.contains("cannot be had"), "{plan:#?}");
    let made = "create container colourstream-mirotalk".to_owned();
    assert!(whats(&plan).contains(&made), "{:?}", whats(&plan));
    world.apply_once(&target, &plan);
    assert_eq!(world.pins["mirotalk:1"].id, "sha256:mirotalk");

    // Where one is of it a person says so.
    let (target, mut world) = settled();
    world.pins.insert("mirotalk:1".into(), pin);
    world.observed.pulls.insert(recorded, failed);
    let plan = look(&target, &world);
    assert!(!whats(&plan).contains(&made));
    let told = plan
        .issues
        .iter()
        .find(|issue| issue.code == IssueCode::ImageMissing);
    let fix = &told.unwrap().fix;
    assert!(fix.contains("apply --update-images"), "{fix}");
}

#[test]
fn a_time_waited_for_comes() {
    let target = target(1);
    let mut world = World::empty();
    world.engine().images.clear();
    let reference = "mirotalk:1".to_owned();
    let retry_at = world.now + SignedDuration::from_secs(30);
    world.observed.pulls.insert(
        reference.clone(),
        PullState::Failed {
            reason: "no such host".into(),
            retry_at,
        },
    );
    let before = look(&target, &world);
    assert!(
        before
            .steps
            .iter()
            .any(|step| step.waits == Some(Wait::Until { at: retry_at }))
    );
    assert!(
        before
            .issues
            .iter()
            .any(|issue| issue.code == IssueCode::ImageMissing)
    );
    world.now = retry_at;
    let after = look(&target, &world);
    assert!(after.ready().any(|step| step.action
        == Action::Pull {
            reference: reference.clone()
        }));
}
