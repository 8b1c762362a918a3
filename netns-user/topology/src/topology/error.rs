//! Errors of a topology file, with their positions.

use std::{fmt, ops::Range};

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

/// All faults of a topology file. It displays one line for each, which begins with
/// `FILE:LINE:COLUMN:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopologyError {
    origin: String,
    problems: Vec<Problem>,
}

impl TopologyError {
    pub(super) fn new(origin: &str, text: &str, faults: Vec<Fault>) -> Self {
        let lines = Lines::new(text);
        let mut problems: Vec<Problem> = faults
            .into_iter()
            .map(|fault| {
                let (line, column) = lines.position(fault.span.start);
                Problem { line, column, message: fault.message }
            })
            .collect();
        // A person corrects a file from the top down, in whatever order the checks run.
        problems.sort_by_key(|problem| (problem.line, problem.column));
        Self { origin: origin.to_owned(), problems }
    }

    /// The problems in the order of their lines.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            let Problem { line, column, message } = problem;
            write!(f, "{}:{line}:{column}: {message}", self.origin)?;
        }
        Ok(())
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
