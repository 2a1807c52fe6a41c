//! The open file description: what `open(2)` makes and `dup(2)` and `fork(2)` share.

use abi::general::{SEEK_CUR, SEEK_DATA, SEEK_END, SEEK_HOLE, SEEK_SET};
use abi::{Errno, OpenFlags};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use hal::sync::SpinLock;

use crate::lock::{self, FileId, Owner};
use crate::signal_driven::{SignalDriven, SignalSender, SignalTarget};
use crate::{DirectoryEntry, Error, File, FileType, Result, Sink, Source};

/// Told when an open file description that it watches goes away.
pub trait Watcher: Send + Sync {
    /// The description registered with `key` is closed. Its file is still there.
    fn closed(&self, key: u64, file: &dyn File);
}

/// An open file description: a file with a position, an access mode and status flags. The file is told to close when the last share of
/// the description is dropped.
pub struct OpenFile {
    file: Arc<dyn File>,
    flags: AtomicU32,
    seekable: bool,
    /// The position is 0 for ever.
    stays_at_start: bool,
    /// Held across a transfer, so that two of them never use the same position.
    transfer: SpinLock<()>,
    /// Changed by who holds `transfer`. Who only shows it must not wait: the transfer may be what shows it, as in `/proc/PID/fdinfo`.
    position: AtomicU64,
    watchers: SpinLock<Vec<(Weak<dyn Watcher>, u64)>>,
    /// It may hold locks.
    locks: AtomicBool,
    /// Since somebody said who gets signals, or asked for them.
    signal_driven: SpinLock<Option<Arc<SignalDriven>>>,
}

/// Flags that `fcntl(F_SETFL)` changes, besides `O_ASYNC`, which does more than that.
const CHANGEABLE: OpenFlags = OpenFlags::APPEND
    .union(OpenFlags::NONBLOCK)
    .union(OpenFlags::DIRECT)
    .union(OpenFlags::NOATIME);

/// Flags of `open(2)` that act only while it runs.
const TRANSIENT: OpenFlags = OpenFlags::CREAT
    .union(OpenFlags::EXCL)
    .union(OpenFlags::NOCTTY)
    .union(OpenFlags::TRUNC)
    .union(OpenFlags::CLOEXEC);

/// How many descriptions there are.
static COUNT: AtomicUsize = AtomicUsize::new(0);

