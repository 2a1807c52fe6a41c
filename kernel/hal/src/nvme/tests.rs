//! The driver against a model of a controller that fails as it is told to.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::Mutex;

use super::register;
use super::start_at;
use crate::block::tests::alone_with_the_clock;
use crate::block::{Disk, Place};
use crate::bus::{Model, Registers};
use crate::dma::reach;
use crate::interrupt::Handler;
use crate::mem::{Frame, PAGE_SIZE};
use crate::sync::SpinLock;
use crate::time;

const BLOCK: usize = 512;
const BLOCKS: u64 = 4096;

/// What the model does with the next reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Answer,
    Fail(u16),
    /// The read is never answered.
    Lose,
    /// The controller stops and says so.
    Die,
    /// The controller stops and says nothing.
    Hang,
    /// Answers a request that was never made, then the one that was.
    Invent,
}

#[derive(Default)]
struct State {
    configuration: u32,
    status: u32,
    admin: (u32, u64, u64),
    /// By number: submissions, completions, entries.
    queues: BTreeMap<u16, Queue>,
    created: Option<(u64, u32)>,
    reads: u32,
    aborts: u32,
    behaviour: Vec<Behaviour>,
    silent: bool,
    never_ready: bool,
}

#[derive(Clone, Copy)]
struct Queue {
    submissions: u64,
    completions: u64,
    entries: u32,
    head: u32,
    tail: u32,
    phase: u32,
}

struct Controller {
    state: Mutex<State>,
    interrupt: SpinLock<Option<Handler>>,
}

impl Controller {
    fn leak() -> &'static Self {
        Box::leak(Box::new(Self {
            state: Mutex::default(),
            interrupt: SpinLock::new(None),
        }))
    }

    fn ring(state: &mut State, number: u16, tail: u32) {
        let Some(&queue) = state.queues.get(&number) else {
            return;
        };
        let mut at = queue.head;
        while at != tail && !state.silent {
            let mut entry = [0; 64];
            reach::read(queue.submissions + u64::from(at) * 64, &mut entry);
            let words: Vec<u32> = entry
                .as_chunks::<4>()
                .0
                .iter()
                .map(|&bytes| u32::from_le_bytes(bytes))
                .collect();
            at = (at + 1) % queue.entries;
            if let Some(queue) = state.queues.get_mut(&number) {
                queue.head = at;
            }
            if let Some(status) = Self::execute(state, number, &words) {
                Self::complete(state, number, (words[0] >> 16) as u16, status);
            }
        }
    }

    fn complete(state: &mut State, number: u16, identifier: u16, status: u16) {
        let Some(queue) = state.queues.get_mut(&number) else {
            return;
        };
        let word = u32::from(identifier) | u32::from(status) << 17 | queue.phase << 16;
        reach::write(queue.completions + u64::from(queue.tail) * 16 + 12, &word.to_le_bytes());
        queue.tail = (queue.tail + 1) % queue.entries;
        queue.phase ^= u32::from(queue.tail == 0);
    }

    /// The status of a command, or none when it stays unanswered.
    fn execute(state: &mut State, number: u16, words: &[u32]) -> Option<u16> {
        const INVALID: u16 = 0x4002;
        let data = u64::from(words[6]) | u64::from(words[7]) << 32;
        if number != 0 {
            return Self::read_blocks(state, words, data);
        }
        match (words[0] & 0xff, words[10] & 0xff) {
            (0x05, 1) => {
                assert_eq!(words[11], 3 << 16 | 0b11, "message 3, interrupts, contiguous");
                state.created = Some((data, (words[10] >> 16) + 1));
            }
            (0x01, 1) => {
                let (completions, entries) = state.created.expect("the completion queue comes first");
                assert_eq!(words[11], 1 << 16 | 1);
                state.queues.insert(1, Queue::new(data, completions, entries));
            }
            (0x06, what) => {
                let mut page = [0; PAGE_SIZE];
                match what {
                    0 => {
                        page[..8].copy_from_slice(&BLOCKS.to_le_bytes());
                        page[130] = 9;
                    }
                    1 => {
                        // Two pages at most.
                        page[77] = 1;
                        page[516] = 1;
                    }
                    _ => page[0] = 1,
                }
                reach::write(data, &page);
            }
            (0x08, _) => state.aborts += 1,
            (0x09, 7) => {}
            _ => return Some(INVALID),
        }
        Some(0)
    }

    fn read_blocks(state: &mut State, words: &[u32], first: u64) -> Option<u16> {
        state.reads += 1;
        let second = u64::from(words[8]) | u64::from(words[9]) << 32;
        match state.behaviour.pop().unwrap_or(Behaviour::Answer) {
            Behaviour::Answer => {}
            Behaviour::Fail(status) => return Some(status),
            Behaviour::Lose => return None,
            Behaviour::Die => {
                state.status |= register::CSTS_FATAL;
                state.silent = true;
                return None;
            }
            Behaviour::Hang => {
                state.silent = true;
                return None;
            }
            Behaviour::Invent => {
                Self::complete(state, 1, 0xffff, 0);
                Self::complete(state, 1, 31, 0);
            }
        }
        let block = words[10] as usize;
        let length = (words[12] as usize + 1) * BLOCK;
        assert!(length <= 2 * PAGE_SIZE, "no more than the controller takes");
        let bytes: Vec<u8> = (0..length).map(|at| content(block * BLOCK + at)).collect();
        for (page, chunk) in [first, second].into_iter().zip(bytes.chunks(PAGE_SIZE)) {
            reach::write(page, chunk);
        }
        Some(0)
    }
}

