//! Resource limits (`getrlimit(2)`).

use abi::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Descriptors that a process may have at the most (`fs.nr_open`).
const MOST_FILES: u64 = 1 << 20;
/// Descriptors that a process may have unless it asks for more.
const USUAL_FILES: u64 = 65536;
/// Bytes of memory for each file that may be open, by Linux's rule for `fs.file-max`: a tenth of memory holds files of 1 KiB.
const MEMORY_FOR_FILE: u64 = 10 << 10;

/// A soft and a hard limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Limit {
    /// What holds.
    pub soft: u64,
    /// What the soft limit may be raised to.
    pub hard: u64,
}

impl Limit {
    /// `RLIM_INFINITY`
    pub const INFINITY: u64 = u64::MAX;
    const NONE: Self = Self {
        soft: Self::INFINITY,
        hard: Self::INFINITY,
    };
}

/// What is limited, with the numbers of `getrlimit(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of getrlimit(2) without RLIMIT_")]
#[repr(u8)]
pub enum Resource {
    Cpu,
    FileSize,
    Data,
    Stack,
    Core,
    Rss,
    Processes,
    OpenFiles,
    LockedMemory,
    AddressSpace,
    Locks,
    PendingSignals,
    MessageQueues,
    Nice,
    RealTimePriority,
    RealTimeTime,
}

impl Resource {
    /// By its name in `getrlimit(2)`, such as `RLIMIT_NOFILE`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name.strip_prefix("RLIMIT_")? {
            "CPU" => Self::Cpu,
            "FSIZE" => Self::FileSize,
            "DATA" => Self::Data,
            "STACK" => Self::Stack,
            "CORE" => Self::Core,
            "RSS" => Self::Rss,
            "NPROC" => Self::Processes,
            "NOFILE" => Self::OpenFiles,
            "MEMLOCK" => Self::LockedMemory,
            "AS" => Self::AddressSpace,
            "LOCKS" => Self::Locks,
            "SIGPENDING" => Self::PendingSignals,
            "MSGQUEUE" => Self::MessageQueues,
            "NICE" => Self::Nice,
            "RTPRIO" => Self::RealTimePriority,
            "RTTIME" => Self::RealTimeTime,
            _ => return None,
        })
    }
}

impl Resource {
    /// What even root raises no limit above.
    pub fn most(self) -> u64 {
        match self {
            Self::OpenFiles => MOST_FILES,
            _ => Limit::INFINITY,
        }
    }
}

/// The limits of a process.
#[derive(Clone, Debug)]
pub struct Limits([Limit; 16]);

impl Limits {
    /// The limits of a machine with `memory` bytes. Servers raise the soft limit of open files to the hard one and make tables of that size
    /// (`HAProxy` 64 bytes for each), so it is what can be of use.
    pub fn of_memory(memory: u64) -> Self {
        let mut limits = [Limit::NONE; 16];
        let mut set = |resource: Resource, soft, hard| limits[resource as usize] = Limit { soft, hard };
        set(Resource::Stack, crate::memory::STACK_LIMIT as u64, Limit::INFINITY);
        set(Resource::Core, 0, Limit::INFINITY);
        let files = (memory / MEMORY_FOR_FILE).clamp(USUAL_FILES, MOST_FILES);
        set(Resource::OpenFiles, USUAL_FILES, files);
        set(Resource::LockedMemory, 8 << 20, 8 << 20);
        set(Resource::MessageQueues, 819_200, 819_200);
        set(Resource::Nice, 0, 0);
        set(Resource::RealTimePriority, 0, 0);
        Self(limits)
    }

    /// The limit of a resource.
    pub fn get(&self, resource: Resource) -> Limit {
        self.0[resource as usize]
    }

    /// The limit of the resource with a number of the application's.
    pub fn get_number(&self, number: usize) -> Result<Limit, Errno> {
        self.0.get(number).copied().ok_or(Errno::INVAL)
    }

    /// Moves the soft limit of a resource.
    pub(super) fn set_soft(&mut self, resource: Resource, soft: u64) {
        self.0[resource as usize].soft = soft;
    }

    /// Sets a limit; only a privileged process raises a hard one.
    pub fn set_number(&mut self, number: usize, limit: Limit, privileged: bool) -> Result<(), Errno> {
        let current = self.0.get_mut(number).ok_or(Errno::INVAL)?;
        if limit.soft > limit.hard {
            return Err(Errno::INVAL);
        }
        if number == Resource::OpenFiles as usize && limit.hard > Resource::OpenFiles.most() {
            return Err(Errno::PERM);
        }
        if limit.hard > current.hard && !privileged {
            return Err(Errno::PERM);
        }
        *current = limit;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hard_limit_of_open_files_grows_with_memory() {
        let files = |memory| Limits::of_memory(memory).get(Resource::OpenFiles);
        let limit = |hard| Limit { soft: 65536, hard };
        assert_eq!(files(16 << 20), limit(65536));
        assert_eq!(files(1 << 30), limit(104_857));
        assert_eq!(files(1 << 40), limit(1 << 20));
    }
}
