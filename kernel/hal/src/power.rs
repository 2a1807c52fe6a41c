//! The end of the machine.

use crate::arch;

/// Ends the machine with an exit status.
pub fn exit(code: u8) -> ! {
    end(code)
}

/// Restarts the machine.
pub fn reset() -> ! {
    arch::reset()
}

/// Ends the machine in whatever state the kernel is: by the debug exit of QEMU, by ACPI, by a reset.
pub(crate) fn end(code: u8) -> ! {
    arch::debug_exit(code);
    arch::power_off();
    arch::reset()
}
