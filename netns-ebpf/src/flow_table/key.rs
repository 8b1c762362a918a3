//! The keys of look-ups for records.

use core::mem::offset_of;

use netns_common::{
    abi::{FlowHead, FlowKey, FlowLayout, FlowRecord, InsideKey},
    datapath::BucketPair,
};

use crate::racy::racy;

/// Two adjacent ports as one word: the named field and the next one. The offset of the first is a
/// multiple of four bytes, as asserted below.
macro_rules! port_pair {
    ($pointer:expr, $($field:tt)+) => {
        racy!($pointer, $($field)+).cast::<u32>().get()
    };
}

/// A key of a look-up for a record.
pub(super) trait LookupKey {
    fn bucket_pair(&self, layout: &FlowLayout) -> BucketPair;
    fn is(&self, record: *const FlowRecord) -> bool;
}

impl LookupKey for FlowKey {
    #[inline(always)]
    fn bucket_pair(&self, layout: &FlowLayout) -> BucketPair {
        BucketPair::of_flow(layout, self)
    }

    #[inline(always)]
    fn is(&self, record: *const FlowRecord) -> bool {
        racy!(record, remote).get() == self.remote
            && port_pair!(record, remote_port) == port_pair!(self, remote_port)
            && racy!(record, head.external).get() == self.external
            && racy!(record, head.protocol).get() == self.protocol
    }
}

const _: () = {
    let record = offset_of!(FlowRecord, remote_port);
    let head = offset_of!(FlowRecord, head) + offset_of!(FlowHead, inside_port);
    let (flow, inside) = (offset_of!(FlowKey, remote_port), offset_of!(InsideKey, inside_port));
    assert!(record % 4 == 0 && head % 4 == 0 && flow % 4 == 0 && inside % 4 == 0);
    assert!(offset_of!(FlowRecord, external_port) == record + 2);
    assert!(offset_of!(FlowHead, seen_port) == offset_of!(FlowHead, inside_port) + 2);
    assert!(offset_of!(FlowKey, external_port) == flow + 2);
    assert!(offset_of!(InsideKey, seen_port) == inside + 2);
};

/// The inside key of a connection with the same ports inside and outside.
#[repr(transparent)]
pub(super) struct Kept(InsideKey);

impl LookupKey for Kept {
    #[inline(always)]
    fn bucket_pair(&self, layout: &FlowLayout) -> BucketPair {
        BucketPair::of_kept(layout, &self.0)
    }

    #[inline(always)]
    fn is(&self, record: *const FlowRecord) -> bool {
        let outside = port_pair!(record, remote_port);
        let inside = port_pair!(self, 0.inside_port);
        // The remote's port is first in an outside key, and last in an inside key.
        outside == inside.rotate_left(16) && self.0.is(record)
    }
}

impl LookupKey for InsideKey {
    #[inline(always)]
    fn bucket_pair(&self, layout: &FlowLayout) -> BucketPair {
        BucketPair::of_translated(layout, self)
    }

    #[inline(always)]
    fn is(&self, record: *const FlowRecord) -> bool {
        racy!(record, head.inside).get() == self.inside
            && port_pair!(record, head.inside_port) == port_pair!(self, inside_port)
            && racy!(record, remote).get() == self.remote
            && racy!(record, head.protocol).get() == self.protocol
    }
}
