//! PURE. Which names Traefik orders a certificate for now.
//!
//! Traefik orders for every name that a router of its dynamic file gives a
//! resolver, and every change of that file repeats each order that failed.
//! Rooms change the file often and an authority allows few failures an hour.
//! So a name gets its resolver only when it leads here, for one generation of
//! the file: as soon as Traefik has loaded that, the order is under way and the
//! resolver goes again until the outcome is known. A failure is one attempt,
//! whatever rooms do meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::model::{Issue, IssueCode, Role, Severity, listed, span};

/// Pauses after failures, in minutes: four tries in the first hour, where
/// Let's Encrypt allows five.
const PAUSES: [i64; 7] = [5, 15, 30, 60, 120, 240, 360];
/// Traefik's log has whole seconds, and speaks before we have seen it load.
const LOG_SLACK: SignedDuration = SignedDuration::from_secs(3);
/// From here on an end is near, for certificates that live long.
pub const NEAR_END: SignedDuration = SignedDuration::from_hours(14 * 24);

/// What became of each name's order. Kept on disk, so that a restart spends
/// no attempt and `plan` shows what the controller does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Orders(BTreeMap<String, Order>);

/// One name's order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// How far it is.
    pub stage: Stage,
    /// Attempts since the last certificate.
    #[serde(default)]
    pub tries: u32,
}

/// How far an order is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Where the name leads is not known yet.
    #[default]
    New,
    /// The authority would not find us under the name.
    Held(Obstacle),
    /// Ordered as soon as Traefik loads its file.
    Due,
    /// Under way since then.
    Asked {
        /// When Traefik had loaded the resolver.
        at: Timestamp,
    },
    /// It failed, and is tried again then.
    Failed {
        /// When it failed.
        at: Timestamp,
        /// In Traefik's words.
        why: String,
        /// The next attempt.
        retry_at: Timestamp,
    },
    /// There is a certificate; Traefik renews it.
    Had {
        /// Since when it is good.
        from: Timestamp,
        /// Until when it is good.
        until: Timestamp,
    },
}

/// Where a name leads, as far as this host can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lead {
    /// To this host.
    Here {
        /// Where else it leads. An authority may ask there first, and get
        /// another's answer.
        also: Vec<IpAddr>,
    },
    /// It could not be found out, or need not be. Nothing is held back for it.
    Unknown {
        /// Why not.
        why: String,
    },
    /// To this host, by the name; but nobody answered when we knocked, which
    /// proves nothing where we stand. It is ordered, with a warning.
    Unreached {
        /// Where was knocked, and what it may mean.
        why: String,
    },
    /// Not to this host.
    Away(Obstacle),
}

/// Why an order would fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Obstacle {
    /// The name has no address.
    Nowhere {
        /// In the resolver's words.
        why: String,
    },
    /// The name has other addresses than this host.
    Elsewhere {
        /// Where it leads.
        found: Vec<IpAddr>,
        /// Where it should lead.
        here: Vec<IpAddr>,
    },
    /// The name leads here, but nobody answers where the authority asks.
    Refused {
        /// The port.
        port: u16,
        /// In the system's words.
        why: String,
    },
}

/// What was seen of names, certificates and Traefik's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Where the names lead, as last looked up.
    pub leads: BTreeMap<String, Lead>,
    /// The certificate Traefik has for a name; `None` while it does not say.
    pub served: Option<BTreeMap<String, Served>>,
    /// Orders that failed, oldest first.
    pub failures: Vec<Failure>,
    /// Since when Traefik runs.
    pub traefik_since: Option<Timestamp>,
}

/// A certificate that Traefik has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Who signed it.
    pub issuer: String,
    /// Since when it is good.
    pub from: Timestamp,
    /// Until when it is good.
    pub until: Timestamp,
}

