//! Colours, always written as ANSI sequences.
//!
//! All output goes through [`anstream`], which removes them if it is not a terminal or if
//! `NO_COLOR` is set. No other code decides about colour.

use std::fmt::Display;

use anstyle::{AnsiColor, Color, Effects, Style};
use netns_topology::graph::text::Styles;

/// A title.
pub const HEADING: Style = Style::new().effects(Effects::BOLD);
/// A success.
pub const GOOD: Style = colour(AnsiColor::Green);
/// A failure.
pub const BAD: Style = colour(AnsiColor::Red).effects(Effects::BOLD);
/// A warning.
pub const WARNING: Style = colour(AnsiColor::Yellow).effects(Effects::BOLD);
/// An explanation that the reader can skip.
pub const FAINT: Style = Style::new().effects(Effects::DIMMED);
/// A measured number.
pub const FIGURE: Style = colour(AnsiColor::Cyan);
/// No colour.
pub const PLAIN: Style = Style::new();

/// The drawing of a lab.
pub const DRAWING: Styles = Styles { heading: HEADING, faint: FAINT, namespace: of_namespace };

const fn colour(colour: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(colour)))
}

/// `text` in `style`, reset after it.
pub fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// The style of a namespace's name: the colour of that name, else one by its position.
pub fn of_namespace(name: &str, place: usize) -> Style {
    const OTHERS: [AnsiColor; 4] =
        [AnsiColor::Yellow, AnsiColor::Magenta, AnsiColor::Cyan, AnsiColor::Green];
    let ansi = match name {
        "red" => AnsiColor::BrightRed,
        "blue" => AnsiColor::BrightBlue,
        "green" => AnsiColor::Green,
        "yellow" => AnsiColor::Yellow,
        "cyan" => AnsiColor::Cyan,
        "magenta" => AnsiColor::Magenta,
        _ => OTHERS[place % OTHERS.len()],
    };
    colour(ansi).effects(Effects::BOLD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_painted_text_ends_in_a_reset() {
        assert_eq!(paint(GOOD, "ok"), "\u{1b}[32mok\u{1b}[0m");
        assert_eq!(paint(PLAIN, "ok"), "ok");
    }

    #[test]
    fn stripping_a_painted_text_leaves_the_text() {
        let painted = format!("{} {}", paint(HEADING, "a"), paint(of_namespace("red", 0), "b"));
        assert_eq!(anstream::adapter::strip_str(&painted).to_string(), "a b");
    }
}
