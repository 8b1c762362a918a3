//! What a module has: its children, the names it defines, its imports and the paths in its code.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{
    lexer::Token,
    rust::{group_end, is_path_mark, path_at},
};

/// Keywords before the name of an item.
const ITEMS: [&str; 8] = ["fn", "struct", "enum", "union", "trait", "type", "const", "static"];

/// One leaf of a `use`.
#[derive(Debug)]
pub(super) struct Import<'a> {
    /// Of `a::*`, the path `a`.
    pub(super) path: Vec<&'a str>,
    /// The name that it has here; none for `*`.
    pub(super) name: Option<&'a str>,
    pub(super) at: usize,
    /// Whether others may use it from here.
    pub(super) is_public: bool,
}

/// A path of several names in the code of a module.
#[derive(Debug)]
pub(super) struct Mention<'a> {
    pub(super) path: Vec<&'a str>,
    pub(super) at: usize,
}

#[derive(Debug, Default)]
pub(super) struct Module<'a> {
    /// The modules that it declares in files of their own, some with `#[path = "…"]`.
    pub(super) files: Vec<(&'a str, Option<&'a str>)>,
    /// The modules inside its braces.
    pub(super) inline: BTreeMap<&'a str, Module<'a>>,
    pub(super) defined: BTreeSet<&'a str>,
    pub(super) imports: Vec<Import<'a>>,
    pub(super) mentions: Vec<Mention<'a>>,
    /// Where each name of the code is first, imports apart.
    pub(super) words: BTreeMap<&'a str, usize>,
    /// The path of an attribute that the next module has.
    next_path: Option<&'a str>,
}

