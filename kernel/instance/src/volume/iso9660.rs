//! ISO 9660 (ECMA-119), with the names of Joliet or Rock Ridge where there are any.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Extent, LABEL, Problem, Volume, bytes_at, u16_at, u32_at};

const SECTOR: usize = 2048;
/// The first volume descriptor's sector, and how many are looked at.
const FIRST_DESCRIPTOR: u64 = 16;
const MOST_DESCRIPTORS: u64 = 16;
const PRIMARY: u8 = 1;
const SUPPLEMENTARY: u8 = 2;
const TERMINATOR: u8 = 255;
/// The longest top directory.
const MOST_DIRECTORY: u32 = 64 << 10;

/// A volume.
pub(super) struct Iso {
    directory: Extent,
    joliet: bool,
}

impl Iso {
    /// The volume, when it is one with the label.
    pub(super) async fn open<V: Volume>(volume: &V) -> Result<Option<Self>, Problem> {
        let mut found: Option<Self> = None;
        let mut labelled = false;
        for number in 0..MOST_DESCRIPTORS {
            let place = (FIRST_DESCRIPTOR + number) * SECTOR as u64;
            if place + SECTOR as u64 > volume.size() {
                break;
            }
            let descriptor = bytes_at(volume, place, SECTOR).await?;
            if &descriptor[1..6] != b"CD001" || descriptor[0] == TERMINATOR {
                break;
            }
            if usize::from(u16_at(&descriptor, 128)) != SECTOR {
                return Ok(None);
            }
            let joliet = is_joliet(&descriptor);
            if descriptor[0] == PRIMARY {
                let label = descriptor[40..72].trim_ascii();
                labelled = label.eq_ignore_ascii_case(LABEL.as_bytes());
            }
            if (descriptor[0] == PRIMARY && found.is_none()) || joliet {
                found = Some(Self {
                    directory: extent(&descriptor[156..190]),
                    joliet,
                });
            }
        }
        Ok(found.filter(|_| labelled))
    }

    /// The bytes of a file of the top directory.
    pub(super) async fn file<V: Volume>(&self, volume: &V, name: &str) -> Result<Option<Vec<u8>>, Problem> {
        const IS_DIRECTORY: u8 = 1 << 1;
        let length = self.directory.length;
        if length > MOST_DIRECTORY {
            return Err(Problem::Damaged);
        }
        let records = bytes_at(volume, self.directory.place, length as usize).await?;
        for sector in records.chunks(SECTOR) {
            let mut rest = sector;
            while let Some(&length) = rest.first().filter(|&&length| length >= 34) {
                let (record, behind) = rest.split_at_checked(usize::from(length)).ok_or(Problem::Damaged)?;
                rest = behind;
                if record[25] & IS_DIRECTORY == 0
                    && self.name(record).is_some_and(|found| found.eq_ignore_ascii_case(name))
                {
                    let extent = extent(record);
                    return bytes_at(volume, extent.place, extent.length as usize).await.map(Some);
                }
            }
        }
        Ok(None)
    }

    /// The name in a directory record.
    fn name(&self, record: &[u8]) -> Option<String> {
        let length = usize::from(record[32]);
        let name = record.get(33..33 + length)?;
        let name = if self.joliet {
            let units = name.as_chunks::<2>().0.iter().map(|&unit| u16::from_be_bytes(unit));
            char::decode_utf16(units).collect::<Result<String, _>>().ok()?
        } else if let Some(name) = rock_ridge_name(record.get((33 + length).next_multiple_of(2)..)?) {
            return String::from_utf8(name).ok();
        } else {
            core::str::from_utf8(name).ok()?.into()
        };
        // A version stands behind each name, and a dot when there is no extension.
        let name = name.split(';').next()?;
        Some(name.trim_end_matches('.').into())
    }
}

fn is_joliet(descriptor: &[u8]) -> bool {
    descriptor[0] == SUPPLEMENTARY && [&b"%/@"[..], b"%/C", b"%/E"].contains(&&descriptor[88..91])
}

fn extent(record: &[u8]) -> Extent {
    Extent {
        place: u64::from(u32_at(record, 2)) * SECTOR as u64,
        length: u32_at(record, 10),
    }
}

/// The name in the `NM` entries of a record's system use area (IEEE P1282, 4.1.4).
fn rock_ridge_name(mut area: &[u8]) -> Option<Vec<u8>> {
    const HEADER: usize = 5;
    let mut name = Vec::new();
    while let Some(&length) = area.get(2).filter(|&&length| length >= 4) {
        let (entry, behind) = area.split_at_checked(usize::from(length))?;
        if entry.starts_with(b"NM") {
            name.extend_from_slice(entry.get(HEADER..)?);
        }
        area = behind;
    }
    (!name.is_empty()).then_some(name)
}
