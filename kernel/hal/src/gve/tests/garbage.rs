//! A device that writes whatever it likes: the queues may stop, and nothing else.

use super::*;
use crate::dma::Shared;
use crate::gve::abilities::Abilities;
use crate::gve::description::{Description, Format};
use crate::gve::device::Queue;
use crate::gve::receiver::Receiver;
use crate::gve::register::{Doorbell, Line};
use crate::gve::sender::Sender;

const FORMATS: [Format; 3] = [Format::GqiQpl, Format::DqoRda, Format::DqoQpl];

/// Doorbells that nobody hears.
struct Deaf;

impl Model for Deaf {
    fn read(&self, _offset: usize, _size: usize) -> u64 {
        0
    }

    fn write(&self, _offset: usize, _size: usize, _value: u64) {}
}

fn abilities(format: Format) -> Abilities {
    let description = Description {
        format,
        mac: [2; 6],
        mtu: 1460,
        max_mtu: 8896,
        transmit_entries: 128,
        receive_entries: 128,
        counters: 1,
        most_pages: 64,
    };
    Abilities::of(description).unwrap_or_else(|failure| panic!("{failure}"))
}

fn queue(format: Format) -> Queue {
    let doorbells = Registers::of_model(&Deaf, 4096);
    let doorbell = Doorbell::of(doorbells, 1, format).unwrap_or_else(|failure| panic!("{failure}"));
    Queue {
        doorbell,
        line: Line(doorbell),
        counter: 0,
    }
}

/// Numbers that look as if by chance (Marsaglia's xorshift).
struct Numbers(u32);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// Mostly zeroes, and small numbers: those that come close to what is right.
    fn word(&mut self) -> u32 {
        let word = self.next();
        match self.next() % 4 {
            0 => word,
            1 => word & self.next() & self.next(),
            2 => word & 0x00ff_007f,
            _ => word & 0xffff_c0ff & self.next(),
        }
    }

    fn scribble(&mut self, memory: &Shared, length: usize) {
        for at in (0..length).step_by(4) {
            memory.set32(at, self.word(), Ordering::Relaxed);
        }
    }
}

/// Makes what is in a place look as if it was written, of a buffer that there is and of a length that it may have.
fn make_plausible(format: Format, completions: &Shared, place: usize, length: usize) {
    let change = |at: usize, keep: u32, set: u32| {
        let at = place * length + at;
        let word = completions.get32(at, Ordering::Relaxed);
        completions.set32(at, word & keep | set, Ordering::Relaxed);
    };
    if format == Format::GqiQpl {
        let sequence = place as u32 % 7 + 1;
        change(60, 0x07ff_fff8_u32.to_be(), sequence.to_be());
    } else {
        change(4, 0x07ff, 1 << 14);
        change(12, 0x3f, 0);
    }
}

#[test]
fn gve_survives_garbage_instead_of_received_packets() {
    let mut numbers = Numbers(1);
    for format in FORMATS {
        let mut receiver = Receiver::new(abilities(format)).expect("memory");
        let (mut taken, mut stopped) = (0, 0);
        for _ in 0..500 {
            receiver.begin(queue(format));
            let length = if format == Format::GqiQpl { 64 } else { 32 };
            numbers.scribble(&receiver.rings.completions, 128 * length);
            for place in (0..16).filter(|_| !numbers.next().is_multiple_of(4)) {
                make_plausible(format, &receiver.rings.completions, place, length);
            }
            let mut held = Vec::new();
            while let Some(packet) = receiver.take() {
                packet.read(&mut |bytes, _| taken += usize::from(!bytes.is_empty()));
                if numbers.next().is_multiple_of(2) {
                    held.push(packet);
                } else {
                    receiver.give_back(packet);
                }
            }
            stopped += usize::from(receiver.trouble.is_some());
            receiver.has_gap();
            receiver.is_overdue();
            receiver.forget();
            for packet in held {
                receiver.give_back(packet);
            }
        }
        assert!(
            taken > 50 && stopped > 50,
            "{format:?}: {taken} packets, {stopped} times stopped"
        );
    }
}

#[test]
fn gve_survives_garbage_instead_of_what_was_sent() {
    let mut numbers = Numbers(1);
    let frame = frames::udp(1000);
    for format in FORMATS {
        let mut sender = Sender::new(abilities(format)).expect("memory");
        let (mut sent, mut stopped) = (0, 0);
        for _ in 0..500 {
            sender.begin(queue(format));
            for _ in 0..10 {
                sent += usize::from(sender.send(Outgoing::default(), &mut core::iter::once(&frame[..])));
                if numbers.next().is_multiple_of(2) {
                    sender.tell();
                }
                match &sender.completions {
                    Some(completions) => numbers.scribble(completions, 128 * 8),
                    None => sender
                        .counters
                        .set32(0, (numbers.word() % 16).to_be(), Ordering::Relaxed),
                }
                sender.collect();
            }
            stopped += usize::from(sender.trouble.is_some());
            sender.forget();
        }
        assert!(sent > 500 && stopped > 50, "{sent} packets, {stopped} times stopped");
    }
}
