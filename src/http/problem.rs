//! Refusals: `application/problem+json`, told once.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::access::EntryError;
use crate::model::Wrong;
use crate::store::StoreError;

/// The most a request's body may hold.
pub const BODY_LIMIT: usize = 64 * 1024;

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
            StoreError::Taken(what) => Self {
                field: Some("slug").filter(|_| what == "name"),
                ..Self::new(
                    StatusCode::CONFLICT,
                    "taken",
                    format!("That {what} is taken"),
                    "Choose another one.",
                )
            },
            StoreError::Refused(why) => Self::new(
                StatusCode::CONFLICT,
                "refused",
                "That cannot be done now",
                why,
            ),
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
                "This link was taken back",
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

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
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
        let bytes = axum::body::to_bytes(request.into_body(), BODY_LIMIT)
            .await
            .map_err(|_| {
                Problem::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "too-large",
                    "The body is too large",
                    "Send at most 64 KiB.",
                )
            })?;
        serde_json::from_slice(&bytes).map(Body).map_err(|error| {
            Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                "The body cannot be understood",
                error.to_string(),
            )
        })
    }
}
