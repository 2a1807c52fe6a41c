//! Which of our addresses a packet comes from (RFC 6724 section 5).

use core::net::{IpAddr, Ipv6Addr};

use super::route::OwnAddress;

/// The best source for `destination` among `addresses`.
pub(super) fn source_for<'a>(
    addresses: impl Iterator<Item = &'a OwnAddress>,
    destination: Ipv6Addr,
) -> Option<Ipv6Addr> {
    let candidate = |own: &OwnAddress| match own.at.address {
        IpAddr::V6(address) if own.is_usable() => Some((merit(address, own, destination), address)),
        _ => None,
    };
    // Of equals the first wins, which is the older.
    let better = |best: (Merit, Ipv6Addr), next: (Merit, Ipv6Addr)| if next.0 > best.0 { next } else { best };
    addresses
        .filter_map(candidate)
        .reduce(better)
        .map(|(_, address)| address)
}

/// The rules in their order, each a number that the better address has more of: rule 2 (twice), 3, 6, 8.
type Merit = (bool, i8, bool, bool, u32);

fn merit(address: Ipv6Addr, own: &OwnAddress, destination: Ipv6Addr) -> Merit {
    let (own_scope, wanted) = (scope(address), scope(destination));
    let reaches = own_scope >= wanted;
    let common = (address.to_bits() ^ destination.to_bits()).leading_zeros();
    (
        reaches,
        if reaches { -own_scope } else { own_scope },
        // RFC 4429 section 3.1 puts optimistic ones beside those that are deprecated.
        !own.is_deprecated() && !own.is_tentative(),
        label(address) == label(destination),
        common.min(u32::from(own.at.prefix_length)),
    )
}

/// How far an address reaches, as multicast addresses number it (RFC 4007, RFC 4291 section 2.7).
fn scope(address: Ipv6Addr) -> i8 {
    const LINK: i8 = 2;
    const SITE: i8 = 5;
    const GLOBAL: i8 = 14;
    let [first, second, ..] = address.octets();
    match (first, second) {
        (0xff, second) => (second & 0xf) as i8,
        (0xfe, 0x80..=0xbf) => LINK,
        (0xfe, 0xc0..=0xff) => SITE,
        _ => GLOBAL,
    }
}

/// The label of RFC 6724's default policy table, as far as it tells addresses of networks apart.
fn label(address: Ipv6Addr) -> u8 {
    match address.segments() {
        [0x2002, ..] => 2,
        [0x2001, 0, ..] => 5,
        [0xfc00..=0xfdff, ..] => 13,
        [0xfec0..=0xfeff, ..] => 11,
        [0x3ffe, ..] => 12,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip::{AddressFlags, InterfaceAddress};
    use alloc::vec::Vec;

    fn own(address: &str, flags: AddressFlags) -> OwnAddress {
        OwnAddress {
            flags,
            ..OwnAddress::permanent(InterfaceAddress {
                address: address.parse().expect("an address"),
                prefix_length: 64,
            })
        }
    }

    /// The examples of RFC 6724 section 10.1, as far as they concern one interface, and what else the rules say.
    #[test]
    fn the_source_suits_the_destination() {
        let none = AddressFlags::empty();
        type Candidates<'a> = &'a [(&'a str, AddressFlags)];
        let cases: &[(&str, Candidates<'_>, &str)] = &[
            (
                "2001:db8:1::1",
                &[("2001:db8:3::1", none), ("fe80::1", none)],
                "2001:db8:3::1",
            ),
            (
                "ff05::1",
                &[("2001:db8:3::1", none), ("fe80::1", none)],
                "2001:db8:3::1",
            ),
            ("fe80::1", &[("fe80::2", none), ("2001:db8:1::1", none)], "fe80::2"),
            ("ff02::1", &[("2001:db8:1::1", none), ("fe80::2", none)], "fe80::2"),
            (
                "2001:db8:1::1",
                &[("2001:db8:1::2", none), ("2001:db8:3::2", none)],
                "2001:db8:1::2",
            ),
            ("fd12::1", &[("2001:db8:1::2", none), ("fd99::2", none)], "fd99::2"),
            (
                "2002:c633:6401::1",
                &[("2002:c633:6401::d5e3:7953", none), ("2001:db8::2", none)],
                "2002:c633:6401::d5e3:7953",
            ),
            (
                "2001:db8:1::1",
                &[("2001:db8:1::2", AddressFlags::DEPRECATED), ("2001:db8:3::2", none)],
                "2001:db8:3::2",
            ),
            (
                "2001:db8:1::1",
                &[("2001:db8:1::2", AddressFlags::TENTATIVE), ("fe80::2", none)],
                "fe80::2",
            ),
        ];
        for (destination, candidates, expected) in cases {
            let candidates: Vec<_> = candidates.iter().map(|(address, flags)| own(address, *flags)).collect();
            let destination = destination.parse().expect("an address");
            let chosen = source_for(candidates.iter(), destination);
            assert_eq!(chosen, Some(expected.parse().expect("an address")), "to {destination}");
        }
        assert_eq!(source_for([].iter(), Ipv6Addr::LOCALHOST), None);
    }
}
