//! Turns in calls that take long: no interrupt takes the CPU from the kernel.

use crate::process::Thread;
use crate::scheduler;

/// Bytes after which a call looks whether it is somebody else's turn: most transfer less.
pub(super) const TURN: usize = 1 << 20;

/// How much a call has done since it looked.
#[derive(Default)]
pub(super) struct Turns(usize);

impl Turns {
    /// Notes that `bytes` more are done, and gives others the CPU when they wait and had none for a slice. It returns whether to go on: whoever was killed does
    /// not.
    pub(super) async fn after(&mut self, thread: &Thread, bytes: usize) -> bool {
        self.0 += bytes;
        if self.0 < TURN {
            return true;
        }
        self.0 = 0;
        if scheduler::look_around() {
            task::yield_now().await;
        }
        !thread.is_killed()
    }
}
