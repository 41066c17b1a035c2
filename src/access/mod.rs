//! Who may publish, watch, join, administer.
//!
//! [`Access`] holds an immutable [`Index`] of what the store says, and
//! [`Live`], what hooks and looks say. Admission and forward-auth are pure
//! functions of the two, the keys and the clock: answered from memory, ready
//! before the first listener opens. A change goes to the store first, then
//! into the index, and only then are streams and calls cut, so that nobody who
//! is cut comes back.

mod admission;
mod alert;
mod cut;
mod facts;
mod gate;
mod index;
mod keys;
mod limits;
mod live;
mod metrics;
mod password;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, mpsc, watch};

pub use crate::model::Token;
pub use admission::{AdmissionKeys, Decision, LONGEST_VIEW, Refusal, WINDOW, decide};
pub use cut::{Cut, Cutter, Later};
pub use facts::{AudioFacts, Hint, StreamFacts, VideoFacts};
pub use gate::{Ask, Names, Pass, bare_host, cookie, pass};
pub use index::Index;
use index::People;
pub use keys::{TicketKey, random};
pub use limits::{
    ACCOUNT, ENTRY, LOGIN, Limit, Limits, PASSCODE, ROOM, neighbourhood_of, network_of,
};
pub use live::{Live, LiveRoom, Peer, Publisher};
pub use metrics::Metrics;
pub use password::{Asker, Passwords, unfit};

use crate::model::{Digest, Gate, Grant, Id, Room, Seat, Secret, StreamName};
use crate::store::{Store, StoreError};

/// The time, as an argument to everything that depends on it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// An encoder that was let in is listed before this.
const AWAITED: SignedDuration = SignedDuration::from_secs(4);

/// What could not be read is read again after this: a room that was closed
/// must not stay open for longer than the fault lasts.
const READ_AGAIN: Duration = Duration::from_millis(500);

/// Visitors long gone are forgotten this often, and not before the controller
/// has run for so long: by then a clock that was wrong at the start is right.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);

/// A code that opens the call's host is good once, and for so long.
const CODE_KEPT: SignedDuration = SignedDuration::from_secs(60);
/// Codes one place holds at a time; a page uses each at once.
const CODES: usize = 8;

/// Whether `then` is less than `within` away. A moment to come is judged like
/// one gone by: the clock was set back since, and what it timed would go on
/// for as long as the clock was ahead.
pub fn is_recent(then: Timestamp, within: SignedDuration, now: Timestamp) -> bool {
    now.duration_since(then).abs() < within
}

/// Why somebody does not get in.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// No link has this token.
    #[error("this link is not known")]
    LinkUnknown,
    /// Its time is over.
    #[error("this link has expired")]
    LinkExpired,
    /// It was revoked.
    #[error("this link was revoked")]
    LinkRevoked,
    /// It let in as many as it may.
    #[error("this link has been used")]
    LinkUsedUp,
    /// No such room, no passcode set, or another one.
    #[error("name or passcode are wrong")]
    PasscodeWrong,
    /// Guessed too often.
    #[error("too many tries")]
    TooManyTries(SignedDuration),
    /// The room is closed or expired.
    #[error("the room is closed")]
    RoomClosed,
    /// As many watch as may.
    #[error("the room is full")]
    RoomFull,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Somebody who got in.
#[derive(Clone, Debug)]
pub struct Entered {
    /// Where to.
    pub room: Arc<Room>,
    /// Their place.
    pub grant: Grant,
    /// Their session.
    pub session: Digest,
    /// A new cookie, if they had none.
    pub cookie: Option<Token>,
}

/// A stream OvenMediaEngine lists.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenStream {
    /// Application.
    pub profile: String,
    /// Name.
    pub name: String,
    /// What it is like.
    pub facts: StreamFacts,
}

#[derive(Clone, Debug)]
struct Code {
    place: Id,
    session: Digest,
    made: Timestamp,
    url: Secret<String>,
}

/// What a code was exchanged for.
#[derive(Clone, Debug)]
pub struct CallEntry {
    /// Value of the call's cookie.
    pub cookie: Secret<String>,
    /// Where the frame goes: holds MiroTalk's token.
    pub url: Secret<String>,
}

