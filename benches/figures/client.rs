//! One connection that speaks HTTP/1.1, over TCP or a Unix socket.

use std::path::Path;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{HeaderMap, Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};

use crate::Failed;

/// See the module.
pub struct Client {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Result<serde_json::Value, Failed> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}

impl Client {
    /// Over TCP to `address`, with `host` as its name.
    pub async fn tcp(address: &str, host: &str) -> Result<Self, Failed> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            host: host.to_owned(),
        })
    }

    /// Over a Unix socket.
    pub async fn unix(socket: &Path) -> Result<Self, Failed> {
        let stream = UnixStream::connect(socket).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            host: "control".to_owned(),
        })
    }

    /// One request, its answer read to the end.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, Failed> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.sender.ready().await?;
        let answer = self
            .sender
            .send_request(request.body(Full::new(body.into()))?)
            .await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.into_body().collect().await?.to_bytes();
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    /// `GET`, whatever is answered.
    pub async fn get(&mut self, path: &str) -> Result<Answer, Failed> {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    /// JSON there and back; anything but success is an error.
    pub async fn ask(
        &mut self,
        method: Method,
        path: &str,
        etag: Option<&str>,
        body: serde_json::Value,
    ) -> Result<serde_json::Value, Failed> {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(etag.map(|etag| ("if-match", etag)));
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let answer = self.send(method, path, &headers, body).await?;
        if !(200..300).contains(&answer.status) {
            let said = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(format!("{path} answered {}: {said}", answer.status).into());
        }
        if answer.body.is_empty() {
            return Ok(serde_json::Value::Null);
        }
        answer.json()
    }
}
