//! The lab's rules: which masquerade or forward applies, and which addresses and links belong to
//! the lab. Uses `packet` and `tables`.

pub(crate) mod forward;
pub(crate) mod lab_border;
pub(crate) mod masquerade;
