//! What is wanted, apart from rooms: settings, templates, secrets and
//! certificate, each the last good one. A change that is wrong is refused and
//! told; what was in force stays.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tracing::{info, warn};

use crate::desired::{
    Certificate, HostFacts, ImagePin, RoomRoute, Secrets, Snapshot, Target, desire,
};
use crate::disk::Disk;
use crate::engine::{EngineFacts, Placement};
use crate::host;
use crate::model::{Issue, IssueCode, Severity};
use crate::render::{RenderError, Templates, render};
use crate::settings::{self, Settings, Tls};
use crate::tls;

/// Where the settings come from.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The file; without one the defaults hold.
    pub file: Option<PathBuf>,
    /// Environment and flags that override it.
    pub overrides: BTreeMap<String, String>,
}

/// See the module.
pub struct Wanted {
    source: Source,
    disk: Arc<Disk>,
    settings: Arc<ArcSwap<Settings>>,
    settings_issues: Vec<Issue>,
    templates: Templates,
    templates_seen: BTreeMap<String, String>,
    template_issues: Vec<Issue>,
    secrets: Secrets,
    certificate: Option<Certificate>,
    certificate_issues: Vec<Issue>,
    certificate_at: Option<Timestamp>,
    host_issues: Vec<Issue>,
    last: Option<(Key, Arc<Target>)>,
}

/// Everything a rendering depends on; while it is the same, so is the target.
#[derive(Clone, PartialEq)]
struct Key {
    settings: Settings,
    rooms: Vec<RoomRoute>,
    host: HostFacts,
    pins: BTreeMap<String, ImagePin>,
    certificate: Option<String>,
    templates: BTreeMap<String, String>,
}

/// Why there is nothing to start from.
#[derive(Debug, thiserror::Error)]
pub enum WantedError {
    /// The settings file is wrong: every error in it, ready to be read.
    #[error("{0}")]
    Settings(String),
    /// Secrets or state cannot be used.
    #[error(transparent)]
    Disk(#[from] crate::disk::DiskError),
}
