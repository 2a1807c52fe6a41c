//! Values of options as bytes, and what `getsockopt(2)` answers at `SOL_SOCKET`.

use abi::Errno;
use abi::net as linux;
use alloc::vec::Vec;

use super::{Credentials, SocketFile};

/// The `int` that a value begins with.
pub(crate) fn read_integer(value: &[u8]) -> Result<i32, Errno> {
    value
        .first_chunk::<4>()
        .map(|bytes| i32::from_ne_bytes(*bytes))
        .ok_or(Errno::INVAL)
}

/// An `int` as a value.
pub(crate) fn integer(number: u32) -> Vec<u8> {
    number.to_ne_bytes().to_vec()
}

fn flag(on: bool) -> Vec<u8> {
    integer(u32::from(on))
}

fn timeval(nanoseconds: u64) -> Vec<u8> {
    let mut bytes = (nanoseconds / 1_000_000_000).to_ne_bytes().to_vec();
    bytes.extend_from_slice(&(nanoseconds % 1_000_000_000 / 1000).to_ne_bytes());
    bytes
}

/// `getsockopt(2)` at `SOL_SOCKET`.
pub(super) fn generic(file: &SocketFile, name: u32) -> Result<Vec<u8>, Errno> {
    let options = file.generic();
    let socket = &*file.socket;
    Ok(match name {
        linux::SO_DEBUG => flag(options.debug),
        linux::SO_REUSEADDR => flag(options.reuse_address),
        linux::SO_REUSEPORT => flag(options.reuse_port),
        linux::SO_BROADCAST => flag(options.broadcast),
        linux::SO_KEEPALIVE => flag(options.keep_alive),
        linux::SO_OOBINLINE => flag(options.out_of_band_inline),
        linux::SO_DONTROUTE => flag(options.dont_route),
        linux::SO_PASSCRED => flag(options.pass_credentials),
        linux::SO_TIMESTAMP_OLD => flag(options.timestamp && !options.timestamp_nanoseconds),
        linux::SO_TIMESTAMPNS_OLD => flag(options.timestamp_nanoseconds),
        linux::SO_TIMESTAMPING_OLD | linux::SO_TIMESTAMPING_NEW => {
            // With the number of a clock of hardware.
            [integer(options.timestamping), integer(0)].concat()
        }
        linux::SO_RXQ_OVFL => flag(options.overflow),
        linux::SO_TYPE => integer(file.kind as u32),
        linux::SO_DOMAIN => integer(file.domain as u32),
        linux::SO_PROTOCOL => integer(file.protocol),
        linux::SO_ERROR => integer(socket.take_error().map_or(0, |errno| u32::from(errno.number()))),
        linux::SO_ACCEPTCONN => flag(socket.is_listening()),
        linux::SO_LINGER => {
            let mut bytes = flag(options.linger.is_some());
            bytes.extend_from_slice(&options.linger.unwrap_or(0).to_ne_bytes());
            bytes
        }
        linux::SO_SNDBUF | linux::SO_RCVBUF => {
            let (send, receive) = socket.capacities();
            let (set, actual) = if name == linux::SO_SNDBUF {
                (options.send_buffer, send)
            } else {
                (options.receive_buffer, receive)
            };
            integer(if set > 0 { set } else { actual as u32 })
        }
        linux::SO_RCVLOWAT => integer(options.receive_low),
        linux::SO_SNDLOWAT => integer(1),
        linux::SO_RCVTIMEO_OLD | linux::SO_RCVTIMEO_NEW => timeval(options.receive_timeout),
        linux::SO_SNDTIMEO_OLD | linux::SO_SNDTIMEO_NEW => timeval(options.send_timeout),
        linux::SO_PRIORITY => integer(options.priority),
        linux::SO_MARK => integer(options.mark),
        linux::SO_BUSY_POLL => integer(options.busy_poll),
        linux::SO_INCOMING_CPU => integer(options.incoming_cpu),
        linux::SO_MAX_PACING_RATE => options.max_pacing_rate.to_ne_bytes().to_vec(),
        linux::SO_BINDTODEVICE => options.device.map_or_else(Vec::new, |device| {
            let mut name = device.name().as_bytes().to_vec();
            name.push(0);
            name
        }),
        linux::SO_BINDTOIFINDEX => integer(options.device.map_or(0, |device| device as u32)),
        linux::SO_COOKIE => file.inode.to_ne_bytes().to_vec(),
        linux::SO_PEERCRED => {
            // A socket without a peer names nobody.
            let words = socket.peer_process().map_or([0, u32::MAX, u32::MAX], |peer| {
                let Credentials { process, uid, gid } = peer.effective;
                [process, uid, gid]
            });
            words.iter().flat_map(|word| word.to_ne_bytes()).collect()
        }
        linux::SO_PEERGROUPS => {
            let peer = socket.peer_process().ok_or(Errno::NODATA)?;
            peer.groups.iter().flat_map(|group| group.to_ne_bytes()).collect()
        }
        linux::SO_NO_CHECK | linux::SO_BSDCOMPAT | linux::SO_ZEROCOPY | linux::SO_SELECT_ERR_QUEUE => integer(0),
        _ => return Err(Errno::NOPROTOOPT),
    })
}
