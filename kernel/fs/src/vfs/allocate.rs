//! `fallocate(2)`.

use abi::Errno;
use abi::general::{
    FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE,
    FALLOC_FL_UNSHARE_RANGE, FALLOC_FL_ZERO_RANGE,
};
use file::{OpenFile, Result};

use super::OpenInode;

/// Makes or frees room in an open file.
pub fn allocate(file: &OpenFile, mode: u32, offset: i64, length: i64) -> Result<()> {
    if file.is_path() {
        return Err(Errno::BADF.into());
    }
    let (Ok(offset), Ok(length @ 1..)) = (u64::try_from(offset), u64::try_from(length)) else {
        return Err(Errno::INVAL.into());
    };
    match mode & !FALLOC_FL_KEEP_SIZE {
        0 | FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_ZERO_RANGE => {}
        FALLOC_FL_PUNCH_HOLE if mode & FALLOC_FL_KEEP_SIZE != 0 => {}
        FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE if mode & FALLOC_FL_KEEP_SIZE == 0 => {}
        _ => return Err(Errno::OPNOTSUPP.into()),
    }
    file.check_writes()?;
    match file.downcast::<OpenInode>() {
        Some(open) if open.inner().is_none() => {
            open.inode().allocate(mode, offset, length)?;
            open.before_change()?;
            open.modified();
            Ok(())
        }
        Some(_) => Err(Errno::NODEV.into()),
        None => Err(Errno::SPIPE.into()),
    }
}
