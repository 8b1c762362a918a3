//! Look-ups in the kernel's routing table for the datapath.

use aya_ebpf::{
    EbpfContext as _,
    bindings::{
        BPF_FIB_LKUP_RET_FRAG_NEEDED, BPF_FIB_LKUP_RET_NO_NEIGH, BPF_FIB_LKUP_RET_NOT_FWDED,
        BPF_FIB_LKUP_RET_SUCCESS, BPF_FIB_LOOKUP_SKIP_NEIGH, BPF_FIB_LOOKUP_SRC,
        bpf_fib_lookup as FibLookup,
    },
    helpers::generated::bpf_fib_lookup,
    programs::TcContext,
};
use netns_common::{
    abi::Ip4,
    datapath::{Route, RouteOutcome, RouteQuery},
};

use crate::{
    maps,
    tables::{AF_INET, KernelTables, length_of},
};

/// `BPF_FIB_LOOKUP_MARK` of linux/bpf.h: kernel 6.10.
const FIB_LOOKUP_MARK: u32 = 1 << 5;

impl KernelTables<&TcContext> {
    /// Asks with source selection (kernel 6.7) and without the neighbour, which the redirect
    /// resolves; a total length of 0, because a GSO packet is longer than any MTU.
    #[inline(never)]
    pub(crate) fn look_up_route(&self, of: &RouteQuery, link: u32, flags: u32) -> Route {
        const NO_ANSWER: Route = Route {
            outcome: RouteOutcome::Refused,
            egress: 0,
            next_hop: Ip4::UNSPECIFIED,
            source: Ip4::UNSPECIFIED,
        };
        let Some(query) = maps::FIB_LOOKUP.get_ptr_mut(0) else { return NO_ANSWER };
        // SAFETY: the slot is this CPU's own, and a program at these hooks is done with it before
        // another begins. All zeroes is a valid value of this C structure.
        let query = unsafe {
            *query = core::mem::zeroed();
            &mut *query
        };
        let mut flags = flags;
        query.family = AF_INET;
        query.ifindex = link;
        query.l4_protocol = of.protocol;
        query.sport = of.source_port.to_network();
        query.dport = of.destination_port.to_network();
        query.__bindgen_anon_2.tos = of.tos;
        query.__bindgen_anon_3.ipv4_src = of.source.to_network();
        query.__bindgen_anon_4.ipv4_dst = of.destination.to_network();
        let knows_marks =
            || maps::SETTINGS.get(0).is_some_and(|settings| settings.route_marks != 0);
        if of.mark != 0 && knows_marks() {
            // In the place of the Ethernet addresses, which are an answer only.
            let [a, b, c, d] = of.mark.to_ne_bytes();
            query.smac = [a, b, c, d, 0, 0];
            flags |= FIB_LOOKUP_MARK;
        }
        // SAFETY: the structure lives for the duration of the call.
        let code = unsafe {
            bpf_fib_lookup(
                self.ctx().as_ptr(),
                query,
                length_of::<FibLookup>(),
                BPF_FIB_LOOKUP_SRC | BPF_FIB_LOOKUP_SKIP_NEIGH | flags,
            )
        };
        let outcome = match u32::try_from(code) {
            // The next hop of an IPv4 route may be an IPv6 one (RFC 5549), which is not ours.
            // Too large for that link is the caller's to judge, who may ask for another packet.
            Ok(
                BPF_FIB_LKUP_RET_SUCCESS | BPF_FIB_LKUP_RET_NO_NEIGH | BPF_FIB_LKUP_RET_FRAG_NEEDED,
            ) if query.family == AF_INET => RouteOutcome::Forward,
            Ok(BPF_FIB_LKUP_RET_NOT_FWDED) => RouteOutcome::Local,
            _ => RouteOutcome::Refused,
        };
        Route {
            outcome,
            egress: query.ifindex,
            // SAFETY: the family is IPv4, so the kernel wrote the IPv4 members.
            next_hop: Ip4::from_network(unsafe { query.__bindgen_anon_4.ipv4_dst }),
            // SAFETY: as above.
            source: Ip4::from_network(unsafe { query.__bindgen_anon_3.ipv4_src }),
        }
    }
}
