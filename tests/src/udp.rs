//! Sockets of UDP in namespaces, and what their ends say to each other.

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
    /// A socket of this namespace, which waits for a datagram until the deadline.
    ///
    /// # Panics
    /// When the address is taken, or is none of this namespace.
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

/// What a socket receives, and from whom.
///
/// # Panics
/// When nothing comes.
#[track_caller]
#[must_use]
pub fn receive_bytes(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    // As much as a datagram carries: a shorter buffer would hide what is behind its end.
    let mut buffer = vec![0; 1 << 16];
    let (length, sender) = socket.recv_from(&mut buffer).expect("a datagram");
    buffer.truncate(length);
    (buffer, sender)
}

/// The text that a socket receives, and from whom.
///
/// # Panics
/// When nothing comes.
#[track_caller]
#[must_use]
pub fn receive(socket: &UdpSocket) -> (String, SocketAddr) {
    let (bytes, sender) = receive_bytes(socket);
    (String::from_utf8_lossy(&bytes).into_owned(), sender)
}

/// Expects that for some time no datagram comes, and none is there. The socket waits until the
/// deadline again afterwards.
///
/// # Panics
/// When there is one, or an error.
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

/// Asks a server at its own address: [`ask_at`].
///
/// # Panics
/// When one of them does not get what the other has sent, or from elsewhere.
#[track_caller]
pub fn ask(client: &UdpSocket, server: &UdpSocket, question: &str) -> SocketAddr {
    ask_at(client, &server.local_addr().expect("an address").to_string(), server, question)
}

/// Asks at an address that leads to the server, and gets the answer to this very question, from
/// where it has asked. Returns the client as the server has seen it.
///
/// # Panics
/// When one of them does not get what the other has sent, or from elsewhere.
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

/// Asks at an address that leads to a [`UdpEcho`](crate::UdpEcho), and gets back what was sent, from
/// where it was sent to.
///
/// # Panics
/// When nothing comes, or anything else.
#[track_caller]
pub fn ask_echo(client: &UdpSocket, called: &str) {
    client.send_to(b"who am I?", called).expect("to ask");
    let (answer, by) = receive(client);
    assert_eq!((answer.as_str(), by.to_string().as_str()), ("who am I?", called));
}
