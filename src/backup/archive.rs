//! Making, opening and checking the one file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::gather::{self, Found};
use super::seal::{self, Seal, SealError, Unseal};
use super::{BackupError, FORMAT, Item, Made, Manifest, Order, tar};
use crate::disk::{DiskError, Draft};
use crate::engine::placement;
use crate::host;
use crate::model::{Digest, Secret};
use crate::store::{self, StoreError};

const MANIFEST: &str = "manifest.json";
/// The database's name in the archive.
pub(super) const DATABASE: &str = "state/colourstream.db";
const SECRETS: &str = "state/secrets.json";
/// The longest manifest we read.
const LONGEST_MANIFEST: u64 = 8 << 20;
/// The longest single file that is read into memory.
const LONGEST_ITEM: u64 = 8 << 20;
/// The name of the archive while it is made.
const WHOLE: &str = "whole";

/// Makes a backup, reads it back and gives it its name.
///
/// # Errors
/// See [`BackupError`]; nothing is left behind then.
pub fn make(order: &Order<'_>) -> Result<Made, BackupError> {
    let to = std::path::absolute(order.to).unwrap_or_else(|_| order.to.to_owned());
    if to.exists() {
        return Err(BackupError::Exists(to));
    }
    if placement::is_lost_before(&to, &order.source.settings.state) {
        return Err(BackupError::Passing(to));
    }
    let parent = to.parent().unwrap_or(Path::new("/"));
    let draft = Draft::below(parent)?;
    let work = workshop(order, &draft)?;
    let work = work.as_ref().unwrap_or(&draft);
    let database = work.path("colourstream.db");
    let facts = store::copy(&order.source.settings.state.join(store::FILE), &database)?;

    let (found, mut left_out) = gather::files(&order.source)?;
    let mut files = vec![(
        Found {
            name: DATABASE.to_owned(),
            path: database.clone(),
            elsewhere: false,
        },
        None,
        item(DATABASE, 0o600, &mut open(&database)?)?,
    )];
    for found in found {
        let content = gather::content(&found);
        let mode = std::fs::metadata(&found.path).map(|meta| meta.mode() & 0o7777);
        match (content, mode) {
            (Ok(bytes), Ok(mode)) => {
                let mut item = item(&found.name, mode, &mut bytes.as_slice())?;
                item.from = found.elsewhere.then(|| found.path.clone());
                files.push((found, Some(bytes), item));
            }
            (Err(error), _) | (_, Err(error)) => {
                let told = DiskError::of("read", &found.path, &error);
                // Without the secrets it would be no backup, and what we lack
                // ourselves passes. Rooms are not to be lost for the rest:
                // certificates are ordered or made again.
                if found.name == SECRETS || matches!(told, DiskError::Exhausted { .. }) {
                    return Err(told.into());
                }
                left_out.push(format!("{}: {error}", found.path.display()));
            }
        }
    }
    let settings = order.source.settings;
    let hosts = [
        ("live", &settings.hosts.live),
        ("admin", &settings.hosts.admin),
        ("video", &settings.hosts.video),
    ];
    let manifest = Manifest {
        format: FORMAT,
        at: order.now,
        why: order.why,
        who: order.who.to_owned(),
        controller: order.version.to_owned(),
        schema: facts.schema,
        schema_by: facts.schema_by.unwrap_or_default(),
        instance: settings.instance.clone(),
        addresses: BTreeMap::from(
            hosts.map(|(name, host)| (name.to_owned(), settings.origin(host))),
        ),
        settings: settings_item(order.source.file, &files),
        files: files.iter().map(|(_, _, item)| item.clone()).collect(),
        left_out,
    };
    let failed = |error: io::Error| told(&to, error);
    let out = BufWriter::new(draft.create(WHOLE)?);
    let contents = files
        .iter()
        .map(|(found, bytes, item)| (found, bytes.as_deref(), item));
    match order.passphrase {
        None => {
            let mut out = write(out, &manifest, contents).map_err(failed)?;
            out.flush().map_err(failed)?;
        }
        Some(passphrase) => {
            let seal = Seal::new(
                out,
                passphrase,
                order.version,
                &settings.instance,
                order.now,
            )
            .map_err(failed)?;
            let seal = write(seal, &manifest, contents).map_err(failed)?;
            seal.finish().map_err(failed)?;
        }
    }
    // Read back before anybody relies on it.
    let whole = draft.path(WHOLE);
    let read = unpack(&whole, order.passphrase, order.version, |name| {
        work.create(&format!("check/{name}"))
    })?;
    match sound(&whole, &work.path("check").join(DATABASE), order.version) {
        // Not for us, but as good as any for whoever wrote it.
        Ok(()) | Err(BackupError::Newer { .. }) => {}
        Err(error) => return Err(error),
    }
    if read != manifest {
        return Err(BackupError::Damaged {
            path: to,
            why: "what was read back is not what was written".to_owned(),
        });
    }
    let bytes = std::fs::metadata(&whole).map_err(failed)?.len();
    draft.publish(WHOLE, &to, false).map_err(|error| {
        if to.exists() {
            BackupError::Exists(to.clone())
        } else {
            error.into()
        }
    })?;
    Ok(Made {
        path: to,
        bytes,
        sealed: order.passphrase.is_some(),
        manifest,
    })
}

