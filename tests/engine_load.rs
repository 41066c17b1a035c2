//! As much as there may be at once, on loopback and for a bounded time: rooms,
//! questions of OvenMediaEngine's, open pages, and edits one after another.
//! Nobody is refused who should pass, and the memory stays as it is.
//!
//! Needs the images of `scripts/images --simulated` and an engine at
//! /var/run/docker.sock or at the address in `COLOURSTREAM_TEST_ENGINE`.

#![expect(clippy::unwrap_used)]

#[path = "../benches/figures/client.rs"]
#[expect(dead_code, reason = "shared with the figures")]
mod client;
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

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use client::Client;
use common::{Stack, is_ready};
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::Method;
use report::{Count, Report, is_full, of_full};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Connections that OvenMediaEngine asks over.
const WORKERS: usize = 16;

/// Resident memory of a process, in MB.
fn memory(pid: u64) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes / 1_000.0
}

/// The middle and the last of a hundred, in milliseconds.
fn figures(mut took: Vec<Duration>) -> (f64, f64) {
    took.sort_unstable();
    let at =
        |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)].as_secs_f64() * 1e3;
    (at(50), at(99))
}

/// A question as OvenMediaEngine asks it, signed.
fn question(key: &str, direction: &str, url: &str, protocol: &str) -> (String, String) {
    let body = json!({
        "client": {"address": "192.0.2.9", "port": 1, "real_ip": "192.0.2.9"},
        "request": {"direction": direction, "protocol": protocol, "status": "opening",
            "time": jiff::Timestamp::now().to_string(), "url": url},
    })
    .to_string();
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature =
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    (body, signature)
}

/// A room somebody is in: its id, the address they watch and the one its
/// encoder publishes to.
struct Seat {
    room: String,
    watch: String,
    publish: String,
}

/// Comes in by a link and leaves the page open; counts what it is told.
async fn sit(
    stack: &Stack,
    number: usize,
    made: &Value,
    key: &str,
    told: &Arc<Vec<AtomicUsize>>,
) -> Seat {
    let live = stack.live();
    let pages = format!("127.0.0.1:{}", stack.port(5));
    let from = format!("198.51.{}.{}", number / 200, number % 200 + 1);
    let origin = format!("https://{live}:{}", stack.port(1));
    let token = made["link"]["url"]
        .as_str()
        .unwrap()
        .split_once("/j#")
        .unwrap()
        .1;
    let mut client = Client::tcp(&pages, &live).await.unwrap();
    let headers = [
        ("content-type", "application/json"),
        ("origin", &*origin),
        ("x-forwarded-for", &*from),
    ];
    let body = json!({"token": token}).to_string();
    let entered = client
        .send(Method::POST, "/api/v1/session/link", &headers, body)
        .await
        .unwrap();
    assert_eq!(entered.status, 200, "{:?}", entered.body);
    let cookie = entered.headers["set-cookie"]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let visit = entered.json().unwrap();
    let slug = visit["slug"].as_str().unwrap();
    let mut stream = tokio::net::TcpStream::connect(&pages).await.unwrap();
    let ask = format!(
        "GET /api/v1/session/{slug}/events HTTP/1.1\r\nhost: {live}\r\ncookie: {cookie}\r\nx-forwarded-for: {from}\r\n\r\n"
    );
    stream.write_all(ask.as_bytes()).await.unwrap();
    let told = Arc::clone(told);
    tokio::spawn(async move {
        let mut some = vec![0; 16 << 10];
        while let Ok(got) = stream.read(&mut some).await {
            if got == 0 {
                // Ended from the other side: nothing counts any more.
                told[number].store(0, Ordering::SeqCst);
                break;
            }
            let text = String::from_utf8_lossy(&some[..got]);
            told[number].fetch_add(text.matches("event: visit").count(), Ordering::SeqCst);
        }
    });
    Seat {
        room: made["room"]["id"].as_str().unwrap().to_owned(),
        watch: visit["playback"]["webrtc"]
            .as_str()
            .unwrap()
            .replace("wss://", "ws://"),
        publish: format!("rtmp://{live}/live/{key}"),
    }
}

#[test]
fn under_load_nobody_is_refused_and_memory_stays() {
    let mut stack = Stack::new("load", 27_200);
    stack.serve();
    stack.until("installed", 90, is_ready);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(under_load(&stack));
    stack.until("all is well afterwards", 60, is_ready);
    let log = stack.log();
    assert!(!log.contains("panicked"), "{log}");
}

