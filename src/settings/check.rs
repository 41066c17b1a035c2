//! Values one by one: from a part of the file to a checked value.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::yaml::Node;
use super::{Cidr, PortRange};

/// Why a value does not fit, beyond what its key expects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wrong {
    pub why: Option<String>,
    pub fix: Option<String>,
}

pub(super) type Checked<T> = Result<T, Wrong>;

impl Wrong {
    fn because(why: impl Into<String>) -> Self {
        Self {
            why: Some(why.into()),
            fix: None,
        }
    }

    fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

const NOT: Wrong = Wrong {
    why: None,
    fix: None,
};

/// Text that is not empty.
pub(super) fn text(node: &Node) -> Checked<&str> {
    match node {
        Node::Text(text) if !text.trim().is_empty() => Ok(text),
        Node::Int(_) | Node::Float(_) | Node::Bool(_) => Err(Wrong::because(
            "YAML reads this as a number or as true or false, not as text",
        )
        .fix(format!(
            "put it in quotes: \"{}\"",
            node.to_string().trim_matches('`')
        ))),
        _ => Err(NOT),
    }
}

/// One of several words.
pub(super) fn choice<T: Copy>(words: &[(&str, T)]) -> impl Fn(&Node) -> Checked<T> {
    move |node| {
        let given = match node {
            Node::Text(text) => text.as_str(),
            // `tls: off` is text in YAML 1.2, but people also write `false`.
            Node::Bool(false) => "off",
            _ => return Err(NOT),
        };
        words
            .iter()
            .find(|(word, _)| *word == given)
            .map(|(_, value)| *value)
            .ok_or_else(|| {
                words
                    .iter()
                    .map(|(word, _)| (super::keys::distance(&given.to_lowercase(), word), *word))
                    .min()
                    .filter(|(steps, _)| *steps <= 2)
                    .map_or(NOT, |(_, word)| Wrong {
                        why: None,
                        fix: Some(format!("write `{word}`, if that was meant")),
                    })
            })
    }
}

/// A whole number in a range.
pub(super) fn number(node: &Node, from: i128, to: i128) -> Checked<i128> {
    match node {
        Node::Int(value) if (from..=to).contains(value) => Ok(*value),
        Node::Text(text) => match text.trim().parse::<i128>() {
            Ok(value) if (from..=to).contains(&value) => Ok(value),
            _ => Err(NOT),
        },
        _ => Err(NOT),
    }
}

/// A port.
pub(super) fn port(node: &Node) -> Checked<u16> {
    number(node, 1, 65535).and_then(|port| u16::try_from(port).map_err(|_| NOT))
}

/// Something, or `off`.
pub(super) fn or_off<T>(
    node: &Node,
    check: impl FnOnce(&Node) -> Checked<T>,
) -> Checked<Option<T>> {
    match node {
        Node::Bool(false) => Ok(None),
        Node::Text(text) if text == "off" => Ok(None),
        node => check(node).map(Some),
    }
}

/// A port, or `off`.
pub(super) fn port_or_off(node: &Node) -> Checked<Option<u16>> {
    or_off(node, port)
}

/// A range of ports.
pub(super) fn port_range(node: &Node) -> Checked<PortRange> {
    let Node::Text(text) = node else {
        return port(node).map(|port| PortRange {
            first: port,
            last: port,
        });
    };
    let (first, last) = text.split_once(['-', ':']).unwrap_or((text, text));
    let side = |side: &str| port(&Node::Text(side.to_owned()));
    let range = PortRange {
        first: side(first)?,
        last: side(last)?,
    };
    if range.first > range.last {
        return Err(Wrong::because("the first port is above the last")
            .fix(format!("write `{}-{}`", range.last, range.first)));
    }
    if range.last - range.first >= 1000 {
        return Err(Wrong::because(
            "the engine runs one process for each published port: a range this long takes minutes to start",
        )
        .fix("a handful of ports is enough, since connections share them; keep below 1000"));
    }
    Ok(range)
}

/// A time with its unit, within limits.
pub(super) fn duration(from: Duration, to: Duration) -> impl Fn(&Node) -> Checked<Duration> {
    move |node| {
        let written = match node {
            Node::Text(text) => text.trim(),
            Node::Int(value) => {
                return Err(Wrong::because("a number alone does not say its unit")
                    .fix(format!("write `{value}s` if seconds are meant")));
            }
            _ => return Err(NOT),
        };
        let split = written
            .find(|letter: char| !letter.is_ascii_digit())
            .ok_or(NOT)?;
        let (digits, unit) = written.split_at(split);
        let amount: u64 = digits.parse().map_err(|_| NOT)?;
        let milliseconds = match unit.trim() {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            _ => return Err(NOT),
        };
        let value = Duration::from_millis(amount.checked_mul(milliseconds).ok_or(NOT)?);
        if value < from || value > to {
            return Err(Wrong::because(format!(
                "it has to be between `{}` and `{}`",
                spell(from),
                spell(to)
            ))
            .fix(format!("write `{}`", spell(value.clamp(from, to)))));
        }
        Ok(value)
    }
}

/// A duration as people write it.
fn spell(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    match milliseconds {
        0 => "0s".to_owned(),
        value if value % 3_600_000 == 0 => format!("{}h", value / 3_600_000),
        value if value % 60_000 == 0 => format!("{}m", value / 60_000),
        value if value % 1_000 == 0 => format!("{}s", value / 1_000),
        value => format!("{value}ms"),
    }
}

/// Bits per second, within limits.
pub(super) fn bitrate(from: u64, to: u64) -> impl Fn(&Node) -> Checked<u64> {
    move |node| {
        let value = match node {
            Node::Int(value) => u64::try_from(*value).map_err(|_| NOT)?,
            Node::Text(text) => {
                let text = text.trim();
                let (digits, factor) = match text.strip_suffix(['k', 'K']) {
                    Some(digits) => (digits, 1_000.0),
                    None => match text.strip_suffix(['M', 'm']) {
                        Some(digits) => (digits, 1_000_000.0),
                        None => (text, 1.0),
                    },
                };
                let plain = !digits.is_empty()
                    && digits
                        .chars()
                        .all(|letter| letter.is_ascii_digit() || letter == '.');
                let amount: f64 = match digits.parse() {
                    Ok(amount) if plain => amount,
                    _ => return Err(NOT),
                };
                // Saturates; the limits below are far smaller.
                (amount * factor).round() as u64
            }
            _ => return Err(NOT),
        };
        if (from..=to).contains(&value) {
            return Ok(value);
        }
        Err(Wrong::because(format!(
            "it has to be between {} and {} bits per second",
            rate(from),
            rate(to)
        ))
        .fix(format!("write `{}`", rate(value.clamp(from, to)))))
    }
}

fn rate(bits: u64) -> String {
    if bits.is_multiple_of(1_000_000) {
        format!("{}M", bits / 1_000_000)
    } else if bits.is_multiple_of(1_000) {
        format!("{}k", bits / 1_000)
    } else {
        bits.to_string()
    }
}

/// A host name in lower case: two labels at least.
pub(super) fn host(node: &Node) -> Checked<String> {
    let given = text(node)?.trim();
    if let Some((_, rest)) = given.split_once("://") {
        let name = rest.split(['/', ':']).next().unwrap_or(rest);
        return Err(Wrong::because("this is a whole address, not only a name")
            .fix(format!("write `{name}`; ports are set under `ports`")));
    }
    if let Some((name, port)) = given.rsplit_once(':')
        && port.parse::<u16>().is_ok()
        && !name.contains(':')
    {
        return Err(Wrong::because("a name has no port")
            .fix(format!("write `{name}` and set the port under `ports`")));
    }
    if given.parse::<IpAddr>().is_ok() {
        return Err(Wrong::because(
            "an address has no names below it, and the portal and the call need names of their own",
        )
        .fix("write a name that leads to this address; for this machine alone `colourstream.localhost` works as it is"));
    }
    let name = given.trim_end_matches('.').to_lowercase();
    if !name.is_ascii() {
        return Err(
            Wrong::because("letters beyond a-z travel in another spelling in DNS")
                .fix("write the name in its `xn--` spelling, which your registrar shows"),
        );
    }
    if name == "localhost" {
        return Err(Wrong::because(
            "browsers treat `video.localhost` as another site than `localhost` and keep the call's cookie from its frame",
        )
        .fix("write `colourstream.localhost`: it leads to this machine too, without any set-up"));
    }
    if let Some(letter) = name
        .chars()
        .find(|letter| !letter.is_ascii_alphanumeric() && !"-.".contains(*letter))
    {
        return Err(Wrong::because(if letter == '*' {
            "this is a pattern; the three names are known one by one".to_owned()
        } else {
            format!("`{letter}` cannot be part of a host name")
        })
        .fix("use a-z, 0-9, `-` and dots only"));
    }
    let wrong_label = name.split('.').find(|label| {
        label.is_empty() || label.len() > 63 || label.starts_with('-') || label.ends_with('-')
    });
    if let Some(label) = wrong_label {
        return Err(Wrong::because(match label {
            "" => "two dots stand side by side, or one stands first".to_owned(),
            label => format!(
                "its part {} is longer than 63 or begins or ends with `-`",
                super::yaml::quoted(label)
            ),
        })
        .fix("write a name such as `review.example.com`"));
    }
    if !name.contains('.') {
        return Err(Wrong::because(
            "browsers set no cookie for a whole top-level name, which the call's frame needs",
        )
        .fix(format!(
            "write a name with a dot, such as `{name}.example.com`, `{name}.lan` or `{name}.localhost`"
        )));
    }
    if name.len() > 200 {
        return Err(Wrong::because(
            "a host name has at most 253 letters, and names are made below this one",
        )
        .fix("use a name of at most 200 letters"));
    }
    let numeric_end = name
        .rsplit('.')
        .next()
        .is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    if numeric_end {
        return Err(Wrong::because("no top-level name consists of digits"));
    }
    Ok(name)
}

/// A mail address, as far as a typing mistake shows.
pub(super) fn email(node: &Node) -> Checked<String> {
    let given = text(node)?.trim();
    let (name, domain) = given.rsplit_once('@').ok_or(NOT)?;
    let odd =
        |letter: char| letter.is_whitespace() || letter.is_control() || "<>,;\"'`".contains(letter);
    if name.is_empty() || name.contains('@') || given.contains(odd) {
        return Err(NOT);
    }
    host(&Node::Text(domain.to_owned())).map_err(|_| NOT)?;
    Ok(given.to_owned())
}

/// A path; `~` is the shell's business, not ours.
pub(super) fn path(base: &Path) -> impl Fn(&Node) -> Checked<PathBuf> + '_ {
    move |node| {
        let given = text(node)?;
        if given.contains('\0') {
            return Err(Wrong::because("a path holds no zero byte"));
        }
        if given == "~" || given.starts_with("~/") {
            return Err(Wrong::because("`~` means something to a shell only")
                .fix("write the whole path, or one relative to the settings file"));
        }
        Ok(base.join(given.strip_prefix("./").unwrap_or(given)))
    }
}

