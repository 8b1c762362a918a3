//! The two buckets of the flow table's index in which a connection may be.
//!
//! Each key has two buckets. It is inserted into the first while that one is not nearly full, and
//! otherwise into the emptier one. A look-up reads the second bucket only if a key of the first was
//! inserted there.

use crate::abi::{BUCKET_ENTRIES, FlowKey, FlowLayout, InsideKey};

/// The bit that is set in every entry in use.
const IN_USE: u32 = 1 << 31;

/// The bit of entries for the look-up by translated port: their key is the inside key of a
/// connection whose port was translated.
const TRANSLATED: u32 = 1 << 30;

/// From this number of entries in use on, an insertion compares the first bucket with the second.
const ROOM_TO_SPARE: u32 = 10;

/// The two buckets of a key, and the bits that its entry has besides the number of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketPair {
    /// The first bucket.
    pub first: u32,
    /// The second bucket; by chance it may be the first one.
    pub second: u32,
    /// A hash that selects where the search for a free record begins: see
    /// [`first_record`](super::free_record::first_record).
    pub start: u32,
    /// The bits of an entry besides the number of the record, and the mask of these bits. They have
    /// 64 bits, because the BPF target compares only those directly.
    mark: u64,
    mark_bits: u64,
}

impl BucketPair {
    /// The buckets of a flow by its outside key.
    #[inline(always)]
    pub fn of_flow(layout: &FlowLayout, key: &FlowKey) -> Self {
        let ports = ports(key.remote_port.to_network(), key.external_port.to_network());
        let first = (u64::from(key.remote.to_network()) << 32) | ports;
        Self::new(layout, hash(layout.seed, first, u64::from(key.protocol)), 0)
    }

    /// The buckets of a flow whose ports are the same inside and outside, by its inside key. They
    /// are those of its outside key, because the hash has neither the inside nor the external
    /// address.
    #[inline(always)]
    pub fn of_kept(layout: &FlowLayout, key: &InsideKey) -> Self {
        let ports = ports(key.seen_port.to_network(), key.inside_port.to_network());
        let first = (u64::from(key.remote.to_network()) << 32) | ports;
        Self::new(layout, hash(layout.seed, first, u64::from(key.protocol)), 0)
    }

    /// The buckets of a flow with a translated port, by its inside key.
    #[inline(always)]
    pub fn of_translated(layout: &FlowLayout, key: &InsideKey) -> Self {
        let ports = ports(key.inside_port.to_network(), key.seen_port.to_network());
        let first = (u64::from(key.remote.to_network()) << 32) | ports;
        let second =
            (u64::from(key.inside.to_network()) << 8) | u64::from(key.protocol) | (1 << 40);
        Self::new(layout, hash(layout.seed, first, second), TRANSLATED)
    }

    #[inline(always)]
    fn new(layout: &FlowLayout, hash: u64, kind: u32) -> Self {
        let mark = (hash as u32 & !(IN_USE | TRANSLATED)) | IN_USE | kind;
        // The upper half selects the first bucket, and it is not part of the bits in the entry. All
        // bits select the second.
        let other = hash.wrapping_mul(0xd6e8_feb8_6659_fd93);
        let upper = |hash: u64| (hash >> 32) as u32;
        Self {
            first: scale(upper(hash), layout.buckets),
            second: scale(upper(other), layout.buckets),
            start: other as u32,
            mark: u64::from(mark & !layout.record_bits),
            mark_bits: u64::from(!layout.record_bits),
        }
    }

    /// The entry for a record.
    #[inline(always)]
    pub const fn entry(&self, record: u32) -> u32 {
        self.mark as u32 | record
    }

    /// The record of an entry, if its other bits match the key. Another key matches only rarely.
    #[inline(always)]
    pub const fn record(&self, entry: u32) -> Option<u32> {
        if (entry as u64 ^ self.mark) & self.mark_bits == 0 {
            Some(entry & !(self.mark_bits as u32))
        } else {
            None
        }
    }
}

/// The record of an entry for the look-up by translated port; `None` for other entries.
pub const fn translated_record(layout: &FlowLayout, entry: u32) -> Option<u32> {
    let kind = entry & (IN_USE | TRANSLATED);
    if kind == IN_USE | TRANSLATED { Some(entry & layout.record_bits) } else { None }
}

