//! The names of a lab's namespaces, for /etc/hosts inside them.
//!
//! All namespaces of a lab share one file, in the folder of the lab's record. By the convention of
//! iproute2, /etc/netns/NAME/hosts is mounted over /etc/hosts by `exec`: here it is a symbolic link
//! to the shared file. So a change of the names writes one file, however many namespaces there are.

pub(crate) mod links;
pub(crate) mod shared;
mod text;

pub use text::HostEntry;
pub(crate) use text::{is_host_name, lines, machine_filter};
