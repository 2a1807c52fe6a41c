//! What was typed and not read yet, in lines or not.

use alloc::collections::VecDeque;

/// Bytes that are kept, of which a line can have all: `N_TTY_BUF_SIZE` of Linux, and `MAX_INPUT` plus one.
pub(super) const LIMIT: usize = 4096;

/// Bytes, and where the lines among them end.
#[derive(Default)]
pub(super) struct Input {
    bytes: VecDeque<u8>,
    /// How many bytes were taken before the first one here.
    taken: u64,
    lines: VecDeque<Line>,
}

/// A complete line.
struct Line {
    /// How many bytes were typed up to its end.
    end: u64,
    /// Its last byte is not read: it stands for `VEOF`.
    marked: bool,
}

impl Input {
    /// Adds a byte.
    pub(super) fn put(&mut self, byte: u8) {
        self.bytes.push_back(byte);
    }

    /// Ends the line with a byte, or with a mark that is not read.
    pub(super) fn end_line(&mut self, byte: Option<u8>) {
        self.put(byte.unwrap_or(super::DISABLED));
        self.lines.push_back(Line {
            end: self.end(),
            marked: byte.is_none(),
        });
    }

    fn end(&self) -> u64 {
        self.taken + self.bytes.len() as u64
    }

    /// Bytes of complete lines, marks included.
    fn complete(&self) -> usize {
        self.lines.back().map_or(0, |line| (line.end - self.taken) as usize)
    }

    /// The line that is being typed.
    pub(super) fn line(&self) -> impl DoubleEndedIterator<Item = u8> + ExactSizeIterator {
        self.bytes.range(self.complete()..).copied()
    }

    /// Cuts the last bytes off the line that is being typed.
    pub(super) fn cut(&mut self, count: usize) {
        let keep = (self.bytes.len() - count).max(self.complete());
        self.bytes.truncate(keep);
    }

    /// Whether a byte has room. In a line that fills everything, the last byte gives way.
    pub(super) fn make_room(&mut self, canonical: bool) -> bool {
        if self.bytes.len() < LIMIT - 1 {
            return true;
        }
        let alone = canonical && self.lines.is_empty();
        if alone {
            self.bytes.truncate(LIMIT - 1);
        }
        alone
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.lines.clear();
    }

    /// Makes one line of all that there is, or no lines.
    pub(super) fn regroup(&mut self, canonical: bool) {
        self.lines.clear();
        if canonical && !self.bytes.is_empty() {
            self.lines.push_back(Line {
                end: self.end(),
                marked: false,
            });
        }
    }

    /// Bytes that can be read: of complete lines in canonical mode.
    pub(super) fn readable(&self, canonical: bool) -> usize {
        if canonical {
            self.complete() - self.lines.iter().filter(|line| line.marked).count()
        } else {
            self.bytes.len()
        }
    }

    /// Whether there is a complete line, be it an empty one.
    pub(super) fn has_line(&self) -> bool {
        !self.lines.is_empty()
    }

    /// The bytes that one read may take at the most: of the first line in canonical mode.
    fn first(&self, canonical: bool) -> usize {
        if !canonical {
            return self.bytes.len();
        }
        let length = |line: &Line| (line.end - self.taken) as usize - usize::from(line.marked);
        self.lines.front().map_or(0, length)
    }

    /// Gives `take` what one read may have, piece by piece, until it takes none or less than all of a piece. An error counts when nothing was taken.
    pub(super) fn read<E>(
        &mut self,
        canonical: bool,
        mut take: impl FnMut(&[u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let most = self.first(canonical);
        let (front, back) = self.bytes.as_slices();
        let front = &front[..front.len().min(most)];
        let back = &back[..most - front.len()];
        let mut done = 0;
        for piece in [front, back] {
            match take(piece) {
                Ok(count) => {
                    done += count;
                    if count < piece.len() {
                        break;
                    }
                }
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        self.bytes.drain(..done);
        self.taken += done as u64;
        // Whoever has read all of a line does not meet its mark with the next read.
        if done == most
            && canonical
            && let Some(line) = self.lines.pop_front()
            && line.marked
        {
            self.bytes.pop_front();
            self.taken += 1;
        }
        Ok(done)
    }
}
