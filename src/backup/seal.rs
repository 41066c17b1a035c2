//! A backup under a passphrase: a line that says how, then sealed pieces.
//!
//! The key comes from the passphrase by argon2id with a salt of the file's
//! own, so it is used once. Each piece is ChaCha20-Poly1305 with its number
//! and whether it is the last one as nonce: none can be changed, swapped,
//! dropped or cut off unnoticed. The first line belongs to what is sealed.

use std::io::{self, BufRead, Read, Write};

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jiff::Timestamp;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};

use crate::model::Secret;

/// Memory in KiB and passes. A file names its own, so that these may change.
/// Tests have no time for the real ones.
const COST: (u32, u32) = if cfg!(test) { (64, 1) } else { (64 * 1024, 3) };
/// The most a file may ask of us.
const MOST: (u32, u32) = (1024 * 1024, 16);

/// Bytes of one piece before sealing, and what sealing adds.
const PIECE: usize = 64 * 1024;
const TAG: usize = 16;

/// How a sealed file begins: what everybody may read of it.
pub const MAGIC: &[u8] = b"{\"colourstream\":\"sealed-backup\",";
/// The first line is never longer.
const LONGEST_LINE: u64 = 4096;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cover {
    colourstream: String,
    /// Format of the file.
    pub format: u32,
    /// Version of the controller that made it.
    pub controller: String,
    /// Of which ColourStream.
    pub instance: String,
    /// When.
    pub at: Timestamp,
    memory_kib: u32,
    passes: u32,
    salt: String,
}

/// Why a sealed file does not open.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The first piece does not open.
    #[error("the passphrase is not the one it was sealed with")]
    Passphrase,
    /// A later one does not, or the end is missing.
    #[error("what is sealed in it was changed or cut off")]
    Broken,
}

fn other(error: SealError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn key(passphrase: &Secret<String>, salt: &[u8], cost: (u32, u32)) -> Option<LessSafeKey> {
    let params = Params::new(cost.0, cost.1, 1, Some(32)).ok()?;
    let mut key = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose().as_bytes(), salt, &mut key)
        .ok()?;
    UnboundKey::new(&CHACHA20_POLY1305, &key)
        .ok()
        .map(LessSafeKey::new)
}

fn nonce(piece: u64, last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&piece.to_be_bytes());
    nonce[11] = u8::from(last);
    Nonce::assume_unique_for_key(nonce)
}

/// Seals what is written into it.
pub struct Seal<W> {
    into: W,
    key: LessSafeKey,
    line: Vec<u8>,
    held: Vec<u8>,
    piece: u64,
}

impl<W: Write> Seal<W> {
    /// Writes the first line and is ready.
    ///
    /// # Errors
    /// When it cannot be written, or the system has no random bytes.
    pub fn new(
        mut into: W,
        passphrase: &Secret<String>,
        controller: &str,
        instance: &str,
        at: Timestamp,
    ) -> io::Result<Self> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| io::Error::other(error.to_string()))?;
        let cover = Cover {
            colourstream: "sealed-backup".to_owned(),
            format: super::FORMAT,
            controller: controller.to_owned(),
            instance: instance.to_owned(),
            at,
            memory_kib: COST.0,
            passes: COST.1,
            salt: STANDARD_NO_PAD.encode(salt),
        };
        let mut line = serde_json::to_vec(&cover).map_err(io::Error::other)?;
        line.push(b'\n');
        into.write_all(&line)?;
        let key = key(passphrase, &salt, COST)
            .ok_or_else(|| io::Error::other("no key could be made of the passphrase"))?;
        Ok(Self {
            into,
            key,
            line,
            held: Vec::with_capacity(PIECE + TAG),
            piece: 0,
        })
    }

    fn piece(&mut self, last: bool) -> io::Result<()> {
        self.key
            .seal_in_place_append_tag(
                nonce(self.piece, last),
                Aad::from(&self.line),
                &mut self.held,
            )
            .map_err(|_| io::Error::other("it could not be sealed"))?;
        self.into.write_all(&self.held)?;
        self.held.clear();
        self.piece += 1;
        Ok(())
    }

    /// Writes the end, without which nothing of it opens.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.piece(true)?;
        self.into.flush()?;
        Ok(self.into)
    }
}

impl<W: Write> Write for Seal<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full piece waits: the last one is known only at the end.
        if self.held.len() == PIECE {
            self.piece(false)?;
        }
        let taken = bytes.len().min(PIECE - self.held.len());
        self.held.extend(bytes.iter().take(taken));
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.into.flush()
    }
}

/// Reads the first line of a sealed file.
///
/// # Errors
/// When it is not such a line.
pub fn cover(from: &mut impl BufRead) -> io::Result<(Cover, Vec<u8>)> {
    let mut line = Vec::new();
    from.take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    let cover = serde_json::from_slice(&line).map_err(|_| other(SealError::Broken))?;
    Ok((cover, line))
}

