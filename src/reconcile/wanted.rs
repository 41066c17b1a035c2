//! What is wanted, apart from rooms: settings, templates, secrets and
//! certificate, each the last good one. A change that is wrong is refused and
//! told; what was in force stays.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::VERSION;
use crate::desired::{
    AcmeInputs, Certificate, HostFacts, ImagePin, RoomRoute, Secrets, Snapshot, Target, desire,
};
use crate::disk::{Disk, read_secret};
use crate::engine::{EngineFacts, Placement};
use crate::host;
use crate::model::{Digest, Issue, IssueCode, Severity};
use crate::render::{RenderError, Templates, render};
use crate::settings::{
    self, AcmeChallenge, Cidr, KEPT, Kept, Overrides, Settings, SettingsError, Tls,
};
use crate::tls;

/// Certificates that are the operator's business are looked at again this often.
const CERTIFICATE_AGE: SignedDuration = SignedDuration::from_mins(5);

/// Where the settings come from.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The file; without one the defaults hold.
    pub file: Option<PathBuf>,
    /// Environment and flags that override it.
    pub overrides: Overrides,
}

/// See the module.
#[derive(Debug)]
pub struct Wanted {
    source: Source,
    disk: Arc<Disk>,
    settings: watch::Sender<Arc<Settings>>,
    settings_issues: Vec<Issue>,
    /// Whether the settings in force are kept for the next start, and whether
    /// that was done since this one.
    keeps: bool,
    is_kept: bool,
    templates: Option<Templates>,
    overrides: BTreeMap<String, String>,
    /// The settings' text and the templates as they were read last, wrong ones
    /// too.
    read: Option<Vec<u8>>,
    found: BTreeMap<String, String>,
    template_issues: Vec<Issue>,
    render_issues: Vec<Issue>,
    secrets: Arc<Secrets>,
    certificate: Option<Certificate>,
    certificate_issues: Vec<Issue>,
    /// Names that our own authority's certificate was last asked for.
    certified: Vec<String>,
    look_again: Option<Timestamp>,
    acme: AcmeInputs,
    held_back: BTreeSet<String>,
    host_issue: Option<Issue>,
    last: Option<(Key, Arc<Target>)>,
}

/// Everything a rendering depends on; while it is the same, so is the target.
#[derive(Clone, Debug, PartialEq)]
struct Key {
    settings: Settings,
    rooms: Vec<RoomRoute>,
    host: HostFacts,
    pins: BTreeMap<String, ImagePin>,
    certificate: Option<Digest>,
    acme: AcmeInputs,
    overrides: BTreeMap<String, String>,
}

impl Wanted {
    /// Starts from settings that are known to be good.
    pub fn new(source: Source, settings: Settings, disk: Arc<Disk>, secrets: Secrets) -> Self {
        let mut wanted = Self {
            source,
            disk,
            settings: watch::Sender::new(Arc::new(settings)),
            settings_issues: Vec::new(),
            keeps: false,
            is_kept: false,
            templates: None,
            overrides: BTreeMap::new(),
            read: None,
            found: BTreeMap::new(),
            template_issues: Vec::new(),
            render_issues: Vec::new(),
            secrets: Arc::new(secrets),
            certificate: None,
            certificate_issues: Vec::new(),
            certified: Vec::new(),
            look_again: None,
            acme: AcmeInputs::default(),
            held_back: BTreeSet::new(),
            host_issue: None,
            last: None,
        };
        wanted.reload_templates();
        wanted
    }

