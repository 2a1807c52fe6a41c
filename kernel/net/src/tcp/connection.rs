//! A connection: its state, and how one begins.

use abi::Errno;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::Ordering;

use hal::sync::SpinLock;
use task::WaitQueue;

use super::burst::Burst;
use super::congestion::Congestion;
use super::listener::Listener;
use super::receive_queue::ReceiveQueue;
use super::rtt::{MILLISECOND, RoundTrip};
use super::scoreboard::Scoreboard;
use super::segment::{Options, Segment};
use super::send_queue::SendQueue;
use super::sequence::Seq;
use super::settings::Settings;
use super::time_wait::TimeWait;
use crate::ip::{Endpoint, Path};
use crate::stack::{NEVER, Stack};

/// What the window shift of ours is on every connection: a window of up to 8 MiB.
pub(super) const WINDOW_SHIFT: u8 = 7;
/// The segment size of a peer that names none (RFC 9293 section 3.7.1).
pub(super) const DEFAULT_MSS: u16 = 536;
/// Small segments at the start of a connection that are acknowledged at once, as many as Linux does.
const QUICK_ACKS: u8 = 16;
/// Bytes of headers that a segment always has: Internet (IPv4) and TCP.
const HEADERS: usize = 40;
/// Bytes of the timestamp option, padded.
const TIMESTAMP_LENGTH: u16 = 12;

/// The states of RFC 9293 section 3.3.2. A listener is an object of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// An active open waits for its answer.
    SynSent,
    /// The handshake lacks its last acknowledgement.
    SynReceived,
    /// Data flows both ways.
    Established,
    /// We said FIN.
    FinWait1,
    /// It was acknowledged.
    FinWait2,
    /// The peer said FIN.
    CloseWait,
    /// Both said FIN at once.
    Closing,
    /// The peer said FIN first, then we.
    LastAck,
    /// Both are done. The table keeps a small entry of its own.
    TimeWait,
    /// There is no connection any more.
    Closed,
}

impl State {
    /// The number of `TCP_INFO` and `/proc/net/tcp`.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Established => 1,
            Self::SynSent => 2,
            Self::SynReceived => 3,
            Self::FinWait1 => 4,
            Self::FinWait2 => 5,
            Self::TimeWait => 6,
            Self::Closed => 7,
            Self::CloseWait => 8,
            Self::LastAck => 9,
            Self::Closing => 11,
        }
    }

    /// Whether both ends agreed on the beginning.
    pub(crate) fn is_synchronized(self) -> bool {
        !matches!(self, Self::SynSent | Self::SynReceived | Self::Closed)
    }
}

/// A connection, shared by its socket, the table of connections and the timers.
pub(crate) struct Connection {
    pub(crate) id: u64,
    pub(crate) local: Endpoint,
    pub(crate) remote: Endpoint,
    /// Whoever waits for its readiness.
    pub(crate) wait_queue: Arc<WaitQueue>,
    /// Where it came in, until it is accepted.
    pub(super) listener: Option<Weak<Listener>>,
    pub(super) tcb: SpinLock<Tcb>,
}

/// What timers there are beside the retransmission timer's three meanings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retransmit {
    /// Something was not acknowledged in time.
    Timeout,
    /// The end of a flight may be lost: one segment more tells (RFC 8985 section 7).
    Probe,
    /// The window is closed.
    Persist,
    /// Data is held back for more to come.
    Cork,
}

/// What the peer's timestamps say (RFC 7323).
#[derive(Clone, Copy, Debug)]
pub(super) struct Timestamps {
    /// The value to echo, and when it came.
    pub(super) recent: u32,
    pub(super) recent_at: u64,
}

/// The transmission control block.
pub(super) struct Tcb {
    pub(super) state: State,
    /// The error that the application has not been told of.
    pub(super) error: Option<Errno>,
    /// What a time-out is reported as, when something is known of its cause.
    pub(super) soft_error: Option<Errno>,
    pub(super) settings: Settings,
    pub(super) path: Path,

