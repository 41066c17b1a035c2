//! Putting other files in the place of those that are kept, all or none.
//!
//! The new ones are laid out whole in `restore/new`. Then one file,
//! `restore/switch.json`, says what goes where: before it is there, nothing
//! has changed; once it is there, whoever takes hold of the state folder next
//! carries it to its end. Nothing is deleted: what was replaced lies in
//! `aside/<time>` afterwards.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::draft::create;
use super::{DiskError, StateLock, make_folder, point, sync_folder};
use crate::host;

const FOLDER: &str = "restore";
const NEW: &str = "new";
const SWITCH: &str = "switch.json";
/// Where what was replaced lies afterwards, below the state folder.
pub const ASIDE: &str = "aside";

/// What goes where; paths below the state folder.
#[derive(Debug, Serialize, Deserialize)]
struct Switch {
    aside: String,
    put: Vec<Put>,
    away: Vec<PathBuf>,
}

/// A file to be put in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put {
    /// Where, below the state folder.
    pub path: PathBuf,
    /// Its mode.
    pub mode: u32,
    /// User and group, where files can be given away.
    pub owner: Option<(u32, u32)>,
}

/// New files that are laid out; dropped before [`Swap::commit`], nothing has
/// happened.
#[derive(Debug)]
pub struct Swap<'a> {
    state: &'a Path,
    done: bool,
}

impl<'a> Swap<'a> {
    /// Begins with an empty layout.
    ///
    /// # Errors
    /// See [`DiskError`].
    pub fn begin(state: &'a Path, lock: &StateLock) -> Result<Self, DiskError> {
        finish(state, lock)?;
        let folder = state.join(FOLDER);
        let _none = fs::remove_dir_all(&folder);
        point("layout emptied", &folder);
        make_folder(&folder, 0o700)?;
        make_folder(&folder.join(NEW), 0o700)?;
        Ok(Self { state, done: false })
    }

    /// The folder of the layout.
    pub fn folder(&self) -> PathBuf {
        self.state.join(FOLDER).join(NEW)
    }

    /// A new file of the layout.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(&self, path: &str) -> Result<File, DiskError> {
        create(&self.folder(), path)
    }

    /// Puts what is laid out in its place and what stands there, and `away`,
    /// aside under the name `aside`. From the moment this writes its one file
    /// there is no way back but forward.
    ///
    /// # Errors
    /// See [`DiskError`]; [`finish`] goes on where it ended.
    pub fn commit(
        mut self,
        lock: &StateLock,
        aside: &str,
        put: Vec<Put>,
        away: Vec<PathBuf>,
    ) -> Result<PathBuf, DiskError> {
        let switch = self.state.join(FOLDER).join(SWITCH);
        for one in &put {
            let path = self.folder().join(&one.path);
            let failed = |error: &io::Error| DiskError::of("write", &path, error);
            if let Some((uid, gid)) = one.owner.filter(|_| host::identity().can_chown) {
                std::os::unix::fs::chown(&path, Some(uid), Some(gid))
                    .map_err(|error| failed(&error))?;
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(one.mode))
                .and_then(|()| File::open(&path)?.sync_all())
                .map_err(|error| failed(&error))?;
            sync_folder(&path)?;
            point("laid out", &path);
        }
        sync_folder(&self.folder())?;
        let words = Switch {
            aside: aside.to_owned(),
            put,
            away,
        };
        let bytes = serde_json::to_vec(&words).unwrap_or_default();
        let mut file = create(&self.state.join(FOLDER), "switch.tmp")?;
        let failed = |error: io::Error| DiskError::of("write", &switch, &error);
        file.write_all(&bytes)
            .and_then(|()| file.sync_all())
            .map_err(failed)?;
        point("switch written", &switch);
        self.done = true;
        fs::rename(self.state.join(FOLDER).join("switch.tmp"), &switch).map_err(failed)?;
        point("switch in place", &switch);
        sync_folder(&switch)?;
        finish(self.state, lock)?;
        Ok(self.state.join(ASIDE).join(aside))
    }
}

