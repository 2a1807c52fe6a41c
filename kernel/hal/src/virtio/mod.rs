//! Virtio devices, version 1.x (OASIS "Virtual I/O Device (VIRTIO)", sections by number in the modules).
//!
//! The crate `virtio-drivers` was weighed: its network and block drivers wait for completions or fix the buffers' shape, and it offers
//! no checksum or segmentation offload, which are worth more than the code they cost here.

mod block;
mod device;
mod entropy;
#[cfg(test)]
mod model;
mod network;
mod queue;
mod requests;
mod scsi;

pub use block::start as start_disk;
pub use device::{Kind, VirtioDevice};
pub use entropy::seed_random;
pub use network::start as start_network;
pub use scsi::start as start_disks;

pub(crate) use device::{Notifier, Transport};
pub(crate) use queue::Layout;
