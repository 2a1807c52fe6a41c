//! `mmap(2)` and its relatives, `brk(2)`.

use abi::Errno;
use alloc::vec;
use core::sync::atomic::Ordering;
use linux_raw_sys::general as linux;

use super::{Call, Result};
use crate::memory::{AddressSpace, AreaFlags, Attempt, Bounds, FaultError, Place, Protection, Request, page_align_up};
use crate::process::{Capability, Personality, Resource, Thread};
use hal::mem::PAGE_SIZE;

fn protection(bits: usize) -> Result<Protection> {
    // PROT_GROWSDOWN and PROT_GROWSUP change nothing for a range that is given in full.
    let known = bits & !(linux::PROT_GROWSDOWN | linux::PROT_GROWSUP | linux::PROT_SEM) as usize;
    let protection = u8::try_from(known).ok().and_then(Protection::from_bits);
    Ok(protection.ok_or(Errno::INVAL)?)
}

/// What `READ_IMPLIES_EXEC` makes of the protection of memory without a file.
fn implied(thread: &Thread, protection: Protection) -> Protection {
    let implies = thread.process.personality().contains(Personality::READ_IMPLIES_EXECUTE);
    if implies && protection.contains(Protection::READ) {
        protection | Protection::EXECUTE
    } else {
        protection
    }
}

pub(super) async fn mmap(thread: &Thread, call: &Call) -> Result {
    let (address, length) = (call.word(0), call.word(1));
    let flags = call.unsigned(3);
    let offset = call.word(5);
    if length == 0 || !offset.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::INVAL.into());
    }
    let mut protection = protection(call.word(2))?;
    if flags & linux::MAP_ANONYMOUS != 0 {
        protection = implied(thread, protection);
    }
    let shared = match flags & linux::MAP_TYPE {
        linux::MAP_PRIVATE => false,
        linux::MAP_SHARED => true,
        linux::MAP_SHARED_VALIDATE if flags & linux::MAP_ANONYMOUS == 0 => {
            check_known(thread, call)?;
            true
        }
        _ => return Err(Errno::INVAL.into()),
    };
    let place = match () {
        () if flags & linux::MAP_FIXED_NOREPLACE != 0 => Place::FixedNoReplace(address),
        () if flags & linux::MAP_FIXED != 0 => Place::Fixed(address),
        () if flags & linux::MAP_32BIT != 0 => Place::Low(address & !(PAGE_SIZE - 1)),
        () => Place::Hint(address & !(PAGE_SIZE - 1)),
    };
    if matches!(place, Place::Fixed(_) | Place::FixedNoReplace(_)) && !address.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::INVAL.into());
    }
    if flags & linux::MAP_HUGETLB != 0 {
        return Err(refuse_huge_pages(place, flags).into());
    }
    let length = page_align_up(length).ok_or(Errno::NOMEM)?;
    let replaced = match place {
        Place::Fixed(start) => start..start.saturating_add(length),
        _ => 0..0,
    };
    let is_data = protection.contains(Protection::WRITE) && !shared && flags & linux::MAP_GROWSDOWN == 0;
    thread.memory.check_growth(bounds(thread), length, is_data, replaced)?;
    let start = map(thread, call, place, length, protection, shared)?;
    let locked = || {
        let area = thread.memory.area_at(start);
        area.is_some_and(|(_, area)| area.flags.contains(AreaFlags::LOCKED))
    };
    if flags & linux::MAP_POPULATE != 0 && flags & linux::MAP_NONBLOCK == 0 || locked() {
        populate(thread, start, length).await;
    }
    Ok(start)
}

