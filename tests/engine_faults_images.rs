//! Images from a registry that misbehaves: Debian's registry behind a front
//! that is down, refuses, limits, lies, stalls and hangs up. The old container
//! runs on, the issue says why, and it goes on by itself when it can.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;
mod faults;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use common::{docker, issue, try_docker};
use faults::house::House;
use faults::registry::{Registry, push};
use faults::report::{Count, Report, is_full};
use serde_json::Value;

const REGISTRY: u16 = 30_240;
const FRONT: u16 = 30_241;

/// The first byte of a TLS connection (RFC 8446, 5.1: the record's type).
const TLS_HANDSHAKE: u8 = 22;

/// Bytes of the layer that has to be had.
const LAYER: usize = 6 << 20;

/// How the front behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Pass,
    /// Hands layers on at some 4 MB/s.
    Slow,
    Down,
    Unauthorized,
    TooMany,
    /// A byte of each layer is another.
    Wrong,
    /// A layer stops half-way and the connection stays.
    Stall,
    /// A layer stops half-way and the connection ends.
    HangUp,
}

/// The way to the registry, with its manners.
#[derive(Clone)]
struct Front {
    manner: Arc<Mutex<Manner>>,
    /// Requests for a part of a layer: what was had is not asked for again.
    ranges: Arc<Mutex<usize>>,
    /// Bytes of layers that were handed on.
    sent: Arc<Mutex<usize>>,
}

impl Front {
    fn open() -> Self {
        let front = Self {
            manner: Arc::new(Mutex::new(Manner::Pass)),
            ranges: Arc::default(),
            sent: Arc::default(),
        };
        let listener = TcpListener::bind(("127.0.0.1", FRONT)).unwrap();
        let own = front.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let own = own.clone();
                std::thread::spawn(move || own.serve(client));
            }
        });
        front
    }

    fn manner(&self) -> Manner {
        *self.manner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    /// Counts from here on.
    fn forget(&self) {
        for count in [&self.ranges, &self.sent] {
            *count.lock().unwrap_or_else(PoisonError::into_inner) = 0;
        }
    }

    /// One request, one connection: what is kept open has no manners.
    fn serve(&self, mut client: TcpStream) -> Option<()> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && head.len() < 64 * 1024 {
            if client.read(&mut byte).ok()? == 0 {
                return None;
            }
            head.push(byte[0]);
            // The engine tries TLS first, and would wait ten seconds for it.
            if head == [TLS_HANDSHAKE] {
                return None;
            }
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        let manner = self.manner();
        let is_layer = text.starts_with("GET ") && text.contains("/blobs/sha256:");
        let say = |client: &mut TcpStream, status: &str, more: &str, body: &str| {
            let length = body.len();
            write!(
                client,
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
        };
        match manner {
            Manner::Down => return None,
            Manner::Unauthorized => {
                let body =
                    r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
                let _sent = say(
                    &mut client,
                    "401 Unauthorized",
                    "WWW-Authenticate: Basic realm=\"cst\"\r\n",
                    body,
                );
                return None;
            }
            Manner::TooMany => {
                let body = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}"#;
                let _sent = say(
                    &mut client,
                    "429 Too Many Requests",
                    "Retry-After: 60\r\n",
                    body,
                );
                return None;
            }
            _ => {}
        }
        if is_layer && text.to_ascii_lowercase().contains("\r\nrange:") {
            *self.ranges.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }
        let mut server = TcpStream::connect(("127.0.0.1", REGISTRY)).ok()?;
        let lines: Vec<&str> = text
            .trim_end()
            .split("\r\n")
            .filter(|line| !line.to_ascii_lowercase().starts_with("connection:"))
            .collect();
        server
            .write_all(format!("{}\r\nConnection: close\r\n\r\n", lines.join("\r\n")).as_bytes())
            .ok()?;
        let (mut from, mut to) = (client.try_clone().ok()?, server.try_clone().ok()?);
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        self.answer(&mut server, &mut client, is_layer);
        let _gone = client.shutdown(std::net::Shutdown::Both);
        let _gone = server.shutdown(std::net::Shutdown::Both);
        None
    }

    fn answer(&self, server: &mut TcpStream, client: &mut TcpStream, is_layer: bool) {
        let mut buffer = [0; 16 * 1024];
        let mut sent = 0;
        let mut spoilt = false;
        while let Ok(count @ 1..) = server.read(&mut buffer) {
            let manner = if is_layer {
                self.manner()
            } else {
                Manner::Pass
            };
            // Small ones are the image's configuration.
            let far = sent > 1 << 20;
            match manner {
                Manner::Slow => std::thread::sleep(Duration::from_millis(4)),
                Manner::Stall if far => {
                    while self.manner() == Manner::Stall {
                        std::thread::sleep(Duration::from_millis(50));
                    }
                    return;
                }
                Manner::HangUp if far => return,
                Manner::Wrong if far && !spoilt => {
                    buffer[count / 2] ^= 0xff;
                    spoilt = true;
                }
                _ => {}
            }
            if client.write_all(&buffer[..count]).is_err() {
                return;
            }
            sent += count;
            if is_layer {
                *self.sent.lock().unwrap_or_else(PoisonError::into_inner) += count;
            }
        }
    }
}

