//! The controller while it cannot read what it keeps: pages stay up, nobody
//! new is let in, and no container, file or route is touched.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tracing::{debug, error};

use super::addresses;
use crate::VERSION;
use crate::desired::CONTROLLER;
use crate::disk::{SOCKET, StateLock};
use crate::engine::{DockerEngine, Engine as _, EngineCall, Placement, placement};
use crate::http;
use crate::listen;
use crate::model::Issue;
use crate::reconcile::Scene;
use crate::settings::Settings;
use crate::status::{BackupStatus, EngineStatus, Status, Summary};

/// Where Traefik reaches us is looked for this often.
const LOOK: Duration = Duration::from_secs(5);
/// Who asked us to stand aside takes hold of the state folder within this.
const COURTESY: Duration = Duration::from_secs(5);
/// Then it is tried this often whether they are done.
const KNOCK: Duration = Duration::from_millis(300);

/// Keeps the pages up until `is_mended`, asked once in every `pause`, says so
/// or somebody has restored what is kept; never returns otherwise.
pub async fn run(
    settings: Arc<Settings>,
    issue: Issue,
    mut lock: Option<StateLock>,
    pause: Duration,
    is_mended: impl AsyncFn(Option<&StateLock>) -> bool,
) {
    error!(issue = issue.code.name(), "{}", issue.what);
    let status = Arc::new(status(&settings, issue.clone()));
    let (scenes, scene) = watch::channel(Arc::new(Scene::default()));
    let (_statuses, looked) = watch::channel(Arc::clone(&status));
    let addresses = addresses::follow(scene, looked, placement::in_docker());
    let (aside, mut asked) = mpsc::channel(1);
    let socket = settings.state.join(SOCKET);
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(listen::follow(
        listen::Door::Pages,
        http::rescue::pages(Arc::clone(&settings), issue),
        settings.ports.pages,
        addresses.clone(),
    ));
    tasks.spawn(listen::follow(
        listen::Door::Internal,
        http::rescue::internal(),
        settings.ports.internal,
        addresses,
    ));
    tasks.spawn(super::control(
        http::rescue::control(status, aside),
        socket.clone(),
    ));
    tasks.spawn(find_the_way(Arc::clone(&settings), scenes));
    loop {
        // Cancel-safe: both only wait.
        let standing_aside = tokio::select! {
            asked = asked.recv() => asked.is_some(),
            () = tokio::time::sleep(pause) => false,
        };
        if standing_aside {
            drop(lock.take());
            tokio::time::sleep(COURTESY).await;
            while lock.is_none() {
                lock = StateLock::acquire(&settings.state, Timestamp::now(), VERSION).ok();
                tokio::time::sleep(KNOCK).await;
            }
            break;
        }
        if is_mended(lock.as_ref()).await {
            break;
        }
    }
    // All gone before the next listens at the same places.
    tasks.shutdown().await;
    let _gone = std::fs::remove_file(socket);
}

fn status(settings: &Settings, issue: Issue) -> Status {
    let hosts = [
        ("live", &settings.hosts.live),
        ("admin", &settings.hosts.admin),
        ("video", &settings.hosts.video),
    ];
    Status {
        at: Some(Timestamp::now()),
        version: VERSION.to_owned(),
        instance: settings.instance.clone(),
        summary: Summary::Degraded,
        mode: "paused".to_owned(),
        engine: EngineStatus {
            address: settings.engine.address.clone(),
            ..EngineStatus::default()
        },
        issues: vec![issue],
        addresses: hosts
            .map(|(name, host)| (name.to_owned(), settings.origin(host)))
            .into(),
        backup: BackupStatus {
            last: crate::backup::newest(settings),
            next: None,
        },
        ..Status::default()
    }
}

/// Finds where Traefik reaches us, by looking alone. In a container that was
/// made anew it joins the network, unless another controller is there: two of
/// one name would share out what is asked.
async fn find_the_way(settings: Arc<Settings>, scenes: watch::Sender<Arc<Scene>>) {
    let Ok(engine) = DockerEngine::new(&settings.engine) else {
        return;
    };
    loop {
        let place = placement::find(&engine, &settings.state).await;
        let seen = engine.observe(&settings.instance, &[]).await;
        if let (Ok(place), Ok(facts)) = (place, seen) {
            let ours = facts.networks.iter().find(|network| {
                let label = network.labels.get(crate::desired::labels::INSTANCE);
                network.name == settings.instance && label == Some(&settings.instance)
            });
            let in_container = matches!(place, Placement::Container { .. });
            if let (Some(network), Placement::Container { id, .. }) = (ours, &place)
                && !facts.own_networks.contains_key(&network.name)
                && facts.rivals.is_empty()
            {
                let join = EngineCall::ConnectNetwork {
                    network: network.id.clone(),
                    container: id.clone(),
                    aliases: vec![CONTROLLER.to_owned()],
                };
                if let Err(error) = engine.perform(join).await {
                    debug!(%error, "our network cannot be joined yet");
                }
            }
            scenes.send_replace(Arc::new(Scene {
                gateway: ours.and_then(|network| network.gateway),
                in_container,
                ..Scene::default()
            }));
        }
        tokio::time::sleep(LOOK).await;
    }
}
