//! A way to the engine that records every call and does wrong what it is told
//! to do wrong: the controller is killed before or after a call, an answer is
//! lost, late, refused, garbled or old, and the event stream is cut, frozen,
//! doubled, thinned out, put out of order or flooded.
//!
//! Calls are named by what they are about, not by ids, so that the same call
//! has the same name in every run: `POST /containers/mirotalk.next/start`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};

type Body = UnsyncBoxBody<Bytes, hyper::Error>;
type Broken = std::io::Error;

/// One call as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its name.
    pub point: String,
    /// How many calls of this name came before it.
    pub nth: usize,
    /// Whether it can change something.
    pub changes: bool,
    /// The call that changed something last, when it came.
    pub behind: Option<(String, usize)>,
    /// Whether it came from the one who is watched, and not from a second
    /// process that looks on.
    pub watched: bool,
    /// What the engine answered; `None` while it is under way, or not asked.
    pub status: Option<u16>,
    /// Every name that what it is about has had, without our instance's.
    pub names: BTreeSet<String>,
}

impl Call {
    /// Reads of one kind differ in what they ask about only.
    pub fn kind(&self) -> &str {
        let path = self.point.split_once(' ').map_or("", |(_, path)| path);
        path.trim_start_matches('/')
            .split(['/', '?'])
            .next()
            .unwrap_or_default()
    }
}

/// What is done to a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The controller is killed, the engine never hears of the call.
    KillBefore,
    /// The engine has done it; the controller is killed before it knows.
    KillAfter,
    /// The engine has done it, and the connection ends without an answer.
    LoseAnswer,
    /// The engine hears of it this much later.
    Delay(Duration),
    /// The engine never hears of it; this is answered.
    Answer(u16, String),
    /// The engine has done it; the answer is this in its stead.
    Garble(String),
    /// What was answered to the same question when it was first put.
    Old,
}

/// Which calls a fault is done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one of this name that has so many before it.
    Call(String, usize),
    /// The first read of this name once that call was made, or at all. (The
    /// lanes of the services run side by side: another call may come between.)
    ReadBehind(Option<(String, usize)>, String),
    /// All whose name begins with this.
    Like(String),
    /// All that can change something.
    Changes,
    /// All but events.
    All,
}

impl Which {
    fn is(&self, call: &Call, changes: &[(String, usize)]) -> bool {
        match self {
            Self::Call(point, nth) => call.point == *point && call.nth == *nth,
            Self::ReadBehind(behind, point) => {
                let made = behind
                    .as_ref()
                    .is_none_or(|behind| changes.contains(behind));
                !call.changes && made && call.point == *point
            }
            Self::Like(prefix) => call.point.starts_with(prefix.as_str()),
            Self::Changes => call.changes,
            Self::All => true,
        }
    }
}

struct Rule {
    which: Which,
    fault: Fault,
    times: usize,
}

/// What becomes of the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    /// They pass.
    Pass,
    /// Nothing comes, and the stream stays open.
    Freeze,
    /// Those about our own things alone: whatever starts on an engine makes
    /// everybody look who listens.
    Ours,
    /// Every second is lost.
    Drop,
    /// Each comes three times.
    Double,
    /// Each comes after the one behind it, or late.
    Reorder,
}

/// How long an event is held back that none comes behind.
const LATE: Duration = Duration::from_millis(600);

#[derive(Default)]
struct Book {
    calls: Vec<Call>,
    counts: HashMap<String, usize>,
    /// The calls that can change something, in their order.
    changes: Vec<(String, usize)>,
    rules: Vec<Rule>,
    fired: usize,
    /// The same since it began.
    landed: usize,
    /// Kills that were taken, ever; each strikes a moment later.
    kills: usize,
    names: BTreeMap<String, String>,
    /// Every name that an id has had.
    had: BTreeMap<String, BTreeSet<String>>,
    made: Vec<String>,
    first_answers: HashMap<String, (StatusCode, Bytes)>,
    victim: Option<u32>,
    is_listening: bool,
}

