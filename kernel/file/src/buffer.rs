//! Where bytes come from and go to: user memory in a system call, slices in the kernel and in tests.

use hal::mem::Frame;

/// User memory that could not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The first address that could not be reached.
    pub address: usize,
    /// Whether it was to be written.
    pub write: bool,
}

/// Takes the bytes that an operation produces.
pub trait Sink {
    /// How many more bytes fit.
    fn remaining(&self) -> usize;

    /// Takes the first bytes of `bytes` and returns how many: fewer than both lengths allow when the rest cannot be reached, and
    /// an error when not even the first can.
    fn write(&mut self, bytes: &[u8]) -> core::result::Result<usize, Fault>;

    /// Takes `length` bytes of a page from `offset` on, as [`Sink::write`] does, without a copy in between where possible.
    fn write_frame(&mut self, frame: &Frame, offset: usize, length: usize) -> core::result::Result<usize, Fault> {
        let mut chunk = [0; 512];
        let mut done = 0;
        while done < length && self.remaining() > 0 {
            let part = (length - done).min(chunk.len());
            frame.read(offset + done, &mut chunk[..part]);
            match self.write(&chunk[..part]) {
                Ok(taken) => {
                    done += taken;
                    if taken < part {
                        break;
                    }
                }
                Err(fault) if done == 0 => return Err(fault),
                Err(_) => break,
            }
        }
        Ok(done)
    }
}

/// Gives all of `bytes` to `sink`, or none that count: a record is read whole.
pub fn put_record(sink: &mut dyn Sink, bytes: &[u8]) -> core::result::Result<(), Fault> {
    let mut done = 0;
    while done < bytes.len() {
        done += sink.write(&bytes[done..])?;
    }
    Ok(())
}

/// Fills `into` from `source`, or nothing that counts.
pub(crate) fn get_record(source: &mut dyn Source, into: &mut [u8]) -> core::result::Result<(), Fault> {
    let mut done = 0;
    while done < into.len() {
        done += source.read(&mut into[done..])?;
    }
    Ok(())
}

/// Gives the bytes that an operation consumes.
pub trait Source {
    /// How many more bytes there are.
    fn remaining(&self) -> usize;

    /// Fills the first bytes of `into` and returns how many: fewer than both lengths allow when the rest cannot be reached, and an
    /// error when not even the first can.
    fn read(&mut self, into: &mut [u8]) -> core::result::Result<usize, Fault>;

    /// Fills `length` bytes of a page from `offset` on, as [`Source::read`] does, without a copy in between where possible.
    fn read_frame(&mut self, frame: &Frame, offset: usize, length: usize) -> core::result::Result<usize, Fault> {
        let mut chunk = [0; 512];
        let mut done = 0;
        while done < length && self.remaining() > 0 {
            let part = (length - done).min(chunk.len());
            match self.read(&mut chunk[..part]) {
                Ok(taken) => {
                    frame.write(offset + done, &chunk[..taken]);
                    done += taken;
                    if taken < part {
                        break;
                    }
                }
                Err(fault) if done == 0 => return Err(fault),
                Err(_) => break,
            }
        }
        Ok(done)
    }
}

/// A slice as a [`Sink`].
pub struct BytesSink<'a> {
    bytes: &'a mut [u8],
    filled: usize,
}

impl<'a> BytesSink<'a> {
    /// Fills `bytes` from its start.
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, filled: 0 }
    }

    /// How many bytes it holds.
    pub fn filled(&self) -> usize {
        self.filled
    }
}

impl Sink for BytesSink<'_> {
    fn remaining(&self) -> usize {
        self.bytes.len() - self.filled
    }

    fn write(&mut self, bytes: &[u8]) -> core::result::Result<usize, Fault> {
        let taken = bytes.len().min(self.remaining());
        self.bytes[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
        self.filled += taken;
        Ok(taken)
    }
}

/// A slice as a [`Source`].
pub struct BytesSource<'a>(&'a [u8]);

impl<'a> BytesSource<'a> {
    /// Gives `bytes` from its start.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl Source for BytesSource<'_> {
    fn remaining(&self) -> usize {
        self.0.len()
    }

    fn read(&mut self, into: &mut [u8]) -> core::result::Result<usize, Fault> {
        let taken = into.len().min(self.0.len());
        let (now, later) = self.0.split_at(taken);
        into[..taken].copy_from_slice(now);
        self.0 = later;
        Ok(taken)
    }
}
