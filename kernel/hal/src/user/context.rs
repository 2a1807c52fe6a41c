//! A user thread's registers, and running it.

use alloc::vec::Vec;

use super::{PageTable, USER_END};
use crate::arch::{self, Registers};

/// Why user mode ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// A system call: see [`UserContext::system_call`].
    SystemCall,
    /// An access to a page that is not there or does not allow it.
    PageFault {
        /// The address.
        address: usize,
        /// A write, else a read or fetch.
        write: bool,
        /// An instruction fetch.
        execute: bool,
        /// The page is there but does not allow it.
        present: bool,
    },
    /// Another exception of the CPU.
    Exception {
        /// Its number (x86: the vector).
        vector: u8,
        /// Its error code, 0 where it has none.
        error: usize,
    },
    /// An interrupt: call `interrupt::dispatch` and go on.
    Interrupt,
}

/// All general registers of a thread, in the order of Linux's `struct sigcontext` for x86-64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
#[expect(missing_docs, reason = "the names are the registers'")]
pub struct RegisterFile {
    pub r8: usize,
    pub r9: usize,
    pub r10: usize,
    pub r11: usize,
    pub r12: usize,
    pub r13: usize,
    pub r14: usize,
    pub r15: usize,
    pub rdi: usize,
    pub rsi: usize,
    pub rbp: usize,
    pub rbx: usize,
    pub rdx: usize,
    pub rax: usize,
    pub rcx: usize,
    pub rsp: usize,
    pub rip: usize,
    pub rflags: usize,
}

/// Flags that user mode may set: the arithmetic ones, trap, direction, alignment check and identification.
const USER_FLAGS: usize = 0x24_0dd5;
/// Interrupts on, and the bit that is always set.
const FIXED_FLAGS: usize = 0x202;
const GENERAL_PROTECTION: u8 = 13;
/// Bytes of the instruction of a system call.
const SYSTEM_CALL_SIZE: usize = 2;
/// The first of the canonical addresses that are the kernel's.
const KERNEL_START: usize = 0xffff_8000_0000_0000;

/// The registers of a user thread that is not running.
pub struct UserContext {
    registers: Registers,
    state: arch::State,
}

impl Default for UserContext {
    fn default() -> Self {
        Self::new()
    }
}

impl UserContext {
    /// All registers zero, the FPU in its initial state.
    pub fn new() -> Self {
        Self {
            registers: Registers {
                rflags: FIXED_FLAGS,
                ..Registers::default()
            },
            state: arch::State::new(),
        }
    }

    /// A copy, for a thread or process that begins as this one.
    #[must_use]
    pub fn duplicate(&mut self) -> Self {
        Self {
            registers: self.registers,
            state: self.state.duplicate(),
        }
    }

    /// Enters user mode in `table` until the next trap.
    #[inline]
    pub fn run(&mut self, table: &PageTable) -> Trap {
        table.activate();
        self.state.load();
        if self.registers.rip >= USER_END {
            return Self::refuse(self.registers.rip);
        }
        arch::enter(&mut self.registers);
        match self.registers.vector {
            arch::SYSTEM_CALL => Trap::SystemCall,
            arch::PAGE_FAULT => {
                let error = self.registers.error;
                Trap::PageFault {
                    address: arch::fault_address(),
                    write: error & 2 != 0,
                    execute: error & 16 != 0,
                    present: error & 1 != 0,
                }
            }
            vector if vector < arch::FIRST_INTERRUPT => Trap::Exception {
                vector: vector as u8,
                error: self.registers.error,
            },
            vector => {
                arch::note_interrupt(vector);
                Trap::Interrupt
            }
        }
    }

    /// What the CPU would say of a place that no program runs at; on the way out it would say so in the kernel.
    #[cold]
    fn refuse(place: usize) -> Trap {
        if place >= KERNEL_START {
            Trap::PageFault {
                address: place,
                write: false,
                execute: true,
                present: false,
            }
        } else {
            Trap::Exception {
                vector: GENERAL_PROTECTION,
                error: 0,
            }
        }
    }

    /// Call it when the thread is about to wait: it may go on on another CPU.
    #[inline]
    pub fn park(&mut self) {
        self.state.park();
    }

    /// Number and arguments of the system call.
    #[inline]
    pub fn system_call(&self) -> (usize, [usize; 6]) {
        let Registers {
            rax,
            rdi,
            rsi,
            rdx,
            r10,
            r8,
            r9,
            ..
        } = self.registers;
        (rax, [rdi, rsi, rdx, r10, r8, r9])
    }