    pub(super) una: Seq,
    pub(super) next: Seq,
    /// The highest that `next` has been.
    pub(super) max: Seq,
    pub(super) window: usize,
    pub(super) window_seq: Seq,
    pub(super) window_ack: Seq,
    pub(super) largest_window: usize,
    pub(super) send: SendQueue,
    pub(super) send_shift: u8,
    /// Bytes of payload of a full segment.
    pub(super) mss: usize,
    /// What the peer takes at most.
    pub(super) peer_mss: u16,
    pub(super) fin_queued: bool,
    /// `MSG_MORE` on the last write.
    pub(super) more: bool,
    /// How the application writes.
    pub(super) burst: Burst,
    /// The application was told that there is no room.
    pub(super) wants_space: bool,

    pub(super) irs: Seq,
    pub(super) receive_next: Seq,
    /// The right edge of the window that was offered.
    pub(super) offered: Seq,
    pub(super) last_ack_sent: Seq,
    pub(super) receive: ReceiveQueue,
    pub(super) receive_capacity: usize,
    /// Bytes read by the application since `measured_at`, to size the buffer.
    pub(super) read_since: usize,
    pub(super) measured_at: u64,
    pub(super) fin_received: bool,
    pub(super) receive_shut: bool,
    pub(super) urgent: Option<Seq>,
    /// The last segment that came out of order, for the first block of SACK.
    pub(super) latest: Seq,

    pub(super) scale_windows: bool,
    pub(super) sack: bool,
    pub(super) timestamps: Option<Timestamps>,
    pub(super) timestamp_offset: u32,

    pub(super) congestion: Congestion,
    pub(super) round_trip: RoundTrip,
    pub(super) scoreboard: Scoreboard,
    pub(super) duplicate_acks: u32,
    /// In recovery, up to where lost data has been sent again.
    pub(super) resent: Seq,
    /// The end of a segment whose acknowledgement gives a round-trip sample, and when it was sent.
    pub(super) timed: Option<(Seq, u64)>,
    pub(super) probe_sent: bool,

    pub(super) retransmit: (Retransmit, u64),
    pub(super) delayed_ack: u64,
    pub(super) keep_alive: u64,
    pub(super) close: u64,
    /// When to try again after the device was full.
    pub(super) busy: u64,
    /// What the timers' table has.
    pub(super) armed: u64,
    pub(super) keep_probes: u8,
    pub(super) last_received: u64,
    /// When data last came, and whether answers follow it, on which acknowledgements ride. Else the peer may hold back its next segment for one.
    pub(super) data_received: u64,
    pub(super) answers: bool,
    /// How many more small segments are acknowledged at once, and whether one waits for that.
    pub(super) quick_acks: u8,
    pub(super) small_waits: bool,
    pub(super) last_sent: u64,
    /// When the peer last acknowledged something new.
    pub(super) progress: u64,

    pub(super) ack_now: bool,
    /// Received bytes that are not acknowledged.
    pub(super) unacknowledged: usize,
    /// No socket has it any more.
    pub(super) orphaned: bool,
    /// Whether it counts among its listener's half-open ones.
    pub(super) half_open: bool,
    /// What this connection's queues add to the memory of all.
    pub(super) accounted: usize,
    pub(super) retransmissions: u32,
    pub(super) segments: (u32, u32),
}

/// What follows from a change, done when the connection's lock is free again.
#[derive(Default)]
#[must_use]
pub(super) struct Outcome {
    pub(super) notify: bool,
    /// The handshake is complete: give it to the listener.
    pub(super) established: bool,
    pub(super) gone: Option<Gone>,
}

/// How a connection leaves the table.
#[derive(Clone, Copy)]
pub(super) enum Gone {
    Closed,
    TimeWait(TimeWait),
}

/// A connection at work: what its parts need of the world.
#[derive(Clone, Copy)]
pub(super) struct Link<'a> {
    pub(super) stack: &'a Stack,
    pub(super) connection: &'a Connection,
    pub(super) now: u64,
}

impl Link<'_> {
    pub(super) fn new<'a>(stack: &'a Stack, connection: &'a Connection) -> Link<'a> {
        Link {
            stack,
            connection,
            now: stack.now(),
        }
    }
}

