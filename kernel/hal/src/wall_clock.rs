//! The wall clock, kept by a better one that can be asked from time to time.

use crate::time;

/// What the better clock has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Nanoseconds since 1970-01-01 00:00 UTC.
    pub(crate) time: u64,
    /// How much that may be wrong, in nanoseconds, on either side.
    pub(crate) bound: u64,
    /// The monotonic clock at that moment, and the wall clock.
    pub(crate) monotonic: u64,
    pub(crate) realtime: u64,
}

/// What a sample is reason for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Correction {
    /// The clock was good enough, or it is not clear yet what is wrong.
    None,
    /// A little, in nanoseconds, as often as samples come.
    Slew(i64),
    /// All at once, in nanoseconds.
    Step(i64),
}

/// Decides what samples of one clock are worth.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WallClock {
    last: Option<Sample>,
    /// Samples one after the other that say the same, and that the clock is far off.
    agreeing: u32,
    is_set: bool,
}

const SECOND: u64 = 1_000_000_000;
/// Times that no machine with such a clock has: before 2020 and after 2100.
const EARLIEST: u64 = 1_577_836_800 * SECOND;
const LATEST: u64 = 4_102_444_800 * SECOND;
/// A sample that may be more wrong than this is none, in nanoseconds.
const WORST_BOUND: u64 = 500_000_000;
/// What two clocks may drift apart: as Linux's `adjtimex(2)` has it, 500 parts of a million.
const DRIFT: u64 = 500;
/// The most that is corrected little by little, in nanoseconds: as the Network Time Protocol has it (RFC 5905, `STEPT`).
const STEP_FROM: u64 = 128_000_000;
/// Samples that have to agree before the clock is set to a time far off.
const CONFIRMATIONS: u32 = 8;

impl WallClock {
    /// What to do with the next sample.
    pub(crate) fn judge(&mut self, sample: Sample) -> Correction {
        if !(EARLIEST..LATEST).contains(&sample.time) || sample.bound > WORST_BOUND {
            self.agreeing = 0;
            return Correction::None;
        }
        let last = self.last.replace(sample);
        let passed = last.map_or(0, |last| sample.monotonic.saturating_sub(last.monotonic));
        // Both are below 2^62.
        let error = sample.time.wrapping_sub(sample.realtime).cast_signed();
        let distance = error.unsigned_abs();
        if distance <= sample.bound {
            self.agreeing = 0;
            self.is_set = true;
            return Correction::None;
        }
        let drift = passed / 1_000_000 * DRIFT;
        if self.is_set && distance <= STEP_FROM {
            self.agreeing = 0;
            let most = drift.cast_signed();
            return Correction::Slew(error.clamp(-most, most));
        }
        // A clock that stands still, or jumps about, agrees with itself once.
        let agrees = last.is_some_and(|last| {
            let expected = last.time.saturating_add(passed);
            sample.time.abs_diff(expected) <= last.bound + sample.bound + drift
        });
        self.agreeing = if agrees { self.agreeing + 1 } else { 0 };
        let needed = if self.is_set { CONFIRMATIONS } else { 1 };
        if self.agreeing < needed {
            return Correction::None;
        }
        self.agreeing = 0;
        self.is_set = true;
        Correction::Step(error)
    }

