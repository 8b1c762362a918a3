//! The files of the work tree that git tracks.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::workspace::output_of;

/// The paths that git tracks, and the texts that are checked.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) files: BTreeSet<String>,
    pub(super) folders: BTreeSet<String>,
    /// Rust sources and Markdown documents.
    texts: BTreeMap<String, String>,
}

impl Tree {
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut git = Command::new("git");
        let list = output_of(git.arg("-C").arg(root).args(["ls-files", "-z"]))?;
        let list = String::from_utf8(list).context("a file's name is no UTF-8")?;
        let mut tree = Self::default();
        for path in list.split_terminator('\0') {
            let file = root.join(path);
            // What is deleted and not committed yet is listed all the same.
            if !file.is_file() {
                continue;
            }
            let text = if is_checked(path) {
                fs::read_to_string(&file).with_context(|| format!("cannot read {path}"))?
            } else {
                String::new()
            };
            tree.add(path, text);
        }
        Ok(tree)
    }

    fn add(&mut self, path: &str, text: String) {
        self.files.insert(path.to_owned());
        self.folders.extend(folders_of(path).map(str::to_owned));
        if is_checked(path) {
            self.texts.insert(path.to_owned(), text);
        }
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.with_ending(".rs")
    }

    pub(super) fn documents(&self) -> impl Iterator<Item = (&str, &str)> {
        self.with_ending(".md")
    }

    fn with_ending(&self, ending: &str) -> impl Iterator<Item = (&str, &str)> {
        let texts = self.texts.iter().filter(move |(path, _)| path.ends_with(ending));
        texts.map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Whether there is such a file or folder.
    pub(super) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        path.is_empty() || self.files.contains(path) || self.folders.contains(path)
    }

    /// Whether the path of a file or folder ends with these names.
    pub(super) fn has_ending(&self, names: &str) -> bool {
        let names = names.trim_end_matches('/');
        let ending = format!("/{names}");
        let mut paths = self.files.iter().chain(&self.folders);
        paths.any(|path| path == names || path.ends_with(&ending))
    }
}

/// Whether the text of a file matters.
fn is_checked(path: &str) -> bool {
    path.ends_with(".rs") || path.ends_with(".md")
}

/// The folders that a path lies in, the innermost first.
pub(super) fn folders_of(path: &str) -> impl Iterator<Item = &str> {
    let parent = |path: &str| path.rfind('/');
    std::iter::successors(parent(path).map(|end| &path[..end]), move |folder| {
        parent(folder).map(|end| &folder[..end])
    })
}

#[cfg(test)]
pub(super) fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::default();
    files.iter().for_each(|(path, text)| tree.add(path, (*text).to_owned()));
    tree
}

#[cfg(test)]
mod tests {
    use super::{folders_of, tree};

    #[test]
    fn a_path_is_known_by_its_end() {
        let tree = tree(&[("a/src/lab/up.rs", ""), ("README.md", "")]);
        assert!(tree.has("a/src/lab/") && tree.has("README.md") && !tree.has("lab"));
        assert!(tree.has_ending("lab/up.rs") && tree.has_ending("lab"));
        assert!(!tree.has_ending("p.rs") && !tree.has_ending("a/up.rs"));
    }

    #[test]
    fn the_folders_of_a_path_begin_with_the_innermost() {
        assert_eq!(folders_of("a/b/c.rs").collect::<Vec<_>>(), ["a/b", "a"]);
        assert_eq!(folders_of("c.rs").count(), 0);
    }
}
