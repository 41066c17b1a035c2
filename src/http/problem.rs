//! Refusals: `application/problem+json`, told once.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::access::EntryError;
use crate::model::Wrong;
use crate::store::StoreError;

/// The most a request's body may hold.
pub const BODY_LIMIT: usize = 64 * 1024;

/// How long it may take to come.
const BODY_TIME: Duration = Duration::from_secs(20);

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// A short kebab-case word.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// A sentence for a person.
    pub title: String,
    /// What to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The HTTP status.
    pub status: u16,
    /// Which field is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
    /// Seconds to wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<i64>,
    /// What the link that is refused may tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invitation: Option<Box<Invitation>>,
}

/// Who invited, and to what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Invitation {
    /// Who invited.
    pub host: Option<String>,
    /// To which room, while the link holds.
    pub room: Option<String>,
}

impl Problem {
    /// A refusal with its word, its sentence and its way out.
    pub fn new(
        status: StatusCode,
        kind: &'static str,
        title: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            title: title.into(),
            detail: detail.into(),
            status: status.as_u16(),
            field: None,
            retry_after: None,
            invitation: None,
        }
    }

    /// Nothing is here.
    pub fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            format!("There is no such {what}"),
            "It may have been deleted; go back to the list.",
        )
    }

    /// Somebody has to log in.
    pub fn log_in() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "not-logged-in",
            "You are not logged in",
            "Log in and try again.",
        )
    }

    /// Somebody may not do this.
    pub fn forbidden() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "not-allowed",
            "Your role does not allow this",
            "Ask an owner.",
        )
    }

    /// Another site sent the request.
    pub fn cross_site() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "cross-site",
            "This did not come from our own page",
            "Open the page itself and try again.",
        )
    }

    /// The place in a room has ended, or never was.
    pub fn session_ended() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "session-ended",
            "You are not in this room",
            "Open your link again, or ask for a new one.",
        )
    }

    /// Tried too often.
    pub fn too_many(wait: jiff::SignedDuration) -> Self {
        Self {
            retry_after: Some(wait.as_secs().max(1)),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-tries",
                "Too many tries",
                "Wait a little and try again.",
            )
        }
    }

    /// As many pages are open as may be.
    pub fn too_many_streams(whose: &str) -> Self {
        Self {
            retry_after: Some(5),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-streams",
                format!("Too many pages are open {whose}"),
                "Close some of them; this page tries again by itself.",
            )
        }
    }

    /// Something of ours failed; the cause is in the log.
    pub fn failed() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "failed",
            "That did not work",
            "Try again; the log of the controller says why.",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = retry {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing(what) => Self::not_found(what),
            StoreError::Changed => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "changed-meanwhile",
                "Somebody changed this meanwhile",
                "Look at it again, then repeat your change.",
            ),
            StoreError::Taken(field) => Self {
                field: Some(field),
                ..Self::new(
                    StatusCode::CONFLICT,
                    "taken",
                    "That name is taken",
                    "Choose another one.",
                )
            },
            StoreError::Refused(why) => Self::new(
                StatusCode::CONFLICT,
                "refused",
                "That cannot be done now",
                why,
            ),
            error if error.lacks_space() => {
                tracing::error!(%error, "the store failed");
                Self::new(
                    StatusCode::INSUFFICIENT_STORAGE,
                    "no-space",
                    "There is no space left on the disk",
                    "Nothing was changed. Free space where the state folder is, then repeat it.",
                )
            }
            error => {
                tracing::error!(%error, "the store failed");
                Self::failed()
            }
        }
    }
}

impl From<Wrong> for Problem {
    fn from(wrong: Wrong) -> Self {
        Self {
            field: Some(wrong.field),
            ..Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                format!("`{}` cannot be taken", wrong.field),
                wrong.what,
            )
        }
    }
}

