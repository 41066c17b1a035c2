//! The only writer of files. What is written appears whole or not at all: a
//! temporary file outside the watched folders, fsync, rename, fsync of the
//! folder. Everything lies below the state folder:
//!
//! ```text
//! state/             0700: bind mounts do not look at it, other users may not
//!   rendered/        what services read; Traefik watches a folder in it
//!   tmp/             files being written, same file system
//!   quarantine/      what was in the way
//!   restore/         a restore that goes on
//!   aside/           what a restore replaced
//!   secrets.json     generated once
//!   last-settings.json
//!                    the last good ones, for a start with worse
//!   unseen           begun before anybody could see what runs on the engine
//!   lock             held by the one controller
//! ```
//!
//! Calls block; from async code use a blocking task where the disk may be slow.

mod draft;
mod leave;
mod lock;
mod owner;
pub mod points;
mod secrets;
mod swap;

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use rustix::fs::{Gid, Uid};

pub use draft::{Draft, discard, private_folder};
pub use leave::remove_state;
pub use lock::{Holder, StateLock};
pub use owner::{
    ACME, Certificates, TRAEFIK, give_away, hand_over, mend_certificates, owner_of,
    traefik_beside_us, traefik_of,
};
pub use points::point;
pub use secrets::{
    load_existing as load_existing_secrets, load_or_create as load_or_create_secrets,
    passing as passing_secrets, read_secret,
};
pub use swap::{ASIDE, Put, Swap, finish as finish_swap, has_begun};

use crate::model::{Digest, Issue, IssueCode, Severity};
use crate::plan::{FileFacts, FileState};

/// Folder of rendered files, below the state folder.
pub const RENDERED: &str = "rendered";
/// The file with what is generated once, there too.
pub const SECRETS: &str = "secrets.json";
/// The socket on which a running controller answers the command line, too.
pub const SOCKET: &str = "control.sock";
const TMP: &str = "tmp";
/// Says that this state folder was begun while the engine could not be asked:
/// services that are there may be of another one. A file, so that it is there
/// before the database is, and in no backup of it.
pub const UNSEEN: &str = "unseen";

/// Whether services that are there may be of another state folder.
pub fn is_unseen(state: &Path) -> bool {
    state.join(UNSEEN).exists()
}
const QUARANTINE: &str = "quarantine";

/// Why the disk did not do as told; each names the path, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiskError {
    /// No space or quota left.
    #[error("no space left for {path}: free some; the file that was there is untouched")]
    Full {
        /// What was to be written.
        path: PathBuf,
    },
    /// The file system is mounted read-only.
    #[error("{path} is on a read-only file system: mount it writable")]
    ReadOnly {
        /// What was to be written.
        path: PathBuf,
    },
    /// We may not.
    #[error("no permission to {doing} {path}: give it to the user the controller runs as")]
    Denied {
        /// Such as `write`.
        doing: &'static str,
        /// What.
        path: PathBuf,
    },
    /// Another controller has the state folder.
    #[error("{path} is in use by {holder}: stop that one first")]
    InUse {
        /// The state folder.
        path: PathBuf,
        /// Who has it.
        holder: Holder,
    },
    /// A file is not what we once wrote.
    #[error("{path} is damaged: {reason}")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong, and the way out; never the content.
        reason: String,
    },
    /// The path leads out of the state folder or through a link.
    #[error("{path} is not a path we write to: {reason}")]
    Refused {
        /// Which.
        path: PathBuf,
        /// Why not.
        reason: &'static str,
    },
    /// We have no handle or no memory left, which says nothing of the path.
    #[error("could not {doing} {path}: {reason}")]
    Exhausted {
        /// Such as `list`.
        doing: &'static str,
        /// What.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// Anything else, in the system's words.
    #[error("could not {doing} {path}: {reason}")]
    Other {
        /// Such as `write`.
        doing: &'static str,
        /// What.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
}

impl DiskError {
    /// The system's error while `doing` something with `path`.
    pub fn of(doing: &'static str, path: &Path, error: &io::Error) -> Self {
        let path = path.to_owned();
        if is_exhausted(error) {
            let reason = error.to_string();
            return Self::Exhausted {
                doing,
                path,
                reason,
            };
        }
        match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::Full { path },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            io::ErrorKind::PermissionDenied => Self::Denied { doing, path },
            _ => Self::Other {
                doing,
                path,
                reason: error.to_string(),
            },
        }
    }

    /// What it is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::Full { path }
            | Self::ReadOnly { path }
            | Self::Denied { path, .. }
            | Self::InUse { path, .. }
            | Self::Damaged { path, .. }
            | Self::Refused { path, .. }
            | Self::Exhausted { path, .. }
            | Self::Other { path, .. } => path,
        }
    }

    /// The same as an issue for people.
    pub fn issue(&self) -> Issue {
        let fix = match self {
            Self::Full { .. } => "Free space on that file system; it is tried again by itself.",
            Self::ReadOnly { .. } => "Mount that file system writable.",
            Self::Denied { .. } => {
                "Give the path to the user the controller runs as; it is tried again by itself."
            }
            Self::InUse { .. } => "Stop the other controller, or use another state folder.",
            Self::Damaged { .. } => "Restore the file from a backup.",
            Self::Refused { .. } => "Move what stands there out of the way.",
            Self::Exhausted { .. } => {
                "Let the controller open more files (`--ulimit nofile=…`) or have more memory; it is tried again by itself."
            }
            Self::Other { .. } => "See the system's words; it is tried again by itself.",
        };
        Issue {
            code: IssueCode::StateUnwritable,
            severity: Severity::Error,
            role: None,
            subject: self.path().display().to_string(),
            what: "The state folder cannot be used as needed.".to_owned(),
            why: self.to_string(),
            fix: fix.to_owned(),
        }
    }
}

