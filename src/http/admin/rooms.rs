//! Rooms and links.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::App;
use super::super::problem::{Body, Problem};
use super::super::views::{
    self, ActivityPage, CreatedLink, CreatedRoom, Impact, Ingest, IngestAddress, LinkList,
    LinkView, NewLink, NewRoom, Playback, Present, ProfileList, RoomPage, RoomPatch, RoomView,
    room_view,
};
use super::super::zip::zip;
use super::people::audit_page;
use super::{Actor, CameFrom, Where, Who, audit};
use crate::access::{blocking, random};
use crate::model::{
    Gate, Id, Link, PublishKey, Room, Secret, Slug, StreamName, Token, Wrong, network, one_line,
};
use crate::settings::Settings;
use crate::store::{NewAudit, StoreError, Visits};

/// Longest title.
const TITLE: usize = 120;
/// What SRT may wait for a lost packet.
const SRT_LATENCY_MS: u32 = 200;

/// Which page.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Paging {
    pub(super) before: Option<i64>,
    pub(super) limit: Option<u32>,
}

/// How many a page holds.
pub(super) fn limit(asked: Option<u32>, usual: u32) -> u32 {
    asked.unwrap_or(usual).clamp(1, 500)
}

/// The version a change was made from; `None` for `*`.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let missing = || {
        Problem::new(
            StatusCode::PRECONDITION_REQUIRED,
            "etag-missing",
            "It is not said which state this change was made from",
            "Send the `etag` as `If-Match`.",
        )
    };
    let text = headers
        .get(header::IF_MATCH)
        .ok_or_else(missing)?
        .to_str()
        .unwrap_or_default()
        .trim();
    if text == "*" {
        return Ok(None);
    }
    let number = text
        .trim_matches('"')
        .strip_prefix('v')
        .and_then(|number| number.parse().ok());
    number.map(Some).ok_or_else(|| StoreError::Changed.into())
}

async fn find(app: &App, actor: &Actor, id: String) -> Result<Room, Problem> {
    let store = app.store.clone();
    let room = blocking(move || store.room(&Id::kept(id))).await?;
    // What is not theirs is not there.
    if actor.sees(&room) {
        Ok(room)
    } else {
        Err(Problem::not_found("room"))
    }
}

/// Changes a room everywhere before it is answered.
async fn edit(
    app: &App,
    room: &Room,
    version: Option<u64>,
    change: impl FnOnce(&mut Room) -> Result<Visits, StoreError> + Send + 'static,
) -> Result<Room, Problem> {
    let (store, access, id, now) = (
        app.store.clone(),
        app.access.clone(),
        room.id.clone(),
        app.access.now(),
    );
    let stream = StreamName::new(&random());
    let after = blocking(move || {
        let (_, after) = store.change_room(&id, version, now, |room| {
            let before = room.clone();
            let visits = change(room)?;
            // Who was in the call of a room that was shut still holds its old
            // name; they come in again through the door, or not at all.
            let shut = |gate| matches!(gate, Gate::Closed | Gate::Expired | Gate::Archived);
            if room.stream == before.stream && shut(room.gate(now)) != shut(before.gate(now)) {
                room.stream = stream;
            }
            Ok(visits)
        })?;
        access.refresh()?;
        Ok(after)
    })
    .await?;
    Ok(after)
}

#[derive(Deserialize)]
pub struct ListQuery {
    #[serde(default)]
    archived: bool,
    after: Option<String>,
    limit: Option<u32>,
}

pub async fn list(
    State(app): State<App>,
    Extension(actor): Who,
    Query(asked): Query<ListQuery>,
) -> Result<Json<RoomPage>, Problem> {
    let limit = limit(asked.limit, 100);
    let (store, owner) = (app.store.clone(), actor.own_rooms_only().cloned());
    let rooms = blocking(move || {
        let after = asked.after.map(Id::kept);
        store.rooms_page(asked.archived, owner.as_ref(), after.as_ref(), limit + 1)
    })
    .await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let next = rooms
        .get(limit)
        .and_then(|_| rooms.get(limit - 1))
        .map(|room| room.id.to_string());
    Ok(Json(RoomPage {
        items: rooms
            .iter()
            .take(limit)
            .map(|room| room_view(&app, room))
            .collect(),
        next,
    }))
}

