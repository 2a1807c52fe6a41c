//! The descriptor table of a process.

use crate::{File, OpenFile, Shareable};
use abi::{Errno, OpenFlags};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The descriptors of a process or thread: small numbers for open file descriptions. Others may share them (`CLONE_FILES`).
#[derive(Default)]
pub struct DescriptorTable(Shareable<Table>);

/// What one call takes out of the table. Dropping it closes the descriptions nobody else holds, outside the table's lock.
pub type Closed = Vec<Arc<OpenFile>>;

#[derive(Clone, Default)]
struct Table {
    files: Vec<Option<Arc<OpenFile>>>,
    /// The numbers that have a file, and those that are reserved for one.
    used: Bits,
    /// How many numbers are reserved.
    reserved: usize,
    close_on_exec: Bits,
}

/// A number that no other call gets, until a file has it or this is dropped. As on Linux, other calls do not find it.
pub struct ReservedDescriptor<'a> {
    table: &'a DescriptorTable,
    number: usize,
}

impl ReservedDescriptor<'_> {
    /// Opens a file with the number, with `O_CLOEXEC` from the same flags.
    pub fn open(self, file: Arc<dyn File>, flags: OpenFlags) -> i32 {
        let close_on_exec = flags.contains(OpenFlags::CLOEXEC);
        let open = OpenFile::new(file, flags);
        self.table.0.with(|table| table.put(self.number, open, close_on_exec));
        self.number as i32
    }
}

impl Drop for ReservedDescriptor<'_> {
    fn drop(&mut self) {
        self.table.0.with(|table| {
            table.reserved -= 1;
            if !table.is_open(self.number) {
                table.used.set(self.number, false);
            }
        });
    }
}

impl Table {
    fn is_open(&self, number: usize) -> bool {
        self.files.get(number).is_some_and(Option::is_some)
    }

    /// The lowest number from `minimum` on that is neither in use nor reserved; `EMFILE` when that is not below `limit`.
    fn lowest(&self, minimum: usize, limit: usize) -> Result<usize, Errno> {
        let number = self.used.first_clear(minimum);
        if number < limit { Ok(number) } else { Err(Errno::MFILE) }
    }

    fn put(&mut self, number: usize, file: Arc<OpenFile>, close_on_exec: bool) -> Option<Arc<OpenFile>> {
        if self.files.len() <= number {
            self.files.resize(number + 1, None);
        }
        self.used.set(number, true);
        self.close_on_exec.set(number, close_on_exec);
        self.files[number].replace(file)
    }

    /// The same descriptions for others.
    fn fork(&self) -> Self {
        let mut used = self.used.clone();
        if self.reserved > 0 {
            // They are reserved for calls of this process.
            for number in 0..used.end() {
                used.set(number, self.is_open(number));
            }
        }
        Self {
            files: self.files.clone(),
            used,
            reserved: 0,
            close_on_exec: self.close_on_exec.clone(),
        }
    }

    fn take(&mut self, number: usize) -> Option<Arc<OpenFile>> {
        let file = self.files.get_mut(number)?.take()?;
        self.used.set(number, false);
        self.close_on_exec.set(number, false);
        Some(file)
    }
}

/// The number of a descriptor as an index.
fn index(descriptor: i32) -> Result<usize, Errno> {
    usize::try_from(descriptor).map_err(|_| Errno::BADF)
}

impl DescriptorTable {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// The description behind a descriptor; `EBADF` when there is none, or one of `O_PATH`.
    pub fn get(&self, descriptor: i32) -> Result<Arc<OpenFile>, Errno> {
        let file = self.get_any(descriptor)?;
        if file.is_path() { Err(Errno::BADF) } else { Ok(file) }
    }

