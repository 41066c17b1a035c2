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

/// The list of ports in the document is the one that the command prints.
#[test]
fn the_firewall_s_table_is_what_the_command_says() {
    let output = Command::new(env!("CARGO_BIN_EXE_colourstream"))
        .args(["firewall", "--json"])
        .env("COLOURSTREAM_DOMAIN", "review.example.com")
        .output()
        .unwrap();
    let ports: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let words = |value: &serde_json::Value| value.as_str().unwrap().to_lowercase();
    let said: Vec<(String, String, String)> = ports
        .as_array()
        .unwrap()
        .iter()
        .map(|port| {
            let (first, last) = (&port["first"], &port["last"]);
            let range = if first == last {
                first.to_string()
            } else {
                format!("{first}–{last}")
            };
            (
                format!("{range}/{}", words(&port["protocol"])),
                words(&port["service"]),
                words(&port["purpose"]),
            )
        })
        .collect();
    assert!(said.len() > 5, "{said:?}");
    let pages = book::pages();
    let page = pages
        .iter()
        .find(|page| page.name == "docs/deploy.md")
        .unwrap();
    let (_, table) = page
        .text
        .split_once("kept by tests/documents.rs. -->")
        .unwrap();
    let rows: Vec<(String, String, String)> = table
        .trim_start()
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            (
                cells[0].to_lowercase(),
                cells[1].to_lowercase(),
                cells[2].to_lowercase(),
            )
        })
        .collect();
    assert_eq!(rows, said);
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
