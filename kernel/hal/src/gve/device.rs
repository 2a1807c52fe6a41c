//! The device as a whole: its reset, and what it and the driver tell each other after one.

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use super::abilities::Abilities;
use super::admin::AdminQueue;
use super::command::{Command, Direction, Place, STRIDE};
use super::description::Description;
use super::failure::Failure;
use super::receiver::{BUFFER, Receiver};
use super::register::{self, BigEndian, Doorbell, Line};
use super::sender::Sender;
use super::{dqo, host};
use crate::bus::Registers;
use crate::dma::{Buffer, Shared};
use crate::mem::PAGE_SIZE;
use crate::time;

/// How long a reset may take, in nanoseconds.
const RESET_TIME: u64 = 10_000_000_000;

/// Where a device is found.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    /// Base address 0.
    pub(super) registers: Registers,
    /// Base address 2.
    pub(super) doorbells: Registers,
    /// Of the PCI function: since 1 there are other registers for the admin queue and resets.
    pub(super) revision: u8,
    /// The interrupt message of the transmit queue; that of the receive queue follows.
    pub(super) message: u16,
}

/// Consecutive pages that the device knows as a list.
#[derive(Clone, Copy)]
pub(super) struct PageList {
    first: u64,
    count: usize,
}

impl PageList {
    /// Takes so many pages; `None` when there are not enough.
    pub(super) fn allocate(count: usize) -> Option<(Self, Vec<Buffer>)> {
        let pages = Buffer::run(count)?;
        let first = pages.first()?.address();
        Some((Self { first, count }, pages))
    }

    /// Where a buffer in the pages begins, for queues in order.
    pub(super) fn offset(self, buffer: &Buffer) -> u64 {
        buffer.address() - self.first
    }

    fn addresses(self) -> impl Iterator<Item = u64> {
        (0..self.count).map(move |page| self.first + (page * PAGE_SIZE) as u64)
    }
}

/// A queue that the device knows.
#[derive(Clone, Copy)]
pub(super) struct Queue {
    pub(super) doorbell: Doorbell,
    pub(super) line: Line,
    /// Of its counter, in bytes from the first one.
    pub(super) counter: usize,
}

pub(super) struct Device {
    parts: Parts,
    registers: BigEndian,
    admin: AdminQueue,
    /// What commands tell or ask, one after the other.
    page: Shared,
    /// Where the device writes the index of each notification block's doorbell.
    indices: Shared,
    /// Where it writes what belongs to each queue (`gve_queue_resources`).
    resources: [Shared; 2],
    /// When a reset has taken too long; none while there is no reset.
    deadline: Option<u64>,
}

impl Device {
    pub(super) fn new(parts: Parts) -> Result<Self, Failure> {
        let no_memory = "finds no memory";
        let registers = BigEndian(parts.registers);
        let page = || Shared::allocate(PAGE_SIZE).ok_or(no_memory);
        Ok(Self {
            parts,
            registers,
            admin: AdminQueue::new(registers).ok_or(no_memory)?,
            page: page()?,
            indices: page()?,
            resources: [page()?, page()?],
            deadline: None,
        })
    }

    /// What the register of the device's status says.
    pub(super) fn status(&self) -> u32 {
        self.registers.read(register::DEVICE_STATUS)
    }

    /// Whether the device has forgotten all, and reaches no memory.
    pub(super) fn is_reset(&self) -> bool {
        if self.parts.revision == 0 {
            return self.registers.read(register::ADMINQ_PFN) == 0;
        }
        let status = self.status();
        status != register::GONE && status & register::DEVICE_STATUS_IS_RESET != 0
    }

    /// Whether somebody has left an admin queue to the device, as the machine's firmware may.
    pub(super) fn is_in_use(&self) -> bool {
        let runs = || self.registers.read(register::DRIVER_STATUS) & register::DRIVER_STATUS_RUN != 0;
        self.registers.read(register::ADMINQ_PFN) != 0 || self.parts.revision > 0 && runs()
    }

    /// Begins a reset, or waits anew for one that has taken too long. Until it has ended the device may reach all memory that it knows.
    pub(super) fn begin_reset(&mut self) {
        let is_asked = self.deadline.replace(time::monotonic() + RESET_TIME).is_some();
        // One that has reset itself is not asked either: some would do it once more later on.
        if is_asked || self.is_reset() {
            return;
        }
        if self.parts.revision == 0 {
            self.registers.write(register::ADMINQ_PFN, 0);
        } else {
            self.registers
                .write(register::DRIVER_STATUS, register::DRIVER_STATUS_RESET);
        }
    }

