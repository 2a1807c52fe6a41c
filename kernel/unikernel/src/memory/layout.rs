//! Address space layout randomisation, in pages: 28 bits for mappings and programs as on Linux, 24 for the stack (Linux: 22), 13 for the
//! heap and for mappings at low addresses.

use core::ops::RangeInclusive;

use hal::mem::PAGE_SIZE;

use hal::random;
use hal::user::USER_END;

/// What the top of the stack varies by, in bits of pages.
const STACK_BITS: u32 = 24;
/// Bytes kept free between the highest mapping and the top of the stack beside its random offset: its limit, within what Linux allows.
const STACK_ROOM: RangeInclusive<usize> = 128 << 20..=USER_END / 6 * 5;
/// Where mappings at low addresses begin at the least, as on Linux.
const LOW_BASE: usize = 0x4000_0000;
/// Where position-independent programs go at the least.
const PROGRAM_BASE: usize = 0x5555_5555_4000;

/// Where the parts of an address space go. Chosen anew for each program.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The highest end of a mapping whose place the kernel chooses.
    pub mmap_base: usize,
    /// The lowest start of a mapping that asks for low addresses.
    pub low_base: usize,
    /// The end of the stack.
    pub stack_top: usize,
    /// Where a position-independent program is loaded.
    pub program_base: usize,
    /// Bytes between the end of the program and the heap.
    pub break_gap: usize,
}

impl Layout {
    /// Random places, for a stack of this size at the most.
    pub fn random(stack_limit: usize) -> Self {
        Self::varied(stack_limit, random::number)
    }

    /// The same places each time (`ADDR_NO_RANDOMIZE`).
    pub fn fixed(stack_limit: usize) -> Self {
        Self::varied(stack_limit, || 0)
    }

    fn varied(stack_limit: usize, number: fn() -> u64) -> Self {
        let room = stack_limit.clamp(*STACK_ROOM.start(), *STACK_ROOM.end()) & !(PAGE_SIZE - 1);
        let pages = |bits: u32| (number() as usize & ((1 << bits) - 1)) * PAGE_SIZE;
        let stack_top = USER_END - pages(STACK_BITS) - PAGE_SIZE;
        Self {
            mmap_base: USER_END - (PAGE_SIZE << STACK_BITS) - room - pages(28),
            low_base: LOW_BASE + pages(13),
            stack_top,
            program_base: PROGRAM_BASE + pages(28),
            break_gap: pages(13),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_whole_pages_and_apart() {
        for limit in [0, 8 << 20, (1 << 30) + 1, usize::MAX].repeat(250) {
            let layout = Layout::random(limit);
            for place in [
                layout.mmap_base,
                layout.low_base,
                layout.stack_top,
                layout.program_base,
                layout.break_gap,
            ] {
                assert!(place.is_multiple_of(PAGE_SIZE), "{layout:x?}");
            }
            assert!(layout.stack_top < USER_END && layout.stack_top - layout.mmap_base > limit.min(1 << 40));
        }
    }
}
