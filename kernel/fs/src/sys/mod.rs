//! `/sys`: the machine's parts, as far as programs look for them.

mod disks;
mod firmware;
mod network;

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::fmt::{self, Write as _};

use hal::cpu::Cache;

use crate::generated::{Folder, Generated};
use crate::inode::Inode;
use crate::proc::{System, ranges};

const SYSFS_MAGIC: u32 = 0x6265_6572;

/// The top directory of `/sys`.
pub fn create(system: &Arc<dyn System>) -> Arc<dyn Inode> {
    let file_system = Generated::new("sysfs", SYSFS_MAGIC, 4096);
    let system = system.clone();
    Folder::new(&file_system, b"")
        .filled_by(move |folder| top(folder, system))
        .finish()
}

fn top(folder: Folder, system: Arc<dyn System>) -> Folder {
    folder
        .folder("block", {
            let system = system.clone();
            move |folder| disks::disks(folder, &system)
        })
        .folder("bus", |folder| folder)
        .folder("class", {
            let system = system.clone();
            |folder| {
                folder
                    .folder("dmi", firmware::class)
                    .folder("net", move |folder| network::interfaces(folder, &system))
            }
        })
        .folder("devices", move |folder| {
            folder
                .folder("system", move |folder| {
                    folder
                        .folder("cpu", move |folder| processors(folder, &system))
                        .folder("node", nodes)
                })
                .folder("virtual", |folder| folder.folder("dmi", firmware::device))
        })
        .folder("fs", |folder| folder.folder("cgroup", |folder| folder))
        .folder("kernel", |folder| {
            folder.folder("mm", |folder| {
                folder
                    .folder("transparent_hugepage", |folder| {
                        folder
                            .text("enabled", "always madvise [never]\n")
                            .text("defrag", "always defer defer+madvise madvise [never]\n")
                            .text("shmem_enabled", "always within_size advise [never] deny force\n")
                            .text("hpage_pmd_size", "2097152\n")
                            .text("use_zero_page", "0\n")
                    })
                    .folder("hugepages", |folder| {
                        folder.folder("hugepages-2048kB", |folder| {
                            folder
                                .text("nr_hugepages", "0\n")
                                .text("free_hugepages", "0\n")
                                .text("resv_hugepages", "0\n")
                                .text("surplus_hugepages", "0\n")
                        })
                    })
            })
        })
        .folder("module", |folder| folder)
}

/// All CPUs, one bit each.
fn all() -> u64 {
    u64::MAX >> (64 - hal::cpu::count().clamp(1, 64))
}

fn processors(folder: Folder, system: &Arc<dyn System>) -> Folder {
    let list = |folder: Folder, name: &str| {
        folder.file(name, |out| {
            out.extend_from_slice((ranges(all()) + "\n").as_bytes());
            Ok(())
        })
    };
    let folder = ["online", "possible", "present"].into_iter().fold(folder, list);
    let folder = folder.text("offline", "\n").file("kernel_max", |out| {
        out.extend_from_slice(alloc::format!("{}\n", hal::cpu::MAX_CPUS - 1).as_bytes());
        Ok(())
    });
    (0..hal::cpu::count()).fold(folder, |folder, number| {
        let system = system.clone();
        folder.folder(&alloc::format!("cpu{number}"), move |folder| {
            processor(folder, number, system)
        })
    })
}

