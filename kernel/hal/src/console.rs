//! The console (the first serial port) and the status channel (QEMU's debug port).
//!
//! Output goes into a buffer that is sent when the CPU has nothing better to do, so a slow port never slows the application.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::arch;
use crate::sync::SpinLock;

/// Bytes that wait for a slow port before output is lost.
const LARGEST_BUFFER: usize = 256 << 10;
/// Bytes that are sent at once before the caller looks at its devices again.
const STEP: usize = 64;
/// Bytes from which on a write sends what the port takes at once.
const HIGH_WATER: usize = 16 << 10;
/// Bytes that wait at most for who looks at [`room`], and those below which there is room again.
const PATIENT_BUFFER: usize = 4096;
const LOW_WATER: usize = 1024;
/// How long the port may take nothing when the machine ends before the rest is lost, in nanoseconds.
const FLUSH_TIME: u64 = 5_000_000_000;

/// How long another CPU may take to send its part when the machine ends, in nanoseconds: this one may have failed while it sent.
const LOCK_TIME: u64 = 1_000_000_000;

static OUTPUT: SpinLock<Output> = SpinLock::new(Output {
    buffer: VecDeque::new(),
    lost: 0,
});
/// Length of the buffer, so that a look costs no lock.
static WAITING: AtomicUsize = AtomicUsize::new(0);

struct Output {
    buffer: VecDeque<u8>,
    /// Bytes that did not fit.
    lost: usize,
}

impl Output {
    fn add(&mut self, bytes: &[u8]) -> bool {
        let fits = self.buffer.len() + bytes.len() <= LARGEST_BUFFER && self.buffer.try_reserve(bytes.len()).is_ok();
        if fits {
            self.buffer.extend(bytes);
        }
        fits
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.buffer.len() + bytes.len() > HIGH_WATER {
            self.send(usize::MAX);
        }
        if self.lost > 0 && bytes.len() + self.buffer.len() <= LARGEST_BUFFER / 2 {
            let mut note = Text::default();
            let _ = writeln!(
                note,
                "unikernel: {} bytes of output were lost, the console is too slow",
                self.lost
            );
            if self.add(note.bytes()) {
                self.lost = 0;
            }
        }
        if !self.add(bytes) {
            self.lost += bytes.len();
        }
    }

    /// Sends up to `limit` bytes, as long as the port takes them at once.
    fn send(&mut self, limit: usize) {
        let mut left = limit;
        while left > 0 && !self.buffer.is_empty() && arch::can_send() {
            let count = arch::FIFO_SIZE.min(left).min(self.buffer.len());
            self.buffer.drain(..count).for_each(arch::send);
            left -= count;
        }
        if self.buffer.is_empty() && self.buffer.capacity() > HIGH_WATER {
            self.buffer = VecDeque::new();
        }
        WAITING.store(self.buffer.len(), Ordering::Relaxed);
    }
}

/// A line without allocation.
struct Text {
    bytes: [u8; 128],
    length: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            bytes: [0; 128],
            length: 0,
        }
    }
}

impl Text {
    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self
            .bytes
            .get_mut(self.length..self.length + text.len())
            .ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length += text.len();
        Ok(())
    }
}

/// Writes to the console: all of the bytes together, without waiting. When the port has been too slow for long, they are lost and a line
/// says later how many.
pub fn write(bytes: &[u8]) {
    let mut output = OUTPUT.lock();
    output.write(bytes);
    WAITING.store(output.buffer.len(), Ordering::Relaxed);
}

/// Whether somebody looks at the console with a terminal that does not go back to the first column of itself.
static TERMINAL: AtomicBool = AtomicBool::new(false);

/// Says that the console is a terminal from now on: lines of the kernel's own end as such a one needs it.
pub fn set_terminal() {
    TERMINAL.store(true, Ordering::Relaxed);
}

/// Writes a line of the kernel's own.
pub fn write_line(text: fmt::Arguments<'_>) {
    let end = if TERMINAL.load(Ordering::Relaxed) { "\r\n" } else { "\n" };
    write(alloc::format!("unikernel: {text}{end}").as_bytes());
}

