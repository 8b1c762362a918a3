//! The search for a free record of the flow table.
//!
//! The search begins after the record that this CPU took last. So connections that begin at the
//! same time are near each other in memory, in few cache lines and pages. A freed record is reused
//! only after all the others.

use crate::{
    abi::{RECORDS_OF_WORD, WORDS_OF_SUMMARY},
    datapath::conntrack::flow_index::scale,
};

/// How many words with a free record a search tries. The first may have its free records before the
/// start of the search, and the last word of a table may have bits without a record.
pub const WORDS_TRIED: u32 = 4;

/// The record to begin at. It is `next`, the one after the record that this CPU took last. If
/// `next` is 0, this CPU took none yet, and a hash selects the record, so that each CPU begins
/// elsewhere. Callers also pass 0 when another CPU has just taken the record that was found:
/// otherwise the two CPUs would compete for the next record too.
#[inline(always)]
pub const fn first_record(next: u32, hash: u32, words: u32) -> u32 {
    if next != 0 {
        return next;
    }
    scale(hash, words) * RECORDS_OF_WORD
}

/// The search for a word with a free record by the summaries. It begins at one word and wraps
/// around.
#[derive(Clone, Copy, Debug)]
pub struct FreeScan {
    word: u32,
    words: u32,
}

impl FreeScan {
    #[inline(always)]
    pub const fn new(word: u32, words: u32) -> Self {
        Self { word: if word < words { word } else { 0 }, words }
    }

    /// How many summaries the search reads after the first: all of the table, and the first once
    /// more, of which only a part counted before. This is 33 for a table of the default size and
    /// 4,096 for the largest, which takes some ten microseconds when the table is full.
    #[inline(always)]
    pub const fn rest(&self) -> u32 {
        self.words.div_ceil(WORDS_OF_SUMMARY)
    }

    /// The number of the summary to read next.
    #[inline(always)]
    pub const fn summary(&self) -> u32 {
        self.word / WORDS_OF_SUMMARY
    }

    /// The first word with a free record in a summary, whose set bits `full` are the words without
    /// one. `None` advances to the next summary.
    #[inline(always)]
    pub const fn look(&mut self, full: u64) -> Option<u32> {
        let first = self.summary() * WORDS_OF_SUMMARY;
        let place = lowest_free_from(full, self.word - first);
        // The last summary may have bits without a word.
        if place < WORDS_OF_SUMMARY && first + place < self.words {
            return Some(first + place);
        }
        let next = first + WORDS_OF_SUMMARY;
        self.word = if next < self.words { next } else { 0 };
        None
    }
}

/// The lowest free place of 64 from `first` on, which is below 64; 64 if none is free.
#[inline(always)]
pub const fn lowest_free_from(taken: u64, first: u32) -> u32 {
    lowest_free(taken | ((1 << first) - 1))
}

/// The lowest free place of 64; 64 if none is free.
#[inline(always)]
pub(crate) const fn lowest_free(taken: u64) -> u32 {
    // Counts the bits below it, because the BPF target has no instruction that finds a bit.
    (taken & !taken.wrapping_add(1)).count_ones()
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{vec, vec::Vec};

    use super::*;

    /// The words and summaries of a table, changed as the programs change them.
    struct Words {
        taken: Vec<u64>,
        full: Vec<u64>,
        records: u32,
    }

    impl Words {
        fn of(records: u32) -> Self {
            let words = records.div_ceil(RECORDS_OF_WORD);
            Self {
                taken: vec![0; words as usize],
                full: vec![0; words.div_ceil(WORDS_OF_SUMMARY) as usize],
                records,
            }
        }

        fn word_with_room(&self, word: u32) -> Option<u32> {
            let mut walk = FreeScan::new(word, self.taken.len() as u32);
            (0..=walk.rest()).find_map(|_| walk.look(self.full[walk.summary() as usize]))
        }

        fn find_free(&self, mut from: u32) -> Option<u32> {
            for _ in 0..WORDS_TRIED {
                let word = self.word_with_room(from / 64)?;
                let first = if word == from / 64 { from % 64 } else { 0 };
                let place = lowest_free_from(self.taken[word as usize], first);
                let record = word * RECORDS_OF_WORD + place;
                if place < RECORDS_OF_WORD && record < self.records {
                    return Some(record);
                }
                from = (word + 1) * RECORDS_OF_WORD;
            }
            None
        }

        fn take(&mut self, next: &mut u32, hash: u32) -> Option<u32> {
            let from = first_record(*next, hash, self.taken.len() as u32);
            let record = self.find_free(from)?;
            let word = record / RECORDS_OF_WORD;
            let taken = &mut self.taken[word as usize];
            *taken |= 1 << (record % 64);
            if *taken == u64::MAX {
                self.full[word as usize / 64] |= 1 << (word % 64);
            }
            *next = record + 1;
            Some(record)
        }

        fn free(&mut self, record: u32) {
            let word = record / RECORDS_OF_WORD;
            self.taken[word as usize] &= !(1 << (record % 64));
            self.full[word as usize / 64] &= !(1 << (word % 64));
        }
    }

    #[test]
    fn records_are_taken_in_their_order_and_again_after_all_others() {
        let mut words = Words::of(192);
        let mut next = 0;
        let first = words.take(&mut next, 0x8000_0000).unwrap();
        assert_eq!(first, 64, "the middle of the table");
        words.free(first);
        for number in 1..192 {
            assert_eq!(words.take(&mut next, 0), Some((first + number) % 192));
        }
        assert_eq!(words.take(&mut next, 0), Some(first));
        assert_eq!(words.take(&mut next, 0), None, "all are taken");
    }

    #[test]
    fn a_table_is_filled_to_its_last_record_by_several_cpus() {
        // Wherever the CPUs begin, they reach each other's records in the end.
        let sizes = [1, 64, 1_000, 1 << 17, 200_001, 1 << 20, 1 << 21];
        for (records, seed) in sizes.into_iter().flat_map(|size| [(size, 1), (size, 7)]) {
            let mut words = Words::of(records);
            let mut next = [0; 3];
            let mut hash: u32 = seed;
            for number in 0..records {
                hash = hash.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f);
                let taken = words.take(&mut next[number as usize % 3], hash);
                assert!(taken.is_some(), "{number} of {records}");
            }
            assert_eq!(words.take(&mut next[0], hash), None, "{records}");
        }
    }

    #[test]
    fn the_only_free_record_is_found_from_anywhere() {
        let mut words = Words::of(1 << 17);
        let mut next = 0;
        while words.take(&mut next, 0).is_some() {}
        for free in (0..1 << 17).step_by(4_099) {
            for mut next in (1..=1 << 17).step_by(1_021) {
                words.free(free);
                assert_eq!(words.take(&mut next, 0), Some(free), "from {next}");
            }
        }
    }

    #[test]
    fn the_lowest_free_record_of_a_word() {
        assert_eq!(lowest_free(0), 0);
        assert_eq!(lowest_free(u64::MAX), 64);
        for place in 0..64 {
            assert_eq!(lowest_free((1 << place) - 1), place);
            assert_eq!(lowest_free(!(1 << place)), place);
            assert_eq!(lowest_free_from(0, place), place);
            assert_eq!(lowest_free_from(1 << place, place), place + 1);
            assert_eq!(lowest_free_from(u64::MAX << place, place), 64);
        }
    }
}
