//! Advisory locks on files: record locks of processes and of open file descriptions (`fcntl(2)`), and whole-file locks (`flock(2)`).

use abi::Errno;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use hal::sync::SpinLock;
use litemap::LiteMap;
use task::WaitQueue;

use crate::{Error, Result};

/// A file, by device and inode number.
pub type FileId = (u64, u64);

/// Who holds a lock. Those of one process, or of one open file description, never conflict with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A process, by number (`F_SETLK`).
    Process(i32),
    /// An open file description, by [`crate::OpenFile::lock_owner`] (`F_OFD_SETLK`).
    Description(usize),
    /// An open file description that locks the whole file (`flock`), which record locks take no notice of.
    Whole(usize),
}

impl Owner {
    fn is_whole(self) -> bool {
        matches!(self, Self::Whole(_))
    }
}

/// A lock, or what is asked for. The range is from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Who holds it.
    pub owner: Owner,
    /// Whether it excludes all others, or only those that exclude.
    pub exclusive: bool,
    /// First byte.
    pub first: u64,
    /// Last byte; `u64::MAX` for all to come.
    pub last: u64,
}

impl Lock {
    fn conflicts(&self, other: &Self) -> bool {
        self.owner != other.owner
            && self.owner.is_whole() == other.owner.is_whole()
            && (self.exclusive || other.exclusive)
            && self.first <= other.last
            && other.first <= self.last
    }
}

static LOCKS: SpinLock<LiteMap<FileId, Vec<Lock>>> = SpinLock::new(LiteMap::new());
/// Files with locks, so that closing a file in a program without any costs no lock.
static FILES: AtomicUsize = AtomicUsize::new(0);
static RELEASED: WaitQueue = WaitQueue::new();

/// Notified when locks are released.
pub fn released() -> &'static WaitQueue {
    &RELEASED
}

/// A lock that stands in the way of `wanted`.
pub fn find_conflict(file: FileId, wanted: &Lock) -> Option<Lock> {
    let locks = LOCKS.lock();
    locks.get(&file)?.iter().find(|held| held.conflicts(wanted)).copied()
}

/// Takes a lock in place of those the owner holds in its range; `WouldBlock` when another's stands in the way. As on Linux, a whole-file lock of
/// the other kind is gone even then.
pub fn acquire(file: FileId, wanted: Lock) -> Result<()> {
    let mut locks = LOCKS.lock();
    let held = locks.entry(file).or_default();
    let is_former = |lock: &&Lock| lock.owner == wanted.owner && lock.owner.is_whole();
    let former = held.iter().find(is_former).copied();
    if former.is_some_and(|former| former.exclusive == wanted.exclusive) {
        return Ok(());
    }
    if former.is_some() {
        cut(held, wanted.owner, 0, u64::MAX);
    }
    let conflict = held.iter().any(|other| other.conflicts(&wanted));
    if !conflict {
        cut(held, wanted.owner, wanted.first, wanted.last);
        // Neighbours of one kind are one lock, as F_GETLK shows them.
        let (mut first, mut last) = (wanted.first, wanted.last);
        held.retain(|other| {
            let joins = other.owner == wanted.owner
                && other.exclusive == wanted.exclusive
                && (other.last.checked_add(1) == Some(first) || last.checked_add(1) == Some(other.first));
            if joins {
                first = first.min(other.first);
                last = last.max(other.last);
            }
            !joins
        });
        held.push(Lock { first, last, ..wanted });
    }
    tidy(&mut locks, file);
    drop(locks);
    if former.is_some() || !conflict {
        // A weaker lock in place of a stronger one lets others in.
        RELEASED.notify();
    }
    if conflict { Err(Error::WouldBlock) } else { Ok(()) }
}

/// Releases what an owner holds from `first` to `last`.
pub fn release(file: FileId, owner: Owner, first: u64, last: u64) {
    if FILES.load(Ordering::Acquire) == 0 {
        return;
    }
    let mut locks = LOCKS.lock();
    if let Some(held) = locks.get_mut(&file) {
        cut(held, owner, first, last);
        tidy(&mut locks, file);
        drop(locks);
        RELEASED.notify();
    }
}

/// Releases all that a process holds on a file: it does so when it closes any of its descriptors of that file.
pub fn release_process(file: impl FnOnce() -> core::result::Result<FileId, Errno>, process: i32) {
    if FILES.load(Ordering::Acquire) != 0
        && let Ok(file) = file()
    {
        release(file, Owner::Process(process), 0, u64::MAX);
    }
}

