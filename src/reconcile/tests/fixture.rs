//! The loop on a world in memory: a script instead of services, one clock for
//! all, and a guard between loop and engine that watches every single call
//! and can make any of them the last.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::{BoxStream, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, watch};

use crate::desired::{ImagePin, PortBinding, Protocol, Secrets, labels};
use crate::disk::{Disk, passing_secrets};
use crate::engine::fake::World;
use crate::engine::{
    ContainerFacts, ContainerState, Engine, EngineCall, EngineError, EngineFacts, EngineHint,
    ImageFacts, NetworkFacts, Performed, PullProgress,
};
use crate::model::{
    Id, Issue, IssueCode, PublishKey, Role, Room, Secret, Severity, Slug, StreamName,
};
use crate::plan::{Health, Live, Plan, Wait, view, views};
use crate::reconcile::{
    Command, Controller, Pass, Probe, Probed, Question, Source, Trigger, Wanted,
};
use crate::services::Heard;
use crate::settings::{self, Overrides};
use crate::status::Status;
use crate::store::{JournalEntry, JournalFilter, Store};

pub const INSTANCE: &str = "colourstream";
/// A container that has been here before us and is nobody's business.
pub const FOREIGN: &str = "postgres";
/// The same of a network.
const THEIRS: &str = "theirs";

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// The engine refuses, nothing was done.
    Refused,
    /// All was done, the answer was lost.
    Lost,
    /// The controller is killed before the call reaches the engine.
    KilledBefore,
    /// The controller is killed after the engine did the work.
    KilledAfter,
    /// The controller is stopped for a minute after the engine did the work.
    Stopped,
}

pub const STRIKES: [Strike; 5] = [
    Strike::Refused,
    Strike::Lost,
    Strike::KilledBefore,
    Strike::KilledAfter,
    Strike::Stopped,
];

/// The engine as the loop sees it.
pub struct Guard {
    pub world: World,
    strike: Mutex<Option<(usize, Strike)>>,
    dead: AtomicBool,
    killed: Notify,
    /// What the services would say, and who is live.
    script: Arc<Script>,
    /// Somebody goes live as soon as so many more changing calls are done.
    pub live_after: Mutex<Option<usize>>,
    /// When a person last said *now* to the controller that runs.
    asked: Mutex<Option<tokio::time::Instant>>,
    /// Whether streams of events stay open and say nothing.
    pub silent: AtomicBool,
    /// From when on events were asked for, each time.
    pub listened: Mutex<Vec<Option<i64>>>,
}

impl Guard {
    /// The `calls`-th changing call from now on is struck.
    pub fn strike(&self, calls: usize, strike: Strike) {
        *self.strike.lock().unwrap() = Some((calls, strike));
    }

    fn due(&self) -> Option<Strike> {
        let mut strike = self.strike.lock().unwrap();
        match &mut *strike {
            Some((0, _)) => strike.take().map(|(_, strike)| strike),
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        }
    }

    async fn die(&self) -> ! {
        self.stop();
        std::future::pending().await
    }

    /// Nothing reaches the engine any more.
    pub fn stop(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.killed.notify_one();
    }

    /// Resolves once it was stopped.
    pub async fn stopped(&self) {
        self.killed.notified().await;
    }

    /// Nobody who is live is cut off from a service that is well, unless a
    /// person said now.
    fn check_cut(&self, call: &EngineCall) {
        let (EngineCall::StopContainer { id, .. } | EngineCall::RemoveContainer { id }) = call
        else {
            return;
        };
        let is_asked = |at: tokio::time::Instant| at.elapsed() < Duration::from_secs(600);
        if self.script.live.lock().unwrap().is_quiet()
            || self.asked.lock().unwrap().is_some_and(is_asked)
        {
            return;
        }
        let found = ours(&self.world)
            .into_iter()
            .find(|facts| facts.id == *id && facts.state == ContainerState::Running);
        let Some(facts) = found else { return };
        let role = Role::ALL
            .into_iter()
            .find(|role| facts.labels.get(labels::ROLE).map(String::as_str) == Some(role.as_str()));
        let heard = role.and_then(|role| self.script.heard(role, id, self.world.now()));
        assert!(
            !matches!(heard, Some(Heard::Word(Health::Healthy { .. }))),
            "{} is well, and is cut while somebody is live",
            facts.name
        );
    }

    fn count_down(&self) {
        let mut left = self.live_after.lock().unwrap();
        *left = left.and_then(|left| left.checked_sub(1));
        if *left == Some(0) {
            self.script.go_live(1);
        }
    }

