//! Whose files these are. A restore is often run by root, in a container that
//! is thrown away, for a controller that is somebody else.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{DiskError, StateLock, leave, point};
use crate::host;

/// User and group of the state folder, where that is not us and we may give
/// files away.
pub fn owner_of(state: &Path) -> Option<(u32, u32)> {
    let us = host::identity();
    let meta = fs::metadata(state).ok()?;
    let owner = (meta.uid(), meta.gid());
    (us.can_chown && owner.0 != us.uid).then_some(owner)
}

/// Gives a file or folder that we have just made to `owner`.
///
/// # Errors
/// When it cannot be given.
pub fn give_away(path: &Path, owner: Option<(u32, u32)>) -> Result<(), DiskError> {
    let Some((uid, gid)) = owner else {
        return Ok(());
    };
    std::os::unix::fs::lchown(path, Some(uid), Some(gid))
        .map_err(|error| DiskError::of("give away", path, &error))?;
    point("given away", path);
    Ok(())
}

/// Gives what is ours in the state folder to the folder's owner, so that his
/// controller can read and write it. What belongs to anybody else stays as it
/// is, Traefik's certificates for one.
///
/// # Errors
/// When something cannot be given.
pub fn hand_over(state: &Path, _lock: &StateLock) -> Result<(), DiskError> {
    let Some(owner) = owner_of(state) else {
        return Ok(());
    };
    let us = host::identity().uid;
    let mut rest: Vec<_> = leave::ours()
        .map(|(name, whole)| (state.join(name), whole))
        .collect();
    while let Some((path, whole)) = rest.pop() {
        let Ok(meta) = fs::symlink_metadata(&path) else {
            continue;
        };
        if meta.uid() == us {
            give_away(&path, Some(owner))?;
        }
        if meta.is_dir() && whole {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            rest.extend(entries.map(|entry| (entry.path(), true)));
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::disk::Disk;

    #[test]
    fn what_root_made_is_the_folders_owners_afterwards() {
        // Only root can show it.
        if !host::identity().can_chown || host::identity().uid != 0 {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        fs::create_dir(&state).unwrap();
        std::os::unix::fs::chown(&state, Some(4711), Some(4712)).unwrap();
        Disk::open(&state).unwrap();
        let lock = StateLock::acquire(&state, Timestamp::UNIX_EPOCH, "1").unwrap();
        for (name, owner) in [
            ("secrets.json", 0),
            ("tls/authority.key", 0),
            ("traefik/acme/acme.json", 65_532),
            ("somebody-elses", 0),
        ] {
            let path = state.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "x").unwrap();
            std::os::unix::fs::chown(&path, Some(owner), Some(owner)).unwrap();
        }
        hand_over(&state, &lock).unwrap();
        let of = |name: &str| {
            let meta = fs::metadata(state.join(name)).unwrap();
            (meta.uid(), meta.gid())
        };
        for name in [
            "secrets.json",
            "tls",
            "tls/authority.key",
            "tmp",
            "rendered",
            "lock",
        ] {
            assert_eq!(of(name), (4711, 4712), "{name}");
        }
        assert_eq!(of("traefik/acme/acme.json"), (65_532, 65_532));
        assert_eq!(of("somebody-elses"), (0, 0), "not ours to give");
    }
}
