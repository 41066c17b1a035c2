//! Rooms and links.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::{Store, StoreError, at, garbled, ms};
use crate::desired::RoomRoute;
use crate::model::{Digest, Gate, Id, Link, PublishKey, Room, Slug, StreamName};

/// What a change of a room means for those who were let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visits {
    /// They keep their place.
    Keep,
    /// Everybody is out for good, and what links they hold is worthless.
    End,
}

/// How long a former name leads to the room.
const REDIRECT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Under this and a room's id `meta` has the moment at which the room was given
/// another publish key.
const NEW_KEY: &str = "new_key ";

const ROOM: &str = "id, version, title, slug, stream, publish_key, profile, passcode, opens_at, expires_at, closed, archived, viewer_cap, allowed_addresses, watermark, owner, created_at";
const LINK: &str =
    "id, room, name, seat, expires_at, max_uses, uses, revoked, last_seen, created_at";

/// Those of `rooms` that are open at `now`, as the services' configurations
/// see them, by slug.
pub fn open_rooms(rooms: &[Room], now: Timestamp) -> Vec<RoomRoute> {
    let open = rooms.iter().filter(|room| room.gate(now) == Gate::Open);
    let mut routes: Vec<RoomRoute> = open
        .map(|room| RoomRoute {
            slug: room.slug.to_string(),
            title: room.title.clone(),
            stream: room.stream.to_string(),
            profile: room.profile.clone(),
            allowed_addresses: room.allowed_addresses.clone(),
            viewer_cap: room.viewer_cap,
        })
        .collect();
    routes.sort_by(|a, b| a.slug.cmp(&b.slug));
    routes
}

impl Store {
    /// Keeps a new room.
    pub fn insert_room(&self, room: &Room, now: Timestamp) -> Result<(), StoreError> {
        self.insert_room_with(room, None, now)
    }

    /// Keeps a new room and its first link, both or neither.
    pub fn insert_room_with(
        &self,
        room: &Room,
        link: Option<(&Link, Digest)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write_rooms(|db| {
            check_slug(db, &room.slug, &room.id, now)?;
            db.prepare_cached(&format!("INSERT INTO rooms ({ROOM}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)"))?
                .execute(params![
                    room.id.as_str(), count(room.version), room.title, room.slug.as_str(), room.stream.as_str(), room.key.expose(), room.profile,
                    room.passcode, room.opens_at.map(ms), room.expires_at.map(ms), room.closed, room.archived, room.viewer_cap,
                    serde_json::to_string(&room.allowed_addresses).unwrap_or_default(), room.watermark, room.owner.as_str(), ms(room.created_at),
                ])?;
            link.map_or(Ok(()), |(link, token)| insert_link(db, link, token))
        })
    }

    /// The room with this identity.
    pub fn room(&self, id: &Id) -> Result<Room, StoreError> {
        self.read(|db| room(db, id))
    }

