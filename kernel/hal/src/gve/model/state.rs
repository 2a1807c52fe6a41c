//! All that the device knows.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::admin::AdminQueue;
use super::configuration::{Configuration, Format};
use super::faults::{Defect, Faults};
use super::memory::Name;
use super::pages::PageList;
use super::queues::{Receiver, Transmitter};
use super::registers::Registers;
use super::resources::Resources;
use crate::dma::reach::{Reach, Region};
use crate::network::model::Vector;

/// Notes beyond these are not kept: one mistake in a loop must not fill the memory.
const MOST_VIOLATIONS: usize = 100;

/// Which way the frames of a queue go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Direction {
    Tx,
    Rx,
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
    /// The number of the queue.
    pub(crate) queue: u32,
    /// The frame without its check sequence.
    pub(crate) bytes: Vec<u8>,
}

/// What the device dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Drops {
    /// Received frames for which there were no buffers.
    pub(crate) rx: u64,
    /// Frames that were malformed or sent without a link.
    pub(crate) tx: u64,
}

/// What the driver has set.
#[derive(Default)]
pub(super) struct Settings {
    pub(super) mtu: Option<u16>,
    /// `driver_capability_flags`, if the driver told them.
    pub(super) capabilities: Option<[u64; 4]>,
    /// Where statistics go, and how long that place is.
    pub(super) statistics: Option<(u64, usize)>,
}

pub(super) struct State {
    pub(super) configuration: Configuration,
    pub(super) violations: Vec<String>,
    /// How many there were, with those that were not kept.
    pub(super) broken: usize,
    pub(super) faults: Faults,
    pub(super) vectors: Vec<Vector>,
    pub(super) registers: Registers,
    pub(super) admin: Option<AdminQueue>,
    pub(super) settings: Settings,
    pub(super) resources: Option<Resources>,
    pub(super) page_lists: BTreeMap<u32, PageList>,
    pub(super) transmitters: BTreeMap<u32, Transmitter>,
    pub(super) receivers: BTreeMap<u32, Receiver>,
    /// Memory that the device keeps until its reset is over.
    pub(super) held: Vec<Region<Name>>,
    /// Whether the driver knows the device's limits; it need not ask again after a reset.
    pub(super) is_described: bool,
    pub(super) holds_transmissions: bool,
    /// Frames that arrive when the doorbell of their queue's interrupt is written.
    pub(super) early: VecDeque<(u32, Vec<u8>)>,
    pub(super) has_link: bool,
    pub(super) sent: VecDeque<Sent>,
    pub(super) drops: Drops,
    pub(super) resets: usize,
    /// Doorbells given out so far, of all resets: where one lies comes from it, so that no driver can guess.
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
            admin: None,
            settings: Settings::default(),
            resources: None,
            page_lists: BTreeMap::new(),
            transmitters: BTreeMap::new(),
            receivers: BTreeMap::new(),
            held: Vec::new(),
            is_described: false,
            holds_transmissions: false,
            early: VecDeque::new(),
            has_link: true,
            sent: VecDeque::new(),
            drops: Drops::default(),
            resets: 0,
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
        !self.faults.has(Defect::Hung)
    }

    /// The format of queues, once it is chosen.
    pub(super) fn format(&self) -> Option<Format> {
        self.resources.as_ref().map(|resources| resources.format)
    }

    /// The longest packet behind the Ethernet header.
    pub(super) fn mtu(&self) -> usize {
        self.settings.mtu.unwrap_or(self.configuration.max_mtu()).into()
    }

    /// Forgets everything but what the test set, as a reset does. The memory is held until the reset is over.
    pub(super) fn forget(&mut self) {
        self.held = self.regions();
        self.admin = None;
        self.settings = Settings::default();
        self.resources = None;
        self.page_lists.clear();
        self.transmitters.clear();
        self.receivers.clear();
        for vector in &mut self.vectors {
            vector.reset();
        }
    }
}
