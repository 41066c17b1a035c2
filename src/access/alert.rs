//! PURE: what OvenMediaEngine's alerts say about a picture, in plain words.
//!
//! An alert lists all that holds at its moment, and whether one comes when a
//! fault ends was never seen. So what it says is kept until the stream's own
//! facts speak about the same matter, or the stream ends.

use jiff::Timestamp;
use serde_json::Value;

use super::facts::{Hint, Matter, StreamFacts};
use crate::model::{StreamName, disrupts};

/// No description of OvenMediaEngine's is longer; a page stays readable.
const LONGEST: usize = 300;

/// What an alert says about one stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Application.
    pub profile: String,
    /// Name.
    pub stream: StreamName,
    /// When the stream it is about began.
    pub created: Option<Timestamp>,
    /// `INGRESS`, `EGRESS` or another: each has a set of faults of its own.
    pub kind: String,
    /// All that hold now; `None` when it only tells what happened.
    pub faults: Option<Vec<Fault>>,
}

/// One thing that is wrong with a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What to tell.
    pub hint: Hint,
    /// The limit that was crossed, where it names one.
    limit: Option<f64>,
}

impl Alert {
    /// Reads the body of an alert, as far as it goes; `None` when it is about
    /// no stream of ours.
    pub fn read(body: &Value) -> Option<Self> {
        let uri = body["sourceUri"].as_str()?;
        // `#vhost#app/stream`
        let (profile, stream) = uri.rsplit('#').next()?.split_once('/')?;
        let messages = body["messages"].as_array()?;
        let codes = messages.iter().filter_map(|message| {
            let description = message["description"].as_str().unwrap_or_default();
            Some((message["code"].as_str()?, description))
        });
        // Of what happened, nothing holds on; `OK` says that nothing does.
        let of_state: Vec<_> = codes.filter(|(code, _)| !is_event(code)).collect();
        let faults = of_state
            .iter()
            .filter(|(code, _)| *code != "OK")
            .map(|(code, description)| Fault::of(code, description))
            .collect();
        Some(Self {
            profile: profile.to_owned(),
            stream: stream.split('/').next()?.parse().ok()?,
            created: body["sourceInfo"]["createdTime"]
                .as_str()
                .and_then(|text| text.parse().ok()),
            kind: body["type"].as_str().unwrap_or_default().to_owned(),
            faults: (!of_state.is_empty() || messages.is_empty()).then_some(faults),
        })
    }
}

/// Whether a code tells of something that happened rather than of a fault.
fn is_event(code: &str) -> bool {
    ["_CREATED", "_PREPARED", "_DELETED", "_READY"]
        .iter()
        .any(|end| code.ends_with(end))
}

impl Fault {
    fn of(code: &str, description: &str) -> Self {
        let figures = figures(description);
        let (now, limit) = match figures.as_slice() {
            [now, limit, ..] => (Some(*now), Some(*limit)),
            [now] => (Some(*now), None),
            [] => (None, None),
        };
        let hint = metric(code, now, limit).unwrap_or_else(|| match code {
            "INGRESS_HAS_BFRAME" => Hint::b_frames(),
            "INGRESS_LONG_KEY_FRAME_INTERVAL" => Hint::key_frames(now),
            "INGRESS_STREAM_CREATION_FAILED_DUPLICATE_NAME" => Hint::new(
                "notice",
                "A second encoder tried to publish to this room.",
                "It was refused: viewers see the first one.",
                "Stop one of the two, or give the second a room of its own.",
            ),
            "INTERNAL_QUEUE_CONGESTION" => Hint::new(
                "error",
                "OvenMediaEngine does not keep up.",
                "Pictures come late or with gaps, for everybody.",
                "Lower bitrate and resolution in the encoder, or give the host more processor.",
            ),
            _ if code.starts_with("EGRESS_") && code.contains("FAILED") => Hint::new(
                "error",
                "OvenMediaEngine cannot convert the stream.",
                "Viewers miss the picture or the sound.",
                "Choose H.264 and AAC in the encoder and start the stream again.",
            ),
            _ => unknown(code, description),
        });
        Self { hint, limit }
    }

