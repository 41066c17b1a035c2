//! Who is live: publishers, viewers, callers, as hooks and looks tell it.
//! Plain memory; a restart finds it again by looking.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};

use super::alert::{Alert, Fault};
use super::facts::{Hint, Matter, StreamFacts};
use super::is_recent;
use crate::model::{Grant, Id, Room, Seat, StreamName};

/// How long an admitted publisher that no look has confirmed keeps others out.
/// OvenMediaEngine refuses duplicates itself; this only words the refusal, so
/// it must never outlive the truth (a killed service sends no closing).
const UNCONFIRMED: SignedDuration = SignedDuration::from_secs(15);

/// Who publishes and is not listed for so long is gone.
const UNSEEN: SignedDuration = SignedDuration::from_secs(5);

/// How long an alert about a stream that is not listed yet is kept.
const UNLISTED: SignedDuration = SignedDuration::from_secs(5);

/// How long after their last request a viewer over HTTP still watches.
const HTTP_VIEWER: SignedDuration = SignedDuration::from_secs(10);

/// A connection as OvenMediaEngine names it. Closings of refused newcomers
/// carry the URLs of the live publisher; only this tells them apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Peer {
    /// `rtmp`, `srt`, `webrtc`, `llhls`, lower case.
    pub protocol: String,
    /// Client address.
    pub address: String,
    /// Client port.
    pub port: u16,
}

/// An encoder that was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publisher {
    /// Its connection.
    pub peer: Peer,
    /// When it was let in.
    pub since: Timestamp,
    /// When a hook or a look last showed it.
    pub seen: Timestamp,
}

/// Somebody who watches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Watch {
    /// Signalling connections that are open.
    connections: Vec<Peer>,
    /// When media was last asked for over HTTP.
    http: Option<Timestamp>,
}

/// How a place joins the call.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Join {
    /// What the person is called.
    own: String,
    /// What the call is told: no two places have the same.
    told: String,
}

/// One room's share.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveRoom {
    /// The encoder, once let in.
    pub publisher: Option<Publisher>,
    /// What the picture is like, while OvenMediaEngine lists the stream.
    pub facts: Option<StreamFacts>,
    /// Names of the people in the call.
    pub callers: Vec<String>,
    /// The name each place joins the call with.
    joins: BTreeMap<Id, Join>,
    watches: BTreeMap<Id, Watch>,
    alerted: Option<Alerted>,
}

/// What alerts said and no look has settled yet.
#[derive(Clone, Debug, PartialEq)]
struct Alerted {
    /// When the last one came.
    at: Timestamp,
    /// When the stream began that it is about.
    created: Option<Timestamp>,
    /// What is wrong, by kind of alert.
    faults: BTreeMap<String, Vec<Fault>>,
}

/// Everyone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Live {
    rooms: HashMap<StreamName, LiveRoom>,
    /// Pages that are open, by place.
    pages: HashMap<Id, u32>,
    /// The places with an open page, by room.
    here: BTreeMap<Id, BTreeSet<Id>>,
}

impl LiveRoom {
    /// Whether a picture can be had.
    pub fn is_live(&self) -> bool {
        self.facts.is_some()
    }

    /// What should be changed at the encoder: what its facts show, and what
    /// alerts say beyond that.
    pub fn hints(&self) -> Vec<Hint> {
        let mut hints: Vec<Hint> = self
            .facts
            .iter()
            .flat_map(|facts| facts.hints.clone())
            .collect();
        let faults = self
            .alerted
            .iter()
            .flat_map(|alerted| alerted.faults.values().flatten());
        for fault in faults {
            let is_said = hints.iter().any(|hint| {
                *hint == fault.hint
                    || (hint.about != Matter::Other && hint.about == fault.hint.about)
            });
            if !is_said {
                hints.push(fault.hint.clone());
            }
        }
        hints
    }

    /// Lets go of what a look settled: `was_live` before it.
    fn settle(&mut self, was_live: bool, now: Timestamp) {
        let Some(alerted) = &mut self.alerted else {
            return;
        };
        let stays = match &self.facts {
            Some(facts) => {
                for faults in alerted.faults.values_mut() {
                    faults.retain(|fault| !fault.is_settled(facts));
                }
                let is_another = alerted.created.is_some()
                    && facts.live_since.is_some()
                    && alerted.created != facts.live_since;
                !is_another && alerted.faults.values().any(|faults| !faults.is_empty())
            }
            None => !was_live && is_recent(alerted.at, UNLISTED, now),
        };
        if !stays {
            self.alerted = None;
        }
    }
}

