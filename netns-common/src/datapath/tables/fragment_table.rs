//! The table of datagrams that come in fragments.

use core::ops::Deref;

use crate::abi::{Fragment, FragmentBudget};

/// The table of datagrams that come in fragments.
pub trait FragmentTable {
    type FragmentRef<'a>: Deref<Target = Fragment>
    where
        Self: 'a;

    /// The record at a place.
    fn fragment(&self, place: u32) -> Option<Self::FragmentRef<'_>>;
    /// Writes the record at a place, and overwrites the one there.
    fn set_fragment(&self, place: u32, fragment: &Fragment);

    /// The reassembler memory in use by the sources of a group.
    fn fragment_budget(&self, group: u32) -> FragmentBudget;
    fn set_fragment_budget(&self, group: u32, budget: &FragmentBudget);
}
