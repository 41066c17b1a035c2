//! The instruments of the fault suites. See `docs/reliability.md` for what
//! they were used for, and `scripts/test-faults` for how.
#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::allow_attributes,
    reason = "instruments of tests; not every binary uses all of them"
)]

pub mod drift;
pub mod house;
pub mod proxy;
pub mod registry;
pub mod report;
pub mod rng;
pub mod suite;
pub mod world;
