//! UDP datagrams from socket to socket at the highest rate.

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

use super::ends::{Done, PATIENCE, StopOnDrop, join, with_cpu};
use crate::{
    cpu::{CLIENT, SERVER, pin},
    network::Network,
    statistics::as_f64,
    tracking::{ensure_all_live, ensure_capacity},
};

/// With its headers this is the smallest Ethernet frame.
const PAYLOAD: [u8; 18] = [0; 18];
/// Datagrams per system call.
const BATCH: usize = 64;
/// The receive buffer in bytes: more than arrives while the server's thread is not scheduled.
const BUFFER: usize = 64 << 20;

/// Flows differ in their destination address. They count up from this one; the server has them all.
const FIRST: u32 = u32::from_be_bytes([10, 0, 0, 1]);

/// The packets that arrive per second, and the CPU time of each in nanoseconds. Several flows send
/// one packet each in turn.
pub(super) fn flood(network: &Network, flows: u32, window: Duration) -> Result<Vec<f64>> {
    ensure_capacity(network, flows.into())?;
    let server = enter(Some(&network.server), || UdpSocket::bind(("0.0.0.0", network.port)))?;
    let client = enter(Some(&network.client), || UdpSocket::bind("0.0.0.0:0"))?;
    setsockopt(&server, RcvBufForce, &BUFFER)?;
    first_arrives(network, &client, &server)?;
    if flows == 1 {
        client.connect((network.server_address, network.port))?;
    } else {
        // The first packet of each flow is not measured.
        let mut once = 0..flows;
        transfer(&server, || send(&client, network.port, &mut once, Duration::MAX))?;
        ensure_all_live(network, flows.into())?;
    }
    let mut next = (0..flows).cycle();
    with_cpu(1e9, || transfer(&server, || send(&client, network.port, &mut next, window)))
}

/// The number of packets that arrive, and the time until all are sent and received: packets that
/// queue up in front of the server count only together with the time to receive them.
fn transfer(server: &UdpSocket, send: impl FnOnce() -> Result<u64> + Send) -> Result<Done> {
    let over = AtomicBool::new(false);
    let begin = Instant::now();
    thread::scope(|scope| {
        let received = scope.spawn(|| receive(server, &over));
        let ends = StopOnDrop(&over);
        let sent = join(scope.spawn(|| {
            pin(CLIENT)?;
            Ok((send()?, Instant::now()))
        }));
        drop(ends);
        let (received, last) = join(received)?;
        let (sent, end) = sent?;
        ensure!(received <= sent, "{received} packets arrived of {sent} that were sent");
        ensure!(received > 0, "none of {sent} packets arrived");
        Ok(Done { units: as_f64(received), seconds: (end.max(last) - begin).as_secs_f64() })
    })
}

/// Sends the first packet, which resolves neighbours and creates the flow, and waits for it.
fn first_arrives(network: &Network, client: &UdpSocket, server: &UdpSocket) -> Result<()> {
    server.set_read_timeout(Some(PATIENCE))?;
    client.send_to(&PAYLOAD, (network.server_address, network.port))?;
    server.recv(&mut [0; 64]).context("no packet arrives")?;
    server.set_read_timeout(Some(Duration::from_millis(20)))?;
    Ok(())
}

/// Sends a packet of each of the next flows until the window ends or no flow is left. Returns how
/// many it sent. With several flows the socket is not connected.
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
            // The kernel dropped packets for lack of room: they were not sent.
            Err(Errno::ENOBUFS | Errno::EINTR) => {}
            Err(error) => return Err(error).context("cannot send"),
        }
    }
    Ok(sent)
}

/// Counts packets until the sender is done and no more arrive. Returns the count and about when the
/// last packet arrived.
fn receive(server: &UdpSocket, over: &AtomicBool) -> Result<(u64, Instant)> {
    pin(SERVER)?;
    let mut received = 0;
    let mut last = Instant::now();
    let mut buffer = [0; 64];
    loop {
        match server.recv(&mut buffer) {
            Ok(_) => {
                received += 1;
                // Reading the clock for each packet would slow the measurement down.
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