impl From<EntryError> for Problem {
    fn from(error: EntryError) -> Self {
        let entry =
            |status, kind, title: &str, detail: &str| Self::new(status, kind, title, detail);
        match error {
            EntryError::LinkUnknown => entry(
                StatusCode::NOT_FOUND,
                "link-unknown",
                "This link is not known",
                "Check that it was copied whole, or ask for a new one.",
            ),
            EntryError::LinkExpired => entry(
                StatusCode::GONE,
                "link-expired",
                "This link has expired",
                "Ask for a new one.",
            ),
            EntryError::LinkRevoked => entry(
                StatusCode::GONE,
                "link-revoked",
                "This link was withdrawn",
                "Ask for a new one.",
            ),
            EntryError::LinkUsedUp => entry(
                StatusCode::GONE,
                "link-used-up",
                "This link has been used",
                "Open it in the browser you first used, or ask for a new one.",
            ),
            EntryError::PasscodeWrong => entry(
                StatusCode::FORBIDDEN,
                "passcode-wrong",
                "Room or passcode are not right",
                "Check both and try again.",
            ),
            EntryError::TooManyTries(wait) => Self::too_many(wait),
            EntryError::RoomClosed => entry(
                StatusCode::FORBIDDEN,
                "room-closed",
                "This room is closed",
                "Ask whoever invited you.",
            ),
            EntryError::RoomFull => entry(
                StatusCode::FORBIDDEN,
                "room-full",
                "This room is full",
                "Wait until somebody leaves.",
            ),
            EntryError::Store(error) => error.into(),
        }
    }
}

impl From<PathRejection> for Problem {
    fn from(_: PathRejection) -> Self {
        Self::not_found("thing")
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid",
            "The address cannot be understood",
            rejection.body_text(),
        )
    }
}

/// A JSON body; what is wrong with it is said where.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| {
                value
                    .split(';')
                    .next()
                    .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
            });
        // A form on another site cannot send this type.
        if !is_json {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not-json",
                "The body has to be JSON",
                "Send `content-type: application/json`.",
            ));
        }
        let Whole(bytes) = Whole::from_request(request, state).await?;
        // Serde takes a list for an object whose fields are in that order.
        if bytes.trim_ascii_start().starts_with(b"[") {
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                "The body cannot be understood",
                "Send an object: fields with their names, in `{}`.",
            ));
        }
        serde_json::from_slice(&bytes).map(Body).map_err(|error| {
            // What was sent is in the words, however long it was.
            let words: String = error.to_string().chars().take(300).collect();
            let detail = match field_before(&bytes, &error) {
                Some(field) => format!("`{field}`: {words}"),
                None => words,
            };
            Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                "The body cannot be understood",
                detail,
            )
        })
    }
}

/// The field at which reading JSON ended: the last key before that place.
pub(super) fn field_before(bytes: &[u8], error: &serde_json::Error) -> Option<String> {
    let line = bytes
        .split(|byte| *byte == b'\n')
        .take(error.line())
        .last()?;
    let text = String::from_utf8_lossy(line.get(..error.column())?).into_owned();
    let (mut key, mut word, mut start, mut escaped) = (None, None, None, false);
    for (at, letter) in text.char_indices() {
        match (letter, start) {
            ('"', None) => start = Some(at + 1),
            ('"', Some(from)) if !escaped => {
                word = text.get(from..at);
                start = None;
            }
            (':', None) => key = word.take(),
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
    }
    let is_name = |key: &&str| {
        (1..=40).contains(&key.len())
            && key
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    key.filter(is_name).map(str::to_owned)
}

/// A whole body, which is not too large and came in time.
#[derive(Debug)]
pub struct Whole(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Whole {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let body = axum::body::to_bytes(request.into_body(), BODY_LIMIT);
        match tokio::time::timeout(BODY_TIME, body).await {
            Ok(Ok(bytes)) => Ok(Self(bytes)),
            Ok(Err(_)) => Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                "The body is too large",
                "Send at most 64 KiB.",
            )),
            Err(_) => Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "too-slow",
                "The body did not come",
                "Send it again, within 20 seconds.",
            )),
        }
    }
}
