//! `Server.xml` read, checked and put into the few facts a stand-in needs.

use std::path::Path;

use super::schema;
use super::xml::{self, Node};

/// Why the configuration cannot be used; each ends the process with exit code 1.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused(pub String);

/// The whole file.
#[derive(Debug, Clone)]
pub struct Config {
    /// `<Name>`.
    pub name: String,
    /// Address to bind to.
    pub ip: String,
    /// `Bind/Managers/API`.
    pub api: Option<Api>,
    /// `Managers/API/AccessToken`.
    pub access_token: String,
    /// Encoders over RTMP.
    pub rtmp: Option<Ingest>,
    /// Encoders over SRT.
    pub srt: Option<Ingest>,
    /// WebRTC signalling, WHIP and LLHLS ports, each once.
    pub http_ports: Vec<u16>,
    /// Threads per HTTP port: what waits blocks one of them.
    pub http_workers: usize,
    /// WebRTC may be published.
    pub whip: bool,
    /// WebRTC may be watched.
    pub webrtc: bool,
    /// LLHLS may be watched.
    pub llhls: bool,
    /// Edges pull here.
    pub ovt: Option<u16>,
    /// Media ports.
    pub ice: Vec<Ice>,
    /// TURN over TCP: address and port.
    pub relay: Option<(String, u16)>,
    /// `TcpRelayForce` or a `DefaultTransport` other than the direct ones.
    pub relay_always: bool,
    /// TLS ports asked for; no certificate of ours will ever serve them.
    pub tls_ports: Vec<u16>,
    /// Where and when to complain about an encoder.
    pub alert: Option<Alert>,
    /// Hosts, in order.
    pub vhosts: Vec<VHost>,
}

/// The control API's bind.
#[derive(Debug, Clone)]
pub struct Api {
    /// Its plain port.
    pub port: u16,
}

/// An encoder port.
#[derive(Debug, Clone)]
pub struct Ingest {
    /// The port.
    pub port: u16,
    /// Whether a waiting hook holds up only its own encoder.
    pub thread_per_socket: bool,
}

/// One `IceCandidate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ice {
    /// The address told to players.
    pub host: String,
    /// First port.
    pub first: u16,
    /// Last port.
    pub last: u16,
    /// UDP, else TCP.
    pub udp: bool,
}

/// `<Alert>`.
#[derive(Debug, Clone)]
pub struct Alert {
    /// Where to.
    pub url: String,
    /// Signs.
    pub secret: String,
    /// Milliseconds.
    pub timeout: u64,
    /// `<Ingress>` and what it asks.
    pub rules: Node,
}

/// `<AdmissionWebhooks>`.
#[derive(Debug, Clone)]
pub struct Hooks {
    /// Who is asked; empty or no URL denies everybody.
    pub url: String,
    /// Signs; may be empty.
    pub secret: String,
    /// Milliseconds.
    pub timeout: u64,
    /// Lower-case words; those no protocol has are kept and do nothing.
    pub providers: Vec<String>,
    /// The same for viewers.
    pub publishers: Vec<String>,
}

/// `<VirtualHost>`.
#[derive(Debug, Clone)]
pub struct VHost {
    /// Its name.
    pub name: String,
    /// Domains, with `*`.
    pub domains: Vec<String>,
    /// Who is asked.
    pub hooks: Option<Hooks>,
    /// Applications.
    pub apps: Vec<App>,
    /// As read, for the API's echo.
    pub tree: Node,
}

/// `<Application>`.
#[derive(Debug, Clone)]
pub struct App {
    /// Its name.
    pub name: String,
    /// `Providers/RTMP`: silence in ms (0 = never) and whether duplicates are refused.
    pub rtmp: Option<(u64, bool)>,
    /// `Providers/SRT`.
    pub srt: Option<(u64, bool)>,
    /// `Providers/WebRTC/Timeout`.
    pub whip: Option<u64>,
    /// `Publishers/WebRTC`.
    pub webrtc: bool,
    /// `Publishers/LLHLS`.
    pub llhls: Option<Llhls>,
    /// `Publishers/FILE`.
    pub file: bool,
    /// `Publishers/Push`.
    pub push: bool,
    /// As read.
    pub tree: Node,
}

