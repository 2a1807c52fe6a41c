//! A process: what its threads share.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};

use abi::Errno;
use litemap::LiteMap;

use file::{Closed, DescriptorTable, OpenFile};
use hal::sync::SpinLock;
use linux_raw_sys::auxvec::AT_EXECFN;
use task::WaitQueue;

use super::{
    Capability, Counts, Credentials, Ending, Kinship, Limits, OomAdjustment, Paths, ProcessSettings, Thread, Timers,
};
use crate::memory::AddressSpace;
use crate::signal::{Actions, DefaultAction, Disposition, Info, Pending, Signal, SignalSet};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// By `exit_group(2)`, with the low 8 bits of its argument.
    Code(u8),
    /// By a signal.
    Signal(Signal),
}

/// What the threads of one program share. Parts that `clone(2)` can share between processes are objects of their own.
pub struct Process {
    /// Process ID.
    pub pid: i32,
    /// What it is to other processes.
    pub kinship: Kinship,
    /// `None` once it has ended.
    memory: SpinLock<Option<Arc<AddressSpace>>>,
    threads: SpinLock<LiteMap<i32, Weak<Thread>>>,
    /// What each signal does.
    pub actions: Arc<Actions>,
    /// Whether signals without a handler pass it by (`SIGNAL_UNKILLABLE`): it is the first process, as that of a container.
    is_protected: AtomicBool,
    /// Signals for any of its threads.
    pub pending: Pending,
    /// Notified when a signal arrives, for `signalfd(2)`.
    pub arrivals: Arc<WaitQueue>,
    credentials: SpinLock<(Credentials, Arc<fs::vfs::Credentials>)>,
    /// Open files by descriptor.
    pub files: DescriptorTable,
    /// Working directory, root and umask.
    pub paths: Paths,
    /// Resource limits.
    pub limits: SpinLock<Limits>,
    /// Timers that send signals.
    pub timers: Timers,
    /// Queues of asynchronous input and output.
    pub aio: super::aio::Contexts,
    /// What `/proc/PID` tells of the program.
    pub program: SpinLock<Program>,
    /// The thread that runs `execve(2)` and outlives the others; 0 when none does.
    executing: AtomicI32,
    /// Notified when a thread ends.
    thread_ended: WaitQueue,
    /// What threads used which have ended: nanoseconds in user mode and in the kernel, and what else is counted.
    ended: SpinLock<((u64, u64), Counts)>,
    /// 0 while it runs, then [`ExitStatus`] as [`encode`] has it.
    ending: AtomicU64,
    /// When it started, in nanoseconds since boot.
    pub started: u64,
    last_name: SpinLock<[u8; 16]>,
    pub(super) personality: AtomicU32,
    /// Of what it does not do.
    pub settings: SpinLock<ProcessSettings>,
    /// `/proc/PID/oom_score_adj`.
    pub oom_adjustment: SpinLock<OomAdjustment>,
}

/// The program a process runs.
#[derive(Clone, Default)]
pub struct Program {
    /// The executable file; `None` once the process has ended.
    pub place: Option<fs::vfs::Place>,
    /// Arguments.
    pub arguments: Vec<Vec<u8>>,
    /// Environment at its start.
    pub environment: Vec<Vec<u8>>,
    /// Auxiliary vector.
    pub auxiliary: Vec<(u64, u64)>,
    /// Keeps the file from being written; `None` once the process has ended.
    pub running: Option<Arc<fs::Running>>,
}

/// Where a program finds its arguments and its environment, each text with a zero at its end.
pub struct Texts {
    /// Arguments.
    pub arguments: Range<usize>,
    /// Environment, which follows them.
    pub environment: Range<usize>,
}

impl Program {
    /// Where its texts are: as [`crate::program`] laid them out, below the path that `AT_EXECFN` names.
    pub fn texts(&self) -> Texts {
        let length = |texts: &[Vec<u8>]| texts.iter().map(|text| text.len() + 1).sum::<usize>();
        let path = self.auxiliary.iter().find(|(kind, _)| *kind == u64::from(AT_EXECFN));
        let end = path.map_or(0, |(_, address)| *address as usize);
        let middle = end.saturating_sub(length(&self.environment));
        Texts {
            arguments: middle.saturating_sub(length(&self.arguments))..middle,
            environment: middle..end,
        }
    }
}

fn encode(status: ExitStatus) -> u64 {
    match status {
        ExitStatus::Code(code) => 1 << 8 | u64::from(code),
        ExitStatus::Signal(signal) => 2 << 8 | u64::from(signal.number()),
    }
}

