//! What the API says and hears. The web's types are generated from these.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::App;
use crate::access::{LiveRoom, StreamFacts};
use crate::model::{Gate, Grant, Id, Issue, IssueCode, Link, Role, Room, Seat, Severity, Token};
use crate::settings::{Cidr, Profile, Settings};
use crate::store::{Admin, AdminRole, AdminSession, ApiToken, AuditEntry, JournalEntry, Scope};

/// What people see of a room's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RoomState {
    /// Before it opens.
    NotOpen,
    /// Open, no picture yet.
    Waiting,
    /// Open, with a picture.
    Live,
    /// Closed, or put away.
    Closed,
    /// Its time is over.
    Expired,
}

/// One browser in one room.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Visit {
    /// The name in the address.
    pub slug: String,
    /// Title.
    pub title: String,
    /// State.
    pub state: RoomState,
    /// When it opens.
    pub opens_at: Option<Timestamp>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// The server's clock, for a countdown.
    pub server_time: Timestamp,
    /// Who this browser is.
    pub me: Me,
    /// Where the picture is, while the room is open.
    pub playback: Option<Playback>,
    /// Whether the picture can be passed on.
    pub picture: PictureView,
    /// Whether the call can be joined.
    pub call: CallView,
    /// What lies over the picture.
    pub watermark: Option<Watermark>,
    /// Whether to ask for a name first.
    pub asks_name: bool,
    /// Who invited.
    pub invited_by: Option<String>,
}

/// Who a visitor is.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Me {
    /// Public identity in this room.
    pub id: Id,
    /// Name shown to others.
    pub name: String,
    /// What they may do.
    pub role: Seat,
    /// `link` or `passcode`.
    pub via: &'static str,
}

/// Addresses of the picture.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Playback {
    /// WebRTC signalling.
    pub webrtc: String,
    /// LLHLS master playlist.
    pub llhls: String,
}

/// The way of the picture: the media service.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PictureView {
    /// Whether the media service is well.
    pub available: bool,
    /// Why not.
    pub why: Option<&'static str>,
    /// Why this visitor would be refused it all the same.
    pub refused: Option<Refused>,
}

/// What keeps a visitor from the picture of an open room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Refused {
    /// As many watch as may.
    Full,
    /// It may be watched from other networks only.
    Network,
}

/// The call.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct CallView {
    /// Whether it can be joined.
    pub available: bool,
    /// Why not.
    pub why: Option<&'static str>,
}

/// What lies over the picture.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Watermark {
    /// The viewer's name.
    pub text: String,
}

/// Who is here.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Presence {
    /// Everybody with an open page.
    pub people: Vec<Person>,
    /// How many watch.
    pub watching: u32,
    /// How many are in the call.
    pub in_call: u32,
}

/// Somebody who is here.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Person {
    /// Public identity in this room.
    pub id: Id,
    /// Name.
    pub name: String,
    /// What they may do.
    pub role: Seat,
    /// Whether they watch.
    pub watching: bool,
    /// Whether they are in the call.
    pub in_call: bool,
    /// Whether it is this browser.
    pub me: bool,
}

/// A room.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RoomView {
    /// Identity.
    pub id: Id,
    /// What a change names in `If-Match`.
    pub etag: String,
    /// Title.
    pub title: String,
    /// The name in the address.
    pub slug: String,
    /// OME's stream name and MiroTalk's room name.
    pub stream: String,
    /// Quality profile.
    pub profile: String,
    /// State.
    pub state: RoomState,
    /// When it opens.
    pub opens_at: Option<Timestamp>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// Closed by a person.
    pub closed: bool,
    /// Put away.
    pub archived: bool,
    /// Most viewers.
    pub viewer_cap: Option<u32>,
    /// From where it may be watched.
    pub allowed_addresses: Vec<String>,
    /// Whether it can be entered by name.
    pub has_passcode: bool,
    /// Whether the viewer's name lies over the picture.
    pub watermark: bool,
    /// Whose it is.
    pub owner: Id,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who is live.
    pub live: LiveView,
    /// Addresses.
    pub urls: RoomUrls,
    /// What is wrong.
    pub issues: Vec<Issue>,
}

/// Who is live in a room.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LiveView {
    /// Since when.
    pub since: Option<Timestamp>,
    /// Encoders.
    pub publishers: u32,
    /// Viewers.
    pub viewers: u32,
    /// People in the call.
    pub callers: u32,
    /// Everybody who is there, each once; who neither watches nor talks waits.
    pub people: Vec<Present>,
    /// What the picture is like.
    pub facts: Option<StreamFacts>,
}

