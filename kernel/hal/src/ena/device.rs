//! The device as a whole: its reset, and what it and the driver tell each other after one.

use super::admin::AdminQueue;
use super::command::{Command, CompletionQueue, Direction, Feature, SubmissionQueue};
use super::event::{self, EventQueue};
use super::failure::Failure;
use super::feature::{Attributes, Hints, LowLatency, Offloads, Queues};
use super::phc::{self, Phc};
use super::reader::Reader;
use super::receiver::most_received;
use super::register::{self, Capabilities, Reason};
use super::ring::Ring;
use super::sender::MOST_DESCRIPTORS;
use super::{descriptor, host};
use crate::bus::Registers;
use crate::dma::Shared;
use crate::mem::PAGE_SIZE;
use crate::network::{self, ETHERNET_HEADER, LEAST_MTU, Version, queue_size};
use crate::time;

/// The most bytes of headers that a descriptor can tell of.
const MOST_HEADER: u32 = 0xff;
/// Bits of a descriptor's address.
const MOST_ADDRESS_BITS: u32 = 48;

/// Where a device is found.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    /// Base address 0.
    pub(super) registers: Registers,
    /// Base address 2, for low-latency queues.
    pub(super) memory: Option<Registers>,
    /// The PCI function's address, for the device's statistics.
    pub(super) address: u16,
    /// The device writes registers to memory when it is asked to.
    pub(super) is_readless: bool,
    /// The interrupt message of the I/O queues; that of the admin and event queues is 0.
    pub(super) message: u16,
}

/// What the device does, as far as the driver uses it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Abilities {
    pub(super) mac: [u8; 6],
    /// The longest packet that the device carries, and there are descriptors for.
    pub(super) max_mtu: u16,
    /// For IPv4, and for IPv6.
    pub(super) offloads: [Offloads; 2],
    pub(super) transmit_depth: u16,
    pub(super) receive_depth: u16,
    /// Bytes of headers: that go into a low-latency queue, or that a descriptor can tell of.
    pub(super) header: usize,
    /// The most descriptors of a packet, one for metadata included.
    pub(super) transmit_descriptors: usize,
    pub(super) receive_descriptors: usize,
    pub(super) low_latency: Option<LowLatency>,
    pub(super) zeroes_are_kept: bool,
    /// It says regularly that it is alive.
    pub(super) is_kept_alive: bool,
    address_bits: u32,
}

impl Abilities {
    /// Whether the device reaches an address.
    pub(super) fn reaches(&self, address: u64) -> bool {
        reaches(self.address_bits, address)
    }

    /// The highest address of a page that the device reaches.
    pub(super) fn highest_page(&self) -> u64 {
        (1 << self.address_bits) - PAGE_SIZE as u64
    }

    /// What the card does by itself with packets of a version.
    pub(super) fn offloads(&self, version: Version) -> network::Offloads {
        let offloads = self.offloads[version as usize];
        network::Offloads {
            checksums: offloads.checksums,
            segmented: if offloads.segments { self.most_segmented() } else { 0 },
        }
    }

    /// The most bytes after the Ethernet header that can be cut into segments.
    fn most_segmented(&self) -> usize {
        most_sent(self.transmit_descriptors)
    }

    /// Whether a device that was reset does all that the network was promised before.
    pub(super) fn keeps(&self, promised: &Self) -> bool {
        self.mac == promised.mac
            && self.max_mtu >= promised.max_mtu
            && [Version::V4, Version::V6].into_iter().all(|version| {
                let (now, before) = (self.offloads(version), promised.offloads(version));
                (now.checksums || !before.checksums) && now.segmented >= before.segmented
            })
            && (self.transmit_depth, self.receive_depth) == (promised.transmit_depth, promised.receive_depth)
            && (self.low_latency, self.header) == (promised.low_latency, promised.header)
            && self.transmit_descriptors == promised.transmit_descriptors
            && self.address_bits >= promised.address_bits
    }
}

