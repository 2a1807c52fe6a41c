//! A driver's part, entry by entry.

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use crate::bus::Registers;
use crate::dma::Shared;
use crate::ena::model::defs::{admin, eth_io, regs};
use crate::ena::model::{Configuration, Ena};

/// Entries of the admin queues and of the events: few, so that they wrap.
pub(super) const DEPTH: u16 = 4;
/// Where what lies in the memory.
pub(super) const AQ: usize = 0x000;
pub(super) const ACQ: usize = 0x400;
pub(super) const AENQ: usize = 0x800;
pub(super) const RESPONSE: usize = 0xc00;
pub(super) const HOST_INFO: usize = 0x1000;
/// The message of queues.
pub(super) const MESSAGE: u16 = 1;

pub(super) struct Bench {
    pub(super) device: Ena,
    pub(super) registers: Registers,
    pub(super) llq: Registers,
    pub(super) memory: Shared,
    tail: u16,
    head: u16,
}

impl Bench {
    /// A device that was just powered on.
    pub(super) fn new(configuration: Configuration) -> Self {
        let device = Ena::new(configuration);
        Self {
            registers: device.registers(),
            llq: device.llq_memory(),
            device,
            memory: Shared::allocate(0x2000).expect("memory"),
            tail: 0,
            head: 0,
        }
    }

    /// A device with admin queues and events, that was asked for its attributes.
    pub(super) fn ready(configuration: Configuration) -> Self {
        let mut bench = Self::new(configuration);
        bench.reset(0);
        bench.set_up_admin();
        bench.get(admin::DEVICE_ATTRIBUTES, 0);
        bench.device.assert_obeyed();
        bench
    }

    /// What is wrong begins like this, and was nothing else.
    #[track_caller]
    pub(super) fn expect(&self, what: &str) {
        let violations = self.device.take_violations();
        assert!(
            !violations.is_empty() && violations.iter().all(|violation| violation.contains(what)),
            "not {what:?} but {violations:#?}"
        );
    }

    pub(super) fn status(&self) -> u32 {
        self.registers.read32(regs::DEV_STS_OFF)
    }

    /// Resets the device and waits for it.
    pub(super) fn reset(&mut self, reason: u32) {
        self.registers.write32(regs::DEV_CTL_OFF, reason << 28 | 1);
        while self.status() & regs::DEV_STS_RESET_IN_PROGRESS_MASK == 0 {}
        self.registers.write32(regs::DEV_CTL_OFF, 0);
        while self.status() & regs::DEV_STS_RESET_IN_PROGRESS_MASK != 0 {}
        (self.tail, self.head) = (0, 0);
        self.memory.clear();
    }

    /// Writes an address to two registers.
    pub(super) fn set_address(&self, register: usize, address: u64) {
        self.registers.write32(register, address as u32);
        self.registers.write32(register + 4, (address >> 32) as u32);
    }

    pub(super) fn set_up_admin(&self) {
        let attributes = u32::from(DEPTH) | 64 << 16;
        self.set_address(regs::AQ_BASE_LO_OFF, self.memory.address(AQ));
        self.set_address(regs::ACQ_BASE_LO_OFF, self.memory.address(ACQ));
        self.registers.write32(regs::AQ_CAPS_OFF, attributes);
        self.registers.write32(regs::ACQ_CAPS_OFF, attributes);
        self.set_address(regs::AENQ_BASE_LO_OFF, self.memory.address(AENQ));
        self.registers.write32(regs::AENQ_CAPS_OFF, attributes);
        self.registers.write32(regs::AENQ_HEAD_DB_OFF, DEPTH.into());
    }

    /// Writes a command, without the doorbell. The identifier is its position.
    pub(super) fn submit(&mut self, words: &[u32]) {
        let at = AQ + usize::from(self.tail % DEPTH) * admin::ENTRY_SIZE;
        let phase = u32::from((self.tail / DEPTH).is_multiple_of(2));
        for index in 0..admin::ENTRY_SIZE / 4 {
            let word = words.get(index).copied().unwrap_or(0);
            let common = u32::from(self.tail % 0x1000) ^ phase << 24;
            let word = if index == 0 { word ^ common } else { word };
            self.memory.set32(at + index * 4, word, Ordering::Relaxed);
        }
        self.tail = self.tail.wrapping_add(1);
    }

    pub(super) fn ring(&self) {
        self.registers.write32(regs::AQ_DB_OFF, self.tail.into());
    }

    /// The next completion, if there is one.
    pub(super) fn completion(&mut self) -> Option<[u32; 16]> {
        let at = ACQ + usize::from(self.head % DEPTH) * admin::ENTRY_SIZE;
        let mut words = [0; 16];
        for (index, word) in words.iter_mut().enumerate() {
            *word = self.memory.get32(at + index * 4, Ordering::Relaxed);
        }
        let phase = u32::from((self.head / DEPTH).is_multiple_of(2));
        if words[0] >> 24 != phase {
            return None;
        }
        self.head = self.head.wrapping_add(1);
        Some(words)
    }

