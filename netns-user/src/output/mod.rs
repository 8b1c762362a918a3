//! How results look: tables, numbers and colour.

mod json;
mod numbers;
pub mod style;
mod table;
pub mod terminal;

pub use json::to_json;
pub use numbers::{bits_per_second, bytes, count, counted, duration, packets_per_second};
pub use table::{table, table_within};
