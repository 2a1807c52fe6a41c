//! What time services say and ask of the clock of the day, as `adjtimex(2)` lays it out.

use bitflags::bitflags;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct timex`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Timex {
    /// What is to change: [`ClockModes`].
    pub modes: u32,
    padding_1: u32,
    /// What is yet to be corrected little by little, in microseconds, or nanoseconds with [`ClockStatus::NANO`].
    pub offset: i64,
    /// By how much it goes faster, in 2⁻¹⁶ parts of a million.
    pub frequency: i64,
    /// Microseconds that it may be wrong.
    pub maximum_error: i64,
    /// Microseconds that it is probably wrong.
    pub estimated_error: i64,
    /// [`ClockStatus`]
    pub status: u32,
    padding_2: u32,
    /// How slowly offsets go away.
    pub constant: i64,
    /// Microseconds of its resolution.
    pub precision: i64,
    /// The most that [`Timex::frequency`] can be.
    pub tolerance: i64,
    /// The time: seconds, and microseconds or nanoseconds.
    pub time: [i64; 2],
    /// Microseconds between ticks of a hundredth second.
    pub tick: i64,
    /// Of a pulse per second.
    pulse: [i64; 8],
    /// Seconds that International Atomic Time is ahead.
    pub tai: i32,
    padding_3: [u32; 11],
}

bitflags! {
    /// `ADJ_…`: what to change.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ClockModes: u32 {
        /// What is to be corrected little by little.
        const OFFSET = 0x1;
        /// Its frequency.
        const FREQUENCY = 0x2;
        /// By how much it may be wrong.
        const MAXERROR = 0x4;
        /// By how much it probably is.
        const ESTERROR = 0x8;
        /// [`ClockStatus`]
        const STATUS = 0x10;
        /// How slowly offsets go away.
        const TIMECONST = 0x20;
        /// What International Atomic Time is ahead.
        const TAI = 0x80;
        /// The clock, by so much at once.
        const SETOFFSET = 0x100;
        /// Times in microseconds from now on.
        const MICRO = 0x1000;
        /// Times in nanoseconds from now on. With [`ClockModes::ADJTIME`] nothing is to change.
        const NANO = 0x2000;
        /// The length of its ticks.
        const TICK = 0x4000;
        /// What `adjtime(3)` asks for.
        const ADJTIME = 0x8000;
        /// Linux ignores others.
        const _ = !0;
    }
}

bitflags! {
    /// `STA_…`: how the clock is kept.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ClockStatus: u32 {
        /// Offsets are corrected.
        const PLL = 0x1;
        /// Steered by a pulse per second, in frequency.
        const PPSFREQ = 0x2;
        /// And in time.
        const PPSTIME = 0x4;
        /// Nobody keeps it.
        const UNSYNC = 0x40;
        /// There is such a pulse.
        const PPSSIGNAL = 0x100;
        /// The clock is broken.
        const CLOCKERR = 0x1000;
        /// Offsets and times are in nanoseconds.
        const NANO = 0x2000;
        /// What only the kernel sets.
        const READ_ONLY = 0xff00;
        /// Kept for who asks.
        const _ = !0;
    }
}
