//! The layouts of the tables. Nothing here trusts a length or an offset.

use alloc::vec::Vec;

/// Bytes that every table begins with.
pub(super) const HEADER_SIZE: usize = 36;

/// A register as a table describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Register {
    /// At a physical address.
    Memory(u64),
    /// At an I/O port.
    Port(u16),
}

/// How the machine is turned off, and how it says that somebody pressed the button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Power {
    /// The fixed hardware of PCs (section 4.8).
    Fixed {
        /// Ports of the two control registers (`PM1a_CNT`, `PM1b_CNT`); 0 for none.
        control: [u16; 2],
        /// Port of the first event register (`PM1a_EVT`); 0 for none.
        event: u16,
        /// Bytes from the event's status to its enable register.
        enable_offset: u16,
        /// Sleep types of S5 for both control registers.
        sleep_type: [u8; 2],
        /// The interrupt of events (SCI).
        interrupt: u32,
        /// Port and value that hand the hardware over to the kernel; port 0 when that is not needed.
        take_over: (u16, u8),
    },
    /// Reduced hardware (section 4.8.3.7): one byte-wide register.
    Reduced {
        /// `SLEEP_CONTROL_REG`.
        control: Register,
        /// Sleep type of S5.
        sleep_type: u8,
    },
}

fn u16_at(table: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(table.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(table: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(table.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(table: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(table.get(at..at + 8)?.try_into().ok()?))
}

/// The port of the power management timer (section 4.8.3.3), from the FADT; `None` when there is none.
pub(super) fn timer_port(fadt: &[u8]) -> Option<u16> {
    u32_at(fadt, 76)
        .and_then(|port| u16::try_from(port).ok())
        .filter(|&port| port != 0)
}

/// A generic address structure (section 5.2.3.2); `None` when it is empty.
fn register_at(table: &[u8], at: usize) -> Option<Register> {
    let address = u64_at(table, at + 4).filter(|&address| address != 0)?;
    match table.get(at)? {
        0 => Some(Register::Memory(address)),
        1 => u16::try_from(address).ok().map(Register::Port),
        _ => None,
    }
}

/// The length that a table's header gives.
pub(super) fn length(header: &[u8]) -> Option<usize> {
    u32_at(header, 4).map(|length| length as usize)
}

/// The `OEMID` that a table's header gives.
pub(super) fn vendor(table: &[u8]) -> Option<alloc::string::String> {
    let text = core::str::from_utf8(table.get(10..16)?).ok()?;
    Some(text.trim_matches(['\0', ' ']).into())
}

/// Address and entry size of the table of tables, from the root pointer.
pub(super) fn root_table(pointer: &[u8]) -> Option<(u64, usize)> {
    if !pointer.starts_with(b"RSD PTR ") {
        return None;
    }
    match u64_at(pointer, 24) {
        Some(address) if pointer[15] >= 2 && address != 0 => Some((address, 8)),
        _ => Some((u64::from(u32_at(pointer, 16)?), 4)),
    }
}

/// The addresses in a table of tables.
pub(super) fn entries(list: &[u8], size: usize) -> impl Iterator<Item = u64> {
    list[HEADER_SIZE.min(list.len())..].chunks_exact(size).map(|entry| {
        entry
            .iter()
            .rev()
            .fold(0, |address, &byte| address << 8 | u64::from(byte))
    })
}

/// Where the table with the firmware's byte code is, from the FADT.
pub(super) fn dsdt_address(fadt: &[u8]) -> Option<u64> {
    u64_at(fadt, 140)
        .filter(|&address| address != 0)
        .or_else(|| u32_at(fadt, 40).map(u64::from))
}

/// How the machine is turned off, from the FADT (section 5.2.9) and the DSDT.
pub(super) fn power(fadt: &[u8], dsdt: &[u8]) -> Option<Power> {
    const HARDWARE_REDUCED: u32 = 1 << 20;
    let sleep_type = soft_off(dsdt)?;
    if u32_at(fadt, 112)? & HARDWARE_REDUCED != 0 {
        return Some(Power::Reduced {
            control: register_at(fadt, 244)?,
            sleep_type: sleep_type[0],
        });
    }
    let port = |at: usize| u32_at(fadt, at).and_then(|port| u16::try_from(port).ok());
    Some(Power::Fixed {
        control: [port(64)?, port(68)?],
        event: port(56)?,
        enable_offset: u16::from(*fadt.get(88)?) / 2,
        sleep_type,
        interrupt: u32::from(u16_at(fadt, 46)?),
        take_over: (port(48)?, *fadt.get(52)?),
    })
}

/// The sleep types of the package `\_S5` in byte code: `Name (_S5, Package () { a, b, … })`.
fn soft_off(dsdt: &[u8]) -> Option<[u8; 2]> {
    const PACKAGE: u8 = 0x12;
    const BYTE_PREFIX: u8 = 0x0a;
    let name = dsdt
        .windows(5)
        .position(|window| window == [b'_', b'S', b'5', b'_', PACKAGE])?;
    let rest = &dsdt[name + 5..];
    // The package's length takes one byte, and as many more as its two upper bits say; then comes the number of elements.
    let mut rest = rest.get(usize::from(rest.first()? >> 6) + 2..)?;
    let mut element = || {
        let (&first, behind) = rest.split_first()?;
        let (value, behind) = match first {
            BYTE_PREFIX => behind.split_first().map(|(&value, behind)| (value, behind))?,
            // ZeroOp and OneOp are their own values.
            small @ (0 | 1) => (small, behind),
            _ => return None,
        };
        rest = behind;
        Some(value)
    };
    let first = element()?;
    Some([first, element().unwrap_or(first)])
}

/// Identifiers of the interrupt controllers of the CPUs that can be used (section 5.2.12).
pub(super) fn cpus(madt: &[u8]) -> Vec<u32> {
    const LOCAL_APIC: u8 = 0;
    const LOCAL_X2APIC: u8 = 9;
    const ENABLED: u32 = 1;
    let mut found = Vec::new();
    let mut rest = madt.get(44..).unwrap_or_default();
    while let [kind, length, ..] = *rest {
        let Some(entry) = rest.get(..usize::from(length)).filter(|entry| entry.len() >= 2) else {
            break;
        };
        let cpu = match kind {
            LOCAL_APIC => entry.get(3).map(|&id| u32::from(id)).zip(u32_at(entry, 4)),
            LOCAL_X2APIC => u32_at(entry, 4).zip(u32_at(entry, 8)),
            _ => None,
        };
        if let Some((id, flags)) = cpu
            && flags & ENABLED != 0
        {
            found.push(id);
        }
        rest = &rest[entry.len()..];
    }
    found
}

/// A virtio-mmio device that the DSDT names (`LNRO0005`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MmioDevice {
    pub(crate) address: u64,
    pub(crate) length: usize,
    /// The input of the interrupt controller.
    pub(crate) interrupt: u32,
}

/// The virtio-mmio devices of a DSDT. Its byte code is not run: behind the name, the device's resources stand in their fixed encoding (ACPI 6.5,
/// sections 6.4.3.4 and 6.4.3.6).
pub(super) fn mmio_devices(dsdt: &[u8]) -> alloc::vec::Vec<MmioDevice> {
    const NAME: &[u8] = b"LNRO0005";
    const MEMORY: [u8; 3] = [0x86, 9, 0];
    const INTERRUPT: [u8; 3] = [0x89, 6, 0];
    let starts: alloc::vec::Vec<usize> = dsdt
        .windows(NAME.len())
        .enumerate()
        .filter(|(_, window)| *window == NAME)
        .map(|(at, _)| at)
        .collect();
    let ends = starts.iter().skip(1).copied().chain([dsdt.len()]);
    starts
        .iter()
        .zip(ends)
        .filter_map(|(&start, end)| {
            let body = &dsdt[start..end];
            let find = |tag: [u8; 3], length: usize| {
                let at = body.windows(3).position(|window| window == tag)?;
                body.get(at + 3..at + 3 + length)
            };
            let memory = find(MEMORY, 9)?;
            let interrupt = find(INTERRUPT, 6)?;
            let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap_or_default());
            Some(MmioDevice {
                address: u64::from(number(&memory[1..5])),
                length: number(&memory[5..9]) as usize,
                interrupt: number(&interrupt[2..6]),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn madt(entries: &[&[u8]]) -> Vec<u8> {
        let mut table = vec![0; 44];
        for entry in entries {
            table.extend_from_slice(entry);
        }
        table
    }

    #[test]
    fn usable_cpus_are_found_and_others_skipped() {
        let table = madt(&[
            &[0, 8, 0, 5, 1, 0, 0, 0],
            &[1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0, 8, 1, 6, 0, 0, 0, 0],
            &[9, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
        ]);
        assert_eq!(cpus(&table), [5, 256]);
    }

    #[test]
    fn damaged_entries_end_the_list() {
        assert_eq!(cpus(&madt(&[&[0, 8, 0, 5, 1, 0, 0, 0], &[0, 0, 0, 7]])), [5]);
        assert_eq!(cpus(&madt(&[&[0, 200, 0, 5]])), []);
        assert_eq!(cpus(&[0; 10]), []);
    }

    #[test]
    fn the_sleep_type_is_read_in_both_encodings() {
        let bytes = b"\x08_S5_\x12\x06\x04\x0a\x05\x0a\x07\0\0";
        assert_eq!(soft_off(bytes), Some([5, 7]));
        assert_eq!(soft_off(b"\x08_S5_\x12\x06\x04\0\0\0\0"), Some([0, 0]));
        assert_eq!(soft_off(b"\x08_S5_\x12"), None);
        assert_eq!(soft_off(b"nothing"), None);
    }

    #[test]
    fn reduced_hardware_is_turned_off_by_its_one_register() {
        let mut fadt = vec![0; 276];
        fadt[112..116].copy_from_slice(&(1u32 << 20).to_le_bytes());
        fadt[248..256].copy_from_slice(&0xfea0_0200u64.to_le_bytes());
        let expected = Power::Reduced {
            control: Register::Memory(0xfea0_0200),
            sleep_type: 5,
        };
        assert_eq!(power(&fadt, b"_S5_\x12\x06\x04\x0a\x05"), Some(expected));
    }

    #[test]
    fn the_vendor_is_in_the_header() {
        let mut table = vec![0; HEADER_SIZE];
        table[10..16].copy_from_slice(b"AMAZON");
        assert_eq!(vendor(&table).as_deref(), Some("AMAZON"));
        table[10..16].copy_from_slice(b"BOCHS ");
        assert_eq!(vendor(&table).as_deref(), Some("BOCHS"));
        assert_eq!(vendor(&table[..12]), None);
    }

    #[test]
    fn the_newer_table_of_tables_comes_first() {
        let mut pointer = b"RSD PTR ".to_vec();
        pointer.resize(36, 0);
        pointer[16..20].copy_from_slice(&0x1000u32.to_le_bytes());
        assert_eq!(root_table(&pointer), Some((0x1000, 4)));
        pointer[15] = 2;
        pointer[24..32].copy_from_slice(&0x2000u64.to_le_bytes());
        assert_eq!(root_table(&pointer), Some((0x2000, 8)));
        assert_eq!(root_table(&pointer[1..]), None);
    }

    #[test]
    fn finds_virtio_devices_in_byte_code() {
        let mut dsdt = alloc::vec![0; 40];
        for number in 0..2u8 {
            dsdt.extend(b"\x08_HID\x0dLNRO0005\0\x08_UID\x0a\x01\x08_CRS\x11\x17");
            dsdt.extend([0x86, 9, 0, 1, 0, 2 * number, 0, 0xfe, 0, 2, 0, 0]);
            dsdt.extend([0x89, 6, 0, 1, 1, 16 + number, 0, 0, 0, 0x79, 0]);
        }
        let device = |address, interrupt| MmioDevice {
            address,
            length: 0x200,
            interrupt,
        };
        assert_eq!(mmio_devices(&dsdt), [device(0xfe00_0000, 16), device(0xfe00_0200, 17)]);
        // Cut short, the second one is left out.
        assert_eq!(mmio_devices(&dsdt[..dsdt.len() - 8]), [device(0xfe00_0000, 16)]);
    }
}
