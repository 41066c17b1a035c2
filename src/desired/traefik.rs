//! Traefik: TLS, routing, forward-auth.

use std::collections::BTreeMap;

use serde::Serialize;

use super::service::{Context, Rendered, RenderedMount, ServiceWant, Source, base, owner};
use super::{FileKind, Mount, MountSource, RoomRoute, Snapshot, ports};
use crate::model::{Digest, Role, Secret};
use crate::settings::{AcmeChallenge, Tls};

/// Name of the certificate resolver in both of Traefik's files.
pub const RESOLVER: &str = "acme";

/// Where the generation marker stands until the file's bytes are known.
/// [`crate::render::render`] replaces it by their digest.
pub(crate) const GENERATION_PLACEHOLDER: &str =
    "67656e65726174696f6e20676f65732068657265206f6e6365206b6e6f776e21";

/// What Traefik's templates know.
#[derive(Clone, Debug, Serialize)]
pub struct TraefikContext {
    /// Host names.
    pub hosts: Hosts,
    /// The same as people type them, with scheme and port.
    pub origins: Hosts,
    /// Entry point of everything public: `websecure`, or `web` without TLS.
    pub entry: &'static str,
    /// Ports.
    pub ports: TraefikPorts,
    /// Certificates.
    pub tls: TlsContext,
    /// Proxies in front whose forwarded headers are believed (CIDR).
    pub trusted_proxies: Vec<String>,
    /// The call.
    pub conference: ConferenceContext,
    /// Quality profiles by name; each is the first part of a media path.
    pub profiles: Vec<ProfileRoute>,
    /// Open rooms.
    pub rooms: Vec<RoomRoute>,
    /// What Traefik answers on `/config-generation`; put it into the header
    /// `X-Config-Generation` of the middleware `t-gen` and nowhere else.
    pub generation: &'static str,
}

/// One text per public host.
#[derive(Clone, Debug, Serialize)]
pub struct Hosts {
    /// Live page and media.
    pub live: String,
    /// Admin portal.
    pub admin: String,
    /// The call.
    pub video: String,
}

/// Ports as Traefik needs them.
#[derive(Clone, Debug, Serialize)]
pub struct TraefikPorts {
    /// Inside: HTTP.
    pub web: u16,
    /// Inside: HTTPS.
    pub websecure: u16,
    /// Inside: RTMPS; none when off.
    pub rtmps: Option<u16>,
    /// Inside: Traefik's own answers.
    pub own: u16,
    /// On the host: HTTPS, for redirects and HTTP/3.
    pub public_https: u16,
    /// Controller: pages.
    pub pages: u16,
    /// Controller: hooks and forward-auth.
    pub internal: u16,
    /// OvenMediaEngine: signalling, WHIP, LLHLS.
    pub ome: u16,
    /// OvenMediaEngine: RTMP.
    pub rtmp: u16,
    /// MiroTalk.
    pub mirotalk: u16,
}

/// Certificates as Traefik's templates see them.
#[derive(Clone, Debug, Serialize)]
pub struct TlsContext {
    /// `acme`, `files`, `local-ca` or `off`.
    pub mode: &'static str,
    /// Whether Traefik ends TLS.
    pub enabled: bool,
    /// Whether browsers are told to insist on HTTPS.
    pub hsts: bool,
    /// ACME; none in the other modes.
    pub acme: Option<AcmeContext>,
    /// Certificate and key, as paths inside the container; none while there
    /// are none.
    pub certificate: Option<CertificatePaths>,
}

/// ACME as Traefik's templates see it.
#[derive(Clone, Debug, Serialize)]
pub struct AcmeContext {
    /// Account address.
    pub email: Option<String>,
    /// Directory URL; Let's Encrypt when none.
    pub ca_server: Option<String>,
    /// Where account and certificates are kept, inside the container. Each
    /// authority has its own, or a test authority's certificates would stay.
    pub storage: String,
    /// The authority's own root, as a path inside the container.
    pub ca_certificate: Option<&'static str>,
    /// `http`, `tls-alpn` or `dns`.
    pub challenge: &'static str,
    /// Provider code of the DNS challenge.
    pub provider: Option<String>,
    /// DNS servers for the DNS challenge, as `address:port`.
    pub resolvers: Vec<String>,
    /// Seconds waited in place of asking the domain's DNS servers.
    pub wait: Option<u64>,
    /// Hosts whose certificate Traefik orders and renews now. One that is held
    /// back after failing is left out: every change of the file would repeat
    /// its order and spend the authority's limits.
    pub ordered: Vec<String>,
}

