//! Probes of the network, each from the namespace of the calling thread.
//!
//! A probe opens its own sockets, keeps nothing between calls and always ends by its deadline, so
//! that any number of them can run in parallel. This folder uses no other one.

mod http;
mod icmp;
mod interfaces;
mod ping;

pub use http::{HttpError, Page, get};
pub use interfaces::{InterfacesError, interfaces};
pub use ping::{Answer, PingError, best_of, ping};
