//! Allocating the external port of a new flow: one attempt in each run of the stage, until a port
//! is free.

use crate::{
    abi::{DropReason, FlowKind, Port, Stage},
    datapath::{
        context::{
            packet_context::PacketContext,
            scratch::{Handoff, RefusedAt},
            verdict::{Exit, Outcome},
        },
        new_flow::{
            eim,
            port_search::{self, Refused, TRIES, Wanted},
            portless,
        },
        packet::{access::Packet, headers::Kind, rewrite::Translation},
        tables::kernel::Tables,
    },
};

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// Starts the stage that allocates an external port for the drafted flow, whose first packet
    /// then leaves by `exit`. The port that publishes the inside end (`published`) is tried before
    /// the flow's own port.
    #[inline(always)]
    pub(crate) fn start_allocation(
        &mut self,
        stage: Stage,
        exit: Exit,
        published: Port,
    ) -> Outcome {
        self.handoff.published.port = published;
        self.handoff.set_exit(exit);
        self.handoff.attempt = 0;
        Outcome::Continue(stage)
    }

    /// [`Stage::AllocatePort`].
    #[inline(always)]
    pub(crate) fn allocate_port(&mut self) -> Outcome {
        let PacketContext { tables, settings, headers, .. } = *self;
        let Handoff { draft, attempt, external_port, published, .. } = &mut *self.handoff;
        port_search::search(tables, settings, headers, draft.external, *attempt, external_port);
        let claimed = match headers.kind {
            Kind::Portless => portless::claim(tables, settings, headers, draft),
            _ => {
                let wanted =
                    Wanted { attempt: *attempt, published: published.port, found: *external_port };
                port_search::claim(tables, settings, headers, draft, &wanted)
            }
        };
        self.after_attempt(Stage::AllocatePort, claimed)
    }

    /// [`Stage::AllocateEim`].
    #[inline(always)]
    pub(crate) fn allocate_eim(&mut self) -> Outcome {
        let PacketContext { tables, settings, headers, .. } = *self;
        let Handoff { draft, masquerade, attempt, published, .. } = &*self.handoff;
        let wanted = Wanted { attempt: *attempt, published: published.port, found: Port::ZERO };
        let claimed = eim::claim(tables, settings, headers, draft, masquerade, &wanted);
        self.after_attempt(Stage::AllocateEim, claimed)
    }

    /// Continues after an attempt: with the packet, or with the next attempt in another run of the
    /// stage. It is no loop, because the verifier would follow each iteration.
    #[inline(always)]
    fn after_attempt(&mut self, stage: Stage, claimed: Result<Port, Refused>) -> Outcome {
        let reason = match claimed {
            Ok(port) => return self.send_first_packet(port),
            Err(Refused::Taken) if self.handoff.attempt + 1 < TRIES => {
                self.handoff.attempt += 1;
                return Outcome::Continue(stage);
            }
            // A mapping serves all remotes, so its port is not reclaimed.
            Err(Refused::Taken) if stage as u32 == Stage::AllocatePort as u32 => {
                self.handoff.attempt = 0;
                return Outcome::Continue(Stage::Reclaim);
            }
            Err(Refused::Taken) => DropReason::PortsExhausted,
            Err(Refused::Because(reason)) => reason,
        };
        self.make_room(reason, 0, stage).unwrap_or_else(|| self.give_up_allocation(reason))
    }

    /// Ends the search for an external port of the drafted flow without success.
    #[inline(always)]
    pub(crate) fn give_up_allocation(&mut self, reason: DropReason) -> Outcome {
        if self.handoff.draft.kind == FlowKind::OtherNat as u8 {
            return self.pass_unrecorded();
        }
        let skips_stack = self.handoff.exit.skips_stack();
        self.refuse_new_flow(reason, skips_stack)
    }

    /// Forwards the first packet of a flow with the external port that was claimed for it.
    #[inline(always)]
    pub(crate) fn send_first_packet(&mut self, external_port: Port) -> Outcome {
        let headers = self.headers;
        let handoff = &mut self.handoff;
        if handoff.draft.kind == FlowKind::Hairpin as u8 {
            handoff.external_port = external_port;
            handoff.attempt = 0;
            return Outcome::Continue(Stage::HairpinTarget);
        }
        let (exit, rule) = (handoff.exit, handoff.draft.rule);
        let translation = Translation {
            source: handoff.draft.external,
            source_port: external_port,
            destination: headers.destination,
            destination_port: headers.destination_port,
            mac: None,
        };
        self.rewrite_by_stage(&translation, exit, rule, true)
    }

    /// Drops the first packet of a flow that cannot begin, and sends an ICMP error to its sender.
    #[inline(always)]
    pub(crate) fn refuse_new_flow(&mut self, reason: DropReason, skips_stack: bool) -> Outcome {
        let place = if skips_stack { RefusedAt::Ingress } else { RefusedAt::Egress };
        self.refuse_at(place, reason)
    }
}