/// The name of the settings file in the archive, if it is in it.
fn settings_item(file: Option<&Path>, files: &[(Found, Option<Vec<u8>>, Item)]) -> Option<String> {
    let file = std::path::absolute(file?).ok()?;
    let found = files.iter().find(|(found, _, _)| found.path == file);
    found.map(|(found, _, _)| found.name.clone())
}

/// Where the database is copied to meanwhile: in the state folder, so that it
/// never lies open where only a sealed backup should; beside the backup where
/// there is no room and nothing is sealed.
fn workshop(order: &Order<'_>, draft: &Draft) -> Result<Option<Draft>, BackupError> {
    let state = &order.source.settings.state;
    let size = |name: &str| std::fs::metadata(state.join(name)).map_or(0, |meta| meta.len());
    let need = 2 * (size(store::FILE) + size("colourstream.db-wal")) + (1 << 20);
    let tmp = state.join("tmp");
    let has_room =
        host::writable(&tmp).is_ok() && host::space(&tmp).is_ok_and(|space| space.free > need);
    let other_disk = std::fs::metadata(&tmp).map(|meta| meta.dev()).ok()
        != std::fs::metadata(draft.path(""))
            .map(|meta| meta.dev())
            .ok();
    if !has_room && other_disk && order.passphrase.is_none() {
        return Ok(None);
    }
    Ok(Some(Draft::below(&tmp)?))
}

fn open(path: &Path) -> Result<File, BackupError> {
    File::open(path).map_err(|error| told(path, error))
}

/// An error of reading or writing `path`.
fn told(path: &Path, error: io::Error) -> BackupError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(SealError::Passphrase) => BackupError::Passphrase(path.to_owned()),
        Some(SealError::Broken) => damaged(path, SealError::Broken),
        None => match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => damaged(path, error),
            _ => BackupError::Disk(DiskError::of("use", path, &error)),
        },
    }
}

fn damaged(path: &Path, why: impl std::fmt::Display) -> BackupError {
    BackupError::Damaged {
        path: path.to_owned(),
        why: why.to_string(),
    }
}

fn item(name: &str, mode: u32, from: &mut impl Read) -> Result<Item, BackupError> {
    let mut hash = Hashing::new(io::sink());
    io::copy(from, &mut hash).map_err(|error| told(Path::new(name), error))?;
    Ok(Item {
        path: name.to_owned(),
        size: hash.size,
        sha256: hash.digest(),
        mode,
        from: None,
    })
}

/// The digest of a file.
pub(super) fn digest(path: &Path) -> Result<Digest, BackupError> {
    Ok(item("", 0, &mut open(path)?)?.sha256)
}

