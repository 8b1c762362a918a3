//! Relative links in Markdown lead to files, and their anchors to headings.

use std::collections::BTreeMap;

use super::{finding::Finding, markdown::Document, tree::Tree};

pub(super) fn check(tree: &Tree, documents: &BTreeMap<&str, Document>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, document) in documents {
        for link in &document.links {
            if is_elsewhere(&link.text) {
                continue;
            }
            if let Some(fault) = fault(tree, documents, path, &link.text) {
                let message = format!("the link {} {fault}", link.text);
                findings.push(Finding::new(path, link.line, message));
            }
        }
    }
    findings
}

/// Whether a link leads to another machine.
fn is_elsewhere(link: &str) -> bool {
    link.contains("://") || link.starts_with("mailto:")
}

fn fault(
    tree: &Tree,
    documents: &BTreeMap<&str, Document>,
    from: &str,
    link: &str,
) -> Option<String> {
    let (target, anchor) =
        link.split_once('#').map_or((link, None), |(target, anchor)| (target, Some(anchor)));
    let path = if target.is_empty() { Some(from.to_owned()) } else { resolve(from, target) };
    let Some(path) = path.filter(|path| tree.has(path)) else {
        return Some("leads to no file of the repository; correct the path".to_owned());
    };
    let document = documents.get(path.as_str())?;
    let anchor = anchor.filter(|anchor| !document.anchors.iter().any(|it| it == anchor))?;
    Some(format!("leads to no heading: {path} has none with the anchor #{anchor}; correct it"))
}

/// A path from a document, as one from the root of the repository.
pub(super) fn resolve(from: &str, target: &str) -> Option<String> {
    let mut names: Vec<&str> = from.split('/').collect();
    names.pop();
    for name in target.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()?),
            _ => names.push(name),
        }
    }
    Some(names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::{super::markdown::Document, super::tree::tree, check};

    #[test]
    fn links_to_nothing_are_found() {
        let a = "# One\n[b](docs/b.md#two) [c](docs/c.md)\n[d](docs) [e](#one) [f](#six)\n\
                 [g](https://x.org/y.md) [h](../outside.md)\n";
        let b = "# Two\n[a](../a.md) [a](../a.md#two)\n";
        let tree = tree(&[("a.md", a), ("docs/b.md", b)]);
        let documents = tree.documents().map(|(path, text)| (path, Document::read(text))).collect();
        let found: Vec<_> = check(&tree, &documents).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "a.md:2: the link docs/c.md leads to no file of the repository; correct the path",
                "a.md:3: the link #six leads to no heading: a.md has none with the anchor #six; \
                 correct it",
                "a.md:4: the link ../outside.md leads to no file of the repository; correct the \
                 path",
                "docs/b.md:2: the link ../a.md#two leads to no heading: a.md has none with the \
                 anchor #two; correct it",
            ]
        );
    }
}
