//! The real [`Probe`]: asks the services over the network.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use tokio::sync::watch;
use tracing::debug;

use super::look::{Probe, Probed, Question};
use crate::access::{Access, blocking};
use crate::desired::Secrets;
use crate::engine::ContainerState;
use crate::plan::Health;
use crate::services::{Run, Services, Subject};
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
    /// Where it is kept which run of MiroTalk had its gate shut.
    pub store: Arc<Store>,
}

/// Under which name it is kept.
const GATED: &str = "mirotalk_gated";

/// What was found by a controller before us. A store that cannot be read for a
/// moment only means that the gate is tried once more.
async fn recall(services: &Services, store: &Arc<Store>) -> Option<Run> {
    if let Some(run) = services.gated() {
        return Some(run);
    }
    let store = Arc::clone(store);
    let kept = blocking(move || store.meta(GATED)).await.ok()??;
    let run: Run = serde_json::from_str(&kept).ok()?;
    services.recall_gated(run.clone());
    Some(run)
}

/// Keeps what is known now, unless it was known `before`.
async fn keep(services: &Services, store: &Arc<Store>, before: Option<Run>) {
    let now = services.gated();
    if now == before {
        return;
    }
    let Ok(text) = serde_json::to_string(&now) else {
        return;
    };
    let store = Arc::clone(store);
    if let Err(error) = blocking(move || store.set_meta(GATED, &text)).await {
        debug!(%error, "that MiroTalk's gate is shut could not be kept");
    }
}

impl Probe for Ask {
    async fn probe(&self, question: Question) -> Probed {
        let mut probed = Probed::default();
        let mut subjects = Vec::new();
        for (role, running) in question.running {
            match running.address {
                _ if running.state == ContainerState::Paused => {
                    probed.health.insert(
                        role,
                        Health::Starting {
                            why: "it is paused".into(),
                        },
                    );
                }
                None => {
                    let why = "it has no address in our network".into();
                    probed.health.insert(role, Health::Starting { why });
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
        let gated = recall(&self.services, &self.store).await;
        let seen = self
            .services
            .observe(&subjects, &self.secrets, &settings, question.now)
            .await;
        keep(&self.services, &self.store, gated).await;
        probed.health.extend(seen.health);
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
        let first = Services::default();
        assert_eq!(recall(&first, &store).await, None);
        let run: Run = ("a1b2".into(), Timestamp::UNIX_EPOCH);
        first.recall_gated(run.clone());
        keep(&first, &store, None).await;
        let next = Services::default();
        assert_eq!(recall(&next, &store).await, Some(run.clone()));
        assert_eq!(next.gated(), Some(run));
        // What cannot be read is as if nothing had been kept.
        store.set_meta(GATED, "{").unwrap();
        assert_eq!(recall(&Services::default(), &store).await, None);
    }
}
