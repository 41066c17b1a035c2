//! A plan for people: `+` create, `~` change, `-` remove, `⏸` waits, each with
//! its why.

use super::{Action, Disruption, Lane, Plan, Step, Wait};
use crate::engine::EngineCall;
use crate::status::StepView;

/// How many steps of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// `+`
    pub create: usize,
    /// `~`
    pub change: usize,
    /// `-`
    pub remove: usize,
    /// `⏸`
    pub wait: usize,
}

impl Counts {
    /// Counts the steps of a plan.
    pub fn of(plan: &Plan) -> Self {
        let mut counts = Self::default();
        for step in &plan.steps {
            match sign(step) {
                "+" => counts.create += 1,
                "-" => counts.remove += 1,
                "⏸" => counts.wait += 1,
                _ => counts.change += 1,
            }
        }
        counts
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            create,
            change,
            remove,
            wait,
        } = self;
        write!(
            f,
            "{create} to create, {change} to change, {remove} to remove, {wait} waiting"
        )
    }
}

/// The steps of a plan as the API and the pages show them.
pub fn views(plan: &Plan) -> Vec<StepView> {
    plan.steps.iter().map(view).collect()
}

/// One step as the API and the pages show it.
pub fn view(step: &Step) -> StepView {
    StepView {
        lane: match step.lane {
            Lane::Ground => "ground".into(),
            Lane::Service(role) => role.to_string(),
        },
        sign: sign(step).into(),
        what: what(&step.action),
        why: step.why.clone(),
        disrupts: match step.disrupts {
            Disruption::None => "none",
            Disruption::Reload => "reload",
            Disruption::Streams => "streams",
            Disruption::Everything => "everything",
        }
        .into(),
        waits: step.waits.as_ref().map(wait),
        brief: matches!(step.waits, Some(Wait::Healthy { .. } | Wait::Pull { .. })),
    }
}

fn sign(step: &Step) -> &'static str {
    if step.waits.is_some() {
        return "⏸";
    }
    match &step.action {
        Action::Pull { .. } | Action::WriteFile { new: true, .. } => "+",
        Action::Quarantine { .. } | Action::RemoveFile { .. } => "-",
        Action::Engine { call, .. } => match **call {
            EngineCall::CreateNetwork { .. }
            | EngineCall::CreateVolume { .. }
            | EngineCall::CreateContainer { .. } => "+",
            EngineCall::RemoveNetwork { .. }
            | EngineCall::RemoveVolume { .. }
            | EngineCall::RemoveContainer { .. } => "-",
            _ => "~",
        },
        _ => "~",
    }
}

fn what(action: &Action) -> String {
    match action {
        Action::WriteFile { path, .. } => format!("write {}", path.display()),
        Action::Quarantine { path } => format!("move {} to quarantine", path.display()),
        Action::RemoveFile { path } => format!("remove {}", path.display()),
        Action::Pull { reference } => format!("pull {reference}"),
        Action::PinImage { reference, .. } => format!("record what {reference} is"),
        Action::Engine { title, .. } => title.clone(),
        Action::RecordFailure { role, .. } => format!("record that the new {role} failed"),
        Action::Await => "wait".into(),
    }
}

fn wait(wait: &Wait) -> String {
    match wait {
        Wait::Quiet => "until nobody has been live for a minute (or `apply --now`)".into(),
        Wait::Healthy { role } => format!("until {} is well", role.title()),
        Wait::Pull { reference } => format!("for the pull of {reference}"),
        Wait::Until { at } => format!("until {}", at.strftime("%H:%M:%S UTC")),
        Wait::Person => "for a person, see the issue".into(),
        Wait::Mode => "until you resume or apply".into(),
    }
}
