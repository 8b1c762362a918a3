//! What each program may cost the verifier.
//!
//! A program that grows out of its budget is to be looked at: the verifier gives up at a million
//! instructions, and what it takes on one kernel it may refuse on another.

use netns_common::abi::Stage;

/// What the verifier may look at for one program, in instructions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) program: &'static str,
    /// On the [`REFERENCE`] kernel: little more than was measured there.
    reference: u32,
}

/// The kernel that the budgets are measured with. Each release of the verifier takes other ways
/// through a program for one another, so no other kernel has the same figures.
const REFERENCE: &str = "6.18.44";

/// What a program may cost on any other kernel: a quarter of what the verifier looks at.
const ELSEWHERE: u32 = 250_000;

const fn budget(program: &'static str, reference: u32) -> Budget {
    Budget { program, reference }
}

/// The programs that are no stages, in the order of their names. The table of stages has the
/// budgets of the others. Those that begin a flow, or meet its first answer, count it for its link.
const OTHERS: [Budget; 19] = [
    budget("forget_flows", 6_000),
    budget("from_namespace", 45_000),
    budget("from_namespace_l", 16_500),
    budget("from_reassembler", 6_500),
    budget("from_uplink", 14_500),
    budget("from_uplink_l", 5_000),
    budget("host_connect", 1_500),
    budget("host_connect6", 1_500),
    budget("host_peername", 100),
    budget("host_peername6", 100),
    budget("host_recvmsg", 100),
    budget("host_recvmsg6", 100),
    budget("host_sendmsg", 1_500),
    budget("note_port", 100),
    budget("report", 69_000),
    budget("restore_flows", 8_500),
    budget("start_sweeper", 6_500),
    budget("to_uplink", 43_000),
    budget("to_uplink_l", 44_500),
];

impl Budget {
    /// Every program of the object.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let stages = Stage::ALL.into_iter();
        OTHERS.into_iter().chain(stages.map(|stage| budget(stage.program(), stage.budget())))
    }

    /// That of `program`.
    pub(crate) fn of(program: &str) -> Option<Self> {
        Self::all().find(|budget| budget.program == program)
    }

    /// What it is on a kernel of this release, as uname(2) has it.
    pub(crate) fn on(self, release: &str) -> u32 {
        let number = release.split('-').next();
        if number == Some(REFERENCE) { self.reference } else { ELSEWHERE }
    }
}
