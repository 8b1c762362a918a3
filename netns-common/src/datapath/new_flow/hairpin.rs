//! Hairpin connections: from one namespace to a forward or mapping of another. Both ends see the
//! called address of the host (RFC 4787 REQ-9, RFC 5382 REQ-8).

use crate::{
    abi::{Direction, DropReason, FlowKey, FlowKind, FlowRecord, Ip4, Port, Stage},
    datapath::{
        conntrack::{
            quota::{self, BegunBy},
            record::record,
        },
        context::{
            known_flow::KnownFlow,
            packet_context::PacketContext,
            pending::ParkedExit,
            verdict::{Exit, Outcome},
        },
        new_flow::{eim, port_search::claim_mapped},
        packet::{
            access::Packet,
            headers::source_mac,
            rewrite::{FAST_PATH, SLOW_PATH, Translation},
        },
        rules::forward,
        tables::{
            flow_table::{FlowRef, InsertError},
            kernel::Tables,
        },
    },
};

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// Forwards a packet of a hairpin connection: the record of the sender translates it outbound,
    /// and that of the receiver inbound (RFC 4787 REQ-9).
    #[inline(always)]
    pub(crate) fn forward_hairpin_flow<F: FlowRef, const PATH: bool>(
        &mut self,
        flow: &F,
    ) -> KnownFlow {
        let headers = self.headers;
        let tables = self.tables;
        let other_key = flow.hairpin_peer_key();
        let Some(other) = tables.flow(&other_key) else { return KnownFlow::Miss };
        if self.is_flow_over::<PATH>(&other, FlowKind::is_begun_outside(other.kind)) {
            return KnownFlow::Miss;
        }
        if headers.ttl <= 1 {
            let outcome = self.refuse(DropReason::TtlExceeded);
            return self.known(outcome);
        }
        if self.is_size_refused(other.cable) {
            let outcome = self.refuse_size(other.cable);
            return self.known(outcome);
        }
        if PATH == FAST_PATH && !self.is_steady(&other, Direction::In) {
            return self.next(Stage::OutboundSlow);
        }
        self.update_flow::<_, PATH>(flow, Direction::Out);
        self.update_flow::<_, PATH>(&other, Direction::In);
        let to = Translation {
            source: flow.external,
            source_port: other.seen_port,
            destination: other.inside,
            destination_port: other.inside_port,
            mac: Some(other.inside_mac),
        };
        let cable = other.cable;
        if !other.was_of(&other_key) {
            return KnownFlow::Miss;
        }
        if PATH == FAST_PATH {
            (self.handoff.exit_link, self.handoff.exit_next_hop) = (cable, Ip4::UNSPECIFIED);
        }
        let exit = Exit::Peer { cable };
        self.rewrite_known::<PATH>(&to, exit, flow.rule)
    }

    /// [`Stage::HairpinForward`].
    #[inline(always)]
    pub(crate) fn hairpin_forward(&mut self) -> Outcome {
        self.handoff.eviction.is_done = false;
        let (tables, key) = (self.tables, self.headers.inside_key());
        let kept = tables.flow_with_kept_port(&key).filter(|flow| self.is_hairpin(flow));
        let found = match kept {
            Some(flow) => Some(flow),
            None => tables.flow_with_translated_port(&key).filter(|flow| self.is_hairpin(flow)),
        };
        // Another CPU may have just removed it.
        let Some(flow) = found else { return Outcome::Continue(Stage::OutboundBegin) };
        let known = self.forward_hairpin_flow::<_, SLOW_PATH>(&flow);
        self.finish_or(known, Stage::OutboundBegin)
    }

    /// Whether a record belongs to the packet's hairpin connection.
    #[inline(always)]
    fn is_hairpin(&self, flow: &FlowRecord) -> bool {
        let begun_inside = !FlowKind::is_begun_outside(flow.kind);
        flow.egress == 0
            && flow.cable == self.packet.link()
            && !self.is_flow_over::<SLOW_PATH>(flow, begun_inside)
    }

    /// Begins a hairpin connection with the record of the caller. Each end has a record, whose
    /// remote is the called address of the host.
    #[inline(always)]
    pub(crate) fn hairpin_caller(&mut self) -> Outcome {
        let headers = self.headers;
        let tables = self.tables;
        let forward = self.handoff.forward;
        let Some(target) = tables.endpoint(forward.address) else {
            return Outcome::Decided(self.drop(DropReason::NoRoute));
        };
        let Some(mac) = source_mac(self.packet) else {
            return Outcome::Decided(self.drop(DropReason::Malformed));
        };
        if headers.ttl <= 1 {
            return self.refuse(DropReason::TtlExceeded);
        }
        if self.is_size_refused(target.cable) {
            return self.refuse_size(target.cable);
        }
        let link = self.packet.link();
        if let Some(reason) =
            quota::refusal(self.tables, self.settings, self.now, link, BegunBy::Inside)
        {
            return self
                .make_room(reason, link, Stage::HairpinCaller)
                .unwrap_or_else(|| self.refuse(reason));
        }
        self.begin_draft(FlowKind::Hairpin);
        let flow = &mut self.handoff.draft;
        flow.inside = headers.source;
        flow.inside_port = headers.source_port;
        flow.seen_port = headers.destination_port;
        flow.inside_mac = mac;
        flow.external = headers.destination;
        flow.cable = link;
        flow.rule = forward.rule;
        let standing = match self.settings.mappings {
            0 => None,
            _ => eim::of_inside(tables, headers.destination, headers, self.now),
        };
        let Some(mapping) = standing else {
            let published =
                forward::published(tables, headers.protocol, headers.source, headers.source_port)
                    .map_or(Port::ZERO, |published| published.port);
            // A namespace may call itself by the port that publishes it. That connection has two
            // records, which must have different ports.
            let port = if published == headers.destination_port { Port::ZERO } else { published };
            let exit = Exit::Peer { cable: target.cable };
            return self.start_allocation(Stage::AllocatePort, exit, port);
        };
        // The port that publishes the caller to all others (RFC 4787 REQ-9a).
        match claim_mapped(tables, self.settings, headers, flow, &mapping) {
            Ok(port) => {
                self.handoff.external_port = port;
                self.handoff.attempt = 0;
                Outcome::Continue(Stage::HairpinTarget)
            }
            Err(reason) => self.refuse(reason),
        }
    }

    /// Adds the record of the target once the caller has a port.
    #[inline(always)]
    pub(crate) fn hairpin_target(&mut self) -> Outcome {
        let headers = self.headers;
        let tables = self.tables;
        let forward = self.handoff.forward;
        let caller_port = self.handoff.external_port;
        let Some(target) = tables.endpoint(forward.address) else {
            return Outcome::Decided(self.drop(DropReason::NoRoute));
        };
        let key = FlowKey::new(
            headers.destination,
            caller_port,
            headers.destination,
            headers.destination_port,
            headers.protocol,
        );
        let Some(seen_port) = self.find_caller_port(&key) else {
            return self.try_another_caller_port(Stage::HairpinTarget, DropReason::PortsExhausted);
        };
        // The other end's record.
        let kind = self.handoff.called_kind();
        self.begin_draft(kind);
        let flow = &mut self.handoff.draft;
        flow.inside = forward.address;
        flow.inside_port = forward.port;
        flow.seen_port = seen_port;
        flow.inside_mac = target.mac;
        flow.external = headers.destination;
        flow.cable = target.cable;
        flow.rule = forward.rule;
        // If this fails, the caller's record stays until it expires, and the caller's next packet
        // tries again.
        match record(tables, self.settings, &key, &self.handoff.draft) {
            Ok(()) => {}
            Err(InsertError::Exists) => return self.refuse(DropReason::PortsExhausted),
            Err(InsertError::Full) => {
                let reason = DropReason::TableFull;
                return self
                    .make_room(reason, 0, Stage::HairpinTarget)
                    .unwrap_or_else(|| self.refuse(reason));
            }
        }
        let to = Translation {
            source: headers.destination,
            source_port: seen_port,
            destination: forward.address,
            destination_port: forward.port,
            mac: Some(target.mac),
        };
        let exit = ParkedExit::park(Exit::Peer { cable: target.cable });
        self.rewrite_by_stage(&to, exit, forward.rule, true)
    }
}
