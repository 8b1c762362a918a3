//! The rate limits of ICMP errors: each CPU has a token bucket for each kind of error.

use super::Tick;

/// How many errors pass at once after a pause. Linux has 50 for all its own errors
/// (`icmp_msgs_burst`).
pub const ICMP_BURST: u32 = 64;

/// How many errors pass per [`Tick`] in the long run: 16 in 0.134 s are about 120 per second.
pub const ICMP_PER_TICK: u32 = 16;

/// The kinds of errors with separate limits, so that a flood of one kind does not block another:
/// path MTU discovery works while somebody traces routes.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// Time exceeded, made by the NAT.
    TimeExceeded = 0,
    /// Fragmentation needed, made by the NAT.
    FragmentationNeeded = 1,
    /// Administratively prohibited, made by the NAT.
    Prohibited = 2,
    /// Fragmentation needed, from outside, about a translated connection.
    FragmentationNeededIn = 3,
}

impl Limited {
    /// How many kinds there are.
    pub const COUNT: u32 = 4;
}

/// The token bucket of one kind on one CPU. All zero is a full bucket.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// The used tokens that have not been refilled yet.
    pub spent: u32,
    /// When `spent` was last lowered.
    pub at: Tick,
}

impl Bucket {
    /// Whether one more error may pass. If so, counts it.
    #[inline(always)]
    pub const fn take(&mut self, now: Tick) -> bool {
        let elapsed = now.wrapping_sub(self.at);
        // A clock that seems to run backwards refills nothing.
        if elapsed <= Tick::MAX / 2 {
            let elapsed = if elapsed < ICMP_BURST { elapsed } else { ICMP_BURST };
            self.spent = self.spent.saturating_sub(elapsed * ICMP_PER_TICK);
        }
        self.at = now;
        let has_one = self.spent < ICMP_BURST;
        if has_one {
            self.spent += 1;
        }
        has_one
    }
}

const _: () = assert!(size_of::<Bucket>() == 8);

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bucket: &mut Bucket, now: Tick) -> u32 {
        (0..2 * ICMP_BURST).map(|_| u32::from(bucket.take(now))).sum()
    }

    #[test]
    fn a_burst_passes_and_then_as_many_as_time_makes_up_for() {
        let mut bucket = Bucket::default();
        assert_eq!(taken(&mut bucket, 1_000), ICMP_BURST);
        assert_eq!(taken(&mut bucket, 1_000), 0);
        assert_eq!(taken(&mut bucket, 1_001), ICMP_PER_TICK);
        assert_eq!(taken(&mut bucket, 1_003), 2 * ICMP_PER_TICK);
        assert_eq!(taken(&mut bucket, 9_000), ICMP_BURST);
    }

    #[test]
    fn a_clock_that_runs_back_or_wraps_gives_nothing_away() {
        let mut bucket = Bucket::default();
        assert_eq!(taken(&mut bucket, Tick::MAX), ICMP_BURST);
        assert_eq!(taken(&mut bucket, Tick::MAX - 5), 0);
        assert_eq!(taken(&mut bucket, Tick::MAX - 5), 0);
        assert_eq!(taken(&mut bucket, Tick::MAX - 4), ICMP_PER_TICK);
        assert_eq!(taken(&mut bucket, 0), ICMP_BURST);
    }
}
