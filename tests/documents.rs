//! The documents say what is there: links lead somewhere, commands between the
//! lines exist. (What stands in blocks is run: `engine_documents.rs`.)
#![expect(clippy::unwrap_used, reason = "a test")]

mod book;

use std::process::Command;

#[test]
fn every_link_leads_somewhere() {
    let pages = book::pages();
    for page in &pages {
        let folder = book::root().join(&page.name);
        let folder = folder.parent().unwrap();
        for link in page.links() {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let path = if file.is_empty() {
                book::root().join(&page.name)
            } else {
                folder.join(file)
            };
            assert!(path.exists(), "{}: {link} leads nowhere", page.name);
            if !anchor.is_empty() {
                let path = path.canonicalize().unwrap();
                let name = path
                    .strip_prefix(book::root().canonicalize().unwrap())
                    .unwrap();
                let there = pages
                    .iter()
                    .find(|page| book::root().join(&page.name) == book::root().join(name))
                    .is_some_and(|page| page.anchors().iter().any(|heading| heading == anchor));
                assert!(there, "{}: {link}: no such heading", page.name);
            }
        }
    }
}

/// The parser reads options before it sees `--help`, so that a command or an
/// option that is not there is refused.
#[test]
fn every_command_between_the_lines_exists() {
    let mut seen = 0;
    for page in book::pages() {
        for command in page.inline_commands() {
            seen += 1;
            let command = command.replace(['[', ']'], "");
            // What stands in quotes is one word; of alternatives such as
            // `status|plan` the first is tried.
            let words: Vec<&str> = command
                .split('"')
                .enumerate()
                .flat_map(|(part, text)| match part % 2 {
                    0 => text.split_whitespace().collect(),
                    _ => vec![text],
                })
                .map(|word| word.split('|').next().unwrap())
                .collect();
            let output = Command::new(env!("CARGO_BIN_EXE_colourstream"))
                .args(&words)
                .arg("--help")
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "{}: `colourstream {command}`: {}",
                page.name,
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
    assert!(seen > 10, "only {seen} commands were found");
}
