//! The signals of files that are ready.

use abi::general::{POLL_ERR, POLL_HUP, POLL_IN, POLL_OUT, POLL_PRI, SI_SIGIO};
use alloc::sync::Arc;
use alloc::vec::Vec;
use file::{Readiness, SignalOwner, SignalSender, SignalTarget};

use super::{Process, Thread, family};
use crate::signal::{Info, Signal};

/// Sends them.
pub struct FileSignals;

/// What a signal says, by what the file is ready for: `si_code`, and what `si_band` says for it.
const REASONS: [(Readiness, u32, Readiness); 5] = [
    (Readiness::HUP, POLL_HUP, Readiness::HUP.union(Readiness::ERR)),
    (Readiness::ERR, POLL_ERR, Readiness::ERR),
    (Readiness::IN, POLL_IN, Readiness::IN.union(Readiness::RDNORM)),
    (Readiness::PRI, POLL_PRI, Readiness::PRI.union(Readiness::RDBAND)),
    (
        Readiness::OUT,
        POLL_OUT,
        Readiness::OUT.union(Readiness::WRNORM).union(Readiness::WRBAND),
    ),
];

impl SignalSender for FileSignals {
    fn send(&self, target: &SignalTarget, ready: Readiness) {
        let Some((_, code, band)) = REASONS.into_iter().find(|(reason, ..)| ready.intersects(*reason)) else {
            return;
        };
        for receiver in receivers(target.owner) {
            if !receiver.allows(target) {
                continue;
            }
            let chosen = Signal::new(target.signal).is_ok_and(|signal| {
                // Where other causes have codes of the same numbers, the code tells that this is none of them.
                let own_codes = signal.is_synchronous() || matches!(signal, Signal::CHLD);
                let code = if own_codes { SI_SIGIO } else { code as i32 };
                let fields = [u64::from(band.bits()), u64::from(target.descriptor as u32)];
                receiver.send(signal, Info::new(signal, code, &fields))
            });
            // Also where too many of the chosen one wait.
            if !chosen {
                receiver.send(Signal::IO, Info::kernel(Signal::IO));
            }
        }
    }
}

enum Receiver {
    Thread(Arc<Thread>),
    Process(Arc<Process>),
}

impl Receiver {
    fn send(&self, signal: Signal, info: Info) -> bool {
        match self {
            Self::Thread(thread) => thread.send(signal, info),
            Self::Process(process) => process.send(signal, info),
        }
    }

    /// Whether who said that it be told may send it signals.
    fn allows(&self, target: &SignalTarget) -> bool {
        let process = match self {
            Self::Thread(thread) => &thread.process,
            Self::Process(process) => process,
        };
        let theirs = process.with_credentials(|own| [own.uid, own.suid]);
        target.euid == 0 || theirs.contains(&target.euid) || theirs.contains(&target.uid)
    }
}

/// Whether there is anybody whom an owner stands for.
pub fn has_receivers(owner: SignalOwner) -> bool {
    !receivers(owner).is_empty()
}

fn receivers(owner: SignalOwner) -> Vec<Receiver> {
    match owner {
        SignalOwner::Nobody => Vec::new(),
        SignalOwner::Thread(tid) => family::find_thread(tid).into_iter().map(Receiver::Thread).collect(),
        SignalOwner::Process(pid) => family::find(pid).into_iter().map(Receiver::Process).collect(),
        SignalOwner::Group(group) => family::members(group).into_iter().map(Receiver::Process).collect(),
    }
}
