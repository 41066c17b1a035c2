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
use faults::suite::{counted, houses_like, side_by_side};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// Cases that are asked for by a part of their name (`COLOURSTREAM_SCENARIO`);
/// by default all of a full run, and of a sample those that `few` has.
fn chosen<C>(mut all: Vec<C>, name: fn(&C) -> &str, few: impl Fn(Vec<C>) -> Vec<C>) -> Vec<C> {
    let asked = std::env::var("COLOURSTREAM_SCENARIO");
    match asked.ok().filter(|only| !only.is_empty()) {
        Some(only) => all.retain(|one| name(one).contains(&only)),
        None if is_full() => {}
        None => all = few(all),
    }
    all
}

/// All three parts in the same houses: to prepare those takes as long as many
/// a case.
#[test]
fn whatever_is_changed_refused_or_not_told_is_mended_or_named() {
    let count = if is_full() { 3 } else { 2 };
    let mut houses = houses_like("world", 21_300, count, House::talkative);
    let reports = [drift, engine, events].map(|part| part(&mut houses));
    drop(houses);
    for report in reports.into_iter().flatten() {
        report.conclude();
    }
}

fn drift(houses: &mut [House]) -> Option<Report> {
    let begun = Instant::now();
    let all = chosen(
        drifts(),
        |one| &one.name,
        |mut all| {
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
            all.truncate(4);
            all
        },
    );
    if all.is_empty() {
        return None;
    }
    let results = side_by_side(houses, all, |one| one.name.clone(), drifts_and_is_mended);
    let mut report = Report::new("drift");
    counted(
        "drift by hand",
        "each by name on a running stack, those of containers to all three services: done for certain, then mended by a step that is written down, or told by name and left alone",
        results,
        begun,
        &mut report,
    );
    Some(report)
}

// --- The engine ------------------------------------------------------------

