//! Fragmented MP4: takes a clip's samples out and packs any run of them anew.

use bytes::Bytes;

/// One coded frame.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at: usize,
    size: u32,
    key: bool,
}

/// A clip of one track, of whole seconds, with frames of one length.
#[derive(Debug, Default)]
pub struct Clip {
    /// `ftyp` and `moov`.
    pub init: Bytes,
    /// For `CODECS`.
    pub codec: String,
    file: &'static [u8],
    timescale: u64,
    frame: u64,
    samples: Vec<Sample>,
}

/// The loop's length. 8 s is 240 frames of video, 375 of AAC and 400 of Opus, all whole.
const SECONDS: u64 = 8;

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u32::from_be_bytes)
}

/// The boxes of a stretch: name, and where the payload begins and ends.
fn boxes(file: &[u8], from: usize, to: usize) -> Vec<(&[u8], usize, usize)> {
    let mut out = Vec::new();
    let mut at = from;
    while at + 8 <= to {
        let size = number(file, at) as usize;
        if size < 8 || at + size > to {
            break;
        }
        out.push((&file[at + 4..at + 8], at + 8, at + size));
        at += size;
    }
    out
}

fn inside(file: &[u8], mut span: (usize, usize), path: &[&[u8]]) -> Option<(usize, usize)> {
    for name in path {
        let found = boxes(file, span.0, span.1)
            .into_iter()
            .find(|(n, _, _)| n == name)?;
        span = (found.1, found.2);
    }
    Some(span)
}

fn position(file: &[u8], name: &[u8]) -> Option<usize> {
    file.windows(name.len()).position(|w| w == name)
}

impl Clip {
    /// Reads a file made by the commands of the assets' README.
    pub fn read(file: &'static [u8]) -> Self {
        let mut clip = Self {
            file,
            ..Self::default()
        };
        let top = boxes(file, 0, file.len());
        for (name, from, to) in top {
            match name {
                b"moov" => {
                    clip.init = Bytes::from_static(&file[..to]);
                    if let Some((at, _)) = inside(file, (from, to), &[b"trak", b"mdia", b"mdhd"]) {
                        let wide = file[at] == 1;
                        clip.timescale = u64::from(number(file, at + if wide { 20 } else { 12 }));
                    }
                }
                b"moof" => clip.collect(from - 8, (from, to)),
                _ => {}
            }
        }
        clip.codec = match position(&clip.init, b"avcC") {
            Some(at) => format!(
                "avc1.{:02x}{:02x}{:02x}",
                clip.init[at + 5],
                clip.init[at + 6],
                clip.init[at + 7]
            ),
            None if position(&clip.init, b"vpcC").is_some() => "vp09.00.11.08".to_owned(),
            None if position(&clip.init, b"dOps").is_some() => "opus".to_owned(),
            None => "mp4a.40.2".to_owned(),
        };
        // A codec's first frames may be more than the loop needs: drop the surplus.
        if let Some(frames) = (SECONDS * clip.timescale).checked_div(clip.frame) {
            clip.samples
                .truncate(usize::try_from(frames).unwrap_or(usize::MAX));
        }
        clip
    }

    fn collect(&mut self, moof: usize, span: (usize, usize)) {
        let file = self.file;
        let Some(traf) = inside(file, span, &[b"traf"]) else {
            return;
        };
        let (mut length, mut size, mut flags) = (0, 0, 0);
        for (name, at, _) in boxes(file, traf.0, traf.1) {
            let bits = number(file, at) & 0x00ff_ffff;
            match name {
                b"tfhd" => {
                    let mut next = at + 8;
                    for (bit, width) in [(0x1, 8), (0x2, 4), (0x8, 4), (0x10, 4), (0x20, 4)] {
                        if bits & bit == 0 {
                            continue;
                        }
                        match bit {
                            0x8 => length = number(file, next),
                            0x10 => size = number(file, next),
                            0x20 => flags = number(file, next),
                            _ => {}
                        }
                        next += width;
                    }
                }
                b"trun" => {
                    let count = number(file, at + 4);
                    let mut next = at + 8;
                    let mut take = |wanted: bool, otherwise: u32| {
                        if !wanted {
                            return otherwise;
                        }
                        next += 4;
                        number(file, next - 4)
                    };
                    let mut data = moof + take(bits & 1 != 0, 0) as usize;
                    let first_flags = take(bits & 4 != 0, flags);
                    for i in 0..count {
                        let frame = take(bits & 0x100 != 0, length);
                        let bytes = take(bits & 0x200 != 0, size);
                        let own = take(bits & 0x400 != 0, if i == 0 { first_flags } else { flags });
                        take(bits & 0x800 != 0, 0);
                        if self.frame == 0 {
                            self.frame = u64::from(frame);
                        }
                        // `sample_is_non_sync_sample` is unset on key frames.
                        self.samples.push(Sample {
                            at: data,
                            size: bytes,
                            key: own & 0x1_0000 == 0,
                        });
                        data += bytes as usize;
                    }
                }
                _ => {}
            }
        }
    }

