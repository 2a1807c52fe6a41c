//! Reading a file through its pages.

use abi::Errno;
use file::Pages;
use hal::mem::PAGE_SIZE;

use crate::memory::finish;

/// Fills `into` from `offset` on, waiting for the disk; `ENOEXEC` when the file ends before.
pub async fn read_exact(pages: &dyn Pages, offset: u64, into: &mut [u8]) -> Result<(), Errno> {
    if offset
        .checked_add(into.len() as u64)
        .is_none_or(|end| end > pages.size())
    {
        return Err(Errno::NOEXEC);
    }
    let mut done = 0;
    while done < into.len() {
        let at = offset + done as u64;
        let within = at as usize % PAGE_SIZE;
        let part = (PAGE_SIZE - within).min(into.len() - done);
        let frame = finish(|| pages.page(at / PAGE_SIZE as u64)).await?;
        frame.read(within, &mut into[done..done + part]);
        done += part;
    }
    Ok(())
}
