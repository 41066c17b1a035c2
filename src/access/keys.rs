//! What the controller signs: playback tickets, the call's cookie, and which
//! browsers it knows. Nothing of it is stored; what opens something holds only
//! while the session behind it does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;

use crate::model::{Digest, Entropy, Id, Secret, StreamName, Token};

/// 256 bits from the system.
pub fn random() -> Entropy {
    let mut bytes = [0; 32];
    if getrandom::fill(&mut bytes).is_err() {
        // Without randomness nothing here is safe, and Linux has it always.
        std::process::abort();
    }
    Secret::new(bytes)
}

/// The key of everything below.
#[derive(Clone, Debug)]
pub struct TicketKey(Secret<String>);

impl TicketKey {
    /// From the state folder.
    pub const fn new(key: Secret<String>) -> Self {
        Self(key)
    }

    fn mac(&self, purpose: &str, parts: &[&str]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose().as_bytes()).ok()?;
        mac.update(purpose.as_bytes());
        for part in parts {
            // No part holds a zero byte: no two lists give the same bytes.
            mac.update(&[0]);
            mac.update(part.as_bytes());
        }
        Some(mac)
    }

    fn sign(&self, purpose: &str, parts: &[&str]) -> String {
        self.mac(purpose, parts)
            .map(|mac| URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
            .unwrap_or_default()
    }

    fn holds(&self, purpose: &str, parts: &[&str], signature: &str) -> bool {
        let (Some(mac), Ok(signature)) =
            (self.mac(purpose, parts), URL_SAFE_NO_PAD.decode(signature))
        else {
            return false;
        };
        mac.verify_slice(&signature).is_ok()
    }

    /// The ticket in a visitor's playback address. It names the visitor's
    /// place in the room and is bound to the session's cookie and the stream:
    /// whoever finds it in a console has nothing, since the route asks for the
    /// cookie. It lasts as long as the place does, because a player uses one
    /// address for every reconnect.
    pub fn ticket(&self, place: &Id, session: Digest, stream: &StreamName) -> String {
        format!(
            "{place}.{}",
            self.sign(
                "play",
                &[&session.to_string(), place.as_str(), stream.as_str()]
            )
        )
    }

    /// Whether `ticket` is the one of this place, session and stream.
    pub fn is_ticket(
        &self,
        ticket: &str,
        place: &Id,
        session: Digest,
        stream: &StreamName,
    ) -> bool {
        ticket.split_once('.').is_some_and(|(id, signature)| {
            id == place.as_str()
                && self.holds(
                    "play",
                    &[&session.to_string(), id, stream.as_str()],
                    signature,
                )
        })
    }

    /// A ticket for the portal's own player: no cookie stands behind it, so it
    /// lasts a minute.
    pub fn preview(&self, stream: &StreamName, until: Timestamp) -> String {
        let until = until.as_millisecond().to_string();
        format!(
            "pv.{until}.{}",
            self.sign("preview", &[&until, stream.as_str()])
        )
    }

    /// Whether `ticket` is a preview of this stream that has not run out.
    pub fn is_preview(&self, ticket: &str, stream: &StreamName, now: Timestamp) -> bool {
        let mut parts = ticket.splitn(3, '.');
        let (Some("pv"), Some(until), Some(signature)) = (parts.next(), parts.next(), parts.next())
        else {
            return false;
        };
        until
            .parse::<i64>()
            .is_ok_and(|ms| ms > now.as_millisecond())
            && self.holds("preview", &[until, stream.as_str()], signature)
    }

    /// The cookie that opens the call's host for one place in one room.
    pub fn call_cookie(&self, place: &Id, session: Digest) -> String {
        format!(
            "{place}.{}",
            self.sign("call", &[&session.to_string(), place.as_str()])
        )
    }

    /// Whether `cookie` is the one of this place and session.
    pub fn is_call_cookie(&self, cookie: &str, place: &Id, session: Digest) -> bool {
        cookie.split_once('.').is_some_and(|(id, signature)| {
            id == place.as_str() && self.holds("call", &[&session.to_string(), id], signature)
        })
    }

    /// The cookie of a browser in which this admin has logged in. It opens
    /// nothing: whoever holds it has tries of its own at the password, and is
    /// not kept out by guesses that others make (OWASP, *Slow Down Online
    /// Guessing Attacks with Device Cookies*).
    pub fn known(&self, admin: &Id, nonce: &Token) -> String {
        let nonce = nonce.expose();
        format!("{nonce}.{}", self.sign("known", &[admin.as_str(), nonce]))
    }

    /// The part of `cookie` that is this browser's alone, where this admin has
    /// logged in there.
    pub fn known_as<'a>(&self, cookie: &'a str, admin: &Id) -> Option<&'a str> {
        let (nonce, signature) = cookie.split_once('.')?;
        self.holds("known", &[admin.as_str(), nonce], signature)
            .then_some(nonce)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn stream(name: &str) -> StreamName {
        name.parse().unwrap()
    }

    #[test]
    fn a_browser_is_known_for_one_admin_alone() {
        let key = TicketKey::new(Secret::new("k".into()));
        let nonce = Token::new(&random());
        let (anna, ben) = (Id::kept("anna"), Id::kept("ben"));
        let cookie = key.known(&anna, &nonce);
        assert_eq!(key.known_as(&cookie, &anna), Some(nonce.expose()));
        assert_eq!(key.known_as(&cookie, &ben), None);
        let (_, signature) = cookie.split_once('.').unwrap();
        for other in ["", ".", nonce.expose(), &format!("x.{signature}")] {
            assert_eq!(key.known_as(other, &anna), None, "{other}");
        }
        let other = TicketKey::new(Secret::new("l".into()));
        assert_eq!(other.known_as(&cookie, &anna), None);
    }

    #[test]
    fn a_ticket_is_good_for_its_session_place_and_stream_alone() {
        let key = TicketKey::new(Secret::new("k".into()));
        let (place, session, room) = (Id::kept("ann"), Digest::of("cookie"), stream("roomroom1"));
        let ticket = key.ticket(&place, session, &room);
        assert!(key.is_ticket(&ticket, &place, session, &room));
        assert!(!key.is_ticket(&ticket, &place, Digest::of("other"), &room));
        assert!(!key.is_ticket(&ticket, &Id::kept("bob"), session, &room));
        assert!(!key.is_ticket(&ticket, &place, session, &stream("roomroom2")));
        assert!(
            !TicketKey::new(Secret::new("l".into())).is_ticket(&ticket, &place, session, &room)
        );
        assert!(!key.is_call_cookie(&ticket, &place, session));
        assert!(!key.is_preview(&ticket, &room, Timestamp::UNIX_EPOCH));
        for garbage in ["", ".", "ann.", "ann.!!!", "ann", "ann.AAAA"] {
            assert!(!key.is_ticket(garbage, &place, session, &room), "{garbage}");
        }
    }

    #[test]
    fn a_preview_runs_out() {
        let key = TicketKey::new(Secret::new("k".into()));
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        let ticket = key.preview(&stream("roomroom1"), at(60_000));
        assert!(key.is_preview(&ticket, &stream("roomroom1"), at(59_999)));
        assert!(!key.is_preview(&ticket, &stream("roomroom1"), at(60_000)));
        assert!(!key.is_preview(&ticket, &stream("roomroom2"), at(0)));
        assert!(!key.is_preview(
            &ticket.replace("60000", "90000"),
            &stream("roomroom1"),
            at(0)
        ));
    }
}