/// Certificate and key inside the container.
#[derive(Clone, Debug, Serialize)]
pub struct CertificatePaths {
    /// Leaf and chain.
    pub certificate: String,
    /// Private key.
    pub key: String,
}

/// The call as Traefik's templates see it.
#[derive(Clone, Debug, Serialize)]
pub struct ConferenceContext {
    /// `sfu` or `p2p`.
    pub flavour: &'static str,
}

/// A profile as Traefik's templates see it.
#[derive(Clone, Debug, Serialize)]
pub struct ProfileRoute {
    /// `[a-z0-9-]`.
    pub name: String,
    /// As typed.
    pub title: String,
}

/// Traefik as it should be.
pub(super) fn desire(snapshot: &Snapshot) -> ServiceWant {
    let settings = &snapshot.settings;
    let mut container = base(snapshot, Role::Traefik);
    // Say where the file is: builds of the image differ in where they look.
    container.command = Some(vec!["--configFile=/etc/traefik/traefik.yml".into()]);
    container.aliases = vec!["traefik".into()];
    container.memory = 512 << 20;
    container.pids = 512;
    // Longer than `graceTimeOut` of the static file, or the engine kills first.
    container.stop_timeout = 15;
    // There in every mode, so that switching modes and back keeps the account
    // and its certificates.
    container.mounts = vec![Mount {
        target: "/acme".into(),
        source: MountSource::Volume(super::acme_volume(settings)),
        read_only: false,
    }];

    let mut parts = Parts {
        owner: owner(snapshot, Role::Traefik),
        files: Vec::new(),
        mounts: Vec::new(),
    };
    parts.template("traefik.yml", "traefik/static.yml.tera", IDENTITY);
    parts.template(
        "traefik/dynamic/colourstream.yml",
        "traefik/dynamic.yml.tera",
        WATCHED,
    );
    parts.mounts = vec![
        RenderedMount::set("/etc/traefik/traefik.yml", "traefik.yml"),
        RenderedMount::folder("/etc/traefik/dynamic", "traefik/dynamic"),
    ];
    let tls = TlsContext {
        mode: match settings.tls {
            Tls::Acme(_) => "acme",
            Tls::Files { .. } => "files",
            Tls::LocalCa => "local-ca",
            Tls::Off { .. } => "off",
        },
        enabled: !matches!(settings.tls, Tls::Off { .. }),
        // Not for an authority of our own: a browser that has once been told
        // to insist lets nobody past a certificate it does not know.
        hsts: matches!(settings.tls, Tls::Acme(_) | Tls::Files { .. }),
        acme: acme(snapshot, &mut parts, &mut container.env),
        certificate: certificate(snapshot, &mut parts),
    };

    let context = TraefikContext {
        hosts: Hosts {
            live: settings.hosts.live.clone(),
            admin: settings.hosts.admin.clone(),
            video: settings.hosts.video.clone(),
        },
        origins: Hosts {
            live: settings.origin(&settings.hosts.live),
            admin: settings.origin(&settings.hosts.admin),
            video: settings.origin(&settings.hosts.video),
        },
        entry: if tls.enabled { "websecure" } else { "web" },
        ports: TraefikPorts {
            web: ports::TRAEFIK_WEB,
            websecure: ports::TRAEFIK_WEBSECURE,
            rtmps: (tls.enabled && settings.ports.rtmps.is_some()).then_some(ports::TRAEFIK_RTMPS),
            own: ports::TRAEFIK_OWN,
            public_https: settings.ports.https,
            pages: settings.ports.pages,
            internal: settings.ports.internal,
            ome: ports::OME_HTTP,
            rtmp: settings.ports.rtmp,
            mirotalk: ports::mirotalk_http(settings.conference.flavour),
        },
        tls,
        trusted_proxies: settings.trusted_proxies.clone(),
        conference: ConferenceContext {
            flavour: super::mirotalk::flavour_name(settings.conference.flavour),
        },
        profiles: settings
            .profiles
            .iter()
            .map(|profile| ProfileRoute {
                name: profile.name.clone(),
                title: profile.title.clone(),
            })
            .collect(),
        rooms: snapshot.rooms.clone(),
        generation: GENERATION_PLACEHOLDER,
    };
    ServiceWant {
        container,
        files: parts.files,
        mounts: parts.mounts,
        context: Context::Traefik(Box::new(context)),
    }
}

const IDENTITY: FileKind = FileKind::Identity(Role::Traefik);
const WATCHED: FileKind = FileKind::Watched(Role::Traefik);