    /// Every room that is not put away, newest first.
    pub fn rooms(&self) -> Result<Vec<Room>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached(&format!(
                "SELECT {ROOM} FROM rooms WHERE NOT archived ORDER BY seq DESC"
            ))?;
            let rows = query.query_map([], read_room)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Every room, those put away as well.
    pub(super) fn every_room(&self) -> Result<Vec<Room>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached(&format!("SELECT {ROOM} FROM rooms"))?;
            let rows = query.query_map([], read_room)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Every link, those of rooms put away as well.
    pub(super) fn every_link(&self) -> Result<Vec<Link>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached(&format!("SELECT {LINK} FROM links"))?;
            let rows = query.query_map([], read_link)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// At most `limit` rooms older than the room `after`, newest first.
    pub fn rooms_page(
        &self,
        archived: bool,
        owner: Option<&Id>,
        after: Option<&Id>,
        limit: u32,
    ) -> Result<Vec<Room>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached(&format!(
                "SELECT {ROOM} FROM rooms WHERE archived = ?1 AND (?2 IS NULL OR owner = ?2)
                 AND (?3 IS NULL OR seq < (SELECT seq FROM rooms WHERE id = ?3)) ORDER BY seq DESC LIMIT ?4"
            ))?;
            let rows = query.query_map(params![archived, owner.map(Id::as_str), after.map(Id::as_str), limit], read_room)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Changes a room, unless it was changed since `version` was read. A new
    /// slug leaves the old one as a redirect. Answers the room as it was and
    /// as it is.
    pub fn change_room(
        &self,
        id: &Id,
        version: Option<u64>,
        now: Timestamp,
        change: impl FnOnce(&mut Room) -> Result<Visits, StoreError>,
    ) -> Result<(Room, Room), StoreError> {
        self.write_rooms(|db| {
            let before = room(db, id)?;
            if version.is_some_and(|version| version != before.version) {
                return Err(StoreError::Changed);
            }
            let mut after = before.clone();
            let visits = change(&mut after)?;
            if after == before {
                return Ok((before, after));
            }
            after.version = before.version + 1;
            if after.slug != before.slug {
                check_slug(db, &after.slug, id, now)?;
                db.execute("DELETE FROM old_slugs WHERE slug = ?1", [after.slug.as_str()])?;
                db.execute(
                    "INSERT INTO old_slugs VALUES (?1, ?2, ?3) ON CONFLICT (slug) DO UPDATE SET room = ?2, until = ?3",
                    params![before.slug.as_str(), id.as_str(), ms(now.checked_add(REDIRECT).unwrap_or(now))],
                )?;
            }
            db.prepare_cached(
                "UPDATE rooms SET version = ?2, title = ?3, slug = ?4, stream = ?5, publish_key = ?6, profile = ?7, passcode = ?8,
                 opens_at = ?9, expires_at = ?10, closed = ?11, archived = ?12, viewer_cap = ?13, allowed_addresses = ?14, watermark = ?15,
                 owner = ?16 WHERE id = ?1",
            )?
            .execute(params![
                id.as_str(), count(after.version), after.title, after.slug.as_str(), after.stream.as_str(), after.key.expose(), after.profile,
                after.passcode, after.opens_at.map(ms), after.expires_at.map(ms), after.closed, after.archived, after.viewer_cap,
                serde_json::to_string(&after.allowed_addresses).unwrap_or_default(), after.watermark, after.owner.as_str(),
            ])?;
            if after.key != before.key {
                db.execute(
                    "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
                    [format!("{NEW_KEY}{id}"), ms(now).to_string()],
                )?;
            }
            if visits == Visits::End {
                db.execute("DELETE FROM grants WHERE room = ?1", [id.as_str()])?;
                db.execute("UPDATE links SET revoked = 1 WHERE room = ?1", [id.as_str()])?;
            }
            Ok((before, after))
        })
    }

    /// Deletes an archived room with all that belongs to it.
    pub fn delete_room(&self, id: &Id, version: Option<u64>) -> Result<Room, StoreError> {
        self.write_rooms(|db| {
            let room = room(db, id)?;
            if version.is_some_and(|version| version != room.version) {
                return Err(StoreError::Changed);
            }
            if !room.archived {
                return Err(StoreError::Refused(
                    "archive the room first; only an archived room can be deleted for good",
                ));
            }
            db.execute("DELETE FROM rooms WHERE id = ?1", [id.as_str()])?;
            db.execute(
                "DELETE FROM meta WHERE key = ?1",
                [format!("{NEW_KEY}{id}")],
            )?;
            Ok(room)
        })
    }

