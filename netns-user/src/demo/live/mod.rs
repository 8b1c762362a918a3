//! The live view: rates of rules, drops and flows, updated once a second.
//!
//! It reads the datapath and draws on the terminal; the demonstration and `netns watch` use it.

mod frame;
mod keys;
mod screen;
mod snapshot;
mod source;

use std::{
    io::{self, IsTerminal as _},
    thread,
    time::{Duration, Instant},
};

pub use frame::render;
pub use screen::Area;
use screen::Screen;
pub use snapshot::{DropSample, FlowSample, RuleSample, Snapshot, Source};
pub use source::LivingLab;

/// The time from one frame to the next.
const INTERVAL: Duration = Duration::from_secs(1);
/// How often it is checked whether the view should stop.
const ATTENTION: Duration = Duration::from_millis(100);

/// Whether standard input and output are a terminal.
pub fn is_interactive() -> bool {
    io::stdout().is_terminal() && io::stdin().is_terminal()
}

/// One frame with the rates of one interval, as text with ANSI sequences, `width` columns wide.
pub fn one_frame(title: &str, source: &mut dyn Source, width: usize) -> anyhow::Result<String> {
    let before = source.sample()?;
    thread::sleep(INTERVAL);
    let after = source.sample()?;
    let lines = render(title, Some(&before), &after, width, usize::MAX);
    Ok(lines.iter().fold(String::new(), |text, line| text + line + "\n"))
}

/// Shows frames on the terminal until q, Esc or Ctrl-C is pressed, or until `stop` returns true.
pub fn watch(
    title: &str,
    source: &mut dyn Source,
    area: Area,
    stop: impl Fn() -> bool,
) -> anyhow::Result<()> {
    let mut screen = Screen::enter(area)?;
    let mut before = None;
    loop {
        let after = source.sample()?;
        let due = Instant::now() + INTERVAL;
        screen.show(|width, height| render(title, before.as_ref(), &after, width, height))?;
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if stop() || keys::is_farewell_within(left.min(ATTENTION))? {
                return Ok(());
            }
            if left.is_zero() {
                break;
            }
            if screen.is_resized() {
                screen
                    .show(|width, height| render(title, before.as_ref(), &after, width, height))?;
            }
        }
        before = Some(after);
    }
}
