//! Whose files these are. A restore is often run by root, in a container that
//! is thrown away, for a controller that is somebody else.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{Gid, Uid};

use super::{DiskError, StateLock, leave, point};
use crate::host;
use crate::model::{Issue, IssueCode, Role, Severity};

/// User and group of the state folder, where that is not us and we may give
/// files away.
pub fn owner_of(state: &Path) -> Option<(u32, u32)> {
    let us = host::identity();
    let meta = fs::metadata(state).ok()?;
    let owner = (meta.uid(), meta.gid());
    (us.can_chown && owner.0 != us.uid).then_some(owner)
}

/// Traefik's user, where the controller may give files away.
pub const TRAEFIK: (u32, u32) = (65_532, 65_532);
/// What Traefik keeps, below the state folder.
pub const ACME: &str = "traefik/acme";

/// As whom Traefik runs beside the controller of this state folder, and so
/// whose its certificates are: as itself where the folder is root's, who may
/// give them away, otherwise as the folder's owner.
pub fn traefik_of(state: &Path) -> Option<(u32, u32)> {
    let meta = fs::metadata(state).ok()?;
    Some(match meta.uid() {
        0 => TRAEFIK,
        uid => (uid, meta.gid()),
    })
}

/// As whom Traefik runs beside us.
pub fn traefik_beside_us() -> (u32, u32) {
    let us = host::identity();
    if us.can_chown {
        TRAEFIK
    } else {
        (us.uid, us.gid)
    }
}

/// What Traefik will find of its certificates when it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificates {
    /// Files that it would not take, and why not.
    pub refused: Vec<(PathBuf, String)>,
    /// When it last changed what is there or who may read it.
    pub changed: Option<Timestamp>,
}

impl Certificates {
    /// Looks at what lies in the state folder for a Traefik that runs as
    /// `user`. It takes a file only if nobody else can read it.
    pub fn look(state: &Path, user: (u32, u32)) -> Self {
        let folder = state.join(ACME);
        let mut found = Self::default();
        let entered = fs::metadata(&folder).ok();
        found.changed = entered.and_then(|meta| moment(meta.mtime(), meta.mtime_nsec()));
        for path in certificate_files(&folder) {
            let Ok(meta) = fs::symlink_metadata(&path) else {
                continue;
            };
            found.changed = found.changed.max(moment(meta.ctime(), meta.ctime_nsec()));
            if let Some(why) = why_refused(&meta, user) {
                found.refused.push((path, why));
            }
        }
        found
    }

    /// What people have to do, being others than we.
    pub fn issues(&self, user: (u32, u32)) -> impl Iterator<Item = Issue> {
        self.refused.iter().map(move |(path, why)| Issue {
            code: IssueCode::CertificateFailed,
            severity: Severity::Error,
            role: Some(Role::Traefik),
            subject: path.display().to_string(),
            what: "Traefik does not take the file with its certificates".into(),
            why: format!("{why}, as a copy of a state folder may have it"),
            fix: format!(
                "As root on the host: `chown {}:{}` and `chmod 600` this file; Traefik is restarted then when nobody is live",
                user.0, user.1
            ),
        })
    }
}

/// Lets Traefik, run as `user`, have its certificates: a state folder that was
/// copied or unpacked has lost who owns what. What we may not mend is told by
/// whoever looks.
pub fn mend_certificates(state: &Path, user: (u32, u32)) {
    for path in certificate_files(&state.join(ACME)) {
        let _told = mend(&path, user);
    }
}

/// Never through a link: who writes there is not who we are.
fn mend(path: &Path, (uid, gid): (u32, u32)) -> io::Result<()> {
    let file = super::open_regular(path)?;
    let meta = file.metadata()?;
    if meta.uid() != uid {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        rustix::fs::fchown(&file, Some(uid), Some(gid))?;
        point("given away", path);
    }
    if meta.mode() & 0o7777 != 0o600 {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        point("mode set", path);
    }
    Ok(())
}

fn certificate_files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let plain = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    plain
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
}

fn why_refused(meta: &fs::Metadata, user: (u32, u32)) -> Option<String> {
    if meta.uid() != user.0 {
        return Some(format!(
            "it belongs to user {} instead of {}",
            meta.uid(),
            user.0
        ));
    }
    let mode = meta.mode() & 0o7777;
    (mode != 0o600).then(|| format!("its mode is {mode:o} instead of 600"))
}

fn moment(seconds: i64, nanoseconds: i64) -> Option<Timestamp> {
    Timestamp::new(seconds, i32::try_from(nanoseconds).ok()?).ok()
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
/// controller can read and write it, and Traefik's certificates to the Traefik
/// that will run beside it. What belongs to anybody else stays as it is.
///
/// # Errors
/// When something cannot be given.
pub fn hand_over(state: &Path, _lock: &StateLock) -> Result<(), DiskError> {
    let Some(owner) = owner_of(state) else {
        return Ok(());
    };
    let us = host::identity().uid;
    let acme = state.join(ACME);
    let mut rest: Vec<_> = leave::ours()
        .map(|(name, whole)| (state.join(name), whole))
        .collect();
    while let Some((path, whole)) = rest.pop() {
        let Ok(meta) = fs::symlink_metadata(&path) else {
            continue;
        };
        if meta.uid() == us || (meta.uid() == TRAEFIK.0 && path.starts_with(&acme)) {
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
    use super::*;
    use crate::disk::Disk;

    #[test]
    fn a_copied_state_folder_gives_traefik_its_certificates_again() {
        let dir = tempfile::tempdir().unwrap();
        let (state, us) = (dir.path(), host::identity());
        let folder = state.join(ACME);
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("acme.json");
        fs::write(&file, "{}").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(folder.join("notes.txt"), "").unwrap();
        let outside = state.join("outside.json");
        fs::write(&outside, "").unwrap();
        fs::set_permissions(&outside, fs::Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink(&outside, folder.join("link.json")).unwrap();
        let user = traefik_beside_us();
        let seen = Certificates::look(state, user);
        assert_eq!(seen.refused.len(), 1, "{seen:?}");
        let told = seen.issues(user).next().unwrap();
        assert_eq!(told.subject, file.display().to_string());

        mend_certificates(state, user);
        let now = Certificates::look(state, user);
        assert_eq!(now.refused, []);
        assert!(now.changed >= seen.changed);
        let meta = fs::metadata(&file).unwrap();
        assert_eq!((meta.uid(), meta.mode() & 0o777), (user.0, 0o600));
        let meta = fs::metadata(&outside).unwrap();
        assert_eq!((meta.uid(), meta.mode() & 0o777), (us.uid, 0o644));
        // Somebody else's is told.
        let other = (user.0 + 1, user.1);
        let why = &Certificates::look(state, other).refused[0].1;
        let belongs = format!("it belongs to user {} instead of {}", user.0, other.0);
        assert_eq!(*why, belongs);
        // One that is taken away is a change as well.
        let changed = now.changed;
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::remove_file(&file).unwrap();
        assert!(Certificates::look(state, user).changed > changed);
    }

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
        // Traefik will run as the same user.
        assert_eq!(of("traefik/acme/acme.json"), (4711, 4712));
        assert_eq!(of("somebody-elses"), (0, 0), "not ours to give");
    }
}
