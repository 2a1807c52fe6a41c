//! The machine and the process as a whole: limits, usage, names, random numbers.

use abi::{Errno, Timeval};
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use linux_raw_sys::general as linux;
use zerocopy::{Immutable, IntoBytes};

use super::turn::Turns;
use super::{Call, Result};
use crate::process::{Capability, Counts, ExitStatus, Limit, Personality, Process, Resource, Thread, family};
use hal::mem::PAGE_SIZE;

/// Linux's release whose interface this kernel offers.
pub const RELEASE: &str = "6.1.0-unikernel";

pub(super) async fn uname(thread: &Thread, call: &Call) -> Result {
    const FIELD: usize = 65;
    let host = crate::system::host_name();
    let mut record = [0_u8; 6 * FIELD];
    let values: [&[u8]; 6] = [
        b"Linux",
        &host,
        RELEASE.as_bytes(),
        b"#1 pulumi-unikernel",
        hal::cpu::ARCHITECTURE.as_bytes(),
        &crate::system::domain_name(),
    ];
    for (field, value) in record.chunks_exact_mut(FIELD).zip(values) {
        let length = value.len().min(FIELD - 1);
        field[..length].copy_from_slice(&value[..length]);
    }
    thread.memory.write_bytes(call.word(0), &record).await?;
    Ok(0)
}

/// The name that `sethostname(2)` and `setdomainname(2)` set.
async fn name(thread: &Thread, call: &Call) -> Result<Vec<u8>> {
    const MAX: usize = 64;
    if !thread.process.can(Capability::SYS_ADMIN) {
        return Err(Errno::PERM.into());
    }
    if call.word(1) > MAX {
        return Err(Errno::INVAL.into());
    }
    Ok(thread.memory.read_array(call.word(0), call.word(1)).await?)
}

pub(super) async fn sethostname(thread: &Thread, call: &Call) -> Result {
    crate::system::set_host_name(name(thread, call).await?);
    Ok(0)
}

pub(super) async fn setdomainname(thread: &Thread, call: &Call) -> Result {
    crate::system::set_domain_name(name(thread, call).await?);
    Ok(0)
}

/// `reboot(magic, magic2, command, argument)`: both ways to end the machine end it. Who starts it again is its owner's.
pub(super) async fn reboot(thread: &Thread, call: &Call) -> Result {
    if !thread.process.can(Capability::SYS_BOOT) {
        return Err(Errno::PERM.into());
    }
    let second = [
        linux::LINUX_REBOOT_MAGIC2,
        linux::LINUX_REBOOT_MAGIC2A,
        linux::LINUX_REBOOT_MAGIC2B,
        linux::LINUX_REBOOT_MAGIC2C,
    ];
    if call.unsigned(0) != linux::LINUX_REBOOT_MAGIC1 || !second.contains(&call.unsigned(1)) {
        return Err(Errno::INVAL.into());
    }
    match call.unsigned(2) {
        // What Ctrl-Alt-Del does, which nobody types.
        linux::LINUX_REBOOT_CMD_CAD_ON | linux::LINUX_REBOOT_CMD_CAD_OFF => Ok(0),
        linux::LINUX_REBOOT_CMD_RESTART
        | linux::LINUX_REBOOT_CMD_RESTART2
        | linux::LINUX_REBOOT_CMD_HALT
        | linux::LINUX_REBOOT_CMD_POWER_OFF => crate::system::application_ended(ExitStatus::Code(0)).await,
        _ => Err(Errno::INVAL.into()),
    }
}

#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct SystemInformation {
    uptime: u64,
    loads: [u64; 3],
    total_memory: u64,
    free_memory: u64,
    shared_memory: u64,
    buffers: u64,
    total_swap: u64,
    free_swap: u64,
    processes: u16,
    padding: [u8; 6],
    total_high: u64,
    free_high: u64,
    unit: u32,
    end: u32,
}

pub(super) async fn sysinfo(thread: &Thread, call: &Call) -> Result {
    let usage = hal::mem::usage();
    let record = SystemInformation {
        uptime: hal::time::monotonic() / 1_000_000_000,
        // In 2^-16 parts.
        loads: crate::describe::load::averages().map(|average| average << 5),
        total_memory: (usage.total * PAGE_SIZE) as u64,
        free_memory: ((usage.total - usage.used) * PAGE_SIZE) as u64,
        shared_memory: 0,
        buffers: 0,
        total_swap: 0,
        free_swap: 0,
        processes: family::all()
            .iter()
            .map(|process| process.thread_count())
            .sum::<usize>() as u16,
        padding: [0; 6],
        total_high: 0,
        free_high: 0,
        unit: 1,
        end: 0,
    };
    thread.memory.write(call.word(0), &record).await?;
    Ok(0)
}

pub(super) async fn getrlimit(thread: &Thread, number: usize, address: usize) -> Result {
    let limit = thread.process.limits.lock().get_number(number)?;
    thread.memory.write(address, &limit).await?;
    Ok(0)
}

