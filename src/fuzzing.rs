//! What is done with bytes from outside, as functions of bytes alone: run by
//! `cargo fuzz` (see `fuzz/`) and, from the same seeds with changes made at
//! random, by the test below. A finding is a panic.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;

use crate::access::{
    Access, AdmissionKeys, Ask, Index, Live, Names, Pass, Refusal, StreamFacts, TicketKey, decide,
    pass,
};
use crate::desired::{RoomRoute, Snapshot, desire};
use crate::model::{Grant, Id, Role, Room, Seat, Secret, Slug, Token, network, one_line};
use crate::render::{Templates, render};
use crate::store::{Store, Visitor};

/// A target: its name, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 10] = [
    ("settings", settings),
    ("admission", admission),
    ("admission_url", admission_url),
    ("forward_auth", forward_auth),
    ("room_text", room_text),
    ("api_json", crate::http::read_bodies),
    ("service_answers", service_answers),
    ("engine_answers", crate::engine::docker::read_answers),
    ("tickets", tickets),
    ("alert", alert),
];

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn room() -> Option<Room> {
    Room::sample(now())
}

fn index() -> Index {
    let grant = Grant {
        id: Id::kept("ann"),
        room: Id::kept("room"),
        link: None,
        seat: Seat::Viewer,
        name: "Ann".into(),
        named: true,
        created_at: now(),
    };
    let visitor = Visitor {
        token: Token::given("cookie").digest(),
        created_at: now(),
        last_seen: now(),
        grants: vec![grant],
    };
    Index::new(
        room().into_iter().collect(),
        Vec::new(),
        Vec::new(),
        vec![visitor],
        now(),
    )
}

fn keys() -> AdmissionKeys {
    AdmissionKeys {
        hook: Secret::new("hook".into()),
        tickets: TicketKey::new(Secret::new("ticket".into())),
    }
}

fn sign(body: &[u8]) -> String {
    use base64::Engine as _;
    use hmac::{KeyInit as _, Mac as _};
    let Ok(mut mac) = hmac::Hmac::<sha1::Sha1>::new_from_slice(b"hook") else {
        return String::new();
    };
    mac.update(body);
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

/// Two halves, parted by the first line break.
fn halves(bytes: &[u8]) -> (&[u8], &[u8]) {
    let at = bytes.iter().position(|byte| *byte == b'\n');
    let (one, two) = bytes.split_at(at.unwrap_or(bytes.len()));
    (one, two.get(1..).unwrap_or_default())
}

fn settings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let settings = match crate::settings::parse(text, "colourstream.yaml") {
        Ok(settings) => settings,
        Err(errors) => {
            assert!(!errors.is_empty(), "refused without a word");
            assert!(errors.iter().all(|error| !error.to_string().is_empty()));
            return;
        }
    };
    // What is taken goes into every file, and is read back from there.
    let mut snapshot = Snapshot::sample();
    snapshot.settings = settings;
    let Some(templates) = &*TEMPLATES else { return };
    let rendered = render(&desire(&snapshot), templates);
    assert!(rendered.is_ok(), "{:?}", rendered.err());
}

/// Read once: each input is rendered with them.
static TEMPLATES: LazyLock<Option<Templates>> = LazyLock::new(|| Templates::built_in().ok());

/// The first line is the signature; the body is asked with the right one too.
fn admission(bytes: &[u8]) {
    let (signature, body) = halves(bytes);
    let (index, live, keys) = (index(), Live::default(), keys());
    let forged = decide(&index, &live, &keys, body, Some(signature), now());
    let right = sign(body);
    assert!(
        signature == right.as_bytes() || forged.answer().0 == 401,
        "a signature that is not ours"
    );
    let (status, answer) =
        decide(&index, &live, &keys, body, Some(right.as_bytes()), now()).answer();
    assert!(
        matches!(status, 200 | 400) && !answer.contains("sk_"),
        "{answer}"
    );
}

/// One room, of which alerts tell.
static ACCESS: LazyLock<Option<Arc<Access>>> = LazyLock::new(|| {
    let store = Arc::new(Store::in_memory().ok()?);
    store.insert_room(&room()?, now()).ok()?;
    Access::new(store, keys(), Arc::new(now)).ok()
});

