//! Parts of Rust source: groups in brackets, and what is not test code.

use super::lexer::{Kind, Token, lex};

/// The tokens of a source without its comments.
pub(super) fn code(source: &str) -> Vec<Token<'_>> {
    let mut tokens = lex(source);
    tokens.retain(|token| token.kind != Kind::Comment);
    tokens
}

/// The index behind the group whose opening bracket is at `open`.
pub(super) fn group_end(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        if token.kind != Kind::Mark {
            continue;
        }
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth -= 1;
                if depth == 0 {
                    return index + 1;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// The tokens of a source without the items that only tests have.
pub(super) fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut index = 0;
    while index < tokens.len() {
        if is_test_attribute(&tokens[index..]) {
            index = item_end(tokens, index);
        } else {
            kept.push(tokens[index]);
            index += 1;
        }
    }
    kept
}

/// Whether `#[cfg(test)]` or `#[cfg(all(test, …))]` is at the beginning.
fn is_test_attribute(tokens: &[Token<'_>]) -> bool {
    let starts_with = |words: &[&str]| {
        tokens.len() >= words.len() && tokens.iter().zip(words).all(|(token, word)| token.is(word))
    };
    starts_with(&["#", "[", "cfg", "(", "test", ")"])
        || starts_with(&["#", "[", "cfg", "(", "all", "(", "test"])
}

/// The index behind the item that begins at `index` with its attributes.
fn item_end(tokens: &[Token<'_>], mut index: usize) -> usize {
    while tokens.get(index).is_some_and(|token| token.is("#")) {
        index = group_end(tokens, index + 1);
    }
    // The braces of a `use` or of a value are not the end.
    let mut ends_with_semicolon = false;
    while let Some(token) = tokens.get(index) {
        match token.text {
            "use" | "const" | "static" if token.is_word() => ends_with_semicolon = true,
            "fn" if token.is_word() => ends_with_semicolon = false,
            ";" => return index + 1,
            "{" if !ends_with_semicolon => return group_end(tokens, index),
            "(" | "[" | "{" => {
                index = group_end(tokens, index);
                continue;
            }
            // The attribute was that of a field or of the last statement of a block.
            "}" => return index,
            _ => {}
        }
        index += 1;
    }
    index
}

/// The number of the line that a byte of a text is in.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    1 + text[..at].matches('\n').count()
}

/// A path such as `a::b::c` that begins at `index`: its names, and the index behind it.
pub(super) fn path_at<'a>(tokens: &[Token<'a>], mut index: usize) -> (Vec<&'a str>, usize) {
    let mut names = Vec::new();
    while let Some(token) = tokens.get(index).filter(|token| token.is_word()) {
        names.push(token.text.trim_start_matches("r#"));
        index += 1;
        let is_continued =
            is_path_mark(tokens, index) && tokens.get(index + 2).is_some_and(Token::is_word);
        if !is_continued {
            break;
        }
        index += 2;
    }
    (names, index)
}

/// Whether `::` is at `index`.
pub(super) fn is_path_mark(tokens: &[Token<'_>], index: usize) -> bool {
    let [first, second] = [index, index + 1].map(|index| tokens.get(index));
    first
        .zip(second)
        .is_some_and(|(first, second)| first.is(":") && second.is(":") && first.at + 1 == second.at)
}

#[cfg(test)]
mod tests {
    use super::{code, path_at, without_tests};

    fn left(source: &str) -> String {
        let tokens = code(source);
        let kept: Vec<_> = without_tests(&tokens).iter().map(|token| token.text).collect();
        kept.join(" ")
    }

    #[test]
    fn test_modules_and_test_imports_are_left_out() {
        assert_eq!(left("#[cfg(test)] mod tests { fn f() {} } fn g() {}"), "fn g ( ) { }");
        assert_eq!(left("#[cfg(test)] use a::{b, c}; use d;"), "use d ;");
        assert_eq!(left("#[cfg(test)] #[allow(x)] mod tests; mod a;"), "mod a ;");
        assert_eq!(left("#[cfg(test)] const A: B = B { c: 1 }; mod a;"), "mod a ;");
        assert_eq!(left("#[cfg(all(test, unix))] fn f<A, B>(a: [u8; 2]) {} mod a;"), "mod a ;");
    }

    #[test]
    fn what_is_for_tests_among_others_stays() {
        let source = "#[cfg(any(test, feature = \"model\"))] mod model;";
        assert!(left(source).ends_with("mod model ;"));
    }

    #[test]
    fn a_path_ends_before_arguments() {
        let tokens = code("crate::a::B::<C>::new()");
        assert_eq!(path_at(&tokens, 0), (vec!["crate", "a", "B"], 7));
    }
}
