//! What a thread has in the CPU beside its general registers: FPU, SSE and AVX registers and the FS and GS bases.
//!
//! The kernel is built without floating point, so these registers stay the user's while it runs. They are saved only when another
//! thread needs the CPU, or when the thread may go on on another CPU.

use alloc::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use alloc::vec::Vec;
use core::arch::asm;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::cpu::area;
use super::features::{Features, features};
use super::instructions::{cpuid_count, write_msr};

mod vectors;

const MSR_FS_BASE: u32 = 0xc000_0100;
/// While the kernel runs, the user's GS base is here (`swapgs`).
const MSR_USER_GS_BASE: u32 = 0xc000_0102;

/// x87, SSE, AVX, AVX-512 (three parts), protection keys are left out.
const WANTED_COMPONENTS: u64 = 0b1110_0111;
const LEGACY_SIZE: usize = 512;
const HEADER_SIZE: usize = 64;
const DEFAULT_CONTROL_WORD: u16 = 0x037f;
const DEFAULT_MXCSR: u32 = 0x1f80;
const MXCSR_MASK: u32 = 0xffff;

/// State components that XSAVE manages; 0 without XSAVE.
static COMPONENTS: AtomicU64 = AtomicU64::new(0);
/// Bytes of the save area.
static SIZE: AtomicUsize = AtomicUsize::new(LEGACY_SIZE);
/// Where the trailer is behind it: with each system call it is looked at.
static TRAILER_OFFSET: AtomicUsize = AtomicUsize::new(LEGACY_SIZE);

/// Enables the state components on this CPU.
pub(super) fn initialize() {
    vectors::detect();
    if !features().contains(Features::XSAVE) {
        return;
    }
    let leaf = cpuid_count(0xd, 0);
    let mut components = (u64::from(leaf.edx) << 32 | u64::from(leaf.eax)) & WANTED_COMPONENTS;
    if components & 0b1110_0000 != 0b1110_0000 {
        components &= 0b111;
    }
    // SAFETY: the CPU supports XSAVE (CR4 has it on) and these components.
    unsafe {
        asm!("xsetbv", in("ecx") 0, in("eax") components as u32, in("edx") (components >> 32) as u32,
            options(nomem, nostack, preserves_flags));
    }
    COMPONENTS.store(components, Ordering::Relaxed);
    // With the components enabled, EBX is the size of the standard format.
    let size = cpuid_count(0xd, 0).ebx as usize;
    SIZE.store(size, Ordering::Relaxed);
    TRAILER_OFFSET.store(size.next_multiple_of(64), Ordering::Relaxed);
}

/// Bytes of a thread's FPU state.
pub(crate) fn state_size() -> usize {
    SIZE.load(Ordering::Relaxed)
}

/// The components that a saved state may contain; 0 without XSAVE.
pub(crate) fn state_components() -> u64 {
    COMPONENTS.load(Ordering::Relaxed)
}

/// Behind the save area.
#[derive(Clone, Copy)]
struct Trailer {
    fs_base: usize,
    gs_base: usize,
    /// The CPU whose registers hold the state.
    loaded_on: Option<usize>,
    /// Whether the memory is as new as the registers.
    saved: bool,
    /// Whether the x87 registers are saved in their initial state; see `vectors`.
    x87_initial: bool,
}

/// A thread's state: a save area, aligned to 64 bytes, and its trailer. A CPU's `owner` points to what its registers hold.
pub(crate) struct State(NonNull<u8>);

// SAFETY: the memory is reached through the state, or by the CPU that it is loaded on when another state takes that CPU's registers;
// one that is still loaded on another CPU is refused by `load` and `save`, and never freed.
unsafe impl Send for State {}
// SAFETY: nothing changes through a shared reference.
unsafe impl Sync for State {}

fn trailer_offset() -> usize {
    TRAILER_OFFSET.load(Ordering::Relaxed)
}

fn layout() -> Layout {
    Layout::from_size_align(trailer_offset() + size_of::<Trailer>(), 64).expect("the save area is small")
}

