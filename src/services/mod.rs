//! What the running services say of themselves. An engine knows that a
//! process runs; only the service knows whether it serves, and with what.

mod http;
pub mod mirotalk;
pub mod mirotalk_token;
pub mod ovenmediaengine;
pub mod traefik;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use jiff::{SignedDuration, Timestamp};

pub use http::ServiceError;
pub use mirotalk::Mirotalk;
pub use ovenmediaengine::Ovenmediaengine;

use crate::desired::{OME_API, Secrets, TRAEFIK_OWN, mirotalk_http};
use crate::model::{Issue, IssueCode, Role, Severity};
use crate::plan::{Health, Live};
use crate::settings::{Flavour, Settings};
use http::Http;
use mirotalk::ProbeInput;

/// A running container to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Which service.
    pub role: Role,
    /// Its container's id.
    pub container: String,
    /// When it was started.
    pub started_at: Timestamp,
    /// Its address in our network.
    pub address: IpAddr,
}

/// What came of asking one service once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// What it said, or what follows without asking.
    Word(Health),
    /// It was asked and did not answer as it should. Once proves nothing.
    Missed {
        /// What it failed to say.
        why: String,
        /// It is within its time to start.
        is_starting: bool,
    },
    /// It could not be asked, and the lack is ours: nothing is known of it.
    Unasked {
        /// What we lack.
        why: String,
    },
}

/// All that was seen in one look.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// What each subject said.
    pub heard: BTreeMap<Role, Heard>,
    /// Who would be interrupted. What could not be asked counts as before.
    pub live: Live,
    /// What is wrong though the service runs: routes that Traefik refuses, a
    /// MiroTalk that lets strangers in.
    pub issues: Vec<Issue>,
}

/// Ports to ask on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServicePorts {
    /// Traefik's entry point for us.
    pub traefik: u16,
    /// OvenMediaEngine's REST interface.
    pub ovenmediaengine: u16,
    /// MiroTalk; `None` is the flavour's own.
    pub mirotalk: Option<u16>,
}

impl Default for ServicePorts {
    fn default() -> Self {
        Self {
            traefik: TRAEFIK_OWN,
            ovenmediaengine: OME_API,
            mirotalk: None,
        }
    }
}

/// The client and what it remembers. Clones share both. Every call may be
/// dropped at any point: memory is written only with whole answers.
#[derive(Clone, Debug)]
pub struct Services {
    http: Http,
    ports: ServicePorts,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Debug, Default)]
struct Memory {
    versions: HashMap<Run, String>,
    probe: Option<(Run, Probe)>,
    /// The run whose gate was found shut.
    gated: Option<Run>,
    live: Live,
}

/// One run of one container: its id, and when it was started.
pub type Run = (String, Timestamp);

/// The last round of safety probes.
#[derive(Clone, Debug)]
struct Probe {
    at: Timestamp,
    open: Vec<String>,
    /// The probe without a token came too late to mean anything.
    is_late: bool,
}

/// How long a service may take from its start to its first answer.
pub const fn start_allowance(role: Role) -> Duration {
    match role {
        Role::Traefik => Duration::from_secs(15),
        Role::Ovenmediaengine => Duration::from_secs(20),
        Role::Mirotalk => Duration::from_secs(45),
    }
}

/// What one service said, before the time since its start is weighed.
struct Word {
    heard: Heard,
    issues: Vec<Issue>,
}

impl Default for Services {
    fn default() -> Self {
        Self::new(ServicePorts::default())
    }
}

impl Services {
    /// A client; nothing is sent yet.
    pub fn new(ports: ServicePorts) -> Self {
        Self {
            http: Http::new(),
            ports,
            memory: Arc::default(),
        }
    }

    /// OvenMediaEngine's REST interface at `address`.
    pub fn ovenmediaengine(&self, address: IpAddr, secrets: &Secrets) -> Ovenmediaengine {
        Ovenmediaengine {
            http: self.http.clone(),
            base: base(address, self.ports.ovenmediaengine),
            token: secrets.ome_api_token.clone(),
        }
    }

    /// MiroTalk at `address`.
    pub fn mirotalk(&self, address: IpAddr, secrets: &Secrets, flavour: Flavour) -> Mirotalk {
        let port = self.ports.mirotalk.unwrap_or(mirotalk_http(flavour));
        Mirotalk {
            http: self.http.clone(),
            base: base(address, port),
            flavour,
            api_key: secrets.mirotalk_api_key.clone(),
        }
    }

    /// The certificates that Traefik at `address` has.
    ///
    /// # Errors
    /// When it does not answer, or has not loaded its dynamic file yet.
    pub async fn certificates(
        &self,
        address: IpAddr,
    ) -> Result<Vec<traefik::Listed>, ServiceError> {
        traefik::certificates(&self.http, &base(address, self.ports.traefik)).await
    }

