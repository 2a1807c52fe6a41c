//! Congestion control: CUBIC (RFC 9438) with the recovery of `NewReno` (RFC 6582, RFC 6675), counted in bytes.

use super::rtt::SECOND;
use super::sequence::Seq;

/// Segments of the initial window (RFC 6928).
const INITIAL_WINDOW: usize = 10;
/// How much of the window remains after a loss: CUBIC's beta, 0.7.
const BETA: (u64, u64) = (7, 10);
/// Beyond this a window means nothing.
const LARGEST_WINDOW: usize = 1 << 30;

/// How a connection deals with what it believes to be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing is.
    Open,
    /// Duplicate acknowledgements told of a loss; over when `point` is acknowledged.
    Recovery {
        /// What was sent when it began.
        point: Seq,
    },
    /// The retransmission timer fired; over when `point` is acknowledged.
    Loss {
        /// What was sent when it fired.
        point: Seq,
    },
}

/// The congestion window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Congestion {
    pub(super) window: usize,
    pub(super) threshold: usize,
    pub(super) phase: Phase,
    /// The window before the last reduction, in bytes.
    plateau: usize,
    /// When the present period of avoidance began.
    epoch: Option<u64>,
    /// Seconds, times 1024, until the plateau is reached again.
    time_to_plateau: u64,
}

impl Congestion {
    pub(super) fn new(mss: usize) -> Self {
        Self {
            window: INITIAL_WINDOW * mss,
            threshold: usize::MAX,
            phase: Phase::Open,
            plateau: 0,
            epoch: None,
            time_to_plateau: 0,
        }
    }

    /// New data was acknowledged while nothing was lost.
    pub(super) fn acknowledged(&mut self, bytes: usize, mss: usize, round_trip: u64, now: u64) {
        if self.window < self.threshold {
            // Slow start, a little at a time against stretched acknowledgements (RFC 3465 with L = 2 or what was acknowledged).
            self.window = (self.window + bytes.min(2 * mss).max(bytes / 2)).min(LARGEST_WINDOW);
            return;
        }
        let target = self.cubic_target(mss, round_trip, now);
        let growth = if target > self.window {
            ((target - self.window) as u64 * bytes as u64 / self.window.max(1) as u64).min(bytes as u64) as usize
        } else {
            // At the plateau, as slowly as Reno with a hundredth.
            bytes * mss / (100 * self.window.max(1))
        };
        // Never slower than Reno would be (RFC 9438 section 4.3).
        let reno = bytes * mss * 53 / (100 * self.window.max(1));
        self.window = (self.window + growth.max(reno)).min(LARGEST_WINDOW);
    }

    /// W(t + RTT) = 0.4 (t - K)^3 + plateau, in segments.
    fn cubic_target(&mut self, mss: usize, round_trip: u64, now: u64) -> usize {
        let epoch = *self.epoch.get_or_insert_with(|| {
            self.plateau = self.plateau.max(self.window);
            let deficit = ((self.plateau - self.window) / mss) as u64;
            // K = cbrt(deficit / 0.4), in 1/1024 s.
            self.time_to_plateau = cube_root(deficit * 5 / 2 * (1 << 30));
            now
        });
        let time = (u128::from(now - epoch + round_trip) * 1024 / u128::from(SECOND)) as i64;
        let distance = (time - self.time_to_plateau as i64).clamp(-(1 << 17), 1 << 17);
        let cubed = i128::from(distance).pow(3) * 4 / 10;
        let segments = cubed / (1 << 30);
        let target = self.plateau as i128 + segments * mss as i128;
        target.clamp(self.window as i128, (self.window + self.window / 2) as i128) as usize
    }

    /// A loss was found by acknowledgements.
    pub(super) fn enter_recovery(&mut self, flight: usize, point: Seq, mss: usize) {
        self.reduce(flight, mss);
        self.window = self.threshold;
        self.phase = Phase::Recovery { point };
    }

    /// The retransmission timer fired.
    pub(super) fn enter_loss(&mut self, flight: usize, point: Seq, mss: usize) {
        if !matches!(self.phase, Phase::Loss { .. }) {
            self.reduce(flight, mss);
        }
        self.window = mss;
        self.phase = Phase::Loss { point };
    }

    fn reduce(&mut self, flight: usize, mss: usize) {
        let window = self.window.min(flight.max(2 * mss));
        // A flow that lost before it reached its last plateau makes room for others (fast convergence).
        self.plateau = if window < self.plateau {
            window * 17 / 20
        } else {
            window
        };
        self.epoch = None;
        self.threshold = ((window as u64 * BETA.0 / BETA.1) as usize).max(2 * mss);
    }

    /// All that was in doubt is acknowledged.
    pub(super) fn recovered(&mut self, mss: usize) {
        if matches!(self.phase, Phase::Recovery { .. }) {
            self.window = self.threshold.max(2 * mss);
        }
        self.phase = Phase::Open;
    }

    /// After a pause the network is not what it was (RFC 9293 section 3.8.2, RFC 2861).
    pub(super) fn restart_after_idle(&mut self, mss: usize) {
        self.epoch = None;
        self.window = self.window.min((INITIAL_WINDOW * mss).max(self.window / 2));
    }
}

fn cube_root(value: u64) -> u64 {
    let (mut low, mut high) = (0u64, 1 << 21);
    while low + 1 < high {
        let middle = low.midpoint(high);
        if u128::from(middle).pow(3) <= u128::from(value) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: usize = 1448;

    #[test]
    fn slow_start_doubles_each_round_trip() {
        let mut congestion = Congestion::new(MSS);
        for _ in 0..INITIAL_WINDOW {
            congestion.acknowledged(MSS, MSS, SECOND / 10, 0);
        }
        assert_eq!(congestion.window, 2 * INITIAL_WINDOW * MSS);
    }

    #[test]
    fn cubic_returns_to_its_plateau_and_goes_beyond() {
        let mut congestion = Congestion::new(MSS);
        congestion.window = 100 * MSS;
        congestion.enter_recovery(100 * MSS, Seq(0), MSS);
        congestion.recovered(MSS);
        assert_eq!(congestion.window, 70 * MSS);
        let mut now = 0;
        let mut reached = None;
        for round in 0..200 {
            now += SECOND / 10;
            let acknowledged = congestion.window;
            for _ in 0..acknowledged / MSS {
                congestion.acknowledged(MSS, MSS, SECOND / 10, now);
            }
            if congestion.window >= 99 * MSS && reached.is_none() {
                reached = Some(round);
            }
        }
        // K is cbrt(30 / 0.4) = 4.2 seconds.
        assert!(reached.is_some_and(|round| (20..60).contains(&round)), "{reached:?}");
        assert!(congestion.window > 150 * MSS);
    }

    #[test]
    fn a_timeout_starts_again_with_one_segment() {
        let mut congestion = Congestion::new(MSS);
        congestion.enter_loss(10 * MSS, Seq(0), MSS);
        assert_eq!((congestion.window, congestion.threshold), (MSS, 7 * MSS));
    }
}
