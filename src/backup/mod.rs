//! Backups: one file with everything that cannot be made again.
//!
//! ```text
//! manifest.json            who made it when, and every file with its SHA-256
//! state/colourstream.db    rooms, links, people, sessions, journal
//! state/secrets.json       generated once; with it cookies and keys stay good
//! state/tls/…              the local authority, which browsers trust
//! state/traefik/acme/…     ordered certificates: ordering anew spends limits
//! settings/…               the settings file and what it names beside it
//! elsewhere/…              what it names in other places
//! ```
//!
//! What is rendered is made from these and left out. It is a tar archive, or,
//! under a passphrase, a sealed one ([`seal`]). A backup has its name only
//! once it was read back, whole, and its database found sound.

mod archive;
mod gather;
mod keeper;
mod kept;
mod rescue;
mod restore;
mod seal;
mod tar;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use archive::{make, peek, read_item, unpack, verify};
pub use gather::Source;
pub use keeper::{Keeper, Kept, before_upgrade, passphrase, sealing_passphrase, sound};
pub use kept::{BackupFile, EXTENSION, folder, list, name, newest, prune, upgrades};
pub use rescue::{issue as rescue, lost};
pub use restore::{Restored, begin_empty, restore};

use crate::disk::DiskError;
use crate::model::{Digest, Issue, IssueCode, Secret, Severity};
use crate::store::StoreError;

/// The format we write; older ones are read.
pub const FORMAT: u32 = 1;

/// Letters that a passphrase has at least: a shorter one is soon guessed. What
/// was sealed with one is opened all the same.
pub const SHORTEST: usize = 8;

/// Whether a passphrase is too short to seal anything with.
pub fn is_weak(passphrase: &Secret<String>) -> bool {
    passphrase.expose().chars().count() < SHORTEST
}

/// Why a backup was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Its time had come.
    Daily,
    /// Somebody asked.
    Asked,
    /// A newer version was about to change the database.
    Upgrade,
}

impl Why {
    /// As in the store and in names.
    pub const fn as_str(self) -> &'static str {
        match self {
            Why::Daily => "daily",
            Why::Asked => "asked",
            Why::Upgrade => "upgrade",
        }
    }
}

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format of the archive.
    pub format: u32,
    /// When it was made.
    pub at: Timestamp,
    /// Why.
    pub why: Why,
    /// Who asked.
    pub who: String,
    /// Version of the controller that made it.
    pub controller: String,
    /// Version of the database's schema.
    pub schema: u32,
    /// Version of the controller that brought it there.
    pub schema_by: String,
    /// Of which ColourStream.
    pub instance: String,
    /// Its public addresses.
    pub addresses: BTreeMap<String, String>,
    /// The name of the settings file among the files, if it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<String>,
    /// Every file.
    pub files: Vec<Item>,
    /// What should be in it and could not be read, in words.
    #[serde(default)]
    pub left_out: Vec<String>,
}

impl Manifest {
    /// The settings file in it, if there is one. Before it was written down it
    /// was the first beside which others lay.
    pub fn settings_file(&self) -> Option<&Item> {
        let is_it = |item: &&Item| match &self.settings {
            Some(name) => item.path == *name,
            None => item.path.strip_prefix("settings/").is_some_and(|below| {
                !below.contains('/') && (below.ends_with(".yaml") || below.ends_with(".yml"))
            }),
        };
        self.files.iter().find(is_it)
    }
}

/// A file in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its name in the archive.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Of its content.
    pub sha256: Digest,
    /// Its mode.
    pub mode: u32,
    /// Where it was, if that was neither in the state folder nor beside the
    /// settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
}

/// A backup that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Whether a passphrase opens it.
    pub sealed: bool,
    /// What it says of itself.
    pub manifest: Manifest,
}

impl Made {
    /// What it should hold and does not, for people.
    pub fn lacking(&self) -> Option<Issue> {
        let left_out = &self.manifest.left_out;
        (!left_out.is_empty()).then(|| Issue {
            code: IssueCode::BackupFailed,
            severity: Severity::Warning,
            role: None,
            subject: self.path.display().to_string(),
            what: "The last backup was made, but lacks a file".into(),
            why: left_out.join("; "),
            fix: "Mend what is named; the next one holds it again, and `colourstream backup` makes one at once".into(),
        })
    }

