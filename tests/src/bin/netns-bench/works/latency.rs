//! How long an answer takes while others load the way.

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
    CLIENT, Ends, PATIENCE, SERVER,
    generator::{Generator, arrived, settled},
    joined,
};
use crate::{cpu::pin, places::Place, statistics::as_f64};

/// The load: 64 packets every 500 µs are 128,000 a second, which every mode can carry. They come
/// in bursts, as from a link, and are the same in every mode.
const BURST: u32 = 64;
const PERIOD_NS: i64 = 500_000;

/// A request each so often, whatever becomes of those before: if only one followed the answer to
/// another, a way that is faster would be asked more often between bursts. No divisor of the period, so that
/// requests meet bursts at every distance.
const INTERVAL_NS: i64 = 110_000;

/// Percentiles of the time that an answer takes, in microseconds: 50, 99 and 99.9; and the load that
/// has arrived, in packets a second.
pub(super) fn under_load(place: &Place, window: Duration) -> Result<Vec<f64>> {
    let server = enter(Some(&place.server), || UdpSocket::bind(("0.0.0.0", place.port)))?;
    let client = enter(Some(&place.client), || UdpSocket::bind("0.0.0.0:0"))?;
    client.connect((place.address, place.port))?;
    client.set_read_timeout(Some(PATIENCE))?;
    server.set_read_timeout(Some(Duration::from_millis(20)))?;
    let over = &AtomicBool::new(false);
    let before = arrived(place)?;
    let (loaded, begins) = mpsc::channel();
    let (times, load) = thread::scope(|scope| {
        let server = scope.spawn(|| answer(&server, over));
        // Its end of the channel goes with it.
        let load = scope.spawn(move || load(place, &loaded, over));
        let ends = Ends(over);
        // The load's own error tells why there is none.
        let begun = begins.recv().context("there is no load");
        let times = begun.and_then(|()| joined(scope.spawn(|| ask(&client, window))));
        drop(ends);
        let load = joined(load)?;
        joined(server)?;
        anyhow::Ok((times?, load))
    })?;
    // Every request was answered, and so has arrived as well, with the first, whose time is not taken.
    let (sent, seconds) = load;
    let came = (settled(place)? - before).saturating_sub(times.len() + 1);
    ensure!(came * 100 >= sent * 99, "{came} of {sent} packets of the load arrived");
    let at = |quantile| as_f64(times.value_at_quantile(quantile)) / 1e3;
    Ok(vec![at(0.5), at(0.99), at(0.999), as_f64(came.min(sent)) / seconds])
}

/// Sends bursts until it is over, and returns how many packets those were and in how many seconds.
fn load(place: &Place, loaded: &mpsc::Sender<()>, over: &AtomicBool) -> Result<(u64, f64)> {
    pin(CLIENT)?;
    set_timerslack(1)?;
    let mut generator = Generator::new(place)?;
    let begin = Instant::now();
    let mut next = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    let mut sent = generator.send(&mut (0..BURST).map(|_| 0))?;
    // Nobody hears it when the client has failed, which then says why.
    let _ = loaded.send(());
    while !over.load(Ordering::Relaxed) {
        sent += generator.send(&mut (0..BURST).map(|_| 0))?;
        next = next + TimeSpec::nanoseconds(PERIOD_NS);
        sleep_until(&next);
    }
    Ok((sent, begin.elapsed().as_secs_f64()))
}

/// Of the monotonic clock. Interrupted, what follows only begins early.
fn sleep_until(time: &TimeSpec) {
    let (clock, flags) = (ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::TIMER_ABSTIME);
    let _ = clock_nanosleep(clock, flags, time);
}

/// Asks at fixed times, and takes how long after each its answer came: also what was late because the
/// answer before was.
fn ask(client: &UdpSocket, window: Duration) -> Result<Histogram<u64>> {
    pin(CLIENT)?;
    // Sleeps end when they are to, not up to 50 µs later.
    set_timerslack(1)?;
    let mut times = Histogram::new(3)?;
    let mut buffer = [0; 64];
    let mut transact = || {
        client.send(&[0; 18])?;
        client.recv(&mut buffer).context("no answer")
    };
    // The first makes a flow and finds neighbours.
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
