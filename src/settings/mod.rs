//! `colourstream.yaml` as values. Every key is known and documented in one
//! place, the table in `keys.rs`; the reference in `docs/settings.md` is made
//! from it.

mod check;
mod cidr;
mod error;
mod keys;
mod read;
mod yaml;

pub use cidr::Cidr;
pub use error::{Origin, SettingsError};
pub use keys::reference;
pub use read::{KEPT, Kept, Overrides, load, load_read, names_hosts, parse, preview, state_folder};

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Everything an operator can set. Every key is optional; a public host wants
/// at least `domain`.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The three host names.
    pub hosts: Hosts,
    /// Where certificates come from.
    pub tls: Tls,
    /// Address announced to encoders, viewers and callers for media that does
    /// not pass Traefik: an IP address or a DNS name; found when absent.
    pub public_address: Option<String>,
    /// Image references, each with an exact tag.
    pub images: Images,
    /// Every port, on the host.
    pub ports: Ports,
    /// The call.
    pub conference: Conference,
    /// Quality profiles, at least one; each is an application of
    /// OvenMediaEngine and the first part of its media paths.
    pub profiles: Vec<Profile>,
    /// The container engine.
    pub engine: EngineSettings,
    /// Name of this ColourStream on the host: prefix of containers and network.
    pub instance: String,
    /// The state folder.
    pub state: PathBuf,
    /// Backups that are made by themselves.
    pub backup: Backup,
    /// Folder whose templates replace the built-in ones of the same name.
    pub templates: Option<PathBuf>,
    /// How to reconcile.
    pub reconcile: Reconcile,
    /// Proxies in front of Traefik whose forwarded headers are believed (CIDR).
    pub trusted_proxies: Vec<String>,
    /// Logging of the controller itself.
    pub log: LogSettings,
}

/// Host names, all below one site so that the call's frame is no third party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    /// Live page and media: the domain itself.
    pub live: String,
    /// Admin portal: `admin.` below the domain.
    pub admin: String,
    /// MiroTalk: `video.` below the domain.
    pub video: String,
}

impl Hosts {
    /// All three.
    pub fn all(&self) -> [&str; 3] {
        [&self.live, &self.admin, &self.video]
    }
}

/// Where certificates come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Tls {
    /// Traefik orders them from an ACME authority.
    Acme(Acme),
    /// The operator brings certificate and key (PEM).
    Files {
        /// Leaf first, then the chain.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
    /// The controller makes an authority and a leaf: for machines without a
    /// public name.
    LocalCa,
    /// Plain HTTP: only behind another proxy that ends TLS.
    Off {
        /// Scheme that people see in front of that proxy.
        public_scheme: PublicScheme,
    },
}

/// Scheme of the public addresses when TLS is ended elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicScheme {
    /// No TLS anywhere (browsers then refuse camera and microphone).
    Http,
    /// Another proxy ends TLS.
    Https,
}

/// ACME.
#[derive(Clone, Debug, PartialEq)]
pub struct Acme {
    /// Account address.
    pub email: Option<String>,
    /// How the authority checks the names.
    pub challenge: AcmeChallenge,
    /// Directory URL; Let's Encrypt when absent.
    pub ca_server: Option<String>,
    /// PEM file with the authority's own root, for private authorities.
    pub ca_certificate: Option<PathBuf>,
    /// DNS servers that know the names as the authority does.
    pub resolvers: Vec<SocketAddr>,
}

/// How an ACME authority checks a name.
#[derive(Clone, Debug, PartialEq)]
pub enum AcmeChallenge {
    /// Over port 80.
    Http,
    /// Over port 443.
    TlsAlpn,
    /// By DNS records of one provider of Traefik's list.
    Dns {
        /// Provider code, such as `cloudflare`.
        provider: String,
        /// Variables the provider needs, each the path of a file that holds
        /// the value (passed as `NAME_FILE`, never shown by `docker inspect`).
        files: BTreeMap<String, PathBuf>,
        /// Waited in place of asking the domain's DNS servers for the record.
        wait: Option<Duration>,
    },
}

/// Image references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Default `traefik:v3.7.15`.
    pub traefik: String,
    /// Default `airensoft/ovenmediaengine:v0.21.0`.
    pub ovenmediaengine: String,
    /// Default by flavour: `mirotalk/sfu:2.3.77` or `mirotalk/p2p:1.9.11`.
    pub mirotalk: String,
}

