//! All inputs of [`super::desire`], gathered before anything is decided.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;

use jiff::Timestamp;

use super::ImagePin;
use crate::model::Secret;
use crate::settings::Settings;

/// What is wanted, frozen at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The settings in force.
    pub settings: Settings,
    /// Rooms that are open at this moment (closed ones have no route).
    pub rooms: Vec<RoomRoute>,
    /// Generated once, kept under `state/secrets`.
    pub secrets: Secrets,
    /// Where we run and what the host is like.
    pub host: HostFacts,
    /// Certificate and key in PEM, for `files` and `local-ca`.
    pub certificate: Option<Certificate>,
    /// What ACME needs besides the settings.
    pub acme: AcmeInputs,
    /// Image pins by reference.
    pub pins: BTreeMap<String, ImagePin>,
    /// Version of this controller.
    pub version: String,
    /// The moment.
    pub now: Timestamp,
}

/// A room as the three configurations see it: nothing an operator typed but
/// what was checked; no key, no passcode.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RoomRoute {
    /// Custom name, `[a-z0-9-]`.
    pub slug: String,
    /// Title as typed: any text.
    pub title: String,
    /// OME's stream name and MiroTalk's room name, `[a-z0-9]`.
    pub stream: String,
    /// Profile (OME application).
    pub profile: String,
    /// Addresses allowed to watch (CIDR); empty = everyone.
    pub allowed_addresses: Vec<String>,
    /// Most viewers; `None` = no cap.
    pub viewer_cap: Option<u32>,
}

/// What ACME needs besides the settings: the content of the files they name,
/// and which orders rest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AcmeInputs {
    /// Values the DNS provider needs, by variable (without `_FILE`), read from
    /// the files that the settings name.
    pub dns_values: BTreeMap<String, Secret<String>>,
    /// The private authority's own root in PEM.
    pub ca_certificate: Option<String>,
    /// Hosts that are not ordered now: [`Orders::held_back`]. Every change of
    /// Traefik's dynamic file repeats a failing order, room edits included;
    /// the authority allows a few failures an hour. Certificates already had
    /// are served and renewed all the same.
    ///
    /// [`Orders::held_back`]: super::Orders::held_back
    pub held_back: BTreeSet<String>,
}

/// A certificate and its key.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Leaf first, then the chain.
    pub chain_pem: String,
    /// The private key.
    pub key_pem: Secret<String>,
}

/// What the controller generates once and keeps. Hexadecimal throughout, so
/// that no file format needs an escape for them.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// OME's REST token.
    pub ome_api_token: Secret<String>,
    /// Key of OME's webhook signatures.
    pub ome_hook_key: Secret<String>,
    /// MiroTalk's JWT key.
    pub mirotalk_jwt_key: Secret<String>,
    /// MiroTalk's REST key.
    pub mirotalk_api_key: Secret<String>,
    /// Password of MiroTalk's technical account `viewer`.
    pub mirotalk_viewer_password: Secret<String>,
    /// Password of MiroTalk's technical account `host`.
    pub mirotalk_host_password: Secret<String>,
    /// Unguessable last part of MiroTalk's webhook path (it is unsigned).
    pub mirotalk_hook_path: Secret<String>,
    /// Key of playback tickets.
    pub ticket_key: Secret<String>,
    /// TURN credential of the operator, read from its file; empty when unset.
    pub turn_credential: Secret<String>,
}

/// What the host is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFacts {
    /// Path of the state folder on the engine's host (bind mounts start there).
    pub state_on_host: PathBuf,
    /// Whether the controller is itself a container in the network; if not,
    /// services reach it at the network's gateway.
    pub in_container: bool,
    /// Whether we may give files away (root).
    pub can_chown: bool,
    /// Our own uid and gid.
    pub owner: (u32, u32),
    /// Subnet and gateway of our network as it is, or as chosen for it.
    pub subnet: String,
    /// See `subnet`.
    pub gateway: Ipv4Addr,
    /// Address announced to media clients: from settings, or found.
    pub public_address: Option<String>,
}
