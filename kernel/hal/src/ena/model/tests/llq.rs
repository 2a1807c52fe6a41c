use alloc::vec::Vec;

use super::bench::{Bench, create_cq, create_sq};
use super::transmit::{ASK, FIRST, LAST, buffer, descriptor, meta};
use crate::dma::Shared;
use crate::ena::model::defs::{admin, eth_io};
use crate::ena::model::{Configuration, LlqOffer};
use crate::network::model::samples;

const ENTRY: usize = 128;
/// Inline headers, 128 bytes, 2 descriptors before the header, several descriptors per entry.
const CHOICE: [u32; 8] = [0, 0, 1 << 16, 1 << 16, 2 << 16, 2 << 16, 0, 0];

/// A low latency queue of 4 entries.
struct Llq {
    bench: Bench,
    _completions: Shared,
    doorbell: usize,
    offset: usize,
    tail: u16,
}

impl Llq {
    fn new(accelerations: u16, burst_bytes: u16) -> Self {
        let configuration = Configuration::default();
        let offer = configuration.llq.map(|offer| LlqOffer {
            accelerations,
            burst_bytes,
            ..offer
        });
        let mut bench = Bench::ready(Configuration {
            llq: offer,
            ..configuration
        });
        let mut choice = CHOICE;
        choice[7] = accelerations.into();
        assert_eq!(bench.set(admin::LLQ, &choice), admin::SUCCESS);
        let completions = Shared::allocate(4096).expect("memory");
        bench.command(&create_cq(admin::SQ_DIRECTION_TX, 4, completions.address(0)));
        let mut command = create_sq(admin::SQ_DIRECTION_TX, 4, 0, 0);
        command[1] ^= 2 << 16;
        let (status, response) = bench.command(&command);
        assert_eq!(status, admin::SUCCESS);
        bench.device.assert_obeyed();
        Self {
            bench,
            _completions: completions,
            doorbell: response[1] as usize,
            offset: response[2] as usize,
            tail: 0,
        }
    }

    fn write(&self, entry: usize, at: usize, bytes: &[u8]) {
        for (index, word) in bytes.chunks(4).enumerate() {
            let mut whole = [0; 4];
            whole[..word.len()].copy_from_slice(word);
            let offset = self.offset + entry * ENTRY + at + index * 4;
            self.bench.llq.write32(offset, u32::from_le_bytes(whole));
        }
    }

    /// Writes an entry with its phase in each descriptor; the header behind two of them.
    fn push(&mut self, descriptors: &[[u32; 4]], header: &[u8]) {
        let entry = usize::from(self.tail % 4);
        let phase = u32::from((self.tail / 4).is_multiple_of(2)) << 24;
        for (index, words) in descriptors.iter().enumerate() {
            let words = [words[0] ^ phase, words[1], words[2], words[3]];
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            self.write(entry, index * 16, &bytes);
        }
        self.write(entry, 32, header);
        self.tail += 1;
    }

    fn ring(&self) {
        self.bench.registers.write32(self.doorbell, self.tail.into());
    }

    fn sent(&self) -> Vec<Vec<u8>> {
        self.bench.device.sent().into_iter().map(|sent| sent.bytes).collect()
    }
}

fn inline(length: usize) -> [u32; 4] {
    [FIRST | LAST | ASK, 5 << 22, 0, (length as u32) << 24]
}

#[test]
fn the_feature_is_chosen_from_the_offer() {
    let mut bench = Bench::ready(Configuration::default());
    let offer = bench.get(admin::LLQ, 1);
    assert_eq!(offer[..8], [2, 512, 1, 5, 7, 3, 1 | 1 << 8 | 256 << 16, 0]);
    let wrong = [
        (2, 3 << 16, "header location"),
        (3, 1 << 16, "entry size 0x0"),
        (3, 3 << 16, "entry size 0x2 is not one of 0x5"),
        (4, 1 << 16, "descriptors before the header 0x3"),
        (5, 6 << 16, "stride"),
        (0, 1, "the device's to say"),
        (3, 5, "the device's to say"),
        (6, 1, "the device's to say"),
        (7, 4, "LLQ accelerations 0x4"),
    ];
    for (word, bits, what) in wrong {
        let mut choice = CHOICE;
        choice[word] ^= bits;
        assert_eq!(bench.set(admin::LLQ, &choice), admin::ILLEGAL_PARAMETER);
        bench.expect(what);
    }
    assert!(!bench.device.has_llq());
    assert_eq!(bench.set(admin::LLQ, &CHOICE), admin::SUCCESS);
    assert!(bench.device.has_llq());
    bench.queue(admin::SQ_DIRECTION_TX, 4);
    bench.device.assert_obeyed();
    assert_eq!(bench.set(admin::LLQ, &CHOICE), admin::ILLEGAL_PARAMETER);
    bench.expect("LLQ while there are queues for TX");
}

