//! Inodes: attributes and where their data lies.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::any::Any;

use abi::Errno;
use file::{DirectoryEntry, FileType, Pages, Result, Sink, Status};
use hal::mem::PAGE_SIZE;
use hal::sync::SpinLock;
use zerocopy::FromBytes;

use super::{Erofs, corrupt, format, nanoseconds};
use crate::cache::CachedPages;
use crate::inode::{AttributeChange, FileSystem, Inode, Link, NewInode, RenameMode, XattrMode};

const PAGE: u64 = PAGE_SIZE as u64;
/// Bytes of the longest symbolic link.
const LONGEST_LINK: u64 = 4095;

/// A file, directory or other object of an EROFS image.
pub struct ErofsInode {
    pub(super) file_system: Arc<Erofs>,
    pub(super) nid: u64,
    pub(super) file_type: FileType,
    permissions: u16,
    links: u32,
    uid: u32,
    gid: u32,
    pub(super) size: u64,
    modified: u64,
    special_device: u64,
    pub(super) data: Data,
    /// Where the extended attributes begin on the device, and their bytes.
    pub(super) xattrs: (u64, u64),
    pages: SpinLock<Option<Arc<CachedPages>>>,
}

/// Where the data of an inode lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Data {
    pub(super) first_block: u64,
    /// Where the last, partial block lies on the device when it follows the inode.
    pub(super) tail: Option<u64>,
}

/// The fields that both forms of an inode have.
struct Fields {
    format: u16,
    xattr_count: u16,
    mode: u16,
    links: u32,
    size: u64,
    union: u32,
    uid: u32,
    gid: u32,
    modified: u64,
    length: u64,
}

impl Fields {
    fn read(file_system: &Erofs, address: u64) -> Result<Self> {
        let mut bytes = [0; size_of::<format::ExtendedInode>()];
        let compact = size_of::<format::CompactInode>();
        file_system.metadata.read_exact(address, &mut bytes[..compact])?;
        if bytes[0] & 1 == 0 {
            let (raw, _) = format::CompactInode::read_from_prefix(&bytes).map_err(|_| corrupt())?;
            return Ok(Self {
                format: raw.format.get(),
                xattr_count: raw.xattr_count.get(),
                mode: raw.mode.get(),
                links: u32::from(raw.links.get()),
                size: u64::from(raw.size.get()),
                union: raw.union.get(),
                uid: u32::from(raw.uid.get()),
                gid: u32::from(raw.gid.get()),
                modified: file_system.build_time,
                length: compact as u64,
            });
        }
        file_system.metadata.read_exact(address, &mut bytes)?;
        let (raw, _) = format::ExtendedInode::read_from_prefix(&bytes).map_err(|_| corrupt())?;
        Ok(Self {
            format: raw.format.get(),
            xattr_count: raw.xattr_count.get(),
            mode: raw.mode.get(),
            links: raw.links.get(),
            size: raw.size.get(),
            union: raw.union.get(),
            uid: raw.uid.get(),
            gid: raw.gid.get(),
            modified: nanoseconds(raw.modified.get(), raw.modified_nanoseconds.get()),
            length: bytes.len() as u64,
        })
    }
}

impl ErofsInode {
    pub(super) fn load(file_system: &Arc<Erofs>, nid: u64) -> Result<Self> {
        let address = nid
            .checked_mul(format::SLOT)
            .and_then(|offset| offset.checked_add(file_system.meta_start))
            .ok_or_else(corrupt)?;
        let fields = Fields::read(file_system, address)?;
        let file_type = file_type(fields.mode).ok_or_else(corrupt)?;
        let xattr_length = match u64::from(fields.xattr_count) {
            0 => 0,
            count => format::XATTR_HEADER + 4 * (count - 1),
        };
        let xattrs = (address + fields.length, xattr_length);
        let has_data = matches!(file_type, FileType::Regular | FileType::Directory | FileType::Symlink);
        let data = if has_data {
            Data::locate(file_system, &fields, xattrs.0 + xattr_length)?
        } else {
            Data {
                first_block: 0,
                tail: None,
            }
        };
        let is_device = matches!(file_type, FileType::CharacterDevice | FileType::BlockDevice);
        Ok(Self {
            file_system: file_system.clone(),
            nid,
            file_type,
            permissions: fields.mode & 0o7777,
            links: fields.links,
            uid: fields.uid,
            gid: fields.gid,
            size: if has_data { fields.size } else { 0 },
            modified: fields.modified,
            special_device: if is_device { device_number(fields.union) } else { 0 },
            data,
            xattrs,
            pages: SpinLock::new(None),
        })
    }

    fn cached_pages(&self) -> Arc<CachedPages> {
        self.pages
            .lock()
            .get_or_insert_with(|| {
                let metadata = &self.file_system.metadata;
                CachedPages::new(
                    self.file_system.device.clone(),
                    self.data.first_block,
                    self.size,
                    self.data.tail.map(|address| (metadata.clone(), address)),
                )
            })
            .clone()
    }
}

