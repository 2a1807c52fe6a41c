//! What a driver does for a channel.

use core::fmt;

use super::Unit;
use crate::mem::Frame;

/// A read as the device wants it.
pub(crate) struct Read<'a> {
    pub(crate) unit: &'a Unit,
    /// First block, in the unit's own blocks.
    pub(crate) block: u64,
    pub(crate) blocks: u32,
    /// Where the bytes go: whole pages, but for the last.
    pub(crate) frames: &'a [Frame],
}

impl Read<'_> {
    /// How many bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.blocks as usize * self.unit.block_size() as usize
    }
}

/// Why a request failed: the specification's words, and its number for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reason(pub(crate) &'static str, pub(crate) u32);

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({:#x})", self.0, self.1)
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All bytes are in place.
    Done,
    /// It may succeed when it is sent again.
    Retry(Reason),
    /// It will not.
    Failed(Reason),
}

/// What to do about a request that is late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on waiting: the device loses no requests.
    Wait,
    /// Send it again beside the lost one, which keeps its memory until the device returns it.
    TryAgain,
    /// The device does not work any more: reset it.
    Reset,
}

/// How a reset goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reset {
    /// Call again at this time.
    Continue(u64),
    /// The device works again and has forgotten all requests.
    Done,
    /// It will not work again. It reaches no memory any more, or never gives back what it has.
    Failed,
}

/// A device that reads, behind a [`super::Channel`], which never calls `start` for a tag that is under way.
pub(crate) trait Driver: Send + Sync {
    /// How many requests can be under way; tags are below it.
    fn depth(&self) -> u16;

    /// The most pages of one request.
    fn most_frames(&self) -> usize;

    /// Prepares a request; false when there is no room for it now.
    fn start(&self, tag: u16, read: &Read<'_>) -> bool;

    /// Tells the device of what was prepared.
    fn ring(&self);

    /// Takes a request that has ended. After it found none, the next one raises an interrupt.
    fn collect(&self) -> Option<(u16, Outcome)>;

    /// Whether the device has failed as a whole, looked at when it has ended a request with an error or raised an interrupt.
    fn has_failed(&self) -> bool {
        false
    }

    /// A request has not been answered in time.
    fn late(&self, _tag: u16) -> Verdict {
        Verdict::Wait
    }

    /// Begins a reset (`first`), or goes on with it.
    fn reset(&self, _first: bool) -> Reset {
        Reset::Failed
    }
}
