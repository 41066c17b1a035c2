//! OvenMediaEngine: the picture.

use std::net::Ipv6Addr;

use serde::Serialize;

use super::service::{Context, Rendered, RenderedMount, ServiceWant, Source, base, into_template};
use super::{FileKind, RoomRoute, Snapshot, ports};
use crate::model::{Role, Secret};
use crate::settings::PortRange;

/// What OvenMediaEngine's templates know. Serialised for Tera only: it holds
/// secrets.
#[derive(Clone, Debug, Serialize)]
pub struct OmeContext {
    /// Ports.
    pub ports: OmePorts,
    /// Address that media clients are told, or `*`: the container's own.
    pub address: String,
    /// Webhooks.
    pub hooks: OmeHooks,
    /// Token of the REST API.
    #[serde(serialize_with = "into_template")]
    pub api_token: Secret<String>,
    /// Alert below this bitrate, in bits per second: the lowest of the
    /// profiles', because OvenMediaEngine knows one for all; none when unset.
    pub min_bitrate: Option<u64>,
    /// Quality profiles, each an application.
    pub profiles: Vec<ProfileContext>,
    /// Open rooms. The built-in templates do not use them: a change here is a
    /// restart that cuts every live review. Added by [`crate::render`] where a
    /// template asks for them.
    #[serde(skip)]
    pub rooms: Vec<RoomRoute>,
}

/// Ports as OvenMediaEngine needs them.
#[derive(Clone, Debug, Serialize)]
pub struct OmePorts {
    /// RTMP.
    pub rtmp: u16,
    /// SRT.
    pub srt: u16,
    /// Signalling, WHIP and LLHLS.
    pub http: u16,
    /// REST API.
    pub api: u16,
    /// WebRTC media over UDP: `10000-10003`, or one number.
    pub ice_udp: String,
    /// WebRTC media over TCP.
    pub ice_tcp: u16,
    /// Relay.
    pub relay: u16,
}

/// Webhooks of OvenMediaEngine.
#[derive(Clone, Debug, Serialize)]
pub struct OmeHooks {
    /// Asked before anybody publishes or plays.
    pub admission: String,
    /// Told about bad pictures.
    pub alert: String,
    /// Key of their signatures.
    #[serde(serialize_with = "into_template")]
    pub key: Secret<String>,
}

/// A profile as OvenMediaEngine's templates see it; seconds are texts, so that
/// no format adds digits to them.
#[derive(Clone, Debug, Serialize)]
pub struct ProfileContext {
    /// Application name.
    pub name: String,
    /// As typed.
    pub title: String,
    /// Part length.
    pub chunk_seconds: String,
    /// How far players stay behind: three parts.
    pub hold_back_seconds: String,
    /// Segment length.
    pub segment_seconds: u32,
    /// Bits per second of the audio renditions.
    pub audio_bitrate: u32,
}

/// OvenMediaEngine as it should be.
pub(super) fn desire(snapshot: &Snapshot) -> ServiceWant {
    let settings = &snapshot.settings;
    let mut container = base(snapshot, Role::Ovenmediaengine);
    container.aliases = vec!["ome".into()];
    // One 1080p review takes 0.2 GB; the limit is for what goes wrong.
    container.memory = 4 << 30;
    // A thread per encoder, some thirty for the house, some twenty per stream.
    container.pids = 2048;

    let file = |path: &str, template, secret| Rendered {
        path: path.into(),
        source: Source::Template(template),
        kind: FileKind::Identity(Role::Ovenmediaengine),
        mode: if secret { 0o400 } else { 0o444 },
        owner: super::service::owner(snapshot, Role::Ovenmediaengine),
        secret,
    };
    let files = vec![
        file("Logger.xml", "ovenmediaengine/Logger.xml.tera", false),
        file("Server.xml", "ovenmediaengine/Server.xml.tera", true),
    ];
    let mounts = vec![RenderedMount::set(
        "/opt/ovenmediaengine/bin/origin_conf",
        "",
    )];

    let hook = |name: &str| {
        format!(
            "http://controller:{}/internal/ome/{name}",
            settings.ports.internal
        )
    };
    let context = OmeContext {
        ports: OmePorts {
            rtmp: settings.ports.rtmp,
            srt: settings.ports.srt,
            http: ports::OME_HTTP,
            api: ports::OME_API,
            ice_udp: range(settings.ports.ice_udp),
            ice_tcp: settings.ports.ice_tcp,
            relay: settings.ports.relay,
        },
        address: snapshot
            .host
            .public_address
            .as_deref()
            .map_or_else(|| "*".to_owned(), address),
        hooks: OmeHooks {
            admission: hook("admission"),
            alert: hook("alert"),
            key: snapshot.secrets.ome_hook_key.clone(),
        },
        api_token: snapshot.secrets.ome_api_token.clone(),
        min_bitrate: settings
            .profiles
            .iter()
            .filter_map(|profile| profile.min_bitrate)
            .min(),
        profiles: settings
            .profiles
            .iter()
            .map(|profile| ProfileContext {
                name: profile.name.clone(),
                title: profile.title.clone(),
                chunk_seconds: seconds(profile.chunk_seconds),
                hold_back_seconds: seconds(profile.chunk_seconds * 3.0),
                segment_seconds: profile.segment_seconds,
                audio_bitrate: profile.audio_bitrate,
            })
            .collect(),
        rooms: snapshot.rooms.clone(),
    };
    ServiceWant {
        container,
        files,
        mounts,
        context: Context::Ovenmediaengine(Box::new(context)),
    }
}

/// An address that a port can follow: IPv6 takes brackets.
fn address(text: &str) -> String {
    if text.parse::<Ipv6Addr>().is_ok() {
        format!("[{text}]")
    } else {
        text.to_owned()
    }
}

fn range(ports: PortRange) -> String {
    if ports.first == ports.last {
        ports.first.to_string()
    } else {
        format!("{}-{}", ports.first, ports.last)
    }
}

/// To the millisecond, without the noise of binary fractions.
fn seconds(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
