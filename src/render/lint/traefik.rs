//! Traefik's two files. It has no way to check a configuration: a mistake in
//! the static file ends it at the next start, one in the dynamic file blocks
//! every later change, an unknown section is ignored in silence, and a broken
//! router is switched off alone.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_yaml::Value;

use super::Findings;
use crate::desired::{GENERATION_PLACEHOLDER, RESOLVER, TraefikContext};

const BUILT_IN: &str = "compare with the built-in template";

/// Checks the static file.
pub(super) fn fixed(text: &str, context: &TraefikContext, findings: &mut Findings<'_>) {
    let Some(root) = read(text, findings) else {
        return;
    };
    let known = [
        "global",
        "entryPoints",
        "providers",
        "api",
        "ping",
        "metrics",
        "log",
        "accessLog",
        "tracing",
        "certificatesResolvers",
        "serversTransport",
        "tcpServersTransport",
        "hostResolver",
        "experimental",
        "core",
        "spiffe",
        "ocsp",
    ];
    sections(&root, "", &known, findings);
    entry_points(&root, context, findings);

    findings.require(
        text_at(&root, &["providers", "file", "directory"]) == Some("/etc/traefik/dynamic"),
        "providers.file.directory is not /etc/traefik/dynamic, where the routes are mounted",
        "write directory: /etc/traefik/dynamic",
    );
    findings.require(
        at(&root, &["providers", "file", "watch"]) != Some(&Value::Bool(false)),
        "providers.file.watch is off: no room would ever open",
        "write watch: true",
    );
    findings.require(
        text_at(&root, &["providers", "providersThrottleDuration"]) == Some("100ms"),
        "providers.providersThrottleDuration is not 100ms; a room would take 2 s to open",
        "write providersThrottleDuration: 100ms",
    );
    let providers = at(&root, &["providers"]).and_then(Value::as_mapping);
    for name in providers.into_iter().flat_map(|map| map.keys()) {
        findings.require(
            matches!(name.as_str(), Some("providersThrottleDuration" | "file")),
            format!("providers.{} is not ours to watch", shown(name)),
            "remove it: routes come from the controller's file only",
        );
    }
    findings.require(
        text_at(&root, &["ping", "entryPoint"]) == Some("traefik"),
        "ping.entryPoint is not traefik; the controller could not tell when Traefik is up",
        "write ping: {entryPoint: traefik}",
    );
    findings.require(
        at(&root, &["api", "insecure"]) == Some(&Value::Bool(false)),
        "api.insecure is not false; without `api` the controller cannot see what Traefik loaded",
        "write api: {insecure: false, dashboard: false}",
    );
    findings.require(
        matches!(
            text_at(&root, &["log", "level"]),
            Some("INFO" | "WARN" | "ERROR")
        ),
        "log.level is not INFO, WARN or ERROR; below that requests and their tokens are logged",
        "write level: INFO",
    );
    if let Some(access) = at(&root, &["accessLog"]) {
        findings.require(
            text_at(access, &["fields", "names", "RequestPath"]) == Some("drop")
                && text_at(access, &["fields", "headers", "defaultMode"]) == Some("drop"),
            "the access log keeps paths or headers: they hold publish keys, tickets and tokens",
            "drop RequestPath and every header, or leave accessLog out",
        );
        findings.require(
            at(access, &["filePath"]).is_none(),
            "accessLog.filePath names a file that is never rotated",
            "log to standard output",
        );
    }

    let acme = at(&root, &["certificatesResolvers", RESOLVER, "acme"]);
    match (&context.tls.acme, acme) {
        (None, None) => {}
        (None, Some(_)) => findings.add(
            "a certificate resolver is there, although `tls` does not order certificates",
            "render certificatesResolvers only if `tls.acme`",
        ),
        (Some(_), None) => findings.add(
            format!("certificatesResolvers.{RESOLVER}.acme is missing; routers that name it would serve a certificate nobody trusts"),
            BUILT_IN,
        ),
        (Some(wanted), Some(acme)) => {
            findings.require(
                text_at(acme, &["storage"]) == Some("/acme/acme.json"),
                "the ACME storage is not /acme/acme.json, the only place that is kept",
                "write storage: /acme/acme.json",
            );
            findings.require(
                text_at(acme, &["caServer"]) == wanted.ca_server.as_deref(),
                "caServer is not the authority of the settings",
                "write it only if `tls.acme.ca_server`, with its value",
            );
            let challenge = match wanted.challenge {
                "http" => "httpChallenge",
                "tls-alpn" => "tlsChallenge",
                _ => "dnsChallenge",
            };
            for other in ["httpChallenge", "tlsChallenge", "dnsChallenge"] {
                findings.require(
                    at(acme, &[other]).is_some() == (other == challenge),
                    format!("{other} does not fit the settings, which ask for {challenge}"),
                    BUILT_IN,
                );
            }
        }
    }
}

