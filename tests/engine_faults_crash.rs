//! The crash matrix: what the controller asks the engine in the course of an
//! install, a change, a rollback, a heal, of edits to rooms and of `down` is
//! recorded, and then done again once for every call and every way to go wrong
//! at it: killed before it, killed after it, its answer lost.
//!
//! The same read between two changing calls is one point however often it is
//! made: nothing changed between, so what it finds is the same. Who loses its
//! answer knows less than before, in a way that depends on what was asked: that
//! is a case for each. Who is killed knows nothing afterwards, whatever it read:
//! it is one case to be killed before any read there, and one to be killed
//! after. Edits to rooms change nothing on the engine: there every look is a
//! point of its own.

#![expect(clippy::unwrap_used, clippy::print_stderr)]

mod common;
mod faults;

use std::collections::{BTreeSet, VecDeque};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use common::{docker, issue, try_docker};
use faults::house::{House, good};
use faults::proxy::{Call, Fault, Which};
use faults::registry::{Registry, push};
use faults::report::{Count, Report, is_full};
use faults::rng::{Rng, seed};
use serde_json::{Value, json};

/// Houses side by side: the engine and two cores are busy then.
const HOUSES: usize = 3;
/// Cases of each scenario in a sample.
const SAMPLE: usize = 1;
/// The port of the registry that images are pulled from.
const REGISTRY: u16 = 30_250;
/// Points of a scenario that may not come again: lanes run side by side.
const MISSED: usize = 2;

/// What is done at a call.
const FAULTS: [Fault; 3] = [Fault::KillBefore, Fault::KillAfter, Fault::LoseAnswer];

/// What is done while things go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    Install,
    Settings,
    Static,
    Image,
    Pull,
    Rollback,
    Heal,
    Rooms,
    Uninstall,
}

