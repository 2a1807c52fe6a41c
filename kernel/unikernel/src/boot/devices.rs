//! The machine's devices, as file systems and network want them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use fs::BlockDevice;

/// The disk with the image.
pub(super) fn disk() -> Option<Arc<dyn BlockDevice>> {
    None
}

/// The instance's configuration as the host gives it.
pub(super) fn instance_config() -> Option<Vec<u8>> {
    None
}
