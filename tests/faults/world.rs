//! Looks at the whole world from outside after a case, straight at the engine
//! and the files, and says what is not as it has to be.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::proxy::{Call, Proxy};
use crate::common::{Stack, engine_address};

/// One question to the engine, past every proxy; `Null` where it has nothing.
pub fn ask(path: &str) -> Value {
    match call("GET", path, &Value::Null) {
        (200, body) => body,
        _ => Value::Null,
    }
}

/// One call to the engine, past every proxy: status and answer.
pub fn call(method: &str, path: &str, body: &Value) -> (u16, Value) {
    let address = engine_address();
    let mut stream = UnixStream::connect(address.trim_start_matches("unix://")).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    // Of a 1.0 caller Go's server ends the connection and sends no chunks.
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: engine\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = Vec::new();
    let _cut = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    (
        status.unwrap_or_default(),
        serde_json::from_str(body).unwrap_or(Value::Null),
    )
}

/// A filter as the engine's API takes it.
fn filter(value: &Value) -> String {
    value
        .to_string()
        .replace('"', "%22")
        .replace('{', "%7B")
        .replace('}', "%7D")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Hears every start and end on the engine, so that two of one role at the
/// same moment are noticed even if a look never meets them.
pub struct Witness {
    seen: Arc<Mutex<Seen>>,
    stream: UnixStream,
}

#[derive(Default)]
struct Seen {
    /// Per role, ids that run.
    running: BTreeMap<String, BTreeSet<String>>,
    /// Moments at which a role had two or more.
    doubles: Vec<String>,
    /// Starts since it was last asked to forget them.
    starts: usize,
    /// Nobody listens any more.
    deaf: bool,
}

impl Witness {
    /// Listens from now on to the containers of `instance`.
    pub fn listen(instance: &str) -> Self {
        let address = engine_address();
        let mut stream = UnixStream::connect(address.trim_start_matches("unix://")).unwrap();
        let filters = filter(&json!({
            "type": ["container"],
            "event": ["start", "die", "destroy"],
            "label": [format!("org.colourstream.instance={instance}")],
        }));
        write!(
            stream,
            "GET /events?filters={filters} HTTP/1.0\r\nHost: engine\r\n\r\n"
        )
        .unwrap();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let (mut from, into) = (stream.try_clone().unwrap(), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut rest = Vec::new();
            let mut piece = [0; 16 * 1024];
            while let Ok(count @ 1..) = from.read(&mut piece) {
                rest.extend_from_slice(&piece[..count]);
                while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = rest.drain(..=end).collect();
                    if let Ok(event) = serde_json::from_slice::<Value>(&line) {
                        into.lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .take(&event);
                    }
                }
            }
            into.lock().unwrap_or_else(PoisonError::into_inner).deaf = true;
        });
        Self { seen, stream }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it heard at least so many starts; they are told a moment late.
    fn heard(&self, starts: usize) -> Result<(), String> {
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            let (deaf, heard) = {
                let seen = self.seen();
                (seen.deaf, seen.starts)
            };
            if deaf {
                return Err("the witness of starts hears nothing any more".to_owned());
            }
            if heard >= starts {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("the witness heard {heard} starts of {starts}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Moments at which two of `made` ran for one role, since it was last asked.
    fn doubles(&self) -> Vec<String> {
        std::mem::take(&mut self.seen().doubles)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _gone = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

impl Seen {
    fn take(&mut self, event: &Value) {
        let about = &event["Actor"]["Attributes"];
        let role = text(&about["org.colourstream.role"]);
        // What a test made by hand to look like ours says so.
        if role == "check" || about["by-hand"].is_string() {
            return;
        }
        let id = text(&event["Actor"]["ID"]);
        let running = self.running.entry(role.clone()).or_default();
        if event["Action"] == "start" {
            self.starts += 1;
            running.insert(id);
            if running.len() > 1 {
                self.doubles.push(format!("{role}: {running:?}"));
            }
        } else {
            running.remove(&id);
        }
    }
}

/// What was there before and must be there after, untouched.
pub struct Foreign {
    name: String,
    before: Value,
}

impl Foreign {
    /// Places a container, a network and a volume with names like ours.
    pub fn place(instance: &str, image: &str) -> Self {
        let name = format!("{instance}-foreign");
        crate::common::docker(&["run", "-d", "--name", &name, "-e", "SIM_FAULT=hang", image]);
        crate::common::docker(&["network", "create", &name]);
        crate::common::docker(&["volume", "create", &name]);
        let before = Self::look(&name);
        Self { name, before }
    }

    fn look(name: &str) -> Value {
        let container = ask(&format!("/containers/{name}/json"));
        let network = ask(&format!("/networks/{name}"));
        let volume = ask(&format!("/volumes/{name}"));
        json!([
            container["Id"],
            container["Name"],
            container["State"]["StartedAt"],
            container["State"]["Status"],
            container["RestartCount"],
            network["Id"],
            network["Created"],
            volume["CreatedAt"],
            volume["Mountpoint"],
        ])
    }

    fn check(&self) -> Result<(), String> {
        let now = Self::look(&self.name);
        if now == self.before {
            Ok(())
        } else {
            Err(format!(
                "something foreign was touched: {} became {now}",
                self.before
            ))
        }
    }
}

/// What the API answers to a question, if it does.
fn said(stack: &Stack, path: &str) -> Option<Value> {
    match stack.api("GET", path, &Value::Null) {
        Some((200, answer)) => Some(answer),
        _ => None,
    }
}

/// Rooms as far as only people change them, with their links and their keys.
/// Keys are told apart, not told.
pub fn rooms(stack: &Stack) -> Value {
    let Some(page) = said(stack, "/api/v1/rooms?limit=200") else {
        return Value::Null;
    };
    let mut all = Vec::new();
    for room in page["items"].as_array().into_iter().flatten() {
        let path = format!("/api/v1/rooms/{}", text(&room["id"]));
        let ingest = said(stack, &format!("{path}/ingest"));
        let links = said(stack, &format!("{path}/links"));
        let (Some(ingest), Some(links), Some(room)) = (ingest, links, room.as_object()) else {
            return Value::Null;
        };
        let mut room = room.clone();
        for live in ["live", "issues", "urls"] {
            room.remove(live);
        }
        let mut links = links["items"].clone();
        for link in links.as_array_mut().into_iter().flatten() {
            link.as_object_mut().map(|link| link.remove("last_seen"));
        }
        room.insert("links".to_owned(), links);
        room.insert("key".to_owned(), fingerprint(&text(&ingest["key"])).into());
        all.push(Value::Object(room));
    }
    Value::Array(all)
}

/// Enough to tell one secret from another.
fn fingerprint(secret: &str) -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    secret.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Every secret of the state folder and of the rooms.
pub fn secrets(stack: &Stack) -> Vec<String> {
    let mut all = Vec::new();
    if let Ok(bytes) = std::fs::read(stack.state().join("secrets.json")) {
        leaves(
            &serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            &mut all,
        );
    }
    let keys = [stack.state().join("tls"), stack.rendered("traefik/certs")];
    for file in keys.iter().flat_map(|folder| files(folder)) {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        if text.contains("PRIVATE KEY") {
            // One line of it is telling, and survives any wrapping.
            all.extend(text.lines().nth(2).map(str::to_owned));
        }
    }
    for room in ids(stack) {
        if let Some(ingest) = said(stack, &format!("/api/v1/rooms/{room}/ingest")) {
            all.push(text(&ingest["key"]));
        }
    }
    all.retain(|secret| secret.len() >= 8);
    all.sort();
    all.dedup();
    all
}

fn ids(stack: &Stack) -> Vec<String> {
    let page = said(stack, "/api/v1/rooms?limit=200").unwrap_or(Value::Null);
    let rooms = page["items"].as_array().into_iter().flatten();
    rooms.map(|room| text(&room["id"])).collect()
}

/// All that the product says to those who ask, but for the answers that are
/// there to show a secret.
fn answers(stack: &Stack) -> Vec<(String, String)> {
    let mut paths: Vec<String> = [
        "status",
        "plan",
        "journal?limit=200",
        "rooms?limit=200",
        "files",
        "audit",
        "admins",
        "tokens",
        "profiles",
        "me",
        "series",
        "backups",
        "setup",
    ]
    .iter()
    .map(|name| format!("/api/v1/{name}"))
    .collect();
    for room in ids(stack) {
        for more in ["", "/links", "/activity", "/impact"] {
            paths.push(format!("/api/v1/rooms/{room}{more}"));
        }
    }
    for role in crate::common::ROLES {
        paths.push(format!("/api/v1/services/{role}/logs"));
    }
    let files = said(stack, "/api/v1/files").unwrap_or(Value::Null);
    for file in files["items"].as_array().into_iter().flatten() {
        paths.push(format!("/api/v1/files/{}", text(&file["path"])));
    }
    let mut all: Vec<(String, String)> = paths
        .into_iter()
        .filter_map(|path| {
            let (_, body) = stack.api("GET", &path, &Value::Null)?;
            Some((path, body.to_string()))
        })
        .collect();
    let internal = format!("127.0.0.1:{}", stack.port(6));
    if let Some((_, body)) = crate::common::http("GET", &internal, "controller", "/metrics", "") {
        all.push(("/metrics".to_owned(), body));
    }
    all
}

fn leaves(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, into)),
        Value::Object(map) => map.values().for_each(|item| leaves(item, into)),
        _ => {}
    }
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file())
        .collect()
}

/// All that the engine shows of ours: what `docker inspect` says, with labels.
pub fn inspections(instance: &str) -> String {
    let label = format!("org.colourstream.instance={instance}");
    let filters = filter(&json!({"label": [label]}));
    let mut all = String::new();
    for container in list(&format!("/containers/json?all=1&filters={filters}")) {
        all += &ask(&format!("/containers/{}/json", text(&container["Id"]))).to_string();
    }
    for network in list(&format!("/networks?filters={filters}")) {
        all += &network.to_string();
    }
    all + &ask(&format!("/volumes?filters={filters}")).to_string()
}

fn list(path: &str) -> Vec<Value> {
    ask(path).as_array().cloned().unwrap_or_default()
}

/// Names and states of all containers with our label, made by hand or not.
pub fn containers(instance: &str) -> BTreeMap<String, String> {
    let label = format!("org.colourstream.instance={instance}");
    let filters = filter(&json!({"label": [label]}));
    list(&format!("/containers/json?all=1&filters={filters}"))
        .iter()
        // One whose removal hangs has lost its name, and nobody can find it.
        .filter(|container| !container["Names"][0].is_null())
        .map(|container| {
            let name = text(&container["Names"][0]);
            (
                name.trim_start_matches('/').to_owned(),
                text(&container["State"]),
            )
        })
        .collect()
}

/// The journal after the entry `after`, oldest first: action and outcome.
pub fn journal(stack: &Stack, after: i64) -> Vec<(i64, String, Option<String>)> {
    let served = stack.api("GET", "/api/v1/journal?limit=200", &Value::Null);
    let mut entries: Vec<(i64, String, Option<String>)> = match served {
        Some((200, page)) => page["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|entry| {
                // What the API calls waiting has no end written down.
                let outcome = entry["outcome"]
                    .as_str()
                    .filter(|word| *word != "waiting")
                    .map(str::to_owned);
                (entry["id"].as_i64().unwrap(), text(&entry["what"]), outcome)
            })
            .collect(),
        _ => {
            let path = stack.state().join("colourstream.db");
            if !path.exists() {
                return Vec::new();
            }
            let version = env!("CARGO_PKG_VERSION");
            let store = colourstream::store::Store::open_beside(&path, version).unwrap();
            let page = store.journal(&colourstream::store::JournalFilter::default(), None, 200);
            page.unwrap()
                .into_iter()
                .map(|entry| (entry.id, entry.action, entry.outcome))
                .collect()
        }
    };
    entries.retain(|(id, ..)| *id > after);
    entries.reverse();
    entries
}

