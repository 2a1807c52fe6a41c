//! The end of a kernel that cannot go on.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::{arch, console, power};

/// What the status channel calls a failure, and the guest's exit status then.
#[derive(Clone, Copy)]
struct Kind {
    event: &'static str,
    code: u8,
}

const FAILURE: Kind = Kind {
    event: "panic",
    code: 255,
};
/// 128 and `SIGKILL`, as when Linux ends a process to get memory back.
const OUT_OF_MEMORY: Kind = Kind {
    event: "oom",
    code: 137,
};
/// How the standard library begins to say that the heap is used up; there is no other sign of it.
const ALLOCATION_FAILED: &[u8] = b"memory allocation of ";

/// The CPU that reports a failure, counted from one; 0 while there is none to report.
static REPORTER: AtomicUsize = AtomicUsize::new(0);
/// How long other CPUs that fail meanwhile leave it to report, in nanoseconds.
const REPORT_TIME: u64 = 10_000_000_000;

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let stack = arch::stack_pointer();
    let kind = if begins_with(format_args!("{}", info.message()), ALLOCATION_FAILED) {
        OUT_OF_MEMORY
    } else {
        FAILURE
    };
    match info.location() {
        Some(place) => report(
            kind,
            format_args!("{} ({}:{})", info.message(), place.file(), place.line()),
            0,
            stack,
        ),
        None => report(kind, format_args!("{}", info.message()), 0, stack),
    }
}

/// Reports and ends the machine. `address` is where it happened, 0 when the return addresses on the stack from `stack` on say it all.
pub(crate) fn fail(message: fmt::Arguments<'_>, address: usize, stack: usize) -> ! {
    report(FAILURE, message, address, stack)
}

fn report(kind: Kind, message: fmt::Arguments<'_>, address: usize, stack: usize) -> ! {
    let Kind { event, code } = kind;
    let this = arch::current_cpu() + 1;
    if let Err(reporter) = REPORTER.compare_exchange(0, this, Ordering::SeqCst, Ordering::SeqCst) {
        // Memory that is used up fails several CPUs at once, and the first has not said so yet.
        let give_up = arch::monotonic_nanoseconds() + REPORT_TIME;
        while reporter != this && arch::monotonic_nanoseconds() < give_up {
            arch::spin_wait();
        }
        // A failure while reporting one: nothing more to say.
        power::end(code);
    }
    console::flush();
    console::emergency(format_args!("\nunikernel: panic: {message}\n"));
    if address != 0 {
        console::emergency(format_args!("unikernel:   at {:#x}\n", arch::link_address(address)));
    }
    arch::backtrace(stack, |address| {
        console::emergency(format_args!("unikernel:   from {address:#x}\n"));
    });
    console::status::emergency(format_args!(
        "{{\"event\":\"{event}\",\"message\":\"{}\",\"code\":{code}}}\n",
        JsonText(message)
    ));
    power::end(code)
}

/// Whether formatted text begins with `start`; looks without allocating.
fn begins_with(text: fmt::Arguments<'_>, start: &[u8]) -> bool {
    struct Matcher<'a>(&'a [u8]);
    impl Write for Matcher<'_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let part = text.len().min(self.0.len());
            self.0 = self.0.strip_prefix(&text.as_bytes()[..part]).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    let mut matcher = Matcher(start);
    matcher.write_fmt(text).is_ok() && matcher.0.is_empty()
}

/// Text as the content of a JSON string.
struct JsonText<'a>(fmt::Arguments<'a>);

impl fmt::Display for JsonText<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Escape<'a, 'b>(&'a mut fmt::Formatter<'b>);
        impl Write for Escape<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                for character in text.chars() {
                    match character {
                        '"' | '\\' => write!(self.0, "\\{character}")?,
                        '\0'..='\x1f' => write!(self.0, "\\u{:04x}", character as u32)?,
                        _ => self.0.write_char(character)?,
                    }
                }
                Ok(())
            }
        }
        Escape(formatter).write_fmt(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_allocation_is_told_from_other_failures() {
        assert!(begins_with(
            format_args!("memory allocation of {} bytes failed", 5),
            ALLOCATION_FAILED
        ));
        assert!(!begins_with(format_args!("memory {}", "lost"), ALLOCATION_FAILED));
        assert!(!begins_with(format_args!("memory"), ALLOCATION_FAILED));
    }

    #[test]
    fn a_message_is_valid_json_text() {
        let text = alloc::format!("{}", JsonText(format_args!("a \"b\" \\ {}\n", 'c')));
        assert_eq!(text, r#"a \"b\" \\ c\u000a"#);
    }
}
