//! Any bytes as the life of a lab: packets in any order, and what must hold after each of them.
//!
//! The fuzz target (`netns-common/fuzz`) and the test that replays its corpus both call
//! [`run`], so an input means the same to both.

mod check;
mod input;
mod steps;

use std::vec::Vec;

use self::{input::Input, steps::Session};

/// What an input did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Packets that met a hook, answers to others included.
    pub packets: usize,
    /// How many of them were redirected.
    pub redirected: usize,
}

/// Lives through what the bytes say.
///
/// # Panics
/// When something does not hold that must: the message says what, and of which packet.
pub fn run(bytes: &[u8]) -> Report {
    let mut input = Input::new(bytes);
    let mut session = Session::new(&mut input);
    while !input.is_empty() {
        session.step(&mut input);
    }
    session.finish()
}

/// Keeps the last few of many.
const MEMORY: usize = 16;

fn remember<T>(memory: &mut Vec<T>, item: T) {
    if memory.len() == MEMORY {
        memory.remove(0);
    }
    memory.push(item);
}
