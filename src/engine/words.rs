//! PURE: what the engine's and the registries' sentences mean. Docker has no
//! codes for these, so its words are matched; both the old and the new ones.

use jiff::Timestamp;

/// The host port that a refused start names, if a taken port was the reason.
///
/// Docker has said it in three ways: `Bind for 0.0.0.0:80 failed: port is
/// already allocated` (another container), `listen tcp4 0.0.0.0:80: bind:
/// address already in use` (a process), and since 28 `failed to bind host port
/// for 0.0.0.0:80:172.17.0.2:80/tcp: address already in use`.
pub fn taken_port(message: &str) -> Option<u16> {
    if !message.contains("already allocated") && !message.contains("already in use") {
        return None;
    }
    const BEFORE: [&str; 8] = [
        "Bind for ",
        "host port for ",
        "host port ",
        "listen tcp4 ",
        "listen tcp6 ",
        "listen tcp ",
        "listen udp4 ",
        "listen udp ",
    ];
    BEFORE
        .iter()
        .filter_map(|before| message.split_once(before))
        .find_map(|(_, rest)| port_of(rest.split_whitespace().next()?))
}

/// The port in `1.2.3.4:80[:…]`, `[::]:80[:…]` or `:::80`.
fn port_of(address: &str) -> Option<u16> {
    let after = if let Some((_, after)) = address.split_once("]:") {
        after
    } else if let Some(after) = address.strip_prefix(":::") {
        after
    } else {
        address.split_once(':')?.1
    };
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// A failed pull in words a person can act on.
pub fn registry_words(reference: &str, message: &str) -> String {
    let lower = message.to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    let meaning = if has(&["toomanyrequests", "too many requests", "rate limit"]) {
        "the registry has had too many requests from this address; it answers again later"
    } else if has(&[
        "manifest unknown",
        "manifest for",
        "not found: manifest",
        "name unknown",
    ]) {
        "the registry has no image of this name and tag"
    } else if has(&["no matching manifest"]) {
        "the registry has it, but not for this machine's architecture"
    } else if has(&[
        "denied",
        "unauthorized",
        "authentication required",
        "no basic auth",
    ]) {
        "the registry refuses it: it does not exist there, or needs a login"
    } else if has(&[
        "verification failed",
        "failed to verify",
        "unexpected commit digest",
        "does not match",
    ]) {
        "what the registry sent is not what its digest says"
    } else if has(&["no space left"]) {
        "the engine's disk is full"
    } else if has(&["x509", "certificate", "tls:"]) {
        "the registry's certificate is not trusted by the engine"
    } else if has(&[
        "no such host",
        "dial tcp",
        "connection refused",
        "timeout",
        "timed out",
        "deadline exceeded",
        "network is unreachable",
        "server misbehaving",
        ": eof",
        "unexpected eof",
        "connection reset",
    ]) {
        "the registry cannot be reached from the engine"
    } else {
        "the pull failed"
    };
    format!("{reference}: {meaning} ({})", message.trim())
}

/// Whether a text can be an image reference, tag, digest or id; anything else
/// never reaches a URL.
pub fn is_reference(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 512
        && !text.contains("..")
        && !text.starts_with(['/', '.', '-', ':', '@'])
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-/:@".contains(&byte))
}

/// The reference with a tag: without one Docker would pull every tag there is.
pub fn with_tag(reference: &str) -> String {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    if last.contains([':', '@']) {
        reference.to_owned()
    } else {
        format!("{reference}:latest")
    }
}

/// Puts the pieces of a log back together as lines, for one stream of bytes.
#[derive(Debug, Default)]
pub struct Lines {
    rest: Vec<u8>,
}

/// A line longer than this is cut: a log must not fill our memory.
const LONGEST_LINE: usize = 64 * 1024;

impl Lines {
    /// Takes a piece, gives the lines that are complete.
    pub fn push(&mut self, piece: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(part);
            if part.ends_with(b"\n") || self.rest.len() >= LONGEST_LINE {
                lines.extend(self.finish());
            }
        }
        lines
    }

    /// What is left at the end, if anything.
    pub fn finish(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.rest);
        let text = String::from_utf8_lossy(&line);
        (!line.is_empty()).then(|| text.trim_end_matches(['\n', '\r']).to_owned())
    }
}

/// A line of a container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// When, by the engine's clock.
    pub at: Option<Timestamp>,
    /// Whether it went to the error stream.
    pub is_error: bool,
    /// The line.
    pub text: String,
}

