//! What the product is made of, read off the files that say so: where every
//! part comes from, under which licence, and that no script fetches anything
//! whose content is not fixed beforehand.
//!
//! Needs neither network nor `cargo-deny`, which sees the same and more (see
//! `scripts/lint`). Published advisories are in neither: they are a question
//! to a database outside, which `make lint` asks where it can be reached.

#![expect(clippy::unwrap_used)]

#[path = "faults/report.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::allow_attributes,
    reason = "shared by the fault suites; not every binary uses all of it"
)]
mod report;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use report::{Count, Report};
use serde_json::Value;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The items of a list in `deny.toml`.
fn listed(text: &str, name: &str) -> BTreeSet<String> {
    let list = text
        .split(&format!("\n{name} = ["))
        .nth(1)
        .unwrap()
        .split("\n]")
        .next()
        .unwrap();
    let quoted = list
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    quoted
        .filter_map(|line| line.split('"').nth(1))
        .map(str::to_owned)
        .collect()
}

/// Whether an SPDX expression leaves a choice that is allowed.
fn allows(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    any_of(&words, &mut at, allowed) && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut good = all_of(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        good |= all_of(words, at, allowed);
    }
    good
}

fn all_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut good = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        good &= one(words, at, allowed);
    }
    good
}

fn one(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    if words.get(*at) == Some(&"(") {
        *at += 1;
        let good = any_of(words, at, allowed);
        *at += 1;
        return good;
    }
    let mut name = words.get(*at).copied().unwrap_or_default().to_owned();
    *at += 1;
    if words.get(*at) == Some(&"WITH") {
        name = format!(
            "{name} WITH {}",
            words.get(*at + 1).copied().unwrap_or_default()
        );
        *at += 2;
    }
    allowed.contains(&name)
}

