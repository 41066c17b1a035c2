//! A short clip, looped for ever: rising decode times, segments and parts.

mod mp4;
mod playlist;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;

pub use self::mp4::Clip;
pub use self::playlist::{chunklist, master};
use super::config::Llhls;
use super::engine::{Live, lock};
use super::tracks::{self, Track};

/// From the encoder's start to its first media in a playlist's clock.
const LATENCY: Duration = Duration::from_millis(600);

/// Picture or sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Track 0.
    Video,
    /// Track 1.
    Audio,
}

impl Kind {
    /// As in file names.
    pub fn word(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
        }
    }

    /// As in file names.
    pub fn number(self) -> u32 {
        match self {
            Self::Video => 0,
            Self::Audio => 1,
        }
    }
}

/// The picture and sound that stand in for an encoder's.
pub fn clip(live: &Live, kind: Kind) -> &'static Clip {
    static H264: OnceLock<Clip> = OnceLock::new();
    static AAC: OnceLock<Clip> = OnceLock::new();
    static VP9: OnceLock<Clip> = OnceLock::new();
    static OPUS: OnceLock<Clip> = OnceLock::new();
    // For browsers without H.264 and AAC, on demand by the video codec.
    let free = lock(&live.tracks)
        .iter()
        .any(|t| matches!(t, Track::Video { codec, .. } if codec.eq_ignore_ascii_case("VP9")));
    match (kind, free) {
        (Kind::Video, false) => {
            H264.get_or_init(|| Clip::read(include_bytes!("../../../assets/h264.mp4")))
        }
        (Kind::Audio, false) => {
            AAC.get_or_init(|| Clip::read(include_bytes!("../../../assets/aac.mp4")))
        }
        (Kind::Video, true) => {
            VP9.get_or_init(|| Clip::read(include_bytes!("../../../assets/vp9.mp4")))
        }
        (Kind::Audio, true) => {
            OPUS.get_or_init(|| Clip::read(include_bytes!("../../../assets/opus.mp4")))
        }
    }
}

/// How a stream is cut, and how far it is.
#[derive(Debug, Clone)]
pub struct Cut {
    /// Microseconds in a segment: segments end at key frames.
    pub segment: u64,
    /// Microseconds in a part.
    pub chunk: u64,
    /// Microseconds of media so far.
    pub now: u64,
    /// Segments listed.
    pub count: u64,
}

impl Cut {
    /// The cut of a live stream at this moment.
    pub fn of(live: &Live, config: &Llhls) -> Self {
        let key = tracks::key_seconds(&lock(&live.tracks)).round().max(1.0);
        let segment = (config.segment / key).ceil().max(1.0) * key;
        Self {
            segment: (segment * 1e6) as u64,
            chunk: (config.chunk * 1e6).round().max(100_000.0) as u64,
            now: u64::try_from(live.age().saturating_sub(LATENCY).as_micros()).unwrap_or(0),
            count: config.count,
        }
    }

    /// Whole segments so far.
    pub fn segments(&self) -> u64 {
        self.now / self.segment
    }

    /// Parts in every segment.
    pub fn parts(&self) -> u64 {
        self.segment.div_ceil(self.chunk)
    }

    /// From when to when a part goes.
    pub fn part(&self, segment: u64, part: u64) -> (u64, u64) {
        let begin = segment * self.segment;
        (
            begin + part * self.chunk,
            begin + ((part + 1) * self.chunk).min(self.segment),
        )
    }

    /// The next part that does not exist yet.
    pub fn next(&self) -> (u64, u64) {
        let segment = self.segments();
        (segment, (self.now - segment * self.segment) / self.chunk)
    }

    /// Whether a part exists by now.
    pub fn has(&self, segment: u64, part: u64) -> bool {
        (segment, part) < self.next()
    }

    /// The oldest segment still kept.
    pub fn oldest(&self) -> u64 {
        self.segments().saturating_sub(self.count)
    }
}

/// Waits until a part exists. False when the stream ends first.
pub async fn wait_for(live: &Arc<Live>, config: &Llhls, segment: u64, part: u64) -> bool {
    loop {
        if live.is_over() {
            return false;
        }
        if Cut::of(live, config).has(segment, part) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The file of a part, or of a whole segment.
pub fn media(live: &Live, kind: Kind, from: u64, to: u64) -> Bytes {
    clip(live, kind).fragment(from, to)
}
