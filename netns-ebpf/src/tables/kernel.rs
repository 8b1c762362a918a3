//! The lab's settings, the kernel's routes, sockets and bridge ports, and the counters.

use aya_ebpf::{
    EbpfContext as _,
    bindings::{
        BPF_FIB_LOOKUP_OUTPUT, bpf_sock_tuple, bpf_sock_tuple__bindgen_ty_1,
        bpf_sock_tuple__bindgen_ty_1__bindgen_ty_1,
    },
    helpers::generated::{
        bpf_sk_lookup_tcp, bpf_sk_lookup_udp, bpf_sk_release, bpf_spin_lock, bpf_spin_unlock,
    },
    maps::lpm_trie::Key,
    programs::TcContext,
};
use netns_common::{
    abi::{
        BridgePort, DropReason, Endpoint, FlowKey, HostAddress, HostCallKey, Ip4, Limited,
        LinkRole, Masquerade, MasqueradeKey, NO_RULE, Protocol, RuleId, Settings, Tick,
    },
    datapath::{HostSocket, PortQuery, PortState, Route, RouteQuery, Tables, has_sockets},
};

use super::{CURRENT_NETNS, KernelTables, count, host_address, host_call};
use crate::{global, maps, port_state, racy::racy};

/// `TCP_LISTEN` of net/tcp_states.h.
const TCP_LISTEN: u32 = 10;

impl Tables for KernelTables<&TcContext> {
    #[inline(always)]
    fn is_port_free(&self, key: &FlowKey, even_forwarded: bool) -> bool {
        global::port_is_free(key, u32::from(even_forwarded)) != 0
    }

    #[inline(always)]
    fn settings(&self) -> Option<&Settings> {
        maps::SETTINGS.get(0)
    }

    #[inline(always)]
    fn masquerade(&self, uplink: u32, source: Ip4) -> Option<Masquerade> {
        let key = MasqueradeKey { uplink, source };
        maps::MASQUERADES.get(Key::new(MasqueradeKey::UPLINK_BITS + 32, key)).copied()
    }

    #[inline(always)]
    fn endpoint(&self, address: Ip4) -> Option<Endpoint> {
        // SAFETY: copied at once, so a later change of the map does not matter.
        unsafe { maps::ENDPOINTS.get(address) }.copied()
    }

    #[inline(always)]
    fn bridge_port(&self, link: u32) -> Option<BridgePort> {
        // SAFETY: copied at once, as above.
        unsafe { maps::BRIDGE_PORTS.get(link) }.copied()
    }

    #[inline(always)]
    fn sender_state(&self, link: u32) -> PortState {
        port_state::of_sender(self.ctx, link)
    }

    #[inline(always)]
    fn receiver_state(&self, link: u32) -> PortState {
        port_state::of_receiver(link)
    }

    #[inline(always)]
    fn is_host_address(&self, address: Ip4) -> bool {
        host_address(address) == HostAddress::Own as u32
    }

    #[inline(always)]
    fn link_of_address(&self, address: Ip4) -> u32 {
        // SAFETY: copied at once, as above.
        unsafe { maps::HOST_ADDRESSES.get(address) }.map_or(0, |of_link| of_link.link)
    }

    #[inline(always)]
    fn is_broadcast_address(&self, address: Ip4) -> bool {
        host_address(address) == HostAddress::Broadcast as u32
    }

    #[inline(always)]
    fn link_role(&self, link: u32) -> Option<LinkRole> {
        // SAFETY: copied at once, as above.
        unsafe { maps::LINK_ROLES.get(link) }.and_then(|role| LinkRole::from_number(*role))
    }

    #[inline(always)]
    fn is_noted_link(&self, link: u32) -> bool {
        maps::LAB_LINKS
            .get(link / u64::BITS)
            .is_some_and(|word| word >> (link % u64::BITS) & 1 != 0)
    }

    #[inline(always)]
    fn note_link(&self, link: u32) {
        if let Some(word) = maps::LAB_LINKS.get_ptr_mut(link / u64::BITS) {
            // A bit that another CPU sets at the same instant may be lost: the link's next packet
            // sets it.
            let word = racy!(*word);
            word.set(word.get() | 1 << (link % u64::BITS));
        }
    }

