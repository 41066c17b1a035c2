//! From Docker's values to ours.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::path::PathBuf;

use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary, EndpointSettings,
    EventMessage, ImageInspect, IpamConfig, MountPoint, Network, PortBinding as ApiPort,
    PortSummaryTypeEnum, RestartPolicyNameEnum, SystemVersion, Volume,
};
use jiff::Timestamp;

use super::SelfFacts;
use crate::desired::{Mount, MountSource, PortBinding, Protocol, RestartPolicy, Tmpfs, labels};
use crate::engine::facts::{self, sorted};
use crate::engine::{
    Attachment, ContainerFacts, ContainerState, EngineHint, EngineInfo, ImageFacts, NetworkFacts,
    PortHolder, VolumeFacts,
};

pub(super) fn engine_info(version: SystemVersion) -> EngineInfo {
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

pub(super) fn summary_name(summary: &ContainerSummary) -> &str {
    // Legacy links add names such as `/other/alias`; the own one has one slash.
    summary
        .names
        .iter()
        .flatten()
        .filter_map(|name| name.strip_prefix('/'))
        .find(|name| !name.contains('/'))
        .unwrap_or_default()
}

pub(super) fn is_ours(instance: &str, summary: &ContainerSummary) -> bool {
    let label = summary
        .labels
        .as_ref()
        .and_then(|labels| labels.get(labels::INSTANCE));
    label.map(String::as_str) == Some(instance)
        || facts::is_our_name(instance, summary_name(summary))
}

/// Whether it has an end in our network.
pub(super) fn is_in(instance: &str, summary: &ContainerSummary) -> bool {
    let settings = summary.network_settings.as_ref();
    let networks = settings.and_then(|settings| settings.networks.as_ref());
    networks.is_some_and(|networks| networks.contains_key(instance))
}

/// Who publishes which port, but for those that are `gone` meanwhile.
pub(super) fn port_holders(all: &[ContainerSummary], gone: &BTreeSet<&str>) -> Vec<PortHolder> {
    let mut holders: Vec<PortHolder> = Vec::new();
    let id = |summary: &ContainerSummary| summary.id.clone().unwrap_or_default();
    for summary in all.iter().filter(|one| !gone.contains(id(one).as_str())) {
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
                id: id(summary),
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

pub(super) fn container_facts(container: ContainerInspectResponse) -> ContainerFacts {
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

pub(super) fn attachment(id: &str, end: EndpointSettings) -> Attachment {
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
pub(super) fn mount_facts(mount: MountPoint, named: &[String]) -> Option<Mount> {
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

pub(super) fn port_bindings(bindings: HashMap<String, Option<Vec<ApiPort>>>) -> Vec<PortBinding> {
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

pub(super) fn environment(env: Option<Vec<String>>) -> BTreeMap<String, String> {
    env.unwrap_or_default()
        .into_iter()
        .map(|line| match line.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (line, String::new()),
        })
        .collect()
}

/// A moment; Docker's "never" is the year 1.
pub(super) fn moment(text: Option<String>) -> Option<Timestamp> {
    text?
        .parse::<Timestamp>()
        .ok()
        .filter(|moment| moment.as_second() > 0)
}

pub(super) fn network_facts(network: Network) -> NetworkFacts {
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

pub(super) fn volume_facts(volume: Volume) -> VolumeFacts {
    VolumeFacts {
        name: volume.name,
        labels: volume.labels.into_iter().collect(),
        options: volume.options.into_iter().collect(),
    }
}

pub(super) fn image_facts(image: ImageInspect) -> ImageFacts {
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

pub(super) fn self_facts(container: ContainerInspectResponse) -> SelfFacts {
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
pub(super) fn hint(instance: &str, event: &EventMessage) -> Option<EngineHint> {
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
    let _ports =
        read::<Vec<ContainerSummary>>(bytes).map(|all| port_holders(&all, &BTreeSet::new()));
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn who_went_while_we_looked_holds_no_port() {
        let listed = r#"[
            {"Id": "ours", "Names": ["/cs-traefik"], "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}]},
            {"Id": "theirs", "Names": ["/nginx"], "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8081, "Type": "tcp"}, {"IP": "::", "PrivatePort": 80, "PublicPort": 8081, "Type": "tcp"}]}
        ]"#;
        let all: Vec<ContainerSummary> = serde_json::from_str(listed).unwrap();
        let names = |gone: &[&str]| -> Vec<String> {
            let gone = gone.iter().copied().collect();
            let held = port_holders(&all, &gone).into_iter();
            held.map(|held| format!("{} {}", held.container, held.port))
                .collect()
        };
        assert_eq!(names(&[]), ["cs-traefik 8080", "nginx 8081"]);
        assert_eq!(names(&["ours"]), ["nginx 8081"]);
    }
}
