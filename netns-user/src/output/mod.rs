//! The format of results: tables, numbers, colour and JSON.
//!
//! It uses no other folder but the styles of `graph`; every folder that prints or quotes text uses
//! it.

mod json;
mod numbers;
mod print;
pub mod style;
mod table;
pub mod terminal;
mod visible;

pub use netns_topology::counted;

pub use json::{Items, to_json, write_json, write_json_line};
pub use numbers::{bits_per_second, bytes, count, duration, packets_per_second};
pub use print::{Guarded, json_stdout, stdout, tell};
pub use table::{table, table_within, write_table};
pub use visible::{escaped, guarded, is_unsafe, text_of_bytes};