fn write<'a, W: Write>(
    into: W,
    manifest: &Manifest,
    files: impl Iterator<Item = (&'a Found, Option<&'a [u8]>, &'a Item)>,
) -> io::Result<W> {
    let seconds = manifest.at.as_second();
    let text = serde_json::to_vec_pretty(manifest).map_err(io::Error::other)?;
    let mut archive = tar::Writer::new(into);
    let size = u64::try_from(text.len()).map_err(io::Error::other)?;
    archive.file(MANIFEST, size, seconds, &mut text.as_slice())?;
    for (found, bytes, item) in files {
        match bytes {
            Some(mut bytes) => archive.file(&item.path, item.size, seconds, &mut bytes)?,
            None => archive.file(
                &item.path,
                item.size,
                seconds,
                &mut File::open(&found.path)?,
            )?,
        }
    }
    archive.finish()
}

/// Counts and hashes what passes.
struct Hashing<W> {
    into: W,
    sum: Sha256,
    size: u64,
}

impl<W> Hashing<W> {
    fn new(into: W) -> Self {
        Self {
            into,
            sum: Sha256::new(),
            size: 0,
        }
    }

    fn digest(self) -> Digest {
        Digest::from_bytes(self.sum.finalize().into())
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.into.write(bytes)?;
        self.sum.update(bytes.get(..taken).unwrap_or_default());
        self.size += u64::try_from(taken).unwrap_or_default();
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.into.flush()
    }
}

/// What is known of a backup of any version.
#[derive(Deserialize)]
struct AnyManifest {
    format: u32,
    controller: String,
}

type Stream = Box<dyn Read>;

/// Opens a backup, sealed or not.
fn stream(
    path: &Path,
    passphrase: Option<&Secret<String>>,
    version: &str,
) -> Result<Stream, BackupError> {
    let strange = |why: &str| BackupError::Strange {
        path: path.to_owned(),
        why: why.to_owned(),
    };
    if path.is_dir() {
        return Err(strange("it is a folder"));
    }
    let mut file = BufReader::new(open(path)?);
    let begins = file.fill_buf().map_err(|error| told(path, error))?;
    if begins.starts_with(MANIFEST.as_bytes()) {
        return Ok(Box::new(file));
    }
    if !begins.starts_with(seal::MAGIC) {
        return Err(strange("it begins with something else"));
    }
    let Some(passphrase) = passphrase else {
        return Err(BackupError::Sealed(path.to_owned()));
    };
    let (cover, _) =
        seal::cover(&mut open(path).map(BufReader::new)?).map_err(|error| told(path, error))?;
    if cover.format > FORMAT {
        return Err(newer(path, cover.controller, version));
    }
    let unsealed = Unseal::new(file, passphrase).map_err(|error| told(path, error))?;
    Ok(Box::new(BufReader::new(unsealed)))
}

fn newer(path: &Path, by: String, version: &str) -> BackupError {
    BackupError::Newer {
        path: path.to_owned(),
        by,
        version: version.to_owned(),
    }
}

fn manifest<R: Read>(
    path: &Path,
    archive: &mut tar::Reader<R>,
    version: &str,
) -> Result<Manifest, BackupError> {
    let first = archive.next().map_err(|error| told(path, error))?;
    let Some((name, size)) = first else {
        return Err(damaged(path, "nothing is in it"));
    };
    if name != MANIFEST || size > LONGEST_MANIFEST {
        return Err(damaged(path, "it does not begin with its manifest"));
    }
    let mut text = Vec::new();
    archive
        .content(size, &mut text)
        .map_err(|error| told(path, error))?;
    let any: AnyManifest = serde_json::from_slice(&text)
        .map_err(|_| damaged(path, "its manifest cannot be understood"))?;
    if any.format > FORMAT {
        return Err(newer(path, any.controller, version));
    }
    serde_json::from_slice(&text).map_err(|_| damaged(path, "its manifest cannot be understood"))
}

