//! Server-sent events. Level-triggered: each stream waits for a change of
//! anything, makes its values anew, and sends those that differ from what it
//! sent last. Nothing can be missed, and a slow reader costs nothing.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::header;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use serde::Serialize;
use tokio::sync::watch;

use super::App;
use super::admin::{Actor, Needs};
use super::board::Board;
use super::live::Here;
use super::problem::Problem;
use super::views::{JournalView, LogLine, facts, presence, room_view, visit};
use crate::access::{blocking, network_of};
use crate::model::{Digest, Gate, Id};

/// Visitors' streams open at once; a page that is refused asks again by itself.
const VISITORS: usize = 2_000;
/// The same from one network: a company, or a home that means harm.
const NETWORK: usize = 500;
/// The same of one person in one room.
const PERSON: usize = 12;
/// Streams of the portal, which visitors cannot use up.
const PORTAL: usize = 400;
/// The same of one login.
const LOGIN: usize = 24;

/// Changes that come together are told together.
const TOGETHER: Duration = Duration::from_millis(40);

/// Open streams, by all that counts them: one stream counts under several.
#[derive(Debug, Default)]
pub struct Streams(Mutex<HashMap<String, usize>>);

impl Streams {
    fn counts(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        // A count is whole at any moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        let counts = self.counts();
        let all = [ALL_VISITORS, ALL_PORTAL];
        all.iter().filter_map(|name| counts.get(*name)).sum()
    }

    /// Counts one more under every name, unless that is too many under one.
    fn count<const N: usize>(
        self: &Arc<Self>,
        limits: [(String, usize, &'static str); N],
    ) -> Result<Counted, Problem> {
        let mut counts = self.counts();
        for (name, most, whose) in &limits {
            if counts.get(name).is_some_and(|count| count >= most) {
                return Err(Problem::too_many_streams(whose));
            }
        }
        for (name, ..) in &limits {
            *counts.entry(name.clone()).or_default() += 1;
        }
        Ok(Counted {
            streams: Arc::clone(self),
            names: limits.map(|(name, ..)| name).to_vec(),
        })
    }

    fn visitor(self: &Arc<Self>, place: &Id, address: &str) -> Result<Counted, Problem> {
        self.count([
            (format!("place {place}"), PERSON, "in this browser"),
            (
                format!("network {}", network_of(address)),
                NETWORK,
                "at your address",
            ),
            (ALL_VISITORS.to_owned(), VISITORS, "just now"),
        ])
    }

    fn portal(self: &Arc<Self>, actor: &Actor) -> Result<Counted, Problem> {
        let all = (ALL_PORTAL.to_owned(), PORTAL, "just now");
        match actor.login() {
            Some(login) => self.count([(format!("login {login}"), LOGIN, "in this login"), all]),
            None => self.count([all]),
        }
    }
}

const ALL_VISITORS: &str = "visitors";
const ALL_PORTAL: &str = "portal";

/// Counts a stream for as long as it lives.
struct Counted {
    streams: Arc<Streams>,
    names: Vec<String>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.streams.counts();
        for name in &self.names {
            if let Some(count) = counts.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(name);
                }
            }
        }
    }
}

/// What was sent last under each name; its digest is enough to compare.
#[derive(Default)]
struct Sent(HashMap<String, Digest>);

impl Sent {
    /// The event, if its value is new. The server's clock alone is no news.
    fn news(&mut self, name: &str, key: &str, value: &impl Serialize) -> Option<Event> {
        let mut text = serde_json::to_value(value).ok()?;
        let data = text.to_string();
        if let Some(fields) = text.as_object_mut() {
            fields.remove("server_time");
        }
        let compared = Digest::of(text.to_string());
        if self.0.get(key) == Some(&compared) {
            return None;
        }
        self.0.insert(key.to_owned(), compared);
        Some(Event::default().event(name).data(data))
    }
}

fn respond(events: BoxStream<'static, Event>) -> Response {
    let ping = KeepAlive::new()
        .interval(Duration::from_secs(15))
        .event(Event::default().event("ping").data("{}"));
    let mut response = Sse::new(events.map(Ok::<_, Infallible>))
        .keep_alive(ping)
        .into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    // For proxies that would wait for more.
    headers.insert("x-accel-buffering", header::HeaderValue::from_static("no"));
    response
}

/// Waits for a change; `false` when there will be none.
async fn changed(
    tick: &mut watch::Receiver<u64>,
    status: &mut watch::Receiver<Arc<crate::reconcile::Status>>,
) -> bool {
    let went_on = tokio::select! {
        changed = tick.changed() => changed.is_ok(),
        changed = status.changed() => changed.is_ok(),
        // Times pass without anybody's doing: a room opens, a viewer is gone.
        () = tokio::time::sleep(Duration::from_secs(5)) => true,
    };
    tokio::time::sleep(TOGETHER).await;
    tick.mark_unchanged();
    status.mark_unchanged();
    went_on
}

#[derive(Serialize)]
struct Ended {
    reason: &'static str,
}

