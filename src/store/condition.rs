//! What a store's file is like before anybody relies on it. Nothing here
//! changes it: a damaged file is evidence, and may be all that is left.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _};

use super::{APPLICATION_ID, MIGRATIONS, Store, StoreError, create_private};

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
        // With a log beside it too: SQLite would take the file for a new store
        // and throw the log away.
        (None | Some(0), _) => Err(StoreError::Gone {
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
        Some(ErrorCode::SystemIoFailure) if has_no_room(&path) => StoreError::Unusable {
            path,
            reason: format!("no space left for what it needs beside it ({error}): free some"),
        },
        _ => StoreError::Unusable {
            path,
            reason: error.to_string(),
        },
    }
}

/// Whether its disk is as good as full. SQLite names that of the database and
/// of the log, but not of the memory that readers and writers share.
fn has_no_room(path: &Path) -> bool {
    /// What that memory takes at once.
    const PIECE: u64 = 32 << 10;
    let space = path.parent().map(rustix::fs::statvfs);
    matches!(space, Some(Ok(space)) if space.f_bavail * space.f_frsize < PIECE)
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
    keep_log(&db, true).map_err(read)?;
    db.execute_batch(
        "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA synchronous = FULL;",
    )
    .map_err(read)?;
    Ok(db)
}

/// Whether closing leaves the write-ahead log as it is.
pub(super) fn keep_log(db: &Connection, keep: bool) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep)
        .map(drop)
}

