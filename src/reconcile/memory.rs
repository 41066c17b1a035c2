//! What the loop remembers between two looks and may forget at a restart:
//! back-offs, breakers, pulls. What must outlive a restart is in the store.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::engine::{ContainerFacts, ContainerState};
use crate::model::{Digest, Issue, Role};
use crate::plan::{Breaker, PullState, StartFailure};

/// A run shorter than this counts as not having stayed up.
const SHORT_RUN: SignedDuration = SignedDuration::from_secs(10);
/// So many short runs within [`WINDOW`] open the breaker.
const SHORT_RUNS_THAT_OPEN: usize = 5;
const WINDOW: SignedDuration = SignedDuration::from_mins(5);
/// The first pause of an open breaker; doubled each time up to [`LONGEST`].
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(30);
const LONGEST: SignedDuration = SignedDuration::from_mins(10);
/// The first pause after a start the engine refused; doubled likewise.
const FIRST_START_PAUSE: SignedDuration = SignedDuration::from_secs(2);
/// A replacement that failed is tried again by itself after this.
const REPLACEMENT_PAUSE: SignedDuration = SignedDuration::from_mins(10);
/// A clock that is this far behind the last look was set back.
const SET_BACK: SignedDuration = SignedDuration::from_secs(30);
/// The first pause after a failed pull.
const FIRST_PULL_PAUSE: SignedDuration = SignedDuration::from_secs(15);

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    runs: BTreeMap<Role, Runs>,
    start_failures: BTreeMap<Role, (StartFailure, u32)>,
    pulls: BTreeMap<String, (PullState, u32)>,
    /// Since when Traefik has not loaded the routes on disk.
    pub route_stale_since: Option<Timestamp>,
    /// When it was last reminded.
    pub route_reminded_at: Option<Timestamp>,
    /// What the steps of the last pass on files, store or network ran into.
    pub troubles: BTreeMap<String, Issue>,
    /// The moment of the last look.
    last_look: Option<Timestamp>,
}

#[derive(Clone, Debug, Default)]
struct Runs {
    /// The run last seen: container, start, restarts.
    last: Option<(String, Option<Timestamp>, i64)>,
    short: VecDeque<Timestamp>,
    opened: u32,
    breaker: Option<Breaker>,
}

fn pause(first: SignedDuration, tries: u32) -> SignedDuration {
    let factor = 1_i32.checked_shl(tries.min(10)).unwrap_or(1);
    first
        .checked_mul(factor)
        .map_or(LONGEST, |pause| pause.min(LONGEST))
}

impl Memory {
    /// Takes note of a container's runs; opens the breaker when they are too
    /// short too often, and forgets once one lasts and is healthy.
    pub fn note_run(
        &mut self,
        role: Role,
        facts: Option<&ContainerFacts>,
        healthy: bool,
        now: Timestamp,
    ) {
        let runs = self.runs.entry(role).or_default();
        let Some(facts) = facts else {
            runs.last = None;
            return;
        };
        let seen = (facts.id.clone(), facts.started_at, facts.restart_count);
        let ended = matches!(
            facts.state,
            ContainerState::Exited | ContainerState::Restarting
        );
        let new_ends = match &runs.last {
            Some((id, started, restarts)) if *id == facts.id && *started == facts.started_at => {
                // The same run: its end counts once, when it is first seen.
                (facts.restart_count - restarts).max(0)
            }
            Some((id, _, restarts)) if *id == facts.id => (facts.restart_count - restarts).max(0),
            _ => facts.restart_count,
        };
        let lived = match (facts.started_at, facts.finished_at) {
            (Some(started), Some(finished)) if finished >= started => {
                finished.duration_since(started)
            }
            _ => SHORT_RUN,
        };
        let mut ends = new_ends;
        if ended && lived < SHORT_RUN && runs.last.as_ref() != Some(&seen) && new_ends == 0 {
            ends += 1;
        }
        for _ in 0..ends.min(SHORT_RUNS_THAT_OPEN as i64) {
            runs.short.push_back(now);
        }
        runs.last = Some(seen);
        while runs
            .short
            .front()
            .is_some_and(|at| now.duration_since(*at) > WINDOW)
        {
            runs.short.pop_front();
        }
        let lasted = healthy
            && facts.state == ContainerState::Running
            && facts
                .started_at
                .is_some_and(|at| now.duration_since(at) >= SHORT_RUN.saturating_mul(3));
        if lasted {
            runs.short.clear();
            runs.breaker = None;
            runs.opened = 0;
        } else if runs.short.len() >= SHORT_RUNS_THAT_OPEN {
            let reason = if facts.error.is_empty() {
                format!(
                    "It ends within {} s of its start, last with code {}",
                    SHORT_RUN.as_secs(),
                    facts.exit_code
                )
            } else {
                facts.error.clone()
            };
            runs.breaker = Some(Breaker {
                ends: u32::try_from(runs.short.len()).unwrap_or(u32::MAX),
                reason,
                retry_at: now + pause(FIRST_PAUSE, runs.opened),
            });
            runs.opened += 1;
            runs.short.clear();
        }
    }

