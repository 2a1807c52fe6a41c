//! Messages of Neighbor Discovery (RFC 4861 section 4): what is read of routers' and written to neighbours.

use alloc::vec::Vec;
use core::net::Ipv6Addr;

use smoltcp::wire::{
    EthernetAddress, Icmpv6Message, Icmpv6Packet, NdiscNeighborFlags, NdiscOption, NdiscOptionType,
    NdiscPrefixInfoFlags, NdiscRouterFlags,
};

use crate::header::Header;

/// Where the checksum of `ICMPv6` stands.
pub(super) const CHECKSUM_AT: u16 = 2;
/// Recursive name servers (RFC 8106 section 5.1).
const NAME_SERVERS: u8 = 25;

type Message<'a> = Icmpv6Packet<&'a [u8]>;

/// The options of a message; none when one of them is malformed, and the message to be dropped.
pub(super) fn options<'a>(message: &Message<'a>) -> Option<Vec<NdiscOption<&'a [u8]>>> {
    let mut rest = message.payload();
    let mut options = Vec::new();
    while !rest.is_empty() {
        let option = NdiscOption::new_checked(rest).ok()?;
        rest = rest.get(usize::from(option.data_len()) * 8..)?;
        options.push(option);
    }
    Some(options)
}

/// The hardware address in the option of type `wanted`.
pub(super) fn hardware_address(options: &[NdiscOption<&[u8]>], wanted: NdiscOptionType) -> Option<[u8; 6]> {
    let option = options.iter().find(|option| option.option_type() == wanted)?;
    option.data().first_chunk().copied()
}

/// What a router advertises. Times are in seconds, the largest value of one standing for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Advertisement {
    /// How long it is a default router; 0 when it is none.
    pub(super) lifetime: u32,
    /// Compared with other routers (RFC 4191): 1, 0 or -1.
    pub(super) preference: i8,
    /// Addresses come from `DHCPv6`, or other configuration does.
    pub(super) is_managed: bool,
    pub(super) has_other: bool,
    pub(super) hop_limit: u8,
    pub(super) mtu: Option<u32>,
    pub(super) prefixes: Vec<PrefixInformation>,
    pub(super) name_servers: Vec<(Ipv6Addr, u32)>,
}

/// A prefix of the link (section 4.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PrefixInformation {
    pub(super) prefix: Ipv6Addr,
    pub(super) length: u8,
    /// Its hosts are neighbours.
    pub(super) is_on_link: bool,
    /// Hosts make themselves an address of it.
    pub(super) is_for_addresses: bool,
    pub(super) valid: u32,
    pub(super) preferred: u32,
}

impl Advertisement {
    pub(super) fn parse(message: &Message<'_>, options: &[NdiscOption<&[u8]>]) -> Self {
        let flags = message.router_flags();
        // Two bits, of which one combination is reserved and counts as medium.
        let preference = match flags_byte(message) >> 3 & 3 {
            1 => 1,
            3 => -1,
            _ => 0,
        };
        let mut advertisement = Self {
            lifetime: message.router_lifetime().secs() as u32,
            preference,
            is_managed: flags.contains(NdiscRouterFlags::MANAGED),
            has_other: flags.contains(NdiscRouterFlags::OTHER),
            hop_limit: message.current_hop_limit(),
            ..Self::default()
        };
        for option in options {
            match option.option_type() {
                NdiscOptionType::Mtu => advertisement.mtu = Some(option.mtu()),
                NdiscOptionType::PrefixInformation => advertisement.prefixes.push(PrefixInformation {
                    prefix: option.prefix(),
                    length: option.prefix_len(),
                    is_on_link: option.prefix_flags().contains(NdiscPrefixInfoFlags::ON_LINK),
                    is_for_addresses: option.prefix_flags().contains(NdiscPrefixInfoFlags::ADDRCONF),
                    valid: option.valid_lifetime().secs() as u32,
                    preferred: option.preferred_lifetime().secs() as u32,
                }),
                NdiscOptionType::Unknown(NAME_SERVERS) => advertisement.add_name_servers(option.data()),
                _ => {}
            }
        }
        advertisement
    }

    /// After two reserved bytes a lifetime, and the addresses that it is of.
    fn add_name_servers(&mut self, data: &[u8]) {
        let Some((lifetime, addresses)) = data.get(2..).and_then(|rest| rest.split_first_chunk::<4>()) else {
            return;
        };
        let lifetime = u32::from_be_bytes(*lifetime);
        let addresses = addresses.as_chunks::<16>().0.iter();
        self.name_servers
            .extend(addresses.map(|&octets| (Ipv6Addr::from(octets), lifetime)));
    }
}

fn flags_byte(message: &Message<'_>) -> u8 {
    const FLAGS_AT: usize = 5;
    message.clone().into_inner().get(FLAGS_AT).copied().unwrap_or(0)
}

/// Writes a message: its type, the address that it is about with flags, and our hardware address as an option of this type.
pub(super) fn encode(
    kind: Icmpv6Message,
    target: Option<(Ipv6Addr, NdiscNeighborFlags)>,
    hardware: Option<(NdiscOptionType, [u8; 6])>,
) -> Header {
    const OPTION: usize = 8;
    let mut header = Header::new();
    if let Some((kind, mac)) = hardware {
        let mut option = NdiscOption::new_unchecked(header.prepend(OPTION));
        option.set_option_type(kind);
        option.set_data_len(1);
        option.set_link_layer_addr(EthernetAddress(mac).into());
    }
    let length = if target.is_some() { 24 } else { 8 };
    let mut packet = Icmpv6Packet::new_unchecked(header.prepend(length));
    packet.set_msg_type(kind);
    if let Some((address, flags)) = target {
        packet.set_neighbor_flags(flags);
        packet.set_target_addr(address);
    }
    header
}
