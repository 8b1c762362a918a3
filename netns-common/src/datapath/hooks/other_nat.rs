//! Connections of other NATs on the machine, such as those of Docker, libvirt and podman. They
//! leave by an uplink with an address of the router.
//!
//! They are recorded, so that no connection of the lab gets their port, and so that their answers
//! are recognised. If a connection of the lab has the port already, the new one gets another
//! external port, as it would if netfilter had made both.

use crate::{
    abi::{Direction, FlowKind, Masquerade, NO_RULE, Port, Stage},
    datapath::{
        conntrack::{idle::is_expired, quota, record::record},
        context::{
            packet_context::PacketContext,
            pending::ParkedExit,
            verdict::{Exit, Outcome, Verdict},
        },
        packet::{
            access::Packet,
            headers::Kind,
            rewrite::{SLOW_PATH, Translation},
        },
        tables::{flow_table::FlowRef, kernel::Tables},
    },
};

const PASS: Outcome = Outcome::Decided(Verdict::Pass);

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// Whether a record is a current connection of another NAT.
    #[inline(always)]
    fn is_flow_of_other_nat<F: FlowRef>(&self, flow: &F, from_initiator: bool) -> bool {
        flow.kind == FlowKind::OtherNat as u8
            && !self.is_flow_over::<SLOW_PATH>(flow, from_initiator)
    }

    /// Handles a packet that leaves with an address of the router, and comes neither from a socket
    /// of the host nor from the lab.
    #[inline(always)]
    pub(crate) fn other_nat_out(&mut self) -> Outcome {
        self.handoff.eviction.is_done = false;
        let headers = self.headers;
        let tables = self.tables;
        match headers.kind {
            // The error may quote a packet that came in by another port.
            Kind::IcmpError => return Outcome::Continue(Stage::OwnError),
            Kind::Query => {}
            kind if kind.has_ports() => {}
            _ => return PASS,
        }
        let key = headers.outbound_key(headers.source);
        let mut is_taken = false;
        if let Some(flow) = tables.flow(&key) {
            if !flow.is_port_translated() && self.is_flow_of_other_nat(&flow, true) {
                self.update_flow::<_, SLOW_PATH>(&flow, Direction::Out);
                return PASS;
            }
            // A SYN of another NAT does not show that the recorded connection is over.
            is_taken = flow.is_port_translated() || flow.kind != FlowKind::OtherNat as u8;
            is_taken = is_taken && !is_expired(&flow, self.settings, self.now);
        }
        if let Some(flow) = tables.flow_with_translated_port(&headers.inside_key())
            && self.is_flow_of_other_nat(&flow, true)
        {
            self.update_flow::<_, SLOW_PATH>(&flow, Direction::Out);
            let to = Translation {
                source: headers.source,
                source_port: flow.external_port,
                destination: headers.destination,
                destination_port: headers.destination_port,
                mac: None,
            };
            return self.rewrite_by_stage(&to, ParkedExit::NONE, NO_RULE, false);
        }
        // The remote knows an open connection by its port, so another port would break it.
        let is_open = headers.kind.is_tcp() && !headers.is_syn();
        if is_taken && is_open || !quota::has_room_for_other_nat(tables, self.settings, self.now) {
            return self.pass_unrecorded();
        }
        self.begin_draft(FlowKind::OtherNat);
        let draft = &mut self.handoff.draft;
        draft.inside = headers.source;
        draft.inside_port = headers.source_port;
        draft.seen_port = headers.destination_port;
        draft.external = headers.source;
        if is_taken {
            // No rule applies, so the flow has no mapping.
            self.handoff.masquerade = Masquerade::default();
            let stage =
                if self.settings.mappings == 0 { Stage::AllocatePort } else { Stage::AllocateEim };
            return self.start_allocation(stage, Exit::Onward, Port::ZERO);
        }
        match record(tables, self.settings, &key, &self.handoff.draft) {
            Ok(()) => PASS,
            Err(_) => self.pass_unrecorded(),
        }
    }

    /// Handles an answer: it passes to the stack, where the other NAT translates it.
    #[inline(always)]
    pub(crate) fn other_nat_in(&mut self) -> Outcome {
        let headers = self.headers;
        let key = headers.inbound_key();
        let Some(flow) =
            self.tables.flow(&key).filter(|flow| self.is_flow_of_other_nat(flow, false))
        else {
            return Outcome::Continue(Stage::InboundBegin);
        };
        let (is_port_translated, port) = (flow.is_port_translated(), flow.inside_port);
        if !flow.was_of(&key) {
            return Outcome::Continue(Stage::InboundBegin);
        }
        self.update_flow::<_, SLOW_PATH>(&flow, Direction::In);
        if !is_port_translated {
            return self.record_passed_fragment(PASS);
        }
        let to = Translation {
            source: headers.source,
            source_port: headers.source_port,
            destination: headers.destination,
            destination_port: port,
            mac: None,
        };
        self.rewrite_by_stage(&to, ParkedExit::NONE, NO_RULE, false)
    }
}
