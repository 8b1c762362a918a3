//! The faults of a text that is not TOML, all of them, and what is left of it without them.

use std::{collections::HashSet, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, Error},
};

use super::{
    error::Fault,
    foreign::yaml_key,
    shape::LISTS,
    statements::{Statement, statements},
};

/// The largest text whose faults are all searched, in bytes. The parser keeps each fault of a
/// statement in memory.
const LARGEST: usize = 1 << 18;

/// How many faults of one statement are kept.
const OF_STATEMENT: usize = 20;

/// Finds the faults of a text. Returns the text with blanks in the place of all that cannot be
/// read, so that what is left has its positions; `None` where the text is too large for that.
/// `first` is the error of the whole text.
pub(super) fn find(text: &str, first: &Error, faults: &mut Vec<Fault>) -> Option<String> {
    if text.len() > LARGEST {
        let span = first.span().unwrap_or(0..0);
        faults.push(Fault::new(span, first.message().replace('\n', " ")));
        return None;
    }
    let mut rest = text.as_bytes().to_vec();
    // Keys below a heading that cannot be read belong to no table that is known.
    let mut is_lost = false;
    for statement in statements(text) {
        if statement.is_heading {
            is_lost = false;
        }
        let is_faulty = of_statement(text, &statement, faults);
        is_lost |= is_faulty && statement.is_heading;
        if is_faulty || is_lost {
            let bytes = &mut rest[statement.span];
            bytes.iter_mut().filter(|byte| !b"\r\n".contains(byte)).for_each(|byte| *byte = b' ');
        }
    }
    Some(String::from_utf8(rest).expect("whole statements are blanked"))
}

/// Reports the faults of one statement. Of those in its form only the first one is real: the parser
/// reports others after it because of it.
fn of_statement(text: &str, statement: &Statement, faults: &mut Vec<Fault>) -> bool {
    let begin = statement.span.start;
    let own = &text[statement.span.clone()];
    let (_, errors) = DeTable::parse_recoverable(own);
    let mut has_form = true;
    let mut lines = Vec::new();
    for error in errors.iter().take(OF_STATEMENT) {
        let span = error.span().unwrap_or(0..0);
        let line = own[..span.start].matches('\n').count();
        let is_form = is_of_form(error.message());
        if !has_form && (is_form || lines.contains(&line)) {
            continue;
        }
        has_form &= !is_form;
        lines.push(line);
        let fault = explain(error.message(), own, span, statement.is_heading);
        faults.push(Fault::new(begin + fault.span.start..begin + fault.span.end, fault.message));
    }
    !errors.is_empty()
}

/// Reads what is left of a text, and reports keys that are there twice.
pub(super) fn read<'t>(rest: &'t str, faults: &mut Vec<Fault>) -> Spanned<DeTable<'t>> {
    let (document, errors) = DeTable::parse_recoverable(rest);
    // Keys below a heading that is there twice are in the table of the first one.
    let mut below = HashSet::new();
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        let begin = rest[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
        let heading = if rest[begin..].trim_start().starts_with('[') {
            below.insert(begin);
            None
        } else {
            rest[..begin].rfind("\n[").map(|newline| newline + 1)
        };
        let key = rest.get(span.clone()).unwrap_or_default().trim_matches(['"', '\'']);
        let message = match (error.message(), heading) {
            ("duplicate key", None) if below.contains(&begin) => twice(key),
            ("duplicate key", Some(heading)) if below.contains(&heading) => continue,
            ("duplicate key", _) => {
                format!("the key \"{key}\" is there twice in one table: leave one out")
            }
            (message, _) => message.replace('\n', " "),
        };
        faults.push(Fault::new(span, message));
    }
    document
}

/// The fault of a heading that is there twice, or of a table and a list of one name.
fn twice(key: &str) -> String {
    if LISTS.contains(&key) || key == "router" {
        return format!("\"{key}\" is there before: write [[{key}]] above the keys of each");
    }
    format!("the table \"{key}\" is there before: put its keys there")
}

/// Whether a message is about the form of a statement, and not about a single value.
fn is_of_form(message: &str) -> bool {
    let forms =
        ["key with no value", "missing ", "unclosed ", "extra ", "unexpected key", "unexpected `="];
    forms.iter().any(|form| message.starts_with(form))
}

/// The parser's message in plain words. `span` is its position in the statement.
fn explain(message: &str, statement: &str, span: Range<usize>, is_heading: bool) -> Fault {
    let plain = || message.replace('\n', " ");
    if is_heading {
        return Fault::new(span, heading(message, statement).unwrap_or_else(plain));
    }
    let key = statement.trim_start().split(['=', ' ', '\t', ':']).next().unwrap_or_default();
    let starts = |begin: &str| message.starts_with(begin);
    let told = if starts("key with no value") {
        match yaml_key(statement) {
            Some(key) => format!("\"=\" is missing: write {key} = instead of {key}:"),
            None => format!("\"=\" is missing: write {key} = and its value"),
        }
    } else if starts("unclosed array") {
        "the list is not closed: add ]".into()
    } else if starts("unclosed inline table") {
        "the table is not closed: add }".into()
    } else if starts("missing comma between array") {
        "a comma is missing between two elements of the list".into()
    } else if starts("missing comma between key") {
        "a comma is missing between two keys of the table".into()
    } else if message.contains(" string, expected") && ends_line(statement, span.end) {
        "the text has no closing quote: add it".into()
    } else if starts("missing value") || (is_of_word(message) && word(statement, &span).is_empty())
    {
        format!("the key \"{key}\" has no value: write it after \"=\"")
    } else if is_of_word(message) {
        let span = word(statement, &span);
        let value = &statement[span.clone()];
        let bare = value.trim_matches(['“', '”', '„', '‘', '’', '«', '»', '"', '\'']);
        let told = format!("{value} is text, and not in quotes: write \"{bare}\"");
        return Fault::new(span, told);
    } else {
        plain()
    };
    Fault::new(span, told)
}

/// Whether a message is about a value without quotes, which the parser takes for a number or a
/// boolean by its first letter.
fn is_of_word(message: &str) -> bool {
    let words = ["string values must be quoted", "invalid boolean", "invalid float"];
    words.iter().any(|word| message.starts_with(word))
}

/// The whole of a value, of which the parser names a part.
fn word(statement: &str, span: &Range<usize>) -> Range<usize> {
    let is_end = |c: char| c.is_whitespace() || ",[]{}=#".contains(c);
    let begin = statement[..span.start].rfind(is_end).map_or(0, |before| before + 1);
    let end = statement[span.start..].find(is_end).map_or(statement.len(), |end| span.start + end);
    begin..end
}

/// Whether nothing but white space follows in the line.
fn ends_line(text: &str, place: usize) -> bool {
    text[place..].lines().next().unwrap_or_default().trim().is_empty()
}

/// The fault of a heading in plain words.
fn heading(message: &str, statement: &str) -> Option<String> {
    let heading = statement.split('#').next().unwrap_or_default().trim();
    let name = heading.trim_start_matches('[');
    let name = name.split(']').next().unwrap_or_default().trim();
    let (open, close) = if heading.starts_with("[[") { ("[[", "]]") } else { ("[", "]") };
    if name.is_empty() {
        return Some(format!(
            "the name of the table is missing: write it between {open} and {close}"
        ));
    }
    if message.starts_with("unclosed") {
        return Some(format!("the heading is not closed: write {open}{name}{close}"));
    }
    if message.starts_with("unexpected key or value") {
        return Some(format!("more follows {open}{name}{close}: put it on the next line"));
    }
    None
}
