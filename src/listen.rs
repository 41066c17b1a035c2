//! Listeners that follow the addresses they should have: the network's gateway
//! exists only once the engine made the network. Whoever connects has so long
//! to say what they want, and there are only so many at once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;
use tracing::{debug, info, warn};

use crate::disk::point;

/// An address that cannot be had yet is tried again this often.
const RETRY: Duration = Duration::from_millis(500);

/// From connecting, or from the last answer, to the end of the next request's
/// head. Longer than the 90 s for which Traefik keeps a connection it does not
/// use: closed by us, it could be in the middle of being used again.
const HEAD: Duration = Duration::from_secs(100);

/// Who comes by a listener. Each kind has connections of its own, beside what
/// files we need ourselves: as many visitors as there are take none of those
/// by which the services ask about them.
#[derive(Clone, Copy, Debug)]
pub enum Door {
    /// Browsers, through Traefik: every open page is one.
    Pages,
    /// The services: hooks and forward-auth, a handful at a time.
    Internal,
}

impl Door {
    fn name(self) -> &'static str {
        match self {
            Self::Pages => "pages",
            Self::Internal => "internal",
        }
    }

    /// Connections at once, on all listeners of this kind.
    fn places(self) -> Arc<Semaphore> {
        static PLACES: LazyLock<[Arc<Semaphore>; 2]> = LazyLock::new(|| {
            let most = files().saturating_sub(256).clamp(80, 20_480);
            [most - most / 5, most / 5].map(|share| Arc::new(Semaphore::new(share)))
        });
        let [pages, internal] = &*PLACES;
        Arc::clone(match self {
            Self::Pages => pages,
            Self::Internal => internal,
        })
    }
}

/// What is said to one more than that.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 27\r\n\r\nToo many connections. Wait.";

/// How many files we may have open, raised as far as we may.
fn files() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    current.map_or(usize::MAX, |most| {
        usize::try_from(most).unwrap_or(usize::MAX)
    })
}

/// Serves `app` on `port` of every wanted address, as long as it is wanted.
/// Cancel-safe: dropping the future drops every listener.
pub async fn follow(
    door: Door,
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
                    door,
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

async fn one(door: Door, app: Router, address: SocketAddr) {
    let (what, places) = (door.name(), door.places());
    let mut told = false;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => {
                info!(%address, "{what} listening");
                told = false;
                serve(listener, &app, &places).await;
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

/// Takes connections for ever. When it is dropped those that are open answer
/// what they were asked, and are closed: Traefik keeps them for the next
/// question, which somebody else may have to answer by then.
async fn serve(listener: TcpListener, app: &Router, places: &Arc<Semaphore>) {
    let (_here, gone) = watch::channel(());
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let place = Arc::clone(places).try_acquire_owned().ok();
                tokio::spawn(connection(stream, peer, place, app.clone(), gone.clone()));
            }
            // Gone again before it was taken.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                // Out of files or memory: it passes, or does not by trying at once.
                warn!(%error, "a connection could not be taken");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    place: Option<OwnedSemaphorePermit>,
    app: Router,
    mut gone: watch::Receiver<()>,
) {
    let Some(_place) = place else {
        debug!(%peer, "too many connections");
        // Never waits: it fits into the socket's buffer, or is not said.
        let _said = stream.try_write(FULL);
        return;
    };
    // Answers are whole: nothing is gained by waiting for more.
    let _either = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: hyper::Request<_>| {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        app.clone().oneshot(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(served);
    let served = tokio::select! {
        served = &mut served => served,
        // Nothing is ever sent: the sender was dropped.
        _ = gone.changed() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    // A peer that goes away in the middle is no news.
    if let Err(error) = served {
        debug!(%peer, %error, "a connection ended badly");
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
    point("removed", socket);
    let listener = UnixListener::bind(socket)?;
    point("made", socket);
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
    point("mode set", socket);
    axum::serve(listener, app.into_make_service()).await
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn house() -> SocketAddr {
        house_for(64).await
    }

    async fn house_for(most: usize) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app =
            Router::new()
                .route(
                    "/",
                    get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move {
                        peer.ip().to_string()
                    }),
                )
                .route(
                    "/body",
                    post(|body: crate::http::Whole| async move { body.0.len().to_string() }),
                );
        let places = Arc::new(Semaphore::new(most));
        tokio::spawn(async move { serve(listener, &app, &places).await });
        address
    }

    async fn said(stream: &mut TcpStream) -> String {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        String::from_utf8_lossy(&all).into_owned()
    }

    #[tokio::test]
    async fn whoever_asks_is_known_by_address() {
        let mut stream = TcpStream::connect(house().await).await.unwrap();
        let ask = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        stream.write_all(ask).await.unwrap();
        assert!(said(&mut stream).await.ends_with("127.0.0.1"));
    }

    #[tokio::test]
    async fn visitors_take_no_connections_of_the_services() {
        let (pages, internal) = (house_for(2).await, house_for(2).await);
        let ask = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let answer = async |address| {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(ask).await.unwrap();
            said(&mut stream).await
        };
        let mut held = Vec::new();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(pages).await.unwrap();
            let kept = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
            stream.write_all(kept).await.unwrap();
            assert!(stream.read(&mut [0; 512]).await.unwrap() > 0);
            held.push(stream);
        }
        let refused = said(&mut TcpStream::connect(pages).await.unwrap()).await;
        assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
        assert!(answer(internal).await.ends_with("127.0.0.1"));
        // So it is with the two of the house: one's places are not the other's.
        let (pages, internal) = (Door::Pages.places(), Door::Internal.places());
        assert!(internal.available_permits() >= 16);
        let all = u32::try_from(pages.available_permits()).unwrap();
        let _taken = pages.try_acquire_many(all).unwrap();
        assert!(internal.try_acquire().is_ok());
        assert!(Door::Internal.places().try_acquire().is_ok());
        assert!(Door::Pages.places().try_acquire().is_err());
    }

    #[tokio::test]
    async fn a_connection_that_is_kept_does_not_outlive_its_listener() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let app = Router::new().route("/", get(|| async { "old" }));
        let serving =
            tokio::spawn(async move { serve(listener, &app, &Arc::new(Semaphore::new(1))).await });
        let ask = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        stream.write_all(ask).await.unwrap();
        let mut answer = [0; 512];
        let count = stream.read(&mut answer).await.unwrap();
        assert!(String::from_utf8_lossy(&answer[..count]).ends_with("old"));
        serving.abort();
        let rest = tokio::time::timeout(Duration::from_secs(5), said(&mut stream));
        assert_eq!(rest.await.unwrap(), "", "closed, and not by a deadline");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_never_ends_is_not_waited_for() {
        let address = house().await;
        for said_so_far in ["", "GET / HTTP/1.1\r\nhost: x\r\nx-a: "] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(said_so_far.as_bytes()).await.unwrap();
            let begun = tokio::time::Instant::now();
            let _nothing_or_408 = said(&mut stream).await;
            assert!(
                begun.elapsed() <= HEAD + Duration::from_secs(1),
                "{said_so_far}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_not_waited_for() {
        let mut stream = TcpStream::connect(house().await).await.unwrap();
        let ask = b"POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{";
        stream.write_all(ask).await.unwrap();
        let begun = tokio::time::Instant::now();
        let answer = said(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(begun.elapsed() <= Duration::from_secs(60));
    }
}