fn profile(settings: &Settings, name: Option<String>) -> Result<String, Problem> {
    let names: Vec<&str> = settings
        .profiles
        .iter()
        .map(|profile| profile.name.as_str())
        .collect();
    match name {
        None => Ok(names.first().copied().unwrap_or_default().to_owned()),
        Some(name) if names.contains(&name.as_str()) => Ok(name),
        Some(_) => Err(Wrong::new("profile", format!("one of {}", names.join(", "))).into()),
    }
}

fn profiles(settings: &Settings) -> Vec<String> {
    settings
        .profiles
        .iter()
        .map(|profile| profile.name.clone())
        .collect()
}

fn slug(settings: &Settings, text: &str) -> Result<Slug, Problem> {
    let profiles = profiles(settings);
    Slug::check(text.trim(), profiles.iter().map(String::as_str))
        .map_err(|what| Wrong::new("slug", what).into())
}

async fn passcode(app: &App, text: String) -> Result<String, Problem> {
    match text.chars().count() {
        0..4 => Err(Wrong::new("passcode", "at least 4 characters").into()),
        4..=100 => app
            .access
            .passwords
            .hash(Secret::new(text))
            .await
            .ok_or_else(Problem::failed),
        _ => Err(Wrong::new("passcode", "at most 100 characters").into()),
    }
}

fn networks(list: Vec<String>) -> Result<Vec<String>, Problem> {
    if list.len() > 200 {
        return Err(Wrong::new("allowed_addresses", "at most 200").into());
    }
    Ok(list
        .iter()
        .map(|text| network(text))
        .collect::<Result<_, _>>()?)
}

fn times(opens_at: Option<Timestamp>, expires_at: Option<Timestamp>) -> Result<(), Problem> {
    match (opens_at, expires_at) {
        (Some(opens), Some(expires)) if expires <= opens => {
            Err(Wrong::new("expires_at", "later than the room opens").into())
        }
        _ => Ok(()),
    }
}

fn cap(cap: Option<u32>) -> Result<Option<u32>, Problem> {
    match cap {
        Some(0) => Err(Wrong::new("viewer_cap", "at least 1, or none").into()),
        cap => Ok(cap),
    }
}

async fn free_slug(app: &App, title: String) -> Result<Slug, Problem> {
    let (store, profiles, now) = (
        app.store.clone(),
        profiles(&app.settings()),
        app.access.now(),
    );
    // At once, for a hundred rooms of one title are a hundred questions.
    let taken = blocking(move || store.slugs(now)).await?;
    let profiles = profiles.iter().map(String::as_str);
    Ok(Slug::suggest(&title, profiles, |slug| taken.contains(slug)))
}

fn new_link(room: &Room, asked: NewLink, now: Timestamp) -> Result<(Link, Token), Problem> {
    let name = if asked.name.trim().is_empty() {
        String::new()
    } else {
        one_line("name", &asked.name, 60)?
    };
    if asked.max_uses == Some(0) {
        return Err(Wrong::new("max_uses", "at least 1, or none").into());
    }
    if asked.expires_at.is_some_and(|at| at <= now) {
        return Err(Wrong::new("expires_at", "a time to come").into());
    }
    let link = Link {
        id: Id::new(&random()),
        room: room.id.clone(),
        name,
        seat: asked.role,
        expires_at: asked.expires_at,
        max_uses: asked.max_uses,
        uses: 0,
        revoked: false,
        last_seen: None,
        created_at: now,
    };
    Ok((link, Token::new(&random())))
}

