//! A channel in front of a driver that does as it is told.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Channel, Counter, Disk, Driver, Outcome, Protocol, Read, Reason, Reset, Unit, Verdict, patience};
use crate::mem::{Frame, PAGE_SIZE};
use crate::sync::SpinLock;
use crate::time;

/// Held by tests that move the clock, or that wait for something: they would disturb each other.
pub(crate) fn alone_with_the_clock() -> std::sync::MutexGuard<'static, ()> {
    static CLOCK: std::sync::Mutex<()> = std::sync::Mutex::new(());
    CLOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

const BROKEN: Reason = Reason("broken", 1);

#[derive(Default)]
struct Script {
    /// What was started and not returned: tag, first block, blocks.
    started: Vec<(u16, u64, u32)>,
    returned: VecDeque<(u16, Outcome)>,
    verdict: Option<Verdict>,
    has_failed: bool,
    resets: Vec<Reset>,
}

#[derive(Clone, Default)]
struct Fake(Arc<SpinLock<Script>>);

impl Driver for Fake {
    fn depth(&self) -> u16 {
        2
    }

    fn most_frames(&self) -> usize {
        4
    }

    fn start(&self, tag: u16, read: &Read<'_>) -> bool {
        let mut script = self.0.lock();
        assert!(script.started.iter().all(|started| started.0 != tag), "the tag is free");
        assert_eq!(read.frames.len(), read.bytes().div_ceil(PAGE_SIZE));
        read.frames.iter().for_each(|frame| frame.fill(0, PAGE_SIZE, 7));
        script.started.push((tag, read.block, read.blocks));
        true
    }

    fn ring(&self) {}

    fn collect(&self) -> Option<(u16, Outcome)> {
        self.0.lock().returned.pop_front()
    }

    fn has_failed(&self) -> bool {
        self.0.lock().has_failed
    }

    fn late(&self, _tag: u16) -> Verdict {
        self.0.lock().verdict.unwrap_or(Verdict::Wait)
    }

    fn reset(&self, _first: bool) -> Reset {
        let mut script = self.0.lock();
        script.has_failed = false;
        let next = script.resets.pop().unwrap_or(Reset::Failed);
        if next == Reset::Done {
            script.started.clear();
        }
        next
    }
}

impl Fake {
    /// Returns the oldest request.
    fn answer(&self, channel: &Channel, outcome: Outcome) {
        let mut script = self.0.lock();
        let (tag, ..) = script.started.remove(0);
        script.returned.push_back((tag, outcome));
        drop(script);
        channel.serve();
    }

    fn blocks(&self) -> Vec<(u64, u32)> {
        let started = self.0.lock().started.clone();
        started.into_iter().map(|(_, block, count)| (block, count)).collect()
    }
}

/// What a read gave: nothing yet, or whether it succeeded.
type Result = Arc<SpinLock<Option<bool>>>;

fn disk(blocks: u64) -> (Fake, Arc<Channel>, Disk) {
    let fake = Fake::default();
    let channel = Channel::new(String::from("fake"), Box::new(fake.clone()));
    let unit = Unit {
        number: 0,
        name: String::from("fake 0"),
        protocol: Protocol::Virtio,
        block_shift: 9,
        blocks,
        counter: Counter::default(),
    };
    let disk = Disk::new(&channel, unit);
    (fake, channel, disk)
}

fn frames(count: usize) -> Vec<Frame> {
    (0..count).map(|_| Frame::allocate().expect("memory")).collect()
}

fn read(disk: &Disk, offset: u64, frames: &[Frame]) -> Result {
    let result = Result::default();
    let place = result.clone();
    let done = Box::new(move |succeeded| {
        assert_eq!(place.lock().replace(succeeded), None, "called once");
    });
    disk.read(offset, frames, done);
    result
}

#[test]
fn a_long_read_goes_out_in_pieces_as_there_is_room() {
    let (fake, channel, disk) = disk(1000);
    let result = read(&disk, 4096, &frames(10));
    assert_eq!(fake.blocks(), [(8, 32), (40, 32)]);
    fake.answer(&channel, Outcome::Done);
    assert_eq!(fake.blocks(), [(40, 32), (72, 16)]);
    fake.answer(&channel, Outcome::Done);
    assert_eq!(*result.lock(), None);
    fake.answer(&channel, Outcome::Done);
    assert_eq!(*result.lock(), Some(true));
    assert_eq!(disk.watch(), None, "nothing is under way");
}

#[test]
fn what_lies_behind_the_end_is_zero_or_fails() {
    let (fake, channel, disk) = disk(9);
    let pages = frames(2);
    let result = read(&disk, 0, &pages);
    assert_eq!(fake.blocks(), [(0, 9)]);
    fake.answer(&channel, Outcome::Done);
    assert_eq!(*result.lock(), Some(true));
    let mut bytes = [1; 513];
    pages[1].read(511, &mut bytes);
    assert_eq!((bytes[0], bytes[1], bytes[512]), (7, 0, 0));

    assert_eq!(*read(&disk, 0, &frames(3)).lock(), Some(false), "a page outside");
    assert_eq!(*read(&disk, 8192, &frames(1)).lock(), Some(false));
    assert_eq!(*read(&disk, 100, &frames(1)).lock(), Some(false), "not a block");
    assert_eq!(*read(&disk, u64::MAX - 511, &frames(2)).lock(), Some(false));
    assert_eq!(*read(&disk, 0, &[]).lock(), Some(true));
    assert!(fake.blocks().is_empty());
}

