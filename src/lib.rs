//! ColourStream: one controller for a review room.
//!
//! ```text
//! settings file ─┐
//!                ├─> Snapshot ──desire()──> Desired ──render()──> Target ─┐
//! rooms (SQLite)─┘                                                        ├─ plan() ─> Plan ─ apply() ─> journal, status
//! engine + disk + what the services loaded ───────────────────> Observed ─┘
//! ```
//!
//! `ARCHITECTURE.md` holds the map and the invariants. In short: [`desired`],
//! [`render`] and [`plan`] are pure; bollard lives in `engine/docker.rs` and
//! `engine/docker/` alone; SQL lives in `store`; `disk` is the only writer of
//! files but the database; `reconcile` is the one loop that brings them
//! together, and everything outside it talks through the store (what is
//! wanted) and the published [`status`] (what is).

/// Of this controller.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

pub mod access;
pub mod backup;
pub mod cli;
pub mod desired;
pub mod disk;
pub mod doctor;
pub mod engine;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod host;
pub mod http;
pub mod listen;
pub mod model;
pub mod plan;
pub mod reconcile;
pub mod render;
#[cfg(test)]
#[path = "../tests/faults/report.rs"]
#[expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "shared with the suites on the real engine"
)]
mod report;
pub mod serve;
pub mod services;
pub mod settings;
pub mod status;
pub mod store;
pub mod tls;
