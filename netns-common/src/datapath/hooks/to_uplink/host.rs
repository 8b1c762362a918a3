//! Packets of the host itself: a connection of the host whose port a namespace's flow has, and
//! ICMP errors of the router.

use crate::{
    abi::{Direction, FlowKind, Stage, Tick},
    datapath::{
        conntrack::record::forget,
        context::{
            packet_context::PacketContext,
            scratch::Scratch,
            verdict::{Outcome, Verdict},
        },
        packet::{
            access::Packet,
            headers::{Headers, Kind},
        },
        tables::{
            flow_table::{FlowRef as _, Touch},
            kernel::{Tables, has_sockets},
        },
    },
};

/// Handles a packet of the host itself.
#[inline(always)]
pub(crate) fn own<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    match Headers::read(packet) {
        Ok(headers) if headers.kind.is_flow() && give_way_to_host(&headers, tables, now) => {
            scratch.headers = headers;
            return Outcome::Continue(Stage::HostQuery);
        }
        Ok(headers) if headers.kind == Kind::IcmpError => {
            scratch.headers = headers;
            return Outcome::Continue(Stage::OwnError);
        }
        _ => {}
    }
    Outcome::Decided(Verdict::Pass)
}

/// Removes a namespace's flow that has the port of a connection of the host. Otherwise the
/// namespace would receive the answers to the host, for which it could lie in wait (CVE-2021-3773).
/// The namespace's next packet gets another port. Returns whether the connection must be recorded.
#[inline(always)]
fn give_way_to_host<T: Tables>(headers: &Headers, tables: &T, now: Tick) -> bool {
    let key = headers.outbound_key(headers.source);
    let Some(flow) = tables.flow(&key) else { return false };
    if flow.kind == FlowKind::Host as u8 {
        let direction = Direction::Out;
        flow.touch(&Touch { direction, state: None, seen: Some(now), bytes: headers.bytes });
        return false;
    }
    // A flow whose packet another CPU handles at this moment may stay until the host's next packet.
    forget(tables, &key, &flow, flow.version());
    // The socket tables show which ports are in use; only a record shows that an identifier is.
    !has_sockets(headers.protocol)
}

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// [`Stage::HostQuery`].
    #[inline(always)]
    pub(crate) fn host_query(&mut self) -> Outcome {
        let tables = self.tables;
        let headers = self.headers;
        self.begin_draft(FlowKind::Host);
        let draft = &mut self.handoff.draft;
        draft.inside = headers.source;
        draft.inside_port = headers.source_port;
        draft.seen_port = headers.destination_port;
        draft.external = headers.source;
        // The host's packet passes even if the table is full.
        let _ = tables.insert_flow(&headers.outbound_key(headers.source), draft);
        Outcome::Decided(Verdict::Pass)
    }
}
