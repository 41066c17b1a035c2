//! What is: the second input of the plan.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use crate::engine::EngineFacts;
use crate::model::{Digest, Issue, Role};

/// Everything seen in one look.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Observed {
    /// The engine; `None` while it is away (an issue says why).
    pub engine: Option<EngineFacts>,
    /// Files below `state/rendered`, by path relative to it, ours or not.
    pub files: BTreeMap<PathBuf, FileFacts>,
    /// What each service says of itself.
    pub health: BTreeMap<Role, Health>,
    /// Services that missed an answer, or could not be asked, and why: what is
    /// known of them is from before.
    pub doubts: BTreeMap<Role, String>,
    /// Who would be interrupted.
    pub live: Live,
    /// When somebody was live last; `None` = never, as far as we know.
    pub last_live: Option<Timestamp>,
    /// Pulls by reference.
    pub pulls: BTreeMap<String, PullState>,
    /// Specifications that failed as a replacement and are not tried again by
    /// themselves before `retry_at`.
    pub failures: BTreeMap<Role, ReplacementFailure>,
    /// Starts that the engine refused, not tried again before `retry_at`.
    pub start_failures: BTreeMap<Role, StartFailure>,
    /// Breakers that are open.
    pub breakers: BTreeMap<Role, Breaker>,
    /// Ids of containers we made, as recorded when we made them.
    pub made: BTreeMap<String, Role>,
    /// Since when Traefik has not loaded the routes on disk.
    pub route_stale_since: Option<Timestamp>,
    /// When it was last reminded of them.
    pub route_reminded_at: Option<Timestamp>,
    /// Traefik gave up on its certificates when it began, and what it gave up on
    /// was mended since: it reads them at its start alone.
    pub certificates_mended: bool,
    /// Our own container, when we run in one.
    pub own: Option<Own>,
    /// Issues found while looking (settings, templates, store, disk).
    pub issues: Vec<Issue>,
}

impl Observed {
    /// Whether services cannot be reached, and so not be judged, because our
    /// own container is not in their network yet: it was made anew.
    pub fn is_outside(&self) -> bool {
        self.own.as_ref().is_some_and(|own| !own.joined)
    }
}

/// The container we run in ourselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Own {
    /// Its id.
    pub id: String,
    /// Whether it is in our network under the name `controller`.
    pub joined: bool,
}

/// A file or something in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileFacts {
    /// What it is.
    pub state: FileState,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub owner: (u32, u32),
}

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// A regular file with these bytes.
    File(Digest),
    /// A regular file we may not read.
    Unreadable,
    /// A folder.
    Directory,
    /// A symlink, socket or device.
    Other,
}

/// What a running service says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Health {
    /// It answers and does what it was told.
    Healthy {
        /// Its version in its own words.
        version: Option<String>,
        /// The configuration it has loaded (Traefik's generation marker).
        generation: Option<String>,
    },
    /// It runs, but does not answer yet; within its time to start.
    Starting {
        /// What is missing.
        why: String,
    },
    /// It runs, but is not well, beyond its time to start.
    Unhealthy {
        /// What it says or fails to say.
        why: String,
    },
}

/// People who would be interrupted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Live {
    /// Encoders that send.
    pub streams: u32,
    /// People who watch.
    pub viewers: u32,
    /// People in a call.
    pub callers: u32,
}

impl Live {
    /// Whether nobody would be interrupted.
    pub const fn is_quiet(self) -> bool {
        self.streams == 0 && self.viewers == 0 && self.callers == 0
    }
}

/// A pull under way or failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum PullState {
    /// Going on in the background.
    Running {
        /// Bytes had.
        current: u64,
        /// Bytes known.
        total: u64,
    },
    /// Failed; tried again at `retry_at`.
    Failed {
        /// In the registry's or engine's words.
        reason: String,
        /// When the next try is.
        retry_at: Timestamp,
    },
}

/// A replacement that did not come up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplacementFailure {
    /// Which specification.
    pub spec: Digest,
    /// What happened.
    pub reason: String,
    /// When it is tried again by itself; a changed specification is tried at once.
    pub retry_at: Timestamp,
}

/// A start the engine refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StartFailure {
    /// The id of the container that was to start; `None` where it could not
    /// even be made or tried out. Says nothing of another one of its role.
    pub container: Option<String>,
    /// What the engine said.
    pub reason: String,
    /// The port that was taken, if that was it.
    pub port: Option<u16>,
    /// When it is tried again.
    pub retry_at: Timestamp,
}

/// A container that would not stay up. Says nothing of another one of its role:
/// not of the one kept for going back, nor of one with a changed specification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Breaker {
    /// Its id.
    pub container: String,
    /// How often it ended within the window.
    pub ends: u32,
    /// Its last words.
    pub reason: String,
    /// When one further start is tried.
    pub retry_at: Timestamp,
}