    /// The description behind a descriptor, be it one of `O_PATH`; `EBADF` when there is none.
    #[inline]
    pub fn get_any(&self, descriptor: i32) -> Result<Arc<OpenFile>, Errno> {
        self.0.with(|table| {
            table
                .files
                .get(index(descriptor)?)
                .and_then(Clone::clone)
                .ok_or(Errno::BADF)
        })
    }

    /// Keeps the lowest free number for a file to come; `EMFILE` when that is not below `limit`. Calls that wait, or have effects besides
    /// the descriptor, begin so.
    pub fn reserve(&self, limit: usize) -> Result<ReservedDescriptor<'_>, Errno> {
        self.0.with(|table| {
            let number = table.lowest(0, limit)?;
            table.used.set(number, true);
            table.reserved += 1;
            Ok(ReservedDescriptor { table: self, number })
        })
    }

    /// Gives `file` the lowest free number from `minimum` on; `EMFILE` when that is not below `limit`.
    pub fn insert(&self, file: Arc<OpenFile>, minimum: usize, close_on_exec: bool, limit: usize) -> Result<i32, Errno> {
        self.0.with(|table| {
            let number = table.lowest(minimum, limit)?;
            table.put(number, file, close_on_exec);
            Ok(number as i32)
        })
    }

    /// Gives `file` this number and returns what had it before; `EBADF` when the number is not below `limit`, `EBUSY` when it is reserved.
    pub fn replace(
        &self,
        descriptor: i32,
        file: Arc<OpenFile>,
        close_on_exec: bool,
        limit: usize,
    ) -> Result<Option<Arc<OpenFile>>, Errno> {
        let number = index(descriptor)?;
        if number >= limit {
            return Err(Errno::BADF);
        }
        self.0.with(|table| {
            if table.used.get(number) && !table.is_open(number) {
                return Err(Errno::BUSY);
            }
            Ok(table.put(number, file, close_on_exec))
        })
    }

    /// How many numbers the table has room for, as Linux's grows: `select(2)` looks no further.
    pub fn capacity(&self) -> usize {
        const FIRST: usize = 64;
        const STEP: usize = 128;
        match self.0.with(|table| table.files.len()) {
            0..=FIRST => FIRST,
            length => ((length - 1) / STEP + 1).next_power_of_two() * STEP,
        }
    }

    /// Frees a number and returns what had it.
    pub fn remove(&self, descriptor: i32) -> Result<Arc<OpenFile>, Errno> {
        let number = index(descriptor)?;
        self.0.with(|table| table.take(number)).ok_or(Errno::BADF)
    }

    /// Frees all numbers from `first` to `last`.
    pub fn remove_range(&self, first: usize, last: usize) -> Closed {
        self.0.with(|table| {
            let end = table.files.len().min(last.saturating_add(1));
            (first..end).filter_map(|number| table.take(number)).collect()
        })
    }

    /// Frees all numbers that are marked close-on-exec.
    pub fn remove_close_on_exec(&self) -> Closed {
        self.0.with(|table| {
            let end = table.files.len();
            (0..end)
                .filter_map(|number| table.close_on_exec.get(number).then(|| table.take(number))?)
                .collect()
        })
    }

    /// Whether a descriptor is closed by `execve(2)`.
    pub fn close_on_exec(&self, descriptor: i32) -> Result<bool, Errno> {
        self.0.with(|table| {
            let number = index(descriptor)?;
            if table.is_open(number) {
                Ok(table.close_on_exec.get(number))
            } else {
                Err(Errno::BADF)
            }
        })
    }

    /// Says whether a descriptor is closed by `execve(2)`.
    pub fn set_close_on_exec(&self, descriptor: i32, close: bool) -> Result<(), Errno> {
        self.0.with(|table| {
            let number = index(descriptor)?;
            if !table.is_open(number) {
                return Err(Errno::BADF);
            }
            table.close_on_exec.set(number, close);
            Ok(())
        })
    }

    /// Marks all descriptors from `first` to `last` close-on-exec.
    pub fn set_close_on_exec_range(&self, first: usize, last: usize) {
        self.0.with(|table| {
            let end = table.files.len().min(last.saturating_add(1));
            for number in first..end {
                if table.is_open(number) {
                    table.close_on_exec.set(number, true);
                }
            }
        });
    }

    /// A table of its own with the same descriptions, for `fork(2)`.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self(Shareable::new(self.0.with(|table| table.fork())))
    }

    /// The same table for another process or thread (`CLONE_FILES`).
    #[must_use]
    pub fn share(&self) -> Self {
        Self(self.0.share())
    }

    /// From now on what is opened and closed here is so for nobody else.
    pub fn unshare(&self) {
        self.0.unshare(Table::fork);
    }

    /// Takes the descriptors of `other` in the place of its own, and returns what [`DescriptorTable::release`] does.
    pub fn become_copy_of(&self, other: &Self) -> Closed {
        self.leave_for(other.0.with(|table| table.fork()))
    }

    /// Frees all numbers, but not for those who share the table. What was open is returned in either case.
    pub fn release(&self) -> Closed {
        self.leave_for(Table::default())
    }

    fn leave_for(&self, other: Table) -> Closed {
        self.0.replace(other).files.into_iter().flatten().collect()
    }

    /// What it has in common with those who share the table, and with nobody else.
    pub fn identity(&self) -> usize {
        self.0.identity()
    }

    /// The numbers in use, in order.
    pub fn numbers(&self) -> Vec<i32> {
        self.0.with(|table| {
            (0..table.files.len())
                .filter(|&number| table.is_open(number))
                .map(|number| number as i32)
                .collect()
        })
    }
}

