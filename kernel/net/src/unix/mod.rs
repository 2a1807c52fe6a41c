//! Unix sockets (`unix(7)`).
//!
//! Each socket owns an [`End`]; connected ends know each other weakly. Locks of two ends are never held at once. The lock of the names is
//! taken under an end's.

mod end;
mod flight;
mod socket;
#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use abi::Errno;
use hal::sync::SpinLock;
use hashbrown::HashMap;

pub(crate) use end::End;
pub(crate) use socket::{UnixSocket, pair};

/// The abstract names of a machine.
pub struct Namespace {
    names: SpinLock<HashMap<Vec<u8>, Weak<End>>>,
}

impl Namespace {
    /// Without any name.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            names: SpinLock::new(HashMap::new()),
        })
    }

    fn bind(&self, name: &[u8], end: &Arc<End>) -> Result<(), Errno> {
        let mut names = self.names.lock();
        if names.get(name).is_some_and(|known| known.strong_count() > 0) {
            return Err(Errno::ADDRINUSE);
        }
        names.insert(name.to_vec(), Arc::downgrade(end));
        Ok(())
    }

    /// Binds to a free name of five hexadecimal digits, as Linux chooses them; returns it.
    fn bind_any(&self, end: &Arc<End>) -> Result<Vec<u8>, Errno> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for number in 0..1u32 << 20 {
            let name: String = (0..5)
                .rev()
                .map(|place| char::from(DIGITS[(number >> (4 * place)) as usize & 15]))
                .collect();
            if self.bind(name.as_bytes(), end).is_ok() {
                return Ok(name.into_bytes());
            }
        }
        Err(Errno::NOSPC)
    }

    fn find(&self, name: &[u8]) -> Option<Arc<End>> {
        self.names.lock().get(name)?.upgrade()
    }

    fn release(&self, name: &[u8], end: &Arc<End>) {
        let mut names = self.names.lock();
        if names
            .get(name)
            .is_some_and(|known| core::ptr::eq(known.as_ptr(), Arc::as_ptr(end)))
        {
            names.remove(name);
        }
    }
}

impl core::fmt::Debug for Namespace {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "Namespace({} names)", self.names.lock().len())
    }
}
