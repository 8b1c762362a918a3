//! Sends an ICMP echo request and waits for the reply.

use std::{
    io,
    mem::MaybeUninit,
    net::{Ipv4Addr, SocketAddrV4},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, Socket, Type};

use super::icmp::{self, EchoId, Message};

/// Payload bytes, as many as `ping` sends by default.
const PAYLOAD: usize = 56;

/// The result of an echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The destination sent the payload back.
    Reply {
        /// From the sending of the request until the reply was read.
        round_trip: Duration,
        /// The time to live of the reply on arrival.
        ttl: u8,
    },
    /// A router or the destination sent an ICMP error (RFC 792 type and code).
    Refused { from: Ipv4Addr, kind: u8, code: u8 },
    /// Nothing came until the deadline.
    Silence { waited: Duration },
}

/// An error of a ping.
#[derive(Debug, thiserror::Error)]
pub enum PingError {
    /// Raw sockets need CAP_NET_RAW.
    #[error("cannot open a raw ICMP socket: {0}")]
    Socket(#[source] io::Error),
    /// For example, the kernel has no route to the destination.
    #[error("cannot send to {destination}: {source}")]
    Send { destination: Ipv4Addr, source: io::Error },
    #[error("cannot receive from {destination}: {source}")]
    Receive { destination: Ipv4Addr, source: io::Error },
}

/// Sends one echo request and waits for its reply, at most `deadline`.
pub fn ping(destination: Ipv4Addr, deadline: Duration) -> Result<Answer, PingError> {
    let receive_error = |source| PingError::Receive { destination, source };
    let socket =
        Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).map_err(PingError::Socket)?;
    let echo = EchoId { id: unused_id(), sequence: 1 };
    let payload: [u8; PAYLOAD] = std::array::from_fn(|place| place.to_le_bytes()[0]);
    let request = icmp::echo_request(echo, &payload);

    let start = Instant::now();
    socket
        .send_to(&request, &SocketAddrV4::new(destination, 0).into())
        .map_err(|source| PingError::Send { destination, source })?;
    let mut buffer = [MaybeUninit::uninit(); 2048];
    loop {
        let left = deadline.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Ok(Answer::Silence { waited: deadline });
        }
        socket.set_read_timeout(Some(left)).map_err(receive_error)?;
        let length = match socket.recv(&mut buffer) {
            Ok(length) => length,
            Err(error) if is_retry(&error) => continue,
            Err(error) => return Err(receive_error(error)),
        };
        let round_trip = start.elapsed();
        // SAFETY: recv returned `length`, so the kernel has written that many bytes.
        let packet = unsafe { buffer[..length].assume_init_ref() };
        let Some(received) = icmp::parse(packet).filter(|received| received.echo == echo) else {
            continue;
        };
        match received.message {
            Message::Reply { payload: echoed }
                if received.from == destination && echoed == payload =>
            {
                return Ok(Answer::Reply { round_trip, ttl: received.ttl });
            }
            Message::Error { kind, code, destination: about } if about == destination => {
                return Ok(Answer::Refused { from: received.from, kind, code });
            }
            Message::Reply { .. } | Message::Error { .. } => {}
        }
    }
}

/// The fastest of `tries` replies, or the first result that is no reply.
///
/// The first request is slower, since it also resolves Ethernet addresses and wakes idle CPUs.
pub fn best_of(tries: u32, destination: Ipv4Addr, deadline: Duration) -> Result<Answer, PingError> {
    let mut best = ping(destination, deadline)?;
    for _ in 1..tries {
        let Answer::Reply { round_trip: fastest, .. } = best else { break };
        match ping(destination, deadline)? {
            Answer::Reply { round_trip, .. } if round_trip >= fastest => {}
            other => best = other,
        }
    }
    Ok(best)
}

/// An identifier that this process has not used yet, and that others most likely do not use: a raw
/// socket receives all ICMP replies.
fn unused_id() -> u16 {
    static COUNT: AtomicU16 = AtomicU16::new(0);
    let [low, high, ..] = std::process::id().to_le_bytes();
    u16::from_le_bytes([low, high]).wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed))
}

fn is_retry(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}
