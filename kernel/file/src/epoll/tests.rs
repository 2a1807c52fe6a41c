use super::*;
use crate::eventfd::EventFd;
use crate::pipe::{Owner, pipe};
use crate::testing::Memory;
use crate::{BytesSink, BytesSource};
use abi::OpenFlags;
use abi::general::EPOLLRDHUP;

fn open(file: Arc<dyn File>) -> Arc<OpenFile> {
    OpenFile::new(file, OpenFlags::RDWR)
}

fn event(events: u32, data: u64) -> EpollEvent {
    EpollEvent { events, data }
}

fn add(epoll: &Epoll, descriptor: i32, file: &Arc<OpenFile>, events: u32) -> core::result::Result<(), Errno> {
    epoll.control(EPOLL_CTL_ADD, descriptor, file, event(events, descriptor as u64))
}

/// What is ready, as (data, events).
fn ready(epoll: &Epoll) -> Vec<(u64, u32)> {
    let mut events = [EpollEvent::default(); 8];
    let count = epoll.collect(&mut events, &mut epoll.candidates());
    events[..count].iter().map(|event| (event.data, event.events)).collect()
}

fn signal(file: &OpenFile) {
    file.write(&mut BytesSource::new(&1_u64.to_ne_bytes())).unwrap();
}

fn drain(file: &OpenFile) {
    file.read(&mut BytesSink::new(&mut [0; 8])).unwrap();
}

#[test]
fn a_level_triggered_file_is_reported_while_it_is_ready() {
    let epoll = Epoll::new();
    let file = open(EventFd::new(0, false));
    add(&epoll, 3, &file, EPOLLIN).unwrap();
    assert_eq!(ready(&epoll), []);
    signal(&file);
    assert_eq!(ready(&epoll), [(3, EPOLLIN)]);
    assert_eq!(ready(&epoll), [(3, EPOLLIN)]);
    drain(&file);
    assert_eq!(ready(&epoll), []);
}

#[test]
fn an_edge_triggered_file_is_reported_once_a_change() {
    let epoll = Epoll::new();
    let file = open(EventFd::new(1, false));
    add(&epoll, 3, &file, EPOLLIN | EPOLLET).unwrap();
    assert_eq!(ready(&epoll), [(3, EPOLLIN)]);
    assert_eq!(ready(&epoll), []);
    signal(&file);
    signal(&file);
    assert_eq!(ready(&epoll), [(3, EPOLLIN)]);
    assert_eq!(ready(&epoll), []);
}

#[test]
fn a_one_shot_file_waits_to_be_armed_again() {
    let epoll = Epoll::new();
    let file = open(EventFd::new(1, false));
    add(&epoll, 3, &file, EPOLLIN | EPOLLONESHOT).unwrap();
    assert_eq!(ready(&epoll), [(3, EPOLLIN)]);
    signal(&file);
    assert_eq!(ready(&epoll), []);
    epoll
        .control(EPOLL_CTL_MOD, 3, &file, event(EPOLLIN | EPOLLONESHOT, 9))
        .unwrap();
    assert_eq!(ready(&epoll), [(9, EPOLLIN)]);
    assert_eq!(ready(&epoll), []);
}

