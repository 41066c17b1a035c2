//! AdmissionWebhooks and alerts: exact bytes out, strict reading back.

use std::time::{Duration, Instant, SystemTime};

use serde_json::{Map, Value, json};

use super::config::Hooks;
use super::engine::Engine;
use crate::common::client::{self, Failure};
use crate::common::{hash, json as spelling, time};

/// Who connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The peer's address.
    pub address: String,
    /// The peer's port.
    pub port: u16,
    /// What a header claims, else the peer.
    pub real_ip: String,
    /// Only over HTTP and WebSocket.
    pub user_agent: Option<String>,
}

impl Client {
    /// A client without headers.
    pub fn plain(address: impl Into<String>, port: u16) -> Self {
        let address = address.into();
        Self {
            real_ip: address.clone(),
            address,
            port,
            user_agent: None,
        }
    }
}

/// Which way the media goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From an encoder.
    Incoming,
    /// To a viewer.
    Outgoing,
}

impl Direction {
    fn word(self) -> &'static str {
        match self {
            Self::Incoming => "incoming",
            Self::Outgoing => "outgoing",
        }
    }
}

/// The four that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Encoders.
    Rtmp,
    /// Encoders.
    Srt,
    /// WHIP in, signalling out.
    WebRtc,
    /// Viewers.
    Llhls,
}

impl Protocol {
    /// As in the hook's body.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rtmp => "RTMP",
            Self::Srt => "SRT",
            Self::WebRtc => "WebRTC",
            Self::Llhls => "LLHLS",
        }
    }

    /// As in REST's `sourceType`.
    pub fn source_type(self) -> &'static str {
        match self {
            Self::Rtmp => "Rtmp",
            Self::Srt => "SRT",
            Self::WebRtc => "WebRTC",
            Self::Llhls => "",
        }
    }
}

/// One question or notice.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Which way.
    pub direction: Direction,
    /// By what.
    pub protocol: Protocol,
    /// By whom.
    pub client: Client,
    /// As the client typed it.
    pub url: String,
    /// Present makes it a closing that says so.
    pub new_url: Option<String>,
}

/// The controller's answer to an opening.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Let in.
    Allowed {
        /// The address to use instead.
        new_url: Option<String>,
        /// For this long.
        lifetime: Option<Duration>,
    },
    /// Kept out, with what the log says.
    Denied(String),
}

impl Notice {
    /// The body, byte for byte as OME writes it.
    pub fn body(&self, status: &str, at: SystemTime) -> String {
        let mut client = Map::new();
        client.insert("address".into(), json!(self.client.address));
        client.insert("port".into(), json!(self.client.port));
        client.insert("real_ip".into(), json!(self.client.real_ip));
        if let Some(agent) = &self.client.user_agent {
            client.insert("user_agent".into(), json!(agent));
        }
        let mut request = Map::new();
        request.insert("direction".into(), json!(self.direction.word()));
        if let (Some(new_url), "closing") = (&self.new_url, status) {
            request.insert("new_url".into(), json!(new_url));
        }
        request.insert("protocol".into(), json!(self.protocol.word()));
        request.insert("status".into(), json!(status));
        request.insert("time".into(), json!(time::ome(at)));
        request.insert("url".into(), json!(self.url));
        spelling::sorted(&json!({"client": client, "request": request}))
    }
}

/// Whether this protocol is one that is asked for. An unknown word guards nothing.
pub fn guards(hooks: &Hooks, direction: Direction, protocol: Protocol) -> bool {
    let words = match direction {
        Direction::Incoming => &hooks.providers,
        Direction::Outgoing => &hooks.publishers,
    };
    words.iter().any(|w| *w == protocol.word().to_lowercase())
}

