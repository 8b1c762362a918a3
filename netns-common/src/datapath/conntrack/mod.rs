//! Connection tracking: the states of a flow, its timeouts, its record, where the record is in the
//! flow table, and the quotas. Uses `packet` and `tables`.

pub(crate) mod flow_buckets;
pub(crate) mod flow_index;
pub(crate) mod free_record;
pub(crate) mod idle;
pub(crate) mod quota;
pub(crate) mod record;
pub(crate) mod states;
pub(crate) mod tcp_window;
pub(crate) mod update_flow;
