//! The expected output of a command in the document, and the comparison with the actual one.

use std::collections::BTreeSet;

/// The wildcard for output that varies: within a line for any text, alone for any lines.
const WILDCARD: &str = "…";

/// The expected lines below a command.
#[derive(Debug)]
pub(crate) struct Pattern<'a> {
    lines: Vec<Line<'a>>,
}

#[derive(Debug)]
struct Line<'a> {
    text: &'a str,
    /// Whether the line is in a table with a wildcard; its columns are as wide as their content.
    is_loose: bool,
}

/// A row or header of a table: the start and end column of each cell.
type Cells = Vec<(usize, usize)>;

impl<'a> Pattern<'a> {
    /// Finds the tables: each begins with its header and ends at the next empty line.
    pub(crate) fn new(lines: &[&'a str]) -> Self {
        let mut pattern = Vec::new();
        let mut rest = lines;
        while let Some((first, _)) = rest.split_first() {
            let length = if is_header(first) { table(rest).len() } else { 1 };
            let (these, others) = rest.split_at(length);
            let is_loose = is_header(first) && these.iter().any(|line| line.contains(WILDCARD));
            pattern.extend(these.iter().map(|text| Line { text, is_loose }));
            rest = others;
        }
        Self { lines: pattern }
    }

    /// Whether these lines match exactly; in a table with a wildcard, whether the words match and
    /// each column has the same alignment.
    pub(crate) fn matches(&self, shown: &[&str]) -> bool {
        matches(&self.lines, shown) && self.tables_are_aligned_as_in(shown)
    }

    fn tables_are_aligned_as_in(&self, shown: &[&str]) -> bool {
        let lines: Vec<&str> = self.lines.iter().map(|line| line.text).collect();
        let headers =
            (0..lines.len()).filter(|at| self.lines[*at].is_loose && is_header(lines[*at]));
        headers.into_iter().all(|at| {
            let there = shown.iter().position(|line| words(line) == words(lines[at]));
            there.is_some_and(|there| {
                let (said, is) =
                    (alignments(table(&lines[at..])), alignments(table(&shown[there..])));
                said.iter().zip(&is).all(|(said, is)| !said.is_disjoint(is))
            })
        })
    }
}

/// The words of a line, separated by single blanks.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a line is the header of a table: several words in capitals.
fn is_header(line: &str) -> bool {
    line.trim().contains("  ") && !line.contains(|c: char| !(c.is_ascii_uppercase() || c == ' '))
}

fn table<'a, 'b>(lines: &'b [&'a str]) -> &'b [&'a str] {
    let length = lines.iter().position(|line| line.is_empty()).unwrap_or(lines.len());
    &lines[..length]
}

/// The possible alignments of each column, from its rows. Rows with an empty cell are ignored.
fn alignments(table: &[&str]) -> Vec<BTreeSet<&'static str>> {
    let rows: Vec<Cells> = table.iter().map(|line| cells(line)).collect();
    let Some((header, rows)) = rows.split_first() else { return Vec::new() };
    let rows: Vec<&Cells> = rows.iter().filter(|row| row.len() == header.len()).collect();
    let of_column = |column: usize| {
        let (begin, end) = header[column];
        let mut possible = BTreeSet::new();
        if rows.iter().all(|row| row[column].0 == begin) {
            possible.insert("left");
        }
        if rows.iter().all(|row| row[column].1 == end) {
            possible.insert("right");
        }
        possible
    };
    (0..header.len()).map(of_column).collect()
}

/// The cells of a row, which are separated by two or more blanks.
fn cells(line: &str) -> Cells {
    let mut cells: Cells = Vec::new();
    for (at, _) in line.chars().enumerate().filter(|(_, c)| *c != ' ') {
        match cells.last_mut() {
            Some((_, end)) if at <= *end + 1 => *end = at + 1,
            _ => cells.push((at, at + 1)),
        }
    }
    cells
}

fn line_matches(pattern: &str, line: &str) -> bool {
    let parts: Vec<&str> = pattern.split(WILDCARD).collect();
    let [first, middle @ .., last] = parts.as_slice() else { return pattern == line };
    let Some(rest) = line.strip_prefix(first) else { return false };
    let Some(mut rest) = rest.strip_suffix(last) else { return false };
    middle.iter().all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

fn matches(pattern: &[Line<'_>], lines: &[&str]) -> bool {
    match (pattern.split_first(), lines.split_first()) {
        (None, None) => true,
        (Some((first, others)), _) if first.text == WILDCARD => {
            (0..=lines.len()).any(|skipped| matches(others, &lines[skipped..]))
        }
        (Some((pattern, others)), Some((line, rest))) => {
            let is_it = match pattern.is_loose {
                true => line_matches(&words(pattern.text), &words(line)),
                false => line_matches(pattern.text, line),
            };
            is_it && matches(others, rest)
        }
        _ => false,
    }
}

#[test]
fn a_wildcard_matches_any_text_and_nothing_else_differs() {
    let pattern = Pattern::new(&["a … c", "…", "e"]);
    assert!(pattern.matches(&["a bb c", "e"]));
    assert!(pattern.matches(&["a b c", "d", "d", "e"]));
    for other in [
        &["a b", "e"][..],
        &["a b c"],
        &["a b  c", "e", "f"],
        &["b a b c", "e"],
        &["a  c", "e "],
        &[],
    ] {
        assert!(!pattern.matches(other), "{other:?}");
    }
    assert!(!Pattern::new(&[]).matches(&["a"]));
}

#[test]
fn table_columns_must_have_the_same_alignment() {
    let exact = Pattern::new(&["PID  COMMAND", " 12  sh"]);
    assert!(exact.matches(&["PID  COMMAND", " 12  sh"]));
    assert!(!exact.matches(&["PID  COMMAND", "12   sh"]));
    let loose = Pattern::new(&["PID  PID INSIDE  COMMAND", "  …           1  sh"]);
    assert!(loose.matches(&[" PID  PID INSIDE  COMMAND", "4711           1  sh"]));
    assert!(!loose.matches(&["PID   PID INSIDE  COMMAND", "4711  1           sh"]));
    assert!(!loose.matches(&[" PID  PID INSIDE  COMMAND", "4711           2  sh"]));
}
