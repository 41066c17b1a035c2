//! PURE: MiroTalk's tokens. An account, encrypted as OpenSSL does with a
//! passphrase (MD5-derived key), inside a signed JWT; both with the same key.

use aes::Aes256;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest as _, Md5};
use serde::Serialize;
use sha2::Sha256;

use crate::model::Secret;

/// Whom a token lets in.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    /// Name of the technical account.
    pub username: &'a str,
    /// Its password.
    pub password: &'a Secret<String>,
    /// Whether it may lock, eject and mute.
    pub presenter: bool,
}

/// As MiroTalk reads it: all strings, `"true"` and not `true`.
#[derive(Serialize)]
struct Inner<'a> {
    username: &'a str,
    password: &'a str,
    presenter: &'a str,
}

#[derive(Serialize)]
struct Payload<'a> {
    data: &'a str,
    iat: i64,
    exp: i64,
}

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// Mints a token that lets in from `now` (seconds since the epoch) for `ttl`
/// seconds. It opens every room: the room's name is the only binding.
///
/// `salt` must be random for each token.
pub fn mint(key: &str, account: Account<'_>, salt: [u8; 8], now: i64, ttl: i64) -> Secret<String> {
    let inner = Inner {
        username: account.username,
        password: account.password.expose(),
        presenter: if account.presenter { "true" } else { "false" },
    };
    // Structs of strings and numbers serialise.
    let inner = serde_json::to_vec(&inner).unwrap_or_default();
    let data = STANDARD.encode(encrypt(key.as_bytes(), salt, &inner));
    let payload = Payload {
        data: &data,
        iat: now,
        exp: now.saturating_add(ttl),
    };
    let payload = serde_json::to_vec(&payload).unwrap_or_default();
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(HEADER),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let signature = sign(key.as_bytes(), signed.as_bytes());
    Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn encrypt(key: &[u8], salt: [u8; 8], plain: &[u8]) -> Vec<u8> {
    let (aes_key, iv) = derive(key, salt);
    let cipher = cbc::Encryptor::<Aes256>::new(&aes_key.into(), &iv.into());
    let mut buffer = plain.to_vec();
    // Padding fills the last block, or adds one.
    buffer.resize((plain.len() / 16 + 1) * 16, 0);
    // There is room for it, so it cannot fail.
    let encrypted = cipher
        .encrypt_padded::<Pkcs7>(&mut buffer, plain.len())
        .unwrap_or_default();
    [b"Salted__", salt.as_slice(), encrypted].concat()
}

/// OpenSSL's `EVP_BytesToKey` with MD5: chained digests, cut into key and iv.
fn derive(key: &[u8], salt: [u8; 8]) -> ([u8; 32], [u8; 16]) {
    let digest = |before: &[u8]| -> [u8; 16] {
        Md5::new()
            .chain_update(before)
            .chain_update(key)
            .chain_update(salt)
            .finalize()
            .into()
    };
    let first = digest(&[]);
    let second = digest(&first);
    let mut aes_key = [0; 32];
    let (left, right) = aes_key.split_at_mut(16);
    left.copy_from_slice(&first);
    right.copy_from_slice(&second);
    (aes_key, digest(&second))
}

fn sign(key: &[u8], text: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length, so there is always one.
    Hmac::<Sha256>::new_from_slice(key)
        .map(|mac| mac.chain_update(text).finalize().into_bytes().to_vec())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "colourstream-contract-test-key-01";
    const SALT: [u8; 8] = [0, 1, 2, 3, 4, 5, 6, 7];

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_contracts_vector_is_met_to_the_byte() {
        let (key, iv) = derive(KEY.as_bytes(), SALT);
        assert_eq!(
            hex(&key),
            "c1e819b35d6835d71462037f9e151e184d39c82ecd92ad5626211cc643b1688b"
        );
        assert_eq!(hex(&iv), "1ef27e652183f207a903dc29b70eadf4");
        let token = mint(
            KEY,
            Account {
                username: "viewer",
                password: &Secret::new("vector-password-0123456789abcdef".to_owned()),
                presenter: false,
            },
            SALT,
            1_700_000_000,
            4_102_444_800 - 1_700_000_000,
        );
        assert_eq!(
            token.expose(),
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJkYXRhIjoiVTJGc2RHVmtYMThBQVFJREJBVUdCeDg3QWhyd2FGcU9NdVlrYnhUdkhNZkl6WG1jdEdWUk9UOVdCam5yb2Z6Z3FtcVlxclRXd28rd2pibVpGVUVwdHp5RytCbVZxbUZwaHdjeWxBbjVQKzB2ZFgxMHoySGlCeXFualFLejBxRCs1L29tR3V1V09STk4vTjFXODUvZFZRPT0iLCJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMH0.ciY_3rP3QwMLbUmJnvECSuj7b1VrMHahg-G8d7Cd3t0"
        );
    }

    #[test]
    fn a_presenter_is_the_string_true() {
        let password = Secret::new("p".to_owned());
        let account = |presenter| Account {
            username: "host",
            password: &password,
            presenter,
        };
        let viewer = mint(KEY, account(false), SALT, 0, 60);
        let host = mint(KEY, account(true), SALT, 0, 60);
        assert_ne!(viewer, host);
        assert_eq!(format!("{host:?}"), "•••");
    }
}
