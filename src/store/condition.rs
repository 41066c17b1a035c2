//! What a store's file is like before anybody relies on it. Nothing here
//! changes it: a damaged file is evidence, and may be all that is left.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _};

use super::{APPLICATION_ID, MIGRATIONS, StoreError, create_private};

/// Who wrote a store, and how far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its schema's version.
    pub schema: u32,
    /// Version of the controller that brought it there.
    pub schema_by: Option<String>,
    /// Version of the controller that opened it last.
    pub controller: Option<String>,
}

impl Facts {
    /// Whether this controller would have to migrate it.
    pub fn is_older(&self) -> bool {
        self.schema < newest(MIGRATIONS)
    }
}

/// The version of the newest schema there is.
pub(super) fn newest(migrations: &[(u32, &str)]) -> u32 {
    let numbers = migrations.iter().map(|(number, _)| *number);
    numbers.max().unwrap_or_default()
}

/// The file with `more` behind its name, as SQLite's companions have it.
fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(more);
    PathBuf::from(name)
}

/// Everything that belongs to the store at `path` beside its file: these go
/// where it goes.
pub fn companions(path: &Path) -> [PathBuf; 3] {
    ["-wal", "-shm", "-open"].map(|more| beside(path, more))
}

/// Says that a store is open: its newest changes are in the write-ahead log
/// until it is closed, and a log that is gone then took them with it.
pub(super) fn mark_open(path: &Path) -> std::io::Result<()> {
    create_private(&beside(path, "-open"))
}

/// Takes that back. Before the store is closed: a mark without a log would say
/// that something was lost.
pub(super) fn mark_closed(path: &Path) {
    // Not there, or not ours to remove: then the log is there as well.
    let _gone = std::fs::remove_file(beside(path, "-open"));
    let folder = path
        .parent()
        .and_then(|folder| std::fs::File::open(folder).ok());
    if let Some(folder) = folder {
        let _unsupported = folder.sync_all();
    }
}

/// Forgets that the write-ahead log was lost: what is in the file counts.
pub fn accept_loss(path: &Path) {
    mark_closed(path);
}

/// Whether there is something to lose at `path`, and whether it is all there.
/// Before SQLite sees it: SQLite takes an empty file for a new store, and a
/// lost log for none.
pub(super) fn look(path: &Path) -> Result<(), StoreError> {
    let size = |path: &Path| std::fs::metadata(path).map(|meta| meta.len()).ok();
    let (log, mark) = (beside(path, "-wal"), beside(path, "-open"));
    match (size(path), size(&log)) {
        (None, _) | (Some(0), None | Some(0)) => Err(StoreError::Gone {
            path: path.to_owned(),
        }),
        (Some(_), None) if mark.exists() => Err(StoreError::LostLog {
            path: path.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// SQLite's error in the words of what happened to the file.
pub(super) fn classify(path: &Path, error: rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Damaged {
            reason: cut_off(&path).unwrap_or_else(|| error.to_string()),
            path,
        },
        Some(ErrorCode::NotADatabase) => StoreError::NoDatabase { path },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked { path },
        _ => StoreError::Unusable {
            path,
            reason: error.to_string(),
        },
    }
}

/// Whether the file is shorter than its own header says.
fn cut_off(path: &Path) -> Option<String> {
    let mut header = [0; 100];
    let mut file = std::fs::File::open(path).ok()?;
    file.read_exact(&mut header).ok()?;
    let page = match u16::from_be_bytes([header[16], header[17]]) {
        // As SQLite writes the size that does not fit.
        1 => 65_536,
        size => u64::from(size),
    };
    let pages = u32::from_be_bytes([header[28], header[29], header[30], header[31]]);
    let (is, should) = (file.metadata().ok()?.len(), page * u64::from(pages));
    (is < should).then(|| format!("it has {is} bytes and should have {should}: its end is missing"))
}

/// Reads every page, every index and every reference.
pub(super) fn check(db: &Connection, path: &Path, thorough: bool) -> Result<(), StoreError> {
    let damaged = |reason: String| StoreError::Damaged {
        path: path.to_owned(),
        reason: cut_off(path).unwrap_or(reason),
    };
    let pragma = if thorough {
        "PRAGMA integrity_check(1)"
    } else {
        "PRAGMA quick_check(1)"
    };
    let said: String = db
        .query_row(pragma, [], |row| row.get(0))
        .map_err(|error| classify(path, error))?;
    if said != "ok" {
        return Err(damaged(said));
    }
    let orphan: Option<(String, String)> = db
        .query_row("PRAGMA foreign_key_check", [], |row| {
            Ok((row.get(0)?, row.get(2)?))
        })
        .optional()
        .map_err(|error| classify(path, error))?;
    match orphan {
        None => Ok(()),
        Some((table, parent)) => Err(damaged(format!(
            "something in `{table}` belongs to nothing in `{parent}`"
        ))),
    }
}

/// Whose it is, and who wrote it; refuses what is not ours or too new.
pub(super) fn facts(
    db: &Connection,
    path: &Path,
    migrations: &[(u32, &str)],
    version: &str,
) -> Result<Facts, StoreError> {
    let read = |error| classify(path, error);
    let number = |pragma: &str| db.query_row(pragma, [], |row| row.get::<_, i64>(0));
    let schema = number("PRAGMA user_version").map_err(read)?;
    let owner = number("PRAGMA application_id").map_err(read)?;
    let tables = number("SELECT count(*) FROM sqlite_schema").map_err(read)?;
    if tables > 0 && owner != i64::from(APPLICATION_ID) {
        return Err(StoreError::Foreign {
            path: path.to_owned(),
        });
    }
    let meta = |key: &str| {
        let value = db.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| {
            row.get(0)
        });
        value.ok()
    };
    let facts = Facts {
        schema: u32::try_from(schema).unwrap_or(u32::MAX),
        schema_by: meta("schema_by"),
        controller: meta("controller"),
    };
    if facts.schema > newest(migrations) {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            by: facts
                .schema_by
                .unwrap_or_else(|| "an unknown version".to_owned()),
            version: version.to_owned(),
        });
    }
    Ok(facts)
}

