//! System V shared memory.

use abi::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::ipc::{IPC_INFO, IPC_RMID, IPC_SET, IPC_STAT, Owner, find_or_make};
use super::{Call, Result, mapped_file};
use crate::ipc::{self, Permissions, Segment, Wish};
use crate::memory::{AreaFlags, Place, Protection, Request, page_align_up};
use crate::process::Thread;
use hal::mem::PAGE_SIZE;

const SHM_HUGETLB: u32 = 0o4000;

const SHM_RDONLY: u32 = 0o10000;
const SHM_RND: u32 = 0o20000;
const SHM_REMAP: u32 = 0o40000;
const SHM_EXEC: u32 = 0o10_0000;

const SHM_LOCK: i32 = 11;
const SHM_UNLOCK: i32 = 12;
const SHM_STAT: i32 = 13;
const SHM_INFO: i32 = 14;

const SHM_DEST: u32 = 0o1000;
const SHM_LOCKED: u32 = 0o2000;

/// The most segments, and what `IPC_INFO` tells of limits that there are not.
const SEGMENTS_MAX: u64 = 4096;

/// `struct shmid64_ds`
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Description {
    owner: Owner,
    size: u64,
    attached: u64,
    detached: u64,
    changed: u64,
    creating_process: i32,
    last_process: i32,
    attachments: u64,
    unused: [u64; 2],
}

impl Description {
    fn of(segment: &Segment) -> Self {
        let state = segment.state();
        let mut owner = Owner::of(&state.permissions);
        for (flag, holds) in [(SHM_DEST, state.removed), (SHM_LOCKED, state.locked)] {
            owner.mode |= if holds { flag } else { 0 };
        }
        Self {
            owner,
            size: segment.size as u64,
            attached: state.attached,
            detached: state.detached,
            changed: state.changed,
            creating_process: segment.creator,
            last_process: state.last,
            attachments: segment.attachments() as u64,
            ..Self::default()
        }
    }
}

/// `shmget(key, size, flags)`
pub(super) fn shmget(thread: &Thread, call: &Call) -> Result {
    let (key, size, flags) = (call.int(0), call.word(1), call.unsigned(2));
    let permissions = |segment: &Segment| segment.state().permissions;
    let (segment, is_new) = find_or_make(thread, ipc::segments(), key, flags, permissions, |credentials| {
        if size == 0 || size > ipc::max_size() {
            return Err(Errno::INVAL);
        }
        if flags & SHM_HUGETLB != 0 {
            return Err(Errno::NOMEM);
        }
        let (backing, _) = mapped_file::anonymous(page_align_up(size).ok_or(Errno::NOMEM)?);
        let permissions = Permissions::new(key, flags, credentials);
        ipc::create(permissions, size, &backing.pages, thread.process.pid)
    })?;
    if !is_new && size > segment.size {
        return Err(Errno::INVAL.into());
    }
    Ok(segment.id as usize)
}

/// `shmat(id, address, flags)`
pub(super) fn shmat(thread: &Thread, call: &Call) -> Result {
    let (mut address, flags) = (call.word(1), call.unsigned(2));
    if call.int(0) < 0 {
        return Err(Errno::INVAL.into());
    }
    if flags & SHM_RND != 0 {
        address &= !(PAGE_SIZE - 1);
    }
    if !address.is_multiple_of(PAGE_SIZE) || address == 0 && flags & SHM_REMAP != 0 {
        return Err(Errno::INVAL.into());
    }
    let segment = ipc::segments().get(call.int(0))?;
    let mut protection = Protection::READ;
    let mut wish = Wish::READ;
    if flags & SHM_RDONLY == 0 {
        protection |= Protection::WRITE;
        wish = Wish::WRITE;
    }
    if flags & SHM_EXEC != 0 {
        protection |= Protection::EXECUTE;
        wish = Wish(wish.0 | 1);
    }
    let permissions = segment.state().permissions;
    permissions.check(&thread.process.credentials(), wish)?;
    let (backing, name) = mapped_file::segment(segment.pages()?, segment.id, flags & SHM_RDONLY != 0);
    if protection.contains(Protection::EXECUTE) && !backing.pages.is_executable() {
        return Err(Errno::ACCES.into());
    }
    let mut request = Request::anonymous(protection);
    request.flags.insert(AreaFlags::SHARED);
    (request.backing, request.name) = (Some(backing), Some(name));
    let place = match () {
        () if address == 0 => Place::Hint(0),
        () if flags & SHM_REMAP != 0 => Place::Fixed(address),
        () => Place::FixedNoReplace(address),
    };
    let length = page_align_up(segment.size).ok_or(Errno::NOMEM)?;
    let start = thread
        .memory
        .map(place, length, request)
        .map_err(|errno| if errno == Errno::EXIST { Errno::INVAL } else { errno })?;
    segment.note_attached(thread.process.pid);
    Ok(start)
}

