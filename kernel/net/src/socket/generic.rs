//! Options of `SOL_SOCKET` that every kind of socket has.

use abi::Errno;
use abi::net as linux;

use super::read_integer;
use crate::ip::Interface;

/// The values of the options.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Generic {
    pub(crate) debug: bool,
    pub(crate) reuse_address: bool,
    pub(crate) reuse_port: bool,
    pub(crate) broadcast: bool,
    pub(crate) keep_alive: bool,
    pub(crate) out_of_band_inline: bool,
    pub(crate) dont_route: bool,
    pub(crate) pass_credentials: bool,
    pub(crate) timestamp: bool,
    pub(crate) timestamp_nanoseconds: bool,
    /// `SO_TIMESTAMPING`.
    pub(crate) timestamping: u32,
    /// `SO_RXQ_OVFL`.
    pub(crate) overflow: bool,
    /// Seconds.
    pub(crate) linger: Option<u32>,
    /// Bytes as Linux reports them, twice what was asked for; 0 when not set.
    pub(crate) send_buffer: u32,
    pub(crate) receive_buffer: u32,
    /// Nanoseconds; 0 for none.
    pub(crate) receive_timeout: u64,
    pub(crate) send_timeout: u64,
    pub(crate) receive_low: u32,
    pub(crate) priority: u32,
    pub(crate) mark: u32,
    pub(crate) busy_poll: u32,
    pub(crate) incoming_cpu: u32,
    pub(crate) max_pacing_rate: u64,
    pub(crate) device: Option<Interface>,
}

/// Linux's limits of a buffer: `wmem_max` and `rmem_max`, and the least.
const MOST_BUFFER: u32 = 212_992;
const LEAST_SEND: u32 = 4608;
const LEAST_RECEIVE: u32 = 2304;

// Of `linux/net_tstamp.h`.
const TIMESTAMPING_RX_SOFTWARE: u32 = 1 << 3;
const TIMESTAMPING_SOFTWARE: u32 = 1 << 4;
/// All that Linux knows but times of sending (`TX_SOFTWARE`, `TX_SCHED`, `TX_ACK`), which nobody takes here. Hardware has none on most machines.
const TIMESTAMPING_KNOWN: u32 = ((1 << 16) - 1) & !(1 << 1 | 1 << 8 | 1 << 9);

impl Generic {
    pub(crate) const fn new() -> Self {
        Self {
            debug: false,
            reuse_address: false,
            reuse_port: false,
            broadcast: false,
            keep_alive: false,
            out_of_band_inline: false,
            dont_route: false,
            pass_credentials: false,
            timestamp: false,
            timestamp_nanoseconds: false,
            timestamping: 0,
            overflow: false,
            linger: None,
            send_buffer: 0,
            receive_buffer: 0,
            receive_timeout: 0,
            send_timeout: 0,
            receive_low: 1,
            priority: 0,
            mark: 0,
            busy_poll: 0,
            incoming_cpu: 0,
            max_pacing_rate: u64::MAX,
            device: None,
        }
    }

    /// Whether messages come with `SCM_TIMESTAMPING`. Times are told when they are taken at all, for whichever option.
    pub(crate) fn reports_software_time(&self) -> bool {
        self.timestamping & TIMESTAMPING_SOFTWARE != 0
            && (self.timestamp || self.timestamping & TIMESTAMPING_RX_SOFTWARE != 0)
    }

