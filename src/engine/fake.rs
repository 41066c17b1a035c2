//! A world in memory that answers as a Docker engine does, for tests of the
//! loop: names are unique, ports exclusive, started containers get addresses.
//! Its facts are those of [`ContainerFacts::from_spec`], to which the real
//! engine is held by `tests/engine_docker.rs`. What goes wrong, and when, a
//! test writes down beforehand.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use jiff::Timestamp;
use tokio::sync::{Notify, broadcast};

use super::{
    Attachment, ContainerFacts, ContainerState, Ended, Engine, EngineCall, EngineError,
    EngineFacts, EngineHint, EngineInfo, ImageFacts, NetworkFacts, Performed, PortHolder,
    PullProgress, VolumeFacts, is_our_name,
};
use crate::desired::{PortBinding, Protocol, RestartPolicy, labels};

/// The world. Clones are the same world.
#[derive(Clone)]
pub struct World {
    inner: Arc<Mutex<Inner>>,
    /// Wakes held pulls and followed logs.
    pulse: Arc<Notify>,
    /// Hints; `None` tells that the connection is gone.
    hints: broadcast::Sender<Option<EngineHint>>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.inner();
        f.debug_struct("World")
            .field("now", &inner.now)
            .field("containers", &inner.containers.len())
            .field("calls", &inner.calls.len())
            .finish_non_exhaustive()
    }
}

/// Whether a call is the one meant.
type Matcher = Box<dyn Fn(&EngineCall) -> bool + Send>;

/// When a scripted failure strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Nothing was done.
    Before,
    /// All was done, but the answer was lost.
    After,
}

/// What becomes of a container that is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It runs.
    Runs,
    /// It ends at once with this code (and goes on ending if the engine
    /// restarts it).
    Ends(i64),
}

struct Failure {
    matcher: Matcher,
    when: When,
    error: EngineError,
}

struct Inner {
    now: Timestamp,
    info: EngineInfo,
    containers: BTreeMap<String, ContainerFacts>,
    networks: Vec<NetworkFacts>,
    volumes: Vec<VolumeFacts>,
    images: BTreeMap<String, ImageFacts>,
    registry: BTreeMap<String, Result<ImageFacts, EngineError>>,
    held_pulls: BTreeSet<String>,
    processes: BTreeSet<(Protocol, u16)>,
    logs: BTreeMap<String, Vec<String>>,
    fates: Vec<(String, Fate)>,
    try_outs: VecDeque<Option<Ended>>,
    failures: Vec<Failure>,
    away: Option<EngineError>,
    /// Changing calls until the engine goes away by itself.
    answers_left: Option<usize>,
    calls: Vec<EngineCall>,
    looks: usize,
    history: Vec<EngineHint>,
    made: u64,
    rivals: Vec<String>,
}

