//! What should run, by variant.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use super::{ContainerSpec, Protocol, Snapshot, desire, port_plan};
use crate::model::Role;
use crate::settings::PortRange;

fn container(snapshot: &Snapshot, role: Role) -> ContainerSpec {
    desire(snapshot)
        .services
        .into_iter()
        .map(|service| service.container)
        .find(|container| container.role == role)
        .unwrap()
}

fn published(snapshot: &Snapshot, role: Role) -> Vec<(u16, u16, Protocol)> {
    container(snapshot, role)
        .ports
        .iter()
        .map(|port| (port.host, port.container, port.protocol))
        .collect()
}

#[test]
fn there_is_one_container_per_role_in_order() {
    for (name, snapshot) in Snapshot::variants() {
        let roles: Vec<Role> = desire(&snapshot)
            .services
            .iter()
            .map(|service| service.container.role)
            .collect();
        assert_eq!(roles, Role::ALL, "{name}");
    }
}

#[test]
fn no_port_of_the_plan_is_planned_twice() {
    for (name, snapshot) in Snapshot::variants() {
        let mut seen = BTreeSet::new();
        for port in port_plan(&snapshot.settings) {
            if port.public {
                for number in port.first..=port.last {
                    assert!(seen.insert((number, port.protocol)), "{name}: {number}");
                }
            }
        }
    }
}

#[test]
fn traefik_publishes_the_ports_of_the_settings_and_listens_on_its_own() {
    use Protocol::{Tcp, Udp};
    assert_eq!(
        published(&Snapshot::sample(), Role::Traefik),
        [(8080, 80, Tcp), (8443, 443, Tcp), (8443, 443, Udp)]
    );
    assert_eq!(
        published(&Snapshot::sample().plain(), Role::Traefik),
        [(8080, 80, Tcp)]
    );
    assert_eq!(
        published(&Snapshot::sample().public(), Role::Traefik),
        [
            (80, 80, Tcp),
            (443, 443, Tcp),
            (443, 443, Udp),
            (1936, 1936, Tcp)
        ]
    );
}

#[test]
fn media_ports_are_the_same_inside_and_outside() {
    let mut snapshot = Snapshot::sample();
    snapshot.settings.ports.rtmp = 2935;
    snapshot.settings.ports.ice_udp = PortRange {
        first: 12000,
        last: 12004,
    };
    for role in [Role::Ovenmediaengine, Role::Mirotalk] {
        let ports = published(&snapshot, role);
        assert!(ports.iter().all(|(host, inside, _)| host == inside));
        assert!(!ports.is_empty());
    }
    let ome = published(&snapshot, Role::Ovenmediaengine);
    assert!(ome.contains(&(12004, 12004, Protocol::Udp)));
    assert!(!ome.iter().any(|(port, ..)| [3333, 8081].contains(port)));
    assert!(published(&Snapshot::sample().p2p(), Role::Mirotalk).is_empty());
}

#[test]
fn published_ports_bind_where_the_settings_say() {
    let mut snapshot = Snapshot::sample();
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    snapshot.settings.ports.bind = Some(loopback);
    for role in Role::ALL {
        let ports = container(&snapshot, role).ports;
        assert!(ports.iter().all(|port| port.address == Some(loopback)));
    }
}

#[test]
fn http_alone_binds_where_the_proxy_comes_to() {
    let mut snapshot = Snapshot::sample();
    let inner = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 11));
    snapshot.settings.ports.http_bind = Some(inner);
    for role in Role::ALL {
        for port in container(&snapshot, role).ports {
            let is_http = role == Role::Traefik && port.container == 80;
            assert_eq!(port.address, is_http.then_some(inner), "{port:?}");
        }
    }
}

#[test]
fn services_run_as_themselves_only_where_files_can_be_given_away() {
    let users = |snapshot: &Snapshot| Role::ALL.map(|role| container(snapshot, role).user.unwrap());
    assert_eq!(
        users(&Snapshot::sample()),
        ["65532:65532", "65532:65532", "1000:1000"]
    );
    assert_eq!(
        users(&Snapshot::sample().unprivileged()),
        ["1234:1234", "1234:1234", "1234:1234"]
    );
    let owned = desire(&Snapshot::sample().unprivileged())
        .services
        .iter()
        .flat_map(|service| &service.files)
        .any(|file| file.owner.is_some());
    assert!(!owned);
}

#[test]
fn a_controller_on_the_host_is_found_at_the_gateway() {
    let inside = Snapshot::sample().public();
    for role in Role::ALL {
        assert_eq!(
            container(&Snapshot::sample(), role).extra_hosts,
            ["controller:10.83.12.1"]
        );
        assert!(container(&inside, role).extra_hosts.is_empty());
    }
}

#[test]
fn the_call_never_has_to_ask_strangers_for_its_address() {
    let announced = |snapshot: &Snapshot| {
        container(snapshot, Role::Mirotalk)
            .env
            .remove("SFU_ANNOUNCED_IP")
            .unwrap()
    };
    assert_eq!(announced(&Snapshot::sample()), "10.83.12.1");
    assert_eq!(announced(&Snapshot::sample().public()), "203.0.113.7");
    let mut bound = Snapshot::sample();
    bound.settings.ports.bind = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    assert_eq!(announced(&bound), "127.0.0.1");
}

#[test]
fn dns_values_are_named_by_file() {
    let env = container(&Snapshot::sample().public_over_dns(), Role::Traefik).env;
    assert_eq!(
        env.get("CF_DNS_API_TOKEN_FILE").map(String::as_str),
        Some("/etc/traefik/dns/CF_DNS_API_TOKEN")
    );
    assert_eq!(env.len(), 1);
}
