//! Ports, and that no two keys take the same one.

use super::reader::{Read, Reader};
use crate::settings::check;
use crate::settings::yaml::Path;
use crate::settings::{Flavour, PortRange, Ports, Tls};

pub(super) fn ports(
    r: &Reader<'_>,
    local: bool,
    tls: Option<&Tls>,
    flavour: Option<Flavour>,
) -> Read<Ports> {
    let bind = r.given("ports.bind", check::ip);
    let http_bind = r.given("ports.http_bind", check::ip);
    let http = r.given("ports.http", check::port);
    let https = r.given("ports.https", check::port);
    let rtmp = r.value("ports.rtmp", check::port);
    let rtmps = r.value("ports.rtmps", check::port_or_off);
    let srt = r.value("ports.srt", check::port);
    let ice_udp = r.value("ports.ice_udp", check::port_range);
    let ice_tcp = r.value("ports.ice_tcp", check::port);
    let relay = r.value("ports.relay", check::port);
    let call = r.value("ports.call", check::port_range);
    let pages = r.value("ports.pages", check::port);
    let internal = r.value("ports.internal", check::port);
    // A default can only be in the way of what the operator chose if it is
    // known which default.
    let usual = |ours, public| if local { ours } else { public };
    let http = http.map(|port| port.unwrap_or(usual(8080, 80)));
    let https = https.map(|port| port.unwrap_or(usual(8443, 443)));
    let has_tls = !matches!(tls, Some(Tls::Off { .. }));
    let has_call = flavour != Some(Flavour::P2p);
    let one = |port: &Read<u16>| port.ok().map(PortRange::one);
    let rtmps_port = rtmps.ok().flatten();
    overlaps(
        r,
        &[
            ("http", TCP, one(&http)),
            ("https", BOTH, one(&https).filter(|_| has_tls)),
            ("rtmp", TCP, one(&rtmp)),
            ("rtmps", TCP, rtmps_port.map(PortRange::one)),
            ("srt", UDP, one(&srt)),
            ("ice_udp", UDP, ice_udp.ok()),
            ("ice_tcp", TCP, one(&ice_tcp)),
            ("relay", TCP, one(&relay)),
            ("call", BOTH, call.ok().filter(|_| has_call)),
            ("pages", TCP, one(&pages)),
            ("internal", TCP, one(&internal)),
        ],
    )?;
    if let (Some(port), false) = (rtmps_port, has_tls) {
        return Err(r.tell_value(
            &Path::keys("ports.rtmps"),
            format!("`ports.rtmps` is `{port}` while `tls.mode` is `off`"),
            "RTMP over TLS needs a certificate",
            "write `rtmps: off`, or another `tls.mode`",
        ));
    }
    Ok(Ports {
        bind: bind?,
        http_bind: http_bind?,
        http: http?,
        https: https?,
        rtmp: rtmp?,
        rtmps: rtmps?,
        srt: srt?,
        ice_udp: ice_udp?,
        ice_tcp: ice_tcp?,
        relay: relay?,
        call: call?,
        pages: pages?,
        internal: internal?,
    })
}

pub(super) const TCP: &[&str] = &["TCP"];
pub(super) const UDP: &[&str] = &["UDP"];
pub(super) const BOTH: &[&str] = &["TCP", "UDP"];

/// Tells of every two keys that take the same port of the same protocol.
pub(super) fn overlaps(r: &Reader<'_>, taken: &[(&str, &[&str], Option<PortRange>)]) -> Read<()> {
    let mut result = Ok(());
    for (index, (name, protocols, range)) in taken.iter().enumerate() {
        for (other, other_protocols, other_range) in taken.iter().skip(index + 1) {
            let shared = protocols
                .iter()
                .find(|protocol| other_protocols.contains(protocol));
            let (Some(protocol), Some(a), Some(b)) = (shared, range, other_range) else {
                continue;
            };
            let (first, last) = (a.first.max(b.first), a.last.min(b.last));
            if first > last {
                continue;
            }
            let both = if first == last {
                format!("port {first}")
            } else {
                format!("ports {first}-{last}")
            };
            // The one that was written is the one to look at.
            let other_is_given = r.is_given(&format!("ports.{other}"));
            let (mine, its) = if other_is_given || !r.is_given(&format!("ports.{name}")) {
                (other, name)
            } else {
                (name, other)
            };
            result = Err(r.tell_value(
                &Path::keys(&format!("ports.{mine}")),
                format!("`ports.{mine}` and `ports.{its}` both take {protocol} {both}"),
                format!("a {protocol} port of the host can be had once"),
                format!("give `ports.{mine}` another one"),
            ));
        }
    }
    result
}
