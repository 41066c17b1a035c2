//! People and programs that administer, and what they did.

use std::sync::PoisonError;

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::rooms::{count, id};
use super::{Store, StoreError, at, garbled, ms};
use crate::model::{Digest, Id};

/// What an admin may do.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum AdminRole {
    /// Everything.
    Owner,
    /// Their own rooms; sees the stack.
    Producer,
    /// Sees everything but secrets, changes nothing.
    Ops,
}

impl AdminRole {
    /// As in the API and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            AdminRole::Owner => "owner",
            AdminRole::Producer => "producer",
            AdminRole::Ops => "ops",
        }
    }
}

impl std::str::FromStr for AdminRole {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [AdminRole::Owner, AdminRole::Producer, AdminRole::Ops]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not owner, producer or ops"))
    }
}

/// What an API token may do.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
pub enum Scope {
    /// See rooms, without their secrets.
    #[serde(rename = "rooms:read")]
    RoomsRead,
    /// Change every room, and see keys.
    #[serde(rename = "rooms:write")]
    RoomsWrite,
    /// See the stack.
    #[serde(rename = "stack:read")]
    StackRead,
    /// Apply, pause, resume.
    #[serde(rename = "stack:write")]
    StackWrite,
}

/// A person who administers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Stable identity.
    pub id: Id,
    /// Name to log in with; unique, whatever its case.
    pub name: String,
    /// What they may do.
    pub role: AdminRole,
    /// argon2id.
    pub password: String,
    /// Counts changes; the ETag.
    pub version: u64,
    /// When they were added.
    pub created_at: Timestamp,
}

/// A browser an admin is logged in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminSession {
    /// Public identity.
    pub id: Id,
    /// Whose.
    pub admin: Id,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_seen: Timestamp,
    /// From where.
    pub address: String,
    /// With which browser, in its own words.
    pub agent: String,
}

/// A program's right, without its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Public identity.
    pub id: Id,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it works.
    pub expires_at: Option<Timestamp>,
    /// When it was last used.
    pub last_used: Option<Timestamp>,
}

/// Something somebody did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Number, rising.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Who: an admin, a token, a visitor, the controller itself.
    pub who: String,
    /// What, as a kebab-case word: `room-closed`.
    pub what: String,
    /// On which room.
    pub room: Option<Id>,
    /// More, in words; never a secret.
    pub detail: String,
    /// From which address.
    pub address: String,
}

/// As [`AuditEntry`], before it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewAudit {
    /// Who.
    pub who: String,
    /// What.
    pub what: &'static str,
    /// On which room.
    pub room: Option<Id>,
    /// More, in words; never a secret.
    pub detail: String,
    /// From which address.
    pub address: String,
}

impl Store {
    /// Whether nobody administers yet.
    pub fn needs_setup(&self) -> Result<bool, StoreError> {
        self.read(|db| {
            Ok(
                db.query_row("SELECT NOT EXISTS (SELECT 1 FROM admins)", [], |row| {
                    row.get(0)
                })?,
            )
        })
    }

