//! `/api/v1`: a raw key, two shapes of lists, one way to end a meeting.

use std::time::SystemTime;

use hyper::Method;
use serde_json::{Map, Value, json};

use super::rooms::{House, Peer};
use super::settings::Flavour;
use super::socket::p2p_shown;
use super::token;
use crate::common::{text, time};

/// An API answer, or none where the router has nothing at all.
pub fn answer(
    house: &House,
    method: &Method,
    path: &str,
    key: Option<&str>,
    host: &str,
    body: &[u8],
) -> Option<(u16, Value)> {
    let sfu = house.settings.flavour == Flavour::Sfu;
    let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let endpoint = match (method.as_str(), parts.as_slice()) {
        ("GET", ["stats"]) => "stats",
        ("GET", ["meetings"]) => "meetings",
        ("POST", ["meeting"]) => "meeting",
        ("POST", ["join"]) => "join",
        ("POST", ["token"]) => "token",
        ("POST", ["slack"]) => "slack",
        ("POST", ["mattermost"]) => "mattermost",
        ("DELETE", ["meeting", _]) if sfu => "meeting_end",
        _ => return None,
    };
    if !house.settings.api.get(endpoint).copied().unwrap_or(false) {
        return Some((
            403,
            json!({"error": "This endpoint has been disabled. Please contact the administrator for further information."}),
        ));
    }
    if house
        .settings
        .api_key
        .as_deref()
        .is_none_or(|right| key != Some(right))
    {
        return Some((403, json!({"error": "Unauthorized!"})));
    }
    let asked: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    Some(match endpoint {
        "stats" => {
            let memory = house.memory();
            let people: usize = memory.rooms.values().map(|r| r.peers.len()).sum();
            let who = if sfu { "totalUsers" } else { "totalPeers" };
            (
                200,
                json!({"success": true, "timestamp": time::iso(SystemTime::now()), "totalRooms": memory.rooms.len(), who: people}),
            )
        }
        "meetings" => (
            200,
            json!({"meetings": if sfu { sfu_meetings(house) } else { p2p_meetings(house) }}),
        ),
        "meeting_end" => end(house, parts.get(1).copied().unwrap_or_default(), &asked),
        "meeting" => (
            200,
            json!({"meeting": format!("https://{host}/join/{}", text::uuid())}),
        ),
        "join" => {
            let part = |name: &str| {
                asked
                    .get(name)
                    .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
                    .unwrap_or_default()
            };
            (
                200,
                json!({"join": format!("https://{host}/join?room={}&name={}&audio={}&video={}&screen={}&notify={}", part("room"), part("name"), part("audio"), part("video"), part("screen"), part("notify"))}),
            )
        }
        "token" => {
            let part = |name: &str| {
                asked
                    .get(name)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            // Signs anything, without looking at the password.
            let account = super::settings::Account {
                username: part("username"),
                password: part("password"),
            };
            (
                200,
                json!({"token": token::mint(&house.settings.jwt_key, &account, &part("presenter"), time::unix(SystemTime::now()), 3600)}),
            )
        }
        _ => (200, json!({})),
    })
}

fn sfu_meetings(house: &House) -> Value {
    let one = |p: &Peer| {
        let flag = |name: &str| p.info.get(name).and_then(Value::as_bool).unwrap_or(false);
        let text = |name: &str| p.info.get(name).and_then(Value::as_str).unwrap_or_default();
        json!({"name": p.name, "presenter": p.presenter, "video": flag("peer_video"), "audio": flag("peer_audio"), "screen": flag("peer_screen"), "hand": flag("peer_hand"),
            "os": format!("{} {}", text("os_name"), text("os_version")), "browser": format!("{} {}", text("browser_name"), text("browser_version"))})
    };
    house.memory().rooms.iter().map(|(name, room)| json!({"roomId": name, "peers": room.peers.iter().map(one).collect::<Vec<_>>()})).collect()
}

fn p2p_meetings(house: &House) -> Value {
    let memory = house.memory();
    let rooms: Map<String, Value> = memory
        .rooms
        .iter()
        .map(|(name, room)| {
            let mut inside: Map<String, Value> = room
                .peers
                .iter()
                .map(|p| (p.id.clone(), Value::Object(p2p_shown(p))))
                .collect();
            if let Some(password) = &room.locked {
                inside.insert("lock".into(), json!(true));
                inside.insert("password".into(), json!(password));
            }
            (name.clone(), Value::Object(inside))
        })
        .collect();
    Value::Object(rooms)
}

fn end(house: &House, room: &str, asked: &Value) -> (u16, Value) {
    let room = text::percent_decode(room);
    if !house.memory().rooms.contains_key(&room) {
        return (404, json!({"success": false, "error": "Room not found"}));
    }
    let mut command = json!({"type": "ejectAll", "peer_name": "API", "broadcast": true});
    if let Some(redirect) = asked.get("redirect") {
        command["redirect"] = redirect.clone();
    }
    house.tell(&room, "", "cmd", &command);
    // The sockets stay open; nothing stops them from coming back.
    house.memory().rooms.remove(&room);
    (
        200,
        json!({"success": true, "message": "Meeting ended", "room": room}),
    )
}
