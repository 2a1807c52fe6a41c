//! The files that the application starts with: its root, and the console.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::any::Any;

use abi::Errno;
use file::{File, FileType, Readiness, Result, Sink, Source, Status};
use hal::sync::SpinLock;
use task::WaitQueue;

/// The console as the application's standard input, output and error. Not a terminal: what runs in a container has none either.
pub(crate) struct Console;

/// Notified when input arrives.
static INPUT: WaitQueue = WaitQueue::new();

/// The device number of `/dev/console`.
const DEVICE: u64 = 5 << 8 | 1;

impl File for Console {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn status(&self) -> Result<Status> {
        Ok(Status {
            device: 0,
            inode: DEVICE,
            file_type: FileType::CharacterDevice,
            permissions: 0o620,
            links: 1,
            uid: 0,
            gid: 0,
            special_device: DEVICE,
            size: 0,
            block_size: 1024,
            blocks: 0,
            accessed: 0,
            modified: 0,
            changed: 0,
        })
    }

    fn read(&self, _offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let mut bytes = [0; 256];
        let wanted = bytes.len().min(sink.remaining());
        match take_input(&mut bytes[..wanted]) {
            0 if wanted > 0 => Err(file::Error::WouldBlock),
            count => Ok(sink.write(&bytes[..count])?),
        }
    }

    fn write(&self, _offset: u64, source: &mut dyn Source) -> Result<usize> {
        let mut bytes = [0; 1024];
        let mut total = 0;
        while source.remaining() > 0 {
            match source.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => {
                    hal::console::write(&bytes[..count]);
                    total += count;
                }
                Err(fault) if total == 0 => return Err(fault.into()),
                Err(_) => break,
            }
        }
        Ok(total)
    }

    fn readiness(&self) -> Readiness {
        let mut ready = Readiness::OUT | Readiness::WRNORM;
        if has_input() {
            ready |= Readiness::IN | Readiness::RDNORM;
        }
        ready
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&INPUT)
    }

    fn truncate(&self, _size: u64) -> Result<()> {
        Err(Errno::INVAL.into())
    }
}

/// Bytes that were typed and not read yet.
static TYPED: SpinLock<VecDeque<u8>> = SpinLock::new(VecDeque::new());
/// The most of them that are kept.
const TYPED_LIMIT: usize = 4096;

/// Takes what was typed from the port; the console's interrupt came.
pub(crate) fn collect_input() {
    let mut arrived = false;
    {
        let mut typed = TYPED.lock();
        while let Some(byte) = hal::console::read() {
            if typed.len() < TYPED_LIMIT {
                typed.push_back(byte);
            }
            arrived = true;
        }
    }
    if arrived {
        INPUT.notify();
    }
}

fn has_input() -> bool {
    collect_input();
    !TYPED.lock().is_empty()
}

fn take_input(into: &mut [u8]) -> usize {
    collect_input();
    let mut typed = TYPED.lock();
    let count = into.len().min(typed.len());
    for (place, byte) in into.iter_mut().zip(typed.drain(..count)) {
        *place = byte;
    }
    count
}

/// The console for a descriptor.
pub(crate) fn console() -> Arc<dyn File> {
    Arc::new(Console)
}
