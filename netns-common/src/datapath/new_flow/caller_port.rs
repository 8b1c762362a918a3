//! The port by which the target of a forward sees its caller. It is the caller's own, unless the
//! target already has a connection with that address and port through another port of the host.
//! Then another port replaces it, as with netfilter, because the target could not distinguish the
//! two connections.

use crate::{
    abi::{DropReason, FlowKey, InsideKey, Port, Stage},
    datapath::{
        conntrack::record::forget,
        context::{packet_context::PacketContext, verdict::Outcome},
        new_flow::port_search::Sequence,
        packet::{access::Packet, rewrite::FAST_PATH},
        tables::{flow_table::FlowRef, kernel::Tables},
        verifier::verifier_barrier,
    },
};

/// How many attempts a search makes, the caller's own port first.
const TRIES: u32 = Stage::Dnat.runs();

const _: () = assert!(Stage::HairpinTarget.runs() == TRIES);

/// How many ports each later attempt checks.
const PORTS_OF_ATTEMPT: u32 = 12;

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// The port of this attempt for the connection `key` to the forward; `None` if all ports that
    /// it checks are taken.
    #[inline(always)]
    pub(crate) fn find_caller_port(&mut self, key: &FlowKey) -> Option<Port> {
        self.handoff.caller_port = Port::ZERO;
        if self.handoff.attempt == 0 {
            if !self.is_caller_port_taken(key) {
                self.handoff.caller_port = key.remote_port;
            }
        } else {
            self.search_caller_port(key);
        }
        // The verifier merges both paths here.
        let found = verifier_barrier(&self.handoff.caller_port);
        (found != Port::ZERO).then_some(found)
    }

    /// Makes the next attempt in another run of the stage.
    #[inline(always)]
    pub(crate) fn try_another_caller_port(&mut self, stage: Stage, reason: DropReason) -> Outcome {
        self.handoff.attempt += 1;
        if self.handoff.attempt < TRIES {
            Outcome::Continue(stage)
        } else {
            Outcome::Decided(self.drop(reason))
        }
    }

    /// The connection of the forward's target with a port of the caller's address.
    #[inline(always)]
    fn caller_inside_key(&self, key: &FlowKey, seen_port: Port) -> InsideKey {
        let target = &self.handoff.forward;
        InsideKey::new(target.address, target.port, key.remote, seen_port, key.protocol)
    }

    /// Whether the target has another connection with the caller's own port.
    #[inline(always)]
    fn is_caller_port_taken(&self, key: &FlowKey) -> bool {
        let inside = self.caller_inside_key(key, key.remote_port);
        if self
            .tables
            .flow_with_kept_port(&inside)
            .is_some_and(|flow| self.is_live_rival(key, &flow))
        {
            return true;
        }
        self.tables
            .flow_with_translated_port(&inside)
            .is_some_and(|flow| self.is_live_rival(key, &flow))
    }

    /// Whether a record is a current connection of the target other than the new one. A record that
    /// gives way to the new one is removed, because the target's answers can belong to only one of
    /// them.
    #[inline(always)]
    fn is_live_rival<F: FlowRef>(&self, key: &FlowKey, flow: &F) -> bool {
        let (version, other) = (flow.version(), flow.key());
        if other == *key {
            return false;
        }
        // Inlined, because little stack is left here.
        let is_over = self.is_flow_over::<FAST_PATH>(flow, true);
        if is_over {
            forget(self.tables, &other, flow, version);
        }
        !is_over
    }

    /// Searches the ports of an attempt for a free one, and writes it to the hand-off.
    #[inline(always)]
    fn search_caller_port(&mut self, key: &FlowKey) {
        let attempt = self.handoff.attempt;
        let target = self.handoff.forward;
        let sequence = Sequence::towards(
            self.settings,
            self.headers,
            target.address,
            target.port,
            attempt as u8,
        );
        for number in 0..PORTS_OF_ATTEMPT {
            // As in the search for an external port.
            if verifier_barrier(&self.handoff.caller_port) != Port::ZERO {
                continue;
            }
            let port = sequence.port(number);
            let inside = self.caller_inside_key(key, port);
            let tables = self.tables;
            // Another CPU may have just recorded the same connection for another packet.
            let is_free_of =
                |found: Option<T::FlowRef<'_>>| found.is_none_or(|flow| flow.key() == *key);
            if is_free_of(tables.flow_with_kept_port(&inside))
                && is_free_of(tables.flow_with_translated_port(&inside))
            {
                self.handoff.caller_port = port;
            }
        }
    }
}
