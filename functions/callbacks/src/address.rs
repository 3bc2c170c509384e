//! Restricts callbacks to public unicast addresses. A tenant chooses a host name and the host's owner chooses its addresses,
//! and neither may reach the hub's own network.
//!
//! The ranges are those of the IANA special-purpose address registries (RFC 6890). IPv6 addresses that embed an IPv4 address
//! are rejected altogether: no public endpoint needs them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use platform::config::Mode;

/// IPv4 ranges that are never called: address and prefix length.
const CLOSED_4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),       // this network, unspecified
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // carrier-grade NAT; a cloud's metadata, too
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // link-local; metadata and credentials
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),     // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),     // reserved, broadcast
];

/// The IPv6 range of public unicast addresses. Outside this range are loopback, `::ffff:…`, NAT64
/// (64:ff9b::/96, 64:ff9b:1::/48), unique local (fc00::/7), link-local, site-local and multicast.
const OPEN_6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// Ranges within [`OPEN_6`] that are never called.
const CLOSED_6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments, Teredo
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// Whether a callback may be sent to this address. In [`Mode::Local`] loopback addresses are allowed, too.
#[must_use]
pub fn is_allowed(address: IpAddr, mode: Mode) -> bool {
    if mode == Mode::Local && address.is_loopback() {
        return true;
    }
    match address {
        IpAddr::V4(address) => !CLOSED_4.iter().any(|range| in_range_4(address, *range)),
        IpAddr::V6(address) => {
            in_range_6(address, OPEN_6) && !CLOSED_6.iter().any(|range| in_range_6(address, *range))
        }
    }
}

fn in_range_4(address: Ipv4Addr, (base, bits): (Ipv4Addr, u32)) -> bool {
    (u32::from(address) ^ u32::from(base)) >> (32 - bits) == 0
}

fn in_range_6(address: Ipv6Addr, (base, bits): (Ipv6Addr, u32)) -> bool {
    (u128::from(address) ^ u128::from(base)) >> (128 - bits) == 0
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

    #[test]
    fn row_40_no_closed_address_is_called() {
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
