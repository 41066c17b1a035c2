//! Putting the parts together, for `serve` and for commands that work without
//! a running controller.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;
use tracing::{info, warn};

use super::{Common, Failure};
use crate::VERSION;
use crate::backup::{self, BackupError};
use crate::desired::{Secrets, Target};
use crate::disk::{
    ACME, Disk, DiskError, Draft, RENDERED, SECRETS, StateLock, UNSEEN, discard, finish_swap,
    is_unseen, load_existing_secrets, load_or_create_secrets, mend_certificates, passing_secrets,
    traefik_beside_us,
};
use crate::engine::{DockerEngine, Engine as _, Placement, placement, services_of};
use crate::host;
use crate::model::{Issue, Severity};
use crate::reconcile::{Ask, Controller, Gate, Source, Wanted, nameless};
use crate::serve::{Parts, Published};
use crate::services::Services;
use crate::settings::{self, Kept, Overrides, Settings};
use crate::status::Status;
use crate::store::{self, Store, StoreError};

/// The parts, assembled over the real engine.
pub struct Session {
    /// The loop.
    pub controller: Parts,
    /// What it publishes.
    pub status: Published,
    /// The hold on the state folder, if nobody else has it.
    pub(super) lock: Option<StateLock>,
    /// Where the copy lies that is looked at in place of an older database.
    _copy: Option<Draft>,
}

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// To look: an older database stays as it is.
    Look,
    /// To work: it is brought up to date, after a backup.
    Work,
}

/// Where the settings come from, by the command line and the environment.
pub fn source(common: &Common) -> Source {
    let folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name != "COLOURSTREAM_CONFIG");
    let mut overrides = Overrides::from_env(variables, folder);
    if let Some(state) = &common.state {
        overrides = overrides.flag("--state", "state", state.display().to_string());
    }
    Source {
        file: common.config.clone(),
        overrides,
    }
}

/// The settings, or every mistake in them.
pub fn settings(common: &Common) -> Result<Settings, Failure> {
    let source = source(common);
    settings::load(source.file.as_deref(), &source.overrides).map_err(|errors| {
        let mistakes = if errors.len() == 1 {
            "one mistake"
        } else {
            "mistakes"
        };
        let what = format!("{mistakes} in the settings; what runs goes on running");
        told_settings(&what, &errors)
    })
}

/// The settings to serve by: those of [`settings_in_force`], or the last good
/// ones where they would be another installation on this state folder; the loop
/// tells why.
pub async fn settings_to_serve(common: &Common) -> Result<Settings, Failure> {
    let given = settings_in_force(common)?;
    let Some(last) = last_good(common) else {
        return Ok(given);
    };
    let source = source(common);
    let text = source.file.and_then(|file| std::fs::read(file).ok());
    let text = String::from_utf8_lossy(text.as_deref().unwrap_or_default());
    let is_nameless = nameless(&last, &given, &text, &source.overrides).is_some();
    let is_other = is_nameless || leaves_behind(&last, &given).await;
    Ok(if is_other { last } else { given })
}

/// Whether services run under the last name that nobody would know any more.
/// Those that cannot be seen may be there.
async fn leaves_behind(last: &Settings, given: &Settings) -> bool {
    if last.instance == given.instance {
        return false;
    }
    let Ok(engine) = DockerEngine::new(&last.engine) else {
        return true;
    };
    let seen = engine.observe(&last.instance, &[]).await;
    seen.map_or(true, |facts| {
        !services_of(&last.instance, &facts).is_empty()
    })
}

/// The settings that are given, or the last good ones where these are wrong.
pub fn settings_in_force(common: &Common) -> Result<Settings, Failure> {
    settings(common).or_else(|wrong| last_good(common).ok_or(wrong))
}

/// The settings that were served by last, if it can be told where they are.
fn last_good(common: &Common) -> Option<Settings> {
    let state = state_folder(common).ok()?;
    Kept::read(&state)?.settings(&state).ok()
}

