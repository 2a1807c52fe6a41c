//! The buddy system over page numbers: contiguous runs, merged when they are freed.

/// The largest block is 2^18 pages, 1 GiB.
const ORDERS: usize = 19;
const NONE: u32 = u32::MAX;
/// In `orders`: the page does not begin a free block.
const NOT_FREE: u8 = u8::MAX;

/// Neighbours of a free block in the list of its order.
#[derive(Clone, Copy)]
pub(crate) struct Link {
    next: u32,
    previous: u32,
}

/// Free pages by number. Its tables lie outside the pages, so that a free page is never touched.
pub(crate) struct Buddy {
    links: &'static mut [Link],
    orders: &'static mut [u8],
    heads: [u32; ORDERS],
    free: usize,
}

impl Link {
    /// In no list.
    #[cfg(test)]
    pub(crate) const EMPTY: Self = Self {
        next: NONE,
        previous: NONE,
    };
}

impl Buddy {
    /// With no free page. Both tables have one entry for each page number.
    pub(crate) fn new(links: &'static mut [Link], orders: &'static mut [u8]) -> Self {
        assert_eq!(links.len(), orders.len());
        orders.fill(NOT_FREE);
        Self {
            links,
            orders,
            heads: [NONE; ORDERS],
            free: 0,
        }
    }

    /// How many pages are free.
    pub(crate) fn free_pages(&self) -> usize {
        self.free
    }

    /// Takes `count` consecutive pages, beginning at a multiple of `count` rounded up to a power of two.
    pub(crate) fn allocate(&mut self, count: usize) -> Option<usize> {
        let order = count.next_power_of_two().trailing_zeros() as usize;
        let found = (order..ORDERS).find(|&candidate| self.heads[candidate] != NONE)?;
        let start = self.heads[found] as usize;
        self.remove(start, found);
        for lower in (order..found).rev() {
            self.insert(start + (1 << lower), lower);
        }
        self.free -= 1 << order;
        let surplus = (1 << order) - count;
        if surplus > 0 {
            self.release(start + count, surplus);
        }
        Some(start)
    }

    /// Makes `count` pages from `start` on free.
    pub(crate) fn release(&mut self, mut start: usize, mut count: usize) {
        self.free += count;
        while count > 0 {
            let aligned = (start.trailing_zeros() as usize).min(ORDERS - 1);
            let order = aligned.min(count.ilog2() as usize);
            self.release_block(start, order);
            start += 1 << order;
            count -= 1 << order;
        }
    }

    fn release_block(&mut self, mut start: usize, mut order: usize) {
        while order + 1 < ORDERS {
            let other = start ^ (1 << order);
            if self.orders.get(other) != Some(&(order as u8)) {
                break;
            }
            self.remove(other, order);
            start &= other;
            order += 1;
        }
        self.insert(start, order);
    }

    fn insert(&mut self, start: usize, order: usize) {
        debug_assert_eq!(self.orders[start], NOT_FREE, "page {start:#x} is freed twice");
        let next = self.heads[order];
        self.links[start] = Link { next, previous: NONE };
        if next != NONE {
            self.links[next as usize].previous = start as u32;
        }
        self.heads[order] = start as u32;
        self.orders[start] = order as u8;
    }

    fn remove(&mut self, start: usize, order: usize) {
        let Link { next, previous } = self.links[start];
        match previous {
            NONE => self.heads[order] = next,
            _ => self.links[previous as usize].next = next,
        }
        if next != NONE {
            self.links[next as usize].previous = previous;
        }
        self.orders[start] = NOT_FREE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    fn buddy(pages: usize) -> Buddy {
        Buddy::new(vec![Link::EMPTY; pages].leak(), vec![0; pages].leak())
    }

    #[test]
    fn random_runs_never_overlap_and_merge_again() {
        let mut buddy = buddy(1000);
        buddy.release(3, 997);
        let mut owner = vec![false; 1000];
        let mut runs: Vec<(usize, usize)> = Vec::new();
        let mut state = 12345u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as usize
        };
        for _ in 0..20_000 {
            let count = random() % 20 + 1;
            if random() % 2 == 0
                && let Some(start) = buddy.allocate(count)
            {
                assert!(start >= 3 && !owner[start..start + count].contains(&true));
                owner[start..start + count].fill(true);
                runs.push((start, count));
            } else if !runs.is_empty() {
                let (start, count) = runs.swap_remove(random() % runs.len());
                owner[start..start + count].fill(false);
                buddy.release(start, count);
            }
            assert_eq!(buddy.free_pages(), owner[3..].iter().filter(|&&taken| !taken).count());
        }
        for (start, count) in runs {
            buddy.release(start, count);
        }
        assert_eq!(buddy.allocate(256), Some(256));
    }

    #[test]
    fn a_run_is_contiguous_and_its_surplus_stays_free() {
        let mut buddy = buddy(64);
        buddy.release(0, 64);
        let start = buddy.allocate(5).expect("64 pages are free");
        assert_eq!(start % 8, 0);
        assert_eq!(buddy.free_pages(), 59);
        buddy.release(start, 5);
        assert_eq!(buddy.allocate(64), Some(0), "everything merged into one block");
        assert_eq!(buddy.allocate(1), None);
    }

    #[test]
    fn neighbours_outside_the_managed_range_do_not_merge() {
        let mut buddy = buddy(7);
        buddy.release(1, 6);
        let mut all: Vec<_> = core::iter::from_fn(|| buddy.allocate(1)).collect();
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3, 4, 5, 6]);
    }
}
