//! Looking: everything the plan needs to know of what is, in one go.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use jiff::Timestamp;

use crate::desired::Target;
use crate::engine::{ContainerState, EngineFacts};
use crate::model::{Issue, Role};
use crate::plan::{Health, Live};
use crate::services::Heard;

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

impl Question {
    /// Whom to ask of those whom the engine tells of.
    pub(super) fn of(
        target: &Target,
        engine: &EngineFacts,
        now: Timestamp,
        thorough: bool,
    ) -> Self {
        let running = Role::ALL
            .into_iter()
            .filter_map(|role| {
                let name = target.container_name(role);
                let facts = engine.containers.iter().find(|facts| facts.name == name)?;
                let runs = matches!(
                    facts.state,
                    ContainerState::Running | ContainerState::Paused
                );
                runs.then(|| {
                    let address = facts
                        .networks
                        .get(&target.network.name)
                        .and_then(|attachment| attachment.address);
                    (
                        role,
                        Running {
                            id: facts.id.clone(),
                            started_at: facts.started_at,
                            address,
                            state: facts.state,
                        },
                    )
                })
            })
            .collect();
        Self {
            running,
            now,
            thorough,
        }
    }
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
    pub heard: BTreeMap<Role, Heard>,
    /// Who would be interrupted.
    pub live: Live,
    /// What they complain about.
    pub issues: Vec<Issue>,
}

impl Probed {
    /// What is known of services that cannot be reached from where we are.
    pub(super) fn unjudged(question: &Question) -> Self {
        let why = "the controller is not in their network yet";
        let starting = |role: &Role| {
            let why = why.into();
            (*role, Heard::Word(Health::Starting { why }))
        };
        Self {
            heard: question.running.keys().map(starting).collect(),
            ..Self::default()
        }
    }
}
