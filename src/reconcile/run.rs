//! The loop itself.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::events;
use super::execute::{Effects, Hands};
use super::look::{Probe, Probed, Question};
use super::memory::Memory;
use super::publish;
use super::pulls::Pulls;
use super::records::{Records, recognise};
use super::trigger::{FileWatch, Trigger, Triggers};
use super::wanted::Wanted;
use crate::backup::{self, Kept};
use crate::desired::{CONTROLLER, Orders, RoomRoute, Seen, Target};
use crate::disk::{Certificates, Disk, DiskError, UNSEEN, discard, is_unseen, traefik_beside_us};
use crate::engine::{Engine, EngineError, EngineFacts, Placement, services_of};
use crate::host::{self, Listener};
use crate::model::{Issue, IssueCode, Role, Severity};
use crate::plan::{FileFacts, Health, Observed, Own, Plan, Policy, Wait, plan};
use crate::settings::{AcmeChallenge, Mode, Settings, Tls};
use crate::status::{BackupStatus, Command, Status};
use crate::store::{self, Store, StoreError};
use crate::tls;

/// While something starts or loads, it is looked at this often.
const RECHECK: Duration = Duration::from_millis(100);
/// How long a person's *now* holds while what it began is under way.
const NOW_HOLDS: Duration = Duration::from_secs(600);

/// Everything the loop works with.
pub struct Controller<E, P> {
    /// The engine.
    pub engine: Arc<E>,
    /// The services' own word.
    pub probe: Arc<P>,
    /// Rooms, journal, pins.
    pub store: Arc<Store>,
    /// The rendered folder.
    pub disk: Arc<Disk>,
    /// What is wanted, apart from rooms.
    pub wanted: Wanted,
    /// Where we run ourselves, once it is known.
    pub placement: Placement,
    /// Finds it out, as soon as the engine answers.
    pub locate: Option<Locate>,
    /// How far the certificates' orders are, for those who look after them.
    pub orders: watch::Sender<Orders>,
    /// What those have seen.
    pub seen: watch::Receiver<Arc<Seen>>,
    /// Where the status goes.
    pub status: watch::Sender<Arc<Status>>,
    /// Where what was seen goes, for those who need more than the status.
    pub scene: watch::Sender<Arc<Scene>>,
    /// Who listens on this host's ports.
    pub listeners: fn() -> Vec<Listener>,
    /// What is known of the backups.
    pub backups: watch::Receiver<Kept>,
    /// What time it is.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    state: State,
}

/// Finds out where the controller runs.
pub type Locate = Box<dyn Fn() -> BoxFuture<'static, Result<Placement, EngineError>> + Send + Sync>;

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Somebody asked for it.
    Stopped,
    /// Services run that ran before this state folder was begun.
    Beside,
}

/// What was seen at the last look, beyond the status.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// What should be.
    pub target: Option<Arc<Target>>,
    /// Addresses of the services that run, in our network.
    pub addresses: BTreeMap<Role, Ipv4Addr>,
    /// The host's address in our network, once it exists.
    pub gateway: Option<Ipv4Addr>,
    /// Whether the controller is itself in a container.
    pub in_container: bool,
}

/// What the loop carries from one look to the next.
#[derive(Default)]
struct State {
    memory: Memory,
    /// What the store said last.
    records: Option<Records>,
    /// The rendered files as they were seen last.
    files: BTreeMap<PathBuf, FileFacts>,
    reconcile: u64,
    mode: Option<Mode>,
    last_sweep: Option<Instant>,
    /// Passes in a row in which a step failed and none was done.
    fruitless: u32,
    /// When a person said *now*, until all that it began is done.
    pressed: Option<Instant>,
    /// When the engine's events are asked for again, while they are cut.
    knock: Option<watch::Receiver<Option<Instant>>>,
    /// Since when Traefik runs.
    traefik_since: Option<Timestamp>,
    /// Services run that are not of this state folder.
    beside: bool,
    /// What the store said when it could not be read, and what can be done.
    way_back: Option<(String, Issue)>,
    pulls: Pulls,
}

