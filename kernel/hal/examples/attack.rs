//! Tries what the machine's protections are there to stop. What user mode tries must end in a trap, and the guest exits with 7. The word
//! on the command line names one thing that the kernel itself then tries: it must end in a panic that says what was stopped.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use core::hint::black_box;

use hal::boot::Boot;
use hal::mem::Frame;
use hal::user::{Access, PageTable, Trap, USER_END, UserContext};
use hal::{console, power};

hal::entry!(main);

const CODE: usize = 0x40_0000;
const DATA: usize = 0x50_0000;
const RETURN: u8 = 0xc3;

#[expect(clippy::needless_pass_by_value, reason = "main's type")]
fn main(boot: Boot) -> ! {
    let table = table();
    from_user_mode(&table);
    table.activate();
    match boot.arguments().next() {
        Some("write-code") => write(main as *const () as usize),
        Some("write-constant") => write(CONSTANT.as_ptr().addr()),
        Some("execute-heap") => execute(Box::leak(Box::new([RETURN; 16])).as_ptr().addr()),
        Some("execute-stack") => execute(black_box(&[RETURN; 16]).as_ptr().addr()),
        Some("read-user") => read(DATA),
        Some("execute-user") => execute(CODE),
        Some("read-null") => read(8),
        Some("overflow-stack") => overflow(0),
        Some(other) => panic!("there is no attack {other}"),
        None => power::exit(7),
    }
    console::write(b"the attack succeeded\n");
    power::exit(1)
}

static CONSTANT: [u8; 16] = *b"never written to";

/// Code that does nothing but return, and data.
fn table() -> PageTable {
    let table = PageTable::new().expect("memory");
    let code = Frame::allocate_zeroed().expect("memory");
    code.fill(0, 16, RETURN);
    table.map(CODE, code, Access::READ | Access::EXECUTE).expect("memory");
    let data = Frame::allocate_zeroed().expect("memory");
    data.fill(0, 16, RETURN);
    table.map(DATA, data, Access::READ | Access::WRITE).expect("memory");
    table
}

/// Runs a program with RDI set; the trap that ends it.
fn attempt(table: &PageTable, program: &[u8], rdi: usize) -> Trap {
    let page = Frame::allocate_zeroed().expect("memory");
    page.write(0, program);
    table.map(CODE, page, Access::READ | Access::EXECUTE).expect("memory");
    let mut context = UserContext::new();
    let mut registers = context.registers();
    (registers.rip, registers.rdi) = (CODE, rdi);
    context.set_registers(&registers);
    context.run(table)
}

fn from_user_mode(table: &PageTable) {
    const READ: &[u8] = &[0x8b, 0x07];
    const WRITE: &[u8] = &[0x89, 0x07];
    const JUMP: &[u8] = &[0xff, 0xe7];
    let refused = |trap: Trap| matches!(trap, Trap::Exception { vector: 13, .. });
    let fault = |trap: Trap, at: usize| matches!(trap, Trap::PageFault { address, .. } if address == at);

    let kernel = main as *const () as usize;
    assert!(
        fault(attempt(table, READ, kernel), kernel),
        "the kernel's code was read"
    );
    let heap = Box::leak(Box::new(0u64));
    let secret = (&raw const *heap).addr();
    assert!(
        fault(attempt(table, READ, secret), secret),
        "the kernel's heap was read"
    );
    assert!(
        fault(attempt(table, WRITE, secret), secret),
        "the kernel's heap was written"
    );
    assert!(fault(attempt(table, JUMP, kernel), kernel), "the kernel's code was run");
    assert!(fault(attempt(table, WRITE, CODE), CODE), "code was written");
    assert!(fault(attempt(table, JUMP, DATA), DATA), "data was run");
    assert!(fault(attempt(table, READ, 0), 0), "there is a page at zero");
    assert!(
        refused(attempt(table, JUMP, USER_END + 0x10_0000)),
        "a jump out of the canonical addresses was not refused"
    );
    for (what, program) in [
        ("cli", &[0xfa][..]),
        ("hlt", &[0xf4]),
        ("out dx, al", &[0xee]),
        ("mov cr3, rax", &[0x0f, 0x22, 0xd8]),
        ("rdmsr", &[0x0f, 0x32]),
        ("lgdt", &[0x0f, 0x01, 0x17]),
        ("swapgs", &[0x0f, 0x01, 0xf8]),
        ("int 0x20", &[0xcd, 0x20]),
    ] {
        assert!(refused(attempt(table, program, DATA)), "{what} was not refused");
    }
    // The last byte of user memory is a system call: its way back is no user address.
    let page = Frame::allocate_zeroed().expect("memory");
    page.write(4094, &[0x0f, 0x05]);
    let last = USER_END - 0x1000;
    table.map(last, page, Access::READ | Access::EXECUTE).expect("memory");
    let mut context = UserContext::new();
    context.set_instruction_pointer(USER_END - 2);
    assert_eq!(context.run(table), Trap::SystemCall);
    assert!(
        refused(context.run(table)),
        "the kernel went back to an address that is not the user's"
    );
}

fn write(address: usize) {
    // SAFETY: none. It must fault.
    unsafe { core::ptr::with_exposed_provenance_mut::<u8>(address).write_volatile(0) }
}

fn read(address: usize) {
    // SAFETY: none. It must fault.
    black_box(unsafe { core::ptr::with_exposed_provenance::<u8>(address).read_volatile() });
}

fn execute(address: usize) {
    // SAFETY: none. It must fault.
    let function = unsafe { core::mem::transmute::<usize, extern "C" fn()>(address) };
    function();
}

#[expect(unconditional_recursion, reason = "until the stack ends")]
fn overflow(depth: usize) {
    let filler = black_box([depth; 64]);
    overflow(filler[depth % 64] + 1);
    black_box(&filler);
}
