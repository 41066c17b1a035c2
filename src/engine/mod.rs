//! The container engine, as little of it as we need: one look, one call at a
//! time, a stream of hints. `docker.rs` with `docker/` is the only user of
//! bollard; `fake.rs` is a world in memory whose failures a test writes down.

pub mod docker;
mod facts;
pub mod fake;
mod logins;
pub mod placement;
mod words;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use futures_util::stream::BoxStream;

pub use docker::DockerEngine;
pub use facts::{
    Attachment, ContainerFacts, ContainerState, EngineFacts, EngineInfo, ImageFacts, NetworkFacts,
    PortHolder, VolumeFacts, is_name_of, is_our_name, services_of,
};

use crate::desired::{ContainerSpec, NetworkSpec, VolumeSpec};
use crate::model::{Issue, IssueCode, Severity};

/// What the controller asks of an engine. Owned by its consumer, so that the
/// whole loop can be driven by a script.
pub trait Engine: Send + Sync + 'static {
    /// Everything relevant, read afresh: our containers by label and by name,
    /// who publishes which port, networks, volumes, the images named in
    /// `references` (tags, ids or digests).
    fn observe(
        &self,
        instance: &str,
        references: &[String],
    ) -> impl Future<Output = Result<EngineFacts, EngineError>> + Send;

    /// One changing call. Safe to repeat: what is already so is success.
    fn perform(
        &self,
        call: EngineCall,
    ) -> impl Future<Output = Result<Performed, EngineError>> + Send;

    /// Pulls an image, telling of its progress; ends with what it resolved to.
    /// Cancel-safe: dropping it stops listening, layers already had are kept.
    fn pull(&self, reference: &str) -> BoxStream<'static, Result<PullProgress, EngineError>>;

    /// Hints that something changed. The stream ends when the connection does;
    /// `since` (seconds since the epoch) resumes with an overlap.
    fn events(
        &self,
        instance: &str,
        since: Option<i64>,
    ) -> BoxStream<'static, Result<EngineHint, EngineError>>;

    /// Log lines of a container, both streams, oldest first: the last `tail`
    /// and, if `follow`, those to come.
    fn logs(
        &self,
        container: &str,
        tail: u32,
        follow: bool,
    ) -> BoxStream<'static, Result<String, EngineError>>;
}

/// A changing call. Every value it needs is in it.
#[derive(Clone, Debug, PartialEq)]
pub enum EngineCall {
    /// Create the bridge network.
    CreateNetwork {
        /// As wanted.
        spec: NetworkSpec,
        /// Its labels.
        labels: BTreeMap<String, String>,
    },
    /// Remove a network of ours.
    RemoveNetwork {
        /// Id, so that only the one that was seen can go.
        id: String,
    },
    /// Create a volume.
    CreateVolume {
        /// As wanted.
        spec: VolumeSpec,
        /// Its labels.
        labels: BTreeMap<String, String>,
    },
    /// Remove a volume of ours.
    RemoveVolume {
        /// Its name.
        name: String,
    },
    /// Create (not start) a container.
    CreateContainer {
        /// Name on the engine.
        name: String,
        /// As wanted.
        spec: Box<ContainerSpec>,
        /// Image id to create it from.
        image: String,
        /// Network to join.
        network: String,
        /// Its labels.
        labels: BTreeMap<String, String>,
    },
    /// Start a container.
    StartContainer {
        /// Container id.
        id: String,
    },
    /// Stop a container: SIGTERM, then SIGKILL after `timeout` seconds.
    StopContainer {
        /// Container id.
        id: String,
        /// Seconds of grace.
        timeout: u32,
    },
    /// Let a paused container go on.
    UnpauseContainer {
        /// Container id.
        id: String,
    },
    /// Rename a container.
    RenameContainer {
        /// Container id.
        id: String,
        /// New name.
        to: String,
    },
    /// Remove a container, running or not, with its anonymous volumes.
    RemoveContainer {
        /// Container id.
        id: String,
    },
    /// Join a network under aliases.
    ConnectNetwork {
        /// Network id or name.
        network: String,
        /// Container id.
        container: String,
        /// Names in it.
        aliases: Vec<String>,
    },
    /// Leave a network.
    DisconnectNetwork {
        /// Network id or name.
        network: String,
        /// Container id.
        container: String,
    },
    /// Send a signal, such as `SIGHUP`.
    SignalContainer {
        /// Container id.
        id: String,
        /// Its name.
        signal: String,
    },
    /// Run a throw-away container without network for `patience` and tell how
    /// it ended; it is removed afterwards in every case.
    TryOut {
        /// Name of the throw-away.
        name: String,
        /// As wanted; ports are not published.
        spec: Box<ContainerSpec>,
        /// Image id.
        image: String,
        /// Labels of a throw-away.
        labels: BTreeMap<String, String>,
        /// Milliseconds it must survive.
        patience_ms: u64,
    },
}