/// Whether it is we who lack something, and not what was asked for.
fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let lacks = [Errno::MFILE, Errno::NFILE, Errno::NOMEM];
    error
        .raw_os_error()
        .is_some_and(|code| lacks.contains(&Errno::from_raw_os_error(code)))
}

/// The state folder, as far as files are written in it.
#[derive(Debug)]
pub struct Disk {
    state: PathBuf,
    rendered: PathBuf,
    tmp: PathBuf,
    digests: Mutex<HashMap<(u64, u64), Known>>,
    written: AtomicU64,
}

/// A digest and the marks of the file it was taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    marks: Marks,
    digest: Digest,
}

/// Size, time of change of content and of anything (nanoseconds).
type Marks = (u64, i128, i128);

/// A file changed this recently may change again within the same tick of its
/// file system's clock: its digest is not remembered.
const SETTLED: Duration = Duration::from_secs(1);

impl Disk {
    /// Makes the layout if it is not there and takes `state` as root.
    ///
    /// # Errors
    /// When folders cannot be made.
    pub fn open(state: &Path) -> Result<Self, DiskError> {
        make_folder(state, 0o700)?;
        // Docker makes a folder of the host that is not there for everybody to
        // enter, and what is below belongs to the services' users, whose
        // numbers may be people's on the host. The engine mounts as root: it
        // needs no way in.
        for name in [RENDERED, TMP, QUARANTINE] {
            let folder = state.join(name);
            make_folder(&folder, 0o700)?;
            close(&folder);
        }
        Ok(Self {
            state: state.to_owned(),
            rendered: state.join(RENDERED),
            tmp: state.join(TMP),
            digests: Mutex::default(),
            written: AtomicU64::new(0),
        })
    }

