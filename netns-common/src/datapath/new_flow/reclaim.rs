//! Reclaiming ports: when every external port towards a remote is taken, the oldest closed or
//! unanswered connection of a sample gives way. An established one never does.

use crate::datapath::tables::flow_table::FlowRef as _;
use crate::{
    abi::{DropReason, Flow, Port, Stage},
    datapath::{
        conntrack::{
            idle::idle_if_reclaimable,
            record::{forget, record},
        },
        context::{packet_context::PacketContext, verdict::Outcome},
        new_flow::port_search::{Forwarded, Sequence, is_available},
        packet::access::Packet,
        tables::{
            flow_table::{InsertError, Newcomer},
            kernel::Tables,
        },
        verifier::verifier_barrier,
    },
};

/// How many attempts the stage makes, each with a sample of its own.
const TRIES: u32 = Stage::Reclaim.runs();

/// How many connections a sample has.
const SAMPLE: u32 = 14;

/// The number of the first walk through the ports that no other search uses.
const WALKS: u8 = 200;

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// [`Stage::Reclaim`].
    #[inline(always)]
    pub(crate) fn reclaim(&mut self) -> Outcome {
        self.sample_reclaimable();
        let port = verifier_barrier(&self.handoff.external_port);
        if port == Port::ZERO {
            return self.retry_reclaim();
        }
        let PacketContext { tables, settings, headers, .. } = *self;
        let mut key = headers.outbound_key(self.handoff.draft.external);
        key.external_port = port;
        if let Some(old) = tables.flow(&key) {
            let version = old.version();
            if idle_if_reclaimable(&old, self.newcomer()).is_none() {
                return self.retry_reclaim();
            }
            forget(tables, &key, &old, version);
        }
        match record(tables, settings, &key, &self.handoff.draft) {
            Ok(()) => self.send_first_packet(port),
            Err(InsertError::Exists) => self.retry_reclaim(),
            Err(InsertError::Full) => self.give_up_allocation(DropReason::TableFull),
        }
    }

    #[inline(always)]
    fn retry_reclaim(&mut self) -> Outcome {
        self.handoff.attempt += 1;
        if self.handoff.attempt < TRIES {
            return Outcome::Continue(Stage::Reclaim);
        }
        self.give_up_allocation(DropReason::PortsExhausted)
    }

    /// Writes the port of the sampled connection that has been over for longest, or a port that has
    /// become free, to the hand-off; [`Port::ZERO`] if there is none.
    #[inline(always)]
    fn sample_reclaimable(&mut self) {
        self.handoff.external_port = Port::ZERO;
        self.handoff.longest = 0;
        let PacketContext { tables, settings, headers, .. } = *self;
        let (remote, remote_port) = (headers.destination, headers.destination_port);
        let walk = WALKS + self.handoff.attempt as u8;
        let sequence = Sequence::towards(settings, headers, remote, remote_port, walk);
        let mut key = headers.outbound_key(self.handoff.draft.external);
        for number in 0..SAMPLE {
            key.external_port = sequence.port(number);
            let idle = tables.reclaimable(&key, self.newcomer());
            if idle > verifier_barrier(&self.handoff.longest)
                && is_available(tables, &key, &self.handoff.draft, Forwarded::Nobody)
            {
                self.handoff.longest = idle;
                self.handoff.external_port = key.external_port;
            }
        }
    }

    #[inline(always)]
    fn newcomer(&self) -> Newcomer {
        let Flow { tail, .. } = &self.handoff.draft;
        let sequence = self.headers.kind.is_tcp().then_some(tail.sequences.inside.sequence);
        Newcomer { now: self.now, sequence }
    }
}
