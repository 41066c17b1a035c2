//! The Docker engine: the only user of bollard.
//!
//! bollard 0.21 puts no API version into its paths, so daemons from 20.10
//! (API 1.41) on answer in their own; what is older is refused with its own
//! error. Connections are kept and reused: a sweep is a dozen small requests.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bollard::BollardRequest;
use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary,
    CreateImageInfo, EndpointSettings, EventMessage, HostConfig, HostConfigLogConfig, ImageInspect,
    Ipam, IpamConfig, Mount as ApiMount, MountPoint, MountType, MountVolumeOptions, Network,
    NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest, NetworkingConfig,
    PortBinding as ApiPort, PortSummaryTypeEnum, RestartPolicy as ApiRestart,
    RestartPolicyNameEnum, SystemVersion, Volume, VolumeCreateRequest,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, CreateImageOptionsBuilder, EventsOptionsBuilder,
    InspectContainerOptions, KillContainerOptionsBuilder, ListContainersOptionsBuilder,
    ListNetworksOptions, ListVolumesOptions, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptions, RenameContainerOptionsBuilder, StopContainerOptionsBuilder,
    WaitContainerOptionsBuilder,
};
use futures_util::future::{join_all, try_join_all};
use futures_util::stream::{self, BoxStream, StreamExt};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use jiff::Timestamp;
use tokio::net::UnixStream;