impl Live {
    /// What is known of a stream.
    pub fn room(&self, stream: &StreamName) -> Option<&LiveRoom> {
        self.rooms.get(stream)
    }

    /// The streams something is known of.
    pub fn rooms(&self) -> impl Iterator<Item = (&StreamName, &LiveRoom)> {
        self.rooms.iter()
    }

    pub(super) fn room_mut(&mut self, stream: &StreamName) -> &mut LiveRoom {
        self.rooms.entry(stream.clone()).or_default()
    }

    /// The publisher that keeps another one out, if there is one.
    pub fn publisher_in_the_way(
        &self,
        stream: &StreamName,
        newcomer: &Peer,
        now: Timestamp,
    ) -> Option<&Publisher> {
        self.rooms
            .get(stream)?
            .publisher
            .as_ref()
            .filter(|publisher| {
                publisher.peer != *newcomer && is_recent(publisher.seen, UNCONFIRMED, now)
            })
    }

    /// An encoder was let in.
    pub fn publishes(&mut self, stream: &StreamName, peer: Peer, now: Timestamp) {
        let room = self.room_mut(stream);
        let since = room
            .publisher
            .as_ref()
            .filter(|publisher| publisher.peer == peer)
            .map_or(now, |publisher| publisher.since);
        room.publisher = Some(Publisher {
            peer,
            since,
            seen: now,
        });
    }

    /// Somebody was let in to watch over a connection that stays open.
    pub fn watches(&mut self, stream: &StreamName, place: &Id, peer: Peer) {
        let watch = self
            .room_mut(stream)
            .watches
            .entry(place.clone())
            .or_default();
        if !watch.connections.contains(&peer) {
            watch.connections.push(peer);
        }
    }

    /// Somebody asked for media over HTTP.
    pub fn fetched(&mut self, stream: &StreamName, place: &Id, now: Timestamp) -> bool {
        let watch = self
            .room_mut(stream)
            .watches
            .entry(place.clone())
            .or_default();
        let new = watch
            .http
            .is_none_or(|last| !is_recent(last, HTTP_VIEWER, now));
        watch.http = Some(now);
        new
    }

    /// An alert came: it lists all that holds.
    pub fn alerted(&mut self, alert: &Alert, now: Timestamp) {
        let Some(faults) = &alert.faults else {
            return;
        };
        let room = self.room_mut(&alert.stream);
        let mut kept = room
            .alerted
            .take()
            .filter(|alerted| alerted.created == alert.created)
            .map_or_else(BTreeMap::new, |alerted| alerted.faults);
        kept.insert(alert.kind.clone(), faults.clone());
        kept.retain(|_, faults| !faults.is_empty());
        room.alerted = (!kept.is_empty()).then_some(Alerted {
            at: now,
            created: alert.created,
            faults: kept,
        });
        self.forget(now);
    }

    /// A connection closed; repeated and false closings change nothing.
    pub fn closed(&mut self, peer: &Peer) -> bool {
        let mut known = false;
        for room in self.rooms.values_mut() {
            if room
                .publisher
                .as_ref()
                .is_some_and(|publisher| publisher.peer == *peer)
            {
                room.publisher = None;
                known = true;
            }
            room.watches.retain(|_, watch| {
                let before = watch.connections.len();
                watch.connections.retain(|connection| connection != peer);
                known |= watch.connections.len() != before;
                !watch.connections.is_empty() || watch.http.is_some()
            });
        }
        known
    }

    /// Whether this place watches now.
    pub fn is_watching(&self, stream: &StreamName, place: &Id, now: Timestamp) -> bool {
        self.rooms
            .get(stream)
            .and_then(|room| room.watches.get(place))
            .is_some_and(|watch| watch.is_on(now))
    }

    /// People who watch anything, and bits per second that come in.
    pub fn totals(&self, now: Timestamp) -> (u32, f64) {
        self.rooms()
            .fold((0, 0.0), |(viewers, bitrate), (stream, room)| {
                let video = room.facts.as_ref().and_then(|facts| facts.video.as_ref());
                let bits = video.map_or(0.0, |video| video.bitrate as f64);
                (viewers + self.viewers(stream, now), bitrate + bits)
            })
    }

