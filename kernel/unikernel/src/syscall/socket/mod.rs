//! Sockets: making, naming and connecting them, and their options. Data is in [`message`].

mod address;
mod control;
pub(super) mod message;

use abi::general::{O_CLOEXEC, O_NONBLOCK};
use abi::net::{SO_PEERGROUPS, SOL_SOCKET};
use abi::{Errno, OpenFlags};
use alloc::sync::Arc;
use alloc::vec;
use core::net::IpAddr;
use file::OpenFile;
use fs::vfs::Lookup;
use hal::user;
use net::{Address, Destination, Domain, Shutdown, SocketFile, SocketType};

use super::events::{flags, install_pair};
use super::transfer::waiting;
use super::{Call, Error, Progress, Result, Waiting, retry, retry_ready};
use crate::network;
use crate::process::{Capability, Thread};

/// The bits of `socket(2)`'s second argument that are the type.
const TYPE_MASK: u32 = 0xf;
/// Flags of sockets: `SOCK_NONBLOCK` and `SOCK_CLOEXEC` have the values of the `O_` flags.
const FLAGS: OpenFlags = OpenFlags::from_bits_retain(O_NONBLOCK | O_CLOEXEC);

/// The open file of a descriptor that is a socket's; `ENOTSOCK` for others.
fn socket_file(thread: &Thread, descriptor: i32) -> Result<Arc<OpenFile>> {
    let file = thread.file(descriptor)?;
    as_socket(&file)?;
    Ok(file)
}

fn as_socket(file: &OpenFile) -> core::result::Result<&SocketFile, Errno> {
    file.downcast().ok_or(Errno::NOTSOCK)
}

/// `socket(domain, type, protocol)`
pub(super) fn socket(thread: &Thread, call: &Call) -> Result {
    let flags = flags(call.unsigned(1) & !TYPE_MASK, FLAGS)?;
    let kind = call.unsigned(1) & TYPE_MASK;
    let network = network::get();
    let socket = SocketFile::new(&network.stack, &network.unix, call.unsigned(0), kind, call.unsigned(2))?;
    let is_raw = socket.socket_type() == SocketType::Raw && matches!(socket.domain(), Domain::Inet | Domain::Inet6);
    if is_raw && !thread.process.can(Capability::NET_RAW) {
        return Err(Errno::PERM.into());
    }
    thread.install_new(socket, flags | OpenFlags::RDWR)
}

/// `socketpair(domain, type, protocol, fds)`
pub(super) async fn socketpair(thread: &Thread, call: &Call) -> Result {
    let flags = flags(call.unsigned(1) & !TYPE_MASK, FLAGS)? | OpenFlags::RDWR;
    let kind = call.unsigned(1) & TYPE_MASK;
    let network = network::get();
    let (first, second) = SocketFile::pair(&network.stack, &network.unix, call.unsigned(0), kind, call.unsigned(2))?;
    let files = [OpenFile::new(first, flags), OpenFile::new(second, flags)];
    install_pair(thread, call.word(3), files, flags).await
}

/// `bind(fd, address, length)`
pub(super) async fn bind(thread: &Thread, call: &Call) -> Result {
    let file = socket_file(thread, call.int(0))?;
    let socket = as_socket(&file)?;
    let address = address::read(thread, call.word(1), call.int(2)).await?;
    let Address::Path(path) = &address else {
        socket.bind(&address)?;
        return Ok(0);
    };
    if socket.domain() != net::Domain::Unix {
        return Err(Errno::AFNOSUPPORT.into());
    }
    let attachment = socket.bind_path(path)?;
    let context = thread.context(None);
    let made = retry_ready(thread, || context.make_socket(path, &attachment)).await;
    made.map_err(|error| match error {
        Error::Errno(Errno::EXIST) => Errno::ADDRINUSE.into(),
        error => error,
    })
    .inspect_err(|_| socket.unbind_path())?;
    Ok(0)
}

/// `listen(fd, backlog)`
pub(super) fn listen(thread: &Thread, call: &Call) -> Result {
    let file = socket_file(thread, call.int(0))?;
    as_socket(&file)?.listen(call.int(1))?;
    Ok(0)
}

/// `accept4(fd, address, length, flags)`; `accept` is the same without flags.
pub(super) async fn accept4(thread: &Thread, call: &Call, bits: u32) -> Result {
    let flags = flags(bits, FLAGS)?;
    let file = socket_file(thread, call.int(0))?;
    let socket = as_socket(&file)?;
    // No connection is taken that then has no number.
    let number = thread.files().reserve(thread.descriptor_limit())?;
    let (accepted, peer) = retry(thread, socket, waiting(&file, false), || socket.accept()).await?;
    if call.word(1) != 0 {
        address::write(thread, Some(&peer), call.word(1), call.word(2)).await?;
    }
    Ok(number.open(accepted, flags | OpenFlags::RDWR) as usize)
}

/// Waits for an address to send from, when `address` is beyond the loopback interface.
async fn wait_for_network(thread: &Thread, address: &Address) -> Result<()> {
    let network = network::get();
    let is_beyond = |address: IpAddr| !address.is_loopback() && !address.is_unspecified();
    match *address {
        Address::Inet(address, _) if is_beyond(address.into()) => thread.wait(network.configured()).await,
        Address::Inet6(address, ..) if is_beyond(address.to_canonical()) => match address.to_canonical() {
            IpAddr::V4(_) => thread.wait(network.configured()).await,
            IpAddr::V6(_) => thread.wait(network.configured_for_ipv6()).await,
        },
        _ => Ok(()),
    }
}