impl World {
    /// An empty engine (20.10, API 1.41) at the moment `now`.
    pub fn new(now: Timestamp) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                now,
                info: EngineInfo {
                    version: "20.10.24".to_owned(),
                    api_version: "1.41".to_owned(),
                    platform: "linux/amd64".to_owned(),
                },
                containers: BTreeMap::new(),
                networks: vec![NetworkFacts {
                    id: format!("{:064x}", 0xb0),
                    name: "bridge".to_owned(),
                    driver: "bridge".to_owned(),
                    labels: BTreeMap::new(),
                    subnets: vec!["172.17.0.0/16".to_owned()],
                    gateway: Some(Ipv4Addr::new(172, 17, 0, 1)),
                }],
                volumes: Vec::new(),
                images: BTreeMap::new(),
                registry: BTreeMap::new(),
                held_pulls: BTreeSet::new(),
                processes: BTreeSet::new(),
                logs: BTreeMap::new(),
                fates: Vec::new(),
                try_outs: VecDeque::new(),
                failures: Vec::new(),
                away: None,
                answers_left: None,
                calls: Vec::new(),
                looks: 0,
                history: Vec::new(),
                made: 0,
                rivals: Vec::new(),
            })),
            pulse: Arc::new(Notify::new()),
            hints: broadcast::channel(1024).0,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the world by hand and tells the listeners.
    fn by_hand<T>(&self, what: String, change: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.inner();
        let result = change(&mut inner);
        let hint = EngineHint {
            at: inner.now.as_second(),
            what,
        };
        inner.history.push(hint.clone());
        drop(inner);
        // Nobody listening is fine.
        let _ = self.hints.send(Some(hint));
        self.pulse.notify_waiters();
        result
    }

    // --- The clock and the connection ------------------------------------

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let mut inner = self.inner();
        inner.now = inner.now.checked_add(by).unwrap_or(inner.now);
    }

    /// Sets the clock, back too.
    pub fn set_clock(&self, now: Timestamp) {
        self.inner().now = now;
    }

    /// The world's moment.
    pub fn now(&self) -> Timestamp {
        self.inner().now
    }

    /// The engine stops answering; event streams end.
    pub fn go_away(&self) {
        self.inner().away = Some(away());
        let _ = self.hints.send(None);
    }

    /// It answers again; containers are as they were.
    pub fn come_back(&self) {
        let mut inner = self.inner();
        inner.away = None;
        inner.answers_left = None;
    }

    /// It goes away after `calls` more changing calls: the place to be killed.
    pub fn go_away_after(&self, calls: usize) {
        self.inner().answers_left = Some(calls);
    }

    /// Other controllers that run in our network.
    pub fn set_rivals(&self, names: &[&str]) {
        self.inner().rivals = names.iter().map(ToString::to_string).collect();
    }

    // --- The script --------------------------------------------------------

    /// The next call that matches fails, once.
    pub fn fail(
        &self,
        when: When,
        error: EngineError,
        matcher: impl Fn(&EngineCall) -> bool + Send + 'static,
    ) {
        self.inner().failures.push(Failure {
            matcher: Box::new(matcher),
            when,
            error,
        });
    }

    /// Failures that were written down and have not struck yet.
    pub fn failures_left(&self) -> usize {
        self.inner().failures.len()
    }

    /// From now on, containers whose name or role label is `whose` have this
    /// fate when they are started.
    pub fn fate(&self, whose: &str, fate: Fate) {
        let mut inner = self.inner();
        inner.fates.retain(|(known, _)| known != whose);
        inner.fates.push((whose.to_owned(), fate));
    }

    /// How the next throw-away ends; those without a script survive.
    pub fn next_try_out(&self, ended: Option<Ended>) {
        self.inner().try_outs.push_back(ended);
    }

    // --- What was asked ----------------------------------------------------

    /// Every changing call so far, those that failed included.
    pub fn calls(&self) -> Vec<EngineCall> {
        self.inner().calls.clone()
    }

    /// The same, forgotten afterwards.
    pub fn take_calls(&self) -> Vec<EngineCall> {
        std::mem::take(&mut self.inner().calls)
    }

    /// How often somebody looked.
    pub fn looks(&self) -> usize {
        self.inner().looks
    }

    // --- What is there -----------------------------------------------------

    /// A container by name.
    pub fn container(&self, name: &str) -> Option<ContainerFacts> {
        let inner = self.inner();
        inner.by_name(name).cloned()
    }

    /// Names of all containers, sorted.
    pub fn names(&self) -> Vec<String> {
        let inner = self.inner();
        let mut names: Vec<_> = inner
            .containers
            .values()
            .map(|held| held.name.clone())
            .collect();
        names.sort();
        names
    }

    /// A network by name.
    pub fn network(&self, name: &str) -> Option<NetworkFacts> {
        let inner = self.inner();
        let found = inner.networks.iter().find(|known| known.name == name);
        found.cloned()
    }

    // --- By hand -----------------------------------------------------------

    /// `docker kill`: ends with 137 and stays so.
    pub fn kill(&self, name: &str) {
        self.by_hand(format!("container die {name}"), |inner| {
            inner.edit(name, |held, now| held.end(137, now));
        });
    }

    /// Its process ends by itself; the engine restarts it if it may.
    pub fn crash(&self, name: &str, code: i64) {
        self.by_hand(format!("container die {name}"), |inner| {
            inner.edit(name, |held, now| {
                held.end(code, now);
                if held.restart == Some(RestartPolicy::UnlessStopped) {
                    held.restart_count += 1;
                    held.state = ContainerState::Running;
                    held.started_at = Some(now);
                }
            });
            inner.readdress();
        });
    }

    /// `docker stop`.
    pub fn stop(&self, name: &str) {
        self.by_hand(format!("container stop {name}"), |inner| {
            inner.edit(name, |held, now| held.end(0, now));
        });
    }

    /// `docker pause`.
    pub fn pause(&self, name: &str) {
        self.by_hand(format!("container pause {name}"), |inner| {
            inner.edit(name, |held, _| held.state = ContainerState::Paused);
        });
    }

    /// `docker rename`.
    pub fn rename_by_hand(&self, name: &str, to: &str) {
        self.by_hand(format!("container rename {to}"), |inner| {
            inner.edit(name, |held, _| held.name = to.to_owned());
        });
    }

    /// `docker rm -f`.
    pub fn remove(&self, name: &str) {
        self.by_hand(format!("container destroy {name}"), |inner| {
            inner.containers.retain(|_, held| held.name != name);
        });
    }

    /// `docker network disconnect`.
    pub fn disconnect(&self, name: &str, network: &str) {
        self.by_hand(format!("network disconnect {network}"), |inner| {
            inner.edit(name, |held, _| {
                held.networks.remove(network);
            });
        });
    }

    /// `docker network rm -f`, with everybody in it thrown out.
    pub fn remove_network(&self, network: &str) {
        self.by_hand(format!("network destroy {network}"), |inner| {
            inner.networks.retain(|known| known.name != network);
            for held in inner.containers.values_mut() {
                held.networks.remove(network);
            }
        });
    }

    /// `docker volume rm`.
    pub fn remove_volume(&self, name: &str) {
        self.by_hand(format!("volume destroy {name}"), |inner| {
            inner.volumes.retain(|known| known.name != name);
        });
    }

    /// Somebody else's container, running, with these ports published.
    pub fn add_foreign(&self, name: &str, ports: &[PortBinding]) -> String {
        self.by_hand(format!("container start {name}"), |inner| {
            let id = inner.next_id();
            let facts = ContainerFacts {
                ports: ports.to_vec(),
                state: ContainerState::Running,
                started_at: Some(inner.now),
                ..blank(&id, name)
            };
            inner.containers.insert(id.clone(), facts);
            id
        })
    }

    /// Any container at all, such as a look-alike.
    pub fn add_container(&self, facts: ContainerFacts) {
        self.by_hand(format!("container create {}", facts.name), |inner| {
            inner.containers.insert(facts.id.clone(), facts);
        });
    }

    /// Any network at all.
    pub fn add_network(&self, network: NetworkFacts) {
        self.by_hand(format!("network create {}", network.name), |inner| {
            inner.networks.push(network);
        });
    }

    /// Changes a container in a way that has no verb here.
    pub fn tamper(&self, name: &str, change: impl FnOnce(&mut ContainerFacts)) {
        self.by_hand(format!("container update {name}"), |inner| {
            inner.edit(name, |held, _| change(held));
        });
    }

    /// A process of the host begins to listen.
    pub fn occupy_port(&self, protocol: Protocol, port: u16) {
        self.inner().processes.insert((protocol, port));
    }

    /// It stops.
    pub fn free_port(&self, protocol: Protocol, port: u16) {
        self.inner().processes.remove(&(protocol, port));
    }

    /// An image that is on the host under `reference`.
    pub fn add_image(&self, reference: &str, image: ImageFacts) {
        self.by_hand(format!("image tag {reference}"), |inner| {
            inner.images.insert(reference.to_owned(), image);
        });
    }

    /// `docker rmi`.
    pub fn remove_image(&self, reference: &str) {
        self.by_hand(format!("image untag {reference}"), |inner| {
            inner.images.remove(reference);
        });
    }

    /// What a pull of `reference` brings.
    pub fn in_registry(&self, reference: &str, image: ImageFacts) {
        self.inner()
            .registry
            .insert(reference.to_owned(), Ok(image));
    }

    /// A pull of `reference` fails in these words.
    pub fn registry_refuses(&self, reference: &str, words: &str) {
        let error = EngineError::Registry(words.to_owned());
        self.inner()
            .registry
            .insert(reference.to_owned(), Err(error));
    }

    /// Pulls of `reference` stay half-way until [`World::release_pull`].
    pub fn hold_pull(&self, reference: &str) {
        self.inner().held_pulls.insert(reference.to_owned());
    }

    /// See [`World::hold_pull`].
    pub fn release_pull(&self, reference: &str) {
        self.inner().held_pulls.remove(reference);
        self.pulse.notify_waiters();
    }

    /// What a container says.
    pub fn say(&self, name: &str, line: &str) {
        self.inner()
            .logs
            .entry(name.to_owned())
            .or_default()
            .push(line.to_owned());
        self.pulse.notify_waiters();
    }

    // --- The engine's answers ----------------------------------------------

    fn answer(&self, call: &EngineCall) -> Result<Performed, EngineError> {
        let mut inner = self.inner();
        inner.calls.push(call.clone());
        if let Some(left) = &mut inner.answers_left {
            match left.checked_sub(1) {
                Some(less) => *left = less,
                None => {
                    inner.away = Some(away());
                    let _ = self.hints.send(None);
                }
            }
        }
        if let Some(error) = &inner.away {
            return Err(error.clone());
        }
        let struck = inner
            .failures
            .iter()
            .position(|failure| (failure.matcher)(call));
        let failure = struck.map(|index| inner.failures.remove(index));
        match failure {
            Some(failure) if failure.when == When::Before => Err(failure.error),
            failure => {
                let before = inner.snapshot();
                let result = inner.act(call);
                inner.readdress();
                if inner.snapshot() != before {
                    let hint = EngineHint {
                        at: inner.now.as_second(),
                        what: call.verb().to_owned(),
                    };
                    inner.history.push(hint.clone());
                    let _ = self.hints.send(Some(hint));
                }
                match failure {
                    Some(failure) => Err(failure.error),
                    None => result,
                }
            }
        }
    }
}