/// Ports on the host. Media ports are the same inside and outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Address the published ports bind to; every address when absent.
    pub bind: Option<IpAddr>,
    /// Address the HTTP port alone binds to; that of the others when absent.
    pub http_bind: Option<IpAddr>,
    /// HTTP: redirect and ACME.
    pub http: u16,
    /// HTTPS and HTTP/3.
    pub https: u16,
    /// RTMP from encoders.
    pub rtmp: u16,
    /// RTMP over TLS, through Traefik; off when absent.
    pub rtmps: Option<u16>,
    /// SRT from encoders (UDP).
    pub srt: u16,
    /// WebRTC media of the picture (UDP).
    pub ice_udp: PortRange,
    /// WebRTC media of the picture over TCP.
    pub ice_tcp: u16,
    /// Relay for strict networks (TURN over TCP).
    pub relay: u16,
    /// Media of the call (SFU): UDP and TCP.
    pub call: PortRange,
    /// The controller's pages, never public: Traefik reaches them here.
    pub pages: u16,
    /// The controller's internal listener: hooks, forward-auth, metrics.
    pub internal: u16,
}

/// First and last port, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// First.
    pub first: u16,
    /// Last.
    pub last: u16,
}

impl PortRange {
    /// A range of one port.
    pub const fn one(port: u16) -> Self {
        Self {
            first: port,
            last: port,
        }
    }
}

/// The call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conference {
    /// Which MiroTalk.
    pub flavour: Flavour,
    /// Most people in one call.
    pub max_participants: u16,
    /// STUN address for P2P (`stun:host:port`); none when absent.
    pub stun: Option<String>,
    /// TURN for P2P; none when absent.
    pub turn: Option<Turn>,
}

/// A TURN server of the operator's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// `turn:host:port`.
    pub url: String,
    /// User name.
    pub username: String,
    /// File that holds the credential.
    pub credential_file: PathBuf,
}

/// Which MiroTalk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Media through the server: more than a few people.
    Sfu,
    /// Media between browsers: about four people.
    P2p,
}

/// How a stream is carried.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Name: `[a-z0-9-]`, first part of media paths, reserved among slugs.
    pub name: String,
    /// What people read.
    pub title: String,
    /// Alert below this bitrate, in bits per second; none when absent.
    pub min_bitrate: Option<u64>,
    /// LLHLS part length in seconds.
    pub chunk_seconds: f64,
    /// LLHLS segment length in seconds.
    pub segment_seconds: u32,
    /// Bitrate of the Opus rendition, in bits per second.
    pub audio_bitrate: u32,
}

/// The container engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineSettings {
    /// `unix:///var/run/docker.sock` or `tcp://host:port`.
    pub address: String,
    /// How long one answer may take.
    pub timeout: Duration,
    /// File with logins of registries, as `docker login` writes it.
    pub logins: Option<PathBuf>,
}

/// Backups that are made by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Time between two; none are made when absent.
    pub every: Option<Duration>,
    /// How many are kept.
    pub keep: usize,
    /// Where they go; `backups` in the state folder when absent.
    pub folder: Option<PathBuf>,
    /// File that holds the passphrase they are sealed with; open when absent.
    pub passphrase_file: Option<PathBuf>,
}

/// How to reconcile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconcile {
    /// What to do about differences.
    pub mode: Mode,
    /// Time between full sweeps.
    pub sweep: Duration,
}

/// What to do about differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Mend them.
    Heal,
    /// Show them.
    Report,
    /// Look at nothing until told.
    Paused,
}

/// Logging of the controller itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Filter, such as `info` or `colourstream=debug`.
    pub level: String,
    /// One JSON object a line instead of text.
    pub json: bool,
}

impl Settings {
    /// Names of the quality profiles, the one of new rooms first.
    pub fn profile_names(&self) -> Vec<&str> {
        let names = self.profiles.iter().map(|profile| profile.name.as_str());
        names.collect()
    }

    /// Whether the public pages are served over HTTPS.
    pub fn is_https(&self) -> bool {
        !matches!(
            self.tls,
            Tls::Off {
                public_scheme: PublicScheme::Http
            }
        )
    }

    /// Whether only this machine or its network knows the names: no public
    /// authority certifies them.
    pub fn is_local(&self) -> bool {
        read::is_local(&self.hosts.live)
    }

    /// `https://host` or `https://host:port` as people type it.
    pub fn origin(&self, host: &str) -> String {
        let (scheme, port, usual) = match self.tls {
            // Another proxy stands in front on its own usual port.
            Tls::Off {
                public_scheme: PublicScheme::Https,
            } => return format!("https://{host}"),
            Tls::Off {
                public_scheme: PublicScheme::Http,
            } => ("http", self.ports.http, 80),
            _ => ("https", self.ports.https, 443),
        };
        if port == usual {
            format!("{scheme}://{host}")
        } else {
            format!("{scheme}://{host}:{port}")
        }
    }
}
