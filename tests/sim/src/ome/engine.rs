//! Streams, publishers and viewers: the state behind every door of OME.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use tokio::sync::watch;

use super::config::{App, Config, VHost};
use super::hooks::{self, Answer, Direction, Notice, Protocol};
use super::log::Log;
use super::media::Media;
use super::tracks::Track;
use super::url;
use crate::common::text;

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The client went away.
    Left,
    /// `DELETE` on the stream.
    Deleted,
    /// Its `lifetime` ran out.
    Expired,
    /// Nothing came for `PacketSilenceTimeoutMs`.
    Silent,
    /// A newcomer took the name over.
    Replaced,
    /// OME stops.
    Shutdown,
}

/// Kept out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// As OME would log it.
    pub reason: String,
    /// A stream of that name is live already.
    pub duplicate: bool,
    /// The controller said no, or could not be asked.
    pub by_hook: bool,
}

impl Denied {
    /// Kept out for a reason that is no duplicate.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            duplicate: false,
            by_hook: false,
        }
    }
}

/// Let in, with everything resolved.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// The question asked.
    pub notice: Notice,
    /// Virtual host.
    pub vhost: String,
    /// Application.
    pub app: String,
    /// Stream name.
    pub stream: String,
    /// Until when.
    pub lifetime: Option<Duration>,
}

/// A live publisher and its stream, which are one.
#[derive(Debug)]
pub struct Live {
    /// Our number.
    pub id: u64,
    /// How it got in.
    pub admitted: Admitted,
    /// When.
    pub created: SystemTime,
    /// The same, steady.
    pub started: Instant,
    /// Random part of its LLHLS file names.
    pub key: String,
    /// What it sends.
    pub tracks: Mutex<Vec<Track>>,
    /// Not yet in lists before this.
    listed: Instant,
    /// True while data comes by itself; a real encoder touches instead.
    flowing: Mutex<bool>,
    /// Last data seen, while not flowing.
    last: Mutex<(Instant, SystemTime)>,
    end: watch::Sender<Option<End>>,
    done: watch::Sender<bool>,
}

impl Live {
    /// When data last came.
    pub fn last_received(&self) -> (Instant, SystemTime) {
        if *lock(&self.flowing) {
            (Instant::now(), SystemTime::now())
        } else {
            *lock(&self.last)
        }
    }

    /// Data came just now.
    pub fn touch(&self) {
        *lock(&self.last) = (Instant::now(), SystemTime::now());
    }

    /// Stops or resumes the data without a word.
    pub fn freeze(&self, frozen: bool) {
        self.touch();
        *lock(&self.flowing) = !frozen;
    }

    /// Seconds the media itself lasts so far: a frozen encoder's stands still.
    pub fn age(&self) -> Duration {
        self.last_received()
            .0
            .saturating_duration_since(self.started)
    }

    /// Whether REST and players see it yet.
    pub fn is_listed(&self) -> bool {
        Instant::now() >= self.listed
    }

    /// Ends it.
    pub fn finish(&self, why: End) {
        self.end.send_if_modified(|end| {
            let first = end.is_none();
            end.get_or_insert(why);
            first
        });
    }

    /// Resolves when it ends.
    pub async fn ended(&self) -> End {
        let mut end = self.end.subscribe();
        loop {
            if let Some(why) = *end.borrow_and_update() {
                return why;
            }
            if end.changed().await.is_err() {
                return End::Left;
            }
        }
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.end.borrow().is_some()
    }
}

/// A viewer.
#[derive(Debug)]
pub struct Viewer {
    /// Our number.
    pub id: u64,
    /// How it got in.
    pub admitted: Admitted,
    /// What it watches.
    pub live: Arc<Live>,
    /// LLHLS: the session key.
    pub session: String,
    /// LLHLS: until when; a new master renews it.
    pub expires: Mutex<Option<Instant>>,
    /// LLHLS: connections that used it.
    pub connections: Mutex<HashSet<u64>>,
    end: watch::Sender<bool>,
}

