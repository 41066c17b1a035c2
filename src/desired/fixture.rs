//! Snapshots for tests: a local machine by default, and verbs that turn it
//! into something else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::{AcmeInputs, Certificate, HostFacts, RoomRoute, Secrets, Snapshot};
use crate::model::{Digest, Secret};
use crate::settings::{
    Acme, AcmeChallenge, Conference, EngineSettings, Flavour, Hosts, Images, LogSettings, Mode,
    PortRange, Ports, Profile, PublicScheme, Reconcile, Settings, Tls, Turn,
};

impl Settings {
    /// A laptop: `*.localhost`, an authority of our own, unprivileged ports.
    pub(crate) fn sample() -> Self {
        Self {
            hosts: Hosts {
                live: "stack.localhost".into(),
                admin: "admin.stack.localhost".into(),
                video: "video.stack.localhost".into(),
            },
            tls: Tls::LocalCa,
            public_address: None,
            images: Images {
                traefik: "traefik:v3.7.15".into(),
                ovenmediaengine: "airensoft/ovenmediaengine:v0.21.0".into(),
                mirotalk: "mirotalk/sfu:2.3.77".into(),
            },
            ports: Ports {
                bind: None,
                http_bind: None,
                http: 8080,
                https: 8443,
                rtmp: 1935,
                rtmps: None,
                srt: 9999,
                ice_udp: PortRange {
                    first: 10000,
                    last: 10003,
                },
                ice_tcp: 10000,
                relay: 3478,
                call: PortRange {
                    first: 40000,
                    last: 40001,
                },
                pages: 7001,
                internal: 7002,
            },
            conference: Conference {
                flavour: Flavour::Sfu,
                max_participants: 12,
                stun: None,
                turn: None,
            },
            profiles: vec![Profile {
                name: "live".into(),
                title: "Live".into(),
                min_bitrate: Some(2_000_000),
                chunk_seconds: 0.5,
                segment_seconds: 1,
                audio_bitrate: 128_000,
            }],
            engine: EngineSettings {
                address: "unix:///var/run/docker.sock".into(),
                timeout: Duration::from_secs(10),
                logins: None,
            },
            instance: "colourstream".into(),
            state: PathBuf::from("state"),
            templates: None,
            reconcile: Reconcile {
                mode: Mode::Heal,
                sweep: Duration::from_secs(30),
            },
            trusted_proxies: Vec::new(),
            backup: crate::settings::Backup {
                every: None,
                keep: 7,
                folder: None,
                passphrase_file: None,
            },
            log: LogSettings {
                level: "info".into(),
                json: false,
            },
        }
    }
}

impl Secrets {
    /// Secrets that are easy to find where they must not be: each is the
    /// digest of its own name.
    pub(crate) fn sample() -> Self {
        let hex = |name: &str, digits: usize| {
            Secret::new(Digest::of(name).to_string().chars().take(digits).collect())
        };
        Self {
            ome_api_token: hex("ome api token", 64),
            ome_hook_key: hex("ome hook key", 64),
            mirotalk_jwt_key: hex("mirotalk jwt key", 64),
            mirotalk_api_key: hex("mirotalk api key", 64),
            mirotalk_viewer_password: hex("mirotalk viewer password", 32),
            mirotalk_host_password: hex("mirotalk host password", 32),
            mirotalk_hook_path: hex("mirotalk hook path", 32),
            ticket_key: hex("ticket key", 64),
            turn_credential: Secret::new(String::new()),
        }
    }
}

impl Snapshot {
    /// A laptop whose controller is a process on it, run by root, no room open.
    pub(crate) fn sample() -> Self {
        Self {
            settings: Settings::sample(),
            rooms: Vec::new(),
            secrets: Secrets::sample(),
            host: HostFacts {
                state_on_host: PathBuf::from("/srv/colourstream"),
                in_container: false,
                can_chown: true,
                owner: (0, 0),
                subnet: "10.83.12.0/24".into(),
                gateway: Ipv4Addr::new(10, 83, 12, 1),
                public_address: None,
            },
            certificate: Some(Certificate {
                chain_pem: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".into(),
                key_pem: Secret::new(
                    "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n".into(),
                ),
            }),
            acme: AcmeInputs::default(),
            pins: BTreeMap::new(),
            version: "0.1.0".into(),
            now: Timestamp::UNIX_EPOCH,
        }
    }

    /// Two open rooms: one for everybody, one for two networks.
    pub(crate) fn with_two_rooms(self) -> Self {
        let mut snapshot = self.with_rooms(2);
        snapshot.rooms[0].slug = "grade".into();
        snapshot.rooms[0].title = "Grade – “Nacht” {{ 7 * 7 }}".into();
        snapshot.rooms[1].slug = "vfx-review".into();
        snapshot.rooms[1].allowed_addresses = vec!["203.0.113.0/24".into(), "2001:db8::/32".into()];
        snapshot.rooms[1].viewer_cap = Some(8);
        snapshot
    }

