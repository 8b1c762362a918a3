//! The host's own connections to a forwarded port, rewritten at the socket: no cost per
//! packet, and 127.0.0.1 works without `route_localnet`.

use crate::abi::{Forward, ForwardKey, HostPeerKey, Ip4, Peer, Port, Protocol};

const LOCALHOST: Ip4 = Ip4::new(127, 0, 0, 1);

/// What the socket hooks need from the maps.
pub trait HostSockets {
    fn forward(&self, key: &ForwardKey) -> Option<Forward>;
    /// Whether the address is one of the router's own.
    fn is_host_address(&self, address: Ip4) -> bool;
    fn remember_peer(&self, key: &HostPeerKey, peer: &Peer);
}

/// Where a connection of the host to `peer` leads instead, if the port is forwarded.
#[inline(always)]
pub fn connect<S: HostSockets>(
    sockets: &S,
    socket: u64,
    protocol: u8,
    peer: Peer,
) -> Option<Forward> {
    // To connect to no address is to connect to oneself, and a forward for any address has that
    // very key. Of loopback, a forward for any
    // address takes 127.0.0.1 only: others, as 127.0.0.53, have owners of their own.
    let of_this_address = ForwardKey::new(protocol, peer.address, peer.port);
    let forward = match sockets.forward(&of_this_address) {
        Some(forward) => forward,
        None if peer.address == LOCALHOST || sockets.is_host_address(peer.address) => {
            sockets.forward(&ForwardKey::new(protocol, Ip4::UNSPECIFIED, peer.port))?
        }
        None => return None,
    };
    let key = HostPeerKey {
        socket,
        target: forward.target,
        target_port: forward.target_port,
        padding: [0; 2],
    };
    sockets.remember_peer(&key, &peer);
    Some(forward)
}

/// Whether the kernel says which socket of the host has a port of this protocol.
#[inline(always)]
pub const fn has_sockets(protocol: u8) -> bool {
    const TCP: u8 = Protocol::Tcp as u8;
    const UDP: u8 = Protocol::Udp as u8;
    matches!(protocol, TCP | UDP)
}

/// The forward for a destination: one for just this address comes before one for any.
#[inline(always)]
pub(super) fn lookup(
    find: impl Fn(&ForwardKey) -> Option<Forward>,
    protocol: u8,
    address: Ip4,
    port: Port,
) -> Option<Forward> {
    find(&ForwardKey::new(protocol, address, port))
        .or_else(|| find(&ForwardKey::new(protocol, Ip4::UNSPECIFIED, port)))
}
