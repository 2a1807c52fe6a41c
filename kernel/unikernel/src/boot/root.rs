//! Which disk the image is on.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use fs::BlockDevice;
use fs::erofs::Erofs;

/// Mounts the image: the first disk that holds one, as a whole or in its root partition. The error is a sentence about the first disk.
pub(super) async fn mount(disks: Vec<Arc<dyn BlockDevice>>) -> Result<Arc<Erofs>, String> {
    let mut failure = None;
    for disk in disks {
        match mount_disk(disk).await {
            Ok(mounted) => return Ok(mounted),
            Err(message) => failure = failure.or(Some(message)),
        }
    }
    Err(failure.unwrap_or_else(|| "there is no disk that this kernel has a driver for; attach the image as one".into()))
}

async fn mount_disk(disk: Arc<dyn BlockDevice>) -> Result<Arc<Erofs>, String> {
    let root = fs::find_root(disk)
        .await
        .map_err(|error| alloc::format!("the disk holds no image that can be read: {error}"))?;
    Erofs::mount(root)
        .await
        .map_err(|error| alloc::format!("the disk holds no image that can be read: {error}"))
}
