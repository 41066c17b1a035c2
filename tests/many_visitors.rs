//! Ten thousand open event streams, readers that do not read, and bodies that
//! never end, as real sockets of one process: who is over the limit is told so,
//! everybody else is served, and handles and memory come back.

#![expect(clippy::unwrap_used, clippy::panic)]

#[path = "faults/alone.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "shared by the suites that need no engine; not every binary uses all of it"
)]
mod alone;
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

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use alone::{House, Serving};
use report::{Count, Report, of_full};
use serde_json::{Value, json};

const BASE: u16 = 28_900;

/// Bodies that are begun and never ended.
const ENDLESS: usize = 300;

/// Streams that one person may have, and all visitors together
/// (`src/http/events.rs`).
const PERSON: usize = 12;
const VISITORS: usize = 2_000;

/// Raises our own limit: each stream is a file here, too.
fn raise_files(need: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let most = limit.maximum.unwrap_or(u64::MAX);
    assert!(
        most > need as u64 + 500,
        "{need} sockets need a higher limit of open files than {most}"
    );
}

fn files(serving: &Serving) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", serving.0.id()))
        .unwrap()
        .count()
}

/// Resident memory in MB.
fn memory(serving: &Serving) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", serving.0.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes / 1_000.0
}

/// Where the house of these ports answers people.
fn pages(base: u16) -> String {
    format!("127.0.0.1:{}", base + 5)
}

fn connect(base: u16) -> TcpStream {
    let stream = TcpStream::connect(pages(base)).unwrap();
    let limit = Some(Duration::from_secs(40));
    stream.set_read_timeout(limit).unwrap();
    stream.set_write_timeout(limit).unwrap();
    stream
}

/// Somebody who came in by a link.
struct Visitor {
    room: String,
    slug: String,
    cookie: String,
    address: String,
}

fn ask(house: &House, method: &str, path: &str, body: &Value) -> (u16, Value) {
    common::ask_control(&house.state(), method, path, body).unwrap()
}

fn visitor(house: &House, number: usize) -> Visitor {
    let link =
        json!({"title": format!("Reel {number}"), "link": {"role": "viewer", "name": "Ann"}});
    let (status, made) = ask(house, "POST", "/api/v1/rooms", &link);
    assert_eq!(status, 201, "{made}");
    let url = made["link"]["url"].as_str().unwrap();
    let token = url.split_once("/j#").unwrap().1;
    let address = format!("198.51.{}.{}", number / 200, number % 200 + 1);
    let body = json!({"token": token}).to_string();
    let mut stream = connect(BASE);
    let ask = format!(
        "POST /api/v1/session/link HTTP/1.1\r\nhost: live.localhost\r\norigin: https://live.localhost:{BASE_HTTPS}\r\n\
         x-forwarded-for: {address}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(ask.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let cookie = answer
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with("set-cookie:"));
    let cookie = cookie.unwrap_or_else(|| panic!("{answer}"));
    let cookie = cookie.split_once(':').unwrap().1.trim();
    Visitor {
        room: made["room"]["id"].as_str().unwrap().to_owned(),
        slug: made["room"]["slug"].as_str().unwrap().to_owned(),
        cookie: cookie.split(';').next().unwrap().to_owned(),
        address,
    }
}

const BASE_HTTPS: u16 = BASE + 1;

impl Visitor {
    /// Asks for the events; what comes is read later, or never.
    fn listen(&self) -> TcpStream {
        let mut stream = connect(BASE);
        let ask = format!(
            "GET /api/v1/session/{}/events HTTP/1.1\r\nhost: live.localhost\r\ncookie: {}\r\nx-forwarded-for: {}\r\n\r\n",
            self.slug, self.cookie, self.address
        );
        stream.write_all(ask.as_bytes()).unwrap();
        stream
    }
}

/// The status of an answer, if there is one.
fn status(stream: &mut TcpStream) -> Option<u16> {
    let mut start = [0; 16];
    stream.read_exact(&mut start).ok()?;
    let text = String::from_utf8_lossy(&start).into_owned();
    text.split(' ').nth(1)?.parse().ok()
}

/// Somebody else's page, and how long it took.
fn page(base: u16) -> Duration {
    let begun = Instant::now();
    let answer = common::http("GET", &pages(base), "live.localhost", "/", "");
    assert!(matches!(answer, Some((200, _))), "{answer:?}");
    begun.elapsed()
}

