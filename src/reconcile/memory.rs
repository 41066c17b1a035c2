//! What the loop remembers between two looks and may forget at a restart:
//! back-offs, breakers, pulls. What must outlive a restart is in the store.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::look::Running;
use crate::engine::{ContainerFacts, ContainerState};
use crate::model::{Digest, Issue, Role};
use crate::plan::{Breaker, Health, Live, PullState, ReplacementFailure, StartFailure};
use crate::services::Heard;

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
/// So many answers missed in a row, over at least [`SILENCE`], and a service is
/// not well. It is asked again at once, so this is how long one that fell
/// silent stays so.
const MISSES: u32 = 3;
const SILENCE: SignedDuration = SignedDuration::from_secs(5);
/// What was missed further apart is not in a row: nobody asked in between.
const IN_A_ROW: SignedDuration = SignedDuration::from_secs(30);
/// A clock that is this far behind the last look was set back.
const SET_BACK: SignedDuration = SignedDuration::from_secs(30);
/// The first pause after a failed pull.
const FIRST_PULL_PAUSE: SignedDuration = SignedDuration::from_secs(15);

/// What the engine refused to bring up.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The id of the container; `None` where it is not there yet.
    pub container: Option<String>,
    /// What the engine said.
    pub reason: String,
    /// The port that was taken, if that was it.
    pub port: Option<u16>,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    runs: BTreeMap<Role, Runs>,
    ears: BTreeMap<Role, Ear>,
    start_failures: BTreeMap<Role, (StartFailure, u32)>,
    pulls: BTreeMap<String, (PullState, u32)>,
    /// Replacements that failed and that the store could not keep yet. A
    /// controller that is killed meanwhile forgets them, but makes no container
    /// either before the store takes down what it made.
    pub failures: BTreeMap<Role, ReplacementFailure>,
    /// Since when Traefik has not loaded the routes on disk.
    pub route_stale_since: Option<Timestamp>,
    /// When it was last reminded.
    pub route_reminded_at: Option<Timestamp>,
    /// What the steps of the last pass on files, store or network ran into.
    pub troubles: BTreeMap<String, Issue>,
    /// When somebody was live last, by the looks since the controller began.
    pub last_live: Option<Timestamp>,
    /// Whether somebody was at the last look.
    was_live: bool,
    /// The moment of the last look.
    last_look: Option<Timestamp>,
}

#[derive(Clone, Debug, Default)]
struct Runs {
    /// Whose: another container begins with a clean sheet.
    of: String,
    /// The run last seen: container, start, restarts.
    last: Option<(String, Option<Timestamp>, i64)>,
    short: VecDeque<Timestamp>,
    opened: u32,
    breaker: Option<Breaker>,
}

/// What was heard of one run of a service.
#[derive(Clone, Debug, Default)]
struct Ear {
    /// Container and start.
    run: Option<(String, Option<Timestamp>)>,
    /// Its last good word.
    word: Option<Health>,
    silence: Option<Silence>,
}

#[derive(Clone, Copy, Debug)]
struct Silence {
    since: Timestamp,
    last: Timestamp,
    misses: u32,
}

impl Ear {
    /// One more answer did not come; whether that is enough to tell.
    fn miss(&mut self, now: Timestamp) -> bool {
        let before = self
            .silence
            .filter(|silence| now.duration_since(silence.last).abs() <= IN_A_ROW);
        let silence = Silence {
            since: before.map_or(now, |silence| silence.since),
            last: now,
            misses: before.map_or(1, |silence| silence.misses.saturating_add(1)),
        };
        self.silence = Some(silence);
        silence.misses >= MISSES && now.duration_since(silence.since) >= SILENCE
    }

    /// What was known stays; whoever was never heard well may still start.
    fn in_doubt(&self, why: String) -> (Health, Option<String>) {
        let starting = || Health::Starting { why: why.clone() };
        (self.word.clone().unwrap_or_else(starting), Some(why))
    }
}

fn pause(first: SignedDuration, tries: u32) -> SignedDuration {
    let factor = 1_i32.checked_shl(tries.min(10)).unwrap_or(1);
    first
        .checked_mul(factor)
        .map_or(LONGEST, |pause| pause.min(LONGEST))
}

impl Memory {
    /// Weighs what was heard of a run. One that was well stays so until it was
    /// silent for long enough; then comes why that is in doubt, for as long as
    /// it is. Silence from the start on counts from the start on.
    pub fn note_heard(
        &mut self,
        role: Role,
        running: &Running,
        heard: Heard,
        now: Timestamp,
    ) -> (Health, Option<String>) {
        let ear = self.ears.entry(role).or_default();
        let run = (running.id.clone(), running.started_at);
        if ear.run.as_ref() != Some(&run) {
            *ear = Ear {
                run: Some(run),
                ..Ear::default()
            };
        }
        match heard {
            Heard::Word(health) => {
                ear.silence = None;
                ear.word = Some(health.clone()).filter(|it| matches!(it, Health::Healthy { .. }));
                (health, None)
            }
            Heard::Missed { why, is_starting } => {
                let is_silent = ear.miss(now);
                if is_starting {
                    (Health::Starting { why }, None)
                } else if is_silent {
                    ear.word = None;
                    (Health::Unhealthy { why }, None)
                } else {
                    ear.in_doubt(why)
                }
            }
            Heard::Unasked { why } => ear.in_doubt(why),
        }
    }

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
        if runs.of != facts.id {
            *runs = Runs {
                of: facts.id.clone(),
                ..Runs::default()
            };
        }
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
                container: facts.id.clone(),
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

    /// The engine refused a start. Another container begins with a first try.
    pub fn note_start_failure(&mut self, role: Role, refusal: Refusal, now: Timestamp) {
        let Refusal {
            container,
            reason,
            port,
        } = refusal;
        let before = self.start_failures.get(&role);
        let tries = before
            .filter(|(failure, _)| failure.container == container)
            .map_or(0, |(_, tries)| tries + 1);
        let failure = StartFailure {
            container,
            reason,
            port,
            retry_at: now + pause(FIRST_START_PAUSE, tries),
        };
        self.start_failures.insert(role, (failure, tries));
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

    /// Keeps when somebody was live last. They may have been until just before
    /// the first look that finds nobody.
    pub fn note_live(&mut self, live: Live, now: Timestamp) {
        let is_live = !live.is_quiet();
        if is_live || self.was_live {
            self.last_live = Some(now);
        }
        self.was_live = is_live;
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
            self.last_live = self.last_live.map(|_| now);
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
) -> ReplacementFailure {
    ReplacementFailure {
        spec,
        reason,
        retry_at: Memory::replacement_retry(now),
    }
}
