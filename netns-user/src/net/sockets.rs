//! The sockets of a namespace, and how to end their connections, as `ss -K` does (sock_diag(7)).

use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr},
};

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST};
use netlink_packet_sock_diag::{
    AF_INET, AF_INET6, SockDiagDestroy, SockDiagMessage,
    inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags},
};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netns_common::abi::Protocol;

use super::{error::NetError, exchange::exchange};
use crate::rules::ForwardProtocol;

/// A socket that is connected to an IPv4 address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectedSocket {
    pub remote: Ipv4Addr,
    pub remote_port: u16,
    /// `SO_COOKIE`: unique as long as the machine runs.
    pub cookie: u64,
    family: u8,
    protocol: ForwardProtocol,
    id: SocketId,
}

/// The connected sockets of the calling thread's namespace, for a protocol whose sockets the kernel
/// lists; none for others.
///
/// # Errors
/// When the kernel refuses.
pub fn connected(protocol: ForwardProtocol) -> Result<Vec<ConnectedSocket>, NetError> {
    let sockets = sockets(protocol)?.into_iter().filter_map(|socket| {
        let id = socket.header.socket_id;
        let remote = match id.destination_address {
            IpAddr::V4(address) => address,
            IpAddr::V6(address) => address.to_ipv4_mapped()?,
        };
        // The kernel stores it in two words, the lower one first.
        let [a, b, c, d, e, f, g, h] = id.cookie;
        let upper = u64::from(u32::from_ne_bytes([e, f, g, h]));
        let cookie = (upper << 32) | u64::from(u32::from_ne_bytes([a, b, c, d]));
        let remote_port = id.destination_port;
        let family = socket.header.family;
        let is_connected = remote_port != 0;
        is_connected.then_some(ConnectedSocket {
            remote,
            remote_port,
            cookie,
            family,
            protocol,
            id,
        })
    });
    Ok(sockets.collect())
}

/// The sockets of the calling thread's namespace, of both address families. None for SCTP: listing
/// those would load the kernel's module.
///
/// # Errors
/// When the kernel refuses, as one without `CONFIG_INET_DIAG` does.
pub(super) fn sockets(protocol: ForwardProtocol) -> Result<Vec<InetResponse>, NetError> {
    let mut found = Vec::new();
    if protocol == ForwardProtocol::Sctp {
        return Ok(found);
    }
    for (family, id) in [(AF_INET, SocketId::new_v4()), (AF_INET6, SocketId::new_v6())] {
        let request = SockDiagMessage::InetRequest(request(family, protocol, id));
        let flags = NLM_F_REQUEST | NLM_F_DUMP;
        let answers: Vec<SockDiagMessage> =
            match exchange(NETLINK_SOCK_DIAG, "list the sockets", flags, request) {
                // A kernel without UDP-Lite.
                Err(NetError::Refused { cause, .. })
                    if cause.kind() == ErrorKind::NotFound
                        && protocol == ForwardProtocol::UdpLite =>
                {
                    Vec::new()
                }
                answers => answers?,
            };
        found.extend(answers.into_iter().filter_map(|answer| match answer {
            SockDiagMessage::InetResponse(response) => Some(*response),
            _ => None,
        }));
    }
    Ok(found)
}

impl ConnectedSocket {
    /// Ends its connection: the owner of the socket gets an error from the next call. A connection
    /// that is gone already is no error.
    ///
    /// # Errors
    /// When the kernel refuses, as one without `CONFIG_INET_DIAG_DESTROY` does.
    pub fn end(&self) -> Result<(), NetError> {
        let request = request(self.family, self.protocol, self.id.clone());
        let message = SockDiagDestroy::new(SockDiagMessage::InetRequest(request));
        let (action, flags) = ("close the connection of a socket", NLM_F_REQUEST | NLM_F_ACK);
        match exchange::<_, SockDiagMessage>(NETLINK_SOCK_DIAG, action, flags, message) {
            Ok(_) => Ok(()),
            Err(NetError::Refused { cause, .. }) if cause.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn request(family: u8, protocol: ForwardProtocol, socket_id: SocketId) -> InetRequest {
    let protocol = Protocol::from(protocol).number();
    let (extensions, states) = (ExtensionFlags::empty(), StateFlags::all());
    InetRequest { family, protocol, extensions, states, socket_id }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use socket2::SockRef;

    use super::*;

    #[test]
    fn connected_sockets_are_found_with_their_cookies() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let stream = TcpStream::connect(at).unwrap();
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        datagrams.connect(at).unwrap();
        let unconnected = UdpSocket::bind("127.0.0.1:0").unwrap();
        for (protocol, wanted) in [
            (ForwardProtocol::Tcp, SockRef::from(&stream).cookie().unwrap()),
            (ForwardProtocol::Udp, SockRef::from(&datagrams).cookie().unwrap()),
        ] {
            let found = connected(protocol).unwrap();
            let socket = found.iter().find(|socket| socket.cookie == wanted).unwrap();
            assert_eq!((socket.remote, socket.remote_port), (Ipv4Addr::LOCALHOST, at.port()));
        }
        let own = SockRef::from(&unconnected).cookie().unwrap();
        let found = connected(ForwardProtocol::Udp).unwrap();
        assert!(!found.iter().any(|socket| socket.cookie == own));
    }
}