    /// From now on the settings in force are kept in the state folder, for a
    /// start with worse ones. For who holds it and goes on running.
    pub fn keep(&mut self) {
        self.keeps = true;
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.borrow())
    }

    /// The settings in force, for those who follow them.
    pub fn follow(&self) -> watch::Receiver<Arc<Settings>> {
        self.settings.subscribe()
    }

    /// The secrets.
    pub fn secrets(&self) -> Arc<Secrets> {
        Arc::clone(&self.secrets)
    }

    /// What is wrong with what is wanted.
    pub fn issues(&self) -> Vec<Issue> {
        [
            &self.settings_issues,
            &self.template_issues,
            &self.render_issues,
            &self.certificate_issues,
        ]
        .into_iter()
        .flatten()
        .chain(&self.host_issue)
        .cloned()
        .collect()
    }

    /// Names whose certificate is not to be ordered in the next target.
    pub fn hold_back(&mut self, hosts: BTreeSet<String>) {
        self.held_back = hosts;
    }

    /// Names that the last target has ordered; none but by ACME.
    pub fn ordered(&self) -> Vec<String> {
        let Some((key, _)) = &self.last else {
            return Vec::new();
        };
        if !matches!(key.settings.tls, Tls::Acme(_)) {
            return Vec::new();
        }
        key.settings
            .hosts
            .all()
            .into_iter()
            .filter(|host| !key.acme.held_back.contains(*host))
            .map(str::to_owned)
            .collect()
    }

    /// Files and folders whose change is a reason to look again.
    pub fn watched(&self) -> Vec<PathBuf> {
        let settings = self.settings();
        let mut paths: Vec<PathBuf> = self.source.file.iter().cloned().collect();
        paths.extend(settings.templates.clone());
        if let Tls::Files { certificate, key } = &settings.tls {
            paths.extend([certificate.clone(), key.clone()]);
        }
        paths
    }

    /// Whether settings or templates on disk are not those that were read last.
    /// A hint that they changed can be lost; what is on disk cannot. Nor is the
    /// text all there is to settings that were refused: what they name may have
    /// come back.
    pub fn is_stale(&self) -> bool {
        if !self.settings_issues.is_empty() || self.keeps && !self.is_kept {
            return true;
        }
        let text = self.source.file.as_deref().map(std::fs::read);
        if text.and_then(Result::ok) != self.read {
            return true;
        }
        let templates = self.settings().templates.as_deref().map(read_templates);
        match templates {
            None => false,
            Some(Ok(templates)) => templates != self.found,
            // Why they cannot be read may have changed.
            Some(Err(_)) => true,
        }
    }

    /// Reads settings and templates again; tells whether the settings changed.
    /// What is wrong is told and what was in force stays.
    pub fn reload(&mut self) -> bool {
        let before = self.settings();
        // Read once: what is compared later is what was taken up.
        let overrides = &self.source.overrides;
        let file = self.source.file.as_deref();
        let text = file.map(std::fs::read);
        self.read = text.as_ref().and_then(|text| text.as_ref().ok()).cloned();
        let loaded = match (file, text) {
            (Some(file), Some(text)) => settings::load_read(file, text, overrides),
            _ => settings::load(None, overrides),
        };
        match loaded {
            Ok(new) => {
                let text = String::from_utf8_lossy(self.read.as_deref().unwrap_or_default());
                let refused = nameless(&before, &new, &text, overrides)
                    .or_else(|| fixed_at_start(&before, &new));
                self.settings_issues = refused.into_iter().collect();
                if self.settings_issues.is_empty() {
                    if *before != new {
                        info!("the settings changed and are taken up");
                        self.settings.send_replace(Arc::new(new));
                    }
                    self.keep_settings();
                }
            }
            Err(errors) => {
                let issues: Vec<Issue> = errors.iter().map(SettingsError::to_issue).collect();
                // Told once: every sweep reads them again.
                if issues != self.settings_issues {
                    for error in &errors {
                        warn!(place = %error.origin, "settings refused: {}", error.what);
                    }
                }
                self.settings_issues = issues;
            }
        }
        self.look_again = None;
        self.reload_templates();
        *before != *self.settings()
    }

    /// Keeps what was read last, which is in force.
    fn keep_settings(&mut self) {
        if !self.keeps {
            return;
        }
        let text = String::from_utf8_lossy(self.read.as_deref().unwrap_or_default());
        let file = self.source.file.as_deref();
        let bytes = Kept::new(file, &text, &self.source.overrides).bytes();
        let is_there = std::fs::read(self.disk.state().join(KEPT)).is_ok_and(|old| old == bytes);
        let kept = match is_there {
            true => Ok(()),
            false => self.disk.keep(Path::new(KEPT), &bytes, 0o600),
        };
        if let Err(error) = &kept {
            warn!(%error, "the settings could not be kept for the next start");
        }
        self.is_kept = kept.is_ok();
    }

    /// The clock was set: certificates are looked at again now.
    pub fn forget_time(&mut self) {
        self.look_again = None;
    }

    fn reload_templates(&mut self) {
        let overrides = match self.settings().templates.as_deref().map(read_templates) {
            None => BTreeMap::new(),
            Some(Ok(overrides)) => overrides,
            Some(Err(issue)) => {
                self.template_issues = vec![issue];
                return;
            }
        };
        self.found.clone_from(&overrides);
        if self.templates.is_some()
            && self.template_issues.is_empty()
            && overrides == self.overrides
        {
            return;
        }
        match Templates::with_overrides(&overrides) {
            Ok(templates) => {
                self.template_issues.clear();
                self.overrides = overrides;
                self.templates = Some(templates);
            }
            Err(errors) => self.template_issues = errors.iter().map(template_issue).collect(),
        }
    }

    /// What should be, given where we run and what the engine has. The last
    /// good target stays while a template cannot be rendered.
    pub fn target(
        &mut self,
        placement: &Placement,
        engine: Option<&EngineFacts>,
        rooms: Vec<RoomRoute>,
        pins: BTreeMap<String, ImagePin>,
        now: Timestamp,
    ) -> Option<Arc<Target>> {
        let settings = self.settings();
        let host = self.host(&settings, placement, engine);
        self.refresh_certificate(&settings, &host, now);
        let certificate = self
            .certificate
            .as_ref()
            .map(|pair| Digest::of(format!("{}{}", pair.chain_pem, pair.key_pem.expose())));
        let acme = AcmeInputs {
            held_back: self.held_back.clone(),
            ..self.acme.clone()
        };
        let key = Key {
            settings: (*settings).clone(),
            rooms,
            host,
            pins,
            certificate,
            acme,
            overrides: self.overrides.clone(),
        };
        if let Some((last, target)) = &self.last
            && *last == key
        {
            // What could not be rendered meanwhile was taken back.
            self.render_issues.clear();
            return Some(Arc::clone(target));
        }
        let snapshot = Snapshot {
            settings: key.settings.clone(),
            rooms: key.rooms.clone(),
            secrets: (*self.secrets).clone(),
            host: key.host.clone(),
            certificate: self.certificate.clone(),
            acme: key.acme.clone(),
            pins: key.pins.clone(),
            version: VERSION.to_owned(),
            now,
        };
        let templates = self.templates.as_ref()?;
        match render(&desire(&snapshot), templates) {
            Ok(target) => {
                self.render_issues.clear();
                let target = Arc::new(target);
                self.last = Some((key, Arc::clone(&target)));
                Some(target)
            }
            Err(errors) => {
                self.render_issues = errors.iter().map(template_issue).collect();
                self.last.as_ref().map(|(_, target)| Arc::clone(target))
            }
        }
    }

    fn host(
        &mut self,
        settings: &Settings,
        placement: &Placement,
        engine: Option<&EngineFacts>,
    ) -> HostFacts {
        let in_container = matches!(placement, Placement::Container { .. });
        let identity = host::identity();
        let (subnet, gateway) = network(settings, engine);
        let source = if settings.public_address.is_none() {
            host::default_source()
        } else {
            None
        };
        let announced = host::announce(settings, source, in_container);
        self.host_issue = announced.issue;
        HostFacts {
            state_on_host: match placement {
                Placement::Host => std::path::absolute(self.disk.state())
                    .unwrap_or_else(|_| self.disk.state().to_owned()),
                Placement::Container { state_on_host, .. } => state_on_host.clone(),
            },
            in_container,
            can_chown: identity.can_chown,
            owner: (identity.uid, identity.gid),
            subnet,
            gateway,
            public_address: announced.address,
        }
    }

    /// Certificate and key for Traefik, checked before it gets them.
    fn refresh_certificate(&mut self, settings: &Settings, host: &HostFacts, now: Timestamp) {
        let names = local_names(settings, host);
        let is_certified = names.iter().all(|name| self.certified.contains(name));
        if self.look_again.is_some_and(|at| now < at) && is_certified {
            return;
        }
        self.look_again = Some(now + CERTIFICATE_AGE);
        self.certified.clone_from(&names);
        match &settings.tls {
            Tls::Off { .. } => {
                self.certificate = None;
                self.certificate_issues.clear();
            }
            Tls::Acme(acme) => {
                self.certificate = None;
                match acme_inputs(acme) {
                    Ok(inputs) => {
                        self.acme = inputs;
                        self.certificate_issues.clear();
                    }
                    Err(issue) => self.certificate_issues = vec![issue],
                }
            }
            Tls::Files { certificate, key } => {
                match tls::load(certificate, key, &settings.hosts, now) {
                    Ok((pair, warnings)) => {
                        self.certificate = Some(pair);
                        self.certificate_issues = warnings;
                    }
                    Err(issues) => {
                        self.certificate_issues = issues;
                        if self.certificate.is_none() {
                            let folder = self.disk.state().join("rendered/traefik/certs");
                            self.certificate = tls::last_good(&folder, &settings.hosts, now);
                        }
                    }
                }
            }
            Tls::LocalCa => {
                let folder = self.disk.state().join("tls");
                let write = |path: &Path, bytes: &[u8], mode| {
                    let below = path.strip_prefix(self.disk.state()).unwrap_or(path);
                    self.disk
                        .keep(below, bytes, mode)
                        .map_err(std::io::Error::other)
                };
                match tls::local_ca(&folder, &settings.instance, &names, now, &write) {
                    Ok(local) => {
                        self.look_again = Some(local.renew_at);
                        self.certificate = Some(local.certificate);
                        self.certificate_issues.clear();
                    }
                    Err(issue) => self.certificate_issues = vec![issue],
                }
            }
        }
    }
}

