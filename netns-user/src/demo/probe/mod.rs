//! Questions put to the network, each from the namespace of the thread that asks.
//!
//! A probe opens its own sockets, keeps nothing between calls and always ends by its
//! deadline, so that any number of them may run side by side.

mod http;
mod icmp;
mod interfaces;
mod ping;

pub use http::{HttpError, Page, get};
pub use interfaces::{InterfacesError, interfaces};
pub use ping::{Answer, PingError, best_of, ping};