/// How the stream is cut up.
#[derive(Debug, Clone)]
pub struct Llhls {
    /// True: only the master is guarded.
    pub origin_mode: bool,
    /// Seconds.
    pub chunk: f64,
    /// Seconds.
    pub hold_back: f64,
    /// Seconds.
    pub segment: f64,
    /// Segments listed.
    pub count: u64,
    /// `Access-Control-Allow-Origin`, if any domain is allowed.
    pub cors: bool,
}

/// Reads the folder given by `-c`. `shown` is that folder as OME would print it.
pub fn load(folder: &Path, shown: &str) -> Result<Config, Refused> {
    let file = format!("{shown}/Server.xml");
    let unread = |reason: &str, offset: u64| {
        Refused(format!(
            "[Config] Could not read the file: {file} (reason: {reason}, offset: {offset})"
        ))
    };
    let text = std::fs::read_to_string(folder.join("Server.xml"))
        .map_err(|_| unread("File was not found", 0))?;
    let mut root = xml::parse(&text).map_err(|m| unread(m.reason, m.offset))?;
    expand(&mut root);
    if root.name != "Server" {
        return Err(Refused(format!(
            "[Config] Could not find the root element: Server in {file}"
        )));
    }
    let Some(version) = root.attribute("version") else {
        return Err(Refused(
            "[Config] Server.version is not optional".to_owned(),
        ));
    };
    match version.parse::<u32>() {
        Ok(8..=10) => {}
        Ok(v) if v > 10 => {
            return Err(Refused(format!(
                "[Config] The version of Server.xml is not supported (Your XML version: {version})."
            )));
        }
        _ => {
            return Err(Refused(format!(
                "[Config] The version of Server.xml is outdated (Your XML version: {version})."
            )));
        }
    }
    schema::check(&root, &schema::server(), "Server", &file).map_err(Refused)?;
    Ok(facts(&root))
}

/// Replaces `${env:NAME:default}` everywhere. An empty variable counts as set.
fn expand(node: &mut Node) {
    node.text = expand_text(&node.text, &|name| std::env::var(name).ok());
    for (_, value) in &mut node.attributes {
        *value = expand_text(value, &|name| std::env::var(name).ok());
    }
    node.children.iter_mut().for_each(expand);
}

fn expand_text(text: &str, env: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${env:") {
        let Some(end) = rest[at..].find('}') else {
            break;
        };
        let inner = &rest[at + 6..at + end];
        let (name, default) = inner.split_once(':').unwrap_or((inner, ""));
        out.push_str(&rest[..at]);
        out.push_str(&env(name).unwrap_or_else(|| default.to_owned()));
        rest = &rest[at + end + 1..];
    }
    out + rest
}

fn number<T: std::str::FromStr>(node: &Node, path: &str, default: T) -> T {
    node.text_at(path)
        .and_then(|t| t.parse().ok())
        .unwrap_or(default)
}

fn truth(node: &Node, path: &str, default: bool) -> bool {
    match node.text_at(path) {
        Some("true") => true,
        Some("false") => false,
        _ => default,
    }
}

fn texts(node: Option<&Node>) -> Vec<String> {
    node.map(|n| n.children.iter().map(|c| c.text.clone()).collect())
        .unwrap_or_default()
}

