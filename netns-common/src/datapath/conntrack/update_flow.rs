//! Updating the record of a flow for a packet: its state, its time and its counters.

use crate::{
    abi::{FlowKind, FlowState},
    datapath::{
        conntrack::tcp_window,
        tables::{
            flow_table::{FlowRef, Touch, UsageTable},
            observation::Observation,
        },
        verifier::verifier_barrier,
    },
};

/// Updates the record of a flow for a packet.
#[inline(always)]
pub fn update_flow<T: UsageTable, F: FlowRef>(tables: &T, flow: &F, packet: &Observation) {
    let &Observation { direction, segment, now, bytes } = packet;
    let from_initiator = direction.is_from_initiator(FlowKind::from_number(flow.kind));
    let observed = segment.map(|segment| {
        let sequences = flow.sequences();
        let state = FlowState::from_number(flow.state);
        let observed = tcp_window::observe(sequences, state, from_initiator, direction, &segment);
        flow.set_sequences(&observed.sequences);
        observed
    });
    // Read the state again: the verifier then does not follow the rest once for each state.
    let before = FlowState::from_number(verifier_barrier(&flow.state));
    let mut state = before;
    let mut alive = true;
    // Two options, not one of a pair: that would take 32 bytes more of the stack, which is scarce
    // in the programs that call this.
    if let Some(segment) = segment
        && let Some(observed) = observed
    {
        if observed.is_plausible {
            let idle = now.wrapping_sub(flow.last_seen);
            state = before.next_tcp(from_initiator, direction, segment.flags, idle);
            if observed.goes_on {
                state = state.going_on(direction);
            }
        }
        // A segment that does not keep the flow alive still starts the timer of a new state (RFC
        // 7857 section 2.2).
        let keeps_alive = !segment.is_rst() && !before.is_reset();
        alive = keeps_alive || state as u8 != before as u8;
    } else if !from_initiator {
        state = FlowState::Replied;
    }
    let seen = if alive { Some(now) } else { None };
    tables.settle(flow, state, from_initiator);
    flow.touch(&Touch { direction, state: Some(state), seen, bytes });
}
