//! How many records of the flow table each link has begun, and how many it may.

/// The key of what is counted for all links together. No link has this index.
pub const WHOLE_TABLE: u32 = u32::MAX;

/// The key of what is counted for other NATs of the machine. No link has this index.
pub const OTHER_NATS: u32 = u32::MAX - 1;

/// Which part of the flow table the half-open calls by one uplink may have. Of the usual table that
/// is what 10,000 calls a second fill in three seconds.
pub const HALF_OPEN_PART: u32 = 4;

/// How many records are looked at for one that makes room. When a quarter of the table is
/// half-open, some 16 of them are.
pub const SAMPLE: u32 = 64;

/// Which part of the flow table connections of other NATs may have.
pub const OTHER_NATS_PART: u32 = 8;

/// A link whose own unreplied flows are fewer than this part of what it may have is not refused
/// because of what others have.
pub const SPARED_PART: u32 = 8;

/// What may be in the flow table, in records. A connection has one; one to a forward of another
/// namespace has two, which count for the caller.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of one link (RFC 6888 REQ-4), unless its
    /// [`BridgePort::quota`](super::BridgePort::quota) says otherwise.
    pub quota: u32,
    /// Of one link, without an answer so far.
    pub unreplied: u32,
    /// Of all links together, without an answer so far. What the outside began does not count.
    pub unreplied_share: u32,
    /// Of one uplink, begun by the outside and half-open.
    pub half_open: u32,
    /// Of all other NATs of the machine together.
    pub other_nats: u32,
    /// How many records are looked at for one that makes room when a limit is reached: at most
    /// [`SAMPLE`]. 0: no record makes room.
    pub sample: u32,
}

impl Default for Limits {
    /// None at all.
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

/// What is counted for the flows that began by one link: for what a namespace begins its cable,
/// for what the outside begins the uplink.
///
/// The first three only grow, and wrap; what is there now is the difference of two of them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Records that were made.
    pub begun: u64,
    /// Of these, those that are not without an answer any more: they had one, or are gone.
    pub settled: u64,
    /// Of these, those that are gone.
    pub ended: u64,
    /// The sweeper's own.
    pub census: Census,
}

/// A [`Usage`] as it lies in the map.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageSlot {
    /// The kernel side's own (`bpf_spin_lock`): 0 to all others.
    pub lock: u32,
    pub padding: u32,
    pub usage: Usage,
}

/// What a pass over the flow table finds, beside what was counted when it began.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    pub begun: u64,
    pub settled: u64,
    pub ended: u64,
    /// Records that the pass met so far.
    pub flows: u64,
    /// Of these, those without an answer.
    pub unreplied: u64,
}

/// What a link has in the flow table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    pub flows: u64,
    pub unreplied: u64,
}

impl Load {
    /// Of the three counts of a [`Usage`]. Counts that are off for a moment may differ by less
    /// than nothing.
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

/// What is added to the counts of a [`Usage`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addition {
    pub begun: u32,
    pub settled: u32,
    pub ended: u32,
}

impl Usage {
    /// What the link has now.
    #[inline(always)]
    pub const fn load(&self) -> Load {
        Load::new(self.begun, self.settled, self.ended)
    }

    /// What a pass over the table begins with.
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

    /// Sets the counts right after a whole pass over the table.
    ///
    /// Records come and go meanwhile: those that came may or may not have been met, and those
    /// that went too. So the truth is known but for what was counted during the pass, and counts
    /// within that are left alone: those of a flood are not made worse by setting them right.
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

    /// Whether nothing is lost without this record: the link has nothing and began nothing
    /// during the last pass.
    #[inline(always)]
    pub const fn is_idle(&self) -> bool {
        let load = self.load();
        load.flows == 0 && self.census.flows == 0 && self.begun == self.census.begun
    }
}

/// By how much `value` is beyond the nearer of two bounds, in numbers that wrap.
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
        // Ended more often than begun.
        let usage = Usage { begun: 3, settled: 9, ended: 8, ..Usage::default() };
        assert_eq!(usage.load(), Load::default());
        assert_eq!(corrected(counted(usage, 2, 1)).load(), Load { flows: 2, unreplied: 1 });
    }

    #[test]
    fn what_comes_and_goes_during_a_pass_is_no_error() {
        let usage = counted(Usage { begun: 10, ..Usage::default() }, 10, 10);
        // Five more, none of which the pass has met, and two that it met are gone.
        let usage = Usage { begun: 15, settled: 2, ended: 2, ..usage };
        assert_eq!(corrected(usage), usage);
        // What cannot be explained so is not believed.
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
