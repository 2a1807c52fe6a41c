//! Frames for tests of drivers to carry.

use alloc::vec::Vec;

use super::{Headers, sum};
use crate::network::{Checksum, Outgoing};

pub(crate) const HEADERS: usize = 54;
const TCP: u8 = 6;
const UDP: u8 = 17;

fn pseudo_header(frame: &[u8], length: usize) -> Vec<u8> {
    let mut bytes = frame[26..34].to_vec();
    bytes.extend([0, frame[23], (length >> 8) as u8, length as u8]);
    bytes
}

/// IPv4 from 10.0.0.1 to 10.0.0.2, with a payload that tells every byte from its neighbours.
fn ipv4(protocol: u8, header: &[u8], payload: usize) -> Vec<u8> {
    let mut frame = [0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 0x08, 0x00].to_vec();
    let length = (20 + header.len() + payload) as u16;
    frame.extend([
        0x45,
        0,
        (length >> 8) as u8,
        length as u8,
        0,
        1,
        0x40,
        0,
        64,
        protocol,
        0,
        0,
    ]);
    frame.extend([10, 0, 0, 1, 10, 0, 0, 2]);
    let checksum = !sum(0, &frame[14..34]);
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
    frame.extend_from_slice(header);
    frame.extend((0..payload).map(|at| (at / 7 % 251) as u8));
    frame
}

/// Fills a checksum in, whole or only of the pseudo-header.
fn complete(frame: &mut [u8], at: usize, length: usize, is_whole: bool) {
    let mut bytes = pseudo_header(frame, length);
    if is_whole {
        bytes.extend_from_slice(&frame[34..]);
        let checksum = !sum(0, &bytes);
        frame[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
    } else {
        let pseudo = sum(0, &bytes);
        frame[at..at + 2].copy_from_slice(&pseudo.to_be_bytes());
    }
}

fn udp_without_sum(payload: usize) -> Vec<u8> {
    let length = (8 + payload) as u16;
    let header = [0x04, 0, 0x08, 0, (length >> 8) as u8, length as u8, 0, 0];
    ipv4(UDP, &header, payload)
}

/// A datagram, whole.
pub(crate) fn udp(payload: usize) -> Vec<u8> {
    let mut frame = udp_without_sum(payload);
    complete(&mut frame, 40, 8 + payload, true);
    frame
}

/// A datagram whose checksum the device completes.
pub(crate) fn udp_to_complete(payload: usize) -> (Outgoing, Vec<u8>) {
    let mut frame = udp_without_sum(payload);
    complete(&mut frame, 40, 8 + payload, false);
    let checksum = Some(Checksum { start: 34, offset: 6 });
    (
        Outgoing {
            checksum,
            segments: None,
        },
        frame,
    )
}

/// A piece of a TCP stream that the device cuts into segments of `size`.
pub(crate) fn tcp_to_cut(payload: usize, size: u16) -> (Outgoing, Vec<u8>) {
    let header = [4, 0, 8, 0, 0, 0, 0, 1, 0, 0, 0, 1, 5 << 4, 0x18, 0x40, 0, 0, 0, 0, 0];
    let mut frame = ipv4(TCP, &header, payload);
    complete(&mut frame, 50, 0, false);
    let checksum = Some(Checksum { start: 34, offset: 16 });
    let segments = Some((HEADERS as u16, size));
    (Outgoing { checksum, segments }, frame)
}

/// The payload of a frame of TCP whose checksums and lengths are right.
#[track_caller]
pub(crate) fn tcp_payload(frame: &[u8]) -> &[u8] {
    let length = usize::from(u16::from_be_bytes([frame[16], frame[17]]));
    assert_eq!(frame.len(), 14 + length, "IPv4's length");
    assert_eq!(sum(0, &frame[14..34]), 0xffff, "IPv4's checksum");
    let mut bytes = pseudo_header(frame, length - 20);
    bytes.extend_from_slice(&frame[34..]);
    assert_eq!(sum(0, &bytes), 0xffff, "TCP's checksum");
    &frame[HEADERS..]
}

/// A packet to be finished by the device, in IPv6 instead of IPv4.
pub(crate) fn over_ipv6((outgoing, frame): (Outgoing, Vec<u8>)) -> (Outgoing, Vec<u8>) {
    let transport = &frame[34..];
    let mut out = frame[..12].to_vec();
    out.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    out.extend((transport.len() as u16).to_be_bytes());
    out.extend([frame[23], 64]);
    for host in [1, 2] {
        out.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
    }
    out.extend_from_slice(transport);
    let headers = Headers::of(&out).expect("a packet");
    let at = headers.l4_checksum().expect("of TCP or UDP");
    // As the stack leaves it: of segments without the length.
    let length = if outgoing.segments.is_some() {
        0
    } else {
        transport.len()
    };
    let pseudo = headers.pseudo_sum(&out, length);
    out[at..at + 2].copy_from_slice(&pseudo.to_be_bytes());
    let outgoing = Outgoing {
        checksum: outgoing.checksum.map(|checksum| Checksum {
            start: checksum.start + 20,
            ..checksum
        }),
        segments: outgoing.segments.map(|(header, size)| (header + 20, size)),
    };
    (outgoing, out)
}

/// The payload of frames of TCP or UDP over IPv6 whose checksums and lengths are right, `header` bytes of each being headers.
#[track_caller]
pub(crate) fn joined_ipv6(frames: &[Vec<u8>], header: usize) -> Vec<u8> {
    let payload = |frame: &Vec<u8>| {
        let headers = Headers::of(frame).expect("a packet");
        assert!(headers.is_ipv6 && headers.end == frame.len() && headers.has_l4_checksum(frame));
        frame[header..].to_vec()
    };
    frames.iter().flat_map(payload).collect()
}
