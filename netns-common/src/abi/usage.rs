//! The number of flow records of each link, and the limits for them.

/// The key of the counts of all links together. No link has this index.
pub const WHOLE_TABLE: u32 = u32::MAX;

/// The key of the counts of other NATs on the machine. No link has this index.
pub const OTHER_NATS: u32 = u32::MAX - 1;

/// The default limit of half-open flows from outside by one uplink is the table size divided by
/// this. In a table of the default size, 10,000 SYNs per second reach this
/// limit in three seconds.
pub const HALF_OPEN_PART: u32 = 4;

/// How many records an eviction examines. When a quarter of the table is half-open, about 16 of
/// them are.
pub const SAMPLE: u32 = 64;

/// The default limit of connections of other NATs is the table size divided by this.
pub const OTHER_NATS_PART: u32 = 8;

/// A link is not refused because of the flows of others while it has fewer unanswered flows than
/// its own limit divided by this.
pub const SPARED_PART: u32 = 8;

/// The limits of the flow table, in records. A connection has one record; a hairpin connection has
/// two, which count for the caller.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Records of one link (RFC 6888 REQ-4), unless its
    /// [`BridgePort::quota`](super::BridgePort::quota) says otherwise.
    pub quota: u32,
    /// Unanswered records of one link.
    pub unreplied: u32,
    /// Unanswered records of all links together, without flows from outside.
    pub unreplied_share: u32,
    /// Half-open records of flows from outside by one uplink.
    pub half_open: u32,
    /// Records of all other NATs on the machine together.
    pub other_nats: u32,
    /// How many records an eviction examines when a limit is reached: at most [`SAMPLE`]. 0: no
    /// eviction.
    pub sample: u32,
}

impl Default for Limits {
    /// No limits.
    fn default() -> Self {
        Self {
            quota: u32::MAX,
            unreplied: u32::MAX,
            unreplied_share: u32::MAX,
            half_open: u32::MAX,
            other_nats: u32::MAX,
            sample: 0,
        }
    }
}

/// The counts of the flows that began by one link: the cable for flows of a namespace, the uplink
/// for flows from outside.
///
/// The first three only grow, and wrap. The current numbers are differences between them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Records that were made.
    pub begun: u64,
    /// Records that are no longer unanswered: they were answered or removed.
    pub settled: u64,
    /// Records that were removed.
    pub ended: u64,
    /// The census, which only the sweeper uses.
    pub census: Census,
}

/// A [`Usage`] in its map.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageSlot {
    /// The kernel's `bpf_spin_lock`; 0 to userspace.
    pub lock: u32,
    pub padding: u32,
    pub usage: Usage,
}

/// The result of a pass over the flow table, with the counts at its start.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    pub begun: u64,
    pub settled: u64,
    pub ended: u64,
    /// Records that the pass has visited so far.
    pub flows: u64,
    /// Unanswered records among them.
    pub unreplied: u64,
}

/// The records of a link in the flow table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    pub flows: u64,
    pub unreplied: u64,
}

impl Load {
    /// The load by the three counts of a [`Usage`]. A difference may be negative for a moment, and
    /// then counts as 0.
    #[inline(always)]
    pub const fn new(begun: u64, settled: u64, ended: u64) -> Self {
        Self { flows: left(begun, ended), unreplied: left(begun, settled) }
    }
}

/// A difference of two counts that wrap; 0 if it is negative.
#[inline(always)]
const fn left(more: u64, less: u64) -> u64 {
    if is_below(more, less) { 0 } else { more.wrapping_sub(less) }
}

/// An addition to the counts of a [`Usage`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addition {
    pub begun: u32,
    pub settled: u32,
    pub ended: u32,
}

impl Usage {
    /// The current records of the link.
    #[inline(always)]
    pub const fn load(&self) -> Load {
        Load::new(self.begun, self.settled, self.ended)
    }

    /// The census at the start of a pass over the table.
    #[inline(always)]
    pub const fn new_census(&self) -> Census {
        let Self { begun, settled, ended, .. } = *self;
        Census { begun, settled, ended, flows: 0, unreplied: 0 }
    }

    #[inline(always)]
    pub const fn add(&mut self, addition: Addition) {
        self.begun = self.begun.wrapping_add(addition.begun as u64);
        self.settled = self.settled.wrapping_add(addition.settled as u64);
        self.ended = self.ended.wrapping_add(addition.ended as u64);
    }

