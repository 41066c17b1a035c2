//! The token: a JWT around an encrypted account, and the checks MiroTalk makes.

use aes::Aes256;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use serde_json::{Value, json};

use super::settings::Account;

/// What is inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inner {
    /// Account name.
    pub username: String,
    /// Its password.
    pub password: String,
    /// The string was `true` or `1`.
    pub presenter: bool,
}

impl Inner {
    /// Whether such an account exists.
    pub fn is_known(&self, accounts: &[Account]) -> bool {
        accounts
            .iter()
            .any(|a| a.username == self.username && a.password == self.password)
    }
}

/// OpenSSL's old key derivation: three MD5 rounds.
fn derive(key: &[u8], salt: &[u8]) -> ([u8; 32], [u8; 16]) {
    let mut bytes = Vec::new();
    let mut last: Vec<u8> = Vec::new();
    while bytes.len() < 48 {
        let mut hash = Md5::new();
        hash.update(&last);
        hash.update(key);
        hash.update(salt);
        last = hash.finalize().to_vec();
        bytes.extend_from_slice(&last);
    }
    let (mut aes, mut iv) = ([0; 32], [0; 16]);
    aes.copy_from_slice(&bytes[..32]);
    iv.copy_from_slice(&bytes[32..48]);
    (aes, iv)
}

fn decrypt(key: &str, data: &str) -> Option<Value> {
    let raw = BASE64_STANDARD.decode(data).ok()?;
    let (salt, sealed) = raw.strip_prefix(b"Salted__")?.split_at_checked(8)?;
    let (aes, iv) = derive(key.as_bytes(), salt);
    let mut sealed = sealed.to_vec();
    let open = cbc::Decryptor::<Aes256>::new(&aes.into(), &iv.into())
        .decrypt_padded::<Pkcs7>(&mut sealed)
        .ok()?;
    serde_json::from_slice(open).ok()
}

/// Opens a token. None is `Invalid Token`.
pub fn open(key: &str, token: &str, now: u64) -> Option<Inner> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    let header: Value =
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
    let signed = signed.as_bytes();
    let right = match header.get("alg")?.as_str()? {
        "HS256" => verify::<Hmac<sha2::Sha256>>(key, signed, &signature),
        "HS384" => verify::<Hmac<sha2::Sha384>>(key, signed, &signature),
        "HS512" => verify::<Hmac<sha2::Sha512>>(key, signed, &signature),
        _ => false,
    };
    if !right {
        return None;
    }
    let payload: Value =
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    if payload
        .get("exp")
        .is_some_and(|exp| exp.as_f64().is_none_or(|exp| exp <= now as f64))
    {
        return None;
    }
    let inner = decrypt(key, payload.get("data")?.as_str()?)?;
    let text = |name: &str| {
        inner
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    Some(Inner {
        username: text("username"),
        password: text("password"),
        presenter: matches!(text("presenter").as_str(), "true" | "1"),
    })
}

fn verify<M: Mac + KeyInit>(key: &str, signed: &[u8], signature: &[u8]) -> bool {
    let Ok(mut mac) = M::new_from_slice(key.as_bytes()) else {
        return false;
    };
    mac.update(signed);
    mac.verify_slice(signature).is_ok()
}

/// Makes a token, as `/login` and the API do.
pub fn mint(key: &str, account: &Account, presenter: &str, now: u64, ttl: u64) -> String {
    let inner =
        json!({"username": account.username, "password": account.password, "presenter": presenter})
            .to_string();
    mint_with(
        key,
        &inner,
        crate::common::text::random_bytes(),
        now,
        now + ttl,
    )
}

fn mint_with(key: &str, inner: &str, salt: [u8; 8], iat: u64, exp: u64) -> String {
    let (aes, iv) = derive(key.as_bytes(), &salt);
    let mut block = vec![0; (inner.len() / 16 + 1) * 16];
    block[..inner.len()].copy_from_slice(inner.as_bytes());
    let sealed = cbc::Encryptor::<Aes256>::new(&aes.into(), &iv.into())
        .encrypt_padded::<Pkcs7>(&mut block, inner.len());
    let data =
        BASE64_STANDARD.encode([b"Salted__", salt.as_slice(), sealed.unwrap_or_default()].concat());
    let payload = format!("{{\"data\":\"{data}\",\"iat\":{iat},\"exp\":{exp}}}");
    let signed = format!(
        "{}.{}",
        BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#),
        BASE64_URL_SAFE_NO_PAD.encode(payload)
    );
    let signature = crate::common::hash::hmac_sha256(key.as_bytes(), signed.as_bytes());
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "colourstream-contract-test-key-01";
    const INNER: &str = r#"{"username":"viewer","password":"vector-password-0123456789abcdef","presenter":"false"}"#;
    const VECTOR: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJkYXRhIjoiVTJGc2RHVmtYMThBQVFJREJBVUdCeDg3QWhyd2FGcU9NdVlrYnhUdkhNZkl6WG1jdEdWUk9UOVdCam5yb2Z6Z3FtcVlxclRXd28rd2pibVpGVUVwdHp5RytCbVZxbUZwaHdjeWxBbjVQKzB2ZFgxMHoySGlCeXFualFLejBxRCs1L29tR3V1V09STk4vTjFXODUvZFZRPT0iLCJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMH0.ciY_3rP3QwMLbUmJnvECSuj7b1VrMHahg-G8d7Cd3t0";

    #[test]
    fn the_contracts_vector_is_made_and_opened() {
        assert_eq!(
            mint_with(
                KEY,
                INNER,
                [0, 1, 2, 3, 4, 5, 6, 7],
                1_700_000_000,
                4_102_444_800
            ),
            VECTOR
        );
        let inner = Inner {
            username: "viewer".into(),
            password: "vector-password-0123456789abcdef".into(),
            presenter: false,
        };
        assert_eq!(open(KEY, VECTOR, 1_800_000_000), Some(inner));
    }

    #[test]
    fn expired_foreign_and_garbled_tokens_are_invalid() {
        assert_eq!(open(KEY, VECTOR, 4_102_444_800), None);
        assert_eq!(open("mirotalksfu_jwt_secret", VECTOR, 1_800_000_000), None);
        assert_eq!(
            open(KEY, &VECTOR.replace("ciY_", "ciY-"), 1_800_000_000),
            None
        );
        assert_eq!(open(KEY, "garbage", 0), None);
    }

    #[test]
    fn only_two_strings_make_a_presenter() {
        let role = |presenter: &str| {
            let inner = format!(r#"{{"username":"u","password":"p","presenter":{presenter}}}"#);
            open(KEY, &mint_with(KEY, &inner, [9; 8], 1, 10), 5).map(|i| i.presenter)
        };
        assert_eq!(role("\"true\""), Some(true));
        assert_eq!(role("\"1\""), Some(true));
        for viewer in ["true", "1", "\"TRUE\"", "\"false\""] {
            assert_eq!(role(viewer), Some(false), "{viewer}");
        }
    }
}
