//! Frames from the driver: contexts and buffers of a packet.

use super::super::defs::{admin, dqo};
use super::super::pages::Parts;
use super::super::queues::{Common, Transmission};
use super::super::state::State;
use super::descriptors::{Descriptor, Packet};
use crate::dma::reach::Reach;

impl State {
    /// The doorbell of a TX queue: the index of the descriptor behind the last.
    pub(in super::super) fn ring_dqo_transmitter(&mut self, number: u32, tail: u32) {
        let Some(queue) = self.transmitters.get(&number) else {
            return;
        };
        let (mut head, done, common) = (queue.head, queue.done, queue.common);
        let depth = u32::from(common.depth);
        if !self.demand(
            tail < depth,
            format_args!("TX queue {number}: the doorbell says {tail}, which is no index of a ring of {depth}"),
        ) {
            return;
        }
        let new = tail.wrapping_sub(head) % depth;
        let used = head.wrapping_sub(done);
        let gap = u32::from(dqo::TX_MIN_DESC_PREVENT_CACHE_OVERLAP);
        let what = format_args!(
            "TX queue {number}: {new} new descriptors beside {used} of which no descriptor completion says that they were fetched, \
             in a ring of {depth} of which GVE_TX_MIN_DESC_PREVENT_CACHE_OVERLAP stay free"
        );
        if !self.demand(new + used <= depth - gap, what) {
            return;
        }
        let end = head.wrapping_add(new);
        while head != end {
            let before = self.broken;
            let (packet, next) = self.fetch_dqo_packet(number, &common, head, end);
            head = next;
            if let Some(queue) = self.transmitters.get_mut(&number) {
                queue.head = head;
            }
            self.take_dqo_packet(number, &common, &packet, before, head);
        }
    }

    /// Reads the descriptors of a packet, and returns where the next begins.
    fn fetch_dqo_packet(&mut self, number: u32, common: &Common, head: u32, end: u32) -> (Packet, u32) {
        let before = self.broken;
        let mut packet = Packet::default();
        let mut position = head;
        while position != end {
            let mut descriptor: Descriptor = [0; dqo::TX_DESC_SIZE];
            let index = position as usize % usize::from(common.depth);
            let at = common.ring + (index * dqo::TX_DESC_SIZE) as u64;
            self.fetch(&format_args!("TX queue {number}"), at, &mut descriptor);
            position = position.wrapping_add(1);
            if let Err(why) = packet.take(&descriptor) {
                self.violate(format_args!("TX queue {number}: {why}"));
            }
            if packet.is_whole() {
                return (packet, position);
            }
        }
        self.demand(
            self.broken != before,
            format_args!("TX queue {number}: the doorbell comes before a descriptor with end_of_packet"),
        );
        (packet, position)
    }

    /// Sends a packet, if no rule was broken since `before`, and completes it.
    fn take_dqo_packet(&mut self, number: u32, common: &Common, packet: &Packet, before: usize, end: u32) {
        let tag = packet.tag;
        let mut parts = Parts::new();
        for &(address, length) in &packet.buffers {
            let what = format_args!("TX queue {number}: a buffer of the packet with tag {tag}");
            parts.extend(self.locate(&what, common.list, address, length).unwrap_or_default());
        }
        let frame = self.gather(&format_args!("TX queue {number}: a buffer"), &parts);
        self.check_tag(number, tag);
        self.check_report(number, packet, end);
        if self.broken == before {
            self.emit(number, packet.offload(&frame), before);
        } else {
            self.drops.tx += 1;
        }
        let Some(queue) = self.transmitters.get_mut(&number) else {
            return;
        };
        if packet.reports() {
            queue.last_event = Some(end);
        }
        queue.outstanding.push(Transmission {
            tag,
            end,
            parts,
            bytes: frame,
            is_missed: false,
        });
        self.check_room(number);
        if packet.reports() {
            self.report_fetched(number, end);
        }
        if self.holds_transmissions {
            // Descriptors are fetched all the same.
            self.cause(common.block);
        } else {
            self.finish(number, end);
        }
    }

    fn check_tag(&mut self, number: u32, tag: u16) {
        let Some(queue) = self.transmitters.get_mut(&number) else {
            return;
        };
        if queue.lies.contains(&tag) {
            queue.outstanding.retain(|other| other.tag != tag);
        }
        let is_free = !queue.outstanding.iter().any(|other| other.tag == tag);
        self.demand(
            is_free,
            format_args!("TX queue {number}: tag {tag:#x} is of a packet that is not completed"),
        );
        self.demand(
            tag & dqo::ALT_MISS_COMPL_BIT == 0 || !self.is_capable(admin::CAPABILITY_ALT_MISS_COMPL),
            format_args!(
                "TX queue {number}: tag {tag:#x} has GVE_ALT_MISS_COMPL_BIT, and the driver said \
                 that it knows its meaning"
            ),
        );
    }

    fn check_report(&mut self, number: u32, packet: &Packet, end: u32) {
        let last = self.transmitters.get(&number).and_then(|queue| queue.last_event);
        let distance = last.map_or(u32::MAX, |last| end.wrapping_sub(last));
        self.demand(
            !packet.reports() || distance >= dqo::TX_MIN_RE_INTERVAL,
            format_args!(
                "TX queue {number}: report_event {distance} descriptors behind the one before, less \
                 than GVE_TX_MIN_RE_INTERVAL"
            ),
        );
    }

    /// Checks that there will be room for the completions of all packets: each may miss the fast path, and has two then.
    fn check_room(&mut self, number: u32) {
        let Some(queue) = self.transmitters.get(&number) else {
            return;
        };
        let (count, depth) = (queue.outstanding.len(), usize::from(queue.completion_depth));
        let most = (depth - depth / dqo::TX_MIN_RE_INTERVAL as usize) / 2;
        self.demand(
            count <= most,
            format_args!(
                "TX queue {number}: {count} packets are not completed, and there is room for the completions of {most}"
            ),
        );
    }
}
