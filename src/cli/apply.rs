//! `apply`: do it, and wait until it is done.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::control::Control;
use super::session::{Intent, Session};
use super::terminal::{self, Paint};
use super::{Common, Failure, session};
use crate::plan::views;
use crate::reconcile::{Command, Trigger};
use crate::status::{Status, StepView};

/// Longest time without a pull in which the stack has to get somewhere.
const PATIENCE: Duration = Duration::from_secs(120);

/// Asks the running controller, or does it itself where none runs.
pub async fn run(common: &Common, now: bool, update_images: bool) -> Result<ExitCode, Failure> {
    let state = session::state_folder(common)?;
    match Control::find(&state).await {
        Some(control) => ask(common, &control, now, update_images).await,
        None => alone(common, now, update_images).await,
    }
}

async fn ask(
    common: &Common,
    control: &Control,
    now: bool,
    update_images: bool,
) -> Result<ExitCode, Failure> {
    let before: Status = control.get("/api/v1/status").await?;
    let body = serde_json::json!({"now": now, "update_images": update_images});
    control.post("/api/v1/apply", &body).await?;
    let begun = Instant::now();
    let mut nudged = false;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let status: Status = control.get("/api/v1/status").await?;
        // The first look may have begun before we asked, and where nothing is
        // to do the second would be the next sweep.
        if !nudged && status.reconcile > before.reconcile {
            nudged = true;
            control
                .post("/api/v1/apply", &serde_json::json!({}))
                .await?;
        }
        // Only what was seen after we asked counts.
        let fresh = status.reconcile > before.reconcile + 1;
        let pulling = status
            .services
            .iter()
            .any(|service| service.pulling.is_some());
        if fresh && is_held(&status.plan) || begun.elapsed() > PATIENCE && !pulling {
            terminal::progress("");
            return finish(common, &status);
        }
        terminal::progress(&progress(&status));
    }
}

/// What is going on, in one line.
fn progress(status: &Status) -> String {
    let pulls: Vec<String> = status
        .services
        .iter()
        .filter_map(|service| service.pulling.map(|(had, all)| (service, had, all)))
        .map(|(service, had, all)| {
            format!(
                "pulling {}: {} of {} MB",
                service.image,
                had / 1_000_000,
                all / 1_000_000
            )
        })
        .collect();
    if pulls.is_empty() {
        status
            .plan
            .first()
            .map(|step| format!("{} – {}", step.what, step.why))
            .unwrap_or_default()
    } else {
        pulls.join(", ")
    }
}

fn finish(common: &Common, status: &Status) -> Result<ExitCode, Failure> {
    if common.json {
        terminal::line(serde_json::to_string_pretty(status).map_err(Failure::told)?);
    } else {
        terminal::raw(super::status::text(
            status,
            jiff::Timestamp::now(),
            Paint::stdout(),
        ));
    }
    Ok(if status.plan.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    })
}

async fn alone(common: &Common, now: bool, update_images: bool) -> Result<ExitCode, Failure> {
    let mut session = Session::open(common, Intent::Work).await?;
    let _lock = session.lock()?;
    let mut triggers = vec![Trigger::Sweep];
    if now {
        triggers.push(Trigger::Person(Command::ApplyNow));
    }
    if update_images {
        triggers.push(Trigger::Person(Command::UpdateImages));
    }
    let begun = Instant::now();
    loop {
        let pass = session.controller.pass(&triggers).await;
        if pass.observed.engine.is_none() || pass.target.is_none() {
            terminal::raw(super::plan::text(&pass.plan, &[], Paint::stdout()));
            return Ok(ExitCode::from(1));
        }
        if pass.done == 0 && (is_held(&views(&pass.plan)) || begun.elapsed() > PATIENCE) {
            terminal::progress("");
            let status = session.status.borrow().clone();
            return finish(common, &status);
        }
        terminal::progress(&progress(&session.status.borrow().clone()));
        triggers = vec![if now {
            Trigger::Person(Command::ApplyNow)
        } else {
            Trigger::Recheck
        }];
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Whether nothing moves any more without a person or a long wait: in every
/// lane the first step waits for such, and what follows in it waits with it.
fn is_held(plan: &[StepView]) -> bool {
    let mut lanes = BTreeSet::new();
    let firsts: Vec<&StepView> = plan
        .iter()
        .filter(|step| lanes.insert(step.lane.as_str()))
        .collect();
    let waits = |step: &&StepView| step.waits.is_some() && !step.brief;
    let ground = |step: &&StepView| step.lane == "ground";
    firsts.iter().all(waits) || firsts.iter().any(|step| ground(step) && waits(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(lane: &str, waits: Option<&str>, brief: bool) -> StepView {
        StepView {
            lane: lane.into(),
            sign: String::new(),
            what: String::new(),
            why: String::new(),
            disrupts: String::new(),
            waits: waits.map(str::to_owned),
            brief,
        }
    }

    #[test]
    fn what_follows_a_step_that_waits_waits_with_it() {
        let quiet = || step("mirotalk", Some("until nobody is live"), false);
        let after = || step("mirotalk", None, false);
        assert!(is_held(&[]));
        assert!(is_held(&[quiet(), after()]));
        assert!(!is_held(&[quiet(), after(), step("traefik", None, false)]));
        assert!(!is_held(&[step("traefik", Some("until it is well"), true)]));
        assert!(is_held(&[
            step("ground", Some("for a person"), false),
            after()
        ]));
    }
}
