//! Percent-encoding, query strings, random names.

/// Decodes `%xx`; what is not a valid escape stays as it is.
pub fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = (bytes[i] == b'%')
            .then(|| text.get(i + 1..i + 3))
            .flatten()
            .filter(|h| h.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        if let Some(byte) = hex {
            out.push(byte);
            i += 3;
        } else {
            out.push(bytes[i]);
            i += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The raw (still encoded) value of one query parameter.
pub fn query_raw<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    })
}

/// The decoded value of one query parameter, `+` as a space, as forms do.
pub fn query(query: &str, name: &str) -> Option<String> {
    query_raw(query, name).map(|v| percent_decode(&v.replace('+', " ")))
}

/// Random bytes. Without an entropy source nothing here can go on honestly,
/// but a stand-in may: then they are zero.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let _ = getrandom::fill(&mut bytes);
    bytes
}

/// A random name over `[A-Za-z0-9_-]`.
pub fn random_name(len: usize) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    let bytes: [u8; 64] = random_bytes();
    bytes
        .iter()
        .take(len)
        .map(|b| char::from(SIGNS[usize::from(b % 64)]))
        .collect()
}

/// A random UUID, version 4.
pub fn uuid() -> String {
    let mut b: [u8; 16] = random_bytes();
    b[6] = b[6] & 0x0f | 0x40;
    b[8] = b[8] & 0x3f | 0x80;
    let hex = super::hash::hex(&b);
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// A glob of `*` only, over the whole text.
pub fn wildcard(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        let Some(at) = rest.find(piece) else {
            return false;
        };
        rest = &rest[at + piece.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_once_and_bad_ones_kept() {
        assert_eq!(percent_decode("a%2Fb%2525%zz%4"), "a/b%25%zz%4");
        assert_eq!(
            query("name=J%C3%B6rg+B&x=1", "name").as_deref(),
            Some("Jörg B")
        );
    }

    #[test]
    fn stars_match_any_run() {
        assert!(
            wildcard("*", "anything")
                && wildcard("*.example", "a.example")
                && wildcard("a*c*e", "abcde")
        );
        assert!(!wildcard("*.example", "example.com") && !wildcard("abc", "abcd"));
    }
}
