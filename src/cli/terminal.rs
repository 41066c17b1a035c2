//! Printing for people: the one place that writes to the terminal.

use std::io::{IsTerminal, Write};

/// Colours, empty where nobody looks.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// For standard output.
    pub fn stdout() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none();
        Self {
            on: wanted && std::io::stdout().is_terminal(),
        }
    }

    /// Whether somebody looks.
    pub const fn is_on(self) -> bool {
        self.on
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Good.
    pub fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// Wrong.
    pub fn red(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// Waiting.
    pub fn yellow(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// Less important.
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// Headings.
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }
}

/// One line on standard output. A reader that went away is no error.
pub fn line(text: impl AsRef<str>) {
    let _gone = writeln!(std::io::stdout().lock(), "{}", text.as_ref());
}

/// Text as it is, no line end added.
pub fn raw(text: impl AsRef<str>) {
    let mut out = std::io::stdout().lock();
    let _gone = write!(out, "{}", text.as_ref()).and_then(|()| out.flush());
}

/// A failure on standard error.
pub fn error(text: &str) {
    let _gone = writeln!(std::io::stderr().lock(), "colourstream: {text}");
}

/// Replaces the line before on a terminal; silent elsewhere.
pub fn progress(text: &str) {
    let mut err = std::io::stderr().lock();
    if err.is_terminal() {
        let _gone = write!(err, "\r\x1b[K{text}").and_then(|()| err.flush());
    }
}

/// Asks for a yes; everything else, and nobody there, is a no.
pub fn confirm(question: &str) -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    raw(format!("{question} [y/N] "));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).is_ok()
        && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}
