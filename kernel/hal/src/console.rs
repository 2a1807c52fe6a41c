//! The console (the first serial port) and the status channel (QEMU's debug port).

use core::fmt::{self, Write};

use crate::arch;
use crate::sync::SpinLock;

static OUTPUT: SpinLock<()> = SpinLock::new(());

/// Writes to the console.
pub fn write(bytes: &[u8]) {
    let _guard = OUTPUT.lock();
    send(bytes);
}

/// Sends bytes, waiting for the port.
fn send(bytes: &[u8]) {
    for chunk in bytes.chunks(arch::FIFO_SIZE) {
        while !arch::can_send() {
            core::hint::spin_loop();
        }
        chunk.iter().copied().for_each(arch::send);
    }
}

/// A byte that was typed.
pub fn read() -> Option<u8> {
    arch::receive()
}

/// Writes formatted text to the console at once, in whatever state the kernel is.
pub(crate) fn emergency(text: fmt::Arguments<'_>) {
    struct Raw;
    impl Write for Raw {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            send(text.as_bytes());
            Ok(())
        }
    }
    let _ = Raw.write_fmt(text);
}

/// The status channel: one JSON object a line for whoever started the guest.
pub mod status {
    use super::{arch, fmt};

    /// Writes a line, without its end, when somebody listens.
    pub fn write_line(line: &str) {
        if arch::has_debug_port() {
            arch::debug(line.as_bytes());
            arch::debug(b"\n");
        }
    }

    /// Formatted text without allocation, for panics.
    pub(crate) fn emergency(text: fmt::Arguments<'_>) {
        struct Raw;
        impl fmt::Write for Raw {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                arch::debug(text.as_bytes());
                Ok(())
            }
        }
        if arch::has_debug_port() {
            let _ = fmt::Write::write_fmt(&mut Raw, text);
        }
    }
}
