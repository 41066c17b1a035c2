//! Who is in which room: memory only.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::settings::{Flavour, Settings};
use super::token::{self, Inner};
use crate::common::text;
use crate::common::time::unix;

/// Somebody in a room.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Socket.
    pub id: String,
    /// Given name.
    pub name: String,
    /// Everything the client said of itself, token included.
    pub info: Map<String, Value>,
    /// Has the role.
    pub presenter: bool,
    /// P2P: has the power too, as the first to come.
    pub first: bool,
}

/// A room.
#[derive(Debug, Default)]
pub struct Room {
    /// In order of coming.
    pub peers: Vec<Peer>,
    /// A password was set.
    pub locked: Option<String>,
    /// SFU: its session id in webhooks.
    pub session: String,
}

/// What one process remembers.
#[derive(Debug, Default)]
pub struct Memory {
    /// By name.
    pub rooms: BTreeMap<String, Room>,
    /// Lines to each socket.
    pub sockets: HashMap<String, UnboundedSender<String>>,
    /// The process-wide flag: whoever set it, pages are loose for all.
    pub loose: Option<String>,
    /// `createRoom` per address.
    recent: HashMap<String, Vec<Instant>>,
    /// Failed logins per address.
    pub failures: HashMap<String, Vec<Instant>>,
}

/// Settings and memory.
#[derive(Debug)]
pub struct House {
    /// Fixed at start.
    pub settings: Settings,
    /// `/stats` shows it.
    pub id: String,
    memory: Mutex<Memory>,
}

/// A join that was refused, in the service's word.
pub type Refusal = &'static str;

impl House {
    /// Nobody inside.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            id: text::uuid(),
            memory: Mutex::default(),
        }
    }

    /// The memory. Never held across an await.
    pub fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a token with this server's key.
    pub fn open(&self, token: &str) -> Option<Inner> {
        token::open(
            &self.settings.jwt_key,
            token,
            unix(std::time::SystemTime::now()),
        )
    }

    /// SFU: whether this address may create (that is: join) once more.
    pub fn may_create(&self, address: &str) -> bool {
        let mut memory = self.memory();
        let recent = memory.recent.entry(address.to_owned()).or_default();
        recent.retain(|t| t.elapsed() < Duration::from_secs(60));
        if recent.len() >= self.settings.rate_limit {
            return false;
        }
        recent.push(Instant::now());
        true
    }

    /// The check both flavours make at the socket: who this is, or `unauthorized`.
    pub fn authorise(&self, info: &Map<String, Value>) -> Result<Option<Inner>, Refusal> {
        let given = info
            .get("peer_token")
            .and_then(Value::as_str)
            .filter(|t| !t.is_empty() && *t != "false" && *t != "null");
        let inner = given
            .and_then(|t| self.open(t))
            .filter(|i| i.is_known(&self.settings.accounts));
        if self.settings.user_auth && inner.is_none() {
            // With accounts in a database, no token at all gets in.
            if self.settings.users_from_db && given.is_none() {
                return Ok(None);
            }
            if let Some(token) = given {
                crate::common::out::line(&format!(
                    "[Server] WARN: Invalid peer token {{ peer_token: '{token}' }}"
                ));
            }
            return Err("unauthorized");
        }
        Ok(inner)
    }

    /// Puts somebody in. On SFU the room exists already.
    pub fn join(
        &self,
        room_name: &str,
        socket: &str,
        info: Map<String, Value>,
    ) -> Result<Peer, Refusal> {
        let inner = self.authorise(&info)?;
        let name = info
            .get("peer_name")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let mut memory = self.memory();
        let room = memory.rooms.entry(room_name.to_owned()).or_default();
        let sfu = self.settings.flavour == Flavour::Sfu;
        let by_token = inner.is_some_and(|i| i.presenter);
        if sfu && room.peers.iter().any(|p| p.name == name) {
            return Err("isNameInUse");
        }
        let first = room.peers.is_empty();
        let presenter = by_token
            || self.settings.presenters.contains(&name)
            || (first && (!sfu || self.settings.join_first));
        let mut info = info;
        info.insert("peer_presenter".into(), json!(presenter));
        info.insert("peer_id".into(), json!(socket));
        let locked = room.locked.is_some() && !presenter;
        let peer =
            Peer {
                id: socket.to_owned(),
                name,
                info,
                presenter,
                first: !sfu
                    && (first
                        || self.settings.presenters.iter().any(|p| {
                            Some(p.as_str()) == room.peers.first().map(|f| f.name.as_str())
                        })),
            };
        if !sfu && locked {
            return Err("roomIsLocked");
        }
        room.peers.push(peer.clone());
        // A refused peer stays in the list on SFU: as the real one.
        if locked { Err("isLocked") } else { Ok(peer) }
    }

    /// Takes somebody out; an empty room is gone.
    pub fn leave(&self, room_name: &str, socket: &str) -> Option<Peer> {
        let mut memory = self.memory();
        let room = memory.rooms.get_mut(room_name)?;
        let at = room.peers.iter().position(|p| p.id == socket)?;
        let peer = room.peers.remove(at);
        if room.peers.is_empty() {
            memory.rooms.remove(room_name);
        }
        if peer.presenter && memory.loose.is_some() {
            memory.loose = None;
        }
        Some(peer)
    }

    /// Sends an event to everybody in a room but one.
    pub fn tell(&self, room: &str, but: &str, event: &str, data: &Value) {
        let memory = self.memory();
        let Some(room) = memory.rooms.get(room) else {
            return;
        };
        let line = format!("42{}", json!([event, data]));
        for peer in room.peers.iter().filter(|p| p.id != but) {
            if let Some(socket) = memory.sockets.get(&peer.id) {
                let _ = socket.send(line.clone());
            }
        }
    }
}
