//! The commands of `netns`, one per file: their output and their exit code.
//!
//! The top of the crate: commands may use every other folder, and only `main` uses them.

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
pub mod identify;
pub mod link;
pub mod list;
mod list_all;
pub mod log;
mod lookup;
pub mod man_pages;
pub mod masquerade;
pub mod nat;
mod owner;
pub mod pids;
pub mod plan;
mod progress;
pub mod ps;
#[cfg(test)]
mod reference;
pub mod refused;
pub mod route;
mod routers;
mod rule_lists;
pub mod schema;
pub mod show;
pub mod status;
pub mod up;
pub mod watch;

use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use anyhow::Context;
use schemars::JsonSchema;
use serde::Serialize;

pub use progress::TerminalProgress;

use crate::{
    datapath::{Datapath, DatapathError},
    lab::LabRecord,
    output::{self, write_json},
    topology::Topology,
};

/// Prints a result, as JSON or as the text that `text` makes of it.
///
/// # Errors
/// When it cannot be written to standard output.
pub(crate) fn print<T: Serialize + JsonSchema>(
    json: bool,
    value: &T,
    text: impl FnOnce(&T) -> String,
) -> anyhow::Result<()> {
    if json { print_json(value) } else { print_text(&text(value)) }
}

/// Prints a result as JSON.
///
/// # Errors
/// When it cannot be written to standard output.
pub(crate) fn print_json(value: &(impl Serialize + JsonSchema)) -> anyhow::Result<()> {
    let mut out = output::json_stdout();
    write_json(&mut out, value)?;
    Ok(out.flush()?)
}

fn print_text(text: &str) -> anyhow::Result<()> {
    let mut out = output::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// The datapath of a running lab. If a `netns log` was killed, its programs are replaced first.
fn open_datapath(name: &str) -> Result<Datapath, DatapathError> {
    let datapath = Datapath::open(name)?;
    datapath.end_dead_log()?;
    Ok(datapath)
}

/// The largest topology file, in bytes: reading a device may never end.
const LARGEST_FILE: u64 = 4_000_000;

fn read_topology(file: &Path) -> anyhow::Result<Topology> {
    Ok(Topology::parse(&read_text(file)?, &origin(file))?)
}

/// The name of a topology file in errors.
fn origin(file: &Path) -> String {
    if is_standard_input(file) { "<stdin>".to_owned() } else { file.display().to_string() }
}

fn is_standard_input(file: &Path) -> bool {
    file.as_os_str() == STANDARD_INPUT
}

/// The name that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// The text of a topology file.
fn read_text(file: &Path) -> anyhow::Result<String> {
    let action = || format!("cannot read {}", file.display());
    let mut bytes = Vec::new();
    let open: Box<dyn Read> = match is_standard_input(file) {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(file).with_context(|| {
            let is_lab = file.to_str().is_some_and(LabRecord::exists);
            let lab = if is_lab { " (it names a lab; type its topology file)" } else { "" };
            format!("{}{lab}", action())
        })?),
    };
    let length = open.take(LARGEST_FILE + 1).read_to_end(&mut bytes).with_context(action)?;
    if length as u64 > LARGEST_FILE {
        let most = output::bytes(LARGEST_FILE);
        anyhow::bail!("{} is larger than {most}: it is no topology file", file.display());
    }
    String::from_utf8(bytes).with_context(action)
}

/// The lab of a file, or the lecture's lab, with the options of the command line.
fn wanted(file: Option<&Path>, via_stack: bool) -> anyhow::Result<Topology> {
    let mut topology = file.map_or_else(|| Ok(Topology::lecture()), read_topology)?;
    topology.nat.via_stack |= via_stack;
    Ok(topology)
}
