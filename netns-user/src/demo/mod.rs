//! The demonstration: the checks of the lecture's lab and the live view.
//!
//! `roles` says which part of a lab has which role, `checks` lists the checks, `check_run` runs
//! them on the `demo_lab`. This folder uses `lab`, `datapath` and `net`; only the commands use it.

pub mod check;
mod check_run;
mod checks;
mod demo_lab;
mod interrupt;
pub mod live;
pub mod probe;
mod roles;
pub mod server;
pub mod sniffer;
mod traffic;

pub use check_run::{CheckRun, Moment};
pub use checks::{OUTSIDE_PORT, checks};
pub use demo_lab::DemoLab;
pub use interrupt::Interrupt;
pub use roles::{Host, Roles, RolesError};
pub use traffic::trickle;
