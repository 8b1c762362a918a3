//! The names that the Rust sources have.

use std::collections::{BTreeMap, HashSet};

use super::{
    super::{
        lexer::{Kind, Token},
        rust::{code, group_end},
    },
    Tree,
};

/// The folder of these checks, whose strings name what documents must not.
const CHECKS: &str = "xtask/src/tidy/";

/// Keywords before what has members.
const OWNERS: [&str; 5] = ["impl", "trait", "enum", "struct", "union"];

pub(super) struct Sources<'a> {
    tokens: BTreeMap<&'a str, Vec<Token<'a>>>,
    /// Names, and words of strings: keys of a file, variables of the environment.
    words: HashSet<&'a str>,
}

impl<'a> Sources<'a> {
    pub(super) fn read(tree: &'a Tree) -> Self {
        let tokens: BTreeMap<_, _> =
            tree.sources().map(|(path, text)| (path, code(text))).collect();
        let mut words = HashSet::new();
        for (path, tokens) in &tokens {
            for token in tokens {
                match token.kind {
                    Kind::Word => drop(words.insert(token.text)),
                    Kind::Literal if !path.starts_with(CHECKS) => {
                        words.extend(words_of(token.text));
                    }
                    _ => {}
                }
            }
        }
        Self { tokens, words }
    }

    /// Whether there is a name, or a path of names each of which the one before has.
    pub(super) fn has(&self, names: &[&str]) -> bool {
        match names {
            [name] => self.words.contains(name),
            _ => names.windows(2).all(|pair| self.has_member(pair[0], pair[1])),
        }
    }

    /// Whether a type or a module has a member.
    fn has_member(&self, owner: &str, member: &str) -> bool {
        if owner.starts_with(|first: char| first.is_ascii_uppercase()) {
            return self.tokens.values().any(|tokens| type_has(tokens, owner, member));
        }
        let is_of = |path: &str| {
            path.split('/').any(|part| part == owner || part.strip_suffix(".rs") == Some(owner))
        };
        let mut files = self.tokens.iter().filter(|(path, _)| is_of(path));
        files.any(|(path, tokens)| {
            path.contains(&format!("/{member}.rs"))
                || path.contains(&format!("/{member}/"))
                || tokens.iter().any(|token| token.is_word() && token.text == member)
        })
    }
}

/// The words of a string.
fn words_of(literal: &str) -> impl Iterator<Item = &str> {
    literal.split(|it: char| it != '_' && !it.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Whether the declaration or a block of methods of a type has a name.
fn type_has(tokens: &[Token<'_>], owner: &str, member: &str) -> bool {
    let mut index = 0;
    while index < tokens.len() {
        if !(tokens[index].is_word() && OWNERS.contains(&tokens[index].text)) {
            index += 1;
            continue;
        }
        let mut names_owner = false;
        while let Some(token) = tokens.get(index).filter(|it| !it.is("{") && !it.is(";")) {
            names_owner |= token.is(owner);
            index += 1;
        }
        if names_owner && tokens.get(index).is_some_and(|token| token.is("{")) {
            let body = &tokens[index..group_end(tokens, index)];
            if body.iter().any(|token| token.is(member)) {
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{super::super::tree::tree, Sources};

    #[test]
    fn names_are_those_of_code_and_strings_and_members_those_of_their_owner() {
        let text = "/// Not this_one.\nstruct A { size: u8 }\nimpl From<B> for A { fn from_b() {} }\n\
                    enum E { One }\nfn f() { env(\"MY_PACKETS\") }\nfn g() {}";
        let tree = tree(&[("x/src/lab/up.rs", text), ("x/src/net.rs", "fn h() {}")]);
        let sources = Sources::read(&tree);
        for names in [
            &["from_b"][..],
            &["MY_PACKETS"],
            &["A", "from_b"],
            &["A", "size"],
            &["E", "One"],
            &["lab", "up", "f"],
            &["up", "A", "size"],
            &["net", "h"],
        ] {
            assert!(sources.has(names), "{names:?}");
        }
        for names in [&["this_one"][..], &["A", "g"], &["E", "Two"], &["net", "f"], &["b", "f"]] {
            assert!(!sources.has(names), "{names:?}");
        }
    }
}