#[test]
fn ten_thousand_streams_and_readers_that_do_not_read() {
    let sockets = of_full(10_000, 2_200);
    raise_files(sockets);
    let house = House::new(BASE);
    let mut serving = house.serve(&[]);
    assert!(!serving.is_killed(|| house.answers()));
    let visitors: Vec<Visitor> = (0..of_full(200, 190))
        .map(|number| visitor(&house, number))
        .collect();
    page(BASE);
    let (files_before, memory_before) = (files(&serving), memory(&serving));
    let mut report = Report::new("many-visitors");
    let mut count = Count::of(&format!("{sockets} event streams as real sockets"));

    // --- Open streams ---
    let mut streams: Vec<TcpStream> = (0..sockets)
        .map(|number| visitors[number % visitors.len()].listen())
        .collect();
    let statuses: Vec<Option<u16>> = streams.iter_mut().map(status).collect();
    let open = statuses
        .iter()
        .filter(|status| **status == Some(200))
        .count();
    let refused = statuses
        .iter()
        .filter(|status| matches!(status, Some(429 | 503)))
        .count();
    let expected = (visitors.len() * PERSON).min(VISITORS).min(sockets);
    let slowest = (0..20).map(|_| page(BASE)).max().unwrap();
    let (files_open, memory_open) = (files(&serving), memory(&serving));
    let mut case = |name: &str, good: bool, why: String| {
        count.case(name, if good { Ok(()) } else { Err(why) });
    };
    case(
        "as many as there may be are served, the others are told",
        open == expected && open + refused == sockets,
        format!("{open} open of {expected}, {refused} refused"),
    );
    case(
        "somebody else has their page",
        slowest < Duration::from_secs(of_full(2, 10) as u64),
        format!("{slowest:?}"),
    );
    drop(streams);
    let back = within(20, || files(&serving) <= files_before + 8);
    case(
        "every handle comes back",
        back,
        format!(
            "{files_before} before, {files_open} open, {} after",
            files(&serving)
        ),
    );
    let mut again = visitors[0].listen();
    case(
        "and every place",
        status(&mut again) == Some(200),
        "refused".to_owned(),
    );
    drop(again);

    // --- Readers that do not read ---
    let silent: Vec<TcpStream> = (0..300)
        .map(|number| visitors[number % visitors.len()].listen())
        .collect();
    let mut listening = visitors[0].listen();
    let before = memory(&serving);
    let mut last = String::new();
    for edit in 0..of_full(100, 20) {
        last = format!("Take {edit} {}", "x".repeat(100));
        for visitor in &visitors[..4] {
            let path = format!("/api/v1/rooms/{}", visitor.room);
            let (status, said) = ask(&house, "PATCH", &path, &json!({"title": last}));
            assert_eq!(status, 200, "{said}");
        }
    }
    let after = memory(&serving);
    case(
        "readers that do not read cost nothing",
        after <= before + 12.0,
        format!("{before:.1} MB, then {after:.1} MB"),
    );
    // One that reads is told what holds in the end.
    let told = within(10, || {
        let mut some = vec![0; 64 << 10];
        let got = listening.read(&mut some).unwrap_or(0);
        String::from_utf8_lossy(&some[..got]).contains("Take")
    });
    case("who reads is told", told, last);
    drop((silent, listening));

    let back = within(20, || files(&serving) <= files_before + 8);
    let memory_after = memory(&serving);
    case(
        "every handle comes back in the end",
        back,
        format!("{files_before} before, {} after", files(&serving)),
    );
    case(
        "memory comes back",
        memory_after <= memory_open + 8.0 && memory_open <= memory_before + 150.0,
        format!(
            "{memory_before:.0} MB before, {memory_open:.0} MB open, {memory_after:.0} MB after"
        ),
    );
    assert!(!house.said().contains("panicked"), "{}", house.said());
    count.inputs(sockets + 300);
    report.add(count.note(&format!(
        "{open} served and {refused} told to wait; {files_before} handles before, {files_open} open; {memory_before:.0} MB before, {memory_open:.0} MB open, {memory_after:.0} MB after (not optimised); then 300 readers that do not read"
    )));
    report.conclude();
}

#[test]
fn bodies_that_never_end_are_given_up() {
    let (base, https) = (BASE + 200, BASE + 201);
    let house = House::new(base);
    let mut serving = house.serve(&[]);
    assert!(!serving.is_killed(|| house.answers()));
    page(base);
    let (files_before, memory_before) = (files(&serving), memory(&serving));
    let mut report = Report::new("endless-bodies");
    let mut count = Count::of("bodies that never end");
    let mut case = |name: &str, good: bool, why: String| {
        count.case(name, if good { Ok(()) } else { Err(why) });
    };
    let begun = Instant::now();
    let mut slow: Vec<TcpStream> = (0..ENDLESS)
        .map(|number| {
            let mut stream = connect(base);
            let ask = format!(
                "POST /api/v1/session/link HTTP/1.1\r\nhost: live.localhost\r\norigin: https://live.localhost:{https}\r\n\
                 x-forwarded-for: 203.0.113.{}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{{",
                number % 250
            );
            stream.write_all(ask.as_bytes()).unwrap();
            stream
        })
        .collect();
    let slowest = (0..20).map(|_| page(base)).max().unwrap();
    case(
        "somebody else has their page meanwhile",
        slowest < Duration::from_secs(of_full(2, 10) as u64),
        format!("{slowest:?}"),
    );
    let ended = slow
        .iter_mut()
        .map(status)
        .filter(|status| status.is_none_or(|status| matches!(status, 408 | 429)))
        .count();
    case(
        "each is given up",
        ended == slow.len() && begun.elapsed() < Duration::from_secs(60),
        format!("{ended} of {} after {:?}", slow.len(), begun.elapsed()),
    );
    drop(slow);
    let back = within(20, || files(&serving) <= files_before + 8);
    let memory_after = memory(&serving);
    case(
        "every handle comes back",
        back,
        format!("{files_before} before, {} after", files(&serving)),
    );
    case(
        "memory comes back",
        memory_after <= memory_before + 24.0,
        format!("{memory_before:.0} MB before, {memory_after:.0} MB after"),
    );
    assert!(!house.said().contains("panicked"), "{}", house.said());
    count.inputs(ENDLESS);
    report.add(count.note(&format!(
        "the real process: each is refused or given up, and everybody else is served; {memory_before:.0} MB before, {memory_after:.0} MB after (not optimised)"
    )));
    report.conclude();
}

