//! How often somebody may guess.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use super::is_recent;

/// So many tries within a time.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// So many.
    pub tries: usize,
    /// Within.
    pub within: SignedDuration,
}

/// Passcodes, by address and room: others are not kept out by it.
pub const PASSCODE: Limit = Limit {
    tries: 5,
    within: SignedDuration::from_mins(5),
};
/// Wrong passcodes of one room, from wherever. Sixty clients may mistype twice,
/// and whoever has many networks has 5,760 guesses a day and no more: two days
/// for all of four digits, half a year for all of six.
pub const ROOM: Limit = Limit {
    tries: 120,
    within: SignedDuration::from_mins(30),
};
/// Passcodes and links, by neighbourhood, whatever the room. Generous: a whole
/// company may come from one address, and a link cannot be guessed.
pub const ENTRY: Limit = Limit {
    tries: 600,
    within: SignedDuration::from_mins(10),
};
/// Logins by address.
pub const LOGIN: Limit = Limit {
    tries: 10,
    within: SignedDuration::from_mins(10),
};
/// Logins by account, from wherever.
pub const ACCOUNT: Limit = Limit {
    tries: 30,
    within: SignedDuration::from_mins(15),
};

/// Keys remembered at most; beyond it those furthest from their limit are
/// forgotten first.
const MOST: usize = 20_000;

/// The tries of one key within its own time.
#[derive(Debug)]
struct Tries {
    limit: Limit,
    at: VecDeque<Timestamp>,
}

impl Tries {
    fn forget(&mut self, now: Timestamp) {
        let within = self.limit.within;
        self.at.retain(|then| is_recent(*then, within, now));
    }

    fn look(&mut self, now: Timestamp) -> Result<(), SignedDuration> {
        self.forget(now);
        if self.at.len() < self.limit.tries {
            return Ok(());
        }
        let (first, within) = (self.at.front(), self.limit.within);
        let since = first.map_or(SignedDuration::ZERO, |first| now.duration_since(*first));
        Err((within - since).min(within))
    }

    /// What is kept longest when there are too many keys: what is nearest to
    /// its limit, then what was tried last. Ever more other keys wash no
    /// refusal away.
    fn weight(&self) -> (usize, Option<Timestamp>) {
        let filled = 100 * self.at.len() / self.limit.tries.max(1);
        (filled, self.at.back().copied())
    }
}

/// The tries of the last minutes.
#[derive(Debug, Default)]
pub struct Limits(HashMap<String, Tries>);

impl Limits {
    /// Counts a try before it is judged, so that many at once count too;
    /// answers how long to wait where there were too many.
    pub fn attempt(
        &mut self,
        key: &str,
        limit: Limit,
        now: Timestamp,
    ) -> Result<(), SignedDuration> {
        if self.0.len() >= MOST && !self.0.contains_key(key) {
            self.forget(now);
        }
        let tries = self.0.entry(key.to_owned()).or_insert_with(|| Tries {
            limit,
            at: VecDeque::new(),
        });
        tries.look(now)?;
        tries.at.push_back(now);
        Ok(())
    }

    /// The same without counting one.
    pub fn look(&mut self, key: &str, now: Timestamp) -> Result<(), SignedDuration> {
        self.0.get_mut(key).map_or(Ok(()), |tries| tries.look(now))
    }

    /// Forgets the tries of a key: the last one was right.
    pub fn clear(&mut self, key: &str) {
        self.0.remove(key);
    }

    fn forget(&mut self, now: Timestamp) {
        self.0.retain(|_, tries| {
            tries.forget(now);
            !tries.at.is_empty()
        });
        if self.0.len() >= MOST {
            let mut weights: Vec<_> = self.0.values().map(Tries::weight).collect();
            weights.sort_unstable();
            if let Some(middle) = weights.get(weights.len() / 2).copied() {
                self.0.retain(|_, tries| tries.weight() > middle);
            }
        }
    }
}

