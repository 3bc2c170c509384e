//! Restricts callbacks to public unicast addresses. A tenant chooses a host name and the host's owner chooses its
//! addresses, and neither may reach the hub's own network.
//!
//! The ranges are those of the IANA special-purpose address registries (RFC 6890). IPv6 addresses that embed an IPv4
//! address are rejected altogether: no public endpoint needs them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use platform::config::Mode;

/// IPv4 ranges that are never called: address and prefix length.
const CLOSED_4: [Ipv4Net; 15] = [
    v4([0, 0, 0, 0], 8),       // this network, unspecified
    v4([10, 0, 0, 0], 8),      // private
    v4([100, 64, 0, 0], 10),   // carrier-grade NAT; the metadata address of a cloud, too
    v4([127, 0, 0, 0], 8),     // loopback
    v4([169, 254, 0, 0], 16),  // link-local; metadata and credentials
    v4([172, 16, 0, 0], 12),   // private
    v4([192, 0, 0, 0], 24),    // protocol assignments
    v4([192, 0, 2, 0], 24),    // documentation
    v4([192, 88, 99, 0], 24),  // 6to4 relays
    v4([192, 168, 0, 0], 16),  // private
    v4([198, 18, 0, 0], 15),   // benchmarks
    v4([198, 51, 100, 0], 24), // documentation
    v4([203, 0, 113, 0], 24),  // documentation
    v4([224, 0, 0, 0], 4),     // multicast
    v4([240, 0, 0, 0], 4),     // reserved, broadcast
];

/// The IPv6 range of public unicast addresses. Outside this range are loopback, `::ffff:…`, NAT64
/// (64:ff9b::/96, 64:ff9b:1::/48), unique local (fc00::/7), link-local, site-local and multicast.
const OPEN_6: Ipv6Net = v6([0x2000, 0], 3);
/// Ranges within [`OPEN_6`] that are never called.
const CLOSED_6: [Ipv6Net; 4] = [
    v6([0x2001, 0], 23),     // protocol assignments, Teredo
    v6([0x2001, 0xdb8], 32), // documentation
    v6([0x2002, 0], 16),     // 6to4
    v6([0x3fff, 0], 20),     // documentation
];

const fn v4([a, b, c, d]: [u8; 4], bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6([a, b]: [u16; 2], bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), bits)
}

/// Whether a callback may be sent to this address. In [`Mode::Local`] loopback addresses are allowed, too.
#[must_use]
pub fn is_allowed(address: IpAddr, mode: Mode) -> bool {
    if mode == Mode::Local && address.is_loopback() {
        return true;
    }
    match address {
        IpAddr::V4(address) => !CLOSED_4.iter().any(|range| range.contains(&address)),
        IpAddr::V6(address) => {
            OPEN_6.contains(&address) && !CLOSED_6.iter().any(|range| range.contains(&address))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First and last address of every closed range, and addresses that embed another.
    const CLOSED: [&str; 50] = [
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.0.0",
        "169.254.169.254",
        "169.254.170.2",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.0",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:8.8.8.8",
        "::ffff:0:8.8.8.8",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:a9fe:a9fe::1",
        "2002:7f00:1::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
    ];

    /// Row 40 of `tests/FAULTS.md`.
    #[test]
    fn reserved_and_private_addresses_are_refused() {
        for text in CLOSED.iter().chain(&["ff02::1", "4000::1", "e000::1"]) {
            let address: IpAddr = text.parse().expect("an address");
            assert!(!is_allowed(address, Mode::Live), "{text}");
            assert_eq!(is_allowed(address, Mode::Local), address.is_loopback(), "{text}");
        }
    }

    #[test]
    fn public_addresses_are_allowed() {
        let open = [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2400:3200::1",
            "2606:4700::1111",
            "2003::1",
        ];
        for text in open {
            assert!(is_allowed(text.parse().expect("an address"), Mode::Live), "{text}");
        }
    }
}
