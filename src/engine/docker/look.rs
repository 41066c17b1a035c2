//! One look at all that concerns us.

use std::collections::BTreeMap;

use bollard::models::ContainerSummary;
use bollard::query_parameters::{ListContainersOptionsBuilder, ListVolumesOptions};
use futures_util::future::{join_all, try_join_all};

use super::DockerEngine;
use super::answers::{container_facts, is_in, is_ours, network_facts, port_holders, volume_facts};
use crate::desired::{CONTROLLER, labels};
use crate::engine::{ContainerFacts, ContainerState, EngineError, EngineFacts};

impl DockerEngine {
    pub(super) async fn look(
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
            let ours: Vec<&str> = ours.collect();
            let inspected = try_join_all(ours.iter().map(|id| self.inspect(id))).await?;
            // One that went between list and inspection is simply gone, and
            // its ports with it: they would be nobody's we know.
            let there: Vec<bool> = inspected.iter().map(Option::is_some).collect();
            let gone = ours.iter().zip(there).filter(|(_, there)| !there);
            let ports = port_holders(&all, &gone.map(|(id, _)| *id).collect());
            let mut facts: Vec<_> = inspected
                .into_iter()
                .flatten()
                .map(container_facts)
                .collect();
            facts.sort_by(|a, b| a.name.cmp(&b.name));
            let guests = self.guests(instance, &all).await?;
            Ok((facts, ports, guests))
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
        let (info, (containers, ports, (guests, rivals)), networks, volumes, images, own_networks) =
            tokio::try_join!(
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
            guests,
            rivals,
        })
    }

    /// Those of `all` that run in our network and are neither ours nor us, by
    /// name; and of them those that are in it as the controller. Who else is in
    /// it is inspected, for lists do not tell every engine's aliases.
    async fn guests(
        &self,
        instance: &str,
        all: &[ContainerSummary],
    ) -> Result<(Vec<String>, Vec<String>), EngineError> {
        let own = self.own.get().map(String::as_str);
        let ids = all
            .iter()
            .filter(|one| !is_ours(instance, one) && is_in(instance, one))
            .filter_map(|one| one.id.as_deref())
            .filter(|id| Some(*id) != own);
        let guests = try_join_all(ids.map(|id| self.inspect(id))).await?;
        let mut guests: Vec<_> = guests
            .into_iter()
            .flatten()
            .map(container_facts)
            .filter(|one| one.is_running() && one.networks.contains_key(instance))
            .collect();
        guests.sort_by(|a, b| a.name.cmp(&b.name));
        let is_rival = |one: &&ContainerFacts| {
            let end = one.networks.get(instance);
            one.state == ContainerState::Running
                && end.is_some_and(|end| end.aliases.contains(CONTROLLER))
        };
        let rivals = guests.iter().filter(is_rival);
        let rivals = rivals.map(|one| one.name.clone()).collect();
        Ok((guests.into_iter().map(|one| one.name).collect(), rivals))
    }
}
