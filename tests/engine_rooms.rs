//! Rooms on a real engine, with the real Traefik and the stand-ins: a whole
//! life of a room, the controller killed in the middle of it, a thousand edits
//! beside a live stream, and the other flavour of the call.
//!
//! Needs the images of `scripts/images --simulated`, `curl`, `openssl`,
//! `ffmpeg`, and an engine as `engine_stack` does.

#![expect(clippy::unwrap_used)]

mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use common::{Cases, Stack, derive, http, is_ready};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const INSTALL: u64 = 60;
const SFU: &str = "mirotalk/sfu:2.3.77";
const P2P: &str = "mirotalk/p2p:1.9.11";

/// A stack whose call starts at once.
fn stack(name: &str, base: u16, more: &str) -> Stack {
    let stack = Stack::new(name, base);
    for (flavour, from) in [("sfu", SFU), ("p2p", P2P)] {
        let tag = format!("{}/{flavour}:1.0.0", stack.name);
        derive(&tag, from, "ENV SIM_START_DELAY_MS=200");
    }
    stack.settings(&with_call(&stack, "sfu", more));
    stack
}

fn with_call(stack: &Stack, flavour: &str, more: &str) -> String {
    format!(
        "images: {{mirotalk: \"{}/{flavour}:1.0.0\"}}\nconference: {flavour}\n{more}",
        stack.name
    )
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Waits until `look` answers something.
fn wait<T>(what: &str, seconds: f64, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        let waited = begun.elapsed().as_secs_f64();
        assert!(waited < seconds, "waited {seconds} s in vain for {what}");
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// A room and what belongs to it.
struct Room<'a> {
    stack: &'a Stack,
    id: String,
    slug: String,
    key: String,
}

impl<'a> Room<'a> {
    fn make(stack: &'a Stack, title: &str) -> Self {
        let (status, made) = stack
            .api("POST", "/api/v1/rooms", &json!({"title": title}))
            .unwrap();
        assert_eq!(status, 201, "{made}");
        let id = text(&made["room"]["id"]);
        let ingest = stack.get(&format!("/api/v1/rooms/{id}/ingest"));
        Self {
            stack,
            slug: text(&made["room"]["slug"]),
            key: text(&ingest["key"]),
            id,
        }
    }

    fn now(&self) -> Value {
        self.stack.get(&format!("/api/v1/rooms/{}", self.id))
    }

    fn stream(&self) -> String {
        text(&self.now()["stream"])
    }

    fn act(&self, action: &str) {
        let path = format!("/api/v1/rooms/{}/{action}", self.id);
        let (code, said) = self.stack.api("POST", &path, &json!({})).unwrap();
        assert!(code < 300, "{action}: {code} {said}");
    }

    /// Publishes as an encoder does, by the stand-in's own door.
    fn publish(&self) -> Value {
        let url = format!("rtmp://{}/live/{}", self.stack.live(), self.key);
        ome(
            self.stack,
            "publish",
            &json!({"url": url, "protocol": "rtmp"}),
        )
    }
}

/// An order to the stand-in for OvenMediaEngine.
fn ome(stack: &Stack, order: &str, body: &Value) -> Value {
    let address = format!("{}:9998", stack.address("ovenmediaengine"));
    let (_, said) = http(
        "POST",
        &address,
        "ome",
        &format!("/{order}"),
        &body.to_string(),
    )
    .unwrap();
    serde_json::from_str(&said).unwrap()
}

/// Who publishes a stream: the session with its client, if it is live.
fn publisher(stack: &Stack, stream: &str) -> Option<Value> {
    let sessions = ome(stack, "sessions", &json!({}));
    let mut all = sessions["publishers"].as_array().unwrap().iter();
    all.find(|one| one["stream"] == stream).cloned()
}

/// A visitor's browser, by `curl`.
struct Browser<'a> {
    stack: &'a Stack,
    jar: tempfile::NamedTempFile,
}