    /// The rooms that were given another publish key, and when: who came in
    /// before came in by the former one.
    pub fn new_keys(&self) -> Result<Vec<(Id, Timestamp)>, StoreError> {
        self.read(|db| {
            let mut query =
                db.prepare_cached("SELECT key, value FROM meta WHERE key GLOB ?1 || '*'")?;
            let rows = query.query_map([NEW_KEY], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
            })?;
            let rows: Vec<(String, String)> = rows.collect::<Result<_, _>>()?;
            let known = |(key, since): (String, String)| {
                let since = since.parse().ok()?;
                Some((Id::kept(key.strip_prefix(NEW_KEY)?), at(since)))
            };
            Ok(rows.into_iter().filter_map(known).collect())
        })
    }

    /// Every name that a room has or had lately.
    pub fn slugs(&self, now: Timestamp) -> Result<HashSet<String>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached(
                "SELECT slug FROM rooms UNION SELECT slug FROM old_slugs WHERE until > ?1",
            )?;
            let rows = query.query_map([ms(now)], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Whether no room has this name or had it lately.
    pub fn slug_is_free(&self, slug: &str, now: Timestamp) -> Result<bool, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached(
                "SELECT NOT EXISTS (SELECT 1 FROM rooms WHERE slug = ?1) AND NOT EXISTS (SELECT 1 FROM old_slugs WHERE slug = ?1 AND until > ?2)",
            )?;
            Ok(query.query_row(params![slug, ms(now)], |row| row.get(0))?)
        })
    }

    /// Former names that still lead somewhere: the name, and the room's now.
    pub fn redirects(&self, now: Timestamp) -> Result<Vec<(Slug, Slug)>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached(
                "SELECT o.slug, r.slug FROM old_slugs o JOIN rooms r ON r.id = o.room WHERE o.until > ?1 AND NOT r.archived",
            )?;
            let rows = query.query_map([ms(now)], |row| Ok((Slug::kept(row.get::<_, String>(0)?), Slug::kept(row.get::<_, String>(1)?))))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// [`open_rooms`] of all there are.
    pub fn open_rooms(&self, now: Timestamp) -> Result<Vec<RoomRoute>, StoreError> {
        Ok(open_rooms(&self.rooms()?, now))
    }

    /// The next moment at which a room opens or expires by itself.
    pub fn next_room_change(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        Ok(self
            .rooms()?
            .iter()
            .filter_map(|room| room.next_change(now))
            .min())
    }

    /// Keeps a new link; of its token only the digest.
    pub fn insert_link(&self, link: &Link, token: Digest) -> Result<(), StoreError> {
        self.write_rooms(|db| {
            room(db, &link.room)?;
            insert_link(db, link, token)
        })
    }

    /// The links of a room, oldest first.
    pub fn links(&self, room: &Id) -> Result<Vec<Link>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached(&format!(
                "SELECT {LINK} FROM links WHERE room = ?1 ORDER BY created_at, id"
            ))?;
            let rows = query.query_map([room.as_str()], read_link)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Every link of every room that is not put away.
    pub fn all_links(&self) -> Result<Vec<Link>, StoreError> {
        self.read(|db| {
            let columns = LINK
                .split(", ")
                .map(|column| format!("l.{column}"))
                .collect::<Vec<_>>()
                .join(", ");
            let mut query = db.prepare_cached(&format!(
                "SELECT {columns} FROM links l JOIN rooms r ON r.id = l.room WHERE NOT r.archived"
            ))?;
            let rows = query.query_map([], read_link)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The link whose token has this digest.
    pub fn link_by_token(&self, token: Digest) -> Result<Option<Link>, StoreError> {
        self.read(|db| {
            let mut query =
                db.prepare_cached(&format!("SELECT {LINK} FROM links WHERE token = ?1"))?;
            Ok(query.query_row([token.to_string()], read_link).optional()?)
        })
    }

    /// Takes a link back: nobody enters by it, and whoever did is out.
    pub fn revoke_link(&self, room: &Id, link: &Id) -> Result<Link, StoreError> {
        self.write_rooms(|db| {
            let changed = db.execute(
                "UPDATE links SET revoked = 1 WHERE id = ?1 AND room = ?2",
                [link.as_str(), room.as_str()],
            )?;
            if changed == 0 {
                return Err(StoreError::Missing("link"));
            }
            db.execute("DELETE FROM grants WHERE link = ?1", [link.as_str()])?;
            let mut query =
                db.prepare_cached(&format!("SELECT {LINK} FROM links WHERE id = ?1"))?;
            Ok(query.query_row([link.as_str()], read_link)?)
        })
    }
}

fn room(db: &rusqlite::Connection, id: &Id) -> Result<Room, StoreError> {
    db.prepare_cached(&format!("SELECT {ROOM} FROM rooms WHERE id = ?1"))?
        .query_row([id.as_str()], read_room)
        .optional()?
        .ok_or(StoreError::Missing("room"))
}

fn insert_link(db: &Transaction<'_>, link: &Link, token: Digest) -> Result<(), StoreError> {
    db.prepare_cached(&format!(
        "INSERT INTO links (token, {LINK}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
    ))?
    .execute(params![
        token.to_string(),
        link.id.as_str(),
        link.room.as_str(),
        link.name,
        link.seat.as_str(),
        link.expires_at.map(ms),
        link.max_uses,
        link.uses,
        link.revoked,
        link.last_seen.map(ms),
        ms(link.created_at),
    ])?;
    Ok(())
}

/// A name belongs to one room, and to its former room while it redirects.
fn check_slug(
    db: &Transaction<'_>,
    slug: &Slug,
    id: &Id,
    now: Timestamp,
) -> Result<(), StoreError> {
    let taken: bool = db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM rooms WHERE slug = ?1 AND id <> ?2)
                 OR EXISTS (SELECT 1 FROM old_slugs WHERE slug = ?1 AND room <> ?2 AND until > ?3)",
        )?
        .query_row(params![slug.as_str(), id.as_str(), ms(now)], |row| {
            row.get(0)
        })?;
    if taken {
        Err(StoreError::Taken("slug"))
    } else {
        Ok(())
    }
}

