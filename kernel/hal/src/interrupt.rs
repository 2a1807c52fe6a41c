//! Interrupts as notes: a trap only writes down which came, and [`dispatch`] runs their handlers from ordinary kernel code.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::arch;
use crate::sync::SpinLock;

/// Called by [`dispatch`].
pub type Handler = Arc<dyn Fn() + Send + Sync>;

const FIRST_DEVICE_VECTOR: usize = 0x30;
const LAST_DEVICE_VECTOR: usize = 0xef;

static HANDLERS: [SpinLock<Option<Handler>>; 256] = [const { SpinLock::new(None) }; 256];
static NEXT: AtomicUsize = AtomicUsize::new(FIRST_DEVICE_VECTOR);

/// Takes a vector for a device; `None` when there are none left.
pub(crate) fn allocate(handler: Handler) -> Option<usize> {
    let vector = NEXT
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
            (next <= LAST_DEVICE_VECTOR).then_some(next + 1)
        })
        .ok()?;
    set_handler(vector, handler);
    Some(vector)
}

/// Sets the handler of a vector.
pub(crate) fn set_handler(vector: usize, handler: Handler) {
    *HANDLERS[vector].lock() = Some(handler);
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
