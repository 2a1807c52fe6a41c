//! The table as it is on the disk, with sectors of 512 bytes.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout};

use crate::crc32::Crc32;

pub(super) const SECTOR: usize = 512;
const SIGNATURE: [u8; 8] = *b"EFI PART";
/// The most bytes of entries that are read; what everybody writes is 16 KiB.
const MOST_ENTRIES: usize = 1 << 18;

/// A GUID as it is on the disk.
pub(super) type Guid = [u8; 16];

/// A GUID from the digits of its text form: on the disk its first three fields are little-endian.
pub(super) const fn guid(digits: u128) -> Guid {
    let [a0, a1, a2, a3, b0, b1, c0, c1, d0, d1, d2, d3, d4, d5, d6, d7] = digits.to_be_bytes();
    [a3, a2, a1, a0, b1, b0, c1, c0, d0, d1, d2, d3, d4, d5, d6, d7]
}

#[derive(FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct RawHeader {
    signature: [u8; 8],
    revision: U32,
    size: U32,
    checksum: U32,
    reserved: U32,
    own_sector: U64,
    other_sector: U64,
    first_usable: U64,
    last_usable: U64,
    disk: Guid,
    entries_sector: U64,
    entry_count: U32,
    entry_size: U32,
    entries_checksum: U32,
}

/// What is needed of the header.
pub(super) struct Header {
    /// Where the entries begin, in bytes.
    pub(super) entries_offset: u64,
    pub(super) entry_count: usize,
    pub(super) entry_size: usize,
    pub(super) entries_checksum: u32,
}

impl Header {
    /// Reads sector 1: `None` when it is no header, `Some(None)` when it is a damaged one. Overwrites the checksum in it.
    #[expect(clippy::option_option, reason = "no table and a damaged one are two things")]
    pub(super) fn read(sector: &mut [u8; SECTOR]) -> Option<Option<Self>> {
        let (raw, _) = RawHeader::read_from_prefix(&*sector).ok()?;
        (raw.signature == SIGNATURE).then(|| Self::check(&raw, sector))
    }

    fn check(raw: &RawHeader, sector: &mut [u8; SECTOR]) -> Option<Self> {
        const CHECKSUM: core::ops::Range<usize> = 16..20;
        sector[CHECKSUM].fill(0);
        let size = raw.size.get() as usize;
        if size < size_of::<RawHeader>()
            || crc32(sector.get(..size)?) != raw.checksum.get()
            || raw.own_sector.get() != 1
        {
            return None;
        }
        let (entry_count, entry_size) = (raw.entry_count.get() as usize, raw.entry_size.get() as usize);
        let fits = entry_count
            .checked_mul(entry_size)
            .is_some_and(|bytes| bytes <= MOST_ENTRIES);
        (fits && entry_size >= size_of::<Entry>()).then_some(Self {
            entries_offset: raw.entries_sector.get().checked_mul(SECTOR as u64)?,
            entry_count,
            entry_size,
            entries_checksum: raw.entries_checksum.get(),
        })
    }
}

#[derive(FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Entry {
    pub(super) kind: Guid,
    pub(super) unique: Guid,
    pub(super) first: U64,
    pub(super) last: U64,
    pub(super) attributes: U64,
    pub(super) name: [u8; 72],
}

/// CRC-32 of IEEE 802.3.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    static CRC: Crc32 = Crc32::of(0xedb8_8320);
    !bytes.iter().fold(u32::MAX, |sum, &byte| CRC.add(sum, byte))
}
