//! A model of the Elastic Network Adapter, for tests of its driver: QEMU has none. It runs on the host and believes nothing.
//!
//! It follows the vendor's public definitions (amzn-drivers, `ena_com`: `ena_regs_defs.h`, `ena_admin_defs.h`, `ena_eth_io_defs.h`,
//! `ena_common_defs.h`, version 2.0 of the specification), and for what they leave open the order of accesses of the vendor's drivers and
//! the text "Linux kernel driver for Elastic Network Adapter family". It was written by another hand than the driver (but for the
//! clock, `phc`), and neither it nor the driver has met the hardware. Where the definitions leave room, the model takes the narrower reading:
//!
//! - Before anything but the reset itself, the answer to readless reads and the interrupt mask, the device must be reset; a reset is let go
//!   only after its beginning was seen, and forgets all that the driver set, the place of readless answers too.
//! - Doorbells and the heads of queues count modulo 2^16. A submission queue is never full: one entry stays free.
//! - Messages are masked until they are unmasked: those of queues by their register, after each message again; that of the admin completion
//!   queue and the events, number 0, by the interrupt mask. No queue has message 0.
//! - Entries of completion queues have 2 words for TX and 4 for RX, as the structures do; the definitions' comment ("valid values: 4, 8")
//!   fits the forms with time stamps. A completion queue has one submission queue, and at least as many entries.
//! - Every packet asks for its completion, unless its queue completes on demand.
//! - Memory that the device is given must be owned by somebody (see [`crate::mem::Frame`]) whenever it is reached, and no two of rings,
//!   answers and buffers overlap.
//!
//! Not modelled: RSS, statistics, time stamps, queues in page lists, header rings, flow steering.
//!
//! # Use
//!
//! ```ignore
//! let device = Ena::new(Configuration::default());
//! let driver = start_at(device.registers(), device.llq_memory(), …);
//! device.connect(1, handler);           // what message 1 calls
//! device.receive(0, &frame);            // a frame arrives for RX queue 0
//! device.deliver();                     // runs the handlers of what was sent
//! assert_eq!(device.sent(), […]);       // frames of TX queues, offloads carried out
//! device.inject(Defect::Hung);          // and other faults: `faults`
//! device.assert_obeyed();               // the driver broke no rule
//! ```
//!
//! Doorbells are obeyed at once, within the store; messages wait for [`Ena::deliver`], as on a CPU that is busy. The device has no clock of its own but
//! that one: a reset takes looks at the status, and a second passes when the test says so ([`Ena::second`]).

mod admin;
mod completion;
mod configuration;
mod defs;
mod descriptors;
mod doorbells;
mod events;
mod faults;
mod features;
mod interrupts;
mod llq;
mod memory;
mod offload;
mod phc;
mod receive;
mod registers;
mod state;
mod submission;
mod transmit;

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

pub(crate) use configuration::{Configuration, LlqOffer, RegisterReads};
pub(crate) use faults::{AdminFault, CompletionFault, Defect};
pub(crate) use phc::{PhcOffer, PhcTime};
pub(crate) use state::{Drops, Sent};

use state::State;

/// The device, as a test has it in hand.
#[derive(Clone)]
pub(crate) struct Ena(Arc<Mutex<State>>);

/// BAR 0.
struct RegisterBar(Ena);
/// BAR 2.
struct MemoryBar(Ena);

impl Ena {
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