/// What a backup says of itself, without checking more of it.
///
/// # Errors
/// See [`BackupError`].
pub fn peek(
    path: &Path,
    passphrase: Option<&Secret<String>>,
    version: &str,
) -> Result<Manifest, BackupError> {
    let mut archive = tar::Reader::new(stream(path, passphrase, version)?);
    manifest(path, &mut archive, version)
}

/// Takes a backup apart into files made by `create`, each checked against the
/// manifest; nothing may be missing and nothing else may be in it.
///
/// # Errors
/// See [`BackupError`].
pub fn unpack(
    path: &Path,
    passphrase: Option<&Secret<String>>,
    version: &str,
    create: impl Fn(&str) -> Result<File, DiskError>,
) -> Result<Manifest, BackupError> {
    let mut archive = tar::Reader::new(stream(path, passphrase, version)?);
    let manifest = manifest(path, &mut archive, version)?;
    let mut expected: BTreeMap<&str, &Item> = manifest
        .files
        .iter()
        .map(|item| (item.path.as_str(), item))
        .collect();
    while let Some((name, size)) = archive.next().map_err(|error| told(path, error))? {
        let Some(item) = expected
            .remove(name.as_str())
            .filter(|item| item.size == size)
        else {
            return Err(damaged(
                path,
                format!("`{name}` in it is not what its manifest says"),
            ));
        };
        let mut out = Hashing::new(create(&name)?);
        archive
            .content(size, &mut out)
            .map_err(|error| told(path, error))?;
        if out.digest() != item.sha256 {
            return Err(damaged(path, format!("`{name}` in it was changed")));
        }
    }
    if let Some(name) = expected.into_keys().next() {
        return Err(damaged(path, format!("`{name}` is missing from it")));
    }
    // Rooms without their keys are no installation.
    for name in [DATABASE, SECRETS] {
        if !manifest.files.iter().any(|item| item.path == name) {
            return Err(damaged(path, format!("`{name}` is missing from it")));
        }
    }
    Ok(manifest)
}

/// One file of a backup, in memory: nothing is written anywhere, for it may
/// hold keys.
///
/// # Errors
/// See [`BackupError`].
pub fn read_item(
    path: &Path,
    passphrase: Option<&Secret<String>>,
    version: &str,
    item: &Item,
) -> Result<Vec<u8>, BackupError> {
    let mut archive = tar::Reader::new(stream(path, passphrase, version)?);
    manifest(path, &mut archive, version)?;
    while let Some((name, size)) = archive.next().map_err(|error| told(path, error))? {
        if name != item.path {
            archive
                .content(size, &mut io::sink())
                .map_err(|error| told(path, error))?;
            continue;
        }
        if size != item.size || size > LONGEST_ITEM {
            break;
        }
        let mut bytes = Vec::new();
        archive
            .content(size, &mut bytes)
            .map_err(|error| told(path, error))?;
        if Digest::of(&bytes) == item.sha256 {
            return Ok(bytes);
        }
        break;
    }
    let name = &item.path;
    Err(damaged(
        path,
        format!("`{name}` in it is not what its manifest says"),
    ))
}

/// Reads a backup whole and checks everything in it; writes below `tmp` for
/// as long as it takes.
///
/// # Errors
/// See [`BackupError`].
pub fn verify(
    path: &Path,
    passphrase: Option<&Secret<String>>,
    tmp: &Path,
    version: &str,
) -> Result<Manifest, BackupError> {
    let work = Draft::below(tmp)?;
    let manifest = unpack(path, passphrase, version, |name| work.create(name))?;
    sound(path, &work.path(DATABASE), version)?;
    Ok(manifest)
}

/// The database of a backup has to be sound, and of a version we know.
pub(super) fn sound(backup: &Path, database: &Path, version: &str) -> Result<(), BackupError> {
    match store::examine(database, version, true) {
        Ok(_) => Ok(()),
        Err(StoreError::Newer { by, .. }) => Err(newer(backup, by, version)),
        Err(StoreError::Gone { .. }) => Err(damaged(backup, "there is no database in it")),
        Err(error) => Err(damaged(backup, error)),
    }
}
