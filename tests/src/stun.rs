//! A STUN server with two addresses and two ports (RFC 3489 section 8), by which a client finds out
//! how it is translated.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::inside;

/// The two ports of the server.
const PORTS: [u16; 2] = [3478, 3479];

/// How often a waiting server checks whether it must end.
const PATIENCE: Duration = Duration::from_millis(50);

/// Message types: request and response.
const BINDING_REQUEST: [u8; 2] = [0, 1];
const BINDING_RESPONSE: [u8; 2] = [1, 1];

/// Attribute types.
const MAPPED_ADDRESS: u16 = 1;
const CHANGE_REQUEST: u16 = 3;
const SOURCE_ADDRESS: u16 = 4;
const CHANGED_ADDRESS: u16 = 5;

/// Bits of CHANGE-REQUEST.
const CHANGE_IP: u8 = 4;
const CHANGE_PORT: u8 = 2;

const HEADER: usize = 20;

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct StunServer {
    ends: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl StunServer {
    /// Starts a server on both ports of both addresses of a namespace.
    ///
    /// # Panics
    /// When a socket cannot be bound.
    #[must_use]
    pub fn start(namespace: &str, addresses: [Ipv4Addr; 2]) -> Self {
        let bind = |address, port| {
            let socket = inside(namespace).run(|| UdpSocket::bind((address, port)));
            let socket = socket.expect("a socket of the STUN server");
            socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            socket
        };
        let sockets: Arc<Vec<UdpSocket>> = Arc::new(
            addresses.iter().flat_map(|address| PORTS.map(|port| bind(*address, port))).collect(),
        );
        let ends = Arc::new(AtomicBool::new(false));
        let threads = (0..sockets.len())
            .map(|own| {
                let (sockets, ends) = (sockets.clone(), ends.clone());
                thread::spawn(move || serve(&sockets, own, &ends))
            })
            .collect();
        Self { ends, threads }
    }
}

impl Drop for StunServer {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic of the thread has already printed its message.
            let _ = thread.join();
        }
    }
}

/// Answers requests to one of the sockets. The bits of its number select its address and port.
fn serve(sockets: &[UdpSocket], own: usize, ends: &AtomicBool) {
    let mut packet = [0; 512];
    while !ends.load(Ordering::Relaxed) {
        let (length, client) = match sockets[own].recv_from(&mut packet) {
            Ok((length, std::net::SocketAddr::V4(client))) => (length, client),
            Ok(_) => continue,
            // A time-out, or an ICMP error about an answer that was filtered.
            Err(_) => continue,
        };
        let request = &packet[..length];
        if length < HEADER || request[..2] != BINDING_REQUEST {
            continue;
        }
        let change = attribute(request, CHANGE_REQUEST).map_or(0, |value| value[3]);
        let mut answering = own;
        answering ^= usize::from(change & CHANGE_IP != 0) << 1;
        answering ^= usize::from(change & CHANGE_PORT != 0);
        let at = |socket: usize| local(&sockets[socket]).expect("the address of a socket");
        let answer = response(
            &request[4..HEADER],
            &[
                (MAPPED_ADDRESS, client),
                (SOURCE_ADDRESS, at(answering)),
                (CHANGED_ADDRESS, at(own ^ 3)),
            ],
        );
        // A client that gets no answer sends its request again.
        let _ = sockets[answering].send_to(&answer, client);
    }
}

fn local(socket: &UdpSocket) -> io::Result<SocketAddrV4> {
    match socket.local_addr()? {
        std::net::SocketAddr::V4(address) => Ok(address),
        std::net::SocketAddr::V6(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// The four bytes of an attribute.
fn attribute(message: &[u8], wanted: u16) -> Option<[u8; 4]> {
    let mut rest = &message[HEADER..];
    while let [a, b, c, d, value @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*c, *d]));
        if u16::from_be_bytes([*a, *b]) == wanted {
            return value.get(..4)?.try_into().ok();
        }
        rest = value.get(length.next_multiple_of(4)..)?;
    }
    None
}

fn response(transaction: &[u8], attributes: &[(u16, SocketAddrV4)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, address) in attributes {
        body.extend(kind.to_be_bytes());
        // Eight bytes of value; the family is IPv4.
        body.extend([0, 8, 0, 1]);
        body.extend(address.port().to_be_bytes());
        body.extend(address.ip().octets());
    }
    let length = u16::try_from(body.len()).expect("a short message");
    [&BINDING_RESPONSE[..], &length.to_be_bytes(), transaction, &body].concat()
}
