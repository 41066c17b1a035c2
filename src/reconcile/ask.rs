//! The real [`Probe`]: asks the services over the network.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use tokio::sync::watch;

use super::look::{Probe, Probed, Question};
use crate::access::Access;
use crate::desired::Secrets;
use crate::engine::ContainerState;
use crate::plan::Health;
use crate::services::{Services, Subject};
use crate::settings::Settings;

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
        let seen = self
            .services
            .observe(&subjects, &self.secrets, &settings, question.now)
            .await;
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
