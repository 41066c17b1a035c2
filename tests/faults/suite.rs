//! Running cases in several houses side by side, and counting them.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Instant;

use super::house::House;
use super::proxy::Events;
use super::report::{Count, Report};
use crate::common;

/// Runs cases in several houses side by side; a failed one leaves a fresh house.
pub fn side_by_side<C: Send>(
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
                    let Some(case) = queue.lock().unwrap().pop_front() else {
                        break;
                    };
                    let begun = Instant::now();
                    let result = run(house, &case);
                    common::tell(&format!(
                        "{} {:.1} s {}",
                        result.is_ok(),
                        begun.elapsed().as_secs_f64(),
                        name(&case)
                    ));
                    house.proxy.disarm();
                    house.proxy.events(Events::Pass);
                    if result.is_err()
                        && let Err(why) = house.afresh()
                    {
                        eprintln!("  no fresh start: {why}");
                    }
                    results.lock().unwrap().push((name(&case), result));
                }
            });
        }
    });
    results.into_inner().unwrap()
}

/// So many houses, installed and well; each has 100 ports from `base` on.
pub fn houses(names: &str, base: u16, count: usize) -> Vec<House> {
    houses_like(names, base, count, House::new)
}

/// The same, each prepared by `make`.
pub fn houses_like(
    names: &str,
    base: u16,
    count: usize,
    make: fn(&str, u16) -> House,
) -> Vec<House> {
    std::thread::scope(|scope| {
        let made: Vec<_> = (0..count)
            .map(|number| {
                scope.spawn(move || {
                    let first = base + u16::try_from(number).unwrap() * 100;
                    let mut house = make(&format!("{names}{number}"), first);
                    house.installed();
                    house
                })
            })
            .collect();
        made.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// Takes the results of one kind into the report.
pub fn counted(
    kind: &str,
    note: &str,
    results: Vec<(String, Result<(), String>)>,
    begun: Instant,
    report: &mut Report,
) {
    let mut count = Count::of(kind).note(note);
    for (name, result) in results {
        count.case(&name, result);
    }
    report.add_timed(count, begun.elapsed());
}