use super::facts::{self, NO_NEW_PRIVILEGES, sorted};
use super::logins;
use super::words::{self, Lines};
use super::{
    Attachment, ContainerFacts, ContainerState, Ended, Engine, EngineCall, EngineError,
    EngineFacts, EngineHint, EngineInfo, ImageFacts, NetworkFacts, Performed, PortHolder,
    PullProgress, VolumeFacts,
};
use crate::desired::{
    ContainerSpec, Mount, MountSource, NetworkSpec, PortBinding, Protocol, RestartPolicy, Tmpfs,
    VolumeSpec, labels,
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
        } else if let Some(host) = address
            .strip_prefix("tcp://")
            .or_else(|| address.strip_prefix("http://"))
        {
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

    async fn look(
        &self,
        instance: &str,
        references: &[String],
    ) -> Result<EngineFacts, EngineError> {
        let containers = async {
            let all = self
                .call(
                    "list containers",
                    self.docker.list_containers(Some(
                        ListContainersOptionsBuilder::new().all(true).build(),
                    )),
                )
                .await?;
            let ours = all
                .iter()
                .filter(|summary| is_ours(instance, summary))
                .filter_map(|summary| summary.id.as_deref());
            let inspected = try_join_all(ours.map(|id| self.inspect(id))).await?;
            // One that went between list and inspection is simply gone.
            let mut facts: Vec<_> = inspected
                .into_iter()
                .flatten()
                .map(container_facts)
                .collect();
            facts.sort_by(|a, b| a.name.cmp(&b.name));
            Ok((facts, port_holders(&all)))
        };
        let volumes = async {
            let list = self
                .call(
                    "list volumes",
                    self.docker.list_volumes(None::<ListVolumesOptions>),
                )
                .await?;
            Ok(list.volumes.unwrap_or_default())
        };
        let images = async {
            let each = references.iter().map(|reference| async move {
                let image = self.image(reference).await?;
                Ok(image.map(|image| (reference.clone(), image)))
            });
            let images: Result<Vec<_>, EngineError> = join_all(each).await.into_iter().collect();
            Ok(images?.into_iter().flatten().collect())
        };
        let own = async {
            let Some(own) = self.own.get() else {
                return Ok(BTreeMap::new());
            };
            let own = self.inspect(own).await?;
            Ok(own
                .map(container_facts)
                .map_or_else(BTreeMap::new, |own| own.networks))
        };
        let (info, (containers, ports), networks, volumes, images, own_networks) = tokio::try_join!(
            self.version(),
            containers,
            self.networks(),
            volumes,
            images,
            own
        )?;
        let mut networks = networks;
        // The oldest of a name first.
        networks.sort_by(|a, b| (&a.name, &a.created, &a.id).cmp(&(&b.name, &b.created, &b.id)));
        let networks: Vec<_> = networks.into_iter().map(network_facts).collect();
        let mut volumes: Vec<_> = volumes
            .into_iter()
            .filter(|volume| {
                volume.labels.get(labels::INSTANCE).map(String::as_str) == Some(instance)
                    || volume
                        .name
                        .strip_prefix(instance)
                        .is_some_and(|rest| rest.starts_with('-'))
            })
            .map(volume_facts)
            .collect();
        volumes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(EngineFacts {
            info,
            containers,
            ports,
            networks,
            volumes,
            images,
            own_networks,
        })
    }

    /// Tells which container we are; from then on looks say what it is in.
    pub(super) fn is_own(&self, id: &str) {
        // Told twice, it is the same.
        let _known = self.own.set(id.to_owned());
    }

    async fn act(&self, call: EngineCall) -> Result<Performed, EngineError> {
        match call {
            EngineCall::CreateNetwork { spec, labels } => self.create_network(spec, labels).await,
            EngineCall::RemoveNetwork { id } => gone(
                self.call("remove a network", self.docker.remove_network(&id))
                    .await,
            ),
            EngineCall::CreateVolume { spec, labels } => self.create_volume(spec, labels).await,
            EngineCall::RemoveVolume { name } => gone(
                self.call(
                    "remove a volume",
                    self.docker
                        .remove_volume(&name, None::<RemoveVolumeOptions>),
                )
                .await,
            ),
            EngineCall::CreateContainer {
                name,
                spec,
                image,
                network,
                labels,
            } => {
                self.volumes_are_there(&spec).await?;
                let body = create_body(&spec, &image, Some(&network), &labels);
                Ok(Performed::Created(
                    self.create_container(&name, body).await?,
                ))
            }
            EngineCall::StartContainer { id } => self.start_container(&id).await,
            EngineCall::StopContainer { id, timeout } => {
                let options = StopContainerOptionsBuilder::new()
                    .t(i32::try_from(timeout).unwrap_or(i32::MAX))
                    .build();
                let limit = self.timeout + Duration::from_secs(timeout.into());
                self.call_within(
                    limit,
                    "stop a container",
                    self.docker.stop_container(&id, Some(options)),
                )
                .await?;
                Ok(Performed::Done)
            }
            EngineCall::UnpauseContainer { id } => {
                let answer = self
                    .call("unpause a container", self.docker.unpause_container(&id))
                    .await;
                self.done_if(answer, &id, |facts| facts.state != ContainerState::Paused)
                    .await
            }
            EngineCall::RenameContainer { id, to } => {
                let options = RenameContainerOptionsBuilder::new().name(&to).build();
                let answer = self
                    .call(
                        "rename a container",
                        self.docker.rename_container(&id, options),
                    )
                    .await;
                self.done_if(answer, &id, |facts| facts.name == to).await
            }
            EngineCall::RemoveContainer { id } => self.remove_container(&id).await,
            EngineCall::ConnectNetwork {
                network,
                container,
                aliases,
            } => self.connect_network(network, container, aliases).await,
            EngineCall::DisconnectNetwork { network, container } => {
                let request = NetworkDisconnectRequest {
                    container: container.clone(),
                    force: Some(true),
                };
                let answer = self
                    .call(
                        "leave a network",
                        self.docker.disconnect_network(&network, request),
                    )
                    .await;
                match answer {
                    Err(error) if error.to_string().contains("is not connected to") => {
                        Ok(Performed::Done)
                    }
                    answer => gone(answer),
                }
            }
            EngineCall::SignalContainer { id, signal } => {
                let options = KillContainerOptionsBuilder::new().signal(&signal).build();
                self.call(
                    "send a signal",
                    self.docker.kill_container(&id, Some(options)),
                )
                .await?;
                Ok(Performed::Done)
            }
            EngineCall::TryOut {
                name,
                spec,
                image,
                labels,
                patience_ms,
            } => {
                let body = create_body(&spec, &image, None, &labels);
                let engine = self.clone();
                // In a task of its own: a caller that is dropped half-way must
                // not leave the throw-away behind.
                let task = tokio::spawn(async move {
                    engine
                        .try_out(&name, body, &labels, Duration::from_millis(patience_ms))
                        .await
                });
                task.await
                    .unwrap_or_else(|error| Err(EngineError::Other(error.to_string())))
            }
        }
    }

    /// After a refusal, looks whether what was asked for is already so.
    async fn done_if(
        &self,
        answer: Result<(), EngineError>,
        id: &str,
        so: impl Fn(&ContainerFacts) -> bool,
    ) -> Result<Performed, EngineError> {
        match answer {
            Ok(()) => Ok(Performed::Done),
            Err(
                error @ (EngineError::Away { .. }
                | EngineError::Denied { .. }
                | EngineError::Slow { .. }),
            ) => Err(error),
            Err(error) => match self.inspect(id).await?.map(container_facts) {
                Some(facts) if so(&facts) => Ok(Performed::Done),
                _ => Err(error),
            },
        }
    }

    async fn create_network(
        &self,
        spec: NetworkSpec,
        labels: BTreeMap<String, String>,
    ) -> Result<Performed, EngineError> {
        // Docker allows two networks of one name; we do not.
        let same_name = self
            .networks()
            .await?
            .into_iter()
            .map(network_facts)
            .find(|network| network.name == spec.name);
        if let Some(there) = same_name {
            let same = there.subnets == [spec.subnet.clone()]
                && labels
                    .iter()
                    .all(|(key, value)| there.labels.get(key) == Some(value));
            return if same {
                Ok(Performed::Created(there.id))
            } else {
                Err(EngineError::Conflict(format!(
                    "a network named {} exists and is not as wanted",
                    spec.name
                )))
            };
        }
        let request = NetworkCreateRequest {
            name: spec.name,
            driver: Some("bridge".to_owned()),
            enable_ipv6: Some(false),
            ipam: Some(Ipam {
                driver: Some("default".to_owned()),
                config: Some(vec![IpamConfig {
                    subnet: Some(spec.subnet),
                    gateway: Some(spec.gateway.to_string()),
                    ..IpamConfig::default()
                }]),
                options: None,
            }),
            labels: Some(labels.into_iter().collect()),
            ..NetworkCreateRequest::default()
        };
        let made = self
            .call("create a network", self.docker.create_network(request))
            .await?;
        Ok(Performed::Created(made.id))
    }

    async fn create_volume(
        &self,
        spec: VolumeSpec,
        labels: BTreeMap<String, String>,
    ) -> Result<Performed, EngineError> {
        let options = volume_options(&spec);
        let request = VolumeCreateRequest {
            name: Some(spec.name.clone()),
            driver: Some("local".to_owned()),
            driver_opts: Some(options.clone().into_iter().collect()),
            labels: Some(labels.clone().into_iter().collect()),
            ..VolumeCreateRequest::default()
        };
        let volume = volume_facts(
            self.call("create a volume", self.docker.create_volume(request))
                .await?,
        );
        // Docker answers with the volume that is there, whatever it is like.
        if volume.labels == labels && volume.options == options {
            Ok(Performed::Created(volume.name))
        } else {
            Err(EngineError::Conflict(format!(
                "a volume named {} exists and is not as wanted",
                spec.name
            )))
        }
    }

    /// A volume that is gone by now is not left to Docker to make: it would
    /// have neither our label nor our folder behind it.
    async fn volumes_are_there(&self, spec: &ContainerSpec) -> Result<(), EngineError> {
        for mount in &spec.mounts {
            if let MountSource::Volume(name) = &mount.source {
                self.call("inspect a volume", self.docker.inspect_volume(name))
                    .await?;
            }
        }
        Ok(())
    }

    async fn create_container(
        &self,
        name: &str,
        body: ContainerCreateBody,
    ) -> Result<String, EngineError> {
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let made = self
            .call(
                "create a container",
                self.docker.create_container(Some(options), body),
            )
            .await?;
        Ok(made.id)
    }

    async fn start_container(&self, id: &str) -> Result<Performed, EngineError> {
        // A start pulls up the network and may wait for slow disks.
        let limit = self.timeout * 3;
        self.call_within(
            limit,
            "start a container",
            self.docker.start_container(id, None),
        )
        .await
        .map_err(|error| match &error {
            EngineError::Other(message) | EngineError::Conflict(message) => {
                match words::taken_port(message) {
                    Some(port) => EngineError::PortTaken {
                        port,
                        message: message.clone(),
                    },
                    None => error,
                }
            }
            _ => error,
        })?;
        Ok(Performed::Done)
    }

    async fn remove_container(&self, id: &str) -> Result<Performed, EngineError> {
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        let answer = self
            .call_within(
                self.timeout * 3,
                "remove a container",
                self.docker.remove_container(id, Some(options)),
            )
            .await;
        match answer {
            // Somebody else's removal is under way: wait for its end, so that
            // the name is free for the next step.
            Err(EngineError::Conflict(message)) if message.contains("already in progress") => {
                let until = tokio::time::Instant::now() + self.timeout;
                while self.inspect(id).await?.is_some() {
                    if tokio::time::Instant::now() > until {
                        return Err(EngineError::Conflict(message));
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Ok(Performed::Done)
            }
            answer => gone(answer),
        }
    }

    async fn connect_network(
        &self,
        network: String,
        container: String,
        aliases: Vec<String>,
    ) -> Result<Performed, EngineError> {
        let request = NetworkConnectRequest {
            container: container.clone(),
            endpoint_config: Some(EndpointSettings {
                aliases: Some(aliases.clone()),
                ..EndpointSettings::default()
            }),
        };
        let answer = self
            .call(
                "join a network",
                self.docker.connect_network(&network, request),
            )
            .await;
        let Err(error) = answer else {
            return Ok(Performed::Done);
        };
        if !error.to_string().contains("already exists in network") {
            return Err(error);
        }
        // In it already: fine if under the names asked for.
        let name = self
            .networks()
            .await?
            .into_iter()
            .find(|known| known.id.as_deref() == Some(network.as_str()))
            .and_then(|known| known.name)
            .unwrap_or(network);
        let wanted = aliases.into_iter().collect();
        let same = self
            .inspect(&container)
            .await?
            .map(container_facts)
            .and_then(|mut facts| facts.networks.remove(&name))
            .is_some_and(|attachment| attachment.aliases == wanted);
        if same {
            Ok(Performed::Done)
        } else {
            Err(EngineError::Conflict(format!(
                "the container is in network {name} under other names"
            )))
        }
    }

    async fn try_out(
        &self,
        name: &str,
        body: ContainerCreateBody,
        labels: &BTreeMap<String, String>,
        patience: Duration,
    ) -> Result<Performed, EngineError> {
        let id = match self.create_container(name, body.clone()).await {
            // Left behind by a controller that was killed: ours to clear away.
            Err(error @ EngineError::Conflict(_)) => {
                let left = self.inspect(name).await?.map(container_facts);
                match left {
                    Some(left) if is_same_throw_away(&left, labels) => {
                        self.remove_container(&left.id).await?;
                        self.create_container(name, body).await?
                    }
                    _ => return Err(error),
                }
            }
            made => made?,
        };
        let ended = self.watch_throw_away(&id, patience).await;
        self.remove_container(&id).await?;
        Ok(Performed::Tried(ended?))
    }

    /// Starts it and tells how it ended, if it did within `patience`.
    async fn watch_throw_away(
        &self,
        id: &str,
        patience: Duration,
    ) -> Result<Option<Ended>, EngineError> {
        self.start_container(id).await?;
        let options = WaitContainerOptionsBuilder::new()
            .condition("not-running")
            .build();
        let mut wait = std::pin::pin!(self.docker.wait_container(id, Some(options)));
        match tokio::time::timeout(patience, wait.next()).await {
            Err(_) => return Ok(None),
            // bollard makes an error of every code but 0; the inspection below
            // tells the code in both cases.
            Ok(None | Some(Ok(_) | Err(Error::DockerContainerWaitError { .. }))) => {}
            Ok(Some(Err(error))) => return Err(self.translate(error)),
        }
        let code = self
            .inspect(id)
            .await?
            .and_then(|facts| facts.state)
            .and_then(|state| state.exit_code)
            .unwrap_or_default();
        let lines = self.logs(id, LAST_LINES, false).collect::<Vec<_>>();
        let last_lines = tokio::time::timeout(self.timeout, lines)
            .await
            .unwrap_or_default()
            .into_iter()
            .flatten()
            .collect();
        Ok(Some(Ended { code, last_lines }))
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
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .follow(follow)
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
                    let lines: Vec<Result<String, EngineError>> = match piece {
                        Some(Ok(LogOutput::StdErr { message })) => {
                            err.push(&message).into_iter().map(Ok).collect()
                        }
                        Some(Ok(piece)) => {
                            out.push(&piece.into_bytes()).into_iter().map(Ok).collect()
                        }
                        Some(Err(error)) => vec![Err(translate(&address, error))],
                        None => out
                            .finish()
                            .into_iter()
                            .chain(err.finish())
                            .map(Ok)
                            .collect(),
                    };
                    std::future::ready(Some(stream::iter(lines)))
                },
            )
            .flatten()
            .boxed()
    }
}