/// An image of some megabytes that nobody has but the registry.
fn pushed(tag: &str) -> String {
    let reference = format!("127.0.0.1:{FRONT}/cst/call:{tag}");
    push(&reference, LAYER);
    reference
}

struct Case {
    name: &'static str,
    manner: Manner,
    /// What the issue says; nothing where none has to be told.
    words: Option<&'static str>,
    /// Seconds until it is told.
    within: u64,
    only_full: bool,
}

const CASES: [Case; 8] = [
    Case {
        name: "registry down",
        manner: Manner::Down,
        words: Some("cannot be reached"),
        within: 90,
        only_full: true,
    },
    Case {
        name: "401",
        manner: Manner::Unauthorized,
        words: Some("needs a login"),
        within: 60,
        only_full: true,
    },
    Case {
        name: "429",
        manner: Manner::TooMany,
        words: Some("too many requests"),
        within: 90,
        only_full: true,
    },
    Case {
        name: "unknown tag",
        manner: Manner::Pass,
        words: Some("no image of this name and tag"),
        within: 60,
        only_full: true,
    },
    Case {
        name: "digest mismatch",
        manner: Manner::Wrong,
        words: Some("not what its digest says"),
        within: 180,
        only_full: true,
    },
    Case {
        name: "pull that stalls",
        manner: Manner::Stall,
        words: Some("no answer within"),
        within: 240,
        only_full: true,
    },
    Case {
        name: "pull that hangs up over and over",
        manner: Manner::HangUp,
        words: None,
        within: 240,
        only_full: true,
    },
    Case {
        name: "pull killed half-way",
        manner: Manner::Slow,
        words: None,
        within: 60,
        only_full: false,
    },
];

fn pulling(status: &Value) -> Option<(u64, u64)> {
    let pulling = &status["services"][2]["pulling"];
    Some((pulling[0].as_u64()?, pulling[1].as_u64()?))
}

fn told(status: &Value) -> Option<String> {
    issue(status, "image-missing")
        .map(|issue| format!("{} {} {}", issue["what"], issue["why"], issue["fix"]))
}

/// The container of before is the one that runs, and is well.
fn runs_on(house: &House, before: &BTreeMap<String, String>) -> Result<(), String> {
    let status = house.status().ok_or("no status")?;
    if house.stack.runs() != *before || status["services"][2]["health"] != "healthy" {
        return Err(format!(
            "the old one did not run on: {}",
            status["services"][2]
        ));
    }
    Ok(())
}

fn run(house: &mut House, front: &Front, reference: &str, case: &Case) -> Result<(), String> {
    house.settings("1.0.0", "");
    house.settle("a good start")?;
    house.begin();
    let before = house.stack.runs();
    // What earlier cases asked for proves nothing of this one.
    front.forget();
    front.behave(case.manner);
    let asked = if case.name == "unknown tag" {
        reference.rsplit_once(':').unwrap().0.to_owned() + ":nowhere"
    } else {
        reference.to_owned()
    };
    house.image(&asked);
    if case.manner == Manner::Slow {
        // Progress shows; then the controller is killed in the middle of it.
        house.until("progress", case.within, |status| {
            pulling(status).is_some_and(|(had, all)| had > 0 && had < all)
        })?;
        house.stack.kill();
        let had = *front.sent.lock().unwrap();
        *front.sent.lock().unwrap() = 0;
        house.was_killed = true;
        house.serve();
        // Still slow: it is seen to be under way again, and the old one runs on.
        house.until("progress again", case.within, |status| {
            pulling(status).is_some()
        })?;
        runs_on(house, &before)?;
        front.behave(Manner::Pass);
        house.until("it is had", case.within, |status| {
            common::is_ready(status) && status["services"][2]["image"] == asked.as_str()
        })?;
        let (again, ranges) = (*front.sent.lock().unwrap(), *front.ranges.lock().unwrap());
        common::tell(&format!(
            "{had} bytes, then {again}; {ranges} parts asked for"
        ));
        // An engine that keeps nothing of a pull that was given up has all of
        // it once more, and never more than that.
        if again > LAYER + (1 << 20) {
            return Err(format!("{again} bytes after the kill, {had} before it"));
        }
    }
    if let Some(words) = case.words {
        let status = house.until("it is told", case.within, |status| told(status).is_some())?;
        let said = told(&status).unwrap_or_default();
        if !said.contains(words) || !said.contains(&asked) {
            return Err(format!("it says {said}"));
        }
        if house.stack.runs() != before {
            return Err("the old one did not run on".to_owned());
        }
        if status["services"][2]["health"] != "healthy" {
            return Err(format!(
                "the old one is not well: {}",
                status["services"][2]
            ));
        }
        house.check()?;
    }
    if case.manner == Manner::HangUp {
        // The engine goes on where it was cut off, a piece at a time.
        house.until("it is under way", case.within, |status| {
            pulling(status).is_some_and(|(had, _)| had > 0)
        })?;
        runs_on(house, &before)?;
        house.until("it is had in pieces", case.within, |status| {
            common::is_ready(status) && status["services"][2]["image"] == asked.as_str()
        })?;
        if *front.ranges.lock().unwrap() == 0 {
            return Err("all of it was had from the beginning".to_owned());
        }
    }
    front.behave(Manner::Pass);
    if case.name == "unknown tag" {
        house.image(reference);
    }
    // By itself, when its time to be tried again comes.
    house.until("it is had", 120, common::is_ready)?;
    house.settle("it is had")?;
    if house.stack.runs()["mirotalk"] == before["mirotalk"] {
        return Err("the new image was not taken up".to_owned());
    }
    house.check()
}

