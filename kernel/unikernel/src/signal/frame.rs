//! The frame on a handler's stack: `struct rt_sigframe` of x86-64, which `rt_sigreturn(2)` reads back. Applications read and change it
//! (Go's preemption, garbage collectors), so its layout is part of the interface.

use abi::Errno;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{Action, ActionFlags, Info, Signal, SignalSet};
use crate::memory::AddressSpace;
use crate::process::{AlternateStack, FaultRecord, Thread};
use hal::user::{RegisterFile, UserContext};

/// The least bytes of a signal stack (`AT_MINSIGSTKSZ`): a frame with all of the extended state, and room for the handler.
pub const MINIMUM_STACK: usize = 4096;
/// Bytes below the stack pointer that a function may use without moving it.
const RED_ZONE: usize = 128;
/// `uc_flags`: the extended state is there (`UC_FP_XSTATE`), `ss` is saved and restored strictly.
const CONTEXT_FLAGS: u64 = 1 | 2 | 4;

/// `struct sigcontext_64`; `registers` are `r8` to `r15`, `rdi`, `rsi`, `rbp`, `rbx`, `rdx`, `rax`, `rcx`, `rsp`, `rip` and the flags.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct MachineContext {
    registers: [u64; 18],
    segments: u64,
    error: u64,
    trap: u64,
    old_mask: u64,
    fault_address: u64,
    extended_state: u64,
    reserved: [u64; 8],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Record {
    restorer: u64,
    flags: u64,
    link: u64,
    stack_address: u64,
    stack_flags: u64,
    stack_size: u64,
    machine: MachineContext,
    mask: u64,
    info: Info,
}

const OFFSET_OF_CONTEXT: usize = 8;
const OFFSET_OF_INFO: usize = size_of::<Record>() - size_of::<Info>();

/// `cs`, `gs`, `fs` and `ss` of user mode, 16 bits each.
const SEGMENTS: u64 = 0x33 | 0x2b << 48;

/// Registers in the frame's order.
pub fn register_words(file: &RegisterFile) -> [u64; 18] {
    [
        file.r8,
        file.r9,
        file.r10,
        file.r11,
        file.r12,
        file.r13,
        file.r14,
        file.r15,
        file.rdi,
        file.rsi,
        file.rbp,
        file.rbx,
        file.rdx,
        file.rax,
        file.rcx,
        file.rsp,
        file.rip,
        file.rflags,
    ]
    .map(|register| register as u64)
}

fn register_file(words: &[u64; 18]) -> RegisterFile {
    let [
        r8,
        r9,
        r10,
        r11,
        r12,
        r13,
        r14,
        r15,
        rdi,
        rsi,
        rbp,
        rbx,
        rdx,
        rax,
        rcx,
        rsp,
        rip,
        rflags,
    ] = words.map(|word| word as usize);
    RegisterFile {
        r8,
        r9,
        r10,
        r11,
        r12,
        r13,
        r14,
        r15,
        rdi,
        rsi,
        rbp,
        rbx,
        rdx,
        rax,
        rcx,
        rsp,
        rip,
        rflags,
    }
}

/// Where software finds what the saved state holds: `struct _fpx_sw_bytes`, in bytes that the CPU leaves alone.
const SOFTWARE_BYTES: usize = 464;
const LEGACY_SIZE: usize = 512;
const FIRST_MAGIC: u32 = 0x4650_5853;
const LAST_MAGIC: u32 = 0x4650_5845;

/// The FPU and vector registers with Linux's marks around them.
fn extended_state(context: &mut UserContext) -> Vec<u8> {
    let mut bytes = context.fpu_state();
    let components = UserContext::fpu_components();
    if components != 0 {
        let size = bytes.len() as u32;
        let mut mark = |offset: usize, value: &[u8]| {
            bytes[SOFTWARE_BYTES + offset..SOFTWARE_BYTES + offset + value.len()].copy_from_slice(value);
        };
        mark(0, &FIRST_MAGIC.to_le_bytes());
        mark(4, &(size + 4).to_le_bytes());
        mark(8, &components.to_le_bytes());
        mark(16, &size.to_le_bytes());
        bytes.extend_from_slice(&LAST_MAGIC.to_le_bytes());
    }
    bytes
}

