//! Plays labs with real packets, each in a sandbox of its own. They call no foreign tool, so they
//! run in a virtual machine that has only this program and `netns`.

mod labs;
mod paths;

use std::{any::Any, panic::catch_unwind, time::Instant};

use netns_tests::{Sandbox, netns};

/// A play: it panics when something is not as it should be.
struct Play {
    /// At most [`WIDTH`] characters.
    name: &'static str,
    perform: fn(),
}

/// Columns of a play's name. Two spaces end the name.
const WIDTH: usize = 28;

const PLAYS: [Play; 7] = [
    Play { name: "netns demo", perform: labs::demo },
    Play { name: "fragments in any order", perform: paths::fragments },
    Play { name: "floods of a second", perform: paths::floods },
    Play { name: "via_stack", perform: paths::via_stack },
    Play { name: "redirect_peer", perform: paths::redirect_peer },
    Play { name: "failover to a second uplink", perform: labs::failover },
    Play { name: "lab of 200 namespaces", perform: labs::many_namespaces },
];

/// Performs all plays and prints a line for each; returns how many failed.
pub(crate) fn perform() -> usize {
    println!("{:<WIDTH$}  {:>7}  result", "play", "seconds");
    PLAYS.iter().filter(|play| !succeeds(play)).count()
}

fn succeeds(play: &Play) -> bool {
    let begin = Instant::now();
    let result = catch_unwind(|| {
        let _sandbox = Sandbox::new();
        (play.perform)();
    });
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

/// Takes the only lab down.
#[track_caller]
fn down() {
    netns(&["down"]).success();
}