/// The most bytes after the Ethernet header of a packet that so many descriptors hold.
fn most_sent(descriptors: usize) -> usize {
    const LARGEST_PACKET: usize = 65_535;
    // One descriptor is for metadata.
    let pages = descriptors.min(MOST_DESCRIPTORS).saturating_sub(1);
    (pages * PAGE_SIZE).saturating_sub(ETHERNET_HEADER).min(LARGEST_PACKET)
}

fn reaches(bits: u32, address: u64) -> bool {
    (address + PAGE_SIZE as u64 - 1) >> bits == 0
}

pub(super) struct Device {
    parts: Parts,
    reader: Reader,
    admin: AdminQueue,
    events: EventQueue,
    /// What the device is told of its host.
    host: Shared,
    pub(super) hints: Hints,
    pub(super) phc: Phc,
    capabilities: Capabilities,
    knows_all_reasons: bool,
    /// None while there is no reset.
    step: Option<Step>,
    /// When the reset's step has taken too long.
    deadline: u64,
}

/// What a reset waits for.
#[derive(Clone, Copy)]
enum Step {
    /// That the device says that it has begun.
    Begin,
    /// That it says that it has ended.
    End,
}

impl Device {
    pub(super) fn new(parts: Parts) -> Result<Self, Failure> {
        let no_memory = "finds no memory";
        let registers = parts.registers;
        Ok(Self {
            parts,
            reader: Reader::new(registers, parts.is_readless).ok_or(no_memory)?,
            admin: AdminQueue::new(registers).ok_or(no_memory)?,
            events: EventQueue::new(registers).ok_or(no_memory)?,
            host: host::page(parts.address).ok_or(no_memory)?,
            hints: Hints::default(),
            phc: Phc::new().ok_or(no_memory)?,
            capabilities: Capabilities::from(0),
            knows_all_reasons: false,
            step: None,
            deadline: 0,
        })
    }

    /// Begins a reset, or waits anew for one that has taken too long: the device is still asked for it. Until it has ended the device may reach all memory that it knows.
    pub(super) fn begin_reset(&mut self, reason: Reason) -> Result<(), Failure> {
        // Told even where it answers already: the first time it knows no place for answers.
        self.reader.tell();
        if let Some(step) = self.step {
            self.enter(step);
            return Ok(());
        }
        if self.reader.read(register::DEV_STS)? & register::DEV_STS_READY == 0 {
            return Err("is not ready for a reset".into());
        }
        self.capabilities = Capabilities::from(self.reader.read(register::CAPS)?);
        if self.capabilities.reset_time == 0 {
            return Err("does not say how long a reset may take".into());
        }
        let command = reason.dev_ctl(self.knows_all_reasons);
        self.parts.registers.write32(register::DEV_CTL, command);
        self.reader.tell();
        self.enter(Step::Begin);
        Ok(())
    }

    fn enter(&mut self, step: Step) {
        self.step = Some(step);
        self.deadline = time::monotonic() + self.capabilities.reset_time;
    }

    /// Goes on with a reset, as far as the device is; true when it has ended.
    pub(super) fn go_on(&mut self) -> Result<bool, Failure> {
        let now = time::monotonic();
        let status = self.reader.read(register::DEV_STS)?;
        let in_progress = status & register::DEV_STS_RESET_IN_PROGRESS != 0;
        match self.step {
            Some(Step::Begin) if in_progress => {
                self.parts.registers.write32(register::DEV_CTL, 0);
                self.enter(Step::End);
            }
            Some(Step::End) if !in_progress => {
                self.step = None;
                return if status & (register::DEV_STS_READY | register::DEV_STS_FATAL_ERROR) == register::DEV_STS_READY
                {
                    Ok(true)
                } else {
                    Err("is not ready after a reset".into())
                };
            }
            Some(Step::Begin) if now > self.deadline => return Err("does not begin a reset".into()),
            Some(Step::End) if now > self.deadline => return Err("does not end a reset".into()),
            Some(_) => {}
            None => return Ok(true),
        }
        Ok(false)
    }

