//! PURE: what the picture is like, from OvenMediaEngine's stream detail, and
//! what a person should change about it, in plain words.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::is_recent;

/// What the picture is like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StreamFacts {
    /// Since when there is a picture.
    pub live_since: Option<Timestamp>,
    /// How the encoder sends: `rtmp`, `srt`, `webrtc`, `ovt`, or as
    /// OvenMediaEngine calls it.
    pub protocol: String,
    /// The video track.
    pub video: Option<VideoFacts>,
    /// The audio track.
    pub audio: Option<AudioFacts>,
    /// Whether data came within the last seconds.
    pub receiving: bool,
    /// How many people watch.
    pub viewers: u32,
    /// How many people are in the call.
    pub callers: u32,
    /// What the media server does with it, where its statistics were had.
    pub server: Option<ServerFacts>,
    /// What should be changed at the encoder.
    pub hints: Vec<Hint>,
}

/// What the media server itself does with the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ServerFacts {
    /// Bits per second that came in last.
    pub bitrate_in: u64,
    /// Bits per second that went out last, to everybody together.
    pub bitrate_out: u64,
    /// Connections that take the direct way.
    pub webrtc: u32,
    /// Connections that take the compatible way.
    pub llhls: u32,
}

/// The video track.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct VideoFacts {
    /// Such as `H264`.
    pub codec: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames per second.
    pub fps: f64,
    /// Bits per second.
    pub bitrate: u64,
    /// Seconds between key frames, once two were seen.
    pub keyframe_seconds: Option<f64>,
    /// Whether there are B-frames.
    pub b_frames: bool,
}

/// The audio track.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AudioFacts {
    /// Such as `AAC`.
    pub codec: String,
    /// Bits per second.
    pub bitrate: u64,
    /// Samples per second.
    pub sample_rate: u32,
    /// Channels.
    pub channels: u32,
}

/// Something to change at the encoder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Hint {
    /// `notice`, `warning` or `error`.
    pub level: String,
    /// One sentence: what.
    pub what: String,
    /// One sentence: why it matters.
    pub why: String,
    /// One sentence: what to do.
    pub fix: String,
    /// What it is about.
    #[serde(skip)]
    pub(super) about: Matter,
}

/// What a hint is about: the same thing is not said twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Matter {
    /// Something that is said in one place only.
    #[default]
    Other,
    BFrames,
    KeyFrames,
    BitrateLow,
    BitrateHigh,
    FramerateLow,
    FramerateHigh,
    WidthSmall,
    WidthLarge,
    HeightSmall,
    HeightLarge,
    SamplerateLow,
    SamplerateHigh,
}

impl Hint {
    pub(super) fn new(level: &str, what: impl Into<String>, why: &str, fix: &str) -> Self {
        Self {
            level: level.into(),
            what: what.into(),
            why: why.into(),
            fix: fix.into(),
            about: Matter::Other,
        }
    }

    pub(super) fn about(mut self, matter: Matter) -> Self {
        self.about = matter;
        self
    }

    pub(super) fn b_frames() -> Self {
        Self::new(
            "error",
            "The encoder sends B-frames.",
            "Browsers play them over WebRTC with stutter.",
            "Set B-frames to 0.",
        )
        .about(Matter::BFrames)
    }

    pub(super) fn key_frames(seconds: Option<f64>) -> Self {
        let what = seconds.map_or_else(
            || "Key frames come too seldom.".to_owned(),
            |seconds| format!("Key frames come every {seconds:.1} seconds."),
        );
        Self::new(
            "warning",
            what,
            "A viewer waits that long for the first picture and after each loss.",
            "Set the key frame interval to 1 second.",
        )
        .about(Matter::KeyFrames)
    }
}

/// How long without data before the encoder counts as silent.
const SILENT: SignedDuration = SignedDuration::from_secs(3);

impl StreamFacts {
    /// From `response` of a stream's detail and, where it was asked, of its
    /// statistics. Whatever is missing or of another type is left out.
    pub fn of(
        detail: &Value,
        stats: Option<&Value>,
        min_bitrate: Option<u64>,
        now: Timestamp,
    ) -> Self {
        let input = &detail["input"];
        let time = |value: &Value| {
            value
                .as_str()
                .and_then(|text| text.parse::<Timestamp>().ok())
        };
        // The tracks' ids differ by protocol; their type does not.
        let track = |kind: &str| {
            let tracks = input["tracks"]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            tracks.iter().find(|track| {
                track["type"]
                    .as_str()
                    .is_some_and(|found| found.eq_ignore_ascii_case(kind))
            })
        };
        let video = track("Video").map(|track| video(&track["video"]));
        let audio = track("Audio").map(|track| audio(&track["audio"]));
        let received = stats.and_then(|stats| time(&stats["lastRecvTime"]));
        let receiving = received.is_none_or(|at| is_recent(at, SILENT, now));
        let mut facts = Self {
            live_since: time(&input["createdTime"]),
            protocol: input["sourceType"]
                .as_str()
                .unwrap_or("unknown")
                .to_lowercase(),
            video,
            audio,
            receiving,
            viewers: 0,
            callers: 0,
            server: stats.filter(|stats| stats.is_object()).map(server),
            hints: Vec::new(),
        };
        facts.hints = facts.hints(min_bitrate);
        facts
    }