#[test]
fn whatever_the_registry_does_the_old_one_runs_on_and_it_is_had_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let _registry = Registry::start(folder.path(), REGISTRY);
    let front = Front::open();
    let mut house = House::new("images", 21_600);
    house.installed();
    let mut report = Report::new("images");
    let mut count = Count::of("images").note(
        "a real registry behind a front that misbehaves; the old container runs on, the issue says why, and the image is had by itself afterwards",
    );
    for (number, case) in CASES.iter().enumerate() {
        if case.only_full && !is_full() {
            continue;
        }
        let begun = Instant::now();
        front.behave(Manner::Pass);
        let reference = pushed(&format!("v{number}"));
        let result = run(&mut house, &front, &reference, case);
        common::tell(&format!(
            "{} {} {:.1} s",
            result.is_ok(),
            case.name,
            begun.elapsed().as_secs_f64()
        ));
        front.behave(Manner::Pass);
        count.case(case.name, result);
        house.settings("1.0.0", "");
        let _settled = house.settle("a good start");
        try_docker(&["rmi", "-f", &reference]);
    }
    // `engine_images` has the digest in every run.
    if is_full() {
        let result = the_tag_moves(&mut house, &front);
        count.case("a tag that moves after the first pull", result);
    }
    report.add(count);
    report.conclude();
}

/// After the first pull a tag means what it meant then, whatever the registry
/// says and however often the container is made anew; until a person asks.
fn the_tag_moves(house: &mut House, front: &Front) -> Result<(), String> {
    front.behave(Manner::Pass);
    let reference = pushed("moving");
    house.begin();
    house.image(&reference);
    let image = |house: &House| {
        docker(&[
            "inspect",
            "--format",
            "{{.Image}}",
            &house.stack.of("mirotalk"),
        ])
    };
    let asked = |house: &House| {
        docker(&[
            "inspect",
            "--format",
            "{{.Config.Image}}",
            &house.stack.of("mirotalk"),
        ])
    };
    house.until("the first pull", 60, |status| {
        common::is_ready(status) && status["services"][2]["image"] == reference.as_str()
    })?;
    house.settle("the first pull")?;
    let first = image(house);
    // Another image under the same tag, in the registry and on the host.
    pushed("moving");
    docker(&["pull", "-q", &reference]);
    let moved = docker(&["image", "inspect", "--format", "{{.Id}}", &reference]);
    if moved == first {
        return Err("the tag did not move".to_owned());
    }
    house.until("it is told", 60, |status| {
        issue(status, "image-moved").is_some()
    })?;
    docker(&["rm", "-f", &house.stack.of("mirotalk")]);
    house.a_look()?;
    house.until("healed", 60, |status| {
        status["services"][2]["health"] == "healthy"
    })?;
    if image(house) != first || !asked(house).contains("sha256:") {
        return Err(format!("made of {} by {}", image(house), asked(house)));
    }
    house.check()?;
    let said = house.stack.run(&["apply", "--update-images"]);
    if said.code != 0 {
        return Err(format!("{}{}", said.out, said.err));
    }
    house.settle_with("taken up", &move |house| image(house) == moved, &[])?;
    house.check()?;
    house.settings("1.0.0", "");
    house.settle("a good start")?;
    try_docker(&["rmi", "-f", &reference]);
    Ok(())
}
