//! What a test can make the device do wrong.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// What becomes of an admin command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdminFault {
    /// It is carried out, and never completed.
    Never,
    /// It is carried out; its completion comes with [`super::Ena::release_commands`].
    Late,
    /// It is not carried out, and fails with this status.
    Status(u8),
    /// It is carried out, and completed under another identifier.
    Identifier(u16),
    /// It is carried out, and its completion has the wrong phase.
    Phase,
}

/// What becomes of the completion of a frame that was sent, or received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CompletionFault {
    /// As it should be, between two that are not.
    None,
    /// It is never written.
    Lose,
    /// It has another request's identifier.
    RequestId(u16),
    /// It has the wrong phase.
    Phase,
    /// Reserved bits are set.
    Reserved,
    /// Received: the first buffer has this length.
    Length(u16),
    /// Received: no completion says that it is the last of the frame.
    NoLast,
    /// Received: every completion says that it is the first of a frame.
    AllFirst,
}

/// Lasting faults: `true` while the device has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Defect {
    /// The status says for ever that the device is not ready.
    NeverReady,
    /// A reset never begins.
    ResetNeverBegins,
    /// A reset never ends.
    ResetNeverEnds,
    /// Readless reads are not answered.
    MuteRegisters,
    /// Readless reads are answered for another register.
    WrongRegister,
    /// The device does nothing that it is told by doorbells, and sends nothing.
    Hung,
    /// Messages are not sent.
    LostInterrupts,
    /// Keep-alives do not come.
    NoKeepAlives,
}

#[derive(Default)]
pub(super) struct Faults {
    /// Opcode, and what becomes of the next command with it.
    pub(super) commands: Vec<(u8, AdminFault)>,
    pub(super) sent: VecDeque<CompletionFault>,
    pub(super) received: VecDeque<CompletionFault>,
    pub(super) defects: Vec<Defect>,
}

impl Faults {
    pub(super) fn has(&self, defect: Defect) -> bool {
        self.defects.contains(&defect)
    }

    pub(super) fn of_command(&mut self, opcode: u8) -> Option<AdminFault> {
        let at = self.commands.iter().position(|command| command.0 == opcode)?;
        Some(self.commands.remove(at).1)
    }
}
