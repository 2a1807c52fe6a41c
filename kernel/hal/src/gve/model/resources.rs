//! What all queues share: event counters, notification blocks and the format.

use alloc::vec::Vec;

use super::admin::Outcome;
use super::configuration::Format;
use super::defs::admin;
use super::fields::{be32, be64, is_zero};
use super::state::State;
use crate::dma::reach::{Reach, overlap};
use crate::mem::PAGE_SIZE;

pub(super) struct Resources {
    pub(super) format: Format,
    /// Address and length.
    pub(super) counters: (u64, usize),
    /// Address and length.
    pub(super) irq_doorbells: (u64, usize),
    /// Where the doorbells of notification blocks lie in BAR 2, in words.
    pub(super) doorbells: Vec<usize>,
    /// The message of the first notification block: 0 where the management has the one after all of them, 1 where it has the first.
    first_message: usize,
}

impl Resources {
    pub(super) fn vector(&self, block: u32) -> usize {
        self.first_message + block as usize
    }

    pub(super) fn management(&self) -> usize {
        if self.first_message == 0 {
            self.doorbells.len()
        } else {
            0
        }
    }
}

impl State {
    /// `CONFIGURE_DEVICE_RESOURCES`.
    pub(super) fn configure_resources(&mut self, parameters: &[u8]) -> Outcome {
        const NAME: &str = "CONFIGURE_DEVICE_RESOURCES";
        if !self.demand(
            self.resources.is_none(),
            format_args!("{NAME}: resources are configured already"),
        ) {
            return Err(admin::ERROR_ALREADY_EXISTS);
        }
        let (counters, doorbells) = (be64(parameters, 0), be64(parameters, 8));
        let (counter_count, count) = (be32(parameters, 16), be32(parameters, 20));
        let (stride, first_message) = (be32(parameters, 24), be32(parameters, 28));
        let expected = u32::from(self.configuration.counters);
        let vectors = u32::from(self.configuration.vectors);
        let is_right = self.demand(
            self.is_described,
            format_args!("{NAME}: before DESCRIBE_DEVICE, which says how many counters there are"),
        ) & self.demand(
            counter_count == expected,
            format_args!("{NAME}: {counter_count} counters; the device descriptor says {expected}"),
        ) & self.demand(
            count > 0 && count < vectors,
            format_args!(
                "{NAME}: {count} notification blocks of a device with {vectors} messages, \
                 of which the management has one"
            ),
        ) & self.demand(
            stride >= 4 && stride.is_multiple_of(4),
            format_args!("{NAME}: irq_db_stride {stride} for doorbells' indices of 4 bytes"),
        ) & self.demand(
            first_message <= 1,
            format_args!(
                "{NAME}: ntfy_blk_msix_base_idx {first_message}; the management has the \
                 last message, 0, or the first, 1"
            ),
        ) & self.demand(
            is_zero(&parameters[33..40]),
            format_args!("{NAME}: padding that is not zero"),
        );
        let format = self.choose_format(parameters[32]);
        let Some(format) = format.filter(|_| is_right) else {
            return Err(admin::ERROR_INVALID_ARGUMENT);
        };
        let counters = (counters, counter_count as usize * 4);
        let doorbells = (doorbells, count as usize * stride as usize);
        let page = PAGE_SIZE as u64;
        let places = [("counter_array", counters), ("irq_db_addr", doorbells)];
        let are_new = places
            .iter()
            .all(|(what, place)| self.check_new_range(&format_args!("{NAME}: {what}"), place.0, place.1, page));
        if !are_new
            || !self.demand(
                !overlap(counters, doorbells),
                format_args!("{NAME}: counter_array and irq_db_addr overlap"),
            )
        {
            return Err(admin::ERROR_INVALID_ARGUMENT);
        }
        let places: Vec<usize> = (0..count).map(|_| self.place_doorbell()).collect();
        for (block, place) in places.iter().enumerate() {
            let at = doorbells.0 + (block * stride as usize) as u64;
            self.store(
                &"the interrupts' doorbells",
                at,
                &self.doorbell_index(*place).to_be_bytes(),
            );
        }
        self.resources = Some(Resources {
            format,
            counters,
            irq_doorbells: doorbells,
            doorbells: places,
            first_message: first_message as usize,
        });
        Ok(())
    }

    fn choose_format(&mut self, number: u8) -> Option<Format> {
        let format = Format::ALL.into_iter().find(|&format| format as u8 == number);
        let offered = &self.configuration.formats;
        let is_offered =
            format.is_some_and(|format| offered.contains(&format) || offered.is_empty() && format == Format::GqiQpl);
        if !is_offered {
            self.violate(format_args!(
                "CONFIGURE_DEVICE_RESOURCES: queue format {number}, and the device's options offer {:?}",
                self.configuration.formats.clone()
            ));
            return None;
        }
        let is_known = |format: Format| self.settings.capabilities.is_none() || self.is_capable(format.capability());
        let is_promised = format.is_some_and(is_known);
        self.demand(
            is_promised,
            format_args!(
                "CONFIGURE_DEVICE_RESOURCES: queue format {number}, which driver_capability_flags did not name"
            ),
        );
        format.filter(|_| is_promised)
    }

    /// `DECONFIGURE_DEVICE_RESOURCES`.
    pub(super) fn deconfigure_resources(&mut self) -> Outcome {
        const NAME: &str = "DECONFIGURE_DEVICE_RESOURCES";
        let has_queues = !self.transmitters.is_empty() || !self.receivers.is_empty();
        let is_right = self.demand(self.resources.is_some(), format_args!("{NAME}: nothing is configured"))
            & self.demand(!has_queues, format_args!("{NAME}: there are queues"))
            & self.demand(self.page_lists.is_empty(), format_args!("{NAME}: there are page lists"))
            & self.demand(
                self.settings.statistics.is_none(),
                format_args!("{NAME}: statistics are not detached"),
            );
        if !is_right {
            return Err(admin::ERROR_FAILED_PRECONDITION);
        }
        self.resources = None;
        for vector in &mut self.vectors {
            vector.reset();
        }
        Ok(())
    }

    /// Sets an event counter.
    pub(super) fn count(&mut self, counter: u32, value: u32) {
        let Some((address, _)) = self.resources.as_ref().map(|resources| resources.counters) else {
            return;
        };
        self.store(
            &"the event counters",
            address + u64::from(counter) * 4,
            &value.to_be_bytes(),
        );
    }
}