    /// Introduces device and driver to each other after a reset.
    pub(super) fn introduce(&mut self) -> Result<Abilities, Failure> {
        self.reader.read(register::VERSION)?;
        let controller = self.reader.read(register::CONTROLLER_VERSION)? & 0xff_ffff;
        if controller < register::OLDEST_CONTROLLER {
            return Err("is of a version that is not known here".into());
        }
        let address_bits = self.capabilities.address_bits;
        if !(32..=MOST_ADDRESS_BITS).contains(&address_bits) {
            return Err("does not say which addresses it reaches".into());
        }
        let [submissions, completions] = self.admin.addresses();
        let own = [
            submissions,
            completions,
            self.events.address(),
            self.host.address(0),
            self.phc.address(),
        ];
        if !own.iter().all(|&address| reaches(address_bits, address)) {
            return Err("does not reach the kernel's memory".into());
        }
        self.set_hints(Hints::default());
        self.parts
            .registers
            .write32(register::INTR_MASK, register::INTR_MASK_ADMIN);
        self.phc.forget();
        self.admin.begin();
        self.events.begin();
        // A device that does not want to know goes without.
        may_be_refused(self.admin.execute(Command::set_host_attributes(self.host.address(0))))?;
        let attributes = Attributes::of(&self.admin.execute(Command::get(Feature::DeviceAttributes))?);
        self.knows_all_reasons = attributes.knows_all_reasons;
        if attributes.has(Feature::HwHints)
            && let Some(answer) = may_be_refused(self.admin.execute(Command::get(Feature::HwHints)))?
        {
            self.set_hints(Hints::of_answer(&answer));
        }
        let queues = Queues::of(&self.admin.execute(Queues::command(&attributes))?, &attributes)?;
        let offloads = if attributes.has(Feature::StatelessOffloadConfig) {
            let answer = self.admin.execute(Command::get(Feature::StatelessOffloadConfig))?;
            [Version::V4, Version::V6].map(|version| Offloads::of(&answer, version))
        } else {
            Default::default()
        };
        let is_kept_alive = self.choose_events(&attributes)?;
        let low_latency = self.choose_low_latency(&attributes)?;
        let transmit_descriptors = low_latency
            .map_or(usize::MAX, |shape| shape.most_descriptors())
            .min(queues.transmit_descriptors.into());
        // One for metadata, one for the packet.
        if transmit_descriptors < 2 || queues.receive_descriptors == 0 {
            return Err("has queues of no use".into());
        }
        let most = most_sent(transmit_descriptors).min(most_received(queues.receive_descriptors.into()));
        let max_mtu = attributes.most_mtu.min(most as u32);
        if max_mtu < LEAST_MTU.into() {
            return Err("takes no packets of the size that IPv4 asks for".into());
        }
        if attributes.has(Feature::Mtu) {
            self.admin.execute(Command::set_mtu(max_mtu))?;
        }
        if attributes.has(Feature::PhcConfig) {
            self.begin_phc()?;
        }
        let header = queues.header.min(MOST_HEADER) as usize;
        let transmit_most = low_latency.map_or(queues.transmit_depth, |shape| shape.depth.min(queues.transmit_depth));
        Ok(Abilities {
            mac: attributes.mac,
            max_mtu: max_mtu as u16,
            offloads,
            transmit_depth: depth(transmit_most)?,
            receive_depth: depth(queues.receive_depth)?,
            header: low_latency.map_or(usize::MAX, |shape| shape.header()).min(header),
            transmit_descriptors,
            receive_descriptors: queues.receive_descriptors.into(),
            low_latency,
            zeroes_are_kept: attributes.zeroes_are_kept,
            is_kept_alive,
            address_bits,
        })
    }

