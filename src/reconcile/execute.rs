//! Carrying out the steps that are ready: the ground first, then the lanes of
//! the services side by side. Nothing is decided here; the first failure ends
//! a lane, and the next look decides anew.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jiff::Timestamp;
use tracing::{info, warn};

use super::look::{Probe, Question};
use super::memory::{Refusal, replacement_failure};
use crate::desired::{ImagePin, Target, labels};
use crate::disk::{Disk, DiskError};
use crate::engine::{Engine, EngineCall, EngineError, Performed};
use crate::model::{Issue, IssueCode, Role, Severity};
use crate::plan::{Action, Lane, Plan, ReplacementFailure, Step, view};
use crate::store::{Store, StoreError};

/// A plan is good for so long after the look it was made from. A controller
/// that was stopped meanwhile (SIGSTOP, a frozen machine) looks again before it
/// does more. The first step always begins in time, so there is progress even
/// where every call takes longer.
const LEASE: Duration = Duration::from_secs(15);

/// What the loop has to remember of what was done.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Steps done.
    pub done: usize,
    /// Steps that failed.
    pub failed: usize,
    /// Steps were left because the look they follow from is too old.
    pub stale: bool,
    /// Containers that were made, by id: what was refused before was about
    /// another one of its service.
    pub made: Vec<(Role, String)>,
    /// Services started.
    pub started: Vec<Role>,
    /// Services the engine refused to bring up.
    pub refused: Vec<(Role, Refusal)>,
    /// Containers stopped in this lane.
    pub stopped: Vec<String>,
    /// Services restarted because they did not answer.
    pub restarted: Vec<Role>,
    /// Pulls to begin.
    pub pulls: Vec<String>,
    /// Traefik was reminded of its file.
    pub reminded: bool,
    /// Replacements that failed; `None` where the store has it.
    pub failures: Vec<(Role, Option<ReplacementFailure>)>,
    /// What files, store and engine refused, by subject.
    pub troubles: BTreeMap<String, Issue>,
}

impl Effects {
    fn merge(&mut self, other: Self) {
        self.done += other.done;
        self.failed += other.failed;
        self.stale |= other.stale;
        self.made.extend(other.made);
        self.started.extend(other.started);
        self.refused.extend(other.refused);
        self.restarted.extend(other.restarted);
        self.pulls.extend(other.pulls);
        self.reminded |= other.reminded;
        self.failures.extend(other.failures);
        self.troubles.extend(other.troubles);
    }
}

/// Where the steps take effect.
pub(super) struct Hands<'a, E, P> {
    pub engine: &'a E,
    pub probe: &'a P,
    /// Whom to ask whether somebody is live.
    pub question: Option<Question>,
    pub store: &'a Store,
    pub disk: &'a Disk,
    pub target: &'a Target,
    pub reconcile: u64,
    pub now: Timestamp,
    /// When the look ended.
    pub looked: tokio::time::Instant,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the configuration does not start: {0}")]
    Refused(String),
}

