//! What a table of connections takes: new ones while many live, how many there can be at a time,
//! the memory of each, and how fast all of them go (RFC 9693 measures stateful NAT by these).

use std::time::Duration;

use anyhow::{Result, ensure};

use super::generator::{Generator, send_all};
use crate::{
    places::Place,
    statistics::as_f64,
    tracking::{Forgotten, Memory, capacity, forget, has_room, holds},
};

/// So many new ones at a time, of so many that live: they are not to grow much meanwhile.
fn batch(live: u32) -> u32 {
    (live / 10).max(5_000)
}

/// How many are made to live within one sample, over and over: it is what takes the time.
pub(super) const FILLED: u32 = 200_000;

/// New flows a second while so many live.
pub(super) fn new_flows(place: &Place, live: u32, window: Duration) -> Result<Vec<f64>> {
    has_room(place, u64::from(live + batch(live)))?;
    let mut generator = Generator::new(place)?;
    let mut arrived = 0;
    let mut seconds = 0.0;
    for repetition in 0..(FILLED / live).clamp(1, 10) {
        if repetition > 0 {
            forget(place)?;
        }
        send_all(place, &mut generator, 0..live)?.complete()?;
        holds(place, live.into())?;
        let new = send_all(place, &mut generator, live..live + batch(live))?.complete()?;
        arrived += new.arrived;
        seconds += new.seconds;
        if seconds > window.as_secs_f64() / 8.0 {
            break;
        }
    }
    Ok(vec![as_f64(arrived) / seconds])
}

/// How many flows a table holds, the memory of each in bytes, and how many go in a second when
/// it is emptied.
pub(super) fn table(place: &Place) -> Result<Vec<f64>> {
    let most = u32::try_from(capacity(place)?)?;
    let mut generator = Generator::new(place)?;
    let memory = Memory::of_empty(place)?;
    // More than there is room for: what is not let in does not arrive, or takes the place of
    // another.
    send_all(place, &mut generator, 0..most + most / 20)?;
    let bytes = memory.taken(place)?;
    let Forgotten { flows, time } = forget(place)?;
    ensure!(flows > 0, "the table is empty");
    let flows = as_f64(flows);
    Ok(vec![flows, as_f64(bytes) / flows, flows / time.as_secs_f64()])
}
