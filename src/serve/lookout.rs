//! Looks after the certificates, beside the loop and never in its way: where
//! the names lead, which certificates Traefik has, and what its log says of
//! orders that failed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::debug;

use crate::desired::{Failure, Lead, Obstacle, Orders, Protocol, Seen, Served, Stage, port_plan};
use crate::engine::Engine;
use crate::host::{self, Names, NoAddress, Resolvers};
use crate::model::Role;
use crate::reconcile::{Scene, Trigger};
use crate::services::Services;
use crate::services::traefik::{Listed, failures};
use crate::settings::{Acme, AcmeChallenge, Settings, Tls};
use crate::tls;

/// While an order is under way, and after anything changed.
const SOON: Duration = Duration::from_secs(1);
/// The longest pause, and the one while all is well.
const LATE: Duration = Duration::from_secs(60);
/// An order that failed is among the last lines: one is a dozen of them.
const LOG_LINES: u32 = 300;
/// What it said when it began may lie further back, where it ran without us.
const FIRST_LINES: u32 = 5_000;
const KNOCK: Duration = Duration::from_secs(3);
/// A port that was knocked at in vain from inside may be about to open: a
/// firewall is being set, Traefik has just begun. After this it is ordered.
const GRACE: Duration = Duration::from_secs(20);

/// See the module.
pub(super) struct Lookout<E> {
    pub engine: Arc<E>,
    pub services: Services,
    pub settings: watch::Receiver<Arc<Settings>>,
    pub scene: watch::Receiver<Arc<Scene>>,
    pub orders: watch::Receiver<Orders>,
}

impl<E: Engine> Lookout<E> {
    /// Runs for ever. Cancel-safe: every round starts from nothing.
    pub async fn run(mut self, seen: watch::Sender<Arc<Seen>>, loop_: mpsc::Sender<Trigger>) {
        let mut pause = SOON;
        let mut in_vain = InVain::default();
        loop {
            let settings = Arc::clone(&self.settings.borrow_and_update());
            let orders = self.orders.borrow_and_update().clone();
            let before = Arc::clone(&seen.borrow());
            let mut now = self.look(&settings, &orders, &before).await;
            in_vain.hold_back(&mut now.leads, Instant::now());
            if now == *before {
                pause = (pause * 2).min(LATE);
            } else {
                pause = SOON;
                seen.send_replace(Arc::new(now));
                // A full inbox already holds a reason to look.
                let _full = loop_.try_send(Trigger::Recheck);
            }
            let wait = if orders.is_asking() { SOON } else { pause };
            // Cancel-safe: a watch keeps its mark until it is read.
            let open = tokio::select! {
                () = tokio::time::sleep(wait) => Ok(()),
                changed = self.settings.changed() => changed,
                changed = self.orders.changed() => changed,
            };
            if open.is_err() {
                return;
            }
        }
    }

    async fn look(&self, settings: &Settings, orders: &Orders, before: &Seen) -> Seen {
        if matches!(settings.tls, Tls::Off { .. }) {
            return Seen::default();
        }
        let scene = Arc::clone(&self.scene.borrow());
        let traefik = scene.addresses.get(&Role::Traefik).copied();
        let hosts = settings.hosts.all();
        let Tls::Acme(acme) = &settings.tls else {
            return Seen {
                served: self.served(traefik, &hosts).await,
                ..Seen::default()
            };
        };
        let settled = |host: &str| {
            let stage = orders.of(host).stage;
            matches!(stage, Stage::Had { .. } | Stage::Asked { .. })
        };
        let leads = async {
            if hosts.iter().all(|host| settled(host)) {
                return before.leads.clone();
            }
            let names = Resolvers(acme.resolvers.clone());
            let here = here(settings, scene.in_container, &names).await;
            let knock = match (traefik, scene.in_container) {
                // It has not begun, or could not: told as such, and nothing
                // is known of its port yet.
                (None, _) => Knock::Nowhere,
                (Some(_), false) => Knock::OnThisHost,
                (Some(_), true) => Knock::FromInside {
                    gateway: scene.gateway.map(IpAddr::V4),
                },
            };
            let asked = asked_port(settings, acme);
            leads(settings, acme, &here, (knock, asked), &names).await
        };
        let failed = async {
            let quiet = orders.are_had() && orders.issues(before, Timestamp::now()).is_empty();
            match &scene.target {
                Some(target) if !quiet && traefik.is_some() => {
                    let name = target.container_name(Role::Traefik);
                    let count = match *before == Seen::default() {
                        true => FIRST_LINES,
                        false => LOG_LINES,
                    };
                    let lines = self.engine.logs(&name, count, false);
                    let lines: Vec<String> = lines
                        .filter_map(|line| std::future::ready(line.ok()))
                        .collect()
                        .await;
                    with_standing(failures(&lines, &hosts), &before.failures)
                }
                _ => before.failures.clone(),
            }
        };
        let (leads, served, failures) = tokio::join!(leads, self.served(traefik, &hosts), failed);
        Seen {
            leads,
            served,
            failures,
            traefik_since: None,
        }
    }

