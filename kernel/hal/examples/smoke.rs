//! Boots and tries what the machine is for: user mode, the timer, the other CPUs, shoot-downs, the power button. Exits with 7 when all
//! of it works; with `panic`, `memory`, `clock` or `button` on the command line, fails on purpose, uses up all memory, shows the clocks, or waits for
//! the power button.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use hal::boot::Boot;
use hal::mem::{self, Frame, PAGE_SIZE};
use hal::sync::SpinLock;
use hal::user::{Access, PageTable, Trap, UserContext};
use hal::{console, cpu, interrupt, power, time, timer};

hal::entry!(main);

const CODE: usize = 0x40_0000;
const DATA: usize = 0x50_0000;
/// `mov eax, 39; syscall; ud2`
const CALL: [u8; 9] = [0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0x0f, 0x0b];
/// `inc dword ptr [rdi]; jmp back`
const COUNT: [u8; 4] = [0xff, 0x07, 0xeb, 0xfc];

#[expect(clippy::needless_pass_by_value, reason = "main's type")]
fn main(boot: Boot) -> ! {
    console::write(b"unikernel: hello\n");
    let asked = |what: &str| boot.arguments().any(|word| word == what);
    user_mode();
    sleep();
    let left_out = cpu::start_others(other);
    console::write(format!("{} CPUs, {left_out} left out\n", cpu::count()).as_bytes());
    shoot_down();
    pieces();
    if asked("clock") {
        show_clocks();
    }
    if asked("memory") {
        core::iter::repeat_with(|| alloc::vec![1u8; 1 << 20]).for_each(core::mem::forget);
    }
    assert!(!asked("panic"), "as \"asked\"");
    console::write(b"unikernel: all works\n");
    power::exit(7)
}

fn program(code: &[u8]) -> PageTable {
    let table = PageTable::new().expect("memory");
    let page = Frame::allocate_zeroed().expect("memory");
    page.write(0, code);
    table.map(CODE, page, Access::READ | Access::EXECUTE).expect("memory");
    table
}

fn context() -> UserContext {
    let mut context = UserContext::new();
    context.set_instruction_pointer(CODE);
    context
}

fn user_mode() {
    let (table, mut context) = (program(&CALL), context());
    assert_eq!(context.run(&table), Trap::SystemCall);
    assert_eq!(context.system_call().0, 39);
    assert_eq!(context.run(&table), Trap::Exception { vector: 6, error: 0 });
}

/// Large objects of the kernel find room when free memory is in pieces.
fn pieces() {
    const SMALL: usize = 1 << 14;
    let before = mem::usage();
    if before.total > SMALL {
        return;
    }
    let mut frames = Vec::with_capacity(before.total);
    frames.extend(core::iter::from_fn(Frame::allocate));
    let mut even = false;
    frames.retain(|_| {
        even = !even;
        even
    });
    let large = before.total / 8;
    assert!(Frame::allocate_run(large).is_none(), "memory is not in pieces");
    for round in 1..=20_u8 {
        let size = large * PAGE_SIZE;
        let objects = [alloc::vec![round; size], alloc::vec![round; 3 * PAGE_SIZE]];
        assert!(objects.iter().flatten().all(|&byte| byte == round));
    }
    drop(frames);
    let tables = 16;
    assert!(mem::usage().used <= before.used + tables, "memory was lost");
    console::write(b"large objects fit into pieces\n");
}

fn sleep() {
    let before = time::monotonic();
    while time::monotonic() < before + 20_000_000 {
        timer::arm(Some(before + 20_000_000));
        cpu::idle();
        interrupt::dispatch();
    }
}

/// What the other CPUs run, when there is something.
static WORK: SpinLock<Option<Arc<PageTable>>> = SpinLock::new(None);
static STARTED: AtomicUsize = AtomicUsize::new(0);
static FAULTED: AtomicUsize = AtomicUsize::new(0);

