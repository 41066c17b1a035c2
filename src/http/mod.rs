//! The HTTP server: three hosts, one internal listener, one control socket.
//!
//! | router | who reaches it | what it holds |
//! |---|---|---|
//! | [`pages`] | browsers, through Traefik, by host name | [`live`], [`admin`], [`video`], each with its pages |
//! | [`internal`] | OvenMediaEngine, MiroTalk, Traefik, Prometheus | hooks, forward-auth, metrics |
//! | [`control`] | the command line, over `state/control.sock` | the admin API, as the owner |

pub mod admin;
mod assets;
mod board;
mod events;
mod internal;
mod live;
mod openapi;
mod problem;
pub mod rescue;
mod stack;
mod video;
mod views;
mod zip;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tower::ServiceExt as _;

pub use openapi::document as openapi;
pub use problem::{Body, Problem, Whole};
pub use stack::{NoStack, Soon, Stack};
pub use views::{FileView, LogLine, Point, Series};

use crate::access::{Access, Names, bare_host};
use crate::backup::Keeper;
use crate::model::{Id, Role, Seat, Secret};
use crate::reconcile::{Command, Status};
use crate::settings::{Cidr, Settings};
use crate::store::{Store, StoreError};

/// Makes MiroTalk's token for somebody who joins now.
pub type Mint = Arc<dyn Fn(Seat, Timestamp) -> Secret<String> + Send + Sync>;

/// What the server is made of; everything it says comes from here.
#[derive(Clone)]
pub struct App {
    /// What is wanted.
    pub store: Arc<Store>,
    /// Who may what.
    pub access: Arc<Access>,
    /// The settings in force.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// What is.
    pub status: watch::Receiver<Arc<Status>>,
    /// What people ask of the loop.
    pub commands: mpsc::Sender<Command>,
    /// Files, logs and figures of the stack.
    pub stack: Arc<dyn Stack>,
    /// Makes MiroTalk's tokens.
    pub mint: Mint,
    /// Unguessable last part of MiroTalk's webhook path.
    pub mirotalk_hook: Secret<String>,
    /// Makes backups.
    pub keeper: Arc<Keeper>,
    people: Arc<ArcSwap<HashMap<Id, String>>>,
    streams: Arc<events::Streams>,
    boards: Arc<board::Boards>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

/// The parts an [`App`] is made of.
pub struct Parts {
    /// See [`App`].
    pub store: Arc<Store>,
    /// See [`App`].
    pub access: Arc<Access>,
    /// See [`App`].
    pub settings: watch::Receiver<Arc<Settings>>,
    /// See [`App`].
    pub status: watch::Receiver<Arc<Status>>,
    /// See [`App`].
    pub commands: mpsc::Sender<Command>,
    /// See [`App`].
    pub stack: Arc<dyn Stack>,
    /// See [`App`].
    pub mint: Mint,
    /// See [`App`].
    pub mirotalk_hook: Secret<String>,
    /// See [`App`].
    pub keeper: Arc<Keeper>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

impl App {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Result<Self, StoreError> {
        let Parts {
            store,
            access,
            settings,
            status,
            commands,
            stack,
            mint,
            mirotalk_hook,
            keeper,
        } = parts;
        let app = Self {
            store,
            access,
            settings,
            status,
            commands,
            stack,
            mint,
            mirotalk_hook,
            keeper,
            people: Arc::default(),
            streams: Arc::default(),
            boards: Arc::default(),
        };
        app.people_changed()?;
        Ok(app)
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.borrow().clone()
    }

    /// What is.
    pub fn status(&self) -> Arc<Status> {
        self.status.borrow().clone()
    }

    /// Names of hosts, origins and cookies.
    pub fn names(&self) -> Names {
        let settings = self.settings();
        // Browsers take a `__Host-` cookie over HTTPS alone.
        let prefix = if settings.is_https() { "__Host-" } else { "" };
        Names {
            live: settings.hosts.live.clone(),
            admin: settings.hosts.admin.clone(),
            video: settings.hosts.video.clone(),
            video_origin: settings.origin(&settings.hosts.video),
            session_cookie: format!("{prefix}cs_session"),
            call_cookie: format!("{prefix}cs_call"),
        }
    }

    /// Whether MiroTalk runs and has proved to turn strangers away.
    pub fn call_is_safe(&self) -> bool {
        self.is_well(Role::Mirotalk)
    }

    /// Whether the last look found this service healthy.
    pub fn is_well(&self, role: Role) -> bool {
        self.status
            .borrow()
            .services
            .iter()
            .any(|service| service.role == role && service.health == "healthy")
    }

    /// Reads the names of admins again.
    fn people_changed(&self) -> Result<(), StoreError> {
        let people = self
            .store
            .admins()?
            .into_iter()
            .map(|admin| (admin.id, admin.name))
            .collect();
        self.people.store(Arc::new(people));
        Ok(())
    }

