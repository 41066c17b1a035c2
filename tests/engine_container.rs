//! The image that ships, run as the documents say: with the socket and a
//! state, in a volume or in a folder of the host.
#![expect(clippy::unwrap_used, reason = "a test")]

mod rig;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use rig::{Tidy, docker, docker_try, http, summary, text, wait};
use serde_json::Value;

const IMAGE: &str = "cst3-controller:test";

/// Made from the binary under test, without pulling anything.
fn image() {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| {
        let output = Command::new("scripts/image")
            .args([rig::BINARY, IMAGE])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        rig::good(output);
    });
}

/// A controller in a container, with ports of its own.
struct Inside {
    name: String,
    base: u16,
    dir: tempfile::TempDir,
    _tidy: Tidy,
}

impl Inside {
    fn new(name: &str, base: u16) -> Self {
        image();
        let tidy = Tidy::new(name);
        let dir = tempfile::tempdir().unwrap();
        let port = |offset: u16| base + offset;
        let settings = format!(
            "domain: {name}.localhost\ninstance: {name}\npublic_address: 127.0.0.1\n\
             reconcile: {{sweep: 2s}}\n\
             ports: {{bind: 127.0.0.1, http: {}, https: {}, rtmp: {}, srt: {}, ice_udp: {}-{}, ice_tcp: {}, relay: {}, call: {}-{}, pages: {}, internal: {}}}\n",
            port(0),
            port(1),
            port(2),
            port(3),
            port(4),
            port(5),
            port(4),
            port(6),
            port(7),
            port(8),
            port(20),
            port(21),
        );
        std::fs::write(dir.path().join("colourstream.yaml"), settings).unwrap();
        Self {
            name: name.to_owned(),
            base,
            dir,
            _tidy: tidy,
        }
    }

    fn controller(&self) -> String {
        format!("{}-controller", self.name)
    }

    /// As docs/deploy.md says it; `state` is what `-v` takes, if anything.
    fn run(&self, state: Option<&str>) {
        self.start(state.map(|state| format!("{state}:/state")), None);
    }

    /// With a mount of any kind and perhaps as another user.
    fn run_as(&self, mount: &str, user: Option<&str>) {
        self.start(Some(mount.to_owned()), user);
    }

    fn start(&self, mount: Option<String>, user: Option<&str>) {
        let (name, socket) = (self.controller(), rig::socket());
        let settings = self.dir.path().join("colourstream.yaml");
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
        arguments.extend(user.map(|user| format!("--user={user}")));
        match mount {
            Some(mount) => arguments.extend(["-v".to_owned(), mount]),
            // Nothing is kept, but it can be written.
            None => arguments.retain(|argument| argument != "--read-only"),
        }
        arguments.push(IMAGE.to_owned());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        docker(&arguments);
    }

    fn exec(&self, arguments: &[&str]) -> std::process::Output {
        let controller = self.controller();
        docker_try(&[&["exec", &controller, "/colourstream"], arguments].concat())
    }

    fn status(&self) -> Option<Value> {
        serde_json::from_slice(&self.exec(&["status", "--json"]).stdout).ok()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let out = rig::good(self.exec(&[arguments, &["--json"]].concat()));
        serde_json::from_str(&out).unwrap()
    }

    fn ready(&self) -> Value {
        let mut last = Value::Null;
        let begun = std::time::Instant::now();
        loop {
            if let Some(status) = self.status() {
                if status["summary"] == "ready" {
                    return status;
                }
                last = status;
            }
            assert!(
                begun.elapsed().as_secs() < 180,
                "not ready: {}",
                summary(&last)
            );
            std::thread::sleep(std::time::Duration::from_millis(500));
        }
    }

    fn service(&self, role: &str) -> String {
        format!("{}-{role}", self.name)
    }