    /// Takes any folder as the place of rendered files, without the layout of
    /// a state folder: to look at what would be rendered.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn plain(folder: &Path) -> Result<Self, DiskError> {
        make_folder(folder, 0o700)?;
        Ok(Self {
            state: folder.to_owned(),
            rendered: folder.to_owned(),
            tmp: folder.to_owned(),
            digests: Mutex::default(),
            written: AtomicU64::new(0),
        })
    }

    /// The state folder.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The folder of rendered files.
    pub fn rendered(&self) -> PathBuf {
        self.rendered.clone()
    }

    /// Clears away what a controller that was killed left half-written; the
    /// lock shows that nobody else is writing.
    pub fn clear_tmp(&self, _lock: &StateLock) {
        let Ok(entries) = fs::read_dir(self.state.join(TMP)) else {
            return;
        };
        for entry in entries.flatten() {
            // Left-overs are harmless; the next start tries again.
            let _ = fs::remove_file(entry.path());
            point("cleared", &entry.path());
        }
    }

    /// Makes a folder for a service's own data, relative to the state folder;
    /// mode and owner are set each time.
    ///
    /// # Errors
    /// When it cannot be made or given away.
    pub fn ensure_folder(
        &self,
        path: &Path,
        mode: u32,
        owner: Option<(u32, u32)>,
    ) -> Result<(), DiskError> {
        let full = self.resolve(&self.state, path)?;
        self.make_parents(&self.state, &full)?;
        make_folder(&full, mode)?;
        let failed = |error: &io::Error| DiskError::of("set owner and mode of", &full, error);
        if let Some((uid, gid)) = owner {
            let meta = fs::symlink_metadata(&full).map_err(|error| failed(&error))?;
            if (meta.uid(), meta.gid()) != (uid, gid) {
                std::os::unix::fs::chown(&full, Some(uid), Some(gid))
                    .map_err(|error| failed(&error))?;
                point("given away", &full);
            }
        }
        let set = fs::set_permissions(&full, fs::Permissions::from_mode(mode));
        point("mode set", &full);
        set.map_err(|error| failed(&error))
    }

    /// Writes a rendered file, path relative to `rendered`: after a return the
    /// new bytes are durable under their name; after an error, or a power cut
    /// at any moment, the old file is there as it was.
    ///
    /// # Errors
    /// See [`DiskError`].
    pub fn write(
        &self,
        path: &Path,
        bytes: &[u8],
        mode: u32,
        owner: Option<(u32, u32)>,
    ) -> Result<(), DiskError> {
        let root = self.rendered();
        let full = self.resolve(&root, path)?;
        self.make_parents(&root, &full)?;
        let tmp = self.write_tmp(&full, bytes, mode, owner)?;
        put_in_place(&tmp, &full)
    }

    /// Writes a file of the controller's own, path relative to the state
    /// folder; as durable as [`Disk::write`].
    ///
    /// # Errors
    /// See [`DiskError`].
    pub fn keep(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), DiskError> {
        let full = self.resolve(&self.state, path)?;
        self.make_parents(&self.state, &full)?;
        let tmp = self.write_tmp(&full, bytes, mode, None)?;
        put_in_place(&tmp, &full)
    }

    /// The bytes of a rendered file as they are, path relative to `rendered`;
    /// nothing for one that is not there.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, DiskError> {
        let full = self.resolve(&self.rendered(), path)?;
        match fs::read(&full) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(DiskError::of("read", &full, &error)),
        }
    }

    /// Removes a rendered file, path relative to `rendered`, and the folder
    /// named by a digest that it leaves empty. What is gone is removed.
    ///
    /// # Errors
    /// See [`DiskError`].
    pub fn remove(&self, path: &Path) -> Result<(), DiskError> {
        let full = self.resolve(&self.rendered(), path)?;
        match fs::remove_file(&full) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            result => result.map_err(|error| DiskError::of("remove", &full, &error))?,
        }
        point("removed", &full);
        sync_folder(&full)?;
        // Only folders named by a digest go: a watched one has to stay, for a
        // container holds on to its inode.
        if let Some(folder) = full.parent().filter(|folder| is_named_by_digest(folder)) {
            // Not empty is the usual case.
            let _ = fs::remove_dir(folder);
            point("folder removed", folder);
        }
        Ok(())
    }

    /// Moves what stands at `path` (relative to `rendered`) into quarantine
    /// and tells where it is now. What is gone is `None`.
    ///
    /// # Errors
    /// See [`DiskError`].
    pub fn quarantine(&self, path: &Path, now: Timestamp) -> Result<Option<PathBuf>, DiskError> {
        let full = self.resolve(&self.rendered(), path)?;
        let name: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        let base = format!("{}-{}", now.strftime("%Y%m%dT%H%M%SZ"), name.join("_"));
        let folder = self.state.join(QUARANTINE);
        let free = (1..)
            .map(|count| match count {
                1 => folder.join(&base),
                count => folder.join(format!("{base}.{count}")),
            })
            .find(|to| fs::symlink_metadata(to).is_err());
        let Some(to) = free else {
            return Ok(None);
        };
        match fs::rename(&full, &to) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            result => result.map_err(|error| DiskError::of("quarantine", &full, &error))?,
        }
        point("quarantined", &to);
        sync_folder(&full)?;
        sync_folder(&to)?;
        Ok(Some(to))
    }

    /// Everything below `rendered`, folders included, by relative path. Links
    /// are told, not followed. Files are read only when their marks changed.
    ///
    /// # Errors
    /// When `rendered` itself cannot be listed.
    pub fn scan(&self) -> Result<BTreeMap<PathBuf, FileFacts>, DiskError> {
        let root = self.rendered();
        let mut found = BTreeMap::new();
        let mut folders = vec![PathBuf::new()];
        let mut seen = HashMap::new();
        while let Some(folder) = folders.pop() {
            let full = root.join(&folder);
            let entries = match fs::read_dir(&full) {
                Ok(entries) => entries,
                Err(error) if folder.as_os_str().is_empty() || is_exhausted(&error) => {
                    return Err(DiskError::of("list", &full, &error));
                }
                Err(_) => {
                    if let Some(facts) = found.get_mut(&folder) {
                        let facts: &mut FileFacts = facts;
                        facts.state = FileState::Unreadable;
                    }
                    continue;
                }
            };
            for entry in entries.flatten() {
                let path = folder.join(entry.file_name());
                // Gone between listing and looking: gone.
                let Ok(meta) = fs::symlink_metadata(entry.path()) else {
                    continue;
                };
                let state = if meta.is_dir() {
                    folders.push(path.clone());
                    FileState::Directory
                } else if meta.is_file() {
                    match self.digest(&entry.path(), &mut seen) {
                        Ok(digest) => FileState::File(digest),
                        Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                        Err(error) if is_exhausted(&error) => {
                            return Err(DiskError::of("read", &entry.path(), &error));
                        }
                        Err(_) => FileState::Unreadable,
                    }
                } else {
                    FileState::Other
                };
                let facts = FileFacts {
                    state,
                    mode: meta.mode() & 0o7777,
                    owner: (meta.uid(), meta.gid()),
                };
                found.insert(path, facts);
            }
        }
        *self.known() = seen;
        Ok(found)
    }

    /// Whether we may give files away, found by trying, and who we are.
    ///
    /// # Errors
    /// When not even a file of our own can be written.
    pub fn ownership(&self) -> Result<(bool, (u32, u32)), DiskError> {
        let us = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        let target = self.state.join("ownership");
        match self.write_tmp(&target, b"", 0o600, Some((65_532, 65_532))) {
            Ok(tmp) => {
                let _ = fs::remove_file(tmp);
                Ok((true, us))
            }
            Err(DiskError::Denied { .. }) => Ok((false, us)),
            // Some file systems know no owners at all.
            Err(DiskError::Other {
                doing: GIVE_AWAY, ..
            }) => Ok((false, us)),
            Err(error) => Err(error),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<(u64, u64), Known>> {
        self.digests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn digest(&self, path: &Path, seen: &mut HashMap<(u64, u64), Known>) -> io::Result<Digest> {
        let mut file = open_regular(path)?;
        let meta = file.metadata()?;
        let inode = (meta.dev(), meta.ino());
        let marks = marks(&meta);
        let known = self.known().get(&inode).copied();
        if let Some(known) = known.filter(|known| known.marks == marks) {
            seen.insert(inode, known);
            return Ok(known.digest);
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let digest = Digest::of(&bytes);
        if is_settled(&meta) {
            seen.insert(inode, Known { marks, digest });
        }
        Ok(digest)
    }

    /// `path` below `root`; only plain names, so that nothing leads out.
    fn resolve(&self, root: &Path, path: &Path) -> Result<PathBuf, DiskError> {
        let plain = path
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if plain && path.components().next().is_some() {
            Ok(root.join(path))
        } else {
            Err(DiskError::Refused {
                path: path.to_owned(),
                reason: "it is not relative and plain",
            })
        }
    }

    /// Makes the folders above `full` and refuses links among them.
    fn make_parents(&self, root: &Path, full: &Path) -> Result<(), DiskError> {
        let Some(parent) = full.parent() else {
            return Ok(());
        };
        let below = parent.strip_prefix(root).unwrap_or(Path::new(""));
        let mut folder = root.to_owned();
        for part in below {
            folder.push(part);
            make_folder(&folder, 0o755)?;
        }
        Ok(())
    }

    /// A durable file with everything set, waiting to be renamed.
    fn write_tmp(
        &self,
        target: &Path,
        bytes: &[u8],
        mode: u32,
        owner: Option<(u32, u32)>,
    ) -> Result<PathBuf, DiskError> {
        let count = self.written.fetch_add(1, Ordering::Relaxed);
        let tmp = self.tmp.join(format!("{}-{count}", std::process::id()));
        // From an earlier process with our number.
        let _ = fs::remove_file(&tmp);
        let written = fill(&tmp, target, bytes, mode, owner);
        if written.is_err() {
            let _ = fs::remove_file(&tmp);
        }
        written.map(|()| tmp)
    }
}

const GIVE_AWAY: &str = "give away";

/// Renames a finished file to where it belongs, for good.
fn put_in_place(tmp: &Path, full: &Path) -> Result<(), DiskError> {
    let renamed = fs::rename(tmp, full);
    if renamed.is_err() {
        let _ = fs::remove_file(tmp);
    }
    renamed.map_err(|error| DiskError::of("replace", full, &error))?;
    point("renamed", full);
    sync_folder(full)
}

fn fill(
    tmp: &Path,
    target: &Path,
    bytes: &[u8],
    mode: u32,
    owner: Option<(u32, u32)>,
) -> Result<(), DiskError> {
    let failed = |doing| move |error: io::Error| DiskError::of(doing, target, &error);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(tmp)
        .map_err(failed("write"))?;
    point("made", tmp);
    file.write_all(bytes).map_err(failed("write"))?;
    point("written", tmp);
    if let Some((uid, gid)) = owner {
        rustix::fs::fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
            .map_err(|error| failed(GIVE_AWAY)(error.into()))?;
    }
    // After the owner: giving a file away takes bits from it.
    file.set_permissions(fs::Permissions::from_mode(mode))
        .map_err(failed("set the mode of"))?;
    file.sync_all().map_err(failed("write"))?;
    point("durable", tmp);
    Ok(())
}

/// Closes a folder of ours to everybody else. Who may not is told where they
/// write to it.
fn close(folder: &Path) {
    let open = fs::metadata(folder).is_ok_and(|meta| meta.mode() & 0o077 != 0);
    if open {
        let _not_ours = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    }
}

/// Makes a folder unless there is one; what else stands there is refused.
fn make_folder(path: &Path, mode: u32) -> Result<(), DiskError> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => return Ok(()),
        // The state folder itself may be a link: the operator chose it.
        Ok(meta) if meta.is_symlink() && mode == 0o700 && path.is_dir() => return Ok(()),
        Ok(_) => {
            return Err(DiskError::Refused {
                path: path.to_owned(),
                reason: "a folder is needed there, and something else stands in its place",
            });
        }
        Err(_) => {}
    }
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        // Whatever the umask took away.
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)));
    point("folder made", path);
    made.map_err(|error| DiskError::of("make the folder", path, &error))?;
    // What is written into it is only as lasting as its own name.
    sync_folder(path)
}

