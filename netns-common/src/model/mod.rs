//! The datapath on the host: the same logic over packets in vectors and maps in memory.
//!
//! Tests run it where no kernel is needed, and hold the loaded programs against it.
//!
//! - [`VecPacket`] and [`MemoryTables`] are what the kernel side's packet and maps are.
//! - [`Router`] puts them together with a clock: the lecture's lab in one value.
//! - [`ipv4`] begins a packet, [`wrong_checksums`] recomputes every checksum of one.
//! - [`Generator`] makes arbitrary packets that know of each other; [`fuzz`] makes them of the
//!   bytes that a fuzzer finds.

mod builder;
mod checksums;
mod flow;
mod flow_table;
mod fragments;
pub mod fuzz;
mod generate;
mod lecture;
mod mutate;
mod packet;
mod random;
mod router;
mod routes;
mod tables;
mod usage;

pub use builder::{Datagram, flags, ipv4};
pub use checksums::{Field, checksum, crc32c, wrong_checksums};
pub use flow::MemoryFlow;
pub use fragments::{Reassembler, join, split};
pub use generate::{Generator, Step};
pub use lecture::{
    Device, Places, add_rules as lecture_rules, address, rules, tables as lecture_tables,
};
pub use packet::{Mtus, VecPacket};
pub use random::Random;
pub use router::{Hook, Router};
pub use routes::{RouteEntry, Routes, Way};
pub use tables::{HostSocket, MemoryTables};