fn entry_points(root: &Value, context: &TraefikContext, findings: &mut Findings<'_>) {
    let ports = &context.ports;
    let mut wanted = vec![("web", ports.web), ("traefik", ports.own)];
    if context.tls.enabled {
        wanted.push(("websecure", ports.websecure));
    }
    wanted.extend(ports.rtmps.map(|port| ("rtmps", port)));
    for (name, port) in &wanted {
        findings.require(
            text_at(root, &["entryPoints", name, "address"]) == Some(&*format!(":{port}")),
            format!("entryPoints.{name}.address is not \":{port}\""),
            "take the port from `ports`: the container publishes it",
        );
        findings.require(
            text_at(root, &["entryPoints", name, "http", "aliasHeadersStrategy"]) == Some("delete"),
            format!(
                "entryPoints.{name} lets alias headers through: X_Room_Id would reach a backend"
            ),
            "write http: {aliasHeadersStrategy: delete}",
        );
    }
    if context.tls.enabled {
        let to = [
            "entryPoints",
            "web",
            "http",
            "redirections",
            "entryPoint",
            "to",
        ];
        findings.require(
            text_at(root, &to) == Some(&*format!(":{}", ports.public_https)),
            "HTTP is not redirected to the public HTTPS port",
            "write to: \":{{ ports.public_https }}\"",
        );
    }
    let all = at(root, &["entryPoints"]).and_then(Value::as_mapping);
    for name in all.into_iter().flat_map(|map| map.keys()) {
        findings.require(
            wanted.iter().any(|(known, _)| name.as_str() == Some(known)),
            format!(
                "entryPoints.{} listens on a port that is not published",
                shown(name)
            ),
            "remove it",
        );
    }
}

/// Checks the dynamic file.
pub(super) fn dynamic(text: &str, context: &TraefikContext, findings: &mut Findings<'_>) {
    let Some(root) = read(text, findings) else {
        return;
    };
    sections(&root, "", &["http", "tcp", "udp", "tls"], findings);
    for (section, known) in [
        (
            "http",
            &["routers", "services", "middlewares", "serversTransports"][..],
        ),
        (
            "tcp",
            &["routers", "services", "middlewares", "serversTransports"],
        ),
        ("udp", &["routers", "services"]),
        ("tls", &["certificates", "options", "stores"]),
    ] {
        if let Some(value) = at(&root, &[section]) {
            sections(value, &format!("{section}."), known, findings);
        }
    }
    empties(&root, &mut Vec::new(), findings);

    let file = File::new(&root, context);
    for name in file.routers.keys() {
        file.router(name, findings);
    }
    for (name, middleware) in &file.middlewares {
        file.middleware(name, middleware, findings);
    }
    for name in file.services.keys() {
        findings.require(
            !name.contains('@'),
            format!("the service `{name}` has `@` in its name"),
            "choose another name: Traefik takes what follows for a provider",
        );
    }
    file.tcp(&root, findings);
    file.own_answers(findings);
    file.rooms(findings);
    file.hosts(findings);
}

