//! POSIX message queues (`mq_overview(7)`): files of a file system of their own, which is mounted at `/dev/mqueue`.

mod directory;
mod limits;
mod node;
mod notification;
mod queue;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use abi::Errno;
use file::OpenFile;
use fs::vfs::{Context, MountFlags, OpenInode};

pub use directory::Directory;
pub use limits::{Attributes, MESSAGE_SIZE, MESSAGES, QUEUES, Setting, USUAL_MESSAGE_SIZE, USUAL_MESSAGES};
pub use notification::{COOKIE, Means, Notification};
pub use queue::{Message, Queue, Received, Sent};

use node::QueueFile;

/// Mounts them where programs look for them. `/dev` is there already.
pub async fn mount(context: &Context) -> Result<(), Errno> {
    let flags = MountFlags::NO_SUID | MountFlags::NO_DEVICES | MountFlags::NO_EXECUTE;
    fs::mount_at(context, b"/dev/mqueue", Directory::get(), b"mqueue", flags).await
}

/// The queue that a file is; `EBADF` for another one.
pub fn of_file(file: &OpenFile) -> Result<&Arc<Queue>, Errno> {
    file.downcast::<OpenInode>()
        .and_then(|open| open.inner()?.as_any().downcast_ref::<QueueFile>())
        .map(QueueFile::queue)
        .ok_or(Errno::BADF)
}

/// Somebody has asked to be told of a message, ever.
static NOTIFIES: AtomicBool = AtomicBool::new(false);

/// A process asks to be told of the next message in an empty queue. `EBUSY` when somebody else is told.
pub fn notify(queue: &Queue, notification: Notification) -> Result<(), Errno> {
    NOTIFIES.store(true, Ordering::Release);
    queue.set_notification(notification)
}

/// A process closes a descriptor of the file: it is told of no message any more.
pub fn note_closed(file: &OpenFile, process: i32) {
    if NOTIFIES.load(Ordering::Acquire)
        && let Ok(queue) = of_file(file)
    {
        queue.forget_notification(process);
    }
}
