//! The files of `/etc` that tell of the guest's names, put in place as a container runtime does: whatever the image has there, these are the
//! instance's. The application may write and replace them; those it has changed are left alone from then on.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use abi::{Errno, OpenFlags};
use file::{BytesSink, BytesSource};
use fs::Inode;
use fs::tmpfs::Node;
use fs::vfs::{Context, OpenInode, OpenRequest};
use task::Completion;

use crate::memory::finish;
use crate::network;
use crate::system::say;

/// A file that follows the network's configuration.
struct Followed {
    inode: Arc<dyn Inode>,
    text: fn() -> String,
    /// What was written last.
    written: Vec<u8>,
}

/// Makes the files. Those that the network has a say in open once it is configured or has had its time, so that an application that starts
/// at once finds its name servers.
pub(super) async fn install(context: &Context) {
    let name = crate::system::host_name();
    if let Err(errno) = try_install(context, &[name.as_slice(), b"\n"].concat()).await {
        say(&alloc::format!(
            "/etc/hosts, /etc/hostname and /etc/resolv.conf cannot be put in place ({errno:?}): the image's /etc is no directory, or they are"
        ));
    }
}

async fn try_install(context: &Context, host_name: &[u8]) -> Result<(), Errno> {
    match finish(|| context.make_directory(b"/etc", 0o755)).await {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    replace(context, b"/etc/hostname", host_name).await?;
    let ready = Completion::new();
    let mut followed = Vec::new();
    for (path, text) in [
        (&b"/etc/hosts"[..], network::hosts_file as fn() -> String),
        (b"/etc/resolv.conf", network::resolver_file),
    ] {
        let inode = replace(context, path, b"").await?;
        if let Some(node) = inode.as_any().downcast_ref::<Node>() {
            node.hold(&ready);
        }
        followed.push(Followed {
            inode,
            text,
            written: Vec::new(),
        });
    }
    task::spawn(follow(followed, ready));
    Ok(())
}

/// Puts a new file in the place of whatever is there, if it is no directory.
async fn replace(context: &Context, path: &[u8], text: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
    match finish(|| context.unlink(path)).await {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno),
    }
    let request = OpenRequest {
        flags: OpenFlags::WRONLY | OpenFlags::CREAT | OpenFlags::EXCL,
        mode: 0o644,
        ..OpenRequest::default()
    };
    let file = finish(|| context.open(path, request)).await?;
    let inode = file
        .as_any()
        .downcast_ref::<OpenInode>()
        .ok_or(Errno::IO)?
        .inode()
        .clone();
    finish(|| inode.write(0, &mut BytesSource::new(text))).await?;
    Ok(inode)
}

async fn follow(mut files: Vec<Followed>, ready: Completion) {
    /// Until memory is looked for again that there was none of, in nanoseconds.
    const PAUSE: u64 = 100_000_000;
    network::get().configured().await;
    loop {
        let ticket = network::CONFIGURED.ticket();
        let mut is_short = false;
        for file in &mut files {
            match file.update().await {
                Ok(()) => {}
                Err(Errno::NOMEM) => is_short = true,
                Err(errno) => say(&alloc::format!("a file of /etc cannot follow the network ({errno:?})")),
            }
        }
        ready.complete();
        if is_short {
            task::sleep_until(hal::time::monotonic() + PAUSE).await;
        } else {
            network::CONFIGURED.wait(ticket).await;
        }
    }
}

impl Followed {
    /// Writes what the network says now, unless somebody else has written meanwhile.
    async fn update(&mut self) -> Result<(), Errno> {
        let text = (self.text)().into_bytes();
        let mut current = vec![0; self.written.len() + 1];
        let length = finish(|| self.inode.read(0, &mut BytesSink::new(&mut current))).await?;
        if text == self.written || current[..length] != self.written {
            return Ok(());
        }
        finish(|| self.inode.write(0, &mut BytesSource::new(&text))).await?;
        finish(|| self.inode.truncate(text.len() as u64)).await?;
        self.written = text;
        Ok(())
    }
}