/// An address as limits count it: a home has one IPv4 address, or one /64.
pub fn network_of(address: &str) -> String {
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_none() => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Ok(address) => address.to_canonical().to_string(),
        Err(_) => "unknown".to_owned(),
    }
}

/// As [`network_of`], but of all that one customer of a provider may have: one
/// IPv4 address, or a /56. For generous limits: some share it with strangers.
pub fn neighbourhood_of(address: &str) -> String {
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_none() => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{:x}::/56", d & 0xff00)
        }
        _ => network_of(address),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn too_many_tries_have_to_wait_and_others_do_not() {
        let mut limits = Limits::default();
        for second in 0..5 {
            limits.attempt("a", PASSCODE, at(second)).unwrap();
        }
        assert_eq!(
            limits.attempt("a", PASSCODE, at(10)).unwrap_err(),
            SignedDuration::from_secs(290)
        );
        limits.attempt("b", PASSCODE, at(10)).unwrap();
        limits.attempt("a", PASSCODE, at(300)).unwrap();
        assert!(limits.attempt("a", PASSCODE, at(300)).is_err());
        limits.clear("a");
        limits.attempt("a", PASSCODE, at(300)).unwrap();
    }

    #[test]
    fn guesses_and_a_clock_set_a_day_back_or_ahead() {
        const DAY: i64 = 24 * 60 * 60;
        for step in [-DAY, DAY] {
            let mut limits = Limits::default();
            for _ in 0..5 {
                limits.attempt("a", PASSCODE, at(2 * DAY)).unwrap();
            }
            assert!(limits.attempt("a", PASSCODE, at(2 * DAY)).is_err());
            limits.attempt("a", PASSCODE, at(2 * DAY + step)).unwrap();
        }
        // By little: it stays as it is, and nobody waits longer than ever.
        let mut limits = Limits::default();
        for _ in 0..5 {
            limits.attempt("a", PASSCODE, at(60)).unwrap();
        }
        let wait = limits.attempt("a", PASSCODE, at(30)).unwrap_err();
        assert_eq!(wait, PASSCODE.within);
    }

    #[test]
    fn memory_is_bounded() {
        let mut limits = Limits::default();
        for number in 0..MOST * 2 {
            limits.attempt(&number.to_string(), LOGIN, at(0)).unwrap();
        }
        assert!(limits.0.len() <= MOST);
    }

    #[test]
    fn who_has_to_wait_has_to_wait_however_many_others_try() {
        let mut limits = Limits::default();
        for second in 0..30 {
            limits.attempt("account dora", ACCOUNT, at(second)).unwrap();
        }
        // Many more, by another limit whose time is shorter.
        for number in 0..2 * MOST {
            let now = at(6 * 60 + i64::try_from(number / 1_000).unwrap());
            limits
                .attempt(&format!("passcode {number}"), PASSCODE, now)
                .unwrap();
        }
        assert!(limits.0.len() <= MOST);
        let refused = limits.attempt("account dora", ACCOUNT, at(7 * 60));
        assert_eq!(refused, Err(SignedDuration::from_mins(8)));
        // And no longer than that.
        limits
            .attempt("account dora", ACCOUNT, at(15 * 60))
            .unwrap();
    }

    #[test]
    fn a_home_is_one_address() {
        assert_eq!(
            network_of("2001:db8:1:2:3:4:5:6"),
            network_of("2001:db8:1:2::1")
        );
        assert_ne!(network_of("2001:db8:1:3::1"), network_of("2001:db8:1:2::1"));
        assert_eq!(network_of("::ffff:1.2.3.4"), "1.2.3.4");
        assert_eq!(
            neighbourhood_of("2001:db8:1:2::1"),
            neighbourhood_of("2001:db8:1:ff::1")
        );
        assert_ne!(
            neighbourhood_of("2001:db8:1:2::1"),
            neighbourhood_of("2001:db8:1:102::1")
        );
        assert_eq!(neighbourhood_of("::ffff:1.2.3.4"), "1.2.3.4");
    }
}
