//! What a test can make the device do wrong.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// What becomes of an admin command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdminFault {
    /// It is never carried out, nor are those behind it.
    Never,
    /// It is carried out with [`super::Gve::release_commands`], and those behind it wait too.
    Late,
    /// It is not carried out, and ends with this status (`gve_adminq_statuses`; 0 is none).
    Status(u32),
}

/// What becomes of the completion of a frame that was sent, or received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CompletionFault {
    /// As it should be, between two that are not.
    None,
    /// It is never written.
    Lose,
    /// It is written twice; DQO.
    Twice,
    /// It has another tag, or its first buffer another identifier; DQO.
    Identifier(u16),
    /// It has the wrong generation; DQO.
    Generation,
    /// Sent: it is of another queue; DQO.
    Queue(u16),
    /// Sent: it has another type. Received: it has another layout (`rxdid`). DQO.
    Type(u8),
    /// Sent: the packet misses the fast path: that is completed now, the packet with [`super::Gve::reinject`]; no fault, DQO.
    Miss,
    /// Sent: the counter has this value; GQI.
    Counter(u32),
    /// Received: the first descriptor has this sequence number; GQI.
    Sequence(u8),
    /// Received: the first buffer has this length.
    Length(u16),
    /// Received: the device found the frame wrong. No fault.
    Error,
    /// Received: nothing says that the frame ends.
    NoLast,
}

/// Lasting faults: `true` while the device has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    /// A reset never ends.
    ResetNeverEnds,
    /// The device does nothing that it is told by doorbells, and sends nothing.
    Hung,
    /// Messages are not sent.
    LostInterrupts,
    /// Doorbells of queues and notification blocks that are created lie outside BAR 2.
    WildDoorbells,
    /// Counters of queues that are created lie behind the array.
    WildCounters,
    /// Received frames fill the newest buffers that the device has fetched, not the oldest. No fault; DQO.
    NewestBuffersFirst,
}

#[derive(Default)]
pub(super) struct Faults {
    /// Opcode, and what becomes of the next command with it.
    pub(super) commands: Vec<(u32, AdminFault)>,
    pub(super) sent: VecDeque<CompletionFault>,
    pub(super) received: VecDeque<CompletionFault>,
    pub(super) defects: Vec<Defect>,
}

impl Faults {
    pub(super) fn has(&self, defect: Defect) -> bool {
        self.defects.contains(&defect)
    }

    pub(super) fn of_command(&mut self, opcode: u32) -> Option<AdminFault> {
        let at = self.commands.iter().position(|command| command.0 == opcode)?;
        Some(self.commands.remove(at).1)
    }
}