impl ContainerFacts {
    fn end(&mut self, code: i64, now: Timestamp) {
        self.state = ContainerState::Exited;
        self.exit_code = code;
        self.finished_at = Some(now);
        for end in self.networks.values_mut() {
            end.address = None;
        }
    }
}

impl Inner {
    fn next_id(&mut self) -> String {
        self.made += 1;
        // Unlike each other in the first twelve digits, as people see them.
        format!("{:012x}{:052x}", self.made, 0)
    }

    fn by_name(&self, name: &str) -> Option<&ContainerFacts> {
        self.containers.values().find(|held| held.name == name)
    }

    fn edit(&mut self, name: &str, change: impl FnOnce(&mut ContainerFacts, Timestamp)) {
        let now = self.now;
        if let Some(held) = self.containers.values_mut().find(|held| held.name == name) {
            change(held, now);
        }
    }

    fn held(&mut self, id: &str) -> Result<&mut ContainerFacts, EngineError> {
        // An engine takes names for ids as well.
        let key = self
            .containers
            .iter()
            .find(|(key, held)| *key == id || held.name == id)
            .map(|(key, _)| key.clone());
        key.and_then(|key| self.containers.get_mut(&key))
            .ok_or_else(|| EngineError::NotFound(format!("No such container: {id}")))
    }

