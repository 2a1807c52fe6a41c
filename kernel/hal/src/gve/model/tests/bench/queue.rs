//! A queue's memory, and what creates it.

use super::Fields;
use crate::bus::Registers;
use crate::dma::{Shared, reach};
use crate::gve::model::Format;
use crate::gve::model::defs::{admin, dqo, gqi};
use crate::gve::model::fields::be32;
use crate::mem::PAGE_SIZE;

/// Entries of rings by default.
pub(in crate::gve::model::tests) const TX_ENTRIES: u16 = 256;
pub(in crate::gve::model::tests) const RX_ENTRIES: u16 = 128;

/// TX queue 0 with notification block 0.
pub(in crate::gve::model::tests) fn creating_tx(queue: &Queue, format: Format, list: u32) -> Fields {
    let completions = if format.is_dqo() {
        (queue.second.address(0), TX_ENTRIES)
    } else {
        (0, 0)
    };
    Fields::default()
        .word(0)
        .word(0)
        .long(queue.resources.address(0))
        .long(queue.ring.address(0))
        .word(list)
        .word(0)
        .long(completions.0)
        .half(TX_ENTRIES)
        .half(completions.1)
        .word(0)
}

/// RX queue 0 with notification block 1.
pub(in crate::gve::model::tests) fn creating_rx(queue: &Queue, format: Format, list: u32) -> Fields {
    let buffers = if format.is_dqo() { RX_ENTRIES } else { 0 };
    Fields::default()
        .word(0)
        .word(0)
        .word(0)
        .word(1)
        .long(queue.resources.address(0))
        .long(queue.ring.address(0))
        .long(queue.second.address(0))
        .word(list)
        .half(RX_ENTRIES)
        .half(gqi::RX_BUFFER_SIZE as u16)
        .half(buffers)
        .half(0)
        .word(0)
}

/// A queue's memory.
pub(in crate::gve::model::tests) struct Queue {
    doorbells: Registers,
    pub(in crate::gve::model::tests) resources: Shared,
    pub(in crate::gve::model::tests) ring: Shared,
    pub(in crate::gve::model::tests) second: Shared,
    /// Those of its list, the last first.
    pub(in crate::gve::model::tests) pages: Option<Shared>,
    pub(in crate::gve::model::tests) doorbell: usize,
    pub(in crate::gve::model::tests) counter: usize,
    /// Entries written, and read.
    pub(in crate::gve::model::tests) tail: u32,
    pub(in crate::gve::model::tests) head: u32,
}

impl Queue {
    pub(in crate::gve::model::tests) fn allocate(doorbells: Registers, pages: Option<Shared>) -> Self {
        let memory = |length| Shared::allocate(length).expect("memory");
        Self {
            doorbells,
            resources: memory(admin::QUEUE_RESOURCES_SIZE),
            ring: memory(usize::from(RX_ENTRIES) * gqi::RX_DESC_SIZE),
            second: memory(usize::from(RX_ENTRIES) * dqo::RX_DESC_SIZE),
            pages,
            doorbell: 0,
            counter: 0,
            tail: 0,
            head: 0,
        }
    }

    /// Reads what the device wrote into the queue's resources.
    pub(in crate::gve::model::tests) fn learn(&mut self) {
        let mut bytes = [0; 8];
        reach::read(self.resources.address(0), &mut bytes);
        self.doorbell = be32(&bytes, 0) as usize * 4;
        self.counter = be32(&bytes, 4) as usize;
    }

    /// Where a byte of the page list lies.
    pub(in crate::gve::model::tests) fn place(&self, offset: usize) -> u64 {
        let page = 3 - offset / PAGE_SIZE;
        let pages = self.pages.as_ref().expect("a page list");
        pages.address(page * PAGE_SIZE + offset % PAGE_SIZE)
    }

    pub(in crate::gve::model::tests) fn ring_big(&self, value: u32) {
        self.doorbells.write32(self.doorbell, value.to_be());
    }

    pub(in crate::gve::model::tests) fn ring_little(&self, value: u32) {
        self.doorbells.write32(self.doorbell, value.to_le());
    }
}
