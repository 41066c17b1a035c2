//! As somebody does who never saw it: a machine with Docker, and the README.
//! Its own commands in its own order, and between them what people do on the
//! two pages and with an encoder.
//!
//! The address is that of the README and leads nowhere from here, so everybody
//! is told where it is, and no authority gives a certificate for it.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod book;
mod rig;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rig::{Fresh, docker, docker_try, text, wait};
use serde_json::{Value, json};

const LIVE: &str = "review.example.com";
const ADDRESS: &str = "203.0.113.7";
const CONTROLLER: &str = "colourstream-controller";

/// From the one command to a picture, where the images are present.
const FIRST_ROOM: Duration = Duration::from_secs(60);

/// The page as its reader works through it.
struct Reader {
    page: book::Page,
    folder: tempfile::TempDir,
}

impl Reader {
    fn of(name: &str, heading: &str) -> Self {
        let pages = book::pages();
        let page = pages.iter().find(|page| page.name == name).unwrap();
        Self {
            page: page.section(heading),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn commands(&self) -> Vec<String> {
        let blocks = self.page.blocks().into_iter();
        let blocks = blocks.filter(|block| block.language == "sh");
        blocks.flat_map(|block| block.commands()).collect()
    }

    /// The one command that begins so.
    #[track_caller]
    fn finds(&self, begins: &str) -> String {
        let mut all = self.commands();
        all.retain(|command| command.starts_with(begins));
        assert_eq!(all.len(), 1, "`{begins}`: {all:?}");
        all.remove(0)
    }

    /// As pasted into a terminal; what it answered.
    #[track_caller]
    fn pastes(&self, command: &str) -> String {
        let output = self.shell(command).output().unwrap();
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(output.status.success(), "`{command}`: {said}");
        said
    }

    fn shell(&self, command: &str) -> Command {
        let mut shell = Command::new("bash");
        shell
            .args(["-euo", "pipefail", "-c", command])
            .env("DOCKER_HOST", format!("unix://{}", rig::socket()))
            .env("DOCKER_BUILDKIT", "0")
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        shell
    }

    /// Looks at what does not end by itself until it says this.
    fn watches(&self, command: &str, says: &str) -> String {
        let file = self.folder.path().join(".said");
        let log = std::fs::File::create(&file).unwrap();
        // In the shell's place, so that it is the one that is ended.
        let mut shell = self.shell(&format!("exec {command}"));
        let shell = shell.stdout(log.try_clone().unwrap()).stderr(log);
        let _ends = Ends(shell.spawn().unwrap());
        wait(says, 60, || {
            let said = std::fs::read_to_string(&file).unwrap();
            let (before, rest) = said.split_once(says)?;
            let (line, _) = rest.split_once('\n')?;
            Some(format!("{before}{says}{line}"))
        })
    }
}

struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// Somebody's browser, anywhere.
struct Browser {
    jar: tempfile::NamedTempFile,
}

impl Browser {
    fn new() -> Self {
        Self {
            jar: tempfile::NamedTempFile::new().unwrap(),
        }
    }

    fn curl(&self, host: &str, path: &str) -> Command {
        let jar = self.jar.path();
        let mut command = Command::new("curl");
        command
            .args(["-sk", "--noproxy", "*", "-m", "15", "-b"])
            .arg(jar)
            .arg("-c")
            .arg(jar)
            .args(["--resolve", &format!("{host}:443:127.0.0.1")])
            .args(["-H", &format!("Origin: https://{host}")])
            .arg(format!("https://{host}{path}"));
        command
    }

    /// What a page asks of its host; a body makes it a `POST`.
    fn asks(&self, host: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let mut command = self.curl(host, path);
        command.args(["-w", "\n%{http_code}"]);
        if let Some(body) = body {
            command.args(["-H", "Content-Type: application/json", "-d"]);
            command.arg(body.to_string());
        }
        let out = text(&command.output().unwrap().stdout);
        let (answer, code) = out.rsplit_once('\n').unwrap_or_default();
        let answer = serde_json::from_str(answer).unwrap_or_else(|_| json!(answer));
        (code.parse().unwrap(), answer)
    }

    /// Bytes, where the answer is good.
    fn fetches(&self, host: &str, path: &str) -> Option<Vec<u8>> {
        let output = self.curl(host, path).arg("-f").output().unwrap();
        output.status.success().then_some(output.stdout)
    }
}

/// The person at the portal.
struct Operator(Browser);

impl Operator {
    fn portal(&self, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.0.asks(&format!("admin.{LIVE}"), path, body)
    }

    /// `N`, a title, Enter; then what the room's page shows.
    fn makes_a_room(&self, title: &str) -> Room {
        let asked = json!({"title": title, "link": {"name": "", "role": "viewer"}});
        let (code, made) = self.portal("/api/v1/rooms", Some(&asked));
        assert_eq!(code, 201, "{made}");
        let id = made["room"]["id"].as_str().unwrap().to_owned();
        Room {
            slug: made["room"]["slug"].as_str().unwrap().to_owned(),
            link: made["link"]["url"].as_str().unwrap().to_owned(),
            ingest: self.ingest(&id),
            id,
        }
    }

    fn ingest(&self, id: &str) -> Value {
        let (code, ingest) = self.portal(&format!("/api/v1/rooms/{id}/ingest"), None);
        assert_eq!(code, 200, "{ingest}");
        ingest["rtmp"].clone()
    }

    fn state(&self, room: &Room) -> String {
        let (_, now) = self.portal(&format!("/api/v1/rooms/{}", room.id), None);
        now["state"].as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    fn sees(&self, room: &Room, state: &str) {
        wait(&format!("the room to be {state}"), 30, || {
            (self.state(room) == state).then_some(())
        });
    }
}

struct Room {
    id: String,
    slug: String,
    link: String,
    ingest: Value,
}

/// A running encoder.
struct Encoder {
    ffmpeg: Ends,
    progress: PathBuf,
    dir: tempfile::TempDir,
}

impl Encoder {
    /// Set up with what the room's page shows.
    fn sends_to(ingest: &Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let progress = dir.path().join("progress");
        let here = |name: &str| {
            let url = ingest[name].as_str().unwrap();
            assert!(url.contains(&format!("//{ADDRESS}:1935/")), "{url}");
            url.replace(ADDRESS, "127.0.0.1")
        };
        let url = format!("{}/{}", here("server"), ingest["key"].as_str().unwrap());
        assert_eq!(url, here("url"));
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let words = "-hide_banner -loglevel warning -nostats -stats_period 0.2 -re -f lavfi \
                     -i testsrc=size=320x180:rate=30 -c:v libx264 -preset ultrafast \
                     -tune zerolatency -bf 0 -g 30 -f flv -progress";
        let ffmpeg = Command::new("ffmpeg")
            .args(words.split_whitespace())
            .arg(&progress)
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self {
            ffmpeg: Ends(ffmpeg),
            progress,
            dir,
        }
    }

    fn runs(&mut self) -> bool {
        self.ffmpeg.0.try_wait().unwrap().is_none()
    }

    fn frames(&self) -> u64 {
        let said = std::fs::read_to_string(&self.progress).unwrap_or_default();
        let mut lines = said.lines().rev();
        let last = lines.find_map(|line| line.strip_prefix("frame="));
        last.and_then(|count| count.trim().parse().ok())
            .unwrap_or(0)
    }

    /// It was never cut, and what it sends is still taken.
    #[track_caller]
    fn goes_on(&mut self) {
        let before = self.frames();
        wait("more frames to be taken", 10, || {
            let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap();
            assert!(self.runs(), "the encoder was cut: {log}");
            (self.frames() > before + 30).then_some(())
        });
    }
}

/// Whoever got the link.
struct Viewer {
    browser: Browser,
    slug: String,
}

impl Viewer {
    /// Opens the link in a new browser.
    fn opens(room: &Room) -> Self {
        let viewer = Self {
            browser: Browser::new(),
            slug: room.slug.clone(),
        };
        let (code, visit) = wait("the link to open", 30, || {
            let answer = viewer.tries(&room.link);
            (answer.0 < 500).then_some(answer)
        });
        assert_eq!(code, 200, "{visit}");
        assert_eq!(visit["slug"], viewer.slug.as_str());
        viewer
    }

    /// What the page behind a link does: the token never travels in an address.
    fn tries(&self, link: &str) -> (u16, Value) {
        let at = format!("https://{LIVE}");
        let (page, token) = link.strip_prefix(&at).unwrap().split_once('#').unwrap();
        let (code, page) = self.browser.asks(LIVE, page, None);
        if code != 200 {
            return (code, page);
        }
        let order = json!({"token": token});
        self.browser
            .asks(LIVE, "/api/v1/session/link", Some(&order))
    }

    fn visit(&self) -> Option<Value> {
        let path = format!("/api/v1/session/{}", self.slug);
        let (code, visit) = self.browser.asks(LIVE, &path, None);
        (code == 200).then_some(visit)
    }

    /// The picture itself, by the place this browser has: the playlists, then
    /// the newest piece of film, which is decoded.
    fn sees_a_picture(&self) -> Option<()> {
        let visit = self.visit().filter(|visit| visit["state"] == "live")?;
        let at = format!("https://{LIVE}");
        let path = visit["playback"]["llhls"].as_str()?.strip_prefix(&at)?;
        let list = text(&self.browser.fetches(LIVE, path)?);
        let next = |path: &str, line: &str| match line.strip_prefix(&at) {
            Some(whole) => whole.to_owned(),
            None if line.starts_with('/') => line.to_owned(),
            None => format!("{}/{line}", path.rsplit_once('/').unwrap().0),
        };
        let is_address = |line: &&str| !line.is_empty() && !line.starts_with('#');
        let media = next(path, list.lines().find(is_address)?);
        let list = text(&self.browser.fetches(LIVE, &media)?);
        let begin = list.split_once("#EXT-X-MAP:URI=\"")?.1.split('"').next()?;
        let newest = list.lines().rfind(is_address)?;
        let mut film = self.browser.fetches(LIVE, &next(&media, begin))?;
        film.extend(self.browser.fetches(LIVE, &next(&media, newest))?);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), film).unwrap();
        let decoded = Command::new("ffmpeg")
            .args(["-hide_banner", "-loglevel", "error", "-i"])
            .arg(file.path())
            .args(["-frames:v", "1", "-f", "framemd5", "-"])
            .output()
            .unwrap();
        text(&decoded.stdout)
            .lines()
            .any(|line| line.starts_with("0,"))
            .then_some(())
    }
}

/// Id and start of each service.
fn runs() -> [String; 3] {
    ["traefik", "ovenmediaengine", "mirotalk"].map(|role| {
        let format = "{{.Id}} {{.State.StartedAt}}";
        let name = format!("colourstream-{role}");
        docker(&["inspect", "--format", format, &name])
    })
}

/// The controller has looked, and is done.
fn nothing_to_do() {
    let ask = [
        "exec",
        CONTROLLER,
        "/colourstream",
        "plan",
        "--detailed-exitcode",
    ];
    wait("an empty plan", 60, || {
        docker_try(&ask).status.success().then_some(())
    });
}

/// All that is on the engine, by name.
fn inventory() -> BTreeMap<&'static str, BTreeSet<String>> {
    let tags = "{{.Repository}}:{{.Tag}} {{.ID}}";
    [
        ("containers", vec!["ps", "-a", "--format", "{{.Names}}"]),
        ("networks", vec!["network", "ls", "--format", "{{.Name}}"]),
        ("volumes", vec!["volume", "ls", "--format", "{{.Name}}"]),
        ("images", vec!["images", "--no-trunc", "--format", tags]),
    ]
    .map(|(kind, arguments)| {
        let names = docker(&arguments);
        (kind, names.lines().map(str::to_owned).collect())
    })
    .into()
}

