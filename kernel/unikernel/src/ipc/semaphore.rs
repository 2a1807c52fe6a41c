//! Sets of semaphores.

use abi::Errno;
use alloc::sync::Arc;
use alloc::vec::Vec;
use litemap::LiteMap;

use hal::sync::SpinLock;
use task::WaitQueue;

use super::now;
use super::permissions::{PRIVATE, Permissions};
use super::registry::{Object, Registry};

/// The highest value (`SEMVMX`).
pub const VALUE_MAX: i32 = 32767;
/// Sets that there may be (`SEMMNI`).
pub const SETS_MAX: usize = 32000;

/// Every set.
pub static SETS: Registry<SemaphoreSet> = Registry::new(SETS_MAX);

/// What is done to one semaphore of a set.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// Which.
    pub number: u16,
    /// What is added, or 0 to wait until its value is 0.
    pub change: i16,
    /// Fails instead of waiting (`IPC_NOWAIT`).
    pub nonblocking: bool,
    /// Is taken back at the end of the process (`SEM_UNDO`).
    pub undone: bool,
}

/// A semaphore.
#[derive(Clone, Copy, Debug, Default)]
pub struct Semaphore {
    /// Its value, at most [`VALUE_MAX`].
    pub value: i32,
    /// The process that changed it last.
    pub last: i32,
    /// How many wait for it to grow.
    pub growth_waiters: u32,
    /// How many wait for it to be 0.
    pub zero_waiters: u32,
}

/// What changes of a set.
pub struct State {
    /// Who may do what.
    pub permissions: Permissions,
    /// Whether it was removed.
    pub removed: bool,
    /// The semaphores.
    pub semaphores: Vec<Semaphore>,
    /// When the last operation was done, in seconds since 1970; 0 for never.
    pub operated: u64,
    /// When a value was set or its owner changed last.
    pub changed: u64,
    /// What is added when a process ends, by process and semaphore.
    undo: LiteMap<(i32, u16), i32>,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// All operations are done.
    Done,
    /// This one has to wait, and nothing is done.
    Waits(usize),
}

/// A set of semaphores.
pub struct SemaphoreSet {
    /// Its identifier.
    pub id: i32,
    state: SpinLock<State>,
    /// Notified when a value changes, and at the end.
    pub changed: WaitQueue,
}

impl Object for SemaphoreSet {
    fn key(&self) -> i32 {
        self.state.lock().permissions.key
    }
}

impl State {
    /// Does all operations or none.
    fn attempt(&mut self, operations: &[Operation], process: i32) -> Result<Step, Errno> {
        let mut done = 0;
        let result = loop {
            let Some(&operation) = operations.get(done) else {
                break self.check_undo(operations, process).map(|()| Step::Done);
            };
            match self.change_value(operation) {
                Ok(true) => done += 1,
                Ok(false) => break Ok(Step::Waits(done)),
                Err(errno) => break Err(errno),
            }
        };
        if result != Ok(Step::Done) {
            for operation in &operations[..done] {
                self.semaphores[usize::from(operation.number)].value -= i32::from(operation.change);
            }
            return result;
        }
        for operation in operations {
            self.semaphores[usize::from(operation.number)].last = process;
            if operation.undone {
                *self.undo.entry((process, operation.number)).or_default() -= i32::from(operation.change);
            }
        }
        self.operated = now();
        result
    }

    /// Does one operation; false when it has to wait.
    fn change_value(&mut self, operation: Operation) -> Result<bool, Errno> {
        let semaphore = self.semaphores.get_mut(usize::from(operation.number));
        let value = &mut semaphore.ok_or(Errno::FBIG)?.value;
        let next = *value + i32::from(operation.change);
        if operation.change == 0 && *value != 0 || next < 0 {
            return Ok(false);
        }
        if next > VALUE_MAX {
            return Err(Errno::RANGE);
        }
        *value = next;
        Ok(true)
    }

    /// `ERANGE` when a process would have more to take back than a value can be.
    fn check_undo(&self, operations: &[Operation], process: i32) -> Result<(), Errno> {
        let is_too_much = |operation: &Operation| {
            let owed = self.undo.get(&(process, operation.number)).copied().unwrap_or(0) - i32::from(operation.change);
            operation.undone && owed.abs() > VALUE_MAX
        };
        if operations.iter().any(is_too_much) {
            return Err(Errno::RANGE);
        }
        Ok(())
    }

    /// Sets a semaphore's value, after which nobody has anything to take back.
    pub fn set_value(&mut self, number: u16, value: i32, process: i32) {
        let semaphore = &mut self.semaphores[usize::from(number)];
        (semaphore.value, semaphore.last) = (value, process);
        self.undo.retain(|&(_, other), _| other != number);
        self.changed = now();
    }
}

impl SemaphoreSet {
    /// A new set of `count`, all 0.
    pub fn new(id: i32, permissions: Permissions, count: usize) -> Self {
        let state = State {
            permissions,
            removed: false,
            semaphores: alloc::vec![Semaphore::default(); count],
            operated: 0,
            changed: now(),
            undo: LiteMap::new(),
        };
        Self {
            id,
            state: SpinLock::new(state),
            changed: WaitQueue::new(),
        }
    }

    /// Looks at it or changes it. Who changes a value notifies [`Self::changed`].
    pub fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock())
    }

    /// Does all operations or none. `EIDRM` when it was removed.
    pub fn attempt(&self, operations: &[Operation], process: i32) -> Result<Step, Errno> {
        let mut state = self.state.lock();
        if state.removed {
            return Err(Errno::IDRM);
        }
        let step = state.attempt(operations, process)?;
        drop(state);
        if step == Step::Done && operations.iter().any(|operation| operation.change != 0) {
            self.changed.notify();
        }
        Ok(step)
    }

    /// Counts somebody who begins (1) or ends (-1) to wait for an operation.
    pub fn count_waiter(&self, operation: Operation, by: i32) {
        let mut state = self.state.lock();
        if let Some(semaphore) = state.semaphores.get_mut(usize::from(operation.number)) {
            let counter = if operation.change == 0 {
                &mut semaphore.zero_waiters
            } else {
                &mut semaphore.growth_waiters
            };
            *counter = counter.saturating_add_signed(by);
        }
    }

    /// Takes it away from all that wait for it.
    pub fn remove(&self) -> Result<(), Errno> {
        SETS.remove(self.id)?;
        self.with(|state| {
            state.removed = true;
            state.permissions.key = PRIVATE;
        });
        self.changed.notify();
        Ok(())
    }
}

/// Takes back what a process that ends has done with `SEM_UNDO`.
pub fn undo(process: i32) {
    let sets: Vec<Arc<SemaphoreSet>> = SETS.lock().values().cloned().collect();
    for set in sets {
        let mut state = set.state.lock();
        let owed: Vec<(u16, i32)> = state
            .undo
            .iter()
            .filter(|((owner, _), _)| *owner == process)
            .map(|(&(_, number), &change)| (number, change))
            .collect();
        for &(number, change) in &owed {
            state.undo.remove(&(process, number));
            let semaphore = &mut state.semaphores[usize::from(number)];
            semaphore.value = (semaphore.value + change).clamp(0, VALUE_MAX);
            semaphore.last = process;
        }
        drop(state);
        if !owed.is_empty() {
            set.changed.notify();
        }
    }
}
