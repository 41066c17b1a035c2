//! Which address is announced to media clients. Nobody outside is asked: that
//! would tell a third party that this host exists.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use crate::model::{Issue, IssueCode, Severity};
use crate::settings::Settings;

/// What is announced, and what is uncertain about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Address or name; `None` when none can be known.
    pub address: Option<String>,
    /// What that means.
    pub issue: Option<Issue>,
}

/// The address to announce: the settings', else `source` (the address of the
/// default route) if others can reach it. In a container `source` is not the
/// host's address, and is worth nothing.
pub fn announce(settings: &Settings, source: Option<IpAddr>, in_container: bool) -> Announced {
    if let Some(address) = &settings.public_address {
        return Announced {
            address: Some(address.clone()),
            issue: None,
        };
    }
    let source = source.filter(|_| !in_container);
    if let Some(address) = source.filter(|address| is_public(*address)) {
        return Announced {
            address: Some(address.to_string()),
            issue: None,
        };
    }
    let unknown = |severity, what: &str, why: String, fix: String| {
        Some(Issue {
            code: IssueCode::PublicAddressUnknown,
            severity,
            role: None,
            subject: "public_address".to_owned(),
            what: what.to_owned(),
            why,
            fix,
        })
    };
    match (settings.is_local(), source) {
        (true, Some(address)) => Announced {
            address: Some(address.to_string()),
            issue: None,
        },
        (true, None) => Announced {
            address: Some(Ipv4Addr::LOCALHOST.to_string()),
            issue: unknown(
                Severity::Notice,
                "Picture and call work on this machine only.",
                "the controller cannot see this host's address on its network".to_owned(),
                "Set `public_address` to that address to let others in.".to_owned(),
            ),
        },
        (false, source) => Announced {
            address: None,
            issue: unknown(
                Severity::Warning,
                "The address to announce for picture and call is not known.",
                match source {
                    Some(address) => format!(
                        "this host's own address is {address}, which nobody outside can reach: it is behind NAT"
                    ),
                    None if in_container => {
                        "inside a container the host's address cannot be seen".to_owned()
                    }
                    None => "this host has no default route".to_owned(),
                },
                "Set `public_address` to the address that others reach this host at. Until then people outside see the pages, but picture and call may not connect.".to_owned(),
            ),
        },
    }
}

/// The address this host would send from to the world. No packet is sent.
pub fn default_source() -> Option<IpAddr> {
    // Any address that is not on a network of ours; documentation only.
    let far = SocketAddr::from((Ipv4Addr::new(203, 0, 113, 1), 9));
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(far).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified() && !address.is_loopback()).then_some(address)
}

/// Whether the whole internet can reach the address.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            !(a == 0
                || a >= 224
                || address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_documentation()
                || (a == 100 && (64..128).contains(&b))
                || (a, b, c) == (192, 0, 0)
                || (a == 198 && (18..20).contains(&b)))
        }
        IpAddr::V6(address) => {
            let [first, second, ..] = address.segments();
            (0x2000..0x4000).contains(&first) && (first, second) != (0x2001, 0x0db8)
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        crate::settings::parse(text, "x").unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_of_the_world_and_of_the_house() {
        for text in ["8.8.8.8", "100.63.0.1", "2a00::1", "::ffff:8.8.8.8"] {
            assert!(is_public(ip(text)), "{text}");
        }
        for text in [
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.1.1",
            "192.0.2.1",
            "198.18.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "240.0.0.1",
            "::1",
            "fe80::1",
            "fd00::1",
            "2001:db8::1",
        ] {
            assert!(!is_public(ip(text)), "{text}");
        }
    }

    #[test]
    fn settings_come_first() {
        let said = settings("domain: a.example.com\npublic_address: 192.168.1.4\n");
        assert_eq!(
            announce(&said, Some(ip("8.8.8.8")), false).address.unwrap(),
            "192.168.1.4"
        );
    }

    #[test]
    fn a_public_source_is_announced_and_a_private_one_only_at_home() {
        let public = settings("domain: a.example.com\n");
        let home = settings("");
        let found = announce(&public, Some(ip("8.8.8.8")), false);
        assert_eq!(
            (found.address.as_deref(), found.issue),
            (Some("8.8.8.8"), None)
        );

        let found = announce(&public, Some(ip("192.168.1.4")), false);
        assert_eq!(found.address, None);
        assert!(found.issue.unwrap().why.contains("NAT"));

        let found = announce(&home, Some(ip("192.168.1.4")), false);
        assert_eq!(
            (found.address.as_deref(), found.issue),
            (Some("192.168.1.4"), None)
        );
    }

    #[test]
    fn in_a_container_the_source_is_not_the_hosts() {
        let found = announce(
            &settings("domain: a.example.com\n"),
            Some(ip("8.8.8.8")),
            true,
        );
        assert_eq!(found.address, None);
        assert!(found.issue.unwrap().why.contains("container"));

        let found = announce(&settings(""), Some(ip("172.17.0.2")), true);
        assert_eq!(found.address.as_deref(), Some("127.0.0.1"));
        assert_eq!(found.issue.unwrap().severity, Severity::Notice);
    }
}