/// An order that failed, by Traefik's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When.
    pub at: Timestamp,
    /// For which names.
    pub hosts: Vec<String>,
    /// Why.
    pub why: String,
    /// Whether it is so for as long as Traefik runs, which says it once, when
    /// it begins. The authority is not even asked.
    pub stands: bool,
}

impl Failure {
    /// Whether it says what became of an order since `asked`.
    fn concerns(&self, asked: Timestamp, traefik_since: Option<Timestamp>) -> bool {
        if self.stands {
            self.is_of_run(traefik_since)
        } else {
            self.at >= asked - LOG_SLACK
        }
    }

    /// Whether Traefik said it in the run that began then; its log has whole
    /// seconds.
    fn is_of_run(&self, since: Option<Timestamp>) -> bool {
        since.is_some_and(|since| self.at.as_second() >= since.as_second())
    }
}

impl Seen {
    /// Whether Traefik gave up on its certificates in the run that began then.
    pub fn gave_up(&self, since: Option<Timestamp>) -> bool {
        let mut failures = self.failures.iter();
        failures.any(|failure| failure.stands && failure.is_of_run(since))
    }
}

impl Orders {
    /// How far the order of a name is.
    pub fn of(&self, host: &str) -> Order {
        self.0.get(host).cloned().unwrap_or_default()
    }

    /// Names whose router gets no resolver now.
    pub fn held_back<'a>(&self, hosts: impl IntoIterator<Item = &'a String>) -> BTreeSet<String> {
        hosts
            .into_iter()
            .filter(|host| !matches!(self.of(host).stage, Stage::Due | Stage::Had { .. }))
            .cloned()
            .collect()
    }

    /// Whether an order is under way.
    pub fn is_asking(&self) -> bool {
        self.0
            .values()
            .any(|order| matches!(order.stage, Stage::Due | Stage::Asked { .. }))
    }

    /// Whether every name has its certificate.
    pub fn are_had(&self) -> bool {
        self.0
            .values()
            .all(|order| matches!(order.stage, Stage::Had { .. }))
    }

    /// Until when all certificates are good; `None` unless there are all.
    pub fn until(&self) -> Option<Timestamp> {
        let until = |order: &Order| match order.stage {
            Stage::Had { until, .. } => Some(until),
            _ => None,
        };
        let all: Option<Vec<Timestamp>> = self.0.values().map(until).collect();
        all?.into_iter().min()
    }

    /// Takes up what was seen. `patience` is how long an order may take.
    pub fn step(
        &mut self,
        hosts: &BTreeSet<String>,
        seen: &Seen,
        patience: SignedDuration,
        now: Timestamp,
    ) {
        self.0.retain(|host, _| hosts.contains(host));
        for host in hosts {
            let order = self.0.entry(host.clone()).or_default();
            order.step(host, seen, patience, now);
        }
    }

    /// Traefik has loaded a file with resolvers for what was due: those orders
    /// are under way.
    pub fn loaded(&mut self, ordered: &[String], now: Timestamp) {
        for host in ordered {
            if let Some(order) = self.0.get_mut(host)
                && order.stage == Stage::Due
            {
                order.stage = Stage::Asked { at: now };
                order.tries += 1;
            }
        }
    }

    /// What rests after a failure is tried again now: a person said so, or the
    /// settings changed.
    pub fn forgive(&mut self, now: Timestamp) {
        for order in self.0.values_mut() {
            if let Stage::Failed { retry_at, .. } = &mut order.stage {
                *retry_at = now;
            }
        }
    }

    /// The next moment at which something is due by itself.
    pub fn next(&self, patience: SignedDuration) -> Option<Timestamp> {
        self.0
            .values()
            .filter_map(|order| match &order.stage {
                Stage::Asked { at } => Some(*at + patience),
                Stage::Failed { retry_at, .. } => Some(*retry_at),
                _ => None,
            })
            .min()
    }

    /// What people should know.
    pub fn issues(&self, seen: &Seen, now: Timestamp) -> Vec<Issue> {
        self.0
            .iter()
            .filter_map(|(host, order)| order.issue(host, seen, now))
            .collect()
    }
}

