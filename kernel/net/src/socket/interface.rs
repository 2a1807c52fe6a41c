//! `ioctl(2)` on sockets: how much there is to read, and the interfaces.

use abi::Errno;
use abi::ioctl::{
    FIONREAD, SIOCATMARK, SIOCGIFADDR, SIOCGIFBRDADDR, SIOCGIFCONF, SIOCGIFFLAGS, SIOCGIFHWADDR, SIOCGIFINDEX,
    SIOCGIFMETRIC, SIOCGIFMTU, SIOCGIFNAME, SIOCGIFNETMASK, SIOCGIFTXQLEN, TIOCOUTQ as SIOCOUTQ,
};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use core::sync::atomic::Ordering;

use file::UserMemory;

use super::{Address, SocketFile, ethtool};
use crate::ip::{Interface, LOOPBACK_MTU, Prefix};
use crate::stack::Stack;

/// Of `linux/sockios.h`.
const SIOCETHTOOL: u32 = 0x8946;
/// Bytes of `struct ifreq`, and of the name that begins it.
const REQUEST: usize = 40;
const NAME: usize = 16;
/// `IFF_*`, and hardware types.
const UP: u32 = 0x1;
const BROADCAST: u32 = 0x2;
const LOOPBACK: u32 = 0x8;
const RUNNING: u32 = 0x40;
const MULTICAST: u32 = 0x1000;
const HARDWARE_ETHERNET: u16 = 1;
const HARDWARE_LOOPBACK: u16 = 772;

/// An interface as the application sees it.
pub struct Description {
    pub(crate) interface: Interface,
    /// `IFF_*`.
    pub flags: u32,
    /// Bytes of the largest packet.
    pub mtu: u32,
    /// Its address.
    pub mac: [u8; 6],
    /// What hardware it is (`ARPHRD_*`).
    pub hardware_type: u16,
    pub(crate) ipv4: Option<(Ipv4Addr, u8)>,
}

impl Description {
    /// `lo` or `eth0`.
    pub fn name(&self) -> &'static str {
        self.interface.name()
    }

    /// Its number.
    pub fn index(&self) -> u32 {
        self.interface as u32
    }

    /// Bytes and packets received, then sent.
    pub fn traffic(&self, stack: &Stack) -> [u64; 4] {
        stack.traffic(self.interface)
    }

    /// The flags that are set, without those that say how it does.
    pub fn set_flags(&self) -> u32 {
        self.flags & !RUNNING
    }

    fn broadcast(&self) -> Ipv4Addr {
        self.ipv4.map_or(Ipv4Addr::UNSPECIFIED, |(address, length)| {
            Ipv4Addr::from_bits(address.to_bits() | u32::MAX.checked_shr(u32::from(length)).unwrap_or(0))
        })
    }
}

/// The interfaces that there are.
pub fn interfaces(stack: &Stack) -> Vec<Description> {
    let mut all = Vec::from([Description {
        interface: Interface::Loopback,
        flags: UP | LOOPBACK | RUNNING,
        mtu: LOOPBACK_MTU as u32,
        mac: [0; 6],
        hardware_type: HARDWARE_LOOPBACK,
        ipv4: Some((Ipv4Addr::LOCALHOST, 8)),
    }]);
    if let Some(mac) = stack.mac() {
        let ipv4 = stack
            .routes
            .lock()
            .addresses()
            .iter()
            .find_map(|own| match own.at.address {
                IpAddr::V4(address) => Some((address, own.at.prefix_length)),
                IpAddr::V6(_) => None,
            });
        all.push(Description {
            interface: Interface::Ethernet,
            flags: UP | BROADCAST | RUNNING | MULTICAST,
            mtu: stack.mtu.load(Ordering::Relaxed) as u32,
            mac,
            hardware_type: HARDWARE_ETHERNET,
            ipv4,
        });
    }
    all
}