// --- Connections ---------------------------------------------------------

/// bollard over our own client: its own opens a connection for each request.
fn connect<C>(connector: C, base: &str) -> Result<Docker, Error>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .pool_max_idle_per_host(16)
        .build(connector);
    let send = move |request: BollardRequest| {
        let answer = client.request(request);
        async move { answer.await.map_err(Error::from) }
    };
    Docker::connect_with_custom_transport(
        send,
        Some(base),
        NO_LIMIT_SECONDS,
        bollard::API_DEFAULT_VERSION,
    )
}

/// Connects to a UNIX socket, whatever the URL says.
#[derive(Clone)]
struct Socket(Arc<std::path::Path>);

impl tower::Service<hyper::Uri> for Socket {
    type Response = TokioIo<UnixStream>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: hyper::Uri) -> Self::Future {
        let path = Arc::clone(&self.0);
        Box::pin(async move { Ok(TokioIo::new(UnixStream::connect(&*path).await?)) })
    }
}

// --- Errors --------------------------------------------------------------

fn translate(address: &str, error: Error) -> EngineError {
    let away = |reason: String| EngineError::Away {
        address: address.to_owned(),
        reason,
    };
    match error {
        Error::DockerResponseServerError {
            status_code,
            message,
        } => match status_code {
            404 => EngineError::NotFound(message),
            409 => EngineError::Conflict(message),
            403 if message.contains("active endpoints") || message.contains("overlaps") => {
                EngineError::Conflict(message)
            }
            _ => EngineError::Other(message),
        },
        Error::HyperLegacyError { err } => match io_cause(&err) {
            Some(io) if io.kind() == std::io::ErrorKind::PermissionDenied => EngineError::Denied {
                address: address.to_owned(),
            },
            Some(io) => away(io.to_string()),
            None => away(innermost(&err)),
        },
        Error::HyperResponseError { err } => away(innermost(&err)),
        Error::IOError { err } => away(innermost(&err)),
        Error::SocketNotFoundError(reason) => away(reason),
        Error::RequestTimeoutError => EngineError::Slow {
            what: "a request".to_owned(),
            seconds: NO_LIMIT_SECONDS,
        },
        Error::DockerStreamError { error } => EngineError::Other(error),
        other => EngineError::Other(other.to_string()),
    }
}

