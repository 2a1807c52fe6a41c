//! The card's clock (`ENA_ADMIN_PHC_CONFIG`): AWS's PTP hardware clock, in nanoseconds since 1970, UTC. It is asked by a doorbell and answers
//! in memory, at most 125 times a second.

use core::sync::atomic::{Ordering, fence};

use super::command::Answer;
use super::failure::Failure;
use super::ring;
use crate::bus::Registers;
use crate::dma::Shared;
use crate::mem::PAGE_SIZE;
use crate::time;
use crate::wall_clock::Sample;

/// Bytes of an answer (`ena_admin_phc_resp`).
pub(super) const LENGTH: u32 = 64;
const TIME: usize = 8;
const BOUND: usize = 24;
const ERRORS: usize = 28;
/// `ENA_ADMIN_PHC_ERROR_FLAG_TIMESTAMP` and `ENA_ADMIN_PHC_ERROR_FLAG_ERROR_BOUND`.
const ERROR_FLAGS: u32 = 0b11;
/// Makes a request number that is not the one awaited.
const OTHER: u16 = 0xdead;
/// How long an answer may take, and how long nothing is asked after one that failed, in nanoseconds, unless the device says otherwise.
const PATIENCE: u64 = 10_000;
const PAUSE: u64 = 1_000_000;
/// The most of either that the device may wish for.
const MOST_PATIENCE: u64 = 1_000_000;
const MOST_PAUSE: u64 = 60_000_000_000;

/// What the device says of its clock (`ena_admin_feature_phc_desc`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    doorbell: usize,
    patience: u64,
    pause: u64,
}

impl Offer {
    /// `None` for a version that is not known here.
    pub(super) fn of(answer: &Answer) -> Option<Self> {
        let [version, doorbell, patience, pause] = [2, 3, 4, 5].map(|at| answer.words[at]);
        let or = |microseconds: u32, usual: u64| match microseconds {
            0 => usual,
            told => u64::from(told) * 1000,
        };
        let pause = or(pause, PAUSE).min(MOST_PAUSE);
        (version as u8 == 0).then_some(Self {
            doorbell: doorbell as usize,
            patience: or(patience, PATIENCE).min(MOST_PATIENCE).min(pause),
            pause,
        })
    }
}

pub(super) struct Phc {
    /// Where the device answers.
    answer: Shared,
    number: u16,
    /// None while the device knows of no place for answers.
    running: Option<Running>,
}

struct Running {
    doorbell: Registers,
    offer: Offer,
    /// Nothing is asked before this time.
    pause_until: u64,
}

impl Phc {
    /// `None` when memory is used up.
    pub(super) fn new() -> Option<Self> {
        Some(Self {
            answer: Shared::allocate(PAGE_SIZE)?,
            number: 0,
            running: None,
        })
    }

    pub(super) fn address(&self) -> u64 {
        self.answer.address(0)
    }

    /// The device was reset and has forgotten all.
    pub(super) fn forget(&mut self) {
        self.running = None;
    }

    /// The device knows where to answer.
    pub(super) fn begin(&mut self, offer: Offer, registers: Registers) -> Result<(), Failure> {
        let outside = "puts its clock's doorbell outside its own memory";
        let doorbell = ring::register(registers, offer.doorbell).ok_or(outside)?;
        self.running = Some(Running {
            doorbell,
            offer,
            pause_until: 0,
        });
        Ok(())
    }

    /// Asks for the time; `None` where there is no clock, or it has none to tell.
    pub(super) fn read(&mut self) -> Option<Sample> {
        let running = self.running.as_mut()?;
        if time::monotonic() < running.pause_until {
            return None;
        }
        self.number = self.number.wrapping_add(1);
        self.answer
            .set32(0, u32::from(self.number.wrapping_add(OTHER)), Ordering::SeqCst);
        let begun = time::monotonic();
        running.doorbell.write32(0, self.number.into());
        let is_answered = loop {
            if self.answer.get32(0, Ordering::Acquire) as u16 == self.number {
                break true;
            }
            if time::monotonic() > begun + running.offer.patience {
                break false;
            }
            core::hint::spin_loop();
        };
        fence(Ordering::Acquire);
        let ended = time::monotonic();
        let realtime = time::realtime();
        let word = |at: usize| self.answer.get32(at, Ordering::Relaxed);
        if !is_answered || word(ERRORS) & ERROR_FLAGS != 0 {
            running.pause_until = ended + running.offer.pause;
            return None;
        }
        // It was the time at some moment between the question and the answer.
        let half = (ended - begun) / 2;
        Some(Sample {
            time: u64::from(word(TIME)) | u64::from(word(TIME + 4)) << 32,
            bound: u64::from(word(BOUND)) + half,
            monotonic: ended - half,
            realtime: realtime.saturating_sub(half),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ena_clocks_are_asked_no_longer_than_is_good() {
        let offer = |version, patience, pause| {
            let mut words = [0; 16];
            words[2..6].copy_from_slice(&[version, 0x2468, patience, pause]);
            let name = "GET_FEATURE";
            Offer::of(&Answer { name, words }).map(|offer| (offer.doorbell, offer.patience, offer.pause))
        };
        assert_eq!(offer(0, 0, 0), Some((0x2468, 10_000, 1_000_000)));
        assert_eq!(offer(0, 50, 2000), Some((0x2468, 50_000, 2_000_000)));
        assert_eq!(
            offer(0, 50, 20),
            Some((0x2468, 20_000, 20_000)),
            "no longer than the pause"
        );
        assert_eq!(offer(0, u32::MAX, u32::MAX), Some((0x2468, MOST_PATIENCE, MOST_PAUSE)));
        assert_eq!(offer(1, 50, 2000), None, "another version");
    }
}
