//! How many records of the flow table each link uses. The quotas keep one namespace from using the
//! room of the others (RFC 6888 REQ-4).
//!
//! A flow counts for the link by which its first packet came in. The counts change when a record is
//! made, when it is answered for the first time and when it is removed, so never for a packet of an
//! established flow. The sweeper visits every record anyway and corrects the counts, such as after
//! a record was removed from outside the programs.

use crate::{
    abi::{
        Addition, DropReason, FlowHead, FlowKind, FlowState, Load, OTHER_NATS, Protocol,
        SPARED_PART, Settings, Tick, WHOLE_TABLE,
    },
    datapath::tables::{flow_table::UsageTable, kernel::Tables},
};

/// The share of the quotas that one record uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaCharge {
    /// Index of the link that the record counts for; 0: none.
    pub link: u32,
    /// For how many records it counts; 0: none.
    pub records: u32,
    /// Whether the flow is unanswered: only its initiator has sent so far. Any packet of the other
    /// end is an answer; otherwise a connection that its own end resets would count as answered. A
    /// TCP connection from outside is answered when it is open, and any other flow from outside
    /// when its caller sends again: a forged source receives answers too, but sends nothing more.
    pub is_unreplied: bool,
    /// Whether the outside began it.
    pub is_call: bool,
}

impl QuotaCharge {
    /// The share of the quotas that a record of the table uses.
    #[inline(always)]
    pub const fn of(flow: &FlowHead) -> Self {
        const MASQUERADE: u8 = FlowKind::Masquerade as u8;
        const HAIRPIN: u8 = FlowKind::Hairpin as u8;
        const OTHER_NAT: u8 = FlowKind::OtherNat as u8;
        let (link, records, is_unreplied) = match flow.kind {
            MASQUERADE => (flow.cable, 1, flow.packets_in == 0),
            // The record of the other end follows and counts for this one too.
            HAIRPIN => (flow.cable, 2, flow.packets_in == 0),
            // The other NAT has limits of its own for unanswered flows.
            OTHER_NAT => (OTHER_NATS, 1, false),
            kind if FlowKind::is_begun_outside(kind) && flow.egress != 0 => {
                let is_unreplied = if flow.protocol == Protocol::Tcp as u8 {
                    FlowState::from_number(flow.state).is_half_open()
                } else {
                    flow.packets_out == 0 || flow.packets_in < 2
                };
                (flow.egress, 1, is_unreplied)
            }
            _ => (0, 0, true),
        };
        Self { link, records, is_unreplied, is_call: FlowKind::is_begun_outside(flow.kind) }
    }

    /// Whether a packet that leads to `state` is the first answer to the flow.
    #[inline(always)]
    fn is_settled_by(self, flow: &FlowHead, state: FlowState, from_initiator: bool) -> bool {
        if !self.is_call {
            return !from_initiator;
        }
        if state.is_of_tcp() {
            return !state.is_half_open();
        }
        // This packet answers it.
        let (from_caller, from_target) = if from_initiator {
            (flow.packets_in >= 1, flow.packets_out >= 1)
        } else {
            (flow.packets_in >= 2, true)
        };
        from_caller && from_target
    }

    /// Unanswered flows from outside have a share of their own, so in the counts of the whole table
    /// they are answered from the start.
    #[inline(always)]
    fn add<T: UsageTable>(self, tables: &T, addition: Addition) {
        if self.records == 0 {
            return;
        }
        tables.add_usage(self.link, addition);
        let settled = if self.is_call { addition.begun } else { addition.settled };
        let of_all = Addition { settled, ..addition };
        if of_all != Addition::default() {
            tables.add_usage(WHOLE_TABLE, of_all);
        }
    }

    /// Counts a record that was made.
    #[inline(always)]
    pub(crate) fn begin<T: UsageTable>(self, tables: &T) {
        let settled = if self.is_unreplied { 0 } else { self.records };
        self.add(tables, Addition { begun: self.records, settled, ended: 0 });
    }

    /// Counts a record that was removed.
    #[inline(always)]
    pub(crate) fn end<T: UsageTable>(self, tables: &T) {
        let settled = if self.is_unreplied { self.records } else { 0 };
        self.add(tables, Addition { settled, ended: self.records, ..Addition::default() });
    }
}

/// Counts the answer to a flow, if a packet that leads to `state` is its first answer.
#[inline(always)]
pub fn settle<T: UsageTable>(tables: &T, flow: &FlowHead, state: FlowState, from_initiator: bool) {
    let charge = QuotaCharge::of(flow);
    if charge.is_unreplied && charge.is_settled_by(flow, state, from_initiator) {
        let settled = charge.records;
        charge.add(tables, Addition { settled, ..Addition::default() });
    }
}

/// Whether no flow may begin, since the flow table is being copied.
#[inline(always)]
pub(crate) const fn is_paused(settings: &Settings, now: Tick) -> bool {
    // Most tables have never been paused. A time more than half the range of a tick ahead is in the
    // past.
    settings.paused_until != 0 && settings.paused_until.wrapping_sub(now) < Tick::MAX / 2
}

/// Whether one more flow of another NAT may be recorded.
#[inline(always)]
pub(crate) fn has_room_for_other_nat<T: UsageTable>(
    tables: &T,
    settings: &Settings,
    now: Tick,
) -> bool {
    let Load { flows, .. } = tables.load(OTHER_NATS);
    !is_paused(settings, now) && flows < u64::from(settings.limits.other_nats)
}

/// The side that begins a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BegunBy {
    Inside,
    /// The outside: half-open flows of an uplink have a share of their own.
    Outside,
}

/// Why one more flow that came in by `link` may not begin.
#[inline(always)]
pub(crate) fn refusal<T: Tables>(
    tables: &T,
    settings: &Settings,
    now: Tick,
    link: u32,
    by: BegunBy,
) -> Option<DropReason> {
    if is_paused(settings, now) {
        return Some(DropReason::Resizing);
    }
    let limits = &settings.limits;
    let own = tables.bridge_port(link).map_or(0, |port| port.quota);
    let quota = if own == 0 { limits.quota } else { own };
    let Load { flows, unreplied } = tables.load(link);
    if flows >= u64::from(quota) {
        return Some(DropReason::Quota);
    }
    let most = if by == BegunBy::Outside { limits.half_open } else { limits.unreplied };
    if unreplied >= u64::from(most) {
        return Some(DropReason::UnrepliedQuota);
    }
    if by == BegunBy::Outside {
        return None;
    }
    let is_spared = unreplied < u64::from(limits.unreplied / SPARED_PART);
    if is_spared || tables.load(WHOLE_TABLE).unreplied < u64::from(limits.unreplied_share) {
        return None;
    }
    Some(DropReason::UnrepliedShare)
}
