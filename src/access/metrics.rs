//! Counters and one histogram, in Prometheus' text.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the admission histogram, in seconds.
const BOUNDS: [f64; 9] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25,
];

/// What happened, counted since the start. Labels are words of ours, never a
/// stranger's text.
#[derive(Debug, Default)]
pub struct Metrics(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    counters: BTreeMap<(&'static str, &'static str), u64>,
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

impl Metrics {
    /// Counts one more.
    pub fn count(&self, what: &'static str, label: &'static str) {
        *self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .counters
            .entry((what, label))
            .or_default() += 1;
    }

    /// An admission was answered within `took`.
    pub fn admitted(&self, took: Duration) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = took.as_secs_f64();
        for (bucket, bound) in counts.buckets.iter_mut().zip(BOUNDS) {
            *bucket += u64::from(seconds <= bound);
        }
        counts.count += 1;
        counts.sum += seconds;
    }

    /// As Prometheus reads it.
    pub fn text(&self) -> String {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = String::new();
        let mut last = "";
        for ((what, label), count) in &counts.counters {
            if *what != last {
                let _ = writeln!(out, "# TYPE colourstream_{what}_total counter");
                last = what;
            }
            let _ = writeln!(
                out,
                "colourstream_{what}_total{{result=\"{label}\"}} {count}"
            );
        }
        out.push_str("# TYPE colourstream_admission_seconds histogram\n");
        for (bucket, bound) in counts.buckets.iter().zip(BOUNDS) {
            let _ = writeln!(
                out,
                "colourstream_admission_seconds_bucket{{le=\"{bound}\"}} {bucket}"
            );
        }
        let (count, sum) = (counts.count, counts.sum);
        let _ = writeln!(
            out,
            "colourstream_admission_seconds_bucket{{le=\"+Inf\"}} {count}"
        );
        let _ = writeln!(
            out,
            "colourstream_admission_seconds_sum {sum}\ncolourstream_admission_seconds_count {count}"
        );
        out
    }
}
