//! Keeps what is live known: asks OvenMediaEngine and MiroTalk every second,
//! and at once when a hook hints at a change; tells the loop of it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{mpsc, watch};
use tracing::debug;

use crate::access::{Access, SeenStream, StreamFacts};
use crate::desired::Secrets;
use crate::model::Role;
use crate::reconcile::{Scene, Trigger};
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

/// Has the loop look when there are more or fewer pictures, viewers or callers,
/// at most once in [`EVERY`]: the status names them, steps wait for their end,
/// and neither should be a sweep late. Runs for ever. Cancel-safe.
pub(super) async fn tell(access: Arc<Access>, loop_: mpsc::Sender<Trigger>) {
    let mut told = (0, 0, 0);
    loop {
        let now = access.live_counts();
        if now != told {
            told = now;
            // A full inbox already holds a reason to look.
            let _full = loop_.try_send(Trigger::Live);
        }
        tokio::time::sleep(EVERY).await;
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
            let detail = ome.stream(&profile.name, name).await?;
            let stats = ome.stats(&profile.name, name).await?;
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

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::access::{AdmissionKeys, TicketKey};
    use crate::model::{Room, Secret};
    use crate::store::Store;

    #[tokio::test(start_paused = true)]
    async fn the_loop_looks_as_soon_as_somebody_comes_or_goes() {
        let keys = AdmissionKeys {
            hook: Secret::new("h".into()),
            tickets: TicketKey::new(Secret::new("t".into())),
        };
        let clock = Arc::new(|| Timestamp::UNIX_EPOCH);
        let store = Arc::new(Store::in_memory().unwrap());
        let room = Room::sample(Timestamp::UNIX_EPOCH).unwrap();
        store.insert_room(&room, Timestamp::UNIX_EPOCH).unwrap();
        let access = Access::new(store, keys, clock).unwrap();
        let (loop_, mut inbox) = mpsc::channel(4);
        let _task = tokio::spawn(tell(Arc::clone(&access), loop_));
        let within = Duration::from_millis(1_100);
        let call = |names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            access.see_calls(vec![("roomone1".into(), names)]);
        };
        // Nobody is there, nothing changes: no reason to look.
        tokio::time::sleep(within).await;
        assert!(inbox.try_recv().is_err());
        for names in [&["Ann", "Bo"][..], &["Ann"], &[]] {
            call(names);
            let told = tokio::time::timeout(within, inbox.recv()).await;
            assert_eq!(told.unwrap(), Some(Trigger::Live), "{names:?}");
        }
        tokio::time::sleep(within).await;
        assert!(inbox.try_recv().is_err(), "once for each change");
    }
}
