//! The control API on 8081.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::Method;
use serde_json::{Map, Value, json};

use super::engine::{End, Engine, Live, lock};
use super::hooks::Protocol;
use super::schema::json_name;
use super::tracks::{self, Track};
use super::xml::Node;
use crate::common::http::{Req, Res, Service, body, header, reply, set};
use crate::common::{json as spelling, time};

/// The API of one engine.
pub struct Rest {
    engine: Arc<Engine>,
    records: Mutex<BTreeMap<String, Value>>,
    pushes: Mutex<BTreeMap<String, Value>>,
}

/// An answer: status and what stands beside `message` and `statusCode`.
type Answer = Result<Option<Value>, (u16, String)>;

impl Rest {
    /// An API over the engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            records: Mutex::default(),
            pushes: Mutex::default(),
        }
    }

    fn route(&self, method: &Method, path: &str, query: &str, sent: &[u8]) -> Answer {
        let parts: Vec<&str> = path.trim_end_matches('/').split('/').skip(1).collect();
        let unknown = || fail(404, "Controller not found");
        let get = method == Method::GET;
        match parts.as_slice() {
            ["v1", "version"] if get => ok(json!({"gitVersion": "v0.21.0", "version": "0.21.0"})),
            ["v1", "vhosts:reloadAllCertificates"] if method == Method::POST => Ok(None),
            ["v1", "managers", "api:reloadCertificate"] if method == Method::POST => {
                fail(400, "TLS is not enabled for the API Server")
            }
            ["v1", "vhosts"] if get => ok(self
                .engine
                .config
                .vhosts
                .iter()
                .map(|v| v.name.as_str())
                .collect()),
            ["v1", "vhosts"] if method == Method::POST => self.create(sent),
            ["v1", "vhosts", name]
                if method == Method::POST && name.ends_with(":reloadCertificate") =>
            {
                self.vhost(name.trim_end_matches(":reloadCertificate"))
                    .map(|_| None)
            }
            ["v1", "vhosts", vhost, rest @ ..] => self.below(method, vhost, rest, query, sent),
            ["v1", "stats", "current", rest @ ..] if get => self.stats(rest),
            _ => unknown(),
        }
    }

    fn vhost(&self, name: &str) -> Result<&super::config::VHost, (u16, String)> {
        self.engine
            .config
            .vhosts
            .iter()
            .find(|v| v.name == name)
            .ok_or_else(|| problem(404, &format!("Could not find the virtual host: [{name}]")))
    }

    fn app(&self, vhost: &str, name: &str) -> Result<&super::config::App, (u16, String)> {
        self.vhost(vhost)?
            .apps
            .iter()
            .find(|a| a.name == name)
            .ok_or_else(|| {
                problem(
                    404,
                    &format!("Could not find the application: [{vhost}/{name}]"),
                )
            })
    }

    fn stream(&self, vhost: &str, app: &str, name: &str) -> Result<Arc<Live>, (u16, String)> {
        self.app(vhost, app)?;
        self.engine.stream(vhost, app, name).ok_or_else(|| {
            problem(
                404,
                &format!("Could not find the stream: [{vhost}/#{vhost}#{app}/{name}]"),
            )
        })
    }

    fn below(
        &self,
        method: &Method,
        vhost: &str,
        rest: &[&str],
        _query: &str,
        sent: &[u8],
    ) -> Answer {
        let get = method == Method::GET;
        let changes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(method);
        let read_only = || fail(403, &format!("The VirtualHost is read-only: [{vhost}]"));
        match rest {
            [] if get => ok(echo_vhost(&self.vhost(vhost)?.tree)),
            [] if changes => self.vhost(vhost).and_then(|_| read_only()),
            ["apps"] if get => ok(self
                .vhost(vhost)?
                .apps
                .iter()
                .map(|a| a.name.as_str())
                .collect()),
            ["apps"] if changes => self.vhost(vhost).and_then(|_| read_only()),
            ["apps", app] if get && !app.contains(':') => {
                let mut echo = echo(&self.app(vhost, app)?.tree);
                echo["dynamic"] = json!(false);
                ok(echo)
            }
            ["apps", action] if method == Method::POST && action.contains(':') => {
                let (app, action) = action.split_once(':').unwrap_or((action, ""));
                self.action(vhost, app, action, sent)
            }
            ["apps", app] if changes && !app.contains(':') => {
                self.app(vhost, app).and_then(|_| read_only())
            }
            ["apps", app, "streams"] if get => {
                self.app(vhost, app)?;
                let mut names: Vec<String> = self
                    .engine
                    .all_live()
                    .into_iter()
                    .filter(|l| {
                        l.is_listed() && l.admitted.vhost == vhost && l.admitted.app == *app
                    })
                    .map(|l| l.admitted.stream.clone())
                    .collect();
                names.sort();
                ok(json!(names))
            }
            ["apps", app, "streams", name] if get => ok(detail(&*self.stream(vhost, app, name)?)),
            ["apps", app, "streams", name] if method == Method::DELETE => {
                let live = self.stream(vhost, app, name)?;
                live.finish(End::Deleted);
                self.engine.forget(&live);
                Ok(None)
            }
            _ => fail(404, "Controller not found"),
        }
    }

    fn create(&self, sent: &[u8]) -> Answer {
        let Ok(Value::Array(items)) = serde_json::from_slice::<Value>(sent) else {
            return fail(400, "Request body must be an array");
        };
        match items
            .first()
            .and_then(|v| v.get("name"))
            .and_then(Value::as_str)
        {
            Some(name) if self.vhost(name).is_ok() => {
                Err((409, format!("The virtual host already exists: [{name}]")))
            }
            Some(_) => fail(501, "The stand-in makes no virtual hosts"),
            None => Err((400, "[Config] virtualHost.name is not optional".to_owned())),
        }
    }

    fn action(&self, vhost: &str, app: &str, action: &str, sent: &[u8]) -> Answer {
        let known = self.app(vhost, app)?;
        let absent = || fail(404, &format!("Could not find application: [{vhost}/{app}]"));
        let asked: Value = serde_json::from_slice(sent).unwrap_or(Value::Null);
        let id = asked
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let (enabled, table, records) = match action {
            "startRecord" | "stopRecord" | "records" => (known.file, &self.records, true),
            "startPush" | "stopPush" | "pushes" => (known.push, &self.pushes, false),
            _ => return fail(404, "Controller not found"),
        };
        if !enabled {
            return absent();
        }
        let mut table = lock(table);
        match action {
            "startRecord" | "startPush" if id.is_empty() || !asked.is_object() => {
                fail(400, "There is no required parameter [id]")
            }
            "startRecord" | "startPush" if table.contains_key(&id) => {
                fail(409, "Duplicate ID already exists")
            }
            "startRecord" | "startPush" => {
                let mut item = asked;
                item["app"] = json!(app);
                item["vhost"] = json!(vhost);
                item["createdTime"] = json!(time::ome(SystemTime::now()));
                item["state"] = json!(if records { "recording" } else { "ready" });
                if records {
                    item["isConfig"] = json!(false);
                    item["segmentationRule"] = json!("discontinuity");
                    item["recordBytes"] = json!(0);
                    item["recordTime"] = json!(0);
                    let path = item["filePath"].as_str().unwrap_or_default();
                    let stream = item["stream"]["name"].as_str().unwrap_or_default();
                    item["outputFilePath"] = json!(path.replace("${Stream}", stream));
                    item["stream"]["trackIds"] = json!([]);
                    item["stream"]["variantNames"] = json!([]);
                } else {
                    item["sequence"] = json!(0);
                }
                table.insert(id, item.clone());
                ok(item)
            }
            "records" | "pushes" if table.is_empty() => ok(json!([])),
            "records" => ok(table.values().cloned().collect()),
            "pushes" => {
                for push in table.values_mut() {
                    push["state"] = json!("connecting");
                    push["sequence"] = json!(push["sequence"].as_u64().unwrap_or(0) + 1);
                }
                ok(table.values().cloned().collect())
            }
            "stopRecord" => match table.remove(&id) {
                Some(mut item) => {
                    item["state"] = json!("stopping");
                    ok(item)
                }
                None => fail(
                    404,
                    &format!("There is no record information related to the ID: [{id}]"),
                ),
            },
            _ => {
                table.remove(&id);
                Ok(None)
            }
        }
    }

    fn stats(&self, rest: &[&str]) -> Answer {
        let (vhost, app, stream) = match rest {
            [] => (None, None, None),
            ["internals", "queues"] => {
                return ok(
                    json!([{"id": 1, "urn": "stand-in", "size": 0, "peak": 0, "drop": 0, "imc": 0, "omc": 0, "awt": 0, "threshold": 500}]),
                );
            }
            ["vhosts", v] => (Some(*v), None, None),
            ["vhosts", v, "apps", a] => (Some(*v), Some(*a), None),
            ["vhosts", v, "apps", a, "streams", s] => (Some(*v), Some(*a), Some(*s)),
            _ => return fail(404, "Controller not found"),
        };
        if let Some(v) = vhost {
            self.vhost(v)?;
            if let Some(a) = app {
                self.app(v, a)?;
                if let Some(s) = stream {
                    self.stream(v, a, s)?;
                }
            }
        }
        let within = |l: &Live| {
            vhost.is_none_or(|v| v == l.admitted.vhost)
                && app.is_none_or(|a| a == l.admitted.app)
                && stream.is_none_or(|s| s == l.admitted.stream)
        };
        let live: Vec<_> = self
            .engine
            .all_live()
            .into_iter()
            .filter(|l| within(l))
            .collect();
        let viewers: Vec<_> = self
            .engine
            .all_viewers()
            .into_iter()
            .filter(|v| within(&v.live))
            .collect();
        let count = |llhls: bool| {
            viewers
                .iter()
                .filter(|v| v.session.is_empty() != llhls)
                .count()
        };
        let rate: u64 = live.iter().map(|l| tracks::bitrate(&lock(&l.tracks))).sum();
        let bytes: u64 = live
            .iter()
            .map(|l| {
                (tracks::bitrate(&lock(&l.tracks)) as f64 / 8.0 * l.age().as_secs_f64()) as u64
            })
            .sum();
        let created = live
            .iter()
            .map(|l| l.created)
            .min()
            .filter(|_| stream.is_some())
            .unwrap_or(self.engine.created);
        let received = live
            .iter()
            .map(|l| l.last_received().1)
            .max()
            .unwrap_or(created);
        let out = rate * viewers.len() as u64;
        ok(json!({
            "avgThroughputIn": rate, "avgThroughputOut": out,
            "connections": {"file": 0, "hlsv3": 0, "llhls": count(true), "ovt": 0, "push": 0, "srt": 0, "thumbnail": 0, "webrtc": count(false)},
            "createdTime": time::ome(created), "lastRecvTime": time::ome(received), "lastSentTime": time::ome(if viewers.is_empty() { created } else { received }),
            "lastThroughputIn": rate / 8, "lastThroughputOut": out / 8, "lastUpdatedTime": time::ome(SystemTime::now()),
            "maxThroughputIn": rate, "maxThroughputOut": out, "maxTotalConnectionTime": time::ome(created), "maxTotalConnections": viewers.len(),
            "totalBytesIn": bytes, "totalBytesOut": 0, "totalConnections": viewers.len(),
        }))
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "reads as the other arms of a match"
)]
fn ok(response: Value) -> Answer {
    Ok(Some(response))
}

