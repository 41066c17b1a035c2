//! What the engine says is there: plain values, normalised so that they can be
//! compared with what should be.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use jiff::Timestamp;
use serde::Serialize;

use crate::desired::{Mount, PortBinding, Protocol, RestartPolicy, Tmpfs};

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
