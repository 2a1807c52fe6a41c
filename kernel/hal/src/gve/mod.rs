//! Network cards of Google's machines: Google Virtual Ethernet, called gVNIC.
//!
//! Written from the maker's public definitions (`gve_register.h`, `gve_adminq.h`, `gve_desc.h` and `gve_desc_dqo.h` of
//! GoogleCloudPlatform/compute-virtual-ethernet-linux and -freebsd, named in the modules) and what their drivers do where these are silent, and
//! tested against a model of the device that another hand wrote from the same; it has not met real hardware yet.
//!
//! Queues come in formats, of which the device offers some: in order with buffers in registered pages (GQI-QPL), out of order with buffers
//! anywhere (DQO-RDA) or in registered pages (DQO-QPL). One queue of each direction, because all interrupts of devices go to the first CPU.

mod abilities;
mod admin;
mod card;
mod command;
mod description;
mod device;
mod dqo;
mod failure;
mod gqi;
mod host;
mod offload;
mod receive_rings;
mod receiver;
mod register;
mod sender;
mod transmit_ring;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;

use crate::bus::Function;
use crate::network::{self, Card, Handlers};

use card::Gve;
use device::Parts;
use failure::Failure;

/// Google, and its card.
const VENDOR: u16 = 0x1ae0;
const DEVICE: u16 = 0x0042;
/// Base addresses.
const REGISTERS: u8 = 0;
const DOORBELLS: u8 = 2;
/// The most of base address 2 that is mapped.
const MOST_DOORBELLS: u32 = 1 << 20;

/// A card that was found, not yet driven.
pub struct Found(pub(crate) Function);

/// Whether a PCI function is one.
pub(crate) fn is_known(vendor: u16, device: u16) -> bool {
    (vendor, device) == (VENDOR, DEVICE)
}

/// Starts a card. `None` when it does not work, and a line on the console says so.
pub fn start(found: &Found) -> Option<Arc<dyn Card>> {
    network::start("gve", found.0, start_function)
}

fn start_function(name: &str, function: Function) -> Result<Arc<dyn Card>, Failure> {
    function.enable();
    let length = function
        .length(REGISTERS)
        .filter(|&length| length as usize >= register::LENGTH);
    let registers = length.and_then(|length| function.map(REGISTERS, 0, length));
    let length = function.length(DOORBELLS).map(|length| length.min(MOST_DOORBELLS));
    let doorbells = length.and_then(|length| function.map(DOORBELLS, 0, length));
    let mut handlers = Handlers::<Gve>::of(function)?;
    // Those of the notification blocks, and behind them the one of management.
    let first = handlers.add(Gve::notice_sent)?;
    handlers.add(Gve::notice)?;
    handlers.add(Gve::hear)?;
    let parts = Parts {
        registers: registers.ok_or("has no registers")?,
        doorbells: doorbells.ok_or("has no doorbells")?,
        revision: function.revision(),
        message: first,
    };
    let card = Gve::start(name.into(), parts)?;
    handlers.serve(card.clone());
    Ok(card)
}
