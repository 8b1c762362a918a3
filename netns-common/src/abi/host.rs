//! The host's own connections to a forwarded port, rewritten at the socket.

use super::{Ip4, Port};

/// A socket of the host and the target that its peer was rewritten to.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct HostPeerKey {
    /// `bpf_get_socket_cookie`: unique while the machine runs.
    pub socket: u64,
    pub target: Ip4,
    pub target_port: Port,
    pub padding: [u8; 2],
}

/// The key of an answer to a datagram that a socket of the host has sent. It has no address of the
/// host, because a socket need not be bound to one.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct HostCallKey {
    pub remote: Ip4,
    pub remote_port: Port,
    /// The port of the host.
    pub own_port: Port,
    pub protocol: u8,
    pub padding: [u8; 3],
}

impl HostCallKey {
    #[inline(always)]
    pub const fn new(remote: Ip4, remote_port: Port, own_port: Port, protocol: u8) -> Self {
        Self { remote, remote_port, own_port, protocol, padding: [0; 3] }
    }
}

/// An address and port, as the program on the host gave them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    pub address: Ip4,
    pub port: Port,
    pub padding: [u8; 2],
}

impl Peer {
    #[inline(always)]
    pub const fn new(address: Ip4, port: Port) -> Self {
        Self { address, port, padding: [0; 2] }
    }
}

const _: () = {
    assert!(size_of::<HostPeerKey>() == 16);
    assert!(size_of::<HostCallKey>() == 12);
    assert!(size_of::<Peer>() == 8);
};
