//! What lies at a range of addresses.

use alloc::sync::Arc;
use bitflags::bitflags;
use file::Pages;
use hal::mem::PAGE_SIZE;

use hal::user::Access;

bitflags! {
    /// What the application may do with memory, with the values of `mmap(2)`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Protection: u8 {
        /// `PROT_READ`
        const READ = 1;
        /// `PROT_WRITE`
        const WRITE = 2;
        /// `PROT_EXEC`
        const EXECUTE = 4;
    }
}

impl Protection {
    /// As the page table has it. A page that is written or run can be read too: x86-64 has no other.
    pub(super) fn access(self) -> Access {
        let mut access = Access::empty();
        if !self.is_empty() {
            access |= Access::READ;
        }
        access.set(Access::WRITE, self.contains(Self::WRITE));
        access.set(Access::EXECUTE, self.contains(Self::EXECUTE));
        access
    }
}

bitflags! {
    /// How an area behaves, beyond its protection.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct AreaFlags: u8 {
        /// Writes reach the file and other mappings (`MAP_SHARED`).
        const SHARED = 1;
        /// Grows downwards on demand (the stack).
        const GROWS_DOWN = 2;
        /// Made by `brk(2)`.
        const HEAP = 4;
        /// Stays in memory (`mlock(2)`): its pages are not given back.
        const LOCKED = 8;
        /// Left out of a `fork(2)` (`MADV_DONTFORK`).
        const DONT_FORK = 16;
        /// Zero in the child of a `fork(2)` (`MADV_WIPEONFORK`).
        const WIPE_ON_FORK = 32;
    }
}

/// What `/proc/PID/maps` calls a mapping.
#[derive(Debug, PartialEq, Eq)]
pub struct AreaName {
    /// The file's path, or `[heap]`, `[stack]`, `[vdso]`, `[vvar]`.
    pub path: alloc::vec::Vec<u8>,
    /// Device of the file.
    pub device: u64,
    /// Inode number of the file.
    pub inode: u64,
}

/// The pages of a file behind a mapping.
#[derive(Clone)]
pub struct Backing {
    /// The file's pages.
    pub pages: Arc<dyn Pages>,
    /// Which of them comes first in the area.
    pub first_page: u64,
}

/// A range of addresses of one kind. Its start is its key in the address space.
#[derive(Clone)]
pub struct Area {
    /// The first address after it.
    pub end: usize,
    /// What the application may do.
    pub protection: Protection,
    /// How it behaves.
    pub flags: AreaFlags,
    /// The file behind it; `None` for anonymous memory.
    pub backing: Option<Backing>,
    /// Its name for `/proc`.
    pub name: Option<Arc<AreaName>>,
}

impl Area {
    /// Whether it counts as data (`RLIMIT_DATA`): private memory that is written and no stack.
    pub fn is_data(&self) -> bool {
        let others = AreaFlags::SHARED | AreaFlags::GROWS_DOWN;
        self.protection.contains(Protection::WRITE) && !self.flags.intersects(others)
    }

    /// Number of the file's page at `address`, for an area that starts at `start`.
    pub(super) fn page_index(&self, start: usize, address: usize) -> u64 {
        let first = self.backing.as_ref().map_or(0, |backing| backing.first_page);
        first + ((address - start) / PAGE_SIZE) as u64
    }

    /// Cuts the part from `at` on off an area that starts at `start`.
    pub(super) fn split_off(&mut self, start: usize, at: usize) -> Self {
        let mut tail = self.clone();
        if let Some(backing) = &mut tail.backing {
            backing.first_page += ((at - start) / PAGE_SIZE) as u64;
        }
        self.end = at;
        tail
    }

    /// Whether `next`, which starts where this one ends, continues it.
    pub(super) fn continues_with(&self, start: usize, next: &Self) -> bool {
        self.protection == next.protection
            && self.flags == next.flags
            && self.name == next.name
            && match (&self.backing, &next.backing) {
                (None, None) => true,
                (Some(one), Some(other)) => {
                    Arc::ptr_eq(&one.pages, &other.pages) && self.page_index(start, self.end) == other.first_page
                }
                _ => false,
            }
    }
}
