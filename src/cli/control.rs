//! Talking to a running controller through `state/control.sock`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
pub use hyper::Method;
use hyper::Request;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;

use super::{Common, Failure, session};
use crate::disk::SOCKET;
use crate::host;
use crate::model::{IssueCode, Severity};
use crate::status::Status;

/// Who works answers this soon whether they are there.
const ANSWER: Duration = Duration::from_secs(3);
/// What only asks is given up after this.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running controller.
#[derive(Clone, Debug)]
pub struct Control {
    socket: PathBuf,
}

impl Control {
    /// The controller that works on `state`, if one runs.
    pub async fn find(state: &Path) -> Option<Self> {
        let socket = state.join(SOCKET);
        UnixStream::connect(&socket).await.ok()?;
        Some(Self { socket })
    }

    /// The controller, or what to do where none runs.
    pub async fn running(common: &Common) -> Result<Self, Failure> {
        let fix =
            "start one with `colourstream serve`, or name another state folder with `--state`";
        Self::running_or(common, fix).await
    }

    /// The controller, or `fix` where none runs.
    pub async fn running_or(common: &Common, fix: &str) -> Result<Self, Failure> {
        let state = session::state_folder(common)?;
        if let Some(control) = Self::find(&state).await {
            return Ok(control);
        }
        // Wrong settings may be why, and may name another folder.
        session::settings(common)?;
        Err(Self::silent(&state, fix))
    }

    /// Nobody answers: none runs, or one does that cannot make its socket.
    fn silent(state: &Path, fix: &str) -> Failure {
        let state_shown = state.display();
        Failure::Told(match host::writable(state) {
            Ok(()) => format!("no controller runs on {state_shown}\n  → {fix}"),
            Err(error) => format!(
                "no controller answers on {state_shown}, and the folder cannot be written: {error}\n  → a controller that runs there cannot be asked; what it found is in its log (`docker logs`). Make the folder writable for its user, and it goes on by itself"
            ),
        })
    }

    /// Whether somebody answers there. One that is stopped or stuck still takes
    /// connections.
    pub async fn answers(&self) -> bool {
        self.look(ANSWER, "/api/v1/status").await.is_ok()
    }

    /// Whether it only keeps the pages up because what is kept cannot be used:
    /// it never looked at anything.
    pub async fn only_waits(&self) -> bool {
        let status: Result<Status, Failure> = self.get("/api/v1/status").await;
        status.is_ok_and(|status| {
            status.services.is_empty()
                && status.reconcile == 0
                && status
                    .issues
                    .iter()
                    .any(|issue| issue.severity == Severity::Error)
        })
    }

    /// Whether it leaves everything to another controller of its instance.
    pub async fn stands_aside(&self) -> bool {
        let status: Result<Status, Failure> = self.get("/api/v1/status").await;
        status.is_ok_and(|status| {
            let mut issues = status.issues.iter();
            issues.any(|issue| issue.code == IssueCode::TwoControllers)
        })
    }

    /// `GET path`, decoded.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let body = self.look(PATIENCE, path).await?;
        decode(path, &body)
    }

    /// `POST path` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Bytes, Failure> {
        self.send(Method::POST, path, Some(body), None).await
    }

    /// `POST path` with a JSON body, its answer decoded.
    pub async fn ask<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Failure> {
        let answer = self.post(path, body).await?;
        decode(path, &answer)
    }

    /// `GET path`, given up after `limit`.
    async fn look(&self, limit: Duration, path: &str) -> Result<Bytes, Failure> {
        let sent = self.send(Method::GET, path, None, None);
        tokio::time::timeout(limit, sent).await.unwrap_or_else(|_| {
            Err(Failure::Told(format!(
                "the controller at {} did not answer within {} s\n  → it is stopped or stuck; start it anew, what runs goes on meanwhile",
                self.socket.display(),
                limit.as_secs()
            )))
        })
    }

    /// Any call; `etag` says which state a change was made from.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        etag: Option<&str>,
    ) -> Result<Bytes, Failure> {
        let lost = |error: &dyn std::fmt::Display| {
            Failure::Told(format!(
                "the controller at {} does not answer: {error}",
                self.socket.display()
            ))
        };
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| lost(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| lost(&error))?;
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "control")
            .header("content-type", "application/json");
        if let Some(etag) = etag {
            request = request.header("if-match", etag);
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request
            .body(Full::<Bytes>::from(body))
            .map_err(|error| lost(&error))?;
        let answer = sender
            .send_request(request)
            .await
            .map_err(|error| lost(&error))?;
        let status = answer.status();
        let body = answer
            .into_body()
            .collect()
            .await
            .map_err(|error| lost(&error))?
            .to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
        let words = |key: &str| problem.get(key).and_then(Value::as_str).map(str::to_owned);
        Err(match words("title") {
            Some(title) => Failure::Refused {
                kind: words("type").unwrap_or_default(),
                title,
                detail: words("detail").unwrap_or_else(|| status.to_string()),
            },
            None => Failure::Told(format!(
                "the controller refused {path} ({status})\n  → are controller and command of one version?"
            )),
        })
    }
}

/// The answer to `path` as a value.
pub fn decode<T: DeserializeOwned>(path: &str, body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        Failure::Told(format!(
            "the controller's answer to {path} is not understood ({error})\n  → are controller and command of one version?"
        ))
    })
}
