use alloc::sync::Arc;
use alloc::vec;

use abi::OpenFlags;
use file::{BytesSource, Error, OpenFile};

use super::{HOLDERS, PATIENCE};
use crate::socket::{Control, Message, MessageFlags, SocketFile};
use crate::unix::tests::{STREAM, World, bytes, receive};

fn open(socket: Arc<SocketFile>) -> Arc<OpenFile> {
    OpenFile::new(socket, OpenFlags::RDWR)
}

fn send(over: &OpenFile, files: &[&Arc<OpenFile>]) {
    let message = Message {
        control: vec![Control::Rights(files.iter().map(|&file| file.clone()).collect())],
        ..Message::default()
    };
    let socket = over.downcast::<SocketFile>().expect("it is a socket");
    socket
        .send(&mut BytesSource::new(b"with"), &message)
        .expect("there is room");
}

/// Whether the other side of `socket` is still open somewhere.
fn has_peer(socket: &SocketFile) -> bool {
    matches!(receive(socket, 1, MessageFlags::empty()), Err(Error::WouldBlock))
}

/// How much is in flight decides how often it is looked at, so that a test must not see another's.
pub(in crate::unix) static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Leaves two sockets that wait in each other's queues alone, with a third, whose peer it returns.
fn leave_circle(world: &World) -> Arc<SocketFile> {
    let (one, other) = world.pair(STREAM);
    let (inner, kept) = world.pair(STREAM);
    let (one, other, inner) = (open(one), open(other), open(inner));
    send(&one, &[&other]);
    send(&other, &[&one, &inner]);
    kept
}

/// What sets the search for unreachable sockets off.
fn close_another(world: &World) {
    drop(open(world.socket(STREAM, 1)));
}

#[test]
fn sockets_that_wait_in_each_others_queues_alone_are_closed() {
    let _alone = ALONE.lock();
    let world = World::new();
    let kept = leave_circle(&world);
    close_another(&world);
    assert!(!has_peer(&kept));
}

#[test]
fn sockets_that_a_closed_descriptor_was_the_last_way_to_are_closed_without_another() {
    let _alone = ALONE.lock();
    let world = World::new();
    // On the host, the task of a test that is over waits for a thread that is gone.
    HOLDERS.lock().watched = false;
    let kept = leave_circle(&world);
    let tick = || {
        hal::time::advance(PATIENCE);
        task::fire_expired(hal::time::monotonic());
        while task::run_ready(16) {}
    };
    while task::run_ready(16) {}
    assert!(has_peer(&kept));
    tick();
    assert!(!has_peer(&kept));
    tick();
    assert!(!HOLDERS.lock().watched, "nothing is in flight any more");
}

#[test]
fn sockets_that_can_still_be_received_are_not() {
    let _alone = ALONE.lock();
    let world = World::new();
    let (sender, taker) = world.pair(STREAM);
    let (one, other) = world.pair(STREAM);
    let (inner, kept) = world.pair(STREAM);
    {
        let (sender, one, other, inner) = (open(sender), open(one), open(other), open(inner));
        send(&one, &[&other, &inner]);
        // The only way to both.
        send(&sender, &[&other]);
    }
    close_another(&world);
    assert!(has_peer(&kept));

    let (_, received) = receive(&taker, 9, MessageFlags::empty()).expect("it is there");
    let [Control::Rights(rights)] = &received.control[..] else {
        panic!("a descriptor came along");
    };
    close_another(&world);
    let other = rights[0].downcast::<SocketFile>().expect("it is a socket");
    assert_eq!(bytes(other, 9), b"with");
    assert!(!has_peer(&kept), "the descriptor that nobody looked at is closed");
}

/// More than the stack of a test's thread could take, if each were closed within the one before.
#[test]
fn a_long_chain_of_queues_is_closed_link_by_link() {
    let _alone = ALONE.lock();
    let world = World::new();
    let (inner, kept) = world.pair(STREAM);
    let mut last = open(inner);
    for _ in 0..20_000 {
        let (one, other) = world.pair(STREAM);
        send(&open(one), &[&last]);
        last = open(other);
    }
    assert!(has_peer(&kept));
    drop(last);
    assert!(!has_peer(&kept));
}