    /// Carries a command out; the status, and the words behind the common ones.
    #[track_caller]
    pub(super) fn command(&mut self, words: &[u32]) -> (u8, [u32; 14]) {
        let identifier = self.tail % 0x1000;
        self.submit(words);
        self.ring();
        let completion = self.completion().expect("a completion");
        assert_eq!(completion[0] as u16, identifier, "the command's identifier");
        assert_eq!(completion[1], u32::from(self.tail % DEPTH) << 16, "the queue's head");
        let mut response = [0; 14];
        response.copy_from_slice(&completion[2..]);
        ((completion[0] >> 16) as u8, response)
    }

    #[track_caller]
    pub(super) fn get(&mut self, feature: u8, version: u32) -> [u32; 14] {
        let (status, response) = self.command(&feature_command(admin::GET_FEATURE, feature, version, &[]));
        assert_eq!(status, admin::SUCCESS);
        response
    }

    pub(super) fn set(&mut self, feature: u8, data: &[u32]) -> u8 {
        self.command(&feature_command(admin::SET_FEATURE, feature, 0, data)).0
    }

    /// Creates a queue and its completion queue.
    pub(super) fn queue(&mut self, direction: u8, depth: u16) -> Queue {
        let completions = Shared::allocate(usize::from(depth) * 16).expect("memory");
        let ring = Shared::allocate(usize::from(depth) * eth_io::DESC_SIZE).expect("memory");
        let (status, cq) = self.command(&create_cq(direction, depth, completions.address(0)));
        assert_eq!(status, admin::SUCCESS, "{:?}", self.device.violations());
        let number = cq[0] as u16;
        let (status, sq) = self.command(&create_sq(direction, depth, number, ring.address(0)));
        assert_eq!(status, admin::SUCCESS, "{:?}", self.device.violations());
        Queue {
            registers: self.registers,
            ring,
            completions,
            number: sq[0] as u16,
            completion_number: number,
            doorbell: sq[1] as usize,
            head_doorbell: cq[2] as usize,
            unmask: cq[3] as usize,
            words: words_of(direction),
            depth,
            tail: 0,
            head: 0,
        }
    }
}

/// Two half-words, the lower one first.
pub(super) fn pair(low: u32, high: u32) -> u32 {
    low | high << 16
}

pub(super) fn feature_command(opcode: u8, feature: u8, version: u32, data: &[u32]) -> Vec<u32> {
    let mut words = alloc::vec![
        u32::from(opcode) << 16,
        0,
        0,
        0,
        u32::from(feature) << 8 | version << 16
    ];
    words.extend_from_slice(data);
    words
}

fn words_of(direction: u8) -> usize {
    if direction == admin::SQ_DIRECTION_TX { 2 } else { 4 }
}

pub(super) fn create_cq(direction: u8, depth: u16, address: u64) -> [u32; 5] {
    let words = words_of(direction) as u32;
    let opcode = u32::from(admin::CREATE_CQ) << 16;
    let high = (address >> 32) as u32;
    [
        opcode,
        1 << 5 | words << 8 | u32::from(depth) << 16,
        MESSAGE.into(),
        address as u32,
        high,
    ]
}

pub(super) fn create_sq(direction: u8, depth: u16, completions: u16, address: u64) -> [u32; 9] {
    let opcode = u32::from(admin::CREATE_SQ) << 16;
    let placement = u32::from(admin::PLACEMENT_POLICY_HOST) << 16;
    let identity = u32::from(direction) << 5 | placement | 1 << 24;
    let numbers = u32::from(completions) | u32::from(depth) << 16;
    [
        opcode,
        identity,
        numbers,
        address as u32,
        (address >> 32) as u32,
        0,
        0,
        0,
        0,
    ]
}

/// A queue and its completion queue.
pub(super) struct Queue {
    registers: Registers,
    pub(super) ring: Shared,
    pub(super) completions: Shared,
    pub(super) number: u16,
    pub(super) completion_number: u16,
    pub(super) doorbell: usize,
    pub(super) head_doorbell: usize,
    pub(super) unmask: usize,
    words: usize,
    depth: u16,
    pub(super) tail: u16,
    head: u16,
}

impl Queue {
    /// The phase of the entry that is written next.
    pub(super) fn phase(&self) -> u32 {
        u32::from((self.tail / self.depth).is_multiple_of(2))
    }

    /// Writes an entry as it is.
    pub(super) fn push(&mut self, words: [u32; 4]) {
        let at = usize::from(self.tail % self.depth) * eth_io::DESC_SIZE;
        for (index, word) in words.into_iter().enumerate() {
            self.ring.set32(at + index * 4, word, Ordering::Relaxed);
        }
        self.tail = self.tail.wrapping_add(1);
    }

    pub(super) fn ring(&self) {
        self.registers.write32(self.doorbell, self.tail.into());
    }

    /// The next completion, if there is one.
    pub(super) fn completion(&mut self) -> Option<Vec<u32>> {
        let at = usize::from(self.head % self.depth) * self.words * 4;
        let words = (0..self.words).map(|index| self.completions.get32(at + index * 4, Ordering::Relaxed));
        let words: Vec<u32> = words.collect();
        let phase = u32::from((self.head / self.depth).is_multiple_of(2));
        if words[0] >> 24 & 1 != phase {
            return None;
        }
        self.head = self.head.wrapping_add(1);
        Some(words)
    }
}
