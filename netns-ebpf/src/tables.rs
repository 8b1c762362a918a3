//! The maps and the kernel's own tables, as the datapath asks for them.

use aya_ebpf::{
    EbpfContext as _,
    bindings::{
        BPF_FIB_LOOKUP_OUTPUT, bpf_sock_tuple, bpf_sock_tuple__bindgen_ty_1,
        bpf_sock_tuple__bindgen_ty_1__bindgen_ty_1,
    },
    helpers::generated::{
        bpf_ktime_get_coarse_ns, bpf_sk_lookup_tcp, bpf_sk_lookup_udp, bpf_sk_release,
        bpf_spin_lock, bpf_spin_unlock,
    },
    maps::{PerCpuArray, lpm_trie::Key},
    programs::TcContext,
};
use netns_common::{
    abi::{
        BridgePort, Counter, DropReason, Endpoint, Flow, FlowKey, FlowRecord, Fragment,
        FragmentBudget, HostAddress, HostCallKey, InsideKey, Ip4, Limited, LinkRole, Mapping,
        MappingKey, Masquerade, MasqueradeKey, NO_RULE, Protocol, RuleId, Settings, Tick, tick_of,
    },
    datapath::{
        Evictable, FlowRef, FlowTable, FragmentTable, HostSocket, InsertError, MappingTable,
        Naming, Newcomer, Observation, PortQuery, PortState, Route, RouteQuery, Scratch, Tables,
        Version, has_sockets,
    },
};

use crate::{
    flow_table::{self, FlowPointer},
    global, maps, port_state,
};

/// `AF_INET` of linux/socket.h.
pub(crate) const AF_INET: u8 = 2;

/// `BPF_F_CURRENT_NETNS`: sockets of the namespace that the packet is in.
pub(crate) const CURRENT_NETNS: u64 = u64::MAX;

/// `TCP_LISTEN` of net/tcp_states.h.
const TCP_LISTEN: u32 = 10;

/// The clock of flows: coarse, because it is read for every packet. Kernel 5.11.
#[inline(always)]
pub(crate) fn now() -> Tick {
    // SAFETY: takes nothing.
    tick_of(unsafe { bpf_ktime_get_coarse_ns() })
}

/// This CPU's room for the packet that is being handled.
#[inline(always)]
pub(crate) fn scratch<'a>() -> Option<&'a mut Scratch> {
    // SAFETY: the slot is this CPU's own, and a program at these hooks is done with it before
    // another begins.
    maps::SCRATCH.get_ptr_mut(0).map(|slot| unsafe { &mut *slot })
}

/// What an address is to the router: a [`HostAddress`], or 0 for one that its links do not have.
#[inline(always)]
pub(crate) fn host_address(address: Ip4) -> u32 {
    // SAFETY: copied at once.
    unsafe { maps::HOST_ADDRESSES.get(address) }.map_or(0, |of_link| of_link.kind)
}

/// When a socket of the host last sent a datagram whose answer has this key.
#[inline(always)]
pub(crate) fn host_call(key: &HostCallKey) -> Option<Tick> {
    // SAFETY: copied at once. An entry that is reused meanwhile gives another time, of a call as
    // well.
    unsafe { maps::HOST_CALLS.get(key) }.copied()
}

/// The tables, seen from one packet (`C` is its context) or from none (`C` is `()`).
pub(crate) struct KernelTables<C> {
    ctx: C,
}

impl<C> KernelTables<C> {
    #[inline(always)]
    pub(crate) const fn new(ctx: C) -> Self {
        Self { ctx }
    }
}

impl<'a, C> KernelTables<&'a C> {
    /// The context that they are seen from.
    #[inline(always)]
    pub(crate) const fn ctx(&self) -> &'a C {
        self.ctx
    }
}

impl<C> FlowTable for KernelTables<C> {
    type FlowRef<'a>
        = FlowPointer<'a>
    where
        Self: 'a;

    #[inline(always)]
    fn flow(&self, key: &FlowKey) -> Option<FlowPointer<'_>> {
        flow_of(flow_table::find_flow(key))
    }

    #[inline(always)]
    fn kept_flow(&self, key: &InsideKey) -> Option<FlowPointer<'_>> {
        flow_of(flow_table::find_kept(key))
    }

    #[inline(always)]
    fn moved_flow(&self, key: &InsideKey) -> Option<FlowPointer<'_>> {
        if maps::HAS_MOVED.get(0).is_none_or(|has| *has == 0) {
            return None;
        }
        flow_of(flow_table::find_moved(key))
    }

    #[inline(always)]
    fn sampled_flow(&self, place: u32) -> Option<FlowPointer<'_>> {
        flow_of(flow_table::taken_at(place))
    }

    #[inline(always)]
    fn evictable(&self, _: &Settings, place: u32, wanted: Evictable, now: Tick) -> Tick {
        global::evictable_at(place, wanted.link, u32::from(wanted.is_unreplied), now)
    }

    #[inline(always)]
    fn update_flow<F: FlowRef>(&self, flow: &F, packet: &Observation) {
        global::update_record(
            flow.version().number as u32,
            packet.to_word(),
            packet.now,
            packet.bytes,
        );
    }

    #[inline(always)]
    fn reclaimable(&self, key: &FlowKey, newcomer: Newcomer) -> Tick {
        let sequence = newcomer.sequence.map_or(global::NO_SEQUENCE, u32::from);
        global::reclaimable_after(key, newcomer.now, sequence)
    }

    #[inline(always)]
    fn insert_flow(&self, key: &FlowKey, flow: &Flow) -> Result<(), InsertError> {
        match flow_table::insert_flow(key, flow) {
            flow_table::DONE => Ok(()),
            flow_table::EXISTS => Err(InsertError::Exists),
            _ => Err(InsertError::Full),
        }
    }

    #[inline(always)]
    fn remove_flow(&self, key: &FlowKey, version: Version) -> bool {
        flow_table::remove_flow(key, version)
    }

    #[inline(always)]
    fn name_moved(
        &self,
        key: &InsideKey,
        flow: &FlowKey,
        naming: Naming,
    ) -> Result<(), InsertError> {
        if let Some(has) = maps::HAS_MOVED.get_ptr_mut(0) {
            // SAFETY: a look-up gave the pointer, and a word is written whole. It is never
            // cleared, so it does not matter who is first.
            unsafe { has.write_volatile(1) };
        }
        match flow_table::name_moved(key, flow, u32::from(naming == Naming::TakeOver)) {
            flow_table::DONE => Ok(()),
            flow_table::EXISTS => Err(InsertError::Exists),
            _ => Err(InsertError::Full),
        }
    }

    #[inline(always)]
    fn unname_moved(&self, key: &InsideKey, version: Version) {
        flow_table::remove_moved(key, version);
    }
}

