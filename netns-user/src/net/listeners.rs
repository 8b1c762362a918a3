//! Sockets of a namespace that wait for anybody, as /proc/net/tcp, udp and their kin tell of them
//! (proc_net(5)), and the programs that they belong to.

use std::{
    collections::HashMap,
    fs, io,
    net::{Ipv4Addr, SocketAddrV4},
};

use procfs::process::{FDTarget, all_processes};

use super::{NetError, connections};
use crate::rules::ForwardProtocol;

/// `TCP_LISTEN` (include/net/tcp_states.h).
const LISTENING: &str = "0A";

/// What /proc shows for a datagram socket without a peer: `TCP_CLOSE`.
const UNCONNECTED: &str = "07";

/// How /proc writes the address `::`.
const ANY_IPV6: &str = "00000000000000000000000000000000:";

/// A socket that waits for packets from anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub protocol: ForwardProtocol,
    /// Unspecified: any address.
    pub address: Ipv4Addr,
    pub port: u16,
    inode: u64,
}

/// The tables of /proc/net, and in which state their sockets wait for anybody.
const TABLES: [(&str, ForwardProtocol, &str); 6] = [
    ("tcp", ForwardProtocol::Tcp, LISTENING),
    ("tcp6", ForwardProtocol::Tcp, LISTENING),
    ("udp", ForwardProtocol::Udp, UNCONNECTED),
    ("udp6", ForwardProtocol::Udp, UNCONNECTED),
    ("udplite", ForwardProtocol::UdpLite, UNCONNECTED),
    ("udplite6", ForwardProtocol::UdpLite, UNCONNECTED),
];

/// The listeners of the calling thread's namespace that IPv4 packets may be for.
///
/// # Errors
/// When /proc is not there.
pub fn listeners() -> Result<Vec<Listener>, NetError> {
    let mut found = Vec::new();
    for (table, protocol, state) in TABLES {
        let path = format!("/proc/thread-self/net/{table}");
        match fs::read_to_string(&path) {
            Ok(text) => {
                let lines = text.lines().skip(1);
                found.extend(lines.filter_map(|line| listener(line, protocol, state)));
            }
            // A kernel without IPv6, or without UDP-Lite.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(NetError::refused(format!("read {path}"), error)),
        }
    }
    Ok(found)
}

/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`
fn listener(line: &str, protocol: ForwardProtocol, waiting: &str) -> Option<Listener> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (local, remote, state) = (fields.next()?, fields.next()?, fields.next()?);
    let inode = fields.nth(5)?.parse().ok()?;
    let end = end(local)?;
    let is_connected = end_port(remote) != Some(0);
    let waits = state == waiting && !is_connected && end.port() != 0;
    waits.then(|| Listener { protocol, address: *end.ip(), port: end.port(), inode })
}

/// An end, as [`connections::end`] has it. `::` is any address: IPv4 comes there too, unless the
/// socket is for IPv6 only, which /proc does not tell.
fn end(text: &str) -> Option<SocketAddrV4> {
    match text.strip_prefix(ANY_IPV6) {
        Some(_) => Some(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, end_port(text)?)),
        None => connections::end(text),
    }
}

/// The port of an end of either family.
fn end_port(text: &str) -> Option<u16> {
    u16::from_str_radix(text.split_once(':')?.1, 16).ok()
}

/// The names of the programs that have sockets, by the inodes of these. Only root sees those of
/// others.
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
    /// Its own end.
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
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    #[test]
    fn sockets_that_wait_for_anybody_are_found_with_their_program() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("0.0.0.0:0").unwrap();
        let dual = UdpSocket::bind("[::]:0").ok();
        let connected = UdpSocket::bind("127.0.0.1:0").unwrap();
        connected.connect(tcp.local_addr().unwrap()).unwrap();
        let found = listeners().unwrap();
        let find =
            |protocol, port| found.iter().find(|one| one.protocol == protocol && one.port == port);
        let of_tcp = find(ForwardProtocol::Tcp, tcp.local_addr().unwrap().port()).unwrap();
        assert_eq!(of_tcp.address, Ipv4Addr::LOCALHOST);
        assert!(of_tcp.program(&programs()).is_some());
        let of_udp = find(ForwardProtocol::Udp, udp.local_addr().unwrap().port()).unwrap();
        assert_eq!(of_udp.address, Ipv4Addr::UNSPECIFIED);
        if let Some(dual) = dual {
            let of_dual = find(ForwardProtocol::Udp, dual.local_addr().unwrap().port()).unwrap();
            assert_eq!(of_dual.address, Ipv4Addr::UNSPECIFIED);
        }
        let port = connected.local_addr().unwrap().port();
        assert_eq!(find(ForwardProtocol::Udp, port), None);
    }
}
