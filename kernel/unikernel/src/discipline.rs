//! How a time service keeps the clock of the day (`adjtimex(2)`): it tells how wrong it is, makes it go faster or slower, and has errors corrected
//! little by little.

use abi::Timex;
use abi::{ClockModes as Modes, ClockStatus as Status};
use hal::sync::SpinLock;

/// One part of a million, as frequencies have it.
const PPM: i64 = 1 << 16;
/// The most that the frequency can be changed, and that errors are corrected by.
const MAX_RATE: i64 = 500 * PPM;
/// Microseconds of error with which the clock is nobody's.
const WORST_ERROR: i64 = 16_000_000;
/// The most that is corrected little by little, in nanoseconds.
const MAX_OFFSET: i64 = 500_000_000;
const MAX_CONSTANT: i64 = 10;
/// Microseconds between ticks as they should be, and what a microsecond more makes of the frequency.
const TICK: i64 = 10_000;
const RATE_OF_TICK: i64 = 100 * PPM;
const SECOND: u64 = 1_000_000_000;
const MAX_TAI: i64 = 100_000;

static DISCIPLINE: SpinLock<Discipline> = SpinLock::new(Discipline::NEW);

/// What is yet to be corrected.
#[derive(Clone, Copy, Debug, Default)]
struct Slew {
    /// Nanoseconds, at `since`.
    left: i64,
    rate: i64,
    since: u64,
}

impl Slew {
    const NONE: Self = Self {
        left: 0,
        rate: 0,
        since: 0,
    };

    fn new(left: i64, now: u64) -> Self {
        let mut slew = Self {
            left,
            since: now,
            ..Self::NONE
        };
        slew.advance(now);
        slew
    }

    /// Counts what was corrected until now; what is left goes away at the highest rate, or within a second.
    fn advance(&mut self, now: u64) {
        let passed = i128::from(now.saturating_sub(self.since));
        let done = i128::from(self.rate) * passed / (i128::from(PPM) * 1_000_000);
        self.left = self.left.saturating_sub(done as i64);
        self.since = now;
        if self.left.abs() < 1000 {
            self.left = 0;
        }
        self.rate = (self.left.saturating_mul(PPM) / 1000).clamp(-MAX_RATE, MAX_RATE);
    }
}

/// What is known of the clock, and asked of it.
struct Discipline {
    status: Status,
    frequency: i64,
    tick: i64,
    constant: i64,
    /// At `error_since`; it grows.
    maximum_error: i64,
    error_since: u64,
    estimated_error: i64,
    tai: i64,
    /// What time services ask for, and `adjtime(3)`.
    offset: Slew,
    adjustment: Slew,
    /// Whether a task corrects.
    is_followed: bool,
}

impl Discipline {
    const NEW: Self = Self {
        status: Status::UNSYNC,
        frequency: 0,
        tick: TICK,
        constant: 2,
        maximum_error: WORST_ERROR,
        error_since: 0,
        estimated_error: WORST_ERROR,
        tai: 0,
        offset: Slew::NONE,
        adjustment: Slew::NONE,
        is_followed: false,
    };

    /// Counts what has happened until now. Returns the clock's rate from now on.
    fn advance(&mut self, now: u64) -> i64 {
        let passed = now.saturating_sub(self.error_since) / SECOND;
        self.error_since += passed * SECOND;
        self.maximum_error = self.maximum_error.saturating_add_unsigned(passed * 500);
        if self.maximum_error >= WORST_ERROR {
            self.maximum_error = WORST_ERROR;
            self.status |= Status::UNSYNC;
        }
        self.offset.advance(now);
        self.adjustment.advance(now);
        self.frequency + (self.tick - TICK) * RATE_OF_TICK + self.offset.rate + self.adjustment.rate
    }

    /// Whether something is yet to be corrected.
    fn corrects(&self) -> bool {
        self.offset.left != 0 || self.adjustment.left != 0
    }

    /// Nobody knows any more how wrong the clock is.
    fn clear(&mut self, now: u64) {
        self.status |= Status::UNSYNC;
        (self.maximum_error, self.estimated_error, self.error_since) = (WORST_ERROR, WORST_ERROR, now);
        (self.offset, self.adjustment) = (Slew::NONE, Slew::NONE);
    }

    /// Does what is asked for, and answers in the same record.
    fn serve(&mut self, record: &mut Timex, now: u64) {
        self.advance(now);
        let modes = Modes::from_bits_retain(record.modes);
        if modes.contains(Modes::ADJTIME) {
            let left = self.adjustment.left / 1000;
            if !modes.contains(Modes::NANO) {
                self.adjustment = Slew::new(record.offset.saturating_mul(1000), now);
            }
            record.offset = left;
        } else {
            self.change(modes, record, now);
            record.offset = self.offset.left / self.unit();
        }
        record.frequency = self.frequency;
        record.maximum_error = self.maximum_error;
        record.estimated_error = self.estimated_error;
        record.status = self.status.bits();
        record.constant = self.constant;
        record.precision = 1;
        record.tolerance = MAX_RATE;
        record.tick = self.tick;
        record.tai = self.tai as i32;
    }

