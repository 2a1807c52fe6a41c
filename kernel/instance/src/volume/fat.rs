//! FAT12, FAT16 and FAT32 (Microsoft's "FAT: General Overview of On-Disk Format" 1.03), with long names.

use alloc::string::String;
use alloc::vec::Vec;

use super::{LABEL, Problem, Volume, bytes_at, u16_at, u32_at};
use crate::MOST_CONFIGURATION;

const SECTOR: usize = 512;
/// Types of partitions with FAT in a master boot record.
const PARTITION_TYPES: [u8; 6] = [0x01, 0x04, 0x06, 0x0b, 0x0c, 0x0e];
/// Bytes of a directory entry, and the most of a top directory.
const ENTRY: usize = 32;
const MOST_DIRECTORY: usize = 64 << 10;

/// Attributes of an entry.
const VOLUME_LABEL: u8 = 0x08;
const DIRECTORY: u8 = 0x10;
const LONG_NAME: u8 = 0x0f;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Width {
    Bits12,
    Bits16,
    Bits32,
}

/// A file system.
pub(super) struct Fat {
    width: Width,
    /// Where the table and the clusters begin.
    table: u64,
    clusters: u64,
    cluster_size: usize,
    cluster_count: u32,
    /// The entries of the top directory.
    entries: Vec<u8>,
}

impl Fat {
    /// The file system of the disk, or of its first partition, when it has the label.
    pub(super) async fn open<V: Volume>(volume: &V) -> Result<Option<Self>, Problem> {
        if volume.size() < SECTOR as u64 {
            return Ok(None);
        }
        let sector = bytes_at(volume, 0, SECTOR).await?;
        if u16_at(&sector, 510) != 0xaa55 {
            return Ok(None);
        }
        if let Some(fat) = Self::at(volume, 0, &sector).await? {
            return Ok(Some(fat));
        }
        let start = u64::from(u32_at(&sector, 454)) * SECTOR as u64;
        let is_inside = start != 0 && start + SECTOR as u64 <= volume.size();
        if !is_inside || !PARTITION_TYPES.contains(&sector[450]) {
            return Ok(None);
        }
        let sector = bytes_at(volume, start, SECTOR).await?;
        Self::at(volume, start, &sector).await
    }

    async fn at<V: Volume>(volume: &V, start: u64, boot: &[u8]) -> Result<Option<Self>, Problem> {
        let sector = u64::from(u16_at(boot, 11));
        let per_cluster = u64::from(boot[13]);
        if !matches!(sector, 512 | 1024 | 2048 | 4096) || !per_cluster.is_power_of_two() || u16_at(boot, 510) != 0xaa55
        {
            return Ok(None);
        }
        let either = |short: u16, long: u32| u64::from(if short == 0 { long } else { short.into() });
        let reserved = u64::from(u16_at(boot, 14));
        let table_sectors = either(u16_at(boot, 22), u32_at(boot, 36)) * u64::from(boot[16]);
        let root_bytes = usize::from(u16_at(boot, 17)) * ENTRY;
        let root = reserved + table_sectors;
        let first = root + (root_bytes as u64).div_ceil(sector);
        let total = either(u16_at(boot, 19), u32_at(boot, 32));
        let Some(cluster_count) = total.checked_sub(first).map(|sectors| (sectors / per_cluster) as u32) else {
            return Ok(None);
        };
        let width = match cluster_count {
            ..4085 => Width::Bits12,
            4085..65525 => Width::Bits16,
            _ => Width::Bits32,
        };
        let label = if width == Width::Bits32 {
            &boot[71..82]
        } else {
            &boot[43..54]
        };
        let mut fat = Self {
            width,
            table: start + reserved * sector,
            clusters: start + first * sector,
            cluster_size: (per_cluster * sector) as usize,
            cluster_count,
            entries: Vec::new(),
        };
        let is_labelled = is_label(label);
        fat.entries = if width == Width::Bits32 {
            fat.chain(volume, u32_at(boot, 44), MOST_DIRECTORY).await?
        } else {
            bytes_at(volume, start + root * sector, root_bytes.min(MOST_DIRECTORY)).await?
        };
        // The label in the directory is the one that counts; some writers set only the other.
        let mut labels = fat
            .entries
            .as_chunks::<ENTRY>()
            .0
            .iter()
            .filter(|entry| entry[11] & 0x3f == VOLUME_LABEL);
        let is_labelled = labels.next().map_or(is_labelled, |entry| is_label(&entry[..11]));
        Ok(is_labelled.then_some(fat))
    }