    /// Sets the result of the system call.
    #[inline]
    pub fn set_return_value(&mut self, value: isize) {
        self.registers.rax = value as usize;
    }

    /// The value of the register that holds the result of a system call.
    pub fn return_value(&self) -> isize {
        self.registers.rax as isize
    }

    /// Goes back to the system call's instruction with `number` as the call, to make it once more.
    pub fn restart_system_call(&mut self, number: usize) {
        self.registers.rip -= SYSTEM_CALL_SIZE;
        self.registers.rax = number;
    }

    /// Goes on behind the system call's instruction, which was to be run once more.
    pub fn abandon_system_call(&mut self) {
        self.registers.rip += SYSTEM_CALL_SIZE;
    }

    /// Sets the first three arguments of a function, as its caller would.
    pub fn set_arguments(&mut self, arguments: [usize; 3]) {
        [self.registers.rdi, self.registers.rsi, self.registers.rdx] = arguments;
        self.registers.vector = 0;
    }

    /// Where the thread goes on.
    pub fn instruction_pointer(&self) -> usize {
        self.registers.rip
    }

    /// Sets where the thread goes on.
    pub fn set_instruction_pointer(&mut self, address: usize) {
        self.registers.rip = address;
        self.registers.vector = 0;
    }

    /// The stack pointer.
    pub fn stack_pointer(&self) -> usize {
        self.registers.rsp
    }

    /// Sets the stack pointer.
    pub fn set_stack_pointer(&mut self, address: usize) {
        self.registers.rsp = address;
    }

    /// The register that thread-local storage hangs on (x86: the FS base).
    pub fn thread_pointer(&mut self) -> usize {
        self.state.bases().0
    }

    /// Sets it; false for an address that is no user address.
    pub fn set_thread_pointer(&mut self, address: usize) -> bool {
        let (_, second) = self.state.bases();
        address < USER_END && {
            self.state.set_bases(address, second);
            true
        }
    }

    /// The second such register (x86: the GS base).
    pub fn second_pointer(&mut self) -> usize {
        self.state.bases().1
    }

    /// Sets it; false for an address that is no user address.
    pub fn set_second_pointer(&mut self, address: usize) -> bool {
        let (first, _) = self.state.bases();
        address < USER_END && {
            self.state.set_bases(first, address);
            true
        }
    }

    /// All general registers.
    pub fn registers(&self) -> RegisterFile {
        let from = &self.registers;
        RegisterFile {
            r8: from.r8,
            r9: from.r9,
            r10: from.r10,
            r11: from.r11,
            r12: from.r12,
            r13: from.r13,
            r14: from.r14,
            r15: from.r15,
            rdi: from.rdi,
            rsi: from.rsi,
            rbp: from.rbp,
            rbx: from.rbx,
            rdx: from.rdx,
            rax: from.rax,
            rcx: from.rcx,
            rsp: from.rsp,
            rip: from.rip,
            rflags: from.rflags,
        }
    }

    /// Sets all general registers; flags that are not the user's to set are ignored.
    pub fn set_registers(&mut self, to: &RegisterFile) {
        self.registers = Registers {
            r8: to.r8,
            r9: to.r9,
            r10: to.r10,
            r11: to.r11,
            r12: to.r12,
            r13: to.r13,
            r14: to.r14,
            r15: to.r15,
            rdi: to.rdi,
            rsi: to.rsi,
            rbp: to.rbp,
            rbx: to.rbx,
            rdx: to.rdx,
            rax: to.rax,
            rcx: to.rcx,
            rsp: to.rsp,
            rip: to.rip,
            rflags: to.rflags & USER_FLAGS | FIXED_FLAGS,
            vector: 0,
            error: 0,
        };
    }

    /// The FPU and vector registers in the CPU's own layout: 512 bytes of FXSAVE, and with XSAVE its header and components behind them.
    pub fn fpu_state(&mut self) -> Vec<u8> {
        self.state.bytes()
    }

    /// Sets the FPU and vector registers from that layout; false when it is too short. Components that are missing take their initial
    /// values, contents that the CPU would refuse are masked out.
    #[must_use]
    pub fn restore_fpu(&mut self, bytes: &[u8]) -> bool {
        self.state.restore(bytes)
    }

    /// The components (the XSAVE mask) that [`UserContext::fpu_state`] holds; 0 when it is FXSAVE's layout.
    pub fn fpu_components() -> u64 {
        arch::state_components()
    }
}