/// Somebody in a room, as the portal shows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Present {
    /// Name; empty for somebody whose link was revoked a moment ago.
    pub name: String,
    /// What they may do; absent for who is known from the call alone.
    pub role: Option<Seat>,
    /// The link they came by.
    pub link: Option<Id>,
    /// Whether they watch.
    pub watching: bool,
    /// Whether they are in the call.
    pub in_call: bool,
}

/// Addresses of a room.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RoomUrls {
    /// For people, by name and passcode.
    pub room: String,
}

/// A page of rooms.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RoomPage {
    /// Newest first.
    pub items: Vec<RoomView>,
    /// For `after`, if there are more.
    pub next: Option<String>,
}

/// A new room: the title is enough.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRoom {
    /// Title.
    pub title: String,
    /// The name in the address; made of the title when absent.
    pub slug: Option<String>,
    /// Quality profile; the first when absent.
    pub profile: Option<String>,
    /// For entering by name.
    pub passcode: Option<String>,
    /// When it opens.
    pub opens_at: Option<Timestamp>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// Most viewers.
    pub viewer_cap: Option<u32>,
    /// From where it may be watched.
    #[serde(default)]
    pub allowed_addresses: Vec<String>,
    /// Whether the viewer's name lies over the picture.
    #[serde(default)]
    pub watermark: bool,
    /// A first link, answered with the room.
    pub link: Option<NewLink>,
}

/// What changes in a room; `null` empties a field.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RoomPatch {
    /// Title.
    pub title: Option<String>,
    /// The name in the address; the old one leads on for 30 days.
    pub slug: Option<String>,
    /// Quality profile.
    pub profile: Option<String>,
    /// For entering by name.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub passcode: Option<Option<String>>,
    /// When it opens.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub opens_at: Option<Option<Timestamp>>,
    /// When it ends.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Option<Timestamp>>,
    /// Most viewers.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<u32>)]
    pub viewer_cap: Option<Option<u32>>,
    /// From where it may be watched.
    pub allowed_addresses: Option<Vec<String>>,
    /// Whether the viewer's name lies over the picture.
    pub watermark: Option<bool>,
}

/// Tells `null` from absent.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// A room that was made.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CreatedRoom {
    /// The room.
    pub room: RoomView,
    /// Its first link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<CreatedLink>,
}

/// A new link.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLink {
    /// Whom it is for; empty = whoever.
    #[serde(default)]
    pub name: String,
    /// What it allows.
    pub role: Seat,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// How many browsers it may let in.
    pub max_uses: Option<u32>,
}

/// A link, without its token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LinkView {
    /// Identity.
    pub id: Id,
    /// Whom it is for.
    pub name: String,
    /// What it allows.
    pub role: Seat,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// How many browsers it may let in.
    pub max_uses: Option<u32>,
    /// How many it has let in.
    pub uses: u32,
    /// It opens nothing any more.
    pub revoked: bool,
    /// When its holder was last here.
    pub last_seen: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A link with its address, answered once.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CreatedLink {
    /// The link.
    #[serde(flatten)]
    pub link: LinkView,
    /// The address; its fragment is the token.
    pub url: String,
}

/// Links of a room.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LinkList {
    /// Oldest first.
    pub items: Vec<LinkView>,
}

/// Whom an action interrupts.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Impact {
    /// Encoders.
    pub publishers: u32,
    /// Viewers.
    pub viewers: u32,
    /// People in the call.
    pub callers: u32,
    /// People whose page is open and who neither watch nor talk.
    pub waiting: u32,
    /// All these people, each counted once.
    pub people: u32,
    /// Their names, as far as known.
    pub names: Vec<String>,
    /// One sentence.
    pub words: String,
}

/// How to send a picture.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Ingest {
    /// The stream key.
    pub key: String,
    /// RTMP.
    pub rtmp: IngestAddress,
    /// RTMP over TLS, where it is on.
    pub rtmps: Option<IngestAddress>,
    /// SRT.
    pub srt: IngestAddress,
    /// WHIP.
    pub whip: IngestAddress,
    /// SRT's latency, in milliseconds.
    pub latency_ms: u32,
}