/// `EOPNOTSUPP` for a flag that came after the call: with `MAP_SHARED_VALIDATE` a program asks whether it has its effect. None has, `MAP_SYNC`
/// neither: no file is persistent memory.
fn check_known(thread: &Thread, call: &Call) -> Result<()> {
    const KNOWN: u32 = linux::MAP_TYPE
        | linux::MAP_FIXED
        | linux::MAP_DENYWRITE
        | linux::MAP_EXECUTABLE
        | linux::MAP_GROWSDOWN
        | linux::MAP_LOCKED
        | linux::MAP_NORESERVE
        | linux::MAP_POPULATE
        | linux::MAP_NONBLOCK
        | linux::MAP_STACK
        | linux::MAP_HUGETLB
        | linux::MAP_32BIT
        | linux::MAP_ABOVE4G
        | linux::MAP_HUGE_2MB
        | linux::MAP_HUGE_1GB;
    thread.files().get(call.int(4))?;
    if call.unsigned(3) & !KNOWN == 0 {
        Ok(())
    } else {
        Err(Errno::OPNOTSUPP.into())
    }
}

/// Maps a file or memory, as the arguments of `mmap(2)` say.
fn map(thread: &Thread, call: &Call, place: Place, length: usize, protection: Protection, shared: bool) -> Result {
    let (flags, offset) = (call.unsigned(3), call.word(5));
    let mut request = Request::anonymous(protection);
    request.flags.set(AreaFlags::SHARED, shared);
    request
        .flags
        .set(AreaFlags::GROWS_DOWN, flags & linux::MAP_GROWSDOWN != 0);
    request.flags.set(AreaFlags::LOCKED, flags & linux::MAP_LOCKED != 0);
    let mut seals = None;
    if flags & linux::MAP_ANONYMOUS == 0 {
        if offset
            .checked_add(length)
            .is_none_or(|end| isize::try_from(end).is_err())
        {
            return Err(Errno::OVERFLOW.into());
        }
        let opened = super::mapped_file::open(thread, call.int(4), protection, shared, offset as u64)?;
        request.backing = Some(opened.backing);
        request.name = Some(opened.name);
        seals = opened.seals;
    } else if shared {
        let (backing, name) = super::mapped_file::anonymous(length);
        request.backing = Some(backing);
        request.name = Some(name);
    }
    let start = thread.memory.map(place, length, request)?;
    drop(seals);
    Ok(start)
}

/// How Linux refuses a mapping of huge pages when there are none.
fn refuse_huge_pages(place: Place, flags: u32) -> Errno {
    const SIZE_BITS: u32 = 0x3f;
    let size = match flags >> linux::MAP_HUGE_SHIFT & SIZE_BITS {
        0 | 21 => 1 << 21,
        30 => 1 << 30,
        _ => return Errno::INVAL,
    };
    match place {
        _ if flags & linux::MAP_ANONYMOUS == 0 => Errno::INVAL,
        Place::Fixed(start) | Place::FixedNoReplace(start) if !start.is_multiple_of(size) => Errno::INVAL,
        _ => Errno::NOMEM,
    }
}

/// What the limits of the process allow.
fn bounds(thread: &Thread) -> Bounds {
    let limits = thread.process.limits.lock();
    Bounds {
        size: limits.get(Resource::AddressSpace).soft,
        data: limits.get(Resource::Data).soft,
    }
}

/// Brings pages in as far as that works: a failure shows when they are used.
async fn populate(thread: &Thread, start: usize, length: usize) {
    for (range, area) in thread.memory.mapped_parts(start, length) {
        let attempt = match () {
            () if area.protection.contains(Protection::WRITE) => Attempt::Write,
            () if area.protection.is_empty() => continue,
            () => Attempt::Read,
        };
        for page in range.step_by(PAGE_SIZE) {
            if thread.memory.fault_wait(page, attempt).await.is_err() {
                break;
            }
        }
    }
}

pub(super) fn munmap(thread: &Thread, call: &Call) -> Result {
    thread.memory.unmap(call.word(0), call.word(1))?;
    Ok(0)
}

pub(super) fn mprotect(thread: &Thread, call: &Call) -> Result {
    let start = call.word(0);
    if !start.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::INVAL.into());
    }
    let protection = protection(call.word(2))?;
    thread.memory.protect(start, call.word(1), protection)?;
    Ok(0)
}

/// `pkey_mprotect(start, length, protection, key)`: there is no key but -1, which stands for none.
pub(super) fn pkey_mprotect(thread: &Thread, call: &Call) -> Result {
    if call.int(3) != -1 {
        return Err(Errno::INVAL.into());
    }
    mprotect(thread, call)
}

