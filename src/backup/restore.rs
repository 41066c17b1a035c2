//! Putting a backup in the place of what is kept.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::archive::{self, DATABASE};
use super::{BackupError, Manifest};
use crate::disk::{
    ACME, DiskError, Draft, Put, StateLock, Swap, give_away, has_begun, owner_of, private_folder,
    traefik_of,
};
use crate::model::Secret;
use crate::store::{self, NewAudit, Store};

/// What a restore did.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The backup's own words.
    pub manifest: Manifest,
    /// Where what was replaced lies, if anything was.
    pub aside: Option<PathBuf>,
    /// Operator's files that were put back.
    pub written: Vec<PathBuf>,
    /// Operator's files that were there already and stayed.
    pub stayed: Vec<PathBuf>,
    /// Operator's files whose place is not ours to write to: where they lie,
    /// and where they belong.
    pub waiting: Vec<(PathBuf, PathBuf)>,
}

/// Puts the backup at `from` into `state`: everything is unpacked, checked and
/// migrated first, then switched in one go. `agree` is asked in between.
/// Operator's files go beside `settings_file` where there are none yet.
/// Nothing if `agree` says no.
///
/// # Errors
/// See [`BackupError`]. Before the switch everything is as it was; in it, the
/// next command on this state folder carries it to its end.
pub fn restore(
    state: &Path,
    lock: &StateLock,
    from: (&Path, Option<&Secret<String>>),
    settings_file: Option<&Path>,
    clock: (Timestamp, &str),
    agree: impl FnOnce(&Manifest) -> bool,
) -> Result<Option<Restored>, BackupError> {
    let ((path, passphrase), (now, version)) = (from, clock);
    let swap = Swap::begin(state, lock)?;
    let manifest = archive::unpack(path, passphrase, version, |name| {
        match name.strip_prefix("state/") {
            Some(name) => swap.create(name),
            None => swap.create(&format!("given/{name}")),
        }
    })?;
    let database = swap.folder().join(store::FILE);
    archive::sound(path, &database, version)?;
    if !agree(&manifest) {
        return Ok(None);
    }
    // An older one is brought up to date here, where nothing can happen to it.
    let store = Store::open(&database, version)?;
    let entry = NewAudit {
        what: "restored",
        who: "command line".into(),
        detail: format!(
            "the backup of {}",
            manifest.at.strftime("%Y-%m-%d %H:%M UTC")
        ),
        ..NewAudit::default()
    };
    store.audit(&entry, now)?;
    drop(store);
    let mut restored = Restored {
        manifest,
        aside: None,
        written: Vec::new(),
        stayed: Vec::new(),
        waiting: Vec::new(),
    };
    give_back(&swap, settings_file, state, &mut restored)?;
    let put = restored
        .manifest
        .files
        .iter()
        .filter_map(|item| {
            let path = item.path.strip_prefix("state/")?;
            Some(Put {
                path: path.into(),
                mode: if item.path == DATABASE {
                    0o600
                } else {
                    item.mode & 0o777
                },
                owner: match Path::new(path).starts_with(ACME) {
                    true => traefik_of(state),
                    false => owner_of(state),
                },
            })
        })
        .collect();
    let aside = commit(swap, state, lock, now, put).inspect_err(|_| {
        // Nothing was changed then: what was put back is taken back.
        if !has_begun(state) {
            let waiting = restored.waiting.iter().map(|(path, _)| path);
            for path in restored.written.iter().chain(waiting) {
                let _gone = crate::disk::discard(path);
            }
        }
    })?;
    restored.aside = Some(aside).filter(|aside| aside.is_dir());
    Ok(Some(restored))
}

/// Begins with an empty database and sets what is there aside.
///
/// # Errors
/// See [`BackupError`].
pub fn begin_empty(
    state: &Path,
    lock: &StateLock,
    now: Timestamp,
    version: &str,
) -> Result<Option<PathBuf>, BackupError> {
    let swap = Swap::begin(state, lock)?;
    drop(Store::open(&swap.folder().join(store::FILE), version)?);
    let put = vec![Put {
        path: store::FILE.into(),
        mode: 0o600,
        owner: owner_of(state),
    }];
    Ok(Some(commit(swap, state, lock, now, put)?).filter(|aside| aside.is_dir()))
}

/// What belongs to the database that is replaced goes with it.
fn commit(
    swap: Swap<'_>,
    state: &Path,
    lock: &StateLock,
    now: Timestamp,
    put: Vec<Put>,
) -> Result<PathBuf, BackupError> {
    let away = store::companions(Path::new(store::FILE)).to_vec();
    let at = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let free = (1..)
        .map(|count| match count {
            1 => at.clone(),
            count => format!("{at}.{count}"),
        })
        .find(|name| !state.join(crate::disk::ASIDE).join(name).exists());
    Ok(swap.commit(lock, &free.unwrap_or(at), put, away)?)
}

/// Operator's files: those beside the settings go back there if their place is
/// free. A backup may come from anywhere, so nothing of it is written to any
/// other place: it waits in the state folder.
fn give_back(
    swap: &Swap<'_>,
    settings_file: Option<&Path>,
    state: &Path,
    restored: &mut Restored,
) -> Result<(), BackupError> {
    let base =
        settings_file.map(|file| std::path::absolute(file).unwrap_or_else(|_| file.to_owned()));
    let base = base.as_deref().and_then(Path::parent);
    let settings = restored.manifest.settings_file();
    let settings = settings.map(|item| item.path.clone());
    let owner = owner_of(state);
    for item in &restored.manifest.files {
        let laid = swap.folder().join("given").join(&item.path);
        let place = match (item.path.strip_prefix("settings/"), base) {
            _ if item.path.starts_with("state/") => continue,
            // The file that is named now, whatever it was called.
            (Some(_), Some(_)) if settings.as_ref() == Some(&item.path) => {
                settings_file.map(Path::to_owned)
            }
            (Some(below), Some(base)) => Some(base.join(below)),
            _ => None,
        };
        if let Some(place) = &place {
            if place.exists() {
                restored.stayed.push(place.clone());
                continue;
            }
            match lay(&laid, place, owner, false) {
                Ok(()) => {
                    restored.written.push(place.clone());
                    continue;
                }
                // Mounted to be read, as the documents have it: no reason to
                // be without the rooms.
                Err(DiskError::ReadOnly { .. } | DiskError::Denied { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let to = state.join("restored").join(&item.path);
        lay(&laid, &to, owner, true)?;
        let belongs = place.or_else(|| item.from.clone());
        let belongs = belongs.unwrap_or_else(|| item.path.clone().into());
        restored.waiting.push((to, belongs));
    }
    Ok(())
}

/// Copies a file to its place, which is made, whole or not at all.
fn lay(from: &Path, to: &Path, owner: Option<(u32, u32)>, replace: bool) -> Result<(), DiskError> {
    let folder = to.parent().unwrap_or(Path::new("/"));
    let made: Vec<&Path> = folder
        .ancestors()
        .take_while(|folder| !folder.exists())
        .collect();
    private_folder(folder)?;
    for folder in made {
        give_away(folder, owner)?;
    }
    let draft = Draft::below(folder)?;
    let mut bytes =
        std::fs::File::open(from).map_err(|error| DiskError::of("read", from, &error))?;
    std::io::copy(&mut bytes, &mut draft.create("file")?)
        .map_err(|error| DiskError::of("write", to, &error))?;
    give_away(&draft.path("file"), owner)?;
    draft.publish("file", to, replace)
}
