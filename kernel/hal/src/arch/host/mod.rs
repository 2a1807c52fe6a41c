//! The host as a machine: memory from the allocator, time from the operating system, one thread as one CPU. There is no user mode, but
//! user memory is there: the page tables are walked in software.

#[path = "../x86_64/entry.rs"]
pub(crate) mod entry;
mod user;

pub(crate) use user::*;

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::alloc::{Layout, alloc_zeroed};
use std::sync::OnceLock;
use std::time::Instant;

use crate::mem::{PAGE_SIZE, pool};

/// Bytes of the arena that stands in for physical memory.
const ARENA_SIZE: usize = 256 << 20;

fn arena() -> usize {
    static ARENA: OnceLock<usize> = OnceLock::new();
    *ARENA.get_or_init(|| {
        let layout = Layout::from_size_align(ARENA_SIZE, PAGE_SIZE).expect("a constant layout");
        // SAFETY: the layout has a size that is not zero.
        let start = unsafe { alloc_zeroed(layout) };
        assert!(!start.is_null(), "the host has no memory for the arena");
        start as usize
    })
}

/// Gives the arena to the pool, once.
pub(crate) fn prepare_memory() {
    static READY: OnceLock<()> = OnceLock::new();
    READY.get_or_init(|| {
        let limit = ARENA_SIZE / PAGE_SIZE;
        let tables = std::vec![0u64; (limit * pool::BYTES_PER_PAGE).div_ceil(8)].leak();
        // SAFETY: the tables are leaked; the arena is the pool's. Page 0 stays out, as on a real machine.
        unsafe {
            pool::initialize(tables.as_mut_ptr().cast(), limit);
            pool::donate(1, limit - 1);
        }
    });
}

/// Where the kernel sees a physical page.
pub(crate) fn page_pointer(number: usize) -> *mut u8 {
    debug_assert!(number < ARENA_SIZE / PAGE_SIZE);
    (arena() + number * PAGE_SIZE) as *mut u8
}

static NEXT_CPU: AtomicUsize = AtomicUsize::new(0);
std::thread_local! {
    static CPU: usize = NEXT_CPU.fetch_add(1, Ordering::Relaxed) % crate::cpu::MAX_CPUS;
}

pub(crate) fn current_cpu() -> usize {
    CPU.with(|cpu| *cpu)
}

pub(crate) fn cpu_count() -> usize {
    1
}

pub(crate) fn kick_cpu(_cpu: usize) {}

/// Called while a CPU waits for a lock.
pub(crate) fn spin_wait() {
    std::thread::yield_now();
}

/// Nanoseconds added to the host's clock by tests.
pub(crate) static CLOCK_OFFSET: AtomicU64 = AtomicU64::new(0);

pub(crate) fn monotonic_nanoseconds() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64 + CLOCK_OFFSET.load(Ordering::Relaxed)
}

pub(crate) fn ticks() -> u64 {
    monotonic_nanoseconds()
}

pub(crate) fn nanoseconds_of_ticks(ticks: u64) -> u64 {
    ticks
}

pub(crate) fn realtime_nanoseconds() -> u64 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64);
    now.wrapping_add_signed(REALTIME_OFFSET.load(core::sync::atomic::Ordering::Relaxed))
}

/// By how much the wall clock was moved.
static REALTIME_OFFSET: core::sync::atomic::AtomicI64 = core::sync::atomic::AtomicI64::new(0);

/// Moves what is shown of the host's clock.
pub(crate) fn adjust_realtime_nanoseconds(by: i64) {
    REALTIME_OFFSET.fetch_add(by, core::sync::atomic::Ordering::Relaxed);
}

/// The host's clock goes as it goes.
pub(crate) fn set_clock_rate(_rate: i64) {}

/// Makes it show another time from now on; the host's clock stays.
pub(crate) fn set_realtime_nanoseconds(now: u64) {
    adjust_realtime_nanoseconds(now.wrapping_sub(realtime_nanoseconds()) as i64);
}

/// Copies bytes that must not overlap.
///
/// # Safety
/// As `ptr::copy_nonoverlapping`.
pub(crate) unsafe fn copy_memory(destination: *mut u8, source: *const u8, length: usize) {
    // SAFETY: the caller's promise.
    unsafe { core::ptr::copy_nonoverlapping(source, destination, length) }
}

/// Sets bytes.
///
/// # Safety
/// As `ptr::write_bytes`.
pub(crate) unsafe fn fill_memory(destination: *mut u8, value: u8, length: usize) {
    // SAFETY: the caller's promise.
    unsafe { core::ptr::write_bytes(destination, value, length) }
}

