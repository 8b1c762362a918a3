//! ICMP errors: translating those about known flows, sending those of the NAT itself, and the MTU.
//! Uses all folders up to `context`, in the order of [`datapath`](super).

pub(crate) mod mtu;
pub(crate) mod rewrite_quote;
pub(crate) mod send_error;
pub(crate) mod translate;
