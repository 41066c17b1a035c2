//! The invariants of `ARCHITECTURE.md` that can be read off the source: who
//! may import what.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};

/// Rust files below `folder`, with their text, tests cut off: a `mod tests`
/// at the end of a file and files named for tests may do what they like.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                // `tests.rs` and what it is split into.
                if name != "tests" {
                    folders.push(path);
                }
            } else if name.ends_with(".rs")
                && !["tests.rs", "fixture.rs", "sim.rs", "scenarios.rs"].contains(&name.as_str())
            {
                let text = std::fs::read_to_string(&path).unwrap();
                let text = without_tests(&text).to_owned();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "no source below {folder}");
    found
}

/// The text up to the module of tests at its end.
fn without_tests(text: &str) -> &str {
    let mut from = 0;
    while let Some(found) = text[from..].find("\n#[cfg(test)]\n") {
        let at = from + found;
        let end = text[at..]
            .find(['{', ';'])
            .map_or(text.len(), |end| at + end);
        let head = text[at..end].rsplit('\n').next().unwrap_or_default();
        if head.contains("mod ") && text[end..].starts_with('{') {
            return &text[..at];
        }
        from = end;
    }
    text
}

fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn refuse(folder: &str, words: &[&str], but: &[&str]) {
    for (path, text) in sources(folder) {
        let shown = path
            .strip_prefix(env!("CARGO_MANIFEST_DIR"))
            .unwrap()
            .display()
            .to_string();
        if but.iter().any(|allowed| shown.starts_with(allowed)) {
            continue;
        }
        for (number, line) in code_lines(&text) {
            for word in words {
                assert!(
                    !line.contains(word),
                    "{shown}:{}: `{word}` does not belong here: {line}",
                    number + 1
                );
            }
        }
    }
}

#[test]
fn the_pure_rooms_have_no_effects() {
    for folder in ["src/desired", "src/render", "src/plan", "src/model"] {
        refuse(
            folder,
            &[
                "tokio",
                "bollard",
                "rusqlite",
                "std::fs",
                "std::net::Tcp",
                "SystemTime",
                "Instant::now",
                "Timestamp::now",
                "async fn",
                ".await;",
                ".await?",
                ".await)",
                "std::env::var",
            ],
            &[],
        );
    }
}

#[test]
fn bollard_lives_in_one_place() {
    refuse("src", &["bollard"], &["src/engine/docker"]);
}

#[test]
fn sql_lives_in_the_store() {
    refuse("src", &["rusqlite"], &["src/store"]);
}

#[test]
fn the_web_layer_never_calls_the_engine() {
    refuse("src/http", &["engine::", "EngineCall", "docker"], &[]);
}

#[test]
fn nothing_panics_by_design() {
    refuse(
        "src",
        &[
            ".unwrap()",
            ".expect(\"",
            "todo!(",
            "unimplemented!(",
            "panic!(",
        ],
        &[],
    );
}

#[test]
fn only_the_disk_writes_files() {
    refuse(
        "src",
        &[
            "fs::write",
            "File::create",
            "fs::rename",
            "OpenOptions",
            "create_dir",
        ],
        &["src/disk", "src/store"],
    );
    refuse(
        "src",
        &["remove_file", "remove_dir", "set_permissions"],
        &[
            "src/disk",
            "src/store",
            // The control socket: made where it is listened on, removed there
            // and where the listening ends.
            "src/listen.rs",
            "src/serve/mod.rs",
            "src/serve/rescue.rs",
            // `render` without a state folder has one for as long as it takes.
            "src/cli/session.rs",
        ],
    );
}

#[test]
fn the_code_map_has_every_room() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let map = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let modules = std::fs::read_to_string(root.join("src/lib.rs")).unwrap();
    let mut count = 0;
    for name in modules
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
    {
        let places = [format!("`src/{name}/`"), format!("`src/{name}.rs`")];
        let is_there = places.iter().any(|place| map.contains(place));
        assert!(is_there, "`{name}` is not in the map");
        count += 1;
    }
    assert!(count > 15, "{count} rooms");
    let row = map.lines().find(|line| line.starts_with("| `src/http/`"));
    for (path, text) in sources("src/http") {
        if text.contains("Router::new()") {
            let name = path.strip_prefix(root.join("src/http")).unwrap();
            let name = name.to_string_lossy();
            let name = name.trim_end_matches("/mod.rs").trim_end_matches(".rs");
            assert!(row.unwrap().contains(name), "`{name}` is not in the map");
        }
    }
}