/// Makes a change in the folder of `path` durable.
fn sync_folder(path: &Path) -> Result<(), DiskError> {
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // Some file systems cannot, and a folder may be ours to go through but
        // not to read; then there is nothing more to do.
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::PermissionDenied
            ) =>
        {
            Err(DiskError::of("sync", folder, &error))
        }
        _ => Ok(()),
    }
}

/// Opens without following a link and without waiting for a pipe's writer.
fn open_regular(path: &Path) -> io::Result<File> {
    use rustix::fs::OFlags;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or(0))
        .open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_fifo() || kind.is_socket() || !kind.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    Ok(file)
}

fn marks(meta: &fs::Metadata) -> Marks {
    let nanoseconds =
        |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    (
        meta.size(),
        nanoseconds(meta.mtime(), meta.mtime_nsec()),
        nanoseconds(meta.ctime(), meta.ctime_nsec()),
    )
}

fn is_settled(meta: &fs::Metadata) -> bool {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let changed = Duration::from_secs(meta.ctime().try_into().unwrap_or(0));
    // A time in the future settles nothing.
    now.checked_sub(changed)
        .is_some_and(|age| age > SETTLED + Duration::from_secs(1))
}

fn is_named_by_digest(folder: &Path) -> bool {
    folder
        .file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.len() >= 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests;
