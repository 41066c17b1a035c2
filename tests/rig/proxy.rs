//! A proxy between the controller and the engine that writes down every call,
//! and what those that make something ask for of the host, and refuses those
//! that are not on its list. One request a connection; what follows it passes
//! in both directions, so streams work.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// See the module. Ends when it is dropped.
pub struct Proxy {
    pub socket: PathBuf,
    calls: Arc<Mutex<BTreeSet<String>>>,
    refused: Arc<Mutex<BTreeSet<String>>>,
    reached: Arc<Mutex<BTreeSet<String>>>,
    ended: Arc<AtomicBool>,
}

impl Proxy {
    /// Listens at `socket`. Without `allowed` everything passes.
    pub fn start(socket: &Path, allowed: Option<BTreeSet<String>>) -> Self {
        let _stale = std::fs::remove_file(socket);
        let listener = UnixListener::bind(socket).unwrap();
        let proxy = Self {
            socket: socket.to_owned(),
            calls: Arc::default(),
            refused: Arc::default(),
            reached: Arc::default(),
            ended: Arc::default(),
        };
        let (calls, refused) = (Arc::clone(&proxy.calls), Arc::clone(&proxy.refused));
        let reached = Arc::clone(&proxy.reached);
        let ended = Arc::clone(&proxy.ended);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let (calls, refused) = (Arc::clone(&calls), Arc::clone(&refused));
                let (reached, allowed) = (Arc::clone(&reached), allowed.clone());
                std::thread::spawn(move || {
                    let note = |call: &str| {
                        let known = allowed.as_ref().is_none_or(|all| all.contains(call));
                        let list = if known { &calls } else { &refused };
                        list.lock().unwrap().insert(call.to_owned());
                        known
                    };
                    let reach = |body: &[u8]| reached.lock().unwrap().extend(asked_of_host(body));
                    let _gone = pass(client, note, reach);
                });
            }
        });
        proxy
    }

    /// The calls that passed.
    pub fn calls(&self) -> BTreeSet<String> {
        self.calls.lock().unwrap().clone()
    }

    /// The calls that did not.
    pub fn refused(&self) -> BTreeSet<String> {
        self.refused.lock().unwrap().clone()
    }

    /// Nothing of the host was asked for but what lies below `state`, and no
    /// volume but this one.
    #[track_caller]
    pub fn reached_only(&self, state: &Path, volume: &str) {
        let reached = self.reached.lock().unwrap().clone();
        let (below, others): (Vec<_>, Vec<_>) = reached
            .iter()
            .partition(|asked| Path::new(asked).starts_with(state));
        assert_eq!(others, [volume], "not below {}", state.display());
        // What containers mount, and where the volume leads.
        for wanted in ["rendered/traefik/dynamic", "traefik/acme"] {
            let wanted = state.join(wanted);
            assert!(
                below.iter().any(|asked| Path::new(asked) == wanted),
                "{}: {reached:?}",
                wanted.display()
            );
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _wake = UnixStream::connect(&self.socket);
    }
}

fn pass(
    mut client: UnixStream,
    note: impl Fn(&str) -> bool,
    reach: impl Fn(&[u8]),
) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if client.read(&mut byte)? == 0 || head.len() > 64 * 1024 {
            return Ok(());
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.trim_end().split("\r\n");
    let request = lines.next().unwrap_or_default();
    let call = pattern(request);
    if !note(&call) {
        let body = "{\"message\":\"the proxy refuses this call\"}";
        write!(
            client,
            "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        return Ok(());
    }
    let mut body = Vec::new();
    if ["POST /containers/create", "POST /volumes/create"].contains(&call.as_str()) {
        // Of unknown length it stays empty, which is told as well.
        let length = lines.clone().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse().ok()).flatten()
        });
        body.resize(length.unwrap_or(0), 0);
        client.read_exact(&mut body)?;
        reach(&body);
    }
    let mut engine = UnixStream::connect(super::socket())?;
    let mut sent = format!("{request}\r\n");
    for line in lines.filter(|line| !line.to_ascii_lowercase().starts_with("connection:")) {
        sent.push_str(line);
        sent.push_str("\r\n");
    }
    sent.push_str("Connection: close\r\n\r\n");
    engine.write_all(sent.as_bytes())?;
    engine.write_all(&body)?;
    let (mut from_client, mut to_engine) = (client.try_clone()?, engine.try_clone()?);
    std::thread::spawn(move || {
        let _cut = std::io::copy(&mut from_client, &mut to_engine);
        let _gone = to_engine.shutdown(Shutdown::Write);
    });
    let _cut = std::io::copy(&mut engine, &mut client);
    let _gone = client.shutdown(Shutdown::Both);
    Ok(())
}

/// What the body of a call that makes a container or a volume asks for of the
/// host: its paths, volumes by their names, and whatever else leads out.
fn asked_of_host(body: &[u8]) -> BTreeSet<String> {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return BTreeSet::from(["what cannot be read".to_owned()]);
    };
    let host = &body["HostConfig"];
    let all = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut asked = Vec::new();
    for bind in all(&host["Binds"]) {
        let source = bind.as_str().and_then(|bind| bind.split(':').next());
        asked.push(source.unwrap_or_default().to_owned());
    }
    let mut named = vec![body["DriverOpts"]["device"].clone()];
    for mount in all(&host["Mounts"]) {
        named.push(mount["Source"].clone());
        named.push(mount["VolumeOptions"]["DriverConfig"]["Options"]["device"].clone());
    }
    for device in all(&host["Devices"]) {
        named.push(device["PathOnHost"].clone());
    }
    named.extend(all(&host["VolumesFrom"]));
    asked.extend(
        named
            .iter()
            .filter_map(|name| name.as_str().map(str::to_owned)),
    );
    for mode in ["PidMode", "IpcMode", "UTSMode", "UsernsMode", "NetworkMode"] {
        if host[mode] == "host" {
            asked.push(format!("{mode} of the host"));
        }
    }
    if host["Privileged"] == true {
        asked.push("everything".to_owned());
    }
    asked.into_iter().collect()
}

/// `GET /v1.41/containers/abc/json?size=1 HTTP/1.1` as the list has it:
/// `GET /containers/{id}/json`.
pub fn pattern(request: &str) -> String {
    let mut words = request.split(' ');
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let path = path.split('?').next().unwrap_or_default();
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.first().is_some_and(|part| {
        part.strip_prefix('v')
            .is_some_and(|version| version.starts_with(|one: char| one.is_ascii_digit()))
    }) {
        parts.remove(0);
    }
    let shown = match parts.as_slice() {
        [
            kind @ ("containers" | "networks" | "volumes" | "images"),
            rest @ ..,
        ] => match rest {
            [] | ["json" | "create"] => parts.join("/"),
            // References of images have slashes of their own.
            [.., last] if *kind == "images" => format!("images/{{name}}/{last}"),
            [_] => format!("{kind}/{{id}}"),
            [_, verb @ ..] => format!("{kind}/{{id}}/{}", verb.join("/")),
        },
        _ => parts.join("/"),
    };
    format!("{method} /{shown}")
}
