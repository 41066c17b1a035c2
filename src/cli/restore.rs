//! `restore`: put a backup in the place of what is kept.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::control::Control;
use super::session::{self, VERSION};
use super::terminal;
use super::{Common, Failure, backup as command};
use crate::backup::{self, BackupError, Manifest, Restored};
use crate::disk::{Disk, DiskError, StateLock, finish_swap};
use crate::model::Secret;
use crate::settings::{self, Settings};
use crate::status::Status;
use crate::store::{self, StoreError};

/// What is to be restored.
#[derive(Debug, Args)]
#[group(required = true, multiple = false, id = "what")]
pub struct What {
    /// The backup.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Nothing: begin without any room, and set the database aside.
    #[arg(long)]
    empty: bool,
    /// The database as it is, where its newest part is lost.
    #[arg(long)]
    as_it_is: bool,
}

/// A controller answers within this, or is none that could stand aside.
const ANSWER: Duration = Duration::from_secs(3);
/// A controller that stands aside is given so long to let go.
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks everything, says what will be replaced, asks, replaces.
pub async fn run(
    common: &Common,
    what: &What,
    passphrase: Option<&Path>,
    yes: bool,
) -> Result<ExitCode, Failure> {
    let secret = passphrase
        .map(|file| command::asked(file, false))
        .transpose()?;
    let settings = match &what.file {
        Some(file) => {
            let manifest = backup::peek(file, secret.as_ref(), VERSION).map_err(Failure::told)?;
            settings_for(common, file, secret.as_ref(), &manifest)?
        }
        None => session::settings(common)?,
    };
    let lock = hold(&settings).await?;
    if let Some(aside) = finish_swap(&settings.state, &lock).map_err(session::told_disk)? {
        terminal::line(format!(
            "A restore that was interrupted is finished; what it replaced lies in {}.",
            aside.display()
        ));
    }
    let database = settings.state.join(store::FILE);
    let now = Timestamp::now();
    if what.as_it_is {
        return as_it_is(&database);
    }
    let agree = |question: &str| yes || terminal::confirm(question);
    let Some(file) = &what.file else {
        tell_replaced(&settings);
        if !agree("Begin without any room?") {
            return Ok(unchanged());
        }
        let aside =
            backup::begin_empty(&settings.state, &lock, now, VERSION).map_err(Failure::told)?;
        terminal::line(
            "The database is empty. Make your account: `colourstream admin setup-link`, or `colourstream admin add NAME`.",
        );
        tell_aside(aside.as_deref());
        return Ok(ExitCode::SUCCESS);
    };
    let restored = backup::restore(
        &settings.state,
        &lock,
        (file, secret.as_ref()),
        common.config.as_deref(),
        (now, VERSION),
        |manifest| {
            if !common.json {
                tell_backup(file, manifest, &settings);
                tell_replaced(&settings);
            }
            agree("Restore it?")
        },
    );
    match restored {
        Ok(None) => Ok(unchanged()),
        Ok(Some(restored)) => {
            tell(common, &restored)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Err(failed(&settings, &error)),
    }
}

fn unchanged() -> ExitCode {
    terminal::line("Nothing was changed. Without a terminal say `--yes`.");
    ExitCode::from(1)
}

/// What a failure in the middle means.
fn failed(settings: &Settings, error: &BackupError) -> Failure {
    let begun = settings.state.join("restore/switch.json").exists();
    Failure::Told(if begun {
        format!(
            "{error}\n  the restore has begun and is not finished; mend what is named, then run the same command again, or start the controller: either carries it to its end"
        )
    } else {
        format!("{error}\n  nothing was changed")
    })
}

/// The settings that will be in force: those named, or where their file is not
/// there yet, those in the backup.
fn settings_for(
    common: &Common,
    file: &Path,
    passphrase: Option<&Secret<String>>,
    manifest: &Manifest,
) -> Result<Settings, Failure> {
    let Some(path) = common.config.as_ref().filter(|path| !path.exists()) else {
        return session::settings(common);
    };
    let named = manifest.files.iter().find(|item| {
        let below = item.path.strip_prefix("settings/");
        below.is_some_and(|below| !below.contains('/'))
    });
    let Some(item) = named else {
        return session::settings(common);
    };
    let folder = std::env::temp_dir();
    let draft = crate::disk::Draft::below(&folder).map_err(session::told_disk)?;
    backup::unpack(file, passphrase, VERSION, |name| draft.create(name)).map_err(Failure::told)?;
    let text = std::fs::read_to_string(draft.path(&item.path)).map_err(Failure::told)?;
    settings::preview(&text, path, &session::source(common).overrides).map_err(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Failure::Told(format!(
            "the settings in the backup do not fit here\n\n{}",
            all.join("\n\n")
        ))
    })
}