#[test]
fn packets_are_put_together_of_header_and_buffers() {
    let mut llq = Llq::new(0, 0);
    let frame = samples::bytes(samples::UDP4);
    for _ in 0..6 {
        llq.push(&[inline(frame.len())], &frame);
        llq.ring();
        assert_eq!(llq.sent(), core::slice::from_ref(&frame));
    }
    // Metadata, a header, and three buffers: the second and third lie in the next entry.
    let parts = [&frame[24..30], &frame[30..40], &frame[40..]];
    let buffers = parts.map(buffer);
    let control = eth_io::L3_PROTO_IPV4 | eth_io::TX_DESC_DF | eth_io::TX_DESC_L3_CSUM_EN;
    let mut first = descriptor(5, ASK, control, &buffers[0], 6);
    first[3] |= 24 << 24;
    llq.push(&[meta(14, 20, 0, 0), first], &frame[..24]);
    let last = descriptor(0, LAST, 0, &buffers[2], parts[2].len());
    llq.push(&[descriptor(0, 0, 0, &buffers[1], 10), last], &[]);
    llq.ring();
    assert_eq!(llq.sent(), [frame]);
    llq.bench.device.assert_obeyed();
}

#[test]
fn entries_are_written_as_they_must_be() {
    let frame = samples::bytes(samples::UDP4);
    let check = |first: [u32; 4], header: &[u8], what: &str| {
        let mut llq = Llq::new(0, 0);
        llq.push(&[first], header);
        llq.ring();
        let violations = llq.bench.device.take_violations();
        assert!(violations[0].contains(what), "not {what:?} but {violations:#?}");
        assert!(llq.sent().is_empty());
    };
    check(
        inline(52),
        &frame[..48],
        "before all bytes at 0x20 of BAR 2 were written",
    );
    check(
        inline(97),
        &[0; 96],
        "a header of 97 bytes in an entry with room for 96",
    );
    check(inline(0), &[], "a descriptor without bytes");

    let llq = Llq::new(0, 0);
    llq.bench.registers.write32(llq.doorbell, 1);
    let violations = llq.bench.device.take_violations();
    assert!(
        violations[0].contains("before all bytes at 0x0 of BAR 2"),
        "{violations:?}"
    );
    llq.bench.llq.write32(4 * ENTRY, 0);
    llq.bench.expect("a store at 0x200 of BAR 2, where no queue is");
    llq.bench.llq.read32(0);
    llq.bench.expect("a load of 4 bytes at 0x0 of BAR 2");
    let bench = Bench::ready(Configuration::default());
    bench.llq.write32(0, 0);
    bench.expect("while there are no low latency queues");
}

#[test]
fn accelerations_are_kept_to() {
    let mut bench = Bench::ready(Configuration {
        llq: Configuration::default().llq.map(|offer| LlqOffer {
            accelerations: admin::LIMIT_TX_BURST,
            ..offer
        }),
        ..Configuration::default()
    });
    assert_eq!(bench.set(admin::LLQ, &CHOICE), admin::ILLEGAL_PARAMETER);
    bench.expect("LLQ accelerations 0x0, and 0x2 must be");

    let frame = samples::bytes(samples::UDP4);
    let mut llq = Llq::new(admin::DISABLE_META_CACHING, 0);
    let mut data = inline(frame.len());
    data[0] &= !FIRST;
    llq.push(&[meta(0, 0, 0, 0), data], &frame);
    llq.ring();
    assert_eq!(llq.sent(), core::slice::from_ref(&frame));
    llq.bench.device.assert_obeyed();
    llq.push(&[inline(frame.len())], &frame);
    llq.ring();
    llq.bench.expect("each packet must bring its metadata");

    let mut llq = Llq::new(admin::LIMIT_TX_BURST, 256);
    for count in 1..4 {
        for request in 0..count {
            let mut first = inline(frame.len());
            first[1] = request << 22;
            llq.push(&[first], &frame);
        }
        llq.ring();
        assert_eq!(llq.sent().len(), count as usize);
    }
    llq.bench.expect("3 entries between two doorbells, and 2 may be");
}

#[test]
fn a_queue_in_the_device_has_no_address_and_is_for_tx() {
    let mut bench = Bench::ready(Configuration::default());
    bench.set(admin::LLQ, &CHOICE);
    let memory = Shared::allocate(8192).expect("memory");
    bench.command(&create_cq(admin::SQ_DIRECTION_TX, 4, memory.address(0)));
    bench.command(&create_cq(admin::SQ_DIRECTION_RX, 4, memory.address(1024)));
    let mut command = create_sq(admin::SQ_DIRECTION_TX, 4, 0, memory.address(4096));
    command[1] ^= 2 << 16;
    assert_eq!(bench.command(&command).0, admin::ILLEGAL_PARAMETER);
    bench.expect("an address for a queue in the device");
    let mut command = create_sq(admin::SQ_DIRECTION_RX, 4, 1, 0);
    command[1] ^= 2 << 16;
    assert_eq!(bench.command(&command).0, admin::ILLEGAL_PARAMETER);
    bench.expect("placement 3 of a queue for RX");
}
