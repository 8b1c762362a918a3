//! The tables, as traits: the programs implement them over the BPF maps and the kernel's own
//! tables, the model over hash maps. Uses `packet`.

pub(crate) mod flow_table;
pub(crate) mod forward_table;
pub(crate) mod fragment_table;
pub(crate) mod kernel;
pub(crate) mod mapping_table;
pub(crate) mod observation;
pub(crate) mod route;
