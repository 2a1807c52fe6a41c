//! `ioctl(2)`: what is the same for all files. The rest is the file's own.

use abi::ioctl::{FIOASYNC, FIOCLEX, FIONBIO, FIONCLEX, FIONREAD};
use abi::{Errno, OpenFlags};
use file::FileType;

use super::{Call, Result, retry_ready};
use crate::memory::UserAccess;
use crate::process::Thread;

/// `ioctl(fd, command, argument)`
pub(super) async fn ioctl(thread: &Thread, call: &Call) -> Result {
    let (number, command, argument) = (call.int(0), call.unsigned(1), call.word(2));
    let file = thread.file(number)?;
    match command {
        FIOCLEX | FIONCLEX => {
            thread.process.files.set_close_on_exec(number, command == FIOCLEX)?;
            Ok(0)
        }
        FIONBIO | FIOASYNC => {
            let on: i32 = thread.memory.read(argument).await?;
            let flag = if command == FIONBIO {
                OpenFlags::NONBLOCK
            } else {
                OpenFlags::ASYNC
            };
            file.set_flag(flag, on != 0);
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
        _ => retry_ready(thread, || file.file().control(command, argument, &mut UserAccess)).await,
    }
}