impl<'a> Browser<'a> {
    /// Comes in by a new link of the room.
    fn enter(room: &Room<'a>, name: &str) -> Self {
        let path = format!("/api/v1/rooms/{}/links", room.id);
        let (code, link) = room
            .stack
            .api("POST", &path, &json!({"name": name, "role": "viewer"}))
            .unwrap();
        assert_eq!(code, 201, "{link}");
        let token = text(&link["url"]).split_once('#').unwrap().1.to_owned();
        let browser = Self {
            stack: room.stack,
            jar: tempfile::NamedTempFile::new().unwrap(),
        };
        let (code, visit) = browser.live("POST", "/api/v1/session/link", &json!({"token": token}));
        assert_eq!(code, 200, "{visit}");
        browser
    }

    fn ask(&self, method: &str, host: &str, path: &str, body: &Value) -> (u16, String) {
        let port = self.stack.port(1);
        let jar = self.jar.path().to_str().unwrap();
        let mut command = Command::new("curl");
        command
            .args(["-sk", "--noproxy", "*", "-m", "10", "-w", "\n%{http_code}"])
            .args(["-b", jar, "-c", jar, "-X", method])
            .args(["--resolve", &format!("{host}:{port}:127.0.0.1")])
            .args(["-H", &format!("Origin: https://{host}:{port}")])
            .args(["-D", "-"]);
        if !body.is_null() {
            command.args(["-H", "Content-Type: application/json"]);
            command.args(["-d", &body.to_string()]);
        }
        let output = command
            .arg(format!("https://{host}:{port}{path}"))
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let (answer, code) = out.rsplit_once('\n').unwrap();
        (code.parse().unwrap(), answer.to_owned())
    }

