//! The live host: visitors.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};

use super::assets::{self, Page};
use super::problem::{Body, Invitation, Problem};
use super::views::{Visit, visit};
use super::{App, client_address, events, is_same_site, unkept};
use crate::access::{Entered, EntryError, cookie};
use crate::model::{Digest, Gate, Grant, Room, Secret, Token, escaped, one_line};

/// How long a visitor's cookie lasts.
const COOKIE_SECONDS: i64 = 60 * 24 * 3600;

/// Longest name of a person.
const NAME: usize = 60;

pub(super) fn router(app: App) -> Router {
    let api = Router::new()
        .route("/api/v1/session/link", post(enter_by_link))
        .route("/api/v1/session/passcode", post(enter_by_passcode))
        .route("/api/v1/session/{slug}", get(here).delete(leave))
        .route("/api/v1/session/{slug}/name", post(rename))
        .route("/api/v1/session/{slug}/call", post(call))
        .route("/api/v1/session/{slug}/events", get(follow))
        .route(
            "/api/{*rest}",
            axum::routing::any(|| async { Problem::not_found("call") }),
        )
        .layer(from_fn_with_state(app.clone(), own_page_alone));
    Router::new().merge(api).fallback(page).with_state(app)
}

/// Who asks: their address.
#[derive(Clone)]
struct Address(String);

async fn own_page_alone(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let settings = app.settings();
    if !is_same_site(
        request.method(),
        request.headers(),
        &settings.origin(&settings.hosts.live),
    ) {
        return Problem::cross_site().into_response();
    }
    let address = Address(client_address(&settings, &request));
    request.extensions_mut().insert(address);
    unkept(request, next).await
}

async fn page(State(app): State<App>, request: Request) -> Response {
    let name = request.uri().path().trim_matches('/');
    if let Some(slug) = app.access.index().redirect(name) {
        return (StatusCode::FOUND, [(header::LOCATION, format!("/{slug}"))]).into_response();
    }
    let page = if matches!(name, "left" | "ended") {
        Page::Left
    } else {
        Page::Live
    };
    assets::serve(&app, page, &request)
}

fn session(app: &App, headers: &HeaderMap) -> Option<Token> {
    let name = app.names().session_cookie;
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .find_map(|cookies| cookie(cookies, &name))
        .map(Token::given)
}

/// A browser in a room: the room may be shut, its place still holds.
pub(super) struct Here {
    pub(super) room: Arc<Room>,
    pub(super) session: Digest,
    pub(super) grant: Grant,
}

impl Here {
    fn find(app: &App, headers: &HeaderMap, slug: &str) -> Result<Self, Problem> {
        let session = session(app, headers)
            .ok_or_else(Problem::session_ended)?
            .digest();
        let index = app.access.index();
        let slug = index.redirect(slug).map_or(slug, |slug| slug.as_str());
        let room = index
            .room_by_slug(slug)
            .cloned()
            .ok_or_else(Problem::session_ended)?;
        let grant = index
            .place(session, &room.id, app.access.now())
            .cloned()
            .ok_or_else(Problem::session_ended)?;
        app.access.here(session, &grant);
        Ok(Self {
            room,
            session,
            grant,
        })
    }

    fn visit(&self, app: &App, address: &str) -> Json<Visit> {
        Json(visit(app, &self.room, self.session, &self.grant, address))
    }
}

