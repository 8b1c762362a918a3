//! A router in one value: tables, the memory of a CPU and a clock.

use super::{
    lecture::{self, Places},
    packet::VecPacket,
    tables::MemoryTables,
};
use crate::{
    abi::{Tick, programs, ticks},
    datapath::{
        Outcome, Scratch, Verdict, dispatch, from_namespace, from_reassembler, from_uplink,
        to_uplink,
    },
};

/// A hook of the datapath.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    /// tcx ingress of a cable's host side.
    FromNamespace,
    /// tcx ingress of an uplink.
    FromUplink,
    /// tcx egress of an uplink.
    ToUplink,
    /// tcx ingress of the link to the reassembler.
    FromReassembler,
}

impl Hook {
    /// The name of its entry program.
    pub const fn program(self) -> &'static str {
        match self {
            Self::FromNamespace => programs::FROM_NAMESPACE,
            Self::FromUplink => programs::FROM_UPLINK,
            Self::ToUplink => programs::TO_UPLINK,
            Self::FromReassembler => programs::FROM_REASSEMBLER,
        }
    }
}

/// A router that forwards by the datapath's logic.
#[derive(Debug, Default)]
pub struct Router {
    pub tables: MemoryTables,
    pub now: Tick,
    scratch: Scratch,
}

impl Router {
    /// A router with these tables, at an arbitrary time.
    pub fn new(tables: MemoryTables) -> Self {
        Self { tables, now: 1_000_000, scratch: Scratch::default() }
    }

    /// The lecture's lab, with room for 1,000 flows.
    pub fn lecture() -> Self {
        Self::new(lecture::tables(&Places::default(), 1000))
    }

    /// Runs a packet through a hook.
    pub fn run(&mut self, hook: Hook, packet: &mut VecPacket) -> Verdict {
        packet.mtus = self.tables.mtus.clone();
        self.tables.begin_packet();
        let scratch = &mut self.scratch;
        let mut program = hook.program();
        let mut outcome = match hook {
            Hook::FromNamespace => from_namespace(packet, &self.tables, scratch, self.now),
            Hook::FromUplink => from_uplink(packet, &self.tables, scratch, self.now),
            Hook::FromReassembler => from_reassembler(packet, &self.tables, scratch, self.now),
            Hook::ToUplink => to_uplink(packet, &self.tables, scratch, || self.now),
        };
        loop {
            match outcome {
                Outcome::Decided(verdict) => return verdict,
                Outcome::Continue(stage) => {
                    let is_known = stage.from().contains(&program) || stage.program() == program;
                    assert!(is_known, "the table of stages has no {stage:?} after {program}");
                    program = stage.program();
                    outcome = dispatch::run(stage, packet, &self.tables, scratch, self.now);
                }
            }
        }
    }

    /// Lets time pass: at least so many seconds.
    pub fn wait(&mut self, seconds: u32) {
        self.now = self.now.wrapping_add(ticks(seconds));
    }
}
