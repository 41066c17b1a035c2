//! PURE: forward-auth. Traefik asks for every request of the media path and of
//! the call's host; answered from memory.

use jiff::Timestamp;

use super::index::Index;
use super::keys::TicketKey;
use super::live::Live;
use crate::model::{Gate, Id, Room, Seat, StreamName, Token};

/// Names that depend on the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Host of live page and media.
    pub live: String,
    /// Host of the portal, where its own player finds the media.
    pub admin: String,
    /// Host of the call.
    pub video: String,
    /// Origin of the call, as a browser writes it.
    pub video_origin: String,
    /// Cookie of a visitor's session.
    pub session_cookie: String,
    /// Cookie of the call's host.
    pub call_cookie: String,
}

/// What Traefik asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask<'a> {
    /// `X-Forwarded-Host`, with or without port.
    pub host: &'a str,
    /// `X-Forwarded-Uri`.
    pub uri: &'a str,
    /// `Cookie`.
    pub cookies: &'a str,
    /// `Origin`.
    pub origin: Option<&'a str>,
}

/// Its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Media for somebody who watches.
    Media {
        /// Which stream.
        stream: StreamName,
        /// Whose place.
        place: Id,
        /// Whether it was asked over HTTP: counts as watching.
        http: bool,
    },
    /// Media for the portal's own player, if the login that asks may see this.
    Preview {
        /// Which room.
        room: Id,
    },
    /// The call.
    Call {
        /// Whose place.
        place: Id,
        /// What it allows.
        seat: Seat,
    },
    /// No: status and one word.
    No(u16, &'static str),
}

/// The value of a cookie.
pub fn cookie<'a>(cookies: &'a str, name: &str) -> Option<&'a str> {
    cookies
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// A host name without its port.
pub fn bare_host(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() =>
        {
            name
        }
        _ => host,
    }
}

/// Decides about one request. `call_safe` says that MiroTalk has proved to
/// turn strangers away; until then its host is shut.
pub fn pass(
    index: &Index,
    live: &Live,
    keys: &TicketKey,
    names: &Names,
    call_safe: bool,
    ask: Ask<'_>,
    now: Timestamp,
) -> Pass {
    let host = bare_host(ask.host);
    if host.eq_ignore_ascii_case(&names.video) {
        call(index, keys, names, call_safe, ask, now)
    } else if host.eq_ignore_ascii_case(&names.live) {
        media(index, live, names, ask, now)
    } else if host.eq_ignore_ascii_case(&names.admin) {
        preview(index, ask, now)
    } else {
        Pass::No(404, "host")
    }
}

fn media(index: &Index, live: &Live, names: &Names, ask: Ask<'_>, now: Timestamp) -> Pass {
    let (room, file) = match open_room(index, ask.uri, now) {
        Ok(found) => found,
        Err(no) => return no,
    };
    let session =
        cookie(ask.cookies, &names.session_cookie).map(|cookie| Token::given(cookie).digest());
    if let Some(grant) = session.and_then(|session| index.place(session, &room.id, now)) {
        if live.is_full_for(room, grant, now) {
            return Pass::No(403, "full");
        }
        return Pass::Media {
            stream: room.stream.clone(),
            place: grant.id.clone(),
            http: file,
        };
    }
    Pass::No(401, "session")
}

/// The portal's own player. Whose login it is that asks, and whether this room
/// is theirs, the caller has to look up: logins are not in the index.
fn preview(index: &Index, ask: Ask<'_>, now: Timestamp) -> Pass {
    match open_room(index, ask.uri, now) {
        Ok((room, _)) => Pass::Preview {
            room: room.id.clone(),
        },
        Err(no) => no,
    }
}

