//! Everything admission has to know, in memory: an immutable value that is
//! replaced when the store or the clock says so. Every question is answered
//! from it; nothing waits for a disk.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{Digest, Gate, Grant, Id, Link, Room, Slug, StreamName};
use crate::store::Visitor;

/// Rooms, links, and who was let in.
#[derive(Clone, Debug, Default)]
pub struct Index {
    pub(super) rooms: Arc<Rooms>,
    pub(super) people: Arc<People>,
}

/// The rooms that are not put away.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    by_id: HashMap<Id, Arc<Room>>,
    by_stream: HashMap<StreamName, Id>,
    by_key: HashMap<Digest, Id>,
    by_slug: HashMap<Slug, Id>,
    redirects: HashMap<Slug, Slug>,
    links: HashMap<Id, Link>,
    new_keys: HashMap<Id, Timestamp>,
    /// What was open when this was made, to compare with what follows.
    pub(super) open: BTreeMap<StreamName, Open>,
    /// When somebody's right changes by itself.
    pub(super) next_change: Option<Timestamp>,
}

/// A room that was open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) room: Id,
    pub(super) profile: String,
    pub(super) key: Digest,
}

/// Who was let in.
#[derive(Clone, Debug, Default)]
pub(super) struct People {
    /// By digest of the session's cookie.
    sessions: HashMap<Digest, Arc<Visitor>>,
    /// By public identity of the place.
    places: HashMap<Id, Digest>,
}

impl Rooms {
    pub(super) fn new(
        rooms: Vec<Room>,
        links: Vec<Link>,
        redirects: Vec<(Slug, Slug)>,
        now: Timestamp,
    ) -> Self {
        let mut index = Self {
            redirects: redirects.into_iter().collect(),
            next_change: rooms
                .iter()
                .filter_map(|room| room.next_change(now))
                .chain(
                    links
                        .iter()
                        .filter_map(|link| link.expires_at)
                        .filter(|at| *at > now),
                )
                .min(),
            links: links
                .into_iter()
                .map(|link| (link.id.clone(), link))
                .collect(),
            ..Self::default()
        };
        for room in rooms {
            index.by_stream.insert(room.stream.clone(), room.id.clone());
            index.by_key.insert(room.key.digest(), room.id.clone());
            index.by_slug.insert(room.slug.clone(), room.id.clone());
            if room.gate(now) == Gate::Open {
                let open = Open {
                    room: room.id.clone(),
                    profile: room.profile.clone(),
                    key: room.key.digest(),
                };
                index.open.insert(room.stream.clone(), open);
            }
            index.by_id.insert(room.id.clone(), Arc::new(room));
        }
        index
    }
}

impl People {
    pub(super) fn new(visitors: Vec<Visitor>) -> Self {
        let mut people = Self::default();
        for visitor in visitors {
            people.places.extend(
                visitor
                    .grants
                    .iter()
                    .map(|grant| (grant.id.clone(), visitor.token)),
            );
            people.sessions.insert(visitor.token, Arc::new(visitor));
        }
        people
    }

    /// With `grant` in place of what the session had in that room.
    pub(super) fn with(&self, session: Digest, grant: Grant, now: Timestamp) -> Self {
        let mut people = self.clone();
        let mut visitor = people.sessions.get(&session).map_or_else(
            || Visitor {
                token: session,
                created_at: now,
                last_seen: now,
                grants: Vec::new(),
            },
            |visitor| Visitor::clone(visitor),
        );
        for old in visitor.grants.extract_if(.., |old| old.room == grant.room) {
            people.places.remove(&old.id);
        }
        people.places.insert(grant.id.clone(), session);
        visitor.grants.push(grant);
        people.sessions.insert(session, Arc::new(visitor));
        people
    }

    /// Without the session's place in `room`.
    pub(super) fn without(&self, session: Digest, room: &Id) -> Self {
        let mut people = self.clone();
        if let Some(visitor) = people.sessions.get(&session) {
            let mut visitor = Visitor::clone(visitor);
            for old in visitor.grants.extract_if(.., |old| old.room == *room) {
                people.places.remove(&old.id);
            }
            people.sessions.insert(session, Arc::new(visitor));
        }
        people
    }
}

