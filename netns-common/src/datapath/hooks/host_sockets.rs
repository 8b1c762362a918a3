//! The host's own connections to a forwarded port, rewritten at the socket. This has no cost per
//! packet, and 127.0.0.1 works without `route_localnet`.

use crate::{
    abi::{HostCallKey, HostPeerKey, Ip4, Peer, Port, Protocol, Tick},
    datapath::{
        conntrack::idle::is_recent,
        rules::forward,
        tables::forward_table::{ForwardTable, Target},
    },
};

const LOCALHOST: Ip4 = Ip4::new(127, 0, 0, 1);

/// How often the record of a socket's datagrams to one remote is refreshed, in ticks: about once a
/// second.
const NOTED_ANEW: Tick = 8;

/// The maps that the socket hooks use.
pub trait HostSockets: ForwardTable {
    /// Whether the address is one of the router's own.
    fn is_host_address(&self, address: Ip4) -> bool;
    fn remember_peer(&self, key: &HostPeerKey, peer: &Peer);
    /// The time when a socket of the host last sent a datagram whose answer has this key.
    fn host_call(&self, key: &HostCallKey) -> Option<Tick>;
    fn note_host_call(&self, key: &HostCallKey, now: Tick);
    /// Whether a UDP socket of the host at `own` is connected to `remote`.
    fn is_connected(&self, own: Peer, remote: Peer) -> bool;
}

/// A socket of the host that connects or sends.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// `bpf_get_socket_cookie`.
    pub cookie: u64,
    pub protocol: u8,
    /// The address and port that it is bound to. An unspecified address: any; port 0: not bound
    /// yet.
    pub own: Peer,
}

/// The target of a connection or datagram of the host to `peer`, if the port is forwarded.
///
/// Its source counts as the called address, which the kernel chooses for a connection to the host
/// itself. An answer to another socket of the host is never redirected.
#[inline(always)]
pub fn connect<S: HostSockets>(
    sockets: &S,
    caller: &Caller,
    peer: Peer,
    now: Tick,
) -> Option<Target> {
    const UDP: u8 = Protocol::Udp as u8;
    // A connection to the unspecified address is one to the host itself.
    let called = if peer.address == Ip4::UNSPECIFIED { LOCALHOST } else { peer.address };
    if caller.protocol == UDP
        && is_answer(sockets, caller.own, Peer { address: called, ..peer }, now)
    {
        return None;
    }
    // Among the loopback addresses, a forward for any address takes only 127.0.0.1: others, such as
    // 127.0.0.53, have services of their own.
    let for_any = called == LOCALHOST || sockets.is_host_address(called);
    let target = forward::find(sockets, caller.protocol, called, called, peer.port, for_any);
    if caller.protocol == UDP && caller.own.port != Port::ZERO {
        let remote = target.map_or((called, peer.port), |target| (target.address, target.port));
        note_call(sockets, remote, caller.own.port, now);
    }
    let target = target?;
    let key = HostPeerKey {
        socket: caller.cookie,
        target: target.address,
        target_port: target.port,
        padding: [0; 2],
    };
    sockets.remember_peer(&key, &peer);
    Some(target)
}

/// Whether a socket at `own` answers another socket of the host at `peer`, which is connected to it
/// or has sent to it.
#[inline(always)]
fn is_answer<S: HostSockets>(sockets: &S, own: Peer, peer: Peer, now: Tick) -> bool {
    if own.port == Port::ZERO {
        return false;
    }
    // Between two sockets of the host, both ends have the called address.
    let address = if own.address == Ip4::UNSPECIFIED { peer.address } else { own.address };
    let own = Peer { address, ..own };
    let key = HostCallKey::new(own.address, own.port, peer.port, Protocol::Udp.number());
    sockets.host_call(&key).is_some_and(|at| is_recent(at, now)) || sockets.is_connected(peer, own)
}

/// Records that a datagram was sent from a port of the host.
#[inline(always)]
fn note_call<S: HostSockets>(sockets: &S, remote: (Ip4, Port), own: Port, now: Tick) {
    let key = HostCallKey::new(remote.0, remote.1, own, Protocol::Udp.number());
    let is_noted = sockets.host_call(&key).is_some_and(|at| now.wrapping_sub(at) < NOTED_ANEW);
    if !is_noted {
        sockets.note_host_call(&key, now);
    }
}
