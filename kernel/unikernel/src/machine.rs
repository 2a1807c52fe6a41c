//! Stands in for `hal::user` until it lands; same shapes, no behaviour.
#![allow(missing_docs, clippy::all, clippy::pedantic, unused_variables)]

use alloc::vec::Vec;
use bitflags::bitflags;
use hal::mem::Frame;

bitflags! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Access: u8 {
        const READ = 1;
        const WRITE = 2;
        const EXECUTE = 4;
    }
}

pub const USER_END: usize = 0x7fff_ffff_f000;

pub struct Mapping {
    pub frame: Frame,
    pub access: Access,
    pub accessed: bool,
    pub dirty: bool,
}

pub struct PageTable(());

impl PageTable {
    pub fn new() -> Option<Self> {
        None
    }
    pub fn map(&self, address: usize, frame: Frame, access: Access) -> Result<(), ()> {
        Err(())
    }
    pub fn unmap(&self, address: usize) -> Option<Frame> {
        None
    }
    pub fn protect(&self, address: usize, access: Access) {}
    pub fn lookup(&self, address: usize) -> Option<Mapping> {
        None
    }
    pub fn unmap_range(&self, range: core::ops::Range<usize>, visit: impl FnMut(usize, Frame, bool)) {}
    pub fn protect_range(&self, range: core::ops::Range<usize>, access: Access) {}
    pub fn activate(&self) {}
}

pub enum Trap {
    SystemCall,
    PageFault {
        address: usize,
        write: bool,
        execute: bool,
        present: bool,
    },
    Exception {
        vector: u8,
        error: usize,
    },
    Interrupt,
}

pub struct UserContext(());

impl UserContext {
    pub fn new() -> Self {
        Self(())
    }
    pub fn run(&mut self, table: &PageTable) -> Trap {
        Trap::Interrupt
    }
    pub fn park(&mut self) {}
    pub fn system_call(&self) -> (usize, [usize; 6]) {
        (0, [0; 6])
    }
    pub fn set_return_value(&mut self, value: isize) {}
    pub fn instruction_pointer(&self) -> usize {
        0
    }
    pub fn stack_pointer(&self) -> usize {
        0
    }
    pub fn set_instruction_pointer(&mut self, value: usize) {}
    pub fn set_stack_pointer(&mut self, value: usize) {}
    pub fn set_thread_pointer(&mut self, value: usize) {}
    pub fn thread_pointer(&mut self) -> usize {
        0
    }
    pub fn set_gs_base(&mut self, value: usize) {}
    pub fn gs_base(&mut self) -> usize {
        0
    }
    pub fn duplicate(&mut self) -> Self {
        Self(())
    }
    pub fn restart_system_call(&mut self, number: usize) {}
    pub fn signal_registers(&self) -> [u64; 18] {
        [0; 18]
    }
    pub fn set_signal_registers(&mut self, registers: &[u64; 18]) {}
    pub fn signal_segments(&self) -> u64 {
        0
    }
    pub fn extended_state(&mut self) -> Vec<u8> {
        Vec::new()
    }
    pub fn set_extended_state(&mut self, bytes: &[u8]) {}
    pub fn enter_function(&mut self, function: usize, stack_pointer: usize, arguments: [usize; 3]) {}
    pub fn note_fault(&mut self, vector: u8, error: usize, address: usize) {}
    pub fn fault(&self) -> FaultRecord {
        FaultRecord::default()
    }
}

pub fn copy_from_user(address: usize, into: &mut [u8]) -> Result<(), usize> {
    Err(0)
}
pub fn copy_to_user(address: usize, bytes: &[u8]) -> Result<(), usize> {
    Err(0)
}
pub fn copy_frame_to_user(frame: &Frame, offset: usize, length: usize, address: usize) -> Result<(), usize> {
    Err(0)
}
pub fn copy_frame_from_user(frame: &Frame, offset: usize, length: usize, address: usize) -> Result<(), usize> {
    Err(0)
}
pub fn load_u32(address: usize) -> Result<u32, ()> {
    Err(())
}
pub fn compare_exchange_u32(address: usize, current: u32, new: u32) -> Result<Result<u32, u32>, ()> {
    Err(())
}
pub fn random() -> u64 {
    0
}
pub fn hardware_capabilities() -> (usize, usize) {
    (0, 0)
}
#[derive(Clone, Copy, Default)]
pub struct FaultRecord {
    pub vector: u8,
    pub error: usize,
    pub address: usize,
}
pub fn extended_state_size() -> usize {
    0
}
pub fn fill_random(bytes: &mut [u8]) {}
pub fn synchronize_cpus() {}
pub const NAME: &str = "x86_64";
pub fn write_console(text: &str) {}
pub fn write_status(line: &str) {}
pub fn power_off(code: u8) -> ! {
    loop {}
}
pub fn serve_interrupts() {}
pub fn arm_timer(deadline: Option<u64>) {}
pub fn wait_for_interrupt() {}
pub fn write_console_bytes(bytes: &[u8]) {}
pub fn read_console(into: &mut [u8]) -> usize {
    0
}
pub fn console_has_input() -> bool {
    false
}
pub fn disk() -> Option<alloc::sync::Arc<dyn fs::BlockDevice>> {
    None
}
pub fn instance_config() -> Option<Vec<u8>> {
    None
}