fn io_cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a std::io::Error> {
    std::iter::successors(Some(error), |error| error.source())
        .find_map(|error| error.downcast_ref::<std::io::Error>())
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .last()
        .map_or_else(String::new, ToString::to_string)
}

/// A thing that is not there is an answer, not an error.
fn found<T>(answer: Result<T, EngineError>) -> Result<Option<T>, EngineError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(EngineError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removing what is gone is done.
fn gone(answer: Result<(), EngineError>) -> Result<Performed, EngineError> {
    found(answer).map(|_| Performed::Done)
}

// --- From our values to Docker's -----------------------------------------

/// The request for a container; without a network it is a throw-away: no
/// ports, no restarts, nobody to talk to.
fn create_body(
    spec: &ContainerSpec,
    image: &str,
    network: Option<&str>,
    labels: &BTreeMap<String, String>,
) -> ContainerCreateBody {
    let ports: &[PortBinding] = if network.is_some() { &spec.ports } else { &[] };
    let mut bindings: HashMap<String, Option<Vec<ApiPort>>> = HashMap::new();
    for port in ports {
        bindings
            .entry(port_key(port.container, port.protocol))
            .or_insert_with(|| Some(Vec::new()))
            .get_or_insert_with(Vec::new)
            .push(ApiPort {
                host_ip: port.address.map(|address| address.to_string()),
                host_port: Some(port.host.to_string()),
            });
    }
    let limit = |value: i64| (value > 0).then_some(value);
    let host = HostConfig {
        memory: limit(spec.memory),
        memory_swap: limit(spec.memory),
        pids_limit: limit(spec.pids),
        init: Some(false),
        privileged: Some(false),
        readonly_rootfs: Some(true),
        cap_drop: Some(vec!["ALL".to_owned()]),
        cap_add: Some(facts::capabilities(spec.cap_add.clone())),
        security_opt: Some(vec![NO_NEW_PRIVILEGES.to_owned()]),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(facts::log_options(spec).into_iter().collect()),
        }),
        restart_policy: Some(ApiRestart {
            name: Some(match (network, spec.restart) {
                (Some(_), RestartPolicy::UnlessStopped) => RestartPolicyNameEnum::UNLESS_STOPPED,
                _ => RestartPolicyNameEnum::NO,
            }),
            maximum_retry_count: None,
        }),
        mounts: Some(spec.mounts.iter().map(api_mount).collect()),
        tmpfs: Some(
            spec.tmpfs
                .iter()
                .map(|tmpfs| (tmpfs.target.clone(), tmpfs.options.clone()))
                .collect(),
        ),
        extra_hosts: Some(spec.extra_hosts.clone()),
        network_mode: Some(network.unwrap_or("none").to_owned()),
        port_bindings: Some(bindings.clone()),
        ..HostConfig::default()
    };
    let networking = network.map(|network| NetworkingConfig {
        endpoints_config: Some(HashMap::from([(
            network.to_owned(),
            EndpointSettings {
                aliases: Some(spec.aliases.clone()),
                ..EndpointSettings::default()
            },
        )])),
    });
    ContainerCreateBody {
        image: Some(image.to_owned()),
        cmd: spec.command.clone(),
        user: spec.user.clone(),
        env: Some(
            spec.env
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
        ),
        exposed_ports: Some(bindings.into_keys().collect()),
        labels: Some(labels.clone().into_iter().collect()),
        stop_timeout: Some(spec.stop_timeout.into()),
        attach_stdin: Some(false),
        attach_stdout: Some(false),
        attach_stderr: Some(false),
        tty: Some(false),
        host_config: Some(host),
        networking_config: networking,
        ..ContainerCreateBody::default()
    }
}