    /// Whether the stream's own facts have the say now: they show that it is
    /// over, or tell of it themselves.
    pub fn is_settled(&self, facts: &StreamFacts) -> bool {
        let video = facts.video.as_ref().filter(|_| facts.receiving);
        let least = |value: f64| value > 0.0 && self.limit.is_some_and(|limit| value >= limit);
        let most = |value: f64| value > 0.0 && self.limit.is_some_and(|limit| value <= limit);
        let of = |value: fn(&super::VideoFacts) -> f64| video.map_or(0.0, value);
        let samples = facts
            .audio
            .as_ref()
            .map_or(0.0, |audio| f64::from(audio.sample_rate));
        match self.hint.about {
            Matter::Other => false,
            Matter::BFrames => video.is_some(),
            Matter::KeyFrames => video.is_some_and(|video| video.keyframe_seconds.is_some()),
            // What the room's own profile expects is what counts.
            Matter::BitrateLow => video.is_some_and(|video| video.bitrate > 0),
            Matter::BitrateHigh => most(of(|video| video.bitrate as f64)),
            Matter::FramerateLow => least(of(|video| video.fps)),
            Matter::FramerateHigh => most(of(|video| video.fps)),
            Matter::WidthSmall => least(of(|video| f64::from(video.width))),
            Matter::WidthLarge => most(of(|video| f64::from(video.width))),
            Matter::HeightSmall => least(of(|video| f64::from(video.height))),
            Matter::HeightLarge => most(of(|video| f64::from(video.height))),
            Matter::SamplerateLow => least(samples),
            Matter::SamplerateHigh => most(samples),
        }
    }
}

/// The figures in brackets: what is, then what should be.
fn figures(description: &str) -> Vec<f64> {
    description
        .split('(')
        .skip(1)
        .filter_map(|rest| {
            let end = rest
                .find(|char: char| !char.is_ascii_digit() && char != '.')
                .unwrap_or(rest.len());
            rest.get(..end)?.parse().ok()
        })
        .collect()
}

/// The codes that compare a figure with a rule of an operator's own template.
fn metric(code: &str, now: Option<f64>, limit: Option<f64>) -> Option<Hint> {
    const FINE: &str = "Fine detail is lost.";
    const MUCH: &str = "It needs more of every viewer's line and machine than was planned.";
    const SIZE: &str = "Set the encoder's output to the size of the source.";
    const SCALE: &str = "Scale the output down in the encoder.";
    const RATE: &str = "Set the encoder to the frame rate of the project.";
    const SOUND: &str = "Set the encoder's audio to 48 kHz.";
    let (about, what, unit, scale, why, fix) = match code {
        "INGRESS_BITRATE_LOW" => (
            Matter::BitrateLow,
            "The bitrate is too low",
            "Mb/s",
            1e6,
            "Fine detail and grain are lost.",
            "Raise the bitrate in the encoder, or look for a slow line.",
        ),
        "INGRESS_BITRATE_HIGH" => (
            Matter::BitrateHigh,
            "The bitrate is too high",
            "Mb/s",
            1e6,
            "Viewers with a slow line see the picture stop.",
            "Lower the bitrate in the encoder.",
        ),
        "INGRESS_FRAMERATE_LOW" => (
            Matter::FramerateLow,
            "There are too few frames",
            "frames per second",
            1.0,
            "Motion is not smooth.",
            "Set the encoder to the frame rate of the project; if it is, its machine is too busy.",
        ),
        "INGRESS_FRAMERATE_HIGH" => (
            Matter::FramerateHigh,
            "There are too many frames",
            "frames per second",
            1.0,
            MUCH,
            RATE,
        ),
        "INGRESS_WIDTH_SMALL" => (
            Matter::WidthSmall,
            "The picture is too narrow",
            "pixels",
            1.0,
            FINE,
            SIZE,
        ),
        "INGRESS_WIDTH_LARGE" => (
            Matter::WidthLarge,
            "The picture is too wide",
            "pixels",
            1.0,
            MUCH,
            SCALE,
        ),
        "INGRESS_HEIGHT_SMALL" => (
            Matter::HeightSmall,
            "The picture is too low",
            "pixels",
            1.0,
            FINE,
            SIZE,
        ),
        "INGRESS_HEIGHT_LARGE" => (
            Matter::HeightLarge,
            "The picture is too high",
            "pixels",
            1.0,
            MUCH,
            SCALE,
        ),
        "INGRESS_SAMPLERATE_LOW" => (
            Matter::SamplerateLow,
            "The sound has too few samples",
            "kHz",
            1e3,
            "High tones are lost.",
            SOUND,
        ),
        "INGRESS_SAMPLERATE_HIGH" => (
            Matter::SamplerateHigh,
            "The sound has too many samples",
            "kHz",
            1e3,
            "Browsers do not play them: it is converted on the way.",
            SOUND,
        ),
        _ => return None,
    };
    let shown = |value: f64| format!("{}", (value / scale * 10.0).round() / 10.0);
    let what = match (now, limit) {
        (Some(now), Some(limit)) => {
            format!(
                "{what}: {} {unit}; the limit is {}.",
                shown(now),
                shown(limit)
            )
        }
        (Some(now), None) => format!("{what}: {} {unit}.", shown(now)),
        _ => format!("{what}."),
    };
    Some(Hint::new("warning", what, why, fix).about(about))
}

