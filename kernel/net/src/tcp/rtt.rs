//! The retransmission time-out (RFC 6298).

pub(super) const MILLISECOND: u64 = 1_000_000;
pub(super) const SECOND: u64 = 1_000_000_000;

/// Linux's bounds; RFC 6298 would have one second as the least.
const LEAST: u64 = 200 * MILLISECOND;
const MOST: u64 = 120 * SECOND;
const INITIAL: u64 = SECOND;

/// Estimates the round-trip time from samples, all in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct RoundTrip {
    /// Smoothed; 0 before the first sample.
    pub(super) smoothed: u64,
    pub(super) variation: u64,
    timeout: u64,
    /// Time-outs in a row, each of which doubles the next.
    pub(super) backoff: u8,
}

impl RoundTrip {
    pub(super) const fn new() -> Self {
        Self {
            smoothed: 0,
            variation: 0,
            timeout: INITIAL,
            backoff: 0,
        }
    }

    pub(super) fn sample(&mut self, sample: u64) {
        let sample = sample.clamp(1, MOST);
        if self.smoothed == 0 {
            self.smoothed = sample;
            self.variation = sample / 2;
        } else {
            let difference = self.smoothed.abs_diff(sample);
            self.variation = self.variation - self.variation / 4 + difference / 4;
            self.smoothed = self.smoothed - self.smoothed / 8 + sample / 8;
        }
        self.timeout = (self.smoothed + (4 * self.variation).max(LEAST)).clamp(LEAST, MOST);
    }

    /// The time-out of the next segment.
    pub(super) fn timeout(&self) -> u64 {
        (self.timeout << self.backoff.min(16)).min(MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_settles_on_a_steady_round_trip() {
        let mut round_trip = RoundTrip::new();
        assert_eq!(round_trip.timeout(), SECOND);
        for _ in 0..100 {
            round_trip.sample(50 * MILLISECOND);
        }
        assert!(round_trip.smoothed.abs_diff(50 * MILLISECOND) < MILLISECOND);
        assert!(round_trip.timeout() <= 260 * MILLISECOND);
        round_trip.backoff = 3;
        assert!(round_trip.timeout() >= 8 * LEAST);
        round_trip.backoff = 60;
        assert_eq!(round_trip.timeout(), MOST);
    }
}