    /// The bytes of a file of the top directory.
    pub(super) async fn file<V: Volume>(&self, volume: &V, name: &str) -> Result<Option<Vec<u8>>, Problem> {
        let Some((first, length)) = self.find(name) else {
            return Ok(None);
        };
        if length as usize > MOST_CONFIGURATION {
            return Err(Problem::TooLong);
        }
        let mut bytes = self.chain(volume, first, length as usize).await?;
        if bytes.len() < length as usize {
            return Err(Problem::Damaged);
        }
        bytes.truncate(length as usize);
        Ok(Some(bytes))
    }

    /// First cluster and length of a file.
    fn find(&self, name: &str) -> Option<(u32, u32)> {
        const END: u8 = 0;
        const DELETED: u8 = 0xe5;
        let mut long = LongName::default();
        for entry in self.entries.as_chunks::<ENTRY>().0 {
            match (entry[0], entry[11] & 0x3f) {
                (END, _) => return None,
                (DELETED, _) => long = LongName::default(),
                (_, LONG_NAME) => long.add(entry),
                (_, attributes) => {
                    let found = core::mem::take(&mut long)
                        .of(entry)
                        .unwrap_or_else(|| short_name(entry));
                    if attributes & (DIRECTORY | VOLUME_LABEL) == 0 && found.eq_ignore_ascii_case(name) {
                        let high = if self.width == Width::Bits32 {
                            u16_at(entry, 20)
                        } else {
                            0
                        };
                        let first = u32::from(high) << 16 | u32::from(u16_at(entry, 26));
                        return Some((first, u32_at(entry, 28)));
                    }
                }
            }
        }
        None
    }

    /// The bytes of a chain of clusters, until its end or until there are enough.
    async fn chain<V: Volume>(&self, volume: &V, first: u32, enough: usize) -> Result<Vec<u8>, Problem> {
        let mut bytes = Vec::new();
        let mut cluster = first;
        while bytes.len() < enough && (2..self.cluster_count + 2).contains(&cluster) {
            let place = self.clusters + u64::from(cluster - 2) * self.cluster_size as u64;
            bytes.extend(bytes_at(volume, place, self.cluster_size).await?);
            cluster = self.next(volume, cluster).await?;
        }
        Ok(bytes)
    }

    /// What the table says of a cluster.
    async fn next<V: Volume>(&self, volume: &V, cluster: u32) -> Result<u32, Problem> {
        let cluster = u64::from(cluster);
        Ok(match self.width {
            Width::Bits12 => {
                let pair = u16_at(&bytes_at(volume, self.table + cluster * 3 / 2, 2).await?, 0);
                u32::from(if cluster.is_multiple_of(2) {
                    pair & 0xfff
                } else {
                    pair >> 4
                })
            }
            Width::Bits16 => u16_at(&bytes_at(volume, self.table + cluster * 2, 2).await?, 0).into(),
            Width::Bits32 => u32_at(&bytes_at(volume, self.table + cluster * 4, 4).await?, 0) & 0x0fff_ffff,
        })
    }
}

fn is_label(bytes: &[u8]) -> bool {
    bytes.trim_ascii_end().eq_ignore_ascii_case(LABEL.as_bytes())
}

/// The name in an entry of eight and three characters.
fn short_name(entry: &[u8; ENTRY]) -> String {
    let part = |bytes: &[u8]| String::from_utf8_lossy(bytes.trim_ascii_end()).into_owned();
    let (name, extension) = (part(&entry[..8]), part(&entry[8..11]));
    if extension.is_empty() {
        name
    } else {
        name + "." + &extension
    }
}

/// The entries before a file's that carry its long name, last part first.
#[derive(Default)]
struct LongName {
    units: Vec<u16>,
    checksum: u8,
}

impl LongName {
    fn add(&mut self, entry: &[u8; ENTRY]) {
        const LAST: u8 = 0x40;
        const MOST: usize = 255;
        if entry[0] & LAST != 0 {
            *self = Self::default();
        }
        self.checksum = entry[13];
        let places = (1..11).step_by(2).chain((14..26).step_by(2)).chain((28..32).step_by(2));
        let mut units: Vec<u16> = places
            .map(|at| u16_at(entry, at))
            .take_while(|&unit| unit != 0)
            .collect();
        units.append(&mut self.units);
        units.truncate(MOST);
        self.units = units;
    }

    /// The name, when it belongs to this entry.
    fn of(self, entry: &[u8; ENTRY]) -> Option<String> {
        let sum = entry[..11]
            .iter()
            .fold(0u8, |sum, &byte| sum.rotate_right(1).wrapping_add(byte));
        (!self.units.is_empty() && sum == self.checksum).then(|| String::from_utf16_lossy(&self.units))
    }
}