    /// Two containers of one role never run at once.
    fn check(&self) {
        for role in Role::ALL {
            let running: Vec<String> = ours(&self.world)
                .into_iter()
                .filter(|facts| {
                    facts.labels.get(labels::ROLE).map(String::as_str) == Some(role.as_str())
                        && matches!(
                            facts.state,
                            ContainerState::Running
                                | ContainerState::Restarting
                                | ContainerState::Paused
                        )
                })
                .map(|facts| facts.name)
                .collect();
            assert!(running.len() <= 1, "two run for {role}: {running:?}");
        }
    }
}

/// What keeps the lanes from going on: the first wait of each.
pub fn holding(plan: &Plan) -> Vec<Wait> {
    let mut lanes = BTreeSet::new();
    let waits = plan
        .steps
        .iter()
        .filter(|step| step.waits.is_some() && lanes.insert(step.lane));
    waits.filter_map(|step| step.waits.clone()).collect()
}

/// Every container that carries our label.
pub fn ours(world: &World) -> Vec<ContainerFacts> {
    world
        .names()
        .iter()
        .filter_map(|name| world.container(name))
        .filter(|facts| facts.labels.get(labels::INSTANCE).map(String::as_str) == Some(INSTANCE))
        .collect()
}

impl Engine for Guard {
    async fn observe(
        &self,
        instance: &str,
        references: &[String],
    ) -> Result<EngineFacts, EngineError> {
        self.world.observe(instance, references).await
    }

    async fn perform(&self, call: EngineCall) -> Result<Performed, EngineError> {
        if self.dead.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.check_cut(&call);
        let strike = self.due();
        match strike {
            Some(Strike::Refused) => {
                return Err(EngineError::Other("something is wrong inside".into()));
            }
            Some(Strike::KilledBefore) => self.die().await,
            _ => {}
        }
        let result = self.world.perform(call).await;
        self.check();
        self.count_down();
        match strike {
            Some(Strike::Lost) => Err(EngineError::Slow {
                what: "the answer is lost".into(),
                seconds: 10,
            }),
            Some(Strike::KilledAfter) => self.die().await,
            Some(Strike::Stopped) => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                result
            }
            _ => result,
        }
    }

    fn pull(&self, reference: &str) -> BoxStream<'static, Result<PullProgress, EngineError>> {
        self.world.pull(reference)
    }

    fn events(
        &self,
        instance: &str,
        since: Option<i64>,
    ) -> BoxStream<'static, Result<EngineHint, EngineError>> {
        self.listened.lock().unwrap().push(since);
        if self.silent.load(Ordering::SeqCst) {
            return futures_util::stream::pending().boxed();
        }
        self.world.events(instance, since)
    }

    fn logs(
        &self,
        container: &str,
        tail: u32,
        follow: bool,
    ) -> BoxStream<'static, Result<String, EngineError>> {
        self.world.logs(container, tail, follow)
    }
}

/// What the services would say, made from what runs in the world.
pub struct Script {
    world: World,
    rendered: PathBuf,
    /// Who is live.
    pub live: Mutex<Live>,
    /// Images whose containers run, but never answer.
    pub mute: Mutex<BTreeSet<String>>,
    /// Answers that a service still misses, though it is well.
    misses: Mutex<BTreeMap<Role, usize>>,
    /// Services that answered since they last blinked.
    answered: Mutex<BTreeSet<Role>>,
    /// Rounds in which we lack what it takes to ask.
    pub unasked: AtomicUsize,
    /// Whether Traefik takes up what is in its folder.
    pub loads: AtomicBool,
    loaded: Mutex<Option<String>>,
}

/// From start to the first answer.
const TO_READY: SignedDuration = SignedDuration::from_millis(250);
/// A service that has not answered by then is not well.
const PATIENCE: SignedDuration = SignedDuration::from_secs(15);

impl Script {
    fn generation(&self) -> Option<String> {
        let file = self.rendered.join("traefik/dynamic/colourstream.yml");
        let text = std::fs::read_to_string(file).ok()?;
        let (_, rest) = text.split_once("X-Config-Generation")?;
        rest.split(|letter: char| !letter.is_ascii_hexdigit())
            .find(|word| word.len() == 64)
            .map(str::to_owned)
    }

