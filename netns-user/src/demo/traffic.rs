//! A little traffic for the live view after the checks.

use std::{
    net::SocketAddrV4,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use super::{cast::Cast, probe, stage::Stage};

const INTERVAL: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_millis(500);

/// Pings from inside and gets pages from outside until the sender of `stop` is dropped.
pub fn trickle(stage: &Stage<'_>, cast: &Cast, stop: &Receiver<()>) {
    let page = SocketAddrV4::new(cast.host_address, cast.port);
    while stop.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        // Errors are ignored: the view then shows no traffic.
        for destination in cast.destinations() {
            let _ = stage.within(&cast.client.place(), || probe::ping(destination, PATIENCE));
        }
        let _ = stage.within(&cast.outside.place(), || probe::get(page, PATIENCE));
    }
}
