//! Disks by NVM Express (NVM Express Base Specification 2.0, sections by number in the modules), as AWS's and Google's machines have them.

mod command;
mod controller;
mod queue;
mod register;

#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::block::{Channel, Counter, Disk, Place, Protocol, Unit};
use crate::bus::{Function, Messages, Registers};
use crate::console;

use controller::Controller;

/// How many controllers have started.
static CONTROLLERS: AtomicU32 = AtomicU32::new(0);

/// A controller that was found, not yet driven.
pub struct Found(pub(crate) Function);

/// Starts a controller; its active namespaces are disks. None when it does not work, and a line on the console says so.
pub fn start(found: &Found) -> Vec<Disk> {
    let name = alloc::format!("nvme {}", found.0);
    found.0.enable();
    let place = Place::default();
    let parts = found.0.map(0, 0, register::LENGTH).zip(Messages::of(found.0));
    let disks = parts
        .ok_or("has no registers or no message interrupts")
        .and_then(|(registers, mut messages)| {
            let message = messages.add(place.handler()).ok_or("found no free interrupt")?;
            start_at(&name, registers, message, &place)
        });
    disks.unwrap_or_else(|why| {
        console::write_line(format_args!("disk controller {name} {why}; its disks are left out"));
        Vec::new()
    })
}

/// Starts the controller behind a range of registers.
fn start_at(name: &str, registers: Registers, message: u16, place: &Place) -> Result<Vec<Disk>, &'static str> {
    let (controller, namespaces) = Controller::start(registers, message)?;
    let channel = Channel::new(String::from(name), Box::new(controller));
    place.put(&channel);
    let number = CONTROLLERS.fetch_add(1, Ordering::Relaxed);
    let disks = namespaces.into_iter().map(|namespace| {
        let unit = Unit {
            number: namespace.number,
            name: alloc::format!("{name} namespace {}", namespace.number),
            protocol: Protocol::Nvme(number, namespace.number),
            block_shift: namespace.block_shift,
            blocks: namespace.blocks,
            counter: Counter::default(),
        };
        Disk::new(&channel, unit)
    });
    Ok(disks.collect())
}
