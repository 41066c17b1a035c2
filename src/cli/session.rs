//! Putting the parts together, for `serve` and for commands that work without
//! a running controller.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use super::{Common, Failure};
use crate::desired::{Secrets, Target};
use crate::disk::{
    Disk, DiskError, StateLock, load_existing_secrets, load_or_create_secrets, passing_secrets,
};
use crate::engine::{DockerEngine, Placement, placement};
use crate::model::{Issue, Severity};
use crate::reconcile::{Ask, Controller, Source, Wanted};
use crate::services::Services;
use crate::settings::{self, Overrides, Settings};
use crate::status::Status;
use crate::store::Store;

/// This controller's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The parts, assembled over the real engine.
pub struct Session {
    /// The loop.
    pub controller: Controller<DockerEngine, Ask>,
    /// What it publishes.
    pub status: watch::Receiver<Arc<Status>>,
    /// The hold on the state folder, if nobody else has it.
    pub(super) lock: Option<StateLock>,
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
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let count = all.len();
        let mistakes = if count == 1 {
            "one mistake"
        } else {
            "mistakes"
        };
        Failure::Told(format!(
            "{mistakes} in the settings; what runs goes on running\n\n{}",
            all.join("\n\n")
        ))
    })
}

/// The state folder of the settings.
pub fn state_folder(common: &Common) -> Result<PathBuf, Failure> {
    Ok(settings(common)?.state)
}

impl Session {
    /// Assembles everything. Takes hold of the state folder if nobody has it.
    pub async fn open(common: &Common) -> Result<Self, Failure> {
        let settings = settings(common)?;
        let disk = Disk::open(&settings.state).map_err(told_disk)?;
        let lock = match StateLock::acquire(&settings.state, Timestamp::now(), VERSION) {
            Ok(lock) => Some(lock),
            Err(DiskError::InUse { .. }) => None,
            Err(error) => return Err(told_disk(error)),
        };
        Self::assemble(common, settings, disk, lock)
    }

    /// Assembles everything, or says who has hold of the state folder.
    pub async fn open_alone(common: &Common, settings: Settings) -> Result<Self, Failure> {
        let disk = Disk::open(&settings.state).map_err(told_disk)?;
        let lock =
            StateLock::acquire(&settings.state, Timestamp::now(), VERSION).map_err(told_disk)?;
        disk.clear_tmp(&lock);
        Self::assemble(common, settings, disk, Some(lock))
    }

    fn assemble(
        common: &Common,
        settings: Settings,
        disk: Disk,
        lock: Option<StateLock>,
    ) -> Result<Self, Failure> {
        let turn = settings
            .conference
            .turn
            .as_ref()
            .map(|turn| turn.credential_file.clone());
        let secrets = match &lock {
            Some(lock) => load_or_create_secrets(&disk, lock, turn.as_deref()),
            None => load_existing_secrets(&disk, turn.as_deref()),
        }
        .map_err(told_disk)?;
        let store =
            Store::open(&settings.state.join("colourstream.db"), VERSION).map_err(Failure::told)?;
        let engine = Arc::new(DockerEngine::new(&settings.engine).map_err(Failure::told)?);
        let locate = locate(Arc::clone(&engine), settings.state.clone());
        let disk = Arc::new(disk);
        service_folders(&disk)?;
        let wanted = Wanted::new(source(common), settings, Arc::clone(&disk), secrets);
        let probe = Ask {
            services: Services::default(),
            secrets: wanted.secrets(),
            settings: wanted.follow(),
            people: Arc::default(),
        };
        let (status, published) = watch::channel(Arc::new(Status::default()));
        let controller = Controller::new(
            engine,
            Arc::new(probe),
            Arc::new(store),
            disk,
            wanted,
            Some(locate),
            status,
            Arc::new(Timestamp::now),
        );
        Ok(Self {
            controller,
            status: published,
            lock,
        })
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
        let database = settings.state.join("colourstream.db");
        let rooms = if database.is_file() {
            let store = Store::open(&database, VERSION).map_err(Failure::told)?;
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
    if settings.state.join("secrets.json").is_file() {
        let disk = Disk::open(&settings.state).map_err(told_disk)?;
        return load_existing_secrets(&disk, turn).map_err(told_disk);
    }
    passing_secrets(turn).map_err(told_disk)
}

/// Folders that are mounted into containers have to be there, with owners,
/// before anything is created.
fn service_folders(disk: &Disk) -> Result<(), Failure> {
    let identity = crate::host::identity();
    let owner = identity.can_chown.then_some((65_532, 65_532));
    for (folder, mode, owner) in [
        ("traefik", 0o711, None),
        ("traefik/acme", 0o700, owner),
        ("rendered/traefik", 0o755, None),
        ("rendered/traefik/dynamic", 0o755, None),
        ("rendered/traefik/certs", 0o755, None),
        ("rendered/ovenmediaengine", 0o755, None),
        ("rendered/mirotalk", 0o755, None),
    ] {
        disk.ensure_folder(Path::new(folder), mode, owner)
            .map_err(told_disk)?;
    }
    Ok(())
}

fn locate(engine: Arc<DockerEngine>, state: PathBuf) -> crate::reconcile::Locate {
    Box::new(move || {
        let (engine, state) = (Arc::clone(&engine), state.clone());
        Box::pin(async move { placement::find(&engine, &state).await })
    })
}

fn told_disk(error: DiskError) -> Failure {
    let issue = error.issue();
    Failure::Told(format!(
        "{}\n  why: {}\n  fix: {}",
        issue.what, issue.why, issue.fix
    ))
}
