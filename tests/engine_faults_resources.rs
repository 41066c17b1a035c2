//! What a machine can run out of: ports, disk, rights, file handles, memory.
//! Each is named while it lasts, nothing that runs is touched, and all is well
//! again once there is room. (A clock that is set a day back or ahead is a case
//! of its own, where the clock is an argument: `src/reconcile/tests.rs`.)

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;
mod faults;

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{docker, issue, try_docker};
use faults::house::{BOUND, CALL, House, good, told};
use faults::report::{Count, Report, is_full};
use faults::rng::{Rng, seed};
use serde_json::{Value, json};

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// A house whose state folder is a small file system of its own.
struct Small {
    house: Option<House>,
    state: PathBuf,
}

impl Small {
    fn new(name: &str, base: u16) -> Result<Self, String> {
        let house = House::new(name, base);
        let state = house.stack.state();
        std::fs::create_dir_all(&state).unwrap();
        let small = Self {
            house: Some(house),
            state,
        };
        small.mount(&["-t", "tmpfs", "-o", "size=12m,mode=0755", "tmpfs"])?;
        Ok(small)
    }

    fn mount(&self, arguments: &[&str]) -> Result<(), String> {
        let said = Command::new("mount")
            .args(arguments)
            .arg(&self.state)
            .output();
        let said = said.map_err(|error| error.to_string())?;
        if said.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&said.stderr).into_owned())
        }
    }

    fn house(&mut self) -> &mut House {
        self.house.as_mut().unwrap()
    }

    /// Leaves so many bytes free.
    fn fill(&self, free: u64) {
        let file = std::fs::File::create(self.state.join("ballast")).unwrap();
        let space = rustix::fs::statvfs(&self.state).unwrap();
        let have = space.f_bavail * space.f_frsize;
        let mut file = std::io::BufWriter::with_capacity(4096, file);
        let page = [0; 4096];
        for _ in 0..have.saturating_sub(free) / 4096 {
            if file.write_all(&page).is_err() {
                break;
            }
        }
    }

    fn free(&self) {
        let _gone = std::fs::remove_file(self.state.join("ballast"));
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        if let Some(mut house) = self.house.take() {
            house.stack.kill();
            self.free();
            let _writable = self.mount(&["-o", "remount,rw"]);
            house.stack.run(&["down", "--volumes", "--yes"]);
            let _gone = Command::new("umount").arg("-l").arg(&self.state).status();
        }
    }
}

/// A port that others have: named, then free again.
fn port_taken(house: &mut House, by_container: bool) -> Result<(), String> {
    house.settle("a good start")?;
    house.begin();
    let port = house.stack.port(1);
    let holder = format!("{}-holder", house.stack.name);
    let traefik = house.stack.of("traefik");
    let mut process = None;
    house.stack.while_it_sleeps(|| {
        try_docker(&["rm", "-f", &traefik]);
        if by_container {
            docker(&[
                "run",
                "-d",
                "--name",
                &holder,
                "-e",
                "SIM_FAULT=hang",
                "-p",
                &format!("127.0.0.1:{port}:3010"),
                CALL,
            ]);
        } else {
            process = Some(TcpListener::bind(("127.0.0.1", port)).unwrap());
        }
    });
    let status = house.until("the port is named", BOUND, |status| {
        told(status, "port-taken")
    })?;
    let said = issue(&status, "port-taken").unwrap().to_string();
    let who = if by_container {
        holder.clone()
    } else {
        format!("(process {})", std::process::id())
    };
    let named = said.contains(&port.to_string()) && said.contains(&who);
    drop(process);
    try_docker(&["rm", "-f", &holder]);
    if !named {
        return Err(format!("it says {said}"));
    }
    house.settle("the port is free")?;
    house.check()
}