/// Why the entries after `after` were done, as a person reads it.
pub fn causes(stack: &Stack, after: i64) -> Vec<String> {
    let page = stack.get("/api/v1/journal?limit=200");
    let entries = page["items"].as_array().into_iter().flatten();
    entries
        .filter(|entry| entry["id"].as_i64().is_some_and(|id| id > after))
        .map(|entry| text(&entry["why"]))
        .collect()
}

/// The entry a changing call belongs to: how it begins, and what it names.
/// Throw-aways are one entry for all their calls.
fn wanted_entry(call: &Call) -> Option<(&'static str, String)> {
    let (method, path) = call.point.split_once(' ')?;
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let named = query.split('&').find_map(|pair| pair.strip_prefix("name="));
    let (verb, name) = match (method, parts.as_slice()) {
        ("POST", ["containers", "create"]) => ("create container", named?),
        ("POST", ["containers", name, "start"]) => ("start", *name),
        ("POST", ["containers", name, "stop"]) => ("stop", *name),
        ("POST", ["containers", name, "rename"]) => ("rename", *name),
        ("POST", ["containers", name, "unpause"]) => ("unpause", *name),
        ("POST", ["containers", name, "kill"]) => ("remind", *name),
        ("DELETE", ["containers", name]) => ("remove container", *name),
        ("POST", ["networks", "create"]) => ("create network", ""),
        ("POST", ["networks", _, "connect"]) => ("connect", ""),
        ("POST", ["networks", _, "disconnect"]) => ("disconnect", ""),
        ("DELETE", ["networks", _]) => ("remove network", ""),
        ("POST", ["volumes", "create"]) => ("create volume", ""),
        ("DELETE", ["volumes", _]) => ("remove volume", ""),
        ("POST", ["images", "create"]) => ("pull", ""),
        _ => return None,
    };
    if name.ends_with(".check") {
        return Some(("try out", name.to_owned()));
    }
    Some((verb, name.to_owned()))
}

