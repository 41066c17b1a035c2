//! A file in the making, with whatever is needed meanwhile: nobody else sees
//! it, and it appears under its name whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::{DiskError, point, sync_folder};

/// Begins the name of a draft's folder, before its number. Drafts are made
/// beside what they become, in folders of other people too: nobody else has
/// such a name.
const MARK: &str = ".colourstream-part-";
/// Where nobody can hold a lock: a draft that is older was left by somebody
/// who was killed.
const LEFT: Duration = Duration::from_secs(3600);
/// Names that are tried: others work in the same folder.
const TRIES: usize = 1_000;

/// See the module. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Draft {
    folder: PathBuf,
    /// Locked for as long as somebody works in it, so that what a kill left
    /// is known from what another process is just making.
    _hold: File,
}

impl Draft {
    /// In a folder of its own below `folder`, which has to exist. Clears away
    /// what others left there who were killed.
    ///
    /// # Errors
    /// When nothing can be made there.
    pub fn below(folder: &Path) -> Result<Self, DiskError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        clear(folder);
        let failed = |error: io::Error| DiskError::of("write into", folder, &error);
        for _ in 0..TRIES {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{MARK}{}-{number}", std::process::id()));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                // Of another process with our number, in another container.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made.map_err(failed)?,
            }
            point("draft made", &path);
            // Otherwise it was cleared away before it was held.
            if let Some(hold) = hold(&path).map_err(failed)? {
                return Ok(Self {
                    folder: path,
                    _hold: hold,
                });
            }
        }
        Err(failed(io::ErrorKind::ResourceBusy.into()))
    }

    /// Where `name` is while it is made.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A new file of ours alone, below the draft; folders in `name` are made.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(&self, name: &str) -> Result<File, DiskError> {
        create(&self.folder, name)
    }

    /// Makes `name` durable and gives it the place `to`, on the same file
    /// system; what stands there is replaced only if `over` says so.
    ///
    /// # Errors
    /// See [`DiskError`].
    pub fn publish(&self, name: &str, to: &Path, over: bool) -> Result<(), DiskError> {
        let from = self.path(name);
        let failed = |error: &io::Error| DiskError::of("write", to, error);
        File::open(&from)
            .and_then(|file| file.sync_all())
            .map_err(|error| failed(&error))?;
        point("draft durable", &from);
        if over {
            fs::rename(&from, to).map_err(|error| failed(&error))?;
        } else {
            // A link, unlike a rename, never replaces.
            fs::hard_link(&from, to)
                .or_else(|error| match error.kind() {
                    io::ErrorKind::AlreadyExists => Err(error),
                    _ if to.exists() => Err(io::ErrorKind::AlreadyExists.into()),
                    _ => fs::rename(&from, to),
                })
                .map_err(|error| failed(&error))?;
        }
        point("published", to);
        sync_folder(to)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // What cannot be removed is cleared away by a later draft.
        let _left = fs::remove_dir_all(&self.folder);
        point("draft removed", &self.folder);
    }
}

/// Takes hold of a draft that was just made; nothing where somebody cleared it
/// away first. A file system without locks gives a hold that keeps nobody out.
fn hold(path: &Path) -> io::Result<Option<File>> {
    let hold = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        hold => hold?,
    };
    if rustix::fs::flock(&hold, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK)
    {
        return Ok(None);
    }
    let held = hold.metadata()?;
    let is_it = |meta: fs::Metadata| (meta.dev(), meta.ino()) == (held.dev(), held.ino());
    Ok(fs::symlink_metadata(path).is_ok_and(is_it).then_some(hold))
}

/// Removes drafts that nobody works in any more.
fn clear(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if !is_draft(&name.to_string_lossy()) {
            continue;
        }
        // Not through a link: `entry` tells of the link itself.
        let Some(meta) = entry.metadata().ok().filter(fs::Metadata::is_dir) else {
            continue;
        };
        let age = meta
            .modified()
            .map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
        let Ok(own) = File::open(entry.path()) else {
            continue;
        };
        let is_left = match rustix::fs::flock(&own, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => true,
            Err(Errno::WOULDBLOCK) => false,
            Err(_) => age.is_ok_and(|age| age > LEFT),
        };
        if is_left {
            let _left = fs::remove_dir_all(entry.path());
            point("draft cleared", &entry.path());
        }
    }
}

/// Whether a folder of this name is one: the mark, a process, a number.
pub(super) fn is_draft(name: &str) -> bool {
    let numbers = name
        .strip_prefix(MARK)
        .and_then(|rest| rest.split_once('-'));
    numbers.is_some_and(|(process, count)| {
        [process, count]
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// A new file below `folder`, readable by us alone.
pub(super) fn create(folder: &Path, name: &str) -> Result<File, DiskError> {
    let path = folder.join(name);
    let failed = |error: io::Error| DiskError::of("write", &path, &error);
    if let Some(parent) = path.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .map_err(failed)?;
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .inspect(|_| point("made", &path))
        .map_err(failed)
}

/// Removes a file of a folder of ours, and makes that durable.
///
/// # Errors
/// See [`DiskError`].
pub fn discard(path: &Path) -> Result<(), DiskError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => {
            result.map_err(|error| DiskError::of("remove", path, &error))?;
            point("discarded", path);
            sync_folder(path)
        }
    }
}

/// Makes the folder for what only its owner may read; one that is there stays
/// as it is.
///
/// # Errors
/// See [`DiskError`].
pub fn private_folder(path: &Path) -> Result<(), DiskError> {
    if path.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o700)))
        .map_err(|error| DiskError::of("make the folder", path, &error))
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_draft_leaves_nothing_but_what_was_published() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("whole");
        let draft = Draft::below(folder.path()).unwrap();
        draft.create("a").unwrap().write_all(b"x").unwrap();
        draft.create("deep/b").unwrap().write_all(b"y").unwrap();
        draft.publish("a", &to, false).unwrap();
        drop(draft);
        assert_eq!(std::fs::read(&to).unwrap(), b"x");
        assert_eq!(
            fs::metadata(&to).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_drafts_of_ours_that_nobody_works_in_are_cleared_away() {
        let folder = tempfile::tempdir().unwrap();
        let names = [
            (".colourstream-part-17-0", true),
            (".part-17-0", false),
            (".part-of-a-film", false),
            (".colourstream-part-of-a-film", false),
        ];
        for (name, _) in names {
            let path = folder.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join("file"), "x").unwrap();
        }
        let file = folder.path().join(".colourstream-part-18-0");
        fs::write(&file, "a file").unwrap();
        // Held, however old it is.
        let held = Draft::below(folder.path()).unwrap();
        held.create("a").unwrap();
        File::open(held.path(""))
            .unwrap()
            .set_modified(SystemTime::now() - 2 * LEFT)
            .unwrap();
        drop(Draft::below(folder.path()).unwrap());
        for (name, goes) in names {
            assert_eq!(folder.path().join(name).exists(), !goes, "{name}");
        }
        assert!(file.exists());
        assert!(held.path("a").exists());
        let path = held.path("a");
        drop(held);
        assert!(!path.exists());
    }

    #[test]
    fn what_stands_there_is_replaced_only_when_told() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("whole");
        fs::write(&to, "old").unwrap();
        let draft = Draft::below(folder.path()).unwrap();
        draft.create("a").unwrap().write_all(b"new").unwrap();
        assert!(draft.publish("a", &to, false).is_err());
        assert_eq!(fs::read(&to).unwrap(), b"old");
        draft.publish("a", &to, true).unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"new");
    }
}