impl OpenFile {
    /// A description at position 0.
    pub fn new(file: Arc<dyn File>, flags: OpenFlags) -> Arc<Self> {
        COUNT.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self {
            seekable: file.is_seekable(),
            stays_at_start: file.stays_at_start(),
            file,
            flags: AtomicU32::new(flags.difference(TRANSIENT).bits()),
            transfer: SpinLock::new(()),
            position: AtomicU64::new(0),
            watchers: SpinLock::new(Vec::new()),
            locks: AtomicBool::new(false),
            signal_driven: SpinLock::new(None),
        })
    }

    /// How many descriptions there are, whoever holds them.
    pub fn count() -> usize {
        COUNT.load(Ordering::Relaxed)
    }

    /// The file.
    pub fn file(&self) -> &Arc<dyn File> {
        &self.file
    }

    /// The file as what it is, `None` when it is something else.
    pub fn downcast<T: File>(&self) -> Option<&T> {
        self.file.as_any().downcast_ref()
    }

    /// As [`OpenFile::downcast`], with a share of the file.
    pub fn downcast_arc<T: File>(&self) -> Option<Arc<T>> {
        let file: Arc<dyn core::any::Any + Send + Sync> = self.file.clone();
        file.downcast().ok()
    }

    /// Access mode and status flags, as `F_GETFL` reports them.
    pub fn flags(&self) -> OpenFlags {
        OpenFlags::from_bits_retain(self.flags.load(Ordering::Relaxed))
    }

    /// Replaces the flags that `F_SETFL` may change by those of `flags` and leaves the others, among them `O_ASYNC`.
    pub fn set_flags(&self, flags: OpenFlags) {
        let update = |old| Some(old & !CHANGEABLE.bits() | flags.intersection(CHANGEABLE).bits());
        let _ = self.flags.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
    }

    /// Adds `flag` to the status flags or takes it away.
    pub fn set_flag(&self, flag: OpenFlags, on: bool) {
        if on {
            self.flags.fetch_or(flag.bits(), Ordering::Relaxed);
        } else {
            self.flags.fetch_and(!flag.bits(), Ordering::Relaxed);
        }
    }

    /// Whether operations return `EAGAIN` in place of waiting.
    pub fn is_nonblocking(&self) -> bool {
        self.flags().contains(OpenFlags::NONBLOCK)
    }

    /// Whether it was opened with `O_PATH`, so that it stands for a path only.
    pub fn is_path(&self) -> bool {
        self.flags().contains(OpenFlags::PATH)
    }

    /// Whether the file has positions.
    pub fn is_seekable(&self) -> bool {
        self.seekable
    }

    /// `EBADF` unless it is open for reading.
    pub fn check_reads(&self) -> core::result::Result<(), Errno> {
        if self.flags().reads() { Ok(()) } else { Err(Errno::BADF) }
    }

    /// `EBADF` unless it is open for writing.
    pub fn check_writes(&self) -> core::result::Result<(), Errno> {
        if self.flags().writes() {
            Ok(())
        } else {
            Err(Errno::BADF)
        }
    }

    /// `ESPIPE` unless the file has positions.
    pub fn check_seeks(&self) -> core::result::Result<(), Errno> {
        if self.seekable { Ok(()) } else { Err(Errno::SPIPE) }
    }

    /// Reads at the position and moves it.
    pub fn read(&self, sink: &mut dyn Sink) -> Result<usize> {
        self.check_reads()?;
        if !self.seekable {
            return match self.file.read(0, sink) {
                Err(Error::WouldBlock) if self.is_nonblocking() => self.file.read_early(sink, false),
                result => result,
            };
        }
        let _transfer = self.transfer.lock();
        let asked = sink.remaining();
        let position = self.position();
        let count = self.file.read(position, sink)?;
        self.move_to(position + count as u64);
        if asked > 0 {
            self.note_access();
        }
        Ok(count)
    }

    /// Writes at the position, or at the end with `O_APPEND`, and moves the position.
    pub fn write(&self, source: &mut dyn Source) -> Result<usize> {
        self.check_writes()?;
        if !self.seekable {
            return self.file.write(0, source);
        }
        let _transfer = self.transfer.lock();
        if self.flags().contains(OpenFlags::APPEND) {
            let (count, end) = self.file.append(source)?;
            self.move_to(end);
            return Ok(count);
        }
        let position = self.position();
        let count = self.file.write(position, source)?;
        self.move_to(position + count as u64);
        Ok(count)
    }

    /// Reads at `offset` and leaves the position.
    pub fn read_at(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        self.check_seeks()?;
        self.check_reads()?;
        let asked = sink.remaining();
        let count = self.file.read(offset, sink)?;
        if asked > 0 {
            self.note_access();
        }
        Ok(count)
    }

    /// Takes note of an access for the file's access time, unless it was opened with `O_NOATIME`.
    pub fn note_access(&self) {
        if !self.flags().contains(OpenFlags::NOATIME) {
            self.file.note_access();
        }
    }

    /// Writes at `offset` and leaves the position. With `O_APPEND` it writes at the end, as on Linux.
    pub fn write_at(&self, offset: u64, source: &mut dyn Source) -> Result<usize> {
        self.check_seeks()?;
        self.check_writes()?;
        if self.flags().contains(OpenFlags::APPEND) {
            return self.file.append(source).map(|(count, _)| count);
        }
        self.file.write(offset, source)
    }

    /// The position. Of a transfer that is under way it is the one before.
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    /// Sets the position.
    pub fn set_position(&self, position: u64) {
        let _transfer = self.transfer.lock();
        self.move_to(position);
    }

    fn move_to(&self, target: u64) {
        if !self.stays_at_start {
            self.position.store(target, Ordering::Relaxed);
        }
    }

    /// Moves the position as `lseek(2)` does and returns it.
    pub fn seek(&self, offset: i64, whence: u32) -> Result<u64> {
        if self.is_path() {
            return Err(Errno::BADF.into());
        }
        if !self.seekable && self.file.status()?.file_type == FileType::Anonymous {
            // As on Linux, where lseek() of eventfd, timerfd, signalfd and epoll has no effect.
            return Ok(0);
        }
        self.check_seeks()?;
        if self.stays_at_start && whence <= SEEK_HOLE {
            return Ok(0);
        }
        let _transfer = self.transfer.lock();
        let base = match whence {
            SEEK_SET => 0,
            SEEK_CUR => self.position() as i64,
            SEEK_END => self.file.status()?.size as i64,
            SEEK_DATA | SEEK_HOLE => {
                let offset = u64::try_from(offset).map_err(|_| Errno::NXIO)?;
                let target = self.file.seek_data(offset, whence == SEEK_HOLE)?;
                self.move_to(target);
                return Ok(target);
            }
            _ => return Err(Errno::INVAL.into()),
        };
        let target = base.checked_add(offset).ok_or(Errno::OVERFLOW)?;
        let target = u64::try_from(target).map_err(|_| Errno::INVAL)?;
        self.move_to(target);
        Ok(target)
    }

    /// Gives the directory's entries from the position on and moves it behind the last one that fits.
    pub fn read_directory(&self, entry: &mut dyn FnMut(DirectoryEntry<'_>) -> bool) -> Result<()> {
        self.check_reads()?;
        let _transfer = self.transfer.lock();
        let mut next = self.position();
        let result = self.file.read_directory(next, &mut |found| {
            let after = found.next;
            let fits = entry(found);
            if fits {
                next = after;
            }
            fits
        });
        self.move_to(next);
        result?;
        self.note_access();
        Ok(())
    }

    /// What signal it sends when the file is ready, and to whom.
    pub fn signal_target(&self) -> SignalTarget {
        let driven = self.signal_driven.lock();
        driven
            .as_ref()
            .map_or_else(SignalTarget::default, |driven| driven.target())
    }

    /// Changes what [`OpenFile::signal_target`] says.
    pub fn set_signal_target(&self, sender: &'static dyn SignalSender, update: impl FnOnce(&mut SignalTarget)) {
        self.signal_driven(sender).update(update);
    }

    /// Sets or clears `O_ASYNC`: whether the file's being ready is told by signals. False, without a change, when files of this kind tell nothing.
    pub fn set_asynchronous(&self, on: bool, descriptor: i32, sender: &'static dyn SignalSender) -> bool {
        if !self.file.is_signal_driven() {
            return false;
        }
        let before = self.flags().contains(OpenFlags::ASYNC);
        self.set_flag(OpenFlags::ASYNC, on);
        if on {
            let driven = self.signal_driven(sender);
            if !before {
                driven.update(|target| target.descriptor = descriptor);
            }
            driven.start(&*self.file);
        } else if let Some(driven) = &*self.signal_driven.lock() {
            driven.stop(&*self.file);
        }
        true
    }

    fn signal_driven(&self, sender: &'static dyn SignalSender) -> Arc<SignalDriven> {
        let mut driven = self.signal_driven.lock();
        let driven = driven.get_or_insert_with(|| SignalDriven::new(&self.file, sender));
        driven.clone()
    }

    /// The file's identity for locks.
    pub fn lock_id(&self) -> Result<FileId> {
        let status = self.file.status()?;
        Ok((status.device, status.inode))
    }

    /// What tells this description from others as the owner of locks. From now on its end releases them.
    pub fn lock_owner(&self) -> usize {
        self.locks.store(true, Ordering::Relaxed);
        core::ptr::from_ref(self).addr()
    }

    /// Tells `watcher`, with `key`, when the description is closed.
    pub fn watch(&self, watcher: Weak<dyn Watcher>, key: u64) {
        self.watchers.lock().push((watcher, key));
    }

    /// Takes [`OpenFile::watch`] back.
    pub fn unwatch(&self, watcher: &Weak<dyn Watcher>, key: u64) {
        self.watchers
            .lock()
            .retain(|(other, number)| *number != key || !other.ptr_eq(watcher));
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        let watchers = core::mem::take(&mut *self.watchers.lock());
        for (watcher, key) in watchers {
            if let Some(watcher) = watcher.upgrade() {
                watcher.closed(key, &*self.file);
            }
        }
        if let Some(driven) = self.signal_driven.get_mut() {
            driven.stop(&*self.file);
        }
        if *self.locks.get_mut()
            && let Ok(id) = self.lock_id()
        {
            let owner = self.lock_owner();
            lock::release(id, Owner::Whole(owner), 0, u64::MAX);
            lock::release(id, Owner::Description(owner), 0, u64::MAX);
        }
        if !self.is_path() {
            self.file.close();
        }
        COUNT.fetch_sub(1, Ordering::Relaxed);
    }
}