/// A running service fills its memory up to its limit, and the kernel ends it.
fn memory_limit(house: &mut House) -> Result<(), String> {
    house.settle("a good start")?;
    house.make_image("eats", "ENV SIM_FAULT=eat");
    house.settings("eats", "");
    house.settle("one that eats when told")?;
    house.begin();
    let name = house.stack.of("mirotalk");
    let path = format!("/containers/{name}/json");
    let before = faults::world::ask(&path)["State"]["StartedAt"].clone();
    let told = try_docker(&["kill", "-s", "USR1", &name]);
    if told.code != 0 {
        return Err(told.err);
    }
    // Between its end and its next start the engine says why.
    let begun = Instant::now();
    while faults::world::ask(&path)["State"]["OOMKilled"] != true {
        if begun.elapsed() > Duration::from_secs(BOUND) {
            return Err("it did not end at its limit".to_owned());
        }
        pause(2);
    }
    house.a_look()?;
    house.settle("within its limit again")?;
    if faults::world::ask(&path)["State"]["StartedAt"] == before {
        return Err("it was not started again".to_owned());
    }
    house.check()?;
    house.settings("1.0.0", "");
    house.settle("the good image again")?;
    try_docker(&["rmi", "-f", &house.call("eats")]);
    house.check()
}

/// Not one more file can be opened by the controller.
fn no_file_handles(house: &mut House) -> Result<(), String> {
    house.settle("a good start")?;
    house.begin();
    let pid = house.stack.pid().ok_or("it does not run")?;
    let limit = |soft: &str| {
        let said = Command::new("prlimit")
            .args(["--pid", &pid.to_string(), &format!("--nofile={soft}:")])
            .status();
        said.is_ok_and(|status| status.success())
    };
    let open = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .map_err(|error| error.to_string())?
        .count();
    let log = house.stack.log().len();
    if !limit(&(open + 1).to_string()) {
        return Err("its limit cannot be lowered".to_owned());
    }
    // And visitors take what is left.
    let pages = format!("127.0.0.1:{}", house.stack.port(5));
    let visitors: Vec<_> = (0..50)
        .filter_map(|_| TcpStream::connect(&pages).ok())
        .collect();
    // What needs no file may be mended by the connection it has to the engine;
    // a file needs one.
    try_docker(&["rm", "-f", &house.stack.of("mirotalk")]);
    let file = house.stack.rendered("traefik/dynamic/colourstream.yml");
    std::fs::remove_file(&file).map_err(|error| error.to_string())?;
    pause(6_000);
    let in_six_seconds = house.stack.log().len() - log;
    // Six seconds are three sweeps, but not on every machine.
    let until = Instant::now() + Duration::from_secs(BOUND);
    let mut new = String::new();
    while !new.to_lowercase().contains("too many open files")
        && !house.stack.has_ended()
        && Instant::now() < until
    {
        house
            .stack
            .log()
            .get(log..)
            .unwrap_or_default()
            .clone_into(&mut new);
        pause(100);
    }
    let ended = house.stack.has_ended();
    let mended = file.exists();
    limit("1024");
    drop(visitors);
    if ended {
        return Err("it ended".to_owned());
    }
    if in_six_seconds > 200_000 {
        return Err(format!(
            "it wrote {in_six_seconds} bytes into its log in six seconds"
        ));
    }
    if mended || !new.to_lowercase().contains("too many open files") {
        return Err(format!(
            "mended {mended} without handles, and it said {new}"
        ));
    }
    house.settle("handles again")?;
    house.check()
}

