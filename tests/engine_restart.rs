//! The engine itself is restarted, and killed, below a running controller. The
//! machine's engine is not for that: this one starts an engine of its own.
//!
//! Needs root, and the images of `scripts/images --simulated`. Where no engine
//! of its own can be had it says why, and counts as skipped.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod common;
#[path = "rig/own_engine.rs"]
mod own_engine;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use common::{Cases, Stack, command, engine_address, is_ready, issue, move_to};
use jiff::Timestamp;
use own_engine::OwnEngine;
use serde_json::Value;

const IMAGES: [&str; 3] = [
    "traefik:v3.7.15",
    "airensoft/ovenmediaengine:v0.21.0",
    "mirotalk/sfu:2.3.77",
];

/// All is up again within this, on a busy machine.
const BACK: u64 = 90;

/// Whether every case is asked for, and not a sample of them.
fn is_full() -> bool {
    std::env::var("COLOURSTREAM_FAULTS").is_ok_and(|value| value == "full")
}

fn main() -> ExitCode {
    let all = if is_full() { 4 } else { 2 };
    if std::env::args().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    if let Some(why) = OwnEngine::cannot() {
        println!("restart: 0 passed, 0 failed, {all} skipped ({why})");
        return ExitCode::SUCCESS;
    }
    let mut cases = Cases::default();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("own-engine");
    let mut engine = OwnEngine::new(&folder);
    engine.start(false);
    engine.load(&engine_address(), &IMAGES);
    move_to(&engine.address(), engine.process());

    let mut stack = Stack::new("restart", 20_700);
    stack.settings("");
    stack.serve();
    cases.run("installed on an engine of its own", || {
        stack.until("the first install", BACK, is_ready);
        stack.well("the first install", 20);
        stack.only_three();
    });
    // The last one begins with a restart without it, which does for a sample.
    if is_full() {
        cases.run(
            "the engine is restarted: all comes back or is healed",
            || {
                engine.end("-TERM");
                away(&stack);
                engine.start(false);
                back(&stack);
            },
        );
        cases.run("the engine is killed: all comes back or is healed", || {
            engine.end("-KILL");
            away(&stack);
            engine.start(false);
            back(&stack);
        });
    }
    cases.run("with live-restore what runs is not touched", || {
        engine.end("-TERM");
        engine.start(true);
        back(&stack);
        let before = stack.runs();
        let traefik = stack.address("traefik");
        engine.end("-TERM");
        away(&stack);
        assert_eq!(
            answer(&format!("http://{traefik}:8080/ping"), "traefik"),
            "200",
            "Traefik serves without its engine"
        );
        engine.start(true);
        back(&stack);
        assert_eq!(stack.runs(), before, "the same containers, never stopped");
    });
    drop(stack);
    drop(engine);
    let failed = cases.failures();
    println!("restart: {} passed, {failed} failed", all - failed);
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The code that an address answers with, asked on the engine's network.
fn answer(url: &str, host: &str) -> String {
    let output = command("curl")
        .args(["-s", "--noproxy", "*", "-m", "5", "-o", "/dev/null"])
        .args(["-w", "%{http_code}", "-H", &format!("Host: {host}"), url])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn time(status: &Value, key: &str) -> Timestamp {
    status[key].as_str().unwrap().parse().unwrap()
}

/// While the engine is away: it is told, with the next try, which comes when
/// it was told for; pages and API answer.
fn away(stack: &Stack) {
    let told = |status: &Value| issue(status, "engine-away").is_some();
    stack.until("the engine's absence is told", 40, told);
    std::thread::sleep(Duration::from_millis(500));
    let pages = format!("http://127.0.0.1:{}/", stack.port(5));
    for _ in 0..2 {
        let status = stack.status().unwrap();
        assert_eq!(status["engine"]["reachable"], false);
        assert_eq!(status["summary"], "degraded");
        let next = time(&status, "next");
        let wait = next.duration_since(time(&status, "at")).as_secs_f64();
        // The sweep is every 3 s here.
        assert!((0.0..=3.1).contains(&wait), "{wait} s until the next try");
        for host in [stack.live(), format!("admin.{}", stack.live())] {
            assert_eq!(answer(&pages, &host), "200", "{host}");
        }
        let later = stack.until("the next try", 10, |now| {
            now["reconcile"].as_u64() > status["reconcile"].as_u64()
        });
        let off = time(&later, "at").duration_since(next).as_secs_f64();
        assert!(off < 2.0, "the try came {off} s after its time");
    }
}

/// The engine is there again: all is healthy, and there is nothing to do.
fn back(stack: &Stack) {
    stack.until("the engine is seen again", BACK, |status| {
        issue(status, "engine-away").is_none() && status["engine"]["reachable"] == true
    });
    stack.until("all is healthy again", BACK, is_ready);
    stack.well("all is healthy again", BACK);
    stack.only_three();
}