impl core::fmt::Debug for OpenFile {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "OpenFile({:?})", self.flags())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Memory;
    use crate::{BytesSink, BytesSource};
    use crate::{Readiness, SignalOwner};

    fn open(flags: OpenFlags) -> (Arc<OpenFile>, Arc<Memory>) {
        let memory = Arc::new(Memory::default());
        (OpenFile::new(memory.clone(), flags), memory)
    }

    #[test]
    fn transfers_move_one_shared_position() {
        let (file, _) = open(OpenFlags::RDWR);
        assert_eq!(file.write(&mut BytesSource::new(b"hello")).unwrap(), 5);
        assert_eq!(file.position(), 5);
        file.seek(1, SEEK_SET).unwrap();
        let mut bytes = [0; 3];
        assert_eq!(file.read(&mut BytesSink::new(&mut bytes)).unwrap(), 3);
        assert_eq!((&bytes, file.position()), (b"ell", 4));
    }

    #[test]
    fn appending_writes_at_the_end_wherever_the_position_is() {
        let (file, memory) = open(OpenFlags::WRONLY | OpenFlags::APPEND);
        memory.set(b"abc");
        assert_eq!(file.write(&mut BytesSource::new(b"d")).unwrap(), 1);
        assert_eq!(file.position(), 4);
        assert_eq!(file.write_at(0, &mut BytesSource::new(b"e")).unwrap(), 1);
        assert_eq!(memory.get(), b"abcde");
    }

    #[test]
    fn the_access_mode_is_enforced() {
        let (reader, _) = open(OpenFlags::empty());
        let write = reader.write(&mut BytesSource::new(b"x"));
        assert!(matches!(write, Err(Error::Errno(Errno::BADF))));
        let (writer, _) = open(OpenFlags::WRONLY);
        let read = writer.read(&mut BytesSink::new(&mut [0]));
        assert!(matches!(read, Err(Error::Errno(Errno::BADF))));
    }

    #[test]
    fn seeking_follows_lseek() {
        let (file, memory) = open(OpenFlags::RDWR);
        memory.set(&[0; 10]);
        let seek = |offset, whence| {
            file.seek(offset, whence).map_err(|error| match error {
                Error::Errno(errno) => errno,
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(seek(-3, SEEK_END), Ok(7));
        assert_eq!(seek(100, SEEK_CUR), Ok(107));
        assert_eq!(seek(-1, SEEK_SET), Err(Errno::INVAL));
        assert_eq!(seek(i64::MAX, SEEK_CUR), Err(Errno::OVERFLOW));
        assert_eq!(seek(4, SEEK_DATA), Ok(4));
        assert_eq!(seek(4, SEEK_HOLE), Ok(10));
        assert_eq!(seek(10, SEEK_DATA), Err(Errno::NXIO));
        assert_eq!(seek(0, 9), Err(Errno::INVAL));
    }

    #[test]
    fn only_status_flags_change_later() {
        let (file, _) = open(OpenFlags::RDWR | OpenFlags::CREAT | OpenFlags::CLOEXEC);
        file.set_flags(OpenFlags::WRONLY | OpenFlags::NONBLOCK | OpenFlags::SYNC);
        assert_eq!(file.flags(), OpenFlags::RDWR | OpenFlags::NONBLOCK);
    }

    /// Keeps what signal-driven files say.
    struct Sent(SpinLock<Vec<(SignalTarget, Readiness)>>);

    impl SignalSender for Sent {
        fn send(&self, target: &SignalTarget, ready: Readiness) {
            self.0.lock().push((*target, ready));
        }
    }

    #[test]
    fn a_signal_driven_file_tells_its_owner_as_long_as_it_is_asked_to() {
        static SENT: Sent = Sent(SpinLock::new(Vec::new()));
        let (reader, writer) = crate::pipe::pipe(false, crate::pipe::Owner::default());
        let reader = OpenFile::new(reader, OpenFlags::empty());
        let put = || writer.write(0, &mut BytesSource::new(b"x")).unwrap();
        let told = || core::mem::take(&mut *SENT.0.lock());
        assert!(reader.set_asynchronous(true, 7, &SENT));
        put();
        assert_eq!(told().len(), 0, "nobody owns it yet");
        reader.set_signal_target(&SENT, |target| target.owner = SignalOwner::Process(42));
        put();
        let target = SignalTarget {
            owner: SignalOwner::Process(42),
            descriptor: 7,
            ..SignalTarget::default()
        };
        assert_eq!(told(), [(target, Readiness::IN | Readiness::RDNORM)]);
        assert!(reader.flags().contains(OpenFlags::ASYNC));
        assert!(reader.set_asynchronous(false, 7, &SENT));
        put();
        assert_eq!(told().len(), 0);
        assert!(reader.set_asynchronous(true, 7, &SENT));
        let file = reader.file().clone();
        drop(reader);
        put();
        assert_eq!(told().len(), 0, "its description has gone");
        assert!(format!("{:?}", file.wait_queue().unwrap()).contains("0 waiting"));
    }

    #[test]
    fn files_that_are_always_ready_send_no_signals() {
        struct Nobody;
        impl SignalSender for Nobody {
            fn send(&self, target: &SignalTarget, _ready: Readiness) {
                panic!("{target:?}");
            }
        }
        let (file, _) = open(OpenFlags::RDWR);
        assert!(!file.set_asynchronous(true, 3, &Nobody));
        assert!(!file.flags().contains(OpenFlags::ASYNC));
    }

    #[test]
    fn the_file_closes_with_the_last_share() {
        let (file, memory) = open(OpenFlags::RDWR);
        let share = file.clone();
        drop(file);
        assert_eq!(memory.closed(), 0);
        drop(share);
        assert_eq!(memory.closed(), 1);
    }
}
