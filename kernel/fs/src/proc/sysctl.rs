//! `/proc/sys`: settings that programs look at.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::ops::RangeInclusive;

use abi::Errno;
use file::{OpenFile, Result};
use hal::sync::SpinLock;

use super::provider::{Limit, QueueLimit, System};
use crate::generated::Folder;
use crate::inotify;

/// Adds everything below `/proc/sys`.
pub(super) fn fill(folder: Folder, system: &Arc<dyn System>) -> Folder {
    folder
        .folder("kernel", {
            let system = system.clone();
            move |folder| kernel(folder, &system)
        })
        .folder("vm", {
            let system = system.clone();
            move |folder| virtual_memory(folder, &system)
        })
        .folder("fs", {
            let system = system.clone();
            move |folder| file_systems(folder, &system)
        })
        .folder("net", {
            let system = system.clone();
            move |folder| network(folder, &system)
        })
}

/// The largest of Linux's settings that are an `int`.
const INT_MAX: u64 = i32::MAX as u64;

/// Numbers that are written, separated by white space: `EINVAL` when there are more or fewer, or one is not within the bounds.
fn parse<const COUNT: usize>(bytes: &[u8], bounds: &RangeInclusive<u64>) -> Result<[u64; COUNT]> {
    let text = core::str::from_utf8(bytes).map_err(|_| Errno::INVAL)?;
    let mut words = text.split_ascii_whitespace();
    let mut values = [0; COUNT];
    for value in &mut values {
        let number = words.next().and_then(|word| word.parse().ok());
        *value = number.filter(|number| bounds.contains(number)).ok_or(Errno::INVAL)?;
    }
    match words.next() {
        None => Ok(values),
        Some(_) => Err(Errno::INVAL.into()),
    }
}

fn show(out: &mut Vec<u8>, values: &[u64]) {
    let mut text = String::new();
    for (place, value) in values.iter().enumerate() {
        let _ = write!(text, "{}{value}", if place == 0 { "" } else { "\t" });
    }
    text.push('\n');
    out.extend_from_slice(text.as_bytes());
}

/// Adds a file of numbers that root may change though nothing here follows them: who sets them finds them set.
fn numbers<const COUNT: usize>(
    folder: Folder,
    name: &str,
    initial: [u64; COUNT],
    bounds: RangeInclusive<u64>,
) -> Folder {
    let kept = Arc::new(SpinLock::new(initial));
    let shown = kept.clone();
    folder.writable(
        name,
        move |out| {
            show(out, &*shown.lock());
            Ok(())
        },
        move |bytes| {
            *kept.lock() = parse(bytes, &bounds)?;
            Ok(())
        },
    )
}

/// Adds a file of a limit that root may change.
fn limit(folder: Folder, name: &str, system: &Arc<dyn System>, limit: Limit, bounds: RangeInclusive<u64>) -> Folder {
    let (reads, writes) = (system.clone(), system.clone());
    folder.writable(
        name,
        move |out| {
            show(out, &[reads.limit(limit)]);
            Ok(())
        },
        move |bytes| {
            let [value] = parse(bytes, &bounds)?;
            writes.set_limit(limit, value);
            Ok(())
        },
    )
}

fn file_systems(folder: Folder, system: &Arc<dyn System>) -> Folder {
    numbers(folder, "file-max", [1 << 20], 0..=i64::MAX as u64)
        .file("file-nr", |out| {
            out.extend_from_slice(alloc::format!("{}\t0\t1048576\n", OpenFile::count()).as_bytes());
            Ok(())
        })
        .text("nr_open", "1048576\n")
        .text("pipe-max-size", "1048576\n")
        .text("aio-max-nr", "65536\n")
        .text("aio-nr", "0\n")
        .text("protected_hardlinks", "1\n")
        .text("protected_symlinks", "0\n")
        .text("suid_dumpable", "0\n")
        .folder("epoll", |folder| folder.text("max_user_watches", "1048576\n"))
        .folder("inotify", inotify)
        .folder("mqueue", {
            let system = system.clone();
            move |folder| message_queues(folder, &system)
        })
}

