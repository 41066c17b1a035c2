//! What a client claims on its way through the real Traefik: who it is, where
//! it comes from, which host and path it wants. None of it is believed.
//!
//! Needs the images of `scripts/images --simulated`, `curl`, and an engine at
//! /var/run/docker.sock or at the address in `COLOURSTREAM_TEST_ENGINE`.

#![expect(clippy::unwrap_used, clippy::panic)]

mod common;
#[path = "faults/report.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::allow_attributes,
    reason = "shared by the fault suites; not every binary uses all of it"
)]
mod report;

use std::process::Command;
use std::time::{Duration, Instant};

use common::{Stack, is_ready};
use report::{Count, Report, is_full};
use serde_json::{Value, json};

/// From nothing to healthy on a busy machine.
const INSTALL: u64 = 90;

/// How the call's host refuses; 503 would say that there is no call.
const REFUSED: [u16; 3] = [400, 401, 403];

/// What came back through Traefik.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    fn cookie(&self) -> String {
        let line = self
            .head
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with("set-cookie:"));
        let line = line.unwrap_or_else(|| panic!("no cookie: {}", self.head));
        let (_, value) = line.split_once(':').unwrap();
        value.trim().split(';').next().unwrap().to_owned()
    }
}

/// A request over TLS as `curl` sends it: the path as it is, nothing tidied.
fn curl(
    stack: &Stack,
    method: &str,
    host: &str,
    path: &str,
    headers: &[&str],
    body: Option<&str>,
) -> Answer {
    let port = stack.port(1);
    let mut command = Command::new("curl");
    command
        .args([
            "-sSk",
            "--http1.1",
            "--noproxy",
            "*",
            "--path-as-is",
            "-m",
            "15",
            "-D",
            "-",
            "-X",
            method,
        ])
        .args(["--resolve", &format!("{host}:{port}:127.0.0.1")]);
    for header in headers {
        command.args(["-H", header]);
    }
    if let Some(body) = body {
        command.args(["-H", "Content-Type: application/json", "-d", body]);
    }
    let output = command
        .arg(format!("https://{host}:{port}{path}"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    Answer {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// A room with a link: its stream and the cookie of somebody who came in.
fn room(stack: &Stack, title: &str) -> (String, String) {
    let body = json!({"title": title, "link": {"name": "Ann", "role": "viewer"}});
    let (status, made) = stack.api("POST", "/api/v1/rooms", &body).unwrap();
    assert_eq!(status, 201, "{made}");
    let stream = made["room"]["stream"].as_str().unwrap().to_owned();
    let token = made["link"]["url"]
        .as_str()
        .unwrap()
        .split_once("/j#")
        .unwrap()
        .1;
    let origin = format!("Origin: https://{}:{}", stack.live(), stack.port(1));
    let body = json!({"token": token}).to_string();
    let answer = curl(
        stack,
        "POST",
        &stack.live(),
        "/api/v1/session/link",
        &[&origin],
        Some(&body),
    );
    assert_eq!(answer.status, 200, "{}", answer.body);
    (stream, format!("Cookie: {}", answer.cookie()))
}

/// Presses Join: the page of the call with its own cookie, as they come out of
/// the door to it. Tells why not, while the call is not there yet.
fn joined(stack: &Stack, slug: &str, cookie: &str) -> Result<(String, String), String> {
    let (live, port) = (stack.live(), stack.port(1));
    let origin = format!("Origin: https://{live}:{port}");
    let path = format!("/api/v1/session/{slug}/call");
    let said = curl(stack, "POST", &live, &path, &[cookie, &origin], Some("{}"));
    let url = serde_json::from_str::<Value>(&said.body)
        .ok()
        .and_then(|body| body["url"].as_str().map(str::to_owned));
    let door = url.as_deref().and_then(|url| url.split_once("/cs/"));
    let Some((_, door)) = door else {
        return Err(format!("{}: {}", said.status, said.body));
    };
    let video = format!("video.{live}");
    let opened = curl(stack, "GET", &video, &format!("/cs/{door}"), &[], None);
    let page = opened
        .header("location")
        .and_then(|place| Some(format!("/join{}", place.split_once("/join")?.1)));
    let Some(page) = page.filter(|_| opened.status == 303) else {
        return Err(format!("{}: {}", opened.status, opened.body));
    };
    let own = format!("Cookie: {}", opened.cookie());
    let inside = curl(stack, "GET", &video, &page, &[&own], None);
    if inside.status == 200 {
        Ok((page, own))
    } else {
        Err(format!("{}: {}", inside.status, inside.body))
    }
}

/// Wrong logins, each with another claim about where it comes from, until one
/// is told to wait; how many were judged.
fn logins(stack: &Stack, claims: impl Fn(usize) -> Vec<String>) -> usize {
    let admin = format!("admin.{}", stack.live());
    let origin = format!("Origin: https://{admin}:{}", stack.port(1));
    let body =
        |number: usize| json!({"name": format!("n{number}"), "password": "wrong"}).to_string();
    for number in 0..30 {
        let claimed = claims(number);
        let mut headers: Vec<&str> = claimed.iter().map(String::as_str).collect();
        headers.push(&origin);
        let answer = curl(
            stack,
            "POST",
            &admin,
            "/api/v1/login",
            &headers,
            Some(&body(number)),
        );
        match answer.status {
            403 => {}
            429 => return number,
            other => panic!("{other}: {}", answer.body),
        }
    }
    30
}

/// Claims about the request itself that some proxy somewhere believes.
fn claims(uri: &str, host: &str) -> Vec<Vec<String>> {
    let one = |text: String| vec![text];
    vec![
        one(format!("X-Forwarded-Uri: {uri}")),
        one(format!("X_Forwarded_Uri: {uri}")),
        one(format!("x-forwarded-uri: {uri}")),
        one(format!("X-Original-Url: {uri}")),
        one(format!("X-Original-Uri: {uri}")),
        one(format!("X-Rewrite-Url: {uri}")),
        one(format!("X-Forwarded-Prefix: {uri}")),
        one(format!("X-Forwarded-Path: {uri}")),
        one(format!("X-Forwarded-Host: {host}")),
        one("X-Forwarded-Method: OPTIONS".into()),
        one("X-Http-Method-Override: OPTIONS".into()),
        one("X-Forwarded-Proto: http".into()),
        one("X-Room-Id: room".into()),
        one("X-Room-Role: presenter".into()),
        one("X_Room_Id: room".into()),
        one("Connection: Cookie, X-Forwarded-Uri".into()),
        one("Connection: X-Forwarded-Host".into()),
        vec![
            format!("X-Forwarded-Uri: {uri}"),
            format!("X-Forwarded-Host: {host}"),
            "X-Forwarded-Method: GET".into(),
            "X-Forwarded-For: 127.0.0.1".into(),
            "X-Real-Ip: 127.0.0.1".into(),
        ],
    ]
}

/// Whether the guard let it through to OvenMediaEngine, which then has its own
/// questions; what the guard refuses it refuses in one word.
fn came_through(answer: &Answer) -> bool {
    let words = [
        "session",
        "path",
        "stream",
        "shut",
        "full",
        "host",
        "404 page not found",
    ];
    !words.contains(&answer.body.trim()) && answer.status != 400
}

fn guarded(answer: &Answer) -> Result<(), String> {
    let page = answer.body.to_ascii_lowercase().contains("<!doctype html");
    if came_through(answer) && !page {
        Err(format!("{}: {:.200}", answer.status, answer.body))
    } else {
        Ok(())
    }
}

fn refused(answer: &Answer, statuses: &[u16]) -> Result<(), String> {
    if statuses.contains(&answer.status) {
        Ok(())
    } else {
        Err(format!("{}: {:.200}", answer.status, answer.body))
    }
}

/// Paths of the internal listener, of Traefik's own API, and of the services.
const INSIDE: [(&str, &str); 15] = [
    ("GET", "/internal/forward-auth"),
    ("POST", "/internal/ome/admission"),
    ("POST", "/internal/ome/alert"),
    ("POST", "/internal/mirotalk/x"),
    ("GET", "/metrics"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/api/rawdata"),
    ("GET", "/api/http/routers"),
    ("GET", "/dashboard/"),
    ("GET", "/ping"),
    ("GET", "/config-generation"),
    ("GET", "/v1/stats/current"),
    ("POST", "/v1/vhosts/default/apps/live:startRecord"),
    ("GET", "/api/v1/meeting"),
];

/// What the internal listener has counted of hooks and of forward-auth.
fn counted_inside(stack: &Stack) -> Vec<String> {
    let address = format!("127.0.0.1:{}", stack.port(6));
    let (status, text) = common::http("GET", &address, "controller", "/metrics", "").unwrap();
    assert_eq!(status, 200, "{text}");
    let names = ["admission", "alert", "forward_auth"];
    text.lines()
        .filter(|line| {
            names
                .iter()
                .any(|name| line.starts_with(&format!("colourstream_{name}_total")))
        })
        .map(str::to_owned)
        .collect()
}

/// From outside each path of the inside is a path like any other: the answer
/// is that to one nobody ever heard of, and the internal listener was not asked.
fn inside_stays_inside(stack: &Stack, count: &mut Count) {
    let live = stack.live();
    // Ask it once, so that the counters are there.
    let hook = format!("127.0.0.1:{}", stack.port(6));
    let refused = common::http("POST", &hook, "controller", "/internal/ome/admission", "{}");
    assert_eq!(refused.map(|(status, _)| status), Some(401));
    let before = counted_inside(stack);
    assert!(!before.is_empty());
    for host in [
        &*live,
        &format!("admin.{live}"),
        &format!("video.{live}"),
        "controller",
        "127.0.0.1",
        "evil.example",
    ] {
        for method in ["GET", "POST"] {
            let origin = format!("Origin: https://{host}:{}", stack.port(1));
            let asked = |path: &str| {
                let body = (method == "POST").then_some("{}");
                let answer = curl(stack, method, host, path, &[&origin], body);
                (answer.status, answer.body)
            };
            // Below /api/ the pages answer in JSON, whatever is asked.
            let (unknown, unknown_call) = (asked("/no-such-path"), asked("/api/no-such-path"));
            // The pages say that they live, too, and no more.
            let has_pages = host == live || host == format!("admin.{live}");
            let alive = (200, String::new());
            for (usual, path) in INSIDE {
                let there = asked(path);
                let like = match path {
                    "/livez" if has_pages => &alive,
                    path if path.starts_with("/api/") => &unknown_call,
                    _ => &unknown,
                };
                count.case(
                    &format!("{method} {host}{path} (inside: {usual})"),
                    if there == *like {
                        Ok(())
                    } else {
                        Err(format!(
                            "{}: {:.200}, and elsewhere {}: {:.200}",
                            there.0, there.1, like.0, like.1
                        ))
                    },
                );
            }
            assert!(
                host != "evil.example" || unknown.0 == 404 && unknown_call.0 == 404,
                "a strange host: {unknown:?}"
            );
        }
    }
    let after = counted_inside(stack);
    count.case(
        "nothing reached the internal listener",
        if after == before {
            Ok(())
        } else {
            Err(format!("{before:?}, then {after:?}"))
        },
    );
}

#[test]
fn what_a_client_claims_is_not_believed() {
    let mut stack = Stack::new("hostile", 27_000);
    stack.serve();
    stack.until("installed", INSTALL, is_ready);
    let live = stack.live();
    let mut report = Report::new("hostile-traefik");
    let (ours, cookie) = room(&stack, "Ours");
    let (theirs, other_cookie) = room(&stack, "Theirs");
    stack.until("the routes", 20, is_ready);
    let own = format!("/live/{ours}/llhls.m3u8");
    let foreign = format!("/live/{theirs}/llhls.m3u8");
    // The measure: with the right cookie the guard lets the request through.
    let through =
        |path: &str, cookie: &str| came_through(&curl(&stack, "GET", &live, path, &[cookie], None));
    let begun = Instant::now();
    while !(through(&own, &cookie) && through(&foreign, &other_cookie)) {
        assert!(begun.elapsed() < Duration::from_secs(20), "no route came");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(!through(&foreign, &cookie) && !through(&own, "X-Nothing: x"));

    for trusted in [false, true] {
        let kind = if trusted {
            "claims through Traefik, sent by a trusted proxy"
        } else {
            "claims through Traefik"
        };
        if trusted {
            stack.settings(
                "trusted_proxies: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 127.0.0.0/8]\n",
            );
            stack.until("the proxies are trusted", 60, |status| {
                is_ready(status) && trusts(&stack)
            });
            stack.until("it is ready", 60, is_ready);
        }
        // The measure here: with its own cookie the call's page is there, and
        // without it is not.
        let begun = Instant::now();
        let page = loop {
            match joined(&stack, "ours", &cookie) {
                Ok((page, _)) => break page,
                Err(why) => assert!(
                    begun.elapsed() < Duration::from_secs(40),
                    "nobody joins the call: {why}"
                ),
            }
            std::thread::sleep(Duration::from_millis(500));
        };
        let video = format!("video.{live}");
        let bare = curl(&stack, "GET", &video, &page, &[&cookie], None);
        assert!(
            refused(&bare, &REFUSED).is_ok(),
            "{}: {}",
            bare.status,
            bare.body
        );
        let mut count = Count::of(kind).note(
            "headers, paths, cookies and hosts of every kind; the guard judges the request itself",
        );
        for claimed in claims(&own, &live) {
            for path in [
                &foreign,
                &format!("/live/{theirs}"),
                &format!("/live/{theirs}/seg_0.m4s"),
            ] {
                for cookie in [&cookie, &"X-Nothing: x".to_owned()] {
                    let mut headers: Vec<&str> = claimed.iter().map(String::as_str).collect();
                    headers.push(cookie);
                    let answer = curl(&stack, "GET", &live, path, &headers, None);
                    count.case(&format!("{path} {headers:?}"), guarded(&answer));
                }
            }
            // The call's host is shut without its own cookie, whatever is claimed.
            let mut headers: Vec<&str> = claimed.iter().map(String::as_str).collect();
            headers.push(&cookie);
            let answer = curl(&stack, "GET", &video, &page, &headers, None);
            count.case(&format!("the call {headers:?}"), refused(&answer, &REFUSED));
        }
        for path in [
            format!("/live/{ours}/../{theirs}/llhls.m3u8"),
            format!("/live/{ours}/%2e%2e/{theirs}/llhls.m3u8"),
            format!("/live/{ours}/..%2f{theirs}/llhls.m3u8"),
            format!("/live/{ours}%2f..%2f{theirs}/llhls.m3u8"),
            format!("/live/{ours}/..%5c{theirs}/llhls.m3u8"),
            format!("/live/{ours}/..;/{theirs}/llhls.m3u8"),
            format!("/live/{ours}/%252e%252e/{theirs}/llhls.m3u8"),
            format!("/live/{theirs}%00/llhls.m3u8"),
            format!("/live//{theirs}/llhls.m3u8"),
            format!("//live/{theirs}/llhls.m3u8"),
            format!("/./live/{theirs}/llhls.m3u8"),
            format!("/LIVE/{theirs}/llhls.m3u8"),
            format!("/live/{}/llhls.m3u8", theirs.to_uppercase()),
            format!("/%6cive/{theirs}/llhls.m3u8"),
            format!("/live/{theirs}/llhls.m3u8?x=/live/{ours}/x"),
            format!("/live/{theirs}/llhls.m3u8#/live/{ours}"),
            format!("/app/{theirs}/llhls.m3u8"),
            "/live/sk_0000000000000000000000000".to_owned(),
        ] {
            let answer = curl(&stack, "GET", &live, &path, &[&cookie], None);
            count.case(&path, guarded(&answer));
        }
        // A viewer's cookie publishes nothing.
        for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"] {
            let answer = curl(
                &stack,
                method,
                &live,
                &format!("/live/{ours}?direction=whip"),
                &[&cookie],
                None,
            );
            count.case(
                &format!("{method} with a viewer's cookie"),
                refused(&answer, &[400, 401, 403, 404, 405, 501]),
            );
        }
        // Cookies that look like ours.
        let value = cookie.split_once('=').unwrap().1;
        for name in [
            "cs_session",
            "__Secure-cs_session",
            "__host-cs_session",
            "x; cs_session",
        ] {
            let answer = curl(
                &stack,
                "GET",
                &live,
                &own,
                &[&format!("Cookie: {name}={value}")],
                None,
            );
            count.case(&format!("cookie {name:?}"), guarded(&answer));
        }
        if is_full() || !trusted {
            inside_stays_inside(&stack, &mut count);
        }
        // Where a guess comes from: ten, whatever is claimed about it. Behind a
        // proxy its own word counts, and not its client's.
        let judged = logins(&stack, |number| {
            let proxied = if trusted { ", 203.0.113.7" } else { "" };
            vec![
                format!("X-Forwarded-For: 198.51.100.{number}{proxied}"),
                format!("X-Real-Ip: 198.51.101.{number}"),
                format!("X_Forwarded_For: 198.51.102.{number}"),
                format!("X_Real_Ip: 198.51.102.{number}"),
                format!("Forwarded: for=198.51.103.{number}"),
                format!("True-Client-Ip: 198.51.104.{number}"),
                format!("Cf-Connecting-Ip: 198.51.105.{number}"),
                format!("X-Client-Ip: 198.51.106.{number}"),
            ]
        });
        count.case(
            "guesses from one place",
            if judged == 10 {
                Ok(())
            } else {
                Err(format!("{judged} were judged"))
            },
        );
        report.add(count);
    }
    // And all the while it ran as it should.
    stack.until("all is well", 30, is_ready);
    let log = stack.log();
    assert!(!log.contains("panicked"), "{log}");
    report.conclude();
}

/// Whether Traefik's own file says so already.
fn trusts(stack: &Stack) -> bool {
    let (_, plan) = stack
        .api("GET", "/api/v1/plan", &Value::Null)
        .unwrap_or_default();
    let files = stack
        .api("GET", "/api/v1/files", &Value::Null)
        .unwrap_or_default()
        .1;
    plan["steps"].as_array().is_some_and(Vec::is_empty)
        && files.to_string().contains("traefik.yml")
        && {
            let folder = stack.rendered("traefik");
            let mut found = false;
            let mut folders = vec![folder];
            while let Some(folder) = folders.pop() {
                for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                    if entry.path().is_dir() {
                        folders.push(entry.path());
                    } else if entry.file_name() == "traefik.yml" {
                        found |= std::fs::read_to_string(entry.path())
                            .is_ok_and(|text| text.contains("trustedIPs"));
                    }
                }
            }
            found
        }
}
