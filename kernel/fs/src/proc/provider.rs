//! What the kernel tells `/proc` and `/sys`.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use file::OpenFile;
use hal::block::Figures;

use crate::vfs::{Context, Place};

/// The kernel. Every method has a default that says nothing is known, so that it can be served step by step.
pub trait System: Send + Sync {
    /// The process and the thread that call now; `None` for the kernel's own accesses.
    fn current(&self) -> Option<(i32, i32)>;

    /// The IDs of all processes, ascending.
    fn processes(&self) -> Vec<i32>;

    /// A process by its ID: the one object that lives as long as it does.
    fn process(&self, pid: i32) -> Option<Arc<dyn Process>>;

    /// The host name.
    fn host_name(&self) -> Vec<u8> {
        b"localhost".to_vec()
    }

    /// Sets the host name.
    fn set_host_name(&self, _name: &[u8]) {}

    /// What `uname -r` prints. Programs take features from it, so it names the Linux that the kernel is like.
    fn release(&self) -> &str;

    /// What `uname -v` prints.
    fn version(&self) -> &str;

    /// The CPU's description.
    fn processor(&self) -> Processor {
        Processor::default()
    }

    /// Nanoseconds in user mode, in the kernel and idle, of each CPU since boot.
    fn cpu_times(&self) -> Vec<[u64; 3]> {
        alloc::vec![[0; 3]; hal::cpu::count()]
    }

    /// How often CPUs turned to threads since boot.
    fn switches(&self) -> u64 {
        0
    }

    /// How many threads wanted a CPU or waited for the disk in the last 1, 5 and 15 minutes, on average, in hundredths.
    fn load(&self) -> [u32; 3] {
        [0; 3]
    }

    /// How many threads want a CPU at the moment, and how many wait for the disk.
    fn active_threads(&self) -> (usize, usize) {
        (1, 0)
    }

    /// Page faults since boot that needed no disk, and that did.
    fn faults(&self) -> (u64, u64) {
        (0, 0)
    }

    /// Processes and threads started since boot.
    fn started(&self) -> u64 {
        1
    }

    /// A limit that `/proc/sys` shows.
    fn limit(&self, limit: Limit) -> u64;

    /// Changes it.
    fn set_limit(&self, limit: Limit, value: u64);

    /// The lines below the heading of `/proc/net/NAME` (`tcp`, `udp`, `unix`, `dev`, `route`…), as Linux formats them.
    fn network_table(&self, _name: &str, _out: &mut String) {}

    /// The network interfaces, which are the same ones for ever.
    fn interfaces(&self) -> Vec<Interface> {
        Vec::new()
    }

    /// The disks, which are the same ones for ever.
    fn disks(&self) -> Vec<Disk> {
        Vec::new()
    }
}

/// A disk, as it is now.
#[derive(Clone, Debug)]
pub struct Disk {
    /// `vda`, `nvme0n1`.
    pub name: String,
    /// Major and minor number.
    pub number: (u32, u32),
    /// Bytes.
    pub size: u64,
    /// Bytes of its own blocks.
    pub block_size: u64,
    /// What was read from it.
    pub figures: Figures,
}

/// A network interface, as it is now.
#[derive(Clone, Debug)]
pub struct Interface {
    /// `lo`, `eth0`.
    pub name: &'static str,
    /// Its number.
    pub index: u32,
    /// `IFF_*`, as programs may set them.
    pub flags: u32,
    /// Bytes of the largest packet.
    pub mtu: u32,
    /// What hardware it is (`ARPHRD_*`), and that hardware's address.
    pub hardware: (u16, [u8; 6]),
    /// Bytes and packets received, then sent.
    pub traffic: [u64; 4],
}

/// What root may change in `/proc/sys`, to an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// `vm.max_map_count`
    Mappings,
    /// `net.core.somaxconn`
    Backlog,
    /// `kernel.shmmax`
    SharedSegment,
    /// One of POSIX message queues.
    Queues(QueueLimit),
}

/// A setting in `fs.mqueue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum QueueLimit {
    /// `queues_max`
    Queues,
    /// `msg_max`
    Messages,
    /// `msgsize_max`
    MessageSize,
    /// `msg_default`
    UsualMessages,
    /// `msgsize_default`
    UsualMessageSize,
}

/// A CPU, as `/proc/cpuinfo` describes it.
#[derive(Clone, Debug)]
pub struct Processor {
    /// `GenuineIntel` and the like.
    pub vendor: String,
    /// Model name.
    pub name: String,
    /// Family, model and stepping.
    pub signature: [u32; 3],
    /// Kilohertz.
    pub frequency: u64,
    /// Kibibytes of the last cache.
    pub cache: u32,
    /// Features by Linux's names, separated by spaces.
    pub flags: String,
}

impl Default for Processor {
    fn default() -> Self {
        Self {
            vendor: "unknown".into(),
            name: "unknown".into(),
            signature: [0; 3],
            frequency: 1_000_000,
            cache: 1024,
            // What every x86-64 CPU has.
            flags: "fpu de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 syscall nx lm".into(),
        }
    }
}

/// A process.
pub trait Process: Send + Sync {
    /// Its IDs, names and state, as its thread `tid` has them; the first thread's are the process's.
    fn identity(&self, tid: i32) -> Option<Identity>;

    /// The IDs of its threads, ascending.
    fn threads(&self) -> Vec<i32>;

    /// What it has used; of times and counts what one of its threads has.
    fn usage(&self, tid: Option<i32>) -> Usage;

    /// Arguments, each with a zero at its end.
    fn arguments(&self) -> Vec<u8>;