impl<E: Engine, P: Probe> Hands<'_, E, P> {
    /// Does what is ready. Safe to be killed at any point.
    pub async fn execute(&self, plan: &Plan) -> Effects {
        let (ground, services): (Vec<&Step>, Vec<&Step>) =
            plan.ready().partition(|step| step.lane == Lane::Ground);
        let mut effects = self.lane(&ground).await;
        if effects.failed > 0 || effects.stale {
            return effects;
        }
        let lanes = Role::ALL.map(|role| {
            services
                .iter()
                .copied()
                .filter(|step| step.lane == Lane::Service(role))
                .collect()
        });
        let lanes: Vec<Vec<&Step>> = lanes.into();
        for lane in join_all(lanes.iter().map(|lane| self.lane(lane))).await {
            effects.merge(lane);
        }
        effects
    }

    async fn lane(&self, steps: &[&Step]) -> Effects {
        let mut effects = Effects::default();
        for step in steps {
            if self.looked.elapsed() > LEASE {
                info!(
                    reconcile = self.reconcile,
                    step = view(step).what,
                    "the plan is too old; looked again first"
                );
                effects.stale = true;
                break;
            }
            if step.quiet && self.is_live().await {
                info!(
                    reconcile = self.reconcile,
                    step = view(step).what,
                    "somebody went live meanwhile; it waits"
                );
                effects.stale = true;
                break;
            }
            if let Err(()) = self.step(step, &mut effects).await {
                break;
            }
        }
        effects
    }

    /// Whether somebody is live by now: the look is from before the steps that
    /// were done since.
    async fn is_live(&self) -> bool {
        let Some(question) = self.question.clone() else {
            return false;
        };
        !self.probe.probe(question).await.live.is_quiet()
    }

    /// One step with its journal entry. The entry is opened before the step,
    /// so that a step whose end nobody wrote down can be told.
    async fn step(&self, step: &Step, effects: &mut Effects) -> Result<(), ()> {
        let shown = view(step);
        let begun = Instant::now();
        let entry = self.store.journal_begin(
            self.now,
            self.reconcile,
            &shown.lane,
            &shown.what,
            &shown.why,
        );
        let result = self.act(step, effects).await;
        let duration_ms = begun.elapsed().as_secs_f64() * 1e3;
        let outcome = if result.is_ok() { "done" } else { "failed" };
        let error = result.as_ref().err().map(ToString::to_string);
        let written = entry.and_then(|id| {
            self.store
                .journal_end(id, outcome, error.as_deref(), duration_ms)
        });
        if let Err(error) = written {
            effects
                .troubles
                .insert("journal".into(), store_trouble(&error));
        }
        match result {
            Ok(()) => {
                effects.done += 1;
                info!(
                    reconcile = self.reconcile,
                    lane = shown.lane,
                    why = shown.why,
                    duration_ms,
                    "{}",
                    shown.what
                );
                Ok(())
            }
            Err(error) => {
                effects.failed += 1;
                warn!(reconcile = self.reconcile, lane = shown.lane, why = shown.why, duration_ms, %error, "failed: {}", shown.what);
                self.learn(step, &error, effects);
                Err(())
            }
        }
    }

    async fn act(&self, step: &Step, effects: &mut Effects) -> Result<(), StepError> {
        match &step.action {
            Action::WriteFile { path, .. } => {
                if let Some(file) = self.target.files.iter().find(|file| &file.path == path) {
                    self.disk
                        .write(&file.path, &file.bytes, file.mode, file.owner)?;
                }
            }
            Action::Quarantine { path } => {
                self.disk.quarantine(path, self.now)?;
            }
            Action::RemoveFile { path } => self.disk.remove(path)?,
            Action::Pull { reference } => effects.pulls.push(reference.clone()),
            Action::PinImage {
                reference,
                id,
                digest,
            } => {
                let pin = ImagePin {
                    id: id.clone(),
                    digest: digest.clone(),
                };
                self.store.save_pin(reference, &pin)?;
            }
            Action::RecordFailure { role, spec, reason } => {
                let failure = replacement_failure(*spec, reason.clone(), self.now);
                self.keep_failure(*role, failure, effects);
            }
            Action::Engine { call, .. } => self.call(step, call, effects).await?,
            Action::Await => {}
        }
        Ok(())
    }

    async fn call(
        &self,
        step: &Step,
        call: &EngineCall,
        effects: &mut Effects,
    ) -> Result<(), StepError> {
        let Lane::Service(role) = step.lane else {
            self.engine.perform(call.clone()).await?;
            return Ok(());
        };
        if matches!(call, EngineCall::CreateContainer { .. }) {
            let id = self.create(role, call.clone()).await?;
            effects.made.extend(id.map(|id| (role, id)));
            return Ok(());
        }
        let performed = self.engine.perform(call.clone()).await?;
        match (call, performed) {
            // The id of one that is gone does no harm.
            (EngineCall::RemoveContainer { id }, _) => {
                if let Err(error) = self.store.forget_made(id) {
                    let trouble = store_trouble(&error);
                    effects.troubles.insert("journal".into(), trouble);
                }
            }
            (EngineCall::StopContainer { id, .. }, _) => effects.stopped.push(id.clone()),
            (EngineCall::StartContainer { id }, _) => {
                effects.started.push(role);
                // One that is stopped for another was not restarted.
                if effects.stopped.contains(id) {
                    effects.restarted.push(role);
                }
            }
            (EngineCall::SignalContainer { .. }, _) => effects.reminded = true,
            (EngineCall::TryOut { spec, .. }, Performed::Tried(Some(ended))) => {
                let last = ended
                    .last_lines
                    .iter()
                    .rev()
                    .find(|line| !line.trim().is_empty());
                let reason = format!(
                    "it ends with code {}: {}",
                    ended.code,
                    last.map_or("it says nothing", String::as_str)
                );
                let failure = replacement_failure(spec.digest(), reason.clone(), self.now);
                self.keep_failure(role, failure, effects);
                return Err(StepError::Refused(reason));
            }
            _ => {}
        }
        Ok(())
    }

    /// Keeps that a replacement failed. Where the store cannot, the loop does:
    /// the one that works comes back all the same.
    fn keep_failure(&self, role: Role, failure: ReplacementFailure, effects: &mut Effects) {
        let unkept = match self.store.save_failure(role, &failure) {
            Ok(()) => None,
            Err(error) => {
                let trouble = store_trouble(&error);
                effects.troubles.insert("journal".into(), trouble);
                Some(failure)
            }
        };
        effects.failures.push((role, unkept));
    }

    /// Makes a container under a mark that is written down first: killed before
    /// its id is known, it is found again whatever it is called by then.
    async fn create(&self, role: Role, mut call: EngineCall) -> Result<Option<String>, StepError> {
        let mark = mark()?;
        if let EngineCall::CreateContainer { labels, .. } = &mut call {
            labels.insert(labels::MARK.to_owned(), mark.clone());
        }
        self.store.expect_made(&mark, role)?;
        match self.engine.perform(call).await {
            Ok(Performed::Created(id)) => {
                self.store.confirm_made(&mark, &id, role)?;
                Ok(Some(id))
            }
            Ok(_) => Ok(None),
            // Nobody knows whether it was made: the mark says so if it was.
            Err(
                error @ (EngineError::Away { .. }
                | EngineError::Slow { .. }
                | EngineError::Other(_)),
            ) => Err(error.into()),
            Err(error) => {
                self.store.forget_mark(&mark)?;
                Err(error.into())
            }
        }
    }

    /// What a failure means for the next look.
    fn learn(&self, step: &Step, error: &StepError, effects: &mut Effects) {
        match error {
            StepError::Disk(error) => {
                let subject = match &step.action {
                    Action::WriteFile { path, .. }
                    | Action::Quarantine { path }
                    | Action::RemoveFile { path } => path.display().to_string(),
                    _ => "state".into(),
                };
                let issue = Issue {
                    code: IssueCode::StateUnwritable,
                    severity: Severity::Error,
                    role: None,
                    subject: subject.clone(),
                    what: format!("rendered/{subject} cannot be brought to what it should be"),
                    why: error.to_string(),
                    fix: "Free space or mend the rights of the state folder; what runs goes on, and it is tried again by itself".into(),
                };
                effects.troubles.insert(subject, issue);
            }
            StepError::Store(error) => {
                effects
                    .troubles
                    .insert("journal".into(), store_trouble(error));
            }
            StepError::Refused(_) => {}
            // The next look finds out and says so.
            StepError::Engine(
                EngineError::Away { .. } | EngineError::Denied { .. } | EngineError::Slow { .. },
            ) => {}
            StepError::Engine(error) => match (step.lane, refused(step, &effects.made)) {
                (Lane::Service(role), Some(container)) => {
                    let port = match error {
                        EngineError::PortTaken { port, .. } => Some(*port),
                        _ => None,
                    };
                    let refusal = Refusal {
                        container,
                        reason: error.to_string(),
                        port,
                    };
                    effects.refused.push((role, refusal));
                }
                (lane, _) => {
                    let trouble = engine_trouble(lane, view(step).what, error);
                    let of = trouble.role.map_or("", Role::as_str);
                    effects.troubles.insert(format!("engine {of}"), trouble);
                }
            },
        }
    }
}