/// One visitor in one room.
pub(super) fn visitor(app: App, here: Here, address: String) -> Result<Response, Problem> {
    struct State {
        app: App,
        here: Here,
        address: String,
        sent: Sent,
        tick: watch::Receiver<u64>,
        status: watch::Receiver<Arc<crate::reconcile::Status>>,
        first: bool,
        over: bool,
        _counted: Counted,
        _page: crate::access::OpenPage,
    }
    let state = State {
        _counted: app.streams.visitor(&here.grant.id, &address)?,
        _page: app.access.page(&here.room.id, &here.grant.id),
        tick: app.access.tick(),
        status: app.status.clone(),
        sent: Sent::default(),
        first: true,
        over: false,
        app,
        here,
        address,
    };
    let events = stream::unfold(state, |mut state| async move {
        if state.over {
            return None;
        }
        if !state.first && !changed(&mut state.tick, &mut state.status).await {
            return None;
        }
        state.first = false;
        let State {
            app,
            here,
            address,
            sent,
            ..
        } = &mut state;
        let (index, now) = (app.access.index(), app.access.now());
        let room = index.room(&here.room.id);
        // The same person, even if their place was made anew by another link.
        let grant = index
            .place(here.session, &here.room.id, now)
            .filter(|grant| grant.id == here.grant.id);
        let (Some(room), Some(grant)) = (room, grant) else {
            let reason = if room.is_none() {
                "room-closed"
            } else {
                "session-ended"
            };
            state.over = true;
            return Some((
                sent_or_empty(state.sent.news("ended", "ended", &Ended { reason })),
                state,
            ));
        };
        app.access.here(here.session, grant);
        let mut events = Vec::new();
        let visit = visit(app, room, here.session, grant, address);
        events.extend(sent.news("visit", "visit", &visit));
        // Also that there are none any more: the encoder has stopped.
        events.extend(sent.news("facts", "facts", &facts(app, room)));
        events.extend(sent.news("presence", "presence", &presence(app, room, &grant.id)));
        let reason = match room.gate(now) {
            Gate::Open | Gate::NotOpen => {
                sent.0.remove("ended");
                None
            }
            Gate::Expired => Some("room-expired"),
            Gate::Closed | Gate::Archived => Some("room-closed"),
        };
        events.extend(reason.and_then(|reason| sent.news("ended", "ended", &Ended { reason })));
        Some((events, state))
    })
    .flat_map(stream::iter);
    Ok(respond(events.boxed()))
}

fn sent_or_empty(event: Option<Event>) -> Vec<Event> {
    event.into_iter().collect()
}

/// The portal. All it keeps is the board it told last.
pub(super) fn portal(app: App, actor: Actor) -> Result<Response, Problem> {
    struct State {
        app: App,
        actor: Actor,
        told: Option<Arc<Board>>,
        tick: watch::Receiver<u64>,
        status: watch::Receiver<Arc<crate::reconcile::Status>>,
        _counted: Counted,
    }
    let state = State {
        _counted: app.streams.portal(&actor)?,
        tick: app.access.tick(),
        status: app.status.clone(),
        told: None,
        app,
        actor,
    };
    let events = stream::unfold(state, |mut state| async move {
        if state.told.is_some() && !changed(&mut state.tick, &mut state.status).await {
            return None;
        }
        // Somebody who was logged out, or lost their role, hears no more.
        if !state.actor.still_holds(&state.app).await {
            return None;
        }
        let State {
            app, actor, told, ..
        } = &mut state;
        let now = app.boards.now(app).await;
        let before = told.replace(Arc::clone(&now));
        let before = before.as_deref();
        let mut events = Vec::new();
        if before.is_none_or(|before| before.status != now.status) {
            events.push(Event::default().event("status").data(&*now.status));
        }
        // What was there before this page opened is no news.
        let Some(before) = before else {
            return Some((events, state));
        };
        let mut rooms: Vec<Arc<str>> = now
            .rooms
            .iter()
            .filter(|(id, told)| {
                actor.sees(&told.room)
                    && before
                        .rooms
                        .get(*id)
                        .is_none_or(|before| before.text != told.text)
            })
            .map(|(_, told)| Arc::clone(&told.text))
            .collect();
        // A room that was archived is told once more, as such.
        for (id, gone) in &before.rooms {
            if now.rooms.contains_key(id) || !actor.sees(&gone.room) {
                continue;
            }
            let (store, id) = (Arc::clone(&app.store), id.clone());
            if let Ok(room) = blocking(move || store.room(&id)).await
                && let Ok(text) = serde_json::to_string(&room_view(app, &room))
            {
                rooms.push(text.into());
            }
        }
        if !rooms.is_empty() {
            let all = format!("[{}]", rooms.join(","));
            events.push(Event::default().event("rooms").data(all));
        }
        let known = before.gone.last().map_or(0, |(number, _)| *number);
        let gone: Vec<&str> = now
            .gone
            .iter()
            .filter(|(number, room)| *number > known && actor.sees(room))
            .map(|(_, room)| room.id.as_str())
            .collect();
        if !gone.is_empty() {
            events.extend(Event::default().event("gone").json_data(&gone).ok());
        }
        if actor.may(Needs::StackRead) {
            let known = before.journal.first().map_or(0, |entry| entry.id);
            let new: Vec<&JournalView> = now
                .journal
                .iter()
                .filter(|entry| entry.id > known)
                .collect();
            if !new.is_empty() {
                events.extend(Event::default().event("journal").json_data(&new).ok());
            }
            if let Some(point) = now.point.filter(|_| before.point != now.point) {
                events.extend(Event::default().event("point").json_data(point).ok());
            }
        }
        Some((events, state))
    })
    .flat_map(stream::iter);
    Ok(respond(events.boxed()))
}

/// Lines of a container's log as they come.
pub(super) fn lines(
    app: &App,
    actor: &Actor,
    lines: BoxStream<'static, LogLine>,
) -> Result<Response, Problem> {
    let counted = app.streams.portal(actor)?;
    let events = lines.map(move |line| {
        let _ = &counted;
        Event::default()
            .event("line")
            .json_data(&line)
            .unwrap_or_default()
    });
    Ok(respond(events.boxed()))
}
