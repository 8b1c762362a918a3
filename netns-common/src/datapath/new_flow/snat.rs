//! SNAT: the first packet of a masqueraded flow leaves by an uplink.

use crate::{
    abi::{DropReason, Endpoint, FlowKind, Ip4, NO_RULE, Stage},
    datapath::{
        conntrack::quota::{self, BegunBy},
        context::{
            packet_context::PacketContext,
            verdict::{Exit, Outcome, Verdict},
        },
        icmp::mtu::FITS_EVERY_LINK,
        packet::{access::Packet, headers::Kind},
        rules::{
            forward,
            lab_border::{allow_external, is_routed},
            masquerade,
        },
        tables::{forward_table::Published, kernel::Tables, route::Route},
        verifier::verifier_barrier,
    },
};

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// Begins a masqueraded flow of the namespace at `end` towards an uplink.
    #[inline(always)]
    pub(crate) fn begin_masqueraded(
        &mut self,
        route: &Route,
        end: Endpoint,
        exit: Exit,
    ) -> Outcome {
        let headers = self.headers;
        let tables = self.tables;
        if is_routed(tables, self.settings, route.egress, headers.source) {
            // For every protocol: the stack routes the packet, and the egress guard permits it.
            return Outcome::Decided(Verdict::Pass);
        }
        self.handoff.masquerade = masquerade::find(tables, route.egress, headers.source);
        // Read back from memory, whose content the verifier does not know, so that it merges all
        // paths to a rule here.
        let rule = &self.handoff.masquerade;
        let (id, to) = (rule.rule, rule.to);
        if id == NO_RULE {
            return self.refuse_new_flow(DropReason::NoMasquerade, exit.skips_stack());
        }
        if masquerade::excludes(tables, rule, headers.destination) {
            return Outcome::Decided(Verdict::Pass);
        }
        let refusal = match headers.kind {
            Kind::LaterFragment => return Outcome::Decided(self.begin_reassembly()),
            Kind::Tcp if headers.begins_nothing() => Some(DropReason::NoFlow),
            Kind::Tcp | Kind::Udp | Kind::Sctp | Kind::Portless | Kind::Query => None,
            Kind::QueryReply | Kind::OtherIcmp => Some(DropReason::UnrelatedIcmp),
            Kind::IcmpError => return Outcome::Continue(Stage::OutboundError),
            Kind::Other => Some(DropReason::UnsupportedProtocol),
        };
        if let Some(reason) = refusal {
            return Outcome::Decided(self.drop(reason));
        }
        let may_be_too_large = exit.skips_stack() && headers.bytes > FITS_EVERY_LINK;
        if may_be_too_large && self.packet.exceeds_mtu(route.egress) {
            return Outcome::Decided(Verdict::Pass);
        }
        if let Some(reason) =
            quota::refusal(self.tables, self.settings, self.now, end.cable, BegunBy::Inside)
        {
            let stage = if exit.skips_stack() { Stage::OutboundBegin } else { Stage::EgressBegin };
            return self
                .make_room(reason, end.cable, stage)
                .unwrap_or_else(|| self.refuse_new_flow(reason, exit.skips_stack()));
        }
        // Read back from memory, as above.
        self.handoff.published =
            forward::published(tables, headers.protocol, headers.source, headers.source_port)
                .unwrap_or(Published::NONE);
        let published = verifier_barrier(&self.handoff.published);
        let external = masquerade::address(tables, self.settings, to, published.address, route);
        if external == Ip4::UNSPECIFIED || !allow_external(tables, self.settings, external) {
            return self.refuse_new_flow(DropReason::NoMasquerade, exit.skips_stack());
        }
        self.begin_draft(FlowKind::Masquerade);
        let flow = &mut self.handoff.draft;
        flow.inside = headers.source;
        flow.inside_port = headers.source_port;
        flow.seen_port = headers.destination_port;
        flow.tos = headers.tos;
        flow.inside_mac = end.mac;
        flow.external = external;
        flow.next_hop = route.next_hop;
        flow.egress = route.egress;
        flow.cable = end.cable;
        flow.rule = id;
        let is_mapped = self.settings.mappings != 0 && headers.kind != Kind::Portless;
        // This includes rules without mappings: their flows must not take the ports of mappings.
        let stage = if is_mapped { Stage::AllocateEim } else { Stage::AllocatePort };
        self.start_allocation(stage, exit, published.port)
    }
}