impl Scenario {
    const ALL: [Self; 9] = [
        Self::Install,
        Self::Settings,
        Self::Static,
        Self::Image,
        Self::Pull,
        Self::Rollback,
        Self::Heal,
        Self::Rooms,
        Self::Uninstall,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Install => "first install",
            Self::Settings => "settings change",
            Self::Static => "settings change that Traefik reads once",
            Self::Image => "image change",
            Self::Pull => "image change with a pull",
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
fn points(calls: &[Call], scenario: Scenario) -> Vec<Which> {
    let mut seen = BTreeSet::new();
    let mut points = Vec::new();
    for call in calls {
        // The stream of events has cases of its own.
        if call.kind() == "events" || !call.watched {
            continue;
        }
        let is_look = scenario == Scenario::Rooms && call.point.starts_with("GET /containers/json");
        if call.changes || is_look {
            points.push(Which::Call(call.point.clone(), call.nth));
        } else if seen.insert((call.behind.clone(), call.point.clone())) {
            points.push(Which::ReadBehind(call.behind.clone(), call.point.clone()));
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
            _ => FAULTS.to_vec(),
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
    /// How many images that do not start were made.
    broken: usize,
    /// Two references of images in the registry, of this house alone.
    pulled: [String; 2],
    /// The calls of the scenario that ran last, without what came after it.
    heard: Vec<Call>,
    /// Whether the fault was done, where the proxy was reset since.
    met: bool,
}

const SETTINGS: [&str; 2] = ["", "profiles: [{name: live, audio_bitrate: 96k}]\n"];
/// What stands in the file that Traefik reads at its start.
const STATIC: [&str; 2] = ["", "trusted_proxies: [10.0.0.0/8]\n"];

impl Runner {
    fn new(number: usize) -> Result<Self, String> {
        let base = 21_000 + u16::try_from(number).unwrap() * 100;
        let mut house = House::new(&format!("crash{number}"), base);
        house.install()?;
        let pulled =
            ["one", "two"].map(|tag| format!("127.0.0.1:{REGISTRY}/crash{number}/call:{tag}"));
        Ok(Self {
            house,
            turn: false,
            broken: 0,
            pulled,
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
                self.house.revive()?;
                self.house.settle("something to take away")?;
                self.house.stack.kill();
            }
            _ => {
                self.house.revive()?;
                self.house.settle("a good start")?;
            }
        }
        Ok(())
    }

    fn perform(&mut self, scenario: Scenario, case: Option<&Case>) -> Result<(), String> {
        match scenario {
            Scenario::Install => {
                self.house.serve();
                let three = |house: &House| house.only_three(&[]).is_ok();
                self.survive(case, "the install", &three, &[])
            }
            Scenario::Settings => {
                self.turn = !self.turn;
                let before = id_of(&self.house, "ovenmediaengine");
                self.house
                    .settings("1.0.0", SETTINGS[usize::from(self.turn)]);
                let goal = move |house: &House| id_of(house, "ovenmediaengine") != before;
                self.survive(case, "the new settings", &goal, &[])
            }
            Scenario::Static => {
                self.turn = !self.turn;
                let before = id_of(&self.house, "traefik");
                self.house.settings("1.0.0", STATIC[usize::from(self.turn)]);
                let goal = move |house: &House| id_of(house, "traefik") != before;
                self.survive(case, "the new static file", &goal, &[])
            }
            Scenario::Pull => {
                self.turn = !self.turn;
                let [one, two] = &self.pulled;
                let (wanted, other) = if self.turn { (two, one) } else { (one, two) };
                let (wanted, other) = (wanted.clone(), other.clone());
                self.house.image(&wanted);
                let goal = move |house: &House| {
                    house
                        .status()
                        .is_some_and(|status| status["services"][2]["image"] == wanted.as_str())
                };
                self.survive(case, "the pulled image", &goal, &[])?;
                // To be pulled again, the next time: all of it, for one that was
                // pulled by its digest keeps that when its tag goes.
                let (repository, _) = other.rsplit_once(':').unwrap();
                let all = docker(&["images", "-q", "--no-trunc", repository]);
                let used = docker(&[
                    "inspect",
                    "--format",
                    "{{.Image}}",
                    &self.house.stack.of("mirotalk"),
                ]);
                for id in all.lines().filter(|id| *id != used) {
                    try_docker(&["rmi", "-f", id]);
                }
                Ok(())
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
                // All at once: what it would do between two removals differs
                // from time to time.
                self.house.stack.while_it_sleeps(|| {
                    docker(&arguments);
                });
                let three = |house: &House| house.only_three(&[]).is_ok();
                self.survive(case, "healed", &three, &[])
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
        self.meet(case, &|house, status| {
            common::is_ready(status) && goal(house)
        })?;
        self.house.settle_with(what, goal, kept)?;
        self.heard = self.house.proxy.calls();
        self.house.check()
    }

    /// Waits for the fault, and for the end of who was killed by it. What was
    /// not met when all has been done for a while, is not met at all.
    fn meet(
        &mut self,
        case: Option<&Case>,
        is_done: &dyn Fn(&House, &Value) -> bool,
    ) -> Result<(), String> {
        let Some(case) = case else { return Ok(()) };
        let house = &mut self.house;
        let begun = Instant::now();
        let mut quiet: Option<Instant> = None;
        while house.proxy.fired() == 0 && begun.elapsed() < Duration::from_secs(60) {
            let rests = house.status().is_some_and(|status| is_done(house, &status));
            if !rests {
                quiet = None;
            } else if quiet.get_or_insert_with(Instant::now).elapsed() > Duration::from_millis(2500)
            {
                break;
            }
            if house.stack.has_ended() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        if case.fault != Fault::LoseAnswer && house.proxy.fired() > 0 {
            // Killed after: when the engine has done it.
            house.revive()?;
        }
        house.proxy.disarm();
        Ok(())
    }

    /// An image that dies: the old container comes back and runs on.
    fn roll_back(&mut self, case: Option<&Case>) -> Result<(), String> {
        let before = id_of(&self.house, "mirotalk");
        // One that nobody knows yet: what failed once is not tried again so soon.
        self.broken += 1;
        let broken = format!("broken-{}", self.broken);
        self.house.make_image(&broken, "ENV SIM_FAULT=die");
        self.house.settings(&broken, "");
        let told = |status: &Value| {
            issue(status, "replacement-failed").is_some()
                && status["services"][2]["health"] == "healthy"
        };
        self.meet(case, &|_, status| told(status))?;
        self.house
            .until("the old one is back", faults::house::BOUND, told)?;
        self.heard = self.house.proxy.calls();
        if id_of(&self.house, "mirotalk") != before {
            return Err("another container than before came back".to_owned());
        }
        self.house.only_three(&["mirotalk.failed"])?;
        self.house.check()?;
        self.house.settings("1.0.0", "");
        self.house.settle("the good image again")?;
        try_docker(&["rmi", "-f", &self.house.call(&broken)]);
        self.house.check()
    }

    /// Each kind of edit, one after another until one is not answered; what was
    /// answered holds, and of the one that was not either all or nothing.
    fn edit_rooms(&mut self, case: Option<&Case>) -> Result<(), String> {
        let before = self.house.stack.runs();
        let edits = self.edits();
        // Those that end with the edits, too.
        for secret in &edits.secrets {
            self.house.world.keep_secret(secret);
        }
        self.meet(case, &|_, status| common::is_ready(status))?;
        self.house.settle("the rooms are in force")?;
        self.heard = self.house.proxy.calls();
        if self.house.stack.runs() != before {
            return Err("a room edit restarted something".to_owned());
        }
        let story = edits.told();
        edits
            .are_kept(&self.house)
            .map_err(|why| format!("{why}\nafter {story}"))?;
        if case.is_none() && edits.answered < EDITS.len() {
            return Err(format!("not every edit was answered: {story}"));
        }
        // Whatever came of it, away with it.
        let rooms = faults::world::rooms(&self.house.stack);
        for room in rooms.as_array().into_iter().flatten() {
            if !matches!(room["title"].as_str(), Some("One" | "Two")) {
                self.house.remove_room(room["id"].as_str().unwrap());
            }
        }
        if let Some(id) = &edits.id {
            // An archived one is in no list.
            self.house.remove_room(id);
        }
        self.house.settle("the rooms as before")?;
        self.house.check()
    }

    /// Makes the edits, each seen by a look of its own, until one is not answered.
    fn edits(&mut self) -> Edits {
        let mut edits = Edits::default();
        for edit in EDITS {
            let stack = &self.house.stack;
            let path = format!("/api/v1/rooms{}", edits.path(edit));
            let said = stack.api(edit.method, &path, &edit.body());
            edits.tried += 1;
            match said {
                Some((status @ 200..=299, answer)) => {
                    edits.take(edit, status, &answer);
                    let key = edits.key_of(stack);
                    edits.secrets.extend(key.clone());
                    if edit.more == "/rotate-key" {
                        edits.key = key;
                    }
                }
                other => {
                    edits.last_words = format!("{other:?}");
                    break;
                }
            }
            let looks = |status: &Value| status["reconcile"].as_u64();
            let now = stack.status().as_ref().and_then(looks);
            let until = Instant::now() + Duration::from_millis(700);
            while Instant::now() < until
                && !self.house.stack.has_ended()
                && self.house.stack.status().as_ref().and_then(looks) == now
            {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        edits
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
        let killed = matches!(
            case.map(|case| &case.fault),
            Some(Fault::KillBefore | Fault::KillAfter)
        );
        if fired && killed != self.house.was_killed {
            return Err(format!(
                "to be killed: {killed}, and it ended with {status}"
            ));
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

/// What a person does to one room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Edit {
    method: &'static str,
    /// Behind the room's own path.
    more: &'static str,
}

impl Edit {
    fn body(self) -> Value {
        match (self.method, self.more) {
            ("POST", "") => json!({"title": "Three"}),
            ("PATCH", _) => json!({"title": "Third", "viewer_cap": 3}),
            ("POST", "/links") => json!({"name": "Bea", "role": "viewer"}),
            ("DELETE", _) => Value::Null,
            _ => json!({}),
        }
    }
}

const fn edit(method: &'static str, more: &'static str) -> Edit {
    Edit { method, more }
}

const EDITS: [Edit; 11] = [
    edit("POST", ""),
    edit("PATCH", ""),
    edit("POST", "/close"),
    edit("POST", "/open"),
    edit("POST", "/rotate-key"),
    edit("POST", "/links"),
    edit("POST", "/rotate-stream"),
    edit("DELETE", "/links/"),
    edit("POST", "/close"),
    edit("DELETE", ""),
    edit("POST", "/restore"),
];

/// What was answered to the edits, and what that means for the room.
#[derive(Default)]
struct Edits {
    tried: usize,
    answered: usize,
    id: Option<String>,
    link: Option<String>,
    /// What was said last of the stream and of the key.
    stream: Option<String>,
    key: Option<String>,
    /// Keys and links, those that were replaced included.
    secrets: Vec<String>,
    last_words: String,
}

impl Edits {
    fn path(&self, edit: Edit) -> String {
        let id = self.id.as_deref().map(|id| format!("/{id}"));
        let link = match edit.more {
            "/links/" => self.link.as_deref().unwrap_or_default(),
            _ => "",
        };
        format!("{}{}{link}", id.unwrap_or_default(), edit.more)
    }

    fn take(&mut self, edit: Edit, status: u16, answer: &Value) {
        self.answered += 1;
        match (edit.method, edit.more, status) {
            ("POST", "", 201) => self.id = answer["room"]["id"].as_str().map(str::to_owned),
            ("POST", "/links", 201) => {
                self.link = answer["id"].as_str().map(str::to_owned);
                let url = answer["url"].as_str().unwrap_or_default();
                self.secrets
                    .extend(url.split_once("/j#").map(|(_, token)| token.to_owned()));
            }
            _ => {}
        }
        let room = if answer["room"].is_object() {
            &answer["room"]
        } else {
            answer
        };
        if let Some(stream) = room["stream"].as_str() {
            self.stream = Some(stream.to_owned());
        }
    }

    fn told(&self) -> String {
        let edits = EDITS[..self.tried].iter();
        let edits: Vec<String> = edits
            .map(|edit| format!("{} {}", edit.method, edit.more))
            .collect();
        format!(
            "{} of {} answered: {}; then {}",
            self.answered,
            EDITS.len(),
            edits.join(", "),
            self.last_words
        )
    }

    /// The room as the first so many edits make it, as far as it can be told.
    fn meant(count: usize) -> Value {
        let mut room = Value::Null;
        for edit in &EDITS[..count] {
            match (edit.method, edit.more) {
                ("POST", "") => {
                    room = json!({"title": "Three", "cap": null, "closed": false,
                        "archived": false, "links": [], "route": true});
                }
                ("PATCH", _) => {
                    room["title"] = "Third".into();
                    room["cap"] = 3.into();
                }
                (_, "/close") => room["closed"] = true.into(),
                (_, "/open") => room["closed"] = false.into(),
                (_, "/rotate-key") => {}
                (_, "/links") => room["links"] = json!([false]),
                // Another stream takes every link back.
                (_, "/links/" | "/rotate-stream") => room["links"] = json!([true]),
                ("DELETE", _) => room["archived"] = true.into(),
                (_, "/restore") => room["archived"] = false.into(),
                other => unreachable!("{other:?}"),
            }
            let open = room["closed"] == false && room["archived"] == false;
            room["route"] = open.into();
        }
        room
    }

    /// The room as it is; keys and streams are counted by who saw the first.
    fn are_kept(&self, house: &House) -> Result<(), String> {
        let stack = &house.stack;
        let all = [
            stack.get("/api/v1/rooms?limit=200"),
            stack.get("/api/v1/rooms?archived=true&limit=200"),
        ];
        let room = all
            .iter()
            .flat_map(|page| page["items"].as_array().into_iter().flatten())
            .find(|room| match &self.id {
                Some(id) => room["id"] == id.as_str(),
                None => room["title"] == "Three",
            });
        let Some(room) = room else {
            return if self.answered == 0 {
                Ok(())
            } else {
                Err("the room was answered and is lost".to_owned())
            };
        };
        let path = format!("/api/v1/rooms/{}", room["id"].as_str().unwrap());
        let links: Vec<Value> = stack.get(&format!("{path}/links"))["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|link| link["revoked"].clone())
            .collect();
        let stream = room["stream"].as_str().unwrap();
        let routes = std::fs::read_to_string(stack.rendered("traefik/dynamic/colourstream.yml"));
        let is = json!({"title": room["title"], "cap": room["viewer_cap"],
            "closed": room["closed"], "archived": room["archived"], "links": links,
            "route": routes.unwrap_or_default().contains(stream)});
        // As after the last that was answered, or after the one that was not.
        let allowed: Vec<Value> = (self.answered..=self.tried).map(Self::meant).collect();
        if !allowed.contains(&is) {
            return Err(format!("the room is {is}, not one of {allowed:?}"));
        }
        // Shutting and opening a room gives it another stream, too.
        let open = &EDITS[self.answered..self.tried];
        if open
            .iter()
            .all(|edit| edit.more.contains("key") || edit.more.contains("links"))
            && self.stream.as_deref() != Some(stream)
        {
            return Err(format!("its stream is {stream}, not {:?}", self.stream));
        }
        let key = self.key_of(stack);
        if self.key.is_some() && key != self.key {
            return Err("its key is another than the one that was answered".to_owned());
        }
        Ok(())
    }

    fn key_of(&self, stack: &common::Stack) -> Option<String> {
        let path = format!("/api/v1/rooms/{}/ingest", self.id.as_deref()?);
        match stack.api("GET", &path, &Value::Null) {
            Some((200, ingest)) => ingest["key"].as_str().map(str::to_owned),
            _ => None,
        }
    }
}

fn id_of(house: &House, role: &str) -> String {
    try_docker(&["inspect", "--format", "{{.Id}}", &house.stack.of(role)]).out
}

/// Scenarios that are asked for; by default all of a full run, and of a sample
/// those that are not another way of one that is there.
fn asked(scenario: Scenario) -> bool {
    let asked = std::env::var("COLOURSTREAM_SCENARIO");
    match asked.ok().filter(|only| !only.is_empty()) {
        Some(only) => scenario.name().contains(&only),
        None => is_full() || !matches!(scenario, Scenario::Static | Scenario::Pull),
    }
}

#[test]
fn killed_or_unanswered_at_any_call_it_comes_out_right() {
    let mut report = Report::new("crash-matrix");
    // A sample has one case at a time: a second house would stand empty.
    let houses = if is_full() { HOUSES } else { 1 };
    let runners: Vec<Mutex<Runner>> = std::thread::scope(|scope| {
        let made: Vec<_> = (0..houses)
            .map(|number| scope.spawn(move || Runner::new(number)))
            .collect();
        made.into_iter()
            .map(|one| Mutex::new(one.join().unwrap().unwrap()))
            .collect()
    });
    let folder = tempfile::tempdir().unwrap();
    let _registry = Registry::start(folder.path(), REGISTRY);
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
            runner.house.revive().unwrap();
            good(runner.house.settle("a good start"));
            if scenario == Scenario::Pull {
                for reference in &runner.pulled {
                    push(reference, 256 << 10);
                }
            }
            // Rooms to be left alone, which a first install has not.
            runner.house.furnish().unwrap();
        }
        let recorded = {
            let mut first = runners[0].lock().unwrap();
            first.run(scenario, None).unwrap();
            first.heard.clone()
        };
        let points = points(&recorded, scenario);
        let all = cases(&points);
        // Of a sample the rest follows: for a point that is not met again
        // another one is taken. Each fault has its turn, and so has the point
        // of a change and that of a read.
        let (chosen, rest) = if is_full() {
            (all.clone(), Vec::new())
        } else {
            let turn = scenario as usize;
            let fault = FAULTS[turn % FAULTS.len()].clone();
            let reads = turn % 2 == 1;
            let mut drawn = rng.shuffled(all.clone());
            drawn.sort_by_key(|case| {
                let is_read = matches!(case.which, Which::ReadBehind(..));
                (case.fault != fault, is_read != reads)
            });
            let mut rest = drawn.split_off(SAMPLE.min(drawn.len()));
            rest.reverse();
            (drawn, rest)
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
        let rest: Mutex<Vec<Case>> = Mutex::new(rest);
        let results: Mutex<Vec<(Case, Result<bool, String>)>> = Mutex::default();
        std::thread::scope(|scope| {
            for runner in &runners {
                let (queue, rest, results) = (&queue, &rest, &results);
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
                            for reference in &runner.pulled {
                                try_docker(&["rmi", "-f", reference]);
                            }
                            if let Err(why) = anew {
                                eprintln!("  no fresh start: {why}");
                            }
                        }
                        let mut results = results.lock().unwrap();
                        results.push((case, result));
                        if results
                            .last()
                            .is_some_and(|(_, result)| *result == Ok(false))
                            && results.len() <= MISSED
                        {
                            queue.lock().unwrap().extend(rest.lock().unwrap().pop());
                        }
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
            "{} calls recorded, {changing} of them changing; the answer to each read is lost, of the same read between two changing calls once; there it is one case to be killed before a read and one after; {}{}",
            recorded.len(),
            match scenario {
                Scenario::Install => "there are no rooms yet",
                _ => "two rooms with their links and keys are untouched by it",
            },
            match missed {
                0 => String::new(),
                missed => format!("; {missed} points were not met again and are not counted"),
            }
        ));
        for (case, result) in results {
            match result {
                Ok(false) if missed > MISSED => {
                    count.case(&case.name(), Err("its point was not met".to_owned()));
                }
                Ok(false) => {}
                Ok(true) => count.case(&case.name(), Ok(())),
                Err(why) => count.case(&case.name(), Err(why)),
            }
        }
        report.add_timed(count, begun.elapsed());
    }
    report.conclude();
}
