//! Markdown: paragraphs of at most a hundred columns, and the cells of tables.

use std::fmt::Write as _;

/// The longest line of a paragraph, in characters.
const WIDTH: usize = 98;

/// A paragraph in lines.
pub(super) fn paragraph(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in words(text) {
        let fits = |line: &String| line.chars().count() + 1 + word.chars().count() <= WIDTH;
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(&word),
            Some(line) if fits(line) => {
                let _ = write!(line, " {word}");
            }
            _ => lines.push(word),
        }
    }
    lines.join("\n") + "\n"
}

/// The words of a text. Code between backticks is one word, so that it stays on one line.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let is_open = |word: &&mut String| word.matches('`').count() % 2 == 1;
        match words.last_mut().filter(is_open) {
            Some(code) => {
                let _ = write!(code, " {word}");
            }
            None => words.push(word.to_owned()),
        }
    }
    words
}

/// A row of a table.
pub(super) fn row<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.into_iter().map(cell).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// A cell on one line. A bar would end it.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[test]
fn a_paragraph_is_wrapped_and_a_cell_has_no_bar_of_its_own() {
    let long = paragraph(&"word ".repeat(40));
    assert!(long.lines().count() == 3 && long.lines().all(|line| line.len() <= WIDTH), "{long}");
    assert_eq!(words("run `netns up FILE`, then"), ["run", "`netns up FILE`,", "then"]);
    assert_eq!(row(["a | b", "c\n d"]), "| a \\| b | c d |\n");
}