/// What a certificate of our own authority is for; nothing in the other modes.
fn local_names(settings: &Settings, host: &HostFacts) -> Vec<String> {
    if !matches!(settings.tls, Tls::LocalCa) {
        return Vec::new();
    }
    let hosts = &settings.hosts;
    let mut names = vec![hosts.live.clone(), hosts.admin.clone(), hosts.video.clone()];
    names.extend(host.public_address.clone());
    names
}

/// Where our network is, or where it will be: away from everything the engine
/// and the host have.
fn network(settings: &Settings, engine: Option<&EngineFacts>) -> (String, Ipv4Addr) {
    let networks = engine
        .map(|engine| engine.networks.as_slice())
        .unwrap_or_default();
    let existing = networks
        .iter()
        .filter(|network| {
            network.name == settings.instance
                && network.labels.get(crate::desired::labels::INSTANCE) == Some(&settings.instance)
        })
        .find_map(|network| Some((network.subnets.first()?.clone(), network.gateway?)));
    if let Some(existing) = existing {
        return existing;
    }
    let taken: Vec<Cidr> = networks
        .iter()
        .flat_map(|network| &network.subnets)
        .filter_map(|subnet| subnet.parse().ok())
        .chain(host::read_routes())
        .collect();
    host::choose_subnet(&settings.instance, &taken)
        .map(|(cidr, gateway)| (cidr.to_string(), gateway))
        // Every private network is taken: the engine says so in its own words.
        .unwrap_or_else(|| ("10.83.0.0/24".to_owned(), Ipv4Addr::new(10, 83, 0, 1)))
}