fn problem(status: u16, text: &str) -> (u16, String) {
    (status, format!("[HTTP] {text} ({status})"))
}

fn fail(status: u16, text: &str) -> Answer {
    Err(problem(status, text))
}

/// The source as REST and alerts tell it.
pub fn input(live: &Live) -> Value {
    let notice = &live.admitted.notice;
    let scheme = if notice.protocol == Protocol::Srt {
        "SRT"
    } else {
        "TCP"
    };
    let first = if notice.protocol == Protocol::Srt {
        256
    } else {
        0
    };
    json!({
        "createdTime": time::ome(live.created),
        "sourceType": notice.protocol.source_type(),
        "sourceUrl": format!("{scheme}://{}:{}/{}", notice.client.address, notice.client.port, scheme.to_lowercase()),
        "tracks": tracks::input(&lock(&live.tracks), live.age(), first),
    })
}

fn detail(live: &Live) -> Value {
    let (mut video, mut audio) = (json!({}), json!({}));
    for track in lock(&live.tracks).iter() {
        match track {
            Track::Video {
                codec,
                width,
                height,
                framerate,
                bitrate,
                ..
            } => {
                video = json!({"bypass": true, "codec": codec, "width": width, "height": height, "framerate": framerate, "bitrate": bitrate, "timebase": {"den": 90000, "num": 1}});
            }
            Track::Audio {
                codec,
                samplerate,
                channel,
                ..
            } => {
                audio = json!({"codec": codec, "samplerate": samplerate, "channel": channel, "bitrate": 128_000, "timebase": {"den": 48000, "num": 1}});
            }
        }
    }
    let (mut aac, mut opus) = (audio.clone(), audio);
    let is_opus = aac["codec"] == "OPUS";
    aac["bypass"] = json!(!is_opus);
    aac["codec"] = json!("AAC");
    opus["bypass"] = json!(is_opus);
    opus["codec"] = json!("OPUS");
    let name = &live.admitted.stream;
    let playlist = |file: &str, name: &str, audio: &str| {
        json!({"fileName": file, "name": name, "options": {"enableTsPackaging": false, "hlsChunklistPathDepth": -1, "webrtcAutoAbr": true},
               "renditions": [{"audioVariantName": audio, "name": "default", "videoVariantName": "bypass_video"}]})
    };
    json!({"input": input(live), "name": name, "outputs": [{"name": name,
        "playlists": [playlist("llhls", "llhls_default", "aac_audio"), playlist("webrtc_default", "webrtc_default", "opus_audio")],
        "tracks": [
            {"id": 0, "name": "bypass_video", "type": "Video", "video": video},
            {"id": 1, "name": "aac_audio", "type": "Audio", "audio": aac},
            {"id": 2, "name": "opus_audio", "type": "Audio", "audio": opus, "codecModule": "libopus", "codecStatus": "Ready"},
            {"id": 3, "name": "Data", "type": "Data", "data": {"codec": "None"}}]}]})
}

