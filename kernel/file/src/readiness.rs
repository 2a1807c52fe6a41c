//! What a file is ready for.

use bitflags::bitflags;

bitflags! {
    /// What a file is ready for, with the values of `poll(2)` and `epoll_ctl(2)`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Readiness: u32 {
        /// There is something to read, or the end of the stream.
        const IN = 0x001;
        /// Exceptional condition, such as out-of-band data.
        const PRI = 0x002;
        /// Writing does not block.
        const OUT = 0x004;
        /// An error is pending.
        const ERR = 0x008;
        /// Both directions are closed.
        const HUP = 0x010;
        /// As `IN`.
        const RDNORM = 0x040;
        /// As `OUT`.
        const WRNORM = 0x100;
        /// As `PRI`.
        const RDBAND = 0x080;
        /// As `OUT`, for data of priority.
        const WRBAND = 0x200;
        /// The peer writes no more.
        const RDHUP = 0x2000;
    }
}