/// A set of small numbers.
#[derive(Clone, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn get(&self, number: usize) -> bool {
        self.0
            .get(number / 64)
            .is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    fn set(&mut self, number: usize, value: bool) {
        if self.0.len() <= number / 64 {
            if !value {
                return;
            }
            self.0.resize(number / 64 + 1, 0);
        }
        let mask = 1 << (number % 64);
        if value {
            self.0[number / 64] |= mask;
        } else {
            self.0[number / 64] &= !mask;
        }
    }

    /// A number beyond all in the set.
    fn end(&self) -> usize {
        self.0.len() * 64
    }

    /// The lowest number from `minimum` on that is not in the set.
    fn first_clear(&self, minimum: usize) -> usize {
        let mut ignored = (1_u64 << (minimum % 64)) - 1;
        for (index, word) in self.0.iter().enumerate().skip(minimum / 64) {
            let taken = word | ignored;
            if taken != u64::MAX {
                return index * 64 + taken.trailing_ones() as usize;
            }
            ignored = 0;
        }
        minimum.max(self.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Memory;

    fn file() -> Arc<OpenFile> {
        OpenFile::new(Arc::new(Memory::default()), OpenFlags::RDWR)
    }

    #[test]
    fn the_lowest_free_number_is_taken() {
        let table = DescriptorTable::new();
        for number in 0..200 {
            assert_eq!(table.insert(file(), 0, false, 1024), Ok(number));
        }
        table.remove(130).unwrap();
        table.remove(7).unwrap();
        assert_eq!(table.insert(file(), 8, false, 1024), Ok(130));
        assert_eq!(table.insert(file(), 0, false, 1024), Ok(7));
        assert_eq!(table.insert(file(), 500, false, 1024), Ok(500));
        assert_eq!(table.insert(file(), 0, false, 1024), Ok(200));
    }

    #[test]
    fn a_reserved_number_is_nobody_elses() {
        let table = DescriptorTable::new();
        let first = table.reserve(8).unwrap();
        let second = table.reserve(8).unwrap();
        assert_eq!(table.insert(file(), 0, true, 8), Ok(2));
        assert_eq!(table.numbers(), [2]);
        assert_eq!(table.get(0).err(), Some(Errno::BADF));
        assert_eq!(table.close_on_exec(0), Err(Errno::BADF));
        assert_eq!(table.set_close_on_exec(0, true), Err(Errno::BADF));
        assert_eq!(table.remove(0).err(), Some(Errno::BADF));
        assert_eq!(table.replace(1, file(), false, 8).err(), Some(Errno::BUSY));
        table.set_close_on_exec_range(0, 7);
        // A child has no calls under way.
        assert_eq!(table.fork().insert(file(), 0, false, 8), Ok(0));
        assert_eq!(first.open(Arc::new(Memory::default()), OpenFlags::RDWR), 0);
        drop(second);
        assert_eq!(table.close_on_exec(0), Ok(false));
        assert_eq!(table.numbers(), [0, 2]);
        assert_eq!(table.insert(file(), 0, false, 8), Ok(1));
        assert!(table.reserve(4).is_ok());
        assert_eq!(table.reserve(3).err(), Some(Errno::MFILE));
    }

    #[test]
    fn the_limit_holds() {
        let table = DescriptorTable::new();
        assert_eq!(table.insert(file(), 0, false, 1), Ok(0));
        assert_eq!(table.reserve(1).err(), Some(Errno::MFILE));
        assert_eq!(table.insert(file(), 0, false, 1), Err(Errno::MFILE));
        assert_eq!(table.replace(5, file(), false, 5).err(), Some(Errno::BADF));
        assert!(table.reserve(2).is_ok());
    }

    #[test]
    fn replacing_returns_what_had_the_number() {
        let table = DescriptorTable::new();
        let first = file();
        table.insert(first.clone(), 0, true, 8).unwrap();
        let old = table
            .replace(0, file(), false, 8)
            .unwrap()
            .expect("the number was taken");
        assert!(Arc::ptr_eq(&old, &first));
        assert_eq!(table.close_on_exec(0), Ok(false));
        assert_eq!(table.get(1).err(), Some(Errno::BADF));
        assert_eq!(table.get(-1).err(), Some(Errno::BADF));
    }

    #[test]
    fn ranges_close_and_mark() {
        let table = DescriptorTable::new();
        for _ in 0..6 {
            table.insert(file(), 0, false, 8).unwrap();
        }
        table.set_close_on_exec_range(1, 2);
        assert_eq!(table.remove_range(4, usize::MAX).len(), 2);
        let child = table.fork();
        assert_eq!(table.remove_close_on_exec().len(), 2);
        assert_eq!(table.numbers(), [0, 3]);
        assert_eq!(child.numbers(), [0, 1, 2, 3]);
        assert_eq!(child.close_on_exec(2), Ok(true));
    }

    #[test]
    fn what_is_shared_is_closed_by_the_last() {
        let memory = Arc::new(Memory::default());
        let first = DescriptorTable::new();
        let second = first.share();
        let open = OpenFile::new(memory.clone(), OpenFlags::RDWR);
        assert_eq!(second.insert(open, 0, false, 8), Ok(0));
        let third = second.share();
        third.unshare();
        assert_eq!(third.insert(file(), 0, false, 8), Ok(1));
        assert_eq!(first.numbers(), [0]);
        drop(third);
        assert_eq!(first.release().len(), 1);
        assert_eq!((first.numbers().len(), second.numbers()), (0, vec![0]));
        assert_eq!(memory.closed(), 0);
        assert_eq!(second.release().len(), 1);
        assert_eq!(memory.closed(), 1);
        drop(first.become_copy_of(&second));
        assert_ne!(first.identity(), second.identity());
    }

    #[test]
    fn a_path_descriptor_is_no_file() {
        let table = DescriptorTable::new();
        let path = OpenFile::new(Arc::new(Memory::default()), OpenFlags::PATH);
        table.insert(path, 0, false, 8).unwrap();
        assert_eq!(table.get(0).err(), Some(Errno::BADF));
        assert!(table.get_any(0).is_ok());
    }
}
