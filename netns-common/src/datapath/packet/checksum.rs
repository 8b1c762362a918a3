//! Incremental checksums (RFC 1071, RFC 1624): the sum over the changed words, not over the packet.
//!
//! Words are summed in the byte order of the packet; a ones' complement sum does not depend on the
//! byte order as long as all words share it.

/// The change of a ones' complement sum by an edit, unfolded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Diff(u32);

impl Diff {
    pub const NONE: Self = Self(0);

    /// A difference from a sum of any words.
    #[inline(always)]
    pub(crate) const fn from_sum(sum: u64) -> Self {
        Self(sum as u32).add((sum >> 32) as u32)
    }

    /// Adds a word to the sum.
    #[inline(always)]
    pub(crate) const fn add(self, word: u32) -> Self {
        // The carry of a ones' complement addition is added at the lowest bit.
        let (sum, carry) = self.0.overflowing_add(word);
        Self(sum.wrapping_add(carry as u32))
    }

    /// A 32-bit word changed from `old` to `new`.
    #[inline(always)]
    #[must_use]
    pub const fn word(self, old: u32, new: u32) -> Self {
        self.add(!old).add(new)
    }

    /// A 16-bit word, on an even offset, changed from `old` to `new`.
    #[inline(always)]
    #[must_use]
    pub const fn half(self, old: u16, new: u16) -> Self {
        self.add(!old as u32).add(new as u32)
    }

    /// The raw sum, as `bpf_l4_csum_replace` takes it.
    #[inline(always)]
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// A checksum field after the edit.
    #[inline(always)]
    pub const fn apply(self, checksum: u16) -> u16 {
        fold(self.add(!checksum as u32).0)
    }
}

/// The checksum of a sum: folded to 16 bits and complemented.
#[inline(always)]
pub const fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn full(words: &[u16]) -> u16 {
        fold(words.iter().fold(Diff::NONE, |sum, word| sum.add(u32::from(*word))).raw())
    }

    /// 0 and 0xffff are the same number in ones' complement.
    fn same(a: u16, b: u16) -> bool {
        a == b || (a == 0 && b == 0xffff) || (a == 0xffff && b == 0)
    }

    proptest! {
        #[test]
        fn an_incremental_update_equals_a_full_recomputation(
            mut words in prop::collection::vec(any::<u16>(), 4..40),
            at in any::<prop::sample::Index>(),
            half in any::<u16>(),
            word in any::<[u16; 2]>(),
        ) {
            let before = full(&words);
            let at = at.index(words.len() - 3);
            let old = u32::from(words[at]) << 16 | u32::from(words[at + 1]);
            let new = u32::from(word[0]) << 16 | u32::from(word[1]);
            let diff = Diff::NONE.word(old, new).half(words[at + 2], half);
            words[at] = word[0];
            words[at + 1] = word[1];
            words[at + 2] = half;
            prop_assert!(same(diff.apply(before), full(&words)));
        }

        #[test]
        fn an_edit_and_its_reverse_change_nothing(
            sum in any::<u16>(),
            old in any::<u32>(),
            new in any::<u32>(),
        ) {
            let there = Diff::NONE.word(old, new).apply(sum);
            prop_assert!(same(Diff::NONE.word(new, old).apply(there), sum));
        }
    }

    #[test]
    fn the_example_of_rfc_1624() {
        // Section 4: checksum 0xdd2f, a field goes from 0x5555 to 0x3285, result 0x0000.
        assert_eq!(Diff::NONE.half(0x5555, 0x3285).apply(0xdd2f), 0);
    }
}
