//! Splits a text into its statements: headings, and keys with their values. This works without
//! valid TOML, so that one fault does not hide those behind it.

use std::ops::Range;

/// A heading, or a key with its value. Values can have several lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) span: Range<usize>,
    pub(super) is_heading: bool,
}

/// The brackets and quotes that are open at the end of a line.
#[derive(Debug, Default)]
struct Open {
    brackets: Vec<char>,
    /// The quotes of a text of several lines.
    text: Option<&'static str>,
}

/// The statements of a text, without empty lines and comments.
pub(super) fn statements(text: &str) -> Vec<Statement> {
    let mut lines = Vec::new();
    let mut begin = 0;
    for line in text.split_inclusive('\n') {
        lines.push(begin..begin + line.trim_end_matches(['\n', '\r']).len());
        begin += line.len();
    }
    let mut found = Vec::new();
    let mut next = 0;
    while let Some(line) = lines.get(next) {
        let content = text[line.clone()].trim();
        let first = next;
        next += 1;
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let is_heading = content.starts_with('[');
        if !is_heading {
            next += further_lines(text, &lines[first..]);
        }
        found.push(Statement { span: line.start..lines[next - 1].end, is_heading });
    }
    found
}

/// How many lines after the first one belong to the same statement.
fn further_lines(text: &str, lines: &[Range<usize>]) -> usize {
    let mut open = Open::default();
    let mut before = open.pass(&text[lines[0].clone()]);
    for (number, line) in lines.iter().enumerate().skip(1) {
        let line = &text[line.clone()];
        if open.text.is_none() && (open.brackets.is_empty() || !open.goes_on(before, line)) {
            return number - 1;
        }
        before = open.pass(line).or(before);
    }
    // A text that is not closed is not one of all lines that follow.
    if open.text.is_some() { 0 } else { lines.len() - 1 }
}

impl Open {
    /// Whether a line is part of the value that is open. `before` is the last character of those
    /// before it.
    fn goes_on(&self, before: Option<char>, line: &str) -> bool {
        let line = line.trim_start();
        if line.starts_with('[') {
            return false;
        }
        let in_table = self.brackets.last() == Some(&'{');
        !is_assignment(line) || (in_table && matches!(before, Some(',' | '{')))
    }

    /// Follows the brackets and quotes of a line. Returns its last character outside of comments.
    fn pass(&mut self, line: &str) -> Option<char> {
        let mut last = None;
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            if let Some(quotes) = self.text {
                let Some(end) = rest.find(quotes) else { return last };
                rest = &rest[end + quotes.len()..];
                self.text = None;
                last = Some('"');
                continue;
            }
            let several = ["\"\"\"", "'''"].into_iter().find(|quotes| rest.starts_with(quotes));
            if let Some(quotes) = several {
                self.text = Some(quotes);
                rest = &rest[quotes.len()..];
                continue;
            }
            let mut length = c.len_utf8();
            match c {
                '#' => return last,
                '"' | '\'' => length = text_length(rest, c),
                '[' | '{' => self.brackets.push(c),
                ']' | '}' => {
                    self.brackets.pop();
                }
                _ => {}
            }
            if !c.is_whitespace() {
                last = Some(c);
            }
            rest = &rest[length..];
        }
        last
    }
}

/// The length of a text in quotes at the beginning of a line. Without a closing quote it ends with
/// the line.
fn text_length(line: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (place, c) in line.char_indices().skip(1) {
        if c == quote && !is_escaped {
            return place + c.len_utf8();
        }
        is_escaped = c == '\\' && !is_escaped && quote == '"';
    }
    line.len()
}

/// Whether a line begins with a key and `=`.
fn is_assignment(line: &str) -> bool {
    let is_key = |c: char| c.is_ascii_alphanumeric() || "_-.\"' \t".contains(c);
    line.split_once('=').is_some_and(|(key, _)| !key.trim().is_empty() && key.chars().all(is_key))
}

#[cfg(test)]
mod tests {
    use super::statements;

    fn split(text: &str) -> Vec<&str> {
        let found = statements(text);
        for one in &found {
            assert_eq!(one.is_heading, text[one.span.clone()].starts_with('['));
        }
        found.into_iter().map(|one| &text[one.span]).collect()
    }

    #[test]
    fn a_statement_is_a_heading_or_a_key_with_its_value() {
        let text = "# lab\nname = \"a # b\" # c\r\n\n[[bridge]]\nmtu = 7\nlast = 1";
        assert_eq!(split(text), ["name = \"a # b\" # c", "[[bridge]]", "mtu = 7", "last = 1"]);
    }

    #[test]
    fn a_value_of_several_lines_is_in_one_statement() {
        let list = "dns = [\n  \"9.9.9.9\", # ]\n  \"]\",\n]";
        let table = "plug = {\n  bridge = \"b\",\n  port = \"p\"\n}";
        let long = "a = \"\"\"\n[x]\ny = 3\n\"\"\"";
        for value in [list, table, long] {
            assert_eq!(split(&format!("{value}\nnext = 1\n")), [value, "next = 1"]);
        }
    }

    #[test]
    fn a_value_that_is_not_closed_ends_before_the_next_key_or_heading() {
        for open in ["dns = [\"9.9.9.9\"", "plug = { bridge = \"b\"", "a = \"b", "a = \"\"\"b"] {
            assert_eq!(split(&format!("{open}\nnext = 1\n[x]\n")), [open, "next = 1", "[x]"]);
            assert_eq!(split(&format!("{open}\n[x]\nnext = 1\n")), [open, "[x]", "next = 1"]);
            assert_eq!(split(open), [open]);
        }
    }
}
