//! Signals: numbers, sets, actions, the queues of pending ones, and their delivery.

mod action;
mod delivery;
mod descriptor;
mod frame;
mod info;
mod queue;
mod set;

pub use action::{Action, ActionFlags, Actions, DefaultAction, Disposition};
pub use delivery::{deliver, of_exception};
pub use descriptor::SignalFd;
pub use frame::{Frame, MINIMUM_STACK, SavedFrame, read_frame, register_words};
pub use info::Info;
pub use queue::Pending;
pub use set::{Signal, SignalSet};
