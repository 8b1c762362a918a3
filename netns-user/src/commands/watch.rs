//! `netns watch`: rates of rules, drops and flows of a living lab.

use std::process::ExitCode;

use super::print;
use crate::{
    cli::WatchArgs,
    demo::{
        Interrupt,
        live::{self, LivingLab, Source as _},
    },
    lab,
};

/// Shows the lab full-screen until a key ends it; one frame only when asked, or where nobody
/// sits at a terminal; the bare counters as JSON.
///
/// # Errors
/// When no lab can be chosen or its counters cannot be read.
pub fn run(args: &WatchArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    let topology = lab::choose(args.lab.as_deref())?.topology;
    let mut source = LivingLab::open(&topology)?;
    let title = format!("lab {}", topology.name);
    if json {
        print(json, &source.sample()?, |_| String::new())?;
    } else if args.once || !live::is_interactive() {
        let frame = live::one_frame(&title, &mut source, terminal_width())?;
        print(json, &(), |()| frame)?;
    } else {
        let interrupt = Interrupt::watch()?;
        live::watch(&title, &mut source, live::Area::Whole, || interrupt.requested())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Columns of the terminal; 80 where there is none.
pub(super) fn terminal_width() -> usize {
    crossterm::terminal::size().map_or(80, |(columns, _)| columns.into())
}
