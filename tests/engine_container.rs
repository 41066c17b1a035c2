//! The image that ships, run as the documents say: with the socket and a
//! state, in a volume or in a folder of the host.
#![expect(clippy::unwrap_used, reason = "a test")]

mod rig;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use rig::inside::image;
use rig::{docker, docker_try, http, inventory, kept_private, place, text, wait};
use rusqlite::Connection;
use serde_json::Value;

/// A controller in a container, its state where the test wants it.
struct Inside(rig::inside::Inside);

impl std::ops::Deref for Inside {
    type Target = rig::inside::Inside;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Inside {
    fn new(name: &str, base: u16) -> Self {
        image();
        Self(rig::inside::Inside::new(name, base))
    }

    /// The socket and the state as in docs/deploy.md, whose own line is run by
    /// tests/engine_documents.rs; settings of the test's own, and the rights of
    /// examples/compose.yaml. `state` is what `-v` takes, if anything.
    fn run(&self, state: Option<&str>) {
        self.start(state.map(|state| format!("{state}:/state")), None);
    }

    /// With a mount of any kind, and perhaps as a user of the socket's group.
    fn run_as(&self, mount: &str, user: Option<&str>) {
        self.start(Some(mount.to_owned()), user);
    }

    fn start(&self, mount: Option<String>, user: Option<&str>) {
        let (name, socket) = (self.controller(), rig::socket());
        let settings = self.file();
        let mut arguments = vec![
            "run".to_owned(),
            "-d".to_owned(),
            "--name".to_owned(),
            name,
            "-v".to_owned(),
            format!("{socket}:/var/run/docker.sock"),
            "-v".to_owned(),
            format!("{}:/etc/colourstream.yaml:ro", settings.display()),
            "-e".to_owned(),
            "COLOURSTREAM_CONFIG=/etc/colourstream.yaml".to_owned(),
            // As examples/compose.yaml does.
            "--read-only".to_owned(),
            "--tmpfs=/tmp".to_owned(),
            "--cap-drop=ALL".to_owned(),
            "--cap-add=CHOWN".to_owned(),
            "--cap-add=DAC_OVERRIDE".to_owned(),
            "--cap-add=FOWNER".to_owned(),
            "--security-opt=no-new-privileges:true".to_owned(),
        ];
        if let Some(user) = user {
            let group = std::fs::metadata(rig::socket()).unwrap().gid();
            arguments.extend([format!("--user={user}"), format!("--group-add={group}")]);
        }
        match mount {
            Some(mount) => arguments.extend(["-v".to_owned(), mount]),
            // Nothing is kept, but it can be written.
            None => arguments.retain(|argument| argument != "--read-only"),
        }
        arguments.push(image().to_owned());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        docker(&arguments);
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let out = rig::good(self.exec(&[arguments, &["--json"]].concat()));
        serde_json::from_str(&out).unwrap()
    }

    /// The issue of this name, once it is told.
    #[track_caller]
    fn issue(&self, code: &str) -> Value {
        wait(code, 60, || {
            let status = self.status()?;
            let mut issues = status["issues"].as_array()?.iter();
            issues.find(|issue| issue["code"] == code).cloned()
        })
    }

    /// All that it has logged.
    fn log(&self) -> String {
        let log = docker_try(&["logs", &self.controller()]);
        text(&log.stdout) + &text(&log.stderr)
    }

    /// The live page as visitors get it, through Traefik, once it is this one.
    #[track_caller]
    fn page(&self, wanted: u16, words: &str) {
        let live = format!("{}.localhost", self.name);
        wait(&format!("the page {wanted} through Traefik"), 60, || {
            let (code, page) = self.through_traefik(&live);
            (code == wanted && page.contains(words)).then_some(())
        });
    }

    /// What they get while it is looked after. A container that was made anew
    /// has to find its way back into the network for that.
    #[track_caller]
    fn is_looked_after(&self) {
        self.page(503, "being looked after");
    }

    /// Ids and starts of the three services.
    fn runs(&self) -> Vec<String> {
        ["traefik", "ovenmediaengine", "mirotalk"]
            .map(|role| {
                docker(&[
                    "inspect",
                    "--format",
                    "{{.Id}} {{.State.StartedAt}} {{.RestartCount}}",
                    &self.of(role),
                ])
            })
            .to_vec()
    }

    /// The stand-in's control port, for a client's doings.
    fn ome(&self, order: &str, body: &str) -> Value {
        let format = format!(
            "{{{{(index .NetworkSettings.Networks \"{}\").IPAddress}}}}",
            self.name
        );
        let address = docker(&["inspect", "--format", &format, &self.of("ovenmediaengine")]);
        let method = if body.is_empty() { "GET" } else { "POST" };
        let (status, body) = http(
            &format!("{address}:9998"),
            method,
            &format!("/{order}"),
            "ome",
            body,
        )
        .unwrap();
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// What becomes of an encoder that comes with this key.
    fn publish(&self, key: &str) -> String {
        let body = format!(
            "{{\"url\":\"rtmp://{}.localhost:{}/live/{key}\",\"protocol\":\"rtmp\"}}",
            self.name,
            self.base + 2
        );
        let result = &self.ome("publish", &body)["result"];
        result.as_str().unwrap().to_owned()
    }

    /// A link into the room `northlight`: the address that is sent around.
    fn invite(&self) -> String {
        let link = self.json(&["link", "create", "northlight", "--name", "Maya"]);
        link["url"].as_str().unwrap().to_owned()
    }

    /// Everything that may be reached on the host is a published, planned port.
    fn nothing_but_the_plan_listens(&self) {
        let controller = docker(&[
            "inspect",
            "--format",
            "{{json .NetworkSettings.Ports}}",
            &self.controller(),
        ]);
        assert!(
            ["{}", "null"].contains(&controller.as_str()),
            "{controller}"
        );
        let planned: BTreeSet<u16> = (0..=8).map(|offset| self.base + offset).collect();
        let block = self.base..self.base + 40;
        for table in [
            "/proc/net/tcp",
            "/proc/net/tcp6",
            "/proc/net/udp",
            "/proc/net/udp6",
        ] {
            let Ok(lines) = std::fs::read_to_string(table) else {
                continue;
            };
            for line in lines.lines().skip(1) {
                let local = line.split_whitespace().nth(1).unwrap();
                let port = u16::from_str_radix(local.rsplit(':').next().unwrap(), 16).unwrap();
                if block.contains(&port) {
                    assert!(planned.contains(&port), "{table}: {port} is not planned");
                    // 127.0.0.1, as `ports.bind` says.
                    assert!(local.starts_with("0100007F:"), "{table}: {local}");
                }
            }
        }
    }
}

#[test]
fn from_a_volume_upgraded_while_a_stream_is_live_and_back() {
    let inside = Inside::new("cst3-vol", 30_000);
    let found = inventory();
    let volume = format!("{}-state", inside.name);
    inside.run(Some(&volume));
    let status = inside.ready();
    assert_eq!(status["services"].as_array().unwrap().len(), 3);

    // It found where its state is on the engine's host.
    let state = place(&volume);
    let source = state.display().to_string();
    let mounts = docker(&[
        "inspect",
        "--format",
        "{{range .Mounts}}{{.Source}} {{end}}",
        &inside.of("traefik"),
    ]);
    assert!(mounts.contains(&source), "{mounts}");
    // It joined the network under the name that the services call.
    let aliases = docker(&[
        "inspect",
        "--format",
        &format!(
            "{{{{json (index .NetworkSettings.Networks \"{}\").Aliases}}}}",
            inside.name
        ),
        &inside.controller(),
    ]);
    assert!(aliases.contains("\"controller\""), "{aliases}");
    inside.nothing_but_the_plan_listens();
    let healthy = wait("the image's own health check", 60, || {
        let format = "{{.State.Health.Status}}";
        let said = docker(&["inspect", "--format", format, &inside.controller()]);
        (said == "healthy").then_some(said)
    });
    assert_eq!(healthy, "healthy");

    // The pages through Traefik.
    inside.page(200, "");

    // A room, made inside; its stream is admitted: the hook was reached.
    rig::good(inside.exec(&["room", "create", "Northlight"]));
    let key = inside.json(&["room", "ingest", "northlight"])["key"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(inside.publish("wrong"), "denied");
    assert_eq!(inside.publish(&key), "accepted");
    wait("the stream in the status", 30, || {
        (inside.status()?["live"]["streams"] == 1).then_some(())
    });

    // Somebody watches: over LLHLS, asked about at every request, and over
    // WebRTC, asked about once.
    let viewer = Viewer::come(&inside, &inside.invite());
    wait("the first playlist", 20, || {
        (viewer.ask(&viewer.playlist, "").0 == 200).then_some(())
    });
    let mut signalling = viewer.signal();
    assert!(signalling.ask().contains("offer"));
    let watching = || inside.ome("sessions", "")["viewers"].clone();
    let watched = watching();
    assert!(!watched.as_array().unwrap().is_empty());

    // What has just begun may be silent for a while; after that, silence is
    // an illness. That nobody can be heard from outside the network is none.
    let media = format!("{}-ovenmediaengine", inside.name);
    wait("OvenMediaEngine to be past its start", 40, || {
        let started = docker(&["inspect", "--format", "{{.State.StartedAt}}", &media]);
        let started: jiff::Timestamp = started.trim().parse().unwrap();
        (jiff::Timestamp::now().duration_since(started).as_secs() > 22).then_some(())
    });

    // The controller is killed and a newer one made: nobody notices.
    let publishers = || {
        let sessions = inside.ome("sessions", "");
        let of = |one: &Value| (one["stream"].clone(), one["client"].clone());
        sessions["publishers"]
            .as_array()
            .unwrap()
            .iter()
            .map(of)
            .collect::<Vec<_>>()
    };
    let (runs, sessions) = (inside.runs(), publishers());
    assert_eq!(sessions.len(), 1);
    docker(&["rm", "-f", &inside.controller()]);
    // Meanwhile: who is in stays in, and nobody is let in unasked.
    assert_eq!(watching(), watched, "the WebRTC session goes on");
    let (code, _) = viewer.ask(&viewer.playlist, "");
    assert_ne!(code, 200, "nobody can say that he may");
    // As one of the first schema left it. Kept open for a moment: its log stays.
    let database = state.join("colourstream.db");
    let db = Connection::open(&database).unwrap();
    db.execute_batch("DROP TABLE backups; PRAGMA user_version = 1; UPDATE meta SET value = '0.0.9' WHERE key IN ('schema_by', 'controller'); PRAGMA wal_checkpoint(TRUNCATE);").unwrap();
    inside.run(Some(&volume));
    let status = inside.ready();
    drop(db);
    let folder = state.join("backups/before-upgrade");
    let kept: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    let kept = kept[0].as_ref().unwrap().file_name();
    let kept = kept.to_str().unwrap();
    let kept_inside = format!("/state/backups/before-upgrade/{kept}");
    assert_eq!(status["backup"]["last"]["path"], kept_inside, "{status}");
    rig::good(inside.exec(&["plan", "--detailed-exitcode"]));
    wait("the playlist", 30, || viewer.finds_its_picture());
    assert_eq!(watching(), watched, "the same session of the same viewer");
    assert!(signalling.is_open(), "its signalling was never cut");
    assert_eq!(inside.runs(), runs, "no container was touched");
    assert_eq!(
        publishers(),
        sessions,
        "the same session of the same client"
    );
    assert_eq!(
        inside.json(&["room", "show", "northlight"])["title"],
        "Northlight"
    );
    // And it is its hooks that answer now.
    assert_eq!(inside.publish("wrong"), "denied");
    wait("the stream in the new one's status", 30, || {
        (inside.status()?["live"]["streams"] == 1).then_some(())
    });

    let private = kept_private(&state, 0, &[&key]);
    for wanted in [
        "tls/authority.key",
        "tls/certificate.key",
        "rendered/traefik/certs/",
        &format!("backups/before-upgrade/{kept}"),
    ] {
        let is_there = private.iter().any(|path| path.starts_with(wanted));
        assert!(is_there, "no secret in {wanted}: {private:?}");
    }

    // A newer one has worked on it, and the one from before is put back: it
    // says whose the database is by now, lets nobody in and touches nothing.
    rig::good(inside.exec(&["room", "create", "Of the newer one"]));
    docker(&["stop", &inside.controller()]);
    docker(&["rm", "-f", &inside.controller()]);
    let db = Connection::open(&database).unwrap();
    db.execute_batch(
        "PRAGMA user_version = 99; UPDATE meta SET value = '9.9.9' WHERE key = 'schema_by';",
    )
    .unwrap();
    drop(db);
    inside.run(Some(&volume));
    let told = inside.issue("database-newer");
    let words = |key: &str| told[key].as_str().unwrap();
    assert!(
        words("why").contains("written by ColourStream 9.9.9"),
        "{told}"
    );
    assert!(
        words("fix").contains("Run ColourStream 9.9.9 again"),
        "{told}"
    );
    let way = format!("`colourstream restore {kept_inside}`");
    assert!(words("fix").contains(&way), "{told}");
    assert!(inside.log().contains(&way), "as docs/backup.md says");
    inside.is_looked_after();
    // The very line of docs/backup.md, by somebody at a terminal.
    let line = "docker exec -it colourstream-controller /colourstream restore /state/backups/before-upgrade/FILE";
    assert!(document("docs/backup.md").contains(line));
    let line = line
        .replace("colourstream-controller", &inside.controller())
        .replace("FILE", kept);
    let said = at_a_terminal(&line, "y\n");
    assert!(said.contains("Restored: the same rooms"), "{said}");
    // It goes on by itself, with what was there before the upgrade.
    inside.page(200, "");
    inside.ready();
    let rooms = inside.json(&["room", "list"]);
    let titles: Vec<_> = rooms
        .as_array()
        .unwrap()
        .iter()
        .map(|room| &room["title"])
        .collect();
    assert_eq!(titles, ["Northlight"]);
    assert_eq!(inside.json(&["room", "ingest", "northlight"])["key"], key);
    assert_eq!(inside.runs(), runs, "no container was touched");
    assert_eq!(publishers(), sessions, "the client is the same still");
    assert_eq!(watching(), watched, "and the viewer");
    assert!(signalling.is_open());
    wait("the playlist of then", 30, || {
        let (code, visit) = viewer.ask("/api/v1/session/northlight", "");
        let again = (code == 200).then(|| Viewer::path(&visit, "llhls"))?;
        (viewer.ask(&again, "").0 == 200).then_some(())
    });

    // With everything, as docs/deploy.md says it: not under a controller.
    let refused = inside.exec(&["down", "--volumes", "--yes"]);
    assert!(!refused.status.success());
    assert!(
        text(&refused.stderr).contains("docker stop"),
        "{}",
        text(&refused.stderr)
    );
    docker(&["stop", &inside.controller()]);
    let socket = format!("{}:/var/run/docker.sock", rig::socket());
    let (state, settings) = (
        format!("{volume}:/state"),
        format!(
            "{}:/etc/colourstream:ro",
            inside.file().parent().unwrap().display()
        ),
    );
    let config = "COLOURSTREAM_CONFIG=/etc/colourstream/colourstream.yaml";
    let said = docker(&[
        "run",
        "--rm",
        "-v",
        &socket,
        "-v",
        &state,
        "-v",
        &settings,
        "-e",
        config,
        image(),
        "down",
        "--volumes",
        "--yes",
    ]);
    assert!(
        said.contains("every room, link, key and certificate"),
        "{said}"
    );
    assert!(said.contains("is empty now"), "{said}");
    assert_eq!(std::fs::read_dir(place(&volume)).unwrap().count(), 0);
    docker(&["rm", &inside.controller()]);
    docker(&["volume", "rm", &volume]);
    assert_eq!(inventory(), found, "the engine is as it was found");
}

/// The text of a document.
fn document(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// What a command line shows to somebody at a terminal who types this; it must
/// succeed.
#[track_caller]
fn at_a_terminal(line: &str, typed: &str) -> String {
    let mut child = Command::new("timeout")
        .args(["60", "script", "-qec", line, "/dev/null"])
        .env("DOCKER_HOST", format!("unix://{}", rig::socket()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Open until the end: its end would be typed as well.
    let mut input = child.stdin.take().unwrap();
    input.write_all(typed.as_bytes()).unwrap();
    input.flush().unwrap();
    let output = child.wait_with_output().unwrap();
    drop(input);
    rig::good(output)
}

/// A browser with a link into the room.
struct Viewer<'a> {
    inside: &'a Inside,
    cookie: String,
    /// Paths on the live host, with their tickets.
    playlist: String,
    signalling: String,
}

impl<'a> Viewer<'a> {
    /// Opens it for the first time.
    fn come(inside: &'a Inside, url: &str) -> Self {
        let token = url.split_once("/j#").unwrap().1;
        let mut viewer = Self {
            inside,
            cookie: String::new(),
            playlist: String::new(),
            signalling: String::new(),
        };
        let order = format!("{{\"token\":\"{token}\"}}");
        let (head, body) = wait("the link to open", 20, || {
            let (code, head, body) = viewer.curl("/api/v1/session/link", &order);
            (code == 200).then_some((head, body))
        });
        let cookie = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
            .unwrap()
            .1;
        viewer.cookie = cookie.split(';').next().unwrap().to_owned();
        viewer.playlist = Self::path(&body, "llhls");
        viewer.signalling = Self::path(&body, "webrtc");
        viewer
    }

    /// Where the picture is, by what the room says of itself.
    fn path(visit: &str, kind: &str) -> String {
        let visit: Value = serde_json::from_str(visit).unwrap();
        let url = visit["playback"][kind].as_str().unwrap();
        let (_, rest) = url.split_once("://").unwrap();
        rest[rest.find('/').unwrap()..].to_owned()
    }

    /// Its page asks again where the picture is, by the cookie it has.
    fn finds_its_picture(&self) -> Option<()> {
        let (code, visit) = self.ask("/api/v1/session/northlight", "");
        let again = (code == 200).then(|| Self::path(&visit, "llhls"))?;
        (self.ask(&again, "").0 == 200).then_some(())
    }

    fn host(&self) -> String {
        format!("{}.localhost", self.inside.name)
    }

    /// Status and body of a call through Traefik.
    fn ask(&self, path: &str, body: &str) -> (u16, String) {
        let (code, _, body) = self.curl(path, body);
        (code, body)
    }

    fn curl(&self, path: &str, body: &str) -> (u16, String, String) {
        let (host, port) = (self.host(), self.inside.base + 1);
        let mut command = Command::new("curl");
        command
            .args(["-sk", "--max-time", "10", "-D", "-", "-w", "\n%{http_code}"])
            .args(["--resolve", &format!("{host}:{port}:127.0.0.1")])
            .args(["-H", &format!("Origin: https://{host}:{port}")])
            .args(["-H", &format!("Cookie: {}", self.cookie)]);
        if !body.is_empty() {
            command.args(["-H", "Content-Type: application/json", "-d", body]);
        }
        let output = command
            .arg(format!("https://{host}:{port}{path}"))
            .output()
            .unwrap();
        let out = text(&output.stdout);
        let (rest, code) = out.rsplit_once('\n').unwrap();
        let (head, body) = rest.split_once("\r\n\r\n").unwrap_or_default();
        (code.parse().unwrap(), head.to_owned(), body.to_owned())
    }

    /// Opens the socket over which the player asks for its picture.
    fn signal(&self) -> Signalling {
        let (host, port) = (self.host(), self.inside.base + 1);
        let mut tunnel = Command::new("openssl")
            .args(["s_client", "-quiet", "-connect"])
            .arg(format!("127.0.0.1:{port}"))
            .args(["-servername", &host])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: https://{host}:{port}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: {}\r\n\r\n",
            self.signalling, self.cookie
        );
        let input = tunnel.stdin.as_mut().unwrap();
        input.write_all(request.as_bytes()).unwrap();
        input.flush().unwrap();
        let mut out = BufReader::new(tunnel.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        assert!(first.contains(" 101 "), "{first}");
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            out.read_line(&mut line).unwrap();
        }
        Signalling { tunnel, out }
    }
}

/// See [`Viewer::signal`].
struct Signalling {
    tunnel: Child,
    out: BufReader<ChildStdout>,
}

impl Signalling {
    /// Asks for the picture; the answer as it comes.
    fn ask(&mut self) -> String {
        let order = "{\"command\":\"request_offer\"}";
        let mut frame = vec![0x81, 0x80 | u8::try_from(order.len()).unwrap(), 0, 0, 0, 0];
        frame.extend_from_slice(order.as_bytes());
        let input = self.tunnel.stdin.as_mut().unwrap();
        input.write_all(&frame).unwrap();
        input.flush().unwrap();
        let mut head = [0; 4];
        self.out.read_exact(&mut head).unwrap();
        let length = u16::from_be_bytes([head[2], head[3]]);
        let mut body = vec![0; usize::from(length)];
        self.out.read_exact(&mut body).unwrap();
        text(&body)
    }

    /// Whether nobody has closed it.
    fn is_open(&mut self) -> bool {
        matches!(self.tunnel.try_wait(), Ok(None))
    }
}

impl Drop for Signalling {
    fn drop(&mut self) {
        let _gone = self.tunnel.kill();
        let _ended = self.tunnel.wait();
    }
}

/// A folder of the host on a file system of its own, mounted into the
/// container that ships.
struct Small(PathBuf);

impl Small {
    fn new(folder: PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&folder).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=12m,mode=0755", "tmpfs"])
            .arg(&folder)
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then_some(Self(folder))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _gone = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Writes until there is no room for another byte.
fn fill(file: &Path) {
    let mut file = std::fs::File::create(file).unwrap();
    for block in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![0; block]).is_ok() {}
    }
}

#[test]
fn a_state_that_is_full_is_told_and_what_runs_goes_on() {
    let inside = Inside::new("cst3-brim", 30_280);
    let folder = inside.dir.path().join("state");
    let small = Small::new(folder.clone()).unwrap();
    let state = folder.display().to_string();
    inside.run(Some(&state));
    inside.ready();
    rig::good(inside.exec(&["room", "create", "Northlight"]));
    let runs = inside.runs();
    let refused = |words: [&str; 2]| {
        let said = inside.exec(&["room", "create", "Halcyon"]);
        let error = text(&said.stderr);
        assert_eq!(said.status.code(), Some(1), "{error}");
        for words in words {
            assert!(error.contains(words), "{words}: {error}");
        }
    };
    fill(&folder.join("filler"));
    refused([
        "There is no space left on the disk",
        "Free space where the state folder is",
    ]);
    inside.page(200, "");
    // Another container, with the same line. The one before ended in order, so
    // this one has to make what a database in use needs; what the end freed is
    // taken by somebody else.
    docker(&["stop", &inside.controller()]);
    docker(&["rm", "-f", &inside.controller()]);
    fill(&folder.join("more"));
    inside.run(Some(&state));
    let told = inside.issue("store-failed");
    let words = |key: &str| told[key].as_str().unwrap();
    assert_eq!(words("what"), "The database cannot be used");
    assert!(words("why").contains("no space left"), "{told}");
    assert!(words("fix").starts_with("Free space"), "{told}");
    assert!(inside.log().contains(words("why")), "{}", inside.log());
    inside.is_looked_after();
    refused([words("what"), "Free space"]);
    assert_eq!(inside.runs(), runs, "what runs is left alone");
    // Room again: it goes on by itself.
    std::fs::remove_file(folder.join("filler")).unwrap();
    inside.ready();
    inside.page(200, "");
    rig::good(inside.exec(&["room", "create", "Halcyon"]));
    assert_eq!(
        inside.json(&["room", "show", "northlight"])["title"],
        "Northlight"
    );
    assert_eq!(inside.runs(), runs);
    rig::good(inside.exec(&["down", "--yes"]));
    docker(&["rm", "-f", &inside.controller()]);
    drop(small);
}

#[test]
fn from_a_folder_of_the_host() {
    let inside = Inside::new("cst3-dir", 30_040);
    let folder = inside.dir.path().join("state");
    inside.run(Some(&folder.display().to_string()));
    inside.ready();
    let mounts = docker(&[
        "inspect",
        "--format",
        "{{range .Mounts}}{{.Source}} {{end}}",
        &inside.of("traefik"),
    ]);
    assert!(mounts.contains(&folder.display().to_string()), "{mounts}");
    assert!(folder.join("rendered/traefik").is_dir());
    inside.nothing_but_the_plan_listens();
    rig::good(inside.exec(&["room", "create", "Halcyon"]));
    let key = inside.json(&["room", "ingest", "halcyon"])["key"]
        .as_str()
        .unwrap()
        .to_owned();
    let url = format!(
        "rtmp://{}.localhost:{}/live/{key}",
        inside.name,
        inside.base + 2
    );
    let body = format!("{{\"url\":\"{url}\",\"protocol\":\"rtmp\"}}");
    assert_eq!(inside.ome("publish", &body)["result"], "accepted");
    let doctor = text(&inside.exec(&["doctor"]).stdout);
    assert!(
        doctor.contains("0 errors") && doctor.contains("ours"),
        "{doctor}"
    );
}

#[test]
fn without_a_mount_it_says_so_and_touches_nothing() {
    let inside = Inside::new("cst3-none", 30_080);
    inside.run(None);
    let issue = inside.issue("state-unwritable");
    let words = |key: &str| issue[key].as_str().unwrap().to_owned();
    assert!(
        words("what").contains("inside the controller's own container"),
        "{issue}"
    );
    assert!(words("why").contains("/state is not a mount"), "{issue}");
    assert!(words("fix").contains("-v colourstream:/state"), "{issue}");
    let log = inside.log();
    assert!(log.contains("is not a mount") && log.contains("→"), "{log}");
    assert!(
        !log.contains("engine    none"),
        "the engine does answer: {log}"
    );
    let made = docker(&[
        "ps",
        "-aq",
        "--filter",
        "name=^/cst3-none-(traefik|oven|miro)",
    ]);
    assert_eq!(made, "");
    // It is up all the same.
    let address = docker(&[
        "inspect",
        "--format",
        "{{.NetworkSettings.IPAddress}}",
        &inside.controller(),
    ]);
    let (code, _) = wait("its pages", 20, || {
        http(
            &format!("{address}:{}", inside.base + 20),
            "GET",
            "/livez",
            "x",
            "",
        )
    });
    assert_eq!(code, 200);
}

/// As docs/backup.md says it: out of one host, wiped, into another.
#[test]
fn moved_to_another_host_by_the_commands_of_the_documents() {
    let inside = Inside::new("cst3-move", 30_120);
    let volume = format!("{}-state", inside.name);
    inside.run(Some(&volume));
    inside.ready();
    rig::good(inside.exec(&["room", "create", "Northlight"]));
    let ingest = inside.json(&["room", "ingest", "northlight"]);
    let key = ingest["key"].as_str().unwrap();
    assert_eq!(inside.publish(key), "accepted");
    let link = inside.invite();
    let viewer = Viewer::come(&inside, &link);
    wait("the picture", 20, || viewer.finds_its_picture());
    let addresses = inside.status().unwrap()["addresses"].clone();
    let secrets = |volume: &str| {
        let place = docker(&["volume", "inspect", "--format", "{{.Mountpoint}}", volume]);
        std::fs::read(Path::new(&place).join("secrets.json")).unwrap()
    };
    let before = secrets(&volume);

    let controller = inside.controller();
    let piped = docker_try(&["exec", &controller, "/colourstream", "backup", "-"]);
    assert!(piped.status.success(), "{}", text(&piped.stderr));
    std::fs::write(inside.dir.path().join("moved.backup"), &piped.stdout).unwrap();
    docker(&["exec", &controller, "/colourstream", "down", "--yes"]);
    docker(&["rm", "-f", &controller]);
    docker(&["volume", "rm", &volume]);
    assert_eq!(
        inside.through_traefik(&viewer.host()).0,
        0,
        "nobody is there"
    );

    let from = format!("{}:/from:ro", inside.dir.path().display());
    let state = format!("{volume}:/state");
    let restored = docker(&[
        "run",
        "--rm",
        "-i",
        "-v",
        &state,
        "-v",
        &from,
        image(),
        "restore",
        "/from/moved.backup",
        "--yes",
    ]);
    assert!(restored.contains("Restored"), "{restored}");
    // Settings at a place that goes with the container are not written there.
    let fresh = format!("{volume}-fresh:/state");
    let config = "COLOURSTREAM_CONFIG=/etc/colourstream/colourstream.yaml";
    let passing = docker(&[
        "run",
        "--rm",
        "-v",
        &fresh,
        "-v",
        &from,
        "-e",
        config,
        image(),
        "restore",
        "/from/moved.backup",
        "--yes",
    ]);
    assert!(passing.contains("in this container alone"), "{passing}");
    assert!(!passing.contains("  + "), "{passing}");
    let place = docker(&[
        "volume",
        "inspect",
        "--format",
        "{{.Mountpoint}}",
        &format!("{volume}-fresh"),
    ]);
    let waits = Path::new(&place).join("restored/settings/colourstream.yaml");
    assert!(waits.exists(), "{passing}");
    docker(&["volume", "rm", &format!("{volume}-fresh")]);
    // Mounted to be read, as a controller has them: they wait as well, and the
    // rooms are there.
    let settings = tempfile::tempdir().unwrap();
    let bare = format!("{}:/etc/colourstream:ro", settings.path().display());
    let readable = docker(&[
        "run",
        "--rm",
        "-v",
        &fresh,
        "-v",
        &bare,
        "-v",
        &from,
        "-e",
        config,
        image(),
        "restore",
        "/from/moved.backup",
        "--yes",
    ]);
    assert!(
        readable.contains("Restored")
            && readable.contains("was at /etc/colourstream/colourstream.yaml"),
        "{readable}"
    );
    assert_eq!(std::fs::read_dir(settings.path()).unwrap().count(), 0);
    docker(&["volume", "rm", &format!("{volume}-fresh")]);
    inside.run(Some(&volume));
    inside.ready();
    assert_eq!(secrets(&volume), before);
    assert_eq!(inside.json(&["room", "ingest", "northlight"]), ingest);
    assert_eq!(inside.status().unwrap()["addresses"], addresses);
    // Not as rows alone: the encoder and everybody's links as they are.
    assert_eq!(inside.publish("wrong"), "denied");
    assert_eq!(inside.publish(key), "accepted", "the key of then");
    let anew = Viewer::come(&inside, &link);
    wait("the picture by the same link", 20, || {
        anew.finds_its_picture()
    });
    wait("the picture in the browser of then", 20, || {
        viewer.finds_its_picture()
    });
    let words =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/backup.md"))
            .unwrap();
    for command in [
        "docker exec colourstream-controller /colourstream backup - > moved.backup",
        "docker exec colourstream-controller /colourstream down --yes",
        "docker rm -f colourstream-controller",
        "docker run --rm -v colourstream:/state -v \"$PWD:/from:ro\" -e COLOURSTREAM_DOMAIN=review.example.com colourstream:latest restore /from/moved.backup --yes",
    ] {
        assert!(words.contains(command), "{command}");
    }
}

/// As docs/backup.md says it for a damaged database: inside the container
/// that keeps the pages up, with a backup that is still there by then.
#[test]
fn a_damaged_database_is_restored_inside_its_container() {
    let inside = Inside::new("cst3-mend", 30_160);
    let volume = format!("{}-state", inside.name);
    inside.run(Some(&volume));
    inside.ready();
    rig::good(inside.exec(&["room", "create", "Northlight"]));
    let key = || inside.json(&["room", "ingest", "northlight"])["key"].clone();
    let before = key();
    // What would go with the container is no backup.
    for lost in ["/root/x.backup", "/kept/", "/tmp/x.backup"] {
        let refused = inside.exec(&["backup", lost]);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{lost}: {said}");
        assert!(
            said.contains("in this container alone") && said.contains("`backup - > FILE`"),
            "{lost}: {said}"
        );
    }
    let piped = inside.exec(&["backup", "-"]);
    assert!(piped.stdout.starts_with(b"manifest.json\0"));
    let made = inside.json(&["backup", "/state/backups/"])["path"].clone();
    let made = made.as_str().unwrap();

    let (controller, runs) = (inside.controller(), inside.runs());
    docker(&["stop", &controller]);
    let place = docker(&["volume", "inspect", "--format", "{{.Mountpoint}}", &volume]);
    let database = Path::new(&place).join("colourstream.db");
    let mut bytes = std::fs::read(&database).unwrap();
    let half = bytes.len() / 2;
    bytes[half..half + 4096].fill(0xA5);
    std::fs::write(&database, bytes).unwrap();
    docker(&["start", &controller]);
    let fix = wait("the damage to be told", 60, || {
        let status = inside.status()?;
        let mut issues = status["issues"].as_array()?.iter();
        let told = issues.find(|issue| issue["code"] == "database-damaged")?;
        told["fix"].as_str().map(str::to_owned)
    });
    assert!(
        fix.contains(&format!("colourstream restore {made}")),
        "{fix}"
    );
    rig::good(inside.exec(&["restore", made, "--yes"]));
    wait("the rooms", 60, || {
        inside
            .exec(&["room", "list"])
            .status
            .success()
            .then_some(())
    });
    assert_eq!(key(), before);
    inside.ready();
    assert_eq!(inside.runs(), runs, "what runs is left alone");
}

/// A slip in the file and a restart, as after a power cut: whoever watches goes
/// on watching, encoders come in, and what runs is not touched.
#[test]
fn started_again_with_a_slip_in_its_settings_the_house_stays_open() {
    let inside = Inside::new("cst8-slip", 30_320);
    let volume = format!("{}-state", inside.name);
    docker(&["volume", "create", &volume]);
    inside.run(Some(&volume));
    inside.ready();
    rig::good(inside.exec(&["room", "create", "Northlight"]));
    let key = inside.json(&["room", "ingest", "northlight"])["key"].clone();
    let key = key.as_str().unwrap();
    inside.page(200, "");
    let runs = inside.runs();

    let file = inside.file();
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        format!("{good}conference: {{max_participants: many}}\n"),
    )
    .unwrap();
    inside.issue("settings-invalid");
    docker(&["restart", &inside.controller()]);
    let issue = inside.issue("settings-invalid");
    assert!(issue["what"].to_string().contains("many"), "{issue}");
    rig::good(inside.exec(&["health"]));
    inside.page(200, "");
    assert_eq!(inside.publish(key), "accepted");
    assert_eq!(inside.runs(), runs);
    std::fs::write(&file, &good).unwrap();
    inside.ready();
    assert_eq!(inside.runs(), runs);

    // Another name: not while anything runs under this one.
    let other = good.replace("instance: cst8-slip", "instance: cst8-slip-new");
    std::fs::write(&file, &other).unwrap();
    docker(&["restart", &inside.controller()]);
    let issue = inside.issue("settings-invalid");
    assert_eq!(issue["subject"], "instance", "{issue}");
    inside.page(200, "");
    assert_eq!(inside.runs(), runs);
    std::fs::write(&file, &good).unwrap();
    inside.ready();
    rig::good(inside.exec(&["down", "--yes"]));
    std::fs::write(&file, &other).unwrap();
    docker(&["restart", &inside.controller()]);
    let status = inside.ready();
    assert_eq!(status["instance"], "cst8-slip-new");
    rig::good(inside.exec(&["room", "show", "northlight"]));
}

/// What a controller has to say that can make no socket: by its log, and by
/// the pages that people get.
#[track_caller]
fn is_told(inside: &Inside, why: &str, fix: &str) {
    wait(why, 60, || inside.log().contains(why).then_some(()));
    let log = inside.log();
    for words in [
        "The state folder cannot be used as needed.",
        "state-unwritable",
        &format!("→ {fix}"),
    ] {
        assert!(log.contains(words), "{words}: {log}");
    }
    inside.is_looked_after();
}

#[test]
fn a_state_that_is_read_only_is_told_and_pages_stay_up() {
    let inside = Inside::new("cst3-ro", 30_200);
    let folder = inside.dir.path().join("state");
    std::fs::create_dir(&folder).unwrap();
    inside.run(Some(&folder.display().to_string()));
    inside.ready();
    let runs = inside.runs();
    docker(&["rm", "-f", &inside.controller()]);
    inside.run_as(&format!("{}:/state:ro", folder.display()), None);
    is_told(
        &inside,
        "read-only file system",
        "Mount that file system writable.",
    );
    assert_eq!(inside.runs(), runs, "what runs is left alone");
    let status = text(&inside.exec(&["status"]).stderr);
    assert!(
        status.contains("Read-only file system") && status.contains("`docker logs`"),
        "{status}"
    );
}

/// A user of the socket's group with a folder that belongs to him, as
/// docs/deploy.md says it, until it belongs to somebody else.
#[test]
fn a_state_of_another_owner_is_told_and_pages_stay_up() {
    const USER: u32 = 12_345;
    let inside = Inside::new("cst3-own", 30_240);
    let folder = inside.dir.path().join("state");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    let give = |user| std::os::unix::fs::chown(&folder, Some(user), Some(user)).unwrap();
    give(USER);
    let mount = format!("{}:/state", folder.display());
    let user = USER.to_string();
    inside.run_as(&mount, Some(&user));
    inside.ready();
    inside.page(200, "");
    rig::good(inside.exec(&["room", "create", "Northlight"]));
    kept_private(&folder, USER, &[]);
    let runs = inside.runs();

    docker(&["rm", "-f", &inside.controller()]);
    give(0);
    inside.run_as(&mount, Some(&user));
    is_told(
        &inside,
        "no permission to",
        "Give the path to the user the controller runs as",
    );
    assert_eq!(inside.runs(), runs, "what runs is left alone");
    // Given to the right one it goes on by itself.
    give(USER);
    inside.ready();
    inside.page(200, "");
    rig::good(inside.exec(&["room", "show", "northlight"]));
    assert_eq!(inside.runs(), runs);
}

#[test]
fn the_image_of_the_tests_is_the_one_that_ships() {
    let read = |name: &str| {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
    };
    let last = |text: &str| text.split_once("\nFROM scratch\n").unwrap().1.to_owned();
    assert_eq!(last(&read("Dockerfile")), last(&read("Dockerfile.local")));
    assert!(
        read("Dockerfile").contains("FROM rust:1.95."),
        "the toolchain of Cargo.toml"
    );
    // What the tests above run is what the documents say.
    let compose: serde_json::Value = serde_json::to_value(
        serde_yaml::from_str::<serde_yaml::Value>(&read("examples/compose.yaml")).unwrap(),
    )
    .unwrap();
    let controller = &compose["services"]["controller"];
    assert_eq!(controller["read_only"], true);
    assert_eq!(
        controller["cap_add"],
        serde_json::json!(["CHOWN", "DAC_OVERRIDE", "FOWNER"])
    );
    assert!(controller.get("ports").is_none());
    for text in [read("docs/deploy.md"), controller["volumes"].to_string()] {
        assert!(
            text.contains("/var/run/docker.sock:/var/run/docker.sock"),
            "{text}"
        );
        assert!(text.contains("colourstream:/state"), "{text}");
    }
}
