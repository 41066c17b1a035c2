//! A small HTTP client for the three services: plain, impatient, bounded.

use std::time::{Duration, Instant};

use base64::Engine as _;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::de::DeserializeOwned;

use crate::model::Secret;

const CONNECT: Duration = Duration::from_millis(500);
const ANSWER: Duration = Duration::from_secs(2);
const LARGEST: usize = 4 * 1024 * 1024;
/// An exchange that ended so long after its time was up was not watched: it was
/// we who were stopped (SIGSTOP, a frozen machine).
const HELD_UP: Duration = Duration::from_secs(1);

/// Why a service's answer is of no use. Holds no secret: neither addresses
/// with their query nor bodies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// No connection, or it broke.
    #[error("does not answer ({0})")]
    Away(String),
    /// Too slow.
    #[error("did not answer {0} within 2 s")]
    Slow(String),
    /// It was never asked, or nobody listened to its answer: what is missing
    /// is missing here.
    #[error("could not be asked ({0})")]
    Unasked(String),
    /// Answered, but not as it should.
    #[error("answered {status} to {what}")]
    Status {
        /// Method and path.
        what: String,
        /// The status.
        status: u16,
    },
    /// The body is not what it should be.
    #[error("answered something else than expected to {what}: {reason}")]
    Body {
        /// Method and path.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// An answer, whole.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    what: String,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The client. Cheap to clone; connections are shared and kept.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What is sent besides method and path.
#[derive(Clone, Debug, Default)]
pub(super) struct Extras {
    pub(super) authorization: Option<Secret<String>>,
    pub(super) json: Option<String>,
}

impl Http {
    pub(super) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            // Node closes idle connections after 5 s.
            .pool_idle_timeout(Duration::from_secs(4))
            .pool_max_idle_per_host(8)
            .build(connector);
        Self { client }
    }

    pub(super) async fn get(&self, base: &str, path: &str) -> Result<Answer, ServiceError> {
        self.send(Method::GET, base, path, Extras::default()).await
    }

    pub(super) async fn get_as(
        &self,
        base: &str,
        path: &str,
        authorization: Secret<String>,
    ) -> Result<Answer, ServiceError> {
        let extras = Extras {
            authorization: Some(authorization),
            json: None,
        };
        self.send(Method::GET, base, path, extras).await
    }

    pub(super) async fn send(
        &self,
        method: Method,
        base: &str,
        path: &str,
        extras: Extras,
    ) -> Result<Answer, ServiceError> {
        // The query may hold a token: never told.
        let what = format!("{method} {}", path.split('?').next().unwrap_or_default());
        let odd = |reason: &str| ServiceError::Body {
            what: what.clone(),
            reason: reason.to_owned(),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{base}{path}"));
        if let Some(secret) = &extras.authorization {
            let mut value = HeaderValue::from_str(secret.expose())
                .map_err(|_| odd("our key is no header value"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let body = match extras.json {
            Some(json) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Full::new(Bytes::from(json))
            }
            None => Full::default(),
        };
        let request = request.body(body).map_err(|_| odd("no such address"))?;
        let exchange = async {
            let answer = self
                .client
                .request(request)
                .await
                .map_err(|error| away(&error))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, LARGEST)
                .collect()
                .await
                .map_err(|error| odd(&error.to_string()))?
                .to_bytes();
            Ok(Answer {
                what: what.clone(),
                status: head.status,
                headers: head.headers,
                body,
            })
        };
        let begun = Instant::now();
        let said = tokio::time::timeout(ANSWER, exchange)
            .await
            .unwrap_or_else(|_| Err(ServiceError::Slow(what.clone())));
        let took = begun.elapsed();
        if said.is_err() && took > ANSWER + HELD_UP {
            let held_up = format!("the controller was held up for {} s", took.as_secs());
            return Err(ServiceError::Unasked(held_up));
        }
        said
    }
}

impl Answer {
    /// Only a success.
    pub(super) fn ok(self) -> Result<Self, ServiceError> {
        if self.status.is_success() {
            Ok(self)
        } else {
            Err(self.unexpected())
        }
    }

    /// A success, or nothing where there is nothing (404).
    pub(super) fn found(self) -> Result<Option<Self>, ServiceError> {
        if self.status == StatusCode::NOT_FOUND {
            Ok(None)
        } else {
            self.ok().map(Some)
        }
    }

    pub(super) fn unexpected(&self) -> ServiceError {
        ServiceError::Status {
            what: self.what.clone(),
            status: self.status.as_u16(),
        }
    }

    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, ServiceError> {
        serde_json::from_slice(&self.body).map_err(|error| ServiceError::Body {
            what: self.what.clone(),
            // Place and kind only: serde's words quote what was there.
            reason: format!("line {}, column {}", error.line(), error.column()),
        })
    }

    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// `Basic` credentials of a bare token.
pub(super) fn basic(token: &Secret<String>) -> Secret<String> {
    let encoded = base64::engine::general_purpose::STANDARD.encode(token.expose());
    Secret::new(format!("Basic {encoded}"))
}

/// A connection that did not come, or broke; or that we could not open.
pub(super) fn away(error: &(dyn std::error::Error + 'static)) -> ServiceError {
    let causes = || std::iter::successors(Some(error), |error| error.source());
    let innermost = causes()
        .last()
        .map_or_else(String::new, ToString::to_string);
    let ours = causes()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(is_our_lack);
    if ours {
        ServiceError::Unasked(innermost)
    } else {
        ServiceError::Away(innermost)
    }
}

/// Whether it is we who have no handle, no memory or no port left.
fn is_our_lack(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let lacks = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOMEM,
        Errno::NOBUFS,
        Errno::ADDRNOTAVAIL,
    ];
    error
        .raw_os_error()
        .is_some_and(|code| lacks.contains(&Errno::from_raw_os_error(code)))
}