    /// A service that was restarted because it did not answer.
    pub fn note_restart(&mut self, role: Role, now: Timestamp) {
        self.runs.entry(role).or_default().short.push_back(now);
    }

    /// The breakers, those whose time has come included (one start is tried).
    pub fn breakers(&self) -> BTreeMap<Role, Breaker> {
        self.runs
            .iter()
            .filter_map(|(role, runs)| Some((*role, runs.breaker.clone()?)))
            .collect()
    }

    /// The engine refused a start.
    pub fn note_start_failure(
        &mut self,
        role: Role,
        reason: String,
        port: Option<u16>,
        now: Timestamp,
    ) {
        let tries = self
            .start_failures
            .get(&role)
            .map_or(0, |(_, tries)| tries + 1);
        let retry_at = now + pause(FIRST_START_PAUSE, tries);
        self.start_failures.insert(
            role,
            (
                StartFailure {
                    reason,
                    port,
                    retry_at,
                },
                tries,
            ),
        );
    }

    /// A start worked, or what is wanted changed.
    pub fn clear_start_failure(&mut self, role: Role) {
        self.start_failures.remove(&role);
    }

    /// Starts refused.
    pub fn start_failures(&self) -> BTreeMap<Role, StartFailure> {
        self.start_failures
            .iter()
            .map(|(role, (failure, _))| (*role, failure.clone()))
            .collect()
    }

    /// A pull began or got on.
    pub fn note_pull(&mut self, reference: &str, current: u64, total: u64) {
        let tries = self.pulls.get(reference).map_or(0, |(_, tries)| *tries);
        self.pulls.insert(
            reference.to_owned(),
            (PullState::Running { current, total }, tries),
        );
    }

    /// A pull failed.
    pub fn note_pull_failure(&mut self, reference: &str, reason: String, now: Timestamp) {
        let tries = self.pulls.get(reference).map_or(0, |(_, tries)| *tries);
        let retry_at = now + pause(FIRST_PULL_PAUSE, tries);
        self.pulls.insert(
            reference.to_owned(),
            (PullState::Failed { reason, retry_at }, tries + 1),
        );
    }

    /// A pull worked.
    pub fn note_pulled(&mut self, reference: &str) {
        self.pulls.remove(reference);
    }

    /// Pulls under way or failed.
    pub fn pulls(&self) -> BTreeMap<String, PullState> {
        self.pulls
            .iter()
            .map(|(reference, (state, _))| (reference.clone(), state.clone()))
            .collect()
    }

    /// Everything that only waits for a time is tried at once.
    pub fn forgive(&mut self) {
        self.start_failures.clear();
        self.pulls
            .retain(|_, (state, _)| matches!(state, PullState::Running { .. }));
        for runs in self.runs.values_mut() {
            runs.breaker = None;
            runs.short.clear();
        }
    }

    /// Takes note of the time; tells whether the clock was set back. What
    /// waited for a time would wait that much longer: it is tried at once.
    pub fn note_time(&mut self, now: Timestamp) -> bool {
        let back = self
            .last_look
            .is_some_and(|last| last.duration_since(now) > SET_BACK);
        self.last_look = Some(now);
        if back {
            self.forgive();
            self.route_stale_since = None;
            self.route_reminded_at = None;
        }
        back
    }

    /// When a replacement that just failed is tried again.
    pub fn replacement_retry(now: Timestamp) -> Timestamp {
        now + REPLACEMENT_PAUSE
    }

    /// Keeps Traefik's delay in loading the routes.
    pub fn note_generation(&mut self, loaded: Option<&str>, wanted: &str, now: Timestamp) {
        if loaded == Some(wanted) {
            self.route_stale_since = None;
            self.route_reminded_at = None;
        } else {
            self.route_stale_since.get_or_insert(now);
        }
    }
}

/// What the store keeps of a failed replacement.
pub(super) fn replacement_failure(
    spec: Digest,
    reason: String,
    now: Timestamp,
) -> crate::plan::ReplacementFailure {
    crate::plan::ReplacementFailure {
        spec,
        reason,
        retry_at: Memory::replacement_retry(now),
    }
}
