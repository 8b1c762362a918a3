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
pub(crate) const BUDGETS: [Budget; 43] = [
    budget("admit", 1_000, 2_000),
    budget("claim", 10_000, 6_000),
    budget("egress_begin", 13_000, 12_000),
    budget("egress_error", 6_000, 7_000),
    budget("egress_moved", 25_000, 35_000),
    budget("enter", 14_000, 14_000),
    budget("first_fragment", 18_000, 12_000),
    budget("from_namespace", 20_000, 85_000),
    budget("from_namespace_l", 22_000, 175_000),
    budget("from_reassembler", 10_000, 11_000),
    budget("from_uplink", 9_000, 25_000),
    budget("from_uplink_l", 13_000, 25_000),
    budget("hairpin", 3_000, 3_000),
    budget("held", 7_000, 14_000),
    budget("host_connect", 1_000, 1_000),
    budget("host_connect6", 1_000, 1_000),
    budget("host_peername", 100, 100),
    budget("host_peername6", 100, 100),
    budget("host_recvmsg", 100, 100),
    budget("host_recvmsg6", 100, 100),
    budget("host_sendmsg", 1_000, 1_000),
    budget("inbound_begin", 14_000, 11_000),
    budget("inbound_error", 15_000, 11_000),
    budget("inbound_fragment", 18_000, 40_000),
    budget("inbound_rare", 25_000, 40_000),
    budget("map", 20_000, 11_000),
    budget("meet", 5_000, 4_000),
    budget("mss_clamp", 15_000, 14_000),
    budget("neighbour", 3_000, 3_000),
    budget("other_frame", 1_000, 1_000),
    budget("outbound_begin", 27_000, 15_000),
    budget("outbound_error", 12_000, 7_000),
    budget("outbound_fragment", 40_000, 55_000),
    budget("outbound_moved", 30_000, 55_000),
    budget("outbound_rare", 30_000, 60_000),
    budget("own_error", 4_000, 5_000),
    budget("refuse", 14_000, 50_000),
    budget("report", 100_000, 90_000),
    budget("requote", 16_000, 11_000),
    budget("start_sweeper", 2_000, 3_000),
    budget("to_uplink", 25_000, 45_000),
    budget("to_uplink_l", 25_000, 55_000),
    budget("translate", 18_000, 11_000),
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
