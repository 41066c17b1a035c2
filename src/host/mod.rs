//! The machine below: who we are on it, which addresses and networks it has,
//! who holds its ports, how much room is left. Parsers are pure; what reads
//! `/proc` says so.

mod address;
mod names;
mod network;
mod ports;

use std::io;
use std::path::Path;

pub use address::{Announced, announce, default_source, is_public};
pub use names::{Names, NoAddress, Resolvers, SystemNames};
pub use network::{choose_subnet, read_routes, routes};
pub use ports::{Listener, Process, listeners, read_listeners};

/// Who we are to the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
    /// Whether we may give files away.
    pub can_chown: bool,
}

/// Who this process is; reads `/proc/self/status`.
pub fn identity() -> Identity {
    let uid = rustix::process::geteuid().as_raw();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    Identity {
        uid,
        gid: rustix::process::getegid().as_raw(),
        can_chown: may_chown(&status).unwrap_or(uid == 0),
    }
}

/// Whether the effective capabilities of a `status` file hold `CAP_CHOWN`:
/// root in a container may have lost it.
fn may_chown(status: &str) -> Option<bool> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    let bits = u64::from_str_radix(line.trim(), 16).ok()?;
    Some(bits & 1 == 1)
}

/// Room on a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Left for us.
    pub free: u64,
    /// Altogether.
    pub total: u64,
}

/// Room on the file system of `path`, or of the nearest folder above it that
/// exists.
pub fn space(path: &Path) -> io::Result<Space> {
    let facts = rustix::fs::statvfs(existing(path))?;
    Ok(Space {
        free: facts.f_bavail.saturating_mul(facts.f_frsize),
        total: facts.f_blocks.saturating_mul(facts.f_frsize),
    })
}

/// Whether we could write into `path`, or make it in the nearest folder above
/// that exists. Writes nothing.
pub fn writable(path: &Path) -> io::Result<()> {
    use rustix::fs::{Access, AtFlags, CWD};
    let folder = existing(path);
    if !folder.is_dir() {
        return Err(io::Error::from(io::ErrorKind::NotADirectory));
    }
    rustix::fs::accessat(
        CWD,
        folder,
        Access::WRITE_OK | Access::EXEC_OK,
        AtFlags::EACCESS,
    )?;
    Ok(())
}

/// `path` or the nearest part above it that exists.
fn existing(path: &Path) -> &Path {
    path.ancestors()
        .find(|part| part.exists())
        .unwrap_or_else(|| Path::new(if path.is_absolute() { "/" } else { "." }))
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_say_who_may_give_files_away() {
        assert_eq!(
            may_chown("Name:\tx\nCapEff:\t000001ffffffffff\n"),
            Some(true)
        );
        assert_eq!(may_chown("CapEff:\t0000000000000400\n"), Some(false));
        assert_eq!(may_chown("Name: x\n"), None);
    }

    #[test]
    fn a_folder_that_is_not_there_yet_has_the_room_of_the_one_above() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b/c");
        assert!(space(&deep).unwrap().total > 0);
        assert!(writable(&deep).is_ok());
        std::fs::write(folder.path().join("a"), "a file").unwrap();
        assert!(writable(&deep).is_err());
    }
}
