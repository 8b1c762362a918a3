//! The host's own connections to a forwarded port, rewritten at the socket: no cost per
//! packet, and 127.0.0.1 works without `route_localnet`.

use super::forwards::{self, ForwardTable, Target};
use crate::abi::{HostPeerKey, Ip4, Peer, Protocol};

const LOCALHOST: Ip4 = Ip4::new(127, 0, 0, 1);

/// What the socket hooks need from the maps.
pub trait HostSockets: ForwardTable {
    /// Whether the address is one of the router's own.
    fn is_host_address(&self, address: Ip4) -> bool;
    fn remember_peer(&self, key: &HostPeerKey, peer: &Peer);
}

/// Where a connection of the host to `peer` leads instead, if the port is forwarded.
///
/// Its source is taken to be the address that it calls, which is what the kernel chooses for a
/// connection to oneself.
#[inline(always)]
pub fn connect<S: HostSockets>(
    sockets: &S,
    socket: u64,
    protocol: u8,
    peer: Peer,
) -> Option<Target> {
    // To connect to no address is to connect to oneself.
    let called = if peer.address == Ip4::UNSPECIFIED { LOCALHOST } else { peer.address };
    // Of loopback, a forward for any address takes 127.0.0.1 only: others, as 127.0.0.53, have
    // owners of their own.
    let for_any = called == LOCALHOST || sockets.is_host_address(called);
    let target = forwards::find(sockets, protocol, called, called, peer.port, for_any)?;
    let key =
        HostPeerKey { socket, target: target.address, target_port: target.port, padding: [0; 2] };
    sockets.remember_peer(&key, &peer);
    Some(target)
}

/// Whether the kernel says which socket of the host has a port of this protocol.
#[inline(always)]
pub const fn has_sockets(protocol: u8) -> bool {
    const TCP: u8 = Protocol::Tcp as u8;
    const UDP: u8 = Protocol::Udp as u8;
    matches!(protocol, TCP | UDP)
}