fn api_mount(mount: &Mount) -> ApiMount {
    let (typ, source, volume_options) = match &mount.source {
        // The Mounts form, unlike Binds, is refused when the source is missing
        // instead of making an empty folder of root's.
        MountSource::Bind(path) => (MountType::BIND, path.display().to_string(), None),
        // Never filled or given away by what the image has at that path.
        MountSource::Volume(name) => (
            MountType::VOLUME,
            name.clone(),
            Some(MountVolumeOptions {
                no_copy: Some(true),
                ..MountVolumeOptions::default()
            }),
        ),
    };
    ApiMount {
        typ: Some(typ),
        source: Some(source),
        target: Some(mount.target.clone()),
        read_only: Some(mount.read_only),
        volume_options,
        ..ApiMount::default()
    }
}

fn volume_options(spec: &VolumeSpec) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("type".to_owned(), "none".to_owned()),
        ("o".to_owned(), "bind".to_owned()),
        ("device".to_owned(), spec.device.display().to_string()),
    ])
}

fn port_key(port: u16, protocol: Protocol) -> String {
    match protocol {
        Protocol::Tcp => format!("{port}/tcp"),
        Protocol::Udp => format!("{port}/udp"),
    }
}

fn is_same_throw_away(left: &ContainerFacts, labels: &BTreeMap<String, String>) -> bool {
    [labels::INSTANCE, labels::ROLE]
        .iter()
        .all(|key| labels.contains_key(*key) && left.labels.get(*key) == labels.get(*key))
}

