//! How the flow table lies in its maps: records in arrays, an index of them in buckets of a
//! cache line, and a bit for each record that is taken.
//!
//! The kernel's own hash table takes 64 bytes for each element beside its content, and a look-up
//! in it goes to more places of memory.

use core::ops::Deref;

use network_types::eth::EthHdr;

use super::{FlowHead, FlowKey, FlowTail, InsideKey, Ip4, Port};

/// A place for one connection, which is a cache line; its [`FlowTail`](super::FlowTail) is
/// in another array, under the same number.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowRecord {
    /// The parts of its [`FlowKey`] that the head does not have.
    pub remote: Ip4,
    pub remote_port: Port,
    pub external_port: Port,
    pub head: FlowHead,
}

impl FlowRecord {
    /// The record of a connection. The head says which external address and protocol it has.
    #[inline(always)]
    pub const fn new(key: &FlowKey, head: FlowHead) -> Self {
        let FlowKey { remote, remote_port, external_port, .. } = *key;
        Self { remote, remote_port, external_port, head }
    }

    /// The connection as the remote sees it.
    #[inline(always)]
    pub const fn key(&self) -> FlowKey {
        let head = &self.head;
        let (remote_port, external_port) = (self.remote_port, self.external_port);
        FlowKey::new(self.remote, remote_port, head.external, external_port, head.protocol)
    }

    /// The connection as its inside end sees it.
    #[inline(always)]
    pub const fn inside_key(&self) -> InsideKey {
        self.head.inside_key(self.remote)
    }

    /// Whether a port is another inside than outside, so that the index has a second entry for the
    /// record, by the translated port.
    #[inline(always)]
    pub const fn is_port_translated(&self) -> bool {
        self.head.is_port_translated(self.remote_port, self.external_port)
    }

    /// The key of the record that the other end of a connection between two namespaces has.
    #[inline(always)]
    pub const fn hairpin_peer_key(&self) -> FlowKey {
        let FlowKey { remote, remote_port, external, external_port, protocol, .. } = self.key();
        FlowKey::new(external, external_port, remote, remote_port, protocol)
    }
}

impl Deref for FlowRecord {
    type Target = FlowHead;

    #[inline(always)]
    fn deref(&self) -> &FlowHead {
        &self.head
    }
}

/// How many entries a bucket of the index has.
pub const BUCKET_ENTRIES: usize = 14;

/// A bucket of the index, which is a cache line. Each entry is 0, or names a record and why it is
/// here: see `datapath::BucketPair`.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowBucket {
    /// The kernel's `bpf_spin_lock`. Entries are only written while it is held.
    pub lock: u32,
    /// Counts the entries that were put under keys whose first bucket this is.
    pub generation: u16,
    /// How many of these are in their second bucket; it stays once it is [`u16::MAX`].
    pub overflow_count: u16,
    pub entries: [u32; BUCKET_ENTRIES],
}

/// Which of [`RECORDS_OF_WORD`] records are taken.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowWord {
    /// The kernel's `bpf_spin_lock`. A record is taken, and written, while it is held.
    pub lock: u32,
    pub padding: u32,
    /// A bit for each, the first record's being the lowest.
    pub taken: u64,
}

/// How many records a word speaks of.
pub const RECORDS_OF_WORD: u32 = u64::BITS;

/// Of which of [`WORDS_OF_SUMMARY`] words all records are taken.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowSummary {
    /// The kernel's `bpf_spin_lock`. Whoever has taken the last record of a word or has given one
    /// of them back looks at the word again while it is held.
    pub lock: u32,
    pub padding: u32,
    /// A bit for each, the first word's being the lowest.
    pub full: u64,
}

/// How many words a summary speaks of.
pub const WORDS_OF_SUMMARY: u32 = u64::BITS;

/// The most records that a flow table can have: an entry of the index keeps a byte for more than
/// which record it names.
pub const MAX_FLOWS: u32 = 1 << 24;

/// How many flows one run of [`FORGET_FLOWS`](super::programs::FORGET_FLOWS) forgets at most: as
/// many keys fit into a frame that the kernel takes for a test run.
pub const FORGOTTEN_AT_ONCE: u32 = 200;

/// Length of an Ethernet header in bytes, after which these keys begin.
pub const ETHERNET_HEADER: usize = EthHdr::LEN;

/// What the programs must know of the flow table. Never changed while it has records.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowLayout {
    /// A secret, without which nobody can make connections that all fall into one bucket.
    pub seed: [u64; 2],
    /// How many buckets the index has.
    pub buckets: u32,
    /// How many words there are.
    pub words: u32,
    /// The bits of an entry that name a record; the others say what it is there for.
    pub record_bits: u32,
    pub padding: u32,
}

impl FlowLayout {
    /// Of a table of so many records, at most [`MAX_FLOWS`].
    pub fn of(capacity: u32, seed: [u64; 2]) -> Self {
        Self {
            seed,
            buckets: buckets_of(capacity),
            words: words_of(capacity),
            record_bits: capacity.next_power_of_two() - 1,
            padding: 0,
        }
    }
}

/// How many buckets the index of so many records has: with a third of its entries in use
/// when all records are, and two thirds when all have changed their port too, a bucket hardly
/// ever overflows.
pub fn buckets_of(capacity: u32) -> u32 {
    // With few buckets one may get far more than its share.
    (capacity / 5).max(64)
}

/// How many words so many records need.
pub const fn words_of(capacity: u32) -> u32 {
    capacity.div_ceil(RECORDS_OF_WORD)
}

/// How many summaries the words of so many records need.
pub const fn summaries_of(capacity: u32) -> u32 {
    words_of(capacity).div_ceil(WORDS_OF_SUMMARY)
}

/// A connection with all that is recorded of it, on its way from one flow table to another.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCopy {
    pub record: FlowRecord,
    pub tail: FlowTail,
}

/// How many connections a packet can carry for
/// [`RESTORE_FLOWS`](super::programs::RESTORE_FLOWS): a page of the kernel has room for them.
pub const RESTORED_AT_ONCE: u32 = 32;

const _: () = {
    assert!(size_of::<FlowRecord>() == 64);
    assert!(size_of::<FlowBucket>() == 64);
    assert!(size_of::<FlowWord>() == 16);
    assert!(size_of::<FlowSummary>() == 16);
    assert!(size_of::<FlowLayout>() == 32);
    assert!(size_of::<FlowCopy>() == 84);
};