/// An address that is announced.
pub(super) fn public_address(node: &Node) -> Checked<Option<String>> {
    let given = text(node)?.trim();
    if given == "auto" {
        return Ok(None);
    }
    if let Ok(address) = given
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>()
    {
        if address.is_unspecified() || address.is_multicast() {
            return Err(Wrong::because("nobody can connect to this address")
                .fix("write the address others reach this host at, or `auto`"));
        }
        return Ok(Some(address.to_string()));
    }
    host(node).map(Some)
}

/// An IP address.
pub(super) fn ip(node: &Node) -> Checked<IpAddr> {
    let given = text(node)?.trim();
    given.parse().map_err(|_| NOT)
}

/// The address of a DNS server, with its port if that is not 53.
pub(super) fn dns_server(node: &Node) -> Checked<SocketAddr> {
    let given = text(node)?.trim();
    let bare = given.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
    bare.or_else(|_| given.parse()).map_err(|_| NOT)
}

/// An address or a network.
pub(super) fn cidr(node: &Node) -> Checked<String> {
    let given = text(node)?.trim();
    let cidr: Cidr = given.parse().map_err(|_| NOT)?;
    if cidr.network() != cidr.address {
        return Err(Wrong::because(format!(
            "`{}` is an address inside of the network, not the network",
            cidr.address
        ))
        .fix(format!(
            "write `{}/{}`, or `{}` for the one address",
            cidr.network(),
            cidr.prefix,
            cidr.address
        )));
    }
    if cidr.prefix == 0 {
        return Err(Wrong::because(
            "this believes whatever anybody says about where they come from",
        )
        .fix("write the address of the proxy"));
    }
    Ok(cidr.to_string())
}