impl Order {
    fn step(&mut self, host: &str, seen: &Seen, patience: SignedDuration, now: Timestamp) {
        if let Some(all) = &seen.served {
            match all.get(host) {
                Some(served) => {
                    let (from, until) = (served.from, served.until);
                    self.stage = Stage::Had { from, until };
                    self.tries = 0;
                    return;
                }
                // Its resolver goes for a moment: Traefik orders at a change.
                None if matches!(self.stage, Stage::Had { .. }) => {
                    self.stage = Stage::New;
                    return;
                }
                None => {}
            }
        }
        match &self.stage {
            Stage::Had { .. } => {}
            Stage::New | Stage::Held(_) | Stage::Due => self.lead(host, seen),
            Stage::Asked { at } => {
                let at = *at;
                let failure = seen.failures.iter().rev().find(|failure| {
                    failure.concerns(at, seen.traefik_since)
                        && failure.hosts.iter().any(|name| name == host)
                });
                if failure.is_some_and(|failure| failure.stands) {
                    // None was spent: it goes on soon after it is mended.
                    self.tries = 0;
                }
                let interrupted = seen.traefik_since.is_some_and(|since| since > at);
                let why = match failure {
                    Some(failure) => failure.why.clone(),
                    None if interrupted => {
                        "Traefik was started anew before the authority had answered".to_owned()
                    }
                    None if now.duration_since(at) >= patience => format!(
                        "the authority gave no certificate within {} min",
                        patience.as_mins()
                    ),
                    None => return,
                };
                let retry_at = now + pause(self.tries);
                self.stage = Stage::Failed {
                    at: now,
                    why,
                    retry_at,
                };
            }
            Stage::Failed { retry_at, .. } if *retry_at <= now => self.lead(host, seen),
            Stage::Failed { .. } => {}
        }
    }

    fn lead(&mut self, host: &str, seen: &Seen) {
        self.stage = match seen.leads.get(host) {
            // Not looked up yet: everything stays as it is.
            None => return,
            Some(Lead::Here { .. } | Lead::Unknown { .. } | Lead::Unreached { .. }) => Stage::Due,
            Some(Lead::Away(obstacle)) => Stage::Held(obstacle.clone()),
        };
    }

