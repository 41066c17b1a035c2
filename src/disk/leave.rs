//! Taking away what is kept, and nothing else. The state folder may be a mount
//! point, which cannot be removed, and it may be somebody's own folder with
//! `state: .` in the settings: so only what we made goes, by name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{DiskError, StateLock, point, sync_folder};

/// Folders that are ours with everything in them.
const FOLDERS: [&str; 6] = [
    super::RENDERED,
    super::QUARANTINE,
    "restore",
    "restored",
    super::ASIDE,
    "traefik/acme",
];
/// Files of ours; the lock is the last, for it says that nobody else works here.
const FILES: [&str; 13] = [
    "colourstream.db",
    "colourstream.db-wal",
    "colourstream.db-shm",
    "colourstream.db-open",
    super::SECRETS,
    "last-settings.json",
    super::UNSEEN,
    "tls/authority.pem",
    "tls/authority.key",
    "tls/certificate.pem",
    "tls/certificate.key",
    "tls/orders.json",
    super::SOCKET,
];
/// Folders that others may use, too: they go when nothing is left in them.
const SHARED: [&str; 5] = [
    super::TMP,
    "tls",
    "traefik",
    "backups/before-upgrade",
    "backups",
];

/// The names of all that may be ours below the state folder, and whether
/// everything in it is.
pub(super) fn ours() -> impl Iterator<Item = (&'static str, bool)> {
    let names = FILES.iter().chain(&SHARED).chain(&["lock"]);
    let whole = FOLDERS.iter().map(|name| (*name, true));
    names.map(|name| (*name, false)).chain(whole)
}

/// Removes what ColourStream keeps in `state`, `backups` among it, and the
/// folder itself where that leaves it empty and it is no mount point. Tells
/// what is somebody else's and stays.
///
/// # Errors
/// See [`DiskError`]; what is left can be removed by the same call again.
pub fn remove_state(
    state: &Path,
    lock: StateLock,
    backups: &[PathBuf],
) -> Result<Vec<PathBuf>, DiskError> {
    for name in FOLDERS {
        remove_tree(&state.join(name))?;
    }
    for path in FILES.iter().map(|name| state.join(name)) {
        remove_file(&path)?;
    }
    for path in backups {
        remove_file(path)?;
    }
    for name in SHARED {
        drafts(&state.join(name), name == super::TMP)?;
        remove_empty(&state.join(name))?;
    }
    remove_file(&state.join("lock"))?;
    drop(lock);
    let failed = |error: &io::Error| DiskError::of("list", state, error);
    let left: Result<Vec<PathBuf>, io::Error> = fs::read_dir(state)
        .map_err(|error| failed(&error))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect();
    let mut left = left.map_err(|error| failed(&error))?;
    left.sort();
    if left.is_empty() {
        // A mount point stays, empty: it is the operator's.
        let _stays = fs::remove_dir(state);
        point("folder removed", state);
        let _gone = sync_folder(state);
    }
    Ok(left)
}

/// What is left of files being written. In our folder for them (`is_tmp`) plain
/// ones have a number for a name.
fn drafts(folder: &Path, is_tmp: bool) -> Result<(), DiskError> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_number = name
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-');
        if super::draft::is_draft(&name) {
            remove_tree(&entry.path())?;
        } else if is_tmp && is_number {
            remove_file(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes a folder with all that is in it; of a link the link alone.
fn remove_tree(path: &Path) -> Result<(), DiskError> {
    let is_folder = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
    if !is_folder {
        return remove_file(path);
    }
    done(path, fs::remove_dir_all(path))
}

fn remove_file(path: &Path) -> Result<(), DiskError> {
    // Somebody else's folder under a name of ours is no file of ours.
    if fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir()) {
        return Ok(());
    }
    done(path, fs::remove_file(path))
}

fn remove_empty(path: &Path) -> Result<(), DiskError> {
    match fs::remove_dir(path) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::DirectoryNotEmpty
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::ResourceBusy
            ) =>
        {
            Ok(())
        }
        result => done(path, result),
    }
}

fn done(path: &Path, result: io::Result<()>) -> Result<(), DiskError> {
    match result {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(())
        }
        result => {
            point("removed", path);
            result.map_err(|error| DiskError::of("remove", path, &error))
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn lock(state: &Path) -> StateLock {
        StateLock::acquire(state, Timestamp::UNIX_EPOCH, "1").unwrap()
    }

    fn write(state: &Path, names: &[&str]) {
        for name in names {
            let path = state.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
    }

    const OURS: [&str; 16] = [
        "colourstream.db",
        "colourstream.db-wal",
        "secrets.json",
        "tls/authority.key",
        "tls/orders.json",
        "traefik/acme/acme.json",
        "rendered/traefik/dynamic/colourstream.yml",
        "quarantine/20260101T000000Z-x/y",
        "aside/20260101T000000Z/colourstream.db",
        "restored/settings/colourstream.yaml",
        "restore/new/db",
        "tmp/17-3",
        "tmp/.colourstream-part-17-0/colourstream.db",
        "backups/colourstream-20260101T000000Z-daily.backup",
        "backups/.colourstream-part-17-0/whole",
        "last-settings.json",
    ];

    #[test]
    fn a_folder_of_our_own_goes_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        write(&state, &OURS);
        let backup = state.join(OURS[13]);
        let left = remove_state(&state, lock(&state), &[backup]).unwrap();
        assert_eq!(left, Vec::<PathBuf>::new());
        assert!(!state.exists());
    }

    #[test]
    fn what_is_somebody_else_s_stays_and_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path();
        let theirs = [
            "colourstream.yaml",
            "tls/fullchain.pem",
            "traefik/dynamic.yml.tera",
            "tmp/notes",
            "backups/other-20260101T000000Z-daily.backup",
            "control.sock.d/x",
        ];
        write(state, &OURS);
        write(state, &theirs);
        // A link of ours leads to something of theirs.
        let film = tempfile::tempdir().unwrap();
        fs::write(film.path().join("reel"), "x").unwrap();
        fs::remove_dir_all(state.join("aside")).unwrap();
        std::os::unix::fs::symlink(film.path(), state.join("aside")).unwrap();
        let left = remove_state(state, lock(state), &[state.join(OURS[13])]).unwrap();
        let names: Vec<String> = left
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(
            names,
            [
                "backups",
                "colourstream.yaml",
                "control.sock.d",
                "tls",
                "tmp",
                "traefik"
            ]
        );
        for name in theirs {
            assert!(state.join(name).exists(), "{name}");
        }
        for name in OURS {
            assert!(!state.join(name).exists(), "{name}");
        }
        assert!(film.path().join("reel").exists());
        assert!(!state.join("lock").exists());
    }
}
