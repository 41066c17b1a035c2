//! Media over WebRTC. The packets are made by a browser that a test attaches to
//! the control port (the maker); this end is the ICE port in front of it, so
//! that a viewer meets OME's address, OME's ports and OME's endings.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_tungstenite::tungstenite::Message;

use super::engine::{Engine, Live, Viewer, lock};
use crate::common::ws::Socket;

/// How long an offer of the maker may take before there is none.
const PATIENCE: Duration = Duration::from_secs(2);
/// An encoder that is silent for this long sends no pictures on.
const SILENCE: Duration = Duration::from_secs(1);
const DATAGRAM: usize = 2048;

/// What the maker answers to an order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Made {
    id: u64,
    sdp: String,
    /// `address port` of each of its own UDP candidates.
    #[serde(default)]
    at: Vec<(String, u16)>,
}

/// One viewer's way to the maker.
#[derive(Debug)]
struct Way {
    viewer: u64,
    maker: SocketAddr,
    live: Arc<Live>,
    gone: watch::Sender<bool>,
}

#[derive(Debug)]
struct Maker {
    orders: mpsc::UnboundedSender<Value>,
    peer: SocketAddr,
}

/// The maker, and who is connected to it.
#[derive(Debug, Default)]
pub struct Media {
    maker: Mutex<Option<Maker>>,
    asked: Mutex<HashMap<u64, oneshot::Sender<Made>>>,
    /// By the maker's ICE name.
    ways: Mutex<HashMap<String, Arc<Way>>>,
    shut: AtomicBool,
}

impl Media {
    /// Takes or drops every datagram of the ICE ports, as a firewall would.
    pub fn shut(&self, shut: bool) {
        self.shut.store(shut, Ordering::Relaxed);
    }

    /// Serves the maker until it goes. A newer one takes over.
    pub async fn attach(&self, peer: SocketAddr, mut socket: Socket) {
        let (orders, mut queue) = mpsc::unbounded_channel();
        *lock(&self.maker) = Some(Maker { orders, peer });
        loop {
            tokio::select! {
                order = queue.recv() => {
                    let Some(order) = order else { break };
                    if socket.send(Message::text(order.to_string())).await.is_err() {
                        break;
                    }
                }
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        let Ok(made) = serde_json::from_str::<Made>(text.as_str()) else { continue };
                        if let Some(asked) = lock(&self.asked).remove(&made.id) {
                            let _ = asked.send(made);
                        }
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => break,
                },
            }
        }
        lock(&self.maker).take_if(|maker| maker.orders.is_closed() || maker.peer == peer);
    }

    fn order(&self, order: Value) -> Option<SocketAddr> {
        let maker = lock(&self.maker);
        let maker = maker.as_ref()?;
        maker.orders.send(order).ok()?;
        Some(maker.peer)
    }

    /// An offer with real media behind it, without candidates; none without a maker.
    pub async fn offer(&self, viewer: &Viewer) -> Option<String> {
        let (answer, made) = oneshot::channel();
        lock(&self.asked).insert(viewer.id, answer);
        let peer = self.order(json!({"order": "offer", "id": viewer.id}));
        let made = match peer {
            Some(_) => tokio::time::timeout(PATIENCE, made).await.ok(),
            None => None,
        };
        lock(&self.asked).remove(&viewer.id);
        let (made, peer) = (made?.ok()?, peer?);
        // The way it came is a way to it; a name (mDNS) is none.
        let known: Vec<(IpAddr, u16)> = made
            .at
            .iter()
            .filter_map(|(host, port)| Some((host.parse().ok()?, *port)))
            .collect();
        let maker = known
            .iter()
            .find(|(host, _)| *host == peer.ip())
            .or(known.first())
            .copied()
            .or_else(|| made.at.first().map(|(_, port)| (peer.ip(), *port)))?;
        let way = Way {
            viewer: viewer.id,
            maker: maker.into(),
            live: Arc::clone(&viewer.live),
            gone: watch::Sender::new(false),
        };
        let name = line(&made.sdp, "a=ice-ufrag:")?.to_owned();
        lock(&self.ways).insert(name, Arc::new(way));
        Some(without_candidates(&made.sdp))
    }

    /// What the viewer answered. Its candidates stay here: the maker meets it
    /// through the ICE port alone.
    pub fn answer(&self, viewer: &Viewer, sdp: &str) {
        self.order(json!({"order": "answer", "id": viewer.id, "sdp": without_candidates(sdp)}));
    }

    /// Nothing goes to or comes from this viewer any more.
    pub fn end(&self, viewer: &Viewer) {
        let mut ways = lock(&self.ways);
        let count = ways.len();
        ways.retain(|_, way| {
            let stays = way.viewer != viewer.id;
            if !stays {
                way.gone.send_replace(true);
            }
            stays
        });
        if ways.len() < count {
            self.order(json!({"order": "end", "id": viewer.id}));
        }
    }

    fn way(&self, datagram: &[u8]) -> Option<Arc<Way>> {
        let name = username(datagram)?;
        lock(&self.ways).get(name.split(':').next()?).cloned()
    }
}

