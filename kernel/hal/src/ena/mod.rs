//! Network cards of AWS's Nitro machines: the Elastic Network Adapter.
//!
//! Written from the maker's public definitions (`ena_regs_defs.h`, `ena_admin_defs.h`, `ena_eth_io_defs.h` and `ena_common_defs.h` of
//! amzn/amzn-drivers, named in the modules) and tested against a model of the device that another hand wrote from the same; it has not met
//! real hardware yet. The clock ([`phc`]) is an exception: its part of the model is by the driver's author.
//!
//! One queue of each direction, because all interrupts of devices go to the first CPU.

mod admin;
mod card;
mod command;
mod descriptor;
mod device;
mod event;
mod failure;
mod feature;
mod host;
mod phc;
mod reader;
mod receiver;
mod register;
mod ring;
mod sender;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;

use crate::bus::Function;
use crate::network::{self, Card, Handlers};

use card::Ena;
use device::Parts;
use failure::Failure;

/// Amazon.
const VENDOR: u16 = 0x1d0f;
/// Physical and virtual functions, without low-latency queues and with.
const DEVICES: [u16; 4] = [0x0ec2, 0x1ec2, 0xec20, 0xec21];
/// Base addresses.
const REGISTERS: u8 = 0;
const MEMORY: u8 = 2;
/// The most of base address 2 that is mapped.
const MOST_MEMORY: u32 = 64 << 20;
/// In the PCI revision: registers can only be read directly.
const NO_READLESS: u8 = 1 << 0;

/// A card that was found, not yet driven.
pub struct Found(pub(crate) Function);

/// Whether a PCI function is one.
pub(crate) fn is_known(vendor: u16, device: u16) -> bool {
    vendor == VENDOR && DEVICES.contains(&device)
}

/// Starts a card. `None` when it does not work, and a line on the console says so.
pub fn start(found: &Found) -> Option<Arc<dyn Card>> {
    network::start("ena", found.0, start_function)
}

fn start_function(name: &str, function: Function) -> Result<Arc<dyn Card>, Failure> {
    function.enable();
    let length = function
        .length(REGISTERS)
        .filter(|&length| length as usize >= register::LENGTH);
    let registers = length.and_then(|length| function.map(REGISTERS, 0, length));
    let length = function.length(MEMORY).map(|length| length.min(MOST_MEMORY));
    let memory = length.and_then(|length| function.map(MEMORY, 0, length));
    let mut handlers = Handlers::<Ena>::of(function)?;
    // The first is of the admin and event queues.
    handlers.add(Ena::hear)?;
    let parts = Parts {
        registers: registers.ok_or("has no registers")?,
        memory,
        address: function.address(),
        is_readless: function.revision() & NO_READLESS == 0,
        message: handlers.add(Ena::notice)?,
    };
    let card = Ena::start(name.into(), parts)?;
    handlers.serve(card.clone());
    Ok(card)
}
