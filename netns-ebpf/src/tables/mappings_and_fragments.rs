//! The tables of mappings and of fragments.

use netns_common::{
    abi::{Fragment, FragmentBudget, Mapping, MappingKey, Tick},
    datapath::{FragmentTable, InsertError, MappingTable},
};

use super::KernelTables;
use crate::{maps, racy::racy};

impl<C> MappingTable for KernelTables<C> {
    #[inline(always)]
    fn mapping(&self, key: &MappingKey) -> Option<Mapping> {
        // SAFETY: copied at once, so a later change of the map does not matter.
        unsafe { maps::MAPPINGS.get(key) }.copied()
    }

    #[inline(always)]
    fn insert_mapping(&self, key: &MappingKey, mapping: &Mapping) -> Result<(), InsertError> {
        maps::MAPPINGS.insert(key, mapping, 0).map_err(|_| InsertError::Full)
    }

    #[inline(always)]
    fn keep_mapping(&self, key: &MappingKey, now: Tick) {
        if let Some(mapping) = maps::MAPPINGS.get_ptr_mut(key) {
            racy!(mapping, last_seen).set(now);
        }
    }

    #[inline(always)]
    fn remove_mapping(&self, key: &MappingKey) {
        let _ = maps::MAPPINGS.remove(key);
    }
}

impl<C> FragmentTable for KernelTables<C> {
    type FragmentRef<'a>
        = &'a Fragment
    where
        Self: 'a;

    #[inline(always)]
    fn fragment(&self, place: u32) -> Option<&Fragment> {
        // SAFETY: the element stays readable until the program ends. Another CPU may put another
        // datagram there at the same time: the fragment is then lost.
        unsafe { maps::FRAGMENTS.get(place) }
    }

    #[inline(always)]
    fn set_fragment(&self, place: u32, fragment: &Fragment) {
        // Without memory the datagram is lost, as it may be on any path.
        let _ = maps::FRAGMENTS.insert(place, fragment, 0);
    }

    #[inline(always)]
    fn fragment_budget(&self, group: u32) -> FragmentBudget {
        maps::FRAGMENT_BUDGETS.get(group).copied().unwrap_or_default()
    }

    #[inline(always)]
    fn set_fragment_budget(&self, group: u32, budget: &FragmentBudget) {
        if let Some(place) = maps::FRAGMENT_BUDGETS.get_ptr_mut(group) {
            // Two CPUs that charge one group at the same instant may lose a charge: it is an
            // estimate, made anew with each period.
            racy!(*place).set(*budget);
        }
    }
}
