//! The network of the guest, for the calls on sockets.

use alloc::sync::Arc;

use hal::sync::SpinLock;
use net::{Configuration, Environment, Event, Stack, UnixNamespace};

/// The one network.
pub struct Network {
    /// Its stack.
    pub stack: Arc<Stack>,
    /// The names of Unix sockets that are not files.
    pub unix: Arc<UnixNamespace>,
}

static NETWORK: SpinLock<Option<Arc<Network>>> = SpinLock::new(None);

/// The network. There is one from start-up on, if only with a loopback interface.
pub fn get() -> Arc<Network> {
    let mut slot = NETWORK.lock();
    let make = || {
        Arc::new(Network {
            stack: Stack::new(Arc::new(Kernel), None, Configuration::default()),
            unix: UnixNamespace::new(),
        })
    };
    slot.get_or_insert_with(make).clone()
}

/// The kernel as the stack sees it.
struct Kernel;

impl Environment for Kernel {
    fn now(&self) -> u64 {
        hal::time::monotonic()
    }

    fn random(&self, bytes: &mut [u8]) {
        hal::random::fill(bytes);
    }

    fn event(&self, _event: Event<'_>) {}
}
