//! What each program may cost the verifier.
//!
//! A program that grows out of its budget is to be looked at: the verifier gives up at a million
//! instructions, and what it takes on one kernel it may refuse on another.

/// What the verifier may look at for one program, in instructions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) program: &'static str,
    /// Linux 6.2 and newer; measured with 6.18.
    newer: u32,
    /// Up to Linux 6.1, whose verifier takes fewer of the ways through a program for one another.
    older: u32,
}

/// The newest kernel that the older column holds for.
const OLDER: (u32, u32) = (6, 1);

const fn budget(program: &'static str, newer: u32, older: u32) -> Budget {
    Budget { program, newer, older }
}

/// Every program of the object, in the order of their names. Those that begin a flow, or meet its
/// first answer, count it for its link.
pub(crate) const BUDGETS: [Budget; 50] = [
    budget("admit", 2_000, 1_000),
    budget("claim", 43_000, 37_000),
    budget("egress_begin", 29_000, 19_000),
    budget("egress_guard", 9_000, 14_000),
    budget("egress_error", 9_000, 10_000),
    budget("egress_moved", 27_000, 60_000),
    budget("enter", 52_000, 36_000),
    budget("first_fragment", 14_000, 10_000),
    budget("forget_flows", 6_000, 7_000),
    budget("from_namespace", 35_500, 103_000),
    budget("from_namespace_l", 35_500, 115_000),
    budget("from_reassembler", 7_000, 9_000),
    budget("from_uplink", 12_500, 29_000),
    budget("from_uplink_l", 14_000, 38_000),
    budget("hairpin", 11_500, 11_000),
    budget("held", 6_500, 15_000),
    budget("host_connect", 1_500, 1_500),
    budget("host_connect6", 1_500, 1_500),
    budget("host_peername", 100, 100),
    budget("host_peername6", 100, 100),
    budget("host_query", 6_000, 6_000),
    budget("host_recvmsg", 100, 100),
    budget("host_recvmsg6", 100, 100),
    budget("host_sendmsg", 1_500, 1_500),
    budget("inbound_begin", 11_000, 9_000),
    budget("inbound_error", 14_000, 11_000),
    budget("inbound_fragment", 23_000, 42_000),
    budget("inbound_rare", 24_000, 57_000),
    budget("map", 45_000, 38_000),
    budget("meet", 20_000, 16_000),
    budget("mss_clamp", 16_000, 13_000),
    budget("neighbour", 3_000, 3_000),
    budget("other_frame", 1_000, 1_000),
    budget("other_nat_in", 10_500, 26_000),
    budget("other_nat_out", 16_500, 15_000),
    budget("outbound_begin", 34_500, 22_000),
    budget("outbound_error", 10_500, 11_000),
    budget("outbound_fragment", 30_500, 49_000),
    budget("outbound_moved", 27_000, 46_000),
    budget("outbound_rare", 30_000, 50_000),
    budget("own_error", 7_000, 7_000),
    budget("reclaim", 52_000, 52_000),
    budget("refuse", 12_000, 49_000),
    budget("report", 69_000, 69_000),
    budget("requote", 17_000, 11_000),
    budget("restore_flows", 9_000, 12_000),
    budget("start_sweeper", 6_000, 6_000),
    budget("to_uplink", 43_000, 110_000),
    budget("to_uplink_l", 44_500, 126_000),
    budget("translate", 16_000, 9_000),
];

impl Budget {
    /// That of `program`.
    pub(crate) fn of(program: &str) -> Option<Self> {
        BUDGETS.into_iter().find(|budget| budget.program == program)
    }

    /// What it is on a kernel of this release, as uname(2) has it.
    pub(crate) fn on(self, release: &str) -> u32 {
        let mut numbers = release.split('.').map(|part| part.parse().unwrap_or(u32::MAX));
        let mut number = || numbers.next().unwrap_or(u32::MAX);
        if (number(), number()) <= OLDER { self.older } else { self.newer }
    }
}
