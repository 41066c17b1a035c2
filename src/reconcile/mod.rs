//! The one loop: wait for a trigger, look, plan, apply, publish.
//!
//! Level-triggered: a trigger only says *look*, never what happened. It is
//! safe to kill the controller between any two calls, because every decision
//! is made anew from what is there.

mod ask;
mod events;
mod execute;
mod look;
mod memory;
mod publish;
mod pulls;
mod records;
mod run;
mod trigger;
mod wanted;

#[cfg(test)]
mod tests;

pub use ask::{Ask, Gate};
pub use look::{Probe, Probed, Question, Running};
pub use memory::{Memory, Refusal};
pub use records::recognise;
pub use run::{Controller, End, Locate, Pass, Scene};
pub use trigger::{Trigger, Triggers};
pub use wanted::{Source, Wanted, nameless};

pub use crate::status::{
    Command, EngineStatus, LiveCounts, ServiceStatus, Status, StepView, Summary,
};
