//! The memory that passes results from one program of a packet to the next.

use crate::{
    abi::{Flow, FlowKind, Fragment, Ip4, Masquerade, Port, Stage, Tick},
    datapath::{
        context::{
            pending::{Eviction, ParkedExit, PendingErrorRewrite, PendingRewrite},
            verdict::Exit,
        },
        packet::headers::Headers,
        tables::{
            forward_table::{Published, Target},
            kernel::PortState,
        },
    },
};

/// Memory outside the stack for one packet at a time.
///
/// The verifier does not know its content. So a stage that reads the headers from here is verified
/// once, not once for each path that leads to it. It also relieves the stack, which has 512 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Scratch {
    /// Written by the entry programs before they go on with a stage.
    pub(crate) headers: Headers,
    pub(crate) handoff: Handoff,
}

/// The results of one program that a later one needs.
///
/// Each field says who writes and who reads it. The entry programs clear `is_for_host` and
/// `is_stale`; every other field is written before it is read.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handoff {
    /// The record of a new flow. Written by the stages that begin one, read by those that give it a
    /// port and insert it.
    pub(crate) draft: Flow,
    /// The target of the forward or mapping that the packet is for. Written by the begin stages and
    /// by `eif_admit`, read by `dnat`, `hairpin_caller` and `hairpin_target`.
    pub(crate) forward: Target,
    /// The masquerade rule for the packet's source. Written by `begin_masqueraded` and
    /// `other_nat_out`, read by `allocate_eim`.
    pub(crate) masquerade: Masquerade,
    /// The port that the packet's sender is published by. Written with the draft, read by
    /// `allocate_port` and `allocate_eim`.
    pub(crate) published: Published,
    /// The number of attempts so far. Cleared by the stage that goes on with a repeating one;
    /// counted by the repeating stages: `allocate_port`, `allocate_eim`, `reclaim`, `dnat`,
    /// `hairpin_target`.
    pub(crate) attempt: u32,
    /// An external port: the one that a search has found, or that a new flow was recorded under.
    /// Written by the allocate stages, `reclaim` and `hairpin_caller`, read by them and by
    /// `hairpin_target`.
    pub(crate) external_port: Port,
    /// The longest idle time in a sample. Written and read within `reclaim`.
    pub(crate) longest: Tick,
    /// The port by which a forward's target knows its caller. Written and read within `dnat` and
    /// `hairpin_target`.
    pub(crate) caller_port: Port,
    /// The note about the datagram that the packet is a fragment of. Written and read by whichever
    /// program puts it into the fragment table.
    pub(crate) fragment: Fragment,
    /// The exit of a new flow's first packet. Written before the allocate stages, read after them.
    pub(crate) exit: ParkedExit,
    /// The stage that the packet of a known flow is left to. Written by the flow's forwarding, read
    /// by the program that looked the flow up.
    pub(crate) next: Stage,
    /// The number of the reason that such a packet is dropped for. Written and read as `next`.
    pub(crate) dropped: u32,
    /// The link and the next hop by which a packet leaves that the fast path has rewritten. The
    /// next hop is unspecified where the packet enters a namespace; the link is 0 where it goes
    /// onward. Written and read as `next`.
    pub(crate) exit_link: u32,
    pub(crate) exit_next_hop: Ip4,
    /// The exit of a packet whose segment size may be clamped. Written by whoever goes on with
    /// `mss_clamp`, which reads it.
    pub(crate) clamp_exit: ParkedExit,
    /// The offset of the TCP option that `mss_clamp` reads next. Written and read there.
    pub(crate) tcp_option: u8,
    /// The state of the bridge port that a namespace's packet came by. Written by `from_namespace`,
    /// read by its stages.
    pub(crate) port_state: PortState,
    /// Whether the routing table says that the packet is for the host itself. Written by
    /// `outbound_begin`, read by `outbound_error` and `eif_admit`.
    pub(crate) is_for_host: bool,
    /// Whether `forward` is the target of a mapping. Written with it, read by the stages that
    /// insert the record.
    pub(crate) is_admitted: bool,
    /// Whether the packet's record no longer stands, because its flow must leave with another
    /// address. Written by `follow_route`, read by the begin stages, which remove the record.
    pub(crate) is_stale: bool,
    /// `last_seen` of that record when it was judged. Written and read with `is_stale`.
    pub(crate) stale_last_seen: Tick,
    /// The quoted packet and the translation of an ICMP error. Written by the error stages, read by
    /// `rewrite_quote`.
    pub(crate) error_rewrite: PendingErrorRewrite,
    /// The translation of the packet. Written by whoever goes on with `first_fragment` or
    /// `translate`, which read it.
    pub(crate) pending_rewrite: PendingRewrite,
    /// The search for a record that makes room. Written by whoever goes on with `evict`, which
    /// reads it.
    pub(crate) eviction: Eviction,
    /// The drop reason for the ICMP error to the sender. Written by whoever goes on with
    /// `send_icmp_error`, which reads it.
    pub(crate) refusal: Refusal,
}

impl Handoff {
    /// Sets the exit of a new flow's first packet.
    #[inline(always)]
    pub(crate) fn set_exit(&mut self, exit: Exit) {
        self.exit = ParkedExit::park(exit);
    }

    /// The kind of a flow that the outside, or another namespace, begins.
    #[inline(always)]
    pub(crate) const fn called_kind(&self) -> FlowKind {
        if self.is_admitted { FlowKind::Admitted } else { FlowKind::Forward }
    }
}

/// The reason for a drop, for the ICMP error to the sender.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal {
    /// The number of a [`DropReason`](crate::abi::DropReason).
    pub(crate) reason: u32,
    /// The largest packet that would have passed, in bytes of IP; 0 if the size is not the reason.
    pub(crate) mtu: u32,
    pub(crate) at: RefusedAt,
}

/// Where a packet is dropped.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefusedAt {
    /// At its ingress link.
    Ingress = 0,
    /// At the egress of an uplink, after the stack has forwarded it.
    Egress = 1,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            headers: Headers::EMPTY,
            handoff: Handoff {
                draft: Flow::default(),
                forward: Target::default(),
                masquerade: Masquerade::default(),
                published: Published::NONE,
                attempt: 0,
                external_port: Port::ZERO,
                longest: 0,
                caller_port: Port::ZERO,
                fragment: Fragment::default(),
                exit: ParkedExit::NONE,
                next: Stage::SendIcmpError,
                dropped: 0,
                exit_link: 0,
                exit_next_hop: Ip4::UNSPECIFIED,
                clamp_exit: ParkedExit::NONE,
                tcp_option: 0,
                port_state: PortState::Open,
                is_for_host: false,
                is_admitted: false,
                is_stale: false,
                stale_last_seen: 0,
                error_rewrite: PendingErrorRewrite::NONE,
                pending_rewrite: PendingRewrite::NONE,
                eviction: Eviction::NONE,
                refusal: Refusal { reason: 0, mtu: 0, at: RefusedAt::Ingress },
            },
        }
    }
}