fn entered(app: &App, entered: Entered, address: &str) -> Response {
    let Entered {
        room,
        grant,
        session,
        cookie,
    } = entered;
    let body = Json(visit(app, &room, session, &grant, address));
    match cookie {
        Some(token) => (
            [(
                header::SET_COOKIE,
                app.set_cookie(
                    &app.names().session_cookie,
                    token.expose(),
                    "Lax",
                    COOKIE_SECONDS,
                ),
            )],
            body,
        )
            .into_response(),
        None => body.into_response(),
    }
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ByLink {
    token: String,
    name: Option<String>,
}

async fn enter_by_link(
    State(app): State<App>,
    headers: HeaderMap,
    Extension(Address(address)): Extension<Address>,
    Body(asked): Body<ByLink>,
) -> Result<Response, Problem> {
    let name = asked
        .name
        .map(|name| one_line("name", &name, NAME))
        .transpose()?;
    let token = Token::given(asked.token);
    let digest = token.digest();
    match app
        .access
        .enter_by_link(token, session(&app, &headers), name, &address)
        .await
    {
        Ok(who) => Ok(entered(&app, who, &address)),
        Err(error) => Err(refused_link(&app, digest, error).await),
    }
}

/// A refusal that tells a person whom to ask. Only of a link that was really
/// made: its holder was told who invited them when it still opened. What the
/// room is called is told while the link holds; it may have changed since.
async fn refused_link(app: &App, link: Digest, error: EntryError) -> Problem {
    let (may_tell, holds) = match error {
        EntryError::LinkExpired | EntryError::LinkRevoked | EntryError::LinkUsedUp => (true, false),
        EntryError::RoomClosed | EntryError::RoomFull => (true, true),
        _ => (false, false),
    };
    let problem = Problem::from(error);
    if !may_tell {
        return problem;
    }
    let Some(room) = app.access.room_of_link(link).await else {
        return problem;
    };
    let invitation = Invitation {
        host: app.name_of(&room.owner),
        room: holds.then(|| room.title.clone()),
    };
    Problem {
        invitation: Some(Box::new(invitation)),
        ..problem
    }
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ByPasscode {
    slug: String,
    passcode: String,
    name: String,
}

async fn enter_by_passcode(
    State(app): State<App>,
    headers: HeaderMap,
    Extension(Address(address)): Extension<Address>,
    Body(asked): Body<ByPasscode>,
) -> Result<Response, Problem> {
    let name = one_line("name", &asked.name, NAME)?;
    // What a slug can never be need not be remembered as tried.
    let slug: String = asked.slug.trim().to_lowercase().chars().take(64).collect();
    let who = app
        .access
        .enter_by_passcode(
            &slug,
            Secret::new(asked.passcode),
            session(&app, &headers),
            name,
            &address,
        )
        .await?;
    Ok(entered(&app, who, &address))
}

async fn here(
    State(app): State<App>,
    headers: HeaderMap,
    Extension(Address(address)): Extension<Address>,
    Path(slug): Path<String>,
) -> Result<Json<Visit>, Problem> {
    Ok(Here::find(&app, &headers, &slug)?.visit(&app, &address))
}

async fn leave(
    State(app): State<App>,
    headers: HeaderMap,
    Path(slug): Path<String>,
) -> Result<StatusCode, Problem> {
    let here = Here::find(&app, &headers, &slug)?;
    app.access.leave(here.session, &here.grant).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Name {
    name: String,
}

async fn rename(
    State(app): State<App>,
    headers: HeaderMap,
    Extension(Address(address)): Extension<Address>,
    Path(slug): Path<String>,
    Body(asked): Body<Name>,
) -> Result<Json<Visit>, Problem> {
    let mut here = Here::find(&app, &headers, &slug)?;
    let name = one_line("name", &asked.name, NAME)?;
    here.grant = app.access.rename(here.session, &here.grant, name).await?;
    Ok(here.visit(&app, &address))
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct CallUrl {
    /// On the call's host; good once, for a minute.
    url: String,
}

async fn call(
    State(app): State<App>,
    headers: HeaderMap,
    Path(slug): Path<String>,
) -> Result<Json<CallUrl>, Problem> {
    let here = Here::find(&app, &headers, &slug)?;
    if here.room.gate(app.access.now()) != Gate::Open {
        return Err(EntryError::RoomClosed.into());
    }
    if !app.call_is_safe() {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "call-unavailable",
            "The call is not ready yet",
            "It is starting; try again in a moment.",
        ));
    }
    let settings = app.settings();
    let token = (app.mint)(here.grant.seat, app.access.now());
    // The page after the exchange; it never leaves this process but as the
    // answer to the code.
    let url = format!(
        "/join?room={}&name={}&avatar=0&audio=1&video=1&screen=0&chat=0&hide=0&notify=0&duration=unlimited&roomPassword=0&token={}",
        here.room.stream,
        escaped(&app.access.call_name(&here.room.stream, &here.grant)),
        escaped(token.expose()),
    );
    let code = app
        .access
        .call_code(here.session, &here.grant.id, Secret::new(url));
    Ok(Json(CallUrl {
        url: format!(
            "{}/cs/enter?code={}",
            settings.origin(&settings.hosts.video),
            code.expose()
        ),
    }))
}

async fn follow(
    State(app): State<App>,
    headers: HeaderMap,
    Extension(Address(address)): Extension<Address>,
    Path(slug): Path<String>,
) -> Result<Response, Problem> {
    let here = Here::find(&app, &headers, &slug)?;
    events::visitor(app, here, address)
}

/// See [`super::read_bodies`].
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn read_bodies(bytes: &[u8]) {
    let _whatever = (
        serde_json::from_slice::<ByLink>(bytes).is_ok(),
        serde_json::from_slice::<ByPasscode>(bytes).is_ok(),
        serde_json::from_slice::<Name>(bytes).is_ok(),
    );
}