/// Every changing call has its entry, opened before it was made and in the
/// order of its lane; every entry has an end, but for those whose controller
/// was killed.
pub fn journal_is_complete(
    stack: &Stack,
    after: i64,
    calls: &[Call],
    was_killed: bool,
) -> Result<(), String> {
    let entries = journal(stack, after);
    let mut taken = vec![false; entries.len()];
    // Per lane, the entry behind which the next one is looked for.
    let mut lanes: BTreeMap<String, usize> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.changes) {
        let Some((verb, name)) = wanted_entry(call) else {
            return Err(format!("the checker does not know the call {}", call.point));
        };
        // By the name the look saw: a step may call it by its new name or its
        // old, and a hand may have given it another one.
        let stem = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        let mut stems: Vec<String> = call.names.iter().map(|name| stem(name)).collect();
        stems.push(stem(&name));
        let named = |action: &str| {
            action.starts_with(verb) && stems.iter().any(|stem| action.contains(stem.as_str()))
        };
        let from = lanes.get(&stem(&name)).copied().unwrap_or_default();
        let tries = verb == "try out";
        let place =
            (from..entries.len()).find(|at| (tries || !taken[*at]) && named(&entries[*at].1));
        let Some(place) = place else {
            return Err(format!(
                "no journal entry for {} ({verb} {stems:?}) in its order among {entries:?}",
                call.point
            ));
        };
        taken[place] = true;
        lanes.insert(stem(&name), place);
    }
    // One entry for each lane can be open when the controller dies.
    let open = entries
        .iter()
        .filter(|(.., outcome)| outcome.is_none())
        .count();
    if open > if was_killed { 4 } else { 0 } {
        return Err(format!(
            "{open} journal entries without an end: {entries:?}"
        ));
    }
    Ok(())
}

