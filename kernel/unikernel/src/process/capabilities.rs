//! What a process may do of what only root may, as `capabilities(7)` has it.

use abi::Errno;

/// A capability, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability(u32);

impl Capability {
    /// Send signals to any process.
    pub const KILL: Self = Self(5);
    /// Become any group.
    pub const SETGID: Self = Self(6);
    /// Become any user.
    pub const SETUID: Self = Self(7);
    /// Add to the inheritable set what the bounding set has, and drop from the latter.
    pub const SETPCAP: Self = Self(8);
    /// Make raw sockets.
    pub const NET_RAW: Self = Self(13);
    /// Locks memory beyond the limit.
    pub const IPC_LOCK: Self = Self(14);
    /// Use what others share by System V keys.
    pub const IPC_OWNER: Self = Self(15);
    /// Change the root folder.
    pub const SYS_CHROOT: Self = Self(18);
    /// Look into other processes.
    pub const SYS_PTRACE: Self = Self(19);
    /// What is no other's: the host's name, foreign credentials with a message.
    pub const SYS_ADMIN: Self = Self(21);
    /// End the machine.
    pub const SYS_BOOT: Self = Self(22);
    /// Get turns before others.
    pub const SYS_NICE: Self = Self(23);
    /// Go beyond limits.
    pub const SYS_RESOURCE: Self = Self(24);
    /// Set the clock.
    pub const SYS_TIME: Self = Self(25);
    const LAST: u32 = 40;

    /// The capability of a number; `EINVAL` when there is none.
    pub fn new(number: usize) -> Result<Self, Errno> {
        match u32::try_from(number) {
            Ok(number @ 0..=Self::LAST) => Ok(Self(number)),
            _ => Err(Errno::INVAL),
        }
    }

    fn bit(self) -> u64 {
        1 << self.0
    }
}

/// All that there are.
const ALL: u64 = (2 << Capability::LAST) - 1;
/// Those that concern files: they follow the file system user ID.
const FILES: u64 = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 9 | 1 << 27 | 1 << 32;

/// The sets of a process, a bit for each capability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// What it uses.
    pub effective: u64,
    /// What it may use.
    pub permitted: u64,
    /// What stays with programs whose files say so.
    pub inheritable: u64,
    /// What an execution as root gives.
    pub bounding: u64,
    /// What stays at an execution as another user.
    pub ambient: u64,
    /// Whether what is permitted stays when no user ID is root's any more (`PR_SET_KEEPCAPS`).
    pub keeps: bool,
}

/// The real, effective and saved user IDs.
pub(super) type Users = [u32; 3];

impl Capabilities {
    /// Of a first program that is run by a user.
    pub fn of(user: u32) -> Self {
        let held = if user == 0 { ALL } else { 0 };
        Self {
            effective: held,
            permitted: held,
            bounding: ALL,
            ..Self::default()
        }
    }

    /// Whether a capability is effective.
    pub fn can(&self, capability: Capability) -> bool {
        self.effective & capability.bit() != 0
    }

    /// Whether the bounding set has a capability.
    pub fn bounds(&self, capability: Capability) -> bool {
        self.bounding & capability.bit() != 0
    }

    /// Drops a capability from the bounding set.
    pub fn drop_bound(&mut self, capability: Capability) -> Result<(), Errno> {
        if !self.can(Capability::SETPCAP) {
            return Err(Errno::PERM);
        }
        self.bounding &= !capability.bit();
        Ok(())
    }

    /// Follows a change of user IDs.
    pub fn follow_users(&mut self, old: Users, new: Users) {
        if old.contains(&0) && !new.contains(&0) {
            if !self.keeps {
                (self.effective, self.permitted) = (0, 0);
            }
            self.ambient = 0;
        }
        match (old[1], new[1]) {
            (0, 1..) => self.effective = 0,
            (1.., 0) => self.effective = self.permitted,
            _ => {}
        }
    }

    /// Follows a change of the file system user ID.
    pub fn follow_file_user(&mut self, old: u32, new: u32) {
        match (old, new) {
            (0, 1..) => self.effective &= !FILES,
            (1.., 0) => self.effective |= self.permitted & FILES,
            _ => {}
        }
    }

    /// Sets the sets that `capset(2)` sets; `EPERM` for what may not be had.
    pub fn set(&mut self, effective: u64, permitted: u64, inheritable: u64) -> Result<(), Errno> {
        let [effective, permitted, inheritable] = [effective, permitted, inheritable].map(|set| set & ALL);
        let may_inherit = self.inheritable
            | if self.can(Capability::SETPCAP) {
                self.bounding
            } else {
                self.permitted & self.bounding
            };
        if permitted & !self.permitted != 0 || effective & !permitted != 0 || inheritable & !may_inherit != 0 {
            return Err(Errno::PERM);
        }
        (self.effective, self.permitted, self.inheritable) = (effective, permitted, inheritable);
        self.ambient &= permitted & inheritable;
        Ok(())
    }

    /// Whether the ambient set has a capability.
    pub fn is_ambient(&self, capability: Capability) -> bool {
        self.ambient & capability.bit() != 0
    }

    /// Puts a capability into the ambient set, or takes it out.
    pub fn set_ambient(&mut self, capability: Capability, raise: bool) -> Result<(), Errno> {
        let bit = capability.bit();
        if raise && self.permitted & self.inheritable & bit == 0 {
            return Err(Errno::PERM);
        }
        self.ambient = if raise { self.ambient | bit } else { self.ambient & !bit };
        Ok(())
    }
}
