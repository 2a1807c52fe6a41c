//! Starting programs: ELF files, scripts, and what a program finds on its stack.

mod elf;
mod execute;
mod load;
mod reader;
mod stack;
mod vdso;

pub use elf::{Elf, Kind, LoadSegment, Malformed};
pub use execute::{Command, ExecuteError, Prepared, prepare};
pub use load::{Executable, Image, LoadError, load};
pub use reader::read_exact;
pub use stack::{Start, build_stack, string_limit};
pub use vdso::map_vdso;