/// Takes a range out of an owner's locks.
fn cut(held: &mut Vec<Lock>, owner: Owner, first: u64, last: u64) {
    let mut rest = Vec::new();
    held.retain(|lock| {
        let hit = lock.owner == owner && lock.first <= last && first <= lock.last;
        if hit && lock.first < first {
            rest.push(Lock {
                last: first - 1,
                ..*lock
            });
        }
        if hit && lock.last > last {
            rest.push(Lock {
                first: last + 1,
                ..*lock
            });
        }
        !hit
    });
    held.append(&mut rest);
}

fn tidy(locks: &mut LiteMap<FileId, Vec<Lock>>, file: FileId) {
    if locks.get(&file).is_some_and(Vec::is_empty) {
        locks.remove(&file);
    }
    FILES.store(locks.len(), Ordering::Release);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(owner: Owner, exclusive: bool, first: u64, last: u64) -> Lock {
        Lock {
            owner,
            exclusive,
            first,
            last,
        }
    }

    const A: Owner = Owner::Process(1);
    const B: Owner = Owner::Process(2);

    #[test]
    fn shared_locks_go_together_and_exclusive_ones_do_not() {
        let file = (1, 1);
        acquire(file, lock(A, false, 0, 9)).unwrap();
        acquire(file, lock(B, false, 5, 20)).unwrap();
        assert!(matches!(acquire(file, lock(A, true, 0, 9)), Err(Error::WouldBlock)));
        acquire(file, lock(A, true, 0, 4)).unwrap();
        release(file, B, 0, u64::MAX);
        acquire(file, lock(A, true, 0, u64::MAX)).unwrap();
        assert_eq!(
            find_conflict(file, &lock(B, false, 100, 100)).map(|held| held.owner),
            Some(A)
        );
        release(file, A, 0, u64::MAX);
        assert_eq!(find_conflict(file, &lock(B, true, 0, u64::MAX)), None);
    }

    #[test]
    fn unlocking_the_middle_leaves_both_ends_and_locking_it_joins_them() {
        let file = (1, 2);
        acquire(file, lock(A, true, 0, 99)).unwrap();
        release(file, A, 40, 59);
        acquire(file, lock(B, true, 40, 59)).unwrap();
        assert!(matches!(acquire(file, lock(B, true, 39, 39)), Err(Error::WouldBlock)));
        assert!(matches!(acquire(file, lock(B, true, 60, 60)), Err(Error::WouldBlock)));
        release(file, B, 0, u64::MAX);
        acquire(file, lock(A, true, 40, 59)).unwrap();
        let whole = find_conflict(file, &lock(B, false, 50, 50)).unwrap();
        assert_eq!((whole.first, whole.last), (0, 99));
        release(file, A, 0, u64::MAX);
    }

    #[test]
    fn whole_file_locks_and_record_locks_take_no_notice_of_each_other() {
        let file = (1, 3);
        acquire(file, lock(Owner::Whole(7), true, 0, u64::MAX)).unwrap();
        acquire(file, lock(A, true, 0, u64::MAX)).unwrap();
        let other = acquire(file, lock(Owner::Whole(8), false, 0, u64::MAX));
        assert!(matches!(other, Err(Error::WouldBlock)));
        assert!(matches!(
            acquire(file, lock(Owner::Description(9), false, 3, 3)),
            Err(Error::WouldBlock)
        ));
        release(file, A, 0, u64::MAX);
        release(file, Owner::Whole(7), 0, u64::MAX);
    }

    #[test]
    fn a_whole_file_lock_stays_when_it_is_taken_again_and_goes_when_its_kind_changes() {
        let file = (1, 4);
        let [holder, other] = [7, 8].map(Owner::Whole);
        let take = |owner, exclusive| acquire(file, lock(owner, exclusive, 0, u64::MAX)).is_ok();
        assert!(take(holder, false) && take(other, false));
        let ticket = released().ticket();
        assert!(take(holder, false));
        assert!(!take(holder, true));
        assert_ne!(released().ticket(), ticket, "the other may go on");
        assert!(take(other, true));
        release(file, other, 0, u64::MAX);
        assert!(take(holder, true) && take(holder, false) && take(other, false));
        release(file, holder, 0, u64::MAX);
        release(file, other, 0, u64::MAX);
    }
}
