//! From our values to Docker's.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, HostConfigLogConfig, Mount as ApiMount,
    MountType, MountVolumeOptions, NetworkingConfig, PortBinding as ApiPort,
    RestartPolicy as ApiRestart, RestartPolicyNameEnum,
};

use crate::desired::{
    ContainerSpec, Mount, MountSource, PortBinding, Protocol, RestartPolicy, VolumeSpec, labels,
};
use crate::engine::ContainerFacts;
use crate::engine::facts::{self, NO_NEW_PRIVILEGES};

/// The request for a container; without a network it is a throw-away: no
/// ports, no restarts, nobody to talk to.
pub(super) fn create_body(
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

pub(super) fn api_mount(mount: &Mount) -> ApiMount {
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

pub(super) fn volume_options(spec: &VolumeSpec) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("type".to_owned(), "none".to_owned()),
        ("o".to_owned(), "bind".to_owned()),
        ("device".to_owned(), spec.device.display().to_string()),
    ])
}

pub(super) fn port_key(port: u16, protocol: Protocol) -> String {
    match protocol {
        Protocol::Tcp => format!("{port}/tcp"),
        Protocol::Udp => format!("{port}/udp"),
    }
}

pub(super) fn is_same_throw_away(left: &ContainerFacts, labels: &BTreeMap<String, String>) -> bool {
    [labels::INSTANCE, labels::ROLE]
        .iter()
        .all(|key| labels.contains_key(*key) && left.labels.get(*key) == labels.get(*key))
}
