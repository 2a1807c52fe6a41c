//! What KVM tells a guest of its clock (Linux's Documentation/virt/kvm/x86/msr.rst): the records and their arithmetic.

/// `struct pvclock_vcpu_time_info`: a moment of the host's clock, and the speed of the time stamp counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SystemTime {
    /// Counts changes.
    pub(crate) version: u32,
    /// The time stamp counter at the moment.
    stamp: u64,
    /// Nanoseconds of the host's clock at the moment.
    time: u64,
    /// Nanoseconds for each 2^32 of the counter's ticks, shifted by `shift`.
    multiplier: u32,
    shift: i8,
}

impl SystemTime {
    pub(crate) const LENGTH: usize = 32;

    /// `None` while the host changes it, where it has told nothing, and for speeds that no processor has: 50 MHz to 50 GHz count.
    pub(crate) fn parse(bytes: &[u8; Self::LENGTH]) -> Option<Self> {
        const NANOSECOND: u64 = 1 << 32;
        let found = Self {
            version: u32::from_le_bytes(part(bytes, 0)),
            stamp: u64::from_le_bytes(part(bytes, 8)),
            time: u64::from_le_bytes(part(bytes, 16)),
            multiplier: u32::from_le_bytes(part(bytes, 24)),
            shift: i8::from_le_bytes(part(bytes, 28)),
        };
        let is_sound =
            (-31..=31).contains(&found.shift) && (NANOSECOND / 50..=NANOSECOND * 20).contains(&found.speed());
        (found.version != 0 && found.version.is_multiple_of(2) && is_sound).then_some(found)
    }

    /// Nanoseconds for each 2^32 ticks of the counter.
    pub(crate) fn speed(&self) -> u64 {
        shifted(u64::from(self.multiplier), self.shift)
    }

    /// Nanoseconds of the host's clock when the counter shows `stamp`.
    pub(crate) fn at(&self, stamp: u64) -> u64 {
        let ticks = shifted(stamp.saturating_sub(self.stamp), self.shift);
        self.time + ((u128::from(ticks) * u128::from(self.multiplier)) >> 32) as u64
    }
}

/// `struct pvclock_wall_clock`: nanoseconds since 1970 at which the host's clock of [`SystemTime`] began; `None` where the host has told nothing.
pub(crate) fn wall_clock(bytes: &[u8; 12]) -> Option<u64> {
    const SECOND: u64 = 1_000_000_000;
    let [version, seconds, nanoseconds] = [0, 4, 8].map(|at| u32::from_le_bytes(part(bytes, at)));
    let is_sound = version.is_multiple_of(2) && seconds != 0 && u64::from(nanoseconds) < SECOND;
    is_sound.then(|| u64::from(seconds) * SECOND + u64::from(nanoseconds))
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[at..at + N]);
    part
}

fn shifted(value: u64, shift: i8) -> u64 {
    if shift < 0 { value >> -shift } else { value << shift }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(version: u32, stamp: u64, time: u64, multiplier: u32, shift: i8) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&version.to_le_bytes());
        bytes[8..16].copy_from_slice(&stamp.to_le_bytes());
        bytes[16..24].copy_from_slice(&time.to_le_bytes());
        bytes[24..28].copy_from_slice(&multiplier.to_le_bytes());
        bytes[28] = shift as u8;
        bytes
    }

    /// What KVM tells where the counter has 2.5 GHz: 0.4 ns a tick are 0.8 / 2.
    #[test]
    fn time_passes_at_the_counters_speed() {
        let eight_tenths = (0.8 * f64::from(u32::MAX)) as u32;
        let clock = SystemTime::parse(&record(2, 1000, 5_000_000, eight_tenths, -1)).expect("it is sound");
        assert_eq!(clock.at(1000), 5_000_000);
        assert_eq!(clock.at(0), 5_000_000, "a counter behind the moment");
        let later = clock.at(1000 + 2_500_000_000);
        assert!(later.abs_diff(1_005_000_000) < 10, "{later}");
        let speed = clock.speed();
        assert!(speed.abs_diff((0.4 * f64::from(u32::MAX)) as u64) < 10, "{speed}");
    }

    /// 100 MHz are 10 ns a tick: 0.625 × 16.
    #[test]
    fn slow_counters_shift_the_other_way() {
        let clock = SystemTime::parse(&record(4, 0, 0, 5 << 29, 4)).expect("it is sound");
        assert_eq!(clock.speed(), 10 << 32);
        assert_eq!(clock.at(100_000_000), 1_000_000_000);
    }

    #[test]
    fn what_is_not_sound_is_not_taken() {
        for (version, multiplier, shift) in [
            (0, 1 << 31, 0),
            (3, 1 << 31, 0),
            (2, 0, 0),
            (2, 1, 0),
            (2, u32::MAX, 31),
            (2, 1 << 31, -128),
        ] {
            assert_eq!(
                SystemTime::parse(&record(version, 1, 1, multiplier, shift)),
                None,
                "{version} {multiplier} {shift}"
            );
        }
    }

    #[test]
    fn the_wall_clock_tells_when_the_clock_began() {
        let record = |values: [u32; 3]| {
            let mut bytes = [0; 12];
            for (into, value) in bytes.chunks_mut(4).zip(values) {
                into.copy_from_slice(&value.to_le_bytes());
            }
            bytes
        };
        assert_eq!(
            wall_clock(&record([2, 1_795_392_000, 5])),
            Some(1_795_392_000_000_000_005)
        );
        assert_eq!(wall_clock(&record([0, 0, 0])), None, "nothing told");
        assert_eq!(wall_clock(&record([3, 1, 0])), None, "being changed");
        assert_eq!(wall_clock(&record([2, 1, 1_000_000_000])), None, "no nanoseconds");
    }
}
