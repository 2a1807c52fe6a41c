//! Unix sockets: to come. Until then `AF_UNIX` is refused with `EAFNOSUPPORT`.
#![allow(missing_docs, clippy::pedantic, clippy::new_without_default)]
use crate::socket::*;
use abi::Errno;
use alloc::sync::Arc;
use core::any::Any;
pub struct Namespace;
pub(crate) struct UnixSocket;
impl UnixSocket {
    pub(crate) fn new(_: &Arc<Namespace>, _: SocketType, _: Credentials) -> Result<Self, Errno> {
        Err(Errno::AFNOSUPPORT)
    }
    pub(crate) fn bind_path(&self, _: &[u8]) -> Result<Arc<dyn Any + Send + Sync>, Errno> {
        Err(Errno::INVAL)
    }
    pub(crate) fn unbind_path(&self) {}
}
pub(crate) fn pair(_: &UnixSocket, _: &UnixSocket) {}
impl Socket for UnixSocket {
    fn wait_queue(&self) -> &task::WaitQueue {
        unreachable!()
    }
    fn readiness(&self) -> file::Readiness {
        unreachable!()
    }
    fn bind(&self, _: &Address, _: &Generic) -> Result<(), Errno> {
        Err(Errno::INVAL)
    }
    fn connect(&self, _: &Destination, _: &Generic) -> file::Result<()> {
        Err(Errno::INVAL.into())
    }
    fn send(&self, _: &mut dyn file::Source, _: &Message, _: &Generic) -> file::Result<usize> {
        unreachable!()
    }
    fn receive(&self, _: &mut dyn file::Sink, _: MessageFlags, _: &Generic) -> file::Result<Received> {
        unreachable!()
    }
    fn shutdown(&self, _: Shutdown) -> Result<(), Errno> {
        unreachable!()
    }
    fn local(&self) -> Address {
        unreachable!()
    }
    fn peer(&self) -> Result<Address, Errno> {
        unreachable!()
    }
    fn capacities(&self) -> (usize, usize) {
        (0, 0)
    }
    fn readable(&self) -> usize {
        0
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
impl Namespace {
    pub fn new() -> Arc<Self> {
        Arc::new(Self)
    }
}
