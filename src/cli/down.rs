//! `down`: take everything away again, and nothing else. It needs the engine
//! and the settings, no more: a database that is damaged, newer or gone keeps
//! nobody from leaving.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::warn;

use super::control::Control;
use super::session::{self, Intent, Session};
use super::terminal;
use super::{Common, Failure};
use crate::VERSION;
use crate::backup;
use crate::desired::CONTROLLER;
use crate::disk::{DiskError, Draft, StateLock, remove_state};
use crate::engine::{
    DockerEngine, Engine as _, EngineCall, EngineError, EngineFacts, Placement, placement,
};
use crate::model::Role;
use crate::plan::{Action, Live, Observed, Own, Plan, leave};
use crate::reconcile::recognise;
use crate::settings::Settings;
use crate::status::Status;
use crate::store::{self, Store};

/// A controller that has just begun answers within this, asked this often.
const PATIENCE: Duration = Duration::from_secs(10);
const KNOCK: Duration = Duration::from_millis(200);
/// How often it is looked for what is left, a second apart.
const ROUNDS: u32 = 5;

/// Says what goes, asks, removes. The running controller is paused first, so
/// that it does not heal what is taken away.
pub async fn run(common: &Common, volumes: bool, yes: bool) -> Result<ExitCode, Failure> {
    let settings = session::settings_here(common)?;
    let state = settings.state.clone();
    let control = controller(&state).await?;
    if volumes && control.is_some() {
        return Err(Failure::Told(still_there()));
    }
    let house = House::find(&settings).await?;
    // One that only keeps the pages up heals nothing.
    let waits = match &control {
        Some(control) => control.only_waits().await,
        None => true,
    };
    let stands_aside = match &control {
        Some(control) => control.stands_aside().await,
        None => false,
    };
    if waits || stands_aside {
        house.refuse_what_another_runs().await?;
    }
    house.refuse_with_guests().await?;
    let plan = house.look(volumes).await.map_err(Failure::told)?;
    let keeps_something = volumes && state.exists();
    if plan.is_empty() && !keeps_something {
        terminal::line("Nothing of ColourStream is on this engine.");
        return Ok(ExitCode::SUCCESS);
    }
    for step in &plan.steps {
        if let Action::Engine { title, .. } = &step.action {
            terminal::line(format!("  - {title}"));
        }
    }
    tell_what_is_kept(&settings, volumes);
    let live = match &control {
        Some(control) => control
            .get("/api/v1/status")
            .await
            .map(|status: Status| status.live)
            .map(|live| Live {
                streams: live.streams,
                viewers: live.viewers,
                callers: live.callers,
            })
            .unwrap_or_default(),
        None => live(common, &settings).await,
    };
    if !live.is_quiet() {
        terminal::line(format!(
            "{} are watching, {} are in a call and {} encoders send: they are cut.",
            live.viewers, live.callers, live.streams
        ));
    }
    if !yes && !terminal::confirm("Remove all this?") {
        terminal::line("Nothing was removed. Without a terminal say `--yes`.");
        return Ok(ExitCode::from(1));
    }
    if let Some(control) = control.as_ref().filter(|_| !waits) {
        control
            .post("/api/v1/mode", &serde_json::json!({"mode": "paused"}))
            .await?;
    }
    house.remove_all(plan, volumes).await?;
    drop(house);
    if keeps_something {
        remove_kept(&settings)?;
    }
    terminal::line(match (&control, waits) {
        (Some(_), false) => {
            "Removed. The controller runs on, paused; stop it, or let it build all anew with `colourstream resume`."
        }
        (Some(_), true) => {
            "Removed. The controller runs on: where its state folder is only empty it begins anew by itself; stop it if it should not."
        }
        (None, _) => "Removed.",
    });
    Ok(ExitCode::SUCCESS)
}

/// The controller that works on the state folder, if one does. One that has
/// just begun answers in a moment, and would heal what is taken away.
async fn controller(state: &Path) -> Result<Option<Control>, Failure> {
    let begun = Instant::now();
    loop {
        if let Some(control) = Control::find(state).await
            && control.answers().await
        {
            return Ok(Some(control));
        }
        if !state.join("lock").exists() {
            return Ok(None);
        }
        match StateLock::acquire(state, Timestamp::now(), VERSION) {
            Err(DiskError::InUse { holder, .. }) if begun.elapsed() > PATIENCE => {
                return Err(Failure::Told(format!(
                    "{holder} works on {} and does not answer\n  → stop it first",
                    state.display()
                )));
            }
            Err(DiskError::InUse { .. }) => tokio::time::sleep(KNOCK).await,
            // What cannot be locked keeps nobody from leaving.
            Ok(_) | Err(_) => return Ok(None),
        }
    }
}