/// What the checker compares with.
pub struct World {
    witness: Witness,
    foreign: Foreign,
    rooms: Value,
    /// Secrets that only those know to whom they were shown.
    shown: Vec<String>,
    /// How much of the log was searched already.
    read: usize,
}

impl World {
    /// Takes the world as it is now for the one that must stay.
    pub fn watch(stack: &Stack, image: &str) -> Self {
        Self {
            witness: Witness::listen(&stack.name),
            foreign: Foreign::place(&stack.name, image),
            rooms: Value::Null,
            shown: Vec::new(),
            read: 0,
        }
    }

    /// Starts are counted from here on.
    pub fn begin(&self) {
        self.witness.seen().starts = 0;
    }

    /// This was shown to somebody once, and is nowhere else.
    pub fn keep_secret(&mut self, secret: &str) {
        assert!(secret.len() >= 8, "too short to be looked for: {secret}");
        self.shown.push(secret.to_owned());
    }

    /// From now on the rooms have to stay as they are.
    pub fn keep_rooms(&mut self, stack: &Stack) -> Result<(), String> {
        let now = rooms(stack);
        if now.as_array().is_none_or(Vec::is_empty) {
            return Err(format!("no rooms are told that could be kept: {now}"));
        }
        self.rooms = now;
        Ok(())
    }

