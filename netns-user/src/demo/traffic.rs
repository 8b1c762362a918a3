//! A little traffic for the live view after the checks.

use std::{
    net::SocketAddrV4,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use super::{probe, roles::Roles};

const INTERVAL: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_millis(500);

/// Pings from inside and gets pages from outside until the sender of `stop` is dropped.
pub fn trickle(roles: &Roles, stop: &Receiver<()>) {
    let page = SocketAddrV4::new(roles.host_address, roles.port);
    while stop.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        // Errors are ignored: the view then shows no traffic.
        for destination in roles.destinations() {
            let _ = roles.client.netns().run(|| probe::ping(destination, PATIENCE));
        }
        let _ = roles.outside.netns().run(|| probe::get(page, PATIENCE));
    }
}