/// The first line is the signature; the body is posted with the right one too.
fn alert(bytes: &[u8]) {
    let (signature, body) = halves(bytes);
    let (access, room) = (ACCESS.as_ref(), room());
    assert!(access.is_some() && room.is_some(), "no room to tell of");
    let (Some(access), Some(room)) = (access, room) else {
        return;
    };
    let right = sign(body);
    let forged = access.alert(body, Some(signature));
    assert!(
        signature == right.as_bytes() || forged == Err(Refusal::Signature),
        "a signature that is not ours"
    );
    let taken = access.alert(body, Some(right.as_bytes()));
    let is_json = serde_json::from_slice::<serde_json::Value>(body).is_ok();
    assert_eq!(taken.is_ok(), is_json, "{taken:?}");
    access.live(|live| {
        assert!(live.rooms().all(|(stream, _)| *stream == room.stream));
        for hint in live.rooms().flat_map(|(_, room)| room.hints()) {
            for words in [&*hint.what, &*hint.why, &*hint.fix] {
                assert!(!words.chars().any(char::is_control), "{words:?}");
                assert!(words.chars().count() < 500, "{words:?}");
            }
        }
        assert!(
            live.rooms().all(|(_, room)| room.publisher.is_none()),
            "an encoder came of an alert"
        );
    });
    // Another stream, of which nothing was said: each input begins anew.
    let over = r##"{"messages":[],"sourceUri":"#default#live/roomone1","sourceInfo":{"createdTime":"2001-01-01T00:00:00Z"}}"##;
    let _taken = access.alert(over.as_bytes(), Some(sign(over.as_bytes()).as_bytes()));
}

/// The first line is `direction protocol`, the rest the URL.
fn admission_url(bytes: &[u8]) {
    let (how, url) = halves(bytes);
    let (how, url) = (String::from_utf8_lossy(how), String::from_utf8_lossy(url));
    let (direction, protocol) = how.split_once(' ').unwrap_or((&how, "RTMP"));
    let body = serde_json::json!({
        "client": {"address": "192.0.2.1", "port": 1},
        "request": {"direction": direction, "protocol": protocol, "status": "opening", "time": now().to_string(), "url": url},
    });
    let body = body.to_string();
    let decision = decide(
        &index(),
        &Live::default(),
        &keys(),
        body.as_bytes(),
        Some(sign(body.as_bytes()).as_bytes()),
        now(),
    );
    let (_, answer) = decision.answer();
    let read: Result<serde_json::Value, _> = serde_json::from_str(&answer);
    assert!(read.is_ok_and(|read| read.is_object()), "{answer}");
    // Who is let in had the key or a ticket in its URL.
    let allowed = answer.contains("\"allowed\":true");
    assert!(
        !allowed || url.contains("sk_abc123") || url.contains("ticket="),
        "{url}"
    );
}

/// Lines: host, URI, cookies, origin.
fn forward_auth(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n');
    let ask = Ask {
        host: lines.next().unwrap_or_default(),
        uri: lines.next().unwrap_or_default(),
        cookies: lines.next().unwrap_or_default(),
        origin: lines.next(),
    };
    let names = Names {
        live: "live.tld".into(),
        admin: "admin.live.tld".into(),
        video: "video.live.tld".into(),
        video_origin: "https://video.live.tld".into(),
        session_cookie: "__Host-cs_session".into(),
        call_cookie: "__Host-cs_call".into(),
    };
    let tickets = keys().tickets;
    let answer = pass(
        &index(),
        &Live::default(),
        &tickets,
        &names,
        true,
        ask,
        now(),
    );
    match answer {
        Pass::No(status, why) => assert!((400..600).contains(&status) && !why.is_empty()),
        Pass::Media { .. } => assert!(
            ask.cookies.contains("__Host-cs_session=cookie"),
            "a stranger watches"
        ),
        // Who asks is looked up by the caller.
        Pass::Preview { .. } => {}
        Pass::Call { .. } => assert!(
            ask.cookies.contains("__Host-cs_call=ann."),
            "a stranger joins"
        ),
    }
}

/// The stream's detail and its statistics are read from the same answer.
fn service_answers(bytes: &[u8]) {
    crate::services::read_answers(bytes);
    let Ok(answer) = serde_json::from_slice::<serde_json::Value>(bytes) else {
        return;
    };
    let facts = StreamFacts::of(&answer, Some(&answer), Some(1_000_000), now());
    if let Some(video) = facts.video {
        assert!(video.fps >= 0.0, "{video:?}");
        assert!(
            video.keyframe_seconds.is_none_or(|seconds| seconds >= 0.0),
            "{video:?}"
        );
    }
}

fn tickets(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (keys, session) = (keys().tickets, Token::given("cookie").digest());
    let Some(room) = room() else { return };
    let id = Id::kept("ann");
    let right = keys.ticket(&id, session, &room.stream);
    assert!(text == right || !keys.is_ticket(&text, &id, session, &room.stream));
    let right = keys.call_cookie(&id, session);
    assert!(text == right || !keys.is_call_cookie(&text, &id, session));
}