/// One way in which an engine is no good for a while.
struct Trouble {
    name: &'static str,
    run: fn(&mut House) -> Result<(), String>,
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
    let trouble = |name, run| Trouble { name, run };
    vec![
        trouble("the socket is missing at the start", |house| {
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
        trouble("no right to the socket at the start", without_rights),
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
        trouble("answers that take 30 s", |house| {
            house.proxy.arm(
                Which::All,
                Fault::Delay(Duration::from_secs(30)),
                usize::MAX,
            );
            let was = house.stack.runs()["mirotalk"].clone();
            let begun = Instant::now();
            try_docker(&["rm", "-f", &house.stack.of("mirotalk")]);
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
            // To make it and to start it are two calls.
            if begun.elapsed() < Duration::from_secs(60) {
                return Err(format!("mended in {:?}: nothing was slow", begun.elapsed()));
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
            house.until("told", BOUND, |status| {
                common::issue(status, "service-unhealthy")
                    .is_some_and(|issue| issue.to_string().contains("something is wrong inside"))
            })?;
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

/// As root every socket opens, so this is a controller without root: denied,
/// and once it has the right it installs and heals, as it is.
fn without_rights(house: &mut House) -> Result<(), String> {
    house.wipe(true);
    let socket = house.socket();
    let folder = tempfile::tempdir().unwrap();
    let allow = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    allow(folder.path(), 0o777);
    allow(house.stack.dir.path(), 0o777);
    allow(&socket, 0o600);
    let config = folder.path().join("colourstream.yaml");
    std::fs::copy(house.stack.config(), &config).unwrap();
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
    let call = house.stack.of("mirotalk");
    let running = || {
        let format = "{{if .State.Running}}{{.Id}}{{end}}";
        try_docker(&["inspect", "--format", format, &call]).out
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
        wait("it installs", &common::is_ready)
    })
    .and_then(|()| {
        let before = running();
        try_docker(&["rm", "-f", &call]);
        wait("it heals", &|status| {
            let now = running();
            common::is_ready(status) && !now.is_empty() && now != before
        })
    });
    let _gone = child.kill();
    let _gone = child.wait();
    house.afresh()?;
    result?;
    // Its journal went with its folder.
    house.begin();
    house.settle("root again")
}

fn engine(houses: &mut [House]) -> Option<Report> {
    let begun = Instant::now();
    let all = chosen(
        troubles(),
        |one| one.name,
        |mut all| {
            let few = ["too old", "garbage", "old lists while"];
            all.retain(|one| few.iter().any(|part| one.name.contains(part)));
            all
        },
    );
    if all.is_empty() {
        return None;
    }
    let results = side_by_side(
        houses,
        all,
        |one| one.name.to_owned(),
        |house, one| {
            house.settle("a good start")?;
            house.begin();
            let before = house.proxy.landed();
            (one.run)(house)?;
            // What is done to the socket itself does not pass here.
            if !one.name.contains("the socket") && house.proxy.landed() == before {
                return Err("nothing went wrong that could be outlived".to_owned());
            }
            Ok(())
        },
    );
    let mut report = Report::new("engine");
    counted(
        "engine",
        "told by name while it lasts, people are answered meanwhile, all is well afterwards",
        results,
        begun,
        &mut report,
    );
    Some(report)
}

// --- Events ----------------------------------------------------------------

/// Sweeps so far apart that none falls into a case: what is mended was told.
const RARE: &str = "reconcile: {sweep: 5m}\n";
/// Sweeps that a case can wait for, and tell from an event.
const OFTEN: &str = "reconcile: {sweep: 8s}\n";
/// Seconds in which something is mended that an event tells of, and in which a
/// sweep mends what it finds: less than one, on a machine that has nothing else
/// to do.
const SOON: i64 = 20;

/// What makes the controller look, and so mends what was removed.
#[derive(Clone, Copy, PartialEq)]
enum Mender {
    /// An event, while no sweep is due.
    Event,
    /// No event, and the next sweep at the latest.
    Sweep,
    /// Whatever comes first; the next sweep at the latest.
    Either,
}

/// Why the first look was made that did something, by the log from a mark on.
fn what_made_it_look(house: &House, mark: usize) -> Result<String, String> {
    let begun = Instant::now();
    loop {
        let log = house.stack.log();
        let new = log.get(mark..).unwrap_or_default();
        let did = new
            .lines()
            .find(|line| line.contains("reconciled reconcile=") && !line.contains(" done=0 "));
        let why = did
            .and_then(|line| line.split_once("triggers=["))
            .and_then(|(_, rest)| rest.split_once(']'));
        if let Some((why, _)) = why {
            return Ok(why.to_owned());
        }
        if begun.elapsed() > Duration::from_secs(10) {
            return Err(format!("the log does not say who mended it: {new}"));
        }
        pause(100);
    }
}

/// How the events come, and what is done while the call is away.
struct Stream {
    name: &'static str,
    mender: Mender,
    /// While nothing is wrong yet; then it is waited until nothing is due.
    before: Act,
    /// Right before the removal.
    now: Act,
    /// Right after it.
    after: Act,
}

type Act = fn(&mut House) -> Result<(), String>;

const NOTHING: Act = |_| Ok(());

/// The call is removed by hand, and mended in time by whom it should be.
fn is_mended(house: &mut House, stream: &Stream) -> Result<(), String> {
    let mut told = Vec::new();
    // A look for a reason of its own (a certificate, somebody who came) may be
    // quicker than the event, and then this says nothing of the event.
    for _ in 0..3 {
        house.settle("a good start")?;
        house.begin();
        let why = is_mended_once(house, stream)?;
        let by_event = why.contains("Engine");
        let good = match stream.mender {
            Mender::Event => by_event,
            Mender::Sweep => !by_event,
            Mender::Either => true,
        };
        if good {
            return Ok(());
        }
        told.push(why);
        if stream.mender == Mender::Sweep {
            break;
        }
    }
    Err(format!("what made it look was {told:?}"))
}

/// The call is removed by hand, and there is another one in time; answers why
/// it looked.
fn is_mended_once(house: &mut House, stream: &Stream) -> Result<String, String> {
    let (sweep, left) = match stream.mender {
        Mender::Event => (RARE, 120_000..300_000),
        // What came before has been looked at.
        Mender::Sweep => (OFTEN, 3_000..6_500),
        Mender::Either => (OFTEN, 3_000..8_000),
    };
    house.settings("1.0.0", sweep);
    house.settle("another sweep")?;
    (stream.before)(house)?;
    let due = house.rests(left)?;
    (stream.now)(house)?;
    let call = house.stack.of("mirotalk");
    let look = |key: &str| faults::world::ask(&format!("/containers/{call}/json"))[key].clone();
    let was = look("Id");
    let mark = house.stack.log().len();
    try_docker(&["rm", "-f", &call]);
    (stream.after)(house)?;
    let gone = Timestamp::now();
    let last = match stream.mender {
        Mender::Event => gone,
        Mender::Sweep | Mender::Either => due,
    } + SignedDuration::from_secs(SOON);
    while look("Id") == was || look("State")["Running"] != true {
        if Timestamp::now() > last {
            return Err(format!(
                "gone at {gone}, sweep at {due}, not back at {last}"
            ));
        }
        pause(50);
    }
    let why = what_made_it_look(house, mark)?;
    house.proxy.events(Events::Pass);
    house.settle("mended")?;
    house.check()?;
    house.settings("1.0.0", "");
    Ok(why)
}

/// Waits until somebody listens to events.
fn is_heard(house: &mut House) -> Result<(), String> {
    let begun = Instant::now();
    while !house.proxy.is_heard() {
        if begun.elapsed() > Duration::from_secs(40) {
            return Err("nobody listens to events".to_owned());
        }
        pause(100);
    }
    Ok(())
}

/// 10,000 events are a handful of looks, people are answered, and no memory is
/// kept for them.
fn is_flooded(house: &mut House) -> Result<(), String> {
    let looks = |house: &House| {
        house
            .status()
            .and_then(|status| status["reconcile"].as_u64())
    };
    is_heard(house)?;
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
    // No sweep falls into it: whatever looked was told to.
    if !(1..=60).contains(&(after - before)) || grown > 16 << 20 {
        return Err(format!(
            "{} looks for 10,000 events, {grown} bytes more",
            after - before
        ));
    }
    Ok(())
}

fn streams() -> Vec<Stream> {
    let stream = |name, mender, before| Stream {
        name,
        mender,
        before,
        now: NOTHING,
        after: NOTHING,
    };
    let told = |name, before| stream(name, Mender::Event, before);
    let untold = |name, before| stream(name, Mender::Sweep, before);
    vec![
        told("as they come", is_heard),
        Stream {
            now: |house| {
                house.proxy.arm(
                    Which::Like("GET /events".to_owned()),
                    Fault::Answer(503, "{\"message\": \"not now\"}".to_owned()),
                    usize::MAX,
                );
                house.proxy.cut_events();
                Ok(())
            },
            after: |house| {
                let was_deaf = !house.proxy.is_heard();
                house.proxy.disarm();
                is_heard(house)?;
                was_deaf
                    .then_some(())
                    .ok_or_else(|| "the stream was not cut".to_owned())
            },
            ..told("cut while it happens, then back", is_heard)
        },
        told("each three times", |house| {
            house.proxy.events(Events::Double);
            is_heard(house)
        }),
        told("out of order", |house| {
            house.proxy.events(Events::Reorder);
            is_heard(house)
        }),
        told("10,000 at once", is_flooded),
        Stream {
            now: |house| {
                house.proxy.flood(10_000);
                Ok(())
            },
            ..told("behind 10,000 others", is_heard)
        },
        untold("silent from its opening on", |house| {
            is_heard(house)?;
            house.proxy.events(Events::Freeze);
            house.proxy.cut_events();
            // It looks once it listens again.
            house.a_look()?;
            is_heard(house)
        }),
        untold("silent from one moment on", |house| {
            is_heard(house)?;
            house.proxy.events(Events::Freeze);
            Ok(())
        }),
        Stream {
            after: |house| {
                // What is told last of it comes a moment later.
                pause(700);
                house.proxy.events(Events::Ours);
                Ok(())
            },
            ..untold("those of the removal lost, the others come", |house| {
                is_heard(house)?;
                house.proxy.events(Events::Freeze);
                Ok(())
            })
        },
        stream("every second one lost", Mender::Either, |house| {
            house.proxy.events(Events::Drop);
            is_heard(house)
        }),
    ]
}

fn events(houses: &mut [House]) -> Option<Report> {
    let begun = Instant::now();
    let all = chosen(
        streams(),
        |one| one.name,
        |mut all| {
            all.retain(|one| ["silent from one moment on", "10,000 at once"].contains(&one.name));
            all
        },
    );
    if all.is_empty() {
        return None;
    }
    let results = side_by_side(houses, all, |one| one.name.to_owned(), is_mended);
    let mut report = Report::new("events");
    counted(
        "events of the engine",
        "where they come (as ever, after a cut, doubled, out of order, 10,000 at once) a removal is mended in seconds with the next sweep minutes away; where they do not, no event made it look, and it is mended with the next sweep",
        results,
        begun,
        &mut report,
    );
    Some(report)
}
