//! Who administers, and what they may do.

use axum::http::{HeaderMap, header};
use jiff::{SignedDuration, Timestamp};

use super::super::App;
use super::super::problem::Problem;
use crate::access::{blocking, cookie, is_recent};
use crate::model::{Id, Room, Token};
use crate::store::{Admin, AdminRole, AdminSession, ApiToken, Scope};

/// A login ends after so long without use, and after so long in any case.
pub(super) const IDLE: SignedDuration = SignedDuration::from_hours(12);
pub(super) const OLDEST: SignedDuration = SignedDuration::from_hours(7 * 24);

/// So long a browser stays known in which somebody logged in.
pub(super) const KNOWN: SignedDuration = SignedDuration::from_hours(365 * 24);

/// A use is written down this often at most: it keeps a login from going idle.
const TOUCHED: SignedDuration = SignedDuration::from_mins(1);

/// What a route asks of who uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nobody,
    /// Anybody who is known.
    Any,
    /// A person, logged in.
    Person,
    /// To see rooms.
    RoomsRead,
    /// To change rooms.
    RoomsWrite,
    /// To see what only the room's own people may: its key.
    RoomsSecret,
    /// To see the stack.
    StackRead,
    /// To change what is done about it.
    StackWrite,
    /// Everything.
    Owner,
}

/// Who asks.
#[derive(Clone, Debug)]
pub enum Actor {
    /// Whoever may open the control socket.
    Control,
    /// A person, logged in.
    Person {
        /// Who.
        admin: Box<Admin>,
        /// With which login.
        session: Box<AdminSession>,
    },
    /// A program with an API token.
    Program {
        /// Which.
        token: Box<ApiToken>,
    },
}