    fn network(&self, id: &str) -> Result<&NetworkFacts, EngineError> {
        self.networks
            .iter()
            .find(|network| network.id == id || network.name == id)
            .ok_or_else(|| EngineError::NotFound(format!("network {id} not found")))
    }

    /// What an event would tell of.
    fn snapshot(&self) -> (BTreeMap<String, ContainerFacts>, usize, usize) {
        (
            self.containers.clone(),
            self.networks.len(),
            self.volumes.len(),
        )
    }

    fn port_holders(&self) -> Vec<PortHolder> {
        let mut holders: Vec<_> = self
            .containers
            .values()
            .filter(|held| held.is_running())
            .flat_map(|held| {
                held.ports.iter().map(|port| PortHolder {
                    container: held.name.clone(),
                    id: held.id.clone(),
                    port: port.host,
                    protocol: port.protocol,
                    address: port.address.filter(|address| !address.is_unspecified()),
                })
            })
            .collect();
        holders.sort();
        holders.dedup();
        holders
    }

    /// Gives an address to whoever runs and has none.
    fn readdress(&mut self) {
        let gateways: BTreeMap<String, Ipv4Addr> = self
            .networks
            .iter()
            .filter_map(|network| Some((network.name.clone(), network.gateway?)))
            .collect();
        let mut taken: BTreeSet<Ipv4Addr> = self
            .containers
            .values()
            .flat_map(|held| held.networks.values().filter_map(|end| end.address))
            .chain(gateways.values().copied())
            .collect();
        for held in self.containers.values_mut() {
            if !held.is_running() {
                continue;
            }
            for (name, end) in &mut held.networks {
                if let (None, Some(gateway)) = (end.address, gateways.get(name)) {
                    let free = (1..250)
                        .map(|step| Ipv4Addr::from_bits(gateway.to_bits().wrapping_add(step)))
                        .find(|address| !taken.contains(address));
                    taken.extend(free);
                    end.address = free;
                }
            }
        }
    }