/// The host as the API gives it: everything but its applications, secrets included.
fn echo_vhost(node: &Node) -> Value {
    let mut echo = echo(node);
    if let Some(map) = echo.as_object_mut() {
        map.remove("applications");
        map.insert("dynamic".into(), json!(false));
    }
    echo
}

/// An element as JSON: text that looks like a number or a truth becomes one, the rest stays.
fn echo(node: &Node) -> Value {
    if node.children.is_empty() {
        let text = node.text.as_str();
        return match text {
            "true" => json!(true),
            "false" => json!(false),
            _ => text
                .parse::<i64>()
                .map(Value::from)
                .or_else(|_| text.parse::<f64>().map(Value::from))
                .unwrap_or_else(|_| json!(text)),
        };
    }
    let listed = [
        "Names",
        "Urls",
        "CrossDomains",
        "IceCandidates",
        "Applications",
        "OutputProfiles",
    ];
    if listed.contains(&node.name.as_str()) {
        return Value::Array(node.children.iter().map(echo).collect());
    }
    let mut map = Map::new();
    for child in &node.children {
        let name = json_name(&child.name);
        match child.name.as_str() {
            "Video" | "Audio" | "Playlist" | "Rendition" => {
                let items = map.entry(format!("{name}s")).or_insert_with(|| json!([]));
                if let Some(items) = items.as_array_mut() {
                    items.push(echo(child));
                }
            }
            _ => {
                map.insert(name, echo(child));
            }
        }
    }
    Value::Object(map)
}

