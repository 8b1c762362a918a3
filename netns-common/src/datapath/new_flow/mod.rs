//! The first packet of a flow: SNAT, DNAT and the choice of a port; and hairpin connections. Uses
//! all folders up to `fragments`, in the order of [`datapath`](super).

pub(crate) mod allocate;
pub(crate) mod caller_port;
pub(crate) mod dnat;
pub(crate) mod eim;
pub(crate) mod evict;
pub(crate) mod hairpin;
pub(crate) mod port_search;
pub(crate) mod portless;
pub(crate) mod reclaim;
pub(crate) mod snat;
