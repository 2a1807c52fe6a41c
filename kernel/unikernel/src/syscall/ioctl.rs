//! `ioctl(2)`: what is the same for all files. The rest is the file's own.

use abi::ioctl::{
    FIOASYNC, FIOCLEX, FIOGETOWN, FIONBIO, FIONCLEX, FIONREAD, FIOSETOWN, SIOCGPGRP, SIOCSPGRP, TIOCGPTPEER,
};
use abi::{Errno, OpenFlags};
use alloc::sync::Arc;
use file::{FileType, OpenFile};
use fs::vfs::{Context, OpenInode, OpenRequest};
use net::SocketFile;
use tty::Master;

use super::{Call, Result, retry_ready, signal_driven};
use crate::memory::UserAccess;
use crate::process::Thread;

/// `ioctl(fd, command, argument)`
pub(super) async fn ioctl(thread: &Thread, call: &Call) -> Result {
    let (number, command, argument) = (call.int(0), call.unsigned(1), call.word(2));
    let file = thread.file(number)?;
    match command {
        FIOCLEX | FIONCLEX => {
            thread.files().set_close_on_exec(number, command == FIOCLEX)?;
            Ok(0)
        }
        FIONBIO => {
            let on: i32 = thread.memory.read(argument).await?;
            file.set_flag(OpenFlags::NONBLOCK, on != 0);
            Ok(0)
        }
        FIOASYNC => {
            let on = thread.memory.read::<i32>(argument).await? != 0;
            let changes = on != file.flags().contains(OpenFlags::ASYNC);
            if changes && !signal_driven::set_asynchronous(&file, number, on) {
                return Err(Errno::NOTTY.into());
            }
            Ok(0)
        }
        FIOSETOWN | SIOCSPGRP if file.downcast::<SocketFile>().is_some() => {
            let owner = thread.memory.read(argument).await?;
            signal_driven::set_owner(thread, &file, owner)
        }
        FIOGETOWN | SIOCGPGRP if file.downcast::<SocketFile>().is_some() => {
            thread.memory.write(argument, &signal_driven::owner(&file)).await?;
            Ok(0)
        }
        FIONREAD if file.is_seekable() => {
            let status = retry_ready(thread, || file.file().status()).await?;
            if status.file_type != FileType::Regular {
                return Err(Errno::NOTTY.into());
            }
            let left = status.size.saturating_sub(file.position()) as i32;
            thread.memory.write(argument, &left).await?;
            Ok(0)
        }
        _ => {
            retry_ready(thread, || match master(&file) {
                Some(master) if command == TIOCGPTPEER => open_peer(thread, master, argument as u32),
                _ => file.file().control(command, argument, &mut UserAccess),
            })
            .await
        }
    }
}

/// The master of a pseudo-terminal, if a file is one.
fn master(file: &OpenFile) -> Option<&Master> {
    file.downcast::<OpenInode>()?.inner()?.as_any().downcast_ref()
}

/// Opens the terminal of a master, whatever the caller may do with its file (`TIOCGPTPEER`).
fn open_peer(thread: &Thread, master: &Master, flags: u32) -> file::Result<usize> {
    let flags = OpenFlags::from_bits_truncate(flags);
    let context = Context {
        credentials: Arc::new(fs::vfs::Credentials::root()),
        ..thread.context(None)
    };
    let path = alloc::format!("/dev/pts/{}", master.index());
    let request = OpenRequest {
        flags,
        ..OpenRequest::default()
    };
    let opened = context.open(path.as_bytes(), request)?;
    let file = OpenFile::new(opened, flags | OpenFlags::LARGEFILE);
    Ok(thread.install(file, flags.contains(OpenFlags::CLOEXEC))? as usize)
}
