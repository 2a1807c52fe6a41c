//! Who the application is. There is one user's software in a guest; the numbers are kept because programs look at them and file
//! permissions follow them.

use alloc::vec::Vec;

use super::{Capabilities, Capability};

/// User and group IDs, as `credentials(7)` has them.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// Real user ID.
    pub uid: u32,
    /// Effective user ID.
    pub euid: u32,
    /// Saved user ID.
    pub suid: u32,
    /// File system user ID.
    pub fsuid: u32,
    /// Real group ID.
    pub gid: u32,
    /// Effective group ID.
    pub egid: u32,
    /// Saved group ID.
    pub sgid: u32,
    /// File system group ID.
    pub fsgid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// What it may do of what only root may.
    pub capabilities: Capabilities,
}

impl Credentials {
    /// All IDs of one user and one group.
    pub fn of(uid: u32, gid: u32, groups: Vec<u32>) -> Self {
        Self {
            uid,
            euid: uid,
            suid: uid,
            fsuid: uid,
            gid,
            egid: gid,
            sgid: gid,
            fsgid: gid,
            groups,
            capabilities: Capabilities::of(uid),
        }
    }

    /// Whether the process may do what this capability stands for.
    pub fn can(&self, capability: Capability) -> bool {
        self.capabilities.can(capability)
    }

    /// The real, effective and saved user IDs.
    pub fn users(&self) -> [u32; 3] {
        [self.uid, self.euid, self.suid]
    }
}