#[test]
fn a_licence_is_allowed_only_as_a_whole() {
    let allowed = BTreeSet::from([
        "MIT".to_owned(),
        "ISC".to_owned(),
        "Apache-2.0 WITH LLVM-exception".to_owned(),
    ]);
    for (expression, expected) in [
        ("MIT", true),
        ("MIT OR GPL-2.0", true),
        ("MIT AND GPL-2.0", false),
        ("MIT/Apache-2.0", true),
        ("(GPL-2.0 OR MIT) AND ISC", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0", false),
        ("", false),
    ] {
        assert_eq!(allows(expression, &allowed), expected, "{expression}");
    }
}

/// The name of a package in a lock file, and whether it comes from where it
/// should and is fixed by its content.
fn sourced(package: &str) -> (String, Result<(), String>) {
    let value = |key: &str| {
        let line = package
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{key} = ")));
        line.map(|text| text.trim_matches('"').to_owned())
    };
    let name = value("name").unwrap();
    let result = match value("source") {
        None if name.starts_with("colourstream") => Ok(()),
        Some(source) if source == "registry+https://github.com/rust-lang/crates.io-index" => {
            let fixed = value("checksum").is_some_and(|sum| sum.len() == 64);
            if fixed {
                Ok(())
            } else {
                Err("it has no checksum".into())
            }
        }
        other => Err(format!("it comes from {other:?}")),
    };
    (name, result)
}

/// What cargo knows of all that a manifest needs, without asking anybody.
fn metadata(manifest: &str) -> Result<Value, String> {
    let said = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--offline",
            "--locked",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
            "--manifest-path",
            manifest,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    if said.status.success() {
        Ok(serde_json::from_slice(&said.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&said.stderr).into_owned())
    }
}

#[test]
fn every_part_is_known_by_source_content_and_licence() {
    let mut report = Report::new("supply-chain");
    let deny = read("deny.toml");
    const NOTE: &str =
        "from the public registry, by checksum, under an allowed licence, none that is banned";
    let mut crates = Count::of("supply chain: crates").note(NOTE);
    for (lock, of) in [("Cargo.lock", ""), ("fuzz/Cargo.lock", "of fuzzing: ")] {
        for package in read(lock).split("[[package]]").skip(1) {
            let (name, result) = sourced(package);
            crates.case(&format!("{of}{name}, source"), result);
        }
    }
    let (allowed, banned) = (listed(&deny, "allow"), listed(&deny, "deny"));
    assert!(
        allowed.contains("MIT") && banned.contains("openssl"),
        "{allowed:?} {banned:?}"
    );
    for (manifest, of) in [("Cargo.toml", ""), ("fuzz/Cargo.toml", "of fuzzing: ")] {
        let known = metadata(manifest);
        if known.is_err() && !of.is_empty() {
            // Nobody fuzzed here: what only that needs was never fetched.
            crates = crates.note(&format!(
                "{NOTE}; licences of what only fuzzing needs were not at hand"
            ));
            continue;
        }
        let metadata = known.unwrap();
        let mut allowed = allowed.clone();
        if !of.is_empty() {
            // libFuzzer's own, which is in nothing that is given to anybody.
            allowed.insert("NCSA".to_owned());
        }
        // Those that are built for the one target that ships.
        let built: BTreeSet<&str> = metadata["resolve"]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["id"].as_str().unwrap())
            .collect();
        for package in metadata["packages"].as_array().unwrap() {
            if !built.contains(package["id"].as_str().unwrap()) {
                continue;
            }
            let (name, licence) = (
                package["name"].as_str().unwrap(),
                package["license"].as_str().unwrap_or_default(),
            );
            // The targets themselves say nothing of it.
            let own = name == "colourstream-fuzz";
            let result = if banned.contains(name) {
                Err("it is banned".to_owned())
            } else if own || allows(licence, &allowed) {
                Ok(())
            } else {
                Err(format!("its licence is {licence:?}"))
            };
            crates.case(&format!("{of}{name}, licence"), result);
        }
    }
    report.add(crates);

    let mut packages = Count::of("supply chain: npm packages").note("from whichever registry is set up, by SHA-512; advisories are asked for by `make lint`, where the registry answers");
    let lock: Value = serde_json::from_str(&read("web/package-lock.json")).unwrap();
    for (path, package) in lock["packages"].as_object().unwrap() {
        if path.is_empty() || package["link"] == true {
            continue;
        }
        let resolved = package["resolved"].as_str().unwrap_or_default();
        let integrity = package["integrity"].as_str().unwrap_or_default();
        // No address: it comes from the registry that npm is set to, and the
        // hash says whether it is the same.
        let good = resolved.is_empty() && integrity.starts_with("sha512-");
        packages.case(
            path,
            if good {
                Ok(())
            } else {
                Err(format!("{resolved} {integrity}"))
            },
        );
    }
    report.add(packages);
    report.conclude();
}

/// The commands of a script or Dockerfile: lines that go on in the next are
/// one, comments are none. Each with the number of its first line.
fn statements(text: &str) -> Vec<(usize, String)> {
    let mut all: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with('#') {
            continue;
        }
        let (part, more) = match line.trim_end().strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line, false),
        };
        match all.last_mut() {
            Some((_, last)) if goes_on => {
                last.push(' ');
                last.push_str(part.trim());
            }
            _ => all.push((number + 1, part.to_owned())),
        }
        goes_on = more;
    }
    all
}

/// Whether a version names one release, such as `v3.7.15` or `1.95.0-slim`.
fn is_exact(version: &str) -> bool {
    let number = version.trim_start_matches('v');
    let number = number.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<&str> = number.split('.').collect();
    let is_number =
        |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.len() >= 3 && parts.iter().all(is_number)
}

/// Whether an image is one for ever: by digest, or by an exact version.
fn is_fixed_image(image: &str) -> bool {
    let tag = |image: &str| image.rsplit_once(':').is_some_and(|(_, tag)| is_exact(tag));
    image
        .split_once("@sha256:")
        .map_or_else(|| tag(image), |(_, digest)| digest.len() == 64)
}

