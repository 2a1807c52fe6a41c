//! `/proc`: processes and the machine in files, in Linux's formats.

mod anonymous;
mod disks;
mod format;
mod memory;
mod mounts;
mod process;
mod provider;
mod status;
mod sysctl;
mod system;

#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use file::Result;

use crate::generated::{Directory, Filling, Folder, Generated, GeneratedInode, Target, number};
use crate::inode::{Inode, Link};
pub(crate) use disks::{SECTOR, counts as disk_counts};
pub(crate) use format::ranges;
use process::ProcessDirectory;
pub use provider::{
    Area, Disk, Identity, Interface, Limit, Process, Processor, QueueLimit, Residence, Resident, System, Usage,
};

const PROC_MAGIC: u32 = 0x9fa0;
/// Tables of `/proc/net`, with their headings.
const NETWORK_TABLES: &[(&str, &str)] = &[
    (
        "tcp",
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     \n",
    ),
    (
        "tcp6",
        "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n",
    ),
    (
        "udp",
        "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops            \n",
    ),
    (
        "udp6",
        "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n",
    ),
    (
        "udplite",
        "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops            \n",
    ),
    (
        "udplite6",
        "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n",
    ),
    ("unix", "Num       RefCount Protocol Flags    Type St Inode Path\n"),
    (
        "dev",
        "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n",
    ),
    (
        "route",
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                                                       \n",
    ),
    ("if_inet6", ""),
    ("igmp6", ""),
    ("ipv6_route", ""),
    (
        "arp",
        "IP address       HW type     Flags       HW address            Mask     Device\n",
    ),
    (
        "raw",
        "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n",
    ),
    ("snmp", ""),
    ("netstat", ""),
    ("sockstat", ""),
    ("sockstat6", ""),
    (
        "icmp",
        "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops            \n",
    ),
    (
        "icmp6",
        "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n",
    ),
    (
        "raw6",
        "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n",
    ),
];

/// What all of `/proc` refers to.
struct Shared {
    file_system: Arc<Generated>,
    system: Arc<dyn System>,
    network: Arc<dyn Inode>,
}

/// The top directory of `/proc`.
pub fn create(system: &Arc<dyn System>) -> Arc<dyn Inode> {
    let file_system = Generated::new("proc", PROC_MAGIC, 0);
    let network = Folder::new(&file_system, b"/net").filled_by({
        let system = system.clone();
        move |folder| network_tables(folder, &system)
    });
    let shared = Arc::new(Shared {
        file_system: file_system.clone(),
        system: system.clone(),
        network: network.finish(),
    });
    let fixed = Folder::new(&file_system, b"").filled_by({
        let system = system.clone();
        move |folder| machine_files(folder, &system)
    });
    let root = Root { fixed, shared };
    GeneratedInode::directory(&file_system, 1, (0, 0), 0o555, Box::new(root))
}

/// The ID of the process whose directory an inode is: `EBADF` when it is none, `ESRCH` when the process is gone.
pub fn process_of(inode: &dyn Inode) -> core::result::Result<i32, Errno> {
    let inode: Option<&GeneratedInode> = inode.as_any().downcast_ref();
    let directory: Option<&ProcessDirectory> = inode.and_then(GeneratedInode::directory_of);
    directory.ok_or(Errno::BADF)?.pid()
}

fn network_tables(folder: Folder, system: &Arc<dyn System>) -> Folder {
    NETWORK_TABLES.iter().fold(folder, |folder, table| {
        let system = system.clone();
        let (name, heading) = *table;
        folder.file(name, move |out| {
            let mut text = String::from(heading);
            system.network_table(name, &mut text);
            out.extend_from_slice(text.as_bytes());
            Ok(())
        })
    })
}

/// Everything but the processes.
fn machine_files(folder: Folder, system: &Arc<dyn System>) -> Folder {
    let generated = |make: fn(&mut String, &dyn System)| {
        let system = system.clone();
        move |out: &mut Vec<u8>| {
            let mut text = String::new();
            make(&mut text, &*system);
            out.extend_from_slice(text.as_bytes());
            Ok(())
        }
    };
    folder
        .file("cpuinfo", generated(system::cpu_information))
        .file("meminfo", generated(|out, _| system::memory_information(out)))
        .file("stat", generated(system::stat))
        .file("uptime", generated(system::uptime))
        .file("loadavg", generated(system::load_average))
        .file("version", generated(system::version))
        .file("vmstat", generated(system::memory_statistics))
        .file("interrupts", generated(|out, _| system::interrupts(out)))
        .file("devices", generated(disks::devices))
        .file("diskstats", generated(disks::statistics))
        .file("partitions", generated(disks::partitions))
        .text("filesystems", system::FILE_SYSTEMS)
        .text("cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\n")
        .text("cmdline", "\n")
        .text("crypto", "")
        .text("locks", "")
        .text("modules", "")
        .text("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n")
        .link("mounts", "self/mounts")
        .link("net", "self/net")
        .folder("sys", {
            let system = system.clone();
            move |folder| sysctl::fill(folder, &system)
        })
}

/// The top: files of the machine, then a directory for each process.
struct Root {
    fixed: Filling,
    shared: Arc<Shared>,
}

impl Root {
    fn own_link(&self, name: &'static str) -> Arc<dyn Inode> {
        let system = self.shared.system.clone();
        let target: Target = Arc::new(move || {
            let (pid, tid) = system.current().ok_or(Errno::NOENT)?;
            let path = match name {
                "self" => pid.to_string(),
                _ => alloc::format!("{pid}/task/{tid}"),
            };
            Ok(Link::Path(path.into_bytes()))
        });
        GeneratedInode::link(&self.shared.file_system, number(b"", name.as_bytes()), target)
    }
}

impl Directory for Root {
    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        match (name, parse_number(name)) {
            (b"self", _) => Ok(self.own_link("self")),
            (b"thread-self", _) => Ok(self.own_link("thread-self")),
            // A thread's directory can be entered by its number, though it is not listed.
            (_, Some(pid)) => {
                let process = self.shared.system.process(pid).ok_or(Errno::NOENT)?;
                ProcessDirectory::inode(&self.shared, &process, pid)
            }
            _ => self.fixed.lookup(name),
        }
    }

    fn names(&self) -> Vec<Vec<u8>> {
        let mut names = self.fixed.names();
        names.push(b"self".to_vec());
        names.push(b"thread-self".to_vec());
        let processes = self.shared.system.processes();
        names.extend(processes.iter().map(|pid| pid.to_string().into_bytes()));
        names
    }
}

/// A decimal number without leading zeroes.
fn parse_number(name: &[u8]) -> Option<i32> {
    let digits = name.iter().all(u8::is_ascii_digit) && (name.len() == 1 || name.first() != Some(&b'0'));
    core::str::from_utf8(name).ok().filter(|_| digits)?.parse().ok()
}
