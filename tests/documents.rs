//! The documents say what is there: links lead somewhere, commands between the
//! lines exist. (What stands in blocks is run: `engine_documents.rs`.)
#![expect(clippy::unwrap_used, reason = "a test")]

mod book;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
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

/// The word of every refusal in the web layer, as it stands behind its status.
#[test]
fn every_problem_word_is_in_the_document_of_the_api() {
    let pages = book::pages();
    let page = pages
        .iter()
        .find(|page| page.name == "docs/api.md")
        .unwrap();
    let mut words = BTreeSet::new();
    for folder in ["src/http", "src/http/admin"] {
        for entry in std::fs::read_dir(book::root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|end| end != "rs") || path.ends_with("tests.rs") {
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            for behind in source.split("StatusCode::").skip(1) {
                let Some((_, behind)) = behind.split_once(',') else {
                    continue;
                };
                let word = behind.trim_start().strip_prefix('"');
                words.extend(word.and_then(|word| Some(word.split_once('"')?.0.to_owned())));
            }
        }
    }
    let plain = |c: char| c.is_ascii_lowercase() || c == '-';
    words.retain(|word| !word.is_empty() && word.chars().all(plain));
    assert!(words.len() > 25, "{words:?}");
    for word in words {
        assert!(
            page.text.contains(&format!("`{word}`")),
            "`{word}` is not in it"
        );
    }
}