impl State {
    pub(crate) fn new() -> Self {
        // SAFETY: the layout has a size.
        let Some(memory) = NonNull::new(unsafe { alloc_zeroed(layout()) }) else {
            handle_alloc_error(layout())
        };
        // SAFETY: the fields lie in the legacy area and behind the save area.
        unsafe {
            memory.cast::<u16>().write(DEFAULT_CONTROL_WORD);
            memory.add(24).cast::<u32>().write(DEFAULT_MXCSR);
            memory.add(trailer_offset()).cast::<Trailer>().write(Trailer {
                fs_base: 0,
                gs_base: 0,
                loaded_on: None,
                saved: true,
                x87_initial: true,
            });
        }
        Self(memory)
    }

    fn trailer(&mut self) -> &mut Trailer {
        // SAFETY: `new` wrote it; the borrow of the state covers it, as no CPU touches it meanwhile (interrupts are off).
        unsafe { self.0.add(trailer_offset()).cast::<Trailer>().as_mut() }
    }

    /// Puts the state into this CPU's registers, unless they hold it.
    #[inline]
    pub(crate) fn load(&mut self) {
        // SAFETY: this CPU's own area.
        if unsafe { (*area()).owner } != self.0.addr().get() {
            self.load_registers();
        }
        self.trailer().saved = false;
    }

    #[cold]
    fn load_registers(&mut self) {
        // SAFETY: this CPU's own area.
        let owner = unsafe { (*area()).owner };
        if let Some(owner) = NonNull::new(core::ptr::with_exposed_provenance_mut(owner)) {
            let mut previous = ManuallyDrop::new(Self(owner));
            previous.save();
            previous.trailer().loaded_on = None;
        }
        let Trailer {
            fs_base,
            gs_base,
            loaded_on,
            x87_initial,
            ..
        } = *self.trailer();
        assert_eq!(loaded_on, None, "a thread moved to another CPU without being parked");
        self.trailer().loaded_on = Some(super::current_cpu());
        // SAFETY: the area belongs to this state and has a valid image, which `new`, `save` and `restore` see to. Bases are user addresses.
        unsafe {
            let (components, memory) = (state_components(), self.0.as_ptr());
            if x87_initial && (*area()).x87_initial {
                vectors::load(memory, components);
            } else if components != 0 {
                asm!("xrstor64 [{}]", in(reg) memory, in("eax") components as u32, in("edx") (components >> 32) as u32,
                    options(nostack));
            } else {
                asm!("fxrstor64 [{}]", in(reg) memory, options(nostack));
            }
            if features().contains(Features::FSGSBASE) {
                asm!("wrfsbase {}", in(reg) fs_base, options(nostack));
                asm!("swapgs", "wrgsbase {}", "swapgs", in(reg) gs_base, options(nostack));
            } else {
                write_msr(MSR_FS_BASE, fs_base as u64);
                write_msr(MSR_USER_GS_BASE, gs_base as u64);
            }
            (*area()).owner = self.0.expose_provenance().get();
        }
    }

    /// Brings the memory up to date with the registers.
    pub(crate) fn save(&mut self) {
        if self.trailer().saved {
            return;
        }
        assert_eq!(
            self.trailer().loaded_on,
            Some(super::current_cpu()),
            "a thread moved to another CPU without being parked"
        );
        // SAFETY: the area belongs to this state and has the size that the CPU reported for these components.
        unsafe {
            let (components, memory) = (state_components(), self.0.as_ptr());
            let (low, high) = (components as u32, (components >> 32) as u32);
            let x87_initial = vectors::are_enough();
            self.trailer().x87_initial = x87_initial;
            (*area()).x87_initial = x87_initial;
            if x87_initial {
                vectors::store(memory, components);
            } else if components != 0 && features().contains(Features::XSAVEOPT) {
                asm!("xsaveopt64 [{}]", in(reg) memory, in("eax") low, in("edx") high, options(nostack));
            } else if components != 0 {
                asm!("xsave64 [{}]", in(reg) memory, in("eax") low, in("edx") high, options(nostack));
            } else {
                asm!("fxsave64 [{}]", in(reg) memory, options(nostack));
            }
            if features().contains(Features::FSGSBASE) {
                let (fs_base, gs_base): (usize, usize);
                asm!("rdfsbase {}", out(reg) fs_base, options(nostack));
                asm!("swapgs", "rdgsbase {}", "swapgs", out(reg) gs_base, options(nostack));
                (self.trailer().fs_base, self.trailer().gs_base) = (fs_base, gs_base);
            }
        }
        self.trailer().saved = true;
    }

