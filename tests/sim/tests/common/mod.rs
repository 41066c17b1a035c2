//! A stand-in as a subprocess, a controller that answers as told, and a plain HTTP client.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test file uses a part"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
    pub fn header(&self, name: &str) -> Option<String> {
        self.head
            .lines()
            .filter_map(|l| l.split_once(": "))
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.to_owned())
    }
}

/// One connection, kept open between requests.
pub struct Http(pub BufReader<TcpStream>);

impl Http {
    pub fn to(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        Self(BufReader::new(stream))
    }

    pub fn write(&mut self, method: &str, path: &str, headers: &str, body: &str) {
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: live.test:3333\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    pub fn read(&mut self) -> std::io::Result<Answer> {
        let mut head = String::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer {
            status,
            head: head.replace("\r\n", "\n"),
            body: Vec::new(),
        };
        let length = answer
            .header("content-length")
            .and_then(|l| l.parse().ok())
            .unwrap_or(0);
        answer.body = vec![0; length];
        self.0.read_exact(&mut answer.body)?;
        Ok(answer)
    }

    pub fn ask(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        self.write(method, path, headers, body);
        self.read().unwrap()
    }
}

pub fn get(address: &str, path: &str, headers: &str) -> Answer {
    Http::to(address).ask("GET", path, headers, "")
}

/// A socket: enough framing for short texts.
pub struct Socket(BufReader<TcpStream>);

impl Socket {
    pub fn open(address: &str, path: &str, headers: &str) -> Result<Self, Answer> {
        let mut http = Http::to(address);
        http.write("GET", path, &format!("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}"), "");
        let answer = http.read().unwrap();
        if answer.status == 101 {
            Ok(Self(http.0))
        } else {
            Err(answer)
        }
    }

    pub fn send(&mut self, text: &str) {
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend_from_slice(&(text.len() as u16).to_be_bytes());
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(text.as_bytes());
        self.0.get_mut().write_all(&frame).unwrap();
    }

    /// The next text; none when the connection breaks without a close frame.
    pub fn next(&mut self) -> Option<String> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).ok()?;
        assert_eq!(head[0] & 15, 1, "a text frame");
        let length = match head[1] & 127 {
            126 => {
                let mut wide = [0; 2];
                self.0.read_exact(&mut wide).ok()?;
                usize::from(u16::from_be_bytes(wide))
            }
            short => usize::from(short),
        };
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).ok()?;
        String::from_utf8(body).ok()
    }

    pub fn json(&mut self) -> Value {
        serde_json::from_str(&self.next().unwrap()).unwrap()
    }

    /// Sends an event and reads on to its acknowledgement.
    pub fn emit(&mut self, event: &str, data: Value) -> Value {
        self.send(&format!("427{}", serde_json::json!([event, data])));
        loop {
            let line = self.next().unwrap();
            if let Some(ack) = line.strip_prefix("437") {
                return serde_json::from_str::<Value>(ack).unwrap()[0].clone();
            }
        }
    }
}

type Script = dyn Fn(&Value) -> (u16, String, u64) + Send + Sync;

