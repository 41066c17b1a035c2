//! What a first start tells, on less than a page: what was found, what
//! runs, the addresses, the set-up link.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::VERSION;
use crate::access::Token;
use crate::desired::{PlannedPort, port_plan};
use crate::doctor::check_names;
use crate::host::{Resolvers, announce, default_source};
use crate::model::{Issue, IssueCode, Role, Severity};
use crate::reconcile::Scene;
use crate::settings::{Settings, Tls};
use crate::status::{ServiceStatus, Status, Summary};

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
            "ColourStream {VERSION}, instance {}",
            settings.instance
        ));
        say(format!("  settings  {}", self.given()));
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
        let (lines, wrong_names) = names(settings, announced.as_deref()).await;
        for line in lines {
            say(line);
        }
        if let Some(trust) = &first.trust {
            say(format!("  trust     {trust}"));
        }
        // What is wrong before what to do next: the link is the last line.
        let mut telling = Telling {
            wrong_names,
            ..Telling::default()
        };
        for line in telling.issues(&first) {
            say(line);
        }
        let admin = first.addresses.get("admin").cloned().unwrap_or_default();
        if let Some(token) = set_up {
            say(format!(
                "  set up    {admin}/setup#{}  (once)",
                token.expose()
            ));
        }
        loop {
            let now = Arc::clone(&status.borrow_and_update());
            for line in telling
                .issues(&now)
                .into_iter()
                .chain(telling.running(&now))
            {
                say(line);
            }
            if now.summary == Summary::Ready || status.changed().await.is_err() {
                return;
            }
        }
    }

    /// Where the settings come from.
    fn given(&self) -> &str {
        match &self.file {
            Some(file) => file,
            None if self.settings.is_local() => "none, a local set-up",
            None => "variables, no file",
        }
    }
}

/// What was told already.
#[derive(Default)]
struct Telling {
    wrong_names: Vec<String>,
    issues: BTreeSet<(IssueCode, String)>,
    services: bool,
}

impl Telling {
    /// The issues that are new.
    fn issues(&mut self, status: &Status) -> Vec<String> {
        let mut lines = Vec::new();
        for issue in &status.issues {
            let key = (issue.code, issue.subject.clone());
            if is_news(issue, &self.wrong_names) && self.issues.insert(key) {
                lines.push(format!("  ✗ {}", issue.what));
                lines.push(format!("    {}", issue.why));
                lines.push(format!("    → {}", issue.fix));
            }
        }
        lines
    }

    /// The services and the addresses, once they are of use: whatever else is
    /// wrong, such as a certificate that is held back, may stay so for long.
    fn running(&mut self, status: &Status) -> Vec<String> {
        let healthy =
            |service: &ServiceStatus| service.running == "running" && service.health == "healthy";
        if self.services || status.services.is_empty() || !status.services.iter().all(healthy) {
            return Vec::new();
        }
        self.services = true;
        let services = status.services.iter().map(|service| {
            let version = service.version.as_deref().unwrap_or_default();
            let mark = if service.simulated {
                "  (simulated: a stand-in for tests)"
            } else {
                ""
            };
            let role = service.role.to_string();
            format!("  {role:<17} healthy  {version}{mark}")
        });
        let addresses = [("live", "live"), ("portal", "admin")].map(|(name, address)| {
            let address = status.addresses.get(address).map_or("", String::as_str);
            format!("  {name:<9} {address}")
        });
        services.chain(addresses).collect()
    }
}

/// Whether an issue is to be told. A name that leads elsewhere was told above,
/// if DNS answered in time; that its port is shut was not.
fn is_news(issue: &Issue, wrong_names: &[String]) -> bool {
    let is_told = issue.code == IssueCode::NameElsewhere
        && wrong_names.iter().any(|found| {
            let name = found.split(' ').next();
            name == Some(issue.subject.as_str())
        });
    issue.severity != Severity::Notice && !is_told
}

/// Where the names lead, and what to do where that is wrong; and what was
/// found wrong, if that could be told in time.
async fn names(settings: &Settings, announced: Option<&str>) -> (Vec<String>, Vec<String>) {
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
        return (vec![late], Vec::new());
    };
    let (mut lines, mut wrong) = (Vec::new(), Vec::new());
    for check in checks {
        match (check.why, check.fix) {
            (Some(why), Some(fix)) => {
                lines.push(format!("  ✗ {}", check.found));
                lines.push(format!("    {why}"));
                lines.push(format!("    → {fix}"));
                wrong.push(check.found);
            }
            _ => lines.push(format!("  names     {}", check.found)),
        }
    }
    (lines, wrong)
}

