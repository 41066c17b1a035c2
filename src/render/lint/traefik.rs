//! Traefik's two files. It has no way to check a configuration: a mistake in
//! the static file ends it at the next start, one in the dynamic file blocks
//! every later change, an unknown section is ignored in silence, and a broken
//! router is switched off alone.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Findings;
use super::yaml::{self, Node};
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

    require!(
        findings,
        root.text_at(&["providers", "file", "directory"]) == Some("/etc/traefik/dynamic"),
        "providers.file.directory is not /etc/traefik/dynamic, where the routes are mounted",
        "write directory: /etc/traefik/dynamic",
    );
    require!(
        findings,
        root.at(&["providers", "file", "watch"]) != Some(&Node::Bool(false)),
        "providers.file.watch is off: no room would ever open",
        "write watch: true",
    );
    require!(
        findings,
        root.text_at(&["providers", "providersThrottleDuration"]) == Some("100ms"),
        "providers.providersThrottleDuration is not 100ms; a room would take 2 s to open",
        "write providersThrottleDuration: 100ms",
    );
    let providers = root.at(&["providers"]);
    for (name, _) in providers.into_iter().flat_map(Node::entries) {
        require!(
            findings,
            matches!(name, "providersThrottleDuration" | "file"),
            format!("providers.{name} is not ours to watch"),
            "remove it: routes come from the controller's file only",
        );
    }
    require!(
        findings,
        root.text_at(&["ping", "entryPoint"]) == Some("traefik"),
        "ping.entryPoint is not traefik; the controller could not tell when Traefik is up",
        "write ping: {entryPoint: traefik}",
    );
    require!(
        findings,
        root.at(&["api", "insecure"]) == Some(&Node::Bool(false)),
        "api.insecure is not false; without `api` the controller cannot see what Traefik loaded",
        "write api: {insecure: false, dashboard: false}",
    );
    require!(
        findings,
        matches!(
            root.text_at(&["log", "level"]),
            Some("INFO" | "WARN" | "ERROR")
        ),
        "log.level is not INFO, WARN or ERROR; below that requests and their tokens are logged",
        "write level: INFO",
    );
    if let Some(access) = root.at(&["accessLog"]) {
        require!(
            findings,
            access.text_at(&["fields", "names", "RequestPath"]) == Some("drop")
                && access.text_at(&["fields", "headers", "defaultMode"]) == Some("drop"),
            "the access log keeps paths or headers: they hold stream keys, tickets and tokens",
            "drop RequestPath and every header, or leave accessLog out",
        );
        require!(
            findings,
            access.at(&["filePath"]).is_none(),
            "accessLog.filePath names a file that is never rotated",
            "log to standard output",
        );
    }

    let acme = root.at(&["certificatesResolvers", RESOLVER, "acme"]);
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
            require!(
findings,
                acme.text_at(&["storage"]) == Some(&*wanted.storage),
                format!("the ACME storage is not {}, which is kept and this authority's own", wanted.storage),
                "write storage: {{ tls.acme.storage | yaml }}",
            );
            require!(
findings,
                acme.text_at(&["caServer"]) == wanted.ca_server.as_deref(),
                "caServer is not the authority of the settings",
                "write it only if `tls.acme.ca_server`, with its value",
            );
            let challenge = match wanted.challenge {
                "http" => "httpChallenge",
                "tls-alpn" => "tlsChallenge",
                _ => "dnsChallenge",
            };
            for other in ["httpChallenge", "tlsChallenge", "dnsChallenge"] {
                require!(
findings,
                    acme.at(&[other]).is_some() == (other == challenge),
                    format!("{other} does not fit the settings, which ask for {challenge}"),
                    BUILT_IN,
                );
            }
        }
    }
}