fn still_there() -> String {
    "a controller still runs on this state folder\n  → stop it first, then `down --volumes`. In a container: `docker stop` it, and run `down --volumes` in one of its own with the same mounts and settings (`docker run --rm …`, docs/deploy.md)".to_owned()
}

fn tell_what_is_kept(settings: &Settings, volumes: bool) {
    let state = settings.state.display();
    let (inside, outside): (Vec<_>, Vec<_>) = backup::list(settings)
        .into_iter()
        .partition(|one| one.path.starts_with(&settings.state));
    if volumes {
        terminal::line(format!(
            "  - remove what is kept in {state}, with every room, link, key and certificate in it"
        ));
        if !inside.is_empty() {
            terminal::line(format!(
                "  - remove the {} there, too; copy what you want to keep",
                count(inside.len(), "backup")
            ));
        }
    } else {
        terminal::line(format!("Rooms, links and certificates stay in {state}."));
    }
    if volumes && !outside.is_empty() {
        terminal::line(format!(
            "The {} in {} stay.",
            count(outside.len(), "backup"),
            backup::folder(settings).display()
        ));
    }
}

fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    }
}

/// Who would be cut, as far as it can be told without a controller.
async fn live(common: &Common, settings: &Settings) -> Live {
    if !session::is_in_use(settings) {
        return Live::default();
    }
    match Session::open(common, Intent::Look).await {
        Ok(mut session) => session.controller.look(false).await.observed.live,
        Err(_) => Live::default(),
    }
}

