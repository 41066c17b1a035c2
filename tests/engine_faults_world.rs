//! Drift by hand, an engine that misbehaves, resources that run out, and
//! random sequences of all of it with edits: after each, the whole world is
//! looked at. The crash matrix and the images have files of their own.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod common;
mod faults;

use std::collections::VecDeque;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use common::{derive, docker, inspect, issue, try_docker};
use faults::house::{BOUND, CALL, House};
use faults::proxy::{Events, Fault, Which};
use faults::report::{Count, Report, is_full};
use faults::rng::{Rng, seed};
use serde_json::{Value, json};

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What comes of a drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It is mended.
    Mended,
    /// It is mended, and nothing was restarted for it.
    Untouched,
    /// It is told by this name and left alone; taken away again, all is well.
    Told(&'static str),
}

/// One thing somebody does by hand.
struct Drift {
    name: &'static str,
    outcome: Outcome,
    act: Act,
    /// Takes away what was only told.
    undo: fn(&House),
}

type Act = Box<dyn Fn(&House) + Send + Sync>;

fn drift(name: &'static str, outcome: Outcome, act: impl Fn(&House) + Send + Sync + 'static) -> Drift {
    Drift {
        name,
        outcome,
        act: Box::new(act),
        undo: |_| {},
    }
}

/// `docker …` about the call, whatever comes of it: another hand may have been
/// quicker in a random sequence.
fn at_call(house: &House, before: &[&str], after: &[&str]) {
    let name = house.stack.of("mirotalk");
    let mut arguments = before.to_vec();
    arguments.push(&name);
    arguments.extend(after);
    try_docker(&arguments);
}

/// Makes the call's container anew by hand, with its labels or not.
fn made_by_hand(house: &House, name: &str, labels: &dyn Fn(&str) -> bool, more: &[&str]) {
    let call = house.stack.of("mirotalk");
    let facts = inspect(&call);
    let labels: Vec<String> = facts["Config"]["Labels"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(key, _)| labels(key))
        .map(|(key, value)| format!("{key}={}", text(value)))
        .collect();
    let act = || {
        if name == call {
            try_docker(&["rm", "-f", &call]);
        }
        let mut arguments = vec!["run", "-d", "--name", name, "--label", "by-hand=yes"];
        arguments.extend(labels.iter().flat_map(|label| ["--label", label]));
        arguments.extend(more);
        let image = house.call("1.0.0");
        arguments.push(&image);
        try_docker(&arguments);
    };
    house.stack.while_it_sleeps(act);
}

fn only_dynamic(house: &House) -> PathBuf {
    house.stack.rendered("traefik/dynamic/colourstream.yml")
}

/// The file the service reads once: in the folder named by its content that
/// its container has mounted.
fn server_xml(house: &House) -> PathBuf {
    let folders = std::fs::read_dir(house.stack.rendered("ovenmediaengine")).unwrap();
    folders
        .map(|folder| folder.unwrap().path().join("Server.xml"))
        .find(|file| file.exists())
        .unwrap_or_else(|| house.stack.rendered("ovenmediaengine/Server.xml"))
}

fn is_ours_label(key: &str) -> bool {
    key.starts_with("org.colourstream.")
}

