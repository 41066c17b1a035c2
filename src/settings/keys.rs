//! Every key of `colourstream.yaml`, once. The parser knows a key only from
//! this table, takes fixed defaults from it, and messages and
//! `docs/settings.md` quote it: so they cannot drift apart.

use super::yaml::Path;

/// One key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// Path with `[]` for each item of a list and `*` for names of the
    /// operator's own.
    pub path: &'static str,
    /// What it takes, as a noun: "a port from 1 to 65535".
    pub expects: &'static str,
    /// What it is when left out.
    pub default: Default,
    /// A value that a message can offer.
    pub example: &'static str,
    /// What it means to the operator.
    pub meaning: &'static str,
}

/// What a key is when left out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Default {
    /// This value, written as in the file.
    Value(&'static str),
    /// It depends; told in words.
    Words(&'static str),
    /// A group of further keys.
    Group,
}

use self::Default::{Group, Value, Words};

const fn key(
    path: &'static str,
    expects: &'static str,
    default: Default,
    example: &'static str,
    meaning: &'static str,
) -> Key {
    Key {
        path,
        expects,
        default,
        example,
        meaning,
    }
}

const fn group(path: &'static str, meaning: &'static str) -> Key {
    key(path, "a group of keys", Group, "", meaning)
}

const PORT: &str = "a port from 1 to 65535";
const RANGE: &str = "a range of ports such as `10000-10003`, or one port";
const HOST: &str = "a host name";
const IMAGE: &str = "an image with an exact tag";
const FILE: &str = "the path of a file";
const BITRATE: &str = "bits per second, such as `128k` or `4M`";

/// The table, in the order of the document.
#[rustfmt::skip] // One key, one line of each: a table reads best as a table.
pub(super) const KEYS: &[Key] = &[
    key("domain", HOST, Value("colourstream.localhost"), "review.example.com",
        "The name people open. The live page and all media are on it; the portal and the call are on names below it. \
         A name that only this machine or network knows (`….localhost`, `….local`, `….lan`, `….internal`, `….test`, `….home.arpa`) \
         makes a local set-up: own authority, ports 8080 and 8443."),

    group("hosts", "The three names one by one, where they do not follow from `domain`."),
    key("hosts.live", HOST, Words("`domain`"), "review.example.com",
        "Live page and media."),
    key("hosts.admin", HOST, Words("`admin.` below the domain"), "admin.review.example.com",
        "Admin portal."),
    key("hosts.video", HOST, Words("`video.` below the domain"), "video.review.example.com",
        "The call. It is shown in a frame of the live page, so both names must belong to one site."),

    group("tls", "Certificates. `tls: local-ca` is short for `tls: {mode: local-ca}`."),
    key("tls.mode", "one of `acme`, `files`, `local-ca`, `off`",
        Words("`files` when `tls.certificate` is given, else `acme` for a public domain and `local-ca` for a local one"), "acme",
        "Where certificates come from: an ACME authority such as Let's Encrypt; files of your own; \
         an authority that the controller makes for this installation; or none, because another proxy in front ends TLS."),
    key("tls.email", "a mail address", Words("none"), "ops@example.com",
        "`acme`: address of the account at the authority."),
    key("tls.challenge", "one of `http`, `tls-alpn`, `dns`",
        Words("`dns` when `tls.dns` is given, else `http`"), "http",
        "`acme`: how the authority checks the names: over port 80, over port 443, or by records in your DNS (works without any open port)."),
    key("tls.ca_server", "an address that begins with `https://`", Words("Let's Encrypt"), "https://acme-staging-v02.api.letsencrypt.org/directory",
        "`acme`: directory of another authority."),
    key("tls.ca_certificate", FILE, Words("the usual public roots"), "./authority.pem",
        "`acme`: root certificate (PEM) of a private authority."),
    key("tls.resolvers", "a list of DNS servers such as `[192.0.2.53, '192.0.2.54:5353']`", Value("[]"), "[192.0.2.53]",
        "`acme`: DNS servers that know the names as the authority does; asked before an order, and by Traefik for `challenge: dns`. \
         None: this host's own, and no name is held back for what those say of a private authority's names."),
    key("tls.resolvers[]", "the address of a DNS server, with a port where it is not 53", Words("none"), "192.0.2.53", "One of them."),
    group("tls.dns", "`acme` with `challenge: dns`."),
    key("tls.dns.provider", "a provider code of Traefik's list, such as `cloudflare`", Words("none; needed for `challenge: dns`"), "cloudflare",
        "Who serves your DNS."),
    key("tls.dns.wait", "a time from `1s` to `10m`", Words("until the DNS servers show the record"), "60s",
        "Wait this long after a record was written and then let the authority look, instead of asking the DNS servers of the domain, which a private network may hide."),
    group("tls.dns.secrets", "What the provider asks for, by the names of its variables. Each is the path of a file that holds the value, so that no secret stands here."),
    key("tls.dns.secrets.*", FILE, Words("none"), "./secrets/dns-token",
        "File that holds the value of one variable, such as `CF_DNS_API_TOKEN`."),
    key("tls.certificate", FILE, Words("none; needed for `mode: files`"), "./certificate.pem",
        "`files`: certificate for the three names (PEM), leaf first, then the chain. A changed file is taken up by itself."),
    key("tls.key", FILE, Words("none; needed for `mode: files`"), "./key.pem",
        "`files`: its private key (PEM)."),
    key("tls.public_scheme", "one of `https`, `http`", Words("`https` for a public domain, `http` for a local one"), "https",
        "`off`: what people see in front of the other proxy. Browsers give camera and microphone to `https` only (and to `….localhost`)."),

    key("public_address", "`auto`, an IP address or a host name", Value("auto"), "203.0.113.7",
        "Address that is announced to encoders, viewers and callers for media that does not pass Traefik, and that names are compared with before a certificate is ordered. \
         `auto` takes the address of the default route if it is a public one. A controller in a container does not see it, and behind NAT it is another: there it has to be given."),

    group("images", "Images of the three services. Exact tags only: an image that changes under its name would replace a running service."),
    key("images.traefik", IMAGE, Value("traefik:v3.7.15"), "traefik:v3.7.15", "Traefik."),
    key("images.ovenmediaengine", IMAGE, Value("airensoft/ovenmediaengine:v0.21.0"), "airensoft/ovenmediaengine:v0.21.0", "OvenMediaEngine."),
    key("images.mirotalk", IMAGE, Words("`mirotalk/sfu:2.3.77`, or `mirotalk/p2p:1.9.11` for `flavour: p2p`"), "mirotalk/sfu:2.3.77", "MiroTalk."),

    group("ports", "Ports on the host. Media ports are the same inside and outside of the containers. `colourstream doctor` says who holds them."),
    key("ports.bind", "an IP address of this host", Words("every address"), "203.0.113.7",
        "Address the published ports are bound to."),
    key("ports.http_bind", "an IP address of this host", Words("as `ports.bind`"), "192.0.2.11",
        "Address that `ports.http` alone is bound to. Behind another proxy the one that the proxy comes to: what Docker publishes elsewhere passes most firewalls of the host."),
    key("ports.http", PORT, Words("80, or 8080 for a local domain"), "80", "HTTP: leads over to HTTPS and answers the ACME challenge (TCP)."),
    key("ports.https", PORT, Words("443, or 8443 for a local domain"), "443", "HTTPS (TCP) and HTTP/3 (UDP)."),
    key("ports.rtmp", PORT, Value("1935"), "1935", "RTMP from encoders (TCP)."),
    key("ports.rtmps", "a port from 1 to 65535, or `off`", Value("off"), "1936", "RTMP over TLS from encoders, through Traefik (TCP)."),
    key("ports.srt", PORT, Value("9999"), "9999", "SRT from encoders (UDP)."),
    key("ports.ice_udp", RANGE, Value("10000-10003"), "10000-10003", "WebRTC media of the picture (UDP)."),
    key("ports.ice_tcp", PORT, Value("10000"), "10000", "WebRTC media of the picture where UDP does not pass (TCP)."),
    key("ports.relay", PORT, Value("3478"), "3478", "Relay of the picture for strict networks (TURN over TCP)."),
    key("ports.call", RANGE, Value("40000-40001"), "40000-40001", "Media of the call, flavour `sfu` (UDP and TCP)."),
    key("ports.pages", PORT, Value("8000"), "8000", "The controller's pages for Traefik (TCP). Never published; matters only when the controller runs on the host itself."),
    key("ports.internal", PORT, Value("8001"), "8001", "The controller's hooks, forward-auth and metrics for the services (TCP). Never published."),

    group("conference", "The call. `conference: p2p` is short for `conference: {flavour: p2p}`."),
    key("conference.flavour", "one of `sfu`, `p2p`", Value("sfu"), "sfu",
        "Which MiroTalk: `sfu` carries media through the server and suits more than a few people; `p2p` carries it between the browsers, for about four."),
    key("conference.max_participants", "a number from 2 to 100", Words("12, or 4 for `p2p`"), "12", "Most people in one call."),
    key("conference.stun", "an address such as `stun:stun.example.com:3478`", Words("none"), "stun:stun.example.com:3478", "`p2p`: STUN server."),
    group("conference.turn", "`p2p`: TURN server of your own, for people behind strict networks."),
    key("conference.turn.url", "an address such as `turn:turn.example.com:3478`", Words("none; needed for `turn`"), "turn:turn.example.com:3478", "Its address."),
    key("conference.turn.username", "a name", Words("none; needed for `turn`"), "colourstream", "User name."),
    key("conference.turn.credential_file", FILE, Words("none; needed for `turn`"), "./secrets/turn", "File that holds the password."),

    key("profiles", "a list of names or of groups of keys", Value("[live]"), "[live]",
        "Ways to carry a stream. Each is an application of OvenMediaEngine: changing the list restarts it, so it waits until nobody has been live for a minute. \
         `- live` is short for `- name: live`."),
    key("profiles[]", "a name, or a group of keys", Words("none"), "live", "One profile."),
    key("profiles[].name", "a name of a-z, 0-9 and `-`, at most 32 long, that begins with a letter", Words("none; needed"), "live",
        "Name, and first part of media addresses. Rooms cannot be called the same."),
    key("profiles[].title", "text of one line, at most 80 long", Words("the name with a capital"), "Live", "What people read."),
    key("profiles[].min_bitrate", BITRATE, Words("none"), "2M", "Say so when an encoder sends less than this."),
    key("profiles[].chunk", "a time from `100ms` to `5s`", Value("500ms"), "500ms", "LLHLS: length of a part. Shorter is quicker and costs more requests."),
    key("profiles[].segment", "a time of whole seconds from `1s` to `10s`", Value("1s"), "1s", "LLHLS: length of a segment; at least the encoder's key frame interval."),
    key("profiles[].audio_bitrate", BITRATE, Value("128k"), "128k", "Bitrate of the sound for WebRTC (Opus), from `16k` to `510k`."),

    group("engine", "The container engine. `engine: unix:///run/user/1000/docker.sock` is short for `engine: {address: …}`."),
    key("engine.address", "`unix:///path/of/the/socket` or `tcp://host:port`", Value("unix:///var/run/docker.sock"), "unix:///var/run/docker.sock", "Where it listens."),
    key("engine.timeout", "a time from `1s` to `10m`", Value("60s"), "60s", "How long one answer may take."),
    key("engine.logins", FILE, Words("none"), "./registry-login.json",
        "Logins of private registries that images are pulled from, in the form `docker login` writes to `~/.docker/config.json`. Read at each pull."),

    key("instance", "a name of a-z, 0-9 and `-`, at most 30 long, that begins with a letter", Value("colourstream"), "colourstream",
        "Name of this installation on the host, and prefix of its containers and its network. Give each its own if there are several."),
    key("state", "the path of a folder", Value("./state"), "./state", "Folder of everything that is kept: rooms, secrets, certificates, rendered configuration, backups."),
    group("backup", "Backups that are made by themselves (docs/backup.md). `backup: off` is short for `backup: {every: off}`."),
    key("backup.every", "a time from `1m` to `720h`, or `off`", Value("24h"), "24h", "Time between two backups. Each is read back whole before the oldest goes."),
    key("backup.keep", "a number from 1 to 1000", Value("7"), "7", "How many of them are kept. Those made by hand and before an upgrade are not counted and stay."),
    key("backup.folder", "the path of a folder", Words("`backups` in the state folder"), "/mnt/backups", "Where they go; another disk survives the loss of this one."),
    key("backup.passphrase_file", FILE, Words("none; backups are readable for the controller's user alone"), "./secrets/backup", "File that holds a passphrase: then every backup is sealed with it. Without it nobody can open them, so keep it elsewhere as well."),
    key("templates", "the path of a folder", Words("none"), "./templates", "Folder whose templates replace the built-in ones of the same name. A changed file is taken up by itself."),

    group("reconcile", "How differences between what should run and what runs are treated. `reconcile: report` is short for `reconcile: {mode: report}`."),
    key("reconcile.mode", "one of `heal`, `report`, `paused`", Value("heal"), "heal", "Mend differences, only show them, or look at nothing until told."),
    key("reconcile.sweep", "a time from `1s` to `1h`", Value("30s"), "30s", "Time between two full looks; changes that the engine tells of are taken up at once."),

    key("trusted_proxies", "a list of addresses or networks such as `10.0.0.0/8`", Value("[]"), "[10.0.0.0/8]",
        "Proxies in front of Traefik whose word about a visitor's address is believed."),
    key("trusted_proxies[]", "an address or a network such as `10.0.0.0/8`", Words("none"), "10.0.0.0/8", "One of them."),

    group("log", "Log of the controller itself. `log: debug` is short for `log: {level: debug}`."),
    key("log.level", "a level or filter such as `info` or `colourstream=debug,warn`", Value("info"), "info", "What is logged."),
    key("log.format", "one of `text`, `json`", Value("text"), "text", "Lines for people, or one JSON object a line."),
];

/// Sections that may be written as the one value that people mean most.
pub(super) const SHORT: &[(&str, &str)] = &[
    ("tls", "mode"),
    ("conference", "flavour"),
    ("engine", "address"),
    ("reconcile", "mode"),
    ("backup", "every"),
    ("log", "level"),
];

/// Environment variables that set a key, for a start without a file.
pub(super) const VARIABLES: &[(&str, &str)] = &[
    ("COLOURSTREAM_DOMAIN", "domain"),
    ("COLOURSTREAM_INSTANCE", "instance"),
    ("COLOURSTREAM_STATE", "state"),
    ("COLOURSTREAM_EMAIL", "tls.email"),
    ("COLOURSTREAM_ENGINE", "engine.address"),
    ("COLOURSTREAM_PUBLIC_ADDRESS", "public_address"),
];

/// The entry for a path.
pub(super) fn find(path: &Path) -> Option<&'static Key> {
    let wanted = path.pattern();
    KEYS.iter().find(|key| {
        key.path == wanted
            || key.path.strip_suffix('*').is_some_and(|above| {
                wanted
                    .strip_prefix(above)
                    .is_some_and(|name| !name.is_empty() && !name.contains('.'))
            })
    })
}

