//! Socket hooks: the host's own connections to a forwarded port.

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_get_netns_cookie, bpf_get_socket_cookie},
    macros::cgroup_sock_addr,
    programs::SockAddrContext,
};
use netns_common::{
    abi::{Forward, ForwardKey, HostPeerKey, Ip4, Peer, Port},
    datapath::{self, HostSockets},
};

use crate::{maps, tables::count};

/// The hook lets the system call go on.
const PROCEED: i32 = 1;

struct KernelSockets;

impl HostSockets for KernelSockets {
    #[inline(always)]
    fn forward(&self, key: &ForwardKey) -> Option<Forward> {
        // SAFETY: the value is copied before anything else can happen to it.
        unsafe { maps::FORWARDS.get(key) }.copied()
    }

    #[inline(always)]
    fn is_host_address(&self, address: Ip4) -> bool {
        maps::HOST_ADDRESSES.get_ptr(address).is_some()
    }

    #[inline(always)]
    fn remember_peer(&self, key: &HostPeerKey, peer: &Peer) {
        // Without the entry the connection works, and shows the target as its peer.
        let _ = maps::HOST_PEERS.insert(key, peer, 0);
    }
}

#[cgroup_sock_addr(connect4)]
pub(crate) fn host_connect(ctx: SockAddrContext) -> i32 {
    towards_forward(&ctx, true)
}

#[cgroup_sock_addr(sendmsg4)]
pub(crate) fn host_sendmsg(ctx: SockAddrContext) -> i32 {
    towards_forward(&ctx, false)
}

#[cgroup_sock_addr(recvmsg4)]
pub(crate) fn host_recvmsg(ctx: SockAddrContext) -> i32 {
    restore_peer(&ctx)
}

#[cgroup_sock_addr(getpeername4)]
pub(crate) fn host_peername(ctx: SockAddrContext) -> i32 {
    restore_peer(&ctx)
}

/// Whether the socket is in the router's namespace: the hooks see every process.
#[inline(always)]
fn is_on_router(ctx: &SockAddrContext) -> bool {
    // SAFETY: the context is the one the kernel passed.
    let cookie = unsafe { bpf_get_netns_cookie(ctx.as_ptr()) };
    maps::SETTINGS.get(0).is_some_and(|settings| settings.router_cookie == cookie)
}

#[inline(always)]
fn towards_forward(ctx: &SockAddrContext, new_flow: bool) -> i32 {
    if !is_on_router(ctx) {
        return PROCEED;
    }
    let address = ctx.sock_addr;
    // SAFETY: the context is the one the kernel passed, and these fields may be read and
    // written at these hooks.
    unsafe {
        let peer = Peer::new(
            Ip4::from_network((*address).user_ip4),
            Port::from_network((*address).user_port as u16),
        );
        let socket = bpf_get_socket_cookie(ctx.as_ptr());
        let protocol = (*address).protocol as u8;
        if let Some(forward) = host_connect_target(socket, protocol, peer) {
            (*address).user_ip4 = forward.target.to_network();
            (*address).user_port = u32::from(forward.target_port.to_network());
            count(&maps::RULE_COUNTERS, u32::from(forward.rule), new_flow, 0);
        }
    }
    PROCEED
}

#[inline(always)]
fn host_connect_target(socket: u64, protocol: u8, peer: Peer) -> Option<Forward> {
    datapath::host_connect(&KernelSockets, socket, protocol, peer)
}

/// Shows the address that the program called, instead of the target.
#[inline(always)]
fn restore_peer(ctx: &SockAddrContext) -> i32 {
    if !is_on_router(ctx) {
        return PROCEED;
    }
    let address = ctx.sock_addr;
    // SAFETY: as in `towards_forward`.
    unsafe {
        let key = HostPeerKey {
            socket: bpf_get_socket_cookie(ctx.as_ptr()),
            target: Ip4::from_network((*address).user_ip4),
            target_port: Port::from_network((*address).user_port as u16),
            padding: [0; 2],
        };
        if let Some(peer) = maps::HOST_PEERS.get(key) {
            (*address).user_ip4 = peer.address.to_network();
            (*address).user_port = u32::from(peer.port.to_network());
        }
    }
    PROCEED
}
