//! What is wanted, kept: the only SQL of the house.
//!
//! One SQLite file in WAL mode, one connection behind a mutex: every call is
//! short. Nothing here is `async`; callers on the runtime use
//! `spawn_blocking`. Migrations are numbered, go forward only and never drop
//! what a person typed.

mod admins;
mod backups;
mod condition;
mod engine;
mod error;
mod rooms;
mod visitors;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{
    Connection, ErrorCode, OptionalExtension as _, Transaction, TransactionBehavior, params,
};
use tokio::sync::watch;

use crate::VERSION;
use crate::disk::point;

pub use admins::{Admin, AdminRole, AdminSession, ApiToken, AuditEntry, NewAudit, Scope};
pub use backups::BackupEntry;
pub use condition::{Facts, accept_loss, companions, copy, examine};
#[cfg(test)]
pub use condition::{for_tests, to_first_schema};
pub(crate) use engine::marked;
pub use engine::{JournalEntry, JournalFilter};
pub use error::StoreError;
pub use rooms::{Visits, open_rooms};
pub use visitors::Visitor;

/// Numbered migrations; the number is the schema's version.
const MIGRATIONS: &[(u32, &str)] = &[
    (1, include_str!("schema/0001_start.sql")),
    (2, include_str!("schema/0002_backups.sql")),
];

/// The store's file below the state folder.
pub const FILE: &str = "colourstream.db";

/// Says in the file's header whose it is (`CSTR`).
const APPLICATION_ID: i32 = 0x4353_5452;

/// The store.
pub struct Store {
    connection: Mutex<Connection>,
    path: PathBuf,
    /// Whether the file says that we have it open.
    marked: bool,
    changed: watch::Sender<u64>,
    /// When the last use could not be written down.
    unwritten: Mutex<Option<Timestamp>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens or makes the store at `path` for the controller of this
    /// `version`: checks it, brings its schema up to date, refuses one that a
    /// newer controller wrote.
    pub fn open(path: &Path, version: &str) -> Result<Self, StoreError> {
        match condition::look(path) {
            // A new one.
            Err(StoreError::Gone { .. }) => {}
            other => other?,
        }
        Self::open_with(path, MIGRATIONS, version)
    }

    /// As [`Store::open`], where something was kept before: never makes an
    /// empty one in its place.
    pub fn open_kept(path: &Path, version: &str) -> Result<Self, StoreError> {
        condition::look(path)?;
        Self::open_with(path, MIGRATIONS, version)
    }

    /// Opens the store while a controller works with it, which migrates and
    /// closes it; refuses one of another schema.
    pub fn open_beside(path: &Path, version: &str) -> Result<Self, StoreError> {
        let connection = condition::open_beside(path)?;
        let facts = condition::facts(&connection, path, MIGRATIONS, version)?;
        if facts.is_older() {
            return Err(StoreError::Older {
                path: path.to_owned(),
                by: facts
                    .controller
                    .unwrap_or_else(|| "an older version".into()),
                version: version.to_owned(),
            });
        }
        Ok(Self::of(connection, path, false))
    }

    /// A store in memory, for tests and for rendering without a state folder.
    pub fn in_memory() -> Result<Self, StoreError> {
        let path = Path::new(":memory:");
        let connection = Connection::open_in_memory()?;
        Self::set_up(connection, path, MIGRATIONS, VERSION)
    }

    fn of(connection: Connection, path: &Path, marked: bool) -> Self {
        Self {
            connection: Mutex::new(connection),
            path: path.to_owned(),
            marked,
            changed: watch::Sender::new(0),
            unwritten: Mutex::default(),
        }
    }

