//! Makes backups when their time has come, and for whoever asks.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, watch};
use tracing::{info, warn};

use super::gather::Source;
use super::kept::{folder, list, name, newest, prune, upgrades};
use super::{BackupError, BackupFile, Made, Order, Why, archive, is_weak, make};
use crate::VERSION;
use crate::disk::{DiskError, Draft, is_unseen, private_folder, read_secret};
use crate::model::{Issue, Secret};
use crate::settings::Settings;
use crate::store::{BackupEntry, Store};

/// The first look: not in the way of a start.
const FIRST: Duration = Duration::from_secs(60);
/// Looked at this often whether one is due: the clock may be set meanwhile.
const LOOK: Duration = Duration::from_secs(60);
/// One that failed is tried again after this.
const AGAIN: SignedDuration = SignedDuration::from_mins(30);

/// What is known of the backups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The last good one.
    pub last: Option<BackupFile>,
    /// When the next is due.
    pub next: Option<Timestamp>,
    /// Why the last one that was due was not made.
    pub failed: Option<Issue>,
    /// What the last one made by this controller should hold and does not.
    pub lacking: Option<Issue>,
}

impl Kept {
    /// What people should know.
    pub fn issues(&self) -> impl Iterator<Item = Issue> + use<> {
        self.failed.clone().into_iter().chain(self.lacking.clone())
    }
}

/// See the module.
pub struct Keeper {
    store: Arc<Store>,
    settings: watch::Receiver<Arc<Settings>>,
    file: Option<PathBuf>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    kept: watch::Sender<Kept>,
    /// One at a time.
    turn: Mutex<()>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

impl Keeper {
    /// Ready to run; `file` is the settings' own.
    pub fn new(
        store: Arc<Store>,
        settings: watch::Receiver<Arc<Settings>>,
        file: Option<PathBuf>,
        clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    ) -> Arc<Self> {
        let last = newest(&settings.borrow());
        let kept = Kept {
            last,
            ..Kept::default()
        };
        Arc::new(Self {
            store,
            settings,
            file,
            clock,
            kept: watch::Sender::new(kept),
            turn: Mutex::default(),
        })
    }

    /// What is known, as it changes.
    pub fn kept(&self) -> watch::Receiver<Kept> {
        self.kept.subscribe()
    }

    /// Makes them for as long as it is polled. Cancel-safe: a backup has its
    /// name only when it is whole.
    pub async fn run(self: Arc<Self>) {
        tokio::time::sleep(FIRST).await;
        let mut again = None;
        loop {
            let now = (self.clock)();
            let due = self.due(now);
            self.tell_next(due, again, now);
            // A clock that was set back must not hold it up.
            let held = again.is_some_and(|again| again > now && again <= now + AGAIN);
            if due.is_some_and(|due| due <= now) && !held {
                again = match self.make(Why::Daily, "itself").await {
                    Ok(_) => None,
                    Err(_) => Some(now + AGAIN),
                };
                let now = (self.clock)();
                self.tell_next(self.due(now), again, now);
            }
            // Also after one was made: whatever the clock and the names of
            // those that are there say, it is one a minute at the most.
            tokio::time::sleep(LOOK).await;
        }
    }

    fn tell_next(&self, due: Option<Timestamp>, again: Option<Timestamp>, now: Timestamp) {
        self.kept.send_if_modified(|kept| {
            let next = due.map(|due| due.max(now)).max(again);
            let differs = kept.next != next && due.is_some_and(|due| due > now);
            kept.next = next;
            differs
        });
    }

    /// When the next is due; never where none are made.
    fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let settings = Arc::clone(&self.settings.borrow());
        // Nobody knows yet whether this is the folder that should be kept.
        if is_unseen(&settings.state) {
            return None;
        }
        let every = SignedDuration::try_from(settings.backup.every?).ok()?;
        // Those of the future say that the clock was set back.
        let last = list(&settings).into_iter().find(|one| one.at <= now);
        Some(last.map_or(now, |last| last.at + every))
    }

    /// Makes one now. What went wrong is told in the status until one works.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub async fn make(&self, why: Why, who: &str) -> Result<Made, BackupError> {
        let _turn = self.turn.lock().await;
        let settings = Arc::clone(&self.settings.borrow());
        let (file, now) = (self.file.clone(), (self.clock)());
        let (store, who) = (Arc::clone(&self.store), who.to_owned());
        let done = tokio::task::spawn_blocking(move || {
            let made = make_here(&settings, file, why, &who, now);
            let entry = entry(&made, &settings, why, &who, now);
            if let Err(error) = store.save_backup(&entry) {
                warn!(%error, "that a backup was tried could not be written down");
            }
            if let Ok(made) = &made
                && why == Why::Daily
                && let Err(error) = prune(&settings, &made.path, now)
            {
                warn!(%error, "old backups could not be cleared away");
            }
            let last = newest(&settings);
            let failed = made.as_ref().err();
            let failed = failed.map(|error| error.issue(&folder(&settings), last.as_ref()));
            (made, last, failed)
        });
        let (made, last, failed) = done.await.map_err(|_| {
            BackupError::Disk(DiskError::Other {
                doing: "make",
                path: "a backup".into(),
                reason: "it was interrupted".into(),
            })
        })?;
        match &made {
            Ok(made) => {
                info!(path = %made.path.display(), bytes = made.bytes, "backup made and read back");
                made.warn();
            }
            Err(error) => warn!(%error, "no backup was made"),
        }
        self.kept.send_modify(|kept| {
            kept.last = last;
            kept.failed = failed;
            if let Ok(made) = &made {
                kept.lacking = made.lacking();
            }
        });
        made
    }
}

