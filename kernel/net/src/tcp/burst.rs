//! An answer is often written in pieces, a head and then a body, by calls that follow each other within microseconds. Sent as they come, each piece
//! is a segment, for which the card, the network and the peer do as much as for a full one, and which the peer acknowledges. Who has written the last
//! answer in so many pieces is taken to do so again: all but the last wait for the next call.

/// Nanoseconds within which the next piece follows.
const FOLLOWS: u64 = 250_000;
/// Pieces of an answer at the most. What has more is a stream, whose pieces go out as they come.
const MOST: u8 = 4;

/// How a connection's answers are written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Burst {
    /// Pieces of this answer so far.
    pieces: u8,
    /// Pieces of the last one; 0 when there were too many.
    expected: u8,
    /// When the last piece was written.
    written: u64,
}

impl Burst {
    /// Takes note of a piece that is written now, `received` being when the peer last sent something. True when the next is expected at once.
    pub(super) fn write(&mut self, now: u64, received: u64) -> bool {
        let begins = self.pieces == 0 || received > self.written || now > self.written + FOLLOWS;
        if begins {
            self.expected = if self.pieces > MOST { 0 } else { self.pieces };
            self.pieces = 1;
        } else {
            self.pieces = self.pieces.saturating_add(1);
        }
        self.written = now;
        self.pieces < self.expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_to_be_written_like_the_last() {
        let mut burst = Burst::default();
        let mut answer = |at: u64, pieces: u64| {
            let written = |piece| burst.write(at + piece * 1000, at);
            (1..=pieces).map(written).collect::<Vec<_>>()
        };
        assert_eq!(answer(0, 2), [false, false]);
        assert_eq!(answer(100_000, 2), [true, false]);
        assert_eq!(answer(200_000, 1), [true]);
        assert_eq!(answer(300_000, 3), [false, false, false]);
        assert_eq!(answer(400_000, 4), [true, true, false, false]);
        assert_eq!(answer(500_000, 5), [true, true, true, false, false]);
        assert_eq!(answer(600_000, 2), [false, false], "five are a stream");
    }

    #[test]
    fn pieces_that_take_their_time_are_no_answer() {
        let mut burst = Burst::default();
        for piece in 1..10 {
            assert!(!burst.write(piece * (FOLLOWS + 1), 0));
        }
    }
}