/// Where a path or another address leads.
async fn destination(thread: &Thread, address: Address) -> Result<Destination> {
    let Address::Path(path) = &address else {
        wait_for_network(thread, &address).await?;
        return Ok(Destination::Address(address));
    };
    let context = thread.context(None);
    let attachment = retry_ready(thread, || {
        let place = context.resolve(path, Lookup::FOLLOW)?;
        let inode = place.inode()?;
        context.credentials.check(&inode.status()?, fs::vfs::Access::WRITE)?;
        // A node that nobody is bound to, or no socket at all.
        Ok(inode.attachment(&mut || None).ok_or(Errno::CONNREFUSED)?)
    })
    .await?;
    Ok(Destination::Attachment(attachment))
}

/// `connect(fd, address, length)`
pub(super) async fn connect(thread: &Thread, call: &Call) -> Result {
    let file = socket_file(thread, call.int(0))?;
    let socket = as_socket(&file)?;
    let address = address::read(thread, call.word(1), call.int(2)).await?;
    let destination = destination(thread, address).await?;
    let waiting = waiting(&file, true);
    match retry(thread, socket, waiting, || socket.connect(&destination)).await {
        Ok(()) => return Ok(0),
        Err(Error::Errno(Errno::INPROGRESS | Errno::ALREADY)) if !waiting.nonblocking => {}
        Err(error) => return Err(error),
    }
    match retry(thread, socket, waiting, || socket.connected()).await {
        Ok(()) => Ok(0),
        // The time is over, the handshake goes on.
        Err(Error::Errno(Errno::AGAIN)) => Err(Errno::INPROGRESS.into()),
        Err(error) => Err(error),
    }
}

/// `shutdown(fd, how)`
pub(super) fn shutdown(thread: &Thread, call: &Call) -> Result {
    let file = socket_file(thread, call.int(0))?;
    as_socket(&file)?.shutdown(Shutdown::from_number(call.int(1))?)?;
    Ok(0)
}

/// `getsockname(fd, address, length)`
pub(super) async fn getsockname(thread: &Thread, call: &Call) -> Result {
    let file = socket_file(thread, call.int(0))?;
    let local = as_socket(&file)?.local();
    address::write(thread, Some(&local), call.word(1), call.word(2)).await?;
    Ok(0)
}

/// `getpeername(fd, address, length)`
pub(super) async fn getpeername(thread: &Thread, call: &Call) -> Result {
    let file = socket_file(thread, call.int(0))?;
    let peer = as_socket(&file)?.peer()?;
    address::write(thread, Some(&peer), call.word(1), call.word(2)).await?;
    Ok(0)
}

/// Bytes of the longest value of an option.
const OPTION_MAX: usize = 64 << 10;

/// `setsockopt(fd, level, name, value, length)`
pub(super) async fn setsockopt(thread: &Thread, call: &Call) -> Result {
    let file = socket_file(thread, call.int(0))?;
    let socket = as_socket(&file)?;
    let length = usize::try_from(call.int(4)).map_err(|_| Errno::INVAL)?;
    if length > OPTION_MAX {
        return Err(Errno::INVAL.into());
    }
    let mut value = vec![0; length];
    thread.memory.read_bytes(call.word(3), &mut value).await?;
    socket.set_option(call.unsigned(1), call.unsigned(2), &value)?;
    Ok(0)
}

/// `setsockopt` of a number that is in memory.
pub(super) fn begin_setsockopt<'a>(thread: &Thread, call: &Call) -> Progress<'a> {
    let mut value = [0; size_of::<i32>()];
    if call.int(4) as usize != value.len() || user::copy_from_user(call.word(3), &mut value).is_err() {
        return Progress::Waits;
    }
    let set = socket_file(thread, call.int(0))
        .and_then(|file| Ok(as_socket(&file)?.set_option(call.unsigned(1), call.unsigned(2), &value)?));
    Progress::Over(set.map(|()| 0))
}

/// `getsockopt(fd, level, name, value, length)`
pub(super) async fn getsockopt(thread: &Thread, call: &Call) -> Result {
    let file = socket_file(thread, call.int(0))?;
    let socket = as_socket(&file)?;
    let room: i32 = thread.memory.read(call.word(4)).await?;
    let room = usize::try_from(room).map_err(|_| Errno::INVAL)?;
    let value = socket.option(call.unsigned(1), call.unsigned(2))?;
    if value.len() > room && (call.unsigned(1), call.unsigned(2)) == (SOL_SOCKET, SO_PEERGROUPS) {
        // A list that was cut would look whole.
        thread.memory.write(call.word(4), &(value.len() as i32)).await?;
        return Err(Errno::RANGE.into());
    }
    let length = value.len().min(room);
    thread.memory.write_bytes(call.word(3), &value[..length]).await?;
    thread.memory.write(call.word(4), &(length as i32)).await?;
    Ok(0)
}

/// How a call with `MSG_DONTWAIT` or without may wait.
fn message_waiting(file: &OpenFile, write: bool, dont_wait: bool) -> Waiting {
    if dont_wait {
        return Waiting {
            nonblocking: true,
            deadline: None,
        };
    }
    waiting(file, write)
}
