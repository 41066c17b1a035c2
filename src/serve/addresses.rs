//! Where we listen. On the host: loopback and our network's gateway, never a
//! public address. In a container of our engine: every address inside it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tokio::sync::watch;

use crate::reconcile::Scene;
use crate::status::Status;

/// The addresses to listen on, as they become known. `in_docker` says whether
/// some engine, ours or another, made the container we may be in.
pub(super) fn follow(
    mut scene: watch::Receiver<Arc<Scene>>,
    mut status: watch::Receiver<Arc<Status>>,
    in_docker: bool,
) -> watch::Receiver<BTreeSet<IpAddr>> {
    let (sender, receiver) = watch::channel(BTreeSet::from([Ipv4Addr::LOCALHOST.into()]));
    tokio::spawn(async move {
        loop {
            let now = wanted(
                &scene.borrow_and_update(),
                &status.borrow_and_update(),
                in_docker,
            );
            sender.send_if_modified(|current| {
                let differs = *current != now;
                *current = now;
                differs
            });
            // Cancel-safe: a watch keeps its mark until it is read.
            let open = tokio::select! {
                changed = scene.changed() => changed,
                changed = status.changed() => changed,
            };
            if open.is_err() {
                break;
            }
        }
    });
    receiver
}

/// PURE. The engine alone knows whether we are one of its containers: a host
/// may itself be a container of another engine, where every address is as
/// public as the host. Without the engine the next best sign counts, so that
/// the pages of a controller in a container answer all the same.
fn wanted(scene: &Scene, status: &Status, in_docker: bool) -> BTreeSet<IpAddr> {
    let seen = scene.target.is_some();
    let looked = status.at.is_some();
    if scene.in_container || (!seen && looked && in_docker) {
        return BTreeSet::from([Ipv4Addr::UNSPECIFIED.into()]);
    }
    [Some(Ipv4Addr::LOCALHOST), scene.gateway]
        .into_iter()
        .flatten()
        .map(IpAddr::V4)
        .collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::desired::{Snapshot, desire};
    use crate::render::{Templates, render};

    fn scene(in_container: bool, gateway: Option<[u8; 4]>) -> Scene {
        let templates = Templates::with_overrides(&Default::default()).unwrap();
        let target = render(&desire(&Snapshot::sample()), &templates).unwrap();
        Scene {
            target: Some(Arc::new(target)),
            gateway: gateway.map(Ipv4Addr::from),
            in_container,
            ..Scene::default()
        }
    }

    fn looked() -> Status {
        Status {
            at: Some(jiff::Timestamp::UNIX_EPOCH),
            ..Status::default()
        }
    }

    fn set(addresses: &[[u8; 4]]) -> BTreeSet<IpAddr> {
        addresses
            .iter()
            .map(|address| IpAddr::from(*address))
            .collect()
    }

    #[test]
    fn on_the_host_loopback_and_the_gateway_even_in_a_container_of_another_engine() {
        let gateway = Some([10, 83, 0, 1]);
        for in_docker in [false, true] {
            let found = wanted(&scene(false, gateway), &looked(), in_docker);
            assert_eq!(found, set(&[[127, 0, 0, 1], [10, 83, 0, 1]]), "{in_docker}");
            let no_network_yet = wanted(&scene(false, None), &looked(), in_docker);
            assert_eq!(no_network_yet, set(&[[127, 0, 0, 1]]));
        }
    }

    #[test]
    fn in_a_container_of_our_engine_everywhere_inside_it() {
        let found = wanted(&scene(true, Some([10, 83, 0, 1])), &looked(), true);
        assert_eq!(found, set(&[[0, 0, 0, 0]]));
    }

    #[test]
    fn until_the_first_look_loopback_alone() {
        for in_docker in [false, true] {
            let found = wanted(&Scene::default(), &Status::default(), in_docker);
            assert_eq!(found, set(&[[127, 0, 0, 1]]), "{in_docker}");
        }
    }

    #[test]
    fn without_an_engine_what_the_kernel_shows_decides() {
        let away = Scene::default();
        assert_eq!(wanted(&away, &looked(), true), set(&[[0, 0, 0, 0]]));
        assert_eq!(wanted(&away, &looked(), false), set(&[[127, 0, 0, 1]]));
    }

    #[tokio::test(start_paused = true)]
    async fn they_follow_what_is_seen() {
        let (scenes, scene_in) = watch::channel(Arc::new(Scene::default()));
        let (statuses, status_in) = watch::channel(Arc::new(Status::default()));
        let mut addresses = follow(scene_in, status_in, true);
        statuses.send_replace(Arc::new(looked()));
        let everywhere = set(&[[0, 0, 0, 0]]);
        addresses.wait_for(|now| *now == everywhere).await.unwrap();
        scenes.send_replace(Arc::new(scene(false, Some([10, 83, 0, 1]))));
        let house = set(&[[127, 0, 0, 1], [10, 83, 0, 1]]);
        addresses.wait_for(|now| *now == house).await.unwrap();
    }
}
