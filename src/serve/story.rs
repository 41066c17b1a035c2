//! What a first start tells, on less than a page: what was found, what
//! runs, the addresses, the set-up link.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::access::Token;
use crate::desired::{PlannedPort, Protocol, port_plan};
use crate::doctor::check_names;
use crate::host::{Resolvers, announce, default_source};
use crate::model::{Issue, IssueCode, Role, Severity};
use crate::reconcile::Scene;
use crate::settings::{Settings, Tls};
use crate::status::{Status, Summary};

/// Whoever waits for the set-up link does not wait longer for DNS.
const PATIENCE: Duration = Duration::from_secs(6);

/// Told once to whoever started the controller, through `print`.
pub struct Story {
    settings: Arc<Settings>,
    file: Option<String>,
    print: Box<dyn Fn(&str) + Send + Sync>,
}

impl Story {
    /// A story about these settings.
    pub fn new(
        settings: Arc<Settings>,
        file: Option<String>,
        print: impl Fn(&str) + Send + Sync + 'static,
    ) -> Self {
        Self {
            settings,
            file,
            print: Box::new(print),
        }
    }

    /// Tells it as it becomes true. Cancel-safe: it only prints.
    pub async fn tell(
        self,
        mut status: watch::Receiver<Arc<Status>>,
        scene: watch::Receiver<Arc<Scene>>,
        set_up: Option<Token>,
    ) {
        let say = |text: String| (self.print)(&text);
        let settings = &self.settings;
        say(format!(
            "ColourStream {}, instance {}",
            env!("CARGO_PKG_VERSION"),
            settings.instance
        ));
        say(format!(
            "  settings  {}",
            self.file.as_deref().unwrap_or("none, a local set-up")
        ));
        say(format!("  state     {}", settings.state.display()));
        for (number, line) in ports(&port_plan(settings)).into_iter().enumerate() {
            let title = if number == 0 { "ports" } else { "" };
            say(format!("  {title:<10}{line}"));
        }
        let seen = status.wait_for(|status| status.at.is_some()).await;
        let Ok(first) = seen.map(|status| Arc::clone(&status)) else {
            return;
        };
        say(match (&first.engine.version, &first.engine.api_version) {
            (Some(version), Some(api)) => format!("  engine    Docker {version} (API {api})"),
            _ => format!(
                "  engine    none at {}; tried again by itself",
                first.engine.address
            ),
        });
        let in_container = scene.borrow().in_container;
        let announced = announce(settings, default_source(), in_container).address;
        say(format!(
            "  address   {}",
            announced.as_deref().unwrap_or("not known")
        ));
        let (lines, names_told) = names(settings, announced.as_deref()).await;
        for line in lines {
            say(line);
        }
        if let Some(trust) = &first.trust {
            say(format!("  trust     {trust}"));
        }
        let admin = first.addresses.get("admin").cloned().unwrap_or_default();
        if let Some(token) = set_up {
            say(format!(
                "  set up    {admin}/setup#{}  (once)",
                token.expose()
            ));
        }
        let mut told: BTreeMap<(IssueCode, String), ()> = BTreeMap::new();
        loop {
            let now = Arc::clone(&status.borrow_and_update());
            for issue in now.issues.iter().filter(|issue| is_news(issue, names_told)) {
                let key = (issue.code, issue.subject.clone());
                if told.insert(key, ()).is_none() {
                    say(format!("  ✗ {}", issue.what));
                    say(format!("    {}", issue.why));
                    say(format!("    → {}", issue.fix));
                }
            }
            if now.summary == Summary::Ready {
                for service in &now.services {
                    let version = service.version.clone().unwrap_or_default();
                    let mark = if service.simulated {
                        "  (simulated: a stand-in for tests)"
                    } else {
                        ""
                    };
                    say(format!(
                        "  {:<17} healthy  {version}{mark}",
                        service.role.to_string()
                    ));
                }
                for (name, address) in [("live", "live"), ("portal", "admin")] {
                    let address = now.addresses.get(address).cloned().unwrap_or_default();
                    say(format!("  {name:<9} {address}"));
                }
                return;
            }
            if status.changed().await.is_err() {
                return;
            }
        }
    }
}

/// Whether an issue is to be told. Where a name leads was told above by the
/// names themselves, if DNS answered in time.
fn is_news(issue: &Issue, names_told: bool) -> bool {
    let is_told = names_told && issue.code == IssueCode::NameElsewhere;
    issue.severity != Severity::Notice && !is_told
}

/// Where the names lead, and what to do where that is wrong; and whether that
/// could be told in time.
async fn names(settings: &Settings, announced: Option<&str>) -> (Vec<String>, bool) {
    let resolvers = Resolvers(match &settings.tls {
        Tls::Acme(acme) => acme.resolvers.clone(),
        _ => Vec::new(),
    });
    let looked = tokio::time::timeout(PATIENCE, check_names(settings, announced, &resolvers));
    let Ok(checks) = looked.await else {
        let late = format!(
            "  names     no answer within {} s about where they lead",
            PATIENCE.as_secs()
        );
        return (vec![late], false);
    };
    let mut lines = Vec::new();
    for check in checks {
        match (check.why, check.fix) {
            (Some(why), Some(fix)) => {
                lines.push(format!("  ✗ {}", check.found));
                lines.push(format!("    {why}"));
                lines.push(format!("    → {fix}"));
            }
            _ => lines.push(format!("  names     {}", check.found)),
        }
    }
    (lines, true)
}

/// What to open in a firewall and what for, a line for each service.
fn ports(plan: &[PlannedPort]) -> Vec<String> {
    let mut lines: Vec<(Option<Role>, Vec<String>)> = Vec::new();
    for port in plan.iter().filter(|port| port.public) {
        let protocol = match port.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        let range = if port.first == port.last {
            port.first.to_string()
        } else {
            format!("{}–{}", port.first, port.last)
        };
        let words = format!("{range}/{protocol} {}", port.purpose);
        match lines.last_mut().filter(|(role, _)| *role == port.service) {
            Some((_, all)) => all.push(words),
            None => lines.push((port.service, vec![words])),
        }
    }
    lines.into_iter().map(|(_, all)| all.join(" · ")).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_port_of_the_firewall_is_told_with_its_purpose() {
        let settings = crate::settings::parse("domain: review.example.com", "x").unwrap();
        let lines = ports(&port_plan(&settings));
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].starts_with("80/tcp HTTP: redirect, ACME · 443/tcp HTTPS"));
        assert!(lines[1].contains("9999/udp SRT from encoders · 10000–10003/udp picture"));
        assert!(lines[2].ends_with("/tcp media of the call"), "{lines:?}");
    }

    #[test]
    fn a_name_that_could_not_be_told_in_time_is_told_as_an_issue() {
        let issue = |code, severity| Issue {
            code,
            severity,
            role: None,
            subject: "review.example.com".into(),
            what: "it does not lead here".into(),
            why: String::new(),
            fix: String::new(),
        };
        let elsewhere = issue(IssueCode::NameElsewhere, Severity::Error);
        assert!(!is_news(&elsewhere, true), "told above");
        assert!(is_news(&elsewhere, false));
        let taken = issue(IssueCode::PortTaken, Severity::Warning);
        assert!(is_news(&taken, true));
        assert!(!is_news(
            &issue(IssueCode::Simulated, Severity::Notice),
            false
        ));
    }
}