/// The record of this number, as the datapath reads and writes it.
#[inline(always)]
pub(crate) fn flow_of<'a>(number: u32) -> Option<FlowPointer<'a>> {
    record(number).map(|record| FlowPointer::new(record, number))
}

/// The record of this number.
#[inline(always)]
pub(crate) fn record(number: u32) -> Option<*mut FlowRecord> {
    maps::FLOWS.get_ptr_mut(number)
}

impl<C> MappingTable for KernelTables<C> {
    #[inline(always)]
    fn mapping(&self, key: &MappingKey) -> Option<Mapping> {
        // SAFETY: copied at once, as above.
        unsafe { maps::MAPPINGS.get(key) }.copied()
    }

    #[inline(always)]
    fn insert_mapping(&self, key: &MappingKey, mapping: &Mapping) -> Result<(), InsertError> {
        maps::MAPPINGS.insert(key, mapping, 0).map_err(|_| InsertError::Full)
    }

    #[inline(always)]
    fn keep_mapping(&self, key: &MappingKey, now: Tick) {
        if let Some(mapping) = maps::MAPPINGS.get_ptr_mut(key) {
            // SAFETY: a look-up gave the pointer, and a word is written whole.
            unsafe { (&raw mut (*mapping).last_seen).write_volatile(now) };
        }
    }

    #[inline(always)]
    fn remove_mapping(&self, key: &MappingKey) {
        let _ = maps::MAPPINGS.remove(key);
    }
}

impl<C> FragmentTable for KernelTables<C> {
    type FragmentRef<'a>
        = &'a Fragment
    where
        Self: 'a;

    #[inline(always)]
    fn fragment(&self, place: u32) -> Option<&Fragment> {
        // SAFETY: the element stays readable until the program ends. Another CPU may put
        // another datagram there meanwhile: a fragment then goes astray as a lost one would.
        unsafe { maps::FRAGMENTS.get(place) }
    }

    #[inline(always)]
    fn set_fragment(&self, place: u32, fragment: &Fragment) {
        // Without memory the datagram is lost, as it may be anywhere.
        let _ = maps::FRAGMENTS.insert(place, fragment, 0);
    }

    #[inline(always)]
    fn fragment_budget(&self, group: u32) -> FragmentBudget {
        maps::FRAGMENT_BUDGETS.get(group).copied().unwrap_or_default()
    }

    #[inline(always)]
    fn set_fragment_budget(&self, group: u32, budget: &FragmentBudget) {
        if let Some(place) = maps::FRAGMENT_BUDGETS.get_ptr_mut(group) {
            // SAFETY: a look-up gave the pointer. Two CPUs that charge one group at the same
            // instant may lose a charge: it is an estimate, made anew with each period.
            unsafe { place.write_volatile(*budget) };
        }
    }
}

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
        // SAFETY: copied at once, as above.
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
            // SAFETY: a look-up gave the pointer, and a word is read and written whole. A bit that
            // another CPU sets at the same instant may be lost: the link's next packet sets it.
            unsafe { word.write_volatile(word.read_volatile() | 1 << (link % u64::BITS)) };
        }
    }

    #[inline(always)]
    fn is_external(&self, address: Ip4) -> bool {
        maps::EXTERNALS.get_ptr(address).is_some()
    }

    #[inline(always)]
    fn add_external(&self, address: Ip4) {
        // Where there is no room, the packets that bear it are dropped at the uplink and counted.
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

#[inline(always)]
pub(crate) fn count(counters: &PerCpuArray<Counter>, index: u32, new_flow: bool, bytes: u32) {
    if let Some(counter) = counters.get_ptr_mut(index) {
        // SAFETY: a look-up gave the pointer, and the slot is this CPU's own. Programs at tc
        // hooks do not interrupt each other; one at a socket hook may be interrupted by them,
        // which at worst loses a count.
        unsafe {
            (*counter).packets += 1;
            (*counter).bytes += u64::from(bytes);
            (*counter).flows += u64::from(new_flow);
        }
    }
}
