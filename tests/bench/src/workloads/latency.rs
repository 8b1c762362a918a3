//! The latency of UDP requests while other packets load the same path.

use std::{
    io::ErrorKind,
    net::UdpSocket,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use hdrhistogram::Histogram;
use netns_tests::enter;
use nix::{
    sys::{
        prctl::set_timerslack,
        time::{TimeSpec, TimeValLike as _},
    },
    time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep},
};

use super::{
    ends::{PATIENCE, StopOnDrop, join, on_client_cpu},
    generator::{Generator, arrived, arrived_at_rest},
    packet_cost,
};
use crate::{
    cpu::{CLIENT, SERVER, pin},
    network::Network,
    statistics::as_f64,
};

/// The packets of a burst. The load comes in bursts, as packets from a link do, and is the same in
/// every mode.
const BURST: u32 = 64;

/// The interval of requests. It does not depend on the answers: if each request followed the answer
/// to the last one, a faster mode would get more requests between bursts.
const INTERVAL_NS: i64 = 110_000;

/// How long a mode is measured to find the load.
const TRIAL: Duration = Duration::from_millis(100);

/// The packets per second that the slowest of these networks can carry, divided by two: a load that
/// fills the queue would measure only the length of the queue.
///
/// # Errors
/// When a network carries none.
pub(super) fn half_of_the_slowest<'a>(networks: impl Iterator<Item = &'a Network>) -> Result<f64> {
    let mut slowest: f64 = 0.0;
    for network in networks {
        let cost = on_client_cpu(|| packet_cost::cost(network, 1, TRIAL))?;
        slowest = cost.into_iter().fold(slowest, f64::max);
    }
    ensure!(slowest > 0.0, "no network carries packets");
    Ok(1e9 / slowest / 2.0)
}

/// Percentiles 50, 99 and 99.9 of the time until the answer, in microseconds; and the load that has
/// arrived, in packets per second. `load` is that which is offered.
pub(super) fn under_load(network: &Network, window: Duration, load: f64) -> Result<Vec<f64>> {
    let period = Duration::from_secs_f64(f64::from(BURST) / load);
    let server = enter(Some(&network.server), || UdpSocket::bind(("0.0.0.0", network.port)))?;
    let client = enter(Some(&network.client), || UdpSocket::bind("0.0.0.0:0"))?;
    client.connect((network.server_address, network.port))?;
    client.set_read_timeout(Some(PATIENCE))?;
    server.set_read_timeout(Some(Duration::from_millis(20)))?;
    let over = &AtomicBool::new(false);
    let before = arrived(network)?;
    let (loaded, begins) = mpsc::channel();
    let (times, load) = thread::scope(|scope| {
        let server = scope.spawn(|| answer(&server, over));
        // The thread owns its end of the channel, so the receiver notices when it ends.
        let load = scope.spawn(move || send_load(network, period, &loaded, over));
        let ends = StopOnDrop(over);
        // If the load never begins, the error of its thread is the cause.
        let begun = begins.recv().context("there is no load");
        let times = begun.and_then(|()| join(scope.spawn(|| ask(&client, window))));
        drop(ends);
        let load = join(load)?;
        join(server)?;
        anyhow::Ok((times?, load))
    })?;
    // Every request was answered, so it has arrived as well. The first is not in the histogram.
    let (sent, seconds) = load;
    let load_arrived = (arrived_at_rest(network)? - before).saturating_sub(times.len() + 1);
    ensure!(
        load_arrived * 100 >= sent * 99,
        "{load_arrived} of {sent} packets of the load arrived"
    );
    let at = |quantile| as_f64(times.value_at_quantile(quantile)) / 1e3;
    Ok(vec![at(0.5), at(0.99), at(0.999), as_f64(load_arrived.min(sent)) / seconds])
}

/// Sends a burst in each period until `over` is set. Returns the number of packets and the seconds
/// that it took.
fn send_load(
    network: &Network,
    period: Duration,
    loaded: &mpsc::Sender<()>,
    over: &AtomicBool,
) -> Result<(u64, f64)> {
    pin(CLIENT)?;
    set_timerslack(1)?;
    let mut generator = Generator::new(network)?;
    let begin = Instant::now();
    let mut next = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    let mut sent = generator.send(&mut (0..BURST).map(|_| 0))?;
    // No one receives this if the client has failed; its own error is then the cause.
    let _ = loaded.send(());
    while !over.load(Ordering::Relaxed) {
        sent += generator.send(&mut (0..BURST).map(|_| 0))?;
        next = next + TimeSpec::from_duration(period);
        sleep_until(&next);
    }
    Ok((sent, begin.elapsed().as_secs_f64()))
}

/// Sleeps until a time of the monotonic clock. After a signal the next burst or request only begins
/// early.
fn sleep_until(time: &TimeSpec) {
    let (clock, flags) = (ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::TIMER_ABSTIME);
    let _ = clock_nanosleep(clock, flags, time);
}

/// Sends requests at fixed times and measures from each of those times until its answer. A request
/// that had to wait for the answer before it counts from the time when it was due.
fn ask(client: &UdpSocket, window: Duration) -> Result<Histogram<u64>> {
    pin(CLIENT)?;
    // The default timer slack would end each sleep up to 50 µs late.
    set_timerslack(1)?;
    let mut times = Histogram::new(3)?;
    let mut buffer = [0; 64];
    let mut transact = || {
        client.send(&[0; 18])?;
        client.recv(&mut buffer).context("no answer")
    };
    // The first request resolves neighbours and creates the flow.
    transact()?;
    let begin = Instant::now();
    let mut next = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    while begin.elapsed() < window {
        next = next + TimeSpec::nanoseconds(INTERVAL_NS);
        sleep_until(&next);
        transact()?;
        let took = clock_gettime(ClockId::CLOCK_MONOTONIC)? - next;
        times.record(u64::try_from(took.num_nanoseconds()).unwrap_or_default())?;
    }
    Ok(times)
}

fn answer(server: &UdpSocket, over: &AtomicBool) -> Result<()> {
    pin(SERVER)?;
    let mut buffer = [0; 64];
    while !over.load(Ordering::Relaxed) {
        match server.recv_from(&mut buffer) {
            Ok((length, client)) => {
                server.send_to(&buffer[..length], client)?;
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error).context("cannot receive"),
        }
    }
    Ok(())
}