    fn open_with(
        path: &Path,
        migrations: &[(u32, &str)],
        version: &str,
    ) -> Result<Self, StoreError> {
        let unusable = |error: std::io::Error| StoreError::Unusable {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        create_private(path).map_err(unusable)?;
        point("made", path);
        let connection =
            Connection::open(path).map_err(|error| condition::classify(path, error))?;
        // Until it is marked as open, closing it must not empty the log: of a
        // store that was killed and cannot be opened now, a mark without a log
        // would say that something was lost.
        condition::keep_log(&connection, true).map_err(|error| condition::classify(path, error))?;
        let mut store = Self::set_up(connection, path, migrations, version)?;
        condition::mark_open(path).map_err(unusable)?;
        point("marked", path);
        store.marked = true;
        condition::keep_log(&store.lock(), false)
            .map_err(|error| condition::classify(path, error))?;
        Ok(store)
    }

    fn set_up(
        connection: Connection,
        path: &Path,
        migrations: &[(u32, &str)],
        version: &str,
    ) -> Result<Self, StoreError> {
        let unusable = |error| condition::classify(path, error);
        connection
            .busy_timeout(Duration::from_secs(5))
            .map_err(unusable)?;
        // Before anything is written: what is not ours stays as it is.
        let found = condition::facts(&connection, path, migrations, version)?;
        // Full: a room said to be closed stays closed after a power cut.
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA secure_delete = ON;")
            .map_err(unusable)?;
        point("opened", path);
        connection.set_prepared_statement_cache_capacity(128);
        condition::check(&connection, path, false)?;
        let is_current = found.schema == condition::newest(migrations);
        let store = Self::of(connection, path, false);
        // Before anything is written, or as soon as it can be read.
        if is_current {
            store.legible()?;
        }
        migrate(&mut store.lock(), path, migrations, version).map_err(|error| match error {
            StoreError::Sql(error) => condition::classify(path, error),
            other => other,
        })?;
        if !is_current {
            store.legible()?;
        }
        // What is known so far is in the file itself, not in the log alone.
        store
            .lock()
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(unusable)?;
        Ok(store)
    }

    /// Reads all that the controller lives by as it reads it: a value that
    /// means nothing is damage as much as a torn page, and SQLite sees no fault
    /// in it.
    fn legible(&self) -> Result<(), StoreError> {
        let read = |table: &str, result: Result<(), StoreError>| match result {
            Err(StoreError::Damaged { path, .. }) => Err(StoreError::Damaged {
                path,
                reason: format!("a value in `{table}` is not what was written there"),
            }),
            other => other,
        };
        read("rooms", self.every_room().map(drop))?;
        read("links", self.every_link().map(drop))?;
        read("visitors", self.visitors().map(drop))?;
        read("admins", self.admins().map(drop))?;
        read("api_tokens", self.api_tokens().map(drop))?;
        read("made", self.made().map(drop))?;
        read("pins", self.pins().map(drop))?;
        read("failures", self.failures().map(drop))
    }

    /// Counts the commits that changed what rooms are.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// A value kept under a name.
    pub fn meta(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.read(|db| {
            Ok(db
                .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
                .query_row([key], |row| row.get(0))
                .optional()?)
        })
    }

    /// Keeps a value under a name.
    pub fn set_meta(&self, key: &str, value: &str) -> Result<(), StoreError> {
        self.write(|db| {
            db.execute(
                "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
                [key, value],
            )?;
            Ok(())
        })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic elsewhere leaves no half transaction: it was rolled back.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        work(&self.lock()).map_err(|error| self.explain(error))
    }

    /// Damage and other processes are told in the words they are told in when
    /// the store is opened.
    fn explain(&self, error: StoreError) -> StoreError {
        let StoreError::Sql(error) = error else {
            return error;
        };
        if is_garbled(&error) {
            return StoreError::Damaged {
                path: self.path.clone(),
                // Not the error's words: they may quote what stands there.
                reason: "a value in it is not what was written there".to_owned(),
            };
        }
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked,
            ) => condition::classify(&self.path, error),
            _ => StoreError::Sql(error),
        }
    }

    fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.lock();
        self.transact(&mut connection, work)
            .map_err(|error| self.explain(error))
    }

    fn transact<T>(
        &self,
        connection: &mut Connection,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = work(&transaction)?;
        point("to be committed", &self.path);
        transaction.commit()?;
        point("committed", &self.path);
        Ok(value)
    }

    /// SQL behind the store's back.
    #[cfg(test)]
    pub fn behind(&self, sql: &str) -> rusqlite::Result<()> {
        self.lock().execute_batch(sql)
    }

    /// As [`Store::write`], and tells those who wait for rooms to change.
    fn write_rooms<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let value = self.write(work)?;
        self.changed.send_modify(|count| *count += 1);
        Ok(value)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.marked {
            condition::mark_closed(&self.path);
        }
    }
}

/// Only the controller's own user may read what is in it.
fn create_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map(drop)
}

fn migrate(
    connection: &mut Connection,
    path: &Path,
    migrations: &[(u32, &str)],
    version: &str,
) -> Result<(), StoreError> {
    let found = condition::facts(connection, path, migrations, version)?.schema;
    let known = condition::newest(migrations);
    // All of them in one transaction: killed in the middle, nothing happened.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    for (number, sql) in migrations.iter().filter(|(number, _)| *number > found) {
        transaction.execute_batch(sql)?;
        point("to be migrated", path);
        transaction.pragma_update(None, "user_version", number)?;
    }
    let mut set = transaction
        .prepare("INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2")?;
    if found < known {
        set.execute(params!["schema_by", version])?;
    }
    set.execute(params!["controller", version])?;
    drop(set);
    point("to be committed", path);
    transaction.commit()?;
    point("committed", path);
    Ok(())
}

/// A moment as it is kept.
fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// A moment that was kept.
fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Whether what was read is no fault of SQLite's, but of the value.
fn is_garbled(error: &rusqlite::Error) -> bool {
    use rusqlite::Error as E;
    matches!(
        error,
        E::FromSqlConversionFailure(..)
            | E::InvalidColumnType(..)
            | E::IntegralValueOutOfRange(..)
            | E::Utf8Error(..)
    )
}

