//! `netns watch`: rates of rules, drops and flows of a living lab.

use std::{io::Write as _, process::ExitCode};

use crate::{
    datapath::Datapath,
    demo::{Interrupt, live},
    lab,
};

/// Shows the lab full-screen until a key ends it; one frame only with `once`, or where
/// nobody sits at a terminal.
pub fn run(lab: Option<&str>, once: bool) -> anyhow::Result<ExitCode> {
    let lab = lab::choose(lab)?.topology.name;
    let mut datapath = Datapath::open(&lab)?;
    let title = format!("lab {lab}");
    if once || !live::is_interactive() {
        let frame = live::one_frame(&title, &mut datapath, terminal_width())?;
        anstream::stdout().write_all(frame.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let interrupt = Interrupt::watch()?;
    live::watch(&title, &mut datapath, live::Area::Whole, || interrupt.requested())?;
    Ok(ExitCode::SUCCESS)
}

/// Columns of the terminal; 80 where there is none.
pub(super) fn terminal_width() -> usize {
    crossterm::terminal::size().map_or(80, |(columns, _)| columns.into())
}
