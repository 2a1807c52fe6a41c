//! What the firmware says of the machine (System Management BIOS Reference Specification 3.6), as far as it names its makers.

use alloc::string::String;
use alloc::vec::Vec;

use crate::arch;

/// Where firmware that was not UEFI puts the entry point (section 5.2).
const AREA: u64 = 0xf_0000;
const AREA_LENGTH: usize = 0x1_0000;
/// No entry point is longer.
const MOST_OF_ENTRY: usize = 64;
/// Structures longer than this in all are taken for damaged.
const MOST_BYTES: usize = 64 << 10;

/// The strings that name the makers of the firmware (type 0, vendor) and of the machine (type 1, manufacturer and product); empty when
/// there are no tables.
pub(crate) fn makers() -> Vec<String> {
    // UEFI's is wherever its table says, which only the boot loader saw.
    let given = arch::module()
        .and_then(|(address, length)| find_table(&arch::read_firmware(address, length.min(MOST_OF_ENTRY))));
    match given.or_else(|| find_table(&arch::read_firmware(AREA, AREA_LENGTH))) {
        Some((address, length)) => strings(&arch::read_firmware(address, length)),
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

/// The makers in a table of structures.
fn strings(mut table: &[u8]) -> Vec<String> {
    const FIRMWARE: u8 = 0;
    const SYSTEM: u8 = 1;
    const END: u8 = 127;
    let mut found = Vec::new();
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
        match kind {
            FIRMWARE => found.extend(text(4)),
            SYSTEM => found.extend([text(4), text(5)].into_iter().flatten()),
            _ => {}
        }
        table = &behind[end + 2..];
    }
    found
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
    fn makers_are_found_among_other_structures() {
        let table = [
            structure(0, &[2, 1], &["1.0", "Amazon EC2"]),
            structure(32, &[0; 8], &[]),
            structure(1, &[1, 2, 0], &["Google", "Google Compute Engine"]),
            structure(127, &[], &[]),
            structure(1, &[1, 1], &["behind the end"]),
        ]
        .concat();
        assert_eq!(strings(&table), ["Amazon EC2", "Google", "Google Compute Engine"]);
        for length in 0..table.len() {
            strings(&table[..length]);
        }
        assert_eq!(strings(&structure(1, &[9, 0], &["only one"])), Vec::<String>::new());
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
