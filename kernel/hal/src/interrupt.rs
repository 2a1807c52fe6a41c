//! Interrupts as notes: a trap only writes down which came, and [`dispatch`] runs their handlers from ordinary kernel code.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::arch;
use crate::cpu::{self, MAX_CPUS};
use crate::sync::SpinLock;

/// Called by [`dispatch`].
pub type Handler = Arc<dyn Fn() + Send + Sync>;

const FIRST_DEVICE_VECTOR: usize = 0x30;
const LAST_DEVICE_VECTOR: usize = 0xef;

static HANDLERS: [SpinLock<Option<Handler>>; 256] = [const { SpinLock::new(None) }; 256];
/// What the vectors from [`FIRST_DEVICE_VECTOR`] on are for.
static NAMES: SpinLock<Vec<String>> = SpinLock::new(Vec::new());

/// How often devices' interrupts came, by vector. They come to the first CPU alone.
static FROM_DEVICES: [AtomicU64; 256] = [const { AtomicU64::new(0) }; 256];
/// How often each CPU's own came.
static LOCAL: [[AtomicU64; arch::LOCAL_INTERRUPTS.len()]; MAX_CPUS] =
    [const { [const { AtomicU64::new(0) }; arch::LOCAL_INTERRUPTS.len()] }; MAX_CPUS];

/// Takes a vector for a device; `None` when there are none left. The name is as Linux has it: the controller and the device.
pub(crate) fn allocate(name: String, handler: Handler) -> Option<usize> {
    let mut names = NAMES.lock();
    let vector = FIRST_DEVICE_VECTOR + names.len();
    if vector > LAST_DEVICE_VECTOR {
        return None;
    }
    *HANDLERS[vector].lock() = Some(handler);
    names.push(name);
    Some(vector)
}

/// Counts an interrupt that has come to this CPU.
pub(crate) fn count(vector: usize) {
    let own = arch::LOCAL_INTERRUPTS
        .iter()
        .position(|interrupt| interrupt.0 == vector);
    let counter = match own {
        Some(which) => &LOCAL[cpu::current()][which],
        None => &FROM_DEVICES[vector],
    };
    // Without an atomic addition: there is one writer.
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// How often an interrupt came to each CPU.
pub struct Counts {
    /// The vector of a device's, or what Linux calls the CPUs' own.
    pub label: String,
    /// What it is for.
    pub name: String,
    /// By CPU.
    pub counts: Vec<u64>,
}

/// How often each interrupt came since boot.
pub fn counts() -> Vec<Counts> {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let names = NAMES.lock().clone();
    let devices = names.into_iter().zip(FIRST_DEVICE_VECTOR..).map(|(name, vector)| {
        let mut counts = alloc::vec![0; cpu::count()];
        counts[0] = read(&FROM_DEVICES[vector]);
        let label = alloc::format!("{vector}");
        Counts { label, name, counts }
    });
    let own = arch::LOCAL_INTERRUPTS
        .iter()
        .enumerate()
        .map(|(which, &(_, label, name))| Counts {
            label: label.into(),
            name: name.into(),
            counts: LOCAL
                .iter()
                .take(cpu::count())
                .map(|counters| read(&counters[which]))
                .collect(),
        });
    devices.chain(own).collect()
}

/// Runs the handlers of the interrupts that have come to this CPU. Call it after `Trap::Interrupt` and in the idle loop.
pub fn dispatch() {
    crate::console::send_some();
    arch::refine_clock();
    arch::take_interrupts(|vector| {
        let handler = HANDLERS[vector].lock().clone();
        if let Some(handler) = handler {
            handler();
        }
    });
}