/// The names known directly below a path; empty for what takes a value.
pub(super) fn below(path: &Path) -> Vec<&'static str> {
    let above = path.pattern();
    KEYS.iter()
        .filter_map(|key| {
            if above.is_empty() {
                Some(key.path)
            } else {
                key.path.strip_prefix(&above)?.strip_prefix('.')
            }
        })
        .filter(|rest| !rest.contains(['.', '[']))
        .collect()
}

/// The known key that was probably meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Nearest {
    /// A similar name at the same place, as a full path.
    Here(String),
    /// The right name in a wrong place: its section, and the key in it.
    Below(&'static str, &'static str),
}

/// The known key that was probably meant by `name` below `path`.
pub(super) fn nearest(path: &Path, name: &str) -> Option<Nearest> {
    let near = |candidate: &str| {
        let steps = distance(&name.to_lowercase().replace('-', "_"), candidate);
        (steps <= (candidate.len() / 3).max(1)).then_some(steps)
    };
    let here = below(path)
        .into_iter()
        .filter(|known| *known != "*")
        .filter_map(|known| Some((near(known)?, path.key(known).to_string())))
        .min();
    here.map(|(_, path)| Nearest::Here(path)).or_else(|| {
        KEYS.iter()
            .filter(|key| !key.path.contains(['[', '*']))
            .filter_map(|key| Some((key.path, key.path.rsplit_once('.')?)))
            .find(|(path, (_, leaf))| *path == name || *leaf == name)
            .map(|(_, (section, leaf))| Nearest::Below(section, leaf))
    })
}

