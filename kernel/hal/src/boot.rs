//! What the hypervisor hands over.

/// Bytes of the command line that are kept.
pub(crate) const MAX_COMMAND_LINE: usize = 2048;

/// Given to the kernel's `main`.
pub struct Boot {
    command_line: [u8; MAX_COMMAND_LINE],
    length: usize,
}

impl Default for Boot {
    fn default() -> Self {
        Self {
            command_line: [0; MAX_COMMAND_LINE],
            length: 0,
        }
    }
}

impl Boot {
    /// The words of the kernel's command line; one that is not UTF-8 is left out.
    pub fn arguments(&self) -> impl Iterator<Item = &str> {
        self.command_line[..self.length]
            .split(u8::is_ascii_whitespace)
            .filter_map(|word| core::str::from_utf8(word).ok())
            .filter(|word| !word.is_empty())
    }

    /// Adds a byte of the command line; those that do not fit are left out.
    pub(crate) fn push(&mut self, byte: u8) {
        if let Some(slot) = self.command_line.get_mut(self.length) {
            *slot = byte;
            self.length += 1;
        }
    }
}

/// Makes a function of type `fn(hal::boot::Boot) -> !` the kernel's `main`. It runs on the first CPU, with heap, traps and clocks ready.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        const _: () = {
            #[unsafe(no_mangle)]
            extern "Rust" fn unikernel_main(boot: $crate::boot::Boot) -> ! {
                let main: fn($crate::boot::Boot) -> ! = $main;
                main(boot)
            }
        };
    };
}
