//! Drift by hand, an engine that misbehaves, and events that do: after each
//! the whole world is looked at.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;
mod faults;

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::try_docker;
use faults::drift::{drifts, drifts_and_is_mended};
use faults::house::{BOUND, House, told};
use faults::proxy::{Events, Fault, Which};
use faults::report::{Report, is_full};
use faults::rng::{Rng, seed};
use faults::suite::{counted, houses, side_by_side};
use serde_json::{Value, json};

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

#[test]
fn every_drift_is_mended_or_told() {
    let mut houses = houses("drifts", 21_300, if is_full() { 3 } else { 2 });
    let begun = Instant::now();
    let mut all = drifts();
    if let Ok(only) = std::env::var("COLOURSTREAM_DRIFT") {
        all.retain(|one| one.name.contains(&only));
    }
    if !is_full() {
        // Those that no other suite has; the rest run in engine_stack too.
        let new = [
            "forged",
            "label removed",
            "mount changed",
            "volume removed",
            "image ",
            "symlink",
        ];
        all.retain(|one| new.iter().any(|part| one.name.contains(part)));
        all = Rng::new(seed()).shuffled(all);
        all.truncate(6);
    }
    let results = side_by_side(
        &mut houses,
        all,
        |one| one.name.clone(),
        drifts_and_is_mended,
    );
    let mut report = Report::new("drift");
    counted(
        "drift by hand",
        "each by name on a running stack, those of containers to all three services: done for certain, then mended by a step that is written down, or told by name and left alone",
        results,
        begun,
        &mut report,
    );
    report.conclude();
}

// --- The engine ------------------------------------------------------------

/// One way in which an engine is no good for a while.
struct Trouble {
    name: &'static str,
    run: fn(&mut House) -> Result<(), String>,
    only_full: bool,
}

/// The call is removed by hand, which has to be seen and mended.
fn heal(house: &mut House, what: &str) -> Result<(), String> {
    let before = house.stack.runs();
    try_docker(&["rm", "-f", &house.stack.of("mirotalk")]);
    let was = before["mirotalk"].clone();
    let anew = move |house: &House| {
        let facts = try_docker(&[
            "inspect",
            "--format",
            "{{.Id}}",
            &house.stack.of("mirotalk"),
        ]);
        facts.code == 0 && !was.starts_with(facts.out.trim())
    };
    house.settle_with(what, &anew, &[])?;
    house.check()
}

/// While the engine is no good, people are answered all the same.
fn people_are_answered(house: &House) -> Result<(), String> {
    let begun = Instant::now();
    let rooms = faults::world::rooms(&house.stack);
    if rooms.is_null() || begun.elapsed() > Duration::from_secs(3) {
        return Err(format!(
            "rooms were listed after {:?}: {rooms}",
            begun.elapsed()
        ));
    }
    Ok(())
}

/// What is wrong with the engine is told by this name, then all is well again.
fn told_then_well(house: &mut House, code: &str, within: u64) -> Result<(), String> {
    let before = house.stack.runs();
    house.until(code, within, |status| told(status, code))?;
    people_are_answered(house)?;
    if house.stack.runs() != before {
        return Err("what runs was touched".to_owned());
    }
    house.proxy.disarm();
    house.until("nothing is told any more", BOUND, |status| {
        !told(status, code)
    })?;
    heal(house, "well again")
}