/// Serves `command`.
pub(super) fn control(
    file: &SocketFile,
    stack: &Stack,
    command: u32,
    argument: usize,
    memory: &mut dyn UserMemory,
) -> file::Result<usize> {
    match command {
        FIONREAD => {
            if file.socket.is_listening() {
                return Err(Errno::INVAL.into());
            }
            memory.write(argument, &(file.socket.readable() as u32).to_ne_bytes())?;
        }
        SIOCOUTQ => memory.write(argument, &(file.socket.unsent() as u32).to_ne_bytes())?,
        SIOCATMARK => memory.write(argument, &0u32.to_ne_bytes())?,
        SIOCGIFCONF => return list(stack, argument, memory),
        SIOCGIFNAME => {
            let mut request = [0; REQUEST];
            memory.read(argument, &mut request)?;
            let index = u32::from_ne_bytes([request[16], request[17], request[18], request[19]]);
            let all = interfaces(stack);
            let found = all
                .iter()
                .find(|found| found.interface as u32 == index)
                .ok_or(Errno::NODEV)?;
            request[..NAME].fill(0);
            request[..found.interface.name().len()].copy_from_slice(found.interface.name().as_bytes());
            memory.write(argument, &request)?;
        }
        SIOCETHTOOL => {
            let mut request = [0; REQUEST];
            memory.read(argument, &mut request)?;
            let all = interfaces(stack);
            let found = by_name(&all, &request)?;
            let pointer = request[NAME..]
                .first_chunk()
                .map_or(0, |bytes| usize::from_ne_bytes(*bytes));
            ethtool::control(found.interface, pointer, memory)?;
        }
        SIOCGIFADDR | SIOCGIFBRDADDR | SIOCGIFNETMASK | SIOCGIFFLAGS | SIOCGIFMTU | SIOCGIFHWADDR | SIOCGIFINDEX
        | SIOCGIFMETRIC | SIOCGIFTXQLEN => {
            let mut request = [0; REQUEST];
            memory.read(argument, &mut request)?;
            let all = interfaces(stack);
            let value = answer(command, by_name(&all, &request)?)?;
            request[NAME..].fill(0);
            request[NAME..NAME + value.len()].copy_from_slice(&value);
            memory.write(argument, &request)?;
        }
        _ => return Err(Errno::NOTTY.into()),
    }
    Ok(0)
}

/// The interface that a request names.
fn by_name<'a>(all: &'a [Description], request: &[u8; REQUEST]) -> Result<&'a Description, Errno> {
    let name = request[..NAME].split(|&byte| byte == 0).next().unwrap_or_default();
    let mut all = all.iter();
    all.find(|found| found.name().as_bytes() == name).ok_or(Errno::NODEV)
}

fn answer(command: u32, found: &Description) -> Result<Vec<u8>, Errno> {
    let (address, length) = found.ipv4.unwrap_or((Ipv4Addr::UNSPECIFIED, 0));
    let needs_address = matches!(command, SIOCGIFADDR | SIOCGIFBRDADDR | SIOCGIFNETMASK);
    if needs_address && found.ipv4.is_none() {
        return Err(Errno::ADDRNOTAVAIL);
    }
    Ok(match command {
        SIOCGIFADDR => Address::Inet(address, 0).encode(),
        SIOCGIFBRDADDR if found.flags & BROADCAST == 0 => Address::Inet(Ipv4Addr::UNSPECIFIED, 0).encode(),
        SIOCGIFBRDADDR => Address::Inet(found.broadcast(), 0).encode(),
        SIOCGIFNETMASK => match Prefix::new(IpAddr::V4(Ipv4Addr::BROADCAST), length).network() {
            IpAddr::V4(mask) => Address::Inet(mask, 0).encode(),
            IpAddr::V6(_) => return Err(Errno::ADDRNOTAVAIL),
        },
        SIOCGIFFLAGS => (found.flags as u16).to_ne_bytes().to_vec(),
        SIOCGIFMTU => found.mtu.to_ne_bytes().to_vec(),
        SIOCGIFHWADDR => {
            let mut value = found.hardware_type.to_ne_bytes().to_vec();
            value.extend_from_slice(&found.mac);
            value
        }
        SIOCGIFINDEX => (found.interface as u32).to_ne_bytes().to_vec(),
        SIOCGIFTXQLEN => 1000u32.to_ne_bytes().to_vec(),
        _ => 0u32.to_ne_bytes().to_vec(),
    })
}

/// `SIOCGIFCONF`: the interfaces that have an address.
fn list(stack: &Stack, argument: usize, memory: &mut dyn UserMemory) -> file::Result<usize> {
    let mut head = [0; 16];
    memory.read(argument, &mut head)?;
    let room = i32::from_ne_bytes([head[0], head[1], head[2], head[3]]).max(0) as usize;
    let (_, pointer) = head.split_at(8);
    let buffer = usize::from_ne_bytes(pointer.try_into().unwrap_or_default());
    let mut bytes = Vec::new();
    for found in interfaces(stack) {
        if let Some((address, _)) = found.ipv4 {
            let mut request = [0; REQUEST];
            request[..found.interface.name().len()].copy_from_slice(found.interface.name().as_bytes());
            request[NAME..NAME + 16].copy_from_slice(&Address::Inet(address, 0).encode());
            bytes.extend_from_slice(&request);
        }
    }
    if buffer != 0 {
        bytes.truncate(room / REQUEST * REQUEST);
        memory.write(buffer, &bytes)?;
    }
    memory.write(argument, &(bytes.len() as u32).to_ne_bytes())?;
    Ok(0)
}
