//! Random sequences against a real engine: edits, drift and faults in any
//! order, then everything has to be as wanted again. The same seed gives the
//! same sequences (`COLOURSTREAM_SEED`); each is named by its number.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;
mod faults;

use std::time::{Duration, Instant};

use faults::drift::{Drift, Outcome, drifts};
use faults::house::House;
use faults::proxy::{Events, Fault, Which};
use faults::report::{Report, is_full, of_full};
use faults::rng::{Rng, seed};
use faults::suite::{counted, houses, side_by_side};
use serde_json::{Value, json};

const BITRATES: [&str; 3] = [
    "",
    "profiles: [{name: live, audio_bitrate: 96k}]\n",
    "conference: {max_participants: 9}\n",
];

fn pause(milliseconds: usize) {
    std::thread::sleep(Duration::from_millis(u64::try_from(milliseconds).unwrap()));
}

/// One thing that happens; answers what it was.
fn happen(house: &mut House, rng: &mut Rng, drifts: &[Drift], made: &mut Vec<String>) -> String {
    match rng.below(14) {
        0..=3 => {
            let mended: Vec<&Drift> = drifts
                .iter()
                .filter(|one| !matches!(one.outcome, Outcome::Told(_)))
                .collect();
            let one = rng.pick(&mended);
            (one.act)(house);
            one.name.to_owned()
        }
        4..=5 => {
            let version = *rng.pick(&["1.0.0", "1.0.1"]);
            let more = *rng.pick(&BITRATES);
            house.settings(version, more);
            format!("settings {version} {}", more.trim())
        }
        6 => {
            let title = format!("Random {}", rng.below(1_000_000));
            let said = house
                .stack
                .api("POST", "/api/v1/rooms", &json!({"title": title}));
            if let Some((201, room)) = said {
                made.push(room["room"]["id"].as_str().unwrap().to_owned());
            }
            "a room".to_owned()
        }
        7 => {
            if let Some(id) = made.last() {
                for edit in ["close", "open"] {
                    house
                        .stack
                        .api("POST", &format!("/api/v1/rooms/{id}/{edit}"), &json!({}));
                }
            }
            "a room closed and opened".to_owned()
        }
        8..=10 => {
            let refused = json!({"message": "something is wrong inside"}).to_string();
            let faults = [
                Fault::KillBefore,
                Fault::KillAfter,
                Fault::LoseAnswer,
                Fault::Delay(Duration::from_secs(1)),
                Fault::Answer(500, refused.clone()),
                Fault::Answer(409, refused),
                Fault::Garble("}{".to_owned()),
                Fault::Old,
            ];
            let fault = rng.pick(&faults).clone();
            let which = rng.pick(&[Which::Changes, Which::All]).clone();
            let name = format!("{fault:?} at the next of {which:?}");
            house.was_killed |= matches!(fault, Fault::KillBefore | Fault::KillAfter);
            house.proxy.arm(which, fault, 1 + rng.below(2));
            name
        }
        11 => {
            let events = *rng.pick(&[
                Events::Freeze,
                Events::Drop,
                Events::Double,
                Events::Reorder,
            ]);
            house.proxy.events(events);
            format!("events {events:?}")
        }
        12 => {
            house.stack.kill();
            house.was_killed = true;
            house.serve();
            "kill -9 and a new start".to_owned()
        }
        _ => {
            let time = rng.below(1500);
            pause(time);
            format!("{time} ms")
        }
    }
}

fn sequence(house: &mut House, number: u64) -> Result<(), String> {
    house.settle("a good start")?;
    house.begin();
    let mut rng = Rng::new(seed().wrapping_mul(1_000_003).wrapping_add(number));
    let drifts = drifts();
    let mut story = Vec::new();
    let mut made = Vec::new();
    house.world.forget_rooms();
    let before = faults::world::rooms(&house.stack);
    for _ in 0..3 + rng.below(4) {
        story.push(happen(house, &mut rng, &drifts, &mut made));
        house.revive();
    }
    let result = rest(house, &made, &before);
    result.map_err(|why| format!("{why}\nafter: {}", story.join("; ")))
}

/// Nothing goes wrong any more: all is as wanted, or waits for a person and
/// says so.
fn rest(house: &mut House, made: &[String], before: &Value) -> Result<(), String> {
    house.proxy.disarm();
    house.proxy.events(Events::Pass);
    house.proxy.cut_events();
    house.revive();
    house.make_image("1.0.0", "");
    house.settings("1.0.0", "");
    let begun = Instant::now();
    let told = |status: &Value| {
        common::is_ready(status)
            || status["issues"]
                .as_array()
                .unwrap()
                .iter()
                .any(|issue| issue["severity"] == "error")
    };
    house.until("ready, or an issue says why not", 60, told)?;
    while !house
        .status()
        .is_some_and(|status| common::is_ready(&status))
        && begun.elapsed() < Duration::from_secs(20)
    {
        pause(100);
    }
    if !house
        .status()
        .is_some_and(|status| common::is_ready(&status))
    {
        // What waits for ten minutes after a failure, a person may hurry.
        house.until("an issue says why not", 10, told)?;
        house.stack.run(&["apply", "--now"]);
    }
    house.settle("the end of the sequence")?;
    let rooms = faults::world::rooms(&house.stack);
    let ids: Vec<&str> = rooms
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|room| room["id"].as_str())
        .collect();
    for id in made {
        if !ids.contains(&id.as_str()) {
            return Err(format!("the room {id} was made and is lost: {rooms}"));
        }
    }
    for room in rooms.as_array().into_iter().flatten() {
        if room["title"]
            .as_str()
            .is_some_and(|title| title.starts_with("Random"))
        {
            let path = format!("/api/v1/rooms/{}", room["id"].as_str().unwrap());
            for _ in 0..2 {
                house.stack.api("DELETE", &path, &Value::Null);
            }
        }
    }
    house.settle("the rooms as before")?;
    let after = faults::world::rooms(&house.stack);
    if after != *before {
        return Err(format!("the rooms changed from {before} to {after}"));
    }
    house.check()
}

#[test]
fn whatever_happens_in_any_order_it_ends_as_wanted() {
    let mut houses = houses("random", 22_600, if is_full() { 3 } else { 2 });
    let begun = Instant::now();
    let all: Vec<u64> = match std::env::var("COLOURSTREAM_SEQUENCE").map(|number| number.parse()) {
        Ok(Ok(number)) => vec![number],
        _ => (0..u64::try_from(of_full(200, 3)).unwrap()).collect(),
    };
    let results = side_by_side(
        &mut houses,
        all,
        |number| format!("sequence {number}"),
        |house, number| sequence(house, *number),
    );
    let mut report = Report::new("random-sequences");
    counted(
        "random sequences",
        &format!(
            "seed {}: three to six edits, drifts and faults each, in any order, on a real engine",
            seed()
        ),
        results,
        begun,
        &mut report,
    );
    report.conclude();
}
