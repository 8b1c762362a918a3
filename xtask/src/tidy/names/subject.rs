//! What code in a document names: a path, a name of the sources, or nothing that is checked.

use super::Tree;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject<'a> {
    /// A file or a folder.
    Path(&'a str),
    /// The names of a path such as `Type::method`.
    Name(Vec<&'a str>),
}

/// Endings of the names of files that are named without their folders.
const ENDINGS: [&str; 4] = [".rs", ".md", ".toml", ".lock"];

/// What a span names. Placeholders, output, keys and words of the language are nothing.
pub(super) fn subject<'a>(tree: &Tree, span: &'a str) -> Option<Subject<'a>> {
    // A setting with its value, such as `via_stack = true`.
    let span = span.split_once(" = ").map_or(span, |(key, _)| key);
    if is_path(tree, span) {
        return Some(Subject::Path(span));
    }
    let names: Vec<_> = span.trim_end_matches("()").split("::").collect();
    let is_name =
        names.iter().all(|name| is_identifier(name)) && (names.len() > 1 || is_telling(names[0]));
    is_name.then_some(Subject::Name(names))
}

fn is_path(tree: &Tree, span: &str) -> bool {
    let is_plain = span.chars().all(|it| it.is_ascii_alphanumeric() || "_-./".contains(it));
    if !is_plain || span.starts_with('/') {
        return false;
    }
    let ends_as_file = ENDINGS.iter().any(|ending| {
        span.strip_suffix(ending).is_some_and(|stem| !stem.is_empty() && !stem.ends_with('/'))
    });
    let first = span.split_once('/').map(|(first, _)| first);
    ends_as_file || first.is_some_and(|first| tree.has(first) || span.ends_with('/'))
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
}

/// Whether a name is one of source code rather than a word: `snake_case`, `CamelCase`, `CONSTANT`.
fn is_telling(name: &str) -> bool {
    name.contains('_') || name.contains(|it: char| it.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::{super::super::tree::tree, Subject, subject};

    #[test]
    fn paths_and_names_are_told_from_words() {
        let tree = tree(&[("docs/a.md", ""), ("user/src/lab/up.rs", "")]);
        let of = |span| subject(&tree, span);
        for path in ["docs/b.md", "up.rs", "lab/up.rs", "user/src/lba", "lab/"] {
            assert_eq!(of(path), Some(Subject::Path(path)));
        }
        assert_eq!(of("read_all()"), Some(Subject::Name(vec!["read_all"])));
        assert_eq!(of("lab::Head::read"), Some(Subject::Name(vec!["lab", "Head", "read"])));
        assert_eq!(of("via_stack = true"), Some(Subject::Name(vec!["via_stack"])));
        for nothing in
            ["up", "192.168.0.1/24", "/etc/netns", "a b", "veth-NAME", "…", "x/y", "3/13"]
        {
            assert_eq!(of(nothing), None, "{nothing}");
        }
    }
}