/// Every drift by name.
fn drifts() -> Vec<Drift> {
    use Outcome::{Mended, Told, Untouched};
    let mut all = vec![
        drift("stop", Mended, |house| at_call(house, &["stop", "-t", "1"], &[])),
        drift("kill", Mended, |house| at_call(house, &["kill"], &[])),
        drift("rm -f", Mended, |house| at_call(house, &["rm", "-f"], &[])),
        drift("rm -f all", Mended, |house| {
            let all = common::ROLES.map(|role| house.stack.of(role));
            try_docker(&["rm", "-f", &all[0], &all[1], &all[2]]);
        }),
        drift("pause", Mended, |house| at_call(house, &["pause"], &[])),
        drift("rename", Untouched, |house| {
            at_call(house, &["rename"], &[&format!("{}-aside", house.stack.name)]);
        }),
        drift("disconnect", Mended, |house| {
            at_call(house, &["network", "disconnect", "-f", &house.stack.name], &[]);
        }),
        drift("join another network", Mended, |house| {
            at_call(house, &["network", "connect", "bridge"], &[]);
        }),
        drift("restart policy changed", Mended, |house| {
            at_call(house, &["update", "--restart=no"], &[]);
        }),
        drift("limits changed", Mended, |house| {
            at_call(house, &["update", "--memory", "900m", "--memory-swap", "900m"], &[]);
        }),
        drift("env changed by recreating", Mended, |house| {
            made_by_hand(house, &house.stack.of("mirotalk"), &|_| true, &["-e", "HAND=made"]);
        }),
        drift("mount changed by recreating", Mended, |house| {
            made_by_hand(house, &house.stack.of("mirotalk"), &|_| true, &["-v", "/tmp:/extra:ro"]);
        }),
        drift("spec label forged", Mended, |house| {
            let spec = |key: &str| is_ours_label(key) && key != "org.colourstream.spec";
            made_by_hand(house, &house.stack.of("mirotalk"), &spec, &["--label", "org.colourstream.spec=0000"]);
        }),
        drift("role label forged", Told("name-taken"), |house| {
            let role = |key: &str| is_ours_label(key) && key != "org.colourstream.role";
            made_by_hand(house, &house.stack.of("mirotalk"), &role, &["--label", "org.colourstream.role=traefik"]);
        }),
        drift("label removed", Told("name-taken"), |house| {
            made_by_hand(house, &house.stack.of("mirotalk"), &|key| !is_ours_label(key), &[]);
        }),
        drift("look-alike with our labels", Told("look-alike"), |house| {
            made_by_hand(house, &format!("{}-copy", house.stack.name), &|_| true, &[]);
        }),
        drift("network removed", Mended, |house| {
            house.stack.while_it_sleeps(|| {
                for role in common::ROLES {
                    try_docker(&["network", "disconnect", "-f", &house.stack.name, &house.stack.of(role)]);
                }
                try_docker(&["network", "rm", &house.stack.name]);
            });
        }),
        drift("volume removed", Mended, |house| {
            house.stack.while_it_sleeps(|| {
                try_docker(&["rm", "-f", &house.stack.of("traefik")]);
                try_docker(&["volume", "rm", "-f", &format!("{}-acme", house.stack.name)]);
            });
        }),
        drift("image untagged", Untouched, |house| {
            try_docker(&["rmi", "-f", &house.call("1.0.0")]);
        }),
        drift("image and container removed", Told("image-missing"), |house| {
            house.stack.while_it_sleeps(|| {
                at_call(house, &["rm", "-f"], &[]);
                try_docker(&["rmi", "-f", &house.call("1.0.0")]);
            });
        }),
        drift("tag moved", Told("image-moved"), |house| {
            derive(&house.call("1.0.0"), CALL, "ENV SIM_START_DELAY_MS=150\nLABEL moved=yes");
        }),
        drift("extra file in the watched folder", Untouched, |house| {
            std::fs::write(house.stack.rendered("traefik/dynamic/zz.yml"), "http: {}\n").unwrap();
        }),
        drift("extra symlink in the watched folder", Untouched, |house| {
            let _there = symlink("/etc/hostname", house.stack.rendered("traefik/dynamic/zz.yml"));
        }),
        drift("extra folder in the watched folder", Untouched, |house| {
            let folder = house.stack.rendered("traefik/dynamic/zz");
            let _there = std::fs::create_dir(&folder);
            std::fs::write(folder.join("inside.yml"), "http: {}\n").unwrap();
        }),
    ];
    for one in &mut all {
        let undo: fn(&House) = match one.name {
            "role label forged" | "label removed" => |house| at_call(house, &["rm", "-f"], &[]),
            "look-alike with our labels" => |house| {
                docker(&["rm", "-f", &format!("{}-copy", house.stack.name)]);
            },
            "image and container removed" => |house| {
                derive(&house.call("1.0.0"), CALL, "ENV SIM_START_DELAY_MS=100\n");
            },
            "tag moved" => |house| {
                let said = house.stack.run(&["apply", "--update-images"]);
                assert_eq!(said.code, 0, "{}{}", said.out, said.err);
            },
            _ => |_| {},
        };
        one.undo = undo;
    }
    // What is done to a file, to one that is watched and to one that is read once.
    type Spoil = fn(&Path);
    let spoils: [(&str, &str, Spoil); 7] = [
        ("watched file edited", "own file edited", |path| std::fs::write(path, "<Server/>").unwrap()),
        ("watched file truncated", "own file truncated", |path| drop(std::fs::File::create(path).unwrap())),
        ("watched file deleted", "own file deleted", |path| {
            let _gone = std::fs::remove_file(path);
        }),
        ("watched file chmod 000", "own file chmod 000", |path| {
            let _gone = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0));
        }),
        ("watched file replaced by a folder", "own file replaced by a folder", |path| {
            let _gone = std::fs::remove_file(path);
            let _there = std::fs::create_dir(path);
            let _there = std::fs::write(path.join("inside"), "x");
        }),
        ("watched file replaced by a symlink", "own file replaced by a symlink", |path| {
            let _gone = std::fs::remove_file(path);
            let _there = symlink("/etc/passwd", path);
        }),
        ("watched file replaced by another of its size", "own file replaced by another of its size", |path| {
            let length = std::fs::read(path).unwrap_or_default().len();
            let _gone = std::fs::remove_file(path);
            std::fs::write(path, "#".repeat(length)).unwrap();
        }),
    ];
    for (watched, own, spoil) in spoils {
        all.push(drift(watched, Untouched, move |house| spoil(&only_dynamic(house))));
        all.push(drift(own, Untouched, move |house| spoil(&server_xml(house))));
    }
    all
}