    /// The name with which a place joins the call: its own, or that with a
    /// number where another place has it, or may have it from before a restart
    /// (`is_namesake` among the places with an open page).
    pub fn join(
        &mut self,
        stream: &StreamName,
        place: &Id,
        own: &str,
        is_namesake: impl Fn(&Id) -> bool,
    ) -> String {
        let is_anothers = self.pages.keys().any(is_namesake);
        let room = self.room_mut(stream);
        if let Some(join) = room.joins.get(place).filter(|join| join.own == own) {
            return join.told.clone();
        }
        let is_taken = |name: &str| {
            let mut others = room.joins.iter().filter(|(other, _)| *other != place);
            others.any(|(_, join)| join.told == name)
                || (is_anothers && room.callers.iter().any(|caller| caller == name))
        };
        let mut told = own.to_owned();
        let mut number = 1_u32;
        while is_taken(&told) {
            number += 1;
            told = format!("{own} {number}");
        }
        let join = Join {
            own: own.to_owned(),
            told: told.clone(),
        };
        room.joins.insert(place.clone(), join);
        told
    }

    /// Which of these places, each with its name, are in the call, and the
    /// names of the others who are. Where only the name is known (a restart
    /// forgot the rest), as many as the call has.
    pub fn callers<'a>(
        &self,
        stream: &StreamName,
        here: impl Iterator<Item = (&'a Id, &'a str)>,
    ) -> (BTreeSet<Id>, Vec<String>) {
        let mut found = BTreeSet::new();
        let Some(room) = self.rooms.get(stream) else {
            return (found, Vec::new());
        };
        let (known, unknown): (Vec<_>, Vec<_>) =
            here.partition(|(place, _)| room.joins.contains_key(*place));
        let mut others = room.callers.clone();
        let mut claim = |name: &str| {
            let at = others.iter().position(|caller| caller == name);
            at.map(|at| others.remove(at)).is_some()
        };
        for (place, _) in known {
            let told = room.joins.get(place).map(|join| &join.told);
            if told.is_some_and(|told| claim(told)) {
                found.insert(place.clone());
            }
        }
        for (place, name) in unknown {
            let is_anothers = room.joins.values().any(|join| join.told == name);
            if !is_anothers && claim(name) {
                found.insert(place.clone());
            }
        }
        (found, others)
    }

    /// How many people watch now.
    pub fn viewers(&self, stream: &StreamName, now: Timestamp) -> u32 {
        let count = self.rooms.get(stream).map_or(0, |room| {
            room.watches
                .values()
                .filter(|watch| watch.is_on(now))
                .count()
        });
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Whether a room's seats are all taken by others, for somebody who would
    /// watch: a presenter always may, and whoever watches stays.
    pub fn is_full_for(&self, room: &Room, grant: &Grant, now: Timestamp) -> bool {
        grant.seat == Seat::Viewer
            && room
                .viewer_cap
                .is_some_and(|cap| self.viewers(&room.stream, now) >= cap)
            && !self.is_watching(&room.stream, &grant.id, now)
    }

    /// The places that watch now.
    pub fn watchers(&self, stream: &StreamName, now: Timestamp) -> impl Iterator<Item = &Id> {
        let watches = self.rooms.get(stream).map(|room| &room.watches);
        watches
            .into_iter()
            .flatten()
            .filter(move |(_, watch)| watch.is_on(now))
            .map(|(place, _)| place)
    }

    /// A page of this place opened (`1`) or closed (`-1`).
    pub fn page(&mut self, place: &Id, by: i32) {
        let count = self.pages.entry(place.clone()).or_default();
        *count = count.saturating_add_signed(by);
        if *count == 0 {
            self.pages.remove(place);
        }
    }

    /// The same, of a place in `room`.
    pub fn page_in(&mut self, room: &Id, place: &Id, by: i32) {
        self.page(place, by);
        let places = self.here.entry(room.clone()).or_default();
        if self.pages.contains_key(place) {
            places.insert(place.clone());
        } else {
            places.remove(place);
        }
        if places.is_empty() {
            self.here.remove(room);
        }
    }

    /// Places with an open page.
    pub fn pages(&self) -> impl Iterator<Item = &Id> {
        self.pages.keys()
    }

    /// Places in `room` with an open page.
    pub fn pages_in(&self, room: &Id) -> impl Iterator<Item = &Id> {
        self.here.get(room).into_iter().flatten()
    }

    /// Takes over a look at OvenMediaEngine: which streams there are, and what
    /// they are like. What it does not list is not live, whatever hooks said;
    /// a publisher let in within the last moments may not be listed yet.
    pub fn looked(&mut self, mut seen: HashMap<StreamName, StreamFacts>, now: Timestamp) {
        for (stream, room) in &mut self.rooms {
            let was_live = room.is_live();
            room.facts = seen.remove(stream);
            room.settle(was_live, now);
            match &mut room.publisher {
                Some(publisher) if room.facts.is_some() => publisher.seen = now,
                Some(publisher) if !is_recent(publisher.seen, UNSEEN, now) => {
                    room.publisher = None;
                }
                _ => {}
            }
            if room.facts.is_none() && room.publisher.is_none() {
                room.watches.clear();
            }
        }
        for (stream, facts) in seen {
            self.room_mut(&stream).facts = Some(facts);
        }
        self.forget(now);
    }

    /// Takes over a look at MiroTalk: the names in each call.
    pub fn looked_at_calls(&mut self, mut calls: HashMap<StreamName, Vec<String>>, now: Timestamp) {
        for (stream, room) in &mut self.rooms {
            room.callers = calls.remove(stream).unwrap_or_default();
        }
        for (stream, callers) in calls {
            self.room_mut(&stream).callers = callers;
        }
        self.forget(now);
    }

    fn forget(&mut self, now: Timestamp) {
        for room in self.rooms.values_mut() {
            room.watches.retain(|_, watch| watch.is_on(now));
            let callers = &room.callers;
            room.joins.retain(|place, join| {
                self.pages.contains_key(place) || callers.contains(&join.told)
            });
        }
        self.rooms.retain(|_, room| *room != LiveRoom::default());
    }
}