/// Removes what is kept, alone on the state folder.
fn remove_kept(settings: &Settings) -> Result<(), Failure> {
    let state = &settings.state;
    let lock = StateLock::acquire(state, Timestamp::now(), VERSION).map_err(session::told_disk)?;
    let backups: Vec<_> = backup::list(settings)
        .into_iter()
        .map(|one| one.path)
        .filter(|path| path.starts_with(state))
        .collect();
    let left = remove_state(state, lock, &backups).map_err(session::told_disk)?;
    for path in left {
        terminal::line(format!(
            "  {} is not ColourStream's and stays",
            path.display()
        ));
    }
    if state.exists() && is_empty(state) {
        terminal::line(format!(
            "  {} is empty now; a volume is removed with `docker volume rm`",
            state.display()
        ));
    }
    Ok(())
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// What `down` works with.
struct House {
    instance: String,
    engine: DockerEngine,
    own: Option<String>,
    store: Option<(Store, Option<Draft>)>,
}

impl House {
    async fn find(settings: &Settings) -> Result<Self, Failure> {
        let engine = DockerEngine::new(&settings.engine).map_err(Failure::told)?;
        let own = match placement::find(&engine, &settings.state).await {
            Ok(Placement::Container { id, .. }) => Some(id),
            Ok(Placement::Host) | Err(EngineError::StateNotMounted { .. }) => None,
            Err(error) => return Err(Failure::told(error)),
        };
        let is_there = settings.state.join(store::FILE).exists();
        let store = match session::store_to_look_at(settings) {
            Ok(store) => Some(store),
            Err(unready) => {
                if is_there {
                    let issue = unready.issue(settings);
                    let why = issue.map_or_else(String::new, |issue| format!(" ({})", issue.what));
                    terminal::line(format!(
                        "  The database cannot be read{why}: containers are known by their names."
                    ));
                }
                None
            }
        };
        Ok(Self {
            instance: settings.instance.clone(),
            engine,
            own,
            store,
        })
    }

    /// What another controller runs from a state folder of its own is not this
    /// one's to take away.
    async fn refuse_what_another_runs(&self) -> Result<(), Failure> {
        let engine = self.engine.observe(&self.instance, &[]).await;
        let rivals = engine.map_err(Failure::told)?.rivals;
        if rivals.is_empty() {
            return Ok(());
        }
        let names = rivals.join(" ");
        Err(Failure::Told(format!(
            "{names} runs these services from another state folder, so nothing is removed
  → run `down` there (`docker exec {names} /colourstream down`), or `docker stop {names}` first"
        )))
    }

    /// A network that somebody else is in cannot be removed: told before
    /// anything is cut, for nobody takes a container of theirs out of it but
    /// they themselves.
    async fn refuse_with_guests(&self) -> Result<(), Failure> {
        let engine = self.engine.observe(&self.instance, &[]).await;
        let engine = engine.map_err(Failure::told)?;
        let guests = engine.guests.iter();
        let guests: Vec<&str> = guests
            .filter(|name| !engine.rivals.contains(name))
            .map(String::as_str)
            .collect();
        let network = &self.instance;
        match &*guests {
            [] => Ok(()),
            [one] => Err(Failure::Told(format!(
                "{one} is in the network {network}, which cannot be removed meanwhile, so nothing was removed\n  → `docker network disconnect {network} {one}`, then run `down` again"
            ))),
            many => Err(Failure::Told(format!(
                "{} are in the network {network}, which cannot be removed meanwhile, so nothing was removed\n  → `docker network disconnect {network} NAME` for each of them, then run `down` again",
                many.join(", ")
            ))),
        }
    }

    /// What there is to remove now.
    async fn look(&self, volumes: bool) -> Result<Plan, EngineError> {
        let engine = self.engine.observe(&self.instance, &[]).await?;
        let joined = engine.own_networks.iter().any(|(name, attachment)| {
            *name == self.instance && attachment.aliases.contains(CONTROLLER)
        });
        let own = self.own.clone().map(|id| Own { id, joined });
        let observed = Observed {
            made: self.made(&engine),
            own,
            engine: Some(engine),
            ..Observed::default()
        };
        let mut plan = leave(&self.instance, &observed, true);
        if !volumes {
            // One that only leads to a folder of the state loses nothing.
            let facts = observed.engine.as_ref();
            plan.steps.retain(|step| match &step.action {
                Action::Engine { call, .. } => match &**call {
                    EngineCall::RemoveVolume { name } => {
                        facts.is_some_and(|facts| leads_elsewhere(facts, name))
                    }
                    _ => true,
                },
                _ => true,
            });
        }
        Ok(plan)
    }

    /// What we made, by what was recorded.
    fn made(&self, engine: &EngineFacts) -> BTreeMap<String, Role> {
        let made = self.store.as_ref().and_then(|(store, _)| store.made().ok());
        let mut made = made.unwrap_or_default();
        recognise(&mut made, &self.instance, &engine.containers);
        made
    }

    /// Removes what there is until nothing is left: a controller that was just
    /// killed may have had a call under way, whose container comes late.
    async fn remove_all(&self, mut plan: Plan, volumes: bool) -> Result<(), Failure> {
        for round in 1.. {
            let mut failed = None;
            for step in &plan.steps {
                if let Action::Engine { title, call } = &step.action
                    && let Err(error) = self.remove(title, &step.why, call).await
                {
                    failed.get_or_insert(format!("could not {title}: {error}"));
                }
            }
            match self.look(volumes).await {
                Ok(left) => plan = left,
                Err(error) => {
                    failed.get_or_insert(format!("could not look what is left: {error}"));
                }
            }
            if plan.is_empty() && failed.is_none() {
                break;
            }
            if round == ROUNDS {
                let failed =
                    failed.unwrap_or_else(|| "something is made again and again".to_owned());
                return Err(Failure::Told(format!("{failed}; run `down` again")));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    }

    /// One call with its journal entry. A journal that cannot be written (the
    /// disk is full, say) keeps nobody from leaving.
    async fn remove(&self, title: &str, why: &str, call: &EngineCall) -> Result<(), EngineError> {
        let begun = Instant::now();
        let store = self.store.as_ref().map(|(store, _)| store);
        let entry =
            store.map(|store| store.journal_begin(Timestamp::now(), 0, "ground", title, why));
        let result = self.engine.perform(call.clone()).await;
        let written = match (store, entry) {
            (Some(store), Some(entry)) => entry.and_then(|id| {
                let outcome = if result.is_ok() { "done" } else { "failed" };
                let error = result.as_ref().err().map(ToString::to_string);
                store.journal_end(
                    id,
                    outcome,
                    error.as_deref(),
                    begun.elapsed().as_secs_f64() * 1e3,
                )
            }),
            _ => Ok(()),
        };
        if let Err(error) = written {
            warn!(%error, "the journal does not have: {title}");
        }
        if let (EngineCall::RemoveContainer { id }, Ok(_), Some(store)) = (call, &result, store)
            && let Err(error) = store.forget_made(id)
        {
            warn!(%error, "{title}: it stays recorded");
        }
        result.map(drop)
    }
}

/// Whether a volume holds nothing itself, but is another name of a folder.
fn leads_elsewhere(facts: &EngineFacts, name: &str) -> bool {
    let volume = facts.volumes.iter().find(|volume| volume.name == name);
    volume.is_some_and(|volume| volume.leads_to().is_some())
}
