//! Demand paging: what happens when a page is not there, or not writable.

use abi::Errno;
use core::sync::atomic::Ordering;

use file::Fault;
use hal::mem::{Frame, PAGE_SIZE};
use task::Completion;

use super::area::{Area, AreaFlags, Protection};
use super::{AddressSpace, Use, reverse};
use hal::user::Access;

/// Pages of a file that are mapped around the one that was asked for, when they are in memory anyway.
const FAULT_AROUND: usize = 16;

/// What an instruction did at the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Read data.
    Read,
    /// Wrote data.
    Write,
    /// Wrote data to the page that the instruction itself lies in.
    WriteOwnCode,
    /// Fetched an instruction.
    Execute,
}

impl Attempt {
    /// Whether it was a write.
    pub fn writes(self) -> bool {
        matches!(self, Self::Write | Self::WriteOwnCode)
    }
}

/// Why a page cannot be had now.
#[derive(Debug)]
pub enum FaultError {
    /// It comes from the disk.
    Pending(Completion),
    /// Nothing is mapped there (`SEGV_MAPERR`).
    Unmapped,
    /// It may not be used so (`SEGV_ACCERR`).
    Denied,
    /// It lies past the end of the file, or the disk failed (`BUS_ADRERR`).
    NoData,
    /// Memory is used up.
    OutOfMemory(Use),
}

/// What a fault on a shared mapping led to.
enum Mapped {
    /// The page is there.
    Page,
    /// The file has a new page of this number, in place of one that mappings may show.
    Replaced(usize, u64),
}

impl AddressSpace {
    /// Makes the page at `address` present for an attempt, without waiting.
    pub fn fault(&self, address: usize, attempt: Attempt) -> Result<(), FaultError> {
        let page = address & !(PAGE_SIZE - 1);
        let mut inner = self.inner.lock();
        let holder = |areas: &alloc::collections::BTreeMap<usize, Area>| {
            let (&start, area) = areas.range(..=address).next_back()?;
            (address < area.end).then_some(start)
        };
        let start = match holder(&inner.areas) {
            Some(start) => start,
            None if inner.grow_stack(address, self.stack_limit.load(Ordering::Relaxed)) => page,
            None => return Err(FaultError::Unmapped),
        };
        let area = inner.areas.get(&start).ok_or(FaultError::Unmapped)?;
        let needed = match attempt {
            Attempt::Read => Protection::READ,
            Attempt::Write | Attempt::WriteOwnCode => Protection::WRITE,
            Attempt::Execute => Protection::EXECUTE,
        };
        // What can be written or run can be read on x86-64.
        let allowed = match attempt {
            Attempt::Read => !area.protection.is_empty(),
            _ => area.protection.contains(needed),
        };
        if !allowed {
            return Err(FaultError::Denied);
        }
        if !area.flags.contains(AreaFlags::SHARED) {
            return self.fault_private(start, area, page, attempt);
        }
        if let Mapped::Replaced(file, index) = self.fault_shared(start, area, page, attempt)? {
            drop(inner);
            // The next attempt maps the new page, here and everywhere.
            reverse::unmap(file, index..index + 1, fs::Reason::Replaced);
        }
        Ok(())
    }

    fn fault_shared(&self, start: usize, area: &Area, page: usize, attempt: Attempt) -> Result<Mapped, FaultError> {
        let writes = attempt.writes();
        let Some(backing) = &area.backing else {
            return Err(FaultError::NoData);
        };
        let index = area.page_index(start, page);
        let frame = if writes {
            let before = backing.pages.cached_page(index);
            let frame = backing.pages.writable_page(index).map_err(fault_error)?;
            if before.is_some_and(|before| before != frame) {
                return Ok(Mapped::Replaced(backing.pages.identity(), index));
            }
            frame
        } else {
            backing.pages.page(index).map_err(fault_error)?
        };
        let mut access = access_for(area, attempt)?;
        access.set(Access::WRITE, writes);
        self.put(page, frame, access, false)?;
        Ok(Mapped::Page)
    }

