//! The layout of the flow table in its maps: records in arrays, an index in buckets of one cache
//! line, and a bit for each record in use.
//!
//! The kernel's own hash map needs 64 more bytes for each element, and a look-up in it reads more
//! cache lines.

use core::ops::Deref;

use network_types::eth::EthHdr;

use super::{FlowHead, FlowKey, FlowTail, InsideKey, Ip4, Port};

/// The record of one connection, which is one cache line. Its [`FlowTail`](super::FlowTail) is in
/// another array, under the same number.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowRecord {
    /// The parts of its [`FlowKey`] that the head lacks: this field and the two ports.
    pub remote: Ip4,
    pub remote_port: Port,
    pub external_port: Port,
    pub head: FlowHead,
}

impl FlowRecord {
    /// The record of a connection. Its external address and protocol come from the head.
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

    /// Whether a port is different inside and outside, so that the index has a second entry for the
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

/// A bucket of the index, which is one cache line. Each entry is 0, or has the number of a record
/// and the bits that a look-up compares: see `datapath::BucketPair`.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowBucket {
    /// The kernel's `bpf_spin_lock`. Entries are only written while it is held.
    pub lock: u32,
    /// Counts the insertions of keys whose first bucket this is; wraps.
    pub generation: u16,
    /// How many of these keys are in their second bucket; it stays at [`u16::MAX`] once it gets
    /// there.
    pub overflow_count: u16,
    pub entries: [u32; BUCKET_ENTRIES],
}

/// The records in use, among [`RECORDS_OF_WORD`] of them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowWord {
    /// The kernel's `bpf_spin_lock`. A record is allocated and written while it is held.
    pub lock: u32,
    pub padding: u32,
    /// One bit for each record; the lowest bit is the first record.
    pub taken: u64,
}

/// How many records a word covers.
pub const RECORDS_OF_WORD: u32 = u64::BITS;

/// The words without a free record, among [`WORDS_OF_SUMMARY`] of them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowSummary {
    /// The kernel's `bpf_spin_lock`. A CPU that has allocated the last record of a word, or freed
    /// one of its records, reads the word again while it holds this lock.
    pub lock: u32,
    pub padding: u32,
    /// One bit for each word; the lowest bit is the first word.
    pub full: u64,
}

/// How many words a summary covers.
pub const WORDS_OF_SUMMARY: u32 = u64::BITS;

/// The most records of a flow table: an entry of the index needs eight of its 32 bits besides the
/// number of its record.
pub const MAX_FLOWS: u32 = 1 << 24;

/// How many flows one run of [`FORGET_FLOWS`](super::programs::FORGET_FLOWS) removes at most: this
/// many keys fit into a frame that the kernel accepts for a test run.
pub const FORGOTTEN_AT_ONCE: u32 = 200;

/// Length of an Ethernet header in bytes; these keys follow it.
pub const ETHERNET_HEADER: usize = EthHdr::LEN;

/// The size and the secret of the flow table, for the programs. Never changed while it has records.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowLayout {
    /// The secret of the hash. It keeps an attacker from choosing connections that all fall into
    /// one bucket.
    pub seed: [u64; 2],
    /// How many buckets the index has.
    pub buckets: u32,
    /// How many words there are.
    pub words: u32,
    /// A mask: the bits of an entry that are the number of its record.
    pub record_bits: u32,
    pub padding: u32,
}

impl FlowLayout {
    /// The layout of a table of `capacity` records, at most [`MAX_FLOWS`].
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

/// How many buckets the index of this many records has. If all records are in use, a third of the
/// entries is in use, or two thirds if all ports are translated. Then a bucket hardly ever
/// overflows.
pub fn buckets_of(capacity: u32) -> u32 {
    // With few buckets, one may get far more than its share.
    (capacity / 5).max(64)
}

/// How many words this many records need.
pub const fn words_of(capacity: u32) -> u32 {
    capacity.div_ceil(RECORDS_OF_WORD)
}

/// How many summaries the words of this many records need.
pub const fn summaries_of(capacity: u32) -> u32 {
    words_of(capacity).div_ceil(WORDS_OF_SUMMARY)
}

/// A complete record, for the copy from one flow table to another.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCopy {
    pub record: FlowRecord,
    pub tail: FlowTail,
}

/// How many records a frame for [`RESTORE_FLOWS`](super::programs::RESTORE_FLOWS) can have: they
/// fit into a page of the kernel.
pub const RESTORED_AT_ONCE: u32 = 32;

const _: () = {
    assert!(size_of::<FlowRecord>() == 64);
    assert!(size_of::<FlowBucket>() == 64);
    assert!(size_of::<FlowWord>() == 16);
    assert!(size_of::<FlowSummary>() == 16);
    assert!(size_of::<FlowLayout>() == 32);
    assert!(size_of::<FlowCopy>() == 84);
};