/// Looks a store over for the controller of this `version` and changes
/// nothing; `thorough` takes longer and finds what indexes have wrong.
pub fn examine(path: &Path, version: &str, thorough: bool) -> Result<Facts, StoreError> {
    let db = open_beside(path)?;
    check(&db, path, thorough)?;
    let facts = facts(&db, path, MIGRATIONS, version)?;
    // An older one is read when it is up to date, or as a copy that is.
    if !facts.is_older() {
        Store::of(db, path, false).legible()?;
    }
    Ok(facts)
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
pub fn for_tests(path: &Path, sql: &str) -> rusqlite::Result<()> {
    Connection::open(path)?.execute_batch(sql)
}

/// The store as a controller of the first schema left it.
#[cfg(test)]
pub fn to_first_schema(path: &Path) -> rusqlite::Result<()> {
    for_tests(
        path,
        "DROP TABLE backups; PRAGMA user_version = 1; UPDATE meta SET value = '0.0.9' WHERE key = 'schema_by';",
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::Store;

    /// A store with something in it, closed.
    fn store() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("colourstream.db");
        let store = Store::open(&path, "1").unwrap();
        store.set_meta("room", "Northlight").unwrap();
        drop(store);
        (dir, path)
    }

    fn refused(path: &Path) -> StoreError {
        let error = examine(path, "1", false).unwrap_err();
        let opened = Store::open_kept(path, "1").unwrap_err();
        assert_eq!(error.to_string(), opened.to_string());
        error
    }

    #[test]
    fn a_sound_store_is_as_it_was_after_being_looked_at() {
        let (_dir, path) = store();
        let before = std::fs::read(&path).unwrap();
        let facts = examine(&path, "1", true).unwrap();
        assert_eq!(facts.schema_by.as_deref(), Some("1"));
        assert!(!facts.is_older());
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_damaged_page_is_damage() {
        let (_dir, path) = store();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.len() / 2;
        bytes[at..at + 4096].fill(0xA5);
        std::fs::write(&path, &bytes).unwrap();
        let error = refused(&path);
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "left as evidence");
    }

    #[test]
    fn an_orphan_is_damage() {
        let (_dir, path) = store();
        for_tests(
            &path,
            "PRAGMA foreign_keys = OFF; INSERT INTO old_slugs VALUES ('a', 'no-such-room', 0);",
        )
        .unwrap();
        let error = refused(&path).to_string();
        assert!(
            error.contains("`old_slugs` belongs to nothing in `rooms`"),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_was_cut_off_says_how_much_is_missing() {
        let (_dir, path) = store();
        let length = std::fs::metadata(&path).unwrap().len();
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(length / 2).unwrap();
        let error = refused(&path);
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        let words = error.to_string();
        assert!(words.contains(&format!("should have {length}")), "{words}");
    }

    #[test]
    fn what_is_no_database_is_called_so() {
        let (_dir, path) = store();
        std::fs::write(&path, "a letter".repeat(600)).unwrap();
        let error = refused(&path);
        assert!(matches!(error, StoreError::NoDatabase { .. }), "{error}");
    }

    #[test]
    fn a_store_that_is_gone_or_emptied_is_never_made_anew() {
        let (dir, path) = store();
        std::fs::write(&path, "").unwrap();
        assert!(matches!(refused(&path), StoreError::Gone { .. }));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(refused(&path), StoreError::Gone { .. }));
        assert!(!path.exists());
        // A log without its store is no reason to throw the log away.
        let log = beside(&path, "-wal");
        std::fs::write(&log, "something").unwrap();
        assert!(matches!(refused(&path), StoreError::Gone { .. }));
        assert!(log.exists());
        std::fs::write(&path, "").unwrap();
        assert!(matches!(refused(&path), StoreError::Gone { .. }));
        assert_eq!(std::fs::read(&log).unwrap(), b"something");
        drop(dir);
    }

    #[test]
    fn a_lost_log_is_noticed_and_a_kept_one_is_taken_up() {
        // As a killed controller leaves it: a copy of what is on disk meanwhile.
        let (dir, path) = store();
        let store = Store::open(&path, "1").unwrap();
        store.set_meta("late", "yes").unwrap();
        let killed = dir.path().join("killed");
        std::fs::create_dir(&killed).unwrap();
        for entry in std::fs::read_dir(dir.path()).unwrap().flatten() {
            if entry.path().is_file() {
                std::fs::copy(entry.path(), killed.join(entry.file_name())).unwrap();
            }
        }
        drop(store);
        let path = killed.join("colourstream.db");
        assert!(beside(&path, "-wal").metadata().unwrap().len() > 0);
        let store = Store::open_kept(&path, "1").unwrap();
        assert_eq!(store.meta("late").unwrap().as_deref(), Some("yes"));
        drop(store);
        // Closed in order there is none, and none is missed.
        assert!(!beside(&path, "-wal").exists());
        drop(Store::open_kept(&path, "1").unwrap());

        std::fs::write(beside(&path, "-open"), "").unwrap();
        let error = refused(&path);
        assert!(matches!(error, StoreError::LostLog { .. }), "{error}");
        assert!(!beside(&path, "-wal").exists(), "looking does not hide it");
        accept_loss(&path);
        assert!(Store::open_kept(&path, "1").is_ok());
    }

    #[test]
    fn a_lock_of_somebody_else_is_told_and_ends_with_it() {
        let (_dir, path) = store();
        let other = Connection::open(&path).unwrap();
        other
            .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;")
            .unwrap();
        let error = Store::open_kept(&path, "1").unwrap_err();
        assert!(matches!(error, StoreError::Locked { .. }), "{error}");
        drop(other);
        assert!(Store::open_kept(&path, "1").is_ok());
    }

    #[test]
    fn somebody_else_s_database_is_left_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("theirs.db");
        for_tests(&path, "CREATE TABLE theirs (a)").unwrap();
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(refused(&path), StoreError::Foreign { .. }));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_copy_is_one_sound_file_with_what_is_in_the_log_alone() {
        let (dir, path) = store();
        let store = Store::open(&path, "1").unwrap();
        store.set_meta("late", "yes").unwrap();
        let to = dir.path().join("copy.db");
        store.backup(&to).unwrap();
        let log = beside(&path, "-wal").metadata().unwrap().len();
        assert!(log > 0, "the log is the owner's to take in");
        assert!(!beside(&to, "-wal").exists());
        let copy = Store::open(&to, "1").unwrap();
        assert_eq!(copy.meta("late").unwrap().as_deref(), Some("yes"));
    }

    #[test]
    fn nobody_migrates_under_a_controller_that_works() {
        let (_dir, path) = store();
        to_first_schema(&path).unwrap();
        let error = Store::open_beside(&path, "2").unwrap_err();
        assert!(matches!(error, StoreError::Older { .. }), "{error}");
        assert!(examine(&path, "2", false).unwrap().is_older());
        // Its owner does, and keeps what was in it.
        let store = Store::open_kept(&path, "2").unwrap();
        assert_eq!(store.meta("room").unwrap().as_deref(), Some("Northlight"));
        assert_eq!(store.meta("schema_by").unwrap().as_deref(), Some("2"));
        assert_eq!(store.backups(9).unwrap(), []);
    }
}
