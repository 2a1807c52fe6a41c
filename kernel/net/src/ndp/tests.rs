use super::host::Step;
use super::message::{self, Advertisement, PrefixInformation};
use super::*;
use crate::ip::{AddressFlags, InterfaceAddress, OwnAddress};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;
const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
const OTHER_ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 3);
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x5054, 0x00ff, 0xfe12, 0x3456);
const GLOBAL: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0x5054, 0x00ff, 0xfe12, 0x3456);

fn prefix(valid: u32, preferred: u32) -> PrefixInformation {
    PrefixInformation {
        prefix: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0),
        length: 64,
        is_on_link: true,
        is_for_addresses: true,
        valid,
        preferred,
    }
}

fn advertisement(lifetime: u32, prefixes: &[PrefixInformation]) -> Advertisement {
    Advertisement {
        lifetime,
        prefixes: prefixes.to_vec(),
        ..Advertisement::default()
    }
}

/// A host that has its link-local address.
fn settled() -> Host {
    let mut host = Host::new(true, MAC, 0);
    host.run(0);
    host.run(SECOND);
    host
}

fn own(host: &Host, address: Ipv6Addr) -> Option<OwnAddress> {
    let (addresses, _) = host.snapshot();
    addresses.into_iter().find(|own| own.at.address == IpAddr::V6(address))
}

fn gateways(host: &Host) -> Vec<IpAddr> {
    let (_, routes) = host.snapshot();
    routes.iter().filter_map(|route| route.gateway).collect()
}

#[test]
fn the_link_local_address_is_used_at_once_and_asked_for() {
    let mut host = Host::new(true, MAC, 0);
    assert_eq!(host.deadline(), 0);
    assert_eq!(
        host.run(0),
        [Step::Changed, Step::Probe(LINK_LOCAL), Step::SolicitRouters]
    );
    assert_eq!(host.link_local(), Some((LINK_LOCAL, false)));
    assert_eq!(host.deadline(), SECOND);
    assert_eq!(host.run(SECOND), [Step::Changed]);
    assert_eq!(host.link_local(), Some((LINK_LOCAL, true)));
    assert_eq!(host.deadline(), 4 * SECOND);
}

#[test]
fn routers_are_asked_for_less_and_less_often() {
    let mut host = settled();
    let mut asked = Vec::new();
    while asked.len() < 12 {
        let now = host.deadline();
        assert_eq!(host.run(now), [Step::SolicitRouters]);
        asked.push(now / SECOND);
    }
    assert_eq!(asked[..4], [4, 12, 28, 60]);
    assert_eq!(asked[11] - asked[10], 3600);
    host.advertised(ROUTER, &advertisement(60, &[]), 5 * SECOND);
    assert_eq!(host.deadline(), 65 * SECOND, "until the router goes");
}

#[test]
fn an_address_is_made_and_ages() {
    let mut host = settled();
    let now = 10 * SECOND;
    let steps = host.advertised(ROUTER, &advertisement(1800, &[prefix(7300, 100)]), now);
    let address = InterfaceAddress {
        address: GLOBAL.into(),
        prefix_length: 64,
    };
    assert_eq!(steps, [Step::Changed, Step::Probe(GLOBAL), Step::Ready(address)]);
    let flags = |host: &Host| own(host, GLOBAL).map(|own| own.flags);
    assert_eq!(flags(&host), Some(AddressFlags::TENTATIVE | AddressFlags::OPTIMISTIC));
    host.run(now + SECOND);
    assert_eq!(flags(&host), Some(AddressFlags::empty()));
    assert_eq!(host.deadline(), now + 100 * SECOND);
    assert_eq!(host.run(now + 100 * SECOND), [Step::Changed]);
    assert_eq!(flags(&host), Some(AddressFlags::DEPRECATED));
    host.run(now + 7299 * SECOND);
    assert!(own(&host, GLOBAL).is_some());
    host.run(now + 7300 * SECOND);
    assert!(own(&host, GLOBAL).is_none());
    assert!(gateways(&host).is_empty(), "the router is gone, too");
}

#[test]
fn no_advertisement_ends_an_address_soon() {
    let mut host = settled();
    host.advertised(ROUTER, &advertisement(1800, &[prefix(u32::MAX, u32::MAX)]), SECOND);
    assert!(own(&host, GLOBAL).is_some_and(|own| own.flags.contains(AddressFlags::PERMANENT)));
    host.advertised(ROUTER, &advertisement(1800, &[prefix(1, 1)]), SECOND);
    let hours = own(&host, GLOBAL).map(|own| own.valid_until);
    assert_eq!(hours, Some(7201 * SECOND), "two hours from then");
    host.advertised(ROUTER, &advertisement(1800, &[prefix(1, 0)]), 2 * SECOND);
    assert_eq!(own(&host, GLOBAL).map(|own| own.valid_until), hours, "and not put off");
    assert!(own(&host, GLOBAL).is_some_and(|own| own.is_deprecated()));
}

#[test]
fn an_address_that_somebody_else_has_is_not_used() {
    let mut host = Host::new(true, MAC, 0);
    host.run(0);
    assert_eq!(host.claimed(GLOBAL), []);
    assert_eq!(host.claimed(LINK_LOCAL), [Step::Changed, Step::Duplicate(LINK_LOCAL)]);
    assert_eq!(host.link_local(), None);
    host.run(SECOND);
    assert_eq!(host.link_local(), None, "for ever");
    assert_eq!(settled().claimed(LINK_LOCAL), [], "it is ours by now");
}