    fn issue(&self, host: &str, seen: &Seen, now: Timestamp) -> Option<Issue> {
        let told = |code, severity, what: String, why: String, fix: String| {
            Some(Issue {
                code,
                severity,
                role: Some(Role::Traefik),
                subject: host.to_owned(),
                what,
                why,
                fix,
            })
        };
        match &self.stage {
            Stage::New | Stage::Due | Stage::Asked { .. } => {
                let lead = seen.leads.get(host);
                let why = match (&self.stage, lead) {
                    (Stage::New, _) => "where the name leads is being looked up".to_owned(),
                    (_, Some(Lead::Unknown { why } | Lead::Unreached { why })) => {
                        format!("the authority is being asked; {why}")
                    }
                    (_, Some(Lead::Here { also })) if !also.is_empty() => format!(
                        "the authority is being asked; {}, and it may ask there",
                        leads_also(host, also)
                    ),
                    _ => "the authority is being asked".to_owned(),
                };
                let (severity, fix) = match lead {
                    Some(Lead::Here { also }) if !also.is_empty() => (
                        Severity::Warning,
                        "Take out the records that lead elsewhere; wait a moment if they are this host's as well",
                    ),
                    Some(Lead::Unreached { .. }) if self.stage != Stage::New => (
                        Severity::Warning,
                        "See that firewall and router let it in from outside; if they do, wait a moment",
                    ),
                    _ => (Severity::Notice, "Wait a moment; browsers warn until then"),
                };
                told(
                    IssueCode::CertificatePending,
                    severity,
                    format!("{host} has no certificate yet"),
                    why,
                    fix.to_owned(),
                )
            }
            Stage::Held(obstacle) => {
                let (why, fix) = obstacle.words(host);
                let what = match obstacle {
                    Obstacle::Nowhere { .. } | Obstacle::Elsewhere { .. } => {
                        "it does not lead here".to_owned()
                    }
                    Obstacle::Refused { port, .. } => {
                        format!("it leads here, but nobody can knock at port {port}")
                    }
                };
                told(
                    IssueCode::NameElsewhere,
                    Severity::Error,
                    format!("No certificate is ordered for {host}: {what}"),
                    why,
                    format!("{fix}; it is looked at again by itself, and ordered then"),
                )
            }
            Stage::Failed { why, retry_at, .. } => told(
                IssueCode::CertificateFailed,
                Severity::Error,
                format!("The authority gave no certificate for {host}"),
                match seen.leads.get(host) {
                    Some(Lead::Here { also }) if !also.is_empty() => {
                        format!("{why}; {}", leads_also(host, also))
                    }
                    _ => why.clone(),
                },
                format!(
                    "Mend the cause; tried again at {} (attempt {}), or at once with `colourstream apply --now`. Rooms can be edited meanwhile without spending an attempt",
                    retry_at.strftime("%Y-%m-%d %H:%M UTC"),
                    self.tries + 1
                ),
            ),
            Stage::Had { from, until } => {
                let left = until.duration_since(now);
                let life = until.duration_since(*from);
                // Short-lived ones are renewed on their last day or two.
                if left > NEAR_END.min(life / 6) {
                    return None;
                }
                let last = seen
                    .failures
                    .iter()
                    .rev()
                    .find(|failure| failure.hosts.iter().any(|name| name == host));
                let why = last.map_or_else(
                    || "Traefik has not renewed it, and says no reason".to_owned(),
                    |failure| failure.why.clone(),
                );
                let fix = "See that the name leads here and that the authority can reach this host; Traefik tries again every day, and after `docker restart` of its container when nobody is live".to_owned();
                if left.is_positive() {
                    told(
                        IssueCode::CertificateExpires,
                        Severity::Warning,
                        format!("The certificate of {host} expires in {}", span(left)),
                        why,
                        fix,
                    )
                } else {
                    told(
                        IssueCode::CertificateExpires,
                        Severity::Error,
                        format!("The certificate of {host} has expired"),
                        why,
                        fix,
                    )
                }
            }
        }
    }
}

fn leads_also(host: &str, also: &[IpAddr]) -> String {
    format!("{host} leads here and to {} as well", listed(also))
}

impl Obstacle {
    /// Why, and what to do.
    pub fn words(&self, host: &str) -> (String, String) {
        match self {
            Obstacle::Nowhere { why } => (
                why.clone(),
                format!("Add a record for {host} where the domain's DNS is kept"),
            ),
            Obstacle::Elsewhere { found, here } => (
                format!(
                    "it leads to {}, and this host is {}",
                    listed(found),
                    listed(here)
                ),
                format!(
                    "Correct the record of {host}, or set `public_address` to the address people reach this host at"
                ),
            ),
            Obstacle::Refused { port, why } => (
                format!("nobody answers at its port {port}, where the authority asks: {why}"),
                format!("Free port {port} for Traefik, or use `challenge: dns`"),
            ),
        }
    }
}