/// The dynamic file by name.
struct File<'a> {
    context: &'a TraefikContext,
    routers: BTreeMap<&'a str, &'a Value>,
    services: HashMap<&'a str, &'a Value>,
    middlewares: BTreeMap<&'a str, &'a Value>,
    forward_auth: String,
}

/// Kinds of HTTP middlewares. An unknown one blocks the whole folder.
const MIDDLEWARES: [&str; 24] = [
    "addPrefix",
    "basicAuth",
    "buffering",
    "chain",
    "circuitBreaker",
    "compress",
    "contentType",
    "digestAuth",
    "errors",
    "forwardAuth",
    "grpcWeb",
    "headers",
    "ipAllowList",
    "inFlightReq",
    "passTLSClientCert",
    "plugin",
    "rateLimit",
    "redirectRegex",
    "redirectScheme",
    "replacePath",
    "replacePathRegex",
    "retry",
    "stripPrefix",
    "stripPrefixRegex",
];

const ROUTER_FIELDS: [&str; 9] = [
    "entryPoints",
    "rule",
    "ruleSyntax",
    "service",
    "middlewares",
    "priority",
    "tls",
    "observability",
    "parentRefs",
];

impl<'a> File<'a> {
    fn new(root: &'a Value, context: &'a TraefikContext) -> Self {
        Self {
            context,
            routers: named(root, &["http", "routers"]).collect(),
            services: named(root, &["http", "services"]).collect(),
            middlewares: named(root, &["http", "middlewares"]).collect(),
            forward_auth: format!(
                "http://controller:{}/internal/forward-auth",
                context.ports.internal
            ),
        }
    }

    /// One router: everything it names exists, and nothing public is open that
    /// should be guarded.
    fn router(&self, name: &str, findings: &mut Findings<'_>) {
        let Some(router) = self.routers.get(name) else {
            return;
        };
        let who = format!("the router `{name}`");
        findings.require(
            !name.contains('@'),
            format!("{who} has `@` in its name"),
            "choose another name: Traefik takes what follows for a provider",
        );
        fields(router, &who, &ROUTER_FIELDS, findings);

        let rule = text_at(router, &["rule"]).unwrap_or_default();
        findings.require(
            !rule.is_empty() && rule.matches('`').count().is_multiple_of(2),
            format!("{who} has no rule, or one with an odd number of backticks"),
            "write the rule and filter names with `| name` or `| host`",
        );
        findings.require(
            !rule.contains('{'),
            format!("the rule of {who} has a `{{`: version 2 placeholders never match"),
            "write a regular expression in PathRegexp or HostRegexp",
        );

        let entries: Vec<&str> = texts(router, "entryPoints").collect();
        findings.require(
            !entries.is_empty(),
            format!("{who} names no entry point and would be reachable on all of them"),
            "write entryPoints",
        );
        for entry in &entries {
            findings.require(
                self.is_entry(entry),
                format!("{who} names the entry point `{entry}`, which is not there"),
                "use `entry` for public routers and `traefik` for inner ones",
            );
        }
        let public = entries.iter().any(|entry| *entry != "traefik");
        findings.require(
            (at(router, &["tls"]).is_some()) == (entries.contains(&"websecure")),
            format!("{who} has `tls` on an entry point without, or none where it is needed"),
            "write tls: {} if `tls.enabled`",
        );
        self.resolver(&who, router, findings);

        let service = text_at(router, &["service"]).unwrap_or_default();
        let inner = service.ends_with("@internal");
        findings.require(
            inner || self.services.contains_key(service),
            format!("{who} names the service `{service}`, which is not there"),
            "define it under http.services",
        );
        findings.require(
            !(inner && public),
            format!("{who} shows {service} to everybody"),
            "put it on the entry point `traefik` only",
        );

        let middlewares = self.chain(router, 0);
        for middleware in &middlewares {
            findings.require(
                self.middlewares.contains_key(middleware),
                format!("{who} names the middleware `{middleware}`, which is not there"),
                "define it under http.middlewares",
            );
        }
        self.guard(&who, rule, service, &middlewares, findings);
    }

