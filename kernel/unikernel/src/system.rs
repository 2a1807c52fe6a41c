//! The guest as a whole: its name, its end, and what it says about both.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::sync::atomic::{AtomicBool, Ordering};

use hal::sync::SpinLock;

use crate::memory::{Figures, Pages};
use crate::process::oom::{self, Victims};
use crate::process::{ExitStatus, Thread};
use crate::signal::{Info, Signal};
use hal::user::UserContext;

static HOST_NAME: SpinLock<Vec<u8>> = SpinLock::new(Vec::new());

/// The host name; `localhost` until it is set.
pub fn host_name() -> Vec<u8> {
    let name = HOST_NAME.lock().clone();
    if name.is_empty() { b"localhost".to_vec() } else { name }
}

static DOMAIN_NAME: SpinLock<Vec<u8>> = SpinLock::new(Vec::new());

/// The NIS domain name; `(none)` until it is set.
pub fn domain_name() -> Vec<u8> {
    let name = DOMAIN_NAME.lock().clone();
    if name.is_empty() { b"(none)".to_vec() } else { name }
}

/// Sets the NIS domain name.
pub fn set_domain_name(name: Vec<u8>) {
    *DOMAIN_NAME.lock() = name;
}

/// Sets the host name.
pub fn set_host_name(name: Vec<u8>) {
    *HOST_NAME.lock() = name;
}

static EXEC_WRITTEN: AtomicBool = AtomicBool::new(false);

/// Whether files that were written at run time may be executed, or mapped to be: what the image says.
pub fn allows_exec_written() -> bool {
    EXEC_WRITTEN.load(Ordering::Relaxed)
}

/// To be called once, before the application starts.
pub fn set_exec_written(allowed: bool) {
    EXEC_WRITTEN.store(allowed, Ordering::Relaxed);
}

/// Writes a line of the kernel's own on the console.
pub fn say(line: &str) {
    hal::console::write_line(format_args!("{line}"));
}