    /// The first frame at or after a moment in µs.
    fn index(&self, micros: u64) -> u64 {
        (micros * self.timescale).div_ceil(1_000_000 * self.frame.max(1))
    }

    /// How long the frames of a stretch last, in seconds.
    pub fn seconds(&self, from: u64, to: u64) -> f64 {
        (self.index(to) - self.index(from)) as f64 * self.frame as f64
            / self.timescale.max(1) as f64
    }

    /// Whether a stretch begins with a key frame.
    pub fn begins_with_key(&self, from: u64) -> bool {
        let count = self.samples.len().max(1) as u64;
        self.samples
            .get((self.index(from) % count) as usize)
            .is_some_and(|s| s.key)
    }

    /// `moof` and `mdat` of a stretch, of a stream that never ends.
    pub fn fragment(&self, from: u64, to: u64) -> Bytes {
        let count = self.samples.len().max(1) as u64;
        let (first, last) = (self.index(from), self.index(to));
        let run: Vec<Sample> = (first..last)
            .filter_map(|i| self.samples.get((i % count) as usize).copied())
            .collect();
        let boxed = |name: &[u8; 4], parts: &[&[u8]]| {
            let size = 8 + parts.iter().map(|p| p.len()).sum::<usize>();
            let mut out = (size as u32).to_be_bytes().to_vec();
            out.extend_from_slice(name);
            parts.iter().for_each(|p| out.extend_from_slice(p));
            out
        };
        // One number per fragment of this track: the first frame's, which only rises.
        let mfhd = boxed(b"mfhd", &[&[0; 4], &(first as u32 + 1).to_be_bytes()]);
        // Base is the moof; one length for all frames. The clips' only track is 1.
        let tfhd = boxed(
            b"tfhd",
            &[
                &0x0002_0008_u32.to_be_bytes(),
                &1_u32.to_be_bytes(),
                &(self.frame as u32).to_be_bytes(),
            ],
        );
        let tfdt = boxed(
            b"tfdt",
            &[&[1, 0, 0, 0], &(first * self.frame).to_be_bytes()],
        );
        let mut table = Vec::new();
        for sample in &run {
            table.extend_from_slice(&sample.size.to_be_bytes());
            let flags: u32 = if sample.key { 0x0200_0000 } else { 0x0101_0000 };
            table.extend_from_slice(&flags.to_be_bytes());
        }
        let moof = |offset: u32| {
            let head = [
                0x0000_0601_u32.to_be_bytes(),
                (run.len() as u32).to_be_bytes(),
                offset.to_be_bytes(),
            ]
            .concat();
            let trun = boxed(b"trun", &[&head, &table]);
            let traf = boxed(b"traf", &[&tfhd, &tfdt, &trun]);
            boxed(b"moof", &[&mfhd, &traf])
        };
        let length = moof(0).len() as u32;
        let data: Vec<&[u8]> = run
            .iter()
            .map(|s| &self.file[s.at..s.at + s.size as usize])
            .collect();
        let mut out = moof(length + 8);
        out.extend(boxed(b"mdat", &data));
        Bytes::from(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clips() -> [Clip; 4] {
        [
            Clip::read(include_bytes!("../../../assets/h264.mp4")),
            Clip::read(include_bytes!("../../../assets/aac.mp4")),
            Clip::read(include_bytes!("../../../assets/vp9.mp4")),
            Clip::read(include_bytes!("../../../assets/opus.mp4")),
        ]
    }

    #[test]
    fn the_clips_are_whole_seconds() {
        let found: Vec<_> = clips()
            .iter()
            .map(|c| (c.samples.len(), c.codec.clone()))
            .collect();
        let expected = [
            (240, "avc1.42c01e"),
            (375, "mp4a.40.2"),
            (240, "vp09.00.11.08"),
            (400, "opus"),
        ];
        assert_eq!(found, expected.map(|(n, c)| (n, c.to_owned())));
    }

    #[test]
    fn a_second_begins_with_a_key_frame_and_decode_times_rise_over_the_loop() {
        for clip in &clips()[..3] {
            let mut due = 0;
            for part in 0..40 {
                let (from, to) = (part * 500_000, (part + 1) * 500_000);
                let file = clip.fragment(from, to);
                let at = position(&file, b"tfdt").unwrap_or(0);
                let decode =
                    u64::from_be_bytes(file[at + 8..at + 16].try_into().unwrap_or_default());
                assert_eq!(decode, due, "part {part}");
                due += (clip.index(to) - clip.index(from)) * clip.frame;
                assert!(part % 2 == 1 || clip.begins_with_key(from));
            }
        }
    }
}
