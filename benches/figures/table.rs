//! Samples, and the table they end in.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Times of one thing done again and again.
#[derive(Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    pub fn add(&mut self, took: Duration) {
        self.0.push(took.as_secs_f64() * 1e3);
    }

    /// Does it so many times.
    pub fn of(times: usize, mut what: impl FnMut()) -> Self {
        let mut all = Self::default();
        // The first rounds fill caches.
        for round in 0..times + 3 {
            let begun = Instant::now();
            what();
            if round >= 3 {
                all.add(begun.elapsed());
            }
        }
        all
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The value below which so many of a hundred lie, in milliseconds.
    pub fn percentile(&self, percent: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        let index = (percent / 100.0 * last as f64).round() as usize;
        sorted.get(index).copied().unwrap_or(f64::NAN)
    }

    pub fn p50(&self) -> f64 {
        self.percentile(50.0)
    }
}

/// One line.
struct Row {
    what: String,
    target: String,
    median: String,
    p99: String,
    verdict: String,
}

/// All of them.
#[derive(Default)]
pub struct Table(Vec<Row>);

/// Milliseconds as people read them.
pub fn ms(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0} ms"),
        value if value >= 1.0 => format!("{value:.1} ms"),
        value => format!("{value:.3} ms"),
    }
}

impl Table {
    /// A time with a target for its median.
    pub fn time(&mut self, what: &str, target: Option<f64>, samples: &Samples) {
        let p50 = samples.p50();
        let what = format!("{what} ({} ×)", samples.count());
        self.push(
            &what,
            target.map(|t| format!("≤ {}", ms(t))),
            ms(p50),
            Some(ms(samples.percentile(99.0))),
            target.map(|t| p50 / t),
        );
    }

    /// A time with a target for its slowest hundredth.
    pub fn tail(&mut self, what: &str, target: f64, samples: &Samples) {
        let p99 = samples.percentile(99.0);
        let what = format!("{what} ({} ×)", samples.count());
        self.push(
            &what,
            Some(format!("p99 ≤ {}", ms(target))),
            ms(samples.p50()),
            Some(ms(p99)),
            Some(p99 / target),
        );
    }

    /// Anything else; `share` is measured by wanted, below 1 is good.
    pub fn push(
        &mut self,
        what: &str,
        target: Option<String>,
        median: String,
        p99: Option<String>,
        share: Option<f64>,
    ) {
        let verdict = share.map_or_else(
            || "–".to_owned(),
            |share| format!("{} {share:.2}", if share <= 1.0 { "✓" } else { "✗" }),
        );
        crate::say(&format!(
            "  {what}: {median}{}  {verdict}",
            p99.as_ref()
                .map_or_else(String::new, |p99| format!(", p99 {p99}"))
        ));
        self.0.push(Row {
            what: what.to_owned(),
            target: target.unwrap_or_else(|| "–".into()),
            median,
            p99: p99.unwrap_or_else(|| "–".into()),
            verdict,
        });
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "| figure | target | measured (median) | p99 | measured ÷ target |\n|---|---|---|---|---|\n",
        );
        for row in &self.0 {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                row.what, row.target, row.median, row.p99, row.verdict
            );
        }
        text
    }
}
