//! The files that an instance brings.

use alloc::string::String;

use abi::{Errno, OpenFlags};
use file::BytesSource;
use fs::vfs::{Context, Lookup, OpenRequest};

use super::config::{FileConfig, Owner};
use crate::memory::finish;
use crate::system::say;

/// Writes the files, as the user that `context` has. One that cannot be written costs a line on the console.
pub(super) async fn write(files: &[FileConfig], context: &Context, owner: Owner) {
    for file in files {
        if let Err(why) = write_file(file, context, file.owner.unwrap_or(owner)).await {
            say(&alloc::format!("the instance's file {} is left out: {why}", file.path));
        }
    }
}

async fn write_file(file: &FileConfig, context: &Context, owner: Owner) -> Result<(), String> {
    let path = file.path.as_bytes();
    if !path.starts_with(b"/") {
        return Err("its path is not absolute".into());
    }
    let mode = file.mode().ok_or("its permissions are no octal digits up to 0777")?;
    let bytes = file.bytes().ok_or("its content is not base64")?;
    let failed = |errno: Errno| alloc::format!("it cannot be written ({errno:?})");
    make_parents(context, path).await.map_err(failed)?;
    replace(context, path, &bytes, mode, owner).await.map_err(failed)
}

/// Makes the directories that lie above a path, as far as they are missing.
pub(super) async fn make_parents(context: &Context, path: &[u8]) -> Result<(), Errno> {
    for (end, _) in path.iter().enumerate().skip(1).filter(|&(_, &byte)| byte == b'/') {
        match finish(|| context.make_directory(&path[..end], 0o755)).await {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Puts a new file in the place of whatever is there, so that a link of the image leads nowhere else.
async fn replace(context: &Context, path: &[u8], bytes: &[u8], mode: u16, owner: Owner) -> Result<(), Errno> {
    match finish(|| context.unlink(path)).await {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno),
    }
    let request = OpenRequest {
        flags: OpenFlags::WRONLY | OpenFlags::CREAT | OpenFlags::EXCL,
        mode: 0o600,
        ..OpenRequest::default()
    };
    let file = finish(|| context.open(path, request)).await?;
    let mut written = 0;
    while written < bytes.len() {
        match finish(|| file.write(written as u64, &mut BytesSource::new(&bytes[written..]))).await? {
            0 => return Err(Errno::NOSPC),
            count => written += count,
        }
    }
    let place = finish(|| context.resolve(path, Lookup::empty())).await?;
    finish(|| context.change_owner(&place, Some(owner.uid), Some(owner.gid))).await?;
    finish(|| context.change_mode(&place, mode)).await
}
