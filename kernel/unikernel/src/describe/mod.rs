//! What `/proc` and `/sys` show of processes and the machine.

pub(crate) mod cpus;
pub(crate) mod disks;
pub(crate) mod load;
mod process;

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use file::OpenFile;
use fs::proc::{Disk, Interface, Limit, Process as Described, Processor, QueueLimit, System};
use hal::cpu;
use net::{Caller, Credentials, SocketFile};

use crate::ipc::posix;
use crate::process::{Process, Thread, family};

/// The process whose thread this CPU runs; `None` for the kernel's own tasks.
pub(crate) fn running_process() -> Option<Arc<Process>> {
    family::find(cpus::current().0)
}

/// Who it is; nobody for the kernel's own tasks.
pub(crate) fn caller() -> Caller {
    let Some(process) = running_process() else {
        return Caller::default();
    };
    process.with_credentials(|own| {
        let of = |uid, gid| Credentials {
            process: process.pid as u32,
            uid,
            gid,
        };
        Caller {
            real: of(own.uid, own.gid),
            effective: of(own.euid, own.egid),
            groups: own.groups.clone(),
        }
    })
}

/// How many threads are so.
fn count_threads(so: impl Fn(&Thread) -> bool) -> usize {
    let processes = family::all();
    let threads = processes.iter().flat_map(|process| process.threads());
    threads.filter(|thread| so(thread)).count()
}

/// How many threads counted for the load until this CPU takes one up: those that others run, and those that waited for the disk, which that one may be.
pub(crate) fn loading_threads_before() -> usize {
    count_threads(|thread| thread.was_uninterruptible() || cpus::runs(thread.tid))
}

/// How many threads count for the load: they run, would if there were CPUs enough, or wait for the disk.
pub(crate) fn loading_threads() -> usize {
    count_threads(|thread| !thread.is_waiting() || thread.was_uninterruptible())
}

fn queue_setting(limit: QueueLimit) -> &'static posix::Setting {
    match limit {
        QueueLimit::Queues => &posix::QUEUES,
        QueueLimit::Messages => &posix::MESSAGES,
        QueueLimit::MessageSize => &posix::MESSAGE_SIZE,
        QueueLimit::UsualMessages => &posix::USUAL_MESSAGES,
        QueueLimit::UsualMessageSize => &posix::USUAL_MESSAGE_SIZE,
    }
}

/// The kernel as `/proc` sees it.
pub(crate) struct Machine;

impl System for Machine {
    fn current(&self) -> Option<(i32, i32)> {
        Some(cpus::current()).filter(|&(_, tid)| tid != 0)
    }

    fn processes(&self) -> Vec<i32> {
        family::all().iter().map(|process| process.pid).collect()
    }

    fn process(&self, pid: i32) -> Option<Arc<dyn Described>> {
        // A thread's number leads to its process, too.
        let process = family::find(pid).or_else(|| Some(family::find_thread(pid)?.process.clone()))?;
        Some(process)
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

    fn processor(&self) -> Processor {
        let description = cpu::description();
        Processor {
            vendor: description.vendor,
            name: description.name,
            signature: description.signature,
            frequency: description.kilohertz,
            cache: (0..).map_while(cpu::cache).last().map_or(0, |cache| cache.kibibytes()),
            flags: description.flags,
        }
    }

    fn cpu_times(&self) -> Vec<[u64; 3]> {
        cpus::times().collect()
    }

    fn switches(&self) -> u64 {
        cpus::turns()
    }

    fn load(&self) -> [u32; 3] {
        load::catch_up(hal::time::monotonic(), loading_threads);
        load::averages().map(|average| (((average + 10) * 100) >> 11) as u32)
    }

    fn active_threads(&self) -> (usize, usize) {
        (
            count_threads(|thread| !thread.is_waiting()),
            count_threads(Thread::is_uninterruptible),
        )
    }

    fn faults(&self) -> (u64, u64) {
        crate::process::all_faults()
    }

    fn started(&self) -> u64 {
        crate::process::started()
    }

    fn limit(&self, limit: Limit) -> u64 {
        let value = match limit {
            Limit::Mappings => crate::memory::max_areas(),
            Limit::Backlog => net::backlog_limit(),
            Limit::SharedSegment => crate::ipc::max_size(),
            Limit::Queues(limit) => queue_setting(limit).get(),
        };
        value as u64
    }

    fn set_limit(&self, limit: Limit, value: u64) {
        let value = value as usize;
        match limit {
            Limit::Mappings => crate::memory::set_max_areas(value),
            Limit::Backlog => net::set_backlog_limit(value),
            Limit::SharedSegment => crate::ipc::set_max_size(value),
            Limit::Queues(limit) => queue_setting(limit).set(value),
        }
    }

    fn network_table(&self, name: &str, out: &mut String) {
        let mut files: Vec<(Arc<OpenFile>, u32)> = Vec::new();
        let mut known = BTreeSet::new();
        for process in family::all() {
            let uid = process.credentials().uid;
            let numbers = process.files.numbers().into_iter();
            let open = numbers.filter_map(|number| process.files.get_any(number).ok());
            for file in open.filter(|file| file.downcast::<SocketFile>().is_some()) {
                // Children have descriptors of the same sockets.
                if known.insert(Arc::as_ptr(file.file()).addr()) {
                    files.push((file, uid));
                }
            }
        }
        let sockets: Vec<_> = files
            .iter()
            .filter_map(|(file, uid)| Some((file.downcast::<SocketFile>()?, *uid)))
            .collect();
        net::tables::write(name, &crate::network::get().stack, &sockets, out);
    }

    fn interfaces(&self) -> Vec<Interface> {
        let stack = &crate::network::get().stack;
        let describe = |found: &net::InterfaceDescription| Interface {
            name: found.name(),
            index: found.index(),
            flags: found.set_flags(),
            mtu: found.mtu,
            hardware: (found.hardware_type, found.mac),
            traffic: found.traffic(stack),
        };
        net::interfaces(stack).iter().map(describe).collect()
    }

    fn disks(&self) -> Vec<Disk> {
        disks::all()
    }
}
