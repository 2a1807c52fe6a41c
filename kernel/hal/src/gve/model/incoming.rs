//! Frames to the driver, whatever the format.

use alloc::vec::Vec;

use super::configuration::Format;
use super::state::State;

impl State {
    /// A frame arrives for a queue. False when it is dropped.
    pub(super) fn receive(&mut self, queue: u32, frame: &[u8]) -> bool {
        if !self.has_link || !self.is_alive() {
            return false;
        }
        match self.format() {
            Some(format) if format.is_dqo() => self.receive_dqo(queue, frame),
            Some(Format::GqiRda | Format::GqiQpl) => self.receive_gqi(queue, frame),
            _ => false,
        }
    }

    /// Lets the frames arrive that wait for this doorbell.
    pub(super) fn receive_early(&mut self, block: u32) {
        let frames: Vec<(u32, Vec<u8>)> = self.early.drain(..).collect();
        for (queue, frame) in frames {
            let is_now = self
                .receivers
                .get(&queue)
                .is_some_and(|queue| queue.common.block == block);
            if is_now {
                self.receive(queue, &frame);
            } else {
                self.early.push_back((queue, frame));
            }
        }
    }
}
