//! What a test can make the device do wrong.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::Gve;
use super::defs::registers;

/// What becomes of an admin command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdminFault {
    /// It is never carried out, nor are those behind it.
    Never,
    /// It is carried out with [`Gve::release_commands`], and those behind it wait too.
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
    /// Sent: the packet misses the fast path: that is completed now, the packet with [`Gve::reinject`]; no fault, DQO.
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

impl Gve {
    /// Gives the device a lasting fault.
    pub(crate) fn inject(&self, defect: Defect) {
        self.state().faults.defects.push(defect);
    }

    /// Takes a lasting fault away.
    pub(crate) fn heal(&self, defect: Defect) {
        self.state().faults.defects.retain(|&other| other != defect);
    }

    /// Takes all faults away, also those that wait for their turn; what they have told stays told.
    pub(crate) fn heal_all(&self) {
        let mut state = self.state();
        state.faults = Faults::default();
        state.early.clear();
        state.holds_transmissions = false;
        state.release_commands();
        state.release_transmissions(false);
        state.reinject();
    }

    /// What becomes of the next command with an opcode (`gve_adminq_opcodes`) that no earlier fault is for.
    pub(crate) fn fail_command(&self, opcode: u32, fault: AdminFault) {
        self.state().faults.commands.push((opcode, fault));
    }

    /// Carries out the commands that [`AdminFault::Late`] held back.
    pub(crate) fn release_commands(&self) {
        self.state().release_commands();
    }

    /// What becomes of the completions of the next packets that are sent, in turn.
    pub(crate) fn fail_sent(&self, faults: &[CompletionFault]) {
        self.state().faults.sent.extend(faults);
    }

    /// What becomes of the completions of the next frames that are received, in turn.
    pub(crate) fn fail_received(&self, faults: &[CompletionFault]) {
        self.state().faults.received.extend(faults);
    }

    /// From now on packets are completed only by [`Self::release_transmissions`], or at once again.
    pub(crate) fn hold_transmissions(&self, holds: bool) {
        self.state().holds_transmissions = holds;
    }

    /// Completes the packets that were taken: in order or, in DQO, the newest first.
    pub(crate) fn release_transmissions(&self, newest_first: bool) {
        self.state().release_transmissions(newest_first);
    }

    /// DQO: completes the packets that missed the fast path ([`CompletionFault::Miss`]).
    pub(crate) fn reinject(&self) {
        self.state().reinject();
    }

    /// DQO: a completion of a type (`GVE_COMPL_TYPE_DQO_…`) that no packet asked for.
    pub(crate) fn complete(&self, queue: u32, kind: u8, tag: u16) {
        self.state().complete_nothing(queue, kind, tag);
    }

    /// A message that tells nothing.
    pub(crate) fn interrupt(&self, message: u16) {
        self.state().vectors[usize::from(message)].is_sent = true;
    }

    /// The link goes or comes.
    pub(crate) fn set_link(&self, has_link: bool) {
        let mut state = self.state();
        state.has_link = has_link;
        state.cause_management();
    }

    /// The device asks for a reset, and goes on.
    pub(crate) fn ask_for_reset(&self) {
        self.state().ask(registers::DEVICE_STATUS_RESET);
    }

    /// The device asks for the driver's statistics.
    pub(crate) fn ask_for_statistics(&self) {
        self.state().ask(registers::DEVICE_STATUS_REPORT_STATS);
    }

    /// The device resets itself, as when its machine moves to another host: it knows nothing any more, and tells nobody.
    pub(crate) fn reset_itself(&self) {
        self.state().reset_itself();
    }
}
