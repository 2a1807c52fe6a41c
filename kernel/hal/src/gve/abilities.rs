//! What a device does, as far as the driver uses it.

use super::command::BLOCKS;
use super::description::{Description, Format};
use super::failure::Failure;
use super::receiver::{BUFFER, most_received};
use crate::mem::PAGE_SIZE;
use crate::network::{ETHERNET_HEADER, LEAST_MTU, queue_size};

/// The fewest entries that a queue is of use with: descriptors that were not reported and the largest packet have room in it.
const LEAST_ENTRIES: u16 = 128;
/// The most pages of a list: their addresses fill a page.
const MOST_PAGES: usize = PAGE_SIZE / size_of::<u64>();

/// What the device does, as far as the driver uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Abilities {
    pub(super) format: Format,
    pub(super) mac: [u8; 6],
    /// The longest packet on the network, unless it says otherwise, and the longest that it may say.
    pub(super) mtu: u16,
    pub(super) max_mtu: u16,
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
        let receive_pages = pages.min(most_buffers / (PAGE_SIZE / BUFFER));
        let most = most_received(receive_pages).min(most_sent(description.format, pages));
        let max_mtu = description.max_mtu.min(u16::try_from(most).unwrap_or(u16::MAX));
        if max_mtu < LEAST_MTU {
            return Err("takes too few pages for a packet of the size that IPv4 asks for".into());
        }
        Ok(Self {
            format: description.format,
            mac: description.mac,
            mtu: description.mtu.min(max_mtu),
            max_mtu,
            transmit_entries: description.transmit_entries,
            receive_entries: description.receive_entries,
            transmit_pages: pages,
            receive_pages,
            counters: description.counters,
            is_mtu_lower: description.max_mtu > max_mtu,
        })
    }

    /// The most bytes after the Ethernet header that can be cut into segments.
    pub(super) fn most_segmented(&self) -> usize {
        most_sent(self.format, self.transmit_pages)
    }

    /// Whether a device that was reset does all that the network was promised before.
    pub(super) fn keeps(&self, promised: &Self) -> bool {
        let rest = Self {
            mtu: promised.mtu,
            max_mtu: promised.max_mtu,
            is_mtu_lower: promised.is_mtu_lower,
            ..*self
        };
        self.max_mtu >= promised.max_mtu && rest == *promised
    }
}

/// The most bytes after the Ethernet header of a packet to send, where so many pages are.
fn most_sent(format: Format, pages: usize) -> usize {
    /// A packet with its Ethernet header, as 16 bits tell.
    const LARGEST_FRAME: usize = 65_535;
    let most = if format.has_page_lists() {
        // Half of the list: the next packet can be copied while one is sent, unless it is the only page.
        LARGEST_FRAME.min((pages / 2).max(1) * PAGE_SIZE)
    } else {
        LARGEST_FRAME
    };
    most.saturating_sub(ETHERNET_HEADER)
}