fn read_room(row: &Row<'_>) -> rusqlite::Result<Room> {
    let stream: StreamName = row
        .get::<_, String>(4)?
        .parse()
        .map_err(|reason| garbled(4, reason))?;
    let key: PublishKey = row
        .get::<_, String>(5)?
        .parse()
        .map_err(|reason| garbled(5, reason))?;
    Ok(Room {
        id: id(row, 0)?,
        version: u64::try_from(row.get::<_, i64>(1)?).unwrap_or_default(),
        title: row.get(2)?,
        slug: Slug::kept(row.get::<_, String>(3)?),
        stream,
        key,
        profile: row.get(6)?,
        passcode: row.get(7)?,
        opens_at: row.get::<_, Option<i64>>(8)?.map(at),
        expires_at: row.get::<_, Option<i64>>(9)?.map(at),
        closed: row.get(10)?,
        archived: row.get(11)?,
        viewer_cap: row.get(12)?,
        allowed_addresses: serde_json::from_str(&row.get::<_, String>(13)?)
            .map_err(|error| garbled(13, error.to_string()))?,
        watermark: row.get(14)?,
        owner: id(row, 15)?,
        created_at: at(row.get(16)?),
    })
}

fn read_link(row: &Row<'_>) -> rusqlite::Result<Link> {
    Ok(Link {
        id: id(row, 0)?,
        room: id(row, 1)?,
        name: row.get(2)?,
        seat: row
            .get::<_, String>(3)?
            .parse()
            .map_err(|reason| garbled(3, reason))?,
        expires_at: row.get::<_, Option<i64>>(4)?.map(at),
        max_uses: row.get(5)?,
        uses: row.get(6)?,
        revoked: row.get(7)?,
        last_seen: row.get::<_, Option<i64>>(8)?.map(at),
        created_at: at(row.get(9)?),
    })
}

pub(super) fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<Id> {
    Ok(Id::kept(row.get::<_, String>(column)?))
}

pub(super) fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
pub(crate) mod tests {
    use super::*;
    use crate::model::Secret;

    /// A room made from a number: same number, same room.
    pub(crate) fn sample(number: u8) -> Room {
        let entropy = Secret::new([number; 32]);
        Room {
            id: Id::new(&entropy),
            title: format!("Reel {number}"),
            slug: Slug::kept(format!("reel-{number}")),
            stream: StreamName::new(&entropy),
            key: PublishKey::new(&entropy),
            allowed_addresses: vec!["10.0.0.0/8".into()],
            ..Room::sample(at(1_000)).unwrap()
        }
    }

    #[test]
    fn a_room_is_read_as_it_was_kept() {
        let store = Store::in_memory().unwrap();
        let mut room = sample(1);
        room.title = "Größe «映画» <b>&'\"`{{ x }}".into();
        room.expires_at = Some(at(5_000));
        room.viewer_cap = Some(12);
        room.passcode = Some("$argon2id$".into());
        store.insert_room(&room, at(0)).unwrap();
        assert_eq!(store.room(&room.id).unwrap(), room);
        assert_eq!(store.rooms().unwrap(), [room]);
    }