/// What to open in a firewall and what for, a line for each service.
fn ports(plan: &[PlannedPort]) -> Vec<String> {
    let mut lines: Vec<(Option<Role>, Vec<String>)> = Vec::new();
    for port in plan.iter().filter(|port| port.public) {
        let words = format!("{} {}", port.range(), port.purpose);
        match lines.last_mut().filter(|(role, _)| *role == port.service) {
            Some((_, all)) => all.push(words),
            None => lines.push((port.service, vec![words])),
        }
    }
    lines.into_iter().map(|(_, all)| all.join(" · ")).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::sync::Mutex;

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
        let above = ["review.example.com leads nowhere".to_owned()];
        assert!(!is_news(&elsewhere, &above), "told above");
        assert!(is_news(&elsewhere, &[]));
        let shut = Issue {
            subject: "admin.review.example.com".into(),
            ..elsewhere
        };
        assert!(is_news(&shut, &above), "its name is right, its port shut");
        let taken = issue(IssueCode::PortTaken, Severity::Warning);
        assert!(is_news(&taken, &above));
        assert!(!is_news(
            &issue(IssueCode::Simulated, Severity::Notice),
            &[]
        ));
    }

    fn issue(what: &str) -> Issue {
        Issue {
            code: IssueCode::PortTaken,
            severity: Severity::Error,
            role: None,
            subject: what.to_owned(),
            what: what.to_owned(),
            why: "why".into(),
            fix: "fix".into(),
        }
    }

    fn service(role: Role, health: &str) -> ServiceStatus {
        ServiceStatus {
            role,
            container: String::new(),
            image: String::new(),
            image_id: None,
            simulated: false,
            running: "running".into(),
            health: health.into(),
            current: true,
            version: Some("1.2.3".into()),
            since: None,
            why: String::new(),
            last_change: None,
            pulling: None,
        }
    }

    fn looked(summary: Summary, health: &str, issues: &[&str]) -> Arc<Status> {
        let services = Role::ALL;
        Arc::new(Status {
            at: Some(jiff::Timestamp::UNIX_EPOCH),
            summary,
            services: services.map(|role| service(role, health)).to_vec(),
            issues: issues.iter().map(|what| issue(what)).collect(),
            addresses: [("admin", "https://admin"), ("live", "https://live")]
                .map(|(name, address)| (name.to_owned(), address.to_owned()))
                .into(),
            ..Status::default()
        })
    }

    /// Told by each of these looks after the other.
    async fn told(looks: &[Arc<Status>]) -> Vec<String> {
        let settings = Arc::new(crate::settings::parse("", "x").unwrap());
        let lines = Arc::new(Mutex::new(Vec::new()));
        let paper = Arc::clone(&lines);
        let story = Story::new(settings, None, move |line| {
            paper.lock().unwrap().push(line.to_owned());
        });
        let (sender, status) = watch::channel(Arc::clone(&looks[0]));
        let (_scene, scene) = watch::channel(Arc::new(Scene::default()));
        let link = Token::given("t");
        let telling = tokio::spawn(story.tell(status, scene, Some(link)));
        for look in &looks[1..] {
            tokio::time::sleep(Duration::from_secs(10)).await;
            sender.send_replace(Arc::clone(look));
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
        drop(sender);
        telling.await.unwrap();
        let lines = lines.lock().unwrap();
        lines.clone()
    }

    fn place(lines: &[String], words: &str) -> usize {
        let mut found = lines
            .iter()
            .enumerate()
            .filter(|(_, line)| line.contains(words));
        let place = found
            .next()
            .unwrap_or_else(|| panic!("{words}: {lines:#?}"))
            .0;
        assert!(found.next().is_none(), "{words} twice: {lines:#?}");
        place
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_wrong_at_first_is_told_before_the_link() {
        let lines = told(&[looked(Summary::Degraded, "starting", &["a port is taken"])]).await;
        assert!(
            place(&lines, "a port is taken") < place(&lines, "/setup#"),
            "{lines:#?}"
        );
        assert!(lines.last().unwrap().contains("/setup#"), "{lines:#?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_addresses_are_told_though_something_stays_wrong() {
        let held = |health, issues| looked(Summary::Degraded, health, issues);
        let all = [
            held("starting", &["held back"]),
            held("healthy", &["held back"]),
            held("healthy", &["held back"]),
            held("healthy", &["held back", "one more"]),
        ];
        let lines = told(&all[..1]).await;
        assert!(!lines.iter().any(|line| line.contains("https://live")));
        let lines = told(&all).await;
        let portal = place(&lines, "portal    https://admin");
        assert!(place(&lines, "traefik           healthy  1.2.3") < portal);
        assert!(place(&lines, "held back") < portal);
        assert!(place(&lines, "one more") > portal, "still told");
        // It ends when all is well.
        let mut all = all.to_vec();
        all.push(looked(Summary::Ready, "healthy", &[]));
        all.push(looked(Summary::Degraded, "healthy", &["too late"]));
        let lines = told(&all).await;
        place(&lines, "portal    https://admin");
        assert!(!lines.iter().any(|line| line.contains("too late")));
    }

    #[test]
    fn settings_by_variables_are_no_local_set_up() {
        let given = |text: &str, file: Option<&str>| {
            let settings = Arc::new(crate::settings::parse(text, "x").unwrap());
            let story = Story::new(settings, file.map(str::to_owned), |_| ());
            story.given().to_owned()
        };
        assert_eq!(given("", None), "none, a local set-up");
        assert_eq!(
            given("domain: review.example.com", None),
            "variables, no file"
        );
        assert_eq!(given("", Some("/etc/x.yaml")), "/etc/x.yaml");
    }
}