/// PURE. What a step that the engine refused was to bring up, if it was: the
/// id of the container, or `None` for one that is not there yet. Whatever else
/// is refused on the way, a stop or a new name, says nothing of a container.
fn refused(step: &Step, made: &[(Role, String)]) -> Option<Option<String>> {
    let (Lane::Service(role), Action::Engine { call, .. }) = (step.lane, &step.action) else {
        return None;
    };
    match &**call {
        EngineCall::CreateContainer { .. } | EngineCall::TryOut { .. } => Some(None),
        // By its name where it was made a moment ago.
        EngineCall::StartContainer { id } => {
            let new = made.iter().rfind(|(of, _)| *of == role);
            Some(Some(new.map_or(id, |(_, new)| new).clone()))
        }
        _ => None,
    }
}

fn engine_trouble(lane: Lane, shown: String, error: &EngineError) -> Issue {
    Issue {
        code: IssueCode::ServiceUnhealthy,
        severity: Severity::Error,
        role: match lane {
            Lane::Service(role) => Some(role),
            Lane::Ground => None,
        },
        what: format!("The engine refused to {shown}"),
        subject: shown,
        why: error.to_string(),
        fix: "Mend what the engine names; tried again by itself".into(),
    }
}

fn mark() -> Result<String, EngineError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| EngineError::Other(format!("no random bytes: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

pub(super) fn store_trouble(error: &StoreError) -> Issue {
    Issue {
        code: IssueCode::StoreFailed,
        severity: Severity::Error,
        role: None,
        subject: "store".into(),
        what: "The database cannot be used".into(),
        why: error.to_string(),
        fix: "Free space or mend the rights of the state folder; what runs goes on".into(),
    }
}
