//! The one plan of ports: what the containers publish, what must not be
//! published, and who listens where. Everything that needs a port asks here.

use std::net::IpAddr;

use crate::model::Role;
use crate::settings::{Flavour, Settings, Tls};

use super::{PortBinding, Protocol};

/// Traefik's inner port for HTTP.
pub const TRAEFIK_WEB: u16 = 80;
/// Traefik's inner port for HTTPS and HTTP/3.
pub const TRAEFIK_WEBSECURE: u16 = 443;
/// Traefik's inner port for RTMP over TLS.
pub const TRAEFIK_RTMPS: u16 = 1936;
/// Traefik's own answers (ping, API, metrics, generation); never published.
pub const TRAEFIK_OWN: u16 = 8080;
/// OvenMediaEngine's signalling, WHIP and LLHLS, behind Traefik.
pub const OME_HTTP: u16 = 3333;
/// OvenMediaEngine's REST API; never published.
pub const OME_API: u16 = 8081;

/// MiroTalk's inner port, behind Traefik.
pub const fn mirotalk_http(flavour: Flavour) -> u16 {
    match flavour {
        Flavour::Sfu => 3010,
        Flavour::P2p => 3000,
    }
}

/// One port or run of ports, and why it is there.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PlannedPort {
    /// First port where it is listened on: on the host if `public`, otherwise
    /// inside the network.
    pub first: u16,
    /// Last port of the run; equal to `first` for a single port.
    pub last: u16,
    /// First port inside the container; the run continues from there.
    pub container: u16,
    /// Transport.
    pub protocol: Protocol,
    /// Whose container; `None` is the controller itself.
    pub service: Option<Role>,
    /// What for, in a few words.
    pub purpose: &'static str,
    /// Whether it is published on the host.
    pub public: bool,
    /// The address of the host it is published on; every one when absent.
    pub address: Option<IpAddr>,
}

impl PlannedPort {
    /// As firewalls are told: `443/tcp`, `10000–10003/udp`.
    pub fn range(&self) -> String {
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        if self.first == self.last {
            format!("{}/{protocol}", self.first)
        } else {
            format!("{}–{}/{protocol}", self.first, self.last)
        }
    }
}

/// Every port of the house, in the order people read them.
pub fn port_plan(settings: &Settings) -> Vec<PlannedPort> {
    use Protocol::{Tcp, Udp};
    let ports = &settings.ports;
    let (traefik, ome, call) = (
        Some(Role::Traefik),
        Some(Role::Ovenmediaengine),
        Some(Role::Mirotalk),
    );
    let tls = !matches!(settings.tls, Tls::Off { .. });

    let mut plan = vec![entry(
        ports.http,
        TRAEFIK_WEB,
        Tcp,
        traefik,
        if tls { "HTTP: redirect, ACME" } else { "HTTP" },
    )];
    if tls {
        plan.push(entry(ports.https, TRAEFIK_WEBSECURE, Tcp, traefik, "HTTPS"));
        plan.push(entry(
            ports.https,
            TRAEFIK_WEBSECURE,
            Udp,
            traefik,
            "HTTP/3",
        ));
        if let Some(rtmps) = ports.rtmps {
            plan.push(entry(
                rtmps,
                TRAEFIK_RTMPS,
                Tcp,
                traefik,
                "RTMP over TLS from encoders",
            ));
        }
    }

    // Media ports are announced to the other side as they are: the same number
    // inside and outside, or nothing connects.
    let same = |first, last, protocol, service, purpose| PlannedPort {
        first,
        last,
        container: first,
        protocol,
        service,
        purpose,
        public: true,
        address: None,
    };
    plan.push(same(ports.rtmp, ports.rtmp, Tcp, ome, "RTMP from encoders"));
    plan.push(same(ports.srt, ports.srt, Udp, ome, "SRT from encoders"));
    plan.push(same(
        ports.ice_udp.first,
        ports.ice_udp.last,
        Udp,
        ome,
        "picture over WebRTC",
    ));
    plan.push(same(
        ports.ice_tcp,
        ports.ice_tcp,
        Tcp,
        ome,
        "picture over WebRTC, networks without UDP",
    ));
    plan.push(same(
        ports.relay,
        ports.relay,
        Tcp,
        ome,
        "relay for strict networks (TURN)",
    ));
    if settings.conference.flavour == Flavour::Sfu {
        for protocol in [Udp, Tcp] {
            plan.push(same(
                ports.call.first,
                ports.call.last,
                protocol,
                call,
                "media of the call",
            ));
        }
    }

    let own = |port, service, purpose| PlannedPort {
        first: port,
        last: port,
        container: port,
        protocol: Tcp,
        service,
        purpose,
        public: false,
        address: None,
    };
    plan.push(own(TRAEFIK_OWN, traefik, "ping, API, metrics, generation"));
    plan.push(own(OME_HTTP, ome, "signalling, WHIP and LLHLS"));
    plan.push(own(OME_API, ome, "REST API"));
    plan.push(own(
        mirotalk_http(settings.conference.flavour),
        call,
        "pages and signalling of the call",
    ));
    plan.push(own(ports.pages, None, "live page and admin portal"));
    plan.push(own(ports.internal, None, "hooks, forward-auth, metrics"));
    for port in plan.iter_mut().filter(|port| port.public) {
        let is_http = port.service == traefik && port.container == TRAEFIK_WEB;
        port.address = ports.http_bind.filter(|_| is_http).or(ports.bind);
    }
    plan
}

/// A port of Traefik: any number outside, a fixed one inside.
fn entry(
    host: u16,
    container: u16,
    protocol: Protocol,
    service: Option<Role>,
    purpose: &'static str,
) -> PlannedPort {
    PlannedPort {
        first: host,
        last: host,
        container,
        protocol,
        service,
        purpose,
        public: true,
        address: None,
    }
}

/// The published ports of one service, sorted.
pub(super) fn bindings(settings: &Settings, role: Role) -> Vec<PortBinding> {
    let mut bindings: Vec<PortBinding> = port_plan(settings)
        .into_iter()
        .filter(|port| port.public && port.service == Some(role))
        .flat_map(|port| {
            (port.first..=port.last)
                .zip(port.container..)
                .map(move |(host, container)| PortBinding {
                    container,
                    protocol: port.protocol,
                    host,
                    address: port.address,
                })
        })
        .collect();
    bindings.sort();
    bindings
}
