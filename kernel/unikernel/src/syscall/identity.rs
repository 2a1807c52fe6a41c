//! Users and groups.

use abi::Errno;
use zerocopy::IntoBytes;

use super::{Call, Result};
use crate::process::{Capability, Credentials, Thread};

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
        privileged: credentials.can(Capability::SETUID),
        real: &mut credentials.uid,
        effective: &mut credentials.euid,
        saved: &mut credentials.suid,
        file_system: &mut credentials.fsuid,
    }
}

fn groups(credentials: &mut Credentials) -> Ids<'_> {
    Ids {
        privileged: credentials.can(Capability::SETGID),
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
    thread.process.update_credentials(|credentials| match of {
        Of::Group => change(groups(credentials)),
        Of::User => {
            let old = credentials.users();
            let result = change(users(credentials));
            let new = credentials.users();
            credentials.capabilities.follow_users(old, new);
            result
        }
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
    let old = with(thread, of, |ids| ids.set_file_system(call.unsigned(0)));
    if let Of::User = of {
        thread.process.update_credentials(|credentials| {
            let new = credentials.fsuid;
            credentials.capabilities.follow_file_user(old as u32, new);
        });
    }
    old
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
    if !thread.process.can(Capability::SETGID) {
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
