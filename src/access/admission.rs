//! PURE: the answer to OvenMediaEngine's question who may publish and watch.
//!
//! Everything the contract says about hooks that lie, URLs per protocol and
//! the signature is here, and each recorded request is a test below.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha1::Sha1;

use super::index::Index;
use super::keys::TicketKey;
use super::live::{Live, Peer};
use crate::model::{Gate, Id, PublishKey, Secret, StreamName};

/// A signed question is good for this long before and after it was asked: the
/// body holds no nonce, its time is the only guard against being played again.
/// Both clocks are those of one host; a minute covers a slow start.
pub const WINDOW: SignedDuration = SignedDuration::from_secs(60);

/// OvenMediaEngine cannot cut a single viewer. A revoked one whose page does
/// not stop by itself is cut at the latest after this long; a player that
/// stays comes back within a second, so it is long enough not to disturb a
/// review.
pub const LONGEST_VIEW: SignedDuration = SignedDuration::from_hours(4);

/// What signs and is signed.
#[derive(Clone, Debug)]
pub struct AdmissionKeys {
    /// Key of the hooks' signatures.
    pub hook: Secret<String>,
    /// Key of the tickets.
    pub tickets: TicketKey,
}

/// What was decided: an answer, and what it means for who is live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// An encoder may publish.
    Publish {
        /// Which room.
        room: Id,
        /// Its stream.
        stream: StreamName,
        /// The encoder's connection.
        peer: Peer,
        /// What OvenMediaEngine is to call it.
        new_url: String,
        /// Milliseconds until the room closes; 0 = no end.
        lifetime: u64,
    },
    /// A viewer may watch.
    Play {
        /// Which room.
        room: Id,
        /// Its stream.
        stream: StreamName,
        /// The viewer's place; `None` for the portal's own player.
        place: Option<Id>,
        /// The viewer's connection.
        peer: Peer,
        /// Milliseconds until it has to ask again; 0 = no end.
        lifetime: u64,
    },
    /// Something closed, or says so.
    Closed {
        /// Which connection.
        peer: Peer,
    },
    /// No.
    Refused(Refusal),
}