    /// How an admin is called.
    fn name_of(&self, id: &Id) -> Option<String> {
        self.people.load().get(id).cloned()
    }

    /// A `Set-Cookie` that scripts and other sites never see.
    fn set_cookie(&self, name: &str, value: &str, same_site: &str, seconds: i64) -> String {
        let secure = if self.settings().is_https() {
            "; Secure"
        } else {
            ""
        };
        format!("{name}={value}; Path=/; HttpOnly; SameSite={same_site}; Max-Age={seconds}{secure}")
    }
}

/// The public hosts: by name, whatever the port.
pub fn pages(app: App) -> Router {
    let (live, admin, video) = (
        live::router(app.clone()),
        admin::router(app.clone()),
        video::router(app.clone()),
    );
    Router::new()
        .fallback(move |State(app): State<App>, request: Request| {
            let (live, admin, video) = (live.clone(), admin.clone(), video.clone());
            async move {
                let settings = app.settings();
                let host = request
                    .headers()
                    .get(header::HOST)
                    .and_then(|host| host.to_str().ok())
                    .unwrap_or_default();
                let host = bare_host(request.uri().host().unwrap_or(host)).to_ascii_lowercase();
                let router = match host {
                    // Asked directly, by whoever looks after the container.
                    _ if request.uri().path() == "/livez" => return StatusCode::OK.into_response(),
                    host if host == settings.hosts.live => live,
                    host if host == settings.hosts.admin => admin,
                    host if host == settings.hosts.video => video,
                    _ => return assets::unknown_host(),
                };
                router
                    .oneshot(request)
                    .await
                    .unwrap_or_else(|never| match never {})
            }
        })
        .with_state(app)
}

/// Hooks, forward-auth, metrics: never routed by Traefik.
pub fn internal(app: App) -> Router {
    internal::router(app)
}

/// The admin API as the owner, for whoever may open the socket.
pub fn control(app: App) -> Router {
    admin::control(app)
}

/// The address of whoever asks, as Traefik tells it; nobody else reaches us.
fn client_address(settings: &Settings, request: &Request) -> String {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    address_of(request.headers(), peer, &settings.trusted_proxies)
}

/// PURE. Each proxy on the way appends whom it was asked by, so the last
/// address that is no trusted proxy's is true. What stands before it, or before
/// what nobody can read, is what the client says of itself.
fn address_of(
    headers: &HeaderMap,
    peer: Option<&ConnectInfo<SocketAddr>>,
    trusted: &[String],
) -> String {
    let is_proxy = |address: IpAddr| {
        let mut networks = trusted.iter().filter_map(|text| text.parse::<Cidr>().ok());
        networks.any(|network| network.contains(address.to_canonical()))
    };
    let way = headers
        .get_all("x-forwarded-for")
        .iter()
        .flat_map(|value| value.to_str().unwrap_or("?").split(','))
        .map(str::trim)
        .filter(|said| !said.is_empty());
    let mut nearest = peer.map(|ConnectInfo(peer)| peer.ip());
    for said in way.rev() {
        let Some(address) = read_address(said) else {
            break;
        };
        nearest = Some(address);
        if !is_proxy(address) {
            break;
        }
    }
    nearest.map_or_else(String::new, |address| address.to_string())
}

/// PURE. An address as proxies write it: with or without a port, in brackets or
/// not.
fn read_address(said: &str) -> Option<IpAddr> {
    let bare = said.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let with_port = || said.parse().ok().map(|it: SocketAddr| it.ip());
    bare.unwrap_or(said).parse().ok().or_else(with_port)
}

/// Whether a change comes from our own page at `origin`: what browsers say of
/// themselves, and no page can make them say otherwise.
fn is_same_site(method: &Method, headers: &HeaderMap, origin: &str) -> bool {
    if method.is_safe() {
        return true;
    }
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &header::HeaderValue| value.to_str().ok())
    };
    text("origin") == Some(origin)
        && text("sec-fetch-site").is_none_or(|site| site == "same-origin")
}

/// The answer of what is behind, which nobody keeps unless it says so itself.
async fn unkept(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response
        .headers_mut()
        .entry(header::CACHE_CONTROL)
        .or_insert(header::HeaderValue::from_static("no-store"));
    response
}

/// Bytes as the body of every call that takes one: read or refused.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_bodies(bytes: &[u8]) {
    fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) {
        if let Err(error) = serde_json::from_slice::<T>(bytes) {
            let named = problem::field_before(bytes, &error);
            assert!(named.is_none_or(|field| !field.is_empty() && field.len() <= 40));
        }
    }
    read::<views::NewRoom>(bytes);
    read::<views::RoomPatch>(bytes);
    read::<views::NewLink>(bytes);
    live::read_bodies(bytes);
    admin::read_bodies(bytes);
}

#[cfg(test)]
mod tests;