    async fn served(
        &self,
        traefik: Option<Ipv4Addr>,
        hosts: &[&str],
    ) -> Option<BTreeMap<String, Served>> {
        match self.services.certificates(IpAddr::V4(traefik?)).await {
            Ok(listed) => Some(by_host(&listed, hosts)),
            Err(error) => {
                debug!(%error, "Traefik's certificates could not be listed");
                None
            }
        }
    }
}

/// PURE. What Traefik said once, when it began, is still so when its log has
/// moved on.
fn with_standing(found: Vec<Failure>, before: &[Failure]) -> Vec<Failure> {
    let stood = before.iter().filter(|failure| failure.stands);
    let mut all: Vec<Failure> = stood
        .filter(|failure| !found.contains(failure))
        .cloned()
        .collect();
    all.extend(found);
    all.sort_by_key(|failure| failure.at);
    all
}

/// PURE. The certificate for each name; of several the one that lasts longest.
fn by_host(listed: &[Listed], hosts: &[&str]) -> BTreeMap<String, Served> {
    let of = |host: &&str| {
        let best = listed
            .iter()
            .filter(|one| one.sans.iter().any(|name| tls::covers(name, host)))
            .max_by_key(|one| one.not_after)?;
        let served = Served {
            issuer: best.issuer.clone(),
            from: best.not_before,
            until: best.not_after,
        };
        Some(((*host).to_owned(), served))
    };
    hosts.iter().filter_map(of).collect()
}

/// This host's addresses as people know them; none where they are not known.
async fn here(settings: &Settings, in_container: bool, names: &impl Names) -> BTreeSet<IpAddr> {
    let announced = host::announce(settings, host::default_source(), in_container).address;
    match announced.map(|address| (address.parse::<IpAddr>(), address)) {
        None => BTreeSet::new(),
        Some((Ok(address), _)) => BTreeSet::from([address.to_canonical()]),
        // A name stands for its addresses.
        Some((Err(_), name)) => names.lookup(&name).await.into_iter().flatten().collect(),
    }
}

/// From where it is tried whether the authority would find a port open.
#[derive(Clone, Copy, Debug)]
enum Knock {
    Nowhere,
    /// The host's own addresses are ours: a refusal is certain.
    OnThisHost,
    /// In a container. The public address is outside, and few routers lead
    /// back in; the host is the network's gateway.
    FromInside {
        gateway: Option<IpAddr>,
    },
}

async fn leads(
    settings: &Settings,
    acme: &Acme,
    here: &BTreeSet<IpAddr>,
    (knock, asked): (Knock, Option<u16>),
    names: &impl Names,
) -> BTreeMap<String, Lead> {
    let hosts = settings.hosts.all();
    let all = join_all(hosts.map(|host| async move {
        if let Some(why) = needless(settings, acme) {
            return Some((host.to_owned(), Lead::Unknown { why: why.into() }));
        }
        let found = names.lookup(host).await;
        let mut lead = judge(found.as_deref(), here, is_binding(acme));
        if let Lead::Here { also } = &mut lead {
            // One that is not announced may be this host's all the same.
            also.retain(|address| !is_ours(*address));
        }
        if let (Lead::Here { .. }, Some(port)) = (&lead, asked)
            && let Some(address) = found.iter().flatten().find(|found| here.contains(found))
        {
            let address = SocketAddr::new(*address, port);
            match knock {
                // What is not looked up yet is not ordered yet.
                Knock::Nowhere => return None,
                Knock::OnThisHost => {
                    if let Some(why) = shut(address).await {
                        lead = Lead::Away(Obstacle::Refused { port, why });
                    }
                }
                Knock::FromInside { gateway } => {
                    // Only there if it is published on every address.
                    let gateway = gateway
                        .filter(|_| is_everywhere(settings, port))
                        .map(|gateway| SocketAddr::new(gateway, port));
                    if let Some(why) = unreached(address, gateway).await {
                        lead = Lead::Unreached { why };
                    }
                }
            }
        }
        Some((host.to_owned(), lead))
    }));
    all.await.into_iter().flatten().collect()
}

