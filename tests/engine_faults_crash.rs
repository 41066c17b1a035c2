//! The crash matrix: what the controller asks the engine in the course of an
//! install, a change, a rollback, a heal, of edits to rooms and of `down` is
//! recorded, and then done again once for every call and every way to go wrong
//! at it: killed before it, killed after it, its answer lost.
//!
//! Reads of one kind between two changing calls are one point: nothing changed
//! between them, so the world they find and leave is the same. For the same
//! reason it is one case to be killed before or after any of them.

#![expect(clippy::unwrap_used, clippy::print_stderr)]

mod common;
mod faults;

use std::collections::{BTreeSet, VecDeque};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use common::{docker, issue, try_docker};
use faults::house::House;
use faults::proxy::{Call, Fault, Which, wait_for_fault};
use faults::report::{Count, Report, is_full};
use faults::rng::{Rng, seed};
use serde_json::{Value, json};

/// Houses side by side: the engine and two cores are busy then.
const HOUSES: usize = 3;
/// Cases of each scenario in a sample.
const SAMPLE: usize = 1;

/// What is done while things go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    Install,
    Settings,
    Image,
    Rollback,
    Heal,
    Rooms,
    Uninstall,
}

impl Scenario {
    const ALL: [Self; 7] = [
        Self::Install,
        Self::Settings,
        Self::Image,
        Self::Rollback,
        Self::Heal,
        Self::Rooms,
        Self::Uninstall,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Install => "first install",
            Self::Settings => "settings change",
            Self::Image => "image change",
            Self::Rollback => "rollback",
            Self::Heal => "heal",
            Self::Rooms => "room edits",
            Self::Uninstall => "uninstall",
        }
    }
}

/// One case: at which call what goes wrong.
#[derive(Clone, Debug, PartialEq)]
struct Case {
    which: Which,
    fault: Fault,
}

impl Case {
    fn name(&self) -> String {
        format!("{:?} at {:?}", self.fault, self.which)
    }
}

/// The points of a recording, and how many calls they stand for.
fn points(calls: &[Call]) -> Vec<Which> {
    let mut seen = BTreeSet::new();
    let mut points = Vec::new();
    for call in calls {
        // The stream of events has cases of its own.
        if call.kind() == "events" || !call.watched {
            continue;
        }
        if call.changes {
            points.push(Which::Call(call.point.clone(), call.nth));
        } else if seen.insert((call.behind.clone(), call.kind().to_owned())) {
            points.push(Which::ReadBehind(
                call.behind.clone(),
                call.kind().to_owned(),
            ));
        }
    }
    points
}

fn cases(points: &[Which]) -> Vec<Case> {
    let mut killed = BTreeSet::new();
    let mut cases = Vec::new();
    for which in points {
        let faults = match which {
            Which::ReadBehind(behind, _) if !killed.insert(behind.clone()) => {
                vec![Fault::LoseAnswer]
            }
            Which::ReadBehind(..) => vec![Fault::KillBefore, Fault::LoseAnswer],
            _ => vec![Fault::KillBefore, Fault::KillAfter, Fault::LoseAnswer],
        };
        cases.extend(faults.into_iter().map(|fault| Case {
            which: which.clone(),
            fault,
        }));
    }
    cases
}

/// A house, and where it stands between the two ways each change can go.
struct Runner {
    house: House,
    turn: bool,
    /// The calls of the scenario that ran last, without what came after it.
    heard: Vec<Call>,
    /// Whether the fault was done, where the proxy was reset since.
    met: bool,
}

const SETTINGS: [&str; 2] = ["", "profiles: [{name: live, audio_bitrate: 96k}]\n"];

impl Runner {
    fn new(number: usize) -> Result<Self, String> {
        let base = 21_000 + u16::try_from(number).unwrap() * 100;
        let mut house = House::new(&format!("crash{number}"), base);
        house.install()?;
        Ok(Self {
            house,
            turn: false,
            heard: Vec::new(),
            met: false,
        })
    }

