//! All that the device knows.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::admin::Admin;
use super::completion::CompletionQueue;
use super::configuration::Configuration;
use super::defs::admin::{SQ_DIRECTION_RX, SQ_DIRECTION_TX};
use super::events::Events;
use super::faults::{Defect, Faults};
use super::llq::{Llq, LlqMemory};
use super::phc::Phc;
use super::registers::Registers;
use super::submission::SubmissionQueue;
use crate::network::model::Vector;

/// Notes beyond these are not kept: one mistake in a loop must not fill the memory.
const MOST_VIOLATIONS: usize = 100;

/// Which way the frames of a queue go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Direction {
    Tx,
    Rx,
}

impl Direction {
    pub(super) fn of_identity(identity: u8) -> Option<Self> {
        match identity >> 5 {
            SQ_DIRECTION_TX => Some(Self::Tx),
            SQ_DIRECTION_RX => Some(Self::Rx),
            _ => None,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tx => "TX",
            Self::Rx => "RX",
        })
    }
}

/// A frame that left the device: offloads are carried out, one entry for each segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The number of the submission queue.
    pub(crate) queue: u16,
    /// The frame without its check sequence.
    pub(crate) bytes: Vec<u8>,
}

/// What the driver has set by features.
#[derive(Default)]
pub(super) struct Settings {
    pub(super) mtu: Option<u32>,
    pub(super) groups: u32,
    pub(super) host_info: Option<u64>,
    /// `driver_supported_features` of the host information.
    pub(super) driver_features: u32,
    pub(super) llq: Option<Llq>,
    /// Whether the driver has read which features there are.
    pub(super) attributes_read: bool,
}

/// What the device counts, as keep-alives tell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Drops {
    /// Received frames for which there were no buffers.
    pub(crate) rx: u64,
    /// Frames that were malformed or sent without a link.
    pub(crate) tx: u64,
}

pub(super) struct State {
    pub(super) configuration: Configuration,
    pub(super) violations: Vec<String>,
    /// How many there were, with those that were not kept.
    pub(super) broken: usize,
    pub(super) faults: Faults,
    pub(super) vectors: Vec<Vector>,
    pub(super) registers: Registers,
    pub(super) admin: Admin,
    pub(super) events: Events,
    pub(super) settings: Settings,
    pub(super) completions: BTreeMap<u16, CompletionQueue>,
    pub(super) submissions: BTreeMap<(Direction, u16), SubmissionQueue>,
    pub(super) llq_memory: LlqMemory,
    pub(super) phc: Phc,
    pub(super) holds_transmissions: bool,
    pub(super) has_link: bool,
    pub(super) sent: VecDeque<Sent>,
    pub(super) drops: Drops,
    /// Reasons of the resets so far.
    pub(super) resets: Vec<u32>,
    /// Queues created so far, of all resets: where a queue's registers lie comes from it, so that no driver can guess.
    pub(super) created: usize,
}

impl State {
    pub(super) fn new(configuration: Configuration) -> Self {
        let vectors = alloc::vec![Vector::default(); usize::from(configuration.vectors)];
        Self {
            configuration,
            violations: Vec::new(),
            broken: 0,
            faults: Faults::default(),
            vectors,
            registers: Registers::default(),
            admin: Admin::default(),
            events: Events::default(),
            settings: Settings::default(),
            completions: BTreeMap::new(),
            submissions: BTreeMap::new(),
            llq_memory: LlqMemory::default(),
            phc: Phc::default(),
            holds_transmissions: false,
            has_link: true,
            sent: VecDeque::new(),
            drops: Drops::default(),
            resets: Vec::new(),
            created: 0,
        }
    }

    /// Writes down what the driver did wrong.
    pub(super) fn violate(&mut self, what: impl fmt::Display) {
        self.broken += 1;
        if self.violations.len() < MOST_VIOLATIONS {
            self.violations.push(what.to_string());
        }
    }

    /// Writes down what the driver did wrong, if it did.
    pub(super) fn demand(&mut self, is_right: bool, otherwise: impl fmt::Display) -> bool {
        if !is_right {
            self.violate(otherwise);
        }
        is_right
    }

    /// Whether the device does what doorbells tell it.
    pub(super) fn is_alive(&self) -> bool {
        !self.faults.has(Defect::Hung) && !self.registers.has_failed
    }

    /// Forgets everything but what the test set, as a reset does.
    pub(super) fn forget(&mut self) {
        self.admin = Admin::default();
        self.events = Events::default();
        self.settings = Settings::default();
        self.completions.clear();
        self.submissions.clear();
        self.llq_memory = LlqMemory::default();
        self.phc.output = None;
        for vector in &mut self.vectors {
            vector.reset();
        }
    }
}
