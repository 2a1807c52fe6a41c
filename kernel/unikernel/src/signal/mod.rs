//! Signals: numbers, sets, actions and the queues of pending ones.

mod action;
mod info;
mod queue;
mod set;

pub use action::{Action, ActionFlags, Actions, DefaultAction, Disposition};
pub use info::Info;
pub use queue::Pending;
pub use set::{Signal, SignalSet};
