//! The Docker engine: the only user of bollard.
//!
//! bollard 0.21 puts no API version into its paths, so daemons from 20.10
//! (API 1.41) on answer in their own; what is older is refused with its own
//! error. Connections are kept and reused: a sweep is a dozen small requests.

mod act;
mod answers;
mod connect;
mod errors;
mod look;
mod pull;
mod requests;

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::{ContainerInspectResponse, Network};
use bollard::query_parameters::{
    CreateImageOptionsBuilder, EventsOptionsBuilder, InspectContainerOptions, ListNetworksOptions,
    LogsOptionsBuilder,
};
use futures_util::stream::{self, BoxStream, StreamExt};
use hyper_util::client::legacy::connect::HttpConnector;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::answers::read_answers;
use self::answers::{engine_info, hint, image_facts, self_facts};
use self::connect::{Socket, connect};
use self::errors::{found, translate};
use self::pull::Pull;
use super::logins;
use super::words::{self, Lines, Said};
use super::{
    Engine, EngineCall, EngineError, EngineFacts, EngineHint, EngineInfo, ImageFacts, Performed,
    PullProgress,
};
use crate::settings::EngineSettings;

/// A pull in which nothing moves for this long is given up: registries are
/// slow to begin, and extracting a big layer tells of its progress.
const PULL_STALL: Duration = Duration::from_secs(120);
/// bollard's own limit, put out of the way: ours is finer and covers bodies.
const NO_LIMIT_SECONDS: u64 = 24 * 60 * 60;
/// Lines kept of a throw-away that ended early.
const LAST_LINES: u32 = 20;

/// A Docker engine behind a UNIX or TCP socket. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DockerEngine {
    docker: Docker,
    address: Arc<str>,
    timeout: Duration,
    /// File with logins of registries.
    logins: Option<Arc<Path>>,
    /// Asked once per connection: forgotten whenever the engine was away.
    info: Arc<Mutex<Option<EngineInfo>>>,
    /// The container we run in ourselves, once it is found.
    own: Arc<OnceLock<String>>,
}

/// What an inspection of the controller's own container tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelfFacts {
    /// Full id.
    pub id: String,
    /// Whether it runs (if not, it cannot be us).
    pub running: bool,
    /// Mounts: path inside, path on the engine's host.
    pub mounts: Vec<(PathBuf, PathBuf)>,
    /// Networks: name to address.
    pub networks: BTreeMap<String, Option<Ipv4Addr>>,
}

impl DockerEngine {
    /// Prepares for the engine at `settings.address`; nothing is sent yet, so
    /// an engine that is away is no error here.
    ///
    /// # Errors
    /// [`EngineError::Other`] when the address is neither `unix://` nor `tcp://`.
    pub fn new(settings: &EngineSettings) -> Result<Self, EngineError> {
        let address = settings.address.as_str();
        let wrong = |why: String| {
            EngineError::Other(format!(
                "engine.address `{address}`: {why} (use unix:///path or tcp://host:port)"
            ))
        };
        let docker = if let Some(path) = address.strip_prefix("unix://") {
            connect(
                Socket(Arc::from(PathBuf::from(path).as_path())),
                "http://engine",
            )
        } else if let Some(host) = address.strip_prefix("tcp://") {
            let mut connector = HttpConnector::new();
            connector.set_nodelay(true);
            connector.set_connect_timeout(Some(settings.timeout));
            connect(connector, &format!("http://{}", host.trim_end_matches('/')))
        } else {
            return Err(wrong("not a UNIX or TCP address".to_owned()));
        };
        Ok(Self {
            docker: docker.map_err(|error| wrong(error.to_string()))?,
            address: Arc::from(address),
            timeout: settings.timeout,
            logins: settings.logins.as_deref().map(Arc::from),
            info: Arc::default(),
            own: Arc::default(),
        })
    }

    /// The engine's version; asked again only after it was away.
    ///
    /// # Errors
    /// [`EngineError::TooOld`] below API 1.41, otherwise as any call.
    pub async fn version(&self) -> Result<EngineInfo, EngineError> {
        let known = self.known_info().clone();
        if let Some(info) = known {
            return Ok(info);
        }
        let info = engine_info(self.call("version", self.docker.version()).await?);
        let api: Vec<u32> = info.api_version.split('.').flat_map(str::parse).collect();
        if api.as_slice() < [1, 41].as_slice() {
            return Err(EngineError::TooOld {
                version: info.version,
                api: info.api_version,
            });
        }
        *self.known_info() = Some(info.clone());
        Ok(info)
    }

