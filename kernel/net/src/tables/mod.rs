//! What `/proc/net` shows (`proc(5)`): lines as Linux formats them, below the headings.

mod internet;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::counters::Count;
use crate::ip::{Endpoint, protocol};
use crate::socket::{Address, Domain, SocketFile, SocketType, interfaces};
use crate::stack::Stack;

/// States of a socket that is no connection, as the tables have them.
const CLOSED: u8 = 7;
const LISTENING: u8 = 10;
const ESTABLISHED: u8 = 1;
/// Columns that Linux fills each line up to.
const TCP_WIDTH: usize = 149;
const UDP_WIDTH: usize = 127;

/// An open socket, and the user that it belongs to.
pub type Owned<'a> = (&'a SocketFile, u32);

/// Adds the lines of the table `name`; none for a table that is not kept.
pub fn write(name: &str, stack: &Stack, sockets: &[Owned<'_>], out: &mut String) {
    // Writing to a string does not fail.
    let _ = match name {
        "tcp" => tcp(out, stack, sockets, Domain::Inet),
        "tcp6" => tcp(out, stack, sockets, Domain::Inet6),
        "udp" => udp(out, sockets, Domain::Inet, protocol::UDP),
        "udp6" => udp(out, sockets, Domain::Inet6, protocol::UDP),
        "udplite" => udp(out, sockets, Domain::Inet, protocol::UDP_LITE),
        "udplite6" => udp(out, sockets, Domain::Inet6, protocol::UDP_LITE),
        "unix" => unix(out, sockets),
        "dev" => devices(out, stack),
        "route" => internet::routes_v4(out, stack),
        "ipv6_route" => internet::routes_v6(out, stack),
        "if_inet6" => internet::addresses_v6(out, stack),
        "igmp6" => internet::groups_v6(out, stack),
        "arp" => internet::neighbours_v4(out, stack),
        "sockstat" => statistics(out, stack, sockets),
        "sockstat6" => statistics_v6(out, sockets),
        "snmp" => counts(out, stack),
        "icmp" => udp(out, sockets, Domain::Inet, protocol::ICMP),
        "icmp6" => udp(out, sockets, Domain::Inet6, protocol::ICMPV6),
        "raw" => raw(out, sockets, Domain::Inet),
        "raw6" => raw(out, sockets, Domain::Inet6),
        _ => Ok(()),
    };
}

/// A line of `tcp` or `udp`.
struct Line {
    local: Endpoint,
    remote: Endpoint,
    state: u8,
    /// Bytes to send and to read.
    queues: (usize, usize),
    uid: u32,
    inode: u64,
}

impl Line {
    /// The fields that `tcp` and `udp` have in common.
    fn write(&self, out: &mut String, domain: Domain) -> fmt::Result {
        write!(
            out,
            "{} {} {:02X} {:08X}:{:08X} 00:00000000 00000000 {:5}        0 {}",
            Words(self.local, domain),
            Words(self.remote, domain),
            self.state,
            self.queues.0,
            self.queues.1,
            self.uid,
            self.inode,
        )
    }
}

fn endpoint(address: &Address) -> Option<Endpoint> {
    match *address {
        Address::Inet(address, port) => Some(Endpoint::new(IpAddr::V4(address), port)),
        Address::Inet6(address, port, _) => Some(Endpoint::new(IpAddr::V6(address), port)),
        _ => None,
    }
}

/// An address as words of the machine's order, each in hexadecimal.
struct Words(Endpoint, Domain);

impl fmt::Display for Words {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.address, self.1) {
            (IpAddr::V4(address), Domain::Inet6) => v6(out, address.to_ipv6_mapped())?,
            (IpAddr::V4(address), _) => write!(out, "{:08X}", u32::from_ne_bytes(address.octets()))?,
            (IpAddr::V6(address), _) => v6(out, address)?,
        }
        write!(out, ":{:04X}", self.0.port)
    }
}

fn v6(out: &mut fmt::Formatter<'_>, address: Ipv6Addr) -> fmt::Result {
    for word in address.octets().as_chunks::<4>().0 {
        write!(out, "{:08X}", u32::from_ne_bytes(*word))?;
    }
    Ok(())
}

/// Fills the line that begins at `start` up to `width` and ends it.
fn pad(out: &mut String, start: usize, width: usize) {
    let length = out.len() - start;
    out.extend(core::iter::repeat_n(' ', width.saturating_sub(length)));
    out.push('\n');
}

