//! What each program may cost the verifier.
//!
//! A program that grows out of its budget is to be looked at: the verifier gives up at a million
//! instructions, and what it takes on one kernel it may refuse on another.

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

/// Every program of the object, in the order of their names. Those that begin a flow, or meet its
/// first answer, count it for its link.
pub(crate) const BUDGETS: [Budget; 52] = [
    budget("admit", 2_000),
    budget("claim", 32_500),
    budget("evict", 16_000),
    budget("egress_begin", 24_000),
    budget("egress_guard", 9_000),
    budget("egress_error", 9_000),
    budget("egress_moved", 23_500),
    budget("enter", 52_000),
    budget("first_fragment", 14_000),
    budget("forget_flows", 6_000),
    budget("from_namespace", 45_000),
    budget("from_namespace_l", 47_500),
    budget("from_reassembler", 7_000),
    budget("from_uplink", 17_500),
    budget("from_uplink_l", 19_000),
    budget("hairpin", 13_000),
    budget("held", 6_500),
    budget("host_connect", 1_500),
    budget("host_connect6", 1_500),
    budget("host_peername", 100),
    budget("host_peername6", 100),
    budget("host_query", 6_000),
    budget("host_recvmsg", 100),
    budget("host_recvmsg6", 100),
    budget("host_sendmsg", 1_500),
    budget("inbound_begin", 11_000),
    budget("inbound_error", 14_000),
    budget("inbound_fragment", 14_000),
    budget("inbound_rare", 17_000),
    budget("map", 45_000),
    budget("meet", 23_500),
    budget("mss_clamp", 10_500),
    budget("neighbour", 2_000),
    budget("note_port", 100),
    budget("other_frame", 1_000),
    budget("other_nat_in", 6_500),
    budget("other_nat_out", 17_000),
    budget("outbound_begin", 34_500),
    budget("outbound_error", 10_500),
    budget("outbound_fragment", 21_500),
    budget("outbound_moved", 18_500),
    budget("outbound_rare", 23_000),
    budget("own_error", 7_000),
    budget("reclaim", 52_000),
    budget("refuse", 12_000),
    budget("report", 69_000),
    budget("requote", 7_500),
    budget("restore_flows", 9_000),
    budget("start_sweeper", 6_600),
    budget("to_uplink", 43_000),
    budget("to_uplink_l", 44_500),
    budget("translate", 7_000),
];

impl Budget {
    /// That of `program`.
    pub(crate) fn of(program: &str) -> Option<Self> {
        BUDGETS.into_iter().find(|budget| budget.program == program)
    }

    /// What it is on a kernel of this release, as uname(2) has it.
    pub(crate) fn on(self, release: &str) -> u32 {
        let number = release.split('-').next();
        if number == Some(REFERENCE) { self.reference } else { ELSEWHERE }
    }
}