    fn change(&mut self, modes: Modes, record: &Timex, now: u64) {
        if modes.contains(Modes::STATUS) {
            let asked = Status::from_bits_retain(record.status);
            self.status = self.status & Status::READ_ONLY | asked.difference(Status::READ_ONLY);
        }
        self.status.insert(if modes.contains(Modes::NANO) {
            Status::NANO
        } else {
            Status::empty()
        });
        if modes.contains(Modes::MICRO) {
            self.status.remove(Status::NANO);
        }
        if modes.contains(Modes::FREQUENCY) {
            self.frequency = record.frequency.clamp(-MAX_RATE, MAX_RATE);
        }
        if modes.contains(Modes::MAXERROR) {
            (self.maximum_error, self.error_since) = (record.maximum_error.clamp(0, WORST_ERROR), now);
        }
        if modes.contains(Modes::ESTERROR) {
            self.estimated_error = record.estimated_error.clamp(0, WORST_ERROR);
        }
        if modes.contains(Modes::TIMECONST) {
            let more = if self.status.contains(Status::NANO) { 0 } else { 4 };
            self.constant = record.constant.saturating_add(more).clamp(0, MAX_CONSTANT);
        }
        if modes.contains(Modes::TAI) && (0..=MAX_TAI).contains(&record.constant) {
            self.tai = record.constant;
        }
        if modes.contains(Modes::OFFSET) && self.status.contains(Status::PLL) {
            let offset = record.offset.saturating_mul(self.unit());
            self.offset = Slew::new(offset.clamp(-MAX_OFFSET, MAX_OFFSET), now);
        }
        if modes.contains(Modes::TICK) {
            self.tick = record.tick;
        }
    }

    /// Nanoseconds of the unit that offsets are in.
    fn unit(&self) -> i64 {
        if self.status.contains(Status::NANO) { 1 } else { 1000 }
    }

    /// Whether the clock can be trusted.
    fn is_kept(&self) -> bool {
        let pulse =
            self.status.intersects(Status::PPSFREQ | Status::PPSTIME) && !self.status.contains(Status::PPSSIGNAL);
        !pulse && !self.status.intersects(Status::UNSYNC | Status::CLOCKERR)
    }
}

/// Does what a time service asks for, which it may, and answers in the same record. Returns whether the clock can be trusted.
pub(crate) fn serve(record: &mut Timex) -> bool {
    let mut discipline = DISCIPLINE.lock();
    let now = hal::time::monotonic();
    discipline.serve(record, now);
    if record.modes != 0 {
        hal::time::set_rate(discipline.advance(now));
    }
    let starts = discipline.corrects() && !discipline.is_followed;
    discipline.is_followed |= starts;
    let time = hal::time::realtime();
    let unit = discipline.unit().cast_unsigned();
    record.time = [time / SECOND, time % SECOND / unit].map(u64::cast_signed);
    let is_kept = discipline.is_kept();
    drop(discipline);
    if starts {
        task::spawn(follow());
    }
    is_kept
}

/// The clock was set: what was known of it is no longer true.
pub(crate) fn clear() {
    let mut discipline = DISCIPLINE.lock();
    let now = hal::time::monotonic();
    discipline.clear(now);
    hal::time::set_rate(discipline.advance(now));
}

/// Looks at what is yet to be corrected once a second, until nothing is.
async fn follow() {
    loop {
        let now = hal::time::monotonic();
        task::sleep_until(now + SECOND).await;
        let mut discipline = DISCIPLINE.lock();
        hal::time::set_rate(discipline.advance(hal::time::monotonic()));
        if !discipline.corrects() {
            discipline.is_followed = false;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 100 * SECOND;

    fn ask(discipline: &mut Discipline, modes: Modes, mut record: Timex, now: u64) -> Timex {
        record.modes = modes.bits();
        discipline.serve(&mut record, now);
        record
    }

    fn offset(offset: i64) -> Timex {
        let mut record = Timex::default();
        (record.offset, record.status) = (offset, Status::PLL.bits());
        record
    }

    #[test]
    fn a_clock_is_kept_as_long_as_somebody_says_so() {
        let mut discipline = Discipline::NEW;
        let said = Timex::default();
        assert!(!discipline.is_kept());
        ask(&mut discipline, Modes::STATUS | Modes::MAXERROR, said, NOW);
        assert!(discipline.is_kept());
        let later = ask(&mut discipline, Modes::empty(), said, NOW + 10 * SECOND);
        assert_eq!((later.maximum_error, discipline.is_kept()), (5000, true));
        ask(&mut discipline, Modes::empty(), said, NOW + 40_000 * SECOND);
        assert!(!discipline.is_kept());
    }

    #[test]
    fn an_offset_goes_away_at_500_parts_of_a_million_and_then_the_rate_is_as_before() {
        let mut discipline = Discipline::NEW;
        ask(&mut discipline, Modes::STATUS | Modes::OFFSET, offset(-1200), NOW);
        let rates: std::vec::Vec<i64> = (0..4).map(|second| discipline.advance(NOW + second * SECOND)).collect();
        assert_eq!(rates, [-MAX_RATE, -MAX_RATE, -200 * PPM, 0]);
        assert!(!discipline.corrects());
    }

    #[test]
    fn what_is_left_of_an_adjustment_is_told() {
        let mut discipline = Discipline::NEW;
        let single = Modes::ADJTIME | Modes::OFFSET;
        assert_eq!(ask(&mut discipline, single, offset(10_000), NOW).offset, 0);
        let read = ask(&mut discipline, single | Modes::NANO, offset(0), NOW + 4 * SECOND);
        assert_eq!(read.offset, 8000);
        // A look that comes late has corrected too much, which is taken back.
        let rate = discipline.advance(NOW + 30 * SECOND);
        assert_eq!((rate, discipline.adjustment.left), (-MAX_RATE, -5_000_000));
    }

    #[test]
    fn frequency_and_ticks_add_up() {
        let mut discipline = Discipline::NEW;
        let mut asked = Timex::default();
        (asked.frequency, asked.tick) = (-20 * PPM, 10_001);
        ask(&mut discipline, Modes::FREQUENCY | Modes::TICK, asked, NOW);
        assert_eq!(discipline.advance(NOW), 80 * PPM);
        discipline.clear(NOW);
        assert_eq!(
            discipline.advance(NOW),
            80 * PPM,
            "setting the clock does not make it better"
        );
    }
}