/// A controller: answers each POST by a script of (status, body, delay in ms) and keeps all of them.
pub struct Controller {
    pub address: String,
    pub seen: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Controller {
    pub fn new(script: impl Fn(&Value) -> (u16, String, u64) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let script: Arc<Script> = Arc::new(script);
        let kept = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, kept) = (Arc::clone(&script), Arc::clone(&kept));
                std::thread::spawn(move || {
                    let mut http = Http(BufReader::new(stream));
                    let mut head = String::new();
                    while !head.ends_with("\r\n\r\n")
                        && http.0.read_line(&mut head).is_ok_and(|n| n > 0)
                    {}
                    let length = head
                        .to_lowercase()
                        .split("content-length: ")
                        .nth(1)
                        .and_then(|l| l.lines().next()?.parse().ok())
                        .unwrap_or(0);
                    let mut body = vec![0; length];
                    http.0.read_exact(&mut body).unwrap();
                    let body: Value = serde_json::from_slice(&body).unwrap();
                    kept.lock().unwrap().push((head, body.clone()));
                    let (status, text, delay) = script(&body);
                    std::thread::sleep(Duration::from_millis(delay));
                    let _ = write!(
                        http.0.get_mut(),
                        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{text}",
                        text.len()
                    );
                });
            }
        });
        Self { address, seen }
    }

    /// Lets everybody in, `sk_*` as the room of that name.
    pub fn kind() -> Self {
        Self::new(|body| {
            let url = body["request"]["url"].as_str().unwrap_or_default();
            let text = match (body["request"]["status"].as_str(), url.contains("nokey")) {
                (Some("closing"), _) => "{}".to_owned(),
                (_, true) => r#"{"allowed":false,"reason":"no such key"}"#.to_owned(),
                _ => serde_json::json!({"allowed": true, "new_url": url.replace("sk_", "room-")})
                    .to_string(),
            };
            (200, text, 0)
        })
    }

    /// What was told, as `status direction protocol url`.
    pub fn told(&self) -> Vec<String> {
        let word = |v: &Value, n: &str| v["request"][n].as_str().unwrap_or_default().to_owned();
        self.seen
            .lock()
            .unwrap()
            .iter()
            .map(|(_, v)| {
                format!(
                    "{} {} {} {}",
                    word(v, "status"),
                    word(v, "direction"),
                    word(v, "protocol"),
                    word(v, "url")
                )
            })
            .collect()
    }

    pub fn wait_for(&self, count: usize) -> Vec<String> {
        until(|| (self.told().len() >= count).then(|| self.told()))
            .unwrap_or_else(|| panic!("only {:?}", self.told()))
    }
}

pub fn until<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + Duration::from_secs(8);
    while Instant::now() < end {
        if let Some(found) = look() {
            return Some(found);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

/// A subprocess that dies with the test.
pub struct Service {
    pub child: Child,
    pub ip: String,
    pub control: String,
    pub folder: tempfile::TempDir,
}

/// An address of this host that no other test uses.
pub fn own_ip() -> String {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let pid = std::process::id();
    format!(
        "127.{}.{}.{}",
        1 + pid / 256 % 250,
        pid % 256,
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

impl Service {
    /// OME with the sample file, its hooks going to the controller; `edit` changes the file.
    pub fn ome(controller: &Controller, edit: impl Fn(String) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ip = own_ip();
        std::fs::create_dir(folder.path().join("origin_conf")).unwrap();
        let text = include_str!("../../testdata/Server.xml")
            .replace("<IP>*</IP>", &format!("<IP>{ip}</IP>"))
            .replace("controller:8000", &controller.address);
        std::fs::write(folder.path().join("origin_conf/Server.xml"), edit(text)).unwrap();
        std::fs::write(
            folder.path().join("origin_conf/Logger.xml"),
            r#"<Logger version="2"><File enabled="false"/></Logger>"#,
        )
        .unwrap();
        let port = free_port();
        let child = Command::new(env!("CARGO_BIN_EXE_colourstream-sim"))
            .args(["ovenmediaengine", "-c", "origin_conf"])
            .current_dir(folder.path())
            .env("SIM_CONTROL_PORT", port.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            child,
            ip,
            control: format!("127.0.0.1:{port}"),
            folder,
        }
    }

    pub fn ready(self) -> Self {
        until(|| TcpStream::connect(self.at(8081)).ok()).unwrap();
        self
    }

    pub fn at(&self, port: u16) -> String {
        format!("{}:{port}", self.ip)
    }

    pub fn rest(&self, method: &str, path: &str) -> Answer {
        Http::to(&self.at(8081)).ask(
            method,
            path,
            "Authorization: Basic b21lLWFjY2Vzcy10b2tlbg==\r\n",
            "",
        )
    }

    pub fn order(&self, order: &str, json: Value) -> Value {
        Http::to(&self.control)
            .ask("POST", &format!("/{order}"), "", &json.to_string())
            .json()
    }

    pub fn terminate(&self) {
        Command::new("kill")
            .arg(self.child.id().to_string())
            .status()
            .unwrap();
    }

    /// Waits for the end: exit code and everything printed.
    pub fn end(mut self) -> (i32, String) {
        let status = until(|| self.child.try_wait().unwrap()).unwrap();
        let mut out = String::new();
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut out)
            .unwrap();
        (status.code().unwrap_or(-1), out)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