/// Takes hold of the state folder. A controller that only keeps the pages up
/// makes room; one that works is refused by name.
async fn hold(settings: &Settings) -> Result<StateLock, Failure> {
    let state = &settings.state;
    Disk::open(state).map_err(session::told_disk)?;
    let begun = Instant::now();
    let mut asked = false;
    loop {
        match StateLock::acquire(state, Timestamp::now(), VERSION) {
            Ok(lock) => return Ok(lock),
            Err(DiskError::InUse { holder, .. }) => {
                if !asked {
                    asked = true;
                    // One that is stopped does not answer.
                    let made_room = tokio::time::timeout(ANSWER, make_room(state)).await;
                    if made_room.unwrap_or_default() {
                        continue;
                    }
                    return Err(refused(state, &holder));
                }
                if begun.elapsed() > PATIENCE {
                    return Err(refused(state, &holder));
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => return Err(session::told_disk(error)),
        }
    }
}

/// Asks a controller that only keeps the pages up to stand aside.
async fn make_room(state: &Path) -> bool {
    let Some(control) = Control::find(state).await else {
        return false;
    };
    let status: Result<Status, Failure> = control.get("/api/v1/status").await;
    // It never looked at anything.
    let waits = status.is_ok_and(|status| status.services.is_empty() && status.reconcile == 0);
    waits
        && control
            .post("/api/v1/stand-aside", &json!({}))
            .await
            .is_ok()
}

fn refused(state: &Path, holder: &crate::disk::Holder) -> Failure {
    Failure::Told(format!(
        "{holder} works on {}\n  → stop it first (`docker stop` its container); what runs goes on meanwhile",
        state.display()
    ))
}

/// Goes on with what is left in the file.
fn as_it_is(database: &Path) -> Result<ExitCode, Failure> {
    match store::examine(database, VERSION, true) {
        Err(StoreError::LostLog { .. }) => {}
        Ok(_) => {
            terminal::line("Nothing is missing from the database; nothing was changed.");
            return Ok(ExitCode::SUCCESS);
        }
        Err(error) => return Err(Failure::told(error)),
    }
    store::accept_loss(database);
    store::examine(database, VERSION, true).map_err(Failure::told)?;
    terminal::line(
        "The database is used as it is. Compare rooms and links with what you remember.",
    );
    Ok(ExitCode::SUCCESS)
}

fn tell_backup(file: &Path, manifest: &Manifest, settings: &Settings) {
    terminal::line(format!(
        "{} is sound: of {}, made {} by ColourStream {}",
        file.display(),
        manifest.instance,
        manifest.at.strftime("%Y-%m-%d %H:%M UTC"),
        manifest.controller
    ));
    let here = settings.origin(&settings.hosts.live);
    let there = manifest.addresses.get("live").unwrap_or(&here);
    if *there != here {
        terminal::line(format!(
            "  ! its links lead to {there}; the settings here say {here}"
        ));
    }
    for left in &manifest.left_out {
        terminal::line(format!("  ! not in it: {left}"));
    }
}

fn tell_replaced(settings: &Settings) {
    let state = &settings.state;
    let there: Vec<&str> = [store::FILE, "secrets.json", "tls", "traefik/acme/acme.json"]
        .into_iter()
        .filter(|name| state.join(name).exists())
        .collect();
    terminal::line(if there.is_empty() {
        format!("  {} is empty; nothing is replaced", state.display())
    } else {
        format!(
            "  in {} this is set aside, not deleted: {}",
            state.display(),
            there.join(", ")
        )
    });
}

fn tell_aside(aside: Option<&Path>) {
    if let Some(aside) = aside {
        terminal::line(format!(
            "  what was there lies in {}; remove it when nobody misses it",
            aside.display()
        ));
    }
}

fn tell(common: &Common, restored: &Restored) -> Result<(), Failure> {
    if common.json {
        let value = json!({
            "manifest": restored.manifest,
            "aside": restored.aside,
            "written": restored.written,
            "stayed": restored.stayed,
            "waiting": restored.waiting,
        });
        terminal::line(serde_json::to_string_pretty(&value).map_err(Failure::told)?);
        return Ok(());
    }
    terminal::line("Restored: the same rooms, links, keys and people as then.");
    for path in &restored.written {
        terminal::line(format!("  + {}", path.display()));
    }
    for path in &restored.stayed {
        terminal::line(format!("  {} is there already and stays", path.display()));
    }
    for (path, belongs) in &restored.waiting {
        terminal::line(format!(
            "  ! {} was at {}; move it there if the settings name it",
            path.display(),
            belongs.display()
        ));
    }
    tell_aside(restored.aside.as_deref());
    terminal::line(
        "  → start the controller: `colourstream serve`; one that waits goes on by itself",
    );
    Ok(())
}