/// A code of a later OvenMediaEngine: in its own words, as far as they are
/// words.
fn unknown(code: &str, description: &str) -> Hint {
    let clean = |text: &str| -> String {
        let text = text.chars().filter(|letter| !disrupts(*letter));
        text.take(LONGEST).collect()
    };
    let (code, description) = (clean(code), clean(description));
    let words = if description.is_empty() {
        code.replace('_', " ").to_lowercase()
    } else {
        description
    };
    Hint::new(
        "notice",
        format!("OvenMediaEngine says: {}.", words.trim_end_matches('.')),
        "What it means for the picture is not known here.",
        &format!("Look the code {code} up in OvenMediaEngine's documentation on alerts."),
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// As recorded in the contract, with the three codes it names.
    pub const RECORDED: &str = r##"{"messages":[{"code":"INGRESS_HAS_BFRAME","description":"There are B-Frames in the ingress stream"},{"code":"INGRESS_BITRATE_LOW","description":"The ingress stream's current bitrate (977084 bps) is lower than the configured bitrate (2000000 bps)"},{"code":"INGRESS_LONG_KEY_FRAME_INTERVAL","description":"The ingress stream's current keyframe interval (6.0 seconds) is too long. Please use a keyframe interval of 4.0 seconds or less"}],"serverInfo":{"hostname":"724e53e302e2","ipAddresses":["172.17.0.2"],"serverID":"3795de52","serverName":"OvenMediaEngine"},"sourceInfo":{"createdTime":"2026-11-22T19:42:22.079+00:00","name":"roomone1","sourceType":"Rtmp","tracks":[]},"sourceUri":"#default#app/roomone1","type":"INGRESS"}"##;

    fn read(codes: &[(&str, &str)]) -> Vec<Fault> {
        let messages: Vec<_> = codes
            .iter()
            .map(|(code, description)| json!({"code": code, "description": description}))
            .collect();
        let body = json!({"messages": messages, "sourceUri": "#default#app/roomone1"});
        Alert::read(&body).unwrap().faults.unwrap_or_default()
    }

    #[test]
    fn the_recorded_alert_is_said_in_plain_words() {
        let alert = Alert::read(&serde_json::from_str(RECORDED).unwrap()).unwrap();
        assert_eq!(
            (
                alert.profile.as_str(),
                alert.stream.as_str(),
                alert.kind.as_str()
            ),
            ("app", "roomone1", "INGRESS")
        );
        assert_eq!(
            alert.created.unwrap().to_string(),
            "2026-11-22T19:42:22.079Z"
        );
        let said: Vec<_> = alert
            .faults
            .unwrap()
            .into_iter()
            .map(|fault| format!("{} {} {}", fault.hint.what, fault.hint.why, fault.hint.fix))
            .collect();
        assert_eq!(
            said,
            [
                "The encoder sends B-frames. Browsers play them over WebRTC with stutter. Set B-frames to 0.",
                "The bitrate is too low: 1 Mb/s; the limit is 2. Fine detail and grain are lost. Raise the bitrate in the encoder, or look for a slow line.",
                "Key frames come every 6.0 seconds. A viewer waits that long for the first picture and after each loss. Set the key frame interval to 1 second.",
            ]
        );
    }

    #[test]
    fn every_rule_has_words_of_its_own() {
        let codes = [
            "BITRATE_LOW",
            "BITRATE_HIGH",
            "FRAMERATE_LOW",
            "FRAMERATE_HIGH",
            "WIDTH_SMALL",
            "WIDTH_LARGE",
            "HEIGHT_SMALL",
            "HEIGHT_LARGE",
            "SAMPLERATE_LOW",
            "SAMPLERATE_HIGH",
            "HAS_BFRAME",
            "LONG_KEY_FRAME_INTERVAL",
        ]
        .map(|code| format!("INGRESS_{code}"));
        let said: std::collections::BTreeSet<_> = codes
            .iter()
            .map(|code| {
                let fault = read(&[(code, "")]).remove(0);
                assert!(!fault.hint.what.contains("OvenMediaEngine says"), "{code}");
                assert_ne!(fault.hint.about, Matter::Other, "{code}");
                fault.hint.what
            })
            .collect();
        assert_eq!(said.len(), codes.len());
        for code in [
            "INTERNAL_QUEUE_CONGESTION",
            "EGRESS_TRANSCODE_DECODING_FAILED",
        ] {
            assert_eq!(read(&[(code, "")])[0].hint.level, "error", "{code}");
        }
    }

    #[test]
    fn a_code_nobody_knows_keeps_its_own_words() {
        let fault = read(&[("INGRESS_HUE_ODD", "The hue\u{1b}[31m \u{202e}is odd.")]).remove(0);
        assert_eq!(fault.hint.what, "OvenMediaEngine says: The hue[31m is odd.");
        assert!(fault.hint.fix.contains("INGRESS_HUE_ODD"));
        assert_eq!(
            read(&[("INGRESS_HUE_ODD", "")])[0].hint.what,
            "OvenMediaEngine says: ingress hue odd."
        );
    }

    #[test]
    fn what_happened_is_no_fault_and_ok_ends_them_all() {
        let alert = |code: &str| {
            let body = json!({"messages": [{"code": code}], "sourceUri": "#default#app/roomone1"});
            Alert::read(&body).unwrap().faults
        };
        assert_eq!(alert("INGRESS_STREAM_PREPARED"), None);
        assert_eq!(alert("OK"), Some(Vec::new()));
    }

    #[test]
    fn a_limit_is_compared_with_what_is_seen_later() {
        let fault = read(&[(
            "INGRESS_WIDTH_SMALL",
            "The ingress stream's current width (640 px) is lower than the configured width (1280 px)",
        )])
        .remove(0);
        assert_eq!(
            fault.hint.what,
            "The picture is too narrow: 640 pixels; the limit is 1280."
        );
        let wide = |width: u32| {
            let detail = json!({"input": {"tracks": [{"type": "Video", "video": {"codec": "H264", "width": width}}]}});
            StreamFacts::of(&detail, None, None, Timestamp::UNIX_EPOCH)
        };
        assert!(!fault.is_settled(&wide(0)), "not known is not over");
        assert!(!fault.is_settled(&wide(640)));
        assert!(fault.is_settled(&wide(1280)));
    }

    proptest! {
        #[test]
        fn any_alert_is_read_as_far_as_it_goes(text in any::<String>(), number in any::<f64>()) {
            let _ = Alert::read(&json!({"messages": [{"code": text, "description": text}, number, text], "sourceUri": text, "type": number}));
            for fault in read(&[(&text, &text), ("INGRESS_WIDTH_SMALL", &text)]) {
                prop_assert!(fault.hint.what.chars().count() < LONGEST + 40);
            }
        }
    }
}