fn entry_points(root: &Node<'_>, context: &TraefikContext, findings: &mut Findings<'_>) {
    let ports = &context.ports;
    let mut wanted = vec![("web", ports.web), ("traefik", ports.own)];
    if context.tls.enabled {
        wanted.push(("websecure", ports.websecure));
    }
    wanted.extend(ports.rtmps.map(|port| ("rtmps", port)));
    for (name, port) in &wanted {
        require!(
            findings,
            root.text_at(&["entryPoints", name, "address"]) == Some(&*format!(":{port}")),
            format!("entryPoints.{name}.address is not \":{port}\""),
            "take the port from `ports`: the container publishes it",
        );
        require!(
            findings,
            root.text_at(&["entryPoints", name, "http", "aliasHeadersStrategy"]) == Some("delete"),
            format!(
                "entryPoints.{name} lets alias headers through: X_Forwarded_Uri would reach a backend"
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
        require!(
            findings,
            root.text_at(&to) == Some(&*format!(":{}", ports.public_https)),
            "HTTP is not redirected to the public HTTPS port",
            "write to: \":{{ ports.public_https }}\"",
        );
    }
    let all = root.at(&["entryPoints"]);
    for (name, _) in all.into_iter().flat_map(Node::entries) {
        require!(
            findings,
            wanted.iter().any(|(known, _)| name == *known),
            format!("entryPoints.{name} listens on a port that is not published"),
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
        if let Some(value) = root.at(&[section]) {
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
        require!(
            findings,
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
    routers: BTreeMap<&'a str, &'a Node<'a>>,
    services: HashMap<&'a str, &'a Node<'a>>,
    middlewares: BTreeMap<&'a str, &'a Node<'a>>,
    /// Host names behind each service.
    backends: HashMap<&'a str, HashSet<&'a str>>,
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
    fn new(root: &'a Node<'a>, context: &'a TraefikContext) -> Self {
        let services: HashMap<_, _> = named(root, &["http", "services"]).collect();
        Self {
            context,
            routers: named(root, &["http", "routers"]).collect(),
            backends: services
                .keys()
                .map(|name| (*name, backends(&services, name, 0)))
                .collect(),
            services,
            middlewares: named(root, &["http", "middlewares"]).collect(),
            forward_auth: format!(
                "http://controller:{}/internal/forward-auth",
                context.ports.internal
            ),
        }
    }

    /// Whether a service leads to a host.
    fn leads_to(&self, service: &str, host: &str) -> bool {
        self.backends
            .get(service)
            .is_some_and(|hosts| hosts.contains(host))
    }

    /// One router: everything it names exists, and nothing public is open that
    /// should be guarded.
    fn router(&self, name: &str, findings: &mut Findings<'_>) {
        let Some(router) = self.routers.get(name) else {
            return;
        };
        let who = format!("the router `{name}`");
        require!(
            findings,
            !name.contains('@'),
            format!("{who} has `@` in its name"),
            "choose another name: Traefik takes what follows for a provider",
        );
        fields(router, &who, &ROUTER_FIELDS, findings);

        let rule = router.text_at(&["rule"]).unwrap_or_default();
        require!(
            findings,
            !rule.is_empty() && rule.matches('`').count().is_multiple_of(2),
            format!("{who} has no rule, or one with an odd number of backticks"),
            "write the rule and filter names with `| name` or `| host`",
        );
        require!(
            findings,
            !rule.contains('{'),
            format!("the rule of {who} has a `{{`: version 2 placeholders never match"),
            "write a regular expression in PathRegexp or HostRegexp",
        );

        let entries: Vec<&str> = router.texts("entryPoints").collect();
        require!(
            findings,
            !entries.is_empty(),
            format!("{who} names no entry point and would be reachable on all of them"),
            "write entryPoints",
        );
        for entry in &entries {
            require!(
                findings,
                self.is_entry(entry),
                format!("{who} names the entry point `{entry}`, which is not there"),
                "use `entry` for public routers and `traefik` for inner ones",
            );
        }
        let public = entries.iter().any(|entry| *entry != "traefik");
        require!(
            findings,
            (router.at(&["tls"]).is_some()) == (entries.contains(&"websecure")),
            format!("{who} has `tls` on an entry point without, or none where it is needed"),
            "write tls: {} if `tls.enabled`",
        );
        self.resolver(&who, router, findings);

        let service = router.text_at(&["service"]).unwrap_or_default();
        let inner = service.ends_with("@internal");
        require!(
            findings,
            inner || self.services.contains_key(service),
            format!("{who} names the service `{service}`, which is not there"),
            "define it under http.services",
        );
        require!(
            findings,
            !(inner && public),
            format!("{who} shows {service} to everybody"),
            "put it on the entry point `traefik` only",
        );

        let middlewares = self.chain(router, 0);
        for middleware in &middlewares {
            require!(
                findings,
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
        let to_ome = self.leads_to(service, "ome");
        if !to_ome && !self.leads_to(service, "mirotalk") {
            return;
        }
        let guarded = middlewares.iter().any(|name| {
            self.middlewares
                .get(name)
                .and_then(|each| each.text_at(&["forwardAuth", "address"]))
                == Some(&*self.forward_auth)
        });
        if !guarded {
            let whip = to_ome && rule.contains("/sk_") && !rule.contains("Method(`GET`)");
            require!(
                findings,
                whip,
                format!("{who} lets everybody in: no forward-auth stands before it"),
                "put `room-auth` among its middlewares",
            );
        } else if to_ome {
            let mut methods = arguments(rule, "Method(`").peekable();
            require!(
                findings,
                methods.peek().is_some()
                    && methods.all(|method| matches!(method, "GET" | "HEAD" | "OPTIONS")),
                format!("{who} lets a viewer's cookie publish"),
                "limit it to Method(`GET`) || Method(`HEAD`) || Method(`OPTIONS`)",
            );
        }
        for name in middlewares {
            let kinds = self.middlewares.get(name).copied();
            for (kind, _) in kinds.into_iter().flat_map(Node::entries) {
                require!(
                    findings,
                    !(to_ome
                        && matches!(
                            kind,
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

    fn resolver(&self, who: &str, router: &Node<'_>, findings: &mut Findings<'_>) {
        let Some(resolver) = router.text_at(&["tls", "certResolver"]) else {
            return;
        };
        require!(
            findings,
            resolver == RESOLVER && self.context.tls.acme.is_some(),
            format!("{who} names the certificate resolver `{resolver}`, which is not there"),
            "name `acme`, and only if `tls.acme`",
        );
        let ordered = self.context.tls.acme.as_ref().map(|acme| &*acme.ordered);
        let domains = router.at(&["tls", "domains"]).map_or(&[][..], Node::items);
        let names = domains.iter().flat_map(|domain| {
            domain
                .text_at(&["main"])
                .into_iter()
                .chain(domain.texts("sans"))
        });
        let mut count = 0;
        for name in names {
            count += 1;
            require!(
                findings,
                ordered.is_some_and(|hosts| hosts.iter().any(|host| host == name)),
                format!("{who} orders a certificate for `{name}`, which is not to be ordered now"),
                "order only what is in `tls.acme.ordered`",
            );
        }
        require!(
            findings,
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
    fn chain(&self, holder: &'a Node<'a>, depth: u8) -> Vec<&'a str> {
        let mut all = Vec::new();
        for name in holder.texts("middlewares") {
            all.push(name);
            let inner = self
                .middlewares
                .get(name)
                .and_then(|each| each.at(&["chain"]));
            if let Some(inner) = inner
                && depth < 8
            {
                all.extend(self.chain(inner, depth + 1));
            }
        }
        all
    }

    fn middleware(&self, name: &str, middleware: &Node<'_>, findings: &mut Findings<'_>) {
        let who = format!("the middleware `{name}`");
        let kinds = middleware.entries().count();
        require!(
            findings,
            kinds == 1,
            format!("{who} is not exactly one kind of middleware"),
            "give each kind its own name",
        );
        fields(middleware, &who, &MIDDLEWARES, findings);
        require!(
            findings,
            !name.contains('@'),
            format!("{who} has `@` in its name"),
            "choose another name: Traefik takes what follows for a provider",
        );
        if let Some(auth) = middleware.at(&["forwardAuth"]) {
            require!(
                findings,
                auth.text_at(&["address"]) == Some(&*self.forward_auth),
                format!("{who} asks somebody else than the controller"),
                format!("write address: {}", self.forward_auth),
            );
            require!(
                findings,
                auth.at(&["trustForwardHeader"]) == Some(&Node::Bool(false)),
                format!("{who} believes what a client says of its own host and path"),
                "write trustForwardHeader: false",
            );
            require!(
                findings,
                auth.at(&["maxResponseBodySize"])
                    .is_some_and(|size| matches!(size, Node::Whole(_))),
                format!("{who} has no maxResponseBodySize; every reload would log a warning"),
                "write maxResponseBodySize: 4096",
            );
        }
        if let Some(chain) = middleware.at(&["chain"]) {
            for inner in chain.texts("middlewares") {
                require!(
                    findings,
                    self.middlewares.contains_key(inner),
                    format!("{who} names `{inner}`, which is not there"),
                    "define it under http.middlewares",
                );
            }
        }
    }

    /// TCP and UDP: RTMPS only, which has to be there if it is wanted.
    fn tcp(&self, root: &Node<'_>, findings: &mut Findings<'_>) {
        let services: HashSet<&str> = named(root, &["tcp", "services"])
            .map(|(name, _)| name)
            .collect();
        let mut rtmps = false;
        for (name, router) in named(root, &["tcp", "routers"]) {
            let who = format!("the TCP router `{name}`");
            let service = router.text_at(&["service"]).unwrap_or_default();
            require!(
                findings,
                services.contains(service),
                format!("{who} names the service `{service}`, which is not there"),
                "define it under tcp.services",
            );
            let entries: Vec<&str> = router.texts("entryPoints").collect();
            require!(
                findings,
                self.context.ports.rtmps.is_some() && entries == ["rtmps"],
                format!("{who} is not on the entry point `rtmps` alone, or there is none"),
                "render it only if `ports.rtmps`, with entryPoints: [rtmps]",
            );
            require!(
                findings,
                router.at(&["tls"]).is_some(),
                format!("{who} has no tls"),
                "write tls: {}",
            );
            self.resolver(&who, router, findings);
            rtmps = true;
        }
        require!(
            findings,
            rtmps || self.context.ports.rtmps.is_none(),
            "there is no TCP router for RTMPS: its entry point would accept encoders and hang",
            BUILT_IN,
        );
        require!(
            findings,
            root.at(&["udp"]).is_none(),
            "there is a section `udp`: Traefik renumbers idle flows, which ends SRT and WebRTC",
            "remove it: these ports are published by OvenMediaEngine directly",
        );
    }

    /// The two routers by which the controller sees what is loaded.
    fn own_answers(&self, findings: &mut Findings<'_>) {
        let on_traefik = |service: &'static str| {
            self.routers.values().filter(move |router| {
                router.text_at(&["service"]) == Some(service)
                    && router.texts("entryPoints").eq(["traefik"])
            })
        };
        require!(
            findings,
            on_traefik("api@internal")
                .any(|router| router.text_at(&["rule"]) == Some("PathPrefix(`/api`)")),
            "the router to api@internal is missing on the entry point `traefik`",
            "keep `t-api`: the controller reads there which routers are broken",
        );
        let marked = on_traefik("ping@internal")
            .filter(|router| router.text_at(&["rule"]) == Some("Path(`/config-generation`)"))
            .any(|router| {
                router.texts("middlewares").any(|name| {
                    let path = ["headers", "customResponseHeaders", "X-Config-Generation"];
                    self.middlewares
                        .get(name)
                        .and_then(|each| each.text_at(&path))
                        == Some(GENERATION_PLACEHOLDER)
                })
            });
        require!(
            findings,
            marked,
            "no router answers /config-generation with the header X-Config-Generation",
            "keep `t-gen` and its middleware with `generation`: it is the only proof that this \
             file is in force",
        );
    }

    /// Every open room has its guarded router.
    fn rooms(&self, findings: &mut Findings<'_>) {
        // By what the rules match, so that a thousand rooms stay cheap.
        let by_path: HashMap<&str, &Node<'_>> = self
            .routers
            .values()
            .flat_map(|router| {
                let rule = router.text_at(&["rule"]).unwrap_or_default();
                arguments(rule, "PathRegexp(`").map(|path| (path, *router))
            })
            .collect();
        for room in &self.context.rooms {
            let path = format!("^/{}/{}(/|$)", room.profile, room.stream);
            let router = by_path.get(&*path);
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
                    .and_then(|each| each.at(&["ipAllowList"]))
                    .is_some_and(|list| {
                        list.texts("sourceRange")
                            .eq(room.allowed_addresses.iter().map(|a| &**a))
                    })
            });
            require!(
                findings,
                limited,
                format!("the room `{}` is not limited to its addresses", room.slug),
                "give its router an ipAllowList of `room.allowed_addresses`",
            );
        }
    }

    /// Pages and call are reachable.
    fn hosts(&self, findings: &mut Findings<'_>) {
        let mut ways = HashSet::new();
        for router in self.routers.values() {
            let service = router.text_at(&["service"]).unwrap_or_default();
            for host in arguments(router.text_at(&["rule"]).unwrap_or_default(), "Host(`") {
                let backends = self.backends.get(service).into_iter().flatten();
                ways.extend(backends.map(|backend| (host, *backend)));
            }
        }
        let hosts = &self.context.hosts;
        for (host, backend) in [
            (&hosts.live, "controller"),
            (&hosts.admin, "controller"),
            (&hosts.video, "mirotalk"),
            (&hosts.video, "controller"),
        ] {
            let found = ways.contains(&(&**host, backend));
            require!(
                findings,
                found,
                format!("no router leads from {host} to the {backend}"),
                BUILT_IN,
            );
        }
    }
}

/// Host names behind a service, those of services it spreads over included.
fn backends<'a>(
    services: &HashMap<&'a str, &'a Node<'a>>,
    service: &str,
    depth: u8,
) -> HashSet<&'a str> {
    let mut hosts = HashSet::new();
    let Some(service) = services.get(service) else {
        return hosts;
    };
    let servers = service
        .at(&["loadBalancer", "servers"])
        .map_or(&[][..], Node::items);
    for server in servers {
        let host = server
            .text_at(&["url"])
            .and_then(|url| url.split_once("://"))
            .and_then(|(_, rest)| rest.split([':', '/']).next());
        hosts.extend(host);
    }
    if depth < 8 {
        let inner = ["weighted", "mirroring", "failover", "highestRandomWeight"]
            .into_iter()
            .filter_map(|kind| service.at(&[kind]));
        for kind in inner {
            let direct = ["service", "fallback"]
                .into_iter()
                .filter_map(|key| kind.text_at(&[key]));
            let listed = ["services", "mirrors"]
                .into_iter()
                .flat_map(|key| kind.at(&[key]).map_or(&[][..], Node::items))
                .filter_map(|entry| entry.text_at(&["name"]));
            for name in direct.chain(listed) {
                hosts.extend(backends(services, name, depth + 1));
            }
        }
    }
    hosts
}

/// The arguments of a matcher in a rule.
fn arguments<'r>(rule: &'r str, matcher: &'static str) -> impl Iterator<Item = &'r str> {
    rule.split(matcher)
        .skip(1)
        .filter_map(|rest| rest.split('`').next())
}

/// Parses, and refuses what Go templates would take for theirs.
fn read<'t>(text: &'t str, findings: &mut Findings<'_>) -> Option<Node<'t>> {
    if let Some((before, _)) = text.split_once("{{") {
        let line = before.matches('\n').count();
        findings.add(
            format!(
                "line {} of the result has two opening braces, which Traefik runs as a Go template",
                line + 1
            ),
            "escape values with `| yaml`",
        );
        return None;
    }
    match yaml::parse(text) {
        Ok(node) if node.is_map() => Some(node),
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
fn sections(value: &Node<'_>, path: &str, known: &[&str], findings: &mut Findings<'_>) {
    if !value.is_map() {
        findings.add(
            format!("`{}` is not a map", path.trim_end_matches('.')),
            BUILT_IN,
        );
        return;
    };
    for (name, _) in value.entries() {
        require!(
            findings,
            known.contains(&name),
            format!("`{path}{name}` is no section Traefik knows"),
            format!("use one of {}", known.join(", ")),
        );
    }
}

fn fields(value: &Node<'_>, who: &str, known: &[&str], findings: &mut Findings<'_>) {
    if !value.is_map() {
        findings.add(format!("{who} is not a map"), BUILT_IN);
        return;
    };
    for (name, _) in value.entries() {
        require!(
            findings,
            known.contains(&name),
            format!("{who} has the field `{name}`, which blocks every later change"),
            format!("use one of {}", known.join(", ")),
        );
    }
}

/// Finds empty maps and nothings: they reject the whole configuration. Only
/// `tls` of a router may be empty.
fn empties<'n>(node: &'n Node<'_>, path: &mut Vec<&'n str>, findings: &mut Findings<'_>) {
    match node {
        Node::Map(map) => {
            let router_tls =
                path.len() == 4 && path.get(1) == Some(&"routers") && path.last() == Some(&"tls");
            require!(
                findings,
                !map.is_empty() || router_tls,
                format!(
                    "`{}` is an empty map; Traefik would refuse the whole file",
                    path.join(".")
                ),
                "leave the key out",
            );
            for (key, inner) in map {
                path.push(key);
                empties(inner, path, findings);
                path.pop();
            }
        }
        Node::List(items) => {
            path.push("[…]");
            for inner in items {
                empties(inner, path, findings);
            }
            path.pop();
        }
        Node::Null => findings.add(
            format!(
                "`{}` has no value; Traefik would refuse the whole file",
                path.join(".")
            ),
            "leave the key out",
        ),
        _ => {}
    }
}

/// The entries of a map at a path.
fn named<'a>(
    node: &'a Node<'a>,
    path: &[&str],
) -> impl Iterator<Item = (&'a str, &'a Node<'a>)> + use<'a> {
    node.at(path).into_iter().flat_map(Node::entries)
}