fn told(status: &Value, code: &str) -> bool {
    issue(status, code).is_some()
}

/// Does one drift to a house that is well, and sees what comes of it.
fn drifts_and_is_mended(house: &mut House, one: &Drift) -> Result<(), String> {
    house.settle("a good start")?;
    house.begin();
    let before = house.stack.runs();
    (one.act)(house);
    match one.outcome {
        Outcome::Mended => {
            // Not by what was known before: a look after the deed.
            house.a_look()?;
            house.settle(one.name)?;
        }
        Outcome::Untouched => {
            house.a_look()?;
            house.settle(one.name)?;
            if house.stack.runs() != before {
                return Err("something was restarted for it".to_owned());
            }
        }
        Outcome::Told(code) => {
            house.until(one.name, BOUND, |status| told(status, code))?;
            house.check()?;
            (one.undo)(house);
            house.until("nothing is told any more", BOUND, |status| !told(status, code))?;
            house.settle(one.name)?;
        }
    }
    house.check()
}

/// Runs cases in several houses side by side; a failed one leaves a fresh house.
fn side_by_side<C: Send>(
    houses: &mut [House],
    cases: Vec<C>,
    name: impl Fn(&C) -> String + Sync,
    run: impl Fn(&mut House, &C) -> Result<(), String> + Sync,
) -> Vec<(String, Result<(), String>)> {
    let queue: Mutex<VecDeque<C>> = Mutex::new(cases.into());
    let results: Mutex<Vec<(String, Result<(), String>)>> = Mutex::default();
    std::thread::scope(|scope| {
        for house in houses {
            let (queue, results, name, run) = (&queue, &results, &name, &run);
            scope.spawn(move || {
                loop {
                    let Some(case) = queue.lock().unwrap().pop_front() else { break };
                    let begun = Instant::now();
                    let result = run(house, &case);
                    common::tell(&format!("{} {:.1} s {}", result.is_ok(), begun.elapsed().as_secs_f64(), name(&case)));
                    house.proxy.disarm();
                    house.proxy.events(Events::Pass);
                    if result.is_err() {
                        if let Err(why) = house.afresh() {
                            eprintln!("  no fresh start: {why}");
                        }
                    }
                    results.lock().unwrap().push((name(&case), result));
                }
            });
        }
    });
    results.into_inner().unwrap()
}

