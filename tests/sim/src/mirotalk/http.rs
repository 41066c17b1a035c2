//! Pages, the gate in front of them, and the doors to API and socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use hyper::Method;
use serde_json::{Value, json};

use super::rooms::House;
use super::settings::Flavour;
use super::socket::{talk, valid_room};
use super::{api, page, token};
use crate::common::http::{Req, Res, Service, body, header, reply, set};
use crate::common::{text, time, ws};

const HTML: &str = "text/html; charset=UTF-8";
const JSON: &str = "application/json; charset=utf-8";

/// The web server of one MiroTalk.
pub struct Web {
    /// Its settings and memory.
    pub house: Arc<House>,
}

fn redirect(to: &str) -> Res {
    let mut res = reply(
        302,
        "text/plain; charset=utf-8",
        format!("Found. Redirecting to {to}"),
    );
    set(&mut res, "location", to);
    res
}

fn message(status: u16, text: &str) -> Res {
    reply(status, JSON, json!({"message": text}).to_string())
}

impl Web {
    fn address(&self, peer: SocketAddr, req: &Req) -> String {
        let forwarded = header(req, "x-forwarded-for")
            .and_then(|v| v.split(',').next())
            .map(|v| v.trim().to_owned());
        forwarded
            .filter(|_| self.house.settings.trust_proxy)
            .unwrap_or_else(|| peer.ip().to_string())
    }

    fn gates(&self) -> bool {
        self.house.settings.host_protected || self.house.settings.user_auth
    }

    /// `/join?room=..`, the table of section 6.
    fn join(&self, query: &str) -> Res {
        let sfu = self.house.settings.flavour == Flavour::Sfu;
        let room = text::query(query, "room").unwrap_or_default();
        if room.is_empty() {
            return if sfu {
                redirect("/")
            } else {
                message(401, "Direct Room Join Missing mandatory room parameter!")
            };
        }
        if !valid_room(&room) {
            return if sfu {
                redirect("/")
            } else {
                message(400, "Invalid Room name! Path traversal pattern detected!")
            };
        }
        if let Some(token) = text::query(query, "token").filter(|t| !t.is_empty()) {
            let Some(inner) = self.house.open(&token) else {
                return message(401, "Invalid Token");
            };
            if !inner.is_known(&self.house.settings.accounts) {
                return reply(200, HTML, page::login(&self.house.settings));
            }
            if inner.presenter {
                self.house.memory().loose = Some(inner.username);
            }
            return reply(200, HTML, page::call(&self.house.settings));
        }
        self.without_token(&room)
    }

    fn without_token(&self, room: &str) -> Res {
        // HOST_PROTECTED alone guards pages; the other gate is the socket's.
        let open = !self.house.settings.host_protected;
        let memory = self.house.memory();
        if open || memory.rooms.contains_key(room) || memory.loose.is_some() {
            drop(memory);
            return reply(200, HTML, page::call(&self.house.settings));
        }
        match self.house.settings.flavour {
            Flavour::Sfu => redirect(&format!("/whoAreYou/{room}")),
            Flavour::P2p => message(401, "Direct Room Join Unauthorized"),
        }
    }

    fn log_in(&self, address: &str, sent: &[u8]) -> Res {
        let settings = &self.house.settings;
        {
            let mut memory = self.house.memory();
            let failures = memory.failures.entry(address.to_owned()).or_default();
            failures.retain(|t| t.elapsed() < Duration::from_secs(15 * 60));
            if failures.len() >= 5 {
                return message(
                    429,
                    "Too many failed login attempts, please try again later",
                );
            }
        }
        let asked: Value = serde_json::from_slice(sent).unwrap_or(Value::Null);
        let part = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default();
        let account = settings
            .accounts
            .iter()
            .find(|a| a.username == part("username") && a.password == part("password"));
        let mut memory = self.house.memory();
        match account {
            Some(account) => {
                memory.loose = Some(account.username.clone());
                drop(memory);
                message(
                    200,
                    &token::mint(
                        &settings.jwt_key,
                        account,
                        "true",
                        time::unix(SystemTime::now()),
                        3600,
                    ),
                )
            }
            None => {
                memory
                    .failures
                    .entry(address.to_owned())
                    .or_default()
                    .push(Instant::now());
                drop(memory);
                message(401, "unauthorized")
            }
        }
    }

