//! The real [`Probe`]: asks the services over the network.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use super::look::{Probe, Probed, Question};
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
}

impl Probe for Ask {
    async fn probe(&self, question: Question) -> Probed {
        let mut probed = Probed::default();
        let mut subjects = Vec::new();
        for (role, running) in question.running {
            match running.address {
                _ if running.state == ContainerState::Paused => {
                    probed.health.insert(role, Health::Starting { why: "it is paused".into() });
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
        let seen = self.services.observe(&subjects, &self.secrets, &settings, question.now).await;
        probed.health.extend(seen.health);
        probed.live = seen.live;
        probed.issues = seen.issues;
        probed
    }
}