/// The byte at an offset of the disk.
fn content(at: usize) -> u8 {
    (at / 7 % 251) as u8
}

impl Queue {
    fn new(submissions: u64, completions: u64, entries: u32) -> Self {
        Self {
            submissions,
            completions,
            entries,
            head: 0,
            tail: 0,
            phase: 1,
        }
    }
}

impl Model for Controller {
    fn read(&self, offset: usize, _size: usize) -> u64 {
        let state = self.state.lock().expect("a model that did not panic");
        match offset {
            register::CAP => 2 << 24 | 63,
            register::CC => state.configuration.into(),
            register::CSTS => state.status.into(),
            _ => 0,
        }
    }

    fn write(&self, offset: usize, _size: usize, value: u64) {
        let mut state = self.state.lock().expect("a model that did not panic");
        let value = value as u32;
        match offset {
            register::CC => {
                state.configuration = value;
                state.queues.clear();
                state.silent = false;
                state.status = 0;
                if value & register::CC_ENABLE != 0 && !state.never_ready {
                    assert_eq!(value, 0x0046_0001);
                    let (attributes, submissions, completions) = state.admin;
                    let entries = (attributes & 0xfff) + 1;
                    state.queues.insert(0, Queue::new(submissions, completions, entries));
                    state.status = register::CSTS_READY;
                }
            }
            register::AQA => state.admin.0 = value,
            register::ASQ => state.admin.1 = value.into(),
            register::ACQ => state.admin.2 = value.into(),
            0x1000 => Self::ring(&mut state, 0, value),
            0x1008 => Self::ring(&mut state, 1, value),
            _ => {}
        }
    }
}

fn start(model: &'static Controller) -> Disk {
    let place = Place::default();
    *model.interrupt.lock() = Some(place.handler());
    let registers = Registers::of_model(model, register::LENGTH as usize);
    let mut disks = start_at("nvme model", registers, 3, &place).expect("a controller that starts");
    assert_eq!(disks.len(), 1);
    disks.remove(0)
}

fn interrupt(model: &Controller) {
    let handler = model.interrupt.lock().clone();
    handler.expect("the driver's handler")();
}

/// Reads pages from the start on; what became of it is known when it has ended.
fn read(disk: &Disk, count: usize) -> (Vec<Frame>, Arc<SpinLock<Option<bool>>>) {
    let frames: Vec<Frame> = (0..count).map(|_| Frame::allocate_zeroed().expect("memory")).collect();
    let result = Arc::new(SpinLock::new(None));
    let place = result.clone();
    disk.read(0, &frames, Box::new(move |succeeded| *place.lock() = Some(succeeded)));
    (frames, result)
}

fn check(frames: &[Frame]) {
    for (index, frame) in frames.iter().enumerate() {
        let mut page = [0; PAGE_SIZE];
        frame.read(0, &mut page);
        let first = page
            .iter()
            .enumerate()
            .find(|&(at, &byte)| byte != content(index * PAGE_SIZE + at));
        assert_eq!(first, None, "page {index}");
    }
}

