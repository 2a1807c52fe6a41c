//! `CREATE_TX_QUEUE` and `CREATE_RX_QUEUE`.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::admin::Outcome;
use super::configuration::Format;
use super::defs::{admin, dqo, gqi};
use super::faults::Defect;
use super::fields::{be16, be32, be64, is_zero};
use super::queues::{Common, Receiver, Transmitter};
use super::state::{Direction, State};
use crate::dma::reach::{Reach, overlap};
use crate::mem::PAGE_SIZE;

/// What a driver says of a queue of either direction.
struct Request {
    name: &'static str,
    direction: Direction,
    number: u32,
    resources: u64,
    block: u32,
    list: u32,
    entries: u16,
    /// Addresses and bytes.
    ring: (u64, usize),
    second: Option<(u64, usize)>,
}

impl State {
    /// `CREATE_TX_QUEUE`.
    pub(super) fn create_transmitter(&mut self, parameters: &[u8]) -> Outcome {
        const NAME: &str = "CREATE_TX_QUEUE";
        let format = self.format_for_queues(NAME)?;
        let (completions, completion_entries) = (be64(parameters, 32), be16(parameters, 42));
        let entries = be16(parameters, 40);
        let is_right = self.demand(
            is_zero(&parameters[4..8]) && is_zero(&parameters[44..48]),
            format_args!("{NAME}: reserved bytes that are not zero"),
        ) & if format.is_dqo() {
            self.demand(
                completion_entries.is_power_of_two() && completion_entries >= entries,
                format_args!(
                    "{NAME}: tx_comp_ring_size {completion_entries}, no power of two of at least tx_ring_size, {entries}"
                ),
            )
        } else {
            self.demand(
                completions == 0 && completion_entries == 0,
                format_args!("{NAME}: a ring of completions, which GQI does not have"),
            )
        };
        if !is_right {
            return Err(admin::ERROR_INVALID_ARGUMENT);
        }
        let number = be32(parameters, 0);
        let common = self.create(&Request {
            name: NAME,
            direction: Direction::Tx,
            number,
            resources: be64(parameters, 8),
            block: be32(parameters, 28),
            list: be32(parameters, 24),
            entries,
            ring: (be64(parameters, 16), usize::from(entries) * gqi::TX_DESC_SIZE),
            second: format
                .is_dqo()
                .then_some((completions, usize::from(completion_entries) * dqo::TX_COMPL_SIZE)),
        })?;
        self.transmitters.insert(
            number,
            Transmitter {
                common,
                head: 0,
                done: 0,
                last_event: None,
                completed: 0,
                completion_depth: completion_entries,
                outstanding: Vec::new(),
                lies: Vec::new(),
            },
        );
        Ok(())
    }

