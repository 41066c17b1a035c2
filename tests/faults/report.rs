//! What a suite counted, kept for `docs/reliability.md`.
//!
//! Each part writes `target/reliability/<part>.json`, a list of
//! `{kind, cases, passed, failed, seconds, note}`, and `inputs` where a case is
//! shown by many of them; `scripts/reliability` puts the parts together. Only a full run (`COLOURSTREAM_FAULTS=full`, set by
//! `scripts/test-faults`) leaves a file: a sample proves less than it says.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Whether every case is asked for, and not a sample of them.
pub fn is_full() -> bool {
    std::env::var("COLOURSTREAM_FAULTS").is_ok_and(|value| value == "full")
}

/// As many as are wanted of a full run, else of a sample.
pub fn of_full(full: usize, sample: usize) -> usize {
    if is_full() { full } else { sample }
}

/// The counts of one part.
pub struct Report {
    part: String,
    rows: Vec<Value>,
    failed: Vec<String>,
}

/// Cases of one kind, while they run.
pub struct Count {
    kind: String,
    begun: Instant,
    cases: usize,
    inputs: u64,
    failed: Vec<String>,
    note: String,
}

impl Count {
    /// Nothing counted yet.
    pub fn of(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            begun: Instant::now(),
            cases: 0,
            inputs: 0,
            failed: Vec::new(),
            note: String::new(),
        }
    }

    /// What a case is, or what is left out: one sentence for the table.
    pub fn note(mut self, note: &str) -> Self {
        note.clone_into(&mut self.note);
        self
    }

    /// One more case: `Ok`, or what went wrong.
    pub fn case(&mut self, name: &str, result: Result<(), String>) {
        self.cases += 1;
        if let Err(why) = result {
            eprintln!("  FAILED {}, {name}: {why}", self.kind);
            self.failed.push(name.to_owned());
        }
    }

    /// So many points of a recording did not come again: no case was made of
    /// them, and the note says so.
    pub fn not_reached(&mut self, points: usize) {
        if points > 0 {
            self.note += &format!("; {points} points were not reached again and are not counted");
        }
    }

    /// So many requests or inputs showed it: no cases of their own.
    pub fn inputs(&mut self, inputs: usize) {
        self.inputs += inputs as u64;
    }

    /// Many cases that were counted elsewhere and all passed.
    pub fn passed(&mut self, cases: usize) {
        self.cases += cases;
    }
}

impl Report {
    /// Of a part: `[a-z-]+`, one for each test that counts.
    pub fn new(part: &str) -> Self {
        Self {
            part: part.to_owned(),
            rows: Vec::new(),
            failed: Vec::new(),
        }
    }

    /// Takes one kind of cases, which took as long as it is old.
    pub fn add(&mut self, count: Count) {
        let took = count.begun.elapsed();
        self.add_timed(count, took);
    }

    /// The same where the time was taken elsewhere.
    pub fn add_timed(&mut self, count: Count, took: Duration) {
        let passed = count.cases - count.failed.len();
        let shown_by = match count.inputs {
            0 => String::new(),
            inputs => format!(", {inputs} inputs"),
        };
        eprintln!(
            "  {}: {} cases{shown_by}, {passed} passed, {} failed, {:.1} s",
            count.kind,
            count.cases,
            count.failed.len(),
            took.as_secs_f64()
        );
        let mut row = json!({
            "kind": count.kind,
            "cases": count.cases,
            "passed": passed,
            "failed": count.failed.len(),
            "seconds": (took.as_secs_f64() * 10.0).round() / 10.0,
            "note": count.note,
        });
        if count.inputs > 0 {
            row["inputs"] = count.inputs.into();
        }
        self.rows.push(row);
        let kind = count.kind;
        self.failed
            .extend(count.failed.iter().map(|name| format!("{kind}, {name}")));
        self.write();
    }

    /// Written after each kind, so that what a later one breaks off is kept.
    /// Who looks again into one kind alone replaces its row and no other.
    fn write(&self) {
        if !is_full() {
            return;
        }
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/reliability");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{}.json", self.part));
        let before = std::fs::read(&file).ok();
        let mut rows: Vec<Value> = before
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        for row in &self.rows {
            match rows.iter_mut().find(|old| old["kind"] == row["kind"]) {
                Some(old) => old.clone_from(row),
                None => rows.push(row.clone()),
            }
        }
        let text = serde_json::to_string_pretty(&rows).unwrap();
        std::fs::write(file, text + "\n").unwrap();
    }

    /// Fails if one case did, or if there were none of a kind.
    #[track_caller]
    pub fn conclude(self) {
        assert!(!self.rows.is_empty(), "{}: nothing was counted", self.part);
        for row in &self.rows {
            assert!(
                row["cases"] != 0,
                "{}: no case of {}",
                self.part,
                row["kind"]
            );
        }
        assert!(
            self.failed.is_empty(),
            "{} failed: {}",
            self.failed.len(),
            self.failed.join("; ")
        );
    }
}
