//! Values as text, the same wherever they are told.

use std::fmt::Write as _;
use std::net::IpAddr;

use jiff::SignedDuration;

/// A time to come, as exactly as it matters.
pub fn span(left: SignedDuration) -> String {
    match left.as_hours() {
        hours if hours < 48 => format!("{hours} hours"),
        hours => format!("{} days", hours / 24),
    }
}

/// Addresses, one after the other.
pub fn listed(addresses: &[IpAddr]) -> String {
    let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    shown.join(", ")
}

/// Text as one part of a path or the value of a query.
pub fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_plain_stays_as_it_is() {
        assert_eq!(escaped("a-Z_0.~"), "a-Z_0.~");
        assert_eq!(escaped("a b/ü?&="), "a%20b%2F%C3%BC%3F%26%3D");
    }
}
