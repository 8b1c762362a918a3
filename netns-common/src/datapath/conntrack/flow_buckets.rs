//! Putting entries into the flow table's index and taking them out, while other CPUs do the same.
//!
//! A bucket has a lock, and a program can hold only one lock at a time. So a change of both buckets
//! of a key takes several steps, and other CPUs may read the buckets between them. The invariant:
//! an entry in a second bucket is counted in the first bucket before it is written, since look-ups
//! would not read the second bucket otherwise.

use crate::{
    abi::BUCKET_ENTRIES,
    datapath::conntrack::{
        flow_index::{is_to_be_compared, prefers_first},
        free_record::lowest_free,
    },
};

/// The result of inserting an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    Done,
    /// Another CPU inserted a key with the same first bucket since the generation was read. It may
    /// be the same key.
    Changed,
    /// Neither bucket has room.
    Full,
}

/// The buckets of the index. Every change is made while the lock of its bucket is held.
pub trait Buckets {
    /// The entries in use, one bit each. All bits are set if the bucket does not exist.
    fn in_use(&self, bucket: u32) -> u64;

    /// Writes an entry and counts a change, if no key of this first bucket was inserted since
    /// `generation` was read and the place is free. Returns whether it did.
    fn put(&self, bucket: u32, place: u32, entry: u32, generation: u16) -> bool;

    /// Counts one more key in the second bucket, if no key of this first bucket was inserted since
    /// `generation` was read. Returns whether it did.
    fn reserve(&self, bucket: u32, generation: u16) -> bool;

    /// Counts a change, if no key of this first bucket was inserted since `generation` was read.
    /// Returns whether it did.
    fn commit(&self, bucket: u32, generation: u16) -> bool;

    /// Counts one key less in the second bucket.
    fn release(&self, bucket: u32);

    /// Replaces the entry `old` by `new` (0 empties the place). Returns false if another entry is
    /// there.
    fn replace(&self, bucket: u32, place: u32, old: u32, new: u32) -> bool;
}

/// Inserts an entry into the index, unless a key of its first bucket was inserted since
/// `generation` was read.
#[inline(always)]
pub fn put_entry<B: Buckets>(
    buckets: &B,
    first: u32,
    second: u32,
    entry: u32,
    generation: u16,
) -> Put {
    let of_first = buckets.in_use(first);
    if is_to_be_compared(of_first) {
        let of_second = buckets.in_use(second);
        if !prefers_first(of_first, of_second) {
            return put_into_second(
                buckets,
                first,
                second,
                lowest_free(of_second),
                entry,
                generation,
            );
        }
    }
    let place = lowest_free(of_first);
    if place as usize >= BUCKET_ENTRIES {
        return Put::Full;
    }
    if buckets.put(first, place, entry, generation) { Put::Done } else { Put::Changed }
}