pub async fn create(
    State(app): State<App>,
    Extension(actor): Who,
    Extension(from): Where,
    Body(asked): Body<NewRoom>,
) -> Result<(StatusCode, Json<CreatedRoom>), Problem> {
    let (settings, now) = (app.settings(), app.access.now());
    let title = one_line("title", &asked.title, TITLE)?;
    times(asked.opens_at, asked.expires_at)?;
    if asked.expires_at.is_some_and(|at| at <= now) {
        return Err(Wrong::new("expires_at", "a time to come").into());
    }
    let slug = match asked.slug.filter(|slug| !slug.trim().is_empty()) {
        Some(text) => slug(&settings, &text)?,
        None => free_slug(&app, title.clone()).await?,
    };
    let passcode = match asked.passcode.filter(|text| !text.is_empty()) {
        Some(text) => Some(passcode(&app, text).await?),
        None => None,
    };
    let room = Room {
        id: Id::new(&random()),
        version: 1,
        title,
        slug,
        stream: StreamName::new(&random()),
        key: PublishKey::new(&random()),
        profile: profile(&settings, asked.profile)?,
        passcode,
        opens_at: asked.opens_at,
        expires_at: asked.expires_at,
        closed: false,
        archived: false,
        viewer_cap: cap(asked.viewer_cap)?,
        allowed_addresses: networks(asked.allowed_addresses)?,
        watermark: asked.watermark,
        owner: actor.owner_id(),
        created_at: now,
    };
    let link = asked
        .link
        .map(|asked| new_link(&room, asked, now))
        .transpose()?;
    let (store, access, kept, kept_link) = (
        app.store.clone(),
        app.access.clone(),
        room.clone(),
        link.clone(),
    );
    blocking(move || {
        let link = kept_link.as_ref();
        let link = link.map(|(link, token)| (link, token.digest()));
        store.insert_room_with(&kept, link, now)?;
        access.refresh()
    })
    .await?;
    told(&app, &actor, &from, &room, "room-made", room.title.clone()).await;
    let link = link.map(|(link, token)| CreatedLink {
        link: link.into(),
        url: views::link_url(&settings, &token),
    });
    Ok((
        StatusCode::CREATED,
        Json(CreatedRoom {
            room: room_view(&app, &room),
            link,
        }),
    ))
}

pub async fn show(
    State(app): State<App>,
    Extension(actor): Who,
    Path(id): Path<String>,
) -> Result<Json<RoomView>, Problem> {
    let room = find(&app, &actor, id).await?;
    Ok(Json(room_view(&app, &room)))
}

pub async fn change(
    State(app): State<App>,
    Extension(actor): Who,
    Extension(from): Where,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(asked): Body<RoomPatch>,
) -> Result<Json<RoomView>, Problem> {
    let version = if_match(&headers)?;
    let before = find(&app, &actor, id).await?;
    let settings = app.settings();
    times(
        asked.opens_at.unwrap_or(before.opens_at),
        asked.expires_at.unwrap_or(before.expires_at),
    )?;
    let title = asked
        .title
        .map(|title| one_line("title", &title, TITLE))
        .transpose()?;
    // Its own name is right, whatever was reserved since.
    let slug = asked
        .slug
        .filter(|text| text.trim() != before.slug.as_str())
        .map(|text| slug(&settings, &text))
        .transpose()?;
    let profile = asked
        .profile
        .map(|name| profile(&settings, Some(name)))
        .transpose()?;
    let viewer_cap = asked.viewer_cap.map(cap).transpose()?;
    let allowed_addresses = asked.allowed_addresses.map(networks).transpose()?;
    let passcode = match asked.passcode {
        Some(Some(text)) if !text.is_empty() => Some(Some(passcode(&app, text).await?)),
        Some(_) => Some(None),
        None => None,
    };
    let after = edit(&app, &before, version, move |room| {
        room.title = title.unwrap_or_else(|| room.title.clone());
        room.slug = slug.unwrap_or_else(|| room.slug.clone());
        room.profile = profile.unwrap_or_else(|| room.profile.clone());
        room.passcode = passcode.unwrap_or_else(|| room.passcode.clone());
        room.opens_at = asked.opens_at.unwrap_or(room.opens_at);
        room.expires_at = asked.expires_at.unwrap_or(room.expires_at);
        room.viewer_cap = viewer_cap.unwrap_or(room.viewer_cap);
        room.allowed_addresses =
            allowed_addresses.unwrap_or_else(|| room.allowed_addresses.clone());
        room.watermark = asked.watermark.unwrap_or(room.watermark);
        Ok(Visits::Keep)
    })
    .await?;
    told(
        &app,
        &actor,
        &from,
        &after,
        "room-changed",
        differences(&before, &after),
    )
    .await;
    Ok(Json(room_view(&app, &after)))
}