/// Why not; the reason reaches OvenMediaEngine's log and ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The signature is missing or wrong: not from our OvenMediaEngine.
    #[error("the signature is not ours")]
    Signature,
    /// It is not what OvenMediaEngine sends.
    #[error("the question cannot be understood: {0}")]
    Malformed(&'static str),
    /// It was asked too long ago, or in the future.
    #[error("the question is not of this moment; check the clocks")]
    Stale,
    /// A protocol that is not offered in this direction.
    #[error("this protocol is not offered")]
    Protocol,
    /// No such key.
    #[error("no room has this stream key")]
    Key,
    /// No such stream under this application.
    #[error("no room has this stream")]
    Stream,
    /// The room is not open.
    #[error("the room is {0}")]
    Shut(&'static str),
    /// Somebody publishes already.
    #[error("another encoder is live in this room, from {from} since {since}")]
    Duplicate {
        /// Its address.
        from: String,
        /// Since when.
        since: Timestamp,
    },
    /// The ticket is missing, of another room, or its session has ended.
    #[error("the ticket does not hold")]
    Ticket,
    /// As many watch as may.
    #[error("the room is full")]
    Full,
}

impl Refusal {
    /// One word for metrics.
    pub const fn label(&self) -> &'static str {
        match self {
            Refusal::Signature => "signature",
            Refusal::Malformed(_) => "malformed",
            Refusal::Stale => "stale",
            Refusal::Protocol => "protocol",
            Refusal::Key => "key",
            Refusal::Stream => "stream",
            Refusal::Shut(_) => "shut",
            Refusal::Duplicate { .. } => "duplicate",
            Refusal::Ticket => "ticket",
            Refusal::Full => "full",
        }
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifetime: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Decision {
    /// Status and body of the answer.
    pub fn answer(&self) -> (u16, String) {
        let (status, answer) = match self {
            Decision::Publish {
                new_url, lifetime, ..
            } => (
                200,
                Answer {
                    allowed: true,
                    new_url: Some(new_url),
                    lifetime: Some(*lifetime),
                    reason: None,
                },
            ),
            Decision::Play { lifetime, .. } => (
                200,
                Answer {
                    allowed: true,
                    new_url: None,
                    lifetime: Some(*lifetime),
                    reason: None,
                },
            ),
            Decision::Closed { .. } => return (200, "{}".to_owned()),
            // Whoever cannot sign learns nothing, not even what was wrong.
            Decision::Refused(Refusal::Signature) => (
                401,
                Answer {
                    allowed: false,
                    new_url: None,
                    lifetime: None,
                    reason: None,
                },
            ),
            Decision::Refused(refusal @ Refusal::Malformed(_)) => (
                400,
                Answer {
                    allowed: false,
                    new_url: None,
                    lifetime: None,
                    reason: Some(refusal.to_string()),
                },
            ),
            Decision::Refused(refusal) => (
                200,
                Answer {
                    allowed: false,
                    new_url: None,
                    lifetime: None,
                    reason: Some(refusal.to_string()),
                },
            ),
        };
        (
            status,
            serde_json::to_string(&answer).unwrap_or_else(|_| "{\"allowed\":false}".to_owned()),
        )
    }

    /// One word for metrics.
    pub const fn label(&self) -> &'static str {
        match self {
            Decision::Publish { .. } => "publish",
            Decision::Play { .. } => "play",
            Decision::Closed { .. } => "closed",
            Decision::Refused(refusal) => refusal.label(),
        }
    }
}

#[derive(Deserialize)]
struct Question {
    client: Client,
    request: Request,
}

#[derive(Deserialize)]
struct Client {
    address: String,
    port: u16,
}

#[derive(Deserialize)]
struct Request {
    direction: String,
    protocol: String,
    status: String,
    time: String,
    url: String,
}

/// Decides about the raw `body` of a hook.
pub fn decide(
    index: &Index,
    live: &Live,
    keys: &AdmissionKeys,
    body: &[u8],
    signature: Option<&[u8]>,
    now: Timestamp,
) -> Decision {
    consider(index, live, keys, body, signature, now).unwrap_or_else(Decision::Refused)
}

fn consider(
    index: &Index,
    live: &Live,
    keys: &AdmissionKeys,
    body: &[u8],
    signature: Option<&[u8]>,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    if !is_signed(&keys.hook, body, signature.unwrap_or_default()) {
        return Err(Refusal::Signature);
    }
    let question: Question =
        serde_json::from_slice(body).map_err(|_| Refusal::Malformed("not the JSON expected"))?;
    let Request {
        direction,
        protocol,
        status,
        time,
        url,
    } = question.request;
    let time: Timestamp = time.parse().map_err(|_| Refusal::Malformed("not a time"))?;
    if time.duration_since(now).abs() > WINDOW {
        return Err(Refusal::Stale);
    }
    // Documented in lower case, sent in mixed.
    let peer = Peer {
        protocol: protocol.to_ascii_lowercase(),
        address: question.client.address,
        port: question.client.port,
    };
    match status.as_str() {
        "opening" => {}
        "closing" => return Ok(Decision::Closed { peer }),
        _ => return Err(Refusal::Malformed("neither opening nor closing")),
    }
    match (direction.as_str(), peer.protocol.as_str()) {
        ("incoming", "rtmp" | "srt" | "webrtc") => publish(index, live, &url, peer, now),
        ("outgoing", "webrtc" | "llhls" | "thumbnail") => {
            play(index, live, &keys.tickets, &url, peer, now)
        }
        ("incoming" | "outgoing", _) => Err(Refusal::Protocol),
        _ => Err(Refusal::Malformed("neither incoming nor outgoing")),
    }
}

fn publish(
    index: &Index,
    live: &Live,
    url: &str,
    peer: Peer,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let url = MediaUrl::parse(url).ok_or(Refusal::Malformed("not a URL"))?;
    // The stream's place: the second segment, after the application. Some
    // encoders leave the application out, some put an instance in between.
    let name = match (peer.protocol.as_str(), url.path.as_slice()) {
        (_, [only]) => only,
        ("rtmp", [_, .., last]) | (_, [_, last, ..]) => last,
        (_, []) => return Err(Refusal::Key),
    };
    // A stream's name is not of this type, so it can never pass for a key.
    let key: PublishKey = name.parse().map_err(|_| Refusal::Key)?;
    let room = index.room_by_key(key.digest()).ok_or(Refusal::Key)?;
    open(room.gate(now))?;
    if let Some(other) = live.publisher_in_the_way(&room.stream, &peer, now) {
        return Err(Refusal::Duplicate {
            from: other.peer.address.clone(),
            since: other.since,
        });
    }
    Ok(Decision::Publish {
        room: room.id.clone(),
        stream: room.stream.clone(),
        peer,
        // Scheme, host and port stay. So does the application, which is the
        // room's profile unless the encoder was set up with another one, and
        // the room's routes know only its own.
        new_url: format!(
            "{}://{}/{}/{}",
            url.scheme, url.authority, room.profile, room.stream
        ),
        lifetime: lifetime(room.expires_at, now),
    })
}

fn play(
    index: &Index,
    live: &Live,
    tickets: &TicketKey,
    url: &str,
    peer: Peer,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let url = MediaUrl::parse(url).ok_or(Refusal::Malformed("not a URL"))?;
    let [profile, stream, ..] = url.path.as_slice() else {
        return Err(Refusal::Stream);
    };
    let stream: StreamName = stream.parse().map_err(|_| Refusal::Stream)?;
    let room = index
        .room_by_stream(&stream)
        .filter(|room| room.profile == **profile)
        .ok_or(Refusal::Stream)?;
    open(room.gate(now))?;
    let ticket = url.query("ticket").ok_or(Refusal::Ticket)?;
    if tickets.is_preview(ticket, &stream, now) {
        return Ok(Decision::Play {
            room: room.id.clone(),
            stream,
            place: None,
            peer,
            lifetime: lifetime(room.expires_at, now),
        });
    }
    let place = Id::kept(ticket.split('.').next().unwrap_or_default());
    let (session, grant) = index
        .place_by_id(&place, now)
        .filter(|(_, grant)| grant.room == room.id)
        .ok_or(Refusal::Ticket)?;
    if !tickets.is_ticket(ticket, &place, session, &stream) {
        return Err(Refusal::Ticket);
    }
    if live.is_full_for(room, grant, now) {
        return Err(Refusal::Full);
    }
    let longest = now.checked_add(LONGEST_VIEW).unwrap_or(now);
    let ends_at = index.ends_at(grant).map_or(longest, |at| at.min(longest));
    Ok(Decision::Play {
        room: room.id.clone(),
        stream,
        place: Some(place),
        peer,
        lifetime: lifetime(Some(ends_at), now),
    })
}

fn open(gate: Gate) -> Result<(), Refusal> {
    match gate {
        Gate::Open => Ok(()),
        Gate::NotOpen => Err(Refusal::Shut("not open yet")),
        Gate::Closed => Err(Refusal::Shut("closed")),
        Gate::Expired => Err(Refusal::Shut("expired")),
        Gate::Archived => Err(Refusal::Shut("archived")),
    }
}

/// Milliseconds to `until`, never the 0 that means no end.
fn lifetime(until: Option<Timestamp>, now: Timestamp) -> u64 {
    until.map_or(0, |until| {
        u64::try_from(until.duration_since(now).as_millis())
            .unwrap_or_default()
            .max(1)
    })
}

/// A body that OvenMediaEngine signed.
pub(super) fn signed_json(
    key: &Secret<String>,
    body: &[u8],
    signature: Option<&[u8]>,
) -> Result<serde_json::Value, Refusal> {
    if !is_signed(key, body, signature.unwrap_or_default()) {
        return Err(Refusal::Signature);
    }
    serde_json::from_slice(body).map_err(|_| Refusal::Malformed("not JSON"))
}

/// base64url without padding of HMAC-SHA1 over the raw bytes; the comparison
/// takes the same time however much is right.
fn is_signed(key: &Secret<String>, body: &[u8], signature: &[u8]) -> bool {
    let (Ok(mut mac), Ok(signature)) = (
        Hmac::<Sha1>::new_from_slice(key.expose().as_bytes()),
        URL_SAFE_NO_PAD.decode(signature),
    ) else {
        return false;
    };
    mac.update(body);
    !key.expose().is_empty() && mac.verify_slice(&signature).is_ok()
}

/// As much of a URL as matters here. Scheme and host are what the client
/// typed: never compared.
struct MediaUrl<'a> {
    scheme: &'a str,
    authority: &'a str,
    path: Vec<&'a str>,
    query: &'a str,
}

