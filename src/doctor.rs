//! Looks at everything a review room stands on and says what is wrong, why,
//! and what to do: before the first start, and when something does not work.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use crate::VERSION;
use crate::backup::{self, BackupFile};
use crate::desired::{PlannedPort, Protocol, Seen, labels, port_plan};
use crate::disk::{SECRETS, is_unseen};
use crate::engine::{Engine, EngineError, EngineFacts, services_of};
use crate::host::{self, Listener, Names, NoAddress, Space};
use crate::model::{Issue, Severity, listed};
use crate::settings::{AcmeChallenge, Settings, SettingsError, Tls};
use crate::store::{self, Facts, StoreError};
use crate::tls;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Works, but not as well as it could, or not for everybody.
    Warning,
    /// Something people need does not work.
    Error,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at: `engine`, `ports`.
    pub name: &'static str,
    /// How it came out.
    pub verdict: Verdict,
    /// One line: what was found.
    pub found: String,
    /// One line: why that is not as it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// One line: what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// What the host is like, gathered beforehand: plain values.
#[derive(Debug)]
pub struct HostView {
    /// The container we run in, if we do (empty where its id is not known): its
    /// ports and addresses are not the host's, so nothing is concluded from them.
    pub container: Option<String>,
    /// Address of the default route.
    pub source: Option<IpAddr>,
    /// Who listens here.
    pub listeners: Vec<Listener>,
    /// The state folder.
    pub state: StateView,
    /// Our own process.
    pub pid: u32,
}

/// What the state folder is like.
#[derive(Debug)]
pub struct StateView {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it exists already.
    pub exists: bool,
    /// Why it cannot be written, if so.
    pub unwritable: Option<String>,
    /// Room on its file system.
    pub space: Option<Space>,
    /// What the database is like; nothing where none was made yet.
    pub database: Option<Result<Facts, StoreError>>,
    /// The backups that are here, newest first; none of them was read.
    pub backups: Vec<BackupFile>,
}

impl HostView {
    /// Looks at this host; reads `/proc` and the state folder's file system,
    /// writes nothing.
    pub fn gather(state: &Path, settings: Option<&Settings>, container: Option<String>) -> Self {
        let database = state.join(store::FILE);
        let in_use = database.exists() || state.join(SECRETS).exists();
        Self {
            container,
            source: host::default_source(),
            listeners: host::read_listeners(Path::new("/proc")),
            state: StateView {
                path: state.to_owned(),
                exists: state.exists(),
                unwritable: host::writable(state).err().map(|error| error.to_string()),
                space: host::space(state).ok(),
                database: in_use.then(|| store::examine(&database, VERSION, false)),
                backups: settings.map(backup::list).unwrap_or_default(),
            },
            pid: std::process::id(),
        }
    }
}

/// Looks at everything. `source` names the settings' file, or says that there
/// is none. With wrong settings nothing else can be judged.
pub async fn examine(
    source: &str,
    settings: Result<&Settings, &[SettingsError]>,
    view: &HostView,
    engine: &impl Engine,
    names: &impl Names,
    now: Timestamp,
) -> Vec<Check> {
    let settings = match settings {
        Ok(settings) => settings,
        Err(errors) => return errors.iter().map(wrong_settings).collect(),
    };
    let mut checks = vec![ok("settings", source.to_owned())];

    let images = &settings.images;
    let references = [
        images.traefik.clone(),
        images.ovenmediaengine.clone(),
        images.mirotalk.clone(),
    ];
    let seen = engine.observe(&settings.instance, &references).await;
    checks.push(check_engine(settings, &seen));
    let facts = seen.as_ref().ok();
    checks.extend(check_ports(settings, facts, view));
    let announced = host::announce(settings, view.source, view.container.is_some());
    checks.push(match (&announced.issue, &announced.address) {
        (Some(issue), _) => of_issue("address", issue),
        (None, address) => ok(
            "address",
            format!(
                "picture and call are announced at {}",
                address.as_deref().unwrap_or("nowhere")
            ),
        ),
    });
    checks.extend(check_names(settings, announced.address.as_deref(), names).await);
    checks.extend(check_state(&view.state));
    checks.extend(check_database(settings, &view.state));
    checks.extend(check_beside(settings, facts, &view.state));
    checks.push(check_backup(settings, view, now));
    checks.extend(older_backups(settings, view));
    if let Some(facts) = facts {
        checks.extend(
            references
                .iter()
                .map(|reference| check_image(reference, facts)),
        );
    }
    checks.extend(check_certificates(settings, view, now));
    checks
}

