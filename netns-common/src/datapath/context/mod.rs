//! One packet in a hook: its context, the verdict on it, and the scratch memory that carries a
//! decision from one program to the next. Uses `packet`, `tables` and `conntrack`.

pub(crate) mod ip_id;
pub(crate) mod known_flow;
pub(crate) mod packet_context;
pub(crate) mod pending;
pub(crate) mod scratch;
pub(crate) mod verdict;
