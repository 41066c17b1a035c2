//! One ColourStream behind a fault proxy, with neighbours that are not ours
//! and rooms that must stay.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::proxy::Proxy;
use super::world::{self, World};
use crate::common::{Stack, derive, docker, is_ready, issue, try_docker};

/// The stand-in for the call.
pub const CALL: &str = "mirotalk/sfu:2.3.77";

/// How long a world may take to be well again, in seconds, on a busy machine.
pub const BOUND: u64 = 60;

/// See the module. Dropping it takes everything away again, the proxy last.
pub struct House {
    pub stack: Stack,
    pub world: World,
    pub proxy: Proxy,
    /// Settings besides the plain ones, as they are now.
    more: String,
    /// How long it waits for the engine, where that is not the default.
    timeout: Option<&'static str>,
    /// Whether its log says why each look was made.
    talks: bool,
    /// Seconds until a world has to be well again.
    pub bound: u64,
    /// Kills that were met with a new start.
    kills: usize,
    /// The journal's last entry when the case began.
    pub journal: i64,
    pub was_killed: bool,
}

impl House {
    /// Prepares one; nothing runs yet. `base` is the first of its 100 ports.
    pub fn new(name: &str, base: u16) -> Self {
        let stack = Stack::on(name, base, |dir| {
            format!("unix://{}/engine.sock", dir.display())
        });
        let proxy = Proxy::open(&stack.dir.path().join("engine.sock"), &stack.name);
        let world = World::watch(&stack, CALL);
        let mut house = Self {
            stack,
            world,
            proxy,
            more: String::new(),
            timeout: None,
            talks: false,
            bound: BOUND,
            kills: 0,
            journal: 0,
            was_killed: false,
        };
        house.make_image("1.0.0", "");
        house.make_image("1.0.1", "LABEL version=two");
        house.settings("1.0.0", "");
        house
    }

    /// Makes a call image that is nobody else's; the same lines, the same image.
    pub fn make_image(&self, version: &str, lines: &str) {
        let own = &self.stack.name;
        derive(
            &self.call(version),
            CALL,
            &format!(
                "ENV SIM_START_DELAY_MS=100\nLABEL house={own}\n{lines}\nLABEL call={version}"
            ),
        );
    }

    /// Another call image, and settings besides.
    pub fn settings(&mut self, call: &str, more: &str) {
        let sweep = if more.contains("reconcile:") {
            ""
        } else {
            "reconcile: {sweep: 2s}\n"
        };
        let call = self.call(call);
        self.more = format!("images: {{mirotalk: \"{call}\"}}\n{sweep}{more}");
        self.write();
    }

    /// Another call image by its whole reference.
    pub fn image(&mut self, reference: &str) {
        self.more = format!("images: {{mirotalk: \"{reference}\"}}\nreconcile: {{sweep: 2s}}\n");
        self.write();
    }

