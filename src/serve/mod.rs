//! The running controller: the loop, the listeners and what ties them
//! together. Everything here is wiring; decisions live in the rooms it joins.

mod addresses;
mod cutter;
mod facts;
mod lookout;
mod rescue;
mod stack;
mod story;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tracing::{error, warn};

use crate::access::{Access, AdmissionKeys, TicketKey};
use crate::backup::Keeper;
use crate::desired::Secrets;
use crate::disk::SOCKET;
use crate::engine::{DockerEngine, placement};
use crate::http::{self, App};
use crate::listen;
use crate::model::{Seat, Secret};
use crate::reconcile::{Ask, Controller, End, Trigger, Triggers};
use crate::services::Services;
use crate::services::mirotalk_token::{Account, mint};
use crate::status::{Command, Status};
use crate::store::StoreError;

pub use rescue::run as rescue;
pub use story::Story;

/// The loop with everything it works with.
pub type Parts = Controller<DockerEngine, Ask>;
/// What it publishes.
pub type Published = watch::Receiver<Arc<Status>>;

/// How long a token for the call is good. The contract wants presenter tokens
/// short, because everybody in an SFU room is shown everybody's; viewers'
/// tokens have to outlive a Traefik restart in the middle of a review.
const PRESENTER_TOKEN_S: i64 = 60;
const VIEWER_TOKEN_S: i64 = 4 * 60 * 60;

/// Runs loop and listeners until `stop` resolves, or the loop finds services
/// that are not of this state folder.
///
/// # Errors
/// When rooms cannot be read at the start: nothing listens before admission
/// can be answered.
pub async fn run(
    mut controller: Parts,
    status: Published,
    story: Story,
    file: Option<PathBuf>,
    stop: impl Future<Output = ()>,
) -> Result<End, StoreError> {
    let secrets = controller.wanted.secrets();
    let settings = controller.wanted.follow();
    let scene = controller.scene.subscribe();
    let store = Arc::clone(&controller.store);
    let keys = AdmissionKeys {
        hook: secrets.ome_hook_key.clone(),
        tickets: TicketKey::new(secrets.ticket_key.clone()),
    };
    // Before the first listener opens: admission fails closed, but a viewer
    // who comes back after our restart must not be turned away.
    let access = Access::new(Arc::clone(&store), keys, Arc::new(Timestamp::now))?;
    // Told once: the same access for as long as we run.
    let _told = controller.probe.people.set(Arc::clone(&access));
    let set_up = access.setup_token()?;
    let triggers = Triggers::default();
    let clock: Arc<dyn Fn() -> Timestamp + Send + Sync> = Arc::new(Timestamp::now);
    let keeper = Keeper::new(Arc::clone(&store), settings.clone(), file, clock);
    controller.backups = keeper.kept();
    let commands = commands(triggers.sender.clone());
    let services = Services::default();
    let stack = stack::LiveStack::new(
        Arc::clone(&controller.engine),
        Arc::clone(&controller.disk),
        scene.clone(),
        status.clone(),
    );
    let series = stack.series_task(Arc::clone(&access));
    let app = App::new(http::Parts {
        store,
        access: Arc::clone(&access),
        settings: settings.clone(),
        status: status.clone(),
        commands,
        stack: Arc::new(stack),
        mint: minting(Arc::clone(&secrets)),
        mirotalk_hook: secrets.mirotalk_hook_path.clone(),
        keeper: Arc::clone(&keeper),
    })?;
    let cutter = cutter::ServiceCutter {
        services: services.clone(),
        secrets: Arc::clone(&secrets),
        settings: settings.clone(),
        scene: scene.clone(),
    };
    let facts = facts::follow(
        Arc::clone(&access),
        services,
        Arc::clone(&secrets),
        settings.clone(),
        scene.clone(),
    );
    let (seen, seen_by_the_loop) = watch::channel(Arc::default());
    controller.seen = seen_by_the_loop;
    let lookout = lookout::Lookout {
        engine: Arc::clone(&controller.engine),
        services: Services::default(),
        settings: settings.clone(),
        scene: scene.clone(),
        orders: controller.orders.subscribe(),
    };
    let ports = settings.borrow().ports.clone();
    let socket = controller.disk.state().join(SOCKET);
    let told_scene = scene.clone();
    let addresses = addresses::follow(scene, status.clone(), placement::in_docker());
    let background = [
        tokio::spawn(Arc::clone(&access).run(Arc::new(cutter))),
        tokio::spawn(facts),
        tokio::spawn(facts::tell(access, triggers.sender.clone())),
        tokio::spawn(lookout.run(seen, triggers.sender.clone())),
        tokio::spawn(series),
        tokio::spawn(Arc::clone(&keeper).run()),
        tokio::spawn(listen::follow(
            listen::Door::Pages,
            http::pages(app.clone()),
            ports.pages,
            addresses.clone(),
        )),
        tokio::spawn(listen::follow(
            listen::Door::Internal,
            http::internal(app.clone()),
            ports.internal,
            addresses,
        )),
        tokio::spawn(control(http::control(app), socket.clone())),
        tokio::spawn(story.tell(status, told_scene, set_up)),
    ];
    let ended = controller.run(triggers, stop).await;
    // All gone before anybody else listens at the same places.
    for task in background {
        task.abort();
        let _aborted = task.await;
    }
    // Nobody must take it for a running controller.
    let _gone = std::fs::remove_file(socket);
    Ok(ended)
}

async fn control(app: axum::Router, socket: PathBuf) {
    if let Err(error) = listen::control(app, &socket).await {
        warn!(socket = %socket.display(), %error, "the command line cannot reach this controller");
    }
}

/// What people ask goes into the loop's inbox.
fn commands(sender: mpsc::Sender<Trigger>) -> mpsc::Sender<Command> {
    let (commands, mut asked) = mpsc::channel(16);
    tokio::spawn(async move {
        while let Some(command) = asked.recv().await {
            if sender.send(Trigger::Person(command)).await.is_err() {
                break;
            }
        }
    });
    commands
}

fn minting(secrets: Arc<Secrets>) -> http::Mint {
    Arc::new(move |seat: Seat, now: Timestamp| {
        let (username, password, presenter, ttl) = match seat {
            Seat::Presenter => (
                "host",
                &secrets.mirotalk_host_password,
                true,
                PRESENTER_TOKEN_S,
            ),
            Seat::Viewer => (
                "viewer",
                &secrets.mirotalk_viewer_password,
                false,
                VIEWER_TOKEN_S,
            ),
        };
        let mut salt = [0; 8];
        if let Err(error) = getrandom::fill(&mut salt) {
            // A token that nobody accepts is better than one anybody can guess.
            error!(%error, "the system has no random bytes");
            return Secret::new(String::new());
        }
        let account = Account {
            username,
            password,
            presenter,
        };
        mint(
            secrets.mirotalk_jwt_key.expose(),
            account,
            salt,
            now.as_second(),
            ttl,
        )
    })
}
