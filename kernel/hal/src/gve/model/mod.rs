//! A model of Google's virtual network adapter (gVNIC, "gve"), for tests of its driver: QEMU has none. It runs on the host and believes
//! nothing.
//!
//! It follows the vendor's public definitions (`gve_register.h`, `gve_adminq.h`, `gve_desc.h` and `gve_desc_dqo.h` of Linux, its text "Linux
//! kernel driver for Compute Engine Virtual Ethernet"), for what they leave open the order of accesses of the vendor's drivers for Linux and
//! FreeBSD, and what iPXE's driver tells of experiments with the hardware. It was written by another hand than the driver, and neither it nor
//! the driver has met the hardware. Where the definitions leave room, the model takes the narrower reading:
//!
//! - Revision 0 of the PCI function has the admin queue at `adminq_pfn` only. Later ones take an address and a length too, with driver status
//!   RUN, and are reset by what the queue was set up by. A reset is over when the register says so: until then the memory stays the device's.
//!   A device without an admin queue is reset already.
//! - What a command or a queue is given lies at the beginning of a page, and memory that the device is given is owned by somebody (see
//!   [`crate::mem::Frame`]) whenever it is reached; no two of rings, pages, buffers and places for answers overlap. Bytes that the definitions
//!   call reserved, or do not name, are zero.
//! - Each queue has a notification block and a page list of its own. Rings have as many entries as the device descriptor says, unless an
//!   option gives a choice. GQI has receive buffers of half a page.
//! - Messages of notification blocks are closed until their doorbell opens them, and close when they are sent. In GQI, what happened before
//!   the acknowledgement is not told any more: the driver looks again. In DQO it is told.
//! - GQI: the first descriptor of a packet has all headers of TCP or UDP, or the first 182 bytes; with segmentation, the headers alone.
//! - DQO: descriptors of a TX ring are free when a descriptor completion says so; the doorbell of buffers tells of eight or more; what is said of a
//!   received frame is said with its last buffer.
//!
//! What a fault told the driver wrongly, the driver may believe: that is no violation.
//!
//! Not modelled: RSS, statistics (their place is checked, nothing is written), flow steering, time stamps, coalescing, split headers.
//!
//! # Use
//!
//! ```ignore
//! let device = Gve::new(Configuration::of(Format::DqoRda));
//! let driver = start_at(device.registers(), device.doorbells(), device.revision(), …);
//! device.connect(0, handler);           // what message 0 calls
//! device.receive(0, &frame);            // a frame arrives for RX queue 0
//! device.deliver();                     // runs the handlers of what was sent
//! assert_eq!(device.sent(), […]);       // frames of TX queues, offloads carried out
//! device.inject(Defect::Hung);          // and other faults: `faults`
//! device.assert_obeyed();               // the driver broke no rule
//! ```
//!
//! Doorbells are obeyed at once, within the store; messages wait for [`Gve::deliver`], as on a CPU that is busy. The device has no clock: a
//! reset takes looks at the register that says that it is over.

mod admin;
mod configuration;
mod creation;
mod defs;
mod description;
mod doorbells;
mod dqo;
mod faults;
mod fields;
mod gqi;
mod incoming;
mod interrupts;
mod memory;
mod offload;
mod outgoing;
mod pages;
mod queues;
mod registers;
mod resources;
mod state;

#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::bus::{Model, Registers};
use crate::interrupt::Handler;
use crate::network::model::{deliver, take_sent};

pub(crate) use configuration::{Configuration, Format, RingSizes};
pub(crate) use faults::{AdminFault, CompletionFault, Defect};
pub(crate) use state::{Drops, Sent};

use state::State;

/// Vendor and device of the PCI function.
pub(crate) const IDENTITY: (u16, u16) = (0x1ae0, 0x0042);

/// The device, as a test has it in hand.
#[derive(Clone)]
pub(crate) struct Gve(Arc<Mutex<State>>);

/// BAR 0.
struct RegisterBar(Gve);
/// BAR 2.
struct DoorbellBar(Gve);