/// Opens a store beside whoever works with it: nothing is migrated, and its
/// write-ahead log stays as it is when this one is closed.
pub(super) fn open_beside(path: &Path) -> Result<Connection, StoreError> {
    look(path)?;
    let read = |error| classify(path, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(read)?;
    db.busy_timeout(Duration::from_secs(5)).map_err(read)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .map_err(read)?;
    db.execute_batch(
        "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA synchronous = FULL;",
    )
    .map_err(read)?;
    Ok(db)
}

/// Looks a store over for the controller of this `version` and changes
/// nothing; `thorough` takes longer and finds what indexes have wrong.
pub fn examine(path: &Path, version: &str, thorough: bool) -> Result<Facts, StoreError> {
    let db = open_beside(path)?;
    check(&db, path, thorough)?;
    facts(&db, path, MIGRATIONS, version)
}

/// Copies the store at `from` into one new file at `to`, while it is in use,
/// and tells what was copied. Any schema will do, a newer one too.
pub fn copy(from: &Path, to: &Path) -> Result<Facts, StoreError> {
    let source = open_beside(from)?;
    let unusable = |reason: String| StoreError::Unusable {
        path: to.to_owned(),
        reason,
    };
    create_private(to).map_err(|error| unusable(error.to_string()))?;
    let mut copy = Connection::open(to).map_err(|error| unusable(error.to_string()))?;
    let backup = rusqlite::backup::Backup::new(&source, &mut copy)?;
    // All at once: a few megabytes, and what is written meanwhile waits in the log.
    let done = backup
        .step(-1)
        .map_err(|error| match classify(from, error) {
            StoreError::Unusable { reason, .. } => unusable(reason),
            other => other,
        })?;
    drop(backup);
    if done != rusqlite::backup::StepResult::Done {
        return Err(StoreError::Locked {
            path: from.to_owned(),
        });
    }
    // One file, without its companions, that can be carried away.
    copy.execute_batch("PRAGMA journal_mode = DELETE;")
        .map_err(|error| unusable(error.to_string()))?;
    check(&copy, to, true)?;
    facts(&copy, to, &[(u32::MAX, "")], "")
}

/// SQL behind a store's back.
#[cfg(test)]
#[expect(clippy::unwrap_used)]
pub fn for_tests(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

/// The store as a controller of the first schema left it.
#[cfg(test)]
pub fn to_first_schema(path: &Path) {
    for_tests(
        path,
        "DROP TABLE backups; PRAGMA user_version = 1; UPDATE meta SET value = '0.0.9' WHERE key = 'schema_by';",
    );
}
