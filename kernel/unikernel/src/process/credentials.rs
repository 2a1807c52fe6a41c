//! Who the application is. There is one user's software in a guest; the numbers are kept because programs look at them and file
//! permissions follow them.

use abi::Errno;
use alloc::vec::Vec;

use fs::FileCapabilities;

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
    /// Whether no program's file gives it more (`PR_SET_NO_NEW_PRIVS`).
    pub no_new_privileges: bool,
}

/// What a program's file gives who runs it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Grants {
    /// The effective user, for a set-user-ID bit.
    pub user: Option<u32>,
    /// The effective group, for a set-group-ID bit.
    pub group: Option<u32>,
    /// Its capabilities.
    pub capabilities: Option<FileCapabilities>,
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
            no_new_privileges: false,
        }
    }

    /// Whether the process may do what this capability stands for.
    pub fn can(&self, capability: Capability) -> bool {
        self.capabilities.can(capability)
    }

    /// Follows the execution of a program as `capabilities(7)` has it. Returns whether the program has come by rights that its user does not have
    /// (`AT_SECURE`); `EPERM` when the bounding set lacks what it cannot do without.
    pub fn execute(&mut self, grants: &Grants) -> Result<bool, Errno> {
        let before = self.capabilities;
        if !self.no_new_privileges {
            self.euid = grants.user.unwrap_or(self.euid);
            self.egid = grants.group.unwrap_or(self.egid);
        }
        let (mut permitted, mut effective) = (0, false);
        if let Some(file) = grants.capabilities {
            permitted = before.bounding & file.permitted | before.inheritable & file.inheritable;
            effective = file.effective;
            if effective && file.permitted & !permitted != 0 {
                return Err(Errno::PERM);
            }
        }
        // A set-user-ID file of root's that has capabilities gives those alone.
        if grants.capabilities.is_none() || self.uid == 0 || self.euid != 0 {
            if self.uid == 0 || self.euid == 0 {
                permitted = before.bounding | before.inheritable;
            }
            effective |= self.euid == 0;
        }
        let changes_ids = self.euid != self.uid || self.egid != self.gid;
        if self.no_new_privileges && (changes_ids || permitted & !before.permitted != 0) {
            (self.euid, self.egid) = (self.uid, self.gid);
            permitted &= before.permitted;
        }
        (self.suid, self.fsuid) = (self.euid, self.euid);
        (self.sgid, self.fsgid) = (self.egid, self.egid);
        let own = &mut self.capabilities;
        own.keeps = false;
        if grants.capabilities.is_some() || changes_ids {
            own.ambient = 0;
        }
        own.permitted = permitted | own.ambient;
        own.effective = if effective { own.permitted } else { own.ambient };
        let has_more = effective || own.permitted != own.ambient;
        Ok(changes_ids || self.uid != 0 && has_more)
    }

    /// Who it acts as, for others and for files.
    pub(super) fn effective_ids(&self) -> [u32; 4] {
        [self.euid, self.egid, self.fsuid, self.fsgid]
    }

    /// The real, effective and saved user IDs.
    pub fn users(&self) -> [u32; 3] {
        [self.uid, self.euid, self.suid]
    }
}
