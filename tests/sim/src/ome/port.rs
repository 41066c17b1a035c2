//! Port 3333: LLHLS, WHIP and WebRTC signalling behind few workers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyper::Method;
use tokio::sync::Mutex as Turn;

use super::config::App;
use super::engine::{End, Engine, Live, lock};
use super::hooks::{Client, Direction, Notice, Protocol};
use super::llhls::{self, Cut, Kind};
use super::watching::{self, Master};
use super::{sdp, signalling, tracks};
use crate::common::http::{Req, Res, Service, body, header, reply, set};
use crate::common::text::{query, random_name};
use crate::common::ws;

/// The shared port.
pub struct Port {
    engine: Arc<Engine>,
    /// What waits for the controller holds one of these, and everybody on it.
    workers: Vec<Arc<Turn<()>>>,
    next: AtomicUsize,
    whip: Mutex<HashMap<String, Arc<Live>>>,
}

/// One TCP connection.
pub struct Conn {
    id: u64,
    peer: SocketAddr,
    worker: Arc<Turn<()>>,
}

impl Port {
    /// The port of an engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        let workers = (0..engine.config.http_workers)
            .map(|_| Arc::default())
            .collect();
        Self {
            engine,
            workers,
            next: AtomicUsize::new(0),
            whip: Mutex::default(),
        }
    }

    fn client(conn: &Conn, req: &Req) -> Client {
        let mut client = Client::plain(conn.peer.ip().to_string(), conn.peer.port());
        watching::identify(&mut client, &|name| header(req, name));
        client
    }

    async fn route(&self, conn: &Conn, mut req: Req) -> Res {
        let host = header(&req, "host").unwrap_or_default().to_owned();
        let domain = host
            .rsplit_once(':')
            .map_or(host.as_str(), |(h, _)| h)
            .to_owned();
        let path = req.uri().path().to_owned();
        let typed = req
            .uri()
            .path_and_query()
            .map(|p| p.as_str().to_owned())
            .unwrap_or_default();
        let asked = req.uri().query().unwrap_or_default().to_owned();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let whip = query(&asked, "direction").as_deref() == Some("whip");
        if ws::wanted(&req) {
            let viewer = signalling::Caller {
                engine: Arc::clone(&self.engine),
                client: Self::client(conn, &req),
                url: format!("ws://{host}{typed}"),
                query: asked,
                worker: Arc::clone(&conn.worker),
            };
            return ws::accept(&mut req, move |socket| signalling::talk(viewer, socket));
        }
        match (req.method().clone(), parts.as_slice()) {
            (Method::OPTIONS, _) => {
                let mut res = reply(200, "", "");
                set(
                    &mut res,
                    "access-control-allow-methods",
                    "GET, HEAD, POST, PATCH, DELETE, OPTIONS",
                );
                set(&mut res, "access-control-allow-headers", "*");
                res
            }
            (Method::POST, [_, _]) if whip => {
                let client = Self::client(conn, &req);
                self.whip(conn, req, client, format!("http://{host}{typed}"), &path)
                    .await
            }
            (Method::DELETE, [_, _, id]) => match lock(&self.whip).remove(*id) {
                Some(live) => {
                    live.finish(End::Left);
                    reply(200, "", "")
                }
                None => empty(404),
            },
            (Method::GET | Method::HEAD, [app, stream, file]) => {
                let client = Self::client(conn, &req);
                if file.ends_with(".m3u8") && !file.starts_with("chunklist_") {
                    self.master(conn, client, format!("http://{host}{typed}"), file)
                        .await
                } else {
                    self.guarded(conn, &domain, (app, stream, file), &asked)
                        .await
                }
            }
            _ => empty(404),
        }
    }

    async fn whip(&self, conn: &Conn, req: Req, client: Client, url: String, path: &str) -> Res {
        if !header(&req, "content-type").is_some_and(|t| t.starts_with("application/sdp")) {
            return empty(415);
        }
        let offer = body(req).await;
        let offer = String::from_utf8_lossy(&offer);
        if !offer.starts_with("v=0") {
            return reply(400, "text/plain", "Could not parse SDP");
        }
        let notice = Notice {
            direction: Direction::Incoming,
            protocol: Protocol::WebRtc,
            client,
            url,
            new_url: None,
        };
        let turn = conn.worker.lock().await;
        let published = self.engine.publish(notice, tracks::ordinary(), true).await;
        drop(turn);
        match published {
            Err(denied) if denied.duplicate => reply(500, "text/plain", "Could not publish stream"),
            Err(denied) if denied.by_hook => reply(401, "text/plain", "AdmissionWebhooks error"),
            Err(denied) => reply(404, "text/plain", denied.reason),
            Ok(live) => {
                let id = random_name(8).replace(['-', '_'], "x");
                lock(&self.whip).insert(id.clone(), Arc::clone(&live));
                // No media will come: as with the real one, that ends it after the timeout.
                let timeout = self
                    .engine
                    .app(&live.admitted.vhost, &live.admitted.app)
                    .and_then(|(_, a)| a.whip)
                    .unwrap_or(30_000);
                let doomed = Arc::clone(&live);
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(timeout)).await;
                    doomed.finish(End::Silent);
                });
                let mut res = reply(
                    201,
                    "application/sdp",
                    sdp::answer(&self.engine.config, &offer),
                );
                set(&mut res, "location", &format!("{path}/{id}?direction=whip"));
                set(&mut res, "etag", &format!("\"{}\"", random_name(12)));
                res
            }
        }
    }

    async fn master(&self, conn: &Conn, client: Client, url: String, file: &str) -> Res {
        let turn = conn.worker.lock().await;
        let admitted = match watching::ask_llhls(&self.engine, client, url).await {
            Ok(admitted) => admitted,
            Err(denied) if denied.by_hook => return empty(401),
            Err(_) => return empty(404),
        };
        drop(turn);
        let live = match watching::master(
            &self.engine,
            &admitted.vhost,
            &admitted.app,
            &admitted.stream,
        ) {
            Master::Absent => return empty(404),
            Master::Early => return empty(201),
            Master::Found(_) if file != "llhls.m3u8" => return empty(404),
            Master::Found(live) => live,
        };
        let Some(config) = self
            .engine
            .app(&admitted.vhost, &admitted.app)
            .and_then(|(_, a)| a.llhls.clone())
        else {
            return empty(404);
        };
        let last = Cut::of(&live, &config).parts() - 1;
        if !llhls::wait_for(&live, &config, 0, last).await {
            return unanswered().await;
        }
        let session = if config.origin_mode {
            String::new()
        } else {
            watching::llhls_session(&self.engine, admitted, Arc::clone(&live), conn.id)
                .session
                .clone()
        };
        playlist(llhls::master(&live, &session))
    }

    /// Chunklists, initialisations, segments and parts.
    async fn guarded(
        &self,
        conn: &Conn,
        domain: &str,
        (app, stream, file): (&str, &str, &str),
        asked: &str,
    ) -> Res {
        // A worker that waits for the controller keeps everybody on it waiting.
        drop(conn.worker.lock().await);
        let Some(vhost) = self.engine.config.vhost_of(domain, false) else {
            return empty(404);
        };
        let found = self.engine.stream(&vhost.name, app, stream).zip(
            self.engine
                .app(&vhost.name, app)
                .and_then(|(_, a): (_, &App)| a.llhls.clone()),
        );
        let Some((live, config)) = found else {
            return empty(404);
        };
        let session = if config.origin_mode {
            String::new()
        } else {
            let Some(viewer) = query(asked, "session")
                .and_then(|key| self.engine.session(&key))
                .filter(|v| v.live.id == live.id)
            else {
                return empty(401);
            };
            if lock(&viewer.expires).is_some_and(|at| Instant::now() >= at) {
                return empty(401);
            }
            lock(&viewer.connections).insert(conn.id);
            viewer.session.clone()
        };
        let Some(name) = Name::read(file) else {
            return empty(404);
        };
        let cut = Cut::of(&live, &config);
        match name {
            Name::Chunklist(kind) => {
                let blocking = query(asked, "_HLS_msn").and_then(|m| m.parse::<u64>().ok());
                let (mut segment, mut part) = match blocking {
                    Some(msn) => (
                        msn,
                        query(asked, "_HLS_part")
                            .and_then(|p| p.parse().ok())
                            .unwrap_or(cut.parts() - 1),
                    ),
                    // The first list of a new stream has two segments.
                    None => (1, cut.parts() - 1),
                };
                if part >= cut.parts() {
                    (segment, part) = (segment + 1, 0);
                }
                let waited = !cut.has(segment, part);
                if !llhls::wait_for(&live, &config, segment, part).await {
                    return unanswered().await;
                }
                let mut res = playlist(llhls::chunklist(&live, &config, kind, &session));
                if blocking.is_some() && waited {
                    set(&mut res, "cache-control", "max-age=60");
                }
                res
            }
            Name::Init(kind) => video(llhls::clip(&live, kind).init.clone()),
            Name::Segment(kind, segment) if segment < cut.segments() && segment >= cut.oldest() => {
                video(llhls::media(
                    &live,
                    kind,
                    segment * cut.segment,
                    (segment + 1) * cut.segment,
                ))
            }
            Name::Part(kind, segment, part)
                if segment >= cut.oldest()
                    && part < cut.parts()
                    && (segment, part) <= cut.next() =>
            {
                if !llhls::wait_for(&live, &config, segment, part).await {
                    return unanswered().await;
                }
                let (from, to) = cut.part(segment, part);
                video(llhls::media(&live, kind, from, to))
            }
            _ => empty(404),
        }
    }
}