/// Why it does not matter where the names lead.
fn needless(settings: &Settings, acme: &Acme) -> Option<&'static str> {
    if matches!(acme.challenge, AcmeChallenge::Dns { .. }) {
        Some("the authority looks for a record, so where the name leads does not matter")
    } else if !settings.trusted_proxies.is_empty() {
        Some("a proxy in front is trusted, so the name may lead there")
    } else {
        None
    }
}

/// Whether what we look up is what the authority sees. A private one may have
/// a DNS of its own, unless the settings name it.
fn is_binding(acme: &Acme) -> bool {
    acme.ca_certificate.is_none() || !acme.resolvers.is_empty()
}

/// The port at which the authority asks, where it is ours: with another one in
/// the settings a router in between leads it here, which cannot be seen.
fn asked_port(settings: &Settings, acme: &Acme) -> Option<u16> {
    match acme.challenge {
        AcmeChallenge::Http => Some(80).filter(|port| settings.ports.http == *port),
        AcmeChallenge::TlsAlpn => Some(443).filter(|port| settings.ports.https == *port),
        AcmeChallenge::Dns { .. } => None,
    }
}

/// Whether a port is published on every address of the host.
fn is_everywhere(settings: &Settings, port: u16) -> bool {
    port_plan(settings)
        .iter()
        .filter(|planned| {
            planned.public && planned.first == port && planned.protocol == Protocol::Tcp
        })
        .all(|planned| planned.address.is_none_or(|bind| bind.is_unspecified()))
}

/// PURE. Where a name leads.
fn judge(found: Result<&[IpAddr], &NoAddress>, here: &BTreeSet<IpAddr>, is_binding: bool) -> Lead {
    let away = |obstacle, private: String| {
        if is_binding {
            Lead::Away(obstacle)
        } else {
            Lead::Unknown {
                why: format!(
                    "{private}, which a private authority may know better (`tls.resolvers` names its DNS)"
                ),
            }
        }
    };
    match found {
        Err(NoAddress::Silent(why)) => Lead::Unknown {
            why: format!("where the name leads could not be looked up ({why})"),
        },
        Err(NoAddress::None(why)) => away(
            Obstacle::Nowhere { why: why.clone() },
            "the name has no address here".to_owned(),
        ),
        Ok([]) => away(
            Obstacle::Nowhere {
                why: "it has no address in DNS".to_owned(),
            },
            "the name has no address here".to_owned(),
        ),
        Ok(_) if here.is_empty() => Lead::Unknown {
            why: "this host's public address is not known, so it was not compared with where the name leads".to_owned(),
        },
        Ok(found) if found.iter().any(|address| here.contains(address)) => Lead::Here {
            also: found
                .iter()
                .filter(|address| !here.contains(address))
                .copied()
                .collect(),
        },
        Ok(found) => away(
            Obstacle::Elsewhere {
                found: found.to_vec(),
                here: here.iter().copied().collect(),
            },
            "the name leads elsewhere here".to_owned(),
        ),
    }
}

/// Whether an address is this machine's: only such can be bound.
fn is_ours(address: IpAddr) -> bool {
    std::net::UdpSocket::bind(SocketAddr::new(address, 0)).is_ok()
}

/// Why a port of this very host is shut. What does not answer may be open to
/// others (NAT seldom leads back inside), and another host's word is not ours.
async fn shut(address: SocketAddr) -> Option<String> {
    if !is_ours(address.ip()) {
        return None;
    }
    let knock = tokio::time::timeout(KNOCK, tokio::net::TcpStream::connect(address)).await;
    match knock {
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Some(error.to_string())
        }
        _ => None,
    }
}

/// What a knock from inside a container found, if nobody answered. Never
/// certain: a router may lead nobody back in, a firewall may let in others.
async fn unreached(address: SocketAddr, gateway: Option<SocketAddr>) -> Option<String> {
    let why = open(address).await.err()?;
    let on_host = match gateway {
        None => "whether the host has it open could not be seen",
        Some(gateway) if open(gateway).await.is_ok() => {
            "on the host it is open, so it is for firewall and router to let it in"
        }
        Some(_) => "on the host nobody answered either",
    };
    let (port, address) = (address.port(), address.ip());
    Some(format!(
        "port {port} of {address} did not answer from inside this host ({why}), which from outside may differ; {on_host}"
    ))
}