    /// `CREATE_RX_QUEUE`.
    pub(super) fn create_receiver(&mut self, parameters: &[u8]) -> Outcome {
        const NAME: &str = "CREATE_RX_QUEUE";
        let format = self.format_for_queues(NAME)?;
        let (number, index) = (be32(parameters, 0), be32(parameters, 4));
        let (entries, buffer_size, buffers) = (be16(parameters, 44), be16(parameters, 46), be16(parameters, 48));
        let (coalesces, header_size) = (parameters[50], be16(parameters, 52));
        let largest = self.configuration.buffer_size.unwrap_or(dqo::RX_BUFFER_SIZE);
        let is_right = self.demand(
            is_zero(&parameters[8..12]) && parameters[51] == 0 && is_zero(&parameters[54..56]),
            format_args!("{NAME}: reserved bytes that are not zero"),
        ) & self.demand(
            header_size == 0,
            format_args!("{NAME}: header_buffer_size {header_size}; the device does not split headers off"),
        ) & if format.is_dqo() {
            self.demand(
                index == 0 || index == number,
                format_args!("{NAME}: index {index} of queue {number}"),
            ) & self.demand(
                buffers == entries,
                format_args!(
                    "{NAME}: rx_buff_ring_size {buffers}, and rx_ring_size {entries}: the vendor's drivers have as many"
                ),
            ) & self.demand(
                buffer_size.is_power_of_two() && (dqo::MIN_RX_BUFFER_SIZE..=largest).contains(&buffer_size),
                format_args!("{NAME}: packet_buffer_size {buffer_size}, no power of two from 2048 to {largest}"),
            ) & self.demand(coalesces <= 1, format_args!("{NAME}: enable_rsc {coalesces}"))
        } else {
            self.demand(index == number, format_args!("{NAME}: index {index} of queue {number}"))
                & self.demand(
                    usize::from(buffer_size) == gqi::RX_BUFFER_SIZE,
                    format_args!("{NAME}: packet_buffer_size {buffer_size}; GQI has half pages"),
                )
                & self.demand(
                    buffers == 0 && coalesces == 0,
                    format_args!("{NAME}: rx_buff_ring_size or enable_rsc, which are of DQO"),
                )
        };
        if !is_right {
            return Err(admin::ERROR_INVALID_ARGUMENT);
        }
        let (entry, buffer) = if format.is_dqo() {
            (dqo::RX_COMPL_SIZE, dqo::RX_DESC_SIZE)
        } else {
            (gqi::RX_DESC_SIZE, gqi::RX_DATA_SLOT_SIZE)
        };
        let common = self.create(&Request {
            name: NAME,
            direction: Direction::Rx,
            number,
            resources: be64(parameters, 16),
            block: be32(parameters, 12),
            list: be32(parameters, 40),
            entries,
            ring: (be64(parameters, 24), usize::from(entries) * entry),
            second: Some((be64(parameters, 32), usize::from(entries) * buffer)),
        })?;
        self.receivers.insert(
            number,
            Receiver {
                common,
                buffer_size: buffer_size.into(),
                head: 0,
                completed: 0,
                posted: VecDeque::new(),
                lies: Vec::new(),
            },
        );
        Ok(())
    }

    fn format_for_queues(&mut self, name: &str) -> Result<Format, u32> {
        if let Some(format) = self.format() {
            return Ok(format);
        }
        self.violate(format_args!("{name}: before CONFIGURE_DEVICE_RESOURCES"));
        Err(admin::ERROR_FAILED_PRECONDITION)
    }

    fn exists(&self, direction: Direction, number: u32) -> bool {
        match direction {
            Direction::Tx => self.transmitters.contains_key(&number),
            Direction::Rx => self.receivers.contains_key(&number),
        }
    }

    /// All queues.
    fn commons(&self) -> impl Iterator<Item = &Common> {
        let transmitters = self.transmitters.values().map(|queue| &queue.common);
        transmitters.chain(self.receivers.values().map(|queue| &queue.common))
    }

