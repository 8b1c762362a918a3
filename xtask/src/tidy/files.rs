//! What holds of each Rust file by itself: it says its purpose, and is not too long.

use super::{finding::Finding, tree::Tree};

/// The lines that a file may have.
const MOST_LINES: usize = 450;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let purpose = tree.sources().filter_map(|(path, text)| purpose(path, text));
    purpose.chain(tree.sources().filter_map(|(path, text)| length(path, text))).collect()
}

fn purpose(path: &str, text: &str) -> Option<Finding> {
    let first = text.lines().next().unwrap_or_default();
    let says_something = first.strip_prefix("//!").is_some_and(|rest| !rest.trim().is_empty());
    (!says_something).then(|| {
        let message = "the file does not open with its purpose; begin it with a line `//! …`";
        Finding::new(path, 1, message)
    })
}

fn length(path: &str, text: &str) -> Option<Finding> {
    let lines = text.lines().count();
    (lines > MOST_LINES).then(|| {
        let message = format!("{lines} lines, more than {MOST_LINES}; split the file by subject");
        Finding::new(path, MOST_LINES + 1, message)
    })
}

#[cfg(test)]
mod tests {
    use super::{super::tree::tree, MOST_LINES, check};

    fn findings(text: &str) -> Vec<String> {
        check(&tree(&[("a.rs", text)])).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_opens_with_its_purpose() {
        assert!(findings("//! Counts.\n").is_empty());
        for text in ["", "\n//! Counts.\n", "//!\n//! Counts.\n", "// Counts.\n", "use a;\n"] {
            let wanted = "a.rs:1: the file does not open with its purpose; begin it with a line \
                          `//! …`";
            assert_eq!(findings(text), [wanted], "{text:?}");
        }
    }

    #[test]
    fn a_file_is_not_too_long() {
        let text = |lines: usize| format!("//! Counts.\n{}", "\n".repeat(lines - 1));
        assert!(findings(&text(MOST_LINES)).is_empty());
        let wanted = "a.rs:451: 451 lines, more than 450; split the file by subject";
        assert_eq!(findings(&text(MOST_LINES + 1)), [wanted]);
    }
}
