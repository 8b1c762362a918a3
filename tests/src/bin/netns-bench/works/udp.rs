//! UDP datagrams as fast as they go.

use std::{
    io::{ErrorKind, IoSlice},
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    os::fd::AsRawFd as _,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use netns_tests::enter;
use nix::{
    errno::Errno,
    sys::socket::{
        ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, sendmmsg, setsockopt,
        sockopt::RcvBufForce,
    },
};

use super::{CLIENT, Done, Ends, PATIENCE, SERVER, joined, with_cpu};
use crate::{
    cpu::pin,
    places::Place,
    statistics::as_f64,
    tracking::{has_room, holds},
};

/// With its headers the smallest Ethernet frame.
const PAYLOAD: [u8; 18] = [0; 18];
/// Datagrams a system call.
const BATCH: usize = 64;
/// More than a scheduler's pause lets pile up, in bytes.
const BUFFER: usize = 64 << 20;

/// The flows differ in their destinations, which the server has all of: those above this one.
const FIRST: u32 = u32::from_be_bytes([10, 0, 0, 1]);

/// Packets that arrive in a second, and their CPU time in nanoseconds; of several flows each has one in
/// turn.
pub(super) fn flood(place: &Place, flows: u32, window: Duration) -> Result<Vec<f64>> {
    has_room(place, flows.into())?;
    let server = enter(Some(&place.server), || UdpSocket::bind(("0.0.0.0", place.port)))?;
    let client = enter(Some(&place.client), || UdpSocket::bind("0.0.0.0:0"))?;
    setsockopt(&server, RcvBufForce, &BUFFER)?;
    first_arrives(place, &client, &server)?;
    if flows == 1 {
        client.connect((place.address, place.port))?;
    } else {
        // What a flow's first packet costs is none of it.
        let mut once = 0..flows;
        transfer(&server, || send(&client, place.port, &mut once, Duration::MAX))?;
        holds(place, flows.into())?;
    }
    let mut next = (0..flows).cycle();
    with_cpu(1e9, || transfer(&server, || send(&client, place.port, &mut next, window)))
}

/// What arrives of what is sent, and the time until all is sent and taken: what has piled up in front of
/// the server counts only with the time that it takes.
fn transfer(server: &UdpSocket, send: impl FnOnce() -> Result<u64> + Send) -> Result<Done> {
    let over = AtomicBool::new(false);
    let begin = Instant::now();
    thread::scope(|scope| {
        let received = scope.spawn(|| receive(server, &over));
        let ends = Ends(&over);
        let sent = joined(scope.spawn(|| {
            pin(CLIENT)?;
            Ok((send()?, Instant::now()))
        }));
        drop(ends);
        let (received, last) = joined(received)?;
        let (sent, end) = sent?;
        ensure!(received <= sent, "{received} packets arrived of {sent} that were sent");
        ensure!(received > 0, "none of {sent} packets arrived");
        Ok(Done { units: as_f64(received), seconds: (end.max(last) - begin).as_secs_f64() })
    })
}

/// The first packet finds neighbours and makes a flow; nothing is measured before it is there.
fn first_arrives(place: &Place, client: &UdpSocket, server: &UdpSocket) -> Result<()> {
    server.set_read_timeout(Some(PATIENCE))?;
    client.send_to(&PAYLOAD, (place.address, place.port))?;
    server.recv(&mut [0; 64]).context("no packet arrives")?;
    server.set_read_timeout(Some(Duration::from_millis(20)))?;
    Ok(())
}

/// Sends a packet of each of the next flows until the time is over or there are no more, and returns how
/// many those were. With several flows the socket is not connected.
fn send(
    client: &UdpSocket,
    port: u16,
    flows: &mut impl Iterator<Item = u32>,
    window: Duration,
) -> Result<u64> {
    let payload = [IoSlice::new(&PAYLOAD)];
    let batch = [&payload; BATCH].map(|slices| *slices);
    let is_connected = client.peer_addr().is_ok();
    let mut addresses: [Option<SockaddrIn>; BATCH] = [None; BATCH];
    let nothing: [ControlMessage<'_>; 0] = [];
    let mut headers = MultiHeaders::preallocate(BATCH, None);
    let mut sent = 0;
    let begin = Instant::now();
    while begin.elapsed() < window {
        let mut count = BATCH;
        if !is_connected {
            count = 0;
            for (address, flow) in addresses.iter_mut().zip(&mut *flows) {
                *address = Some(SocketAddrV4::new(Ipv4Addr::from(FIRST + flow), port).into());
                count += 1;
            }
        }
        if count == 0 {
            break;
        }
        let (batch, addresses, flags) = (&batch[..count], &addresses[..count], MsgFlags::empty());
        match sendmmsg(client.as_raw_fd(), &mut headers, batch, addresses, nothing, flags) {
            Ok(results) => sent += results.count() as u64,
            // What the kernel drops for want of room has not been sent.
            Err(Errno::ENOBUFS | Errno::EINTR) => {}
            Err(error) => return Err(error).context("cannot send"),
        }
    }
    Ok(sent)
}

/// Counts until the sender is done and nothing more comes; and when one of the last came.
fn receive(server: &UdpSocket, over: &AtomicBool) -> Result<(u64, Instant)> {
    pin(SERVER)?;
    let mut received = 0;
    let mut last = Instant::now();
    let mut buffer = [0; 64];
    loop {
        match server.recv(&mut buffer) {
            Ok(_) => {
                received += 1;
                // A look at the clock for each would be a part of what is measured.
                if received % 64 == 0 {
                    last = Instant::now();
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if over.load(Ordering::Relaxed) {
                    return Ok((received, last));
                }
            }
            Err(error) => return Err(error).context("cannot receive"),
        }
    }
}
