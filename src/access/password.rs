//! Passwords and passcodes: argon2id, off the runtime, two at a time.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

use super::keys::random;
use crate::model::Secret;

/// Memory in KiB and passes. What is kept names its own, so that these may
/// change. Tests have no time for the real ones.
const COST: (u32, u32) = if cfg!(test) { (64, 1) } else { (19 * 1024, 2) };

/// Hashes and checks, never more than two at once: each takes 19 MiB and tens
/// of milliseconds of a core, which strangers can ask for.
#[derive(Clone, Debug)]
pub struct Passwords {
    at_once: Arc<Semaphore>,
    nobody: Arc<str>,
}

impl Default for Passwords {
    fn default() -> Self {
        let nobody = hash("", random().expose().get(..16).unwrap_or_default()).unwrap_or_default();
        Self {
            at_once: Arc::new(Semaphore::new(2)),
            nobody: nobody.into(),
        }
    }
}

impl Passwords {
    /// The hash to keep.
    pub async fn hash(&self, password: Secret<String>) -> Option<String> {
        let _turn = self.at_once.acquire().await.ok()?;
        tokio::task::spawn_blocking(move || {
            hash(
                password.expose(),
                random().expose().get(..16).unwrap_or_default(),
            )
        })
        .await
        .ok()?
    }

    /// Whether the password is the one of `kept`. Where there is none it is
    /// wrong, and it takes as long.
    pub async fn verify(&self, password: Secret<String>, kept: Option<String>) -> bool {
        let Ok(_turn) = self.at_once.acquire().await else {
            return false;
        };
        let there = kept.is_some();
        let kept = kept.unwrap_or_else(|| self.nobody.to_string());
        let same = tokio::task::spawn_blocking(move || verify(password.expose(), &kept))
            .await
            .unwrap_or_default();
        same && there
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
        assert!(
            passwords
                .verify(Secret::new("grün & groß".into()), Some(kept.clone()))
                .await
        );
        assert!(
            !passwords
                .verify(Secret::new("grün & gross".into()), Some(kept.clone()))
                .await
        );
        assert_ne!(
            passwords
                .hash(Secret::new("grün & groß".into()))
                .await
                .unwrap(),
            kept
        );
    }

    #[tokio::test]
    async fn an_absent_password_is_a_wrong_password() {
        let passwords = Passwords::default();
        assert!(!passwords.verify(Secret::new(String::new()), None).await);
        for garbage in [
            "",
            "$",
            "$argon2id$",
            "$argon2id$v=19$m=64,t=1,p=1$$",
            "$argon2i$v=19$m=64,t=1,p=1$AAAA$AAAA",
            "plain",
        ] {
            assert!(
                !passwords
                    .verify(Secret::new(String::new()), Some(garbage.into()))
                    .await,
                "{garbage}"
            );
        }
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