async fn under_load(stack: &Stack) {
    let (rooms, seats, rate, seconds) = (
        of_full(1_000, 150),
        of_full(200, 40),
        of_full(500, 200),
        of_full(60, 5),
    );
    let lock: Value =
        serde_json::from_str(&std::fs::read_to_string(stack.state().join("lock")).unwrap())
            .unwrap();
    let pid = lock["pid"].as_u64().unwrap();
    let secrets: Value =
        serde_json::from_str(&std::fs::read_to_string(stack.state().join("secrets.json")).unwrap())
            .unwrap();
    let key: Arc<str> = secrets["ome_hook_key"].as_str().unwrap().into();
    let socket = stack.state().join("control.sock");
    let mut control = Client::unix(&socket).await.unwrap();
    let told: Arc<Vec<AtomicUsize>> = Arc::new((0..seats).map(|_| AtomicUsize::new(0)).collect());
    let mut taken = Vec::new();
    for number in 0..rooms {
        let new =
            json!({"title": format!("Reel {number}"), "link": {"role": "viewer", "name": "Ann"}});
        let made = control
            .ask(Method::POST, "/api/v1/rooms", None, new)
            .await
            .unwrap();
        if number < seats {
            let path = format!(
                "/api/v1/rooms/{}/ingest",
                made["room"]["id"].as_str().unwrap()
            );
            let ingest = control
                .ask(Method::GET, &path, None, Value::Null)
                .await
                .unwrap();
            let key = ingest["key"].as_str().unwrap();
            taken.push(sit(stack, number, &made, key, &told).await);
        }
    }
    let taken = Arc::new(taken);
    let at_start = memory(pid);
    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds as u64);

    let mut workers = Vec::new();
    for worker in 0..WORKERS {
        let (key, taken) = (Arc::clone(&key), Arc::clone(&taken));
        let internal = format!("127.0.0.1:{}", stack.port(6));
        workers.push(tokio::spawn(async move {
            let mut client = Client::tcp(&internal, "controller").await.unwrap();
            let mut due =
                tokio::time::interval(Duration::from_secs_f64(WORKERS as f64 / rate as f64));
            let (mut took, mut refused) = (Vec::new(), Vec::new());
            while Instant::now() < end {
                due.tick().await;
                let seat = &taken[(worker + took.len() * WORKERS) % taken.len()];
                // A viewer, then an encoder.
                let (body, signature) = if took.len() % 2 == 0 {
                    question(&key, "outgoing", &seat.watch, "WebRTC")
                } else {
                    question(&key, "incoming", &seat.publish, "RTMP")
                };
                let begun = Instant::now();
                let headers = [("x-ome-signature", &*signature)];
                let answer = client
                    .send(Method::POST, "/internal/ome/admission", &headers, body)
                    .await
                    .unwrap();
                took.push(begun.elapsed());
                if answer.json().unwrap()["allowed"] != true {
                    refused.push(String::from_utf8_lossy(&answer.body).into_owned());
                }
            }
            (took, refused)
        }));
    }

    // An edit every 100 ms, each of which is in Traefik's file as well.
    let mut edits = Vec::new();
    let (mut middle, mut failed) = (0.0, Vec::new());
    let mut due = tokio::time::interval(Duration::from_millis(100));
    while Instant::now() < end {
        due.tick().await;
        if middle == 0.0 && begun.elapsed().as_secs_f64() > seconds as f64 / 2.0 {
            middle = memory(pid);
        }
        let number = edits.len();
        let room = &taken[number % taken.len()].room;
        let limit = if number / taken.len() % 2 == 0 {
            json!(["10.0.0.0/8"])
        } else {
            json!([])
        };
        let change = json!({"title": format!("Reel, take {number}"), "allowed_addresses": limit});
        let begun = Instant::now();
        if let Err(why) = control
            .ask(
                Method::PATCH,
                &format!("/api/v1/rooms/{room}"),
                Some("*"),
                change,
            )
            .await
        {
            failed.push(why.to_string());
        }
        edits.push(begun.elapsed());
    }
    let late = memory(pid);
    let (mut took, mut refused) = (Vec::new(), Vec::new());
    for worker in workers {
        let (times, no) = worker.await.unwrap();
        took.extend(times);
        refused.extend(no);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let silent: Vec<usize> = (0..edits.len().min(seats))
        .filter(|number| told[*number].load(Ordering::SeqCst) < 2)
        .collect();

    let (asked, edited) = (took.len(), edits.len());
    let ((p50, p99), (edit50, edit99)) = (figures(took), figures(edits));
    let build = match std::env::var("COLOURSTREAM_TEST_BINARY") {
        Ok(_) => "the release that ships",
        Err(_) => "a build for tests, not optimised",
    };
    let mut count = Count::of(&format!("load: {rooms} rooms, {seats} event streams, {rate} admissions a second for {seconds} s, an edit every 100 ms")).note(&format!(
        "viewers and encoders in turn: admission p50 {p50:.1} ms, p99 {p99:.1} ms; edit p50 {edit50:.1} ms, p99 {edit99:.1} ms; memory {at_start:.0} MB at the start, {middle:.0} MB in the middle, {late:.0} MB at the end ({build})"
    ));
    count.passed(asked + edited - refused.len() - failed.len());
    for why in refused.iter().chain(&failed).take(20) {
        count.case("refused under load", Err(why.clone()));
    }
    let mut check = |what: &str, good: bool, why: String| {
        count.case(what, if good { Ok(()) } else { Err(why) })
    };
    check(
        "every page was told",
        silent.is_empty(),
        format!("not told: {silent:?}"),
    );
    check(
        "memory is flat",
        late <= middle * 1.1 + 3.0 && late <= at_start * 1.3 + 8.0,
        format!("{at_start:.1} MB, {middle:.1} MB, then {late:.1} MB"),
    );
    // How fast is a question to a machine that does nothing else: the sample
    // runs beside other tests.
    if is_full() {
        check(
            "as many as meant",
            asked * 10 >= rate * seconds * 9,
            format!("{asked} asked of {}", rate * seconds),
        );
        check(
            "edits as many as meant",
            edited >= seconds * 9,
            format!("{edited} edits of {}", seconds * 10),
        );
        check(
            "an edit takes no time to speak of",
            edit99 <= 1_000.0,
            format!("p99 {edit99:.1} ms"),
        );
        check(
            "an admission takes no time",
            p99 <= 250.0,
            format!("p99 {p99:.1} ms"),
        );
    }
    let mut report = Report::new("load");
    report.add_timed(count, begun.elapsed());
    report.conclude();
}
