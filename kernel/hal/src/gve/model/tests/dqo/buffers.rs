use alloc::vec::Vec;

use super::super::bench::{Bench, Queue, SCRATCH};
use super::receive::{Descriptor, completion, descriptor, post, push, ring, start};
use crate::dma::Shared;
use crate::gve::model::{CompletionFault, Configuration, Format};
use crate::network::model::samples;

#[test]
fn the_device_is_posted_buffers_as_they_must_be() {
    let page = Shared::allocate(2 * 2048).expect("memory");
    let at = |identifier: u16, offset: u64| descriptor(identifier, page.address(0) + offset);
    let bad = |index: usize| {
        let mut bytes = at(9, 2048);
        bytes[index] |= 1;
        bytes
    };
    let wrong = [
        (bad(2), "buffer 9 has reserved bytes that are not zero"),
        (bad(7), "buffer 9 has reserved bytes that are not zero"),
        (bad(31), "buffer 9 has reserved bytes that are not zero"),
        (bad(16), "buffer 9 has a header_buf_addr"),
        (at(0, 2048), "buffer 0 is posted already"),
        (at(9, 1024), "overlaps buffer 0 of RX queue 0"),
        (
            descriptor(9, 0),
            "buffer 9 at 0x0, 2048 bytes, lies in memory that nobody owns",
        ),
        // Big endian.
        (descriptor(9, (page.address(0) + 2048).swap_bytes()), "nobody owns"),
    ];
    for (bytes, what) in wrong {
        let (bench, mut queue, memory) = start();
        push(&mut queue, &[at(0, 0), bytes]);
        let rest = [1, 2, 3, 4, 5, 6].map(|buffer| descriptor(buffer, memory.address(usize::from(buffer) * 2048)));
        push(&mut queue, &rest);
        ring(&queue);
        bench.expect(what);
        assert_eq!(bench.device.posted(0), 7, "{what}");
    }
    let (bench, mut queue, memory) = start();
    let ring_itself = queue.ring.address(0);
    push(&mut queue, &[descriptor(0, ring_itself)]);
    let rest = [1, 2, 3, 4, 5, 6, 7].map(|buffer| descriptor(buffer, memory.address(usize::from(buffer) * 2048)));
    push(&mut queue, &rest);
    ring(&queue);
    bench.expect("overlaps the ring of RX queue 0");
}

#[test]
fn the_device_has_a_queue_of_buffers_that_is_not_overrun() {
    let (bench, mut queue, memory) = start();
    queue.ring_little(128);
    bench.expect("RX queue 0: the doorbell says 128, which is no index of a ring of 128");
    for tail in [1, 7] {
        queue.ring_little(tail);
        bench.expect("buffers more than before; the hardware wants 8 at a time");
    }
    queue.ring_little(0);
    bench.device.assert_obeyed();
    for first in 0..15 {
        post(&mut queue, &memory, first * 8);
    }
    bench.device.assert_obeyed();
    assert_eq!(bench.device.posted(0), 120);
    post(&mut queue, &memory, 120);
    bench.expect("RX queue 0: 8 new buffers beside 120 in a ring of 128, of which one stays free");
    assert_eq!(bench.device.posted(0), 120);
}

#[test]
fn the_device_receives_into_pages_of_a_list() {
    let with_list = |address: &dyn Fn(&Bench, &Queue) -> u64| {
        let mut bench = Bench::ready(Format::DqoQpl, Configuration::of(Format::DqoQpl));
        let mut queue = bench.receiver(Format::DqoQpl);
        let mut buffers: Vec<Descriptor> = (0..7)
            .map(|buffer| descriptor(buffer, queue.place(usize::from(buffer) * 2048)))
            .collect();
        buffers.push(descriptor(7, address(&bench, &queue)));
        push(&mut queue, &buffers);
        ring(&queue);
        (bench, queue)
    };
    let (bench, mut queue) = with_list(&|_, queue| queue.place(7 * 2048));
    for _ in 0..8 {
        assert!(bench.device.receive(0, &samples::bytes(samples::UDP4)));
        assert!(completion(&mut queue).is_some());
    }
    bench.device.assert_obeyed();
    let outside = [2049, 4095, 4096].map(|more| descriptor(0, queue.place(0) + more));
    push(&mut queue, &outside);
    push(&mut queue, &[descriptor(0, 0); 5]);
    ring(&queue);
    bench.expect("2048 bytes, does not lie in one page of page list 1");
    let (bench, _) = with_list(&|bench, _| bench.memory.address(SCRATCH));
    bench.expect("does not lie in one page of page list 1");
    let (bench, _) = with_list(&|_, queue| queue.place(2048));
    bench.expect("overlaps one that is not used yet");
}

#[test]
fn the_device_does_not_blame_the_driver_for_its_own_lies() {
    let (bench, mut queue, memory) = start();
    post(&mut queue, &memory, 0);
    bench
        .device
        .fail_received(&[CompletionFault::Identifier(3), CompletionFault::Twice]);
    for _ in 0..2 {
        assert!(bench.device.receive(0, &[0; 60]));
    }
    assert_eq!(
        bench.device.posted(0),
        5,
        "without 0, 1 and the one that it said it had used"
    );
    // What was said to be used, and, a second time, what was used.
    let again = |buffer: u16| descriptor(buffer, memory.address(usize::from(buffer) * 2048));
    push(&mut queue, &[3, 1, 8, 9, 10, 11, 12, 13].map(again));
    ring(&queue);
    push(&mut queue, &[1, 3, 14, 15, 16, 17, 18, 19].map(again));
    ring(&queue);
    bench.device.assert_obeyed();
    assert_eq!(bench.device.posted(0), 19);
    push(&mut queue, &[4, 20, 21, 22, 23, 24, 25, 26].map(again));
    ring(&queue);
    bench.expect("buffer 4 is posted already");
}