/// What one pass saw and did.
#[derive(Clone, Debug)]
pub struct Pass {
    /// What should be; `None` when it could not even be rendered.
    pub target: Option<Arc<Target>>,
    /// What was.
    pub observed: Observed,
    /// What had to be done.
    pub plan: Plan,
    /// Steps done.
    pub done: usize,
    /// Steps that failed.
    pub failed: usize,
    /// Steps were left because the look was too old by then.
    pub stale: bool,
    /// How many passes in a row, this one included, only failed.
    pub fruitless: u32,
    /// When the next order of a certificate is due.
    pub order_at: Option<Timestamp>,
}

impl Pass {
    /// When to look again without any trigger.
    pub(super) fn next(&self, now: Timestamp, sweep: Duration) -> Duration {
        if self.fruitless > 0 {
            // A full disk stays full for a while: every try is written to the
            // log and the journal.
            return RECHECK
                .saturating_mul(1 << (self.fruitless - 1).min(16))
                .min(sweep);
        }
        if self.done > 0 || self.stale {
            return RECHECK;
        }
        let order = self.order_at.map_or(sweep, |at| {
            Duration::try_from(at.duration_since(now))
                .unwrap_or_default()
                .max(RECHECK)
        });
        soonest(&self.plan, now, sweep).min(order)
    }
}

/// When something that holds up a lane of this plan may be there. What its later
/// steps wait for cannot be there before.
fn soonest(plan: &Plan, now: Timestamp, sweep: Duration) -> Duration {
    let mut held = Vec::new();
    plan.steps
        .iter()
        .filter(|step| step.waits.is_some())
        .filter(|step| {
            let is_first = !held.contains(&step.lane);
            held.push(step.lane);
            is_first
        })
        .filter_map(|step| match &step.waits {
            Some(Wait::Healthy { .. }) => Some(RECHECK),
            Some(Wait::Until { at }) => Some(
                Duration::try_from(at.duration_since(now))
                    .unwrap_or(RECHECK)
                    .max(RECHECK),
            ),
            Some(Wait::Quiet) => Some(Duration::from_secs(2)),
            _ => None,
        })
        .min()
        .unwrap_or(sweep)
        .min(sweep)
}

