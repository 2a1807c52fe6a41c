//! Times, as `clock_gettime(2)`, `select(2)` and `timerfd_settime(2)` lay them out.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::Errno;

const NANOSECONDS: u64 = 1_000_000_000;

/// `struct timespec`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Timespec {
    /// Whole seconds.
    pub seconds: i64,
    /// Nanoseconds beyond them, below 1,000,000,000.
    pub nanoseconds: i64,
}

impl Timespec {
    /// Of a number of nanoseconds.
    pub const fn from_nanoseconds(nanoseconds: u64) -> Self {
        Self {
            seconds: (nanoseconds / NANOSECONDS) as i64,
            nanoseconds: (nanoseconds % NANOSECONDS) as i64,
        }
    }

    /// As nanoseconds, at most `u64::MAX`. `EINVAL` when a field is negative or the nanoseconds make a second.
    pub const fn to_nanoseconds(self) -> Result<u64, Errno> {
        if self.seconds < 0 || self.nanoseconds < 0 || self.nanoseconds >= NANOSECONDS as i64 {
            return Err(Errno::INVAL);
        }
        Ok((self.seconds as u64)
            .saturating_mul(NANOSECONDS)
            .saturating_add(self.nanoseconds as u64))
    }
}

/// `struct timeval`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Timeval {
    /// Whole seconds.
    pub seconds: i64,
    /// Microseconds beyond them, below 1,000,000.
    pub microseconds: i64,
}

impl Timeval {
    /// Of a number of nanoseconds, rounded down.
    pub const fn from_nanoseconds(nanoseconds: u64) -> Self {
        Self {
            seconds: (nanoseconds / NANOSECONDS) as i64,
            microseconds: (nanoseconds % NANOSECONDS / 1000) as i64,
        }
    }

    /// As nanoseconds, at most `u64::MAX`. `EINVAL` when a field is negative or the microseconds make a second.
    pub const fn to_nanoseconds(self) -> Result<u64, Errno> {
        if self.seconds < 0 || self.microseconds < 0 || self.microseconds >= 1_000_000 {
            return Err(Errno::INVAL);
        }
        Ok((self.seconds as u64)
            .saturating_mul(NANOSECONDS)
            .saturating_add(self.microseconds as u64 * 1000))
    }
}

/// `struct itimerspec`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct IntervalTimer {
    /// Time between expirations; zero for a timer that expires once.
    pub interval: Timespec,
    /// Time of the first expiration; zero for a timer that is not armed.
    pub value: Timespec,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_convert_both_ways_and_refuse_what_linux_refuses() {
        let time = Timespec::from_nanoseconds(1_500_000_001);
        assert_eq!((time.seconds, time.nanoseconds), (1, 500_000_001));
        assert_eq!(time.to_nanoseconds(), Ok(1_500_000_001));
        let bad = Timespec {
            seconds: 0,
            nanoseconds: 1_000_000_000,
        };
        assert_eq!(bad.to_nanoseconds(), Err(Errno::INVAL));
        let far = Timespec {
            seconds: i64::MAX,
            nanoseconds: 0,
        };
        assert_eq!(far.to_nanoseconds(), Ok(u64::MAX));
        assert_eq!(Timeval::from_nanoseconds(1_500_000_999).microseconds, 500_000);
    }
}
