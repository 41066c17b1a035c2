//! What the loop publishes: the one truth the API, the pages and the command
//! line read.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backup::BackupFile;
use crate::model::{Issue, Role};

/// The state of everything, as of the last look.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Status {
    /// When it was looked.
    pub at: Option<Timestamp>,
    /// Number of the look; also the reconcile id in the logs.
    pub reconcile: u64,
    /// How long the look and its steps took, in milliseconds.
    pub took_ms: f64,
    /// When the next look is due at the latest.
    pub next: Option<Timestamp>,
    /// Version of the controller.
    pub version: String,
    /// Name of this ColourStream.
    pub instance: String,
    /// In one word: `ready`, `starting`, `degraded`, `waiting`, `paused`.
    pub summary: Summary,
    /// What is done about differences: `heal`, `report` or `paused`.
    pub mode: String,
    /// The engine.
    pub engine: EngineStatus,
    /// The three services.
    pub services: Vec<ServiceStatus>,
    /// The certificates of the three names; none where TLS is ended elsewhere.
    #[serde(default)]
    pub certificates: Vec<CertificateStatus>,
    /// The command that makes a machine trust the local authority, where there
    /// is one.
    #[serde(default)]
    pub trust: Option<String>,
    /// What will be done, or waits.
    pub plan: Vec<StepView>,
    /// What is wrong.
    pub issues: Vec<Issue>,
    /// Public addresses: `live`, `admin`, `video`.
    pub addresses: BTreeMap<String, String>,
    /// Who is live.
    pub live: LiveCounts,
    /// The backups.
    #[serde(default)]
    pub backup: BackupStatus,
}

/// The backups that are made by themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BackupStatus {
    /// The last good one: it was read back whole.
    pub last: Option<BackupFile>,
    /// When the next is due.
    pub next: Option<Timestamp>,
}

/// The stack in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Summary {
    /// Not looked yet, or on the way.
    #[default]
    Starting,
    /// All as wanted.
    Ready,
    /// Something waits (for quiet, a pull, a person).
    Waiting,
    /// An error is open.
    Degraded,
    /// Paused or only reporting.
    Paused,
}

/// The engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EngineStatus {
    /// Where it is sought.
    pub address: String,
    /// Whether it answers.
    pub reachable: bool,
    /// Such as `28.2.2`.
    pub version: Option<String>,
    /// Such as `1.41`.
    pub api_version: Option<String>,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ServiceStatus {
    /// Which.
    pub role: Role,
    /// Container's name.
    pub container: String,
    /// Reference wanted.
    pub image: String,
    /// What runs exactly: digest or image id.
    pub image_id: Option<String>,
    /// Whether the image is a stand-in.
    pub simulated: bool,
    /// `absent`, `created`, `running`, `paused`, `restarting`, `exited`, `dead`.
    pub running: String,
    /// `healthy`, `starting`, `unhealthy`, `unknown`.
    pub health: String,
    /// Whether it runs the specification wanted.
    pub current: bool,
    /// In its own words.
    pub version: Option<String>,
    /// Since when it runs.
    pub since: Option<Timestamp>,
    /// One clause: why it is as it is, or what it waits for.
    pub why: String,
    /// What was last done to it.
    #[serde(default)]
    pub last_change: Option<LastChange>,
    /// Pull under way: bytes had and known.
    pub pulling: Option<(u64, u64)>,
}

/// What was last done to a service: its start, or new routes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LastChange {
    /// When.
    pub at: Timestamp,
    /// What was done, as the journal has it.
    pub what: String,
    /// Its cause.
    pub why: String,
}

/// The certificate of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CertificateStatus {
    /// The name.
    pub host: String,
    /// `good`, `ordered`, `held-back`, `failed`, `expired`, `unknown`.
    pub state: String,
    /// Who signed the one Traefik has.
    pub issuer: Option<String>,
    /// Until when that is good.
    pub until: Option<Timestamp>,
}

/// A step, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StepView {
    /// `ground` or the service.
    pub lane: String,
    /// `+` create, `~` change, `-` remove, `⏸` waits.
    pub sign: String,
    /// What is done.
    pub what: String,
    /// Its cause.
    pub why: String,
    /// `none`, `reload`, `streams`, `everything`.
    pub disrupts: String,
    /// What it waits for, in words.
    pub waits: Option<String>,
    /// Whether that comes by itself within seconds or minutes: health, a pull.
    #[serde(default)]
    pub brief: bool,
}

/// Who is live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LiveCounts {
    /// Encoders that send.
    pub streams: u32,
    /// People who watch.
    pub viewers: u32,
    /// People in a call.
    pub callers: u32,
}

/// What people may ask of the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Look again now.
    Look,
    /// Apply, also what would interrupt somebody.
    ApplyNow,
    /// Take up what the image tags name by now.
    UpdateImages,
    /// Change what is done about differences until the settings change.
    Mode(crate::settings::Mode),
}