// --- From Docker's values to ours ----------------------------------------

fn engine_info(version: SystemVersion) -> EngineInfo {
    EngineInfo {
        version: version.version.unwrap_or_default(),
        api_version: version.api_version.unwrap_or_default(),
        platform: format!(
            "{}/{}",
            version.os.unwrap_or_default(),
            version.arch.unwrap_or_default()
        ),
    }
}

fn summary_name(summary: &ContainerSummary) -> &str {
    // Legacy links add names such as `/other/alias`; the own one has one slash.
    summary
        .names
        .iter()
        .flatten()
        .filter_map(|name| name.strip_prefix('/'))
        .find(|name| !name.contains('/'))
        .unwrap_or_default()
}

fn is_ours(instance: &str, summary: &ContainerSummary) -> bool {
    let label = summary
        .labels
        .as_ref()
        .and_then(|labels| labels.get(labels::INSTANCE));
    label.map(String::as_str) == Some(instance)
        || facts::is_our_name(instance, summary_name(summary))
}

fn port_holders(all: &[ContainerSummary]) -> Vec<PortHolder> {
    let mut holders: Vec<PortHolder> = Vec::new();
    for summary in all {
        for port in summary.ports.iter().flatten() {
            let protocol = match port.typ {
                Some(PortSummaryTypeEnum::TCP) => Protocol::Tcp,
                Some(PortSummaryTypeEnum::UDP) => Protocol::Udp,
                _ => continue,
            };
            let Some(public) = port.public_port.filter(|port| *port != 0) else {
                continue;
            };
            holders.push(PortHolder {
                container: summary_name(summary).to_owned(),
                id: summary.id.clone().unwrap_or_default(),
                port: public,
                protocol,
                // "Every address" is listed twice, as 0.0.0.0 and as ::.
                address: port
                    .ip
                    .as_deref()
                    .and_then(|ip| ip.parse::<IpAddr>().ok())
                    .filter(|ip| !ip.is_unspecified()),
            });
        }
    }
    holders.sort();
    holders.dedup();
    holders
}

fn container_facts(container: ContainerInspectResponse) -> ContainerFacts {
    let state = container.state.unwrap_or_default();
    let config = container.config.unwrap_or_default();
    let host = container.host_config.unwrap_or_default();
    let id = container.id.unwrap_or_default();
    let named: Vec<String> = host
        .mounts
        .iter()
        .flatten()
        .filter_map(|mount| mount.target.clone())
        .collect();
    let networks = container
        .network_settings
        .and_then(|settings| settings.networks)
        .unwrap_or_default()
        .into_iter()
        .map(|(name, end)| (name, attachment(&id, end)))
        .collect();
    ContainerFacts {
        name: container
            .name
            .unwrap_or_default()
            .trim_start_matches('/')
            .to_owned(),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        image_id: container.image.unwrap_or_default(),
        state: match state.status {
            Some(ContainerStateStatusEnum::CREATED) => ContainerState::Created,
            Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING) => {
                ContainerState::Running
            }
            Some(ContainerStateStatusEnum::PAUSED) => ContainerState::Paused,
            Some(ContainerStateStatusEnum::RESTARTING) => ContainerState::Restarting,
            Some(ContainerStateStatusEnum::EXITED) => ContainerState::Exited,
            _ => ContainerState::Dead,
        },
        exit_code: state.exit_code.unwrap_or_default(),
        oom_killed: state.oom_killed.unwrap_or_default(),
        error: state.error.unwrap_or_default(),
        started_at: moment(state.started_at),
        finished_at: moment(state.finished_at),
        restart_count: container.restart_count.unwrap_or_default(),
        command: config.cmd.unwrap_or_default(),
        user: config.user.unwrap_or_default(),
        env: environment(config.env),
        mounts: sorted(
            container
                .mounts
                .unwrap_or_default()
                .into_iter()
                .filter_map(|mount| mount_facts(mount, &named))
                .collect(),
        ),
        tmpfs: sorted(
            host.tmpfs
                .unwrap_or_default()
                .into_iter()
                .map(|(target, options)| Tmpfs { target, options })
                .collect(),
        ),
        ports: port_bindings(host.port_bindings.unwrap_or_default()),
        networks,
        extra_hosts: sorted(host.extra_hosts.unwrap_or_default()),
        cap_add: facts::capabilities(host.cap_add.unwrap_or_default()),
        cap_drop: facts::capabilities(host.cap_drop.unwrap_or_default()),
        security_opt: host.security_opt.unwrap_or_default(),
        privileged: host.privileged.unwrap_or_default(),
        read_only: host.readonly_rootfs.unwrap_or_default(),
        memory: host.memory.unwrap_or_default(),
        pids: host.pids_limit.unwrap_or_default().max(0),
        log_options: host
            .log_config
            .and_then(|log| log.config)
            .unwrap_or_default()
            .into_iter()
            .collect(),
        stop_timeout: config
            .stop_timeout
            .and_then(|seconds| seconds.try_into().ok()),
        restart: match host.restart_policy.and_then(|policy| policy.name) {
            None | Some(RestartPolicyNameEnum::EMPTY | RestartPolicyNameEnum::NO) => {
                Some(RestartPolicy::No)
            }
            Some(RestartPolicyNameEnum::UNLESS_STOPPED) => Some(RestartPolicy::UnlessStopped),
            Some(_) => None,
        },
        id,
    }
}

