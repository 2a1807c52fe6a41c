use alloc::vec::Vec;

use super::{Descriptor, LAST, REPORT, SUM, buffer, changed, general, send, start, tso};
use crate::dma::Shared;
use crate::gve::model::defs::dqo;
use crate::mem::PAGE_SIZE;

#[test]
fn the_device_takes_descriptors_of_dqo_as_they_must_be() {
    let memory = Shared::allocate(4 * PAGE_SIZE).expect("memory");
    let at = |flags: u8, tag: u16, length: usize| buffer(flags, tag, memory.address(0), length);
    let eleven: Vec<Descriptor> = (0..11)
        .map(|index| at(if index == 10 { LAST } else { 0 }, 1, 60))
        .collect();
    let wrong: [(&[Descriptor], &str); 23] = [
        (
            &[changed(at(LAST, 1, 60), 8, 1)],
            "a descriptor of dtype 0xd, which gve_desc_dqo.h does not name",
        ),
        (
            &[general(), tso(100, 100, 54), at(LAST, 1, 60)],
            "a TSO context that is not a packet's first descriptor",
        ),
        (
            &[tso(6, 100, 54), tso(6, 100, 54), at(LAST, 1, 60)],
            "a TSO context that is not a packet's first descriptor",
        ),
        (&[general(), general(), at(LAST, 1, 60)], "or a second one"),
        (
            &[at(0, 1, 60), general(), at(LAST, 1, 60)],
            "a general context that does not lie before a packet's buffers",
        ),
        (
            &[changed(general(), 8, dqo::TX_TSO), at(LAST, 1, 60)],
            "a general context with the bit tso, or reserved bits",
        ),
        (
            &[changed(general(), 9, 1), at(LAST, 1, 60)],
            "a general context with the bit tso, or reserved bits",
        ),
        (
            &[changed(general(), 11, 1), at(LAST, 1, 60)],
            "a general context with the bit tso, or reserved bits",
        ),
        (
            &[changed(general(), 12, 1), at(LAST, 1, 60)],
            "metadata of version 1 in a general context",
        ),
        (
            &[changed(at(LAST, 1, 60), 9, 1)],
            "a packet descriptor with reserved bits",
        ),
        (
            &[changed(at(LAST, 1, 60), 11, 1)],
            "a packet descriptor with reserved bits",
        ),
        (
            &[changed(at(LAST, 1, 60), 15, 1 << 6)],
            "a packet descriptor with reserved bits",
        ),
        (&[at(0, 1, 60), at(LAST, 1, 0)], "a packet descriptor with buf_size 0"),
        (
            &[at(REPORT, 1, 60), at(LAST, 1, 60)],
            "report_event on a descriptor that is not the last",
        ),
        (
            &[at(0, 1, 60), at(LAST, 2, 60)],
            "different compl_tag or checksum_offload_enable",
        ),
        (
            &[at(0, 1, 60), at(LAST | SUM, 1, 60)],
            "different compl_tag or checksum_offload_enable",
        ),
        (
            &[at(0, 1, 60)],
            "the doorbell comes before a descriptor with end_of_packet",
        ),
        (
            &[general()],
            "the doorbell comes before a descriptor with end_of_packet",
        ),
        (
            &[at(LAST, 1, 16)],
            "a packet of 16 bytes; the hardware takes 17 to 9728",
        ),
        (&[at(LAST, 1, 9729)], "a packet of 9729 bytes"),
        (&eleven, "a packet of 11 buffers, more than GVE_TX_MAX_DATA_DESCS"),
        (&[at(LAST, 1, 8911)], "a frame of 8911 bytes, not 14 to 8910"),
        (&[buffer(LAST, 1, memory.address(0).swap_bytes(), 60)], "nobody owns"),
    ];
    for (packet, what) in wrong {
        let (bench, mut queue, _memory) = start();
        assert!(send(&bench, &mut queue, packet).is_empty(), "{what}");
        bench.expect(what);
        assert_eq!(bench.device.drops().tx, 1, "{what}");
    }
}