    /// Media and the call are reached through forward-auth only; encoders are
    /// known by a key that the webhook checks.
    fn guard(
        &self,
        who: &str,
        rule: &str,
        service: &str,
        middlewares: &[&str],
        findings: &mut Findings<'_>,
    ) {
        let backends = self.backends(service, 0);
        let to_ome = backends.contains("ome");
        if !to_ome && !backends.contains("mirotalk") {
            return;
        }
        let whip = to_ome && rule.contains("/sk_") && !rule.contains("Method(`GET`)");
        let guarded = middlewares.iter().any(|name| {
            self.middlewares
                .get(name)
                .and_then(|each| text_at(each, &["forwardAuth", "address"]))
                == Some(&*self.forward_auth)
        });
        findings.require(
            whip || guarded,
            format!("{who} lets everybody in: no forward-auth stands before it"),
            "put `room-auth` or `call-auth` among its middlewares",
        );
        findings.require(
            whip || !to_ome || (rule.contains("Method(") && !rule.contains("Method(`POST`)")),
            format!("{who} lets a viewer's cookie publish"),
            "limit it to Method(`GET`) || Method(`HEAD`) || Method(`OPTIONS`)",
        );
        for name in middlewares {
            let kinds = self
                .middlewares
                .get(name)
                .and_then(|each| each.as_mapping());
            for kind in kinds.into_iter().flat_map(|map| map.keys()) {
                let kind = shown(kind);
                findings.require(
                    !(to_ome
                        && matches!(
                            &*kind,
                            "buffering"
                                | "addPrefix"
                                | "stripPrefix"
                                | "stripPrefixRegex"
                                | "replacePath"
                                | "replacePathRegex"
                        )),
                    format!("{who} uses {kind}: LLHLS needs its own paths and parts as they come"),
                    format!("take `{name}` out"),
                );
            }
        }
    }

    fn resolver(&self, who: &str, router: &Value, findings: &mut Findings<'_>) {
        let Some(resolver) = text_at(router, &["tls", "certResolver"]) else {
            return;
        };
        findings.require(
            resolver == RESOLVER && self.context.tls.acme.is_some(),
            format!("{who} names the certificate resolver `{resolver}`, which is not there"),
            "name `acme`, and only if `tls.acme`",
        );
        let ordered = self.context.tls.acme.as_ref().map(|acme| &*acme.ordered);
        let domains = at(router, &["tls", "domains"]).and_then(Value::as_sequence);
        let names = domains.into_iter().flatten().flat_map(|domain| {
            text_at(domain, &["main"])
                .into_iter()
                .chain(texts(domain, "sans"))
        });
        let mut count = 0;
        for name in names {
            count += 1;
            findings.require(
                ordered.is_some_and(|hosts| hosts.iter().any(|host| host == name)),
                format!("{who} orders a certificate for `{name}`, which is not to be ordered now"),
                "order only what is in `tls.acme.ordered`",
            );
        }
        findings.require(
            count > 0,
            format!("{who} orders certificates without saying for which names"),
            "write domains",
        );
    }

    fn is_entry(&self, entry: &str) -> bool {
        match entry {
            "web" | "traefik" => true,
            "websecure" => self.context.tls.enabled,
            _ => false,
        }
    }