impl EngineCall {
    /// What it does, in two words: `start container`.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::CreateNetwork { .. } => "create network",
            Self::RemoveNetwork { .. } => "remove network",
            Self::CreateVolume { .. } => "create volume",
            Self::RemoveVolume { .. } => "remove volume",
            Self::CreateContainer { .. } => "create container",
            Self::StartContainer { .. } => "start container",
            Self::StopContainer { .. } => "stop container",
            Self::UnpauseContainer { .. } => "unpause container",
            Self::RenameContainer { .. } => "rename container",
            Self::RemoveContainer { .. } => "remove container",
            Self::ConnectNetwork { .. } => "connect network",
            Self::DisconnectNetwork { .. } => "disconnect network",
            Self::SignalContainer { .. } => "signal container",
            Self::TryOut { .. } => "try out",
        }
    }
}

/// What a call brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Performed {
    /// Done; nothing to tell.
    Done,
    /// Created; this is its id.
    Created(String),
    /// A throw-away survived, or ended with a code and its last log lines.
    Tried(Option<Ended>),
}

/// How a throw-away ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Exit code.
    pub code: i64,
    /// Its last lines, for a person to read.
    pub last_lines: Vec<String>,
}

/// How far a pull is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullProgress {
    /// Bytes had so far, over all layers known.
    pub current: u64,
    /// Bytes in all layers known.
    pub total: u64,
    /// The engine's own words for the latest step.
    pub message: String,
}

/// Something happened; look again. Never acted upon by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineHint {
    /// Seconds since the epoch, for resuming.
    pub at: i64,
    /// `container die`, for the log only.
    pub what: String,
}

/// Why a call failed, as far as the caller acts differently.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Nobody answers at the address.
    #[error("the engine does not answer at {address}: {reason}")]
    Away {
        /// Where it was sought.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// We may not open the socket.
    #[error("no permission to use the engine at {address}")]
    Denied {
        /// Where it was sought.
        address: String,
    },
    /// It answers, but its API is older than 1.41 (Docker 20.10).
    #[error("Docker {version} (API {api}) is too old: 20.10 (API 1.41) is the oldest that works")]
    TooOld {
        /// Its version.
        version: String,
        /// Its API.
        api: String,
    },
    /// The thing is not there (404).
    #[error("not found: {0}")]
    NotFound(String),
    /// A name is taken, or the thing changed under our hands (409).
    #[error("conflict: {0}")]
    Conflict(String),
    /// A published port is taken.
    #[error("port {port} is taken: {message}")]
    PortTaken {
        /// The port on the host.
        port: u16,
        /// The engine's words.
        message: String,
    },
    /// A registry refused or could not be reached.
    #[error("{0}")]
    Registry(String),
    /// It took longer than allowed.
    #[error("no answer within {seconds} s: {what}")]
    Slow {
        /// What was asked.
        what: String,
        /// How long we waited.
        seconds: u64,
    },
    /// We run in a container, and what we write there no service can read.
    #[error(
        "the controller runs in container {container}, and its state folder {state} is not a mount"
    )]
    StateNotMounted {
        /// Our own container's id, short.
        container: String,
        /// The state folder, as we see it.
        state: String,
    },
    /// Anything else, in the engine's words.
    #[error("{0}")]
    Other(String),
}

impl EngineError {
    /// The same as an issue for people, where it keeps us from looking.
    pub fn issue(&self) -> Issue {
        let (code, what, fix) = match self {
            Self::Denied { .. } => (
                IssueCode::EngineDenied,
                "The container engine's socket may not be opened",
                "Run the controller as root or as a member of the socket's group (`docker`); in a container with `--group-add` and that group's number, and where SELinux is enforced with `--security-opt label=disable`",
            ),
            Self::TooOld { .. } => (
                IssueCode::EngineTooOld,
                "The container engine is too old",
                "Install Docker Engine 20.10 or newer",
            ),
            Self::Slow { .. } => (
                IssueCode::EngineAway,
                "The container engine answers too slowly",
                "Look at its log; what runs goes on, and it is asked again by itself",
            ),
            Self::StateNotMounted { .. } => (
                IssueCode::StateUnwritable,
                "The state folder is inside the controller's own container, where no service can read it",
                "Start the controller's container with a volume or a folder of the host there, such as `-v colourstream:/state`; until then nothing is touched",
            ),
            _ => (
                IssueCode::EngineAway,
                "The container engine does not answer",
                "Start it (`systemctl start docker`) or correct `engine.address`; asked again by itself",
            ),
        };
        Issue {
            code,
            severity: Severity::Error,
            role: None,
            subject: match self {
                Self::StateNotMounted { state, .. } => state.clone(),
                _ => "engine".into(),
            },
            what: what.into(),
            why: self.to_string(),
            fix: fix.into(),
        }
    }
}

/// Where the controller itself runs, found once at start and after the engine
/// comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// A process on the engine's host (or beside it).
    Host,
    /// In a container of this engine.
    Container {
        /// Our own container id.
        id: String,
        /// The engine host's path of our state folder.
        state_on_host: PathBuf,
        /// Networks we are in: name to address.
        networks: BTreeMap<String, Option<Ipv4Addr>>,
    },
}
