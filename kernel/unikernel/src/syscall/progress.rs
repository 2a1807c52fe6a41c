//! What a call comes to before anything is waited for. Most calls end there, without a future.

use super::Result;
use super::transfer::Transfer;
use crate::futex::Place;

/// What a call has come to.
pub enum Progress<'a> {
    /// Its end.
    Over(Result),
    /// A transfer that goes on.
    Transfer(Transfer),
    /// A place in the queue of a futex, to [`stay`](super::stay) there.
    Futex(Place<'a>),
    /// Nothing: [`dispatch`](super::dispatch) serves it.
    Waits,
    /// Nothing, for memory is short: [`dispatch`](super::dispatch) serves it if there is enough after a [wait](super::wait_for_memory).
    Delayed,
}

impl Progress<'_> {
    /// The end of a call that may have come to one at once; else nothing has happened yet.
    pub(super) fn at_once(result: Option<Result>) -> Self {
        result.map_or(Self::Waits, Self::Over)
    }
}