fn troubles() -> Vec<Trouble> {
    let trouble = |name, run| Trouble {
        name,
        run,
        only_full: false,
    };
    let slow = |name, run| Trouble {
        name,
        run,
        only_full: true,
    };
    vec![
        trouble("socket missing at the start", |house| {
            house.stack.kill();
            let (socket, aside) = (house.socket(), house.stack.dir.path().join("aside.sock"));
            std::fs::rename(&socket, &aside).unwrap();
            house.serve();
            let status = house.until("told", BOUND, |status| told(status, "engine-away"));
            std::fs::rename(&aside, &socket).unwrap();
            status?;
            house.settle("it came")?;
            heal(house, "well again")
        }),
        slow("no right to the socket at the start", without_rights),
        trouble("too old an API", |house| {
            house.stack.kill();
            let old = json!({"Version": "19.03.15", "ApiVersion": "1.40", "MinAPIVersion": "1.12", "Os": "linux", "Arch": "amd64"});
            house.proxy.arm(
                Which::Like("GET /version".to_owned()),
                Fault::Answer(200, old.to_string()),
                usize::MAX,
            );
            house.serve();
            told_then_well(house, "engine-too-old", BOUND)
        }),
        trouble("answers slower than it waits", |house| {
            house.impatient(true)?;
            house.proxy.arm(
                Which::All,
                Fault::Delay(Duration::from_secs(30)),
                usize::MAX,
            );
            let result = told_then_well(house, "engine-away", BOUND);
            house.proxy.disarm();
            house.impatient(false)?;
            result
        }),
        slow("answers that take 30 s", |house| {
            house.proxy.arm(
                Which::All,
                Fault::Delay(Duration::from_secs(30)),
                usize::MAX,
            );
            let was = house.stack.runs()["mirotalk"].clone();
            try_docker(&["rm", "-f", &house.stack.of("mirotalk")]);
            let begun = Instant::now();
            let anew = || {
                let facts = try_docker(&[
                    "inspect",
                    "--format",
                    "{{.Id}} {{.State.Running}}",
                    &house.stack.of("mirotalk"),
                ]);
                facts.out.contains("true")
                    && !was.starts_with(facts.out.split(' ').next().unwrap_or_default())
            };
            while !anew() {
                if begun.elapsed() > Duration::from_secs(360) {
                    return Err("not mended in six minutes of slow answers".to_owned());
                }
                people_are_answered(house)?;
                pause(1000);
            }
            house.proxy.disarm();
            house.settle("well again")?;
            house.check()
        }),
        trouble("refuses every change with 500", |house| {
            house.proxy.arm(
                Which::Changes,
                Fault::Answer(
                    500,
                    json!({"message": "something is wrong inside"}).to_string(),
                ),
                usize::MAX,
            );
            try_docker(&["rm", "-f", &house.stack.of("mirotalk")]);
            house.until("told", BOUND, |status| told(status, "service-unhealthy"))?;
            people_are_answered(house)?;
            house.proxy.disarm();
            house.settle("well again")?;
            house.check()
        }),
        trouble("refuses a change with 409", |house| {
            house.proxy.arm(
                Which::Changes,
                Fault::Answer(409, json!({"message": "conflict"}).to_string()),
                3,
            );
            heal(house, "well again")
        }),
        trouble("answers garbage", |house| {
            house.proxy.arm(
                Which::All,
                Fault::Garble("}{ no JSON".to_owned()),
                usize::MAX,
            );
            told_then_well(house, "engine-away", BOUND)
        }),
        trouble("answers every question with 500", |house| {
            house.proxy.arm(
                Which::All,
                Fault::Answer(500, "{\"message\": \"no\"}".to_owned()),
                usize::MAX,
            );
            told_then_well(house, "engine-away", BOUND)
        }),
        trouble("hangs up on every call", |house| {
            house.proxy.arm(Which::All, Fault::LoseAnswer, usize::MAX);
            told_then_well(house, "engine-away", BOUND)
        }),
        trouble("serves old lists", |house| {
            // A view from before the removal, for a while after it.
            pause(2_500);
            house
                .proxy
                .arm(Which::Like("GET /containers".to_owned()), Fault::Old, 40);
            heal(house, "the view is fresh again")
        }),
        trouble("serves old lists while it installs", |house| {
            house.wipe(false);
            house.serve();
            pause(300);
            house
                .proxy
                .arm(Which::Like("GET /".to_owned()), Fault::Old, 60);
            house.settle("installed")?;
            house.check()
        }),
    ]
}

/// As root every socket opens: somebody else starts it, to look and to tell.
fn without_rights(house: &mut House) -> Result<(), String> {
    let before = house.stack.runs();
    house.stack.kill();
    let socket = house.socket();
    let folder = tempfile::tempdir().unwrap();
    let allow = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    allow(folder.path(), 0o777);
    allow(house.stack.dir.path(), 0o777);
    allow(&socket, 0o600);
    let text = std::fs::read_to_string(house.stack.config()).unwrap();
    let text = text.replace(
        "reconcile: {sweep: 2s}",
        "reconcile: {sweep: 2s, mode: report}",
    );
    let config = folder.path().join("colourstream.yaml");
    std::fs::write(&config, text).unwrap();
    let state = folder.path().join("nobody");
    let nobody = 65_534;
    let mut child = Command::new(env!("CARGO_BIN_EXE_colourstream"))
        .args(["--config", config.to_str().unwrap()])
        .args(["--state", state.to_str().unwrap(), "serve"])
        .current_dir(folder.path())
        .uid(nobody)
        .gid(nobody)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let wait = |what: &str, good: &dyn Fn(&Value) -> bool| {
        let begun = Instant::now();
        let mut status = Value::Null;
        while begun.elapsed() < Duration::from_secs(BOUND) {
            status = common::ask_control(&state, "GET", "/api/v1/status", &Value::Null)
                .map_or(Value::Null, |(_, body)| body);
            if good(&status) {
                return Ok(());
            }
            pause(100);
        }
        Err(format!("{what}: {status}"))
    };
    let result = wait("it is told", &|status| {
        common::issue(status, "engine-denied").is_some_and(|issue| {
            issue["what"]
                .as_str()
                .is_some_and(|what| what.contains("may not be opened"))
        })
    })
    .and_then(|()| {
        // The rights come; nobody starts it anew.
        allow(&socket, 0o666);
        wait("it is well again", &|status| {
            status["engine"]["reachable"] == true
                && common::issue(status, "engine-denied").is_none()
        })
    });
    let _gone = child.kill();
    let _gone = child.wait();
    house.serve();
    result?;
    if house.stack.runs() != before {
        return Err("what runs was touched".to_owned());
    }
    house.settle("root again")
}

