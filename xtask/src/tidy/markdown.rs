//! A Markdown document in parts: code in the text, code in blocks, links and headings.

/// A part of a document, and the number of the line that it begins in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) line: usize,
    pub(super) text: String,
}

#[derive(Debug, Default)]
pub(super) struct Document {
    /// Code between backticks.
    pub(super) spans: Vec<Part>,
    /// Lines of blocks of code.
    pub(super) code: Vec<Part>,
    /// The targets of links.
    pub(super) links: Vec<Part>,
    /// The anchors by which links lead to headings.
    pub(super) anchors: Vec<String>,
    /// The numbers of the lines that are text, blocks of code and tables apart.
    pub(super) prose: Vec<usize>,
}

impl Document {
    pub(super) fn read(text: &str) -> Self {
        let mut document = Self::default();
        let mut paragraph: Vec<(usize, &str)> = Vec::new();
        let mut fence: Option<&str> = None;
        // Whether the line before is empty or code: only there a block begins by its indent.
        let mut may_begin = true;
        for (number, line) in (1..).zip(text.lines()) {
            let trimmed = line.trim_start();
            if let Some(marks) = fence_of(trimmed) {
                document.end_of(&mut paragraph);
                fence = match fence {
                    Some(begin) if trimmed.starts_with(begin) => None,
                    Some(begin) => Some(begin),
                    None => Some(marks),
                };
                continue;
            }
            let is_indented = line.starts_with("    ") && may_begin;
            if fence.is_some() || is_indented {
                document.code.push(Part { line: number, text: line.trim().to_owned() });
                continue;
            }
            may_begin = line.trim().is_empty();
            if may_begin {
                document.end_of(&mut paragraph);
                continue;
            }
            let is_heading = trimmed.starts_with('#');
            let is_row = trimmed.starts_with('|');
            if is_heading {
                document.add_anchor(trimmed.trim_start_matches('#'));
            }
            if !is_row {
                document.prose.push(number);
            }
            // Neither code nor a link goes from one row, or one heading, to the next line.
            if is_heading || is_row {
                document.end_of(&mut paragraph);
                document.end_of(&mut vec![(number, line)]);
            } else {
                paragraph.push((number, line));
            }
        }
        document.end_of(&mut paragraph);
        document
    }

    /// Takes code and links out of a paragraph.
    fn end_of(&mut self, paragraph: &mut Vec<(usize, &str)>) {
        let Some((first, _)) = paragraph.first().copied() else { return };
        let lines: Vec<_> = paragraph.drain(..).map(|(_, line)| line).collect();
        let text = lines.join("\n");
        let line_at = |at: usize| first + text[..at].matches('\n').count();
        // The text with blanks in place of code, where no link begins.
        let mut rest = text.clone();
        let mut at = 0;
        while let Some(begin) = text[at..].find('`').map(|begin| at + begin) {
            let marks = text[begin..].len() - text[begin..].trim_start_matches('`').len();
            let inside = begin + marks;
            let Some(length) = closing(&text[inside..], marks) else {
                at = inside;
                continue;
            };
            let end = inside + length;
            let span = text[inside..end].replace('\n', " ").replace("\\|", "|");
            self.spans.push(Part { line: line_at(begin), text: span.trim().to_owned() });
            rest.replace_range(begin..end + marks, &" ".repeat(end + marks - begin));
            at = end + marks;
        }
        for target in link_targets(&rest) {
            let line = line_at(target.0);
            self.links.push(Part { line, text: target.1.to_owned() });
        }
    }

    fn add_anchor(&mut self, heading: &str) {
        let name = anchor(heading);
        let same =
            |number: usize| if number == 0 { name.clone() } else { format!("{name}-{number}") };
        let free = (0..).map(same).find(|name| !self.anchors.contains(name));
        self.anchors.extend(free);
    }
}

/// The marks that begin or end a block of code.
fn fence_of(line: &str) -> Option<&str> {
    ["```", "~~~"].into_iter().find(|marks| line.starts_with(marks))
}

/// Where the same number of backticks ends a span.
fn closing(text: &str, marks: usize) -> Option<usize> {
    let mut at = 0;
    loop {
        let begin = at + text[at..].find('`')?;
        let found = text[begin..].len() - text[begin..].trim_start_matches('`').len();
        if found == marks {
            return Some(begin);
        }
        at = begin + found;
    }
}

/// The targets of `[text](target)` and `[name]: target`, with their places.
fn link_targets(text: &str) -> Vec<(usize, &str)> {
    let mut targets = Vec::new();
    for (at, _) in text.match_indices("](") {
        let begin = at + 2;
        if let Some(length) = text[begin..].find(')') {
            // A title may follow the target.
            let target = text[begin..begin + length].split_whitespace().next();
            targets.extend(target.map(|target| (at, target)));
        }
    }
    let mut at = 0;
    for line in text.split('\n') {
        let definition = line.strip_prefix('[').and_then(|line| line.split_once("]: "));
        let target = definition.and_then(|(_, target)| target.split_whitespace().next());
        targets.extend(target.map(|target| (at, target)));
        at += line.len() + 1;
    }
    targets
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let characters = heading.trim().chars().filter_map(|character| match character {
        ' ' => Some('-'),
        '-' | '_' => Some(character),
        _ if character.is_alphanumeric() => Some(character),
        _ => None,
    });
    characters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::{Document, Part};

    fn shown(parts: &[Part]) -> Vec<String> {
        parts.iter().map(|part| format!("{} {}", part.line, part.text)).collect()
    }

    #[test]
    fn code_in_the_text_may_go_over_a_line_and_is_no_code_in_a_block() {
        let text = "A `b` and ``c`d``, `netns\nup`.\n\n    indented `x`\n\n```sh\nrun `y`\n```\n\
                    | `a\\|b` | `c |\n| d` |\n";
        let document = Document::read(text);
        assert_eq!(shown(&document.spans), ["1 b", "1 c`d", "1 netns up", "9 a|b"]);
        assert_eq!(shown(&document.code), ["4 indented `x`", "7 run `y`"]);
        assert_eq!(document.prose, [1, 2]);
    }

    #[test]
    fn links_in_the_text_are_read_and_those_in_code_are_not() {
        let text = "See [a](b.md#c) and\n[`d`](e \"title\"), `[f](g)`.\n\n[h]: i.md\n";
        assert_eq!(shown(&Document::read(text).links), ["1 b.md#c", "2 e", "4 i.md"]);
    }

    #[test]
    fn anchors_are_those_of_github() {
        let text = "# `[nat.timeouts]`\n## What a lab's *names* are, 2\n## Also\n## Also\n";
        let wanted = ["nattimeouts", "what-a-labs-names-are-2", "also", "also-1"];
        assert_eq!(Document::read(text).anchors, wanted);
    }

    #[test]
    fn a_continued_line_of_a_list_is_no_code() {
        let document = Document::read("- a\n    `b`\n");
        assert_eq!(shown(&document.spans), ["2 b"]);
        assert!(document.code.is_empty());
    }
}
