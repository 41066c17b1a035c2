//! What a first start tells, in under fifteen lines: what was found, what
//! runs, the addresses, the set-up link.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::access::Token;
use crate::desired::{PlannedPort, Protocol, port_plan};
use crate::doctor::check_names;
use crate::host::{Resolvers, announce, default_source};
use crate::model::{IssueCode, Severity};
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
        say(format!("  ports     {}", ports(&port_plan(settings))));
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
            for issue in now
                .issues
                .iter()
                .filter(|issue| issue.severity != Severity::Notice)
                // Told above, by the names themselves.
                .filter(|issue| !names_told || issue.code != IssueCode::NameElsewhere)
            {
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

/// `80 443 1935 tcp · 9999 udp`
fn ports(plan: &[PlannedPort]) -> String {
    let of = |protocol: Protocol| {
        let all: Vec<String> = plan
            .iter()
            .filter(|port| port.public && port.protocol == protocol)
            .map(|port| {
                let (first, last) = (port.first, port.last);
                if first == last {
                    first.to_string()
                } else {
                    format!("{first}–{last}")
                }
            })
            .collect();
        all.join(" ")
    };
    format!("{} tcp · {} udp", of(Protocol::Tcp), of(Protocol::Udp))
}