    /// BAR 2: the memory of low latency queues.
    pub(crate) fn llq_memory(&self) -> Registers {
        Registers::of_model(Box::leak(Box::new(MemoryBar(self.clone()))), llq::LENGTH)
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
    pub(crate) fn receive(&self, queue: u16, frame: &[u8]) -> bool {
        self.state().receive(queue, frame)
    }

    /// Buffers that wait for frames in an RX queue.
    pub(crate) fn posted(&self, queue: u16) -> usize {
        let state = self.state();
        let queue = state.submissions.get(&(state::Direction::Rx, queue));
        queue.map_or(0, |queue| queue.posted.len())
    }

    /// Completion queues and submission queues that exist.
    pub(crate) fn queues(&self) -> (usize, usize) {
        let state = self.state();
        (state.completions.len(), state.submissions.len())
    }

    /// Reasons of the resets so far (`ena_regs_reset_reason_types`).
    pub(crate) fn resets(&self) -> Vec<u32> {
        self.state().resets.clone()
    }

    /// The MTU that the driver set.
    pub(crate) fn mtu(&self) -> Option<u32> {
        self.state().settings.mtu
    }

    /// The groups of events that the driver wants.
    pub(crate) fn groups(&self) -> u32 {
        self.state().settings.groups
    }

    /// Whether the driver told the host's attributes.
    pub(crate) fn has_host_info(&self) -> bool {
        self.state().settings.host_info.is_some()
    }

    /// Whether the driver chose low latency queues.
    pub(crate) fn has_llq(&self) -> bool {
        self.state().settings.llq.is_some()
    }

    /// What the device dropped.
    pub(crate) fn drops(&self) -> Drops {
        self.state().drops
    }

    /// Gives the device a lasting fault.
    pub(crate) fn inject(&self, defect: Defect) {
        self.state().faults.defects.push(defect);
    }

    /// Takes a lasting fault away.
    pub(crate) fn heal(&self, defect: Defect) {
        self.state().faults.defects.retain(|&other| other != defect);
    }

    /// What becomes of the next command with an opcode (`ena_admin_aq_opcode`) that no earlier fault is for.
    pub(crate) fn fail_command(&self, opcode: u8, fault: AdminFault) {
        self.state().faults.commands.push((opcode, fault));
    }

    /// Completes the commands that [`AdminFault::Late`] held back.
    pub(crate) fn release_commands(&self) {
        self.state().release_commands();
    }

    /// What becomes of the completions of the next frames that are sent, in turn.
    pub(crate) fn fail_sent(&self, faults: &[CompletionFault]) {
        self.state().faults.sent.extend(faults);
    }

    /// What becomes of the completions of the next frames that are received, in turn.
    pub(crate) fn fail_received(&self, faults: &[CompletionFault]) {
        self.state().faults.received.extend(faults);
    }

    /// From now on packets are completed only by [`Self::release_transmissions`], or at once again.
    pub(crate) fn hold_transmissions(&self, holds: bool) {
        self.state().holds_transmissions = holds;
    }

    /// Completes the packets that were taken, in order or the newest first.
    pub(crate) fn release_transmissions(&self, newest_first: bool) {
        self.state().release_transmissions(newest_first);
    }

    /// The link goes or comes.
    pub(crate) fn set_link(&self, has_link: bool) {
        let mut state = self.state();
        state.has_link = has_link;
        let mut event = events::event(defs::admin::LINK_CHANGE, 0);
        event[16] = has_link.into();
        state.tell(event, true);
    }

    /// A second passes: the device says that it lives, unless it has the fault that it does not.
    pub(crate) fn second(&self) {
        let mut state = self.state();
        if state.faults.has(Defect::NoKeepAlives) || !state.is_alive() {
            return;
        }
        let mut event = events::event(defs::admin::KEEP_ALIVE, 0);
        event[16..24].copy_from_slice(&state.drops.rx.to_le_bytes());
        event[24..32].copy_from_slice(&state.drops.tx.to_le_bytes());
        state.tell(event, true);
    }

    /// The device fails: it says so by an event and in its status, and does nothing until it is reset.
    pub(crate) fn fail(&self) {
        let mut state = self.state();
        state.tell(events::event(defs::admin::FATAL_ERROR, 0), true);
        state.registers.has_failed = true;
    }

    /// The device asks for a reset, and goes on.
    pub(crate) fn ask_for_reset(&self) {
        self.event(defs::admin::DEVICE_REQUEST_RESET, 0);
    }

    /// An event with any group and syndrome, if the driver wants the group, or it does not exist.
    pub(crate) fn event(&self, group: u16, syndrome: u16) {
        self.state().tell(events::event(group, syndrome), true);
    }

    /// An event of any content. Without the right phase it counts as not written yet.
    pub(crate) fn raw_event(&self, entry: [u8; 64], has_phase: bool) {
        self.state().tell(entry, has_phase);
    }
}

impl Model for RegisterBar {
    fn read(&self, offset: usize, size: usize) -> u64 {
        self.0.state().load(offset, size).into()
    }

    fn write(&self, offset: usize, size: usize, value: u64) {
        self.0.state().store_register(offset, size, value as u32);
    }
}

impl Model for MemoryBar {
    fn read(&self, offset: usize, size: usize) -> u64 {
        let what = format_args!("a load of {size} bytes at {offset:#x} of BAR 2, which is for stores");
        self.0.state().violate(what);
        u64::MAX
    }

    fn write(&self, offset: usize, size: usize, value: u64) {
        self.0.state().store_llq(offset, size, value);
    }
}
