//! What the way of a packet costs, from the client's interface to the server's.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{
    Manner,
    generator::{Generator, counted, send_all},
    publish,
};
use crate::{places::Place, statistics::as_f64, tracking::has_room};

/// Nanoseconds a packet; of several flows each has one in turn.
pub(super) fn cost(place: &Place, flows: u32, window: Duration) -> Result<Vec<f64>> {
    has_room(place, flows.into())?;
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

/// What a packet of a flow that is there costs while so many ports are published, and the first
/// one of another flow.
pub(super) fn cost_beside(place: &Place, ports: u16, window: Duration) -> Result<Vec<f64>> {
    const NEW: u32 = 10_000;
    publish::publish(place, ports, Manner::Singly)?;
    let measured = super::on_client_cpu(|| {
        let mut figures = cost(place, 1, window)?;
        let mut generator = Generator::new(place)?;
        let new = send_all(place, &mut generator, 1..NEW)?.complete()?;
        figures.push(new.seconds * 1e9 / as_f64(new.arrived));
        Ok(figures)
    });
    let withdrawn = publish::withdraw(place, ports, Manner::Singly);
    // What went wrong first tells why.
    let figures = measured?;
    withdrawn?;
    Ok(figures)
}