    /// The rooms may be anything from now on.
    pub fn forget_rooms(&mut self) {
        self.rooms = Value::Null;
    }

    /// All that holds in every world, converged or not.
    pub fn check(
        &mut self,
        stack: &Stack,
        proxy: &Proxy,
        journal_after: i64,
        was_killed: bool,
    ) -> Result<(), String> {
        let calls = proxy.calls();
        journal_is_complete(stack, journal_after, &calls, was_killed)?;
        let started = |call: &&Call| {
            call.status == Some(204)
                && call.point.ends_with("/start")
                && !call.point.contains(".check/")
        };
        self.witness.heard(calls.iter().filter(started).count())?;
        self.check_but_journal(stack)
    }

    /// The same where the journal could not be written.
    pub fn check_but_journal(&mut self, stack: &Stack) -> Result<(), String> {
        let doubles = self.witness.doubles();
        if !doubles.is_empty() {
            return Err(format!(
                "two running containers of one role: {}",
                doubles.join("; ")
            ));
        }
        self.foreign.check()?;
        if !self.rooms.is_null() {
            let now = rooms(stack);
            if now != self.rooms {
                return Err(format!("the rooms changed from {} to {now}", self.rooms));
            }
        }
        self.no_secret(stack)
    }

    /// No secret in the log, in any answer, or in what the engine shows.
    pub fn no_secret(&mut self, stack: &Stack) -> Result<(), String> {
        let log = stack.log();
        let new = log.get(self.read..).unwrap_or(&log).to_owned();
        self.read = log.len();
        let story = std::fs::read_to_string(stack.dir.path().join("story")).unwrap_or_default();
        let mut all = answers(stack);
        if all.len() < 10 {
            return Err(format!("hardly anything is answered: {}", all.len()));
        }
        all.push(("the log".to_owned(), new));
        all.push(("what it printed".to_owned(), story));
        all.push(("docker inspect".to_owned(), inspections(&stack.name)));
        let mut secrets = secrets(stack);
        if secrets.len() < 5 {
            return Err(format!("only {} secrets are known", secrets.len()));
        }
        secrets.extend(self.shown.iter().cloned());
        for secret in secrets {
            if let Some((place, _)) = all.iter().find(|(_, text)| text.contains(&secret)) {
                return Err(format!("{place} holds the secret {secret}"));
            }
        }
        Ok(())
    }
}
