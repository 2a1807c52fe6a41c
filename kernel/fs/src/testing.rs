//! What the tests of this crate share: disks in memory, images made by `mkfs.erofs`, a caller that awaits.

use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use file::{Error, Sink};
use hal::mem::{Frame, PAGE_SIZE};
use hal::sync::SpinLock;

use crate::block::{BlockDevice, Transfer};
use crate::erofs::{Erofs, MountError};
use crate::inode::Inode;

/// A disk in memory whose reads end only when somebody waits for one.
pub(crate) struct MemoryDisk {
    bytes: Vec<u8>,
    under_way: SpinLock<Vec<(u64, Vec<Frame>, Transfer)>>,
    pub(crate) reads: AtomicUsize,
    /// A block that fails every read that it is part of; none when it is behind the end.
    pub(crate) bad: AtomicUsize,
}

impl MemoryDisk {
    pub(crate) fn new(mut bytes: Vec<u8>) -> Arc<Self> {
        bytes.resize(bytes.len().next_multiple_of(PAGE_SIZE), 0);
        Arc::new(Self {
            bytes,
            under_way: SpinLock::new(Vec::new()),
            reads: AtomicUsize::new(0),
            bad: AtomicUsize::new(usize::MAX),
        })
    }

    /// Ends all reads that are under way.
    pub(crate) fn serve(&self) {
        for (first, frames, transfer) in std::mem::take(&mut *self.under_way.lock()) {
            let start = first as usize * PAGE_SIZE;
            let end = start + frames.len() * PAGE_SIZE;
            if let Some(bytes) = self.bytes.get(start..end) {
                for (frame, page) in frames.iter().zip(bytes.chunks(PAGE_SIZE)) {
                    frame.write(0, page);
                }
            }
            let bad = self.bad.load(Ordering::Relaxed);
            let fails = end > self.bytes.len() || (first as usize..first as usize + frames.len()).contains(&bad);
            drop(frames);
            transfer.finish(!fails);
        }
    }

    /// Repeats an operation as a caller does, until it does not wait.
    pub(crate) fn wait<T>(&self, mut operation: impl FnMut() -> file::Result<T>) -> file::Result<T> {
        loop {
            match operation() {
                Err(Error::Pending(completion)) => {
                    self.serve();
                    assert!(completion.is_complete(), "a wait for something that is not under way");
                }
                other => return other,
            }
        }
    }

    /// Runs a future to its end.
    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        loop {
            match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(result) => return result,
                Poll::Pending => self.serve(),
            }
        }
    }

    pub(crate) fn mount(self: &Arc<Self>) -> Result<Arc<Erofs>, MountError> {
        self.run(Erofs::mount(self.clone()))
    }

    pub(crate) fn read_all(&self, inode: &Arc<dyn Inode>) -> file::Result<Vec<u8>> {
        let mut content = Vec::new();
        loop {
            let mut chunk = vec![0; 10_000];
            let count = self.wait(|| inode.read(content.len() as u64, &mut file::BytesSink::new(&mut chunk)))?;
            if count == 0 {
                return Ok(content);
            }
            content.extend_from_slice(&chunk[..count]);
        }
    }

    pub(crate) fn list(&self, directory: &Arc<dyn Inode>) -> file::Result<Vec<(Vec<u8>, file::FileType, u64)>> {
        let mut entries = Vec::new();
        let mut position = 0;
        loop {
            let before = entries.len();
            self.wait(|| {
                directory.read_directory(position, &mut |entry| {
                    // Few at a time, so that positions are used.
                    if entries.len() - before == 3 {
                        return false;
                    }
                    entries.push((entry.name.to_vec(), entry.file_type, entry.inode));
                    position = entry.next;
                    true
                })
            })?;
            if entries.len() == before {
                return Ok(entries);
            }
        }
    }
}

impl BlockDevice for MemoryDisk {
    fn block_count(&self) -> u64 {
        (self.bytes.len() / PAGE_SIZE) as u64
    }

    fn read(&self, first_block: u64, frames: &[Frame]) -> Transfer {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let transfer = Transfer::new();
        self.under_way
            .lock()
            .push((first_block, frames.to_vec(), transfer.clone()));
        transfer
    }
}

/// A sink that only counts.
pub(crate) struct Count(pub(crate) usize);

impl Sink for Count {
    fn remaining(&self) -> usize {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, file::Fault> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }
}

/// A folder of the host that is removed at the end.
pub(crate) struct Folder(std::path::PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "unikernel-fs-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What `mkfs.erofs` makes of a folder.
pub(crate) fn make_image(source: &Path, options: &[&str]) -> Vec<u8> {
    let folder = Folder::new();
    let image = folder.path().join("image");
    let output = Command::new("mkfs.erofs")
        .args(["-T0", "-U00000000-0000-0000-0000-000000000000", "--quiet"])
        .args(options)
        .arg(&image)
        .arg(source)
        .output()
        .expect("mkfs.erofs of erofs-utils is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(image).expect("mkfs.erofs has written the image")
}

/// Runs acts that might wait for each other for ever, each in a thread of its own, and fails unless all come to their ends.
pub(crate) fn run_together<const COUNT: usize>(acts: [Box<dyn FnOnce() + Send>; COUNT]) {
    const LIMIT: Duration = Duration::from_mins(1);
    let (end, ended) = mpsc::channel();
    for act in acts {
        let end = end.clone();
        std::thread::spawn(move || {
            act();
            let _ = end.send(());
        });
    }
    drop(end);
    for _ in 0..COUNT {
        ended.recv_timeout(LIMIT).expect("each thread comes to its end");
    }
}