    fn live(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let (code, answer) = self.ask(method, &self.stack.live(), path, body);
        let body = answer
            .rsplit_once("\r\n\r\n")
            .map_or("", |(_, body)| body)
            .trim();
        (code, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    fn visit(&self, slug: &str) -> Value {
        self.live("GET", &format!("/api/v1/session/{slug}"), &Value::Null)
            .1
    }

    /// The code that the picture's address answers with.
    fn watch(&self, playlist: &str) -> u16 {
        self.ask("GET", &self.stack.live(), playlist, &Value::Null)
            .0
    }

    fn video(&self) -> String {
        format!("video.{}", self.stack.live())
    }

    /// The cookies for a host, as a browser sends them.
    fn cookies(&self, host: &str) -> String {
        let jar = std::fs::read_to_string(self.jar.path()).unwrap();
        let cookie = |line: &str| {
            let line = line.trim_start_matches("#HttpOnly_");
            let parts: Vec<&str> = line.split('\t').collect();
            (parts.len() == 7 && parts[0] == host).then(|| format!("{}={}", parts[5], parts[6]))
        };
        jar.lines()
            .filter_map(cookie)
            .collect::<Vec<_>>()
            .join("; ")
    }

    /// Presses Join: through the door with its own cookie, to MiroTalk's page.
    /// Answers the address of that page.
    fn press_join(&self, slug: &str) -> Result<String, String> {
        let (code, said) = self.live(
            "POST",
            &format!("/api/v1/session/{slug}/call"),
            &Value::Null,
        );
        if code != 200 {
            return Err(text(&said["type"]) + &text(&said["code"]));
        }
        let url = text(&said["url"]);
        let door = url.split_once("/cs/").unwrap().1;
        let (code, answer) = self.ask("GET", &self.video(), &format!("/cs/{door}"), &Value::Null);
        assert_eq!(code, 303, "{answer}");
        let location = answer
            .lines()
            .find_map(|line| line.strip_prefix("location: "))
            .unwrap();
        let page = location.trim().to_owned();
        let (code, answer) = self.ask("GET", &self.video(), &page, &Value::Null);
        assert_eq!(code, 200, "{answer}");
        Ok(page)
    }

    /// In the call: MiroTalk let this one in.
    fn join(&self, flavour: &str, slug: &str, name: &str) -> Call {
        let page = wait("the call to be safe", 20.0, || self.press_join(slug).ok());
        let part = |name: &str| {
            let query = page.split_once('?').unwrap().1;
            let mut parts = query.split('&').filter_map(|part| part.split_once('='));
            parts.find(|part| part.0 == name).unwrap().1.to_owned()
        };
        let (room, token) = (part("room"), part("token"));
        let mut call = Call::open(self, true).unwrap();
        let who = json!({"peer_name": name, "peer_uuid": name, "peer_token": token, "peer_audio": true, "peer_video": true});
        match flavour {
            "sfu" => {
                call.send(&format!("421{}", json!(["createRoom", {"room_id": room}])));
                call.until("431");
                let join = json!(["join", {"room_id": room, "peer_info": who}]);
                call.send(&format!("422{join}"));
                let answer = call.until("432");
                assert!(answer.contains(&room), "{answer}");
            }
            _ => {
                let mut join = who;
                join["channel"] = json!(room);
                call.send(&format!("42{}", json!(["join", join])));
                call.until("42[\"serverInfo\"");
            }
        }
        call
    }
}

/// A socket to MiroTalk through Traefik, as its page opens one.
struct Call {
    tunnel: Child,
    lines: mpsc::Receiver<String>,
}

impl Call {
    /// Opens it with the browser's cookie, or without; the code if refused.
    fn open(browser: &Browser<'_>, with_cookie: bool) -> Result<Self, u16> {
        let (host, port) = (browser.video(), browser.stack.port(1));
        let mut tunnel = Command::new("openssl")
            .args([
                "s_client",
                "-quiet",
                "-connect",
                &format!("127.0.0.1:{port}"),
            ])
            .args(["-servername", &host])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let cookie = if with_cookie {
            format!("Cookie: {}\r\n", browser.cookies(&host))
        } else {
            String::new()
        };
        let request = format!(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}:{port}\r\n\
             Origin: https://{host}:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{cookie}\r\n"
        );
        let mut input = tunnel.stdin.take().unwrap();
        input.write_all(request.as_bytes()).unwrap();
        tunnel.stdin = Some(input);
        let mut out = BufReader::new(tunnel.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        let code: u16 = first.split(' ').nth(1).unwrap().parse().unwrap();
        let (sender, lines) = mpsc::channel();
        let call = Self { tunnel, lines };
        if code != 101 {
            return Err(code);
        }
        std::thread::spawn(move || {
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                if out.read_line(&mut line).is_err() {
                    return;
                }
            }
            while let Some(text) = frame(&mut out) {
                if sender.send(text).is_err() {
                    return;
                }
            }
        });
        let mut call = call;
        call.until("0{");
        call.send("40");
        call.until("40{");
        Ok(call)
    }

    fn send(&mut self, text: &str) {
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(text.as_bytes());
        let input = self.tunnel.stdin.as_mut().unwrap();
        input.write_all(&frame).unwrap();
        input.flush().unwrap();
    }

    /// The next message that begins so.
    fn until(&mut self, beginning: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|_| String::from("nothing came"));
            if line.starts_with(beginning) {
                return line;
            }
            assert_ne!(line, "nothing came", "waiting for {beginning}");
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let _gone = self.tunnel.kill();
        let _gone = self.tunnel.wait();
    }
}

fn frame(from: &mut impl std::io::Read) -> Option<String> {
    let mut head = [0; 2];
    from.read_exact(&mut head).ok()?;
    let length = match head[1] & 127 {
        126 => {
            let mut wide = [0; 2];
            from.read_exact(&mut wide).ok()?;
            usize::from(u16::from_be_bytes(wide))
        }
        127 => return None,
        short => usize::from(short),
    };
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    (head[0] & 15 == 1).then(|| String::from_utf8(body).ok())?
}

/// Which port is RTMP over TLS.
const RTMPS: u16 = 7;