/// `pkey_alloc(flags, rights)`
pub(super) fn pkey_alloc(call: &Call) -> Result {
    /// `PKEY_DISABLE_ACCESS | PKEY_DISABLE_WRITE`
    const RIGHTS: usize = 3;
    if call.word(0) != 0 || call.word(1) & !RIGHTS != 0 {
        return Err(Errno::INVAL.into());
    }
    Err(Errno::NOSPC.into())
}

pub(super) fn mremap(thread: &Thread, call: &Call) -> Result {
    let (old, flags) = (call.word(0), call.unsigned(3));
    let may_move = flags & linux::MREMAP_MAYMOVE != 0;
    let fixed = (flags & linux::MREMAP_FIXED != 0).then_some(call.word(4));
    let keep = flags & linux::MREMAP_DONTUNMAP != 0;
    let known = linux::MREMAP_MAYMOVE | linux::MREMAP_FIXED | linux::MREMAP_DONTUNMAP;
    if flags & !known != 0 || (fixed.is_some() || keep) && !may_move || !old.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::INVAL.into());
    }
    if keep && call.word(1) != call.word(2) {
        return Err(Errno::INVAL.into());
    }
    let (old_length, new_length) = (call.word(1), call.word(2));
    let growth = page_align_up(new_length.saturating_sub(if keep { 0 } else { old_length })).ok_or(Errno::NOMEM)?;
    if growth > 0
        && let Some((_, area)) = thread.memory.area_at(old)
    {
        let replaced = fixed.map_or(0..0, |start| start..start.saturating_add(new_length));
        thread
            .memory
            .check_growth(bounds(thread), growth, area.is_data(), replaced)?;
    }
    Ok(thread
        .memory
        .remap(old, old_length, new_length, may_move, fixed, keep)?)
}

pub(super) fn brk(thread: &Thread, call: &Call) -> usize {
    thread.memory.set_break(call.word(0), bounds(thread))
}

pub(super) async fn madvise(thread: &Thread, call: &Call) -> Result {
    let (start, length, advice) = (call.word(0), call.word(1), call.unsigned(2));
    if !start.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::INVAL.into());
    }
    let length = page_align_up(length).ok_or(Errno::INVAL)?;
    if length == 0 {
        return Ok(0);
    }
    let memory = &thread.memory;
    match advice {
        linux::MADV_DONTNEED => memory.discard(start, length, |area| !area.flags.contains(AreaFlags::LOCKED))?,
        linux::MADV_DONTNEED_LOCKED => memory.discard(start, length, |_| true)?,
        // A page that was given up is zero at once: that is allowed, and the memory is worth more than the chance to keep it.
        linux::MADV_FREE => memory.discard(start, length, |area| {
            !area.flags.intersects(AreaFlags::LOCKED | AreaFlags::SHARED) && area.backing.is_none()
        })?,
        linux::MADV_REMOVE => remove(memory, start, length)?,
        linux::MADV_DONTFORK => memory.set_flags(start, length, AreaFlags::DONT_FORK, true)?,
        linux::MADV_DOFORK => memory.set_flags(start, length, AreaFlags::DONT_FORK, false)?,
        linux::MADV_WIPEONFORK => memory.set_flags(start, length, AreaFlags::WIPE_ON_FORK, true)?,
        linux::MADV_KEEPONFORK => memory.set_flags(start, length, AreaFlags::WIPE_ON_FORK, false)?,
        linux::MADV_POPULATE_READ | linux::MADV_POPULATE_WRITE => {
            let attempt = if advice == linux::MADV_POPULATE_READ {
                Attempt::Read
            } else {
                Attempt::Write
            };
            for page in (start..start + length).step_by(PAGE_SIZE) {
                memory.fault_wait(page, attempt).await.map_err(|error| match error {
                    FaultError::Unmapped => Errno::NOMEM,
                    FaultError::Denied => Errno::INVAL,
                    _ => Errno::FAULT,
                })?;
            }
        }
        linux::MADV_NORMAL
        | linux::MADV_RANDOM
        | linux::MADV_SEQUENTIAL
        | linux::MADV_WILLNEED
        | linux::MADV_HUGEPAGE
        | linux::MADV_NOHUGEPAGE
        | linux::MADV_MERGEABLE
        | linux::MADV_UNMERGEABLE
        | linux::MADV_DONTDUMP
        | linux::MADV_DODUMP
        | linux::MADV_COLD
        | linux::MADV_PAGEOUT => {
            if !memory.is_mapped(start, length) {
                return Err(Errno::NOMEM.into());
            }
        }
        _ => return Err(Errno::INVAL.into()),
    }
    Ok(0)
}