/// The settings, though what they name may not be there: for commands that
/// mend a host, or leave it.
pub fn settings_here(common: &Common) -> Result<Settings, Failure> {
    let overrides = source(common).overrides;
    match &common.config {
        Some(path) if path.exists() => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Failure::Told(format!("{}: {error}", path.display())))?;
            settings::preview(&text, path, &overrides)
        }
        // Says that it is missing.
        Some(_) => return settings(common),
        None => {
            let folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
            settings::preview("", &folder.join("colourstream.yaml"), &overrides)
        }
    }
    .map_err(|errors| told_settings("there are mistakes in the settings", &errors))
}

/// Every mistake in settings, after a sentence.
pub fn told_settings(what: &str, errors: &[settings::SettingsError]) -> Failure {
    let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Failure::Told(format!("{what}\n\n{}", all.join("\n\n")))
}

/// The state folder of the settings, whatever else is wrong with them: whoever
/// runs on it has the last good ones, and can be asked.
pub fn state_folder(common: &Common) -> Result<PathBuf, Failure> {
    let source = source(common);
    match settings::state_folder(source.file.as_deref(), &source.overrides) {
        Some(state) => Ok(state),
        None => Ok(settings(common)?.state),
    }
}

/// Why there is no session: what can be mended while the pages stay up, and
/// what cannot.
#[derive(Debug)]
pub enum Unready {
    /// The state folder or a file in it.
    Disk(DiskError),
    /// The database.
    Store(StoreError),
    /// The backup that has to be made before the database is changed.
    Backup(BackupError),
    /// Nothing is kept here, but these run.
    Lost(Vec<String>),
    /// Nothing is kept here, and these controllers run the same instance.
    Rivals(Vec<String>),
    /// Anything else.
    Failed(Failure),
}

impl Unready {
    /// The same as an issue for people; nothing for what cannot be mended
    /// while we run.
    pub fn issue(&self, settings: &Settings) -> Option<Issue> {
        match self {
            Self::Disk(DiskError::InUse { .. }) | Self::Failed(_) => None,
            Self::Disk(error) => Some(error.issue()),
            Self::Store(error) => Some(backup::rescue(error, settings)),
            Self::Lost(running) => Some(backup::lost(running, settings)),
            Self::Rivals(names) => Some(Issue::two_controllers(&settings.instance, names)),
            Self::Backup(error) => {
                let issue = error.issue(
                    &backup::upgrades(settings),
                    backup::newest(settings).as_ref(),
                );
                Some(Issue {
                    severity: Severity::Error,
                    what: "The backup before the upgrade could not be made, so nothing was changed"
                        .into(),
                    ..issue
                })
            }
        }
    }

    /// The same as a failure, with what to do.
    pub fn told(self, settings: &Settings) -> Failure {
        match (self.issue(settings), self) {
            (Some(issue), _) => told_issue(&issue),
            (None, Self::Disk(error)) => told_disk(error),
            (None, Self::Failed(failure)) => failure,
            (None, Self::Store(error)) => Failure::told(error),
            (None, Self::Backup(error)) => Failure::told(error),
            (None, Self::Lost(names) | Self::Rivals(names)) => Failure::told(names.join(", ")),
        }
    }
}

