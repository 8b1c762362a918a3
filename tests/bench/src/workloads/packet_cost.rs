//! Measures the cost of a packet from the client's interface to the server's.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{
    ends::on_client_cpu,
    generator::{Generator, count_arrivals, send_all},
    publish::{self, Publication},
};
use crate::{network::Network, statistics::as_f64, tracking::ensure_capacity};

/// Nanoseconds per packet; several flows send one packet each in turn.
pub(super) fn cost(network: &Network, flows: u32, window: Duration) -> Result<Vec<f64>> {
    ensure_capacity(network, flows.into())?;
    let mut generator = Generator::new(network)?;
    // The first packet of each flow is not measured.
    send_all(network, &mut generator, 0..flows)?.ensure_complete()?;
    let mut next = (0..flows).cycle();
    let done = count_arrivals(network, || {
        let begin = Instant::now();
        let mut sent = 0;
        while begin.elapsed() < window {
            sent += generator.send(&mut next)?;
        }
        Ok(sent)
    })?;
    let done = done.ensure_complete()?;
    Ok(vec![done.seconds * 1e9 / as_f64(done.arrived)])
}

/// The costs of a packet of a known flow, and of the first packet of a new one, with `ports`
/// published ports.
pub(super) fn cost_with_published_ports(
    network: &Network,
    ports: u16,
    window: Duration,
) -> Result<Vec<f64>> {
    const NEW: u32 = 10_000;
    publish::publish(network, ports, Publication::RulePerPort)?;
    let measured = on_client_cpu(|| {
        let mut figures = cost(network, 1, window)?;
        let mut generator = Generator::new(network)?;
        let new = send_all(network, &mut generator, 1..NEW)?.ensure_complete()?;
        figures.push(new.seconds * 1e9 / as_f64(new.arrived));
        Ok(figures)
    });
    let withdrawn = publish::withdraw(network, ports, Publication::RulePerPort);
    // The first error is the cause.
    let figures = measured?;
    withdrawn?;
    Ok(figures)
}