/// The certificate served for the pages' name at a port, once it is checked
/// against our own authority.
fn certificate(stack: &Stack, port: u16) -> String {
    let authority = stack.state().join("tls/authority.pem");
    let out = Command::new("openssl")
        .args(["s_client", "-verify_return_error", "-servername"])
        .arg(stack.live())
        .args(["-verify_hostname", &stack.live(), "-CAfile"])
        .arg(&authority)
        .args(["-connect", &format!("127.0.0.1:{}", stack.port(port))])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(
        out.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let begin = said.find("-----BEGIN CERTIFICATE-----").unwrap();
    let end = said.find("-----END CERTIFICATE-----").unwrap();
    said[begin..end].to_owned()
}

/// A running ffmpeg whose progress is read: frames so far.
struct Ffmpeg {
    child: Child,
    progress: PathBuf,
    dir: tempfile::TempDir,
}

impl Ffmpeg {
    fn start(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let progress = dir.path().join("progress");
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let child = Command::new("ffmpeg")
            .args([
                "-hide_banner",
                "-loglevel",
                "warning",
                "-nostats",
                "-progress",
            ])
            .arg(&progress)
            .args(["-stats_period", "0.2"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self {
            child,
            progress,
            dir,
        }
    }

    /// An encoder as the pages tell to set it up: no B-frames, a key frame a
    /// second.
    fn publish(room: &Room<'_>) -> Self {
        Self::publish_to(&format!(
            "rtmp://127.0.0.1:{}/live/{}",
            room.stack.port(2),
            room.key
        ))
    }

    fn publish_to(url: &str) -> Self {
        let plain = url.replace("rtmps://", "rtmp://");
        Self::start(&[
            "-re",
            "-f",
            "lavfi",
            "-i",
            "testsrc=size=320x180:rate=30",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-tune",
            "zerolatency",
            "-bf",
            "0",
            "-g",
            "30",
            "-f",
            "flv",
            // Behind Traefik it is plain RTMP, and it is called so.
            "-rtmp_tcurl",
            plain.rsplit_once('/').unwrap().0,
            url,
        ])
    }

    fn frames(&self) -> u64 {
        let said = std::fs::read_to_string(&self.progress).unwrap_or_default();
        let last = said
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("frame="));
        last.and_then(|count| count.trim().parse().ok())
            .unwrap_or(0)
    }

    fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Nobody publishes, watches or joins any more, and who did is out.
fn all_refuse(room: &Room<'_>, browser: &Browser<'_>, playlist: &str, page: &str) {
    assert_eq!(room.publish()["result"], "denied");
    let code = browser.watch(playlist);
    assert!([401, 403, 404].contains(&code), "watching answers {code}");
    let refused = browser.press_join(&room.slug).unwrap_err();
    assert!(refused.contains("room-closed"), "{refused}");
    let (code, _) = browser.ask("GET", &browser.video(), page, &Value::Null);
    assert_eq!(code, 403, "the call's page, with the cookie of before");
    assert_eq!(Call::open(browser, true).err(), Some(403), "its socket");
}

/// Where a room's picture is, for this browser.
fn playlist(stack: &Stack, browser: &Browser<'_>, slug: &str) -> String {
    let visit = browser.visit(slug);
    let url = text(&visit["playback"]["llhls"]);
    let origin = format!("https://{}:{}", stack.live(), stack.port(1));
    let path = url.strip_prefix(&origin).map(str::to_owned);
    assert!(path.is_some(), "{visit}");
    path.unwrap()
}

#[test]
fn a_room_from_its_making_to_its_end() {
    let mut cases = Cases::default();
    let mut stack = stack("rooms", 20_800, "");
    let settings = std::fs::read_to_string(stack.config()).unwrap();
    let with_rtmps = format!("ports: {{rtmps: {}, ", stack.port(RTMPS));
    std::fs::write(stack.config(), settings.replace("ports: {", &with_rtmps)).unwrap();
    stack.serve();
    stack.until("the first install", INSTALL, is_ready);
    cases.run(
        "published over RTMPS, by the certificate of the pages",
        || {
            let room = Room::make(&stack, "Sealed");
            let server = format!("rtmps://{}:{}/live", stack.live(), stack.port(RTMPS));
            let ingest = stack.get(&format!("/api/v1/rooms/{}/ingest", room.id));
            assert_eq!(ingest["rtmps"]["server"], server.as_str());
            assert_eq!(certificate(&stack, RTMPS), certificate(&stack, 1));
            let url = |key: &str| format!("rtmps://127.0.0.1:{}/live/{key}", stack.port(RTMPS));
            let mut wrong = Ffmpeg::publish_to(&url("sk_0000000000000000000000000000000000"));
            wait("the wrong key to be refused", 10.0, || {
                (!wrong.runs()).then_some(())
            });
            let stream = room.stream();
            assert!(publisher(&stack, &stream).is_none());
            let mut encoder = Ffmpeg::publish_to(&url(&room.key));
            wait("the stream", 10.0, || publisher(&stack, &stream));
            wait("frames", 10.0, || (encoder.frames() > 30).then_some(()));
            room.act("close");
            wait("the encoder to be cut", 10.0, || {
                (!encoder.runs()).then_some(())
            });
        },
    );
    cases.run("created, published, watched, joined, closed", || {
        let room = Room::make(&stack, "Whole life");
        let mut encoder = Ffmpeg::publish(&room);
        let stream = room.stream();
        wait("the stream", 10.0, || publisher(&stack, &stream));
        let browser = Browser::enter(&room, "Ann");
        let playlist = playlist(&stack, &browser, &room.slug);
        wait("the picture", 10.0, || {
            (browser.watch(&playlist) == 200).then_some(())
        });
        let stranger = Browser::enter(&Room::make(&stack, "Another"), "Eve");
        let code = stranger.watch(&playlist);
        assert!([401, 403].contains(&code), "another room's link: {code}");
        let mut call = browser.join("sfu", &room.slug, "Ann");
        let page = browser.press_join(&room.slug).unwrap();
        assert_eq!(Call::open(&browser, false).err(), Some(401), "no cookie");

        let begun = Instant::now();
        room.act("close");
        wait("the publisher to be cut", 5.0, || {
            publisher(&stack, &stream).is_none().then_some(())
        });
        let cut = begun.elapsed();
        let ended = call.until("42[\"cmd\"");
        assert!(ended.contains("ejectAll"), "{ended}");
        let ejected = begun.elapsed();
        assert!(
            cut.as_secs_f64() < 1.0 && ejected.as_secs_f64() < 1.0,
            "cut after {cut:?}, ejected after {ejected:?}"
        );
        wait("the encoder to notice", 10.0, || {
            (!encoder.runs()).then_some(())
        });
        all_refuse(&room, &browser, &playlist, &page);
        assert_eq!(browser.visit(&room.slug)["state"], "closed");
    });

    // From before the request is read to after its effect.
    for (round, delay) in (1..).zip([0, 2, 5, 10, 20, 60]) {
        cases.run(
            &format!("killed {delay} ms after the request to close"),
            || {
                killed_while_closing(&mut stack, round, delay);
            },
        );
    }
    cases.run("expired while the controller was down", || {
        let (id, key, slug, stream, soon) = {
            let room = Room::make(&stack, "Expires");
            let accepted = room.publish();
            assert_eq!(accepted["result"], "accepted", "{accepted}");
            // Late enough that it is down by then, however slow the machine.
            let soon = Timestamp::now() + SignedDuration::from_secs(10);
            let path = format!("/api/v1/rooms/{}", room.id);
            let (code, said) = stack
                .api("PATCH", &path, &json!({"expires_at": soon.to_string()}))
                .unwrap();
            assert!(code < 300, "{said}");
            let stream = room.stream();
            (room.id, room.key, room.slug, stream, soon)
        };
        stack.kill();
        wait("its time", 30.0, || {
            (Timestamp::now() > soon + SignedDuration::from_secs(1)).then_some(())
        });
        assert!(
            publisher(&stack, &stream).is_some(),
            "nobody is there to end it"
        );
        stack.serve();
        wait("it to be cut", 10.0, || {
            publisher(&stack, &stream).is_none().then_some(())
        });
        let room = Room {
            stack: &stack,
            id,
            key,
            slug,
        };
        assert_eq!(room.publish()["result"], "denied");
        assert_eq!(room.now()["state"], "expired");
        stack.well("all is well", 20);
    });
    cases.conclude();
}

/// One life of a room with two kills in it: after publishing, and while it is
/// being closed.
fn killed_while_closing(stack: &mut Stack, round: u32, delay: u64) {
    let title = format!("Killed {round}");
    let (id, slug, key) = {
        let room = Room::make(stack, &title);
        let accepted = room.publish();
        assert_eq!(accepted["result"], "accepted", "{accepted}");
        (room.id, room.slug, room.key)
    };
    let again = |stack: &mut Stack| {
        stack.kill();
        stack.serve();
        stack.until("it goes on", 20, is_ready);
    };
    let before = stack.runs();
    again(stack);
    let (browser_jar, list, page, stream, mut call) = {
        let room = Room {
            stack,
            id: id.clone(),
            slug: slug.clone(),
            key: key.clone(),
        };
        let stream = room.stream();
        assert!(publisher(stack, &stream).is_some(), "it goes on publishing");
        let browser = Browser::enter(&room, "Ann");
        let list = playlist(stack, &browser, &slug);
        wait("the picture", 10.0, || {
            (browser.watch(&list) == 200).then_some(())
        });
        let call = browser.join("sfu", &slug, "Ann");
        let page = browser.press_join(&slug).unwrap();
        (browser.jar, list, page, stream, call)
    };
    // The request is sent, and the controller killed, whatever it came to.
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| {
            stack.api("POST", &format!("/api/v1/rooms/{id}/close"), &json!({}));
        });
        std::thread::sleep(Duration::from_millis(delay));
        stack.kill_shared();
        closing.join().unwrap();
    });
    again(stack);
    let stack = &*stack;
    let room = Room {
        stack,
        id,
        slug,
        key,
    };
    let browser = Browser {
        stack,
        jar: browser_jar,
    };
    if room.now()["state"] != "closed" {
        // It was not written down: the room lives on as it was.
        assert!(publisher(stack, &stream).is_some(), "half closed");
        assert_eq!(browser.watch(&list), 200);
        room.act("close");
    }
    wait("the publisher to be cut", 5.0, || {
        publisher(stack, &stream).is_none().then_some(())
    });
    let ended = call.until("42[\"cmd\"");
    assert!(ended.contains("ejectAll"), "{ended}");
    wait("its route to go", 5.0, || {
        (browser.watch(&list) != 200).then_some(())
    });
    all_refuse(&room, &browser, &list, &page);
    stack.well("all is well", 20);
    assert_eq!(stack.runs(), before, "no container was touched");
}

