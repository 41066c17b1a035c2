//! What may be asked of the engine, a call each.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, EndpointSettings, Ipam, IpamConfig, NetworkConnectRequest,
    NetworkCreateRequest, NetworkDisconnectRequest, VolumeCreateRequest,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, KillContainerOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptions, RenameContainerOptionsBuilder, StopContainerOptionsBuilder,
    WaitContainerOptionsBuilder,
};
use futures_util::stream::StreamExt;

use super::answers::{container_facts, network_facts, volume_facts};
use super::errors::gone;
use super::requests::{create_body, is_same_throw_away, volume_options};
use super::{DockerEngine, LAST_LINES};
use crate::desired::{ContainerSpec, MountSource, NetworkSpec, VolumeSpec};
use crate::engine::{
    ContainerFacts, ContainerState, Ended, Engine, EngineCall, EngineError, Performed, words,
};

impl DockerEngine {
    pub(super) async fn act(&self, call: EngineCall) -> Result<Performed, EngineError> {
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