impl<E: Engine, P: Probe> Controller<E, P> {
    /// Ready to run; nothing is looked at yet.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of the house, named once"
    )]
    pub fn new(
        engine: Arc<E>,
        probe: Arc<P>,
        store: Arc<Store>,
        disk: Arc<Disk>,
        wanted: Wanted,
        locate: Option<Locate>,
        status: watch::Sender<Arc<Status>>,
        clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    ) -> Self {
        let orders = tls::kept_orders(disk.state());
        let mut controller = Self {
            engine,
            probe,
            store,
            disk,
            wanted,
            placement: Placement::Host,
            locate,
            orders: watch::Sender::new(orders),
            // Nobody looks yet: what was known stays.
            seen: watch::channel(Arc::default()).1,
            status,
            scene: watch::Sender::new(Arc::default()),
            listeners: || host::read_listeners(Path::new("/proc")),
            backups: watch::channel(Kept::default()).1,
            clock,
            state: State::default(),
        };
        controller.hold_back();
        controller
    }

    /// The mode in force: a person's, else the settings'.
    pub fn mode(&self) -> Mode {
        self.state
            .mode
            .unwrap_or(self.wanted.settings().reconcile.mode)
    }

    /// Looks and plans without doing anything.
    pub async fn look(&mut self, thorough: bool) -> Pass {
        let (target, observed) = self.observe(thorough).await;
        let policy = Policy {
            now: (self.clock)(),
            mode: Mode::Heal,
            apply_now: false,
        };
        let plan = self.plan(target.as_deref(), &observed, &policy);
        Pass {
            target,
            observed,
            plan,
            done: 0,
            failed: 0,
            stale: false,
            fruitless: 0,
            order_at: None,
        }
    }

    fn plan(&self, target: Option<&Target>, observed: &Observed, policy: &Policy) -> Plan {
        match target {
            Some(target) => plan(target, observed, policy),
            None => Plan {
                steps: Vec::new(),
                issues: observed.issues.clone(),
            },
        }
    }

    /// One pass: look, plan, apply, publish. Safe to be killed anywhere.
    pub async fn pass(&mut self, triggers: &[Trigger]) -> Pass {
        let begun = Instant::now();
        self.state.reconcile += 1;
        let reconcile = self.state.reconcile;
        let sweep = self.wanted.settings().reconcile.sweep;
        let thorough = triggers.contains(&Trigger::Sweep)
            || self.state.last_sweep.is_none_or(|at| at.elapsed() >= sweep);
        if thorough {
            self.state.last_sweep = Some(Instant::now());
        }
        self.heed(triggers, thorough);
        let pressed = self.state.pressed;
        let apply_now = pressed.is_some_and(|at| at.elapsed() < NOW_HOLDS);
        self.step_orders();
        let (target, observed) = self.observe(thorough).await;
        let looked = Instant::now();
        let now = (self.clock)();
        let order_at = self.note_loaded(target.as_deref(), &observed, now);
        let policy = Policy {
            now,
            mode: self.mode(),
            apply_now,
        };
        let plan = self.plan(target.as_deref(), &observed, &policy);
        // The scene first: whoever reads the status finds what it is about.
        self.show(target.as_ref(), &observed);
        self.publish(target.as_deref(), &observed, &plan, begun);
        let on_the_way = plan.steps.iter().any(|step| {
            matches!(
                &step.waits,
                None | Some(Wait::Healthy { .. } | Wait::Pull { .. })
            )
        });
        if !on_the_way {
            self.state.pressed = None;
        }
        let mut effects = match &target {
            Some(target) => {
                let facts = observed.engine.as_ref();
                let hands = Hands {
                    engine: &*self.engine,
                    probe: &*self.probe,
                    question: facts.map(|facts| Question::of(target, facts, now, false)),
                    store: &self.store,
                    disk: &self.disk,
                    target,
                    reconcile,
                    now,
                    looked,
                };
                hands.execute(&plan).await
            }
            None => Effects::default(),
        };
        debug!(
            reconcile,
            triggers = ?triggers,
            steps = plan.steps.len(),
            done = effects.done,
            failed = effects.failed,
            issues = plan.issues.len(),
            duration_ms = begun.elapsed().as_secs_f64() * 1e3,
            "reconciled"
        );
        let (done, failed, stale) = (effects.done, effects.failed, effects.stale);
        self.state.fruitless = match (done, failed) {
            (0, 1..) => self.state.fruitless.saturating_add(1),
            _ => 0,
        };
        if let Some(target) = &target {
            self.name_holders(target, &mut effects).await;
        }
        self.remember(effects, now);
        Pass {
            target,
            observed,
            plan,
            done,
            failed,
            stale,
            fruitless: self.state.fruitless,
            order_at,
        }
    }

    /// How long an order may take; `None` where nothing is ordered.
    fn order_patience(&self) -> Option<SignedDuration> {
        match &self.wanted.settings().tls {
            Tls::Acme(acme) => Some(match &acme.challenge {
                AcmeChallenge::Http | AcmeChallenge::TlsAlpn => SignedDuration::from_mins(3),
                // Records take their time to get around.
                AcmeChallenge::Dns { wait, .. } => {
                    let wait = SignedDuration::try_from(wait.unwrap_or_default());
                    SignedDuration::from_mins(12) + wait.unwrap_or_default()
                }
            }),
            _ => None,
        }
    }

    /// Takes up what was seen of the certificates, and keeps it.
    fn step_orders(&mut self) {
        let Some(patience) = self.order_patience() else {
            return;
        };
        let now = (self.clock)();
        let settings = self.wanted.settings();
        let hosts = settings.hosts.all().map(str::to_owned).into();
        let seen = Seen {
            traefik_since: self.state.traefik_since,
            ..(**self.seen.borrow_and_update()).clone()
        };
        self.change_orders(|orders| orders.step(&hosts, &seen, patience, now));
        self.hold_back();
    }

    fn hold_back(&mut self) {
        if self.order_patience().is_some() {
            let hosts = self.wanted.settings().hosts.all().map(str::to_owned);
            let held_back = self.orders.borrow().held_back(&hosts);
            self.wanted.hold_back(held_back);
        }
    }

    /// Once Traefik has loaded a resolver, the order is under way. Answers when
    /// to look again: at once, since the resolver is to go.
    fn note_loaded(
        &mut self,
        target: Option<&Target>,
        observed: &Observed,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let patience = self.order_patience()?;
        let loaded = match observed.health.get(&Role::Traefik) {
            Some(Health::Healthy { generation, .. }) => generation.as_ref(),
            _ => None,
        };
        if let (Some(loaded), Some(target)) = (loaded, target)
            && *loaded == target.traefik_generation
        {
            let ordered = self.wanted.ordered();
            if self.change_orders(|orders| orders.loaded(&ordered, now)) {
                return Some(now);
            }
        }
        self.orders.borrow().next(patience)
    }

    /// Whether that changed them. Then they are kept, and who follows is told.
    fn change_orders(&self, change: impl FnOnce(&mut Orders)) -> bool {
        let changed = self.orders.send_if_modified(|orders| {
            let before = orders.clone();
            change(orders);
            *orders != before
        });
        if changed {
            let text = serde_json::to_vec_pretty(&*self.orders.borrow()).unwrap_or_default();
            if let Err(error) = self.disk.keep(Path::new(tls::ORDERS), &text, 0o600) {
                warn!(%error, "how far the certificates are could not be kept");
            }
        }
        changed
    }

    /// Runs until `stop` resolves, or until it turns out that nothing here is
    /// ours to touch. Cancel-safe between passes only: a pass that began is
    /// finished.
    ///
    /// It reads and writes files and the store where it runs: that is the main
    /// thread, which serves nobody, and no task among those that do.
    pub async fn run(mut self, mut triggers: Triggers, stop: impl Future<Output = ()>) -> End {
        tokio::pin!(stop);
        let sender = triggers.sender.clone();
        let (knock, mut knocks) = watch::channel(None);
        self.state.knock = Some(knocks.clone());
        let events = tokio::spawn(events::follow(
            Arc::clone(&self.engine),
            self.wanted.settings().instance.clone(),
            (self.clock)(),
            sender.clone(),
            knock,
        ));
        let mut watch = match FileWatch::new(self.disk.rendered(), sender.clone()) {
            Ok(watch) => Some(watch),
            Err(error) => {
                warn!(%error, "files are not watched, only swept");
                None
            }
        };
        let mut rooms = self.store.changed();
        let mut why = vec![Trigger::Sweep];
        'run: loop {
            if let Some(watch) = &mut watch {
                let rendered = self.disk.rendered();
                watch.watch(self.wanted.watched().into_iter().chain([rendered]));
            }
            let pass = self.pass(&why).await;
            if self.state.beside {
                break;
            }
            let now = (self.clock)();
            let sweep = self.wanted.settings().reconcile.sweep;
            let next = pass
                .next(now, sweep)
                .min(self.until_rooms_change(now).unwrap_or(sweep));
            let otherwise = if next < sweep {
                Trigger::Recheck
            } else {
                Trigger::Sweep
            };
            let due = Instant::now() + next;
            why = loop {
                self.tell_next(due);
                tokio::select! {
                    // Cancel-safe: `Triggers` keeps what it gathers.
                    next = triggers.next(due, otherwise) => {
                        // What fails again and again is not tried each time
                        // that somebody comes or goes.
                        if pass.fruitless > 0 && next == [Trigger::Live] {
                            continue;
                        }
                        break next;
                    }
                    // Cancel-safe: a watch keeps its mark until it is read.
                    changed = rooms.changed() => {
                        if changed.is_err() { break 'run }
                        break vec![Trigger::Rooms];
                    }
                    // Cancel-safe: as rooms. Without a keeper it is never told.
                    Ok(()) = self.backups.changed() => break vec![Trigger::Recheck],
                    // Cancel-safe: the sender is in ourselves, nothing is lost.
                    news = self.state.pulls.next() => {
                        news.note(&mut self.state.memory, (self.clock)());
                        break vec![Trigger::Pull];
                    }
                    // Cancel-safe, as the rooms. No reason to look, but to
                    // say when that will be.
                    Ok(()) = knocks.changed() => {}
                    () = &mut stop => break 'run,
                }
            };
        }
        events.abort();
        info!("the loop ends; what runs goes on");
        if self.state.beside {
            End::Beside
        } else {
            End::Stopped
        }
    }

    /// What people asked. A sweep reads settings and templates as well: what
    /// the system told of a change may have been lost.
    fn heed(&mut self, triggers: &[Trigger], sweep: bool) {
        let stale = sweep && self.wanted.is_stale();
        if (stale || triggers.contains(&Trigger::Settings)) && self.wanted.reload() {
            // The settings' mode counts again.
            self.state.mode = None;
            self.state.pressed = None;
            self.state.memory.forgive();
            self.forgive_orders();
        }
        for trigger in triggers {
            match trigger {
                Trigger::Person(Command::Mode(mode)) => {
                    self.state.mode = Some(*mode);
                    self.state.pressed = None;
                }
                Trigger::Person(Command::ApplyNow) => {
                    self.state.pressed = Some(Instant::now());
                    self.state.memory.forgive();
                    self.forgive_orders();
                    self.state.memory.failures.clear();
                    for role in Role::ALL {
                        if let Err(error) = self.store.clear_failure(role) {
                            warn!(%error, "a failed replacement could not be forgotten");
                        }
                    }
                }
                Trigger::Person(Command::UpdateImages) => {
                    if let Err(error) = self.store.forget_pins() {
                        warn!(%error, "the image records could not be forgotten");
                    }
                }
                _ => {}
            }
        }
    }

    fn forgive_orders(&self) {
        let now = (self.clock)();
        self.change_orders(|orders| orders.forgive(now));
    }

    async fn observe(&mut self, thorough: bool) -> (Option<Arc<Target>>, Observed) {
        let now = (self.clock)();
        while let Some(news) = self.state.pulls.waiting() {
            news.note(&mut self.state.memory, now);
        }
        if self.state.memory.note_time(now) {
            info!("the clock was set back: what waits for a time is tried now");
            self.wanted.forget_time();
        }
        let mut observed = Observed::default();
        self.read_records(&mut observed.issues).await;
        let is_placed = self.find_place(&mut observed.issues).await;
        let settings = self.wanted.settings();
        let (true, Some(records)) = (is_placed, self.state.records.clone()) else {
            observed.engine = self.engine.observe(&settings.instance, &[]).await.ok();
            return (None, observed);
        };
        let references = references(&settings, &records.pins);
        if self.locate.is_none() {
            match self.engine.observe(&settings.instance, &references).await {
                Ok(facts) => observed.engine = Some(facts),
                Err(error) => observed.issues.push(error.issue()),
            }
        }
        if !self.are_ours(&settings, &mut observed) {
            return (None, observed);
        }
        let rooms = store::open_rooms(&records.rooms, now);
        observed.issues.extend(profiles_missing(&settings, &rooms));
        let target = self.wanted.target(
            &self.placement,
            observed.engine.as_ref(),
            rooms,
            records.pins,
            now,
        );
        observed.issues.extend(self.wanted.issues());
        if self.order_patience().is_some() {
            let issues = self.orders.borrow().issues(&self.seen.borrow(), now);
            observed.issues.extend(issues);
        }
        match self.disk.scan() {
            Ok(files) => {
                self.state.files.clone_from(&files);
                observed.files = files;
            }
            // Ours is the lack: they are as they were last seen.
            Err(error @ DiskError::Exhausted { .. }) => {
                observed.files.clone_from(&self.state.files);
                observed.issues.push(error.issue());
            }
            Err(error) => observed.issues.push(Issue {
                code: IssueCode::StateUnwritable,
                severity: Severity::Error,
                role: None,
                subject: "rendered".into(),
                what: "The rendered files cannot be read".into(),
                why: error.to_string(),
                fix: "Mend the rights of the state folder; what runs goes on".into(),
            }),
        }
        if let (Some(target), Some(engine)) = (&target, &observed.engine) {
            let question = Question::of(target, engine, now, thorough);
            let traefik = question.running.get(&Role::Traefik);
            self.state.traefik_since = traefik.and_then(|running| running.started_at);
            observed.own = self.own(target, engine);
            if self.order_patience().is_some() {
                let user = traefik_beside_us();
                let kept = Certificates::look(self.disk.state(), user);
                observed.issues.extend(kept.issues(user));
                // A file it refuses is none it would take at another start.
                observed.certificates_mended = kept.refused.is_empty()
                    && kept.changed > self.state.traefik_since
                    && self.seen.borrow().gave_up(self.state.traefik_since);
            }
            let running = question.running.clone();
            let Probed {
                heard,
                live,
                issues,
            } = if observed.is_outside() {
                Probed::unjudged(&question)
            } else {
                self.probe.probe(question).await
            };
            for (role, heard) in heard {
                let Some(running) = running.get(&role) else {
                    continue;
                };
                let memory = &mut self.state.memory;
                let (health, doubt) = memory.note_heard(role, running, heard, now);
                observed.health.insert(role, health);
                observed.doubts.extend(doubt.map(|why| (role, why)));
            }
            observed.live = live;
            self.state.memory.note_live(live, now);
            observed.issues.extend(issues);
            for role in Role::ALL {
                let name = target.container_name(role);
                let main = engine.containers.iter().find(|facts| facts.name == name);
                let well = matches!(observed.health.get(&role), Some(Health::Healthy { .. }));
                self.state.memory.note_run(role, main, well, now);
            }
            if let Some(Health::Healthy { generation, .. }) = observed.health.get(&Role::Traefik)
                && !observed.doubts.contains_key(&Role::Traefik)
            {
                self.state.memory.note_generation(
                    generation.as_deref(),
                    &target.traefik_generation,
                    now,
                );
            }
        }
        let memory = &self.state.memory;
        observed.pulls = memory.pulls();
        observed.last_live = memory.last_live;
        observed.start_failures = memory.start_failures();
        observed.breakers = memory.breakers();
        observed.route_stale_since = memory.route_stale_since;
        observed.route_reminded_at = memory.route_reminded_at;
        observed.issues.extend(memory.troubles.values().cloned());
        observed.issues.extend(self.backups.borrow().issues());
        observed.failures = records.failures;
        let store = &self.store;
        let unkept = &mut self.state.memory.failures;
        observed.failures.extend(unkept.clone());
        unkept.retain(|role, failure| store.save_failure(*role, failure).is_err());
        let latest = Memory::replacement_retry(now);
        for (role, failure) in &mut observed.failures {
            // Written down by a clock that was ahead of ours.
            if failure.retry_at > latest {
                failure.retry_at = latest;
                if let Err(error) = self.store.save_failure(*role, failure) {
                    warn!(%error, "the time of the next try could not be corrected");
                }
            }
        }
        observed.made = self.made(records.made, observed.engine.as_ref());
        (target, observed)
    }

    /// What the store says. What was read last still counts where it cannot be
    /// read: see `Records`.
    async fn read_records(&mut self, issues: &mut Vec<Issue>) {
        match Records::read(&self.store) {
            Ok(records) => self.state.records = Some(records),
            Err(error) => {
                let why = format!("{error}. Rooms and services stay as they were last read");
                let issue = self.way_back(error).await;
                issues.extend(issue.map(|issue| Issue { why, ..issue }));
            }
        }
    }

    /// Finds out where we run, until it is known; whether anything may be
    /// decided.
    async fn find_place(&mut self, issues: &mut Vec<Issue>) -> bool {
        let Some(locate) = &self.locate else {
            return true;
        };
        match locate().await {
            Ok(placement) => {
                self.placement = placement;
                self.locate = None;
                true
            }
            // Nothing can be applied while it is away; files still can. Nor is
            // it looked at: it may be back by now, and where we are is not
            // known.
            Err(
                error @ (EngineError::Away { .. }
                | EngineError::Denied { .. }
                | EngineError::Slow { .. }),
            ) => {
                issues.push(error.issue());
                true
            }
            // Where bind mounts start is not known: touch nothing.
            Err(error) => {
                issues.push(error.issue());
                false
            }
        }
    }

    /// Whether the services that run are ours to touch: no other controller
    /// runs them, and they are of this state folder, which is asked where it
    /// was begun while nobody could see the engine.
    fn are_ours(&mut self, settings: &Settings, observed: &mut Observed) -> bool {
        let Some(engine) = &observed.engine else {
            return true;
        };
        if !engine.rivals.is_empty() {
            let issue = Issue::two_controllers(&settings.instance, &engine.rivals);
            observed.issues.push(issue);
            return false;
        }
        if !is_unseen(self.disk.state()) {
            return true;
        }
        let theirs = services_of(&settings.instance, engine);
        if !theirs.is_empty() {
            observed.issues.push(backup::lost(&theirs, settings));
            self.state.beside = true;
            return false;
        }
        // What is made now must be known as ours at the next look.
        if let Err(error) = discard(&self.disk.state().join(UNSEEN)) {
            observed.issues.push(error.issue());
            return false;
        }
        true
    }

    /// What we made, with what is recognised by its mark, and recorded now.
    fn made(
        &self,
        mut made: BTreeMap<String, Role>,
        engine: Option<&EngineFacts>,
    ) -> BTreeMap<String, Role> {
        let instance = &self.wanted.settings().instance;
        let containers = engine.map_or(&[][..], |engine| &engine.containers);
        for (mark, id, role) in recognise(&mut made, instance, containers) {
            if let Err(error) = self.store.confirm_made(&mark, &id, role) {
                warn!(%error, container = id, "it could not be recorded as ours; tried again");
            }
        }
        made
    }

    fn own(&self, target: &Target, engine: &EngineFacts) -> Option<Own> {
        let Placement::Container { id, .. } = &self.placement else {
            return None;
        };
        let joined = engine.own_networks.iter().any(|(name, attachment)| {
            name == &target.network.name && attachment.aliases.contains(CONTROLLER)
        });
        Some(Own {
            id: id.clone(),
            joined,
        })
    }

    /// What can be done about a store that cannot be read. Backups are read
    /// whole for it, so once for as long as it says the same.
    async fn way_back(&mut self, error: StoreError) -> Option<Issue> {
        let said = error.to_string();
        if self
            .state
            .way_back
            .as_ref()
            .is_none_or(|(of, _)| *of != said)
        {
            let settings = self.wanted.settings();
            let told = tokio::task::spawn_blocking(move || backup::rescue(&error, &settings)).await;
            self.state.way_back = told.ok().map(|issue| (said, issue));
        }
        self.state.way_back.as_ref().map(|(_, issue)| issue.clone())
    }

    /// Puts a process's name to a port the engine found taken, where we can
    /// see it: in a container the host's processes are out of sight.
    async fn name_holders(&self, target: &Target, effects: &mut Effects) {
        let taken = effects.refused.iter().any(|(_, it)| it.port.is_some());
        if !taken || self.placement != Placement::Host {
            return;
        }
        // Every process's open files are looked through.
        let Ok(listeners) = tokio::task::spawn_blocking(self.listeners).await else {
            return;
        };
        for (role, refusal) in &mut effects.refused {
            let wanted = target.containers.iter().filter(|spec| spec.role == *role);
            let holder = wanted
                .flat_map(|spec| &spec.ports)
                .filter(|want| Some(want.host) == refusal.port)
                .find_map(|want| {
                    listeners.iter().find(|listener| {
                        (listener.port, listener.protocol) == (want.host, want.protocol)
                    })
                });
            if let Some(holder) = holder {
                refusal.reason = format!("{} listens on it", holder.who());
            }
        }
    }

    fn remember(&mut self, effects: Effects, now: Timestamp) {
        let memory = &mut self.state.memory;
        let made = effects.made.into_iter().map(|(role, _)| role);
        for role in made.chain(effects.started) {
            memory.clear_start_failure(role);
        }
        for role in effects.restarted {
            memory.note_restart(role, now);
        }
        for (role, refusal) in effects.refused {
            memory.note_start_failure(role, refusal, now);
        }
        if effects.reminded {
            memory.route_reminded_at = Some(now);
        }
        for (role, unkept) in effects.failures {
            match unkept {
                Some(failure) => memory.failures.insert(role, failure),
                None => memory.failures.remove(&role),
            };
        }
        // Those of this pass and no others: what failed before was tried again,
        // or is not wanted any more.
        memory.troubles = effects.troubles;
        for reference in effects.pulls {
            memory.note_pull(&reference, 0, 0);
            self.state.pulls.begin(&*self.engine, reference);
        }
    }

    fn until_rooms_change(&self, now: Timestamp) -> Option<Duration> {
        let at = self.store.next_room_change(now).ok().flatten()?;
        Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
    }

    fn publish(&self, target: Option<&Target>, observed: &Observed, plan: &Plan, begun: Instant) {
        let settings = self.wanted.settings();
        let now = (self.clock)();
        let mut status = publish::status(&settings, target, observed, plan, self.mode());
        for service in &mut status.services {
            // What cannot be read is not told; the store's own issue says why.
            service.last_change = self.store.last_change(service.role).unwrap_or_default();
        }
        status.at = Some(now);
        if settings.tls == Tls::LocalCa {
            let container = match &self.placement {
                Placement::Container { id, .. } => Some(id.as_str()),
                Placement::Host => None,
            };
            let state = self.disk.state();
            let state = std::path::absolute(state).unwrap_or_else(|_| state.to_owned());
            status.trust = Some(tls::trust(&state, &settings.instance, container));
        }
        status.certificates =
            publish::certificates(&settings, &self.orders.borrow(), &self.seen.borrow(), now);
        status.reconcile = self.state.reconcile;
        status.took_ms = begun.elapsed().as_secs_f64() * 1e3;
        // Steps that are ready are done first, and looked at after.
        let sweep = settings.reconcile.sweep;
        let wait = match plan.ready().next() {
            Some(_) => RECHECK,
            None => soonest(plan, now, sweep).min(self.until_rooms_change(now).unwrap_or(sweep)),
        };
        status.next = Some(self.next_try(Instant::now() + wait));
        let kept = self.backups.borrow();
        status.backup = BackupStatus {
            last: kept.last.clone(),
            next: kept.next,
        };
        drop(kept);
        self.status.send_replace(Arc::new(status));
    }

    /// The moment of the next look: when it is due, or sooner when the
    /// engine's events are asked for again.
    fn next_try(&self, due: Instant) -> Timestamp {
        let knock = self.state.knock.as_ref().and_then(|knock| *knock.borrow());
        let wait = knock
            .map_or(due, |at| at.min(due))
            .saturating_duration_since(Instant::now());
        (self.clock)() + wait
    }

    /// Corrects the next look that was told, where it is another by now.
    fn tell_next(&self, due: Instant) {
        let next = self.next_try(due);
        self.status.send_if_modified(|status| {
            let off = status.next.is_none_or(|told| {
                next.duration_since(told).abs() > SignedDuration::from_millis(50)
            });
            if off {
                Arc::make_mut(status).next = Some(next);
            }
            off
        });
    }

    fn show(&self, target: Option<&Arc<Target>>, observed: &Observed) {
        let (Some(target), Some(engine)) = (target, &observed.engine) else {
            return;
        };
        let running = Question::of(target, engine, (self.clock)(), false).running;
        let gateway = engine
            .networks
            .iter()
            .filter(|network| network.name == target.network.name)
            .find_map(|network| network.gateway);
        let scene = Scene {
            target: Some(Arc::clone(target)),
            addresses: running
                .into_iter()
                .filter_map(|(role, running)| Some((role, running.address?)))
                .collect(),
            gateway,
            in_container: matches!(self.placement, Placement::Container { .. }),
        };
        self.scene.send_replace(Arc::new(scene));
    }
}

/// Rooms that cannot be live: their quality profile left the settings.
fn profiles_missing(settings: &Settings, rooms: &[RoomRoute]) -> Vec<Issue> {
    let offered = settings.profile_names();
    let lost = rooms
        .iter()
        .filter(|room| !offered.contains(&room.profile.as_str()));
    lost.map(|room| Issue::profile_missing(&room.slug, &room.profile, &offered))
        .collect()
}

/// Everything the engine is asked for by name.
fn references(
    settings: &crate::settings::Settings,
    pins: &BTreeMap<String, crate::desired::ImagePin>,
) -> Vec<String> {
    let images = &settings.images;
    let mut all = Vec::new();
    for reference in [&images.traefik, &images.ovenmediaengine, &images.mirotalk] {
        all.push(reference.clone());
        if let Some(pin) = pins.get(reference) {
            all.push(pin.id.clone());
            all.extend(pin.digest.clone());
        }
    }
    all
}

/// Kept out of the loop's way: only used for the log.
impl<E, P> std::fmt::Debug for Controller<E, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Controller")
            .field("reconcile", &self.state.reconcile)
            .finish_non_exhaustive()
    }
}
