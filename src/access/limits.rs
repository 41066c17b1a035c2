//! How often somebody may guess.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

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
/// Passcodes and links, by address, whatever the room. Generous: a whole
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

/// Keys remembered at most; beyond it the quietest are forgotten first.
const MOST: usize = 20_000;

/// The tries of the last minutes.
#[derive(Debug, Default)]
pub struct Limits(HashMap<String, VecDeque<Timestamp>>);

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
            self.forget(limit.within, now);
        }
        let tries = self.0.entry(key.to_owned()).or_default();
        while tries
            .front()
            .is_some_and(|first| now.duration_since(*first) >= limit.within)
        {
            tries.pop_front();
        }
        if tries.len() >= limit.tries {
            let since = tries
                .front()
                .map_or(SignedDuration::ZERO, |first| now.duration_since(*first));
            return Err(limit.within - since);
        }
        tries.push_back(now);
        Ok(())
    }

    /// Forgets the tries of a key: the last one was right.
    pub fn clear(&mut self, key: &str) {
        self.0.remove(key);
    }

    fn forget(&mut self, within: SignedDuration, now: Timestamp) {
        self.0.retain(|_, tries| {
            tries
                .back()
                .is_some_and(|last| now.duration_since(*last) < within)
        });
        if self.0.len() >= MOST {
            let mut last: Vec<_> = self
                .0
                .values()
                .filter_map(|tries| tries.back().copied())
                .collect();
            last.sort_unstable();
            if let Some(middle) = last.get(last.len() / 2).copied() {
                self.0
                    .retain(|_, tries| tries.back().is_some_and(|last| *last > middle));
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
    fn memory_is_bounded() {
        let mut limits = Limits::default();
        for number in 0..MOST * 2 {
            limits.attempt(&number.to_string(), LOGIN, at(0)).unwrap();
        }
        assert!(limits.0.len() <= MOST);
    }

    #[test]
    fn a_home_is_one_address() {
        assert_eq!(
            network_of("2001:db8:1:2:3:4:5:6"),
            network_of("2001:db8:1:2::1")
        );
        assert_ne!(network_of("2001:db8:1:3::1"), network_of("2001:db8:1:2::1"));
        assert_eq!(network_of("::ffff:1.2.3.4"), "1.2.3.4");
    }
}
