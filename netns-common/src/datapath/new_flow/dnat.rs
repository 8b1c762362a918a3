//! DNAT: the first packet of a connection from outside to a forward or a mapping.

use crate::{
    abi::{DropReason, LinkRole, Stage},
    datapath::{
        conntrack::{
            quota::{self, BegunBy},
            record::record,
        },
        context::{
            packet_context::PacketContext,
            pending::ParkedExit,
            verdict::{Exit, Outcome},
        },
        icmp::mtu::{self, FITS_EVERY_LINK},
        packet::{access::Packet, rewrite::Translation},
        rules::lab_border::{allow_external, leads_inside},
        tables::{
            flow_table::InsertError,
            kernel::Tables,
            route::{RouteOutcome, RouteQuery},
        },
    },
};

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// Begins a flow to a forward's target.
    #[inline(always)]
    pub(crate) fn dnat(&mut self) -> Outcome {
        let headers = self.headers;
        let tables = self.tables;
        let forward = self.handoff.forward;
        let Some(target) = tables.endpoint(forward.address) else {
            return Outcome::Decided(self.drop(DropReason::NoRoute));
        };
        let (mut exit, mut mac) = self.inside_exit(target.cable, target.mac);
        if exit.skips_stack() {
            if headers.ttl <= 1 {
                return self.refuse(DropReason::TtlExceeded);
            }
            if headers.bytes > FITS_EVERY_LINK && self.packet.exceeds_mtu(target.cable) {
                if mtu::is_indivisible(self.packet) {
                    return self.refuse_size(target.cable);
                }
                // The stack fragments it.
                (exit, mac) = (Exit::Onward, None);
            }
        }
        let bridge = tables.bridge_port(target.cable).map_or(0, |port| port.bridge);
        let link = self.packet.link();
        // The route that an answer of the target would take by default.
        let query = RouteQuery {
            source: forward.address,
            destination: headers.source,
            source_port: forward.port,
            destination_port: headers.source_port,
            protocol: headers.protocol,
            ..RouteQuery::default()
        };
        let mut reply = tables.route(&query, bridge);
        // A routing rule for the target's address must not hide that the caller is inside.
        let is_led_inside = reply.outcome == RouteOutcome::Forward
            && tables.link_role(reply.egress) == Some(LinkRole::Lab);
        if is_led_inside || leads_inside(tables, headers.source, bridge) {
            return Outcome::Decided(self.drop(DropReason::InsideSource));
        }
        if reply.outcome != RouteOutcome::Forward || reply.egress != link {
            // The answer leaves by the uplink of the call, if there is a route by it for a packet
            // whose source is the called address.
            let (source, source_port) = (headers.destination, headers.destination_port);
            let by_same = tables.route_by(&RouteQuery { source, source_port, ..query }, link);
            if by_same.outcome == RouteOutcome::Forward {
                reply = by_same;
            }
        }
        if reply.outcome != RouteOutcome::Forward {
            // The source is a broadcast address, or unreachable.
            return Outcome::Decided(self.drop(DropReason::NoRoute));
        }
        // If the route back is not by an uplink, answers return to the ingress link.
        let (egress, next_hop) = if self.settings.is_uplink(reply.egress) {
            (reply.egress, reply.next_hop)
        } else {
            (link, headers.source)
        };
        if let Some(reason) =
            quota::refusal(self.tables, self.settings, self.now, egress, BegunBy::Outside)
        {
            return self
                .make_room(reason, egress, Stage::Dnat)
                .unwrap_or_else(|| Outcome::Decided(self.drop(reason)));
        }
        if !allow_external(tables, self.settings, headers.destination) {
            return Outcome::Decided(self.drop(DropReason::InsideDestination));
        }
        let kind = self.handoff.called_kind();
        self.begin_draft(kind);
        let flow = &mut self.handoff.draft;
        flow.inside = forward.address;
        flow.inside_port = forward.port;
        flow.inside_mac = target.mac;
        flow.external = headers.destination;
        flow.egress = egress;
        flow.next_hop = next_hop;
        flow.cable = target.cable;
        flow.rule = forward.rule;
        let key = headers.inbound_key();
        let Some(seen_port) = self.find_caller_port(&key) else {
            return self.try_another_caller_port(Stage::Dnat, DropReason::PortsExhausted);
        };
        self.handoff.draft.seen_port = seen_port;
        match record(tables, self.settings, &key, &self.handoff.draft) {
            Ok(()) => {}
            Err(InsertError::Exists) => {
                return Outcome::Decided(self.drop(DropReason::PortsExhausted));
            }
            Err(InsertError::Full) => {
                let reason = DropReason::TableFull;
                return self
                    .make_room(reason, 0, Stage::Dnat)
                    .unwrap_or_else(|| Outcome::Decided(self.drop(reason)));
            }
        }
        let to = Translation {
            source: headers.source,
            source_port: seen_port,
            destination: forward.address,
            destination_port: forward.port,
            mac,
        };
        self.rewrite_by_stage(&to, ParkedExit::park(exit), forward.rule, true)
    }
}
