//! Multicast Listener Discovery (RFC 3810): switches that listen to it send a group's packets only to those who said that they want them.
//! Groups of the application are not told of; on links whose switches do not listen they are heard all the same.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

use crate::Chunk;
use crate::checksum::Sum;
use crate::header::Header;
use crate::ip::{Datagram, Outgoing, protocol, solicited_node};
use crate::stack::Stack;

/// All routers that speak version 2.
const LISTENERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);
const HOP_BY_HOP: u8 = 0;
const REPORT: u8 = 143;
/// What a record says: all that is sent to the group is wanted, or from now on.
const IS_EXCLUDE: u8 = 2;
const CHANGE_TO_EXCLUDE: u8 = 4;

/// A router asks which groups somebody listens to, of all or of one. It is answered at once: there are few of us on a virtual link. One of
/// version 1 asks in fewer bytes, and is answered as one of version 2, since it is the switches on the way that count.
pub(super) fn asked(stack: &Stack, datagram: &Datagram<'_>, message: &[u8]) {
    let IpAddr::V6(source) = datagram.source else {
        return;
    };
    let Some(octets) = message.get(8..).and_then(|rest| rest.first_chunk::<16>()) else {
        return;
    };
    if datagram.ttl != 1 || !source.is_unicast_link_local() {
        return;
    }
    let asked = Ipv6Addr::from(*octets);
    let mut groups = own(stack);
    groups.retain(|group| asked.is_unspecified() || *group == asked);
    if !groups.is_empty() {
        report(stack, IS_EXCLUDE, &groups);
    }
}

/// Tells that the group for questions about `address` is listened to from now on.
pub(super) fn join(stack: &Stack, address: Ipv6Addr) {
    report(stack, CHANGE_TO_EXCLUDE, &[solicited_node(address)]);
}

/// The groups of our addresses.
pub(crate) fn own(stack: &Stack) -> Vec<Ipv6Addr> {
    let mut groups = Vec::new();
    for own in stack.routes.lock().addresses() {
        if let IpAddr::V6(address) = own.at.address
            && !groups.contains(&solicited_node(address))
        {
            groups.push(solicited_node(address));
        }
    }
    groups
}

fn report(stack: &Stack, kind: u8, groups: &[Ipv6Addr]) {
    let source = stack.routes.lock().source_to_neighbour(LISTENERS.into());
    let source = source.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    let mut message = Vec::from([REPORT, 0, 0, 0, 0, 0, 0, groups.len() as u8]);
    for group in groups {
        message.extend_from_slice(&[kind, 0, 0, 0]);
        message.extend_from_slice(&group.octets());
    }
    let mut sum = Sum::default();
    sum.add_pseudo_header(source, LISTENERS.into(), protocol::ICMPV6, message.len());
    sum.add(&message);
    message[2..4].copy_from_slice(&sum.checksum());
    // A hop-by-hop header with the router alert of section 5, padded.
    let mut header = Header::new();
    header
        .prepend(8)
        .copy_from_slice(&[protocol::ICMPV6, 0, 5, 2, 0, 0, 1, 0]);
    let outgoing = Outgoing {
        source,
        destination: LISTENERS.into(),
        protocol: HOP_BY_HOP,
        ttl: 1,
        tos: 0,
        dont_fragment: true,
        checksum_at: None,
        segment_size: None,
        payload: &[Chunk::copy_of(&message)],
    };
    // Whoever did not hear it asks again.
    let _ = stack.send_on_link(header, &outgoing);
}
