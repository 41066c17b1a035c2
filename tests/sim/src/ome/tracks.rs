//! What an encoder sends, as REST and the alerts tell it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

/// One track as a test describes it; what is left out is an ordinary 720p30.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, tag = "type")]
pub enum Track {
    /// Picture.
    #[serde(alias = "Video", rename_all = "camelCase")]
    Video {
        /// `H264`, `H265`, `VP8`, `VP9`.
        #[serde(default = "h264")]
        codec: String,
        /// Pixels.
        #[serde(default = "w1280")]
        width: u32,
        /// Pixels.
        #[serde(default = "h720")]
        height: u32,
        /// Per second.
        #[serde(default = "f30")]
        framerate: f64,
        /// Bits per second.
        #[serde(default = "b2441")]
        bitrate: u64,
        /// In FRAMES.
        #[serde(default = "f30")]
        key_frame_interval: f64,
        /// Not decodable in order.
        #[serde(default)]
        has_bframes: bool,
    },
    /// Sound.
    #[serde(alias = "Audio", rename_all = "camelCase")]
    Audio {
        /// `AAC`, `OPUS`.
        #[serde(default = "aac")]
        codec: String,
        /// Hertz.
        #[serde(default = "s48")]
        samplerate: u32,
        /// How many.
        #[serde(default = "two")]
        channel: u32,
        /// Bits per second.
        #[serde(default = "b125")]
        bitrate: u64,
    },
}

fn h264() -> String {
    "H264".to_owned()
}
fn aac() -> String {
    "AAC".to_owned()
}
fn w1280() -> u32 {
    1280
}
fn h720() -> u32 {
    720
}
fn f30() -> f64 {
    30.0
}
fn b2441() -> u64 {
    2_441_000
}
fn b125() -> u64 {
    125_000
}
fn s48() -> u32 {
    48_000
}
fn two() -> u32 {
    2
}

/// One picture and one sound, as captured.
pub fn ordinary() -> Vec<Track> {
    vec![
        Track::Video {
            codec: h264(),
            width: 1280,
            height: 720,
            framerate: 30.0,
            bitrate: b2441(),
            key_frame_interval: 30.0,
            has_bframes: false,
        },
        Track::Audio {
            codec: aac(),
            samplerate: s48(),
            channel: 2,
            bitrate: b125(),
        },
    ]
}

/// Seconds between key frames.
pub fn key_seconds(tracks: &[Track]) -> f64 {
    tracks
        .iter()
        .find_map(|t| match t {
            Track::Video {
                framerate,
                key_frame_interval,
                ..
            } if *framerate > 0.0 => Some(key_frame_interval / framerate),
            _ => None,
        })
        .unwrap_or(1.0)
}

/// All tracks together.
pub fn bitrate(tracks: &[Track]) -> u64 {
    tracks
        .iter()
        .map(|t| match t {
            Track::Video { bitrate, .. } | Track::Audio { bitrate, .. } => *bitrate,
        })
        .sum()
}

/// The `tracks` of `input`, `age` after the stream began.
pub fn input(tracks: &[Track], age: Duration, first_video_id: u64) -> Vec<Value> {
    let mut out: Vec<Value> = tracks
        .iter()
        .enumerate()
        .map(|(i, track)| {
            let id = i as u64 + if i == 0 { first_video_id } else { 0 };
            match track {
                Track::Video { codec, width, height, framerate, bitrate, key_frame_interval, has_bframes } => {
                    let frames = age.as_secs_f64() * framerate;
                    let interval = if frames < 2.0 * key_frame_interval { 0.0 } else { *key_frame_interval };
                    let since = if *key_frame_interval > 0.0 { (frames % key_frame_interval) as u64 } else { 0 };
                    json!({"id": id, "name": "Video", "type": "Video", "video": {
                        "bitrate": bitrate, "bitrateAvg": bitrate, "bitrateConf": bitrate, "bitrateLatest": bitrate, "bypass": false,
                        "codec": codec, "codecModule": "none", "configChangeCount": 0, "deltaFramesSinceLastKeyFrame": since,
                        "framerate": framerate, "framerateAvg": framerate, "framerateConf": framerate, "framerateLatest": framerate,
                        "hasBframes": has_bframes, "height": height, "keyFrameInterval": interval, "keyFrameIntervalAvg": interval,
                        "keyFrameIntervalConf": 0.0, "keyFrameIntervalLatest": interval, "maxFramerate": framerate,
                        "maxHeight": height, "maxWidth": width, "timebase": {"den": 1000, "num": 1}, "width": width}})
                }
                Track::Audio { codec, samplerate, channel, bitrate } => json!({"id": id, "name": "Audio", "type": "Audio", "audio": {
                    "bitrate": bitrate, "bitrateAvg": bitrate, "bitrateConf": bitrate, "bitrateLatest": bitrate, "bypass": false,
                    "channel": channel, "codec": codec, "codecModule": "none", "configChangeCount": 0, "samplerate": samplerate,
                    "timebase": {"den": 1000, "num": 1}}}),
            }
        })
        .collect();
    out.push(json!({"data": {"codec": "None"}, "id": out.len() as u64 + first_video_id, "name": "Data", "type": "Data"}));
    out
}
