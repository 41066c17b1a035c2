//! Browsers of visitors, and the rooms they may be in.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::rooms::id;
use super::{Store, StoreError, at, garbled, ms};
use crate::model::{Digest, Grant, Id};

/// A browser that holds a session cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// Digest of the cookie.
    pub token: Digest,
    /// When it first came.
    pub created_at: Timestamp,
    /// When it was last here.
    pub last_seen: Timestamp,
    /// Where it may be.
    pub grants: Vec<Grant>,
}

/// A visitor who has not been here for so long is forgotten.
const KEPT: SignedDuration = SignedDuration::from_hours(60 * 24);

/// What time it is, is believed of those alone who were here before that: a
/// clock that is far ahead is put right within it.
const SETTLED: SignedDuration = SignedDuration::from_hours(7 * 24);

const GRANT: &str = "id, room, link, seat, name, named, created_at";

/// Whether a place still lets its holder in: its link is neither revoked nor
/// over, or it needs none.
fn is_open(db: &Transaction<'_>, grant: &Grant, now: Timestamp) -> Result<bool, StoreError> {
    let Some(link) = &grant.link else {
        return Ok(true);
    };
    Ok(db.query_row(
        "SELECT EXISTS (SELECT 1 FROM links WHERE id = ?1 AND NOT revoked AND (expires_at IS NULL OR expires_at > ?2))",
        params![link.as_str(), ms(now)],
        |row| row.get(0),
    )?)
}

impl Store {
    /// Every visitor, with their grants. Only reads: what is known of them must
    /// follow a change even where nothing can be written.
    pub fn visitors(&self) -> Result<Vec<Visitor>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached(
                "SELECT token, created_at, last_seen FROM visitors ORDER BY token",
            )?;
            let mut visitors = query
                .query_map([], |row| {
                    Ok(Visitor {
                        token: digest(row, 0)?,
                        created_at: at(row.get(1)?),
                        last_seen: at(row.get(2)?),
                        grants: Vec::new(),
                    })
                })?
                .collect::<Result<Vec<_>, _>>()?;
            let mut query = db.prepare_cached(&format!("SELECT {GRANT}, visitor FROM grants"))?;
            let grants = query.query_map([], |row| Ok((digest(row, 7)?, read_grant(row)?)))?;
            for grant in grants {
                let (token, grant) = grant?;
                if let Ok(place) = visitors
                    .binary_search_by_key(&token.to_string(), |visitor| visitor.token.to_string())
                {
                    visitors[place].grants.push(grant);
                }
            }
            Ok(visitors)
        })
    }

    /// Lets a browser into a room. Coming again by the same link (or again by
    /// passcode) costs no use and keeps its place; another link replaces it.
    pub fn enter(
        &self,
        visitor: Digest,
        grant: &Grant,
        now: Timestamp,
    ) -> Result<Grant, StoreError> {
        self.write(|db| {
            db.execute(
                "INSERT INTO visitors VALUES (?1, ?2, ?2) ON CONFLICT (token) DO UPDATE SET last_seen = max(last_seen, ?2)",
                params![visitor.to_string(), ms(now)],
            )?;
            let old = db
                .prepare_cached(&format!("SELECT {GRANT} FROM grants WHERE visitor = ?1 AND room = ?2"))?
                .query_row([&visitor.to_string(), grant.room.as_str()], read_grant)
                .optional()?;
            if let Some(old) = old {
                // A passcode never takes a presenter's seat away, and gives a
                // new place where the link of the old one is over.
                if old.link == grant.link || grant.link.is_none() && is_open(db, &old, now)? {
                    return Ok(old);
                }
                db.execute("DELETE FROM grants WHERE id = ?1", [old.id.as_str()])?;
            }
            if let Some(link) = &grant.link {
                let used = db.execute(
                    "UPDATE links SET uses = uses + 1, last_seen = ?2
                     WHERE id = ?1 AND NOT revoked AND (max_uses IS NULL OR uses < max_uses)",
                    params![link.as_str(), ms(now)],
                )?;
                if used == 0 {
                    return Err(StoreError::Refused("this link has been used as often as it may be"));
                }
            }
            db.prepare_cached(&format!("INSERT INTO grants (visitor, {GRANT}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"))?.execute(params![
                visitor.to_string(), grant.id.as_str(), grant.room.as_str(), grant.link.as_ref().map(Id::as_str), grant.seat.as_str(), grant.name,
                grant.named, ms(grant.created_at),
            ])?;
            Ok(grant.clone())
        })
    }

    /// Keeps the name a visitor gave themselves in a room.
    pub fn rename_grant(&self, id: &Id, name: &str) -> Result<(), StoreError> {
        self.write(|db| {
            match db.execute(
                "UPDATE grants SET name = ?2, named = 1 WHERE id = ?1",
                [id.as_str(), name],
            )? {
                0 => Err(StoreError::Missing("session")),
                _ => Ok(()),
            }
        })
    }

    /// A visitor leaves a room.
    pub fn leave(&self, grant: &Id) -> Result<(), StoreError> {
        self.write(|db| {
            db.execute("DELETE FROM grants WHERE id = ?1", [grant.as_str()])?;
            Ok(())
        })
    }

    /// Forgets visitors long gone, and answers how many. A visitor is long
    /// gone beside those who came later, not by the clock alone: one that is
    /// wrong once would end everybody's place for good.
    pub fn forget_visitors(&self, now: Timestamp) -> Result<usize, StoreError> {
        let settled = now.checked_sub(SETTLED).unwrap_or(now);
        self.write(|db| {
            let newest: Option<i64> = db.query_row(
                "SELECT max(last_seen) FROM visitors WHERE last_seen < ?1",
                [ms(settled)],
                |row| row.get(0),
            )?;
            let Some(gone) = newest.and_then(|newest| at(newest).checked_sub(KEPT).ok()) else {
                return Ok(0);
            };
            Ok(db.execute("DELETE FROM visitors WHERE last_seen < ?1", [ms(gone)])?)
        })
    }

    /// Writes down who was here lately: visitors and links. A visitor was
    /// never here earlier than is known, whatever the clock says.
    pub fn touch(
        &self,
        visitors: &[Digest],
        links: &[Id],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(|db| {
            let mut query = db.prepare_cached(
                "UPDATE visitors SET last_seen = max(last_seen, ?2) WHERE token = ?1",
            )?;
            for visitor in visitors {
                query.execute(params![visitor.to_string(), ms(now)])?;
            }
            let mut query = db.prepare_cached("UPDATE links SET last_seen = ?2 WHERE id = ?1")?;
            for link in links {
                query.execute(params![link.as_str(), ms(now)])?;
            }
            Ok(())
        })
    }
}

