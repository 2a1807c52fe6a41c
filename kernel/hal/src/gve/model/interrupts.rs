//! Messages (MSI-X). Those of notification blocks are closed until their doorbell opens them, and close themselves when they are sent; that
//! of the management is always open.

use super::configuration::Format;
use super::defs::{dqo, gqi};
use super::faults::Defect;
use super::state::State;

impl State {
    /// Something happened in a queue of a notification block.
    pub(super) fn cause(&mut self, block: u32) {
        let Some(number) = self.resources.as_ref().map(|resources| resources.vector(block)) else {
            return;
        };
        if let Some(vector) = self.vectors.get_mut(number) {
            vector.has_cause = true;
        }
        self.send(number);
    }

    /// The device status has changed. Nobody is told before there are messages for queues.
    pub(super) fn cause_management(&mut self) {
        let Some(number) = self.resources.as_ref().map(super::resources::Resources::management) else {
            return;
        };
        if let Some(vector) = self.vectors.get_mut(number) {
            vector.has_cause = true;
            vector.is_open = true;
        }
        self.send(number);
    }

    fn send(&mut self, number: usize) {
        let is_lost = self.faults.has(Defect::LostInterrupts);
        if let Some(vector) = self.vectors.get_mut(number) {
            vector.send(false, is_lost);
        }
    }

    /// A store to the doorbell of a notification block, in the order of bytes of its format.
    pub(super) fn ring_interrupt(&mut self, format: Format, block: u32, value: u32) {
        let Some(number) = self.resources.as_ref().map(|resources| resources.vector(block)) else {
            return;
        };
        if format.is_dqo() {
            self.ring_dqo_interrupt(block, number, value);
        } else {
            self.ring_gqi_interrupt(block, number, value);
        }
        self.send(number);
    }

    fn ring_gqi_interrupt(&mut self, block: u32, number: usize, value: u32) {
        const ACK: u32 = gqi::IRQ_ACK | gqi::IRQ_EVENT;
        if value == ACK || value == 0 {
            self.receive_early(block);
        }
        let Some(vector) = self.vectors.get_mut(number) else {
            return;
        };
        match value {
            0 => vector.is_open = true,
            gqi::IRQ_MASK => vector.is_open = false,
            // What happened before need not be told: the driver looks again.
            ACK => (vector.is_open, vector.has_cause) = (true, false),
            _ => self.violate(format_args!(
                "the doorbell of notification block {block} says {value:#x}; there are \
                 GVE_IRQ_MASK, GVE_IRQ_ACK with GVE_IRQ_EVENT, and 0"
            )),
        }
    }

    fn ring_dqo_interrupt(&mut self, block: u32, number: usize, value: u32) {
        let known = dqo::ITR_ENABLE_BIT
            | dqo::ITR_CLEAR_PBA_BIT
            | dqo::ITR_NO_UPDATE
            | dqo::ITR_INTERVAL_MASK << dqo::ITR_INTERVAL_SHIFT;
        let index = value & dqo::ITR_NO_UPDATE;
        let interval = value >> dqo::ITR_INTERVAL_SHIFT;
        self.demand(
            value & !known == 0,
            format_args!(
                "the doorbell of notification block {block} says {value:#x}, which has \
                 bits that gve_dqo.h does not name"
            ),
        );
        self.demand(
            index == 0 || index == dqo::ITR_NO_UPDATE && interval == 0,
            format_args!(
                "the doorbell of notification block {block} says {value:#x}: an interval, \
                 and GVE_ITR_NO_UPDATE_DQO or half of it"
            ),
        );
        self.receive_early(block);
        if let Some(vector) = self.vectors.get_mut(number) {
            vector.is_open = value & dqo::ITR_ENABLE_BIT != 0;
            vector.has_cause &= value & dqo::ITR_CLEAR_PBA_BIT == 0;
        }
    }
}
