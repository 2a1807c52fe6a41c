//! Frames from the driver, whatever the format.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::pages::Parts;
use super::queues::Transmission;
use super::state::{Sent, State};
use crate::dma::reach::{self, Reach};

/// Of an Ethernet header: what a frame has at least, and what it adds to the MTU.
const ETHERNET: usize = 14;

impl State {
    /// Reads a packet's bytes.
    pub(super) fn gather(&mut self, what: &dyn fmt::Display, parts: &Parts) -> Vec<u8> {
        let mut frame = Vec::new();
        for &(address, length) in parts {
            let start = frame.len();
            frame.resize(start + length, 0);
            self.fetch(what, address, &mut frame[start..]);
        }
        frame
    }

    /// Sends what offloads made of a packet, if no rule was broken since `before`.
    pub(super) fn emit(&mut self, queue: u32, frames: Result<Vec<Vec<u8>>, String>, before: usize) {
        let frames = frames.unwrap_or_else(|why| {
            self.violate(format_args!("TX queue {queue}: {why}"));
            self.drops.tx += 1;
            Vec::new()
        });
        let most = self.mtu() + ETHERNET;
        for bytes in frames {
            let length = bytes.len();
            let is_right = self.demand(
                (ETHERNET..=most).contains(&length),
                format_args!("TX queue {queue}: a frame of {length} bytes, not {ETHERNET} to {most}"),
            );
            if is_right && self.has_link && self.broken == before {
                self.sent.push_back(Sent { queue, bytes });
            } else {
                self.drops.tx += 1;
            }
        }
    }

    /// Checks that a packet is as it was when the device took it.
    pub(super) fn check_unchanged(&mut self, queue: u32, transmission: &Transmission) {
        let mut at = 0;
        for &(address, length) in &transmission.parts {
            let mut bytes = alloc::vec![0; length];
            let is_owned = reach::is_owned(address, length);
            if is_owned {
                reach::read(address, &mut bytes);
            }
            let is_same = is_owned && bytes == transmission.bytes[at..at + length];
            self.demand(
                is_same,
                format_args!(
                    "TX queue {queue}: {length} bytes at {address:#x} were used otherwise \
                     before their packet was completed"
                ),
            );
            at += length;
        }
    }

    /// Completes what was held back, the oldest or, where the format has no order, the newest first.
    pub(super) fn release_transmissions(&mut self, newest_first: bool) {
        let is_dqo = self.format().is_some_and(super::configuration::Format::is_dqo);
        let queues: Vec<u32> = self.transmitters.keys().copied().collect();
        for queue in queues {
            let outstanding = self
                .transmitters
                .get(&queue)
                .map_or(&[][..], |queue| &queue.outstanding);
            let waiting = outstanding.iter().filter(|transmission| !transmission.is_missed);
            let mut ends: Vec<u32> = waiting.map(|transmission| transmission.end).collect();
            if newest_first && is_dqo {
                ends.reverse();
            }
            for end in ends {
                self.finish(queue, end);
            }
        }
    }

    /// Completes the packet that ends with a descriptor.
    pub(super) fn finish(&mut self, queue: u32, end: u32) {
        if self.format().is_some_and(super::configuration::Format::is_dqo) {
            self.finish_dqo(queue, end);
        } else {
            self.finish_gqi(queue, end);
        }
    }
}