    fn act(&mut self, call: &EngineCall) -> Result<Performed, EngineError> {
        match call {
            EngineCall::CreateNetwork { spec, labels } => {
                if let Some(there) = self.networks.iter().find(|known| known.name == spec.name) {
                    let same = there.subnets == [spec.subnet.clone()]
                        && labels
                            .iter()
                            .all(|(key, value)| there.labels.get(key) == Some(value));
                    return if same {
                        Ok(Performed::Created(there.id.clone()))
                    } else {
                        Err(EngineError::Conflict(format!(
                            "a network named {} exists and is not as wanted",
                            spec.name
                        )))
                    };
                }
                if self
                    .networks
                    .iter()
                    .any(|known| known.subnets.contains(&spec.subnet))
                {
                    return Err(EngineError::Conflict(
                        "Pool overlaps with other one on this address space".to_owned(),
                    ));
                }
                let id = self.next_id();
                self.networks.push(NetworkFacts {
                    id: id.clone(),
                    name: spec.name.clone(),
                    driver: "bridge".to_owned(),
                    labels: labels.clone(),
                    subnets: vec![spec.subnet.clone()],
                    gateway: Some(spec.gateway),
                });
                Ok(Performed::Created(id))
            }
            EngineCall::RemoveNetwork { id } => {
                let Ok(name) = self.network(id).map(|network| network.name.clone()) else {
                    return Ok(Performed::Done);
                };
                if self
                    .containers
                    .values()
                    .any(|held| held.is_running() && held.networks.contains_key(&name))
                {
                    return Err(EngineError::Conflict(format!(
                        "error while removing network: network {name} id {id} has active endpoints"
                    )));
                }
                self.networks.retain(|network| network.name != name);
                Ok(Performed::Done)
            }
            EngineCall::CreateVolume { spec, labels } => {
                let wanted = VolumeFacts {
                    name: spec.name.clone(),
                    labels: labels.clone(),
                    options: BTreeMap::from([
                        ("type".to_owned(), "none".to_owned()),
                        ("o".to_owned(), "bind".to_owned()),
                        ("device".to_owned(), spec.device.display().to_string()),
                    ]),
                };
                match self.volumes.iter().find(|known| known.name == spec.name) {
                    Some(there) if *there == wanted => {}
                    Some(_) => {
                        return Err(EngineError::Conflict(format!(
                            "a volume named {} exists and is not as wanted",
                            spec.name
                        )));
                    }
                    None => self.volumes.push(wanted),
                }
                Ok(Performed::Created(spec.name.clone()))
            }
            EngineCall::RemoveVolume { name } => {
                let used = self.containers.values().any(|held| {
                    held.mounts.iter().any(|mount| {
                        matches!(&mount.source, crate::desired::MountSource::Volume(known) if known == name)
                    })
                });
                if used {
                    return Err(EngineError::Conflict(format!("volume {name} is in use")));
                }
                self.volumes.retain(|volume| volume.name != *name);
                Ok(Performed::Done)
            }
            EngineCall::CreateContainer {
                name,
                spec,
                image,
                network,
                labels,
            } => {
                let image = self.image(image)?;
                self.refuse_taken_name(name)?;
                let id = self.next_id();
                let facts = ContainerFacts::from_spec(&id, name, spec, &image, network, labels);
                self.containers.insert(id.clone(), facts);
                Ok(Performed::Created(id))
            }
            EngineCall::StartContainer { id } => self.start(id),
            EngineCall::StopContainer { id, .. } => {
                let now = self.now;
                let held = self.held(id)?;
                if held.is_running() {
                    held.end(0, now);
                }
                Ok(Performed::Done)
            }
            EngineCall::UnpauseContainer { id } => {
                let held = self.held(id)?;
                if held.state == ContainerState::Paused {
                    held.state = ContainerState::Running;
                }
                Ok(Performed::Done)
            }
            EngineCall::RenameContainer { id, to } => {
                let id = self.held(id)?.id.clone();
                if self.by_name(to).is_none_or(|other| other.id != id) {
                    self.refuse_taken_name(to)?;
                }
                to.clone_into(&mut self.held(&id)?.name);
                Ok(Performed::Done)
            }
            EngineCall::RemoveContainer { id } => {
                self.containers
                    .retain(|key, held| key != id && held.name != *id);
                Ok(Performed::Done)
            }
            EngineCall::ConnectNetwork {
                network,
                container,
                aliases,
            } => {
                let known = self.network(network)?;
                let (name, network_id) = (known.name.clone(), known.id.clone());
                let wanted: BTreeSet<String> = aliases.iter().cloned().collect();
                let held = self.held(container)?;
                match held.networks.get(&name) {
                    Some(end) if end.aliases == wanted => {}
                    Some(_) => {
                        return Err(EngineError::Conflict(format!(
                            "the container is in network {name} under other names"
                        )));
                    }
                    None => {
                        let end = Attachment {
                            network_id,
                            address: None,
                            aliases: wanted,
                        };
                        held.networks.insert(name, end);
                    }
                }
                Ok(Performed::Done)
            }
            EngineCall::DisconnectNetwork { network, container } => {
                let name = self
                    .network(network)
                    .map_or_else(|_| network.clone(), |known| known.name.clone());
                if let Ok(held) = self.held(container) {
                    held.networks.remove(&name);
                }
                Ok(Performed::Done)
            }
            EngineCall::SignalContainer { id, .. } => {
                let held = self.held(id)?;
                if held.is_running() {
                    Ok(Performed::Done)
                } else {
                    Err(EngineError::Conflict(format!(
                        "Cannot kill container: {id}: is not running"
                    )))
                }
            }
            EngineCall::TryOut { name, image, .. } => {
                self.image(image)?;
                self.refuse_taken_name(name)?;
                Ok(Performed::Tried(self.try_outs.pop_front().flatten()))
            }
        }
    }

    fn image(&self, reference: &str) -> Result<ImageFacts, EngineError> {
        self.images
            .iter()
            .find(|(known, image)| *known == reference || image.id == reference)
            .map(|(_, image)| image.clone())
            .ok_or_else(|| EngineError::NotFound(format!("No such image: {reference}")))
    }

    fn refuse_taken_name(&self, name: &str) -> Result<(), EngineError> {
        match self.by_name(name) {
            None => Ok(()),
            Some(other) => Err(EngineError::Conflict(format!(
                "Conflict. The container name \"/{name}\" is already in use by container \"{}\".",
                other.id
            ))),
        }
    }