/// An image reference with an exact tag or a digest.
pub(super) fn image(node: &Node) -> Checked<String> {
    let given = text(node)?.trim();
    let (name, digest) = match given.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (given, None),
    };
    if let Some(digest) = digest {
        let exact = digest.strip_prefix("sha256:").is_some_and(|hex| {
            hex.len() == 64
                && hex
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        });
        if !exact {
            return Err(Wrong::because(
                "a digest is `sha256:` and 64 hexadecimal digits",
            ));
        }
    }
    // A colon before the last slash belongs to the registry's port.
    let last = name.rsplit('/').next().unwrap_or(name);
    let (repository, tag) = match last.split_once(':') {
        Some((_, tag)) => (
            name.strip_suffix(tag)
                .and_then(|name| name.strip_suffix(':'))
                .unwrap_or(name),
            Some(tag),
        ),
        None => (name, None),
    };
    let plain = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte)
            })
            && !part.starts_with(['.', '-', '_'])
            && !part.ends_with(['.', '-', '_'])
    };
    let mut parts: Vec<&str> = repository.split('/').collect();
    let registry = match parts.first() {
        Some(first) if parts.len() > 1 && (first.contains(['.', ':']) || *first == "localhost") => {
            Some(parts.remove(0))
        }
        _ => None,
    };
    let registry_fits = registry.is_none_or(|registry| {
        let (name, port) = registry.split_once(':').unwrap_or((registry, "443"));
        port.parse::<u16>().is_ok() && plain(&name.to_lowercase())
    });
    if !registry_fits || !parts.iter().all(|part| plain(part)) {
        return Err(Wrong::because(
            "a reference is `name:tag` or `registry/name:tag`, all but the tag in lower case",
        ));
    }
    let tag_fits = |tag: &str| {
        tag.len() <= 128
            && tag.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_')
            && tag
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    match tag {
        Some(tag) if !tag_fits(tag) => Err(Wrong::because(format!(
            "{} cannot be a tag",
            super::yaml::quoted(tag)
        ))),
        None if digest.is_none() => Err(Wrong::because(
            "without a tag the engine takes `latest`, which changes by itself",
        )),
        Some("latest") if digest.is_none() => Err(Wrong::because(
            "`latest` names another image every few weeks, and with it what runs here",
        )),
        _ => Ok(given.to_owned()),
    }
}