/// Nothing names the hosts any more, perhaps a variable that was forgotten: the
/// names of a local set-up would be another installation on the same state.
pub fn nameless(
    before: &Settings,
    new: &Settings,
    text: &str,
    overrides: &Overrides,
) -> Option<Issue> {
    if before.hosts == new.hosts || settings::names_hosts(text, overrides) {
        return None;
    }
    let (was, would) = (&before.hosts.live, &new.hosts.live);
    Some(Issue {
        code: IssueCode::SettingsInvalid,
        severity: Severity::Error,
        role: None,
        subject: "domain".into(),
        what: format!("Nothing names the domain any more; it was `{was}`"),
        why: format!(
            "Without one it would be `{would}`, where no link leads that was given out. The settings in force stay as they were"
        ),
        fix: format!(
            "Start the controller with `-e COLOURSTREAM_DOMAIN={was}` again, or write `domain: {was}` into the settings. If the other was meant, name it: `-e COLOURSTREAM_DOMAIN={would}`"
        ),
    })
}

/// Under another name what runs would be nobody's: left behind, and its files
/// taken away under it.
fn renamed(before: &Settings, new: &Settings) -> Option<Issue> {
    let (was, would) = (&before.instance, &new.instance);
    (was != would).then(|| Issue {
        code: IssueCode::SettingsInvalid,
        severity: Severity::Error,
        role: None,
        subject: "instance".into(),
        what: format!("`instance` is `{would}` now, but what runs was made as `{was}`"),
        why: "It would be left behind as it is, and its files taken away. The settings in force stay as they were".into(),
        fix: format!("Put `instance: {was}` back. To change it, stop the controller and run `colourstream down` with the old name first; rooms and links stay"),
    })
}

