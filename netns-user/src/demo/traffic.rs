//! A little traffic, so that the live view after the checks has something to show.

use std::{
    net::SocketAddrV4,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use super::{probe, roles::Roles};

const INTERVAL: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_millis(500);

/// Pings outwards and gets pages inwards until the sender of `stop` is gone.
pub fn trickle(roles: &Roles, stop: &Receiver<()>) {
    let page = SocketAddrV4::new(roles.host_address, roles.port);
    while stop.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        // What fails here shows in the view as traffic that is missing.
        for destination in roles.destinations() {
            let _ = roles.client.netns().run(|| probe::ping(destination, PATIENCE));
        }
        let _ = roles.outside.netns().run(|| probe::get(page, PATIENCE));
    }
}