/// Serves one ICE port: each viewer's address gets a socket of its own towards
/// the maker, found by the name in its first connectivity check.
pub async fn serve(engine: Arc<Engine>, port: std::net::UdpSocket) {
    let Ok(port) = UdpSocket::from_std(port) else {
        return;
    };
    let port = Arc::new(port);
    let mut upstream: HashMap<SocketAddr, (Arc<UdpSocket>, Arc<Way>)> = HashMap::new();
    let mut datagram = [0; DATAGRAM];
    loop {
        let Ok((length, from)) = port.recv_from(&mut datagram).await else {
            continue;
        };
        let bytes = datagram.get(..length).unwrap_or_default();
        if engine.media.shut.load(Ordering::Relaxed) {
            continue;
        }
        upstream.retain(|_, (_, way)| !*way.gone.borrow());
        if let Entry::Vacant(empty) = upstream.entry(from) {
            let Some(way) = engine.media.way(bytes) else {
                continue;
            };
            let Ok(socket) = UdpSocket::bind("0.0.0.0:0").await else {
                continue;
            };
            let socket = Arc::new(socket);
            let back = back(
                Arc::clone(&engine),
                Arc::clone(&socket),
                Arc::clone(&port),
                from,
                Arc::clone(&way),
            );
            tokio::spawn(back);
            empty.insert((socket, way));
        }
        if let Some((socket, way)) = upstream.get(&from) {
            let _ = socket.send_to(bytes, way.maker).await;
        }
    }
}

/// From the maker to the viewer, until the viewer is gone.
async fn back(
    engine: Arc<Engine>,
    maker: Arc<UdpSocket>,
    port: Arc<UdpSocket>,
    viewer: SocketAddr,
    way: Arc<Way>,
) {
    let mut gone = way.gone.subscribe();
    let mut datagram = [0; DATAGRAM];
    loop {
        let received = tokio::select! {
            received = maker.recv_from(&mut datagram) => received,
            _ = gone.wait_for(|gone| *gone) => return,
        };
        // A maker that listens on every address answers from the nearest.
        let Some(bytes) = received
            .ok()
            .filter(|(_, from)| from.port() == way.maker.port())
            .and_then(|(length, _)| datagram.get(..length))
        else {
            continue;
        };
        let silent = is_media(bytes) && way.live.last_received().0.elapsed() > SILENCE;
        if !silent && !engine.media.shut.load(Ordering::Relaxed) {
            let _ = port.send_to(bytes, viewer).await;
        }
    }
}

/// RTP and RTCP, as against STUN and DTLS on the same port (RFC 7983).
fn is_media(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|b| (128..=191).contains(b))
}

/// The USERNAME of a STUN binding request: whom it asks, and who asks.
fn username(datagram: &[u8]) -> Option<&str> {
    const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
    const BINDING: [u8; 2] = [0, 1];
    const USERNAME: u16 = 6;
    if datagram.get(..2)? != BINDING || datagram.get(4..8)? != COOKIE {
        return None;
    }
    let mut rest = datagram.get(20..)?;
    loop {
        let kind = u16::from_be_bytes([*rest.first()?, *rest.get(1)?]);
        let length = usize::from(u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]));
        if kind == USERNAME {
            return std::str::from_utf8(rest.get(4..4 + length)?).ok();
        }
        rest = rest.get(4 + length.next_multiple_of(4)..)?;
    }
}

fn line<'a>(sdp: &'a str, start: &str) -> Option<&'a str> {
    sdp.lines().find_map(|line| line.strip_prefix(start))
}

fn without_candidates(sdp: &str) -> String {
    sdp.lines()
        .filter(|line| !line.starts_with("a=candidate:") && *line != "a=end-of-candidates")
        .map(|line| format!("{line}\r\n"))
        .collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_check_says_whom_it_asks() {
        let check = |kind: u8, attributes: &[u8]| {
            let mut bytes = vec![0, kind, 0, 0, 0x21, 0x12, 0xa4, 0x42];
            bytes.extend([7; 12]);
            bytes.extend(attributes);
            bytes
        };
        // PRIORITY first, then a name of nine bytes with its padding.
        let attributes = b"\x00\x24\x00\x04\x6e\x00\x1e\xff\x00\x06\x00\x09abcd:efgh\0\0\0";
        assert_eq!(username(&check(1, attributes)), Some("abcd:efgh"));
        assert_eq!(username(&check(0x11, attributes)), None);
        assert_eq!(username(&check(1, b"\x00\x06\x00\x40ab")), None);
        assert_eq!(username(&check(1, b"")), None);
        assert_eq!(username(b"\x80\x60rtp"), None);
    }

    #[test]
    fn only_our_own_candidates_reach_a_viewer() {
        let sdp = "v=0\r\na=ice-ufrag:abcd\r\na=candidate:1 1 udp 1 192.0.2.1 5 typ host\r\na=end-of-candidates\r\na=mid:0\r\n";
        assert_eq!(
            without_candidates(sdp),
            "v=0\r\na=ice-ufrag:abcd\r\na=mid:0\r\n"
        );
        assert_eq!(line(sdp, "a=ice-ufrag:").unwrap(), "abcd");
    }
}
