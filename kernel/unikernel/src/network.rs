//! The guest's network, for the calls on sockets.

use abi::Errno;
use alloc::sync::Arc;
use hal::sync::SpinLock;
use net::{Stack, UnixNamespace};

/// What sockets are made in.
#[derive(Clone)]
pub struct Network {
    /// The protocols.
    pub stack: Arc<Stack>,
    /// Names of Unix sockets outside the file system.
    pub names: Arc<UnixNamespace>,
}

static NETWORK: SpinLock<Option<Network>> = SpinLock::new(None);

/// Makes sockets possible.
pub fn install(stack: Arc<Stack>) {
    *NETWORK.lock() = Some(Network {
        stack,
        names: UnixNamespace::new(),
    });
}

/// The network; `EAFNOSUPPORT` before there is one.
pub fn get() -> Result<Network, Errno> {
    NETWORK.lock().clone().ok_or(Errno::AFNOSUPPORT)
}
