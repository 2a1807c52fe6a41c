//! A process, as `/proc/PID` shows it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::Ordering;

use abi::Errno;
use file::OpenFile;
use fs::proc::{Area, Identity, Process as Described, System, Usage};
use fs::vfs::{Context, Place};
use hal::mem::PAGE_SIZE;
use task::Affinity;

use super::Machine;
use crate::memory::{AreaFlags, Protection};
use crate::process::{Capability, Process, Texts, family, oom};
use crate::signal::{Disposition, Signal};

/// The signals that `which` is true for, one bit each.
fn signals(process: &Process, which: impl Fn(Disposition) -> bool) -> u64 {
    (1..=i32::from(Signal::MAX))
        .filter_map(|number| Signal::new(number).ok())
        .filter(|&signal| which(process.actions.get(signal).disposition(signal)))
        .fold(0, |set, signal| set | 1 << (signal.number() - 1))
}

impl Described for Process {
    fn identity(&self, tid: i32) -> Option<Identity> {
        let thread = self.thread(tid);
        // The first thread stands for the process, also when it has ended.
        if thread.is_none() && tid != self.pid {
            return None;
        }
        let credentials = self.credentials();
        let name = self.name(thread.as_deref());
        let state = match () {
            () if thread.is_none() => 'Z',
            () if self.kinship.is_stopped() => 'T',
            () if thread.as_ref().is_some_and(|thread| thread.is_uninterruptible()) => 'D',
            () if thread.as_ref().is_some_and(|thread| thread.is_waiting()) => 'S',
            () => 'R',
        };
        let capabilities = &credentials.capabilities;
        let terminal = self.kinship.terminal();
        let counts = thread.as_ref().map(|thread| thread.counters.get());
        Some(Identity {
            pid: self.pid,
            tid,
            parent: self.kinship.parent(),
            group: self.kinship.group(),
            session: self.kinship.session(),
            terminal: terminal.as_ref().map_or(0, |terminal| terminal.number() as u32),
            foreground: terminal.map_or(-1, |terminal| terminal.foreground_group()),
            name,
            state,
            uid: [credentials.uid, credentials.euid, credentials.suid, credentials.fsuid],
            gid: [credentials.gid, credentials.egid, credentials.sgid, credentials.fsgid],
            groups: credentials.groups.clone(),
            umask: self.paths.places().umask,
            signals: [
                thread.as_ref().map_or(0, |thread| thread.pending.set().bits()),
                self.pending.set().bits(),
                thread.as_ref().map_or(0, |thread| thread.blocked().bits()),
                signals(self, |disposition| matches!(disposition, Disposition::Ignore)),
                signals(self, |disposition| matches!(disposition, Disposition::Handler)),
            ],
            capabilities: [
                capabilities.inheritable,
                capabilities.permitted,
                capabilities.effective,
                capabilities.bounding,
                capabilities.ambient,
            ],
            nice: thread.as_ref().map_or(0, |thread| thread.nice.load(Ordering::Relaxed)),
            switches: counts.map_or((0, 0), |counts| {
                (counts.voluntary_switches, counts.involuntary_switches)
            }),
            seccomp: thread
                .as_ref()
                .map_or((0, 0), |thread| (thread.seccomp.mode(), thread.seccomp.count())),
            cpus: thread.map_or_else(|| Affinity::default().get(), |thread| thread.affinity.get()),
            no_new_privileges: credentials.no_new_privileges,
            ..Identity::default()
        })
    }