    /// Names of middlewares, those of chains included.
    fn chain(&self, holder: &'a Value, depth: u8) -> Vec<&'a str> {
        let mut all = Vec::new();
        for name in texts(holder, "middlewares") {
            all.push(name);
            let inner = self
                .middlewares
                .get(name)
                .and_then(|each| at(each, &["chain"]));
            if let Some(inner) = inner
                && depth < 8
            {
                all.extend(self.chain(inner, depth + 1));
            }
        }
        all
    }

    /// Host names behind a service.
    fn backends(&self, service: &str, depth: u8) -> HashSet<&'a str> {
        let mut hosts = HashSet::new();
        let Some(service) = self.services.get(service) else {
            return hosts;
        };
        let servers = at(service, &["loadBalancer", "servers"]).and_then(Value::as_sequence);
        for server in servers.into_iter().flatten() {
            let host = text_at(server, &["url"])
                .and_then(|url| url.split_once("://"))
                .and_then(|(_, rest)| rest.split([':', '/']).next());
            hosts.extend(host);
        }
        if depth < 8 {
            let inner = ["weighted", "mirroring", "failover", "highestRandomWeight"]
                .into_iter()
                .filter_map(|kind| at(service, &[kind]));
            for kind in inner {
                let direct = ["service", "fallback"]
                    .into_iter()
                    .filter_map(|key| text_at(kind, &[key]));
                let listed = ["services", "mirrors"]
                    .into_iter()
                    .filter_map(|key| at(kind, &[key]).and_then(Value::as_sequence))
                    .flatten()
                    .filter_map(|entry| text_at(entry, &["name"]));
                for name in direct.chain(listed) {
                    hosts.extend(self.backends(name, depth + 1));
                }
            }
        }
        hosts
    }

    fn middleware(&self, name: &str, middleware: &Value, findings: &mut Findings<'_>) {
        let who = format!("the middleware `{name}`");
        let kinds = middleware.as_mapping();
        findings.require(
            kinds.is_some_and(|kinds| kinds.len() == 1),
            format!("{who} is not exactly one kind of middleware"),
            "give each kind its own name",
        );
        fields(middleware, &who, &MIDDLEWARES, findings);
        findings.require(
            !name.contains('@'),
            format!("{who} has `@` in its name"),
            "choose another name: Traefik takes what follows for a provider",
        );
        if let Some(auth) = at(middleware, &["forwardAuth"]) {
            findings.require(
                text_at(auth, &["address"]) == Some(&*self.forward_auth),
                format!("{who} asks somebody else than the controller"),
                format!("write address: {}", self.forward_auth),
            );
            findings.require(
                at(auth, &["trustForwardHeader"])
                    == Some(&Value::Bool(!self.context.trusted_proxies.is_empty())),
                format!("{who} trusts, or does not trust, forwarded headers against the settings"),
                "trustForwardHeader is true exactly if `trusted_proxies`",
            );
            findings.require(
                at(auth, &["maxResponseBodySize"]).is_some_and(Value::is_u64),
                format!("{who} has no maxResponseBodySize; every reload would log a warning"),
                "write maxResponseBodySize: 4096",
            );
        }
        if let Some(chain) = at(middleware, &["chain"]) {
            for inner in texts(chain, "middlewares") {
                findings.require(
                    self.middlewares.contains_key(inner),
                    format!("{who} names `{inner}`, which is not there"),
                    "define it under http.middlewares",
                );
            }
        }
    }

    /// TCP and UDP: RTMPS only, which has to be there if it is wanted.
    fn tcp(&self, root: &Value, findings: &mut Findings<'_>) {
        let services: HashSet<&str> = named(root, &["tcp", "services"])
            .map(|(name, _)| name)
            .collect();
        let mut rtmps = false;
        for (name, router) in named(root, &["tcp", "routers"]) {
            let who = format!("the TCP router `{name}`");
            let service = text_at(router, &["service"]).unwrap_or_default();
            findings.require(
                services.contains(service),
                format!("{who} names the service `{service}`, which is not there"),
                "define it under tcp.services",
            );
            let entries: Vec<&str> = texts(router, "entryPoints").collect();
            findings.require(
                self.context.ports.rtmps.is_some() && entries == ["rtmps"],
                format!("{who} is not on the entry point `rtmps` alone, or there is none"),
                "render it only if `ports.rtmps`, with entryPoints: [rtmps]",
            );
            findings.require(
                at(router, &["tls"]).is_some(),
                format!("{who} has no tls"),
                "write tls: {}",
            );
            self.resolver(&who, router, findings);
            rtmps = true;
        }
        findings.require(
            rtmps || self.context.ports.rtmps.is_none(),
            "there is no TCP router for RTMPS: its entry point would accept encoders and hang",
            BUILT_IN,
        );
        findings.require(
            at(root, &["udp"]).is_none(),
            "there is a section `udp`: Traefik renumbers idle flows, which ends SRT and WebRTC",
            "remove it: these ports are published by OvenMediaEngine directly",
        );
    }

