//! The host's own connections to a forwarded port, rewritten at the socket.

use super::{Ip4, Port};

/// A socket of the host and the target that its peer was rewritten to.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct HostPeerKey {
    /// `bpf_get_socket_cookie`: unique as long as the machine runs.
    pub socket: u64,
    pub target: Ip4,
    pub target_port: Port,
    pub padding: [u8; 2],
}

/// An address and port, as the program on the host named them.
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
    assert!(size_of::<Peer>() == 8);
};