/// The stand-in's own facts of a stream, by the REST API that is OME's.
fn ome_facts(stack: &Stack, stream: &str) -> Value {
    let file = std::fs::read(stack.state().join("secrets.json")).unwrap();
    let secrets: Value = serde_json::from_slice(&file).unwrap();
    let token = base64::engine::general_purpose::STANDARD
        .encode(secrets["ome_api_token"].as_str().unwrap());
    let output = Command::new("curl")
        .args(["-s", "--noproxy", "*", "-m", "5"])
        .args(["-H", &format!("Authorization: Basic {token}")])
        .arg(format!(
            "http://{}:8081/v1/vhosts/default/apps/live/streams/{stream}",
            stack.address("ovenmediaengine")
        ))
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["statusCode"], 200, "{answer}");
    answer["response"]["input"].clone()
}

/// The generation in Traefik's file, and the one it runs.
fn generations(stack: &Stack) -> (String, String) {
    let hex = |text: &str| {
        let words = text.split(|letter: char| !letter.is_ascii_hexdigit());
        let mut words = words.filter(|word| word.len() == 64);
        words.next().unwrap_or_default().to_owned()
    };
    let folder = stack.rendered("traefik/dynamic");
    let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap();
    let wanted = std::fs::read_to_string(file.path()).unwrap();
    let wanted = wanted.split_once("X-Config-Generation").unwrap().1;
    let output = Command::new("curl")
        .args(["-sD", "-", "--noproxy", "*", "-m", "5", "-o", "/dev/null"])
        .arg(format!(
            "http://{}:8080/config-generation",
            stack.address("traefik")
        ))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).to_lowercase();
    let loaded = said
        .split_once("x-config-generation:")
        .map_or("", |all| all.1);
    (hex(wanted), hex(loaded))
}

