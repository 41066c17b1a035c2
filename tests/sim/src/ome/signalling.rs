//! WebRTC signalling: offers, refusals, and sockets that break when a stream ends.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::Mutex as Turn;
use tokio_tungstenite::tungstenite::Message;

use super::engine::{Engine, Viewer, lock};
use super::hooks::Client;
use super::tracks::Track;
use super::{sdp, watching};
use crate::common::json as spelling;
use crate::common::text::{query, random_bytes};
use crate::common::ws::Socket;

/// Who opened the socket.
pub struct Caller {
    /// The engine.
    pub engine: Arc<Engine>,
    /// With its headers.
    pub client: Client,
    /// As typed.
    pub url: String,
    /// Its query.
    pub query: String,
    /// The thread it shares.
    pub worker: Arc<Turn<()>>,
}

/// Serves a socket. Returning drops it without a close frame: the browser sees 1006.
pub async fn talk(caller: Caller, mut socket: Socket) {
    let mut viewer: Option<Arc<Viewer>> = None;
    loop {
        let over = async {
            let Some(viewer) = &viewer else {
                return std::future::pending().await;
            };
            let expiry = async {
                match viewer.admitted.lifetime {
                    Some(after) => tokio::time::sleep(after + Duration::from_millis(200)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = expiry => {}
                _ = viewer.live.ended() => {}
                () = viewer.ended() => {}
            }
        };
        let message = tokio::select! {
            message = socket.next() => message,
            () = over => break,
        };
        let line = match message {
            Some(Ok(Message::Text(line))) => line,
            Some(Ok(Message::Close(_)) | Err(_)) | None => break,
            Some(Ok(_)) => continue,
        };
        let asked: Value = serde_json::from_str(line.as_str()).unwrap_or(Value::Null);
        match asked.get("command").and_then(Value::as_str) {
            Some("request_offer") => {
                if let Some(old) = viewer.take() {
                    caller.engine.media.end(&old);
                    caller.engine.remove_viewer(&old).await;
                }
                let reply = match offer(&caller).await {
                    Some((admitted, reply)) => {
                        viewer = Some(admitted);
                        reply
                    }
                    None => json!({"code": 404, "error": "Cannot create offer"}),
                };
                if socket
                    .send(Message::text(spelling::sorted(&reply)))
                    .await
                    .is_err()
                {
                    break;
                }
            }
            Some("answer") => {
                let Some(viewer) = &viewer else { continue };
                if let Some(sdp) = asked.pointer("/sdp/sdp").and_then(Value::as_str) {
                    caller.engine.media.answer(viewer, sdp);
                }
                for note in notifications(viewer) {
                    if socket
                        .send(Message::text(spelling::sorted(&note)))
                        .await
                        .is_err()
                    {
                        break;
                    }
                }
            }
            Some("stop") => break,
            _ => {}
        }
    }
    // First socket and media, then the goodbye: the browser must not wait for the controller.
    drop(socket);
    if let Some(viewer) = viewer {
        caller.engine.media.end(&viewer);
        caller.engine.remove_viewer(&viewer).await;
    }
}

async fn offer(caller: &Caller) -> Option<(Arc<Viewer>, Value)> {
    // Publishing over the socket was never established: refused without a question.
    if query(&caller.query, "direction").is_some_and(|d| d == "send" || d == "whip") {
        return None;
    }
    let turn = caller.worker.lock().await;
    let viewer = watching::webrtc(&caller.engine, caller.client.clone(), caller.url.clone())
        .await
        .ok();
    drop(turn);
    let viewer = viewer?;
    // Without a maker of media the offer has only the right shape.
    let sdp = caller.engine.media.offer(&viewer).await;
    let config = &caller.engine.config;
    let number: [u8; 4] = random_bytes();
    let candidates: Vec<Value> = sdp::candidates(config)
        .into_iter()
        .map(|c| json!({"candidate": c, "sdpMLineIndex": 0}))
        .collect();
    let mut reply = json!({"candidates": candidates, "code": 200, "command": "offer", "id": u32::from_be_bytes(number) >> 1, "peer_id": 0,
        "sdp": {"sdp": sdp.unwrap_or_else(sdp::offer), "type": "offer"}});
    let relayed = query(&caller.query, "transport").is_some_and(|t| t == "relay" || t == "all");
    if let Some((host, port)) = config
        .relay
        .as_ref()
        .filter(|_| relayed || config.relay_always)
    {
        let urls = json!([format!("turn:{}:{port}?transport=tcp", sdp::shown(host))]);
        reply["ice_servers"] = json!([{"credential": "airen", "urls": urls, "user_name": "ome"}]);
        reply["iceServers"] = json!([{"credential": "airen", "urls": urls, "username": "ome"}]);
    }
    Some((viewer, reply))
}

fn notifications(viewer: &Viewer) -> [Value; 2] {
    let (mut video, mut audio) = (Value::Null, Value::Null);
    for track in lock(&viewer.live.tracks).iter() {
        match track {
            Track::Video {
                codec,
                width,
                height,
                framerate,
                bitrate,
                ..
            } => {
                video = json!({"name": "bypass_video", "video": {"bitrate": bitrate, "codec": codec, "framerate": framerate, "height": height, "width": width}});
            }
            Track::Audio {
                samplerate,
                channel,
                ..
            } => {
                audio = json!({"name": "opus_audio", "audio": {"bitrate": 128_000, "channel": channel, "codec": "OPUS", "samplerate": samplerate}});
            }
        }
    }
    [
        json!({"command": "notification", "type": "playlist", "message": {"auto": true, "name": "webrtc_default", "renditions": [{"name": "default", "video_track": video, "audio_track": audio}]}}),
        json!({"command": "notification", "type": "rendition_changed", "message": {"auto": true, "rendition_name": "default"}}),
    ]
}