impl Gve {
    /// A device that was just powered on.
    pub(crate) fn new(configuration: Configuration) -> Self {
        Self(Arc::new(Mutex::new(State::new(configuration))))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// BAR 0.
    pub(crate) fn registers(&self) -> Registers {
        Registers::of_model(Box::leak(Box::new(RegisterBar(self.clone()))), registers::LENGTH)
    }

    /// BAR 2. (BAR 1 is the table of messages.)
    pub(crate) fn doorbells(&self) -> Registers {
        Registers::of_model(Box::leak(Box::new(DoorbellBar(self.clone()))), doorbells::LENGTH)
    }

    /// The PCI function's revision.
    pub(crate) fn revision(&self) -> u8 {
        self.state().configuration.revision
    }

    /// Says what a message calls.
    pub(crate) fn connect(&self, message: u16, handler: Handler) {
        self.state().vectors[usize::from(message)].handler = Some(handler);
    }

    /// Runs the handlers of the messages that were sent, until there are none; how many there were.
    pub(crate) fn deliver(&self) -> usize {
        // Handlers run without the lock: they store to registers.
        deliver(|| take_sent(&mut self.state().vectors))
    }

    /// What the driver did that it must not.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// As [`Self::violations`], which are forgotten.
    pub(crate) fn take_violations(&self) -> Vec<String> {
        core::mem::take(&mut self.state().violations)
    }

    /// Panics when the driver did something that it must not.
    #[track_caller]
    pub(crate) fn assert_obeyed(&self) {
        let violations = self.violations();
        assert!(violations.is_empty(), "the driver broke rules: {violations:#?}");
    }

    /// The frames that left the device since the last call.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.state().sent.drain(..).collect()
    }

    /// A frame arrives for an RX queue; false when it is dropped, for want of buffers or of a link.
    pub(crate) fn receive(&self, queue: u32, frame: &[u8]) -> bool {
        self.state().receive(queue, frame)
    }

    /// A frame arrives for an RX queue at the very moment when the driver acknowledges or opens its interrupt, just before that counts.
    pub(crate) fn receive_at_doorbell(&self, queue: u32, frame: &[u8]) {
        self.state().early.push_back((queue, frame.to_vec()));
    }

    /// Buffers that wait for frames in an RX queue.
    pub(crate) fn posted(&self, queue: u32) -> usize {
        let state = self.state();
        state.receivers.get(&queue).map_or(0, |queue| queue.posted.len())
    }

    /// TX queues and RX queues that exist.
    pub(crate) fn queues(&self) -> (usize, usize) {
        let state = self.state();
        (state.transmitters.len(), state.receivers.len())
    }

    /// The format that the driver chose.
    pub(crate) fn format(&self) -> Option<Format> {
        self.state().format()
    }

    /// Pages that are registered, of all lists.
    pub(crate) fn registered_pages(&self) -> usize {
        let state = self.state();
        state.page_lists.values().map(|list| list.pages.len()).sum()
    }

    /// How often the driver has reset the device.
    pub(crate) fn resets(&self) -> usize {
        self.state().resets
    }

    /// The MTU that the driver set.
    pub(crate) fn mtu(&self) -> Option<u16> {
        self.state().settings.mtu
    }

    /// The driver's version, when it was written whole.
    pub(crate) fn driver_version(&self) -> Option<String> {
        self.state().registers.whole_version.clone()
    }

    /// `driver_capability_flags`, when the driver told them.
    pub(crate) fn capabilities(&self) -> Option<[u64; 4]> {
        self.state().settings.capabilities
    }

    /// What the device dropped.
    pub(crate) fn drops(&self) -> Drops {
        self.state().drops
    }
}

impl Model for RegisterBar {
    fn read(&self, offset: usize, size: usize) -> u64 {
        self.0.state().load(offset, size).into()
    }

    fn write(&self, offset: usize, size: usize, value: u64) {
        self.0.state().store_register(offset, size, value);
    }
}

impl Model for DoorbellBar {
    fn read(&self, offset: usize, size: usize) -> u64 {
        let what = format_args!("a load of {size} bytes at {offset:#x} of BAR 2, whose doorbells are for stores");
        self.0.state().violate(what);
        u64::MAX
    }

    fn write(&self, offset: usize, size: usize, value: u64) {
        self.0.state().store_doorbell(offset, size, value);
    }
}
