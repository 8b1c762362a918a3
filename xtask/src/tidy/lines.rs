//! Lines of at most 100 columns in Rust sources and Markdown documents.

use std::collections::{BTreeMap, HashSet};

use super::{
    finding::Finding,
    lexer::{Kind, lex},
    markdown::Document,
    tree::Tree,
};

/// The columns of a line, as rustfmt.toml has them for code.
const COLUMNS: usize = 100;

pub(super) fn check(tree: &Tree, documents: &BTreeMap<&str, Document>) -> Vec<Finding> {
    let sources = tree.sources().map(|(path, text)| (path, in_source(text)));
    let documents = documents
        .iter()
        .filter_map(|(path, document)| Some((*path, in_document(tree.text(path)?, document))));
    let long = sources.chain(documents).flat_map(|(path, lines)| {
        lines.into_iter().map(move |(number, columns)| {
            let message = format!("{columns} columns, more than {COLUMNS}; wrap the line");
            Finding::new(path, number, message)
        })
    });
    long.collect()
}

/// The long lines of a source: number and columns. Where a literal goes over the last column, the
/// line may be long, since rustfmt does not wrap it either; so may one in a block of code, or a
/// figure, of a comment.
fn in_source(text: &str) -> Vec<(usize, usize)> {
    let long: Vec<_> = long_lines(text).collect();
    if long.is_empty() {
        return Vec::new();
    }
    let literals: Vec<_> = lex(text).into_iter().filter(|it| it.kind == Kind::Literal).collect();
    let is_in_literal = |at: usize| {
        literals.iter().any(|literal| (literal.at..literal.at + literal.text.len()).contains(&at))
    };
    let blocks = blocks_of_comments(text);
    long.into_iter()
        .filter(|(number, line, begin)| {
            can_be_wrapped(line) && !is_in_literal(begin + last(line)) && !blocks.contains(number)
        })
        .map(|(number, line, _)| (number, line.chars().count()))
        .collect()
}

/// The numbers of the lines that are inside a block of code of a comment.
fn blocks_of_comments(text: &str) -> HashSet<usize> {
    let mut inside = HashSet::new();
    let mut is_inside = false;
    for (number, line) in (1..).zip(text.lines()) {
        let comment = line.trim_start().strip_prefix("//");
        let comment = comment.map(|text| text.trim_start_matches(['/', '!']).trim_start());
        match comment {
            Some(comment) if comment.starts_with("```") => is_inside = !is_inside,
            Some(_) if is_inside => drop(inside.insert(number)),
            Some(_) => {}
            None => is_inside = false,
        }
    }
    inside
}

/// The long lines of a document, code and tables apart.
fn in_document(text: &str, document: &Document) -> Vec<(usize, usize)> {
    long_lines(text)
        .filter(|(number, line, _)| document.prose.contains(number) && can_be_wrapped(line))
        .map(|(number, line, _)| (number, line.chars().count()))
        .collect()
}

/// The lines that are too long: number, text, and where each begins in bytes.
fn long_lines(text: &str) -> impl Iterator<Item = (usize, &str, usize)> {
    let begins = |line: &str| line.as_ptr() as usize - text.as_ptr() as usize;
    (1..)
        .zip(text.lines())
        .filter(|(_, line)| line.len() > COLUMNS && line.chars().count() > COLUMNS)
        .map(move |(number, line)| (number, line, begins(line)))
}

/// Where the last column of a long line is, in bytes.
fn last(line: &str) -> usize {
    line.char_indices().nth(COLUMNS - 1).map_or(line.len(), |(at, _)| at)
}

/// Whether a space, at which the line can be wrapped, follows its first word. The marks of a
/// comment, a list or a quote are no word.
fn can_be_wrapped(line: &str) -> bool {
    let text = line.trim_start_matches(|first: char| !first.is_alphanumeric());
    let indent = line.len() - text.len();
    line[indent..last(line).max(indent)].contains(' ')
}

#[cfg(test)]
mod tests {
    use super::{super::markdown::Document, super::tree::tree, check};

    fn findings(path: &str, text: &str) -> Vec<String> {
        let tree = tree(&[(path, text)]);
        let documents = tree.documents().map(|(path, text)| (path, Document::read(text))).collect();
        check(&tree, &documents).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_line_is_as_wide_as_its_characters() {
        let text = |columns: usize| format!("//! {}\n", "é ".repeat(columns / 2 - 2));
        assert!(findings("a.rs", &text(100)).is_empty());
        let wanted = ["a.rs:1: 102 columns, more than 100; wrap the line"];
        assert_eq!(findings("a.rs", &text(102)), wanted);
    }

    #[test]
    fn literals_addresses_tables_and_code_may_be_long() {
        let words = "word ".repeat(24);
        let address = format!("https://example.org/{}", "x".repeat(100));
        let source = format!(
            "//! See\n//! {address}\n//! ```\n//! {words}\n//! ```\nconst A: &str = \"{words}\";\n"
        );
        assert!(findings("a.rs", &source).is_empty());
        let text = format!("| {words} |\n\n```\n{words}\n```\n\n- <{address}>\n");
        assert!(findings("a.md", &text).is_empty());
        assert_eq!(findings("a.md", &words).len(), 1);
        let call = format!("fn f() {{ g(\"x\", {}) }}", "a, ".repeat(40));
        assert_eq!(findings("a.rs", &call).len(), 1);
    }
}