    /// Adds an admin. With `first`, only if there is none yet.
    pub fn insert_admin(&self, admin: &Admin, first: bool) -> Result<(), StoreError> {
        self.write(|db| {
            let (exist, taken): (bool, bool) = db.query_row(
                "SELECT EXISTS (SELECT 1 FROM admins), EXISTS (SELECT 1 FROM admins WHERE name = ?1)",
                [&admin.name],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            if first && exist {
                return Err(StoreError::Refused("set-up is done already"));
            }
            if taken {
                return Err(StoreError::Taken("name"));
            }
            db.execute(
                "INSERT INTO admins (id, name, role, password, version, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![admin.id.as_str(), admin.name, admin.role.as_str(), admin.password, count(admin.version), ms(admin.created_at)],
            )?;
            Ok(())
        })
    }

    /// Every admin, oldest first.
    pub fn admins(&self) -> Result<Vec<Admin>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached("SELECT id, name, role, password, version, created_at FROM admins ORDER BY created_at, id")?;
            let rows = query.query_map([], read_admin)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The admin with this name, whatever its case.
    pub fn admin_by_name(&self, name: &str) -> Result<Option<Admin>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached(
                "SELECT id, name, role, password, version, created_at FROM admins WHERE name = ?1",
            )?;
            Ok(query.query_row([name], read_admin).optional()?)
        })
    }

    /// The admin with this identity.
    pub fn admin(&self, id: &Id) -> Result<Admin, StoreError> {
        self.read(|db| admin(db, id))
    }

    /// Changes an admin; one owner always remains. A new password or role ends
    /// their logins but `keep` with it: whoever knew the old one is out.
    pub fn change_admin(
        &self,
        id: &Id,
        version: Option<u64>,
        keep: Option<&Id>,
        change: impl FnOnce(&mut Admin) -> Result<(), StoreError>,
    ) -> Result<Admin, StoreError> {
        self.write(|db| {
            let mut changed = admin(db, id)?;
            let before = changed.clone();
            if version.is_some_and(|version| version != changed.version) {
                return Err(StoreError::Changed);
            }
            change(&mut changed)?;
            changed.version += 1;
            if before.role == AdminRole::Owner && changed.role != AdminRole::Owner {
                another_owner(db, id)?;
            }
            let taken: bool = db.query_row(
                "SELECT EXISTS (SELECT 1 FROM admins WHERE name = ?1 AND id <> ?2)",
                [&changed.name, id.as_str()],
                |row| row.get(0),
            )?;
            if taken {
                return Err(StoreError::Taken("name"));
            }
            db.execute(
                "UPDATE admins SET name = ?2, role = ?3, password = ?4, version = ?5 WHERE id = ?1",
                params![
                    id.as_str(),
                    changed.name,
                    changed.role.as_str(),
                    changed.password,
                    count(changed.version)
                ],
            )?;
            if before.password != changed.password || before.role != changed.role {
                db.execute(
                    "DELETE FROM admin_sessions WHERE admin = ?1 AND (?2 IS NULL OR id <> ?2)",
                    params![id.as_str(), keep.map(Id::as_str)],
                )?;
            }
            Ok(changed)
        })
    }

    /// Removes an admin and logs them out; one owner always remains.
    pub fn delete_admin(&self, id: &Id, version: Option<u64>) -> Result<Admin, StoreError> {
        self.write(|db| {
            let gone = admin(db, id)?;
            if version.is_some_and(|version| version != gone.version) {
                return Err(StoreError::Changed);
            }
            if gone.role == AdminRole::Owner {
                another_owner(db, id)?;
            }
            db.execute("DELETE FROM admins WHERE id = ?1", [id.as_str()])?;
            Ok(gone)
        })
    }

    /// Keeps a new login; of its token only the digest. `password` is the hash
    /// that the password given fits.
    ///
    /// # Errors
    /// [`StoreError::Changed`] where the admin has another one by now, or is
    /// gone: to check it takes its time.
    pub fn insert_admin_session(
        &self,
        session: &AdminSession,
        token: Digest,
        password: &str,
    ) -> Result<(), StoreError> {
        self.write(|db| {
            let kept = db.execute(
                "INSERT INTO admin_sessions (token, id, admin, created_at, last_seen, address, agent)
                 SELECT ?1, ?2, id, ?4, ?5, ?6, ?7 FROM admins WHERE id = ?3 AND password = ?8",
                params![
                    token.to_string(), session.id.as_str(), session.admin.as_str(), ms(session.created_at), ms(session.last_seen), session.address,
                    session.agent, password,
                ],
            )?;
            match kept {
                0 => Err(StoreError::Changed),
                _ => Ok(()),
            }
        })
    }

    /// The login whose token has this digest, with its admin.
    pub fn admin_session(
        &self,
        token: Digest,
    ) -> Result<Option<(AdminSession, Admin)>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached(
                "SELECT a.id, a.name, a.role, a.password, a.version, a.created_at, s.id, s.admin, s.created_at, s.last_seen, s.address, s.agent
                 FROM admin_sessions s JOIN admins a ON a.id = s.admin WHERE s.token = ?1",
            )?;
            Ok(query.query_row([token.to_string()], |row| Ok((read_session(row, 6)?, read_admin(row)?))).optional()?)
        })
    }

    /// An admin's logins that are neither idle since `idle` nor older than
    /// `oldest`, the latest first.
    pub fn admin_sessions(
        &self,
        admin: &Id,
        idle: Timestamp,
        oldest: Timestamp,
    ) -> Result<Vec<AdminSession>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached(
                "SELECT id, admin, created_at, last_seen, address, agent FROM admin_sessions
                 WHERE admin = ?1 AND last_seen >= ?2 AND created_at >= ?3 ORDER BY last_seen DESC",
            )?;
            let rows = query.query_map(params![admin.as_str(), ms(idle), ms(oldest)], |row| {
                read_session(row, 0)
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Writes down that a login was used now, if it can; forgets those long
    /// over.
    pub fn touch_admin_session(&self, id: &Id, now: Timestamp, idle: Timestamp, oldest: Timestamp) {
        self.note_use(now, |db| {
            db.execute(
                "UPDATE admin_sessions SET last_seen = ?2 WHERE id = ?1",
                params![id.as_str(), ms(now)],
            )?;
            db.execute(
                "DELETE FROM admin_sessions WHERE last_seen < ?1 OR created_at < ?2",
                [ms(idle), ms(oldest)],
            )?;
            Ok(())
        });
    }

    /// Writes down a use, on which nothing depends: what can be read still
    /// opens the portal, above all where the disk is full. A failure is told,
    /// and for a minute nothing is tried, which may mean to wait for another
    /// process.
    fn note_use(
        &self,
        now: Timestamp,
        work: impl FnOnce(&Transaction<'_>) -> Result<(), StoreError>,
    ) {
        let unwritten = || {
            let unwritten = self.unwritten.lock();
            unwritten.unwrap_or_else(PoisonError::into_inner)
        };
        if unwritten().is_some_and(|then| (ms(now) - ms(then)).abs() < 60_000) {
            return;
        }
        let written = self.write(work);
        *unwritten() = written.as_ref().err().map(|_| now);
        if let Err(error) = written {
            tracing::warn!(%error, "the use of a login or an API token could not be written down");
        }
    }

    /// Ends one login of an admin.
    pub fn delete_admin_session(&self, admin: &Id, id: &Id) -> Result<(), StoreError> {
        self.write(|db| {
            match db.execute(
                "DELETE FROM admin_sessions WHERE id = ?1 AND admin = ?2",
                [id.as_str(), admin.as_str()],
            )? {
                0 => Err(StoreError::Missing("session")),
                _ => Ok(()),
            }
        })
    }

    /// Keeps a new API token; of the token itself only the digest.
    pub fn insert_api_token(&self, token: &ApiToken, secret: Digest) -> Result<(), StoreError> {
        self.write(|db| {
            db.execute(
                "INSERT INTO api_tokens (id, token, name, scopes, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    token.id.as_str(), secret.to_string(), token.name, serde_json::to_string(&token.scopes).unwrap_or_default(), ms(token.created_at),
                    token.expires_at.map(ms),
                ],
            )?;
            Ok(())
        })
    }

    /// Every API token, oldest first.
    pub fn api_tokens(&self) -> Result<Vec<ApiToken>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached("SELECT id, name, scopes, created_at, expires_at, last_used FROM api_tokens ORDER BY created_at, id")?;
            let rows = query.query_map([], read_token)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The API token whose secret has this digest, if it still works.
    pub fn api_token(
        &self,
        secret: Digest,
        now: Timestamp,
    ) -> Result<Option<ApiToken>, StoreError> {
        let token = self.read(|db| {
            let mut query = db.prepare_cached(
                "SELECT id, name, scopes, created_at, expires_at, last_used FROM api_tokens WHERE token = ?1 AND (expires_at IS NULL OR expires_at > ?2)",
            )?;
            Ok(query.query_row(params![secret.to_string(), ms(now)], read_token).optional()?)
        })?;
        // Once a minute is often enough to know whether a token is in use.
        if let Some(token) = token.as_ref().filter(|token| {
            token
                .last_used
                .is_none_or(|used| ms(now) - ms(used) > 60_000)
        }) {
            self.note_use(now, |db| {
                db.execute(
                    "UPDATE api_tokens SET last_used = ?2 WHERE id = ?1",
                    params![token.id.as_str(), ms(now)],
                )?;
                Ok(())
            });
        }
        Ok(token)
    }

    /// Removes an API token.
    pub fn delete_api_token(&self, id: &Id) -> Result<(), StoreError> {
        self.write(|db| {
            match db.execute("DELETE FROM api_tokens WHERE id = ?1", [id.as_str()])? {
                0 => Err(StoreError::Missing("token")),
                _ => Ok(()),
            }
        })
    }

    /// Writes down what somebody did.
    pub fn audit(&self, entry: &NewAudit, now: Timestamp) -> Result<(), StoreError> {
        self.write(|db| {
            db.prepare_cached("INSERT INTO audit (at, who, what, room, detail, address) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(params![
                ms(now), entry.who, entry.what, entry.room.as_ref().map(Id::as_str), entry.detail, entry.address,
            ])?;
            Ok(())
        })
    }

    /// At most `limit` entries before the number `before`, newest first, of
    /// one room or of all.
    pub fn audit_page(
        &self,
        room: Option<&Id>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached(
                "SELECT id, at, who, what, room, detail, address FROM audit WHERE id < ?1 AND (?2 IS NULL OR room = ?2) ORDER BY id DESC LIMIT ?3",
            )?;
            let rows = query.query_map(params![before.unwrap_or(i64::MAX), room.map(Id::as_str), limit], |row| {
                Ok(AuditEntry {
                    id: row.get(0)?,
                    at: at(row.get(1)?),
                    who: row.get(2)?,
                    what: row.get(3)?,
                    room: row.get::<_, Option<String>>(4)?.map(Id::kept),
                    detail: row.get(5)?,
                    address: row.get(6)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

fn admin(db: &rusqlite::Connection, id: &Id) -> Result<Admin, StoreError> {
    db.prepare_cached(
        "SELECT id, name, role, password, version, created_at FROM admins WHERE id = ?1",
    )?
    .query_row([id.as_str()], read_admin)
    .optional()?
    .ok_or(StoreError::Missing("admin"))
}

fn another_owner(db: &rusqlite::Connection, id: &Id) -> Result<(), StoreError> {
    let another: bool = db.query_row(
        "SELECT EXISTS (SELECT 1 FROM admins WHERE role = 'owner' AND id <> ?1)",
        [id.as_str()],
        |row| row.get(0),
    )?;
    if another {
        Ok(())
    } else {
        Err(StoreError::Refused("one owner has to remain"))
    }
}

fn read_admin(row: &Row<'_>) -> rusqlite::Result<Admin> {
    Ok(Admin {
        id: id(row, 0)?,
        name: row.get(1)?,
        role: row
            .get::<_, String>(2)?
            .parse()
            .map_err(|reason| garbled(2, reason))?,
        password: row.get(3)?,
        version: u64::try_from(row.get::<_, i64>(4)?).unwrap_or_default(),
        created_at: at(row.get(5)?),
    })
}

fn read_session(row: &Row<'_>, from: usize) -> rusqlite::Result<AdminSession> {
    Ok(AdminSession {
        id: id(row, from)?,
        admin: id(row, from + 1)?,
        created_at: at(row.get(from + 2)?),
        last_seen: at(row.get(from + 3)?),
        address: row.get(from + 4)?,
        agent: row.get(from + 5)?,
    })
}

fn read_token(row: &Row<'_>) -> rusqlite::Result<ApiToken> {
    Ok(ApiToken {
        id: id(row, 0)?,
        name: row.get(1)?,
        scopes: serde_json::from_str(&row.get::<_, String>(2)?)
            .map_err(|error| garbled(2, error.to_string()))?,
        created_at: at(row.get(3)?),
        expires_at: row.get::<_, Option<i64>>(4)?.map(at),
        last_used: row.get::<_, Option<i64>>(5)?.map(at),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn admin(name: &str, role: AdminRole) -> Admin {
        Admin {
            id: Id::kept(name.to_lowercase()),
            name: name.into(),
            role,
            password: "$argon2id$".into(),
            version: 1,
            created_at: at(0),
        }
    }

    #[test]
    fn set_up_happens_once() {
        let store = Store::in_memory().unwrap();
        assert!(store.needs_setup().unwrap());
        store
            .insert_admin(&admin("Anna", AdminRole::Owner), true)
            .unwrap();
        assert!(!store.needs_setup().unwrap());
        assert!(matches!(
            store.insert_admin(&admin("Eve", AdminRole::Owner), true),
            Err(StoreError::Refused(_))
        ));
        assert!(matches!(
            store.insert_admin(&admin("ANNA", AdminRole::Ops), false),
            Err(StoreError::Taken(_))
        ));
        assert_eq!(store.admin_by_name("anna").unwrap().unwrap().name, "Anna");
    }

    #[test]
    fn the_last_owner_stays() {
        let store = Store::in_memory().unwrap();
        store
            .insert_admin(&admin("Anna", AdminRole::Owner), true)
            .unwrap();
        store
            .insert_admin(&admin("Ben", AdminRole::Producer), false)
            .unwrap();
        let anna = Id::kept("anna");
        assert!(matches!(
            store.delete_admin(&anna, None),
            Err(StoreError::Refused(_))
        ));
        assert!(
            store
                .change_admin(&anna, None, None, |admin| {
                    admin.role = AdminRole::Ops;
                    Ok(())
                })
                .is_err()
        );
        store
            .change_admin(&Id::kept("ben"), Some(1), None, |admin| {
                admin.role = AdminRole::Owner;
                Ok(())
            })
            .unwrap();
        store.delete_admin(&anna, None).unwrap();
    }

    fn session(number: u8) -> (AdminSession, Digest) {
        let session = AdminSession {
            id: Id::kept(format!("s{number}")),
            admin: Id::kept("anna"),
            created_at: at(1),
            last_seen: at(1),
            address: "::1".into(),
            agent: "x".into(),
        };
        (session, Digest::of(format!("t{number}")))
    }

    fn logins(store: &Store) -> Vec<String> {
        let mut found = store
            .admin_sessions(&Id::kept("anna"), at(0), at(0))
            .unwrap();
        found.sort_by_key(|session| session.id.to_string());
        found.iter().map(|session| session.id.to_string()).collect()
    }

    /// Anna, logged in twice.
    fn logged_in() -> Store {
        let store = Store::in_memory().unwrap();
        store
            .insert_admin(&admin("Anna", AdminRole::Owner), true)
            .unwrap();
        for number in 1..3 {
            let (session, token) = session(number);
            store
                .insert_admin_session(&session, token, "$argon2id$")
                .unwrap();
        }
        store
    }

    #[test]
    fn a_new_password_ends_the_other_logins_or_is_none() {
        let anna = Id::kept("anna");
        let (own, _) = session(1);
        let anew = |store: &Store| {
            store.change_admin(&anna, None, Some(&own.id), |admin| {
                admin.password = "new".into();
                Ok(())
            })
        };
        let store = logged_in();
        anew(&store).unwrap();
        assert_eq!(logins(&store), ["s1"]);
        // Not the one without the other, whatever goes wrong in between.
        let store = logged_in();
        store
            .behind("CREATE TRIGGER no BEFORE DELETE ON admin_sessions BEGIN SELECT RAISE(FAIL, 'full'); END")
            .unwrap();
        anew(&store).unwrap_err();
        assert_eq!(store.admin(&anna).unwrap().password, "$argon2id$");
        assert_eq!(logins(&store), ["s1", "s2"]);
    }

    #[test]
    fn a_new_name_ends_no_login_and_a_new_role_all() {
        let anna = Id::kept("anna");
        let store = logged_in();
        store
            .insert_admin(&admin("Ben", AdminRole::Owner), false)
            .unwrap();
        let rename = |admin: &mut Admin| {
            admin.name = "Anne".into();
            Ok(())
        };
        store.change_admin(&anna, None, None, rename).unwrap();
        assert_eq!(logins(&store), ["s1", "s2"]);
        let demote = |admin: &mut Admin| {
            admin.role = AdminRole::Ops;
            Ok(())
        };
        store.change_admin(&anna, None, None, demote).unwrap();
        assert!(logins(&store).is_empty());
    }

    /// A password is checked for a while, and may be changed meanwhile.
    #[test]
    fn who_gave_a_password_that_was_changed_meanwhile_is_not_logged_in() {
        let store = logged_in();
        store
            .change_admin(&Id::kept("anna"), None, None, |admin| {
                admin.password = "new".into();
                Ok(())
            })
            .unwrap();
        let (session, token) = session(3);
        assert!(matches!(
            store.insert_admin_session(&session, token, "$argon2id$"),
            Err(StoreError::Changed)
        ));
        assert!(logins(&store).is_empty());
        store.insert_admin_session(&session, token, "new").unwrap();
        assert_eq!(logins(&store), ["s3"]);
    }

    #[test]
    fn a_deleted_admin_is_logged_out() {
        let store = Store::in_memory().unwrap();
        store
            .insert_admin(&admin("Anna", AdminRole::Owner), true)
            .unwrap();
        store
            .insert_admin(&admin("Ben", AdminRole::Producer), false)
            .unwrap();
        let session = AdminSession {
            id: Id::kept("s"),
            admin: Id::kept("ben"),
            created_at: at(1),
            last_seen: at(1),
            address: "::1".into(),
            agent: "x".into(),
        };
        store
            .insert_admin_session(&session, Digest::of("t"), "$argon2id$")
            .unwrap();
        assert_eq!(
            store.admin_session(Digest::of("t")).unwrap().unwrap().0,
            session
        );
        assert_eq!(
            store
                .admin_sessions(&Id::kept("ben"), at(0), at(0))
                .unwrap(),
            [session]
        );
        store.delete_admin(&Id::kept("ben"), None).unwrap();
        assert!(store.admin_session(Digest::of("t")).unwrap().is_none());
    }

    #[test]
    fn an_api_token_ends_when_it_should() {
        let store = Store::in_memory().unwrap();
        let token = ApiToken {
            id: Id::kept("t"),
            name: "ci".into(),
            scopes: vec![Scope::RoomsRead],
            created_at: at(0),
            expires_at: Some(at(100_000)),
            last_used: None,
        };
        store.insert_api_token(&token, Digest::of("x")).unwrap();
        assert!(
            store
                .api_token(Digest::of("x"), at(99_999))
                .unwrap()
                .is_some()
        );
        assert_eq!(store.api_tokens().unwrap()[0].last_used, Some(at(99_999)));
        assert!(
            store
                .api_token(Digest::of("x"), at(100_000))
                .unwrap()
                .is_none()
        );
        store.delete_api_token(&token.id).unwrap();
        assert!(store.api_tokens().unwrap().is_empty());
    }
}