/// Number of letters to add, drop, replace or swap to get from one to the
/// other.
pub(super) fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) =
        (from.chars().take(64).collect(), to.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let at =
                |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&last, j) + usize::from(a != b))
                .min(at(&last, j + 1) + 1)
                .min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && from.get(i - 1) == Some(b) && to.get(j - 1) == Some(a);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

/// The reference for operators, as it stands in `docs/settings.md`.
pub fn reference() -> String {
    use std::fmt::Write as _;

    let mut page = String::from(
        "# Settings\n\n\
         <!-- Made from src/settings/keys.rs by `UPDATE=1 cargo test --workspace --lib settings::`; do not edit. -->\n\n\
         `colourstream.yaml` says everything an operator can say; `--config FILE` or `COLOURSTREAM_CONFIG` says where it is. Every key can be left out, and so can the file: \
         then a local set-up runs on `colourstream.localhost`. A host that others reach wants at least `domain`. \
         In a container the commands named here are `docker exec colourstream-controller /colourstream doctor` and so on.\n\n\
         A key that is not listed here, or a value that does not fit, is refused with its line and what was expected; \
         the controller goes on with the last good settings, over a restart too. Paths are relative to the file's folder. \
         A changed file is taken up by itself.\n",
    );
    let mut section = None;
    for key in KEYS {
        let top = key.path.split(['.', '[']).next().unwrap_or(key.path);
        if section != Some(top) {
            section = Some(top);
            let _ = write!(page, "\n## {top}\n\n");
            let _ = writeln!(page, "{}", key.meaning);
            let has_more = KEYS.iter().filter(|other| is_in(other.path, top)).count() > 1;
            if !matches!(key.default, Group) {
                let _ = write!(
                    page,
                    "\nTakes {}; default {}.\n",
                    key.expects,
                    default_text(key)
                );
            }
            if has_more {
                page.push_str("\n| key | takes | default | meaning |\n|---|---|---|---|\n");
            }
            continue;
        }
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            key.path,
            key.expects,
            default_text(key),
            key.meaning
        );
    }
    page.push_str(
        "\n## Without a file\n\n\
         These variables set a key for a start with one command. They are stronger than the file; \
         options of the command line are stronger still. Their paths are relative to the working folder. \
         Any other `COLOURSTREAM_…` but `COLOURSTREAM_CONFIG` sets nothing, which the log says at the start.\n\n\
         | variable | key |\n|---|---|\n",
    );
    for (variable, key) in VARIABLES {
        let _ = writeln!(page, "| `{variable}` | `{key}` |");
    }
    page
}

fn is_in(path: &str, top: &str) -> bool {
    path.split(['.', '[']).next() == Some(top)
}

fn default_text(key: &Key) -> String {
    match key.default {
        Value(value) => format!("`{value}`"),
        Words(words) => words.to_owned(),
        Group => String::new(),
    }
}
