//! How Linux writes what several files have.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use super::provider::Area;

/// Nanoseconds as the 100 ticks a second that Linux shows.
pub(super) fn ticks(nanoseconds: u64) -> u64 {
    nanoseconds / 10_000_000
}

/// Bytes as kibibytes.
pub(super) fn kib(bytes: u64) -> u64 {
    bytes >> 10
}

/// Bits as a list of ranges: `0-3,5`.
pub(crate) fn ranges(bits: u64) -> String {
    let mut text = String::new();
    let mut next = 0;
    while let Some(skipped) = bits
        .checked_shr(next)
        .filter(|&rest| rest != 0)
        .map(u64::trailing_zeros)
    {
        let first = next + skipped;
        let length = (bits >> first).trailing_ones();
        let comma = if text.is_empty() { "" } else { "," };
        let _ = match length {
            1 => write!(text, "{comma}{first}"),
            _ => write!(text, "{comma}{first}-{}", first + length - 1),
        };
        next = first + length;
    }
    text
}

/// The line of `/proc/PID/maps` for an area.
pub(super) fn area(out: &mut Vec<u8>, area: &Area) {
    let mark = |on, mark| if on { mark } else { '-' };
    let (major, minor) = split_device(area.file.0);
    let line = alloc::format!(
        "{:08x}-{:08x} {}{}{}{} {:08x} {:02x}:{:02x} {} ",
        area.start,
        area.end,
        mark(area.access.0, 'r'),
        mark(area.access.1, 'w'),
        mark(area.access.2, 'x'),
        if area.shared { 's' } else { 'p' },
        area.offset,
        major,
        minor,
        area.file.1,
    );
    out.extend_from_slice(line.as_bytes());
    if !area.name.is_empty() {
        // Names begin at one column, whatever the length of what comes before.
        out.resize(out.len() + 73_usize.saturating_sub(line.len()), b' ');
        escape(out, &area.name, b"\n");
    }
    out.push(b'\n');
}

/// Appends bytes with some of them in octal.
pub(super) fn escape(out: &mut Vec<u8>, bytes: &[u8], which: &[u8]) {
    for &byte in bytes {
        if which.contains(&byte) {
            out.extend_from_slice(alloc::format!("\\{byte:03o}").as_bytes());
        } else {
            out.push(byte);
        }
    }
}

/// The major and the minor part of a device number.
pub(super) fn split_device(device: u64) -> (u64, u64) {
    ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xf_ff00))
}
