//! A room: a name in a link, a picture, a call.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Id, PublishKey, Slug, StreamName};

/// A value a person gave that cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {what}")]
pub struct Wrong {
    /// Name of the field, as in the API.
    pub field: &'static str,
    /// What was expected.
    pub what: String,
}

impl Wrong {
    /// `field` is wrong: `what` was expected.
    pub fn new(field: &'static str, what: impl Into<String>) -> Self {
        Self {
            field,
            what: what.into(),
        }
    }
}

/// Breaks a line, controls a terminal, or turns round what follows it.
pub fn disrupts(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text a person typed, on one line: any script, any markup; control
/// characters become spaces, the ends are trimmed.
pub fn one_line(field: &'static str, text: &str, max: usize) -> Result<String, Wrong> {
    let text: String = text
        .chars()
        .map(|letter| if disrupts(letter) { ' ' } else { letter })
        .collect();
    let text = text.trim().to_owned();
    match text.chars().count() {
        0 => Err(Wrong::new(field, "something must be written here")),
        long if long > max => Err(Wrong::new(field, format!("at most {max} characters"))),
        _ => Ok(text),
    }
}

/// An address or a network (`10.0.0.0/8`), in its usual writing.
pub fn network(text: &str) -> Result<String, Wrong> {
    let wrong = || {
        Wrong::new(
            "allowed_addresses",
            format!(
                "`{}` is no address (`203.0.113.7`) or network (`10.0.0.0/8`)",
                text.chars().take(60).collect::<String>()
            ),
        )
    };
    let (address, bits) = text
        .trim()
        .split_once('/')
        .map_or((text.trim(), None), |(a, b)| (a, Some(b)));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let most = if address.is_ipv4() { 32_u8 } else { 128 };
    match bits {
        None => Ok(address.to_string()),
        Some(bits) if bits.len() <= 3 && bits.bytes().all(|b| b.is_ascii_digit()) => {
            let bits: u8 = bits.parse().map_err(|_| wrong())?;
            if bits > most {
                Err(wrong())
            } else {
                Ok(format!("{address}/{bits}"))
            }
        }
        Some(_) => Err(wrong()),
    }
}

/// A room as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Stable identity.
    pub id: Id,
    /// Counts changes; the ETag.
    pub version: u64,
    /// As typed.
    pub title: String,
    /// The name in the link.
    pub slug: Slug,
    /// OME's stream name and MiroTalk's room name.
    pub stream: StreamName,
    /// What the encoder proves itself with.
    pub key: PublishKey,
    /// Quality profile: OME's application.
    pub profile: String,
    /// Passcode as an argon2id hash; `None` = nobody enters by name.
    pub passcode: Option<String>,
    /// Shut before.
    pub opens_at: Option<Timestamp>,
    /// Shut from then on.
    pub expires_at: Option<Timestamp>,
    /// Shut by a person.
    pub closed: bool,
    /// Put away.
    pub archived: bool,
    /// Most people who watch at once.
    pub viewer_cap: Option<u32>,
    /// From where it may be watched; empty = from everywhere.
    pub allowed_addresses: Vec<String>,
    /// Whether the viewer's name lies over the picture.
    pub watermark: bool,
    /// The admin whose room it is.
    pub owner: Id,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Whether a room may be used, by itself; whether it is live is another
/// question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// Before `opens_at`.
    NotOpen,
    /// Publish, watch and join.
    Open,
    /// Closed by a person.
    Closed,
    /// From `expires_at` on.
    Expired,
    /// Put away.
    Archived,
}

#[cfg(any(test, feature = "fuzzing"))]
impl Room {
    /// An open room that is always the same, for tests.
    pub(crate) fn sample(now: Timestamp) -> Option<Self> {
        Some(Self {
            id: Id::kept("room"),
            version: 1,
            title: "Room one".into(),
            slug: Slug::kept("room-one"),
            stream: "roomone1".parse().ok()?,
            key: "sk_abc123".parse().ok()?,
            profile: "live".into(),
            passcode: None,
            opens_at: None,
            expires_at: None,
            closed: false,
            archived: false,
            viewer_cap: None,
            allowed_addresses: Vec::new(),
            watermark: false,
            owner: Id::kept("anna"),
            created_at: now,
        })
    }
}

impl Room {
    /// Whether it may be used at `now`.
    pub fn gate(&self, now: Timestamp) -> Gate {
        if self.archived {
            Gate::Archived
        } else if self.expires_at.is_some_and(|at| at <= now) {
            Gate::Expired
        } else if self.closed {
            Gate::Closed
        } else if self.opens_at.is_some_and(|at| at > now) {
            Gate::NotOpen
        } else {
            Gate::Open
        }
    }

    /// The next moment at which [`Room::gate`] changes by itself.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        if self.archived || self.closed && self.expires_at.is_none() {
            return None;
        }
        [self.opens_at.filter(|_| !self.closed), self.expires_at]
            .into_iter()
            .flatten()
            .filter(|at| *at > now)
            .min()
    }
}

/// What a link lets its holder do.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Seat {
    /// Watches, and hosts the call.
    Presenter,
    /// Watches, and joins the call.
    Viewer,
}

impl Seat {
    /// As in the API and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Seat::Presenter => "presenter",
            Seat::Viewer => "viewer",
        }
    }
}

impl std::str::FromStr for Seat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "presenter" => Ok(Seat::Presenter),
            "viewer" => Ok(Seat::Viewer),
            _ => Err(format!("`{text}` is not presenter or viewer")),
        }
    }
}

/// An invitation of one person to one room. Its token is not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Stable identity.
    pub id: Id,
    /// Which room.
    pub room: Id,
    /// Whom it is for, as the inviter calls them; empty = whoever.
    pub name: String,
    /// What it allows.
    pub seat: Seat,
    /// No new entry, and no further watching, from then on.
    pub expires_at: Option<Timestamp>,
    /// How many browsers it may let in.
    pub max_uses: Option<u32>,
    /// How many it has let in.
    pub uses: u32,
    /// It opens nothing any more.
    pub revoked: bool,
    /// When its holder was last here.
    pub last_seen: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// One browser's right to be in one room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Public identity of the person in this room.
    pub id: Id,
    /// Which room.
    pub room: Id,
    /// The link it came by; `None` = by name and passcode.
    pub link: Option<Id>,
    /// What it allows.
    pub seat: Seat,
    /// How the person is called.
    pub name: String,
    /// Whether the person has said their name, or the link did.
    pub named: bool,
    /// When it was given.
    pub created_at: Timestamp,
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn networks_are_read_or_refused() {
        assert_eq!(network(" 10.0.0.0/8 ").unwrap(), "10.0.0.0/8");
        assert_eq!(network("2001:DB8::/32").unwrap(), "2001:db8::/32");
        assert_eq!(network("203.0.113.7").unwrap(), "203.0.113.7");
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0",
            "a/8",
            "::/129",
            "`) || Host(`x",
        ] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_title_is_kept_on_one_line(title in any::<String>()) {
            if let Ok(kept) = one_line("title", &title, 200) {
                prop_assert!(!kept.chars().any(char::is_control));
                prop_assert_eq!(one_line("title", &kept, 200).unwrap(), kept);
            }
        }

        #[test]
        fn any_network_is_refused_or_plain(text in any::<String>()) {
            if let Ok(kept) = network(&text) {
                prop_assert!(kept.bytes().all(|b| b.is_ascii_hexdigit() || b".:/".contains(&b)));
            }
        }
    }
}