/// Who may what, and who does.
pub struct Access {
    store: Arc<Store>,
    clock: Clock,
    /// When all this began.
    began: Timestamp,
    keys: AdmissionKeys,
    index: ArcSwap<Index>,
    /// Held from a change in the store until the index has it: two changes
    /// never reach the index in the other order.
    changing: Mutex<()>,
    indexed: AtomicU64,
    live: Mutex<Live>,
    tick: watch::Sender<u64>,
    look: Notify,
    cuts: mpsc::UnboundedSender<Cut>,
    cuts_to_do: Mutex<Option<mpsc::UnboundedReceiver<Cut>>>,
    cutting: Mutex<HashSet<StreamName>>,
    limits: Mutex<Limits>,
    codes: Mutex<HashMap<Digest, Code>>,
    setup: Mutex<Option<Digest>>,
    seen: Mutex<(HashSet<Digest>, HashSet<Id>)>,
    /// Passwords and passcodes.
    pub passwords: Passwords,
    /// What happened, counted.
    pub metrics: Metrics,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here is left half changed by a panic elsewhere.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Access {
    /// Loads everything that admission has to know.
    pub fn new(
        store: Arc<Store>,
        keys: AdmissionKeys,
        clock: Clock,
    ) -> Result<Arc<Self>, StoreError> {
        let (cuts, cuts_to_do) = mpsc::unbounded_channel();
        let access = Arc::new(Self {
            store,
            began: clock(),
            clock,
            keys,
            index: ArcSwap::default(),
            changing: Mutex::default(),
            indexed: AtomicU64::new(u64::MAX),
            live: Mutex::default(),
            tick: watch::Sender::new(0),
            look: Notify::new(),
            cuts,
            cuts_to_do: Mutex::new(Some(cuts_to_do)),
            cutting: Mutex::default(),
            limits: Mutex::default(),
            codes: Mutex::default(),
            setup: Mutex::default(),
            seen: Mutex::default(),
            passwords: Passwords::default(),
            metrics: Metrics::default(),
        });
        access.refresh()?;
        Ok(access)
    }

    /// The moment.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// What the store says, as of the last change.
    pub fn index(&self) -> Arc<Index> {
        self.index.load_full()
    }

    /// The key of the tickets.
    pub fn tickets(&self) -> &TicketKey {
        &self.keys.tickets
    }

    /// Counts everything that may change what a page shows: wait for it, then
    /// compare.
    pub fn tick(&self) -> watch::Receiver<u64> {
        self.tick.subscribe()
    }

    /// Waits until OvenMediaEngine and MiroTalk should be looked at at once: a
    /// hook came, or something was cut. An encoder that was let in is listed
    /// 0.1 to 1.3 s later: until then, every 100 ms, so that pages that wait
    /// for it are told without delay. Cancel-safe.
    pub async fn look(&self) {
        let now = self.now();
        let is_awaited = |room: &LiveRoom| {
            let publisher = room.publisher.as_ref().filter(|_| !room.is_live());
            publisher.is_some_and(|it| is_recent(it.since, AWAITED, now))
        };
        if self.live(|live| live.rooms().any(|(_, room)| is_awaited(room))) {
            let soon = tokio::time::timeout(Duration::from_millis(100), self.look.notified());
            let _either = soon.await;
        } else {
            self.look.notified().await;
        }
    }

    /// MiroTalk's webhook: a reason to look, never a truth.
    pub fn nudge(&self) {
        self.look.notify_one();
    }

    /// Reads `work` of who is live.
    pub fn live<T>(&self, work: impl FnOnce(&Live) -> T) -> T {
        work(&lock(&self.live))
    }

    fn ticked(&self) {
        self.tick.send_modify(|count| *count += 1);
    }

    /// Takes over what the store says now, and cuts what may not be live any
    /// more. Call it after each change of rooms and links, before answering.
    pub fn refresh(&self) -> Result<(), StoreError> {
        let cuts = {
            let _changing = lock(&self.changing);
            let now = self.now();
            let version = *self.store.changed().borrow();
            // Somebody else was here since the change this is about.
            if !self.is_stale() {
                return Ok(());
            }
            let index = Index::new(
                self.store.rooms()?,
                self.store.all_links()?,
                self.store.redirects(now)?,
                self.store.visitors()?,
                now,
            )
            .with_new_keys(self.store.new_keys()?);
            let cuts = cut::between(&self.index.load().rooms.open, &index.rooms.open);
            self.index.store(Arc::new(index));
            self.indexed.store(version, Ordering::Release);
            cuts
        };
        // From here on nobody who is cut comes back.
        for cut in cuts {
            self.cut(cut);
        }
        self.ticked();
        Ok(())
    }

    /// Whether the store or the clock says more than the index. Told by what
    /// is, not by a change: that is told once, and may come to nothing.
    fn is_stale(&self) -> bool {
        *self.store.changed().borrow() != self.indexed.load(Ordering::Acquire)
            || self
                .index()
                .next_change()
                .is_some_and(|at| at <= self.now())
    }

    fn cut(&self, cut: Cut) {
        if !lock(&self.cutting).insert(cut.stream.clone()) {
            return;
        }
        if cut.picture {
            lock(&self.live).room_mut(&cut.stream).publisher = None;
        }
        // Fails only when nobody performs cuts, as in a test.
        let _ = self.cuts.send(cut);
    }

    /// Keeps the index true to store and clock, and performs cuts, for as long
    /// as the controller runs. Cancel-safe: whatever was missed is found again
    /// by looking.
    pub async fn run(self: Arc<Self>, cutter: Arc<dyn Cutter>) {
        let Some(mut cuts) = lock(&self.cuts_to_do).take() else {
            return;
        };
        let mut changed = self.store.changed();
        let mut touched = tokio::time::interval(Duration::from_secs(60));
        let mut forgotten = tokio::time::interval(FORGOTTEN);
        forgotten.reset();
        let mut failed = false;
        loop {
            failed = self.is_stale() && !self.follow_the_store(failed).await;
            // Not further than half a minute: the clock may be set.
            let edge = self.index().next_change().map_or(Duration::MAX, |at| {
                Duration::try_from(at.duration_since(self.now())).unwrap_or_default()
                    + Duration::from_millis(1)
            });
            let pause = if failed {
                READ_AGAIN
            } else {
                edge.min(Duration::from_secs(30))
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                changed = changed.changed() => if changed.is_err() {
                    return;
                },
                Some(cut) = cuts.recv() => {
                    let (access, cutter) = (Arc::clone(&self), Arc::clone(&cutter));
                    tokio::spawn(async move {
                        cut::perform(cutter, &cut).await;
                        lock(&access.cutting).remove(&cut.stream);
                        access.nudge();
                    });
                }
                _ = touched.tick() => self.write_down_who_was_here().await,
                _ = forgotten.tick() => {
                    self.write_down_who_was_here().await;
                    let access = Arc::clone(&self);
                    if let Err(error) = blocking(move || access.forget_visitors()).await {
                        tracing::warn!(%error, "visitors long gone could not be forgotten");
                    }
                }
            }
        }
    }

    fn forget_visitors(&self) -> Result<(), StoreError> {
        let _changing = lock(&self.changing);
        if self.store.forget_visitors(self.now())? > 0 {
            self.index.store(Arc::new(Index {
                rooms: Arc::clone(&self.index().rooms),
                people: Arc::new(People::new(self.store.visitors()?)),
            }));
        }
        Ok(())
    }

    /// Whether the index is true again. `told` says that it is known not to be.
    async fn follow_the_store(self: &Arc<Self>, told: bool) -> bool {
        let access = Arc::clone(self);
        match tokio::task::spawn_blocking(move || access.refresh()).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) if !told => {
                tracing::error!(%error, "rooms could not be read; the last ones known stay in force, and they are read again until it works");
            }
            Ok(Err(error)) => tracing::debug!(%error, "rooms could not be read"),
            Err(error) => tracing::error!(%error, "reading rooms ended badly"),
        }
        false
    }

    async fn write_down_who_was_here(&self) {
        let (visitors, links) = std::mem::take(&mut *lock(&self.seen));
        if visitors.is_empty() && links.is_empty() {
            return;
        }
        let (store, now) = (Arc::clone(&self.store), self.now());
        let written = tokio::task::spawn_blocking(move || {
            store.touch(
                &visitors.into_iter().collect::<Vec<_>>(),
                &links.into_iter().collect::<Vec<_>>(),
                now,
            )
        });
        if let Ok(Err(error)) = written.await {
            tracing::warn!(%error, "who was here could not be written down");
        }
    }

    // ---- OvenMediaEngine and Traefik ask

    /// Answers a hook of OvenMediaEngine's and remembers what it means.
    pub fn admit(&self, body: &[u8], signature: Option<&[u8]>) -> Decision {
        // Deciding and remembering are one: of two encoders at the same
        // moment, one gets in; and who gets in by what is cut, is cut.
        let mut live = lock(&self.live);
        let (index, now) = (self.index.load(), self.now());
        let decision = decide(&index, &live, &self.keys, body, signature, now);
        let news = match &decision {
            Decision::Publish { stream, peer, .. } => {
                live.publishes(stream, peer.clone(), now);
                true
            }
            Decision::Play {
                stream,
                place: Some(place),
                peer,
                ..
            } if peer.protocol == "webrtc" => {
                live.watches(stream, place, peer.clone());
                true
            }
            Decision::Play { .. } | Decision::Refused(_) => false,
            Decision::Closed { peer } => live.closed(peer),
        };
        drop(live);
        self.metrics.count("admission", decision.label());
        if news {
            self.ticked();
        }
        if news || matches!(decision, Decision::Closed { .. }) {
            self.nudge();
        }
        decision
    }

    /// Takes over an alert of OvenMediaEngine's, and has the stream looked at:
    /// its facts tell when the fault ends.
    pub fn alert(&self, body: &[u8], signature: Option<&[u8]>) -> Result<(), Refusal> {
        let read = admission::signed_json(&self.keys.hook, body, signature);
        self.metrics.count(
            "alert",
            read.as_ref().map_or_else(Refusal::label, |_| "taken"),
        );
        let read = read?;
        let (index, now) = (self.index.load(), self.now());
        let about = alert::Alert::read(&read).filter(|alert| {
            index
                .room_by_stream(&alert.stream)
                .is_some_and(|room| room.profile == alert.profile && room.gate(now) == Gate::Open)
        });
        if let Some(alert) = about {
            lock(&self.live).alerted(&alert, now);
            self.ticked();
        }
        self.nudge();
        Ok(())
    }

    /// Answers Traefik's forward-auth and remembers who watches.
    pub fn pass(&self, names: &Names, call_safe: bool, ask: Ask<'_>) -> Pass {
        let (index, now) = (self.index.load(), self.now());
        let mut live = lock(&self.live);
        let pass = pass(
            &index,
            &live,
            &self.keys.tickets,
            names,
            call_safe,
            ask,
            now,
        );
        let mut news = false;
        if let Pass::Media {
            stream,
            place,
            http: true,
        } = &pass
        {
            news = live.fetched(stream, place, now);
        }
        drop(live);
        let label = match &pass {
            Pass::Preview { .. } => "preview",
            Pass::Media { .. } => "media",
            Pass::Call { .. } => "call",
            Pass::No(_, why) => why,
        };
        self.metrics.count("forward_auth", label);
        if news {
            self.ticked();
        }
        pass
    }

    // ---- looks at the services come in

    /// Takes over a look at OvenMediaEngine: all of its streams. What may not
    /// be live is cut, whatever became of an earlier cut.
    pub fn see_streams(&self, streams: Vec<SeenStream>) {
        let (index, now) = (self.index(), self.now());
        let mut seen = HashMap::new();
        for stream in streams {
            let Ok(name) = stream.name.parse::<StreamName>() else {
                continue;
            };
            let room = index.room_by_stream(&name);
            let open =
                room.filter(|room| room.profile == stream.profile && room.gate(now) == Gate::Open);
            let why = match open {
                None => "it is live, but no open room has this stream",
                Some(room) if self.has_a_former_key(&index, room, &stream.facts, now) => {
                    "it is live by a stream key the room no longer has"
                }
                Some(_) => {
                    seen.insert(name, stream.facts);
                    continue;
                }
            };
            self.cut(Cut {
                room: room.map(|room| room.id.clone()),
                profile: stream.profile,
                stream: name,
                picture: true,
                call: false,
                why,
            });
        }
        let mut live = lock(&self.live);
        let before = live.clone();
        live.looked(seen, now);
        let news = *live != before;
        drop(live);
        if news {
            self.ticked();
        }
    }

    /// Whether a picture is older than its room's publish key. OvenMediaEngine
    /// says by the same clock as ours when it began, and that clock may have
    /// been set back since: nobody is cut for a moment that is still to come.
    fn has_a_former_key(
        &self,
        index: &Index,
        room: &Room,
        picture: &StreamFacts,
        now: Timestamp,
    ) -> bool {
        let changed = index.new_key(&room.id).filter(|changed| *changed <= now);
        let (Some(changed), Some(began)) = (changed, picture.live_since) else {
            return false;
        };
        let after = began.duration_since(changed);
        if after < SignedDuration::ZERO {
            return true;
        }
        // Let in before and listed after: the cut came between and found
        // nothing. Who was let in since is known, unless that was before us.
        let by_the_new_one = |live: &Live| {
            let publisher = live.room(&room.stream)?.publisher.as_ref();
            Some(publisher?.since >= changed)
        };
        changed >= self.began && after < AWAITED && self.live(by_the_new_one) != Some(true)
    }

    /// Takes over a look at MiroTalk: every call, with the names in it.
    pub fn see_calls(&self, calls: Vec<(String, Vec<String>)>) {
        let (index, now) = (self.index(), self.now());
        let mut seen = HashMap::new();
        for (name, people) in calls {
            let Ok(stream) = name.parse::<StreamName>() else {
                continue;
            };
            let room = index.room_by_stream(&stream);
            if room.is_some_and(|room| room.gate(now) == Gate::Open) {
                seen.insert(stream, people);
            } else {
                self.cut(Cut {
                    room: room.map(|room| room.id.clone()),
                    profile: String::new(),
                    stream,
                    picture: false,
                    call: true,
                    why: "there is a call, but no open room has this name",
                });
            }
        }
        let mut live = lock(&self.live);
        let before = live.clone();
        live.looked_at_calls(seen, now);
        let news = *live != before;
        drop(live);
        if news {
            self.ticked();
        }
    }

    /// Who would be interrupted: pictures, people who watch, people who talk.
    pub fn live_counts(&self) -> (u32, u32, u32) {
        let now = self.now();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        self.live(|live| {
            live.rooms()
                .fold((0, 0, 0), |(streams, viewers, callers), (stream, room)| {
                    let is_live = room.is_live() || room.publisher.is_some();
                    (
                        streams + u32::from(is_live),
                        viewers + live.viewers(stream, now),
                        callers + count(room.callers.len()),
                    )
                })
        })
    }

    // ---- visitors come and go

    fn attempt(&self, key: &str, limit: Limit) -> Result<(), EntryError> {
        lock(&self.limits)
            .attempt(key, limit, self.now())
            .map_err(EntryError::TooManyTries)
    }

    /// Counts a try against `limit`; answers how long to wait after too many.
    pub fn limit(&self, key: &str, limit: Limit) -> Result<(), SignedDuration> {
        lock(&self.limits).attempt(key, limit, self.now())
    }

    /// Forgets the tries of `key`.
    pub fn limit_clear(&self, key: &str) {
        lock(&self.limits).clear(key);
    }

    /// Exchanges a link's token for a place in its room.
    pub async fn enter_by_link(
        self: &Arc<Self>,
        token: Token,
        session: Option<Token>,
        name: Option<String>,
        address: &str,
    ) -> Result<Entered, EntryError> {
        self.attempt(&format!("entry {}", neighbourhood_of(address)), ENTRY)?;
        let now = self.now();
        let store = Arc::clone(&self.store);
        let link = blocking(move || store.link_by_token(token.digest()))
            .await?
            .ok_or(EntryError::LinkUnknown)?;
        if link.revoked {
            return Err(EntryError::LinkRevoked);
        }
        if link.expires_at.is_some_and(|at| at <= now) {
            return Err(EntryError::LinkExpired);
        }
        let room = self
            .index()
            .room(&link.room)
            .cloned()
            .ok_or(EntryError::RoomClosed)?;
        let named = name.is_some() || !link.name.is_empty();
        let name = name
            .or_else(|| Some(link.name.clone()).filter(|name| !name.is_empty()))
            .unwrap_or_else(|| "Guest".to_owned());
        self.enter(room, session, Some(link.id), link.seat, name, named)
            .await
    }

    /// The room a link was made for, whatever became of the link.
    pub async fn room_of_link(&self, link: Digest) -> Option<Arc<Room>> {
        let store = Arc::clone(&self.store);
        let link = blocking(move || store.link_by_token(link)).await.ok()??;
        self.index().room(&link.room).cloned()
    }

    /// Lets somebody in who knows a room's name and passcode, as a viewer.
    pub async fn enter_by_passcode(
        self: &Arc<Self>,
        slug: &str,
        passcode: Secret<String>,
        session: Option<Token>,
        name: String,
        address: &str,
    ) -> Result<Entered, EntryError> {
        self.attempt(&format!("entry {}", neighbourhood_of(address)), ENTRY)?;
        let index = self.index();
        // A former name is no other room, and brings no further tries.
        let slug = index.redirect(slug).map_or(slug, |slug| slug.as_str());
        let room = index.room_by_slug(slug).cloned();
        let asked: String = slug.chars().take(64).collect();
        let key = format!("passcode {} {asked}", network_of(address));
        let from_wherever = match &room {
            Some(room) => format!("room {}", room.id),
            None => format!("room {asked}"),
        };
        lock(&self.limits)
            .look(&from_wherever, self.now())
            .map_err(EntryError::TooManyTries)?;
        self.attempt(&key, PASSCODE)?;
        let kept = room.as_ref().and_then(|room| room.passcode.clone());
        // Also for a room that is not there: it takes as long and says the same.
        let verified = self.passwords.verify(Asker::Visitor, passcode, kept).await;
        if !verified.map_err(EntryError::TooManyTries)? {
            self.metrics.count("entry", "passcode-wrong");
            // Counted when it is known to be wrong: a full house that comes in
            // at once keeps nobody out.
            let _one_too_many = self.attempt(&from_wherever, ROOM);
            return Err(EntryError::PasscodeWrong);
        }
        self.limit_clear(&key);
        let room = room.ok_or(EntryError::PasscodeWrong)?;
        self.enter(room, session, None, Seat::Viewer, name, true)
            .await
    }

    async fn enter(
        self: &Arc<Self>,
        room: Arc<Room>,
        session: Option<Token>,
        link: Option<Id>,
        seat: Seat,
        name: String,
        named: bool,
    ) -> Result<Entered, EntryError> {
        let now = self.now();
        match room.gate(now) {
            Gate::Open | Gate::NotOpen => {}
            Gate::Closed | Gate::Expired | Gate::Archived => return Err(EntryError::RoomClosed),
        }
        // A cookie we never gave is not taken over: nobody chooses another's.
        let index = self.index();
        let (digest, cookie) = match session.filter(|token| index.knows(token.digest())) {
            Some(token) => (token.digest(), None),
            None => {
                let token = Token::new(&random());
                (token.digest(), Some(token))
            }
        };
        let is_here = index.place(digest, &room.id, now).is_some();
        let full = room
            .viewer_cap
            .is_some_and(|cap| self.live(|live| live.viewers(&room.stream, now)) >= cap);
        if full && seat == Seat::Viewer && !is_here {
            return Err(EntryError::RoomFull);
        }
        let grant = Grant {
            id: Id::new(&random()),
            room: room.id.clone(),
            link,
            seat,
            name,
            named,
            created_at: now,
        };
        let access = Arc::clone(self);
        let grant = blocking(move || {
            let _changing = lock(&access.changing);
            let grant = access.store.enter(digest, &grant, now)?;
            let index = access.index();
            access.index.store(Arc::new(Index {
                rooms: Arc::clone(&index.rooms),
                people: Arc::new(index.people.with(digest, grant.clone(), now)),
            }));
            Ok(grant)
        })
        .await
        .map_err(|error| match error {
            StoreError::Refused(_) => EntryError::LinkUsedUp,
            error => EntryError::Store(error),
        })?;
        self.metrics.count("entry", "entered");
        self.ticked();
        Ok(Entered {
            room,
            grant,
            session: digest,
            cookie,
        })
    }

    /// Remembers that somebody is here.
    pub fn here(&self, session: Digest, grant: &Grant) {
        let mut seen = lock(&self.seen);
        seen.0.insert(session);
        seen.1.extend(grant.link.clone());
    }

    /// Keeps the name somebody gave themselves.
    pub async fn rename(
        self: &Arc<Self>,
        session: Digest,
        grant: &Grant,
        name: String,
    ) -> Result<Grant, StoreError> {
        let grant = Grant {
            name,
            named: true,
            ..grant.clone()
        };
        let (access, renamed) = (Arc::clone(self), grant.clone());
        blocking(move || {
            let _changing = lock(&access.changing);
            access.store.rename_grant(&renamed.id, &renamed.name)?;
            let (index, now) = (access.index(), access.now());
            access.index.store(Arc::new(Index {
                rooms: Arc::clone(&index.rooms),
                people: Arc::new(index.people.with(session, renamed, now)),
            }));
            Ok(())
        })
        .await?;
        self.ticked();
        Ok(grant)
    }

    /// Somebody leaves a room.
    pub async fn leave(self: &Arc<Self>, session: Digest, grant: &Grant) -> Result<(), StoreError> {
        let (access, grant) = (Arc::clone(self), grant.clone());
        blocking(move || {
            let _changing = lock(&access.changing);
            access.store.leave(&grant.id)?;
            let index = access.index();
            access.index.store(Arc::new(Index {
                rooms: Arc::clone(&index.rooms),
                people: Arc::new(index.people.without(session, &grant.room)),
            }));
            Ok(())
        })
        .await?;
        self.ticked();
        Ok(())
    }

    /// A page of this place is open, until the guard is dropped.
    pub fn page(self: &Arc<Self>, room: &Id, place: &Id) -> OpenPage {
        lock(&self.live).page_in(room, place, 1);
        self.ticked();
        OpenPage {
            access: Arc::clone(self),
            room: room.clone(),
            place: place.clone(),
        }
    }

    // ---- the call

    /// The name somebody joins the call with: their own, or, where another of
    /// that name may be in it, one that tells the two apart. MiroTalk knows
    /// people by nothing else, and takes each name once.
    pub fn call_name(&self, stream: &StreamName, grant: &Grant) -> String {
        let (index, now) = (self.index(), self.now());
        let is_namesake = |place: &Id| {
            index.place_by_id(place, now).is_some_and(|(_, other)| {
                other.id != grant.id && other.room == grant.room && other.name == grant.name
            })
        };
        let name = lock(&self.live).join(stream, &grant.id, &grant.name, is_namesake);
        self.ticked();
        name
    }

    /// A code that opens the call's host for one place, once.
    pub fn call_code(&self, session: Digest, place: &Id, url: Secret<String>) -> Token {
        let (token, now) = (Token::new(&random()), self.now());
        let mut codes = lock(&self.codes);
        codes.retain(|_, code| is_recent(code.made, CODE_KEPT, now));
        let mut held: Vec<(Timestamp, Digest)> = codes
            .iter()
            .filter(|(_, code)| code.place == *place)
            .map(|(token, code)| (code.made, *token))
            .collect();
        held.sort_by_key(|(made, _)| *made);
        for (_, token) in held.iter().rev().skip(CODES - 1) {
            codes.remove(token);
        }
        codes.insert(
            token.digest(),
            Code {
                place: place.clone(),
                session,
                made: now,
                url,
            },
        );
        token
    }

    /// Exchanges a code for the call's cookie and address.
    pub fn redeem(&self, code: &Token) -> Option<CallEntry> {
        let code = lock(&self.codes).remove(&code.digest())?;
        let (index, now) = (self.index(), self.now());
        let (session, grant) = index.place_by_id(&code.place, now)?;
        let open = index
            .room(&grant.room)
            .is_some_and(|room| room.gate(now) == Gate::Open);
        let fresh = is_recent(code.made, CODE_KEPT, now);
        (fresh && session == code.session && open).then(|| CallEntry {
            cookie: Secret::new(self.keys.tickets.call_cookie(&code.place, session)),
            url: code.url,
        })
    }

    // ---- set-up

    /// A new one-time set-up token, while nobody administers. Print it once.
    pub fn setup_token(&self) -> Result<Option<Token>, StoreError> {
        if !self.store.needs_setup()? {
            return Ok(None);
        }
        let token = Token::new(&random());
        *lock(&self.setup) = Some(token.digest());
        Ok(Some(token))
    }

    /// Whether `token` is the set-up token.
    pub fn is_setup_token(&self, token: &Token) -> bool {
        *lock(&self.setup) == Some(token.digest())
    }

    /// Set-up is done.
    pub fn setup_done(&self) {
        *lock(&self.setup) = None;
    }
}

/// Counts a page as open for as long as it lives.
#[derive(Debug)]
pub struct OpenPage {
    access: Arc<Access>,
    room: Id,
    place: Id,
}

impl Drop for OpenPage {
    fn drop(&mut self) {
        lock(&self.access.live).page_in(&self.room, &self.place, -1);
        self.access.ticked();
    }
}

/// Runs `work` on the store where it may wait.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(StoreError::Refused("the controller is stopping")))
}

#[cfg(test)]
mod tests;
