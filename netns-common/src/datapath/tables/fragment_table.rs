//! The table of datagrams that come in fragments.

use core::ops::Deref;

use crate::abi::{Fragment, FragmentBudget};

/// The table of datagrams that come in fragments.
pub trait FragmentTable {
    type FragmentRef<'a>: Deref<Target = Fragment>
    where
        Self: 'a;

    /// What is in a place.
    fn fragment(&self, place: u32) -> Option<Self::FragmentRef<'_>>;
    /// Puts something into a place, whatever was there.
    fn set_fragment(&self, place: u32, fragment: &Fragment);

    /// What the sources of a group have in the reassembler.
    fn fragment_budget(&self, group: u32) -> FragmentBudget;
    fn set_fragment_budget(&self, group: u32, budget: &FragmentBudget);
}