    /// `count` open rooms for everybody.
    pub(crate) fn with_rooms(mut self, count: usize) -> Self {
        self.rooms = (0..count)
            .map(|number| RoomRoute {
                slug: format!("room-{number}"),
                title: format!("Room {number}"),
                stream: Digest::of(format!("stream {number}"))
                    .to_string()
                    .chars()
                    .take(26)
                    .collect(),
                profile: self.settings.profiles[0].name.clone(),
                allowed_addresses: Vec::new(),
                viewer_cap: None,
            })
            .collect();
        self
    }

    /// A public host whose certificates come over ACME.
    pub(crate) fn public(mut self) -> Self {
        let settings = &mut self.settings;
        settings.hosts = Hosts {
            live: "live.example".into(),
            admin: "admin.live.example".into(),
            video: "video.live.example".into(),
        };
        settings.tls = Tls::Acme(Acme {
            email: Some("ops@live.example".into()),
            challenge: AcmeChallenge::Http,
            ca_server: None,
            ca_certificate: None,
            resolvers: Vec::new(),
        });
        settings.ports.http = 80;
        settings.ports.https = 443;
        settings.ports.rtmps = Some(1936);
        self.host.public_address = Some("203.0.113.7".into());
        self.host.in_container = true;
        self.certificate = None;
        self
    }

    /// The same over DNS, from a private authority.
    pub(crate) fn public_over_dns(self) -> Self {
        let mut snapshot = self.public();
        snapshot.settings.tls = Tls::Acme(Acme {
            email: None,
            challenge: AcmeChallenge::Dns {
                provider: "cloudflare".into(),
                files: BTreeMap::from([(
                    "CF_DNS_API_TOKEN".to_owned(),
                    PathBuf::from("/run/secrets/cf"),
                )]),
                wait: None,
            },
            ca_server: Some("https://ca.internal/directory".into()),
            ca_certificate: Some(PathBuf::from("/etc/ca.pem")),
            resolvers: Vec::new(),
        });
        snapshot.acme = AcmeInputs {
            dns_values: BTreeMap::from([(
                "CF_DNS_API_TOKEN".to_owned(),
                Secret::new("dns-provider-token".to_owned()),
            )]),
            ca_certificate: Some("-----BEGIN CERTIFICATE-----\nMIIC\n".into()),
            held_back: BTreeSet::new(),
        };
        snapshot
    }

    /// Behind another proxy that ends TLS.
    pub(crate) fn behind_a_proxy(mut self) -> Self {
        self.settings.tls = Tls::Off {
            public_scheme: PublicScheme::Https,
        };
        self.settings.trusted_proxies = vec!["10.0.0.0/8".into()];
        self.certificate = None;
        self
    }

    /// Without TLS anywhere.
    pub(crate) fn plain(mut self) -> Self {
        self.settings.tls = Tls::Off {
            public_scheme: PublicScheme::Http,
        };
        self.certificate = None;
        self
    }

    /// MiroTalk P2P with a relay of the operator's own.
    pub(crate) fn p2p(mut self) -> Self {
        self.settings.conference = Conference {
            flavour: Flavour::P2p,
            max_participants: 6,
            stun: Some("stun:relay.example:3478".into()),
            turn: Some(Turn {
                url: "turn:relay.example:3478".into(),
                username: "review".into(),
                credential_file: PathBuf::from("/run/secrets/turn"),
            }),
        };
        self.settings.images.mirotalk = "mirotalk/p2p:1.9.11".into();
        self.secrets.turn_credential = Secret::new("it's \"quoted\"".into());
        self
    }

    /// A controller that is an ordinary user.
    pub(crate) fn unprivileged(mut self) -> Self {
        self.host.can_chown = false;
        self.host.owner = (1234, 1234);
        self
    }

    /// Every variant the templates have to serve.
    pub(crate) fn variants() -> Vec<(&'static str, Self)> {
        let local = Self::sample;
        let mut held = local().public().with_two_rooms();
        held.acme.held_back = BTreeSet::from(["video.live.example".to_owned()]);
        let mut no_certificate = local();
        no_certificate.certificate = None;
        let mut alpn = local().public();
        if let Tls::Acme(acme) = &mut alpn.settings.tls {
            acme.challenge = AcmeChallenge::TlsAlpn;
            acme.email = None;
        }
        vec![
            ("local", local()),
            ("local-two-rooms", local().with_two_rooms()),
            ("local-no-certificate", no_certificate),
            ("public-http", local().public().with_two_rooms()),
            ("public-alpn", alpn),
            ("public-dns", local().public_over_dns().with_two_rooms()),
            ("public-held-back", held),
            ("proxy", local().behind_a_proxy().with_two_rooms()),
            ("plain", local().plain()),
            ("plain-two-rooms", local().plain().with_two_rooms()),
            ("p2p", local().p2p().with_two_rooms()),
            ("p2p-bare", {
                let mut snapshot = local().p2p();
                snapshot.settings.conference.stun = None;
                snapshot.settings.conference.turn = None;
                snapshot
            }),
            ("unprivileged", local().unprivileged().with_two_rooms()),
        ]
    }
}
