//! Frames as Scapy 2 makes them, with their checksums.

use alloc::vec::Vec;

/// From 192.0.2.1, DF, identifier 7, 10 bytes of payload.
pub(crate) const UDP4: &str =
    "020000000002020000000001080045000026000740004011b6bcc0000201c000020203e807d000129d4968656c6c6f2c20656e61";
pub(crate) const UDP6: &str = "02000000000202000000000186dd600000000012114020010db800000000000000000000000120010db8000000000000000000\
    00000203e807d00012c5d868656c6c6f2c20656e61";
/// Sequence number 100, flags PSH, ACK, FIN and CWR, DF, identifier 7, 25 bytes of payload.
pub(crate) const TCP4: &str = "020000000002020000000001080045000041000740004006b6acc0000201c000020203e807d0000000640000000950990200736d\
    00000102030405060708090a0b0c0d0e0f10111213141516171819";
/// The same in segments of 10 bytes: CWR with the first; PSH and FIN with the last.
pub(crate) const TCP4_SEGMENTS: [&str; 3] = [
    "020000000002020000000001080045000032000740004006b6bbc0000201c000020203e807d0000000640000000950900200040400000102030405060708090a",
    "020000000002020000000001080045000032000840004006b6bac0000201c000020203e807d00000006e0000000950100200d24700000b0c0d0e0f1011121314",
    "02000000000202000000000108004500002d000940004006b6bec0000201c000020203e807d0000000780000000950190200d85b00001516171819",
];
/// Sequence number 100, flags PSH and ACK, 25 bytes of payload.
pub(crate) const TCP6: &str = "02000000000202000000000186dd60000000002d064020010db800000000000000000000000120010db8000000000000000000\
    00000203e807d00000006400000009501802009c7d00000102030405060708090a0b0c0d0e0f10111213141516171819";
/// The same in segments of 20 bytes.
pub(crate) const TCP6_SEGMENTS: [&str; 2] = [
    "02000000000202000000000186dd600000000028064020010db800000000000000000000000120010db800000000000000000000000203e807d0000000640000\
    000950100200e1b800000102030405060708090a0b0c0d0e0f1011121314",
    "02000000000202000000000186dd600000000019064020010db800000000000000000000000120010db800000000000000000000000203e807d0000000780000\
    00095018020000ec00001516171819",
];

/// Where the checksums of the IPv4 header and of UDP and TCP lie.
pub(crate) const IP4_CHECKSUM: usize = 24;
pub(crate) const UDP4_CHECKSUM: usize = 40;
pub(crate) const UDP6_CHECKSUM: usize = 60;
pub(crate) const TCP4_CHECKSUM: usize = 50;

pub(crate) fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits = hexadecimal.bytes().map(|digit| match digit {
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'0',
    });
    let digits: Vec<u8> = digits.collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A frame with other bytes at a place.
pub(crate) fn changed(hexadecimal: &str, at: usize, with: &[u8]) -> Vec<u8> {
    let mut frame = bytes(hexadecimal);
    frame[at..at + with.len()].copy_from_slice(with);
    frame
}