    fn heard(&self, role: Role, id: &str, now: Timestamp) -> Option<Heard> {
        let facts = ours(&self.world).into_iter().find(|facts| facts.id == id)?;
        if facts.state == ContainerState::Paused {
            let why = "it is paused".into();
            return Some(Heard::Word(Health::Starting { why }));
        }
        if !facts.networks.values().any(|end| end.address.is_some()) {
            let why = "it has no address in our network".into();
            return Some(Heard::Word(Health::Starting { why }));
        }
        let age = match now.duration_since(facts.started_at?) {
            // Like the real one: the clock was set back since.
            age if age < SignedDuration::from_mins(-1) => PATIENCE,
            age => age,
        };
        let silent = self.mute.lock().unwrap().contains(&facts.image_id);
        if age < TO_READY || silent && age < PATIENCE {
            return Some(missed(true));
        }
        if silent {
            return Some(missed(false));
        }
        let generation = (role == Role::Traefik).then(|| self.loaded.lock().unwrap().clone());
        Some(Heard::Word(Health::Healthy {
            version: Some("1".into()),
            generation: generation.flatten(),
        }))
    }

    pub fn go_live(&self, streams: u32) {
        *self.live.lock().unwrap() = Live {
            streams,
            viewers: streams,
            callers: 0,
        };
    }

    /// The next answers of a service do not come.
    pub fn miss(&self, role: Role, count: usize) {
        self.misses.lock().unwrap().insert(role, count);
    }

    /// The next two answers do not come; never more in a row.
    pub fn blink(&self, role: Role) {
        if self.answered.lock().unwrap().remove(&role) {
            self.miss(role, 2);
        }
    }

    /// What is heard, as far as it can be.
    fn asked(&self, role: Role, id: &str, now: Timestamp) -> Option<Heard> {
        let heard = self.heard(role, id, now)?;
        let mut misses = self.misses.lock().unwrap();
        let left = misses.entry(role).or_default();
        if *left > 0 {
            *left -= 1;
            return Some(missed(false));
        }
        if matches!(heard, Heard::Word(_)) {
            self.answered.lock().unwrap().insert(role);
        }
        Some(heard)
    }
}

fn missed(is_starting: bool) -> Heard {
    Heard::Missed {
        why: "it does not answer".into(),
        is_starting,
    }
}

impl Probe for Script {
    async fn probe(&self, question: Question) -> Probed {
        // Like the real one, it answers later, never in the same breath.
        tokio::task::yield_now().await;
        if question.running.contains_key(&Role::Traefik) && self.loads.load(Ordering::SeqCst) {
            *self.loaded.lock().unwrap() = self.generation();
        }
        let lacks = |left: usize| left.checked_sub(1);
        let order = Ordering::SeqCst;
        let unasked = self.unasked.fetch_update(order, order, lacks).is_ok();
        let heard = question.running.iter().filter_map(|(role, running)| {
            if unasked {
                let why = "too many open files".into();
                return Some((*role, Heard::Unasked { why }));
            }
            Some((*role, self.asked(*role, &running.id, question.now)?))
        });
        Probed {
            heard: heard.collect(),
            live: *self.live.lock().unwrap(),
            issues: Vec::new(),
        }
    }
}

/// Everything, with a controller that can be killed and made anew.
pub struct Stage {
    pub world: World,
    pub guard: Arc<Guard>,
    pub script: Arc<Script>,
    pub store: Arc<Store>,
    pub disk: Arc<Disk>,
    pub secrets: Secrets,
    pub controller: Option<Controller<Guard, Script>>,
    pub status: watch::Receiver<Arc<Status>>,
    pub file: PathBuf,
    pub killed: bool,
    /// How often.
    pub kills: usize,
    /// Time between two passes that wait, at least.
    pub pace: Duration,
    began: tokio::time::Instant,
    /// Seconds by which the clock was set.
    shift: Arc<AtomicI64>,
    foreign: (ContainerFacts, NetworkFacts),
    folder: tempfile::TempDir,
}

/// No names to resolve, no certificate to make: fast enough for hundreds.
pub const PLAIN: &str = "tls: off\npublic_address: 192.0.2.7\n";
/// Another image of the media server.
pub const NEWER_OME: &str = "images: {ovenmediaengine: airensoft/ovenmediaengine:v0.22.0}\n";
/// Everything restarts: new ports for all three.
pub const MOVED: &str = "tls: off\npublic_address: 192.0.2.7\nports: {http: 8090, https: 8453, rtmp: 1945, call: 40010-40011}\n";

