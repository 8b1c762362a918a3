//! The tables, as traits: the BPF maps and the kernel's own tables in the programs, hash maps in
//! the model. Uses `packet`.

pub(crate) mod flow_table;
pub(crate) mod forward_table;
pub(crate) mod fragment_table;
pub(crate) mod kernel;
pub(crate) mod mapping_table;
pub(crate) mod observation;
pub(crate) mod route;
