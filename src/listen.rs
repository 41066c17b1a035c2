//! Listeners that follow the addresses they should have: the network's gateway
//! exists only once the engine made the network.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

/// An address that cannot be had yet is tried again this often.
const RETRY: Duration = Duration::from_millis(500);

/// Serves `app` on `port` of every wanted address, as long as it is wanted.
/// Cancel-safe: dropping the future drops every listener.
pub async fn follow(
    what: &'static str,
    app: Router,
    port: u16,
    mut wanted: watch::Receiver<BTreeSet<IpAddr>>,
) {
    let mut serving: BTreeMap<IpAddr, Abort> = BTreeMap::new();
    loop {
        let addresses = wanted.borrow_and_update().clone();
        let leaving: Vec<IpAddr> = serving
            .keys()
            .filter(|address| !addresses.contains(address))
            .copied()
            .collect();
        for address in leaving {
            if let Some(mut task) = serving.remove(&address) {
                // Gone for good before the next: "every address" cannot be had
                // while one of them is still taken.
                task.0.abort();
                let _ended = (&mut task.0).await;
            }
        }
        for address in addresses {
            serving.entry(address).or_insert_with(|| {
                Abort(tokio::spawn(one(
                    what,
                    app.clone(),
                    SocketAddr::new(address, port),
                )))
            });
        }
        if wanted.changed().await.is_err() {
            // Nobody changes it any more: serve on.
            std::future::pending::<()>().await;
        }
    }
}

/// Ends its task when dropped.
struct Abort(JoinHandle<()>);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn one(what: &'static str, app: Router, address: SocketAddr) {
    let mut told = false;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => {
                info!(%address, "{what} listening");
                told = false;
                let app = app
                    .clone()
                    .into_make_service_with_connect_info::<SocketAddr>();
                if let Err(error) = axum::serve(listener, app).await {
                    warn!(%address, %error, "{what} stopped listening");
                }
            }
            // The gateway's address is not there before the network is.
            Err(error) if error.kind() == std::io::ErrorKind::AddrNotAvailable => {
                debug!(%address, "{what}: the address is not there yet");
            }
            Err(error) if !told => {
                warn!(%address, %error, "{what} cannot listen; tried again");
                told = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Serves `app` on a Unix socket that only our user may open.
///
/// # Errors
/// The socket cannot be made: a path too long or a folder not writable.
pub async fn control(app: Router, socket: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    // Left by a controller that was killed; the state lock says it is ours.
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(socket)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
    axum::serve(listener, app.into_make_service()).await
}
