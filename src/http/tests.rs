#![expect(clippy::unwrap_used)]

mod hostile;

use std::path::PathBuf;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderValue;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;
use crate::access::{AdmissionKeys, TicketKey, random};
use crate::model::Token;
use crate::reconcile::ServiceStatus;
use crate::settings::*;
use crate::store::{Admin, AdminRole, AdminSession, ApiToken, Scope};

fn settings() -> Settings {
    Settings {
        hosts: Hosts {
            live: "live.tld".into(),
            admin: "admin.live.tld".into(),
            video: "video.live.tld".into(),
        },
        tls: Tls::LocalCa,
        public_address: Some("203.0.113.7".into()),
        images: Images {
            traefik: "t:1".into(),
            ovenmediaengine: "o:1".into(),
            mirotalk: "m:1".into(),
        },
        ports: Ports {
            bind: None,
            http_bind: None,
            http: 80,
            https: 443,
            rtmp: 1935,
            rtmps: Some(1936),
            srt: 9999,
            ice_udp: PortRange {
                first: 10_000,
                last: 10_003,
            },
            ice_tcp: 10_000,
            relay: 3478,
            call: PortRange {
                first: 40_000,
                last: 40_001,
            },
            pages: 8080,
            internal: 8000,
        },
        conference: Conference {
            flavour: Flavour::Sfu,
            max_participants: 12,
            stun: None,
            turn: None,
        },
        profiles: vec![Profile {
            name: "live".into(),
            title: "Live".into(),
            min_bitrate: None,
            chunk_seconds: 0.5,
            segment_seconds: 1,
            audio_bitrate: 128_000,
        }],
        engine: EngineSettings {
            address: "unix:///x".into(),
            timeout: Duration::from_secs(5),
            logins: None,
        },
        instance: "colourstream".into(),
        // Nothing can be made there.
        state: PathBuf::from("/proc/no-state"),
        templates: None,
        reconcile: Reconcile {
            mode: Mode::Heal,
            sweep: Duration::from_secs(30),
        },
        trusted_proxies: Vec::new(),
        backup: crate::settings::Backup {
            every: None,
            keep: 7,
            folder: None,
            passphrase_file: None,
        },
        log: LogSettings {
            level: "info".into(),
            json: false,
        },
    }
}

struct House {
    app: App,
    pages: Router,
    internal: Router,
    status: watch::Sender<Arc<Status>>,
    commands: mpsc::Receiver<Command>,
    settings: watch::Sender<Arc<Settings>>,
}

/// A controller with people of each role, without an engine.
fn house() -> House {
    let store = Arc::new(Store::in_memory().unwrap());
    let people = [
        ("anna", AdminRole::Owner),
        ("ben", AdminRole::Producer),
        ("bea", AdminRole::Producer),
        ("cleo", AdminRole::Ops),
    ];
    for (name, role) in people {
        let now = Timestamp::now();
        let admin = Admin {
            id: Id::kept(name),
            name: name.into(),
            role,
            password: String::new(),
            version: 1,
            created_at: now,
        };
        store.insert_admin(&admin, false).unwrap();
        let session = AdminSession {
            id: Id::kept(name),
            admin: Id::kept(name),
            created_at: now,
            last_seen: now,
            address: String::new(),
            agent: String::new(),
        };
        store
            .insert_admin_session(&session, Token::given(name).digest(), "")
            .unwrap();
    }
    house_of(store)
}

fn house_of(store: Arc<Store>) -> House {
    let clock = Arc::new(Timestamp::now);
    let keys = AdmissionKeys {
        hook: Secret::new("hook-secret".into()),
        tickets: TicketKey::new(Secret::new("t".into())),
    };
    let access = Access::new(Arc::clone(&store), keys, clock).unwrap();
    let (settings, settings_in) = watch::channel(Arc::new(settings()));
    let (status, status_in) = watch::channel(Arc::new(Status::default()));
    let (commands_out, commands) = mpsc::channel(8);
    let keeper = Keeper::new(
        Arc::clone(&store),
        settings_in.clone(),
        None,
        Arc::new(Timestamp::now),
    );
    let app = App::new(Parts {
        store,
        access,
        settings: settings_in,
        status: status_in,
        commands: commands_out,
        stack: Arc::new(NoStack),
        mint: Arc::new(|seat, _| Secret::new(format!("jwt-{}", seat.as_str()))),
        mirotalk_hook: Secret::new("hook-path".into()),
        keeper,
    })
    .unwrap();
    House {
        pages: pages(app.clone()),
        internal: internal(app.clone()),
        app,
        status,
        commands,
        settings,
    }
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }
}

async fn send(router: &Router, request: Request) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

/// A request as a browser sends it from our own page.
struct Ask(axum::http::request::Builder, Body);

fn ask(method: &str, host: &str, path: &str) -> Ask {
    let request = axum::http::Request::builder()
        .method(method)
        .uri(path)
        .header("host", format!("{host}:8443"))
        .header("x-forwarded-for", "198.51.100.9")
        .header("origin", format!("https://{host}"))
        .header("sec-fetch-site", "same-origin");
    Ask(request, Body::empty())
}

impl Ask {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.0
            .headers_mut()
            .unwrap()
            .insert(name, HeaderValue::from_str(value).unwrap());
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.0.headers_mut().unwrap().remove(name);
        self
    }

    fn by(self, who: &str) -> Self {
        if who.is_empty() {
            self
        } else {
            self.with("cookie", &format!("__Host-cs_admin={who}"))
        }
    }

    fn json(self, body: &Value) -> Self {
        let mut ask = self.with("content-type", "application/json");
        ask.1 = Body::from(body.to_string());
        ask
    }

    async fn to(self, router: &Router) -> Answer {
        send(router, self.0.body(self.1).unwrap()).await
    }
}

const ADMIN: &str = "admin.live.tld";
const LIVE: &str = "live.tld";
const VIDEO: &str = "video.live.tld";

impl House {
    async fn admin(&self, who: &str, method: &str, path: &str, body: Value) -> Answer {
        let ask = ask(method, ADMIN, path).by(who).with("if-match", "*");
        let ask = if body.is_null() { ask } else { ask.json(&body) };
        ask.to(&self.pages).await
    }

    async fn live(&self, cookie: &str, method: &str, path: &str, body: Value) -> Answer {
        let ask = ask(method, LIVE, path).with("cookie", cookie);
        let ask = if body.is_null() { ask } else { ask.json(&body) };
        ask.to(&self.pages).await
    }

    fn call_is_safe(&self) {
        self.is_healthy(Role::Mirotalk);
    }

    fn is_healthy(&self, role: Role) {
        let service = ServiceStatus {
            role,
            container: "c".into(),
            image: "m:1".into(),
            image_id: None,
            simulated: false,
            running: "running".into(),
            health: "healthy".into(),
            current: true,
            version: None,
            since: None,
            why: String::new(),
            last_change: None,
            pulling: None,
        };
        self.status.send_replace(Arc::new(Status {
            services: vec![service],
            ..Status::default()
        }));
    }

    /// A room with a viewer's link: its JSON, and the link's token.
    async fn room(&self, who: &str, title: &str) -> (Value, String) {
        let answer = self
            .admin(
                who,
                "POST",
                "/api/v1/rooms",
                json!({"title": title, "link": {"name": "Ann", "role": "viewer"}}),
            )
            .await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let made = answer.json();
        let token = made["link"]["url"]
            .as_str()
            .unwrap()
            .split_once("/j#")
            .unwrap()
            .1
            .to_owned();
        (made["room"].clone(), token)
    }

    async fn enter(&self, token: &str) -> (String, Value) {
        let answer = self
            .live("", "POST", "/api/v1/session/link", json!({"token": token}))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let cookie = answer
            .header("set-cookie")
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        (cookie, answer.json())
    }

    async fn forward_auth(&self, host: &str, uri: &str, cookie: &str) -> u16 {
        let request = axum::http::Request::builder()
            .uri("/internal/forward-auth")
            .header("x-forwarded-host", host)
            .header("x-forwarded-uri", uri)
            .header("cookie", cookie)
            .header("origin", "https://video.live.tld");
        send(&self.internal, request.body(Body::empty()).unwrap())
            .await
            .status
    }

    /// What forward-auth says to the portal's own player.
    async fn player(&self, uri: &str, cookie: &str, origin: &str) -> u16 {
        let request = axum::http::Request::builder()
            .uri("/internal/forward-auth")
            .header("x-forwarded-host", ADMIN)
            .header("x-forwarded-uri", uri)
            .header("cookie", cookie)
            .header("origin", origin);
        send(&self.internal, request.body(Body::empty()).unwrap())
            .await
            .status
    }

    async fn hook(&self, direction: &str, protocol: &str, url: &str) -> Value {
        let body = json!({"client": {"address": "172.17.0.1", "port": 1, "real_ip": "172.17.0.1"}, "request": {"direction": direction,
            "protocol": protocol, "status": "opening", "time": Timestamp::now().to_string(), "url": url}})
        .to_string();
        self.signed("/internal/ome/admission", body).await.json()
    }

    /// As OvenMediaEngine sends it.
    async fn signed(&self, path: &str, body: String) -> Answer {
        use base64::Engine as _;
        use hmac::{KeyInit as _, Mac as _};
        let mut mac = hmac::Hmac::<sha1::Sha1>::new_from_slice(b"hook-secret").unwrap();
        mac.update(body.as_bytes());
        let signature =
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        let request = axum::http::Request::builder()
            .method("POST")
            .uri(path)
            .header("x-ome-signature", signature);
        send(&self.internal, request.body(Body::from(body)).unwrap()).await
    }
}