impl Data {
    /// Finds the data and makes sure that all of it lies on the device.
    fn locate(file_system: &Erofs, fields: &Fields, after_inode: u64) -> Result<Self> {
        let inline = match (fields.format >> 1) & 7 {
            format::LAYOUT_FLAT_PLAIN => 0,
            format::LAYOUT_FLAT_INLINE => fields.size % PAGE,
            // Compressed or in chunks: the superblock should have said so.
            _ => return Err(Errno::OPNOTSUPP.into()),
        };
        let first_block = u64::from(fields.union);
        let blocks = (fields.size - inline).div_ceil(PAGE);
        let end = first_block.checked_add(blocks).ok_or_else(corrupt)?;
        if blocks > 0 && end > file_system.device.block_count() {
            return Err(corrupt());
        }
        if inline > 0 && (after_inode % PAGE) + inline > PAGE {
            return Err(corrupt());
        }
        Ok(Self {
            first_block,
            tail: (inline > 0).then_some(after_inode),
        })
    }
}

impl Inode for ErofsInode {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn file_type(&self) -> FileType {
        self.file_type
    }

    fn status(&self) -> Result<Status> {
        Ok(Status {
            device: self.file_system.device_number,
            inode: self.nid,
            file_type: self.file_type,
            permissions: self.permissions,
            links: self.links,
            uid: self.uid,
            gid: self.gid,
            special_device: self.special_device,
            size: self.size,
            block_size: PAGE_SIZE as u32,
            blocks: self.size.div_ceil(PAGE) * (PAGE / 512),
            accessed: self.modified,
            modified: self.modified,
            changed: self.modified,
        })
    }

    fn file_system(&self) -> Arc<dyn FileSystem> {
        self.file_system.clone()
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        if self.file_type != FileType::Directory {
            return Err(Errno::NOTDIR.into());
        }
        let nid = self.find(name)?;
        Ok(self.file_system.inode(nid)?)
    }

    fn create(&self, _name: &[u8], _new: &NewInode<'_>) -> Result<Arc<dyn Inode>> {
        Err(Errno::ROFS.into())
    }

    fn link(&self, _name: &[u8], _inode: &Arc<dyn Inode>) -> Result<()> {
        Err(Errno::ROFS.into())
    }

    fn unlink(&self, _name: &[u8]) -> Result<()> {
        Err(Errno::ROFS.into())
    }

    fn remove_directory(&self, _name: &[u8]) -> Result<()> {
        Err(Errno::ROFS.into())
    }

    fn rename(&self, _name: &[u8], _target: &Arc<dyn Inode>, _new_name: &[u8], _mode: RenameMode) -> Result<()> {
        Err(Errno::ROFS.into())
    }

    fn read_directory(&self, from: u64, entry: &mut dyn FnMut(DirectoryEntry<'_>) -> bool) -> Result<()> {
        if self.file_type != FileType::Directory {
            return Err(Errno::NOTDIR.into());
        }
        self.entries(from, entry)
    }

    fn follow(&self) -> Result<Link> {
        if self.file_type != FileType::Symlink {
            return Err(Errno::INVAL.into());
        }
        if self.size == 0 || self.size > LONGEST_LINK {
            return Err(corrupt());
        }
        let mut path = vec![0; self.size as usize];
        let address = self.data.tail.unwrap_or(self.data.first_block * PAGE);
        self.file_system.metadata.read_exact(address, &mut path)?;
        if path.contains(&0) {
            return Err(corrupt());
        }
        Ok(Link::Path(path))
    }

    fn read(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        match self.file_type {
            FileType::Regular => self.cached_pages().read(offset, sink),
            FileType::Directory => Err(Errno::ISDIR.into()),
            _ => Err(Errno::INVAL.into()),
        }
    }

    fn truncate(&self, _size: u64) -> Result<()> {
        Err(Errno::ROFS.into())
    }

    fn allocate(&self, _mode: u32, _offset: u64, _length: u64) -> Result<()> {
        Err(Errno::ROFS.into())
    }

    fn pages(&self) -> Option<Arc<dyn Pages>> {
        (self.file_type == FileType::Regular).then(|| self.cached_pages() as Arc<dyn Pages>)
    }

    fn set_attributes(&self, _change: &AttributeChange) -> Result<()> {
        Err(Errno::ROFS.into())
    }

    fn xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        let mut found = None;
        self.visit_xattrs(&mut |full_name, value| {
            let matches = full_name == name;
            if matches {
                found = Some(value.to_vec());
            }
            !matches
        })?;
        found.ok_or(Errno::NODATA.into())
    }

    fn xattr_names(&self) -> Result<Vec<Vec<u8>>> {
        let mut names = Vec::new();
        self.visit_xattrs(&mut |name, _| {
            names.push(name.to_vec());
            true
        })?;
        Ok(names)
    }

    fn set_xattr(&self, _name: &[u8], _value: &[u8], _mode: XattrMode) -> Result<()> {
        Err(Errno::ROFS.into())
    }

    fn remove_xattr(&self, _name: &[u8]) -> Result<()> {
        Err(Errno::ROFS.into())
    }
}

impl Drop for ErofsInode {
    fn drop(&mut self) {
        self.file_system.forget(self.nid);
    }
}

fn file_type(mode: u16) -> Option<FileType> {
    Some(match mode & 0o170_000 {
        0o100_000 => FileType::Regular,
        0o040_000 => FileType::Directory,
        0o120_000 => FileType::Symlink,
        0o020_000 => FileType::CharacterDevice,
        0o060_000 => FileType::BlockDevice,
        0o010_000 => FileType::Fifo,
        0o140_000 => FileType::Socket,
        _ => return None,
    })
}

/// Linux's 32-bit form of a device number, which is also the low half of what `stat(2)` reports.
fn device_number(encoded: u32) -> u64 {
    u64::from(encoded)
}