const EDITS: usize = 1_000;

#[test]
fn a_thousand_edits_beside_a_live_room() {
    let mut stack = stack("edits", 20_900, "");
    stack.serve();
    let stack = stack;
    stack.until("the first install", INSTALL, is_ready);
    stack.well("the first install", 20);
    let room = Room::make(&stack, "On air");
    let stream = room.stream();
    let mut encoder = Ffmpeg::publish(&room);
    wait("the stream", 10.0, || publisher(&stack, &stream));
    let browser = Browser::enter(&room, "Ann");
    let list = playlist(&stack, &browser, &room.slug);
    wait("the picture", 10.0, || {
        (browser.watch(&list) == 200).then_some(())
    });
    let host = stack.live();
    let headers = format!(
        "Host: {host}:{}\r\nCookie: {}\r\n",
        stack.port(1),
        browser.cookies(&host)
    );
    let url = format!("https://127.0.0.1:{}{list}", stack.port(1));
    let mut viewer = Ffmpeg::start(&["-headers", &headers, "-i", &url, "-f", "null", "-"]);
    let seen = wait("decoded frames", 20.0, || {
        assert!(viewer.runs(), "{}", viewer.said());
        (viewer.frames() > 30).then(|| viewer.frames())
    });
    let session = publisher(&stack, &stream).unwrap();
    let created = ome_facts(&stack, &stream)["createdTime"].clone();
    let (runs, sent) = (stack.runs(), encoder.frames());
    let (loaded_before, _) = generations(&stack);

    let begun = Instant::now();
    let others: Vec<Room<'_>> = (0..20)
        .map(|number| Room::make(&stack, &format!("Other {number}")))
        .collect();
    let mut looked = (seen, sent);
    let mut edits = others.len();
    while edits < EDITS {
        let other = &others[edits % others.len()];
        let path = format!("/api/v1/rooms/{}", other.id);
        let change = match edits / others.len() % 5 {
            0 => Some(json!({"title": format!("Edit {edits} {{{{ 7 * 7 }}}} “ü”")})),
            1 => Some(json!({"slug": format!("edit-{edits}")})),
            2 => Some(json!({"viewer_cap": edits % 50 + 1, "allowed_addresses": ["192.0.2.0/24"]})),
            3 => {
                other.act("close");
                None
            }
            _ => {
                other.act("open");
                None
            }
        };
        if let Some(change) = change {
            let (code, said) = stack.api("PATCH", &path, &change).unwrap();
            assert!(code < 300, "{change}: {code} {said}");
        }
        edits += 1;
        if edits.is_multiple_of(250) {
            // A viewer has its frames by whole segments, and so many edits may
            // take less time than one.
            looked = wait("more frames amid the edits", 10.0, || {
                assert!(encoder.runs() && viewer.runs(), "{}", viewer.said());
                let now = (viewer.frames(), encoder.frames());
                (now.0 > looked.0 && now.1 > looked.1).then_some(now)
            });
        }
    }
    let took = begun.elapsed();
    wait("Traefik to run what is wanted", 10.0, || {
        let (wanted, loaded) = generations(&stack);
        (wanted.len() == 64 && wanted == loaded && wanted != loaded_before).then_some(())
    });
    stack.well("all is well after it", 20);
    assert_eq!(stack.runs(), runs, "no container was touched");
    let after = publisher(&stack, &stream).unwrap();
    for fact in ["client", "url", "protocol"] {
        assert_eq!(after[fact], session[fact]);
    }
    assert!(
        after["age_ms"].as_u64().unwrap()
            >= session["age_ms"].as_u64().unwrap() + u64::try_from(took.as_millis()).unwrap(),
        "the same session: {session} {after}"
    );
    assert_eq!(ome_facts(&stack, &stream)["createdTime"], created);
    assert!(encoder.runs(), "{}", encoder.said());
    let frames = viewer.frames();
    wait("frames after all edits", 10.0, || {
        (viewer.runs() && viewer.frames() > frames).then_some(())
    });
    assert_eq!(browser.watch(&list), 200);
}

