//! Files that are written, and those that programs run from: none is both at a time (`ETXTBSY`), as Linux's `i_writecount` sees to.

use abi::Errno;
use alloc::collections::BTreeMap;
use file::Result;
use hal::sync::SpinLock;

use crate::inode::{FileId, Inode, file_id};

/// How many write to a file; below 0, how many run it. Whoever is counted keeps the inode, so the numbers are nobody else's.
static COUNTS: SpinLock<BTreeMap<FileId, isize>> = SpinLock::new(BTreeMap::new());

/// One who writes to a file, as long as this lives.
pub(crate) struct Writing(FileId);

/// One who runs a file, as long as this lives.
pub struct Running(FileId);

impl Writing {
    /// `ETXTBSY` for a file that somebody runs.
    pub(crate) fn new(inode: &dyn Inode) -> Result<Self> {
        let file = file_id(inode)?;
        count(file, 1)?;
        Ok(Self(file))
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        uncount(self.0, 1);
    }
}

impl Running {
    /// `ETXTBSY` for a file that somebody writes to.
    pub fn new(device: u64, inode: u64) -> core::result::Result<Self, Errno> {
        count((device, inode), -1)?;
        Ok(Self((device, inode)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        uncount(self.0, -1);
    }
}

fn count(file: FileId, by: isize) -> core::result::Result<(), Errno> {
    let mut counts = COUNTS.lock();
    let count = counts.entry(file).or_default();
    if *count * by < 0 {
        return Err(Errno::TXTBSY);
    }
    *count += by;
    Ok(())
}

fn uncount(file: FileId, by: isize) {
    let mut counts = COUNTS.lock();
    if let Some(count) = counts.get_mut(&file) {
        *count -= by;
        if *count == 0 {
            counts.remove(&file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_or_run() {
        let file = (u64::MAX, 1);
        let (one, two) = (
            Running::new(file.0, file.1).unwrap(),
            Running::new(file.0, file.1).unwrap(),
        );
        assert_eq!(count(file, 1), Err(Errno::TXTBSY));
        drop(one);
        assert_eq!(count(file, 1), Err(Errno::TXTBSY));
        drop(two);
        assert_eq!(count(file, 1), Ok(()));
        assert_eq!(Running::new(file.0, file.1).err(), Some(Errno::TXTBSY));
        uncount(file, 1);
        assert!(Running::new(file.0, file.1).is_ok());
        assert!(!COUNTS.lock().contains_key(&file));
    }
}