    /// Does what the scenario does, with the fault armed or not.
    fn run(&mut self, scenario: Scenario, case: Option<&Case>) -> Result<bool, String> {
        if let Err(why) = self.prepare(scenario) {
            return Err(format!("before: {why}"));
        }
        self.house.begin();
        self.met = false;
        if let Some(case) = case {
            self.house
                .proxy
                .arm(case.which.clone(), case.fault.clone(), 1);
        }
        let result = self.perform(scenario, case);
        let fired = self.met || self.house.proxy.fired() > 0;
        self.house.proxy.disarm();
        result.map(|()| fired)
    }

    fn prepare(&mut self, scenario: Scenario) -> Result<(), String> {
        match scenario {
            Scenario::Install => self.house.wipe(true),
            Scenario::Uninstall => {
                self.house.revive();
                self.house.settle("something to take away")?;
                self.house.stack.kill();
            }
            _ => {
                self.house.revive();
                self.house.settle("a good start")?;
            }
        }
        Ok(())
    }

    fn perform(&mut self, scenario: Scenario, case: Option<&Case>) -> Result<(), String> {
        match scenario {
            Scenario::Install => {
                self.house.serve();
                self.survive(case, "the install", &|_| true, &[])
            }
            Scenario::Settings => {
                self.turn = !self.turn;
                let before = id_of(&self.house, "ovenmediaengine");
                self.house
                    .settings("1.0.0", SETTINGS[usize::from(self.turn)]);
                let goal = move |house: &House| id_of(house, "ovenmediaengine") != before;
                self.survive(case, "the new settings", &goal, &[])
            }
            Scenario::Image => {
                self.turn = !self.turn;
                let version = if self.turn { "1.0.1" } else { "1.0.0" };
                self.house.settings(version, "");
                let wanted = self.house.call(version);
                let goal = move |house: &House| {
                    let image = docker(&["inspect", "--format", "{{.Id}}", &wanted]);
                    docker(&[
                        "inspect",
                        "--format",
                        "{{.Image}}",
                        &house.stack.of("mirotalk"),
                    ]) == image
                };
                self.survive(case, "the new image", &goal, &[])
            }
            Scenario::Rollback => self.roll_back(case),
            Scenario::Heal => {
                let all = common::ROLES.map(|role| self.house.stack.of(role));
                let mut arguments = vec!["rm", "-f"];
                arguments.extend(all.iter().map(String::as_str));
                docker(&arguments);
                self.survive(case, "healed", &|_| true, &[])
            }
            Scenario::Rooms => self.edit_rooms(case),
            Scenario::Uninstall => self.uninstall(case),
        }
    }

    /// Waits for the fault, starts again who was killed, and then for all to
    /// be well.
    fn survive(
        &mut self,
        case: Option<&Case>,
        what: &str,
        goal: &dyn Fn(&House) -> bool,
        kept: &[&str],
    ) -> Result<(), String> {
        self.meet(case);
        self.house.settle_with(what, goal, kept)?;
        self.heard = self.house.proxy.calls();
        self.house.check()
    }

