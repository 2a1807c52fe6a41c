//! Serial ATA disks by AHCI (Serial ATA AHCI 1.3.1, sections by number in the modules), as PCs and desktop hypervisors have them.

mod command;
mod port;
mod register;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::block::{Channel, Counter, Disk, Place, Protocol, Unit};
use crate::bus::{Function, Messages, Registers};
use crate::{console, time};

use port::Port;
use register::{hba, port as port_register};

/// A controller that was found, not yet driven.
pub struct Found(pub(crate) Function);

/// How long a controller may take to reset (section 10.4.3), and to be handed over by the firmware (10.6), in nanoseconds.
const RESET_TIME: u64 = 1_000_000_000;
const HAND_OVER_TIME: u64 = 2_000_000_000;

/// Starts a controller and its disks. None when it has none, which costs a few reads, or does not work, and then a line on the console says so.
pub fn start(found: &Found) -> Vec<Disk> {
    let name = alloc::format!("ahci {}", found.0);
    found.0.enable();
    let Some(registers) = found.0.map(5, 0, register::LENGTH) else {
        return Vec::new();
    };
    let implemented = registers.read32(hba::PORTS_IMPLEMENTED);
    let ports: Vec<u8> = (0..register::PORTS)
        .filter(|&number| implemented >> number & 1 != 0)
        .filter(|&number| has_device(registers, number))
        .collect();
    if ports.is_empty() {
        return Vec::new();
    }
    start_ports(&name, found.0, registers, &ports).unwrap_or_else(|why| {
        console::write_line(format_args!("disk controller {name} {why}; its disks are left out"));
        Vec::new()
    })
}

/// Whether the firmware found a device at a port.
fn has_device(registers: Registers, number: u8) -> bool {
    let port = register::port_range(registers, number);
    port.is_some_and(|port| port.read32(port_register::SATA_STATUS) & 0xf == port_register::DEVICE_PRESENT)
}

fn start_ports(name: &str, function: Function, registers: Registers, ports: &[u8]) -> Result<Vec<Disk>, &'static str> {
    reset(registers)?;
    if registers.read32(hba::CAPABILITIES) & hba::ADDRESSES_64 == 0 {
        return Err("does not reach all of the memory");
    }
    let mut messages = Messages::of(function).ok_or("has no message interrupts")?;
    let places: Vec<Place> = ports.iter().map(|_| Place::default()).collect();
    let handlers: Vec<_> = places.iter().map(Place::handler).collect();
    messages
        .add(Arc::new(move || handlers.iter().for_each(|handler| handler())))
        .ok_or("found no free interrupt")?;
    let mut disks = Vec::new();
    for (&number, place) in ports.iter().zip(&places) {
        match Port::start(registers, number) {
            Ok((port, shape)) => {
                let name = alloc::format!("{name} port {number}");
                let channel = Channel::new(name.clone(), Box::new(port));
                place.put(&channel);
                let unit = Unit {
                    number: 0,
                    name,
                    protocol: Protocol::Scsi,
                    block_shift: shape.block_shift,
                    blocks: shape.blocks,
                    counter: Counter::default(),
                };
                disks.push(Disk::new(&channel, unit));
            }
            Err(why) => console::write_line(format_args!("disk {name} port {number} {why}; it is left out")),
        }
    }
    let control = registers.read32(hba::CONTROL);
    registers.write32(hba::CONTROL, control | hba::INTERRUPTS);
    Ok(disks)
}

/// Takes the controller from the firmware and resets it.
fn reset(registers: Registers) -> Result<(), &'static str> {
    if registers.read32(hba::CAPABILITIES_2) & hba::HAS_HAND_OVER != 0 {
        let hand_over = registers.read32(hba::HAND_OVER);
        registers.write32(hba::HAND_OVER, hand_over | hba::OWNED_BY_KERNEL);
        if !wait(HAND_OVER_TIME, || {
            registers.read32(hba::HAND_OVER) & hba::OWNED_BY_FIRMWARE == 0
        }) {
            return Err("is not handed over by the firmware");
        }
    }
    registers.write32(hba::CONTROL, hba::ENABLE);
    registers.write32(hba::CONTROL, hba::ENABLE | hba::RESET);
    if !wait(RESET_TIME, || registers.read32(hba::CONTROL) & hba::RESET == 0) {
        return Err("does not reset");
    }
    registers.write32(hba::CONTROL, hba::ENABLE);
    Ok(())
}

/// Waits for a condition, at most so many nanoseconds; whether it came.
fn wait(nanoseconds: u64, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = time::monotonic() + nanoseconds;
    while !condition() {
        if time::monotonic() > deadline {
            return false;
        }
        core::hint::spin_loop();
    }
    true
}
