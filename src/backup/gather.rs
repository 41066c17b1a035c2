//! What goes into a backup, found by name.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::disk::{ACME, DiskError, SECRETS};
use crate::settings::{AcmeChallenge, Settings, Tls};

/// Where everything is.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The settings in force.
    pub settings: &'a Settings,
    /// Their file, if there is one.
    pub file: Option<&'a Path>,
}

/// A file to be taken along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its name in the archive.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Where it was, for what belongs to neither folder.
    pub elsewhere: bool,
}

/// Everything but the database, and in words what of it cannot even be looked
/// for. Each is read when its turn comes: what is gone by then is told. The
/// secrets are always among them: without these it would be no backup.
///
/// # Errors
/// When we have no handle left to look with, which passes.
pub(super) fn files(source: &Source<'_>) -> Result<(Vec<Found>, Vec<String>), DiskError> {
    let state = &source.settings.state;
    let (mut found, mut unseen) = (Vec::new(), Vec::new());
    let mut kept = |below: &str| {
        found.push(Found {
            name: format!("state/{below}"),
            path: state.join(below),
            elsewhere: false,
        });
    };
    kept(SECRETS);
    for folder in ["tls", ACME] {
        let path = state.join(folder);
        match names(&path).map_err(|error| DiskError::of("list", &path, &error)) {
            Ok(names) => names
                .iter()
                .for_each(|name| kept(&format!("{folder}/{name}"))),
            Err(error @ DiskError::Exhausted { .. }) => return Err(error),
            Err(error) => unseen.push(error.to_string()),
        }
    }
    let base = source
        .file
        .map(|file| std::path::absolute(file).unwrap_or_else(|_| file.to_owned()));
    let base = base.as_deref().and_then(Path::parent);
    let mut given: Vec<PathBuf> = source.file.iter().map(|file| (*file).to_owned()).collect();
    given.extend(named(source.settings));
    let mut elsewhere = 0;
    for path in given {
        let whole = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
        let below = base
            .and_then(|base| whole.strip_prefix(base).ok())
            .and_then(Path::to_str);
        let name = match below {
            Some(below) if below.len() < 80 => format!("settings/{below}"),
            _ => {
                elsewhere += 1;
                format!("elsewhere/{elsewhere}")
            }
        };
        if !found.iter().any(|one: &Found| one.path == whole) {
            found.push(Found {
                elsewhere: name.starts_with("elsewhere/"),
                name,
                path: whole,
            });
        }
    }
    Ok((found, unseen))
}

/// Plain files of a folder, in order; none of one that is not there.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    names.sort();
    Ok(names)
}

/// Every file the settings name, templates included. All but one: the
/// passphrase that seals the backup is of no use inside it.
fn named(settings: &Settings) -> Vec<PathBuf> {
    let mut all = Vec::new();
    match &settings.tls {
        Tls::Files { certificate, key } => all.extend([certificate.clone(), key.clone()]),
        Tls::Acme(acme) => {
            all.extend(acme.ca_certificate.clone());
            if let AcmeChallenge::Dns { files, .. } = &acme.challenge {
                all.extend(files.values().cloned());
            }
        }
        Tls::LocalCa | Tls::Off { .. } => {}
    }
    all.extend(
        settings
            .conference
            .turn
            .as_ref()
            .map(|turn| turn.credential_file.clone()),
    );
    all.extend(settings.engine.logins.clone());
    let mut folders: Vec<PathBuf> = settings.templates.iter().cloned().collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "tera") {
                all.push(path);
            }
        }
    }
    all.sort();
    all
}

/// What a file holds now. Traefik writes its certificates in place, so that
/// they can be met half-written: then once more, a little later.
pub(super) fn content(found: &Found) -> std::io::Result<Vec<u8>> {
    for times in 0..20 {
        let mut bytes = Vec::new();
        std::fs::File::open(&found.path)?.read_to_end(&mut bytes)?;
        let is_written_in_place = found
            .name
            .strip_prefix("state/")
            .is_some_and(|below| below.starts_with(ACME) && below.ends_with(".json"));
        // Empty is what it is before the first certificate, and also for a
        // moment while it is written.
        let is_whole = (bytes.is_empty() && times > 4)
            || serde_json::from_slice::<BTreeMap<String, serde_json::Value>>(&bytes).is_ok();
        if !is_written_in_place || is_whole {
            return Ok(bytes);
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    Err(std::io::Error::other(
        "it is damaged. Move it away: Traefik makes another, and what is missing then is ordered anew",
    ))
}