    /// `setsockopt(2)` at `SOL_SOCKET`.
    pub(crate) fn set(&mut self, name: u32, value: &[u8]) -> Result<(), Errno> {
        match name {
            linux::SO_LINGER => {
                let [enabled, seconds] = two_words(value)?;
                self.linger = (enabled != 0).then_some(seconds);
                return Ok(());
            }
            linux::SO_RCVTIMEO_OLD | linux::SO_RCVTIMEO_NEW => {
                self.receive_timeout = timeout(value)?;
                return Ok(());
            }
            linux::SO_SNDTIMEO_OLD | linux::SO_SNDTIMEO_NEW => {
                self.send_timeout = timeout(value)?;
                return Ok(());
            }
            linux::SO_BINDTODEVICE => {
                let name = value.split(|&byte| byte == 0).next().unwrap_or_default();
                self.device = if name.is_empty() {
                    None
                } else {
                    Some(Interface::by_name(name).ok_or(Errno::NODEV)?)
                };
                return Ok(());
            }
            // There is no BPF machine to run a filter.
            linux::SO_ATTACH_FILTER
            | linux::SO_ATTACH_BPF
            | linux::SO_ATTACH_REUSEPORT_CBPF
            | linux::SO_ATTACH_REUSEPORT_EBPF => {
                return Err(Errno::NOPROTOOPT);
            }
            _ => {}
        }
        let number = read_integer(value)?;
        let on = number != 0;
        match name {
            linux::SO_DEBUG => self.debug = on,
            linux::SO_REUSEADDR => self.reuse_address = on,
            linux::SO_REUSEPORT => self.reuse_port = on,
            linux::SO_BROADCAST => self.broadcast = on,
            linux::SO_KEEPALIVE => self.keep_alive = on,
            linux::SO_OOBINLINE => self.out_of_band_inline = on,
            linux::SO_DONTROUTE => self.dont_route = on,
            linux::SO_PASSCRED => self.pass_credentials = on,
            linux::SO_TIMESTAMP_OLD | linux::SO_TIMESTAMP_NEW => {
                self.timestamp = on;
                self.timestamp_nanoseconds = false;
            }
            linux::SO_TIMESTAMPNS_OLD | linux::SO_TIMESTAMPNS_NEW => {
                self.timestamp = on;
                self.timestamp_nanoseconds = on;
            }
            linux::SO_TIMESTAMPING_OLD | linux::SO_TIMESTAMPING_NEW => {
                if number as u32 & !TIMESTAMPING_KNOWN != 0 {
                    return Err(Errno::INVAL);
                }
                self.timestamping = number as u32;
            }
            linux::SO_RXQ_OVFL => self.overflow = on,
            linux::SO_SNDBUF => self.send_buffer = buffer(number, MOST_BUFFER, LEAST_SEND),
            linux::SO_SNDBUFFORCE => self.send_buffer = buffer(number, u32::MAX / 2, LEAST_SEND),
            linux::SO_RCVBUF => self.receive_buffer = buffer(number, MOST_BUFFER, LEAST_RECEIVE),
            linux::SO_RCVBUFFORCE => self.receive_buffer = buffer(number, u32::MAX / 2, LEAST_RECEIVE),
            linux::SO_RCVLOWAT => self.receive_low = u32::try_from(number).unwrap_or(i32::MAX as u32).max(1),
            linux::SO_PRIORITY => self.priority = number as u32,
            linux::SO_MARK => self.mark = number as u32,
            linux::SO_BUSY_POLL => self.busy_poll = u32::try_from(number).map_err(|_| Errno::INVAL)?,
            linux::SO_INCOMING_CPU => self.incoming_cpu = number as u32,
            linux::SO_MAX_PACING_RATE => {
                self.max_pacing_rate = match value.try_into() {
                    Ok(bytes) => u64::from_ne_bytes(bytes),
                    // No limit.
                    Err(_) if number == -1 => u64::MAX,
                    Err(_) => u64::from(number as u32),
                };
            }
            linux::SO_BINDTOIFINDEX => {
                self.device = if number == 0 {
                    None
                } else {
                    Some(Interface::by_index(number as u32).ok_or(Errno::NODEV)?)
                };
            }
            // Without effect here, as they would be on a quiet machine.
            linux::SO_NO_CHECK
            | linux::SO_BSDCOMPAT
            | linux::SO_PREFER_BUSY_POLL
            | linux::SO_BUSY_POLL_BUDGET
            | linux::SO_SELECT_ERR_QUEUE
            | linux::SO_TXREHASH
            | linux::SO_DETACH_FILTER => {}
            linux::SO_TYPE
            | linux::SO_DOMAIN
            | linux::SO_PROTOCOL
            | linux::SO_ERROR
            | linux::SO_ACCEPTCONN
            | linux::SO_SNDLOWAT => {
                return Err(Errno::NOPROTOOPT);
            }
            _ => return Err(Errno::NOPROTOOPT),
        }
        Ok(())
    }
}

fn buffer(number: i32, most: u32, least: u32) -> u32 {
    (number.max(0) as u32).min(most).saturating_mul(2).max(least)
}

fn two_words(value: &[u8]) -> Result<[u32; 2], Errno> {
    let bytes = value.first_chunk::<8>().ok_or(Errno::INVAL)?;
    let ([first, second], _) = bytes.as_chunks::<4>() else {
        return Err(Errno::INVAL);
    };
    Ok([u32::from_ne_bytes(*first), u32::from_ne_bytes(*second)])
}

/// A `struct timeval` in nanoseconds.
fn timeout(value: &[u8]) -> Result<u64, Errno> {
    let bytes = value.first_chunk::<16>().ok_or(Errno::INVAL)?;
    let ([seconds, micro], _) = bytes.as_chunks::<8>() else {
        return Err(Errno::INVAL);
    };
    let (seconds, micro) = (i64::from_ne_bytes(*seconds), i64::from_ne_bytes(*micro));
    if !(0..1_000_000).contains(&micro) {
        return Err(Errno::DOM);
    }
    if seconds < 0 {
        return Ok(1);
    }
    Ok((seconds as u64)
        .saturating_mul(1_000_000_000)
        .saturating_add(micro as u64 * 1000))
}