    fn hints(&self, min_bitrate: Option<u64>) -> Vec<Hint> {
        let mut hints = Vec::new();
        if !self.receiving {
            hints.push(Hint::new(
                "error",
                "The encoder is connected but sends nothing.",
                "Viewers see a frozen picture.",
                "Check the encoder and its network; it is let go after ten seconds of silence.",
            ));
        }
        match &self.video {
            None => hints.push(Hint::new(
                "error",
                "There is no video in the stream.",
                "Nobody sees a picture.",
                "Add a video source in the encoder.",
            )),
            Some(video) => {
                if video.b_frames {
                    hints.push(Hint::b_frames());
                }
                if let Some(seconds) = video.keyframe_seconds.filter(|seconds| *seconds > 2.05) {
                    hints.push(Hint::key_frames(Some(seconds)));
                }
                if let Some(wanted) = min_bitrate
                    .filter(|wanted| self.receiving && video.bitrate > 0 && video.bitrate < *wanted)
                {
                    let low = Hint::new(
                        "warning",
                        format!(
                            "The video has {:.1} Mb/s; the profile expects {:.1}.",
                            megabits(video.bitrate),
                            megabits(wanted)
                        ),
                        "Fine detail and grain are lost.",
                        "Raise the bitrate in the encoder, or look for a slow line.",
                    );
                    hints.push(low.about(Matter::BitrateLow));
                }
                if !["H264", "VP8", "VP9", "AV1", "H265", ""]
                    .contains(&video.codec.to_uppercase().as_str())
                {
                    hints.push(Hint::new(
                        "error",
                        format!("The video is {}.", video.codec),
                        "Browsers cannot play it.",
                        "Choose H.264 in the encoder.",
                    ));
                } else if video.codec.eq_ignore_ascii_case("H265") {
                    hints.push(Hint::new(
                        "warning",
                        "The video is H.265.",
                        "Many browsers cannot play it over WebRTC.",
                        "Choose H.264 in the encoder.",
                    ));
                }
            }
        }
        if self.audio.is_none() {
            hints.push(Hint::new(
                "notice",
                "There is no sound in the stream.",
                "Viewers hear nothing of the programme.",
                "Add an audio source if there should be one.",
            ));
        }
        hints
    }
}

// For people to read: no figure here needs more digits than a float has.
#[expect(clippy::cast_precision_loss)]
fn megabits(bits: u64) -> f64 {
    bits as f64 / 1e6
}

fn video(track: &Value) -> VideoFacts {
    let fps = [&track["framerateLatest"], &track["framerate"]]
        .into_iter()
        .filter_map(Value::as_f64)
        .find(|fps| *fps > 0.0)
        .unwrap_or_default();
    // In frames, and 0 until two key frames came.
    let interval = [&track["keyFrameIntervalLatest"], &track["keyFrameInterval"]]
        .into_iter()
        .filter_map(Value::as_f64)
        .find(|frames| *frames > 0.0);
    VideoFacts {
        codec: track["codec"].as_str().unwrap_or_default().to_owned(),
        width: number(&track["width"]),
        height: number(&track["height"]),
        fps,
        bitrate: bitrate(track),
        keyframe_seconds: interval.filter(|_| fps > 0.0).map(|frames| frames / fps),
        b_frames: track["hasBframes"].as_bool().unwrap_or_default(),
    }
}

fn audio(track: &Value) -> AudioFacts {
    AudioFacts {
        codec: track["codec"].as_str().unwrap_or_default().to_owned(),
        bitrate: bitrate(track),
        sample_rate: number(&track["samplerate"]),
        channels: number(&track["channel"]),
    }
}

/// Its throughputs are in bytes.
fn server(stats: &Value) -> ServerFacts {
    let bits = |value: &Value| value.as_u64().unwrap_or_default().saturating_mul(8);
    ServerFacts {
        bitrate_in: bits(&stats["lastThroughputIn"]),
        bitrate_out: bits(&stats["lastThroughputOut"]),
        webrtc: number(&stats["connections"]["webrtc"]),
        llhls: number(&stats["connections"]["llhls"]),
    }
}

fn number(value: &Value) -> u32 {
    value
        .as_u64()
        .and_then(|number| u32::try_from(number).ok())
        .unwrap_or_default()
}

