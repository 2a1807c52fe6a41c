//! The doorbells of BAR 2. Those of GQI are big endian, those of DQO little endian.

use super::faults::Defect;
use super::state::State;

/// Bytes of BAR 2.
pub(super) const LENGTH: usize = 0x1000;

impl State {
    /// Where the doorbell of a new queue or notification block lies, in words.
    pub(super) fn place_doorbell(&mut self) -> usize {
        const FIRST: usize = 0x40;
        const PLACES: usize = 0x100;
        // Not one beside the other: a driver that is off by one is seen.
        self.created += 1;
        FIRST + self.created % PLACES * 3
    }

    /// What the driver is told of it.
    pub(super) fn doorbell_index(&self, place: usize) -> u32 {
        let is_wild = self.faults.has(Defect::WildDoorbells);
        let beyond = if is_wild { LENGTH / 4 } else { 0 };
        (place + beyond) as u32
    }

    /// A store to BAR 2, in the processor's order of bytes.
    pub(super) fn store_doorbell(&mut self, offset: usize, size: usize, value: u64) {
        if self.registers.is_lost {
            return;
        }
        if !self.demand(
            size == 4,
            format_args!("a store of {size} bytes at {offset:#x} of BAR 2, whose doorbells have 4"),
        ) {
            return;
        }
        let place = offset / 4;
        let Some(resources) = &self.resources else {
            self.violate(format_args!(
                "a store at {offset:#x} of BAR 2 before CONFIGURE_DEVICE_RESOURCES"
            ));
            return;
        };
        let format = resources.format;
        let word = value as u32;
        let word = if format.is_dqo() { word.to_le() } else { word.to_be() };
        if let Some(block) = resources.doorbells.iter().position(|&other| other == place) {
            self.ring_interrupt(format, block as u32, word);
        } else if let Some((&number, _)) = self
            .transmitters
            .iter()
            .find(|(_, queue)| queue.common.doorbell == place)
        {
            if !self.is_alive() {
            } else if format.is_dqo() {
                self.ring_dqo_transmitter(number, word);
            } else {
                self.ring_gqi_transmitter(number, word);
            }
        } else if let Some((&number, _)) = self.receivers.iter().find(|(_, queue)| queue.common.doorbell == place) {
            if !self.is_alive() {
            } else if format.is_dqo() {
                self.ring_dqo_receiver(number, word);
            } else {
                self.ring_gqi_receiver(number, word);
            }
        } else {
            self.violate(format_args!("a store at {offset:#x} of BAR 2, where no doorbell lies"));
        }
    }
}
