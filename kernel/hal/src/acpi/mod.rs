//! What the kernel needs of ACPI (specification 6.5, chapter 5): the CPUs, and how to turn the machine off. Read once at boot.
//!
//! Only tables of fixed layout are read. A library would bring an interpreter of the firmware's byte code, for which there is no use here:
//! the one value that is in byte code, the sleep type of S5, has had the same encoding in every firmware since ACPI 1.0.

mod tables;

use alloc::vec::Vec;

use crate::arch;
use crate::sync::SpinLock;

pub(crate) use tables::{MmioDevice, Power, Register};

/// Tables longer than this are taken for damaged.
const LONGEST_TABLE: usize = 1 << 20;

struct Tables {
    vendor: Option<alloc::string::String>,
    power: Option<Power>,
    timer_port: Option<u16>,
    cpus: Vec<u32>,
    mmio_devices: Vec<MmioDevice>,
}

static TABLES: SpinLock<Option<Tables>> = SpinLock::new(None);

/// Reads the tables.
pub(crate) fn initialize() {
    let root = arch::rsdp().or_else(find_root_pointer);
    let tables = root.map(read_tables).unwrap_or_default();
    let find = |signature: &[u8; 4]| tables.iter().find(|table| table.starts_with(signature));
    let dsdt = find(b"FACP")
        .and_then(|fadt| read_table(tables::dsdt_address(fadt)?))
        .unwrap_or_default();
    let power = find(b"FACP").and_then(|fadt| tables::power(fadt, &dsdt));
    let mmio_devices = tables::mmio_devices(&dsdt);
    let timer_port = find(b"FACP").and_then(|fadt| tables::timer_port(fadt));
    let vendor = find(b"FACP").and_then(|fadt| tables::vendor(fadt));
    let cpus = find(b"APIC").map(|madt| tables::cpus(madt)).unwrap_or_default();
    *TABLES.lock() = Some(Tables {
        vendor,
        power,
        timer_port,
        cpus,
        mmio_devices,
    });
}

/// Who made the tables.
pub(crate) fn vendor() -> Option<alloc::string::String> {
    TABLES.lock().as_ref()?.vendor.clone()
}

/// Identifiers of the interrupt controllers of all CPUs that can be used; empty when there is no table of them.
pub(crate) fn cpus() -> Vec<u32> {
    TABLES.lock().as_ref().map_or(Vec::new(), |tables| tables.cpus.clone())
}

/// The virtio-mmio devices that the firmware names.
pub(crate) fn mmio_devices() -> Vec<MmioDevice> {
    TABLES
        .lock()
        .as_ref()
        .map_or(Vec::new(), |tables| tables.mmio_devices.clone())
}

/// How the machine is turned off; `None` when the firmware does not say. Never waits, so that a failing kernel may ask.
pub(crate) fn power() -> Option<Power> {
    TABLES.try_lock()?.as_ref()?.power
}

/// The port of the power management timer, when there is one.
pub(crate) fn timer_port() -> Option<u16> {
    TABLES.lock().as_ref()?.timer_port
}

/// Looks for the root pointer where firmware without another way to tell puts it.
fn find_root_pointer() -> Option<u64> {
    const START: u64 = 0xe_0000;
    let area = arch::read_firmware(START, 0x2_0000);
    let at = area.chunks(16).position(|chunk| chunk.starts_with(b"RSD PTR "))?;
    Some(START + at as u64 * 16)
}

fn read_tables(root: u64) -> Vec<Vec<u8>> {
    let pointer = arch::read_firmware(root, 36);
    let Some((address, entry_size)) = tables::root_table(&pointer) else {
        return Vec::new();
    };
    let Some(list) = read_table(address) else {
        return Vec::new();
    };
    tables::entries(&list, entry_size).filter_map(read_table).collect()
}

fn read_table(address: u64) -> Option<Vec<u8>> {
    let header = arch::read_firmware(address, tables::HEADER_SIZE);
    let length = tables::length(&header)?;
    (tables::HEADER_SIZE..=LONGEST_TABLE)
        .contains(&length)
        .then(|| arch::read_firmware(address, length))
}
