//! Boots, says so, runs a few instructions in user mode.
#![no_std]
#![no_main]

extern crate alloc;

use core::sync::atomic::{AtomicUsize, Ordering};

use hal::mem::Frame;
use hal::user::{Access, PageTable, Trap, UserContext};

hal::entry!(main);

/// `mov eax, 39; syscall; ud2`
const PROGRAM: [u8; 9] = [0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0x0f, 0x0b];
const CODE: usize = 0x40_0000;

fn main(boot: hal::boot::Boot) -> ! {
    hal::console::write(b"unikernel: hello\n");
    for word in boot.arguments() {
        hal::console::write(alloc::format!("argument {word}\n").as_bytes());
    }
    let usage = hal::mem::usage();
    hal::console::write(
        alloc::format!("{usage:?} time {} {}\n", hal::time::monotonic(), hal::time::realtime()).as_bytes(),
    );
    let table = PageTable::new().expect("memory");
    let page = Frame::allocate_zeroed().expect("memory");
    page.write(0, &PROGRAM);
    table.map(CODE, page, Access::READ | Access::EXECUTE).expect("memory");
    let mut context = UserContext::new();
    context.set_instruction_pointer(CODE);
    assert_eq!(context.run(&table), Trap::SystemCall);
    assert_eq!(context.system_call().0, 39);
    assert_eq!(context.run(&table), Trap::Exception { vector: 6, error: 0 });
    let before = hal::time::monotonic();
    hal::timer::arm(Some(before + 50_000_000));
    hal::cpu::idle();
    hal::interrupt::dispatch();
    hal::console::write(alloc::format!("slept {} ns\n", hal::time::monotonic() - before).as_bytes());
    hal::console::write(b"unikernel: user mode works\n");
    smp();
    if boot.arguments().any(|word| word == "button") {
        assert!(hal::power::set_button_handler(|| hal::power::exit(9)));
        hal::console::set_input_handler(|| {
            while let Some(byte) = hal::console::read() {
                hal::console::write(&[b'<', byte, b'>']);
            }
        });
        loop {
            hal::cpu::idle();
            hal::interrupt::dispatch();
        }
    }
    if boot.arguments().any(|word| word == "panic") {
        panic!("as \"asked\"");
    }
    hal::power::exit(7)
}

static RUNNING: AtomicUsize = AtomicUsize::new(0);

fn other() -> ! {
    RUNNING.fetch_add(1, Ordering::SeqCst);
    loop {
        hal::cpu::idle();
        hal::interrupt::dispatch();
    }
}

fn smp() {
    let before = hal::time::monotonic();
    hal::cpu::start_others(other);
    while RUNNING.load(Ordering::SeqCst) + 1 < hal::cpu::count() {
        core::hint::spin_loop();
    }
    hal::console::write(
        alloc::format!("{} cpus in {} ns\n", hal::cpu::count(), hal::time::monotonic() - before).as_bytes(),
    );
}
