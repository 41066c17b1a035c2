//! Backups that were made or failed.

use jiff::Timestamp;
use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::{Store, StoreError, at, condition, ms};

/// Older ones beyond this many are forgotten; their files are not touched.
const KEEPS: i64 = 500;

/// One try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupEntry {
    /// When.
    pub at: Timestamp,
    /// `daily`, `asked` or `upgrade`.
    pub why: String,
    /// Who asked.
    pub who: String,
    /// Where it is, or should be.
    pub path: String,
    /// Its size, if it was made.
    pub bytes: Option<u64>,
    /// Whether a passphrase is needed to open it.
    pub sealed: bool,
    /// Why it was not made.
    pub error: Option<String>,
}

impl Store {
    /// Writes down a try.
    pub fn save_backup(&self, entry: &BackupEntry) -> Result<(), StoreError> {
        self.write(|db| {
            db.execute(
                "INSERT INTO backups (at, why, who, path, bytes, sealed, error) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    ms(entry.at),
                    entry.why,
                    entry.who,
                    entry.path,
                    entry.bytes.and_then(|bytes| i64::try_from(bytes).ok()),
                    entry.sealed,
                    entry.error
                ],
            )?;
            let id = db.last_insert_rowid();
            db.execute("DELETE FROM backups WHERE id <= ?1", [id - KEEPS])?;
            Ok(())
        })
    }

    /// The last `limit` tries, newest first.
    pub fn backups(&self, limit: u32) -> Result<Vec<BackupEntry>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached(
                "SELECT at, why, who, path, bytes, sealed, error FROM backups ORDER BY id DESC LIMIT ?1",
            )?;
            let rows = query.query_map([limit], |row| {
                Ok(BackupEntry {
                    at: at(row.get(0)?),
                    why: row.get(1)?,
                    who: row.get(2)?,
                    path: row.get(3)?,
                    bytes: row
                        .get::<_, Option<i64>>(4)?
                        .and_then(|bytes| u64::try_from(bytes).ok()),
                    sealed: row.get(5)?,
                    error: row.get(6)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Copies the whole store into a new file while it is in use.
    pub fn backup(&self, to: &std::path::Path) -> Result<condition::Facts, StoreError> {
        condition::copy(&self.path, to)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_told_newest_first() {
        let store = Store::in_memory().unwrap();
        let entry = |at_ms, error: Option<&str>| BackupEntry {
            at: at(at_ms),
            why: "daily".into(),
            who: "itself".into(),
            path: "/b".into(),
            bytes: error.is_none().then_some(12),
            sealed: true,
            error: error.map(str::to_owned),
        };
        store.save_backup(&entry(1, None)).unwrap();
        store.save_backup(&entry(2, Some("full"))).unwrap();
        assert_eq!(
            store.backups(9).unwrap(),
            [entry(2, Some("full")), entry(1, None)]
        );
        assert_eq!(store.backups(1).unwrap().len(), 1);
    }
}