/// What a person does while the disk is full: a change of the settings and a
/// new room. All of it is done, or something names why not; whatever was
/// answered holds.
fn edits_on_a_full_disk(small: &mut Small, free: u64, turn: bool) -> Result<(), String> {
    let house = small.house();
    house.settle("a good start")?;
    house.begin();
    let rooms = faults::world::rooms(&house.stack);
    let before = house.stack.runs();
    let media_before = before["ovenmediaengine"].clone();
    small.fill(free);
    let house = small.house();
    house.settings(
        "1.0.0",
        if turn {
            "profiles: [{name: live, audio_bitrate: 96k}]\n"
        } else {
            ""
        },
    );
    let made = house
        .stack
        .api("POST", "/api/v1/rooms", &json!({"title": "On a full disk"}));
    let media = house.stack.of("ovenmediaengine");
    let is_new = move || {
        let id = try_docker(&["inspect", "--format", "{{.Id}}", &media]);
        id.code == 0 && !media_before.starts_with(id.out.trim())
    };
    let room_made = matches!(made, Some((201, _)));
    let named = house.until("taken up or named", BOUND, |status| {
        let named = told(status, "state-unwritable") || told(status, "store-failed");
        // With nothing free there is nothing that could have been done.
        named || free > 0 && room_made && common::is_ready(status) && is_new()
    });
    pause(1_000);
    let after = house.stack.runs();
    small.free();
    named?;
    let house = small.house();
    if (&after["traefik"], &after["mirotalk"]) != (&before["traefik"], &before["mirotalk"]) {
        return Err("what has nothing to do with it was touched".to_owned());
    }
    house.settle("there is room again")?;
    let now = faults::world::rooms(&house.stack);
    let is_there = now
        .as_array()
        .into_iter()
        .flatten()
        .find(|room| room["title"] == "On a full disk");
    match (&made, is_there) {
        (Some((201, _)), None) => return Err("the room was answered and is lost".to_owned()),
        (Some((400..=499, said)), _) => return Err(format!("a person is blamed: {said}")),
        _ => {}
    }
    if let Some(room) = is_there {
        house.remove_room(room["id"].as_str().unwrap());
    }
    house.settle("the rooms as before")?;
    let now = faults::world::rooms(&house.stack);
    if now != rooms {
        return Err(format!("the rooms changed from {rooms} to {now}"));
    }
    // The journal has no room either, so only what does not need it.
    house.world.check_but_journal(&house.stack)
}

/// A page as Traefik would ask for it: status and text.
fn page(house: &House, host: &str) -> (u16, String) {
    let pages = format!("127.0.0.1:{}", house.stack.port(5));
    common::http("GET", &pages, host, "/", "").unwrap_or_default()
}

/// A start on a file system that cannot be written: no socket can be made for
/// commands either, so the pages and the terminal tell.
fn read_only(small: &mut Small) -> Result<(), String> {
    small.house().settle("a good start")?;
    small.house().begin();
    let before = small.house().stack.runs();
    small.house().stack.kill();
    small.mount(&["-o", "remount,ro"])?;
    let house = small.house();
    house.serve();
    let (live, admin) = (house.stack.live(), format!("admin.{}", house.stack.live()));
    let begun = Instant::now();
    let mut told = (0, String::new());
    while begun.elapsed() < Duration::from_secs(30) && !told.1.contains("state-unwritable") {
        told = page(house, &admin);
        pause(100);
    }
    let visitors = page(house, &live);
    // It goes on looking, and touches nothing.
    pause(6_000);
    let after = house.stack.runs();
    let story = std::fs::read_to_string(house.stack.dir.path().join("story")).unwrap_or_default();
    let ended = house.stack.end();
    small.mount(&["-o", "remount,rw"])?;
    let house = small.house();
    if let Some(end) = ended {
        return Err(format!("it ended: {end}"));
    }
    if after != before {
        return Err("what runs was touched".to_owned());
    }
    if told.0 != 503 || !told.1.contains("state-unwritable") || visitors.0 != 503 {
        return Err(format!("the pages say {told:?} and {visitors:?}"));
    }
    if !story.contains("read-only file system") {
        return Err(format!("the terminal says {story}"));
    }
    house.settle("it can be written again")?;
    if house.stack.runs() != before {
        return Err("what runs was touched afterwards".to_owned());
    }
    house.check()
}