fn pause(tries: u32) -> SignedDuration {
    let index = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX);
    let longest = PAUSES[PAUSES.len() - 1];
    SignedDuration::from_mins(PAUSES.get(index).copied().unwrap_or(longest))
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HOST: &str = "review.example.com";
    const PATIENCE: SignedDuration = SignedDuration::from_mins(3);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn hosts() -> BTreeSet<String> {
        BTreeSet::from([HOST.to_owned()])
    }

    fn leads(lead: Lead) -> Seen {
        Seen {
            leads: BTreeMap::from([(HOST.to_owned(), lead)]),
            served: Some(BTreeMap::new()),
            ..Seen::default()
        }
    }

    fn away() -> Lead {
        Lead::Away(Obstacle::Elsewhere {
            found: vec!["198.51.100.9".parse().unwrap()],
            here: vec!["203.0.113.7".parse().unwrap()],
        })
    }

    fn refused(at: Timestamp) -> Failure {
        Failure {
            at,
            hosts: vec![HOST.to_owned()],
            why: "connection refused".to_owned(),
            stands: false,
        }
    }

    /// Orders, and how often a resolver has been handed to Traefik.
    #[derive(Default)]
    struct House {
        orders: Orders,
        attempts: u32,
        had_resolver: bool,
    }

    impl House {
        /// Renders, and lets Traefik load it: a resolver that was not there
        /// before, or a change of the file while it is there, is an attempt.
        fn look(&mut self, seen: &Seen, now: Timestamp, room_edit: bool) {
            self.orders.step(&hosts(), seen, PATIENCE, now);
            let ordered = self.orders.held_back(&hosts()).is_empty();
            let had = matches!(self.orders.of(HOST).stage, Stage::Had { .. });
            if ordered && !had && (!self.had_resolver || room_edit) {
                self.attempts += 1;
            }
            self.had_resolver = ordered;
            if ordered {
                self.orders.loaded(&[HOST.to_owned()], now);
            }
        }

        fn code(&self, seen: &Seen, now: Timestamp) -> Option<(IssueCode, Severity)> {
            let issues = self.orders.issues(seen, now);
            assert!(issues.len() <= 1);
            issues.first().map(|issue| (issue.code, issue.severity))
        }
    }

    #[test]
    fn a_name_is_held_back_until_it_leads_here() {
        let mut house = House::default();
        assert_eq!(house.orders.held_back(&hosts()), hosts(), "not looked up");
        house.look(&Seen::default(), at(0), false);
        assert_eq!(house.orders.of(HOST).stage, Stage::New);
        for second in 1..50 {
            let seen = leads(away());
            house.look(&seen, at(second), true);
            let code = house.code(&seen, at(second)).unwrap();
            assert_eq!(code, (IssueCode::NameElsewhere, Severity::Error));
        }
        assert_eq!(house.attempts, 0);
        house.look(&leads(Lead::Here { also: Vec::new() }), at(60), false);
        assert_eq!(house.attempts, 1);
    }

    #[test]
    fn a_port_that_is_shut_is_not_called_a_wrong_name() {
        let mut house = House::default();
        let shut = leads(Lead::Away(Obstacle::Refused {
            port: 80,
            why: "connection refused".to_owned(),
        }));
        house.look(&shut, at(0), false);
        let told = house.orders.issues(&shut, at(0));
        assert_eq!(told.len(), 1);
        assert!(!told[0].what.contains("does not lead"), "{}", told[0].what);
        assert!(
            told[0].what.contains("nobody can knock at port 80"),
            "{}",
            told[0].what
        );
        assert!(told[0].fix.starts_with("Free port 80"), "{}", told[0].fix);
        house.look(&leads(away()), at(10), false);
        let told = house.orders.issues(&leads(away()), at(10));
        assert!(told[0].what.contains("does not lead here"));
    }

    #[test]
    fn a_name_that_leads_elsewhere_as_well_is_ordered_with_a_warning() {
        let mut house = House::default();
        let mut seen = leads(Lead::Here {
            also: vec!["2001:db8::9".parse().unwrap()],
        });
        house.look(&seen, at(0), false);
        assert_eq!(house.attempts, 1);
        let issue = house.orders.issues(&seen, at(0)).remove(0);
        assert_eq!(issue.severity, Severity::Warning);
        assert!(issue.why.contains("to 2001:db8::9 as well"), "{issue:?}");
        assert!(issue.fix.starts_with("Take out the records"), "{issue:?}");
        // The authority asked there, and says what it was answered.
        seen.failures.push(refused(at(5)));
        house.look(&seen, at(6), false);
        let issue = house.orders.issues(&seen, at(6)).remove(0);
        assert_eq!(issue.code, IssueCode::CertificateFailed);
        assert!(issue.why.starts_with(&refused(at(5)).why), "{issue:?}");
        assert!(issue.why.contains("to 2001:db8::9 as well"), "{issue:?}");
    }

    #[test]
    fn what_cannot_be_looked_up_is_ordered_all_the_same() {
        let mut house = House::default();
        let seen = leads(Lead::Unreached {
            why: "nobody answered".into(),
        });
        let mut warned = House::default();
        warned.look(&seen, at(0), false);
        let issue = warned.orders.issues(&seen, at(0)).remove(0);
        assert_eq!(issue.severity, Severity::Warning);
        assert!(issue.why.contains("nobody answered"), "{issue:?}");
        let seen = leads(Lead::Unknown {
            why: "no DNS server answers here".into(),
        });
        house.look(&seen, at(0), false);
        assert_eq!(house.attempts, 1);
        let issue = house.orders.issues(&seen, at(0)).remove(0);
        assert_eq!(issue.severity, Severity::Notice);
        assert!(issue.why.contains("no DNS server"), "{}", issue.why);
    }

    #[test]
    fn room_edits_spend_no_attempt() {
        let mut house = House::default();
        let mut seen = leads(Lead::Here { also: Vec::new() });
        house.look(&seen, at(0), false);
        // While it is under way, while it has failed, and while it rests.
        for second in 1..20 {
            house.look(&seen, at(second), true);
        }
        seen.failures.push(refused(at(20)));
        for second in 20..300 {
            house.look(&seen, at(second), true);
        }
        assert_eq!(house.attempts, 1);
        let code = house.code(&seen, at(300)).unwrap();
        assert_eq!(code, (IssueCode::CertificateFailed, Severity::Error));
    }

    #[test]
    fn an_hour_of_failures_stays_below_the_authoritys_limit() {
        let mut house = House::default();
        let mut seen = leads(Lead::Here { also: Vec::new() });
        for second in 0..3600 {
            if matches!(house.orders.of(HOST).stage, Stage::Asked { .. }) {
                seen.failures.push(refused(at(second)));
            }
            house.look(&seen, at(second), true);
        }
        assert_eq!(house.attempts, 4);
    }

    #[test]
    fn a_failure_of_the_attempt_before_is_not_one_of_this() {
        let mut house = House::default();
        let mut seen = leads(Lead::Here { also: Vec::new() });
        seen.failures.push(refused(at(-60)));
        house.look(&seen, at(0), false);
        house.look(&seen, at(1), false);
        assert!(matches!(house.orders.of(HOST).stage, Stage::Asked { .. }));
    }

    #[test]
    fn what_traefik_said_when_it_began_counts_for_as_long_as_it_runs() {
        let mut house = House::default();
        let mut seen = leads(Lead::Here { also: Vec::new() });
        seen.failures.push(Failure {
            why: "permissions 644 are too open".to_owned(),
            stands: true,
            ..refused(at(-3600))
        });
        seen.traefik_since = Some(at(-3600) + SignedDuration::from_millis(700));
        assert!(seen.gave_up(seen.traefik_since));
        // Every time, and no pause grows: nobody is asked.
        for round in 0..5 {
            house.look(&seen, at(round * 301), false);
            house.look(&seen, at(round * 301 + 1), false);
            let issue = house.orders.issues(&seen, at(round * 301 + 1)).remove(0);
            assert_eq!(issue.code, IssueCode::CertificateFailed);
            assert!(issue.why.contains("644"), "{issue:?}");
        }
        // It was started anew, and took them.
        seen.traefik_since = Some(at(2000));
        assert!(!seen.gave_up(seen.traefik_since) && !seen.gave_up(None));
        house.look(&seen, at(2001), false);
        house.look(&seen, at(2002), false);
        let stage = house.orders.of(HOST).stage;
        assert!(matches!(stage, Stage::Asked { .. }), "{stage:?}");
    }

    #[test]
    fn silence_and_a_restart_of_traefik_count_as_failures() {
        for (second, since) in [(180, 0), (5, 4)] {
            let mut house = House::default();
            let mut seen = leads(Lead::Here { also: Vec::new() });
            house.look(&seen, at(0), false);
            seen.traefik_since = Some(at(since));
            house.look(&seen, at(second), true);
            let stage = house.orders.of(HOST).stage;
            assert!(matches!(stage, Stage::Failed { .. }), "{stage:?}");
        }
    }

    #[test]
    fn a_person_does_not_wait_for_the_next_attempt() {
        let mut house = House::default();
        let mut seen = leads(Lead::Here { also: Vec::new() });
        house.look(&seen, at(0), false);
        seen.failures.push(refused(at(1)));
        house.look(&seen, at(1), false);
        house.orders.forgive(at(20));
        house.look(&seen, at(20), false);
        assert_eq!(house.attempts, 2);
        assert!(matches!(house.orders.of(HOST).stage, Stage::Asked { .. }));
    }

    #[test]
    fn a_certificate_ends_it_and_its_loss_begins_it_anew() {
        let mut house = House::default();
        let mut seen = leads(Lead::Here { also: Vec::new() });
        house.look(&seen, at(0), false);
        let served = Served {
            issuer: "R11".into(),
            from: at(0),
            until: at(90 * 86_400),
        };
        seen.served = Some(BTreeMap::from([(HOST.to_owned(), served)]));
        house.look(&seen, at(5), true);
        assert!(house.orders.are_had());
        assert_eq!(house.code(&seen, at(5)), None);
        // Its resolver stands in the file again, which orders nothing.
        assert!(house.orders.held_back(&hosts()).is_empty());
        let day = |day: i64| house.code(&seen, at(day * 86_400));
        let expires = IssueCode::CertificateExpires;
        assert_eq!(day(70), None);
        assert_eq!(day(80), Some((expires, Severity::Warning)));
        assert_eq!(day(91), Some((expires, Severity::Error)));

        // Traefik does not say: everything stays.
        seen.served = None;
        house.look(&seen, at(6), false);
        assert!(house.orders.are_had());
        seen.served = Some(BTreeMap::new());
        house.look(&seen, at(7), false);
        assert_eq!(house.orders.held_back(&hosts()), hosts());
        house.look(&seen, at(8), false);
        assert_eq!(house.attempts, 2, "it was gone, so it was ordered again");
    }

    #[test]
    fn a_short_lived_certificate_is_not_near_its_end_all_its_life() {
        let mut orders = Orders::default();
        let served = Served {
            issuer: "E5".into(),
            from: at(0),
            until: at(6 * 86_400),
        };
        let seen = Seen {
            served: Some(BTreeMap::from([(HOST.to_owned(), served)])),
            ..Seen::default()
        };
        orders.step(&hosts(), &seen, PATIENCE, at(0));
        assert_eq!(orders.issues(&seen, at(4 * 86_400)), []);
        assert_eq!(orders.issues(&seen, at(5 * 86_400 + 3600)).len(), 1);
    }

    #[test]
    fn it_comes_back_from_disk_as_it_was() {
        let mut house = House::default();
        let seen = leads(away());
        house.look(&seen, at(0), false);
        let text = serde_json::to_string(&house.orders).unwrap();
        assert_eq!(
            serde_json::from_str::<Orders>(&text).unwrap(),
            house.orders,
            "{text}"
        );
    }
}