fn houses(names: &str, base: u16, count: usize) -> Vec<House> {
    std::thread::scope(|scope| {
        let made: Vec<_> = (0..count)
            .map(|number| {
                scope.spawn(move || {
                    let first = base + u16::try_from(number).unwrap() * 100;
                    let mut house = House::new(&format!("{names}{number}"), first);
                    house.install().unwrap();
                    house
                })
            })
            .collect();
        made.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

fn counted(kind: &str, note: &str, results: Vec<(String, Result<(), String>)>, begun: Instant, report: &mut Report) {
    let mut count = Count::of(kind).note(note);
    for (name, result) in results {
        count.case(&name, result);
    }
    report.add_timed(count, begun.elapsed());
}

#[test]
fn every_drift_is_mended_or_told() {
    let mut houses = houses("drifts", 21_300, if is_full() { 3 } else { 2 });
    let begun = Instant::now();
    let mut all = drifts();
    if !is_full() {
        // Those that no other suite has; the rest run in engine_stack too.
        let new = ["forged", "label removed", "mount changed", "volume removed", "image ", "symlink"];
        all.retain(|one| new.iter().any(|part| one.name.contains(part)));
        all = Rng::new(seed()).shuffled(all);
        all.truncate(5);
    }
    let results = side_by_side(&mut houses, all, |one| one.name.to_owned(), drifts_and_is_mended);
    let mut report = Report::new("drift");
    counted("drift by hand", "each by name on a running stack: mended, or told by name and left alone", results, begun, &mut report);
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
        let facts = try_docker(&["inspect", "--format", "{{.Id}}", &house.stack.of("mirotalk")]);
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
        return Err(format!("rooms were listed after {:?}: {rooms}", begun.elapsed()));
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
    house.until("nothing is told any more", BOUND, |status| !told(status, code))?;
    heal(house, "well again")
}

fn troubles() -> Vec<Trouble> {
    let trouble = |name, run| Trouble { name, run, only_full: false };
    let slow = |name, run| Trouble { name, run, only_full: true };
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
        slow("no right to the socket at the start", |house| {
            // As root every socket opens: somebody else starts it.
            house.stack.kill();
            let socket = house.socket();
            let folder = tempfile::tempdir().unwrap();
            let open = |path: &Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
            open(folder.path());
            open(house.stack.dir.path());
            std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).unwrap();
            let nobody = 65_534;
            let mut child = Command::new(env!("CARGO_BIN_EXE_colourstream"))
                .args(["--config", house.stack.config().to_str().unwrap()])
                .args(["--state", folder.path().join("state").to_str().unwrap(), "serve"])
                .current_dir(folder.path())
                .uid(nobody)
                .gid(nobody)
                .stdin(Stdio::null())
                .stdout(std::fs::File::create(house.stack.dir.path().join("nobody")).unwrap())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let said = || std::fs::read_to_string(house.stack.dir.path().join("nobody")).unwrap_or_default();
            let begun = Instant::now();
            while !said().contains("may not be opened") && begun.elapsed() < Duration::from_secs(20) {
                pause(100);
            }
            let _gone = child.kill();
            let _gone = child.wait();
            let said = said();
            house.serve();
            if !said.contains("may not be opened") {
                return Err(format!("it says {said}"));
            }
            house.settle("root again")
        }),
        trouble("too old an API", |house| {
            house.stack.kill();
            let old = json!({"Version": "19.03.15", "ApiVersion": "1.40", "MinAPIVersion": "1.12", "Os": "linux", "Arch": "amd64"});
            house.proxy.arm(Which::Like("GET /version".to_owned()), Fault::Answer(200, old.to_string()), usize::MAX);
            house.serve();
            told_then_well(house, "engine-too-old", BOUND)
        }),
        trouble("answers slower than it waits", |house| {
            house.impatient(true)?;
            house.proxy.arm(Which::All, Fault::Delay(Duration::from_secs(30)), usize::MAX);
            let result = told_then_well(house, "engine-away", BOUND);
            house.proxy.disarm();
            house.impatient(false)?;
            result
        }),
        slow("answers that take 30 s", |house| {
            house.proxy.arm(Which::All, Fault::Delay(Duration::from_secs(30)), usize::MAX);
            let was = house.stack.runs()["mirotalk"].clone();
            try_docker(&["rm", "-f", &house.stack.of("mirotalk")]);
            let begun = Instant::now();
            let anew = || {
                let facts = try_docker(&["inspect", "--format", "{{.Id}} {{.State.Running}}", &house.stack.of("mirotalk")]);
                facts.out.contains("true") && !was.starts_with(facts.out.split(' ').next().unwrap_or_default())
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
            house.proxy.arm(Which::Changes, Fault::Answer(500, json!({"message": "something is wrong inside"}).to_string()), usize::MAX);
            try_docker(&["rm", "-f", &house.stack.of("mirotalk")]);
            house.until("told", BOUND, |status| told(status, "service-unhealthy"))?;
            people_are_answered(house)?;
            house.proxy.disarm();
            house.settle("well again")?;
            house.check()
        }),
        trouble("refuses a change with 409", |house| {
            house.proxy.arm(Which::Changes, Fault::Answer(409, json!({"message": "conflict"}).to_string()), 3);
            heal(house, "well again")
        }),
        trouble("answers garbage", |house| {
            house.proxy.arm(Which::All, Fault::Garble("}{ no JSON".to_owned()), usize::MAX);
            told_then_well(house, "engine-away", BOUND)
        }),
        trouble("answers every question with 500", |house| {
            house.proxy.arm(Which::All, Fault::Answer(500, "{\"message\": \"no\"}".to_owned()), usize::MAX);
            told_then_well(house, "engine-away", BOUND)
        }),
        trouble("hangs up on every call", |house| {
            house.proxy.arm(Which::All, Fault::LoseAnswer, usize::MAX);
            told_then_well(house, "engine-away", BOUND)
        }),
        trouble("serves old lists", |house| {
            // A view from before the removal, for a while after it.
            pause(2_500);
            house.proxy.arm(Which::Like("GET /containers".to_owned()), Fault::Old, 40);
            heal(house, "the view is fresh again")
        }),
        trouble("serves old lists while it installs", |house| {
            house.wipe(false);
            house.serve();
            pause(300);
            house.proxy.arm(Which::Like("GET /".to_owned()), Fault::Old, 60);
            house.settle("installed")?;
            house.check()
        }),
    ]
}

fn run_troubles(part: &str, kind: &str, note: &str, base: u16, all: Vec<Trouble>) {
    let sample: Vec<Trouble> = all.into_iter().filter(|one| is_full() || !one.only_full).collect();
    let mut houses = houses(part, base, if is_full() { 3 } else { 2 });
    let begun = Instant::now();
    let results = side_by_side(&mut houses, sample, |one| one.name.to_owned(), |house, one| {
        house.settle("a good start")?;
        house.begin();
        (one.run)(house)
    });
    let mut report = Report::new(part);
    counted(kind, note, results, begun, &mut report);
    report.conclude();
}

#[test]
fn an_engine_that_misbehaves_is_told_and_outlived() {
    let mut all = troubles();
    if !is_full() {
        all.retain(|one| ["too old", "garbage", "old lists while"].iter().any(|part| one.name.contains(part)));
    }
    run_troubles("engine", "engine", "told by name while it lasts, people are answered meanwhile, all is well afterwards", 21_700, all);
}

#[test]
fn events_are_hints_and_nothing_more() {
    let under = |name: &'static str, run: fn(&mut House) -> Result<(), String>| Trouble { name, run, only_full: false };
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
            let looks = |house: &House| house.status().and_then(|status| status["reconcile"].as_u64());
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
                return Err(format!("{} looks for 10,000 events, {grown} bytes more", after - before));
            }
            heal(house, "mended")
        }),
    ];
    if !is_full() {
        all.retain(|one| one.name.contains("silent") || one.name.contains("10,000"));
    }
    run_troubles("events", "events of the engine", "a look needs no event: silent, cut, thinned out, doubled, out of order, 10,000 at once", 22_000, all);
}