/// Frees pages of files behind shared mappings (`MADV_REMOVE`).
fn remove(memory: &AddressSpace, start: usize, length: usize) -> Result<()> {
    let covered = memory.is_mapped(start, length);
    for (range, area) in memory.mapped_parts(start, length) {
        let flags = area.flags;
        if flags.contains(AreaFlags::LOCKED) || area.backing.is_none() {
            return Err(Errno::INVAL.into());
        }
        let backing = area.backing.filter(|backing| backing.pages.is_writable());
        let backing = backing
            .filter(|_| flags.contains(AreaFlags::SHARED))
            .ok_or(Errno::ACCES)?;
        let first = backing.first_page * PAGE_SIZE as u64;
        backing
            .pages
            .punch(first..first + range.len() as u64)
            .map_err(|_| Errno::OPNOTSUPP)?;
    }
    if covered { Ok(()) } else { Err(Errno::NOMEM.into()) }
}

pub(super) async fn mlock(thread: &Thread, call: &Call, flags: u32) -> Result {
    if flags & !linux::MLOCK_ONFAULT != 0 {
        return Err(Errno::INVAL.into());
    }
    let start = call.word(0) & !(PAGE_SIZE - 1);
    let length = (call.word(0) - start).checked_add(call.word(1)).and_then(page_align_up);
    let length = length.ok_or(Errno::INVAL)?;
    if length == 0 {
        return Ok(0);
    }
    check_lock_limit(thread, length)?;
    let end = start.checked_add(length).ok_or(Errno::INVAL)?;
    thread.memory.set_locked(start..end, true)?;
    if flags & linux::MLOCK_ONFAULT == 0 {
        populate(thread, start, length).await;
    }
    Ok(0)
}

/// What may stay in memory is limited (`RLIMIT_MEMLOCK`).
fn check_lock_limit(thread: &Thread, more: usize) -> Result<()> {
    let limit = thread.process.limits.lock().get(Resource::LockedMemory).soft;
    let held = thread.memory.sum(|area| area.flags.contains(AreaFlags::LOCKED));
    match held.saturating_add(more) as u64 {
        _ if thread.process.can(Capability::IPC_LOCK) => Ok(()),
        _ if limit == 0 => Err(Errno::PERM.into()),
        wanted if wanted > limit => Err(Errno::NOMEM.into()),
        _ => Ok(()),
    }
}

pub(super) fn munlock(thread: &Thread, call: &Call) -> Result {
    let start = call.word(0) & !(PAGE_SIZE - 1);
    let length = (call.word(0) - start).checked_add(call.word(1)).and_then(page_align_up);
    let end = length
        .and_then(|length| start.checked_add(length))
        .ok_or(Errno::INVAL)?;
    if start < end {
        thread.memory.set_locked(start..end, false)?;
    }
    Ok(0)
}

pub(super) async fn mlockall(thread: &Thread, call: &Call) -> Result {
    let flags = call.unsigned(0);
    let both = linux::MCL_CURRENT | linux::MCL_FUTURE;
    if flags & both == 0 || flags & !(both | linux::MCL_ONFAULT) != 0 {
        return Err(Errno::INVAL.into());
    }
    let now = flags & linux::MCL_CURRENT != 0;
    check_lock_limit(thread, if now { thread.memory.size() } else { 0 })?;
    thread
        .memory
        .set_all_locked(now.then_some(true), flags & linux::MCL_FUTURE != 0);
    if now && flags & linux::MCL_ONFAULT == 0 {
        populate(thread, 0, hal::user::USER_END).await;
    }
    Ok(0)
}