    /// Corrects the wall clock by a sample; by how much, when that is all at once.
    pub(crate) fn correct(&mut self, sample: Sample) -> Option<i64> {
        match self.judge(sample) {
            Correction::None => None,
            Correction::Slew(by) => {
                time::adjust_realtime(by);
                None
            }
            Correction::Step(by) => {
                time::step_realtime(by);
                Some(by)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    const NOW: u64 = 1_795_392_000 * SECOND;
    const BOUND: u64 = 20_000;

    /// A world in which a better clock is asked once a second.
    struct World {
        clock: WallClock,
        /// Of the machine's wall clock.
        wrong_by: i64,
        monotonic: u64,
    }

    impl World {
        fn new(wrong_by: i64) -> Self {
            Self {
                clock: WallClock::default(),
                wrong_by,
                monotonic: 5 * SECOND,
            }
        }

        /// A second passes, and the better clock says what is right, and so much more.
        fn second(&mut self, lie: i64, bound: u64) -> Correction {
            self.monotonic += SECOND;
            let right = NOW + self.monotonic;
            let correction = self.clock.judge(Sample {
                time: right.wrapping_add_signed(lie),
                bound,
                monotonic: self.monotonic,
                realtime: right.wrapping_add_signed(self.wrong_by),
            });
            if let Correction::Slew(by) | Correction::Step(by) = correction {
                self.wrong_by += by;
            }
            correction
        }

        fn set() -> Self {
            let mut world = Self::new(0);
            assert_eq!(world.second(0, BOUND), Correction::None);
            world
        }
    }

    #[test]
    fn the_clock_is_set_once_two_samples_agree() {
        for wrong_by in [-3_600_000_000_000, -700_000_000, 700_000_000, 90_000] {
            let mut world = World::new(wrong_by);
            assert_eq!(world.second(0, BOUND), Correction::None);
            assert_eq!(world.second(0, BOUND), Correction::Step(-wrong_by));
            for _ in 0..100 {
                assert_eq!(world.second(0, BOUND), Correction::None);
            }
        }
    }

    #[test]
    fn small_errors_go_away_little_by_little() {
        let mut world = World::set();
        world.wrong_by = -1_700_000;
        let slews: Vec<Correction> = (0..5).map(|_| world.second(0, BOUND)).collect();
        let expected = [500_000, 500_000, 500_000, 200_000].map(Correction::Slew);
        assert_eq!(slews[..4], expected);
        assert_eq!((slews[4], world.wrong_by), (Correction::None, 0));
        world.wrong_by = 30_000;
        assert_eq!(world.second(0, BOUND), Correction::Slew(-30_000));
        world.wrong_by = 19_000;
        assert_eq!(world.second(0, BOUND), Correction::None, "nobody knows better");
    }

    #[test]
    fn a_jump_is_believed_when_it_lasts() {
        let mut world = World::set();
        for _ in 0..3 {
            for _ in 0..CONFIRMATIONS {
                assert_eq!(world.second(9_000_000_000, BOUND), Correction::None);
            }
            assert_eq!(world.second(0, BOUND), Correction::None, "it was none");
        }
        // As when a machine goes on after its host has slept.
        world.wrong_by = -9_000_000_000;
        let corrections = (0..20).map(|_| world.second(0, BOUND));
        let steps: Vec<Correction> = corrections.filter(|&one| one != Correction::None).collect();
        assert_eq!(steps, [Correction::Step(9_000_000_000)]);
    }

    #[test]
    fn clocks_that_stand_still_or_jump_about_are_not_followed() {
        for is_set in [false, true] {
            let begin = || if is_set { World::set() } else { World::new(700_000_000) };
            let mut stuck = begin();
            let mut wild = begin();
            for second in 0..100 {
                assert_eq!(
                    stuck.second(-(second + 10) * SECOND.cast_signed(), BOUND),
                    Correction::None
                );
                let lie = (second * 7 % 13 - 6) * 300 * SECOND.cast_signed() + SECOND.cast_signed();
                assert_eq!(wild.second(lie, BOUND), Correction::None);
            }
        }
    }

    #[test]
    fn what_cannot_be_changes_nothing() {
        let mut world = World::new(700_000_000);
        for _ in 0..20 {
            assert_eq!(world.second(0, WORST_BOUND + 1), Correction::None, "as good as unknown");
            assert_eq!(world.second(0, u64::MAX), Correction::None);
            assert_eq!(world.second(-NOW.cast_signed(), BOUND), Correction::None, "1970");
            assert_eq!(
                world.second(i64::MAX - NOW.cast_signed() * 2, BOUND),
                Correction::None,
                "2262"
            );
        }
        assert_eq!(world.wrong_by, 700_000_000);
    }
}
