//! The event queue (AENQ): what the device says unasked.

use core::sync::atomic::{Ordering, fence};

use super::descriptor;
use super::feature::Hints;
use super::register;
use crate::bus::Registers;
use crate::dma::Shared;

const ENTRIES: u16 = 16;
/// Bytes of an entry (`ena_admin_aenq_entry`).
const SIZE: usize = 64;

/// Groups (`ena_admin_aenq_group`).
const LINK_CHANGE: u32 = 0;
const FATAL_ERROR: u32 = 1;
const WARNING: u32 = 2;
const NOTIFICATION: u32 = 3;
const KEEP_ALIVE: u32 = 4;
const DEVICE_REQUEST_RESET: u32 = 7;
/// A notification's syndrome.
const UPDATE_HINTS: u32 = 2;

/// The groups that are asked for where they are known.
pub(super) const WANTED: u32 = 1 << LINK_CHANGE
    | 1 << FATAL_ERROR
    | 1 << WARNING
    | 1 << NOTIFICATION
    | 1 << KEEP_ALIVE
    | 1 << DEVICE_REQUEST_RESET;
/// The group without which nobody can say whether the device lives.
pub(super) const KEEP_ALIVES: u32 = 1 << KEEP_ALIVE;

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Link {
        is_up: bool,
    },
    FatalError,
    /// With the syndrome.
    Warning(u32),
    NewHints(Hints),
    KeepAlive,
    WantsReset,
    /// Nothing that the driver asked for.
    Other,
}

pub(super) struct EventQueue {
    registers: Registers,
    entries: Shared,
    /// The place of the next event: counts on for ever, from one round on, which is how the device counts the places that it may fill.
    head: u16,
}

impl EventQueue {
    /// `None` when memory is used up.
    pub(super) fn new(registers: Registers) -> Option<Self> {
        Some(Self {
            registers,
            entries: Shared::allocate(usize::from(ENTRIES) * SIZE)?,
            head: ENTRIES,
        })
    }

    pub(super) fn address(&self) -> u64 {
        self.entries.address(0)
    }

    /// Begins anew, for a device that was reset: it says nothing before [`EventQueue::open`].
    pub(super) fn begin(&mut self) {
        self.entries.clear();
        self.head = ENTRIES;
        self.registers.write64(register::AENQ_BASE, self.entries.address(0));
        self.registers
            .write32(register::AENQ_CAPS, register::queue_caps(ENTRIES, SIZE));
    }

    /// Lets events come, and interrupts with them.
    pub(super) fn open(&self) {
        self.registers.write32(register::INTR_MASK, 0);
        self.registers.write32(register::AENQ_HEAD_DOORBELL, self.head.into());
    }

    /// Hands what has come to `handler`, at most one round of the queue.
    pub(super) fn take(&mut self, mut handler: impl FnMut(Event)) {
        let before = self.head;
        while self.head.wrapping_sub(before) < ENTRIES {
            let at = usize::from(self.head % ENTRIES) * SIZE;
            let flags = self.entries.get32(at + 4, Ordering::Acquire);
            if flags & 1 != descriptor::phase(self.head.wrapping_sub(ENTRIES), ENTRIES) {
                break;
            }
            let word = |index: usize| self.entries.get32(at + index * 4, Ordering::Relaxed);
            handler(decode(word(0), [word(4), word(5), word(6)]));
            self.head = self.head.wrapping_add(1);
        }
        if self.head != before {
            fence(Ordering::SeqCst);
            self.registers.write32(register::AENQ_HEAD_DOORBELL, self.head.into());
        }
    }
}

/// From the first word, and those behind the common ones.
fn decode(word: u32, inline: [u32; 3]) -> Event {
    let (group, syndrome) = (word & 0xffff, word >> 16);
    match group {
        LINK_CHANGE => Event::Link {
            is_up: inline[0] & 1 != 0,
        },
        FATAL_ERROR => Event::FatalError,
        WARNING => Event::Warning(syndrome),
        NOTIFICATION if syndrome == UPDATE_HINTS => Event::NewHints(Hints::of(&inline)),
        KEEP_ALIVE => Event::KeepAlive,
        DEVICE_REQUEST_RESET => Event::WantsReset,
        _ => Event::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ena_events_are_told_apart_by_group_and_syndrome() {
        assert_eq!(decode(0, [1, 0, 0]), Event::Link { is_up: true });
        assert_eq!(decode(0, [2, 0, 0]), Event::Link { is_up: false });
        assert_eq!(decode(1, [0; 3]), Event::FatalError);
        assert_eq!(decode(7 << 16 | 2, [0; 3]), Event::Warning(7));
        assert!(matches!(decode(2 << 16 | 3, [1; 3]), Event::NewHints(_)));
        assert_eq!(decode(1 << 16 | 3, [0; 3]), Event::Other);
        assert_eq!(decode(4, [0; 3]), Event::KeepAlive);
        assert_eq!(decode(7, [0; 3]), Event::WantsReset);
        assert_eq!(decode(9, [0; 3]), Event::Other);
    }
}
