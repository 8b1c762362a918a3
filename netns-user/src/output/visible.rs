//! Makes control characters in text visible.
//!
//! Names of interfaces, processes and files are chosen by people who need not be trusted, and may
//! contain characters that control a terminal. They are written as `\x1b` or `\u{202e}`.

use std::{borrow::Cow, fmt::Write as _};

/// Whether a character could mislead a terminal or a reader: control characters, line separators,
/// marks that change the direction of text, and invisible characters.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Whether `text` is printable ASCII. This is a fast check that nearly every name passes.
pub(super) fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

/// `text` on one line, with visible control characters.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if is_plain(text.as_bytes()) || !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    text.chars().for_each(|c| push(&mut safe, c));
    Cow::Owned(safe)
}

/// `text` with only line feeds and the styles of [`super::style`] as control characters. It is the
/// last check of all output; foreign names have passed through [`escaped`] before.
pub fn guarded(text: &str) -> Cow<'_, str> {
    let is_harmless = |c: char| c == '\n' || !is_unsafe(c);
    if text.chars().all(is_harmless) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = style_length(rest).unwrap_or(c.len_utf8());
        if length > c.len_utf8() || is_harmless(c) {
            safe.push_str(&rest[..length]);
        } else {
            push(&mut safe, c);
        }
        rest = &rest[length..];
    }
    Cow::Owned(safe)
}

/// Bytes as text. Invalid UTF-8 is escaped, so that different names stay different.
pub fn text_of_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

fn push(text: &mut String, c: char) {
    // Writing to a string cannot fail.
    let _ = match c {
        '\n' => write!(text, "\\n"),
        '\t' => write!(text, "\\t"),
        '\r' => write!(text, "\\r"),
        c if is_unsafe(c) && u32::from(c) < 0x100 => write!(text, "\\x{:02x}", u32::from(c)),
        c if is_unsafe(c) => write!(text, "\\u{{{:x}}}", u32::from(c)),
        c => write!(text, "{c}"),
    };
}

/// The length of the style at the beginning of `text`: `ESC [ numbers m` with the numbers that
/// [`super::style`] uses. None of them hides text.
fn style_length(text: &str) -> Option<usize> {
    let numbers = text.strip_prefix("\u{1b}[")?;
    let numbers = &numbers[..numbers.find('m')?];
    let is_ours = |number: &str| {
        matches!(number.parse::<u8>(), Ok(0..=4 | 31..=37 | 91..=97)) || number.is_empty()
    };
    numbers.split(';').all(is_ours).then_some(numbers.len() + 3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::style::{BAD, FAINT, FIGURE, GOOD, HEADING, WARNING, of_namespace, paint};

    #[test]
    fn control_characters_are_made_visible() {
        assert_eq!(escaped("ev\u{1b}]0;PWN\u{7}il"), "ev\\x1b]0;PWN\\x07il");
        assert_eq!(escaped("a\nb\tc\rd\u{7f}\u{9b}2J"), "a\\nb\\tc\\rd\\x7f\\x9b2J");
        assert_eq!(escaped("\u{202e}gpj.exe\u{200b}"), "\\u{202e}gpj.exe\\u{200b}");
    }

    #[test]
    fn letters_of_every_script_are_unchanged() {
        for text in ["eth0", "äöü", "网络命名空间", "a\\b", "👩‍💻", ""] {
            assert_eq!(escaped(text), text);
            assert_eq!(guarded(text), text);
        }
    }

    #[test]
    fn only_own_styles_and_line_feeds_pass_the_guard() {
        let styles = [HEADING, GOOD, BAD, WARNING, FAINT, FIGURE, of_namespace("red", 0)];
        for style in styles {
            let text = format!("{}\nnext\n", paint(style, "text"));
            assert_eq!(guarded(&text), text);
        }
        assert_eq!(guarded("a\u{1b}[8mb"), "a\\x1b[8mb", "hidden text");
        assert_eq!(guarded("a\u{1b}[2Jb\u{1b}[1mc"), "a\\x1b[2Jb\u{1b}[1mc");
        assert_eq!(guarded("a\u{1b}"), "a\\x1b");
        assert_eq!(guarded("a\u{1b}[31"), "a\\x1b[31");
        assert_eq!(guarded("\u{1b}]0;PWN\u{7}"), "\\x1b]0;PWN\\x07");
    }

    #[test]
    fn different_bytes_that_are_no_text_stay_different() {
        assert_eq!(text_of_bytes(b"eth\xff"), "eth\\xff");
        assert_ne!(text_of_bytes(b"\xff"), text_of_bytes(b"\xfe"));
        assert_eq!(text_of_bytes("ä\u{1b}".as_bytes()), "ä\u{1b}");
    }
}