/// The images of a settings text's defaults, and newer ones.
pub const IMAGES: [(&str, &str); 6] = [
    ("traefik:v3.7.15", "sha256:traefik"),
    ("airensoft/ovenmediaengine:v0.21.0", "sha256:ome"),
    ("mirotalk/sfu:2.3.77", "sha256:mirotalk"),
    ("traefik:v3.8.0", "sha256:traefik-new"),
    ("airensoft/ovenmediaengine:v0.22.0", "sha256:ome-new"),
    ("mirotalk/sfu:2.4.0", "sha256:mirotalk-new"),
];

pub fn image(id: &str) -> ImageFacts {
    ImageFacts {
        id: id.to_owned(),
        repo_digests: Vec::new(),
        labels: BTreeMap::new(),
        env: BTreeMap::from([("PATH".into(), "/bin".into())]),
        command: vec!["/service".into()],
        user: String::new(),
        size: 1,
    }
}

fn begin() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

impl Stage {
    /// An engine with all images, somebody else's container, and settings.
    pub fn new(text: &str) -> Self {
        // Hundreds of durable writes: memory has no disk to wait for.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        }
        .unwrap();
        let file = folder.path().join("colourstream.yaml");
        let world = World::new(begin());
        for (reference, id) in IMAGES {
            world.add_image(reference, image(id));
        }
        let port = PortBinding {
            container: 5432,
            protocol: Protocol::Tcp,
            host: 5432,
            address: None,
        };
        world.add_foreign(FOREIGN, &[port]);
        world.add_network(NetworkFacts {
            id: "f0".into(),
            name: THEIRS.into(),
            driver: "bridge".into(),
            labels: BTreeMap::new(),
            subnets: vec!["10.83.1.0/24".into()],
            gateway: Some([10, 83, 1, 1].into()),
        });
        let disk = Arc::new(Disk::open(&folder.path().join("state")).unwrap());
        for name in [
            "traefik/dynamic",
            "traefik/certs",
            "ovenmediaengine",
            "mirotalk",
        ] {
            disk.ensure_folder(&Path::new("rendered").join(name), 0o755, None)
                .unwrap();
        }
        let script = Arc::new(Script {
            world: world.clone(),
            rendered: disk.rendered(),
            live: Mutex::default(),
            mute: Mutex::default(),
            misses: Mutex::default(),
            answered: Mutex::default(),
            unasked: AtomicUsize::new(0),
            loads: AtomicBool::new(true),
            loaded: Mutex::default(),
        });
        let mut stage = Self {
            guard: Arc::new(Guard {
                world: world.clone(),
                strike: Mutex::default(),
                dead: AtomicBool::new(false),
                killed: Notify::new(),
                script: Arc::clone(&script),
                live_after: Mutex::default(),
                asked: Mutex::default(),
                silent: AtomicBool::new(false),
                listened: Mutex::default(),
            }),
            script,
            store: Arc::new(Store::in_memory().unwrap()),
            disk,
            secrets: passing_secrets(None).unwrap(),
            controller: None,
            status: watch::channel(Arc::default()).1,
            file,
            killed: false,
            kills: 0,
            pace: Duration::ZERO,
            began: tokio::time::Instant::now(),
            shift: Arc::default(),
            foreign: (
                world.container(FOREIGN).unwrap(),
                world.network(THEIRS).unwrap(),
            ),
            world,
            folder,
        };
        stage.write_settings(text);
        stage.restart();
        stage
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Settings on disk; nobody has read them yet.
    pub fn write_settings(&self, text: &str) {
        let state = self.folder.path().join("state");
        std::fs::write(&self.file, format!("{text}state: {}\n", state.display())).unwrap();
    }

    /// What runs from the other image of the media server never answers.
    pub fn mute_newer_ome(&self) {
        let mut mute = self.script.mute.lock().unwrap();
        mute.insert("sha256:ome-new".into());
    }

    /// A new controller on what the old one left.
    pub fn restart(&mut self) {
        self.controller = None;
        self.guard.dead.store(false, Ordering::SeqCst);
        *self.guard.asked.lock().unwrap() = None;
        let source = Source {
            file: Some(self.file.clone()),
            overrides: Overrides::default(),
        };
        let settings = settings::load(Some(&self.file), &source.overrides).unwrap_or_else(|_| {
            // It does not start before somebody has mended them.
            self.write_settings(PLAIN);
            settings::load(Some(&self.file), &source.overrides).unwrap()
        });
        let wanted = Wanted::new(
            source,
            settings,
            Arc::clone(&self.disk),
            self.secrets.clone(),
        );
        let (sender, status) = watch::channel(Arc::default());
        self.status = status;
        let (world, began, shift) = (self.world.clone(), self.began, Arc::clone(&self.shift));
        let clock = move || {
            let now = begin()
                + SignedDuration::try_from(began.elapsed()).unwrap()
                + SignedDuration::from_secs(shift.load(Ordering::SeqCst));
            // One clock: the engine's follows.
            if let Ok(behind) = Duration::try_from(now.duration_since(world.now())) {
                world.advance(behind);
            }
            now
        };
        let mut controller = Controller::new(
            Arc::clone(&self.guard),
            Arc::clone(&self.script),
            Arc::clone(&self.store),
            Arc::clone(&self.disk),
            wanted,
            None,
            sender,
            Arc::new(clock),
        );
        // What listens on the machine of the test is no part of the world.
        controller.listeners = Vec::new;
        self.controller = Some(controller);
    }

    pub fn now(&self) -> Timestamp {
        begin()
            + SignedDuration::try_from(self.began.elapsed()).unwrap()
            + SignedDuration::from_secs(self.shift.load(Ordering::SeqCst))
    }

    /// Somebody sets the clock of the machine; engine and controller have one.
    pub fn set_clock(&self, seconds: i64) {
        self.shift.fetch_add(seconds, Ordering::SeqCst);
        self.world.set_clock(self.now());
    }

    /// One pass; a controller that is killed in it is made anew and passes.
    pub async fn pass(&mut self, triggers: &[Trigger]) -> Pass {
        let mut triggers = triggers;
        if triggers.contains(&Trigger::Person(Command::ApplyNow)) {
            *self.guard.asked.lock().unwrap() = Some(tokio::time::Instant::now());
        }
        loop {
            let guard = Arc::clone(&self.guard);
            let pass = {
                let controller = self.controller.as_mut().unwrap();
                tokio::select! {
                    biased;
                    pass = controller.pass(triggers) => Some(pass),
                    () = guard.killed.notified() => None,
                }
            };
            match pass {
                Some(pass) => return pass,
                None => {
                    self.killed = true;
                    self.kills += 1;
                    self.restart();
                    triggers = &[Trigger::Sweep];
                }
            }
        }
    }

    pub async fn settings(&mut self, text: &str) -> Pass {
        self.write_settings(text);
        self.pass(&[Trigger::Settings]).await
    }

    /// Passes until nothing is left to do but to wait for people, or `most`
    /// times: those passes are the error.
    pub async fn rest(&mut self, most: usize) -> Result<Pass, Vec<Pass>> {
        let mut passes = Vec::new();
        for _ in 0..most {
            let pass = self.pass(&[Trigger::Recheck]).await;
            let idle = pass.done == 0 && pass.failed == 0;
            let is_live = !self.script.live.lock().unwrap().is_quiet();
            let for_people = |wait: &Wait| match wait {
                Wait::Person | Wait::Mode => true,
                // Once nobody is, it only takes its time.
                Wait::Quiet => is_live,
                _ => false,
            };
            let ready = pass.plan.ready().next().is_some();
            if idle && !ready && holding(&pass.plan).iter().all(for_people) {
                return Ok(pass);
            }
            let next = pass.next(self.now(), Duration::from_secs(30));
            passes.push(pass);
            tokio::time::advance(next.max(self.pace)).await;
        }
        Err(passes)
    }

    /// As [`Stage::rest`], which it has to come to.
    pub async fn settle(&mut self) -> Pass {
        match self.rest(600).await {
            Ok(pass) => pass,
            Err(mut passes) => {
                let Plan { steps, issues } = passes.pop().unwrap().plan;
                let shown: Vec<_> = steps.iter().map(view).collect();
                panic!("it does not settle: {shown:#?}\n{issues:#?}");
            }
        }
    }

    /// Everything as wanted, nothing in the way, and nothing more to call.
    pub async fn assert_converged(&mut self) {
        let pass = self.settle().await;
        assert!(pass.plan.is_empty(), "{:#?}", views(&pass.plan));
        assert_eq!(errors(&pass.plan.issues), Vec::<&Issue>::new());
        let target = pass.target.unwrap();
        let mut containers = ours(&self.world);
        // Killed between a container and its record, and renamed by hand since:
        // it may be a stranger's by then, so it is told and left alone.
        let told = |name: &String| {
            let alike =
                |issue: &Issue| issue.code == IssueCode::LookAlike && issue.subject == *name;
            pass.plan.issues.iter().any(alike)
        };
        containers.retain(|facts| !told(&facts.name));
        assert_eq!(containers.len(), 3, "{:?}", self.world.names());
        for role in Role::ALL {
            let facts = self.world.container(&target.container_name(role)).unwrap();
            let spec = target.container(role).unwrap().digest().to_string();
            assert_eq!(
                facts.labels.get(labels::SPEC),
                Some(&spec),
                "{role} is not current"
            );
            assert_eq!(facts.state, ContainerState::Running, "{role}");
        }
        self.world.take_calls();
        let journal = self.journal().len();
        let again = self.pass(&[Trigger::Sweep]).await;
        assert!(again.plan.is_empty(), "{:#?}", views(&again.plan));
        assert_eq!(self.world.take_calls(), []);
        assert_eq!(
            self.journal().len(),
            journal,
            "nothing was done, nothing is told"
        );
        self.assert_sane();
    }

    /// What holds whatever happened.
    pub fn assert_sane(&self) {
        self.assert_untouched();
        let open = self
            .journal()
            .iter()
            .filter(|entry| entry.outcome.is_none())
            .count();
        // Each time it is killed, one entry per lane may have no end.
        assert!(open <= 3 * self.kills, "{open} steps have no outcome");
    }

    /// The part of it that costs nothing to ask.
    pub fn assert_untouched(&self) {
        self.guard.check();
        let (container, network) = &self.foreign;
        assert_eq!(self.world.container(FOREIGN).as_ref(), Some(container));
        assert_eq!(self.world.network(THEIRS).as_ref(), Some(network));
    }

    /// Secrets stay where they belong: nothing that is told, kept as a story or
    /// shown by the engine holds one.
    pub fn assert_silent(&self) {
        let told = format!(
            "{:?} {:?} {:?}",
            self.journal(),
            *self.status.borrow(),
            ours(&self.world)
        );
        let secrets = &self.secrets;
        let known = [
            &secrets.ome_api_token,
            &secrets.ome_hook_key,
            &secrets.mirotalk_jwt_key,
            &secrets.mirotalk_api_key,
            &secrets.mirotalk_viewer_password,
            &secrets.mirotalk_host_password,
            &secrets.mirotalk_hook_path,
            &secrets.ticket_key,
        ];
        for secret in known {
            assert!(!told.contains(secret.expose().as_str()), "a secret is told");
        }
        let (told, routes) = (told, self.routes());
        for room in self.store.rooms().unwrap() {
            let key = room.key.expose();
            assert!(
                !told.contains(key) && !routes.contains(key),
                "a key is told"
            );
        }
    }

    pub fn journal(&self) -> Vec<JournalEntry> {
        let mut all = self
            .store
            .journal(&JournalFilter::default(), None, 20_000)
            .unwrap();
        all.reverse();
        all
    }

    /// Steps in the journal from the entry `from` on.
    pub fn steps_since(&self, from: usize) -> Vec<String> {
        self.journal()
            .into_iter()
            .skip(from)
            .map(|entry| entry.action)
            .collect()
    }

    pub fn pins(&self) -> BTreeMap<String, ImagePin> {
        self.store.pins().unwrap()
    }

    /// The container that runs for a role under its name.
    pub fn main(&self, role: Role) -> ContainerFacts {
        self.world.container(&name(role)).unwrap()
    }

    pub fn routes(&self) -> String {
        let file = self
            .disk
            .rendered()
            .join("traefik/dynamic/colourstream.yml");
        std::fs::read_to_string(file).unwrap_or_default()
    }

    pub fn go_live(&self, streams: u32) {
        self.script.go_live(streams);
    }
}

pub fn name(role: Role) -> String {
    format!("{INSTANCE}-{role}")
}

pub fn errors(issues: &[Issue]) -> Vec<&Issue> {
    issues
        .iter()
        .filter(|issue| issue.severity == Severity::Error)
        .collect()
}

pub fn has(issues: &[Issue], code: IssueCode) -> bool {
    issues.iter().any(|issue| issue.code == code)
}

/// An open room made from a number.
pub fn room(number: u8) -> Room {
    let entropy = Secret::new([number; 32]);
    Room {
        id: Id::new(&entropy),
        title: format!("Reel {number} – “Nacht” {{{{ 7 * 7 }}}}"),
        slug: Slug::kept(format!("reel-{number}")),
        stream: StreamName::new(&entropy),
        key: PublishKey::new(&entropy),
        ..Room::sample(begin()).unwrap()
    }
}