impl Drop for Swap<'_> {
    fn drop(&mut self) {
        if !self.done {
            let folder = self.state.join(FOLDER);
            let _left = fs::remove_dir_all(&folder);
            point("layout dropped", &folder);
        }
    }
}

/// Whether a switch has begun and is not at its end: there is no way back.
pub fn has_begun(state: &Path) -> bool {
    exists(&state.join(FOLDER).join(SWITCH))
}

/// Carries a switch that somebody was killed in to its end; tells where what
/// was replaced lies, if there was one. Safe to be killed in and begun again.
///
/// # Errors
/// See [`DiskError`].
pub fn finish(state: &Path, _lock: &StateLock) -> Result<Option<PathBuf>, DiskError> {
    let folder = state.join(FOLDER);
    let path = folder.join(SWITCH);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(DiskError::of("read", &path, &error)),
    };
    let switch: Switch = serde_json::from_slice(&bytes).map_err(|error| DiskError::Damaged {
        path: path.clone(),
        reason: format!("it does not say what was being restored ({error}); restore again"),
    })?;
    let aside = state.join(ASIDE).join(&switch.aside);
    let new = folder.join(NEW);
    // Everything old goes before anything new comes: whoever reads meanwhile
    // without a hold on the folder finds a database with its own log, or none,
    // and never the new one beside the old one's log. Once a new file is in
    // its place, what stands at these names is new.
    if switch.put.iter().all(|one| exists(&new.join(&one.path))) {
        for one in &switch.put {
            set_aside(&state.join(&one.path), &aside.join(&one.path))?;
        }
    }
    for one in &switch.away {
        set_aside(&state.join(one), &aside.join(one))?;
    }
    for one in &switch.put {
        let (from, to) = (new.join(&one.path), state.join(&one.path));
        // Gone from the layout: it is in its place already.
        if !exists(&from) {
            continue;
        }
        make_above(state, &one.path)?;
        fs::rename(&from, &to).map_err(|error| DiskError::of("replace", &to, &error))?;
        point("put in place", &to);
        sync_folder(&to)?;
    }
    fs::remove_file(&path).map_err(|error| DiskError::of("remove", &path, &error))?;
    point("switch removed", &path);
    sync_folder(&path)?;
    let _left = fs::remove_dir_all(&folder);
    point("layout removed", &folder);
    Ok(Some(aside))
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Moves what stands at `from`, if anything does and it was not moved before.
fn set_aside(from: &Path, to: &Path) -> Result<(), DiskError> {
    if !exists(from) || exists(to) {
        return Ok(());
    }
    if let Some(parent) = to.parent() {
        super::private_folder(parent)?;
    }
    fs::rename(from, to).map_err(|error| DiskError::of("set aside", from, &error))?;
    point("set aside", to);
    sync_folder(to)?;
    sync_folder(from)
}

