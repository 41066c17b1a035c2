//! `down`: take everything away again, and nothing else.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::warn;

use super::control::Control;
use super::session::Session;
use super::terminal::{self, Paint};
use super::{Common, Failure, session};
use crate::engine::{Engine as _, EngineCall, EngineError};
use crate::plan::{Action, Plan, leave};
use crate::serve::Parts;

/// How often it is looked for what is left, a second apart.
const ROUNDS: u32 = 5;

/// Says what goes, asks, removes. The running controller is paused first, so
/// that it does not heal what is taken away.
pub async fn run(common: &Common, volumes: bool, yes: bool) -> Result<ExitCode, Failure> {
    let mut session = Session::open(common).await?;
    let pass = session.controller.look(false).await;
    if pass.observed.engine.is_none() {
        terminal::raw(super::plan::text(&pass.plan, &[], Paint::stdout()));
        return Ok(ExitCode::from(1));
    }
    let instance = session.controller.wanted.settings().instance.clone();
    let plan = leave(&instance, &pass.observed, volumes);
    let state = session::state_folder(common)?;
    if plan.is_empty() && !volumes {
        terminal::line("Nothing of ColourStream is on this engine.");
        return Ok(ExitCode::SUCCESS);
    }
    for step in &plan.steps {
        if let Action::Engine { title, .. } = &step.action {
            terminal::line(format!("  - {title}"));
        }
    }
    if volumes {
        terminal::line(format!(
            "  - remove {} with every room, link, key and certificate in it",
            state.display()
        ));
    } else {
        terminal::line(format!(
            "Rooms, links and certificates stay in {}.",
            state.display()
        ));
    }
    let live = pass.observed.live;
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
    let control = Control::find(&state).await;
    if let Some(control) = &control {
        if volumes {
            return Err(Failure::Told(
                "a controller still runs on this state folder; stop it first, then `down --volumes`".into(),
            ));
        }
        control
            .post("/api/v1/mode", &serde_json::json!({"mode": "paused"}))
            .await?;
    }
    remove_all(&mut session.controller, &instance, plan, volumes).await?;
    if volumes {
        let lock = session.lock()?;
        drop(lock);
        drop(session);
        std::fs::remove_dir_all(&state).map_err(|error| {
            Failure::Told(format!("{} could not be removed: {error}", state.display()))
        })?;
    }
    terminal::line(match control {
        Some(_) => "Removed. The controller runs on, paused; stop it, or resume it with `apply`.",
        None => "Removed.",
    });
    Ok(ExitCode::SUCCESS)
}

/// Removes what there is until nothing is left: a controller that was just
/// killed may have had a call under way, whose container comes late.
async fn remove_all(
    controller: &mut Parts,
    instance: &str,
    mut plan: Plan,
    volumes: bool,
) -> Result<(), Failure> {
    for round in 1.. {
        let mut failed = None;
        for step in &plan.steps {
            if let Action::Engine { title, call } = &step.action
                && let Err(error) = remove(controller, title, &step.why, call).await
            {
                failed.get_or_insert(format!("could not {title}: {error}"));
            }
        }
        let seen = controller.look(false).await.observed;
        plan = leave(instance, &seen, volumes);
        if plan.is_empty() && failed.is_none() {
            break;
        }
        if round == ROUNDS {
            let failed = failed.unwrap_or_else(|| "something is made again and again".to_owned());
            return Err(Failure::Told(format!("{failed}; run `down` again")));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// One call with its journal entry. A journal that cannot be written (the disk
/// is full, say) keeps nobody from leaving.
async fn remove(
    controller: &Parts,
    title: &str,
    why: &str,
    call: &EngineCall,
) -> Result<(), EngineError> {
    let begun = Instant::now();
    let store = &controller.store;
    let entry = store.journal_begin(Timestamp::now(), 0, "ground", title, why);
    let result = controller.engine.perform(call.clone()).await;
    let written = entry.and_then(|id| {
        let outcome = if result.is_ok() { "done" } else { "failed" };
        let error = result.as_ref().err().map(ToString::to_string);
        store.journal_end(
            id,
            outcome,
            error.as_deref(),
            begun.elapsed().as_secs_f64() * 1e3,
        )
    });
    if let Err(error) = written {
        warn!(%error, "the journal does not have: {title}");
    }
    if let (EngineCall::RemoveContainer { id }, Ok(_)) = (call, &result)
        && let Err(error) = store.forget_made(id)
    {
        warn!(%error, "{title}: it stays recorded");
    }
    result.map(drop)
}
