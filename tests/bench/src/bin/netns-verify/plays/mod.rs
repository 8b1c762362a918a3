//! Plays labs with real packets, in sandboxes. The plays call no foreign tool, so they run in a
//! virtual machine that has only this program and `netns`.

mod labs;
mod paths;

use std::{any::Any, panic::catch_unwind, time::Instant};

use netns_tests::Sandbox;

/// A play: it panics when something is not as it should be.
struct Play {
    /// At most [`WIDTH`] characters.
    name: &'static str,
    /// Whether it goes on with the lab of the play before. Each new lab has its programs verified,
    /// which takes long where the processor is emulated. If the play before has failed, this one
    /// builds the lab itself.
    goes_on: bool,
    perform: fn(),
}

/// Columns of a play's name. Two spaces end the name.
const WIDTH: usize = 28;

const PLAYS: [Play; 7] = [
    begins("netns demo", labs::demo),
    begins("fragments in any order", paths::fragments),
    goes_on("via_stack", paths::via_stack),
    goes_on("redirect_peer", paths::redirect_peer),
    goes_on("floods of a second", paths::floods),
    begins("failover to a second uplink", labs::failover),
    goes_on("lab of 200 namespaces", labs::many_namespaces),
];

const fn begins(name: &'static str, perform: fn()) -> Play {
    Play { name, goes_on: false, perform }
}

const fn goes_on(name: &'static str, perform: fn()) -> Play {
    Play { name, goes_on: true, perform }
}

/// Performs all plays and prints a line for each; returns how many failed.
pub(crate) fn perform() -> usize {
    println!("{:<WIDTH$}  {:>7}  result", "play", "seconds");
    let mut failed = 0;
    let mut sandbox: Option<Sandbox> = None;
    for play in &PLAYS {
        if !play.goes_on {
            // Left before the next one is made.
            drop(sandbox.take());
        }
        sandbox.get_or_insert_default();
        if !succeeds(play) {
            failed += 1;
            sandbox = None;
        }
    }
    failed
}

fn succeeds(play: &Play) -> bool {
    let begin = Instant::now();
    let result = catch_unwind(play.perform);
    let seconds = begin.elapsed().as_secs_f32();
    let outcome = match &result {
        Ok(()) => "ok".to_owned(),
        Err(cause) => format!("failed: {}", gist(cause.as_ref())),
    };
    println!("{:<WIDTH$}  {seconds:>7.1}  {outcome}", play.name);
    result.is_ok()
}

/// The line of a panic's message that says most: an error of `netns`, or else the first one.
fn gist(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<&str>().copied();
    let text = text.or_else(|| cause.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("a panic without a message");
    let error = text.lines().find(|line| line.starts_with("error: "));
    error.or_else(|| text.lines().find(|line| !line.is_empty())).unwrap_or_default().to_owned()
}