impl Service for Rest {
    type Conn = ();

    fn opened(&self, _peer: SocketAddr) {}

    async fn handle(self: Arc<Self>, _conn: Arc<()>, req: Req) -> Res {
        let begun = Instant::now();
        let refusal = match header(&req, "authorization") {
            None => Some(problem(401, "Authorization header is required to call API")),
            Some(value) => match value.split_once(' ') {
                Some(("Basic", token)) => {
                    let given = BASE64_STANDARD.decode(token.trim()).unwrap_or_default();
                    (given != self.engine.config.access_token.as_bytes())
                        .then(|| problem(401, "Invalid credential"))
                }
                Some((kind, _)) => Some(problem(
                    401,
                    &format!("Not supported credential type: {kind}"),
                )),
                None => Some(problem(401, "Invalid credential")),
            },
        };
        let (method, uri) = (req.method().clone(), req.uri().clone());
        let answer = match refusal {
            Some(refusal) => Err(refusal),
            None => {
                let sent = body(req).await;
                self.route(&method, uri.path(), uri.query().unwrap_or_default(), &sent)
            }
        };
        let (status, value) = match answer {
            Ok(None) => (200, json!({"message": "OK", "statusCode": 200})),
            Ok(Some(response)) => (
                200,
                json!({"message": "OK", "response": response, "statusCode": 200}),
            ),
            Err((status, message)) => (status, json!({"message": message, "statusCode": status})),
        };
        // The array form of creation repeats its array in the answer.
        let value = if status == 409 && uri.path() == "/v1/vhosts" {
            json!([value])
        } else {
            value
        };
        self.engine.log.put(
            super::log::Level::Debug,
            "APIServer",
            &format!(
                "{method} {} {status} {} us",
                uri.path(),
                begun.elapsed().as_micros()
            ),
        );
        let mut res = reply(
            status,
            "application/json;charset=UTF-8",
            spelling::sorted(&value),
        );
        if status == 401 {
            set(
                &mut res,
                "www-authenticate",
                "Basic realm=\"OvenMediaEngine\"",
            );
        }
        res
    }
}
