//! Capabilities.

use abi::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{Call, Error, Result};
use crate::process::{Capabilities, Capability, Thread, family};

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
    let (words, header) = match capability_words(thread, call.word(0)).await {
        Ok(found) => found,
        // A question for the version alone.
        Err(Error::Errno(Errno::INVAL)) if call.word(1) == 0 => return Ok(0),
        Err(error) => return Err(error),
    };
    let process = match header.pid {
        0 => thread.process.clone(),
        ..0 => return Err(Errno::INVAL.into()),
        pid => family::find(pid).ok_or(Errno::SRCH)?,
    };
    let held = process.credentials().capabilities;
    let mut sets = [[0_u32; 3]; 2];
    for (index, set) in sets.iter_mut().enumerate() {
        *set = [held.effective, held.permitted, held.inheritable].map(|set| (set >> (32 * index)) as u32);
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
    let [effective, permitted, inheritable] = core::array::from_fn(|which| {
        let words = sets.iter().rev();
        words.fold(0, |set, word| set << 32 | u64::from(word[which]))
    });
    thread
        .process
        .update_credentials(|credentials| credentials.capabilities.set(effective, permitted, inheritable))?;
    Ok(0)
}

/// The operations of `prctl(2)` that are about capabilities; `None` for others.
pub(super) fn control(thread: &Thread, call: &Call) -> Option<Result> {
    use linux_raw_sys::prctl as operation;
    let capability = |index| Capability::new(call.word(index));
    let held = || thread.process.credentials().capabilities;
    let update = |change: &dyn Fn(&mut Capabilities) -> core::result::Result<(), Errno>| {
        let changed = thread
            .process
            .update_credentials(|credentials| change(&mut credentials.capabilities));
        changed.map(|()| 0)
    };
    let result = match call.unsigned(0) {
        operation::PR_GET_KEEPCAPS => Ok(usize::from(held().keeps)),
        operation::PR_SET_KEEPCAPS if call.word(1) > 1 => Err(Errno::INVAL),
        operation::PR_SET_KEEPCAPS => update(&|own| {
            own.keeps = call.word(1) == 1;
            Ok(())
        }),
        operation::PR_CAPBSET_READ => capability(1).map(|capability| usize::from(held().bounds(capability))),
        operation::PR_CAPBSET_DROP => capability(1).and_then(|capability| update(&|own| own.drop_bound(capability))),
        operation::PR_CAP_AMBIENT => ambient(call, &held(), &update),
        _ => return None,
    };
    Some(result.map_err(Error::from))
}

type Update<'a> =
    dyn Fn(&dyn Fn(&mut Capabilities) -> core::result::Result<(), Errno>) -> core::result::Result<usize, Errno> + 'a;

fn ambient(call: &Call, held: &Capabilities, update: &Update) -> core::result::Result<usize, Errno> {
    use linux_raw_sys::prctl as operation;
    if call.word(3) != 0 || call.word(4) != 0 {
        return Err(Errno::INVAL);
    }
    if call.unsigned(1) == operation::PR_CAP_AMBIENT_CLEAR_ALL {
        if call.word(2) != 0 {
            return Err(Errno::INVAL);
        }
        return update(&|own| {
            own.ambient = 0;
            Ok(())
        });
    }
    let capability = Capability::new(call.word(2))?;
    match call.unsigned(1) {
        operation::PR_CAP_AMBIENT_IS_SET => Ok(usize::from(held.is_ambient(capability))),
        operation::PR_CAP_AMBIENT_RAISE => update(&|own| own.set_ambient(capability, true)),
        operation::PR_CAP_AMBIENT_LOWER => update(&|own| own.set_ambient(capability, false)),
        _ => Err(Errno::INVAL),
    }
}