fn other() -> ! {
    loop {
        let work = WORK.lock().clone();
        if let Some(table) = work {
            let mut context = context();
            let mut registers = context.registers();
            registers.rdi = DATA;
            context.set_registers(&registers);
            STARTED.fetch_add(1, Ordering::SeqCst);
            while context.run(&table) == Trap::Interrupt {
                interrupt::dispatch();
            }
            FAULTED.fetch_add(1, Ordering::SeqCst);
            context.park();
        }
        cpu::idle();
        interrupt::dispatch();
    }
}

/// Takes a page away that the other CPUs write without end: when `unmap` is back, nobody writes it any more.
fn shoot_down() {
    let others = cpu::count() - 1;
    if others == 0 {
        return;
    }
    let table = Arc::new(program(&COUNT));
    let page = Frame::allocate_zeroed().expect("memory");
    table
        .map(DATA, page.clone(), Access::READ | Access::WRITE)
        .expect("memory");
    *WORK.lock() = Some(table.clone());
    (1..=others).for_each(cpu::kick);
    let counter = || {
        let mut bytes = [0; 4];
        page.read(0, &mut bytes);
        u32::from_le_bytes(bytes)
    };
    while STARTED.load(Ordering::SeqCst) < others || counter() == 0 {
        core::hint::spin_loop();
    }
    *WORK.lock() = None;
    drop(table.unmap(DATA));
    let before = counter();
    let deadline = time::monotonic() + 5_000_000;
    while time::monotonic() < deadline {
        assert_eq!(counter(), before, "a CPU still writes an unmapped page");
    }
    while FAULTED.load(Ordering::SeqCst) < others {
        core::hint::spin_loop();
    }
    assert_eq!(page.shares(), 1);
    page.fill(0, PAGE_SIZE, 0);
    console::write(b"unmapped pages are out of reach\n");
}

/// Runs `time` of the shared object in user mode now and then beside the kernel's clock, for ten seconds.
fn show_clocks() {
    const STACK: usize = 0x60_0000;
    let table = program(&[0x0f, 0x05]);
    let [data, object] = time::vdso().expect("this machine has it");
    let mut header = [0; PAGE_SIZE];
    object.read(0, &mut header);
    table.map(DATA, data, Access::READ).expect("memory");
    table
        .map(DATA + PAGE_SIZE, object, Access::READ | Access::EXECUTE)
        .expect("memory");
    let stack = Frame::allocate_zeroed().expect("memory");
    stack.write(PAGE_SIZE - 16, &CODE.to_le_bytes());
    table
        .map(STACK, stack.clone(), Access::READ | Access::WRITE)
        .expect("memory");
    let word = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("eight bytes"));
    // The dynamic section's fourth entry is the symbol table, whose second entry is the first function.
    let symbols = word(64 + 2 * 56 + 3 * 16 + 8) as usize;
    let function = word(symbols + 24 + 8) as usize;
    for _ in 0..20 {
        let mut context = context();
        context.set_instruction_pointer(DATA + PAGE_SIZE + function);
        context.set_stack_pointer(STACK + PAGE_SIZE - 16);
        context.set_arguments([0, STACK, 0]);
        let before = time::realtime();
        assert_eq!(context.run(&table), Trap::SystemCall);
        assert_eq!((context.return_value(), context.instruction_pointer()), (0, CODE + 2));
        let after = time::realtime();
        let mut result = [0; 16];
        stack.read(0, &mut result);
        let part = |at: usize| u64::from_le_bytes(result[at..at + 8].try_into().expect("eight bytes"));
        let told = part(0) * 1_000_000_000 + part(8);
        assert!((before..=after).contains(&told), "{before} {told} {after}");
        console::write(format!("{told}\n").as_bytes());
        let deadline = time::monotonic() + 500_000_000;
        while time::monotonic() < deadline {
            timer::arm(Some(deadline));
            cpu::idle();
            interrupt::dispatch();
        }
    }
}