fn ok(name: &'static str, found: String) -> Check {
    Check {
        name,
        verdict: Verdict::Ok,
        found,
        why: None,
        fix: None,
    }
}

fn told(
    name: &'static str,
    verdict: Verdict,
    found: impl Into<String>,
    why: impl Into<String>,
    fix: impl Into<String>,
) -> Check {
    Check {
        name,
        verdict,
        found: found.into(),
        why: Some(why.into()),
        fix: Some(fix.into()),
    }
}

fn wrong_settings(error: &SettingsError) -> Check {
    told(
        "settings",
        Verdict::Error,
        format!("{}: {}", error.origin, error.what),
        &error.why,
        &error.fix,
    )
}

fn of_issue(name: &'static str, issue: &Issue) -> Check {
    let verdict = match issue.severity {
        Severity::Notice => Verdict::Ok,
        Severity::Warning => Verdict::Warning,
        Severity::Error => Verdict::Error,
    };
    let [what, why, fix] = [&issue.what, &issue.why, &issue.fix].map(|line| clause(line));
    told(name, verdict, what, why, fix)
}

/// An issue's sentence in the tone of the lines here.
fn clause(sentence: &str) -> String {
    let sentence = sentence.strip_suffix('.').unwrap_or(sentence);
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}

fn check_engine(settings: &Settings, seen: &Result<EngineFacts, EngineError>) -> Check {
    let address = &settings.engine.address;
    let error =
        |found: &str, why: String, fix: String| told("engine", Verdict::Error, found, why, fix);
    match seen {
        Ok(facts) => {
            let info = &facts.info;
            ok(
                "engine",
                format!(
                    "version {}, API {}, {}, at {address}",
                    info.version, info.api_version, info.platform
                ),
            )
        }
        Err(EngineError::Denied { .. }) => error(
            "the engine may not be used",
            format!("{address} exists, but this user has no right to it"),
            "run as a member of the group `docker`; in a container add `--group-add` with the group of the socket, and where SELinux is enforced `--security-opt label=disable`".to_owned(),
        ),
        Err(EngineError::Away { reason, .. }) => error(
            "the engine does not answer",
            format!("{address}: {reason}"),
            "start it (`systemctl start docker`), or correct `engine.address`; in a container mount the socket".to_owned(),
        ),
        Err(old @ EngineError::TooOld { .. }) => error(
            "the engine is too old",
            old.to_string(),
            "install Docker Engine 20.10 or newer".to_owned(),
        ),
        Err(slow @ EngineError::Slow { .. }) => error(
            "the engine answers too slowly",
            slow.to_string(),
            "see its log (`journalctl -u docker`) and the load of this host, and look again".to_owned(),
        ),
        Err(other) => error(
            "the engine refuses to be looked at",
            other.to_string(),
            "if a socket proxy filters calls, allow those of the documents; else see the engine's own log".to_owned(),
        ),
    }
}

fn check_ports(settings: &Settings, facts: Option<&EngineFacts>, view: &HostView) -> Vec<Check> {
    // What is not published matters only where the controller itself listens.
    let plan: Vec<PlannedPort> = port_plan(settings)
        .into_iter()
        .filter(|port| port.public || (port.service.is_none() && view.container.is_none()))
        .collect();
    let mut ours = 0_u32;
    let mut checks = Vec::new();
    for planned in &plan {
        for port in planned.first..=planned.last {
            match holder(settings, facts, view, planned, port) {
                Holder::Nobody => {}
                Holder::Ours => ours += 1,
                Holder::Other(who, stop) => {
                    let protocol = word(planned.protocol);
                    checks.push(told(
                        "ports",
                        Verdict::Error,
                        format!("{protocol} port {port} is taken by {who}"),
                        format!("it is needed for {}", planned.purpose),
                        format!("{stop}, or choose another port under `ports` in the settings"),
                    ));
                }
            }
        }
    }
    if checks.is_empty() {
        let count: u32 = plan
            .iter()
            .map(|port| u32::from(port.last - port.first) + 1)
            .sum();
        let unseen = if view.container.is_some() {
            ", as far as containers hold them (the host's own processes cannot be seen from in here)"
        } else {
            ""
        };
        checks.push(ok(
            "ports",
            format!("{ours} ours, {} free{unseen}", count.saturating_sub(ours)),
        ));
    }
    checks
}

enum Holder {
    Nobody,
    Ours,
    /// Who, and how to be rid of them.
    Other(String, String),
}

