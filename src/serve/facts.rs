//! Keeps what is live known: asks OvenMediaEngine and MiroTalk every second,
//! and at once when a hook hints at a change.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tracing::debug;

use crate::access::{Access, SeenStream, StreamFacts};
use crate::desired::Secrets;
use crate::model::Role;
use crate::reconcile::Scene;
use crate::services::{Ovenmediaengine, ServiceError, Services};
use crate::settings::Settings;

const EVERY: Duration = Duration::from_secs(1);

/// Runs for ever. Cancel-safe: every round starts from nothing.
pub(super) async fn follow(
    access: Arc<Access>,
    services: Services,
    secrets: Arc<Secrets>,
    settings: watch::Receiver<Arc<Settings>>,
    scene: watch::Receiver<Arc<Scene>>,
) {
    loop {
        let _due = tokio::time::timeout(EVERY, access.look()).await;
        let settings = Arc::clone(&settings.borrow());
        let scene = Arc::clone(&scene.borrow());
        let address = |role| scene.addresses.get(&role).copied().map(IpAddr::V4);
        let pictures = async {
            let Some(address) = address(Role::Ovenmediaengine) else {
                return;
            };
            let ome = services.ovenmediaengine(address, &secrets);
            match streams(&ome, &settings, &access).await {
                Ok(streams) => access.see_streams(streams),
                Err(error) => debug!(%error, "the streams could not be listed"),
            }
        };
        let calls = async {
            let Some(address) = address(Role::Mirotalk) else {
                return;
            };
            let call = services.mirotalk(address, &secrets, settings.conference.flavour);
            match call.meetings().await {
                Ok(meetings) => access.see_calls(
                    meetings
                        .into_iter()
                        .map(|meeting| {
                            let names = meeting.people.into_iter().map(|person| person.name);
                            (meeting.room, names.collect())
                        })
                        .collect(),
                ),
                Err(error) => debug!(%error, "the calls could not be listed"),
            }
        };
        tokio::join!(pictures, calls);
    }
}

async fn streams(
    ome: &Ovenmediaengine,
    settings: &Settings,
    access: &Access,
) -> Result<Vec<SeenStream>, ServiceError> {
    let mut all = Vec::new();
    for profile in &settings.profiles {
        let names = ome.streams(&profile.name).await?;
        let details = join_all(names.iter().map(|name| async {
            let detail = ome.stream_json(&profile.name, name).await?;
            let stats = ome.stats_json(&profile.name, name).await?;
            Ok::<_, ServiceError>(detail.map(|detail| SeenStream {
                profile: profile.name.clone(),
                name: name.clone(),
                facts: StreamFacts::of(&detail, stats.as_ref(), profile.min_bitrate, access.now()),
            }))
        }))
        .await;
        for detail in details {
            all.extend(detail?);
        }
    }
    Ok(all)
}