impl Process {
    /// The first process, without threads.
    pub fn new(pid: i32, memory: Arc<AddressSpace>, paths: Paths, credentials: Credentials, limits: Limits) -> Self {
        let for_files = Arc::new(credentials.for_files());
        Self {
            pid,
            kinship: Kinship::first(pid),
            memory: SpinLock::new(Some(memory)),
            threads: SpinLock::new(LiteMap::new()),
            actions: Arc::default(),
            is_protected: AtomicBool::new(true),
            pending: Pending::default(),
            arrivals: Arc::default(),
            credentials: SpinLock::new((credentials, for_files)),
            files: DescriptorTable::new(),
            paths,
            limits: SpinLock::new(limits),
            timers: Timers::default(),
            aio: super::aio::Contexts::default(),
            program: SpinLock::default(),
            executing: AtomicI32::new(0),
            thread_ended: WaitQueue::new(),
            ended: SpinLock::default(),
            ending: AtomicU64::new(0),
            started: hal::time::monotonic(),
            last_name: SpinLock::new([0; 16]),
            personality: AtomicU32::new(0),
            settings: SpinLock::default(),
            oom_adjustment: SpinLock::default(),
        }
    }

    /// A child without threads, for `fork(2)`: it has what its parent has, in copies, but for the memory, the descriptors and the paths it is given.
    #[must_use]
    pub fn fork(
        &self,
        pid: i32,
        memory: Arc<AddressSpace>,
        (files, paths): (DescriptorTable, Paths),
        exit_signal: Option<Signal>,
        ending: Option<Arc<Ending>>,
    ) -> Self {
        Self {
            kinship: Kinship::child_of(self, exit_signal, ending),
            actions: Arc::new(self.actions.duplicate()),
            is_protected: AtomicBool::new(false),
            files,
            program: SpinLock::new(self.program.lock().clone()),
            personality: AtomicU32::new(self.personality().bits()),
            settings: SpinLock::new(*self.settings.lock()),
            oom_adjustment: SpinLock::new(*self.oom_adjustment.lock()),
            ..Self::new(pid, memory, paths, self.credentials(), self.limits.lock().clone())
        }
    }

    /// Users and groups.
    pub fn credentials(&self) -> Credentials {
        self.credentials.lock().0.clone()
    }

    /// Whether it may do what this capability stands for.
    pub fn can(&self, capability: Capability) -> bool {
        self.credentials.lock().0.can(capability)
    }

    /// Looks at users and groups.
    pub fn with_credentials<T>(&self, look: impl FnOnce(&Credentials) -> T) -> T {
        look(&self.credentials.lock().0)
    }

    /// Changes users and groups. Who becomes another, or may do more, is not dumped and not told of its parent's end, unless it asks for that anew.
    pub fn update_credentials<T>(&self, change: impl FnOnce(&mut Credentials) -> T) -> T {
        let mut guard = self.credentials.lock();
        let (before, permitted) = (guard.0.effective_ids(), guard.0.capabilities.permitted);
        let result = change(&mut guard.0);
        if guard.0.effective_ids() != before || guard.0.capabilities.permitted & !permitted != 0 {
            self.settings.lock().is_dumpable = false;
            self.kinship.death_signal.store(0, Ordering::Release);
        }
        guard.1 = Arc::new(guard.0.for_files());
        result
    }

    /// Who it is for file systems.
    pub(super) fn file_credentials(&self) -> Arc<fs::vfs::Credentials> {
        self.credentials.lock().1.clone()
    }

    /// Its memory, which a process that has ended has no more. A thread's own is [`Thread::memory`].
    pub fn memory(&self) -> Option<Arc<AddressSpace>> {
        self.memory.lock().clone()
    }

    /// Gives it other memory, for `execve(2)`.
    pub fn set_memory(&self, memory: Arc<AddressSpace>) {
        self.aio.clear();
        let old = self.memory.lock().replace(memory);
        // Beyond the lock: the last share takes all its pages with it.
        drop(old);
    }

    /// Its threads that have not ended, by ID.
    pub fn threads(&self) -> Vec<Arc<Thread>> {
        self.threads.lock().values().filter_map(Weak::upgrade).collect()
    }

    /// One of its threads.
    pub fn thread(&self, tid: i32) -> Option<Arc<Thread>> {
        self.threads.lock().get(&tid)?.upgrade()
    }

    /// How many threads it has.
    pub fn thread_count(&self) -> usize {
        self.threads.lock().len()
    }

    /// Nanoseconds that its threads spent in user mode and in the kernel.
    pub fn cpu_times(&self) -> (u64, u64) {
        // A thread that ends meanwhile is in one of both.
        let (threads, ended): (Vec<_>, _) = {
            let threads = self.threads.lock();
            let running = threads.values().filter_map(Weak::upgrade).collect();
            (running, self.ended.lock().0)
        };
        threads
            .iter()
            .map(|thread| thread.cpu_time.get())
            .fold(ended, |sum, time| (sum.0 + time.0, sum.1 + time.1))
    }