#[test]
fn the_preferred_router_is_used_until_it_is_lost() {
    let mut host = settled();
    host.advertised(ROUTER, &advertisement(1800, &[]), 0);
    let preferred = Advertisement {
        preference: 1,
        ..advertisement(1800, &[])
    };
    host.advertised(OTHER_ROUTER, &preferred, 0);
    assert_eq!(gateways(&host), [IpAddr::V6(OTHER_ROUTER), ROUTER.into()]);
    assert_eq!(host.lost(OTHER_ROUTER), [Step::Changed]);
    assert_eq!(host.router(), Some(ROUTER));
    assert_eq!(host.lost(LINK_LOCAL), []);
    host.advertised(ROUTER, &advertisement(0, &[]), 0);
    assert_eq!(
        gateways(&host),
        [IpAddr::V6(OTHER_ROUTER)],
        "a router that ends says so"
    );
}

#[test]
fn prefixes_that_are_none_make_no_addresses() {
    let mut host = settled();
    let not_for_addresses = PrefixInformation {
        is_for_addresses: false,
        ..prefix(1800, 1800)
    };
    let too_long = PrefixInformation {
        length: 65,
        ..prefix(1800, 1800)
    };
    let link_local = PrefixInformation {
        prefix: ROUTER,
        ..prefix(1800, 1800)
    };
    let preferred_beyond_its_end = prefix(10, 20);
    let over = prefix(0, 0);
    let all = [not_for_addresses, too_long, link_local, preferred_beyond_its_end, over];
    host.advertised(ROUTER, &advertisement(1800, &all), 0);
    assert_eq!(host.snapshot().0.len(), 1);
}

#[test]
fn name_servers_last_as_long_as_they_say() {
    let mut host = settled();
    let with = |servers: &[(Ipv6Addr, u32)]| Advertisement {
        name_servers: servers.to_vec(),
        ..advertisement(1800, &[])
    };
    let steps = host.advertised(ROUTER, &with(&[(ROUTER, 100), (GLOBAL, 200)]), 0);
    assert!(steps.contains(&Step::NameServers));
    assert_eq!(host.name_servers(), [ROUTER, GLOBAL]);
    assert_eq!(
        host.advertised(ROUTER, &with(&[(ROUTER, 150)]), 0),
        [],
        "the same once more"
    );
    assert_eq!(host.run(150 * SECOND), [Step::NameServers]);
    assert_eq!(host.name_servers(), [GLOBAL]);
    host.advertised(ROUTER, &with(&[(GLOBAL, 0)]), 0);
    assert!(host.name_servers().is_empty());
}

/// A router advertisement as QEMU's user network sends it, with its checksum left out.
const SLIRP: &[u8] = &[
    134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, // lifetime 1800
    1, 1, 0x52, 0x56, 0, 0, 0, 2, // hardware address
    3, 4, 64, 0xc0, 0, 1, 0x51, 0x80, 0, 0, 0x38, 0x40, 0, 0, 0, 0, // /64, valid 86400, preferred 14400
    0xfe, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // fec0::
    25, 3, 0, 0, 0, 0, 0x0e, 0x10, 0xfe, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, // fec0::3, 3600
];

fn parse(bytes: &[u8]) -> Option<(Advertisement, Option<[u8; 6]>)> {
    let message = Icmpv6Packet::new_checked(bytes).ok()?;
    let options = message::options(&message)?;
    let hardware = message::hardware_address(&options, NdiscOptionType::SourceLinkLayerAddr);
    Some((Advertisement::parse(&message, &options), hardware))
}

#[test]
fn an_advertisement_is_read() {
    let (advertisement, hardware) = parse(SLIRP).expect("sound");
    assert_eq!(hardware, Some([0x52, 0x56, 0, 0, 0, 2]));
    let expected = Advertisement {
        lifetime: 1800,
        hop_limit: 64,
        prefixes: Vec::from([PrefixInformation {
            prefix: Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0),
            length: 64,
            is_on_link: true,
            is_for_addresses: true,
            valid: 86400,
            preferred: 14400,
        }]),
        name_servers: Vec::from([(Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 3), 3600)]),
        ..Advertisement::default()
    };
    assert_eq!(advertisement, expected);
    let mut endless = SLIRP.to_vec();
    endless[17] = 0;
    assert_eq!(parse(&endless), None, "an option of no length");
    assert_eq!(parse(&SLIRP[..SLIRP.len() - 1]), None, "cut short");
}

proptest! {
    #[test]
    fn hostile_advertisements_take_little_memory(
        messages: Vec<(u8, Vec<(usize, u8)>, u64)>,
    ) {
        let mut host = settled();
        let mut now = SECOND;
        for (router, changes, later) in messages {
            let mut bytes = SLIRP.to_vec();
            for (at, value) in changes {
                let at = at % bytes.len();
                bytes[at] = value;
            }
            bytes[0] = 134;
            now += later % (3600 * SECOND);
            if let Some((advertisement, _)) = parse(&bytes) {
                host.advertised(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, router.into()), &advertisement, now);
            }
            host.run(now);
            prop_assert!(host.deadline() > now, "nothing is due for ever");
            let (addresses, routes) = host.snapshot();
            prop_assert!(addresses.len() <= 16 && routes.len() <= 1 + 16 + 8 && host.name_servers().len() <= 4);
        }
    }
}