    fn threads(&self) -> Vec<i32> {
        let mut numbers: Vec<_> = Self::threads(self).iter().map(|thread| thread.tid).collect();
        numbers.push(self.pid);
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    fn usage(&self, tid: Option<i32>) -> Usage {
        let thread = tid.and_then(|tid| self.thread(tid));
        let ((user, system), counts) = match &thread {
            Some(thread) => (thread.cpu_time.get(), thread.counters.get()),
            None => (self.cpu_times(), self.counts()),
        };
        // The first thread is as old as the process, whatever program it runs.
        let thread = thread.filter(|thread| thread.tid != self.pid);
        let counted = Usage {
            user,
            system,
            started: thread.map_or(self.started, |thread| thread.started),
            faults: (counts.minor_faults, counts.major_faults),
            ..Usage::default()
        };
        let Some(memory) = self.memory() else {
            return counted;
        };
        let texts = self.program.lock().texts();
        let range = |range: Range<usize>| (range.start as u64, range.end as u64);
        let bytes = |pages: usize| (pages * PAGE_SIZE) as u64;
        let mut usage = Usage {
            arguments: range(texts.arguments),
            environment: range(texts.environment),
            virtual_memory: (memory.size() as u64, memory.size() as u64),
            resident: (bytes(memory.resident()), bytes(memory.peak_resident())),
            resident_files: bytes(memory.resident().saturating_sub(memory.resident_own())),
            private: memory.sum(crate::memory::Area::is_data) as u64,
            locked: memory.sum(|area| area.flags.contains(AreaFlags::LOCKED)) as u64,
            stack: memory.layout.stack_top as u64,
            ..counted
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
        let (Some(memory), Texts { arguments, environment }) = (self.memory(), self.program.lock().texts()) else {
            return Vec::new();
        };
        let end = environment.end;
        let mut text = memory.peek(arguments.clone());
        // A title that a program has written over its arguments may go on over the environment.
        if text.last().is_some_and(|&last| last != 0) {
            text = memory.peek(arguments.start..end);
            let length = text.iter().position(|&byte| byte == 0).map_or(text.len(), |at| at + 1);
            text.truncate(length);
        }
        text
    }

    fn environment(&self) -> Vec<u8> {
        let range = self.program.lock().texts().environment;
        self.memory().map_or_else(Vec::new, |memory| memory.peek(range))
    }

    fn auxiliary(&self) -> Vec<u8> {
        let entries = self.program.lock().auxiliary.clone();
        let words = entries.iter().flat_map(|&(kind, value)| [kind, value]);
        words.flat_map(u64::to_ne_bytes).collect()
    }

    fn has_ended(&self) -> bool {
        self.memory().is_none()
    }

    fn executable(&self) -> Option<Place> {
        self.program.lock().place.clone()
    }

    fn working(&self) -> Option<Place> {
        Some(self.paths.places().working)
    }

    fn context(&self) -> Context {
        self.context(None)
    }

    fn descriptors(&self) -> Vec<u32> {
        self.files.numbers().into_iter().map(|number| number as u32).collect()
    }

    fn descriptor(&self, number: u32) -> Option<(Arc<OpenFile>, bool)> {
        let number = i32::try_from(number).ok()?;
        let file = self.files.get_any(number).ok()?;
        Some((file, self.files.close_on_exec(number).unwrap_or(false)))
    }

    fn areas(&self) -> Vec<Area> {
        let mut areas = Vec::new();
        let Some(memory) = self.memory() else {
            return areas;
        };
        memory.visit_areas(0, |range, area| {
            let has = |protection| area.protection.contains(protection);
            let residence = memory.residence(range.clone());
            let locked = area.flags.contains(AreaFlags::LOCKED);
            areas.push(Area {
                residence,
                locked: if locked {
                    residence.files.resident + residence.anonymous.resident
                } else {
                    0
                },
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
        let limits = self.limits.lock();
        core::array::from_fn(|number| {
            limits
                .get_number(number)
                .map_or((u64::MAX, u64::MAX), |limit| (limit.soft, limit.hard))
        })
    }

    fn oom_score(&self) -> i64 {
        oom::score(self)
    }

    fn oom_adjustment(&self) -> i32 {
        self.oom_adjustment.lock().value
    }

    fn set_oom_adjustment(&self, value: i32) -> Result<(), Errno> {
        let caller = Machine.current().and_then(|(pid, _)| family::find(pid));
        let is_privileged = caller.is_none_or(|caller| caller.can(Capability::SYS_RESOURCE));
        self.oom_adjustment.lock().set(value, is_privileged)
    }

    fn set_name(&self, tid: i32, name: &[u8]) {
        if let Some(thread) = self.thread(tid) {
            thread.set_name(name);
        }
    }
}
