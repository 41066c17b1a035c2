//! The loop driven over a world in memory, with paused time: what it does
//! when everything works, when any single call does not, and when it is
//! killed in between.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::panic, reason = "tests")]
#![expect(
    clippy::print_stdout,
    reason = "which call was struck, for the one who looks into a failure"
)]

mod fixture;
mod kills;
mod worlds;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::{mpsc, oneshot, watch};

use fixture::*;

use super::{Command, End, Status, Summary, Trigger, Triggers};
use crate::desired::Protocol;
use crate::disk::{UNSEEN, is_unseen};
use crate::engine::fake::{Fate, When};
use crate::engine::{ContainerState, Ended, Engine as _, EngineCall, EngineError};
use crate::host::{Listener, Process};
use crate::model::{IssueCode, Role};
use crate::plan::{Disruption, Wait, views};
use crate::settings::Mode;
use crate::store::{Store, Visits};

const OME: Role = Role::Ovenmediaengine;
const DYNAMIC: &str = "write traefik/dynamic/colourstream.yml";

/// What was logged, a line each.
#[derive(Clone, Default)]
struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn every_line_about_a_step_carries_the_id_of_its_reconcile() {
    // Beside one subscriber alone, a line that another test's thread reaches
    // first, which has none, would be off for everybody.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let lines = Lines::default();
    let writer = lines.clone();
    let _here = tracing::subscriber::set_default(crate::cli::telemetry::json(
        tracing_subscriber::EnvFilter::new("colourstream=debug"),
        move || writer.clone(),
    ));
    let mut stage = Stage::new(PLAIN);
    stage.settle().await;
    let logged = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let logged: Vec<serde_json::Value> = logged
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let passes: std::collections::BTreeSet<u64> = logged
        .iter()
        .filter(|line| line["message"] == "reconciled")
        .map(|line| line["reconcile"].as_u64().unwrap())
        .collect();
    let steps: Vec<_> = logged
        .iter()
        .filter(|line| line["lane"].is_string())
        .collect();
    assert!(passes.len() > 1 && steps.len() > 3, "{logged:?}");
    for step in steps {
        let id = step["reconcile"].as_u64();
        assert!(id.is_some_and(|id| passes.contains(&id)), "{step}");
        assert!(step["duration_ms"].is_number() && step["timestamp"].is_string());
    }
    // And the journal names the same.
    for entry in stage.journal() {
        assert!(passes.contains(&entry.reconcile), "{entry:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_room_whose_profile_left_the_settings_is_a_named_issue() {
    let mut stage = Stage::new(&format!("{PLAIN}profiles: [live, grading]\n"));
    stage.store.insert_room(&room(1), stage.now()).unwrap();
    let missing = |pass: &super::Pass| -> Vec<String> {
        let issues = pass.plan.issues.iter();
        issues
            .filter(|issue| issue.code == IssueCode::ProfileMissing)
            .map(|issue| issue.what.clone())
            .collect()
    };
    assert!(missing(&stage.settle().await).is_empty());
    stage
        .settings(&format!("{PLAIN}profiles: [grading]\n"))
        .await;
    let told = missing(&stage.settle().await);
    assert_eq!(
        told,
        ["The room reel-1 has the quality profile live, which the settings do not have"]
    );
    assert!(has(
        &stage.status.borrow().issues,
        IssueCode::ProfileMissing
    ));
    let change = |room: &mut crate::model::Room| {
        room.profile = "grading".into();
        Ok(Visits::Keep)
    };
    let now = stage.now();
    stage
        .store
        .change_room(&room(1).id, None, now, change)
        .unwrap();
    assert!(missing(&stage.settle().await).is_empty());
}

// --- By passes -------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_first_install_converges_and_a_second_pass_makes_no_changing_call() {
    let mut stage = Stage::new(PLAIN);
    let first = stage.pass(&[Trigger::Sweep]).await;
    assert!(first.done > 0 && first.failed == 0);
    stage.settle().await;
    assert!(
        stage
            .journal()
            .iter()
            .all(|entry| entry.outcome.as_deref() == Some("done"))
    );
    assert_eq!(stage.pins().len(), 3);
    stage.assert_converged().await;
    assert_eq!(stage.status.borrow().summary, Summary::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_new_controller_on_a_running_stack_makes_no_changing_call() {
    let mut stage = Stage::new("tls: local-ca\npublic_address: 192.0.2.7\n");
    stage.assert_converged().await;
    stage.restart();
    let pass = stage.pass(&[Trigger::Sweep]).await;
    assert!(pass.plan.is_empty(), "{:#?}", views(&pass.plan));
    assert_eq!(stage.world.take_calls(), []);
}

/// What the stack is struck in the middle of.
#[derive(Clone, Copy, Debug)]
enum Work {
    Install,
    Settings,
    Heal,
}

impl Work {
    /// Everything up to the calls that are of interest.
    async fn prepare(self) -> Stage {
        let mut stage = Stage::new(PLAIN);
        if !matches!(self, Work::Install) {
            stage.settle().await;
        }
        stage.world.take_calls();
        stage
    }

    async fn begin(self, stage: &mut Stage) {
        match self {
            Work::Install => {}
            Work::Settings => {
                stage.settings(MOVED).await;
            }
            Work::Heal => {
                stage.world.remove(&name(OME));
                stage.world.kill(&name(Role::Mirotalk));
                stage.world.disconnect(&name(Role::Traefik), INSTANCE);
                std::fs::write(stage.disk.rendered().join("mirotalk/extra"), "?").unwrap();
            }
        }
    }

    /// Every call that is made when nothing goes wrong, struck in every way.
    async fn every_call_struck(self) {
        let mut stage = self.prepare().await;
        self.begin(&mut stage).await;
        stage.settle().await;
        let calls = stage.world.take_calls();
        stage.assert_converged().await;
        assert!(calls.len() >= 4, "{calls:?}");
        for (index, call) in calls.iter().enumerate() {
            for strike in STRIKES {
                // Before a call is after the one before it.
                if strike == Strike::KilledBefore && index > 0 {
                    continue;
                }
                let told = format!("{self:?}: call {index} ({}) {strike:?}", call.verb());
                println!("{told}");
                let mut stage = self.prepare().await;
                stage.guard.strike(index, strike);
                self.begin(&mut stage).await;
                let pass = stage.settle().await;
                // A replacement that could not be started was taken back: its
                // time to be tried again comes. Nothing else condemns it.
                if has(&pass.plan.issues, IssueCode::ReplacementFailed) {
                    assert!(matches!(call, EngineCall::StartContainer { .. }), "{told}");
                    stage.assert_sane();
                    tokio::time::advance(Duration::from_secs(11 * 60)).await;
                }
                stage.assert_converged().await;
                let killed = matches!(strike, Strike::KilledBefore | Strike::KilledAfter);
                assert_eq!(stage.killed, killed, "{told}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_install_survives_any_call_that_fails_is_lost_or_is_the_last() {
    Work::Install.every_call_struck().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_of_settings_survives_any_call_that_fails_is_lost_or_is_the_last() {
    Work::Settings.every_call_struck().await;
}

#[tokio::test(start_paused = true)]
async fn healing_survives_any_call_that_fails_is_lost_or_is_the_last() {
    Work::Heal.every_call_struck().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_was_made_and_renamed_before_its_id_was_known_is_still_ours() {
    for strike in [Strike::KilledAfter, Strike::Lost] {
        let mut stage = Stage::new(PLAIN);
        stage.settle().await;
        let mirotalk = name(Role::Mirotalk);
        stage.world.remove(&mirotalk);
        // The first call of the heal makes it.
        stage.guard.strike(0, strike);
        stage.pass(&[Trigger::Engine]).await;
        assert!(stage.world.container(&mirotalk).is_some());
        stage.world.rename_by_hand(&mirotalk, "aside");
        let pass = stage.settle().await;
        assert!(!has(&pass.plan.issues, IssueCode::LookAlike), "{strike:?}");
        assert!(stage.world.container("aside").is_none(), "{strike:?}");
        stage.assert_converged().await;
    }
}

/// Found on a full disk: so much was written that the inbox had no room for
/// the word that the settings changed.
#[tokio::test(start_paused = true)]
async fn settings_whose_change_nobody_told_are_taken_up_by_the_sweep() {
    let mut stage = Stage::new(PLAIN);
    stage.settle().await;
    let before = stage.main(OME).id;
    stage.write_settings(MOVED);
    stage.pass(&[Trigger::Sweep]).await;
    stage.assert_converged().await;
    assert_ne!(stage.main(OME).id, before);
}

/// Found on a real engine: a container made by hand took the name in the very
/// moment in which ours was to be made, and its replacement was taken for the
/// one that had been refused.
#[tokio::test(start_paused = true)]
async fn a_refusal_is_not_held_against_a_container_that_was_made_later() {
    let mut stage = Stage::new(PLAIN);
    stage.settle().await;
    let mirotalk = stage.main(Role::Mirotalk);
    stage.world.remove(&mirotalk.name);
    stage.world.fail(
        When::Before,
        EngineError::Conflict("the name is already in use".into()),
        |call| matches!(call, EngineCall::CreateContainer { .. }),
    );
    let pass = stage.pass(&[Trigger::Engine]).await;
    assert_eq!(pass.failed, 1);
    let by_hand = crate::engine::ContainerFacts {
        id: "ab".repeat(32),
        memory: mirotalk.memory + 1,
        ..mirotalk
    };
    stage.world.add_container(by_hand);
    let pass = stage.settle().await;
    assert!(
        !has(&pass.plan.issues, IssueCode::ReplacementFailed),
        "{:?}",
        pass.plan.issues
    );
    stage.assert_converged().await;
}

/// What the engine refuses on the way to a start, or on the way to a stop, says
/// nothing of the container: nothing is taken back for it.
#[tokio::test(start_paused = true)]
async fn a_call_refused_beside_a_start_condemns_no_replacement() {
    for verb in ["stop", "rename", "create", "try out"] {
        let mut stage = Stage::new(PLAIN);
        stage.settle().await;
        let refuse = move |call: &EngineCall| match call {
            EngineCall::StopContainer { .. } => verb == "stop",
            EngineCall::RenameContainer { .. } => verb == "rename",
            EngineCall::CreateContainer { .. } => verb == "create",
            EngineCall::TryOut { .. } => verb == "try out",
            _ => false,
        };
        let busy = EngineError::Other("busy".into());
        stage.world.fail(When::Before, busy, refuse);
        stage
            .settings(&format!("{MOVED}trusted_proxies: [10.0.0.0/8]\n"))
            .await;
        let begun = stage.now();
        let mut told = false;
        loop {
            let pass = stage.pass(&[Trigger::Recheck]).await;
            let issues = &pass.plan.issues;
            assert!(!has(issues, IssueCode::ReplacementFailed), "{verb}");
            told |= errors(issues).iter().any(|issue| issue.why == "busy");
            if pass.plan.is_empty() {
                break;
            }
            let lasts = stage.now().duration_since(begun);
            assert!(lasts < SignedDuration::from_secs(20), "{verb}: {lasts:#}");
            let next = pass.next(stage.now(), Duration::from_secs(30));
            tokio::time::advance(next).await;
        }
        assert_eq!(stage.world.failures_left(), 0, "{verb} was not asked for");
        assert!(told, "{verb}");
        assert!(stage.store.failures().unwrap().is_empty(), "{verb}");
        stage.assert_converged().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_refused_in_a_restart_is_tried_again_within_seconds() {
    let mut stage = Stage::new(PLAIN);
    stage.settle().await;
    let before = stage.main(OME);
    stage.script.miss(OME, 200);
    let busy = EngineError::Other("busy".into());
    stage.world.fail(When::Before, busy, |call| {
        matches!(call, EngineCall::StopContainer { .. })
    });
    let mut refused = None;
    loop {
        let pass = stage.pass(&[Trigger::Recheck]).await;
        if pass.failed > 0 {
            refused.get_or_insert(stage.now());
        }
        if stage.main(OME).started_at > before.started_at {
            break;
        }
        let next = pass.next(stage.now(), Duration::from_secs(30));
        tokio::time::advance(next).await;
    }
    let lasted = stage.now().duration_since(refused.unwrap());
    assert!(lasted < SignedDuration::from_secs(5), "{lasted:#}");
    assert_eq!(stage.main(OME).id, before.id);
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_was_stopped_looks_again_before_it_does_more() {
    let mut stage = Stage::new(PLAIN);
    let whole = stage.pass(&[Trigger::Sweep]).await;
    assert!(whole.done > 3 && !whole.stale, "{}", whole.done);
    // The ground: everything else waits for it.
    for call in 0..2 {
        let mut stage = Stage::new(PLAIN);
        stage.guard.strike(call, Strike::Stopped);
        let pass = stage.pass(&[Trigger::Sweep]).await;
        assert!(pass.stale, "call {call}");
        assert_eq!(pass.failed, 0);
        let calls = stage.world.take_calls().len();
        assert_eq!(calls, call + 1, "nothing was begun after it");
        assert!(pass.next(stage.now(), Duration::from_secs(30)) < Duration::from_secs(1));
        stage.settle().await;
        stage.assert_converged().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_refuses_once_is_told_while_it_lasts_and_no_longer() {
    let mut stage = Stage::new(PLAIN);
    let network = |call: &EngineCall| matches!(call, EngineCall::CreateNetwork { .. });
    for _ in 0..3 {
        stage
            .world
            .fail(When::Before, EngineError::Other("no".into()), network);
    }
    let mut pauses = Vec::new();
    for _ in 0..3 {
        let pass = stage.pass(&[Trigger::Recheck]).await;
        assert_eq!(pass.failed, 1);
        pauses.push(pass.next(stage.now(), Duration::from_secs(30)));
    }
    // Not ten journal entries a second for as long as it lasts.
    assert!(pauses.is_sorted() && pauses[2] > pauses[0], "{pauses:?}");
    let pass = stage.pass(&[Trigger::Recheck]).await;
    assert!(
        has(&pass.plan.issues, IssueCode::ServiceUnhealthy),
        "{:?}",
        pass.plan.issues
    );
    stage.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_never_answers_is_taken_back_and_remembered() {
    let mut stage = Stage::new(PLAIN);
    stage.settle().await;
    let before = stage.main(OME);
    stage.mute_newer_ome();
    stage.settings(&format!("{PLAIN}{NEWER_OME}")).await;
    let pass = stage.settle().await;
    assert!(
        has(&pass.plan.issues, IssueCode::ReplacementFailed),
        "{:?}",
        pass.plan.issues
    );
    let back = stage.main(OME);
    assert_eq!((back.id, back.state), (before.id, ContainerState::Running));
    assert!(
        stage
            .world
            .container(&format!("{}.failed", name(OME)))
            .is_some()
    );
    // Another controller knows as well.
    stage.world.take_calls();
    stage.restart();
    let pass = stage.settle().await;
    assert!(has(&pass.plan.issues, IssueCode::ReplacementFailed));
    assert_eq!(stage.world.take_calls(), []);
    // It is tried again by itself, not before its time.
    stage.script.mute.lock().unwrap().clear();
    tokio::time::advance(Duration::from_secs(8 * 60)).await;
    stage.settle().await;
    assert_eq!(stage.world.take_calls(), []);
    tokio::time::advance(Duration::from_secs(3 * 60)).await;
    stage.assert_converged().await;
    assert_eq!(stage.main(OME).image_id, "sha256:ome-new");
}

#[tokio::test(start_paused = true)]
async fn what_worked_comes_back_though_nobody_can_write_down_why() {
    let mut stage = Stage::new(PLAIN);
    stage.settle().await;
    let before = stage.main(OME);
    stage.mute_newer_ome();
    stage.settings(&format!("{PLAIN}{NEWER_OME}")).await;
    for _ in 0..8 {
        stage.pass(&[Trigger::Recheck]).await;
    }
    assert_eq!(stage.main(OME).image_id, "sha256:ome-new");
    // The disk is full from here on.
    stage.store.behind("PRAGMA query_only = ON").unwrap();
    let pass = stage.settle().await;
    let back = stage.main(OME);
    assert_eq!(
        (&back.id, back.state),
        (&before.id, ContainerState::Running)
    );
    assert!(has(&pass.plan.issues, IssueCode::ReplacementFailed));
    assert!(stage.store.failures().unwrap().is_empty(), "it was full");
    stage.world.take_calls();
    tokio::time::advance(Duration::from_secs(120)).await;
    stage.settle().await;
    assert_eq!(stage.world.take_calls(), [], "nor is it tried again soon");
    // One that is killed now and begins anew stops nothing on a full disk.
    stage.restart();
    for _ in 0..20 {
        stage.pass(&[Trigger::Recheck]).await;
        tokio::time::advance(Duration::from_secs(5)).await;
    }
    let back = stage.main(OME);
    assert_eq!(
        (&back.id, back.state),
        (&before.id, ContainerState::Running)
    );
    // With room again it is tried once more, and kept.
    stage.store.behind("PRAGMA query_only = OFF").unwrap();
    stage.settle().await;
    assert_eq!(stage.main(OME).id, before.id);
    assert!(stage.store.failures().unwrap().contains_key(&OME));
    stage.world.take_calls();
    stage.restart();
    stage.settle().await;
    assert_eq!(stage.world.take_calls(), []);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_written_down_is_as_soon_as_it_can() {
    let mut stage = Stage::new(PLAIN);
    stage.settle().await;
    let ended = Ended {
        code: 1,
        last_lines: vec!["no".into()],
    };
    stage.world.next_try_out(Some(ended));
    let full =
        "CREATE TRIGGER no_room BEFORE INSERT ON failures BEGIN SELECT RAISE(FAIL, 'full'); END";
    stage.store.behind(full).unwrap();
    stage
        .settings(&format!("{PLAIN}trusted_proxies: [10.0.0.0/8]\n"))
        .await;
    stage.settle().await;
    let tries = |stage: &Stage| {
        let calls = stage.world.take_calls();
        let tries = calls.iter().filter(|call| call.verb() == "try out");
        tries.count()
    };
    assert_eq!(tries(&stage), 1, "once, and not with every look");
    stage.store.behind("DROP TRIGGER no_room").unwrap();
    stage.pass(&[Trigger::Sweep]).await;
    assert!(stage.store.failures().unwrap().contains_key(&Role::Traefik));
    stage.restart();
    stage.settle().await;
    assert_eq!(tries(&stage), 0);
}

#[tokio::test(start_paused = true)]
async fn of_two_changes_in_a_row_the_one_that_worked_comes_back() {
    let mut stage = Stage::new(PLAIN);
    stage.settle().await;
    let before = stage.main(OME);
    stage.mute_newer_ome();
    stage.settings(&format!("{PLAIN}{NEWER_OME}")).await;
    // In place, and not given up yet: it has not proved anything either way.
    for _ in 0..8 {
        stage.pass(&[Trigger::Recheck]).await;
    }
    assert_eq!(stage.main(OME).image_id, "sha256:ome-new");
    stage.settings(&format!("{MOVED}{NEWER_OME}")).await;
    let pass = stage.settle().await;
    assert!(
        has(&pass.plan.issues, IssueCode::ReplacementFailed),
        "{:?}",
        pass.plan.issues
    );
    let back = stage.main(OME);
    assert_eq!((back.id, back.state), (before.id, ContainerState::Running));
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_a_day_back_or_ahead_holds_nothing_up() {
    const DAY: i64 = 24 * 60 * 60;
    for step in [-DAY, DAY] {
        let mut stage = Stage::new(PLAIN);
        stage.settle().await;
        // All that waits for a time: a failed replacement, a refused start.
        stage
            .script
            .mute
            .lock()
            .unwrap()
            .insert("sha256:ome-new".into());
        let newer = format!("{PLAIN}{NEWER_OME}");
        stage.settings(&newer).await;
        stage.settle().await;
        stage.world.remove(&name(Role::Mirotalk));
        stage
            .world
            .fail(When::Before, EngineError::Other("no".into()), |call| {
                matches!(call, EngineCall::StartContainer { .. })
            });
        stage.pass(&[Trigger::Engine]).await;
        let before = stage.main(OME).id;

        stage.set_clock(step);
        stage.settle().await;
        stage.assert_sane();
        let well = stage.main(Role::Mirotalk);
        assert_eq!(well.state, ContainerState::Running, "{step}");
        // Back: its ten minutes begin again, and do not last a day.
        if step < 0 {
            assert_eq!(stage.main(OME).id, before, "{step}");
        }
        stage.script.mute.lock().unwrap().clear();
        tokio::time::advance(Duration::from_secs(11 * 60)).await;
        stage.assert_converged().await;
        assert_eq!(stage.main(OME).image_id, "sha256:ome-new", "{step}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_who_says_now_does_not_wait_for_a_failed_replacement_s_time() {
    let mut stage = Stage::new(PLAIN);
    stage.settle().await;
    stage.mute_newer_ome();
    let newer = format!("{PLAIN}{NEWER_OME}");
    stage.settings(&newer).await;
    stage.settle().await;
    stage.script.mute.lock().unwrap().clear();
    stage.pass(&[Trigger::Person(Command::ApplyNow)]).await;
    stage.assert_converged().await;
    assert_eq!(stage.main(OME).image_id, "sha256:ome-new");
}

#[tokio::test(start_paused = true)]
async fn a_configuration_that_traefik_refuses_stops_nothing() {
    let mut stage = Stage::new(PLAIN);
    stage.settle().await;
    let before = stage.main(Role::Traefik);
    let ended = Ended {
        code: 1,
        last_lines: vec!["field not found, node: x".into()],
    };
    stage.world.next_try_out(Some(ended));
    stage.world.take_calls();
    stage
        .settings(&format!("{PLAIN}trusted_proxies: [10.0.0.0/8]\n"))
        .await;
    let pass = stage.settle().await;
    let failed = pass
        .plan
        .issues
        .iter()
        .find(|issue| issue.code == IssueCode::ReplacementFailed);
    assert!(
        failed.unwrap().why.contains("field not found"),
        "{failed:?}"
    );
    let verbs: Vec<_> = stage
        .world
        .take_calls()
        .iter()
        .map(EngineCall::verb)
        .collect();
    assert_eq!(verbs, ["try out"]);
    assert_eq!(stage.main(Role::Traefik), before);
    // Taking the change back is the cure.
    stage.settings(PLAIN).await;
    stage.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn a_flapping_service_opens_the_breaker_which_closes_when_it_stays_up() {
    let mut stage = Stage::new(PLAIN);
    stage.settle().await;
    for _ in 0..8 {
        stage.world.tamper(&name(OME), |facts| {
            if facts.state != ContainerState::Exited {
                facts.state = ContainerState::Restarting;
                facts.restart_count += 1;
            }
        });
        stage.pass(&[Trigger::Engine]).await;
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let pass = stage.pass(&[Trigger::Recheck]).await;
    let issue = pass
        .plan
        .issues
        .iter()
        .find(|issue| issue.code == IssueCode::ServiceFlapping);
    assert!(issue.is_some(), "{:#?}", pass.plan.issues);
    assert_eq!(stage.main(OME).state, ContainerState::Exited);
    assert!(
        pass.plan
            .steps
            .iter()
            .any(|step| matches!(step.waits, Some(Wait::Until { .. }))),
        "{:#?}",
        views(&pass.plan)
    );
    assert_eq!(stage.status.borrow().summary, Summary::Degraded);
    // One more start is tried after its pause; it stays up.
    tokio::time::advance(Duration::from_secs(31)).await;
    stage.settle().await;
    tokio::time::advance(Duration::from_secs(40)).await;
    stage.assert_converged().await;
    assert!(!has(
        &stage.status.borrow().issues,
        IssueCode::ServiceFlapping
    ));
}

#[tokio::test(start_paused = true)]
async fn changes_in_a_row_are_no_runs_that_were_too_short() {
    let mut stage = Stage::new(PLAIN);
    stage.settle().await;
    for text in [MOVED, PLAIN, MOVED, PLAIN, MOVED, PLAIN] {
        stage.settings(text).await;
        let pass = stage.settle().await;
        assert!(pass.plan.is_empty(), "{:#?}", views(&pass.plan));
        assert!(pass.observed.breakers.is_empty());
    }
    // One that does not answer, restarted each time, is left alone in the end.
    let run = stage.main(OME).started_at;
    stage.script.miss(OME, usize::MAX);
    let open = |pass: &super::Pass| pass.observed.breakers.contains_key(&OME);
    let mut opened = false;
    for _ in 0..2_000 {
        let pass = stage.pass(&[Trigger::Recheck]).await;
        opened = open(&pass);
        if opened {
            break;
        }
        tokio::time::advance(pass.next(stage.now(), Duration::from_secs(30))).await;
    }
    assert!(opened && stage.main(OME).started_at > run);
}

#[tokio::test(start_paused = true)]
async fn a_live_review_is_not_interrupted_until_it_is_over() {
    let mut stage = Stage::new(PLAIN);
    stage.settle().await;
    stage.go_live(1);
    let before = Role::ALL.map(|role| stage.main(role));
    stage.settings(MOVED).await;
    let pass = stage.settle().await;
    assert!(
        pass.plan
            .steps
            .iter()
            .any(|step| step.waits == Some(Wait::Quiet))
    );
    // Now and then, and not all the time while a review lasts.
    let next = pass.next(stage.now(), Duration::from_secs(30));
    assert_eq!(next, Duration::from_secs(2));
    assert_eq!(stage.status.borrow().summary, Summary::Waiting);
    assert_eq!(Role::ALL.map(|role| stage.main(role)), before);
    // All that could be done beforehand is done.
    for role in Role::ALL {
        assert!(
            stage
                .world
                .container(&format!("{}.next", name(role)))
                .is_some(),
            "{role}"
        );
    }
    stage.go_live(0);
    stage.assert_converged().await;
}

/// Of the guard itself, which watches all of this and the random worlds.
#[tokio::test(start_paused = true)]
#[should_panic(expected = "is well, and is cut while somebody is live")]
async fn a_cut_in_a_live_review_is_noticed() {
    let mut stage = Stage::new(PLAIN);
    stage.assert_converged().await;
    stage.go_live(1);
    let call = EngineCall::StopContainer {
        id: stage.main(OME).id,
        timeout: 5,
    };
    let _cut = stage.guard.perform(call).await;
}

#[tokio::test(start_paused = true)]
async fn who_goes_live_while_a_change_is_tried_out_is_not_cut() {
    let mut stage = Stage::new(PLAIN);
    stage.assert_converged().await;
    let before = Role::ALL.map(|role| stage.main(role));
    // Nobody is there at the look; the first call tries Traefik's file out.
    *stage.guard.live_after.lock().unwrap() = Some(1);
    let with = format!("{PLAIN}trusted_proxies: [10.0.0.0/8]\n");
    let pass = stage.settings(&with).await;
    assert!(pass.done > 0 && pass.failed == 0);
    assert!(pass.next(stage.now(), Duration::from_secs(30)) < Duration::from_secs(1));
    let verbs: Vec<_> = stage
        .world
        .take_calls()
        .iter()
        .map(EngineCall::verb)
        .collect();
    assert_eq!(verbs, ["try out", "create container"]);
    let pass = stage.settle().await;
    let waits = |pass: &super::Pass| holding(&pass.plan).contains(&Wait::Quiet);
    assert!(waits(&pass), "{:#?}", views(&pass.plan));
    assert_eq!(Role::ALL.map(|role| stage.main(role)), before);
    stage.go_live(0);
    stage.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn an_encoder_that_is_gone_for_seconds_comes_back_to_what_it_left() {
    let mut stage = Stage::new(PLAIN);
    stage.assert_converged().await;
    stage.go_live(1);
    stage.settings(MOVED).await;
    stage.settle().await;
    let before = Role::ALL.map(|role| stage.main(role));
    // An hour with a look every half minute, as when nothing happens.
    for _ in 0..120 {
        tokio::time::advance(Duration::from_secs(30)).await;
        stage.pass(&[Trigger::Sweep]).await;
    }
    for gone in [1, 3, 50] {
        tokio::time::advance(Duration::from_secs(29)).await;
        stage.go_live(0);
        for _ in 0..gone {
            let pass = stage.pass(&[Trigger::Live]).await;
            let words = views(&pass.plan);
            let words = words.iter().filter_map(|step| step.waits.as_deref());
            assert!(
                words
                    .clone()
                    .any(|it| it.contains("nobody has been live for a minute")),
                "{:?}",
                words.collect::<Vec<_>>()
            );
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        stage.go_live(1);
        stage.pass(&[Trigger::Live]).await;
    }
    assert_eq!(Role::ALL.map(|role| stage.main(role)), before);
    // A person need not wait for that minute.
    stage.go_live(0);
    stage.pass(&[Trigger::Live]).await;
    assert_eq!(Role::ALL.map(|role| stage.main(role)), before);
    let begun = stage.now();
    stage.pass(&[Trigger::Person(Command::ApplyNow)]).await;
    stage.assert_converged().await;
    assert!(stage.now().duration_since(begun).as_secs() < 30);
}

#[tokio::test(start_paused = true)]
async fn a_missed_answer_in_a_live_review_changes_nothing() {
    let mut stage = Stage::new(PLAIN);
    stage.assert_converged().await;
    stage.go_live(1);
    let before = Role::ALL.map(|role| stage.main(role));
    let well = |stage: &Stage| {
        let status = stage.status.borrow();
        status.services.iter().all(|it| it.health == "healthy")
    };
    for role in Role::ALL {
        for misses in [1, 2] {
            stage.script.miss(role, misses);
            let pass = stage.pass(&[Trigger::Sweep]).await;
            // Asked again at once, not with the next sweep.
            let next = pass.next(stage.now(), Duration::from_secs(30));
            assert!(next < Duration::from_secs(1), "{role}: {next:?}");
            assert!(well(&stage), "{role}: what was known stays");
            tokio::time::advance(Duration::from_secs(6)).await;
            assert!(stage.settle().await.plan.is_empty());
        }
    }
    // What we lack ourselves says nothing of them, for however long.
    stage.script.unasked.store(100, Ordering::SeqCst);
    for _ in 0..100 {
        stage.pass(&[Trigger::Recheck]).await;
        assert!(well(&stage));
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    // Misses with a good word, or a long silence of ours, between them.
    for seconds in [1, 3, 40, 40, 40] {
        stage.script.miss(OME, 1);
        stage.pass(&[Trigger::Sweep]).await;
        if seconds < 40 {
            stage.pass(&[Trigger::Recheck]).await;
        }
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }
    assert_eq!(stage.world.take_calls(), []);
    assert_eq!(Role::ALL.map(|role| stage.main(role)), before);
    // Nor does a controller that begins with a miss know it for dead.
    stage.script.miss(OME, 2);
    stage.restart();
    stage.settle().await;
    stage.assert_converged().await;
    assert_eq!(Role::ALL.map(|role| stage.main(role)), before);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_stays_silent_is_restarted_within_seconds_whoever_is_live() {
    let mut stage = Stage::new(PLAIN);
    stage.assert_converged().await;
    tokio::time::advance(Duration::from_secs(60)).await;
    stage.go_live(1);
    let (before, others) = (stage.main(OME), stage.main(Role::Traefik));
    let image = before.image_id.clone();
    stage.script.mute.lock().unwrap().insert(image);
    let begun = stage.now();
    while stage.main(OME).started_at == before.started_at {
        let pass = stage.pass(&[Trigger::Recheck]).await;
        tokio::time::advance(pass.next(stage.now(), Duration::from_secs(30))).await;
        assert!(stage.now().duration_since(begun).as_secs() < 10);
    }
    let took = stage.now().duration_since(begun).as_secs();
    assert!((5..8).contains(&took), "{took} s");
    stage.script.mute.lock().unwrap().clear();
    stage.assert_converged().await;
    assert_eq!(stage.main(OME).id, before.id);
    assert_eq!(stage.main(Role::Traefik), others);
}

#[tokio::test(start_paused = true)]
async fn a_person_may_interrupt_a_live_review() {
    let mut stage = Stage::new(PLAIN);
    stage.settle().await;
    stage.go_live(1);
    stage.settings(MOVED).await;
    stage.settle().await;
    stage.pass(&[Trigger::Person(Command::ApplyNow)]).await;
    stage.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn a_broken_service_is_mended_in_the_middle_of_a_live_review() {
    let mut stage = Stage::new(PLAIN);
    stage.settle().await;
    stage.go_live(1);
    stage.world.remove(&name(Role::Mirotalk));
    let others = [Role::Traefik, OME].map(|role| stage.main(role));
    stage.assert_converged().await;
    assert_eq!([Role::Traefik, OME].map(|role| stage.main(role)), others);
}

#[tokio::test(start_paused = true)]
async fn wrong_settings_are_told_and_the_last_good_ones_stay() {
    let mut stage = Stage::new(PLAIN);
    stage.assert_converged().await;
    for wrong in [
        "ports: {http: 99999}\n",
        "prots: {}\n",
        "tls: [\n",
        "images: {traefik: traefik}\n",
    ] {
        stage.settings(wrong).await;
        let pass = stage.settle().await;
        assert!(
            has(&pass.plan.issues, IssueCode::SettingsInvalid),
            "{wrong}"
        );
        assert!(pass.plan.is_empty(), "{wrong}: {:#?}", views(&pass.plan));
    }
    assert_eq!(stage.world.take_calls(), []);
    stage.settings(PLAIN).await;
    stage.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn a_broken_template_is_told_and_the_last_good_rendering_stays() {
    let mut stage = Stage::new(PLAIN);
    let folder = stage.folder().join("templates");
    std::fs::create_dir_all(folder.join("traefik")).unwrap();
    stage
        .settings(&format!("{PLAIN}templates: {}\n", folder.display()))
        .await;
    stage.assert_converged().await;
    let routes = stage.routes();
    let template = folder.join("traefik/dynamic.yml.tera");
    for broken in [
        "{% if %}",
        "{{ nobody_knows_this }}",
        "http: {}\n",
        "http: [\n",
    ] {
        std::fs::write(&template, broken).unwrap();
        stage.pass(&[Trigger::Settings]).await;
        let pass = stage.settle().await;
        assert!(
            has(&pass.plan.issues, IssueCode::TemplateInvalid),
            "{broken}"
        );
        assert!(pass.plan.is_empty(), "{broken}: {:#?}", views(&pass.plan));
        assert_eq!(stage.routes(), routes, "{broken}");
    }
    assert_eq!(stage.world.take_calls(), []);
    std::fs::remove_file(&template).unwrap();
    stage.pass(&[Trigger::Settings]).await;
    stage.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn a_room_is_one_file_and_no_call_even_in_a_live_review() {
    let mut stage = Stage::new(PLAIN);
    stage.assert_converged().await;
    stage.go_live(1);
    let edits: [&dyn Fn(&Stage); 4] = [
        &|stage| stage.store.insert_room(&room(1), stage.now()).unwrap(),
        &|stage| stage.store.insert_room(&room(2), stage.now()).unwrap(),
        &|stage| {
            let change = |room: &mut crate::model::Room| {
                room.allowed_addresses = vec!["10.0.0.0/8".into()];
                room.viewer_cap = Some(3);
                Ok(Visits::Keep)
            };
            stage
                .store
                .change_room(&room(1).id, None, stage.now(), change)
                .unwrap();
        },
        &|stage| {
            let change = |room: &mut crate::model::Room| {
                room.closed = true;
                Ok(Visits::End)
            };
            stage
                .store
                .change_room(&room(2).id, None, stage.now(), change)
                .unwrap();
        },
    ];
    for edit in edits {
        let from = stage.journal().len();
        edit(&stage);
        let pass = stage.pass(&[Trigger::Rooms]).await;
        assert_eq!(pass.plan.disruption(), Disruption::None);
        stage.settle().await;
        assert_eq!(stage.steps_since(from), [DYNAMIC]);
        assert_eq!(stage.world.take_calls(), []);
    }
    assert!(stage.routes().contains(room(1).stream.as_str()));
    assert!(!stage.routes().contains(room(2).stream.as_str()));
    stage.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn routes_that_traefik_does_not_load_are_brought_to_its_mind_and_then_told() {
    let mut stage = Stage::new(PLAIN);
    stage.settle().await;
    stage.script.loads.store(false, Ordering::SeqCst);
    stage.store.insert_room(&room(1), stage.now()).unwrap();
    stage.world.take_calls();
    for _ in 0..80 {
        stage.pass(&[Trigger::Recheck]).await;
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    let verbs: Vec<_> = stage
        .world
        .take_calls()
        .iter()
        .map(EngineCall::verb)
        .collect();
    assert_eq!(verbs, ["signal container"], "once in ten seconds");
    assert!(has(&stage.status.borrow().issues, IssueCode::RouteRejected));
    stage.script.loads.store(true, Ordering::SeqCst);
    stage.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn reporting_and_pausing_show_what_would_be_done_and_do_nothing() {
    for (mode, told) in [("report", Mode::Report), ("paused", Mode::Paused)] {
        let mut stage = Stage::new(PLAIN);
        stage.assert_converged().await;
        stage.world.remove(&name(OME));
        stage.store.insert_room(&room(1), stage.now()).unwrap();
        stage.settings(&format!("{PLAIN}reconcile: {mode}\n")).await;
        let pass = stage.settle().await;
        assert!(
            pass.plan
                .steps
                .iter()
                .any(|step| step.waits == Some(Wait::Mode))
        );
        assert!(has(&pass.plan.issues, IssueCode::Paused));
        assert_eq!(stage.world.take_calls(), []);
        assert_eq!(stage.controller.as_ref().unwrap().mode(), told);
        assert_eq!(stage.status.borrow().summary, Summary::Paused);
        // A person may say otherwise, and the settings count again afterwards.
        stage
            .pass(&[Trigger::Person(Command::Mode(Mode::Heal))])
            .await;
        stage.assert_converged().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_told_keeps_what_runs_and_heals() {
    let mut stage = Stage::new(PLAIN);
    stage.assert_converged().await;
    // No file can be made any more.
    let tmp = stage.folder().join("state/tmp");
    let refuse = || {
        std::fs::remove_dir_all(&tmp).unwrap();
        std::fs::write(&tmp, "").unwrap();
    };
    let allow = || {
        std::fs::remove_file(&tmp).unwrap();
        std::fs::create_dir(&tmp).unwrap();
    };
    refuse();
    stage.store.insert_room(&room(1), stage.now()).unwrap();
    let pass = stage.pass(&[Trigger::Rooms]).await;
    assert_eq!(pass.failed, 1);
    let pass = stage.pass(&[Trigger::Recheck]).await;
    assert!(
        has(&pass.plan.issues, IssueCode::StateUnwritable),
        "{:?}",
        pass.plan.issues
    );
    assert_eq!(stage.world.take_calls(), []);
    allow();
    stage.assert_converged().await;
    assert!(stage.routes().contains(room(1).stream.as_str()));
    // What is not wanted any more is no trouble any more either.
    refuse();
    stage.settings(MOVED).await;
    let pass = stage.pass(&[Trigger::Recheck]).await;
    assert!(has(&pass.plan.issues, IssueCode::StateUnwritable));
    stage.settings(PLAIN).await;
    allow();
    stage.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_read_takes_nothing_off_the_air() {
    for table in ["rooms", "pins", "failures", "made"] {
        let mut stage = Stage::new(PLAIN);
        stage.store.insert_room(&room(1), stage.now()).unwrap();
        stage.assert_converged().await;
        stage.world.take_calls();
        let routes = stage.routes();
        assert!(routes.contains(room(1).stream.as_str()));
        let hide = format!("ALTER TABLE {table} RENAME TO hidden");
        stage.store.behind(&hide).unwrap();
        let pass = stage.pass(&[Trigger::Sweep]).await;
        let issues = &pass.plan.issues;
        assert!(has(issues, IssueCode::StoreFailed), "{table}: {issues:?}");
        // What is mended without new knowledge is still mended.
        stage.world.kill(&name(OME));
        stage.settle().await;
        assert_eq!(stage.main(OME).state, ContainerState::Running, "{table}");
        stage.world.take_calls();
        // One that begins now knows nothing, and does nothing.
        stage.restart();
        let pass = stage.settle().await;
        let issues = &pass.plan.issues;
        assert!(has(issues, IssueCode::StoreFailed), "{table}: {issues:?}");
        assert_eq!(stage.world.take_calls(), [], "{table}");
        assert_eq!(stage.routes(), routes, "{table}");
        let back = format!("ALTER TABLE hidden RENAME TO {table}");
        stage.store.behind(&back).unwrap();
        stage.assert_converged().await;
        assert_eq!(stage.routes(), routes, "{table}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_drift_of_files_is_mended() {
    let mut stage = Stage::new(PLAIN);
    stage.assert_converged().await;
    let rendered = stage.disk.rendered();
    let dynamic = rendered.join("traefik/dynamic/colourstream.yml");
    let identity = {
        let folder = std::fs::read_dir(rendered.join("ovenmediaengine")).unwrap();
        let folder = folder
            .map(|entry| entry.unwrap().path())
            .find(|path| path.is_dir())
            .unwrap();
        folder.join("Server.xml")
    };
    assert!(identity.is_file(), "{}", identity.display());
    let drifts: [(&str, &dyn Fn()); 6] = [
        ("edited", &|| std::fs::write(&dynamic, "http: {}").unwrap()),
        ("truncated", &|| std::fs::write(&identity, "").unwrap()),
        ("deleted", &|| std::fs::remove_file(&dynamic).unwrap()),
        ("a folder in its place", &|| {
            std::fs::remove_file(&dynamic).unwrap();
            std::fs::create_dir(&dynamic).unwrap();
        }),
        ("an extra file", &|| {
            std::fs::write(rendered.join("traefik/dynamic/evil.yml"), "http: {}").unwrap();
        }),
        ("other rights", &|| {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&identity, std::fs::Permissions::from_mode(0o777)).unwrap();
        }),
    ];
    for (told, drift) in drifts {
        let from = stage.journal().len();
        drift();
        stage.pass(&[Trigger::Files]).await;
        stage.settle().await;
        assert!(!stage.steps_since(from).is_empty(), "{told} was not seen");
        assert_eq!(stage.world.take_calls(), [], "{told}");
        stage.assert_converged().await;
    }
    assert!(!rendered.join("traefik/dynamic/evil.yml").exists());
    let kept = std::fs::read_dir(stage.folder().join("state/quarantine"))
        .unwrap()
        .count();
    assert_eq!(kept, 2, "what was in the way is kept");
}

#[tokio::test(start_paused = true)]
async fn every_drift_of_containers_is_mended() {
    let main = name(OME);
    type ByHand<'a> = &'a dyn Fn(&Stage);
    let drifts: [(&str, ByHand<'_>); 9] = [
        ("stopped", &|stage| stage.world.stop(&main)),
        ("killed", &|stage| stage.world.kill(&main)),
        ("removed", &|stage| stage.world.remove(&main)),
        ("paused", &|stage| stage.world.pause(&main)),
        ("renamed", &|stage| {
            stage.world.rename_by_hand(&main, "somebody")
        }),
        ("detached", &|stage| stage.world.disconnect(&main, INSTANCE)),
        ("network gone", &|stage| {
            stage.world.remove_network(INSTANCE)
        }),
        ("changed by hand", &|stage| {
            stage.world.tamper(&main, |facts| facts.memory += 1);
        }),
        ("image gone", &|stage| {
            stage.world.remove_image(IMAGES[1].0);
            stage.world.in_registry(IMAGES[1].0, image(IMAGES[1].1));
            stage.world.remove(&main);
        }),
    ];
    for (told, drift) in drifts {
        println!("{told}");
        let mut stage = Stage::new(PLAIN);
        stage.assert_converged().await;
        drift(&stage);
        stage.pass(&[Trigger::Engine]).await;
        // The pull is a task of its own.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert!(
            !stage.world.take_calls().is_empty() || told == "image gone",
            "{told}"
        );
        stage.assert_converged().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_in_the_way_and_not_ours_is_named_and_left() {
    let mut stage = Stage::new(PLAIN);
    stage.world.add_foreign(&name(OME), &[]);
    let squatter = stage.main(OME);
    let pass = stage.settle().await;
    assert!(has(&pass.plan.issues, IssueCode::NameTaken));
    assert_eq!(stage.main(OME), squatter);
    stage.world.remove(&name(OME));
    stage.assert_converged().await;
    // A process takes a port while the service is down.
    let nginx = || {
        let listener = |protocol, command: &str| Listener {
            protocol,
            address: std::net::Ipv4Addr::UNSPECIFIED.into(),
            port: 1935,
            inode: 7,
            process: Some(Process {
                pid: 812,
                command: command.to_owned(),
            }),
        };
        vec![
            listener(Protocol::Udp, "another"),
            listener(Protocol::Tcp, "nginx"),
        ]
    };
    stage.controller.as_mut().unwrap().listeners = nginx;
    stage.world.remove(&name(OME));
    stage.world.occupy_port(Protocol::Tcp, 1935);
    for _ in 0..30 {
        let pass = stage.pass(&[Trigger::Recheck]).await;
        tokio::time::advance(pass.next(stage.now(), Duration::from_secs(30))).await;
    }
    let status = Arc::clone(&stage.status.borrow());
    let issue = status
        .issues
        .iter()
        .find(|issue| issue.code == IssueCode::PortTaken)
        .unwrap();
    assert!(issue.what.contains("1935"), "{issue:?}");
    assert_eq!(issue.why, "`nginx` (process 812) listens on it");
    let starts = |calls: Vec<EngineCall>| {
        calls
            .iter()
            .filter(|call| matches!(call, EngineCall::StartContainer { .. }))
            .count()
    };
    assert!(starts(stage.world.take_calls()) < 20, "it backs off");
    stage.world.free_port(Protocol::Tcp, 1935);
    tokio::time::advance(Duration::from_secs(601)).await;
    stage.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn no_secret_is_in_anything_that_is_shown() {
    let mut stage = Stage::new("tls: local-ca\npublic_address: 192.0.2.7\n");
    stage.store.insert_room(&room(1), stage.now()).unwrap();
    let mut shown: Vec<(&str, String)> = Vec::new();
    let moved = "tls: local-ca\npublic_address: 192.0.2.7\nports: {http: 8090, https: 8453, rtmp: 1945, call: 40010-40011}\n";
    for text in ["", moved] {
        if !text.is_empty() {
            stage.settings(text).await;
        }
        stage
            .world
            .fail(When::Before, EngineError::Other("no".into()), |call| {
                matches!(call, EngineCall::CreateContainer { .. })
            });
        for _ in 0..8 {
            let pass = stage.pass(&[Trigger::Sweep]).await;
            shown.push(("target", format!("{:?}", pass.target)));
            shown.push((
                "target as JSON",
                serde_json::to_string(&pass.target.as_deref()).unwrap(),
            ));
            shown.push(("plan", format!("{:?}", pass.plan)));
            shown.push(("plan as JSON", serde_json::to_string(&pass.plan).unwrap()));
            shown.push(("views", serde_json::to_string(&views(&pass.plan)).unwrap()));
            shown.push(("issues", serde_json::to_string(&pass.plan.issues).unwrap()));
            shown.push(("observed", format!("{:?}", pass.observed)));
            shown.push(("pass", format!("{pass:?}")));
            shown.push((
                "status",
                serde_json::to_string(&**stage.status.borrow()).unwrap(),
            ));
            tokio::time::advance(Duration::from_secs(3)).await;
        }
    }
    stage.assert_converged().await;
    let wanted = format!("{:?}", stage.controller.as_ref().unwrap().wanted);
    shown.push(("wanted", wanted));
    shown.push(("calls", format!("{:?}", stage.world.calls())));
    shown.push(("containers", format!("{:?}", ours(&stage.world))));
    shown.push(("journal", serde_json::to_string(&stage.journal()).unwrap()));
    let secrets = &stage.secrets;
    let room = room(1);
    let mut hidden = vec![
        ("OME's token", secrets.ome_api_token.expose().clone()),
        ("hook key", secrets.ome_hook_key.expose().clone()),
        ("JWT key", secrets.mirotalk_jwt_key.expose().clone()),
        ("MiroTalk's key", secrets.mirotalk_api_key.expose().clone()),
        (
            "viewer's password",
            secrets.mirotalk_viewer_password.expose().clone(),
        ),
        (
            "host's password",
            secrets.mirotalk_host_password.expose().clone(),
        ),
        ("hook path", secrets.mirotalk_hook_path.expose().clone()),
        ("ticket key", secrets.ticket_key.expose().clone()),
        ("stream key", room.key.expose().to_owned()),
        ("private key", "PRIVATE KEY".to_owned()),
    ];
    // The same as the numbers a derived `Debug` of bytes would print.
    for (what, secret) in hidden.clone() {
        let numbers: Vec<String> = secret
            .bytes()
            .take(16)
            .map(|byte| byte.to_string())
            .collect();
        hidden.push((what, numbers.join(", ")));
    }
    for (place, text) in &shown {
        for (what, secret) in &hidden {
            assert!(!text.contains(secret.as_str()), "{what} is in the {place}");
        }
    }
}

// --- By the loop itself ------------------------------------------------------

/// The loop, running.
struct Running {
    status: watch::Receiver<Arc<Status>>,
    triggers: mpsc::Sender<Trigger>,
    stop: Option<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<End>,
}

impl Running {
    fn start(stage: &mut Stage) -> Self {
        let triggers = Triggers::default();
        let (stop, stopped) = oneshot::channel();
        let controller = stage.controller.take().unwrap();
        let status = stage.status.clone();
        let sender = triggers.sender.clone();
        let task = tokio::spawn(controller.run(triggers, async move {
            let _dropped = stopped.await;
        }));
        Self {
            status,
            triggers: sender,
            stop: Some(stop),
            task,
        }
    }

    /// Waits for a status, not longer than so many seconds.
    async fn until(
        &mut self,
        what: &str,
        seconds: u64,
        is: impl Fn(&Status) -> bool,
    ) -> Arc<Status> {
        let within = Duration::from_secs(seconds);
        let wait = async { Arc::clone(&self.status.wait_for(|status| is(status)).await.unwrap()) };
        if let Ok(status) = tokio::time::timeout(within, wait).await {
            return status;
        }
        panic!("not {what} within {seconds} s: {:#?}", self.status.borrow());
    }

    async fn ready(&mut self, seconds: u64) -> Arc<Status> {
        self.until("ready", seconds, |status| status.summary == Summary::Ready)
            .await
    }

    async fn end(mut self) {
        drop(self.stop.take());
        assert_eq!(self.task.await.unwrap(), End::Stopped);
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_engine_it_renders_says_so_and_goes_on_when_it_comes() {
    let mut stage = Stage::new(PLAIN);
    stage.world.go_away();
    let mut running = Running::start(&mut stage);
    let away = |status: &Status| has(&status.issues, IssueCode::EngineAway);
    let status = running.until("away", 1, away).await;
    assert_eq!(status.summary, Summary::Degraded);
    assert!(status.next > status.at, "it says when it tries next");
    assert!(!status.engine.reachable);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(stage.routes().contains("X-Config-Generation"));
    assert_eq!(stage.world.take_calls(), []);
    stage.world.come_back();
    running.ready(45).await;
    // It goes away in the middle of everything.
    stage.world.go_away();
    running.until("away", 31, away).await;
    stage.store.insert_room(&room(1), stage.now()).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(
        stage.routes().contains(room(1).stream.as_str()),
        "rooms are rendered all the same"
    );
    stage.world.come_back();
    running.ready(45).await;
    running.end().await;
    stage.assert_sane();
}

/// A copy of the state folder was started beside the first, or a second
/// installation without a name of its own.
#[tokio::test(start_paused = true)]
async fn beside_another_controller_of_the_instance_nothing_is_touched() {
    let mut stage = Stage::new(PLAIN);
    stage.settle().await;
    stage.world.set_rivals(&["first"]);
    stage.write_settings(MOVED);
    stage.restart();
    stage.world.take_calls();
    for trigger in [
        Trigger::Settings,
        Trigger::Engine,
        Trigger::Person(Command::ApplyNow),
    ] {
        let pass = stage.pass(&[trigger]).await;
        let told = pass.plan.issues.iter();
        let told: Vec<_> = told
            .filter(|issue| issue.code == IssueCode::TwoControllers)
            .collect();
        assert!(told[0].fix.contains("`docker stop first`"), "{trigger:?}");
        assert!(pass.plan.steps.is_empty(), "{:?}", pass.plan);
    }
    assert_eq!(stage.world.take_calls(), []);
    stage.world.set_rivals(&[]);
    stage.settle().await;
    assert!(!has(
        &stage.status.borrow().issues,
        IssueCode::TwoControllers
    ));
    assert_ne!(stage.world.take_calls(), []);
}

#[tokio::test(start_paused = true)]
async fn a_state_begun_while_the_engine_was_away_takes_over_no_services() {
    let mut stage = Stage::new(PLAIN);
    stage.settle().await;
    let before = stage.world.names();
    // Another folder is mounted, and nobody could see whether it may be.
    stage.store = Arc::new(Store::in_memory().unwrap());
    stage
        .disk
        .keep(std::path::Path::new(UNSEEN), b"", 0o600)
        .unwrap();
    stage.world.go_away();
    stage.restart();
    let pass = stage.pass(&[Trigger::Sweep]).await;
    assert!(has(&pass.plan.issues, IssueCode::EngineAway));
    stage.world.come_back();
    stage.world.take_calls();
    for trigger in [
        Trigger::Engine,
        Trigger::Person(Command::ApplyNow),
        Trigger::Sweep,
    ] {
        let pass = stage.pass(&[trigger]).await;
        assert!(has(&pass.plan.issues, IssueCode::StateEmpty), "{trigger:?}");
        assert!(pass.plan.steps.is_empty(), "{:?}", pass.plan);
    }
    assert_eq!(stage.world.take_calls(), []);
    assert_eq!(stage.world.names(), before);
    let status = stage.status.borrow().clone();
    let told = status
        .issues
        .iter()
        .find(|it| it.code == IssueCode::StateEmpty);
    assert!(
        told.unwrap().why.contains("colourstream-mirotalk"),
        "{told:?}"
    );
    // The loop leaves it to those who keep the pages up.
    stage.restart();
    let running = Running::start(&mut stage);
    let ended = tokio::time::timeout(Duration::from_secs(2), running.task).await;
    assert_eq!(ended.unwrap().unwrap(), End::Beside);
    assert_eq!(stage.world.take_calls(), []);
    // They are taken away: it begins anew, and doubts no more.
    stage.restart();
    for role in Role::ALL {
        stage.world.remove(&format!("{INSTANCE}-{role}"));
    }
    stage.settle().await;
    assert!(!is_unseen(stage.disk.state()));
    stage.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_dies_in_the_middle_is_gone_on_with() {
    let mut stage = Stage::new(PLAIN);
    stage.settle().await;
    for calls in 0..stage.world.take_calls().len() {
        let mut stage = Stage::new(PLAIN);
        stage.world.go_away_after(calls);
        let mut running = Running::start(&mut stage);
        running
            .until("away", 5, |status| {
                has(&status.issues, IssueCode::EngineAway)
            })
            .await;
        stage.world.come_back();
        running.ready(120).await;
        running.end().await;
        stage.assert_sane();
        stage.restart();
        stage.assert_converged().await;
    }
}

#[tokio::test(start_paused = true)]
async fn settings_that_are_just_being_written_change_nothing() {
    let mut stage = Stage::new(PLAIN);
    stage.settle().await;
    let text = std::fs::read(&stage.file).unwrap();
    stage.world.take_calls();
    std::fs::write(&stage.file, "").unwrap();
    let pass = stage.pass(&[Trigger::Settings]).await;
    assert!(has(&pass.plan.issues, IssueCode::SettingsInvalid));
    assert_eq!(stage.world.take_calls(), []);
    // Nobody tells that the same is in it again: the sweep sees it.
    std::fs::write(&stage.file, text).unwrap();
    let pass = stage.pass(&[Trigger::Sweep]).await;
    assert!(!has(&pass.plan.issues, IssueCode::SettingsInvalid));
    stage.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn an_hour_without_a_word_of_the_engine_hides_nothing() {
    let mut stage = Stage::new(PLAIN);
    stage.settle().await;
    stage.guard.silent.store(true, Ordering::SeqCst);
    let looks = stage.world.looks();
    let mut running = Running::start(&mut stage);
    running.ready(45).await;
    for minutes in [6, 17, 29] {
        tokio::time::sleep(Duration::from_secs(60 * minutes)).await;
        // Nobody tells of it: the next sweep finds it.
        stage.world.kill("colourstream-ovenmediaengine");
        let noticed = |status: &Status| status.summary != Summary::Ready;
        running.until("noticed", 31, noticed).await;
        running.ready(45).await;
    }
    tokio::time::sleep(Duration::from_secs(60 * 8)).await;
    // A stream that says nothing may be one that is dead: it is opened anew,
    // from where the last one began, so that nothing is missed between.
    let listened = std::mem::take(&mut *stage.guard.listened.lock().unwrap());
    assert!((12..=13).contains(&listened.len()), "{listened:?}");
    assert!(
        listened
            .iter()
            .all(|since| *since == listened[0] && since.is_some())
    );
    // The sweeps go on as ever, and nothing else does.
    let looks = stage.world.looks() - looks;
    assert!((118..=150).contains(&looks), "{looks} looks in an hour");
    stage.guard.silent.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(300)).await;
    stage.world.kill("colourstream-mirotalk");
    let noticed = |status: &Status| status.summary != Summary::Ready;
    running.until("noticed at once", 2, noticed).await;
    running.ready(45).await;
    running.end().await;
    stage.assert_sane();
}

#[tokio::test(start_paused = true)]
async fn a_pull_tells_how_far_it_is_and_holds_up_its_own_service_only() {
    let mut stage = Stage::new(PLAIN);
    let (reference, id) = IMAGES[1];
    stage.world.remove_image(reference);
    stage.world.in_registry(reference, image(id));
    stage.world.hold_pull(reference);
    let mut running = Running::start(&mut stage);
    let ome = |status: &Status| status.services.iter().find(|it| it.role == OME).cloned();
    let status = running
        .until("pulling", 5, |status| {
            ome(status).is_some_and(|it| it.pulling == Some((50, 100)))
        })
        .await;
    assert!(
        status
            .plan
            .iter()
            .any(|step| step.waits.as_deref().is_some_and(|w| w.contains("pull")))
    );
    running
        .until("up but for one", 5, |status| {
            let well = |it: &&super::ServiceStatus| it.health == "healthy";
            status.services.iter().filter(well).count() == 2
        })
        .await;
    stage.world.release_pull(reference);
    running.ready(5).await;
    running.end().await;
    stage.assert_sane();
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_fails_is_told_and_tried_again_at_growing_distances() {
    let mut stage = Stage::new(PLAIN);
    let (reference, id) = IMAGES[2];
    stage.world.remove_image(reference);
    stage.world.registry_refuses(reference, "no such host");
    let mut running = Running::start(&mut stage);
    let missing = |status: &Status| has(&status.issues, IssueCode::ImageMissing);
    let status = running.until("missing", 5, missing).await;
    let issue = status
        .issues
        .iter()
        .find(|issue| issue.code == IssueCode::ImageMissing)
        .unwrap();
    assert!(
        issue.why.contains("no such host") && issue.fix.contains("docker load"),
        "{issue:?}"
    );
    tokio::time::sleep(Duration::from_secs(300)).await;
    let pulls: Vec<_> = stage
        .journal()
        .into_iter()
        .filter(|entry| entry.action.starts_with("pull "))
        .map(|entry| entry.at)
        .collect();
    let gaps: Vec<i64> = pulls
        .windows(2)
        .map(|two| two[1].duration_since(two[0]).as_secs())
        .collect();
    assert!(
        gaps.len() >= 3 && gaps.is_sorted() && gaps[0] >= 15,
        "{gaps:?}"
    );
    stage.world.in_registry(reference, image(id));
    running.ready(601).await;
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_room_takes_effect_at_once_and_ends_at_its_time() {
    let mut stage = Stage::new(&format!("{PLAIN}reconcile: {{sweep: 1h}}\n"));
    let mut running = Running::start(&mut stage);
    running.ready(60).await;
    stage.world.take_calls();
    let from = stage.journal().len();
    let mut soon = room(1);
    soon.opens_at = Some(stage.now() + SignedDuration::from_secs(100));
    soon.expires_at = Some(stage.now() + SignedDuration::from_secs(700));
    let (opens, ends) = (soon.opens_at.unwrap(), soon.expires_at.unwrap());
    stage.store.insert_room(&soon, stage.now()).unwrap();
    stage.store.insert_room(&room(2), stage.now()).unwrap();
    let made = stage.now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(stage.routes().contains(room(2).stream.as_str()));
    assert!(!stage.routes().contains(soon.stream.as_str()));
    tokio::time::sleep(Duration::from_secs(1000)).await;
    assert!(!stage.routes().contains(soon.stream.as_str()));
    let entries = stage.journal();
    let late: Vec<(String, i64)> = entries[from..]
        .iter()
        .zip([made, opens, ends])
        .map(|(entry, due)| (entry.action.clone(), entry.at.duration_since(due).as_secs()))
        .collect();
    assert_eq!(late.len(), entries.len() - from, "{late:?}");
    assert_eq!(
        late,
        [DYNAMIC, DYNAMIC, DYNAMIC].map(|step| (step.to_owned(), 0))
    );
    assert_eq!(stage.world.take_calls(), []);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_people_ask_is_done_by_the_running_loop() {
    let mut stage = Stage::new(PLAIN);
    let mut running = Running::start(&mut stage);
    running.ready(60).await;
    running
        .triggers
        .send(Trigger::Person(Command::Mode(Mode::Paused)))
        .await
        .unwrap();
    running
        .until("paused", 1, |status| status.summary == Summary::Paused)
        .await;
    stage.world.remove(&name(OME));
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(stage.world.container(&name(OME)).is_none());
    running
        .triggers
        .send(Trigger::Person(Command::Mode(Mode::Heal)))
        .await
        .unwrap();
    running
        .until("on the way", 1, |status| status.summary != Summary::Paused)
        .await;
    running.ready(10).await;
    stage.go_live(2);
    stage.write_settings(MOVED);
    running.triggers.send(Trigger::Settings).await.unwrap();
    running
        .until("waiting", 5, |status| status.summary == Summary::Waiting)
        .await;
    stage.go_live(0);
    let gone = stage.now();
    running.ready(90).await;
    let took = stage.now().duration_since(gone).as_secs();
    assert!(
        (60..70).contains(&took),
        "a minute after it was over: {took} s"
    );
    running.end().await;
    stage.assert_sane();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_ends_again_and_again_is_left_alone_for_a_while() {
    let mut stage = Stage::new(PLAIN);
    let mut running = Running::start(&mut stage);
    running.ready(60).await;
    stage.world.fate(OME.as_str(), Fate::Ends(1));
    stage.world.remove(&name(OME));
    for _ in 0..40 {
        stage.world.tamper(&name(OME), |facts| {
            if facts.state == ContainerState::Restarting {
                facts.restart_count += 1;
            }
        });
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    running
        .until("open", 60, |status| {
            has(&status.issues, IssueCode::ServiceFlapping)
        })
        .await;
    stage.world.fate(OME.as_str(), Fate::Runs);
    running.ready(700).await;
    running.end().await;
    stage.assert_sane();
}
/// Watches the status for so many seconds: every look comes when it was told
/// for, by the last word or the one before (changes are gathered for 0.1 s).
/// Answers the pauses between them.
async fn looks_come_when_they_were_told(running: &Running, seconds: u64) -> Vec<f64> {
    let mut last = Arc::clone(&running.status.borrow());
    let mut told = vec![last.next.unwrap()];
    let mut pauses = Vec::new();
    for _ in 0..seconds * 20 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let status = Arc::clone(&running.status.borrow());
        let (next, at) = (status.next.unwrap(), status.at.unwrap());
        if status.reconcile != last.reconcile {
            let told = std::mem::take(&mut told);
            let close = SignedDuration::from_millis(250);
            assert!(
                told.iter()
                    .rev()
                    .take(2)
                    .any(|told| at.duration_since(*told).abs() < close),
                "look {} was told for {told:?} and came at {at}",
                status.reconcile
            );
            pauses.push(at.duration_since(last.at.unwrap()).as_secs_f64());
        }
        if told.last() != Some(&next) {
            told.push(next);
        }
        last = status;
    }
    pauses
}

#[tokio::test(start_paused = true)]
async fn the_next_look_comes_when_the_status_says() {
    let mut stage = Stage::new(PLAIN);
    let mut running = Running::start(&mut stage);
    running.ready(60).await;
    let pauses = looks_come_when_they_were_told(&running, 100).await;
    assert!(pauses.iter().all(|pause| *pause > 29.0), "idle: {pauses:?}");
    stage.world.go_away();
    running
        .until("away", 31, |status| {
            has(&status.issues, IssueCode::EngineAway)
        })
        .await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let pauses = looks_come_when_they_were_told(&running, 120).await;
    let longest = pauses.iter().copied().fold(0.0, f64::max);
    assert!(
        pauses[0] < 3.0 && longest > 15.0,
        "tries grow rarer: {pauses:?}"
    );
    stage.world.come_back();
    running.ready(45).await;
    running.end().await;

    let mut stage = Stage::new(PLAIN);
    let (reference, _) = IMAGES[2];
    stage.world.remove_image(reference);
    stage.world.registry_refuses(reference, "no such host");
    let mut running = Running::start(&mut stage);
    running
        .until("missing", 5, |status| {
            has(&status.issues, IssueCode::ImageMissing)
        })
        .await;
    // Until the other two are up.
    tokio::time::sleep(Duration::from_secs(5)).await;
    looks_come_when_they_were_told(&running, 200).await;
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_person_s_now_holds_until_all_of_it_is_done() {
    for mode in ["report", "paused"] {
        let mut stage = Stage::new(&format!("{PLAIN}reconcile: {mode}\n"));
        let mut running = Running::start(&mut stage);
        running
            .until("told", 5, |status| !status.plan.is_empty())
            .await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(ours(&stage.world).len(), 0, "{mode}");
        let now = Trigger::Person(Command::ApplyNow);
        running.triggers.send(now).await.unwrap();
        running
            .until("all is up after one word", 60, |status| {
                status.plan.is_empty()
                    && status.services.len() == 3
                    && status.services.iter().all(|one| one.health == "healthy")
            })
            .await;
        // What comes after it is not meant by it.
        stage.world.remove(&name(OME));
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert!(stage.world.container(&name(OME)).is_none(), "{mode}");
        running.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_sweep_takes_up_settings_and_templates_that_nobody_told_of() {
    let mut stage = Stage::new(PLAIN);
    let folder = stage.folder().join("templates");
    std::fs::create_dir_all(folder.join("traefik")).unwrap();
    let with = |plain: &str| format!("{plain}templates: {}\n", folder.display());
    stage.settings(&with(PLAIN)).await;
    stage.assert_converged().await;
    let before = stage.main(OME).id;
    stage.write_settings(&with(MOVED));
    stage.pass(&[Trigger::Engine]).await;
    assert!(stage.settle().await.plan.is_empty(), "nobody told of it");
    tokio::time::advance(Duration::from_secs(31)).await;
    stage.settle().await;
    stage.assert_converged().await;
    assert_ne!(stage.main(OME).id, before);

    // The folder itself is another by now.
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::create_dir_all(folder.join("traefik")).unwrap();
    std::fs::write(folder.join("traefik/dynamic.yml.tera"), "{% if %}").unwrap();
    let pass = stage.pass(&[Trigger::Sweep]).await;
    assert!(has(&pass.plan.issues, IssueCode::TemplateInvalid));
    std::fs::remove_file(folder.join("traefik/dynamic.yml.tera")).unwrap();
    let pass = stage.pass(&[Trigger::Sweep]).await;
    assert!(!has(&pass.plan.issues, IssueCode::TemplateInvalid));
    stage.assert_converged().await;
}