/// Which fields changed; never their values where they are secret.
fn differences(before: &Room, after: &Room) -> String {
    let mut words = Vec::new();
    let mut note = |changed: bool, word: &str| {
        if changed {
            words.push(word.to_owned());
        }
    };
    note(before.title != after.title, "title");
    note(before.slug != after.slug, "name");
    note(before.profile != after.profile, "profile");
    note(before.passcode != after.passcode, "passcode");
    note(before.opens_at != after.opens_at, "opening");
    note(before.expires_at != after.expires_at, "end");
    note(before.viewer_cap != after.viewer_cap, "viewer limit");
    note(
        before.allowed_addresses != after.allowed_addresses,
        "allowed addresses",
    );
    note(before.watermark != after.watermark, "watermark");
    words.join(", ")
}

#[derive(Deserialize)]
pub struct RemoveQuery {
    #[serde(default)]
    forever: bool,
}

pub async fn remove(
    State(app): State<App>,
    Extension(actor): Who,
    Extension(from): Where,
    Path(id): Path<String>,
    Query(asked): Query<RemoveQuery>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let version = if_match(&headers)?;
    let room = find(&app, &actor, id).await?;
    if asked.forever {
        let (store, access, boards) = (app.store.clone(), app.access.clone(), app.boards.clone());
        let gone = Arc::new(room.clone());
        blocking(move || {
            store.delete_room(&gone.id, version)?;
            boards.drop_room(gone);
            access.refresh()
        })
        .await?;
        told(
            &app,
            &actor,
            &from,
            &room,
            "room-deleted",
            room.title.clone(),
        )
        .await;
    } else {
        edit(&app, &room, version, |room| {
            room.archived = true;
            Ok(Visits::Keep)
        })
        .await?;
        told(&app, &actor, &from, &room, "room-archived", String::new()).await;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// An action with its word, its rule, and what it does.
async fn act(
    app: App,
    actor: Actor,
    from: CameFrom,
    id: String,
    headers: HeaderMap,
    word: &'static str,
    change: impl FnOnce(&mut Room) -> Result<Visits, StoreError> + Send + 'static,
) -> Result<Json<RoomView>, Problem> {
    let version = if_match(&headers)?;
    let room = find(&app, &actor, id).await?;
    let after = edit(&app, &room, version, change).await?;
    told(&app, &actor, &from, &after, word, String::new()).await;
    Ok(Json(room_view(&app, &after)))
}

fn not_archived(room: &Room) -> Result<(), StoreError> {
    if room.archived {
        Err(StoreError::Refused(
            "restore the room from the archive first",
        ))
    } else {
        Ok(())
    }
}

pub async fn open(
    State(app): State<App>,
    Extension(actor): Who,
    Extension(from): Where,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<RoomView>, Problem> {
    let now = app.access.now();
    act(app, actor, from, id, headers, "room-opened", move |room| {
        not_archived(room)?;
        room.closed = false;
        // Now means now: a time that says otherwise is over.
        room.opens_at = room.opens_at.filter(|at| *at <= now);
        room.expires_at = room.expires_at.filter(|at| *at > now);
        Ok(Visits::Keep)
    })
    .await
}

pub async fn close(
    State(app): State<App>,
    Extension(actor): Who,
    Extension(from): Where,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<RoomView>, Problem> {
    act(app, actor, from, id, headers, "room-closed", |room| {
        not_archived(room)?;
        room.closed = true;
        Ok(Visits::Keep)
    })
    .await
}

pub async fn restore(
    State(app): State<App>,
    Extension(actor): Who,
    Extension(from): Where,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<RoomView>, Problem> {
    act(app, actor, from, id, headers, "room-restored", |room| {
        if !room.archived {
            return Err(StoreError::Refused("the room is not in the archive"));
        }
        room.archived = false;
        // Nothing goes live by surprise.
        room.closed = true;
        Ok(Visits::Keep)
    })
    .await
}

pub async fn rotate_key(
    State(app): State<App>,
    Extension(actor): Who,
    Extension(from): Where,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<RoomView>, Problem> {
    let key = PublishKey::new(&random());
    act(app, actor, from, id, headers, "key-rotated", move |room| {
        room.key = key;
        Ok(Visits::Keep)
    })
    .await
}

pub async fn rotate_stream(
    State(app): State<App>,
    Extension(actor): Who,
    Extension(from): Where,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<RoomView>, Problem> {
    let stream = StreamName::new(&random());
    act(
        app,
        actor,
        from,
        id,
        headers,
        "stream-rotated",
        move |room| {
            room.stream = stream;
            Ok(Visits::End)
        },
    )
    .await
}

pub async fn duplicate(
    State(app): State<App>,
    Extension(actor): Who,
    Extension(from): Where,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<RoomView>), Problem> {
    let room = find(&app, &actor, id).await?;
    let now = app.access.now();
    let title: String = format!(
        "{} (copy)",
        room.title.chars().take(TITLE - 7).collect::<String>()
    );
    let copy = Room {
        id: Id::new(&random()),
        version: 1,
        slug: free_slug(&app, title.clone()).await?,
        title,
        stream: StreamName::new(&random()),
        key: PublishKey::new(&random()),
        opens_at: None,
        expires_at: None,
        closed: false,
        archived: false,
        owner: actor.owner_id(),
        created_at: now,
        ..room.clone()
    };
    let (store, access, kept) = (app.store.clone(), app.access.clone(), copy.clone());
    blocking(move || {
        store.insert_room(&kept, now)?;
        access.refresh()
    })
    .await?;
    told(
        &app,
        &actor,
        &from,
        &copy,
        "room-made",
        format!("a copy of {}", room.title),
    )
    .await;
    Ok((StatusCode::CREATED, Json(room_view(&app, &copy))))
}

#[derive(Deserialize)]
pub struct ImpactQuery {
    #[serde(default)]
    action: String,
}

pub async fn impact(
    State(app): State<App>,
    Extension(actor): Who,
    Path(id): Path<String>,
    Query(asked): Query<ImpactQuery>,
) -> Result<Json<Impact>, Problem> {
    let room = find(&app, &actor, id).await?;
    let live = room_view(&app, &room).live;
    let (publishers, people) = match asked.action.as_str() {
        "close" | "archive" | "delete" | "rotate-stream" => (live.publishers, live.people),
        // The picture ends until the encoder has the new key; the call goes on,
        // and who waits goes on waiting.
        "rotate-key" | "profile" => {
            let watching = live.people.into_iter().filter(|one| one.watching);
            let without_call = |one| Present {
                in_call: false,
                ..one
            };
            (live.publishers, watching.map(without_call).collect())
        }
        _ => (0, Vec::new()),
    };
    let count = |counts: fn(&&Present) -> bool| {
        u32::try_from(people.iter().filter(counts).count()).unwrap_or(u32::MAX)
    };
    let mut words = views::interruption(&people, publishers);
    if asked.action == "rotate-stream" {
        words.push_str(" Every link of the room stops working.");
    }
    let mut impact = Impact {
        publishers,
        viewers: count(|one| one.watching),
        callers: count(|one| one.in_call),
        waiting: count(|one| !one.watching && !one.in_call),
        people: count(|_| true),
        names: Vec::new(),
        words,
    };
    let named = people.into_iter().map(|one| one.name);
    impact.names = named.filter(|name| !name.is_empty()).collect();
    impact.names.dedup();
    Ok(Json(impact))
}

fn media_host(settings: &Settings) -> &str {
    settings
        .public_address
        .as_deref()
        .unwrap_or(&settings.hosts.live)
}

pub async fn ingest(
    State(app): State<App>,
    Extension(actor): Who,
    Path(id): Path<String>,
) -> Result<Json<Ingest>, Problem> {
    let room = find(&app, &actor, id).await?;
    Ok(Json(addresses(&app.settings(), &room)))
}

fn addresses(settings: &Settings, room: &Room) -> Ingest {
    let (key, profile, ports) = (room.key.expose().to_owned(), &room.profile, &settings.ports);
    let host = match media_host(settings) {
        address if address.parse::<std::net::Ipv6Addr>().is_ok() => format!("[{address}]"),
        host => host.to_owned(),
    };
    let rtmp = |scheme: &str, host: &str, port: u16| {
        let server = format!("{scheme}://{host}:{port}/{profile}");
        IngestAddress {
            url: format!("{server}/{key}"),
            server,
            key: Some(key.clone()),
        }
    };
    // OBS and ffmpeg count SRT's latency in microseconds.
    let srt = format!(
        "srt://{host}:{}?streamid=default/{profile}/{key}&latency={}",
        ports.srt,
        SRT_LATENCY_MS * 1_000
    );
    let whip = format!(
        "{}/{profile}/{key}?direction=whip",
        settings.origin(&settings.hosts.live)
    );
    Ingest {
        rtmp: rtmp("rtmp", &host, ports.rtmp),
        // Through Traefik, by the certificate's own name.
        rtmps: ports
            .rtmps
            .map(|port| rtmp("rtmps", &settings.hosts.live, port)),
        srt: IngestAddress {
            server: srt.clone(),
            key: None,
            url: srt,
        },
        whip: IngestAddress {
            server: whip.clone(),
            key: None,
            url: whip,
        },
        latency_ms: SRT_LATENCY_MS,
        key,
    }
}

pub async fn obs(
    State(app): State<App>,
    Extension(actor): Who,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let room = find(&app, &actor, id).await?;
    let ingest = addresses(&app.settings(), &room);
    let name = format!("ColourStream {}", room.slug);
    // Without sizes of its own OBS scales the picture down to 1280x720, and
    // without a colour space it leaves the stream untagged.
    let basic = format!(
        "[General]\nName={name}\n\n\
         [Output]\nMode=Advanced\n\n\
         [AdvOut]\nEncoder=obs_x264\nApplyServiceSettings=false\nTrackIndex=1\nAudioEncoder=ffmpeg_aac\nTrack1Bitrate=192\n\n\
         [Video]\nBaseCX=1920\nBaseCY=1080\nOutputCX=1920\nOutputCY=1080\nFPSType=1\nFPSInt=24\nColorFormat=NV12\nColorSpace=709\nColorRange=Partial\n\n\
         [Audio]\nSampleRate=48000\nChannelSetup=Stereo\n\n\
         [Stream1]\nIgnoreRecommended=true\n"
    );
    let service = serde_json::json!({"type": "rtmp_custom", "settings": {"server": ingest.rtmp.server, "key": ingest.key, "use_auth": false, "bwtest": false}});
    let encoder = serde_json::json!({"rate_control": "CBR", "bitrate": 8000, "keyint_sec": 1, "preset": "veryfast", "profile": "high", "tune": "zerolatency", "bf": 0, "x264opts": "bframes=0"});
    let folder = format!("colourstream-{}", room.slug);
    let read_me = "Unpack this folder into OBS' folder `basic/profiles` (OBS: Profile > Import), choose the profile, press Start Streaming.\nThe picture is sent as 1920x1080, 24 frames a second, Rec. 709 in limited range. Where your timeline has another size or rate, set it under Settings > Video: base and output resolution the same, so that nothing is scaled.\nNo B-frames, a key frame every second: viewers see the picture at once and without stutter.\nThe stream key in service.json is a secret: whoever has it can stream into this room.\n";
    let files = [
        (format!("{folder}/basic.ini"), basic),
        (format!("{folder}/service.json"), service.to_string()),
        (format!("{folder}/streamEncoder.json"), encoder.to_string()),
        (format!("{folder}/README.txt"), read_me.to_owned()),
    ];
    let files: Vec<(&str, String)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.clone()))
        .collect();
    let disposition = format!("attachment; filename=\"{folder}.zip\"");
    Ok((
        [
            (header::CONTENT_TYPE, "application/zip".to_owned()),
            (header::CONTENT_DISPOSITION, disposition),
        ],
        zip(&files),
    )
        .into_response())
}

pub async fn links(
    State(app): State<App>,
    Extension(actor): Who,
    Path(id): Path<String>,
) -> Result<Json<LinkList>, Problem> {
    let room = find(&app, &actor, id).await?;
    let store = app.store.clone();
    let links = blocking(move || store.links(&room.id)).await?;
    Ok(Json(LinkList {
        items: links.into_iter().map(LinkView::from).collect(),
    }))
}

pub async fn add_link(
    State(app): State<App>,
    Extension(actor): Who,
    Extension(from): Where,
    Path(id): Path<String>,
    Body(asked): Body<NewLink>,
) -> Result<(StatusCode, Json<CreatedLink>), Problem> {
    let room = find(&app, &actor, id).await?;
    let (link, token) = new_link(&room, asked, app.access.now())?;
    let (store, access, kept, digest) = (
        app.store.clone(),
        app.access.clone(),
        link.clone(),
        token.digest(),
    );
    blocking(move || {
        store.insert_link(&kept, digest)?;
        access.refresh()
    })
    .await?;
    told(
        &app,
        &actor,
        &from,
        &room,
        "link-made",
        format!("{} {}", link.seat.as_str(), link.name)
            .trim()
            .to_owned(),
    )
    .await;
    Ok((
        StatusCode::CREATED,
        Json(CreatedLink {
            link: link.into(),
            url: views::link_url(&app.settings(), &token),
        }),
    ))
}

pub async fn revoke_link(
    State(app): State<App>,
    Extension(actor): Who,
    Extension(from): Where,
    Path((id, link)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let room = find(&app, &actor, id).await?;
    let (store, access, of) = (app.store.clone(), app.access.clone(), room.id.clone());
    let link = blocking(move || {
        let link = store.revoke_link(&of, &Id::kept(link))?;
        access.refresh()?;
        Ok(link)
    })
    .await?;
    told(&app, &actor, &from, &room, "link-revoked", link.name).await;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn activity(
    State(app): State<App>,
    Extension(actor): Who,
    Path(id): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Json<ActivityPage>, Problem> {
    let room = find(&app, &actor, id).await?;
    Ok(Json(audit_page(&app, Some(room.id), &paging).await?))
}

pub async fn preview(
    State(app): State<App>,
    Extension(actor): Who,
    Path(id): Path<String>,
) -> Result<Json<Playback>, Problem> {
    let room = find(&app, &actor, id).await?;
    let until = app
        .access
        .now()
        .checked_add(SignedDuration::from_secs(60))
        .unwrap_or_else(|_| app.access.now());
    let ticket = app.access.tickets().preview(&room.stream, until);
    // On the portal's own host, where forward-auth asks for the login.
    let settings = app.settings();
    let origin = settings.origin(&settings.hosts.admin);
    Ok(Json(views::playback(&origin, &room, &ticket)))
}

pub async fn quality(State(app): State<App>) -> Json<ProfileList> {
    let items = app.settings().profiles.iter().map(Into::into).collect();
    Json(ProfileList { items })
}

#[derive(Deserialize)]
pub struct SuggestQuery {
    #[serde(default)]
    title: String,
}

#[derive(Serialize, ToSchema)]
pub struct Suggestion {
    /// A name that is free.
    slug: String,
}

pub async fn suggest(
    State(app): State<App>,
    Query(asked): Query<SuggestQuery>,
) -> Result<Json<Suggestion>, Problem> {
    let slug = free_slug(&app, asked.title.chars().take(TITLE).collect()).await?;
    Ok(Json(Suggestion {
        slug: slug.to_string(),
    }))
}

#[derive(Serialize, ToSchema)]
pub struct SlugCheck {
    /// Whether it can be taken.
    free: bool,
    /// Why not.
    why: Option<String>,
}

pub async fn check_slug(
    State(app): State<App>,
    Path(text): Path<String>,
) -> Result<Json<SlugCheck>, Problem> {
    let settings = app.settings();
    let why = match slug(&settings, &text) {
        Err(problem) => Some(problem.detail),
        Ok(slug) => {
            let (store, now) = (app.store.clone(), app.access.now());
            let free = blocking(move || store.slug_is_free(slug.as_str(), now)).await?;
            (!free).then(|| "another room has this name, or had it lately".to_owned())
        }
    };
    Ok(Json(SlugCheck {
        free: why.is_none(),
        why,
    }))
}

async fn told(
    app: &App,
    actor: &Actor,
    from: &CameFrom,
    room: &Room,
    what: &'static str,
    detail: String,
) {
    audit(
        app,
        actor,
        from,
        NewAudit {
            what,
            room: Some(room.id.clone()),
            detail,
            ..NewAudit::default()
        },
    )
    .await;
}
