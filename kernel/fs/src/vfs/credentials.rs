//! Who may do what with a file.

use abi::Errno;
use alloc::vec::Vec;
use bitflags::bitflags;
use file::{FileType, Status};

use crate::inode::Ownership;

bitflags! {
    /// What somebody wants to do with a file, with the values of `access(2)`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Access: u8 {
        /// Execute a file, search a directory.
        const EXECUTE = 1;
        /// Write.
        const WRITE = 2;
        /// Read.
        const READ = 4;
    }

    /// The capabilities that concern files, each at the bit of its number in `capabilities(7)`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Capabilities: u64 {
        /// Give files away.
        const CHOWN = 1 << 0;
        /// Read and write any file, search any directory, execute what anybody may execute.
        const DAC_OVERRIDE = 1 << 1;
        /// Read any file, search any directory.
        const DAC_READ_SEARCH = 1 << 2;
        /// Change the attributes of others' files.
        const FOWNER = 1 << 3;
        /// Keep set-user-ID and set-group-ID bits.
        const FSETID = 1 << 4;
        /// Mount, and see `trusted.` attributes.
        const SYS_ADMIN = 1 << 21;
        /// Make device nodes.
        const MKNOD = 1 << 27;
        /// Give capabilities to files.
        const SETFCAP = 1 << 31;
    }
}

/// The user, the groups and the capabilities with which files are reached.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// File system user ID.
    pub user: u32,
    /// File system group ID.
    pub group: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Effective capabilities.
    pub capabilities: Capabilities,
}

impl Credentials {
    /// Root, with all capabilities.
    pub fn root() -> Self {
        Self {
            user: 0,
            group: 0,
            groups: Vec::new(),
            capabilities: Capabilities::all(),
        }
    }

    /// Whether `group` is one of theirs.
    pub fn is_member(&self, group: u32) -> bool {
        self.group == group || self.groups.contains(&group)
    }

    /// Whether they have a capability.
    pub fn can(&self, capability: Capabilities) -> bool {
        self.capabilities.contains(capability)
    }

    /// Whether no directory's permissions keep them from looking up names in it.
    pub fn searches_all(&self) -> bool {
        self.capabilities
            .intersects(Capabilities::DAC_READ_SEARCH | Capabilities::DAC_OVERRIDE)
    }

    /// Whether they own the file or may act as if.
    pub fn owns(&self, status: &Status) -> bool {
        self.user == status.uid || self.can(Capabilities::FOWNER)
    }

    /// `EACCES` unless the permission bits or a capability allow it.
    pub fn check(&self, status: &Status, access: Access) -> Result<(), Errno> {
        let ownership = Ownership {
            permissions: status.permissions,
            uid: status.uid,
            gid: status.gid,
        };
        self.check_ownership(status.file_type, ownership, access)
    }

    /// As [`Credentials::check`], for a file of this type.
    pub fn check_ownership(&self, file_type: FileType, ownership: Ownership, access: Access) -> Result<(), Errno> {
        let Ownership { permissions, uid, gid } = ownership;
        // Most of what is looked up in or read allows it to everybody.
        let everybody = permissions & permissions >> 3 & permissions >> 6;
        if Access::from_bits_truncate(everybody as u8 & 7).contains(access) {
            return Ok(());
        }
        let bits = match () {
            () if self.user == uid => permissions >> 6,
            () if self.is_member(gid) => permissions >> 3,
            () => permissions,
        };
        if Access::from_bits_truncate(bits as u8 & 7).contains(access) {
            return Ok(());
        }
        let directory = file_type == FileType::Directory;
        let reads_only = if directory {
            !access.contains(Access::WRITE)
        } else {
            access == Access::READ
        };
        // Nobody executes what has no execute bit at all.
        let overridable = directory || !access.contains(Access::EXECUTE) || permissions & 0o111 != 0;
        if reads_only && self.can(Capabilities::DAC_READ_SEARCH) || overridable && self.can(Capabilities::DAC_OVERRIDE)
        {
            return Ok(());
        }
        Err(Errno::ACCES)
    }
}