fn run_troubles(part: &str, kind: &str, note: &str, base: u16, all: Vec<Trouble>) {
    let sample: Vec<Trouble> = all
        .into_iter()
        .filter(|one| is_full() || !one.only_full)
        .collect();
    let mut houses = houses(part, base, if is_full() { 3 } else { 2 });
    let begun = Instant::now();
    let results = side_by_side(
        &mut houses,
        sample,
        |one| one.name.to_owned(),
        |house, one| {
            house.settle("a good start")?;
            house.begin();
            (one.run)(house)
        },
    );
    let mut report = Report::new(part);
    counted(kind, note, results, begun, &mut report);
    report.conclude();
}

#[test]
fn an_engine_that_misbehaves_is_told_and_outlived() {
    let mut all = troubles();
    if !is_full() {
        all.retain(|one| {
            ["too old", "garbage", "old lists while"]
                .iter()
                .any(|part| one.name.contains(part))
        });
    }
    run_troubles(
        "engine",
        "engine",
        "told by name while it lasts, people are answered meanwhile, all is well afterwards",
        21_700,
        all,
    );
}

#[test]
fn events_are_hints_and_nothing_more() {
    let under = |name: &'static str, run: fn(&mut House) -> Result<(), String>| Trouble {
        name,
        run,
        only_full: false,
    };
    let mut all = vec![
        under("silent for good: bounded by the sweep", |house| {
            house.proxy.events(Events::Freeze);
            let begun = Instant::now();
            heal(house, "found by the sweep")?;
            // Two sweeps and the heal itself, on a busy machine.
            if begun.elapsed() > Duration::from_secs(30) {
                return Err(format!("it took {:?}", begun.elapsed()));
            }
            Ok(())
        }),
        under("cut", |house| {
            house.proxy.cut_events();
            heal(house, "mended")
        }),
        under("half of them lost", |house| {
            house.proxy.events(Events::Drop);
            heal(house, "mended")
        }),
        under("each three times", |house| {
            house.proxy.events(Events::Double);
            heal(house, "mended")
        }),
        under("out of order", |house| {
            house.proxy.events(Events::Reorder);
            heal(house, "mended")
        }),
        under("10,000 at once", |house| {
            let looks = |house: &House| {
                house
                    .status()
                    .and_then(|status| status["reconcile"].as_u64())
            };
            let begun = Instant::now();
            while !house.proxy.is_heard() {
                if begun.elapsed() > Duration::from_secs(40) {
                    return Err("nobody listens to events".to_owned());
                }
                pause(100);
            }
            let before = looks(house).ok_or("no status")?;
            let memory = house.memory()?;
            house.proxy.flood(10_000);
            for _ in 0..20 {
                people_are_answered(house)?;
                pause(50);
            }
            pause(2_000);
            let after = looks(house).ok_or("no status")?;
            let grown = house.memory()?.saturating_sub(memory);
            if after - before > 60 || grown > 16 << 20 {
                return Err(format!(
                    "{} looks for 10,000 events, {grown} bytes more",
                    after - before
                ));
            }
            heal(house, "mended")
        }),
    ];
    if !is_full() {
        all.retain(|one| one.name.contains("silent") || one.name.contains("10,000"));
    }
    run_troubles(
        "events",
        "events of the engine",
        "a look needs no event: silent, cut, thinned out, doubled, out of order, 10,000 at once",
        22_000,
        all,
    );
}