/// Opens what [`Seal`] has sealed.
pub struct Unseal<R> {
    from: R,
    key: LessSafeKey,
    line: Vec<u8>,
    open: io::Cursor<Vec<u8>>,
    ahead: Vec<u8>,
    piece: u64,
    ended: bool,
}

impl<R: BufRead> Unseal<R> {
    /// Reads the first line and is ready.
    ///
    /// # Errors
    /// When it is not a sealed file.
    pub fn new(mut from: R, passphrase: &Secret<String>) -> io::Result<Self> {
        let (cover, line) = cover(&mut from)?;
        let cost = (cover.memory_kib, cover.passes);
        if cost.0 > MOST.0 || cost.1 > MOST.1 {
            return Err(other(SealError::Broken));
        }
        let salt = STANDARD_NO_PAD
            .decode(&cover.salt)
            .map_err(|_| other(SealError::Broken))?;
        let key = key(passphrase, &salt, cost).ok_or_else(|| other(SealError::Broken))?;
        let mut unseal = Self {
            from,
            key,
            line,
            open: io::Cursor::default(),
            ahead: Vec::new(),
            piece: 0,
            ended: false,
        };
        unseal.ahead = unseal.sealed_piece()?;
        Ok(unseal)
    }

    fn sealed_piece(&mut self) -> io::Result<Vec<u8>> {
        let mut piece = Vec::new();
        let limit = u64::try_from(PIECE + TAG).unwrap_or(u64::MAX);
        (&mut self.from).take(limit).read_to_end(&mut piece)?;
        Ok(piece)
    }

    fn next(&mut self) -> io::Result<()> {
        let mut piece = std::mem::take(&mut self.ahead);
        self.ahead = self.sealed_piece()?;
        let last = self.ahead.is_empty();
        let wrong = if self.piece == 0 {
            SealError::Passphrase
        } else {
            SealError::Broken
        };
        let open = self
            .key
            .open_in_place(nonce(self.piece, last), Aad::from(&self.line), &mut piece)
            .map_err(|_| other(wrong))?
            .len();
        piece.truncate(open);
        self.open = io::Cursor::new(piece);
        self.piece += 1;
        self.ended = last;
        Ok(())
    }
}

impl<R: BufRead> Read for Unseal<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.open.read(into)?;
            if read > 0 || self.ended || into.is_empty() {
                return Ok(read);
            }
            self.next()?;
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn word(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    fn sealed(text: &[u8]) -> Vec<u8> {
        let at = Timestamp::UNIX_EPOCH;
        let mut seal = Seal::new(Vec::new(), &word("correct horse"), "1.0", "one", at).unwrap();
        seal.write_all(text).unwrap();
        seal.finish().unwrap()
    }

    fn opened(bytes: &[u8], passphrase: &str) -> Result<Vec<u8>, String> {
        let mut text = Vec::new();
        Unseal::new(bytes, &word(passphrase))
            .and_then(|mut unseal| unseal.read_to_end(&mut text))
            .map_err(|error| error.to_string())?;
        Ok(text)
    }

    #[test]
    fn what_was_sealed_comes_out_again_whatever_its_size() {
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
            let text: Vec<u8> = (0..size)
                .map(|at| u8::try_from(at % 251).unwrap())
                .collect();
            let bytes = sealed(&text);
            assert!(bytes.starts_with(MAGIC), "{size}");
            assert_eq!(opened(&bytes, "correct horse").unwrap(), text, "{size}");
        }
    }

    #[test]
    fn another_passphrase_opens_nothing() {
        let error = opened(&sealed(b"rooms"), "incorrect horse").unwrap_err();
        assert!(error.contains("passphrase"), "{error}");
    }

    #[test]
    fn a_changed_byte_a_cut_and_a_swap_are_noticed() {
        let text = vec![7; 3 * PIECE];
        let whole = sealed(&text);
        let line = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let piece = PIECE + TAG;
        let refused = |bytes: &[u8]| assert!(opened(bytes, "correct horse").is_err());
        for at in [line, line + piece, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            refused(&changed);
        }
        for length in [line, line + piece, line + 2 * piece, whole.len() - 1] {
            refused(&whole[..length]);
        }
        let mut swapped = whole.clone();
        swapped[line..line + 2 * piece].rotate_left(piece);
        refused(&swapped);
        // The first line is sealed with it.
        let text = String::from_utf8_lossy(&whole[..line]).replace("\"one\"", "\"two\"");
        refused(&[text.as_bytes(), &whole[line..]].concat());
    }

    #[test]
    fn no_file_makes_us_work_for_ever() {
        let whole = sealed(b"rooms");
        let line = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let text = String::from_utf8_lossy(&whole[..line])
            .replace("\"memory_kib\":64", "\"memory_kib\":4000000000");
        assert!(opened(&[text.as_bytes(), &whole[line..]].concat(), "correct horse").is_err());
    }
}