impl<'a> Module<'a> {
    /// Reads the body of a module, test code apart.
    pub(super) fn read(tokens: &[Token<'a>]) -> Self {
        let mut module = Self::default();
        let mut depth = 0;
        let mut index = 0;
        while index < tokens.len() {
            index = module.read_at(tokens, index, &mut depth);
        }
        module
    }

    /// Reads what is at `index`, and returns the index behind it.
    fn read_at(&mut self, tokens: &[Token<'a>], index: usize, depth: &mut usize) -> usize {
        let token = tokens[index];
        let next = tokens.get(index + 1);
        match token.text {
            "(" | "[" | "{" if !token.is_word() => *depth += 1,
            ")" | "]" | "}" if !token.is_word() => *depth = depth.saturating_sub(1),
            _ => {}
        }
        if !token.is_word() {
            return index + 1;
        }
        let name = next.filter(|next| next.is_word()).map(|next| next.text);
        match (token.text, name) {
            ("path", None) if is_attribute(&tokens[..index]) => {
                self.next_path = tokens.get(index + 2).and_then(string);
                return index + 1;
            }
            ("mod", Some(name)) => return self.read_module(tokens, index + 2, name),
            ("use", _) if next.is_some_and(|next| !next.is("<")) => {
                let is_public = is_public(&tokens[..index]);
                return self.read_import(tokens, index + 1, is_public);
            }
            // The path of `pub(in path)` is no use of what it names.
            ("pub", _) if next.is_some_and(|next| next.is("(")) => {
                return group_end(tokens, index + 1);
            }
            ("macro_rules", _) => {
                self.defined.extend(tokens.get(index + 2).map(|name| name.text));
                return index + 3;
            }
            (keyword, Some(name)) if *depth == 0 && ITEMS.contains(&keyword) => {
                self.defined.insert(name);
                return index + 1;
            }
            _ => {}
        }
        self.read_path(tokens, index)
    }

    fn read_module(&mut self, tokens: &[Token<'a>], index: usize, name: &'a str) -> usize {
        if tokens.get(index).is_some_and(|token| token.is("{")) {
            let end = group_end(tokens, index);
            self.inline.insert(name, Self::read(&tokens[index + 1..end - 1]));
            return end;
        }
        self.files.push((name, self.next_path.take()));
        index + 1
    }

    fn read_path(&mut self, tokens: &[Token<'a>], index: usize) -> usize {
        let at = tokens[index].at;
        let (path, end) = path_at(tokens, index);
        // Behind `>::` and behind a dot is the name of something that a type has.
        let is_member = index >= 2
            && (is_path_mark(tokens, index - 2)
                || tokens[index - 1].is(".") && !tokens[index - 2].is("."));
        if !is_member {
            self.words.entry(path[0]).or_insert(at);
            if path.len() > 1 {
                self.mentions.push(Mention { path, at });
            }
        }
        end
    }

    /// Reads the tree of a `use` that begins at `index`, and returns the index behind its end.
    fn read_import(&mut self, tokens: &[Token<'a>], index: usize, is_public: bool) -> usize {
        let end = self.read_branch(tokens, index, &[], is_public);
        end + usize::from(tokens.get(end).is_some_and(|token| token.is(";")))
    }

    fn read_branch(
        &mut self,
        tokens: &[Token<'a>],
        mut index: usize,
        above: &[&'a str],
        is_public: bool,
    ) -> usize {
        let at = tokens.get(index).map_or(0, |token| token.at);
        // `use ::name` is of another crate, which has no part in a circle.
        if is_path_mark(tokens, index) {
            index += 2;
        }
        let (names, mut index) = path_at(tokens, index);
        let mut path = [above, &names].concat();
        if is_path_mark(tokens, index) {
            index += 2;
        }
        match tokens.get(index).map(|token| token.text) {
            Some("*") => {
                self.imports.push(Import { path, name: None, at, is_public });
                return index + 1;
            }
            Some("{") => {
                let end = group_end(tokens, index);
                index += 1;
                while index + 1 < end {
                    index = self.read_branch(tokens, index, &path, is_public);
                    // The comma.
                    index += 1;
                }
                return end;
            }
            _ => {}
        }
        if names == ["self"] && !above.is_empty() {
            path.pop();
        }
        let mut name = path.last().copied();
        if tokens.get(index).is_some_and(|token| token.is("as")) {
            name = tokens.get(index + 1).map(|token| token.text);
            index += 2;
        }
        // The name `_` brings a trait's methods, and no name.
        self.imports.push(Import { path, name, at, is_public });
        index
    }
}

/// Whether an attribute begins at the end of the tokens.
fn is_attribute(before: &[Token<'_>]) -> bool {
    matches!(before, [.., mark, open] if mark.is("#") && open.is("["))
}

/// What a string literal says.
fn string<'a>(token: &Token<'a>) -> Option<&'a str> {
    token.text.strip_prefix('"')?.strip_suffix('"')
}

/// Whether the tokens end in `pub` or `pub(…)`.
fn is_public(before: &[Token<'_>]) -> bool {
    let Some(last) = before.last() else { return false };
    if !last.is(")") {
        return last.is("pub");
    }
    let open = before.iter().rposition(|token| token.is("("));
    open.and_then(|open| before[..open].last()).is_some_and(|token| token.is("pub"))
}

#[cfg(test)]
mod tests {
    use super::{super::super::rust::code, Module};

    fn imports(source: &str) -> Vec<String> {
        let tokens = code(source);
        let module = Module::read(&tokens);
        let shown = module.imports.iter().map(|import| {
            let public = if import.is_public { "pub " } else { "" };
            format!("{public}{} as {}", import.path.join("::"), import.name.unwrap_or("*"))
        });
        shown.collect()
    }

    #[test]
    fn each_leaf_of_an_import_is_read() {
        let source = "use a::{b::{self, C}, d as e, f::*}; pub(crate) use g::H; use T as _;";
        let wanted =
            ["a::b as b", "a::b::C as C", "a::d as e", "a::f as *", "pub g::H as H", "T as _"];
        assert_eq!(imports(source), wanted);
        assert_eq!(imports("use {a::b, c};"), ["a::b as b", "c as c"]);
        assert!(imports("fn f() -> impl A + use<'a> {}").is_empty());
    }

    #[test]
    fn items_are_defined_where_they_are_not_inside_others() {
        let tokens = code(
            "pub const fn f() { fn g() {} } pub(crate) enum E { A } mod m { fn h() {} } mod n;",
        );
        let module = Module::read(&tokens);
        assert!(module.defined.contains("f") && module.defined.contains("E"));
        assert!(!module.defined.contains("g") && !module.defined.contains("h"));
        assert!(module.inline["m"].defined.contains("h"));
        assert_eq!(module.files, [("n", None)]);
    }

    #[test]
    fn a_module_may_name_its_file() {
        let tokens =
            code("#[path = \"../a.rs\"] #[expect(x)] mod b; fn f() { path = \"x\"; } mod c;");
        assert_eq!(Module::read(&tokens).files, [("b", Some("../a.rs")), ("c", None)]);
    }

    #[test]
    fn paths_in_code_are_mentions() {
        let tokens = code("pub(in crate::a) fn f() { super::b::g::<C>(d); <E as F>::h::i() }");
        let module = Module::read(&tokens);
        let paths: Vec<_> = module.mentions.iter().map(|mention| mention.path.join("::")).collect();
        assert_eq!(paths, ["super::b::g"]);
        assert!(module.words.contains_key("C") && module.words.contains_key("F"));
    }
}