fn read_grant(row: &Row<'_>) -> rusqlite::Result<Grant> {
    Ok(Grant {
        id: id(row, 0)?,
        room: id(row, 1)?,
        link: row.get::<_, Option<String>>(2)?.map(Id::kept),
        seat: row
            .get::<_, String>(3)?
            .parse()
            .map_err(|reason| garbled(3, reason))?,
        name: row.get(4)?,
        named: row.get(5)?,
        created_at: at(row.get(6)?),
    })
}

pub(super) fn digest(row: &Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    row.get::<_, String>(column)?
        .parse()
        .map_err(|reason| garbled(column, reason))
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::super::rooms::tests::sample;
    use super::*;
    use crate::model::{Link, Seat};

    fn link(number: u8, max_uses: Option<u32>) -> Link {
        Link {
            id: Id::kept(format!("link-{number}")),
            room: sample(1).id,
            name: "Ann".into(),
            seat: Seat::Viewer,
            expires_at: None,
            max_uses,
            uses: 0,
            revoked: false,
            last_seen: None,
            created_at: at(0),
        }
    }

    fn grant(id: &str, link: Option<&Link>) -> Grant {
        Grant {
            id: Id::kept(id),
            room: sample(1).id,
            link: link.map(|link| link.id.clone()),
            seat: Seat::Viewer,
            name: "Ann".into(),
            named: true,
            created_at: at(0),
        }
    }

    #[test]
    fn a_passcode_opens_again_where_the_link_is_over() {
        for end in ["revoked = 1", "expires_at = 5000"] {
            let one = link(1, None);
            let store = store(std::slice::from_ref(&one));
            let (visitor, by_link) = (Digest::of("visitor"), grant("by-link", Some(&one)));
            let by_passcode = grant("by-passcode", None);
            store.enter(visitor, &by_link, at(1)).unwrap();
            // While it is good, nothing takes its seat away.
            let kept = store.enter(visitor, &by_passcode, at(2)).unwrap();
            assert_eq!(kept, by_link, "{end}");
            store.behind(&format!("UPDATE links SET {end}")).unwrap();
            let anew = store.enter(visitor, &by_passcode, at(5000)).unwrap();
            assert_eq!(anew, by_passcode, "{end}");
            let visitors = store.visitors().unwrap();
            assert_eq!(visitors[0].grants, [by_passcode], "{end}");
        }
    }

    fn store(links: &[Link]) -> Store {
        let store = Store::in_memory().unwrap();
        store.insert_room(&sample(1), at(0)).unwrap();
        for link in links {
            store
                .insert_link(link, Digest::of(link.id.as_str()))
                .unwrap();
        }
        store
    }

    #[test]
    fn a_link_for_one_lets_one_browser_in_however_often_it_comes() {
        let link = link(1, Some(1));
        let store = store(std::slice::from_ref(&link));
        let (one, two) = (Digest::of("1"), Digest::of("2"));
        let first = store.enter(one, &grant("a", Some(&link)), at(5)).unwrap();
        let again = store.enter(one, &grant("b", Some(&link)), at(6)).unwrap();
        assert_eq!(first, again);
        assert!(matches!(
            store.enter(two, &grant("c", Some(&link)), at(7)),
            Err(StoreError::Refused(_))
        ));
        assert_eq!(store.links(&link.room).unwrap()[0].uses, 1);
        // What was refused left nothing behind.
        assert_eq!(store.visitors().unwrap().len(), 1);
    }

    #[test]
    fn a_revoked_link_takes_its_holders_out() {
        let link = link(1, None);
        let store = store(std::slice::from_ref(&link));
        store
            .enter(Digest::of("1"), &grant("a", Some(&link)), at(5))
            .unwrap();
        store
            .enter(Digest::of("2"), &grant("b", None), at(5))
            .unwrap();
        store.revoke_link(&link.room, &link.id).unwrap();
        let left: Vec<_> = store
            .visitors()
            .unwrap()
            .into_iter()
            .flat_map(|visitor| visitor.grants)
            .collect();
        assert_eq!(left, [grant("b", None)]);
        assert!(
            store
                .enter(Digest::of("1"), &grant("c", Some(&link)), at(5))
                .is_err()
        );
    }

    #[test]
    fn a_better_link_replaces_and_a_passcode_does_not() {
        let (one, two) = (link(1, None), link(2, None));
        let store = store(&[one.clone(), two.clone()]);
        let visitor = Digest::of("1");
        store
            .enter(visitor, &grant("a", Some(&one)), at(5))
            .unwrap();
        assert_eq!(
            store
                .enter(visitor, &grant("b", Some(&two)), at(5))
                .unwrap()
                .id,
            Id::kept("b")
        );
        assert_eq!(
            store.enter(visitor, &grant("c", None), at(5)).unwrap().id,
            Id::kept("b")
        );
    }

    #[test]
    fn visitors_are_known_while_another_process_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("colourstream.db");
        let store = Store::open(&path, "1").unwrap();
        store.insert_room(&sample(1), at(0)).unwrap();
        store
            .enter(Digest::of("1"), &grant("a", None), at(5))
            .unwrap();
        let other = rusqlite::Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        assert_eq!(store.visitors().unwrap().len(), 1);
    }

    fn day(day: i64) -> Timestamp {
        Timestamp::from_second(20_000 * 86_400 + day * 86_400).unwrap()
    }

    fn left(store: &Store) -> Vec<String> {
        let visitors = store.visitors().unwrap().into_iter();
        let mut names: Vec<_> = visitors
            .flat_map(|visitor| visitor.grants)
            .map(|grant| grant.id.to_string())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn visitors_long_gone_are_forgotten_beside_those_who_came_later() {
        let store = store(&[]);
        for (name, came) in [("a", 0), ("b", 30), ("c", 70)] {
            let visitor = Digest::of(name);
            store.enter(visitor, &grant(name, None), day(came)).unwrap();
        }
        assert_eq!(store.forget_visitors(day(75)).unwrap(), 0);
        assert_eq!(store.forget_visitors(day(78)).unwrap(), 1);
        assert_eq!(left(&store), ["b", "c"]);
        // Nobody was here since: nobody is long gone.
        assert_eq!(store.forget_visitors(day(1_000)).unwrap(), 0);
    }

    #[test]
    fn a_clock_that_is_wrong_for_some_days_ends_nobodys_place() {
        let store = store(&[]);
        for name in ["a", "b"] {
            let visitor = Digest::of(name);
            store.enter(visitor, &grant(name, None), day(0)).unwrap();
        }
        for wrong in [day(70), day(-70), Timestamp::from_second(60).unwrap()] {
            // One is here meanwhile, and the other is not.
            store.touch(&[Digest::of("a")], &[], wrong).unwrap();
            store.forget_visitors(wrong).unwrap();
            let later = wrong.checked_add(SignedDuration::from_hours(6 * 24));
            store.forget_visitors(later.unwrap()).unwrap();
            assert_eq!(left(&store), ["a", "b"], "{wrong}");
            store.forget_visitors(day(1)).unwrap();
            assert_eq!(left(&store), ["a", "b"], "{wrong}, and right again");
        }
    }
}
