//! Lists of pages that queues have their buffers in.

use alloc::vec::Vec;
use core::fmt;

use super::admin::Outcome;
use super::configuration::Format;
use super::defs::admin;
use super::fields::{be32, be64};
use super::state::State;
use crate::dma::reach::Reach;
use crate::mem::PAGE_SIZE;

const PAGE: u64 = PAGE_SIZE as u64;

pub(super) struct PageList {
    pub(super) pages: Vec<u64>,
    /// Whether a queue has it.
    pub(super) is_used: bool,
}

/// Parts of memory: addresses and lengths.
pub(super) type Parts = Vec<(u64, usize)>;

impl State {
    /// `REGISTER_PAGE_LIST`.
    pub(super) fn register_page_list(&mut self, parameters: &[u8]) -> Outcome {
        const NAME: &str = "REGISTER_PAGE_LIST";
        let (number, count) = (be32(parameters, 0), be32(parameters, 4));
        let (address, page_size) = (be64(parameters, 8), be64(parameters, 16));
        if !self.demand(
            self.format().is_some_and(Format::has_page_lists),
            format_args!("{NAME}: no format with page lists was chosen by CONFIGURE_DEVICE_RESOURCES"),
        ) {
            return Err(admin::ERROR_FAILED_PRECONDITION);
        }
        if !self.demand(
            !self.page_lists.contains_key(&number),
            format_args!("{NAME}: page list {number} is registered already"),
        ) {
            return Err(admin::ERROR_ALREADY_EXISTS);
        }
        let registered: usize = self.page_lists.values().map(|list| list.pages.len()).sum();
        let most = self.configuration.max_pages;
        if !self.demand(
            registered as u64 + u64::from(count) <= most,
            format_args!("{NAME}: {count} pages beside {registered}; max_registered_pages is {most}"),
        ) {
            return Err(admin::ERROR_RESOURCE_EXHAUSTED);
        }
        let is_right = self.demand(
            number != admin::RAW_ADDRESSING_QPL_ID,
            format_args!("{NAME}: the number for raw addressing"),
        ) & self.demand(count > 0, format_args!("{NAME}: no pages"))
            // Drivers from before the field leave it zero.
            & self.demand(
                page_size == 0 || page_size == PAGE,
                format_args!("{NAME}: pages of {page_size} bytes, not {PAGE}"),
            );
        let length = count as usize * 8;
        let what = "REGISTER_PAGE_LIST: the list of addresses";
        if !is_right || !self.check_new_range(&what, address, length, PAGE) {
            return Err(admin::ERROR_INVALID_ARGUMENT);
        }
        let mut bytes = alloc::vec![0; length];
        self.fetch(&what, address, &mut bytes);
        let pages: Vec<u64> = bytes.chunks(8).map(|bytes| be64(bytes, 0)).collect();
        for (index, &page) in pages.iter().enumerate() {
            let what = format_args!("{NAME}: page {index} of list {number}");
            let is_new = self.check_new_range(&what, page, PAGE_SIZE, PAGE)
                && self.demand(!pages[..index].contains(&page), format_args!("{what} is there twice"));
            if !is_new {
                return Err(admin::ERROR_INVALID_ARGUMENT);
            }
        }
        self.page_lists.insert(number, PageList { pages, is_used: false });
        Ok(())
    }

    /// `UNREGISTER_PAGE_LIST`.
    pub(super) fn unregister_page_list(&mut self, parameters: &[u8]) -> Outcome {
        const NAME: &str = "UNREGISTER_PAGE_LIST";
        let number = be32(parameters, 0);
        let is_used = self.page_lists.get(&number).map(|list| list.is_used);
        if !self.demand(
            is_used.is_some(),
            format_args!("{NAME}: there is no page list {number}"),
        ) {
            return Err(admin::ERROR_NOT_FOUND);
        }
        if !self.demand(
            is_used == Some(false),
            format_args!("{NAME}: a queue has page list {number}"),
        ) {
            return Err(admin::ERROR_FAILED_PRECONDITION);
        }
        self.page_lists.remove(&number);
        Ok(())
    }

    /// Where a buffer lies, which a descriptor gives as its format does; a note when it is not the queue's.
    pub(super) fn locate(
        &mut self,
        what: &dyn fmt::Display,
        list: Option<u32>,
        place: u64,
        length: usize,
    ) -> Option<Parts> {
        let Some(list) = list else {
            let is_right = self.check_new_range(what, place, length, 1);
            return is_right.then(|| alloc::vec![(place, length)]);
        };
        let is_dqo = self.format().is_some_and(Format::is_dqo);
        let pages = &self.page_lists.get(&list)?.pages;
        if is_dqo {
            let offset = (place % PAGE) as usize;
            let is_inside = pages.contains(&(place - offset as u64)) && offset + length <= PAGE_SIZE;
            self.demand(
                is_inside,
                format_args!("{what} at {place:#x}, {length} bytes, does not lie in one page of page list {list}"),
            );
            return is_inside.then(|| alloc::vec![(place, length)]);
        }
        let bytes = pages.len() * PAGE_SIZE;
        if place.saturating_add(length as u64) > bytes as u64 {
            self.violate(format_args!(
                "{what} at offset {place:#x}, {length} bytes, leaves page list {list}, which has {bytes:#x}"
            ));
            return None;
        }
        let mut parts = Parts::new();
        let (mut at, end) = (place as usize, place as usize + length);
        while at < end {
            let offset = at % PAGE_SIZE;
            let part = (end - at).min(PAGE_SIZE - offset);
            parts.push((pages[at / PAGE_SIZE] + offset as u64, part));
            at += part;
        }
        Some(parts)
    }
}