/// What is answered to a request as it is, if anything is: many are given up
/// before they are sent.
fn raw(port: u16, request: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(40)))
        .unwrap();
    stream
        .set_write_timeout(Some(Duration::from_secs(40)))
        .unwrap();
    let _given_up = stream.write_all(request.as_bytes());
    status(&mut stream)
}

#[test]
fn a_megabyte_in_any_field_of_a_visitor_or_a_hook_is_refused() {
    let house = House::new(BASE + 100);
    let serving = &mut house.serve(&[]);
    assert!(!serving.is_killed(|| house.answers()));
    let (pages, internal, https) = (BASE + 105, BASE + 106, BASE + 101);
    let much = "x".repeat(1 << 20);
    let post = |path: &str, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: live.localhost\r\norigin: https://live.localhost:{https}\r\n\
             x-forwarded-for: 192.0.2.1\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let get = |path: &str, more: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: live.localhost\r\nconnection: close\r\n{more}\r\n")
    };
    let json = |key: &str| json!({ key: much }).to_string();
    let requests = [
        ("link", pages, post("/api/v1/session/link", &json("token"))),
        (
            "passcode",
            pages,
            post(
                "/api/v1/session/passcode",
                &json!({"slug": "reel", "passcode": much}).to_string(),
            ),
        ),
        (
            "slug",
            pages,
            post(
                "/api/v1/session/passcode",
                &json!({"slug": much, "passcode": "x"}).to_string(),
            ),
        ),
        (
            "name",
            pages,
            post("/api/v1/session/reel/name", &json("name")),
        ),
        ("path", pages, get(&format!("/{much}"), "")),
        ("query", pages, get(&format!("/reel?{much}"), "")),
        (
            "cookie",
            pages,
            get("/reel", &format!("cookie: __Host-cs_session={much}\r\n")),
        ),
        (
            "header",
            pages,
            get("/reel", &format!("x-forwarded-for: {much}\r\n")),
        ),
        (
            "admission",
            internal,
            post("/internal/ome/admission", &json("request")),
        ),
        (
            "admission, signature",
            internal,
            post("/internal/ome/admission", "{}").replace(
                "connection:",
                &format!("x-ome-signature: {much}\r\nconnection:"),
            ),
        ),
        (
            "forward-auth, address",
            internal,
            get(
                "/internal/forward-auth",
                &format!("x-forwarded-host: live.localhost\r\nx-forwarded-uri: /live/{much}\r\n"),
            ),
        ),
        (
            "forward-auth, cookie",
            internal,
            get(
                "/internal/forward-auth",
                &format!(
                    "x-forwarded-host: live.localhost\r\nx-forwarded-uri: /live/a\r\ncookie: {much}\r\n"
                ),
            ),
        ),
    ];
    let mut report = Report::new("megabytes");
    let mut count = Count::of("a megabyte in a field of a visitor or a hook")
        .note("the real process: refused or hung up on, and everybody else is served");
    let before = memory(serving);
    for (name, port, request) in requests {
        let answered = raw(port, &request);
        let refused = answered.is_none_or(|status| matches!(status, 400..=431));
        let page = common::http(
            "GET",
            &format!("127.0.0.1:{pages}"),
            "live.localhost",
            "/",
            "",
        );
        let good = refused && matches!(page, Some((200, _)));
        count.case(
            name,
            if good {
                Ok(())
            } else {
                Err(format!(
                    "{answered:?}, then {:?}",
                    page.map(|(status, _)| status)
                ))
            },
        );
    }
    let after = memory(serving);
    count.case(
        "memory",
        if after <= before + 24.0 {
            Ok(())
        } else {
            Err(format!("{before:.1} MB, then {after:.1} MB"))
        },
    );
    assert!(!house.said().contains("panicked"), "{}", house.said());
    report.add(count);
    report.conclude();
}

fn within(seconds: u64, mut good: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(seconds) {
        if good() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    false
}