impl<'a> MediaUrl<'a> {
    fn parse(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let is_word = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte))
        };
        (!scheme.is_empty() && is_word(scheme) && is_word(authority)).then(|| Self {
            scheme,
            authority,
            path: path
                .split('/')
                .filter(|segment| !segment.is_empty())
                .collect(),
            query,
        })
    }

    fn query(&self, name: &str) -> Option<&'a str> {
        // Our tickets need no escape, so nothing is unescaped.
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Digest, Grant, Link, Room, Seat};
    use crate::store::Visitor;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn keys() -> AdmissionKeys {
        AdmissionKeys {
            hook: Secret::new("hook-secret".into()),
            tickets: TicketKey::new(Secret::new("ticket-secret".into())),
        }
    }

    fn sign(body: &str) -> String {
        let mut mac = Hmac::<Sha1>::new_from_slice(b"hook-secret").unwrap();
        mac.update(body.as_bytes());
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    fn room() -> Room {
        Room {
            profile: "app".into(),
            ..Room::sample(Timestamp::UNIX_EPOCH).unwrap()
        }
    }

    fn session() -> Digest {
        Digest::of("cookie")
    }

    fn grant(id: &str, link: Option<&str>) -> Grant {
        Grant {
            id: Id::kept(id),
            room: Id::kept("room"),
            link: link.map(Id::kept),
            seat: Seat::Viewer,
            name: "Ann".into(),
            named: true,
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn index_with(change: impl FnOnce(&mut Room, &mut Link), now: Timestamp) -> Index {
        let mut link = Link {
            id: Id::kept("link"),
            room: Id::kept("room"),
            name: "Ann".into(),
            seat: Seat::Viewer,
            expires_at: None,
            max_uses: None,
            uses: 1,
            revoked: false,
            last_seen: None,
            created_at: Timestamp::UNIX_EPOCH,
        };
        let mut room = room();
        change(&mut room, &mut link);
        let mut other = self::room();
        other.id = Id::kept("other");
        other.stream = "roomtwo2".parse().unwrap();
        other.key = "sk_other".parse().unwrap();
        let visitor = |token, grant| Visitor {
            token,
            created_at: now,
            last_seen: now,
            grants: vec![grant],
        };
        let visitors = vec![
            visitor(session(), grant("ann", Some("link"))),
            visitor(Digest::of("bob"), grant("bob", None)),
        ];
        Index::new(vec![room, other], vec![link], Vec::new(), visitors, now)
    }

    fn index() -> Index {
        index_with(|_, _| {}, Timestamp::UNIX_EPOCH)
    }

    fn ticket(place: &str) -> String {
        let session = if place == "ann" {
            session()
        } else {
            Digest::of(place)
        };
        keys()
            .tickets
            .ticket(&Id::kept(place), session, &"roomone1".parse().unwrap())
    }

    const NOW: &str = "2026-11-22T20:30:00Z";

    /// Asks with a good signature, at the moment the body names.
    fn ask_with(index: &Index, live: &Live, body: &str) -> Decision {
        let question: Question = serde_json::from_str(body).unwrap();
        decide(
            index,
            live,
            &keys(),
            body.as_bytes(),
            Some(sign(body).as_bytes()),
            at(&question.request.time),
        )
    }

    fn ask(body: &str) -> Decision {
        ask_with(&index(), &Live::default(), body)
    }

    fn body(direction: &str, protocol: &str, status: &str, url: &str) -> String {
        format!(
            r#"{{"client":{{"address":"172.17.0.1","port":49104,"real_ip":"172.17.0.1"}},"request":{{"direction":"{direction}","protocol":"{protocol}","status":"{status}","time":"2026-11-22T20:30:00.000+00:00","url":"{url}"}}}}"#
        )
    }

    fn new_url(decision: &Decision) -> &str {
        match decision {
            Decision::Publish { new_url, .. } => new_url,
            other => other.label(),
        }
    }

    // The two vectors of the contract, with the signatures OvenMediaEngine sent.
    const RTMP: &str = r#"{"client":{"address":"172.17.0.1","port":49104,"real_ip":"172.17.0.1"},"request":{"direction":"incoming","protocol":"RTMP","status":"opening","time":"2026-11-22T19:42:21.960+00:00","url":"rtmp://127.0.0.1:21935/app/sk_abc123"}}"#;
    const SRT: &str = r#"{"client":{"address":"172.17.0.1","port":54012,"real_ip":"172.17.0.1"},"request":{"direction":"incoming","protocol":"SRT","status":"opening","time":"2026-11-22T20:29:16.166+00:00","url":"srt://default/app/sk_abc123"}}"#;

    #[test]
    fn recorded_vectors_verify_over_the_raw_bytes() {
        assert_eq!(RTMP.len(), 227);
        for (body, signature, time) in [
            (RTMP, "CnCJJp3jntJkwGYLLvx3vOrH2oA", "2026-11-22T19:42:22Z"),
            (SRT, "-VFngyirv4ktMJquH4JNW_ZHwoU", "2026-11-22T20:29:16Z"),
        ] {
            let decide = |body: &str, signature: &str| {
                decide(
                    &index(),
                    &Live::default(),
                    &keys(),
                    body.as_bytes(),
                    Some(signature.as_bytes()),
                    at(time),
                )
            };
            assert_eq!(decide(body, signature).label(), "publish");
            assert_eq!(
                decide(&body.replace(':', ": "), signature).label(),
                "signature"
            );
            assert_eq!(
                decide(
                    body,
                    &signature
                        .replace('-', "+")
                        .replace('_', "/")
                        .replace('C', "D")
                )
                .label(),
                "signature"
            );
            assert_eq!(decide(body, &format!("{signature}=")).label(), "signature");
            assert_eq!(decide(body, "").label(), "signature");
        }
        assert_eq!(
            decide(
                &index(),
                &Live::default(),
                &keys(),
                RTMP.as_bytes(),
                None,
                at(NOW)
            )
            .label(),
            "signature"
        );
    }

    #[test]
    fn recorded_publish_openings_are_mapped_to_the_stream() {
        assert_eq!(new_url(&ask(RTMP)), "rtmp://127.0.0.1:21935/app/roomone1");
        assert_eq!(new_url(&ask(SRT)), "srt://default/app/roomone1");
        let whip = r#"{"client":{"address":"172.17.0.1","port":57106,"real_ip":"172.17.0.1","user_agent":"Python/3.11 aiohttp/3.14.5"},"request":{"direction":"incoming","protocol":"WebRTC","status":"opening","time":"2026-11-22T20:29:12.924+00:00","url":"http://172.17.0.2:3333/app/sk_abc123?direction=whip"}}"#;
        assert_eq!(new_url(&ask(whip)), "http://172.17.0.2:3333/app/roomone1");
        let (status, answer) = ask(whip).answer();
        assert_eq!(
            (status, answer.as_str()),
            (
                200,
                r#"{"allowed":true,"new_url":"http://172.17.0.2:3333/app/roomone1","lifetime":0}"#
            )
        );
    }

    #[test]
    fn recorded_encoder_urls_are_understood() {
        for (protocol, url, expected) in [
            (
                "RTMP",
                "rtmp://H:1935/app/sk_abc123",
                "rtmp://H:1935/app/roomone1",
            ),
            (
                "RTMP",
                "rtmp://H:1935/live/sk_abc123",
                "rtmp://H:1935/app/roomone1",
            ),
            (
                "RTMP",
                "rtmp://H:1935/app/sk_abc123?a=b&c=d",
                "rtmp://H:1935/app/roomone1",
            ),
            (
                "RTMP",
                "rtmp://H:1935/live/inst/sk_abc123",
                "rtmp://H:1935/app/roomone1",
            ),
            (
                "RTMP",
                "rtmp://H:1935/sk_abc123",
                "rtmp://H:1935/app/roomone1",
            ),
            (
                "SRT",
                "srt://rooms.example/app/sk_abc123?token=abc",
                "srt://rooms.example/app/roomone1",
            ),
            (
                "SRT",
                "srt://host:9999/app/sk_abc123",
                "srt://host:9999/app/roomone1",
            ),
            ("srt", "srt://live/any/sk_abc123", "srt://live/app/roomone1"),
            (
                "WebRTC",
                "https://H/app/sk_abc123?direction=whip",
                "https://H/app/roomone1",
            ),
        ] {
            assert_eq!(
                new_url(&ask(&body("incoming", protocol, "opening", url))),
                expected,
                "{url}"
            );
        }
        for url in [
            "rtmp://H/app/sk_wrong",
            "rtmp://H/app/roomone1",
            "rtmp://H/app/sk_abc123x",
            "rtmp://H/app/SK_ABC123",
            "rtmp://H/app/sk%5Fabc123",
            "rtmp://H/app",
            "rtmp://H",
        ] {
            assert_eq!(
                ask(&body("incoming", "RTMP", "opening", url)),
                Decision::Refused(Refusal::Key),
                "{url}"
            );
        }
        assert_eq!(
            ask(&body("incoming", "RTMP", "opening", "nonsense"))
                .answer()
                .0,
            400
        );
    }

    #[test]
    fn recorded_viewers_need_a_ticket() {
        let webrtc = r#"{"client":{"address":"172.17.0.1","port":58712,"real_ip":"172.17.0.1","user_agent":"probe/1.0"},"request":{"direction":"outgoing","protocol":"WebRTC","status":"opening","time":"2026-11-22T20:28:56.990+00:00","url":"ws://172.17.0.2:3333/app/roomone1"}}"#;
        let llhls = r#"{"client":{"address":"172.17.0.1","port":51712,"real_ip":"172.17.0.1","user_agent":"probe/1.0"},"request":{"direction":"outgoing","protocol":"LLHLS","status":"opening","time":"2026-11-22T20:17:23.261+00:00","url":"http://172.17.0.2:3333/app/roomone1/llhls.m3u8"}}"#;
        for recorded in [webrtc, llhls] {
            assert_eq!(ask(recorded), Decision::Refused(Refusal::Ticket));
            let with = |ticket: &str| {
                ask(&recorded.replace(r#""}}"#, &format!(r#"?ticket={ticket}"}}}}"#)))
            };
            let Decision::Play {
                place, lifetime, ..
            } = with(&ticket("ann"))
            else {
                unreachable!("a good ticket was refused")
            };
            assert_eq!(
                (place, lifetime),
                (
                    Some(Id::kept("ann")),
                    u64::try_from(LONGEST_VIEW.as_millis()).unwrap()
                )
            );
            for bad in [
                "",
                "ann",
                "ann.AAAA",
                &ticket("ann").replace("ann", "bob"),
                &ticket("eve"),
            ] {
                assert_eq!(with(bad), Decision::Refused(Refusal::Ticket), "{bad}");
            }
        }
        // Behind TLS the scheme stays, the host is the public one.
        let public = format!(
            "ws://video.localhost:8443/app/roomone1?ticket={}",
            ticket("ann")
        );
        assert_eq!(
            ask(&body("outgoing", "WebRTC", "opening", &public)).label(),
            "play"
        );
    }

    #[test]
    fn recorded_closings_are_answered_and_name_their_connection() {
        for closing in [
            r#"{"client":{"address":"172.17.0.1","port":49104,"real_ip":"172.17.0.1"},"request":{"direction":"incoming","new_url":"rtmp://127.0.0.1:21935/app/room-one","protocol":"RTMP","status":"closing","time":"2026-11-22T20:29:21.196+00:00","url":"rtmp://127.0.0.1:21935/app/sk_abc123"}}"#,
            r#"{"client":{"address":"172.17.0.1","port":54012,"real_ip":"172.17.0.1"},"request":{"direction":"incoming","new_url":"srt://default/app/room-one","protocol":"SRT","status":"closing","time":"2026-11-22T20:29:21.196+00:00","url":"srt://default/app/sk_abc123"}}"#,
            r#"{"client":{"address":"172.17.0.1","port":57106,"real_ip":"172.17.0.1","user_agent":"Python/3.11 aiohttp/3.14.5"},"request":{"direction":"incoming","protocol":"WebRTC","status":"closing","time":"2026-11-22T20:29:12.924+00:00","url":"http://172.17.0.2:3333/app/sk_abc123?direction=whip"}}"#,
            r#"{"client":{"address":"172.17.0.1","port":58712,"real_ip":"172.17.0.1","user_agent":"probe/1.0"},"request":{"direction":"outgoing","new_url":"ws://172.17.0.2:3333/app/room-one","protocol":"WebRTC","status":"closing","time":"2026-11-22T20:29:00.001+00:00","url":"ws://172.17.0.2:3333/app/room-one"}}"#,
            r#"{"client":{"address":"172.17.0.1","port":48524,"real_ip":"172.17.0.1"},"request":{"direction":"outgoing","new_url":"http://172.17.0.2:3333/app/room-one/llhls.m3u8","protocol":"LLHLS","status":"closing","time":"2026-11-22T20:34:40.018+00:00","url":"http://172.17.0.2:3333/app/room-one/llhls.m3u8"}}"#,
        ] {
            let decision = ask(closing);
            assert!(
                matches!(&decision, Decision::Closed { peer } if peer.address == "172.17.0.1"),
                "{closing}"
            );
            assert_eq!(decision.answer(), (200, "{}".to_owned()));
        }
    }

    #[test]
    fn direction_and_protocol_are_both_checked() {
        let play = format!("ws://h/app/roomone1?ticket={}", ticket("ann"));
        for (direction, protocol, url, expected) in [
            ("outgoing", "RTMP", play.as_str(), "protocol"),
            ("outgoing", "SRT", play.as_str(), "protocol"),
            ("incoming", "LLHLS", "http://h/app/sk_abc123", "protocol"),
            ("incoming", "MPEG-TS", "http://h/app/sk_abc123", "protocol"),
            // A viewer's path never publishes, a key never plays.
            ("incoming", "WebRTC", play.as_str(), "key"),
            ("outgoing", "WebRTC", "ws://h/app/sk_abc123", "stream"),
            ("outgoing", "WebRTC", "ws://h/other/roomone1", "stream"),
            ("outgoing", "WebRTC", "ws://h/roomone1", "stream"),
            ("sideways", "WebRTC", play.as_str(), "malformed"),
        ] {
            assert_eq!(
                ask(&body(direction, protocol, "opening", url)).label(),
                expected,
                "{direction} {protocol} {url}"
            );
        }
        assert_eq!(
            ask(&body(
                "incoming",
                "RTMP",
                "lingering",
                "rtmp://h/app/sk_abc123"
            ))
            .label(),
            "malformed"
        );
    }

    #[test]
    fn an_old_question_played_again_is_refused() {
        let signature = sign(RTMP);
        let decide = |now: &str| {
            decide(
                &index(),
                &Live::default(),
                &keys(),
                RTMP.as_bytes(),
                Some(signature.as_bytes()),
                at(now),
            )
            .label()
        };
        assert_eq!(decide("2026-11-22T19:43:21Z"), "publish");
        assert_eq!(decide("2026-11-22T19:43:22Z"), "stale");
        assert_eq!(decide("2026-11-22T19:41:21Z"), "stale");
    }

    #[test]
    fn every_state_of_a_room_has_its_answer() {
        let publish = body("incoming", "RTMP", "opening", "rtmp://h/app/sk_abc123");
        let play = body(
            "outgoing",
            "WebRTC",
            "opening",
            &format!("ws://h/app/roomone1?ticket={}", ticket("ann")),
        );
        let now = at(NOW);
        let hour = now.checked_add(SignedDuration::from_hours(1)).unwrap();
        type Change = fn(&mut Room, Timestamp, Timestamp);
        let states: [(&str, Change, &str); 6] = [
            ("open", |_, _, _| {}, "open"),
            (
                "closing in an hour",
                |room, _, hour| room.expires_at = Some(hour),
                "open",
            ),
            (
                "not open yet",
                |room, _, hour| room.opens_at = Some(hour),
                "shut",
            ),
            ("closed", |room, _, _| room.closed = true, "shut"),
            (
                "expired this moment",
                |room, now, _| room.expires_at = Some(now),
                "shut",
            ),
            ("archived", |room, _, _| room.archived = true, "shut"),
        ];
        for (name, change, expected) in states {
            let index = index_with(|room, _| change(room, now, hour), now);
            for body in [&publish, &play] {
                let decision = ask_with(&index, &Live::default(), body);
                let label = decision.label();
                assert_eq!(
                    if matches!(label, "publish" | "play") {
                        "open"
                    } else {
                        label
                    },
                    expected,
                    "{name}"
                );
                if name == "closing in an hour" {
                    let (Decision::Publish { lifetime, .. } | Decision::Play { lifetime, .. }) =
                        decision
                    else {
                        unreachable!()
                    };
                    assert_eq!(lifetime, 3_600_000);
                }
            }
        }
    }

    #[test]
    fn a_link_that_ended_takes_its_tickets_along() {
        let now = at(NOW);
        let play = body(
            "outgoing",
            "WebRTC",
            "opening",
            &format!("ws://h/app/roomone1?ticket={}", ticket("ann")),
        );
        let revoked = index_with(|_, link| link.revoked = true, now);
        assert_eq!(
            ask_with(&revoked, &Live::default(), &play).label(),
            "ticket"
        );
        let expired = index_with(|_, link| link.expires_at = Some(now), now);
        assert_eq!(
            ask_with(&expired, &Live::default(), &play).label(),
            "ticket"
        );
    }

    #[test]
    fn a_second_encoder_is_told_who_is_first_and_the_same_one_may_ask_again() {
        let (index, mut live) = (index(), Live::default());
        let first = body("incoming", "RTMP", "opening", "rtmp://h/app/sk_abc123");
        let Decision::Publish { stream, peer, .. } = ask_with(&index, &live, &first) else {
            unreachable!()
        };
        live.publishes(&stream, peer, at(NOW));
        assert_eq!(ask_with(&index, &live, &first).label(), "publish");
        let second = ask_with(&index, &live, &first.replace("49104", "49105"));
        assert_eq!(second.label(), "duplicate");
        assert!(
            second
                .answer()
                .1
                .contains("another encoder is live in this room, from 172.17.0.1")
        );
        let other_protocol = body("incoming", "SRT", "opening", "srt://default/app/sk_abc123");
        assert_eq!(
            ask_with(&index, &live, &other_protocol).label(),
            "duplicate"
        );
    }

    #[test]
    fn a_full_room_lets_nobody_else_in() {
        let index = index_with(|room, _| room.viewer_cap = Some(1), at(NOW));
        let mut live = Live::default();
        let play = |who| {
            body(
                "outgoing",
                "WebRTC",
                "opening",
                &format!("ws://h/app/roomone1?ticket={}", ticket(who)),
            )
        };
        let Decision::Play {
            stream,
            place,
            peer,
            ..
        } = ask_with(&index, &live, &play("ann"))
        else {
            unreachable!()
        };
        live.watches(&stream, &place.unwrap(), peer);
        assert_eq!(ask_with(&index, &live, &play("bob")).label(), "full");
        assert_eq!(ask_with(&index, &live, &play("ann")).label(), "play");
    }

    #[test]
    fn the_portals_own_player_has_a_minute() {
        let stream = "roomone1".parse().unwrap();
        let preview = keys().tickets.preview(&stream, at("2026-11-22T20:31:00Z"));
        assert_eq!(
            ask(&body(
                "outgoing",
                "WebRTC",
                "opening",
                &format!("ws://h/app/roomone1?ticket={preview}")
            ))
            .label(),
            "play"
        );
        let late = keys().tickets.preview(&stream, at(NOW));
        assert_eq!(
            ask(&body(
                "outgoing",
                "WebRTC",
                "opening",
                &format!("ws://h/app/roomone1?ticket={late}")
            ))
            .label(),
            "ticket"
        );
    }

    proptest! {
        #[test]
        fn any_body_gets_an_answer(bytes: Vec<u8>, signature: Vec<u8>) {
            let decision = decide(&index(), &Live::default(), &keys(), &bytes, Some(&signature), at(NOW));
            prop_assert_eq!(decision.answer().0, 401);
        }

        #[test]
        fn any_signed_text_gets_an_answer(text in any::<String>()) {
            let decision = decide(&index(), &Live::default(), &keys(), text.as_bytes(), Some(sign(&text).as_bytes()), at(NOW));
            prop_assert_eq!(decision.answer().0, 400);
        }

        #[test]
        fn any_url_gets_an_answer_and_opens_nothing(url in any::<String>(), out: bool, protocol in "RTMP|SRT|WebRTC|LLHLS|thumbnail|\\PC*") {
            let direction = if out { "outgoing" } else { "incoming" };
            let body = serde_json::json!({"client": {"address": "a", "port": 1}, "request": {"direction": direction, "protocol": protocol,
                "status": "opening", "time": NOW, "url": url}}).to_string();
            prop_assert!(matches!(ask(&body), Decision::Refused(_)));
        }
    }
}