impl Viewer {
    /// Ends it.
    pub fn finish(&self) {
        self.end.send_replace(true);
    }

    /// Resolves when it is ended from outside.
    pub async fn ended(&self) {
        let mut end = self.end.subscribe();
        let _ = end.wait_for(|over| *over).await;
    }
}

#[derive(Debug, Default)]
struct State {
    live: HashMap<(String, String, String), Arc<Live>>,
    viewers: BTreeMap<u64, Arc<Viewer>>,
    hooks: Vec<Value>,
}

/// The engine.
#[derive(Debug)]
pub struct Engine {
    /// What the file says, for ever.
    pub config: Config,
    /// Its voice.
    pub log: Log,
    /// Its `Server.id`, new at each start.
    pub server_id: String,
    /// When it started.
    pub created: SystemTime,
    /// Pictures for WebRTC viewers.
    pub media: Media,
    /// Held during a hook when RTMP shares one thread.
    rtmp_thread: tokio::sync::Mutex<()>,
    srt_thread: tokio::sync::Mutex<()>,
    numbers: AtomicU64,
    state: Mutex<State>,
}

/// A lock that a panicking test thread cannot poison for the others.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    /// An engine with nothing live.
    pub fn new(config: Config, log: Log) -> Arc<Self> {
        Arc::new(Self {
            config,
            log,
            server_id: text::uuid(),
            created: SystemTime::now(),
            media: Media::default(),
            rtmp_thread: tokio::sync::Mutex::default(),
            srt_thread: tokio::sync::Mutex::default(),
            numbers: AtomicU64::new(1),
            state: Mutex::default(),
        })
    }

    /// A number nobody has.
    pub fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Keeps an exchange for the control port.
    pub fn record(&self, exchange: Value) {
        let mut state = lock(&self.state);
        // Tests that run for hours must not grow without end.
        if state.hooks.len() >= 20_000 {
            state.hooks.drain(..10_000);
        }
        state.hooks.push(exchange);
    }

    /// All exchanges.
    pub fn recorded(&self) -> Vec<Value> {
        lock(&self.state).hooks.clone()
    }

    /// An application of the file.
    pub fn app(&self, vhost: &str, app: &str) -> Option<(&VHost, &App)> {
        let vhost = self.config.vhosts.iter().find(|v| v.name == vhost)?;
        Some((vhost, vhost.apps.iter().find(|a| a.name == app)?))
    }

    /// A stream that lists would show.
    pub fn stream(&self, vhost: &str, app: &str, stream: &str) -> Option<Arc<Live>> {
        self.any_stream(vhost, app, stream)
            .filter(|l| l.is_listed())
    }

    fn any_stream(&self, vhost: &str, app: &str, stream: &str) -> Option<Arc<Live>> {
        lock(&self.state)
            .live
            .get(&(vhost.to_owned(), app.to_owned(), stream.to_owned()))
            .cloned()
    }

    /// All live publishers, listed or not.
    pub fn all_live(&self) -> Vec<Arc<Live>> {
        let mut all: Vec<_> = lock(&self.state).live.values().cloned().collect();
        all.sort_by_key(|l| l.id);
        all
    }

    /// All viewers.
    pub fn all_viewers(&self) -> Vec<Arc<Viewer>> {
        lock(&self.state).viewers.values().cloned().collect()
    }

    /// An LLHLS session by its key.
    pub fn session(&self, key: &str) -> Option<Arc<Viewer>> {
        lock(&self.state)
            .viewers
            .values()
            .find(|v| !v.session.is_empty() && v.session == key)
            .cloned()
    }

    /// Asks the controller where the file says so, then resolves what was answered.
    pub async fn admit(&self, notice: Notice) -> Result<Admitted, Denied> {
        let by_name = notice.protocol == Protocol::Srt;
        let bad = || Denied::new(format!("Could not parse the url: {}", notice.url));
        let asked = url::parse(&notice.url).ok_or_else(bad)?;
        let Some(vhost) = self.config.vhost_of(&asked.host, by_name) else {
            return Err(Denied::new(format!(
                "Could not find VirtualHost ({})",
                asked.host
            )));
        };
        let mut lifetime = None;
        let mut target = (vhost, asked.clone());
        let mut notice = notice;
        notice.new_url = Some(notice.url.clone());
        if let Some(hooks) = vhost
            .hooks
            .as_ref()
            .filter(|h| hooks::guards(h, notice.direction, notice.protocol))
        {
            match hooks::opening(self, hooks, &notice).await {
                Answer::Denied(reason) => {
                    return Err(Denied {
                        by_hook: true,
                        ..Denied::new(reason)
                    });
                }
                Answer::Allowed {
                    new_url,
                    lifetime: limit,
                } => {
                    lifetime = limit;
                    if let Some(new_url) = new_url {
                        let new = url::parse(&new_url).ok_or_else(|| {
                            Denied::new(format!("Could not parse new_url: {new_url}"))
                        })?;
                        if new.scheme != asked.scheme {
                            return Err(Denied::new(format!(
                                "The scheme of new_url is different from the requested one: {}",
                                new.scheme
                            )));
                        }
                        let host = self.config.vhost_of(&new.host, by_name);
                        let host = host.ok_or_else(|| {
                            Denied::new(format!("Could not find VirtualHost ({})", new.host))
                        })?;
                        target = (host, new);
                        notice.new_url = Some(new_url);
                    }
                }
            }
        }
        let (vhost, address) = target;
        let Some(app) = vhost.apps.iter().find(|a| a.name == address.app) else {
            return Err(Denied::new(format!(
                "Could not find application: #{}#{}",
                vhost.name, address.app
            )));
        };
        let on = match (notice.direction, notice.protocol) {
            (Direction::Incoming, Protocol::Rtmp) => app.rtmp.is_some(),
            (Direction::Incoming, Protocol::Srt) => app.srt.is_some(),
            (Direction::Incoming, _) => app.whip.is_some(),
            (Direction::Outgoing, Protocol::Llhls) => self.config.llhls && app.llhls.is_some(),
            (Direction::Outgoing, _) => self.config.webrtc && app.webrtc,
        };
        if !on {
            return Err(Denied::new(format!(
                "{} is not enabled in application: #{}#{}",
                notice.protocol.word(),
                vhost.name,
                app.name
            )));
        }
        if address.stream.is_empty() {
            return Err(Denied::new("There is no stream name"));
        }
        Ok(Admitted {
            notice,
            vhost: vhost.name.clone(),
            app: app.name.clone(),
            stream: address.stream,
            lifetime,
        })
    }

    /// Sends a closing, if this host and protocol are asked about at all.
    pub async fn close(&self, notice: &Notice) {
        let Some(address) = url::parse(&notice.url) else {
            return;
        };
        let Some(vhost) = self
            .config
            .vhost_of(&address.host, notice.protocol == Protocol::Srt)
        else {
            return;
        };
        if let Some(hooks) = vhost
            .hooks
            .as_ref()
            .filter(|h| hooks::guards(h, notice.direction, notice.protocol))
        {
            hooks::closing(self, hooks, notice).await;
        }
    }

    /// Lets a publisher in: asks, refuses duplicates, lists it, and watches over it.
    ///
    /// `flowing` is false for a real connection, which touches the stream itself.
    pub async fn publish(
        self: &Arc<Self>,
        notice: Notice,
        tracks: Vec<Track>,
        flowing: bool,
    ) -> Result<Arc<Live>, Denied> {
        let protocol = notice.protocol;
        let shared = match protocol {
            Protocol::Rtmp
                if self
                    .config
                    .rtmp
                    .as_ref()
                    .is_none_or(|b| !b.thread_per_socket) =>
            {
                Some(self.rtmp_thread.lock().await)
            }
            Protocol::Srt
                if self
                    .config
                    .srt
                    .as_ref()
                    .is_none_or(|b| !b.thread_per_socket) =>
            {
                Some(self.srt_thread.lock().await)
            }
            _ => None,
        };
        // The quirk of an encoder with no application in its address.
        if protocol == Protocol::Rtmp
            && url::parse(&notice.url).is_some_and(|a| a.stream.is_empty())
        {
            let _ = self.admit(notice.clone()).await;
        }
        let mut denied_notice = notice.clone();
        denied_notice.new_url = Some(notice.url.clone());
        let admitted = match self.admit(notice).await {
            Ok(admitted) => admitted,
            Err(denied) => {
                // A refused RTMP publisher is told as closed too; the others are not.
                if protocol == Protocol::Rtmp {
                    let engine = Arc::clone(self);
                    tokio::spawn(async move { engine.close(&denied_notice).await });
                }
                return Err(denied);
            }
        };
        drop(shared);
        let (silence, block) = match self.app(&admitted.vhost, &admitted.app) {
            Some((_, app)) => match protocol {
                Protocol::Rtmp => app.rtmp.unwrap_or((0, true)),
                Protocol::Srt => (app.srt.map_or(0, |s| s.0), true),
                _ => (0, true),
            },
            None => (0, true),
        };
        let delay = if protocol == Protocol::Srt { 1300 } else { 100 };
        let now = Instant::now();
        let live = Arc::new(Live {
            id: self.number(),
            created: SystemTime::now(),
            started: now,
            listed: now + Duration::from_millis(delay),
            key: text::random_name(8).replace(['-', '_'], "x"),
            tracks: Mutex::new(tracks),
            flowing: Mutex::new(flowing),
            last: Mutex::new((now, SystemTime::now())),
            end: watch::Sender::new(None),
            done: watch::Sender::new(false),
            admitted,
        });
        let slot = live.slot();
        let old = {
            let mut state = lock(&self.state);
            match state.live.get(&slot).cloned() {
                Some(old) if !block && old.admitted.notice.protocol == protocol => {
                    state.live.insert(slot, Arc::clone(&live));
                    Some(Ok(old))
                }
                Some(_) => Some(Err(())),
                None => {
                    state.live.insert(slot, Arc::clone(&live));
                    None
                }
            }
        };
        match old {
            Some(Err(())) => {
                self.log.warn("MediaRouter", &format!("Reject stream creation : there is already an incoming stream with the same name. ({})", live.admitted.stream));
                if protocol != Protocol::WebRtc {
                    let (engine, notice) = (Arc::clone(self), live.admitted.notice.clone());
                    tokio::spawn(async move { engine.close(&notice).await });
                }
                return Err(Denied {
                    reason: format!("Duplicate stream name: {}", live.admitted.stream),
                    duplicate: true,
                    by_hook: false,
                });
            }
            Some(Ok(old)) => old.finish(End::Replaced),
            None => {}
        }
        let tag = match protocol {
            Protocol::Rtmp => "RTMPProvider",
            Protocol::Srt => "SrtProvider",
            _ => "WebRTC Provider",
        };
        self.log.info(
            tag,
            &format!(
                "Stream has been created: [#{}#{}/{}] from {}",
                live.admitted.vhost,
                live.admitted.app,
                live.admitted.stream,
                live.admitted.notice.url
            ),
        );
        tokio::spawn(
            Arc::clone(self).watch_over(Arc::clone(&live), Duration::from_millis(silence)),
        );
        super::alert::start(self, &live);
        Ok(live)
    }

    /// Ends a publisher for the reasons that are OME's own, then says goodbye.
    async fn watch_over(self: Arc<Self>, live: Arc<Live>, silence: Duration) {
        let expiry = live.admitted.lifetime;
        let expired = async {
            match expiry {
                Some(after) => tokio::time::sleep(after).await,
                None => std::future::pending().await,
            }
        };
        let silent = async {
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
                if !silence.is_zero() && live.last_received().0.elapsed() >= silence {
                    return;
                }
            }
        };
        let why = tokio::select! {
            why = live.ended() => why,
            () = expired => End::Expired,
            () = silent => End::Silent,
        };
        live.finish(why);
        self.forget(&live);
        {
            let mut state = lock(&self.state);
            // LLHLS sessions end with the stream, and without a closing.
            state.viewers.retain(|_, v| {
                v.session.is_empty() || v.live.id != live.id || why == End::Shutdown
            });
        }
        if why == End::Expired {
            self.log.warn(
                "Provider",
                &format!(
                    "Stream has expired by signed policy: {}",
                    live.admitted.stream
                ),
            );
        }
        self.log.info(
            "MediaRouter",
            &format!(
                "Stream has been deleted: [#{}#{}/{}] {why:?}",
                live.admitted.vhost, live.admitted.app, live.admitted.stream
            ),
        );
        let mut notice = live.admitted.notice.clone();
        if notice.protocol == Protocol::WebRtc {
            // WHIP closings never tell the mapped address.
            notice.new_url = None;
        }
        self.close(&notice).await;
        if why == End::Deleted && notice.protocol == Protocol::Rtmp {
            tokio::time::sleep(Duration::from_millis(16)).await;
            self.close(&notice).await;
        }
        live.done.send_replace(true);
    }

    /// Takes a stream out of every list at once; its goodbyes follow.
    pub fn forget(&self, live: &Live) {
        let mut state = lock(&self.state);
        let slot = live.slot();
        if state.live.get(&slot).is_some_and(|l| l.id == live.id) {
            state.live.remove(&slot);
        }
    }

    /// Adds a viewer of a live stream.
    pub fn add_viewer(&self, admitted: Admitted, live: Arc<Live>, session: String) -> Arc<Viewer> {
        let id = self.number();
        let session = if session.is_empty() {
            session
        } else {
            format!("{id}_{session}")
        };
        let viewer = Arc::new(Viewer {
            id,
            expires: Mutex::new(admitted.lifetime.map(|l| Instant::now() + l)),
            admitted,
            live,
            session,
            connections: Mutex::default(),
            end: watch::Sender::new(false),
        });
        lock(&self.state)
            .viewers
            .insert(viewer.id, Arc::clone(&viewer));
        viewer
    }

    /// Removes a viewer and tells the controller, once.
    pub async fn remove_viewer(&self, viewer: &Viewer) {
        if lock(&self.state).viewers.remove(&viewer.id).is_none() {
            return;
        }
        viewer.finish();
        let mut notice = viewer.admitted.notice.clone();
        if !viewer.session.is_empty() {
            notice.client.real_ip.clone_from(&notice.client.address);
        }
        self.close(&notice).await;
    }

    /// A connection is gone: LLHLS sessions that only it used end.
    pub async fn connection_closed(&self, connection: u64) {
        let over: Vec<_> = self
            .all_viewers()
            .into_iter()
            .filter(|v| {
                let mut connections = lock(&v.connections);
                connections.remove(&connection) && connections.is_empty()
            })
            .collect();
        for viewer in over {
            self.remove_viewer(&viewer).await;
        }
    }

    /// Ends everything with its closing, as SIGTERM does.
    pub async fn shutdown(&self) {
        let viewers = self.all_viewers();
        let live = self.all_live();
        for l in &live {
            l.finish(End::Shutdown);
        }
        let goodbyes = viewers.iter().map(|v| self.remove_viewer(v));
        let done = live.iter().map(|l| {
            let mut done = l.done.subscribe();
            async move {
                let _ = done.wait_for(|d| *d).await;
            }
        });
        let all = async {
            tokio::join!(
                futures_util::future::join_all(goodbyes),
                futures_util::future::join_all(done)
            )
        };
        // The contract's upper bound for a stop is below one second.
        let _ = tokio::time::timeout(Duration::from_millis(800), all).await;
    }
}

impl Live {
    fn slot(&self) -> (String, String, String) {
        (
            self.admitted.vhost.clone(),
            self.admitted.app.clone(),
            self.admitted.stream.clone(),
        )
    }
}