fn attachment(id: &str, end: EndpointSettings) -> Attachment {
    let short = id.get(..12).unwrap_or(id);
    Attachment {
        network_id: end.network_id.unwrap_or_default(),
        address: end.ip_address.and_then(|address| address.parse().ok()),
        aliases: end
            .aliases
            .unwrap_or_default()
            .into_iter()
            .filter(|alias| alias != short)
            .collect(),
    }
}

/// A mount as wanted by somebody; `None` for tmpfs (told apart elsewhere) and
/// for the anonymous volumes that an image brings.
fn mount_facts(mount: MountPoint, named: &[String]) -> Option<Mount> {
    let target = mount.destination?;
    let source = match mount.typ.as_deref() {
        Some("bind") => MountSource::Bind(PathBuf::from(mount.source.unwrap_or_default())),
        Some("volume") => {
            let name = mount.name.unwrap_or_default();
            let anonymous = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
            if anonymous && !named.contains(&target) {
                return None;
            }
            MountSource::Volume(name)
        }
        _ => return None,
    };
    Some(Mount {
        target,
        source,
        read_only: mount.rw == Some(false),
    })
}

fn port_bindings(bindings: HashMap<String, Option<Vec<ApiPort>>>) -> Vec<PortBinding> {
    let mut ports = Vec::new();
    for (key, ends) in bindings {
        let (port, protocol) = key.split_once('/').unwrap_or((&key, "tcp"));
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => continue,
        };
        let Ok(container) = port.parse() else {
            continue;
        };
        for end in ends.into_iter().flatten() {
            ports.push(PortBinding {
                container,
                protocol,
                // 0: chosen by the engine, or a range; never one of ours.
                host: end
                    .host_port
                    .and_then(|port| port.parse().ok())
                    .unwrap_or(0),
                address: end.host_ip.and_then(|address| address.parse().ok()),
            });
        }
    }
    sorted(ports)
}

fn environment(env: Option<Vec<String>>) -> BTreeMap<String, String> {
    env.unwrap_or_default()
        .into_iter()
        .map(|line| match line.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (line, String::new()),
        })
        .collect()
}

/// A moment; Docker's "never" is the year 1.
fn moment(text: Option<String>) -> Option<Timestamp> {
    text?
        .parse::<Timestamp>()
        .ok()
        .filter(|moment| moment.as_second() > 0)
}

fn network_facts(network: Network) -> NetworkFacts {
    let configs = network
        .ipam
        .and_then(|ipam| ipam.config)
        .unwrap_or_default();
    let v4 = |config: &&IpamConfig| {
        config
            .subnet
            .as_deref()
            .is_some_and(|subnet| !subnet.contains(':'))
    };
    NetworkFacts {
        id: network.id.unwrap_or_default(),
        name: network.name.unwrap_or_default(),
        driver: network.driver.unwrap_or_default(),
        labels: network.labels.unwrap_or_default().into_iter().collect(),
        gateway: configs
            .iter()
            .find(v4)
            .and_then(|config| config.gateway.as_deref())
            // Some engines add the prefix length.
            .and_then(|gateway| gateway.split('/').next()?.parse().ok()),
        subnets: configs
            .iter()
            .filter(v4)
            .filter_map(|config| config.subnet.clone())
            .collect(),
    }
}

fn volume_facts(volume: Volume) -> VolumeFacts {
    VolumeFacts {
        name: volume.name,
        labels: volume.labels.into_iter().collect(),
        options: volume.options.into_iter().collect(),
    }
}

fn image_facts(image: ImageInspect) -> ImageFacts {
    let config = image.config.unwrap_or_default();
    ImageFacts {
        id: image.id.unwrap_or_default(),
        repo_digests: sorted(image.repo_digests.unwrap_or_default()),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        env: environment(config.env),
        command: config.cmd.unwrap_or_default(),
        user: config.user.unwrap_or_default(),
        size: image.size.unwrap_or_default(),
    }
}

fn self_facts(container: ContainerInspectResponse) -> SelfFacts {
    let mounts = container
        .mounts
        .iter()
        .flatten()
        .filter_map(|mount| {
            Some((
                mount.destination.clone()?.into(),
                mount.source.clone()?.into(),
            ))
        })
        .collect();
    let facts = container_facts(container);
    SelfFacts {
        running: facts.is_running(),
        mounts,
        networks: facts
            .networks
            .into_iter()
            .map(|(name, end)| (name, end.address))
            .collect(),
        id: facts.id,
    }
}

