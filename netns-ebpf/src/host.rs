//! Socket hooks: the host's own connections to a forwarded port.

use aya_ebpf::{
    EbpfContext as _,
    bindings::bpf_sock_addr,
    helpers::generated::{bpf_get_netns_cookie, bpf_get_socket_cookie},
    macros::cgroup_sock_addr,
    programs::SockAddrContext,
};
use netns_common::{
    abi::{HostPeerKey, Ip4, Peer, Port},
    datapath::{self, HostSockets},
};

use crate::{
    maps,
    tables::{KernelTables, count},
};

/// The third word of an IPv4 address that is written as an IPv6 one.
const MAPPED_PREFIX: u32 = 0xffff_u32.to_be();

/// The hook lets the system call go on.
const PROCEED: i32 = 1;

impl HostSockets for KernelTables<()> {
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
    towards_forward(&ctx, Family::Inet, true)
}

#[cgroup_sock_addr(sendmsg4)]
pub(crate) fn host_sendmsg(ctx: SockAddrContext) -> i32 {
    towards_forward(&ctx, Family::Inet, false)
}

#[cgroup_sock_addr(recvmsg4)]
pub(crate) fn host_recvmsg(ctx: SockAddrContext) -> i32 {
    restore_peer(&ctx, Family::Inet)
}

#[cgroup_sock_addr(getpeername4)]
pub(crate) fn host_peername(ctx: SockAddrContext) -> i32 {
    restore_peer(&ctx, Family::Inet)
}

#[cgroup_sock_addr(connect6)]
pub(crate) fn host_connect6(ctx: SockAddrContext) -> i32 {
    towards_forward(&ctx, Family::Mapped, true)
}

#[cgroup_sock_addr(recvmsg6)]
pub(crate) fn host_recvmsg6(ctx: SockAddrContext) -> i32 {
    restore_peer(&ctx, Family::Mapped)
}

#[cgroup_sock_addr(getpeername6)]
pub(crate) fn host_peername6(ctx: SockAddrContext) -> i32 {
    restore_peer(&ctx, Family::Mapped)
}

/// How a socket writes an IPv4 address.
#[derive(Clone, Copy)]
enum Family {
    Inet,
    /// As an IPv6 address, `::ffff:a.b.c.d` (RFC 4291 section 2.5.5.2). When such a socket
    /// sends without being connected, the kernel calls the hook of IPv4.
    Mapped,
}

impl Family {
    /// The address in the context; `None` for one that is IPv6 for good.
    ///
    /// # Safety
    /// The context is the one that the kernel passed to a hook of this family.
    #[inline(always)]
    unsafe fn read(self, address: *const bpf_sock_addr) -> Option<Peer> {
        // SAFETY: as the caller says; these fields may be read at these hooks.
        unsafe {
            let word = match self {
                Self::Inet => (*address).user_ip4,
                Self::Mapped => {
                    let ip6 = &raw const (*address).user_ip6;
                    let is_mapped = (*ip6)[0] == 0 && (*ip6)[1] == 0 && (*ip6)[2] == MAPPED_PREFIX;
                    if !is_mapped {
                        return None;
                    }
                    (*ip6)[3]
                }
            };
            let port = Port::from_network((*address).user_port as u16);
            Some(Peer::new(Ip4::from_network(word), port))
        }
    }

    /// Writes an address into the context.
    ///
    /// # Safety
    /// As for [`Self::read`]; and the address there is one that this family can write.
    #[inline(always)]
    unsafe fn write(self, address: *mut bpf_sock_addr, peer: Peer) {
        // SAFETY: as the caller says; these fields may be written at these hooks.
        unsafe {
            match self {
                Self::Inet => (*address).user_ip4 = peer.address.to_network(),
                Self::Mapped => (*address).user_ip6[3] = peer.address.to_network(),
            }
            (*address).user_port = u32::from(peer.port.to_network());
        }
    }
}

/// Whether the socket is in the router's namespace: the hooks see every process.
#[inline(always)]
fn is_on_router(ctx: &SockAddrContext) -> bool {
    // SAFETY: the context is the one the kernel passed.
    let cookie = unsafe { bpf_get_netns_cookie(ctx.as_ptr()) };
    maps::SETTINGS.get(0).is_some_and(|settings| settings.router_cookie == cookie)
}

#[inline(always)]
fn towards_forward(ctx: &SockAddrContext, family: Family, new_flow: bool) -> i32 {
    if !is_on_router(ctx) {
        return PROCEED;
    }
    let address = ctx.sock_addr;
    // SAFETY: the context is the one the kernel passed, to a hook of this family.
    unsafe {
        let Some(peer) = family.read(address) else { return PROCEED };
        let socket = bpf_get_socket_cookie(ctx.as_ptr());
        let protocol = (*address).protocol as u8;
        if let Some(target) = datapath::host_connect(&KernelTables::new(()), socket, protocol, peer)
        {
            family.write(address, Peer::new(target.address, target.port));
            count(&maps::RULE_COUNTERS, u32::from(target.rule), new_flow, 0);
        }
    }
    PROCEED
}

/// Shows the address that the program called, instead of the target.
#[inline(always)]
fn restore_peer(ctx: &SockAddrContext, family: Family) -> i32 {
    if !is_on_router(ctx) {
        return PROCEED;
    }
    let address = ctx.sock_addr;
    // SAFETY: as in `towards_forward`.
    unsafe {
        let Some(target) = family.read(address) else { return PROCEED };
        let key = HostPeerKey {
            socket: bpf_get_socket_cookie(ctx.as_ptr()),
            target: target.address,
            target_port: target.port,
            padding: [0; 2],
        };
        if let Some(peer) = maps::HOST_PEERS.get(key) {
            family.write(address, *peer);
        }
    }
    PROCEED
}
