//! How the service is reached.

use core::fmt;
use core::future::Future;

/// Why bytes do not travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nobody answers there, or the connection was ended.
    Unreachable,
    /// The deadline has passed.
    TimedOut,
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unreachable => "cannot be reached",
            Self::TimedOut => "does not answer in time",
        })
    }
}

/// A way to the service, and a clock.
pub trait Transport: Sync {
    /// A connection.
    type Stream: Stream;

    /// The time, in nanoseconds of any origin.
    fn now(&self) -> u64;

    /// Ends at a time.
    fn sleep_until(&self, time: u64) -> impl Future<Output = ()> + Send;

    /// Connects to port 80 of the service. Everything that happens on the connection is over at `deadline`.
    fn connect(&self, deadline: u64) -> impl Future<Output = Result<Self::Stream, Trouble>> + Send;
}

/// A connection that is carried by TCP.
pub trait Stream: Send {
    /// Sends all of the bytes.
    fn send(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// Receives some bytes, as soon as there are any; none when the peer has sent all that it will.
    fn receive(&mut self, into: &mut [u8]) -> impl Future<Output = Result<usize, Trouble>> + Send;
}
