//! OME's log: its line, its colours, its `Logger.xml`.

use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::time::SystemTime;

use super::xml;
use crate::common::{out, text, time};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `D`
    Debug,
    /// `I`
    Info,
    /// `W`
    Warn,
    /// `E`
    Error,
    /// `C`
    Critical,
}

impl Level {
    fn sign(self) -> char {
        match self {
            Self::Debug => 'D',
            Self::Info => 'I',
            Self::Warn => 'W',
            Self::Error => 'E',
            Self::Critical => 'C',
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Self::Debug => "\x1b[36m",
            Self::Info => "\x1b[37m",
            Self::Warn => "\x1b[33m",
            Self::Error => "\x1b[31m",
            Self::Critical => "\x1b[97;41m",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "debug" => Self::Debug,
            "info" => Self::Info,
            "warn" => Self::Warn,
            "error" => Self::Error,
            "critical" => Self::Critical,
            _ => return None,
        })
    }
}

/// Where lines go and which are kept.
#[derive(Debug)]
pub struct Log {
    rules: Vec<(String, Level)>,
    file: Option<Mutex<std::fs::File>>,
}

impl Log {
    /// Stdout only, everything from info up: for faults before any file is read.
    pub fn plain() -> Self {
        Self {
            rules: Vec::new(),
            file: None,
        }
    }

    /// Reads `Logger.xml` beside `Server.xml`. Absent means the defaults and a warning.
    pub fn load(folder: &Path, shown: &str) -> Result<(Self, Option<String>), String> {
        let Ok(source) = std::fs::read_to_string(folder.join("Logger.xml")) else {
            let missing =
                format!("Could not load Logger.xml from {shown}/Logger.xml. Use default settings.");
            return Ok((
                Self {
                    rules: Vec::new(),
                    file: file("/var/log/ovenmediaengine"),
                },
                Some(missing),
            ));
        };
        let root = xml::parse(&source)
            .ok()
            .filter(|root| root.name == "Logger")
            .ok_or_else(|| format!("[Config] Could not load config... reason: Error parsing start element tag [{shown}/Logger.xml]"))?;
        let rules = root
            .all("Tag")
            .filter_map(|tag| {
                // Names are regular expressions; the few shapes in use are globs in disguise.
                let name = tag
                    .attribute("name")?
                    .replace("\\.", "\u{1}")
                    .replace(".*", "*")
                    .replace('\u{1}', ".");
                Some((name, Level::parse(tag.attribute("level")?)?))
            })
            .collect();
        let off = root
            .child("File")
            .is_some_and(|f| f.attribute("enabled") == Some("false"));
        let place = root
            .text_at("Path")
            .unwrap_or("/var/log/ovenmediaengine")
            .to_owned();
        Ok((
            Self {
                rules,
                file: if off { None } else { file(&place) },
            },
            None,
        ))
    }

    /// Writes a line unless its tag is set to a higher level.
    pub fn put(&self, level: Level, tag: &str, message: &str) {
        let least = self
            .rules
            .iter()
            .find(|(name, _)| text::wildcard(name, tag))
            .map_or(Level::Info, |(_, level)| *level);
        if level < least {
            return;
        }
        let plain = line(level, tag, message);
        if let Some(file) = &self.file
            && let Ok(mut file) = file.lock()
        {
            let _ = writeln!(file, "{plain}");
        }
        out::line(&format!("{}{plain}\x1b[0m", level.colour()));
    }

    /// Something normal.
    pub fn info(&self, tag: &str, message: &str) {
        self.put(Level::Info, tag, message);
    }

    /// Something odd.
    pub fn warn(&self, tag: &str, message: &str) {
        self.put(Level::Warn, tag, message);
    }

    /// Something wrong.
    pub fn error(&self, tag: &str, message: &str) {
        self.put(Level::Error, tag, message);
    }
}

fn file(place: &str) -> Option<Mutex<std::fs::File>> {
    std::fs::create_dir_all(place).ok()?;
    let path = Path::new(place).join("ovenmediaengine.log");
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .ok()
        .map(Mutex::new)
}

fn line(level: Level, tag: &str, message: &str) -> String {
    let source = match tag {
        "OvenMediaEngine" => "main.cpp:353 ",
        "AccessController" => "access_controller.cpp:181 ",
        "Socket" => "socket.cpp:427 ",
        _ => "module.cpp:100 ",
    };
    format!(
        "[{}] {} [OvenMediaEngine:1] {tag} | {source} | {message}",
        time::log(SystemTime::now()),
        level.sign()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_looks_like_omes() {
        let text = line(Level::Error, "OvenMediaEngine", "boom");
        assert!(
            text.ends_with("] E [OvenMediaEngine:1] OvenMediaEngine | main.cpp:353  | boom"),
            "{text}"
        );
        assert_eq!(&text[..1], "[");
    }
}