#[test]
fn the_other_flavour_of_the_call() {
    let mut cases = Cases::default();
    let mut stack = stack("p2p", 21_000, "");
    stack.serve();
    let stack = stack;
    stack.until("the first install", INSTALL, is_ready);
    let before = stack.runs();
    let room = Room::make(&stack, "Between us");
    assert_eq!(room.publish()["result"], "accepted");
    let stream = room.stream();

    cases.run("switching to p2p replaces MiroTalk alone", || {
        stack.settings(&with_call(&stack, "p2p", ""));
        // A stream is live: it waits for quiet, unless somebody says now.
        stack.until("it waits", 40, |status| {
            let steps = status["plan"].as_array().unwrap();
            steps.iter().any(|step| step["waits"].is_string())
        });
        let said = stack.run(&["apply", "--now"]);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        stack.well("p2p runs", INSTALL);
        stack.only_three();
        let after = stack.runs();
        assert_ne!(after["mirotalk"], before["mirotalk"]);
        for role in ["traefik", "ovenmediaengine"] {
            assert_eq!(after[role], before[role], "{role}");
        }
        assert!(publisher(&stack, &stream).is_some(), "the stream goes on");
        assert!(
            stack.status().unwrap()["services"][2]["image"]
                .as_str()
                .unwrap()
                .contains("/p2p:")
        );
    });
    cases.run("joined by a token, refused without", || {
        let browser = Browser::enter(&room, "Ann");
        let call = browser.join("p2p", &room.slug, "Ann");
        stack.until("somebody is in the call", 20, |status| {
            status["live"]["callers"] == 1
        });
        assert_eq!(Call::open(&browser, false).err(), Some(401), "no cookie");
        let port = stack.port(1);
        let stranger = Command::new("curl")
            .args(["-sk", "--noproxy", "*", "-m", "5", "-o", "/dev/null"])
            .args(["-w", "%{http_code}", "--resolve"])
            .arg(format!("{}:{port}:127.0.0.1", browser.video()))
            .arg(format!(
                "https://{}:{port}/join?room={stream}&name=x",
                browser.video()
            ))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&stranger.stdout), "401");
        drop(call);
    });
    cases.run("closing ends it for everybody who comes", || {
        let browser = Browser::enter(&room, "Ben");
        let list = playlist(&stack, &browser, &room.slug);
        let _call = browser.join("p2p", &room.slug, "Ben");
        let page = browser.press_join(&room.slug).unwrap();
        room.act("close");
        wait("the publisher to be cut", 5.0, || {
            publisher(&stack, &stream).is_none().then_some(())
        });
        wait("its route to go", 5.0, || {
            (browser.watch(&list) != 200).then_some(())
        });
        all_refuse(&room, &browser, &list, &page);
        // The page is told, and takes its frame away: P2P has no other end.
        let visit = browser.visit(&room.slug);
        assert_eq!(visit["state"], "closed", "{visit}");
    });
    cases.run("and back to sfu", || {
        let before = stack.runs();
        stack.settings(&with_call(&stack, "sfu", ""));
        stack.until("it is noticed", 40, |status| {
            text(&status["services"][2]["image"]).contains("/sfu:")
        });
        // Who watched a moment ago still counts as somebody.
        let said = stack.run(&["apply", "--now"]);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        stack.well("sfu runs", INSTALL);
        stack.only_three();
        let after = stack.runs();
        for role in ["traefik", "ovenmediaengine"] {
            assert_eq!(after[role], before[role], "{role}");
        }
    });
    cases.conclude();
}
