//! The three names.

use super::reader::{Read, Reader};
use crate::settings::Hosts;
use crate::settings::check;
use crate::settings::yaml::Path;

pub(super) fn hosts(r: &Reader<'_>) -> Read<Hosts> {
    let live = r.given("hosts.live", check::host);
    let admin = r.given("hosts.admin", check::host);
    let video = r.given("hosts.video", check::host);
    let domain = match (&live, r.is_given("domain")) {
        // The names below follow the only name that is given.
        (Ok(Some(live)), false) => Ok(live.clone()),
        _ => r.value("domain", check::host),
    };
    let (domain, live, admin, video) = (domain?, live?, admin?, video?);
    let hosts = Hosts {
        live: live.unwrap_or_else(|| domain.clone()),
        admin: admin.unwrap_or_else(|| format!("admin.{domain}")),
        video: video.unwrap_or_else(|| format!("video.{domain}")),
    };
    let given = |keys: [&str; 3]| {
        let found = keys.into_iter().find(|key| r.is_given(key));
        Path::keys(found.unwrap_or("domain"))
    };
    for (one, other, keys) in [
        ("live", "admin", ["hosts.admin", "hosts.live", "domain"]),
        ("live", "video", ["hosts.video", "hosts.live", "domain"]),
        ("admin", "video", ["hosts.video", "hosts.admin", "domain"]),
    ] {
        let name = |which| match which {
            "live" => &hosts.live,
            "admin" => &hosts.admin,
            _ => &hosts.video,
        };
        if name(one) == name(other) {
            return Err(r.tell_value(
                &given(keys),
                format!("`hosts.{one}` and `hosts.{other}` are both `{}`", name(one)),
                "requests are told apart by the name alone",
                format!("give each its own name, such as `{other}.{domain}`"),
            ));
        }
    }
    if !is_same_site(&hosts.live, &hosts.video) {
        return Err(r.tell_value(
            &given(["hosts.video", "hosts.live", "domain"]),
            format!(
                "`hosts.video` ({}) and `hosts.live` ({}) belong to different sites",
                hosts.video, hosts.live
            ),
            "the call is a frame of the live page, and browsers keep cookies from the frames of other sites",
            format!("write a name below the same site, such as `video.{}`", hosts.live),
        ));
    }
    Ok(hosts)
}

/// Whether only a machine or a private network knows the name: no public
/// authority certifies it.
pub(in crate::settings) fn is_local(host: &str) -> bool {
    let top = host.rsplit('.').next().unwrap_or(host);
    host.ends_with(".home.arpa")
        || [
            "localhost",
            "local",
            "lan",
            "internal",
            "test",
            "example",
            "invalid",
            "home",
            "corp",
            "intranet",
            "private",
            "localdomain",
        ]
        .contains(&top)
}

/// Whether browsers take the two for one site, as far as can be told without
/// the list of public suffixes.
pub(super) fn is_same_site(one: &str, other: &str) -> bool {
    let shared: Vec<&str> = one
        .rsplit('.')
        .zip(other.rsplit('.'))
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a)
        .collect();
    let suffix = match shared.as_slice() {
        [top, second, ..]
            if top.len() == 2
                && ["ac", "co", "com", "edu", "gov", "ne", "net", "or", "org"].contains(second) =>
        {
            2
        }
        ["arpa", "home", ..]
        | ["org", "duckdns" | "dyndns", ..]
        | ["io", "github" | "gitlab", ..]
        | ["net", "ddns", ..] => 2,
        _ => 1,
    };
    shared.len() > suffix
}
