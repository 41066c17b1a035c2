//! Printing for people: the one place that writes to the terminal.

use std::io::{IsTerminal, Write};

/// Colours, empty where nobody looks.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    pub(super) on: bool,
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

/// How a cell is painted.
pub type Colour = fn(Paint, &str) -> String;

/// No colour.
pub fn plain(_: Paint, text: &str) -> String {
    text.to_owned()
}

/// Columns side by side, each as wide as its widest cell.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<(String, Colour)>>,
}

impl Table {
    /// With a heading.
    pub fn new(heading: &[&str]) -> Self {
        let dim: Colour = Paint::dim;
        let heading = heading
            .iter()
            .map(|text| ((*text).to_owned(), dim))
            .collect();
        Self {
            rows: vec![heading],
        }
    }

    /// One more row.
    pub fn row(&mut self, cells: Vec<(String, Colour)>) {
        self.rows.push(cells);
    }

    /// The lines; nothing trails.
    pub fn text(&self, paint: Paint) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let widest = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|(text, _)| width(text)).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(widest).collect();
        let mut out = String::new();
        for row in &self.rows {
            let mut line = String::new();
            let mut gap = 0;
            for ((text, colour), wide) in row.iter().zip(&widths) {
                if !text.is_empty() {
                    line.push_str(&" ".repeat(gap));
                    line.push_str(&colour(paint, text));
                    gap = 0;
                }
                gap += wide - width(text) + 2;
            }
            out.push_str(&line);
            out.push('\n');
        }
        out
    }
}

/// How many columns a terminal gives the text: East Asian letters and emoji
/// take two, marks that sit on the letter before take none.
pub fn width(text: &str) -> usize {
    text.chars()
        .map(|letter| match u32::from(letter) {
            0..0x20 | 0x300..0x370 | 0x200B..0x2010 | 0xFE00..0xFE10 => 0,
            0x1100..0x1160
            | 0x2E80..0xA4D0
            | 0xAC00..0xD7A4
            | 0xF900..0xFB00
            | 0xFE30..0xFE70
            | 0xFF00..0xFF61
            | 0xFFE0..0xFFE7
            | 0x1F300..0x1F650
            | 0x1F680..0x1F700
            | 0x1F900..0x1FA00
            | 0x20000..0x3FFFE => 2,
            _ => 1,
        })
        .sum()
}

/// The text in at most `most` columns.
pub fn shortened(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let mut short = String::new();
    for letter in text.chars() {
        if width(&short) + width(letter.encode_utf8(&mut [0; 4])) >= most {
            break;
        }
        short.push(letter);
    }
    short.push('…');
    short
}

/// A secret: typed unseen on a terminal, twice with `again`; else the first
/// line of standard input.
pub fn secret(question: &str, again: Option<&str>) -> Result<String, String> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return typed();
    }
    let before = rustix::termios::tcgetattr(&stdin).map_err(|error| error.to_string())?;
    let mut unseen = before.clone();
    unseen.local_modes.remove(rustix::termios::LocalModes::ECHO);
    let now = rustix::termios::OptionalActions::Now;
    rustix::termios::tcsetattr(&stdin, now, &unseen).map_err(|error| error.to_string())?;
    let ask = |question: &str| {
        raw(format!("{question}: "));
        let answer = typed();
        raw("\n");
        answer
    };
    let answers = ask(question).and_then(|first| match again {
        Some(again) => Ok((ask(again)?, first)),
        None => Ok((first.clone(), first)),
    });
    // Whatever happened, the terminal shows what is typed again.
    let shown = rustix::termios::tcsetattr(&stdin, now, &before);
    let (second, first) = answers?;
    shown.map_err(|error| error.to_string())?;
    if first == second {
        Ok(first)
    } else {
        Err("the two are not the same".to_owned())
    }
}

fn typed() -> Result<String, String> {
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .map_err(|error| error.to_string())?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_whatever_the_letters() {
        let mut table = Table::new(&["", "ROOM", "ENDS"]);
        table.row(vec![
            ("●".into(), plain),
            ("日本".into(), plain),
            ("–".into(), plain),
        ]);
        table.row(vec![
            ("○".into(), plain),
            ("a".into(), plain),
            (String::new(), plain),
        ]);
        let text = table.text(Paint { on: false });
        assert_eq!(text, "   ROOM  ENDS\n●  日本  –\n○  a\n");
    }

    #[test]
    fn a_long_text_ends_in_dots() {
        assert_eq!(shortened("Northlight", 20), "Northlight");
        assert_eq!(shortened("Northlight", 6), "North…");
        assert_eq!(width(&shortened("日本日本", 5)), 5);
    }
}