impl Index {
    /// An index of these values as of `now`.
    pub fn new(
        rooms: Vec<Room>,
        links: Vec<Link>,
        redirects: Vec<(Slug, Slug)>,
        visitors: Vec<Visitor>,
        now: Timestamp,
    ) -> Self {
        Self {
            rooms: Arc::new(Rooms::new(rooms, links, redirects, now)),
            people: Arc::new(People::new(visitors)),
        }
    }

    /// Knowing when rooms were given another publish key.
    pub(super) fn with_new_keys(mut self, new_keys: Vec<(Id, Timestamp)>) -> Self {
        // Nobody else has it yet.
        if let Some(rooms) = Arc::get_mut(&mut self.rooms) {
            rooms.new_keys = new_keys.into_iter().collect();
        }
        self
    }

    /// When this room was given another publish key.
    pub(super) fn new_key(&self, room: &Id) -> Option<Timestamp> {
        self.rooms.new_keys.get(room).copied()
    }

    /// The room with this identity.
    pub fn room(&self, id: &Id) -> Option<&Arc<Room>> {
        self.rooms.by_id.get(id)
    }

    /// Every room that is not put away.
    pub fn rooms(&self) -> impl Iterator<Item = &Arc<Room>> {
        self.rooms.by_id.values()
    }

    /// The room that publishes with a key of this digest.
    pub fn room_by_key(&self, key: Digest) -> Option<&Arc<Room>> {
        self.room(self.rooms.by_key.get(&key)?)
    }

    /// The room of this stream.
    pub fn room_by_stream(&self, stream: &StreamName) -> Option<&Arc<Room>> {
        self.room(self.rooms.by_stream.get(stream)?)
    }

    /// The room of this name.
    pub fn room_by_slug(&self, slug: &str) -> Option<&Arc<Room>> {
        self.room(self.rooms.by_slug.get(&Slug::kept(slug))?)
    }

    /// The name a former name leads to.
    pub fn redirect(&self, slug: &str) -> Option<&Slug> {
        self.rooms.redirects.get(&Slug::kept(slug))
    }

    /// The session's place in a room, while its link holds.
    pub fn place(&self, session: Digest, room: &Id, now: Timestamp) -> Option<&Grant> {
        let grant = self
            .people
            .sessions
            .get(&session)?
            .grants
            .iter()
            .find(|grant| grant.room == *room)?;
        self.holds(grant, now).then_some(grant)
    }

    /// The place with this public identity and the session it belongs to,
    /// while its link holds.
    pub fn place_by_id(&self, id: &Id, now: Timestamp) -> Option<(Digest, &Grant)> {
        let session = *self.people.places.get(id)?;
        let grant = self
            .people
            .sessions
            .get(&session)?
            .grants
            .iter()
            .find(|grant| grant.id == *id)?;
        self.holds(grant, now).then_some((session, grant))
    }

    /// Whether a cookie of this digest is known.
    pub fn knows(&self, session: Digest) -> bool {
        self.people.sessions.contains_key(&session)
    }

    /// The link a place came by.
    pub fn link(&self, id: &Id) -> Option<&Link> {
        self.rooms.links.get(id)
    }

    /// When somebody's right changes by itself.
    pub fn next_change(&self) -> Option<Timestamp> {
        self.rooms.next_change
    }

    /// When a place in a room ends by itself: with its link or its room.
    pub fn ends_at(&self, grant: &Grant) -> Option<Timestamp> {
        let link = grant
            .link
            .as_ref()
            .and_then(|link| self.link(link))
            .and_then(|link| link.expires_at);
        let room = self.room(&grant.room).and_then(|room| room.expires_at);
        [link, room].into_iter().flatten().min()
    }

    fn holds(&self, grant: &Grant, now: Timestamp) -> bool {
        match &grant.link {
            None => true,
            Some(link) => self
                .link(link)
                .is_some_and(|link| !link.revoked && link.expires_at.is_none_or(|at| at > now)),
        }
    }
}