#[test]
fn ready_files_take_turns() {
    let epoll = Epoll::new();
    let files: Vec<_> = (0..3).map(|_| open(EventFd::new(1, false))).collect();
    for (descriptor, file) in (0..).zip(&files) {
        add(&epoll, descriptor, file, EPOLLIN).unwrap();
    }
    let mut order = Vec::new();
    for _ in 0..6 {
        let mut events = [EpollEvent::default()];
        assert_eq!(epoll.collect(&mut events, &mut epoll.candidates()), 1);
        order.push(events[0].data);
    }
    assert_eq!(order, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn a_closed_description_drops_out_and_a_shared_one_stays() {
    let epoll = Epoll::new();
    let (reader, writer) = pipe(false, Owner::default());
    let share_queue = reader.clone();
    let file = open(reader);
    add(&epoll, 3, &file, EPOLLIN).unwrap();
    let share = file.clone();
    drop(file);
    writer.write(0, &mut BytesSource::new(b"x")).unwrap();
    assert_eq!(ready(&epoll), [(3, EPOLLIN)]);
    drop(share);
    assert_eq!(ready(&epoll), []);
    assert_eq!(epoll.table.lock().files().len(), 0);
    // The file lives on and tells nobody any more.
    let queue = format!("{:?}", share_queue.wait_queue().unwrap());
    assert_eq!(queue, "WaitQueue(0 waiting)");
}

#[test]
fn errors_and_hang_ups_come_without_being_asked_for() {
    let epoll = Epoll::new();
    let (reader, writer) = pipe(false, Owner::default());
    let (reader, writer) = (open(reader), OpenFile::new(writer, OpenFlags::WRONLY));
    add(&epoll, 3, &reader, 0).unwrap();
    add(&epoll, 4, &writer, EPOLLOUT | EPOLLRDHUP).unwrap();
    assert_eq!(ready(&epoll), [(4, EPOLLOUT)]);
    drop(reader);
    assert_eq!(ready(&epoll), [(4, EPOLLOUT | EPOLLERR)]);
}

#[test]
fn control_refuses_what_linux_refuses() {
    let epoll = Epoll::new();
    let file = open(EventFd::new(0, false));
    assert_eq!(epoll.control(EPOLL_CTL_MOD, 3, &file, event(1, 0)), Err(Errno::NOENT));
    assert_eq!(epoll.control(EPOLL_CTL_DEL, 3, &file, event(0, 0)), Err(Errno::NOENT));
    assert_eq!(epoll.control(9, 3, &file, event(0, 0)), Err(Errno::INVAL));
    add(&epoll, 3, &file, EPOLLIN).unwrap();
    assert_eq!(add(&epoll, 3, &file, EPOLLIN), Err(Errno::EXIST));
    assert_eq!(add(&epoll, 4, &file, EPOLLIN), Ok(()));
    let regular = open(Arc::new(Memory::default()));
    assert_eq!(add(&epoll, 5, &regular, EPOLLIN), Err(Errno::PERM));
    assert_eq!(add(&epoll, 6, &file, EPOLLEXCLUSIVE | EPOLLONESHOT), Err(Errno::INVAL));
    add(&epoll, 7, &file, EPOLLEXCLUSIVE | EPOLLIN).unwrap();
    assert_eq!(
        epoll.control(EPOLL_CTL_MOD, 7, &file, event(EPOLLIN, 0)),
        Err(Errno::INVAL)
    );
    epoll.control(EPOLL_CTL_DEL, 3, &file, event(0, 0)).unwrap();
    signal(&file);
    assert_eq!(ready(&epoll), [(4, EPOLLIN), (7, EPOLLIN)]);
}

#[test]
fn instances_nest_without_loops() {
    let outer = Epoll::new();
    let outer_file = open(outer.clone());
    assert_eq!(add(&outer, 1, &outer_file, EPOLLIN), Err(Errno::INVAL));
    let inner = Epoll::new();
    let inner_file = open(inner.clone());
    add(&outer, 3, &inner_file, EPOLLIN).unwrap();
    assert_eq!(add(&inner, 4, &outer_file, EPOLLIN), Err(Errno::LOOP));
    let file = open(EventFd::new(0, false));
    add(&inner, 5, &file, EPOLLIN).unwrap();
    assert_eq!(ready(&outer), []);
    signal(&file);
    assert_eq!(ready(&outer), [(3, EPOLLIN)]);
    assert_eq!(ready(&inner), [(5, EPOLLIN)]);
    drain(&file);
    assert_eq!(ready(&outer), []);
    drop((inner, inner_file));
    assert_eq!(outer.table.lock().files().len(), 0);
}

#[test]
fn the_depth_of_nesting_is_limited_from_both_ends() {
    let chain: Vec<_> = (0..8).map(|_| Epoll::new()).collect();
    let files: Vec<_> = chain.iter().map(|epoll| open(epoll.clone())).collect();
    let down = (0..7)
        .take_while(|&level| add(&chain[level], 1, &files[level + 1], EPOLLIN).is_ok())
        .count();
    assert_eq!(down, MAX_DEPTH);
    let chain: Vec<_> = (0..8).map(|_| Epoll::new()).collect();
    let files: Vec<_> = chain.iter().map(|epoll| open(epoll.clone())).collect();
    let up = (1..8)
        .take_while(|&level| add(&chain[level], 1, &files[level - 1], EPOLLIN).is_ok())
        .count();
    assert_eq!(up, MAX_DEPTH);
}

#[test]
fn collecting_and_closing_from_several_threads_loses_nothing() {
    let epoll = Epoll::new();
    let files: Vec<_> = (0..16).map(|_| open(EventFd::new(0, true))).collect();
    for (descriptor, file) in (0..).zip(&files) {
        add(&epoll, descriptor, file, EPOLLIN).unwrap();
    }
    let rounds = 500;
    let taken = core::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..rounds {
                for file in &files {
                    signal(file);
                }
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                while taken.load(core::sync::atomic::Ordering::Relaxed) < rounds * files.len() {
                    for (data, _) in ready(&epoll) {
                        let read = files[data as usize].read(&mut BytesSink::new(&mut [0; 8]));
                        if read.is_ok() {
                            taken.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    assert_eq!(ready(&epoll), []);
}

/// A file that is asked for its readiness slowly: it waits until the test has done what happens meanwhile.
struct Slow {
    queue: WaitQueue,
    asked: SpinLock<Option<(std::sync::mpsc::Sender<()>, std::sync::mpsc::Receiver<()>)>>,
}

impl File for Slow {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn status(&self) -> Result<Status> {
        Ok(Status::anonymous(1, FileType::Fifo, 0o600))
    }

    fn readiness(&self) -> Readiness {
        let asked = self.asked.lock().take();
        if let Some((asked, go_on)) = asked {
            asked.send(()).expect("the test listens");
            go_on.recv().expect("the test goes on");
        }
        Readiness::IN | Readiness::OUT
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }
}

impl Slow {
    /// Such a file, what tells that it is asked, and what lets it answer.
    fn open() -> (
        Arc<OpenFile>,
        std::sync::mpsc::Receiver<()>,
        std::sync::mpsc::Sender<()>,
    ) {
        let (asked, was_asked) = std::sync::mpsc::channel();
        let (go_on, may_go_on) = std::sync::mpsc::channel();
        let file = open(Arc::new(Self {
            queue: WaitQueue::new(),
            asked: SpinLock::new(Some((asked, may_go_on))),
        }));
        (file, was_asked, go_on)
    }
}

/// An instance with a file that is always ready; `first` asks it, `meanwhile` runs while the file has not answered.
fn while_asked(first: impl FnOnce(&Epoll) + Send, meanwhile: impl FnOnce(&Epoll)) -> Arc<Epoll> {
    let epoll = Epoll::new();
    let (file, was_asked, go_on) = Slow::open();
    add(&epoll, 3, &file, EPOLLIN).unwrap();
    std::thread::scope(|scope| {
        // A test that fails lets go of the file.
        let go_on = go_on;
        scope.spawn(|| first(&epoll));
        was_asked.recv().expect("it asks");
        meanwhile(&epoll);
        go_on.send(()).expect("it waits");
    });
    // The file has to live until all have looked.
    assert_eq!(ready(&epoll), [(3, EPOLLIN)]);
    epoll
}

#[test]
fn a_file_can_be_reported_while_somebody_polls_the_instance() {
    while_asked(
        |epoll| assert!(epoll.readiness().contains(Readiness::IN)),
        |epoll| assert_eq!(ready(epoll), [(3, EPOLLIN)]),
    );
}

#[test]
fn who_polls_the_instance_while_a_file_is_reported_is_told_that_it_stays_ready() {
    let ticket = SpinLock::new(None);
    let epoll = while_asked(
        |epoll| assert_eq!(ready(epoll), [(3, EPOLLIN)]),
        |epoll| {
            *ticket.lock() = Some(epoll.watchers.ticket());
            assert!(epoll.readiness().is_empty());
        },
    );
    assert_ne!(*ticket.lock(), Some(epoll.watchers.ticket()));
}

#[test]
fn a_one_shot_file_that_is_armed_anew_while_it_is_asked_reports_what_is_asked_for_now() {
    let epoll = Epoll::new();
    let (file, was_asked, go_on) = Slow::open();
    add(&epoll, 3, &file, EPOLLIN | EPOLLONESHOT).unwrap();
    std::thread::scope(|scope| {
        let go_on = go_on;
        let before = scope.spawn(|| ready(&epoll));
        was_asked.recv().expect("it asks");
        epoll
            .control(EPOLL_CTL_MOD, 3, &file, event(EPOLLOUT | EPOLLONESHOT, 9))
            .unwrap();
        go_on.send(()).expect("it waits");
        assert_eq!(before.join().unwrap(), []);
    });
    assert_eq!(ready(&epoll), [(9, EPOLLOUT)]);
    assert_eq!(ready(&epoll), []);
}
