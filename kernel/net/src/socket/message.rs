//! What `sendmsg(2)` and `recvmsg(2)` carry beside the bytes.

use abi::net as linux;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use bitflags::bitflags;

use super::{Address, Control};

bitflags! {
    /// `MSG_*`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct MessageFlags: u32 {
        /// `MSG_OOB`.
        const OOB = linux::MSG_OOB;
        /// `MSG_PEEK`.
        const PEEK = linux::MSG_PEEK;
        /// `MSG_CTRUNC`: control messages did not fit.
        const CTRUNC = linux::MSG_CTRUNC;
        /// `MSG_TRUNC`: the message did not fit, or its whole length is asked for.
        const TRUNC = linux::MSG_TRUNC;
        /// `MSG_DONTWAIT`, which is the caller's to heed.
        const DONTWAIT = linux::MSG_DONTWAIT;
        /// `MSG_EOR`.
        const EOR = linux::MSG_EOR;
        /// `MSG_WAITALL`, which is the caller's to heed.
        const WAITALL = linux::MSG_WAITALL;
        /// `MSG_ERRQUEUE`.
        const ERRQUEUE = linux::MSG_ERRQUEUE;
        /// `MSG_NOSIGNAL`, which is the caller's to heed.
        const NOSIGNAL = linux::MSG_NOSIGNAL;
        /// `MSG_MORE`.
        const MORE = linux::MSG_MORE;
        /// `MSG_CMSG_CLOEXEC`, which is the caller's to heed.
        const CMSG_CLOEXEC = linux::MSG_CMSG_CLOEXEC;
        const _ = !0;
    }
}

/// Who a process is, as `SO_PEERCRED` and `SCM_CREDENTIALS` tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Process.
    pub process: u32,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Credentials {
    /// Of a message that was sent while neither end wanted to know.
    pub(crate) const NOBODY: Self = Self {
        process: 0,
        uid: 65534,
        gid: 65534,
    };
}

/// The process that makes a call.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// Who it is by its real IDs, as messages tell.
    pub real: Credentials,
    /// By its effective ones, as `SO_PEERCRED` tells.
    pub effective: Credentials,
    /// Its supplementary groups.
    pub groups: Vec<u32>,
}

/// Where to connect or send to.
#[derive(Clone)]
pub enum Destination {
    /// An address. One with a path must be resolved by the caller.
    Address(Address),
    /// What the node of a path holds: see `SocketFile::bind_path`.
    Attachment(Arc<dyn Any + Send + Sync>),
}

/// What goes with bytes that are sent.
#[derive(Clone, Default)]
pub struct Message {
    /// To whom, when not to the peer.
    pub destination: Option<Destination>,
    /// How.
    pub flags: MessageFlags,
    /// Control messages.
    pub control: Vec<Control>,
}

/// What came with bytes that were received.
#[derive(Default)]
pub struct Received {
    /// What the call returns: the bytes taken, or those of the whole message when `MSG_TRUNC` asked for it.
    pub length: usize,
    /// Who sent it, when the protocol tells.
    pub address: Option<Address>,
    /// `MSG_TRUNC`, `MSG_EOR`.
    pub flags: MessageFlags,
    /// Control messages.
    pub control: Vec<Control>,
}