    /// Whether it is an engine that answers. A filter in front of it that has
    /// not come up yet says 404 to everything, which is no word of an engine.
    ///
    /// # Errors
    /// As any call; [`EngineError::Away`] for whatever is no engine's answer.
    pub async fn answers(&self) -> Result<(), EngineError> {
        match self.version().await {
            Ok(_) => Ok(()),
            Err(EngineError::NotFound(reason) | EngineError::Other(reason)) => {
                Err(EngineError::Away {
                    address: self.address.to_string(),
                    reason,
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Inspects a container as a candidate for being ourselves; `None` if
    /// there is none of this id or name.
    ///
    /// # Errors
    /// As any call.
    pub async fn inspect_self(&self, id: &str) -> Result<Option<SelfFacts>, EngineError> {
        Ok(self.inspect(id).await?.map(self_facts))
    }

    fn known_info(&self) -> std::sync::MutexGuard<'_, Option<EngineInfo>> {
        self.info.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One call with the usual limit.
    async fn call<T>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, EngineError> {
        self.call_within(self.timeout, what, call).await
    }

    async fn call_within<T>(
        &self,
        limit: Duration,
        what: &str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, EngineError> {
        match tokio::time::timeout(limit, call).await {
            Ok(answer) => answer.map_err(|error| self.translate(error)),
            Err(_) => Err(EngineError::Slow {
                what: what.to_owned(),
                seconds: limit.as_secs(),
            }),
        }
    }

    /// bollard's error as ours; forgets the version when the engine is away,
    /// for it may come back as another.
    fn translate(&self, error: Error) -> EngineError {
        let error = translate(&self.address, error);
        if matches!(error, EngineError::Away { .. }) {
            *self.known_info() = None;
        }
        error
    }

    async fn inspect(&self, id: &str) -> Result<Option<ContainerInspectResponse>, EngineError> {
        found(
            self.call(
                "inspect a container",
                self.docker
                    .inspect_container(id, None::<InspectContainerOptions>),
            )
            .await,
        )
    }

    async fn image(&self, reference: &str) -> Result<Option<ImageFacts>, EngineError> {
        if !words::is_reference(reference) {
            return Ok(None);
        }
        let image = found(
            self.call("inspect an image", self.docker.inspect_image(reference))
                .await,
        )?;
        Ok(image.map(image_facts))
    }

    async fn networks(&self) -> Result<Vec<Network>, EngineError> {
        self.call(
            "list networks",
            self.docker.list_networks(None::<ListNetworksOptions>),
        )
        .await
    }

    /// Tells which container we are; from then on looks say what it is in.
    pub(super) fn is_own(&self, id: &str) {
        // Told twice, it is the same.
        let _known = self.own.set(id.to_owned());
    }
}

impl Engine for DockerEngine {
    async fn observe(
        &self,
        instance: &str,
        references: &[String],
    ) -> Result<EngineFacts, EngineError> {
        self.look(instance, references).await
    }

    async fn perform(&self, call: EngineCall) -> Result<Performed, EngineError> {
        self.act(call).await
    }

    fn pull(&self, reference: &str) -> BoxStream<'static, Result<PullProgress, EngineError>> {
        if !words::is_reference(reference) {
            let error = EngineError::Registry(format!("`{reference}` is not an image reference"));
            return stream::once(async { Err(error) }).boxed();
        }
        let options = CreateImageOptionsBuilder::new()
            .from_image(&words::with_tag(reference))
            .build();
        // A file that is not there means no login: the registry says the rest.
        let login = self
            .logins
            .as_ref()
            .and_then(|file| std::fs::read_to_string(file).ok())
            .and_then(|file| logins::login(&file, reference))
            .map(|login| DockerCredentials {
                username: Some(login.username),
                password: Some(login.password.expose().clone()),
                serveraddress: Some(login.registry),
                ..DockerCredentials::default()
            });
        let pull = Pull {
            engine: self.clone(),
            reference: reference.to_owned(),
            messages: self.docker.create_image(Some(options), None, login).boxed(),
            layers: BTreeMap::new(),
            finished: false,
        };
        stream::unfold(pull, Pull::next).boxed()
    }

    fn events(
        &self,
        instance: &str,
        since: Option<i64>,
    ) -> BoxStream<'static, Result<EngineHint, EngineError>> {
        let kinds = ["container", "network", "volume", "image"];
        let mut options =
            EventsOptionsBuilder::new().filters(&HashMap::from([("type", kinds.to_vec())]));
        if let Some(since) = since {
            options = options.since(&since.to_string());
        }
        let instance = instance.to_owned();
        let address = Arc::clone(&self.address);
        let messages = self.docker.events(Some(options.build()));
        // The stream ends with its first error: the caller connects anew and
        // looks, which also passes over an event that could not be decoded.
        messages
            .map(move |message| message.map_err(|error| translate(&address, error)))
            .scan(false, |ended, message| {
                let go_on = !*ended;
                *ended = message.is_err();
                std::future::ready(go_on.then_some(message))
            })
            .filter_map(move |message| {
                let hint = match message {
                    Ok(event) => hint(&instance, &event).map(Ok),
                    Err(error) => Some(Err(error)),
                };
                std::future::ready(hint)
            })
            .boxed()
    }

    fn logs(
        &self,
        container: &str,
        tail: u32,
        follow: bool,
    ) -> BoxStream<'static, Result<String, EngineError>> {
        self.said(container, tail, follow)
            .map(|line| line.map(|line| line.text))
            .boxed()
    }
}

impl DockerEngine {
    /// The last lines of a container's log with their times and streams, then
    /// those that come: one question, so that nothing is lost in between.
    pub fn said(
        &self,
        container: &str,
        tail: u32,
        follow: bool,
    ) -> BoxStream<'static, Result<Said, EngineError>> {
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .follow(follow)
            .timestamps(true)
            .tail(&tail.to_string())
            .build();
        let address = Arc::clone(&self.address);
        let pieces = self.docker.logs(container, Some(options));
        pieces
            .map(Some)
            .chain(stream::once(async { None }))
            .scan(
                (Lines::default(), Lines::default()),
                move |(out, err), piece| {
                    let of = |lines: Vec<String>, is_error| {
                        let lines = lines.into_iter();
                        lines.map(move |line| Ok(Said::read(&line, is_error)))
                    };
                    let lines: Vec<Result<Said, EngineError>> = match piece {
                        Some(Ok(LogOutput::StdErr { message })) => {
                            of(err.push(&message), true).collect()
                        }
                        Some(Ok(piece)) => of(out.push(&piece.into_bytes()), false).collect(),
                        Some(Err(error)) => vec![Err(translate(&address, error))],
                        None => of(out.finish().into_iter().collect(), false)
                            .chain(of(err.finish().into_iter().collect(), true))
                            .collect(),
                    };
                    std::future::ready(Some(stream::iter(lines)))
                },
            )
            .flatten()
            .boxed()
    }
}