/// `[a-z][a-z0-9-]*`, not too long.
pub(super) fn name(longest: usize) -> impl Fn(&Node) -> Checked<String> {
    move |node| {
        let given = text(node)?;
        let fits = given.len() <= longest
            && given.starts_with(|letter: char| letter.is_ascii_lowercase())
            && !given.ends_with('-')
            && given
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if fits {
            return Ok(given.to_owned());
        }
        let mut offer: String = given
            .to_lowercase()
            .chars()
            .map(|letter| {
                if letter.is_ascii_alphanumeric() {
                    letter
                } else {
                    '-'
                }
            })
            .collect();
        offer = offer
            .trim_start_matches(|letter: char| !letter.is_ascii_lowercase())
            .chars()
            .take(longest)
            .collect();
        let offer = offer.trim_end_matches('-');
        if offer.is_empty() {
            return Err(NOT);
        }
        Err(Wrong {
            why: None,
            fix: Some(format!("write for example `{offer}`")),
        })
    }
}

/// A provider code of Traefik's (lego's) list.
pub(super) fn provider(node: &Node) -> Checked<String> {
    let given = text(node)?;
    let fits = given.len() <= 40
        && given.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte)
        });
    if fits { Ok(given.to_owned()) } else { Err(NOT) }
}

/// One line of text.
pub(super) fn line(longest: usize) -> impl Fn(&Node) -> Checked<String> {
    move |node| {
        let given = text(node)?.trim();
        if given.chars().count() > longest || given.chars().any(char::is_control) {
            return Err(NOT);
        }
        Ok(given.to_owned())
    }
}