/// One address.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IngestAddress {
    /// What goes into the field `Server`.
    pub server: String,
    /// What goes into the field `Stream key`, where there is one.
    pub key: Option<String>,
    /// All in one.
    pub url: String,
}

/// An admin.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AdminView {
    /// Identity.
    pub id: Id,
    /// What a change names in `If-Match`.
    pub etag: String,
    /// Name.
    pub name: String,
    /// Role.
    pub role: AdminRole,
    /// When they were added.
    pub created_at: Timestamp,
}

/// Admins.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AdminList {
    /// Oldest first.
    pub items: Vec<AdminView>,
}

/// Who is logged in.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MeView {
    /// Identity.
    pub id: Id,
    /// Name.
    pub name: String,
    /// Role.
    pub role: AdminRole,
}

/// A login.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SessionView {
    /// Identity.
    pub id: Id,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_seen: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// From where.
    pub address: String,
    /// With which browser.
    pub agent: String,
    /// Whether it is this one.
    pub current: bool,
}

/// Logins.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SessionList {
    /// The latest first.
    pub items: Vec<SessionView>,
}

/// An API token, without its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TokenView {
    /// Identity.
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

/// API tokens.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TokenList {
    /// Oldest first.
    pub items: Vec<TokenView>,
}

/// A new API token with its secret, answered once.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CreatedToken {
    /// The token.
    pub token: TokenView,
    /// Its secret.
    pub secret: String,
}

/// What somebody did.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Activity {
    /// Number, rising.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// What, in words.
    pub what: String,
    /// On which room.
    pub room: Option<Id>,
    /// From which address.
    pub address: Option<String>,
}

/// A page of what people did.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ActivityPage {
    /// Newest first.
    pub items: Vec<Activity>,
    /// For `before`, if there are more.
    pub next: Option<i64>,
}

/// What the loop did.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct JournalView {
    /// Number, rising.
    pub id: i64,
    /// When it began.
    pub at: Timestamp,
    /// The look it belongs to.
    pub reconcile: u64,
    /// The service; absent for files and network.
    pub role: Option<Role>,
    /// What was done.
    pub what: String,
    /// Its cause.
    pub why: String,
    /// `done`, `failed`, or `waiting` while it goes on.
    pub outcome: String,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
    /// What went wrong.
    pub error: Option<String>,
}

/// A page of what the loop did.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct JournalPage {
    /// Newest first.
    pub items: Vec<JournalView>,
    /// For `before`, if there are more.
    pub next: Option<i64>,
}

/// The plan.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PlanView {
    /// Its steps.
    pub steps: Vec<crate::reconcile::StepView>,
    /// What is wrong.
    pub issues: Vec<Issue>,
}

/// A rendered file against what is on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FileView {
    /// Relative to `state/rendered`.
    pub path: String,
    /// `same`, `differs`, `missing`, `foreign`.
    pub state: String,
    /// Which service reads it.
    pub role: Option<Role>,
    /// Unified, secrets hidden; with one file only.
    pub diff: Option<String>,
}

/// A quality profile, as set in the settings file.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ProfileView {
    /// What rooms name it by.
    pub name: String,
    /// What people read.
    pub title: String,
    /// Below so many bits per second the encoder is said to be too slow.
    pub min_bitrate: Option<u64>,
    /// LLHLS: length of a part, in seconds.
    pub chunk_seconds: f64,
    /// LLHLS: length of a segment, in seconds; key frames come at least so often.
    pub segment_seconds: u32,
    /// Bits per second of the sound over WebRTC.
    pub audio_bitrate: u32,
}

impl From<&Profile> for ProfileView {
    fn from(profile: &Profile) -> Self {
        Self {
            name: profile.name.clone(),
            title: profile.title.clone(),
            min_bitrate: profile.min_bitrate,
            chunk_seconds: profile.chunk_seconds,
            segment_seconds: profile.segment_seconds,
            audio_bitrate: profile.audio_bitrate,
        }
    }
}

/// The quality profiles.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProfileList {
    /// In the order of the settings; a new room gets the first.
    pub items: Vec<ProfileView>,
}

/// Rendered files.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FileList {
    /// By path.
    pub items: Vec<FileView>,
}

/// A line of a container's log, redacted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LogLine {
    /// When.
    pub at: Option<Timestamp>,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// The line.
    pub text: String,
}

/// Lines of a container's log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LogList {
    /// Oldest first.
    pub items: Vec<LogLine>,
}