    fn write(&self) {
        let text = self.stack.settings_text(&self.more);
        let address = format!("unix://{}", self.socket().display());
        let text = match self.timeout {
            Some(timeout) => text.replace(
                &format!("engine: {address}"),
                &format!("engine: {{address: '{address}', timeout: {timeout}}}"),
            ),
            None => text,
        };
        let talk = "log: {level: 'info,colourstream=debug'}\n";
        let text = text + if self.talks { talk } else { "" };
        // At once, as editors do: one that starts meanwhile reads all or nothing.
        let new = self.stack.config().with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.stack.config()).unwrap();
    }

    /// A house where answers of the engine that do not come are given up soon:
    /// in a sequence of faults several of them follow each other.
    pub fn hurried(name: &str, base: u16) -> Self {
        let mut house = Self::new(name, base);
        house.timeout = Some("10s");
        house.bound = 90;
        house.write();
        house
    }

    /// A house whose log says why each look was made.
    pub fn talkative(name: &str, base: u16) -> Self {
        let mut house = Self::new(name, base);
        house.talks = true;
        house.write();
        house
    }

    /// The reference of a call image of this house. Nobody listens there, so
    /// that an image that is missing is known to be at once.
    pub fn call(&self, version: &str) -> String {
        format!("127.0.0.1:9/{}/call:{version}", self.stack.name)
    }

    /// The first install, and two rooms that stay from now on.
    pub fn install(&mut self) -> Result<(), String> {
        self.serve();
        self.settle("the first install")?;
        self.furnish()
    }

    /// The same, or the end of the test, in words that can be read.
    #[track_caller]
    pub fn installed(&mut self) {
        good(self.install());
    }

    /// Two rooms with all that a room can have, which stay from now on.
    pub fn furnish(&mut self) -> Result<(), String> {
        let there = world::rooms(&self.stack);
        let titles: Vec<&str> = there
            .as_array()
            .ok_or("no rooms are told")?
            .iter()
            .filter_map(|room| room["title"].as_str())
            .collect();
        let missing = ["One", "Two"].map(|title| (title, titles.contains(&title)));
        for (title, _) in missing.into_iter().filter(|(_, there)| !there) {
            let passcode = format!("Kiebitz-{title}-4711");
            let made = self.stack.api(
                "POST",
                "/api/v1/rooms",
                &json!({"title": title, "passcode": passcode, "viewer_cap": 9,
                    "link": {"name": "Ann", "role": "viewer"}}),
            );
            let Some((201, made)) = made else {
                return Err(format!("no room could be made: {made:?}"));
            };
            let url = made["link"]["url"].as_str().ok_or("no link")?;
            let token = url.split_once("/j#").ok_or("no token")?.1.to_owned();
            let cookie = self.enter(&token)?;
            for secret in [passcode, token, cookie] {
                self.world.keep_secret(&secret);
            }
        }
        self.settle("two rooms")?;
        self.world.keep_rooms(&self.stack)
    }

    /// Archives a room and takes it away for good.
    pub fn remove_room(&self, id: &str) {
        let path = format!("/api/v1/rooms/{id}");
        for more in ["", "?forever=true"] {
            self.stack
                .api("DELETE", &format!("{path}{more}"), &Value::Null);
        }
    }

    /// Comes in by a link, as a browser behind Traefik; answers the session's
    /// secret.
    fn enter(&self, token: &str) -> Result<String, String> {
        let (live, https) = (self.stack.live(), self.stack.port(1));
        let body = json!({"token": token}).to_string();
        let ask = format!(
            "POST /api/v1/session/link HTTP/1.1\r\nHost: {live}\r\nOrigin: https://{live}:{https}\r\n\
             X-Forwarded-For: 192.0.2.9\r\nContent-Type: application/json\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let pages = format!("127.0.0.1:{}", self.stack.port(5));
        let mut stream = TcpStream::connect(pages).map_err(|error| error.to_string())?;
        let limited = stream.set_read_timeout(Some(Duration::from_secs(20)));
        limited.map_err(|error| error.to_string())?;
        let mut answer = String::new();
        stream
            .write_all(ask.as_bytes())
            .and_then(|()| stream.read_to_string(&mut answer))
            .map_err(|error| error.to_string())?;
        let cookie = answer
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with("set-cookie:"))
            .and_then(|line| Some(line.split_once('=')?.1.split(';').next()?.to_owned()));
        cookie.ok_or_else(|| format!("the link lets nobody in: {answer}"))
    }

    /// Starts the controller and aims the proxy at it.
    pub fn serve(&mut self) {
        self.kills = self.proxy.kills();
        self.stack.serve();
        if let Some(pid) = self.stack.pid() {
            self.proxy.aim(pid);
        }
    }

    /// Starts it again if it was killed. A kill that was taken and did not
    /// strike yet is waited for; one that never does is no case.
    pub fn revive(&mut self) -> Result<(), String> {
        if self.proxy.kills() > self.kills {
            let until = Instant::now() + Duration::from_secs(60);
            while !self.stack.has_ended() {
                if Instant::now() > until {
                    return Err("a kill was taken and did not strike within a minute".to_owned());
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            self.was_killed = true;
        }
        if self.stack.has_ended() {
            self.stack.kill();
            self.serve();
        }
        Ok(())
    }

    /// Meanwhile: who was killed starts again; who ended otherwise is told.
    fn lives_on(&mut self) -> Result<(), String> {
        match self.stack.end() {
            Some(end) if end.signal() == Some(9) => {
                self.was_killed = true;
                self.revive()
            }
            Some(end) => Err(format!("it ended by itself: {end}\n{}", self.stack.log())),
            None => Ok(()),
        }
    }

    /// From here on counts what the next case does.
    pub fn begin(&mut self) {
        self.journal = world::journal(&self.stack, 0)
            .last()
            .map_or(0, |(id, ..)| *id);
        self.proxy.reset(self.stack.pid());
        self.world.begin();
        self.was_killed = false;
    }

    /// The status, if somebody answers.
    pub fn status(&self) -> Option<Value> {
        self.stack.status()
    }

    /// Waits for the status to be as it should be.
    pub fn until(
        &mut self,
        what: &str,
        seconds: u64,
        mut good: impl FnMut(&Value) -> bool,
    ) -> Result<Value, String> {
        let until = Instant::now() + Duration::from_secs(seconds);
        loop {
            self.lives_on()?;
            let status = self.status();
            if let Some(status) = status.as_ref().filter(|status| good(status)) {
                return Ok(status.clone());
            }
            if Instant::now() > until {
                let log = self.stack.log();
                let tail: Vec<&str> = log.lines().rev().take(25).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                let said = status.map_or_else(
                    || "no answer".to_owned(),
                    |status| {
                        let services: Vec<String> = status["services"]
                            .as_array()
                            .into_iter()
                            .flatten()
                            .map(|one| {
                                format!(
                                    "{} {} {} current {}: {}",
                                    one["role"],
                                    one["running"],
                                    one["health"],
                                    one["current"],
                                    one["why"]
                                )
                            })
                            .collect();
                        format!(
                            "{} plan {} issues {} services {services:#?}",
                            status["summary"], status["plan"], status["issues"]
                        )
                    },
                );
                return Err(format!(
                    "not within {seconds} s: {what}\n{said}\nasked of the engine and not answered: {:?}\n{}",
                    self.proxy.unanswered(),
                    tail.join("\n")
                ));
            }
            std::thread::sleep(Duration::from_millis(60));
        }
    }

    /// Waits until all is as wanted by the controller's own word.
    pub fn ready(&mut self, what: &str) -> Result<(), String> {
        self.until(what, self.bound, is_ready).map(drop)
    }

    /// The same, and a second look of somebody else finds nothing to do, and
    /// there is nothing but the three.
    pub fn settle(&mut self, what: &str) -> Result<(), String> {
        self.settle_with(what, &|_| true, &[])
    }

    /// The same with more that has to hold, and containers that may be kept.
    pub fn settle_with(
        &mut self,
        what: &str,
        goal: &dyn Fn(&House) -> bool,
        kept: &[&str],
    ) -> Result<(), String> {
        let until = Instant::now() + Duration::from_secs(self.bound);
        loop {
            self.ready(what)?;
            let plan = self.stack.run(&["plan", "--detailed-exitcode"]);
            let reached = goal(self);
            if plan.code == 0 && reached {
                break;
            }
            if Instant::now() > until {
                return Err(format!(
                    "{what}: goal reached {reached}, plan {}: {}{}",
                    plan.code, plan.out, plan.err
                ));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        self.only_three(kept)
    }

    /// Each role once, running, and nothing beside them.
    pub fn only_three(&self, kept: &[&str]) -> Result<(), String> {
        let mut found = world::containers(&self.stack.name);
        // What is just being removed has no name any more.
        let until = Instant::now() + Duration::from_secs(20);
        while found.values().any(|state| state == "removing") && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
            found = world::containers(&self.stack.name);
        }
        for name in kept {
            found.remove(&self.stack.of(name));
        }
        let names: Vec<&String> = found.keys().collect();
        let mut wanted: Vec<String> = crate::common::ROLES
            .iter()
            .map(|role| self.stack.of(role))
            .collect();
        wanted.sort();
        if names != wanted.iter().collect::<Vec<_>>()
            || found.values().any(|state| state != "running")
        {
            return Err(format!("there are {found:?}"));
        }
        Ok(())
    }

    /// Whether anything was changed since the case began: a call to the engine
    /// that it carried out, or a step in the journal.
    pub fn did_something(&self) -> bool {
        let changed = |call: &super::proxy::Call| {
            call.watched && call.changes && call.status.is_some_and(|status| status < 300)
        };
        self.proxy.calls().iter().any(changed)
            || !world::journal(&self.stack, self.journal).is_empty()
    }

    /// What holds in every world, since the case began.
    pub fn check(&mut self) -> Result<(), String> {
        self.world
            .check(&self.stack, &self.proxy, self.journal, self.was_killed)
    }

    /// Takes away what is on the engine without asking the product, and if
    /// told so the state folder.
    pub fn wipe(&mut self, state: bool) {
        self.stack.kill();
        for name in world::containers(&self.stack.name).keys() {
            try_docker(&["rm", "-f", "-v", name]);
        }
        try_docker(&["network", "rm", &self.stack.name]);
        let label = format!("label=org.colourstream.instance={}", self.stack.name);
        for name in docker(&["volume", "ls", "-q", "--filter", &label]).lines() {
            try_docker(&["volume", "rm", "-f", name]);
        }
        if state {
            let _gone = std::fs::remove_dir_all(self.stack.state());
            self.world.forget_rooms();
        }
    }

    /// Everything anew: nothing on the engine, no state, then an install.
    pub fn afresh(&mut self) -> Result<(), String> {
        self.proxy.disarm();
        self.wipe(true);
        self.make_image("1.0.0", "");
        self.settings("1.0.0", "");
        self.install()
    }

    /// Waits until the world was looked at once more, from now on.
    pub fn a_look(&mut self) -> Result<(), String> {
        let looks = |status: &Value| status["reconcile"].as_u64().unwrap_or_default();
        let before = self
            .until("a status", BOUND, |_| true)
            .map(|status| looks(&status))?;
        // One may be under way that began before.
        self.until("a look", BOUND, |status| looks(status) > before + 1)
            .map(drop)
    }

    /// The proxy's socket.
    pub fn socket(&self) -> std::path::PathBuf {
        self.stack.dir.path().join("engine.sock")
    }

    /// Waits two seconds for the engine instead of a minute, or no longer; the
    /// controller is started anew for it.
    pub fn impatient(&mut self, yes: bool) -> Result<(), String> {
        self.stack.kill();
        self.timeout = yes.then_some("2s");
        self.write();
        self.serve();
        self.settle("started anew")
    }

    /// Waits until it is so many milliseconds to the next look, by the
    /// controller's own word; answers when that is.
    pub fn rests(&mut self, left: std::ops::Range<i128>) -> Result<jiff::Timestamp, String> {
        let next = |status: &Value| -> Option<jiff::Timestamp> {
            let next: jiff::Timestamp = status["next"].as_str()?.parse().ok()?;
            let now = jiff::Timestamp::now();
            left.contains(&next.duration_since(now).as_millis())
                .then_some(next)
        };
        let mut found = None;
        self.until(&format!("the next look in {left:?} ms"), BOUND, |status| {
            found = next(status).filter(|_| is_ready(status));
            found.is_some()
        })?;
        found.ok_or_else(|| "no next look".to_owned())
    }

    /// Bytes of memory the controller has.
    pub fn memory(&self) -> Result<u64, String> {
        let pid = self.stack.pid().ok_or("it does not run")?;
        let text = std::fs::read_to_string(format!("/proc/{pid}/status"))
            .map_err(|error| error.to_string())?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kilobytes
            .map(|kilobytes| kilobytes * 1024)
            .ok_or_else(|| "no figure of memory".to_owned())
    }

    /// Whether the issue is told.
    pub fn tells(&self, code: &str) -> bool {
        self.status()
            .is_some_and(|status| issue(&status, code).is_some())
    }
}

/// What has to go well, or the end of the test: in the words as they are, line
/// by line, of which the last often say most.
#[track_caller]
pub fn good(result: Result<(), String>) {
    if let Err(why) = result {
        panic!("{why}");
    }
}

/// Whether an issue of this name is open.
pub fn told(status: &Value, code: &str) -> bool {
    issue(status, code).is_some()
}
