//! What can go wrong with the store, told once.

use std::path::PathBuf;

/// The store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened, read or written.
    #[error("the store {} cannot be used: {reason}", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// A newer controller wrote it.
    #[error("the store {} was written by ColourStream {by}, which is newer than this one ({version}); run that version, or restore a backup made by this one", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Version that brought the schema to where it is.
        by: String,
        /// Our own version.
        version: String,
    },
    /// SQLite found the file damaged.
    #[error("the store {} is damaged: {reason}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// SQLite's words.
        reason: String,
    },
    /// The file is no database at all.
    #[error("{} is not a database", path.display())]
    NoDatabase {
        /// Which file.
        path: PathBuf,
    },
    /// The file is gone or empty, though something was kept there.
    #[error("the store {} is gone or empty, though this state folder was in use", path.display())]
    Gone {
        /// Which file.
        path: PathBuf,
    },
    /// Its write-ahead log is gone, and the newest changes with it.
    #[error("the write-ahead log of the store {} is gone, and with it whatever changed last", path.display())]
    LostLog {
        /// Which file.
        path: PathBuf,
    },
    /// Another process keeps it for itself.
    #[error("the store {} is locked by another process", path.display())]
    Locked {
        /// Which file.
        path: PathBuf,
    },
    /// An older controller works with it.
    #[error("the store {} is ColourStream {by}'s, which is older than this one ({version}) and works with it; replace that controller first, then look again", path.display())]
    Older {
        /// Which file.
        path: PathBuf,
        /// Version of the controller that works with it.
        by: String,
        /// Our own version.
        version: String,
    },
    /// It is somebody else's database.
    #[error("{} is a database, but not ColourStream's", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// What was asked for is not there.
    #[error("there is no such {0}")]
    Missing(&'static str),
    /// It was changed since it was read.
    #[error("it was changed meanwhile")]
    Changed,
    /// Another one has that name already: the field it was given in.
    #[error("that name is taken")]
    Taken(&'static str),
    /// It is not allowed in the state things are in.
    #[error("{0}")]
    Refused(&'static str),
    /// SQLite failed.
    #[error("the store failed: {0}")]
    Sql(#[from] rusqlite::Error),
}

impl StoreError {
    /// Whether there was no room on the disk; nothing was changed then.
    pub fn lacks_space(&self) -> bool {
        matches!(self, Self::Sql(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull))
    }
}
