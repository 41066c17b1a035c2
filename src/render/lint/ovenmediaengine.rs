//! `Server.xml` and `Logger.xml`. OvenMediaEngine has no way to check a
//! configuration, ends with exit code 1 or 0 at some mistakes, and takes others
//! in silence; the worst of these opens a protocol to everybody.

use std::collections::BTreeSet;

use super::Findings;
use super::schema::{Kind, Rule, SERVER};
use super::xml::{self, Element};
use crate::desired::OmeContext;

const BUILT_IN: &str = "compare with the built-in template";

/// Checks `Server.xml`.
pub(super) fn server(text: &str, context: &OmeContext, findings: &mut Findings<'_>) {
    let root = match xml::parse(text) {
        Ok(root) => root,
        Err(what) => {
            findings.add(what, "close every element and escape values with `| xml`");
            return;
        }
    };
    if root.name != "Server" {
        findings.add(
            format!("the root element is <{}>", root.name),
            "OvenMediaEngine takes <Server>",
        );
        return;
    }
    walk(&root, SERVER, "Server", findings);
    head(&root, findings);
    ports(&root, context, findings);
    access(&root, context, findings);
    hosts(&root, context, findings);
}

/// Holds an element's children to the rules.
fn walk(element: &Element, rules: &[Rule], path: &str, findings: &mut Findings<'_>) {
    for (index, child) in element.children.iter().enumerate() {
        let name = &child.name;
        let place = format!("<{name}> in {path} (line {} of the result)", child.line);
        let Some(rule) = rules.iter().find(|rule| rule.name == name) else {
            let known: Vec<&str> = rules.iter().map(|rule| rule.name).collect();
            findings.add(
                format!(
                    "{place} is no element OvenMediaEngine knows; it would end with exit code 1"
                ),
                format!("use one of {}", known.join(", ")),
            );
            continue;
        };
        let earlier = element.children.iter().take(index);
        if !rule.many && earlier.into_iter().any(|other| other.name == *name) {
            findings.add(format!("{place} is there twice"), "keep one");
        }
        if let Kind::Branch(rules) = rule.kind {
            require!(
                findings,
                child.text.is_empty(),
                format!("{place} holds text beside its elements"),
                "remove the text",
            );
            walk(child, rules, &format!("{path}.{name}"), findings);
            continue;
        }
        require!(
            findings,
            child.children.is_empty(),
            format!("{place} holds elements where a value belongs"),
            BUILT_IN,
        );
        if let Some(wanted) = misfit(rule.kind, &child.text) {
            findings.add(format!("{place} is not {wanted}"), "correct the value");
        }
    }
}

/// What a value should have been.
fn misfit(kind: Kind, text: &str) -> Option<&'static str> {
    let flag = matches!(text, "true" | "false");
    let (fits, wanted) = match kind {
        Kind::Text => (!text.is_empty(), "filled in"),
        Kind::Loose | Kind::Branch(_) => (true, ""),
        Kind::Flag => (flag, "`true` or `false`"),
        Kind::Mark => (flag || text.is_empty(), "empty, `true` or `false`"),
        Kind::Whole => (text.parse::<i64>().is_ok(), "a whole number"),
        Kind::Number => (text.parse::<f64>().is_ok_and(f64::is_finite), "a number"),
        Kind::Port => (
            text.parse::<u16>().is_ok_and(|port| port != 0),
            "a port from 1 to 65535",
        ),
    };
    (!fits).then_some(wanted)
}

fn head(root: &Element, findings: &mut Findings<'_>) {
    require!(
        findings,
        matches!(root.attribute("version"), Some("8" | "9" | "10")),
        "<Server> has no version from 8 to 10",
        "write <Server version=\"8\">",
    );
    require!(
        findings,
        root.text_at(&["Type"]) == Some("origin"),
        "<Type> is not origin",
        "write <Type>origin</Type>: this OvenMediaEngine is where encoders arrive",
    );
    for name in ["IP", "Bind"] {
        require!(
            findings,
            root.child(name).is_some(),
            format!("<{name}> is missing; OvenMediaEngine would end with exit code 1"),
            BUILT_IN,
        );
    }
}

