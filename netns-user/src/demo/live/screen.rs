//! Draws frames on the terminal, and restores the terminal however the program ends.

use std::{
    io::{self, Stdout, Write as _},
    panic,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
};

use anstream::{AutoStream, ColorChoice, adapter::strip_str};
use crossterm::{
    cursor::{Hide, MoveTo, MoveToPreviousLine, Show},
    execute, queue,
    style::Print,
    terminal::{
        BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
        LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
    },
};

use crate::output::{guarded, terminal};

/// Whether the view is using the terminal, and whether it uses the alternate screen.
static TAKEN: AtomicBool = AtomicBool::new(false);
static WHOLE: AtomicBool = AtomicBool::new(false);

/// Lines of a view below other text: few enough to keep that text in sight.
const BELOW_HEIGHT: u16 = 18;

/// The part of the terminal to draw on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// All of it. The earlier content comes back at the end.
    Whole,
    /// Some lines below the earlier text. The last frame stays.
    Below,
}

/// A terminal in raw mode without a cursor. Dropping it restores the terminal.
#[derive(Debug)]
pub(super) struct Screen {
    out: Stdout,
    coloured: bool,
    area: Area,
    /// Lines of the last frame.
    drawn: u16,
    /// Columns and rows of the terminal at the last frame.
    size: (u16, u16),
}

impl Screen {
    pub(super) fn enter(area: Area) -> io::Result<Self> {
        restore_before_panic_messages();
        let mut out = io::stdout();
        let coloured = AutoStream::choice(&out) != ColorChoice::Never;
        enable_raw_mode()?;
        // From here on, dropping it undoes the steps that succeeded.
        TAKEN.store(true, Ordering::Relaxed);
        WHOLE.store(area == Area::Whole, Ordering::Relaxed);
        let screen = Self { out: io::stdout(), coloured, area, drawn: 0, size: (0, 0) };
        if area == Area::Whole {
            execute!(out, EnterAlternateScreen)?;
        }
        execute!(out, Hide)?;
        Ok(screen)
    }

    /// Whether the terminal's size has changed since the last frame.
    pub(super) fn is_resized(&self) -> bool {
        terminal::size() != self.size
    }

    /// Draws the lines that `render` makes for the current columns and rows.
    pub(super) fn show(
        &mut self,
        render: impl FnOnce(usize, usize) -> Vec<String>,
    ) -> io::Result<()> {
        self.size = terminal::size();
        let (width, height) = self.size;
        // The cursor stays on the line below the frame.
        let height = match self.area {
            Area::Whole => height,
            Area::Below => BELOW_HEIGHT.min(height.saturating_sub(1)),
        };
        let lines = render(width.into(), height.into());
        queue!(self.out, BeginSynchronizedUpdate)?;
        match self.area {
            Area::Whole => queue!(self.out, MoveTo(0, 0))?,
            Area::Below if self.drawn > 0 => queue!(self.out, MoveToPreviousLine(self.drawn))?,
            Area::Below => {}
        }
        for (row, line) in lines.iter().enumerate() {
            // A line feed after the last row would scroll the terminal.
            if row > 0 {
                queue!(self.out, Print("\r\n"))?;
            }
            if self.coloured {
                queue!(self.out, Print(guarded(line)))?;
            } else {
                queue!(self.out, Print(strip_str(&guarded(line))))?;
            }
            queue!(self.out, Clear(ClearType::UntilNewLine))?;
        }
        if self.area == Area::Below {
            queue!(self.out, Print("\r\n"))?;
        }
        if self.area == Area::Below || lines.len() < height.into() {
            queue!(self.out, Clear(ClearType::FromCursorDown))?;
        }
        self.drawn = u16::try_from(lines.len()).unwrap_or(height);
        queue!(self.out, EndSynchronizedUpdate)?;
        self.out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    if !TAKEN.swap(false, Ordering::Relaxed) {
        return;
    }
    // Fails if the terminal is closed, and then there is nothing to restore.
    if WHOLE.load(Ordering::Relaxed) {
        let _ = execute!(io::stdout(), LeaveAlternateScreen);
    }
    let _ = execute!(io::stdout(), Show);
    let _ = disable_raw_mode();
}

/// Restores the terminal before a panic message, which would vanish with the alternate screen.
fn restore_before_panic_messages() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            restore();
            report(info);
        }));
    });
}
