//! Sequence numbers: arithmetic modulo 2^32 (RFC 9293 section 3.4).

use core::cmp::Ordering;
use core::ops::{Add, AddAssign, Sub};

/// A sequence number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seq(pub(crate) u32);

impl Seq {
    /// Bytes from `earlier` to `self`; 0 when `self` is the earlier one.
    #[inline]
    pub(crate) fn since(self, earlier: Self) -> usize {
        (self - earlier).max(0) as usize
    }

    #[inline]
    pub(crate) fn max(self, other: Self) -> Self {
        if self > other { self } else { other }
    }

    #[inline]
    pub(crate) fn min(self, other: Self) -> Self {
        if self < other { self } else { other }
    }
}

impl Add<usize> for Seq {
    type Output = Self;

    #[inline]
    fn add(self, count: usize) -> Self {
        Self(self.0.wrapping_add(count as u32))
    }
}

impl AddAssign<usize> for Seq {
    #[inline]
    fn add_assign(&mut self, count: usize) {
        *self = *self + count;
    }
}

impl Sub for Seq {
    type Output = i32;

    #[inline]
    #[expect(clippy::cast_possible_wrap, reason = "the sign says which is later")]
    fn sub(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }
}

/// Right for numbers less than 2^31 apart.
impl PartialOrd for Seq {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some((*self - *other).cmp(&0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_survives_the_wrap() {
        let before = Seq(u32::MAX - 1);
        let after = before + 5;
        assert!(before < after);
        assert_eq!(after.since(before), 5);
        assert_eq!(before.since(after), 0);
        assert_eq!(before.max(after), after);
    }
}
