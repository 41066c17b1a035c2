//! What the engine says is there: plain values, normalised so that they can be
//! compared with what should be.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use crate::desired::{ContainerSpec, Mount, PortBinding, Protocol, RestartPolicy, Tmpfs, labels};
use crate::model::Role;

/// The one security option our containers carry.
pub const NO_NEW_PRIVILEGES: &str = "no-new-privileges";

/// One look at the engine.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct EngineFacts {
    /// The engine itself.
    pub info: EngineInfo,
    /// Containers that carry our instance label or one of our names, fully
    /// inspected.
    pub containers: Vec<ContainerFacts>,
    /// Every published port on the host, whoever holds it.
    pub ports: Vec<PortHolder>,
    /// All networks (for names and subnets).
    pub networks: Vec<NetworkFacts>,
    /// Volumes that carry our label or one of our names.
    pub volumes: Vec<VolumeFacts>,
    /// What is known locally of the references asked for; absent = not here.
    pub images: BTreeMap<String, ImageFacts>,
    /// Networks of the container we run in ourselves, if we do.
    pub own_networks: BTreeMap<String, Attachment>,
    /// Names of other containers that run in our network, whatever they are:
    /// while they do, it cannot be removed.
    pub guests: Vec<String>,
    /// Names of other containers that run and answer to the controller's name
    /// in our network: other controllers of this instance.
    pub rivals: Vec<String>,
}

/// The engine itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EngineInfo {
    /// Such as `28.2.2`.
    pub version: String,
    /// Such as `1.41`.
    pub api_version: String,
    /// Such as `linux/amd64`.
    pub platform: String,
}

/// State of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContainerState {
    /// Made, never started.
    Created,
    /// Runs.
    Running,
    /// Runs, frozen.
    Paused,
    /// Between two runs under its restart policy.
    Restarting,
    /// Ended.
    Exited,
    /// Being removed, or broken beyond starting.
    Dead,
}

/// A container as inspected.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContainerFacts {
    /// Engine's id.
    pub id: String,
    /// Name without the leading slash.
    pub name: String,
    /// All labels, the image's included.
    pub labels: BTreeMap<String, String>,
    /// Image id it was made from (`sha256:…`).
    pub image_id: String,
    /// State.
    pub state: ContainerState,
    /// Exit code of the last run.
    pub exit_code: i64,
    /// Ended by the kernel for its memory limit.
    pub oom_killed: bool,
    /// The engine's words about a failed start.
    pub error: String,
    /// When the last run began; `None` if never.
    pub started_at: Option<Timestamp>,
    /// When the last run ended; `None` if never.
    pub finished_at: Option<Timestamp>,
    /// Restarts by the engine's policy since it was started.
    pub restart_count: i64,
    /// Command as made (image's or ours).
    pub command: Vec<String>,
    /// User as made.
    pub user: String,
    /// Environment, the image's included.
    pub env: BTreeMap<String, String>,
    /// Mounts, sorted.
    pub mounts: Vec<Mount>,
    /// Tmpfs, sorted.
    pub tmpfs: Vec<Tmpfs>,
    /// Wanted port bindings (host configuration), sorted.
    pub ports: Vec<PortBinding>,
    /// Networks it is in: name to aliases and address.
    pub networks: BTreeMap<String, Attachment>,
    /// Further hosts lines, sorted.
    pub extra_hosts: Vec<String>,
    /// Capabilities added, sorted, without `CAP_`.
    pub cap_add: Vec<String>,
    /// Capabilities dropped, sorted, without `CAP_`.
    pub cap_drop: Vec<String>,
    /// Security options.
    pub security_opt: Vec<String>,
    /// Whether it may do everything.
    pub privileged: bool,
    /// Whether the root is read-only.
    pub read_only: bool,
    /// Memory limit in bytes, 0 = none.
    pub memory: i64,
    /// Process limit, 0 = none.
    pub pids: i64,
    /// Log driver options.
    pub log_options: BTreeMap<String, String>,
    /// Seconds of grace, where set.
    pub stop_timeout: Option<u32>,
    /// Restart policy; `None` = one we never set.
    pub restart: Option<RestartPolicy>,
}