/// Text in the store that is not what was written there.
fn garbled(column: usize, reason: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, reason.into())
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn a_start_that_fails_after_a_kill_leaves_the_log() {
        let (folder, killed) = (folder(), folder());
        let path = folder.path().join("colourstream.db");
        let store = Store::open(&path, "1").unwrap();
        store.set_meta("room", "Northlight").unwrap();
        // As a kill leaves it: with its log, and marked as open.
        let left = killed.path().join("colourstream.db");
        std::fs::copy(&path, &left).unwrap();
        for (from, to) in companions(&path).iter().zip(companions(&left)) {
            std::fs::copy(from, to).unwrap();
        }
        let failing: Vec<_> = MIGRATIONS
            .iter()
            .copied()
            .chain([(u32::MAX - 1, "no such statement")])
            .collect();
        Store::open_with(&left, &failing, "2").unwrap_err();
        let store = Store::open_kept(&left, "1").unwrap();
        assert_eq!(store.meta("room").unwrap().as_deref(), Some("Northlight"));
    }

    #[test]
    fn what_is_kept_is_there_after_opening_again() {
        let folder = folder();
        let path = folder.path().join("colourstream.db");
        Store::open(&path, "1.0.0")
            .unwrap()
            .set_meta("a", "b")
            .unwrap();
        let store = Store::open(&path, "1.1.0").unwrap();
        assert_eq!(store.meta("a").unwrap().as_deref(), Some("b"));
        assert_eq!(store.meta("controller").unwrap().as_deref(), Some("1.1.0"));
        assert_eq!(store.meta("schema_by").unwrap().as_deref(), Some("1.0.0"));
    }

    #[test]
    fn only_its_owner_may_read_the_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = folder();
        let path = folder.path().join("colourstream.db");
        let _store = Store::open(&path, "1").unwrap();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_newer_schema_is_refused_by_name() {
        let folder = folder();
        let path = folder.path().join("colourstream.db");
        let newer: Vec<_> = MIGRATIONS
            .iter()
            .copied()
            .chain([(99, "CREATE TABLE later (a TEXT) STRICT;")])
            .collect();
        Store::set_up(Connection::open(&path).unwrap(), &path, &newer, "9.9.9").unwrap();
        let error = Store::open(&path, "1.0.0").unwrap_err();
        assert!(
            matches!(&error, StoreError::Newer { by, .. } if by == "9.9.9"),
            "{error}"
        );
        assert!(error.to_string().contains("9.9.9"));
    }

    #[test]
    fn an_older_schema_is_brought_up_and_keeps_what_was_in_it() {
        let folder = folder();
        let path = folder.path().join("colourstream.db");
        Store::open(&path, "1.0.0")
            .unwrap()
            .set_meta("kept", "yes")
            .unwrap();
        let newer: Vec<_> = MIGRATIONS
            .iter()
            .copied()
            .chain([(99, "CREATE TABLE later (a TEXT) STRICT;")])
            .collect();
        let store =
            Store::set_up(Connection::open(&path).unwrap(), &path, &newer, "2.0.0").unwrap();
        assert_eq!(store.meta("kept").unwrap().as_deref(), Some("yes"));
        assert_eq!(store.meta("schema_by").unwrap().as_deref(), Some("2.0.0"));
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let folder = folder();
        let path = folder.path().join("colourstream.db");
        Store::open(&path, "1.0.0").unwrap();
        let broken: Vec<_> = MIGRATIONS
            .iter()
            .copied()
            .chain([(99, "CREATE TABLE later (a TEXT) STRICT; NONSENSE;")])
            .collect();
        assert!(Store::set_up(Connection::open(&path).unwrap(), &path, &broken, "2.0.0").is_err());
        assert_eq!(
            Store::open(&path, "1.0.0")
                .unwrap()
                .meta("schema_by")
                .unwrap()
                .as_deref(),
            Some("1.0.0")
        );
    }

    #[test]
    fn what_is_no_store_is_named_and_left_alone() {
        let folder = folder();
        let path = folder.path().join("colourstream.db");
        std::fs::write(
            &path,
            "this is a letter to my grandmother, not a database at all",
        )
        .unwrap();
        let error = Store::open(&path, "1").unwrap_err().to_string();
        assert!(error.contains("colourstream.db"), "{error}");
        assert!(
            std::fs::read_to_string(&path)
                .unwrap()
                .starts_with("this is a letter")
        );
        let other = folder.path().join("other.db");
        Connection::open(&other)
            .unwrap()
            .execute_batch("CREATE TABLE theirs (a)")
            .unwrap();
        assert!(matches!(
            Store::open(&other, "1").unwrap_err(),
            StoreError::Foreign { .. }
        ));
    }

    #[test]
    fn a_backup_is_one_file_that_opens() {
        let folder = folder();
        let store = Store::open(&folder.path().join("colourstream.db"), "1").unwrap();
        store.set_meta("a", "b").unwrap();
        let copy = folder.path().join("copy.db");
        store.backup(&copy).unwrap();
        assert!(!folder.path().join("copy.db-wal").exists());
        assert_eq!(
            Store::open(&copy, "1")
                .unwrap()
                .meta("a")
                .unwrap()
                .as_deref(),
            Some("b")
        );
    }

    #[test]
    fn migrations_are_numbered_without_gaps() {
        assert!(
            MIGRATIONS
                .iter()
                .enumerate()
                .all(|(index, (number, _))| index + 1 == *number as usize)
        );
    }
}