impl Connection {
    pub(super) fn new(
        stack: &Stack,
        (local, remote): (Endpoint, Endpoint),
        listener: Option<Weak<Listener>>,
        wait_queue: Arc<WaitQueue>,
        tcb: Tcb,
    ) -> Arc<Self> {
        Arc::new(Self {
            id: stack.tcp.next_id.fetch_add(1, Ordering::Relaxed),
            local,
            remote,
            wait_queue,
            listener,
            tcb: SpinLock::new(tcb),
        })
    }
}

/// The initial sequence number of a connection (RFC 6528).
pub(super) fn initial_sequence(stack: &Stack, local: Endpoint, remote: Endpoint) -> Seq {
    const PURPOSE: u64 = 1;
    let clock = (stack.now() / 4000) as u32;
    Seq(clock.wrapping_add(stack.secret.hash(local, remote, PURPOSE, 0) as u32))
}

/// What is added to the clock in a connection's timestamps, so that they do not tell the machine's uptime.
pub(super) fn timestamp_offset(stack: &Stack, local: Endpoint, remote: Endpoint) -> u32 {
    const PURPOSE: u64 = 2;
    stack.secret.hash(local, remote, PURPOSE, 0) as u32
}

impl Tcb {
    pub(super) fn new(
        stack: &Stack,
        (local, remote): (Endpoint, Endpoint),
        settings: Settings,
        state: State,
        iss: Seq,
    ) -> Self {
        let now = stack.now();
        Self {
            state,
            error: None,
            soft_error: None,
            settings,
            path: Path::default(),
            una: iss,
            next: iss,
            max: iss,
            window: 0,
            window_seq: Seq(0),
            window_ack: iss,
            largest_window: 0,
            send: SendQueue::default(),
            send_shift: 0,
            mss: usize::from(DEFAULT_MSS),
            peer_mss: DEFAULT_MSS,
            fin_queued: false,
            more: false,
            burst: Burst::default(),
            wants_space: false,
            irs: Seq(0),
            receive_next: Seq(0),
            offered: Seq(0),
            last_ack_sent: Seq(0),
            receive: ReceiveQueue::default(),
            receive_capacity: stack.tcp.initial_receive_capacity(settings.receive_buffer),
            read_since: 0,
            measured_at: now,
            fin_received: false,
            receive_shut: false,
            urgent: None,
            latest: Seq(0),
            scale_windows: false,
            sack: false,
            timestamps: None,
            timestamp_offset: timestamp_offset(stack, local, remote),
            congestion: Congestion::new(usize::from(DEFAULT_MSS)),
            round_trip: RoundTrip::new(),
            scoreboard: Scoreboard::default(),
            duplicate_acks: 0,
            resent: iss,
            timed: None,
            probe_sent: false,
            retransmit: (Retransmit::Timeout, NEVER),
            delayed_ack: NEVER,
            keep_alive: NEVER,
            close: NEVER,
            busy: NEVER,
            armed: NEVER,
            keep_probes: 0,
            last_received: now,
            data_received: 0,
            answers: false,
            quick_acks: QUICK_ACKS,
            small_waits: false,
            last_sent: now,
            progress: now,
            ack_now: false,
            unacknowledged: 0,
            orphaned: false,
            half_open: false,
            accounted: 0,
            retransmissions: 0,
            segments: (0, 0),
        }
    }

    /// Takes what the peer's SYN says.
    pub(super) fn accept_syn(&mut self, stack: &Stack, remote: Endpoint, segment: &Segment) {
        self.irs = segment.seq;
        self.receive_next = segment.seq + 1;
        self.offered = self.receive_next;
        self.last_ack_sent = self.receive_next;
        self.window_seq = segment.seq;
        self.accept_options(stack, remote, &segment.options);
        self.window = usize::from(segment.window);
        self.largest_window = self.window;
    }

    pub(super) fn accept_options(&mut self, stack: &Stack, remote: Endpoint, options: &Options) {
        self.scale_windows = options.window_scale.is_some();
        self.send_shift = options.window_scale.unwrap_or(0);
        self.sack = options.sack_permitted;
        self.timestamps = options.timestamp.map(|(value, _)| Timestamps {
            recent: value,
            recent_at: stack.now(),
        });
        self.peer_mss = options.mss.unwrap_or(DEFAULT_MSS).max(64);
        self.update_mss(stack, remote);
        self.congestion = Congestion::new(self.mss);
    }