/// Asks whether somebody may come in.
pub async fn opening(engine: &Engine, hooks: &Hooks, notice: &Notice) -> Answer {
    let (answer, body) = exchange(engine, hooks, notice, "opening").await;
    let verdict = match answer {
        Err(reason) => Answer::Denied(reason),
        Ok((200, _)) => read(&body),
        Ok((status, _)) => Answer::Denied(format!(
            "Control server responded with {status} status code."
        )),
    };
    if let Answer::Denied(reason) = &verdict {
        engine.log.error(
            "AccessController",
            &format!("AdmissionWebhooks error : {reason}"),
        );
    }
    verdict
}

/// Tells that somebody is gone. The answer changes nothing.
pub async fn closing(engine: &Engine, hooks: &Hooks, notice: &Notice) {
    let _ = exchange(engine, hooks, notice, "closing").await;
}

fn read(body: &[u8]) -> Answer {
    let invalid = || Answer::Denied("InvalidDataFormat".to_owned());
    let Ok(Value::Object(answer)) = serde_json::from_slice(body) else {
        return invalid();
    };
    let Some(allowed) = answer.get("allowed").and_then(Value::as_bool) else {
        return invalid();
    };
    if !allowed {
        return Answer::Denied(
            answer
                .get("reason")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
        );
    }
    let new_url = match answer.get("new_url") {
        None => None,
        Some(Value::String(url)) => Some(url.clone()),
        Some(_) => return invalid(),
    };
    let lifetime = match answer.get("lifetime") {
        None => None,
        Some(value) => match value.as_u64() {
            Some(0) => None,
            Some(ms) => Some(Duration::from_millis(ms)),
            None => return invalid(),
        },
    };
    Answer::Allowed { new_url, lifetime }
}