    #[inline(always)]
    fn is_external(&self, address: Ip4) -> bool {
        maps::EXTERNALS.get_ptr(address).is_some()
    }

    #[inline(always)]
    fn add_external(&self, address: Ip4) {
        // If the map is full, packets with the address are dropped at the uplink and counted.
        let _ = maps::EXTERNALS.insert(address, 1, 0);
    }

    #[inline(always)]
    fn is_routed(&self, uplink: u32, source: Ip4) -> bool {
        let key = MasqueradeKey { uplink, source };
        maps::ROUTED.get(Key::new(MasqueradeKey::UPLINK_BITS + 32, key)).is_some()
    }

    #[inline(always)]
    fn route(&self, query: &RouteQuery, link: u32) -> Route {
        self.look_up_route(query, link, 0)
    }

    #[inline(always)]
    fn route_by(&self, query: &RouteQuery, egress: u32) -> Route {
        self.look_up_route(query, egress, BPF_FIB_LOOKUP_OUTPUT)
    }

    #[inline(always)]
    fn host_call(&self, key: &HostCallKey) -> Option<Tick> {
        host_call(key)
    }

    #[inline(always)]
    fn host_socket(&self, port: &PortQuery) -> HostSocket {
        if !has_sockets(port.protocol) {
            return HostSocket::None;
        }
        let mut tuple = bpf_sock_tuple {
            __bindgen_anon_1: bpf_sock_tuple__bindgen_ty_1 {
                ipv4: bpf_sock_tuple__bindgen_ty_1__bindgen_ty_1 {
                    saddr: port.remote.to_network(),
                    daddr: port.external.to_network(),
                    sport: port.remote_port.to_network(),
                    dport: port.external_port.to_network(),
                },
            },
        };
        let size = size_of::<bpf_sock_tuple__bindgen_ty_1__bindgen_ty_1>() as u32;
        let ctx = self.ctx.as_ptr();
        let is_tcp = port.protocol == Protocol::Tcp.number();
        // SAFETY: the tuple lives for the duration of the call, and a socket that was found
        // is read before it is released.
        unsafe {
            let socket = if is_tcp {
                bpf_sk_lookup_tcp(ctx, &mut tuple, size, CURRENT_NETNS, 0)
            } else {
                bpf_sk_lookup_udp(ctx, &mut tuple, size, CURRENT_NETNS, 0)
            };
            if socket.is_null() {
                return HostSocket::None;
            }
            let is_connected =
                if is_tcp { (*socket).state != TCP_LISTEN } else { (*socket).dst_port != 0 };
            bpf_sk_release(socket.cast());
            if is_connected { HostSocket::Connected } else { HostSocket::Listening }
        }
    }

    #[inline(always)]
    fn take_allowance(&self, kind: Limited, now: Tick) -> bool {
        let Some(bucket) = maps::ICMP_LIMITS.get_ptr_mut(kind as u32) else { return false };
        // SAFETY: as in `count`.
        unsafe { (*bucket).take(now) }
    }

    #[inline(always)]
    fn take_ids(&self, counter: u32, count: u32) -> u32 {
        let Some(ids) = maps::IP_IDS.get_ptr_mut(counter) else { return 0 };
        // SAFETY: a look-up gave the pointer, the lock lies where the kernel knows it to be, and
        // nothing is called while it is held.
        unsafe {
            bpf_spin_lock(&raw mut (*ids).lock);
            let before = (*ids).taken;
            (*ids).taken = before.wrapping_add(count);
            bpf_spin_unlock(&raw mut (*ids).lock);
            before
        }
    }

    #[inline(always)]
    fn count_rule(&self, rule: RuleId, new_flow: bool, bytes: u32) {
        if rule != NO_RULE {
            count(&maps::RULE_COUNTERS, u32::from(rule), new_flow, bytes);
        }
    }

    #[inline(always)]
    fn count_drop(&self, reason: DropReason, bytes: u32) {
        count(&maps::DROP_COUNTERS, reason as u32, false, bytes);
    }
}