#[tokio::test]
async fn every_admin_route_refuses_strangers_wrong_roles_and_other_sites() {
    use admin::{Needs, routes};
    let house = house();
    let (room, _) = house.room("ben", "Reel").await;
    for route in routes() {
        let path = route
            .path
            .replace("{id}", room["id"].as_str().unwrap())
            .replace("{role}", "traefik")
            .replace("{slug}", "reel-2")
            .replace("{link}", "x")
            .replace("{*path}", "x");
        let method = route.method.as_str();
        let named = format!("{method} {path}");
        // Nobody.
        let answer = ask(method, ADMIN, &path)
            .with("if-match", "*")
            .to(&house.pages)
            .await;
        match route.needs {
            Needs::Nobody => assert_ne!(answer.kind_or_none(), "not-logged-in", "{named}"),
            _ => assert_eq!(
                (answer.status, answer.kind()),
                (401, "not-logged-in".into()),
                "{named}"
            ),
        }
        let answer = ask(method, ADMIN, &path)
            .with("authorization", "Bearer nonsense")
            .to(&house.pages)
            .await;
        assert_eq!(answer.status, 401, "{named}");
        // Another site, with the owner's cookie.
        if !route.method.is_safe() {
            for (name, value) in [
                ("origin", "https://live.tld"),
                ("origin", "null"),
                ("sec-fetch-site", "same-site"),
                ("sec-fetch-site", "cross-site"),
            ] {
                let answer = ask(method, ADMIN, &path)
                    .by("anna")
                    .with(name, value)
                    .to(&house.pages)
                    .await;
                assert_eq!(
                    (answer.status, answer.kind()),
                    (403, "cross-site".into()),
                    "{named} {name}: {value}"
                );
            }
            let answer = ask(method, ADMIN, &path)
                .by("anna")
                .without("origin")
                .to(&house.pages)
                .await;
            assert_eq!(answer.kind(), "cross-site", "{named}");
        }
        // The wrong role.
        for who in ["ben", "cleo"] {
            let allowed = match route.needs {
                Needs::Nobody
                | Needs::Any
                | Needs::Person
                | Needs::RoomsRead
                | Needs::StackRead => true,
                Needs::RoomsWrite | Needs::RoomsSecret => who == "ben",
                Needs::StackWrite | Needs::Owner => false,
            };
            if !allowed {
                let answer = ask(method, ADMIN, &path)
                    .by(who)
                    .with("if-match", "*")
                    .to(&house.pages)
                    .await;
                assert_eq!(
                    (answer.status, answer.kind()),
                    (403, "not-allowed".into()),
                    "{named} {who}"
                );
            }
        }
        // The wrong host.
        let answer = ask(method, LIVE, &path).by("anna").to(&house.pages).await;
        assert!(
            answer.status == 404 || answer.status == 403,
            "{named} on the live host: {}",
            answer.status
        );
    }
}

impl Answer {
    fn kind_or_none(&self) -> String {
        serde_json::from_str::<Value>(&self.body)
            .ok()
            .and_then(|body| body["type"].as_str().map(str::to_owned))
            .unwrap_or_default()
    }
}

#[tokio::test]
async fn a_producer_has_their_own_rooms_and_no_others() {
    let house = house();
    let (room, _) = house.room("ben", "Reel").await;
    let path = format!("/api/v1/rooms/{}", room["id"].as_str().unwrap());
    for (who, expected) in [("anna", 200), ("ben", 200), ("bea", 404), ("cleo", 200)] {
        assert_eq!(
            house.admin(who, "GET", &path, Value::Null).await.status,
            expected,
            "{who}"
        );
    }
    for (who, expected) in [("anna", 1), ("ben", 1), ("bea", 0), ("cleo", 1)] {
        let list = house
            .admin(who, "GET", "/api/v1/rooms", Value::Null)
            .await
            .json();
        assert_eq!(list["items"].as_array().unwrap().len(), expected, "{who}");
    }
    for (method, tail) in [
        ("POST", "/close"),
        ("GET", "/ingest"),
        ("GET", "/links"),
        ("POST", "/duplicate"),
        ("DELETE", ""),
        ("POST", "/preview"),
        ("GET", "/activity"),
    ] {
        assert_eq!(
            house
                .admin("bea", method, &format!("{path}{tail}"), Value::Null)
                .await
                .status,
            404,
            "{method} {tail}"
        );
    }
}

#[tokio::test]
async fn the_portals_player_needs_the_login_and_the_ticket_at_its_own_host() {
    let house = house();
    let (room, _) = house.room("ben", "Reel").await;
    let path = format!("/api/v1/rooms/{}/preview", room["id"].as_str().unwrap());
    let preview = house.admin("ben", "POST", &path, Value::Null).await.json();
    let webrtc = preview["webrtc"].as_str().unwrap();
    let (way, ticket) = webrtc
        .strip_prefix("wss://admin.live.tld")
        .unwrap()
        .split_once("?ticket=")
        .unwrap();
    assert_eq!(
        preview["llhls"],
        format!("https://admin.live.tld{way}/llhls.m3u8?ticket={ticket}")
    );
    // The webhook: the ticket, and no other.
    let asked = |ticket: &str| format!("ws://admin.live.tld{way}?ticket={ticket}");
    for (ticket, allowed) in [(ticket, true), ("pv.9.x", false), ("", false)] {
        let answer = house.hook("outgoing", "WebRTC", &asked(ticket)).await;
        assert_eq!(answer["allowed"], allowed, "{ticket}");
    }
    // Forward-auth: a login that may change this room, each time; the ticket
    // alone opens nothing, here or on the live host.
    for uri in [
        way.to_owned(),
        format!("{way}?ticket={ticket}"),
        format!("{way}/llhls.m3u8?ticket={ticket}"),
        format!("{way}/seg_0_0_video_x_llhls.m4s"),
    ] {
        for (who, expected) in [("anna", 200), ("ben", 200), ("bea", 403), ("cleo", 403)] {
            let cookie = format!("__Host-cs_admin={who}");
            assert_eq!(
                house.player(&uri, &cookie, "https://admin.live.tld").await,
                expected,
                "{who} {uri}"
            );
            assert_eq!(
                house.player(&uri, &cookie, "https://evil.example").await,
                403,
                "{who} {uri}"
            );
            assert_eq!(house.forward_auth(LIVE, &uri, &cookie).await, 401, "{uri}");
        }
        for cookie in ["", "__Host-cs_admin=nobody", "cs_admin=anna"] {
            assert_eq!(
                house.player(&uri, cookie, "https://admin.live.tld").await,
                401,
                "{cookie} {uri}"
            );
        }
    }
    // A login that ended shows nothing more.
    let logged_out = house
        .admin("ben", "POST", "/api/v1/logout", Value::Null)
        .await;
    assert_eq!(logged_out.status, 204);
    let cookie = "__Host-cs_admin=ben";
    assert_eq!(
        house.player(way, cookie, "https://admin.live.tld").await,
        401
    );
}

#[tokio::test]
async fn the_quality_profiles_are_told_with_what_they_mean() {
    let house = house();
    for who in ["anna", "ben", "cleo"] {
        let answer = house
            .admin(who, "GET", "/api/v1/profiles", Value::Null)
            .await;
        assert_eq!(
            answer.json(),
            json!({"items": [{"name": "live", "title": "Live", "min_bitrate": null,
                "chunk_seconds": 0.5, "segment_seconds": 1, "audio_bitrate": 128_000}]}),
            "{who}"
        );
    }
}