    /// The two routers by which the controller sees what is loaded.
    fn own_answers(&self, findings: &mut Findings<'_>) {
        let on_traefik = |service: &'static str| {
            self.routers.values().filter(move |router| {
                text_at(router, &["service"]) == Some(service)
                    && texts(router, "entryPoints").eq(["traefik"])
            })
        };
        findings.require(
            on_traefik("api@internal")
                .any(|router| text_at(router, &["rule"]) == Some("PathPrefix(`/api`)")),
            "the router to api@internal is missing on the entry point `traefik`",
            "keep `t-api`: the controller reads there which routers are broken",
        );
        let marked = on_traefik("ping@internal")
            .filter(|router| text_at(router, &["rule"]) == Some("Path(`/config-generation`)"))
            .any(|router| {
                texts(router, "middlewares").any(|name| {
                    let path = ["headers", "customResponseHeaders", "X-Config-Generation"];
                    self.middlewares
                        .get(name)
                        .and_then(|each| text_at(each, &path))
                        == Some(GENERATION_PLACEHOLDER)
                })
            });
        findings.require(
            marked,
            "no router answers /config-generation with the header X-Config-Generation",
            "keep `t-gen` and its middleware with `generation`: it is the only proof that this \
             file is in force",
        );
    }

    /// Every open room has its guarded router.
    fn rooms(&self, findings: &mut Findings<'_>) {
        // By the words of the rules, so that a thousand rooms stay cheap.
        let mut by_word: HashMap<&str, Vec<&Value>> = HashMap::new();
        for router in self.routers.values() {
            let rule = text_at(router, &["rule"]).unwrap_or_default();
            for word in rule.split(|char: char| !char.is_ascii_alphanumeric()) {
                if word.len() >= 8 {
                    by_word.entry(word).or_default().push(router);
                }
            }
        }
        for room in &self.context.rooms {
            let path = format!("`^/{}/{}(/|$)`", room.profile, room.stream);
            let router = by_word
                .get(&*room.stream)
                .into_iter()
                .flatten()
                .find(|router| text_at(router, &["rule"]).is_some_and(|rule| rule.contains(&path)));
            let Some(router) = router else {
                findings.add(
                    format!("the room `{}` has no router", room.slug),
                    "make one router for each of `rooms` with PathRegexp(`^/<profile>/<stream>(/|$)`)",
                );
                continue;
            };
            if room.allowed_addresses.is_empty() {
                continue;
            }
            let limited = self.chain(router, 0).into_iter().any(|name| {
                self.middlewares
                    .get(name)
                    .and_then(|each| at(each, &["ipAllowList"]))
                    .is_some_and(|list| {
                        texts(list, "sourceRange").eq(room.allowed_addresses.iter().map(|a| &**a))
                    })
            });
            findings.require(
                limited,
                format!("the room `{}` is not limited to its addresses", room.slug),
                "give its router an ipAllowList of `room.allowed_addresses`",
            );
        }
    }

    /// Pages and call are reachable.
    fn hosts(&self, findings: &mut Findings<'_>) {
        let hosts = &self.context.hosts;
        for (host, backend) in [
            (&hosts.live, "controller"),
            (&hosts.admin, "controller"),
            (&hosts.video, "mirotalk"),
            (&hosts.video, "controller"),
        ] {
            let part = format!("Host(`{host}`)");
            let found = self.routers.values().any(|router| {
                text_at(router, &["rule"]).is_some_and(|rule| rule.contains(&part))
                    && self
                        .backends(text_at(router, &["service"]).unwrap_or_default(), 0)
                        .contains(backend)
            });
            findings.require(
                found,
                format!("no router leads from {host} to the {backend}"),
                BUILT_IN,
            );
        }
    }
}