/// Sends a part of what waits; false when nothing more can be sent now. [`crate::cpu::idle`] does it as well.
pub fn send_some() -> bool {
    if WAITING.load(Ordering::Relaxed) == 0 {
        return false;
    }
    // Another CPU that holds the lock sends or will.
    let Some(mut output) = OUTPUT.try_lock() else {
        return false;
    };
    let before = output.buffer.len();
    output.send(STEP);
    let after = output.buffer.len();
    drop(output);
    if before > LOW_WATER && after <= LOW_WATER {
        let handler = *DRAINED.lock();
        if let Some(handler) = handler {
            handler();
        }
    }
    after > 0 && after < before
}

/// Whether something waits for the port, which tells nobody when it takes more.
pub fn is_sending() -> bool {
    WAITING.load(Ordering::Relaxed) > 0
}

/// Bytes that somebody writes who would rather wait than lose one: what fits into a buffer that a reader sees the end of soon.
pub fn room() -> usize {
    PATIENT_BUFFER.saturating_sub(WAITING.load(Ordering::Relaxed))
}

/// Calls `handler` when there is room again after there was none.
pub fn set_drained_handler(handler: fn()) {
    *DRAINED.lock() = Some(handler);
}

static DRAINED: SpinLock<Option<fn()>> = SpinLock::new(None);

/// Sends everything that waits, and waits until it has left the port: what is still in it when the machine ends is lost. A reader that is slow
/// is waited for, one that takes nothing for long is not.
pub(crate) fn flush() {
    let give_up = arch::monotonic_nanoseconds() + LOCK_TIME;
    let mut output = loop {
        match OUTPUT.try_lock() {
            Some(output) => break output,
            None if arch::monotonic_nanoseconds() >= give_up => return,
            None => arch::spin_wait(),
        }
    };
    let mut deadline = arch::monotonic_nanoseconds() + FLUSH_TIME;
    while (!output.buffer.is_empty() || !arch::has_sent()) && arch::monotonic_nanoseconds() < deadline {
        let before = output.buffer.len();
        output.send(usize::MAX);
        if output.buffer.len() < before {
            deadline = arch::monotonic_nanoseconds() + FLUSH_TIME;
        }
    }
}

/// A byte that was typed.
pub fn read() -> Option<u8> {
    arch::receive()
}

/// Calls `handler` from [`crate::interrupt::dispatch`] when bytes come in.
pub fn set_input_handler(handler: fn()) {
    *INPUT.lock() = Some(handler);
    arch::enable_serial_interrupt(Arc::new(|| {
        let handler = *INPUT.lock();
        if let Some(handler) = handler {
            handler();
        }
    }));
}

static INPUT: SpinLock<Option<fn()>> = SpinLock::new(None);

/// Writes formatted text to the console at once, in whatever state the kernel is.
pub(crate) fn emergency(text: fmt::Arguments<'_>) {
    struct Raw;
    impl Write for Raw {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for chunk in text.as_bytes().chunks(arch::FIFO_SIZE) {
                // A port that never gets ready must not keep the machine from ending.
                (0..1_000_000).find(|_| arch::can_send());
                chunk.iter().copied().for_each(arch::send);
            }
            Ok(())
        }
    }
    let _ = Raw.write_fmt(text);
}

/// The status channel: one JSON object a line for whoever started the guest.
pub mod status {
    use super::{SpinLock, arch, fmt};

    /// Held for the whole of a line: each byte of it goes out by itself.
    static LINE: SpinLock<()> = SpinLock::new(());

    /// Writes a line, without its end, when somebody listens.
    pub fn write_line(line: &str) {
        if arch::has_debug_port() {
            let _whole = LINE.lock();
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
            let whole = (0..1_000_000).find_map(|_| LINE.try_lock());
            if whole.is_none() {
                // Who holds it was stopped in the middle of a line, which ends here.
                arch::debug(b"\n");
            }
            let _ = fmt::Write::write_fmt(&mut Raw, text);
        }
    }
}
