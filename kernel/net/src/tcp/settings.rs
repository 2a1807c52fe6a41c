//! What an application may set for a connection.

use super::rtt::SECOND;
use crate::ip::{ByVersion, PacketFields};

/// Options of a TCP socket; an accepted connection has its listener's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// `TCP_NODELAY`.
    pub(crate) no_delay: bool,
    /// `TCP_CORK`.
    pub(crate) cork: bool,
    /// `TCP_QUICKACK`; off means that acknowledgements may wait.
    pub(crate) quick_ack: bool,
    /// `SO_KEEPALIVE`.
    pub(crate) keep_alive: bool,
    /// `TCP_KEEPIDLE` and `TCP_KEEPINTVL`, in seconds.
    pub(crate) keep_idle: u32,
    pub(crate) keep_interval: u32,
    /// `TCP_KEEPCNT`.
    pub(crate) keep_count: u8,
    /// `TCP_USER_TIMEOUT`, in milliseconds; 0 for the default.
    pub(crate) user_timeout: u32,
    /// `TCP_MAXSEG`; 0 when not set.
    pub(crate) max_segment: u16,
    /// `TCP_SYNCNT`.
    pub(crate) syn_retries: u8,
    /// `TCP_DEFER_ACCEPT`, in seconds.
    pub(crate) defer_accept: u32,
    /// `TCP_LINGER2`, in seconds.
    pub(crate) linger2: i32,
    /// `TCP_WINDOW_CLAMP`; 0 when not set.
    pub(crate) window_clamp: u32,
    /// `SO_SNDBUF` and `SO_RCVBUF` as set by the application; 0 for automatic sizes.
    pub(crate) send_buffer: u32,
    pub(crate) receive_buffer: u32,
    /// `SO_RCVLOWAT`.
    pub(crate) receive_low: u32,
    /// `SO_LINGER`, in seconds.
    pub(crate) linger: Option<u32>,
    /// `IP_TTL` and `IP_TOS`, `IPV6_UNICAST_HOPS` and `IPV6_TCLASS`.
    pub(crate) fields: ByVersion<PacketFields>,
    /// `TCP_NOTSENT_LOWAT`.
    pub(crate) not_sent_low: u32,
    /// `TCP_FASTOPEN` of a listener: without effect, as on Linux where `net.ipv4.tcp_fastopen` does not let servers.
    pub(crate) fast_open: u32,
}

impl Settings {
    pub(crate) const fn new() -> Self {
        Self {
            no_delay: false,
            cork: false,
            quick_ack: true,
            keep_alive: false,
            keep_idle: 7200,
            keep_interval: 75,
            keep_count: 9,
            user_timeout: 0,
            max_segment: 0,
            syn_retries: 6,
            defer_accept: 0,
            linger2: 60,
            window_clamp: 0,
            send_buffer: 0,
            receive_buffer: 0,
            receive_low: 1,
            linger: None,
            fields: ByVersion {
                ipv4: PacketFields { hops: None, class: 0 },
                ipv6: PacketFields { hops: None, class: 0 },
            },
            not_sent_low: u32::MAX,
            fast_open: 0,
        }
    }

    /// How long an abandoned connection may wait for the peer's FIN, in nanoseconds.
    pub(crate) fn fin_wait(&self) -> u64 {
        self.linger2.clamp(0, 120) as u64 * SECOND
    }
}