impl From<DiskError> for Unready {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

impl From<StoreError> for Unready {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Takes hold of the state folder, clears away what a killed one left, and
/// carries a restore it was killed in to its end.
pub fn hold(state: &Path) -> Result<(Disk, StateLock), DiskError> {
    let disk = Disk::open(state)?;
    let lock = StateLock::acquire(state, Timestamp::now(), VERSION)?;
    disk.clear_tmp(&lock);
    if let Some(aside) = finish_swap(state, &lock)? {
        warn!(aside = %aside.display(), "a restore that was interrupted is finished; what it replaced lies there");
    }
    Ok((disk, lock))
}

/// Whether what stands in the way of a session is gone.
pub fn is_mended(settings: &Settings, lock: Option<&StateLock>) -> bool {
    let ready = || -> Result<(), Unready> {
        let disk = Disk::open(&settings.state)?;
        // What is not held yet has to be free.
        let _free = match lock {
            Some(_) => None,
            None => Some(StateLock::acquire(
                &settings.state,
                Timestamp::now(),
                VERSION,
            )?),
        };
        service_folders(&disk)?;
        if is_in_use(settings) {
            // A first start that came as far as the database has none yet.
            if settings.state.join(SECRETS).is_file() || was_rendered(&settings.state) {
                load_existing_secrets(&disk, None)?;
            }
            store::examine(&settings.state.join(store::FILE), VERSION, false)?;
        }
        Ok(())
    };
    host::writable(&settings.state).is_ok() && ready().is_ok()
}

/// Whether something was kept in this state folder before. Secrets are made
/// after the database and before anything is rendered, so that a first start
/// that was killed begins anew.
pub fn is_in_use(settings: &Settings) -> bool {
    let state = &settings.state;
    let log = store::companions(&state.join(store::FILE))[0].clone();
    state.join(SECRETS).is_file() || was_rendered(state) || is_full(&log)
}

fn is_full(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|meta| meta.len() > 0)
}

/// Whether services were given files from here.
fn was_rendered(state: &Path) -> bool {
    let mut folders = vec![state.join(RENDERED)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => return true,
                _ => {}
            }
        }
    }
    false
}

/// What is known of services that ran before a state folder was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// None did.
    Clear,
    /// The engine did not answer: the loop finds out when it does.
    Unseen,
}

impl Ground {
    /// Keeps it, before anything else is kept.
    ///
    /// # Errors
    /// See [`DiskError`].
    pub fn note(self, disk: &Disk) -> Result<(), DiskError> {
        let mark = disk.state().join(UNSEEN);
        match (self, mark.exists()) {
            (Self::Unseen, false) => disk.keep(Path::new(UNSEEN), b"", 0o600),
            (Self::Clear, true) => discard(&mark),
            _ => Ok(()),
        }
    }
}

/// Whether our services run though this state folder never made any: it is the
/// wrong one, or empty because its disk is not mounted. Without secrets and
/// rendered files no service can have been made from it, whatever else is there.
///
/// # Errors
/// [`Unready::Lost`], with those that run; [`Unready::Rivals`] where another
/// controller runs them.
pub async fn ground(settings: &Settings) -> Result<Ground, Unready> {
    let state = &settings.state;
    let is_used = state.join(SECRETS).is_file() || was_rendered(state);
    if is_used && !is_unseen(state) {
        return Ok(Ground::Clear);
    }
    let Ok(engine) = DockerEngine::new(&settings.engine) else {
        return Ok(Ground::Unseen);
    };
    // So that we are not taken for another one.
    let _elsewhere = placement::find(&engine, state).await;
    let Ok(facts) = engine.observe(&settings.instance, &[]).await else {
        return Ok(Ground::Unseen);
    };
    if !facts.rivals.is_empty() {
        return Err(Unready::Rivals(facts.rivals));
    }
    let running = services_of(&settings.instance, &facts);
    if running.is_empty() {
        Ok(Ground::Clear)
    } else {
        Err(Unready::Lost(running))
    }
}

/// Opens the store as its owner: after a backup, where it has to be changed.
pub fn open_store(common: &Common, settings: &Settings) -> Result<Store, Unready> {
    let path = settings.state.join(store::FILE);
    if is_in_use(settings) {
        // Before a database is made: an empty one beside services that have
        // other keys would be a silent empty start.
        let secrets = settings.state.join(SECRETS);
        if !secrets.is_file() && was_rendered(&settings.state) {
            return Err(Unready::Disk(DiskError::Damaged {
                path: secrets,
                reason: "it is missing, though this state folder was in use; restore it from a backup, or empty `rendered` to begin with new secrets".to_owned(),
            }));
        }
        let made = backup::before_upgrade(settings, common.config.clone(), Timestamp::now());
        match made {
            Ok(Some(made)) => {
                info!(path = %made.path.display(), "backup made before the upgrade");
                made.warn();
            }
            Ok(None) => {}
            Err(BackupError::Store(error)) => return Err(Unready::Store(error)),
            Err(error) => return Err(Unready::Backup(error)),
        }
        return Ok(Store::open_kept(&path, VERSION)?);
    }
    Ok(Store::open(&path, VERSION)?)
}

