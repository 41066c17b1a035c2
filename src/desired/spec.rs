//! The shape of what should exist on the engine and on disk.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::{Digest, Role};

/// The labels by which we know our own. Values are never secret.
pub mod labels {
    /// Which ColourStream on this host: the `instance` of the settings.
    pub const INSTANCE: &str = "org.colourstream.instance";
    /// The role (`traefik`, `ovenmediaengine`, `mirotalk`), or `check` for a
    /// throw-away container, `network`, `volume`.
    pub const ROLE: &str = "org.colourstream.role";
    /// The digest of the whole specification, configuration bytes included.
    pub const SPEC: &str = "org.colourstream.spec";
    /// The version of the controller that made it.
    pub const VERSION: &str = "org.colourstream.version";
    /// Random, recorded before the container was made: it is ours even if
    /// nobody lived to record its id.
    pub const MARK: &str = "org.colourstream.mark";
    /// On an image: it is a stand-in, not the real service.
    pub const SIMULATED: &str = "org.colourstream.simulated";
}

/// Everything that should be: the one input of the plan besides what is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Target {
    /// Name of this ColourStream on the host; prefix of every name below.
    pub instance: String,
    /// Version of this controller, for labels.
    pub version: String,
    /// The network the three services share.
    pub network: NetworkSpec,
    /// Named volumes.
    pub volumes: Vec<VolumeSpec>,
    /// Files under the state folder, sorted by path.
    pub files: Vec<FileSpec>,
    /// One container per role, in the order of [`Role::ALL`].
    pub containers: Vec<ContainerSpec>,
    /// What Traefik must answer on `/config-generation` once it has loaded
    /// its dynamic file.
    pub traefik_generation: String,
}

/// A user-defined bridge with a subnet chosen beforehand, so that the whole
/// first plan is known before anything exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NetworkSpec {
    /// Name on the engine.
    pub name: String,
    /// CIDR, such as `10.83.12.0/24`.
    pub subnet: String,
    /// The host's address in it; services reach a controller on the host here.
    pub gateway: Ipv4Addr,
}

/// A volume of the `local` driver bound to a folder of the state folder, so
/// that it is labelled and listed by the engine, yet backed up with the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VolumeSpec {
    /// Name on the engine.
    pub name: String,
    /// Folder on the engine's host.
    pub device: PathBuf,
}

/// What a rendered file's bytes mean to the services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// Read once at start: part of the container's identity, kept in a folder
    /// named by its digest so that an older container finds its own again.
    Identity(Role),
    /// Watched by the service and taken up without a restart.
    Watched(Role),
}

/// One rendered file.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct FileSpec {
    /// Path relative to `state/rendered`.
    pub path: PathBuf,
    /// The bytes; never serialised (they may hold secrets).
    #[serde(skip)]
    pub bytes: Vec<u8>,
    /// Digest of the bytes.
    pub digest: Digest,
    /// Permission bits, such as `0o400`.
    pub mode: u32,
    /// Owner the service needs; `None` where we may not or need not change it.
    pub owner: Option<(u32, u32)>,
    /// What the bytes mean.
    pub kind: FileKind,
    /// Whether a diff must hide the values.
    pub secret: bool,
}

impl std::fmt::Debug for FileSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileSpec")
            .field("path", &self.path)
            .field("digest", &self.digest)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Which image, and which one exactly.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ImageWant {
    /// Reference with tag, as in the settings.
    pub reference: String,
    /// What the reference resolved to when it was first had: the image id and,
    /// if it came from a registry, `name@sha256:…`.
    pub pin: Option<ImagePin>,
}

/// What a reference resolved to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ImagePin {
    /// Engine's image id (`sha256:…`).
    pub id: String,
    /// Registry digest reference, absent for images built locally.
    pub digest: Option<String>,
}

/// Where a mount comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountSource {
    /// A path of the engine's host.
    Bind(PathBuf),
    /// A named volume.
    Volume(String),
}

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Mount {
    /// Path inside the container.
    pub target: String,
    /// Where it comes from.
    pub source: MountSource,
    /// Whether the container may only read.
    pub read_only: bool,
}

/// A tmpfs inside the container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Tmpfs {
    /// Path inside the container.
    pub target: String,
    /// Mount options, such as `size=16m,mode=1777`.
    pub options: String,
}

/// Transport of a published port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// One published port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PortBinding {
    /// Port inside the container.
    pub container: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Port on the host.
    pub host: u16,
    /// Address on the host; `None` is every address.
    pub address: Option<IpAddr>,
}

/// What the engine does by itself when a container ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Never.
    No,
    /// Unless it was stopped on purpose.
    UnlessStopped,
}

/// A container as it should be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContainerSpec {
    /// What it is for.
    pub role: Role,
    /// Which image.
    pub image: ImageWant,
    /// Replaces the image's command; `None` keeps it.
    pub command: Option<Vec<String>>,
    /// `uid:gid`; `None` keeps the image's.
    pub user: Option<String>,
    /// Environment. Never a secret: it shows in `docker inspect`.
    pub env: BTreeMap<String, String>,
    /// Bind mounts and volumes, sorted.
    pub mounts: Vec<Mount>,
    /// Scratch space on a read-only root, sorted.
    pub tmpfs: Vec<Tmpfs>,
    /// Published ports, sorted.
    pub ports: Vec<PortBinding>,
    /// Names in the network, sorted.
    pub aliases: Vec<String>,
    /// Further lines of the hosts file (`name:address`), sorted.
    pub extra_hosts: Vec<String>,
    /// Capabilities kept after all are dropped, such as `NET_BIND_SERVICE`.
    pub cap_add: Vec<String>,
    /// Memory limit in bytes; swap is the same, that is none.
    pub memory: i64,
    /// Most processes and threads.
    pub pids: i64,
    /// Size at which the engine rotates the log, in bytes.
    pub log_max_size: u64,
    /// How many rotated logs it keeps.
    pub log_max_files: u32,
    /// Seconds between SIGTERM and SIGKILL.
    pub stop_timeout: u32,
    /// What the engine does when it ends.
    pub restart: RestartPolicy,
    /// Digests of the identity files it reads, by path; part of its identity.
    pub files: BTreeMap<PathBuf, Digest>,
}

impl ContainerSpec {
    /// The digest of the whole specification: two containers with the same
    /// digest are the same. The image counts by its reference only; which
    /// image that is exactly is compared by id.
    pub fn digest(&self) -> Digest {
        let mut identity = self.clone();
        identity.image.pin = None;
        // A struct of strings, numbers and maps with string keys serialises.
        Digest::of(serde_json::to_vec(&identity).unwrap_or_default())
    }
}

impl Target {
    /// The container's name on the engine.
    pub fn container_name(&self, role: Role) -> String {
        format!("{}-{role}", self.instance)
    }

    /// The specification for a role.
    pub fn container(&self, role: Role) -> Option<&ContainerSpec> {
        self.containers.iter().find(|spec| spec.role == role)
    }
}
