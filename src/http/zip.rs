//! A zip of a few small text files, stored as they are.

/// Files by name.
pub(super) fn zip(files: &[(&str, String)]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, text) in files {
        let (offset, size, name_size) = (out.len(), text.len(), name.len());
        // Version, UTF-8 names, stored, 1980-01-01.
        let mut common = Vec::new();
        for word in [20_u16, 0x0800, 0, 0, 0x21] {
            common.extend(word.to_le_bytes());
        }
        for word in [crc32(text.as_bytes()), small(size), small(size)] {
            common.extend(word.to_le_bytes());
        }
        common.extend(short(name_size).to_le_bytes());
        common.extend([0; 2]);
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(text.as_bytes());
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(small(offset).to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let offset = out.len();
    out.extend(&directory);
    out.extend(b"PK\x05\x06\x00\x00\x00\x00");
    out.extend(short(files.len()).to_le_bytes());
    out.extend(short(files.len()).to_le_bytes());
    out.extend(small(directory.len()).to_le_bytes());
    out.extend(small(offset).to_le_bytes());
    out.extend([0; 2]);
    out
}

fn small(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

fn short(size: usize) -> u16 {
    u16::try_from(size).unwrap_or(u16::MAX)
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 {
                sum >> 1 ^ 0xedb8_8320
            } else {
                sum >> 1
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn an_archive_has_its_parts() {
        let archive = zip(&[("a.txt", "hello".into()), ("b.txt", String::new())]);
        assert!(archive.starts_with(b"PK\x03\x04"));
        // 2 × (30 + 5 + 46 + 5), the text, the end.
        assert_eq!(archive.len(), 2 * 86 + 5 + 22);
    }
}
