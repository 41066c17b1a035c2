//! The documents as a test reads them: their links, the commands between the
//! lines, and the blocks of commands that a reader would paste.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::allow_attributes,
    reason = "a helper of tests; not every binary uses all of it"
)]

use std::path::{Path, PathBuf};

/// One document.
pub struct Page {
    /// Relative to the repository, such as `docs/deploy.md`.
    pub name: String,
    pub text: String,
}

/// A block of commands or of a file.
pub struct Block {
    /// Line of its first line, from 1.
    pub line: usize,
    /// `sh`, `yaml`, or what else stands behind the fence.
    pub language: String,
    pub text: String,
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every document that people read.
pub fn pages() -> Vec<Page> {
    let mut names: Vec<PathBuf> = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(here) = folders.pop() {
        for entry in std::fs::read_dir(&here).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            // Neither what is made or fetched, nor what a controller keeps.
            let is_ours = !["target", "node_modules", "dist"].contains(&name.as_str())
                && !name.starts_with('.')
                && here != root().join("state");
            if path.is_dir() && is_ours {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "md") {
                names.push(path);
            }
        }
    }
    names.sort();
    for known in ["docs/screens/README.md", "web/README.md"] {
        assert!(names.contains(&root().join(known)), "{known} is not read");
    }
    names
        .iter()
        .map(|path| Page {
            name: path.strip_prefix(root()).unwrap().display().to_string(),
            text: std::fs::read_to_string(path).unwrap(),
        })
        .collect()
}

impl Page {
    /// What stands between fences.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for (index, line) in self.text.lines().enumerate() {
            let fence = line.trim_start().strip_prefix("```");
            match (&mut open, fence) {
                (None, Some(language)) => {
                    open = Some(Block {
                        line: index + 2,
                        language: language.trim().to_owned(),
                        text: String::new(),
                    });
                }
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(block), None) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a fence is not closed", self.name);
        blocks
    }

    /// The text without what stands between fences.
    pub fn prose(&self) -> String {
        let mut fenced = false;
        self.text
            .lines()
            .filter(|line| {
                let fence = line.trim_start().starts_with("```");
                let prose = !fenced && !fence;
                fenced ^= fence;
                prose
            })
            .fold(String::new(), |text, line| text + line + "\n")
    }

    /// What stands under one heading, down to the next of its rank.
    pub fn section(&self, heading: &str) -> Self {
        let begins = format!("\n## {heading}\n");
        let (_, rest) = self
            .text
            .split_once(&begins)
            .unwrap_or_else(|| panic!("{}: `{heading}` is gone", self.name));
        Self {
            name: self.name.clone(),
            text: rest.split("\n## ").next().unwrap_or(rest).to_owned(),
        }
    }

    /// Code in the running text.
    pub fn inline_code(&self) -> Vec<String> {
        let prose = self.prose();
        let code = prose.split('`').skip(1).step_by(2);
        code.map(str::to_owned).collect()
    }

    /// Commands of ours in the running text, such as `colourstream plan`.
    pub fn inline_commands(&self) -> Vec<String> {
        self.inline_code()
            .iter()
            .filter_map(|code| {
                let (_, command) = code.split_once("colourstream ")?;
                let ours = code.starts_with("colourstream ") || code.contains(" /colourstream ");
                ours.then(|| command.trim().to_owned())
            })
            .collect()
    }

    /// What stands in italics, each with what stands before it on its line.
    pub fn italics(&self) -> Vec<(String, String)> {
        let prose = self.prose().replace("**", "");
        let mut found = Vec::new();
        for line in prose.lines() {
            let parts: Vec<&str> = line.split('*').collect();
            for at in (1..parts.len() - 1).step_by(2) {
                found.push((parts[at - 1].to_owned(), parts[at].to_owned()));
            }
        }
        found
    }

    /// Where its links lead, without those out into the world.
    pub fn links(&self) -> Vec<String> {
        let prose = self.prose();
        let mut found = Vec::new();
        for part in prose.split("](").skip(1) {
            let Some((target, _)) = part.split_once(')') else {
                continue;
            };
            if !target.contains("://") && !target.starts_with("mailto:") {
                found.push(target.to_owned());
            }
        }
        found
    }

    /// Its headings, as links name them.
    pub fn anchors(&self) -> Vec<String> {
        self.prose()
            .lines()
            .filter_map(|line| line.strip_prefix('#'))
            .map(|line| {
                line.trim_start_matches('#')
                    .trim()
                    .to_lowercase()
                    .chars()
                    .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c))
                    .map(|c| if c == ' ' { '-' } else { c })
                    .collect()
            })
            .collect()
    }
}

impl Block {
    /// One command a line, continued lines joined, comments left out.
    pub fn commands(&self) -> Vec<String> {
        let joined = self.text.replace("\\\n", " ");
        joined
            .lines()
            .map(|line| line.split("  # ").next().unwrap_or(line).trim().to_owned())
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    }
}
