//! Whom the first message of an empty queue is told, and how (`mq_notify(3)`).

use alloc::sync::Arc;

use file::OpenFile;
use net::SocketFile;

use crate::process::{Process, family};
use crate::signal::{Info, Signal};

/// Bytes of a message about a queue on a netlink socket.
pub const COOKIE: usize = 32;
/// The last byte of it: there is a message, or nobody is told any more.
const WOKEN: u8 = 1;
const REMOVED: u8 = 2;

/// How somebody is told.
pub enum Means {
    /// Not at all (`SIGEV_NONE`).
    Nothing,
    /// By a signal with a value, or by none for the number 0 (`SIGEV_SIGNAL`).
    Signal(Option<Signal>, u64),
    /// By a message on a netlink socket, which a thread of the C library waits for (`SIGEV_THREAD`).
    Socket(Arc<OpenFile>, [u8; COOKIE]),
}

/// Who is told, and how.
pub struct Notification {
    /// The process.
    pub process: i32,
    /// How.
    pub means: Means,
}

impl Notification {
    /// What a queue's file shows: `SIGEV_*`, and the signal.
    pub(super) fn numbers(&self) -> (u32, u8) {
        match &self.means {
            Means::Signal(signal, _) => (0, signal.map_or(0, Signal::number)),
            Means::Nothing => (1, 0),
            Means::Socket(..) => (2, 0),
        }
    }

    /// A message of `sender` has come.
    pub fn tell(self, sender: &Process) {
        /// `SI_MESGQ`
        const MESSAGE: i32 = -3;
        match self.means {
            Means::Signal(Some(signal), value) => {
                if let Some(process) = family::find(self.process) {
                    let uid = sender.with_credentials(|own| own.uid);
                    let mut info = Info::from_process(signal, MESSAGE, sender.pid, uid);
                    info.fields[1] = value;
                    process.send(signal, info);
                }
            }
            Means::Signal(None, _) | Means::Nothing => {}
            Means::Socket(socket, cookie) => send(&socket, cookie, WOKEN),
        }
    }

    /// It is taken back.
    pub(super) fn cancel(self) {
        if let Means::Socket(socket, cookie) = self.means {
            send(&socket, cookie, REMOVED);
        }
    }
}

fn send(socket: &OpenFile, mut cookie: [u8; COOKIE], reason: u8) {
    cookie[COOKIE - 1] = reason;
    if let Some(socket) = socket.downcast::<SocketFile>() {
        socket.deliver(&cookie);
    }
}
