//! Set-up, logins, admins, API tokens, audit.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::App;
use super::super::problem::{Body, Problem};
use super::super::views::{
    ActivityPage, AdminList, AdminView, CreatedToken, MeView, SessionList, SessionView, TokenList,
    TokenView,
};
use super::actor::{KNOWN, OLDEST, limits};
use super::rooms::{Paging, if_match, limit};
use super::{Actor, CameFrom, Where, Who, audit};
use crate::access::{ACCOUNT, Asker, LOGIN, Limit, blocking, cookie, network_of, random, unfit};
use crate::model::{Id, Secret, Token, Wrong, one_line};
use crate::store::{Admin, AdminRole, AdminSession, ApiToken, NewAudit, Scope, StoreError};

#[derive(Serialize, ToSchema)]
pub struct SetupNeeded {
    /// Whether nobody administers yet.
    needed: bool,
}

pub async fn setup_needed(State(app): State<App>) -> Result<Json<SetupNeeded>, Problem> {
    let store = app.store.clone();
    Ok(Json(SetupNeeded {
        needed: blocking(move || store.needs_setup()).await?,
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// From the address printed at the first start.
    token: String,
    name: String,
    password: String,
}

pub async fn setup(
    State(app): State<App>,
    Extension(from): Where,
    headers: HeaderMap,
    Body(asked): Body<Setup>,
) -> Result<Response, Problem> {
    app.access
        .limit(&format!("setup {}", network_of(&from.0)), LOGIN)
        .map_err(Problem::too_many)?;
    if !app.access.is_setup_token(&Token::given(asked.token)) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "setup-refused",
            "This set-up link does not work",
            "Use the link that was printed last; `colourstream admin setup-link` prints another.",
        ));
    }
    let admin = new_admin(&app, &asked.name, AdminRole::Owner, asked.password).await?;
    let (store, kept) = (app.store.clone(), admin.clone());
    blocking(move || store.insert_admin(&kept, true)).await?;
    app.access.setup_done();
    app.people_changed()?;
    log_in(&app, admin, &from, &headers, "set-up").await
}

/// A set-up link, for whoever may open the control socket.
#[derive(Serialize)]
pub struct SetupLink {
    url: String,
}

