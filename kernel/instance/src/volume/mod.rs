//! A volume with the label `cidata`, as cloud-init's `NoCloud` data source has it: `user-data` is the configuration, and `meta-data` names the instance.

mod fat;
mod iso9660;

#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;

use crate::{Instance, MOST_CONFIGURATION, host_name};

/// The label, in any case.
const LABEL: &str = "cidata";
const CONFIGURATION: &str = "user-data";
const DESCRIPTION: &str = "meta-data";

/// Something to read bytes from.
pub trait Volume: Sync {
    /// How many bytes there are.
    fn size(&self) -> u64;

    /// Fills `into` from the byte `offset` on; the whole range lies inside.
    fn read(&self, offset: u64, into: &mut [u8]) -> impl Future<Output = Result<(), Unreadable>> + Send;
}

/// The disk failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

/// Why the files of a volume with the label cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The disk failed.
    Unreadable,
    /// The file system contradicts itself.
    Damaged,
    /// A file is larger than a configuration can be.
    TooLong,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unreadable => "cannot be read",
            Self::Damaged => "has a file system that contradicts itself",
            Self::TooLong => "has a file that is larger than an instance's configuration can be",
        })
    }
}

impl From<Unreadable> for Problem {
    fn from(Unreadable: Unreadable) -> Self {
        Self::Unreadable
    }
}

/// Where a file's bytes are.
struct Extent {
    place: u64,
    length: u32,
}

/// A file system with the label.
enum FileSystem {
    Fat(fat::Fat),
    Iso(iso9660::Iso),
}

/// Reads a volume; `None` when it is none with the label.
pub async fn read<V: Volume>(volume: &V) -> Result<Option<Instance>, Problem> {
    let Some(file_system) = open(volume).await? else {
        return Ok(None);
    };
    let configuration = file_system.file(volume, CONFIGURATION).await?;
    let description = file_system.file(volume, DESCRIPTION).await?;
    Ok(Some(Instance {
        configuration: configuration.filter(|text| !text.trim_ascii().is_empty()),
        hostname: description.and_then(|text| name_in(&text)),
    }))
}

async fn open<V: Volume>(volume: &V) -> Result<Option<FileSystem>, Problem> {
    if let Some(iso) = iso9660::Iso::open(volume).await? {
        return Ok(Some(FileSystem::Iso(iso)));
    }
    Ok(fat::Fat::open(volume).await?.map(FileSystem::Fat))
}

impl FileSystem {
    /// The bytes of a file of the top directory.
    async fn file<V: Volume>(&self, volume: &V, name: &str) -> Result<Option<Vec<u8>>, Problem> {
        match self {
            Self::Fat(fat) => fat.file(volume, name).await,
            Self::Iso(iso) => iso.file(volume, name).await,
        }
    }
}

/// Bytes of a volume; `Damaged` when they lie outside, `TooLong` when there are more than a file here may have.
async fn bytes_at<V: Volume>(volume: &V, place: u64, length: usize) -> Result<Vec<u8>, Problem> {
    if length > MOST_CONFIGURATION {
        return Err(Problem::TooLong);
    }
    let end = place.checked_add(length as u64);
    if end.is_none_or(|end| end > volume.size()) {
        return Err(Problem::Damaged);
    }
    let mut bytes = alloc::vec![0; length];
    volume.read(place, &mut bytes).await?;
    Ok(bytes)
}

/// The name in `meta-data`: the value of `local-hostname`, in flat YAML or JSON.
fn name_in(text: &[u8]) -> Option<String> {
    let text = core::str::from_utf8(text).ok()?;
    let is_decoration = |character: char| character.is_whitespace() || "\"',{}".contains(character);
    text.lines()
        .flat_map(|line| line.split(','))
        .find_map(|pair| {
            let (key, value) = pair.split_once(':')?;
            (key.trim_matches(is_decoration) == "local-hostname").then_some(value)
        })
        .and_then(|value| host_name(value.trim_matches(is_decoration).as_bytes()))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes
        .get(at..at + 2)
        .map_or(0, |bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}
