//! A queue: its messages, and who waits for one or for room.

use abi::Errno;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use litemap::LiteMap;

use hal::sync::SpinLock;
use task::WaitQueue;

use super::Notification;
use super::limits::{Attributes, Share};

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// Higher ones come first.
    pub priority: u32,
    /// What it says.
    pub content: Vec<u8>,
}

/// What came of sending.
pub enum Sent {
    /// It is in the queue, or a receiver's; somebody is to be told of it.
    Done(Option<Notification>),
    /// There is no room.
    Full,
    /// There is no room, and it waits for some under this number.
    Waits(u64),
}

/// What came of receiving.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// The first message.
    Message(Message),
    /// There is none.
    Empty,
    /// There is none, and the caller waits for one under this number.
    Waits(u64),
}

#[derive(Default)]
struct State {
    /// By falling priority, then by age.
    messages: VecDeque<Message>,
    /// Who waits, in the order in which they came. As on Linux a message goes from hand to hand: who comes later does not find it first.
    senders: VecDeque<(u64, Message)>,
    receivers: VecDeque<u64>,
    /// What receivers have got that do not wait any more.
    handed: LiteMap<u64, Message>,
    next: u64,
    notification: Option<Notification>,
}

impl State {
    fn add(&mut self, message: Message) {
        let place = self
            .messages
            .partition_point(|other| other.priority >= message.priority);
        self.messages.insert(place, message);
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// A queue.
pub struct Queue {
    /// What it was made for.
    pub attributes: Attributes,
    state: SpinLock<State>,
    /// Notified when a message comes or goes.
    pub changed: WaitQueue,
    /// What it takes of the limits; `None` in tests.
    _share: Option<Share>,
}

impl Queue {
    /// A queue without messages.
    pub fn new(attributes: Attributes, share: Option<Share>) -> Self {
        Self {
            attributes,
            state: SpinLock::default(),
            changed: WaitQueue::new(),
            _share: share,
        }
    }

    /// How many messages there are, and their bytes.
    pub fn filling(&self) -> (usize, usize) {
        let state = self.state.lock();
        let bytes = state.messages.iter().map(|message| message.content.len()).sum();
        (state.messages.len(), bytes)
    }

    /// Gives a message to who waits for one, or adds it. What finds no room waits for it if it may.
    pub fn send(&self, message: Message, may_wait: bool) -> Result<Sent, Errno> {
        let mut state = self.state.lock();
        if let Some(receiver) = state.receivers.pop_front() {
            state.handed.insert(receiver, message);
        } else if state.messages.len() >= self.attributes.messages {
            if !may_wait {
                return Ok(Sent::Full);
            }
            let number = state.number();
            state.senders.push_back((number, message));
            return Ok(Sent::Waits(number));
        } else {
            state.messages.try_reserve(1).map_err(|_| Errno::NOMEM)?;
            state.add(message);
        }
        let is_first = state.messages.len() == 1;
        let told = state.notification.take_if(|_| is_first);
        drop(state);
        self.changed.notify();
        Ok(Sent::Done(told))
    }

    /// Whether a message that waited has found room.
    pub fn has_sent(&self, number: u64) -> bool {
        !self.state.lock().senders.iter().any(|(other, _)| *other == number)
    }

    /// Takes a message back that waits for room; false when it has found some.
    pub fn withdraw(&self, number: u64) -> bool {
        let mut state = self.state.lock();
        let place = state.senders.iter().position(|(other, _)| *other == number);
        place.is_some_and(|place| state.senders.remove(place).is_some())
    }

    /// Takes the first message, in whose place comes that of who waits for room.
    pub fn receive(&self, may_wait: bool) -> Received {
        let mut state = self.state.lock();
        let Some(message) = state.messages.pop_front() else {
            if !may_wait {
                return Received::Empty;
            }
            let number = state.number();
            state.receivers.push_back(number);
            return Received::Waits(number);
        };
        if let Some((_, waiting)) = state.senders.pop_front() {
            state.add(waiting);
        }
        drop(state);
        self.changed.notify();
        Received::Message(message)
    }

    /// The message that a receiver has waited for.
    pub fn collect(&self, number: u64) -> Option<Message> {
        self.state.lock().handed.remove(&number)
    }

    /// A receiver waits no more; the message when it has got one.
    pub fn leave(&self, number: u64) -> Option<Message> {
        let mut state = self.state.lock();
        state.receivers.retain(|&other| other != number);
        state.handed.remove(&number)
    }

    pub(super) fn set_notification(&self, notification: Notification) -> Result<(), Errno> {
        let mut state = self.state.lock();
        if state.notification.is_some() {
            return Err(Errno::BUSY);
        }
        state.notification = Some(notification);
        Ok(())
    }

    /// A process is told of no message any more.
    pub fn forget_notification(&self, process: i32) {
        let told = self.state.lock().notification.take_if(|told| told.process == process);
        if let Some(told) = told {
            told.cancel();
        }
    }

    /// Who is told of a message, and the numbers of how.
    pub(super) fn told(&self) -> (u32, u8, i32) {
        let state = self.state.lock();
        state.notification.as_ref().map_or((0, 0, 0), |told| {
            let (kind, signal) = told.numbers();
            (kind, signal, told.process)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Means;
    use super::*;

    fn queue(messages: usize) -> Queue {
        let attributes = Attributes {
            messages,
            message_size: 8,
        };
        Queue::new(attributes, None)
    }

    fn message(priority: u32, content: &[u8]) -> Message {
        Message {
            priority,
            content: content.to_vec(),
        }
    }

    fn is_told(queue: &Queue, priority: u32) -> bool {
        matches!(queue.send(message(priority, b"x"), false), Ok(Sent::Done(Some(_))))
    }

    #[test]
    fn messages_come_by_priority_and_then_by_age() {
        let queue = queue(4);
        for (priority, content) in [(1, b"a"), (3, b"b"), (1, b"c"), (3, b"d")] {
            assert!(matches!(
                queue.send(message(priority, content), false),
                Ok(Sent::Done(None))
            ));
        }
        assert!(matches!(queue.send(message(9, b"e"), false), Ok(Sent::Full)));
        for (priority, content) in [(3, b"b"), (3, b"d"), (1, b"a"), (1, b"c")] {
            assert_eq!(queue.receive(false), Received::Message(message(priority, content)));
        }
        assert_eq!(queue.receive(false), Received::Empty);
    }

    #[test]
    fn who_waits_comes_before_who_comes_later() {
        let queue = queue(1);
        let Received::Waits(receiver) = queue.receive(true) else {
            panic!("there is nothing")
        };
        assert!(matches!(queue.send(message(0, b"a"), false), Ok(Sent::Done(None))));
        assert_eq!(queue.receive(false), Received::Empty);
        assert_eq!(queue.collect(receiver), Some(message(0, b"a")));
        assert!(matches!(queue.send(message(0, b"b"), false), Ok(Sent::Done(None))));
        let Ok(Sent::Waits(sender)) = queue.send(message(0, b"c"), true) else {
            panic!("there is no room")
        };
        assert!(!queue.has_sent(sender));
        assert_eq!(queue.receive(false), Received::Message(message(0, b"b")));
        assert!(queue.has_sent(sender) && !queue.withdraw(sender));
        assert!(matches!(queue.send(message(0, b"d"), false), Ok(Sent::Full)));
        assert_eq!(queue.receive(false), Received::Message(message(0, b"c")));
    }

    #[test]
    fn one_is_told_of_what_nobody_waits_for_in_an_empty_queue() {
        let queue = queue(4);
        let ask = |process| {
            let means = Means::Nothing;
            queue.set_notification(Notification { process, means })
        };
        assert_eq!(ask(1), Ok(()));
        assert_eq!(ask(2), Err(Errno::BUSY));
        queue.forget_notification(2);
        let Received::Waits(receiver) = queue.receive(true) else {
            panic!("there is nothing")
        };
        assert!(!is_told(&queue, 0), "it is the receiver's");
        assert!(queue.leave(receiver).is_some());
        assert!(is_told(&queue, 0));
        assert_eq!(ask(2), Ok(()));
        assert!(!is_told(&queue, 0), "it was not empty");
        queue.forget_notification(2);
        assert_eq!(ask(1), Ok(()));
    }
}
