//! The attributes of a netlink message of nftables.

use std::ffi::c_int;

use netlink_packet_core::NlasIterator;

use super::ruleset::text;

/// Attributes one after the other. A missing one is read as an empty one.
#[derive(Clone, Copy)]
pub(super) struct Attributes<'a>(pub(super) &'a [u8]);

impl<'a> Attributes<'a> {
    pub(super) fn all(self) -> impl Iterator<Item = (u16, Self)> {
        NlasIterator::new(self.0).flatten().map(|attribute| {
            let value = &attribute.into_inner()[4..];
            (attribute.kind(), Attributes(&value[..attribute.value_length()]))
        })
    }

    pub(super) fn at(self, kind: u16) -> Self {
        self.all().find(|(found, _)| *found == kind).map_or(Attributes(&[]), |(_, value)| value)
    }

    pub(super) fn text(self, kind: u16) -> String {
        text(self.at(kind).0)
    }

    pub(super) fn number(self, kind: u16) -> Option<c_int> {
        Some(c_int::from_be_bytes(self.at(kind).0.try_into().ok()?))
    }

    pub(super) fn long(self, kind: u16) -> Option<u64> {
        Some(u64::from_be_bytes(self.at(kind).0.try_into().ok()?))
    }
}