    fn start(&mut self, id: &str) -> Result<Performed, EngineError> {
        let now = self.now;
        let held = self.held(id)?.clone();
        match held.state {
            ContainerState::Running | ContainerState::Restarting => return Ok(Performed::Done),
            ContainerState::Paused => {
                return Err(EngineError::Other(
                    "cannot start a paused container, try unpause instead".to_owned(),
                ));
            }
            ContainerState::Created | ContainerState::Exited | ContainerState::Dead => {}
        }
        let missing = held
            .networks
            .keys()
            .find_map(|network| self.network(network).err());
        let refused = missing.or_else(|| self.taken_port(&held));
        if let Some(error) = refused {
            let held = self.held(id)?;
            held.error = match &error {
                EngineError::PortTaken { message, .. } => message.clone(),
                error => error.to_string(),
            };
            held.exit_code = 128;
            return Err(error);
        }
        let role = held.labels.get(labels::ROLE).cloned().unwrap_or_default();
        let fate = self
            .fates
            .iter()
            .find(|(whose, _)| *whose == held.name || *whose == role)
            .map_or(Fate::Runs, |(_, fate)| *fate);
        let held = self.held(id)?;
        held.error.clear();
        held.exit_code = 0;
        held.restart_count = 0;
        held.started_at = Some(now);
        held.state = ContainerState::Running;
        if let Fate::Ends(code) = fate {
            held.end(code, now);
            if held.restart == Some(RestartPolicy::UnlessStopped) {
                held.restart_count = 1;
                held.state = ContainerState::Restarting;
            }
        }
        Ok(Performed::Done)
    }

    /// The first port of `held` that a process or another container has.
    fn taken_port(&self, held: &ContainerFacts) -> Option<EngineError> {
        let holders = self.port_holders();
        held.ports.iter().find_map(|port| {
            let by_container = holders.iter().any(|holder| {
                (holder.port, holder.protocol) == (port.host, port.protocol)
                    && (holder.address.is_none()
                        || port.address.is_none()
                        || holder.address == port.address)
            });
            let words = if by_container {
                format!(
                    "Bind for 0.0.0.0:{} failed: port is already allocated",
                    port.host
                )
            } else if self.processes.contains(&(port.protocol, port.host)) {
                format!(
                    "listen tcp4 0.0.0.0:{}: bind: address already in use",
                    port.host
                )
            } else {
                return None;
            };
            Some(EngineError::PortTaken {
                port: port.host,
                message: format!(
                    "driver failed programming external connectivity on endpoint {}: {words}",
                    held.name
                ),
            })
        })
    }
}

impl Engine for World {
    async fn observe(
        &self,
        instance: &str,
        references: &[String],
    ) -> Result<EngineFacts, EngineError> {
        // Like the real one, it answers later, never in the same breath.
        tokio::task::yield_now().await;
        let mut inner = self.inner();
        inner.looks += 1;
        if let Some(error) = &inner.away {
            return Err(error.clone());
        }
        let mut containers: Vec<_> = inner
            .containers
            .values()
            .filter(|held| {
                held.labels.get(labels::INSTANCE).map(String::as_str) == Some(instance)
                    || is_our_name(instance, &held.name)
            })
            .cloned()
            .collect();
        containers.sort_by(|a, b| a.name.cmp(&b.name));
        let mut networks = inner.networks.clone();
        networks.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        let mut volumes: Vec<_> = inner
            .volumes
            .iter()
            .filter(|volume| {
                volume.labels.get(labels::INSTANCE).map(String::as_str) == Some(instance)
                    || volume
                        .name
                        .strip_prefix(instance)
                        .is_some_and(|rest| rest.starts_with('-'))
            })
            .cloned()
            .collect();
        volumes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(EngineFacts {
            info: inner.info.clone(),
            containers,
            ports: inner.port_holders(),
            networks,
            volumes,
            images: references
                .iter()
                .filter_map(|reference| Some((reference.clone(), inner.image(reference).ok()?)))
                .collect(),
            own_networks: BTreeMap::new(),
            guests: inner.rivals.clone(),
            rivals: inner.rivals.clone(),
        })
    }

    async fn perform(&self, call: EngineCall) -> Result<Performed, EngineError> {
        tokio::task::yield_now().await;
        self.answer(&call)
    }