    /// Ids and starts of the three services.
    fn runs(&self) -> Vec<String> {
        ["traefik", "ovenmediaengine", "mirotalk"]
            .map(|role| {
                docker(&[
                    "inspect",
                    "--format",
                    "{{.Id}} {{.State.StartedAt}} {{.RestartCount}}",
                    &self.service(role),
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
        let address = docker(&[
            "inspect",
            "--format",
            &format,
            &self.service("ovenmediaengine"),
        ]);
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

    /// Whether the host's own address answers on the port (from outside of the
    /// network of the services).
    fn through_traefik(&self, host: &str) -> (u16, String) {
        let output = Command::new("curl")
            .args([
                "-sk",
                "--max-time",
                "10",
                "-w",
                "\n%{http_code}",
                "--resolve",
            ])
            .arg(format!("{host}:{}:127.0.0.1", self.base + 1))
            .arg(format!("https://{host}:{}/", self.base + 1))
            .output()
            .unwrap();
        let out = text(&output.stdout);
        let (body, code) = out.rsplit_once('\n').unwrap();
        (code.parse().unwrap(), body.to_owned())
    }
}

#[test]
fn from_a_volume_and_replaced_while_a_stream_is_live() {
    let inside = Inside::new("cst3-vol", 30_000);
    let volume = format!("{}-state", inside.name);
    inside.run(Some(&volume));
    let status = inside.ready();
    assert_eq!(status["services"].as_array().unwrap().len(), 3);

    // It found where its state is on the engine's host.
    let source = docker(&["volume", "inspect", "--format", "{{.Mountpoint}}", &volume]);
    let mounts = docker(&[
        "inspect",
        "--format",
        "{{range .Mounts}}{{.Source}} {{end}}",
        &inside.service("traefik"),
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
    let live = format!("{}.localhost", inside.name);
    let (code, page) = wait("the live page", 30, || {
        let (code, page) = inside.through_traefik(&live);
        (code != 0 && code != 404).then_some((code, page))
    });
    assert_eq!(code, 200, "{page}");

    // A room, made inside; its stream is admitted: the hook was reached.
    rig::good(inside.exec(&["room", "create", "Northlight"]));
    let key = inside.json(&["room", "ingest", "northlight"])["key"]
        .as_str()
        .unwrap()
        .to_owned();
    let publish = |key: &str| {
        let body = format!(
            "{{\"url\":\"rtmp://{live}:{}/live/{key}\",\"protocol\":\"rtmp\"}}",
            inside.base + 2
        );
        inside.ome("publish", &body)
    };
    assert_eq!(publish("wrong")["result"], "denied");
    assert_eq!(publish(&key)["result"], "accepted");
    wait("the stream in the status", 30, || {
        (inside.status()?["live"]["streams"] == 1).then_some(())
    });

    // Somebody watches: over LLHLS, asked about at every request, and over
    // WebRTC, asked about once.
    let viewer = Viewer::come(&inside);
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

    // The controller is killed and made anew: nobody notices.
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
    inside.run(Some(&volume));
    inside.ready();
    rig::good(inside.exec(&["plan", "--detailed-exitcode"]));
    // Its page asks again where the picture is: by the cookie of before.
    wait("the playlist", 30, || {
        let (code, visit) = viewer.ask("/api/v1/session/northlight", "");
        let again = (code == 200).then(|| Viewer::path(&visit, "llhls"))?;
        (viewer.ask(&again, "").0 == 200).then_some(())
    });
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
    assert_eq!(publish("wrong")["result"], "denied");
    wait("the stream in the new one's status", 30, || {
        (inside.status()?["live"]["streams"] == 1).then_some(())
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
        format!("{}:/etc/colourstream:ro", inside.dir.path().display()),
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
        IMAGE,
        "down",
        "--volumes",
        "--yes",
    ]);
    assert!(
        said.contains("every room, link, key and certificate"),
        "{said}"
    );
    assert!(said.contains("is empty now"), "{said}");
    for role in ["traefik", "ovenmediaengine", "mirotalk"] {
        assert!(
            !docker_try(&["inspect", &inside.service(role)])
                .status
                .success(),
            "{role}"
        );
    }
    let place = docker(&["volume", "inspect", "--format", "{{.Mountpoint}}", &volume]);
    assert_eq!(std::fs::read_dir(place).unwrap().count(), 0);
    docker(&["rm", &inside.controller()]);
    docker(&["volume", "rm", &volume]);
    for kind in ["container", "network", "volume"] {
        let all = docker(&[kind, "ls", "--format", "{{.}}"]);
        assert!(!all.contains(&inside.name), "{kind}: {all}");
    }
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
    fn come(inside: &'a Inside) -> Self {
        let link = inside.json(&["link", "create", "northlight", "--name", "Maya"]);
        let url = link["url"].as_str().unwrap();
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

#[test]
fn a_state_that_is_full_is_told_and_what_runs_goes_on() {
    let inside = Inside::new("cst3-full", 30_280);
    let folder = inside.dir.path().join("state");
    let small = Small::new(folder.clone()).unwrap();
    inside.run(Some(&folder.display().to_string()));
    inside.ready();
    rig::good(inside.exec(&["room", "create", "Northlight"]));
    let runs = inside.runs();
    // To the last byte.
    let filler = folder.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    for block in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![0; block]).is_ok() {}
    }
    drop(file);
    let refused = wait("a room that cannot be kept", 60, || {
        let said = inside.exec(&["room", "create", "Halcyon"]);
        (!said.status.success()).then(|| text(&said.stderr))
    });
    assert!(!refused.is_empty());
    // A new container of the same image, on the full disk.
    docker(&["restart", "-t", "5", &inside.controller()]);
    let live = format!("{}.localhost", inside.name);
    wait("its pages", 60, || {
        let (code, _) = inside.through_traefik(&live);
        [200, 503].contains(&code).then_some(())
    });
    wait("the issue", 60, || {
        let status = inside.status()?["issues"].to_string();
        (status.contains("no space") || status.contains("disk is full") || status.contains("full"))
            .then_some(())
    });
    assert_eq!(inside.runs(), runs, "what runs is left alone");
    // Room again: it goes on by itself.
    std::fs::remove_file(&filler).unwrap();
    inside.ready();
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
        &inside.service("traefik"),
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
    let issue = wait("the issue", 60, || {
        let status = inside.status()?;
        let issues = status["issues"].as_array()?;
        issues
            .iter()
            .find(|issue| issue["code"] == "state-unwritable")
            .cloned()
    });
    let words = |key: &str| issue[key].as_str().unwrap().to_owned();
    assert!(
        words("what").contains("inside the controller's own container"),
        "{issue}"
    );
    assert!(words("why").contains("/state is not a mount"), "{issue}");
    assert!(words("fix").contains("-v colourstream:/state"), "{issue}");
    let log = docker_try(&["logs", &inside.controller()]);
    let log = text(&log.stdout) + &text(&log.stderr);
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
    let key = inside.json(&["room", "ingest", "northlight"])["key"].clone();
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
        IMAGE,
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
        IMAGE,
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
    inside.run(Some(&volume));
    inside.ready();
    assert_eq!(secrets(&volume), before);
    assert_eq!(inside.json(&["room", "ingest", "northlight"])["key"], key);
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

/// What a controller in a container says over HTTP and in its log, where even
/// its socket cannot be made.
fn told(inside: &Inside, words: &str) -> (u16, String) {
    let controller = inside.controller();
    wait(words, 60, || {
        let log = docker_try(&["logs", &controller]);
        (text(&log.stdout) + &text(&log.stderr))
            .contains(words)
            .then_some(())
    });
    let address = docker(&[
        "inspect",
        "--format",
        "{{.NetworkSettings.IPAddress}}",
        &controller,
    ]);
    wait("its pages", 30, || {
        http(
            &format!("{address}:{}", inside.base + 20),
            "GET",
            "/",
            &format!("{}.localhost", inside.name),
            "",
        )
    })
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
    let (code, page) = told(&inside, "read-only file system");
    assert_eq!(code, 503, "{page}");
    assert!(page.contains("being looked after"), "{page}");
    assert_eq!(inside.runs(), runs, "what runs is left alone");
    let status = text(&inside.exec(&["status"]).stderr);
    assert!(
        status.contains("Read-only file system") && status.contains("`docker logs`"),
        "{status}"
    );
}

#[test]
fn a_state_of_another_owner_is_told_and_pages_stay_up() {
    let inside = Inside::new("cst3-own", 30_240);
    let folder = inside.dir.path().join("state");
    std::fs::create_dir(&folder).unwrap();
    inside.run_as(&format!("{}:/state", folder.display()), Some("12345"));
    let (code, page) = told(&inside, "no permission to");
    assert_eq!(code, 503, "{page}");
    // Given to the right one it goes on by itself.
    std::os::unix::fs::chown(&folder, Some(12_345), Some(12_345)).unwrap();
    wait("the control socket", 60, || inside.status());
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
