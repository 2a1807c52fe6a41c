//! What a process wants to be different from Linux's usual ways (`personality(2)`).

use core::sync::atomic::Ordering;

use bitflags::bitflags;

use super::Process;

bitflags! {
    /// The flags that have an effect; others are kept and told.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Personality: u32 {
        /// `ADDR_NO_RANDOMIZE`
        const NO_RANDOMIZE = 0x004_0000;
        /// `READ_IMPLIES_EXEC`
        const READ_IMPLIES_EXECUTE = 0x040_0000;
        /// What a program that gets rights by its file must not have from who runs it: these two, `MMAP_PAGE_ZERO` and `ADDR_COMPAT_LAYOUT`.
        const NOT_SECURE = 0x074_0000;
        const _ = !0;
    }
}

impl Process {
    /// As it is now.
    pub fn personality(&self) -> Personality {
        Personality::from_bits_retain(self.personality.load(Ordering::Relaxed))
    }

    /// Changes it, and returns what it was.
    pub fn set_personality(&self, new: Personality) -> Personality {
        Personality::from_bits_retain(self.personality.swap(new.bits(), Ordering::Relaxed))
    }

    /// What is left of it for a program that is run: 64-bit programs say themselves what is executable.
    pub fn reset_personality(&self, is_secure: bool) {
        let gone = if is_secure {
            Personality::NOT_SECURE
        } else {
            Personality::READ_IMPLIES_EXECUTE
        };
        self.set_personality(self.personality().difference(gone));
    }
}
