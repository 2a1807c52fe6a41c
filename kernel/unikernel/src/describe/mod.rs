//! What `/proc` and `/sys` show of processes and the machine.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicI32, Ordering};

use file::OpenFile;
use fs::proc::{Area, Identity, Process as Described, System, Usage};
use fs::vfs::{Context, Lookup, Place};
use hal::cpu::{self, MAX_CPUS};
use hal::mem::PAGE_SIZE;

use crate::memory::{AreaFlags, Protection};
use crate::process::{Process, Thread, family};
use crate::signal::{Disposition, Signal};

/// The thread that each CPU runs, and its process; 0 for none.
static RUNNING: [AtomicI32; MAX_CPUS] = [const { AtomicI32::new(0) }; MAX_CPUS];
static RUNNING_PROCESS: [AtomicI32; MAX_CPUS] = [const { AtomicI32::new(0) }; MAX_CPUS];

/// To be called when this CPU turns to a thread, so that `/proc/self` knows who asks.
pub(crate) fn set_running(pid: i32, tid: i32) {
    RUNNING_PROCESS[cpu::current()].store(pid, Ordering::Relaxed);
    // Whoever interrupts a thread changes what the thread looks at before this, and reads it after.
    RUNNING[cpu::current()].store(tid, Ordering::SeqCst);
}

/// Makes the CPU that runs a thread look at it again.
pub(crate) fn interrupt_where_running(tid: i32) {
    for (number, running) in RUNNING.iter().enumerate().take(cpu::count()) {
        if running.load(Ordering::SeqCst) == tid && number != cpu::current() {
            cpu::kick(number);
        }
    }
}

/// The kernel as `/proc` sees it.
pub(crate) struct Machine;

impl System for Machine {
    fn current(&self) -> Option<(i32, i32)> {
        let tid = RUNNING[cpu::current()].load(Ordering::Relaxed);
        let pid = RUNNING_PROCESS[cpu::current()].load(Ordering::Relaxed);
        Some((pid, tid)).filter(|_| tid != 0)
    }

    fn processes(&self) -> Vec<i32> {
        family::all().iter().map(|process| process.pid).collect()
    }

    fn process(&self, pid: i32) -> Option<Arc<dyn Described>> {
        // A thread's number leads to its process, too.
        let process = family::find(pid).or_else(|| Some(family::find_thread(pid)?.process.clone()))?;
        Some(Arc::new(Shown(process)))
    }

    fn host_name(&self) -> Vec<u8> {
        crate::system::host_name()
    }

    fn set_host_name(&self, name: &[u8]) {
        crate::system::set_host_name(name.to_vec());
    }

    fn release(&self) -> &'static str {
        crate::syscall::RELEASE
    }

    fn version(&self) -> &'static str {
        "#1 pulumi-unikernel"
    }
}

/// A process as `/proc/PID` sees it.
struct Shown(Arc<Process>);

impl Shown {
    /// The signals that `which` is true for, one bit each.
    fn signals(&self, which: impl Fn(Disposition) -> bool) -> u64 {
        (1..=i32::from(Signal::MAX))
            .filter_map(|number| Signal::new(number).ok())
            .filter(|&signal| which(self.0.actions.get(signal).disposition(signal)))
            .fold(0, |set, signal| set | 1 << (signal.number() - 1))
    }

    fn threads(&self) -> Vec<Arc<Thread>> {
        self.0.threads()
    }

    /// `comm` of a thread; of a process that has none any more, its program's.
    fn name(&self, thread: Option<&Thread>) -> Vec<u8> {
        const LENGTH: usize = 15;
        let mut name = match thread {
            Some(thread) => thread.name.lock().to_vec(),
            None => {
                let program = self.0.program.lock();
                let file = program.path.rsplit(|&byte| byte == b'/').next();
                file.unwrap_or_default().to_vec()
            }
        };
        let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        name.truncate(end.min(LENGTH));
        name
    }
}

/// Each text with a zero at its end.
fn joined(texts: &[Vec<u8>]) -> Vec<u8> {
    texts.iter().flat_map(|text| text.iter().copied().chain([0])).collect()
}

impl Described for Shown {
    fn identity(&self, tid: i32) -> Option<Identity> {
        let thread = self.0.thread(tid);
        let is_zombie = self.0.kinship.is_zombie();
        if thread.is_none() && !(is_zombie && tid == self.0.pid) {
            return None;
        }
        let credentials = self.0.credentials();
        let name = self.name(thread.as_deref());
        let is_running = || RUNNING.iter().any(|running| running.load(Ordering::Relaxed) == tid);
        let state = match () {
            () if is_zombie => 'Z',
            () if self.0.kinship.is_stopped() => 'T',
            () if is_running() => 'R',
            () => 'S',
        };
        let capabilities = &credentials.capabilities;
        Some(Identity {
            pid: self.0.pid,
            tid,
            parent: self.0.kinship.parent(),
            group: self.0.kinship.group(),
            session: self.0.kinship.session(),
            name,
            state,
            uid: [credentials.uid, credentials.euid, credentials.suid, credentials.fsuid],
            gid: [credentials.gid, credentials.egid, credentials.sgid, credentials.fsgid],
            groups: credentials.groups.clone(),
            umask: self.0.paths.places().umask,
            signals: [
                thread.as_ref().map_or(0, |thread| thread.pending.set().bits()),
                self.0.pending.set().bits(),
                thread.as_ref().map_or(0, |thread| thread.blocked().bits()),
                self.signals(|disposition| matches!(disposition, Disposition::Ignore)),
                self.signals(|disposition| matches!(disposition, Disposition::Handler)),
            ],
            capabilities: [
                capabilities.inheritable,
                capabilities.permitted,
                capabilities.effective,
                capabilities.bounding,
                capabilities.ambient,
            ],
            cpus: u64::MAX >> (64 - cpu::count()),
            ..Identity::default()
        })
    }

