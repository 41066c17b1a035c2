//! `restore`: put a backup in the place of what is kept.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::control::Control;
use super::session::{self, settings_here, told_settings};
use super::terminal;
use super::{Common, Failure, backup as command};
use crate::VERSION;
use crate::backup::{self, BackupError, Manifest, Restored};
use crate::disk::{
    Disk, DiskError, SECRETS, StateLock, UNSEEN, discard, finish_swap, hand_over, has_begun,
};
use crate::engine::placement;
use crate::model::Secret;
use crate::settings::{self, Settings};
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
    let secret = match passphrase {
        Some(file) => Some(command::asked(file, false)?),
        None => usual_passphrase(common),
    };
    let settings = match &what.file {
        Some(file) => {
            let manifest = backup::peek(file, secret.as_ref(), VERSION).map_err(Failure::told)?;
            settings_for(common, file, secret.as_ref(), &manifest)?
        }
        None => settings_here(common)?,
    };
    let lock = hold(&settings).await?;
    let done = replace(common, what, secret.as_ref(), &settings, &lock, yes);
    // Root in a container that is thrown away may restore for somebody else.
    hand_over(&settings.state, &lock).map_err(session::told_disk)?;
    done
}

/// The same, alone on the state folder.
fn replace(
    common: &Common,
    what: &What,
    secret: Option<&Secret<String>>,
    settings: &Settings,
    lock: &StateLock,
    yes: bool,
) -> Result<ExitCode, Failure> {
    if let Some(aside) = finish_swap(&settings.state, lock).map_err(session::told_disk)? {
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
        tell_replaced(settings);
        if !agree("Begin without any room?") {
            return Ok(unchanged());
        }
        let aside =
            backup::begin_empty(&settings.state, lock, now, VERSION).map_err(Failure::told)?;
        discard(&settings.state.join(UNSEEN)).map_err(session::told_disk)?;
        terminal::line(
            "The database is empty. Make your account: `colourstream admin setup-link`, or `colourstream admin add NAME`.",
        );
        tell_aside(aside.as_deref());
        return Ok(ExitCode::SUCCESS);
    };
    // What is written where no mount is goes with this container.
    let place = common.config.as_deref();
    let passing = place.filter(|place| !place.exists() && placement::is_passing(place));
    let restored = backup::restore(
        &settings.state,
        lock,
        (file, secret),
        place.filter(|_| passing.is_none()),
        (now, VERSION),
        |manifest| {
            if !common.json {
                tell_backup(file, manifest, settings);
                tell_replaced(settings);
            }
            agree("Restore it?")
        },
    );
    match restored {
        Ok(None) => Ok(unchanged()),
        Ok(Some(restored)) => {
            // A person chose it: what runs is to be its own.
            discard(&settings.state.join(UNSEEN)).map_err(session::told_disk)?;
            tell(common, &restored, passing, settings)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Err(failed(settings, &error)),
    }
}

fn unchanged() -> ExitCode {
    terminal::line("Nothing was changed. Without a terminal say `--yes`.");
    ExitCode::from(1)
}

/// What a failure in the middle means.
fn failed(settings: &Settings, error: &BackupError) -> Failure {
    Failure::Told(if has_begun(&settings.state) {
        format!(
            "{error}\n  the restore has begun and is not finished; mend what is named, then run the same command again, or start the controller: either carries it to its end"
        )
    } else {
        format!("{error}\n  nothing was changed")
    })
}

/// The passphrase that the settings name, where they and it are there already.
fn usual_passphrase(common: &Common) -> Option<Secret<String>> {
    let settings = settings_here(common).ok()?;
    backup::passphrase(&settings).ok().flatten()
}

/// The settings that will be in force: those named, or where their file is not
/// there yet, those in the backup.
fn settings_for(
    common: &Common,
    file: &Path,
    passphrase: Option<&Secret<String>>,
    manifest: &Manifest,
) -> Result<Settings, Failure> {
    let absent = common.config.as_ref().filter(|path| !path.exists());
    let (Some(path), Some(item)) = (absent, manifest.settings_file()) else {
        return settings_here(common);
    };
    let bytes = backup::read_item(file, passphrase, VERSION, item).map_err(Failure::told)?;
    let text = String::from_utf8(bytes).map_err(Failure::told)?;
    settings::preview(&text, path, &session::source(common).overrides)
        .map_err(|errors| told_settings("the settings in the backup do not fit here", &errors))
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
    control.only_waits().await
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
    let there: Vec<&str> = [store::FILE, SECRETS, "tls", "traefik/acme/acme.json"]
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

fn tell(
    common: &Common,
    restored: &Restored,
    passing: Option<&Path>,
    settings: &Settings,
) -> Result<(), Failure> {
    let lacking = match passing {
        Some(_) => Vec::new(),
        None => lacking(common, settings),
    };
    if common.json {
        let value = json!({
            "manifest": restored.manifest,
            "aside": restored.aside,
            "written": restored.written,
            "stayed": restored.stayed,
            "waiting": restored.waiting,
            "passing": passing,
            "lacking": lacking,
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
    if let Some(place) = passing {
        terminal::line(format!(
            "  ! {} would be in this container alone and go with it, so it was not written: mount a folder there (`-v FOLDER:{}`), and move what waits above into it",
            place.display(),
            place.parent().unwrap_or(Path::new("/")).display()
        ));
    }
    for what in &lacking {
        terminal::line(format!("  ! {what}"));
    }
    tell_aside(restored.aside.as_deref());
    terminal::line(
        "  → start the controller: `colourstream serve`; one that waits goes on by itself",
    );
    Ok(())
}

/// What the settings name and the controller would not find.
fn lacking(common: &Common, settings: &Settings) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(word) = &settings.backup.passphrase_file
        && !word.exists()
    {
        all.push(format!(
            "{} opens the backups, so it is in none of them: put it there before the controller starts, or take `backup.passphrase_file` out of the settings",
            word.display()
        ));
    }
    let source = session::source(common);
    let wrong = settings::load(source.file.as_deref(), &source.overrides).err();
    for error in wrong.unwrap_or_default() {
        if error.key != "backup.passphrase_file" {
            all.push(error.to_string().replace('\n', "\n    "));
        }
    }
    all
}
