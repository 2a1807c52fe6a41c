//! `/proc/sys`: settings that programs look at.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write as _;

use abi::Errno;
use file::{OpenFile, Result};
use hal::sync::SpinLock;

use super::provider::System;
use crate::generated::Folder;
use crate::inotify;

/// Adds everything below `/proc/sys`.
pub(super) fn fill(folder: Folder, system: &Arc<dyn System>) -> Folder {
    folder
        .folder("kernel", {
            let system = system.clone();
            move |folder| kernel(folder, &system)
        })
        .folder("vm", |folder| {
            folder
                .text("overcommit_memory", "1\n")
                .text("overcommit_ratio", "50\n")
                .text("max_map_count", "65530\n")
                .text("min_free_kbytes", "1024\n")
                .text("mmap_min_addr", "65536\n")
                .text("nr_hugepages", "0\n")
                .text("swappiness", "0\n")
                .text("vfs_cache_pressure", "100\n")
                .text("zone_reclaim_mode", "0\n")
                .writable("drop_caches", |_| Ok(()), drop_caches)
        })
        .folder("fs", |folder| {
            folder
                .text("file-max", "1048576\n")
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
        })
        .folder("net", network)
}

/// Gives back what is in memory only because it may be used again: pages of files (1), names and what they lead to (2), or both (3).
fn drop_caches(bytes: &[u8]) -> Result<()> {
    const PAGES: u8 = 1;
    const NAMES: u8 = 2;
    let text = core::str::from_utf8(bytes.trim_ascii()).ok();
    let what = text
        .and_then(|text| text.parse::<u8>().ok())
        .filter(|what| (PAGES..=PAGES | NAMES).contains(what))
        .ok_or(Errno::INVAL)?;
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
    folder
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
        .text("pid_max", "4194304\n")
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
        .text("shmmax", "18446744073692774399\n")
        .text("shmall", "18446744073692774399\n")
        .text("shmmni", "4096\n")
        .text("msgmax", "8192\n")
        .text("msgmnb", "16384\n")
        .text("msgmni", "32000\n")
        .text("sem", "32000\t1024000000\t500\t32000\n")
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

fn network(folder: Folder) -> Folder {
    folder
        .folder("core", |folder| {
            folder
                .text("somaxconn", "4096\n")
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
            folder.folder("conf", |folder| {
                folder
                    .folder("all", |folder| folder.text("disable_ipv6", "1\n"))
                    .folder("default", |folder| folder.text("disable_ipv6", "1\n"))
                    .folder("lo", |folder| folder.text("disable_ipv6", "1\n"))
            })
        })
        .folder("unix", |folder| folder.text("max_dgram_qlen", "512\n"))
}
