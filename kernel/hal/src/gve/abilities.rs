//! What a device does, as far as the driver uses it.

use super::command::BLOCKS;
use super::description::{Description, Format};
use super::failure::Failure;
use super::receiver::BUFFER;
use crate::mem::PAGE_SIZE;
use crate::network::queue_size;

/// The longest packet that the driver has buffers for, and the shortest that IPv4 asks for.
const MOST_MTU: u16 = 1500;
const LEAST_MTU: u16 = 576;
/// The fewest entries that a queue is of use with: descriptors that were not reported and the largest packet have room in it.
const LEAST_ENTRIES: u16 = 128;
/// The most pages of a list: their addresses fill a page.
const MOST_PAGES: usize = PAGE_SIZE / size_of::<u64>();
/// What the device does, as far as the driver uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Abilities {
    pub(super) format: Format,
    pub(super) mac: [u8; 6],
    pub(super) mtu: u16,
    /// Powers of two.
    pub(super) transmit_entries: u16,
    pub(super) receive_entries: u16,
    /// Pages of the queues' buffers; those to send have a number only in a list.
    pub(super) transmit_pages: usize,
    pub(super) receive_pages: usize,
    pub(super) counters: u16,
    /// The device takes longer packets when it is not told otherwise.
    pub(super) is_mtu_lower: bool,
}

impl Abilities {
    /// Of a device that says this of itself.
    pub(super) fn of(description: Description) -> Result<Self, Failure> {
        if description.mtu < LEAST_MTU {
            return Err("takes no packets of the size that IPv4 asks for".into());
        }
        let is_of_use = |entries: u16| entries.is_power_of_two() && entries >= LEAST_ENTRIES;
        if !is_of_use(description.transmit_entries) || !is_of_use(description.receive_entries) {
            return Err("has queues of no use".into());
        }
        let pages = usize::from(queue_size() / 2).min(MOST_PAGES);
        let most = usize::try_from(description.most_pages / u64::from(BLOCKS)).unwrap_or(usize::MAX);
        let pages = if description.format.has_page_lists() {
            pages.min(most)
        } else {
            pages
        };
        if pages == 0 {
            return Err("takes no pages for its queues".into());
        }
        // One entry stays free, so that a full queue and an empty one differ.
        let most_buffers = usize::from(description.receive_entries) - 1;
        Ok(Self {
            format: description.format,
            mac: description.mac,
            mtu: description.mtu.min(MOST_MTU),
            transmit_entries: description.transmit_entries,
            receive_entries: description.receive_entries,
            transmit_pages: pages,
            receive_pages: pages.min(most_buffers / (PAGE_SIZE / BUFFER)),
            counters: description.counters,
            is_mtu_lower: description.mtu > MOST_MTU,
        })
    }

    /// The most bytes after the Ethernet header that can be cut into segments.
    pub(super) fn most_segmented(&self) -> usize {
        /// A packet with its Ethernet header, as 16 bits tell.
        const LARGEST_FRAME: usize = 65_535;
        const ETHERNET_HEADER: usize = 14;
        let most = if self.format.has_page_lists() {
            // Half of the list: the next packet can be copied while one is sent.
            LARGEST_FRAME.min(self.transmit_pages / 2 * PAGE_SIZE)
        } else {
            LARGEST_FRAME
        };
        most.saturating_sub(ETHERNET_HEADER)
    }

    /// Whether a device that was reset does all that the network was promised before.
    pub(super) fn keeps(&self, promised: &Self) -> bool {
        let rest = Self {
            mtu: promised.mtu,
            is_mtu_lower: promised.is_mtu_lower,
            ..*self
        };
        self.mtu >= promised.mtu && rest == *promised
    }
}
