//! Extended attributes: those in the inode, then those that it shares with others.

use alloc::vec;
use alloc::vec::Vec;

use file::Result;
use zerocopy::FromBytes;

use super::{ErofsInode, corrupt, format};

const ENTRY: u64 = size_of::<format::XattrEntry>() as u64;

impl ErofsInode {
    /// Calls `visit` with the name and the value of each attribute until it returns false.
    pub(super) fn visit_xattrs(&self, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<()> {
        let (start, length) = self.xattrs;
        if length == 0 {
            return Ok(());
        }
        let mut header = [0; format::XATTR_HEADER as usize];
        self.file_system.metadata.read_exact(start, &mut header)?;
        let shared = u64::from(header[4]);
        let end = start + length;
        let mut address = start + format::XATTR_HEADER + 4 * shared;
        if address > end {
            return Err(corrupt());
        }
        while address + ENTRY <= end {
            let (more, next) = self.visit_xattr(address, end, visit)?;
            if !more {
                return Ok(());
            }
            address = next;
        }
        for place in 0..shared {
            let mut id = [0; 4];
            let entry = start + format::XATTR_HEADER + 4 * place;
            self.file_system.metadata.read_exact(entry, &mut id)?;
            let address = self.file_system.xattr_start + 4 * u64::from(u32::from_le_bytes(id));
            if !self.visit_xattr(address, u64::MAX, visit)?.0 {
                break;
            }
        }
        Ok(())
    }

    /// Visits the attribute at `address`; also returns where the next begins.
    fn visit_xattr(&self, address: u64, end: u64, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(bool, u64)> {
        let metadata = &self.file_system.metadata;
        let mut bytes = [0; ENTRY as usize];
        metadata.read_exact(address, &mut bytes)?;
        let entry = format::XattrEntry::read_from_bytes(&bytes).map_err(|_| corrupt())?;
        let (name_length, value_length) = (usize::from(entry.name_length), usize::from(entry.value_size.get()));
        let next = (address + ENTRY + (name_length + value_length) as u64).next_multiple_of(4);
        if next > end {
            return Err(corrupt());
        }
        let mut content = vec![0; name_length + value_length];
        metadata.read_exact(address + ENTRY, &mut content)?;
        let (name, value) = content.split_at(name_length);
        // Attributes with a prefix of the image's own are not ours to name.
        let Some(prefix) = format::xattr_prefix(entry.name_index) else {
            return Ok((true, next));
        };
        let mut full_name = Vec::with_capacity(prefix.len() + name_length);
        full_name.extend_from_slice(prefix);
        full_name.extend_from_slice(name);
        Ok((visit(&full_name, value), next))
    }
}
