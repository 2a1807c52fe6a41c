//! Messages (MSI-X). Those of completion queues mask themselves when they are sent, until the driver unmasks them; that of the admin
//! completion queue and the events has a mask of its own, and counts as masked until the driver has written it.

use super::faults::Defect;
use super::state::State;

/// The message of the admin completion queue and the events.
pub(super) const MANAGEMENT: u16 = 0;

impl State {
    /// Something happened that this message tells.
    pub(super) fn cause(&mut self, vector: u16) {
        if let Some(vector) = self.vectors.get_mut(usize::from(vector)) {
            vector.has_cause = true;
        }
        self.send(vector);
    }

    /// Opens or closes a message.
    pub(super) fn set_open(&mut self, vector: u16, is_open: bool) {
        if let Some(vector) = self.vectors.get_mut(usize::from(vector)) {
            vector.is_open = is_open;
        }
        self.send(vector);
    }

    fn send(&mut self, number: u16) {
        let is_lost = self.faults.has(Defect::LostInterrupts);
        if let Some(vector) = self.vectors.get_mut(usize::from(number)) {
            vector.send(number == MANAGEMENT, is_lost);
        }
    }
}
