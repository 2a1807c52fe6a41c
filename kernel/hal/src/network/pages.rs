//! Packets to send, in pages that a device reads.

use alloc::vec::Vec;

use crate::dma::Buffer;
use crate::mem::PAGE_SIZE;

/// The most pages kept for other packets, of those that were taken as they were needed.
const SPARE: usize = 32;

/// Where a packet is: in whole pages, but for the last. Most take one, and no memory for a list.
pub(crate) struct Pages {
    pub(crate) first: Buffer,
    others: Vec<Buffer>,
    /// Bytes in the last.
    last: usize,
}

impl Pages {
    pub(crate) fn count(&self) -> usize {
        1 + self.others.len()
    }

    /// Bytes in all of them.
    pub(crate) fn length(&self) -> usize {
        self.others.len() * PAGE_SIZE + self.last
    }

    /// What is in the first page.
    pub(crate) fn start(&self) -> &[u8] {
        &self.first.bytes()[..self.length().min(PAGE_SIZE)]
    }

    /// Each with how many bytes are in it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Buffer, usize)> {
        let pages = core::iter::once(&self.first).chain(&self.others);
        pages.zip(self.used())
    }

    /// Hands them over, each with how many bytes are in it.
    pub(crate) fn into_parts(self) -> impl Iterator<Item = (Buffer, usize)> {
        let used = self.used();
        core::iter::once(self.first).chain(self.others).zip(used)
    }

    fn used(&self) -> impl Iterator<Item = usize> + use<> {
        let (others, last) = (self.others.len(), self.last);
        core::iter::repeat_n(PAGE_SIZE, others).chain([last])
    }
}

/// Where pages for packets to send come from, and where they go back to.
pub(crate) struct Store {
    spare: Vec<Buffer>,
    /// The highest address of a page that the device reaches; `None` where it knows a list of pages, and others are not taken.
    highest: Option<u64>,
}

impl Store {
    /// Takes pages as they are needed, for a device that reaches them up to an address.
    pub(crate) fn up_to(highest: u64) -> Self {
        Self {
            spare: Vec::new(),
            highest: Some(highest),
        }
    }

    /// Has these pages and no others.
    pub(crate) fn of(pages: Vec<Buffer>) -> Self {
        Self {
            spare: pages,
            highest: None,
        }
    }

    /// Copies a packet into pages, behind `reserved` bytes at the start of the first, fewer than a page. `None` when there are too few.
    pub(crate) fn copy(&mut self, reserved: usize, pieces: &mut dyn Iterator<Item = &[u8]>) -> Option<Pages> {
        let mut pages = Pages {
            first: self.page()?,
            others: Vec::new(),
            last: reserved,
        };
        for mut piece in pieces {
            while !piece.is_empty() {
                if pages.last == PAGE_SIZE {
                    let Some(page) = self.page() else {
                        self.keep(pages);
                        return None;
                    };
                    pages.others.push(page);
                    pages.last = 0;
                }
                let used = pages.last;
                let part = piece.len().min(PAGE_SIZE - used);
                let page = pages.others.last_mut().unwrap_or(&mut pages.first);
                page.bytes_mut()[used..used + part].copy_from_slice(&piece[..part]);
                pages.last += part;
                piece = &piece[part..];
            }
        }
        Some(pages)
    }

    fn page(&mut self) -> Option<Buffer> {
        let Some(highest) = self.highest else {
            return self.spare.pop();
        };
        let page = self.spare.pop().or_else(Buffer::page)?;
        (page.address() <= highest).then_some(page)
    }

    /// Takes the pages of a packet back.
    pub(crate) fn keep(&mut self, pages: Pages) {
        pages.into_parts().for_each(|(page, _)| self.keep_page(page));
    }

    /// Takes one page back.
    pub(crate) fn keep_page(&mut self, page: Buffer) {
        if self.highest.is_none() || self.spare.len() < SPARE {
            self.spare.push(page);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(store: &mut Store, reserved: usize, length: usize) -> Option<Pages> {
        let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let mut pieces = bytes.chunks(1000);
        store.copy(reserved, &mut pieces)
    }

    #[test]
    fn packets_are_copied_page_by_page() {
        let mut store = Store::up_to(u64::MAX);
        for (reserved, length) in [
            (0, 0),
            (0, 1),
            (0, 4096),
            (0, 4097),
            (12, 4084),
            (12, 4085),
            (0, 65_535),
        ] {
            let pages = fill(&mut store, reserved, length).expect("memory");
            assert_eq!(pages.length(), reserved + length);
            assert_eq!(pages.count(), (reserved + length).div_ceil(PAGE_SIZE).max(1));
            assert_eq!(pages.start().len(), (reserved + length).min(PAGE_SIZE));
            let parts = pages.into_parts();
            let bytes: Vec<u8> = parts.flat_map(|(page, used)| page.bytes()[..used].to_vec()).collect();
            let matches = |(at, &byte): (usize, &u8)| byte == (at % 251) as u8;
            assert!(bytes[reserved..].iter().enumerate().all(matches), "{length} bytes");
        }
    }

    #[test]
    fn a_list_of_pages_loses_none() {
        let run = Buffer::run(3).expect("memory");
        let first = run[0].address();
        let mut store = Store::of(run);
        for _ in 0..10 {
            assert!(fill(&mut store, 0, 4 * PAGE_SIZE).is_none(), "too few");
            let pages = fill(&mut store, 0, 3 * PAGE_SIZE).expect("enough");
            assert!(fill(&mut store, 0, 1).is_none(), "none left");
            let inside = first..first + 3 * PAGE_SIZE as u64;
            assert!(pages.iter().all(|(page, _)| inside.contains(&page.address())));
            store.keep(pages);
        }
    }

    #[test]
    fn pages_out_of_reach_are_not_used() {
        assert!(fill(&mut Store::up_to(4095), 0, 1).is_none());
    }
}