/// Makes one in the folder of those that are made by themselves.
///
/// # Errors
/// See [`BackupError`].
pub(super) fn make_here(
    settings: &Settings,
    file: Option<PathBuf>,
    why: Why,
    who: &str,
    now: Timestamp,
) -> Result<Made, BackupError> {
    let folder = match why {
        Why::Upgrade => upgrades(settings),
        Why::Daily | Why::Asked => folder(settings),
    };
    private_folder(&folder)?;
    let passphrase = sealing_passphrase(settings)?;
    make(&Order {
        source: Source {
            settings,
            file: file.as_deref(),
        },
        to: &folder.join(name(&settings.instance, why, now)),
        why,
        who,
        passphrase: passphrase.as_ref(),
        now,
        version: VERSION,
    })
}

/// The passphrase that the settings seal every new backup with.
///
/// # Errors
/// When its file cannot be read, or holds nothing that seals: a backup must
/// not lie open then.
pub fn sealing_passphrase(settings: &Settings) -> Result<Option<Secret<String>>, BackupError> {
    match (passphrase(settings)?, &settings.backup.passphrase_file) {
        (Some(word), Some(file)) if is_weak(&word) => Err(BackupError::Weak(file.clone())),
        (word, _) => Ok(word),
    }
}

/// The passphrase of the settings, good enough or not: what was sealed with it
/// is opened.
///
/// # Errors
/// When its file cannot be read.
pub fn passphrase(settings: &Settings) -> Result<Option<Secret<String>>, DiskError> {
    let file = settings.backup.passphrase_file.as_deref();
    file.map(read_secret).transpose()
}

fn entry(
    made: &Result<Made, BackupError>,
    settings: &Settings,
    why: Why,
    who: &str,
    now: Timestamp,
) -> BackupEntry {
    BackupEntry {
        at: now,
        why: why.as_str().to_owned(),
        who: who.to_owned(),
        path: match made {
            Ok(made) => made.path.display().to_string(),
            Err(_) => folder(settings).display().to_string(),
        },
        bytes: made.as_ref().ok().map(|made| made.bytes),
        sealed: settings.backup.passphrase_file.is_some(),
        error: made.as_ref().err().map(ToString::to_string),
    }
}

/// Makes one before the database is changed, unless it needs no change, or one
/// of this very database is there: a change that fails is tried again and
/// again, and each try would leave another that is never cleared away.
///
/// # Errors
/// See [`BackupError`]: without a backup nothing is changed.
pub fn before_upgrade(
    settings: &Settings,
    file: Option<PathBuf>,
    now: Timestamp,
) -> Result<Option<Made>, BackupError> {
    let database = settings.state.join(crate::store::FILE);
    let facts = crate::store::examine(&database, VERSION, false)?;
    if !facts.is_older() || facts.schema == 0 || is_there(settings)? {
        return Ok(None);
    }
    make_here(settings, file, Why::Upgrade, "itself", now).map(Some)
}

/// The backups that can be restored, newest first, each read whole when its turn
/// comes: what was cut off or rotted since it was made is passed over. One that
/// is sealed with a passphrase we do not have is in it; a person may have it.
pub fn sound(settings: &Settings) -> impl Iterator<Item = BackupFile> {
    // A folder that is not there is not made: whoever asks may be somebody else
    // than who will run. Where nothing can be written, nobody can tell.
    let own = settings.state.join("tmp");
    let tmp = if own.is_dir() {
        own
    } else {
        std::env::temp_dir()
    };
    let secret = passphrase(settings).ok().flatten();
    list(settings).into_iter().filter(move |one| {
        !matches!(
            archive::verify(&one.path, secret.as_ref(), &tmp, VERSION),
            Err(BackupError::Damaged { .. }
                | BackupError::Strange { .. }
                | BackupError::Newer { .. })
        )
    })
}

/// Whether the newest backup from before an upgrade is whole and holds the
/// database as it is now.
fn is_there(settings: &Settings) -> Result<bool, BackupError> {
    let newest = list(settings)
        .into_iter()
        .find(|one| one.why == Why::Upgrade);
    let Some(newest) = newest else {
        return Ok(false);
    };
    let tmp = settings.state.join("tmp");
    private_folder(&tmp)?;
    let secret = passphrase(settings)?;
    // Of an older passphrase, damaged, or of a newer version: another is made.
    let Ok(manifest) = archive::verify(&newest.path, secret.as_ref(), &tmp, VERSION) else {
        return Ok(false);
    };
    let draft = Draft::below(&tmp)?;
    let database = draft.path("colourstream.db");
    crate::store::copy(&settings.state.join(crate::store::FILE), &database)?;
    let now = archive::digest(&database)?;
    Ok(manifest
        .files
        .iter()
        .any(|item| item.path == archive::DATABASE && item.sha256 == now))
}
