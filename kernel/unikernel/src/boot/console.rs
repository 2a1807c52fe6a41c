//! The console as the application's standard output, standard error and, where that is wanted, standard input; or as its terminal.

use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::{AtomicBool, Ordering};

use abi::ioctl::FIONREAD;
use abi::{Errno, OpenFlags, WindowSize};
use file::{File, FileType, Readiness, Result, Sink, Source, Status, UserMemory};
use hal::sync::SpinLock;
use task::WaitQueue;
use tty::Terminal;

use super::config::ConsoleSize;
use super::keys::{Key, Keys};
use super::typed::Typed;
use crate::process::{Process, Processes};

/// Not a terminal: what runs in a container has none either, unless one is asked for.
struct Console;

/// The serial port, for the terminal that the console is then.
struct Port;

/// Tells what is typed from the size of the window.
static KEYS: SpinLock<Keys> = SpinLock::new(Keys::new());
/// The size that the window has from now on, until the terminal has it.
static RESIZED: SpinLock<Option<WindowSize>> = SpinLock::new(None);

impl tty::Line for Port {
    fn receive(&self) -> Option<u8> {
        loop {
            match KEYS.lock().receive(hal::console::read()?) {
                Some(Key::Byte(byte)) => return Some(byte),
                Some(Key::Window(size)) => *RESIZED.lock() = Some(size),
                None => {}
            }
        }
    }

    fn room(&self) -> usize {
        hal::console::room()
    }

    fn send(&self, bytes: &[u8]) {
        hal::console::write(bytes);
    }
}

/// The terminal, where the console is one.
static TERMINAL: SpinLock<Option<Arc<Terminal>>> = SpinLock::new(None);

/// Makes the console a terminal of this size, which the first process controls.
pub(super) fn become_terminal(first: &Process, size: ConsoleSize) {
    let size = WindowSize {
        rows: size.height,
        columns: size.width,
        ..WindowSize::default()
    };
    let terminal = Terminal::on_line(fs::dev::TTY_S0, &Port, size, &Processes);
    terminal.give_to_session(first.pid, first.pid);
    first.kinship.set_terminal(Some(terminal.clone()));
    *TERMINAL.lock() = Some(terminal);
    hal::console::set_terminal();
    hal::console::set_drained_handler(|| {
        let terminal = TERMINAL.lock().clone();
        if let Some(terminal) = terminal {
            terminal.drained();
        }
    });
}

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
        if sink.remaining() == 0 || !is_attached() {
            return Ok(0);
        }
        collect_input();
        let mut typed = TYPED.lock();
        if !typed.is_ready() {
            return Err(file::Error::WouldBlock);
        }
        // What cannot be taken stays for the next who reads.
        let count = sink.write(typed.peek())?;
        typed.skip(count);
        Ok(count)
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
        collect_input();
        if !is_attached() || TYPED.lock().is_ready() {
            ready |= Readiness::IN | Readiness::RDNORM;
        }
        ready
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&INPUT)
    }

    fn control(&self, command: u32, argument: usize, memory: &mut dyn UserMemory) -> Result<usize> {
        match command {
            FIONREAD => {
                collect_input();
                let count = TYPED.lock().len() as i32;
                memory.write(argument, &count.to_ne_bytes())?;
                Ok(0)
            }
            _ => Err(Errno::NOTTY.into()),
        }
    }

    fn truncate(&self, _size: u64) -> Result<()> {
        Err(Errno::INVAL.into())
    }
}

/// What was typed and not read yet.
static TYPED: SpinLock<Typed> = SpinLock::new(Typed::new());
/// Whether what comes in on the console is the application's standard input.
static ATTACHED: AtomicBool = AtomicBool::new(false);

/// Says whether the application gets what comes in on the console; if not, reading it finds the end.
pub(super) fn attach_input(attached: bool) {
    ATTACHED.store(attached, Ordering::Relaxed);
}

fn is_attached() -> bool {
    ATTACHED.load(Ordering::Relaxed)
}

/// Takes what was typed from the port, as far as there is room; the console's interrupt came, or somebody wants to read.
pub(super) fn collect_input() {
    let terminal = TERMINAL.lock().clone();
    if let Some(terminal) = terminal {
        terminal.collect();
        let resized = RESIZED.lock().take();
        if let Some(size) = resized {
            terminal.resize(size);
        }
        return;
    }
    if !is_attached() {
        return;
    }
    let mut arrived = false;
    {
        let mut typed = TYPED.lock();
        while typed.has_room()
            && let Some(byte) = hal::console::read()
        {
            typed.receive(byte);
            arrived = true;
        }
    }
    if arrived {
        INPUT.notify();
    }
}

/// The console for a descriptor.
pub(super) fn open(flags: OpenFlags) -> Result<Arc<dyn File>> {
    let terminal = TERMINAL.lock().clone();
    match terminal {
        Some(terminal) => terminal.open(flags),
        None => Ok(Arc::new(Console)),
    }
}
