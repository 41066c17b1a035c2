//! PURE: what has to be done, in which order, and why. A plan leaves no
//! choice to its execution; what it cannot do yet it names as waiting.

mod observed;
mod step;

pub use observed::{
    Breaker, FileFacts, FileState, Health, Live, Observed, PullState, ReplacementFailure,
    StartFailure,
};
pub use step::{Action, Disruption, Lane, Plan, Step, Wait};
