//! PURE: what has to be done, in which order, and why. A plan leaves no
//! choice to its execution; what it cannot do yet it names as waiting.

mod difference;
mod ground;
mod image;
mod leave;
mod observed;
#[cfg(test)]
mod scenarios;
mod service;
#[cfg(test)]
mod sim;
mod step;
#[cfg(test)]
mod tests;
mod tree;

use jiff::Timestamp;

pub use difference::{Differences, differences};
pub use leave::leave;
pub use observed::{
    Breaker, FileFacts, FileState, Health, Live, Observed, Own, PullState, ReplacementFailure,
    StartFailure,
};
pub use step::{Action, Disruption, Lane, Plan, Step, Wait};
pub use tree::{Counts, view, views};

use crate::desired::Target;
use crate::model::{Issue, IssueCode, Role, Severity};
use crate::settings::Mode;

/// What bears on a plan besides what should be and what is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The moment: decides whether a time waited for has come.
    pub now: Timestamp,
    /// What to do about differences.
    pub mode: Mode,
    /// A person said now: do not wait for quiet, nor for the mode.
    pub apply_now: bool,
}

/// What has to be done to get from `observed` to `target`.
///
/// For every observed state, carrying out the steps that are ready and looking
/// again ends with an empty plan, or with steps that wait and an issue or a
/// reason for each of them.
pub fn plan(target: &Target, observed: &Observed, policy: &Policy) -> Plan {
    let target = ground::with_volumes(target, observed);
    let target = target.as_ref();
    let mut plan = Plan {
        steps: ground::files(target, observed),
        issues: observed.issues.clone(),
    };
    if let Some(engine) = &observed.engine {
        ground::network_and_volumes(target, observed, engine, &mut plan);
        // From outside nobody knows whether they are well, nor who is live:
        // first in, then the next look decides.
        let is_there = |role: &Role| {
            let name = target.container_name(*role);
            engine.containers.iter().any(|facts| facts.name == name)
        };
        if !(observed.is_outside() && Role::ALL.iter().any(is_there)) {
            for role in Role::ALL {
                service::lane(target, observed, engine, policy, role, &mut plan);
            }
        }
        service::look_alikes(target, observed, engine, &mut plan.issues);
    }
    hold_back(&mut plan, policy);
    plan.issues
        .sort_by(|a, b| b.severity.cmp(&a.severity).then(a.subject.cmp(&b.subject)));
    plan.issues.dedup();
    plan
}

/// In `report` and `paused` every step waits for a person.
fn hold_back(plan: &mut Plan, policy: &Policy) {
    if policy.apply_now || policy.mode == Mode::Heal {
        return;
    }
    for step in &mut plan.steps {
        step.waits.get_or_insert(Wait::Mode);
    }
    let (what, why) = match policy.mode {
        Mode::Paused => (
            "Reconciliation is paused",
            "A person or the settings paused it",
        ),
        _ => (
            "Differences are shown, not mended",
            "`reconcile.mode` is `report`",
        ),
    };
    plan.issues.push(Issue {
        code: IssueCode::Paused,
        severity: Severity::Notice,
        role: None,
        subject: "reconcile".into(),
        what: what.into(),
        why: why.into(),
        fix: "Resume on the Stack page, run `colourstream resume`, or set `reconcile.mode: heal`"
            .into(),
    });
}
