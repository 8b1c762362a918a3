//! The commands of `netns`, a file each: what they print and the code they end with.

pub mod add;
pub mod address;
pub mod bridge;
pub mod cable;
mod change;
pub mod check;
pub mod completions;
pub mod del;
pub mod demo;
pub mod doctor;
pub mod down;
pub mod exec;
pub mod flows;
pub mod forward;
pub mod graph;
pub mod link;
pub mod list;
mod lists;
pub mod log;
mod look;
pub mod man_pages;
pub mod masquerade;
pub mod nat;
mod owner;
pub mod plan;
pub mod ps;
pub mod route;
mod routers;
pub mod schema;
pub mod show;
pub mod status;
mod steps;
pub mod up;
pub mod watch;

use std::{fs, io::Write, path::Path};

use anyhow::Context;
use serde::Serialize;

pub use steps::Steps;

use crate::{
    datapath::{Datapath, DatapathError},
    output::to_json,
    topology::Topology,
};

/// Prints a result: as JSON, or as `text` says.
///
/// # Errors
/// When standard output takes it not.
pub(crate) fn print<T: Serialize>(
    json: bool,
    value: &T,
    text: impl FnOnce(&T) -> String,
) -> anyhow::Result<()> {
    if json { print_json(value) } else { print_text(&text(value)) }
}

/// Prints a result as JSON.
///
/// # Errors
/// When standard output takes it not.
pub(crate) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print_text(&to_json(value)?)
}

fn print_text(text: &str) -> anyhow::Result<()> {
    let mut out = anstream::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// A living datapath, without what a log that was killed left in it.
fn open_datapath(name: &str) -> Result<Datapath, DatapathError> {
    let datapath = Datapath::open(name)?;
    datapath.end_dead_log()?;
    Ok(datapath)
}

fn read_topology(file: &Path) -> anyhow::Result<Topology> {
    let origin = file.display().to_string();
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {origin}"))?;
    Ok(Topology::parse(&text, &origin)?)
}

/// The lab of a file, or the lecture's, with what the command line says otherwise.
fn wanted(file: Option<&Path>, via_stack: bool) -> anyhow::Result<Topology> {
    let mut topology = file.map_or_else(|| Ok(Topology::lecture()), read_topology)?;
    topology.nat.via_stack |= via_stack;
    Ok(topology)
}