/// The first process has ended: lets its last answers leave, tells the host how it ended, and ends the machine.
pub async fn application_ended(status: ExitStatus) -> ! {
    finish_sending().await;
    match status {
        ExitStatus::Code(code) => {
            hal::console::status::write_line(&alloc::format!(r#"{{"event":"exit","code":{code}}}"#));
            hal::power::exit(code)
        }
        ExitStatus::Signal(signal) => {
            let code = 128 + signal.number();
            hal::console::status::write_line(&alloc::format!(
                r#"{{"event":"exit","signal":"{signal}","code":{code}}}"#
            ));
            say(&alloc::format!("the application was ended by {signal}"));
            hal::power::exit(code)
        }
    }
}

/// Waits until the other processes have ended too and what all of them wrote to TCP connections has arrived, which a machine that goes on
/// would see to. A peer that is gone or a disk that does not answer holds the end up for two seconds at most: time for a lost segment to be
/// sent again, twice.
async fn finish_sending() {
    const LIMIT: u64 = 2_000_000_000;
    const GLANCE: u64 = 1_000_000;
    let network = crate::network::get();
    let deadline = hal::time::monotonic() + LIMIT;
    while (crate::process::family::has_others() || network.stack.has_unfinished_ends())
        && hal::time::monotonic() < deadline
    {
        task::sleep_until(hal::time::monotonic() + GLANCE).await;
    }
}

/// Memory is used up and nothing can be given back for `need`: ends the process that has most of it, unless one is about to end, and says so. When that
/// is the first process it tells the host, and ends the machine.
pub fn make_room(need: &str) {
    match oom::end_one() {
        Victims::Ending => {}
        Victims::Process(process, own) => say(&alloc::format!(
            "out of memory: there is none for {need}; process {} ({}), which has {} of its own, is ended for it; of {}",
            process.pid,
            String::from_utf8_lossy(&process.name(process.thread(process.pid).as_deref())),
            Pages(own),
            Figures::now(),
        )),
        Victims::Nobody => out_of_memory(need),
    }
}

/// Whether a process is about to end whose memory others will have.
pub fn is_making_room() -> bool {
    oom::is_one_ending()
}

fn out_of_memory(need: &str) -> ! {
    static FIRST: SpinLock<()> = SpinLock::new(());
    // Other CPUs that find none wait here for the end of the machine.
    let _guard = FIRST.lock();
    let message = alloc::format!(
        "there is none for {need}; of {}. Give the instance more (`memory`, or -m of `unikernel run`)",
        Figures::now(),
    );
    say(&alloc::format!("out of memory: {message}"));
    end_with_event("oom", &message, 128 + Signal::KILL.number())
}

/// The kernel cannot go on, or never could: says why, tells the host, and ends the machine.
pub fn fail(message: &str) -> ! {
    say(message);
    end_with_event("panic", message, 255)
}

fn end_with_event(event: &str, message: &str, code: u8) -> ! {
    let mut quoted = String::new();
    for character in message.chars() {
        match character {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(character);
            }
            character if character < ' ' => {
                let _ = write!(quoted, "\\u{:04x}", character as u32);
            }
            character => quoted.push(character),
        }
    }
    hal::console::status::write_line(&alloc::format!(
        r#"{{"event":"{event}","message":"{quoted}","code":{code}}}"#
    ));
    hal::power::exit(code)
}

/// Says on the console what ended the application, as far as the machine shows it.
pub fn report_crash(thread: &Thread, context: &UserContext, signal: Signal, info: &Info) {
    const NAMES: [&str; 18] = [
        "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi", "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp",
        "rip", "flags",
    ];
    let name = thread.process.name(Some(thread));
    let name = String::from_utf8_lossy(&name);
    let place = context.instruction_pointer();
    let cause = match (signal, info.code) {
        (Signal::SEGV, 1) => alloc::format!(": nothing is mapped at {:#x}", info.fields[0]),
        (Signal::SEGV, 2) => alloc::format!(": {:#x} may not be used so", info.fields[0]),
        (Signal::SYS, 1) => alloc::format!(
            ": its filter refuses {}",
            crate::seccomp::name(info.fields[1] as u32 as usize)
        ),
        (Signal::BUS, 2) => alloc::format!(": {:#x} lies past the end of its file", info.fields[0]),
        _ => String::new(),
    };
    say(&alloc::format!("{signal} in thread {} ({name}){cause}", thread.tid));
    say(&alloc::format!("  at {place:#x} {}", locate(thread, place)));
    let registers = crate::signal::register_words(&context.registers());
    let mut line = String::new();
    for (index, (name, value)) in NAMES.iter().zip(registers).enumerate() {
        let _ = write!(line, "  {name:<5} {value:016x}");
        if index % 4 == 3 || index + 1 == NAMES.len() {
            say(&line);
            line.clear();
        }
    }
    report_stack(thread, context);
}

/// The module and the offset in it that an address of code has.
fn locate(thread: &Thread, address: usize) -> String {
    let Some((start, area)) = thread.memory.area_at(address) else {
        return String::from("(not mapped)");
    };
    let Some(name) = &area.name else {
        return String::from("(anonymous memory)");
    };
    let page = area
        .backing
        .as_ref()
        .map_or(0, |backing| backing.first_page as usize * hal::mem::PAGE_SIZE);
    alloc::format!(
        "({}+{:#x})",
        String::from_utf8_lossy(&name.path),
        address - start + page
    )
}

/// Return addresses by the chain of frame pointers, as far as the code keeps one.
fn report_stack(thread: &Thread, context: &UserContext) {
    const DEPTH: usize = 16;
    let mut frame = crate::signal::register_words(&context.registers())[10] as usize;
    for _ in 0..DEPTH {
        let mut words = [0; 16];
        if frame == 0 || !frame.is_multiple_of(8) || hal::user::copy_from_user(frame, &mut words).is_err() {
            return;
        }
        let word = |index: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&words[index * 8..index * 8 + 8]);
            usize::from_ne_bytes(bytes)
        };
        let (next, place) = (word(0), word(1));
        if place == 0 || next <= frame {
            return;
        }
        say(&alloc::format!("  from {place:#x} {}", locate(thread, place)));
        frame = next;
    }
}
