//! The admin host: one table of routes, each with who may use it. The router,
//! the guard, the OpenAPI document and the tests are made from that table.

pub(super) mod actor;
mod backups;
mod people;
mod rooms;
mod stack;

use axum::extract::{Request, State};
use axum::http::{Method, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, patch, post};
use axum::{Extension, Router};

pub use actor::{Actor, Needs};

use super::assets::{self, Page};
use super::openapi::{Schema, none, of};
use super::problem::Problem;
use super::{App, client_address, is_same_site, unkept};
use crate::store::NewAudit;

/// A route of the admin API.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) needs: Needs,
    pub(super) summary: &'static str,
    pub(super) body: Schema,
    pub(super) status: u16,
    pub(super) answer: Schema,
    handler: MethodRouter<App>,
}

/// Every route of the admin API.
#[rustfmt::skip]
pub(super) fn routes() -> Vec<Route> {
    use super::views as v;
    use Needs::{Any, Nobody, Owner, Person, RoomsRead, RoomsSecret, RoomsWrite, StackRead, StackWrite};
    let route = |method, path, needs, summary, body, status, answer, handler| Route { method, path, needs, summary, body, status, answer, handler };
    let (g, p, c, d) = (Method::GET, Method::POST, Method::PATCH, Method::DELETE);
    vec![
        // Set-up and login.
        route(g.clone(), "/api/v1/setup", Nobody, "Whether set-up is needed", none, 200, of::<people::SetupNeeded>, get(people::setup_needed)),
        route(p.clone(), "/api/v1/setup", Nobody, "Make the first owner", of::<people::Setup>, 204, none, post(people::setup)),
        route(p.clone(), "/api/v1/login", Nobody, "Log in", of::<people::Login>, 204, none, post(people::login)),
        route(p.clone(), "/api/v1/logout", Person, "Log out", none, 204, none, post(people::logout)),
        route(g.clone(), "/api/v1/openapi.json", Nobody, "This document", none, 200, none, get(openapi)),
        // Myself.
        route(g.clone(), "/api/v1/me", Any, "Who is logged in", none, 200, of::<v::MeView>, get(people::me)),
        route(p.clone(), "/api/v1/me/password", Person, "Change my password", of::<people::NewPassword>, 204, none, post(people::change_password)),
        route(g.clone(), "/api/v1/me/sessions", Person, "Where I am logged in", none, 200, of::<v::SessionList>, get(people::sessions)),
        route(d.clone(), "/api/v1/me/sessions/{id}", Person, "End one of my logins", none, 204, none, delete(people::end_session)),
        // People and programs.
        route(g.clone(), "/api/v1/admins", Owner, "Everybody who administers", none, 200, of::<v::AdminList>, get(people::admins)),
        route(p.clone(), "/api/v1/admins", Owner, "Add somebody", of::<people::NewAdmin>, 201, of::<v::AdminView>, post(people::add_admin)),
        route(c.clone(), "/api/v1/admins/{id}", Owner, "Change somebody", of::<people::AdminPatch>, 200, of::<v::AdminView>, patch(people::change_admin)),
        route(d.clone(), "/api/v1/admins/{id}", Owner, "Remove somebody", none, 204, none, delete(people::remove_admin)),
        route(g.clone(), "/api/v1/tokens", Owner, "API tokens", none, 200, of::<v::TokenList>, get(people::tokens)),
        route(p.clone(), "/api/v1/tokens", Owner, "Make an API token", of::<people::NewToken>, 201, of::<v::CreatedToken>, post(people::add_token)),
        route(d.clone(), "/api/v1/tokens/{id}", Owner, "Remove an API token", none, 204, none, delete(people::remove_token)),
        route(g.clone(), "/api/v1/audit", Owner, "What people did", none, 200, of::<v::ActivityPage>, get(people::activity)),
        // Rooms.
        route(g.clone(), "/api/v1/rooms", RoomsRead, "Rooms", none, 200, of::<v::RoomPage>, get(rooms::list)),
        route(p.clone(), "/api/v1/rooms", RoomsWrite, "Make a room", of::<v::NewRoom>, 201, of::<v::CreatedRoom>, post(rooms::create)),
        route(g.clone(), "/api/v1/rooms/{id}", RoomsRead, "A room", none, 200, of::<v::RoomView>, get(rooms::show)),
        route(c.clone(), "/api/v1/rooms/{id}", RoomsWrite, "Change a room", of::<v::RoomPatch>, 200, of::<v::RoomView>, patch(rooms::change)),
        route(d.clone(), "/api/v1/rooms/{id}", RoomsWrite, "Archive a room, or delete an archived one for good", none, 204, none, delete(rooms::remove)),
        route(p.clone(), "/api/v1/rooms/{id}/open", RoomsWrite, "Open a room", none, 200, of::<v::RoomView>, post(rooms::open)),
        route(p.clone(), "/api/v1/rooms/{id}/close", RoomsWrite, "Close a room", none, 200, of::<v::RoomView>, post(rooms::close)),
        route(p.clone(), "/api/v1/rooms/{id}/restore", RoomsWrite, "Take a room out of the archive, closed", none, 200, of::<v::RoomView>, post(rooms::restore)),
        route(p.clone(), "/api/v1/rooms/{id}/duplicate", RoomsWrite, "Make another room like it", none, 201, of::<v::RoomView>, post(rooms::duplicate)),
        route(p.clone(), "/api/v1/rooms/{id}/rotate-key", RoomsWrite, "Give the encoder a new key", none, 200, of::<v::RoomView>, post(rooms::rotate_key)),
        route(p.clone(), "/api/v1/rooms/{id}/rotate-stream", RoomsWrite, "Put everybody out for good", none, 200, of::<v::RoomView>, post(rooms::rotate_stream)),
        route(g.clone(), "/api/v1/rooms/{id}/impact", RoomsRead, "Whom an action interrupts", none, 200, of::<v::Impact>, get(rooms::impact)),
        route(g.clone(), "/api/v1/rooms/{id}/ingest", RoomsSecret, "Key and addresses for the encoder", none, 200, of::<v::Ingest>, get(rooms::ingest)),
        route(g.clone(), "/api/v1/rooms/{id}/obs", RoomsSecret, "A profile for OBS", none, 200, none, get(rooms::obs)),
        route(g.clone(), "/api/v1/rooms/{id}/links", RoomsRead, "Links of a room", none, 200, of::<v::LinkList>, get(rooms::links)),
        route(p.clone(), "/api/v1/rooms/{id}/links", RoomsWrite, "Make a link", of::<v::NewLink>, 201, of::<v::CreatedLink>, post(rooms::add_link)),
        route(d.clone(), "/api/v1/rooms/{id}/links/{link}", RoomsWrite, "Revoke a link", none, 204, none, delete(rooms::revoke_link)),
        route(g.clone(), "/api/v1/rooms/{id}/activity", RoomsRead, "What happened in a room", none, 200, of::<v::ActivityPage>, get(rooms::activity)),
        route(p.clone(), "/api/v1/rooms/{id}/preview", RoomsWrite, "Addresses for the portal's own player", none, 200, of::<v::Playback>, post(rooms::preview)),
        route(g.clone(), "/api/v1/slug", RoomsRead, "A name made of a title", none, 200, of::<rooms::Suggestion>, get(rooms::suggest)),
        route(g.clone(), "/api/v1/profiles", RoomsRead, "Quality profiles a room may have", none, 200, of::<v::ProfileList>, get(rooms::quality)),
        route(g.clone(), "/api/v1/slug/{slug}", RoomsRead, "Whether a name is free", none, 200, of::<rooms::SlugCheck>, get(rooms::check_slug)),
        // The stack.
        route(g.clone(), "/api/v1/events", Any, "What changes, as it does", none, 200, none, get(stack::events)),
        route(g.clone(), "/api/v1/status", Any, "The stack", none, 200, of::<crate::reconcile::Status>, get(stack::status)),
        route(g.clone(), "/api/v1/plan", StackRead, "What will be done", none, 200, of::<v::PlanView>, get(stack::plan)),
        route(g.clone(), "/api/v1/journal", StackRead, "What was done", none, 200, of::<v::JournalPage>, get(stack::journal)),
        route(p.clone(), "/api/v1/apply", StackWrite, "Look again, or apply now", of::<stack::Apply>, 202, none, post(stack::apply)),
        route(p.clone(), "/api/v1/mode", StackWrite, "Heal, report or pause", of::<stack::NewMode>, 202, none, post(stack::mode)),
        route(g.clone(), "/api/v1/files", StackRead, "Rendered files against disk", none, 200, of::<v::FileList>, get(stack::files)),
        route(g.clone(), "/api/v1/files/{*path}", StackRead, "One rendered file, with its diff", none, 200, of::<v::FileView>, get(stack::file)),
        route(g.clone(), "/api/v1/services/{role}/logs", StackRead, "What a container says", none, 200, of::<v::LogList>, get(stack::logs)),
        route(g.clone(), "/api/v1/backups", Owner, "Backups", none, 200, of::<backups::BackupList>, get(backups::list)),
        route(p, "/api/v1/backups", Owner, "Make a backup now", of::<backups::NewBackup>, 201, of::<crate::backup::BackupFile>, post(backups::make)),
        route(g, "/api/v1/series", StackRead, "The last hour in figures", none, 200, of::<v::Series>, get(stack::series)),
    ]
}

