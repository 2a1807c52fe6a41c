//! The network: Ethernet, ARP, IPv4, IPv6, Neighbor Discovery, ICMP, DHCP, `DHCPv6`, TCP, UDP, and the sockets above them (inet, Unix, netlink).
//!
//! Packet formats come from [`smoltcp::wire`]. Its socket layer is left out: it has no accept backlog, fixed buffers for each socket, one
//! set of sockets that is walked on each poll, no SACK on the sending side and no offloads, while this kernel wants tens of thousands of
//! connections, idle ones below 2 KiB, and locks no larger than one connection.
//!
//! - A [`Device`] carries frames; [`Stack`] is the one instance above it. A task of the kernel awaits [`Stack::run`]; system calls
//!   send from where they run. Nothing runs in interrupt context.
//! - [`SocketFile`] is what a file descriptor holds. Nothing blocks: see [`file::Error`].
//! - Each connection has its own lock; the tables that find it are split into shards, and no lock of a table is held while data moves.
//!   Order of locks: socket, connection, then tables, timers, neighbours, device. Wait queues are notified with none of them held.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), no_std)]
#![allow(
    clippy::struct_excessive_bools,
    reason = "options that an application sets one by one, and states that do not exclude each other"
)]

extern crate alloc;

mod checksum;
mod chunk;
mod counters;
mod device;
mod dhcp;
mod dhcpv6;
mod environment;
mod header;
mod held;
mod ip;
mod ndp;
mod netlink;
mod ping;
mod random;
mod raw;
mod socket;
mod stack;
pub mod tables;
mod tcp;
mod traffic;
mod udp;
mod unix;

pub use chunk::Chunk;
pub use device::{Capabilities, Device, LEAST_SEGMENT, Offload, Offloads, Received, Transmit};
pub use environment::{Environment, Event, Protocol};
pub use held::{HOLD, holds};
pub use ip::{Endpoint, InterfaceAddress, Prefix};
pub use socket::{
    Address, Caller, Control, Credentials, Description as InterfaceDescription, Destination, Domain, Message,
    MessageFlags, Received as ReceivedMessage, Shutdown, SocketFile, SocketType, backlog_limit, interfaces,
    set_backlog_limit,
};
pub use stack::{Configuration, Stack};
pub use unix::Namespace as UnixNamespace;