    #[test]
    fn a_lost_update_is_refused() {
        let store = Store::in_memory().unwrap();
        let room = sample(1);
        store.insert_room(&room, at(0)).unwrap();
        let rename = |to: &'static str| {
            move |room: &mut Room| {
                room.title = to.into();
                Ok(Visits::Keep)
            }
        };
        store
            .change_room(&room.id, Some(1), at(0), rename("first"))
            .unwrap();
        assert!(matches!(
            store.change_room(&room.id, Some(1), at(0), rename("second")),
            Err(StoreError::Changed)
        ));
        let room = store.room(&room.id).unwrap();
        assert_eq!((room.title.as_str(), room.version), ("first", 2));
    }

    #[test]
    fn a_former_name_leads_on_and_is_not_given_away() {
        let store = Store::in_memory().unwrap();
        let (one, mut two) = (sample(1), sample(2));
        store.insert_room(&one, at(0)).unwrap();
        store
            .change_room(&one.id, None, at(0), |room| {
                room.slug = Slug::kept("new-name");
                Ok(Visits::Keep)
            })
            .unwrap();
        assert_eq!(
            store.redirects(at(1)).unwrap(),
            [(Slug::kept("reel-1"), Slug::kept("new-name"))]
        );
        assert!(!store.slug_is_free("reel-1", at(1)).unwrap());
        two.slug = Slug::kept("reel-1");
        assert!(matches!(
            store.insert_room(&two, at(1)),
            Err(StoreError::Taken(_))
        ));
        let later = at(0).checked_add(REDIRECT).unwrap();
        assert!(store.redirects(later).unwrap().is_empty());
        store.insert_room(&two, later).unwrap();
    }

    #[test]
    fn a_room_may_take_its_own_name_back() {
        let store = Store::in_memory().unwrap();
        let room = sample(1);
        store.insert_room(&room, at(0)).unwrap();
        for slug in ["other", "reel-1"] {
            store
                .change_room(&room.id, None, at(0), |room| {
                    room.slug = Slug::kept(slug);
                    Ok(Visits::Keep)
                })
                .unwrap();
        }
        assert_eq!(
            store.redirects(at(1)).unwrap(),
            [(Slug::kept("other"), Slug::kept("reel-1"))]
        );
    }

    #[test]
    fn only_open_rooms_have_a_route_and_the_next_edge_is_known() {
        let store = Store::in_memory().unwrap();
        for number in 1..=5 {
            let mut room = sample(number);
            match number {
                2 => room.closed = true,
                3 => room.opens_at = Some(at(100)),
                4 => room.expires_at = Some(at(50)),
                5 => room.archived = true,
                _ => {}
            }
            store.insert_room(&room, at(0)).unwrap();
        }
        let open = |now| -> Vec<String> {
            store
                .open_rooms(at(now))
                .unwrap()
                .into_iter()
                .map(|room| room.slug)
                .collect()
        };
        assert_eq!(open(0), ["reel-1", "reel-4"]);
        assert_eq!(open(50), ["reel-1"]);
        assert_eq!(open(100), ["reel-1", "reel-3"]);
        assert_eq!(store.next_room_change(at(0)).unwrap(), Some(at(50)));
        assert_eq!(store.next_room_change(at(50)).unwrap(), Some(at(100)));
        assert_eq!(store.next_room_change(at(100)).unwrap(), None);
    }

    #[test]
    fn who_waits_for_rooms_is_told_of_each_change() {
        let store = Store::in_memory().unwrap();
        let mut changed = store.changed();
        assert!(!changed.has_changed().unwrap());
        store.set_meta("a", "b").unwrap();
        assert!(!changed.has_changed().unwrap());
        store.insert_room(&sample(1), at(0)).unwrap();
        assert!(changed.has_changed().unwrap());
        changed.mark_unchanged();
        assert!(store.insert_room(&sample(1), at(0)).is_err());
        assert!(!changed.has_changed().unwrap());
    }

    #[test]
    fn when_a_room_was_given_another_key_is_known_for_as_long_as_the_room() {
        let store = Store::in_memory().unwrap();
        let room = sample(1);
        store.insert_room(&room, at(0)).unwrap();
        let change = |moment, change: fn(&mut Room)| {
            let changed = store.change_room(&room.id, None, at(moment), |room| {
                change(room);
                Ok(Visits::Keep)
            });
            changed.unwrap();
            store.new_keys().unwrap()
        };
        assert_eq!(change(5, |room| room.title = "Other".into()), []);
        let id = || room.id.clone();
        let rotated = change(6, |room| room.key = "sk_new1".parse().unwrap());
        assert_eq!(rotated, [(id(), at(6))]);
        let rotated = change(7, |room| room.key = "sk_new2".parse().unwrap());
        assert_eq!(rotated, [(id(), at(7))]);
        assert_eq!(change(8, |room| room.archived = true), [(id(), at(7))]);
        store.delete_room(&room.id, None).unwrap();
        assert_eq!(store.new_keys().unwrap(), []);
    }

    #[test]
    fn only_an_archived_room_is_deleted() {
        let store = Store::in_memory().unwrap();
        let room = sample(1);
        store.insert_room(&room, at(0)).unwrap();
        assert!(matches!(
            store.delete_room(&room.id, None),
            Err(StoreError::Refused(_))
        ));
        store
            .change_room(&room.id, None, at(0), |room| {
                room.archived = true;
                Ok(Visits::Keep)
            })
            .unwrap();
        store.delete_room(&room.id, None).unwrap();
        assert!(matches!(store.room(&room.id), Err(StoreError::Missing(_))));
    }

    #[test]
    fn pages_of_rooms_do_not_overlap() {
        let store = Store::in_memory().unwrap();
        for number in 1..=5 {
            store.insert_room(&sample(number), at(0)).unwrap();
        }
        let first = store.rooms_page(false, None, None, 3).unwrap();
        let second = store
            .rooms_page(false, None, first.last().map(|room| &room.id), 3)
            .unwrap();
        let slugs: Vec<_> = first
            .iter()
            .chain(&second)
            .map(|room| room.slug.to_string())
            .collect();
        assert_eq!(slugs, ["reel-5", "reel-4", "reel-3", "reel-2", "reel-1"]);
    }
}
