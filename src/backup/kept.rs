//! The backups that are made by themselves: where they lie, which are there,
//! which are old.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Why;
use crate::disk::{DiskError, discard};
use crate::settings::Settings;

/// How the name of a backup ends.
pub const EXTENSION: &str = "backup";
/// Those from before an upgrade lie apart, and are never cleared away.
pub(super) const UPGRADES: &str = "before-upgrade";

/// A backup on disk. It has this name only because it was read back whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BackupFile {
    /// When it was made.
    pub at: Timestamp,
    /// Why.
    pub why: Why,
    /// Where it is.
    #[schema(value_type = String)]
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
}

/// The folder of the backups that are made by themselves.
pub fn folder(settings: &Settings) -> PathBuf {
    let usual = || settings.state.join("backups");
    settings.backup.folder.clone().unwrap_or_else(usual)
}

/// The folder of those from before an upgrade.
pub fn upgrades(settings: &Settings) -> PathBuf {
    folder(settings).join(UPGRADES)
}

/// The name of a backup made now: by it one is found again.
pub fn name(instance: &str, why: Why, now: Timestamp) -> String {
    let at = now.strftime("%Y%m%dT%H%M%SZ");
    format!("{instance}-{at}-{}.{EXTENSION}", why.as_str())
}

/// Reads a name again; backups of other instances in the same folder are
/// somebody else's.
fn parse(instance: &str, name: &str) -> Option<(Timestamp, Why)> {
    let rest = name.strip_prefix(instance)?.strip_prefix('-')?;
    let (at, why) = rest
        .strip_suffix(EXTENSION)?
        .strip_suffix('.')?
        .split_once('-')?;
    let why = [Why::Daily, Why::Asked, Why::Upgrade]
        .into_iter()
        .find(|known| known.as_str() == why)?;
    let at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", at).ok()?;
    Some((at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp(), why))
}

/// The backups that are there, newest first.
pub fn list(settings: &Settings) -> Vec<BackupFile> {
    let of = |folder: &Path| -> Vec<BackupFile> {
        std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let (at, why) = parse(&settings.instance, &name)?;
                Some(BackupFile {
                    at,
                    why,
                    path: entry.path(),
                    bytes: entry.metadata().ok().filter(|meta| meta.is_file())?.len(),
                })
            })
            .collect()
    };
    let mut all = of(&folder(settings));
    all.extend(of(&upgrades(settings)));
    all.sort_by_key(|one| std::cmp::Reverse(one.at));
    all
}

/// The last one, which was good when it was made.
pub fn newest(settings: &Settings) -> Option<BackupFile> {
    list(settings).into_iter().next()
}

/// Removes the daily ones beyond so many as are kept. Others are a person's,
/// and `made`, the latest, stays whatever the clock says. One from after `now`
/// was made while the clock was wrong: nobody knows how old it is, so it goes
/// first.
///
/// # Errors
/// When one cannot be removed.
pub fn prune(settings: &Settings, made: &Path, now: Timestamp) -> Result<(), DiskError> {
    let (past, future): (Vec<_>, Vec<_>) = list(settings)
        .into_iter()
        .filter(|one| one.why == Why::Daily && one.path != made)
        .partition(|one| one.at <= now);
    let others = settings.backup.keep.saturating_sub(1);
    for old in past.into_iter().chain(future).skip(others) {
        discard(&old.path)?;
    }
    Ok(())
}
