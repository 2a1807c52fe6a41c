//! Socket addresses in user memory.

use abi::Errno;
use net::Address;

use crate::process::Thread;
use crate::syscall::Result;

/// Bytes of `struct sockaddr_storage`.
const LONGEST: usize = 128;

/// Reads an address of `length` bytes.
pub(super) async fn read(thread: &Thread, address: usize, length: i32) -> Result<Address> {
    let length = usize::try_from(length)
        .ok()
        .filter(|&length| length <= LONGEST)
        .ok_or(Errno::INVAL)?;
    let mut bytes = [0; LONGEST];
    thread.memory.read_bytes(address, &mut bytes[..length]).await?;
    Ok(Address::decode(&bytes[..length])?)
}

/// Writes an address, cut to the room that `length_address` tells, and its whole length back there.
pub(super) async fn write(
    thread: &Thread,
    value: Option<&Address>,
    address: usize,
    length_address: usize,
) -> Result<()> {
    let room: i32 = thread.memory.read(length_address).await?;
    let room = usize::try_from(room).map_err(|_| Errno::INVAL)?;
    let length = write_cut(thread, value, address, room).await?;
    thread.memory.write(length_address, &(length as u32)).await?;
    Ok(())
}

/// Writes as much of an address as fits and returns its whole length; 0 when there is none.
pub(super) async fn write_cut(thread: &Thread, value: Option<&Address>, address: usize, room: usize) -> Result<usize> {
    let bytes = value.map(Address::encode).unwrap_or_default();
    let part = &bytes[..bytes.len().min(room)];
    thread.memory.write_bytes(address, part).await?;
    Ok(bytes.len())
}