/// The last hour, one point per 10 s, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Series {
    /// When the newest point was taken.
    pub at: Option<Timestamp>,
    /// People who watch.
    pub viewers: Vec<Option<f64>>,
    /// Bits per second that come in.
    pub bitrate: Vec<Option<f64>>,
    /// Milliseconds a look took.
    pub reconcile_ms: Vec<Option<f64>>,
}

/// A new point of the series, as the event `point` brings it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// When it was taken.
    pub at: Timestamp,
    /// People who watch.
    pub viewers: f64,
    /// Bits per second that come in.
    pub bitrate: f64,
    /// Milliseconds a look took.
    pub reconcile_ms: f64,
}

/// What a browser in a room is told of it.
pub(super) fn visit(
    app: &App,
    room: &Room,
    session: crate::model::Digest,
    grant: &Grant,
    address: &str,
) -> Visit {
    let (settings, now) = (app.settings(), app.access.now());
    let gate = room.gate(now);
    let call_safe = app.call_is_safe();
    let picture_well = app.is_well(crate::model::Role::Ovenmediaengine);
    Visit {
        slug: room.slug.to_string(),
        title: room.title.clone(),
        state: state(app, room),
        opens_at: room.opens_at,
        expires_at: room.expires_at,
        server_time: now,
        me: Me {
            id: grant.id.clone(),
            name: grant.name.clone(),
            role: grant.seat,
            via: if grant.link.is_some() {
                "link"
            } else {
                "passcode"
            },
        },
        playback: (gate == Gate::Open).then(|| {
            let ticket = app
                .access
                .tickets()
                .ticket(&grant.id, session, &room.stream);
            playback(&settings.origin(&settings.hosts.live), room, &ticket)
        }),
        picture: PictureView {
            available: picture_well,
            why: (!picture_well)
                .then_some("The media server does not answer, or is being started."),
            refused: if is_outside(room, address) {
                Some(Refused::Network)
            } else {
                app.access
                    .live(|live| live.is_full_for(room, grant, now))
                    .then_some(Refused::Full)
            },
        },
        call: CallView {
            available: gate == Gate::Open && call_safe,
            why: match gate {
                Gate::Open if call_safe => None,
                Gate::Open => Some("The call is starting."),
                _ => Some("The room is not open."),
            },
        },
        watermark: room.watermark.then(|| Watermark {
            text: grant.name.clone(),
        }),
        asks_name: !grant.named,
        invited_by: app.name_of(&room.owner),
    }
}

/// Whether the room's route will turn this address away. Traefik decides; this
/// says it, and says nothing of an address it does not know.
fn is_outside(room: &Room, address: &str) -> bool {
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    let mut allowed = room
        .allowed_addresses
        .iter()
        .filter_map(|text| text.parse::<Cidr>().ok())
        .peekable();
    allowed.peek().is_some() && !allowed.any(|network| network.contains(address.to_canonical()))
}

/// Addresses of a room's picture at one of the two hosts that lead to it.
pub(super) fn playback(origin: &str, room: &Room, ticket: &str) -> Playback {
    let path = format!("/{}/{}", room.profile, room.stream);
    Playback {
        webrtc: format!("{}{path}?ticket={ticket}", origin.replacen("http", "ws", 1)),
        llhls: format!("{origin}{path}/llhls.m3u8?ticket={ticket}"),
    }
}

pub(super) fn state(app: &App, room: &Room) -> RoomState {
    match room.gate(app.access.now()) {
        Gate::NotOpen => RoomState::NotOpen,
        Gate::Closed | Gate::Archived => RoomState::Closed,
        Gate::Expired => RoomState::Expired,
        Gate::Open
            if app
                .access
                .live(|live| live.room(&room.stream).is_some_and(|room| room.is_live())) =>
        {
            RoomState::Live
        }
        Gate::Open => RoomState::Waiting,
    }
}

/// What the picture of a room is like, with those who watch and talk counted.
pub(super) fn facts(app: &App, room: &Room) -> Option<StreamFacts> {
    let now = app.access.now();
    app.access.live(|live| {
        let seen = live.room(&room.stream)?;
        let mut facts = seen.facts.clone()?;
        facts.hints = seen.hints();
        facts.viewers = live.viewers(&room.stream, now);
        facts.callers = u32::try_from(seen.callers.len()).unwrap_or(u32::MAX);
        Some(facts)
    })
}