/// The headers of every request OME makes.
fn headers(authority: &str, secret: &str, body: &str) -> [(&'static str, String); 6] {
    [
        ("Content-Length", body.len().to_string()),
        ("Host", authority.to_owned()),
        ("Content-Type", "application/json".to_owned()),
        (
            "X-OME-Signature",
            hash::ome_signature(secret, body.as_bytes()),
        ),
        ("Accept", "application/json".to_owned()),
        ("User-Agent", "OvenMediaEngine".to_owned()),
    ]
}

type Exchanged = (Result<(u16, ()), String>, Vec<u8>);

async fn exchange(engine: &Engine, hooks: &Hooks, notice: &Notice, status: &str) -> Exchanged {
    let Some(target) = client::target(&hooks.url) else {
        return (
            Err("Could not parse control server url".to_owned()),
            Vec::new(),
        );
    };
    let begun = Instant::now();
    let at = SystemTime::now();
    let body = notice.body(status, at);
    let sent = client::send(
        &target,
        "POST",
        &headers(&target.authority, &hooks.secret, &body),
        body.as_bytes(),
        Duration::from_millis(hooks.timeout),
    )
    .await;
    let elapsed = begun.elapsed().as_millis();
    let (result, answer) = match sent {
        Ok((code, answer)) => (Ok((code, ())), answer),
        Err(Failure::Timeout) => (Err("Receive timed out".to_owned()), Vec::new()),
        Err(Failure::Connect(error)) => (
            Err(format!(
                "Could not connect to the control server (error {error})"
            )),
            Vec::new(),
        ),
        Err(Failure::Broken) => (
            Err("Could not receive a response from the control server".to_owned()),
            Vec::new(),
        ),
    };
    let shown = String::from_utf8_lossy(&answer).into_owned();
    engine.log.info(
        "AccessController",
        &format!(
            "Query to {} - Request: {body} Response: {shown} Elapsed: {elapsed} ms",
            hooks.url
        ),
    );
    engine.record(json!({
        "status": status, "direction": notice.direction.word(), "protocol": notice.protocol.word(), "url": notice.url,
        "body": body, "signature": hash::ome_signature(&hooks.secret, body.as_bytes()), "at": time::ome(at),
        "elapsed_ms": u64::try_from(elapsed).unwrap_or(u64::MAX),
        "answer": match &result { Ok((code, ())) => json!({"status": code, "body": shown}), Err(reason) => json!({"error": reason}) },
    }));
    (result, answer)
}

/// Posts an alert; nobody reads the answer.
pub async fn alert(engine: &Engine, url: &str, secret: &str, timeout: u64, body: &str) {
    let Some(target) = client::target(url) else {
        return;
    };
    let sent = client::send(
        &target,
        "POST",
        &headers(&target.authority, secret, body),
        body.as_bytes(),
        Duration::from_millis(timeout),
    )
    .await;
    engine.record(json!({"status": "alert", "body": body, "answer": match sent { Ok((code, _)) => json!({"status": code}), Err(e) => json!({"error": format!("{e:?}")}) }}));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn notice() -> Notice {
        Notice {
            direction: Direction::Incoming,
            protocol: Protocol::Rtmp,
            client: Client::plain("172.17.0.1", 49104),
            url: "rtmp://127.0.0.1:21935/app/sk_abc123".to_owned(),
            new_url: Some("rtmp://127.0.0.1:21935/app/room-one".to_owned()),
        }
    }

    #[test]
    fn bodies_equal_the_captures() {
        let at = UNIX_EPOCH + Duration::from_millis(1_795_376_541_960);
        assert_eq!(
            notice().body("opening", at),
            r#"{"client":{"address":"172.17.0.1","port":49104,"real_ip":"172.17.0.1"},"request":{"direction":"incoming","protocol":"RTMP","status":"opening","time":"2026-11-22T19:42:21.960+00:00","url":"rtmp://127.0.0.1:21935/app/sk_abc123"}}"#
        );
        assert_eq!(notice().body("opening", at).len(), 227);
        assert_eq!(
            notice().body("closing", at),
            r#"{"client":{"address":"172.17.0.1","port":49104,"real_ip":"172.17.0.1"},"request":{"direction":"incoming","new_url":"rtmp://127.0.0.1:21935/app/room-one","protocol":"RTMP","status":"closing","time":"2026-11-22T19:42:21.960+00:00","url":"rtmp://127.0.0.1:21935/app/sk_abc123"}}"#
        );
        let whip = Notice {
            protocol: Protocol::WebRtc,
            client: Client {
                user_agent: Some("Python/3.11 aiohttp/3.14.5".into()),
                ..Client::plain("172.17.0.1", 57106)
            },
            url: "http://172.17.0.2:3333/app/sk_abc123?direction=whip".into(),
            new_url: None,
            ..notice()
        };
        assert_eq!(
            whip.body(
                "closing",
                UNIX_EPOCH + Duration::from_millis(1_795_379_352_924)
            ),
            r#"{"client":{"address":"172.17.0.1","port":57106,"real_ip":"172.17.0.1","user_agent":"Python/3.11 aiohttp/3.14.5"},"request":{"direction":"incoming","protocol":"WebRTC","status":"closing","time":"2026-11-22T20:29:12.924+00:00","url":"http://172.17.0.2:3333/app/sk_abc123?direction=whip"}}"#
        );
    }

    #[test]
    fn only_a_proper_yes_lets_in() {
        let denied = |text: &str| Answer::Denied(text.to_owned());
        assert_eq!(read(b"nonsense"), denied("InvalidDataFormat"));
        assert_eq!(read(b"{}"), denied("InvalidDataFormat"));
        assert_eq!(read(br#"{"allowed":"true"}"#), denied("InvalidDataFormat"));
        assert_eq!(
            read(br#"{"allowed":false,"reason":"no such key"}"#),
            denied("no such key")
        );
        assert_eq!(
            read(br#"{"allowed":true,"lifetime":0}"#),
            Answer::Allowed {
                new_url: None,
                lifetime: None
            }
        );
        assert_eq!(
            read(br#"{"allowed":true,"new_url":"rtmp://h/app/room","lifetime":3000}"#),
            Answer::Allowed {
                new_url: Some("rtmp://h/app/room".into()),
                lifetime: Some(Duration::from_secs(3))
            }
        );
    }
}
