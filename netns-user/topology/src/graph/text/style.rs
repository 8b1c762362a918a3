//! The styles of a drawing in a terminal, which the caller chooses.

use anstyle::Style;

/// The styles of the parts of a drawing.
#[derive(Clone, Copy, Debug)]
pub struct Styles {
    /// Names of routers, bridges and of what is outside.
    pub heading: Style,
    /// Lines, notes and the kinds of rules.
    pub faint: Style,
    /// The name of a namespace: by the name itself and by its index among the namespaces.
    pub namespace: fn(name: &str, index: usize) -> Style,
}

/// No style.
pub(super) const PLAIN: Style = Style::new();

/// A text in a style, which ends with the text.
pub(super) fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}