/// Files and mounts as they come together.
struct Parts {
    owner: Option<(u32, u32)>,
    files: Vec<Rendered>,
    mounts: Vec<RenderedMount>,
}

impl Parts {
    fn template(&mut self, path: &str, template: &'static str, kind: FileKind) {
        self.files.push(Rendered {
            path: path.into(),
            source: Source::Template(template),
            kind,
            mode: 0o444,
            owner: self.owner,
            secret: false,
        });
    }

    fn literal(&mut self, path: &str, text: &str, kind: FileKind, secret: bool) {
        self.files.push(Rendered {
            path: path.into(),
            source: Source::Literal(Secret::new(text.as_bytes().to_vec())),
            kind,
            mode: if secret { 0o400 } else { 0o444 },
            owner: self.owner,
            secret,
        });
    }
}

/// What Traefik needs to order certificates; none outside that mode.
fn acme(
    snapshot: &Snapshot,
    parts: &mut Parts,
    env: &mut BTreeMap<String, String>,
) -> Option<AcmeContext> {
    let Tls::Acme(wanted) = &snapshot.settings.tls else {
        return None;
    };
    let given = &snapshot.acme;

    let ca_certificate = given.ca_certificate.as_deref().map(|pem| {
        parts.literal("acme-ca.pem", pem, IDENTITY, false);
        let target = "/etc/traefik/acme-ca.pem";
        parts.mounts.push(RenderedMount::set(target, "acme-ca.pem"));
        target
    });

    let (challenge, provider, wait) = match &wanted.challenge {
        AcmeChallenge::Http => ("http", None, None),
        AcmeChallenge::TlsAlpn => ("tls-alpn", None, None),
        AcmeChallenge::Dns { provider, wait, .. } => {
            // The environment names files, never values: it shows in `docker
            // inspect`. Providers read them once, at start, so the files are
            // part of the container's identity.
            for (name, value) in &given.dns_values {
                parts.literal(&format!("dns/{name}"), value.expose(), IDENTITY, true);
                env.insert(format!("{name}_FILE"), format!("/etc/traefik/dns/{name}"));
            }
            if !given.dns_values.is_empty() {
                parts
                    .mounts
                    .push(RenderedMount::set("/etc/traefik/dns", "dns"));
            }
            ("dns", Some(provider.clone()), *wait)
        }
    };

    let hosts = &snapshot.settings.hosts;
    Some(AcmeContext {
        email: wanted.email.clone(),
        ca_server: wanted.ca_server.clone(),
        storage: match &wanted.ca_server {
            None => "/acme/acme.json".to_owned(),
            Some(server) => format!("/acme/acme-{}.json", Digest::of(server).short()),
        },
        ca_certificate,
        challenge,
        provider,
        resolvers: wanted.resolvers.iter().map(ToString::to_string).collect(),
        wait: wait.map(|wait| wait.as_secs()),
        ordered: [&hosts.live, &hosts.admin, &hosts.video]
            .into_iter()
            .filter(|host| !given.held_back.contains(*host))
            .cloned()
            .collect(),
    })
}

/// Certificate and key of `files` and `local-ca`. They are named by their
/// content: a renewed one changes the dynamic file, and so Traefik takes it up.
fn certificate(snapshot: &Snapshot, parts: &mut Parts) -> Option<CertificatePaths> {
    if !matches!(snapshot.settings.tls, Tls::Files { .. } | Tls::LocalCa) {
        return None;
    }
    // The mount needs the folder even while there is no certificate.
    parts.literal("traefik/certs/README", CERTS_README, WATCHED, false);
    parts
        .mounts
        .push(RenderedMount::folder("/etc/traefik/certs", "traefik/certs"));

    let pem = snapshot.certificate.as_ref()?;
    let key = pem.key_pem.expose();
    let name = Digest::of(format!("{}\0{key}", pem.chain_pem)).short();
    parts.literal(
        &format!("traefik/certs/{name}.crt"),
        &pem.chain_pem,
        WATCHED,
        false,
    );
    parts.literal(&format!("traefik/certs/{name}.key"), key, WATCHED, true);
    Some(CertificatePaths {
        certificate: format!("/etc/traefik/certs/{name}.crt"),
        key: format!("/etc/traefik/certs/{name}.key"),
    })
}

const CERTS_README: &str = "\
Certificate and key that Traefik serves, named by their content.
ColourStream writes them from `tls` in the settings; changes made here are undone.
";
