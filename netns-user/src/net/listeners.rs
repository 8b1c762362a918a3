//! Listening sockets of a namespace, and the programs that they belong to.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddrV4},
};

use netlink_packet_sock_diag::{
    TCP_CLOSE, TCP_LISTEN,
    inet::{InetResponse, nlas::Nla},
};
use procfs::process::{FDTarget, all_processes};

use super::{error::NetError, sockets::sockets};
use crate::rules::ForwardProtocol;

/// A socket that accepts packets from anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub protocol: ForwardProtocol,
    /// Unspecified: any address.
    pub address: Ipv4Addr,
    pub port: u16,
    inode: u64,
}

/// The listeners of the calling thread's namespace that accept IPv4 packets, without SCTP.
///
/// # Errors
/// When the kernel does not list sockets.
pub fn listeners() -> Result<Vec<Listener>, NetError> {
    let mut found = Vec::new();
    for protocol in [ForwardProtocol::Tcp, ForwardProtocol::Udp, ForwardProtocol::UdpLite] {
        let sockets = sockets(protocol)?;
        found.extend(sockets.iter().filter_map(|socket| listener(protocol, socket)));
    }
    Ok(found)
}

fn listener(protocol: ForwardProtocol, socket: &InetResponse) -> Option<Listener> {
    let header = &socket.header;
    let id = &header.socket_id;
    // A datagram socket without a peer has the state "closed".
    let waiting = if protocol == ForwardProtocol::Tcp { TCP_LISTEN } else { TCP_CLOSE };
    let waits = header.state == waiting && id.destination_port == 0 && id.source_port != 0;
    let address = match id.source_address {
        IpAddr::V4(address) => address,
        // It accepts IPv4 packets too.
        IpAddr::V6(address) if address.is_unspecified() && !is_for_ipv6_only(socket) => {
            Ipv4Addr::UNSPECIFIED
        }
        IpAddr::V6(address) => address.to_ipv4_mapped()?,
    };
    let (port, inode) = (id.source_port, header.inode.into());
    waits.then_some(Listener { protocol, address, port, inode })
}

/// `IPV6_V6ONLY`.
fn is_for_ipv6_only(socket: &InetResponse) -> bool {
    socket.nlas.iter().any(|attribute| matches!(attribute, Nla::SkV6Only(true)))
}

/// The names of the programs that have sockets, by the sockets' inodes. Only root sees the sockets
/// of others.
pub fn programs() -> HashMap<u64, String> {
    let mut programs = HashMap::new();
    for process in all_processes().into_iter().flatten().flatten() {
        let (Ok(stat), Ok(descriptors)) = (process.stat(), process.fd()) else { continue };
        for descriptor in descriptors.flatten() {
            if let FDTarget::Socket(inode) = descriptor.target {
                programs.insert(inode, stat.comm.clone());
            }
        }
    }
    programs
}

impl Listener {
    /// Its own address and port.
    #[must_use]
    pub const fn end(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.address, self.port)
    }

    /// The name of the program that it belongs to.
    #[must_use]
    pub fn program<'a>(&self, programs: &'a HashMap<u64, String>) -> Option<&'a str> {
        programs.get(&self.inode).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, SocketAddrV6, TcpListener, UdpSocket};

    use socket2::{Domain, Socket, Type};

    use super::*;

    fn find(protocol: ForwardProtocol, port: u16) -> Option<Listener> {
        let found = listeners().unwrap().into_iter();
        found.filter(|one| one.protocol == protocol).find(|one| one.port == port)
    }

    #[test]
    fn listening_sockets_are_found_with_their_program() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("0.0.0.0:0").unwrap();
        let connected = UdpSocket::bind("127.0.0.1:0").unwrap();
        connected.connect(tcp.local_addr().unwrap()).unwrap();
        let of_tcp = find(ForwardProtocol::Tcp, tcp.local_addr().unwrap().port()).unwrap();
        assert_eq!(of_tcp.address, Ipv4Addr::LOCALHOST);
        assert!(of_tcp.program(&programs()).is_some());
        let of_udp = find(ForwardProtocol::Udp, udp.local_addr().unwrap().port()).unwrap();
        assert_eq!(of_udp.address, Ipv4Addr::UNSPECIFIED);
        assert_eq!(find(ForwardProtocol::Udp, connected.local_addr().unwrap().port()), None);
    }

    /// The port of a socket that is bound to `::`.
    fn any_of_ipv6(kind: Type, is_for_ipv6_only: bool) -> (Socket, u16) {
        let socket = Socket::new(Domain::IPV6, kind, None).unwrap();
        socket.set_only_v6(is_for_ipv6_only).unwrap();
        socket.bind(&SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0).into()).unwrap();
        if kind == Type::STREAM {
            socket.listen(1).unwrap();
        }
        let port = socket.local_addr().unwrap().as_socket_ipv6().unwrap().port();
        (socket, port)
    }

    #[test]
    fn ipv6_sockets_are_found_if_they_accept_ipv4_too() {
        for (kind, protocol) in
            [(Type::STREAM, ForwardProtocol::Tcp), (Type::DGRAM, ForwardProtocol::Udp)]
        {
            let (_both, port) = any_of_ipv6(kind, false);
            assert_eq!(find(protocol, port).unwrap().address, Ipv4Addr::UNSPECIFIED);
            let (_one, port) = any_of_ipv6(kind, true);
            assert_eq!(find(protocol, port), None);
        }
    }
}
