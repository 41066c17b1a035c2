//! A file in the making, with whatever is needed meanwhile: nobody else sees
//! it, and it appears under its name whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::{DiskError, sync_folder};

/// Begins the name of a draft's folder, before its number. Drafts are made
/// beside what they become, in folders of other people too: nobody else has
/// such a name.
const MARK: &str = ".colourstream-part-";
/// A draft that is older was left by somebody who was killed.
const LEFT: Duration = Duration::from_secs(3600);

/// See the module. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Draft {
    folder: PathBuf,
}

impl Draft {
    /// In a folder of its own below `folder`, which has to exist. Clears away
    /// what others left there long ago.
    ///
    /// # Errors
    /// When nothing can be made there.
    pub fn below(folder: &Path) -> Result<Self, DiskError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        clear(folder);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{MARK}{}-{number}", std::process::id()));
        // From an earlier process with our number.
        let _none = fs::remove_dir_all(&path);
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| DiskError::of("write into", folder, &error))?;
        Ok(Self { folder: path })
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
        sync_folder(to)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // What cannot be removed is cleared away by a later draft.
        let _left = fs::remove_dir_all(&self.folder);
    }
}

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
        let age = entry
            .metadata()
            .and_then(|meta| {
                let is_folder = meta.is_dir().then(|| meta.modified());
                is_folder.unwrap_or(Err(io::ErrorKind::NotADirectory.into()))
            })
            .map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
        if age.is_ok_and(|age| age > LEFT) {
            let _left = fs::remove_dir_all(entry.path());
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
    fn only_drafts_of_ours_that_are_old_are_cleared_away() {
        let folder = tempfile::tempdir().unwrap();
        let old = SystemTime::now() - 2 * LEFT;
        let names = [
            (".colourstream-part-17-0", true, true),
            (".colourstream-part-17-1", false, false),
            (".part-17-0", true, false),
            (".part-of-a-film", true, false),
            (".colourstream-part-of-a-film", true, false),
        ];
        for (name, is_old, _) in names {
            let path = folder.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join("file"), "x").unwrap();
            if is_old {
                File::open(&path).unwrap().set_modified(old).unwrap();
            }
        }
        let file = folder.path().join(".colourstream-part-18-0");
        fs::write(&file, "a file").unwrap();
        File::open(&file).unwrap().set_modified(old).unwrap();
        drop(Draft::below(folder.path()).unwrap());
        for (name, _, goes) in names {
            assert_eq!(folder.path().join(name).exists(), !goes, "{name}");
        }
        assert!(file.exists());
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