/// Makes the folders above a path below the state folder.
fn make_above(state: &Path, path: &Path) -> Result<(), DiskError> {
    let mut folder = state.to_owned();
    for part in path.parent().into_iter().flatten() {
        folder.push(part);
        make_folder(&folder, 0o700)?;
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn put(path: &str) -> Put {
        Put {
            path: path.into(),
            mode: 0o600,
            owner: None,
        }
    }

    fn state() -> (tempfile::TempDir, StateLock) {
        let dir = tempfile::tempdir().unwrap();
        let lock = StateLock::acquire(dir.path(), Timestamp::UNIX_EPOCH, "1").unwrap();
        fs::write(dir.path().join("db"), "old").unwrap();
        fs::write(dir.path().join("db-wal"), "old log").unwrap();
        (dir, lock)
    }

    fn lay_out<'a>(dir: &'a Path, lock: &StateLock) -> Swap<'a> {
        let swap = Swap::begin(dir, lock).unwrap();
        swap.create("db").unwrap().write_all(b"new").unwrap();
        swap.create("tls/key").unwrap().write_all(b"key").unwrap();
        swap
    }

    /// Lays out and commits it; answers what the old ones are kept in.
    fn commit(dir: &Path, lock: &StateLock) -> PathBuf {
        let new = vec![put("db"), put("tls/key")];
        lay_out(dir, lock)
            .commit(lock, "then", new, vec!["db-wal".into()])
            .unwrap()
    }

    fn is_new(dir: &Path) {
        assert_eq!(fs::read_to_string(dir.join("db")).unwrap(), "new");
        assert_eq!(fs::read_to_string(dir.join("tls/key")).unwrap(), "key");
        assert!(!dir.join("db-wal").exists());
        assert!(!dir.join(FOLDER).exists());
        let aside = dir.join("aside/then");
        assert_eq!(fs::read_to_string(aside.join("db")).unwrap(), "old");
        assert_eq!(fs::read_to_string(aside.join("db-wal")).unwrap(), "old log");
    }

    #[test]
    fn what_is_replaced_is_set_aside() {
        let (dir, lock) = state();
        let aside = commit(dir.path(), &lock);
        assert_eq!(aside, dir.path().join("aside/then"));
        is_new(dir.path());
        assert_eq!(finish(dir.path(), &lock).unwrap(), None);
    }

    /// Others look without a hold, `doctor` and `backup` for two.
    #[test]
    fn nobody_ever_sees_the_new_database_beside_the_old_log() {
        let (dir, lock) = state();
        let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let (to, at) = (std::sync::Arc::clone(&seen), dir.path().to_owned());
        let watch = super::super::points::watch::below(dir.path(), move |_, _| {
            let read = |name: &str| fs::read_to_string(at.join(name)).ok();
            to.lock().unwrap().push((read("db"), read("db-wal")));
        });
        commit(dir.path(), &lock);
        drop(watch);
        is_new(dir.path());
        let seen = seen.lock().unwrap();
        for (db, log) in seen.iter() {
            let mixed = db.as_deref() == Some("new") && log.is_some();
            assert!(!mixed, "{seen:?}");
        }
        let is_in_between = |found: &(Option<String>, Option<String>)| *found == (None, None);
        assert!(seen.iter().any(is_in_between), "{seen:?}");
    }

    #[test]
    fn dropped_before_it_is_committed_nothing_has_happened() {
        let (dir, lock) = state();
        drop(lay_out(dir.path(), &lock));
        assert_eq!(fs::read_to_string(dir.path().join("db")).unwrap(), "old");
        assert!(!dir.path().join(FOLDER).exists());
    }

    /// Killed after any number of its moves, the next one carries it to its end.
    #[test]
    fn killed_anywhere_it_is_carried_to_its_end() {
        // In the order of `finish`: all that is old aside, then the new.
        let moves: [(&str, &str); 4] = [
            ("db", "aside/then/db"),
            ("db-wal", "aside/then/db-wal"),
            ("restore/new/db", "db"),
            ("restore/new/tls/key", "tls/key"),
        ];
        for done in 0..=moves.len() {
            let (dir, lock) = state();
            let mut swap = lay_out(dir.path(), &lock);
            swap.done = true;
            drop(swap);
            let words = Switch {
                aside: "then".into(),
                put: vec![put("db"), put("tls/key")],
                away: vec!["db-wal".into()],
            };
            let at = dir.path().join(FOLDER).join(SWITCH);
            fs::write(at, serde_json::to_vec(&words).unwrap()).unwrap();
            for (from, to) in &moves[..done] {
                let to = dir.path().join(to);
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::rename(dir.path().join(from), to).unwrap();
            }
            assert!(finish(dir.path(), &lock).unwrap().is_some(), "{done}");
            is_new(dir.path());
        }
    }
}