fn bitrate(track: &Value) -> u64 {
    [
        &track["bitrateLatest"],
        &track["bitrateAvg"],
        &track["bitrate"],
    ]
    .into_iter()
    .filter_map(Value::as_u64)
    .find(|bits| *bits > 0)
    .unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As recorded in the contract, shortened.
    const DETAIL: &str = r#"{"input":{"createdTime":"2026-11-22T19:42:22.079+00:00","sourceType":"Rtmp","sourceUrl":"TCP://172.17.0.1:49104/tcp","tracks":[
 {"id":0,"name":"Video","type":"Video","video":{"bitrate":2441000,"bitrateAvg":2771904,"bitrateConf":2441000,"bitrateLatest":2544636,"bypass":false,"codec":"H264","codecModule":"none","configChangeCount":0,"deltaFramesSinceLastKeyFrame":16,"framerate":30.0,"framerateAvg":30.0,"framerateConf":30.0,"framerateLatest":29.850746154785156,"hasBframes":false,"height":720,"keyFrameInterval":30.0,"keyFrameIntervalAvg":30.0,"keyFrameIntervalConf":0.0,"keyFrameIntervalLatest":30.0,"maxFramerate":30.0,"maxHeight":720,"maxWidth":1280,"timebase":{"den":1000,"num":1},"width":1280}},
 {"audio":{"bitrate":125000,"bitrateAvg":130714,"bitrateConf":125000,"bitrateLatest":135928,"bypass":false,"channel":2,"codec":"AAC","codecModule":"none","configChangeCount":0,"samplerate":48000,"timebase":{"den":1000,"num":1}},"id":1,"name":"Audio","type":"Audio"},
 {"data":{"codec":"None"},"id":2,"name":"Data","type":"Data"}]},"name":"room-one"}"#;
    const STATS: &str = r#"{"avgThroughputIn":2855316,"connections":{"hlsv3":0,"llhls":1,"ovt":0,"webrtc":2},"lastRecvTime":"2026-11-22T19:42:26.682+00:00","lastThroughputIn":359413,"lastThroughputOut":718826}"#;

    fn facts(detail: &str, now: &str) -> StreamFacts {
        StreamFacts::of(
            &serde_json::from_str(detail).unwrap(),
            Some(&serde_json::from_str(STATS).unwrap()),
            Some(2_000_000),
            now.parse().unwrap(),
        )
    }

    #[test]
    fn the_recorded_detail_is_read() {
        let facts = facts(DETAIL, "2026-11-22T19:42:27Z");
        let video = facts.video.clone().unwrap();
        assert_eq!(
            (video.width, video.height, video.bitrate, video.b_frames),
            (1280, 720, 2_544_636, false)
        );
        assert!((video.keyframe_seconds.unwrap() - 1.005).abs() < 0.001);
        assert_eq!(
            facts.audio,
            Some(AudioFacts {
                codec: "AAC".into(),
                bitrate: 135_928,
                sample_rate: 48_000,
                channels: 2
            })
        );
        assert_eq!(
            (facts.protocol.as_str(), facts.receiving, facts.hints.len()),
            ("rtmp", true, 0)
        );
        assert_eq!(
            facts.live_since.unwrap().to_string(),
            "2026-11-22T19:42:22.079Z"
        );
    }

    #[test]
    fn the_servers_own_figures_are_read_where_there_are_any() {
        assert_eq!(
            facts(DETAIL, "2026-11-22T19:42:27Z").server,
            Some(ServerFacts {
                bitrate_in: 2_875_304,
                bitrate_out: 5_750_608,
                webrtc: 2,
                llhls: 1,
            })
        );
        let without = StreamFacts::of(&Value::Null, None, None, Timestamp::UNIX_EPOCH);
        assert_eq!(without.server, None);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_fix() {
        let detail = DETAIL
            .replace(r#""hasBframes":false"#, r#""hasBframes":true"#)
            .replace(
                r#""keyFrameIntervalLatest":30.0"#,
                r#""keyFrameIntervalLatest":180.0"#,
            )
            .replace(r#""bitrateLatest":2544636"#, r#""bitrateLatest":800000"#)
            .replace(r#""type":"Audio""#, r#""type":"Data""#);
        let hints: Vec<_> = facts(&detail, "2026-11-22T19:42:27Z")
            .hints
            .into_iter()
            .map(|hint| format!("{} {}", hint.what, hint.fix))
            .collect();
        assert_eq!(
            hints,
            [
                "The encoder sends B-frames. Set B-frames to 0.",
                "Key frames come every 6.0 seconds. Set the key frame interval to 1 second.",
                "The video has 0.8 Mb/s; the profile expects 2.0. Raise the bitrate in the encoder, or look for a slow line.",
                "There is no sound in the stream. Add an audio source if there should be one.",
            ]
        );
    }

    #[test]
    fn a_frozen_encoder_is_seen() {
        let facts = facts(DETAIL, "2026-11-22T19:42:30Z");
        assert!(!facts.receiving);
        assert_eq!(facts.hints[0].level, "error");
    }

    proptest! {
        #[test]
        fn any_answer_is_read_as_far_as_it_goes(text in any::<String>(), number in any::<f64>()) {
            for value in [Value::String(text.clone()), serde_json::json!({"input": {"tracks": [{"type": text, "video": number}, text]}}), serde_json::json!({"input": {"tracks": [{"type": "Video", "video": {"framerate": number, "bitrate": number, "codec": number}}]}})] {
                let _ = StreamFacts::of(&value, Some(&value), Some(1), Timestamp::UNIX_EPOCH);
            }
        }
    }
}