    fn threads(&self) -> Vec<i32> {
        let mut numbers: Vec<_> = Self::threads(self).iter().map(|thread| thread.tid).collect();
        numbers.sort_unstable();
        numbers
    }

    fn usage(&self) -> Usage {
        let (user, system) = self.0.cpu_times();
        let Some(memory) = self.0.memory() else {
            return Usage {
                user,
                system,
                ..Usage::default()
            };
        };
        let bytes = |pages: usize| (pages * PAGE_SIZE) as u64;
        let mut usage = Usage {
            user,
            system,
            virtual_memory: (memory.size() as u64, memory.size() as u64),
            resident: (bytes(memory.resident()), bytes(memory.peak_resident())),
            resident_files: bytes(memory.resident().saturating_sub(memory.resident_own())),
            private: memory.sum(crate::memory::Area::is_data) as u64,
            locked: memory.sum(|area| area.flags.contains(AreaFlags::LOCKED)) as u64,
            stack: memory.layout.stack_top as u64,
            ..Usage::default()
        };
        memory.visit_areas(0, |range, area| {
            if area.flags.contains(AreaFlags::HEAP) {
                usage.heap = (range.start as u64, range.end as u64);
            }
            true
        });
        usage
    }

    fn arguments(&self) -> Vec<u8> {
        joined(&self.0.program.lock().arguments)
    }

    fn environment(&self) -> Vec<u8> {
        joined(&self.0.program.lock().environment)
    }

    fn auxiliary(&self) -> Vec<u8> {
        let entries = self.0.program.lock().auxiliary.clone();
        let words = entries.iter().flat_map(|&(kind, value)| [kind, value]);
        words.flat_map(u64::to_ne_bytes).collect()
    }

    fn executable(&self) -> Option<Place> {
        let path = self.0.program.lock().path.clone();
        self.0.context(None).resolve(&path, Lookup::FOLLOW).ok()
    }

    fn working(&self) -> Option<Place> {
        Some(self.0.paths.places().working)
    }

    fn context(&self) -> Context {
        self.0.context(None)
    }

    fn descriptors(&self) -> Vec<u32> {
        self.0.files.numbers().into_iter().map(|number| number as u32).collect()
    }

    fn descriptor(&self, number: u32) -> Option<(Arc<OpenFile>, bool)> {
        let number = i32::try_from(number).ok()?;
        let file = self.0.files.get_any(number).ok()?;
        Some((file, self.0.files.close_on_exec(number).unwrap_or(false)))
    }

    fn areas(&self) -> Vec<Area> {
        let mut areas = Vec::new();
        let Some(memory) = self.0.memory() else {
            return areas;
        };
        memory.visit_areas(0, |range, area| {
            let has = |protection| area.protection.contains(protection);
            let (resident, anonymous) = memory.residence(range.clone());
            let locked = area.flags.contains(AreaFlags::LOCKED);
            areas.push(Area {
                resident: resident as u64,
                anonymous: anonymous as u64,
                locked: if locked { resident as u64 } else { 0 },
                start: range.start as u64,
                end: range.end as u64,
                access: (has(Protection::READ), has(Protection::WRITE), has(Protection::EXECUTE)),
                shared: area.flags.contains(AreaFlags::SHARED),
                offset: area
                    .backing
                    .as_ref()
                    .map_or(0, |backing| backing.first_page * PAGE_SIZE as u64),
                file: area.name.as_ref().map_or((0, 0), |name| (name.device, name.inode)),
                name: area.name.as_ref().map_or_else(Vec::new, |name| name.path.clone()),
            });
            true
        });
        areas
    }

    fn limits(&self) -> [(u64, u64); 16] {
        let limits = self.0.limits.lock();
        core::array::from_fn(|number| {
            limits
                .get_number(number)
                .map_or((u64::MAX, u64::MAX), |limit| (limit.soft, limit.hard))
        })
    }

    fn set_name(&self, tid: i32, name: &[u8]) {
        if let Some(thread) = self.0.thread(tid) {
            let mut field = [0; 16];
            let length = name.len().min(field.len() - 1);
            field[..length].copy_from_slice(&name[..length]);
            *thread.name.lock() = field;
        }
    }
}