pub(super) async fn setrlimit(thread: &Thread, number: usize, address: usize) -> Result {
    set_limit_of(thread, &thread.process, number, address).await?;
    Ok(0)
}

async fn set_limit_of(thread: &Thread, process: &Process, number: usize, address: usize) -> Result<()> {
    let limit = thread.memory.read::<Limit>(address).await?;
    let privileged = thread.process.can(Capability::SYS_RESOURCE);
    process.limits.lock().set_number(number, limit, privileged)?;
    if number == Resource::Cpu as usize {
        process.watch_cpu_time();
    }
    if number == Resource::Stack as usize
        && let Some(memory) = process.memory()
    {
        memory.stack_limit.store(limit.soft as usize, Ordering::Relaxed);
    }
    Ok(())
}

pub(super) async fn prlimit64(thread: &Thread, call: &Call) -> Result {
    let process = match call.int(0) {
        0 => thread.process.clone(),
        pid => family::find(pid).ok_or(Errno::SRCH)?,
    };
    let user = |process: &Process| process.with_credentials(|own| own.uid);
    if !thread.process.can(Capability::SYS_RESOURCE) && user(&process) != user(&thread.process) {
        return Err(Errno::PERM.into());
    }
    let number = call.unsigned(1) as usize;
    let old = process.limits.lock().get_number(number)?;
    if call.word(2) != 0 {
        set_limit_of(thread, &process, number, call.word(2)).await?;
    }
    if call.word(3) != 0 {
        thread.memory.write(call.word(3), &old).await?;
    }
    Ok(0)
}

/// `struct rusage`, as far as it is kept.
#[derive(Default, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct ResourceUsage {
    user: Timeval,
    system: Timeval,
    peak_resident: u64,
    // Of memory that is used over time.
    unkept: [u64; 3],
    minor_faults: u64,
    major_faults: u64,
    // Of swapping, blocks, messages and signals.
    others: [u64; 6],
    voluntary_switches: u64,
    involuntary_switches: u64,
}

impl ResourceUsage {
    /// With nanoseconds in user mode and in the kernel.
    pub(super) fn of((user, system): (u64, u64)) -> Self {
        Self {
            user: Timeval::from_nanoseconds(user),
            system: Timeval::from_nanoseconds(system),
            ..Self::default()
        }
    }

    fn with(self, counts: Counts) -> Self {
        Self {
            minor_faults: counts.minor_faults,
            major_faults: counts.major_faults,
            voluntary_switches: counts.voluntary_switches,
            involuntary_switches: counts.involuntary_switches,
            ..self
        }
    }
}

pub(super) async fn getrusage(thread: &Thread, call: &Call) -> Result {
    const SELF: i32 = 0;
    const CHILDREN: i32 = -1;
    const THREAD: i32 = 1;
    let mut usage = match call.int(0) {
        SELF => ResourceUsage::of(thread.process.cpu_times()).with(thread.process.counts()),
        THREAD => ResourceUsage::of(thread.cpu_time.get()).with(thread.counters.get()),
        CHILDREN => ResourceUsage::of(thread.process.kinship.children_times()),
        _ => return Err(Errno::INVAL.into()),
    };
    if call.int(0) != CHILDREN {
        usage.peak_resident = (thread.memory.peak_resident() * PAGE_SIZE / 1024) as u64;
    }
    thread.memory.write(call.word(1), &usage).await?;
    Ok(0)
}

pub(super) async fn times(thread: &Thread, call: &Call) -> Result {
    const TICK: u64 = 10_000_000;
    let (own, children) = (thread.process.cpu_times(), thread.process.kinship.children_times());
    if call.word(0) != 0 {
        let ticks = [own.0, own.1, children.0, children.1].map(|time| time / TICK);
        thread.memory.write(call.word(0), &ticks).await?;
    }
    Ok((hal::time::monotonic() / TICK) as usize)
}

pub(super) async fn getrandom(thread: &Thread, call: &Call) -> Result {
    let known = linux::GRND_NONBLOCK | linux::GRND_RANDOM | linux::GRND_INSECURE;
    if call.unsigned(2) & !known != 0 {
        return Err(Errno::INVAL.into());
    }
    let length = call.word(1).min(i32::MAX as usize);
    let mut chunk = [0; 256];
    let mut done = 0;
    let mut turns = Turns::default();
    while done < length {
        let part = chunk.len().min(length - done);
        hal::random::fill(&mut chunk[..part]);
        match thread
            .memory
            .write_bytes(call.word(0).wrapping_add(done), &chunk[..part])
            .await
        {
            Ok(()) => done += part,
            Err(errno) if done == 0 => return Err(errno.into()),
            Err(_) => break,
        }
        if !turns.after(thread, part).await {
            break;
        }
    }
    Ok(done)
}

pub(super) fn personality(thread: &Thread, call: &Call) -> usize {
    const ASK: u32 = u32::MAX;
    let process = &thread.process;
    let old = match call.unsigned(0) {
        ASK => process.personality(),
        new => process.set_personality(Personality::from_bits_retain(new)),
    };
    old.bits() as usize
}
