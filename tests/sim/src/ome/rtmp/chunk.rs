//! RTMP's chunks: messages in pieces, headers that leave out what was said before.

use std::collections::HashMap;
use std::io;

use serde_json::Value;
use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::tcp::OwnedReadHalf;

use super::amf;

/// Larger than any real frame at sane rates.
const LARGEST: usize = 16 << 20;

/// A whole message.
#[derive(Debug, Default, Clone)]
pub struct Message {
    /// Its type.
    pub kind: u8,
    /// Its stream.
    pub stream: u32,
    /// Its payload.
    pub body: Vec<u8>,
}

impl Message {
    /// A message of the protocol itself.
    pub fn control(kind: u8, body: &[u8]) -> Self {
        Self {
            kind,
            stream: 0,
            body: body.to_vec(),
        }
    }

    /// A command.
    pub fn command(stream: u32, parts: &[Value]) -> Self {
        Self {
            kind: 20,
            stream,
            body: amf::write(parts),
        }
    }

    /// As chunks; commands need the larger size that the connect answer sets first.
    pub fn packed(&self) -> Vec<u8> {
        let chunk_stream = if self.kind == 20 { 3 } else { 2 };
        let mut out = vec![chunk_stream, 0, 0, 0];
        out.extend_from_slice(&(self.body.len() as u32).to_be_bytes()[1..]);
        out.push(self.kind);
        out.extend_from_slice(&self.stream.to_le_bytes());
        let size = if self.kind == 20 { 4096 } else { 128 };
        for (i, piece) in self.body.chunks(size).enumerate() {
            if i > 0 {
                out.push(0xc0 | chunk_stream);
            }
            out.extend_from_slice(piece);
        }
        out
    }
}

#[derive(Debug, Default)]
struct State {
    length: usize,
    kind: u8,
    stream: u32,
    extended: bool,
    body: Vec<u8>,
}

/// Puts messages together.
pub struct Reader {
    from: BufReader<OwnedReadHalf>,
    size: usize,
    known: HashMap<u32, State>,
}

impl Reader {
    /// A reader at the first chunk.
    pub fn new(from: OwnedReadHalf) -> Self {
        Self {
            from: BufReader::new(from),
            size: 128,
            known: HashMap::new(),
        }
    }

    /// The next message. Not cancel-safe: it is dropped half way only when the connection ends with it.
    pub async fn next(&mut self) -> io::Result<Message> {
        loop {
            let first = self.from.read_u8().await?;
            let id = match first & 63 {
                0 => 64 + u32::from(self.from.read_u8().await?),
                1 => 64 + u32::from(self.from.read_u16_le().await?),
                id => u32::from(id),
            };
            let state = self.known.entry(id).or_default();
            let shape = first >> 6;
            if shape < 3 {
                let mut head = [0; 11];
                let width = [11, 7, 3][usize::from(shape)];
                self.from.read_exact(&mut head[..width]).await?;
                state.extended = head[..3] == [255; 3];
                if shape < 2 {
                    state.length = usize::from(head[3]) << 16
                        | usize::from(head[4]) << 8
                        | usize::from(head[5]);
                    state.kind = head[6];
                }
                if shape == 0 {
                    state.stream = u32::from_le_bytes([head[7], head[8], head[9], head[10]]);
                }
            }
            if state.extended {
                self.from.read_u32().await?;
            }
            if state.length > LARGEST {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let left = (state.length - state.body.len()).min(self.size);
            let at = state.body.len();
            state.body.resize(at + left, 0);
            self.from.read_exact(&mut state.body[at..]).await?;
            if state.body.len() < state.length {
                continue;
            }
            let message = Message {
                kind: state.kind,
                stream: state.stream,
                body: std::mem::take(&mut state.body),
            };
            if message.kind == 1 {
                let size = message
                    .body
                    .first_chunk::<4>()
                    .map_or(0, |b| u32::from_be_bytes(*b) & 0x7fff_ffff);
                self.size = (size as usize).clamp(1, LARGEST);
                continue;
            }
            return Ok(message);
        }
    }
}