/// What is wrong with a command of a script, Dockerfile or workflow, if it
/// fetches something. `then` are the few commands behind it, where a hash may
/// be compared; `file` is all of them, for the names of build stages. Debian
/// packages are excepted: the distribution signs them, and old versions are not
/// kept.
fn fetches(line: &str, then: &str, file: &str) -> Option<&'static str> {
    let bare = |word: &str| {
        word.trim_matches(['(', ')', '"', '\'', ';', '`'])
            .to_owned()
    };
    let words: Vec<String> = line.split_whitespace().map(bare).collect();
    let at = |one: &str, two: &str| {
        words
            .windows(2)
            .position(|pair| pair[0].rsplit('/').next() == Some(one) && pair[1] == two)
    };
    let follows = |one: &str, two: &str| at(one, two).is_some();
    let has = |word: &str| line.contains(word);
    if let Some(image) = line.trim().strip_prefix("FROM ") {
        let image = image
            .split_whitespace()
            .find(|word| !word.starts_with("--"))
            .unwrap_or_default();
        let stage = file.contains(&format!(" AS {image}"));
        let fixed = image == "scratch" || stage || is_fixed_image(image);
        return (!fixed).then_some("an image without an exact version");
    }
    if ["install", "i", "update", "add"]
        .iter()
        .any(|verb| follows("npm", verb))
        || follows("yarn", "add")
        || follows("pnpm", "add")
    {
        return Some("npm without its lock: `npm ci`");
    }
    if words.iter().any(|word| word == "npx") && !has("--no-install") {
        return Some("npx fetches what is not there");
    }
    if let Some(place) = at("pip", "install").or_else(|| at("pip", "download")) {
        // Every package it names, and not just one of them.
        let takes_value = ["--dest", "-d", "--platform", "-r", "--index-url"];
        let mut rest = words[place + 2..].iter();
        let mut named = 0;
        while let Some(word) = rest.next() {
            if ["&&", "||", "|", "}"].contains(&word.as_str()) {
                break;
            }
            if takes_value.contains(&word.as_str()) {
                rest.next();
            } else if !word.starts_with('-') && !word.is_empty() {
                named += 1;
                if !word.contains("==") {
                    return Some("pip without `==`");
                }
            }
        }
        return (named == 0).then_some("pip without `==`");
    }
    if follows("cargo", "install") {
        let version = words
            .iter()
            .position(|word| word == "--version")
            .and_then(|place| words.get(place + 1));
        let fixed = has("--locked") && version.is_some_and(|version| is_exact(version));
        return (!fixed).then_some("cargo install without --locked and an exact --version");
    }
    if follows("go", "install") || follows("gem", "install") || follows("git", "clone") {
        return Some("a version that moves");
    }
    let loads = words.iter().any(|word| word == "curl" || word == "wget")
        && (has("https://") || has("http://"));
    let here = ["//127.0.0.1", "//localhost", "//[::1]"]
        .iter()
        .any(|host| has(host));
    let checked = |text: &str| text.contains("sha256sum") && text.contains("-c");
    if loads && !here && !checked(line) && !checked(then) {
        return Some("a download without its SHA-256 beside it");
    }
    if let Some((_, action)) = line.split_once("uses: ") {
        let fixed = action.rsplit_once('@').is_some_and(|(_, version)| {
            version
                .split_whitespace()
                .next()
                .is_some_and(|version| version.len() == 40)
        });
        return (!fixed && !action.starts_with("./"))
            .then_some("an action that is not fixed by its commit");
    }
    if let Some(place) = at("docker", "pull") {
        let image = words[place + 2..]
            .iter()
            .find(|word| !word.starts_with('-'));
        // A variable is looked at where it is set.
        let fixed = image.is_some_and(|image| image.starts_with('$') || is_fixed_image(image));
        return (!fixed).then_some("an image that moves");
    }
    None
}