fn behave(model: &Controller, behaviour: &[Behaviour]) {
    model.state.lock().expect("the state").behaviour = behaviour.iter().rev().copied().collect();
}

#[test]
fn reads_arrive_in_pieces_that_the_controller_takes() {
    let _alone = alone_with_the_clock();
    let model = Controller::leak();
    let disk = start(model);
    assert_eq!(disk.size(), BLOCKS * BLOCK as u64);
    // More rounds than the queues have places.
    for _ in 0..100 {
        let (frames, result) = read(&disk, 5);
        interrupt(model);
        assert_eq!(*result.lock(), Some(true));
        check(&frames);
    }
    assert_eq!(model.state.lock().expect("the state").reads, 300);
}

#[test]
fn failures_and_inventions_of_the_controller_are_survived() {
    let _alone = alone_with_the_clock();
    let model = Controller::leak();
    let disk = start(model);
    behave(model, &[Behaviour::Fail(0x281), Behaviour::Fail(0x006)]);
    let (frames, result) = read(&disk, 1);
    interrupt(model);
    assert_eq!(*result.lock(), Some(true), "at the third try");
    check(&frames);

    behave(model, &[Behaviour::Fail(0x4281)]);
    let (_, result) = read(&disk, 1);
    interrupt(model);
    assert_eq!(*result.lock(), Some(false), "do not retry");

    behave(model, &[Behaviour::Invent]);
    let (frames, result) = read(&disk, 1);
    interrupt(model);
    assert_eq!(*result.lock(), Some(true));
    check(&frames);
}

#[test]
fn a_controller_that_says_that_it_failed_is_reset() {
    let _alone = alone_with_the_clock();
    let model = Controller::leak();
    let disk = start(model);
    behave(model, &[Behaviour::Die]);
    let (frames, result) = read(&disk, 2);
    interrupt(model);
    while result.lock().is_none() {
        time::advance(10_000_000);
        disk.watch();
    }
    assert_eq!(*result.lock(), Some(true));
    check(&frames);

    // It fails, and does not come back.
    behave(model, &[Behaviour::Die]);
    model.state.lock().expect("the state").never_ready = true;
    let (_, result) = read(&disk, 2);
    interrupt(model);
    let mut looks = 0;
    while result.lock().is_none() {
        time::advance(10_000_000);
        disk.watch();
        looks += 1;
        assert!(looks < 1000, "the controller's own limit ends it");
    }
    assert_eq!(*result.lock(), Some(false));
    assert_eq!(*read(&disk, 1).1.lock(), Some(false), "at once");
}

#[test]
fn a_lost_read_is_aborted_and_sent_again_and_a_silent_controller_is_reset() {
    let _alone = alone_with_the_clock();
    const HALF_A_MINUTE: u64 = 30_000_000_000;
    let model = Controller::leak();
    let disk = start(model);
    behave(model, &[Behaviour::Lose]);
    let (frames, result) = read(&disk, 1);
    interrupt(model);
    assert_eq!(*result.lock(), None);
    time::advance(HALF_A_MINUTE);
    disk.watch();
    interrupt(model);
    assert_eq!(*result.lock(), Some(true));
    check(&frames);
    assert_eq!(model.state.lock().expect("the state").aborts, 1);

    behave(model, &[Behaviour::Hang]);
    let (frames, result) = read(&disk, 1);
    interrupt(model);
    time::advance(HALF_A_MINUTE);
    while result.lock().is_none() {
        disk.watch();
        time::advance(10_000_000);
    }
    assert_eq!(*result.lock(), Some(true), "after a reset");
    check(&frames);
}

#[test]
fn a_controller_that_never_becomes_ready_is_left_out() {
    let _alone = alone_with_the_clock();
    let model = Controller::leak();
    model.state.lock().expect("the state").never_ready = true;
    let registers = Registers::of_model(model, register::LENGTH as usize);
    let ticking = std::thread::spawn(|| {
        for _ in 0..50 {
            time::advance(100_000_000);
            std::thread::yield_now();
        }
    });
    let started = start_at("nvme model", registers, 3, &Place::default());
    assert_eq!(started.err(), Some("does not become ready"));
    ticking.join().expect("a thread that only counts");
}
