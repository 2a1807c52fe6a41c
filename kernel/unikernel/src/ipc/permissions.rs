//! Who may do what with an object that processes find by its key.

use abi::Errno;

use crate::process::{Capability, Credentials};

/// The key that no object has (`IPC_PRIVATE`).
pub const PRIVATE: i32 = 0;

/// What somebody wants to do, as bits of a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish(pub u32);

impl Wish {
    /// Read.
    pub const READ: Self = Self(4);
    /// Write, and not read.
    pub const ALTER: Self = Self(2);
    /// Read and write.
    pub const WRITE: Self = Self(6);
}

/// An object's owner, creator and mode.
#[derive(Clone, Debug)]
pub struct Permissions {
    /// What it is found by; [`PRIVATE`] for nothing.
    pub key: i32,
    /// Owner.
    pub user: u32,
    /// Owner's group.
    pub group: u32,
    /// Who made it.
    pub creator: u32,
    /// Group of who made it.
    pub creator_group: u32,
    /// The lowest nine bits are permissions.
    pub mode: u32,
}

impl Permissions {
    /// Of a new object.
    pub fn new(key: i32, mode: u32, credentials: &Credentials) -> Self {
        Self {
            key,
            user: credentials.euid,
            group: credentials.egid,
            creator: credentials.euid,
            creator_group: credentials.egid,
            mode: mode & 0o777,
        }
    }

    /// Takes what `IPC_SET` gives.
    pub fn set(&mut self, user: u32, group: u32, mode: u32) {
        (self.user, self.group) = (user, group);
        self.mode = mode & 0o777;
    }

    /// `EACCES` unless the mode allows it, or `CAP_IPC_OWNER`.
    pub fn check(&self, credentials: &Credentials, wish: Wish) -> Result<(), Errno> {
        let is_member = |group: u32| credentials.egid == group || credentials.groups.contains(&group);
        let shift = match () {
            () if [self.user, self.creator].contains(&credentials.euid) => 6,
            () if is_member(self.group) || is_member(self.creator_group) => 3,
            () => 0,
        };
        let allowed = self.mode >> shift & 7;
        if wish.0 & !allowed == 0 || credentials.can(Capability::IPC_OWNER) {
            Ok(())
        } else {
            Err(Errno::ACCES)
        }
    }

    /// `EPERM` unless it is one's own, or one has `CAP_SYS_ADMIN`.
    pub fn check_owner(&self, credentials: &Credentials) -> Result<(), Errno> {
        if [self.user, self.creator].contains(&credentials.euid) || credentials.can(Capability::SYS_ADMIN) {
            Ok(())
        } else {
            Err(Errno::PERM)
        }
    }
}