fn holder(
    settings: &Settings,
    facts: Option<&EngineFacts>,
    view: &HostView,
    planned: &PlannedPort,
    port: u16,
) -> Holder {
    let bind = planned.address;
    let collides = |address: Option<IpAddr>| match (bind, address) {
        (Some(ours), Some(theirs)) => theirs.is_unspecified() || ours == theirs,
        _ => true,
    };
    let published = facts.and_then(|facts| {
        facts.ports.iter().find(|held| {
            held.port == port && held.protocol == planned.protocol && collides(held.address)
        })
    });
    if let (Some(held), Some(facts)) = (published, facts) {
        let is_ours = facts.containers.iter().any(|container| {
            container.id == held.id
                && container.labels.get(labels::INSTANCE) == Some(&settings.instance)
        });
        return if is_ours {
            Holder::Ours
        } else {
            Holder::Other(
                format!("the container `{}`", held.container),
                format!("stop it (`docker stop {}`)", held.container),
            )
        };
    }
    if view.container.is_some() {
        return Holder::Nobody;
    }
    let listener = view.listeners.iter().find(|listener| {
        listener.port == port
            && listener.protocol == planned.protocol
            && collides(Some(listener.address))
    });
    match listener {
        None => Holder::Nobody,
        Some(listener) => match &listener.process {
            // The running controller, whom this command asks about.
            Some(process)
                if !planned.public
                    && (process.pid == view.pid || process.command == "colourstream") =>
            {
                Holder::Ours
            }
            Some(_) => Holder::Other(listener.who(), "stop it".to_owned()),
            None => Holder::Other(
                listener.who(),
                "look again as root to see which, and stop it".to_owned(),
            ),
        },
    }
}

const fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
    }
}

pub(crate) async fn check_names(
    settings: &Settings,
    announced: Option<&str>,
    names: &impl Names,
) -> Vec<Check> {
    let hosts = [
        &settings.hosts.live,
        &settings.hosts.admin,
        &settings.hosts.video,
    ];
    if hosts.iter().all(|host| host.ends_with(".localhost")) {
        return vec![ok(
            "names",
            format!(
                "{} leads browsers to this machine by itself",
                settings.hosts.live
            ),
        )];
    }
    // A name that is announced stands for its addresses.
    let here: Vec<IpAddr> = match announced.map(|address| (address, address.parse::<IpAddr>())) {
        None => Vec::new(),
        Some((_, Ok(address))) => vec![address.to_canonical()],
        Some((name, Err(_))) => names.lookup(name).await.unwrap_or_default(),
    };
    let mut checks = Vec::new();
    for host in hosts {
        let target = here
            .first()
            .map_or_else(|| "this host's address".to_owned(), ToString::to_string);
        checks.push(match names.lookup(host).await {
            Err(NoAddress::Silent(why)) => told(
                "names",
                Verdict::Warning,
                format!("where {host} leads to could not be asked"),
                why,
                "give this host DNS servers that answer (`/etc/resolv.conf`), and look again",
            ),
            Err(NoAddress::None(why)) => told(
                "names",
                Verdict::Error,
                format!("{host} leads nowhere"),
                why,
                record(settings, host, &target),
            ),
            Ok(found) if found.is_empty() => told(
                "names",
                Verdict::Error,
                format!("{host} leads nowhere"),
                "it has no address in DNS",
                record(settings, host, &target),
            ),
            Ok(found) if here.is_empty() || found.iter().all(|address| here.contains(address)) => {
                ok("names", format!("{host} leads to {}", listed(&found)))
            }
            Ok(found) if found.iter().any(|address| here.contains(address)) => {
                let elsewhere = found.iter().filter(|address| !here.contains(address));
                let elsewhere = listed(&elsewhere.copied().collect::<Vec<_>>());
                told(
                    "names",
                    Verdict::Warning,
                    format!("{host} leads to {}", listed(&found)),
                    format!(
                        "this host is announced at {}; who is led to {elsewhere} may not arrive",
                        listed(&here)
                    ),
                    format!(
                        "take out the records of {elsewhere}, unless they are this host's as well"
                    ),
                )
            }
            Ok(found) => told(
                "names",
                Verdict::Warning,
                format!("{host} leads to {}", listed(&found)),
                format!("this host is announced at {}", listed(&here)),
                format!(
                    "{}; if a proxy in front is meant, nothing is wrong",
                    record(settings, host, &target)
                ),
            ),
        });
    }
    checks
}

fn record(settings: &Settings, host: &str, target: &str) -> String {
    if settings.is_local() {
        format!("let your network's DNS or each machine's hosts file lead {host} to {target}")
    } else {
        let kind = if target.contains(':') { "AAAA" } else { "A" };
        format!("add the record `{host} {kind} {target}` where the domain's DNS is kept")
    }
}