fn processor(folder: Folder, number: usize, system: Arc<dyn System>) -> Folder {
    let mask = move || all();
    folder
        .folder("topology", move |folder| {
            folder
                .text("physical_package_id", "0\n")
                .text("die_id", "0\n")
                .file("core_id", move |out| {
                    out.extend_from_slice((number.to_string() + "\n").as_bytes());
                    Ok(())
                })
                .file("thread_siblings", move |out| {
                    out.extend_from_slice(alloc::format!("{:x}\n", 1_u64 << number).as_bytes());
                    Ok(())
                })
                .file("thread_siblings_list", move |out| {
                    out.extend_from_slice((number.to_string() + "\n").as_bytes());
                    Ok(())
                })
                .file("core_siblings", move |out| {
                    out.extend_from_slice(alloc::format!("{:x}\n", mask()).as_bytes());
                    Ok(())
                })
                .file("core_siblings_list", move |out| {
                    out.extend_from_slice((ranges(mask()) + "\n").as_bytes());
                    Ok(())
                })
        })
        .folder("cache", move |folder| caches(folder, number))
        .folder("cpufreq", move |folder| {
            // Nobody changes it. Programs that find one of these files read them all.
            [
                "cpuinfo_max",
                "cpuinfo_min",
                "scaling_max",
                "scaling_min",
                "scaling_cur",
            ]
            .into_iter()
            .fold(folder, |folder, name| {
                let system = system.clone();
                folder.file(&alloc::format!("{name}_freq"), move |out| {
                    out.extend_from_slice(alloc::format!("{}\n", system.processor().frequency).as_bytes());
                    Ok(())
                })
            })
        })
}

fn caches(folder: Folder, number: usize) -> Folder {
    let caches = (0..).map_while(hal::cpu::cache);
    caches.enumerate().fold(folder, |folder, (index, cache)| {
        folder.folder(&alloc::format!("index{index}"), move |folder| {
            CACHE_FILES.into_iter().fold(folder, |folder, (name, write)| {
                folder.file(name, move |out| {
                    let mut text = String::new();
                    let _ = write(&mut text, &cache, number);
                    out.extend_from_slice(text.as_bytes());
                    Ok(())
                })
            })
        })
    })
}

/// Writes what a file tells of a CPU's cache.
type CacheFile = fn(&mut String, &Cache, usize) -> fmt::Result;

const CACHE_FILES: [(&str, CacheFile); 8] = [
    ("level", |out, cache, _| writeln!(out, "{}", cache.level)),
    ("type", |out, cache, _| writeln!(out, "{}", cache.kind)),
    ("size", |out, cache, _| writeln!(out, "{}K", cache.kibibytes())),
    ("coherency_line_size", |out, cache, _| writeln!(out, "{}", cache.line)),
    ("ways_of_associativity", |out, cache, _| writeln!(out, "{}", cache.ways)),
    ("number_of_sets", |out, cache, _| writeln!(out, "{}", cache.sets)),
    ("shared_cpu_map", |out, cache, number| {
        writeln!(out, "{:x}", sharers(cache, number))
    }),
    ("shared_cpu_list", |out, cache, number| {
        writeln!(out, "{}", ranges(sharers(cache, number)))
    }),
];

/// The CPUs that have a cache in common with one: they have numbers in a row.
fn sharers(cache: &Cache, number: usize) -> u64 {
    let count = cache.sharers.min(64);
    let first = number & !(count as usize - 1);
    all() & (u64::MAX >> (64 - count) << first)
}

/// There is one memory node, with all CPUs.
fn nodes(folder: Folder) -> Folder {
    let folder = ["online", "possible", "has_cpu", "has_memory", "has_normal_memory"]
        .into_iter()
        .fold(folder, |folder, name| folder.text(name, "0\n"));
    folder.folder("node0", |folder| {
        folder
            .text("distance", "10\n")
            .file("cpulist", |out| {
                out.extend_from_slice((ranges(all()) + "\n").as_bytes());
                Ok(())
            })
            .file("cpumap", |out| {
                out.extend_from_slice(alloc::format!("{:x}\n", all()).as_bytes());
                Ok(())
            })
            .file("meminfo", |out| {
                let usage = hal::mem::usage();
                let kib = |pages: usize| (pages * hal::mem::PAGE_SIZE) >> 10;
                let (total, used) = (kib(usage.total), kib(usage.used));
                let text = alloc::format!(
                    "Node 0 MemTotal: {total:14} kB\nNode 0 MemFree: {:15} kB\nNode 0 MemUsed: {used:15} kB\n",
                    total.saturating_sub(used)
                );
                out.extend_from_slice(text.as_bytes());
                Ok(())
            })
    })
}
