use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::bench::{AENQ, Bench, DEPTH, MESSAGE, create_cq};
use crate::dma::Shared;
use crate::ena::model::defs::{admin, eth_io, regs};
use crate::ena::model::{Configuration, Defect};

/// All groups that there are.
const GROUPS: u32 = 0b1001_1111;

/// A driver's reading of events.
struct Reader(u16);

impl Reader {
    /// Group and syndrome, and two words of data, of the next event.
    fn next(&mut self, bench: &Bench) -> Option<(u32, u32, u32)> {
        let at = AENQ + usize::from(self.0 % DEPTH) * admin::ENTRY_SIZE;
        let word = |index: usize| bench.memory.get32(at + index * 4, Ordering::Relaxed);
        if word(1) & 1 != u32::from((self.0 / DEPTH).is_multiple_of(2)) {
            return None;
        }
        self.0 = self.0.wrapping_add(1);
        Some((word(0), word(4), word(6)))
    }

    fn ring(&self, bench: &Bench) {
        bench
            .registers
            .write32(regs::AENQ_HEAD_DB_OFF, self.0.wrapping_add(DEPTH).into());
    }
}

fn start() -> (Bench, Reader) {
    let mut bench = Bench::ready(Configuration::default());
    bench.set(admin::AENQ_CONFIG, &[0, GROUPS]);
    (bench, Reader(0))
}

#[test]
fn events_are_told_over_many_rounds() {
    let (bench, mut reader) = start();
    for _ in 0..3 {
        bench.device.set_link(false);
        bench.device.set_link(true);
        bench.device.second();
        bench.device.ask_for_reset();
        bench.device.event(admin::NOTIFICATION, admin::UPDATE_HINTS);
        let told = [0; 4].map(|_| reader.next(&bench).expect("an event"));
        assert_eq!(told, [(0, 0, 0), (0, 1, 0), (4, 0, 0), (7, 0, 0)]);
        assert_eq!(reader.next(&bench), None, "the fifth waits for a place");
        reader.ring(&bench);
        assert_eq!(reader.next(&bench), Some((3 | 2 << 16, 0, 0)));
        reader.ring(&bench);
    }
    bench.device.fail();
    assert_eq!(reader.next(&bench), Some((1, 0, 0)));
    bench.device.second();
    assert_eq!(reader.next(&bench), None, "it lives no longer");
    bench.device.assert_obeyed();
}

#[test]
fn keep_alives_count_drops_and_can_stop() {
    let (bench, mut reader) = start();
    let mut bench = bench;
    let _queue = bench.queue(admin::SQ_DIRECTION_RX, 4);
    bench.device.receive(0, &[0; 60]);
    bench.device.second();
    assert_eq!(reader.next(&bench), Some((4, 1, 0)));
    bench.device.inject(Defect::NoKeepAlives);
    bench.device.second();
    assert_eq!(reader.next(&bench), None);
    bench.device.assert_obeyed();
}

#[test]
fn groups_that_nobody_wants_are_not_told() {
    let mut bench = Bench::ready(Configuration::default());
    let mut reader = Reader(0);
    bench.device.second();
    assert_eq!(reader.next(&bench), None);
    bench.set(admin::AENQ_CONFIG, &[0, 1 << admin::KEEP_ALIVE]);
    bench.device.set_link(false);
    assert_eq!(reader.next(&bench), None);
    bench.device.second();
    assert!(reader.next(&bench).is_some());
}

#[test]
fn malformed_events_are_written_as_they_are() {
    let (bench, mut reader) = start();
    let mut entry = [0xee; 64];
    entry[4] = 0xee;
    bench.device.raw_event(entry, false);
    assert_eq!(reader.next(&bench), None);
    bench.device.raw_event([0; 64], true);
    reader.0 += 1;
    assert_eq!(reader.next(&bench), Some((0, 0, 0)), "behind the one without a phase");
    bench.device.raw_event(entry, true);
    assert_eq!(reader.next(&bench).map(|event| event.0), Some(0xeeee_eeee));
}

#[test]
fn the_doorbell_says_what_was_read() {
    let (bench, mut reader) = start();
    bench.registers.write32(regs::AENQ_HEAD_DB_OFF, u32::from(DEPTH) + 1);
    bench.expect("the event doorbell says 5, while 0 events were written");
    bench.device.second();
    reader.next(&bench);
    reader.ring(&bench);
    bench.device.assert_obeyed();
    bench.registers.write32(regs::AENQ_HEAD_DB_OFF, DEPTH.into());
    bench.expect("the event doorbell says 4");
    bench.registers.write32(regs::AENQ_HEAD_DB_OFF, 0x1_0005);
    bench.expect("the event doorbell says 65541");
}

/// Counts how often a message comes.
fn counter(bench: &Bench, message: u16) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = count.clone();
    let handler = Arc::new(move || {
        seen.fetch_add(1, Ordering::Relaxed);
    });
    bench.device.connect(message, handler);
    count
}

#[test]
fn the_management_message_has_a_mask() {
    let (mut bench, _) = start();
    let count = counter(&bench, 0);
    assert_eq!(bench.device.deliver(), 0, "masked until it is opened");
    bench.registers.write32(regs::INTR_MASK_OFF, 0);
    assert_eq!(bench.device.deliver(), 1, "what came before");
    bench.device.second();
    bench.device.second();
    assert_eq!(bench.device.deliver(), 1, "one for both");
    bench.get(admin::DEVICE_ATTRIBUTES, 0);
    assert_eq!(bench.device.deliver(), 1);
    bench.registers.write32(regs::INTR_MASK_OFF, 1);
    bench.get(admin::DEVICE_ATTRIBUTES, 0);
    assert_eq!((bench.device.deliver(), count.load(Ordering::Relaxed)), (0, 3));
    bench.device.assert_obeyed();
}

#[test]
fn messages_of_queues_mask_themselves() {
    let (mut bench, _) = start();
    let count = counter(&bench, MESSAGE);
    let mut queue = bench.queue(admin::SQ_DIRECTION_RX, 8);
    let memory = Shared::allocate(4096).expect("memory");
    let mut frame = |bench: &Bench| {
        let address = memory.address(0);
        let flags = 0b11100 | queue.phase();
        queue.push([64 | flags << 24, 1, address as u32, (address >> 32) as u32]);
        queue.ring();
        assert!(bench.device.receive(0, &[0; 60]));
        queue.unmask
    };
    let unmask = frame(&bench);
    assert_eq!(bench.device.deliver(), 0, "masked until it is opened");
    let open = |value: u32| bench.registers.write32(unmask, value);
    open(eth_io::INTR_REG_INTR_UNMASK);
    assert_eq!(bench.device.deliver(), 1);
    frame(&bench);
    assert_eq!(bench.device.deliver(), 0, "it masked itself");
    open(eth_io::INTR_REG_INTR_UNMASK);
    assert_eq!((bench.device.deliver(), count.load(Ordering::Relaxed)), (1, 2));
    open(eth_io::INTR_REG_INTR_UNMASK);
    bench.device.inject(Defect::LostInterrupts);
    frame(&bench);
    assert_eq!(bench.device.deliver(), 0);
    bench.device.assert_obeyed();
    open(5);
    bench.expect("has delays, and the device no moderation");

    let mut command = create_cq(admin::SQ_DIRECTION_TX, 4, memory.address(1024));
    command[1] ^= 1 << 5;
    let (_, response) = bench.command(&command);
    bench
        .registers
        .write32(response[3] as usize, eth_io::INTR_REG_INTR_UNMASK);
    bench.expect("a completion queue that is polled, 1, is unmasked");
}