    /// Corrects the counts after a whole pass over the table.
    ///
    /// Records are made and removed during a pass, and the pass may or may not have visited them.
    /// So the true number is known except for the changes during the pass. Counts within these
    /// bounds stay, so that a correction never makes the counts of a flood worse.
    #[inline(always)]
    pub const fn end_census(&mut self) {
        let Census { begun, settled, ended, flows, unreplied } = self.census;
        let came = self.begun.wrapping_sub(begun);
        self.settled = self.settled.wrapping_add(excess(
            self.begun.wrapping_sub(self.settled),
            unreplied.wrapping_sub(self.settled.wrapping_sub(settled)),
            unreplied.wrapping_add(came),
        ));
        self.ended = self.ended.wrapping_add(excess(
            self.begun.wrapping_sub(self.ended),
            flows.wrapping_sub(self.ended.wrapping_sub(ended)),
            flows.wrapping_add(came),
        ));
    }

    /// Whether these counts can be removed: the link has no records and began none during the last
    /// pass.
    #[inline(always)]
    pub const fn is_idle(&self) -> bool {
        let load = self.load();
        load.flows == 0 && self.census.flows == 0 && self.begun == self.census.begun
    }
}

/// How far `value` is outside two bounds, in numbers that wrap.
#[inline(always)]
const fn excess(value: u64, least: u64, most: u64) -> u64 {
    if is_below(value, least) {
        value.wrapping_sub(least)
    } else if is_below(most, value) {
        value.wrapping_sub(most)
    } else {
        0
    }
}

#[inline(always)]
const fn is_below(a: u64, b: u64) -> bool {
    a.wrapping_sub(b) > u64::MAX / 2
}

const _: () = {
    assert!(size_of::<Limits>() == 24);
    assert!(size_of::<Census>() == 40);
    assert!(size_of::<Usage>() == 64);
    assert!(size_of::<UsageSlot>() == 72);
};

#[cfg(test)]
mod tests {
    use super::*;

    fn corrected(mut usage: Usage) -> Usage {
        usage.end_census();
        usage
    }

    fn counted(mut usage: Usage, flows: u64, unreplied: u64) -> Usage {
        usage.census = Census { flows, unreplied, ..usage.new_census() };
        usage
    }

    #[test]
    fn counts_that_agree_with_the_table_stay() {
        let usage = Usage { begun: 10, settled: 7, ended: 4, ..Usage::default() };
        assert_eq!(corrected(counted(usage, 6, 3)).load(), Load { flows: 6, unreplied: 3 });
        assert_eq!(corrected(counted(usage, 6, 3)), counted(usage, 6, 3));
    }

    #[test]
    fn counts_that_are_off_become_those_of_the_table() {
        let usage = Usage { begun: 10, settled: 7, ended: 4, ..Usage::default() };
        for (flows, unreplied) in [(0, 0), (5, 5), (6, 1), (9, 8), (200, 100)] {
            let load = corrected(counted(usage, flows, unreplied)).load();
            assert_eq!(load, Load { flows, unreplied });
        }
        // More records ended than begun.
        let usage = Usage { begun: 3, settled: 9, ended: 8, ..Usage::default() };
        assert_eq!(usage.load(), Load::default());
        assert_eq!(corrected(counted(usage, 2, 1)).load(), Load { flows: 2, unreplied: 1 });
    }

    #[test]
    fn records_that_come_and_go_during_a_pass_are_no_error() {
        let usage = counted(Usage { begun: 10, ..Usage::default() }, 10, 10);
        // Five new records, none of which the pass has visited, and two removed that it has
        // visited.
        let usage = Usage { begun: 15, settled: 2, ended: 2, ..usage };
        assert_eq!(corrected(usage), usage);
        // A count outside these bounds is corrected.
        let usage = Usage { begun: 15, settled: 0, ended: 0, ..usage };
        let usage = counted(usage, 3, 3);
        let usage = Usage { begun: 17, ..usage };
        assert_eq!(corrected(usage).load(), Load { flows: 5, unreplied: 5 });
    }

    #[test]
    fn a_record_is_idle_when_nothing_is_and_nothing_came() {
        let over = Usage { begun: 5, settled: 5, ended: 5, ..Usage::default() };
        assert!(counted(over, 0, 0).is_idle());
        assert!(!Usage { begun: 6, settled: 6, ended: 6, ..counted(over, 0, 0) }.is_idle());
        assert!(!counted(Usage { begun: 6, ..over }, 1, 1).is_idle());
    }
}
