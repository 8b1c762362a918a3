//! Interprets any bytes as a sequence of packets through a lab, and checks the lab after each
//! packet.
//!
//! The fuzz target (`netns-common/fuzz`) and the test that replays its corpus both call
//! [`run`], so an input means the same to both.

mod check;
mod input;
mod offsets;
mod reply;
mod session;
mod steps;

use self::{input::Input, session::Session};

pub use self::session::Report;

/// Runs the steps that the bytes select, and checks the lab after each of them.
///
/// # Panics
/// When a check fails: the message names the condition and the packet.
pub fn run(bytes: &[u8]) -> Report {
    let mut input = Input::new(bytes);
    let mut session = Session::new(&mut input);
    while !input.is_empty() {
        session.step(&mut input);
    }
    session.finish()
}