    /// What else was counted of its threads.
    pub fn counts(&self) -> Counts {
        let (threads, ended): (Vec<_>, _) = {
            let threads = self.threads.lock();
            let running = threads.values().filter_map(Weak::upgrade).collect();
            (running, self.ended.lock().1)
        };
        threads.iter().fold(ended, |sum, thread| sum + thread.counters.get())
    }

    /// Forgets pending signals of a set.
    pub fn discard(&self, signals: SignalSet) {
        self.pending.discard(signals);
        for thread in self.threads() {
            thread.pending.discard(signals);
        }
    }

    pub(super) fn add_thread(&self, thread: &Arc<Thread>) {
        self.threads.lock().insert(thread.tid, Arc::downgrade(thread));
    }

    /// Keeps the name of the first thread, under which the process is known until it is waited for.
    pub(super) fn note_end(&self, thread: &Thread) {
        if thread.tid == self.pid {
            *self.last_name.lock() = *thread.name.lock();
        }
    }

    /// `comm` of a thread, or of the first one when that has ended.
    pub fn name(&self, thread: Option<&Thread>) -> Vec<u8> {
        const LENGTH: usize = 15;
        let mut name = thread
            .map_or_else(|| *self.last_name.lock(), |thread| *thread.name.lock())
            .to_vec();
        let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        name.truncate(end.min(LENGTH));
        name
    }

    /// Forgets a thread that ended; true when it was the last.
    pub(super) fn remove_thread(&self, thread: &Arc<Thread>) -> bool {
        let last = {
            let mut threads = self.threads.lock();
            // After `execve(2)` another thread may have the number, and may have been the last.
            let is_known = threads
                .get(&thread.tid)
                .is_some_and(|known| known.as_ptr() == Arc::as_ptr(thread));
            if is_known {
                threads.remove(&thread.tid);
                let mut ended = self.ended.lock();
                let (user, system) = thread.cpu_time.get();
                let (time, counts) = *ended;
                *ended = ((time.0 + user, time.1 + system), counts + thread.counters.get());
            }
            is_known && threads.is_empty()
        };
        self.thread_ended.notify();
        last
    }

    /// Ends all threads but one, which runs `execve(2)`. `EAGAIN` when another one does so already, or the process ends.
    pub async fn end_other_threads(&self, survivor: &Thread) -> Result<(), Errno> {
        if self
            .executing
            .compare_exchange(0, survivor.tid, Ordering::AcqRel, Ordering::Acquire)
            .is_err()
        {
            return Err(Errno::AGAIN);
        }
        for thread in self.threads() {
            thread.interrupt();
        }
        loop {
            let ticket = self.thread_ended.ticket();
            if self.thread_count() <= 1 {
                break;
            }
            self.thread_ended.wait(ticket).await;
        }
        self.executing.store(0, Ordering::Release);
        Ok(())
    }

    /// Whether its threads have to look if they end: the process ends, or runs another program.
    #[inline]
    pub(super) fn is_changing(&self) -> bool {
        self.ending.load(Ordering::Acquire) | self.executing.load(Ordering::Acquire) as u64 != 0
    }

    /// Whether another thread than `tid` runs `execve(2)`, so that `tid` has to end.
    pub(super) fn is_replaced(&self, tid: i32) -> bool {
        let executing = self.executing.load(Ordering::Acquire);
        executing != 0 && executing != tid
    }

    /// Makes all threads end, the first call decides how.
    pub fn end(&self, status: ExitStatus) {
        if self
            .ending
            .compare_exchange(0, encode(status), Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
        {
            for thread in self.threads() {
                thread.interrupt();
            }
        }
    }

    /// Makes all threads end as `SIGKILL` does, be the process stopped or not.
    fn kill(&self) {
        self.end(ExitStatus::Signal(Signal::KILL));
        self.resume(false);
    }

    /// The last thread has ended. The first process takes the others and the machine with it; others leave what their parent has to know.
    pub(super) async fn finish(self: &Arc<Self>, status: ExitStatus) {
        self.timers.clear();
        self.note_all_closed(self.files.release());
        if self.kinship.parent() == 0 {
            super::family::end_all_but(self);
            crate::system::application_ended(status).await;
        }
        let memory = self.memory.lock().take();
        if let Some(memory) = memory {
            super::oom::note_end(self, &memory);
        }
        let file = {
            let mut program = self.program.lock();
            (program.place.take(), program.running.take())
        };
        // Beyond the lock: the last share of a file that was removed takes its pages with it.
        drop(file);
        crate::ipc::undo(self.pid);
        self.leave_family(status);
    }

    /// What closing descriptors does besides freeing their numbers.
    pub fn note_all_closed(&self, files: Closed) {
        for file in files {
            self.note_closed(&file);
        }
    }

    /// What closing a descriptor does besides freeing its number, unless it stood for a path only: record locks of the process on that file end, and it
    /// is told of no message in it.
    pub fn note_closed(&self, file: &OpenFile) {
        if file.is_path() {
            return;
        }
        file::lock::release_process(|| file.lock_id().map_err(|_| Errno::BADF), self.pid);
        crate::ipc::posix::note_closed(file, self.pid);
    }

    /// How it ends, once that is decided.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        let value = self.ending.load(Ordering::Acquire);
        match value >> 8 {
            0 => None,
            1 => Some(ExitStatus::Code(value as u8)),
            _ => Signal::new((value & 0xff) as i32).ok().map(ExitStatus::Signal),
        }
    }

