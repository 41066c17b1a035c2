//! The one loop: wait for a trigger, look, plan, apply, publish.

mod status;

pub use status::{Command, EngineStatus, LiveCounts, ServiceStatus, Status, StepView, Summary};