/// Below this a log or a backup may fail any day.
const LOW_SPACE: u64 = 1 << 30;
/// Below this the next file may fail.
const NO_SPACE: u64 = 64 << 20;

fn check_state(state: &StateView) -> Vec<Check> {
    let path = state.path.display();
    if let Some(why) = &state.unwritable {
        return vec![told(
            "state",
            Verdict::Error,
            format!("{path} cannot be written"),
            why,
            "give the folder to the user the controller runs as, or choose another with `state`",
        )];
    }
    let Some(space) = state.space else {
        return vec![ok("state", format!("{path}"))];
    };
    let room = format!("{} free of {}", bytes(space.free), bytes(space.total));
    if space.free < LOW_SPACE {
        let verdict = if space.free < NO_SPACE {
            Verdict::Error
        } else {
            Verdict::Warning
        };
        return vec![told(
            "state",
            verdict,
            format!("{path}: {room}"),
            "a full disk stops backups first and rooms next",
            "free some space on that file system, or move the state folder",
        )];
    }
    let made = if state.exists {
        ""
    } else {
        ", made at the first start"
    };
    vec![ok("state", format!("{path}{made}; {room}"))]
}

fn check_database(settings: &Settings, state: &StateView) -> Option<Check> {
    let name = "database";
    match state.database.as_ref()? {
        Ok(facts) if facts.is_older() => Some(ok(
            name,
            format!(
                "sound; of ColourStream {}, brought up to date at the next start, after a backup",
                facts.schema_by.as_deref().unwrap_or("an older version")
            ),
        )),
        Ok(facts) => Some(ok(name, format!("sound, schema {}", facts.schema))),
        Err(error) => {
            let issue = backup::rescue(error, settings);
            Some(told(
                name,
                Verdict::Error,
                clause(&issue.what),
                issue.why,
                issue.fix,
            ))
        }
    }
}

/// Services that run beside a state folder in which nothing was ever kept.
fn check_beside(
    settings: &Settings,
    facts: Option<&EngineFacts>,
    state: &StateView,
) -> Option<Check> {
    let running = services_of(&settings.instance, facts?);
    // Who may not look into the folder cannot tell that it is empty.
    let is_empty = state.database.is_none() && state.unwritable.is_none();
    let is_new = (is_empty || is_unseen(&state.path)) && !running.is_empty();
    is_new.then(|| of_issue("state", &backup::lost(&running, settings)))
}

/// So many backups are named.
const NAMED: usize = 5;

/// A backup for whoever looks for one to restore.
fn of(one: &BackupFile) -> String {
    format!(
        "of {}: {}",
        one.at.strftime("%Y-%m-%d %H:%M UTC"),
        one.path.display()
    )
}

/// Those before the newest, for when that one turns out to be damaged.
fn older_backups(settings: &Settings, view: &HostView) -> Vec<Check> {
    let all = &view.state.backups;
    let older = all.iter().take(NAMED).skip(1);
    let mut checks: Vec<Check> = older
        .map(|one| ok("backup", format!("before it, one {}", of(one))))
        .collect();
    if let Some(more) = all.len().checked_sub(NAMED).filter(|more| *more > 0) {
        let folder = backup::folder(settings);
        checks.push(ok(
            "backup",
            format!("and {more} more in {}", folder.display()),
        ));
    }
    checks
}

/// A backup that is older than this many intervals was due long ago.
const LATE: i32 = 3;

fn check_backup(settings: &Settings, view: &HostView, now: Timestamp) -> Check {
    let name = "backup";
    let every = settings.backup.every;
    let folder = backup::folder(settings);
    match (view.state.backups.first(), every) {
        (None, None) => told(
            name,
            Verdict::Warning,
            "no backup is made by itself, and none is here",
            format!(
                "`backup.every` is `off`, and {} holds none",
                folder.display()
            ),
            "make them yourself with `colourstream backup FILE`, or set `backup: 24h`",
        ),
        (None, Some(_)) => ok(
            name,
            format!(
                "none yet; the first is made in {} a minute after a start",
                folder.display()
            ),
        ),
        (Some(last), every) => {
            let said = format!("the newest, whole when it was made, is {}", of(last));
            let age = now.duration_since(last.at);
            let late = every
                .and_then(|every| jiff::SignedDuration::try_from(every).ok())
                .is_some_and(|every| age > every.saturating_mul(LATE));
            if late {
                return told(
                    name,
                    Verdict::Warning,
                    said,
                    "it should be newer: no controller ran, or its backups fail",
                    "see `colourstream status`, or make one now with `colourstream backup FILE`",
                );
            }
            ok(name, said)
        }
    }
}

fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if value < 10.0 && unit > 0 {
        format!("{value:.1} {name}")
    } else {
        format!("{value:.0} {name}")
    }
}

fn check_image(reference: &str, facts: &EngineFacts) -> Check {
    match facts.images.get(reference) {
        None => told(
            "images",
            Verdict::Warning,
            format!("{reference} is not on this host"),
            "it is pulled at the first start, which takes a while and needs its registry",
            format!("pull it now with `docker pull {reference}`, or load it with `docker load`"),
        ),
        Some(image) if image.labels.contains_key(labels::SIMULATED) => told(
            "images",
            Verdict::Warning,
            format!("{reference} is a stand-in"),
            "it behaves like the service, but carries no picture and no call",
            format!("replace it with `docker pull {reference}` where the registry can be reached"),
        ),
        Some(image) => {
            let size = u64::try_from(image.size).unwrap_or_default();
            ok("images", format!("{reference} is here, {}", bytes(size)))
        }
    }
}

fn check_certificates(settings: &Settings, view: &HostView, now: Timestamp) -> Vec<Check> {
    let name = "certificate";
    let container = view.container.as_deref().filter(|id| !id.is_empty());
    match &settings.tls {
        Tls::LocalCa => vec![ok(
            name,
            format!(
                "made here; a machine trusts it after `{}`",
                tls::trust(&view.state.path, &settings.instance, container)
            ),
        )],
        Tls::Off { .. } => vec![ok(name, "none here: another proxy ends TLS".to_owned())],
        Tls::Files { certificate, key } => {
            match tls::load(certificate, key, &settings.hosts, now) {
                Err(issues) => issues.iter().map(|issue| of_issue(name, issue)).collect(),
                Ok((_, warnings)) if warnings.is_empty() => vec![ok(
                    name,
                    format!("{} fits its key and the three names", certificate.display()),
                )],
                Ok((_, warnings)) => warnings.iter().map(|issue| of_issue(name, issue)).collect(),
            }
        }
        Tls::Acme(acme) => {
            let usual = match acme.challenge {
                AcmeChallenge::Http => Some((settings.ports.http, 80, "http")),
                AcmeChallenge::TlsAlpn => Some((settings.ports.https, 443, "https")),
                AcmeChallenge::Dns { .. } => None,
            };
            let mut checks = Vec::new();
            if let Some((port, asked, key)) = usual.filter(|(port, asked, _)| port != asked) {
                checks.push(told(
                    name,
                    Verdict::Warning,
                    format!("the authority asks at port {asked}, and `ports.{key}` is {port}"),
                    "its question has to arrive here for a certificate to be given",
                    format!("let your router lead port {asked} to {port} on this host, write `{key}: {asked}`, or use `challenge: dns`"),
                ));
            }
            if acme.email.is_none() {
                checks.push(told(
                    name,
                    Verdict::Warning,
                    "the account at the authority has no mail address",
                    "some authorities want one, and nobody can be told when something is wrong with it",
                    "add `tls: {email: …}`",
                ));
            }
            let authority = acme.ca_server.as_deref().unwrap_or("Let's Encrypt");
            let orders = tls::kept_orders(&view.state.path);
            let issues = orders.issues(&Seen::default(), now);
            checks.extend(issues.iter().map(|issue| of_issue(name, issue)));
            if checks.is_empty() {
                checks.push(ok(
                    name,
                    match orders.until() {
                        Some(until) => format!(
                            "given by {authority}, good until {}; renewed by itself",
                            until.strftime("%Y-%m-%d")
                        ),
                        None => format!("ordered from {authority} at the first start"),
                    },
                ));
            }
            checks
        }
    }
}

/// The worst verdict.
pub fn worst(checks: &[Check]) -> Verdict {
    checks
        .iter()
        .map(|check| check.verdict)
        .max()
        .unwrap_or(Verdict::Ok)
}