#[test]
fn a_first_installation_by_the_readme_alone() {
    let begun = Instant::now();
    let told = |what: &str| println!("{:>6.1} s  {what}", begun.elapsed().as_secs_f64());
    let _fresh = Fresh::new();
    // In the place of `docker build`, whose base images come from a registry.
    rig::inside::make("colourstream:latest");
    let found = inventory();
    let readme = Reader::of("README.md", "On a host of your own");
    assert_eq!(
        readme.finds("docker build"),
        "docker build -t colourstream ."
    );

    // The one command.
    let ports = readme.pastes(&readme.finds("docker run --rm -e"));
    assert!(ports.contains("443/tcp"), "{ports}");
    let run = readme.finds("docker run -d");
    told("the image");
    let since = Instant::now();
    readme.pastes(&run);
    let log = readme.watches(&readme.finds("docker logs -f"), "/setup#");
    let (before, token) = log.rsplit_once('#').unwrap();
    let token = token.split_whitespace().next().unwrap();
    assert!(
        before.ends_with(&format!("https://admin.{LIVE}/setup")),
        "{log}"
    );
    let address = format!("address   {ADDRESS}");
    for word in ["engine    Docker ", &address] {
        assert!(log.contains(word), "`{word}` before the link: {log}");
    }
    // Where this machine's DNS says nothing there is one line, else one each.
    let each = [
        LIVE.to_owned(),
        format!("admin.{LIVE}"),
        format!("video.{LIVE}"),
    ];
    assert!(
        log.contains("  names     ")
            || each
                .iter()
                .all(|name| log.contains(&format!("✗ {name} leads"))),
        "{log}"
    );
    told("the set-up link");

    // The link is opened, and somebody names themselves.
    let operator = Operator(Browser::new());
    wait("the page behind it", 60, || {
        let (code, page) = operator.portal("/setup", None);
        (code == 200 && page.to_string().contains("<html")).then_some(())
    });
    let me = json!({"token": token, "name": "Maya", "password": "four grey cards"});
    let (code, said) = operator.portal("/api/v1/setup", Some(&me));
    assert_eq!(code, 204, "{said}");
    let (code, said) = operator.portal("/api/v1/setup", Some(&me));
    assert_eq!(code, 403, "the link works once: {said}");
    assert_eq!(operator.portal("/api/v1/me", None).1["name"], "Maya");

    // The first room.
    let room = operator.makes_a_room("Northlight — reel 3");
    told("the first room");
    let viewer = Viewer::opens(&room);
    assert_eq!(viewer.visit().unwrap()["state"], "waiting");
    wait("the encoder's door", 60, || {
        let (_, status) = operator.portal("/api/v1/status", None);
        let mut services = status["services"].as_array()?.iter();
        let media = services.find(|one| one["role"] == "ovenmediaengine")?;
        (media["health"] == "healthy").then_some(())
    });
    told("the encoder's door");
    let mut encoder = Encoder::sends_to(&room.ingest);
    operator.sees(&room, "live");
    wait("the picture", 30, || viewer.sees_a_picture());
    let took = since.elapsed();
    told(&format!(
        "live: {:.1} s from the one command to a picture",
        took.as_secs_f64()
    ));
    assert!(took < FIRST_ROOM, "{took:?}");
    let doctor = readme.finds("docker exec colourstream-controller /colourstream doctor");
    let doctor = text(&readme.shell(&doctor).output().unwrap().stdout);
    // The names lead nowhere from here, and each finding has its fix.
    assert!(
        doctor.contains(&format!("`{LIVE} A {ADDRESS}`")),
        "{doctor}"
    );
    let status =
        readme.pastes(&readme.finds(&format!("docker exec {CONTROLLER} /colourstream st")));
    assert!(status.contains("1 stream"), "{status}");

    // A backup; and something that is not in it.
    readme.pastes(&readme.finds("(umask 077;"));
    let backup = readme.folder.path().join("today.backup");
    let mode = std::fs::metadata(&backup).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else may read it");
    let later = operator.makes_a_room("Halcyon");
    let other = Viewer::opens(&later);
    told("a backup, and a room that is not in it");

    // A newer version, while the stream is live.
    let before = runs();
    let image = || docker(&["inspect", "--format", "{{.Image}}", CONTROLLER]);
    let old = image();
    let words = readme.page.prose();
    let words = words
        .split("\n\n")
        .find(|all| all.contains("A newer version:"));
    let words = book::Page {
        name: String::from("README.md"),
        text: words.unwrap().to_owned(),
    };
    let steps = words.inline_code();
    assert!(words.text.contains("the same `docker run` again"));
    assert_eq!(steps.len(), 3, "{steps:?}");
    readme.pastes(&steps[0]);
    let newer = readme.folder.path().join("newer");
    std::fs::create_dir(&newer).unwrap();
    let lines = "FROM colourstream:before\nLABEL org.colourstream.newer=yes\n";
    std::fs::write(newer.join("Dockerfile"), lines).unwrap();
    readme.pastes("cd newer && docker build -t colourstream .");
    let since = Instant::now();
    readme.pastes(&steps[1]);
    assert!(run.starts_with(&steps[2]));
    readme.pastes(&run);
    wait("the viewer's place", 60, || viewer.visit());
    let took = since.elapsed().as_secs_f64();
    told(&format!(
        "upgraded: the viewer was answered after {took:.1} s"
    ));
    let new = image();
    assert_ne!(new, old, "it is the newer one that runs");
    operator.sees(&room, "live");
    wait("the picture", 30, || viewer.sees_a_picture());
    encoder.goes_on();
    nothing_to_do();
    assert_eq!(runs(), before, "no service was touched");
    assert_eq!(operator.state(&later), "waiting");
    let log = docker_try(&["logs", CONTROLLER]);
    let log = text(&log.stdout) + &text(&log.stderr);
    assert!(!log.contains("/setup#"), "somebody is there: {log}");

    // Back to the backup.
    for command in ["docker stop", "docker run --rm -v", "docker start"] {
        readme.pastes(&readme.finds(command));
    }
    wait("the viewer's place", 60, || viewer.visit());
    told("restored");
    encoder.goes_on();
    nothing_to_do();
    assert_eq!(runs(), before, "no service was touched");
    let (code, rooms) = operator.portal("/api/v1/rooms", None);
    assert_eq!(code, 200, "the login of before the backup: {rooms}");
    let titles: Vec<&Value> = rooms["items"].as_array().unwrap().iter().collect();
    assert_eq!(titles.len(), 1, "{rooms}");
    assert_eq!(titles[0]["title"], "Northlight — reel 3");
    // The same link lets in anew, and the same key is taken anew.
    wait("the picture", 30, || viewer.sees_a_picture());
    let again = Viewer::opens(&room);
    wait("the picture", 30, || again.sees_a_picture());
    assert_eq!(operator.ingest(&room.id), room.ingest);
    drop(encoder);
    operator.sees(&room, "waiting");
    let mut encoder = Encoder::sends_to(&room.ingest);
    operator.sees(&room, "live");
    wait("the picture", 30, || again.sees_a_picture());
    encoder.goes_on();
    // The other room is gone, with what opened it.
    assert_eq!(other.visit(), None);
    let (code, said) = other.tries(&later.link);
    assert_eq!((code, &said["type"]), (404, &json!("link-unknown")));
    let mut refused = Encoder::sends_to(&later.ingest);
    wait("its key to be refused", 15, || {
        (!refused.runs()).then_some(())
    });
    told("the same link and the same key work, those made later do not");

    // And away with it, as the page says that the README leads to.
    let deploy = Reader::of("docs/deploy.md", "Leave");
    for command in deploy.commands() {
        deploy.pastes(&command);
    }
    // The images stay, and so does the name of the one before.
    docker(&["tag", "colourstream:before", "colourstream:latest"]);
    docker(&["image", "rm", "colourstream:before", &new]);
    assert_eq!(inventory(), found, "the engine as it was found");
    told("gone");
}