#[tokio::test]
async fn ops_see_no_secret() {
    let house = house();
    let (room, _) = house.room("ben", "Reel").await;
    let id = room["id"].as_str().unwrap();
    let key = house
        .admin(
            "ben",
            "GET",
            &format!("/api/v1/rooms/{id}/ingest"),
            Value::Null,
        )
        .await
        .json()["key"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(key.starts_with("sk_"));
    for path in ["", "/links", "/activity", "/impact?action=close"] {
        let answer = house
            .admin(
                "cleo",
                "GET",
                &format!("/api/v1/rooms/{id}{path}"),
                Value::Null,
            )
            .await;
        assert_eq!(answer.status, 200);
        assert!(
            !answer.body.contains(&key) && !answer.body.contains("#"),
            "{path}: {}",
            answer.body
        );
    }
}

#[tokio::test]
async fn from_a_title_to_a_picture_and_a_call_and_out_again() {
    let house = house();
    house.call_is_safe();
    let (room, token) = house.room("ben", "Größe {{ .Env }} <b>").await;
    let (_, other) = house.room("ben", "Other").await;
    assert_eq!(room["slug"], "groesse-env-b");
    let id = room["id"].as_str().unwrap();
    let stream = room["stream"].as_str().unwrap();

    // The encoder comes in by its key, under the room's stream.
    let key = house
        .admin(
            "ben",
            "GET",
            &format!("/api/v1/rooms/{id}/ingest"),
            Value::Null,
        )
        .await
        .json()["key"]
        .as_str()
        .unwrap()
        .to_owned();
    let publish = house
        .hook("incoming", "RTMP", &format!("rtmp://h:1935/live/{key}"))
        .await;
    assert_eq!(
        publish,
        json!({"allowed": true, "new_url": format!("rtmp://h:1935/live/{stream}"), "lifetime": 0})
    );
    assert_eq!(
        house
            .hook("incoming", "SRT", "srt://default/live/sk_wrong1")
            .await["allowed"],
        false
    );

    // A viewer comes in by the link, watches, and joins the call.
    let (cookie, visit) = house.enter(&token).await;
    assert!(cookie.starts_with("__Host-cs_session="));
    assert_eq!(
        (
            visit["state"].as_str(),
            visit["me"]["name"].as_str(),
            visit["me"]["role"].as_str()
        ),
        (Some("waiting"), Some("Ann"), Some("viewer"))
    );
    assert_eq!(visit["invited_by"], "ben");
    let webrtc = visit["playback"]["webrtc"].as_str().unwrap();
    assert!(
        webrtc.starts_with(&format!("wss://live.tld/live/{stream}?ticket=")),
        "{webrtc}"
    );
    assert_eq!(
        house
            .hook("outgoing", "WebRTC", &webrtc.replace("wss", "ws"))
            .await["allowed"],
        true
    );
    assert_eq!(
        house
            .forward_auth(
                "live.tld:8443",
                &format!("/live/{stream}/llhls.m3u8"),
                &cookie
            )
            .await,
        200
    );

    // Another room's link opens nothing here.
    let (stranger, visit_there) = house.enter(&other).await;
    let theirs = visit_there["playback"]["webrtc"]
        .as_str()
        .unwrap()
        .split_once('?')
        .unwrap()
        .1;
    assert_eq!(
        house
            .hook(
                "outgoing",
                "WebRTC",
                &format!("ws://h/live/{stream}?{theirs}")
            )
            .await["allowed"],
        false
    );
    assert_eq!(
        house
            .forward_auth("live.tld", &format!("/live/{stream}/llhls.m3u8"), &stranger)
            .await,
        401
    );

    let call = house
        .live(
            &cookie,
            "POST",
            "/api/v1/session/groesse-env-b/call",
            Value::Null,
        )
        .await
        .json();
    let url = call["url"]
        .as_str()
        .unwrap()
        .strip_prefix("https://video.live.tld")
        .unwrap()
        .to_owned();
    let entered = ask("GET", VIDEO, &url).to(&house.pages).await;
    assert_eq!(entered.status, 303);
    assert!(
        entered
            .header("location")
            .starts_with(&format!("/join?room={stream}&name=Ann&"))
            && entered.header("location").ends_with("token=jwt-viewer")
    );
    let call_cookie = entered
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(ask("GET", VIDEO, &url).to(&house.pages).await.status, 403);
    assert_eq!(
        house
            .forward_auth(VIDEO, &format!("/join?room={stream}"), &call_cookie)
            .await,
        200
    );
    assert_eq!(
        house
            .forward_auth(VIDEO, "/join?room=another", &call_cookie)
            .await,
        403
    );
    assert_eq!(
        house
            .forward_auth(VIDEO, "/socket.io/?EIO=4", &call_cookie)
            .await,
        200
    );

    // Closed: nobody publishes, watches, joins.
    let closed = house
        .admin(
            "ben",
            "POST",
            &format!("/api/v1/rooms/{id}/close"),
            Value::Null,
        )
        .await
        .json();
    assert_eq!(closed["state"], "closed");
    assert_ne!(closed["stream"], room["stream"]);
    assert_eq!(
        house
            .hook("incoming", "RTMP", &format!("rtmp://h:1935/live/{key}"))
            .await["allowed"],
        false
    );
    assert_eq!(
        house
            .hook("outgoing", "WebRTC", &webrtc.replace("wss", "ws"))
            .await["allowed"],
        false
    );
    assert_eq!(
        house
            .forward_auth(LIVE, &format!("/live/{stream}/llhls.m3u8"), &cookie)
            .await,
        404
    );
    assert_eq!(
        house
            .forward_auth(VIDEO, "/socket.io/?EIO=4", &call_cookie)
            .await,
        403
    );
    let visit = house
        .live(&cookie, "GET", "/api/v1/session/groesse-env-b", Value::Null)
        .await
        .json();
    assert_eq!(
        (visit["state"].as_str(), &visit["playback"]),
        (Some("closed"), &Value::Null)
    );
    assert_eq!(
        house
            .live(
                &cookie,
                "POST",
                "/api/v1/session/groesse-env-b/call",
                Value::Null
            )
            .await
            .kind(),
        "room-closed"
    );
    assert_eq!(
        house
            .live("", "POST", "/api/v1/session/link", json!({"token": token}))
            .await
            .kind(),
        "room-closed"
    );

    // Open again: the same browser is still a guest, under the new stream.
    house
        .admin(
            "ben",
            "POST",
            &format!("/api/v1/rooms/{id}/open"),
            Value::Null,
        )
        .await;
    let visit = house
        .live(&cookie, "GET", "/api/v1/session/groesse-env-b", Value::Null)
        .await
        .json();
    assert_eq!(visit["state"], "waiting");
    // Everybody out for good.
    house
        .admin(
            "ben",
            "POST",
            &format!("/api/v1/rooms/{id}/rotate-stream"),
            Value::Null,
        )
        .await;
    assert_eq!(
        house
            .live(&cookie, "GET", "/api/v1/session/groesse-env-b", Value::Null)
            .await
            .kind(),
        "session-ended"
    );
    assert_eq!(
        house
            .live("", "POST", "/api/v1/session/link", json!({"token": token}))
            .await
            .kind(),
        "link-revoked"
    );
}

#[tokio::test]
async fn the_call_stays_shut_while_mirotalk_is_not_proved_safe() {
    let house = house();
    let (room, token) = house.room("ben", "Reel").await;
    let (cookie, visit) = house.enter(&token).await;
    assert_eq!(visit["call"]["available"], false);
    assert_eq!(
        house
            .live(&cookie, "POST", "/api/v1/session/reel/call", Value::Null)
            .await
            .kind(),
        "call-unavailable"
    );
    let uri = format!("/join?room={}", room["stream"].as_str().unwrap());
    assert_eq!(house.forward_auth(VIDEO, &uri, &cookie).await, 503);
}

#[tokio::test]
async fn a_lost_update_is_refused() {
    let house = house();
    let (room, _) = house.room("ben", "Reel").await;
    let path = format!("/api/v1/rooms/{}", room["id"].as_str().unwrap());
    let patch = |etag: &str, title: &str| {
        let ask = ask("PATCH", ADMIN, &path)
            .by("ben")
            .json(&json!({"title": title}));
        if etag.is_empty() {
            ask
        } else {
            ask.with("if-match", etag)
        }
    };
    let etag = room["etag"].as_str().unwrap();
    assert_eq!(patch("", "A").to(&house.pages).await.status, 428);
    let changed = patch(&format!("\"{etag}\""), "A").to(&house.pages).await;
    assert_eq!(
        (changed.status, changed.json()["title"].as_str()),
        (200, Some("A"))
    );
    assert_eq!(
        patch(etag, "B").to(&house.pages).await.kind(),
        "changed-meanwhile"
    );
    assert_eq!(patch("nonsense", "B").to(&house.pages).await.status, 412);
}

#[tokio::test]
async fn what_a_person_typed_wrong_is_said_by_field() {
    let house = house();
    house.room("ben", "Reel").await;
    for (body, field) in [
        (json!({"title": "  "}), "title"),
        (json!({"title": "x", "slug": "api"}), "slug"),
        (json!({"title": "x", "slug": "live"}), "slug"),
        (json!({"title": "x", "slug": "reel"}), "slug"),
        (json!({"title": "x", "profile": "cinema"}), "profile"),
        (json!({"title": "x", "passcode": "abc"}), "passcode"),
        (json!({"title": "x", "viewer_cap": 0}), "viewer_cap"),
        (
            json!({"title": "x", "allowed_addresses": ["10.0.0.0/40"]}),
            "allowed_addresses",
        ),
        (
            json!({"title": "x", "expires_at": "2020-01-01T00:00:00Z"}),
            "expires_at",
        ),
    ] {
        let answer = house
            .admin("ben", "POST", "/api/v1/rooms", body.clone())
            .await;
        assert!(matches!(answer.status, 409 | 422), "{body}");
        assert_eq!(answer.json()["field"], field, "{body}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    for body in [
        json!({}),
        json!({"title": 5}),
        json!({"title": "x", "colour": "red"}),
        json!([]),
    ] {
        assert_eq!(
            house
                .admin("ben", "POST", "/api/v1/rooms", body.clone())
                .await
                .kind(),
            "invalid",
            "{body}"
        );
    }
    let form = ask("POST", ADMIN, "/api/v1/rooms")
        .by("ben")
        .with("content-type", "text/plain")
        .to(&house.pages)
        .await;
    assert_eq!(form.kind(), "not-json");
}

#[tokio::test]
async fn null_empties_a_field_and_absence_keeps_it() {
    let house = house();
    let (room, _) = house.room("ben", "Reel").await;
    let path = format!("/api/v1/rooms/{}", room["id"].as_str().unwrap());
    let set = house
        .admin(
            "ben",
            "PATCH",
            &path,
            json!({"viewer_cap": 5, "passcode": "grade", "expires_at": "2099-01-01T00:00:00Z"}),
        )
        .await
        .json();
    assert_eq!(
        (&set["viewer_cap"], &set["has_passcode"]),
        (&json!(5), &json!(true))
    );
    let kept = house
        .admin("ben", "PATCH", &path, json!({"title": "Reel 2"}))
        .await
        .json();
    assert_eq!(
        (
            &kept["viewer_cap"],
            &kept["has_passcode"],
            &kept["expires_at"]
        ),
        (&json!(5), &json!(true), &set["expires_at"])
    );
    let emptied = house
        .admin(
            "ben",
            "PATCH",
            &path,
            json!({"viewer_cap": null, "passcode": null, "expires_at": null}),
        )
        .await
        .json();
    assert_eq!(
        (
            &emptied["viewer_cap"],
            &emptied["has_passcode"],
            &emptied["expires_at"]
        ),
        (&Value::Null, &json!(false), &Value::Null)
    );
}

#[tokio::test]
async fn a_room_is_archived_restored_and_deleted() {
    let house = house();
    let (room, token) = house.room("ben", "Reel").await;
    let path = format!("/api/v1/rooms/{}", room["id"].as_str().unwrap());
    assert_eq!(
        house
            .admin(
                "ben",
                "DELETE",
                &format!("{path}?forever=true"),
                Value::Null
            )
            .await
            .kind(),
        "refused"
    );
    assert_eq!(
        house
            .admin("ben", "DELETE", &path, Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(
        house
            .admin("ben", "GET", "/api/v1/rooms", Value::Null)
            .await
            .json()["items"],
        json!([])
    );
    assert_eq!(
        house
            .admin("ben", "GET", "/api/v1/rooms?archived=true", Value::Null)
            .await
            .json()["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        house
            .admin("ben", "POST", &format!("{path}/open"), Value::Null)
            .await
            .kind(),
        "refused"
    );
    assert_eq!(
        house
            .live("", "POST", "/api/v1/session/link", json!({"token": token}))
            .await
            .kind(),
        "room-closed"
    );
    let restored = house
        .admin("ben", "POST", &format!("{path}/restore"), Value::Null)
        .await
        .json();
    assert_eq!(
        (&restored["archived"], &restored["state"]),
        (&json!(false), &json!("closed"))
    );
    house.admin("ben", "DELETE", &path, Value::Null).await;
    assert_eq!(
        house
            .admin(
                "ben",
                "DELETE",
                &format!("{path}?forever=true"),
                Value::Null
            )
            .await
            .status,
        204
    );
    assert_eq!(
        house.admin("ben", "GET", &path, Value::Null).await.status,
        404
    );
    // Its activity outlives it.
    let audit = house
        .admin("anna", "GET", "/api/v1/audit", Value::Null)
        .await
        .json();
    let what: Vec<_> = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["what"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        what,
        [
            "room deleted: Reel",
            "room archived",
            "room restored",
            "room archived",
            "room made: Reel"
        ]
    );
}

#[tokio::test]
async fn a_former_name_leads_on() {
    let house = house();
    let (room, token) = house.room("ben", "Reel").await;
    let (cookie, _) = house.enter(&token).await;
    let path = format!("/api/v1/rooms/{}", room["id"].as_str().unwrap());
    house
        .admin("ben", "PATCH", &path, json!({"slug": "final-reel"}))
        .await;
    let answer = ask("GET", LIVE, "/reel").to(&house.pages).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (302, "/final-reel")
    );
    assert_eq!(
        house
            .live(&cookie, "GET", "/api/v1/session/reel", Value::Null)
            .await
            .json()["slug"],
        "final-reel"
    );
    let check = house
        .admin("ben", "GET", "/api/v1/slug/reel", Value::Null)
        .await
        .json();
    assert_eq!(check["free"], false);
    assert_eq!(
        house
            .admin("ben", "GET", "/api/v1/slug?title=Reel", Value::Null)
            .await
            .json()["slug"],
        "reel-2"
    );
}

#[tokio::test]
async fn a_passcode_opens_as_a_viewer_and_an_absent_one_never() {
    let house = house();
    house
        .admin(
            "ben",
            "POST",
            "/api/v1/rooms",
            json!({"title": "With", "passcode": "grade"}),
        )
        .await;
    house
        .admin("ben", "POST", "/api/v1/rooms", json!({"title": "Without"}))
        .await;
    let enter =
        |slug: &str, passcode: &str| json!({"slug": slug, "passcode": passcode, "name": "Bob"});
    let path = "/api/v1/session/passcode";
    let answer = house.live("", "POST", path, enter("with", "grade")).await;
    assert_eq!(
        (
            answer.json()["me"]["role"].as_str(),
            answer.json()["me"]["via"].as_str()
        ),
        (Some("viewer"), Some("passcode"))
    );
    for (slug, passcode) in [
        ("with", "grad"),
        ("with", ""),
        ("without", ""),
        ("nowhere", "grade"),
    ] {
        let refused = house.live("", "POST", path, enter(slug, passcode)).await;
        assert_eq!(
            (refused.status, refused.kind()),
            (403, "passcode-wrong".into()),
            "{slug} {passcode}"
        );
    }
    for _ in 0..4 {
        house.live("", "POST", path, enter("with", "guess")).await;
    }
    let refused = house.live("", "POST", path, enter("with", "grade")).await;
    assert_eq!(
        (refused.status, refused.kind()),
        (429, "too-many-tries".into())
    );
    assert!(refused.json()["retry_after"].as_i64().unwrap() > 0);
    // A page elsewhere cannot try for its reader.
    let foreign = ask("POST", LIVE, path)
        .with("origin", "https://evil.example")
        .json(&enter("with", "grade"))
        .to(&house.pages)
        .await;
    assert_eq!(foreign.kind(), "cross-site");
}

#[tokio::test]
async fn a_guest_says_their_name_and_leaves() {
    let house = house();
    let (room, _) = house.room("ben", "Reel").await;
    let links = format!("/api/v1/rooms/{}/links", room["id"].as_str().unwrap());
    let made = house
        .admin("ben", "POST", &links, json!({"role": "presenter"}))
        .await
        .json();
    let (cookie, visit) = house
        .enter(made["url"].as_str().unwrap().split_once('#').unwrap().1)
        .await;
    assert_eq!(
        (&visit["asks_name"], &visit["me"]["role"]),
        (&json!(true), &json!("presenter"))
    );
    let named = house
        .live(
            &cookie,
            "POST",
            "/api/v1/session/reel/name",
            json!({"name": " Zoë \u{202e}\n"}),
        )
        .await
        .json();
    assert_eq!(
        (&named["asks_name"], &named["me"]["name"]),
        (&json!(false), &json!("Zoë"))
    );
    let listed = house.admin("ben", "GET", &links, Value::Null).await.json();
    assert_eq!(listed["items"][1]["uses"], 1);
    assert!(!listed.to_string().contains("url"));
    assert_eq!(
        house
            .live(&cookie, "DELETE", "/api/v1/session/reel", Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(
        house
            .live(&cookie, "GET", "/api/v1/session/reel", Value::Null)
            .await
            .kind(),
        "session-ended"
    );
    let link = made["id"].as_str().unwrap();
    assert_eq!(
        house
            .admin("ben", "DELETE", &format!("{links}/{link}"), Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(
        house
            .admin("ben", "DELETE", &format!("{links}/nope"), Value::Null)
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn the_first_owner_comes_by_the_set_up_link_once() {
    let house = house_of(Arc::new(Store::in_memory().unwrap()));
    assert_eq!(
        house
            .admin("", "GET", "/api/v1/setup", Value::Null)
            .await
            .json(),
        json!({"needed": true})
    );
    let token = house.app.access.setup_token().unwrap().unwrap();
    let body =
        |token: &str| json!({"token": token, "name": "Anna", "password": "long enough for all"});
    let refused = house
        .admin("", "POST", "/api/v1/setup", body("guess"))
        .await;
    assert_eq!(refused.kind(), "setup-refused");
    // The way to another one, which adding somebody is not.
    let way = refused.json()["detail"].to_string();
    assert!(way.contains("`colourstream admin setup-link`"), "{way}");
    let done = house
        .admin("", "POST", "/api/v1/setup", body(token.expose()))
        .await;
    assert_eq!(done.status, 204);
    // Logged in at once.
    let cookie = done
        .header("set-cookie")
        .split(['=', ';'])
        .nth(1)
        .unwrap()
        .to_owned();
    assert_eq!(
        house
            .admin(&cookie, "GET", "/api/v1/me", Value::Null)
            .await
            .json()["role"],
        "owner"
    );
    assert_eq!(
        house
            .admin("", "POST", "/api/v1/setup", body(token.expose()))
            .await
            .kind(),
        "setup-refused"
    );
    assert_eq!(
        house
            .admin("", "GET", "/api/v1/setup", Value::Null)
            .await
            .json(),
        json!({"needed": false})
    );
    assert!(house.app.access.setup_token().unwrap().is_none());
}

/// What a room is, and what follows for everybody: the state a visitor sees,
/// and whether the encoder, the picture, the call and newcomers get in.
#[tokio::test]
async fn every_state_of_a_room_has_one_answer_for_everybody() {
    type Change = fn(&mut crate::model::Room, Timestamp);
    let states: [(&str, Change, bool, bool); 5] = [
        ("waiting", |_, _| {}, true, true),
        (
            "not-open",
            |room, now| room.opens_at = now.checked_add(SignedDuration::from_hours(1)).ok(),
            false,
            true,
        ),
        ("closed", |room, _| room.closed = true, false, false),
        (
            "expired",
            |room, now| room.expires_at = Some(now),
            false,
            false,
        ),
        ("archived", |room, _| room.archived = true, false, false),
    ];
    for (state, change, usable, enterable) in states {
        let house = house();
        house.call_is_safe();
        let (room, token) = house.room("ben", "Reel").await;
        let id = Id::kept(room["id"].as_str().unwrap());
        let (cookie, visit) = house.enter(&token).await;
        let watch = visit["playback"]["webrtc"]
            .as_str()
            .unwrap()
            .replace("wss", "ws");
        let media = watch.strip_prefix("ws://live.tld").unwrap();
        let key = house.app.store.room(&id).unwrap().key;
        let now = house.app.access.now();
        let changed = |room: &mut crate::model::Room| {
            change(room, now);
            Ok(crate::store::Visits::Keep)
        };
        house
            .app
            .store
            .change_room(&id, None, now, changed)
            .unwrap();
        house.app.access.refresh().unwrap();

        let publish = house
            .hook(
                "incoming",
                "RTMP",
                &format!("rtmp://h/live/{}", key.expose()),
            )
            .await;
        assert_eq!(publish["allowed"], usable, "publish, {state}");
        assert_eq!(
            house.hook("outgoing", "WebRTC", &watch).await["allowed"],
            usable,
            "watch, {state}"
        );
        assert_eq!(
            house.forward_auth(LIVE, media, &cookie).await == 200,
            usable,
            "media, {state}"
        );
        let call = house
            .live(&cookie, "POST", "/api/v1/session/reel/call", Value::Null)
            .await;
        assert_eq!(call.status == 200, usable, "call, {state}");
        let link = house
            .live("", "POST", "/api/v1/session/link", json!({"token": token}))
            .await;
        assert_eq!(link.status == 200, enterable, "enter, {state}");
        let seen = house
            .live(&cookie, "GET", "/api/v1/session/reel", Value::Null)
            .await;
        if state == "archived" {
            assert_eq!(seen.kind(), "session-ended");
        } else {
            assert_eq!(seen.json()["state"], state);
            assert_eq!(
                seen.json()["playback"].is_null(),
                !usable,
                "playback, {state}"
            );
        }
        let routes = house.app.store.open_rooms(now).unwrap();
        assert_eq!(routes.len(), usize::from(usable), "route, {state}");
    }
}

#[tokio::test]
async fn a_page_is_told_what_the_picture_is_like() {
    use crate::access::{SeenStream, StreamFacts};
    let house = house();
    let (room, token) = house.room("ben", "Reel").await;
    let (cookie, _) = house.enter(&token).await;
    let request = ask("GET", LIVE, "/api/v1/session/reel/events").with("cookie", &cookie);
    let response = house
        .pages
        .clone()
        .oneshot(request.0.body(request.1).unwrap())
        .await
        .unwrap();
    let mut events = response.into_body().into_data_stream();
    assert_eq!(until(&mut events, "visit").await["state"], "waiting");
    let detail = json!({"input": {"sourceType": "Rtmp", "tracks": [{"type": "Video", "video": {"codec": "H264", "framerate": 25.0, "hasBframes": true}}]}});
    let facts = StreamFacts::of(&detail, None, None, Timestamp::now());
    house.app.access.see_streams(vec![SeenStream {
        profile: "live".into(),
        name: room["stream"].as_str().unwrap().into(),
        facts,
    }]);
    assert_eq!(until(&mut events, "visit").await["state"], "live");
    assert_eq!(until(&mut events, "facts").await["video"]["b_frames"], true);
    let shown = house
        .admin(
            "ben",
            "GET",
            &format!("/api/v1/rooms/{}", room["id"].as_str().unwrap()),
            Value::Null,
        )
        .await
        .json();
    assert_eq!(shown["issues"][0]["fix"], "Set B-frames to 0.");
    // By it the portal opens a room.
    assert_eq!(shown["issues"][0]["subject"], shown["slug"]);
    assert_eq!(house.app.access.live_counts(), (1, 0, 0));
    // The encoder stops: what was known of it is taken back.
    house.app.access.see_streams(Vec::new());
    assert_eq!(until(&mut events, "visit").await["state"], "waiting");
    assert_eq!(until(&mut events, "facts").await, Value::Null);
}

/// What a refused link tells of its room: only one that was really made, and
/// the room's title only while the link holds.
#[tokio::test]
async fn a_refused_link_names_whom_to_ask_and_an_unknown_one_nobody() {
    let house = house();
    let (room, token) = house.room("ben", "Reel").await;
    let id = room["id"].as_str().unwrap().to_owned();
    let links = format!("/api/v1/rooms/{id}/links");
    let made = async |more: Value| {
        let made = house.admin("ben", "POST", &links, more).await.json();
        let url = made["url"].as_str().unwrap().to_owned();
        let token = url.split_once('#').unwrap().1.to_owned();
        (made["id"].as_str().unwrap().to_owned(), token)
    };
    let refused = async |token: &str| {
        let body = json!({"token": token});
        let answer = house.live("", "POST", "/api/v1/session/link", body).await;
        let problem = answer.json();
        let told = &problem["invitation"];
        [&problem["type"], &told["host"], &told["room"]].map(Value::clone)
    };
    let (_, used_up) = made(json!({"role": "viewer", "max_uses": 1})).await;
    house.enter(&used_up).await;
    assert_eq!(
        refused(&used_up).await,
        [json!("link-used-up"), json!("ben"), Value::Null]
    );
    let (link, revoked) = made(json!({"role": "viewer"})).await;
    house
        .admin("ben", "DELETE", &format!("{links}/{link}"), Value::Null)
        .await;
    assert_eq!(
        refused(&revoked).await,
        [json!("link-revoked"), json!("ben"), Value::Null]
    );
    assert_eq!(
        refused("nothing-like-this").await,
        [json!("link-unknown"), Value::Null, Value::Null]
    );
    house
        .admin(
            "ben",
            "POST",
            &format!("/api/v1/rooms/{id}/close"),
            Value::Null,
        )
        .await;
    assert_eq!(
        refused(&token).await,
        [json!("room-closed"), json!("ben"), json!("Reel")]
    );
}

/// A page knows whether the media server is well, whatever its own line says.
#[tokio::test]
async fn a_page_is_told_whether_the_picture_can_be_passed_on() {
    let house = house();
    let (_, token) = house.room("ben", "Reel").await;
    let (cookie, visit) = house.enter(&token).await;
    assert_eq!(visit["picture"]["available"], false);
    assert!(visit["picture"]["why"].is_string());
    house.is_healthy(Role::Ovenmediaengine);
    let visit = house
        .live(&cookie, "GET", "/api/v1/session/reel", Value::Null)
        .await
        .json();
    assert_eq!(
        visit["picture"],
        json!({"available": true, "why": null, "refused": null})
    );
}

/// Who is let in at the door and refused the picture is told so, by page and
/// by events, and told when that is over.
#[tokio::test]
async fn a_page_is_told_that_it_would_be_refused_the_picture() {
    let house = house();
    let (room, token) = house.room("ben", "Reel").await;
    let path = format!("/api/v1/rooms/{}", room["id"].as_str().unwrap());
    let (ann, _) = house.enter(&token).await;
    let (bob, _) = house.enter(&token).await;
    let links = format!("{path}/links");
    let made = house
        .admin("ben", "POST", &links, json!({"role": "presenter"}))
        .await
        .json();
    let host_token = made["url"].as_str().unwrap().split_once('#').unwrap().1;
    let (host, _) = house.enter(host_token).await;
    let refused = async |cookie: &str| {
        let visit = house
            .live(cookie, "GET", "/api/v1/session/reel", Value::Null)
            .await
            .json();
        visit["picture"]["refused"].clone()
    };
    let media = format!("/live/{}/llhls.m3u8", room["stream"].as_str().unwrap());
    assert_eq!(refused(&bob).await, Value::Null);
    house
        .admin("ben", "PATCH", &path, json!({"viewer_cap": 1}))
        .await;
    assert_eq!(house.forward_auth(LIVE, &media, &ann).await, 200);
    assert_eq!(refused(&ann).await, Value::Null);
    assert_eq!(refused(&bob).await, "full");
    assert_eq!(house.forward_auth(LIVE, &media, &bob).await, 403);
    // Whoever presents passes both doors.
    assert_eq!(refused(&host).await, Value::Null);
    assert_eq!(house.forward_auth(LIVE, &media, &host).await, 200);

    let request = ask("GET", LIVE, "/api/v1/session/reel/events").with("cookie", &bob);
    let response = house
        .pages
        .clone()
        .oneshot(request.0.body(request.1).unwrap())
        .await
        .unwrap();
    let mut events = response.into_body().into_data_stream();
    assert_eq!(
        until(&mut events, "visit").await["picture"]["refused"],
        "full"
    );
    let elsewhere = json!({"viewer_cap": null, "allowed_addresses": ["192.0.2.0/24"]});
    house.admin("ben", "PATCH", &path, elsewhere).await;
    assert_eq!(
        until(&mut events, "visit").await["picture"]["refused"],
        "network"
    );
    let here = json!({"allowed_addresses": ["192.0.2.0/24", "198.51.100.0/24"]});
    house.admin("ben", "PATCH", &path, here).await;
    assert_eq!(
        until(&mut events, "visit").await["picture"]["refused"],
        Value::Null
    );
}

#[tokio::test]
async fn an_alert_is_an_issue_of_its_room_at_once_and_ends_by_what_is_seen() {
    use crate::access::{SeenStream, StreamFacts};
    let house = house();
    let (room, _) = house.room("ben", "Reel").await;
    let stream = room["stream"].as_str().unwrap().to_owned();
    let issues = async || {
        let path = format!("/api/v1/rooms/{}", room["id"].as_str().unwrap());
        let shown = house.admin("ben", "GET", &path, Value::Null).await.json();
        let issues = shown["issues"].as_array().unwrap().clone();
        issues
            .iter()
            .map(|issue| format!("{} {}", issue["code"], issue["fix"]))
            .collect::<Vec<_>>()
    };
    // The contract's recorded body, about this room.
    let recorded = |stream: &str| {
        json!({"messages": [{"code": "INGRESS_HAS_BFRAME", "description": "There are B-Frames in the ingress stream"}],
            "serverInfo": {"hostname": "724e53e302e2", "ipAddresses": ["172.17.0.2"], "serverID": "3795de52", "serverName": "OvenMediaEngine"},
            "sourceInfo": {"createdTime": "2026-11-22T19:42:22.079+00:00", "name": stream, "sourceType": "Rtmp", "tracks": []},
            "sourceUri": format!("#default#live/{stream}"), "type": "INGRESS"})
        .to_string()
    };
    let unsigned = axum::http::Request::post("/internal/ome/alert")
        .header("x-ome-signature", "CnCJJp3jntJkwGYLLvx3vOrH2oA")
        .body(Body::from(recorded(&stream)))
        .unwrap();
    assert_eq!(send(&house.internal, unsigned).await.status, 401);
    assert!(issues().await.is_empty(), "nobody else complains");
    let alert = async |body: String| house.signed("/internal/ome/alert", body).await.status;
    assert_eq!(alert("no JSON".into()).await, 400);
    assert_eq!(alert("[]".into()).await, 200);
    assert_eq!(alert(recorded("strangers9")).await, 200);
    assert!(issues().await.is_empty());
    let told = [r#""encoder-settings" "Set B-frames to 0.""#];
    assert_eq!(alert(recorded(&stream)).await, 200);
    assert_eq!(issues().await, told);
    let look = |b_frames: bool| {
        let detail = json!({"input": {"createdTime": "2026-11-22T19:42:22.079+00:00", "tracks": [
            {"type": "Video", "video": {"codec": "H264", "hasBframes": b_frames}}, {"type": "Audio", "audio": {"codec": "AAC"}}]}});
        house.app.access.see_streams(vec![SeenStream {
            profile: "live".into(),
            name: stream.clone(),
            facts: StreamFacts::of(&detail, None, None, Timestamp::now()),
        }]);
    };
    look(true);
    assert_eq!(issues().await, told, "said once");
    look(false);
    assert!(issues().await.is_empty());
}

#[tokio::test]
async fn a_room_whose_profile_left_the_settings_says_so() {
    let house = house();
    let (room, _) = house.room("ben", "Reel").await;
    let path = format!("/api/v1/rooms/{}", room["id"].as_str().unwrap());
    let issues = async || {
        let shown = house.admin("ben", "GET", &path, Value::Null).await.json();
        shown["issues"].clone()
    };
    assert_eq!(issues().await, json!([]));
    house.settings.send_modify(|settings| {
        let mut changed = Settings::clone(settings);
        for profile in &mut changed.profiles {
            profile.name = "grading".into();
        }
        *settings = Arc::new(changed);
    });
    let found = issues().await;
    assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found[0]["code"], "profile-missing");
    assert_eq!(found[0]["severity"], "error");
    assert_eq!(
        found[0]["what"],
        "The room reel has the quality profile live, which the settings do not have"
    );
    assert_eq!(
        found[0]["fix"],
        "Give the room another profile (grading) on its page, or put live back under `profiles` in the settings"
    );
}

#[tokio::test]
async fn logging_in_takes_the_right_password_and_is_limited() {
    let house = house();
    let password = "correct horse battery";
    let made = house
        .admin(
            "anna",
            "POST",
            "/api/v1/admins",
            json!({"name": "Dora", "role": "ops", "password": password}),
        )
        .await;
    assert_eq!(made.status, 201);
    assert!(!made.body.contains("argon2"));
    let short = house
        .admin(
            "anna",
            "POST",
            "/api/v1/admins",
            json!({"name": "E", "role": "ops", "password": "short"}),
        )
        .await;
    assert_eq!(short.json()["field"], "password");
    let login = |name: &str, password: &str| json!({"name": name, "password": password});
    let wrong = house
        .admin("", "POST", "/api/v1/login", login("Dora", "wrong"))
        .await;
    let nobody = house
        .admin("", "POST", "/api/v1/login", login("Nobody", "wrong"))
        .await;
    assert_eq!((wrong.status, &wrong.body), (403, &nobody.body));
    let right = house
        .admin("", "POST", "/api/v1/login", login("dora", password))
        .await;
    assert_eq!(right.status, 204);
    let cookie = right.header("set-cookie").to_owned();
    assert!(
        cookie.starts_with("__Host-cs_admin=")
            && cookie.contains("; Path=/; HttpOnly; SameSite=Strict;")
            && cookie.ends_with("; Secure"),
        "{cookie}"
    );
    let token = cookie.split(['=', ';']).nth(1).unwrap().to_owned();
    assert_eq!(
        house
            .admin(&token, "GET", "/api/v1/me", Value::Null)
            .await
            .json()["name"],
        "Dora"
    );
    let sessions = house
        .admin(&token, "GET", "/api/v1/me/sessions", Value::Null)
        .await
        .json();
    assert_eq!(
        (
            &sessions["items"][0]["current"],
            &sessions["items"][0]["address"]
        ),
        (&json!(true), &json!("198.51.100.9"))
    );
    assert_eq!(
        house
            .admin(
                &token,
                "POST",
                "/api/v1/me/password",
                json!({"current": "wrong", "new": "another long one"})
            )
            .await
            .kind(),
        "login-wrong"
    );
    assert_eq!(
        house
            .admin(
                &token,
                "POST",
                "/api/v1/me/password",
                json!({"current": password, "new": "another long one"})
            )
            .await
            .status,
        204
    );
    assert_eq!(
        house
            .admin(&token, "POST", "/api/v1/logout", Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(
        house
            .admin(&token, "GET", "/api/v1/me", Value::Null)
            .await
            .status,
        401
    );
    for _ in 0..10 {
        house
            .admin("", "POST", "/api/v1/login", login("Dora", "wrong"))
            .await;
    }
    assert_eq!(
        house
            .admin(
                "",
                "POST",
                "/api/v1/login",
                login("Dora", "another long one")
            )
            .await
            .kind(),
        "too-many-tries"
    );
}

#[tokio::test]
async fn a_login_ends_when_it_was_idle_or_is_old() {
    let house = house();
    let now = Timestamp::now();
    let ago = |hours| now.checked_sub(SignedDuration::from_hours(hours)).unwrap();
    for (token, created_at, last_seen, expected) in [
        ("fresh", ago(1), ago(1), 200),
        ("idle", ago(20), ago(13), 401),
        ("old", ago(24 * 8), ago(0), 401),
    ] {
        let session = AdminSession {
            id: Id::kept(token),
            admin: Id::kept("anna"),
            created_at,
            last_seen,
            address: String::new(),
            agent: String::new(),
        };
        house
            .app
            .store
            .insert_admin_session(&session, Token::given(token).digest(), "")
            .unwrap();
        assert_eq!(
            house
                .admin(token, "GET", "/api/v1/me", Value::Null)
                .await
                .status,
            expected,
            "{token}"
        );
    }
}

#[tokio::test]
async fn the_portal_is_open_while_nothing_can_be_written() {
    let house = house();
    let made = house
        .admin(
            "anna",
            "POST",
            "/api/v1/tokens",
            json!({"name": "ci", "scopes": ["stack:read"]}),
        )
        .await
        .json();
    let bearer = format!("Bearer {}", made["secret"].as_str().unwrap());
    let store = &house.app.store;
    let sql = |sql: &str| store.behind(sql).unwrap();
    sql("UPDATE admin_sessions SET last_seen = last_seen - 120000");
    sql("PRAGMA query_only = ON");
    for _ in 0..2 {
        let answer = house
            .admin("anna", "GET", "/api/v1/status", Value::Null)
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let answer = ask("GET", ADMIN, "/api/v1/status")
            .with("authorization", &bearer)
            .to(&house.pages)
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    // A change says that it failed.
    let room = json!({"title": "Reel"});
    let answer = house.admin("anna", "POST", "/api/v1/rooms", room).await;
    assert_eq!(answer.status, 500, "{}", answer.body);
    // It is written down again once that works.
    sql("PRAGMA query_only = OFF");
    let last_seen = || {
        let (anna, long_ago) = (Id::kept("anna"), Timestamp::UNIX_EPOCH);
        let sessions = store.admin_sessions(&anna, long_ago, long_ago).unwrap();
        sessions[0].last_seen
    };
    let before = last_seen();
    let (id, long_ago) = (Id::kept("anna"), Timestamp::UNIX_EPOCH);
    let later = Timestamp::now()
        .checked_add(SignedDuration::from_mins(2))
        .unwrap();
    store.touch_admin_session(&id, later, long_ago, long_ago);
    assert!(last_seen() > before);
}

#[tokio::test]
async fn an_api_token_has_its_scopes_alone() {
    let house = house();
    let made = house
        .admin(
            "anna",
            "POST",
            "/api/v1/tokens",
            json!({"name": "ci", "scopes": ["rooms:read"]}),
        )
        .await
        .json();
    let bearer = format!("Bearer {}", made["secret"].as_str().unwrap());
    let by = async |method: &str, path: &str| {
        ask(method, ADMIN, path)
            .without("origin")
            .without("sec-fetch-site")
            .with("authorization", &bearer)
            .with("if-match", "*")
            .to(&house.pages)
            .await
            .status
    };
    assert_eq!(by("GET", "/api/v1/rooms").await, 200);
    assert_eq!(by("POST", "/api/v1/rooms").await, 403);
    assert_eq!(by("GET", "/api/v1/journal").await, 403);
    assert_eq!(by("GET", "/api/v1/admins").await, 403);
    assert!(
        !house
            .admin("anna", "GET", "/api/v1/tokens", Value::Null)
            .await
            .body
            .contains(made["secret"].as_str().unwrap())
    );
    let id = made["token"]["id"].as_str().unwrap();
    assert_eq!(
        house
            .admin(
                "anna",
                "DELETE",
                &format!("/api/v1/tokens/{id}"),
                Value::Null
            )
            .await
            .status,
        204
    );
    assert_eq!(by("GET", "/api/v1/rooms").await, 401);
    let old = ApiToken {
        id: Id::kept("old"),
        name: "old".into(),
        scopes: vec![Scope::StackWrite],
        created_at: Timestamp::UNIX_EPOCH,
        expires_at: Some(Timestamp::UNIX_EPOCH),
        last_used: None,
    };
    house
        .app
        .store
        .insert_api_token(&old, Token::given("old").digest())
        .unwrap();
    let answer = ask("GET", ADMIN, "/api/v1/status")
        .with("authorization", "Bearer old")
        .to(&house.pages)
        .await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn what_is_asked_of_the_loop_reaches_it() {
    let mut house = house();
    assert_eq!(
        house
            .admin("anna", "POST", "/api/v1/apply", json!({"now": true}))
            .await
            .status,
        202
    );
    assert_eq!(house.commands.recv().await, Some(Command::ApplyNow));
    assert_eq!(
        house
            .admin("anna", "POST", "/api/v1/mode", json!({"mode": "paused"}))
            .await
            .status,
        202
    );
    assert_eq!(
        house.commands.recv().await,
        Some(Command::Mode(Mode::Paused))
    );
    assert_eq!(
        house
            .admin("anna", "POST", "/api/v1/mode", json!({"mode": "off"}))
            .await
            .status,
        422
    );
}

#[tokio::test]
async fn an_owner_sees_the_backups_and_is_told_why_one_fails() {
    let house = house();
    let list = house
        .admin("anna", "GET", "/api/v1/backups", Value::Null)
        .await;
    assert_eq!(
        (list.status, list.json()["items"].clone()),
        (200, json!([]))
    );
    // A store in memory has no file to copy.
    let made = house
        .admin("anna", "POST", "/api/v1/backups", json!({}))
        .await;
    assert_eq!((made.status, made.kind()), (503, "backup-failed".into()));
    let list = house
        .admin("anna", "GET", "/api/v1/backups", Value::Null)
        .await
        .json();
    assert_eq!(list["items"][0]["who"], "anna", "{list}");
    assert_eq!(list["items"][0]["here"], false);
    assert!(list["items"][0]["error"].is_string(), "{list}");
    assert_eq!(list["failed"]["code"], "backup-failed");
}

#[tokio::test]
async fn the_control_socket_is_the_owner() {
    let house = house();
    let control = control(house.app.clone());
    let request = axum::http::Request::builder()
        .method("POST")
        .uri("/api/v1/rooms")
        .header("content-type", "application/json");
    let answer = send(
        &control,
        request
            .body(Body::from(r#"{"title":"From the shell"}"#))
            .unwrap(),
    )
    .await;
    assert_eq!(answer.status, 201);
    let answer = send(
        &control,
        axum::http::Request::get("/api/v1/me")
            .body(Body::empty())
            .unwrap(),
    )
    .await;
    assert_eq!(answer.json()["role"], "owner");
}

#[tokio::test]
async fn each_host_has_its_pages_and_strangers_none() {
    let house = house();
    for (host, path, status) in [
        (LIVE, "/", 200),
        (LIVE, "/some-room", 200),
        (LIVE, "/j", 200),
        (LIVE, "/left", 200),
        (ADMIN, "/", 200),
        (ADMIN, "/rooms/x", 200),
        (VIDEO, "/", 404),
        ("evil.example", "/", 404),
        (LIVE, "/assets/nope.js", 404),
        (LIVE, "/admin.html", 404),
        (LIVE, "/api/v1/nope", 404),
    ] {
        let answer = ask("GET", host, path).to(&house.pages).await;
        assert_eq!(answer.status, status, "{host}{path}");
    }
    let live = ask("GET", LIVE, "/").to(&house.pages).await;
    let policy = live.header("content-security-policy");
    for part in [
        "default-src 'self';",
        "script-src 'self';",
        "style-src 'self';",
        "img-src 'self';",
        "worker-src 'none';",
        "connect-src 'self' wss://live.tld;",
        "frame-src 'self' https://video.live.tld;",
        "frame-ancestors 'none';",
        "object-src 'none'",
    ] {
        assert!(policy.contains(part), "{part} in {policy}");
    }
    assert!(
        live.header("permissions-policy")
            .contains("camera=(self \"https://video.live.tld\")")
    );
    let left = ask("GET", LIVE, "/left").to(&house.pages).await;
    assert!(
        left.header("content-security-policy")
            .contains("frame-ancestors 'self'")
    );
    for page in ["/", "/j", "/some-room", "/left"] {
        let answer = ask("GET", LIVE, page).to(&house.pages).await;
        let policy = answer.header("content-security-policy");
        assert!(!policy.contains("unsafe"), "{page}: {policy}");
    }
    let admin = ask("GET", ADMIN, "/").to(&house.pages).await;
    let policy = admin.header("content-security-policy");
    for part in [
        "style-src 'self';",
        "connect-src 'self' wss://admin.live.tld;",
        "frame-src 'none';",
    ] {
        assert!(policy.contains(part), "{part} in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(
        ask("POST", LIVE, "/some-room")
            .to(&house.pages)
            .await
            .status,
        405
    );
}

#[tokio::test]
async fn the_internal_listener_answers_and_refuses() {
    let house = house();
    let get = async |path: &str| {
        send(
            &house.internal,
            axum::http::Request::get(path).body(Body::empty()).unwrap(),
        )
        .await
    };
    let post = async |path: &str, size: usize| {
        send(
            &house.internal,
            axum::http::Request::post(path)
                .body(Body::from(vec![b'x'; size]))
                .unwrap(),
        )
        .await
        .status
    };
    assert_eq!(get("/livez").await.status, 200);
    assert_eq!(get("/readyz").await.status, 503);
    house.status.send_replace(Arc::new(Status {
        at: Some(Timestamp::now()),
        ..Status::default()
    }));
    assert_eq!(get("/readyz").await.status, 200);
    assert_eq!(post("/internal/ome/admission", 10).await, 401);
    assert_eq!(
        post("/internal/ome/admission", problem::BODY_LIMIT + 1).await,
        413
    );
    assert_eq!(get("/internal/ome/admission").await.status, 405);
    assert_eq!(post("/internal/mirotalk/guess", 10).await, 404);
    assert_eq!(post("/internal/mirotalk/hook-path", 10).await, 200);
    let metrics = get("/metrics").await.body;
    assert!(
        metrics.contains("colourstream_admission_total{result=\"signature\"} 1"),
        "{metrics}"
    );
    assert!(
        metrics.contains("colourstream_admission_seconds_count 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn ingest_addresses_are_exact() {
    let house = house();
    let (room, _) = house.room("ben", "Reel").await;
    let id = room["id"].as_str().unwrap();
    let ingest = house
        .admin(
            "ben",
            "GET",
            &format!("/api/v1/rooms/{id}/ingest"),
            Value::Null,
        )
        .await
        .json();
    let key = ingest["key"].as_str().unwrap();
    assert_eq!(
        ingest["rtmp"],
        json!({"server": "rtmp://203.0.113.7:1935/live", "key": key, "url": format!("rtmp://203.0.113.7:1935/live/{key}")})
    );
    assert_eq!(ingest["rtmps"]["server"], "rtmps://live.tld:1936/live");
    assert_eq!(
        ingest["srt"]["url"],
        format!("srt://203.0.113.7:9999?streamid=default/live/{key}&latency=200000")
    );
    assert_eq!(
        ingest["whip"]["url"],
        format!("https://live.tld/live/{key}?direction=whip")
    );
    let rotated = house
        .admin(
            "ben",
            "POST",
            &format!("/api/v1/rooms/{id}/rotate-key"),
            Value::Null,
        )
        .await;
    assert!(!rotated.body.contains("sk_"));
    assert_eq!(
        house
            .hook("incoming", "RTMP", &format!("rtmp://h:1935/live/{key}"))
            .await["allowed"],
        false
    );
    let obs = house
        .admin(
            "ben",
            "GET",
            &format!("/api/v1/rooms/{id}/obs"),
            Value::Null,
        )
        .await;
    assert_eq!(
        (
            obs.header("content-type"),
            obs.header("content-disposition")
        ),
        (
            "application/zip",
            "attachment; filename=\"colourstream-reel.zip\""
        )
    );
    for said in [
        "\"bf\":0",
        "\"keyint_sec\":1",
        "BaseCX=1920\nBaseCY=1080\nOutputCX=1920\nOutputCY=1080\n",
        "ColorFormat=NV12\nColorSpace=709\nColorRange=Partial\n",
    ] {
        assert!(obs.body.contains(said), "{said} is not in {}", obs.body);
    }
}

#[tokio::test]
async fn impact_names_whom_it_interrupts() {
    let house = house();
    let (room, token) = house.room("ben", "Reel").await;
    let id = room["id"].as_str().unwrap();
    let path = format!("/api/v1/rooms/{id}/impact?action=close");
    assert_eq!(
        house.admin("ben", "GET", &path, Value::Null).await.json()["words"],
        "This interrupts nobody."
    );
    let (_, visit) = house.enter(&token).await;
    let place = Id::kept(visit["me"]["id"].as_str().unwrap());
    let _page = house.app.access.page(&Id::kept(id), &place);
    // Before the stream nobody watches; who has the page open is there all the same.
    let impact = house.admin("ben", "GET", &path, Value::Null).await.json();
    assert_eq!(
        (&impact["words"], &impact["names"], &impact["waiting"]),
        (&json!("1 person is waiting."), &json!(["Ann"]), &json!(1))
    );
    house
        .hook(
            "outgoing",
            "WebRTC",
            &visit["playback"]["webrtc"]
                .as_str()
                .unwrap()
                .replace("wss", "ws"),
        )
        .await;
    let impact = house.admin("ben", "GET", &path, Value::Null).await.json();
    assert_eq!(
        (&impact["words"], &impact["names"]),
        (&json!("1 person is watching."), &json!(["Ann"]))
    );
    // In the call as well: still one person.
    let stream = room["stream"].as_str().unwrap().to_owned();
    let talk = vec!["Ann".to_owned(), "Cleo".to_owned()];
    house.app.access.see_calls(vec![(stream, talk)]);
    let impact = house.admin("ben", "GET", &path, Value::Null).await.json();
    assert_eq!(
        impact["words"],
        "1 person is watching and in the call, and 1 person is in the call."
    );
    assert_eq!(
        (&impact["names"], &impact["people"], &impact["callers"]),
        (&json!(["Ann", "Cleo"]), &json!(2), &json!(2))
    );
    // A new key ends the picture; the call goes on.
    let path = format!("/api/v1/rooms/{id}/impact?action=rotate-key");
    let impact = house.admin("ben", "GET", &path, Value::Null).await.json();
    assert_eq!(
        (&impact["words"], &impact["names"]),
        (&json!("1 person is watching."), &json!(["Ann"]))
    );
}

#[tokio::test]
async fn a_room_names_who_is_there_and_by_which_link() {
    let house = house();
    let (room, token) = house.room("ben", "Reel").await;
    let path = format!("/api/v1/rooms/{}", room["id"].as_str().unwrap());
    let people = async || {
        let room = house.admin("ben", "GET", &path, Value::Null).await.json();
        room["live"]["people"].clone()
    };
    assert_eq!(people().await, json!([]));
    let (_, visit) = house.enter(&token).await;
    let place = Id::kept(visit["me"]["id"].as_str().unwrap());
    let page = house
        .app
        .access
        .page(&Id::kept(room["id"].as_str().unwrap()), &place);
    let links = house
        .admin("ben", "GET", &format!("{path}/links"), Value::Null)
        .await
        .json();
    assert_eq!(
        people().await,
        json!([{"name": "Ann", "role": "viewer", "link": links["items"][0]["id"], "watching": false, "in_call": false}])
    );
    drop(page);
    assert_eq!(people().await, json!([]));
}

/// The next event of a stream, as its name and its JSON.
async fn next_event(body: &mut axum::body::BodyDataStream) -> Vec<(String, Value)> {
    use futures_util::StreamExt as _;
    let chunk = tokio::time::timeout(Duration::from_secs(10), body.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let text = String::from_utf8(chunk.to_vec()).unwrap();
    text.split("\n\n")
        .filter_map(|event| {
            let line = |name: &str| {
                event
                    .lines()
                    .find_map(|line| line.strip_prefix(name))
                    .map(str::trim)
            };
            Some((
                line("event:")?.to_owned(),
                serde_json::from_str(line("data:")?).ok()?,
            ))
        })
        .collect()
}

async fn until(body: &mut axum::body::BodyDataStream, name: &str) -> Value {
    loop {
        if let Some((_, value)) = next_event(body)
            .await
            .into_iter()
            .find(|(found, _)| found == name)
        {
            return value;
        }
    }
}

#[tokio::test]
async fn a_page_is_told_of_closing_and_of_opening_again() {
    let house = house();
    let (room, token) = house.room("ben", "Reel").await;
    let id = room["id"].as_str().unwrap();
    let (cookie, _) = house.enter(&token).await;
    let request = ask("GET", LIVE, "/api/v1/session/reel/events").with("cookie", &cookie);
    let response = house
        .pages
        .clone()
        .oneshot(request.0.body(request.1).unwrap())
        .await
        .unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut events = response.into_body().into_data_stream();
    assert_eq!(until(&mut events, "visit").await["state"], "waiting");
    assert_eq!(
        until(&mut events, "presence").await["people"][0]["name"],
        "Ann"
    );
    house
        .admin(
            "ben",
            "POST",
            &format!("/api/v1/rooms/{id}/close"),
            Value::Null,
        )
        .await;
    assert_eq!(until(&mut events, "visit").await["state"], "closed");
    assert_eq!(until(&mut events, "ended").await["reason"], "room-closed");
    house
        .admin(
            "ben",
            "POST",
            &format!("/api/v1/rooms/{id}/open"),
            Value::Null,
        )
        .await;
    assert_eq!(until(&mut events, "visit").await["state"], "waiting");
    house
        .admin(
            "ben",
            "POST",
            &format!("/api/v1/rooms/{id}/rotate-stream"),
            Value::Null,
        )
        .await;
    assert_eq!(until(&mut events, "ended").await["reason"], "session-ended");
    // And the page no longer counts as here.
    drop(events);
    assert_eq!(house.app.streams.open(), 0);
}

#[tokio::test]
async fn the_portal_is_told_of_what_changes_and_only_of_what_it_may_see() {
    let house = house();
    house.room("ben", "Before").await;
    let open = async |who: &str| {
        let request = ask("GET", ADMIN, "/api/v1/events").by(who);
        house
            .pages
            .clone()
            .oneshot(request.0.body(request.1).unwrap())
            .await
            .unwrap()
            .into_body()
            .into_data_stream()
    };
    let (mut anna, mut bea) = (open("anna").await, open("bea").await);
    assert_eq!(until(&mut anna, "status").await["summary"], "starting");
    assert_eq!(until(&mut bea, "status").await["summary"], "starting");
    house.room("ben", "After").await;
    assert_eq!(until(&mut anna, "rooms").await[0]["title"], "After");
    house
        .app
        .store
        .journal_begin(
            Timestamp::now(),
            1,
            "traefik",
            "write file",
            "it was not there",
        )
        .unwrap();
    house.call_is_safe();
    let told = next_event(&mut bea).await;
    assert!(told.iter().all(|(name, _)| name != "rooms"), "{told:?}");
    assert_eq!(until(&mut anna, "journal").await[0]["what"], "write file");
}

#[tokio::test]
async fn a_room_deleted_for_ever_is_told_to_every_portal_that_saw_it() {
    let house = house();
    let (room, _) = house.room("ben", "Reel").await;
    let path = format!("/api/v1/rooms/{}", room["id"].as_str().unwrap());
    // Put away long ago: none of these pages ever heard of it.
    house.admin("ben", "DELETE", &path, Value::Null).await;
    let open = async |who: &str| {
        let request = ask("GET", ADMIN, "/api/v1/events").by(who);
        house
            .pages
            .clone()
            .oneshot(request.0.body(request.1).unwrap())
            .await
            .unwrap()
            .into_body()
            .into_data_stream()
    };
    let (mut anna, mut ben, mut bea) = (open("anna").await, open("ben").await, open("bea").await);
    for page in [&mut anna, &mut ben, &mut bea] {
        until(page, "status").await;
    }
    let gone = house
        .admin(
            "ben",
            "DELETE",
            &format!("{path}?forever=true"),
            Value::Null,
        )
        .await;
    assert_eq!(gone.status, 204);
    assert_eq!(until(&mut anna, "gone").await, json!([room["id"]]));
    assert_eq!(until(&mut ben, "gone").await, json!([room["id"]]));
    // Told once, and never to somebody who may not see it.
    house.room("bea", "Hers").await;
    for page in [&mut anna, &mut bea] {
        let told = next_event(page).await;
        assert!(told.iter().all(|(name, _)| name != "gone"), "{told:?}");
    }
}

#[tokio::test]
async fn a_thousand_pages_share_what_they_are_told() {
    let house = house();
    let (edited, _) = house.room("ben", "Edited").await;
    let (other, _) = house.room("ben", "Other").await;
    let app = &house.app;
    let id = |room: &Value| crate::model::Id::kept(room["id"].as_str().unwrap());
    let one = app.boards.now(app).await;
    let two = app.boards.now(app).await;
    assert!(Arc::ptr_eq(&one, &two), "one board for all pages");
    let path = format!("/api/v1/rooms/{}", edited["id"].as_str().unwrap());
    let answer = ask("PATCH", ADMIN, &path)
        .by("ben")
        .with("if-match", "*")
        .json(&json!({"title": "Told"}))
        .to(&house.pages)
        .await;
    assert_eq!(answer.status, 200);
    let after = app.boards.now(app).await;
    let text = |board: &super::board::Board, room: &Value| Arc::clone(&board.rooms[&id(room)].text);
    assert!(text(&after, &edited).contains("\"title\":\"Told\""));
    assert!(
        Arc::ptr_eq(&text(&one, &other), &text(&after, &other)),
        "what did not change is not kept twice"
    );
    assert!(Arc::ptr_eq(&one.status, &after.status));
}

#[tokio::test]
async fn the_document_of_the_api_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
    let document = openapi();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &document).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == document,
        "docs/openapi.json is not what the API is; run `UPDATE=1 cargo test --workspace --lib the_document_of_the_api` and look at the difference"
    );
    let value: Value = serde_json::from_str(&document).unwrap();
    // Every reference leads somewhere.
    for reference in document.split("\"$ref\": \"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(!value["components"]["schemas"][name].is_null(), "{name}");
    }
    // A figure has its unit, in words too.
    for (name, schema) in value["components"]["schemas"].as_object().unwrap() {
        for (field, told) in schema["properties"].as_object().into_iter().flatten() {
            let words = told["description"].as_str().unwrap_or_default();
            assert!(
                !field.ends_with("_ms") || words.to_lowercase().contains("milliseconds"),
                "{name}.{field}: {words}"
            );
        }
    }
}

/// The page has every route of the admin host, and who may use it.
#[test]
fn the_page_of_the_api_says_who_may_what() {
    use admin::{Needs, routes};
    let page = include_str!("../../docs/api.md");
    for route in routes() {
        let word = match route.needs {
            Needs::Nobody => "–",
            Needs::Any => "any",
            Needs::Person => "a person",
            Needs::StackRead => "any person, `stack:read`",
            Needs::StackWrite => "owner, `stack:write`",
            Needs::Owner => "owner",
            Needs::RoomsSecret => "producer, owner",
            // By the words above the table.
            Needs::RoomsRead | Needs::RoomsWrite => continue,
        };
        let path = route.path.replace("{*", "{");
        let in_row = [format!(" {path}`"), format!(" {path}?")];
        let row = page
            .lines()
            .find(|line| line.starts_with('|') && in_row.iter().any(|words| line.contains(words)));
        let row = row.unwrap_or_default();
        let role = row.split(" | ").nth(1).unwrap_or_default();
        assert_eq!(role, word, "{path}");
    }
}

#[tokio::test]
async fn randomness_is_not_repeated() {
    assert_ne!(random().expose(), random().expose());
}

/// Runs where the bundle was built; elsewhere there is nothing to see.
#[tokio::test]
async fn the_bundle_is_served_compressed_and_kept_for_ever() {
    let house = house();
    let page = ask("GET", LIVE, "/some-room")
        .with("accept-encoding", "gzip, br")
        .to(&house.pages)
        .await;
    let plain = ask("GET", LIVE, "/some-room").to(&house.pages).await;
    if !plain.body.contains("/assets/") {
        return;
    }
    assert_eq!(
        (page.header("cache-control"), plain.header("content-type")),
        ("no-cache", "text/html; charset=utf-8")
    );
    let path = plain
        .body
        .split('"')
        .find(|text| text.starts_with("/assets/") && text.ends_with(".js"))
        .unwrap()
        .to_owned();
    let script = ask("GET", LIVE, &path)
        .with("accept-encoding", "gzip, br")
        .to(&house.pages)
        .await;
    assert_eq!(script.header("content-encoding"), "br");
    assert_eq!(
        script.header("cache-control"),
        "public, max-age=31536000, immutable"
    );
    let again = ask("GET", LIVE, &path)
        .with("accept-encoding", "br")
        .with("if-none-match", script.header("etag"))
        .to(&house.pages)
        .await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let admin = ask("GET", ADMIN, "/").to(&house.pages).await;
    assert_ne!(admin.body, plain.body);
}
