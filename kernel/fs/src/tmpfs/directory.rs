//! Directories: own entries over those of the lower directory.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use abi::Errno;
use file::{DirectoryEntry, Error, FileType, Result};
use hashbrown::HashMap;

use super::Node;
use crate::inode::{Inode, NewInode, RenameMode};

/// Where the positions of own entries begin, above those of a lower directory.
const OWN: u64 = 1 << 62;
/// Bytes that Linux's tmpfs shows for each entry.
const ENTRY_SIZE: u64 = 20;
/// Entries that a directory always has room for once there were so many.
const KEPT: usize = 64;
/// Bytes of the longest name.
const LONGEST_NAME: usize = 255;

/// What a directory has that its lower one has not, or hides of it.
#[derive(Default)]
pub(super) struct Directory {
    entries: HashMap<Arc<[u8]>, Entry>,
    /// Present entries in the order of their making, which is that of reading.
    order: BTreeMap<u64, Arc<[u8]>>,
    next: u64,
}

enum Entry {
    /// The node, and its place in the order.
    Present(Arc<Node>, u64),
    /// The lower entry of that name is hidden.
    Whiteout,
}

impl Directory {
    pub(super) fn size(&self) -> u64 {
        (2 + self.order.len() as u64) * ENTRY_SIZE
    }

    fn insert(&mut self, name: &[u8], node: Arc<Node>) {
        let name: Arc<[u8]> = name.into();
        self.next += 1;
        self.order.insert(self.next, name.clone());
        self.entries.insert(name, Entry::Present(node, self.next));
    }

    /// Takes an entry away; `hides` when the lower directory has one of that name.
    fn remove(&mut self, name: &[u8], hides: bool) {
        if let Some(Entry::Present(_, position)) = self.entries.remove(name) {
            self.order.remove(&position);
        }
        if hides {
            self.entries.insert(name.into(), Entry::Whiteout);
        }
        // A directory such as `/tmp` stays for ever, however many files it once had.
        let (room, length) = (self.entries.capacity(), self.entries.len());
        if room > KEPT && length < room / 8 {
            self.entries.shrink_to(2 * length);
        }
    }
}

impl Node {
    /// The entry `name`.
    pub(super) fn find(&self, name: &[u8]) -> Result<Arc<Node>> {
        if name.len() > LONGEST_NAME {
            return Err(Errno::NAMETOOLONG.into());
        }
        let directory = self.directory()?;
        match directory.entries.get(name) {
            Some(Entry::Present(node, _)) => return Ok(node.clone()),
            Some(Entry::Whiteout) => return Err(Errno::NOENT.into()),
            None => {}
        }
        match &self.lower {
            Some(lower) => self.file_system.wrap(lower.lookup(name)?),
            None => Err(Errno::NOENT.into()),
        }
    }

    /// Whether the lower directory has an entry `name`.
    fn lower_has(&self, name: &[u8]) -> Result<bool> {
        match &self.lower {
            Some(lower) => match lower.lookup(name) {
                Ok(_) => Ok(true),
                Err(Error::Errno(Errno::NOENT)) => Ok(false),
                Err(error) => Err(error),
            },
            None => Ok(false),
        }
    }