impl Actor {
    /// Name of the cookie.
    pub(super) fn cookie_name(app: &App) -> &'static str {
        if app.settings().is_https() {
            "__Host-cs_admin"
        } else {
            "cs_admin"
        }
    }

    /// Name of the cookie of a browser in which somebody has logged in.
    pub(super) fn known_cookie_name(app: &App) -> &'static str {
        if app.settings().is_https() {
            "__Host-cs_known"
        } else {
            "cs_known"
        }
    }

    pub(super) async fn find(app: &App, headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let now = app.access.now();
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            let Some(token) = value
                .to_str()
                .ok()
                .and_then(|value| value.strip_prefix("Bearer "))
                .map(Token::given)
            else {
                return Err(Problem::log_in());
            };
            let store = app.store.clone();
            let token = blocking(move || store.api_token(token.digest(), now))
                .await?
                .ok_or_else(Problem::log_in)?;
            return Ok(Some(Actor::Program {
                token: Box::new(token),
            }));
        }
        Self::of_cookie(app, headers).await
    }

    /// Whose login the cookie is.
    pub(in crate::http) async fn of_cookie(
        app: &App,
        headers: &HeaderMap,
    ) -> Result<Option<Self>, Problem> {
        let now = app.access.now();
        let name = Self::cookie_name(app);
        let cookies = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let Some(token) = cookies
            .into_iter()
            .find_map(|cookies| cookie(cookies, name))
            .map(Token::given)
        else {
            return Ok(None);
        };
        let store = app.store.clone();
        let found = blocking(move || {
            let found = store
                .admin_session(token.digest())?
                .filter(|(session, _)| is_valid(session, now));
            if let Some((session, _)) = &found
                && !is_recent(session.last_seen, TOUCHED, now)
            {
                let (idle, oldest) = limits(now);
                store.touch_admin_session(&session.id, now, idle, oldest);
            }
            Ok(found)
        })
        .await?;
        Ok(found.map(|(session, admin)| Actor::Person {
            admin: Box::new(admin),
            session: Box::new(session),
        }))
    }

    /// Whether they may what a route asks.
    pub fn may(&self, needs: Needs) -> bool {
        match self {
            Actor::Control => true,
            Actor::Person { admin, .. } => match admin.role {
                AdminRole::Owner => true,
                AdminRole::Producer => !matches!(needs, Needs::StackWrite | Needs::Owner),
                AdminRole::Ops => matches!(
                    needs,
                    Needs::Nobody
                        | Needs::Any
                        | Needs::Person
                        | Needs::RoomsRead
                        | Needs::StackRead
                ),
            },
            Actor::Program { token } => {
                let has = |scope| token.scopes.contains(&scope);
                match needs {
                    Needs::Nobody => true,
                    Needs::Any => !token.scopes.is_empty(),
                    Needs::RoomsRead => has(Scope::RoomsRead) || has(Scope::RoomsWrite),
                    Needs::RoomsWrite | Needs::RoomsSecret => has(Scope::RoomsWrite),
                    Needs::StackRead => has(Scope::StackRead) || has(Scope::StackWrite),
                    Needs::StackWrite => has(Scope::StackWrite),
                    Needs::Person | Needs::Owner => false,
                }
            }
        }
    }

    /// Whether a room is theirs to see.
    pub fn sees(&self, room: &Room) -> bool {
        self.may(Needs::RoomsRead)
            && self
                .own_rooms_only()
                .is_none_or(|owner| room.owner == *owner)
    }

    /// The admin whose rooms alone they see.
    pub(super) fn own_rooms_only(&self) -> Option<&Id> {
        match self {
            Actor::Person { admin, .. } if admin.role == AdminRole::Producer => Some(&admin.id),
            _ => None,
        }
    }

    /// Whose a room is that they make.
    pub(super) fn owner_id(&self) -> Id {
        match self {
            Actor::Person { admin, .. } => admin.id.clone(),
            Actor::Control | Actor::Program { .. } => Id::kept("controller"),
        }
    }

    /// What their open pages are counted under; whoever may open the socket
    /// has as many as there are.
    pub(in super::super) fn login(&self) -> Option<&Id> {
        match self {
            Actor::Control => None,
            Actor::Person { session, .. } => Some(&session.id),
            Actor::Program { token } => Some(&token.id),
        }
    }

    /// How audit calls them.
    pub(super) fn name(&self) -> String {
        match self {
            Actor::Control => "command line".to_owned(),
            Actor::Person { admin, .. } => admin.name.clone(),
            Actor::Program { token } => format!("token {}", token.name),
        }
    }

    /// Whether they are still who they were: for streams that stay open.
    pub async fn still_holds(&mut self, app: &App) -> bool {
        let (store, now) = (app.store.clone(), app.access.now());
        match self {
            Actor::Control => true,
            Actor::Program { token } => {
                let id = token.id.clone();
                let tokens = blocking(move || store.api_tokens())
                    .await
                    .unwrap_or_default();
                tokens
                    .iter()
                    .any(|token| token.id == id && token.expires_at.is_none_or(|at| at > now))
            }
            Actor::Person { admin, session } => {
                let (id, own) = (admin.id.clone(), session.id.clone());
                let (_, oldest) = limits(now);
                let found = blocking(move || {
                    Ok((
                        store.admin(&id)?,
                        store.admin_sessions(&id, oldest, oldest)?,
                    ))
                })
                .await;
                match found {
                    Ok((fresh, sessions)) if sessions.iter().any(|session| session.id == own) => {
                        **admin = fresh;
                        true
                    }
                    _ => false,
                }
            }
        }
    }
}

/// The moments before which a login is idle, and too old.
pub(super) fn limits(now: Timestamp) -> (Timestamp, Timestamp) {
    (
        now.checked_sub(IDLE).unwrap_or(now),
        now.checked_sub(OLDEST).unwrap_or(now),
    )
}

fn is_valid(session: &AdminSession, now: Timestamp) -> bool {
    let (idle, oldest) = limits(now);
    session.last_seen > idle && session.created_at > oldest
}
