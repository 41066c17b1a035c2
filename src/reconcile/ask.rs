//! The real [`Probe`]: asks the services over the network.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;
use tracing::debug;

use super::look::{Probe, Probed, Question};
use crate::access::{Access, blocking};
use crate::desired::Secrets;
use crate::engine::ContainerState;
use crate::plan::Health;
use crate::services::{Heard, Run, Services, Subject};
use crate::settings::Settings;
use crate::store::Store;

/// Asks over plain HTTP, by the containers' own addresses.
#[derive(Debug)]
pub struct Ask {
    /// The client.
    pub services: Services,
    /// Keys of their interfaces.
    pub secrets: Arc<Secrets>,
    /// The settings in force.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// Who is here by our own tickets, once they are issued: OvenMediaEngine
    /// cannot tell LLHLS viewers behind Traefik apart.
    pub people: Arc<OnceLock<Arc<Access>>>,
    /// Which run of MiroTalk had its gate shut.
    pub gate: Gate,
}

/// Which run of MiroTalk had its gate shut, kept for the next controller.
#[derive(Debug)]
pub struct Gate {
    store: Arc<Store>,
    /// What the store holds, once that is known.
    kept: Mutex<Option<Run>>,
}

/// Under which name it is kept.
const GATED: &str = "mirotalk_gated";

impl Gate {
    /// As this store knows it.
    pub fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            kept: Mutex::default(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Option<Run>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells what was found by a controller before us. A store that cannot be
    /// read for a moment only means that the gate is tried once more.
    async fn recall(&self, services: &Services) {
        if self.kept().is_some() {
            return;
        }
        let store = Arc::clone(&self.store);
        let Ok(Some(text)) = blocking(move || store.meta(GATED)).await else {
            return;
        };
        if let Ok(run) = serde_json::from_str::<Run>(&text) {
            services.recall_gated(run.clone());
            *self.kept() = Some(run);
        }
    }

    /// Keeps what is known now. What could not be kept is tried again.
    async fn keep(&self, services: &Services) {
        let Some(now) = services.gated() else { return };
        if self.kept().as_ref() == Some(&now) {
            return;
        }
        let Ok(text) = serde_json::to_string(&now) else {
            return;
        };
        let store = Arc::clone(&self.store);
        match blocking(move || store.set_meta(GATED, &text)).await {
            Ok(()) => *self.kept() = Some(now),
            Err(error) => debug!(%error, "that MiroTalk's gate is shut could not be kept"),
        }
    }
}

impl Probe for Ask {
    async fn probe(&self, question: Question) -> Probed {
        let mut probed = Probed::default();
        let mut subjects = Vec::new();
        for (role, running) in question.running {
            match running.address {
                _ if running.state == ContainerState::Paused => {
                    let why = "it is paused".into();
                    let heard = Heard::Word(Health::Starting { why });
                    probed.heard.insert(role, heard);
                }
                None => {
                    let why = "it has no address in our network".into();
                    let heard = Heard::Word(Health::Starting { why });
                    probed.heard.insert(role, heard);
                }
                Some(address) => subjects.push(Subject {
                    role,
                    container: running.id,
                    started_at: running.started_at.unwrap_or(Timestamp::UNIX_EPOCH),
                    address: IpAddr::V4(address),
                }),
            }
        }
        let settings = Arc::clone(&self.settings.borrow());
        self.gate.recall(&self.services).await;
        let seen = self
            .services
            .observe(&subjects, &self.secrets, &settings, question.now)
            .await;
        self.gate.keep(&self.services).await;
        probed.heard.extend(seen.heard);
        probed.live = seen.live;
        if let Some(access) = self.people.get() {
            let (streams, viewers, callers) = access.live_counts();
            probed.live.streams = probed.live.streams.max(streams);
            probed.live.viewers = probed.live.viewers.max(viewers);
            probed.live.callers = probed.live.callers.max(callers);
        }
        probed.issues = seen.issues;
        probed
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_next_controller_knows_which_gate_was_shut() {
        let store = Arc::new(Store::in_memory().unwrap());
        let gate = || Gate::new(Arc::clone(&store));
        let (first, services) = (gate(), Services::default());
        first.recall(&services).await;
        assert_eq!(services.gated(), None);
        let run: Run = ("a1b2".into(), Timestamp::UNIX_EPOCH);
        services.recall_gated(run.clone());
        // What could not be kept is tried again at the next look.
        store.behind("ALTER TABLE meta RENAME TO gone").unwrap();
        first.keep(&services).await;
        store.behind("ALTER TABLE gone RENAME TO meta").unwrap();
        first.keep(&services).await;
        let next = Services::default();
        gate().recall(&next).await;
        assert_eq!(next.gated(), Some(run));
        // What cannot be read is as if nothing had been kept.
        store.set_meta(GATED, "{").unwrap();
        let other = Services::default();
        gate().recall(&other).await;
        assert_eq!(other.gated(), None);
    }
}
