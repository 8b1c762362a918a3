//! Connected sockets of a namespace, and ending them, as `ss -K` does it (sock_diag(7)).

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr},
};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
    NetlinkSerializable,
};
use netlink_packet_sock_diag::{
    AF_INET, AF_INET6, SockDiagDestroy, SockDiagMessage,
    inet::{ExtensionFlags, InetRequest, SocketId, StateFlags},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_SOCK_DIAG};
use netns_common::abi::Protocol;

use super::NetError;
use crate::rules::ForwardProtocol;

/// A socket that is connected with an IPv4 address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectedSocket {
    pub remote: Ipv4Addr,
    pub remote_port: u16,
    /// `SO_COOKIE`: unique as long as the machine runs.
    pub cookie: u64,
    family: u8,
    protocol: u8,
    id: SocketId,
}

/// The connected sockets of the calling thread's namespace of a protocol that sockets tell of; none
/// of others.
///
/// # Errors
/// When the kernel refuses.
pub fn connected(protocol: ForwardProtocol) -> Result<Vec<ConnectedSocket>, NetError> {
    let number = match protocol {
        ForwardProtocol::Tcp => Protocol::Tcp.number(),
        ForwardProtocol::Udp => Protocol::Udp.number(),
        ForwardProtocol::Sctp | ForwardProtocol::UdpLite => return Ok(Vec::new()),
    };
    let mut found = Vec::new();
    for (family, id) in [(AF_INET, SocketId::new_v4()), (AF_INET6, SocketId::new_v6())] {
        let request = request(family, number, id);
        let answers = exchange(
            "list the sockets",
            NLM_F_REQUEST | NLM_F_DUMP,
            SockDiagMessage::InetRequest(request).into(),
        )?;
        found.extend(answers.into_iter().filter_map(|id| {
            let remote = match id.destination_address {
                IpAddr::V4(address) => address,
                IpAddr::V6(address) => address.to_ipv4_mapped()?,
            };
            // The kernel has it in two words, the lower one first.
            let [a, b, c, d, e, f, g, h] = id.cookie;
            let upper = u64::from(u32::from_ne_bytes([e, f, g, h]));
            let cookie = (upper << 32) | u64::from(u32::from_ne_bytes([a, b, c, d]));
            let remote_port = id.destination_port;
            let protocol = number;
            let is_connected = remote_port != 0;
            is_connected.then_some(ConnectedSocket {
                remote,
                remote_port,
                cookie,
                family,
                protocol,
                id,
            })
        }));
    }
    Ok(found)
}

impl ConnectedSocket {
    /// Ends its connection: whoever has the socket gets an error from his next call. One that is
    /// gone by now is as good as ended.
    ///
    /// # Errors
    /// When the kernel refuses, as one without `CONFIG_INET_DIAG_DESTROY` does.
    pub fn end(&self) -> Result<(), NetError> {
        let request = request(self.family, self.protocol, self.id.clone());
        let message = SockDiagDestroy::new(SockDiagMessage::InetRequest(request));
        match exchange("end a connection of a socket", NLM_F_REQUEST | NLM_F_ACK, message.into()) {
            Ok(_) => Ok(()),
            Err(NetError::Refused { cause, .. }) if cause.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn request(family: u8, protocol: u8, socket_id: SocketId) -> InetRequest {
    let (extensions, states) = (ExtensionFlags::empty(), StateFlags::all());
    InetRequest { family, protocol, extensions, states, socket_id }
}

/// Sends a request, and returns the sockets that the answers tell of.
fn exchange<T: NetlinkSerializable>(
    action: &str,
    flags: u16,
    payload: NetlinkPayload<T>,
) -> Result<Vec<SocketId>, NetError> {
    let refused = |error: io::Error| NetError::refused(action, error);
    let mut socket = Socket::new(NETLINK_SOCK_DIAG).map_err(refused)?;
    socket.bind_auto().map_err(refused)?;
    socket.connect(&SocketAddr::new(0, 0)).map_err(refused)?;
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    let mut packet = NetlinkMessage::new(header, payload);
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    socket.send(&bytes, 0).map_err(refused)?;
    let mut found = Vec::new();
    loop {
        let (received, _) = socket.recv_from_full().map_err(refused)?;
        let mut rest = received.as_slice();
        while !rest.is_empty() {
            let packet = NetlinkMessage::<SockDiagMessage>::deserialize(rest).map_err(|error| {
                NetError::Protocol { action: action.into(), answer: error.to_string() }
            })?;
            let length = usize::try_from(packet.header.length).unwrap_or(rest.len());
            // Messages begin at multiples of four.
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            match packet.payload {
                NetlinkPayload::Done(_) => return Ok(found),
                NetlinkPayload::Error(error) if error.code.is_none() => return Ok(found),
                NetlinkPayload::Error(error) => return Err(refused(error.to_io())),
                NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => {
                    found.push(response.header.socket_id);
                }
                _ => {}
            }
        }
    }
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