    fn meet(&mut self, case: Option<&Case>) {
        let Some(case) = case else { return };
        let Runner { house, .. } = self;
        let mut quiet: Option<Instant> = None;
        let House { stack, proxy, .. } = house;
        // What was not met when all has been well for a while, is not met at all.
        let _met = wait_for_fault(proxy, 20.0, || {
            let rests = stack.status().is_some_and(|status| {
                common::is_ready(&status) || issue(&status, "replacement-failed").is_some()
            });
            let since = quiet.get_or_insert_with(Instant::now);
            if !rests {
                quiet = None;
                return stack.has_ended();
            }
            since.elapsed() > Duration::from_millis(2500)
        });
        if case.fault != Fault::LoseAnswer && house.proxy.fired() > 0 {
            // Killed after: when the engine has done it.
            let until = Instant::now() + Duration::from_secs(60);
            while !house.stack.has_ended() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(10));
            }
            house.was_killed = true;
            house.revive();
        }
        house.proxy.disarm();
    }

    /// An image that dies: the old container comes back and runs on.
    fn roll_back(&mut self, case: Option<&Case>) -> Result<(), String> {
        let before = id_of(&self.house, "mirotalk");
        self.house.settings("broken", "");
        self.meet(case);
        let told = |status: &Value| {
            issue(status, "replacement-failed").is_some()
                && status["services"][2]["health"] == "healthy"
        };
        self.house
            .until("the old one is back", faults::house::BOUND, told)?;
        self.heard = self.house.proxy.calls();
        if id_of(&self.house, "mirotalk") != before {
            return Err("another container than before came back".to_owned());
        }
        self.house.only_three(&["mirotalk.failed"])?;
        self.house.check()?;
        self.house.settings("1.0.0", "");
        self.house.settle("the good image again")
    }

    /// Each kind of edit; the last one of those that were answered counts.
    fn edit_rooms(&mut self, case: Option<&Case>) -> Result<(), String> {
        let before = self.house.stack.runs();
        let stack = &self.house.stack;
        let made = stack.api("POST", "/api/v1/rooms", &json!({"title": "Three"}));
        let mut wanted: Vec<(String, String, u64)> = Vec::new();
        if let Some((201, made)) = made {
            let id = made["room"]["id"].as_str().unwrap().to_owned();
            let path = format!("/api/v1/rooms/{id}");
            for (method, more, body, status) in [
                ("PATCH", "", json!({"title": "Third", "viewer_cap": 3}), 200),
                ("POST", "/close", json!({}), 200),
                ("POST", "/open", json!({}), 200),
            ] {
                let said = stack.api(method, &format!("{path}{more}"), &body);
                let done = said.as_ref().is_some_and(|(code, _)| *code == status);
                wanted.push((id.clone(), format!("{method}{more}"), u64::from(done)));
            }
        }
        self.meet(case);
        self.house.settle("the rooms are in force")?;
        self.heard = self.house.proxy.calls();
        if self.house.stack.runs() != before {
            return Err("a room edit restarted something".to_owned());
        }
        let rooms = faults::world::rooms(&self.house.stack);
        for (id, edit, done) in &wanted {
            let room = rooms
                .as_array()
                .into_iter()
                .flatten()
                .find(|room| room["id"] == *id);
            let kept = match edit.as_str() {
                "PATCH" => {
                    room.is_some_and(|room| room["title"] == "Third" && room["viewer_cap"] == 3)
                }
                // Both answered: it is open again.
                _ => room.is_some(),
            };
            if *done == 1 && !kept {
                return Err(format!("{edit} was answered and is lost: {rooms}"));
            }
        }
        // Whatever came of it, away with it: twice, archived and gone.
        for room in rooms.as_array().into_iter().flatten() {
            if !matches!(room["title"].as_str(), Some("One" | "Two")) {
                let path = format!("/api/v1/rooms/{}", room["id"].as_str().unwrap());
                for _ in 0..2 {
                    self.house.stack.api("DELETE", &path, &Value::Null);
                }
            }
        }
        self.house.settle("the rooms as before")?;
        self.house.check()
    }

    /// `down`, killed or left without an answer, and `down` again.
    fn uninstall(&mut self, case: Option<&Case>) -> Result<(), String> {
        let mut child = self
            .house
            .stack
            .command(&["down", "--yes"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.house.proxy.aim(child.id());
        let status = child.wait().unwrap();
        let fired = self.house.proxy.fired() > 0;
        self.met = fired;
        self.house.was_killed = status.code().is_none();
        if case.is_none_or(|_| !fired) && !status.success() {
            return Err(format!("down ended with {status}"));
        }
        if fired {
            let again = self.house.stack.run(&["down", "--yes"]);
            if again.code != 0 {
                return Err(format!("the second down: {}{}", again.out, again.err));
            }
        }
        let left = faults::world::containers(&self.house.stack.name);
        let network = try_docker(&["network", "inspect", &self.house.stack.name]);
        if !left.is_empty() || network.code == 0 {
            return Err(format!("down left {left:?}, network {}", network.out));
        }
        let calls = self.house.proxy.calls();
        self.heard.clone_from(&calls);
        let killed = self.house.was_killed;
        faults::world::journal_is_complete(&self.house.stack, self.house.journal, &calls, killed)?;
        self.house.begin();
        self.house.serve();
        self.house.settle("back again")?;
        self.house.check()
    }
}

fn id_of(house: &House, role: &str) -> String {
    try_docker(&["inspect", "--format", "{{.Id}}", &house.stack.of(role)]).out
}

/// Scenarios that are asked for, all by default.
fn asked(scenario: Scenario) -> bool {
    std::env::var("COLOURSTREAM_SCENARIO").map_or(true, |only| scenario.name().contains(&only))
}

#[test]
fn killed_or_unanswered_at_any_call_it_comes_out_right() {
    let mut report = Report::new("crash-matrix");
    let houses = if is_full() { HOUSES } else { 2 };
    let runners: Vec<Mutex<Runner>> = std::thread::scope(|scope| {
        let made: Vec<_> = (0..houses)
            .map(|number| scope.spawn(move || Runner::new(number)))
            .collect();
        made.into_iter()
            .map(|one| Mutex::new(one.join().unwrap().unwrap()))
            .collect()
    });
    let mut rng = Rng::new(seed());
    for scenario in Scenario::ALL
        .into_iter()
        .filter(|scenario| asked(*scenario))
    {
        let begun = Instant::now();
        // Each scenario starts from the same settings in every house.
        for runner in &runners {
            let mut runner = runner.lock().unwrap();
            runner.turn = false;
            runner.house.settings("1.0.0", "");
            runner.house.revive();
            runner.house.settle("a good start").unwrap();
        }
        let recorded = {
            let mut first = runners[0].lock().unwrap();
            first.run(scenario, None).unwrap();
            first.heard.clone()
        };
        let points = points(&recorded);
        let all = cases(&points);
        let chosen = if is_full() {
            all.clone()
        } else {
            rng.sample(&all, SAMPLE)
        };
        let recorded: Vec<Call> = recorded.into_iter().filter(|call| call.watched).collect();
        let changing = recorded.iter().filter(|call| call.changes).count();
        eprintln!(
            "  {}: {} calls recorded ({changing} changing), {} points, {} cases, {} of them now",
            scenario.name(),
            recorded.len(),
            points.len(),
            all.len(),
            chosen.len()
        );
        let queue: Mutex<VecDeque<Case>> = Mutex::new(chosen.into());
        let results: Mutex<Vec<(Case, Result<bool, String>)>> = Mutex::default();
        std::thread::scope(|scope| {
            for runner in &runners {
                let (queue, results) = (&queue, &results);
                scope.spawn(move || {
                    let mut runner = runner.lock().unwrap();
                    loop {
                        let Some(case) = queue.lock().unwrap().pop_front() else {
                            break;
                        };
                        let begun = Instant::now();
                        let result = runner.run(scenario, Some(&case));
                        let took = begun.elapsed().as_secs_f64();
                        common::tell(&format!("{result:?} {took:.1} s {}", case.name()));
                        if result.is_err() {
                            // The next case starts from nothing.
                            runner.turn = false;
                            let anew = runner.house.afresh();
                            if let Err(why) = anew {
                                eprintln!("  no fresh start: {why}");
                            }
                        }
                        results.lock().unwrap().push((case, result));
                    }
                });
            }
        });
        let results = results.into_inner().unwrap();
        let missed = results
            .iter()
            .filter(|(_, result)| *result == Ok(false))
            .count();
        let mut count = Count::of(&format!("crash matrix: {}", scenario.name())).note(&format!(
            "{} calls recorded, {changing} of them changing; reads of one kind between two changing calls count once, and as one to be killed at; {missed} points were not met again and are not counted",
            recorded.len()
        ));
        for (case, result) in results {
            match result {
                Ok(false) => {}
                Ok(true) => count.case(&case.name(), Ok(())),
                Err(why) => count.case(&case.name(), Err(why)),
            }
        }
        report.add_timed(count, begun.elapsed());
    }
    report.conclude();
}