    fn fault_private(&self, start: usize, area: &Area, page: usize, attempt: Attempt) -> Result<(), FaultError> {
        let writes = attempt.writes();
        let present = self.table.lookup(page);
        if let Some(mapping) = &present {
            let access = access_for(area, attempt)?;
            if !writes {
                // Another thread was faster, or the protection was widened.
                let mut wanted = mapping.access | (access - Access::WRITE);
                if attempt == Attempt::Execute {
                    wanted -= Access::WRITE;
                } else if mapping.access.contains(Access::WRITE) {
                    wanted -= Access::EXECUTE;
                }
                self.table.protect(page, wanted);
                return Ok(());
            }
            // One share is the page table's, one is `mapping`: nobody else sees the page.
            if mapping.own && mapping.frame.shares() <= 2 {
                self.table.protect(page, access);
                return Ok(());
            }
        }
        let original = match (present, &area.backing) {
            (Some(mapping), _) => Some(mapping.frame),
            (None, Some(backing)) => Some(backing.pages.page(area.page_index(start, page)).map_err(fault_error)?),
            (None, None) => None,
        };
        let access = access_for(area, attempt)?;
        match original {
            Some(original) if writes => {
                let copy = if original.is_zero() {
                    Frame::allocate_zeroed().ok_or(FaultError::OutOfMemory(Use::Lasting))?
                } else {
                    let copy = Frame::allocate().ok_or(FaultError::OutOfMemory(Use::Lasting))?;
                    copy.copy_from(&original);
                    copy
                };
                drop(original);
                self.put(page, copy, access, true)
            }
            Some(original) => {
                self.put(page, original, access - Access::WRITE, false)?;
                self.map_around(start, area, page);
                Ok(())
            }
            None if writes => {
                let frame = Frame::allocate_zeroed().ok_or(FaultError::OutOfMemory(Use::Lasting))?;
                self.put(page, frame, access, true)
            }
            None => {
                // What was never written takes no memory.
                let zero = Frame::zero().ok_or(FaultError::OutOfMemory(Use::Lasting))?;
                self.put(page, zero, access - Access::WRITE, false)
            }
        }
    }

    /// Maps cached neighbours of a file's page, read-only.
    fn map_around(&self, start: usize, area: &Area, page: usize) {
        let Some(backing) = &area.backing else { return };
        let window = FAULT_AROUND * PAGE_SIZE;
        let first = (page & !(window - 1)).max(start);
        let last = ((page & !(window - 1)) + window).min(area.end);
        let mut frames = [const { None }; FAULT_AROUND];
        let frames = &mut frames[..(last - first) / PAGE_SIZE];
        backing.pages.cached_pages(area.page_index(start, first), frames);
        if let Ok(access) = access_for(area, Attempt::Read)
            && let Ok(mapped) = self.table.map_missing(first, frames, access - Access::WRITE)
        {
            self.count_present(mapped, false);
        }
    }

    /// Maps a page; `own` when it is part of no file.
    fn put(&self, page: usize, frame: Frame, access: Access, own: bool) -> Result<(), FaultError> {
        let replaced = if own {
            self.table.map_own(page, frame, access)
        } else {
            self.table.map(page, frame, access)
        };
        if let Some(old) = replaced.map_err(|_| FaultError::OutOfMemory(Use::Lasting))? {
            self.count_gone(1, old);
        }
        self.count_present(1, own);
        Ok(())
    }

    /// Makes the page of a fault in a system call present, waiting for the disk; `EFAULT` when there is none.
    pub async fn fault_in(&self, fault: Fault) -> Result<(), Errno> {
        let attempt = if fault.write { Attempt::Write } else { Attempt::Read };
        self.fault_wait(fault.address, attempt).await.map_err(|_| Errno::FAULT)
    }

    /// Makes the page at `address` present, waiting for the disk, and for memory that others give back: never ends with
    /// [`FaultError::Pending`] or [`FaultError::OutOfMemory`].
    pub async fn fault_wait(&self, address: usize, attempt: Attempt) -> Result<(), FaultError> {
        loop {
            match self.fault(address, attempt) {
                Err(FaultError::Pending(completion)) => completion.await,
                Err(FaultError::OutOfMemory(what_for)) => super::find_page(what_for).await,
                result => return result,
            }
        }
    }
}

/// What may be done with a page of an area when it comes in for an attempt; to be asked after the page was had from its file.
///
/// No page is writable and executable at a time, though its area may be: a page of such an area is one or the other, as it was used last, and
/// changes with the next fault. Just-in-time compilers that ask for both find both, and what was written is never executed by chance.
fn access_for(area: &Area, attempt: Attempt) -> Result<Access, FaultError> {
    let mut access = area.protection.access();
    if access.contains(Access::WRITE | Access::EXECUTE) {
        access -= match attempt {
            Attempt::Write => Access::EXECUTE,
            // Code that writes beside itself would never get on with one of the two.
            Attempt::WriteOwnCode => Access::empty(),
            Attempt::Read | Attempt::Execute => Access::WRITE,
        };
        if attempt == Attempt::WriteOwnCode {
            access |= Access::WRITE_AND_EXECUTE;
        }
    }
    if access.contains(Access::EXECUTE)
        && area
            .backing
            .as_ref()
            .is_some_and(|backing| !backing.pages.is_executable())
    {
        // The file was written since it was mapped.
        if attempt == Attempt::Execute {
            return Err(FaultError::Denied);
        }
        access -= Access::EXECUTE;
    }
    Ok(access)
}

fn fault_error(error: file::Error) -> FaultError {
    match error {
        file::Error::Pending(completion) => FaultError::Pending(completion),
        file::Error::Shortage => FaultError::OutOfMemory(Use::File),
        file::Error::Errno(Errno::NOMEM) => FaultError::OutOfMemory(Use::Lasting),
        _ => FaultError::NoData,
    }
}
