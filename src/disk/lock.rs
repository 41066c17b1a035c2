//! One controller for a state folder.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use super::{DiskError, point};

/// Who holds the state folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process number, on its own host (or in its own container).
    pub pid: u32,
    /// Host name.
    pub host: String,
    /// When it took hold.
    pub since: Timestamp,
    /// Version of the controller.
    pub version: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.is_empty() {
            return f.write_str("another controller");
        }
        write!(
            f,
            "controller {} (process {} on {}, since {})",
            self.version, self.pid, self.host, self.since
        )
    }
}

/// The hold on a state folder; ends when it is dropped or the process ends,
/// however it ends.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

impl StateLock {
    /// Takes hold of the state folder.
    ///
    /// # Errors
    /// [`DiskError::InUse`] when another process has it.
    pub fn acquire(state: &Path, now: Timestamp, version: &str) -> Result<Self, DiskError> {
        let path = state.join("lock");
        let failed = |error: &std::io::Error| DiskError::of("lock", &path, error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            // The holder's words stay until we are the holder.
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| failed(&error))?;
        point("made", &path);
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(DiskError::InUse {
                    path: state.to_owned(),
                    holder: Self::holder(state).unwrap_or_else(|| Holder {
                        pid: 0,
                        host: String::new(),
                        since: Timestamp::UNIX_EPOCH,
                        version: String::new(),
                    }),
                });
            }
            Err(error) => return Err(failed(&error.into())),
        }
        let holder = Holder {
            pid: std::process::id(),
            host: fs::read_to_string("/proc/sys/kernel/hostname")
                .map_or_else(|_| "this host".to_owned(), |name| name.trim().to_owned()),
            since: now,
            version: version.to_owned(),
        };
        let words = serde_json::to_vec(&holder).unwrap_or_default();
        // In place: the lock is on this inode, it must not be replaced. Not
        // being able to say who we are is no reason not to run.
        let emptied = file.set_len(0);
        point("emptied", &path);
        let _ = emptied.and_then(|()| file.write_all(&words));
        point("written", &path);
        Ok(Self { _file: file })
    }

    /// Who wrote itself into the lock last, held or not.
    pub fn holder(state: &Path) -> Option<Holder> {
        serde_json::from_slice(&fs::read(state.join("lock")).ok()?).ok()
    }
}
