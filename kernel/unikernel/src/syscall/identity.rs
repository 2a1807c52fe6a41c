//! Users, groups, capabilities.

use abi::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{Call, Error, Result};
use crate::process::{Credentials, Thread};

/// "Leave it as it is".
const KEEP: u32 = u32::MAX;

/// Changes one of the four IDs of a kind: real, effective, saved, file system.
struct Ids<'a> {
    real: &'a mut u32,
    effective: &'a mut u32,
    saved: &'a mut u32,
    file_system: &'a mut u32,
    privileged: bool,
}

fn users(credentials: &mut Credentials) -> Ids<'_> {
    Ids {
        privileged: credentials.euid == 0,
        real: &mut credentials.uid,
        effective: &mut credentials.euid,
        saved: &mut credentials.suid,
        file_system: &mut credentials.fsuid,
    }
}

fn groups(credentials: &mut Credentials) -> Ids<'_> {
    Ids {
        privileged: credentials.euid == 0,
        real: &mut credentials.gid,
        effective: &mut credentials.egid,
        saved: &mut credentials.sgid,
        file_system: &mut credentials.fsgid,
    }
}

impl Ids<'_> {
    fn may_become(&self, id: u32) -> bool {
        self.privileged || id == *self.real || id == *self.effective || id == *self.saved
    }

    fn set(self, id: u32) -> core::result::Result<(), Errno> {
        if id == KEEP {
            return Err(Errno::INVAL);
        }
        if self.privileged {
            (*self.real, *self.saved) = (id, id);
        } else if id != *self.real && id != *self.saved {
            return Err(Errno::PERM);
        }
        (*self.effective, *self.file_system) = (id, id);
        Ok(())
    }

    fn set_all(self, real: u32, effective: u32, saved: u32) -> core::result::Result<(), Errno> {
        if [real, effective, saved]
            .into_iter()
            .any(|id| id != KEEP && !self.may_become(id))
        {
            return Err(Errno::PERM);
        }
        for (place, id) in [(self.real, real), (self.saved, saved)] {
            if id != KEEP {
                *place = id;
            }
        }
        if effective != KEEP {
            *self.effective = effective;
        }
        *self.file_system = *self.effective;
        Ok(())
    }

    fn set_pair(self, real: u32, effective: u32) -> core::result::Result<(), Errno> {
        if [real, effective]
            .into_iter()
            .any(|id| id != KEEP && !self.may_become(id))
        {
            return Err(Errno::PERM);
        }
        let old_real = *self.real;
        if real != KEEP {
            *self.real = real;
        }
        if effective != KEEP {
            *self.effective = effective;
        }
        if real != KEEP || effective != KEEP && effective != old_real {
            *self.saved = *self.effective;
        }
        *self.file_system = *self.effective;
        Ok(())
    }

    /// Sets the file system's ID where allowed, and returns the one before in any case.
    fn set_file_system(self, id: u32) -> usize {
        let old = *self.file_system;
        if id != KEEP && (self.may_become(id) || id == old) {
            *self.file_system = id;
        }
        old as usize
    }
}

/// Which kind of ID a call is about.
#[derive(Clone, Copy)]
pub(super) enum Of {
    User,
    Group,
}

