//! Signatures of both services.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::{Digest, Sha1};
use sha2::Sha256;

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// base64url(HMAC-SHA1(key, body)) without padding: `X-OME-Signature`.
pub fn ome_signature(key: &str, body: &[u8]) -> String {
    // HMAC takes keys of any length, so this cannot fail; an empty signature would only be refused.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(key.as_bytes()) else {
        return String::new();
    };
    mac.update(body);
    BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

/// HMAC-SHA256.
pub fn hmac_sha256(key: &[u8], data: &[u8]) -> Vec<u8> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

/// `Sec-WebSocket-Accept` for a key.
pub fn ws_accept(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64_STANDARD.encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_equal_the_captured_vectors() {
        let rtmp = br#"{"client":{"address":"172.17.0.1","port":49104,"real_ip":"172.17.0.1"},"request":{"direction":"incoming","protocol":"RTMP","status":"opening","time":"2026-11-22T19:42:21.960+00:00","url":"rtmp://127.0.0.1:21935/app/sk_abc123"}}"#;
        let srt = br#"{"client":{"address":"172.17.0.1","port":54012,"real_ip":"172.17.0.1"},"request":{"direction":"incoming","protocol":"SRT","status":"opening","time":"2026-11-22T20:29:16.166+00:00","url":"srt://default/app/sk_abc123"}}"#;
        assert_eq!(
            ome_signature("hook-secret", rtmp),
            "CnCJJp3jntJkwGYLLvx3vOrH2oA"
        );
        assert_eq!(
            ome_signature("hook-secret", srt),
            "-VFngyirv4ktMJquH4JNW_ZHwoU"
        );
        assert_eq!(
            ws_accept("dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }
}
