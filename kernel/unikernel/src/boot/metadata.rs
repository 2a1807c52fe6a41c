//! The way to a metadata service, over the guest's own network.

use alloc::sync::Arc;
use core::net::Ipv4Addr;

use abi::Errno;
use abi::net::AF_INET;
use file::{BytesSink, BytesSource, Error, File};
use instance::{Stream, Transport, Trouble};
use net::{Address, Destination, Message, MessageFlags, SocketFile};

use crate::network::{self, Network};

/// Where every cloud has its service.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
const PORT: u16 = 80;
/// `SOCK_STREAM`.
const STREAM: u32 = 1;

/// The guest's network, on which the service is.
pub(super) struct Link(Arc<Network>);

impl Link {
    pub(super) fn new() -> Self {
        Self(network::get())
    }
}

impl Transport for Link {
    type Stream = Connection;

    fn now(&self) -> u64 {
        hal::time::monotonic()
    }

    async fn sleep_until(&self, time: u64) {
        task::sleep_until(time).await;
    }

    async fn connect(&self, deadline: u64) -> Result<Connection, Trouble> {
        task::until(Some(deadline), self.0.configured())
            .await
            .ok_or(Trouble::TimedOut)?;
        let socket =
            SocketFile::new(&self.0.stack, &self.0.unix, AF_INET, STREAM, 0).map_err(|_| Trouble::Unreachable)?;
        let connection = Connection { socket, deadline };
        let destination = Destination::Address(Address::Inet(ADDRESS, PORT));
        match connection.socket.connect(&destination) {
            Ok(()) => {}
            Err(Error::Errno(Errno::INPROGRESS)) => connection.finish(|| connection.socket.connected()).await?,
            Err(_) => return Err(Trouble::Unreachable),
        }
        Ok(connection)
    }
}

/// A connection to the service.
pub(super) struct Connection {
    socket: Arc<SocketFile>,
    deadline: u64,
}

impl Connection {
    /// Repeats an operation until it need not wait any more, or the time is over.
    async fn finish<T>(&self, mut operation: impl FnMut() -> file::Result<T>) -> Result<T, Trouble> {
        let queue = self.socket.wait_queue().ok_or(Trouble::Unreachable)?;
        loop {
            let ticket = queue.ticket();
            // Whoever sends all the time never lets anybody wait.
            if hal::time::monotonic() >= self.deadline {
                return Err(Trouble::TimedOut);
            }
            match operation() {
                Ok(value) => return Ok(value),
                Err(Error::WouldBlock) => task::until(Some(self.deadline), queue.wait(ticket))
                    .await
                    .ok_or(Trouble::TimedOut)?,
                Err(Error::Errno(Errno::TIMEDOUT)) => return Err(Trouble::TimedOut),
                Err(_) => return Err(Trouble::Unreachable),
            }
        }
    }
}

impl Stream for Connection {
    async fn send(&mut self, mut bytes: &[u8]) -> Result<(), Trouble> {
        while !bytes.is_empty() {
            let count = self
                .finish(|| self.socket.send(&mut BytesSource::new(bytes), &Message::default()))
                .await?;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    async fn receive(&mut self, into: &mut [u8]) -> Result<usize, Trouble> {
        let received = self
            .finish(|| self.socket.receive(&mut BytesSink::new(into), MessageFlags::empty()))
            .await?;
        Ok(received.length)
    }
}