pub(super) fn presence(app: &App, room: &Room, me: &Id) -> Presence {
    let (index, now) = (app.access.index(), app.access.now());
    app.access.live(|live| {
        let mut here: Vec<&Grant> = live
            .pages()
            .filter_map(|place| index.place_by_id(place, now))
            .filter(|(_, grant)| grant.room == room.id)
            .map(|(_, grant)| grant)
            .collect();
        here.sort_by(|a, b| (a.seat, &a.name, &a.id).cmp(&(b.seat, &b.name, &b.id)));
        let (talking, _) = live.callers(
            &room.stream,
            here.iter().map(|grant| (&grant.id, &*grant.name)),
        );
        let people = here
            .into_iter()
            .map(|grant| Person {
                id: grant.id.clone(),
                name: grant.name.clone(),
                role: grant.seat,
                watching: live.is_watching(&room.stream, &grant.id, now),
                in_call: talking.contains(&grant.id),
                me: grant.id == *me,
            })
            .collect();
        let in_call = live.room(&room.stream).map_or(0, |room| room.callers.len());
        Presence {
            people,
            watching: live.viewers(&room.stream, now),
            in_call: u32::try_from(in_call).unwrap_or(u32::MAX),
        }
    })
}

/// Everybody in a room, each once: who has a page open, who watches, who is in
/// the call. MiroTalk knows people by name alone.
pub(super) fn present(app: &App, room: &Room) -> Vec<Present> {
    let (index, now) = (app.access.index(), app.access.now());
    app.access.live(|live| {
        let places: BTreeSet<&Id> = live
            .pages_in(&room.id)
            .chain(live.watchers(&room.stream, now))
            .collect();
        let here: Vec<_> = places
            .into_iter()
            .map(|place| (place, index.place_by_id(place, now).map(|(_, grant)| grant)))
            .collect();
        let named = here
            .iter()
            .filter_map(|(place, grant)| grant.map(|grant| (*place, grant.name.as_str())));
        let (talking, others) = live.callers(&room.stream, named);
        let mut people: Vec<Present> = here
            .into_iter()
            .filter_map(|(place, grant)| {
                let watching = live.is_watching(&room.stream, place, now);
                (grant.is_some() || watching).then(|| Present {
                    name: grant.map_or_else(String::new, |grant| grant.name.clone()),
                    role: grant.map(|grant| grant.seat),
                    link: grant.and_then(|grant| grant.link.clone()),
                    watching,
                    in_call: talking.contains(place),
                })
            })
            .collect();
        people.extend(others.into_iter().map(|name| Present {
            name,
            role: None,
            link: None,
            watching: false,
            in_call: true,
        }));
        people.sort_by(|a, b| (&a.name, &a.link).cmp(&(&b.name, &b.link)));
        people
    })
}

