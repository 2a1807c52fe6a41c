//! The end of a kernel that cannot go on.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};

use crate::{arch, console, power};

/// Exit status of a guest whose kernel failed.
const EXIT_CODE: u8 = 255;

static FAILING: AtomicBool = AtomicBool::new(false);

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let stack = arch::stack_pointer();
    match info.location() {
        Some(place) => fail(
            format_args!("{} ({}:{})", info.message(), place.file(), place.line()),
            0,
            stack,
        ),
        None => fail(format_args!("{}", info.message()), 0, stack),
    }
}

/// Reports and ends the machine. `address` is where it happened, 0 when the return addresses on the stack from `stack` on say it all.
pub(crate) fn fail(message: fmt::Arguments<'_>, address: usize, stack: usize) -> ! {
    if FAILING.swap(true, Ordering::SeqCst) {
        // A failure while reporting one, or on another CPU meanwhile: nothing more to say.
        power::end(EXIT_CODE);
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
        "{{\"event\":\"panic\",\"message\":\"{}\",\"code\":{EXIT_CODE}}}\n",
        JsonText(message)
    ));
    power::end(EXIT_CODE)
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
    fn a_message_is_valid_json_text() {
        let text = alloc::format!("{}", JsonText(format_args!("a \"b\" \\ {}\n", 'c')));
        assert_eq!(text, r#"a \"b\" \\ c\u000a"#);
    }
}
