//! Ends pictures and calls in the services.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::watch;

use crate::access::{Cutter, Later};
use crate::desired::Secrets;
use crate::model::{Role, StreamName};
use crate::reconcile::Scene;
use crate::services::{Services, mirotalk::EndOfMeeting};
use crate::settings::Settings;

/// See the module.
#[derive(Debug)]
pub(super) struct ServiceCutter {
    pub services: Services,
    pub secrets: Arc<Secrets>,
    pub settings: watch::Receiver<Arc<Settings>>,
    pub scene: watch::Receiver<Arc<Scene>>,
}

impl ServiceCutter {
    fn address(&self, role: Role) -> Option<IpAddr> {
        self.scene
            .borrow()
            .addresses
            .get(&role)
            .copied()
            .map(IpAddr::V4)
    }
}

impl Cutter for ServiceCutter {
    fn delete_stream<'a>(&'a self, profile: &'a str, stream: &'a StreamName) -> Later<'a> {
        Box::pin(async move {
            // A service that does not run has nothing to end.
            let Some(address) = self.address(Role::Ovenmediaengine) else {
                return Ok(());
            };
            let ome = self.services.ovenmediaengine(address, &self.secrets);
            ome.end(profile, stream.as_str())
                .await
                .map(drop)
                .map_err(|error| error.to_string())
        })
    }

    fn end_meeting<'a>(&'a self, stream: &'a StreamName) -> Later<'a> {
        Box::pin(async move {
            let Some(address) = self.address(Role::Mirotalk) else {
                return Ok(());
            };
            let (flavour, redirect) = {
                let settings = self.settings.borrow();
                let live = settings.origin(&settings.hosts.live);
                (settings.conference.flavour, format!("{live}/ended"))
            };
            let call = self.services.mirotalk(address, &self.secrets, flavour);
            match call.end(stream.as_str(), Some(&redirect)).await {
                // P2P cannot end a call: the gate is shut and the name is
                // rotated; who is inside stays until they leave.
                Ok(EndOfMeeting::Ended | EndOfMeeting::NotThere | EndOfMeeting::Unsupported) => {
                    Ok(())
                }
                Err(error) => Err(error.to_string()),
            }
        })
    }
}
