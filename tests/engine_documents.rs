//! Every command in the documents is run as it stands there.
//!
//! A page is a story: its blocks run from top to bottom in an empty folder, a
//! `yaml` block that begins with the name of a file is that file. What does
//! not end by itself is ended when it has said what it is there to say.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test"
)]

mod book;
mod rig;

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rig::Fresh;

/// How a documented command ends.
#[derive(Clone, Copy)]
enum Ends {
    /// By itself, with 0.
    Well,
    /// By itself, with one of these.
    With(&'static [i32]),
    /// Not by itself: it goes on until the end of the page, but says this
    /// within so many seconds.
    Never { says: &'static str, within: u64 },
    /// As one that never ends, but is ended when it said it; what it made is
    /// taken down with this.
    Shows {
        says: &'static str,
        within: u64,
        then: &'static str,
    },
    /// Another test runs it, or it is what runs this very test.
    Elsewhere,
}

/// What is not simply run to its end; the first that fits counts.
const ENDINGS: &[(&str, Ends)] = &[
    // All of `scripts/test` is made of these.
    ("make test", Ends::Elsewhere),
    ("scripts/lint", Ends::Elsewhere),
    ("cd web && npm test", Ends::Elsewhere),
    // Its base images come from a registry; `make` of the rig makes the same last
    // stage from the binary under test.
    ("docker build -t colourstream .", Ends::Elsewhere),
    // A database that is damaged, and somebody at the terminal:
    // tests/cli_backup.rs does it with each kind of damage.
    (
        "docker exec -it colourstream-controller /colourstream restore",
        Ends::Elsewhere,
    ),
    // It changes the machine's own list of authorities: `engine_examples.rs`
    // copies the file by this command and lets curl trust it.
    (
        "docker cp colourstream-controller:/state/tls",
        Ends::Elsewhere,
    ),
    (
        "make run",
        Ends::Shows {
            says: "/setup#",
            within: 900,
            then: "colourstream down --volumes --yes --config examples/local.yaml",
        },
    ),
    (
        "colourstream serve",
        Ends::Never {
            says: "/setup#",
            within: 180,
        },
    ),
    (
        "docker logs -f",
        Ends::Never {
            says: "/setup#",
            within: 180,
        },
    ),
    (
        "docker compose -f examples/compose.yaml logs -f",
        Ends::Never {
            says: "/setup#",
            within: 180,
        },
    ),
    // It finds things to say about any host.
    ("colourstream doctor", Ends::With(&[0, 1])),
    (
        "docker exec colourstream-controller /colourstream doctor",
        Ends::With(&[0, 1]),
    ),
];

/// Pages whose commands other tests run, on what they need to be run on.
const ELSEWHERE: &[(&str, &str)] = &[
    // How the stand-ins' film is made anew.
    ("tests/sim/README.md", "tests/sim/tests"),
];

fn ends(command: &str) -> Ends {
    ENDINGS
        .iter()
        .find(|(begins, _)| command.starts_with(begins))
        .map_or(Ends::Well, |(_, ends)| *ends)
}

/// Those of the repository run in it, all others in the reader's own folder.
fn in_repository(command: &str) -> bool {
    [
        "make ",
        "colourstream down --volumes --yes --config examples/",
        "cargo ",
        "UPDATE=1 ",
        "scripts/",
        "cd web ",
        "docker compose -f examples/",
        "docker build ",
    ]
    .iter()
    .any(|begins| command.starts_with(begins))
}

/// A page as it is being read.
struct Story {
    page: String,
    /// Goes before the folder that its containers have mounted.
    _fresh: Fresh,
    folder: tempfile::TempDir,
    running: Vec<(String, Child, PathBuf)>,
    ran: usize,
}

impl Story {
    fn new(page: &str) -> Self {
        let fresh = Fresh::new();
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join(".bin");
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(rig::BINARY, bin.join("colourstream")).unwrap();
        // Compose as `scripts/tools` lays it aside, where the machine has none.
        let aside = std::env::var("COLOURSTREAM_TEST_TOOLS")
            .map(|tools| PathBuf::from(tools).join("compose/docker-compose"));
        if let Some(aside) = aside.ok().filter(|aside| aside.is_file()) {
            let plugins = folder.path().join(".docker/cli-plugins");
            std::fs::create_dir_all(&plugins).unwrap();
            std::os::unix::fs::symlink(aside, plugins.join("docker-compose")).unwrap();
        }
        Self {
            page: page.to_owned(),
            _fresh: fresh,
            folder,
            running: Vec::new(),
            ran: 0,
        }
    }

    fn read(&mut self, replace: &[(&str, &str)], once: &mut BTreeSet<String>) {
        let pages = book::pages();
        let page = pages
            .iter()
            .find(|page| page.name == self.page)
            .unwrap_or_else(|| panic!("{} is gone", self.page));
        for block in page.blocks() {
            let mut text = block.text.clone();
            for (from, to) in replace {
                text = text.replace(from, to);
            }
            match block.language.as_str() {
                "yaml" => {
                    if let Some(name) = text.lines().next().and_then(|line| line.strip_prefix("# "))
                        && name.ends_with(".yaml")
                        && !name.contains(' ')
                    {
                        std::fs::write(self.folder.path().join(name), &text).unwrap();
                    }
                }
                "sh" => {
                    let block = book::Block { text, ..block };
                    for command in block.commands() {
                        let place = format!("{}:{}", self.page, block.line);
                        // Those of the repository do the same wherever they stand.
                        if in_repository(&command) && !once.insert(command.clone()) {
                            continue;
                        }
                        self.run(&place, &self.with_key(&command));
                    }
                }
                _ => {}
            }
        }
        assert!(self.ran > 0, "{} has no command", self.page);
    }

    /// The reader's own key, where a command has a place for it.
    fn with_key(&self, command: &str) -> String {
        if !command.contains("YOUR-KEY") {
            return command.to_owned();
        }
        let output = self
            .shell("colourstream room ingest northlight-reel-3 --json")
            .output()
            .unwrap();
        let ingest: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        command.replace("YOUR-KEY", ingest["key"].as_str().unwrap())
    }

    fn shell(&self, command: &str) -> Command {
        let mut shell = Command::new("bash");
        let path = std::env::var("PATH").unwrap();
        let here = if in_repository(command) {
            book::root()
        } else {
            self.folder.path()
        };
        // What cargo says to this test is nothing to the cargo below.
        let cargos = std::env::vars().map(|(name, _)| name).filter(|name| {
            name.starts_with("CARGO_")
                && !["CARGO_HOME", "CARGO_TARGET_DIR"].contains(&name.as_str())
        });
        for name in cargos {
            shell.env_remove(name);
        }
        shell
            .args(["-euo", "pipefail", "-c", command])
            .env(
                "PATH",
                format!("{}:{path}", self.folder.path().join(".bin").display()),
            )
            .env("DOCKER_BUILDKIT", "0")
            .env("DOCKER_CONFIG", self.folder.path().join(".docker"))
            // Wherever a command runs, what it keeps is this story's.
            .env("COLOURSTREAM_STATE", self.folder.path().join("state"))
            .current_dir(here)
            .stdin(Stdio::null())
            // A group of its own, so that it can be ended with its children.
            .process_group(0);
        shell
    }

    fn run(&mut self, place: &str, command: &str) {
        let begun = Instant::now();
        self.ran += 1;
        match ends(command) {
            Ends::Elsewhere => {}
            Ends::Well => self.end(place, command, &[0]),
            Ends::With(codes) => self.end(place, command, codes),
            Ends::Never { says, within } => self.begin(place, command, says, within),
            Ends::Shows { says, within, then } => {
                self.begin(place, command, says, within);
                if let Some((_, mut child, _)) = self.running.pop() {
                    end_group(&mut child);
                }
                self.end(place, then, &[0]);
            }
        }
        println!(
            "{:>6.1} s  {place}  {command}",
            begun.elapsed().as_secs_f64()
        );
    }

    fn end(&self, place: &str, command: &str, codes: &[i32]) {
        let log = self.folder.path().join(".said");
        let said = std::fs::File::create(&log).unwrap();
        let mut child = self
            .shell(command)
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .unwrap();
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > Duration::from_secs(600) {
                end_group(&mut child);
                panic!("{place}: `{command}` did not end within ten minutes");
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        assert!(
            status.code().is_some_and(|code| codes.contains(&code)),
            "{place}: `{command}` ended with {status}:\n{said}\n{}",
            self.said()
        );
    }

    fn begin(&mut self, place: &str, command: &str, says: &str, within: u64) {
        let log = self
            .folder
            .path()
            .join(format!(".said-{}", self.running.len()));
        let said = std::fs::File::create(&log).unwrap();
        let child = self
            .shell(command)
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .unwrap();
        self.running.push((command.to_owned(), child, log.clone()));
        let begun = Instant::now();
        loop {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            if said.contains(says) {
                return;
            }
            let ended = self.running.last_mut().unwrap().1.try_wait().unwrap();
            assert!(ended.is_none(), "{place}: `{command}` ended:\n{said}");
            assert!(
                begun.elapsed() < Duration::from_secs(within),
                "{place}: `{command}` did not say `{says}` within {within} s:\n{said}"
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// What those in the background said.
    fn said(&self) -> String {
        self.running
            .iter()
            .map(|(command, _, log)| {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                format!("--- {command}\n{said}")
            })
            .collect()
    }
}

/// As Ctrl-C in a terminal does, and harder when that is not enough.
fn end_group(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process_group};
    let group = Pid::from_child(child);
    for signal in [Signal::INT, Signal::KILL] {
        let _gone = kill_process_group(group, signal);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(20) {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        while let Some((_, mut child, _)) = self.running.pop() {
            end_group(&mut child);
        }
    }
}

/// A first page tells of a host; a stack of the same names is running then.
fn with_a_controller(story: &mut Story) {
    story.run("before the page", "colourstream serve");
    story.run("before the page", "colourstream apply");
}

/// As README.md starts it, on names that lead nowhere from here.
fn with_a_container(story: &mut Story) {
    story.run(
        "before the page",
        "docker run -d --name colourstream-controller -v /var/run/docker.sock:/var/run/docker.sock \
         -v colourstream:/state -e COLOURSTREAM_DOMAIN=review.example.com \
         -e COLOURSTREAM_PUBLIC_ADDRESS=203.0.113.7 colourstream:latest",
    );
    story.run("before the page", "docker logs -f colourstream-controller");
}

/// The rooms of a file need their passcode beside it.
fn with_a_passcode(story: &mut Story) {
    with_a_controller(story);
    story.run("before the page", "echo 'reel three' > northlight.passcode");
}

#[test]
fn the_pages_do_what_they_say() {
    let mut once = BTreeSet::new();
    // Under the name the documents give it.
    rig::inside::make("colourstream:latest");
    let mut told: BTreeSet<String> = BTreeSet::new();
    let mut tell = |page: &str, before: fn(&mut Story), replace: &[(&str, &str)]| {
        let mut story = Story::new(page);
        before(&mut story);
        story.read(replace, &mut once);
        told.insert(page.to_owned());
    };
    let nothing = |_: &mut Story| {};
    tell("README.md", nothing, &[]);
    tell("CONTRIBUTING.md", nothing, &[]);
    tell("docs/deploy.md", nothing, &[]);
    tell("docs/backup.md", with_a_container, &[]);
    // Its days pass.
    tell(
        "docs/rooms-file.md",
        with_a_passcode,
        &[("2026-11-2", "2046-11-2")],
    );
    // The name leads nowhere from here.
    let here = [("rtmp://review.example.com:", "rtmp://127.0.0.1:")];
    tell("docs/colourists.md", with_a_controller, &here);
    // Nobody's page is left out.
    for page in book::pages() {
        let commands = page.blocks().iter().any(|block| block.language == "sh");
        let elsewhere = ELSEWHERE.iter().any(|(name, _)| *name == page.name);
        assert!(
            !commands || elsewhere || told.contains(&page.name),
            "{} has commands that nothing runs",
            page.name
        );
    }
}