    /// Environment at its start, each with a zero at its end.
    fn environment(&self) -> Vec<u8>;

    /// Auxiliary vector, as it lies in memory.
    fn auxiliary(&self) -> Vec<u8>;

    /// Whether it has ended, which its parent may not know yet.
    fn has_ended(&self) -> bool;

    /// The program.
    fn executable(&self) -> Option<Place>;

    /// The working directory.
    fn working(&self) -> Option<Place>;

    /// What `/` means to it, and which file systems are mounted.
    fn context(&self) -> Context;

    /// The numbers of its open descriptors, ascending.
    fn descriptors(&self) -> Vec<u32>;

    /// An open file by its descriptor, and whether it closes at `execve(2)`.
    fn descriptor(&self, number: u32) -> Option<(Arc<OpenFile>, bool)>;

    /// What its memory consists of, ascending.
    fn areas(&self) -> Vec<Area>;

    /// Soft and hard limits by the numbers of `getrlimit(2)`; all ones for unlimited.
    fn limits(&self) -> [(u64, u64); 16];

    /// `/proc/PID/oom_score`.
    fn oom_score(&self) -> i64;

    /// `/proc/PID/oom_score_adj`.
    fn oom_adjustment(&self) -> i32;

    /// Sets `/proc/PID/oom_score_adj`; `EACCES` where the caller may not.
    fn set_oom_adjustment(&self, value: i32) -> core::result::Result<(), Errno>;

    /// Sets the name of a thread (`comm`, cut to 15 bytes).
    fn set_name(&self, _tid: i32, _name: &[u8]) {}
}

/// The IDs, names and state of a thread.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Process ID.
    pub pid: i32,
    /// Thread ID.
    pub tid: i32,
    /// Parent process.
    pub parent: i32,
    /// Process group.
    pub group: i32,
    /// Session.
    pub session: i32,
    /// Number of the controlling terminal; 0 without.
    pub terminal: u32,
    /// The process group in that terminal's foreground.
    pub foreground: i32,
    /// `comm`, 15 bytes at most.
    pub name: Vec<u8>,
    /// `R`, `S`, `D`, `T` or `Z`.
    pub state: char,
    /// Real, effective, saved and file system user IDs.
    pub uid: [u32; 4],
    /// Real, effective, saved and file system group IDs.
    pub gid: [u32; 4],
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// File mode creation mask.
    pub umask: u16,
    /// Signals pending for the thread, pending for the process, blocked, ignored and caught.
    pub signals: [u64; 5],
    /// Inheritable, permitted, effective, bounding and ambient capabilities.
    pub capabilities: [u64; 5],
    /// `prctl(PR_SET_NO_NEW_PRIVS)`.
    pub no_new_privileges: bool,
    /// The mode of `seccomp(2)`, and how many filters there are.
    pub seccomp: (u8, usize),
    /// CPUs that it may run on, one bit each.
    pub cpus: u64,
    /// Nice value.
    pub nice: i32,
    /// CPU that it ran on last.
    pub cpu: usize,
    /// Times it gave the CPU up, and lost it.
    pub switches: (u64, u64),
}

/// What a process has used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Nanoseconds in user mode.
    pub user: u64,
    /// Nanoseconds in the kernel.
    pub system: u64,
    /// Start, in nanoseconds since boot.
    pub started: u64,
    /// Page faults that needed no disk, and that did.
    pub faults: (u64, u64),
    /// Bytes of address space, now and at most.
    pub virtual_memory: (u64, u64),
    /// Bytes in memory, now and at most.
    pub resident: (u64, u64),
    /// Of the resident bytes, those of files.
    pub resident_files: u64,
    /// Bytes of private memory that is written, without the stack (`VmData`).
    pub private: u64,
    /// Bytes that stay in memory (`mlock(2)`).
    pub locked: u64,
    /// Bytes of page tables.
    pub page_tables: u64,
    /// Bytes read and written by system calls, and how many calls that took.
    pub transferred: ([u64; 2], [u64; 2]),
    /// Where the code, the initialised data, the heap, the stack, the arguments and the environment lie: start and end.
    pub code: (u64, u64),
    /// Data.
    pub data: (u64, u64),
    /// Heap (`brk`).
    pub heap: (u64, u64),
    /// Bottom of the stack: its highest address at the start.
    pub stack: u64,
    /// Arguments.
    pub arguments: (u64, u64),
    /// Environment.
    pub environment: (u64, u64),
}

/// A part of an address space.
#[derive(Clone, Debug, Default)]
pub struct Area {
    /// First address.
    pub start: u64,
    /// Address after the last.
    pub end: u64,
    /// Readable, writable, executable.
    pub access: (bool, bool, bool),
    /// Whether writes reach the file or other processes.
    pub shared: bool,
    /// Offset in the file.
    pub offset: u64,
    /// The file's device and inode numbers; zeroes without one.
    pub file: (u64, u64),
    /// Path of the file, or `[heap]`, `[stack]`, `[vdso]`; empty for none.
    pub name: Vec<u8>,
    /// What of it is in memory.
    pub residence: Residence,
    /// Bytes locked in memory.
    pub locked: u64,
}

/// What of a part of an address space is in memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Residence {
    /// Pages that the file has, too.
    pub files: Resident,
    /// Others.
    pub anonymous: Resident,
}

/// Bytes in memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resident {
    /// All.
    pub resident: u64,
    /// In no other process, nor twice in this.
    pub private: u64,
    /// Each page divided by how often it is mapped.
    pub proportional: u64,
}
