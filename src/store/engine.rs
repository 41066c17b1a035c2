//! What the reconcile loop remembers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};

use super::{Store, StoreError, at, garbled, ms};
use crate::desired::ImagePin;
use crate::model::Role;
use crate::plan::ReplacementFailure;
use crate::status::LastChange;

/// Oldest entries beyond this many are forgotten.
const JOURNAL_KEEPS: i64 = 20_000;

/// One step the loop has taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Number, rising.
    pub id: i64,
    /// When it began.
    pub at: Timestamp,
    /// The look it belongs to.
    pub reconcile: u64,
    /// `ground` or the service.
    pub lane: String,
    /// What was done.
    pub action: String,
    /// Its cause.
    pub why: String,
    /// `done`, `failed`; absent while it goes on, or when the controller was
    /// killed in the middle.
    pub outcome: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<f64>,
}

/// Which entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalFilter {
    /// Only of this lane.
    pub lane: Option<String>,
    /// Only with this outcome.
    pub outcome: Option<String>,
}

impl Store {
    /// What references resolved to.
    pub fn pins(&self) -> Result<BTreeMap<String, ImagePin>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached("SELECT reference, image, digest FROM pins")?;
            let rows = query.query_map([], |row| {
                Ok((
                    row.get(0)?,
                    ImagePin {
                        id: row.get(1)?,
                        digest: row.get(2)?,
                    },
                ))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Records what `reference` resolved to.
    pub fn save_pin(&self, reference: &str, pin: &ImagePin) -> Result<(), StoreError> {
        self.write(|db| {
            db.execute(
                "INSERT INTO pins VALUES (?1, ?2, ?3) ON CONFLICT (reference) DO UPDATE SET image = ?2, digest = ?3",
                params![reference, pin.id, pin.digest],
            )?;
            Ok(())
        })
    }

    /// Forgets what references resolved to, so that tags are read anew.
    pub fn forget_pins(&self) -> Result<(), StoreError> {
        self.write(|db| {
            db.execute("DELETE FROM pins", [])?;
            Ok(())
        })
    }

    /// Ids of the containers we made.
    pub fn made(&self) -> Result<BTreeMap<String, Role>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached("SELECT id, role FROM made")?;
            let rows = query.query_map([], |row| Ok((row.get(0)?, role(row, 1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Records that we made the container `id`.
    pub fn save_made(&self, id: &str, role: Role) -> Result<(), StoreError> {
        self.write(|db| {
            db.execute(
                "INSERT INTO made VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET role = ?2",
                [id, role.as_str()],
            )?;
            Ok(())
        })
    }

    /// Records that a container with this mark is about to be made: should we
    /// not live to see its id, the mark on it says that it is ours.
    pub fn expect_made(&self, mark: &str, role: Role) -> Result<(), StoreError> {
        self.save_made(&marked(mark), role)
    }

    /// Puts the id of what was made in the place of its mark.
    pub fn confirm_made(&self, mark: &str, id: &str, role: Role) -> Result<(), StoreError> {
        self.write(|db| {
            db.execute("DELETE FROM made WHERE id = ?1", [marked(mark)])?;
            db.execute(
                "INSERT INTO made VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET role = ?2",
                [id, role.as_str()],
            )?;
            Ok(())
        })
    }

    /// Forgets a mark: the engine refused to make the container.
    pub fn forget_mark(&self, mark: &str) -> Result<(), StoreError> {
        self.forget_made(&marked(mark))
    }

    /// Forgets a container that is gone.
    pub fn forget_made(&self, id: &str) -> Result<(), StoreError> {
        self.write(|db| {
            db.execute("DELETE FROM made WHERE id = ?1", [id])?;
            Ok(())
        })
    }

    /// Specifications that failed as a replacement.
    pub fn failures(&self) -> Result<BTreeMap<Role, ReplacementFailure>, StoreError> {
        self.read(|db| {
            let mut query =
                db.prepare_cached("SELECT role, spec, reason, retry_at FROM failures")?;
            let rows = query.query_map([], |row| {
                let spec = row
                    .get::<_, String>(1)?
                    .parse()
                    .map_err(|reason| garbled(1, reason))?;
                Ok((
                    role(row, 0)?,
                    ReplacementFailure {
                        spec,
                        reason: row.get(2)?,
                        retry_at: at(row.get(3)?),
                    },
                ))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Records that a specification failed as a replacement.
    pub fn save_failure(&self, role: Role, failure: &ReplacementFailure) -> Result<(), StoreError> {
        self.write(|db| {
            db.execute(
                "INSERT INTO failures VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (role) DO UPDATE SET spec = ?2, reason = ?3, retry_at = ?4",
                params![
                    role.as_str(),
                    failure.spec.to_string(),
                    failure.reason,
                    ms(failure.retry_at)
                ],
            )?;
            Ok(())
        })
    }

    /// Forgets the failure of a role: another specification came up.
    pub fn clear_failure(&self, role: Role) -> Result<(), StoreError> {
        self.write(|db| {
            db.execute("DELETE FROM failures WHERE role = ?1", [role.as_str()])?;
            Ok(())
        })
    }

    /// Writes down that a step begins; answers its number.
    pub fn journal_begin(
        &self,
        now: Timestamp,
        reconcile: u64,
        lane: &str,
        action: &str,
        why: &str,
    ) -> Result<i64, StoreError> {
        self.write(|db| {
            db.prepare_cached("INSERT INTO journal (at, reconcile, lane, action, why) VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![ms(now), i64::try_from(reconcile).unwrap_or(i64::MAX), lane, action, why])?;
            let id = db.last_insert_rowid();
            if id % 512 == 0 {
                db.execute("DELETE FROM journal WHERE id <= ?1", [id - JOURNAL_KEEPS])?;
            }
            Ok(id)
        })
    }

    /// Writes down how a step ended.
    pub fn journal_end(
        &self,
        id: i64,
        outcome: &str,
        error: Option<&str>,
        duration_ms: f64,
    ) -> Result<(), StoreError> {
        self.write(|db| {
            db.prepare_cached(
                "UPDATE journal SET outcome = ?2, error = ?3, duration_ms = ?4 WHERE id = ?1",
            )?
            .execute(params![id, outcome, error, duration_ms])?;
            Ok(())
        })
    }

    /// What was last done to a service: what it runs as began with a start;
    /// Traefik takes up new routes while it runs.
    pub fn last_change(&self, role: Role) -> Result<Option<LastChange>, StoreError> {
        let routes = ("ground", "write traefik/dynamic/%");
        let of_routes = (role == Role::Traefik).then_some(routes);
        self.read(|db| {
            let mut query = db.prepare_cached(
                "SELECT at, action, why FROM journal
                 WHERE lane = ?1 AND action LIKE ?2 AND outcome = 'done' ORDER BY id DESC LIMIT 1",
            )?;
            let mut newest: Option<LastChange> = None;
            for (lane, action) in [(role.as_str(), "start %")].into_iter().chain(of_routes) {
                let found = query
                    .query_row([lane, action], |row| {
                        Ok(LastChange {
                            at: at(row.get(0)?),
                            what: row.get(1)?,
                            why: row.get(2)?,
                        })
                    })
                    .optional()?;
                newest = newest.into_iter().chain(found).max_by_key(|one| one.at);
            }
            Ok(newest)
        })
    }

    /// At most `limit` entries before the number `before`, newest first.
    pub fn journal(
        &self,
        filter: &JournalFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached(
                "SELECT id, at, reconcile, lane, action, why, outcome, error, duration_ms FROM journal
                 WHERE id < ?1 AND (?2 IS NULL OR lane = ?2) AND (?3 IS NULL OR outcome = ?3)
                 ORDER BY id DESC LIMIT ?4",
            )?;
            let rows = query.query_map(params![before.unwrap_or(i64::MAX), filter.lane, filter.outcome, limit], |row| {
                Ok(JournalEntry {
                    id: row.get(0)?,
                    at: at(row.get(1)?),
                    reconcile: u64::try_from(row.get::<_, i64>(2)?).unwrap_or_default(),
                    lane: row.get(3)?,
                    action: row.get(4)?,
                    why: row.get(5)?,
                    outcome: row.get(6)?,
                    error: row.get(7)?,
                    duration_ms: row.get(8)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

/// How a mark stands among the ids, which are hexadecimal.
pub(crate) fn marked(mark: &str) -> String {
    format!("mark:{mark}")
}

fn role(row: &Row<'_>, column: usize) -> rusqlite::Result<Role> {
    row.get::<_, String>(column)?
        .parse()
        .map_err(|reason| garbled(column, reason))
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::Digest;

    #[test]
    fn the_loop_finds_again_what_it_left() {
        let store = Store::in_memory().unwrap();
        let pin = ImagePin {
            id: "sha256:1".into(),
            digest: None,
        };
        store.save_pin("a:1", &pin).unwrap();
        store.save_pin("a:1", &pin).unwrap();
        assert_eq!(
            store.pins().unwrap(),
            BTreeMap::from([("a:1".to_owned(), pin)])
        );
        store.save_made("c1", Role::Traefik).unwrap();
        assert_eq!(
            store.made().unwrap(),
            BTreeMap::from([("c1".to_owned(), Role::Traefik)])
        );
        store.forget_made("c1").unwrap();
        assert!(store.made().unwrap().is_empty());
        store.expect_made("m1", Role::Mirotalk).unwrap();
        store.confirm_made("m1", "c2", Role::Mirotalk).unwrap();
        assert_eq!(
            store.made().unwrap(),
            BTreeMap::from([("c2".to_owned(), Role::Mirotalk)])
        );
        store.forget_made("c2").unwrap();
        store.expect_made("m2", Role::Mirotalk).unwrap();
        store.forget_mark("m2").unwrap();
        assert!(store.made().unwrap().is_empty());
        let failure = ReplacementFailure {
            spec: Digest::of("x"),
            reason: "exit 1".into(),
            retry_at: at(1000),
        };
        store.save_failure(Role::Mirotalk, &failure).unwrap();
        assert_eq!(
            store.failures().unwrap(),
            BTreeMap::from([(Role::Mirotalk, failure)])
        );
        store.clear_failure(Role::Mirotalk).unwrap();
        assert!(store.failures().unwrap().is_empty());
    }

    #[test]
    fn the_journal_is_read_backwards_by_page_and_filter() {
        let store = Store::in_memory().unwrap();
        for step in 0..5 {
            let lane = if step % 2 == 0 { "ground" } else { "traefik" };
            let id = store
                .journal_begin(at(step), 7, lane, "write", "it was not there")
                .unwrap();
            if step < 4 {
                store.journal_end(id, "done", None, 1.5).unwrap();
            }
        }
        let ids = |filter: &JournalFilter, before, limit| -> Vec<i64> {
            store
                .journal(filter, before, limit)
                .unwrap()
                .into_iter()
                .map(|entry| entry.id)
                .collect()
        };
        assert_eq!(ids(&JournalFilter::default(), None, 2), [5, 4]);
        assert_eq!(ids(&JournalFilter::default(), Some(4), 9), [3, 2, 1]);
        assert_eq!(
            ids(
                &JournalFilter {
                    lane: Some("traefik".into()),
                    outcome: None
                },
                None,
                9
            ),
            [4, 2]
        );
        assert_eq!(
            ids(
                &JournalFilter {
                    lane: None,
                    outcome: Some("done".into())
                },
                None,
                2
            ),
            [4, 3]
        );
    }

    #[test]
    fn the_last_change_of_a_service_is_its_start_or_its_new_routes() {
        let store = Store::in_memory().unwrap();
        let done = |second: i64, lane: &str, action: &str, outcome| {
            let now = at(second * 1000);
            let id = store.journal_begin(now, 1, lane, action, "why").unwrap();
            store.journal_end(id, outcome, None, 1.0).unwrap();
        };
        let what = |role| {
            let change = store.last_change(role).unwrap();
            change.map(|change| (change.at.as_second(), change.what))
        };
        assert_eq!(what(Role::Traefik), None);
        done(1, "traefik", "start cs-traefik", "done");
        done(2, "mirotalk", "start cs-mirotalk", "done");
        done(3, "traefik", "remove cs-traefik.prev", "done");
        done(4, "mirotalk", "start cs-mirotalk", "failed");
        assert_eq!(what(Role::Traefik), Some((1, "start cs-traefik".into())));
        assert_eq!(what(Role::Mirotalk), Some((2, "start cs-mirotalk".into())));
        let routes = "write traefik/dynamic/colourstream.yml";
        done(5, "ground", routes, "done");
        assert_eq!(what(Role::Traefik), Some((5, routes.into())));
        done(6, "traefik", "start cs-traefik", "done");
        assert_eq!(what(Role::Traefik), Some((6, "start cs-traefik".into())));
        assert_eq!(what(Role::Ovenmediaengine), None);
    }
}