/// The admin API and its pages.
pub(super) fn router(app: App) -> Router {
    api(&app, Way::Browser).fallback(page).with_state(app)
}

/// The admin API as the owner.
pub(super) fn control(app: App) -> Router {
    api(&app, Way::Socket)
        // Here alone: who may open the socket may do everything anyway.
        .route("/api/v1/setup-link", post(people::setup_link))
        .fallback(|| async { Problem::not_found("call") })
        .with_state(app)
}

/// How somebody came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Over the public host.
    Browser,
    /// Over the control socket.
    Socket,
}

fn api(app: &App, way: Way) -> Router<App> {
    let router = routes().into_iter().fold(Router::new(), |router, route| {
        let guard = from_fn_with_state((app.clone(), route.needs, way), guard);
        router.route(route.path, route.handler.layer(guard))
    });
    router.route(
        "/api/{*rest}",
        axum::routing::any(|| async { Problem::not_found("call") }),
    )
}

/// Where a request came from, for audit and limits.
#[derive(Clone, Debug)]
pub(super) struct CameFrom(pub(super) String);

/// Nothing behind it is reached by who may not.
async fn guard(
    State((app, needs, way)): State<(App, Needs, Way)>,
    mut request: Request,
    next: Next,
) -> Response {
    let address = if way == Way::Socket {
        String::new()
    } else {
        client_address(&app.settings(), &request)
    };
    let actor = match way {
        Way::Socket => Some(Actor::Control),
        Way::Browser => match Actor::find(&app, request.headers()).await {
            Ok(actor) => actor,
            Err(problem) => return problem.into_response(),
        },
    };
    // A program proves itself by its token, which no browser sends by itself.
    let settings = app.settings();
    let is_browser = way == Way::Browser && !matches!(actor, Some(Actor::Program { .. }));
    if is_browser
        && !is_same_site(
            request.method(),
            request.headers(),
            &settings.origin(&settings.hosts.admin),
        )
    {
        return Problem::cross_site().into_response();
    }
    match (&actor, needs) {
        (_, Needs::Nobody) => {}
        (None, _) => return Problem::log_in().into_response(),
        (Some(actor), needs) if !actor.may(needs) => return Problem::forbidden().into_response(),
        _ => {}
    }
    if let Some(actor) = actor {
        request.extensions_mut().insert(actor);
    }
    request.extensions_mut().insert(CameFrom(address));
    unkept(request, next).await
}

