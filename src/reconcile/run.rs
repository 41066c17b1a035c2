//! The loop itself.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::execute::{Effects, Hands};
use super::look::{Probe, Probed, Question, Running};
use super::memory::Memory;
use super::publish;
use super::records::{Records, recognise};
use super::trigger::{FileWatch, Trigger, Triggers};
use super::wanted::Wanted;
use crate::backup::{self, Kept};
use crate::desired::{Orders, RoomRoute, Seen, Target};
use crate::disk::{Disk, DiskError, UNSEEN, discard, is_unseen};
use crate::engine::{ContainerState, Engine, EngineError, EngineFacts, Placement, services_of};
use crate::model::{Issue, IssueCode, Role, Severity};
use crate::plan::{self, FileFacts, Health, Observed, Own, Plan, Policy, Wait, plan};
use crate::settings::{AcmeChallenge, Mode, Settings, Tls};
use crate::status::{BackupStatus, Command, Status};
use crate::store::{self, Store};
use crate::tls;

/// While something starts or loads, it is looked at this often.
const RECHECK: Duration = Duration::from_millis(100);
/// Pull progress is published this often.
const PROGRESS: Duration = Duration::from_millis(500);
/// How long a person's *now* holds while what it began is under way.
const NOW_HOLDS: Duration = Duration::from_secs(600);
/// How far the certificates' orders are, in the state folder.
const ORDERS: &str = "tls/orders.json";
/// Reconnecting to the engine: first and longest pause.
const RECONNECT: (f64, f64) = (0.8, 30.0);

/// A stream of events that says nothing for this long may be half a
/// connection: another is opened.
const SILENCE: Duration = Duration::from_secs(300);
/// Seconds by which streams of events overlap: the engine tells whole ones.
const OVERLAP: i64 = 2;

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
    pulls: Option<(
        mpsc::UnboundedSender<PullNews>,
        mpsc::UnboundedReceiver<PullNews>,
    )>,
}

