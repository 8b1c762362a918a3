//! The terminal as a canvas, given back however the program ends.

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

/// Whether the terminal is ours just now, and whether all of it.
static TAKEN: AtomicBool = AtomicBool::new(false);
static WHOLE: AtomicBool = AtomicBool::new(false);

/// Lines of a view below other text: little enough to leave that text in sight.
const BELOW_HEIGHT: u16 = 18;

/// Which part of the terminal to draw on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// All of it; what was there comes back in the end.
    Whole,
    /// Some lines below what was printed so far; the last frame stays.
    Below,
}

/// A terminal in raw mode without a cursor; dropping it restores what was.
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
        // From here on dropping it undoes whatever of this succeeded.
        TAKEN.store(true, Ordering::Relaxed);
        WHOLE.store(area == Area::Whole, Ordering::Relaxed);
        let screen = Self { out: io::stdout(), coloured, area, drawn: 0, size: (0, 0) };
        if area == Area::Whole {
            execute!(out, EnterAlternateScreen)?;
        }
        execute!(out, Hide)?;
        Ok(screen)
    }

    /// Whether the last frame was made for another size.
    pub(super) fn is_resized(&self) -> bool {
        terminal::size() != self.size
    }

    /// Draws the lines that `render` makes for at most this many columns and rows.
    pub(super) fn show(
        &mut self,
        render: impl FnOnce(usize, usize) -> Vec<String>,
    ) -> io::Result<()> {
        self.size = terminal::size();
        let (width, height) = self.size;
        // The line below the frame is where the cursor rests.
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
            // On the last row of the terminal a line feed would scroll it.
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
    // A terminal that went away has nothing left to restore.
    if WHOLE.load(Ordering::Relaxed) {
        let _ = execute!(io::stdout(), LeaveAlternateScreen);
    }
    let _ = execute!(io::stdout(), Show);
    let _ = disable_raw_mode();
}

/// A message on the alternate screen would vanish with it.
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
