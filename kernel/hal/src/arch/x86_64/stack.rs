//! Kernel stacks, with an unmapped page below each.

use super::paging;
use crate::mem::PAGE_SIZE;

/// Pages of the stack on which a CPU runs the kernel.
pub(super) const KERNEL_PAGES: usize = 16;
/// Pages of the stack for faults that the kernel does not survive.
pub(super) const FAULT_PAGES: usize = 2;

/// The top of a fresh stack.
pub(super) fn allocate(pages: usize) -> Option<usize> {
    paging::map_fresh(pages).map(|start| start + pages * PAGE_SIZE)
}
