//! Network cards of AWS's Nitro machines: the Elastic Network Adapter.
//!
//! Written from the maker's public definitions (`ena_regs_defs.h`, `ena_admin_defs.h`, `ena_eth_io_defs.h` and `ena_common_defs.h` of
//! amzn/amzn-drivers, named in the modules) and tested against a model of the device that another hand wrote from the same; it has not met
//! real hardware yet.
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

use crate::bus::{Function, Messages};
use crate::console;
use crate::network::Card;
use crate::sync::SpinLock;

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
    let name = alloc::format!("ena {}", found.0);
    match start_function(&name, found.0) {
        Ok(card) => Some(card),
        Err(failure) => {
            console::note(format_args!("network card {name} {failure}; it is left out"));
            None
        }
    }
}

fn start_function(name: &str, function: Function) -> Result<Arc<dyn Card>, Failure> {
    function.enable();
    let length = function
        .length(REGISTERS)
        .filter(|&length| length as usize >= register::LENGTH);
    let registers = length.and_then(|length| function.map(REGISTERS, 0, length));
    let length = function.length(MEMORY).map(|length| length.min(MOST_MEMORY));
    let memory = length.and_then(|length| function.map(MEMORY, 0, length));
    let mut messages = Messages::of(function).ok_or("has no message interrupts")?;
    let place: Arc<SpinLock<Option<Arc<Ena>>>> = Arc::new(SpinLock::new(None));
    let mut message = |handle: fn(&Ena)| {
        let place = place.clone();
        let handler = move || {
            let card = place.lock().clone();
            if let Some(card) = card {
                handle(&card);
            }
        };
        messages.add(Arc::new(handler)).ok_or("finds too few interrupts")
    };
    // The first is of the admin and event queues.
    message(Ena::hear)?;
    let parts = Parts {
        registers: registers.ok_or("has no registers")?,
        memory,
        address: function.address(),
        is_readless: function.revision() & NO_READLESS == 0,
        message: message(Ena::notice)?,
    };
    let card = Ena::start(name.into(), parts)?;
    *place.lock() = Some(card.clone());
    Ok(card)
}
