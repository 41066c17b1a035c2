//! Passwords and passcodes: argon2id, off the runtime, a few at a time.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jiff::SignedDuration;
use subtle::ConstantTimeEq as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::keys::random;
use crate::model::Secret;

/// Memory in KiB and passes. What is kept names its own, so that these may
/// change. Tests have no time for the real ones.
const COST: (u32, u32) = if cfg!(test) { (64, 1) } else { (19 * 1024, 2) };

/// What is wrong with the length of a new password, if anything.
pub fn unfit(password: &str) -> Option<&'static str> {
    match password.chars().count() {
        0..10 => Some("at least 10 characters"),
        10..=200 => None,
        _ => Some("at most 200 characters"),
    }
}

/// Who has something checked.
#[derive(Clone, Copy, Debug)]
pub enum Asker {
    /// Somebody who administers, or says so.
    Portal,
    /// A visitor with a passcode.
    Visitor,
}

/// What somebody is told for whom there is no place in the queue.
const WAIT: SignedDuration = SignedDuration::from_secs(2);

/// So many at once, and so many more who wait: each takes 19 MiB and tens of
/// milliseconds of a core, which strangers can ask for.
#[derive(Clone, Debug)]
struct Turns {
    at_once: Arc<Semaphore>,
    in_all: Arc<Semaphore>,
}

impl Turns {
    fn new(at_once: usize, waiting: usize) -> Self {
        Self {
            at_once: Arc::new(Semaphore::new(at_once)),
            in_all: Arc::new(Semaphore::new(at_once + waiting)),
        }
    }

    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.at_once).acquire_owned().await.ok()
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, SignedDuration> {
        Arc::clone(&self.in_all)
            .try_acquire_owned()
            .map_err(|_| WAIT)
    }
}

/// Hashes and checks. Visitors and the portal do not wait for each other.
#[derive(Clone, Debug)]
pub struct Passwords {
    portal: Turns,
    visitors: Turns,
    nobody: Arc<str>,
}

impl Default for Passwords {
    fn default() -> Self {
        let nobody = hash("", random().expose().get(..16).unwrap_or_default()).unwrap_or_default();
        Self {
            portal: Turns::new(1, 16),
            // A full house at once.
            visitors: Turns::new(2, 100),
            nobody: nobody.into(),
        }
    }
}

impl Passwords {
    /// The hash to keep.
    pub async fn hash(&self, password: Secret<String>) -> Option<String> {
        let turn = self.portal.turn().await?;
        tokio::task::spawn_blocking(move || {
            // Kept to the end, also where nobody waits for it any more.
            let _turn = turn;
            hash(
                password.expose(),
                random().expose().get(..16).unwrap_or_default(),
            )
        })
        .await
        .ok()?
    }

    /// Whether the password is the one of `kept`. Where there is none it is
    /// wrong, and it takes as long. Too many at once are told how long to wait.
    pub async fn verify(
        &self,
        who: Asker,
        password: Secret<String>,
        kept: Option<String>,
    ) -> Result<bool, SignedDuration> {
        let turns = match who {
            Asker::Portal => &self.portal,
            Asker::Visitor => &self.visitors,
        };
        let place = turns.place()?;
        let Some(turn) = turns.turn().await else {
            return Ok(false);
        };
        let there = kept.is_some();
        let kept = kept.unwrap_or_else(|| self.nobody.to_string());
        let same = tokio::task::spawn_blocking(move || {
            let _kept_to_the_end = (place, turn);
            verify(password.expose(), &kept)
        })
        .await
        .unwrap_or_default();
        Ok(same && there)
    }
}

/// In the usual form: `$argon2id$v=19$m=…,t=…,p=1$salt$hash`.
fn hash(password: &str, salt: &[u8]) -> Option<String> {
    let (memory, passes) = COST;
    let out = derive(password, salt, memory, passes, 1)?;
    Some(format!(
        "$argon2id$v=19$m={memory},t={passes},p=1${}${}",
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(out)
    ))
}

fn verify(password: &str, kept: &str) -> bool {
    let Some(("argon2id", rest)) = kept.strip_prefix('$').and_then(|kept| kept.split_once('$'))
    else {
        return false;
    };
    let mut parts = rest.split('$');
    let (Some("v=19"), Some(cost), Some(salt), Some(out), None) = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    ) else {
        return false;
    };
    let mut cost = cost.split(',');
    let mut number = |name: &str| {
        cost.next()?
            .strip_prefix(name)?
            .strip_prefix('=')?
            .parse::<u32>()
            .ok()
    };
    let (Some(memory), Some(passes), Some(lanes)) = (number("m"), number("t"), number("p")) else {
        return false;
    };
    let (Ok(salt), Ok(out)) = (STANDARD_NO_PAD.decode(salt), STANDARD_NO_PAD.decode(out)) else {
        return false;
    };
    derive(password, &salt, memory, passes, lanes)
        .is_some_and(|derived| bool::from(derived.as_slice().ct_eq(&out)))
}

