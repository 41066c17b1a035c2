//! As much of the tar format as a backup needs: plain files, one after the
//! other. Written by hand because it is this little, and because what is read
//! has to be refused where it is anything else.

use std::io::{self, Read, Write};

const BLOCK: usize = 512;
/// The longest name: what the two fields of a header hold.
pub const LONGEST_NAME: usize = 100;

/// Writes files into an archive.
pub struct Writer<W> {
    into: W,
}

impl<W: Write> Writer<W> {
    /// Into `into`.
    pub const fn new(into: W) -> Self {
        Self { into }
    }

    /// Adds a file of exactly `size` bytes.
    ///
    /// # Errors
    /// When it cannot be written, has another size, or too long a name.
    pub fn file(
        &mut self,
        name: &str,
        size: u64,
        seconds: i64,
        from: &mut impl Read,
    ) -> io::Result<()> {
        self.into.write_all(&header(name, size, seconds)?)?;
        let written = io::copy(&mut from.take(size), &mut self.into)?;
        if written != size {
            return Err(io::Error::other(format!("{name} became shorter")));
        }
        let rest = usize::try_from(size % BLOCK as u64).unwrap_or_default();
        if rest > 0 {
            self.into.write_all(&vec![0; BLOCK - rest])?;
        }
        Ok(())
    }

    /// Writes the end.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.into.write_all(&[0; 2 * BLOCK])?;
        Ok(self.into)
    }
}

fn header(name: &str, size: u64, seconds: i64) -> io::Result<[u8; BLOCK]> {
    if name.is_empty() || name.len() > LONGEST_NAME || !is_plain(name) {
        return Err(io::Error::other(format!(
            "`{name}` is no name for a file here"
        )));
    }
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| {
        for (place, byte) in block.iter_mut().skip(at).zip(bytes) {
            *place = *byte;
        }
    };
    put(0, name.as_bytes());
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, format!("{:011o}\0", seconds.max(0)).as_bytes());
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let sum = format!("{sum:06o}\0 ");
    for (place, byte) in block.iter_mut().skip(148).zip(sum.as_bytes()) {
        *place = *byte;
    }
    Ok(block)
}

/// Whether the name stays below the folder it is unpacked in.
pub fn is_plain(name: &str) -> bool {
    !name.contains(['\0', '\\']) && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Reads files out of an archive.
pub struct Reader<R> {
    from: R,
}

impl<R: Read> Reader<R> {
    /// From `from`.
    pub const fn new(from: R) -> Self {
        Self { from }
    }

    /// The next file's name and size; nothing at the end. What it holds has
    /// to be read with [`Reader::content`] before the next.
    ///
    /// # Errors
    /// When there is anything but a plain file.
    pub fn next(&mut self) -> io::Result<Option<(String, u64)>> {
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let mut block = [0; BLOCK];
        self.from.read_exact(&mut block)?;
        if block.iter().all(|byte| *byte == 0) {
            // Everything, so that a sealed end is checked too.
            io::copy(&mut self.from, &mut io::sink())?;
            return Ok(None);
        }
        let text = |at: usize, length: usize| {
            let field = block.get(at..at + length).unwrap_or_default();
            let end = field.iter().position(|byte| *byte == 0);
            String::from_utf8_lossy(field.get(..end.unwrap_or(length)).unwrap_or_default())
                .into_owned()
        };
        let octal = |at, length| u64::from_str_radix(text(at, length).trim(), 8);
        let sum: u64 = block
            .iter()
            .enumerate()
            .map(|(at, byte)| match at {
                148..156 => u64::from(b' '),
                _ => u64::from(*byte),
            })
            .sum();
        if octal(148, 8) != Ok(sum) {
            return Err(wrong("a header in it is damaged"));
        }
        let (name, size) = (text(0, LONGEST_NAME), octal(124, 12));
        if block.get(156) != Some(&b'0') || !is_plain(&name) || !text(345, 155).is_empty() {
            return Err(wrong("it holds something that does not belong in a backup"));
        }
        let size = size.map_err(|_| wrong("a header in it is damaged"))?;
        Ok(Some((name, size)))
    }

    /// Copies what the file holds.
    ///
    /// # Errors
    /// When it cannot be read whole or written.
    pub fn content(&mut self, size: u64, into: &mut impl Write) -> io::Result<()> {
        let copied = io::copy(&mut (&mut self.from).take(size), into)?;
        let rest = usize::try_from(size % BLOCK as u64).unwrap_or_default();
        if copied != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if rest > 0 {
            self.from.read_exact(&mut vec![0; BLOCK - rest])?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        for (name, bytes) in files {
            let size = u64::try_from(bytes.len()).unwrap();
            writer.file(name, size, 7, &mut &**bytes).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn files_come_out_as_they_went_in() {
        let long = "x".repeat(1_300);
        let files = [("a/b", long.as_bytes()), ("c", b"".as_slice())];
        let bytes = archive(&files);
        let mut reader = Reader::new(bytes.as_slice());
        for (name, content) in files {
            let (found, size) = reader.next().unwrap().unwrap();
            let mut read = Vec::new();
            reader.content(size, &mut read).unwrap();
            assert_eq!((found.as_str(), read.as_slice()), (name, content));
        }
        assert_eq!(reader.next().unwrap(), None);
    }

    #[test]
    fn any_tar_can_list_it() {
        let bytes = archive(&[("manifest.json", b"{}"), ("state/a", b"x")]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        std::fs::write(&path, bytes).unwrap();
        let out = std::process::Command::new("tar")
            .arg("tf")
            .arg(&path)
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&out.stdout),
            "manifest.json\nstate/a\n"
        );
    }

    #[test]
    fn nothing_leads_out_and_nothing_else_comes_in() {
        for name in ["", "/etc/passwd", "../x", "a/../b", "a//b", "a\\b"] {
            let mut writer = Writer::new(Vec::new());
            assert!(writer.file(name, 0, 0, &mut io::empty()).is_err(), "{name}");
        }
        let good = archive(&[("a", b"x")]);
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            // As an attacker would, with the right sum.
            bytes[148..156].fill(b' ');
            let sum: u32 = bytes[..512].iter().map(|byte| u32::from(*byte)).sum();
            bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            Reader::new(bytes.as_slice()).next()
        };
        assert!(with(0, b'a').is_ok());
        assert!(with(0, b'/').is_err(), "an absolute name");
        assert!(with(156, b'2').is_err(), "a link");
        assert!(with(156, b'5').is_err(), "a folder");
        let mut damaged = good.clone();
        damaged[3] ^= 1;
        assert!(Reader::new(damaged.as_slice()).next().is_err());
        let cut = &good[..600];
        let mut reader = Reader::new(cut);
        let (_, size) = reader.next().unwrap().unwrap();
        assert!(reader.content(size, &mut io::sink()).is_err());
    }
}