/// `shmdt(address)`
pub(super) fn shmdt(thread: &Thread, call: &Call) -> Result {
    let address = call.word(0);
    let area = thread.memory.area_at(address).filter(|(start, _)| *start == address);
    let (segment, backing) = area
        .and_then(|(_, area)| {
            let backing = area.backing.filter(|backing| backing.first_page == 0)?;
            Some((ipc::showing(backing.pages.identity())?, backing))
        })
        .ok_or(Errno::INVAL)?;
    let length = page_align_up(segment.size).ok_or(Errno::INVAL)?;
    thread.memory.detach(address, length, backing.pages.identity());
    segment.note_detached(thread.process.pid);
    Ok(0)
}

/// `shmctl(id, command, buffer)`
pub(super) async fn shmctl(thread: &Thread, call: &Call) -> Result {
    let (id, command, buffer) = (call.int(0), call.int(1), call.word(2));
    if id < 0 {
        return Err(Errno::INVAL.into());
    }
    let credentials = thread.process.credentials();
    match command {
        IPC_INFO => {
            let limits = [
                ipc::max_size() as u64,
                1,
                SEGMENTS_MAX,
                SEGMENTS_MAX,
                ipc::max_size() as u64,
                0,
                0,
                0,
                0,
            ];
            thread.memory.write(buffer, &limits).await?;
            Ok(ipc::totals().highest as usize)
        }
        SHM_INFO => {
            let totals = ipc::totals();
            let pages = (totals.size / PAGE_SIZE) as u64;
            let sums = [totals.segments as u64, pages, pages, 0, 0, 0];
            thread.memory.write(buffer, &sums).await?;
            Ok(totals.highest as usize)
        }
        IPC_STAT | SHM_STAT => {
            let segment = ipc::segments().get(id)?;
            segment.state().permissions.check(&credentials, Wish::READ)?;
            thread.memory.write(buffer, &Description::of(&segment)).await?;
            Ok(if command == SHM_STAT { segment.id as usize } else { 0 })
        }
        IPC_SET => {
            let wanted = thread.memory.read::<Description>(buffer).await?;
            let segment = ipc::segments().get(id)?;
            segment.state().permissions.check_owner(&credentials)?;
            segment.update(|state| {
                let owner = wanted.owner;
                state.permissions.set(owner.user, owner.group, owner.mode);
                state.changed = ipc::now();
            });
            Ok(0)
        }
        IPC_RMID => {
            let segment = ipc::segments().get(id)?;
            segment.state().permissions.check_owner(&credentials)?;
            segment.remove();
            Ok(0)
        }
        SHM_LOCK | SHM_UNLOCK => {
            let segment = ipc::segments().get(id)?;
            segment.state().permissions.check_owner(&credentials)?;
            // Nothing is ever swapped out.
            segment.update(|state| state.locked = command == SHM_LOCK);
            Ok(0)
        }
        _ => Err(Errno::INVAL.into()),
    }
}
