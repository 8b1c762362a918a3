//! UDP sockets in namespaces, and exchanges between them.

use std::{
    fmt::Debug,
    io::ErrorKind,
    net::{SocketAddr, ToSocketAddrs, UdpSocket},
};

use crate::{
    Inside,
    wait::{DEADLINE, SILENCE},
};

impl Inside {
    /// Binds a socket in this namespace; receiving times out at the deadline.
    ///
    /// # Panics
    /// When the address is in use, or does not belong to this namespace.
    #[track_caller]
    #[must_use]
    pub fn udp(&self, address: impl ToSocketAddrs + Debug) -> UdpSocket {
        let socket = self
            .run(|| UdpSocket::bind(&address))
            .unwrap_or_else(|error| panic!("{self:?} udp {address:?}: {error}"));
        socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        socket
    }
}

/// The next datagram of a socket, and its source.
///
/// # Panics
/// When none arrives.
#[track_caller]
#[must_use]
pub fn receive_bytes(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    // As long as the longest datagram: a shorter buffer would hide excess bytes.
    let mut buffer = vec![0; 1 << 16];
    let (length, sender) = socket.recv_from(&mut buffer).expect("a datagram");
    buffer.truncate(length);
    (buffer, sender)
}

/// The text of the next datagram of a socket, and its source.
///
/// # Panics
/// When none arrives.
#[track_caller]
#[must_use]
pub fn receive(socket: &UdpSocket) -> (String, SocketAddr) {
    let (bytes, sender) = receive_bytes(socket);
    (String::from_utf8_lossy(&bytes).into_owned(), sender)
}

/// Expects that no datagram arrives for [`SILENCE`](crate::SILENCE). Afterwards the socket waits
/// until the deadline again.
///
/// # Panics
/// When a datagram or an error arrives.
#[track_caller]
pub fn receives_nothing(socket: &UdpSocket) {
    socket.set_read_timeout(Some(SILENCE)).expect("a timeout");
    match socket.recv_from(&mut [0; 64]) {
        Ok((length, sender)) => panic!("{length} bytes came from {sender}"),
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
        }
    }
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
}

/// [`ask_at`] with the server's own address.
///
/// # Panics
/// When an end does not receive what the other has sent, or receives it from another address.
#[track_caller]
pub fn ask(client: &UdpSocket, server: &UdpSocket, question: &str) -> SocketAddr {
    ask_at(client, &server.local_addr().expect("an address").to_string(), server, question)
}

/// Sends a question to an address that leads to the server, and expects the server's answer from
/// that address. Returns the client's address as the server sees it.
///
/// # Panics
/// When an end does not receive what the other has sent, or receives it from another address.
#[track_caller]
pub fn ask_at(client: &UdpSocket, called: &str, server: &UdpSocket, question: &str) -> SocketAddr {
    client.send_to(question.as_bytes(), called).expect("to ask");
    let (asked, seen) = receive(server);
    assert_eq!(asked, question);
    let answer = format!("to {question}");
    server.send_to(answer.as_bytes(), seen).expect("to answer");
    let (answered, by) = receive(client);
    assert_eq!((answered, by.to_string()), (answer, called.to_owned()));
    seen
}

/// Sends a datagram to an address that leads to a [`UdpEcho`](crate::UdpEcho), and expects it back
/// from that address.
///
/// # Panics
/// When nothing or something else arrives.
#[track_caller]
pub fn ask_echo(client: &UdpSocket, called: &str) {
    client.send_to(b"who am I?", called).expect("to ask");
    let (answer, by) = receive(client);
    assert_eq!((answer.as_str(), by.to_string().as_str()), ("who am I?", called));
}
