//! The connection table: the rate of new flows while many live, its capacity, the memory of each
//! flow, and how fast a flush is (RFC 9693 measures stateful NAT by these).

use std::time::Duration;

use anyhow::{Result, ensure};

use super::generator::{Generator, send_all};
use crate::{
    network::Network,
    statistics::as_f64,
    tracking::{Flushed, Memory, capacity, ensure_all_live, ensure_capacity, flush},
};

/// How many new flows to start while `live` flows exist: few, so that the table hardly grows.
fn batch(live: u32) -> u32 {
    (live / 10).max(5_000)
}

/// How many flows one sample creates in all for tables that it fills several times: most of the
/// time goes into that.
pub(super) const FILLED: u32 = 200_000;

/// New flows per second while `live` flows exist.
pub(super) fn new_flows(network: &Network, live: u32, window: Duration) -> Result<Vec<f64>> {
    ensure_capacity(network, u64::from(live + batch(live)))?;
    let mut generator = Generator::new(network)?;
    let mut arrived = 0;
    let mut seconds = 0.0;
    for repetition in 0..(FILLED / live).clamp(1, 10) {
        if repetition > 0 {
            flush(network)?;
        }
        send_all(network, &mut generator, 0..live)?.ensure_complete()?;
        ensure_all_live(network, live.into())?;
        let new = send_all(network, &mut generator, live..live + batch(live))?.ensure_complete()?;
        arrived += new.arrived;
        seconds += new.seconds;
        if seconds > window.as_secs_f64() / 8.0 {
            break;
        }
    }
    Ok(vec![as_f64(arrived) / seconds])
}

/// How many flows the table holds, the bytes of each, and how many flows per second a flush
/// removes.
pub(super) fn table(network: &Network) -> Result<Vec<f64>> {
    let most = u32::try_from(capacity(network)?)?;
    let mut generator = Generator::new(network)?;
    let memory = Memory::baseline(network)?;
    // More than the table holds: a flow that finds no room is refused or replaces another.
    send_all(network, &mut generator, 0..most + most / 20)?;
    let bytes = memory.growth(network)?;
    let Flushed { flows, time } = flush(network)?;
    ensure!(flows > 0, "the table is empty");
    let flows = as_f64(flows);
    Ok(vec![flows, as_f64(bytes) / flows, flows / time.as_secs_f64()])
}
