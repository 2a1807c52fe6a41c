//! Signal-driven input and output: an open file description with `O_ASYNC` tells by a signal that its file is ready (`fcntl(2)`).

use alloc::sync::{Arc, Weak};
use hal::sync::SpinLock;
use task::{Observer, Registration};

use crate::{File, Readiness};

/// Who gets the signals of a description (`F_SETOWN`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignalOwner {
    /// Nobody.
    #[default]
    Nobody,
    /// A thread, by its ID.
    Thread(i32),
    /// A process.
    Process(i32),
    /// All processes of a group.
    Group(i32),
}

/// What signal a description sends, and to whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignalTarget {
    /// Who gets it.
    pub owner: SignalOwner,
    /// Its number (`F_SETSIG`); 0 for `SIGIO`, which says nothing of the file.
    pub signal: i32,
    /// The descriptor with which `O_ASYNC` was set.
    pub descriptor: i32,
    /// User who said who the owner is, on whose behalf the signal is sent.
    pub uid: u32,
    /// Effective user who did.
    pub euid: u32,
}

/// Sends what signal-driven files have to tell.
pub trait SignalSender: Send + Sync {
    /// The file is ready for something. Called with no lock of the file held.
    fn send(&self, target: &SignalTarget, ready: Readiness);
}

/// A description's part in signal-driven input and output.
pub(crate) struct SignalDriven {
    file: Weak<dyn File>,
    target: SpinLock<SignalTarget>,
    /// Where it hears of its file, as long as `O_ASYNC` is set.
    registration: SpinLock<Option<Registration>>,
    sender: &'static dyn SignalSender,
}

impl SignalDriven {
    pub(crate) fn new(file: &Arc<dyn File>, sender: &'static dyn SignalSender) -> Arc<Self> {
        Arc::new(Self {
            file: Arc::downgrade(file),
            target: SpinLock::new(SignalTarget::default()),
            registration: SpinLock::new(None),
            sender,
        })
    }

    pub(crate) fn target(&self) -> SignalTarget {
        *self.target.lock()
    }

    pub(crate) fn update(&self, update: impl FnOnce(&mut SignalTarget)) {
        update(&mut self.target.lock());
    }

    /// Begins to hear of `file`, of which it is a description.
    pub(crate) fn start(self: &Arc<Self>, file: &dyn File) {
        let mut registration = self.registration.lock();
        if registration.is_none()
            && let Some(queue) = file.wait_queue()
        {
            let observer: Arc<dyn Observer> = self.clone();
            *registration = Some(queue.register(&observer, 0));
        }
    }

    /// Stops hearing of it.
    pub(crate) fn stop(&self, file: &dyn File) {
        if let (Some(registration), Some(queue)) = (self.registration.lock().take(), file.wait_queue()) {
            queue.unregister(&registration);
        }
    }
}

impl Observer for SignalDriven {
    fn notify(&self, _key: u64) {
        let Some(file) = self.file.upgrade() else { return };
        let ready = file.readiness();
        let target = self.target();
        if !ready.is_empty() && target.owner != SignalOwner::Nobody {
            self.sender.send(&target, ready);
        }
    }
}
