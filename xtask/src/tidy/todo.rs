//! A note of work that is left names the issue that keeps it.

use super::{
    finding::Finding,
    lexer::{Kind, lex},
    rust::line_of,
    tree::Tree,
};

const NOTES: [&str; 2] = ["TODO", "FIXME"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.sources() {
        for comment in lex(text).iter().filter(|token| token.kind == Kind::Comment) {
            let first = line_of(text, comment.at);
            let lines = comment.text.lines().enumerate();
            findings.extend(lines.filter_map(|(more, line)| check_line(path, first + more, line)));
        }
    }
    for (path, text) in tree.documents() {
        let lines = text.lines().enumerate();
        findings.extend(lines.filter_map(|(index, line)| check_line(path, index + 1, line)));
    }
    findings
}

fn check_line(path: &str, number: usize, line: &str) -> Option<Finding> {
    let (note, after) = NOTES.into_iter().find_map(|note| Some((note, after_note(line, note)?)))?;
    if names_issue(after) {
        return None;
    }
    let message = format!("{note} without an issue; write `{note}(#NUMBER): …`, or do it");
    Some(Finding::new(path, number, message))
}

/// What follows a note, where the word is one: at the beginning of a comment, or before a colon or
/// a bracket. Elsewhere it is a word about notes.
fn after_note<'a>(line: &'a str, note: &str) -> Option<&'a str> {
    let at = line.find(note)?;
    let after = &line[at + note.len()..];
    let begins =
        line[..at].chars().all(|before| before.is_whitespace() || "/!*<-#".contains(before));
    let ends = after.starts_with([':', '(']) || (begins && !after.starts_with(is_of_name));
    ends.then_some(after)
}

fn is_of_name(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

/// Whether a text has `#` and a number.
fn names_issue(text: &str) -> bool {
    text.split('#').skip(1).any(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::{super::tree::tree, check};

    #[test]
    fn a_note_without_an_issue_is_found_in_comments_and_documents() {
        let source = "//! A.\n// TODO: later\nfn f() {} /* a\n FIXME b */\n";
        let found = check(&tree(&[("a.rs", source), ("b.md", "TODO: write this\n")]));
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "a.rs:2: TODO without an issue; write `TODO(#NUMBER): …`, or do it",
                "a.rs:4: FIXME without an issue; write `FIXME(#NUMBER): …`, or do it",
                "b.md:1: TODO without an issue; write `TODO(#NUMBER): …`, or do it",
            ]
        );
    }

    #[test]
    fn notes_with_an_issue_and_words_about_notes_are_fine() {
        let source = "// TODO(#12): later\n// no `TODO` here\nconst TODO: &str = \"TODO: x\";\n";
        assert!(check(&tree(&[("a.rs", source)])).is_empty());
    }
}
