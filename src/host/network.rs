//! A subnet of our own that is in nobody's way.

use std::net::{IpAddr, Ipv4Addr};

use crate::model::Digest;
use crate::settings::Cidr;

/// Where candidates come from: a corner of the private networks that few use,
/// then others, since a VPN may claim one of them as a whole.
const POOLS: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::new(10, 83, 0, 0), 256),
    (Ipv4Addr::new(172, 29, 0, 0), 256),
    (Ipv4Addr::new(192, 168, 0, 0), 256),
    (Ipv4Addr::new(10, 0, 0, 0), 65536),
];

/// A `/24` and the host's address in it, away from all that is `taken`. The
/// same instance finds the same one again, two instances different ones.
/// `None` when every private network is taken.
pub fn choose_subnet(instance: &str, taken: &[Cidr]) -> Option<(Cidr, Ipv4Addr)> {
    // The default route leads everywhere and takes nothing.
    let taken: Vec<&Cidr> = taken.iter().filter(|cidr| cidr.prefix > 0).collect();
    let seed = Digest::of(instance).to_string();
    let start = seed
        .get(..4)
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        .unwrap_or_default();
    POOLS
        .iter()
        .flat_map(|(base, count)| {
            (0..*count).map(move |step| base.to_bits() + (((start + step) % count) << 8))
        })
        .map(|bits| Cidr {
            address: IpAddr::V4(Ipv4Addr::from_bits(bits)),
            prefix: 24,
        })
        .find(|candidate| !taken.iter().any(|cidr| cidr.overlaps(candidate)))
        .and_then(|cidr| match cidr.address {
            IpAddr::V4(address) => Some((cidr, Ipv4Addr::from_bits(address.to_bits() + 1))),
            IpAddr::V6(_) => None,
        })
}

/// The destinations in a file like `/proc/net/route`, the default route
/// included.
pub fn routes(text: &str) -> Vec<Cidr> {
    text.lines().skip(1).filter_map(route).collect()
}

fn route(line: &str) -> Option<Cidr> {
    let mut columns = line.split_whitespace().skip(1);
    let destination = columns.next()?;
    let mask = columns.nth(5)?;
    Some(Cidr {
        address: IpAddr::V4(Ipv4Addr::from(swapped(destination)?)),
        prefix: u8::try_from(u32::from_be_bytes(swapped(mask)?).count_ones()).ok()?,
    })
}

/// The kernel writes addresses as numbers of its own byte order.
fn swapped(hex: &str) -> Option<[u8; 4]> {
    u32::from_str_radix(hex, 16).ok().map(u32::to_ne_bytes)
}

/// The host's routes; reads `/proc/net/route`. None where it cannot be read.
pub fn read_routes() -> Vec<Cidr> {
    routes(&std::fs::read_to_string("/proc/net/route").unwrap_or_default())
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROUTES: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
";

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn routes_are_read() {
        let found: Vec<String> = routes(ROUTES).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["0.0.0.0/0", "172.17.0.0/16", "192.0.2.0/24"]);
        assert_eq!(routes("nonsense\nnonsense\n"), []);
    }

    #[test]
    fn an_instance_finds_its_subnet_again_and_another_finds_another() {
        let (first, gateway) = choose_subnet("colourstream", &routes(ROUTES)).unwrap();
        assert_eq!(choose_subnet("colourstream", &[]).unwrap().0, first);
        assert_ne!(choose_subnet("second", &[]).unwrap().0, first);
        assert!(cidr("10.83.0.0/16").overlaps(&first));
        assert!(first.contains(gateway.into()));
        assert_eq!(gateway.octets()[3], 1);
    }

    #[test]
    fn a_vpn_that_takes_a_whole_private_network_is_avoided() {
        let (chosen, _) = choose_subnet("colourstream", &[cidr("10.0.0.0/8")]).unwrap();
        assert!(cidr("172.29.0.0/16").overlaps(&chosen));
        let all = [
            cidr("10.0.0.0/8"),
            cidr("172.16.0.0/12"),
            cidr("192.168.0.0/16"),
        ];
        assert_eq!(choose_subnet("colourstream", &all), None);
    }

    proptest! {
        #[test]
        fn what_is_chosen_is_in_nobodys_way(
            instance in "[a-z-]{1,20}",
            taken in prop::collection::vec((any::<u32>(), 8u8..=32), 0..40),
        ) {
            let taken: Vec<Cidr> = taken.into_iter().map(|(bits, prefix)| Cidr {
                address: Ipv4Addr::from_bits(bits).into(),
                prefix,
            }).collect();
            if let Some((chosen, _)) = choose_subnet(&instance, &taken) {
                prop_assert!(!taken.iter().any(|cidr| cidr.overlaps(&chosen)));
            }
        }
    }
}
