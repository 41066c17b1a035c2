//! PURE: what should run. Values in, values out; no clock, no I/O.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fixture;
mod mirotalk;
mod orders;
mod ovenmediaengine;
mod ports;
mod service;
mod snapshot;
mod spec;
#[cfg(test)]
mod tests;
mod traefik;

use std::path::PathBuf;

use crate::settings::Settings;

/// The controller's own name in the network.
pub const CONTROLLER: &str = "controller";

pub use mirotalk::MirotalkContext;
pub use orders::{Failure, Lead, NEAR_END, Obstacle, Order, Orders, Seen, Served, Stage};
pub use ovenmediaengine::{OmeContext, OmeHooks, OmePorts, ProfileContext};
pub use ports::{
    OME_API, OME_HTTP, PlannedPort, TRAEFIK_OWN, TRAEFIK_RTMPS, TRAEFIK_WEB, TRAEFIK_WEBSECURE,
    mirotalk_http, port_plan,
};
pub use service::{Context, Rendered, RenderedMount, RenderedSource, ServiceWant, Source};
pub use snapshot::{AcmeInputs, Certificate, HostFacts, RoomRoute, Secrets, Snapshot};
pub use spec::{
    ContainerSpec, FileKind, FileSpec, ImagePin, ImageWant, Mount, MountSource, NetworkSpec,
    PortBinding, Protocol, RestartPolicy, Target, Tmpfs, VolumeSpec, labels,
};
pub(crate) use traefik::GENERATION_PLACEHOLDER;
pub use traefik::{
    AcmeContext, CertificatePaths, ConferenceContext, Hosts, ProfileRoute, RESOLVER, TlsContext,
    TraefikContext, TraefikPorts,
};

/// Everything that should be, before its files are rendered. It holds secrets
/// and is never serialised as a whole.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Name of this ColourStream on the host.
    pub instance: String,
    /// Version of this controller.
    pub version: String,
    /// The network.
    pub network: NetworkSpec,
    /// Named volumes.
    pub volumes: Vec<VolumeSpec>,
    /// `state/rendered` as the engine's host knows it.
    pub rendered_on_host: PathBuf,
    /// The services, in the order of [`crate::model::Role::ALL`].
    pub services: Vec<ServiceWant>,
}

/// What should run, given everything that is wanted.
pub fn desire(snapshot: &Snapshot) -> Desired {
    let instance = &snapshot.settings.instance;
    Desired {
        instance: instance.clone(),
        version: snapshot.version.clone(),
        network: NetworkSpec {
            name: instance.clone(),
            subnet: snapshot.host.subnet.clone(),
            gateway: snapshot.host.gateway,
        },
        volumes: vec![VolumeSpec {
            name: acme_volume(&snapshot.settings),
            device: snapshot.host.state_on_host.join("traefik/acme"),
        }],
        rendered_on_host: snapshot.host.state_on_host.join("rendered"),
        services: vec![
            traefik::desire(snapshot),
            ovenmediaengine::desire(snapshot),
            mirotalk::desire(snapshot),
        ],
    }
}

/// Name of the volume that holds Traefik's ACME account and certificates.
fn acme_volume(settings: &Settings) -> String {
    format!("{}-acme", settings.instance)
}