    fn check_free(&self, name: &[u8]) -> Result<()> {
        match self.find(name) {
            Ok(_) => Err(Errno::EXIST.into()),
            Err(Error::Errno(Errno::NOENT)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn create_entry(&self, name: &[u8], new: &NewInode<'_>) -> Result<Arc<Node>> {
        self.check_free(name)?;
        let node = self.file_system.create_node(new)?;
        self.directory()?.insert(name, node.clone());
        if node.file_type() == FileType::Directory {
            self.add_links(1);
        }
        self.touch();
        Ok(node)
    }

    pub(super) fn link_entry(&self, name: &[u8], inode: &Arc<dyn Inode>) -> Result<()> {
        let node = inode
            .as_any()
            .downcast_ref::<Self>()
            .filter(|node| Arc::ptr_eq(&node.file_system, &self.file_system))
            .and_then(|node| node.this.upgrade())
            .ok_or(Errno::XDEV)?;
        self.check_free(name)?;
        node.gain_name()?;
        self.directory()?.insert(name, node);
        self.touch();
        Ok(())
    }

    pub(super) fn remove_entry(&self, name: &[u8], as_directory: bool) -> Result<()> {
        let node = self.find(name)?;
        node.check_replaceable(as_directory)?;
        let hides = self.lower_has(name)?;
        self.directory()?.remove(name, hides);
        self.touch();
        self.lost(&node);
        Ok(())
    }

    /// Takes note that an entry of this directory, `node`, has lost a name.
    fn lost(&self, node: &Node) {
        if node.file_type() == FileType::Directory {
            self.add_links(-1);
            node.unlinked();
        } else if node.add_links(-1) == 0 {
            node.unlinked();
        }
    }

    /// Whether it may give way to a directory, or to another file.
    fn check_replaceable(&self, to_directory: bool) -> Result<()> {
        match (to_directory, self.file_type() == FileType::Directory) {
            (true, false) => Err(Errno::NOTDIR.into()),
            (false, true) => Err(Errno::ISDIR.into()),
            (true, true) if !self.is_empty()? => Err(Errno::NOTEMPTY.into()),
            _ => Ok(()),
        }
    }

    fn is_empty(&self) -> Result<bool> {
        let mut empty = true;
        self.list(0, &mut |_| {
            empty = false;
            false
        })?;
        Ok(empty)
    }

    /// Calls `entry` for the entries from position `from` on: those of the lower directory that are not hidden, then its own.
    pub(super) fn list(&self, mut from: u64, entry: &mut dyn FnMut(DirectoryEntry<'_>) -> bool) -> Result<()> {
        let directory = self.directory()?;
        if let Some(lower) = self.lower.as_ref().filter(|_| from < OWN) {
            let mut full = false;
            lower.read_directory(from, &mut |found| {
                if directory.entries.contains_key(found.name) {
                    return true;
                }
                full = !entry(found);
                !full
            })?;
            if full {
                return Ok(());
            }
        }
        from = from.max(OWN);
        for (&position, name) in directory.order.range(from - OWN..) {
            let Some(Entry::Present(node, _)) = directory.entries.get(name) else {
                continue;
            };
            let fits = entry(DirectoryEntry {
                inode: node.number(),
                next: OWN + position + 1,
                file_type: node.file_type(),
                name,
            });
            if !fits {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn rename_entry(&self, name: &[u8], target: &Self, new_name: &[u8], mode: RenameMode) -> Result<()> {
        if !Arc::ptr_eq(&self.file_system, &target.file_system) {
            return Err(Errno::XDEV.into());
        }
        let node = self.find(name)?;
        let replaced = match target.find(new_name) {
            Ok(replaced) => Some(replaced),
            Err(Error::Errno(Errno::NOENT)) => None,
            Err(error) => return Err(error),
        };
        let hides = self.lower_has(name)?;
        let moves_directory = node.file_type() == FileType::Directory;
        match (&replaced, mode) {
            (Some(_), RenameMode::NoReplace) => return Err(Errno::EXIST.into()),
            (None, RenameMode::Exchange) => return Err(Errno::NOENT.into()),
            (Some(replaced), RenameMode::Replace) => {
                if Arc::ptr_eq(replaced, &node) {
                    return Ok(());
                }
                replaced.check_replaceable(moves_directory)?;
            }
            _ => {}
        }
        let exchanged = replaced.as_ref().filter(|_| mode == RenameMode::Exchange);
        // From here on nothing fails. One lock at a time: the caller has both directories to itself.
        self.directory()?.remove(name, hides);
        {
            let mut directory = target.directory()?;
            directory.remove(new_name, false);
            directory.insert(new_name, node.clone());
        }
        if let Some(exchanged) = exchanged {
            let mut directory = self.directory()?;
            directory.remove(name, false);
            directory.insert(name, exchanged.clone());
        }
        if let Some(replaced) = replaced.as_ref().filter(|_| exchanged.is_none()) {
            target.lost(replaced);
        }
        let comes_back = exchanged.is_some_and(|node| node.file_type() == FileType::Directory);
        match (moves_directory, comes_back) {
            (true, false) => {
                self.add_links(-1);
                target.add_links(1);
            }
            (false, true) => {
                target.add_links(-1);
                self.add_links(1);
            }
            _ => {}
        }
        node.add_links(0);
        if let Some(exchanged) = exchanged {
            exchanged.add_links(0);
        }
        self.touch();
        target.touch();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::tmpfs::{Options, Tmpfs};

    #[test]
    fn a_directory_that_has_few_entries_left_has_room_for_few() {
        let (_, root) = Tmpfs::create(&Options::default());
        let root = root.as_any().downcast_ref::<Node>().expect("it is a node");
        let node = root.this.upgrade().expect("it is in use");
        let mut directory = Directory::default();
        let names: Vec<_> = (0..10_000u32).map(u32::to_ne_bytes).collect();
        for name in &names {
            directory.insert(name, node.clone());
        }
        for name in &names[10..] {
            directory.remove(name, false);
        }
        assert_eq!((directory.entries.len(), directory.order.len()), (10, 10));
        assert!(directory.entries.capacity() < 2 * KEPT);
    }
}