/// Which port each service listens on: as planned, and no two on one.
fn ports(root: &Element, context: &OmeContext, findings: &mut Findings<'_>) {
    let Some(bind) = root.child("Bind") else {
        return;
    };
    let wanted = [
        (&["Managers", "API", "Port"][..], context.ports.api),
        (&["Providers", "RTMP", "Port"], context.ports.rtmp),
        (&["Providers", "SRT", "Port"], context.ports.srt),
        (
            &["Providers", "WebRTC", "Signalling", "Port"],
            context.ports.http,
        ),
        (&["Publishers", "LLHLS", "Port"], context.ports.http),
        (
            &["Publishers", "WebRTC", "Signalling", "Port"],
            context.ports.http,
        ),
    ];
    for (path, port) in wanted {
        require!(
            findings,
            bind.text_at(path).and_then(|text| text.parse().ok()) == Some(port),
            format!("Bind.{} is not {port}", path.join(".")),
            "take the port from `ports`: the container publishes it, and Traefik and the \
             controller look there",
        );
    }

    let mut held: Vec<(u16, Transport, String)> = Vec::new();
    for direction in ["Managers", "Providers", "Publishers"] {
        for service in bind.child(direction).into_iter().flat_map(|d| &d.children) {
            for (port, transport, kind) in listens(service) {
                // Signalling, WHIP and the HTTP publishers share ports by
                // design; so do both directions of WebRTC media.
                let family = match kind {
                    Family::Http if direction != "Managers" => "HTTP media".to_owned(),
                    Family::Ice => "WebRTC media".to_owned(),
                    _ => format!("{direction}.{}", service.name),
                };
                held.push((port, transport, family));
            }
        }
    }
    let mut told = BTreeSet::new();
    for (index, (port, transport, family)) in held.iter().enumerate() {
        let clash = held
            .iter()
            .take(index)
            .find(|(other, by, who)| other == port && by == transport && who != family);
        if let Some((_, _, other)) = clash
            && told.insert(*port)
        {
            findings.add(
                format!("{family} and {other} both listen on port {port}"),
                "give each its own; OvenMediaEngine starts all the same and one of them is dead",
            );
        }
    }

    for direction in ["Providers", "Publishers"] {
        let Some(ice) = bind.at(&[direction, "WebRTC", "IceCandidates"]) else {
            findings.add(
                format!("Bind.{direction}.WebRTC has no IceCandidates"),
                BUILT_IN,
            );
            continue;
        };
        let has = |name: &str, end: &str| ice.all(name).any(|entry| entry.text.ends_with(end));
        let ends = [
            ("IceCandidate", format!(":{}/udp", context.ports.ice_udp)),
            ("IceCandidate", format!(":{}/tcp", context.ports.ice_tcp)),
            ("TcpRelay", format!(":{}", context.ports.relay)),
        ];
        for (name, end) in ends {
            require!(
                findings,
                has(name, &end),
                format!("Bind.{direction}.WebRTC announces no <{name}> that ends in {end}"),
                "take address and port from `address` and `ports`: the published numbers are \
                 the same inside and outside",
            );
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Tcp,
    Udp,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Own,
    Http,
    Ice,
}

/// Ports that a service under `<Bind>` opens.
fn listens(service: &Element) -> Vec<(u16, Transport, Family)> {
    let number = |path: &[&str]| service.text_at(path).and_then(|text| text.parse().ok());
    match &*service.name {
        "WebRTC" => {
            let mut all: Vec<_> = [&["Signalling", "Port"][..], &["Signalling", "TLSPort"]]
                .into_iter()
                .filter_map(number)
                .map(|port| (port, Transport::Tcp, Family::Http))
                .collect();
            for candidate in service
                .child("IceCandidates")
                .into_iter()
                .flat_map(|ice| ice.all("IceCandidate").chain(ice.all("TcpRelay")))
            {
                all.extend(candidate_ports(&candidate.text));
            }
            all
        }
        "SRT" => number(&["Port"])
            .map(|port| (port, Transport::Udp, Family::Own))
            .into_iter()
            .collect(),
        name => {
            let family = match name {
                "LLHLS" | "HLS" | "Thumbnail" => Family::Http,
                _ => Family::Own,
            };
            [&["Port"][..], &["TLSPort"]]
                .into_iter()
                .filter_map(number)
                .map(|port| (port, Transport::Tcp, family))
                .collect()
        }
    }
}

/// `*:10000-10003/udp`, `192.0.2.1:10000/tcp`, `host:3478`.
fn candidate_ports(text: &str) -> Vec<(u16, Transport, Family)> {
    let (address, transport) = match text.split_once('/') {
        Some((address, "udp")) => (address, Transport::Udp),
        Some((address, _)) => (address, Transport::Tcp),
        None => (text, Transport::Tcp),
    };
    let range = address.rsplit(':').next().unwrap_or_default();
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    match (first.parse::<u16>(), last.parse::<u16>()) {
        (Ok(first), Ok(last)) => (first..=last)
            .map(|port| (port, transport, Family::Ice))
            .collect(),
        _ => Vec::new(),
    }
}

/// The REST API's token and the alert's address.
fn access(root: &Element, context: &OmeContext, findings: &mut Findings<'_>) {
    require!(
        findings,
        root.text_at(&["Managers", "API", "AccessToken"]) == Some(context.api_token.expose()),
        "Managers.API.AccessToken is not the controller's token; an empty one ends \
         OvenMediaEngine with exit code 0",
        "write <AccessToken>{{ api_token | xml }}</AccessToken>",
    );
    require!(
        findings,
        root.at(&["Managers", "Host", "Names", "Name"]).is_some(),
        "Managers.Host.Names is missing",
        BUILT_IN,
    );
    if let Some(alert) = root.child("Alert") {
        require!(
            findings,
            alert.text_at(&["Url"]) == Some(&*context.hooks.alert)
                && alert.text_at(&["SecretKey"]) == Some(context.hooks.key.expose())
                && alert.text_at(&["Timeout"]).is_some(),
            "Alert does not tell the controller: Url, SecretKey or Timeout is missing or another",
            "take `hooks.alert` and `hooks.key`, or leave <Alert> out",
        );
    }
}

/// Virtual hosts, the gate of each, the application of each profile.
fn hosts(root: &Element, context: &OmeContext, findings: &mut Findings<'_>) {
    let hosts: Vec<&Element> = root
        .child("VirtualHosts")
        .into_iter()
        .flat_map(|hosts| hosts.all("VirtualHost"))
        .collect();
    unique(
        "virtual host",
        hosts.iter().map(|host| host.text_at(&["Name"])),
        findings,
    );
    let mut served = BTreeSet::new();
    for host in &hosts {
        let name = host.text_at(&["Name"]).unwrap_or("(without a name)");
        gate(host, name, context, findings);
        let applications: Vec<&Element> = host
            .child("Applications")
            .into_iter()
            .flat_map(|all| all.all("Application"))
            .collect();
        unique(
            "application",
            applications.iter().map(|each| each.text_at(&["Name"])),
            findings,
        );
        for application in applications {
            served.extend(application.text_at(&["Name"]).map(str::to_owned));
            self::application(application, host, findings);
        }
    }
    for profile in &context.profiles {
        require!(
            findings,
            served.contains(&profile.name),
            format!("the profile `{}` has no application", profile.name),
            "make one <Application> for each of `profiles`, named as it is",
        );
    }
}

fn unique<'a>(
    what: &str,
    names: impl Iterator<Item = Option<&'a str>>,
    findings: &mut Findings<'_>,
) {
    let mut seen = BTreeSet::new();
    for name in names {
        match name {
            None => findings.add(format!("there is a {what} without <Name>"), BUILT_IN),
            Some(name) => require!(
                findings,
                seen.insert(name),
                format!(
                    "there are two of the {what} `{name}`; OvenMediaEngine would end with exit code 0"
                ),
                "keep one",
            ),
        }
    }
}

/// Words that `<Enables>` knows, and the element of an application each guards.
const GUARDED: [(&str, &str, &str); 8] = [
    ("Providers", "rtmp", "RTMP"),
    ("Providers", "srt", "SRT"),
    ("Providers", "webrtc", "WebRTC"),
    ("Publishers", "webrtc", "WebRTC"),
    ("Publishers", "llhls", "LLHLS"),
    ("Publishers", "hls", "HLS"),
    ("Publishers", "thumbnail", "Thumbnail"),
    ("Publishers", "srt", "SRT"),
];

fn gate(host: &Element, name: &str, context: &OmeContext, findings: &mut Findings<'_>) {
    let Some(hook) = host.child("AdmissionWebhooks") else {
        findings.add(
            format!("the virtual host `{name}` has no AdmissionWebhooks: it is open to everybody"),
            BUILT_IN,
        );
        return;
    };
    require!(
        findings,
        hook.text_at(&["ControlServerUrl"]) == Some(&*context.hooks.admission),
        format!("the webhook of `{name}` does not ask the controller; everybody would be refused"),
        "write <ControlServerUrl>{{ hooks.admission | xml }}</ControlServerUrl>",
    );
    require!(
        findings,
        hook.text_at(&["SecretKey"]) == Some(context.hooks.key.expose()),
        format!("the webhook of `{name}` is not signed with the controller's key"),
        "write <SecretKey>{{ hooks.key | xml }}</SecretKey>",
    );
    require!(
        findings,
        hook.text_at(&["Timeout"])
            .and_then(|text| text.parse::<u32>().ok())
            .is_some_and(|timeout| timeout > 0),
        format!("the webhook of `{name}` has no Timeout"),
        "write <Timeout>3000</Timeout>",
    );
    for list in ["Providers", "Publishers"] {
        let text = hook.text_at(&["Enables", list]).unwrap_or_default();
        for word in words(text) {
            let known: Vec<&str> = GUARDED
                .iter()
                .filter(|(of, ..)| *of == list)
                .map(|(_, word, _)| *word)
                .collect();
            require!(
                findings,
                known.contains(&&*word),
                format!(
                    "`{word}` in Enables.{list} is no protocol; the one that was meant stays open to everybody"
                ),
                format!("use {}", known.join(", ")),
            );
        }
    }
}

fn words(list: &str) -> Vec<String> {
    list.split(',')
        .map(|word| word.trim().to_ascii_lowercase())
        .filter(|word| !word.is_empty())
        .collect()
}

fn application(application: &Element, host: &Element, findings: &mut Findings<'_>) {
    let name = application.text_at(&["Name"]).unwrap_or("(without a name)");
    require!(
        findings,
        application.text_at(&["Type"]) == Some("live"),
        format!("the application `{name}` is not of type live"),
        "write <Type>live</Type>",
    );
    for (list, word, element) in GUARDED {
        let enabled = words(
            host.text_at(&["AdmissionWebhooks", "Enables", list])
                .unwrap_or_default(),
        );
        require!(
            findings,
            application.at(&[list, element]).is_none() || enabled.iter().any(|each| each == word),
            format!(
                "`{name}` serves {list}.{element}, but the webhook is not asked about it: it is open to everybody"
            ),
            format!("add `{word}` to Enables.{list}, or leave <{element}> out"),
        );
    }
    for protocol in ["RTMP", "SRT"] {
        let Some(provider) = application.at(&["Providers", protocol]) else {
            continue;
        };
        require!(
            findings,
            provider
                .text_at(&["PacketSilenceTimeoutMs"])
                .and_then(|text| text.parse::<u32>().ok())
                .is_some_and(|timeout| timeout > 0),
            format!(
                "{protocol} of `{name}` has no PacketSilenceTimeoutMs: a frozen encoder would be live for ever"
            ),
            "write <PacketSilenceTimeoutMs>10000</PacketSilenceTimeoutMs>",
        );
        require!(
            findings,
            provider.text_at(&["BlockDuplicateStreamName"]) != Some("false"),
            format!("{protocol} of `{name}` lets a second encoder take over a live stream"),
            "write <BlockDuplicateStreamName>true</BlockDuplicateStreamName>",
        );
    }
    if let Some(llhls) = application.at(&["Publishers", "LLHLS"]) {
        require!(
            findings,
            llhls.text_at(&["OriginMode"]) == Some("true"),
            format!(
                "LLHLS of `{name}` is not in OriginMode: viewers behind Traefik would share sessions"
            ),
            "write <OriginMode>true</OriginMode>",
        );
    }
}

/// Tags whose lines hold publish keys and tickets.
const SECRET_TAGS: [&str; 3] = ["AccessController", "RTMPProvider", "SrtProvider"];

/// Checks `Logger.xml`.
pub(super) fn logger(text: &str, findings: &mut Findings<'_>) {
    let root = match xml::parse(text) {
        Ok(root) => root,
        Err(what) => {
            findings.add(what, "close every element and quote every attribute");
            return;
        }
    };
    require!(
        findings,
        root.name == "Logger" && root.attribute("version") == Some("2"),
        "the root element is not <Logger version=\"2\">",
        BUILT_IN,
    );
    require!(
        findings,
        root.child("File")
            .and_then(|file| file.attribute("enabled"))
            == Some("false"),
        "the log is also written to a file that nobody deletes and a read-only root cannot hold",
        "write <File enabled=\"false\"/>",
    );
    let known = ["debug", "info", "warn", "error", "critical"];
    let quiet = |level: &str| matches!(level, "warn" | "error" | "critical");
    let tags: Vec<(&str, &str)> = root
        .all("Tag")
        .map(|tag| {
            (
                tag.attribute("name").unwrap_or_default(),
                tag.attribute("level").unwrap_or_default(),
            )
        })
        .collect();
    for child in &root.children {
        require!(
            findings,
            matches!(&*child.name, "Path" | "File" | "Tag"),
            format!("<{}> is no element of <Logger>", child.name),
            "remove it",
        );
    }
    for (name, level) in &tags {
        require!(
            findings,
            !name.is_empty() && known.contains(level),
            format!("the tag `{name}` has no level of {}", known.join(", ")),
            "correct the tag",
        );
    }
    // The first tag that matches counts; without one it is `info`. A name with
    // wildcards may match a tag that holds secrets.
    for secret in SECRET_TAGS {
        let first = tags.iter().find(|(name, _)| {
            *name == secret || name.contains(['*', '+', '?', '.', '[', '(', '|', '\\'])
        });
        require!(
            findings,
            first.is_some_and(|(_, level)| quiet(level)),
            format!("stream keys would be in the log: `{secret}` speaks below warn"),
            format!("put <Tag name=\"{secret}\" level=\"critical\"/> before every wildcard"),
        );
    }
}
