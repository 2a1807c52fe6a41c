//! Prints what the basic operations cost in nanoseconds, and with QEMU's `-icount shift=0` in instructions.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use alloc::format;
use core::hint::black_box;

use hal::boot::Boot;
use hal::mem::{Frame, PAGE_SIZE};
use hal::user::{self, Access, PageTable, Trap, UserContext};
use hal::{console, power, time};

hal::entry!(main);

const CODE: usize = 0x40_0000;
const DATA: usize = 0x50_0000;
/// `syscall; jmp back`
const CALLS: [u8; 4] = [0x0f, 0x05, 0xeb, 0xfc];
const ROUNDS: u64 = 100;
const BATCHES: usize = 100;

fn main(_boot: Boot) -> ! {
    let table = PageTable::new().expect("memory");
    let code = Frame::allocate_zeroed().expect("memory");
    code.write(0, &CALLS);
    table.map(CODE, code, Access::READ | Access::EXECUTE).expect("memory");
    let data = Frame::allocate_zeroed().expect("memory");
    table
        .map(DATA, data.clone(), Access::READ | Access::WRITE)
        .expect("memory");
    let (mut first, mut second) = (UserContext::new(), UserContext::new());
    first.set_instruction_pointer(CODE);
    second.set_instruction_pointer(CODE);

    measure("system call", || {
        assert_eq!(first.run(&table), Trap::SystemCall);
        first.set_return_value(0);
    });
    measure("two threads in turn, one call each", || {
        assert_eq!(first.run(&table), Trap::SystemCall);
        assert_eq!(second.run(&table), Trap::SystemCall);
    });
    let mut fault = UserContext::new();
    measure("page fault", || {
        fault.set_instruction_pointer(DATA + PAGE_SIZE);
        assert!(matches!(fault.run(&table), Trap::PageFault { .. }));
    });
    let mut buffer = [0; PAGE_SIZE];
    for size in [8, 64, 1024, 4096] {
        measure(&format!("copy {size} bytes to user memory"), || {
            assert_eq!(user::copy_to_user(DATA, black_box(&buffer[..size])), Ok(()));
        });
    }
    measure("memcpy of 64 bytes", || {
        let (from, to) = buffer.split_at_mut(2048);
        to[..64].copy_from_slice(black_box(&from[..64]));
    });
    measure("memcpy of 1024 bytes", || {
        let (from, to) = buffer.split_at_mut(2048);
        to[..1024].copy_from_slice(black_box(&from[..1024]));
    });
    measure("frame, allocated and freed", || drop(black_box(Frame::allocate())));
    measure("heap object of 64 bytes", || drop(black_box(Box::new([0u64; 8]))));
    measure("map and unmap", || {
        table.map(DATA + PAGE_SIZE, data.clone(), Access::READ).expect("memory");
        drop(table.unmap(DATA + PAGE_SIZE));
    });
    measure("clock", || {
        black_box(time::monotonic());
    });
    power::exit(0)
}

/// The best of many batches: others may use the host at the same time.
fn measure(what: &str, mut operation: impl FnMut()) {
    let best = (0..BATCHES)
        .map(|_| {
            let before = time::monotonic();
            (0..ROUNDS).for_each(|_| operation());
            (time::monotonic() - before) / ROUNDS
        })
        .min();
    console::write(format!("{:>6}  {what}\n", best.unwrap_or(0)).as_bytes());
}