/// The checks for a terminal: one line of what, one of why, one of what to do;
/// then one line of counts.
pub fn render(checks: &[Check], colour: bool) -> String {
    let paint = |code: &str, text: &str| {
        if colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    };
    let width = checks
        .iter()
        .map(|check| check.name.len())
        .max()
        .unwrap_or_default();
    let indent = " ".repeat(width + 4);
    let mut text = String::new();
    let mut last = "";
    for check in checks {
        let sign = match check.verdict {
            Verdict::Ok => paint("32", "✓"),
            Verdict::Warning => paint("33", "!"),
            Verdict::Error => paint("31", "✗"),
        };
        let name = if check.name == last { "" } else { check.name };
        last = check.name;
        let _ = writeln!(text, "{name:width$}  {sign} {}", check.found);
        for (word, line) in [("why", &check.why), ("fix", &check.fix)] {
            if let Some(line) = line {
                let _ = writeln!(text, "{indent}{} {line}", paint("2", &format!("{word}:")));
            }
        }
    }
    let count = |verdict| {
        checks
            .iter()
            .filter(|check| check.verdict == verdict)
            .count()
    };
    let (fine, warnings, errors) = (
        count(Verdict::Ok),
        count(Verdict::Warning),
        count(Verdict::Error),
    );
    let plural = |count: usize, word: &str| {
        if count == 1 {
            format!("1 {word}")
        } else {
            format!("{count} {word}s")
        }
    };
    let _ = writeln!(
        text,
        "\n{fine} fine, {}, {}",
        plural(warnings, "warning"),
        plural(errors, "error")
    );
    text
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use insta::assert_snapshot;

    use super::*;
    use jiff::SignedDuration;

    use crate::desired::{Lead, Obstacle, Orders, PortBinding, Served};
    use crate::engine::fake::{World, blank, image};
    use crate::engine::{ContainerFacts, ContainerState};
    use crate::host::Process;

    /// Names that lead somewhere; all others lead nowhere.
    struct Book(BTreeMap<String, Vec<IpAddr>>);

    impl Book {
        fn new(entries: &[(&str, &str)]) -> Self {
            Self(
                entries
                    .iter()
                    .map(|(name, addresses)| {
                        let all = addresses.split(' ').map(|one| one.parse().unwrap());
                        ((*name).to_owned(), all.collect())
                    })
                    .collect(),
            )
        }
    }

    impl Names for Book {
        async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, NoAddress> {
            self.0
                .get(name)
                .cloned()
                .ok_or_else(|| NoAddress::None("no such name".to_owned()))
        }
    }

    fn now() -> Timestamp {
        "2026-04-01T00:00:00Z".parse().unwrap()
    }

    fn settings(text: &str) -> Settings {
        crate::settings::parse(text, "colourstream.yaml").unwrap()
    }

    fn view() -> HostView {
        HostView {
            container: None,
            source: Some("192.168.1.4".parse().unwrap()),
            listeners: Vec::new(),
            state: StateView {
                path: "/srv/colourstream".into(),
                exists: true,
                unwritable: None,
                space: Some(Space {
                    free: 50 << 30,
                    total: 100 << 30,
                }),
                database: None,
                backups: Vec::new(),
            },
            pid: 1000,
        }
    }

    fn world(settings: &Settings) -> World {
        let world = World::new(now());
        let images = &settings.images;
        for reference in [&images.traefik, &images.ovenmediaengine, &images.mirotalk] {
            world.add_image(reference, image(reference));
        }
        world
    }

    async fn shown(settings: &Settings, view: &HostView, world: &World, names: &Book) -> String {
        let checks = examine("colourstream.yaml", Ok(settings), view, world, names, now()).await;
        render(&checks, false)
    }

    #[test]
    fn the_backups_that_are_here_are_named_and_none_is_called_good() {
        let settings = settings("");
        let mut view = view();
        let hour = |hours: i64| now() - jiff::SignedDuration::from_hours(hours);
        view.state.backups = (1..=7)
            .map(|hours| BackupFile {
                at: hour(hours),
                why: backup::Why::Daily,
                path: format!("/srv/colourstream/backups/{hours}").into(),
                bytes: 1,
            })
            .collect();
        let mut checks = vec![check_backup(&settings, &view, now())];
        checks.extend(older_backups(&settings, &view));
        let text = render(&checks, false);
        assert!(!text.contains("good"), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].contains("the newest, whole when it was made, is of 2026-03-31 23:00 UTC")
        );
        for (line, hours) in lines.iter().zip(1..=5) {
            assert!(line.ends_with(&format!("backups/{hours}")), "{text}");
        }
        assert!(lines[5].contains("and 2 more in"), "{text}");
        // One is no list.
        view.state.backups.truncate(1);
        assert_eq!(older_backups(&settings, &view), []);
    }

    #[tokio::test]
    async fn a_laptop_in_order() {
        let settings = settings("");
        let book = Book::new(&[]);
        assert_snapshot!(shown(&settings, &view(), &world(&settings), &book).await);
    }

    #[tokio::test]
    async fn a_public_host_with_everything_wrong() {
        let settings = settings("domain: review.example.com\nports: {http: 8080}\n");
        let world = world(&settings);
        world.remove_image(&settings.images.traefik);
        let mut simulated = image("sim");
        simulated
            .labels
            .insert(labels::SIMULATED.to_owned(), "true".to_owned());
        world.add_image(&settings.images.mirotalk, simulated);
        world.add_foreign(
            "minidlna",
            &[PortBinding {
                container: 1935,
                protocol: Protocol::Tcp,
                host: 1935,
                address: None,
            }],
        );
        let mut view = view();
        let listener = |port, process| Listener {
            protocol: Protocol::Tcp,
            address: IpAddr::from([0, 0, 0, 0]),
            port,
            inode: 1,
            process,
        };
        view.listeners = vec![
            listener(
                443,
                Some(Process {
                    pid: 812,
                    command: "nginx".to_owned(),
                }),
            ),
            listener(3478, None),
            // The controller that runs.
            listener(
                8000,
                Some(Process {
                    pid: 900,
                    command: "colourstream".to_owned(),
                }),
            ),
        ];
        view.state.space = Some(Space {
            free: 300 << 20,
            total: 20 << 30,
        });
        let names = Book::new(&[
            ("review.example.com", "203.0.113.7"),
            ("admin.review.example.com", "203.0.113.7"),
        ]);
        assert_snapshot!(shown(&settings, &view, &world, &names).await);
    }

    #[tokio::test]
    async fn names_are_compared_with_the_announced_address() {
        let settings = settings(
            "domain: review.example.com\npublic_address: 203.0.113.7\ntls: {email: ops@example.com}\n",
        );
        let names = Book::new(&[
            ("review.example.com", "203.0.113.7"),
            ("admin.review.example.com", "198.51.100.1"),
            ("video.review.example.com", "2001:db8::9 203.0.113.7"),
        ]);
        assert_snapshot!(shown(&settings, &view(), &world(&settings), &names).await);
    }

    #[test]
    fn orders_of_certificates_are_told_as_they_are() {
        let settings = settings(
            "domain: review.example.com\npublic_address: 203.0.113.7\ntls: {email: ops@example.com}\n",
        );
        let folder = tempfile::tempdir().unwrap();
        let mut view = view();
        view.state.path = folder.path().to_owned();
        let shown = || render(&check_certificates(&settings, &view, now()), false);
        assert!(shown().contains("at the first start"), "{}", shown());
        let hosts: BTreeSet<String> = settings.hosts.all().map(str::to_owned).into();
        let kept = |seen: Seen| {
            let mut orders = Orders::default();
            orders.step(&hosts, &seen, SignedDuration::from_mins(2), now());
            let file = folder.path().join(tls::ORDERS);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, serde_json::to_string(&orders).unwrap()).unwrap();
            shown()
        };
        let each = |lead: &Lead| {
            hosts
                .iter()
                .map(|host| (host.clone(), lead.clone()))
                .collect()
        };
        let nowhere = Lead::Away(Obstacle::Nowhere {
            why: "it has no address in DNS".to_owned(),
        });
        let held = kept(Seen {
            leads: each(&nowhere),
            ..Seen::default()
        });
        assert!(
            held.contains("no certificate is ordered for review.example.com")
                && held.contains("3 errors"),
            "{held}"
        );
        let served = Served {
            issuer: "x".to_owned(),
            from: now(),
            until: now() + SignedDuration::from_hours(24 * 90),
        };
        let had = kept(Seen {
            served: Some(
                hosts
                    .iter()
                    .map(|host| (host.clone(), served.clone()))
                    .collect(),
            ),
            ..Seen::default()
        });
        assert!(
            had.contains("good until 2026-06-30; renewed by itself"),
            "{had}"
        );
    }

    #[tokio::test]
    async fn an_engine_that_cannot_be_used_is_explained() {
        let settings = settings("");
        let book = Book::new(&[]);
        let mut all = String::new();
        let world = world(&settings);
        for error in [
            EngineError::Away {
                address: "unix:///var/run/docker.sock".to_owned(),
                reason: "no such file".to_owned(),
            },
            EngineError::Denied {
                address: "unix:///var/run/docker.sock".to_owned(),
            },
            EngineError::TooOld {
                version: "19.03.1".to_owned(),
                api: "1.40".to_owned(),
            },
            EngineError::Slow {
                what: "version".to_owned(),
                seconds: 10,
            },
            EngineError::Other("403 Forbidden".to_owned()),
        ] {
            let seen = Err(error);
            all.push_str(&render(&[check_engine(&settings, &seen)], false));
        }
        assert_snapshot!(all);

        world.go_away();
        let text = shown(&settings, &view(), &world, &book).await;
        assert!(text.contains("does not answer"), "{text}");
    }

    #[tokio::test]
    async fn services_beside_an_empty_state_are_told() {
        let settings = settings("");
        let world = world(&settings);
        world.add_container(ContainerFacts {
            labels: BTreeMap::from([(labels::INSTANCE.to_owned(), settings.instance.clone())]),
            state: ContainerState::Running,
            ..blank("abc", "colourstream-mirotalk")
        });
        let book = Book::new(&[]);
        let text = shown(&settings, &view(), &world, &book).await;
        for words in [
            "the state folder is empty",
            "colourstream-mirotalk",
            "colourstream down",
        ] {
            assert!(text.contains(words), "{text}");
        }
        let mut kept = view();
        kept.state.database = Some(Err(StoreError::Gone {
            path: "/srv/colourstream/colourstream.db".into(),
        }));
        let text = shown(&settings, &kept, &world, &book).await;
        assert!(!text.contains("state folder is empty"), "{text}");
    }

    #[tokio::test]
    async fn ports_of_our_own_containers_are_ours() {
        let settings = settings("");
        let world = world(&settings);
        world.add_container(ContainerFacts {
            labels: BTreeMap::from([(labels::INSTANCE.to_owned(), settings.instance.clone())]),
            ports: vec![PortBinding {
                container: 443,
                protocol: Protocol::Tcp,
                host: 8443,
                address: None,
            }],
            state: ContainerState::Running,
            ..blank("abc", "colourstream-traefik")
        });
        let mut view = view();
        // The engine's proxy listens for it.
        view.listeners = vec![Listener {
            protocol: Protocol::Tcp,
            address: IpAddr::from([0, 0, 0, 0]),
            port: 8443,
            inode: 1,
            process: Some(Process {
                pid: 5,
                command: "docker-proxy".to_owned(),
            }),
        }];
        let text = shown(&settings, &view, &world, &Book::new(&[])).await;
        assert!(text.contains("1 ours"), "{text}");
    }

    /// The host has no such path as the container's state folder.
    #[test]
    fn a_machine_trusts_the_authority_of_a_container_by_docker_cp() {
        let settings = settings("");
        let mut view = view();
        let shown = |view: &HostView| render(&check_certificates(&settings, view, now()), false);
        assert!(shown(&view).contains("`cp /srv/"), "{}", shown(&view));
        view.container = Some("0123456789abcdef".to_owned());
        let text = shown(&view);
        assert!(text.contains("`docker cp 0123456789ab:/srv/"), "{text}");
    }

    #[tokio::test]
    async fn dns_that_does_not_answer_is_no_missing_record() {
        struct Silence;
        impl Names for Silence {
            async fn lookup(&self, _name: &str) -> Result<Vec<IpAddr>, NoAddress> {
                Err(NoAddress::Silent("no answer within 5 s".to_owned()))
            }
        }
        let settings = settings("domain: review.example.com\n");
        for check in check_names(&settings, Some("203.0.113.7"), &Silence).await {
            assert_eq!(check.verdict, Verdict::Warning);
            assert!(check.found.contains("could not be asked"), "{check:?}");
            assert!(!format!("{check:?}").contains("add the record"));
        }
    }

    #[tokio::test]
    async fn wrong_settings_are_all_there_is_to_say() {
        let errors = crate::settings::parse("domain: localhost\nport: 80\n", "c.yaml").unwrap_err();
        let world = World::new(now());
        let book = Book::new(&[]);
        let checks = examine("c.yaml", Err(&errors), &view(), &world, &book, now()).await;
        assert_eq!(worst(&checks), Verdict::Error);
        assert_snapshot!(render(&checks, false));
        assert!(render(&checks, true).contains("\x1b[31m✗\x1b[0m"));
    }

    #[test]
    fn checks_are_data_too() {
        let check = ok("engine", "there".to_owned());
        assert_eq!(
            serde_json::to_string(&check).unwrap(),
            r#"{"name":"engine","verdict":"ok","found":"there"}"#
        );
    }

    #[test]
    fn this_very_host_can_be_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let view = HostView::gather(&folder.path().join("state"), None, None);
        assert!(!view.state.exists);
        assert!(view.state.space.is_some());
    }
}
