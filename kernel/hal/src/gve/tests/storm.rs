//! All that a device can do wrong, at random: nothing of it makes the driver break a rule, and it comes through.

use super::*;
use crate::gve::model::{AdminFault, CompletionFault, Defect};
use crate::network::Version;
use crate::network::model::frames::{tcp_to_cut, udp, udp_to_complete};

/// Repeatable (Marsaglia, "Xorshift RNGs").
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}

const COMPLETIONS: [CompletionFault; 18] = [
    CompletionFault::Lose,
    CompletionFault::Twice,
    CompletionFault::Identifier(0xffff),
    CompletionFault::Identifier(3),
    CompletionFault::Generation,
    CompletionFault::Queue(7),
    CompletionFault::Type(0),
    CompletionFault::Type(5),
    CompletionFault::Miss,
    CompletionFault::Counter(77),
    CompletionFault::Sequence(0),
    CompletionFault::Sequence(3),
    CompletionFault::Length(0),
    CompletionFault::Length(1),
    CompletionFault::Length(3000),
    CompletionFault::Length(0xffff),
    CompletionFault::Error,
    CompletionFault::NoLast,
];

/// What the network does, or time.
fn go_on(rig: &Rig, random: &mut Random) {
    match random.below(9) {
        0..3 => {
            rig.send_plain(&udp(random.below(1400) as usize + 10));
        }
        3 => {
            rig.send(&[udp_to_complete(random.below(1400) as usize)]);
        }
        4 => {
            let (outgoing, frame) = tcp_to_cut(random.below(20_000) as usize + 1000, 1000);
            if frame.len() <= rig.card.offloads(Version::V4).segmented {
                rig.send(&[(outgoing, frame)]);
            }
        }
        5 | 6 => {
            rig.device.receive(0, &udp(random.below(5000) as usize));
        }
        7 => {
            rig.device.deliver();
            rig.received();
        }
        _ => {
            time::advance(random.below(SECOND));
            rig.card.watch();
        }
    }
}

/// What the device does.
fn disturb(rig: &Rig, format: Format, random: &mut Random) {
    match random.below(12) {
        0..3 => rig.device.fail_sent(&[random.one_of(&COMPLETIONS)]),
        3..6 => rig.device.fail_received(&[random.one_of(&COMPLETIONS)]),
        6 => {
            let status = 0xffff_fff0 + random.below(16) as u32;
            let opcode = random.below(15) as u32 + 1;
            rig.device.fail_command(opcode, AdminFault::Status(status));
        }
        7 => rig.device.interrupt(random.below(3) as u16),
        8 => {
            rig.device.set_link(false);
            rig.device.set_link(true);
        }
        9 => {
            rig.device.hold_transmissions(random.below(2) == 0);
            rig.device.release_transmissions(true);
            rig.device.reinject();
        }
        10 if format.is_dqo() => {
            let kind = random.below(8) as u8;
            rig.device.complete(0, kind, random.below(1 << 16) as u16);
        }
        10 => rig.device.inject(Defect::LostInterrupts),
        _ if random.below(2) == 0 => rig.device.reset_itself(),
        _ => rig.device.ask_for_reset(),
    }
}

#[test]
fn gve_comes_through_a_storm() {
    for format in FORMATS {
        for seed in 1..5 {
            let rig = Rig::of(format);
            let mut random = Random(seed << 32 | 0x9e37_79b9);
            for step in 0..300 {
                if random.below(3) == 0 {
                    disturb(&rig, format, &mut random);
                } else {
                    go_on(&rig, &mut random);
                }
                let violations = rig.device.violations();
                assert!(
                    violations.is_empty(),
                    "{format:?}, seed {seed}, step {step}: {violations:#?}"
                );
            }
            rig.device.heal_all();
            // What was told wrongly is found out in time.
            for _ in 0..60 {
                rig.device.deliver();
                rig.received();
                time::advance(SECOND);
                rig.card.watch();
                rig.send_plain(&udp(10));
                rig.device.receive(0, &udp(10));
            }
            rig.device.deliver();
            rig.received();
            rig.sent();
            rig.check();
        }
    }
}