fn derive(password: &str, salt: &[u8], memory: u32, passes: u32, lanes: u32) -> Option<[u8; 32]> {
    let params = Params::new(memory, passes, lanes, Some(32)).ok()?;
    let mut out = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, &mut out)
        .ok()?;
    Some(out)
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_right_one_alone_is_right() {
        let passwords = Passwords::default();
        let kept = passwords
            .hash(Secret::new("grün & groß".into()))
            .await
            .unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m="));
        let is_right = async |password: &str| {
            let password = Secret::new(password.to_owned());
            let asked = passwords.verify(Asker::Visitor, password, Some(kept.clone()));
            asked.await.unwrap()
        };
        assert!(is_right("grün & groß").await);
        assert!(!is_right("grün & gross").await);
        assert_ne!(
            passwords
                .hash(Secret::new("grün & groß".into()))
                .await
                .unwrap(),
            kept
        );
    }

    #[test]
    fn the_shortest_new_password_is_the_one_that_the_pages_ask_for() {
        let page = include_str!("../../web/src/admin/entry/SetUp.tsx");
        let (_, rest) = page.split_once("SHORTEST_PASSWORD = ").unwrap();
        let shortest: usize = rest.lines().next().unwrap().parse().unwrap();
        assert_eq!(unfit(&"ß".repeat(shortest)), None);
        assert_eq!(
            unfit(&"ß".repeat(shortest - 1)),
            Some(format!("at least {shortest} characters").as_str())
        );
        assert_eq!(unfit(&"ß".repeat(200)), None);
        assert_eq!(unfit(&"ß".repeat(201)), Some("at most 200 characters"));
    }

    #[tokio::test]
    async fn an_absent_password_is_a_wrong_password() {
        let passwords = Passwords::default();
        let is_right = async |kept: Option<String>| {
            let password = Secret::new(String::new());
            let asked = passwords.verify(Asker::Portal, password, kept);
            asked.await.unwrap()
        };
        assert!(!is_right(None).await);
        for garbage in [
            "",
            "$",
            "$argon2id$",
            "$argon2id$v=19$m=64,t=1,p=1$$",
            "$argon2i$v=19$m=64,t=1,p=1$AAAA$AAAA",
            "plain",
        ] {
            assert!(!is_right(Some(garbage.into())).await, "{garbage}");
        }
    }

    #[tokio::test]
    async fn a_login_is_judged_while_ever_more_visitors_wait() {
        let passwords = Passwords::default();
        let kept = hash("x", b"saltsaltsaltsalt");
        let asks = |who| {
            let (passwords, kept) = (passwords.clone(), kept.clone());
            let asked = Secret::new("x".to_owned());
            async move { passwords.verify(who, asked, kept).await }
        };
        // As long as these are at it nobody else has a turn.
        let at_it = passwords.visitors.at_once.acquire_many(2).await.unwrap();
        let asked: Vec<_> = (0..200)
            .map(|_| tokio::spawn(asks(Asker::Visitor)))
            .collect();
        // Each is asked once before this goes on.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        let (told, waiting): (Vec<_>, Vec<_>) =
            asked.into_iter().partition(|one| one.is_finished());
        assert_eq!((told.len(), waiting.len()), (98, 102));
        for one in told {
            assert_eq!(one.await.unwrap(), Err(WAIT));
        }
        assert_eq!(asks(Asker::Portal).await, Ok(true));
        assert_eq!(asks(Asker::Visitor).await, Err(WAIT));
        drop(at_it);
        for one in waiting {
            assert_eq!(one.await.unwrap(), Ok(true));
        }
        assert_eq!(asks(Asker::Visitor).await, Ok(true));
    }

    #[tokio::test]
    async fn who_goes_away_leaves_the_queue() {
        let passwords = Passwords::default();
        let at_it = passwords.visitors.at_once.acquire_many(2).await.unwrap();
        let asked = passwords.verify(Asker::Visitor, Secret::new(String::new()), None);
        let gone = tokio::time::timeout(std::time::Duration::from_millis(10), asked);
        assert!(gone.await.is_err());
        drop(at_it);
        assert_eq!(passwords.visitors.at_once.available_permits(), 2);
        assert_eq!(passwords.visitors.in_all.available_permits(), 102);
    }

    #[test]
    fn a_known_hash_is_recognised() {
        // From the reference implementation's own test: argon2id, v=19.
        let kept =
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        assert!(verify("password", kept));
        assert!(!verify("passwore", kept));
    }
}