/// The functions of a source with their names, up to the line of their last
/// brace.
fn functions(text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let bare = line.trim_start();
        let indent = &line[..line.len() - bare.len()];
        let Some((before, after)) = bare.split_once("fn ") else {
            continue;
        };
        let words = ["", "pub ", "pub(super) ", "const ", "pub const "];
        if !words.contains(&before) {
            continue;
        }
        let name: String = after
            .chars()
            .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
            .collect();
        let end = format!("{indent}}}");
        let body: Vec<&str> = lines[at..]
            .iter()
            .take_while(|line| **line != end)
            .copied()
            .collect();
        found.push((name, body.join("\n")));
    }
    found
}

#[test]
fn what_changes_a_file_system_names_a_point_where_a_kill_may_strike() {
    // What is named where it ends, and two that only take back what they made.
    let others = ["done(path,", "fn ownership(", "fn write_tmp("];
    let (mut changes, mut points) = (0, 0);
    for (path, text) in sources("src/disk") {
        for (name, body) in functions(&text) {
            let does = [
                "fs::rename(",
                "fs::write(",
                "fs::hard_link(",
                "fs::copy(",
                "fs::remove_",
                "fs::symlink(",
                "symlinkat(",
                "linkat(",
                "renameat",
                "unlink",
                "create_new(true)",
            ];
            if !does.iter().any(|word| body.contains(word)) {
                continue;
            }
            changes += 1;
            let has = body.contains("point(");
            points += usize::from(has);
            assert!(
                has || others.iter().any(|word| body.contains(word)),
                "{}: `{name}` changes what is on the disk and names no point",
                path.display()
            );
        }
    }
    assert!(
        changes > 15 && points > 12,
        "{changes}, {points} with a point"
    );
}

#[test]
fn every_issue_is_explained_in_the_documents() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = std::fs::read_to_string(root.join("docs/troubleshooting.md")).unwrap();
    let source = std::fs::read_to_string(root.join("src/model/issue.rs")).unwrap();
    let codes = source
        .split("pub enum IssueCode {")
        .nth(1)
        .and_then(|rest| rest.split('}').next())
        .unwrap();
    let mut count = 0;
    for name in codes
        .lines()
        .filter_map(|line| line.trim().strip_suffix(','))
    {
        let mut kebab = String::new();
        for (index, letter) in name.char_indices() {
            if letter.is_uppercase() && index > 0 {
                kebab.push('-');
            }
            kebab.extend(letter.to_lowercase());
        }
        assert!(
            document.contains(&format!("\n## {kebab}\n")),
            "{kebab} is not explained"
        );
        count += 1;
    }
    assert!(count > 20, "the issues were not found");
}

#[test]
fn the_image_is_built_from_all_that_the_manifests_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let context = text(".dockerignore");
    let let_in: Vec<&str> = context
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .collect();
    let dockerfile = text("Dockerfile");
    let stage = dockerfile
        .split("AS binary\n")
        .nth(1)
        .and_then(|rest| rest.split("\nFROM ").next())
        .unwrap();
    let copied = stage
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "))
        .filter(|copy| !copy.starts_with("--from"))
        .flat_map(|copy| {
            let mut words: Vec<&str> = copy.split_whitespace().collect();
            words.pop();
            words
        });
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    for name in copied {
        assert!(
            let_in.contains(&name),
            "`{name}` is not in the build context"
        );
        let done = std::process::Command::new("cp")
            .args(["-a", name])
            .arg(folder.path())
            .current_dir(root)
            .status()
            .unwrap();
        assert!(done.success());
        count += 1;
    }
    assert!(count > 4, "the stage was not understood");
    // Every target of every member has to be where its manifest says.
    let read = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success(), "{words}");
}
