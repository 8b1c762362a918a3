//! Network probes, which run in the namespace of the calling thread.
//!
//! A probe opens its own sockets, keeps no state between calls and ends by its deadline, so many
//! probes can run in parallel. This folder uses no other one.

mod http;
mod icmp;
mod interfaces;
mod ping;

pub use http::{HttpError, Page, get};
pub use interfaces::{InterfacesError, interfaces};
pub use ping::{Answer, PingError, best_of, ping};
