//! Talking to a running controller through `state/control.sock`.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::Failure;

/// A running controller.
#[derive(Clone, Debug)]
pub struct Control {
    socket: PathBuf,
}

impl Control {
    /// The controller that works on `state`, if one runs.
    pub async fn find(state: &Path) -> Option<Self> {
        let socket = state.join("control.sock");
        UnixStream::connect(&socket).await.ok()?;
        Some(Self { socket })
    }

    /// `GET path`, decoded.
    pub async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let body = self.call(Method::GET, path, None).await?;
        serde_json::from_slice(&body)
            .map_err(|error| Failure::Told(format!("the controller's answer to {path} is not understood ({error}); are controller and command of one version?")))
    }

    /// `POST path` with a JSON body.
    pub async fn post(&self, path: &str, body: &serde_json::Value) -> Result<Bytes, Failure> {
        self.call(Method::POST, path, Some(body.to_string())).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
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
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "control")
            .header("content-type", "application/json")
            .body(Full::<Bytes>::from(body.unwrap_or_default()))
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
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let words = |key: &str| {
            problem
                .get(key)
                .and_then(|value| value.as_str())
                .unwrap_or_default()
        };
        Err(Failure::Told(format!(
            "{} {} ({status})",
            words("title"),
            words("detail")
        )))
    }
}