/// As [`put_entry`], in the second bucket. The insertion takes effect when the first bucket counts
/// the change.
#[inline(always)]
fn put_into_second<B: Buckets>(
    buckets: &B,
    first: u32,
    second: u32,
    place: u32,
    entry: u32,
    generation: u16,
) -> Put {
    if place as usize >= BUCKET_ENTRIES {
        return Put::Full;
    }
    if !buckets.reserve(first, generation) {
        return Put::Changed;
    }
    if !buckets.replace(second, place, 0, entry) {
        buckets.release(first);
        return Put::Changed;
    }
    if buckets.commit(first, generation) {
        return Put::Done;
    }
    if buckets.replace(second, place, entry, 0) {
        buckets.release(first);
        return Put::Changed;
    }
    // If another CPU has removed the entry by now, it has also released the count and freed the
    // record.
    Put::Done
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{
        boxed::Box,
        cell::{Cell, RefCell},
        format,
        string::String,
        vec,
        vec::Vec,
    };

    use super::*;
    use crate::{abi::FlowBucket, datapath::in_use};

    const FIRST: u32 = 0;
    const SECOND: u32 = 1;
    /// The inserted key; smaller keys are there before. An entry holds a key and a number, which
    /// distinguishes two insertions of one key.
    const KEY: u32 = 99;

    fn entry(key: u32, number: u32) -> u32 {
        (1 << 31) | (key << 16) | number
    }

    type Deed = Box<dyn Fn(&Index)>;

    /// Two buckets, and the action of another CPU before a step.
    struct Index {
        buckets: RefCell<[FlowBucket; 2]>,
        step: Cell<usize>,
        meanwhile: RefCell<Option<(usize, Deed)>>,
    }

    impl Index {
        /// An index into which `keys` keys were inserted one after another.
        fn of(keys: u32) -> Self {
            let index = Self {
                buckets: RefCell::default(),
                step: Cell::new(0),
                meanwhile: RefCell::new(None),
            };
            for key in 0..keys {
                assert_eq!(index.insert(key, 0), Put::Done, "{key}");
            }
            index.step.set(0);
            index
        }

        fn next_step(&self) {
            let step = self.step.replace(self.step.get() + 1);
            let is_now = self.meanwhile.borrow().as_ref().is_some_and(|(at, _)| *at == step);
            let deed = if is_now { self.meanwhile.take() } else { None };
            if let Some((_, deed)) = deed {
                deed(self);
            }
        }

        fn changed<T>(&self, bucket: u32, change: impl FnOnce(&mut FlowBucket) -> T) -> T {
            self.next_step();
            change(&mut self.buckets.borrow_mut()[bucket as usize])
        }

        fn generation(&self) -> u16 {
            self.buckets.borrow()[0].generation
        }

        /// Finds a key in the way that a look-up does.
        fn find(&self, key: u32) -> Option<(u32, u32, u32)> {
            let buckets = self.buckets.borrow();
            let of_bucket = |bucket: u32| {
                let entries = buckets[bucket as usize].entries;
                let place = entries.iter().position(|found| found >> 16 == entry(key, 0) >> 16)?;
                Some((bucket, u32::try_from(place).unwrap(), entries[place]))
            };
            of_bucket(FIRST)
                .or_else(|| (buckets[0].overflow_count > 0).then(|| of_bucket(SECOND))?)
        }

        fn insert(&self, key: u32, number: u32) -> Put {
            let generation = self.generation();
            assert_eq!(self.find(key), None, "{key}");
            put_entry(self, FIRST, SECOND, entry(key, number), generation)
        }

        fn remove(&self, key: u32) {
            let Some((bucket, place, entry)) = self.find(key) else { return };
            if self.replace(bucket, place, entry, 0) && bucket == SECOND {
                self.release(FIRST);
            }
        }

        fn all(&self) -> Vec<u32> {
            let buckets = *self.buckets.borrow();
            buckets.iter().flat_map(|bucket| bucket.entries).filter(|entry| *entry != 0).collect()
        }

        fn overflow(&self) -> (u16, u32) {
            let buckets = self.buckets.borrow();
            (buckets[0].overflow_count, in_use(|place| buckets[1].entries[place]).count_ones())
        }
    }

    impl Buckets for Index {
        fn in_use(&self, bucket: u32) -> u64 {
            in_use(|place| self.buckets.borrow()[bucket as usize].entries[place])
        }

        fn put(&self, bucket: u32, place: u32, entry: u32, generation: u16) -> bool {
            self.changed(bucket, |bucket| {
                let place = &mut bucket.entries[place as usize];
                let is_as_before = bucket.generation == generation && *place == 0;
                if is_as_before {
                    *place = entry;
                    bucket.generation += 1;
                }
                is_as_before
            })
        }

        fn reserve(&self, bucket: u32, generation: u16) -> bool {
            self.changed(bucket, |bucket| {
                bucket.overflow_count += u16::from(bucket.generation == generation);
                bucket.generation == generation
            })
        }

        fn commit(&self, bucket: u32, generation: u16) -> bool {
            self.changed(bucket, |bucket| {
                let is_as_before = bucket.generation == generation;
                bucket.generation += u16::from(is_as_before);
                is_as_before
            })
        }

        fn release(&self, bucket: u32) {
            self.changed(bucket, |bucket| bucket.overflow_count -= 1);
        }

        fn replace(&self, bucket: u32, place: u32, old: u32, new: u32) -> bool {
            self.changed(bucket, |bucket| {
                let place = &mut bucket.entries[place as usize];
                let is_there = *place == old;
                if is_there {
                    *place = new;
                }
                is_there
            })
        }
    }

    /// The actions of other CPUs between two steps of the insertion of [`KEY`].
    fn deeds() -> Vec<(&'static str, Deed)> {
        vec![
            ("nothing", Box::new(|_| {})),
            ("takes it out", Box::new(|index| index.remove(KEY))),
            ("begins it anew", {
                Box::new(|index| {
                    index.remove(KEY);
                    assert_eq!(index.insert(KEY, 2), Put::Done);
                })
            }),
            ("puts another", Box::new(|index| assert_eq!(index.insert(50, 0), Put::Done))),
            ("takes another out of the first", Box::new(|index| index.remove(3))),
            ("takes another out of the second", Box::new(|index| index.remove(10))),
            ("makes room and takes it", {
                Box::new(|index| {
                    (0..4).for_each(|key| index.remove(key));
                    index.remove(KEY);
                    assert_eq!(index.insert(KEY, 2), Put::Done);
                })
            }),
        ]
    }

    #[test]
    fn every_key_is_found_and_counted_whatever_other_cpus_do() {
        for keys in [0, 5, 9, 10, 11, 12, 18, 23] {
            for step in 0..6 {
                for (what, deed) in deeds() {
                    let context = format!("{keys} keys, before step {step} another CPU {what}");
                    let index = Index::of(keys);
                    *index.meanwhile.borrow_mut() = Some((step, deed));
                    let mut outcome = index.insert(KEY, 1);
                    if outcome == Put::Changed && index.find(KEY).is_none() {
                        outcome = index.insert(KEY, 1);
                    }
                    *index.meanwhile.borrow_mut() = None;
                    holds(&index, outcome, &context);
                }
            }
        }
    }

    #[track_caller]
    fn holds(index: &Index, outcome: Put, context: &str) {
        let (overflow, in_second) = index.overflow();
        assert_eq!(u32::from(overflow), in_second, "{context}");
        let all = index.all();
        for there in &all {
            let key = (there >> 16) & 0x7fff;
            assert!(index.find(key).is_some(), "{context}: {key} is lost");
        }
        let of_key = all.iter().filter(|there| (**there >> 16) & 0x7fff == KEY).count();
        assert!(of_key <= 1, "{context}: the key is there twice");
        assert_ne!(outcome, Put::Full, "{context}");
        // Every inserted key can be removed again.
        let keys: Vec<_> = all.iter().map(|there| (there >> 16) & 0x7fff).collect();
        keys.iter().for_each(|key| index.remove(*key));
        assert_eq!((index.all(), index.overflow()), (vec![], (0, 0)), "{context}");
    }

    #[test]
    fn two_full_buckets_take_no_more() {
        let index = Index::of(28);
        assert_eq!(index.insert(KEY, 1), Put::Full);
        assert_eq!(index.overflow(), (14, 14));
        let told: String = format!("{:?}", index.find(27).map(|found| found.0));
        assert_eq!(told, "Some(1)");
    }
}