fn facts(root: &Node) -> Config {
    let empty = Node::default();
    let bind = root.child("Bind").unwrap_or(&empty);
    let ingest = |path: &str| {
        bind.at(path).map(|n| Ingest {
            port: number(n, "Port", if path.ends_with("RTMP") { 1935 } else { 9999 }),
            thread_per_socket: truth(n, "ThreadPerSocket", false),
        })
    };
    let http = [
        "Providers/WebRTC/Signalling",
        "Publishers/WebRTC/Signalling",
        "Publishers/LLHLS",
    ];
    let mut http_ports: Vec<u16> = http
        .iter()
        .filter_map(|p| bind.at(p))
        .filter_map(|n| n.text_at("Port")?.parse().ok())
        .collect();
    http_ports.sort_unstable();
    http_ports.dedup();
    let workers = http
        .iter()
        .filter_map(|p| bind.at(p))
        .map(|n| number(n, "WorkerCount", 1))
        .min()
        .unwrap_or(1);
    let mut tls_ports: Vec<u16> = http
        .iter()
        .chain(&["Managers/API"])
        .filter_map(|p| bind.at(p)?.text_at("TLSPort")?.parse().ok())
        .collect();
    tls_ports.dedup();
    let candidates = [
        "Providers/WebRTC/IceCandidates",
        "Publishers/WebRTC/IceCandidates",
    ];
    let mut candidate: Vec<Ice> = Vec::new();
    for found in candidates
        .iter()
        .filter_map(|p| bind.at(p))
        .flat_map(|n| n.all("IceCandidate"))
        .filter_map(|n| ice(&n.text))
    {
        if !candidate.contains(&found) {
            candidate.push(found);
        }
    }
    let watching = bind.at(candidates[1]).unwrap_or(&empty);
    let relay = candidates.iter().rev().find_map(|p| {
        let (host, port) = bind.at(p)?.text_at("TcpRelay")?.rsplit_once(':')?;
        Some((host.to_owned(), port.parse().ok()?))
    });
    Config {
        name: root.text_at("Name").unwrap_or_default().to_owned(),
        ip: root.text_at("IP").unwrap_or("*").to_owned(),
        api: bind.at("Managers/API").map(|n| Api {
            port: number(n, "Port", 8081),
        }),
        access_token: root
            .text_at("Managers/API/AccessToken")
            .unwrap_or_default()
            .to_owned(),
        rtmp: ingest("Providers/RTMP"),
        srt: ingest("Providers/SRT"),
        http_ports,
        http_workers: workers.max(1),
        whip: bind.at(http[0]).is_some(),
        webrtc: bind.at(http[1]).is_some(),
        llhls: bind.at(http[2]).is_some(),
        ovt: bind.at("Publishers/OVT").map(|n| number(n, "Port", 9000)),
        ice: candidate,
        relay,
        relay_always: truth(watching, "TcpRelayForce", false)
            || watching
                .text_at("DefaultTransport")
                .is_some_and(|t| t == "relay" || t == "all"),
        tls_ports,
        alert: root.child("Alert").map(|n| Alert {
            url: n.text_at("Url").unwrap_or_default().to_owned(),
            secret: n.text_at("SecretKey").unwrap_or_default().to_owned(),
            timeout: number(n, "Timeout", 3000),
            rules: n.at("Rules/Ingress").cloned().unwrap_or_default(),
        }),
        vhosts: root
            .child("VirtualHosts")
            .into_iter()
            .flat_map(|n| n.all("VirtualHost"))
            .map(|n| vhost(n, root))
            .collect(),
    }
}

fn vhost(node: &Node, root: &Node) -> VHost {
    let words = |n: &Node, path: &str| -> Vec<String> {
        n.text_at(path)
            .unwrap_or_default()
            .split(',')
            .map(|w| w.trim().to_lowercase())
            .filter(|w| !w.is_empty())
            .collect()
    };
    VHost {
        name: node.text_at("Name").unwrap_or_default().to_owned(),
        domains: texts(node.at("Host/Names")),
        hooks: node.child("AdmissionWebhooks").map(|n| Hooks {
            url: n.text_at("ControlServerUrl").unwrap_or_default().to_owned(),
            secret: n.text_at("SecretKey").unwrap_or_default().to_owned(),
            timeout: number(n, "Timeout", 3000),
            providers: words(n, "Enables/Providers"),
            publishers: words(n, "Enables/Publishers"),
        }),
        apps: node
            .child("Applications")
            .into_iter()
            .flat_map(|n| n.all("Application"))
            .map(|n| app(n, node, root))
            .collect(),
        tree: node.clone(),
    }
}