impl Watch {
    fn is_on(&self, now: Timestamp) -> bool {
        !self.connections.is_empty()
            || self
                .http
                .is_some_and(|last| is_recent(last, HTTP_VIEWER, now))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn peer(port: u16) -> Peer {
        Peer {
            protocol: "rtmp".into(),
            address: "172.17.0.1".into(),
            port,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn namesakes_join_the_call_under_names_of_their_own() {
        let (stream, mut live): (StreamName, _) = ("roomroom1".parse().unwrap(), Live::default());
        let [one, two, three] = ["p1", "p2", "p3"].map(Id::kept);
        for place in [&one, &two, &three] {
            live.page(place, 1);
        }
        let nobody = |_: &Id| false;
        let others = |_: &Id| true;
        assert_eq!(live.join(&stream, &one, "Sam", others), "Sam");
        assert_eq!(live.join(&stream, &two, "Sam", others), "Sam 2");
        // Again and again, each the same; another name is another matter.
        assert_eq!(live.join(&stream, &one, "Sam", others), "Sam");
        assert_eq!(live.join(&stream, &three, "Kim", nobody), "Kim");

        let here = [(&one, "Sam"), (&two, "Sam"), (&three, "Kim")];
        let in_call = |live: &Live| -> Vec<Id> {
            let (found, _) = live.callers(&stream, here.into_iter());
            found.into_iter().collect()
        };
        let call = |live: &mut Live, names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            live.looked_at_calls(HashMap::from([(stream.clone(), names)]), at(1));
        };
        call(&mut live, &["Sam 2"]);
        assert_eq!(in_call(&live), std::slice::from_ref(&two));
        call(&mut live, &["Sam", "Kim"]);
        assert_eq!(in_call(&live), [one.clone(), three.clone()]);

        // A restart forgot who is who: as many as there are.
        let mut live = Live::default();
        for place in [&one, &two, &three] {
            live.page(place, 1);
        }
        call(&mut live, &["Sam"]);
        assert_eq!(in_call(&live).len(), 1);
        call(&mut live, &["Sam", "Sam"]);
        assert_eq!(in_call(&live), [one.clone(), two.clone()]);
        // Whoever comes now is not taken for them.
        assert_eq!(live.join(&stream, &three, "Sam", others), "Sam 2");
        // A name ends with its page, unless it still talks.
        live.page(&three, -1);
        call(&mut live, &[]);
        assert_eq!(live.join(&stream, &one, "Sam 2", nobody), "Sam 2");
    }

    #[test]
    fn the_closing_of_a_refused_newcomer_ends_nothing() {
        let (stream, mut live): (StreamName, _) = ("roomroom1".parse().unwrap(), Live::default());
        live.publishes(&stream, peer(1), at(0));
        assert!(
            live.publisher_in_the_way(&stream, &peer(2), at(1))
                .is_some()
        );
        assert!(!live.closed(&peer(2)));
        assert!(
            live.publisher_in_the_way(&stream, &peer(2), at(1))
                .is_some()
        );
        assert!(live.closed(&peer(1)));
        assert!(!live.closed(&peer(1)));
        assert!(
            live.publisher_in_the_way(&stream, &peer(2), at(1))
                .is_none()
        );
    }

    #[test]
    fn a_full_room_has_a_seat_for_who_presents_and_who_watches() {
        let mut live = Live::default();
        let room = Room {
            viewer_cap: Some(1),
            ..Room::sample(at(0)).unwrap()
        };
        let grant = |id: &str, seat| Grant {
            id: Id::kept(id),
            room: room.id.clone(),
            link: None,
            seat,
            name: String::new(),
            named: true,
            created_at: at(0),
        };
        let (ann, bob) = (grant("ann", Seat::Viewer), grant("bob", Seat::Viewer));
        let host = grant("host", Seat::Presenter);
        assert!(!live.is_full_for(&room, &ann, at(0)));
        live.fetched(&room.stream, &ann.id, at(0));
        assert!(!live.is_full_for(&room, &ann, at(0)));
        assert!(live.is_full_for(&room, &bob, at(0)));
        assert!(!live.is_full_for(&room, &host, at(0)));
        let endless = Room {
            viewer_cap: None,
            ..room.clone()
        };
        assert!(!live.is_full_for(&endless, &bob, at(0)));
        // Ann is gone.
        assert!(!live.is_full_for(&room, &bob, at(60)));
    }

    #[test]
    fn who_is_here_and_a_clock_set_a_day_back_or_ahead() {
        const DAY: i64 = 24 * 60 * 60;
        for step in [-DAY, DAY] {
            let (stream, mut live): (StreamName, _) =
                ("roomroom1".parse().unwrap(), Live::default());
            let place = Id::kept("p1");
            live.publishes(&stream, peer(1), at(2 * DAY));
            live.fetched(&stream, &place, at(2 * DAY));
            let later = at(2 * DAY + step);
            assert!(
                live.publisher_in_the_way(&stream, &peer(2), later)
                    .is_none(),
                "a publisher nobody saw since keeps nobody out"
            );
            let listed = HashMap::from([(stream.clone(), look(serde_json::json!({})))]);
            live.looked(listed, later);
            let room = live.room(&stream).unwrap();
            assert!(room.watches.is_empty(), "{step}: {:?}", room.watches);
            live.looked(HashMap::new(), at(2 * DAY + step + 6));
            assert!(live.room(&stream).is_none(), "{step}");
        }
    }

    /// A look that lists the stream, at the moment the alert is about.
    fn look(detail: serde_json::Value) -> StreamFacts {
        StreamFacts::of(&serde_json::json!({"input": detail}), None, None, at(0))
    }

    #[test]
    fn an_alert_holds_until_facts_speak_about_the_same() {
        let (stream, mut live): (StreamName, _) = ("roomone1".parse().unwrap(), Live::default());
        let alert = |codes: &[&str]| {
            let messages: Vec<_> = codes
                .iter()
                .map(|code| serde_json::json!({"code": code}))
                .collect();
            Alert::read(&serde_json::json!({"messages": messages, "type": "INGRESS",
                "sourceUri": "#default#app/roomone1", "sourceInfo": {"createdTime": "1970-01-01T00:00:00Z"}}))
            .unwrap()
        };
        let said = |live: &Live| -> Vec<String> {
            let hints = live.room(&stream).map(LiveRoom::hints).unwrap_or_default();
            hints.into_iter().map(|hint| hint.what).collect()
        };
        let looked = |live: &mut Live, facts: StreamFacts, second: i64| {
            live.looked(HashMap::from([(stream.clone(), facts)]), at(second));
        };
        let picture = |b_frames: bool, frames: f64| {
            look(
                serde_json::json!({"createdTime": "1970-01-01T00:00:00Z", "tracks": [
                {"type": "Video", "video": {"codec": "H264", "framerate": 25.0, "hasBframes": b_frames, "keyFrameInterval": frames}},
                {"type": "Audio", "audio": {"codec": "AAC"}}]}),
            )
        };
        const B: &str = "The encoder sends B-frames.";
        const KEY: &str = "Key frames come too seldom.";
        // Before any look lists the stream.
        live.alerted(
            &alert(&[
                "INGRESS_HAS_BFRAME",
                "INGRESS_LONG_KEY_FRAME_INTERVAL",
                "INGRESS_NEW",
            ]),
            at(1),
        );
        assert_eq!(said(&live).len(), 3);
        // Facts say it themselves: once. The interval they do not know yet.
        looked(&mut live, picture(true, 0.0), 2);
        assert_eq!(said(&live), [B, KEY, "OvenMediaEngine says: ingress new."]);
        looked(&mut live, picture(true, 25.0), 3);
        assert_eq!(said(&live), [B, "OvenMediaEngine says: ingress new."]);
        // It was mended, and no alert came for that.
        looked(&mut live, picture(false, 25.0), 4);
        assert_eq!(said(&live), ["OvenMediaEngine says: ingress new."]);
        // An alert is newer than the last look, and lists all that holds.
        live.alerted(&alert(&["INGRESS_HAS_BFRAME"]), at(5));
        assert_eq!(said(&live), [B]);
        live.alerted(&alert(&["OK"]), at(6));
        assert!(said(&live).is_empty());
        // With the stream it ends.
        live.alerted(&alert(&["INGRESS_NEW"]), at(7));
        live.looked(HashMap::new(), at(8));
        assert!(said(&live).is_empty());
        // About a stream that never comes, and about the one before.
        live.alerted(&alert(&["INGRESS_NEW"]), at(9));
        live.looked(HashMap::new(), at(10));
        assert_eq!(said(&live).len(), 1);
        live.looked(HashMap::new(), at(15));
        assert!(live.room(&stream).is_none(), "nothing of it is kept");
        live.alerted(&alert(&["INGRESS_NEW"]), at(16));
        let other = look(
            serde_json::json!({"createdTime": "1970-01-01T00:00:16Z", "tracks": [
            {"type": "Video", "video": {"codec": "H264"}}, {"type": "Audio", "audio": {}}]}),
        );
        looked(&mut live, other, 17);
        assert!(said(&live).is_empty());
    }

    #[test]
    fn a_publisher_nobody_sees_any_more_keeps_nobody_out() {
        let (stream, mut live): (StreamName, _) = ("roomroom1".parse().unwrap(), Live::default());
        live.publishes(&stream, peer(1), at(0));
        live.looked(HashMap::new(), at(2));
        assert!(
            live.publisher_in_the_way(&stream, &peer(2), at(2))
                .is_some()
        );
        live.looked(HashMap::new(), at(6));
        assert!(
            live.publisher_in_the_way(&stream, &peer(2), at(6))
                .is_none()
        );
        // Without any look at all, after a while.
        live.publishes(&stream, peer(1), at(0));
        assert!(
            live.publisher_in_the_way(&stream, &peer(2), at(16))
                .is_none()
        );
    }

    #[test]
    fn a_person_counts_once_however_they_watch() {
        let (stream, mut live): (StreamName, _) = ("roomroom1".parse().unwrap(), Live::default());
        let (ann, bob) = (Id::kept("ann"), Id::kept("bob"));
        live.watches(&stream, &ann, peer(1));
        live.watches(&stream, &ann, peer(2));
        live.fetched(&stream, &ann, at(0));
        live.fetched(&stream, &bob, at(0));
        assert_eq!(live.viewers(&stream, at(5)), 2);
        assert_eq!(live.viewers(&stream, at(11)), 1);
        live.closed(&peer(1));
        assert_eq!(live.viewers(&stream, at(11)), 1);
        live.closed(&peer(2));
        assert_eq!(live.viewers(&stream, at(11)), 0);
    }

    #[test]
    fn open_pages_are_known_by_room_until_the_last_one_closes() {
        let (reel, spot, ann) = (Id::kept("reel"), Id::kept("spot"), Id::kept("ann"));
        let mut live = Live::default();
        for by in [1, 1, -1] {
            live.page_in(&reel, &ann, by);
        }
        assert_eq!(live.pages_in(&reel).collect::<Vec<_>>(), [&ann]);
        assert_eq!(live.pages_in(&spot).count(), 0);
        live.page_in(&reel, &ann, -1);
        assert_eq!(live, Live::default(), "nothing of it is kept");
    }
}