/// The files of a stream.
enum Name {
    Chunklist(Kind),
    Init(Kind),
    Segment(Kind, u64),
    Part(Kind, u64, u64),
}

impl Name {
    fn read(file: &str) -> Option<Self> {
        let stem = file
            .strip_suffix("_llhls.m4s")
            .or_else(|| file.strip_suffix("_llhls.m3u8"))?;
        let parts: Vec<&str> = stem.split('_').collect();
        let kind = |number: &str, word: &str| match (number, word) {
            ("0", "video") => Some(Kind::Video),
            ("1", "audio") => Some(Kind::Audio),
            _ => None,
        };
        Some(match parts.as_slice() {
            ["chunklist", n, word, _] => Self::Chunklist(kind(n, word)?),
            ["init", n, word, _] => Self::Init(kind(n, word)?),
            ["seg", n, segment, word, _] => Self::Segment(kind(n, word)?, segment.parse().ok()?),
            ["part", n, segment, part, word, _] => {
                Self::Part(kind(n, word)?, segment.parse().ok()?, part.parse().ok()?)
            }
            _ => return None,
        })
    }
}

fn empty(status: u16) -> Res {
    reply(status, "text/html", "")
}

fn playlist(text: String) -> Res {
    let mut res = reply(200, "application/vnd.apple.mpegurl", text);
    set(&mut res, "cache-control", "no-cache, no-store");
    res
}

