//! Playlists in OME's spelling.

use std::fmt::Write;
use std::time::Duration;

use super::{Cut, Kind, LATENCY, clip};
use crate::common::time;
use crate::ome::config::Llhls;
use crate::ome::engine::{Live, lock};
use crate::ome::tracks::{self, Track};

fn suffix(session: &str) -> String {
    if session.is_empty() {
        String::new()
    } else {
        format!("?session={session}")
    }
}

fn kinds(live: &Live) -> (Option<Track>, Option<Track>) {
    let tracks = lock(&live.tracks);
    (
        tracks
            .iter()
            .find(|t| matches!(t, Track::Video { .. }))
            .cloned(),
        tracks
            .iter()
            .find(|t| matches!(t, Track::Audio { .. }))
            .cloned(),
    )
}

/// `llhls.m3u8`.
pub fn master(live: &Live, session: &str) -> String {
    let uri = |kind: Kind| {
        let (app, stream) = (&live.admitted.app, &live.admitted.stream);
        format!(
            "/{app}/{stream}/chunklist_{}_{}_{}_llhls.m3u8{}",
            kind.number(),
            kind.word(),
            live.key,
            suffix(session)
        )
    };
    let mut out = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n".to_owned();
    let bandwidth = tracks::bitrate(&lock(&live.tracks));
    let codec = |kind| clip(live, kind).codec.as_str();
    match kinds(live) {
        (
            Some(Track::Video {
                width,
                height,
                framerate,
                ..
            }),
            audio,
        ) => {
            let mut codecs = codec(Kind::Video).to_owned();
            let mut group = "";
            if let Some(Track::Audio { channel, .. }) = audio {
                let _ = writeln!(
                    out,
                    "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac_audio\",NAME=\"Audio_1\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"{channel}\",URI=\"{}\"",
                    uri(Kind::Audio)
                );
                let _ = write!(codecs, ",{}", codec(Kind::Audio));
                group = ",AUDIO=\"aac_audio\"";
            }
            let _ = writeln!(
                out,
                "#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},RESOLUTION={width}x{height},FRAME-RATE={framerate:.3},CODECS=\"{codecs}\"{group}\n{}",
                uri(Kind::Video)
            );
        }
        _ => {
            let _ = writeln!(
                out,
                "#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},CODECS=\"{}\"\n{}",
                codec(Kind::Audio),
                uri(Kind::Audio)
            );
        }
    }
    out
}

/// One track's list at this moment.
pub fn chunklist(live: &Live, config: &Llhls, kind: Kind, session: &str) -> String {
    let cut = Cut::of(live, config);
    let clip = clip(live, kind);
    let tail = format!("{}_{}_llhls.m4s{}", kind.word(), live.key, suffix(session));
    let track = kind.number();
    let (current, next_part) = cut.next();
    let first = cut.oldest();
    // A part may hold one frame of sound more than its share.
    let longest = (0..cut.parts() * 2)
        .map(|p| cut.part(p / cut.parts(), p % cut.parts()))
        .map(|(a, b)| clip.seconds(a, b))
        .fold(config.chunk, f64::max);
    let mut out = String::from("#EXTM3U\n#EXT-X-VERSION:6\n");
    let _ = writeln!(
        out,
        "#EXT-X-TARGETDURATION:{}",
        cut.segment.div_ceil(1_000_000)
    );
    let _ = writeln!(
        out,
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={:.6}",
        config.hold_back
    );
    let _ = writeln!(out, "#EXT-X-PART-INF:PART-TARGET={longest:.6}");
    let _ = writeln!(out, "#EXT-X-MEDIA-SEQUENCE:{first}");
    let _ = writeln!(out, "#EXT-X-MAP:URI=\"init_{track}_{tail}\"");
    for segment in first..=current {
        let whole = segment < current;
        let parts = if whole { cut.parts() } else { next_part };
        if !whole && parts == 0 {
            break;
        }
        let begun = live.created + LATENCY + Duration::from_micros(segment * cut.segment);
        let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", time::ome(begun));
        if segment + 3 >= current {
            for part in 0..parts {
                let (from, to) = cut.part(segment, part);
                let key = if clip.begins_with_key(from) {
                    ",INDEPENDENT=YES"
                } else {
                    ""
                };
                let _ = writeln!(
                    out,
                    "#EXT-X-PART:DURATION={:.6},URI=\"part_{track}_{segment}_{part}_{tail}\"{key}",
                    clip.seconds(from, to)
                );
            }
        }
        if whole {
            let seconds = clip.seconds(segment * cut.segment, (segment + 1) * cut.segment);
            let _ = writeln!(out, "#EXTINF:{seconds:.6},\nseg_{track}_{segment}_{tail}");
        }
    }
    let _ = writeln!(
        out,
        "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part_{track}_{current}_{next_part}_{tail}\""
    );
    let other = if kind == Kind::Video {
        Kind::Audio
    } else {
        Kind::Video
    };
    let (video, audio) = kinds(live);
    if video.is_some() && audio.is_some() {
        let (msn, part) = if next_part == 0 {
            (current.saturating_sub(1), cut.parts() - 1)
        } else {
            (current, next_part - 1)
        };
        let _ = writeln!(
            out,
            "#EXT-X-RENDITION-REPORT:URI=\"chunklist_{}_{}_{}_llhls.m3u8{}\",LAST-MSN={msn},LAST-PART={part}",
            other.number(),
            other.word(),
            live.key,
            suffix(session)
        );
    }
    out
}
