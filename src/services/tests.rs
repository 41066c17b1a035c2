#![expect(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use base64::Engine as _;

use super::mirotalk::{Counts, EndOfMeeting, Meeting, Person};
use super::*;
use crate::model::Secret;

/// A server that answers as `answer` says; gives its port.
async fn serve<F>(answer: F) -> u16
where
    F: Fn(String, HeaderMap, String) -> Response + Clone + Send + Sync + 'static,
{
    let app = Router::new().fallback(any(
        move |method: axum::http::Method, uri: Uri, headers: HeaderMap, body: String| {
            let answer = answer.clone();
            async move { answer(format!("{method} {uri}"), headers, body) }
        },
    ));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    port
}

fn json(status: u16, body: &'static str) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json;charset=UTF-8")];
    (StatusCode::from_u16(status).unwrap(), kind, body).into_response()
}

fn secrets() -> Secrets {
    let secret = |text: &str| Secret::new(text.to_owned());
    Secrets {
        ome_api_token: secret("ome-access-token"),
        ome_hook_key: secret("hook"),
        mirotalk_jwt_key: secret("our-jwt-key"),
        mirotalk_api_key: secret("our-api-key"),
        mirotalk_viewer_password: secret("viewer-password"),
        mirotalk_host_password: secret("host-password"),
        mirotalk_hook_path: secret("path"),
        ticket_key: secret("ticket"),
        turn_credential: secret(""),
    }
}

fn settings(flavour: Flavour) -> Settings {
    use crate::settings::*;
    let port_range = PortRange { first: 1, last: 2 };
    Settings {
        hosts: Hosts {
            live: "live.test".to_owned(),
            admin: "admin.live.test".to_owned(),
            video: "video.live.test".to_owned(),
        },
        tls: Tls::LocalCa,
        public_address: None,
        images: Images {
            traefik: String::new(),
            ovenmediaengine: String::new(),
            mirotalk: String::new(),
        },
        ports: Ports {
            bind: None,
            http_bind: None,
            http: 80,
            https: 443,
            rtmp: 1935,
            rtmps: None,
            srt: 9999,
            ice_udp: port_range,
            ice_tcp: 10000,
            relay: 3478,
            call: port_range,
            pages: 8000,
            internal: 8001,
        },
        conference: Conference {
            flavour,
            max_participants: 12,
            stun: None,
            turn: None,
        },
        profiles: vec![Profile {
            name: "app".to_owned(),
            title: "Live".to_owned(),
            min_bitrate: None,
            chunk_seconds: 0.5,
            segment_seconds: 1,
            audio_bitrate: 128_000,
        }],
        engine: EngineSettings {
            address: String::new(),
            timeout: Duration::from_secs(5),
            logins: None,
        },
        instance: "colourstream".to_owned(),
        state: "state".into(),
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
            level: "info".to_owned(),
            json: false,
        },
    }
}

fn start() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

fn after(seconds: i64) -> Timestamp {
    start() + jiff::SignedDuration::from_secs(seconds)
}

fn subject(role: Role) -> Subject {
    Subject {
        role,
        container: "id".to_owned(),
        started_at: start(),
        address: IpAddr::from([127, 0, 0, 1]),
    }
}

/// All three on one port.
fn services(port: u16) -> Services {
    Services::new(ServicePorts {
        traefik: port,
        ovenmediaengine: port,
        mirotalk: Some(port),
    })
}

async fn look(services: &Services, role: Role, flavour: Flavour, at: Timestamp) -> (Health, Seen) {
    let seen = services
        .observe(&[subject(role)], &secrets(), &settings(flavour), at)
        .await;
    // As it is weighed when it stays like this.
    let health = match seen.heard[&role].clone() {
        Heard::Word(health) => health,
        Heard::Missed { why, is_starting } if is_starting => Health::Starting { why },
        Heard::Missed { why, .. } => Health::Unhealthy { why },
        Heard::Unasked { why } => unreachable!("nothing is lacking here: {why}"),
    };
    (health, seen)
}

