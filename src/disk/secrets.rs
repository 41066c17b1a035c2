//! What the controller generates once and keeps: read, made, never remade.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Disk, DiskError, SECRETS, StateLock, point, sync_folder};
use crate::desired::Secrets;
use crate::model::Secret;

/// As on disk. Private: the only way out is [`Secrets`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    ome_api_token: String,
    ome_hook_key: String,
    mirotalk_jwt_key: String,
    mirotalk_api_key: String,
    mirotalk_viewer_password: String,
    mirotalk_host_password: String,
    mirotalk_hook_path: String,
    ticket_key: String,
}

impl Stored {
    fn generate() -> Result<Self, getrandom::Error> {
        Ok(Self {
            ome_api_token: hex::<32>()?,
            ome_hook_key: hex::<32>()?,
            mirotalk_jwt_key: hex::<32>()?,
            mirotalk_api_key: hex::<32>()?,
            mirotalk_viewer_password: hex::<16>()?,
            mirotalk_host_password: hex::<16>()?,
            mirotalk_hook_path: hex::<16>()?,
            ticket_key: hex::<32>()?,
        })
    }

    fn fields(&self) -> [(&'static str, &str); 8] {
        [
            ("ome_api_token", &self.ome_api_token),
            ("ome_hook_key", &self.ome_hook_key),
            ("mirotalk_jwt_key", &self.mirotalk_jwt_key),
            ("mirotalk_api_key", &self.mirotalk_api_key),
            ("mirotalk_viewer_password", &self.mirotalk_viewer_password),
            ("mirotalk_host_password", &self.mirotalk_host_password),
            ("mirotalk_hook_path", &self.mirotalk_hook_path),
            ("ticket_key", &self.ticket_key),
        ]
    }

    /// The first field that is no secret of ours.
    fn weak_field(&self) -> Option<&'static str> {
        self.fields().into_iter().find_map(|(name, value)| {
            let strong = value.len() >= 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
            (!strong).then_some(name)
        })
    }
}

/// The secrets of this state folder; made if it is new. The credential of
/// `turn` is read from the operator's own file.
///
/// # Errors
/// [`DiskError::Damaged`] when the file cannot be understood, or is missing
/// from a folder that was in use: new secrets would lock out running services.
pub fn load_or_create(
    disk: &Disk,
    _lock: &StateLock,
    turn: Option<&Path>,
) -> Result<Secrets, DiskError> {
    let path = disk.state().join(SECRETS);
    let stored = match fs::read(&path) {
        Ok(bytes) => load(&path, &bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(disk, &path)?,
        Err(error) => return Err(DiskError::of("read", &path, &error)),
    };
    complete(stored, turn)
}

/// The secrets of a state folder that another process works on; read only.
///
/// # Errors
/// [`DiskError::Damaged`] when the file cannot be understood, others when it
/// cannot be read.
pub fn load_existing(disk: &Disk, turn: Option<&Path>) -> Result<Secrets, DiskError> {
    let path = disk.state().join(SECRETS);
    let bytes = fs::read(&path).map_err(|error| DiskError::of("read", &path, &error))?;
    complete(load(&path, &bytes)?, turn)
}

/// Secrets that no file keeps: for rendering without a state folder.
///
/// # Errors
/// When the system has no random bytes.
pub fn passing(turn: Option<&Path>) -> Result<Secrets, DiskError> {
    let stored = Stored::generate().map_err(|error| DiskError::Other {
        doing: "find random bytes for",
        path: PathBuf::from(SECRETS),
        reason: error.to_string(),
    })?;
    complete(stored, turn)
}

fn complete(stored: Stored, turn: Option<&Path>) -> Result<Secrets, DiskError> {
    let turn_credential = match turn {
        Some(file) => read_secret(file)?,
        None => Secret::new(String::new()),
    };
    Ok(Secrets {
        ome_api_token: Secret::new(stored.ome_api_token),
        ome_hook_key: Secret::new(stored.ome_hook_key),
        mirotalk_jwt_key: Secret::new(stored.mirotalk_jwt_key),
        mirotalk_api_key: Secret::new(stored.mirotalk_api_key),
        mirotalk_viewer_password: Secret::new(stored.mirotalk_viewer_password),
        mirotalk_host_password: Secret::new(stored.mirotalk_host_password),
        mirotalk_hook_path: Secret::new(stored.mirotalk_hook_path),
        ticket_key: Secret::new(stored.ticket_key),
        turn_credential,
    })
}

/// A secret of the operator's in a file of its own; a last line break is not
/// part of it.
///
/// # Errors
/// When it cannot be read.
pub fn read_secret(path: &Path) -> Result<Secret<String>, DiskError> {
    let text = fs::read_to_string(path).map_err(|error| DiskError::of("read", path, &error))?;
    Ok(Secret::new(text.trim_end_matches(['\n', '\r']).to_owned()))
}

fn load(path: &Path, bytes: &[u8]) -> Result<Stored, DiskError> {
    let damaged = |reason: String| DiskError::Damaged {
        path: path.to_owned(),
        reason,
    };
    let stored: Stored = serde_json::from_slice(bytes).map_err(|error| {
        // serde's own words would show what it found; place and kind do not.
        damaged(format!(
            "it is not the JSON it should be (line {}, column {}); restore it from a backup",
            error.line(),
            error.column()
        ))
    })?;
    if let Some(field) = stored.weak_field() {
        return Err(damaged(format!(
            "`{field}` is not a hexadecimal secret of at least 32 digits; restore it from a backup"
        )));
    }
    // Tightened by whoever finds it open; failing that is not worth stopping.
    if fs::metadata(path).is_ok_and(|meta| meta.mode() & 0o077 != 0) {
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o600));
    }
    Ok(stored)
}

fn create(disk: &Disk, path: &Path) -> Result<Stored, DiskError> {
    let in_use = disk
        .scan()?
        .values()
        .any(|facts| matches!(facts.state, crate::plan::FileState::File(_)));
    if in_use {
        return Err(DiskError::Damaged {
            path: path.to_owned(),
            reason: "it is missing, though this state folder was in use; restore it from a \
                     backup, or empty `rendered` to begin with new secrets"
                .to_owned(),
        });
    }
    let stored = Stored::generate().map_err(|error| DiskError::Other {
        doing: "find random bytes for",
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    let mut bytes = serde_json::to_vec_pretty(&stored).unwrap_or_default();
    bytes.push(b'\n');
    let tmp = disk.write_tmp(path, &bytes, 0o600, None)?;
    // A link, unlike a rename, never replaces one that appeared meanwhile.
    let linked = fs::hard_link(&tmp, path).or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Err(error),
        _ => fs::rename(&tmp, path),
    });
    point("linked", path);
    let _ = fs::remove_file(&tmp);
    point("removed", &tmp);
    linked.map_err(|error| DiskError::of("write", path, &error))?;
    sync_folder(path)?;
    Ok(stored)
}

fn hex<const BYTES: usize>() -> Result<String, getrandom::Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
