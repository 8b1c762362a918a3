//! What the way of a packet costs, from the client's interface to the server's.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::generator::{Generator, counted, send_all};
use crate::{places::Place, statistics::as_f64};

/// Nanoseconds a packet; of several flows each has one in turn.
pub(super) fn cost(place: &Place, flows: u32, window: Duration) -> Result<Vec<f64>> {
    let mut generator = Generator::new(place)?;
    // What a flow's first packet costs is none of it.
    send_all(place, &mut generator, 0..flows)?.complete()?;
    let mut next = (0..flows).cycle();
    let done = counted(place, || {
        let begin = Instant::now();
        let mut sent = 0;
        while begin.elapsed() < window {
            sent += generator.send(&mut next)?;
        }
        Ok(sent)
    })?;
    let done = done.complete()?;
    Ok(vec![done.seconds * 1e9 / as_f64(done.arrived)])
}