    /// The run of MiroTalk whose gate was found shut. Whoever asks it next, as
    /// after a restart of the controller, may find that a call was opened
    /// meanwhile, and must know: keep it.
    pub fn gated(&self) -> Option<Run> {
        self.memory().gated.clone()
    }

    /// Takes over what was kept of [`Services::gated`].
    pub fn recall_gated(&self, run: Run) {
        self.memory().gated.get_or_insert(run);
    }

    /// Asks all subjects at once. Takes 2 s at most, but for rounds of probes
    /// and lists that need a second answer: then 4 s.
    pub async fn observe(
        &self,
        subjects: &[Subject],
        secrets: &Secrets,
        settings: &Settings,
        now: Timestamp,
    ) -> Seen {
        let mut live = Live::default();
        let words = join_all(subjects.iter().map(|subject| async move {
            let (word, live) = match subject.role {
                Role::Traefik => (self.ask_traefik(subject, now).await, Live::default()),
                Role::Ovenmediaengine => self.ask_ovenmediaengine(subject, secrets, settings).await,
                Role::Mirotalk => self.ask_mirotalk(subject, secrets, settings, now).await,
            };
            (subject, word, live)
        }))
        .await;
        let mut seen = Seen::default();
        for (subject, word, part) in words {
            live.streams += part.streams;
            live.viewers += part.viewers;
            live.callers += part.callers;
            seen.issues.extend(word.issues);
            let heard = match word.heard {
                Heard::Missed { why, .. } => Heard::Missed {
                    why,
                    is_starting: is_starting(subject, now),
                },
                Heard::Word(Health::Unhealthy { why }) if is_starting(subject, now) => {
                    Heard::Word(Health::Starting { why })
                }
                heard => heard,
            };
            seen.heard.insert(subject.role, heard);
        }
        self.memory().live = live;
        seen.live = live;
        seen
    }

    async fn ask_traefik(&self, subject: &Subject, now: Timestamp) -> Word {
        let base = base(subject.address, self.ports.traefik);
        let loaded = match traefik::look(&self.http, &base).await {
            Ok(loaded) => loaded,
            Err(error) => return Word::failed(subject.role, &error),
        };
        // Serving comes a moment before the first configuration.
        if loaded.generation.is_none() && is_starting(subject, now) {
            return Word::missed("Traefik has not loaded its dynamic file yet".to_owned());
        }
        let known = self.known_version(subject);
        let version = match known {
            Some(version) => Some(version),
            None => traefik::version(&self.http, &base).await,
        };
        self.remember_version(subject, version.as_ref());
        let issues = loaded.errors.iter().map(|error| Issue {
            code: IssueCode::RouteRejected,
            severity: Severity::Error,
            role: Some(Role::Traefik),
            subject: error.split(':').next().unwrap_or_default().to_owned(),
            what: "Traefik has switched off a part of its configuration.".to_owned(),
            why: error.clone(),
            fix: "Correct the template or setting this part comes from; it is taken up at once."
                .to_owned(),
        });
        Word {
            issues: issues.collect(),
            heard: Heard::Word(Health::Healthy {
                version,
                generation: loaded.generation,
            }),
        }
    }

    async fn ask_ovenmediaengine(
        &self,
        subject: &Subject,
        secrets: &Secrets,
        settings: &Settings,
    ) -> (Word, Live) {
        let ome = self.ovenmediaengine(subject.address, secrets);
        let apps = settings
            .profiles
            .iter()
            .map(|profile| ome.streams(&profile.name));
        let asked = tokio::try_join!(ome.version(), try_join_all(apps), ome.viewers());
        match asked {
            Ok((version, streams, viewers)) => {
                let live = Live {
                    streams: count(streams.iter().map(Vec::len).sum()),
                    viewers,
                    callers: 0,
                };
                let heard = Heard::Word(Health::Healthy {
                    version: Some(version),
                    generation: None,
                });
                let issues = Vec::new();
                (Word { heard, issues }, live)
            }
            Err(error) => {
                let word = match error {
                    ServiceError::Status { status: 401, .. } => Word::missed(
                        "OvenMediaEngine refuses our token: it runs with another configuration"
                            .to_owned(),
                    ),
                    error => Word::failed(subject.role, &error),
                };
                let before = Live {
                    callers: 0,
                    ..self.memory().live
                };
                (word, before)
            }
        }
    }