async fn page(State(app): State<App>, request: Request) -> Response {
    assets::serve(&app, Page::Admin, &request)
}

async fn openapi() -> Response {
    (
        [(header::CONTENT_TYPE, "application/json")],
        super::openapi::document(),
    )
        .into_response()
}

/// Writes down what somebody did; that it could not be is in the log.
async fn audit(app: &App, actor: &Actor, from: &CameFrom, entry: NewAudit) {
    let entry = NewAudit {
        who: actor.name(),
        address: from.0.clone(),
        ..entry
    };
    let (store, now) = (app.store.clone(), app.access.now());
    if let Err(error) = crate::access::blocking(move || store.audit(&entry, now)).await {
        tracing::error!(%error, "what was done could not be written down");
    }
}

type Who = Extension<Actor>;
type Where = Extension<CameFrom>;

/// See [`super::read_bodies`].
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn read_bodies(bytes: &[u8]) {
    let _whatever = (
        serde_json::from_slice::<people::Setup>(bytes).is_ok(),
        serde_json::from_slice::<people::Login>(bytes).is_ok(),
        serde_json::from_slice::<people::NewPassword>(bytes).is_ok(),
        serde_json::from_slice::<people::NewAdmin>(bytes).is_ok(),
        serde_json::from_slice::<people::AdminPatch>(bytes).is_ok(),
        serde_json::from_slice::<people::NewToken>(bytes).is_ok(),
        serde_json::from_slice::<stack::Apply>(bytes).is_ok(),
        serde_json::from_slice::<stack::NewMode>(bytes).is_ok(),
    );
}
