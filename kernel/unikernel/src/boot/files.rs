//! The file systems that the application starts with.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use fs::tmpfs::{Options, Tmpfs};
use fs::vfs::{Context, Mount, MountFlags, Namespace};
use fs::{Inode, mount_at};

use super::mounts::MemoryMount;
use super::provided::{self, make_parents};
use super::{Config, Owner, console, etc};
use crate::memory::finish;
use crate::system::say;

/// The root: the folder of the bundle that the configuration names, with a tmpfs over it.
pub(super) async fn root(bundle: &Arc<dyn Inode>, config: &Config) -> Result<Arc<Namespace>, String> {
    let folder = config.root.path.as_deref().unwrap_or("rootfs").trim_matches('/');
    let lower = finish(|| bundle.lookup(folder.as_bytes()))
        .await
        .map_err(|_| format!("the image has no folder /{folder} with the root file system; build it anew"))?;
    let options = Options {
        executes_written: config.allows_exec_written()?,
        ..Options::default()
    };
    let (_, top) = finish(|| Tmpfs::over(&lower, &options))
        .await
        .map_err(|errno| format!("the root file system cannot be used ({errno:?})"))?;
    Ok(Namespace::new(&Mount::new(top, b"overlay", MountFlags::empty())))
}

/// Mounts everything else and puts the files in place that every container finds. `context` is root's, whoever the application is; files that the
/// instance brings are `owner`'s where they do not say whose.
pub(super) async fn furnish(context: &Context, config: &Config, owner: Owner) -> Result<(), String> {
    let system: Arc<dyn fs::proc::System> = Arc::new(crate::describe::Machine);
    let console: fs::vfs::Device = Arc::new(console::open);
    let terminals = tty::Terminals::new(&crate::process::Processes);
    let mounted = match fs::mount_standard(context, &system, console).await {
        Ok(()) => tty::mount(context, &terminals).await,
        Err(errno) => Err(errno),
    };
    let mounted = match mounted {
        Ok(()) => crate::ipc::posix::mount(context).await,
        Err(errno) => Err(errno),
    };
    if let Err(errno) = mounted {
        // An image with a file in the place of one of these directories: the application may still live without.
        say(&format!(
            "/dev, /proc and /sys are not all there ({errno:?}): the image has files of these names"
        ));
    }
    for mount in config.mounts.iter().flatten() {
        let MemoryMount { options, flags } = MemoryMount::read(mount)?;
        let (_, top) = Tmpfs::create(&options);
        let path = mount.destination.as_bytes();
        let made = match make_parents(context, path).await {
            Ok(()) => mount_at(context, path, top, b"tmpfs", flags).await,
            Err(errno) => Err(errno),
        };
        made.map_err(|errno| format!("nothing can be mounted at {} ({errno:?})", mount.destination))?;
    }
    etc::install(context).await;
    provided::write(&config.files, context, owner).await;
    if config.root.readonly
        && let Some(root) = context.namespace.mounts().first()
    {
        root.set_flags(MountFlags::READ_ONLY);
    }
    Ok(())
}