fn app(node: &Node, vhost: &Node, root: &Node) -> App {
    let ingest = |path: &str| {
        node.at(path).map(|n| {
            (
                number(n, "PacketSilenceTimeoutMs", 0),
                truth(n, "BlockDuplicateStreamName", true),
            )
        })
    };
    App {
        name: node.text_at("Name").unwrap_or_default().to_owned(),
        rtmp: ingest("Providers/RTMP"),
        srt: ingest("Providers/SRT"),
        whip: node
            .at("Providers/WebRTC")
            .map(|n| number(n, "Timeout", 30_000)),
        webrtc: node.at("Publishers/WebRTC").is_some(),
        llhls: node.at("Publishers/LLHLS").map(|n| Llhls {
            origin_mode: truth(n, "OriginMode", false),
            chunk: number(n, "ChunkDuration", 0.5_f64).clamp(0.1, 5.0),
            hold_back: number(n, "PartHoldBack", 1.5),
            segment: number(n, "SegmentDuration", 6.0_f64).clamp(0.5, 60.0),
            count: number(n, "SegmentCount", 10_u64).max(3),
            cors: [
                n.child("CrossDomains"),
                vhost.child("CrossDomains"),
                root.at("Defaults/CrossDomains"),
            ]
            .into_iter()
            .flatten()
            .any(|c| c.all("Url").any(|u| u.text == "*")),
        }),
        file: node.at("Publishers/FILE").is_some(),
        push: node.at("Publishers/Push").is_some(),
        tree: node.clone(),
    }
}

/// `host:first[-last]/udp|tcp`.
fn ice(text: &str) -> Option<Ice> {
    let (address, kind) = text.rsplit_once('/')?;
    let (host, ports) = address.rsplit_once(':')?;
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    Some(Ice {
        host: host.to_owned(),
        first: first.parse().ok()?,
        last: last.parse().ok()?,
        udp: kind.eq_ignore_ascii_case("udp"),
    })
}

impl Config {
    /// The first duplicate, in OME's words: it stops the start with exit code 0.
    pub fn duplicate(&self) -> Option<String> {
        for (i, vhost) in self.vhosts.iter().enumerate() {
            if self.vhosts[..i].iter().any(|v| v.name == vhost.name) {
                return Some(format!(
                    "Duplicate virtual host [{}] found. Please check the configuration.",
                    vhost.name
                ));
            }
            for (j, app) in vhost.apps.iter().enumerate() {
                if vhost.apps[..j].iter().any(|a| a.name == app.name) {
                    return Some(format!(
                        "Duplicate application [{}/{}] found. Please check the configuration.",
                        vhost.name, app.name
                    ));
                }
            }
        }
        None
    }

    /// The host that answers for a domain; SRT may also name it.
    pub fn vhost_of(&self, domain: &str, by_name: bool) -> Option<&VHost> {
        let named = || {
            by_name
                .then(|| self.vhosts.iter().find(|v| v.name == domain))
                .flatten()
        };
        named().or_else(|| {
            self.vhosts.iter().find(|v| {
                v.domains
                    .iter()
                    .any(|d| crate::common::text::wildcard(d, domain))
            })
        })
    }
}

#[cfg(test)]
pub mod tests {
    #![expect(clippy::unwrap_used)]
    use super::*;

    /// The contract's file.
    pub const SAMPLE: &str = include_str!("../../testdata/Server.xml");