// --- Traefik ---------------------------------------------------------------

fn traefik(errors: bool, marked: bool) -> impl Fn(String, HeaderMap, String) -> Response + Clone {
    move |request, _, _| {
        let path = request.split('?').next().unwrap_or_default().to_owned();
        match path.as_str() {
            "GET /ping" => "OK".into_response(),
            "GET /config-generation" if marked => {
                ([("X-Config-Generation", "abc123")], "OK").into_response()
            }
            "GET /api/version" if marked => json(200, r#"{"Version":"3.7.15","Codename":"x","startDate":"2026-11-22T10:00:00Z"}"#),
            "GET /api/overview" if marked && errors => json(200, r#"{"http":{"routers":{"total":17,"warnings":0,"errors":2}},"certificates":{"total":3,"warnings":0,"errors":0},"features":{},"providers":["File"]}"#),
            "GET /api/overview" if marked => json(200, r#"{"http":{"routers":{"total":17,"warnings":0,"errors":0}}}"#),
            // Two pages; priorities that no f64 holds.
            "GET /api/http/routers" if request.contains("page=2") => (
                [("X-Next-Page", "1")],
                r#"[{"name":"badrule@file","status":"disabled","error":["error while parsing rule"],"priority":9223372036854775807}]"#,
            )
                .into_response(),
            "GET /api/http/routers" => (
                [("X-Next-Page", "2")],
                r#"[{"name":"root@file","status":"enabled"},{"name":"nosvc@file","status":"disabled","error":["the service \"ghost@file\" does not exist"]}]"#,
            )
                .into_response(),
            "GET /api/http/services" | "GET /api/http/middlewares" | "GET /api/tcp/routers"
            | "GET /api/tcp/services" | "GET /api/udp/routers" => json(200, "[]"),
            _ => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

#[tokio::test]
async fn traefik_tells_version_and_the_generation_it_runs() {
    let services = services(serve(traefik(false, true)).await);
    let (health, seen) = look(&services, Role::Traefik, Flavour::Sfu, after(1)).await;
    assert_eq!(
        health,
        Health::Healthy {
            version: Some("3.7.15".to_owned()),
            generation: Some("abc123".to_owned())
        }
    );
    assert!(seen.issues.is_empty());
}

#[tokio::test]
async fn what_traefik_switched_off_is_told_while_the_rest_serves() {
    let services = services(serve(traefik(true, true)).await);
    let (health, seen) = look(&services, Role::Traefik, Flavour::Sfu, after(60)).await;
    assert!(matches!(health, Health::Healthy { .. }));
    let told: Vec<_> = seen.issues.iter().map(|issue| issue.why.as_str()).collect();
    assert_eq!(
        told,
        [
            "router nosvc@file: the service \"ghost@file\" does not exist",
            "router badrule@file: error while parsing rule"
        ]
    );
    assert_eq!(seen.issues[0].code, IssueCode::RouteRejected);
}

#[tokio::test]
async fn traefik_without_its_dynamic_file_is_starting_and_later_healthy_without_a_generation() {
    let services = services(serve(traefik(false, false)).await);
    let (early, _) = look(&services, Role::Traefik, Flavour::Sfu, after(1)).await;
    assert!(matches!(early, Health::Starting { .. }), "{early:?}");
    let (late, _) = look(&services, Role::Traefik, Flavour::Sfu, after(60)).await;
    assert_eq!(
        late,
        Health::Healthy {
            version: None,
            generation: None
        }
    );
}

#[tokio::test]
async fn nobody_there_is_starting_within_its_time_and_unhealthy_beyond() {
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let services = services(listener.local_addr().unwrap().port());
    drop(listener);
    for role in Role::ALL {
        let allowance = i64::try_from(start_allowance(role).as_secs()).unwrap();
        let (early, _) = look(&services, role, Flavour::Sfu, after(allowance - 1)).await;
        assert!(matches!(early, Health::Starting { .. }), "{early:?}");
        // Clocks differ a little, and a clock that was set back makes nothing young.
        let (ahead, _) = look(&services, role, Flavour::Sfu, after(-5)).await;
        assert!(matches!(ahead, Health::Starting { .. }), "{ahead:?}");
        let (back, _) = look(&services, role, Flavour::Sfu, after(-86_400)).await;
        assert!(matches!(back, Health::Unhealthy { .. }), "{back:?}");
        let (late, _) = look(&services, role, Flavour::Sfu, after(allowance)).await;
        let Health::Unhealthy { why } = late else {
            unreachable!("{late:?}")
        };
        assert!(
            why.contains(role.title()) && why.contains("does not answer"),
            "{why}"
        );
    }
}

#[tokio::test]
async fn a_service_that_never_answers_costs_two_seconds() {
    // Accepts by the backlog, says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let services = services(listener.local_addr().unwrap().port());
    let begun = std::time::Instant::now();
    let (health, _) = look(&services, Role::Ovenmediaengine, Flavour::Sfu, after(60)).await;
    assert!(matches!(health, Health::Unhealthy { .. }));
    assert!(
        begun.elapsed() < Duration::from_millis(2500),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_missed_and_one_that_is_no_answer_too() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = services(silent.local_addr().unwrap().port());
    let wrong = services(serve(|_, _, _| StatusCode::BAD_GATEWAY.into_response()).await);
    for services in [silent, wrong] {
        for role in Role::ALL {
            for (seconds, starting) in [(1, true), (60, false)] {
                let (_, seen) = look(&services, role, Flavour::Sfu, after(seconds)).await;
                let heard = &seen.heard[&role];
                let Heard::Missed { why, is_starting } = heard else {
                    unreachable!("{heard:?}")
                };
                assert!(why.starts_with(role.title()), "{why}");
                assert_eq!(*is_starting, starting, "{role}");
            }
        }
    }
    // An open door is said, not missed.
    let (open, _) = call(Flavour::Sfu, Wrong::GatesOff).await;
    let (_, seen) = look(&open, Role::Mirotalk, Flavour::Sfu, after(60)).await;
    let heard = &seen.heard[&Role::Mirotalk];
    assert!(
        matches!(heard, Heard::Word(Health::Unhealthy { .. })),
        "{heard:?}"
    );
}

#[test]
fn what_we_lack_ourselves_is_said_of_no_service() {
    /// As the client wraps it.
    #[derive(Debug, thiserror::Error)]
    #[error("connect error")]
    struct Wrapped(#[source] std::io::Error);
    let said = |code| http::away(&Wrapped(std::io::Error::from_raw_os_error(code)));
    // EMFILE, ENFILE, ENOMEM, ENOBUFS, EADDRNOTAVAIL.
    for code in [24, 23, 12, 105, 99] {
        let error = said(code);
        assert!(matches!(error, ServiceError::Unasked(_)), "{code}: {error}");
        let word = Word::failed(Role::Traefik, &error);
        assert!(
            matches!(word.heard, Heard::Unasked { .. }),
            "{:?}",
            word.heard
        );
    }
    // ECONNREFUSED, ECONNRESET, EHOSTUNREACH.
    for code in [111, 104, 113] {
        let error = said(code);
        assert!(matches!(error, ServiceError::Away(_)), "{code}: {error}");
    }
}

#[tokio::test]
async fn a_controller_that_was_held_up_blames_nobody() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let services = services(listener.local_addr().unwrap().port());
    // While it waits for the answer, nothing of us runs, as at a SIGSTOP.
    let stopped = tokio::spawn(async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        std::thread::sleep(Duration::from_millis(3_200));
    });
    let role = Role::Ovenmediaengine;
    let seen = services
        .observe(
            &[subject(role)],
            &secrets(),
            &settings(Flavour::Sfu),
            after(60),
        )
        .await;
    stopped.await.unwrap();
    let heard = &seen.heard[&role];
    assert!(matches!(heard, Heard::Unasked { .. }), "{heard:?}");
}

// --- OvenMediaEngine -------------------------------------------------------

const DETAIL: &str = r#"{"message":"OK","response":{"input":{"sourceType":"Rtmp","tracks":[]},"name":"room-one","outputs":[]},"statusCode":200}"#;
const STATS: &str = r#"{"message":"OK","response":{"avgThroughputIn":2855316,"avgThroughputOut":0,"connections":{"file":0,"hlsv3":0,"llhls":1,"ovt":0,"push":0,"srt":0,"thumbnail":0,"webrtc":3},"createdTime":"2026-11-22T19:42:22.079+00:00","lastRecvTime":"2026-11-22T19:42:26.682+00:00","lastSentTime":"2026-11-22T19:42:26.682+00:00","lastThroughputIn":359413,"lastThroughputOut":0,"lastUpdatedTime":"2026-11-22T19:42:26.682+00:00","maxThroughputIn":3390588,"maxThroughputOut":0,"maxTotalConnectionTime":"2026-11-22T19:42:26.682+00:00","maxTotalConnections":0,"totalBytesIn":1664782,"totalBytesOut":0,"totalConnections":0},"statusCode":200}"#;

fn ome(request: String, headers: HeaderMap, _: String) -> Response {
    match headers
        .get(header::AUTHORIZATION)
        .map(|value| value.to_str().unwrap())
    {
        Some("Basic b21lLWFjY2Vzcy10b2tlbg==") => {}
        None => {
            return json(
                401,
                r#"{"message":"[HTTP] Authorization header is required to call API (401)","statusCode":401}"#,
            );
        }
        _ => {
            return json(
                401,
                r#"{"message":"[HTTP] Invalid credential (401)","statusCode":401}"#,
            );
        }
    }
    match request.as_str() {
        "GET /v1/version" => json(
            200,
            r#"{"message":"OK","response":{"gitVersion":"v0.21.0","version":"0.21.0"},"statusCode":200}"#,
        ),
        "GET /v1/vhosts/default/apps/app/streams" => json(
            200,
            r#"{"message":"OK","response":["room-one"],"statusCode":200}"#,
        ),
        "GET /v1/vhosts/default/apps/app/streams/room-one" => json(200, DETAIL),
        "GET /v1/stats/current/vhosts/default"
        | "GET /v1/stats/current/vhosts/default/apps/app/streams/room-one" => json(200, STATS),
        "DELETE /v1/vhosts/default/apps/app/streams/room-one" => {
            json(200, r#"{"message":"OK","statusCode":200}"#)
        }
        "DELETE /v1/vhosts/default/apps/app" => json(
            403,
            r#"{"message":"[HTTP] The VirtualHost is read-only: [default] (403)","statusCode":403}"#,
        ),
        _ => json(
            404,
            r#"{"message":"[HTTP] Could not find the stream: [default/#default#app/sk_abc123] (404)","statusCode":404}"#,
        ),
    }
}

#[tokio::test]
async fn ovenmediaengine_counts_who_is_live() {
    let services = services(serve(ome).await);
    let (health, seen) = look(&services, Role::Ovenmediaengine, Flavour::Sfu, after(1)).await;
    assert_eq!(
        health,
        Health::Healthy {
            version: Some("0.21.0".to_owned()),
            generation: None
        }
    );
    assert_eq!(
        seen.live,
        Live {
            streams: 1,
            viewers: 3,
            callers: 0
        }
    );
}

#[tokio::test]
async fn a_foreign_token_is_named_as_such() {
    let services = services(serve(ome).await);
    let mut wrong = secrets();
    wrong.ome_api_token = Secret::new("other".to_owned());
    let seen = services
        .observe(
            &[subject(Role::Ovenmediaengine)],
            &wrong,
            &settings(Flavour::Sfu),
            after(60),
        )
        .await;
    let words = format!("{:?}", seen.heard);
    assert!(words.contains("refuses our token"), "{words}");
}

#[tokio::test]
async fn streams_are_listed_told_of_and_ended() {
    let services = services(serve(ome).await);
    let ome = services.ovenmediaengine(IpAddr::from([127, 0, 0, 1]), &secrets());
    assert_eq!(ome.streams("app").await.unwrap(), ["room-one"]);
    assert_eq!(ome.streams("nope").await.unwrap(), Vec::<String>::new());
    let stream = ome.stream("app", "room-one").await.unwrap().unwrap();
    assert_eq!(stream["input"]["sourceType"], "Rtmp");
    let stats = ome.stats("app", "room-one").await.unwrap().unwrap();
    assert_eq!(stats["lastThroughputIn"], 359_413);
    assert_eq!(ome.stream("app", "sk_abc123").await.unwrap(), None);
    assert_eq!(ome.stats("app", "sk_abc123").await.unwrap(), None);
    assert!(ome.end("app", "room-one").await.unwrap());
    assert!(!ome.end("app", "gone").await.unwrap());
}

// --- MiroTalk --------------------------------------------------------------

/// How the stand-in is wrong, if it is.
#[derive(Clone, Copy, PartialEq)]
enum Wrong {
    Nothing,
    /// Its file could not be read: built-in keys, gates set in Env.
    FileUnreadable,
    /// Both gates off.
    GatesOff,
    /// Our key, but an account it does not know.
    Account,
    /// Answers its API on the built-in key.
    DefaultApiKey,
    /// A presenter has opened a call: tokenless page loads.
    FlagFlipped,
}

/// Reads the inner account of a token minted with one of `keys`.
fn knows(token: &str, keys: &[&str]) -> bool {
    keys.iter().any(|key| {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        use hmac::{KeyInit, Mac};
        let mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes())
            .unwrap()
            .chain_update(signed)
            .finalize()
            .into_bytes();
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(mac) == signature
    })
}

fn mirotalk(
    flavour: Flavour,
    wrong: Wrong,
    joins: Arc<AtomicUsize>,
) -> impl Fn(String, HeaderMap, String) -> Response + Clone {
    move |request, headers, body| {
        const BUILT_IN: [&str; 3] = [
            "mirotalksfu_jwt_secret",
            "mirotalkp2p_jwt_secret",
            "mirotalk_jwt_secret",
        ];
        let key = headers
            .get(header::AUTHORIZATION)
            .map(|value| value.to_str().unwrap());
        let allowed = match wrong {
            Wrong::FileUnreadable => key == Some("mirotalkp2p_default_secret"),
            Wrong::DefaultApiKey => {
                key == Some("mirotalkp2p_default_secret") || key == Some("our-api-key")
            }
            _ => key == Some("our-api-key"),
        };
        let (path, query) = request.split_once('?').unwrap_or((&request, ""));
        match path {
            "GET /stats" => json(
                200,
                r#"{"enabled":false,"src":"https://stats.mirotalk.com/script.js","id":"41d26670-1"}"#,
            ),
            "GET /join" => {
                joins.fetch_add(1, Ordering::Relaxed);
                let call = || "<script src=\"/socket.io/socket.io.js\">".into_response();
                let Some((_, token)) = query.split_once("token=") else {
                    return match (wrong, flavour) {
                        (Wrong::GatesOff | Wrong::FlagFlipped, _) => call(),
                        (_, Flavour::Sfu) => {
                            (StatusCode::FOUND, [(header::LOCATION, "/whoAreYou/R")])
                                .into_response()
                        }
                        (_, Flavour::P2p) => {
                            json(401, r#"{"message":"Direct Room Join Unauthorized"}"#)
                        }
                    };
                };
                let keys: &[&str] = if wrong == Wrong::FileUnreadable {
                    &BUILT_IN
                } else {
                    &["our-jwt-key"]
                };
                match (knows(token, keys), wrong) {
                    (false, _) => json(401, r#"{"message":"Invalid Token"}"#),
                    (true, Wrong::Account) => "<form>login</form>".into_response(),
                    (true, _) => call(),
                }
            }
            "GET /login" if wrong == Wrong::GatesOff => {
                (StatusCode::FOUND, [(header::LOCATION, "/")]).into_response()
            }
            "GET /login" => "<form>".into_response(),
            "GET /healthz" => {
                (StatusCode::FOUND, [(header::LOCATION, "/join/healthz")]).into_response()
            }
            "DELETE /api/v1/meeting/room-b" if flavour == Flavour::P2p => "<html>".into_response(),
            _ if path.contains("/api/") && !allowed => json(403, r#"{"error":"Unauthorized!"}"#),
            "GET /api/v1/stats" if flavour == Flavour::Sfu => json(
                200,
                r#"{"success":true,"timestamp":"2026-11-22T20:09:33.345Z","totalRooms":1,"totalUsers":2}"#,
            ),
            "GET /api/v1/stats" => json(
                200,
                r#"{"success":true,"timestamp":"2026-11-22T20:09:33.345Z","totalRooms":1,"totalPeers":2}"#,
            ),
            "GET /api/v1/meetings" if flavour == Flavour::Sfu => json(
                200,
                r#"{"meetings":[{"roomId":"room-b","peers":[{"name":"Ann","presenter":false,"video":true,"audio":true,"screen":false,"hand":false,"os":"Linux 1","browser":"Chrome 1"}]}]}"#,
            ),
            "GET /api/v1/meetings" => json(
                200,
                r#"{"meetings":{"pr1":{"TZHzTRs3Vd3svIF4AAAD":{"peer_name":"Ann","peer_avatar":false,"peer_presenter":true,"peer_video":true,"os":"Linux 1","browser":"Chrome 1"},"lock":true,"password":"in clear"}}}"#,
            ),
            "DELETE /api/v1/meeting/room-b" => {
                assert_eq!(body, r#"{"redirect":"https://live.test/ended"}"#);
                json(
                    200,
                    r#"{"success":true,"message":"Meeting ended","room":"room-b"}"#,
                )
            }
            "DELETE /api/v1/meeting/odd" => "<html>".into_response(),
            _ => json(404, r#"{"success":false,"error":"Room not found"}"#),
        }
    }
}

async fn call(flavour: Flavour, wrong: Wrong) -> (Services, Arc<AtomicUsize>) {
    let joins = Arc::new(AtomicUsize::new(0));
    (
        services(serve(mirotalk(flavour, wrong, Arc::clone(&joins))).await),
        joins,
    )
}

#[tokio::test]
async fn a_safe_mirotalk_is_healthy_and_counts_callers() {
    for flavour in [Flavour::Sfu, Flavour::P2p] {
        let (services, _) = call(flavour, Wrong::Nothing).await;
        let (health, seen) = look(&services, Role::Mirotalk, flavour, after(5)).await;
        assert!(
            matches!(health, Health::Healthy { .. }),
            "{flavour:?} {health:?}"
        );
        assert_eq!(seen.live.callers, 2);
    }
}

#[tokio::test]
async fn every_way_of_standing_open_is_found_and_named() {
    for flavour in [Flavour::Sfu, Flavour::P2p] {
        for (wrong, words) in [
            (Wrong::FileUnreadable, "built-in key mirotalksfu_jwt_secret"),
            (Wrong::GatesOff, "gates are off"),
            (Wrong::Account, "does not know our own account"),
            (Wrong::DefaultApiKey, "answers with the built-in key"),
        ] {
            let (services, _) = call(flavour, wrong).await;
            let (health, seen) = look(&services, Role::Mirotalk, flavour, after(60)).await;
            let Health::Unhealthy { why } = health else {
                unreachable!("{health:?}")
            };
            assert!(why.contains(words), "{why}");
            assert_eq!(seen.issues[0].code, IssueCode::CallUnsafe);
            assert!(!format!("{seen:?}").contains("password"), "{seen:?}");
        }
    }
}

#[tokio::test]
async fn the_tokenless_probe_counts_only_right_after_a_start() {
    let (services, _) = call(Flavour::Sfu, Wrong::FlagFlipped).await;
    let (early, seen) = look(&services, Role::Mirotalk, Flavour::Sfu, after(5)).await;
    assert!(matches!(early, Health::Starting { .. }), "{early:?}");
    assert_eq!(seen.issues.len(), 1);
    // It was never passed, so it stays decisive for this run.
    let (still, _) = look(&services, Role::Mirotalk, Flavour::Sfu, after(600)).await;
    assert!(matches!(still, Health::Unhealthy { .. }), "{still:?}");
    // A controller that comes later cannot tell, and does not ask.
    let (late, _) = call(Flavour::Sfu, Wrong::FlagFlipped).await;
    let (late, _) = look(&late, Role::Mirotalk, Flavour::Sfu, after(600)).await;
    assert!(matches!(late, Health::Healthy { .. }), "{late:?}");
}

#[tokio::test]
async fn a_gate_that_was_found_shut_is_known_to_the_next_controller() {
    let (before, _) = call(Flavour::Sfu, Wrong::Nothing).await;
    look(&before, Role::Mirotalk, Flavour::Sfu, after(2)).await;
    let run = before.gated().unwrap();
    // A call was opened and the controller made anew while it still starts.
    let (next, _) = call(Flavour::Sfu, Wrong::FlagFlipped).await;
    next.recall_gated(run.clone());
    let (health, seen) = look(&next, Role::Mirotalk, Flavour::Sfu, after(5)).await;
    assert!(matches!(health, Health::Healthy { .. }), "{health:?}");
    assert_eq!(seen.issues, []);
    // What holds for one run says nothing of another.
    let (other, _) = call(Flavour::Sfu, Wrong::FlagFlipped).await;
    other.recall_gated((run.0, after(-60)));
    let (health, _) = look(&other, Role::Mirotalk, Flavour::Sfu, after(5)).await;
    assert!(matches!(health, Health::Starting { .. }), "{health:?}");
    assert_eq!(
        other.gated(),
        Some((subject(Role::Mirotalk).container, after(-60)))
    );
}

#[tokio::test]
async fn a_good_verdict_holds_for_one_sweep_and_one_run() {
    let (services, joins) = call(Flavour::Sfu, Wrong::Nothing).await;
    let mut asked = Vec::new();
    for seconds in [100, 101, 129, 131] {
        look(&services, Role::Mirotalk, Flavour::Sfu, after(seconds)).await;
        asked.push(joins.swap(0, Ordering::Relaxed));
    }
    assert_eq!(asked, [4, 0, 0, 4]);
    let again = Subject {
        started_at: after(131),
        ..subject(Role::Mirotalk)
    };
    services
        .observe(&[again], &secrets(), &settings(Flavour::Sfu), after(132))
        .await;
    assert_eq!(
        joins.load(Ordering::Relaxed),
        5,
        "restarted: the tokenless one as well"
    );
}

#[tokio::test]
async fn meetings_are_listed_and_ended_in_both_flavours() {
    let address = IpAddr::from([127, 0, 0, 1]);
    let (sfu, _) = call(Flavour::Sfu, Wrong::Nothing).await;
    let sfu = sfu.mirotalk(address, &secrets(), Flavour::Sfu);
    let ann = |room: &str, presenter| Meeting {
        room: room.to_owned(),
        people: vec![Person {
            name: "Ann".to_owned(),
            presenter,
        }],
    };
    assert_eq!(sfu.meetings().await.unwrap(), [ann("room-b", false)]);
    assert_eq!(
        sfu.counts().await.unwrap(),
        Counts {
            rooms: 1,
            people: 2
        }
    );
    let to = Some("https://live.test/ended");
    assert_eq!(sfu.end("room-b", to).await.unwrap(), EndOfMeeting::Ended);
    assert_eq!(sfu.end("gone", None).await.unwrap(), EndOfMeeting::NotThere);
    assert!(
        sfu.end("odd", None).await.is_err(),
        "200 and a page prove nothing"
    );
    let (p2p, _) = call(Flavour::P2p, Wrong::Nothing).await;
    let p2p = p2p.mirotalk(address, &secrets(), Flavour::P2p);
    assert_eq!(p2p.meetings().await.unwrap(), [ann("pr1", true)]);
    assert_eq!(
        p2p.end("room-b", to).await.unwrap(),
        EndOfMeeting::Unsupported
    );
}

#[tokio::test]
async fn who_cannot_be_asked_counts_as_before() {
    let port = serve(ome).await;
    let services = services(port);
    look(&services, Role::Ovenmediaengine, Flavour::Sfu, after(1)).await;
    let mut wrong = secrets();
    wrong.ome_api_token = Secret::new("other".to_owned());
    let seen = services
        .observe(
            &[subject(Role::Ovenmediaengine)],
            &wrong,
            &settings(Flavour::Sfu),
            after(60),
        )
        .await;
    assert_eq!((seen.live.streams, seen.live.viewers), (1, 3));
}

#[test]
fn failed_orders_are_read_from_traefiks_log() {
    let lines = [
        r#"{"level":"info","time":"2026-11-23T00:42:36Z","domains":"good.test","lib":"lego","time":"2026-11-23T00:42:36Z","message":"Obtaining bundled SAN certificate."}"#,
        r#"{"level":"error","providerName":"acme.acme","acmeCA":"https://ca/dir","providerName":"acme.acme","ACME CA":"https://ca/dir","routerName":"bad@file","rule":"Host(`bad.test`)","error":"unable to generate a certificate for the domains [bad.test]: resolver: one or more domains had a problem: [bad.test: invalid authorization: acme: error: 400 :: urn:ietf:params:acme:error:connection :: Get \"http://bad.test/.well-known/acme-challenge/GCC\": dial tcp 127.0.0.9:80: connect: connection refused]","domains":["bad.test"],"time":"2026-11-23T00:42:36Z","message":"Unable to obtain ACME certificate for domains"}"#,
        r#"{"level":"error","error":"no route","time":"2026-11-23T00:43:00Z","message":"Error renewing certificate from LE: {good.test []}"}"#,
        r#"{"level":"error","error":"permissions 644 for /acme/acme.json are too open, please use 600","time":"2026-11-23T00:44:00Z","message":"The ACME resolve is skipped from the resolvers list"}"#,
        "no JSON at all",
    ]
    .map(str::to_owned);
    let found = traefik::failures(&lines, &["good.test", "bad.test"]);
    let shown: Vec<String> = found
        .iter()
        .map(|failure| format!("{} {} {}", failure.at, failure.hosts.join(","), failure.why))
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    2026-11-23T00:42:36Z bad.test bad.test: invalid authorization: acme: error: 400 :: urn:ietf:params:acme:error:connection :: Get "http://bad.test/.well-known/acme-challenge/GCC": dial tcp 127.0.0.9:80: connect: connection refused
    2026-11-23T00:43:00Z good.test no route
    2026-11-23T00:44:00Z good.test,bad.test Traefik gave up on what it keeps (`traefik/acme` in the state folder) when it began, and asks nobody: permissions 644 for /acme/acme.json are too open, please use 600
    "#);
}
