//! What is wrong with a topology file, and where.

use std::{fmt, ops::Range};

/// A fault found while reading, at a range of bytes.
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

/// One thing that is wrong with a topology file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong and what to do.
    pub message: String,
}

/// All that is wrong with a topology file. Displays one line a problem, each beginning with
/// `FILE:LINE:COLUMN:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopologyError {
    origin: String,
    problems: Vec<Problem>,
}

impl TopologyError {
    pub(super) fn new(origin: &str, text: &str, faults: Vec<Fault>) -> Self {
        let mut problems: Vec<Problem> = faults
            .into_iter()
            .map(|fault| {
                let (line, column) = position(text, fault.span.start);
                Problem { line, column, message: fault.message }
            })
            .collect();
        // A person mends a file from its top; the order of the checks is of no interest.
        problems.sort_by_key(|problem| (problem.line, problem.column));
        Self { origin: origin.to_owned(), problems }
    }

    /// In the order of their lines.
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

/// The line of a byte offset, from 1.
pub(super) fn line(text: &str, offset: usize) -> usize {
    position(text, offset).0
}

fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::position;

    #[test]
    fn positions_count_from_one_and_in_characters() {
        let text = "a = 1\nné = 2\n";
        assert_eq!(position(text, 0), (1, 1));
        assert_eq!(position(text, 4), (1, 5));
        assert_eq!(position(text, 6), (2, 1));
        assert_eq!(position(text, text.find('=').map_or(0, |_| text.rfind('=').unwrap())), (2, 4));
        assert_eq!(position(text, text.len()), (3, 1));
    }
}
