//! The table of endpoint-independent mappings.

use crate::{
    abi::{Mapping, MappingKey, Tick},
    datapath::tables::flow_table::InsertError,
};

/// The table of endpoint-independent mappings.
pub trait MappingTable {
    fn mapping(&self, key: &MappingKey) -> Option<Mapping>;
    /// Inserts or overwrites.
    fn insert_mapping(&self, key: &MappingKey, mapping: &Mapping) -> Result<(), InsertError>;
    /// Refreshes a mapping, if it is in the table: a current flow of it was seen at `now`.
    fn keep_mapping(&self, key: &MappingKey, now: Tick);
    fn remove_mapping(&self, key: &MappingKey);
}
