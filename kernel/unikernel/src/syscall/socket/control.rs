//! Control messages in user memory (`cmsg(3)`).

use abi::net::{SCM_RIGHTS, SOL_SOCKET};
use abi::{ControlHeader, Errno};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use file::OpenFile;
use net::{Control, Credentials};
use zerocopy::{FromBytes, IntoBytes};

use crate::process::{Capability, Thread};
use crate::syscall::Result;

const HEADER: usize = size_of::<ControlHeader>();
/// The most bytes of control messages that one message takes, as Linux's `optmem_max`.
const LONGEST: usize = 20_480;
/// The most descriptors that one message carries (`SCM_MAX_FD`).
const MOST_DESCRIPTORS: usize = 253;

const fn align(length: usize) -> usize {
    length.next_multiple_of(8)
}

/// Reads the control messages of a message to send.
pub(super) async fn read(thread: &Thread, address: usize, length: usize) -> Result<Vec<Control>> {
    if length > LONGEST {
        return Err(Errno::NOBUFS.into());
    }
    let mut bytes = vec![0; length];
    thread.memory.read_bytes(address, &mut bytes).await?;
    let mut controls = Vec::new();
    let mut rest = bytes.as_slice();
    while let Ok((header, _)) = ControlHeader::read_from_prefix(rest) {
        let data = rest.get(HEADER..header.length).ok_or(Errno::INVAL)?;
        let (level, kind) = (header.level as u32, header.kind as u32);
        controls.push(if (level, kind) == (SOL_SOCKET, SCM_RIGHTS) {
            Control::Rights(read_rights(thread, data)?)
        } else {
            let control = Control::decode(level, kind, data)?;
            if let Control::Credentials(claimed) = &control {
                check_credentials(thread, claimed)?;
            }
            control
        });
        rest = rest.get(align(header.length)..).unwrap_or_default();
    }
    Ok(controls)
}

fn read_rights(thread: &Thread, data: &[u8]) -> core::result::Result<Vec<Arc<OpenFile>>, Errno> {
    let (descriptors, _) = data.as_chunks::<4>();
    if descriptors.len() > MOST_DESCRIPTORS {
        return Err(Errno::INVAL);
    }
    descriptors
        .iter()
        .map(|bytes| thread.files().get_any(i32::from_ne_bytes(*bytes)))
        .collect()
}

/// Only root claims to be somebody else.
fn check_credentials(thread: &Thread, claimed: &Credentials) -> core::result::Result<(), Errno> {
    let honest = thread.process.with_credentials(|own| {
        claimed.process == thread.process.pid as u32
            && [own.uid, own.euid, own.suid].contains(&claimed.uid)
            && [own.gid, own.egid, own.sgid].contains(&claimed.gid)
    });
    if honest || thread.process.can(Capability::SYS_ADMIN) {
        Ok(())
    } else {
        Err(Errno::PERM)
    }
}

/// What became of control messages that were received.
pub(super) struct Written {
    /// Bytes used.
    pub(super) length: usize,
    /// Not all fitted.
    pub(super) cut: bool,
}

/// Writes control messages into `room` bytes; open files become descriptors on the way.
pub(super) async fn write(
    thread: &Thread,
    controls: Vec<Control>,
    address: usize,
    room: usize,
    close_on_exec: bool,
) -> Result<Written> {
    let mut bytes = Vec::new();
    let mut cut = false;
    for control in controls {
        let left = room.saturating_sub(bytes.len());
        let (level, kind, mut data) = match control {
            Control::Rights(files) => {
                let fitting = left.saturating_sub(HEADER) / size_of::<i32>();
                cut |= files.len() > fitting;
                let data = install(thread, files, fitting, close_on_exec, &mut cut);
                if data.is_empty() {
                    continue;
                }
                (SOL_SOCKET, SCM_RIGHTS, data)
            }
            control => match control.encode() {
                Some(encoded) => encoded,
                None => continue,
            },
        };
        if left < HEADER {
            cut = true;
            continue;
        }
        if data.len() > left - HEADER {
            cut = true;
            data.truncate(left - HEADER);
        }
        let header = ControlHeader {
            length: HEADER + data.len(),
            level: level as i32,
            kind: kind as i32,
        };
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&data);
        bytes.resize(align(bytes.len()).min(room), 0);
    }
    thread.memory.write_bytes(address, &bytes).await?;
    Ok(Written {
        length: bytes.len(),
        cut,
    })
}

/// Gives files descriptors; those without one are closed.
fn install(thread: &Thread, files: Vec<Arc<OpenFile>>, fitting: usize, close_on_exec: bool, cut: &mut bool) -> Vec<u8> {
    let mut data = Vec::new();
    for file in files.into_iter().take(fitting) {
        match thread.install(file, close_on_exec) {
            Ok(descriptor) => data.extend_from_slice(&descriptor.to_ne_bytes()),
            Err(_) => {
                *cut = true;
                break;
            }
        }
    }
    data
}
