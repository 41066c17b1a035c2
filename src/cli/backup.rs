//! `backup`: one file with everything that cannot be made again.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::json;

use super::session;
use super::terminal;
use super::{Common, Failure};
use crate::VERSION;
use crate::backup::{self, BackupError, Made, Manifest, Order, Source, Why};
use crate::disk::{Draft, private_folder, read_secret};
use crate::engine::placement;
use crate::model::Secret;
use crate::store::{BackupEntry, FILE, Store};

/// Makes a backup at `to`: a file, a folder, or `-` for standard output; next
/// to a running controller or without one. Sealed as the settings say, unless
/// another passphrase is given.
pub fn run(common: &Common, to: &Path, passphrase: Option<&Path>) -> Result<ExitCode, Failure> {
    let settings = session::settings_in_force(common)?;
    let secret = match passphrase {
        Some(file) => Some(asked(file, true)?),
        None => backup::sealing_passphrase(&settings).map_err(|error| match error {
            BackupError::Disk(error) => session::told_disk(error),
            error => Failure::told(error),
        })?,
    };
    let now = Timestamp::now();
    private_folder(&settings.state.join("tmp")).map_err(session::told_disk)?;
    let pipe = to == Path::new("-");
    // Read back before a byte of it goes out.
    let held = pipe
        .then(|| Draft::below(&settings.state.join("tmp")))
        .transpose()
        .map_err(session::told_disk)?;
    // Before a folder is made for it.
    if !pipe && placement::is_lost_before(to, &settings.state) {
        return Err(Failure::told(BackupError::Passing(to.to_owned())));
    }
    // A folder that is not there yet is called so by its slash.
    if to.as_os_str().as_encoded_bytes().ends_with(b"/") {
        private_folder(to).map_err(session::told_disk)?;
    }
    let place = match &held {
        Some(draft) => draft.path("backup"),
        None if to.is_dir() => to.join(backup::name(&settings.instance, Why::Asked, now)),
        None => to.to_owned(),
    };
    let made = backup::make(&Order {
        source: Source {
            settings: &settings,
            file: common.config.as_deref(),
        },
        to: &place,
        why: Why::Asked,
        who: "command line",
        passphrase: secret.as_ref(),
        now,
        version: VERSION,
    })
    .map_err(|error| match error {
        BackupError::Store(error) => session::Unready::Store(error).told(&settings),
        error => Failure::told(error),
    })?;
    if pipe {
        let mut file = std::fs::File::open(&made.path).map_err(Failure::told)?;
        let mut out = std::io::stdout().lock();
        std::io::copy(&mut file, &mut out)
            .and_then(|_| out.flush())
            .map_err(|error| Failure::Told(format!("standard output was cut off: {error}")))?;
        return Ok(ExitCode::SUCCESS);
    }
    // Told where it can be; the backup is good without it.
    if let Ok(store) = Store::open_beside(&settings.state.join(FILE), VERSION) {
        let _untold = store.save_backup(&BackupEntry {
            at: now,
            why: Why::Asked.as_str().to_owned(),
            who: "command line".to_owned(),
            path: made.path.display().to_string(),
            bytes: Some(made.bytes),
            sealed: made.sealed,
            error: None,
        });
    }
    tell(common, &made)?;
    Ok(ExitCode::SUCCESS)
}

fn tell(common: &Common, made: &Made) -> Result<(), Failure> {
    let manifest = &made.manifest;
    if common.json {
        let value = json!({
            "path": made.path,
            "bytes": made.bytes,
            "sealed": made.sealed,
            "manifest": manifest,
        });
        terminal::line(serde_json::to_string_pretty(&value).map_err(Failure::told)?);
        return Ok(());
    }
    terminal::line(format!(
        "Backup made and read back: {}",
        made.path.display()
    ));
    terminal::line(format!("  {}", contents(manifest, made.bytes)));
    for left in &manifest.left_out {
        terminal::line(format!("  ! not in it: {left}"));
    }
    terminal::line(if made.sealed {
        "  sealed: without the passphrase nobody can open it, you included"
    } else {
        "  it holds every key of this installation; keep it where nobody else reads it"
    });
    terminal::line(format!(
        "  → restore it with `colourstream restore {}`",
        made.path.display()
    ));
    Ok(())
}

fn contents(manifest: &Manifest, bytes: u64) -> String {
    format!(
        "{} files, {} KiB, database of ColourStream {} (schema {})",
        manifest.files.len(),
        bytes.div_ceil(1024),
        manifest.schema_by,
        manifest.schema
    )
}

/// The passphrase: from a file, or asked for with `prompt`.
pub fn asked(file: &Path, new: bool) -> Result<Secret<String>, Failure> {
    let passphrase = if file == Path::new("prompt") {
        let again = new.then_some("Again");
        Secret::new(terminal::secret("Passphrase of the backup", again).map_err(Failure::Told)?)
    } else {
        read_secret(file).map_err(session::told_disk)?
    };
    if new && backup::is_weak(&passphrase) {
        let shortest = backup::SHORTEST;
        return Err(Failure::Told(format!(
            "the passphrase is shorter than {shortest} letters, which is soon guessed\n  → choose a longer one"
        )));
    }
    Ok(passphrase)
}
