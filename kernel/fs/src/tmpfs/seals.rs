//! What a file in memory promises not to let happen (`fcntl(F_ADD_SEALS)`).

use abi::Errno;
use bitflags::bitflags;

use super::Node;

bitflags! {
    /// `F_SEAL_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Seals: u32 {
        /// More seals.
        const SEAL = 0x01;
        /// A smaller size.
        const SHRINK = 0x02;
        /// A larger size.
        const GROW = 0x04;
        /// Writes.
        const WRITE = 0x08;
        /// Writes, except through mappings that exist.
        const FUTURE_WRITE = 0x10;
        /// A change of the execute bits.
        const EXEC = 0x20;
    }
}

impl Node {
    pub(super) fn allow_seals(&self) {
        if let Some(mut regular) = self.regular() {
            regular.seals = Seals::empty();
        }
    }

    /// The seals of a regular file; `EINVAL` for others.
    pub fn seals(&self) -> Result<Seals, Errno> {
        Ok(self.regular().ok_or(Errno::INVAL)?.seals)
    }

    /// Adds seals. `EPERM` once that is sealed, as it is from the start except for a sealable `memfd_create(2)`.
    pub fn add_seals(&self, seals: Seals) -> Result<(), Errno> {
        let mut regular = self.regular().ok_or(Errno::INVAL)?;
        if regular.seals.contains(Seals::SEAL) {
            return Err(Errno::PERM);
        }
        regular.seals |= seals;
        Ok(())
    }
}