/// Whether an event is worth a look, and what it says. Of containers that are
/// not ours only those that can free or take a port or a name.
fn hint(instance: &str, event: &EventMessage) -> Option<EngineHint> {
    let kind = event.typ.map(|kind| kind.to_string()).unwrap_or_default();
    let action = event.action.as_deref().unwrap_or_default();
    let attributes = event
        .actor
        .as_ref()
        .and_then(|actor| actor.attributes.as_ref());
    let attribute = |key: &str| attributes.and_then(|all| all.get(key)).map(String::as_str);
    let name = attribute("name").unwrap_or_default();
    if kind == "container" {
        let verb = action.split(':').next().unwrap_or_default();
        let ours =
            attribute(labels::INSTANCE) == Some(instance) || facts::is_our_name(instance, name);
        let telling = matches!(verb, "create" | "start" | "die" | "destroy" | "rename");
        let noise = verb.starts_with("exec_")
            || matches!(
                verb,
                "top" | "attach" | "detach" | "resize" | "export" | "copy" | "commit"
            );
        if noise || !(ours || telling) {
            return None;
        }
    }
    Some(EngineHint {
        at: event.time.unwrap_or_default(),
        what: format!("{kind} {action} {name}").trim_end().to_owned(),
    })
}

/// Bytes as an answer of the engine's, read as if it came.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_answers(bytes: &[u8]) {
    fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
        serde_json::from_slice(bytes).ok()
    }
    let _hint = read::<EventMessage>(bytes).and_then(|event| hint("colourstream", &event));
    let _info = read(bytes).map(engine_info);
    let _container = read::<ContainerInspectResponse>(bytes).map(container_facts);
    let _own = read::<ContainerInspectResponse>(bytes).map(self_facts);
    let _network = read(bytes).map(network_facts);
    let _volume = read(bytes).map(volume_facts);
    let _image = read(bytes).map(image_facts);
    let _ports = read::<Vec<ContainerSummary>>(bytes).map(|all| port_holders(&all));
}

// --- Pulls ---------------------------------------------------------------

struct Pull {
    engine: DockerEngine,
    reference: String,
    messages: BoxStream<'static, Result<CreateImageInfo, Error>>,
    /// Per layer: bytes had, bytes known.
    layers: BTreeMap<String, (u64, u64)>,
    finished: bool,
}

impl Pull {
    async fn next(mut self) -> Option<(Result<PullProgress, EngineError>, Self)> {
        if self.finished {
            return None;
        }
        let item = match tokio::time::timeout(PULL_STALL, self.messages.next()).await {
            Err(_) => Err(EngineError::Slow {
                what: format!("pull {}", self.reference),
                seconds: PULL_STALL.as_secs(),
            }),
            Ok(Some(Ok(message))) => Ok(self.progress(message)),
            Ok(Some(Err(error))) => Err(self.explain(error)),
            Ok(None) => {
                self.finished = true;
                self.resolved().await
            }
        };
        self.finished |= item.is_err();
        Some((item, self))
    }

    fn progress(&mut self, message: CreateImageInfo) -> PullProgress {
        let status = message.status.unwrap_or_default();
        if let Some(layer) = message.id {
            let detail = message.progress_detail.unwrap_or_default();
            let bytes = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
            match status.as_str() {
                // Extracting counts the same bytes a second time.
                "Downloading" => {
                    let had = bytes(detail.current).unwrap_or_default();
                    let known = bytes(detail.total).unwrap_or_default().max(had);
                    self.layers.insert(layer, (had, known));
                }
                "Download complete" | "Pull complete" | "Verifying Checksum" => {
                    if let Some((had, known)) = self.layers.get_mut(&layer) {
                        *had = *known;
                    }
                }
                _ => {}
            }
        }
        PullProgress {
            current: self.layers.values().map(|(had, _)| had).sum(),
            total: self.layers.values().map(|(_, known)| known).sum(),
            message: status,
        }
    }

    /// The last word: what the reference is now.
    async fn resolved(&mut self) -> Result<PullProgress, EngineError> {
        match self.engine.image(&words::with_tag(&self.reference)).await? {
            Some(image) => {
                let mut last = self.progress(CreateImageInfo::default());
                last.current = last.total;
                last.message = format!("{} is {}", self.reference, image.id);
                Ok(last)
            }
            None => Err(EngineError::Registry(format!(
                "{}: the pull ended, but the image is not there",
                self.reference
            ))),
        }
    }

    fn explain(&self, error: Error) -> EngineError {
        match self.engine.translate(error) {
            EngineError::NotFound(message)
            | EngineError::Conflict(message)
            | EngineError::Other(message) => {
                EngineError::Registry(words::registry_words(&self.reference, &message))
            }
            other => other,
        }
    }
}