    /// Checks what is said of a queue, and gives it a doorbell and a counter.
    fn create(&mut self, request: &Request) -> Result<Common, u32> {
        let Request {
            name, number, block, ..
        } = *request;
        if !self.demand(
            !self.exists(request.direction, number),
            format_args!("{name}: queue {number} exists already"),
        ) {
            return Err(admin::ERROR_ALREADY_EXISTS);
        }
        let most = self.configuration.queues;
        let blocks = self.resources.as_ref().map_or(0, |resources| resources.doorbells.len());
        let is_free = self.commons().all(|other| other.block != block);
        let is_right = self.demand(
            number < most,
            format_args!("{name}: queue {number} of a device with {most}"),
        ) & self.demand(
            (block as usize) < blocks,
            format_args!("{name}: ntfy_id {block}, and num_irq_dbs was {blocks}"),
        ) & self.demand(
            is_free,
            format_args!("{name}: ntfy_id {block}, which another queue has: each is assigned one of its own"),
        ) & self.check_entries(request)
            & self.check_list(request);
        if !is_right || !self.check_places(request) {
            return Err(admin::ERROR_INVALID_ARGUMENT);
        }
        let is_used = |counter: &u32| self.commons().any(|other| other.counter == *counter);
        let counters = u32::from(self.configuration.counters);
        // From the end, so that it is not the queue's number.
        let Some(counter) = (0..counters).rev().find(|counter| !is_used(counter)) else {
            return Err(admin::ERROR_RESOURCE_EXHAUSTED);
        };
        let doorbell = self.place_doorbell();
        let mut answer = [0; 8];
        let wild = if self.faults.has(Defect::WildCounters) {
            counters
        } else {
            0
        };
        answer[..4].copy_from_slice(&self.doorbell_index(doorbell).to_be_bytes());
        answer[4..].copy_from_slice(&(counter + wild).to_be_bytes());
        self.store(&"the queue's resources", request.resources, &answer);
        self.count(counter, 0);
        let list = (request.list != admin::RAW_ADDRESSING_QPL_ID).then_some(request.list);
        if let Some(list) = list.and_then(|list| self.page_lists.get_mut(&list)) {
            list.is_used = true;
        }
        Ok(Common {
            doorbell,
            counter,
            block,
            resources: request.resources,
            list,
            depth: request.entries,
            ring: request.ring.0,
            ring_bytes: request.ring.1,
            second: request.second.map_or(0, |second| second.0),
            second_bytes: request.second.map_or(0, |second| second.1),
        })
    }

    fn check_entries(&mut self, request: &Request) -> bool {
        let configuration = &self.configuration;
        let (given, sizes) = match request.direction {
            Direction::Tx => (configuration.tx_entries, configuration.ring_sizes.map(|sizes| sizes.tx)),
            Direction::Rx => (configuration.rx_entries, configuration.ring_sizes.map(|sizes| sizes.rx)),
        };
        let (name, entries) = (request.name, request.entries);
        let (least, most) = sizes.unwrap_or((given, given));
        self.demand(
            entries.is_power_of_two() && (least..=most).contains(&entries),
            format_args!(
                "{name}: {entries} entries, no power of two from {least} to {most}, which \
                 the device descriptor and its options give"
            ),
        )
    }

    fn check_list(&mut self, request: &Request) -> bool {
        let (name, number) = (request.name, request.list);
        let is_raw = number == admin::RAW_ADDRESSING_QPL_ID;
        let wants = self.format().is_some_and(Format::has_page_lists);
        let is_used = self.page_lists.get(&number).map(|list| list.is_used);
        match (wants, is_used) {
            (false, _) => self.demand(
                is_raw,
                format_args!("{name}: page list {number:#x} with raw addressing, which has GVE_RAW_ADDRESSING_QPL_ID"),
            ),
            (true, None) => {
                self.violate(format_args!("{name}: there is no page list {number:#x}"));
                false
            }
            (true, Some(is_used)) => {
                self.demand(!is_used, format_args!("{name}: another queue has page list {number}"))
            }
        }
    }

    fn check_places(&mut self, request: &Request) -> bool {
        let name = request.name;
        let mut places = alloc::vec![
            ("queue_resources_addr", request.resources, admin::QUEUE_RESOURCES_SIZE),
            ("the address of the ring", request.ring.0, request.ring.1),
        ];
        let second = request
            .second
            .map(|(address, length)| ("the address of the second ring", address, length));
        places.extend(second);
        for (index, &(what, address, length)) in places.iter().enumerate() {
            if !self.check_new_range(&format_args!("{name}: {what}"), address, length, PAGE_SIZE as u64) {
                return false;
            }
            let overlaps = places[..index]
                .iter()
                .any(|other| overlap((address, length), (other.1, other.2)));
            if !self.demand(
                !overlaps,
                format_args!("{name}: {what} overlaps another place of the command"),
            ) {
                return false;
            }
        }
        true
    }
}