    /// Whether a reset has ended.
    pub(super) fn go_on(&mut self) -> Result<bool, Failure> {
        if self.is_reset() {
            self.deadline = None;
            return Ok(true);
        }
        match self.deadline {
            Some(deadline) if time::monotonic() > deadline => Err("does not end a reset".into()),
            _ => Ok(false),
        }
    }

    /// Introduces device and driver to each other after a reset.
    pub(super) fn introduce(&mut self) -> Result<Abilities, Failure> {
        self.admin.begin(self.parts.revision);
        self.page.clear();
        host::introduce(&self.page);
        let address = self.page.address(0);
        match self
            .admin
            .execute(Command::verify_driver_compatibility(host::LENGTH, address))
        {
            // Old devices take any driver.
            Err(failure) if !failure.is_unimplemented() => return Err(failure),
            _ => {}
        }
        self.page.clear();
        self.admin.execute(Command::describe_device(address))?;
        let mut page = alloc::vec![0; PAGE_SIZE];
        self.page.read(0, &mut page);
        Abilities::of(Description::of(&page)?)
    }

    /// Makes the queues. After a failure the device may know all their memory.
    pub(super) fn make_queues(
        &mut self,
        abilities: &Abilities,
        sender: &Sender,
        receiver: &Receiver,
    ) -> Result<[Queue; 2], Failure> {
        let format = abilities.format;
        self.indices.clear();
        let counters = (sender.counters.address(0), abilities.counters);
        self.admin.execute(Command::configure_device_resources(
            counters,
            self.indices.address(0),
            self.parts.message,
            format,
        ))?;
        if abilities.is_mtu_lower {
            self.admin.execute(Command::set_mtu(abilities.max_mtu))?;
        }
        if let Some(types) = &receiver.rings.types {
            self.admin
                .execute(Command::get_ptype_map(dqo::TYPES, types.address(0)))?;
        }
        self.register(Direction::Transmit, sender.list)?;
        self.register(Direction::Receive, receiver.rings.list)?;
        let completions = sender.completions.as_ref();
        let place = Place {
            resources: self.resources[Direction::Transmit as usize].address(0),
            descriptors: sender.ring.address(),
            completions: completions.map_or(0, |completions| completions.address(0)),
            entries: abilities.transmit_entries,
        };
        let transmit = self.make(Direction::Transmit, Command::create_tx_queue(format, place), abilities)?;
        let place = Place {
            resources: self.resources[Direction::Receive as usize].address(0),
            descriptors: receiver.rings.buffers.address(0),
            completions: receiver.rings.completions.address(0),
            entries: abilities.receive_entries,
        };
        let command = Command::create_rx_queue(format, place, BUFFER as u16);
        let receive = self.make(Direction::Receive, command, abilities)?;
        Ok([transmit, receive])
    }

    fn register(&mut self, direction: Direction, list: Option<PageList>) -> Result<(), Failure> {
        let Some(list) = list else { return Ok(()) };
        for (index, address) in list.addresses().enumerate() {
            self.page.write(index * size_of::<u64>(), &address.to_be_bytes());
        }
        let command = Command::register_page_list(direction, list.count, self.page.address(0));
        self.admin.execute(command)
    }

    fn make(&mut self, direction: Direction, command: Command, abilities: &Abilities) -> Result<Queue, Failure> {
        let resources = &self.resources[direction as usize];
        resources.clear();
        self.admin.execute(command)?;
        let word = |page: &Shared, at: usize| u32::from_be(page.get32(at, Ordering::Acquire));
        let doorbell = |index| Doorbell::of(self.parts.doorbells, index, abilities.format);
        let counter = word(resources, size_of::<u32>());
        if counter >= abilities.counters.into() {
            return Err("counts where there is no counter".into());
        }
        Ok(Queue {
            doorbell: doorbell(word(resources, 0))?,
            line: Line(doorbell(word(&self.indices, direction as usize * STRIDE))?),
            counter: counter as usize * size_of::<u32>(),
        })
    }
}