    fn page(&self, path: &str, query: &str) -> Res {
        let settings = &self.house.settings;
        let sfu = settings.flavour == Flavour::Sfu;
        match path {
            "/join" | "/join/" => self.join(query),
            "/stats" => reply(200, JSON, json!({"enabled": settings.stats_enabled, "src": settings.stats_src, "id": self.house.id}).to_string()),
            "/login" if !self.gates() => redirect("/"),
            "/login" => reply(200, HTML, page::login(settings)),
            "/" | "/newroom" | "/newcall" | "/landing" | "/privacy" | "/about" => reply(200, HTML, page::plain(settings, "home")),
            "/activeRooms" | "/api/v1/activeRooms" if settings.show_active_rooms => {
                let rooms: Vec<Value> = self.house.memory().rooms.iter().map(|(n, r)| json!({"id": n, "peers": r.peers.len()})).collect();
                reply(200, JSON, json!(rooms).to_string())
            }
            "/config" if sfu => reply(200, JSON, json!({"message": {}}).to_string()),
            "/buttons" if !sfu => reply(200, JSON, json!({"message": {}}).to_string()),
            "/brand" | "/themes" | "/profile" => reply(200, JSON, json!({"message": {}}).to_string()),
            "/api/v1/docs" | "/api/v1/docs/" => reply(200, HTML, page::plain(settings, "docs")),
            "/socket.io/socket.io.js" => reply(200, "application/javascript; charset=utf-8", page::SOCKET_IO),
            "/js/call.js" => reply(200, "application/javascript; charset=utf-8", page::CALL),
            "/favicon.ico" => reply(200, "image/x-icon", ""),
            _ => {
                let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
                match parts.as_slice() {
                    ["join", room] => self.without_token(&text::percent_decode(room)),
                    ["whoAreYou", _] if sfu => reply(200, HTML, page::plain(settings, "whoAreYou")),
                    ["js" | "css" | "images" | "sounds" | "svg" | "lang" | "sfu", ..] => reply(404, HTML, page::plain(settings, "404")),
                    [room] => redirect(&format!("/join/{room}")),
                    _ => reply(404, HTML, page::plain(settings, "404")),
                }
            }
        }
    }

    async fn route(&self, peer: SocketAddr, mut req: Req) -> Res {
        let (method, path) = (req.method().clone(), req.uri().path().to_owned());
        let query = req.uri().query().unwrap_or_default().to_owned();
        let address = self.address(peer, &req);
        if path == "/socket.io" || path == "/socket.io/" {
            if text::query(&query, "EIO").as_deref() != Some("4") {
                return reply(
                    400,
                    JSON,
                    r#"{"code":5,"message":"Unsupported protocol version"}"#,
                );
            }
            if text::query(&query, "transport").as_deref() != Some("websocket") {
                return reply(400, JSON, r#"{"code":0,"message":"Transport unknown"}"#);
            }
            if !ws::wanted(&req) {
                return reply(400, JSON, r#"{"code":3,"message":"Bad request"}"#);
            }
            let house = Arc::clone(&self.house);
            return ws::accept(&mut req, move |socket| talk(house, socket, address));
        }
        if let Some(rest) = path.strip_prefix("/api/v1/") {
            let key = header(&req, "authorization").map(str::to_owned);
            let host = header(&req, "host").unwrap_or_default().to_owned();
            let sent = body(req).await;
            if let Some((status, value)) =
                api::answer(&self.house, &method, rest, key.as_deref(), &host, &sent)
            {
                return reply(status, JSON, value.to_string());
            }
            // P2P answers what it does not know with its page and a 200.
            if self.house.settings.flavour == Flavour::P2p && method != Method::GET {
                return reply(200, HTML, page::plain(&self.house.settings, "home"));
            }
            return if method == Method::GET {
                self.page(&path, &query)
            } else {
                reply(404, HTML, page::plain(&self.house.settings, "404"))
            };
        }
        if method == Method::POST && path == "/login" {
            let sent = body(req).await;
            return self.log_in(&address, &sent);
        }
        if method == Method::GET || method == Method::HEAD {
            return self.page(&path, &query);
        }
        if method == Method::OPTIONS {
            return reply(204, "", "");
        }
        reply(404, HTML, page::plain(&self.house.settings, "404"))
    }
}

impl Service for Web {
    type Conn = SocketAddr;

    fn opened(&self, peer: SocketAddr) -> SocketAddr {
        peer
    }

    async fn handle(self: Arc<Self>, peer: Arc<SocketAddr>, req: Req) -> Res {
        let fixed = ["/js/", "/css/", "/images/", "/sounds/", "/svg/", "/lang/"]
            .iter()
            .any(|p| req.uri().path().starts_with(p));
        let origin = header(&req, "origin").map(str::to_owned);
        let mut res = self.route(*peer, req).await;
        let settings = &self.house.settings;
        set(&mut res, "x-content-type-options", "nosniff");
        if !settings.embed.is_empty() {
            set(
                &mut res,
                "content-security-policy",
                &format!("frame-ancestors 'self' {}", settings.embed.join(" ")),
            );
        }
        if !fixed {
            let allowed = match settings.cors.as_slice() {
                [one] => Some(one.clone()),
                many => origin.filter(|o| many.contains(o)),
            };
            if let Some(allowed) = allowed {
                set(&mut res, "access-control-allow-origin", &allowed);
            }
        }
        res
    }
}
