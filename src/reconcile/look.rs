//! Looking: everything the plan needs to know of what is, in one go.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use jiff::Timestamp;

use crate::engine::ContainerState;
use crate::model::{Issue, Role};
use crate::plan::{Health, Live};

/// Asks the services how they are. Implemented by `services` for the real
/// ones and by a script in tests.
pub trait Probe: Send + Sync + 'static {
    /// One round; answers within about two seconds whatever the services do.
    fn probe(&self, question: Question) -> impl Future<Output = Probed> + Send;
}

/// Whom to ask.
#[derive(Clone, Debug)]
pub struct Question {
    /// The containers that run, by role.
    pub running: BTreeMap<Role, Running>,
    /// The moment.
    pub now: Timestamp,
    /// Ask also what is asked in sweeps only.
    pub thorough: bool,
}

/// A running container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its id.
    pub id: String,
    /// Since when.
    pub started_at: Option<Timestamp>,
    /// Its address in our network.
    pub address: Option<Ipv4Addr>,
    /// Its state (a paused one does not answer).
    pub state: ContainerState,
}

/// What they said.
#[derive(Clone, Debug, Default)]
pub struct Probed {
    /// By role; a role that does not run is absent.
    pub health: BTreeMap<Role, Health>,
    /// Who would be interrupted.
    pub live: Live,
    /// What they complain about.
    pub issues: Vec<Issue>,
}