    /// Loads a text as if it were mounted.
    pub fn load_text(text: &str) -> Result<Config, Refused> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("Server.xml"), text).unwrap();
        load(folder.path(), "origin_conf")
    }

    fn refusal(from: &str, to: &str) -> String {
        assert!(SAMPLE.contains(from), "{from} is not in the sample");
        load_text(&SAMPLE.replacen(from, to, 1)).unwrap_err().0
    }

    #[test]
    fn the_contracts_file_is_accepted_and_understood() {
        let config = load_text(SAMPLE).unwrap();
        assert_eq!(
            (config.http_ports.as_slice(), config.http_workers),
            ([3333].as_slice(), 1)
        );
        assert_eq!(config.ice.len(), 2);
        let vhost = &config.vhosts[0];
        assert_eq!(
            vhost.hooks.as_ref().unwrap().providers,
            ["rtmp", "srt", "webrtc"]
        );
        assert_eq!(vhost.apps[0].rtmp, Some((10_000, true)));
        assert!(config.duplicate().is_none());
    }

    #[test]
    fn each_mistake_of_the_contract_has_its_message() {
        let read = |reason: &str| {
            format!("[Config] Could not read the file: origin_conf/Server.xml (reason: {reason}")
        };
        assert!(
            load_text("")
                .unwrap_err()
                .0
                .starts_with(&read("No document element found, offset: 0)"))
        );
        assert!(
            refusal("</Server>", "</Serve>")
                .starts_with(&read("Start-end tags mismatch, offset: "))
        );
        assert_eq!(
            load(Path::new("/nowhere"), "origin_conf").unwrap_err().0,
            read("File was not found, offset: 0)")
        );
        assert_eq!(
            refusal("<Name>OvenMediaEngine</Name>", "<Bogus/>"),
            "[Config] Unknown item found: Server.Bogus in origin_conf/Server.xml"
        );
        assert_eq!(
            refusal(
                "<ChunkDuration>0.5</ChunkDuration>",
                "<ChunkDurationX>0.5</ChunkDurationX>"
            ),
            "[Config] Unknown item found: Application.publishers.llhls.ChunkDurationX in origin_conf/Server.xml"
        );
        assert_eq!(
            refusal("<Port>8081</Port>", "<Port>abc</Port>"),
            "[Config] Invalid port: abc"
        );
        assert_eq!(
            refusal("<Port>8081</Port>", "<Port>99999</Port>"),
            "[Config] Invalid port: 99999"
        );
        assert_eq!(
            refusal("<Type>origin</Type>", ""),
            "[Config] Server.type is not optional"
        );
        assert_eq!(
            refusal(" version=\"8\"", ""),
            "[Config] Server.version is not optional"
        );
        assert_eq!(
            refusal("version=\"8\"", "version=\"7\""),
            "[Config] The version of Server.xml is outdated (Your XML version: 7)."
        );
    }

    #[test]
    fn duplicates_are_told() {
        let twice = SAMPLE.replace(
            "</VirtualHosts>",
            "<VirtualHost><Name>default</Name></VirtualHost></VirtualHosts>",
        );
        assert!(
            load_text(&twice)
                .unwrap()
                .duplicate()
                .unwrap()
                .starts_with("Duplicate virtual host [default] found")
        );
        let twice = SAMPLE.replace(
            "</Applications>",
            "<Application><Name>app</Name><Type>live</Type></Application></Applications>",
        );
        assert!(
            load_text(&twice)
                .unwrap()
                .duplicate()
                .unwrap()
                .starts_with("Duplicate application [default/app] found")
        );
    }

    #[test]
    fn an_empty_variable_counts_as_set() {
        let env = |name: &str| (name == "SET").then(String::new);
        assert_eq!(
            expand_text("${env:SET:*}:1 ${env:NOT:*}:2 ${env:OPEN", &env),
            ":1 *:2 ${env:OPEN"
        );
    }

    #[test]
    fn unknown_words_in_enables_are_kept_and_do_nothing() {
        let config = load_text(&SAMPLE.replace("rtmp,srt,webrtc", "rtmps,srt,webrtc")).unwrap();
        assert!(
            !config.vhosts[0]
                .hooks
                .as_ref()
                .unwrap()
                .providers
                .iter()
                .any(|w| w == "rtmp")
        );
    }
}
