//! Complaints about an encoder, one POST for each change of the set.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::engine::{Engine, Live, lock};
use super::hooks;
use super::rest;
use super::tracks::Track;
use super::xml::Node;
use crate::common::json as spelling;

/// Watches a stream for as long as it lives.
pub fn start(engine: &Arc<Engine>, live: &Arc<Live>) {
    let Some(rules) = engine.config.alert.as_ref().map(|a| a.rules.clone()) else {
        return;
    };
    let (engine, live) = (Arc::clone(engine), Arc::clone(live));
    tokio::spawn(async move {
        let mut told: Vec<&'static str> = Vec::new();
        // The first look is late enough for two frames out of order to be seen.
        let mut wait = Duration::from_millis(1200);
        loop {
            tokio::select! {
                _ = live.ended() => return,
                () = tokio::time::sleep(wait) => {}
            }
            wait = Duration::from_millis(500);
            let found = faults(&rules, &lock(&live.tracks), live.age());
            let codes: Vec<_> = found.iter().map(|(code, _)| *code).collect();
            // Whether OME tells when the last fault ends was never seen: so it does not.
            if codes != told && !codes.is_empty() {
                tell(&engine, &live, &found).await;
            }
            told = codes;
        }
    });
}

/// What holds, in OME's words.
fn faults(rules: &Node, tracks: &[Track], age: Duration) -> Vec<(&'static str, String)> {
    let limit = |name: &str| rules.text_at(name).and_then(|t| t.parse::<f64>().ok());
    let mut found = Vec::new();
    let mut compare = |min: &str,
                       max: &str,
                       value: f64,
                       low: &'static str,
                       high: &'static str,
                       what: &str,
                       unit: &str| {
        if let Some(least) = limit(min).filter(|l| value < *l) {
            found.push((low, format!("The ingress stream's current {what} ({value} {unit}) is lower than the configured {what} ({least} {unit})")));
        }
        if let Some(most) = limit(max).filter(|l| value > *l) {
            found.push((high, format!("The ingress stream's current {what} ({value} {unit}) is higher than the configured {what} ({most} {unit})")));
        }
    };
    // A rate takes a while to measure.
    if age >= Duration::from_millis(1600) {
        compare(
            "MinBitrate",
            "MaxBitrate",
            super::tracks::bitrate(tracks) as f64,
            "INGRESS_BITRATE_LOW",
            "INGRESS_BITRATE_HIGH",
            "bitrate",
            "bps",
        );
    }
    for track in tracks {
        match track {
            Track::Video {
                framerate,
                width,
                height,
                ..
            } => {
                compare(
                    "MinFramerate",
                    "MaxFramerate",
                    *framerate,
                    "INGRESS_FRAMERATE_LOW",
                    "INGRESS_FRAMERATE_HIGH",
                    "framerate",
                    "fps",
                );
                compare(
                    "MinWidth",
                    "MaxWidth",
                    f64::from(*width),
                    "INGRESS_WIDTH_SMALL",
                    "INGRESS_WIDTH_LARGE",
                    "width",
                    "px",
                );
                compare(
                    "MinHeight",
                    "MaxHeight",
                    f64::from(*height),
                    "INGRESS_HEIGHT_SMALL",
                    "INGRESS_HEIGHT_LARGE",
                    "height",
                    "px",
                );
            }
            Track::Audio { samplerate, .. } => {
                compare(
                    "MinSamplerate",
                    "MaxSamplerate",
                    f64::from(*samplerate),
                    "INGRESS_SAMPLERATE_LOW",
                    "INGRESS_SAMPLERATE_HIGH",
                    "samplerate",
                    "Hz",
                );
            }
        }
    }
    let asked = |name: &str| rules.child(name).is_some_and(|n| n.text != "false");
    for track in tracks {
        let Track::Video {
            framerate,
            key_frame_interval,
            has_bframes,
            ..
        } = track
        else {
            continue;
        };
        if asked("HasBFrames") && *has_bframes {
            found.push((
                "INGRESS_HAS_BFRAME",
                "There are B-Frames in the ingress stream".to_owned(),
            ));
        }
        let seconds = if *framerate > 0.0 {
            key_frame_interval / framerate
        } else {
            0.0
        };
        if asked("LongKeyFrameInterval") && seconds > 4.0 && age.as_secs_f64() > seconds {
            let text = format!(
                "The ingress stream's current keyframe interval ({seconds:.1} seconds) is too long. Please use a keyframe interval of 4.0 seconds or less"
            );
            found.push(("INGRESS_LONG_KEY_FRAME_INTERVAL", text));
        }
    }
    found
}

async fn tell(engine: &Engine, live: &Live, found: &[(&'static str, String)]) {
    let Some(alert) = &engine.config.alert else {
        return;
    };
    let mut source = rest::input(live);
    source["name"] = json!(live.admitted.stream);
    let hostname = std::fs::read_to_string("/etc/hostname")
        .unwrap_or_default()
        .trim()
        .to_owned();
    let body = json!({
        "messages": found.iter().map(|(code, text)| json!({"code": code, "description": text})).collect::<Vec<Value>>(),
        "serverInfo": {"hostname": hostname, "ipAddresses": [super::own_address()], "serverID": engine.server_id, "serverName": engine.config.name},
        "sourceInfo": source,
        "sourceUri": format!("#{}#{}/{}", live.admitted.vhost, live.admitted.app, live.admitted.stream),
        "type": "INGRESS",
    });
    hooks::alert(
        engine,
        &alert.url,
        &alert.secret,
        alert.timeout,
        &spelling::sorted(&body),
    )
    .await;
}
