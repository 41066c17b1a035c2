//! The loop itself.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::execute::{Effects, Hands, store_trouble};
use super::look::{Probe, Probed, Question, Running};
use super::memory::Memory;
use super::publish;
use super::trigger::{FileWatch, Trigger, Triggers};
use super::wanted::Wanted;
use crate::desired::{Target, labels};
use crate::disk::Disk;
use crate::engine::{ContainerState, Engine, EngineError, EngineFacts, Placement};
use crate::model::{Issue, IssueCode, Role, Severity};
use crate::plan::{self, Health, Observed, Own, Plan, Policy, Wait, plan};
use crate::settings::Mode;
use crate::status::{Command, Status};
use crate::store::{Store, marked};

/// While something starts or loads, it is looked at this often.
const RECHECK: Duration = Duration::from_millis(100);
/// Pull progress is published this often.
const PROGRESS: Duration = Duration::from_millis(500);
/// Reconnecting to the engine: first and longest pause.
const RECONNECT: (f64, f64) = (0.8, 30.0);

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
    /// Where the status goes.
    pub status: watch::Sender<Arc<Status>>,
    /// Where what was seen goes, for those who need more than the status.
    pub scene: watch::Sender<Arc<Scene>>,
    /// What time it is.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    state: State,
}

/// Finds out where the controller runs.
pub type Locate = Box<dyn Fn() -> BoxFuture<'static, Result<Placement, EngineError>> + Send + Sync>;

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
    reconcile: u64,
    mode: Option<Mode>,
    last_sweep: Option<Instant>,
    /// Passes in a row in which a step failed and none was done.
    fruitless: u32,
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
    /// How many passes in a row, this one included, only failed.
    pub fruitless: u32,
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
        if self.done > 0 {
            return RECHECK;
        }
        self.plan
            .steps
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
        Self {
            engine,
            probe,
            store,
            disk,
            wanted,
            placement: Placement::Host,
            locate,
            status,
            scene: watch::Sender::new(Arc::default()),
            clock,
            state: State::default(),
        }
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
            fruitless: 0,
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
        let mut triggers = triggers.to_vec();
        if thorough && self.wanted.is_stale() {
            triggers.push(Trigger::Settings);
        }
        let apply_now = self.heed(&triggers);
        if thorough {
            self.state.last_sweep = Some(Instant::now());
        }
        let (target, observed) = self.observe(thorough).await;
        let now = (self.clock)();
        let policy = Policy {
            now,
            mode: self.mode(),
            apply_now,
        };
        let plan = self.plan(target.as_deref(), &observed, &policy);
        // The scene first: whoever reads the status finds what it is about.
        self.show(target.as_ref(), &observed);
        self.publish(target.as_deref(), &observed, &plan, begun);
        let effects = match &target {
            Some(target) => {
                let hands = Hands {
                    engine: &*self.engine,
                    store: &self.store,
                    disk: &self.disk,
                    target,
                    reconcile,
                    now,
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
        let (done, failed) = (effects.done, effects.failed);
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
            fruitless: self.state.fruitless,
        }
    }

    /// Runs until `stop` resolves. Cancel-safe between passes only: a pass
    /// that began is finished.
    pub async fn run(mut self, mut triggers: Triggers, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let sender = triggers.sender.clone();
        let events = tokio::spawn(follow_events(
            Arc::clone(&self.engine),
            self.wanted.settings().instance.clone(),
            sender.clone(),
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
        loop {
            if let Some(watch) = &mut watch {
                let rendered = self.disk.rendered();
                watch.watch(self.wanted.watched().into_iter().chain([rendered]));
            }
            let pass = self.pass(&why).await;
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
            tokio::select! {
                // Cancel-safe: `Triggers::next` says what it folds.
                next = triggers.next(next, otherwise) => why = next,
                // Cancel-safe: a watch keeps its mark until it is read.
                changed = rooms.changed() => {
                    why = vec![Trigger::Rooms];
                    if changed.is_err() { break }
                }
                // Cancel-safe: the sender is in ourselves, nothing is lost.
                news = next_news(&mut self.state.pulls) => {
                    self.take(news);
                    why = vec![Trigger::Pull];
                }
                () = &mut stop => break,
            }
        }
        events.abort();
        info!("the loop ends; what runs goes on");
    }

    /// What people asked; whether they said *now*.
    fn heed(&mut self, triggers: &[Trigger]) -> bool {
        let mut now = false;
        for trigger in triggers {
            match trigger {
                // The settings' mode counts again.
                Trigger::Settings if self.wanted.reload() => {
                    self.state.mode = None;
                    self.state.memory.forgive();
                }
                Trigger::Person(Command::Mode(mode)) => self.state.mode = Some(*mode),
                Trigger::Person(Command::ApplyNow) => {
                    now = true;
                    self.state.memory.forgive();
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
        now
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
        let pins = self.store.pins().unwrap_or_else(|error| {
            observed.issues.push(store_trouble(&error));
            BTreeMap::new()
        });
        if let Some(locate) = &self.locate {
            match locate().await {
                Ok(placement) => {
                    self.placement = placement;
                    self.locate = None;
                }
                // Nothing can be applied while it is away; files still can.
                Err(
                    EngineError::Away { .. }
                    | EngineError::Denied { .. }
                    | EngineError::Slow { .. },
                ) => {}
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
        let references = references(&settings, &pins);
        match self.engine.observe(&settings.instance, &references).await {
            Ok(facts) => observed.engine = Some(facts),
            Err(error) => observed.issues.push(engine_issue(&error)),
        }
        let rooms = self.store.open_rooms(now).unwrap_or_else(|error| {
            observed.issues.push(store_trouble(&error));
            Vec::new()
        });
        let rendered =
            self.wanted
                .target(&self.placement, observed.engine.as_ref(), rooms, pins, now);
        observed.issues.extend(self.wanted.issues());
        let target = rendered;
        match self.disk.scan() {
            Ok(files) => observed.files = files,
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
            let Probed {
                health,
                live,
                issues,
            } = self.probe.probe(question).await;
            observed.health = health;
            observed.live = live;
            observed.issues.extend(issues);
            observed.own = self.own(target, engine);
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
        observed.failures = self.store.failures().unwrap_or_default();
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
        observed.made = self.made(observed.engine.as_ref());
        (target, observed)
    }

    /// What we made. A container whose making was begun and whose id nobody
    /// lived to record is known by its mark, and recorded now.
    fn made(&self, engine: Option<&EngineFacts>) -> BTreeMap<String, Role> {
        let mut made = self.store.made().unwrap_or_default();
        for facts in engine.iter().flat_map(|engine| &engine.containers) {
            let Some(mark) = facts.labels.get(labels::MARK) else {
                continue;
            };
            let Some(role) = made.remove(&marked(mark)) else {
                continue;
            };
            if let Err(error) = self.store.confirm_made(mark, &facts.id, role) {
                warn!(%error, container = facts.name, "it could not be recorded as ours; tried again");
            }
            made.insert(facts.id.clone(), role);
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
        status.at = Some(now);
        status.reconcile = self.state.reconcile;
        status.took_ms = begun.elapsed().as_secs_f64() * 1e3;
        status.next = Some(now + settings.reconcile.sweep);
        self.status.send_replace(Arc::new(status));
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

/// Keeps listening to the engine and triggers a look for every hint, and for
/// every time the stream had to be opened anew (something may be missed).
async fn follow_events<E: Engine>(engine: Arc<E>, instance: String, sender: mpsc::Sender<Trigger>) {
    let mut since = None;
    let mut pause = RECONNECT.0;
    loop {
        let mut events = engine.events(&instance, since);
        let opened = Instant::now();
        while let Some(Ok(hint)) = events.next().await {
            debug!(event = hint.what, "engine event");
            since = Some(hint.at.saturating_sub(2));
            let _full = sender.try_send(Trigger::Engine);
        }
        if opened.elapsed() > Duration::from_secs_f64(RECONNECT.1) {
            pause = RECONNECT.0;
        }
        // Jitter, so that several controllers do not knock in step.
        let jitter = f64::from(std::process::id() % 100) / 400.0;
        tokio::time::sleep(Duration::from_secs_f64(pause * (1.0 + jitter))).await;
        pause = (pause * 1.7).min(RECONNECT.1);
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
