//! A world in which plans take effect at once: for the properties that must
//! hold from any state. Knows nothing of why a step is taken.

#![expect(clippy::expect_used, clippy::panic, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::desired::{
    ContainerSpec, FileKind, FileSpec, ImagePin, ImageWant, Mount, MountSource, NetworkSpec,
    PortBinding, Protocol, RestartPolicy, VolumeSpec, labels,
};
use crate::engine::{
    Attachment, ContainerFacts, ContainerState, EngineCall, EngineFacts, ImageFacts, NetworkFacts,
    VolumeFacts,
};
use crate::model::Digest;
use crate::reconcile::{Memory, Refusal};

/// What becomes of a container with a certain specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Comes up and is well.
    Well,
    /// Runs, but never answers.
    Mute,
    /// Ends at once, over and over.
    Ends,
    /// Cannot even be started.
    Refused,
}

pub const INSTANCE: &str = "colourstream";

/// What keeps the lanes from going on.
pub fn holding(plan: &Plan) -> Vec<Wait> {
    let first = |lane| {
        plan.steps
            .iter()
            .find(|step| step.lane == lane && step.waits.is_some())
    };
    if let Some(ground) = first(Lane::Ground) {
        return ground.waits.iter().cloned().collect();
    }
    Role::ALL
        .into_iter()
        .filter_map(|role| first(Lane::Service(role))?.waits.clone())
        .collect()
}

/// A small target: one identity file per service, Traefik's watched one.
pub fn target(revision: u32) -> Target {
    let files: Vec<FileSpec> = Role::ALL
        .into_iter()
        .map(|role| {
            let bytes = format!("{role} revision {revision}").into_bytes();
            let digest = Digest::of(&bytes);
            FileSpec {
                path: format!("{role}/{}/config", digest.short()).into(),
                digest,
                bytes,
                mode: 0o400,
                owner: None,
                kind: FileKind::Identity(role),
                secret: true,
            }
        })
        .chain([{
            let bytes = b"routes".to_vec();
            FileSpec {
                path: "traefik/dynamic/colourstream.yml".into(),
                digest: Digest::of(&bytes),
                bytes,
                mode: 0o444,
                owner: None,
                kind: FileKind::Watched(Role::Traefik),
                secret: false,
            }
        }])
        .collect();
    let containers = Role::ALL
        .into_iter()
        .map(|role| {
            let own: BTreeMap<PathBuf, Digest> = files
                .iter()
                .filter(|file| file.kind == FileKind::Identity(role))
                .map(|file| (file.path.clone(), file.digest))
                .collect();
            ContainerSpec {
                role,
                image: ImageWant {
                    reference: format!("{role}:1"),
                    pin: None,
                },
                command: None,
                user: Some("65532:65532".into()),
                env: BTreeMap::new(),
                mounts: own
                    .keys()
                    .map(|path| Mount {
                        target: "/config".into(),
                        source: MountSource::Bind(
                            Path::new("/state/rendered").join(path.parent().unwrap_or(path)),
                        ),
                        read_only: true,
                    })
                    .chain((role == Role::Traefik).then(|| Mount {
                        target: "/acme".into(),
                        source: MountSource::Volume("colourstream-acme".into()),
                        read_only: false,
                    }))
                    .collect(),
                tmpfs: Vec::new(),
                ports: vec![PortBinding {
                    container: 80,
                    protocol: Protocol::Tcp,
                    host: 8000 + role as u16,
                    address: None,
                }],
                aliases: vec![role.to_string()],
                extra_hosts: Vec::new(),
                cap_add: Vec::new(),
                memory: 1 << 28,
                pids: 100,
                log_max_size: 1 << 20,
                log_max_files: 2,
                stop_timeout: 5,
                restart: RestartPolicy::UnlessStopped,
                files: own,
            }
        })
        .collect();
    Target {
        instance: INSTANCE.into(),
        version: "1".into(),
        network: NetworkSpec {
            name: INSTANCE.into(),
            subnet: "10.83.1.0/24".into(),
            gateway: Ipv4Addr::new(10, 83, 1, 1),
        },
        volumes: vec![VolumeSpec {
            name: "colourstream-acme".into(),
            device: "/state/acme".into(),
        }],
        files,
        containers,
        traefik_generation: "routes".into(),
    }
}

