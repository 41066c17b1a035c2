//! Names made from randomness: ids, stream names, publish keys, tokens.
//!
//! Randomness is an argument ([`Entropy`]), so that everything here is a pure
//! function and a test can say what comes out.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::{Digest, Secret};

/// 256 random bits. Its `Debug` shows none of them.
pub type Entropy = Secret<[u8; 32]>;

const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// 128 bits as 25 characters of `[0-9a-z]` (36^25 is a little more than 2^128).
fn base36(entropy: &Entropy) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&entropy.expose()[..16]);
    let mut rest = u128::from_be_bytes(bytes);
    let mut out = vec![b'0'; 25];
    for place in out.iter_mut().rev() {
        // The remainder is below 36.
        *place = ALPHABET[(rest % 36) as usize];
        rest /= 36;
    }
    out.into_iter().map(char::from).collect()
}

fn is_base36(text: &str, len: std::ops::RangeInclusive<usize>) -> bool {
    len.contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// Identity of a room, link, admin, visitor or token: stable, public, never a
/// right by itself.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct Id(String);

impl Id {
    /// A new one.
    pub fn new(entropy: &Entropy) -> Self {
        // 16 characters, 82 bits: unguessable is not asked of it, unique is.
        Self(base36(entropy).split_off(9))
    }

    /// One that was kept, or came in a path.
    pub fn kept(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The room's one public random name: OME's stream and MiroTalk's room alike.
/// 128 random bits, because MiroTalk's tokens open every room and the name is
/// all that binds a person to one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct StreamName(String);

impl StreamName {
    /// A new one.
    pub fn new(entropy: &Entropy) -> Self {
        Self(base36(entropy))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for StreamName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The prefix of keys is no letter or digit: a stream name can never
        // be read as a key nor a key as a stream name.
        if is_base36(text, 8..=64) {
            Ok(Self(text.to_owned()))
        } else {
            Err("a stream name is 8 to 64 characters of a-z and 0-9".to_owned())
        }
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the encoder proves itself with: `sk_` and 128 random bits.
#[derive(Clone, PartialEq, Eq)]
pub struct PublishKey(Secret<String>);

impl PublishKey {
    /// What every key begins with.
    pub const PREFIX: &str = "sk_";

    /// A new one.
    pub fn new(entropy: &Entropy) -> Self {
        Self(Secret::new(format!("{}{}", Self::PREFIX, base36(entropy))))
    }

    /// The key itself.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What is looked up: the digest, so that finding a key takes the same
    /// time however much of it is right.
    pub fn digest(&self) -> Digest {
        Digest::of(self.expose())
    }
}

impl fmt::Debug for PublishKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sk_•••")
    }
}

impl std::str::FromStr for PublishKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix(Self::PREFIX) {
            Some(rest) if is_base36(rest, 4..=64) => Ok(Self(Secret::new(text.to_owned()))),
            _ => Err("a stream key is `sk_` and characters of a-z and 0-9".to_owned()),
        }
    }
}

/// A bearer token of 256 bits: a link's, a session's, an API token's. Only its
/// [`Digest`] is kept; a fast hash is right for it, there is nothing to guess.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Secret<String>);

impl Token {
    /// A new one.
    pub fn new(entropy: &Entropy) -> Self {
        Self(Secret::new(URL_SAFE_NO_PAD.encode(entropy.expose())))
    }

    /// One that came in from outside: any text. What it opens is decided by
    /// its digest alone.
    pub fn given(text: impl Into<String>) -> Self {
        Self(Secret::new(text.into()))
    }

    /// The token itself.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What is kept of it.
    pub fn digest(&self) -> Digest {
        Digest::of(self.expose())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_made_can_be_read_again(bytes: [u8; 32]) {
            let entropy = Secret::new(bytes);
            let stream = StreamName::new(&entropy);
            prop_assert_eq!(stream.as_str().len(), 25);
            prop_assert_eq!(stream.as_str().parse::<StreamName>().unwrap(), stream);
            let key = PublishKey::new(&entropy);
            prop_assert_eq!(key.expose().parse::<PublishKey>().unwrap(), key);
        }

        #[test]
        fn a_stream_name_is_never_a_key(bytes: [u8; 32]) {
            let entropy = Secret::new(bytes);
            prop_assert!(StreamName::new(&entropy).as_str().parse::<PublishKey>().is_err());
            prop_assert!(PublishKey::new(&entropy).expose().parse::<StreamName>().is_err());
        }

        #[test]
        fn any_text_is_refused_or_kept_as_it_is(text in "\\PC*") {
            if let Ok(name) = text.parse::<StreamName>() {
                prop_assert_eq!(name.as_str(), text.as_str());
            }
            if let Ok(key) = text.parse::<PublishKey>() {
                prop_assert_eq!(key.expose(), text.as_str());
            }
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        let entropy = Secret::new([7; 32]);
        let shown = format!(
            "{:?} {:?} {entropy:?}",
            PublishKey::new(&entropy),
            Token::new(&entropy)
        );
        assert_eq!(shown, "sk_••• ••• •••");
    }
}