    async fn ask_mirotalk(
        &self,
        subject: &Subject,
        secrets: &Secrets,
        settings: &Settings,
        now: Timestamp,
    ) -> (Word, Live) {
        let flavour = settings.conference.flavour;
        let mirotalk = self.mirotalk(subject.address, secrets, flavour);
        let before = Live {
            callers: self.memory().live.callers,
            ..Live::default()
        };
        if let Err(error) = mirotalk.ready().await {
            return (Word::failed(subject.role, &error), before);
        }
        let (counts, open) = tokio::join!(
            mirotalk.counts(),
            self.probed(&mirotalk, subject, secrets, settings, now)
        );
        let live = match &counts {
            Ok(counts) => Live {
                callers: counts.people,
                ..Live::default()
            },
            Err(_) => before,
        };
        // Safety first: an unsafe one often refuses our key as well.
        let word = match (open, counts) {
            (Err(error), _) | (Ok(None), Err(error)) => Word::failed(subject.role, &error),
            (Ok(Some(open)), _) => Word {
                issues: vec![Issue {
                    code: IssueCode::CallUnsafe,
                    severity: Severity::Error,
                    role: Some(Role::Mirotalk),
                    subject: "mirotalk".to_owned(),
                    what: "MiroTalk is not safe to be opened, so its route stays shut.".to_owned(),
                    why: format!("Asked as a stranger would: {}.", open.join("; ")),
                    fix: "Its configuration is mended by itself; if this stays, look whether \
                          its `.env` can be read inside the container."
                        .to_owned(),
                }],
                // An answer, not a missing one: it counts at once.
                heard: Heard::Word(Health::Unhealthy {
                    why: format!("MiroTalk is not safe: {}", open.join("; ")),
                }),
            },
            (Ok(None), Ok(_)) => Word {
                issues: Vec::new(),
                heard: Heard::Word(Health::Healthy {
                    version: None,
                    generation: None,
                }),
            },
        };
        (word, live)
    }

    /// What stands open, `None` if nothing does. A good verdict holds for one
    /// sweep; a bad one is checked at each look.
    async fn probed(
        &self,
        mirotalk: &Mirotalk,
        subject: &Subject,
        secrets: &Secrets,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<Option<Vec<String>>, ServiceError> {
        let run = (subject.container.clone(), subject.started_at);
        let last = self
            .memory()
            .probe
            .clone()
            .filter(|(known, _)| *known == run)
            .map(|(_, probe)| probe);
        if let Some(last) = &last {
            let fresh = Duration::try_from(now.duration_since(last.at))
                .is_ok_and(|age| age < settings.reconcile.sweep);
            if last.open.is_empty() && fresh {
                return Ok(None);
            }
        }
        // Once anybody has opened a call, this probe says "open" of a safe
        // server too: it counts only from the start on, until it is passed.
        let is_late = match &last {
            Some(last) => last.is_late,
            None => !is_starting(subject, now),
        };
        let is_gated = self.memory().gated.as_ref() == Some(&run);
        let input = ProbeInput {
            secrets,
            now: now.as_second(),
            room: random_hex()?,
            salts: [random()?, random()?, random()?, random()?],
            without_token: !is_late && !is_gated,
        };
        let open = mirotalk.probe(&input).await?;
        let probe = Probe {
            at: now,
            is_late,
            open: open.clone(),
        };
        let mut memory = self.memory();
        if input.without_token && open.is_empty() {
            memory.gated = Some(run.clone());
        }
        memory.probe = Some((run, probe));
        drop(memory);
        Ok((!open.is_empty()).then_some(open))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_version(&self, subject: &Subject) -> Option<String> {
        let run = (subject.container.clone(), subject.started_at);
        self.memory().versions.get(&run).cloned()
    }

    fn remember_version(&self, subject: &Subject, version: Option<&String>) {
        let Some(version) = version else { return };
        let run = (subject.container.clone(), subject.started_at);
        let mut memory = self.memory();
        // Runs that are over are never asked again.
        if memory.versions.len() > 8 {
            memory.versions.clear();
        }
        memory.versions.insert(run, version.clone());
    }
}

impl Word {
    fn failed(role: Role, error: &ServiceError) -> Self {
        let why = format!("{} {error}", role.title());
        match error {
            ServiceError::Unasked(_) => Self {
                heard: Heard::Unasked { why },
                issues: Vec::new(),
            },
            _ => Self::missed(why),
        }
    }

    fn missed(why: String) -> Self {
        Self {
            heard: Heard::Missed {
                why,
                is_starting: false,
            },
            issues: Vec::new(),
        }
    }
}

/// Engine and controller agree on the time within this.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(1);

fn is_starting(subject: &Subject, now: Timestamp) -> bool {
    match Duration::try_from(now.duration_since(subject.started_at)) {
        Ok(age) => age < start_allowance(subject.role),
        // A start in the future is a start where clocks differ a little, and
        // long ago where ours was set back.
        Err(_) => subject.started_at.duration_since(now) < CLOCKS_DIFFER,
    }
}

fn base(address: IpAddr, port: u16) -> String {
    format!("http://{}", std::net::SocketAddr::new(address, port))
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], ServiceError> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| ServiceError::Unasked(format!("no random bytes: {error}")))?;
    Ok(bytes)
}

fn random_hex() -> Result<String, ServiceError> {
    let bytes: [u8; 16] = random()?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Bytes as an answer of each service, read as if it came.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_answers(bytes: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(bytes) {
        let _reason = traefik::reasons(&value);
        let _meetings = mirotalk::meetings(value);
    }
    let _path = crate::model::escaped(&String::from_utf8_lossy(bytes));
}

#[cfg(test)]
mod tests;