/// Whether a new key belongs into its first bucket, given the entries in use of both buckets.
#[inline(always)]
pub(crate) const fn prefers_first(first: u64, second: u64) -> bool {
    !is_to_be_compared(first) || first.count_ones() <= second.count_ones()
}

/// Whether a first bucket with these entries in use must be compared with the second.
#[inline(always)]
pub(crate) const fn is_to_be_compared(first: u64) -> bool {
    first.count_ones() >= ROOM_TO_SPARE
}

/// The entries of a bucket in use, one bit each. It has no branch for an entry, because the
/// verifier would follow every combination.
#[inline(always)]
pub fn in_use(entries: impl Fn(usize) -> u32) -> u64 {
    (0..BUCKET_ENTRIES).fold(0, |found, place| found | (u64::from(entries(place) >> 31) << place))
}

#[inline(always)]
fn ports(a: u16, b: u16) -> u64 {
    (u64::from(a) << 16) | u64::from(b)
}

/// A number below `count` from a hash, by scaling instead of division.
#[inline(always)]
pub(crate) const fn scale(hash: u32, count: u32) -> u32 {
    ((hash as u64 * count as u64) >> 32) as u32
}

/// A hash of two words with a secret: it multiplies by a secret odd number, folds, and repeats
/// both. It is computed for every packet, so it is cheap. It would not keep its secret from an
/// observer of the results, but nobody outside can observe the buckets.
#[inline(always)]
fn hash(seed: [u64; 2], first: u64, second: u64) -> u64 {
    let mut hash = (first ^ seed[0]).wrapping_mul(seed[1] | 1);
    hash ^= hash >> 32;
    hash = (hash ^ second).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^= hash >> 29;
    hash = hash.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{collections::HashMap, vec, vec::Vec};

    use super::{super::free_record::lowest_free, *};
    use crate::abi::{FlowBucket, Ip4, Port, Protocol};

    const EXTERNAL: Ip4 = Ip4::new(192, 168, 1, 10);
    const SEED: [u64; 2] = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210];

    fn keys() -> impl Iterator<Item = FlowKey> {
        (0_u32..).map(|number| {
            let [_, remote, high, low] = number.to_be_bytes();
            let port = Port::new(u16::from_be_bytes([high, low]));
            let remote = Ip4::new(192, 0, 2, remote);
            FlowKey::new(remote, Port::new(53), EXTERNAL, port, Protocol::Udp.number())
        })
    }

    fn inside(key: &FlowKey) -> InsideKey {
        let address = Ip4::new(10, 0, 0, 1);
        InsideKey::new(address, key.external_port, key.remote, key.remote_port, key.protocol)
    }

    /// Inserts a key into an index, as the programs do.
    fn put(index: &mut [FlowBucket], spot: &BucketPair, record: u32) -> bool {
        let used = |bucket: u32| in_use(|place| index[bucket as usize].entries[place]);
        let (of_first, of_second) = (used(spot.first), used(spot.second));
        let (bucket, used) = if prefers_first(of_first, of_second) {
            (spot.first, of_first)
        } else {
            (spot.second, of_second)
        };
        let place = index[bucket as usize].entries.get_mut(lowest_free(used) as usize);
        place.is_some_and(|place| {
            *place = spot.entry(record);
            true
        })
    }

    #[test]
    fn a_full_table_finds_room_for_all_its_records_even_if_every_port_changed() {
        for capacity in [64, 1_000, 1 << 17] {
            let layout = FlowLayout::of(capacity, SEED);
            let mut index = vec![FlowBucket::default(); layout.buckets as usize];
            for (record, key) in (0..capacity).zip(keys()) {
                assert!(put(&mut index, &BucketPair::of_flow(&layout, &key), record), "{record}");
            }
            for (record, key) in (0..capacity).zip(keys()) {
                let spot = BucketPair::of_translated(&layout, &inside(&key));
                assert!(put(&mut index, &spot, record), "moved {record} of {capacity}");
            }
        }
    }

    #[test]
    fn hardly_a_key_of_a_full_table_is_in_its_second_bucket_and_hardly_one_is_taken_for_another() {
        let layout = FlowLayout::of(1 << 17, SEED);
        let mut index = vec![FlowBucket::default(); layout.buckets as usize];
        let mut taken_for_another = 0;
        let mut elsewhere = 0;
        for (record, key) in (0..1 << 17).zip(keys()) {
            let spot = BucketPair::of_flow(&layout, &key);
            let bucket = &index[spot.first as usize];
            taken_for_another += bucket.entries.iter().filter_map(|e| spot.record(*e)).count();
            assert!(put(&mut index, &spot, record));
            let bucket = &index[spot.first as usize];
            let is_here = bucket.entries.iter().any(|entry| spot.record(*entry) == Some(record));
            elsewhere += usize::from(!is_here);
        }
        assert!(taken_for_another < 200, "{taken_for_another}");
        assert!(elsewhere < 2_000, "{elsewhere}");
    }

    #[test]
    fn an_entry_is_found_by_its_own_key_only_and_names_its_record() {
        let layout = FlowLayout::of(1 << 17, SEED);
        let all: Vec<_> = keys().take(1_000).collect();
        for (record, key) in (0..).zip(&all) {
            let spot = BucketPair::of_flow(&layout, key);
            let moved = BucketPair::of_translated(&layout, &inside(key));
            assert_eq!(BucketPair::of_kept(&layout, &inside(key)), spot);
            assert_eq!(spot.record(spot.entry(record)), Some(record));
            assert_eq!(moved.record(moved.entry(record)), Some(record));
            assert_eq!(spot.record(0), None, "an entry that is none");
            assert_eq!(spot.record(moved.entry(record)), None, "another kind");
            assert_eq!(translated_record(&layout, moved.entry(record)), Some(record));
            assert_eq!(translated_record(&layout, spot.entry(record)), None);
        }
    }

    #[test]
    fn the_largest_table_names_its_last_record() {
        let layout = FlowLayout::of(crate::abi::MAX_FLOWS, SEED);
        let last = crate::abi::MAX_FLOWS - 1;
        for key in keys().take(100) {
            let spot = BucketPair::of_flow(&layout, &key);
            assert_eq!(spot.record(spot.entry(last)), Some(last));
            assert_eq!(spot.record(0), None);
        }
    }

    #[test]
    fn another_secret_makes_another_index() {
        let layout = |seed| FlowLayout::of(1 << 17, seed);
        let [one, other] = [layout(SEED), layout([SEED[0], SEED[1] ^ 2])];
        let same = keys().take(10_000).filter(|key| {
            BucketPair::of_flow(&one, key).first == BucketPair::of_flow(&other, key).first
        });
        assert!(same.count() < 20);
    }

    /// The buckets of keys that differ in one bit are independent of each other.
    #[test]
    fn every_bit_of_a_key_counts() {
        let layout = FlowLayout::of(1 << 17, SEED);
        let mut met: HashMap<u32, u32> = HashMap::new();
        let remote = Ip4::new(198, 51, 100, 7);
        let base = FlowKey::new(remote, Port::new(443), EXTERNAL, Port::new(50_000), 6);
        let remote = u32::from_be_bytes([198, 51, 100, 7]);
        for bit in 0..32 {
            let [a, b, c, d] = (remote ^ (1 << bit)).to_be_bytes();
            let key = FlowKey { remote: Ip4::new(a, b, c, d), ..base };
            *met.entry(BucketPair::of_flow(&layout, &key).first).or_default() += 1;
        }
        for bit in 0..16 {
            let key = FlowKey { remote_port: Port::new(443 ^ (1 << bit)), ..base };
            *met.entry(BucketPair::of_flow(&layout, &key).first).or_default() += 1;
            let key = FlowKey { external_port: Port::new(50_000 ^ (1 << bit)), ..base };
            *met.entry(BucketPair::of_flow(&layout, &key).first).or_default() += 1;
        }
        for protocol in [1, 17, 132] {
            let key = FlowKey { protocol, ..base };
            *met.entry(BucketPair::of_flow(&layout, &key).first).or_default() += 1;
        }
        assert!(met.len() >= 65, "{met:?}");
    }
}
