//! What people may see of a file that holds secrets.

use std::path::Path;

use crate::desired::FileSpec;
use crate::model::disrupts;

/// What stands in place of a secret.
const MARK: &str = "•••";

/// The text of a file as people may see it, for diffs: nothing of a key or a
/// token, and of a configuration file everything but the secret values.
pub fn redacted(file: &FileSpec) -> String {
    readable(file, &file.bytes)
}

/// The same for other bytes in the place of `file`: what is on disk.
pub fn readable(file: &FileSpec, bytes: &[u8]) -> String {
    if file.secret {
        redact(&file.path, bytes)
    } else {
        String::from_utf8_lossy(bytes).into_owned()
    }
}

/// The same for bytes found at the path of a file with secrets (relative to
/// `state/rendered`), for the old side of a diff. It goes by shape, not by
/// the secrets in force, so that yesterday's are hidden as well.
pub fn redact(path: &Path, bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("xml") => hexadecimal(&elements(&text, &["AccessToken", "SecretKey"])),
        Some("env") => text.lines().map(env_line).collect(),
        Some("yml" | "js") => hexadecimal(&text),
        // Keys and tokens, of which nothing is for reading.
        _ => format!("{MARK}\n"),
    }
}

/// A line of a service's log as people may see it: without generated secrets,
/// publish keys and MiroTalk tokens, which the services print at will, and
/// without the colours they add for a terminal.
pub fn hidden(line: &str) -> String {
    let keys = without(&plain(line), "sk_", |char| char.is_ascii_alphanumeric());
    let tokens = without(&keys, "eyJ", |char| {
        char.is_ascii_alphanumeric() || matches!(char, '.' | '_' | '-')
    });
    hexadecimal(&tokens)
}

/// Without terminal escapes and what else has no place in a line. First of all, so
/// that none of them can split a secret in two.
fn plain(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        match char {
            '\u{1b}' if chars.as_str().starts_with('[') => {
                chars.next();
                // Parameters, up to the letter that says what they are for.
                chars.by_ref().find(|char| ('@'..='~').contains(char));
            }
            '\t' => out.push(char),
            char if disrupts(char) => {}
            char => out.push(char),
        }
    }
    out
}

/// Hides every word that begins with `mark` and goes on with `part`.
fn without(text: &str, mark: &str, part: fn(char) -> bool) -> String {
    let mut parts = text.split(mark);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for rest in parts {
        out.push_str(MARK);
        out.push_str(rest.trim_start_matches(part));
    }
    out
}

/// Replaces what looks like one of the generated secrets: a run of sixteen or
/// more hexadecimal digits.
pub(super) fn hexadecimal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    for char in text.chars().chain(std::iter::once('\n')) {
        if char.is_ascii_hexdigit() {
            run.push(char);
            continue;
        }
        out.push_str(if run.len() < 16 { &run } else { MARK });
        run.clear();
        out.push(char);
    }
    // The line break that ended the last run.
    out.pop();
    out
}

/// Hides the text of the named elements.
fn elements(text: &str, names: &[&str]) -> String {
    let mut out = text.to_owned();
    for name in names {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let parts: Vec<&str> = out.split(&open).collect();
        let mut hidden = String::with_capacity(out.len());
        for (index, part) in parts.iter().enumerate() {
            if index == 0 {
                hidden.push_str(part);
                continue;
            }
            hidden.push_str(&open);
            hidden.push_str(MARK);
            hidden.push_str(
                part.find(&close)
                    .and_then(|at| part.get(at..))
                    .unwrap_or(""),
            );
        }
        out = hidden;
    }
    out
}

/// Hides the value of a line, keeps its name and comments.
fn env_line(line: &str) -> String {
    match line.split_once('=') {
        Some((name, _)) if !line.trim_start().starts_with('#') => format!("{name}={MARK}\n"),
        _ => format!("{}\n", hexadecimal(line)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_has_neither_colours_nor_secrets() {
        for (line, expected) in [
            (
                "\u{1b}[37m[12:00] I all is well\u{1b}[0m",
                "[12:00] I all is well",
            ),
            ("key sk_\u{1b}[1mabc123\u{1b}[0m used", "key ••• used"),
            ("a\tb\r", "a\tb"),
            ("ends in the middle \u{1b}[3", "ends in the middle "),
            ("a lone \u{1b} escape", "a lone  escape"),
            ("key sk_\u{202e}abc123 turned", "key ••• turned"),
        ] {
            assert_eq!(hidden(line), expected, "{line:?}");
        }
    }
}
