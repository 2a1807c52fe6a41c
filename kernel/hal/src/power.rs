//! The end of the machine.

use crate::sync::SpinLock;
use crate::{arch, console};

static BUTTON: SpinLock<Option<fn()>> = SpinLock::new(None);

/// Ends the machine with an exit status, when the console has sent what it can.
pub fn exit(code: u8) -> ! {
    console::flush();
    end(code)
}

/// Restarts the machine.
pub fn reset() -> ! {
    arch::reset()
}

/// Calls `handler` from [`crate::interrupt::dispatch`] when somebody presses the power button; false when there is none.
pub fn set_button_handler(handler: fn()) -> bool {
    *BUTTON.lock() = Some(handler);
    arch::enable_power_button()
}

/// The button was pressed.
#[cfg_attr(not(target_os = "none"), allow(dead_code, reason = "the host has no button"))]
pub(crate) fn button_pressed() {
    let handler = *BUTTON.lock();
    if let Some(handler) = handler {
        handler();
    }
}

/// Ends the machine in whatever state the kernel is: by the debug exit of QEMU, by ACPI, by a reset.
pub(crate) fn end(code: u8) -> ! {
    arch::debug_exit(code);
    arch::power_off();
    arch::reset()
}