    fn pull(&self, reference: &str) -> BoxStream<'static, Result<PullProgress, EngineError>> {
        let world = self.clone();
        let reference = reference.to_owned();
        let half = PullProgress {
            current: 50,
            total: 100,
            message: "Downloading".to_owned(),
        };
        let end = async move {
            loop {
                // Listening first, so that a release in between is not missed.
                let pulse = world.pulse.notified();
                if !world.inner().held_pulls.contains(&reference) {
                    break;
                }
                pulse.await;
            }
            let known = {
                let inner = world.inner();
                if let Some(error) = &inner.away {
                    return Err(error.clone());
                }
                inner.registry.get(&reference).cloned()
            };
            let image = known.unwrap_or_else(|| {
                Err(EngineError::Registry(format!(
                    "{reference}: the registry has no image of this name and tag"
                )))
            })?;
            let message = format!("{reference} is {}", image.id);
            world.add_image(&reference, image);
            Ok(PullProgress {
                current: 100,
                total: 100,
                message,
            })
        };
        stream::once(async { Ok(half) })
            .chain(stream::once(end))
            .boxed()
    }

    fn events(
        &self,
        _instance: &str,
        since: Option<i64>,
    ) -> BoxStream<'static, Result<EngineHint, EngineError>> {
        let listener = self.hints.subscribe();
        let inner = self.inner();
        if let Some(error) = inner.away.clone() {
            return stream::once(async { Err(error) }).boxed();
        }
        let missed: Vec<_> = since
            .map(|since| {
                let late = |hint: &&EngineHint| hint.at >= since;
                inner.history.iter().filter(late).cloned().map(Ok).collect()
            })
            .unwrap_or_default();
        drop(inner);
        let live = stream::unfold(listener, |mut listener| async {
            loop {
                match listener.recv().await {
                    Ok(Some(hint)) => return Some((Ok(hint), listener)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Ok(None) | Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        });
        stream::iter(missed).chain(live).boxed()
    }

    fn logs(
        &self,
        container: &str,
        tail: u32,
        follow: bool,
    ) -> BoxStream<'static, Result<String, EngineError>> {
        let inner = self.inner();
        if let Some(error) = inner.away.clone() {
            return stream::once(async { Err(error) }).boxed();
        }
        let name = inner
            .containers
            .get(container)
            .map_or_else(|| container.to_owned(), |held| held.name.clone());
        let said = inner.logs.get(&name).map_or(0, Vec::len);
        drop(inner);
        let from = said.saturating_sub(usize::try_from(tail).unwrap_or(usize::MAX));
        let world = self.clone();
        stream::unfold(from, move |next| {
            let (world, name) = (world.clone(), name.clone());
            async move {
                loop {
                    let pulse = world.pulse.notified();
                    let line = world
                        .inner()
                        .logs
                        .get(&name)
                        .and_then(|all| all.get(next).cloned());
                    match line {
                        Some(line) => return Some((Ok(line), next + 1)),
                        None if follow => pulse.await,
                        None => return None,
                    }
                }
            }
        })
        .boxed()
    }
}

fn away() -> EngineError {
    EngineError::Away {
        address: "fake://".to_owned(),
        reason: "connection refused".to_owned(),
    }
}