#[test]
fn what_may_pass_is_tried_three_times_and_what_will_not_once() {
    let (fake, channel, disk) = disk(1000);
    let result = read(&disk, 0, &frames(1));
    for _ in 0..2 {
        fake.answer(&channel, Outcome::Retry(BROKEN));
        assert_eq!(*result.lock(), None);
    }
    fake.answer(&channel, Outcome::Retry(BROKEN));
    assert_eq!(*result.lock(), Some(false));

    let result = read(&disk, 0, &frames(1));
    fake.answer(&channel, Outcome::Failed(BROKEN));
    assert_eq!(*result.lock(), Some(false));

    let result = read(&disk, 0, &frames(5));
    fake.answer(&channel, Outcome::Done);
    fake.answer(&channel, Outcome::Failed(BROKEN));
    assert_eq!(*result.lock(), Some(false), "a part of it");
}

#[test]
fn answers_that_make_no_sense_are_passed_over() {
    let (fake, channel, disk) = disk(1000);
    fake.0
        .lock()
        .returned
        .extend([(0, Outcome::Done), (999, Outcome::Done)]);
    channel.serve();
    let result = read(&disk, 0, &frames(1));
    fake.answer(&channel, Outcome::Done);
    assert_eq!(*result.lock(), Some(true));
}

#[test]
fn a_failed_controller_is_reset_and_forgets_nothing() {
    let _alone = alone_with_the_clock();
    let (fake, channel, disk) = disk(1000);
    let result = read(&disk, 0, &frames(1));
    {
        let mut script = fake.0.lock();
        script.has_failed = true;
        script.resets = [Reset::Done, Reset::Continue(0)].into();
    }
    channel.serve();
    let second = read(&disk, 4096, &frames(1));
    assert_eq!(fake.blocks(), [(0, 8)], "nothing goes out meanwhile");
    assert!(disk.watch().is_some());
    assert_eq!(fake.blocks().len(), 2, "both go out again");
    fake.answer(&channel, Outcome::Done);
    fake.answer(&channel, Outcome::Done);
    assert_eq!((*result.lock(), *second.lock()), (Some(true), Some(true)));

    let result = read(&disk, 0, &frames(1));
    fake.0.lock().has_failed = true;
    channel.serve();
    assert_eq!(*result.lock(), Some(false), "a reset that fails");
    assert_eq!(
        *read(&disk, 0, &frames(1)).lock(),
        Some(false),
        "and all that come after it"
    );
}

#[test]
fn late_requests_end_and_their_pages_stay_the_devices() {
    let _alone = alone_with_the_clock();
    // A device that may come back is waited for, and has its pages until it does.
    let (fake, channel, disk) = disk(1000);
    let pages = frames(1);
    let result = read(&disk, 0, &pages);
    for _ in 0..2 {
        time::advance(patience());
        assert!(disk.watch().is_some());
        assert_eq!(*result.lock(), None);
    }
    time::advance(patience());
    assert_eq!(disk.watch(), None);
    assert_eq!(*result.lock(), Some(false));
    assert_eq!(pages[0].shares(), 2);
    fake.answer(&channel, Outcome::Done);
    assert_eq!(pages[0].shares(), 1);
    assert_eq!(*result.lock(), Some(false));

    // One that lost a request is asked again beside it.
    fake.0.lock().verdict = Some(Verdict::TryAgain);
    let result = read(&disk, 0, &frames(1));
    time::advance(patience());
    disk.watch();
    assert_eq!(fake.blocks(), [(0, 8), (0, 8)]);
    fake.0.lock().started.swap(0, 1);
    fake.answer(&channel, Outcome::Done);
    assert_eq!(*result.lock(), Some(true));
    fake.answer(&channel, Outcome::Done);

    // One that has lost all it can have does not keep others waiting for ever.
    let results: Vec<_> = (0..3).map(|_| read(&disk, 0, &frames(1))).collect();
    for _ in 0..3 {
        time::advance(patience());
        disk.watch();
    }
    assert!(results.iter().all(|result| *result.lock() == Some(false)));
    assert_eq!(disk.watch(), None);

    // One that stopped is reset.
    let (fake, channel, disk) = self::disk(1000);
    fake.0.lock().verdict = Some(Verdict::Reset);
    fake.0.lock().resets = [Reset::Done].into();
    let result = read(&disk, 0, &frames(1));
    time::advance(patience());
    disk.watch();
    assert_eq!(fake.blocks(), [(0, 8)]);
    fake.answer(&channel, Outcome::Done);
    assert_eq!(*result.lock(), Some(true));
}