fn virtual_memory(folder: Folder, system: &Arc<dyn System>) -> Folder {
    let folder = limit(folder, "max_map_count", system, Limit::Mappings, 0..=INT_MAX);
    let folder = numbers(folder, "overcommit_memory", [1], 0..=2);
    let folder = numbers(folder, "overcommit_ratio", [50], 0..=INT_MAX);
    numbers(folder, "swappiness", [0], 0..=200)
        .text("min_free_kbytes", "1024\n")
        .text("mmap_min_addr", "65536\n")
        .text("nr_hugepages", "0\n")
        .text("vfs_cache_pressure", "100\n")
        .text("zone_reclaim_mode", "0\n")
        .writable("drop_caches", |_| Ok(()), drop_caches)
}

/// Gives back what is in memory only because it may be used again: pages of files (1), names and what they lead to (2), or both (3).
fn drop_caches(bytes: &[u8]) -> Result<()> {
    const PAGES: u64 = 1;
    const NAMES: u64 = 2;
    let [what] = parse(bytes, &(PAGES..=PAGES | NAMES))?;
    if what & NAMES != 0 {
        crate::vfs::shrink_dentries(usize::MAX);
    }
    if what & PAGES != 0 {
        crate::reclaim(usize::MAX);
    }
    Ok(())
}

fn kernel(folder: Folder, system: &Arc<dyn System>) -> Folder {
    let line = |get: fn(&dyn System) -> &str| {
        let system = system.clone();
        move |out: &mut Vec<u8>| {
            out.extend_from_slice(get(&*system).as_bytes());
            out.push(b'\n');
            Ok(())
        }
    };
    let (reads, writes) = (system.clone(), system.clone());
    let folder = limit(folder, "shmmax", system, Limit::SharedSegment, 0..=u64::MAX);
    let folder = numbers(folder, "shmall", [u64::MAX - (1 << 24)], 0..=u64::MAX);
    let folder = numbers(folder, "sem", [32000, 1_024_000_000, 500, 32000], 0..=INT_MAX);
    numbers(folder, "pid_max", [1 << 22], 301..=1 << 22)
        .file("osrelease", line(|system| system.release()))
        .file("version", line(|system| system.version()))
        .text("ostype", "Linux\n")
        .writable(
            "hostname",
            move |out| {
                out.extend(reads.host_name());
                out.push(b'\n');
                Ok(())
            },
            move |bytes| {
                writes.set_host_name(bytes.strip_suffix(b"\n").unwrap_or(bytes));
                Ok(())
            },
        )
        .text("domainname", "(none)\n")
        .text("threads-max", "32768\n")
        .text("ngroups_max", "65536\n")
        .text("cap_last_cap", "40\n")
        .text("overflowuid", "65534\n")
        .text("overflowgid", "65534\n")
        .text("randomize_va_space", "2\n")
        .text("core_pattern", "core\n")
        .text("core_uses_pid", "0\n")
        .text("kptr_restrict", "2\n")
        .text("dmesg_restrict", "1\n")
        .text("perf_event_paranoid", "4\n")
        .text("tainted", "0\n")
        .text("panic", "0\n")
        .text("sched_child_runs_first", "0\n")
        .text("shmmni", "4096\n")
        .text("msgmax", "8192\n")
        .text("msgmnb", "16384\n")
        .text("msgmni", "32000\n")
        .folder("random", random)
}

fn random(folder: Folder) -> Folder {
    // One for the life of the guest.
    let boot = SpinLock::new(None::<String>);
    folder
        .file("uuid", |out| {
            out.extend_from_slice(uuid().as_bytes());
            Ok(())
        })
        .file("boot_id", move |out| {
            out.extend_from_slice(boot.lock().get_or_insert_with(uuid).as_bytes());
            Ok(())
        })
        .text("entropy_avail", "256\n")
        .text("poolsize", "256\n")
}