/// Whom it interrupts when these people are put out and so many encoders are
/// cut: a sentence that counts everybody once.
pub(super) fn interruption(people: &[Present], publishers: u32) -> String {
    let those = |watching: bool, in_call: bool| {
        let doing = |one: &&Present| (one.watching, one.in_call) == (watching, in_call);
        u32::try_from(people.iter().filter(doing).count()).unwrap_or(u32::MAX)
    };
    let words = |number: u32, [one, many]: [&str; 2], what: &str| match number {
        0 => None,
        1 => Some(format!("1 {one} is {what}")),
        number => Some(format!("{number} {many} are {what}")),
    };
    let (person, encoder) = (["person", "people"], ["encoder", "encoders"]);
    let both = those(true, true);
    let parts: Vec<String> = [
        words(both, person, "watching and in the call"),
        words(those(true, false), person, "watching"),
        words(those(false, true), person, "in the call"),
        words(those(false, false), person, "waiting"),
        words(publishers, encoder, "streaming"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let and = if both > 0 { ", and" } else { " and" };
    match parts.as_slice() {
        [] => "This interrupts nobody.".to_owned(),
        [one] => format!("{one}."),
        [first @ .., last] => format!("{}{and} {last}.", first.join(", ")),
    }
}

pub(super) fn room_view(app: &App, room: &Room) -> RoomView {
    let settings = app.settings();
    let facts = facts(app, room);
    let (people, now) = (present(app, room), app.access.now());
    let live = app.access.live(|live| {
        let seen = live.room(&room.stream);
        LiveView {
            since: facts
                .as_ref()
                .and_then(|facts| facts.live_since)
                .or_else(|| {
                    seen.and_then(|seen| seen.publisher.as_ref())
                        .map(|publisher| publisher.since)
                }),
            publishers: u32::from(
                seen.is_some_and(|seen| seen.is_live() || seen.publisher.is_some()),
            ),
            viewers: live.viewers(&room.stream, now),
            callers: seen.map_or(0, |seen| {
                u32::try_from(seen.callers.len()).unwrap_or(u32::MAX)
            }),
            people,
            facts: facts.clone(),
        }
    });
    // Also before a look has listed the stream.
    let hints = app
        .access
        .live(|live| live.room(&room.stream).map(LiveRoom::hints))
        .unwrap_or_default();
    let offered = settings.profile_names();
    let lost = (!offered.contains(&room.profile.as_str()))
        .then(|| Issue::profile_missing(room.slug.as_str(), &room.profile, &offered));
    let issues = lost
        .into_iter()
        .chain(hints.iter().map(|hint| Issue {
            code: IssueCode::EncoderSettings,
            severity: match hint.level.as_str() {
                "error" => Severity::Error,
                "warning" => Severity::Warning,
                _ => Severity::Notice,
            },
            role: None,
            subject: room.slug.to_string(),
            what: hint.what.clone(),
            why: hint.why.clone(),
            fix: hint.fix.clone(),
        }))
        .collect();
    RoomView {
        id: room.id.clone(),
        etag: etag(room.version),
        title: room.title.clone(),
        slug: room.slug.to_string(),
        stream: room.stream.to_string(),
        profile: room.profile.clone(),
        state: state(app, room),
        opens_at: room.opens_at,
        expires_at: room.expires_at,
        closed: room.closed,
        archived: room.archived,
        viewer_cap: room.viewer_cap,
        allowed_addresses: room.allowed_addresses.clone(),
        has_passcode: room.passcode.is_some(),
        watermark: room.watermark,
        owner: room.owner.clone(),
        created_at: room.created_at,
        live,
        urls: RoomUrls {
            room: format!("{}/{}", settings.origin(&settings.hosts.live), room.slug),
        },
        issues,
    }
}

/// A version as an ETag without its quotes.
pub(super) fn etag(version: u64) -> String {
    format!("v{version}")
}

pub(super) fn link_url(settings: &Settings, token: &Token) -> String {
    format!(
        "{}/j#{}",
        settings.origin(&settings.hosts.live),
        token.expose()
    )
}

impl From<Link> for LinkView {
    fn from(link: Link) -> Self {
        Self {
            id: link.id,
            name: link.name,
            role: link.seat,
            expires_at: link.expires_at,
            max_uses: link.max_uses,
            uses: link.uses,
            revoked: link.revoked,
            last_seen: link.last_seen,
            created_at: link.created_at,
        }
    }
}

impl From<Admin> for AdminView {
    fn from(admin: Admin) -> Self {
        Self {
            etag: etag(admin.version),
            id: admin.id,
            name: admin.name,
            role: admin.role,
            created_at: admin.created_at,
        }
    }
}

impl SessionView {
    pub(super) fn new(session: AdminSession, expires_at: Timestamp, current: bool) -> Self {
        Self {
            id: session.id,
            created_at: session.created_at,
            last_seen: session.last_seen,
            expires_at,
            address: session.address,
            agent: session.agent,
            current,
        }
    }
}

impl From<ApiToken> for TokenView {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id,
            name: token.name,
            scopes: token.scopes,
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used: token.last_used,
        }
    }
}

impl From<AuditEntry> for Activity {
    fn from(entry: AuditEntry) -> Self {
        let words = entry.what.replace('-', " ");
        Self {
            id: entry.id,
            at: entry.at,
            who: entry.who,
            what: if entry.detail.is_empty() {
                words
            } else {
                format!("{words}: {}", entry.detail)
            },
            room: entry.room,
            address: Some(entry.address).filter(|address| !address.is_empty()),
        }
    }
}

impl From<JournalEntry> for JournalView {
    fn from(entry: JournalEntry) -> Self {
        Self {
            id: entry.id,
            at: entry.at,
            reconcile: entry.reconcile,
            role: entry.lane.parse().ok(),
            what: entry.action,
            why: entry.why,
            outcome: entry.outcome.unwrap_or_else(|| "waiting".to_owned()),
            took_ms: entry.duration_ms.unwrap_or_default(),
            error: entry.error,
        }
    }
}
