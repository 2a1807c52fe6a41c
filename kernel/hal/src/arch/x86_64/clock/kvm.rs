//! Asking KVM for its clock, once, at boot. Without it the counter is measured, and the time of day is known to a second.

use core::sync::atomic::{Ordering, fence};

use crate::arch::x86_64::features::{Features, features};
use crate::arch::x86_64::instructions::{cpuid_count, write_msr};
use crate::kvm_clock::{SystemTime, wall_clock};
use crate::mem::Frame;

const WALL_CLOCK: u32 = 0x4b56_4d00;
const SYSTEM_TIME: u32 = 0x4b56_4d01;
/// In `SYSTEM_TIME`, beside the address.
const ENABLE: u64 = 1;
/// The feature bit of both registers.
const CLOCK_SOURCE_2: u32 = 1 << 3;
/// Where the record of `WALL_CLOCK` lies in the page; that of `SYSTEM_TIME` is at its beginning.
const WALL_CLOCK_AT: usize = 64;

/// The counter's speed, and nanoseconds since 1970 at which the host's clock began.
pub(super) struct Told {
    pub(super) clock: SystemTime,
    pub(super) began: u64,
}

/// What KVM tells, where it is there.
pub(super) fn ask() -> Option<Told> {
    if !is_offered() {
        return None;
    }
    let page = Frame::allocate_zeroed()?;
    // SAFETY: KVM has said that it has the registers. It writes within the page, which is this function's until it is disabled again.
    unsafe {
        write_msr(WALL_CLOCK, page.address() + WALL_CLOCK_AT as u64);
        write_msr(SYSTEM_TIME, page.address() | ENABLE);
    }
    let told = read(&page);
    // SAFETY: as above.
    unsafe { write_msr(SYSTEM_TIME, 0) };
    told
}

fn read(page: &Frame) -> Option<Told> {
    const TRIES: usize = 1000;
    let look = || {
        let mut bytes = [0; SystemTime::LENGTH];
        // The host changes what no code here does.
        fence(Ordering::SeqCst);
        page.read(0, &mut bytes);
        SystemTime::parse(&bytes)
    };
    let clock = (0..TRIES).find_map(|_| look().filter(|clock| look() == Some(*clock)))?;
    let mut bytes = [0; 12];
    page.read(WALL_CLOCK_AT, &mut bytes);
    Some(Told {
        clock,
        began: wall_clock(&bytes)?,
    })
}

/// Whether the hypervisor is KVM and has the clock (Linux's Documentation/virt/kvm/x86/cpuid.rst). It may come second after leaves of another one
/// that it imitates.
fn is_offered() -> bool {
    const FIRST: u32 = 0x4000_0000;
    const STEP: u32 = 0x100;
    const LAST: u32 = 0x4000_ff00;
    const SIGNATURE: [u32; 3] = [0x4b4d_564b, 0x564b_4d56, 0x0000_004d];
    if !features().contains(Features::HYPERVISOR) {
        return false;
    }
    let mut base = FIRST;
    while base <= LAST {
        let leaf = cpuid_count(base, 0);
        if [leaf.ebx, leaf.ecx, leaf.edx] == SIGNATURE {
            return cpuid_count(base + 1, 0).eax & CLOCK_SOURCE_2 != 0;
        }
        // Who imitates nobody has one set of leaves.
        if base > FIRST && leaf.eax < base {
            return false;
        }
        base += STEP;
    }
    false
}