/// Bytes of the saved state at an address, by its marks.
async fn extended_length(memory: &AddressSpace, address: usize) -> Result<usize, Errno> {
    const LIMIT: u32 = 16384;
    let [magic, _, _, _, size] = memory.read::<[u32; 5]>(address.wrapping_add(SOFTWARE_BYTES)).await?;
    Ok(if magic == FIRST_MAGIC && size <= LIMIT {
        size as usize
    } else {
        LEGACY_SIZE
    })
}

/// A frame that is about to be put on the stack.
pub struct Frame {
    address: usize,
    record: Record,
    extended_address: usize,
    extended: Vec<u8>,
}

impl Frame {
    /// What the handler of an action finds, and where.
    pub fn new(
        context: &mut UserContext,
        fault: FaultRecord,
        info: &Info,
        action: &Action,
        mask: SignalSet,
        alternate: &AlternateStack,
    ) -> Self {
        let stack_pointer = context.stack_pointer();
        let switches =
            action.flags().contains(ActionFlags::ON_STACK) && alternate.is_enabled() && !alternate.holds(stack_pointer);
        let top = if switches {
            alternate.address.wrapping_add(alternate.size)
        } else {
            stack_pointer.wrapping_sub(RED_ZONE)
        };
        let extended = extended_state(context);
        let extended_address = top.wrapping_sub(extended.len()) & !63;
        // As after a call: the stack pointer is 8 below a multiple of 16.
        let address = (extended_address.wrapping_sub(size_of::<Record>()) & !15).wrapping_sub(8);
        let record = Record {
            restorer: action.restorer as u64,
            flags: CONTEXT_FLAGS,
            link: 0,
            stack_address: alternate.address as u64,
            stack_flags: u64::from(alternate.flags),
            stack_size: alternate.size as u64,
            machine: MachineContext {
                registers: register_words(&context.registers()),
                segments: SEGMENTS,
                error: fault.error as u64,
                trap: u64::from(fault.vector),
                old_mask: mask.bits(),
                fault_address: fault.address as u64,
                extended_state: extended_address as u64,
                reserved: [0; 8],
            },
            mask: mask.bits(),
            info: *info,
        };
        Self {
            address,
            record,
            extended_address,
            extended,
        }
    }

    /// Puts it on the stack.
    pub async fn store(&self, memory: &AddressSpace) -> Result<(), Errno> {
        memory.write_bytes(self.extended_address, &self.extended).await?;
        memory.write(self.address, &self.record).await
    }

    /// Lets the thread begin the handler.
    pub fn enter(&self, context: &mut UserContext, signal: Signal, action: &Action) {
        let arguments = [
            usize::from(signal.number()),
            self.address + OFFSET_OF_INFO,
            self.address + OFFSET_OF_CONTEXT,
        ];
        context.set_arguments(arguments);
        context.set_instruction_pointer(action.handler);
        context.set_stack_pointer(self.address);
        // A variadic function would look here for its number of vector arguments.
        context.set_return_value(0);
    }
}

/// A frame that was read back.
pub struct SavedFrame {
    record: Record,
    extended: Vec<u8>,
}

/// Reads the frame that a handler returns to, with the stack pointer as it was at the call of `rt_sigreturn`.
pub async fn read_frame(memory: &Arc<AddressSpace>, stack_pointer: usize) -> Result<SavedFrame, Errno> {
    let record = memory
        .read::<Record>(stack_pointer.wrapping_sub(OFFSET_OF_CONTEXT))
        .await?;
    let mut extended = Vec::new();
    if record.machine.extended_state != 0 {
        extended = vec![0; extended_length(memory, record.machine.extended_state as usize).await?];
        memory
            .read_bytes(record.machine.extended_state as usize, &mut extended)
            .await?;
    }
    Ok(SavedFrame { record, extended })
}

impl SavedFrame {
    /// Gives a thread back what the frame holds.
    pub fn restore(&self, thread: &Thread, context: &mut UserContext) {
        context.set_registers(&register_file(&self.record.machine.registers));
        // Without an image the registers keep what they hold, as on Linux they would be reset: no program asks for that.
        let _ = self.extended.is_empty() || context.restore_fpu(&self.extended);
        thread.set_blocked(SignalSet::from_bits(self.record.mask));
        let stack = AlternateStack {
            address: self.record.stack_address as usize,
            size: self.record.stack_size as usize,
            flags: self.record.stack_flags as u32,
        };
        if !thread.alternate_stack.lock().holds(context.stack_pointer()) {
            *thread.alternate_stack.lock() = stack;
        }
    }
}