impl Book {
    /// What an id is called from now on.
    fn call(&mut self, id: String, name: String) {
        self.had.entry(id.clone()).or_default().insert(name.clone());
        self.names.insert(id, name);
    }
}

struct Shared {
    engine: PathBuf,
    instance: String,
    book: Mutex<Book>,
    events: watch::Sender<(Events, u64)>,
    flood: tokio::sync::broadcast::Sender<usize>,
}

/// See the module. Ends when it is dropped.
pub struct Proxy {
    shared: Arc<Shared>,
    path: PathBuf,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Proxy {
    /// Opens a way at `path` to the engine of the tests.
    pub fn open(path: &Path, instance: &str) -> Self {
        let address = crate::common::engine_address();
        let shared = Arc::new(Shared {
            engine: PathBuf::from(address.trim_start_matches("unix://")),
            instance: instance.to_owned(),
            book: Mutex::default(),
            events: watch::Sender::new((Events::Pass, 0)),
            flood: tokio::sync::broadcast::Sender::new(4),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = {
            let _in = runtime.enter();
            UnixListener::bind(path).unwrap()
        };
        runtime.spawn(accept(listener, Arc::clone(&shared)));
        Self {
            shared,
            path: path.to_owned(),
            runtime: Some(runtime),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.shared.book()
    }

    /// Forgets calls and rules; tells who is killed from now on.
    pub fn reset(&self, victim: Option<u32>) {
        let mut book = self.book();
        book.calls.clear();
        book.counts.clear();
        book.changes.clear();
        book.rules.clear();
        book.fired = 0;
        book.first_answers.clear();
        book.victim = victim;
    }

    /// Who is killed from now on.
    pub fn aim(&self, victim: u32) {
        self.book().victim = Some(victim);
    }

    /// Does `fault` to the next `times` calls that are `which`.
    pub fn arm(&self, which: Which, fault: Fault, times: usize) {
        self.book().rules.push(Rule {
            which,
            fault,
            times,
        });
    }

    /// Does nothing wrong any more.
    pub fn disarm(&self) {
        self.book().rules.clear();
    }

    /// How many faults still lie in wait.
    pub fn armed(&self) -> usize {
        self.book().rules.iter().map(|rule| rule.times).sum()
    }

    /// How often a fault was done since the last reset.
    pub fn fired(&self) -> usize {
        self.book().fired
    }

    /// How often a fault was done, ever.
    pub fn landed(&self) -> usize {
        self.book().landed
    }

    /// How many kills were taken, ever.
    pub fn kills(&self) -> usize {
        self.book().kills
    }

    /// Every call since the last reset.
    pub fn calls(&self) -> Vec<Call> {
        self.book().calls.clone()
    }

    /// Calls since the last reset that have no answer, or not yet.
    pub fn unanswered(&self) -> Vec<String> {
        let calls = self.calls().into_iter();
        let open = calls.filter(|call| call.status.is_none());
        open.map(|call| call.point).collect()
    }

    /// Ids of all containers that were made on this way.
    pub fn made(&self) -> Vec<String> {
        self.book().made.clone()
    }

    /// What becomes of events from now on. Streams that are open follow.
    pub fn events(&self, events: Events) {
        self.shared.events.send_modify(|now| now.0 = events);
    }

    /// Ends every event stream.
    pub fn cut_events(&self) {
        self.shared.events.send_modify(|now| now.1 += 1);
    }

    /// So many events at once, about a container of ours that never was.
    pub fn flood(&self, count: usize) {
        let _nobody_listens = self.shared.flood.send(count);
    }

    /// Whether somebody listens to events on this way.
    pub fn is_heard(&self) -> bool {
        self.shared.flood.receiver_count() > 0
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.path);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: UnixListener, shared: Arc<Shared>) {
    loop {
        // One that cannot be taken, for want of a handle, is no end of the way.
        let Ok((near, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        let caller = near
            .peer_cred()
            .ok()
            .and_then(|who| who.pid())
            .map(i32::cast_unsigned);
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { shared.serve(request, caller).await }
            });
            let _ended = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(near), service)
                .with_upgrades()
                .await;
        });
    }
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(
        &self,
        request: Request<Incoming>,
        caller: Option<u32>,
    ) -> Result<Response<Body>, Broken> {
        let method = request.method().clone();
        let target = request
            .uri()
            .path_and_query()
            .map_or_else(String::new, ToString::to_string);
        let (index, fault, victim) = self.note(&method, &target, caller);
        match &fault {
            Some(Fault::KillBefore) => {
                kill(victim);
                return Err(Broken::other("killed before"));
            }
            Some(Fault::Answer(status, text)) => {
                let status = StatusCode::from_u16(*status).map_err(Broken::other)?;
                self.book().calls[index].status = Some(status.as_u16());
                return Ok(answer(status, Bytes::from(text.clone())));
            }
            Some(Fault::Delay(time)) => tokio::time::sleep(*time).await,
            Some(Fault::Old) => {
                let old = self.book().first_answers.get(&target).cloned();
                if let Some((status, bytes)) = old {
                    return Ok(answer(status, bytes));
                }
            }
            _ => {}
        }
        if request.headers().contains_key(header::UPGRADE) {
            return self.upgrade(request).await;
        }
        let path = target.split('?').next().unwrap_or_default();
        let is_stream = path.ends_with("/events")
            || path.ends_with("/logs")
            || path.ends_with("/wait")
            || path.ends_with("/images/create");
        let mut response = self.forward(request).await?;
        self.settle(index, response.status());
        if is_stream {
            if let Some(Fault::KillAfter) = fault {
                kill(victim);
                return Err(Broken::other("killed after"));
            }
            if let Some(Fault::LoseAnswer) = fault {
                return Err(Broken::other("the answer is lost"));
            }
            if path.ends_with("/events") {
                return Ok(response.map(|body| self.follow(body)));
            }
            return Ok(response.map(|body| body.boxed_unsync()));
        }
        let status = response.status();
        let bytes = response
            .body_mut()
            .collect()
            .await
            .map_err(Broken::other)?
            .to_bytes();
        self.learn(&method, &target, status, &bytes);
        match fault {
            Some(Fault::KillAfter) => {
                kill(victim);
                Err(Broken::other("killed after"))
            }
            Some(Fault::LoseAnswer) => Err(Broken::other("the answer is lost")),
            Some(Fault::Garble(text)) => Ok(answer(status, Bytes::from(text))),
            _ => {
                let mut whole = Response::new(full(bytes));
                *whole.status_mut() = status;
                for (name, value) in response.headers() {
                    if *name != header::TRANSFER_ENCODING && *name != header::CONTENT_LENGTH {
                        whole.headers_mut().insert(name, value.clone());
                    }
                }
                Ok(whole)
            }
        }
    }

    /// Writes the call down and finds what is to be done to it, and to whom.
    fn note(
        &self,
        method: &Method,
        target: &str,
        caller: Option<u32>,
    ) -> (usize, Option<Fault>, Option<u32>) {
        let mut book = self.book();
        let watched = book.victim.is_none() || book.victim == caller;
        let point = format!("{method} {}", self.name(&book.names, target));
        // Somebody who asks about the engine or listens changes nothing.
        let changes = !matches!(*method, Method::GET | Method::HEAD) && !point.ends_with("/wait");
        let count = book.counts.entry(point.clone()).or_default();
        let nth = *count;
        *count += usize::from(watched);
        let call = Call {
            point: point.clone(),
            nth,
            changes,
            behind: book.changes.last().cloned(),
            watched,
            status: None,
            names: self.names(&book.had, target),
        };
        let Book {
            rules,
            changes: made,
            ..
        } = &mut *book;
        let rule = rules
            .iter_mut()
            .find(|rule| watched && rule.times > 0 && rule.which.is(&call, made));
        let fault = rule.map(|rule| {
            rule.times -= 1;
            rule.fault.clone()
        });
        // There is no old answer to what was not asked before.
        let landed = match &fault {
            None => false,
            Some(Fault::Old) => book.first_answers.contains_key(target),
            Some(_) => true,
        };
        book.fired += usize::from(landed);
        book.landed += usize::from(landed);
        let kills = matches!(fault, Some(Fault::KillBefore | Fault::KillAfter));
        book.kills += usize::from(kills);
        if changes && watched {
            book.changes.push((point, nth));
        }
        book.calls.push(call);
        (book.calls.len() - 1, fault, book.victim)
    }

    /// Every name that what a path is about has had.
    fn names(&self, had: &BTreeMap<String, BTreeSet<String>>, target: &str) -> BTreeSet<String> {
        let path = target.split('?').next().unwrap_or_default();
        let known = path.split('/').filter_map(|part| had.get(part)).flatten();
        known
            .map(|name| name.replace(&format!("{}-", self.instance), ""))
            .collect()
    }

    fn settle(&self, index: usize, status: StatusCode) {
        // After a reset the number belongs to another call or to none.
        if let Some(call) = self.book().calls.get_mut(index) {
            call.status = Some(status.as_u16());
        }
    }

    /// A path without ids, without our instance's name, and without the
    /// reference that is pulled: houses beside each other have their own.
    fn name(&self, names: &BTreeMap<String, String>, target: &str) -> String {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let short = |text: &str| {
            let text = text.replace("%3A", ":").replace("%2F", "/");
            names
                .get(&text)
                .map_or(text.as_str(), String::as_str)
                .replace(&format!("{}-", self.instance), "")
                .replace(&format!("{}/", self.instance), "")
                .replace(&self.instance, "network")
        };
        let mut out: Vec<String> = path.split('/').map(short).collect();
        for part in &mut out {
            if part.starts_with("sha256:") {
                "id".clone_into(part);
            }
        }
        // An image is asked for by any of its names, and houses beside each
        // other have their own.
        let is_image = |part: &String| part == "images";
        if let (Some(first), true) = (out.iter().position(is_image), path.ends_with("/json"))
            && out.len() > first + 2
        {
            out.splice(first + 1..out.len() - 1, ["ref".to_owned()]);
        }
        let told = ["name=", "fromImage=", "signal="];
        let more: Vec<String> = query
            .split('&')
            .filter(|pair| told.iter().any(|key| pair.starts_with(key)))
            .map(|pair| match pair.starts_with("fromImage=") {
                true => "fromImage".to_owned(),
                false => short(pair),
            })
            .collect();
        let mark = if more.is_empty() { "" } else { "?" };
        format!("{}{mark}{}", out.join("/"), more.join("&"))
    }

    /// Takes from an answer which id has which name.
    fn learn(&self, method: &Method, target: &str, status: StatusCode, bytes: &Bytes) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut book = self.book();
        book.first_answers
            .entry(target.to_owned())
            .or_insert_with(|| (status, bytes.clone()));
        if !status.is_success() {
            return;
        }
        let named = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("name="))
            .map(str::to_owned);
        if *method == Method::POST && path.ends_with("/rename") {
            let id = path.split('/').rev().nth(1).unwrap_or_default().to_owned();
            let known = book
                .names
                .iter()
                .find(|(key, name)| **key == id || **name == id);
            if let (Some(name), Some(id)) = (named, known.map(|(id, _)| id.clone())) {
                book.call(id, name);
            }
            return;
        }
        let is_list = path.ends_with("/containers/json") || path.ends_with("/networks");
        let is_made = *method == Method::POST && path.ends_with("/create");
        if !is_list && !is_made {
            return;
        }
        let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
            return;
        };
        let text = |value: &Value| {
            value
                .as_str()
                .map(|text| text.trim_start_matches('/').to_owned())
        };
        if let Some(id) = text(&value["Id"]) {
            if path.ends_with("/containers/create") {
                book.made.push(id.clone());
            }
            if let Some(name) = named {
                book.call(id, name);
            }
        }
        for item in value.as_array().into_iter().flatten() {
            let name = text(&item["Name"]).or_else(|| text(&item["Names"][0]));
            if let (Some(id), Some(name)) = (text(&item["Id"]), name) {
                book.call(id, name);
            }
        }
    }

    async fn forward(&self, request: Request<Incoming>) -> Result<Response<Incoming>, Broken> {
        let far = UnixStream::connect(&self.engine).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(far))
            .await
            .map_err(Broken::other)?;
        tokio::spawn(connection.with_upgrades());
        sender.send_request(request).await.map_err(Broken::other)
    }

    /// Both sides speak something else from now on; it passes as it is.
    async fn upgrade(&self, mut request: Request<Incoming>) -> Result<Response<Body>, Broken> {
        let near = hyper::upgrade::on(&mut request);
        let mut response = self.forward(request).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let far = hyper::upgrade::on(&mut response);
            tokio::spawn(async move {
                if let (Ok(near), Ok(far)) = tokio::join!(near, far) {
                    let (mut near, mut far) = (TokioIo::new(near), TokioIo::new(far));
                    let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                }
            });
        }
        Ok(response.map(|body| body.boxed_unsync()))
    }

    /// The events, as they are told to be.
    fn follow(&self, body: Incoming) -> Body {
        let (out, inbox) = mpsc::channel::<Bytes>(64);
        let mut how = self.events.subscribe();
        let mut flood = self.flood.subscribe();
        let instance = self.instance.clone();
        tokio::spawn(async move {
            let mut lines = body.into_data_stream();
            let begun = how.borrow().1;
            // Held back, and until when: late is not lost.
            let mut kept: Option<Bytes> = None;
            let mut late = tokio::time::Instant::now();
            let mut count = 0_usize;
            loop {
                tokio::select! {
                    line = lines.next() => {
                        let Some(Ok(line)) = line else { break };
                        count += 1;
                        let now = how.borrow().0;
                        let told: Vec<Bytes> = match now {
                            Events::Pass => vec![line],
                            Events::Freeze => Vec::new(),
                            Events::Ours => {
                                let text = String::from_utf8_lossy(&line);
                                let ours = text.contains(&instance);
                                ours.then_some(line).into_iter().collect()
                            }
                            Events::Drop => count.is_multiple_of(2).then_some(line).into_iter().collect(),
                            Events::Double => vec![line.clone(), line.clone(), line],
                            Events::Reorder => match kept.take() {
                                Some(earlier) => vec![line, earlier],
                                None => {
                                    kept = Some(line);
                                    late = tokio::time::Instant::now() + LATE;
                                    Vec::new()
                                }
                            },
                        };
                        for line in told {
                            if out.send(line).await.is_err() { return }
                        }
                    }
                    changed = how.changed() => {
                        if changed.is_err() || how.borrow().1 != begun { break }
                    }
                    many = flood.recv() => {
                        let Ok(many) = many else { continue };
                        for number in 0..many {
                            if out.send(an_event(&instance, number)).await.is_err() { return }
                        }
                    }
                    () = tokio::time::sleep_until(late), if kept.is_some() => {
                        let Some(line) = kept.take() else { continue };
                        if out.send(line).await.is_err() { return }
                    }
                    () = out.closed() => return,
                }
            }
        });
        let frames = stream::unfold(inbox, |mut inbox| async move {
            let line = inbox.recv().await?;
            Some((Ok::<_, hyper::Error>(Frame::data(line)), inbox))
        });
        UnsyncBoxBody::new(StreamBody::new(frames))
    }
}

/// Who was aimed at when the call came, whoever has taken their place since.
fn kill(victim: Option<u32>) {
    if let Some(pid) = victim.and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed())) {
        let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

fn answer(status: StatusCode, bytes: Bytes) -> Response<Body> {
    let mut response = Response::new(full(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    response
}

fn an_event(instance: &str, number: usize) -> Bytes {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let event = serde_json::json!({
        "Type": "container",
        "Action": if number.is_multiple_of(2) { "start" } else { "die" },
        "Actor": {"ID": format!("{number:064x}"), "Attributes": {
            "name": format!("{instance}-mirotalk"),
            "org.colourstream.instance": instance,
        }},
        "scope": "local",
        "time": now,
        "timeNano": now * 1_000_000_000,
    });
    Bytes::from(event.to_string() + "\n")
}
