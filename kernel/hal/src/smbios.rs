//! What the firmware says of the machine (System Management BIOS Reference Specification 3.6), as far as it tells which one it is.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use crate::arch;

/// Where firmware that was not UEFI puts the entry point (section 5.2).
const AREA: u64 = 0xf_0000;
const AREA_LENGTH: usize = 0x1_0000;
/// No entry point is longer.
const MOST_OF_ENTRY: usize = 64;
/// Structures longer than this in all are taken for damaged.
const MOST_BYTES: usize = 64 << 10;

/// What a string says: the type of its structure, the place of its number there, and Linux's name for it.
const STRINGS: [(u8, usize, &str); 15] = [
    (0, 4, "bios_vendor"),
    (0, 5, "bios_version"),
    (0, 8, "bios_date"),
    (1, 4, "sys_vendor"),
    (1, 5, "product_name"),
    (1, 6, "product_version"),
    (1, 7, "product_serial"),
    (1, 0x19, "product_sku"),
    (1, 0x1a, "product_family"),
    (2, 4, "board_vendor"),
    (2, 5, "board_name"),
    (2, 8, "board_asset_tag"),
    (3, 4, "chassis_vendor"),
    (3, 7, "chassis_serial"),
    (3, 8, "chassis_asset_tag"),
];

/// What the tables say of the machine, by Linux's names; empty when there are none.
pub(crate) fn identity() -> Vec<(&'static str, String)> {
    // UEFI's is wherever its table says, which only the boot loader saw.
    let given = arch::module()
        .and_then(|(address, length)| find_table(&arch::read_firmware(address, length.min(MOST_OF_ENTRY))));
    match given.or_else(|| find_table(&arch::read_firmware(AREA, AREA_LENGTH))) {
        Some((address, length)) => identity_in(&arch::read_firmware(address, length)),
        None => Vec::new(),
    }
}

/// Address and length of the structures, from the newer entry point (section 5.2.2) or the older (5.2.1).
fn find_table(area: &[u8]) -> Option<(u64, usize)> {
    let word = |entry: &[u8], at: usize, count: usize| {
        let bytes = entry.get(at..at + count)?;
        Some(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    };
    // Four bytes at a time: there are thousands of paragraphs, and a boot is short.
    let find = |behind: u8| {
        let (paragraphs, _) = area.as_chunks::<16>();
        let at = paragraphs
            .iter()
            .position(|&[a, b, c, d, ..]| [a, b, c, d] == [b'_', b'S', b'M', behind])?;
        Some(&area[at * 16..])
    };
    let (address, length) = match find(b'3') {
        Some(entry) => (word(entry, 16, 8)?, word(entry, 12, 4)?),
        None => {
            let entry = find(b'_')?;
            (word(entry, 24, 4)?, word(entry, 22, 2)?)
        }
    };
    (address != 0).then_some((address, (length as usize).min(MOST_BYTES)))
}

/// What a table of structures says. Of several structures of a type the first counts.
fn identity_in(mut table: &[u8]) -> Vec<(&'static str, String)> {
    const SYSTEM: u8 = 1;
    const UUID: usize = 8;
    const END: u8 = 127;
    let mut found: Vec<(&'static str, String)> = Vec::new();
    let mut add = |name: &'static str, value: String| {
        if found.iter().all(|(other, _)| *other != name) {
            found.push((name, value));
        }
    };
    while let [kind, length, ..] = *table {
        let Some((fields, behind)) = table.split_at_checked(usize::from(length)) else {
            break;
        };
        if kind == END || length < 4 {
            break;
        }
        // The strings stand behind the fields, each with a zero byte, and one more ends them; there are two when there are none.
        let Some(end) = behind.windows(2).position(|pair| pair == [0, 0]) else {
            break;
        };
        let texts: Vec<&[u8]> = behind[..end].split(|&byte| byte == 0).collect();
        let text = |at: usize| {
            let index = usize::from(*fields.get(at)?).checked_sub(1)?;
            Some(String::from_utf8_lossy(texts.get(index)?).into_owned())
        };
        for &(_, at, name) in STRINGS.iter().filter(|(of, ..)| *of == kind) {
            if let Some(value) = text(at) {
                add(name, value);
            }
        }
        if kind == SYSTEM
            && let Some(bytes) = fields.get(UUID..).and_then(|fields| fields.first_chunk())
        {
            add("product_uuid", uuid(*bytes));
        }
        table = &behind[end + 2..];
    }
    found
}

/// A UUID, whose first three fields are little-endian (section 7.2.1).
fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    let mut text = String::new();
    for (place, byte) in bytes.iter().enumerate() {
        let dash = if [4, 6, 8, 10].contains(&place) { "-" } else { "" };
        let _ = write!(text, "{dash}{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn structure(kind: u8, fields: &[u8], texts: &[&str]) -> Vec<u8> {
        let mut bytes = alloc::vec![kind, 4 + fields.len() as u8, 0, 0];
        bytes.extend(fields);
        for text in texts {
            bytes.extend(text.as_bytes());
            bytes.push(0);
        }
        bytes.extend_from_slice(if texts.is_empty() { &[0, 0] } else { &[0] });
        bytes
    }

    #[test]
    fn the_machine_is_found_among_other_structures() {
        let system: Vec<u8> = [1, 2, 0, 0].into_iter().chain(0..16).collect();
        let table = [
            structure(0, &[2, 1], &["1.0", "Amazon EC2"]),
            structure(32, &[0; 8], &[]),
            structure(1, &system, &["Google", "Google Compute Engine"]),
            structure(1, &[1, 1], &["a second one"]),
            structure(127, &[], &[]),
            structure(3, &[1, 1], &["behind the end"]),
        ]
        .concat();
        let identity = |table: &[u8]| -> Vec<String> {
            let found = identity_in(table).into_iter();
            found.map(|(name, value)| alloc::format!("{name}={value}")).collect()
        };
        assert_eq!(
            identity(&table),
            [
                "bios_vendor=Amazon EC2",
                "bios_version=1.0",
                "sys_vendor=Google",
                "product_name=Google Compute Engine",
                "product_uuid=03020100-0504-0706-0809-0a0b0c0d0e0f",
            ]
        );
        for length in 0..table.len() {
            identity_in(&table[..length]);
        }
        assert_eq!(identity(&structure(1, &[9, 0], &["only one"])), Vec::<String>::new());
    }

    #[test]
    fn both_entry_points_are_found() {
        let mut area = alloc::vec![0; 256];
        assert_eq!(find_table(&area), None);
        area[32..36].copy_from_slice(b"_SM_");
        area[54..56].copy_from_slice(&300u16.to_le_bytes());
        area[56..60].copy_from_slice(&0xf_1234u32.to_le_bytes());
        assert_eq!(find_table(&area), Some((0xf_1234, 300)));
        area[64..69].copy_from_slice(b"_SM3_");
        area[76..80].copy_from_slice(&u32::MAX.to_le_bytes());
        area[80..88].copy_from_slice(&0x7f_0000u64.to_le_bytes());
        assert_eq!(find_table(&area), Some((0x7f_0000, MOST_BYTES)));
        assert_eq!(find_table(&area[..80]), None, "cut short");
    }
}