pub fn image(role: Role) -> ImageFacts {
    ImageFacts {
        id: format!("sha256:{role}"),
        repo_digests: Vec::new(),
        labels: BTreeMap::new(),
        env: BTreeMap::from([("PATH".into(), "/bin".into())]),
        command: vec![role.to_string()],
        user: String::new(),
        size: 1,
    }
}

pub fn our_labels(role: &str, spec: &ContainerSpec) -> BTreeMap<String, String> {
    BTreeMap::from([
        (labels::INSTANCE.to_owned(), INSTANCE.to_owned()),
        (labels::ROLE.to_owned(), role.to_owned()),
        (labels::SPEC.to_owned(), spec.digest().to_string()),
        (labels::VERSION.to_owned(), "1".to_owned()),
    ])
}

/// The world.
#[derive(Clone, Debug)]
pub struct World {
    pub observed: Observed,
    pub now: Timestamp,
    pub fates: BTreeMap<String, Fate>,
    pub pins: BTreeMap<String, ImagePin>,
    memory: Memory,
    /// The container of each role that was stopped last.
    stopped: BTreeMap<Role, String>,
    ids: u32,
    /// Everything that is not ours, as it was in the beginning.
    foreign: Vec<ContainerFacts>,
}

impl World {
    /// An engine with the three images and nothing else.
    pub fn empty() -> Self {
        let images = Role::ALL
            .into_iter()
            .flat_map(|role| {
                [
                    (format!("{role}:1"), image(role)),
                    (image(role).id, image(role)),
                ]
            })
            .collect();
        Self {
            observed: Observed {
                engine: Some(EngineFacts {
                    images,
                    ..EngineFacts::default()
                }),
                ..Observed::default()
            },
            now: Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1),
            fates: BTreeMap::new(),
            pins: BTreeMap::new(),
            memory: Memory::default(),
            stopped: BTreeMap::new(),
            ids: 0,
            foreign: Vec::new(),
        }
    }

    pub fn engine(&mut self) -> &mut EngineFacts {
        self.observed.engine.get_or_insert_default()
    }

    /// Puts a container there, as if somebody had made it before.
    pub fn put(
        &mut self,
        name: &str,
        spec: &ContainerSpec,
        state: ContainerState,
    ) -> &mut ContainerFacts {
        self.ids += 1;
        let id = format!("id{:03}", self.ids);
        let mut facts = ContainerFacts::from_spec(
            &id,
            name,
            spec,
            &image(spec.role),
            INSTANCE,
            &our_labels(spec.role.as_str(), spec),
        );
        facts.state = state;
        if state != ContainerState::Created {
            facts.started_at = Some(self.now - SignedDuration::from_mins(5));
        }
        let engine = self.engine();
        engine.containers.push(facts);
        let last = engine.containers.len() - 1;
        &mut engine.containers[last]
    }

    /// Remembers what must never be touched.
    pub fn seal_foreign(&mut self) {
        self.foreign = self
            .engine()
            .containers
            .iter()
            .filter(|facts| {
                facts
                    .labels
                    .get(labels::INSTANCE)
                    .is_none_or(|value| value != INSTANCE)
            })
            .cloned()
            .collect();
    }

    /// The target with what the references resolved to.
    pub fn pinned(&self, target: &Target) -> Target {
        let mut target = target.clone();
        for spec in &mut target.containers {
            spec.image.pin = self.pins.get(&spec.image.reference).cloned();
        }
        target
    }

    /// Refreshes what services and loop would say.
    fn look(&mut self, target: &Target) {
        let now = self.now;
        for facts in &mut self.observed.engine.get_or_insert_default().containers {
            // The engine goes on trying under its restart policy.
            if facts.state == ContainerState::Restarting
                && facts.labels.contains_key(labels::INSTANCE)
            {
                facts.restart_count += 1;
                facts.started_at = Some(now);
                facts.finished_at = Some(now);
            }
        }
        for role in Role::ALL {
            let name = target.container_name(role);
            let routes = self
                .observed
                .files
                .get(Path::new("traefik/dynamic/colourstream.yml"))
                .is_some_and(
                    |facts| matches!(facts.state, FileState::File(d) if d == Digest::of(b"routes")),
                );
            let engine = self.observed.engine.get_or_insert_default();
            let main = engine
                .containers
                .iter_mut()
                .find(|facts| facts.name == name);
            let health = main
                .as_ref()
                .filter(|facts| facts.state == ContainerState::Running)
                .map(|facts| {
                    let fate = facts
                        .labels
                        .get(labels::SPEC)
                        .and_then(|spec| self.fates.get(spec))
                        .copied()
                        .unwrap_or(Fate::Well);
                    let joined = facts.networks.contains_key(INSTANCE);
                    if fate == Fate::Well && joined {
                        Health::Healthy {
                            version: None,
                            generation: routes.then(|| "routes".to_owned()),
                        }
                    } else {
                        Health::Unhealthy {
                            why: "it does not answer".into(),
                        }
                    }
                });
            match health {
                Some(health) => self.observed.health.insert(role, health),
                None => self.observed.health.remove(&role),
            };
            let well = matches!(
                self.observed.health.get(&role),
                Some(Health::Healthy { .. })
            );
            self.memory.note_run(role, main.as_deref(), well, now);
        }
        self.observed.breakers = self.memory.breakers();
        self.observed.start_failures = self.memory.start_failures();
        self.observed.pulls = self.memory.pulls();
    }

    /// Does what is ready; panics on what must never happen.
    fn apply(&mut self, target: &Target, plan: &Plan) {
        let mut failed: BTreeSet<Lane> = BTreeSet::new();
        let ready: Vec<Step> = plan.ready().cloned().collect();
        for step in ready {
            if failed.contains(&step.lane) {
                continue;
            }
            if self.act(target, &step).is_err() {
                failed.insert(step.lane);
            }
        }
        self.check(target);
    }

    fn act(&mut self, target: &Target, step: &Step) -> Result<(), ()> {
        match &step.action {
            Action::WriteFile { path, digest, .. } => {
                let file = target
                    .files
                    .iter()
                    .find(|file| &file.path == path)
                    .expect("a file of the target");
                let facts = FileFacts {
                    state: FileState::File(*digest),
                    mode: file.mode,
                    owner: (0, 0),
                };
                self.observed.files.insert(path.clone(), facts);
            }
            Action::Quarantine { path } | Action::RemoveFile { path } => {
                self.observed
                    .files
                    .retain(|other, _| !other.starts_with(path));
            }
            Action::Pull { reference } => {
                let role = Role::ALL
                    .into_iter()
                    .find(|role| reference.starts_with(role.as_str()))
                    .expect("ours");
                self.engine().images.insert(reference.clone(), image(role));
                self.engine().images.insert(image(role).id, image(role));
            }
            Action::PinImage {
                reference,
                id,
                digest,
            } => {
                let pin = ImagePin {
                    id: id.clone(),
                    digest: digest.clone(),
                };
                self.pins.insert(reference.clone(), pin);
            }
            Action::Await => {}
            Action::RecordFailure { role, spec, reason } => {
                let retry_at = self.now + SignedDuration::from_hours(24);
                let failure = ReplacementFailure {
                    spec: *spec,
                    reason: reason.clone(),
                    retry_at,
                };
                self.observed.failures.insert(*role, failure);
            }
            Action::Engine { call, .. } => return self.call(step, call),
        }
        Ok(())
    }

    fn find(&mut self, id: &str) -> Option<&mut ContainerFacts> {
        self.engine()
            .containers
            .iter_mut()
            .find(|facts| facts.id == id || facts.name == id)
    }

    /// How many containers have a volume, whether they run or not.
    fn holders(&mut self, volume: &str) -> usize {
        let source = MountSource::Volume(volume.to_owned());
        let has_it = |facts: &&ContainerFacts| facts.mounts.iter().any(|one| one.source == source);
        self.engine().containers.iter().filter(has_it).count()
    }

    fn call(&mut self, step: &Step, call: &EngineCall) -> Result<(), ()> {
        let (now, lane) = (self.now, step.lane);
        match call {
            EngineCall::CreateNetwork { spec, labels } => {
                self.engine().networks.push(NetworkFacts {
                    id: "network".into(),
                    name: spec.name.clone(),
                    driver: "bridge".into(),
                    labels: labels.clone(),
                    subnets: vec![spec.subnet.clone()],
                    gateway: Some(spec.gateway),
                })
            }
            EngineCall::CreateVolume { spec, labels } => self.engine().volumes.push(VolumeFacts {
                name: spec.name.clone(),
                labels: labels.clone(),
                options: BTreeMap::from([
                    ("o".to_owned(), "bind".to_owned()),
                    ("device".to_owned(), spec.device.display().to_string()),
                ]),
            }),
            EngineCall::CreateContainer {
                name,
                spec,
                image: id,
                network,
                labels,
            } => {
                assert!(self.find(name).is_none(), "the name {name} is taken");
                assert!(
                    self.engine().images.values().any(|image| image.id == *id),
                    "no image {id}"
                );
                self.ids += 1;
                let made = format!("id{:03}", self.ids);
                let mut facts = ContainerFacts::from_spec(
                    &made,
                    name,
                    spec,
                    &image(spec.role),
                    network,
                    labels,
                );
                if let Some(attachment) = facts.networks.get_mut(network) {
                    attachment.network_id = "network".into();
                }
                self.engine().containers.push(facts);
                self.observed.made.insert(made, spec.role);
            }
            EngineCall::StartContainer { id } => {
                let role = match lane {
                    Lane::Service(role) => role,
                    Lane::Ground => panic!("only services are started"),
                };
                let facts = self.find(id).expect("a container");
                let container = Some(facts.id.clone());
                let spec = facts.labels.get(labels::SPEC).cloned();
                let fate = spec
                    .and_then(|spec| self.fates.get(&spec))
                    .copied()
                    .unwrap_or(Fate::Well);
                if fate == Fate::Refused {
                    let refusal = Refusal {
                        container,
                        reason: "the engine refused".into(),
                        port: None,
                    };
                    self.memory.note_start_failure(role, refusal, now);
                    return Err(());
                }
                self.memory.clear_start_failure(role);
                if self.stopped.remove(&role).as_ref() == Some(id) {
                    self.memory.note_restart(role, now);
                }
                let facts = self.find(id).expect("a container");
                facts.started_at = Some(now);
                facts.restart_count = 0;
                if fate == Fate::Ends {
                    facts.state = ContainerState::Restarting;
                    facts.finished_at = Some(now);
                    facts.restart_count = 3;
                } else {
                    facts.state = ContainerState::Running;
                }
            }
            EngineCall::StopContainer { id, .. } => {
                if let Lane::Service(role) = lane {
                    self.stopped.insert(role, id.clone());
                }
                if let Some(facts) = self.find(id) {
                    facts.state = ContainerState::Exited;
                    facts.finished_at = Some(now);
                }
            }
            EngineCall::UnpauseContainer { id } => {
                self.find(id).expect("a container").state = ContainerState::Running;
            }
            EngineCall::RenameContainer { id, to } => {
                assert!(
                    self.engine()
                        .containers
                        .iter()
                        .all(|facts| facts.name != *to),
                    "{to} is taken"
                );
                self.find(id).expect("a container").name.clone_from(to);
            }
            EngineCall::RemoveContainer { id } => {
                self.engine()
                    .containers
                    .retain(|facts| facts.id != *id && facts.name != *id);
            }
            EngineCall::ConnectNetwork {
                network,
                container,
                aliases,
            } => {
                let attachment = Attachment {
                    network_id: "network".into(),
                    address: None,
                    aliases: aliases.iter().cloned().collect(),
                };
                self.find(container)
                    .expect("a container")
                    .networks
                    .insert(network.clone(), attachment);
            }
            EngineCall::DisconnectNetwork { network, container } => {
                self.find(container)
                    .expect("a container")
                    .networks
                    .remove(network);
            }
            EngineCall::TryOut { spec, .. } => {
                if self.fates.get(&spec.digest().to_string()) == Some(&Fate::Ends) {
                    let failure = ReplacementFailure {
                        spec: spec.digest(),
                        reason: "it ends".into(),
                        retry_at: now + SignedDuration::from_hours(24),
                    };
                    self.observed.failures.insert(spec.role, failure);
                    return Err(());
                }
            }
            EngineCall::SignalContainer { .. } => self.observed.route_reminded_at = Some(now),
            EngineCall::RemoveNetwork { id } => {
                let networks = &mut self.engine().networks;
                let gone = networks.iter().position(|network| &network.id == id);
                let gone = networks.remove(gone.expect("it is there"));
                let left = networks.iter().filter(|network| network.name == gone.name);
                assert!(left.count() > 0, "a plan never removes the only network");
            }
            EngineCall::RemoveVolume { name } => {
                assert_eq!(self.holders(name), 0, "the engine refuses to remove {name}");
                let volumes = &mut self.engine().volumes;
                let gone = volumes.iter().position(|volume| &volume.name == name);
                let gone = volumes.remove(gone.expect("it is there"));
                assert!(gone.leads_to().is_some(), "{name} holds something itself");
            }
        }
        Ok(())
    }

    /// What must hold at every moment.
    fn check(&self, target: &Target) {
        let engine = self.observed.engine.as_ref().expect("the engine is there");
        for foreign in &self.foreign {
            assert!(
                engine.containers.contains(foreign),
                "{} is not ours and was touched",
                foreign.name
            );
        }
        for role in Role::ALL {
            let running: Vec<&str> = engine
                .containers
                .iter()
                .filter(|facts| {
                    facts.is_running()
                        && facts.name.starts_with(&target.container_name(role))
                        && (crate::engine::is_our_name(INSTANCE, &facts.name)
                            || self.observed.made.contains_key(&facts.id))
                        && facts
                            .labels
                            .get(labels::INSTANCE)
                            .is_some_and(|value| value == INSTANCE)
                })
                .map(|facts| facts.name.as_str())
                .collect();
            // What was running twice in the beginning is mended, not made.
            assert!(
                running.len() <= 1 || self.ids == 0,
                "two containers run for {role}: {running:?}"
            );
        }
    }

    /// The one that should run.
    pub fn main(&mut self, role: &Role) -> &mut ContainerFacts {
        let name = format!("{INSTANCE}-{role}");
        self.engine()
            .containers
            .iter_mut()
            .find(|facts| facts.name == name)
            .expect("it is there")
    }

    /// One look, carried out.
    pub fn step(&mut self, target: &Target) {
        self.look(target);
        let target = &self.pinned(target);
        let policy = Policy {
            now: self.now,
            mode: Mode::Heal,
            apply_now: false,
        };
        let plan = plan(target, &self.observed, &policy);
        self.apply(target, &plan);
        self.now += SignedDuration::from_millis(200);
    }

    /// Does what is ready, once.
    pub fn apply_once(&mut self, target: &Target, plan: &Plan) {
        self.apply(target, plan);
    }

    /// Looks, plans and applies until nothing moves; the last plan.
    pub fn settle(&mut self, target: &Target) -> Plan {
        let mut last = Plan::default();
        for _ in 0..120 {
            self.look(target);
            let target = &self.pinned(target);
            let policy = Policy {
                now: self.now,
                mode: Mode::Heal,
                apply_now: false,
            };
            last = plan(target, &self.observed, &policy);
            if last.ready().any(|step| step.action != Action::Await) {
                self.apply(target, &last);
            } else if holding(&last)
                .iter()
                .all(|wait| matches!(wait, Wait::Person | Wait::Until { .. }))
            {
                return last;
            } else if last
                .steps
                .iter()
                .any(|step| step.waits == Some(Wait::Quiet))
            {
                self.observed.live = Live::default();
            }
            self.now += SignedDuration::from_millis(200);
        }
        panic!("it never settles; still: {:#?}", views(&last));
    }
}