pub async fn setup_link(State(app): State<App>) -> Result<Json<SetupLink>, Problem> {
    let access = app.access.clone();
    let token = blocking(move || access.setup_token()).await?;
    let token = token.ok_or_else(|| {
        Problem::new(
            StatusCode::CONFLICT,
            "refused",
            "Set-up is done already",
            "Log in; or add somebody with `colourstream admin add NAME`.",
        )
    })?;
    let settings = app.settings();
    let origin = settings.origin(&settings.hosts.admin);
    Ok(Json(SetupLink {
        url: format!("{origin}/setup#{}", token.expose()),
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    name: String,
    password: String,
}

pub async fn login(
    State(app): State<App>,
    Extension(from): Where,
    headers: HeaderMap,
    Body(asked): Body<Login>,
) -> Result<Response, Problem> {
    let network = format!("login {}", network_of(&from.0));
    app.access
        .limit(&network, LOGIN)
        .map_err(Problem::too_many)?;
    let (store, name) = (app.store.clone(), asked.name.trim().to_owned());
    let admin = blocking(move || store.admin_by_name(&name)).await?;
    let (account, most) = turn(&app, &headers, admin.as_ref(), &asked.name);
    app.access
        .limit(&account, most)
        .map_err(Problem::too_many)?;
    // As long for a name nobody has.
    let right = app
        .access
        .passwords
        .verify(
            Asker::Portal,
            Secret::new(asked.password),
            admin.as_ref().map(|admin| admin.password.clone()),
        )
        .await
        .map_err(Problem::too_many)?;
    let Some(admin) = admin.filter(|_| right) else {
        app.access.metrics.count("login", "refused");
        tracing::warn!(from = from.0, "login refused");
        return Err(login_wrong());
    };
    app.access.metrics.count("login", "done");
    app.access.limit_clear(&network);
    app.access.limit_clear(&account);
    log_in(&app, admin, &from, &headers, "logged-in").await
}

fn login_wrong() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "login-wrong",
        "Name or password are not right",
        "Check both and try again.",
    )
}

/// Under what a login is counted, whatever network it comes from: the account,
/// so that it cannot be guessed at from everywhere; or the browser, where they
/// logged in before, so that guesses of others do not keep them out.
fn turn(app: &App, headers: &HeaderMap, admin: Option<&Admin>, name: &str) -> (String, Limit) {
    let known = admin.and_then(|admin| {
        let cookies = headers.get_all(header::COOKIE).iter();
        let mut held =
            cookies.filter_map(|value| cookie(value.to_str().ok()?, Actor::known_cookie_name(app)));
        held.find_map(|value| app.access.tickets().known_as(value, &admin.id))
    });
    match known {
        Some(browser) => (format!("browser {browser}"), LOGIN),
        None => {
            let name = name.trim().to_lowercase();
            let name: String = name.chars().take(64).collect();
            (format!("account {name}"), ACCOUNT)
        }
    }
}

async fn log_in(
    app: &App,
    admin: Admin,
    from: &CameFrom,
    headers: &HeaderMap,
    what: &'static str,
) -> Result<Response, Problem> {
    let (token, now) = (Token::new(&random()), app.access.now());
    let agent = headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let session = AdminSession {
        id: Id::new(&random()),
        admin: admin.id.clone(),
        created_at: now,
        last_seen: now,
        address: from.0.clone(),
        agent: agent.chars().take(200).collect(),
    };
    let (store, kept, digest) = (app.store.clone(), session.clone(), token.digest());
    let password = admin.password.clone();
    blocking(move || store.insert_admin_session(&kept, digest, &password))
        .await
        .map_err(|error| match error {
            // It was changed while it was checked.
            StoreError::Changed => login_wrong(),
            error => error.into(),
        })?;
    let known = app
        .access
        .tickets()
        .known(&admin.id, &Token::new(&random()));
    let actor = Actor::Person {
        admin: Box::new(admin),
        session: Box::new(session),
    };
    audit(
        app,
        &actor,
        from,
        NewAudit {
            what,
            ..NewAudit::default()
        },
    )
    .await;
    let login = app.set_cookie(
        Actor::cookie_name(app),
        token.expose(),
        "Strict",
        OLDEST.as_secs(),
    );
    let known = app.set_cookie(
        Actor::known_cookie_name(app),
        &known,
        "Strict",
        KNOWN.as_secs(),
    );
    let cookies = AppendHeaders([login, known].map(|cookie| (header::SET_COOKIE, cookie)));
    Ok((StatusCode::NO_CONTENT, cookies).into_response())
}

pub async fn logout(State(app): State<App>, Extension(actor): Who) -> Result<Response, Problem> {
    if let Actor::Person { admin, session } = actor {
        let store = app.store.clone();
        blocking(move || store.delete_admin_session(&admin.id, &session.id)).await?;
    }
    let cookie = app.set_cookie(Actor::cookie_name(&app), "", "Strict", 0);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

pub async fn me(Extension(actor): Who) -> Json<MeView> {
    Json(match &actor {
        Actor::Person { admin, .. } => MeView {
            id: admin.id.clone(),
            name: admin.name.clone(),
            role: admin.role,
        },
        Actor::Control => MeView {
            id: actor.owner_id(),
            name: actor.name(),
            role: AdminRole::Owner,
        },
        Actor::Program { token } => MeView {
            id: token.id.clone(),
            name: token.name.clone(),
            role: AdminRole::Ops,
        },
    })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    current: String,
    new: String,
}

pub async fn change_password(
    State(app): State<App>,
    Extension(actor): Who,
    Extension(from): Where,
    Body(asked): Body<NewPassword>,
) -> Result<StatusCode, Problem> {
    let Actor::Person { admin, session } = &actor else {
        return Err(Problem::forbidden());
    };
    app.access
        .limit(&format!("password {}", admin.id), LOGIN)
        .map_err(Problem::too_many)?;
    let (current, kept) = (Secret::new(asked.current), admin.password.clone());
    let right = app
        .access
        .passwords
        .verify(Asker::Portal, current, Some(kept))
        .await
        .map_err(Problem::too_many)?;
    if !right {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "login-wrong",
            "The current password is not right",
            "Check it and try again.",
        ));
    }
    let password = hash(&app, "new", asked.new).await?;
    let (store, id, keep) = (app.store.clone(), admin.id.clone(), session.id.clone());
    let checked = admin.password.clone();
    blocking(move || {
        store.change_admin(&id, None, Some(&keep), |admin| {
            if admin.password != checked {
                return Err(StoreError::Changed);
            }
            admin.password = password;
            Ok(())
        })
    })
    .await?;
    audit(
        &app,
        &actor,
        &from,
        NewAudit {
            what: "password-changed",
            ..NewAudit::default()
        },
    )
    .await;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn sessions(
    State(app): State<App>,
    Extension(actor): Who,
) -> Result<Json<SessionList>, Problem> {
    let Actor::Person {
        admin,
        session: own,
    } = actor
    else {
        return Ok(Json(SessionList { items: Vec::new() }));
    };
    let (store, (idle, oldest)) = (app.store.clone(), limits(app.access.now()));
    let sessions = blocking(move || store.admin_sessions(&admin.id, idle, oldest)).await?;
    let items = sessions.into_iter().map(|session| {
        let ends = session
            .created_at
            .checked_add(OLDEST)
            .unwrap_or(session.created_at);
        let current = session.id == own.id;
        SessionView::new(session, ends, current)
    });
    Ok(Json(SessionList {
        items: items.collect(),
    }))
}

pub async fn end_session(
    State(app): State<App>,
    Extension(actor): Who,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let Actor::Person { admin, .. } = actor else {
        return Err(Problem::not_found("session"));
    };
    let store = app.store.clone();
    blocking(move || store.delete_admin_session(&admin.id, &Id::kept(id))).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn admins(State(app): State<App>) -> Result<Json<AdminList>, Problem> {
    let store = app.store.clone();
    let admins = blocking(move || store.admins()).await?;
    Ok(Json(AdminList {
        items: admins.into_iter().map(AdminView::from).collect(),
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAdmin {
    name: String,
    role: AdminRole,
    password: String,
}

pub async fn add_admin(
    State(app): State<App>,
    Extension(actor): Who,
    Extension(from): Where,
    Body(asked): Body<NewAdmin>,
) -> Result<(StatusCode, Json<AdminView>), Problem> {
    let admin = new_admin(&app, &asked.name, asked.role, asked.password).await?;
    let (store, kept) = (app.store.clone(), admin.clone());
    blocking(move || store.insert_admin(&kept, false)).await?;
    app.people_changed()?;
    audit(
        &app,
        &actor,
        &from,
        NewAudit {
            what: "admin-added",
            detail: format!("{} as {}", admin.name, admin.role.as_str()),
            ..NewAudit::default()
        },
    )
    .await;
    Ok((StatusCode::CREATED, Json(admin.into())))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminPatch {
    name: Option<String>,
    role: Option<AdminRole>,
    password: Option<String>,
}

pub async fn change_admin(
    State(app): State<App>,
    Extension(actor): Who,
    Extension(from): Where,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(asked): Body<AdminPatch>,
) -> Result<Json<AdminView>, Problem> {
    let version = if_match(&headers)?;
    let name = asked
        .name
        .map(|name| one_line("name", &name, 60))
        .transpose()?;
    let password = match asked.password {
        Some(password) => Some(hash(&app, "password", password).await?),
        None => None,
    };
    let store = app.store.clone();
    let admin = blocking(move || {
        store.change_admin(&Id::kept(id), version, None, |admin| {
            admin.name = name.unwrap_or_else(|| admin.name.clone());
            admin.role = asked.role.unwrap_or(admin.role);
            admin.password = password.unwrap_or_else(|| admin.password.clone());
            Ok(())
        })
    })
    .await?;
    app.people_changed()?;
    audit(
        &app,
        &actor,
        &from,
        NewAudit {
            what: "admin-changed",
            detail: format!("{} is {}", admin.name, admin.role.as_str()),
            ..NewAudit::default()
        },
    )
    .await;
    Ok(Json(admin.into()))
}

pub async fn remove_admin(
    State(app): State<App>,
    Extension(actor): Who,
    Extension(from): Where,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let (store, version) = (app.store.clone(), if_match(&headers)?);
    let gone = blocking(move || store.delete_admin(&Id::kept(id), version)).await?;
    app.people_changed()?;
    audit(
        &app,
        &actor,
        &from,
        NewAudit {
            what: "admin-removed",
            detail: gone.name,
            ..NewAudit::default()
        },
    )
    .await;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn tokens(State(app): State<App>) -> Result<Json<TokenList>, Problem> {
    let store = app.store.clone();
    let tokens = blocking(move || store.api_tokens()).await?;
    Ok(Json(TokenList {
        items: tokens.into_iter().map(TokenView::from).collect(),
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    name: String,
    scopes: Vec<Scope>,
    expires_at: Option<Timestamp>,
}

pub async fn add_token(
    State(app): State<App>,
    Extension(actor): Who,
    Extension(from): Where,
    Body(asked): Body<NewToken>,
) -> Result<(StatusCode, Json<CreatedToken>), Problem> {
    let mut scopes = asked.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    if scopes.is_empty() {
        return Err(Wrong::new("scopes", "choose at least one").into());
    }
    let (secret, now) = (Token::new(&random()), app.access.now());
    let token = ApiToken {
        id: Id::new(&random()),
        name: one_line("name", &asked.name, 60)?,
        scopes,
        created_at: now,
        expires_at: asked.expires_at,
        last_used: None,
    };
    let (store, kept, digest) = (app.store.clone(), token.clone(), secret.digest());
    blocking(move || store.insert_api_token(&kept, digest)).await?;
    audit(
        &app,
        &actor,
        &from,
        NewAudit {
            what: "token-made",
            detail: token.name.clone(),
            ..NewAudit::default()
        },
    )
    .await;
    Ok((
        StatusCode::CREATED,
        Json(CreatedToken {
            token: token.into(),
            secret: secret.expose().to_owned(),
        }),
    ))
}

pub async fn remove_token(
    State(app): State<App>,
    Extension(actor): Who,
    Extension(from): Where,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let (store, gone) = (app.store.clone(), id.clone());
    blocking(move || store.delete_api_token(&Id::kept(gone))).await?;
    audit(
        &app,
        &actor,
        &from,
        NewAudit {
            what: "token-removed",
            detail: id,
            ..NewAudit::default()
        },
    )
    .await;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn audit_page(
    app: &App,
    room: Option<Id>,
    paging: &Paging,
) -> Result<ActivityPage, Problem> {
    let (store, before) = (app.store.clone(), paging.before);
    let limit = limit(paging.limit, 50);
    let entries = blocking(move || store.audit_page(room.as_ref(), before, limit)).await?;
    let full = entries.len() == usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(ActivityPage {
        next: entries.last().filter(|_| full).map(|entry| entry.id),
        items: entries.into_iter().map(Into::into).collect(),
    })
}

pub async fn activity(
    State(app): State<App>,
    Query(paging): Query<Paging>,
) -> Result<Json<ActivityPage>, Problem> {
    Ok(Json(audit_page(&app, None, &paging).await?))
}

async fn new_admin(
    app: &App,
    name: &str,
    role: AdminRole,
    password: String,
) -> Result<Admin, Problem> {
    let name = one_line("name", name, 60)?;
    let password = hash(app, "password", password).await?;
    Ok(Admin {
        id: Id::new(&random()),
        name,
        role,
        password,
        version: 1,
        created_at: app.access.now(),
    })
}

/// What is wrong with it is told of `field`, as whoever asked calls it.
async fn hash(app: &App, field: &'static str, password: String) -> Result<String, Problem> {
    if let Some(wrong) = unfit(&password) {
        return Err(Wrong::new(field, wrong).into());
    }
    let hashed = app.access.passwords.hash(Secret::new(password)).await;
    hashed.ok_or_else(Problem::failed)
}