/// The pages are built with the Node that the documents name, or not at all:
/// an older one would fail with somebody else's words.
#[test]
fn an_older_node_is_refused_by_the_version_that_the_documents_name() {
    let wanted = "20.19";
    for name in ["README.md", "CONTRIBUTING.md"] {
        let text = std::fs::read_to_string(book::root().join(name)).unwrap();
        assert!(text.contains(&format!("Node {wanted} or newer")), "{name}");
    }
    let folder = tempfile::tempdir().unwrap();
    let node = folder.path().join("node");
    for here in ["v20.18.3", "v9.0.0", ""] {
        std::fs::write(
            &node,
            format!("#!/bin/sh\n[ -n '{here}' ] && echo {here}\n"),
        )
        .unwrap();
        std::fs::set_permissions(&node, PermissionsExt::from_mode(0o755)).unwrap();
        let path = format!(
            "{}:{}",
            folder.path().display(),
            std::env::var("PATH").unwrap()
        );
        let output = Command::new(book::root().join("scripts/web"))
            .arg("packages")
            .env("PATH", path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{here}");
        assert!(said.contains(&format!("Node {wanted} or newer")), "{said}");
    }
}

/// What a failed test says about writing a file anew is a line of
/// `CONTRIBUTING.md`, and no file that is written anew is left out there.
#[test]
fn how_a_generated_file_is_made_anew_stands_in_one_place() {
    let page = std::fs::read_to_string(book::root().join("CONTRIBUTING.md")).unwrap();
    let mut said = 0;
    let mut snapshots = false;
    let mut folders = ["src", "tests", "docs", "examples"]
        .map(PathBuf::from)
        .to_vec();
    while let Some(here) = folders.pop() {
        for entry in std::fs::read_dir(book::root().join(&here)).unwrap() {
            let path = here.join(entry.unwrap().file_name());
            if book::root().join(&path).is_dir() {
                folders.push(path);
                continue;
            }
            snapshots |= path.extension().is_some_and(|end| end == "snap");
            let text = std::fs::read(book::root().join(&path)).unwrap();
            let text = String::from_utf8_lossy(&text);
            // In two parts, or it would find itself.
            let begins = ["`UPDATE=1", " cargo "].concat();
            for hint in text.split(&begins).skip(1) {
                let hint = hint.split('`').next().unwrap_or_default();
                let line = format!("UPDATE=1 cargo {hint}");
                assert!(page.contains(&line), "{}: `{line}`", path.display());
                said += 1;
            }
        }
    }
    assert!(said > 6 && snapshots, "{said} hints were found");
    for file in [
        "docs/openapi.json",
        "docs/settings.md",
        "*.plan",
        "engine-calls.txt",
        "*.snap",
    ] {
        assert!(page.contains(file), "{file}");
    }
}

/// Whoever runs ColourStream reads that a link is *revoked*, everywhere; its
/// guest, who knows nothing of that, that it was withdrawn.
#[test]
fn a_link_is_revoked_and_nothing_else() {
    let mut words = ["src/cli", "src/http/admin", "docs"]
        .map(|folder| words_of(folder, &[".rs", ".md", "openapi.json"]))
        .concat();
    words += &words_of("web/src/admin", &[".ts", ".tsx"]);
    for other in [
        "taken back",
        "ake a link back",
        "take it back",
        "withdraw ",
        "links are void",
    ] {
        let at = words.find(other).map(|at| words[at..].lines().next());
        assert_eq!(at, None, "`{other}`");
    }
    assert!(words.contains("Revoke a link"));
}

/// The secret of an encoder has the name that OBS gives it, for whoever reads;
/// in the code it is the publish key.
#[test]
fn the_encoder_s_secret_is_the_stream_key() {
    for page in book::pages() {
        let text = page.text.to_lowercase();
        assert!(!text.contains("publish key"), "{}", page.name);
        assert!(!text.contains("publishing key"), "{}", page.name);
    }
    let pages = words_of("web/src", &[".ts", ".tsx"]).to_lowercase();
    assert!(!pages.contains("publish key") && pages.contains("stream key"));
    let document = std::fs::read_to_string(book::root().join("docs/openapi.json")).unwrap();
    assert!(!document.contains("publish key"));
    // What is said in quotes, not in comments.
    for folder in [
        "src/access",
        "src/cli",
        "src/http",
        "src/model",
        "src/render/lint",
    ] {
        for line in words_of(folder, &[".rs"]).lines() {
            let is_comment = line.trim_start().starts_with("//");
            assert!(
                is_comment || !line.contains("publish key"),
                "{folder}: {line}"
            );
        }
    }
}

/// What the page says of a passphrase is what the command holds to.
#[test]
fn a_passphrase_is_as_long_as_the_page_says() {
    let page = std::fs::read_to_string(book::root().join("docs/backup.md")).unwrap();
    assert!(page.contains("eight letters at least"));
    let folder = tempfile::tempdir().unwrap();
    let backup = |word: &str| {
        let file = folder.path().join("word");
        std::fs::write(&file, word).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_colourstream"))
            .args(["backup", "x.backup", "--passphrase-file", "word"])
            .env("COLOURSTREAM_STATE", folder.path().join("state"))
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(!output.status.success(), "there is nothing to keep");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let (short, long) = (backup("seven77"), backup("eight888"));
    assert!(short.contains("shorter than 8 letters"), "{short}");
    assert!(!long.contains("shorter than"), "{long}");
}

/// Whoever follows a page in a container is told at its head how.
#[test]
fn how_a_command_is_given_in_a_container_stands_at_the_head() {
    for name in [
        "docs/deploy.md",
        "docs/settings.md",
        "docs/troubleshooting.md",
    ] {
        let text = std::fs::read_to_string(book::root().join(name)).unwrap();
        let (head, _) = text.split_once("\n## ").unwrap();
        let command = "`docker exec colourstream-controller /colourstream ";
        assert!(head.contains(command), "{name}");
    }
}

/// The map of the pages has every folder of theirs.
#[test]
fn the_map_of_the_pages_has_every_folder() {
    let web = book::root().join("web");
    let map = std::fs::read_to_string(web.join("README.md")).unwrap();
    let mut seen = 0;
    for folder in ["", "src", "src/live", "src/admin"] {
        for entry in std::fs::read_dir(web.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            // What is installed or made is on no map.
            let is_made = ["node_modules", "dist", "coverage", "test-results"];
            if path.is_dir() && !name.starts_with('.') && !is_made.contains(&name.as_str()) {
                seen += 1;
                assert!(map.contains(&name), "web/{folder}: {name}");
            }
        }
    }
    assert!(seen > 15, "{seen} folders");
}

/// Files below a folder of ours that people's words come from, as one text:
/// every figure that is put in is `#`.
fn words_of(folder: &str, ends: &[&str]) -> String {
    let mut text = String::new();
    let mut folders = vec![book::root().join(folder)];
    while let Some(here) = folders.pop() {
        for entry in std::fs::read_dir(&here).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if ends.iter().any(|end| path.to_string_lossy().ends_with(end)) {
                text.push_str(&figures_out(&std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!text.is_empty(), "no words below {folder}");
    text
}

/// `3.0 %`, `${Math.round(fps)}` and `{seconds:.1}` are `#`.
fn figures_out(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let template = rest.strip_prefix("${").or_else(|| {
            // Of a Rust format: a name and how it is to be printed.
            rest.strip_prefix('{').filter(|after| {
                let inner = after.split('}').next().unwrap_or_default();
                let is_plain = |c: char| c.is_ascii_alphanumeric() || "_:.".contains(c);
                !inner.is_empty() && inner.chars().all(is_plain)
            })
        });
        if let Some((_, after)) = template.and_then(|inner| inner.split_once('}')) {
            out.push('#');
            rest = after;
        } else if first.is_ascii_digit() {
            let after = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
            out.push('#');
            rest = after.strip_prefix(" %").unwrap_or(after);
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// Whether the words stand in the source alone: between quotes, or as all the
/// text of an element.
fn is_said(words: &str, source: &str) -> bool {
    source.match_indices(words).any(|(at, _)| {
        let before = source[..at].trim_end().chars().next_back();
        let after = source[at + words.len()..].trim_start().chars().next();
        before.is_some_and(|c| "'\"`>".contains(c)) && after.is_some_and(|c| "'\"`<".contains(c))
    })
}

/// Italics quote what the reader finds on a page, or in a program of others.
#[test]
fn what_stands_in_italics_is_on_the_pages() {
    let others = [
        "Profile › Import",
        "Start Streaming",
        "Advanced",
        "stream id",
        "Night Shift",
        "True Tone",
        "Night light",
        "Auto HDR",
    ];
    let room_page = words_of("web/src/admin/rooms", &[".tsx"]);
    let all = words_of("web/src", &[".ts", ".tsx"]) + &words_of("src/access", &[".rs"]);
    let mut seen = 0;
    for page in book::pages() {
        if !["docs/colourists.md", "docs/screens/README.md"].contains(&page.name.as_str()) {
            continue;
        }
        for (before, quoted) in page.italics() {
            if others.contains(&quoted.as_str()) {
                continue;
            }
            for words in quoted.split(" → ") {
                seen += 1;
                let stands = if before.ends_with("room page, ") {
                    room_page.contains(&figures_out(&format!(">{words}</h2>")))
                } else {
                    is_said(&figures_out(words), &all)
                };
                assert!(stands, "{}: *{words}* stands nowhere", page.name);
            }
        }
    }
    assert!(seen > 12, "only {seen} words were looked up");
    assert!(
        !is_said("Rotate key", &all),
        "whatever is asked for is found"
    );
}

/// A command must be there: the parser reads options before it sees `--help`,
/// so that one with a word or an option that is not there is refused.
fn assert_exists(place: &str, command: &str) {
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
        "{place}: `colourstream {command}`: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn every_command_between_the_lines_exists() {
    let mut seen = 0;
    for page in book::pages() {
        for command in page.inline_commands() {
            seen += 1;
            assert_exists(&page.name, &command);
        }
    }
    assert!(seen > 10, "only {seen} commands were found");
}

/// What an issue, a refusal or the portal tells people to type.
#[test]
fn every_command_that_people_are_told_exists() {
    let told = |folder: &str, ends: &[&str], begins: &str, end: char| -> BTreeSet<String> {
        words_of(folder, ends)
            .split(begins)
            .skip(1)
            .filter_map(|rest| Some(rest.split_once(end)?.0.to_owned()))
            .filter(|command| !command.contains('\n'))
            .collect()
    };
    let mut commands = told("src", &[".rs"], "`colourstream ", '`');
    assert!(commands.len() > 12, "{commands:?}");
    let on_pages = told("web/src", &[".tsx"], ">colourstream ", '<');
    assert!(on_pages.len() > 1, "{on_pages:?}");
    commands.extend(on_pages);
    for command in commands {
        assert_exists("a text of ours", &command);
    }
}
