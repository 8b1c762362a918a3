//! The line of a fault in the file, with carets below the part that is wrong.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// Bytes that are kept before and after the beginning of a fault. More than these are not shown in
/// one line.
const NEAR: usize = 300;

/// A line of the file, or the part of a long one that is near the fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// From 1.
    line: usize,
    text: String,
    /// The faulty part, in bytes of the text.
    span: Range<usize>,
}

impl Excerpt {
    /// The excerpt of a line of the file. `span` is the fault, in bytes of this line; it can go on
    /// in further lines.
    pub(super) fn new(line: usize, text: &str, span: Range<usize>) -> Self {
        let text = text.trim_end_matches('\r');
        let start = text.floor_char_boundary(span.start);
        let begin = text.floor_char_boundary(start.saturating_sub(NEAR));
        let end = text.floor_char_boundary(start.saturating_add(NEAR));
        let last = span.end.clamp(start, end);
        let last = text.ceil_char_boundary(last).max(start);
        Self { line, text: text[begin..end].to_owned(), span: start - begin..last.min(end) - begin }
    }

    /// The lines to show, each indented.
    pub(super) fn render(&self, renderer: &Renderer) -> String {
        let annotation = AnnotationKind::Primary.span(self.span.clone());
        let snippet = Snippet::source(self.text.as_str()).line_start(self.line);
        let group = Group::with_level(Level::ERROR).element(snippet.annotation(annotation));
        let rendered = renderer.render(&[group]);
        // The first line has only the rule beside the text.
        rendered.lines().skip(1).map(|line| format!("\n  {line}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use annotate_snippets::Renderer;

    use super::Excerpt;

    fn rendered(text: &str, span: std::ops::Range<usize>) -> String {
        Excerpt::new(7, text, span).render(&Renderer::plain())
    }

    #[test]
    fn carets_are_below_the_fault() {
        assert_eq!(rendered("name = 7", 7..8), "\n  7 | name = 7\n    |        ^");
        assert_eq!(rendered("name =", 6..6), "\n  7 | name =\n    |       ^");
        assert_eq!(rendered("a = \"gw\r", 4..90), "\n  7 | a = \"gw\n    |     ^^^");
        assert_eq!(rendered("", 0..0), "\n  7 |\n    | ^");
        assert_eq!(rendered("é = 中", 0..2), "\n  7 | é = 中\n    | ^");
    }

    #[test]
    fn control_characters_of_the_file_are_not_in_an_excerpt() {
        let shown = rendered("a = \"\u{1b}[31m\u{202e}\" \t x", 4..6);
        assert!(!shown.contains(['\u{1b}', '\u{202e}', '\t']), "{shown:?}");
    }

    #[test]
    fn a_long_line_is_cut_around_the_fault() {
        let text = format!("{}HERE{}", "é".repeat(100_000), "ü".repeat(100_000));
        let shown = rendered(&text, 200_000..200_004);
        assert!(shown.contains("HERE") && shown.contains("^^^^"), "{shown}");
        assert!(shown.len() < 1500, "{}", shown.len());
    }
}
