//! The stand-in's own door, which OME does not have: encoders and viewers on demand.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::engine::{Denied, End, Engine, Live, lock};
use super::hooks::{Client, Direction, Notice, Protocol};
use super::tracks::{self, Track};
use super::{url, watching};
use crate::common::http::{Req, Res, Service, body, reply};
use crate::common::{json as spelling, time, ws};

const MEDIA_PAGE: &str =
    "<!doctype html><title>Media</title><script type=module src=media.js></script>";
const MEDIA_SCRIPT: &str = include_str!("../../assets/media.js");
const FILM: &str = include_str!("../../assets/film.js");

/// What tests may ask for.
pub struct Control {
    engine: Arc<Engine>,
    made: Mutex<BTreeMap<String, Arc<Puppet>>>,
    ports: AtomicU16,
    numbers: AtomicU64,
}

/// An encoder or viewer that a test made.
struct Puppet {
    publish: Option<Publish>,
    live: Mutex<Option<Arc<Live>>>,
    viewer: Mutex<Option<Arc<super::engine::Viewer>>>,
    /// A test said stop: it does not come back.
    stopped: tokio::sync::watch::Sender<bool>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Publish {
    url: String,
    protocol: String,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    tracks: Option<Vec<Track>>,
    #[serde(default)]
    user_agent: Option<String>,
    /// As OBS: tries again this many ms after each cut or refusal.
    #[serde(default)]
    reconnect_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Watch {
    url: String,
    protocol: String,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ice {
    open: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Which {
    id: Option<String>,
    stream: Option<String>,
    frozen: Option<bool>,
    tracks: Option<Vec<Track>>,
}

impl Control {
    /// A door to the engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            made: Mutex::default(),
            ports: AtomicU16::new(49_104),
            numbers: AtomicU64::new(1),
        }
    }

    fn client(&self, from: Option<&str>) -> Client {
        let from = from.unwrap_or("172.17.0.1");
        let (address, port) = match from.rsplit_once(':') {
            Some((address, port)) => (address, port.parse().ok()),
            None => (from, None),
        };
        Client::plain(
            address,
            port.unwrap_or_else(|| self.ports.fetch_add(2, Ordering::Relaxed)),
        )
    }

    async fn start(&self, wish: &Publish) -> Result<Arc<Live>, Denied> {
        let denied = |reason: &str| Denied::new(reason.to_owned());
        let mut client = self.client(wish.from.as_deref());
        let config = &self.engine.config;
        let (protocol, url, bound) = match wish.protocol.to_lowercase().as_str() {
            "rtmp" => (
                Protocol::Rtmp,
                url::rtmp(&wish.url).ok_or_else(|| denied("not an rtmp:// address"))?,
                config.rtmp.is_some(),
            ),
            "srt" => (
                Protocol::Srt,
                url::srt(&wish.url).map_err(|e| denied(&e))?,
                config.srt.is_some(),
            ),
            "webrtc" | "whip" => {
                client.user_agent.clone_from(&wish.user_agent);
                (Protocol::WebRtc, wish.url.clone(), config.whip)
            }
            _ => return Err(denied("protocol is one of rtmp, srt, webrtc")),
        };
        if !bound {
            return Err(denied("Connection refused"));
        }
        let notice = Notice {
            direction: Direction::Incoming,
            protocol,
            client,
            url,
            new_url: None,
        };
        self.engine
            .publish(
                notice,
                wish.tracks.clone().unwrap_or_else(tracks::ordinary),
                true,
            )
            .await
    }

    fn keep(&self, prefix: char, puppet: Arc<Puppet>) -> String {
        let id = format!("{prefix}{}", self.numbers.fetch_add(1, Ordering::Relaxed));
        lock(&self.made).insert(id.clone(), puppet);
        id
    }

    async fn publish(self: &Arc<Self>, wish: Publish) -> Value {
        let first = self.start(&wish).await;
        let retry = wish.reconnect_ms.map(Duration::from_millis);
        let puppet = Arc::new(Puppet {
            publish: Some(wish.clone()),
            live: Mutex::new(first.as_ref().ok().cloned()),
            viewer: Mutex::default(),
            stopped: tokio::sync::watch::Sender::new(false),
        });
        let id = if first.is_ok() || retry.is_some() {
            self.keep('p', Arc::clone(&puppet))
        } else {
            String::new()
        };
        if let Some(pause) = retry {
            let control = Arc::clone(self);
            tokio::spawn(async move {
                let mut stopped = puppet.stopped.subscribe();
                loop {
                    let live = lock(&puppet.live).clone();
                    let cut = async {
                        if let Some(live) = live {
                            live.ended().await;
                        }
                        tokio::time::sleep(pause).await;
                    };
                    tokio::select! {
                        () = cut => {}
                        _ = stopped.wait_for(|s| *s) => return,
                    }
                    let again = control.start(&wish).await.ok();
                    *lock(&puppet.live) = again;
                }
            });
        }
        match first {
            Ok(live) => {
                json!({"result": "accepted", "id": id, "vhost": live.admitted.vhost, "app": live.admitted.app, "stream": live.admitted.stream,
                "from": format!("{}:{}", live.admitted.notice.client.address, live.admitted.notice.client.port)})
            }
            Err(denied) => json!({"result": "denied", "reason": denied.reason, "id": id}),
        }
    }

    async fn watch(&self, wish: Watch) -> Value {
        let mut client = self.client(wish.from.as_deref());
        let header = |name: &str| {
            wish.headers
                .iter()
                .find(|(n, _)| n.eq_ignore_ascii_case(name))
                .map(|(_, v)| v.as_str())
        };
        watching::identify(&mut client, &header);
        let result = match wish.protocol.to_lowercase().as_str() {
            "webrtc" => watching::webrtc(&self.engine, client, wish.url).await,
            "llhls" => watching::llhls(&self.engine, client, wish.url, self.engine.number()).await,
            _ => Err(Denied::new("protocol is one of webrtc, llhls".to_owned())),
        };
        match result {
            Ok(viewer) => {
                let puppet = Puppet {
                    publish: None,
                    live: Mutex::default(),
                    viewer: Mutex::new(Some(Arc::clone(&viewer))),
                    stopped: tokio::sync::watch::Sender::new(false),
                };
                let id = self.keep('v', Arc::new(puppet));
                if viewer.session.is_empty() {
                    tokio::spawn(watching::hold_webrtc(
                        Arc::clone(&self.engine),
                        Arc::clone(&viewer),
                    ));
                }
                json!({"result": "accepted", "id": id, "stream": viewer.admitted.stream, "session": viewer.session})
            }
            Err(denied) => json!({"result": "denied", "reason": denied.reason}),
        }
    }

    /// The streams an order is about: one made here, or any by its stream name.
    fn targets(&self, which: &Which) -> (Vec<Arc<Puppet>>, Vec<Arc<Live>>) {
        let puppets: Vec<_> = lock(&self.made)
            .iter()
            .filter(|(id, _)| which.id.as_ref().is_none_or(|w| w == *id))
            .map(|(_, p)| Arc::clone(p))
            .collect();
        let named = which.stream.as_ref().map(|name| {
            self.engine
                .all_live()
                .into_iter()
                .filter(|l| l.admitted.stream == *name)
                .collect()
        });
        match named {
            Some(live) => (Vec::new(), live),
            None if which.id.is_some() => {
                let live = puppets
                    .iter()
                    .filter_map(|p| lock(&p.live).clone())
                    .collect();
                (puppets, live)
            }
            None => (Vec::new(), Vec::new()),
        }
    }

    async fn stop(&self, which: &Which) -> Value {
        let (puppets, live) = self.targets(which);
        for puppet in &puppets {
            puppet.stopped.send_replace(true);
            let viewer = lock(&puppet.viewer).take();
            if let Some(viewer) = viewer {
                self.engine.remove_viewer(&viewer).await;
            }
        }
        for l in &live {
            l.finish(End::Left);
        }
        if let Some(id) = &which.id {
            lock(&self.made).remove(id);
        }
        json!({"stopped": puppets.len().max(live.len())})
    }

    fn sessions(&self) -> Value {
        let client = |n: &Notice| json!({"address": n.client.address, "port": n.client.port, "real_ip": n.client.real_ip, "user_agent": n.client.user_agent});
        let publishers: Vec<Value> = self
            .engine
            .all_live()
            .iter()
            .map(|l| {
                let n = &l.admitted.notice;
                json!({"vhost": l.admitted.vhost, "app": l.admitted.app, "stream": l.admitted.stream, "protocol": n.protocol.word(), "url": n.url,
                    "client": client(n), "listed": l.is_listed(), "age_ms": l.started.elapsed().as_millis() as u64, "last_received": time::ome(l.last_received().1)})
            })
            .collect();
        let viewers: Vec<Value> = self
            .engine
            .all_viewers()
            .iter()
            .map(|v| {
                let n = &v.admitted.notice;
                json!({"stream": v.admitted.stream, "protocol": n.protocol.word(), "url": n.url, "client": client(n), "session": v.session, "connections": lock(&v.connections).len()})
            })
            .collect();
        let made: Vec<Value> = lock(&self.made)
            .iter()
            .map(|(id, p)| json!({"id": id, "kind": if p.publish.is_some() { "publisher" } else { "viewer" }, "live": lock(&p.live).as_ref().is_some_and(|l| !l.is_over()) || lock(&p.viewer).is_some()}))
            .collect();
        json!({"publishers": publishers, "viewers": viewers, "made": made})
    }

    async fn order(self: &Arc<Self>, path: &str, sent: &[u8]) -> Result<Value, String> {
        fn read<T: serde::de::DeserializeOwned>(sent: &[u8]) -> Result<T, String> {
            let sent = if sent.is_empty() { b"{}" } else { sent };
            serde_json::from_slice(sent).map_err(|e| e.to_string())
        }
        Ok(match path {
            "publish" => self.publish(read(sent)?).await,
            "watch" => self.watch(read(sent)?).await,
            "stop" => self.stop(&read(sent)?).await,
            "freeze" => {
                let which: Which = read(sent)?;
                let (_, live) = self.targets(&which);
                live.iter()
                    .for_each(|l| l.freeze(which.frozen.unwrap_or(true)));
                json!({"frozen": live.len()})
            }
            "tracks" => {
                let which: Which = read(sent)?;
                let (_, live) = self.targets(&which);
                let tracks = which.tracks.clone().ok_or("tracks are missing")?;
                live.iter().for_each(|l| *lock(&l.tracks) = tracks.clone());
                json!({"changed": live.len()})
            }
            "ice" => {
                let ice: Ice = read(sent)?;
                self.engine.media.shut(!ice.open);
                json!({"open": ice.open})
            }
            // As SIGKILL: nobody is told anything.
            "crash" => std::process::exit(139),
            "sessions" => self.sessions(),
            "hooks" => json!({"hooks": self.engine.recorded()}),
            _ => {
                return Err(
                    "publish, watch, stop, freeze, tracks, ice, crash, sessions, hooks".to_owned(),
                );
            }
        })
    }
}

impl Service for Control {
    type Conn = SocketAddr;

    fn opened(&self, peer: SocketAddr) -> SocketAddr {
        peer
    }

    async fn handle(self: Arc<Self>, peer: Arc<SocketAddr>, mut req: Req) -> Res {
        let path = req.uri().path().trim_matches('/').to_owned();
        if path == "media" && ws::wanted(&req) {
            let engine = Arc::clone(&self.engine);
            return ws::accept(&mut req, move |socket| async move {
                engine.media.attach(*peer, socket).await;
            });
        }
        match path.as_str() {
            "media" => return reply(200, "text/html; charset=utf-8", MEDIA_PAGE),
            "media.js" => return reply(200, "text/javascript", MEDIA_SCRIPT),
            "film.js" => return reply(200, "text/javascript", FILM),
            _ => {}
        }
        let sent = body(req).await;
        match self.order(&path, &sent).await {
            Ok(value) => reply(200, "application/json", spelling::sorted(&value)),
            Err(error) => reply(
                400,
                "application/json",
                spelling::sorted(&json!({"error": error})),
            ),
        }
    }
}
