//! Eviction: when a share of the flow table, or the whole table, is used up, a record makes room.
//! The stage examines a sample of records, and evicts the closed or unanswered one that was idle
//! for longest. An established connection is never evicted.
//!
//! So forged SYNs evict the half-open connections of other forged SYNs. The connection of a real
//! caller is open long before it is the oldest of a sample.

use crate::datapath::tables::flow_table::FlowRef as _;
use crate::{
    abi::{DropReason, FlowKind, SAMPLE, Stage, WHOLE_TABLE},
    datapath::{
        conntrack::{idle::idle_if_evictable, record::forget},
        context::{packet_context::PacketContext, pending::Eviction, verdict::Outcome},
        new_flow::port_search::Sequence,
        packet::access::Packet,
        tables::{flow_table::Evictable, kernel::Tables},
        verifier::verifier_barrier,
    },
};

/// 2³² by the golden ratio: steps of that length spread any number of places evenly over the table.
const GOLDEN: u32 = 0x9e37_79b9;

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// Evicts a record if a new flow cannot begin for this `reason`, and then runs `stage` again.
    /// `None` if an eviction does not help, or if this packet had one already.
    #[inline(always)]
    pub(crate) fn make_room(
        &mut self,
        reason: DropReason,
        link: u32,
        stage: Stage,
    ) -> Option<Outcome> {
        let (link, is_unreplied) = match reason {
            DropReason::TableFull => (WHOLE_TABLE, false),
            DropReason::Quota => (link, false),
            // This also applies if all links together reach a limit: no link may evict records of
            // others.
            DropReason::UnrepliedQuota | DropReason::UnrepliedShare => (link, true),
            _ => return None,
        };
        if self.settings.limits.sample == 0 || self.handoff.eviction.is_done {
            return None;
        }
        self.handoff.eviction =
            Eviction { wanted: Evictable { link, is_unreplied }, stage, ..Eviction::NONE };
        Some(Outcome::Continue(Stage::Evict))
    }

    /// [`Stage::Evict`].
    #[inline(always)]
    pub(crate) fn evict(&mut self) -> Outcome {
        self.handoff.eviction.is_done = true;
        self.sample_evictable();
        if verifier_barrier(&self.handoff.eviction.longest) != 0 {
            self.forget_sampled();
        }
        // Even if none was found, there may be room by now; otherwise that stage refuses the flow.
        Outcome::Continue(verifier_barrier(&self.handoff.eviction.stage))
    }

    /// Writes the place of the longest idle record of a sample that may be evicted to the hand-off.
    #[inline(always)]
    fn sample_evictable(&mut self) {
        let PacketContext { tables, settings, headers, .. } = *self;
        // The seed keeps the places secret, and each repetition of a packet samples others.
        let begin = Sequence::new(settings, headers).place(self.now);
        for number in 0..SAMPLE {
            if number >= settings.limits.sample {
                continue;
            }
            let place = begin.wrapping_add(GOLDEN.wrapping_mul(number));
            let idle = tables.evictable(settings, place, self.handoff.eviction.wanted, self.now);
            if idle > verifier_barrier(&self.handoff.eviction.longest) {
                self.handoff.eviction.longest = idle;
                self.handoff.eviction.place = place;
            }
        }
    }

    /// Removes the record that was found, if it may still be evicted.
    #[inline(always)]
    fn forget_sampled(&self) {
        let tables = self.tables;
        let place = verifier_barrier(&self.handoff.eviction.place);
        let Some(flow) = tables.sampled_flow(place) else { return };
        let (version, key) = (flow.version(), flow.key());
        let wanted = self.handoff.eviction.wanted;
        if idle_if_evictable(&flow, self.settings, wanted, self.now) == 0 {
            return;
        }
        tables.count_drop(DropReason::Evicted, self.headers.bytes);
        if flow.kind == FlowKind::Hairpin as u8 {
            // The record of the other end is useless without this one.
            let key = flow.hairpin_peer_key();
            if let Some(other) = tables.flow(&key) {
                forget(tables, &key, &other, other.version());
            }
        }
        forget(tables, &key, &flow, version);
    }
}