impl Said {
    /// Takes off the time that the engine puts in front when it is asked to.
    pub fn read(line: &str, is_error: bool) -> Self {
        let (at, text) = match line.split_once(' ').unwrap_or((line, "")) {
            (time, rest) if time.ends_with('Z') => (time.parse().ok(), rest),
            _ => (None, line),
        };
        Self {
            text: if at.is_some() { text } else { line }.to_owned(),
            at,
            is_error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_saying_that_a_port_is_taken_names_the_port() {
        let by_container = "driver failed programming external connectivity on endpoint x (ab1): Bind for 0.0.0.0:8080 failed: port is already allocated";
        let by_process = "driver failed programming external connectivity on endpoint x (ab1): Error starting userland proxy: listen tcp4 0.0.0.0:1935: bind: address already in use";
        let by_process_v6 =
            "Error starting userland proxy: listen tcp6 [::]:1935: bind: address already in use";
        let newer = "failed to set up container networking: driver failed programming external connectivity on endpoint x (ab1): failed to bind host port for 0.0.0.0:443:172.17.0.2:443/tcp: address already in use";
        let newest = "failed to bind host port 0.0.0.0:444/tcp: address already in use";
        let v6 = "Bind for :::9999 failed: port is already allocated";
        for (message, port) in [
            (by_container, 8080),
            (by_process, 1935),
            (by_process_v6, 1935),
            (newer, 443),
            (newest, 444),
            (v6, 9999),
        ] {
            assert_eq!(taken_port(message), Some(port), "{message}");
        }
        assert_eq!(taken_port("network x not found"), None);
        assert_eq!(
            taken_port("The container name \"/x\" is already in use by container \"ab\""),
            None
        );
    }

    #[test]
    fn a_failed_pull_says_what_to_think() {
        for (message, part) in [
            (
                "Get \"http://127.0.0.1:5000/v2/\": EOF",
                "cannot be reached",
            ),
            (
                "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io on 10.0.0.1:53: no such host",
                "cannot be reached",
            ),
            (
                "manifest for traefik:v9 not found: manifest unknown: manifest unknown",
                "no image of this name",
            ),
            (
                "pull access denied for x, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
                "needs a login",
            ),
            (
                "toomanyrequests: You have reached your pull rate limit.",
                "too many requests",
            ),
            (
                "filesystem layer verification failed for digest sha256:0a1b",
                "not what its digest says",
            ),
            (
                "x509: certificate signed by unknown authority",
                "not trusted",
            ),
            (
                "write /var/lib/docker/tmp/x: no space left on device",
                "disk is full",
            ),
        ] {
            let words = registry_words("traefik:v9", message);
            assert!(
                words.contains(part) && words.starts_with("traefik:v9: "),
                "{words}"
            );
        }
    }

    #[test]
    fn only_references_reach_a_url() {
        for good in [
            "traefik:v3.7.15",
            "sha256:abc",
            "reg.example:5000/a/b@sha256:00",
            "a_b",
        ] {
            assert!(is_reference(good), "{good}");
        }
        for bad in ["", "../containers/x", "a b", "a?b=c", "/x", "a#b", "a%2e"] {
            assert!(!is_reference(bad), "{bad}");
        }
        assert_eq!(with_tag("reg.example:5000/a"), "reg.example:5000/a:latest");
        assert_eq!(with_tag("a:1"), "a:1");
    }

    #[test]
    fn lines_survive_any_cut() {
        let text = b"one\ntwo\r\n\nlast";
        for cut in 0..text.len() {
            let mut lines = Lines::default();
            let mut all = lines.push(&text[..cut]);
            all.extend(lines.push(&text[cut..]));
            all.extend(lines.finish());
            assert_eq!(all, ["one", "two", "", "last"], "{cut}");
        }
    }

    #[test]
    fn a_line_comes_with_its_time_where_it_has_one() {
        let time = "2026-11-23T04:20:38.123456789Z";
        let at = time.parse().ok();
        for (line, is_at, text) in [
            (&*format!("{time} [info] up"), at, "[info] up"),
            (&*format!("{time} "), at, ""),
            (&*format!("{time}   two in"), at, "  two in"),
            ("[info] up", None, "[info] up"),
            ("ABCZ is a word", None, "ABCZ is a word"),
            ("", None, ""),
        ] {
            let said = Said::read(line, true);
            assert_eq!((said.at, said.text.as_str()), (is_at, text), "{line}");
        }
    }
}