/// Lines of three: title, slug, an address. What is taken goes through the
/// renderers.
fn room_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.split('\n').collect();
    let mut snapshot = Snapshot::sample();
    snapshot.rooms.clear();
    for (number, lines) in lines.chunks(3).take(20).enumerate() {
        let line = |number: usize| lines.get(number).copied().unwrap_or_default();
        let made = Slug::suggest(line(0), ["live"], |_| false);
        assert!(Slug::check(made.as_str(), ["live"]).is_ok(), "{made}");
        let Ok(title) = one_line("title", line(0), 120) else {
            continue;
        };
        let slug = Slug::check(line(1), ["live"]).unwrap_or(made);
        // The store keeps no two rooms of one name.
        if snapshot.rooms.iter().any(|room| room.slug == slug.as_str()) {
            continue;
        }
        snapshot.rooms.push(RoomRoute {
            slug: slug.to_string(),
            title,
            stream: format!("room{number}"),
            profile: "live".into(),
            allowed_addresses: network(line(2)).into_iter().collect(),
            viewer_cap: None,
        });
    }
    let Some(templates) = &*TEMPLATES else { return };
    if snapshot.rooms.is_empty() {
        return;
    }
    let mut desired = desire(&snapshot);
    // The files of the other two are long and say nothing of rooms: some
    // inputs show that they are not moved by them.
    if !bytes.len().is_multiple_of(16) {
        let services = &mut desired.services;
        services.retain(|service| service.container.role == Role::Traefik);
    }
    // It is read back as Traefik, OvenMediaEngine and Node read it.
    let rendered = render(&desired, templates);
    assert!(rendered.is_ok(), "{:?}", rendered.err());
    let files = rendered.map_or_else(|_| Vec::new(), |target| target.files);
    let routes = files
        .iter()
        .find(|file| file.path.ends_with("colourstream.yml"))
        .map(|file| String::from_utf8_lossy(&file.bytes).into_owned())
        .unwrap_or_default();
    for room in &snapshot.rooms {
        let router = format!("\n    room-{}: {{", room.slug);
        assert_eq!(routes.matches(&router).count(), 1, "{routes}");
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, Instant};

    use proptest::prelude::*;
    use proptest::test_runner::{RngSeed, TestRunner};

    use super::*;
    use crate::report::{Count, Report, of_full};

    /// What each target begins from: a file of `fuzz/seeds/<target>` each.
    fn seeds(target: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/seeds")
            .join(target);
        let mut files: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        assert!(!files.is_empty(), "{target} has no seeds");
        files
            .iter()
            .map(|file| std::fs::read(file).unwrap())
            .collect()
    }

    /// A change of a seed: where, how much of it goes, what comes instead.
    type Change = (usize, usize, Vec<u8>);

    fn changed(seed: &[u8], changes: &[Change]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for (at, gone, new) in changes {
            let at = at % (bytes.len() + 1);
            let end = (at + gone % 9).min(bytes.len());
            bytes.splice(at..end, new.iter().copied());
        }
        bytes
    }

    fn changes() -> impl Strategy<Value = Vec<Change>> {
        let piece = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..6),
            prop::sample::select(vec![
                "{{",
                "}}",
                "{%",
                "${",
                "<",
                "]]>",
                "\"",
                "'",
                "`",
                "\\",
                "\n",
                "\0",
                "\r\n",
                "\u{202e}",
                "/",
                "//",
                "..",
                "%2f",
                "?",
                "&",
                "=",
                ";",
                ".",
                ":",
                "://",
                "#",
                "-",
                "*",
                "[",
                "]",
                "{",
                "}",
                ",",
                "null",
                "-1",
                "1e999",
                "18446744073709551616",
                "ticket=",
                "room=",
            ])
            .prop_map(|text| text.as_bytes().to_vec()),
        ];
        prop::collection::vec((any::<usize>(), any::<usize>(), piece), 0..8)
    }

    #[test]
    fn bytes_from_outside_break_nothing() {
        let mut report = Report::new("fuzzing");
        for (name, target) in TARGETS {
            let seeds = seeds(name);
            let mut count = Count::of(&format!("bytes from outside: {name}"))
                .note("seeds changed at random, and bytes alone; the same targets as `cargo fuzz`");
            for seed in &seeds {
                target(seed);
            }
            count.inputs(seeds.len());
            let limit = Duration::from_secs(of_full(20, 1) as u64);
            let begun = Instant::now();
            let (mut round, mut result) = (0, Ok(()));
            while result.is_ok() && begun.elapsed() < limit {
                let config = ProptestConfig {
                    cases: 64,
                    failure_persistence: None,
                    rng_seed: RngSeed::Fixed(round),
                    ..ProptestConfig::default()
                };
                let strategy = (0..seeds.len() + 1, changes());
                result = TestRunner::new(config).run(&strategy, |(seed, changes)| {
                    let seed = seeds.get(seed).map_or(&[][..], Vec::as_slice);
                    target(&changed(seed, &changes));
                    Ok(())
                });
                count.inputs(64);
                round += 1;
            }
            count.case(name, result.map_err(|why| why.to_string()));
            report.add(count);
        }
        report.conclude();
    }
}
