//! Just enough RTMP for a real encoder: it publishes, is asked about, listed, and cut.

mod amf;
mod chunk;

use std::io;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use self::chunk::{Message, Reader};
use super::engine::{End, Engine, Live, lock};
use super::hooks::{Client, Direction, Notice, Protocol};
use super::tracks::{self, Track};
use super::url;

/// Serves encoders until the process ends.
pub async fn serve(engine: Arc<Engine>, listener: TcpListener) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            continue;
        };
        let engine = Arc::clone(&engine);
        tokio::spawn(async move {
            let client = Client::plain(peer.ip().to_string(), peer.port());
            let mut encoder = Encoder {
                engine,
                client,
                place: String::new(),
                live: None,
                since_key: 0,
            };
            let _ = encoder.talk(stream).await;
            // Dropping the connection is all a refused or deleted encoder sees.
            if let Some(live) = encoder.live {
                live.finish(End::Left);
            }
        });
    }
}

struct Encoder {
    engine: Arc<Engine>,
    client: Client,
    /// `tcUrl`
    place: String,
    live: Option<Arc<Live>>,
    since_key: u32,
}

impl Encoder {
    async fn talk(&mut self, mut stream: TcpStream) -> io::Result<()> {
        let mut hello = [0; 1537];
        stream.read_exact(&mut hello).await?;
        if hello[0] != 3 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut answer = vec![3];
        answer.extend_from_slice(&[0; 1536]);
        answer.extend_from_slice(&hello[1..]);
        stream.write_all(&answer).await?;
        stream.read_exact(&mut hello[..1536]).await?;
        let (reading, mut writing) = stream.into_split();
        let mut reader = Reader::new(reading);
        loop {
            let message = match self.live.clone() {
                None => reader.next().await?,
                Some(live) => tokio::select! {
                    message = reader.next() => message?,
                    _ = live.ended() => return Ok(()),
                },
            };
            match message.kind {
                8 => {
                    if let Some(live) = &self.live {
                        live.touch();
                    }
                }
                9 => self.picture(&message.body),
                18 => self.metadata(&message.body),
                17 | 20 => {
                    let body = if message.kind == 17 {
                        message.body.get(1..).unwrap_or_default()
                    } else {
                        &message.body
                    };
                    if !self.command(&amf::read(body), &mut writing).await? {
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
    }

    /// Answers a command. False ends the connection.
    async fn command(
        &mut self,
        parts: &[Value],
        out: &mut (impl AsyncWriteExt + Unpin),
    ) -> io::Result<bool> {
        let name = parts.first().and_then(Value::as_str).unwrap_or_default();
        let call = parts.get(1).cloned().unwrap_or(json!(0));
        let answers: Vec<Message> = match name {
            "connect" => {
                self.place = parts
                    .get(2)
                    .and_then(|o| o.get("tcUrl"))
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned();
                vec![
                    Message::control(5, &2_500_000_u32.to_be_bytes()),
                    Message::control(6, &[0, 0x26, 0x25, 0xa0, 2]),
                    Message::control(1, &4096_u32.to_be_bytes()),
                    Message::command(
                        0,
                        &[
                            json!("_result"),
                            call,
                            json!({"fmsVer": "FMS/3,5,7,7009", "capabilities": 31}),
                            json!({"level": "status", "code": "NetConnection.Connect.Success", "description": "Connection succeeded.", "objectEncoding": 0}),
                        ],
                    ),
                ]
            }
            "createStream" => vec![Message::command(
                0,
                &[json!("_result"), call, Value::Null, json!(1)],
            )],
            "publish" => {
                if !self
                    .publish(parts.get(3).and_then(Value::as_str).unwrap_or_default())
                    .await
                {
                    return Ok(false);
                }
                vec![
                    Message::control(4, &[0, 0, 0, 0, 0, 1]),
                    Message::command(
                        1,
                        &[
                            json!("onStatus"),
                            json!(0),
                            Value::Null,
                            json!({"level": "status", "code": "NetStream.Publish.Start", "description": "Publishing"}),
                        ],
                    ),
                ]
            }
            "deleteStream" | "closeStream" | "FCUnpublish" => return Ok(false),
            _ => Vec::new(),
        };
        for answer in answers {
            out.write_all(&answer.packed()).await?;
        }
        Ok(true)
    }

    async fn publish(&mut self, key: &str) -> bool {
        let typed = if key.is_empty() {
            self.place.clone()
        } else {
            format!("{}/{key}", self.place)
        };
        let Some(url) = url::rtmp(&typed) else {
            return false;
        };
        let notice = Notice {
            direction: Direction::Incoming,
            protocol: Protocol::Rtmp,
            client: self.client.clone(),
            url,
            new_url: None,
        };
        self.live = self
            .engine
            .publish(notice, tracks::ordinary(), false)
            .await
            .ok();
        self.live.is_some()
    }

    /// What the encoder says of itself.
    fn metadata(&mut self, body: &[u8]) {
        let Some(live) = &self.live else { return };
        let parts = amf::read(body);
        let Some(said) = parts.iter().find(|v| v.is_object()) else {
            return;
        };
        let number = |name: &str| said.get(name).and_then(Value::as_f64).filter(|n| *n > 0.0);
        for track in lock(&live.tracks).iter_mut() {
            match track {
                Track::Video {
                    width,
                    height,
                    framerate,
                    bitrate,
                    ..
                } => {
                    *width = number("width").map_or(*width, |n| n as u32);
                    *height = number("height").map_or(*height, |n| n as u32);
                    *framerate = number("framerate").unwrap_or(*framerate);
                    *bitrate = number("videodatarate").map_or(*bitrate, |n| (n * 1000.0) as u64);
                }
                Track::Audio {
                    samplerate,
                    channel,
                    bitrate,
                    ..
                } => {
                    *samplerate = number("audiosamplerate").map_or(*samplerate, |n| n as u32);
                    *channel = said
                        .get("stereo")
                        .and_then(Value::as_bool)
                        .map_or(*channel, |s| 1 + u32::from(s));
                    *bitrate = number("audiodatarate").map_or(*bitrate, |n| (n * 1000.0) as u64);
                }
            }
        }
    }

    /// A frame: what it tells of key frames and of frames out of order.
    fn picture(&mut self, body: &[u8]) {
        let Some(live) = &self.live else { return };
        live.touch();
        // AVC frames only; `1` in the second byte is a coded picture.
        let [first, 1, cts @ ..] = body else { return };
        if first & 0x8f != 7 {
            return;
        }
        let is_key = first >> 4 == 1;
        let reordered = cts.iter().take(3).any(|b| *b != 0);
        for track in lock(&live.tracks).iter_mut() {
            if let Track::Video {
                key_frame_interval,
                has_bframes,
                ..
            } = track
            {
                *has_bframes |= reordered;
                if is_key && self.since_key > 0 {
                    *key_frame_interval = f64::from(self.since_key);
                }
            }
        }
        self.since_key = if is_key {
            1
        } else {
            self.since_key + u32::from(self.since_key > 0)
        };
    }
}