    /// Tells the device where its clock shall answer, unless it refuses or has one that is not known here.
    fn begin_phc(&mut self) -> Result<(), Failure> {
        let answer = may_be_refused(self.admin.execute(Command::get(Feature::PhcConfig)))?;
        let Some(offer) = answer.as_ref().and_then(phc::Offer::of) else {
            return Ok(());
        };
        let command = Command::set_phc(self.phc.address(), phc::LENGTH);
        if may_be_refused(self.admin.execute(command))?.is_some() {
            self.phc.begin(offer, self.parts.registers)?;
        }
        Ok(())
    }

    /// Asks for the events that the driver understands; whether the device will say that it is alive.
    fn choose_events(&mut self, attributes: &Attributes) -> Result<bool, Failure> {
        if !attributes.has(Feature::AenqConfig) {
            return Ok(false);
        }
        let offered = self.admin.execute(Command::get(Feature::AenqConfig))?.words[2];
        let groups = offered & event::WANTED;
        self.admin.execute(Command::set_events(groups))?;
        Ok(groups & event::KEEP_ALIVES != 0)
    }

    /// Low-latency queues where the device has them, in a shape that is known here; else queues are in the guest's memory.
    fn choose_low_latency(&mut self, attributes: &Attributes) -> Result<Option<LowLatency>, Failure> {
        if !attributes.has(Feature::Llq) || self.parts.memory.is_none() {
            return Ok(None);
        }
        let Some(answer) = may_be_refused(self.admin.execute(Command::get(Feature::Llq)))? else {
            return Ok(None);
        };
        let Ok(Some((shape, command))) = LowLatency::choose(&answer) else {
            return Ok(None);
        };
        let accepted = may_be_refused(self.admin.execute(command))?;
        Ok(accepted.map(|_| shape))
    }

    /// Takes the times that the device wishes for.
    pub(super) fn set_hints(&mut self, hints: Hints) {
        self.hints = hints;
        self.reader.set_patience(hints.register_read);
        let said = Some(self.capabilities.admin_time).filter(|&time| time != 0);
        self.admin.set_patience(hints.admin.or(said));
    }

    /// Makes a completion queue, and the submission queue whose completions go there.
    pub(super) fn make_queues(
        &mut self,
        direction: Direction,
        depth: u16,
        ring: &mut Ring,
        completions: &Shared,
    ) -> Result<CompletionQueue, Failure> {
        let size = match direction {
            Direction::Transmit => descriptor::TRANSMIT_COMPLETION,
            Direction::Receive => descriptor::RECEIVE_COMPLETION,
        };
        let command = Command::create_completion_queue(depth, size, self.parts.message, completions.address(0));
        let queue = self.admin.execute(command)?.completion_queue(depth)?;
        let command = Command::create_submission_queue(direction, depth, queue.number, ring.placement());
        let made: SubmissionQueue = self.admin.execute(command)?.submission_queue();
        ring.attach(made, self.parts.registers, self.parts.memory)?;
        Ok(queue)
    }

    pub(super) fn registers(&self) -> Registers {
        self.parts.registers
    }

    /// The device may say things unasked from now on.
    pub(super) fn open_events(&self) {
        self.events.open();
    }

    /// Hands on what it has said.
    pub(super) fn take_events(&mut self, handler: impl FnMut(event::Event)) {
        self.events.take(handler);
    }
}

/// An answer, or none when the device refused.
fn may_be_refused(answer: Result<super::command::Answer, Failure>) -> Result<Option<super::command::Answer>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Failure::Refused(..)) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Entries of a queue: a power of two, no more than the device has or a small guest affords.
fn depth(most: u32) -> Result<u16, Failure> {
    const LEAST: u16 = 8;
    let wanted = most.min(queue_size().into()) as u16;
    if wanted < LEAST {
        return Err("has queues of no use".into());
    }
    Ok(1 << wanted.ilog2())
}
