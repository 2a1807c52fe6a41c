//! Waiting with another signal mask, as `ppoll(2)` and its kin do.

use abi::Errno;
use core::future::Future;

use super::{Error, Result};
use crate::process::Thread;
use crate::signal::SignalSet;

/// Runs a call with the signal mask at `address`, or unchanged when that is null. A signal that ends the wait is delivered with that mask still in
/// force; its delivery goes back to the old one.
pub(super) async fn with_mask(
    thread: &Thread,
    address: usize,
    size: usize,
    call: impl Future<Output = Result>,
) -> Result {
    if address == 0 {
        return call.await;
    }
    if size != size_of::<u64>() {
        return Err(Errno::INVAL.into());
    }
    let mask = SignalSet::from_bits(thread.memory.read(address).await?);
    let old = thread.blocked();
    thread.set_blocked(mask);
    let result = call.await;
    if matches!(result, Err(Error::Errno(Errno::INTR) | Error::Interrupted(_))) {
        *thread.saved_mask.lock() = Some(old);
    } else {
        thread.set_blocked(old);
    }
    result
}
