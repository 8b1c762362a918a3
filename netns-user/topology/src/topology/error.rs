//! Errors of a topology file, with their positions.

use std::{fmt, ops::Range};

use annotate_snippets::Renderer;

use super::excerpt::Excerpt;

/// A fault that was found while reading or checking, at a range of bytes.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) span: Range<usize>,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into() }
    }
}

/// A fault of a topology file, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The fault, and what to do about it.
    pub message: String,
}

/// How many faults are shown with their lines: nobody reads more at once.
const SHOWN: usize = 100;

/// All faults of a topology file. It displays the first hundred: each as a line that begins with
/// `FILE:LINE:COLUMN:`, and below it, indented, the line of the file with carets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopologyError {
    origin: String,
    problems: Vec<Problem>,
    /// The lines of the first problems.
    excerpts: Vec<Excerpt>,
    /// Whether the file was searched to its end.
    is_whole: bool,
}

impl TopologyError {
    /// `is_whole`: whether the file was searched to its end.
    pub(super) fn new(origin: &str, text: &str, mut faults: Vec<Fault>, is_whole: bool) -> Self {
        let lines = Lines::new(text);
        // A person corrects a file from the top down, in whatever order the checks run.
        faults.sort_by_key(|fault| fault.span.start);
        let excerpts = faults.iter().take(SHOWN).map(|fault| lines.excerpt(&fault.span)).collect();
        let problem = |fault: Fault| {
            let (line, column) = lines.position(fault.span.start);
            Problem { line, column, message: fault.message }
        };
        let problems = faults.into_iter().map(problem).collect();
        Self { origin: origin.to_owned(), problems, excerpts, is_whole }
    }

    /// The problems in the order of their lines.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The faults as they are displayed, with ANSI styles in the indented lines. These lines have
    /// no control characters of the file.
    pub fn styled(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text, &Renderer::styled());
        text
    }

    fn write(&self, out: &mut dyn fmt::Write, renderer: &Renderer) -> fmt::Result {
        for (number, (problem, excerpt)) in self.problems.iter().zip(&self.excerpts).enumerate() {
            let Problem { line, column, message } = problem;
            let begin = if number > 0 { "\n" } else { "" };
            write!(out, "{begin}{}:{line}:{column}: {message}", self.origin)?;
            out.write_str(&excerpt.render(renderer))?;
        }
        match (self.problems.len().saturating_sub(SHOWN), self.is_whole) {
            (0, true) => Ok(()),
            (0, false) => write!(out, "\nand perhaps more, once these are mended"),
            (more, true) => write!(out, "\nand {more} more"),
            (more, false) => write!(out, "\nand {more} more at least"),
        }
    }
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, &Renderer::plain())
    }
}

impl std::error::Error for TopologyError {}

/// Where the lines of a text begin. A file of many thousand lines can have as many faults.
pub(super) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let breaks = text.match_indices('\n').map(|(newline, _)| newline + 1);
        Self { text, starts: std::iter::once(0).chain(breaks).collect() }
    }

    /// The line of a byte offset, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    /// The line and column of a byte offset, both from 1.
    fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.line(offset);
        let before = self.text.get(self.starts[line - 1]..offset).unwrap_or_default();
        (line, before.chars().count() + 1)
    }

    /// The line of a position, with the position marked.
    fn excerpt(&self, span: &Range<usize>) -> Excerpt {
        let line = self.line(span.start);
        let begin = self.starts[line - 1];
        let end = self.starts.get(line).map_or(self.text.len(), |next| next - 1);
        Excerpt::new(line, &self.text[begin..end], span.start - begin..span.end - begin)
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn positions_count_from_one_and_in_characters() {
        let text = "a = 1\nné = 2\n";
        let lines = Lines::new(text);
        let position = |offset| lines.position(offset);
        assert_eq!(position(0), (1, 1));
        assert_eq!(position(4), (1, 5));
        assert_eq!(position(6), (2, 1));
        assert_eq!(position(text.rfind('=').unwrap()), (2, 4));
        assert_eq!(position(text.len()), (3, 1));
    }
}
