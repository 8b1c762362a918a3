//! Rust source as tokens, comments included. A parser would not look into the bodies of macros,
//! and it takes five times as long as all checks together.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or a keyword.
    Word,
    /// The digits of a number.
    Number,
    /// A string, byte string or character, with its quotes.
    Literal,
    Lifetime,
    Comment,
    /// One character of punctuation.
    Mark,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    /// Where it begins in the source, in bytes.
    pub(super) at: usize,
}

impl Token<'_> {
    /// Whether it is this name, keyword or character of punctuation.
    pub(super) fn is(&self, text: &str) -> bool {
        matches!(self.kind, Kind::Word | Kind::Mark) && self.text == text
    }

    /// Whether it is a name or a keyword.
    pub(super) fn is_word(&self) -> bool {
        self.kind == Kind::Word
    }
}

/// The tokens of a source that compiles.
pub(super) fn lex(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = source[at..].chars().next() {
        let rest = &source[at..];
        let (kind, length) = next(rest, first);
        if let Some(kind) = kind {
            tokens.push(Token { kind, text: &rest[..length], at });
        }
        at += length;
    }
    tokens
}

/// The kind and the length of the first token; no kind for a space.
fn next(rest: &str, first: char) -> (Option<Kind>, usize) {
    if first.is_whitespace() {
        return (None, first.len_utf8());
    }
    let (kind, length) = match first {
        '/' if rest.starts_with("//") => (Kind::Comment, rest.find('\n').unwrap_or(rest.len())),
        '/' if rest.starts_with("/*") => (Kind::Comment, block_comment(rest)),
        '"' => (Kind::Literal, quoted(rest)),
        '\'' => character_or_lifetime(rest),
        '0'..='9' => (Kind::Number, word(rest)),
        _ if is_of_word(first) => literal_or_word(rest),
        _ => (Kind::Mark, first.len_utf8()),
    };
    (Some(kind), length)
}

fn is_of_word(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

/// The length of the word at the beginning.
fn word(rest: &str) -> usize {
    rest.find(|character| !is_of_word(character)).unwrap_or(rest.len())
}

/// The length of a comment of several lines, which may have others inside.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        let (change, length) = match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (1, 2),
            [b'*', b'/', ..] => (-1, 2),
            _ => (0, 1),
        };
        depth += change;
        at += length;
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of what is between two equal quotes, both included.
fn quoted(rest: &str) -> usize {
    let quote = rest.chars().next();
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            _ if Some(character) == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn character_or_lifetime(rest: &str) -> (Kind, usize) {
    let mut characters = rest.char_indices().skip(1);
    let first = characters.next().map(|(_, character)| character);
    match (first, characters.next()) {
        (Some('\\'), _) => (Kind::Literal, quoted(rest)),
        (_, Some((at, '\''))) => (Kind::Literal, at + 1),
        _ => (Kind::Lifetime, 1 + word(&rest[1..])),
    }
}

/// A word, or a literal with a prefix, such as `b"…"` or `r#"…"#`.
fn literal_or_word(rest: &str) -> (Kind, usize) {
    let length = word(rest);
    let (prefix, after) = rest.split_at(length);
    match (prefix, after.chars().next()) {
        ("b" | "c", Some('"')) | ("b", Some('\'')) => (Kind::Literal, length + quoted(after)),
        ("r" | "br" | "cr", Some('"' | '#')) => raw(rest, length),
        _ => (Kind::Word, length),
    }
}

/// A raw string, or a raw name such as `r#type`.
fn raw(rest: &str, prefix: usize) -> (Kind, usize) {
    let after = &rest[prefix..];
    let hashes = after.len() - after.trim_start_matches('#').len();
    let text = &after[hashes..];
    if !text.starts_with('"') {
        return (Kind::Word, prefix + hashes + word(text));
    }
    let end = format!("\"{}", &after[..hashes]);
    let length = text[1..].find(&end).map_or(text.len(), |at| 1 + at + end.len());
    (Kind::Literal, prefix + hashes + length)
}

#[cfg(test)]
mod tests {
    use super::{Kind, lex};

    fn of_kind(source: &str, kind: Kind) -> Vec<&str> {
        lex(source).into_iter().filter(|token| token.kind == kind).map(|token| token.text).collect()
    }

    #[test]
    fn quotes_inside_literals_and_comments_end_nothing() {
        let source = r##"let a = "x\"y"; let b = r#"z" w"#; /* " /* ' */ */ let c = b'\''; // "end"
            let d = '"';"##;
        assert_eq!(
            of_kind(source, Kind::Literal),
            [r#""x\"y""#, r##"r#"z" w"#"##, r"b'\''", "'\"'"]
        );
        assert_eq!(of_kind(source, Kind::Comment), ["/* \" /* ' */ */", "// \"end\""]);
        assert_eq!(of_kind(source, Kind::Word), ["let", "a", "let", "b", "let", "c", "let", "d"]);
    }

    #[test]
    fn a_lifetime_is_no_character() {
        let source = "fn f<'a>(x: &'a str, y: &'static u8) -> char { 'x' }";
        assert_eq!(of_kind(source, Kind::Lifetime), ["'a", "'a", "'static"]);
        assert_eq!(of_kind(source, Kind::Literal), ["'x'"]);
    }

    #[test]
    fn a_raw_name_is_a_word() {
        assert_eq!(of_kind("r#type + 1.5e3", Kind::Word), ["r#type"]);
        assert_eq!(of_kind("r#type + 1.5e3", Kind::Number), ["1", "5e3"]);
    }
}
