//! Waits for changes of links.

use std::{io, os::fd::AsFd as _, time::Instant};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::error::NetError;

/// `RTMGRP_LINK` of linux/rtnetlink.h: links that are added, changed or deleted, and the states of
/// bridge ports.
const LINKS: u32 = 1;

/// Bytes of each message that are read. Its content is not looked at.
const READ: usize = 16;

/// The changes of links in one or several namespaces, from the moment when this was opened.
#[derive(Debug)]
pub struct LinkEvents(Vec<Socket>);

impl LinkEvents {
    /// Subscribes in the calling thread's namespace. Whoever waits for a state of a link does so
    /// before the first look at it: then no later change is missed.
    ///
    /// # Errors
    /// When the process runs out of files or memory.
    pub fn open() -> Result<Self, NetError> {
        Self::subscribe().map_err(|error| NetError::refused("watch the interfaces", error))
    }

    fn subscribe() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.set_non_blocking(true)?;
        socket.bind(&SocketAddr::new(0, LINKS))?;
        Ok(Self(vec![socket]))
    }

    /// These changes and those of another namespace.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Waits for a change since the last call. Returns false if there was none until the deadline.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn wait(&self, deadline: Instant) -> Result<bool, NetError> {
        self.next(deadline).map_err(|error| NetError::refused("watch the interfaces", error))
    }

    fn next(&self, deadline: Instant) -> io::Result<bool> {
        while !self.take_all()? {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            // Rounded up, so that the last round does not spin.
            let left = PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX);
            let mut sockets: Vec<_> = self
                .0
                .iter()
                .map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN))
                .collect();
            match poll(&mut sockets, left) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    /// Takes all messages, and returns whether there was one.
    fn take_all(&self) -> io::Result<bool> {
        let mut any = false;
        for socket in &self.0 {
            loop {
                let received = socket.recv(&mut Vec::with_capacity(READ), 0);
                match received.map_err(|error| (error.raw_os_error(), error)) {
                    // Without room, the kernel has dropped messages.
                    Ok(_) | Err((Some(libc::ENOBUFS), _)) => any = true,
                    Err((Some(libc::EINTR), _)) => {}
                    Err((Some(libc::EAGAIN), _)) => break,
                    Err((_, error)) => return Err(error),
                }
            }
        }
        Ok(any)
    }
}