/// An image with an id made of `seed`.
pub fn image(seed: &str) -> ImageFacts {
    ImageFacts {
        id: format!("sha256:{}", crate::model::Digest::of(seed)),
        repo_digests: Vec::new(),
        labels: BTreeMap::new(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin".to_owned())]),
        command: vec!["serve".to_owned()],
        user: String::new(),
        size: 1_000_000,
    }
}

/// A container with nothing set, created and not started.
pub fn blank(id: &str, name: &str) -> ContainerFacts {
    ContainerFacts {
        id: id.to_owned(),
        name: name.to_owned(),
        labels: BTreeMap::new(),
        image_id: "sha256:foreign".to_owned(),
        state: ContainerState::Created,
        exit_code: 0,
        oom_killed: false,
        error: String::new(),
        started_at: None,
        finished_at: None,
        restart_count: 0,
        command: Vec::new(),
        user: String::new(),
        env: BTreeMap::new(),
        mounts: Vec::new(),
        tmpfs: Vec::new(),
        ports: Vec::new(),
        networks: BTreeMap::new(),
        extra_hosts: Vec::new(),
        cap_add: Vec::new(),
        cap_drop: Vec::new(),
        security_opt: Vec::new(),
        privileged: false,
        read_only: false,
        memory: 0,
        pids: 0,
        log_options: BTreeMap::new(),
        stop_timeout: None,
        restart: Some(RestartPolicy::No),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::desired::{ContainerSpec, ImageWant, NetworkSpec};
    use crate::model::Role;

    fn spec(port: u16) -> ContainerSpec {
        ContainerSpec {
            role: Role::Traefik,
            image: ImageWant {
                reference: "traefik:v1".to_owned(),
                pin: None,
            },
            command: None,
            user: None,
            env: BTreeMap::new(),
            mounts: Vec::new(),
            tmpfs: Vec::new(),
            ports: vec![PortBinding {
                container: port,
                protocol: Protocol::Tcp,
                host: port,
                address: None,
            }],
            aliases: vec!["traefik".to_owned()],
            extra_hosts: Vec::new(),
            cap_add: Vec::new(),
            memory: 1,
            pids: 1,
            log_max_size: 1,
            log_max_files: 1,
            stop_timeout: 1,
            restart: RestartPolicy::UnlessStopped,
            files: BTreeMap::new(),
        }
    }

    async fn world() -> World {
        let world = World::new(Timestamp::UNIX_EPOCH);
        world.add_image("traefik:v1", image("traefik"));
        let network = EngineCall::CreateNetwork {
            spec: NetworkSpec {
                name: "cs".to_owned(),
                subnet: "10.1.2.0/24".to_owned(),
                gateway: Ipv4Addr::new(10, 1, 2, 1),
            },
            labels: BTreeMap::new(),
        };
        world.perform(network).await.unwrap();
        world
    }

    async fn create(world: &World, name: &str, port: u16) -> Result<Performed, EngineError> {
        let call = EngineCall::CreateContainer {
            name: name.to_owned(),
            spec: Box::new(spec(port)),
            image: image("traefik").id,
            network: "cs".to_owned(),
            labels: BTreeMap::new(),
        };
        world.perform(call).await
    }

    async fn start(world: &World, name: &str) -> Result<Performed, EngineError> {
        let id = world.container(name).unwrap().id;
        world.perform(EngineCall::StartContainer { id }).await
    }

    #[tokio::test]
    async fn names_are_unique_and_ports_exclusive() {
        let world = world().await;
        create(&world, "cs-traefik", 80).await.unwrap();
        let twice = create(&world, "cs-traefik", 81).await;
        assert!(matches!(twice, Err(EngineError::Conflict(_))));
        start(&world, "cs-traefik").await.unwrap();
        create(&world, "cs-traefik.next", 80).await.unwrap();
        let taken = start(&world, "cs-traefik.next").await;
        assert!(matches!(
            taken,
            Err(EngineError::PortTaken { port: 80, .. })
        ));
        let held = world.container("cs-traefik.next").unwrap();
        assert_eq!((held.state, held.exit_code), (ContainerState::Created, 128));
        world.stop("cs-traefik");
        start(&world, "cs-traefik.next").await.unwrap();
        let facts = world
            .observe("cs", &["traefik:v1".to_owned()])
            .await
            .unwrap();
        assert_eq!(facts.containers.len(), 2);
        assert_eq!(facts.ports.len(), 1);
        assert_eq!(
            facts.containers[1].networks["cs"].address,
            Some(Ipv4Addr::new(10, 1, 2, 2))
        );
    }

    #[tokio::test]
    async fn a_failure_strikes_once_before_or_after_the_work() {
        let world = world().await;
        let lost = EngineError::Other("lost".to_owned());
        let creates = |call: &EngineCall| matches!(call, EngineCall::CreateContainer { .. });
        world.fail(When::Before, lost.clone(), creates);
        world.fail(When::After, lost.clone(), creates);
        assert_eq!(create(&world, "a", 1).await, Err(lost.clone()));
        assert_eq!(world.container("a"), None);
        assert_eq!(create(&world, "a", 1).await, Err(lost));
        assert!(world.container("a").is_some());
        assert_eq!(world.failures_left(), 0);
        let verbs: Vec<_> = world.calls().iter().map(EngineCall::verb).collect();
        assert_eq!(
            verbs,
            ["create network", "create container", "create container"]
        );
    }

    #[tokio::test]
    async fn it_goes_away_after_so_many_calls_and_comes_back_as_it_was() {
        let world = world().await;
        let mut events = world.events("cs", None);
        world.go_away_after(1);
        create(&world, "a", 1).await.unwrap();
        assert!(matches!(
            start(&world, "a").await,
            Err(EngineError::Away { .. })
        ));
        assert!(matches!(
            world.observe("cs", &[]).await,
            Err(EngineError::Away { .. })
        ));
        assert_eq!(
            events.next().await.unwrap().unwrap().what,
            "create container"
        );
        assert!(events.next().await.is_none());
        world.come_back();
        start(&world, "a").await.unwrap();
    }

    #[tokio::test]
    async fn fates_and_hands_end_containers() {
        let world = world().await;
        create(&world, "a", 1).await.unwrap();
        world.fate("a", Fate::Ends(3));
        start(&world, "a").await.unwrap();
        assert_eq!(
            world.container("a").unwrap().state,
            ContainerState::Restarting
        );
        world.kill("a");
        world.fate("a", Fate::Runs);
        start(&world, "a").await.unwrap();
        world.crash("a", 1);
        let crashed = world.container("a").unwrap();
        assert_eq!(
            (crashed.state, crashed.restart_count),
            (ContainerState::Running, 1)
        );
        assert!(crashed.networks["cs"].address.is_some());
        world.rename_by_hand("a", "b");
        world.remove("b");
        assert!(world.names().is_empty());
    }

    #[tokio::test]
    async fn a_held_pull_waits_and_then_brings_the_image() {
        let world = world().await;
        world.in_registry("ome:v1", image("ome"));
        world.hold_pull("ome:v1");
        let mut pull = world.pull("ome:v1");
        assert_eq!(pull.next().await.unwrap().unwrap().current, 50);
        let waiting = tokio::time::timeout(Duration::from_millis(20), pull.next()).await;
        assert!(waiting.is_err());
        world.release_pull("ome:v1");
        assert_eq!(pull.next().await.unwrap().unwrap().current, 100);
        let facts = world.observe("cs", &["ome:v1".to_owned()]).await.unwrap();
        assert!(facts.images.contains_key("ome:v1"));
        world.registry_refuses("x:1", "no");
        let last = world.pull("x:1").collect::<Vec<_>>().await.pop();
        assert_eq!(last, Some(Err(EngineError::Registry("no".to_owned()))));
    }
}