    /// Sizes segments by what the path and the peer take.
    pub(super) fn update_mss(&mut self, stack: &Stack, remote: Endpoint) {
        let mut mss = own_mss(stack, remote).min(self.peer_mss);
        if self.settings.max_segment > 0 {
            mss = mss.min(self.settings.max_segment);
        }
        if self.timestamps.is_some() {
            mss -= TIMESTAMP_LENGTH;
        }
        self.mss = usize::from(mss.max(48));
    }

    /// The value of our clock in timestamps, in milliseconds.
    pub(super) fn timestamp(&self, now: u64) -> u32 {
        ((now / MILLISECOND) as u32).wrapping_add(self.timestamp_offset)
    }

    /// The sequence number of the first byte in the send queue.
    pub(super) fn data_start(&self) -> Seq {
        if self.state.is_synchronized() {
            self.una
        } else {
            self.una + 1
        }
    }

    /// The sequence number after the last byte in the send queue: the FIN's, once it is queued.
    pub(super) fn data_end(&self) -> Seq {
        self.data_start() + self.send.len()
    }

    /// Whether our FIN has been sent.
    pub(super) fn fin_sent(&self) -> bool {
        self.fin_queued && self.max > self.data_end()
    }

    /// Bytes that are sent and neither acknowledged nor taken for lost.
    pub(super) fn in_flight(&self) -> usize {
        let flight = self.scoreboard.in_flight(self.una, self.next, self.resent, self.mss);
        if self.sack {
            flight
        } else {
            flight.saturating_sub(self.duplicate_acks as usize * self.mss)
        }
    }

    /// Bytes that the application may write beyond what waits.
    pub(super) fn send_capacity(&self, stack: &Stack) -> usize {
        if self.settings.send_buffer > 0 {
            return self.settings.send_buffer as usize;
        }
        stack.tcp.send_capacity(self.congestion.window)
    }

    pub(super) fn send_space(&self, stack: &Stack) -> usize {
        self.send_capacity(stack).saturating_sub(self.send.len())
    }

    /// Brings what this connection's queues hold into the memory of all.
    pub(super) fn account(&mut self, stack: &Stack) {
        let holds = self.send.footprint() + self.receive.footprint();
        if holds != self.accounted {
            stack.tcp.account(self.accounted, holds);
            self.accounted = holds;
        }
    }

    /// Ends the connection here and now, with an error for the application.
    pub(super) fn fail(&mut self, errno: Option<Errno>, outcome: &mut Outcome) {
        self.error = errno.or(self.error);
        self.finish(outcome);
    }

    /// Ends the connection here and now.
    pub(super) fn finish(&mut self, outcome: &mut Outcome) {
        self.state = State::Closed;
        self.send.clear();
        self.scoreboard.clear();
        self.receive.prune();
        if self.orphaned {
            self.receive.clear();
        }
        self.stop_timers();
        outcome.notify = true;
        outcome.gone = Some(Gone::Closed);
    }

    pub(super) fn stop_timers(&mut self) {
        self.retransmit.1 = NEVER;
        self.delayed_ack = NEVER;
        self.keep_alive = NEVER;
        self.close = NEVER;
        self.busy = NEVER;
    }

    /// Both directions are done: a small entry keeps the ends for a while.
    pub(super) fn enter_time_wait(&mut self, link: &Link<'_>, outcome: &mut Outcome) {
        self.state = State::TimeWait;
        self.stop_timers();
        outcome.notify = true;
        outcome.gone = Some(Gone::TimeWait(TimeWait {
            local: link.connection.local,
            remote: link.connection.remote,
            next: self.max,
            receive_next: self.receive_next,
            timestamp_recent: self.timestamps.map(|timestamps| timestamps.recent),
            timestamp_offset: self.timestamp_offset,
            expires: link.now + TimeWait::LIFETIME,
        }));
    }
}

/// The segment size that we name to `remote`: what its path carries (RFC 6691).
pub(super) fn own_mss(stack: &Stack, remote: Endpoint) -> u16 {
    let headers = if remote.address.is_ipv4() {
        HEADERS
    } else {
        HEADERS + 20
    };
    (stack.path_mtu(remote.address).saturating_sub(headers)).clamp(64, 65495) as u16
}