fn with<T>(thread: &Thread, of: Of, change: impl FnOnce(Ids<'_>) -> T) -> T {
    thread.process.update_credentials(|credentials| {
        change(match of {
            Of::User => users(credentials),
            Of::Group => groups(credentials),
        })
    })
}

pub(super) fn set_id(thread: &Thread, of: Of, call: &Call) -> Result {
    with(thread, of, |ids| ids.set(call.unsigned(0)))?;
    Ok(0)
}

pub(super) fn set_pair(thread: &Thread, of: Of, call: &Call) -> Result {
    with(thread, of, |ids| ids.set_pair(call.unsigned(0), call.unsigned(1)))?;
    Ok(0)
}

pub(super) fn set_all(thread: &Thread, of: Of, call: &Call) -> Result {
    with(thread, of, |ids| {
        ids.set_all(call.unsigned(0), call.unsigned(1), call.unsigned(2))
    })?;
    Ok(0)
}

pub(super) fn set_file_system(thread: &Thread, of: Of, call: &Call) -> usize {
    with(thread, of, |ids| ids.set_file_system(call.unsigned(0)))
}

pub(super) async fn get_all(thread: &Thread, of: Of, call: &Call) -> Result {
    let values = thread.process.with_credentials(|credentials| match of {
        Of::User => [credentials.uid, credentials.euid, credentials.suid],
        Of::Group => [credentials.gid, credentials.egid, credentials.sgid],
    });
    for (index, value) in values.iter().enumerate() {
        thread.memory.write(call.word(index), value).await?;
    }
    Ok(0)
}

pub(super) fn get(thread: &Thread, of: Of, effective: bool) -> usize {
    thread.process.with_credentials(|credentials| match (of, effective) {
        (Of::User, false) => credentials.uid,
        (Of::User, true) => credentials.euid,
        (Of::Group, false) => credentials.gid,
        (Of::Group, true) => credentials.egid,
    }) as usize
}

pub(super) async fn getgroups(thread: &Thread, call: &Call) -> Result {
    let groups = thread.process.credentials().groups;
    let room = call.int(0);
    if room < 0 || room != 0 && (room as usize) < groups.len() {
        return Err(Errno::INVAL.into());
    }
    if room != 0 {
        thread
            .memory
            .write_bytes(call.word(1), groups.as_slice().as_bytes())
            .await?;
    }
    Ok(groups.len())
}

pub(super) async fn setgroups(thread: &Thread, call: &Call) -> Result {
    const MAX: usize = 65536;
    let count = call.unsigned(0) as usize;
    if !thread.process.is_privileged() {
        return Err(Errno::PERM.into());
    }
    if count > MAX {
        return Err(Errno::INVAL.into());
    }
    let groups = thread.memory.read_array(call.word(1), count).await?;
    thread
        .process
        .update_credentials(|credentials| credentials.groups = groups);
    Ok(0)
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: i32,
}

const CAPABILITY_VERSION_1: u32 = 0x1998_0330;
const CAPABILITY_VERSION_2: u32 = 0x2007_1026;
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

/// Words of each set, or the version that is preferred and `EINVAL`.
async fn capability_words(thread: &Thread, address: usize) -> Result<(usize, CapabilityHeader)> {
    let mut header = thread.memory.read::<CapabilityHeader>(address).await?;
    let words = match header.version {
        CAPABILITY_VERSION_1 => 1,
        CAPABILITY_VERSION_2 | CAPABILITY_VERSION_3 => 2,
        _ => {
            header.version = CAPABILITY_VERSION_3;
            thread.memory.write(address, &header).await?;
            return Err(Errno::INVAL.into());
        }
    };
    Ok((words, header))
}

pub(super) async fn capget(thread: &Thread, call: &Call) -> Result {
    let words = match capability_words(thread, call.word(0)).await {
        Ok((words, _)) => words,
        // A question for the version alone.
        Err(Error::Errno(Errno::INVAL)) if call.word(1) == 0 => return Ok(0),
        Err(error) => return Err(error),
    };
    // All that exist, for root: there is no other owner to protect from.
    const ALL: u64 = (1 << 41) - 1;
    let held = if thread.process.is_privileged() { ALL } else { 0 };
    let mut sets = [[0_u32; 3]; 2];
    for (index, set) in sets.iter_mut().enumerate() {
        let word = (held >> (32 * index)) as u32;
        *set = [word, word, 0];
    }
    thread
        .memory
        .write_bytes(call.word(1), sets[..words].as_bytes())
        .await?;
    Ok(0)
}

pub(super) async fn capset(thread: &Thread, call: &Call) -> Result {
    let (words, header) = capability_words(thread, call.word(0)).await?;
    if header.pid != 0 && header.pid != thread.process.pid {
        return Err(Errno::PERM.into());
    }
    let sets = thread.memory.read_array::<[u32; 3]>(call.word(1), words).await?;
    let asks = sets.iter().any(|set| set[0] != 0 || set[1] != 0);
    if asks && !thread.process.is_privileged() {
        return Err(Errno::PERM.into());
    }
    Ok(0)
}