/// What cannot change while we run.
fn fixed_at_start(before: &Settings, new: &Settings) -> Option<Issue> {
    if let Some(issue) = renamed(before, new) {
        return Some(issue);
    }
    let fixed = [
        ("state", before.state != new.state),
        ("engine.address", before.engine != new.engine),
        ("ports.pages", before.ports.pages != new.ports.pages),
        (
            "ports.internal",
            before.ports.internal != new.ports.internal,
        ),
    ];
    let (key, _) = fixed.into_iter().find(|(_, differs)| *differs)?;
    Some(Issue {
        code: IssueCode::SettingsInvalid,
        severity: Severity::Warning,
        role: None,
        subject: key.into(),
        what: format!("`{key}` changed, which needs a new start of the controller"),
        why: "The settings in force stay as they were until then".into(),
        fix: "Restart the controller; what runs goes on meanwhile. Or take the change back".into(),
    })
}

fn template_issue(error: &RenderError) -> Issue {
    let place = error
        .line
        .map_or_else(String::new, |line| format!(":{line}"));
    Issue {
        code: IssueCode::TemplateInvalid,
        severity: Severity::Error,
        role: None,
        subject: format!("{}{place}", error.template),
        what: format!(
            "The template {}{place} cannot be used; the last good rendering stays",
            error.template
        ),
        why: error.what.clone(),
        fix: error.fix.clone(),
    }
}

/// Every template in the operator's folder, by name.
fn read_templates(folder: &Path) -> Result<BTreeMap<String, String>, Issue> {
    let unreadable = |path: &Path, error: std::io::Error| Issue {
        code: IssueCode::TemplateInvalid,
        severity: Severity::Error,
        role: None,
        subject: path.display().to_string(),
        what: "The folder of templates cannot be read; the last good ones stay".into(),
        why: error.to_string(),
        fix: "Correct `templates` in the settings, or the folder's rights".into(),
    };
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(current) = folders.pop() {
        let entries = std::fs::read_dir(&current).map_err(|error| unreadable(&current, error))?;
        for entry in entries {
            let path = entry.map_err(|error| unreadable(&current, error))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "tera") {
                let text =
                    std::fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
                let name = path
                    .strip_prefix(folder)
                    .unwrap_or(&path)
                    .display()
                    .to_string();
                found.insert(name, text);
            }
        }
    }
    Ok(found)
}

fn acme_inputs(acme: &settings::Acme) -> Result<AcmeInputs, Issue> {
    let unreadable = |what: &str, error: &dyn std::fmt::Display| Issue {
        code: IssueCode::CertificateInvalid,
        severity: Severity::Error,
        role: None,
        subject: what.to_owned(),
        what: format!("{what}, which `tls` names, cannot be read"),
        why: error.to_string(),
        fix: "Put the file there and let the controller's user read it".into(),
    };
    let mut inputs = AcmeInputs::default();
    if let AcmeChallenge::Dns { files, .. } = &acme.challenge {
        for (name, path) in files {
            let value = read_secret(path)
                .map_err(|error| unreadable(&path.display().to_string(), &error))?;
            inputs.dns_values.insert(name.clone(), value);
        }
    }
    if let Some(path) = &acme.ca_certificate {
        let pem = std::fs::read_to_string(path)
            .map_err(|error| unreadable(&path.display().to_string(), &error))?;
        inputs.ca_certificate = Some(pem);
    }
    Ok(inputs)
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::disk::passing_secrets;

    #[test]
    fn a_certificate_of_our_own_authority_follows_a_new_address_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(Disk::open(folder.path()).unwrap());
        let settings = crate::settings::parse("tls: local-ca\n", "colourstream.yaml").unwrap();
        let source = Source::default();
        let secrets = passing_secrets(None).unwrap();
        let mut wanted = Wanted::new(source, settings.clone(), disk, secrets);
        let host = |address: Option<&str>| HostFacts {
            state_on_host: folder.path().into(),
            in_container: false,
            can_chown: false,
            owner: (0, 0),
            subnet: "10.83.12.0/24".into(),
            gateway: Ipv4Addr::new(10, 83, 12, 1),
            public_address: address.map(str::to_owned),
        };
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let mut chain = |address: Option<&str>| {
            wanted.refresh_certificate(&settings, &host(address), now);
            wanted.certificate.as_ref().unwrap().chain_pem.clone()
        };
        let first = chain(Some("192.0.2.7"));
        assert_eq!(chain(Some("192.0.2.7")), first);
        // Not known for a while: what is known stays.
        assert_eq!(chain(None), first);
        let second = chain(Some("192.0.2.8"));
        assert_ne!(second, first);
        assert_eq!(chain(Some("192.0.2.8")), second);
    }
}
