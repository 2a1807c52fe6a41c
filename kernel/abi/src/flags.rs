//! Flags that travel further than the call that takes them.

use bitflags::bitflags;
use linux_raw_sys::general;

bitflags! {
    /// The flags of `open(2)`. The lowest two bits are the access mode, see [`OpenFlags::access`].
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct OpenFlags: u32 {
        /// Only writing (access mode 1).
        const WRONLY = general::O_WRONLY;
        /// Reading and writing (access mode 2).
        const RDWR = general::O_RDWR;
        /// Create the file if it does not exist.
        const CREAT = general::O_CREAT;
        /// Fail if it exists.
        const EXCL = general::O_EXCL;
        /// Do not make a terminal the controlling one.
        const NOCTTY = general::O_NOCTTY;
        /// Cut the content off.
        const TRUNC = general::O_TRUNC;
        /// Write at the end.
        const APPEND = general::O_APPEND;
        /// `EAGAIN` in place of waiting.
        const NONBLOCK = general::O_NONBLOCK;
        /// Write data through to the device.
        const DSYNC = general::O_DSYNC;
        /// Signal readiness.
        const ASYNC = general::FASYNC;
        /// Transfer without a cache; packets for pipes.
        const DIRECT = general::O_DIRECT;
        /// Offsets of 64 bits, which all files have.
        const LARGEFILE = general::O_LARGEFILE;
        /// Fail if it is not a directory.
        const DIRECTORY = general::O_DIRECTORY;
        /// Fail if the last component is a symbolic link.
        const NOFOLLOW = general::O_NOFOLLOW;
        /// Leave the access time alone.
        const NOATIME = general::O_NOATIME;
        /// Close at `execve(2)`.
        const CLOEXEC = general::O_CLOEXEC;
        /// The upper bit of `O_SYNC`, which includes [`OpenFlags::DSYNC`].
        const SYNC = general::O_SYNC & !general::O_DSYNC;
        /// A handle on the path only.
        const PATH = general::O_PATH;
        /// The upper bit of `O_TMPFILE`, which includes [`OpenFlags::DIRECTORY`].
        const TMPFILE = general::O_TMPFILE & !general::O_DIRECTORY;
    }
}

impl OpenFlags {
    /// The bits of the access mode.
    pub const ACCESS: Self = Self::WRONLY.union(Self::RDWR);

    /// The access mode alone.
    #[must_use]
    pub const fn access(self) -> Self {
        self.intersection(Self::ACCESS)
    }

    /// Whether reading is allowed.
    pub const fn reads(self) -> bool {
        !self.contains(Self::PATH) && !self.contains(Self::WRONLY)
    }

    /// Whether writing is allowed.
    pub const fn writes(self) -> bool {
        !self.contains(Self::PATH) && matches!(self.bits() & Self::ACCESS.bits(), 1 | 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_access_mode_says_what_is_allowed() {
        let allowed = |bits| {
            let flags = OpenFlags::from_bits_retain(bits);
            (flags.reads(), flags.writes())
        };
        assert_eq!(allowed(general::O_RDONLY), (true, false));
        assert_eq!(allowed(general::O_WRONLY | general::O_APPEND), (false, true));
        assert_eq!(allowed(general::O_RDWR), (true, true));
        assert_eq!(allowed(3), (false, false));
        assert_eq!(allowed(general::O_RDWR | general::O_PATH), (false, false));
    }
}