impl ContainerFacts {
    /// What the engine reports of a container just created (not started) from
    /// a specification: the one place where both sides are brought to one
    /// form. `docker.rs` creates by it, `fake.rs` answers with it, a real
    /// engine is held to it in `tests/engine_docker.rs`.
    pub fn from_spec(
        id: &str,
        name: &str,
        spec: &ContainerSpec,
        image: &ImageFacts,
        network: &str,
        labels: &BTreeMap<String, String>,
    ) -> Self {
        let merged = |below: &BTreeMap<String, String>, above: &BTreeMap<String, String>| {
            let mut all = below.clone();
            all.extend(above.clone());
            all
        };
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            labels: merged(&image.labels, labels),
            image_id: image.id.clone(),
            state: ContainerState::Created,
            exit_code: 0,
            oom_killed: false,
            error: String::new(),
            started_at: None,
            finished_at: None,
            restart_count: 0,
            command: spec.command.clone().unwrap_or(image.command.clone()),
            user: spec.user.clone().unwrap_or(image.user.clone()),
            env: merged(&image.env, &spec.env),
            mounts: sorted(spec.mounts.clone()),
            tmpfs: sorted(spec.tmpfs.clone()),
            ports: sorted(spec.ports.clone()),
            networks: BTreeMap::from([(
                network.to_owned(),
                Attachment {
                    network_id: String::new(),
                    address: None,
                    aliases: spec.aliases.iter().cloned().collect(),
                },
            )]),
            extra_hosts: sorted(spec.extra_hosts.clone()),
            cap_add: capabilities(spec.cap_add.clone()),
            cap_drop: vec!["ALL".to_owned()],
            security_opt: vec![NO_NEW_PRIVILEGES.to_owned()],
            privileged: false,
            read_only: true,
            memory: spec.memory,
            pids: spec.pids,
            log_options: log_options(spec),
            stop_timeout: Some(spec.stop_timeout),
            restart: Some(spec.restart),
        }
    }

    /// Whether its processes run (frozen ones too).
    pub const fn is_running(&self) -> bool {
        matches!(
            self.state,
            ContainerState::Running | ContainerState::Paused | ContainerState::Restarting
        )
    }
}

/// The log driver's options for a specification.
pub fn log_options(spec: &ContainerSpec) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("max-size".to_owned(), spec.log_max_size.to_string()),
        ("max-file".to_owned(), spec.log_max_files.to_string()),
    ])
}

/// Capabilities in one form: upper case, without `CAP_`, sorted.
pub fn capabilities(names: Vec<String>) -> Vec<String> {
    sorted(
        names
            .into_iter()
            .map(|name| {
                let name = name.to_ascii_uppercase();
                name.strip_prefix("CAP_")
                    .map_or(name.clone(), str::to_owned)
            })
            .collect(),
    )
}

/// Whether a container or volume of this name is looked at: a role's name
/// behind the instance, alone or with one of the suffixes of a replacement
/// (`.next`, `.prev`, `.failed`, `.check`).
pub fn is_our_name(instance: &str, name: &str) -> bool {
    name.strip_prefix(instance)
        .and_then(|rest| rest.strip_prefix('-'))
        .is_some_and(|rest| {
            let (role, suffix) = rest.split_once('.').unwrap_or((rest, ""));
            Role::ALL.iter().any(|known| known.as_str() == role)
                && matches!(suffix, "" | "next" | "prev" | "failed" | "check")
        })
}

/// Whether a container of this role may be called so.
pub fn is_name_of(instance: &str, role: Role, name: &str) -> bool {
    let rest = name
        .strip_prefix(instance)
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|rest| rest.strip_prefix(role.as_str()));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) && is_our_name(instance, name)
}

/// Names of the services of an instance that are here.
pub fn services_of(instance: &str, facts: &EngineFacts) -> Vec<String> {
    let containers = facts.containers.iter();
    containers
        .filter(|one| one.labels.get(labels::INSTANCE).map(String::as_str) == Some(instance))
        .filter(|one| is_our_name(instance, &one.name))
        .map(|one| one.name.clone())
        .collect()
}

/// The list in order.
pub fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list
}

/// One end in a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Attachment {
    /// Engine's id of the network it joined; another one of the same name may
    /// exist by now. Empty where the engine does not say.
    pub network_id: String,
    /// Address, while it runs.
    pub address: Option<Ipv4Addr>,
    /// Names, the engine's own (short id) left out.
    pub aliases: BTreeSet<String>,
}

/// Who publishes a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PortHolder {
    /// Container's name.
    pub container: String,
    /// Container's id.
    pub id: String,
    /// Port on the host.
    pub port: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Address on the host; `None` is every address.
    pub address: Option<IpAddr>,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NetworkFacts {
    /// Engine's id.
    pub id: String,
    /// Its name (not unique on the engine).
    pub name: String,
    /// Driver, such as `bridge`.
    pub driver: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// IPv4 subnets in CIDR form.
    pub subnets: Vec<String>,
    /// IPv4 gateway of the first subnet.
    pub gateway: Option<Ipv4Addr>,
}

/// A volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VolumeFacts {
    /// Its name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Driver options.
    pub options: BTreeMap<String, String>,
}

impl VolumeFacts {
    /// The folder that it is only another name of, where it holds nothing
    /// itself.
    pub fn leads_to(&self) -> Option<&Path> {
        let option = |key: &str| self.options.get(key).map(String::as_str);
        let is_bind = option("o").is_some_and(|how| how.split(',').any(|word| word == "bind"));
        let device = option("device").filter(|device| is_bind && device.starts_with('/'));
        device.map(Path::new)
    }
}

/// An image on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImageFacts {
    /// Engine's id (`sha256:…`).
    pub id: String,
    /// `name@sha256:…` for each registry it came from.
    pub repo_digests: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Environment it brings.
    pub env: BTreeMap<String, String>,
    /// Command it brings (entrypoint not included).
    pub command: Vec<String>,
    /// User it brings.
    pub user: String,
    /// Size in bytes.
    pub size: i64,
}
