//! socket.io over one WebSocket: Engine.IO 4, no polling.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::rooms::{House, Peer};
use super::settings::Flavour;
use super::webhook;
use crate::common::{out, text, time, ws::Socket};

/// One connection's view.
struct Talk {
    house: Arc<House>,
    id: String,
    address: String,
    /// The room it is in, or was refused from.
    room: Option<String>,
    refused: bool,
}

/// Serves a socket until it closes.
pub async fn talk(house: Arc<House>, socket: Socket, address: String) {
    let (mut sink, mut stream) = socket.split();
    let (to_client, mut lines) = mpsc::unbounded_channel::<String>();
    let hello = json!({"sid": text::random_name(20), "upgrades": [], "pingInterval": 25000, "pingTimeout": 20000, "maxPayload": 10_000_000});
    if sink.send(Message::text(format!("0{hello}"))).await.is_err() {
        return;
    }
    let mut talk = Talk {
        house,
        id: text::random_name(20),
        address,
        room: None,
        refused: false,
    };
    let mut ping = tokio::time::interval_at(
        tokio::time::Instant::now() + Duration::from_secs(25),
        Duration::from_secs(25),
    );
    let mut deadline: Option<tokio::time::Instant> = None;
    let reason = loop {
        let silent = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = ping.tick() => {
                deadline.get_or_insert(tokio::time::Instant::now() + Duration::from_secs(20));
                if sink.send(Message::text("2")).await.is_err() { break "transport error" }
            }
            () = silent => break "ping timeout",
            line = lines.recv() => {
                let Some(line) = line else { break "server shutting down" };
                if sink.send(Message::text(line)).await.is_err() { break "transport error" }
            }
            message = stream.next() => match message {
                Some(Ok(Message::Text(line))) => {
                    let line = line.as_str();
                    if line == "3" {
                        deadline = None;
                    } else if line == "40" || line.starts_with("40{") {
                        talk.house.memory().sockets.insert(talk.id.clone(), to_client.clone());
                        let _ = to_client.send(format!("40{}", json!({"sid": talk.id})));
                    } else if line.starts_with("41") {
                        break "client namespace disconnect";
                    } else if let Some(event) = line.strip_prefix("42")
                        && let Some((answer, Some(ack))) = talk.event(event)
                    {
                        let _ = to_client.send(format!("43{ack}{}", json!([answer])));
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => break "transport close",
                Some(Ok(_)) => {}
            },
        }
    };
    talk.gone(reason);
}

impl Talk {
    /// Handles `[id]["event",data]`; gives the answer and the id that wants it.
    fn event(&mut self, line: &str) -> Option<(Value, Option<String>)> {
        let at = line.find('[')?;
        let ack = (at > 0).then(|| line[..at].to_owned());
        let Ok(Value::Array(parts)) = serde_json::from_str(&line[at..]) else {
            return None;
        };
        let name = parts.first()?.as_str()?.to_owned();
        let data = parts.get(1).cloned().unwrap_or(Value::Null);
        let answer = match (self.house.settings.flavour, name.as_str()) {
            (Flavour::Sfu, "createRoom") => self.create(&data),
            (Flavour::Sfu, "join") => self.join_sfu(&data),
            (Flavour::Sfu, "exitRoom") => self.exit(),
            (Flavour::P2p, "join") => {
                self.join_p2p(&data);
                Value::Null
            }
            (_, "roomAction") => {
                self.room_action(&data);
                Value::Null
            }
            (Flavour::P2p, "kickOut") | (Flavour::Sfu, "peerAction") => {
                self.peer_action(&name, &data);
                Value::Null
            }
            (_, "message" | "cmd") => {
                if let Some(room) = &self.room {
                    self.house.tell(room, &self.id, &name, &data);
                }
                Value::Null
            }
            _ => Value::Null,
        };
        Some((answer, ack))
    }

    fn create(&mut self, data: &Value) -> Value {
        let room = data
            .get("room_id")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !self.house.may_create(&self.address) {
            return json!({"error": "Too many room creation requests. Please try again after 1 minute."});
        }
        if !valid_room(room) {
            return json!({"error": "invalid room name"});
        }
        let mut memory = self.house.memory();
        if memory.rooms.contains_key(room) {
            return json!({"error": "already exists"});
        }
        memory.rooms.entry(room.to_owned()).or_default().session = text::uuid();
        json!({"room_id": room})
    }

    fn join_sfu(&mut self, data: &Value) -> Value {
        let room = data
            .get("room_id")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let info = data
            .get("peer_info")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        if !self.house.memory().rooms.contains_key(&room) {
            return json!({"error": "Room does not exist"});
        }
        if !valid_room(&room) {
            return json!("invalid");
        }
        self.debug(&info);
        self.room = Some(room.clone());
        self.refused = false;
        let peer = match self.house.join(&room, &self.id, info) {
            Ok(peer) => peer,
            Err(refusal) => {
                self.refused = true;
                return json!(refusal);
            }
        };
        let (session, peers) = {
            let memory = self.house.memory();
            let room = &memory.rooms[&room];
            // Everybody's token goes to everybody: this is how the real one leaks.
            let peers: Vec<Value> = room
                .peers
                .iter()
                .map(|p| json!([p.id, {"id": p.id, "peer_name": p.name, "peer_info": p.info}]))
                .collect();
            (room.session.clone(), peers)
        };
        webhook::post(
            &self.house,
            &json!({"event": "join", "data": {"timestamp": time::american(SystemTime::now()), "room_id": room, "session_id": session, "peer_info": peer.info}}),
        );
        self.house.tell(
            &room,
            &self.id,
            "newPeer",
            &json!({"peer_id": self.id, "peer_info": peer.info}),
        );
        json!({
            "id": room, "isLocked": false, "isLobbyEnabled": false,
            "peers": Value::Array(peers).to_string(),
            "redirect": {"enabled": self.house.settings.redirect.is_some(), "url": self.house.settings.redirect},
            "survey": {"enabled": self.house.settings.survey},
            "maxParticipants": self.house.settings.max_participants, "thereIsMaxParticipants": false,
        })
    }

    fn exit(&mut self) -> Value {
        let Some(room) = self.room.take() else {
            return json!({"error": "not currently in a room"});
        };
        let session = self.session(&room);
        if let Some(peer) = self.house.leave(&room, &self.id) {
            self.house.tell(
                &room,
                &self.id,
                "removeMe",
                &json!({"room_id": room, "peer_id": self.id, "peer_name": peer.name}),
            );
            webhook::post(
                &self.house,
                &json!({"event": "exit", "data": {"timestamp": time::american(SystemTime::now()), "room_id": room, "session_id": session, "peer": peer.info}}),
            );
        }
        json!("Successfully exited room")
    }

    fn join_p2p(&mut self, data: &Value) {
        let Some(all) = data.as_object().cloned() else {
            return;
        };
        let room = all
            .get("channel")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        if !valid_room(&room) {
            return;
        }
        self.debug(&all);
        match self.house.join(&room, &self.id, all.clone()) {
            Err(refusal) => {
                self.send(refusal, &json!(true));
                let mut memory = self.house.memory();
                if memory.rooms.get(&room).is_some_and(|r| r.peers.is_empty()) {
                    memory.rooms.remove(&room);
                }
            }
            Ok(peer) => {
                self.room = Some(room.clone());
                let others: Vec<Peer> = self
                    .house
                    .memory()
                    .rooms
                    .get(&room)
                    .map(|r| r.peers.clone())
                    .unwrap_or_default();
                let settings = &self.house.settings;
                self.send("serverInfo", &json!({
                    "peers_count": others.len(), "host_protected": settings.host_protected, "user_auth": settings.user_auth, "is_presenter": peer.presenter,
                    "survey": {"active": settings.survey}, "redirect": {"active": settings.redirect.is_some(), "url": settings.redirect},
                    "maxRoomParticipants": settings.max_participants,
                }));
                let shown: Map<String, Value> = others
                    .iter()
                    .map(|p| (p.id.clone(), json!(p2p_shown(p))))
                    .collect();
                let add = |id: &str, offer: bool| json!({"peer_id": id, "peers": shown, "should_create_offer": offer, "iceServers": settings.ice_servers});
                self.house
                    .tell(&room, &self.id, "addPeer", &add(&self.id, false));
                for other in others.iter().filter(|p| p.id != self.id) {
                    self.send("addPeer", &add(&other.id, true));
                }
                let mut told = all;
                told.insert("timestamp".into(), json!(time::american(SystemTime::now())));
                webhook::post(&self.house, &json!({"event": "join", "data": told}));
            }
        }
    }

    /// Whether the server obeys this socket.
    fn may_rule(&self) -> bool {
        let memory = self.house.memory();
        let me = self
            .room
            .as_ref()
            .and_then(|r| memory.rooms.get(r)?.peers.iter().find(|p| p.id == self.id));
        match self.house.settings.flavour {
            Flavour::Sfu => me.is_some_and(|p| p.presenter),
            // The first to come rules, whatever the tokens say.
            Flavour::P2p => me.is_some_and(|p| p.first),
        }
    }

    fn room_action(&self, data: &Value) {
        let Some(room) = self.room.clone().filter(|_| self.may_rule()) else {
            return;
        };
        {
            let mut memory = self.house.memory();
            let Some(room) = memory.rooms.get_mut(&room) else {
                return;
            };
            match data.get("action").and_then(Value::as_str) {
                Some("lock") => {
                    room.locked = Some(
                        data.get("password")
                            .and_then(Value::as_str)
                            .unwrap_or_default()
                            .to_owned(),
                    )
                }
                Some("unlock") => room.locked = None,
                _ => {}
            }
        }
        self.house.tell(&room, &self.id, "roomAction", data);
    }

    fn peer_action(&self, event: &str, data: &Value) {
        if !self.may_rule() {
            return;
        }
        let target = data
            .get("peer_id")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if let Some(socket) = self.house.memory().sockets.get(target) {
            // A client that ignores it stays in.
            let _ = socket.send(format!("42{}", json!([event, data])));
        }
    }

    fn send(&self, event: &str, data: &Value) {
        if let Some(socket) = self.house.memory().sockets.get(&self.id) {
            let _ = socket.send(format!("42{}", json!([event, data])));
        }
    }

    fn session(&self, room: &str) -> String {
        self.house
            .memory()
            .rooms
            .get(room)
            .map(|r| r.session.clone())
            .unwrap_or_default()
    }

    fn debug(&self, info: &Map<String, Value>) {
        if self.house.settings.debug {
            out::line(&format!(
                "[Server] DEBUG: User joined {}",
                Value::Object(info.clone())
            ));
        }
    }

    /// The socket is gone.
    fn gone(&mut self, reason: &str) {
        self.house.memory().sockets.remove(&self.id);
        let Some(room) = self.room.take() else { return };
        let session = self.session(&room);
        let peer = self.house.leave(&room, &self.id);
        let timestamp = time::american(SystemTime::now());
        let event = match (self.house.settings.flavour, peer) {
            (Flavour::Sfu, Some(peer)) => {
                self.house.tell(
                    &room,
                    &self.id,
                    "removeMe",
                    &json!({"room_id": room, "peer_id": self.id, "peer_name": peer.name}),
                );
                // A locked-out peer was in the list, but was refused all the same.
                if self.refused {
                    json!({"event": "disconnect", "data": {"timestamp": timestamp, "room_id": room, "session_id": session, "reason": reason}})
                } else {
                    json!({"event": "disconnect", "data": {"timestamp": timestamp, "room_id": room, "session_id": session, "peer": peer.info, "reason": reason}})
                }
            }
            (Flavour::Sfu, None) if self.refused => {
                json!({"event": "disconnect", "data": {"timestamp": timestamp, "room_id": room, "session_id": session, "reason": reason}})
            }
            // Put out by the API: silence.
            (_, None) => return,
            (Flavour::P2p, Some(_)) => {
                self.house
                    .tell(&room, &self.id, "removePeer", &json!({"peer_id": self.id}));
                json!({"event": "disconnect", "data": {"timestamp": timestamp, "room_id": room, "peer": room, "reason": reason}})
            }
        };
        webhook::post(&self.house, &event);
    }
}

/// What P2P tells the others: no token.
pub fn p2p_shown(peer: &Peer) -> Map<String, Value> {
    let flag = |name: &str| {
        peer.info
            .get(name)
            .and_then(Value::as_bool)
            .unwrap_or(false)
    };
    let info = peer.info.get("peer_info");
    let text = |name: &str, version: &str, default: &str| {
        let part = |n: &str| {
            info.and_then(|i| i.get(n)).and_then(|v| {
                v.as_str()
                    .map(str::to_owned)
                    .or_else(|| v.as_u64().map(|n| n.to_string()))
            })
        };
        part(name).map_or(default.to_owned(), |n| {
            format!("{n} {}", part(version).unwrap_or_default())
                .trim()
                .to_owned()
        })
    };
    let mut shown = Map::new();
    shown.insert("peer_name".into(), json!(peer.name));
    shown.insert(
        "peer_avatar".into(),
        peer.info
            .get("peer_avatar")
            .cloned()
            .unwrap_or(json!(false)),
    );
    shown.insert("peer_presenter".into(), json!(peer.presenter));
    for name in [
        "peer_video",
        "peer_audio",
        "peer_video_status",
        "peer_audio_status",
        "peer_screen_status",
        "peer_hand_status",
        "peer_rec_status",
        "peer_privacy_status",
    ] {
        shown.insert(name.into(), json!(flag(name)));
    }
    shown.insert("os".into(), json!(text("osName", "osVersion", "")));
    shown.insert(
        "browser".into(),
        json!(text("browserName", "browserVersion", "")),
    );
    shown
}

/// Whether MiroTalk takes it as a room's name.
pub fn valid_room(room: &str) -> bool {
    !room.is_empty()
        && !room.contains("..")
        && !room.contains('/')
        && !room.contains('\\')
        && !room.contains('<')
}
