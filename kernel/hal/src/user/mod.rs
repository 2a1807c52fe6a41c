//! User mode: page tables, threads' registers, and access to user memory.

mod context;
mod memory;
mod table;

use bitflags::bitflags;

pub use context::{RegisterFile, Trap, UserContext};
pub use memory::{
    WordOperation, compare_exchange_u32, copy_frame_from_user, copy_frame_to_user, copy_from_user, copy_to_user,
    fetch_op_u32, fill_user, load_u32,
};
pub use table::{Candidate, Mapping, OutOfMemory, PageTable, Present, table_pages};

/// The first address that is no user address: user memory ends a page before the hole of the canonical addresses.
pub const USER_END: usize = 0x7fff_ffff_f000;

/// An access to user memory met a page that is not there or does not allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreachable;

bitflags! {
    /// What user mode may do with a page.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Access: u8 {
        /// Read. A page with any right can be read on x86-64.
        const READ = 1;
        /// Write.
        const WRITE = 1 << 1;
        /// Execute.
        const EXECUTE = 1 << 2;
        /// With both [`Access::WRITE`] and [`Access::EXECUTE`]: allow a page that has both, which is refused otherwise.
        const WRITE_AND_EXECUTE = 1 << 3;
    }
}