/// Every path of the state folder becomes read-only while the controller runs:
/// a read-only view of it is mounted on top. (The kernel makes no file system
/// read-only while a database on it is open for writing.)
fn read_only_meanwhile(small: &mut Small) -> Result<(), String> {
    small.house().settle("a good start")?;
    small.house().begin();
    let before = small.house().stack.runs();
    let state = small.state.display().to_string();
    small.mount(&["--bind", &state])?;
    let bound = small.mount(&["-o", "remount,bind,ro"]);
    let result = bound.and_then(|()| {
        let house = small.house();
        let made = house
            .stack
            .api("POST", "/api/v1/rooms", &json!({"title": "Read only"}));
        house.until("it is named", BOUND, |status| {
            told(status, "state-unwritable") || told(status, "store-failed")
        })?;
        let (live, admin) = (house.stack.live(), format!("admin.{}", house.stack.live()));
        for host in [live, admin] {
            let (status, _) = page(house, &host);
            if status != 200 {
                return Err(format!("{host} answers {status}"));
            }
        }
        if house.stack.runs() != before {
            return Err("what runs was touched".to_owned());
        }
        Ok(made)
    });
    let gone = Command::new("umount").arg("-l").arg(&small.state).status();
    assert!(gone.unwrap().success());
    let made = result?;
    let house = small.house();
    house.until("nothing is told any more", BOUND, |status| {
        !told(status, "state-unwritable") && !told(status, "store-failed")
    })?;
    house.settle("it can be written again")?;
    if let Some((201, room)) = made {
        let id = room["room"]["id"].as_str().unwrap();
        if house
            .stack
            .api("GET", &format!("/api/v1/rooms/{id}"), &Value::Null)
            .is_none_or(|(code, _)| code != 200)
        {
            return Err("the room was answered and is lost".to_owned());
        }
        house.remove_room(id);
        house.settle("the rooms as before")?;
    }
    if house.stack.runs() != before {
        return Err("what runs was touched afterwards".to_owned());
    }
    house.check()
}

#[test]
fn what_runs_out_is_named_and_nothing_is_lost() {
    let mut report = Report::new("resources");
    let mut count = Count::of("resources").note(
        "ports taken by a process and by a container, no file handles, a memory limit, disk full after N kB (its cases without the journal, which has no room either), read-only at the start and meanwhile; the clock is a row of its own",
    );
    let mut case =
        |house: &mut House, name: &str, run: &dyn Fn(&mut House) -> Result<(), String>| {
            let begun = Instant::now();
            let result = run(house);
            common::tell(&format!(
                "{} {:.1} s {name}",
                result.is_ok(),
                begun.elapsed().as_secs_f64()
            ));
            if result.is_err() {
                good(house.afresh());
            }
            count.case(name, result);
        };
    if is_full() {
        let mut house = House::new("resources", 22_300);
        house.installed();
        case(&mut house, "port taken by a process", &|house| {
            port_taken(house, false)
        });
        case(&mut house, "port taken by a container", &|house| {
            port_taken(house, true)
        });
        case(&mut house, "memory limit", &memory_limit);
        case(&mut house, "no file handles", &no_file_handles);
    }
    let mut small = Small::new("small", 22_400).unwrap();
    small.house().installed();
    if !is_full() {
        // To prepare another house takes longer than the case.
        case(small.house(), "port taken by a process", &|house| {
            port_taken(house, false)
        });
    }
    let sizes: Vec<u64> = vec![0, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512];
    let sizes = if is_full() {
        sizes
    } else {
        Rng::new(seed()).sample(&sizes, 1)
    };
    for (number, kilobytes) in sizes.into_iter().enumerate() {
        let begun = Instant::now();
        let name = format!("disk full after {kilobytes} kB");
        let result = edits_on_a_full_disk(&mut small, kilobytes * 1024, number % 2 == 0);
        common::tell(&format!(
            "{} {:.1} s {name}",
            result.is_ok(),
            begun.elapsed().as_secs_f64()
        ));
        count.case(&name, result);
    }
    type Case = fn(&mut Small) -> Result<(), String>;
    let cases: [(&str, Case); 2] = [
        ("state read-only at the start", read_only),
        ("state read-only meanwhile", read_only_meanwhile),
    ];
    for (name, run) in cases.into_iter().filter(|_| is_full()) {
        let begun = Instant::now();
        let result = run(&mut small);
        common::tell(&format!(
            "{} {:.1} s {name}",
            result.is_ok(),
            begun.elapsed().as_secs_f64()
        ));
        count.case(name, result);
    }
    drop(small);
    report.add(count);
    report.conclude();
}