enum PullNews {
    Progress {
        reference: String,
        current: u64,
        total: u64,
    },
    Done {
        reference: String,
    },
    Failed {
        reference: String,
        reason: String,
    },
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

/// When something that a step of this plan waits for may be there.
fn soonest(plan: &Plan, now: Timestamp, sweep: Duration) -> Duration {
    plan.steps
        .iter()
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
        let orders = kept_orders(&disk);
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
        let effects = match &target {
            Some(target) => {
                let hands = Hands {
                    engine: &*self.engine,
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
            if let Err(error) = self.disk.keep(Path::new(ORDERS), &text, 0o600) {
                warn!(%error, "how far the certificates are could not be kept");
            }
        }
        changed
    }

    /// Runs until `stop` resolves, or until it turns out that nothing here is
    /// ours to touch. Cancel-safe between passes only: a pass that began is
    /// finished.
    pub async fn run(mut self, mut triggers: Triggers, stop: impl Future<Output = ()>) -> End {
        tokio::pin!(stop);
        let sender = triggers.sender.clone();
        let (knock, mut knocks) = watch::channel(None);
        self.state.knock = Some(knocks.clone());
        let events = tokio::spawn(follow_events(
            Arc::clone(&self.engine),
            self.wanted.settings().instance.clone(),
            // The first look and the first stream begin beside each other.
            (self.clock)().as_second().saturating_sub(OVERLAP),
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
                    news = next_news(&mut self.state.pulls) => {
                        self.take(news);
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
        while let Some((_, inbox)) = &mut self.state.pulls
            && let Ok(news) = inbox.try_recv()
        {
            self.take(news);
        }
        let now = (self.clock)();
        if self.state.memory.note_time(now) {
            info!("the clock was set back: what waits for a time is tried now");
            self.wanted.forget_time();
        }
        let mut observed = Observed::default();
        match Records::read(&self.store) {
            Ok(records) => self.state.records = Some(records),
            // What was read last still counts: see `Records`.
            Err(error) => {
                let mut issue = backup::rescue(&error, &self.wanted.settings());
                issue.why = format!("{error}. Rooms and services stay as they were last read");
                observed.issues.push(issue);
            }
        }
        if let Some(locate) = &self.locate {
            match locate().await {
                Ok(placement) => {
                    self.placement = placement;
                    self.locate = None;
                }
                // Nothing can be applied while it is away; files still can.
                // Nor is it looked at: it may be back by now, and where we are
                // is not known.
                Err(
                    error @ (EngineError::Away { .. }
                    | EngineError::Denied { .. }
                    | EngineError::Slow { .. }),
                ) => observed.issues.push(engine_issue(&error)),
                Err(error) => {
                    // Where bind mounts start is not known: touch nothing.
                    observed.issues.push(engine_issue(&error));
                    let instance = &self.wanted.settings().instance;
                    observed.engine = self.engine.observe(instance, &[]).await.ok();
                    return (None, observed);
                }
            }
        }
        let settings = self.wanted.settings();
        let Some(records) = self.state.records.clone() else {
            observed.engine = self.engine.observe(&settings.instance, &[]).await.ok();
            return (None, observed);
        };
        let references = references(&settings, &records.pins);
        if self.locate.is_none() {
            match self.engine.observe(&settings.instance, &references).await {
                Ok(facts) => observed.engine = Some(facts),
                Err(error) => observed.issues.push(engine_issue(&error)),
            }
        }
        if let (true, Some(engine)) = (is_unseen(self.disk.state()), &observed.engine) {
            let theirs = services_of(&settings.instance, engine);
            if !theirs.is_empty() {
                observed.issues.push(backup::lost(&theirs, &settings));
                self.state.beside = true;
                return (None, observed);
            }
            // What is made now must be known as ours at the next look.
            if let Err(error) = discard(&self.disk.state().join(UNSEEN)) {
                observed.issues.push(error.issue());
                return (None, observed);
            }
        }
        let rooms = store::open_rooms(&records.rooms, now);
        observed.issues.extend(profiles_missing(&settings, &rooms));
        let rendered = self.wanted.target(
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
        let target = rendered;
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
            let question = question(target, engine, now, thorough);
            let traefik = question.running.get(&Role::Traefik);
            self.state.traefik_since = traefik.and_then(|running| running.started_at);
            observed.own = self.own(target, engine);
            let Probed {
                health,
                live,
                issues,
            } = if observed.is_outside() {
                unjudged(&question)
            } else {
                self.probe.probe(question).await
            };
            observed.health = health;
            observed.live = live;
            observed.issues.extend(issues);
            for role in Role::ALL {
                let name = target.container_name(role);
                let main = engine.containers.iter().find(|facts| facts.name == name);
                let well = matches!(observed.health.get(&role), Some(Health::Healthy { .. }));
                self.state.memory.note_run(role, main, well, now);
            }
            if let Some(Health::Healthy { generation, .. }) = observed.health.get(&Role::Traefik) {
                self.state.memory.note_generation(
                    generation.as_deref(),
                    &target.traefik_generation,
                    now,
                );
            }
        }
        let memory = &self.state.memory;
        observed.pulls = memory.pulls();
        observed.start_failures = memory.start_failures();
        observed.breakers = memory.breakers();
        observed.route_stale_since = memory.route_stale_since;
        observed.route_reminded_at = memory.route_reminded_at;
        observed.issues.extend(memory.troubles.values().cloned());
        observed.issues.extend(self.backups.borrow().failed.clone());
        observed.failures = records.failures;
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
            name == &target.network.name && attachment.aliases.contains(plan::CONTROLLER)
        });
        Some(Own {
            id: id.clone(),
            joined,
        })
    }

    fn remember(&mut self, effects: Effects, now: Timestamp) {
        let memory = &mut self.state.memory;
        for role in effects.made.into_iter().chain(effects.started) {
            memory.clear_start_failure(role);
        }
        for role in effects.restarted {
            memory.note_restart(role, now);
        }
        for (role, reason, port) in effects.refused {
            memory.note_start_failure(role, reason, port, now);
        }
        if effects.reminded {
            memory.route_reminded_at = Some(now);
        }
        // Those of this pass and no others: what failed before was tried again,
        // or is not wanted any more.
        memory.troubles = effects.troubles;
        for reference in effects.pulls {
            self.begin_pull(reference);
        }
    }

    fn begin_pull(&mut self, reference: String) {
        let (news, _) = self.state.pulls.get_or_insert_with(mpsc::unbounded_channel);
        let news = news.clone();
        self.state.memory.note_pull(&reference, 0, 0);
        let mut progress = self.engine.pull(&reference);
        tokio::spawn(async move {
            let mut told: Option<Instant> = None;
            let mut result = Ok(());
            while let Some(step) = progress.next().await {
                match step {
                    Ok(step) if told.is_none_or(|at| at.elapsed() >= PROGRESS) => {
                        told = Some(Instant::now());
                        let reference = reference.clone();
                        let (current, total) = (step.current, step.total);
                        let _gone = news.send(PullNews::Progress {
                            reference,
                            current,
                            total,
                        });
                    }
                    Ok(_) => {}
                    Err(error) => result = Err(error),
                }
            }
            let _gone = news.send(match result {
                Ok(()) => PullNews::Done { reference },
                Err(error) => PullNews::Failed {
                    reference,
                    reason: error.to_string(),
                },
            });
        });
    }

    fn take(&mut self, news: PullNews) {
        let now = (self.clock)();
        let memory = &mut self.state.memory;
        match news {
            PullNews::Progress {
                reference,
                current,
                total,
            } => {
                memory.note_pull(&reference, current, total);
            }
            PullNews::Done { reference } => {
                info!(reference, "pulled");
                memory.note_pulled(&reference);
            }
            PullNews::Failed { reference, reason } => {
                warn!(reference, reason, "the pull failed");
                memory.note_pull_failure(&reference, reason, now);
            }
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
        let running = question(target, engine, (self.clock)(), false).running;
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

/// The orders as the last controller left them. What cannot be read is as good
/// as nothing: every name is looked at anew.
fn kept_orders(disk: &Disk) -> Orders {
    std::fs::read(disk.state().join(ORDERS))
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

/// Waits for news of pulls; for ever while there are none.
async fn next_news(
    pulls: &mut Option<(
        mpsc::UnboundedSender<PullNews>,
        mpsc::UnboundedReceiver<PullNews>,
    )>,
) -> PullNews {
    match pulls {
        Some((_, inbox)) => match inbox.recv().await {
            Some(news) => news,
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
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

fn question(target: &Target, engine: &EngineFacts, now: Timestamp, thorough: bool) -> Question {
    let running = Role::ALL
        .into_iter()
        .filter_map(|role| {
            let name = target.container_name(role);
            let facts = engine.containers.iter().find(|facts| facts.name == name)?;
            let runs = matches!(
                facts.state,
                ContainerState::Running | ContainerState::Paused
            );
            runs.then(|| {
                let address = facts
                    .networks
                    .get(&target.network.name)
                    .and_then(|attachment| attachment.address);
                (
                    role,
                    Running {
                        id: facts.id.clone(),
                        started_at: facts.started_at,
                        address,
                        state: facts.state,
                    },
                )
            })
        })
        .collect();
    Question {
        running,
        now,
        thorough,
    }
}

/// What is known of services that cannot be reached from where we are.
fn unjudged(question: &Question) -> Probed {
    let why = "the controller is not in their network yet";
    let starting = |role: &Role| (*role, Health::Starting { why: why.into() });
    Probed {
        health: question.running.keys().map(starting).collect(),
        ..Probed::default()
    }
}

/// Keeps listening to the engine and triggers a look for every hint, and for
/// every time the stream had to be opened anew (something may be missed).
async fn follow_events<E: Engine>(
    engine: Arc<E>,
    instance: String,
    mut since: i64,
    sender: mpsc::Sender<Trigger>,
    knock: watch::Sender<Option<Instant>>,
) {
    let mut pause = RECONNECT.0;
    loop {
        let mut events = engine.events(&instance, Some(since));
        let opened = Instant::now();
        let silent = loop {
            match tokio::time::timeout(SILENCE, events.next()).await {
                Ok(Some(Ok(hint))) => {
                    debug!(event = hint.what, "engine event");
                    since = hint.at.saturating_sub(OVERLAP);
                    let _full = sender.try_send(Trigger::Engine);
                }
                Ok(Some(Err(_)) | None) => break false,
                Err(_) => break true,
            }
        };
        if silent {
            // Asked again from the last event on: nothing is missed between.
            continue;
        }
        if opened.elapsed() > Duration::from_secs_f64(RECONNECT.1) {
            pause = RECONNECT.0;
        }
        // Jitter, so that several controllers do not knock in step.
        let jitter = f64::from(std::process::id() % 100) / 400.0;
        let wait = Duration::from_secs_f64(pause * (1.0 + jitter));
        knock.send_replace(Some(Instant::now() + wait));
        tokio::time::sleep(wait).await;
        pause = (pause * 1.7).min(RECONNECT.1);
        knock.send_replace(None);
        let _full = sender.try_send(Trigger::Engine);
    }
}

/// The engine does not answer: what, why, what to do.
pub(super) fn engine_issue(error: &EngineError) -> Issue {
    let (code, what, fix) = match error {
        EngineError::Denied { .. } => (
            IssueCode::EngineDenied,
            "The container engine's socket may not be opened",
            "Run the controller as root or as a member of the socket's group (`docker`)",
        ),
        EngineError::TooOld { .. } => (
            IssueCode::EngineTooOld,
            "The container engine is too old",
            "Install Docker Engine 20.10 or newer",
        ),
        EngineError::Slow { .. } => (
            IssueCode::EngineAway,
            "The container engine answers too slowly",
            "Look at its log; what runs goes on, and it is asked again by itself",
        ),
        EngineError::StateNotMounted { .. } => (
            IssueCode::StateUnwritable,
            "The state folder is inside the controller's own container, where no service can read it",
            "Start the controller's container with a volume or a folder of the host there, such as `-v colourstream:/state`; until then nothing is touched",
        ),
        _ => (
            IssueCode::EngineAway,
            "The container engine does not answer",
            "Start it (`systemctl start docker`) or correct `engine.address`; asked again by itself",
        ),
    };
    Issue {
        code,
        severity: Severity::Error,
        role: None,
        subject: match error {
            EngineError::StateNotMounted { state, .. } => state.clone(),
            _ => "engine".into(),
        },
        what: what.into(),
        why: error.to_string(),
        fix: fix.into(),
    }
}

/// Kept out of the loop's way: only used for the log.
impl<E, P> std::fmt::Debug for Controller<E, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Controller")
            .field("reconcile", &self.state.reconcile)
            .finish_non_exhaustive()
    }
}
