//! `netns watch`: rates of rules, drops and flows of a living lab.

use std::process::ExitCode;

use super::print;
use crate::{
    cli::WatchArgs,
    datapath::Datapath,
    demo::{
        Interrupt,
        live::{self, Source as _},
    },
    lab,
};

/// Shows the lab full-screen until a key ends it; one frame only when asked, or where nobody
/// sits at a terminal; the bare counters as JSON.
///
/// # Errors
/// When no lab can be chosen or its counters cannot be read.
pub fn run(args: &WatchArgs, json: bool) -> anyhow::Result<ExitCode> {
    let lab = lab::choose(args.lab.as_deref())?.topology.name;
    let mut datapath = Datapath::open(&lab)?;
    let title = format!("lab {lab}");
    if json {
        print(json, &datapath.sample()?, |_| String::new())?;
    } else if args.once || !live::is_interactive() {
        let frame = live::one_frame(&title, &mut datapath, terminal_width())?;
        print(json, &(), |()| frame)?;
    } else {
        let interrupt = Interrupt::watch()?;
        live::watch(&title, &mut datapath, live::Area::Whole, || interrupt.requested())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Columns of the terminal; 80 where there is none.
pub(super) fn terminal_width() -> usize {
    crossterm::terminal::size().map_or(80, |(columns, _)| columns.into())
}