/// Opens the store to look at it: one that is older as a copy, brought up to
/// date in the folder that comes with it.
pub fn store_to_look_at(settings: &Settings) -> Result<(Store, Option<Draft>), Unready> {
    let path = settings.state.join(store::FILE);
    match Store::open_beside(&path, VERSION) {
        Err(StoreError::Older { .. }) => {
            let draft = Draft::below(&settings.state.join("tmp"))?;
            let copy = draft.path(store::FILE);
            store::copy(&path, &copy)?;
            Ok((Store::open(&copy, VERSION)?, Some(draft)))
        }
        opened => Ok((opened?, None)),
    }
}

impl Session {
    /// Assembles everything. Takes hold of the state folder if nobody has it.
    pub async fn open(common: &Common, intent: Intent) -> Result<Self, Failure> {
        let settings = settings(common)?;
        let unready = |error: Unready| error.told(&settings);
        let (disk, lock) = match hold(&settings.state) {
            Ok((disk, lock)) => (disk, Some(lock)),
            Err(DiskError::InUse { .. }) => {
                let disk = Disk::open(&settings.state).map_err(told_disk)?;
                (disk, None)
            }
            Err(error) => return Err(told_disk(error)),
        };
        let ground = ground(&settings).await.map_err(unready)?;
        let open = || {
            ground.note(&disk).map_err(|error| unready(error.into()))?;
            open_store(common, &settings).map_err(unready)
        };
        let (store, copy) = match (&lock, intent) {
            (Some(_), Intent::Work) => (open()?, None),
            // A first look may make an empty one; any other changes nothing.
            (Some(_), Intent::Look) if !is_in_use(&settings) => (open()?, None),
            _ => store_to_look_at(&settings).map_err(unready)?,
        };
        let (controller, status) =
            Self::assemble(common, &settings, disk, lock.as_ref(), store).map_err(unready)?;
        Ok(Self {
            controller,
            status,
            lock,
            _copy: copy,
        })
    }

    /// Assembles everything, alone on the state folder.
    pub fn open_alone(
        common: &Common,
        settings: &Settings,
        disk: Disk,
        lock: &StateLock,
        ground: Ground,
    ) -> Result<(Parts, Published), Unready> {
        ground.note(&disk)?;
        // The store before the secrets: these say that something was kept here.
        let store = open_store(common, settings)?;
        let (mut controller, status) = Self::assemble(common, settings, disk, Some(lock), store)?;
        controller.wanted.keep();
        Ok((controller, status))
    }

    fn assemble(
        common: &Common,
        settings: &Settings,
        disk: Disk,
        lock: Option<&StateLock>,
        store: Store,
    ) -> Result<(Parts, Published), Unready> {
        let turn = settings
            .conference
            .turn
            .as_ref()
            .map(|turn| turn.credential_file.clone());
        let secrets = match lock {
            Some(lock) => load_or_create_secrets(&disk, lock, turn.as_deref()),
            None => load_existing_secrets(&disk, turn.as_deref()),
        }?;
        let failed = |error| Unready::Failed(Failure::told(error));
        let engine = Arc::new(DockerEngine::new(&settings.engine).map_err(failed)?);
        let locate = locate(Arc::clone(&engine), settings.state.clone());
        let disk = Arc::new(disk);
        service_folders(&disk)?;
        let wanted = Wanted::new(source(common), settings.clone(), Arc::clone(&disk), secrets);
        let store = Arc::new(store);
        let probe = Ask {
            services: Services::default(),
            secrets: wanted.secrets(),
            settings: wanted.follow(),
            people: Arc::default(),
            gate: Gate::new(Arc::clone(&store)),
        };
        let (status, published) = watch::channel(Arc::new(Status::default()));
        let controller = Controller::new(
            engine,
            Arc::new(probe),
            store,
            disk,
            wanted,
            Some(locate),
            status,
            Arc::new(Timestamp::now),
        );
        Ok((controller, published))
    }