pub(super) fn munlockall(thread: &Thread) {
    thread.memory.set_all_locked(Some(false), false);
}

pub(super) fn msync(thread: &Thread, call: &Call) -> Result {
    // Mappings and files share their pages, and there is no disk to write to.
    let flags = call.unsigned(2);
    let both = linux::MS_ASYNC | linux::MS_SYNC;
    if flags & !(both | linux::MS_INVALIDATE) != 0 || flags & both == both || !call.word(0).is_multiple_of(PAGE_SIZE) {
        return Err(Errno::INVAL.into());
    }
    check_mapped(thread, call)
}

/// For calls on a range that have nothing to do.
fn check_mapped(thread: &Thread, call: &Call) -> Result {
    let start = call.word(0) & !(PAGE_SIZE - 1);
    let length = (call.word(0) - start).saturating_add(call.word(1));
    if length == 0 || thread.memory.is_mapped(start, length) {
        Ok(0)
    } else {
        Err(Errno::NOMEM.into())
    }
}

pub(super) async fn mincore(thread: &Thread, call: &Call) -> Result {
    let start = call.word(0);
    if !start.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::INVAL.into());
    }
    let length = page_align_up(call.word(1)).ok_or(Errno::NOMEM)?;
    if length == 0 {
        return Ok(0);
    }
    if !thread.memory.is_mapped(start, length) {
        return Err(Errno::NOMEM.into());
    }
    let mut done = 0;
    let mut present = vec![0_u8; (length / PAGE_SIZE).min(PAGE_SIZE)];
    while done < length / PAGE_SIZE {
        let count = present.len().min(length / PAGE_SIZE - done);
        for (index, byte) in present[..count].iter_mut().enumerate() {
            *byte = u8::from(thread.memory.is_present(start + (done + index) * PAGE_SIZE));
        }
        thread
            .memory
            .write_bytes(call.word(2) + done, &present[..count])
            .await?;
        done += count;
    }
    Ok(0)
}

pub(super) fn membarrier(thread: &Thread, call: &Call) -> Result {
    // Every CPU passes a barrier whenever it enters the kernel, and `hal` reaches those in user mode.
    const QUERY: u32 = 0;
    const GLOBAL: u32 = 1;
    const EXPEDITED: u32 = linux::membarrier_cmd::MEMBARRIER_CMD_PRIVATE_EXPEDITED as u32;
    const REGISTER_EXPEDITED: u32 = linux::membarrier_cmd::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED as u32;
    const SEQUENCES: u32 = linux::membarrier_cmd::MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ as u32;
    const REGISTER_SEQUENCES: u32 = linux::membarrier_cmd::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ as u32;
    const SUPPORTED: u32 = GLOBAL | EXPEDITED | REGISTER_EXPEDITED | SEQUENCES | REGISTER_SEQUENCES;
    const ONE_CPU: u32 = linux::membarrier_cmd_flag::MEMBARRIER_CMD_FLAG_CPU as u32;
    let (command, flags) = (call.unsigned(0), call.unsigned(1));
    if flags != 0 && (command, flags) != (SEQUENCES, ONE_CPU) {
        return Err(Errno::INVAL.into());
    }
    let registered = &thread.memory.barriers;
    match command {
        QUERY => return Ok(SUPPORTED as usize),
        REGISTER_EXPEDITED => {
            registered.fetch_or(EXPEDITED, Ordering::Relaxed);
            return Ok(0);
        }
        REGISTER_SEQUENCES => {
            registered.fetch_or(SEQUENCES, Ordering::Relaxed);
            return Ok(0);
        }
        GLOBAL => {}
        EXPEDITED | SEQUENCES if registered.load(Ordering::Relaxed) & command == 0 => return Err(Errno::PERM.into()),
        EXPEDITED => {}
        // With one CPU chosen the others' sections begin anew as well, which they may at any time.
        SEQUENCES => thread
            .process
            .threads()
            .iter()
            .for_each(|other| other.rseq.note_moved()),
        _ => return Err(Errno::INVAL.into()),
    }
    hal::cpu::synchronize();
    Ok(0)
}
