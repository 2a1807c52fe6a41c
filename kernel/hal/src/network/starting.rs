//! What starting a card takes, whoever makes it.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt::Display;

use super::Card;
use crate::bus::{Function, Messages};
use crate::console;
use crate::sync::SpinLock;

/// Starts a card of a kind with `begin`, which is given its name. `None` when it does not work, and a line on the console says so.
pub(crate) fn start<E: Display>(
    kind: &str,
    function: Function,
    begin: impl FnOnce(&str, Function) -> Result<Arc<dyn Card>, E>,
) -> Option<Arc<dyn Card>> {
    let name: String = alloc::format!("{kind} {function}");
    match begin(&name, function) {
        Ok(card) => Some(card),
        Err(failure) => {
            console::write_line(format_args!("network card {name} {failure}; it is left out"));
            None
        }
    }
}

/// The message interrupts of a card that is made after them; until it is there, they are nobody's.
pub(crate) struct Handlers<C> {
    messages: Messages,
    card: Arc<SpinLock<Option<Arc<C>>>>,
}

impl<C: Send + Sync + 'static> Handlers<C> {
    pub(crate) fn of(function: Function) -> Result<Self, &'static str> {
        Ok(Self {
            messages: Messages::of(function).ok_or("has no message interrupts")?,
            card: Arc::new(SpinLock::new(None)),
        })
    }

    /// Lets the next message call `handle`; returns its number.
    pub(crate) fn add(&mut self, handle: fn(&C)) -> Result<u16, &'static str> {
        let card = self.card.clone();
        let handler = move || {
            let card = card.lock().clone();
            if let Some(card) = card {
                handle(&card);
            }
        };
        self.messages.add(Arc::new(handler)).ok_or("finds too few interrupts")
    }

    /// The card is there.
    pub(crate) fn serve(&self, card: Arc<C>) {
        *self.card.lock() = Some(card);
    }
}