    /// The hold on the state folder; an error where a controller has it.
    pub fn lock(&mut self) -> Result<StateLock, Failure> {
        self.lock.take().ok_or_else(|| {
            let state = self.controller.disk.state();
            match StateLock::holder(state) {
                Some(holder) => Failure::Told(format!("{holder} works on {}", state.display())),
                None => Failure::Told(format!("another controller works on {}", state.display())),
            }
        })
    }

    /// Renders without engine, store or state folder.
    pub fn render_only(common: &Common) -> Result<Arc<Target>, Failure> {
        let settings = settings(common)?;
        let folder =
            std::env::temp_dir().join(format!("colourstream-render-{}", std::process::id()));
        let result = Self::render_in(common, settings, &folder);
        // What was made for rendering alone (a local authority) goes again.
        let _gone = std::fs::remove_dir_all(&folder);
        result
    }

    fn render_in(
        common: &Common,
        settings: Settings,
        folder: &Path,
    ) -> Result<Arc<Target>, Failure> {
        let secrets = existing_or_passing(&settings)?;
        let disk = Arc::new(Disk::open(folder).map_err(told_disk)?);
        let rooms = if settings.state.join(store::FILE).is_file() {
            let (store, _copy) =
                store_to_look_at(&settings).map_err(|error| error.told(&settings))?;
            store.open_rooms(Timestamp::now()).map_err(Failure::told)?
        } else {
            Vec::new()
        };
        let mut wanted = Wanted::new(source(common), settings, disk, secrets);
        let target = wanted.target(
            &Placement::Host,
            None,
            rooms,
            std::collections::BTreeMap::new(),
            Timestamp::now(),
        );
        let errors: Vec<Issue> = wanted
            .issues()
            .into_iter()
            .filter(|issue| issue.severity == Severity::Error)
            .collect();
        match target {
            Some(target) if errors.is_empty() => Ok(target),
            _ => {
                let all: Vec<String> = errors
                    .iter()
                    .map(|issue| {
                        format!("{}\n  why: {}\n  fix: {}", issue.what, issue.why, issue.fix)
                    })
                    .collect();
                Err(Failure::Told(all.join("\n\n")))
            }
        }
    }
}

/// The secrets in use if there are any, so that what is rendered is what runs.
fn existing_or_passing(settings: &Settings) -> Result<Secrets, Failure> {
    let turn = settings
        .conference
        .turn
        .as_ref()
        .map(|turn| turn.credential_file.as_path());
    if settings.state.join(SECRETS).is_file() {
        let disk = Disk::open(&settings.state).map_err(told_disk)?;
        return load_existing_secrets(&disk, turn).map_err(told_disk);
    }
    passing_secrets(turn).map_err(told_disk)
}

/// Folders that are mounted into containers have to be there, with owners,
/// before anything is created; and what Traefik keeps in them has to be its own.
fn service_folders(disk: &Disk) -> Result<(), DiskError> {
    let traefik = traefik_beside_us();
    let owner = host::identity().can_chown.then_some(traefik);
    for (folder, mode, owner) in [
        ("traefik", 0o711, None),
        (ACME, 0o700, owner),
        ("rendered/traefik", 0o755, None),
        ("rendered/traefik/dynamic", 0o755, None),
        ("rendered/traefik/certs", 0o755, None),
        ("rendered/ovenmediaengine", 0o755, None),
        ("rendered/mirotalk", 0o755, None),
    ] {
        disk.ensure_folder(Path::new(folder), mode, owner)?;
    }
    mend_certificates(disk.state(), traefik);
    Ok(())
}

fn locate(engine: Arc<DockerEngine>, state: PathBuf) -> crate::reconcile::Locate {
    Box::new(move || {
        let (engine, state) = (Arc::clone(&engine), state.clone());
        Box::pin(async move { placement::find(&engine, &state).await })
    })
}

/// A disk's error with what to do.
pub fn told_disk(error: DiskError) -> Failure {
    told_issue(&error.issue())
}

fn told_issue(issue: &Issue) -> Failure {
    Failure::Told(format!(
        "{}\n  why: {}\n  fix: {}",
        issue.what, issue.why, issue.fix
    ))
}