/// Parses, and refuses what Go templates would take for theirs.
fn read(text: &str, findings: &mut Findings<'_>) -> Option<Value> {
    if let Some(line) = text.lines().position(|line| line.contains("{{")) {
        findings.add(
            format!(
                "line {} of the result has two opening braces, which Traefik runs as a Go template",
                line + 1
            ),
            "escape values with `| yaml`",
        );
        return None;
    }
    match serde_yaml::from_str::<Value>(text) {
        Ok(value) if value.is_mapping() => Some(value),
        Ok(_) => {
            findings.add("the result holds no settings", BUILT_IN);
            None
        }
        Err(error) => {
            findings.add(
                format!("the result is not YAML: {error}"),
                "check the indentation and escape values with `| yaml`",
            );
            None
        }
    }
}

/// Top-level sections from a known set: Traefik ignores others in silence.
fn sections(value: &Value, path: &str, known: &[&str], findings: &mut Findings<'_>) {
    let Some(map) = value.as_mapping() else {
        findings.add(
            format!("`{}` is not a map", path.trim_end_matches('.')),
            BUILT_IN,
        );
        return;
    };
    for name in map.keys() {
        findings.require(
            name.as_str().is_some_and(|name| known.contains(&name)),
            format!("`{path}{}` is no section Traefik knows", shown(name)),
            format!("use one of {}", known.join(", ")),
        );
    }
}

fn fields(value: &Value, who: &str, known: &[&str], findings: &mut Findings<'_>) {
    let Some(map) = value.as_mapping() else {
        findings.add(format!("{who} is not a map"), BUILT_IN);
        return;
    };
    for name in map.keys() {
        findings.require(
            name.as_str().is_some_and(|name| known.contains(&name)),
            format!(
                "{who} has the field `{}`, which blocks every later change",
                shown(name)
            ),
            format!("use one of {}", known.join(", ")),
        );
    }
}

/// Finds empty maps and nothings: they reject the whole configuration. Only
/// `tls` of a router may be empty.
fn empties(value: &Value, path: &mut Vec<String>, findings: &mut Findings<'_>) {
    match value {
        Value::Mapping(map) => {
            let router_tls = path.len() == 4
                && path.get(1).is_some_and(|part| part == "routers")
                && path.last().is_some_and(|part| part == "tls");
            findings.require(
                !map.is_empty() || router_tls,
                format!(
                    "`{}` is an empty map; Traefik would refuse the whole file",
                    path.join(".")
                ),
                "leave the key out",
            );
            for (key, inner) in map {
                path.push(shown(key));
                empties(inner, path, findings);
                path.pop();
            }
        }
        Value::Sequence(items) => {
            for (index, inner) in items.iter().enumerate() {
                path.push(index.to_string());
                empties(inner, path, findings);
                path.pop();
            }
        }
        Value::Null => findings.add(
            format!(
                "`{}` has no value; Traefik would refuse the whole file",
                path.join(".")
            ),
            "leave the key out",
        ),
        _ => {}
    }
}

fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| value.get(*key))
}

fn text_at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    at(value, path).and_then(Value::as_str)
}

/// The texts of a list.
fn texts<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    at(value, &[key])
        .and_then(Value::as_sequence)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// The entries of a map.
fn named<'a>(value: &'a Value, path: &[&str]) -> impl Iterator<Item = (&'a str, &'a Value)> {
    at(value, path)
        .and_then(Value::as_mapping)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.as_str()?, value)))
}

/// A key as a person reads it.
fn shown(key: &Value) -> String {
    key.as_str()
        .map_or_else(|| format!("{key:?}"), str::to_owned)
}