/// A random UUID (version 4), with a newline.
fn uuid() -> String {
    let mut bytes = [0; 16];
    hal::random::fill(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::new();
    for (place, byte) in bytes.iter().enumerate() {
        let dash = if [4, 6, 8, 10].contains(&place) { "-" } else { "" };
        let _ = write!(text, "{dash}{byte:02x}");
    }
    text.push('\n');
    text
}

fn message_queues(mut folder: Folder, system: &Arc<dyn System>) -> Folder {
    let (messages, sizes) = (1..=1 << 16, 128..=1 << 24);
    for (name, what, bounds) in [
        ("queues_max", QueueLimit::Queues, 0..=INT_MAX),
        ("msg_max", QueueLimit::Messages, messages.clone()),
        ("msgsize_max", QueueLimit::MessageSize, sizes.clone()),
        ("msg_default", QueueLimit::UsualMessages, messages),
        ("msgsize_default", QueueLimit::UsualMessageSize, sizes),
    ] {
        folder = limit(folder, name, system, Limit::Queues(what), bounds);
    }
    folder
}

fn inotify(folder: Folder) -> Folder {
    let number = |number: fn() -> usize| {
        move |out: &mut Vec<u8>| {
            out.extend_from_slice(alloc::format!("{}\n", number()).as_bytes());
            Ok(())
        }
    };
    folder
        .file("max_queued_events", number(|| inotify::MAX_QUEUED))
        .file("max_user_instances", number(|| inotify::MAX_INSTANCES))
        .file("max_user_watches", number(inotify::max_watches))
}

fn network(folder: Folder, system: &Arc<dyn System>) -> Folder {
    let (limits, system) = (system.clone(), system.clone());
    folder
        .folder("core", move |folder| {
            limit(folder, "somaxconn", &limits, Limit::Backlog, 0..=INT_MAX)
                .text("rmem_default", "212992\n")
                .text("rmem_max", "212992\n")
                .text("wmem_default", "212992\n")
                .text("wmem_max", "212992\n")
                .text("netdev_max_backlog", "1000\n")
                .text("optmem_max", "131072\n")
        })
        .folder("ipv4", |folder| {
            folder
                .text("ip_forward", "0\n")
                .text("ip_local_port_range", "32768\t60999\n")
                .text("ip_unprivileged_port_start", "1024\n")
                .text("ping_group_range", "0\t2147483647\n")
                .text("tcp_available_congestion_control", "reno cubic\n")
                .text("tcp_congestion_control", "cubic\n")
                .text("tcp_fastopen", "0\n")
                .text("tcp_fin_timeout", "60\n")
                .text("tcp_keepalive_intvl", "75\n")
                .text("tcp_keepalive_probes", "9\n")
                .text("tcp_keepalive_time", "7200\n")
                .text("tcp_max_syn_backlog", "1024\n")
                .text("tcp_rmem", "4096\t131072\t6291456\n")
                .text("tcp_sack", "1\n")
                .text("tcp_syn_retries", "6\n")
                .text("tcp_syncookies", "0\n")
                .text("tcp_timestamps", "1\n")
                .text("tcp_tw_reuse", "2\n")
                .text("tcp_window_scaling", "1\n")
                .text("tcp_wmem", "4096\t16384\t4194304\n")
        })
        .folder("ipv6", |folder| {
            folder.text("bindv6only", "0\n").folder("conf", move |folder| {
                let interfaces = system.interfaces().into_iter().map(|interface| interface.name);
                ["all", "default"]
                    .into_iter()
                    .chain(interfaces)
                    .fold(folder, |folder, name| {
                        folder.folder(name, |folder| folder.text("disable_ipv6", "0\n"))
                    })
            })
        })
        .folder("unix", |folder| folder.text("max_dgram_qlen", "512\n"))
}