/// The commands behind the one at `place`, up to the next that loads.
fn behind(all: &[(usize, String)], place: usize) -> String {
    let next = all[place + 1..].iter().take(3);
    let next: Vec<&str> = next
        .map(|(_, text)| text.as_str())
        .take_while(|text| !text.contains("curl ") && !text.contains("wget "))
        .collect();
    next.join("\n")
}

#[test]
fn what_moves_is_recognised() {
    for bad in [
        "FROM debian",
        "FROM node:22-bookworm-slim",
        "FROM rust:1.95-slim AS binary",
        "FROM node:latest AS pages",
        "RUN npm install",
        "    (cd web && npm i left-pad)",
        "npx playwright install",
        "python3 -m pip install requests",
        "python3 -m pip install a==1.2 requests",
        "RUN cargo install cargo-deny",
        "cargo install --locked --version 0.20 cargo-deny",
        "curl -sSL https://example.org/install.sh | sh",
        "curl -sSL \\\n    -o file \\\n    https://example.org/file",
        "# sha256sum -c sums\ncurl -o file https://example.org/file",
        "sha256sum -c sums\ncurl -o file https://example.org/file",
        "curl -o a https://example.org/a\ncurl -o b https://example.org/b\nsha256sum -c sums",
        "    uses: actions/checkout@v4",
        "docker pull traefik:latest",
        "docker pull traefik:v3",
        "git clone https://example.org/x",
    ] {
        let all = statements(bad);
        let found =
            (0..all.len()).any(|place| fetches(&all[place].1, &behind(&all, place), bad).is_some());
        assert!(found, "{bad}");
    }
    for good in [
        "FROM scratch",
        "FROM rust:1.95.0-slim-bookworm AS binary",
        "FROM debian@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "RUN npm ci --no-audit",
        "apt-get install -y ffmpeg",
        "python3 -m pip download --dest there \"x==1.2\"",
        "cargo install --locked --version 0.20.2 cargo-deny",
        "curl -s http://127.0.0.1:8080/",
        "curl -o file \\\n    https://example.org/file\necho \"$sum  file\" | sha256sum -c",
        "docker pull traefik:v3.7.15",
        "docker pull \"$1\"",
    ] {
        let all = statements(good);
        for place in 0..all.len() {
            assert_eq!(
                fetches(&all[place].1, &behind(&all, place), good),
                None,
                "{good}"
            );
        }
    }
}

#[test]
fn no_build_or_test_step_fetches_what_may_change() {
    let mut report = Report::new("supply-chain-steps");
    let mut count = Count::of("supply chain: scripts, Dockerfiles, workflows")
        .note("nothing is fetched but by tag, lock or hash; Debian packages excepted");
    let listed = Command::new("git")
        .args(["ls-files"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let files = String::from_utf8(listed.stdout).unwrap();
    let mut seen = 0;
    for path in files.lines() {
        let name = path.rsplit('/').next().unwrap();
        let script = path.starts_with("scripts/")
            || path.starts_with(".github/")
            || name == "Makefile"
            || name.starts_with("Dockerfile")
            || name == "package.json"
            || name.ends_with(".sh");
        if !script {
            continue;
        }
        let text = read(path);
        seen += 1;
        let all = statements(&text);
        for (place, (number, line)) in all.iter().enumerate() {
            if let Some(why) = fetches(line, &behind(&all, place), &text) {
                count.case(&format!("{path}:{number}"), Err(format!("{why}: {line}")));
            }
        }
        count.passed(1);
    }
    assert!(seen >= 15, "{seen} files");
    // References that are pulled: a version each, none that moves.
    for line in read("scripts/references.sh")
        .lines()
        .filter(|line| line.contains('=') && line.contains(':'))
    {
        let fixed = line
            .split_once('=')
            .is_some_and(|(_, image)| is_fixed_image(image));
        count.case(
            line,
            if fixed || line.trim_start().starts_with('#') {
                Ok(())
            } else {
                Err("it moves".into())
            },
        );
    }
    report.add(count);
    report.conclude();
}