/// The open room that a media path leads to, and whether it is a file of it.
fn open_room<'a>(index: &'a Index, uri: &str, now: Timestamp) -> Result<(&'a Room, bool), Pass> {
    let path = uri.split('?').next().unwrap_or_default();
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let (Some(profile), Some(Ok(stream)), file) = (
        segments.next(),
        segments.next().map(str::parse::<StreamName>),
        segments.next(),
    ) else {
        return Err(Pass::No(404, "path"));
    };
    // What lies below a stream has a plain name. Anything else could mean
    // another stream to whoever reads it next.
    let is_plain = |name: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        name.bytes().all(plain) && !name.contains("..")
    };
    if !file.into_iter().chain(segments).all(is_plain) {
        return Err(Pass::No(404, "path"));
    }
    let room = index
        .room_by_stream(&stream)
        .filter(|room| room.profile == profile)
        .ok_or(Pass::No(404, "stream"))?;
    if room.gate(now) != Gate::Open {
        return Err(Pass::No(403, "shut"));
    }
    Ok((room, file.is_some()))
}

fn call(
    index: &Index,
    keys: &TicketKey,
    names: &Names,
    call_safe: bool,
    ask: Ask<'_>,
    now: Timestamp,
) -> Pass {
    if !call_safe {
        return Pass::No(503, "unsafe");
    }
    let Some(cookie) = cookie(ask.cookies, &names.call_cookie) else {
        return Pass::No(401, "session");
    };
    let id = Id::kept(cookie.split('.').next().unwrap_or_default());
    let Some((_, grant)) = index
        .place_by_id(&id, now)
        .filter(|(session, _)| keys.is_call_cookie(cookie, &id, *session))
    else {
        return Pass::No(401, "session");
    };
    let Some(room) = index
        .room(&grant.room)
        .filter(|room| room.gate(now) == Gate::Open)
    else {
        return Pass::No(403, "shut");
    };
    let (path, query) = ask.uri.split_once('?').unwrap_or((ask.uri, ""));
    if path == "/join" || path.starts_with("/join/") {
        // The room is the only thing that binds a token of MiroTalk's.
        let mut rooms = query
            .split('&')
            .filter_map(|pair| pair.strip_prefix("room="));
        let is_ours =
            path == "/join" && rooms.next() == Some(room.stream.as_str()) && rooms.next().is_none();
        if !is_ours {
            return Pass::No(403, "room");
        }
    }
    // MiroTalk takes an upgrade from any page. Only the socket's own path: the
    // client's script below it is fetched without an origin.
    if matches!(path, "/socket.io" | "/socket.io/")
        && ask.origin != Some(names.video_origin.as_str())
    {
        return Pass::No(403, "origin");
    }
    Pass::Call {
        place: grant.id.clone(),
        seat: grant.seat,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::{Grant, Secret};
    use crate::store::Visitor;

    fn now() -> Timestamp {
        Timestamp::from_second(1_000).unwrap()
    }

    fn keys() -> TicketKey {
        TicketKey::new(Secret::new("k".into()))
    }

    fn names() -> Names {
        Names {
            live: "live.tld".into(),
            admin: "admin.live.tld".into(),
            video: "video.live.tld".into(),
            video_origin: "https://video.live.tld:8443".into(),
            session_cookie: "__Host-cs_session".into(),
            call_cookie: "__Host-cs_call".into(),
        }
    }

    fn index(change: impl FnOnce(&mut Room)) -> Index {
        let mut room = Room::sample(now()).unwrap();
        let other = Room {
            id: Id::kept("other"),
            stream: "roomtwo2".parse().unwrap(),
            key: "sk_other".parse().unwrap(),
            ..room.clone()
        };
        change(&mut room);
        let visitor = |name: &str| Visitor {
            token: Token::given(name).digest(),
            created_at: now(),
            last_seen: now(),
            grants: vec![Grant {
                id: Id::kept(name),
                room: Id::kept("room"),
                link: None,
                seat: Seat::Viewer,
                name: name.into(),
                named: true,
                created_at: now(),
            }],
        };
        Index::new(
            vec![room, other],
            Vec::new(),
            Vec::new(),
            vec![visitor("ann"), visitor("bob")],
            now(),
        )
    }

    fn media(index: &Index, live: &Live, uri: &str, cookies: &str) -> Pass {
        pass(
            index,
            live,
            &keys(),
            &names(),
            false,
            Ask {
                host: "live.tld:8443",
                uri,
                cookies,
                origin: None,
            },
            now(),
        )
    }

    #[test]
    fn the_right_cookie_opens_its_own_room_alone() {
        let (index, live) = (index(|_| {}), Live::default());
        let cookies = "theme=dark; __Host-cs_session=ann";
        let place = Id::kept("ann");
        let stream: StreamName = "roomone1".parse().unwrap();
        for (uri, http) in [
            ("/live/roomone1", false),
            ("/live/roomone1?ticket=x", false),
            ("/live/roomone1/llhls.m3u8?ticket=x", true),
            ("/live/roomone1/seg_0.m4s", true),
        ] {
            assert_eq!(
                media(&index, &live, uri, cookies),
                Pass::Media {
                    stream: stream.clone(),
                    place: place.clone(),
                    http
                },
                "{uri}"
            );
        }
        for (uri, cookies, expected) in [
            ("/live/roomone1", "", Pass::No(401, "session")),
            (
                "/live/roomone1",
                "__Host-cs_session=eve",
                Pass::No(401, "session"),
            ),
            ("/live/roomone1", "cs_session=ann", Pass::No(401, "session")),
            (
                "/live/roomtwo2/llhls.m3u8",
                cookies,
                Pass::No(401, "session"),
            ),
            ("/other/roomone1", cookies, Pass::No(404, "stream")),
            ("/live/sk_abc123", cookies, Pass::No(404, "path")),
            ("/live", cookies, Pass::No(404, "path")),
            (
                "/live/roomone1/../roomtwo2/x",
                cookies,
                Pass::No(404, "path"),
            ),
            (
                "/live/roomone1/..;/roomtwo2/x",
                cookies,
                Pass::No(404, "path"),
            ),
            (
                "/live/roomone1/%252e%252e/roomtwo2/x",
                cookies,
                Pass::No(404, "path"),
            ),
            ("", cookies, Pass::No(404, "path")),
        ] {
            assert_eq!(
                media(&index, &live, uri, cookies),
                expected,
                "{uri} {cookies}"
            );
        }
    }

    #[test]
    fn a_room_that_is_shut_or_full_lets_nobody_in() {
        let cookies = "__Host-cs_session=ann";
        let closed = index(|room| room.closed = true);
        assert_eq!(
            media(&closed, &Live::default(), "/live/roomone1", cookies),
            Pass::No(403, "shut")
        );
        let expired = index(|room| room.expires_at = Some(now()));
        assert_eq!(
            media(&expired, &Live::default(), "/live/roomone1", cookies),
            Pass::No(403, "shut")
        );
        let small = index(|room| room.viewer_cap = Some(1));
        let mut live = Live::default();
        live.fetched(&"roomone1".parse().unwrap(), &Id::kept("bob"), now());
        assert_eq!(
            media(&small, &live, "/live/roomone1", cookies),
            Pass::No(403, "full")
        );
        assert!(matches!(
            media(&small, &live, "/live/roomone1/x", "__Host-cs_session=bob"),
            Pass::Media { .. }
        ));
    }

    #[test]
    fn a_preview_is_the_portals_and_its_ticket_opens_nothing_on_the_live_host() {
        let ask = |index: &Index, host, uri: &str, cookies| {
            pass(
                index,
                &Live::default(),
                &keys(),
                &names(),
                true,
                Ask {
                    host,
                    uri,
                    cookies,
                    origin: None,
                },
                now(),
            )
        };
        let until = now()
            .checked_add(jiff::SignedDuration::from_secs(60))
            .unwrap();
        let ticket = keys().preview(&"roomone1".parse().unwrap(), until);
        let open = index(|_| {});
        let admin = "admin.live.tld:8443";
        for uri in [
            format!("/live/roomone1?ticket={ticket}"),
            format!("/live/roomone1/llhls.m3u8?ticket={ticket}"),
            "/live/roomone1/seg_0.m4s".to_owned(),
        ] {
            let room = Id::kept("room");
            assert_eq!(ask(&open, admin, &uri, ""), Pass::Preview { room }, "{uri}");
            assert_eq!(
                ask(&open, "live.tld", &uri, ""),
                Pass::No(401, "session"),
                "{uri}"
            );
        }
        for (uri, expected) in [
            ("/other/roomone1", Pass::No(404, "stream")),
            ("/live/nobody12", Pass::No(404, "stream")),
            ("/rooms", Pass::No(404, "path")),
        ] {
            assert_eq!(ask(&open, admin, uri, ""), expected, "{uri}");
        }
        let closed = index(|room| room.closed = true);
        assert_eq!(
            ask(&closed, admin, "/live/roomone1", ""),
            Pass::No(403, "shut")
        );
    }

    fn call(index: &Index, safe: bool, uri: &str, cookie: &str, origin: Option<&str>) -> Pass {
        pass(
            index,
            &Live::default(),
            &keys(),
            &names(),
            safe,
            Ask {
                host: "video.live.tld",
                uri,
                cookies: cookie,
                origin,
            },
            now(),
        )
    }

    #[test]
    fn the_call_is_shut_until_it_is_proved_safe() {
        let cookie = format!(
            "__Host-cs_call={}",
            keys().call_cookie(&Id::kept("ann"), Token::given("ann").digest())
        );
        let index = index(|_| {});
        for uri in ["/join?room=roomone1", "/js/app.js", "/socket.io/"] {
            assert_eq!(
                call(&index, false, uri, &cookie, None),
                Pass::No(503, "unsafe")
            );
        }
        assert!(matches!(
            call(&index, true, "/js/app.js", &cookie, None),
            Pass::Call { .. }
        ));
    }

    #[test]
    fn the_calls_cookie_binds_to_one_room() {
        let cookie = format!(
            "__Host-cs_call={}",
            keys().call_cookie(&Id::kept("ann"), Token::given("ann").digest())
        );
        let index_open = index(|_| {});
        let ours = Some("https://video.live.tld:8443");
        for (uri, origin, expected) in [
            ("/join?room=roomone1&name=Ann&token=x", None, 200),
            ("/join?name=Ann&room=roomone1", None, 200),
            ("/join?room=roomtwo2&name=Ann", None, 403),
            ("/join?room=roomone1&room=roomtwo2", None, 403),
            ("/join?name=Ann", None, 403),
            ("/join/roomone1", None, 403),
            ("/socket.io/?EIO=4&transport=websocket", ours, 200),
            ("/socket.io/?EIO=4&transport=websocket", None, 403),
            (
                "/socket.io/?EIO=4&transport=websocket",
                Some("https://evil.example"),
                403,
            ),
            ("/socket.io/socket.io.js", None, 200),
            ("/css/x.css", None, 200),
        ] {
            let status = match call(&index_open, true, uri, &cookie, origin) {
                Pass::No(status, _) => status,
                _ => 200,
            };
            assert_eq!(status, expected, "{uri} {origin:?}");
        }
        for bad in [
            "",
            "__Host-cs_call=ann",
            "__Host-cs_call=ann.AAAA",
            "__Host-cs_session=ann",
            &cookie.replace("=ann", "=bob"),
        ] {
            assert_eq!(
                call(&index_open, true, "/js/x.js", bad, None),
                Pass::No(401, "session"),
                "{bad}"
            );
        }
        let closed = index(|room| room.closed = true);
        assert_eq!(
            call(&closed, true, "/js/x.js", &cookie, None),
            Pass::No(403, "shut")
        );
    }

    #[test]
    fn other_hosts_have_nothing_here() {
        let ask = Ask {
            host: "evil.example",
            uri: "/live/roomone1",
            cookies: "__Host-cs_session=ann",
            origin: None,
        };
        assert_eq!(
            pass(
                &index(|_| {}),
                &Live::default(),
                &keys(),
                &names(),
                true,
                ask,
                now()
            ),
            Pass::No(404, "host")
        );
    }
}