    /// What becomes of a signal. The first process is neither ended nor stopped by one that it has no handler for.
    pub fn disposition(&self, signal: Signal) -> Disposition {
        match self.actions.get(signal).disposition(signal) {
            Disposition::Default(_) if self.is_protected.load(Ordering::Relaxed) => Disposition::Ignore,
            disposition => disposition,
        }
    }

    /// Whether a signal has no effect at all.
    pub(super) fn ignores(&self, signal: Signal) -> bool {
        self.disposition(signal).ignores()
    }

    /// Lets a signal end even the first process by its default action: it comes from outside of the guest, an instruction caused it, or it is
    /// how the process chose to end.
    pub fn expose_to(&self, signal: Signal) {
        let disposition = self.actions.get(signal).disposition(signal);
        if let Disposition::Default(DefaultAction::Terminate | DefaultAction::Crash) = disposition {
            self.is_protected.store(false, Ordering::Relaxed);
        }
    }

    /// Sends a signal that not even the first process is safe from.
    pub fn send_from_outside(&self, signal: Signal, info: Info) -> bool {
        self.expose_to(signal);
        self.send(signal, info)
    }

    /// Sends a signal to the process: any thread that does not block it takes it. False when too many wait.
    pub fn send(&self, signal: Signal, info: Info) -> bool {
        self.prepare(signal);
        if self.ignores(signal) && !self.is_blocked_everywhere(signal) {
            return true;
        }
        if !self.pending.push(signal, info) {
            return false;
        }
        self.offer(SignalSet::of(signal));
        self.arrivals.notify();
        true
    }

    /// What a signal does when it is sent, to the process or to one of its threads, before anybody takes it.
    pub(super) fn prepare(&self, signal: Signal) {
        if signal == Signal::CONT {
            self.discard(SignalSet::STOPS);
            self.resume(true);
        } else if signal == Signal::KILL {
            if !self.ignores(signal) {
                self.kill();
            }
        } else if SignalSet::STOPS.contains(signal) {
            self.discard(SignalSet::of(Signal::CONT));
        }
    }

    /// Interrupts threads that take these signals, one for each.
    pub(super) fn offer(&self, mut signals: SignalSet) {
        for thread in self.threads() {
            let taken = signals.and(thread.takes());
            if !taken.is_empty() {
                thread.interrupt();
                signals = signals.without(taken);
            }
        }
    }

    /// A blocked signal waits even when it is ignored: the action may change before it is unblocked.
    fn is_blocked_everywhere(&self, signal: Signal) -> bool {
        self.threads()
            .iter()
            .all(|thread| thread.blocked().contains(signal) || thread.awaits(signal))
    }
}

#[cfg(test)]
mod tests {
    use fs::tmpfs::{Options, Tmpfs};
    use fs::vfs::{Mount, MountFlags, Namespace};

    use super::*;

    #[test]
    fn who_ends_after_the_thread_that_took_over_its_number_was_not_the_last() {
        let (_, root) = Tmpfs::create(&Options::default());
        let paths = Paths::new(Namespace::new(&Mount::new(root, b"tmpfs", MountFlags::empty())));
        let memory = AddressSpace::new(crate::memory::STACK_LIMIT).expect("memory");
        let (credentials, limits) = (Credentials::default(), Limits::of_memory(1 << 30));
        let process = Arc::new(Process::new(1, memory.clone(), paths, credentials, limits));
        let thread = || Thread::new(1, process.clone(), memory.clone(), SignalSet::EMPTY);
        let (before, after) = (thread(), thread());
        assert!(process.remove_thread(&after));
        assert!(!process.remove_thread(&before));
    }
}