    /// Takes the state out of the registers, so that memory is what counts.
    fn unload(&mut self) {
        self.save();
        if self.trailer().loaded_on == Some(super::current_cpu()) {
            self.trailer().loaded_on = None;
            // SAFETY: this CPU's own area.
            unsafe { (*area()).owner = 0 };
        }
    }

    /// The FS and GS bases.
    pub(crate) fn bases(&mut self) -> (usize, usize) {
        self.save();
        (self.trailer().fs_base, self.trailer().gs_base)
    }

    /// Sets the FS and GS bases, which must be user addresses.
    pub(crate) fn set_bases(&mut self, fs_base: usize, gs_base: usize) {
        self.unload();
        (self.trailer().fs_base, self.trailer().gs_base) = (fs_base, gs_base);
    }

    /// The saved registers in the layout of XSAVE's standard format (or FXSAVE's).
    pub(crate) fn bytes(&mut self) -> Vec<u8> {
        self.save();
        // SAFETY: the area has this many bytes and nobody writes it meanwhile.
        unsafe { core::slice::from_raw_parts(self.0.as_ptr(), state_size()) }.to_vec()
    }

    /// Replaces the registers; false for an image that is too short. What the CPU would refuse is masked out.
    pub(crate) fn restore(&mut self, bytes: &[u8]) -> bool {
        let size = state_size();
        if bytes.len() < LEGACY_SIZE {
            return false;
        }
        self.unload();
        // Read back whole, whatever it holds.
        self.trailer().x87_initial = false;
        let taken = bytes.len().min(size);
        // SAFETY: `taken` bytes fit into the area; the header lies in it when XSAVE is in use.
        unsafe {
            let memory = self.0.as_ptr();
            super::fill_memory(memory, 0, size);
            super::copy_memory(memory, bytes.as_ptr(), taken);
            let mxcsr = memory.add(24).cast::<u32>();
            mxcsr.write(mxcsr.read() & MXCSR_MASK);
            if state_components() != 0 {
                let header = memory.add(LEGACY_SIZE).cast::<u64>();
                let present = if taken >= LEGACY_SIZE + HEADER_SIZE {
                    header.read()
                } else {
                    0b11
                };
                super::fill_memory(header.cast(), 0, HEADER_SIZE);
                header.write(present & state_components());
            }
        }
        true
    }

    /// Prepares for going on on another CPU.
    #[inline]
    pub(crate) fn park(&mut self) {
        if super::cpu_count() > 1 {
            self.unload();
        }
    }

    /// A copy, as of now.
    pub(crate) fn duplicate(&mut self) -> Self {
        let (fs_base, gs_base) = self.bases();
        let x87_initial = self.trailer().x87_initial;
        let mut copy = Self::new();
        // SAFETY: both areas have the same size.
        unsafe { super::copy_memory(copy.0.as_ptr(), self.0.as_ptr(), state_size()) };
        (copy.trailer().fs_base, copy.trailer().gs_base) = (fs_base, gs_base);
        copy.trailer().x87_initial = x87_initial;
        copy
    }
}

impl Drop for State {
    fn drop(&mut self) {
        match self.trailer().loaded_on {
            // SAFETY: this CPU's own area. What its registers hold is nobody's.
            Some(cpu) if cpu == super::current_cpu() => unsafe {
                (*area()).owner = 0;
                (*area()).x87_initial = false;
            },
            // That CPU will write the memory when another thread takes its registers.
            Some(_) => return,
            None => (),
        }
        // SAFETY: `new` allocated it with this layout.
        unsafe { dealloc(self.0.as_ptr(), layout()) };
    }
}
