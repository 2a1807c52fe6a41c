//! The kernel's entry. On the host it prints the table of system calls.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

#[cfg(target_os = "none")]
hal::entry!(main);

#[cfg(target_os = "none")]
#[expect(clippy::needless_pass_by_value, reason = "the machine hands it over for good")]
fn main(boot: hal::boot::Boot) -> ! {
    unikernel::boot::start(&boot);
    unikernel::scheduler::run()
}

#[cfg(not(target_os = "none"))]
fn main() {
    print!("{}", unikernel::syscall::describe());
}
