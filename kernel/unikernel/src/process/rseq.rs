//! Restartable sequences (`rseq(2)`): what a thread is told of the CPU it runs on, and critical sections that begin anew when the thread
//! is taken off its CPU, or runs a signal handler, in the middle of one.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use abi::Errno;
use hal::cpu;
use hal::user::USER_END;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::memory::AddressSpace;

/// Bytes of `struct rseq`, and what its address is a multiple of.
pub const SIZE: usize = 32;
/// Where `rseq_cs` is in it, behind `cpu_id_start` and `cpu_id`.
const SECTION_AT: usize = 8;
/// `cpu_id` of a thread that is not registered (`RSEQ_CPU_ID_UNINITIALIZED`).
const NO_CPU: u32 = u32::MAX;

/// `struct rseq_cs`: a critical section.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Section {
    version: u32,
    flags: u32,
    start: u64,
    length: u64,
    abort: u64,
}

impl Section {
    /// `EINVAL` unless it lies in user memory, and what it is left to outside of it.
    fn check(&self) -> Result<(), Errno> {
        let end = self.start.checked_add(self.length);
        let inside = |address: u64| address < USER_END as u64;
        let valid = self.version == 0
            && self.flags == 0
            && inside(self.start)
            && end.is_some_and(inside)
            && inside(self.abort)
            && !self.contains(self.abort);
        if valid { Ok(()) } else { Err(Errno::INVAL) }
    }

    fn contains(&self, address: u64) -> bool {
        address.wrapping_sub(self.start) < self.length
    }
}

/// A thread's registration.
#[derive(Default)]
pub struct Sequences {
    /// Where its `struct rseq` is; 0 without one.
    address: AtomicUsize,
    /// The word before each place that a section is left to.
    signature: AtomicU32,
    /// The CPU that it was told last.
    cpu: AtomicU32,
    /// It was off its CPU since it was told.
    moved: AtomicBool,
}

impl Sequences {
    /// Registers a structure. `EBUSY` when it is registered already, `EINVAL` when another is, `EPERM` when it is with another signature.
    pub fn register(&self, address: usize, signature: u32) -> Result<(), Errno> {
        match self.address.load(Ordering::Relaxed) {
            0 => {}
            known if known != address => return Err(Errno::INVAL),
            _ if self.signature.load(Ordering::Relaxed) != signature => return Err(Errno::PERM),
            _ => return Err(Errno::BUSY),
        }
        self.signature.store(signature, Ordering::Relaxed);
        self.cpu.store(NO_CPU, Ordering::Relaxed);
        self.address.store(address, Ordering::Relaxed);
        // The way back to user mode fills it.
        self.note_moved();
        Ok(())
    }

    /// Takes the registration back.
    pub async fn unregister(&self, memory: &AddressSpace, address: usize, signature: u32) -> Result<(), Errno> {
        if address == 0 || self.address.load(Ordering::Relaxed) != address {
            return Err(Errno::INVAL);
        }
        if self.signature.load(Ordering::Relaxed) != signature {
            return Err(Errno::PERM);
        }
        memory.write(address, &[0, NO_CPU]).await?;
        self.address.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// What a process begins with that has a copy of the thread's memory.
    pub fn inherit(&self, parent: &Self) {
        self.signature
            .store(parent.signature.load(Ordering::Relaxed), Ordering::Relaxed);
        self.cpu.store(NO_CPU, Ordering::Relaxed);
        self.address
            .store(parent.address.load(Ordering::Relaxed), Ordering::Relaxed);
        self.note_moved();
    }

    /// To be called when the thread gets a CPU.
    pub fn note_moved(&self) {
        self.moved.store(true, Ordering::Relaxed);
    }

    /// Whether [`Sequences::update`] has something to do for a thread that is, or is not, `amid` its program, where it may be in a section.
    #[inline]
    pub fn is_due(&self, amid: bool) -> bool {
        if !self.moved.load(Ordering::Relaxed) {
            return false;
        }
        if self.address.load(Ordering::Relaxed) != 0
            && (amid || self.cpu.load(Ordering::Relaxed) != cpu::current() as u32)
        {
            return true;
        }
        self.moved.store(false, Ordering::Relaxed);
        false
    }

    /// Tells the thread its CPU. Returns where it goes on when it was interrupted at `instruction`, in the middle of a section; a thread
    /// that comes from a system call was not.
    pub async fn update(&self, memory: &AddressSpace, instruction: Option<usize>) -> Result<Option<usize>, Errno> {
        self.moved.store(false, Ordering::Relaxed);
        let next = match instruction {
            Some(instruction) => self.leave_section(memory, instruction).await?,
            None => None,
        };
        let address = self.address.load(Ordering::Relaxed);
        // While this waits for memory the thread may move again, and comes back.
        let cpu = cpu::current() as u32;
        if address != 0 && self.cpu.swap(cpu, Ordering::Relaxed) != cpu {
            memory.write(address, &[cpu, cpu]).await?;
        }
        Ok(next)
    }

    /// Ends the section that the thread is in, if it is in one at `instruction`, and returns where it goes on then. `EINVAL` or `EFAULT` for a
    /// section that cannot be.
    pub async fn leave_section(&self, memory: &AddressSpace, instruction: usize) -> Result<Option<usize>, Errno> {
        let address = self.address.load(Ordering::Relaxed);
        if address == 0 {
            return Ok(None);
        }
        let pointer: u64 = memory.read(address + SECTION_AT).await?;
        if pointer == 0 {
            return Ok(None);
        }
        let pointer = usize::try_from(pointer).map_err(|_| Errno::INVAL)?;
        let section: Section = memory.read(pointer).await?;
        section.check()?;
        let abort = section.abort as usize;
        let word: u32 = memory.read(abort.wrapping_sub(size_of::<u32>())).await?;
        if word != self.signature.load(Ordering::Relaxed) {
            return Err(Errno::INVAL);
        }
        memory.write(address + SECTION_AT, &0_u64).await?;
        Ok(section.contains(instruction as u64).then_some(abort))
    }
}