pub(crate) const FIFO_SIZE: usize = 16;

pub(crate) fn can_send() -> bool {
    true
}

pub(crate) fn has_sent() -> bool {
    true
}

pub(crate) fn send(byte: u8) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(&[byte]);
}

pub(crate) fn receive() -> Option<u8> {
    None
}

pub(crate) fn has_debug_port() -> bool {
    false
}

pub(crate) fn debug(_bytes: &[u8]) {}

pub(crate) fn hardware_random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(monotonic_nanoseconds())
}

pub(crate) fn debug_exit(code: u8) {
    std::process::exit(i32::from(code));
}

pub(crate) fn power_off() {}

pub(crate) fn reset() -> ! {
    std::process::abort()
}

pub(crate) fn backtrace(_stack: usize, _visit: impl FnMut(usize)) {}

pub(crate) fn link_address(address: usize) -> usize {
    address
}

pub(crate) fn take_interrupts(_handle: impl FnMut(usize)) {}

pub(crate) fn arm_timer(_deadline: Option<u64>) {}

pub(crate) fn idle() {
    std::thread::yield_now();
}

pub(crate) fn has_pci() -> bool {
    false
}

pub(crate) fn pci_window() -> core::ops::Range<u64> {
    0..0
}

pub(crate) fn read_pci(_function: u16, _offset: u8) -> u32 {
    u32::MAX
}

/// # Safety
/// None: there is nothing.
pub(crate) unsafe fn write_pci(_function: u16, _offset: u8, _value: u32) {}

pub(crate) fn route_interrupt(_input: u32, _vector: usize) {}

pub(crate) fn interrupt_target(_cpu: usize) -> u32 {
    0
}

/// # Safety
/// None: there are no devices.
pub(crate) unsafe fn map_device(_physical: u64, _length: usize, _cached: bool) -> *mut u8 {
    unimplemented!("the host has no devices")
}

/// # Safety
/// None: there are no devices.
pub(crate) unsafe fn in8(_port: u16) -> u8 {
    0xff
}

/// # Safety
/// None: there are no devices.
pub(crate) unsafe fn in16(_port: u16) -> u16 {
    0xffff
}

/// # Safety
/// None: there are no devices.
pub(crate) unsafe fn in32(_port: u16) -> u32 {
    u32::MAX
}

/// # Safety
/// None: there are no devices.
pub(crate) unsafe fn out8(_port: u16, _value: u8) {}

/// # Safety
/// None: there are no devices.
pub(crate) unsafe fn out16(_port: u16, _value: u16) {}

/// # Safety
/// None: there are no devices.
pub(crate) unsafe fn out32(_port: u16, _value: u32) {}

pub(crate) fn rsdp() -> Option<u64> {
    None
}

pub(crate) fn module() -> Option<(u64, usize)> {
    None
}

pub(crate) fn read_firmware(_address: u64, length: usize) -> std::vec::Vec<u8> {
    std::vec![0; length]
}

pub(crate) fn start_others(_main: fn() -> !) -> usize {
    0
}

pub(crate) fn enable_serial_interrupt(_handler: crate::interrupt::Handler) {}

pub(crate) fn enable_power_button() -> bool {
    false
}

pub(crate) fn has_interrupts() -> bool {
    false
}

pub(crate) fn refine_clock() {}

/// One that tests can know.
pub(crate) const LOCAL_INTERRUPTS: [(usize, &str, &str); 1] = [(0x20, "LOC", "Local timer interrupts")];

pub(crate) fn vdso_pages() -> Option<[crate::mem::Frame; 2]> {
    None
}

/// The machine's name for `uname(2)` and `AT_PLATFORM`.
pub(crate) const ARCHITECTURE: &str = std::env::consts::ARCH;

/// Of none: nothing is called here.
pub(crate) const AUDIT_ARCHITECTURE: u32 = 0;

/// One that tests can know.
pub(crate) fn cache(number: u32) -> Option<crate::cpu::Cache> {
    (number == 0).then_some(crate::cpu::Cache {
        level: 1,
        kind: "Data",
        line: 64,
        ways: 8,
        sets: 64,
        sharers: 1,
    })
}

pub(crate) fn description() -> crate::cpu::Description {
    crate::cpu::Description::default()
}

pub(crate) fn hardware_capabilities() -> (usize, usize) {
    (0, 0)
}

pub(crate) fn synchronize() {
    core::sync::atomic::fence(Ordering::SeqCst);
}
