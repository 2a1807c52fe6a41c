//! Messages (MSI-X) of a card: they wait until a test delivers them, as on a CPU that is busy.

use alloc::vec::Vec;

use crate::interrupt::Handler;

/// More rounds of messages than any driver needs to come to rest.
const MOST_ROUNDS: usize = 10_000;

#[derive(Clone, Default)]
pub(crate) struct Vector {
    pub(crate) handler: Option<Handler>,
    /// Whether it may be sent.
    pub(crate) is_open: bool,
    /// Whether something happened that it has not told yet.
    pub(crate) has_cause: bool,
    /// Whether it is on its way to the CPU.
    pub(crate) is_sent: bool,
}

impl Vector {
    /// Sends the message, if it may and has something to tell; then it is closed, unless it stays open.
    pub(crate) fn send(&mut self, stays_open: bool, is_lost: bool) {
        if self.is_open && self.has_cause {
            self.has_cause = false;
            self.is_open = stays_open;
            self.is_sent |= !is_lost;
        }
    }

    /// Forgets all but its handler and what is on its way.
    pub(crate) fn reset(&mut self) {
        self.is_open = false;
        self.has_cause = false;
    }
}

/// Takes the messages that are on their way.
pub(crate) fn take_sent(vectors: &mut [Vector]) -> Vec<Option<Handler>> {
    let mut handlers = Vec::new();
    for vector in vectors {
        if core::mem::take(&mut vector.is_sent) {
            handlers.push(vector.handler.clone());
        }
    }
    handlers
}

/// Runs the handlers of messages, until `take` finds no more with one; how many messages there were.
pub(crate) fn deliver(mut take: impl FnMut() -> Vec<Option<Handler>>) -> usize {
    let mut count = 0;
    for _ in 0..MOST_ROUNDS {
        let sent = take();
        count += sent.len();
        if sent.iter().all(Option::is_none) {
            return count;
        }
        for handler in sent.into_iter().flatten() {
            handler();
        }
    }
    panic!("the driver's handlers come to no rest: each round sends a message again");
}
