//! A netlink connection to one network namespace.

use rtnetlink::{Handle, new_connection_with_socket};
use tokio::runtime::{Builder, Runtime};

use super::{error::NetError, netns, route_socket::RouteSocket};

/// A connection to the namespace of the thread that opened it. It can be used from any thread.
///
/// Its methods block, so they must not be called from asynchronous code.
#[derive(Debug)]
pub struct Netlink {
    runtime: Runtime,
    handle: Handle,
}

impl Netlink {
    /// Connects to the calling thread's namespace.
    ///
    /// # Errors
    /// When the process runs out of files or memory.
    pub fn open() -> Result<Self, NetError> {
        let action = || "open a netlink socket".to_owned();
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| NetError::refused(action(), error))?;
        let guard = runtime.enter();
        let (connection, handle, _) = new_connection_with_socket::<RouteSocket>()
            .map_err(|error| NetError::refused(action(), error))?;
        drop(guard);
        runtime.spawn(connection);
        Ok(Self { runtime, handle })
    }

    /// Connects to the namespace `name`.
    ///
    /// # Errors
    /// As [`netns::run_in`] and [`Netlink::open`].
    pub fn open_in(name: &str) -> Result<Self, NetError> {
        netns::run_in(name, Self::open)?
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Waits for the answer to a request; `action` names the request in an error.
    pub(super) fn wait<T>(
        &self,
        request: impl Future<Output = Result<T, rtnetlink::Error>>,
        action: impl FnOnce() -> String,
    ) -> Result<T, NetError> {
        self.runtime.block_on(request).map_err(|error| match error {
            rtnetlink::Error::NetlinkError(message) => NetError::refused(action(), message.to_io()),
            other => NetError::Protocol { action: action(), answer: other.to_string() },
        })
    }
}