fn line_of((socket, uid): Owned<'_>, unspecified: Endpoint, state: u8) -> Option<Line> {
    let remote = socket.peer().ok().and_then(|peer| endpoint(&peer));
    Some(Line {
        local: endpoint(&socket.local())?,
        remote: remote.unwrap_or(unspecified),
        state,
        queues: (socket.unsent(), socket.readable()),
        uid,
        inode: socket.inode(),
    })
}

fn unspecified(domain: Domain) -> Endpoint {
    Endpoint::new(
        match domain {
            Domain::Inet6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            _ => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        },
        0,
    )
}

fn of<'a>(sockets: &'a [Owned<'a>], domain: Domain, kind: SocketType) -> impl Iterator<Item = Owned<'a>> {
    let is_it = move |(socket, _): &&Owned<'a>| socket.domain() == domain && socket.socket_type() == kind;
    sockets.iter().filter(is_it).copied()
}

/// Listeners, connections with a socket, then those that have none: not accepted yet, or closed by the application.
fn tcp(out: &mut String, stack: &Stack, sockets: &[Owned<'_>], domain: Domain) -> fmt::Result {
    let mut lines: Vec<Line> = of(sockets, domain, SocketType::Stream)
        .filter_map(|owned| line_of(owned, unspecified(domain), owned.0.tcp_state()?))
        .collect();
    lines.sort_by_key(|line| line.state != LISTENING);
    let known: Vec<_> = sockets
        .iter()
        .filter_map(|(socket, _)| Some((canonical(&socket.local())?, canonical(&socket.peer().ok()?)?)))
        .collect();
    stack.tcp.visit(|local, remote, state, queues| {
        if local.address.is_ipv4() == (domain == Domain::Inet) && !known.contains(&(local, remote)) {
            lines.push(Line {
                local,
                remote,
                state,
                queues,
                uid: 0,
                inode: 0,
            });
        }
    });
    for (number, line) in lines.iter().enumerate() {
        let start = out.len();
        write!(out, "{number:4}: ")?;
        line.write(out, domain)?;
        out.push_str(" 1 0000000000000000 100 0 0 10 0");
        pad(out, start, if domain == Domain::Inet { TCP_WIDTH } else { 0 });
    }
    Ok(())
}

fn canonical(address: &Address) -> Option<Endpoint> {
    let end = endpoint(address)?;
    Some(Endpoint::new(end.address.to_canonical(), end.port))
}

fn datagram<'a>(sockets: &'a [Owned<'a>], domain: Domain, protocol: u8) -> impl Iterator<Item = Owned<'a>> {
    of(sockets, domain, SocketType::Datagram).filter(move |(socket, _)| socket.protocol() == u32::from(protocol))
}

fn udp(out: &mut String, sockets: &[Owned<'_>], domain: Domain, protocol: u8) -> fmt::Result {
    datagrams(out, datagram(sockets, domain, protocol), domain)
}

fn raw(out: &mut String, sockets: &[Owned<'_>], domain: Domain) -> fmt::Result {
    datagrams(out, of(sockets, domain, SocketType::Raw), domain)
}

fn datagrams<'a>(out: &mut String, sockets: impl Iterator<Item = Owned<'a>>, domain: Domain) -> fmt::Result {
    for owned in sockets {
        let state = if owned.0.peer().is_ok() { ESTABLISHED } else { CLOSED };
        let Some(line) = line_of(owned, unspecified(domain), state).filter(|line| line.local.port != 0) else {
            continue;
        };
        let start = out.len();
        write!(out, "{:5}: ", line.local.port)?;
        line.write(out, domain)?;
        out.push_str(" 2 0000000000000000 0");
        pad(out, start, if domain == Domain::Inet { UDP_WIDTH } else { 0 });
    }
    Ok(())
}

fn unix(out: &mut String, sockets: &[Owned<'_>]) -> fmt::Result {
    const ACCEPTS: u32 = 0x10000;
    for (socket, _) in sockets.iter().filter(|(socket, _)| socket.domain() == Domain::Unix) {
        let flags = if socket.is_listening() { ACCEPTS } else { 0 };
        // SS_CONNECTED, SS_UNCONNECTED
        let (shares, state) = if socket.peer().is_ok() { (3, 3) } else { (2, 1) };
        write!(
            out,
            "0000000000000000: {shares:08X} 00000000 {flags:08X} {:04X} {state:02X} {:5}",
            socket.socket_type() as u16,
            socket.inode(),
        )?;
        match socket.local() {
            Address::Path(path) => write!(out, " {}", String::from_utf8_lossy(&path))?,
            Address::Abstract(name) => write!(out, " @{}", String::from_utf8_lossy(&name).replace('\0', "@"))?,
            _ => {}
        }
        out.push('\n');
    }
    Ok(())
}

fn devices(out: &mut String, stack: &Stack) -> fmt::Result {
    for description in interfaces(stack) {
        let [received, received_packets, sent, sent_packets] = stack.traffic(description.interface);
        writeln!(
            out,
            "{:>6}: {received:7} {received_packets:7}    0    0    0     0          0         0 {sent:8} {sent_packets:7}    0    0    0     0       0          0",
            description.interface.name(),
        )?;
    }
    Ok(())
}

fn statistics(out: &mut String, stack: &Stack, sockets: &[Owned<'_>]) -> fmt::Result {
    let both = |count: &dyn Fn(Domain) -> usize| count(Domain::Inet) + count(Domain::Inet6);
    let datagrams = |protocol| both(&|domain| datagram(sockets, domain, protocol).count());
    let with_socket = sockets
        .iter()
        .filter(|(socket, _)| socket.tcp_state().is_some())
        .count();
    let (mut all, mut over) = (0_usize, 0_usize);
    stack.tcp.visit(|_, _, state, _| {
        const TIME_WAIT: u8 = 6;
        if state == TIME_WAIT { over += 1 } else { all += 1 }
    });
    let connected = sockets
        .iter()
        .filter(|(socket, _)| socket.tcp_state().is_some_and(|state| state != LISTENING))
        .count();
    writeln!(out, "sockets: used {}", sockets.len())?;
    writeln!(
        out,
        "TCP: inuse {} orphan {} tw {over} alloc {} mem {}",
        with_socket,
        all.saturating_sub(connected),
        both(&|domain| of(sockets, domain, SocketType::Stream).count()),
        stack.buffer_memory_used().div_ceil(hal::mem::PAGE_SIZE),
    )?;
    writeln!(out, "UDP: inuse {} mem 0", datagrams(protocol::UDP))?;
    writeln!(out, "UDPLITE: inuse {}", datagrams(protocol::UDP_LITE))?;
    writeln!(out, "RAW: inuse {}", of(sockets, Domain::Inet, SocketType::Raw).count())?;
    out.push_str("FRAG: inuse 0 memory 0\n");
    Ok(())
}

fn statistics_v6(out: &mut String, sockets: &[Owned<'_>]) -> fmt::Result {
    let datagrams = |protocol| datagram(sockets, Domain::Inet6, protocol).count();
    let streams = of(sockets, Domain::Inet6, SocketType::Stream).filter(|(socket, _)| socket.tcp_state().is_some());
    writeln!(out, "TCP6: inuse {}", streams.count())?;
    writeln!(out, "UDP6: inuse {}", datagrams(protocol::UDP))?;
    writeln!(out, "UDPLITE6: inuse {}", datagrams(protocol::UDP_LITE))?;
    writeln!(
        out,
        "RAW6: inuse {}",
        of(sockets, Domain::Inet6, SocketType::Raw).count()
    )?;
    out.push_str("FRAG6: inuse 0 memory 0\n");
    Ok(())
}

/// What is counted of TCP and UDP.
fn counts(out: &mut String, stack: &Stack) -> fmt::Result {
    const CLOSE_WAIT: u8 = 8;
    let get = |count| stack.counters.get(count);
    let mut connected = 0_usize;
    stack
        .tcp
        .visit(|_, _, state, _| connected += usize::from(matches!(state, ESTABLISHED | CLOSE_WAIT)));
    let retransmitted = get(Count::TcpRetransmitted);
    out.push_str("Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors\n");
    writeln!(
        out,
        "Tcp: 1 200 120000 -1 {} {} {} {} {connected} {} {} {retransmitted} 0 {} 0",
        get(Count::TcpActiveOpen),
        get(Count::TcpPassiveOpen),
        get(Count::TcpFailedAttempt),
        get(Count::TcpReset),
        get(Count::TcpReceived),
        get(Count::TcpSent).saturating_sub(retransmitted),
        get(Count::TcpResetSent),
    )?;
    let (errors, no_room) = (get(Count::UdpError), get(Count::UdpNoRoom));
    out.push_str("Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors\n");
    writeln!(
        out,
        "Udp: {} {} {} {} {no_room} 0 {errors} 0 0",
        get(Count::UdpReceived),
        get(Count::UdpNoPort),
        errors + no_room,
        get(Count::UdpSent),
    )
}