/// Where an ACME authority has its directory.
pub(super) fn https_url(node: &Node) -> Checked<String> {
    let given = text(node)?.trim();
    let rest = given
        .strip_prefix("https://")
        .ok_or_else(|| Wrong::because("accounts and orders travel over TLS only"))?;
    let odd = |letter: char| {
        letter.is_whitespace() || letter.is_control() || "\"'`<>{}\\".contains(letter)
    };
    if rest.is_empty() || rest.starts_with('/') || given.contains(odd) {
        return Err(NOT);
    }
    Ok(given.to_owned())
}

/// `stun:host:port`, `turn:host:port`.
pub(super) fn ice_server(schemes: &'static [&'static str]) -> impl Fn(&Node) -> Checked<String> {
    move |node| {
        let given = text(node)?.trim();
        let (scheme, rest) = given.split_once(':').ok_or(NOT)?;
        if !schemes.contains(&scheme) {
            return Err(NOT);
        }
        let (server, transport) = rest.split_once('?').unwrap_or((rest, "transport=udp"));
        let (name, port) = match server.rsplit_once(':') {
            Some((name, port)) => (name, port),
            None => (server, "3478"),
        };
        let named = name.parse::<IpAddr>().is_ok()
            || name
                .strip_prefix('[')
                .and_then(|name| name.strip_suffix(']'))
                .is_some_and(|name| name.parse::<IpAddr>().is_ok())
            || host(&Node::Text(name.to_owned())).is_ok();
        let fits = named
            && port.parse::<u16>().is_ok_and(|port| port > 0)
            && matches!(transport, "transport=udp" | "transport=tcp");
        if fits { Ok(given.to_owned()) } else { Err(NOT) }
    }
}

/// Where the engine listens.
pub(super) fn engine_address(node: &Node) -> Checked<String> {
    let given = text(node)?.trim();
    if let Some(path) = given.strip_prefix("unix://") {
        return if path.starts_with('/') {
            Ok(given.to_owned())
        } else {
            Err(Wrong::because("the path of a socket is written whole")
                .fix("write three slashes: `unix:///var/run/docker.sock`"))
        };
    }
    if given.starts_with('/') {
        return Ok(format!("unix://{given}"));
    }
    if let Some(rest) = given.strip_prefix("tcp://") {
        let (name, port) = rest.rsplit_once(':').ok_or_else(|| {
            Wrong::because("the port is missing")
                .fix(format!("write `tcp://{}:2375`", rest.trim_end_matches('/')))
        })?;
        let name = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'))
            .unwrap_or(name);
        let letters = !name.is_empty()
            && name
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "-._:".contains(letter));
        return match port.parse::<u16>() {
            Ok(port) if port > 0 && letters => Ok(given.to_owned()),
            _ => Err(NOT),
        };
    }
    for (scheme, why) in [
        (
            "ssh://",
            "the services run beside the controller, whose folders they mount",
        ),
        (
            "https://",
            "the engine is reached through its socket, or through a filtering proxy in the same network",
        ),
        ("http://", "an engine without TLS is written `tcp://`"),
        ("npipe://", "this runs on Linux only"),
    ] {
        if given.starts_with(scheme) {
            return Err(Wrong::because(why));
        }
    }
    Err(NOT)
}

/// A filter of the log.
pub(super) fn log_level(node: &Node) -> Checked<String> {
    let given = match node {
        Node::Bool(false) => "off",
        node => text(node)?.trim(),
    };
    // The filter takes any single word for the name of a module.
    let words = ["off", "error", "warn", "info", "debug", "trace"];
    let fits = given.split(',').all(|part| {
        let level = part.rsplit('=').next().unwrap_or(part).trim();
        words.contains(&level.to_lowercase().as_str())
    });
    if fits && given.parse::<tracing_subscriber::EnvFilter>().is_ok() {
        Ok(given.to_owned())
    } else {
        Err(Wrong::because(
            "levels are `off`, `error`, `warn`, `info`, `debug` and `trace`",
        ))
    }
}