    /// The same in the log.
    pub fn warn(&self) {
        for lacking in &self.manifest.left_out {
            tracing::warn!(path = %self.path.display(), lacking, "this is not in the backup");
        }
    }
}

/// What a backup is to be made of.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// What is read.
    pub source: Source<'a>,
    /// Where it goes; nothing may stand there.
    pub to: &'a Path,
    /// Why.
    pub why: Why,
    /// Who asked.
    pub who: &'a str,
    /// Seals it.
    pub passphrase: Option<&'a Secret<String>>,
    /// The moment.
    pub now: Timestamp,
    /// Version of this controller.
    pub version: &'a str,
}

/// Why a backup was not made or cannot be used; each names the file and what
/// to do.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something stands where it should go.
    #[error("{} is there already\n  → choose another name, or remove it first", .0.display())]
    Exists(PathBuf),
    /// It would go with the container that makes it.
    #[error("{} would be in this container alone and go with it\n  → write it out with `backup - > FILE`, or into a folder that is mounted, or below the state folder", .0.display())]
    Passing(PathBuf),
    /// It is something else.
    #[error("{} is not a backup of ColourStream: {why}\n  → name a file that `colourstream backup` made", path.display())]
    Strange {
        /// Which file.
        path: PathBuf,
        /// What it is not.
        why: String,
    },
    /// It was one.
    #[error("the backup {} is damaged: {why}\n  → use another one; `colourstream doctor` names those that are here", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// It needs a passphrase, and none was given.
    #[error("the backup {} is sealed with a passphrase\n  → name a file that holds it with `--passphrase-file`", .0.display())]
    Sealed(PathBuf),
    /// Another one was given.
    #[error("the backup {} was sealed with another passphrase\n  → give the one it was made with, in a file named by `--passphrase-file`", .0.display())]
    Passphrase(PathBuf),
    /// What it would be sealed with seals nothing.
    #[error("{} holds a passphrase of fewer than {shortest} letters, which is soon guessed\n  → write a longer one into it; what was sealed with the old one is opened with `--passphrase-file`", .0.display(), shortest = SHORTEST)]
    Weak(PathBuf),
    /// A newer controller made it.
    #[error("the backup {} was made by ColourStream {by}, which is newer than this one ({version})\n  → restore it with that version", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Who made it.
        by: String,
        /// Our own version.
        version: String,
    },
    /// A file cannot be read or written.
    #[error("{0}")]
    Disk(#[from] DiskError),
    /// The database cannot be copied or used.
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl BackupError {
    /// The failure of a backup that was due, for people.
    pub fn issue(&self, to: &Path, last: Option<&BackupFile>) -> Issue {
        let last = last.map_or_else(
            || "There is no good backup yet".to_owned(),
            |last| format!("The last good one is {}", last.path.display()),
        );
        let mount;
        let fix = match self {
            Self::Passing(path) => {
                let mut folders = path.ancestors().skip(1);
                let folder = folders.find(|folder| !folder.ends_with(kept::UPGRADES));
                mount = format!(
                    "Mount it: `-v /srv/backups:{}`, or choose another folder with `backup.folder`",
                    folder.unwrap_or(path).display()
                );
                &mount
            }
            Self::Disk(DiskError::Full { .. }) => {
                "Free space there, or choose another folder with `backup.folder`"
            }
            Self::Disk(DiskError::ReadOnly { .. } | DiskError::Denied { .. }) => {
                "Make the folder writable for the controller's user (into its container it is mounted), or choose another with `backup.folder`"
            }
            Self::Weak(_) => {
                "Write a longer passphrase into that file, and keep it elsewhere as well"
            }
            Self::Store(_) => "Mend the database first; `colourstream status` says how",
            _ => "See what it names; `colourstream backup` tries at once",
        };
        Issue {
            code: IssueCode::BackupFailed,
            severity: Severity::Warning,
            role: None,
            subject: to.display().to_string(),
            what: "The backup that was due could not be made".into(),
            why: format!("{}. {last}", first_line(&self.to_string())),
            fix: format!("{fix}; it is tried again by itself within the hour"),
        }
    }
}

/// What is said before what to do.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
