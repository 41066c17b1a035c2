//! The only place that writes to stdout and stderr.

use std::io::Write;

/// A line on stdout. A closed pipe is not our problem: the service goes on.
pub fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// A line on stderr.
pub fn error(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
