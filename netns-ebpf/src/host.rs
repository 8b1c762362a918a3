//! Socket hooks: the host's own connections to a forwarded port.

use aya_ebpf::{
    EbpfContext as _,
    bindings::{
        bpf_sock_addr, bpf_sock_tuple, bpf_sock_tuple__bindgen_ty_1,
        bpf_sock_tuple__bindgen_ty_1__bindgen_ty_1,
    },
    helpers::generated::{
        bpf_get_netns_cookie, bpf_get_socket_cookie, bpf_sk_lookup_udp, bpf_sk_release,
    },
    macros::cgroup_sock_addr,
    programs::SockAddrContext,
};
use netns_common::{
    abi::{HostAddress, HostCallKey, HostPeerKey, Ip4, Peer, Port, Tick},
    datapath::{self, Caller, HostSockets},
};

use crate::{
    maps,
    tables::{self, KernelTables, count},
};

/// The third word of an IPv4-mapped IPv6 address.
const MAPPED_PREFIX: u32 = 0xffff_u32.to_be();

/// The return value that permits the system call.
const PROCEED: i32 = 1;

impl HostSockets for KernelTables<&SockAddrContext> {
    #[inline(always)]
    fn is_host_address(&self, address: Ip4) -> bool {
        tables::host_address(address) == HostAddress::Own as u32
    }

    #[inline(always)]
    fn remember_peer(&self, key: &HostPeerKey, peer: &Peer) {
        // Without the entry the connection works, and shows the target as its peer.
        let _ = maps::HOST_PEERS.insert(key, peer, 0);
    }

    #[inline(always)]
    fn host_call(&self, key: &HostCallKey) -> Option<Tick> {
        tables::host_call(key)
    }

    #[inline(always)]
    fn note_host_call(&self, key: &HostCallKey, now: Tick) {
        // Without the entry an answer may be taken for a call to a forward of its port.
        let _ = maps::HOST_CALLS.insert(key, now, 0);
    }

    #[inline(always)]
    fn is_connected(&self, own: Peer, remote: Peer) -> bool {
        let mut tuple = bpf_sock_tuple {
            __bindgen_anon_1: bpf_sock_tuple__bindgen_ty_1 {
                ipv4: bpf_sock_tuple__bindgen_ty_1__bindgen_ty_1 {
                    saddr: remote.address.to_network(),
                    daddr: own.address.to_network(),
                    sport: remote.port.to_network(),
                    dport: own.port.to_network(),
                },
            },
        };
        let size = size_of::<bpf_sock_tuple__bindgen_ty_1__bindgen_ty_1>() as u32;
        // SAFETY: the tuple lives for the duration of the call, and a socket that was found is read
        // before it is released.
        unsafe {
            let socket =
                bpf_sk_lookup_udp(self.ctx().as_ptr(), &mut tuple, size, tables::CURRENT_NETNS, 0);
            if socket.is_null() {
                return false;
            }
            let is_connected = (*socket).dst_port != 0;
            bpf_sk_release(socket.cast());
            is_connected
        }
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

/// How a socket represents an IPv4 address.
#[derive(Clone, Copy)]
enum Family {
    Inet,
    /// As an IPv6 address, `::ffff:a.b.c.d` (RFC 4291 section 2.5.5.2). When such a socket
    /// sends without being connected, the kernel calls the hook of IPv4.
    Mapped,
}

impl Family {
    /// The address in the context; `None` for a real IPv6 address.
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

/// The address and port that the socket of a context is bound to.
///
/// # Safety
/// The context is the one that the kernel passed.
#[inline(always)]
unsafe fn own_end(address: *const bpf_sock_addr) -> Peer {
    // SAFETY: as the caller says; the kernel gives each such context its socket.
    unsafe {
        let socket = (*address).__bindgen_anon_1.sk;
        if socket.is_null() {
            return Peer::new(Ip4::UNSPECIFIED, Port::ZERO);
        }
        // The kernel's own number of the port is in native order (linux/bpf.h).
        let port = Port::new((*socket).src_port as u16);
        Peer::new(Ip4::from_network((*socket).src_ip4), port)
    }
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
        let caller = Caller {
            cookie: bpf_get_socket_cookie(ctx.as_ptr()),
            protocol: (*address).protocol as u8,
            own: own_end(address),
        };
        let tables = KernelTables::new(ctx);
        if let Some(target) = datapath::host_connect(&tables, &caller, peer, tables::now()) {
            family.write(address, Peer::new(target.address, target.port));
            count(&maps::RULE_COUNTERS, u32::from(target.rule), new_flow, 0);
        }
    }
    PROCEED
}

/// Shows the program the address that it called, instead of the target.
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