async fn open(address: SocketAddr) -> Result<(), String> {
    let knock = tokio::time::timeout(KNOCK, tokio::net::TcpStream::connect(address)).await;
    match knock {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", KNOCK.as_secs())),
    }
}

/// Since when each name was knocked for in vain.
#[derive(Debug, Default)]
struct InVain(BTreeMap<String, Instant>);

impl InVain {
    /// Takes out those that may still be about to open: what is not looked up
    /// yet is not ordered yet.
    fn hold_back(&mut self, leads: &mut BTreeMap<String, Lead>, now: Instant) {
        self.0
            .retain(|host, _| matches!(leads.get(host), Some(Lead::Unreached { .. })));
        leads.retain(|host, lead| {
            if !matches!(lead, Lead::Unreached { .. }) {
                return true;
            }
            let since = *self.0.entry(host.clone()).or_insert(now);
            now.duration_since(since) >= GRACE
        });
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Names that lead somewhere, or nowhere, or are not answered.
    struct Book(BTreeMap<&'static str, Result<Vec<IpAddr>, NoAddress>>);

    impl Names for Book {
        async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, NoAddress> {
            self.0[name].clone()
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    async fn leads_of(more: &str) -> Vec<Lead> {
        let found = led("203.0.113.7", more, (Knock::Nowhere, None)).await;
        found.into_iter().flatten().collect()
    }

    async fn led(address: &str, more: &str, knock: (Knock, Option<u16>)) -> Vec<Option<Lead>> {
        let text = format!("domain: review.example.com\n{more}");
        let settings = crate::settings::parse(&text, "x").unwrap();
        let Tls::Acme(acme) = &settings.tls else {
            unreachable!()
        };
        let book = Book(BTreeMap::from([
            ("review.example.com", Ok(vec![ip(address)])),
            ("admin.review.example.com", Ok(vec![ip("198.51.100.9")])),
            (
                "video.review.example.com",
                Err(NoAddress::None("no such name".into())),
            ),
            ("out.example.com", Ok(vec![ip("198.51.100.9")])),
        ]));
        let here = here(&settings, false, &book).await;
        let found = leads(&settings, acme, &here, knock, &book).await;
        settings
            .hosts
            .all()
            .map(|host| found.get(host).cloned())
            .to_vec()
    }

    const HERE: Lead = Lead::Here { also: Vec::new() };

    #[tokio::test]
    async fn names_are_compared_with_the_address_people_know() {
        let found = leads_of("public_address: 203.0.113.7\n").await;
        assert_eq!(found[0], HERE);
        assert_eq!(
            found[1],
            Lead::Away(Obstacle::Elsewhere {
                found: vec![ip("198.51.100.9")],
                here: vec![ip("203.0.113.7")],
            })
        );
        assert!(matches!(found[2], Lead::Away(Obstacle::Nowhere { .. })));
        let by_name = leads_of("public_address: out.example.com\n").await;
        assert!(matches!(by_name[0], Lead::Away(_)));
        assert_eq!(by_name[1], HERE);
    }

    #[tokio::test]
    async fn where_it_cannot_be_told_nothing_is_held_back() {
        for more in [
            // The challenge by DNS needs no address.
            "public_address: 203.0.113.7\ntls: {dns: {provider: cloudflare}}\n",
            // A proxy in front has the names.
            "public_address: 203.0.113.7\ntrusted_proxies: [192.0.2.10]\n",
        ] {
            for lead in leads_of(more).await {
                assert!(matches!(lead, Lead::Unknown { .. }), "{more}: {lead:?}");
            }
        }
    }

    #[test]
    fn each_answer_is_judged() {
        let here = BTreeSet::from([ip("203.0.113.7")]);
        let elsewhere = [ip("198.51.100.9")];
        let silent = NoAddress::Silent("no answer".into());
        assert!(matches!(
            judge(Err(&silent), &here, true),
            Lead::Unknown { .. }
        ));
        assert!(matches!(
            judge(Ok(&elsewhere), &BTreeSet::new(), true),
            Lead::Unknown { .. }
        ));
        // A private authority may have a DNS of its own.
        let private = judge(Ok(&elsewhere), &here, false);
        let Lead::Unknown { why } = private else {
            unreachable!("{private:?}")
        };
        assert!(why.contains("tls.resolvers"), "{why}");
        let both = [ip("2001:db8::7"), ip("203.0.113.7")];
        // An old record of the other family: an authority asks there first.
        let also = vec![ip("2001:db8::7")];
        assert_eq!(judge(Ok(&both), &here, true), Lead::Here { also });
    }

    #[tokio::test]
    async fn a_port_counts_as_shut_only_where_this_host_says_so() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(shut(address).await, None);
        drop(listener);
        assert!(shut(address).await.unwrap().contains("refused"));
        // Not an address of this host: it is not asked.
        assert_eq!(shut("192.0.2.1:80".parse().unwrap()).await, None);
    }

    /// What an order is held back for, and what only warns.
    #[tokio::test]
    async fn it_is_knocked_where_the_authority_will_ask() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap().port();
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shut = gone.local_addr().unwrap().port();
        drop(gone);
        let knocked = async |knock, port| {
            let public = "public_address: 127.0.0.1\n";
            let found = led("127.0.0.1", public, (knock, Some(port))).await;
            found[0].clone()
        };
        let inside = |gateway| Knock::FromInside { gateway };
        for knock in [Knock::OnThisHost, inside(None)] {
            assert_eq!(knocked(knock, open).await, Some(HERE));
        }
        // Before Traefik is there to answer nothing is known, and so nothing
        // is ordered.
        assert_eq!(knocked(Knock::Nowhere, shut).await, None);
        assert!(matches!(
            knocked(Knock::OnThisHost, shut).await,
            Some(Lead::Away(Obstacle::Refused { port, .. })) if port == shut
        ));
        for gateway in [None, Some(ip("127.0.0.1"))] {
            assert!(matches!(
                knocked(inside(gateway), shut).await,
                Some(Lead::Unreached { .. })
            ));
        }
        // Where the authority asks is known only at its own ports.
        for (more, port) in [
            ("", Some(80)),
            ("tls: {challenge: tls-alpn}\n", Some(443)),
            ("ports: {http: 8080}\n", None),
        ] {
            let text = format!("domain: review.example.com\n{more}");
            let settings = crate::settings::parse(&text, "x").unwrap();
            let Tls::Acme(acme) = &settings.tls else {
                unreachable!()
            };
            assert_eq!(asked_port(&settings, acme), port, "{more}");
        }
    }

    /// In the shipped deployment: a warning and a moment, never a refusal.
    #[tokio::test]
    async fn from_inside_a_container_a_port_that_does_not_answer_is_a_warning() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let is_open = listener.local_addr().unwrap();
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let is_shut = gone.local_addr().unwrap();
        drop(gone);
        assert_eq!(unreached(is_open, Some(is_shut)).await, None);
        for (gateway, words) in [
            (Some(is_open), "for firewall and router"),
            (Some(is_shut), "nobody answered either"),
            (None, "could not be seen"),
        ] {
            let why = unreached(is_shut, gateway).await.unwrap();
            assert!(why.contains("refused") && why.contains(words), "{why}");
        }
    }

    #[test]
    fn what_was_knocked_at_in_vain_is_ordered_after_a_moment() {
        let mut in_vain = InVain::default();
        let begun = Instant::now();
        let mut after = |seconds: u64, lead: Lead| {
            let mut leads = BTreeMap::from([("a.tld".to_owned(), lead)]);
            in_vain.hold_back(&mut leads, begun + Duration::from_secs(seconds));
            leads.contains_key("a.tld")
        };
        let unreached = || Lead::Unreached { why: String::new() };
        assert!(after(0, HERE));
        assert!(!after(1, unreached()));
        assert!(!after(20, unreached()));
        assert!(after(21, unreached()));
        assert!(after(60, unreached()));
        // It answered in between: it begins anew.
        assert!(after(61, HERE));
        assert!(!after(62, unreached()));
    }

    #[test]
    fn the_best_certificate_of_each_name_counts() {
        let one = |sans: &[&str], until: &str| Listed {
            sans: sans.iter().map(ToString::to_string).collect(),
            issuer: "R11".into(),
            not_before: Timestamp::UNIX_EPOCH,
            not_after: until.parse().unwrap(),
        };
        let listed = [
            one(&["a.example.com"], "2026-01-01T00:00:00Z"),
            one(&["*.example.com"], "2027-01-01T00:00:00Z"),
        ];
        let found = by_host(&listed, &["a.example.com", "b.a.example.com"]);
        assert_eq!(found.len(), 1);
        assert_eq!(
            found["a.example.com"].until.to_string(),
            "2027-01-01T00:00:00Z"
        );
    }
}