fn video(bytes: bytes::Bytes) -> Res {
    reply(200, "video/mp4", bytes)
}

/// A held request of a stream that ended: there is no answer, ever.
async fn unanswered() -> Res {
    std::future::pending().await
}

impl Service for Port {
    type Conn = Conn;

    fn opened(&self, peer: SocketAddr) -> Conn {
        let at = self.next.fetch_add(1, Ordering::Relaxed) % self.workers.len().max(1);
        Conn {
            id: self.engine.number(),
            peer,
            worker: self.workers.get(at).cloned().unwrap_or_default(),
        }
    }

    async fn handle(self: Arc<Self>, conn: Arc<Conn>, req: Req) -> Res {
        let cors = self
            .engine
            .config
            .vhosts
            .iter()
            .flat_map(|v| &v.apps)
            .any(|a| a.llhls.as_ref().is_some_and(|l| l.cors));
        let mut res = self.route(&conn, req).await;
        if cors && res.status() != 101 {
            set(&mut res, "access-control-allow-origin", "*");
            set(&mut res, "access-control-expose-headers", "Location, ETag");
        }
        res
    }

    fn closed(self: Arc<Self>, conn: Arc<Conn>) {
        tokio::spawn(async move { self.engine.connection_closed(conn.id).await });
    }
}
